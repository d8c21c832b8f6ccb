/* docs/NATIVE-MODELS.md, from the tables of readers. */
#include <stdio.h>

#include "base/mem.h"
#include "domain/native/program_int.h"

/* "sklearn.linear_model._base" -> "sklearn.linear_model": the name that people import. */
static struct sb_str public_module(const char *module) {
    struct sb_str s = sb_str_of(module);
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '.' && s.p[i + 1] == '_') return sb_str_sub(s, 0, i);
    return s;
}

static void add_name(struct sb_buf *out, const char *module, const char *name) {
    sb_buf_addf(out, "| `%.*s.%s`", SB_ARG(public_module(module)), name);
}

static void add_models(struct sb_buf *out) {
    sb_buf_addz(out, "## Models\n\n| class | read from | predict answers |\n|---|---|---|\n");
    for (const struct native_family *const *f = native_families; *f; f++) {
        for (const struct native_reader *r = (*f)->readers; r->name; r++) {
            add_name(out, r->module, r->name);
            sb_buf_addf(out, " | %s | %s |\n", r->formats ? r->formats : "", r->output);
        }
    }
    sb_buf_addz(out, "\nFiles are found by the model's MLflow loader:");
    for (const struct native_format *f = native_formats; f->loader; f++)
        sb_buf_addf(out, "%s `%s`", f == native_formats ? "" : ",", f->loader);
    sb_buf_addz(out, ".\n\n");
}

static void add_steps(struct sb_buf *out) {
    static const struct native_transformer *const tables[] = {native_composers, native_scalers,
                                                              native_encoders};
    sb_buf_addz(out, "## Steps of a pipeline\n\n| class | native with |\n|---|---|\n");
    for (size_t i = 0; i < SB_COUNT(tables); i++) {
        for (const struct native_transformer *t = tables[i]; t->name; t++) {
            add_name(out, t->module, t->name);
            sb_buf_addf(out, " | %s |\n", t->doc[0] ? t->doc : "every option");
        }
    }
}

/* Models of listed classes that are for a worker all the same, with the reason. */
static const struct {
    const char *what, *why;
} exceptions[] = {
    {"classifiers of several outputs", "labels of several kinds at once are not built in"},
    {"gradient boosting with an `init` estimator of its own", "another model inside the model"},
    {"GradientBoosting before 1.4, HistGradientBoosting before 1.1, IsolationForest before 1.3",
     "their formulas were others, and nobody has compared them"},
    {"categorical HistGradientBoosting before 1.4, or at the end of a pipeline",
     "unknown categories wrapped; one program of columns per model"},
    {"LightGBM: linear trees, `pred_...` parameters of an estimator, a custom objective of a "
     "classifier",
     "their predictions are other formulas"},
    {"LightGBM and XGBoost trained on pandas categories",
     "a request's text has no categorical type: the library refuses it, too"},
    {"XGBoost: gblinear, files before 1.6, a label encoder of before 1.6", "not built in"},
    {"XGBoost since 3.3 with several quantiles", "it sorts them"},
};

static void add_exceptions(struct sb_buf *out) {
    sb_buf_addz(out, "Of these classes, a worker serves:\n\n| what | why |\n|---|---|\n");
    for (size_t i = 0; i < SB_COUNT(exceptions); i++)
        sb_buf_addf(out, "| %s | %s |\n", exceptions[i].what, exceptions[i].why);
    sb_buf_addc(out, '\n');
}

static void add_workers(struct sb_buf *out) {
    sb_buf_addz(out, "\n## Served by a Python worker\n\n"
                     "Everything else: a class that is not listed above, a model with code of its "
                     "own (functions,\nsubclasses, `predict_fn` other than `predict`), and other "
                     "libraries' flavors. `sibyl models` and\n`/health` say why for each version. "
                     "What is logged often:\n\n| class | why |\n|---|---|\n");
    for (const struct sb_pickle_refusal *c = native_worker_classes; c->name; c++) {
        add_name(out, c->module, c->name);
        sb_buf_addf(out, " | %s |\n", c->why);
    }
}

void sb_native_docs(struct sb_buf *out) {
    sb_buf_addz(
        out,
        "Models that sibyl computes itself, without Python. Their files are read by a parser that\n"
        "cannot run code, in a process of its own; what comes out is mapped and checked. All "
        "other\n"
        "models are served by Python workers, and answer the same.\n\n");
    add_models(out);
    add_exceptions(out);
    add_steps(out);
    sb_buf_addz(
        out,
        "\n`set_output(transform=\"pandas\")`, `transformer_weights`, pipelines that give a sparse "
        "matrix to XGBoost or\nLightGBM, and linear models trained in float32 go to a worker.\n\n"
        "## What \"the same answer\" means\n\n"
        "- **Trees**: every bit, for every kind of row: the sums have the library's type and "
        "order. "
        "What goes\n  through `exp` or `log` is equal where the library takes both from the C "
        "library, as it does on\n  CPUs without AVX-512; numpy's own for AVX-512 may differ by 2 "
        "ulp each.\n"
        "- **Steps of a pipeline**: every bit of the matrix they make, in double and in float32.\n"
        "- **Linear models**: the library's own sum runs in a BLAS, whose order depends on the CPU "
        "and on the\n  number of rows; scikit-learn itself gives other bits for a row alone than "
        "in a "
        "batch. sibyl adds\n  from left to right, always alike. The two differ by at most "
        "4 n eps sum|x w| (n: terms of the sum);\n  labels are equal unless two scores are closer "
        "than that; probabilities follow from the scores\n  within that and 2 ulp.\n"
        "- **Refusals**: what scikit-learn refuses is a 400 that names row and column: unknown "
        "categories under\n  `handle_unknown=\"error\"`, NaN and infinity where they are refused, "
        "columns that are missing, text in\n  place of numbers (also text that reads as a "
        "number).\n"
        "- **Missing text**: pandas 3 makes null NaN in a text column that holds any text, and "
        "leaves it None in\n  one that does not; an imputer fills the first only. sibyl does the "
        "same, so a null alone may be\n  answered otherwise than beside other rows.\n"
        "- **Names**: columns go to features by name where both have names, else by position. A "
        "column\n  transformer ignores further columns; every other model refuses them. LightGBM "
        "never looks\n  at names.\n");
    add_workers(out);
}

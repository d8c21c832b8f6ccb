/* domain/native: serving an image, and what conversion says about models it does not take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "domain/native/native.h"
#include "domain/native/spec.h"
#include "domain/native/xgboost_int.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/native-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state) {
    (void)state;
    return sb_dir_remove_all(folder, NULL) == SB_OK ? 0 : -1;
}

static const char *path(const char *name) {
    static char p[256];
    snprintf(p, sizeof p, "%s/%s", folder, name);
    return p;
}

/* One tree: left (1 of 3 classes) when the second of two features is at most 0.5. */
static struct native_spec stump(void) {
    static struct sb_str features[] = {{"age", 3}, {"income", 6}};
    static struct sb_str labels[] = {{"no", 2}, {"yes", 3}};
    static const struct sb_forest_ir_node nodes[] = {
        {.threshold = 0.5, .left = 1, .right = 2, .feature = 1, .default_left = true},
        {.left = -1, .right = -1},
        {.left = -1, .right = -1}};
    static const double values[] = {0, 0, 0.75, 0.25, 0.125, 0.875}, base[] = {-0.0, -0.0};
    static struct sb_forest_ir_tree tree = {.nodes = nodes, .n = 3, .values = values};
    return (struct native_spec){
        .meta = {.library = SB_STR("scikit-learn"),
                 .version = SB_STR("1.9.1"),
                 .class_name = SB_STR("sklearn.tree._classes.DecisionTreeClassifier"),
                 .nfeatures = 2,
                 .features = features,
                 .answer = NATIVE_ARGMAX,
                 .proba = true,
                 .label = NATIVE_STR,
                 .nclasses = 2,
                 .classes = labels},
        .ir = {
            .nfeatures = 2, .ntrees = 1, .trees = &tree, .width = 2, .ngroups = 2, .base = base}};
}

static void write_image(const struct native_spec *s, const char *file) {
    struct sb_image_writer w;
    struct sb_str bytes;
    sb_image_writer_init(&w, 1 << 20);
    assert_int_equal(native_spec_write(&w, s, &bytes, NULL), SB_OK);
    assert_int_equal(sb_file_replace(file, bytes.p, bytes.n, NULL), SB_OK);
    sb_image_writer_fini(&w);
}

static struct sb_model *open_spec(const struct native_spec *s, struct sb_signature *sig) {
    struct sb_model *m = NULL;
    struct sb_errctx ctx = {0};
    const struct sb_model_info info = {0};
    write_image(s, path("image"));
    if (sb_native_open(&m, path("image"), sig, &info, &ctx) != SB_OK) fail_msg("%s", ctx.msg);
    return m;
}

static void done(struct sb_predict *p) {
    p->user = p;
}

/* Two columns of one row. */
struct call {
    struct sb_arena a;
    struct sb_column cols[2];
    struct sb_batch batch;
    struct sb_predict p;
};

static void call(struct call *c, struct sb_model *m, const char *n0, double v0, const char *n1,
                 double v1) {
    const char *names[] = {n0, n1};
    const double values[] = {v0, v1};
    memset(c, 0, sizeof *c);
    sb_arena_init(&c->a, 1 << 20);
    for (int i = 0; i < 2; i++) {
        assert_true(
            sb_column_init(&c->cols[i], &c->a, sb_str_of(names[i]), SB_DTYPE_FLOAT64, 1, 1));
        c->cols[i].f64[0] = values[i];
    }
    c->batch = (struct sb_batch){.nrows = 1, .ncols = 2, .cols = c->cols};
    c->p = (struct sb_predict){.in = &c->batch, .arena = &c->a, .done = done};
    sb_model_predict(m, &c->p);
    assert_ptr_equal(c->p.user, &c->p); /* done was called */
}

static void a_label_and_its_probabilities(void **state) {
    (void)state;
    struct native_spec s = stump();
    struct sb_model *m = open_spec(&s, NULL);
    struct call c;
    call(&c, m, "age", 1, "income", 0.5);
    assert_int_equal(c.p.err, SB_OK);
    assert_int_equal(c.p.out.noutputs, 1);
    assert_true(sb_str_is(c.p.out.outputs[0].name, "prediction"));
    assert_true(sb_str_is(c.p.out.outputs[0].s[0], "no"));
    assert_int_equal(c.p.out.nclasses, 2);
    assert_true(sb_str_is(c.p.out.classes[1], "yes"));
    assert_true(c.p.out.proba[0] == 0.75 && c.p.out.proba[1] == 0.25);
    sb_arena_fini(&c.a);
    sb_model_unref(m);
}

static void columns_are_found_by_name_or_by_position(void **state) {
    (void)state;
    struct native_spec s = stump();
    struct sb_model *m = open_spec(&s, NULL);
    const struct {
        const char *n0, *n1;
        double v0, v1;
        const char *want, *part; /* a label, or a part of the message */
    } rows[] = {
        {"age", "income", 9, 0, "no", NULL},
        {"income", "age", 9, 0, "yes", NULL},
        {"", "", 0, 9, "yes", NULL},
        {"age", "salary", 0, 9, NULL, "no feature \"salary\""},
        {"age", "income", 0, NAN, NULL, "row 0, feature \"income\": missing value"},
        {"age", "income", INFINITY, 0, NULL, "row 0, feature \"age\": infinity"},
        {"age", "income", 3.4028235677973366e38, 0, NULL, "too large for float32"},
        {"age", "income", 3.4028234e38, 0, "no", NULL},
        {"", "", NAN, 0, NULL, "feature \"age\""},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct call c;
        call(&c, m, rows[i].n0, rows[i].v0, rows[i].n1, rows[i].v1);
        if (rows[i].want) {
            assert_int_equal(c.p.err, SB_OK);
            assert_true(sb_str_is(c.p.out.outputs[0].s[0], rows[i].want));
        } else {
            assert_int_equal(sb_err_class(c.p.err), SB_CLASS_CALLER);
            if (!strstr(c.p.ctx.msg, rows[i].part)) fail_msg("%zu: %s", i, c.p.ctx.msg);
        }
        sb_arena_fini(&c.a);
    }
    sb_model_unref(m);
}

static void missing_values_follow_the_node_where_the_library_takes_them(void **state) {
    (void)state;
    struct native_spec s = stump();
    s.meta.allow_nan = true;
    struct sb_model *m = open_spec(&s, NULL);
    struct call c;
    call(&c, m, "age", 1, "income", NAN);
    assert_int_equal(c.p.err, SB_OK);
    assert_true(sb_str_is(c.p.out.outputs[0].s[0], "no")); /* default left */
    sb_arena_fini(&c.a);
    /* null is missing too */
    call(&c, m, "age", 1, "income", 7);
    c.cols[1].null = (uint8_t[]){1};
    sb_model_predict(m, &c.p);
    assert_true(sb_str_is(c.p.out.outputs[0].s[0], "no"));
    sb_arena_fini(&c.a);
    sb_model_unref(m);
}

static void whole_numbers_round_once(void **state) {
    (void)state;
    struct native_spec s = stump();
    /* 2^54 + 2^30 + 1 lies above the middle of two floats; through double it would be the middle,
     * and go down to the even one */
    static struct sb_forest_ir_node nodes[3];
    memcpy(nodes, s.ir.trees[0].nodes, sizeof nodes);
    nodes[0].threshold = 18014398509481984.0;
    struct sb_forest_ir_tree tree = s.ir.trees[0];
    tree.nodes = nodes;
    s.ir.trees = &tree;
    struct sb_model *m = open_spec(&s, NULL);
    struct call c;
    call(&c, m, "age", 1, "income", 0);
    assert_true(sb_column_init(&c.cols[1], &c.a, SB_STR("income"), SB_DTYPE_INT64, 1, 1));
    c.cols[1].i64[0] = (INT64_C(1) << 54) + (INT64_C(1) << 30) + 1;
    sb_model_predict(m, &c.p);
    assert_true(sb_str_is(c.p.out.outputs[0].s[0], "yes"));
    c.cols[1].i64[0] -= 1;
    sb_model_predict(m, &c.p);
    assert_true(sb_str_is(c.p.out.outputs[0].s[0], "no"));
    sb_arena_fini(&c.a);
    sb_model_unref(m);
}

static void text_columns_and_wrong_counts_are_refused(void **state) {
    (void)state;
    struct native_spec s = stump();
    struct sb_model *m = open_spec(&s, NULL);
    struct call c;
    call(&c, m, "age", 1, "income", 0);
    assert_true(sb_column_init(&c.cols[0], &c.a, SB_STR("age"), SB_DTYPE_STRING, 1, 1));
    sb_model_predict(m, &c.p);
    assert_int_equal(c.p.err, SB_E_INVALID);
    assert_non_null(strstr(c.p.ctx.msg, "feature \"age\": a number is expected"));
    c.batch.ncols = 1;
    sb_errctx_reset(&c.p.ctx);
    sb_model_predict(m, &c.p);
    assert_int_equal(c.p.err, SB_E_INVALID);
    assert_non_null(strstr(c.p.ctx.msg, "1 features given, the model has 2"));
    sb_arena_fini(&c.a);
    sb_model_unref(m);
}

static void a_matrix_fills_the_features_in_order(void **state) {
    (void)state;
    struct native_spec s = stump();
    struct sb_model *m = open_spec(&s, NULL);
    struct call c;
    call(&c, m, "", 0, "", 0);
    assert_true(sb_column_init(&c.cols[0], &c.a, SB_STR("x"), SB_DTYPE_FLOAT32, 2, 2));
    memcpy(c.cols[0].f32, (float[]){0, 0.5f, 0, 0.75f}, 16);
    c.batch = (struct sb_batch){.nrows = 2, .ncols = 1, .cols = c.cols, .tensor = true};
    sb_model_predict(m, &c.p);
    assert_int_equal(c.p.err, SB_OK);
    assert_true(sb_str_is(c.p.out.outputs[0].s[0], "no"));
    assert_true(sb_str_is(c.p.out.outputs[0].s[1], "yes"));
    sb_arena_fini(&c.a);
    sb_model_unref(m);
}

static void labels_keep_their_type(void **state) {
    (void)state;
    static struct sb_str ints[] = {{"-7", 2}, {"9", 1}}, bools[] = {{"False", 5}, {"True", 4}},
                         floats[] = {{"0.5", 3}, {"2.0", 3}};
    const struct {
        enum native_label label;
        struct sb_str *classes;
        enum sb_dtype type;
    } rows[] = {{NATIVE_INT, ints, SB_DTYPE_INT64},
                {NATIVE_BOOL, bools, SB_DTYPE_BOOL},
                {NATIVE_FLOAT, floats, SB_DTYPE_FLOAT64}};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct native_spec s = stump();
        s.meta.label = rows[i].label;
        s.meta.classes = rows[i].classes;
        struct sb_model *m = open_spec(&s, NULL);
        struct call c;
        call(&c, m, "age", 0, "income", 9);
        const struct sb_column *out = &c.p.out.outputs[0];
        assert_int_equal(out->type, rows[i].type);
        assert_int_equal(m->signature->outputs[0].type, rows[i].type);
        if (i == 0) assert_int_equal(out->i64[0], 9);
        if (i == 1) assert_int_equal(out->b[0], 1);
        if (i == 2) assert_true(out->f64[0] == 2.0);
        sb_arena_fini(&c.a);
        sb_model_unref(m);
    }
}

static void one_probability_becomes_two(void **state) {
    (void)state;
    static const double values[] = {0, -1, 2}, base[] = {0};
    struct native_spec s = stump();
    struct sb_forest_ir_tree tree = s.ir.trees[0];
    tree.values = values;
    s.ir.trees = &tree;
    s.ir.width = s.ir.ngroups = 1;
    s.ir.base = base;
    s.ir.f32 = s.meta.f32 = true;
    s.ir.post = SB_FOREST_SIGMOID;
    s.meta.answer = NATIVE_THRESHOLD;
    struct sb_model *m = open_spec(&s, NULL);
    struct call c;
    call(&c, m, "age", 0, "income", 9);
    assert_true(sb_str_is(c.p.out.outputs[0].s[0], "yes"));
    assert_true(c.p.out.proba[1] > 0.88 && c.p.out.proba[1] < 0.8809);
    assert_true(c.p.out.proba[0] == (double)(1.0f - (float)c.p.out.proba[1]));
    sb_arena_fini(&c.a);
    sb_model_unref(m);
}

static void a_signature_is_inferred_or_names_the_output(void **state) {
    (void)state;
    struct native_spec s = stump();
    struct sb_model *m = open_spec(&s, NULL);
    assert_int_equal(m->signature->ninputs, 2);
    assert_string_equal(m->signature->inputs[1].name, "income");
    assert_int_equal(m->signature->inputs[1].type, SB_DTYPE_FLOAT64);
    assert_false(m->signature->present);
    assert_int_equal(sb_signature_find(m->signature, SB_STR("age")), 0);
    sb_model_unref(m);

    s.meta.features = NULL;
    m = open_spec(&s, NULL);
    assert_string_equal(m->signature->inputs[1].name, "f1");
    sb_model_unref(m);

    struct sb_signature *sig = NULL;
    assert_int_equal(sb_signature_parse(&sig, SB_STR(""),
                                        SB_STR("[{\"type\":\"string\",\"name\":\"risk\"}]"),
                                        SB_STR(""), NULL),
                     SB_OK);
    m = open_spec(&s, sig);
    struct call c;
    call(&c, m, "", 0, "", 9);
    assert_true(sb_str_is(c.p.out.outputs[0].name, "risk"));
    assert_int_equal(m->signature->ninputs, 2);
    sb_arena_fini(&c.a);
    sb_model_unref(m);
}

static void images_that_contradict_themselves_do_not_open(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct native_spec s = stump();
        static struct sb_str words[] = {{"a", 1}, {"b", 1}, {"c", 1}};
        if (i == 0) s.meta.nfeatures = 1, s.meta.features = NULL;
        if (i == 1) s.meta.f32 = true;
        if (i == 2) s.meta.nclasses = 3, s.meta.classes = words;
        if (i == 3) s.meta.label = NATIVE_INT; /* of "no" and "yes" */
        if (i == 4) s.meta.nclasses = 0;
        struct sb_model *m = NULL;
        const struct sb_model_info info = {0};
        write_image(&s, path("image"));
        if (sb_native_open(&m, path("image"), NULL, &info, NULL) != SB_E_CORRUPT)
            fail_msg("contradiction %d", i);
    }
}

/* ---- pipelines ---- */

/* An imputer with indicator and a scaler of n, a one-hot encoder of c; logistic regression. Its
 * columns h and w are dropped. */
static struct sb_model *golden_pipeline(void) {
    struct sb_model *m = NULL;
    struct sb_errctx ctx = {0};
    const struct sb_model_info info = {0};
    if (sb_native_open(&m, "tests/golden/model-image-2/pipeline.img", NULL, &info, &ctx) != SB_OK)
        fail_msg("%s", ctx.msg);
    return m;
}

/* As call, with text in the column c. */
static void call_text(struct call *c, struct sb_model *m, const char *n0, double v, const char *n1,
                      const char *text) {
    call(c, m, "", 0, "", 0);
    sb_errctx_reset(&c->p.ctx);
    c->cols[0].name = sb_str_of(n0);
    c->cols[0].f64[0] = v;
    assert_true(sb_column_init(&c->cols[1], &c->a, sb_str_of(n1), SB_DTYPE_STRING, 1, 1));
    c->cols[1].s[0] = sb_str_of(text);
    sb_model_predict(m, &c->p);
}

static void a_pipeline_of_an_image_still_predicts(void **state) {
    (void)state;
    struct sb_model *m = golden_pipeline();
    struct call c;
    call_text(&c, m, "n", 1.76, "c", "x");
    assert_int_equal(c.p.err, SB_OK);
    assert_true(sb_str_is(c.p.out.outputs[0].s[0], "yes"));
    assert_int_equal(c.p.out.nclasses, 2);
    assert_true(fabs(c.p.out.proba[1] - 0x1.f44d2686274a2p-1) < 1e-15);
    assert_true(c.p.out.proba[0] == 1 - c.p.out.proba[1]);
    sb_arena_fini(&c.a);
    sb_model_unref(m);
}

static void columns_of_a_pipeline_are_found_by_name(void **state) {
    (void)state;
    const struct {
        const char *name, *n0;
        double v;
        const char *n1, *text, *part; /* NULL: accepted */
    } rows[] = {
        {"in their order", "n", 1, "c", "x", NULL},
        {"NaN is imputed", "n", NAN, "c", "x", NULL},
        {"an unknown category is ignored", "n", 1, "c", "new", NULL},
        {"infinity", "n", INFINITY, "c", "x", "row 0, feature \"n\": infinity"},
        {"a column that is missing", "n", 1, "other", "x", "the column \"c\" is missing"},
        {"a word for a number", "c", 1, "n", "x", "feature \"n\": a number is expected (\"x\")"},
    };
    struct sb_model *m = golden_pipeline();
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct call c;
        call_text(&c, m, rows[i].n0, rows[i].v, rows[i].n1, rows[i].text);
        if (c.p.err != (rows[i].part ? SB_E_INVALID : SB_OK))
            fail_msg("%s: %s", rows[i].name, c.p.ctx.msg);
        if (rows[i].part && !strstr(c.p.ctx.msg, rows[i].part))
            fail_msg("%s: %s", rows[i].name, c.p.ctx.msg);
        sb_arena_fini(&c.a);
    }
    /* what such columns hold only the request can say */
    assert_int_equal(m->signature->ninputs, 0);
    sb_model_unref(m);
}

/* ---- conversion ---- */

static void put(const char *name, struct sb_str text) {
    assert_int_equal(sb_file_replace(path(name), text.p, text.n, NULL), SB_OK);
}

#define MLMODEL(loader, extra)                                                                     \
    "flavors:\n  python_function:\n    loader_module: " loader "\n    model_path: model.pkl\n"     \
    "    data: model.pkl\n" extra

#define XGBOOST(class)                                                                             \
    MLMODEL("mlflow.xgboost", "  xgboost:\n    data: model.pkl\n    model_class: " class "\n")

static void what_is_not_native_gets_a_reason(void **state) {
    (void)state;
    const struct {
        const char *name, *mlmodel;
        struct sb_str model;
        const char *reason;
    } rows[] = {
        {"another flavor", MLMODEL("mlflow.pytorch", ""), SB_STR("x"),
         "a model loaded by mlflow.pytorch is served by a Python worker"},
        {"another class", MLMODEL("mlflow.sklearn", "    predict_fn: predict\n"),
         SB_STR("csklearn.unknown\nThing\n)\x81."),
         "class sklearn.unknown.Thing is not supported (byte 24); a Python worker serves it"},
        {"a class that is known", MLMODEL("mlflow.sklearn", ""),
         SB_STR("csklearn.svm._classes\nSVC\n)\x81."),
         "class sklearn.svm._classes.SVC is not supported: its kernel sums run over the training "
         "data, in an order of libsvm's own (byte 27); a Python worker serves it"},
        {"probabilities", MLMODEL("mlflow.sklearn", "    predict_fn: predict_proba\n"),
         SB_STR("N."), "predict_fn predict_proba is served by a Python worker"},
        {"no estimator", MLMODEL("mlflow.sklearn", ""), SB_STR("N."), "holds no estimator"},
        {"a future version", MLMODEL("mlflow.sklearn", ""),
         SB_STR("csklearn.tree._classes\nDecisionTreeRegressor\n)\x81}\x8c\x10_sklearn_version"
                "\x8c\6"
                "1.10.0sb."),
         "models of scikit-learn 1.10.0 are served by a Python worker"},
        {"another objective", XGBOOST("xgboost.core.Booster"),
         SB_STR("{\"version\":[3,2,0],\"learner\":{\"objective\":{\"name\":\"survival:aft\"}}}"),
         "XGBoost objective survival:aft is served by a Python worker"},
        {"another booster", XGBOOST("xgboost.core.Booster"),
         SB_STR("{\"version\":[3,2,0],\"learner\":{\"objective\":{\"name\":\"reg:gamma\"},"
                "\"gradient_booster\":{\"name\":\"gblinear\"}}}"),
         "XGBoost booster gblinear is served by a Python worker"},
        {"another XGBoost class", XGBOOST("my.Classifier"),
         SB_STR("{\"version\":[3,2,0],\"learner\":{}}"),
         "XGBoost class my.Classifier is served by a Python worker"},
        {"an old XGBoost", XGBOOST("xgboost.core.Booster"),
         SB_STR("{\"version\":[1,5,2],\"learner\":{}}"),
         "XGBoost file of version 1.5 is served by a Python worker"},
        {"the old binary format", XGBOOST("xgboost.core.Booster"), SB_STR("binf\0\0\0"),
         "binary format of before 1.0"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_native_report rep;
        struct sb_errctx ctx = {0};
        put("MLmodel", sb_str_of(rows[i].mlmodel));
        put("model.pkl", rows[i].model);
        sb_err err = sb_native_convert(folder, path("image"), &rep, &ctx);
        if (err) fail_msg("%s: %s", rows[i].name, ctx.msg);
        assert_false(rep.native);
        if (!strstr(rep.reason, rows[i].reason)) fail_msg("%s: %s", rows[i].name, rep.reason);
    }
}

static void damaged_files_are_errors(void **state) {
    (void)state;
    const struct {
        const char *name, *mlmodel;
        struct sb_str model;
        sb_err err;
        const char *says; /* NULL: anything */
    } rows[] = {
        {"no YAML", "a: [", SB_STR("N."), SB_E_SYNTAX, NULL},
        {"a path that leaves the folder",
         "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n"
         "    model_path: ../../etc/passwd\n",
         SB_STR("N."), SB_E_DENIED, NULL},
        {"a cut pickle", MLMODEL("mlflow.sklearn", ""), SB_STR("\x80\4\x95"), SB_E_CORRUPT, NULL},
        {"an empty pickle", MLMODEL("mlflow.sklearn", ""), SB_STR(""), SB_E_CORRUPT, NULL},
        {"an estimator that was not fitted", MLMODEL("mlflow.sklearn", ""),
         SB_STR("csklearn.tree._classes\nDecisionTreeRegressor\n)\x81}\x8c\x10_sklearn_version"
                "\x8c\5"
                "1.9.1sb."),
         SB_E_CORRUPT, "(of the DecisionTreeRegressor made at byte 46)"},
        {"a cut archive", MLMODEL("mlflow.sklearn", ""), SB_STR("PK\3\4"), SB_E_CORRUPT, NULL},
        {"a cut document", XGBOOST("xgboost.core.Booster"), SB_STR("{\"version\":[3,"), SB_E_SYNTAX,
         NULL},
        {"a document of something else", XGBOOST("xgboost.core.Booster"), SB_STR("{}"),
         SB_E_CORRUPT, NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_native_report rep;
        struct sb_errctx ctx = {0};
        put("MLmodel", sb_str_of(rows[i].mlmodel));
        put("model.pkl", rows[i].model);
        sb_err err = sb_native_convert(folder, path("image"), &rep, &ctx);
        if (err != rows[i].err) fail_msg("%s: %s %s", rows[i].name, sb_err_name(err), ctx.msg);
        if (rows[i].says && !strstr(ctx.msg, rows[i].says))
            fail_msg("%s: %s", rows[i].name, ctx.msg);
    }
}

static void json_numbers_round_to_float_once(void **state) {
    (void)state;
    struct sb_arena a;
    const struct sb_ubj *v = NULL;
    double *d;
    size_t n;
    sb_arena_init(&a, 1 << 20);
    /* the middle of two floats, and a little more than a double can tell from it */
    assert_int_equal(
        xgboost_document(&v, SB_STR("{\"a\":[1.00000005960464477539062500000001E0, 16777217]}"), &a,
                         NULL),
        SB_OK);
    assert_true(sb_ubj_numbers(sb_ubj_get(v, "a"), &a, &d, &n));
    assert_int_equal(n, 2);
    assert_true(d[0] == (double)nextafterf(1, 2));
    assert_true(d[1] == 16777217); /* whole numbers are not floats */
    assert_int_equal(xgboost_document(&v, SB_STR("{\"a\":[1, \"b\"]}"), &a, NULL), SB_E_SYNTAX);
    sb_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_and_its_probabilities),
        cmocka_unit_test(columns_are_found_by_name_or_by_position),
        cmocka_unit_test(missing_values_follow_the_node_where_the_library_takes_them),
        cmocka_unit_test(whole_numbers_round_once),
        cmocka_unit_test(text_columns_and_wrong_counts_are_refused),
        cmocka_unit_test(a_matrix_fills_the_features_in_order),
        cmocka_unit_test(labels_keep_their_type),
        cmocka_unit_test(one_probability_becomes_two),
        cmocka_unit_test(a_signature_is_inferred_or_names_the_output),
        cmocka_unit_test(images_that_contradict_themselves_do_not_open),
        cmocka_unit_test(a_pipeline_of_an_image_still_predicts),
        cmocka_unit_test(columns_of_a_pipeline_are_found_by_name),
        cmocka_unit_test(what_is_not_native_gets_a_reason),
        cmocka_unit_test(damaged_files_are_errors),
        cmocka_unit_test(json_numbers_round_to_float_once),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}

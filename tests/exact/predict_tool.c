/* Converts models and prints what they predict, for comparison with the libraries.
 *
 *     predict_tool < list        each line: MODEL_DIR ROWS_FILE NCOLS IMAGE OUTPUT
 *
 * ROWS_FILE holds float64 row after row. OUTPUT gets one line per row: "error TEXT", or the
 * prediction (text of a label, or hex floats) and, after " | ", the probabilities as hex floats.
 * Each row is predicted alone and again in one batch with all rows that are accepted; if any bit
 * differs the tool fails. A model that is not native gives one line "worker REASON".
 *
 *     predict_tool convert MODEL_DIR IMAGE       the converter child
 *     predict_tool child MODEL_DIR IMAGE         runs that child and says what it answered */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "domain/native/native.h"

static void done(struct sb_predict *p) {
    SB_UNUSED(p);
}

static void print_cell(FILE *to, const struct sb_column *c, size_t row) {
    for (size_t k = 0; k < c->width; k++) {
        size_t i = row * c->width + k;
        if (k) fputc(' ', to);
        switch (c->type) {
        case SB_DTYPE_STRING: fprintf(to, "%.*s", SB_ARG(c->s[i])); break;
        case SB_DTYPE_INT64: fprintf(to, "%lld", (long long)c->i64[i]); break;
        case SB_DTYPE_BOOL: fputs(c->b[i] ? "True" : "False", to); break;
        case SB_DTYPE_FLOAT32: fprintf(to, "%a", (double)c->f32[i]); break;
        default: fprintf(to, "%a", c->f64[i]); break;
        }
    }
}

static void print_row(FILE *to, const struct sb_result *r, size_t row) {
    print_cell(to, &r->outputs[0], row);
    if (r->nclasses) fputs(" |", to);
    for (size_t k = 0; k < r->nclasses; k++) fprintf(to, " %a", r->proba[row * r->nclasses + k]);
    fputc('\n', to);
}

/* Predicts the listed rows at once. */
static sb_err predict(struct sb_model *m, struct sb_arena *a, const double *x, size_t ncols,
                      const size_t *rows, size_t nrows, struct sb_predict *p) {
    struct sb_column *cols = sb_arena_zalloc(a, ncols * sizeof *cols);
    struct sb_batch *batch = sb_arena_zalloc(a, sizeof *batch);
    for (size_t c = 0; c < ncols; c++) {
        SB_ASSERT(sb_column_init(&cols[c], a, SB_STR(""), SB_DTYPE_FLOAT64, nrows, 1));
        for (size_t r = 0; r < nrows; r++) cols[c].f64[r] = x[rows[r] * ncols + c];
    }
    *batch = (struct sb_batch){.nrows = nrows, .ncols = ncols, .cols = cols};
    *p = (struct sb_predict){.in = batch, .arena = a, .done = done};
    sb_model_predict(m, p);
    return p->err;
}

static char *row_text(const struct sb_result *r, size_t row) {
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    print_row(f, r, row);
    fclose(f);
    return text;
}

/* Rows alone, then the accepted ones together; false when they differ. */
static bool run_rows(struct sb_model *m, const double *x, size_t nrows, size_t ncols, FILE *out) {
    struct sb_arena a;
    sb_arena_init(&a, (size_t)2 << 30);
    char **alone = sb_calloc(nrows + 1, sizeof *alone);
    size_t *accepted = sb_calloc(nrows + 1, sizeof *accepted), n = 0;
    for (size_t r = 0; r < nrows; r++) {
        struct sb_predict p;
        sb_arena_reset(&a);
        if (predict(m, &a, x, ncols, &r, 1, &p) != SB_OK) {
            fprintf(out, "error %s\n", sb_errctx_text(&p.ctx, p.err));
            continue;
        }
        alone[n] = row_text(&p.out, 0);
        fputs(alone[n], out);
        accepted[n++] = r;
    }
    bool same = true;
    struct sb_predict p;
    sb_arena_reset(&a);
    if (n && predict(m, &a, x, ncols, accepted, n, &p) != SB_OK) same = false;
    for (size_t i = 0; i < n && same; i++) {
        char *text = row_text(&p.out, i);
        if (strcmp(text, alone[i]) != 0) same = false;
        free(text);
    }
    for (size_t i = 0; i < n; i++) free(alone[i]);
    sb_free(alone);
    sb_free(accepted);
    sb_arena_fini(&a);
    return same;
}

static double *load_rows(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    double *x = sb_alloc((size_t)size + 8);
    *n = fread(x, sizeof *x, (size_t)size / sizeof *x, f);
    fclose(f);
    return x;
}

static bool run_model(const char *dir, const char *rows, size_t ncols, const char *image,
                      const char *output) {
    struct sb_native_report rep;
    struct sb_errctx ctx = {0};
    struct sb_model *m = NULL;
    struct sb_model_info info = {0};
    size_t n = 0;
    bool ok = true;
    FILE *out = fopen(output, "w");
    double *x = load_rows(rows, &n);
    if (!out || !x) return false;
    sb_err err = sb_native_convert(dir, image, &rep, &ctx);
    if (!err && rep.native) err = sb_native_open(&m, image, NULL, &info, &ctx);
    if (err) {
        fprintf(stderr, "%s: %s\n", dir, sb_errctx_text(&ctx, err));
        ok = false;
    } else if (!rep.native) {
        fprintf(out, "worker %s\n", rep.reason);
    } else if (!run_rows(m, x, n / ncols, ncols, out)) {
        fprintf(stderr, "%s: rows alone and in a batch differ\n", dir);
        ok = false;
    }
    sb_model_unref(m);
    sb_free(x);
    fclose(out);
    return ok;
}

static int run_child(char **argv) {
    struct sb_native_report rep;
    struct sb_errctx ctx = {0};
    sb_err err = sb_native_convert_child(argv[0], argv[2], argv[3], &rep, &ctx);
    if (err)
        printf("%s: %s\n", sb_err_name(err), sb_errctx_text(&ctx, err));
    else if (!rep.native)
        printf("worker: %s\n", rep.reason);
    else
        printf("native: %s %s %llu trees\n", rep.flavor, rep.class_name,
               (unsigned long long)rep.trees);
    return err ? 1 : 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "convert") == 0)
        return sb_native_convert_main(argc - 1, argv + 1);
    if (argc == 4 && strcmp(argv[1], "child") == 0) return run_child(argv);
    char line[8192], dir[2048], rows[2048], image[2048], output[2048];
    size_t ncols;
    bool ok = true;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%2047s %2047s %zu %2047s %2047s", dir, rows, &ncols, image, output) !=
                5 ||
            ncols == 0)
            return 2;
        if (!run_model(dir, rows, ncols, image, output)) ok = false;
    }
    return ok ? 0 : 1;
}

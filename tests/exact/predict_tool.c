/* Converts models and prints what they predict, for comparison with the libraries.
 *
 *     predict_tool < list        each line: MODEL_DIR ROWS_FILE NCOLS IMAGE OUTPUT
 *     predict_tool typed < list  each line: MODEL_DIR REQUEST_FILE IMAGE OUTPUT
 *
 * ROWS_FILE holds float64 row after row. OUTPUT gets one line per row: "error TEXT", or the
 * prediction (text of a label, or hex floats) and, after " | ", the probabilities as hex floats.
 * Each row is predicted alone and again in batches of many sizes with the rows that are accepted;
 * if any bit differs the tool fails. A model that is not native gives one line "worker REASON".
 *
 * REQUEST_FILE has a line per column: name in hex, type (b i l f d s), and a cell per row: ~ for
 * null, s and hex for text, else a number. OUTPUT gets the rows alone, then a line "together", and
 * the accepted rows as one call answers them.
 *
 *     predict_tool convert MODEL_DIR IMAGE       the converter child
 *     predict_tool child MODEL_DIR IMAGE         runs that child and says what it answered */
#include <math.h>
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

/* n rows at once, the accepted ones over and over: each must answer what it answered alone. */
static bool batch_same(struct sb_model *m, struct sb_arena *a, const double *x, size_t ncols,
                       const size_t *accepted, char *const *alone, size_t naccepted, size_t n) {
    struct sb_predict p;
    size_t *rows = sb_calloc(n + 1, sizeof *rows);
    for (size_t i = 0; i < n; i++) rows[i] = accepted[i % naccepted];
    sb_arena_reset(a);
    bool same = predict(m, a, x, ncols, rows, n, &p) == SB_OK;
    for (size_t i = 0; i < n && same; i++) {
        char *text = row_text(&p.out, i);
        same = strcmp(text, alone[i % naccepted]) == 0;
        free(text);
    }
    sb_free(rows);
    return same;
}

/* Rows alone, then the accepted ones together, and in batches around the sizes at which kernels
 * change; false when they differ. */
static bool run_rows(struct sb_model *m, const double *x, size_t nrows, size_t ncols, FILE *out) {
    static const size_t sizes[] = {2,  3,  7,   8,   9,   15,  16,  17,  31,  32,  33, 63,
                                   64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513};
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
    bool same = !n || batch_same(m, &a, x, ncols, accepted, alone, n, n);
    for (size_t i = 0; n && same && i < SB_COUNT(sizes); i++)
        same = batch_same(m, &a, x, ncols, accepted, alone, n, sizes[i]);
    for (size_t i = 0; i < n; i++) free(alone[i]);
    sb_free(alone);
    sb_free(accepted);
    sb_arena_fini(&a);
    return same;
}

/* ---- typed requests ---- */

enum { TYPED_COLUMNS_MAX = 512 };

static struct sb_str unhex(struct sb_arena *a, const char *hex, size_t n) {
    char *to = sb_arena_zalloc(a, n / 2 + 1);
    for (size_t i = 0; i + 1 < n; i += 2) {
        unsigned byte;
        SB_ASSERT(sscanf(hex + i, "%2x", &byte) == 1);
        to[i / 2] = (char)byte;
    }
    return sb_str_make(to, n / 2);
}

static void set_cell(struct sb_column *c, size_t row, const char *cell, struct sb_arena *a,
                     size_t nrows) {
    if (*cell == '~') {
        if (!c->null) c->null = sb_arena_zalloc(a, nrows);
        c->null[row] = 1;
    }
    bool null = *cell == '~';
    switch (c->type) {
    case SB_DTYPE_STRING:
        c->s[row] = null ? SB_STR("") : unhex(a, cell + 1, strlen(cell + 1));
        break;
    case SB_DTYPE_BOOL: c->b[row] = null ? 0 : *cell == '1'; break;
    case SB_DTYPE_INT32: c->i32[row] = null ? 0 : (int32_t)strtol(cell, NULL, 10); break;
    case SB_DTYPE_INT64: c->i64[row] = null ? 0 : strtoll(cell, NULL, 10); break;
    case SB_DTYPE_FLOAT32: c->f32[row] = null ? NAN : strtof(cell, NULL); break;
    default: c->f64[row] = null ? NAN : strtod(cell, NULL); break;
    }
}

/* One line of the file. */
static void load_column(struct sb_column *c, char *line, struct sb_arena *a, size_t *nrows) {
    static const char letters[] = "bilfds";
    static const enum sb_dtype types[] = {SB_DTYPE_BOOL,    SB_DTYPE_INT32,   SB_DTYPE_INT64,
                                          SB_DTYPE_FLOAT32, SB_DTYPE_FLOAT64, SB_DTYPE_STRING};
    size_t n = 0;
    char *save = NULL, *name = strtok_r(line, " \n", &save), *type = strtok_r(NULL, " \n", &save);
    SB_ASSERT(name && type && strchr(letters, *type));
    for (const char *p = save; *p; p++) n += *p == ' ';
    n++;
    SB_ASSERT(*nrows == 0 || *nrows == n);
    *nrows = n;
    SB_ASSERT(sb_column_init(c, a, unhex(a, name, strlen(name)),
                             types[strchr(letters, *type) - letters], n, 1));
    for (size_t row = 0; row < n; row++) {
        char *cell = strtok_r(NULL, " \n", &save);
        SB_ASSERT(cell);
        set_cell(c, row, cell, a, n);
    }
}

static bool load_request(struct sb_batch *b, const char *path, struct sb_arena *a) {
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    if (!f) return false;
    b->cols = sb_arena_zalloc(a, TYPED_COLUMNS_MAX * sizeof *b->cols);
    while (b->ncols < TYPED_COLUMNS_MAX && getline(&line, &cap, f) > 0)
        load_column(&b->cols[b->ncols++], line, a, &b->nrows);
    free(line);
    fclose(f);
    return true;
}

/* The listed rows of a request, as a request. */
static struct sb_batch *take_rows(const struct sb_batch *from, const size_t *rows, size_t n,
                                  struct sb_arena *a) {
    struct sb_batch *b = sb_arena_zalloc(a, sizeof *b);
    *b = (struct sb_batch){.nrows = n, .ncols = from->ncols};
    b->cols = sb_arena_zalloc(a, b->ncols * sizeof *b->cols);
    for (size_t c = 0; c < b->ncols; c++) {
        const struct sb_column *src = &from->cols[c];
        struct sb_column *dst = &b->cols[c];
        size_t size = sb_dtype_size(src->type);
        SB_ASSERT(sb_column_init(dst, a, src->name, src->type, n, 1));
        for (size_t i = 0; i < n; i++) {
            memcpy((char *)dst->data + i * size, (const char *)src->data + rows[i] * size, size);
            if (!src->null || !src->null[rows[i]]) continue;
            if (!dst->null) dst->null = sb_arena_zalloc(a, n);
            dst->null[i] = 1;
        }
    }
    return b;
}

static sb_err predict_rows(struct sb_model *m, const struct sb_batch *all, const size_t *rows,
                           size_t n, struct sb_arena *a, struct sb_predict *p) {
    sb_arena_reset(a);
    *p = (struct sb_predict){.in = take_rows(all, rows, n, a), .arena = a, .done = done};
    sb_model_predict(m, p);
    return p->err;
}

static void run_typed(struct sb_model *m, const struct sb_batch *all, FILE *out) {
    struct sb_arena a;
    struct sb_predict p;
    size_t *accepted = sb_calloc(all->nrows + 1, sizeof *accepted), n = 0;
    sb_arena_init(&a, (size_t)1 << 30);
    for (size_t r = 0; r < all->nrows; r++) {
        if (predict_rows(m, all, &r, 1, &a, &p) != SB_OK) {
            fprintf(out, "error %s\n", sb_errctx_text(&p.ctx, p.err));
            continue;
        }
        print_row(out, &p.out, 0);
        accepted[n++] = r;
    }
    fputs("together\n", out);
    if (n && predict_rows(m, all, accepted, n, &a, &p) != SB_OK)
        fprintf(out, "error %s\n", sb_errctx_text(&p.ctx, p.err));
    else
        for (size_t r = 0; r < n; r++) print_row(out, &p.out, r);
    sb_free(accepted);
    sb_arena_fini(&a);
}

static bool run_typed_model(const char *dir, const char *request, const char *image,
                            const char *output) {
    struct sb_native_report rep;
    struct sb_errctx ctx = {0};
    struct sb_model *m = NULL;
    struct sb_model_info info = {0};
    struct sb_batch batch = {0};
    struct sb_arena a;
    FILE *out = fopen(output, "w");
    sb_arena_init(&a, (size_t)1 << 30);
    bool ok = out && load_request(&batch, request, &a);
    sb_err err = ok ? sb_native_convert(dir, image, &rep, &ctx) : SB_OK;
    if (ok && !err && rep.native) err = sb_native_open(&m, image, NULL, &info, &ctx);
    if (err) fprintf(stderr, "%s: %s\n", dir, sb_errctx_text(&ctx, err));
    if (ok && !err && !rep.native) fprintf(out, "worker %s\n", rep.reason);
    if (m) run_typed(m, &batch, out);
    sb_model_unref(m);
    sb_arena_fini(&a);
    if (out) fclose(out);
    return ok && !err;
}

/* ---- plain rows ---- */

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
    bool typed = argc == 2 && strcmp(argv[1], "typed") == 0;
    char line[8192], dir[2048], rows[2048], image[2048], output[2048];
    size_t ncols;
    bool ok = true;
    while (typed && fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%2047s %2047s %2047s %2047s", dir, rows, image, output) != 4) return 2;
        if (!run_typed_model(dir, rows, image, output)) ok = false;
    }
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%2047s %2047s %zu %2047s %2047s", dir, rows, &ncols, image, output) !=
                5 ||
            ncols == 0)
            return 2;
        if (!run_model(dir, rows, ncols, image, output)) ok = false;
    }
    return ok ? 0 : 1;
}

/* Time of one row through a native model: the whole back-end call, with its checks and labels.
 *
 *     model_bench MODEL_DIR IMAGE [NAMES] < rows   rows as comma-separated values, one a line
 *     ->  median microseconds over the rows, each predicted alone, in order
 *
 * A value that is no number is text. NAMES: the columns' names, comma-separated; without them
 * columns go by position. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "domain/native/native.h"

enum { ROWS_MAX = 100000, COLS_MAX = 256, LINE = 1 << 16 };

static void done(struct sb_predict *p) {
    SB_UNUSED(p);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A row's columns, over the line's bytes. */
static size_t read_row(struct sb_column *cols, struct sb_str line, struct sb_arena *a) {
    size_t n = 0;
    struct sb_str cell;
    while (n < COLS_MAX && sb_str_split(&line, ',', &cell)) {
        char *end;
        double d = strtod(cell.p, &end);
        bool number = cell.n && end == cell.p + cell.n;
        SB_ASSERT(sb_column_init(&cols[n], a, SB_STR(""),
                                 number ? SB_DTYPE_FLOAT64 : SB_DTYPE_STRING, 1, 1));
        if (number)
            cols[n].f64[0] = d;
        else
            cols[n].s[0] = cell;
        n++;
    }
    return n;
}

static double predict_one(struct sb_model *m, struct sb_arena *a, struct sb_str line,
                          struct sb_str names) {
    struct sb_column *cols = sb_arena_zalloc(a, COLS_MAX * sizeof *cols);
    size_t ncols = read_row(cols, line, a);
    for (size_t c = 0; c < ncols && names.p; c++) (void)sb_str_split(&names, ',', &cols[c].name);
    struct sb_batch batch = {.nrows = 1, .ncols = ncols, .cols = cols};
    struct sb_predict p = {.in = &batch, .arena = a, .done = done};
    int64_t begin = sb_mono_ns();
    sb_model_predict(m, &p);
    int64_t ns = sb_mono_ns() - begin;
    SB_ASSERT(p.err == SB_OK);
    return (double)ns / 1e3;
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4)
        return fprintf(stderr, "usage: model_bench MODEL_DIR IMAGE [NAMES] < rows\n"), 2;
    struct sb_errctx ctx = {0};
    struct sb_native_report report;
    struct sb_model *m;
    struct sb_model_info info = {0};
    sb_err err = sb_native_convert(argv[1], argv[2], &report, &ctx);
    if (!err && !report.native) return fprintf(stderr, "not native: %s\n", report.reason), 1;
    if (!err) err = sb_native_open(&m, argv[2], NULL, &info, &ctx);
    if (err) return fprintf(stderr, "%s\n", sb_errctx_text(&ctx, err)), 1;
    double *us = sb_calloc(ROWS_MAX, sizeof *us);
    char *line = sb_alloc(LINE);
    struct sb_arena a;
    sb_arena_init(&a, SIZE_MAX);
    size_t n = 0;
    while (n < ROWS_MAX && fgets(line, LINE, stdin)) {
        struct sb_str row = sb_str_trim(sb_str_of(line));
        us[n++] = predict_one(m, &a, row, sb_str_of(argc == 4 ? argv[3] : NULL));
        sb_arena_reset(&a);
    }
    if (!n) return fprintf(stderr, "no rows\n"), 1;
    qsort(us, n, sizeof *us, by_value);
    printf("%.4f\n", us[n / 2]);
    sb_arena_fini(&a);
    sb_model_unref(m);
    sb_free(line);
    sb_free(us);
    return 0;
}

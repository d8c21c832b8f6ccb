/* A table as text, text/csv, into the columns of a batch: what pandas.read_csv makes of it with the
 * signature's types, as MLflow's scoring server reads it.
 *
 * The first row names the columns. Rows shorter than that are filled with missing values; when the
 * first row of data is longer, its first fields are an index and left out, as in what
 * DataFrame.to_csv writes without an index label. A model without a signature gets columns of
 * numbers, of booleans or of text, by what all their fields are; so its table is read twice. */
#include "api/serving/serving_int.h"
#include "codec/csv.h"
#include "domain/model/enforce.h"

/* Fields that stand for a missing value: pandas' STR_NA_VALUES. */
static const char *const MISSING[] = {
    "",        "#N/A", "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "<NA>",
    "1.#QNAN", "N/A",  "NA",       "NULL", "NaN",     "None",     "n/a",  "nan",  "null",
};

static bool is_missing(struct sb_str s) {
    for (size_t i = 0; i < SB_COUNT(MISSING); i++)
        if (sb_str_is(s, MISSING[i])) return true;
    return false;
}

/* What all fields of a column are, when the model does not say. */
enum kind { KIND_NUMBER, KIND_BOOL, KIND_TEXT };

struct table {
    struct call *c;
    struct sb_arena *arena; /* of what this pass makes */
    struct sb_batch_builder *b;
    bool began; /* the header was read */
    struct sb_str *names;
    ptrdiff_t *columns; /* per name; NULL while measuring */
    size_t ncols, index;
    size_t rows;
    bool infer;
    struct measure {
        bool some, other_than[KIND_TEXT];
    } * measured; /* per name */
};

static sb_err fail_memory(struct table *t) {
    return sb_fail(&t->c->ctx, SB_E_LIMIT, "the rows take more memory than one request may");
}

/* ---- header ---- */

/* A column given twice would be decided by chance (pandas renames the second one). */
static sb_err check_twice(struct table *t, size_t at) {
    for (size_t i = 0; i < at; i++) {
        if (t->columns[i] != t->columns[at] || t->columns[at] < 0) continue;
        t->c->field = t->names[at];
        return sb_fail(&t->c->ctx, SB_E_INVALID, "the header has the column '%.*s' twice",
                       SB_ARG(sb_str_sub(t->names[at], 0, 80)));
    }
    return SB_OK;
}

static sb_err read_header(struct table *t, const struct sb_str *fields, size_t n) {
    t->began = true;
    t->ncols = n;
    t->names = sb_arena_try_array(t->arena, n, sizeof *t->names);
    if (!t->names) return fail_memory(t);
    memcpy(t->names, fields, n * sizeof *t->names);
    if (!t->b) {
        t->measured = sb_arena_try_array(t->arena, n, sizeof *t->measured);
        return t->measured ? SB_OK : fail_memory(t);
    }
    t->columns = sb_arena_try_array(t->arena, n, sizeof *t->columns);
    if (!t->columns) return fail_memory(t);
    for (size_t i = 0; i < n; i++) {
        t->columns[i] = sb_batch_column(t->b, t->names[i]);
        SB_TRY(check_twice(t, i));
    }
    return SB_OK;
}

/* ---- rows ---- */

/* pandas skips lines of nothing but white space; one column may hold such text. */
static bool is_blank(const struct table *t, const struct sb_str *fields, size_t n) {
    return n == 1 && t->ncols > 1 && sb_str_trim(fields[0]).n == 0;
}

static void measure(struct measure *m, struct sb_str field) {
    double d;
    if (is_missing(field)) return;
    m->some = true;
    if (!sb_text_to_double(field, &d)) m->other_than[KIND_NUMBER] = true;
    if (!sb_str_ieq(field, SB_STR("true")) && !sb_str_ieq(field, SB_STR("false")))
        m->other_than[KIND_BOOL] = true;
}

static enum kind kind_of(const struct measure *m) {
    if (!m->other_than[KIND_NUMBER]) return KIND_NUMBER;
    return m->some && !m->other_than[KIND_BOOL] ? KIND_BOOL : KIND_TEXT;
}

static bool make_cell(const struct table *t, size_t at, struct sb_str field, struct sb_cell *cell) {
    static const enum sb_dtype types[] = {[KIND_NUMBER] = SB_DTYPE_FLOAT64,
                                          [KIND_BOOL] = SB_DTYPE_BOOL,
                                          [KIND_TEXT] = SB_DTYPE_STRING};
    if (is_missing(field)) {
        *cell = (struct sb_cell){.type = SB_JSON_NULL, .token = SB_STR("null"), .text = field};
        return true;
    }
    enum kind kind = t->infer ? kind_of(&t->measured[at]) : KIND_TEXT;
    enum sb_dtype type = t->infer ? types[kind] : sb_batch_column_type(t->b, t->columns[at]);
    if (!sb_cell_of_text(cell, field, type, t->arena)) return false;
    if (t->infer && kind == KIND_NUMBER && sb_text_to_double(field, &cell->number))
        cell->type = SB_JSON_NUMBER;
    return true;
}

static sb_err set_row(struct table *t, const struct sb_str *fields, size_t n) {
    for (size_t i = 0; i < t->ncols; i++) {
        struct sb_cell cell;
        struct sb_str field = t->index + i < n ? fields[t->index + i] : (struct sb_str){0};
        if (t->columns[i] < 0) continue;
        if (!make_cell(t, i, field, &cell)) return fail_memory(t);
        SB_TRY(sb_batch_set_value(t->b, t->columns[i], t->rows, 0, &cell));
    }
    return SB_OK;
}

static sb_err on_row(void *arg, const struct sb_str *fields, size_t n) {
    struct table *t = arg;
    if (!t->began) return read_header(t, fields, n);
    if (is_blank(t, fields, n)) return SB_OK;
    if (t->rows == 0 && n > t->ncols) t->index = n - t->ncols;
    if (n > t->ncols + t->index) {
        t->c->row = (int64_t)t->rows;
        return sb_fail(&t->c->ctx, SB_E_INVALID,
                       "row %zu has %zu fields, the header and the first row have %zu", t->rows, n,
                       t->ncols + t->index);
    }
    for (size_t i = 0; i < t->ncols && !t->b; i++)
        if (t->index + i < n) measure(&t->measured[i], fields[t->index + i]);
    if (t->b) SB_TRY(set_row(t, fields, n));
    t->rows++;
    return SB_OK;
}

/* ---- the whole ---- */

static sb_err read_table(struct table *t) {
    enum { EXTRA = 64 }; /* of an index, and columns that the model does not have */
    return sb_csv_read(t->c->r->body, SB_LIMIT_PREDICT_FEATURES + EXTRA, t->arena, on_row, t,
                       &t->c->ctx);
}

static sb_err fill(struct call *c, struct sb_batch_builder *b, struct measure *measured) {
    struct table t = {
        .c = c, .arena = c->r->arena, .b = b, .infer = measured != NULL, .measured = measured};
    SB_TRY(read_table(&t));
    if (!t.began) return sb_fail(&c->ctx, SB_E_INVALID, "the table has no header");
    if (!t.rows) return sb_fail(&c->ctx, SB_E_INVALID, "the table has no rows");
    return sb_batch_finish(b, t.rows, &c->batch);
}

sb_err sb_decode_csv(struct call *c) {
    struct sb_batch_builder b;
    struct sb_arena aside;
    const struct sb_signature *s = c->live->model->signature;
    struct table first = {.c = c, .arena = &aside};
    sb_arena_init(&aside, c->r->arena->max);
    sb_err err = s->ninputs ? SB_OK : read_table(&first);
    if (!err)
        err = sb_batch_begin(&b, &(struct sb_batch_opts){
                                     .signature = s,
                                     .arena = c->r->arena,
                                     .ctx = &c->ctx,
                                     .tokens = true,
                                 });
    if (!err) {
        err = fill(c, &b, first.measured);
        if (err && !c->field.n) c->field = b.bad_column;
        if (err && c->row < 0) c->row = b.bad_row;
    }
    sb_arena_fini(&aside);
    return err;
}

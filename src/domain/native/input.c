/* From a request's columns to the predictor's sums, with the checks that the library makes.
 *
 * Each feature of the model gets a view of its column. Without a program the predictor is a forest,
 * and the values are its inputs: where it compares floats a value becomes one once, the way numpy
 * and XGBoost do it, from double or from a whole number straight to float32. With a program blocks
 * of rows run through it. A row's sums never depend on the rows beside it. */
#include <math.h>
#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "domain/native/backend_int.h"

enum { CHUNK_VALUES = 1 << 20 /* of a forest's rows that are made at once */ };

struct input {
    const struct native *m;
    struct sb_predict *p;
    size_t nrows;
    struct sb_columnprog_source *sources; /* one per feature of the model; data NULL: not there */
    double *sums;
};

static sb_err nomem(struct input *in) {
    (void)sb_fail(&in->p->ctx, SB_E_LIMIT, "request needs more memory than it may");
    return SB_E_LIMIT;
}

/* ---- features and their columns ---- */

/* The column a feature comes from, and its name for messages. */
static struct sb_str shown(const struct input *in, size_t feature) {
    const struct native_meta *m = &in->m->meta;
    const struct sb_batch *b = in->p->in;
    if (m->features) return sb_str_sub(m->features[feature], 0, 80);
    for (size_t i = 0, at = 0; i < b->ncols; at += b->cols[i++].width)
        if (feature - at < b->cols[i].width && b->cols[i].name.n)
            return sb_str_sub(b->cols[i].name, 0, 80);
    return sb_str_of(sb_arena_printf(in->p->arena, "%zu", feature));
}

sb_err native_names_index(struct native *m, struct sb_errctx *ctx) {
    uint32_t slots = 4;
    if (!m->meta.features) return SB_OK;
    while (slots < 2 * m->meta.nfeatures) slots *= 2;
    m->names = sb_arena_try_array(&m->arena, slots, sizeof *m->names);
    if (!m->names) return sb_fail(ctx, SB_E_NOMEM, "out of memory");
    m->nnames = slots;
    for (uint32_t i = 0; i < m->meta.nfeatures; i++) {
        struct sb_str name = m->meta.features[i];
        uint64_t at = sb_hash(name.p, name.n) & (slots - 1);
        while (m->names[at]) at = (at + 1) & (slots - 1);
        m->names[at] = i + 1;
    }
    return SB_OK;
}

/* Index of a feature, or nfeatures. The one that is expected is tried first. */
static uint32_t feature_of(const struct native *m, struct sb_str name, size_t expected) {
    const struct sb_str *features = m->meta.features;
    if (expected < m->meta.nfeatures && sb_str_eq(features[expected], name))
        return (uint32_t)expected;
    uint64_t at = sb_hash(name.p, name.n) & (m->nnames - 1);
    for (; m->names[at]; at = (at + 1) & (m->nnames - 1))
        if (sb_str_eq(features[m->names[at] - 1], name)) return m->names[at] - 1;
    return m->meta.nfeatures;
}

static enum sb_columnprog_type type_of(enum sb_dtype t) {
    switch (t) {
    case SB_DTYPE_BOOL: return SB_COLUMNPROG_BOOL;
    case SB_DTYPE_INT32: return SB_COLUMNPROG_INT32;
    case SB_DTYPE_INT64: return SB_COLUMNPROG_INT64;
    case SB_DTYPE_FLOAT32: return SB_COLUMNPROG_FLOAT32;
    case SB_DTYPE_FLOAT64: return SB_COLUMNPROG_FLOAT64;
    case SB_DTYPE_STRING: return SB_COLUMNPROG_TEXT;
    default: return SB_COLUMNPROG_OTHER;
    }
}

static bool any_there(const struct sb_column *c, size_t nrows) {
    if (!c->null) return true;
    for (size_t i = 0; i < nrows; i++)
        if (!c->null[i]) return true;
    return false;
}

static struct sb_columnprog_source source_of(const struct input *in, const struct sb_column *c,
                                             size_t k) {
    struct sb_columnprog_source s = {.type = type_of(c->type), .stride = c->width, .null = c->null};
    s.data = (const char *)c->data + k * sb_dtype_size(c->type);
    if (s.type == SB_COLUMNPROG_TEXT) s.any_text = any_there(c, in->nrows);
    return s;
}

static sb_err wrong_count(struct input *in, size_t n) {
    (void)sb_fail(&in->p->ctx, SB_E_INVALID, "%zu features given, the model has %u", n,
                  in->m->meta.nfeatures);
    return SB_E_INVALID;
}

static size_t total_width(const struct sb_batch *b) {
    size_t width = 0;
    for (size_t i = 0; i < b->ncols; i++) width += b->cols[i].width;
    return width;
}

static sb_err by_name(struct input *in, const struct sb_batch *b) {
    const struct native *m = in->m;
    bool extra = m->columns.extra;
    size_t width = total_width(b), expected = 0;
    if (width != b->ncols || (width != m->meta.nfeatures && !extra)) return wrong_count(in, width);
    for (size_t i = 0; i < b->ncols; i++) {
        uint32_t f = feature_of(m, b->cols[i].name, expected);
        if (f == m->meta.nfeatures && extra) continue;
        if (f == m->meta.nfeatures)
            return sb_fail(&in->p->ctx, SB_E_INVALID, "the model has no feature \"%.*s\"",
                           SB_ARG(sb_str_sub(b->cols[i].name, 0, 80)));
        in->sources[f] = source_of(in, &b->cols[i], 0);
        expected = f + 1;
    }
    return SB_OK;
}

static sb_err by_position(struct input *in, const struct sb_batch *b) {
    size_t at = 0;
    if (total_width(b) != in->m->meta.nfeatures) return wrong_count(in, total_width(b));
    for (size_t i = 0; i < b->ncols; i++)
        for (size_t k = 0; k < b->cols[i].width; k++)
            in->sources[at++] = source_of(in, &b->cols[i], k);
    return SB_OK;
}

/* Where each column goes: by position, unless both sides have names; then by name. */
static sb_err bind(struct input *in) {
    const struct sb_batch *b = in->p->in;
    const struct native *m = in->m;
    in->nrows = b->nrows;
    in->sources = sb_arena_try_array(in->p->arena, m->meta.nfeatures, sizeof *in->sources);
    if (!in->sources) return nomem(in);
    bool named = m->meta.features && !m->meta.positional && !b->tensor;
    for (size_t i = 0; i < b->ncols && named; i++)
        if (b->cols[i].name.n == 0) named = false;
    SB_TRY(named ? by_name(in, b) : by_position(in, b));
    for (uint32_t f = 0; f < m->meta.nfeatures; f++)
        if (!in->sources[f].data && (!m->columns.nops || sb_columnprog_needs(&m->columns, f)))
            return sb_fail(&in->p->ctx, SB_E_INVALID, "the column \"%.*s\" is missing",
                           SB_ARG(shown(in, f)));
    return SB_OK;
}

/* ---- what the predictor itself refuses ---- */

static sb_err refuse(struct input *in, size_t row, size_t feature, const char *what) {
    return sb_fail_at(&in->p->ctx, SB_E_INVALID, (int64_t)row, "row %zu, feature \"%.*s\": %s", row,
                      SB_ARG(shown(in, feature)), what);
}

static sb_err check(struct input *in, double v, size_t row, size_t feature) {
    const struct native_meta *m = &in->m->meta;
    if (isnan(v) && !m->allow_nan)
        return refuse(in, row, feature, "missing value or NaN, which this model does not accept");
    if (isinf(v) && !m->allow_inf)
        return refuse(in, row, feature,
                      in->m->linear.noutputs ? "infinity or a value too large"
                                             : "infinity or a value too large for float32");
    return SB_OK;
}

/* ---- forests ---- */

/* A forest's rows while they are made. */
struct rows {
    float *narrow; /* one of the two, by what the forest takes */
    double *wide;
    size_t n, max;
    bool has_nan;
};

static sb_err rows_init(struct input *in, struct rows *r) {
    const struct sb_forest *f = &in->m->forest;
    size_t n;
    r->max = CHUNK_VALUES / f->nfeatures;
    if (r->max < SB_COLUMNPROG_BLOCK_MAX) r->max = SB_COLUMNPROG_BLOCK_MAX;
    if (r->max > in->nrows) r->max = in->nrows;
    if (!sb_mul_ok(r->max, f->nfeatures, &n)) return nomem(in);
    if (f->wide)
        r->wide = sb_arena_try_array(in->p->arena, n + 1, sizeof *r->wide);
    else
        r->narrow = sb_arena_try_array(in->p->arena, n + 1, sizeof *r->narrow);
    return r->narrow || r->wide ? SB_OK : nomem(in);
}

/* In the forest's precision. */
static sb_err rows_put(struct input *in, struct rows *r, size_t i, uint32_t input, double v,
                       size_t row, size_t feature) {
    const struct sb_forest *f = &in->m->forest;
    if (!f->wide || f->input.round32) v = (double)(float)v;
    if (SB_UNLIKELY(!isfinite(v))) {
        SB_TRY(check(in, v, row, feature));
        if (isnan(v)) r->has_nan = true;
    }
    if (f->wide)
        r->wide[i * f->nfeatures + input] = v;
    else
        r->narrow[i * f->nfeatures + input] = (float)v;
    return SB_OK;
}

/* Sums of the rows there are, the last of which is row `end` - 1 of the request. */
static void rows_sum(struct input *in, struct rows *r, size_t end) {
    const struct sb_forest *f = &in->m->forest;
    void *x = f->wide ? (void *)r->wide : (void *)r->narrow;
    if (sb_forest_prepare(f, x, r->n)) r->has_nan = true;
    sb_forest_sum(f, x, r->n, r->has_nan, in->sums + (end - r->n) * f->ngroups);
    r->n = 0;
    r->has_nan = false;
}

/* A value of the request, in float where that is what the forest compares. */
static bool number_at(const struct sb_columnprog_source *s, size_t row, bool narrow, double *out) {
    size_t i = row * s->stride;
    if (s->null && s->null[row]) {
        *out = NAN;
        return true;
    }
    switch (s->type) {
    case SB_COLUMNPROG_BOOL: *out = ((const uint8_t *)s->data)[i]; return true;
    case SB_COLUMNPROG_INT32: *out = ((const int32_t *)s->data)[i]; return true;
    case SB_COLUMNPROG_INT64:
        *out = narrow ? (double)(float)((const int64_t *)s->data)[i]
                      : (double)((const int64_t *)s->data)[i];
        return true;
    case SB_COLUMNPROG_FLOAT32: *out = (double)((const float *)s->data)[i]; return true;
    case SB_COLUMNPROG_FLOAT64: *out = ((const double *)s->data)[i]; return true;
    default: return false;
    }
}

static sb_err forest_rows(struct input *in, struct rows *r, size_t first) {
    const struct sb_forest *f = &in->m->forest;
    bool narrow = !f->wide || f->input.round32;
    for (uint32_t k = 0; k < f->nfeatures; k++) {
        for (size_t i = 0; i < r->n; i++) {
            double v;
            if (!number_at(&in->sources[k], first + i, narrow, &v))
                return refuse(in, first + i, k, "a number is expected");
            SB_TRY(rows_put(in, r, i, k, v, first + i, k));
        }
    }
    return SB_OK;
}

static sb_err forest_alone(struct input *in) {
    struct rows r = {0};
    SB_TRY(rows_init(in, &r));
    for (size_t at = 0; at < in->nrows; at += r.max) {
        r.n = in->nrows - at < r.max ? in->nrows - at : r.max;
        SB_TRY(forest_rows(in, &r, at));
        rows_sum(in, &r, at + r.n);
    }
    return SB_OK;
}

/* ---- programs ---- */

static sb_err program_fault(struct input *in, const struct sb_columnprog_run *run) {
    char what[120];
    const struct sb_columnprog_cell *v = &run->value;
    struct sb_str text = sb_str_sub(v->s, 0, 40);
    if (v->tag == SB_CELL_TEXT)
        (void)snprintf(what, sizeof what, "%s (\"%.*s\")", run->what, SB_ARG(text));
    else if (v->tag == SB_CELL_NONE)
        (void)snprintf(what, sizeof what, "%s (null)", run->what);
    else
        (void)snprintf(what, sizeof what, "%s (%.17g)", run->what, v->d);
    return refuse(in, run->bad_row, run->bad_source, what);
}

static sb_err run_init(struct input *in, struct sb_columnprog_run *run) {
    const struct sb_columnprog *p = &in->m->columns;
    size_t block = p->block < in->nrows ? p->block : in->nrows;
    *run = (struct sb_columnprog_run){.p = p, .sources = in->sources};
    run->work = sb_arena_try_array(in->p->arena, block * p->nregs + 1, sizeof *run->work);
    run->cells = sb_arena_try_array(in->p->arena, block * p->ncells + 1, sizeof *run->cells);
    for (uint32_t i = 0; i < p->nsources; i++)
        if (in->sources[i].type == SB_COLUMNPROG_FLOAT32) run->any_f32 = true;
    return run->work && run->cells ? SB_OK : nomem(in);
}

/* The program's output `k` comes from this column of the request. */
static uint32_t origin_of(const struct sb_columnprog *p, uint32_t k) {
    return p->origins[p->out + k];
}

static sb_err linear_block(struct input *in, const double *x, size_t row) {
    const struct sb_linear *l = &in->m->linear;
    for (uint32_t k = 0; k < l->nfeatures; k++)
        if (SB_UNLIKELY(!isfinite(x[k])))
            SB_TRY(check(in, x[k], row, origin_of(&in->m->columns, k)));
    sb_linear_sum(l, x, in->sums + row * l->noutputs);
    return SB_OK;
}

static sb_err forest_block(struct input *in, struct rows *r, const double *x, size_t row) {
    const struct sb_forest *f = &in->m->forest;
    for (uint32_t k = 0; k < f->nfeatures; k++)
        SB_TRY(rows_put(in, r, r->n, k, x[k], row, origin_of(&in->m->columns, k)));
    if (++r->n == r->max) rows_sum(in, r, row + 1);
    return SB_OK;
}

static sb_err with_program(struct input *in) {
    const struct sb_columnprog *p = &in->m->columns;
    struct sb_columnprog_run run;
    struct rows rows = {0};
    bool linear = in->m->linear.noutputs != 0;
    SB_TRY(run_init(in, &run));
    if (!linear) SB_TRY(rows_init(in, &rows));
    for (size_t at = 0; at < in->nrows; at += p->block) {
        size_t n = in->nrows - at < p->block ? in->nrows - at : p->block;
        if (sb_columnprog_rows(&run, at, n) != SB_OK) return program_fault(in, &run);
        for (size_t i = 0; i < n; i++) {
            const double *x = run.work + i * p->nregs + p->out;
            if (linear)
                SB_TRY(linear_block(in, x, at + i));
            else
                SB_TRY(forest_block(in, &rows, x, at + i));
        }
    }
    if (rows.n) rows_sum(in, &rows, in->nrows);
    return SB_OK;
}

sb_err native_sums(const struct native *m, struct sb_predict *p, double *sums) {
    struct input in = {.m = m, .p = p, .sums = sums};
    SB_TRY(bind(&in));
    return m->columns.nops ? with_program(&in) : forest_alone(&in);
}

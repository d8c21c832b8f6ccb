/* Serving an image: columns in, labels or values out, with the checks that the library makes.
 *
 * Where the model compares floats a value becomes one once, the way numpy and XGBoost do it: from
 * double or from a whole number straight to float32, rounding to nearest. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/clock.h"
#include "codec/json.h"
#include "domain/native/native.h"
#include "domain/native/spec.h"
#include "sys/mmap.h"

enum {
    META_MEMORY = 256 << 20,
    STEP_NS = 2, /* one step of a walk, for deciding what runs inline */
    INLINE_NS = 200 * 1000,
    INLINE_ROWS_MAX = 10000,
};

struct native {
    struct sb_model_ops ops; /* a copy: inline_rows differs */
    struct sb_mmap map;
    struct sb_arena arena; /* meta */
    struct native_meta meta;
    struct sb_forest forest;
    struct sb_str output; /* name of the prediction */
    int64_t *label_i;     /* by label type */
    double *label_d;
};

/* ---- input ---- */

struct input {
    const struct native *m;
    struct sb_predict *p;
    size_t nrows;
    float *rows; /* one of the two, by what the forest takes */
    double *wide_rows;
    bool has_nan;
};

static sb_err nomem(struct sb_predict *p) {
    (void)sb_fail(&p->ctx, SB_E_LIMIT, "request needs more memory than it may");
    return SB_E_LIMIT;
}

/* Name of a feature for messages. */
static struct sb_str shown(const struct input *in, const struct sb_column *c, size_t feature) {
    if (c->name.n) return sb_str_sub(c->name, 0, 80);
    if (in->m->meta.features) return sb_str_sub(in->m->meta.features[feature], 0, 80);
    return sb_str_of(sb_arena_printf(in->p->arena, "%zu", feature));
}

static bool to_float(const struct sb_column *c, size_t i, float *out) {
    switch (c->type) {
    case SB_DTYPE_BOOL: *out = (float)c->b[i]; return true;
    case SB_DTYPE_INT32: *out = (float)c->i32[i]; return true;
    case SB_DTYPE_INT64: *out = (float)c->i64[i]; return true;
    case SB_DTYPE_FLOAT32: *out = c->f32[i]; return true;
    case SB_DTYPE_FLOAT64: *out = (float)c->f64[i]; return true;
    default: return false;
    }
}

static bool to_double(const struct sb_column *c, size_t i, double *out) {
    switch (c->type) {
    case SB_DTYPE_BOOL: *out = c->b[i]; return true;
    case SB_DTYPE_INT32: *out = c->i32[i]; return true;
    case SB_DTYPE_INT64: *out = (double)c->i64[i]; return true;
    case SB_DTYPE_FLOAT32: *out = (double)c->f32[i]; return true;
    case SB_DTYPE_FLOAT64: *out = c->f64[i]; return true;
    default: return false;
    }
}

/* Value i of the column in the forest's precision. */
static bool to_input(const struct sb_forest *f, const struct sb_column *c, size_t i, double *out) {
    float v;
    if (f->wide && !f->input.round32) return to_double(c, i, out);
    if (!to_float(c, i, &v)) return false;
    *out = (double)v;
    return true;
}

/* The column's values into features [feature, feature + width) of all rows. */
static sb_err fill(struct input *in, const struct sb_column *c, size_t feature) {
    const struct native_meta *m = &in->m->meta;
    const struct sb_forest *f = &in->m->forest;
    for (size_t r = 0; r < in->nrows; r++) {
        for (size_t k = 0; k < c->width; k++) {
            double v = 0;
            if (c->null && c->null[r])
                v = NAN;
            else if (!to_input(f, c, r * c->width + k, &v))
                return sb_fail_at(&in->p->ctx, SB_E_INVALID, (int64_t)r,
                                  "row %zu, feature \"%.*s\": a number is expected", r,
                                  SB_ARG(shown(in, c, feature + k)));
            if (isnan(v)) in->has_nan = true;
            if (isnan(v) && !m->allow_nan)
                return sb_fail_at(&in->p->ctx, SB_E_INVALID, (int64_t)r,
                                  "row %zu, feature \"%.*s\": missing value or NaN, which this "
                                  "model does not accept",
                                  r, SB_ARG(shown(in, c, feature + k)));
            if (isinf(v) && !m->allow_inf)
                return sb_fail_at(&in->p->ctx, SB_E_INVALID, (int64_t)r,
                                  "row %zu, feature \"%.*s\": infinity or a value too large for "
                                  "float32",
                                  r, SB_ARG(shown(in, c, feature + k)));
            if (f->wide)
                in->wide_rows[r * m->nfeatures + feature + k] = v;
            else
                in->rows[r * m->nfeatures + feature + k] = (float)v;
        }
    }
    return SB_OK;
}

/* Where each column goes: by position, unless both sides have names; then by name. */
static sb_err by_name(struct input *in, const struct sb_batch *b) {
    const struct native_meta *m = &in->m->meta;
    size_t width = 0;
    for (size_t i = 0; i < b->ncols; i++) width += b->cols[i].width;
    if (width != m->nfeatures || b->ncols != m->nfeatures)
        return sb_fail(&in->p->ctx, SB_E_INVALID, "%zu features given, the model has %u", width,
                       m->nfeatures);
    for (size_t i = 0; i < b->ncols; i++) {
        size_t f = i;
        if (!sb_str_eq(b->cols[i].name, m->features[f]))
            for (f = 0; f < m->nfeatures && !sb_str_eq(b->cols[i].name, m->features[f]);) f++;
        if (f == m->nfeatures)
            return sb_fail(&in->p->ctx, SB_E_INVALID, "the model has no feature \"%.*s\"",
                           SB_ARG(sb_str_sub(b->cols[i].name, 0, 80)));
        SB_TRY(fill(in, &b->cols[i], f));
    }
    return SB_OK;
}

static sb_err by_position(struct input *in, const struct sb_batch *b) {
    const struct native_meta *m = &in->m->meta;
    size_t width = 0, at = 0;
    for (size_t i = 0; i < b->ncols; i++) width += b->cols[i].width;
    if (width != m->nfeatures)
        return sb_fail(&in->p->ctx, SB_E_INVALID, "%zu features given, the model has %u", width,
                       m->nfeatures);
    for (size_t i = 0; i < b->ncols; i++) {
        SB_TRY(fill(in, &b->cols[i], at));
        at += b->cols[i].width;
    }
    return SB_OK;
}

static sb_err read_input(struct input *in) {
    const struct sb_batch *b = in->p->in;
    in->nrows = b->nrows;
    size_t n;
    if (!sb_mul_ok(b->nrows, in->m->meta.nfeatures, &n)) return nomem(in->p);
    if (in->m->forest.wide)
        in->wide_rows = sb_arena_try_array(in->p->arena, n + 1, sizeof *in->wide_rows);
    else
        in->rows = sb_arena_try_array(in->p->arena, n + 1, sizeof *in->rows);
    if (!in->rows && !in->wide_rows) return nomem(in->p);
    bool named = in->m->meta.features && !in->m->meta.positional && !b->tensor;
    for (size_t i = 0; i < b->ncols && named; i++)
        if (b->cols[i].name.n == 0) named = false;
    return named ? by_name(in, b) : by_position(in, b);
}

/* ---- output ---- */

static enum sb_dtype label_type(enum native_label l) {
    static const enum sb_dtype types[NATIVE_LABEL_COUNT] = {SB_DTYPE_INT64, SB_DTYPE_STRING,
                                                            SB_DTYPE_BOOL, SB_DTYPE_FLOAT64};
    return types[l];
}

static void put_label(const struct native *m, struct sb_column *c, size_t row, size_t label) {
    switch (m->meta.label) {
    case NATIVE_INT: c->i64[row] = m->label_i[label]; break;
    case NATIVE_BOOL: c->b[row] = m->label_i[label] != 0; break;
    case NATIVE_FLOAT: c->f64[row] = m->label_d[label]; break;
    default: c->s[row] = m->meta.classes[label]; break;
    }
}

/* numpy's argmax: the first of the largest; a NaN counts as largest. */
static size_t argmax(const double *v, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n && !isnan(v[best]); i++)
        if (v[i] > v[best] || isnan(v[i])) best = i;
    return best;
}

static bool by_sums(enum native_answer a) {
    return a == NATIVE_ARGMAX_SUM || a == NATIVE_SUM_ABOVE_0 || a == NATIVE_SUM_FROM_0;
}

static size_t label_at(enum native_answer answer, const double *v, size_t width) {
    switch (answer) {
    case NATIVE_THRESHOLD: return v[0] > 0.5;
    case NATIVE_SUM_ABOVE_0: return v[0] > 0;
    case NATIVE_SUM_FROM_0: return v[0] >= 0;
    default: return argmax(v, width);
    }
}

static sb_err labels(const struct native *m, struct sb_predict *p, const double *v, size_t width,
                     struct sb_column *out) {
    size_t nrows = p->in->nrows;
    if (!sb_column_init(out, p->arena, m->output, label_type(m->meta.label), nrows, 1))
        return nomem(p);
    for (size_t r = 0; r < nrows; r++)
        put_label(m, out, r, label_at(m->meta.answer, v + r * width, width));
    return SB_OK;
}

static sb_err values(const struct native *m, struct sb_predict *p, const double *v, size_t width,
                     struct sb_column *out) {
    size_t n = p->in->nrows * width;
    enum sb_dtype type = m->meta.f32 ? SB_DTYPE_FLOAT32 : SB_DTYPE_FLOAT64;
    if (!sb_column_init(out, p->arena, m->output, type, p->in->nrows, width)) return nomem(p);
    for (size_t i = 0; i < n; i++) {
        if (m->meta.f32)
            out->f32[i] = (float)v[i];
        else
            out->f64[i] = v[i];
    }
    return SB_OK;
}

static sb_err probabilities(const struct native *m, struct sb_predict *p, double *v, size_t width) {
    size_t nrows = p->in->nrows;
    p->out.nclasses = m->meta.nclasses;
    p->out.classes = m->meta.classes;
    p->out.proba = v;
    if (width == m->meta.nclasses) return SB_OK;
    double *both = sb_arena_try_array(p->arena, 2 * nrows + 1, sizeof *both);
    if (!both) return nomem(p);
    for (size_t r = 0; r < nrows; r++) {
        both[2 * r] = m->meta.f32 ? (double)(1.0f - (float)v[r]) : 1.0 - v[r];
        both[2 * r + 1] = v[r];
    }
    p->out.proba = both;
    return SB_OK;
}

static sb_err compute(const struct native *m, struct sb_predict *p) {
    struct input in = {.m = m, .p = p};
    SB_TRY(read_input(&in));
    size_t n;
    if (!sb_mul_ok(in.nrows, m->forest.ngroups, &n)) return nomem(p);
    double *v = sb_arena_try_array(p->arena, n + 1, sizeof *v);
    struct sb_column *out = sb_arena_try_array(p->arena, 1, sizeof *out);
    if (!v || !out) return nomem(p);
    void *rows = m->forest.wide ? (void *)in.wide_rows : (void *)in.rows;
    if (sb_forest_prepare(&m->forest, rows, in.nrows)) in.has_nan = true;
    sb_forest_sum(&m->forest, rows, in.nrows, in.has_nan, v);
    p->out = (struct sb_result){.nrows = in.nrows, .noutputs = 1, .outputs = out};
    if (by_sums(m->meta.answer)) SB_TRY(labels(m, p, v, m->forest.ngroups, out));
    size_t width = sb_forest_finish(&m->forest, in.nrows, v);
    if (m->meta.answer == NATIVE_VALUE) return values(m, p, v, width, out);
    if (!by_sums(m->meta.answer)) SB_TRY(labels(m, p, v, width, out));
    return m->meta.proba ? probabilities(m, p, v, width) : SB_OK;
}

/* ---- the seam ---- */

static void predict(void *self, struct sb_predict *p) {
    int64_t start = sb_mono_ns();
    p->err = compute(self, p);
    if (p->err) p->out = (struct sb_result){0};
    p->compute_ns = sb_mono_ns() - start;
    p->done(p);
}

static size_t memory(void *self) {
    const struct native *m = self;
    return m->map.n + m->arena.used;
}

static void describe(void *self, struct sb_buf *out) {
    const struct native *m = self;
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "backend", SB_STR("native"));
    sb_json_str(&w, "library", m->meta.library);
    sb_json_str(&w, "library_version", m->meta.version);
    sb_json_str(&w, "class", m->meta.class_name);
    sb_json_int(&w, "features", m->meta.nfeatures);
    sb_json_int(&w, "trees", m->forest.ntrees);
    sb_json_int(&w, "nodes", (int64_t)m->forest.nnodes);
    sb_json_int(&w, "image_bytes", (int64_t)m->map.n);
    sb_json_int(&w, "inline_rows", (int64_t)m->ops.inline_rows);
    sb_json_end(&w);
}

static void free_native(void *self) {
    struct native *m = self;
    if (!m) return;
    sb_forest_close(&m->forest);
    sb_mmap_close(&m->map);
    sb_arena_fini(&m->arena);
    sb_free(m);
}

static const struct sb_model_ops native_ops = {
    .name = "native",
    .predict = predict,
    .memory = memory,
    .describe = describe,
    .free = free_native,
};

/* ---- opening ---- */

static sb_err damaged(struct sb_errctx *ctx, const char *what) {
    (void)sb_fail(ctx, SB_E_CORRUPT, "damaged model image: %s", what);
    return SB_E_CORRUPT;
}

/* What the description says must fit what the forest gives. */
static sb_err check_shape(const struct native *m, struct sb_errctx *ctx) {
    const struct native_meta *meta = &m->meta;
    uint32_t sums = m->forest.ngroups, values = m->forest.post == SB_FOREST_ARGMAX ? 1 : sums;
    uint32_t classes = meta->nclasses;
    bool ok = true;
    if (meta->nfeatures != m->forest.nfeatures || meta->f32 != m->forest.f32)
        return damaged(ctx, "description of another forest");
    switch (meta->answer) {
    case NATIVE_ARGMAX: ok = values == classes; break;
    case NATIVE_ARGMAX_SUM: ok = sums == classes; break;
    case NATIVE_THRESHOLD: ok = values == 1; break;
    case NATIVE_SUM_ABOVE_0:
    case NATIVE_SUM_FROM_0: ok = sums == 1; break;
    default: ok = !meta->proba; break;
    }
    if (meta->proba && values != classes && (values != 1 || classes != 2)) ok = false;
    return ok ? SB_OK : damaged(ctx, "number of classes");
}

static sb_err read_labels(struct native *m, struct sb_errctx *ctx) {
    uint32_t n = m->meta.nclasses;
    if (m->meta.answer == NATIVE_VALUE || m->meta.label == NATIVE_STR) return SB_OK;
    m->label_i = sb_arena_try_array(&m->arena, n, sizeof *m->label_i);
    m->label_d = sb_arena_try_array(&m->arena, n, sizeof *m->label_d);
    if (!m->label_i || !m->label_d) return sb_fail(ctx, SB_E_NOMEM, "out of memory");
    for (uint32_t i = 0; i < n; i++) {
        struct sb_str s = m->meta.classes[i];
        bool ok = true;
        if (m->meta.label == NATIVE_FLOAT)
            ok = sb_double_parse(s, &m->label_d[i]);
        else if (m->meta.label == NATIVE_INT)
            ok = sb_str_to_i64(s, &m->label_i[i]);
        else
            m->label_i[i] = sb_str_is(s, "True");
        if (!ok) return damaged(ctx, "class label");
    }
    return SB_OK;
}

static void set_inline_rows(struct native *m) {
    uint64_t steps = 1;
    for (uint32_t t = 0; t < m->forest.ntrees; t++) steps += m->forest.trees[t].depth + 1;
    uint64_t rows = INLINE_NS / (steps * STEP_NS);
    m->ops.inline_rows = rows < 1 ? 1 : rows > INLINE_ROWS_MAX ? INLINE_ROWS_MAX : rows;
}

static sb_err open_image(struct native *m, const char *path, struct sb_errctx *ctx) {
    struct sb_file f = SB_FILE_NONE;
    struct sb_image img;
    SB_TRY(sb_file_open(&f, path, SB_OPEN_READ, ctx));
    sb_err err = sb_mmap_open(&m->map, &f, 0, false, ctx);
    sb_file_close(&f);
    if (err) return err;
    SB_TRY(sb_image_open(&img, sb_str_make(m->map.p, m->map.n), ctx));
    SB_TRY(native_meta_read(&m->meta, img.section[SB_IMAGE_META], &m->arena, ctx));
    SB_TRY(sb_forest_open(&m->forest, &img, ctx));
    SB_TRY(check_shape(m, ctx));
    return read_labels(m, ctx);
}

/* Adds the model's own features to a signature that declares none. */
static sb_err infer(const struct native *m, struct sb_signature *s, struct sb_errctx *ctx) {
    char name[16];
    for (uint32_t i = 0; i < m->meta.nfeatures; i++) {
        int n = snprintf(name, sizeof name, "f%u", i);
        struct sb_str own = sb_str_make(name, (size_t)n);
        (void)sb_signature_add_input(s, m->meta.features ? m->meta.features[i] : own,
                                     SB_DTYPE_FLOAT64);
    }
    if (s->noutputs == 0) {
        enum sb_dtype type = m->meta.f32 ? SB_DTYPE_FLOAT32 : SB_DTYPE_FLOAT64;
        if (m->meta.answer != NATIVE_VALUE) type = label_type(m->meta.label);
        (void)sb_signature_add_output(s, m->output, type);
    }
    return sb_signature_seal(s, ctx);
}

static sb_err name_output(struct native *m, const struct sb_signature *s, struct sb_errctx *ctx) {
    m->output = SB_STR("prediction");
    if (!s || s->noutputs != 1 || !s->outputs[0].name) return SB_OK;
    m->output = sb_arena_dup(&m->arena, sb_str_of(s->outputs[0].name));
    return m->output.p ? SB_OK : sb_fail(ctx, SB_E_NOMEM, "out of memory");
}

sb_err sb_native_open(struct sb_model **out, const char *image_path, struct sb_signature *signature,
                      const struct sb_model_info *info, struct sb_errctx *ctx) {
    struct native *m = sb_calloc(1, sizeof *m);
    struct sb_signature *own = NULL;
    sb_arena_init(&m->arena, META_MEMORY);
    m->ops = native_ops;
    sb_err err = open_image(m, image_path, ctx);
    if (!err) err = name_output(m, signature, ctx);
    if (!err && !signature) signature = own = sb_signature_new();
    if (!err && signature->ninputs == 0) err = infer(m, signature, ctx);
    if (err) {
        sb_signature_free(own);
        free_native(m);
        return err;
    }
    set_inline_rows(m);
    *out = sb_model_new(&m->ops, m, signature, info);
    return SB_OK;
}

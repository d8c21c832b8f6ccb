/* Serving an image: what a prediction answers from the sums that input.c makes, and opening. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/clock.h"
#include "codec/json.h"
#include "domain/native/backend_int.h"
#include "engine/forest/kernel.h"

enum {
    META_MEMORY = 256 << 20,
    STEP_NS = 2, /* one step of a walk, for deciding what runs inline */
    INLINE_NS = 200 * 1000,
    INLINE_ROWS_MAX = 10000,
};

static sb_err nomem(struct sb_predict *p) {
    (void)sb_fail(&p->ctx, SB_E_LIMIT, "request needs more memory than it may");
    return SB_E_LIMIT;
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
    if (!sb_column_init(out, p->arena, m->outputs[0], label_type(m->meta.label), nrows, 1))
        return nomem(p);
    for (size_t r = 0; r < nrows; r++)
        put_label(m, out, r, label_at(m->meta.answer, v + r * width, width));
    return SB_OK;
}

/* One column of all values of a row; or, when the signature names as many outputs, one each. */
static sb_err values(const struct native *m, struct sb_predict *p, const double *v, size_t width) {
    size_t nrows = p->in->nrows, each = m->noutputs > 1 ? 1 : width;
    enum sb_dtype type = m->meta.f32 ? SB_DTYPE_FLOAT32 : SB_DTYPE_FLOAT64;
    for (uint32_t k = 0; k < m->noutputs; k++) {
        struct sb_column *out = &p->out.outputs[k];
        if (!sb_column_init(out, p->arena, m->outputs[k], type, nrows, each)) return nomem(p);
        for (size_t i = 0; i < nrows * each; i++) {
            double x = m->noutputs > 1 ? v[i * width + k] : v[i];
            if (m->meta.f32)
                out->f32[i] = (float)x;
            else
                out->f64[i] = x;
        }
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

static uint32_t values_per_row(const struct native *m) {
    if (m->linear.noutputs) return sb_linear_width(&m->linear);
    return m->forest.post == SB_FOREST_ARGMAX ? 1 : m->forest.ngroups;
}

/* The post transform of sums that may be overwritten; *v becomes where the values are. */
static sb_err finish(const struct native *m, struct sb_predict *p, double **v) {
    size_t nrows = p->in->nrows;
    if (!m->linear.noutputs) {
        (void)sb_forest_finish(&m->forest, nrows, *v);
        return SB_OK;
    }
    double *out = *v;
    if (sb_linear_width(&m->linear) != m->linear.noutputs)
        out = sb_arena_try_array(p->arena, nrows * sb_linear_width(&m->linear) + 1, sizeof *out);
    if (!out) return nomem(p);
    sb_linear_finish(&m->linear, nrows, *v, out);
    *v = out;
    return SB_OK;
}

static sb_err compute(const struct native *m, struct sb_predict *p) {
    uint32_t nsums = native_sums_per_row(m), width = values_per_row(m);
    enum native_answer answer = m->meta.answer;
    size_t n;
    if (!sb_mul_ok(p->in->nrows, nsums, &n)) return nomem(p);
    double *v = sb_arena_try_array(p->arena, n + 1, sizeof *v);
    struct sb_column *out = sb_arena_try_array(p->arena, m->noutputs, sizeof *out);
    if (!v || !out) return nomem(p);
    SB_TRY(native_sums(m, p, v));
    p->out = (struct sb_result){.nrows = p->in->nrows, .noutputs = m->noutputs, .outputs = out};
    if (by_sums(answer)) SB_TRY(labels(m, p, v, nsums, out));
    if (by_sums(answer) && !m->meta.proba) return SB_OK;
    SB_TRY(finish(m, p, &v));
    if (answer == NATIVE_VALUE) return values(m, p, v, width);
    if (!by_sums(answer)) SB_TRY(labels(m, p, v, width, out));
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
    return m->map.n + m->arena.used + sb_forest_layouts_memory(&m->forest);
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
    if (m->columns.nops) sb_json_int(&w, "inputs", m->columns.nout);
    if (m->columns.nops) sb_json_int(&w, "steps", m->columns.nops);
    if (!m->linear.noutputs) {
        sb_json_int(&w, "trees", m->forest.ntrees);
        sb_json_int(&w, "nodes", (int64_t)m->forest.nnodes);
        sb_json_str(&w, "kernel_1_row", sb_str_of(sb_forest_kernel_name(&m->forest, 1)));
        sb_json_str(&w, "kernel_1000_rows", sb_str_of(sb_forest_kernel_name(&m->forest, 1000)));
    }
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

static sb_err check_answer(const struct native *m, struct sb_errctx *ctx) {
    const struct native_meta *meta = &m->meta;
    uint32_t sums = native_sums_per_row(m), values = values_per_row(m), classes = meta->nclasses;
    bool ok = true;
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

/* What the description says must fit what the other sections are: one predictor, whose inputs are
 * the model's features or what a program makes of them. */
static sb_err check_shape(const struct native *m, struct sb_errctx *ctx) {
    bool linear = m->linear.noutputs != 0;
    uint32_t inputs = linear ? m->linear.nfeatures : m->forest.nfeatures;
    uint32_t given = m->columns.nops ? m->columns.nout : m->meta.nfeatures;
    if (linear && !m->columns.nops) return damaged(ctx, "a linear model without its program");
    if (inputs != given || (m->columns.nops && m->columns.nsources != m->meta.nfeatures))
        return damaged(ctx, "description of another model");
    if (m->meta.f32 != (linear ? false : m->forest.f32))
        return damaged(ctx, "description of another model");
    return check_answer(m, ctx);
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
    steps += (uint64_t)m->columns.nregs * 2 + m->columns.ncells * 8;
    steps += (uint64_t)m->linear.nfeatures * m->linear.noutputs;
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
    SB_TRY(sb_columnprog_open(&m->columns, &img, ctx));
    SB_TRY(sb_linear_open(&m->linear, &img, ctx));
    if (!m->linear.noutputs) SB_TRY(sb_forest_open(&m->forest, &img, ctx));
    SB_TRY(check_shape(m, ctx));
    struct sb_forest_choice choice;
    bool timed = sb_forest_choice_read(img.section[SB_IMAGE_KERNELS], &choice);
    if (!m->linear.noutputs) sb_forest_layout(&m->forest, timed ? &choice : NULL);
    SB_TRY(native_names_index(m, ctx));
    return read_labels(m, ctx);
}

/* Columns that hold text when the model is given what it was trained on. Which type a column of
 * such a model has only the request can say: its inputs stay undeclared, and columns take the type
 * of their values. */
static bool takes_text(const struct native *m) {
    const struct sb_columnprog *p = &m->columns;
    for (uint32_t i = 0; i < p->nops; i++) {
        const struct sb_columnprog_op *op = &p->ops[i];
        if (op->code == SB_OP_CELLS) return true;
        if (op->code == SB_OP_ENCODE && op->flags == 1 && p->encoders[op->a].ntexts) return true;
    }
    return false;
}

/* Adds the model's own features to a signature that declares none. */
static sb_err infer(const struct native *m, struct sb_signature *s, struct sb_errctx *ctx) {
    char name[16];
    for (uint32_t i = 0; i < m->meta.nfeatures && !takes_text(m); i++) {
        int n = snprintf(name, sizeof name, "f%u", i);
        struct sb_str own = sb_str_make(name, (size_t)n);
        (void)sb_signature_add_input(s, m->meta.features ? m->meta.features[i] : own,
                                     SB_DTYPE_FLOAT64);
    }
    if (s->noutputs == 0) {
        enum sb_dtype type = m->meta.f32 ? SB_DTYPE_FLOAT32 : SB_DTYPE_FLOAT64;
        if (m->meta.answer != NATIVE_VALUE) type = label_type(m->meta.label);
        (void)sb_signature_add_output(s, m->outputs[0], type);
    }
    return sb_signature_seal(s, ctx);
}

/* "prediction", or as the signature says: one name for all values, or one for each. */
static sb_err name_outputs(struct native *m, const struct sb_signature *s, struct sb_errctx *ctx) {
    uint32_t width = m->meta.answer == NATIVE_VALUE ? values_per_row(m) : 1;
    bool each = s && width > 1 && s->noutputs == width;
    m->noutputs = each ? width : 1;
    m->outputs = sb_arena_try_array(&m->arena, m->noutputs, sizeof *m->outputs);
    if (!m->outputs) return sb_fail(ctx, SB_E_NOMEM, "out of memory");
    for (uint32_t i = 0; i < m->noutputs; i++) {
        m->outputs[i] = SB_STR("prediction");
        if (!s || (!each && s->noutputs != 1) || !s->outputs[i].name) continue;
        m->outputs[i] = sb_arena_dup(&m->arena, sb_str_of(s->outputs[i].name));
        if (!m->outputs[i].p) return sb_fail(ctx, SB_E_NOMEM, "out of memory");
    }
    return SB_OK;
}

sb_err sb_native_open(struct sb_model **out, const char *image_path, struct sb_signature *signature,
                      const struct sb_model_info *info, struct sb_errctx *ctx) {
    struct native *m = sb_calloc(1, sizeof *m);
    struct sb_signature *own = NULL;
    sb_arena_init(&m->arena, META_MEMORY);
    m->ops = native_ops;
    sb_err err = open_image(m, image_path, ctx);
    if (!err) err = name_outputs(m, signature, ctx);
    if (!err && !signature) signature = own = sb_signature_new();
    if (!err && signature->ninputs == 0) err = infer(m, signature, ctx);
    if (err) {
        sb_signature_free(own);
        free_native(m);
        return err;
    }
    set_inline_rows(m);
    *out = sb_model_new(&m->ops, m, signature, info);
    (*out)->info.nclasses = m->meta.proba ? m->meta.nclasses : 0;
    return SB_OK;
}

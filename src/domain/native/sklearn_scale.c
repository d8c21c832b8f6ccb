/* scikit-learn's scalers and SimpleImputer: numbers in place.
 *
 * The arithmetic is that of sklearn/preprocessing/_data.py and sklearn/impute/_base.py, one
 * operation at a time: (x - mean) / scale has two roundings, and a sparse matrix is multiplied by
 * 1 / scale where a dense one is divided. */
#include <math.h>

#include "base/mem.h"
#include "domain/native/program_int.h"

enum { NONE = -1 };

static sb_err add(struct program *p, const struct sb_columnprog_op *op) {
    sb_columnprog_op_add(p->ir, op);
    return p->ir->failed ? native_nomem(p->j) : SB_OK;
}

/* Registers of the columns, and an instruction on all of them. */
static sb_err begin(struct program *p, struct columns *c, struct sb_columnprog_op *op) {
    SB_TRY(program_numbers(p, c, 0));
    *op = (struct sb_columnprog_op){.dst = c->n ? c->v[0].at : 0, .n = c->n};
    program_common_type(p, c, op);
    for (uint32_t i = 0; i < c->n; i++) c->v[i].finite = false;
    c->frame = false;
    return SB_OK;
}

static sb_err parameter(struct program *p, const struct sb_pv *obj, const char *key, uint32_t n,
                        bool reciprocal, uint32_t *out) {
    double *v;
    SB_TRY(program_doubles(p, obj, key, n, &v));
    for (uint32_t i = 0; i < n && reciprocal; i++) v[i] = 1.0 / v[i];
    *out = sb_columnprog_numbers_add(p->ir, v, n);
    return SB_OK;
}

/* x / scale, with or without a centre before it. */
static sb_err centred(struct program *p, const struct sb_pv *obj, struct columns *c,
                      const char *center, const char *scale, bool params_f32) {
    struct sb_columnprog_op op;
    if (c->sparse && center) return native_damaged(p->j, "centering of a sparse matrix");
    SB_TRY(begin(p, c, &op));
    if (!center && !scale) return SB_OK;
    op.code = c->sparse ? SB_OP_MULTIPLY : SB_OP_STANDARD;
    op.flags = params_f32;
    op.a = op.b = (uint32_t)NONE;
    if (center) SB_TRY(parameter(p, obj, center, c->n, false, &op.a));
    if (scale) SB_TRY(parameter(p, obj, scale, c->n, c->sparse, c->sparse ? &op.a : &op.b));
    return add(p, &op);
}

static sb_err clipped(struct program *p, struct columns *c, double lo, double hi) {
    const double range[] = {lo, hi};
    struct sb_columnprog_op op;
    op = (struct sb_columnprog_op){.code = SB_OP_CLIP, .dst = c->n ? c->v[0].at : 0, .n = c->n};
    program_common_type(p, c, &op);
    op.a = sb_columnprog_numbers_add(p->ir, range, 2);
    return add(p, &op);
}

static sb_err standard(struct program *p, const struct sb_pv *obj, struct columns *c) {
    const char *mean = program_flag(obj, "with_mean", true) ? "mean_" : NULL;
    const char *scale = program_flag(obj, "with_std", true) ? "scale_" : NULL;
    return centred(p, obj, c, mean, scale, p->j->version >= 109);
}

static sb_err robust(struct program *p, const struct sb_pv *obj, struct columns *c) {
    const char *center = program_flag(obj, "with_centering", true) ? "center_" : NULL;
    const char *scale = program_flag(obj, "with_scaling", true) ? "scale_" : NULL;
    return centred(p, obj, c, center, scale, false);
}

static sb_err max_abs(struct program *p, const struct sb_pv *obj, struct columns *c) {
    SB_TRY(centred(p, obj, c, NULL, "scale_", false));
    return program_flag(obj, "clip", false) ? clipped(p, c, -1, 1) : SB_OK;
}

static sb_err min_max(struct program *p, const struct sb_pv *obj, struct columns *c) {
    struct sb_columnprog_op op;
    double lo, hi;
    SB_TRY(begin(p, c, &op));
    op.code = SB_OP_MINMAX;
    SB_TRY(parameter(p, obj, "scale_", c->n, false, &op.a));
    SB_TRY(parameter(p, obj, "min_", c->n, false, &op.b));
    SB_TRY(add(p, &op));
    if (!program_flag(obj, "clip", false)) return SB_OK;
    const struct sb_pv *range = sb_pv_get(obj, "feature_range");
    if (!range || (range->type != SB_PV_TUPLE && range->type != SB_PV_LIST) || range->seq.n != 2 ||
        !sb_pv_to_double(range->seq.v[0], &lo) || !sb_pv_to_double(range->seq.v[1], &hi))
        return native_damaged(p->j, "feature_range");
    return clipped(p, c, lo, hi);
}

/* ---- SimpleImputer ---- */

struct imputer {
    const struct sb_pv *obj;
    const struct sb_np_array *statistics;
    struct sb_columnprog_cell missing;
    bool objects;    /* fitted on an object array */
    bool keeps_none; /* what is None in the request stays so */
    bool keep_empty;
    uint32_t nindicators;
    uint32_t *indicators; /* which columns get one */
};

static bool is_nan(const struct sb_columnprog_cell *c) {
    return c->tag == SB_CELL_NUMBER && isnan(c->d);
}

static sb_err read_indicator(struct program *p, struct imputer *m, uint32_t n) {
    const struct sb_pv *indicator = sb_pv_get(m->obj, "indicator_");
    if (!program_flag(m->obj, "add_indicator", false)) return SB_OK;
    const struct sb_pv *features = sb_pv_get(indicator, "features_");
    if (!features || features->type != SB_PV_ARRAY || !features->array->dtype ||
        features->array->ndim != 1 || features->array->count > n)
        return native_damaged(p->j, "indicator_");
    m->nindicators = (uint32_t)features->array->count;
    m->indicators = sb_arena_try_array(p->j->arena, m->nindicators + 1, sizeof *m->indicators);
    if (!m->indicators) return native_nomem(p->j);
    for (uint32_t i = 0; i < m->nindicators; i++) {
        int64_t at;
        if (!sb_np_get_i64(features->array, i, &at) || at < 0 || at >= n)
            return native_damaged(p->j, "features_ of an indicator");
        m->indicators[i] = (uint32_t)at;
    }
    return SB_OK;
}

static sb_err read_imputer(struct program *p, struct imputer *m, uint32_t n) {
    static const char *const strategies[] = {"mean", "median", "most_frequent", "constant", NULL};
    const struct sb_pv *statistics = sb_pv_get(m->obj, "statistics_");
    if (!native_attribute_in(m->obj, "strategy", strategies))
        return native_for_worker(p->j, "SimpleImputer with a strategy of its own");
    if (!statistics || statistics->type != SB_PV_ARRAY || !statistics->array->dtype ||
        statistics->array->ndim != 1 || statistics->array->count != n)
        return native_damaged(p->j, "statistics_");
    m->statistics = statistics->array;
    m->objects = m->statistics->dtype->kind == 'O';
    m->keep_empty = program_flag(m->obj, "keep_empty_features", false);
    if (!program_cell(p, sb_pv_get(m->obj, "missing_values"), &m->missing) ||
        (!m->objects && m->missing.tag != SB_CELL_NUMBER))
        return native_for_worker(p->j, "SimpleImputer with such missing_values");
    return read_indicator(p, m, n);
}

/* One column per indicator: 1 where the value is missing. Before anything is filled. */
static sb_err add_indicators(struct program *p, const struct imputer *m, const struct columns *in,
                             struct column *to) {
    if (m->nindicators == 0) return SB_OK;
    struct sb_columnprog_op op = {.code = m->objects ? SB_OP_MISSING_CELLS : SB_OP_MISSING,
                                  .flags = m->keeps_none ? SB_FILL_NOT_NONE : 0,
                                  .dst = p->ir->nregs,
                                  .n = m->nindicators,
                                  .a = p->ir->lists.n};
    for (uint32_t i = 0; i < m->nindicators; i++) {
        const struct column *from = &in->v[m->indicators[i]];
        sb_columnprog_list_add(p->ir, &from->at, 1);
        to[i] = (struct column){
            .kind = COLUMN_REG, .at = op.dst + i, .origin = from->origin, .finite = true};
        sb_columnprog_regs(p->ir, 1, from->origin);
    }
    op.b = m->objects ? sb_columnprog_constant_add(p->ir, &m->missing)
                      : sb_columnprog_numbers_add(p->ir, &m->missing.d, 1);
    return add(p, &op);
}

static uint32_t fill_flags(const struct imputer *m) {
    if (m->objects) return is_nan(&m->missing) ? 0 : 1; /* NaN is refused */
    return m->keeps_none ? SB_FILL_NOT_NONE : 0;
}

/* Constants or numbers, one per column; columns without a statistic are dropped unless the imputer
 * keeps them (with 0 there, or what the constant is). */
static sb_err fill(struct program *p, const struct imputer *m, struct columns *c, uint8_t *keep) {
    struct sb_columnprog_op op = {.code = m->objects ? SB_OP_FILL_CELLS : SB_OP_FILL,
                                  .flags = fill_flags(m),
                                  .dst = c->n ? c->v[0].at : 0,
                                  .n = c->n};
    if (!m->objects) program_common_type(p, c, &op);
    struct sb_columnprog_cell *with = sb_arena_try_array(p->j->arena, c->n + 1, sizeof *with);
    if (!with) return native_nomem(p->j);
    for (uint32_t i = 0; i < c->n; i++) {
        if (!program_item(p, m->statistics, i, &with[i]))
            return native_for_worker(p->j, "SimpleImputer with such statistics");
        keep[i] = m->keep_empty || !is_nan(&with[i]);
    }
    op.a = m->objects ? p->ir->constants.n : p->ir->numbers.n;
    if (m->objects) {
        for (uint32_t i = 0; i < c->n; i++) sb_columnprog_constant_add(p->ir, &with[i]);
        op.b = sb_columnprog_constant_add(p->ir, &m->missing);
    } else {
        for (uint32_t i = 0; i < c->n; i++) sb_columnprog_numbers_add(p->ir, &with[i].d, 1);
        op.b = sb_columnprog_numbers_add(p->ir, &m->missing.d, 1);
    }
    return add(p, &op);
}

/* Strategies that take columns of any type refuse bools, and a constant is refused by types that
 * could not hold it. */
static unsigned refused_types(const struct sb_pv *obj, const struct sb_np_array *statistics) {
    static const char *const constant[] = {"constant", NULL};
    bool checks = native_attribute_in(obj, "strategy", constant) && sb_pv_get(obj, "_fill_dtype");
    bool whole = checks && statistics->dtype->kind == 'f';
    return SB_LOAD_NO_BOOLS | (whole ? SB_LOAD_NO_INTEGERS : 0);
}

static sb_err impute(struct program *p, const struct sb_pv *obj, struct columns *c) {
    static const char *const any_type[] = {"most_frequent", "constant", NULL};
    struct imputer m = {.obj = obj};
    SB_TRY(read_imputer(p, &m, c->n));
    bool keeps_type = native_attribute_in(obj, "strategy", any_type), raw = true;
    for (uint32_t i = 0; i < c->n; i++) raw = raw && c->v[i].kind == COLUMN_RAW;
    m.keeps_none = keeps_type && raw && !m.objects;
    if (m.objects)
        SB_TRY(program_objects(p, c));
    else
        SB_TRY(program_numbers(p, c, keeps_type ? refused_types(obj, m.statistics) : 0));
    if (!m.objects && !is_nan(&m.missing)) {
        struct sb_columnprog_op check = {
            .code = SB_OP_CHECK, .flags = 1, .dst = c->n ? c->v[0].at : 0, .n = c->n};
        SB_TRY(add(p, &check));
    }
    struct columns out = *c;
    uint8_t *keep = sb_arena_try_array(p->j->arena, c->n + 1, 1);
    if (!keep) return native_nomem(p->j);
    SB_TRY(program_columns(p, &out, c->n + m.nindicators));
    struct column *indicators =
        sb_arena_try_array(p->j->arena, m.nindicators + 1, sizeof *indicators);
    if (!indicators) return native_nomem(p->j);
    SB_TRY(add_indicators(p, &m, c, indicators));
    SB_TRY(fill(p, &m, c, keep));
    out.n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!keep[i]) continue;
        out.v[out.n] = c->v[i];
        out.v[out.n++].finite = !m.objects; /* statistics were checked when it was fitted */
    }
    for (uint32_t i = 0; i < m.nindicators; i++) out.v[out.n++] = indicators[i];
    out.frame = false;
    *c = out;
    return SB_OK;
}

#define DATA "sklearn.preprocessing._data"
#define OLD  "sklearn.preprocessing.data"
const struct native_transformer native_scalers[] = {
    {DATA, "StandardScaler", OLD, "", standard},
    {DATA, "MinMaxScaler", OLD, "", min_max},
    {DATA, "MaxAbsScaler", OLD, "", max_abs},
    {DATA, "RobustScaler", OLD, "", robust},
    {"sklearn.impute._base", "SimpleImputer", "sklearn.impute",
     "mean, median, most_frequent, constant; with or without indicators", impute},
    {0},
};

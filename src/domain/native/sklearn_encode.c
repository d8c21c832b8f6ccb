/* scikit-learn's OneHotEncoder and OrdinalEncoder (sklearn/preprocessing/_encoders.py): per column
 * a list of categories, grouped and dropped when it is read, so that a value is looked up once. */
#include <math.h>

#include "base/mem.h"
#include "domain/native/program_int.h"

/* One column's categories while they are read. */
struct feature {
    struct sb_columnprog_category *v;
    uint32_t n;
    bool objects, integers;
    bool groups; /* there is an infrequent group */
    uint32_t nout;
    int64_t infrequent; /* code of the group */
};

static const struct sb_pv *list_item(const struct sb_pv *list, uint32_t i) {
    if (!list) return NULL;
    if ((list->type == SB_PV_LIST || list->type == SB_PV_TUPLE) && i < list->seq.n)
        return list->seq.v[i];
    if (list->type == SB_PV_ARRAY && list->array->dtype && list->array->dtype->kind == 'O' &&
        i < list->array->count)
        return list->array->objects->seq.v[i];
    return NULL;
}

static sb_err read_categories(struct program *p, const struct sb_pv *obj, uint32_t i,
                              struct feature *f) {
    const struct sb_pv *v = list_item(sb_pv_get(obj, "categories_"), i);
    if (!v || v->type != SB_PV_ARRAY || !v->array->dtype || v->array->ndim != 1 ||
        v->array->count > SB_FOREST_FEATURES_MAX)
        return native_damaged(p->j, "categories_");
    const struct sb_np_array *a = v->array;
    f->n = f->nout = (uint32_t)a->count;
    f->v = sb_arena_try_array(p->j->arena, (size_t)f->n + 1, sizeof *f->v);
    if (!f->v) return native_nomem(p->j);
    f->objects = a->dtype->kind == 'O' || a->dtype->kind == 'U';
    f->integers = a->dtype->kind == 'i' || a->dtype->kind == 'u' || a->dtype->kind == 'b';
    for (uint32_t k = 0; k < f->n; k++) {
        if (!program_item(p, a, k, &f->v[k].cell))
            return native_for_worker(p->j, "an encoder of categories that are neither text nor "
                                           "numbers below 2^53");
        f->v[k].code = k;
    }
    return SB_OK;
}

static bool is_nan(const struct sb_columnprog_cell *c) {
    return c->tag == SB_CELL_NUMBER && isnan(c->d);
}

/* The infrequent categories become one, behind the others. keep_nan: the missing category keeps
 * its own code (OrdinalEncoder). */
static sb_err group(struct program *p, const struct sb_pv *obj, uint32_t i, struct feature *f,
                    bool keep_nan) {
    const struct sb_pv *map = list_item(sb_pv_get(obj, "_default_to_infrequent_mappings"), i);
    if (!map || map->type == SB_PV_NONE) return SB_OK;
    if (map->type != SB_PV_ARRAY || !map->array->dtype || map->array->ndim != 1)
        return native_damaged(p->j, "_default_to_infrequent_mappings");
    int64_t max = -1, to;
    uint32_t known = map->array->count < f->n ? (uint32_t)map->array->count : f->n;
    for (uint32_t k = 0; k < known; k++) {
        if (!sb_np_get_i64(map->array, k, &to) || to < 0 || to >= f->n)
            return native_damaged(p->j, "_default_to_infrequent_mappings");
        if (to > max) max = to;
        if (!keep_nan || !is_nan(&f->v[k].cell)) f->v[k].code = (double)to;
    }
    if (!keep_nan && known != f->n) return native_damaged(p->j, "_default_to_infrequent_mappings");
    f->groups = true;
    f->infrequent = max;
    f->nout = (uint32_t)(max + 1);
    return SB_OK;
}

static sb_err encode(struct program *p, const struct column *in,
                     const struct sb_columnprog_categories *c, bool frame, uint32_t dst,
                     uint32_t n) {
    struct sb_columnprog_op op = {.code = SB_OP_ENCODE, .dst = dst, .n = n, .b = in->at};
    op.a = sb_columnprog_encoder_add(p->ir, c);
    SB_ASSERT(in->kind != COLUMN_RAW || frame);
    if (in->kind == COLUMN_RAW) {
        op.flags = 1;
        p->ir->required[in->at] = 1;
    } else if (in->kind == COLUMN_CELL) {
        op.flags = 2;
    }
    sb_columnprog_op_add(p->ir, &op);
    return p->ir->failed ? native_nomem(p->j) : SB_OK;
}

/* In an array, unlike in a frame, columns do not keep types of their own: with objects among them
 * all are. */
static sb_err same_type(struct program *p, struct columns *c) {
    bool numbers = true;
    for (uint32_t i = 0; i < c->n; i++) numbers = numbers && c->v[i].kind == COLUMN_REG;
    return numbers || c->frame ? SB_OK : program_objects(p, c);
}

static struct column number_column(uint32_t at, uint32_t origin) {
    return (struct column){.kind = COLUMN_REG, .at = at, .origin = origin, .finite = true};
}

/* ---- one-hot ---- */

/* Takes the dropped code out; what lies behind it moves up. */
static void drop(struct feature *f, int64_t at) {
    for (uint32_t k = 0; k < f->n; k++) {
        if (f->v[k].code == (double)at)
            f->v[k].code = -1;
        else if (f->v[k].code > (double)at)
            f->v[k].code--;
    }
    if (f->groups && f->infrequent == at)
        f->infrequent = -1;
    else if (f->groups && f->infrequent > at)
        f->infrequent--;
    f->nout--;
}

static sb_err drop_feature(struct program *p, const struct sb_pv *obj, uint32_t i,
                           struct feature *f) {
    /* since 1.1 categories are dropped after grouping; before it there are no groups */
    const struct sb_pv *all = sb_pv_get(obj, "_drop_idx_after_grouping");
    if (!all) all = sb_pv_get(obj, "drop_idx_");
    if (!all || all->type == SB_PV_NONE) return SB_OK;
    int64_t at;
    const struct sb_pv *one = list_item(all, i);
    bool integers = all->type == SB_PV_ARRAY && all->array->dtype && all->array->data;
    if (integers && i < all->array->count) {
        if (!sb_np_get_i64(all->array, i, &at)) return native_damaged(p->j, "drop_idx_");
    } else if (one && one->type == SB_PV_NONE) {
        return SB_OK;
    } else if (!one || !sb_pv_to_i64(one, &at)) {
        return native_damaged(p->j, "drop_idx_");
    }
    if (at < 0 || at >= f->nout) return native_damaged(p->j, "drop_idx_");
    drop(f, at);
    return SB_OK;
}

static enum sb_columnprog_unknown onehot_unknown(const struct sb_pv *obj, const struct feature *f) {
    static const char *const error[] = {"error", NULL};
    static const char *const groups[] = {"infrequent_if_exist", "warn", NULL};
    if (native_attribute_in(obj, "handle_unknown", error)) return SB_UNKNOWN_REFUSED;
    if (f->groups && native_attribute_in(obj, "handle_unknown", groups)) return SB_UNKNOWN_CODE;
    return SB_UNKNOWN_NOTHING;
}

/* Values that are whole and small are the same in all of these types. */
static bool dtype_ok(const struct sb_pv *obj) {
    static const struct {
        const char *module, *name;
    } types[] = {{"numpy", "float64"},  {"numpy", "int64"},  {"numpy", "int32"},
                 {"builtins", "float"}, {"builtins", "int"}, {"__builtin__", "float"},
                 {"__builtin__", "int"}};
    const struct sb_pv *v = sb_pv_get(obj, "dtype");
    if (!v || v->type != SB_PV_GLOBAL) return false;
    for (size_t i = 0; i < SB_COUNT(types); i++)
        if (sb_str_is(v->global.module, types[i].module) &&
            sb_str_is(v->global.name, types[i].name))
            return true;
    return false;
}

static bool is_sparse(const struct sb_pv *obj) {
    /* sparse_output since 1.2 */
    bool old = program_flag(obj, "sparse", true);
    return program_flag(obj, "sparse_output", old);
}

static sb_err one_hot(struct program *p, const struct sb_pv *obj, struct columns *c) {
    static const char *const unknown[] = {"error", "ignore", "infrequent_if_exist", "warn", NULL};
    struct columns out = {.sparse = is_sparse(obj)};
    struct feature *f = sb_arena_try_array(p->j->arena, (size_t)c->n + 1, sizeof *f);
    uint64_t total = 0;
    if (!f) return native_nomem(p->j);
    if (!dtype_ok(obj) || !native_attribute_in(obj, "handle_unknown", unknown))
        return native_for_worker(p->j, "OneHotEncoder with such a dtype or handle_unknown");
    SB_TRY(same_type(p, c));
    for (uint32_t i = 0; i < c->n; i++) {
        SB_TRY(read_categories(p, obj, i, &f[i]));
        SB_TRY(group(p, obj, i, &f[i], false));
        SB_TRY(drop_feature(p, obj, i, &f[i]));
        total += f[i].nout;
    }
    if (total > SB_FOREST_FEATURES_MAX)
        return native_for_worker(p->j, "OneHotEncoder of more than a million categories");
    SB_TRY(program_columns(p, &out, (uint32_t)total));
    out.n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t origin = c->v[i].origin, dst = sb_columnprog_regs(p->ir, f[i].nout, origin);
        struct sb_columnprog_categories cats = {.v = f[i].v,
                                                .n = f[i].n,
                                                .onehot = true,
                                                .objects = f[i].objects,
                                                .integers = f[i].integers,
                                                .unknown = onehot_unknown(obj, &f[i]),
                                                .unknown_code = (double)f[i].infrequent};
        if (cats.unknown != SB_UNKNOWN_CODE) cats.unknown_code = -1;
        SB_TRY(encode(p, &c->v[i], &cats, c->frame, dst, f[i].nout));
        for (uint32_t k = 0; k < f[i].nout; k++) out.v[out.n++] = number_column(dst + k, origin);
    }
    *c = out;
    return SB_OK;
}

/* ---- ordinal ---- */

/* NaN's code: encoded_missing_value (1.1; NaN in 1.0), and before 1.0 NaN is refused. */
static sb_err missing_code(struct program *p, const struct sb_pv *obj, struct feature *f) {
    double code = NAN;
    const struct sb_pv *v = sb_pv_get(obj, "encoded_missing_value");
    if (v && !sb_pv_to_double(v, &code)) return native_damaged(p->j, "encoded_missing_value");
    for (uint32_t k = 0; k < f->n; k++)
        if (is_nan(&f->v[k].cell)) f->v[k].code = code;
    return SB_OK;
}

static sb_err ordinal(struct program *p, const struct sb_pv *obj, struct columns *c) {
    static const char *const use[] = {"use_encoded_value", NULL};
    struct columns out = {0};
    bool coded = native_attribute_in(obj, "handle_unknown", use);
    double unknown = 0;
    if (!dtype_ok(obj)) return native_for_worker(p->j, "OrdinalEncoder with such a dtype");
    if (coded && !sb_pv_to_double(sb_pv_get(obj, "unknown_value"), &unknown))
        return native_damaged(p->j, "unknown_value");
    SB_TRY(same_type(p, c));
    SB_TRY(program_columns(p, &out, c->n));
    for (uint32_t i = 0; i < c->n; i++) {
        struct feature f = {0};
        uint32_t origin = c->v[i].origin;
        SB_TRY(read_categories(p, obj, i, &f));
        SB_TRY(group(p, obj, i, &f, true));
        SB_TRY(missing_code(p, obj, &f));
        struct sb_columnprog_categories cats = {.v = f.v,
                                                .n = f.n,
                                                .objects = f.objects,
                                                .integers = f.integers,
                                                .unknown =
                                                    coded ? SB_UNKNOWN_CODE : SB_UNKNOWN_REFUSED,
                                                .unknown_code = unknown};
        uint32_t dst = sb_columnprog_regs(p->ir, 1, origin);
        SB_TRY(encode(p, &c->v[i], &cats, c->frame, dst, 1));
        out.v[i] = number_column(dst, origin);
    }
    *c = out;
    return SB_OK;
}

#define MODULE "sklearn.preprocessing._encoders"
const struct native_transformer native_encoders[] = {
    {MODULE, "OneHotEncoder", NULL,
     "drop, infrequent categories, every handle_unknown; dtype float64, int64, int32", one_hot},
    {MODULE, "OrdinalEncoder", NULL, "infrequent categories; dtype float64, int64, int32", ordinal},
    {0},
};

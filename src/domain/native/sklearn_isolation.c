/* scikit-learn's IsolationForest from a graph of values (sklearn/ensemble/_iforest.py): trees add
 * up how long a row's paths are; short paths mean an outlier. */
#include <math.h>

#include "base/mem.h"
#include "domain/native/sklearn_int.h"

enum { SINCE = 103 /* path lengths are kept with the model */ };

/* The mean path of an unsuccessful search in a tree of n samples (_average_path_length). */
static double average_path(double n) {
    const double euler = 0.57721566490153286060651209008240243;
    if (n <= 1) return 0;
    if (n == 2) return 1;
    return 2 * (log(n - 1) + euler) - 2 * (n - 1) / n;
}

static bool array_of(const struct sb_pv *tuple, uint32_t i, size_t n,
                     const struct sb_np_array **out) {
    if (!tuple || (tuple->type != SB_PV_TUPLE && tuple->type != SB_PV_LIST) || i >= tuple->seq.n)
        return false;
    const struct sb_pv *v = tuple->seq.v[i];
    if (v->type != SB_PV_ARRAY || !v->array->dtype || v->array->count != n) return false;
    *out = v->array;
    return true;
}

/* A leaf counts the length of the path to it, and what its samples would have needed. */
static sb_err path_lengths(struct native_job *j, const struct sb_pv *est, uint32_t t,
                           struct sb_forest_ir_tree *tree) {
    const struct sb_np_array *depth, *more;
    double *values = sb_arena_try_array(j->arena, tree->n, sizeof *values);
    if (!values) return native_nomem(j);
    if (!array_of(sb_pv_get(est, "_decision_path_lengths"), t, tree->n, &depth) ||
        !array_of(sb_pv_get(est, "_average_path_length_per_tree"), t, tree->n, &more))
        return native_damaged(j, "path lengths");
    for (uint32_t i = 0; i < tree->n; i++) {
        double a, b;
        if (!sb_np_get_double(depth, i, &a) || !sb_np_get_double(more, i, &b))
            return native_damaged(j, "path lengths");
        values[i] = a + b - 1.0;
    }
    tree->values = values;
    return SB_OK;
}

/* A tree sees some of the features: its own numbers become the model's. */
static sb_err rename_features(struct native_job *j, const struct sb_np_array *features,
                              struct sb_forest_ir_tree *tree) {
    struct sb_forest_ir_node *nodes = sb_arena_try_array(j->arena, tree->n, sizeof *nodes);
    if (!nodes) return native_nomem(j);
    for (uint32_t i = 0; i < tree->n; i++) {
        int64_t f;
        nodes[i] = tree->nodes[i];
        if (nodes[i].left < 0) continue;
        if (nodes[i].feature >= features->count || !sb_np_get_i64(features, nodes[i].feature, &f) ||
            f < 0 || f > UINT32_MAX)
            return native_damaged(j, "estimators_features_");
        nodes[i].feature = (uint32_t)f;
    }
    tree->nodes = nodes;
    return SB_OK;
}

static sb_err isolation_tree(struct native_job *j, const struct sb_pv *est,
                             const struct sb_pv *tree, uint32_t t, struct sb_forest_ir_tree *out) {
    const struct tree_values how = {.width = 1};
    const struct sb_pv *lists = sb_pv_get(est, "estimators_features_");
    if (!sb_pv_is_class(tree, "sklearn.tree._classes", "ExtraTreeRegressor"))
        return native_damaged(j, "estimators_ with something else than its trees");
    if (!lists || lists->type != SB_PV_LIST || t >= lists->seq.n ||
        lists->seq.v[t]->type != SB_PV_ARRAY || !lists->seq.v[t]->array->dtype)
        return native_damaged(j, "estimators_features_");
    const struct sb_np_array *features = lists->seq.v[t]->array;
    if (features->count > SB_FOREST_FEATURES_MAX) return native_damaged(j, "estimators_features_");
    SB_TRY(native_tree_read(j, tree, (uint32_t)features->count, &how, out));
    SB_TRY(rename_features(j, features, out));
    return path_lengths(j, est, t, out);
}

/* predict: -1 for an outlier, 1 for an inlier. */
static sb_err isolation_labels(struct native_job *j) {
    struct native_meta *m = &j->out->meta;
    m->answer = NATIVE_THRESHOLD;
    m->label = NATIVE_INT;
    m->nclasses = 2;
    m->classes = sb_arena_try_array(j->arena, 2, sizeof *m->classes);
    if (!m->classes) return native_nomem(j);
    m->classes[0] = SB_STR("-1");
    m->classes[1] = SB_STR("1");
    return SB_OK;
}

static sb_err read_isolation(struct native_job *j, const struct native_reader *me,
                             const struct sb_pv *est) {
    struct sb_forest_ir *ir = &j->out->ir;
    const struct sb_pv *list = sb_pv_get(est, "estimators_");
    double samples = 0;
    if (j->version < SINCE || !sb_pv_get(est, "_decision_path_lengths"))
        return native_for_worker(j, "%s of scikit-learn before 1.3", me->name);
    SB_TRY(native_features_read(j, est));
    SB_TRY(isolation_labels(j));
    if (!list || list->type != SB_PV_LIST || list->seq.n == 0)
        return native_damaged(j, "forest without estimators_ (not fitted?)");
    if (!sb_pv_to_double(sb_pv_get(est, "_max_samples"), &samples) ||
        !sb_pv_to_double(sb_pv_get(est, "offset_"), &ir->post_param[1]))
        return native_damaged(j, "_max_samples or offset_");
    double *base = sb_arena_try_array(j->arena, 1, sizeof *base);
    ir->ntrees = list->seq.n;
    ir->trees = sb_arena_try_array(j->arena, ir->ntrees, sizeof *ir->trees);
    if (!base || !ir->trees) return native_nomem(j);
    base[0] = 0;
    ir->base = base;
    ir->width = ir->ngroups = 1;
    ir->nfeatures = j->out->meta.nfeatures;
    ir->compare = SB_FOREST_LE32;
    ir->post = SB_FOREST_ISOLATION;
    ir->post_param[0] = ir->ntrees * average_path(samples);
    if (!(ir->post_param[0] > 0)) return native_for_worker(j, "%s of one sample", me->name);
    j->out->meta.allow_nan = j->out->meta.allow_inf = true;
    for (uint32_t t = 0; t < ir->ntrees; t++)
        SB_TRY(isolation_tree(j, est, list->seq.v[t], t, &ir->trees[t]));
    return SB_OK;
}

static const struct native_reader readers[] = {
    {.module = "sklearn.ensemble._iforest",
     .old_module = "sklearn.ensemble.iforest",
     .name = "IsolationForest",
     .formats = NATIVE_PICKLES,
     .output = "1 for inliers, -1 for outliers",
     .read = read_isolation},
    {0},
};
const struct native_family native_isolation_family = {readers, NULL};

/* scikit-learn's trees and forests from a graph of values.
 *
 * What predict does is transcribed from sklearn/tree/_classes.py and sklearn/ensemble/_forest.py:
 * forests add the trees' values in estimator order to zeros and divide by their number; a single
 * tree answers its leaf's value as it is. Classifiers before 1.4 store counts, which predict_proba
 * divides by their sum; since 1.4 fractions. The version is the one each pickle carries. */
#include "base/mem.h"
#include "domain/native/sklearn_int.h"

/* What tells the estimators apart. */
struct tree_kind {
    bool forest, classifier, extra;
};
static const struct tree_kind classifier_tree = {.classifier = true};
static const struct tree_kind regressor_tree = {0};
static const struct tree_kind extra_classifier_tree = {.classifier = true, .extra = true};
static const struct tree_kind extra_regressor_tree = {.extra = true};
static const struct tree_kind classifier_forest = {.forest = true, .classifier = true};
static const struct tree_kind regressor_forest = {.forest = true};
static const struct tree_kind extra_classifier_forest = {true, true, true};
static const struct tree_kind extra_regressor_forest = {.forest = true, .extra = true};

struct reader {
    struct native_job *j;
    const struct tree_kind *kind;
    struct tree_values values; /* width: classes, or outputs of a regressor */
};

/* ---- nodes ---- */

bool native_column_of(const struct sb_np_array *a, const char *name, struct native_column *out) {
    const struct sb_np_field *f = sb_np_field_find(a->dtype, name);
    if (f) *out = (struct native_column){a, f};
    return f != NULL;
}

bool native_column_i64(const struct native_column *c, size_t row, int64_t *out) {
    return sb_np_load_i64(c->field->type, sb_np_item(c->array, row) + c->field->offset, out);
}

bool native_column_double(const struct native_column *c, size_t row, double *out) {
    return sb_np_load_double(c->field->type, sb_np_item(c->array, row) + c->field->offset, out);
}

struct node_columns {
    struct native_column left, right, feature, threshold, missing;
    bool has_missing; /* since 1.3 */
};

static sb_err node_columns(struct native_job *j, const struct sb_np_array *nodes,
                           struct node_columns *c) {
    if (!nodes->data || nodes->ndim != 1 || !native_column_of(nodes, "left_child", &c->left) ||
        !native_column_of(nodes, "right_child", &c->right) ||
        !native_column_of(nodes, "feature", &c->feature) ||
        !native_column_of(nodes, "threshold", &c->threshold))
        return native_damaged(j, "tree nodes");
    c->has_missing = native_column_of(nodes, "missing_go_to_left", &c->missing);
    /* 1.10 and later: categorical splits */
    if (sb_np_field_find(nodes->dtype, "left_cat_bitset"))
        return native_for_worker(j, "a tree with categorical splits");
    return SB_OK;
}

static sb_err read_nodes(struct native_job *j, const struct sb_np_array *a,
                         struct sb_forest_ir_tree *tree) {
    struct node_columns c = {0};
    SB_TRY(node_columns(j, a, &c));
    if (a->count == 0 || a->count > INT32_MAX) return native_damaged(j, "number of tree nodes");
    struct sb_forest_ir_node *nodes = sb_arena_try_array(j->arena, a->count, sizeof *nodes);
    if (!nodes) return native_nomem(j);
    for (size_t i = 0; i < a->count; i++) {
        int64_t left, right, feature, missing = 0;
        if (!native_column_i64(&c.left, i, &left) || !native_column_i64(&c.right, i, &right) ||
            !native_column_i64(&c.feature, i, &feature) ||
            !native_column_double(&c.threshold, i, &nodes[i].threshold) ||
            (c.has_missing && !native_column_i64(&c.missing, i, &missing)))
            return native_damaged(j, "type of a node's field");
        if (left > INT32_MAX || right > INT32_MAX) return native_damaged(j, "child of a node");
        /* a leaf is a node without a left child (TREE_LEAF = -1) */
        nodes[i].left = left < 0 ? -1 : (int32_t)left;
        nodes[i].right = left < 0 ? -1 : (int32_t)right;
        nodes[i].default_left = missing != 0;
        if (left >= 0 && (feature < 0 || feature > UINT32_MAX || right < 0))
            return native_damaged(j, "feature or child of a node");
        nodes[i].feature = left < 0 ? 0 : (uint32_t)feature;
    }
    tree->nodes = nodes;
    tree->n = (uint32_t)a->count;
    return SB_OK;
}

static void divide_by_sum(double *row, uint32_t n) {
    double sum = sb_forest_numpy_sum(row, n);
    for (uint32_t k = 0; k < n; k++) row[k] /= sum == 0 ? 1 : sum;
}

/* values: (nodes, outputs, classes), of which one of the last two is 1. */
static sb_err read_values(struct native_job *j, const struct sb_np_array *a,
                          const struct tree_values *how, struct sb_forest_ir_tree *tree) {
    const uint32_t width = how->width;
    if (a->ndim != 3 || a->shape[0] != tree->n || !a->data ||
        !(a->shape[1] == 1 ? a->shape[2] >= width : a->shape[1] == width && a->shape[2] == 1))
        return native_damaged(j, "shape of tree values");
    double *v = sb_arena_try_array(j->arena, (size_t)tree->n * width, sizeof *v);
    if (!v) return native_nomem(j);
    const size_t stride = a->shape[1] * a->shape[2];
    for (uint32_t i = 0; i < tree->n; i++) {
        double *row = v + (size_t)i * width;
        for (uint32_t k = 0; k < width; k++) {
            if (!sb_np_get_double(a, i * stride + k, &row[k]))
                return native_damaged(j, "type of tree values");
            if (how->scale != 0) row[k] *= how->scale;
        }
        if (how->counts) divide_by_sum(row, width);
    }
    tree->values = v;
    return SB_OK;
}

sb_err native_tree_read(struct native_job *j, const struct sb_pv *est, uint32_t nfeatures,
                        const struct tree_values *how, struct sb_forest_ir_tree *out) {
    const struct sb_pv *tree = sb_pv_get(est, "tree_");
    j->object = est;
    if (!tree) return native_damaged(j, "tree without tree_ (not fitted?)");
    if (!sb_pv_is_class(tree, "sklearn.tree._tree", "Tree")) return native_damaged(j, "tree_");
    const struct sb_pv *nodes = sb_pv_get(tree, "nodes"), *values = sb_pv_get(tree, "values");
    const struct sb_pv *args = tree->object->args;
    int64_t n;
    if (!args || args->seq.n != 3 || !sb_pv_to_i64(args->seq.v[0], &n) || n != (int64_t)nfeatures)
        return native_damaged(j, "tree for another number of features");
    if (!nodes || nodes->type != SB_PV_ARRAY || !nodes->array->dtype || !values ||
        values->type != SB_PV_ARRAY || !values->array->dtype)
        return native_damaged(j, "tree without nodes or values");
    SB_TRY(read_nodes(j, nodes->array, out));
    return read_values(j, values->array, how, out);
}

static sb_err read_tree(struct reader *r, const struct sb_pv *est, struct sb_forest_ir_tree *out) {
    return native_tree_read(r->j, est, r->j->out->meta.nfeatures, &r->values, out);
}

/* ---- missing values: which versions take NaN (the estimators' allow_nan tag) ---- */

static bool tree_takes_nan(const struct reader *r, const struct sb_pv *est) {
    static const char *const gini[] = {"gini", "log_loss", "entropy", NULL};
    static const char *const squared[] = {"squared_error", "friedman_mse", "poisson", NULL};
    static const char *const best[] = {"best", NULL}, *const random[] = {"random", NULL};
    if (r->j->version < 103) return false;
    if (r->j->version >= 109)
        return !r->kind->extra || native_attribute_in(est, "splitter", random);
    const struct sb_pv *monotonic = sb_pv_get(est, "monotonic_cst");
    if (monotonic && monotonic->type != SB_PV_NONE) return false;
    if (!native_attribute_in(est, "criterion", r->kind->classifier ? gini : squared)) return false;
    if (r->j->version >= 106)
        return !r->kind->extra || native_attribute_in(est, "splitter", random);
    return !r->kind->extra && native_attribute_in(est, "splitter", best);
}

/* ---- the whole model ---- */

static sb_err read_estimator(struct native_job *j, const struct native_reader *me,
                             const struct sb_pv *est);

/* One of the forest's own: a tree of the same class as the first. */
static bool is_tree(const struct reader *r, const struct sb_pv *obj,
                    const struct native_reader *first) {
    if (!first || first->read != read_estimator || native_reader_find(obj) != first) return false;
    const struct tree_kind *kind = first->kind;
    return !kind->forest && kind->classifier == r->kind->classifier;
}

static sb_err read_forest(struct reader *r, const struct sb_pv *est) {
    struct sb_forest_ir *ir = &r->j->out->ir;
    const struct sb_pv *list = sb_pv_get(est, "estimators_");
    if (!list || list->type != SB_PV_LIST || list->seq.n == 0)
        return native_damaged(r->j, "forest without estimators_ (not fitted?)");
    ir->ntrees = list->seq.n;
    ir->trees = sb_arena_try_array(r->j->arena, ir->ntrees, sizeof *ir->trees);
    if (!ir->trees) return native_nomem(r->j);
    const struct native_reader *first = native_reader_find(list->seq.v[0]);
    for (uint32_t i = 0; i < ir->ntrees; i++) {
        if (!is_tree(r, list->seq.v[i], first))
            return native_damaged(r->j, "estimators_ with something else than its trees");
        SB_TRY(read_tree(r, list->seq.v[i], &ir->trees[i]));
    }
    r->j->out->meta.allow_nan =
        r->j->version >= 104 && !r->j->sparse && tree_takes_nan(r, list->seq.v[0]);
    ir->divisor = ir->ntrees;
    return SB_OK;
}

static sb_err read_single(struct reader *r, const struct sb_pv *est) {
    struct sb_forest_ir *ir = &r->j->out->ir;
    ir->ntrees = 1;
    ir->trees = sb_arena_try_array(r->j->arena, 1, sizeof *ir->trees);
    if (!ir->trees) return native_nomem(r->j);
    SB_TRY(read_tree(r, est, &ir->trees[0]));
    r->j->out->meta.allow_nan = !r->j->sparse && tree_takes_nan(r, est);
    ir->post = SB_FOREST_IDENTITY;
    return SB_OK;
}

static sb_err read_estimator(struct native_job *j, const struct native_reader *me,
                             const struct sb_pv *est) {
    struct native_meta *m = &j->out->meta;
    struct sb_forest_ir *ir = &j->out->ir;
    struct reader r = {.j = j, .kind = me->kind};
    int64_t outputs = 1;
    if (!sb_pv_to_i64(sb_pv_get(est, "n_outputs_"), &outputs) || outputs < 1)
        return native_damaged(j, "n_outputs_");
    if (outputs > (r.kind->classifier ? 1 : SB_FOREST_GROUPS_MAX))
        return native_for_worker(j, "%s with %lld outputs", me->name, (long long)outputs);
    SB_TRY(native_features_read(j, est));
    m->answer = NATIVE_VALUE;
    r.values.width = (uint32_t)outputs;
    if (r.kind->classifier) {
        SB_TRY(native_classes_read(j, est));
        m->answer = NATIVE_ARGMAX;
        m->proba = true;
        r.values = (struct tree_values){.width = m->nclasses, .counts = j->version < 104};
    }
    ir->nfeatures = m->nfeatures;
    ir->width = ir->ngroups = r.values.width;
    double *base = sb_arena_try_array(j->arena, ir->ngroups, sizeof *base);
    if (!base) return native_nomem(j);
    /* -0.0 + v is v for every v, so one tree's sum is its leaf, sign of zero included */
    for (uint32_t g = 0; g < ir->ngroups; g++) base[g] = r.kind->forest ? 0.0 : -0.0;
    ir->base = base;
    return r.kind->forest ? read_forest(&r, est) : read_single(&r, est);
}

#define TREE(class, what, of)                                                                      \
    {                                                                                              \
        .module = "sklearn.tree._classes", .old_module = "sklearn.tree.tree", .name = class,       \
        .formats = NATIVE_PICKLES, .output = what, .read = read_estimator, .kind = of              \
    }
#define FOREST(class, what, of)                                                                    \
    {                                                                                              \
        .module = "sklearn.ensemble._forest", .old_module = "sklearn.ensemble.forest",             \
        .name = class, .formats = NATIVE_PICKLES, .output = what, .read = read_estimator,          \
        .kind = of                                                                                 \
    }
static const struct native_reader readers[] = {
    TREE("DecisionTreeClassifier", "label, probabilities", &classifier_tree),
    TREE("DecisionTreeRegressor", "value", &regressor_tree),
    TREE("ExtraTreeClassifier", "label, probabilities", &extra_classifier_tree),
    TREE("ExtraTreeRegressor", "value", &extra_regressor_tree),
    FOREST("RandomForestClassifier", "label, probabilities", &classifier_forest),
    FOREST("RandomForestRegressor", "value", &regressor_forest),
    FOREST("ExtraTreesClassifier", "label, probabilities", &extra_classifier_forest),
    FOREST("ExtraTreesRegressor", "value", &extra_regressor_forest),
    {0},
};
static const struct sb_pickle_class parts[] = {{"sklearn.tree._tree", "Tree"}, {0}};
const struct native_family native_tree_family = {readers, parts};

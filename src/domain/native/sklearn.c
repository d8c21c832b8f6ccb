/* scikit-learn's trees and forests from a graph of values.
 *
 * What predict does is transcribed from sklearn/tree/_classes.py and sklearn/ensemble/_forest.py:
 * forests add the trees' values in estimator order to zeros and divide by their number; a single
 * tree answers its leaf's value as it is. Classifiers before 1.4 store counts, which predict_proba
 * divides by their sum; since 1.4 fractions. The version is the one each pickle carries. */
#include "domain/native/spec.h"

#include "base/mem.h"
#include "codec/json.h"
#include "engine/pickle/pickle.h"
#include "engine/pickle/skops.h"

static const char tree_module[] = "sklearn.tree._classes";
static const char forest_module[] = "sklearn.ensemble._forest";

/* An estimator we know; the module may be spelled as before 0.22. */
struct estimator {
    const char *module, *old_module, *name;
    bool forest, classifier, extra;
};
static const struct estimator estimators[] = {
    {tree_module, "sklearn.tree.tree", "DecisionTreeClassifier", false, true, false},
    {tree_module, "sklearn.tree.tree", "DecisionTreeRegressor", false, false, false},
    {tree_module, "sklearn.tree.tree", "ExtraTreeClassifier", false, true, true},
    {tree_module, "sklearn.tree.tree", "ExtraTreeRegressor", false, false, true},
    {forest_module, "sklearn.ensemble.forest", "RandomForestClassifier", true, true, false},
    {forest_module, "sklearn.ensemble.forest", "RandomForestRegressor", true, false, false},
    {forest_module, "sklearn.ensemble.forest", "ExtraTreesClassifier", true, true, true},
    {forest_module, "sklearn.ensemble.forest", "ExtraTreesRegressor", true, false, true},
};

static const struct sb_pickle_class allowed[] = {
    {"sklearn.tree._classes", "DecisionTreeClassifier"},
    {"sklearn.tree._classes", "DecisionTreeRegressor"},
    {"sklearn.tree._classes", "ExtraTreeClassifier"},
    {"sklearn.tree._classes", "ExtraTreeRegressor"},
    {"sklearn.tree.tree", "DecisionTreeClassifier"},
    {"sklearn.tree.tree", "DecisionTreeRegressor"},
    {"sklearn.tree.tree", "ExtraTreeClassifier"},
    {"sklearn.tree.tree", "ExtraTreeRegressor"},
    {"sklearn.ensemble._forest", "RandomForestClassifier"},
    {"sklearn.ensemble._forest", "RandomForestRegressor"},
    {"sklearn.ensemble._forest", "ExtraTreesClassifier"},
    {"sklearn.ensemble._forest", "ExtraTreesRegressor"},
    {"sklearn.ensemble.forest", "RandomForestClassifier"},
    {"sklearn.ensemble.forest", "RandomForestRegressor"},
    {"sklearn.ensemble.forest", "ExtraTreesClassifier"},
    {"sklearn.ensemble.forest", "ExtraTreesRegressor"},
    {"sklearn.tree._tree", "Tree"},
};

struct reader {
    struct native_spec *out;
    struct sb_arena *arena;
    struct sb_errctx *ctx;
    const struct estimator *kind;
    int version;    /* 1.9 -> 109, 0.24 -> 24 */
    uint32_t width; /* classes, or 1 */
};

static sb_err damaged(struct reader *r, const char *what) {
    (void)sb_fail(r->ctx, SB_E_CORRUPT, "damaged scikit-learn model: %s", what);
    return SB_E_CORRUPT;
}

static sb_err nomem(struct reader *r) {
    (void)sb_fail(r->ctx, SB_E_LIMIT, "model needs more memory than a file of its size may");
    return SB_E_LIMIT;
}

static const struct estimator *find(const struct sb_pv *v) {
    for (size_t i = 0; i < SB_COUNT(estimators); i++)
        if (sb_pv_is_class(v, estimators[i].module, estimators[i].name) ||
            sb_pv_is_class(v, estimators[i].old_module, estimators[i].name))
            return &estimators[i];
    return NULL;
}

/* "1.9.1" -> 109; 0 when there is none. */
static int version_of(struct sb_str s) {
    struct sb_str major, minor;
    uint64_t a, b;
    if (!sb_str_split(&s, '.', &major) || !sb_str_split(&s, '.', &minor)) return 0;
    if (!sb_str_to_u64(major, &a) || !sb_str_to_u64(minor, &b) || a > 99 || b > 99) return 0;
    return (int)(a * 100 + b);
}

/* ---- nodes ---- */

struct node_fields {
    const struct sb_np_field *left, *right, *feature, *threshold, *missing;
};

static sb_err node_fields(struct reader *r, const struct sb_np_array *nodes,
                          struct node_fields *f) {
    const struct sb_np_dtype *t = nodes->dtype;
    f->left = sb_np_field_find(t, "left_child");
    f->right = sb_np_field_find(t, "right_child");
    f->feature = sb_np_field_find(t, "feature");
    f->threshold = sb_np_field_find(t, "threshold");
    f->missing = sb_np_field_find(t, "missing_go_to_left");
    if (!f->left || !f->right || !f->feature || !f->threshold || !nodes->data || nodes->ndim != 1)
        return damaged(r, "tree nodes");
    /* 1.10 and later: categorical splits */
    if (sb_np_field_find(t, "left_cat_bitset"))
        return sb_fail(r->ctx, SB_E_UNSUPPORTED,
                       "trees with categorical splits are served by a Python worker");
    return SB_OK;
}

static bool field_i64(const struct sb_np_field *f, const uint8_t *item, int64_t *out) {
    return sb_np_load_i64(f->type, item + f->offset, out);
}

static sb_err read_nodes(struct reader *r, const struct sb_np_array *a,
                         struct sb_forest_ir_tree *tree) {
    struct node_fields f = {0};
    SB_TRY(node_fields(r, a, &f));
    if (a->count == 0 || a->count > INT32_MAX) return damaged(r, "number of tree nodes");
    struct sb_forest_ir_node *nodes = sb_arena_try_array(r->arena, a->count, sizeof *nodes);
    if (!nodes) return nomem(r);
    for (size_t i = 0; i < a->count; i++) {
        const uint8_t *item = sb_np_item(a, i);
        int64_t left, right, feature, missing = 0;
        if (!field_i64(f.left, item, &left) || !field_i64(f.right, item, &right) ||
            !field_i64(f.feature, item, &feature) ||
            !sb_np_load_double(f.threshold->type, item + f.threshold->offset,
                               &nodes[i].threshold) ||
            (f.missing && !field_i64(f.missing, item, &missing)))
            return damaged(r, "type of a node's field");
        if (left > INT32_MAX || right > INT32_MAX) return damaged(r, "child of a node");
        /* a leaf is a node without a left child (TREE_LEAF = -1) */
        nodes[i].left = left < 0 ? -1 : (int32_t)left;
        nodes[i].right = left < 0 ? -1 : (int32_t)right;
        nodes[i].default_left = missing != 0;
        if (left >= 0 && (feature < 0 || feature > UINT32_MAX || right < 0))
            return damaged(r, "feature or child of a node");
        nodes[i].feature = left < 0 ? 0 : (uint32_t)feature;
    }
    tree->nodes = nodes;
    tree->n = (uint32_t)a->count;
    return SB_OK;
}

/* numpy's sum of n doubles that lie together (pairwise_sum, blocks of up to 128). */
static double pairwise(const double *v, size_t n) {
    if (n < 8) {
        double s = 0; /* numpy starts with -0.0; counts are never negative zeros */
        for (size_t i = 0; i < n; i++) s += v[i];
        return s;
    }
    if (n > 128) {
        size_t half = n / 2;
        half -= half % 8;
        return pairwise(v, half) + pairwise(v + half, n - half);
    }
    double s[8];
    size_t i;
    for (i = 0; i < 8; i++) s[i] = v[i];
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) s[k] += v[i + k];
    double sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    for (; i < n; i++) sum += v[i];
    return sum;
}

static sb_err read_values(struct reader *r, const struct sb_np_array *a,
                          struct sb_forest_ir_tree *tree) {
    if (a->ndim != 3 || a->shape[0] != tree->n || a->shape[1] != 1 || a->shape[2] < r->width ||
        !a->data)
        return damaged(r, "shape of tree values");
    double *v = sb_arena_try_array(r->arena, (size_t)tree->n * r->width, sizeof *v);
    if (!v) return nomem(r);
    for (uint32_t i = 0; i < tree->n; i++) {
        double *row = v + (size_t)i * r->width;
        for (uint32_t k = 0; k < r->width; k++)
            if (!sb_np_get_double(a, i * a->shape[2] + k, &row[k]))
                return damaged(r, "type of tree values");
        if (r->kind->classifier && r->version < 104) {
            double sum = pairwise(row, r->width);
            for (uint32_t k = 0; k < r->width; k++) row[k] /= sum == 0 ? 1 : sum;
        }
    }
    tree->values = v;
    return SB_OK;
}

static sb_err read_tree(struct reader *r, const struct sb_pv *est, struct sb_forest_ir_tree *out) {
    const struct sb_pv *tree = sb_pv_get(est, "tree_");
    if (!tree) return damaged(r, "tree without tree_ (not fitted?)");
    if (!sb_pv_is_class(tree, "sklearn.tree._tree", "Tree")) return damaged(r, "tree_");
    const struct sb_pv *nodes = sb_pv_get(tree, "nodes"), *values = sb_pv_get(tree, "values");
    const struct sb_pv *args = tree->object->args;
    int64_t nfeatures;
    if (!args || args->seq.n != 3 || !sb_pv_to_i64(args->seq.v[0], &nfeatures) ||
        nfeatures != (int64_t)r->out->meta.nfeatures)
        return damaged(r, "tree for another number of features");
    if (!nodes || nodes->type != SB_PV_ARRAY || !nodes->array->dtype || !values ||
        values->type != SB_PV_ARRAY || !values->array->dtype)
        return damaged(r, "tree without nodes or values");
    SB_TRY(read_nodes(r, nodes->array, out));
    return read_values(r, values->array, out);
}

/* ---- classes and features ---- */

static sb_err class_text(struct reader *r, const struct sb_np_array *a, size_t i,
                         struct sb_str *out) {
    struct native_meta *m = &r->out->meta;
    int64_t n;
    double d;
    char text[48];
    size_t len;
    switch (m->label) {
    case NATIVE_STR:
        if (!sb_np_get_str(a, i, r->arena, out)) return damaged(r, "class label");
        return SB_OK;
    case NATIVE_FLOAT:
        if (!sb_np_get_double(a, i, &d) || d - d != 0) return damaged(r, "class label");
        len = sb_double_format(text, d);
        break;
    default:
        if (a->dtype->kind == 'O' ? !sb_pv_to_i64(a->objects->seq.v[i], &n)
                                  : !sb_np_get_i64(a, i, &n))
            return damaged(r, "class label");
        if (m->label == NATIVE_BOOL) {
            *out = n ? SB_STR("True") : SB_STR("False");
            return SB_OK;
        }
        *out = sb_str_of(sb_arena_printf(r->arena, "%lld", (long long)n));
        return SB_OK;
    }
    *out = sb_arena_dup(r->arena, sb_str_make(text, len));
    return out->p ? SB_OK : nomem(r);
}

/* Labels that an object array holds: all text, all whole numbers or all bool; else a worker's. */
static bool object_label(const struct sb_np_array *a, enum native_label *out) {
    enum sb_pv_type t = a->count ? a->objects->seq.v[0]->type : SB_PV_NONE;
    for (size_t i = 0; i < a->count; i++)
        if (a->objects->seq.v[i]->type != t) return false;
    if (t == SB_PV_STR)
        *out = NATIVE_STR;
    else if (t == SB_PV_INT)
        *out = NATIVE_INT;
    else if (t == SB_PV_BOOL)
        *out = NATIVE_BOOL;
    else
        return false;
    return true;
}

static bool label_of(const struct sb_np_array *a, enum native_label *out) {
    switch (a->dtype->kind) {
    case 'b': *out = NATIVE_BOOL; return true;
    case 'i':
    case 'u': *out = NATIVE_INT; return true;
    case 'f': *out = NATIVE_FLOAT; return true;
    case 'U': *out = NATIVE_STR; return true;
    case 'O': return object_label(a, out);
    default: return false;
    }
}

static sb_err read_classes(struct reader *r, const struct sb_pv *est) {
    struct native_meta *m = &r->out->meta;
    const struct sb_pv *classes = sb_pv_get(est, "classes_");
    if (!classes || classes->type != SB_PV_ARRAY || !classes->array->dtype)
        return sb_fail(r->ctx, SB_E_UNSUPPORTED,
                       "a classifier of several outputs is served by a Python worker");
    const struct sb_np_array *a = classes->array;
    if (a->ndim != 1 || a->count == 0 || a->count > SB_FOREST_GROUPS_MAX)
        return damaged(r, "classes_");
    if (!label_of(a, &m->label))
        return sb_fail(r->ctx, SB_E_UNSUPPORTED,
                       "class labels that are not text, numbers or bool are served by a Python "
                       "worker");
    m->nclasses = (uint32_t)a->count;
    m->classes = sb_arena_try_array(r->arena, m->nclasses, sizeof *m->classes);
    if (!m->classes) return nomem(r);
    for (uint32_t i = 0; i < m->nclasses; i++) SB_TRY(class_text(r, a, i, &m->classes[i]));
    return SB_OK;
}

static sb_err read_features(struct reader *r, const struct sb_pv *est) {
    struct native_meta *m = &r->out->meta;
    int64_t n;
    if (!sb_pv_to_i64(sb_pv_get(est, "n_features_in_"), &n) &&
        !sb_pv_to_i64(sb_pv_get(est, "n_features_"), &n))
        return damaged(r, "number of features (not fitted?)");
    if (n < 1 || n > SB_FOREST_FEATURES_MAX) return damaged(r, "number of features");
    m->nfeatures = (uint32_t)n;
    const struct sb_pv *names = sb_pv_get(est, "feature_names_in_");
    if (!names || names->type == SB_PV_NONE) return SB_OK;
    if (names->type != SB_PV_ARRAY || !names->array->dtype || names->array->count != (size_t)n)
        return damaged(r, "feature_names_in_");
    m->features = sb_arena_try_array(r->arena, (size_t)n, sizeof *m->features);
    if (!m->features) return nomem(r);
    for (uint32_t i = 0; i < m->nfeatures; i++)
        if (!sb_np_get_str(names->array, i, r->arena, &m->features[i]))
            return damaged(r, "feature_names_in_");
    return SB_OK;
}

/* ---- missing values: which versions take NaN (the estimators' allow_nan tag) ---- */

static bool attribute_in(const struct sb_pv *est, const char *key, const char *const *names) {
    const struct sb_pv *v = sb_pv_get(est, key);
    for (; v && v->type == SB_PV_STR && *names; names++)
        if (sb_str_is(v->s, *names)) return true;
    return false;
}

static bool tree_takes_nan(const struct reader *r, const struct sb_pv *est) {
    static const char *const gini[] = {"gini", "log_loss", "entropy", NULL};
    static const char *const squared[] = {"squared_error", "friedman_mse", "poisson", NULL};
    static const char *const best[] = {"best", NULL}, *const random[] = {"random", NULL};
    if (r->version < 103) return false;
    if (r->version >= 109) return !r->kind->extra || attribute_in(est, "splitter", random);
    const struct sb_pv *monotonic = sb_pv_get(est, "monotonic_cst");
    if (monotonic && monotonic->type != SB_PV_NONE) return false;
    if (!attribute_in(est, "criterion", r->kind->classifier ? gini : squared)) return false;
    if (r->version >= 106) return !r->kind->extra || attribute_in(est, "splitter", random);
    return !r->kind->extra && attribute_in(est, "splitter", best);
}

/* ---- the whole model ---- */

static sb_err read_forest(struct reader *r, const struct sb_pv *est) {
    struct sb_forest_ir *ir = &r->out->ir;
    const struct sb_pv *list = sb_pv_get(est, "estimators_");
    if (!list || list->type != SB_PV_LIST || list->seq.n == 0)
        return damaged(r, "forest without estimators_ (not fitted?)");
    ir->ntrees = list->seq.n;
    ir->trees = sb_arena_try_array(r->arena, ir->ntrees, sizeof *ir->trees);
    if (!ir->trees) return nomem(r);
    const struct estimator *first = find(list->seq.v[0]);
    for (uint32_t i = 0; i < ir->ntrees; i++) {
        const struct estimator *tree = find(list->seq.v[i]);
        if (!tree || tree != first || tree->forest || tree->classifier != r->kind->classifier)
            return damaged(r, "estimators_ with something else than its trees");
        SB_TRY(read_tree(r, list->seq.v[i], &ir->trees[i]));
    }
    r->out->meta.allow_nan = r->version >= 104 && tree_takes_nan(r, list->seq.v[0]);
    ir->post = SB_FOREST_MEAN;
    return SB_OK;
}

static sb_err read_single(struct reader *r, const struct sb_pv *est) {
    struct sb_forest_ir *ir = &r->out->ir;
    ir->ntrees = 1;
    ir->trees = sb_arena_try_array(r->arena, 1, sizeof *ir->trees);
    if (!ir->trees) return nomem(r);
    SB_TRY(read_tree(r, est, &ir->trees[0]));
    r->out->meta.allow_nan = tree_takes_nan(r, est);
    ir->post = SB_FOREST_IDENTITY;
    return SB_OK;
}

static sb_err read_estimator(struct reader *r, const struct sb_pv *est) {
    struct native_meta *m = &r->out->meta;
    struct sb_forest_ir *ir = &r->out->ir;
    const struct sb_pv *version = sb_pv_get(est, "_sklearn_version");
    int64_t outputs = 1;
    m->library = SB_STR("scikit-learn");
    m->version = version && version->type == SB_PV_STR ? version->s : SB_STR("");
    m->class_name = sb_str_of(sb_arena_printf(r->arena, "%s.%s", r->kind->module, r->kind->name));
    r->version = version_of(m->version);
    if (r->version == 0 || r->version > 109)
        return sb_fail(r->ctx, SB_E_UNSUPPORTED,
                       "models of scikit-learn %.*s are served by a Python worker (native: up to "
                       "1.9)",
                       SB_ARG(m->version));
    if (!sb_pv_to_i64(sb_pv_get(est, "n_outputs_"), &outputs)) return damaged(r, "n_outputs_");
    if (outputs != 1)
        return sb_fail(r->ctx, SB_E_UNSUPPORTED,
                       "%s with %lld outputs is served by a Python worker", r->kind->name,
                       (long long)outputs);
    SB_TRY(read_features(r, est));
    m->answer = NATIVE_VALUE;
    r->width = 1;
    if (r->kind->classifier) {
        SB_TRY(read_classes(r, est));
        m->answer = NATIVE_ARGMAX;
        m->proba = true;
        r->width = m->nclasses;
    }
    ir->nfeatures = m->nfeatures;
    ir->width = ir->ngroups = r->width;
    double *base = sb_arena_try_array(r->arena, ir->ngroups, sizeof *base);
    if (!base) return nomem(r);
    /* -0.0 + v is v for every v, so one tree's sum is its leaf, sign of zero included */
    for (uint32_t g = 0; g < ir->ngroups; g++) base[g] = r->kind->forest ? 0.0 : -0.0;
    ir->base = base;
    return r->kind->forest ? read_forest(r, est) : read_single(r, est);
}

sb_err native_sklearn_read(struct native_spec *out, struct sb_str file, bool skops,
                           struct sb_arena *arena, struct sb_errctx *ctx) {
    const struct sb_pickle_options opt = {allowed, SB_COUNT(allowed)};
    const struct sb_pv *root = NULL;
    if (skops)
        SB_TRY(sb_skops_read(&root, file, &opt, arena, ctx));
    else
        SB_TRY(sb_pickle_read(&root, file, &opt, arena, ctx));
    *out = (struct native_spec){0};
    struct reader r = {.out = out, .arena = arena, .ctx = ctx, .kind = find(root)};
    if (!r.kind && root->type == SB_PV_OBJECT)
        return sb_fail(ctx, SB_E_UNSUPPORTED, "class %.*s.%.*s is served by a Python worker",
                       SB_ARG(root->object->module), SB_ARG(root->object->name));
    if (!r.kind)
        return sb_fail(ctx, SB_E_UNSUPPORTED,
                       "a file that holds no estimator is served by a Python worker");
    return read_estimator(&r, root);
}

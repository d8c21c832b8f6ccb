/* scikit-learn's gradient boosting and isolation forest from a graph of values.
 *
 * Transcribed from sklearn/ensemble/_gb.py and _gradient_boosting.pyx (trees on float32, each value
 * times the learning rate, added stage by stage to the initial prediction),
 * _hist_gradient_boosting/gradient_boosting.py and _predictor.pyx (trees on float64, added to the
 * baseline), _iforest.py, and from sklearn/_loss/link.py. */
#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "domain/native/sklearn_int.h"

enum {
    GB_SINCE = 104,     /* before, initial predictions and ties were others */
    HGB_SINCE = 101,    /* before, losses were other classes */
    HGB_BY_SUM = 105,   /* labels by the sums, before by the probabilities */
    IFOREST_SINCE = 103 /* path lengths are kept with the model */
};

/* ---- losses: sklearn._loss.loss ---- */

enum link { LINK_IDENTITY, LINK_LOG, LINK_LOGIT, LINK_HALF_LOGIT, LINK_MULTINOMIAL };

static const struct loss {
    const char *name;
    enum link link;
} losses[] = {
    {"HalfSquaredError", LINK_IDENTITY},
    {"AbsoluteError", LINK_IDENTITY},
    {"PinballLoss", LINK_IDENTITY},
    {"HuberLoss", LINK_IDENTITY},
    {"HalfTweedieLossIdentity", LINK_IDENTITY},
    {"HalfPoissonLoss", LINK_LOG},
    {"HalfGammaLoss", LINK_LOG},
    {"HalfTweedieLoss", LINK_LOG},
    {"HalfBinomialLoss", LINK_LOGIT},
    {"ExponentialLoss", LINK_HALF_LOGIT},
    {"HalfMultinomialLoss", LINK_MULTINOMIAL},
};

struct boosting {
    bool classifier;
};
static const struct boosting classifier = {true}, regressor = {false};

struct reader {
    struct native_job *j;
    const struct boosting *kind;
    const struct loss *loss;
    uint32_t groups; /* trees of an iteration: classes, or 1 for a regressor or two classes */
};

static sb_err read_loss(struct reader *r, const struct sb_pv *est) {
    const struct sb_pv *v = sb_pv_get(est, "_loss");
    for (size_t i = 0; i < SB_COUNT(losses); i++)
        if (sb_pv_is_class(v, "sklearn._loss.loss", losses[i].name)) r->loss = &losses[i];
    if (!r->loss) return native_damaged(r->j, "_loss");
    bool classes = r->loss->link >= LINK_LOGIT;
    if (classes != r->kind->classifier) return native_damaged(r->j, "_loss of another estimator");
    return SB_OK;
}

/* Inverse links (BaseLink.inverse), and for classifiers who decides. */
static void set_post(struct reader *r, bool by_probability, enum native_answer binary) {
    struct sb_forest_ir *ir = &r->j->out->ir;
    struct native_meta *m = &r->j->out->meta;
    switch (r->loss->link) {
    case LINK_LOG: ir->post = SB_FOREST_EXP64; break;
    case LINK_LOGIT: ir->post = SB_FOREST_LOGISTIC64; break;
    case LINK_HALF_LOGIT: ir->post = SB_FOREST_LOGISTIC64; break;
    case LINK_MULTINOMIAL: ir->post = SB_FOREST_SOFTMAX_PAIR; break;
    default: ir->post = SB_FOREST_IDENTITY; break;
    }
    ir->post_param[0] = r->loss->link == LINK_HALF_LOGIT ? 2 : 1;
    m->answer = NATIVE_VALUE;
    if (!r->kind->classifier) return;
    m->proba = true;
    if (r->groups > 1)
        m->answer = by_probability ? NATIVE_ARGMAX : NATIVE_ARGMAX_SUM;
    else
        m->answer = by_probability ? NATIVE_THRESHOLD : binary;
}

/* Classes, features, loss; how many trees an iteration has. */
static sb_err read_common(struct reader *r, const struct sb_pv *est) {
    struct native_job *j = r->j;
    struct sb_forest_ir *ir = &j->out->ir;
    SB_TRY(native_features_read(j, est));
    SB_TRY(read_loss(r, est));
    r->groups = 1;
    if (r->kind->classifier) {
        SB_TRY(native_classes_read(j, est));
        if (j->out->meta.nclasses < 2) return native_damaged(j, "classes_");
        if (r->loss->link == LINK_MULTINOMIAL) r->groups = j->out->meta.nclasses;
        if (r->groups == 1 && j->out->meta.nclasses != 2) return native_damaged(j, "classes_");
    }
    ir->nfeatures = j->out->meta.nfeatures;
    ir->width = 1;
    ir->ngroups = r->groups;
    return SB_OK;
}

/* ---- GradientBoosting: where the sums start ---- */

static double clipped(double p) {
    if (p < DBL_EPSILON) return DBL_EPSILON;
    return p > 1 - DBL_EPSILON ? 1 - DBL_EPSILON : p;
}

/* scipy.special.logit */
static double logit(double p) {
    if (p < 0.3 || p > 0.65) return log(p / (1 - p));
    double s = 2 * (p - 0.5);
    return log1p(s) - log1p(-s);
}

/* MultinomialLogit.link: log(p / gmean(p)) */
static void multinomial(double *p, uint32_t n, double *scratch) {
    for (uint32_t i = 0; i < n; i++) scratch[i] = log(p[i]);
    double mean = exp(sb_forest_numpy_sum(scratch, n) / n);
    for (uint32_t i = 0; i < n; i++) p[i] = log(p[i] / mean);
}

/* DummyClassifier(strategy='prior'): the classes' shares. */
static sb_err base_of_classifier(struct reader *r, const struct sb_pv *init, double *base) {
    static const char *const prior[] = {"prior", NULL};
    const uint32_t n = r->j->out->meta.nclasses;
    if (!sb_pv_is_class(init, "sklearn.dummy", "DummyClassifier") ||
        !native_attribute_in(init, "_strategy", prior))
        return native_for_worker(r->j, "gradient boosting with an init estimator of its own");
    const struct sb_pv *v = sb_pv_get(init, "class_prior_");
    double *p = sb_arena_try_array(r->j->arena, 2 * (size_t)n, sizeof *p);
    if (!p) return native_nomem(r->j);
    if (!v || v->type != SB_PV_ARRAY || !v->array->dtype || v->array->count != n)
        return native_damaged(r->j, "class_prior_");
    for (uint32_t i = 0; i < n; i++) {
        if (!sb_np_get_double(v->array, i, &p[i])) return native_damaged(r->j, "class_prior_");
        p[i] = clipped(p[i]);
    }
    if (r->loss->link == LINK_MULTINOMIAL) {
        multinomial(p, n, p + n);
        memcpy(base, p, n * sizeof *base);
    } else {
        base[0] = logit(p[1]);
        if (r->loss->link == LINK_HALF_LOGIT) base[0] *= 0.5;
    }
    return SB_OK;
}

static sb_err base_of_regressor(struct reader *r, const struct sb_pv *init, double *base) {
    if (!sb_pv_is_class(init, "sklearn.dummy", "DummyRegressor"))
        return native_for_worker(r->j, "gradient boosting with an init estimator of its own");
    if (!sb_pv_to_double(sb_pv_get(init, "constant_"), base))
        return native_damaged(r->j, "constant_");
    return SB_OK;
}

static sb_err read_base(struct reader *r, const struct sb_pv *est) {
    static const char *const zero[] = {"zero", NULL};
    double *base = sb_arena_try_array(r->j->arena, r->groups, sizeof *base);
    if (!base) return native_nomem(r->j);
    r->j->out->ir.base = base;
    for (uint32_t g = 0; g < r->groups; g++) base[g] = 0;
    const struct sb_pv *init = sb_pv_get(est, "init_");
    if (!init) return native_damaged(r->j, "init_ (not fitted?)");
    if (native_attribute_in(est, "init_", zero)) return SB_OK;
    return r->kind->classifier ? base_of_classifier(r, init, base)
                               : base_of_regressor(r, init, base);
}

/* estimators_: an object array (stages, trees of a stage) of DecisionTreeRegressor. */
static sb_err read_stages(struct reader *r, const struct sb_pv *est) {
    struct native_job *j = r->j;
    struct sb_forest_ir *ir = &j->out->ir;
    const struct sb_pv *v = sb_pv_get(est, "estimators_");
    struct tree_values how = {.width = 1};
    if (!v || v->type != SB_PV_ARRAY || !v->array->dtype || v->array->ndim != 2 ||
        v->array->dtype->kind != 'O' || v->array->shape[1] != r->groups || v->array->fortran ||
        v->array->count > SB_FOREST_TREES_MAX)
        return native_damaged(j, "estimators_");
    if (!sb_pv_to_double(sb_pv_get(est, "learning_rate"), &how.scale) || how.scale == 0)
        return native_damaged(j, "learning_rate");
    ir->ntrees = (uint32_t)v->array->count;
    ir->trees = sb_arena_try_array(j->arena, (size_t)ir->ntrees + 1, sizeof *ir->trees);
    if (!ir->trees) return native_nomem(j);
    for (uint32_t t = 0; t < ir->ntrees; t++) {
        const struct sb_pv *tree = v->array->objects->seq.v[t];
        if (!sb_pv_is_class(tree, "sklearn.tree._classes", "DecisionTreeRegressor"))
            return native_damaged(j, "estimators_ with something else than its trees");
        SB_TRY(native_tree_read(j, tree, ir->nfeatures, &how, &ir->trees[t]));
        ir->trees[t].group = t % r->groups;
    }
    return SB_OK;
}

static sb_err read_gb(struct native_job *j, const struct native_reader *me,
                      const struct sb_pv *est) {
    struct reader r = {.j = j, .kind = me->kind};
    if (j->version < GB_SINCE)
        return native_for_worker(j, "%s of scikit-learn before 1.4", me->name);
    SB_TRY(read_common(&r, est));
    j->out->ir.compare = SB_FOREST_LE32;
    set_post(&r, false, NATIVE_SUM_FROM_0);
    SB_TRY(read_base(&r, est));
    return read_stages(&r, est);
}

/* ---- HistGradientBoosting ---- */

struct hist_columns {
    struct native_column value, feature, threshold, left, right, leaf, missing, categorical;
};

static bool hist_columns(const struct sb_np_array *a, struct hist_columns *c) {
    return native_column_of(a, "value", &c->value) &&
           native_column_of(a, "feature_idx", &c->feature) &&
           native_column_of(a, "num_threshold", &c->threshold) &&
           native_column_of(a, "left", &c->left) && native_column_of(a, "right", &c->right) &&
           native_column_of(a, "is_leaf", &c->leaf) &&
           native_column_of(a, "missing_go_to_left", &c->missing) &&
           native_column_of(a, "is_categorical", &c->categorical);
}

/* false: a field is not what it should be. */
static bool hist_node(const struct hist_columns *c, size_t i, struct sb_forest_ir_node *n,
                      double *value, bool *categorical) {
    int64_t leaf, cat, feature, left, right, missing;
    if (!native_column_i64(&c->leaf, i, &leaf) || !native_column_double(&c->value, i, value) ||
        !native_column_i64(&c->categorical, i, &cat))
        return false;
    n->left = n->right = -1;
    *categorical = !leaf && cat;
    if (leaf) return true;
    if (!native_column_i64(&c->feature, i, &feature) || feature < 0 || feature > UINT32_MAX ||
        !native_column_i64(&c->left, i, &left) || left < 0 || left > INT32_MAX ||
        !native_column_i64(&c->right, i, &right) || right < 0 || right > INT32_MAX ||
        !native_column_i64(&c->missing, i, &missing) ||
        !native_column_double(&c->threshold, i, &n->threshold))
        return false;
    n->feature = (uint32_t)feature;
    n->left = (int32_t)left;
    n->right = (int32_t)right;
    n->default_left = missing != 0;
    return true;
}

static sb_err hist_tree(struct reader *r, const struct sb_pv *predictor,
                        struct sb_forest_ir_tree *out) {
    struct native_job *j = r->j;
    struct hist_columns c;
    const struct sb_pv *nodes = sb_pv_get(predictor, "nodes");
    if (!sb_pv_is_class(predictor, "sklearn.ensemble._hist_gradient_boosting.predictor",
                        "TreePredictor") ||
        !nodes || nodes->type != SB_PV_ARRAY || !nodes->array->dtype || !nodes->array->data ||
        nodes->array->ndim != 1 || nodes->array->count == 0 || nodes->array->count > INT32_MAX ||
        !hist_columns(nodes->array, &c))
        return native_damaged(j, "nodes of a TreePredictor");
    const size_t n = nodes->array->count;
    struct sb_forest_ir_node *to = sb_arena_try_array(j->arena, n, sizeof *to);
    double *values = sb_arena_try_array(j->arena, n, sizeof *values);
    if (!to || !values) return native_nomem(j);
    for (size_t i = 0; i < n; i++) {
        bool categorical;
        if (!hist_node(&c, i, &to[i], &values[i], &categorical))
            return native_damaged(j, "node of a TreePredictor");
        if (categorical) return native_for_worker(j, "boosting with categorical features");
    }
    *out = (struct sb_forest_ir_tree){.nodes = to, .n = (uint32_t)n, .values = values};
    return SB_OK;
}

/* _predictors: a list of iterations, each a list of one tree per group. */
static sb_err hist_trees(struct reader *r, const struct sb_pv *est) {
    struct native_job *j = r->j;
    struct sb_forest_ir *ir = &j->out->ir;
    const struct sb_pv *list = sb_pv_get(est, "_predictors");
    if (!list || list->type != SB_PV_LIST ||
        (uint64_t)list->seq.n * r->groups > SB_FOREST_TREES_MAX)
        return native_damaged(j, "_predictors (not fitted?)");
    ir->trees =
        sb_arena_try_array(j->arena, (size_t)list->seq.n * r->groups + 1, sizeof *ir->trees);
    if (!ir->trees) return native_nomem(j);
    for (uint32_t i = 0; i < list->seq.n; i++) {
        const struct sb_pv *iteration = list->seq.v[i];
        if (iteration->type != SB_PV_LIST || iteration->seq.n != r->groups)
            return native_damaged(j, "_predictors");
        for (uint32_t g = 0; g < r->groups; g++) {
            SB_TRY(hist_tree(r, iteration->seq.v[g], &ir->trees[ir->ntrees]));
            ir->trees[ir->ntrees++].group = g;
        }
    }
    return SB_OK;
}

static sb_err hist_base(struct reader *r, const struct sb_pv *est) {
    const struct sb_pv *v = sb_pv_get(est, "_baseline_prediction");
    double *base = sb_arena_try_array(r->j->arena, r->groups, sizeof *base);
    if (!base) return native_nomem(r->j);
    r->j->out->ir.base = base;
    if (r->groups == 1 && sb_pv_to_double(v, base)) return SB_OK;
    if (!v || v->type != SB_PV_ARRAY || !v->array->dtype || v->array->count != r->groups)
        return native_damaged(r->j, "_baseline_prediction");
    for (uint32_t g = 0; g < r->groups; g++)
        if (!sb_np_get_double(v->array, g, &base[g]))
            return native_damaged(r->j, "_baseline_prediction");
    return SB_OK;
}

static sb_err read_hgb(struct native_job *j, const struct native_reader *me,
                       const struct sb_pv *est) {
    struct reader r = {.j = j, .kind = me->kind};
    if (j->version < HGB_SINCE)
        return native_for_worker(j, "%s of scikit-learn before 1.1", me->name);
    SB_TRY(read_common(&r, est));
    const struct sb_pv *pre = sb_pv_get(est, "_preprocessor");
    if (pre && pre->type != SB_PV_NONE)
        return native_for_worker(j, "boosting with categorical features");
    j->out->ir.compare = SB_FOREST_LE64;
    j->out->meta.allow_nan = j->out->meta.allow_inf = true;
    set_post(&r, j->version < HGB_BY_SUM, NATIVE_SUM_ABOVE_0);
    SB_TRY(hist_base(&r, est));
    return hist_trees(&r, est);
}

/* ---- IsolationForest ---- */

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
    if (j->version < IFOREST_SINCE || !sb_pv_get(est, "_decision_path_lengths"))
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

/* ---- the table ---- */

#define GB(class, what, of)                                                                        \
    {                                                                                              \
        .module = "sklearn.ensemble._gb", .old_module = "sklearn.ensemble.gradient_boosting",      \
        .name = class, .formats = NATIVE_PICKLES, .output = what, .read = read_gb, .kind = of      \
    }
#define HGB(class, what, of)                                                                       \
    {                                                                                              \
        .module = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting", .name = class,     \
        .formats = NATIVE_PICKLES, .output = what, .read = read_hgb, .kind = of                    \
    }
static const struct native_reader readers[] = {
    GB("GradientBoostingClassifier", "label, probabilities", &classifier),
    GB("GradientBoostingRegressor", "value", &regressor),
    HGB("HistGradientBoostingClassifier", "label, probabilities", &classifier),
    HGB("HistGradientBoostingRegressor", "value", &regressor),
    {.module = "sklearn.ensemble._iforest",
     .old_module = "sklearn.ensemble.iforest",
     .name = "IsolationForest",
     .formats = NATIVE_PICKLES,
     .output = "1 for inliers, -1 for outliers",
     .read = read_isolation},
    {0},
};

#define LOSS(name, cython)                                                                         \
    {"sklearn._loss.loss", name}, {"sklearn._loss._loss", cython}, {                               \
        "sklearn._loss._loss", "__pyx_unpickle_" cython                                            \
    }
#define LINK(name)                                                                                 \
    { "sklearn._loss.link", name }
#define HIST "sklearn.ensemble._hist_gradient_boosting."
static const struct sb_pickle_class parts[] = {
    LOSS("HalfSquaredError", "CyHalfSquaredError"),
    LOSS("AbsoluteError", "CyAbsoluteError"),
    LOSS("PinballLoss", "CyPinballLoss"),
    LOSS("HuberLoss", "CyHuberLoss"),
    LOSS("HalfPoissonLoss", "CyHalfPoissonLoss"),
    LOSS("HalfGammaLoss", "CyHalfGammaLoss"),
    LOSS("HalfTweedieLoss", "CyHalfTweedieLoss"),
    LOSS("HalfTweedieLossIdentity", "CyHalfTweedieLossIdentity"),
    LOSS("HalfBinomialLoss", "CyHalfBinomialLoss"),
    LOSS("ExponentialLoss", "CyExponentialLoss"),
    LOSS("HalfMultinomialLoss", "CyHalfMultinomialLoss"),
    LINK("Interval"),
    LINK("IdentityLink"),
    LINK("LogLink"),
    LINK("LogitLink"),
    LINK("HalfLogitLink"),
    LINK("MultinomialLogit"),
    {"sklearn.dummy", "DummyClassifier"},
    {"sklearn.dummy", "DummyRegressor"},
    {HIST "binning", "_BinMapper"},
    {HIST "predictor", "TreePredictor"},
    {"sklearn.preprocessing._label", "LabelEncoder"},
    {0},
};
const struct native_family native_boosting_family = {readers, parts};

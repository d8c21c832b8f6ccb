/* scikit-learn's two gradient boostings from a graph of values.
 *
 * Transcribed from sklearn/ensemble/_gb.py and _gradient_boosting.pyx (trees on float32, each value
 * times the learning rate, added stage by stage to the initial prediction),
 * _hist_gradient_boosting/gradient_boosting.py and _predictor.pyx (trees on float64, added to the
 * baseline), and from sklearn/_loss/link.py. */
#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "domain/native/sklearn_int.h"

enum {
    GB_SINCE = 104,   /* before, initial predictions and ties were others */
    HGB_SINCE = 101,  /* before, losses were other classes */
    HGB_BY_SUM = 105, /* labels by the sums, before by the probabilities */
    SET_WORDS = 8     /* of a node's categories: 256 bits */
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
    uint32_t groups;   /* trees of an iteration: classes, or 1 for a regressor or two classes */
    bool preprocessed; /* HistGradientBoosting with categories */
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
    if (!sb_pv_to_double(sb_pv_get(est, "learning_rate"), &how.scale))
        return native_damaged(j, "learning_rate");
    if (how.scale == 0) return native_for_worker(j, "gradient boosting that does not learn");
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
    struct native_column value, feature, threshold, left, right, leaf, missing, categorical, set;
};

static bool hist_columns(const struct sb_np_array *a, struct hist_columns *c) {
    return native_column_of(a, "value", &c->value) &&
           native_column_of(a, "feature_idx", &c->feature) &&
           native_column_of(a, "num_threshold", &c->threshold) &&
           native_column_of(a, "left", &c->left) && native_column_of(a, "right", &c->right) &&
           native_column_of(a, "is_leaf", &c->leaf) &&
           native_column_of(a, "missing_go_to_left", &c->missing) &&
           native_column_of(a, "is_categorical", &c->categorical) &&
           native_column_of(a, "bitset_idx", &c->set);
}

/* Which row of the tree's bitsets a categorical node has, or -1. false: a field is not what it
 * should be. */
static bool hist_node(const struct hist_columns *c, size_t i, struct sb_forest_ir_node *n,
                      double *value, int64_t *set) {
    int64_t leaf, categorical, feature, left, right, missing;
    *set = -1;
    n->left = n->right = -1;
    if (!native_column_i64(&c->leaf, i, &leaf) || !native_column_double(&c->value, i, value))
        return false;
    if (leaf) return true;
    if (!native_column_i64(&c->feature, i, &feature) || feature < 0 || feature > UINT32_MAX ||
        !native_column_i64(&c->left, i, &left) || left < 0 || left > INT32_MAX ||
        !native_column_i64(&c->right, i, &right) || right < 0 || right > INT32_MAX ||
        !native_column_i64(&c->missing, i, &missing) ||
        !native_column_double(&c->threshold, i, &n->threshold) ||
        !native_column_i64(&c->categorical, i, &categorical) ||
        (categorical && !native_column_i64(&c->set, i, set)))
        return false;
    n->feature = (uint32_t)feature;
    n->left = (int32_t)left;
    n->right = (int32_t)right;
    n->default_left = missing != 0;
    return true;
}

/* raw_left_cat_bitsets: a row of eight words for each categorical node. */
static sb_err hist_sets(struct reader *r, const struct sb_pv *predictor, uint32_t *n) {
    struct native_job *j = r->j;
    const struct sb_pv *v = sb_pv_get(predictor, "raw_left_cat_bitsets");
    *n = 0;
    if (!r->preprocessed) return SB_OK;
    if (!v || v->type != SB_PV_ARRAY || !v->array->dtype || v->array->ndim != 2 ||
        v->array->shape[1] != SET_WORDS || v->array->count > UINT32_MAX)
        return native_damaged(j, "raw_left_cat_bitsets");
    uint32_t rows = (uint32_t)v->array->shape[0];
    uint32_t *words = sb_arena_try_array(j->arena, v->array->count + 1, sizeof *words);
    struct sb_forest_ir_set *sets = sb_forest_ir_sets_add(&j->out->ir, j->arena, rows);
    if (!words || !sets) return rows ? native_nomem(j) : SB_OK;
    for (size_t i = 0; i < v->array->count; i++) {
        int64_t word;
        if (!sb_np_get_i64(v->array, i, &word) || word < 0 || word > UINT32_MAX)
            return native_damaged(j, "raw_left_cat_bitsets");
        words[i] = (uint32_t)word;
    }
    for (uint32_t i = 0; i < rows; i++)
        sets[i] = (struct sb_forest_ir_set){words + (size_t)i * SET_WORDS, SET_WORDS};
    *n = rows;
    return SB_OK;
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
    uint32_t first = j->out->ir.nsets, nsets;
    SB_TRY(hist_sets(r, predictor, &nsets));
    for (size_t i = 0; i < n; i++) {
        int64_t set;
        if (!hist_node(&c, i, &to[i], &values[i], &set) || set >= nsets)
            return native_damaged(j, "node of a TreePredictor");
        if (set < 0) continue;
        to[i].set = first + (uint32_t)set;
        to[i].test = SB_FOREST_SET_LEFT;
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

/* Categories reach the trees as the codes of an OrdinalEncoder, NaN when they are unknown. Before
 * 1.4 they came as they were, and those above 255 wrapped. */
static sb_err hist_preprocessor(struct reader *r, const struct sb_pv *est) {
    const struct sb_pv *pre = sb_pv_get(est, "_preprocessor");
    const struct sb_pv *categorical = sb_pv_get(est, "is_categorical_");
    const bool any = categorical && categorical->type != SB_PV_NONE;
    if (!pre || pre->type == SB_PV_NONE)
        return any ? native_for_worker(r->j, "categorical boosting of scikit-learn before 1.4")
                   : SB_OK;
    r->preprocessed = true;
    return native_preprocessor_read(r->j, pre, &r->j->out->ir.nfeatures);
}

static sb_err read_hgb(struct native_job *j, const struct native_reader *me,
                       const struct sb_pv *est) {
    struct reader r = {.j = j, .kind = me->kind};
    if (j->version < HGB_SINCE)
        return native_for_worker(j, "%s of scikit-learn before 1.1", me->name);
    if (j->sparse)
        return native_for_worker(j, "a pipeline that gives %s a sparse matrix", me->name);
    SB_TRY(read_common(&r, est));
    SB_TRY(hist_preprocessor(&r, est));
    j->out->ir.compare = SB_FOREST_LE64;
    j->out->meta.allow_nan = j->out->meta.allow_inf = true;
    set_post(&r, j->version < HGB_BY_SUM, NATIVE_SUM_ABOVE_0);
    SB_TRY(hist_base(&r, est));
    return hist_trees(&r, est);
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

/* XGBoost's models, from UBJSON or JSON (doc/model.schema in its sources; both hold one document).
 *
 * Everything is float: each sum starts at base_score, brought from the output's scale to the
 * margin's, and the leaves of a group's trees are added in order (src/predictor/cpu_predictor.cc).
 * A Booster answers its objective's transformed output; the scikit-learn classes answer labels and
 * stop after the best iteration (python-package/xgboost/sklearn.py). */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "domain/native/spec.h"
#include "domain/native/xgboost_int.h"

enum link { LINK_IDENTITY, LINK_LOGIT, LINK_LOG };

static const struct objective {
    const char *name;
    enum sb_forest_post post;
    enum link link; /* base_score -> margin: ProbToMargin of each objective */
    bool probability;
} objectives[] = {
    {"reg:squarederror", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"reg:linear", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"reg:squaredlogerror", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"reg:pseudohubererror", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"reg:absoluteerror", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"reg:quantileerror", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"rank:ndcg", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"rank:map", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"rank:pairwise", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"binary:logitraw", SB_FOREST_IDENTITY, LINK_IDENTITY, false},
    {"reg:logistic", SB_FOREST_SIGMOID, LINK_LOGIT, true},
    {"binary:logistic", SB_FOREST_SIGMOID, LINK_LOGIT, true},
    {"binary:hinge", SB_FOREST_HINGE, LINK_IDENTITY, false},
    {"count:poisson", SB_FOREST_EXP, LINK_LOG, false},
    {"reg:gamma", SB_FOREST_EXP, LINK_LOG, false},
    {"reg:tweedie", SB_FOREST_EXP, LINK_LOG, false},
    {"multi:softprob", SB_FOREST_SOFTMAX, LINK_IDENTITY, true},
    {"multi:softmax", SB_FOREST_ARGMAX, LINK_IDENTITY, false},
};

static const struct wrapper {
    const char *name;
    bool classifier;
} wrappers[] = {
    {"xgboost.sklearn.XGBClassifier", true}, {"xgboost.sklearn.XGBRFClassifier", true},
    {"xgboost.sklearn.XGBRegressor", false}, {"xgboost.sklearn.XGBRFRegressor", false},
    {"xgboost.sklearn.XGBRanker", false},
};

struct reader {
    struct native_spec *out;
    struct sb_arena *arena;
    struct sb_errctx *ctx;
    const struct objective *objective;
    const struct wrapper *wrapper; /* NULL: a Booster */
    const struct sb_ubj *learner, *booster, *model;
    uint32_t num_class; /* as stored: 0 when not multi-class */
    uint32_t num_target;
    int version; /* 302 = 3.2 */
    bool dart;
    bool old_dart; /* as stored before 3.3 */
    double *weight_drop;
    size_t nweights;
};

static sb_err damaged(struct reader *r, const char *what) {
    (void)sb_fail(r->ctx, SB_E_CORRUPT, "damaged XGBoost model: %s", what);
    return SB_E_CORRUPT;
}

static sb_err nomem(struct reader *r) {
    (void)sb_fail(r->ctx, SB_E_LIMIT, "model needs more memory than a file of its size may");
    return SB_E_LIMIT;
}

static sb_err for_worker(struct reader *r, const char *what, struct sb_str name) {
    name = sb_str_sub(name, 0, 60);
    (void)sb_fail(r->ctx, SB_E_UNSUPPORTED, "XGBoost %s%s%.*s is served by a Python worker", what,
                  name.n ? " " : "", SB_ARG(name));
    return SB_E_UNSUPPORTED;
}

static struct sb_str str_of(const struct sb_ubj *o, const char *key) {
    const struct sb_ubj *v = sb_ubj_get(o, key);
    return v && v->type == SB_UBJ_STR ? v->s : SB_STR("");
}

/* Parameters are stored as text. */
static sb_err param(struct reader *r, const struct sb_ubj *o, const char *key, uint64_t *out) {
    const struct sb_ubj *v = sb_ubj_get(o, key);
    *out = 0;
    if (!v) return SB_OK;
    if (v->type != SB_UBJ_STR || !sb_str_to_u64(v->s, out) || *out > INT32_MAX)
        return damaged(r, key);
    return SB_OK;
}

/* ---- base_score ---- */

static bool float_of(struct sb_str s, float *out) {
    char text[64], *end;
    if (s.n == 0 || s.n >= sizeof text) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    *out = strtof(text, &end);
    return end == text + s.n;
}

static float to_margin(enum link link, float p) {
    switch (link) {
    case LINK_LOGIT: return -logf(1.0f / p - 1.0f);
    case LINK_LOG: return logf(p);
    default: return p;
    }
}

/* "5E-1", or since 3.1 "[5E-1]" or one per group: "[1E0,2E0,3E0]" */
static sb_err read_base(struct reader *r, const struct sb_ubj *param) {
    struct sb_forest_ir *ir = &r->out->ir;
    struct sb_str s = sb_str_trim(str_of(param, "base_score")), item;
    if (s.n >= 2 && (s.p[0] == '[' || s.p[0] == '(')) s = sb_str_sub(s, 1, s.n - 2);
    double *base = sb_arena_try_array(r->arena, ir->ngroups, sizeof *base);
    if (!base) return nomem(r);
    uint32_t n = 0;
    while (sb_str_split(&s, ',', &item)) {
        float p;
        if (n == ir->ngroups || !float_of(sb_str_trim(item), &p)) return damaged(r, "base_score");
        base[n++] = (double)to_margin(r->objective->link, p);
    }
    if (n != 1 && n != ir->ngroups) return damaged(r, "base_score");
    for (; n < ir->ngroups; n++) base[n] = base[0];
    ir->base = base;
    return SB_OK;
}

/* ---- trees ---- */

/* How many of the trees predict uses: the wrappers stop after the best iteration. */
static sb_err trees_used(struct reader *r, size_t ntrees, size_t *used) {
    const struct sb_ubj *attributes = sb_ubj_get(r->learner, "attributes");
    struct sb_str best = str_of(attributes, "best_iteration");
    uint64_t round;
    *used = ntrees;
    if (!r->wrapper || best.n == 0) return SB_OK;
    if (!sb_str_to_u64(best, &round) || round > INT32_MAX) return damaged(r, "best_iteration");
    double *indptr;
    size_t n;
    if (sb_ubj_numbers(sb_ubj_get(r->model, "iteration_indptr"), r->arena, &indptr, &n)) {
        if (round + 1 >= n || !xgboost_is_index(indptr[round + 1], (double)ntrees))
            return damaged(r, "iteration_indptr");
        *used = (size_t)indptr[round + 1];
        return SB_OK;
    }
    uint64_t parallel;
    SB_TRY(param(r, sb_ubj_get(r->model, "gbtree_model_param"), "num_parallel_tree", &parallel));
    size_t end = (round + 1) * (parallel ? parallel : 1) * r->out->ir.ngroups;
    if (end < ntrees) *used = end;
    return SB_OK;
}

/* Every leaf has one value, or as many as the model has targets. */
static sb_err leaf_width(struct reader *r, const struct sb_ubj *tree) {
    uint64_t width;
    SB_TRY(param(r, sb_ubj_get(tree, "tree_param"), "size_leaf_vector", &width));
    return (width ? width : 1) == r->out->ir.width ? SB_OK : damaged(r, "size_leaf_vector");
}

static sb_err read_trees(struct reader *r) {
    struct sb_forest_ir *ir = &r->out->ir;
    const struct sb_ubj *trees = sb_ubj_get(r->model, "trees");
    if (!trees || trees->type != SB_UBJ_ARRAY || trees->n > SB_FOREST_TREES_MAX)
        return damaged(r, "trees");
    size_t used = 0, ninfo = 0;
    double *info;
    SB_TRY(trees_used(r, trees->n, &used));
    if (!sb_ubj_numbers(sb_ubj_get(r->model, "tree_info"), r->arena, &info, &ninfo) ||
        ninfo != trees->n || (r->dart && r->nweights != trees->n))
        return damaged(r, "tree_info or weight_drop");
    ir->trees = sb_arena_try_array(r->arena, trees->n + 1, sizeof *ir->trees);
    if (!ir->trees) return nomem(r);
    ir->ntrees = (uint32_t)used;
    struct xgboost_trees all = {.ir = ir,
                                .arena = r->arena,
                                .ctx = r->ctx,
                                .width = ir->width,
                                .dart = r->dart,
                                .in_place = r->wrapper && r->old_dart};
    const struct sb_ubj *tree = trees->child;
    for (size_t i = 0; i < used; i++, tree = tree->next) {
        if (!xgboost_is_index(info[i], ir->width > 1 ? 0 : (double)ir->ngroups - 1))
            return damaged(r, "tree_info");
        if (r->dart) all.weight = (float)r->weight_drop[i];
        all.base = (float)ir->base[(size_t)info[i]];
        SB_TRY(leaf_width(r, tree));
        SB_TRY(xgboost_tree_read(&all, tree, &ir->trees[i]));
        ir->trees[i].group = (uint32_t)info[i];
    }
    return SB_OK;
}

/* ---- around the trees ---- */

/* "gbtree"; "dart" keeps a gbtree inside; since 3.3 a dart is a gbtree whose model has weights. */
static sb_err read_booster(struct reader *r) {
    r->booster = sb_ubj_get(r->learner, "gradient_booster");
    struct sb_str name = str_of(r->booster, "name");
    const struct sb_ubj *holder = r->booster;
    if (sb_str_is(name, "dart"))
        holder = sb_ubj_get(r->booster, "gbtree");
    else if (!sb_str_is(name, "gbtree"))
        return for_worker(r, "booster", name);
    r->model = sb_ubj_get(holder, "model");
    if (!r->model) return damaged(r, "gradient_booster");
    const struct sb_ubj *weights = sb_ubj_get(r->model, "weight_drop");
    if (!weights) weights = sb_ubj_get(r->booster, "weight_drop");
    r->dart = weights && weights->n;
    r->old_dart = holder != r->booster;
    if (!r->dart) return sb_str_is(name, "dart") ? damaged(r, "weight_drop") : SB_OK;
    return sb_ubj_numbers(weights, r->arena, &r->weight_drop, &r->nweights)
               ? SB_OK
               : damaged(r, "weight_drop");
}

static sb_err read_features(struct reader *r) {
    struct native_meta *m = &r->out->meta;
    const struct sb_ubj *names = sb_ubj_get(r->learner, "feature_names");
    const struct sb_ubj *known = sb_ubj_get(sb_ubj_get(r->model, "cats"), "enc");
    if (known && known->n)
        return for_worker(r, "model with the categories of its training data", SB_STR(""));
    if (!names || names->n == 0) return SB_OK;
    if (names->type != SB_UBJ_ARRAY || names->n != m->nfeatures) return damaged(r, "feature_names");
    m->features = sb_arena_try_array(r->arena, names->n, sizeof *m->features);
    if (!m->features) return nomem(r);
    size_t i = 0;
    for (const struct sb_ubj *n = names->child; n; n = n->next) {
        if (n->type != SB_UBJ_STR) return damaged(r, "feature_names");
        m->features[i++] = n->s;
    }
    return SB_OK;
}

static sb_err read_version(struct reader *r, const struct sb_ubj *root) {
    double *v;
    size_t n;
    if (!sb_ubj_numbers(sb_ubj_get(root, "version"), r->arena, &v, &n) || n != 3)
        return damaged(r, "version");
    for (size_t i = 0; i < 3; i++)
        if (!xgboost_is_index(v[i], 10000)) return damaged(r, "version");
    /* before 1.6 the sigmoid was another one; from 4 on nobody has looked */
    if (v[0] < 1 || (v[0] == 1 && v[1] < 6) || v[0] > 3)
        return for_worker(r, "file of version",
                          sb_str_of(sb_arena_printf(r->arena, "%d.%d", (int)v[0], (int)v[1])));
    r->version = (int)v[0] * 100 + (int)v[1];
    r->out->meta.version =
        sb_str_of(sb_arena_printf(r->arena, "%d.%d.%d", (int)v[0], (int)v[1], (int)v[2]));
    return SB_OK;
}

/* Labels of the scikit-learn classifiers: 0 .. n-1. */
static sb_err read_labels(struct reader *r) {
    struct native_meta *m = &r->out->meta;
    bool multi = r->objective->post == SB_FOREST_SOFTMAX;
    if (r->objective->post == SB_FOREST_ARGMAX || (multi && r->num_class < 3) ||
        (!multi && r->num_class > 1) || r->num_target > 1)
        return for_worker(r, "classifier with objective", sb_str_of(r->objective->name));
    m->label = NATIVE_INT;
    m->nclasses = multi ? r->num_class : 2;
    m->classes = sb_arena_try_array(r->arena, m->nclasses, sizeof *m->classes);
    if (!m->classes) return nomem(r);
    for (uint32_t i = 0; i < m->nclasses; i++)
        m->classes[i] = sb_str_of(sb_arena_printf(r->arena, "%u", i));
    m->answer = multi ? NATIVE_ARGMAX : NATIVE_THRESHOLD;
    m->proba = r->objective->probability;
    return SB_OK;
}

/* Leaves are vectors when a tree serves all targets; the first tree says so. */
static sb_err read_width(struct reader *r) {
    struct sb_forest_ir *ir = &r->out->ir;
    const struct sb_ubj *trees = sb_ubj_get(r->model, "trees");
    uint64_t width = 0;
    if (trees && trees->type == SB_UBJ_ARRAY)
        SB_TRY(param(r, sb_ubj_get(trees->child, "tree_param"), "size_leaf_vector", &width));
    ir->width = width > 1 ? (uint32_t)width : 1;
    if (width > 1 && width != ir->ngroups) return damaged(r, "size_leaf_vector");
    if (width > 1 && r->dart) return for_worker(r, "dart of vector leaves", SB_STR(""));
    return SB_OK;
}

static sb_err read_params(struct reader *r) {
    struct native_meta *m = &r->out->meta;
    struct sb_forest_ir *ir = &r->out->ir;
    const struct sb_ubj *p = sb_ubj_get(r->learner, "learner_model_param");
    uint64_t num_class, num_feature, num_target;
    SB_TRY(param(r, p, "num_class", &num_class));
    SB_TRY(param(r, p, "num_feature", &num_feature));
    SB_TRY(param(r, p, "num_target", &num_target));
    if (num_class > SB_FOREST_GROUPS_MAX || num_feature > SB_FOREST_FEATURES_MAX ||
        num_target > SB_FOREST_GROUPS_MAX)
        return for_worker(r, "model with too many classes or features", SB_STR(""));
    if (num_target > 1 && r->version >= 303 && strcmp(r->objective->name, "reg:quantileerror") == 0)
        return for_worker(r, "model of several quantiles, which this version sorts", SB_STR(""));
    if (num_target > 1 && num_class > 1)
        return for_worker(r, "model with several targets of several classes", SB_STR(""));
    if (num_feature == 0) return damaged(r, "num_feature");
    r->num_class = (uint32_t)num_class;
    r->num_target = num_target > 1 ? (uint32_t)num_target : 1;
    ir->ngroups = num_class > 1 ? r->num_class : r->num_target;
    ir->input.round32 = true;
    ir->f32 = true;
    ir->compare = SB_FOREST_LT32;
    ir->nfeatures = m->nfeatures = (uint32_t)num_feature;
    ir->post = r->objective->post;
    SB_TRY(read_width(r));
    return read_base(r, p);
}

static sb_err read_objective(struct reader *r) {
    struct sb_str name = str_of(sb_ubj_get(r->learner, "objective"), "name");
    for (size_t i = 0; i < SB_COUNT(objectives); i++)
        if (sb_str_is(name, objectives[i].name)) r->objective = &objectives[i];
    return r->objective ? SB_OK : for_worker(r, "objective", name);
}

static sb_err read_wrapper(struct reader *r, struct sb_str class_name) {
    r->out->meta.class_name = class_name.n ? class_name : SB_STR("xgboost.core.Booster");
    if (class_name.n == 0 || sb_str_is(class_name, "xgboost.core.Booster")) return SB_OK;
    for (size_t i = 0; i < SB_COUNT(wrappers); i++)
        if (sb_str_is(class_name, wrappers[i].name)) r->wrapper = &wrappers[i];
    return r->wrapper ? SB_OK : for_worker(r, "class", class_name);
}

static sb_err read_model(struct reader *r, const struct sb_ubj *root, struct sb_str class_name) {
    struct native_meta *m = &r->out->meta;
    r->learner = sb_ubj_get(root, "learner");
    if (!r->learner) return damaged(r, "no learner");
    m->library = SB_STR("xgboost");
    SB_TRY(read_version(r, root));
    SB_TRY(read_wrapper(r, class_name));
    SB_TRY(read_objective(r));
    SB_TRY(read_booster(r));
    SB_TRY(read_params(r));
    SB_TRY(read_features(r));
    m->allow_nan = true;
    /* a DMatrix refuses infinity; the wrappers' in-place prediction does not look */
    m->allow_inf = r->wrapper != NULL;
    m->f32 = true;
    m->answer = NATIVE_VALUE;
    if (r->wrapper && r->wrapper->classifier) SB_TRY(read_labels(r));
    return read_trees(r);
}

sb_err native_xgboost_read(struct native_job *j, struct sb_str file, struct sb_str class_name) {
    struct reader r = {.out = j->out, .arena = j->arena, .ctx = j->ctx};
    const struct sb_ubj *root = NULL;
    SB_TRY(xgboost_document(&root, file, j->arena, j->ctx));
    return read_model(&r, root, class_name);
}

sb_err native_xgboost_format(struct native_job *j, const struct sb_mlmodel *m, struct sb_str file) {
    const struct sb_mlmodel_flavor *f = sb_mlmodel_flavor(m, "xgboost");
    struct sb_str class_name = {0};
    if (!f || !sb_json_get_str(f->keys, "model_class", &class_name))
        return native_for_worker(j, "an XGBoost model without its model_class");
    return native_xgboost_read(j, file, class_name);
}

/* ---- pickled: the document is the Booster's state, {"Config": ..., "Model": ...} ---- */

/* What counts as missing besides NaN. */
static sb_err read_missing(struct reader *r, const struct sb_pv *obj) {
    struct sb_forest_input *in = &r->out->ir.input;
    const struct sb_pv *v = sb_pv_get(obj, "missing");
    if (!v || v->type == SB_PV_NONE) return SB_OK;
    if (!sb_pv_to_double(v, &in->missing)) return damaged(r, "missing");
    in->has_missing = !isnan(in->missing);
    in->missing = in->has_missing ? (double)(float)in->missing : 0;
    return SB_OK;
}

static sb_err read_object(struct native_job *j, const struct native_reader *me,
                          const struct sb_pv *obj) {
    struct reader r = {.out = j->out, .arena = j->arena, .ctx = j->ctx};
    const struct sb_pv *booster = sb_pv_get(obj, "_Booster");
    const struct sb_pv *handle = sb_pv_get(booster, "handle");
    const struct sb_ubj *root = NULL;
    if (!sb_pv_is_class(booster, "xgboost.core", "Booster") || !handle ||
        handle->type != SB_PV_BYTES)
        return native_for_worker(j, "%s without a model (not fitted?)", me->name);
    /* before 1.6 labels were encoded by the estimator */
    const struct sb_pv *encoder = sb_pv_get(obj, "_le");
    if (encoder && encoder->type != SB_PV_NONE)
        return native_for_worker(j, "%s with a label encoder", me->name);
    SB_TRY(xgboost_document(&root, handle->s, j->arena, j->ctx));
    const struct sb_ubj *model = sb_ubj_get(root, "Model");
    SB_TRY(read_model(&r, model ? model : root, j->out->meta.class_name));
    return read_missing(&r, obj);
}

#define XGBOOST(class, what)                                                                       \
    {                                                                                              \
        .module = "xgboost.sklearn", .name = class, .formats = "ubj, json, xgb, " NATIVE_PICKLES,  \
        .output = what, .read = read_object                                                        \
    }
static const struct native_reader readers[] = {
    {.module = "xgboost.core",
     .name = "Booster",
     .formats = "ubj, json, xgb",
     .output = "the objective's output"},
    XGBOOST("XGBClassifier", "label, probabilities"),
    XGBOOST("XGBRFClassifier", "label, probabilities"),
    XGBOOST("XGBRegressor", "value"),
    XGBOOST("XGBRFRegressor", "value"),
    XGBOOST("XGBRanker", "value"),
    {0},
};
static const struct sb_pickle_class parts[] = {{"xgboost.core", "Booster"}, {0}};
const struct native_family native_xgboost_family = {readers, parts};

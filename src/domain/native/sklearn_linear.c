/* scikit-learn's linear models: coef_, intercept_, and what predict and predict_proba make of the
 * scores (sklearn/linear_model/_base.py, _logistic.py, _stochastic_gradient.py, _glm/glm.py). */
#include "base/mem.h"
#include "domain/native/spec.h"

/* What tells them apart. */
enum linear_kind {
    LINEAR_VALUE,
    LINEAR_UNCHECKED, /* as above, and looks at no value of a sparse matrix (ElasticNet) */
    LINEAR_LOG,       /* a generalised linear model with a log link */
    LINEAR_TWEEDIE,   /* its link depends on parameters */
    LINEAR_LABEL,     /* a classifier without probabilities */
    LINEAR_LOGISTIC,  /* LogisticRegression */
    LINEAR_SGD,       /* SGDClassifier: probabilities depend on its loss */
    LINEAR_RIDGE,     /* RidgeClassifier: keeps its classes in a LabelBinarizer */
    LINEAR_KINDS
};
static const enum linear_kind kinds[LINEAR_KINDS] = {
    LINEAR_VALUE, LINEAR_UNCHECKED, LINEAR_LOG, LINEAR_TWEEDIE,
    LINEAR_LABEL, LINEAR_LOGISTIC,  LINEAR_SGD, LINEAR_RIDGE};

/* ---- coefficients ---- */

static sb_err coefficients(struct native_job *j, const struct sb_pv *obj, struct sb_linear *l) {
    const struct sb_pv *coef = sb_pv_get(obj, "coef_");
    if (coef && coef->type == SB_PV_OBJECT)
        return native_for_worker(j, "a linear model with sparse coefficients");
    if (!coef || coef->type != SB_PV_ARRAY || !coef->array->dtype)
        return native_damaged(j, "coef_ (not fitted?)");
    const struct sb_np_array *a = coef->array;
    if (a->dtype->kind == 'f' && a->dtype->size == 4)
        return native_for_worker(j, "a linear model trained in float32");
    if (a->ndim < 1 || a->ndim > 2 || a->count == 0 || a->count > UINT32_MAX)
        return native_damaged(j, "shape of coef_");
    size_t rows = a->ndim == 2 ? a->shape[0] : 1, cols = a->count / rows;
    if (rows > SB_LINEAR_OUTPUTS_MAX || cols > SB_LINEAR_FEATURES_MAX)
        return native_for_worker(j, "a linear model with so many outputs or features");
    double *v = sb_arena_try_array(j->arena, a->count, sizeof *v);
    if (!v) return native_nomem(j);
    for (size_t i = 0; i < a->count; i++)
        if (!sb_np_get_double(a, i, &v[i])) return native_damaged(j, "type of coef_");
    l->noutputs = (uint32_t)rows;
    l->nfeatures = (uint32_t)cols;
    l->coef = v;
    return SB_OK;
}

/* One for each output, or one for all. */
static sb_err intercepts(struct native_job *j, const struct sb_pv *obj, struct sb_linear *l) {
    const struct sb_pv *v = sb_pv_get(obj, "intercept_");
    double *to = sb_arena_try_array(j->arena, l->noutputs, sizeof *to), one;
    if (!to) return native_nomem(j);
    if (sb_pv_to_double(v, &one)) {
        for (uint32_t i = 0; i < l->noutputs; i++) to[i] = one;
    } else if (!v || v->type != SB_PV_ARRAY || !v->array->dtype || v->array->ndim != 1 ||
               v->array->count != l->noutputs) {
        return native_damaged(j, "intercept_");
    } else {
        for (uint32_t i = 0; i < l->noutputs; i++)
            if (!sb_np_get_double(v->array, i, &to[i])) return native_damaged(j, "intercept_");
    }
    l->intercept = to;
    return SB_OK;
}

/* ---- probabilities ---- */

/* Before 1.8 multi_class chose between one classifier per class and one for all. */
static bool one_versus_rest(const struct native_job *j, const struct sb_pv *obj, bool binary) {
    static const char *const always[] = {"ovr", "warn", NULL};
    static const char *const multinomial[] = {"multinomial", NULL};
    static const char *const liblinear[] = {"liblinear", NULL};
    static const char *const newton[] = {"newton-cholesky", NULL};
    if (j->version >= 108) return binary;
    if (native_attribute_in(obj, "multi_class", always)) return true;
    if (native_attribute_in(obj, "multi_class", multinomial)) return false;
    return binary || native_attribute_in(obj, "solver", liblinear) ||
           (j->version <= 105 && native_attribute_in(obj, "solver", newton));
}

static void logistic(struct native_job *j, const struct sb_pv *obj, struct sb_linear *l) {
    bool binary = l->noutputs == 1;
    j->out->meta.proba = true;
    if (one_versus_rest(j, obj, binary))
        l->post = binary ? SB_LINEAR_EXPIT : SB_LINEAR_OVR;
    else
        l->post = binary ? SB_LINEAR_PAIR : SB_LINEAR_SOFTMAX;
}

static void sgd(struct native_job *j, const struct sb_pv *obj, struct sb_linear *l) {
    static const char *const log[] = {"log_loss", "log", NULL};
    static const char *const huber[] = {"modified_huber", NULL};
    bool binary = l->noutputs == 1;
    if (native_attribute_in(obj, "loss", log))
        l->post = binary ? SB_LINEAR_EXPIT : SB_LINEAR_OVR;
    else if (native_attribute_in(obj, "loss", huber))
        l->post = SB_LINEAR_HUBER;
    else
        return;
    j->out->meta.proba = true;
}

/* link: 'auto' is the identity up to power 0 and log above. */
static sb_err tweedie(struct native_job *j, const struct sb_pv *obj, struct sb_linear *l) {
    static const char *const automatic[] = {"auto", NULL}, *const log[] = {"log", NULL};
    double power = 0;
    if (!sb_pv_to_double(sb_pv_get(obj, "power"), &power)) return native_damaged(j, "power");
    bool is_log = native_attribute_in(obj, "link", log) ||
                  (native_attribute_in(obj, "link", automatic) && power > 0);
    l->post = is_log ? SB_LINEAR_EXP : SB_LINEAR_IDENTITY;
    return SB_OK;
}

/* ---- labels ---- */

static sb_err labels(struct native_job *j, const struct sb_pv *obj, enum linear_kind kind,
                     const struct sb_linear *l) {
    struct native_meta *m = &j->out->meta;
    const struct sb_pv *holder = obj;
    if (kind == LINEAR_RIDGE) {
        static const char *const plain[] = {"binary", "multiclass", NULL};
        holder = sb_pv_get(obj, "_label_binarizer");
        if (!native_attribute_in(holder, "y_type_", plain))
            return native_for_worker(j, "a classifier of several labels at once");
    }
    SB_TRY(native_classes_read(j, holder));
    if (m->nclasses < 2 || (l->noutputs == 1) != (m->nclasses == 2) ||
        (l->noutputs > 1 && l->noutputs != m->nclasses))
        return native_damaged(j, "classes_ and coef_ of different sizes");
    m->answer = l->noutputs == 1 ? NATIVE_SUM_ABOVE_0 : NATIVE_ARGMAX_SUM;
    return SB_OK;
}

static sb_err read_linear(struct native_job *j, const struct native_reader *me,
                          const struct sb_pv *obj) {
    struct native_spec *out = j->out;
    enum linear_kind kind = *(const enum linear_kind *)me->kind;
    struct sb_linear *l = &out->linear;
    int64_t n;
    SB_TRY(coefficients(j, obj, l));
    SB_TRY(intercepts(j, obj, l));
    if (sb_pv_to_i64(sb_pv_get(obj, "n_features_in_"), &n) && n != (int64_t)l->nfeatures)
        return native_damaged(j, "coef_ for another number of features");
    SB_TRY(native_names_read(j, obj, l->nfeatures));
    out->predictor = NATIVE_LINEAR;
    out->meta.answer = NATIVE_VALUE;
    out->meta.allow_nan = out->meta.allow_inf = kind == LINEAR_UNCHECKED && j->sparse;
    if (kind >= LINEAR_LABEL) SB_TRY(labels(j, obj, kind, l));
    if (kind == LINEAR_LOG) l->post = SB_LINEAR_EXP;
    if (kind == LINEAR_TWEEDIE) SB_TRY(tweedie(j, obj, l));
    if (kind == LINEAR_LOGISTIC) logistic(j, obj, l);
    if (kind == LINEAR_SGD) sgd(j, obj, l);
    return SB_OK;
}

#define LINEAR(from, was, class, what, of)                                                         \
    {                                                                                              \
        .module = "sklearn." from, .old_module = was, .name = class, .formats = NATIVE_PICKLES,    \
        .output = what, .read = read_linear, .kind = &kinds[of]                                    \
    }
#define MODEL(from, was, class)                                                                    \
    LINEAR("linear_model." from, "sklearn.linear_model." was, class, "value", LINEAR_VALUE)
#define CLASSIFIER(from, was, class, of)                                                           \
    LINEAR("linear_model." from, "sklearn.linear_model." was, class, "label", of)
static const struct native_reader readers[] = {
    LINEAR("linear_model._logistic", "sklearn.linear_model.logistic", "LogisticRegression",
           "label, probabilities", LINEAR_LOGISTIC),
    LINEAR("linear_model._logistic", "sklearn.linear_model.logistic", "LogisticRegressionCV",
           "label, probabilities", LINEAR_LOGISTIC),
    LINEAR("linear_model._stochastic_gradient", "sklearn.linear_model.stochastic_gradient",
           "SGDClassifier", "label; probabilities with loss log_loss or modified_huber",
           LINEAR_SGD),
    CLASSIFIER("_ridge", "ridge", "RidgeClassifier", LINEAR_RIDGE),
    CLASSIFIER("_ridge", "ridge", "RidgeClassifierCV", LINEAR_RIDGE),
    CLASSIFIER("_perceptron", "perceptron", "Perceptron", LINEAR_LABEL),
    CLASSIFIER("_passive_aggressive", "passive_aggressive", "PassiveAggressiveClassifier",
               LINEAR_LABEL),
    LINEAR("svm._classes", "sklearn.svm.classes", "LinearSVC", "label", LINEAR_LABEL),
    LINEAR("svm._classes", "sklearn.svm.classes", "LinearSVR", "value", LINEAR_VALUE),
    MODEL("_base", "base", "LinearRegression"),
    MODEL("_ridge", "ridge", "Ridge"),
    MODEL("_ridge", "ridge", "RidgeCV"),
    LINEAR("linear_model._coordinate_descent", "sklearn.linear_model.coordinate_descent", "Lasso",
           "value", LINEAR_UNCHECKED),
    MODEL("_coordinate_descent", "coordinate_descent", "LassoCV"),
    LINEAR("linear_model._coordinate_descent", "sklearn.linear_model.coordinate_descent",
           "ElasticNet", "value", LINEAR_UNCHECKED),
    MODEL("_coordinate_descent", "coordinate_descent", "ElasticNetCV"),
    MODEL("_coordinate_descent", "coordinate_descent", "MultiTaskLasso"),
    MODEL("_coordinate_descent", "coordinate_descent", "MultiTaskLassoCV"),
    MODEL("_coordinate_descent", "coordinate_descent", "MultiTaskElasticNet"),
    MODEL("_coordinate_descent", "coordinate_descent", "MultiTaskElasticNetCV"),
    MODEL("_stochastic_gradient", "stochastic_gradient", "SGDRegressor"),
    MODEL("_passive_aggressive", "passive_aggressive", "PassiveAggressiveRegressor"),
    MODEL("_bayes", "bayes", "BayesianRidge"),
    MODEL("_bayes", "bayes", "ARDRegression"),
    MODEL("_huber", "huber", "HuberRegressor"),
    MODEL("_least_angle", "least_angle", "Lars"),
    MODEL("_least_angle", "least_angle", "LarsCV"),
    MODEL("_least_angle", "least_angle", "LassoLars"),
    MODEL("_least_angle", "least_angle", "LassoLarsCV"),
    MODEL("_least_angle", "least_angle", "LassoLarsIC"),
    MODEL("_omp", "omp", "OrthogonalMatchingPursuit"),
    MODEL("_omp", "omp", "OrthogonalMatchingPursuitCV"),
    MODEL("_theil_sen", "theil_sen", "TheilSenRegressor"),
    MODEL("_quantile", "quantile", "QuantileRegressor"),
    LINEAR("linear_model._glm.glm", NULL, "PoissonRegressor", "value", LINEAR_LOG),
    LINEAR("linear_model._glm.glm", NULL, "GammaRegressor", "value", LINEAR_LOG),
    LINEAR("linear_model._glm.glm", NULL, "TweedieRegressor", "value", LINEAR_TWEEDIE),
    {0},
};

/* What their attributes consist of: losses, links, label binarizers. */
static const struct sb_pickle_class parts[] = {
    {"sklearn.preprocessing._label", "LabelBinarizer"},
    {"sklearn.preprocessing.label", "LabelBinarizer"},
    {"sklearn.linear_model._sgd_fast", "Hinge"},
    {"sklearn.linear_model._sgd_fast", "SquaredHinge"},
    {"sklearn.linear_model._sgd_fast", "Log"},
    {"sklearn.linear_model._sgd_fast", "ModifiedHuber"},
    {"sklearn.linear_model._sgd_fast", "SquaredLoss"},
    {"sklearn.linear_model._sgd_fast", "Huber"},
    {"sklearn.linear_model._sgd_fast", "EpsilonInsensitive"},
    {"sklearn.linear_model._sgd_fast", "SquaredEpsilonInsensitive"},
    {"sklearn.linear_model.sgd_fast", "Hinge"},
    {"sklearn.linear_model.sgd_fast", "SquaredHinge"},
    {"sklearn.linear_model.sgd_fast", "Log"},
    {"sklearn.linear_model.sgd_fast", "ModifiedHuber"},
    {"sklearn._loss.loss", "HalfSquaredError"},
    {"sklearn._loss.loss", "HalfPoissonLoss"},
    {"sklearn._loss.loss", "HalfGammaLoss"},
    {"sklearn._loss.loss", "HalfTweedieLoss"},
    {"sklearn._loss.loss", "HalfTweedieLossIdentity"},
    {"sklearn._loss.link", "LogLink"},
    {"sklearn._loss.link", "IdentityLink"},
    {"sklearn._loss.link", "Interval"},
    {"sklearn._loss._loss", "CyHalfSquaredError"},
    {"sklearn._loss._loss", "CyHalfPoissonLoss"},
    {"sklearn._loss._loss", "CyHalfGammaLoss"},
    {"sklearn._loss._loss", "CyHalfTweedieLoss"},
    {"sklearn._loss._loss", "CyHalfTweedieLossIdentity"},
    {0},
};
const struct native_family native_linear_family = {readers, parts};

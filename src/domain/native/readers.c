/* Every class that has a native form, by family, and the objects that hold them. */
#include "domain/native/spec.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "codec/json.h"
#include "engine/pickle/skops.h"

const struct native_family *const native_families[] = {
    &native_pipeline_family,  &native_tree_family,
    &native_linear_family,    &native_boosting_family,
    &native_isolation_family, &native_lightgbm_family,
    &native_xgboost_family,   NULL, /* the last */
};

const struct native_format native_formats[] = {
    {"mlflow.sklearn", native_sklearn_format},
    {"mlflow.lightgbm", native_lightgbm_format},
    {"mlflow.xgboost", native_xgboost_format},
    {NULL, NULL},
};

/* ---- failures ---- */

sb_err native_damaged(struct native_job *j, const char *what) {
    const struct sb_pv *o = j->object;
    if (o && o->type == SB_PV_OBJECT)
        (void)sb_fail(j->ctx, SB_E_CORRUPT,
                      "damaged scikit-learn model: %s (of the %.*s made at byte %zu)", what,
                      SB_ARG(sb_str_sub(o->object->name, 0, 60)), o->pos);
    else
        (void)sb_fail(j->ctx, SB_E_CORRUPT, "damaged scikit-learn model: %s", what);
    return SB_E_CORRUPT;
}

sb_err native_nomem(struct native_job *j) {
    (void)sb_fail(j->ctx, SB_E_LIMIT, "model needs more memory than a file of its size may");
    return SB_E_LIMIT;
}

sb_err native_for_worker(struct native_job *j, const char *fmt, ...) {
    char what[SB_ERRMSG_MAX / 2];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    (void)sb_fail(j->ctx, SB_E_UNSUPPORTED, "%s is served by a Python worker", what);
    return SB_E_UNSUPPORTED;
}

/* ---- finding ---- */

const struct native_reader *native_reader_find(const struct sb_pv *obj) {
    for (const struct native_family *const *f = native_families; *f; f++)
        for (const struct native_reader *r = (*f)->readers; r->name; r++)
            if (sb_pv_is_class(obj, r->module, r->name) ||
                (r->old_module && sb_pv_is_class(obj, r->old_module, r->name)))
                return r;
    return NULL;
}

static size_t add_class(struct sb_pickle_class *to, size_t n, const char *module,
                        const char *name) {
    if (to) to[n] = (struct sb_pickle_class){module, name};
    return n + 1;
}

/* All classes of all families into `to`, when that is not NULL; how many. */
static size_t pickle_classes(struct sb_pickle_class *to) {
    size_t n = 0;
    for (const struct native_family *const *f = native_families; *f; f++) {
        for (const struct native_reader *r = (*f)->readers; r->name; r++) {
            if (r->read) n = add_class(to, n, r->module, r->name);
            if (r->read && r->old_module) n = add_class(to, n, r->old_module, r->name);
        }
        for (const struct sb_pickle_class *c = (*f)->parts; c && c->name; c++)
            n = add_class(to, n, c->module, c->name);
    }
    return n;
}

/* "1.9.1" -> 109; 0 when there is none. */
static int version_of(struct sb_str s) {
    struct sb_str major, minor;
    uint64_t a, b;
    if (!sb_str_split(&s, '.', &major) || !sb_str_split(&s, '.', &minor)) return 0;
    if (!sb_str_to_u64(major, &a) || !sb_str_to_u64(minor, &b) || a > 99 || b > 99) return 0;
    return (int)(a * 100 + b);
}

sb_err native_version_read(struct native_job *j, const struct sb_pv *obj, bool own) {
    const struct sb_pv *version = sb_pv_get(obj, "_sklearn_version");
    struct sb_str text = version && version->type == SB_PV_STR ? version->s : SB_STR("");
    j->version = version_of(text);
    if (!own || (j->version != 0 && j->version <= 109)) return SB_OK;
    (void)sb_fail(j->ctx, SB_E_UNSUPPORTED,
                  "models of scikit-learn %.*s are served by a Python worker (native: up to 1.9)",
                  SB_ARG(sb_str_sub(text, 0, 40)));
    return SB_E_UNSUPPORTED;
}

sb_err native_object_read(struct native_job *j, const struct sb_pv *obj) {
    struct native_meta *m = &j->out->meta;
    const struct native_reader *r = native_reader_find(obj);
    if (!r && obj->type == SB_PV_OBJECT)
        return native_for_worker(j, "class %.*s.%.*s (at byte %zu)",
                                 SB_ARG(sb_str_sub(obj->object->module, 0, 60)),
                                 SB_ARG(sb_str_sub(obj->object->name, 0, 40)), obj->pos);
    if (!r) return native_for_worker(j, "a file that holds no estimator");
    j->object = obj;
    m->class_name = sb_str_of(sb_arena_printf(j->arena, "%s.%s", r->module, r->name));
    m->library = SB_STR("scikit-learn");
    SB_TRY(native_version_read(j, obj, strncmp(r->module, "sklearn.", 8) == 0));
    const struct sb_pv *version = sb_pv_get(obj, "_sklearn_version");
    m->version = version && version->type == SB_PV_STR ? version->s : SB_STR("");
    return r->read(j, r, obj);
}

sb_err native_sklearn_read(struct native_job *j, struct sb_str file) {
    struct sb_pickle_options opt = {.nclasses = pickle_classes(NULL),
                                    .refusals = native_worker_classes};
    struct sb_pickle_class *classes = sb_arena_try_array(j->arena, opt.nclasses, sizeof *classes);
    const struct sb_pv *root = NULL;
    if (!classes) return native_nomem(j);
    (void)pickle_classes(classes);
    opt.classes = classes;
    if (sb_str_starts(file, SB_STR("PK\003\004")))
        SB_TRY(sb_skops_read(&root, file, &opt, j->arena, j->ctx));
    else
        SB_TRY(sb_pickle_read(&root, file, &opt, j->arena, j->ctx));
    SB_TRY(native_object_read(j, root));
    bool bare = j->out->predictor == NATIVE_LINEAR && !j->out->columns;
    return bare ? native_identity_program(j) : SB_OK;
}

sb_err native_sklearn_format(struct native_job *j, const struct sb_mlmodel *m, struct sb_str file) {
    struct sb_str fn = m->pyfunc.predict_fn;
    if (fn.n && !sb_str_is(fn, "predict"))
        return native_for_worker(j, "predict_fn %.*s", SB_ARG(sb_str_sub(fn, 0, 60)));
    return native_sklearn_read(j, file);
}

/* ---- attributes that many estimators have ---- */

static sb_err class_text(struct native_job *j, const struct sb_np_array *a, size_t i,
                         struct sb_str *out) {
    const struct native_meta *m = &j->out->meta;
    int64_t n;
    double d;
    char text[48];
    size_t len;
    switch (m->label) {
    case NATIVE_STR:
        if (a->dtype->kind == 'O')
            *out = a->objects->seq.v[i]->s;
        else if (!sb_np_get_str(a, i, j->arena, out))
            return native_damaged(j, "class label");
        return SB_OK;
    case NATIVE_FLOAT:
        if (!sb_np_get_double(a, i, &d) || d - d != 0) return native_damaged(j, "class label");
        len = sb_double_format(text, d);
        break;
    default:
        if (a->dtype->kind == 'O' ? !sb_pv_to_i64(a->objects->seq.v[i], &n)
                                  : !sb_np_get_i64(a, i, &n))
            return native_damaged(j, "class label");
        if (m->label == NATIVE_BOOL) {
            *out = n ? SB_STR("True") : SB_STR("False");
            return SB_OK;
        }
        *out = sb_str_of(sb_arena_printf(j->arena, "%lld", (long long)n));
        return SB_OK;
    }
    *out = sb_arena_dup(j->arena, sb_str_make(text, len));
    return out->p ? SB_OK : native_nomem(j);
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

sb_err native_classes_read(struct native_job *j, const struct sb_pv *obj) {
    struct native_meta *m = &j->out->meta;
    const struct sb_pv *classes = sb_pv_get(obj, "classes_");
    if (!classes || classes->type != SB_PV_ARRAY || !classes->array->dtype)
        return native_for_worker(j, "a classifier of several outputs");
    const struct sb_np_array *a = classes->array;
    if (a->ndim != 1 || a->count == 0 || a->count > SB_FOREST_GROUPS_MAX)
        return native_damaged(j, "classes_");
    if (!label_of(a, &m->label))
        return native_for_worker(j, "a classifier whose labels are not text, numbers or bool");
    m->nclasses = (uint32_t)a->count;
    m->classes = sb_arena_try_array(j->arena, m->nclasses, sizeof *m->classes);
    if (!m->classes) return native_nomem(j);
    for (uint32_t i = 0; i < m->nclasses; i++) SB_TRY(class_text(j, a, i, &m->classes[i]));
    return SB_OK;
}

sb_err native_names_read(struct native_job *j, const struct sb_pv *obj, uint32_t n) {
    struct native_meta *m = &j->out->meta;
    const struct sb_pv *names = sb_pv_get(obj, "feature_names_in_");
    m->nfeatures = n;
    m->features = NULL;
    if (!names || names->type == SB_PV_NONE) return SB_OK;
    if (names->type != SB_PV_ARRAY || !names->array->dtype || names->array->count != n)
        return native_damaged(j, "feature_names_in_");
    m->features = sb_arena_try_array(j->arena, n, sizeof *m->features);
    if (!m->features) return native_nomem(j);
    for (uint32_t i = 0; i < n; i++)
        if (!sb_np_get_str(names->array, i, j->arena, &m->features[i]))
            return native_damaged(j, "feature_names_in_");
    return SB_OK;
}

sb_err native_features_read(struct native_job *j, const struct sb_pv *obj) {
    int64_t n;
    if (!sb_pv_to_i64(sb_pv_get(obj, "n_features_in_"), &n) &&
        !sb_pv_to_i64(sb_pv_get(obj, "n_features_"), &n))
        return native_damaged(j, "number of features (not fitted?)");
    if (n < 1 || n > SB_FOREST_FEATURES_MAX) return native_damaged(j, "number of features");
    return native_names_read(j, obj, (uint32_t)n);
}

bool native_attribute_in(const struct sb_pv *obj, const char *key, const char *const *names) {
    const struct sb_pv *v = sb_pv_get(obj, key);
    for (; v && v->type == SB_PV_STR && *names; names++)
        if (sb_str_is(v->s, *names)) return true;
    return false;
}

#include "domain/model/mlmodel.h"

#include "base/mem.h"
#include "codec/yaml.h"

enum { ARENA_MAX = 64 << 20 };

bool sb_mlmodel_path_ok(struct sb_str path) {
    if (!path.n || path.n > SB_MLMODEL_PATH_MAX) return false;
    for (size_t i = 0; i < path.n; i++)
        if ((uint8_t)path.p[i] < 0x20 || path.p[i] == '\\' || path.p[i] == 0x7f) return false;
    struct sb_str rest = path, part;
    while (sb_str_split(&rest, '/', &part))
        if (!part.n || sb_str_is(part, ".") || sb_str_is(part, "..")) return false;
    return true;
}

/* A scalar's text; YAML may have taken a string of digits for a number. Absent and null: empty. */
static sb_err get_text(const struct sb_json *o, const char *key, struct sb_str *out,
                       struct sb_errctx *ctx) {
    const struct sb_json *v = sb_json_get(o, key);
    if (!v || v->type == SB_JSON_NULL) return SB_OK;
    if (v->type != SB_JSON_STRING && v->type != SB_JSON_NUMBER)
        return sb_fail(ctx, SB_E_INVALID, "MLmodel: '%s' is not a string", key);
    if (v->s.n && memchr(v->s.p, 0, v->s.n))
        return sb_fail(ctx, SB_E_INVALID, "MLmodel: '%s' has a NUL", key);
    *out = v->s;
    return SB_OK;
}

static sb_err get_path(const struct sb_json *o, const char *key, struct sb_str *out,
                       struct sb_errctx *ctx) {
    struct sb_str path = {0};
    SB_TRY(get_text(o, key, &path, ctx));
    struct sb_str bare = path; /* "data/" names the same folder */
    if (bare.n > 1 && bare.p[bare.n - 1] == '/') bare.n--;
    if (path.n && !sb_str_is(path, ".") && !sb_mlmodel_path_ok(bare))
        return sb_fail(ctx, SB_E_DENIED, "MLmodel: '%s' leaves the model's directory: %.*s", key,
                       SB_ARG(sb_str_sub(path, 0, 100)));
    *out = sb_str_is(path, ".") ? (struct sb_str){0} : bare;
    return SB_OK;
}

/* Keys of flavors that name files or folders of the model. */
static const char *const PATH_KEYS[] = {
    "data", "model_path",   "pickled_model",   "model_data",
    "code", "python_model", "model_code_path", "saved_model_dir"};

static sb_err check_flavor(const struct sb_json *keys, struct sb_errctx *ctx) {
    struct sb_str path;
    for (size_t i = 0; i < SB_COUNT(PATH_KEYS); i++) {
        const struct sb_json *v = sb_json_get(keys, PATH_KEYS[i]);
        if (v && v->type == SB_JSON_STRING) SB_TRY(get_path(keys, PATH_KEYS[i], &path, ctx));
    }
    const struct sb_json *artifacts = sb_json_get(keys, "artifacts");
    for (const struct sb_json *a = artifacts ? artifacts->child : NULL; a; a = a->next)
        SB_TRY(get_path(a, "path", &path, ctx));
    return SB_OK;
}

static sb_err parse_pyfunc(struct sb_mlmodel *m, const struct sb_json *keys,
                           struct sb_errctx *ctx) {
    struct sb_mlmodel_pyfunc *p = &m->pyfunc;
    p->present = true;
    SB_TRY(get_text(keys, "loader_module", &p->loader_module, ctx));
    SB_TRY(get_text(keys, "predict_fn", &p->predict_fn, ctx));
    SB_TRY(get_text(keys, "python_version", &p->python_version, ctx));
    SB_TRY(get_path(keys, "code", &p->code, ctx));
    SB_TRY(get_path(keys, "model_path", &p->path, ctx));
    if (!p->path.n) SB_TRY(get_path(keys, "data", &p->path, ctx));
    if (!p->loader_module.n)
        return sb_fail(ctx, SB_E_INVALID, "MLmodel: python_function has no loader_module");
    const struct sb_json *env = sb_json_get(keys, "env");
    if (!env || env->type == SB_JSON_NULL) return SB_OK;
    if (env->type != SB_JSON_OBJECT) /* older than MLflow 2: the conda file alone */
        return get_path(keys, "env", &p->conda_env, ctx);
    SB_TRY(get_path(env, "conda", &p->conda_env, ctx));
    return get_path(env, "virtualenv", &p->virtualenv, ctx);
}

static sb_err parse_flavors(struct sb_mlmodel *m, const struct sb_json *doc,
                            struct sb_errctx *ctx) {
    const struct sb_json *flavors = sb_json_get(doc, "flavors");
    if (!flavors || flavors->type != SB_JSON_OBJECT || !flavors->n)
        return sb_fail(ctx, SB_E_INVALID, "MLmodel: it has no flavors");
    if (flavors->n > SB_MLMODEL_FLAVORS_MAX)
        return sb_fail(ctx, SB_E_LIMIT, "MLmodel: more than %d flavors", SB_MLMODEL_FLAVORS_MAX);
    m->flavors = sb_arena_try_array(&m->arena, flavors->n, sizeof *m->flavors);
    if (!m->flavors) return sb_fail(ctx, SB_E_LIMIT, "MLmodel: too large");
    for (const struct sb_json *f = flavors->child; f; f = f->next) {
        if (f->type != SB_JSON_OBJECT)
            return sb_fail(ctx, SB_E_INVALID, "MLmodel: flavor '%.*s' is not a mapping",
                           SB_ARG(sb_str_sub(f->key, 0, 80)));
        SB_TRY(check_flavor(f, ctx));
        m->flavors[m->nflavors++] = (struct sb_mlmodel_flavor){.name = f->key, .keys = f};
        if (sb_str_is(f->key, "python_function")) SB_TRY(parse_pyfunc(m, f, ctx));
    }
    return SB_OK;
}

static sb_err parse_signature(struct sb_mlmodel *m, const struct sb_json *doc,
                              struct sb_errctx *ctx) {
    const struct sb_json *s = sb_json_get(doc, "signature");
    struct sb_str inputs = {0}, outputs = {0}, params = {0};
    if (s && s->type != SB_JSON_OBJECT && s->type != SB_JSON_NULL)
        return sb_fail(ctx, SB_E_INVALID, "MLmodel: signature is not a mapping");
    SB_TRY(get_text(s, "inputs", &inputs, ctx));
    SB_TRY(get_text(s, "outputs", &outputs, ctx));
    SB_TRY(get_text(s, "params", &params, ctx));
    struct sb_signature *parsed;
    SB_TRY(sb_signature_parse(&parsed, inputs, outputs, params, ctx));
    m->signature = parsed;
    return SB_OK;
}

static sb_err parse_example(struct sb_mlmodel *m, const struct sb_json *doc,
                            struct sb_errctx *ctx) {
    const struct sb_json *e = sb_json_get(doc, "saved_input_example_info");
    if (!e || e->type != SB_JSON_OBJECT) return SB_OK;
    SB_TRY(get_path(e, "artifact_path", &m->example.artifact_path, ctx));
    SB_TRY(get_path(e, "serving_input_path", &m->example.serving_input_path, ctx));
    SB_TRY(get_text(e, "type", &m->example.type, ctx));
    return get_text(e, "pandas_orient", &m->example.pandas_orient, ctx);
}

static sb_err parse(struct sb_mlmodel *m, struct sb_str text, struct sb_errctx *ctx) {
    text = sb_arena_dup(&m->arena, text);
    if (!text.p) return sb_fail(ctx, SB_E_LIMIT, "MLmodel: too large");
    struct sb_json *doc;
    SB_TRY(sb_yaml_parse(&doc, text, &m->arena, ctx));
    if (doc->type != SB_JSON_OBJECT)
        return sb_fail(ctx, SB_E_INVALID, "MLmodel: the document is not a mapping");
    SB_TRY(get_text(doc, "run_id", &m->run_id, ctx));
    SB_TRY(get_text(doc, "model_id", &m->model_id, ctx));
    SB_TRY(get_text(doc, "mlflow_version", &m->mlflow_version, ctx));
    SB_TRY(get_text(doc, "utc_time_created", &m->utc_time_created, ctx));
    SB_TRY(get_text(doc, "artifact_path", &m->artifact_path, ctx));
    SB_TRY(parse_flavors(m, doc, ctx));
    SB_TRY(parse_signature(m, doc, ctx));
    SB_TRY(parse_example(m, doc, ctx));
    if (!sb_json_get_bool(doc, "is_signature_from_type_hint", &m->from_type_hint))
        return sb_fail(ctx, SB_E_INVALID, "MLmodel: is_signature_from_type_hint is not a boolean");
    const struct sb_json *meta = sb_json_get(doc, "metadata");
    m->metadata = meta && meta->type == SB_JSON_OBJECT ? meta : NULL;
    return SB_OK;
}

sb_err sb_mlmodel_parse(struct sb_mlmodel **out, struct sb_str text, struct sb_errctx *ctx) {
    if (text.n > SB_MLMODEL_TEXT_MAX)
        return sb_fail(ctx, SB_E_LIMIT, "MLmodel: over %d bytes", SB_MLMODEL_TEXT_MAX);
    struct sb_mlmodel *m = sb_calloc(1, sizeof *m);
    sb_arena_init(&m->arena, ARENA_MAX);
    sb_err err = parse(m, text, ctx);
    if (err) {
        sb_mlmodel_free(m);
        return err;
    }
    *out = m;
    return SB_OK;
}

void sb_mlmodel_free(struct sb_mlmodel *m) {
    if (!m) return;
    sb_signature_free(m->signature);
    sb_arena_fini(&m->arena);
    sb_free(m);
}

const struct sb_mlmodel_flavor *sb_mlmodel_flavor(const struct sb_mlmodel *m, const char *name) {
    for (size_t i = 0; i < m->nflavors; i++)
        if (sb_str_is(m->flavors[i].name, name)) return &m->flavors[i];
    return NULL;
}

struct sb_str sb_mlmodel_main_flavor(const struct sb_mlmodel *m) {
    for (size_t i = 0; i < m->nflavors; i++)
        if (!sb_str_is(m->flavors[i].name, "python_function")) return m->flavors[i].name;
    return SB_STR("python_function");
}

struct sb_signature *sb_mlmodel_take_signature(struct sb_mlmodel *m) {
    struct sb_signature *s = m->signature;
    m->signature = sb_signature_new();
    return s;
}

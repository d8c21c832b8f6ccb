/* Logged models (MLflow 3): the record of one trained model, its params, tags and metrics. */
#include <stdio.h>

#include "codec/json.h"
#include "domain/registry/check_int.h"
#include "domain/registry/logged_load_int.h"
#include "domain/registry/tracking_int.h"

static const char *const status_names[] = {
    [SB_LOGGED_MODEL_UNSPECIFIED] = "LOGGED_MODEL_STATUS_UNSPECIFIED",
    [SB_LOGGED_MODEL_PENDING] = "LOGGED_MODEL_PENDING",
    [SB_LOGGED_MODEL_READY] = "LOGGED_MODEL_READY",
    [SB_LOGGED_MODEL_UPLOAD_FAILED] = "LOGGED_MODEL_UPLOAD_FAILED",
};

const char *sb_logged_model_status_name(enum sb_logged_model_status s) {
    SB_ASSERT(s >= SB_LOGGED_MODEL_UNSPECIFIED && s <= SB_LOGGED_MODEL_UPLOAD_FAILED);
    return status_names[s];
}

bool sb_logged_model_status_parse(struct sb_str name, enum sb_logged_model_status *out) {
    /* "READY" is how filters and Python code write it. */
    static const struct sb_str prefix = SB_STR("LOGGED_MODEL_");
    for (int i = SB_LOGGED_MODEL_PENDING; i <= SB_LOGGED_MODEL_UPLOAD_FAILED; i++) {
        struct sb_str full = sb_str_of(status_names[i]);
        if (!sb_str_eq(name, full) && !sb_str_eq(name, sb_str_sub(full, prefix.n, full.n)))
            continue;
        *out = (enum sb_logged_model_status)i;
        return true;
    }
    return false;
}

/* ---- create ---- */

static sb_err put_param(struct sb_tx *tx, const struct sb_logged_model *m, struct sb_tag p) {
    sb_err err = sb_sql_run(tx->db,
                            "INSERT INTO logged_model_params (model_id, experiment_id, param_key, "
                            "param_value) VALUES (?, ?, ?, ?)",
                            sb_sql_text(m->model_id), sb_sql_int(m->experiment_id),
                            sb_sql_text(p.key), sb_sql_text(p.value));
    if (err != SB_E_EXISTS) return err;
    return sb_call_invalid(tx->c, "Param '%.*s' of logged model '%.*s' was already logged.",
                           SB_ARG(p.key), SB_ARG(m->model_id));
}

static sb_err put_tag(struct sb_tx *tx, const struct sb_logged_model *m, struct sb_tag t) {
    return sb_sql_run(tx->db,
                      "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value) "
                      "VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET tag_value = "
                      "excluded.tag_value",
                      sb_sql_text(m->model_id), sb_sql_int(m->experiment_id), sb_sql_text(t.key),
                      sb_sql_text(t.value.p ? t.value : SB_STR("")));
}

static sb_err create_in(struct sb_tx *tx, const struct sb_logged_model_new *in,
                        int64_t experiment_id, struct sb_logged_model *out) {
    struct sb_experiment e;
    SB_TRY(sb_experiment_load_active(tx, experiment_id, &e));
    struct sb_logged_model m = {.experiment_id = experiment_id};
    m.model_id = sb_text_uuid(tx->arena, "m-");
    const char *parts[] = {"models", m.model_id.p, "artifacts"};
    SB_TRY(sb_sql_run(
        tx->db,
        "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, "
        "creation_timestamp_ms, last_updated_timestamp_ms, status, lifecycle_stage, model_type, "
        "source_run_id) VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1, 'active', ?6, ?7)",
        sb_sql_text(m.model_id), sb_sql_int(experiment_id),
        sb_sql_text(in->name.n ? in->name : sb_text_made_up_name(tx->arena)),
        sb_sql_text(sb_text_join(tx->arena, e.artifact_location, parts, 3)), sb_sql_int(tx->now),
        sb_sql_text(in->model_type), sb_sql_text(in->source_run_id)));
    for (size_t i = 0; i < in->params.n; i++) SB_TRY(put_param(tx, &m, in->params.v[i]));
    for (size_t i = 0; i < in->tags.n; i++) SB_TRY(put_tag(tx, &m, in->tags.v[i]));
    return sb_logged_model_load_whole(tx, m.model_id, true, out);
}

static sb_err check_params(struct sb_registry_call *c, struct sb_tags params) {
    char path[40];
    for (size_t i = 0; i < params.n; i++) {
        snprintf(path, sizeof path, "params[%zu]", i);
        SB_TRY(sb_check_param(c, &params.v[i], path));
    }
    return SB_OK;
}

static sb_err check_tags(struct sb_registry_call *c, struct sb_tags tags) {
    for (size_t i = 0; i < tags.n; i++) {
        SB_TRY(sb_check_key(c, tags.v[i].key, "key"));
        SB_TRY(sb_check_length(c, "key", 255, tags.v[i].key));
    }
    return SB_OK;
}

sb_err sb_registry_logged_model_create(struct sb_registry_call *c,
                                       const struct sb_logged_model_new *in,
                                       struct sb_logged_model *out) {
    int64_t experiment_id;
    if (in->name.n) SB_TRY(sb_check_logged_model_name(c, in->name));
    SB_TRY(sb_check_experiment_id(c, in->experiment_id, &experiment_id));
    SB_TRY(check_params(c, in->params));
    SB_TRY(check_tags(c, in->tags));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, create_in(&tx, in, experiment_id, out));
}

/* ---- get ---- */

sb_err sb_registry_logged_model_get(struct sb_registry_call *c, struct sb_str model_id,
                                    bool allow_deleted, struct sb_logged_model *out) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, sb_logged_model_load_whole(&tx, model_id, allow_deleted, out));
}

/* ---- change ---- */

static sb_err finalize_in(struct sb_tx *tx, struct sb_str model_id,
                          enum sb_logged_model_status status, struct sb_logged_model *out) {
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE logged_models SET status = ?, last_updated_timestamp_ms = ? WHERE "
                      "model_id = ?",
                      sb_sql_int(status), sb_sql_int(tx->now), sb_sql_text(model_id)));
    return sb_logged_model_load_whole(tx, model_id, true, out);
}

sb_err sb_registry_logged_model_finalize(struct sb_registry_call *c, struct sb_str model_id,
                                         enum sb_logged_model_status status,
                                         struct sb_logged_model *out) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, finalize_in(&tx, model_id, status, out));
}

static sb_err delete_in(struct sb_tx *tx, struct sb_str model_id) {
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE logged_models SET lifecycle_stage = 'deleted', "
                      "last_updated_timestamp_ms = ? WHERE model_id = ?",
                      sb_sql_int(tx->now), sb_sql_text(model_id)));
    if (sb_sql_changes(tx->db)) return SB_OK;
    return sb_call_missing(tx->c, "Logged model with ID '%.*s' not found.", SB_ARG(model_id));
}

sb_err sb_registry_logged_model_delete(struct sb_registry_call *c, struct sb_str model_id) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, delete_in(&tx, model_id));
}

/* Params may come in several calls: the client sends them 100 at a time. */
static sb_err put_all_in(struct sb_tx *tx, struct sb_str model_id, struct sb_tags v,
                         sb_err (*put)(struct sb_tx *, const struct sb_logged_model *,
                                       struct sb_tag)) {
    struct sb_logged_model m;
    SB_TRY(sb_logged_model_load(tx, model_id, true, &m));
    for (size_t i = 0; i < v.n; i++) SB_TRY(put(tx, &m, v.v[i]));
    return SB_OK;
}

sb_err sb_registry_logged_model_params_log(struct sb_registry_call *c, struct sb_str model_id,
                                           struct sb_tags params) {
    SB_TRY(check_params(c, params));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, put_all_in(&tx, model_id, params, put_param));
}

sb_err sb_registry_logged_model_tags_set(struct sb_registry_call *c, struct sb_str model_id,
                                         struct sb_tags tags) {
    SB_TRY(check_tags(c, tags));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, put_all_in(&tx, model_id, tags, put_tag));
}

static sb_err tag_delete_in(struct sb_tx *tx, struct sb_str model_id, struct sb_str key) {
    struct sb_logged_model m;
    SB_TRY(sb_logged_model_load(tx, model_id, true, &m));
    SB_TRY(sb_sql_run(tx->db, "DELETE FROM logged_model_tags WHERE model_id = ? AND tag_key = ?",
                      sb_sql_text(model_id), sb_sql_text(key)));
    if (sb_sql_changes(tx->db)) return SB_OK;
    return sb_call_missing(tx->c, "No tag with key '%.*s' found for model with ID '%.*s'.",
                           SB_ARG(key), SB_ARG(model_id));
}

sb_err sb_registry_logged_model_tag_delete(struct sb_registry_call *c, struct sb_str model_id,
                                           struct sb_str key) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, tag_delete_in(&tx, model_id, key));
}

/* ---- registrations: the tag mlflow.modelVersions ---- */

static sb_err load_registrations(struct sb_tx *tx, struct sb_str model_id, struct sb_str *text) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT tag_value FROM logged_model_tags WHERE model_id = ? AND tag_key = "
                        "'mlflow.modelVersions'",
                        sb_sql_text(model_id)));
    *text = sb_sql_next(st) ? sb_tx_text(tx, st, 0) : (struct sb_str){0};
    return sb_sql_end(st);
}

sb_err sb_logged_model_add_registration(struct sb_tx *tx, struct sb_str model_id,
                                        struct sb_str name, int64_t version) {
    struct sb_logged_model m;
    SB_TRY(sb_logged_model_load(tx, model_id, true, &m));
    struct sb_str text;
    SB_TRY(load_registrations(tx, model_id, &text));
    struct sb_str number = sb_str_of(sb_arena_printf(tx->arena, "%lld", (long long)version));
    sb_registrations_parse(tx->arena, text, &m);
    for (size_t i = 0; i < m.registrations_n; i++)
        if (sb_str_eq(m.registrations[i].name, name) &&
            sb_str_eq(m.registrations[i].version, number))
            return SB_OK;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    struct sb_json_writer w = {.b = &b};
    sb_json_arr(&w, NULL);
    for (size_t i = 0; i <= m.registrations_n; i++) {
        bool old = i < m.registrations_n;
        sb_json_obj(&w, NULL);
        sb_json_str(&w, "name", old ? m.registrations[i].name : name);
        sb_json_str(&w, "version", old ? m.registrations[i].version : number);
        sb_json_end(&w);
    }
    sb_json_end(&w);
    sb_err err = sb_buf_err(&b);
    if (!err)
        err = put_tag(tx, &m, (struct sb_tag){SB_STR("mlflow.modelVersions"), sb_buf_view(&b)});
    sb_buf_fini(&b);
    return err;
}

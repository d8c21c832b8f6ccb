/* Model versions. A deleted version keeps its row, redacted, so that its number is not used again.
 */
#include "domain/registry/check_int.h"
#include "domain/registry/models_int.h"
#include "domain/registry/tracking_int.h"

static sb_err put_tag(struct sb_tx *tx, struct sb_str name, int64_t version, struct sb_tag t) {
    return sb_sql_run(
        tx->db,
        "INSERT INTO model_version_tags (workspace, name, version, key, value) VALUES "
        "('default', ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        sb_sql_text(name), sb_sql_int(version), sb_sql_text(t.key),
        sb_sql_text(t.value.p ? t.value : SB_STR("")));
}

/* ---- create ---- */

static sb_err next_version(struct sb_tx *tx, struct sb_str name, int64_t *out) {
    struct sb_sql_value v = sb_sql_text(name);
    return sb_tx_one_int(tx, out, NULL,
                         SB_STR("SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE "
                                "workspace = 'default' AND name = ?"),
                         &v, 1);
}

static sb_err create_in(struct sb_tx *tx, const struct sb_version_new *in,
                        struct sb_model_version *out) {
    struct sb_source s;
    int64_t version;
    SB_TRY(sb_model_touch(tx, in->name));
    SB_TRY(sb_source_resolve(tx, in, &s));
    SB_TRY(sb_check_length(tx->c, "source", MAX_LOCATION, s.source));
    SB_TRY(next_version(tx, in->name, &version));
    SB_TRY(sb_sql_run(
        tx->db,
        "INSERT INTO model_versions (workspace, name, version, creation_time, last_updated_time, "
        "description, current_stage, source, run_id, status, run_link, storage_location) VALUES "
        "('default', ?1, ?2, ?3, ?3, ?4, 'None', ?5, ?6, 'READY', ?7, ?8)",
        sb_sql_text(in->name), sb_sql_int(version), sb_sql_int(tx->now),
        sb_sql_text(in->description), sb_sql_text(s.source),
        s.run_id.n ? sb_sql_text(s.run_id) : sb_sql_null(), sb_sql_text(in->run_link),
        sb_sql_text(s.storage_location)));
    for (size_t i = 0; i < in->tags.n; i++) SB_TRY(put_tag(tx, in->name, version, in->tags.v[i]));
    if (s.model_id.n && !sb_tags_say_prompt(in->tags))
        SB_TRY(sb_logged_model_add_registration(tx, s.model_id, in->name, version));
    sb_tx_changed(tx, SB_REGISTRY_VERSION_CREATED, in->name);
    return sb_version_load_whole(tx, in->name, version, out);
}

static sb_err check_tag(struct sb_registry_call *c, struct sb_tag t) {
    if (t.key.p && !t.value.p) return sb_call_invalid(c, "Tag value cannot be None");
    if (sb_str_is(t.key, "mlflow.prompt.text") && sb_text_length(t.value) > MAX_REGISTRY_TAG_VALUE)
        return sb_call_invalid(c, "Prompt text exceeds max length of %d characters.",
                               MAX_REGISTRY_TAG_VALUE);
    return sb_check_registry_tag(c, t);
}

sb_err sb_registry_version_create(struct sb_registry_call *c, const struct sb_version_new *in,
                                  struct sb_model_version *out) {
    SB_TRY(sb_check_model_name(c, in->name, "name"));
    SB_TRY(sb_check_length(c, "description", MAX_DESCRIPTION, in->description));
    SB_TRY(sb_check_length(c, "run_link", MAX_LOCATION, in->run_link));
    for (size_t i = 0; i < in->tags.n; i++) SB_TRY(check_tag(c, in->tags.v[i]));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, create_in(&tx, in, out));
}

/* ---- get ---- */

static sb_err check_id(struct sb_registry_call *c, struct sb_str name, struct sb_str version,
                       int64_t *number) {
    SB_TRY(sb_check_model_name(c, name, "name"));
    return sb_check_version(c, version, number);
}

sb_err sb_registry_version_get(struct sb_registry_call *c, struct sb_str name,
                               struct sb_str version, struct sb_model_version *out) {
    int64_t number;
    SB_TRY(check_id(c, name, version, &number));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, sb_version_load_whole(&tx, name, number, out));
}

sb_err sb_registry_version_download_uri(struct sb_registry_call *c, struct sb_str name,
                                        struct sb_str version, struct sb_str *uri) {
    int64_t number;
    struct sb_model_version v;
    SB_TRY(check_id(c, name, version, &number));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    SB_TRY(sb_tx_end(&tx, sb_version_load(&tx, name, number, &v)));
    *uri = v.storage_location.n ? v.storage_location : v.source;
    return SB_OK;
}

/* ---- change ---- */

static sb_err update_in(struct sb_tx *tx, struct sb_str name, int64_t version,
                        struct sb_str description, struct sb_model_version *out) {
    SB_TRY(sb_version_load(tx, name, version, out));
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE model_versions SET description = ?, last_updated_time = ? WHERE "
                      "workspace = 'default' AND name = ? AND version = ?",
                      sb_sql_text(description), sb_sql_int(tx->now), sb_sql_text(name),
                      sb_sql_int(version)));
    return sb_version_load_whole(tx, name, version, out);
}

sb_err sb_registry_version_update(struct sb_registry_call *c, struct sb_str name,
                                  struct sb_str version, struct sb_str description,
                                  struct sb_model_version *out) {
    int64_t number;
    SB_TRY(check_id(c, name, version, &number));
    SB_TRY(sb_check_length(c, "description", MAX_DESCRIPTION, description));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, update_in(&tx, name, number, description, out));
}

static sb_err delete_in(struct sb_tx *tx, struct sb_str name, int64_t version) {
    struct sb_model_version v;
    SB_TRY(sb_version_load(tx, name, version, &v));
    SB_TRY(sb_sql_run(tx->db,
                      "DELETE FROM registered_model_aliases WHERE workspace = 'default' AND name = "
                      "? AND version = ?",
                      sb_sql_text(name), sb_sql_int(version)));
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE model_versions SET current_stage = 'Deleted_Internal', "
                      "last_updated_time = ?, description = NULL, user_id = NULL, source = "
                      "'REDACTED-SOURCE-PATH', run_id = 'REDACTED-RUN-ID', run_link = "
                      "'REDACTED-RUN-LINK', status_message = NULL WHERE workspace = 'default' AND "
                      "name = ? AND version = ?",
                      sb_sql_int(tx->now), sb_sql_text(name), sb_sql_int(version)));
    sb_tx_changed(tx, SB_REGISTRY_VERSION_DELETED, name);
    return sb_model_touch(tx, name);
}

sb_err sb_registry_version_delete(struct sb_registry_call *c, struct sb_str name,
                                  struct sb_str version) {
    int64_t number;
    SB_TRY(check_id(c, name, version, &number));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, delete_in(&tx, name, number));
}

/* ---- stages ---- */

static sb_err stage_in(struct sb_tx *tx, struct sb_str name, int64_t version, struct sb_str stage,
                       bool archive, struct sb_model_version *out) {
    SB_TRY(sb_version_load(tx, name, version, out));
    if (archive)
        SB_TRY(sb_sql_run(tx->db,
                          "UPDATE model_versions SET current_stage = 'Archived', last_updated_time "
                          "= ? WHERE workspace = 'default' AND name = ? AND version <> ? AND "
                          "current_stage = ?",
                          sb_sql_int(tx->now), sb_sql_text(name), sb_sql_int(version),
                          sb_sql_text(stage)));
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE model_versions SET current_stage = ?, last_updated_time = ? WHERE "
                      "workspace = 'default' AND name = ? AND version = ?",
                      sb_sql_text(stage), sb_sql_int(tx->now), sb_sql_text(name),
                      sb_sql_int(version)));
    SB_TRY(sb_model_touch(tx, name));
    sb_tx_changed(tx, SB_REGISTRY_STAGE_CHANGED, name);
    return sb_version_load_whole(tx, name, version, out);
}

sb_err sb_registry_version_stage(struct sb_registry_call *c, struct sb_str name,
                                 struct sb_str version, struct sb_str stage, bool archive_existing,
                                 struct sb_model_version *out) {
    int64_t number;
    struct sb_str known;
    SB_TRY(check_id(c, name, version, &number));
    SB_TRY(sb_check_stage(c, stage, &known));
    if (archive_existing && !sb_str_is(known, "Staging") && !sb_str_is(known, "Production"))
        return sb_call_invalid(c,
                               "Model version transition cannot archive existing model versions "
                               "because '%.*s' is not an Active stage. Valid stages are "
                               "['Staging', 'Production']",
                               SB_ARG(stage));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, stage_in(&tx, name, number, known, archive_existing, out));
}

/* ---- tags ---- */

static sb_err tag_set_in(struct sb_tx *tx, struct sb_str name, int64_t version, struct sb_tag t) {
    struct sb_model_version v;
    SB_TRY(sb_version_load(tx, name, version, &v));
    sb_tx_tag_changed(tx, name, t.key);
    return put_tag(tx, name, version, t);
}

sb_err sb_registry_version_tag_set(struct sb_registry_call *c, struct sb_str name,
                                   struct sb_str version, struct sb_str key, struct sb_str value) {
    int64_t number;
    struct sb_tag t = {key, value.p ? value : SB_STR("")};
    SB_TRY(check_id(c, name, version, &number));
    SB_TRY(check_tag(c, t));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, tag_set_in(&tx, name, number, t));
}

static sb_err tag_delete_in(struct sb_tx *tx, struct sb_str name, int64_t version,
                            struct sb_str key) {
    struct sb_model_version v;
    SB_TRY(sb_version_load(tx, name, version, &v));
    sb_tx_tag_changed(tx, name, key);
    return sb_sql_run(tx->db,
                      "DELETE FROM model_version_tags WHERE workspace = 'default' AND name = ? AND "
                      "version = ? AND key = ?",
                      sb_sql_text(name), sb_sql_int(version), sb_sql_text(key));
}

sb_err sb_registry_version_tag_delete(struct sb_registry_call *c, struct sb_str name,
                                      struct sb_str version, struct sb_str key) {
    int64_t number;
    SB_TRY(check_id(c, name, version, &number));
    SB_TRY(sb_check_key(c, key, "key"));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, tag_delete_in(&tx, name, number, key));
}

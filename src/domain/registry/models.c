/* Registered models, their tags and aliases. */
#include "domain/registry/check_int.h"
#include "domain/registry/models_int.h"

bool sb_tags_say_prompt(struct sb_tags tags) {
    bool is = false;
    for (size_t i = 0; i < tags.n; i++)
        if (sb_str_is(tags.v[i].key, SB_PROMPT_TAG))
            is = sb_str_ieq(tags.v[i].value, SB_STR("true"));
    return is;
}

static sb_err put_tag(struct sb_tx *tx, struct sb_str name, struct sb_tag t) {
    return sb_sql_run(tx->db,
                      "INSERT INTO registered_model_tags (workspace, name, key, value) VALUES "
                      "('default', ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                      sb_sql_text(name), sb_sql_text(t.key),
                      sb_sql_text(t.value.p ? t.value : SB_STR("")));
}

/* ---- create ---- */

static sb_err name_taken(struct sb_tx *tx, struct sb_str name, bool new_is_prompt) {
    bool old_is_prompt;
    SB_TRY(sb_model_is_prompt(tx, name, &old_is_prompt));
    if (old_is_prompt != new_is_prompt)
        return sb_call_fail(tx->c, SB_MLFLOW_RESOURCE_ALREADY_EXISTS,
                            "Tried to create a %s with name '%.*s', but the name is already taken "
                            "by a %s. MLflow does not allow creating a model and a prompt with "
                            "the same name.",
                            new_is_prompt ? "prompt" : "registered model", SB_ARG(name),
                            old_is_prompt ? "prompt" : "registered model");
    return sb_call_fail(tx->c, SB_MLFLOW_RESOURCE_ALREADY_EXISTS, "%s (name=%.*s) already exists.",
                        old_is_prompt ? "Prompt" : "Registered Model", SB_ARG(name));
}

static sb_err create_in(struct sb_tx *tx, struct sb_str name, struct sb_str description,
                        struct sb_tags tags, struct sb_registered_model *out) {
    sb_err err = sb_sql_run(tx->db,
                            "INSERT INTO registered_models (workspace, name, creation_time, "
                            "last_updated_time, description) VALUES ('default', ?1, ?2, ?2, ?3)",
                            sb_sql_text(name), sb_sql_int(tx->now), sb_sql_text(description));
    if (err == SB_E_EXISTS) return name_taken(tx, name, sb_tags_say_prompt(tags));
    if (err) return err;
    for (size_t i = 0; i < tags.n; i++) SB_TRY(put_tag(tx, name, tags.v[i]));
    sb_tx_changed(tx, SB_REGISTRY_MODEL_CREATED, name);
    return sb_model_load(tx, name, out);
}

sb_err sb_registry_model_create(struct sb_registry_call *c, struct sb_str name,
                                struct sb_str description, struct sb_tags tags,
                                struct sb_registered_model *out) {
    SB_TRY(sb_check_model_name(c, name, "name"));
    SB_TRY(sb_check_length(c, "description", MAX_DESCRIPTION, description));
    for (size_t i = 0; i < tags.n; i++) SB_TRY(sb_check_registry_tag(c, tags.v[i]));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, create_in(&tx, name, description, tags, out));
}

/* ---- get ---- */

sb_err sb_registry_model_get(struct sb_registry_call *c, struct sb_str name,
                             struct sb_registered_model *out) {
    SB_TRY(sb_check_model_name(c, name, "name"));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, sb_model_load(&tx, name, out));
}

static void give_aliases(struct sb_tx *tx, const struct sb_registered_model *m,
                         struct sb_model_version *v) {
    struct sb_str *names = sb_arena_try_array(tx->arena, m->aliases_n, sizeof *names);
    if (!names) return;
    for (size_t i = 0; i < m->aliases_n; i++)
        if (m->aliases[i].version == v->version) names[v->aliases_n++] = m->aliases[i].alias;
    v->aliases = names;
}

static bool stage_asked(struct sb_str stage, const struct sb_str *stages, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (sb_str_eq(stage, stages[i])) return true;
    return n == 0;
}

static sb_err latest_in(struct sb_tx *tx, struct sb_str name, const struct sb_str *stages, size_t n,
                        struct sb_model_versions *out) {
    struct sb_registered_model m;
    SB_TRY(sb_model_load(tx, name, &m));
    *out = (struct sb_model_versions){.v = m.latest_versions};
    for (size_t i = 0; i < m.latest_versions_n; i++) {
        if (!stage_asked(m.latest_versions[i].stage, stages, n)) continue;
        out->v[out->n] = m.latest_versions[i];
        if (m.aliases_n) give_aliases(tx, &m, &out->v[out->n]);
        out->n++;
    }
    return SB_OK;
}

sb_err sb_registry_model_latest(struct sb_registry_call *c, struct sb_str name,
                                const struct sb_str *stages, size_t stages_n,
                                struct sb_model_versions *out) {
    SB_TRY(sb_check_model_name(c, name, "name"));
    struct sb_str *known = sb_arena_try_array(c->arena, stages_n + 1, sizeof *known);
    if (!known) return sb_call_invalid(c, "Too many stages.");
    for (size_t i = 0; i < stages_n; i++) SB_TRY(sb_check_stage(c, stages[i], &known[i]));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, latest_in(&tx, name, known, stages_n, out));
}

/* ---- change ---- */

static sb_err update_in(struct sb_tx *tx, struct sb_str name, struct sb_str description,
                        struct sb_registered_model *out) {
    SB_TRY(sb_model_touch(tx, name));
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE registered_models SET description = ? WHERE workspace = 'default' "
                      "AND name = ?",
                      sb_sql_text(description), sb_sql_text(name)));
    return sb_model_load(tx, name, out);
}

sb_err sb_registry_model_update(struct sb_registry_call *c, struct sb_str name,
                                struct sb_str description, struct sb_registered_model *out) {
    SB_TRY(sb_check_model_name(c, name, "name"));
    SB_TRY(sb_check_length(c, "description", MAX_DESCRIPTION, description));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, update_in(&tx, name, description, out));
}

/* The foreign keys carry the new name to versions, tags and aliases. */
static sb_err rename_in(struct sb_tx *tx, struct sb_str name, struct sb_str new_name,
                        struct sb_registered_model *out) {
    SB_TRY(sb_model_touch(tx, name));
    sb_err err = sb_sql_run(tx->db,
                            "UPDATE registered_models SET name = ? WHERE workspace = 'default' AND "
                            "name = ?",
                            sb_sql_text(new_name), sb_sql_text(name));
    if (err == SB_E_EXISTS)
        return sb_call_fail(tx->c, SB_MLFLOW_RESOURCE_ALREADY_EXISTS,
                            "Registered Model (name=%.*s) already exists.", SB_ARG(new_name));
    if (err) return err;
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE model_versions SET last_updated_time = ? WHERE workspace = 'default' "
                      "AND name = ?",
                      sb_sql_int(tx->now), sb_sql_text(new_name)));
    sb_tx_changed(tx, SB_REGISTRY_MODEL_RENAMED, name);
    sb_tx_changed(tx, SB_REGISTRY_MODEL_RENAMED, new_name);
    return sb_model_load(tx, new_name, out);
}

sb_err sb_registry_model_rename(struct sb_registry_call *c, struct sb_str name,
                                struct sb_str new_name, struct sb_registered_model *out) {
    SB_TRY(sb_check_model_name(c, new_name, "new_name"));
    SB_TRY(sb_check_model_name(c, name, "name"));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, rename_in(&tx, name, new_name, out));
}

static sb_err delete_in(struct sb_tx *tx, struct sb_str name) {
    SB_TRY(sb_model_must_exist(tx, name));
    static const char *const statements[] = {
        "DELETE FROM model_version_tags WHERE workspace = 'default' AND name = ?",
        "DELETE FROM model_versions WHERE workspace = 'default' AND name = ?",
        "DELETE FROM registered_model_tags WHERE workspace = 'default' AND name = ?",
        "DELETE FROM registered_model_aliases WHERE workspace = 'default' AND name = ?",
        "DELETE FROM registered_models WHERE workspace = 'default' AND name = ?",
    };
    struct sb_sql_value v = sb_sql_text(name);
    for (size_t i = 0; i < SB_COUNT(statements); i++)
        SB_TRY(sb_sql_run_values(tx->db, sb_str_of(statements[i]), &v, 1));
    sb_tx_changed(tx, SB_REGISTRY_MODEL_DELETED, name);
    return SB_OK;
}

sb_err sb_registry_model_delete(struct sb_registry_call *c, struct sb_str name) {
    SB_TRY(sb_check_model_name(c, name, "name"));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, delete_in(&tx, name));
}

/* ---- tags ---- */

static sb_err tag_set_in(struct sb_tx *tx, struct sb_str name, struct sb_tag t) {
    SB_TRY(sb_model_must_exist(tx, name));
    sb_tx_tag_changed(tx, name, t.key);
    return put_tag(tx, name, t);
}

sb_err sb_registry_model_tag_set(struct sb_registry_call *c, struct sb_str name, struct sb_str key,
                                 struct sb_str value) {
    struct sb_tag t = {key, value};
    SB_TRY(sb_check_model_name(c, name, "name"));
    SB_TRY(sb_check_registry_tag(c, t));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, tag_set_in(&tx, name, t));
}

/* A tag that is not there is deleted already. */
static sb_err tag_delete_in(struct sb_tx *tx, struct sb_str name, struct sb_str key) {
    SB_TRY(sb_model_must_exist(tx, name));
    sb_tx_tag_changed(tx, name, key);
    return sb_sql_run(tx->db,
                      "DELETE FROM registered_model_tags WHERE workspace = 'default' AND name = ? "
                      "AND key = ?",
                      sb_sql_text(name), sb_sql_text(key));
}

sb_err sb_registry_model_tag_delete(struct sb_registry_call *c, struct sb_str name,
                                    struct sb_str key) {
    SB_TRY(sb_check_model_name(c, name, "name"));
    SB_TRY(sb_check_key(c, key, "key"));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, tag_delete_in(&tx, name, key));
}

/* ---- aliases ---- */

static sb_err alias_set_in(struct sb_tx *tx, struct sb_str name, struct sb_str alias,
                           int64_t version) {
    struct sb_model_version v;
    SB_TRY(sb_version_load(tx, name, version, &v));
    SB_TRY(sb_sql_run(tx->db,
                      "INSERT INTO registered_model_aliases (workspace, name, alias, version) "
                      "VALUES ('default', ?, ?, ?) ON CONFLICT DO UPDATE SET version = "
                      "excluded.version",
                      sb_sql_text(name), sb_sql_text(alias), sb_sql_int(version)));
    sb_tx_changed(tx, SB_REGISTRY_ALIAS_CHANGED, name);
    return SB_OK;
}

sb_err sb_registry_alias_set(struct sb_registry_call *c, struct sb_str name, struct sb_str alias,
                             struct sb_str version) {
    int64_t number;
    SB_TRY(sb_check_model_name(c, name, "name"));
    SB_TRY(sb_check_alias(c, alias, true));
    SB_TRY(sb_check_version(c, version, &number));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, alias_set_in(&tx, name, alias, number));
}

static sb_err alias_delete_in(struct sb_tx *tx, struct sb_str name, struct sb_str alias) {
    SB_TRY(sb_model_must_exist(tx, name));
    SB_TRY(sb_sql_run(tx->db,
                      "DELETE FROM registered_model_aliases WHERE workspace = 'default' AND name = "
                      "? AND alias = ?",
                      sb_sql_text(name), sb_sql_text(alias)));
    if (sb_sql_changes(tx->db)) sb_tx_changed(tx, SB_REGISTRY_ALIAS_CHANGED, name);
    return SB_OK;
}

sb_err sb_registry_alias_delete(struct sb_registry_call *c, struct sb_str name,
                                struct sb_str alias) {
    SB_TRY(sb_check_model_name(c, name, "name"));
    SB_TRY(sb_check_alias(c, alias, false));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, alias_delete_in(&tx, name, alias));
}

sb_err sb_alias_version(struct sb_tx *tx, struct sb_str name, struct sb_str alias, bool *found,
                        int64_t *version) {
    struct sb_sql_value v[] = {sb_sql_text(name), sb_sql_text(alias)};
    if (sb_str_ieq(alias, SB_STR("latest")))
        return sb_tx_one_int(tx, version, found,
                             SB_STR("SELECT version FROM model_versions WHERE workspace = "
                                    "'default' AND name = ? AND current_stage <> "
                                    "'Deleted_Internal' ORDER BY version DESC LIMIT 1"),
                             v, 1);
    return sb_tx_one_int(tx, version, found,
                         SB_STR("SELECT version FROM registered_model_aliases WHERE workspace = "
                                "'default' AND name = ? AND alias = ?"),
                         v, 2);
}

static sb_err alias_get_in(struct sb_tx *tx, struct sb_str name, struct sb_str alias,
                           struct sb_model_version *out) {
    bool found;
    int64_t version;
    SB_TRY(sb_model_must_exist(tx, name));
    SB_TRY(sb_alias_version(tx, name, alias, &found, &version));
    if (found) return sb_version_load_whole(tx, name, version, out);
    if (sb_str_ieq(alias, SB_STR("latest")))
        return sb_call_missing(tx->c, "Latest version not found for model %.*s.", SB_ARG(name));
    return sb_call_invalid(tx->c, "Registered model alias %.*s not found.", SB_ARG(alias));
}

sb_err sb_registry_alias_get(struct sb_registry_call *c, struct sb_str name, struct sb_str alias,
                             struct sb_model_version *out) {
    SB_TRY(sb_check_model_name(c, name, "name"));
    SB_TRY(sb_check_alias(c, alias, false));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, alias_get_in(&tx, name, alias, out));
}

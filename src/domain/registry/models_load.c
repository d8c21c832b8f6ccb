/* Registered models and versions from their rows. */
#include "domain/registry/models_int.h"

/* ---- versions ---- */

static struct sb_str model_id_of(struct sb_arena *a, struct sb_str source) {
    static const struct sb_str prefix = {"models:/m-", sizeof "models:/m-" - 1};
    if (!sb_str_starts(source, prefix)) return (struct sb_str){0};
    struct sb_str id = sb_str_sub(source, prefix.n - 2, source.n);
    if (sb_str_find(id, '/') >= 0 || sb_str_find(id, '@') >= 0) return (struct sb_str){0};
    return sb_str_of(sb_arena_printf(a, "%.*s", SB_ARG(id)));
}

void sb_version_read(struct sb_tx *tx, struct sb_sql_stmt *st, struct sb_version_rows *rows) {
    struct sb_model_version *v = sb_vec_push(tx, &rows->rows, sizeof *v);
    struct sb_str *id = sb_vec_push(tx, &rows->ids, sizeof *id);
    if (!v || !id) return;
    *v = (struct sb_model_version){
        .name = sb_tx_text(tx, st, 0),
        .version = sb_sql_col_int(st, 1),
        .creation_time = sb_tx_opt(st, 2),
        .last_updated_time = sb_tx_opt(st, 3),
        .user_id = sb_tx_text(tx, st, 4),
        .description = sb_tx_text(tx, st, 5),
        .source = sb_tx_text(tx, st, 6),
        .run_id = sb_tx_text(tx, st, 7),
        .run_link = sb_tx_text(tx, st, 8),
        .status = sb_tx_text(tx, st, 9),
        .status_message = sb_tx_text(tx, st, 10),
        .stage = sb_tx_text(tx, st, 11),
        .storage_location = sb_tx_text(tx, st, 12),
    };
    v->model_id = model_id_of(tx->arena, v->source);
    *id = sb_tx_text(tx, st, 13);
}

sb_err sb_version_rows_load(struct sb_tx *tx, const struct sb_version_rows *rows, size_t n,
                            struct sb_model_version **out) {
    struct sb_model_version *v = (void *)rows->rows.p;
    struct sb_str *ids = (void *)rows->ids.p;
    *out = v;
    if (tx->err) return tx->err;
    if (n == 0) return SB_OK;
    struct sb_tags **lists = sb_arena_try_array(tx->arena, n, sizeof(struct sb_tags *));
    if (!lists) return SB_E_LIMIT;
    for (size_t i = 0; i < n; i++) lists[i] = &v[i].tags;
    struct sb_ids index;
    SB_TRY(sb_ids_init(tx, &index, ids, n));
    return sb_tx_tags(tx,
                      "SELECT v.rowid, t.key, t.value FROM model_versions v JOIN "
                      "model_version_tags t ON t.workspace = v.workspace AND t.name = v.name AND "
                      "t.version = v.version WHERE v.rowid IN (%s) ORDER BY v.rowid, t.key",
                      ids, &index, n, lists);
}

static sb_err load_version(struct sb_tx *tx, struct sb_str name, int64_t version,
                           struct sb_version_rows *rows) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT " SB_VERSION_COLUMNS " FROM model_versions v WHERE v.workspace = "
                        "'default' AND v.name = ? AND v.version = ? AND v.current_stage <> "
                        "'Deleted_Internal'",
                        sb_sql_text(name), sb_sql_int(version)));
    while (sb_sql_next(st)) sb_version_read(tx, st, rows);
    SB_TRY(sb_sql_end(st));
    if (tx->err) return tx->err;
    if (rows->rows.n) return SB_OK;
    return sb_call_missing(tx->c, "Model Version (name=%.*s, version=%lld) not found", SB_ARG(name),
                           (long long)version);
}

sb_err sb_version_load(struct sb_tx *tx, struct sb_str name, int64_t version,
                       struct sb_model_version *out) {
    struct sb_version_rows rows = {0};
    SB_TRY(load_version(tx, name, version, &rows));
    *out = *(struct sb_model_version *)(void *)rows.rows.p;
    return SB_OK;
}

static sb_err load_version_aliases(struct sb_tx *tx, struct sb_model_version *v) {
    struct sb_vec rows = {0};
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT alias FROM registered_model_aliases WHERE workspace = 'default' "
                        "AND name = ? AND version = ? ORDER BY alias",
                        sb_sql_text(v->name), sb_sql_int(v->version)));
    while (sb_sql_next(st)) {
        struct sb_str *alias = sb_vec_push(tx, &rows, sizeof *alias);
        if (alias) *alias = sb_tx_text(tx, st, 0);
    }
    v->aliases = (const void *)rows.p;
    v->aliases_n = rows.n;
    return sb_sql_end(st);
}

sb_err sb_version_load_whole(struct sb_tx *tx, struct sb_str name, int64_t version,
                             struct sb_model_version *out) {
    struct sb_version_rows rows = {0};
    struct sb_model_version *v;
    SB_TRY(load_version(tx, name, version, &rows));
    SB_TRY(sb_version_rows_load(tx, &rows, 1, &v));
    *out = *v;
    return load_version_aliases(tx, out);
}

/* ---- models ---- */

static sb_err not_found(struct sb_tx *tx, struct sb_str name) {
    return sb_call_missing(tx->c, "Registered Model with name=%.*s not found", SB_ARG(name));
}

sb_err sb_model_must_exist(struct sb_tx *tx, struct sb_str name) {
    bool found;
    int64_t one;
    struct sb_sql_value v = sb_sql_text(name);
    SB_TRY(sb_tx_one_int(
        tx, &one, &found,
        SB_STR("SELECT 1 FROM registered_models WHERE workspace = 'default' AND name = ?"), &v, 1));
    return found ? SB_OK : not_found(tx, name);
}

sb_err sb_model_is_prompt(struct sb_tx *tx, struct sb_str name, bool *out) {
    int64_t one;
    struct sb_sql_value v = sb_sql_text(name);
    return sb_tx_one_int(tx, &one, out,
                         SB_STR("SELECT 1 FROM registered_model_tags WHERE workspace = 'default' "
                                "AND name = ? AND key = '" SB_PROMPT_TAG
                                "' AND lower(value) = 'true'"),
                         &v, 1);
}

sb_err sb_model_touch(struct sb_tx *tx, struct sb_str name) {
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE registered_models SET last_updated_time = ? WHERE workspace = "
                      "'default' AND name = ?",
                      sb_sql_int(tx->now), sb_sql_text(name)));
    return sb_sql_changes(tx->db) ? SB_OK : not_found(tx, name);
}

void sb_model_read(struct sb_tx *tx, struct sb_sql_stmt *st, struct sb_registered_model *out) {
    *out = (struct sb_registered_model){
        .name = sb_tx_text(tx, st, 0),
        .creation_time = sb_tx_opt(st, 1),
        .last_updated_time = sb_tx_opt(st, 2),
        .description = sb_tx_text(tx, st, 3),
    };
}

struct child_rows {
    const struct sb_ids *index;
    struct sb_vec aliases, alias_owners;
    struct sb_version_rows versions;
};

static void alias_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *user) {
    struct child_rows *c = user;
    size_t owner = sb_ids_find(c->index, sb_sql_col_text(st, 0));
    if (owner == SIZE_MAX) return;
    size_t *o = sb_vec_push(tx, &c->alias_owners, sizeof *o);
    struct sb_alias *a = sb_vec_push(tx, &c->aliases, sizeof *a);
    if (!o || !a) return;
    *o = owner;
    *a = (struct sb_alias){sb_tx_text(tx, st, 1), sb_sql_col_int(st, 2)};
}

static void version_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *user) {
    struct child_rows *c = user;
    sb_version_read(tx, st, &c->versions);
}

static sb_err load_aliases(struct sb_tx *tx, struct child_rows *c, struct sb_registered_model *v,
                           const struct sb_str *names, size_t n) {
    SB_TRY(sb_tx_each(tx,
                      "SELECT name, alias, version FROM registered_model_aliases WHERE workspace = "
                      "'default' AND name IN (%s) ORDER BY name, alias",
                      names, n, alias_row, c));
    struct sb_alias *rows = (void *)c->aliases.p;
    const size_t *owners = (const void *)c->alias_owners.p;
    for (size_t i = 0; i < c->aliases.n; i++) {
        struct sb_registered_model *m = &v[owners[i]];
        if (m->aliases_n++ == 0) m->aliases = &rows[i];
    }
    return SB_OK;
}

static sb_err load_latest(struct sb_tx *tx, struct child_rows *c, struct sb_registered_model *v,
                          const struct sb_str *names, size_t n) {
    SB_TRY(sb_tx_each(tx,
                      "SELECT " SB_VERSION_COLUMNS " FROM (SELECT name, max(version) AS newest "
                      "FROM model_versions WHERE workspace = 'default' AND name IN (%s) AND "
                      "current_stage <> 'Deleted_Internal' GROUP BY name, current_stage) n JOIN "
                      "model_versions v ON v.workspace = 'default' AND v.name = n.name AND "
                      "v.version = n.newest ORDER BY v.name, v.version",
                      names, n, version_row, c));
    struct sb_model_version *rows;
    SB_TRY(sb_version_rows_load(tx, &c->versions, c->versions.rows.n, &rows));
    for (size_t i = 0; i < c->versions.rows.n; i++) {
        size_t owner = sb_ids_find(c->index, rows[i].name);
        SB_ASSERT(owner != SIZE_MAX);
        if (v[owner].latest_versions_n++ == 0) v[owner].latest_versions = &rows[i];
    }
    return SB_OK;
}

sb_err sb_model_load_children(struct sb_tx *tx, struct sb_registered_model *v, size_t n) {
    if (n == 0) return SB_OK;
    struct sb_str *names = sb_arena_try_array(tx->arena, n, sizeof *names);
    struct sb_tags **lists = sb_arena_try_array(tx->arena, n, sizeof(struct sb_tags *));
    if (!names || !lists) return SB_E_LIMIT;
    for (size_t i = 0; i < n; i++) {
        names[i] = v[i].name;
        lists[i] = &v[i].tags;
    }
    struct sb_ids index;
    SB_TRY(sb_ids_init(tx, &index, names, n));
    SB_TRY(sb_tx_tags(tx,
                      "SELECT name, key, value FROM registered_model_tags WHERE workspace = "
                      "'default' AND name IN (%s) ORDER BY name, key",
                      names, &index, n, lists));
    struct child_rows c = {.index = &index};
    SB_TRY(load_aliases(tx, &c, v, names, n));
    return load_latest(tx, &c, v, names, n);
}

sb_err sb_model_load(struct sb_tx *tx, struct sb_str name, struct sb_registered_model *out) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT " SB_MODEL_COLUMNS " FROM registered_models m WHERE m.workspace = "
                        "'default' AND m.name = ?",
                        sb_sql_text(name)));
    bool found = sb_sql_next(st);
    if (found) sb_model_read(tx, st, out);
    SB_TRY(sb_sql_end(st));
    if (!found) return not_found(tx, name);
    if (tx->err) return tx->err;
    return sb_model_load_children(tx, out, 1);
}

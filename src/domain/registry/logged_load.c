#include "domain/registry/logged_load_int.h"

#include "codec/json.h"
#include "domain/registry/tracking_int.h"

void sb_logged_read(struct sb_tx *tx, struct sb_sql_stmt *st, struct sb_logged_model *out) {
    int64_t status = sb_sql_col_int(st, 6);
    bool known = status >= SB_LOGGED_MODEL_PENDING && status <= SB_LOGGED_MODEL_UPLOAD_FAILED;
    *out = (struct sb_logged_model){
        .model_id = sb_tx_text(tx, st, 0),
        .experiment_id = sb_sql_col_int(st, 1),
        .name = sb_tx_text(tx, st, 2),
        .artifact_uri = sb_tx_text(tx, st, 3),
        .creation_time = sb_sql_col_int(st, 4),
        .last_updated_time = sb_sql_col_int(st, 5),
        .status = known ? (enum sb_logged_model_status)status : SB_LOGGED_MODEL_UNSPECIFIED,
        .deleted = sb_str_is(sb_sql_col_text(st, 7), "deleted"),
        .model_type = sb_tx_text(tx, st, 8),
        .source_run_id = sb_tx_text(tx, st, 9),
        .status_message = sb_tx_text(tx, st, 10),
    };
}

sb_err sb_logged_model_load(struct sb_tx *tx, struct sb_str model_id, bool allow_deleted,
                            struct sb_logged_model *out) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT " SB_LOGGED_COLUMNS " FROM logged_models l WHERE l.model_id = ?",
                        sb_sql_text(model_id)));
    bool found = sb_sql_next(st);
    if (found) sb_logged_read(tx, st, out);
    SB_TRY(sb_sql_end(st));
    if (found && (allow_deleted || !out->deleted)) return SB_OK;
    return sb_call_missing(tx->c, "Logged model with ID '%.*s' not found.", SB_ARG(model_id));
}

/* ---- registrations ---- */

static bool registration_of(struct sb_arena *a, const struct sb_json *item,
                            struct sb_registration *out) {
    const struct sb_json *v = sb_json_get(item, "version");
    if (!sb_json_get_str(item, "name", &out->name) || !out->name.p || !v) return false;
    if (v->type != SB_JSON_STRING && !(v->type == SB_JSON_NUMBER && v->is_int)) return false;
    out->name = sb_arena_dup(a, out->name);
    out->version = sb_arena_dup(a, v->s);
    return out->name.p && out->version.p;
}

void sb_registrations_parse(struct sb_arena *a, struct sb_str text, struct sb_logged_model *m) {
    struct sb_json *list;
    m->registrations = NULL;
    m->registrations_n = 0;
    if (text.n == 0 || sb_json_parse(&list, text, a, NULL) || list->type != SB_JSON_ARRAY) return;
    m->registrations = sb_arena_try_array(a, list->n ? list->n : 1, sizeof *m->registrations);
    if (!m->registrations) return;
    for (const struct sb_json *item = list->child; item; item = item->next) {
        struct sb_registration r;
        if (!registration_of(a, item, &r)) continue;
        bool seen = false;
        for (size_t i = 0; i < m->registrations_n && !seen; i++)
            seen = sb_str_eq(m->registrations[i].name, r.name) &&
                   sb_str_eq(m->registrations[i].version, r.version);
        if (!seen) m->registrations[m->registrations_n++] = r;
    }
}

/* ---- children ---- */

struct metric_rows {
    const struct sb_ids *index;
    struct sb_vec owners, rows;
};

static void metric_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *user) {
    struct metric_rows *m = user;
    size_t owner = sb_ids_find(m->index, sb_sql_col_text(st, 0));
    if (owner == SIZE_MAX) return;
    size_t *o = sb_vec_push(tx, &m->owners, sizeof *o);
    struct sb_metric *v = sb_vec_push(tx, &m->rows, sizeof *v);
    if (!o || !v) return;
    *o = owner;
    *v = (struct sb_metric){
        .key = sb_tx_text(tx, st, 1),
        .value = sb_sql_col_double(st, 2),
        .timestamp = sb_sql_col_int(st, 3),
        .step = sb_sql_col_int(st, 4),
        .run_id = sb_tx_text(tx, st, 5),
        .dataset_name = sb_tx_text(tx, st, 6),
        .dataset_digest = sb_tx_text(tx, st, 7),
        .model_id = sb_tx_text(tx, st, 0),
    };
}

static sb_err load_metrics(struct sb_tx *tx, struct sb_logged_model *v, const struct sb_str *ids,
                           const struct sb_ids *index, size_t n) {
    struct metric_rows m = {.index = index};
    SB_TRY(sb_tx_each(tx,
                      "SELECT model_id, metric_name, metric_value, metric_timestamp_ms, "
                      "metric_step, run_id, dataset_name, dataset_digest FROM "
                      "logged_model_metrics WHERE model_id IN (%s) ORDER BY model_id, "
                      "metric_name, metric_timestamp_ms, metric_step",
                      ids, n, metric_row, &m));
    struct sb_metric *rows = (void *)m.rows.p;
    const size_t *owners = (const void *)m.owners.p;
    for (size_t i = 0; i < m.rows.n; i++) {
        struct sb_metrics *list = &v[owners[i]].metrics;
        if (list->n++ == 0) list->v = &rows[i];
    }
    return SB_OK;
}

static void find_registrations(struct sb_arena *a, struct sb_logged_model *m) {
    for (size_t i = 0; i < m->tags.n; i++)
        if (sb_str_is(m->tags.v[i].key, "mlflow.modelVersions"))
            sb_registrations_parse(a, m->tags.v[i].value, m);
}

sb_err sb_logged_load_children(struct sb_tx *tx, struct sb_logged_model *v, size_t n) {
    if (n == 0) return SB_OK;
    struct sb_str *ids = sb_arena_try_array(tx->arena, n, sizeof *ids);
    struct sb_tags **lists = sb_arena_try_array(tx->arena, n, sizeof(struct sb_tags *));
    if (!ids || !lists) return SB_E_LIMIT;
    struct sb_ids index;
    for (size_t i = 0; i < n; i++) ids[i] = v[i].model_id;
    SB_TRY(sb_ids_init(tx, &index, ids, n));
    for (size_t i = 0; i < n; i++) lists[i] = &v[i].params;
    SB_TRY(sb_tx_tags(tx,
                      "SELECT model_id, param_key, param_value FROM logged_model_params WHERE "
                      "model_id IN (%s) ORDER BY model_id, param_key",
                      ids, &index, n, lists));
    for (size_t i = 0; i < n; i++) lists[i] = &v[i].tags;
    SB_TRY(sb_tx_tags(tx,
                      "SELECT model_id, tag_key, tag_value FROM logged_model_tags WHERE model_id "
                      "IN (%s) ORDER BY model_id, tag_key",
                      ids, &index, n, lists));
    SB_TRY(load_metrics(tx, v, ids, &index, n));
    for (size_t i = 0; i < n; i++) find_registrations(tx->arena, &v[i]);
    return SB_OK;
}

sb_err sb_logged_model_load_whole(struct sb_tx *tx, struct sb_str model_id, bool allow_deleted,
                                  struct sb_logged_model *out) {
    SB_TRY(sb_logged_model_load(tx, model_id, allow_deleted, out));
    return sb_logged_load_children(tx, out, 1);
}

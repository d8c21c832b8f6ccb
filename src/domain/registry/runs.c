/* Runs: create, read, change, delete. Logging into them is run_log.c, searching run_search.c. */
#include "domain/registry/check_int.h"
#include "domain/registry/run_load_int.h"
#include "domain/registry/store_int.h"
#include "domain/registry/tracking.h"
#include "domain/registry/tracking_int.h"

static const char *const status_names[] = {
    [SB_RUN_RUNNING] = "RUNNING", [SB_RUN_SCHEDULED] = "SCHEDULED", [SB_RUN_FINISHED] = "FINISHED",
    [SB_RUN_FAILED] = "FAILED",   [SB_RUN_KILLED] = "KILLED",
};

const char *sb_run_status_name(enum sb_run_status s) {
    SB_ASSERT(s >= SB_RUN_RUNNING && s <= SB_RUN_KILLED);
    return status_names[s];
}

bool sb_run_status_parse(struct sb_str name, enum sb_run_status *out) {
    for (int i = SB_RUN_RUNNING; i <= SB_RUN_KILLED; i++)
        if (sb_str_is(name, status_names[i])) {
            *out = (enum sb_run_status)i;
            return true;
        }
    return false;
}

sb_err sb_run_load_info(struct sb_tx *tx, struct sb_str run_id, struct sb_run_info *out) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st, "SELECT " SB_RUN_COLUMNS " FROM runs r WHERE r.run_uuid = ?",
                        sb_sql_text(run_id)));
    bool found = sb_sql_next(st);
    if (found) sb_run_read_info(tx, st, out);
    SB_TRY(sb_sql_end(st));
    if (!found) return sb_call_missing(tx->c, "Run with id=%.*s not found", SB_ARG(run_id));
    return SB_OK;
}

sb_err sb_run_load_active(struct sb_tx *tx, struct sb_str run_id, struct sb_run_info *out) {
    SB_TRY(sb_run_load_info(tx, run_id, out));
    if (!out->deleted) return SB_OK;
    return sb_call_invalid(tx->c,
                           "The run %.*s must be in the 'active' state. Current state is deleted.",
                           SB_ARG(run_id));
}

sb_err sb_run_put_tag(struct sb_tx *tx, struct sb_str run_id, struct sb_str key,
                      struct sb_str value) {
    return sb_sql_run(tx->db,
                      "INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?) ON CONFLICT DO "
                      "UPDATE SET value = excluded.value",
                      sb_sql_text(run_id), sb_sql_text(key),
                      sb_sql_text(value.p ? value : SB_STR("")));
}

/* ---- create ---- */

static sb_err choose_name(struct sb_registry_call *c, struct sb_str name, struct sb_tags tags,
                          struct sb_str *out) {
    struct sb_str tagged = {0};
    for (size_t i = 0; i < tags.n; i++)
        if (sb_str_is(tags.v[i].key, "mlflow.runName")) tagged = tags.v[i].value;
    if (name.n && tagged.n && !sb_str_eq(name, tagged))
        return sb_call_invalid(c,
                               "Both 'run_name' argument and 'mlflow.runName' tag are specified, "
                               "but with different values (run_name='%.*s', "
                               "mlflow.runName='%.*s').",
                               SB_ARG(name), SB_ARG(tagged));
    *out = name.n ? name : tagged.n ? tagged : sb_text_made_up_name(c->arena);
    return SB_OK;
}

/* A real server cannot read a run without a user or a start: absent ones are "" and 0, as there. */
static sb_err create_in(struct sb_tx *tx, const struct sb_run_new *in, int64_t experiment_id,
                        struct sb_str name, struct sb_run *out) {
    struct sb_experiment e;
    SB_TRY(sb_experiment_load_active(tx, experiment_id, &e));
    struct sb_str id = sb_text_uuid(tx->arena, "");
    const char *parts[] = {id.p, "artifacts"};
    struct sb_str uri = sb_text_join(tx->arena, e.artifact_location, parts, 2);
    SB_TRY(sb_sql_run(tx->db,
                      "INSERT INTO runs (run_uuid, name, source_type, source_name, "
                      "entry_point_name, user_id, status, start_time, source_version, "
                      "lifecycle_stage, artifact_uri, experiment_id) VALUES (?, ?, 'UNKNOWN', '', "
                      "'', ?, 'RUNNING', ?, '', 'active', ?, ?)",
                      sb_sql_text(id), sb_sql_text(name),
                      sb_sql_text(in->user_id.p ? in->user_id : SB_STR("")),
                      sb_sql_int(in->start_time.v), sb_sql_text(uri), sb_sql_int(experiment_id)));
    for (size_t i = 0; i < in->tags.n; i++)
        SB_TRY(sb_run_put_tag(tx, id, in->tags.v[i].key, in->tags.v[i].value));
    SB_TRY(sb_run_put_tag(tx, id, SB_STR("mlflow.runName"), name));
    return sb_run_load(tx, id, out);
}

sb_err sb_registry_run_create(struct sb_registry_call *c, const struct sb_run_new *in,
                              struct sb_run *out) {
    int64_t experiment_id;
    struct sb_str name;
    SB_TRY(sb_check_experiment_id(c, in->experiment_id, &experiment_id));
    struct sb_run_new checked = *in;
    checked.tags.v = sb_arena_try_array(c->arena, in->tags.n, sizeof *checked.tags.v);
    for (size_t i = 0; i < in->tags.n && checked.tags.v; i++) {
        checked.tags.v[i] = in->tags.v[i];
        SB_TRY(sb_check_run_tag(c, &checked.tags.v[i], sb_arena_printf(c->arena, "tags[%zu]", i)));
    }
    if (in->tags.n && !checked.tags.v) return sb_call_invalid(c, "Too many tags.");
    SB_TRY(choose_name(c, in->name, checked.tags, &name));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, create_in(&tx, &checked, experiment_id, name, out));
}

/* ---- get ---- */

sb_err sb_registry_run_get(struct sb_registry_call *c, struct sb_str run_id, struct sb_run *out) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, sb_run_load(&tx, run_id, out));
}

sb_err sb_registry_run_info(struct sb_registry_call *c, struct sb_str run_id,
                            struct sb_run_info *out) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, sb_run_load_info(&tx, run_id, out));
}

/* ---- change ---- */

static sb_err update_in(struct sb_tx *tx, struct sb_str run_id, enum sb_run_status status,
                        struct sb_opt_i64 end_time, struct sb_str name, struct sb_run_info *out) {
    SB_TRY(sb_run_load_active(tx, run_id, out));
    if (status) out->status = status;
    if (end_time.has) out->end_time = end_time;
    if (name.n) {
        out->name = name;
        SB_TRY(sb_run_put_tag(tx, run_id, SB_STR("mlflow.runName"), name));
    }
    return sb_sql_run(tx->db,
                      "UPDATE runs SET status = ?, end_time = ?, name = ? WHERE run_uuid = ?",
                      sb_sql_text(sb_str_of(sb_run_status_name(out->status))),
                      sb_sql_opt(out->end_time), sb_sql_text(out->name), sb_sql_text(run_id));
}

sb_err sb_registry_run_update(struct sb_registry_call *c, struct sb_str run_id,
                              enum sb_run_status status, struct sb_opt_i64 end_time,
                              struct sb_str name, struct sb_run_info *out) {
    struct sb_tag tag = {SB_STR("mlflow.runName"), name};
    SB_TRY(sb_check_run_tag(c, &tag, ""));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, update_in(&tx, run_id, status, end_time, tag.value, out));
}

static sb_err set_deleted_in(struct sb_tx *tx, struct sb_str run_id, bool deleted) {
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE run_uuid = ?",
                      sb_sql_text(deleted ? SB_STR("deleted") : SB_STR("active")),
                      deleted ? sb_sql_int(tx->now) : sb_sql_null(), sb_sql_text(run_id)));
    if (sb_sql_changes(tx->db)) return SB_OK;
    return sb_call_missing(tx->c, "Run with id=%.*s not found", SB_ARG(run_id));
}

static sb_err set_deleted(struct sb_registry_call *c, struct sb_str run_id, bool deleted) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, set_deleted_in(&tx, run_id, deleted));
}

sb_err sb_registry_run_delete(struct sb_registry_call *c, struct sb_str run_id) {
    return set_deleted(c, run_id, true);
}

sb_err sb_registry_run_restore(struct sb_registry_call *c, struct sb_str run_id) {
    return set_deleted(c, run_id, false);
}

/* Removal for good. The rows of an item and the move of its files out of their place are one write
 * transaction, so that nobody can restore an item whose files are already gone. Schema 3.17.2 lets
 * some children go by ON DELETE CASCADE; the others are named here. */
#include "domain/registry/gc.h"

#include "domain/registry/check_int.h"
#include "domain/registry/logged_load_int.h"
#include "domain/registry/tracking_int.h"

static const char *const kind_names[] = {"run", "logged_model", "experiment"};

const char *sb_gc_kind_name(enum sb_gc_kind k) {
    return kind_names[k];
}

bool sb_gc_kind_parse(struct sb_str name, enum sb_gc_kind *out) {
    for (size_t i = 0; i < SB_COUNT(kind_names); i++)
        if (sb_str_is(name, kind_names[i])) return *out = (enum sb_gc_kind)i, true;
    return false;
}

/* ---- plan ---- */

struct plan {
    const struct sb_gc_select *select;
    int64_t before; /* deleted earlier than this, ms */
    struct sb_vec items[3];
};

static void plan_add(struct sb_tx *tx, struct plan *p, enum sb_gc_kind kind, struct sb_str id) {
    struct sb_gc_item *i = sb_vec_push(tx, &p->items[kind], sizeof *i);
    if (i) *i = (struct sb_gc_item){kind, id};
}

static sb_err plan_rows(struct sb_tx *tx, struct plan *p, enum sb_gc_kind kind, struct sb_str sql,
                        int64_t value) {
    struct sb_sql_stmt *st;
    struct sb_sql_value v = sb_sql_int(value);
    SB_TRY(sb_sql_query_values(tx->db, &st, sql, &v, 1));
    while (sb_sql_next(st)) plan_add(tx, p, kind, sb_tx_text(tx, st, 0));
    return sb_sql_end(st);
}

/* What an experiment takes with it. */
static sb_err plan_children(struct sb_tx *tx, struct plan *p, int64_t experiment_id) {
    SB_TRY(plan_rows(tx, p, SB_GC_RUN,
                     SB_STR("SELECT run_uuid FROM runs WHERE experiment_id = ? AND "
                            "lifecycle_stage = 'deleted' ORDER BY deleted_time, run_uuid"),
                     experiment_id));
    return plan_rows(tx, p, SB_GC_LOGGED_MODEL,
                     SB_STR("SELECT model_id FROM logged_models WHERE experiment_id = ? ORDER BY "
                            "model_id"),
                     experiment_id);
}

static sb_err plan_experiments(struct sb_tx *tx, struct plan *p) {
    const struct sb_gc_item *v = (void *)p->items[SB_GC_EXPERIMENT].p;
    for (size_t i = 0; i < p->items[SB_GC_EXPERIMENT].n; i++) {
        int64_t id;
        SB_TRY(sb_check_experiment_id(tx->c, v[i].id, &id));
        SB_TRY(plan_children(tx, p, id));
    }
    return SB_OK;
}

static sb_err plan_all(struct sb_tx *tx, struct plan *p) {
    SB_TRY(plan_rows(tx, p, SB_GC_EXPERIMENT,
                     SB_STR("SELECT experiment_id FROM experiments WHERE lifecycle_stage = "
                            "'deleted' AND last_update_time <= ? ORDER BY experiment_id"),
                     p->before));
    SB_TRY(plan_experiments(tx, p));
    SB_TRY(plan_rows(tx, p, SB_GC_RUN,
                     SB_STR("SELECT run_uuid FROM runs WHERE lifecycle_stage = 'deleted' AND "
                            "deleted_time <= ? ORDER BY deleted_time, run_uuid"),
                     p->before));
    return plan_rows(tx, p, SB_GC_LOGGED_MODEL,
                     SB_STR("SELECT model_id FROM logged_models WHERE lifecycle_stage = 'deleted' "
                            "AND last_updated_timestamp_ms <= ? ORDER BY model_id"),
                     p->before);
}

/* ---- plan: items that were named ---- */

static sb_err check_named(struct sb_tx *tx, const struct plan *p, const char *what,
                          struct sb_str id, bool deleted, struct sb_opt_i64 since) {
    if (!deleted)
        return sb_call_invalid(tx->c,
                               "%s %.*s is not in `deleted` lifecycle stage. Only what was deleted "
                               "before can be removed for good.",
                               what, SB_ARG(id));
    if (p->select->older_than_ms && (!since.has || since.v > p->before))
        return sb_call_invalid(tx->c, "%s %.*s is not older than the required age.", what,
                               SB_ARG(id));
    return SB_OK;
}

static sb_err named_run(struct sb_tx *tx, struct plan *p, struct sb_str id) {
    struct sb_run_info info;
    struct sb_sql_stmt *st;
    SB_TRY(sb_run_load_info(tx, id, &info));
    SB_TRY(sb_sql_query(tx->db, &st, "SELECT deleted_time FROM runs WHERE run_uuid = ?",
                        sb_sql_text(id)));
    struct sb_opt_i64 since = {0};
    if (sb_sql_next(st)) since = sb_tx_opt(st, 0);
    SB_TRY(sb_sql_end(st));
    return check_named(tx, p, "Run", id, info.deleted, since);
}

static sb_err named_model(struct sb_tx *tx, struct plan *p, struct sb_str id) {
    struct sb_logged_model m;
    SB_TRY(sb_logged_model_load(tx, id, true, &m));
    return check_named(tx, p, "Logged model", id, m.deleted, SB_SOME(m.last_updated_time));
}

static sb_err named_experiment(struct sb_tx *tx, struct plan *p, struct sb_str id) {
    struct sb_experiment e;
    int64_t n;
    SB_TRY(sb_check_experiment_id(tx->c, id, &n));
    SB_TRY(sb_experiment_load(tx, n, &e));
    return check_named(tx, p, "Experiment", id, e.deleted, e.last_update_time);
}

static sb_err plan_named(struct sb_tx *tx, struct plan *p) {
    sb_err (*const check[])(struct sb_tx *, struct plan *, struct sb_str) = {
        [SB_GC_RUN] = named_run,
        [SB_GC_LOGGED_MODEL] = named_model,
        [SB_GC_EXPERIMENT] = named_experiment,
    };
    for (int k = SB_GC_RUN; k <= SB_GC_EXPERIMENT; k++)
        for (size_t i = 0; i < p->select->ids_n[k]; i++) {
            SB_TRY(check[k](tx, p, p->select->ids[k][i]));
            plan_add(tx, p, (enum sb_gc_kind)k, p->select->ids[k][i]);
        }
    return plan_experiments(tx, p);
}

/* A run may be in the plan by itself and by its experiment. */
static void take_unique(struct sb_tx *tx, const struct sb_vec *from, struct sb_vec *to) {
    struct sb_str *ids = sb_arena_try_array(tx->arena, from->n + 1, sizeof *ids);
    const struct sb_gc_item *v = (void *)from->p;
    struct sb_ids index;
    if (!ids) {
        tx->err = SB_E_LIMIT;
        return;
    }
    for (size_t i = 0; i < from->n; i++) ids[i] = v[i].id;
    if ((tx->err = sb_ids_init(tx, &index, ids, from->n))) return;
    for (size_t i = 0; i < from->n; i++) {
        if (sb_ids_find(&index, v[i].id) != i) continue;
        struct sb_gc_item *item = sb_vec_push(tx, to, sizeof *item);
        if (item) *item = v[i];
    }
}

static sb_err plan_in(struct sb_tx *tx, struct plan *p, bool named, struct sb_gc_items *out) {
    struct sb_vec all = {0};
    p->before = tx->now - p->select->older_than_ms;
    SB_TRY(named ? plan_named(tx, p) : plan_all(tx, p));
    for (int k = SB_GC_RUN; k <= SB_GC_EXPERIMENT && !tx->err; k++)
        take_unique(tx, &p->items[k], &all);
    *out = (struct sb_gc_items){(void *)all.p, all.n};
    return tx->err;
}

sb_err sb_registry_gc_plan(struct sb_registry_call *c, const struct sb_gc_select *s,
                           struct sb_gc_items *out) {
    struct plan p = {.select = s};
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, plan_in(&tx, &p, s->ids_n[0] || s->ids_n[1] || s->ids_n[2], out));
}

/* ---- removal ---- */

struct removal {
    const struct sb_gc_item *item;
    bool force;
    const struct sb_gc_files *files;
    struct sb_gc_outcome *out;
    bool aside; /* the files were moved */
};

static sb_err keep(struct sb_tx *tx, struct removal *r, const char *why) {
    r->out->why_kept = sb_str_of(sb_arena_printf(tx->arena, "%s", why));
    return SB_OK;
}

/* A registered version whose files lie at uri or below it; absent when there is none. */
static sb_err find_version(struct sb_tx *tx, struct sb_str uri, struct sb_str *out) {
    struct sb_sql_stmt *st;
    *out = (struct sb_str){0};
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT name || ' version ' || version FROM (SELECT name, version, "
                        "coalesce(nullif(storage_location, ''), source) AS place FROM "
                        "model_versions WHERE current_stage <> 'Deleted_Internal') WHERE place = "
                        "?1 OR substr(place, 1, length(?1) + 1) = ?1 || '/' LIMIT 1",
                        sb_sql_text(uri)));
    if (sb_sql_next(st)) *out = sb_tx_text(tx, st, 0);
    return sb_sql_end(st);
}

/* Moves the files unless a version needs them; *go = false when the item stays. */
static sb_err take_files(struct sb_tx *tx, struct removal *r, struct sb_str uri, bool *go) {
    struct sb_str version = {0};
    struct sb_errctx ctx;
    *go = false;
    if (!r->force) SB_TRY(find_version(tx, uri, &version));
    if (version.n)
        return keep(
            tx, r, sb_arena_printf(tx->arena, "it holds the files of model %.*s", SB_ARG(version)));
    *go = true;
    if (!uri.n) return SB_OK;
    sb_errctx_reset(&ctx);
    sb_err err = r->files->set_aside(r->files->user, uri, &ctx);
    if (err == SB_E_UNSUPPORTED) {
        r->out->files_left = uri;
        return SB_OK;
    }
    if (err)
        return sb_call_fail(tx->c, SB_MLFLOW_INTERNAL_ERROR, "cannot remove the files of %.*s: %s",
                            SB_ARG(r->item->id), sb_errctx_text(&ctx, err));
    r->aside = true;
    return SB_OK;
}

/* Removed before, by a plan that is carried out again. */
static sb_err missing_is_fine(sb_err err) {
    return err == SB_E_MISSING ? SB_OK : err;
}

static sb_err run_each(struct sb_tx *tx, const char *const *sql, size_t n, struct sb_sql_value id) {
    for (size_t i = 0; i < n; i++) SB_TRY(sb_sql_run_values(tx->db, sb_str_of(sql[i]), &id, 1));
    return SB_OK;
}

/* The edges of table inputs that name an object of one kind by its id. */
#define DELETE_EDGES(where)                                                                        \
    "DELETE FROM input_tags WHERE input_uuid IN (SELECT input_uuid FROM inputs WHERE " where ")",  \
        "DELETE FROM inputs WHERE " where

static sb_err remove_run(struct sb_tx *tx, struct removal *r) {
    static const char *const rows[] = {
        "DELETE FROM metrics WHERE run_uuid = ?",
        "DELETE FROM latest_metrics WHERE run_uuid = ?",
        "DELETE FROM params WHERE run_uuid = ?",
        "DELETE FROM tags WHERE run_uuid = ?",
        DELETE_EDGES("destination_type = 'RUN' AND destination_id = ?"),
        DELETE_EDGES("source_type = 'RUN_INPUT' AND source_id = ?"),
        DELETE_EDGES("source_type = 'RUN_OUTPUT' AND source_id = ?"),
        "DELETE FROM runs WHERE run_uuid = ?",
    };
    struct sb_run_info info;
    bool go;
    sb_err err = sb_run_load_info(tx, r->item->id, &info);
    if (err) return missing_is_fine(err);
    if (!info.deleted) return keep(tx, r, "it is not deleted (any more)");
    SB_TRY(take_files(tx, r, info.artifact_uri, &go));
    return go ? run_each(tx, rows, SB_COUNT(rows), sb_sql_text(r->item->id)) : SB_OK;
}

static sb_err remove_model(struct sb_tx *tx, struct removal *r) {
    static const char *const rows[] = {
        DELETE_EDGES("destination_type IN ('MODEL_INPUT', 'MODEL_OUTPUT') AND destination_id = ?"),
        "DELETE FROM logged_models WHERE model_id = ?",
    };
    struct sb_logged_model m;
    struct sb_experiment e;
    bool go;
    sb_err err = sb_logged_model_load(tx, r->item->id, true, &m);
    if (err) return missing_is_fine(err);
    SB_TRY(sb_experiment_load(tx, m.experiment_id, &e));
    if (!m.deleted && !e.deleted) return keep(tx, r, "it is not deleted (any more)");
    SB_TRY(take_files(tx, r, m.artifact_uri, &go));
    return go ? run_each(tx, rows, SB_COUNT(rows), sb_sql_text(r->item->id)) : SB_OK;
}

static sb_err remove_experiment(struct sb_tx *tx, struct removal *r) {
    static const char *const rows[] = {
        "DELETE FROM experiment_tags WHERE experiment_id = ?",
        "DELETE FROM online_scoring_configs WHERE experiment_id = ?",
        "DELETE FROM trace_info WHERE experiment_id = ?",
        "DELETE FROM sql_assessment_daily_rollups WHERE experiment_id = ?",
        "DELETE FROM sql_span_cost_daily_rollups WHERE experiment_id = ?",
        "DELETE FROM sql_trace_metric_daily_rollups WHERE experiment_id = ?",
        "DELETE FROM sql_trace_rollup_rebuild_queue WHERE experiment_id = ?",
        "DELETE FROM experiments WHERE experiment_id = ?",
    };
    struct sb_experiment e;
    int64_t id, left;
    SB_TRY(sb_check_experiment_id(tx->c, r->item->id, &id));
    sb_err err = sb_experiment_load(tx, id, &e);
    if (err) return missing_is_fine(err);
    if (!e.deleted) return keep(tx, r, "it is not deleted (any more)");
    struct sb_sql_value v = sb_sql_int(id);
    SB_TRY(sb_tx_one_int(tx, &left, NULL,
                         SB_STR("SELECT (SELECT count(*) FROM runs WHERE experiment_id = ?1) + "
                                "(SELECT count(*) FROM logged_models WHERE experiment_id = ?1)"),
                         &v, 1));
    if (left)
        return keep(
            tx, r,
            sb_arena_printf(tx->arena, "it still has %lld runs or logged models", (long long)left));
    return run_each(tx, rows, SB_COUNT(rows), v);
}

sb_err sb_registry_gc_remove(struct sb_registry_call *c, const struct sb_gc_item *item, bool force,
                             const struct sb_gc_files *files, struct sb_gc_outcome *out) {
    sb_err (*const remove[])(struct sb_tx *, struct removal *) = {
        [SB_GC_RUN] = remove_run,
        [SB_GC_LOGGED_MODEL] = remove_model,
        [SB_GC_EXPERIMENT] = remove_experiment,
    };
    struct removal r = {.item = item, .force = force, .files = files, .out = out};
    struct sb_tx tx;
    *out = (struct sb_gc_outcome){0};
    SB_TRY(sb_tx_begin(&tx, c, true));
    sb_err err = sb_tx_end(&tx, remove[item->kind](&tx, &r));
    if (r.aside) err ? files->put_back(files->user) : files->discard(files->user);
    out->removed = !err && !out->why_kept.p;
    return err;
}

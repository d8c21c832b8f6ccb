/* Experiments. */
#include <limits.h>
#include <stdlib.h>

#include "domain/registry/check_int.h"
#include "domain/registry/filter.h"
#include "domain/registry/source_check.h"
#include "domain/registry/store_int.h"
#include "domain/registry/tracking.h"
#include "domain/registry/tracking_int.h"

#define COLUMNS                                                                                    \
    "e.experiment_id, e.name, e.artifact_location, e.lifecycle_stage, e.creation_time, "           \
    "e.last_update_time"

static void read_row(struct sb_tx *tx, struct sb_sql_stmt *st, struct sb_experiment *out) {
    *out = (struct sb_experiment){
        .id = sb_sql_col_int(st, 0),
        .name = sb_tx_text(tx, st, 1),
        .artifact_location = sb_tx_text(tx, st, 2),
        .deleted = !sb_str_is(sb_sql_col_text(st, 3), "active"),
        .creation_time = sb_tx_opt(st, 4),
        .last_update_time = sb_tx_opt(st, 5),
    };
}

static sb_err load_tags(struct sb_tx *tx, struct sb_experiment *v, size_t n) {
    if (n == 0) return SB_OK;
    struct sb_str *ids = sb_arena_try_array(tx->arena, n, sizeof *ids);
    struct sb_tags **lists = sb_arena_try_array(tx->arena, n, sizeof(struct sb_tags *));
    if (!ids || !lists) return SB_E_LIMIT;
    for (size_t i = 0; i < n; i++) {
        ids[i] = sb_str_of(sb_arena_printf(tx->arena, "%lld", (long long)v[i].id));
        lists[i] = &v[i].tags;
    }
    struct sb_ids index;
    SB_TRY(sb_ids_init(tx, &index, ids, n));
    return sb_tx_tags(
        tx,
        "SELECT experiment_id, key, value FROM experiment_tags WHERE experiment_id IN "
        "(%s) ORDER BY experiment_id, key",
        ids, &index, n, lists);
}

sb_err sb_experiment_load(struct sb_tx *tx, int64_t id, struct sb_experiment *out) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT " COLUMNS " FROM experiments e WHERE e.experiment_id = ?",
                        sb_sql_int(id)));
    bool found = sb_sql_next(st);
    if (found) read_row(tx, st, out);
    SB_TRY(sb_sql_end(st));
    if (!found) return sb_call_missing(tx->c, "No Experiment with id=%lld exists", (long long)id);
    return SB_OK;
}

sb_err sb_experiment_load_active(struct sb_tx *tx, int64_t id, struct sb_experiment *out) {
    SB_TRY(sb_experiment_load(tx, id, out));
    if (!out->deleted) return SB_OK;
    return sb_call_invalid(tx->c,
                           "The experiment %lld must be in the 'active' state. Current state is "
                           "deleted.",
                           (long long)id);
}

/* ---- create ---- */

/* A relative local path means one below the server's working directory, as with MLflow. */
static sb_err check_location(struct sb_registry_call *c, struct sb_str *location) {
    struct sb_errctx ctx;
    sb_errctx_reset(&ctx);
    if (sb_source_check_uri(*location, c->arena, &ctx))
        return sb_call_invalid(c, "Invalid artifact_location '%.*s': %s", SB_ARG(*location),
                               ctx.msg);
    if (sb_str_starts(*location, SB_STR("runs:")))
        return sb_call_invalid(c, "Artifact location cannot be a runs:/ URI. Given: '%.*s'",
                               SB_ARG(*location));
    SB_TRY(sb_check_length(c, "artifact_location", 256, *location));
    char here[PATH_MAX];
    if (location->p[0] == '/' || !sb_source_is_local(*location) ||
        sb_str_starts(*location, SB_STR("file:")) || !realpath(".", here))
        return SB_OK;
    const char *name = sb_arena_dup(c->arena, *location).p;
    *location = sb_text_join(c->arena, sb_str_of(here), &name, 1);
    return SB_OK;
}

static sb_err put_tag(struct sb_tx *tx, int64_t id, struct sb_tag tag) {
    return sb_sql_run(tx->db,
                      "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?) "
                      "ON CONFLICT DO UPDATE SET value = excluded.value",
                      sb_sql_int(id), sb_sql_text(tag.key),
                      sb_sql_text(tag.value.p ? tag.value : SB_STR("")));
}

static sb_err create_in(struct sb_tx *tx, struct sb_str name, struct sb_str location,
                        struct sb_tags tags, int64_t *id) {
    sb_err err = sb_sql_run(tx->db,
                            "INSERT INTO experiments (name, artifact_location, lifecycle_stage, "
                            "creation_time, last_update_time, workspace) VALUES (?, ?, 'active', "
                            "?, ?, 'default')",
                            sb_sql_text(name), sb_sql_text(location), sb_sql_int(tx->now),
                            sb_sql_int(tx->now));
    if (err == SB_E_EXISTS)
        return sb_call_fail(tx->c, SB_MLFLOW_RESOURCE_ALREADY_EXISTS,
                            "Experiment(name=%.*s) already exists.", SB_ARG(name));
    if (err) return err;
    *id = sb_sql_last_id(tx->db);
    if (!location.p) {
        const char *part = sb_arena_printf(tx->arena, "%lld", (long long)*id);
        location = sb_text_join(tx->arena, sb_str_of(sb_tx_artifact_root(tx)), &part, 1);
        SB_TRY(sb_sql_run(tx->db,
                          "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                          sb_sql_text(location), sb_sql_int(*id)));
    }
    for (size_t i = 0; i < tags.n; i++) SB_TRY(put_tag(tx, *id, tags.v[i]));
    return SB_OK;
}

sb_err sb_registry_experiment_create(struct sb_registry_call *c, struct sb_str name,
                                     struct sb_str artifact_location, struct sb_tags tags,
                                     int64_t *id) {
    SB_TRY(sb_check_experiment_name(c, name));
    if (artifact_location.n == 0)
        artifact_location = (struct sb_str){0};
    else
        SB_TRY(check_location(c, &artifact_location));
    for (size_t i = 0; i < tags.n; i++) SB_TRY(sb_check_experiment_tag(c, tags.v[i]));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    int64_t made = 0;
    SB_TRY(sb_tx_end(&tx, create_in(&tx, name, artifact_location, tags, &made)));
    *id = made;
    return SB_OK;
}

/* ---- get ---- */

static sb_err get_in(struct sb_tx *tx, int64_t id, struct sb_experiment *out) {
    SB_TRY(sb_experiment_load(tx, id, out));
    return load_tags(tx, out, 1);
}

sb_err sb_registry_experiment_get(struct sb_registry_call *c, struct sb_str id,
                                  struct sb_experiment *out) {
    int64_t n;
    SB_TRY(sb_check_experiment_id(c, id, &n));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, get_in(&tx, n, out));
}

static sb_err by_name_in(struct sb_tx *tx, struct sb_str name, struct sb_experiment *out) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT " COLUMNS
                        " FROM experiments e WHERE e.workspace = 'default' AND e.name "
                        "= ?",
                        sb_sql_text(name)));
    bool found = sb_sql_next(st);
    if (found) read_row(tx, st, out);
    SB_TRY(sb_sql_end(st));
    if (!found)
        return sb_call_missing(tx->c, "Could not find experiment with name '%.*s'", SB_ARG(name));
    return load_tags(tx, out, 1);
}

sb_err sb_registry_experiment_by_name(struct sb_registry_call *c, struct sb_str name,
                                      struct sb_experiment *out) {
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, by_name_in(&tx, name, out));
}

/* ---- search ---- */

struct experiment_query {
    const struct sb_filter *filter;
    const struct sb_orders *orders;
    enum sb_view view;
    int64_t limit, offset;
};

static void compose(struct sb_query *q, const struct experiment_query *x) {
    sb_buf_addz(&q->sql, "SELECT " COLUMNS " FROM experiments e WHERE e.workspace = 'default'");
    if (x->view != SB_VIEW_ALL)
        sb_buf_addz(&q->sql, x->view == SB_VIEW_ACTIVE_ONLY ? " AND e.lifecycle_stage = 'active'"
                                                            : " AND e.lifecycle_stage = 'deleted'");
    sb_filter_sql(q, SB_FOR_EXPERIMENTS, x->filter, NULL, 0);
    sb_buf_addz(&q->sql, " ORDER BY ");
    if (x->orders->n == 0) sb_buf_addz(&q->sql, "e.creation_time DESC, e.experiment_id ASC, ");
    for (size_t i = 0; i < x->orders->n; i++)
        sb_buf_addf(&q->sql, "%s %s, ", x->orders->v[i].attribute->column,
                    x->orders->v[i].descending ? "DESC" : "ASC");
    sb_buf_addz(&q->sql, "e.experiment_id DESC");
    sb_query_page(q, x->limit, x->offset);
}

static void found_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *rows) {
    struct sb_experiment *e = sb_vec_push(tx, rows, sizeof *e);
    if (e) read_row(tx, st, e);
}

static sb_err search_in(struct sb_tx *tx, const struct experiment_query *x,
                        struct sb_experiments *out) {
    struct sb_query q;
    struct sb_vec rows = {0};
    sb_query_init(&q);
    compose(&q, x);
    SB_TRY(sb_query_run(tx, &q, found_row, &rows));
    *out = (struct sb_experiments){.v = (void *)rows.p, .n = rows.n};
    if (sb_page_cut(&out->n, x->limit))
        out->next_page_token = sb_page_make(tx->arena, x->offset + x->limit);
    return load_tags(tx, out->v, out->n);
}

sb_err sb_registry_experiment_search(struct sb_registry_call *c, const struct sb_search *s,
                                     enum sb_view view, struct sb_experiments *out) {
    struct sb_filter *filter = sb_arena_alloc(c->arena, sizeof *filter);
    struct sb_orders orders;
    struct experiment_query x = {.filter = filter, .orders = &orders, .view = view};
    SB_TRY(sb_page_size(c, s->max_results, 1000, 50000, &x.limit));
    SB_TRY(sb_filter_parse(c, SB_FOR_EXPERIMENTS, s->filter, filter));
    SB_TRY(sb_order_parse(c, SB_FOR_EXPERIMENTS, s->order_by, s->order_by_n, &orders));
    SB_TRY(sb_page_parse(c, s->page_token, &x.offset));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, search_in(&tx, &x, out));
}

/* ---- change ---- */

static sb_err rename_in(struct sb_tx *tx, int64_t id, struct sb_str name) {
    struct sb_experiment e;
    SB_TRY(sb_experiment_load(tx, id, &e));
    if (e.deleted)
        return sb_call_fail(tx->c, SB_MLFLOW_INVALID_STATE,
                            "Cannot rename a non-active experiment.");
    sb_err err = sb_sql_run(tx->db,
                            "UPDATE experiments SET name = ?, last_update_time = ? WHERE "
                            "experiment_id = ?",
                            sb_sql_text(name), sb_sql_int(tx->now), sb_sql_int(id));
    if (err == SB_E_EXISTS)
        return sb_call_fail(tx->c, SB_MLFLOW_RESOURCE_ALREADY_EXISTS,
                            "Experiment(name=%.*s) already exists.", SB_ARG(name));
    return err;
}

sb_err sb_registry_experiment_rename(struct sb_registry_call *c, struct sb_str id,
                                     struct sb_str new_name) {
    int64_t n;
    SB_TRY(sb_check_experiment_name(c, new_name));
    SB_TRY(sb_check_experiment_id(c, id, &n));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, rename_in(&tx, n, new_name));
}

/* Its runs go and come with it, as with MLflow: also runs that had been deleted before. */
static sb_err set_deleted_in(struct sb_tx *tx, int64_t id, bool deleted) {
    SB_TRY(sb_sql_run(tx->db,
                      "UPDATE experiments SET lifecycle_stage = ?1, last_update_time = ?2 WHERE "
                      "experiment_id = ?3 AND lifecycle_stage <> ?1",
                      sb_sql_text(deleted ? SB_STR("deleted") : SB_STR("active")),
                      sb_sql_int(tx->now), sb_sql_int(id)));
    if (sb_sql_changes(tx->db) == 0)
        return sb_call_missing(tx->c, "No Experiment with id=%lld exists", (long long)id);
    return sb_sql_run(tx->db,
                      "UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE experiment_id "
                      "= ?",
                      sb_sql_text(deleted ? SB_STR("deleted") : SB_STR("active")),
                      deleted ? sb_sql_int(tx->now) : sb_sql_null(), sb_sql_int(id));
}

static sb_err set_deleted(struct sb_registry_call *c, struct sb_str id, bool deleted) {
    int64_t n;
    SB_TRY(sb_check_experiment_id(c, id, &n));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, set_deleted_in(&tx, n, deleted));
}

sb_err sb_registry_experiment_delete(struct sb_registry_call *c, struct sb_str id) {
    return set_deleted(c, id, true);
}

sb_err sb_registry_experiment_restore(struct sb_registry_call *c, struct sb_str id) {
    return set_deleted(c, id, false);
}

/* ---- tags ---- */

static sb_err tag_set_in(struct sb_tx *tx, int64_t id, struct sb_tag tag) {
    struct sb_experiment e;
    SB_TRY(sb_experiment_load_active(tx, id, &e));
    return put_tag(tx, id, tag);
}

sb_err sb_registry_experiment_tag_set(struct sb_registry_call *c, struct sb_str id,
                                      struct sb_str key, struct sb_str value) {
    int64_t n;
    struct sb_tag tag = {key, value};
    SB_TRY(sb_check_experiment_tag(c, tag));
    SB_TRY(sb_check_experiment_id(c, id, &n));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, tag_set_in(&tx, n, tag));
}

static sb_err tag_delete_in(struct sb_tx *tx, int64_t id, struct sb_str key) {
    struct sb_experiment e;
    SB_TRY(sb_experiment_load_active(tx, id, &e));
    SB_TRY(sb_sql_run(tx->db, "DELETE FROM experiment_tags WHERE experiment_id = ? AND key = ?",
                      sb_sql_int(id), sb_sql_text(key)));
    if (sb_sql_changes(tx->db)) return SB_OK;
    return sb_call_missing(tx->c, "No tag with name: %.*s in experiment with id %lld", SB_ARG(key),
                           (long long)id);
}

sb_err sb_registry_experiment_tag_delete(struct sb_registry_call *c, struct sb_str id,
                                         struct sb_str key) {
    int64_t n;
    SB_TRY(sb_check_experiment_id(c, id, &n));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, true));
    return sb_tx_end(&tx, tag_delete_in(&tx, n, key));
}

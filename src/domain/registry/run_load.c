#include "domain/registry/run_load_int.h"

#include <math.h>

#include "domain/registry/tracking_int.h"

void sb_run_read_info(struct sb_tx *tx, struct sb_sql_stmt *st, struct sb_run_info *out) {
    *out = (struct sb_run_info){
        .run_id = sb_tx_text(tx, st, 0),
        .name = sb_tx_text(tx, st, 1),
        .user_id = sb_tx_text(tx, st, 2),
        .status = SB_RUN_RUNNING,
        .start_time = sb_tx_opt(st, 4),
        .end_time = sb_tx_opt(st, 5),
        .deleted = !sb_str_is(sb_sql_col_text(st, 6), "active"),
        .artifact_uri = sb_tx_text(tx, st, 7),
        .experiment_id = sb_sql_col_int(st, 8),
    };
    /* The column has a CHECK of these names. */
    SB_UNUSED(sb_run_status_parse(sb_sql_col_text(st, 3), &out->status));
}

double sb_metric_value(struct sb_sql_stmt *st, int value_column, int is_nan_column) {
    return sb_sql_col_int(st, is_nan_column) ? (double)NAN : sb_sql_col_double(st, value_column);
}

/* ---- children: rows of one run come together, and are handed out once all are there ---- */

struct children {
    const struct sb_ids *index;
    struct sb_run *runs;
    struct sb_vec owners; /* size_t: the run of each of */
    struct sb_vec rows;   /* struct sb_metric, sb_model_link or sb_dataset_input */
    struct sb_vec tags;   /* struct sb_tag of dataset inputs */
};

static void *add(struct sb_tx *tx, struct children *c, struct sb_sql_stmt *st, size_t size) {
    size_t owner = sb_ids_find(c->index, sb_sql_col_text(st, 0));
    if (owner == SIZE_MAX) return NULL;
    size_t *o = sb_vec_push(tx, &c->owners, sizeof *o);
    if (!o) return NULL;
    *o = owner;
    return sb_vec_push(tx, &c->rows, size);
}

static size_t owner_of(const struct children *c, size_t i) {
    return ((const size_t *)(const void *)c->owners.p)[i];
}

static void metric_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *user) {
    struct sb_metric *m = add(tx, user, st, sizeof *m);
    if (!m) return;
    m->key = sb_tx_text(tx, st, 1);
    m->value = sb_metric_value(st, 2, 5);
    m->timestamp = sb_sql_col_int(st, 3);
    m->step = sb_sql_col_int(st, 4);
}

static sb_err load_metrics(struct sb_tx *tx, struct children *c, const struct sb_str *ids,
                           size_t n) {
    SB_TRY(sb_tx_each(tx,
                      "SELECT run_uuid, key, value, timestamp, step, is_nan FROM latest_metrics "
                      "WHERE run_uuid IN (%s) ORDER BY run_uuid, key",
                      ids, n, metric_row, c));
    struct sb_metric *v = (void *)c->rows.p;
    for (size_t i = 0; i < c->rows.n; i++) {
        struct sb_metrics *list = &c->runs[owner_of(c, i)].metrics;
        if (list->n++ == 0) list->v = &v[i];
    }
    return SB_OK;
}

static void link_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *user) {
    struct sb_model_link *l = add(tx, user, st, sizeof *l);
    if (!l) return;
    l->model_id = sb_tx_text(tx, st, 1);
    l->step = sb_sql_col_int(st, 2);
}

static sb_err load_links(struct sb_tx *tx, struct children *c, const struct sb_str *ids, size_t n,
                         bool outputs) {
    c->owners.n = 0;
    c->rows = (struct sb_vec){0};
    SB_TRY(sb_tx_each(tx,
                      outputs ? "SELECT source_id, destination_id, step FROM inputs WHERE "
                                "source_type = 'RUN_OUTPUT' AND source_id IN (%s) AND "
                                "destination_type = 'MODEL_OUTPUT' ORDER BY source_id, rowid"
                              : "SELECT source_id, destination_id, step FROM inputs WHERE "
                                "source_type = 'RUN_INPUT' AND source_id IN (%s) AND "
                                "destination_type = 'MODEL_INPUT' ORDER BY source_id, rowid",
                      ids, n, link_row, c));
    struct sb_model_link *v = (void *)c->rows.p;
    for (size_t i = 0; i < c->rows.n; i++) {
        struct sb_run *run = &c->runs[owner_of(c, i)];
        struct sb_model_links *list = outputs ? &run->model_outputs : &run->model_inputs;
        if (list->n++ == 0) list->v = &v[i];
    }
    return SB_OK;
}

/* One row per (input, tag): a new input begins where the input's id changes. */
struct dataset_rows {
    struct children c;
    struct sb_str input; /* the input of the row before */
};

static void dataset_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *user) {
    struct dataset_rows *d = user;
    if (!d->input.p || !sb_str_eq(d->input, sb_sql_col_text(st, 1))) {
        struct sb_dataset_input *in = add(tx, &d->c, st, sizeof *in);
        if (!in) return;
        d->input = sb_tx_text(tx, st, 1);
        in->dataset = (struct sb_dataset){
            .name = sb_tx_text(tx, st, 2),
            .digest = sb_tx_text(tx, st, 3),
            .source_type = sb_tx_text(tx, st, 4),
            .source = sb_tx_text(tx, st, 5),
            .schema = sb_tx_text(tx, st, 6),
            .profile = sb_tx_text(tx, st, 7),
        };
    }
    if (sb_sql_col_is_null(st, 8)) return;
    struct sb_tag *t = sb_vec_push(tx, &d->c.tags, sizeof *t);
    if (!t) return;
    t->key = sb_tx_text(tx, st, 8);
    t->value = sb_tx_text(tx, st, 9);
    struct sb_dataset_input *in = (void *)d->c.rows.p;
    in[d->c.rows.n - 1].tags.n++;
}

static sb_err load_datasets(struct sb_tx *tx, const struct children *base, const struct sb_str *ids,
                            size_t n) {
    struct dataset_rows d = {.c = {.index = base->index, .runs = base->runs}};
    SB_TRY(sb_tx_each(tx,
                      "SELECT i.destination_id, i.input_uuid, d.name, d.digest, "
                      "d.dataset_source_type, d.dataset_source, d.dataset_schema, "
                      "d.dataset_profile, t.name, t.value FROM inputs i JOIN datasets d ON "
                      "d.dataset_uuid = i.source_id LEFT JOIN input_tags t ON t.input_uuid = "
                      "i.input_uuid WHERE i.destination_type = 'RUN' AND i.destination_id IN (%s) "
                      "AND i.source_type = 'DATASET' ORDER BY i.destination_id, i.rowid, t.name",
                      ids, n, dataset_row, &d));
    struct sb_dataset_input *v = (void *)d.c.rows.p;
    struct sb_tag *tags = (void *)d.c.tags.p;
    for (size_t i = 0, at = 0; i < d.c.rows.n; i++) {
        if (v[i].tags.n) v[i].tags.v = tags + at;
        at += v[i].tags.n;
        struct sb_dataset_inputs *list = &base->runs[owner_of(&d.c, i)].dataset_inputs;
        if (list->n++ == 0) list->v = &v[i];
    }
    return SB_OK;
}

static sb_err load_pairs(struct sb_tx *tx, struct sb_run *v, const struct sb_str *ids,
                         const struct sb_ids *index, size_t n) {
    struct sb_tags **lists = sb_arena_try_array(tx->arena, n, sizeof(struct sb_tags *));
    if (!lists) return SB_E_LIMIT;
    for (size_t i = 0; i < n; i++) lists[i] = &v[i].params;
    SB_TRY(sb_tx_tags(tx,
                      "SELECT run_uuid, key, value FROM params WHERE run_uuid IN (%s) ORDER BY "
                      "run_uuid, key",
                      ids, index, n, lists));
    for (size_t i = 0; i < n; i++) lists[i] = &v[i].tags;
    return sb_tx_tags(tx,
                      "SELECT run_uuid, key, value FROM tags WHERE run_uuid IN (%s) ORDER BY "
                      "run_uuid, key",
                      ids, index, n, lists);
}

sb_err sb_run_load_children(struct sb_tx *tx, struct sb_run *v, size_t n) {
    if (n == 0) return SB_OK;
    struct sb_str *ids = sb_arena_try_array(tx->arena, n, sizeof *ids);
    if (!ids) return SB_E_LIMIT;
    for (size_t i = 0; i < n; i++) ids[i] = v[i].info.run_id;
    struct sb_ids index;
    SB_TRY(sb_ids_init(tx, &index, ids, n));
    SB_TRY(load_pairs(tx, v, ids, &index, n));
    struct children c = {.index = &index, .runs = v};
    SB_TRY(load_metrics(tx, &c, ids, n));
    SB_TRY(load_links(tx, &c, ids, n, false));
    SB_TRY(load_links(tx, &c, ids, n, true));
    return load_datasets(tx, &c, ids, n);
}

sb_err sb_run_load(struct sb_tx *tx, struct sb_str run_id, struct sb_run *out) {
    *out = (struct sb_run){0};
    SB_TRY(sb_run_load_info(tx, run_id, &out->info));
    return sb_run_load_children(tx, out, 1);
}

/* runs/search: one statement finds the page, a fixed number fill it. */
#include "domain/registry/check_int.h"
#include "domain/registry/filter.h"
#include "domain/registry/run_load_int.h"
#include "domain/registry/tracking_int.h"

struct run_query {
    const int64_t *experiments;
    size_t experiments_n;
    const struct sb_filter *filter;
    const struct sb_orders *orders;
    enum sb_view view;
    int64_t limit, offset;
};

/* Sorting by a metric, param or tag joins the rows of that key, which a run may lack. */
static void add_joins(struct sb_query *q, const struct sb_orders *orders) {
    static const char *const tables[SB_ENTITY_COUNT] = {
        [SB_ENTITY_METRIC] = "latest_metrics",
        [SB_ENTITY_PARAM] = "params",
        [SB_ENTITY_TAG] = "tags",
    };
    for (size_t i = 0; i < orders->n; i++) {
        const char *table = tables[orders->v[i].entity];
        if (!table) continue;
        sb_buf_addf(&q->sql, " LEFT JOIN %s o%zu ON o%zu.run_uuid = r.run_uuid AND o%zu.key = ?",
                    table, i, i, i);
        sb_query_add(q, sb_sql_text(orders->v[i].key));
    }
}

/* What a run lacks comes last in both directions; a NaN before that, after all numbers. */
static void add_order(struct sb_query *q, const struct sb_orders *orders) {
    sb_buf_addz(&q->sql, " ORDER BY ");
    for (size_t i = 0; i < orders->n; i++) {
        const struct sb_order *o = &orders->v[i];
        const char *way = o->descending ? "DESC" : "ASC";
        if (o->entity == SB_ENTITY_ATTRIBUTE)
            sb_buf_addf(&q->sql, "%s IS NULL, %s %s, ", o->attribute->column, o->attribute->column,
                        way);
        else if (o->entity == SB_ENTITY_METRIC)
            sb_buf_addf(&q->sql,
                        "CASE WHEN o%zu.value IS NULL THEN 2 ELSE o%zu.is_nan END, o%zu.value %s, ",
                        i, i, i, way);
        else
            sb_buf_addf(&q->sql, "o%zu.value IS NULL, o%zu.value %s, ", i, i, way);
    }
    if (!sb_order_has(orders, "r.start_time")) sb_buf_addz(&q->sql, "r.start_time DESC, ");
    sb_buf_addz(&q->sql, "r.run_uuid");
}

static void compose(struct sb_query *q, const struct run_query *x) {
    sb_buf_addz(&q->sql, "SELECT " SB_RUN_COLUMNS " FROM runs r");
    add_joins(q, x->orders);
    sb_buf_addz(&q->sql, " WHERE r.experiment_id IN (");
    for (size_t i = 0; i < x->experiments_n; i++) {
        sb_buf_addz(&q->sql, i ? ",?" : "?");
        sb_query_add(q, sb_sql_int(x->experiments[i]));
    }
    sb_buf_addc(&q->sql, ')');
    if (x->view != SB_VIEW_ALL)
        sb_buf_addz(&q->sql, x->view == SB_VIEW_ACTIVE_ONLY ? " AND r.lifecycle_stage = 'active'"
                                                            : " AND r.lifecycle_stage = 'deleted'");
    sb_filter_sql(q, SB_FOR_RUNS, x->filter, NULL, 0);
    add_order(q, x->orders);
    sb_query_page(q, x->limit, x->offset);
}

static void found_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *rows) {
    struct sb_run *run = sb_vec_push(tx, rows, sizeof *run);
    if (run) sb_run_read_info(tx, st, &run->info);
}

static sb_err search_in(struct sb_tx *tx, const struct run_query *x, struct sb_runs *out) {
    struct sb_vec rows = {0};
    struct sb_query q;
    sb_query_init(&q);
    compose(&q, x);
    SB_TRY(sb_query_run(tx, &q, found_row, &rows));
    *out = (struct sb_runs){.v = (void *)rows.p, .n = rows.n};
    if (sb_page_cut(&out->n, x->limit))
        out->next_page_token = sb_page_make(tx->arena, x->offset + x->limit);
    return sb_run_load_children(tx, out->v, out->n);
}

sb_err sb_registry_run_search(struct sb_registry_call *c, const struct sb_str *experiment_ids,
                              size_t experiment_ids_n, const struct sb_search *s, enum sb_view view,
                              struct sb_runs *out) {
    struct sb_filter *filter = sb_arena_alloc(c->arena, sizeof *filter);
    struct sb_orders orders;
    int64_t *ids = sb_arena_try_array(c->arena, experiment_ids_n + 1, sizeof *ids);
    if (!ids) return sb_call_invalid(c, "Too many experiment_ids.");
    for (size_t i = 0; i < experiment_ids_n; i++)
        SB_TRY(sb_check_experiment_id(c, experiment_ids[i], &ids[i]));
    struct run_query x = {.experiments = ids,
                          .experiments_n = experiment_ids_n,
                          .filter = filter,
                          .orders = &orders,
                          .view = view};
    SB_TRY(sb_page_size(c, s->max_results, 1000, 50000, &x.limit));
    SB_TRY(sb_filter_parse(c, SB_FOR_RUNS, s->filter, filter));
    SB_TRY(sb_order_parse(c, SB_FOR_RUNS, s->order_by, s->order_by_n, &orders));
    SB_TRY(sb_page_parse(c, s->page_token, &x.offset));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, search_in(&tx, &x, out));
}

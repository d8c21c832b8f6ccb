/* logged-models/search. Its page token carries the query, and must come back with the same one. */
#include "codec/json.h"
#include "domain/registry/check_int.h"
#include "domain/registry/filter.h"
#include "domain/registry/logged_load_int.h"
#include "domain/registry/tracking_int.h"

enum { ORDER_MAX = 10, DATASETS_MAX = 100, EXPERIMENTS_MAX = 1000, RESULTS_MAX = 50000 };

struct model_query {
    const struct sb_logged_model_search *in;
    const struct sb_filter *filter;
    int64_t experiments[EXPERIMENTS_MAX];
    const char *columns[ORDER_MAX]; /* of an attribute; NULL: the metric metrics[i] */
    struct sb_str metrics[ORDER_MAX];
    int64_t limit, offset;
};

/* ---- page tokens ---- */

static struct sb_str describe(struct sb_arena *a, const struct sb_logged_model_search *in,
                              int64_t offset) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_arr(&w, "experiment_ids");
    for (size_t i = 0; i < in->experiment_ids_n; i++) sb_json_str(&w, NULL, in->experiment_ids[i]);
    sb_json_end(&w);
    if (in->filter.n)
        sb_json_str(&w, "filter_string", in->filter);
    else
        sb_json_null(&w, "filter_string");
    if (in->order_by_n == 0) sb_json_null(&w, "order_by");
    if (in->order_by_n) sb_json_arr(&w, "order_by");
    for (size_t i = 0; i < in->order_by_n; i++) {
        const struct sb_model_order *o = &in->order_by[i];
        sb_json_obj(&w, NULL);
        sb_json_str(&w, "field_name", o->field_name);
        sb_json_bool(&w, "ascending", !o->descending);
        if (o->dataset_name.n) sb_json_str(&w, "dataset_name", o->dataset_name);
        if (!o->dataset_name.n) sb_json_null(&w, "dataset_name");
        if (o->dataset_digest.n) sb_json_str(&w, "dataset_digest", o->dataset_digest);
        if (!o->dataset_digest.n) sb_json_null(&w, "dataset_digest");
        sb_json_end(&w);
    }
    if (in->order_by_n) sb_json_end(&w);
    sb_json_int(&w, "offset", offset);
    sb_json_end(&w);
    struct sb_str text = sb_str_of(sb_arena_printf(a, "%s", sb_buf_cstr(&b)));
    sb_buf_fini(&b);
    return text;
}

/* The query in a token, written again with our spelling, must be this one. */
static sb_err read_token(struct sb_registry_call *c, const struct sb_logged_model_search *in,
                         int64_t *offset) {
    struct sb_json *token, *ours;
    SB_TRY(sb_page_decode(c, in->page_token, &token));
    SB_TRY(sb_page_offset(c, token, offset));
    if (sb_json_parse(&ours, describe(c->arena, in, *offset), c->arena, NULL))
        return sb_call_invalid(c, "Invalid page token");
    static const struct {
        const char *key, *what;
    } parts[] = {
        {"experiment_ids", "Experiment IDs in the page token do not match the requested "
                           "experiment IDs."},
        {"filter_string", "Filter string in the page token does not match the requested filter "
                          "string."},
        {"order_by", "Order by in the page token does not match the requested order by."},
    };
    for (size_t i = 0; i < SB_COUNT(parts); i++) {
        struct sb_buf a, b;
        sb_buf_init(&a, 1 << 20);
        sb_buf_init(&b, 1 << 20);
        const struct sb_json *x = sb_json_get(token, parts[i].key);
        const struct sb_json *y = sb_json_get(ours, parts[i].key);
        if (x) sb_json_add_tree(&a, x);
        if (y) sb_json_add_tree(&b, y);
        bool same = sb_str_eq(sb_buf_view(&a), sb_buf_view(&b));
        sb_buf_fini(&a);
        sb_buf_fini(&b);
        if (!same) return sb_call_invalid(c, "%s", parts[i].what);
    }
    return SB_OK;
}

/* ---- order ---- */

static sb_err check_order(struct sb_registry_call *c, struct model_query *x) {
    const struct sb_logged_model_search *in = x->in;
    if (in->order_by_n > ORDER_MAX)
        return sb_call_invalid(c, "`order_by` can have at most %d fields.", ORDER_MAX);
    for (size_t i = 0; i < in->order_by_n; i++) {
        const struct sb_model_order *o = &in->order_by[i];
        struct sb_str field = sb_str_trim(o->field_name);
        ptrdiff_t dot = sb_str_find(field, '.');
        if (o->dataset_digest.n && !o->dataset_name.n)
            return sb_call_invalid(c, "`dataset_digest` can only be specified if `dataset_name` is "
                                      "also specified.");
        if (dot >= 0) {
            if (!sb_str_is(sb_str_sub(field, 0, (size_t)dot), "metrics"))
                return sb_call_invalid(c,
                                       "Invalid order by field name: %.*s. Only metrics are "
                                       "supported.",
                                       SB_ARG(field));
            x->metrics[i] = sb_str_sub(field, (size_t)dot + 1, field.n);
            continue;
        }
        const struct sb_filter_attribute *a = sb_filter_tables[SB_FOR_LOGGED_MODELS].attributes;
        while (a->name && !sb_str_is(field, a->name)) a++;
        if (!a->name) return sb_call_invalid(c, "Invalid order by field name: %.*s", SB_ARG(field));
        x->columns[i] = a->column;
    }
    return SB_OK;
}

/* The newest value of the metric, of the dataset if one is given. */
static void add_metric_join(struct sb_query *q, const struct model_query *x, size_t i) {
    const struct sb_model_order *o = &x->in->order_by[i];
    sb_buf_addz(&q->sql, " LEFT JOIN (SELECT x.model_id, x.metric_value, row_number() OVER "
                         "(PARTITION BY x.model_id ORDER BY x.metric_timestamp_ms DESC, "
                         "x.metric_step DESC, x.run_id) AS n FROM logged_model_metrics x WHERE "
                         "x.metric_name = ?");
    sb_query_add(q, sb_sql_text(x->metrics[i]));
    if (o->dataset_name.n) {
        struct sb_dataset_filter d = {o->dataset_name, o->dataset_digest};
        sb_buf_addz(&q->sql, " AND ");
        sb_filter_datasets_sql(q, &d, 1);
    }
    sb_buf_addf(&q->sql, ") o%zu ON o%zu.model_id = l.model_id AND o%zu.n = 1", i, i, i);
}

static void add_order(struct sb_query *q, const struct model_query *x) {
    bool by_time = false, by_id = false;
    sb_buf_addz(&q->sql, " ORDER BY ");
    for (size_t i = 0; i < x->in->order_by_n; i++) {
        const char *way = x->in->order_by[i].descending ? "DESC" : "ASC", *column = x->columns[i];
        if (!column) {
            sb_buf_addf(&q->sql, "o%zu.metric_value IS NULL, o%zu.metric_value %s, ", i, i, way);
            continue;
        }
        by_time |= strcmp(column, "l.creation_timestamp_ms") == 0;
        by_id |= strcmp(column, "l.model_id") == 0;
        sb_buf_addf(&q->sql, "%s IS NULL, %s %s, ", column, column, way);
    }
    if (!by_time) sb_buf_addz(&q->sql, "l.creation_timestamp_ms DESC, ");
    sb_buf_addz(&q->sql, by_id ? "l.rowid" : "l.model_id");
}

/* ---- search ---- */

static bool filters_metrics(const struct sb_filter *f) {
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].entity == SB_ENTITY_METRIC) return true;
    return false;
}

static void compose(struct sb_query *q, const struct model_query *x) {
    const struct sb_logged_model_search *in = x->in;
    sb_buf_addz(&q->sql, "SELECT " SB_LOGGED_COLUMNS " FROM logged_models l");
    for (size_t i = 0; i < in->order_by_n; i++)
        if (!x->columns[i]) add_metric_join(q, x, i);
    sb_buf_addz(&q->sql, " WHERE l.lifecycle_stage <> 'deleted' AND l.experiment_id IN (");
    for (size_t i = 0; i < in->experiment_ids_n; i++) {
        sb_buf_addz(&q->sql, i ? ",?" : "?");
        sb_query_add(q, sb_sql_int(x->experiments[i]));
    }
    sb_buf_addc(&q->sql, ')');
    sb_filter_sql(q, SB_FOR_LOGGED_MODELS, x->filter, in->datasets, in->datasets_n);
    if (in->datasets_n && !filters_metrics(x->filter)) {
        sb_buf_addz(&q->sql, " AND EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model_id = "
                             "l.model_id AND ");
        sb_filter_datasets_sql(q, in->datasets, in->datasets_n);
        sb_buf_addc(&q->sql, ')');
    }
    add_order(q, x);
    sb_query_page(q, x->limit, x->offset);
}

static void found_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *rows) {
    struct sb_logged_model *m = sb_vec_push(tx, rows, sizeof *m);
    if (m) sb_logged_read(tx, st, m);
}

static sb_err search_in(struct sb_tx *tx, const struct model_query *x,
                        struct sb_logged_models *out) {
    struct sb_query q;
    struct sb_vec rows = {0};
    sb_query_init(&q);
    compose(&q, x);
    SB_TRY(sb_query_run(tx, &q, found_row, &rows));
    *out = (struct sb_logged_models){.v = (void *)rows.p, .n = rows.n};
    if (sb_page_cut(&out->n, x->limit))
        out->next_page_token =
            sb_page_encode(tx->arena, describe(tx->arena, x->in, x->offset + x->limit));
    return sb_logged_load_children(tx, out->v, out->n);
}

static sb_err check_search(struct sb_registry_call *c, struct model_query *x) {
    const struct sb_logged_model_search *in = x->in;
    if (in->experiment_ids_n > EXPERIMENTS_MAX)
        return sb_call_invalid(c, "At most %d experiment_ids.", EXPERIMENTS_MAX);
    if (in->datasets_n > DATASETS_MAX)
        return sb_call_invalid(c, "At most %d datasets.", DATASETS_MAX);
    for (size_t i = 0; i < in->experiment_ids_n; i++)
        SB_TRY(sb_check_experiment_id(c, in->experiment_ids[i], &x->experiments[i]));
    for (size_t i = 0; i < in->datasets_n; i++)
        if (!in->datasets[i].name.n)
            return sb_call_invalid(c, "`dataset_name` in the `datasets` clause must be specified.");
    return check_order(c, x);
}

sb_err sb_registry_logged_model_search(struct sb_registry_call *c,
                                       const struct sb_logged_model_search *in,
                                       struct sb_logged_models *out) {
    struct sb_filter *filter = sb_arena_alloc(c->arena, sizeof *filter);
    struct model_query *x = sb_arena_zalloc(c->arena, sizeof *x);
    x->in = in;
    x->filter = filter;
    SB_TRY(check_search(c, x));
    SB_TRY(sb_page_size(c, in->max_results, 50, RESULTS_MAX, &x->limit));
    SB_TRY(sb_filter_parse(c, SB_FOR_LOGGED_MODELS, in->filter, filter));
    if (in->page_token.n) SB_TRY(read_token(c, in, &x->offset));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, search_in(&tx, x, out));
}

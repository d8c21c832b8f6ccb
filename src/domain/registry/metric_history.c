/* All values of a metric: of one run by pages, of many runs, and sampled. */
#include "domain/registry/check_int.h"
#include "domain/registry/run_load_int.h"
#include "domain/registry/tracking_int.h"

enum { HISTORY_MAX = 25000, BULK_RUNS_MAX = 100, SAMPLE_MAX = 2500 };

/* Columns: value, timestamp, step, is_nan. */
static void add_point(struct sb_tx *tx, struct sb_vec *rows, struct sb_sql_stmt *st,
                      struct sb_str key, struct sb_str run_id) {
    struct sb_metric *m = sb_vec_push(tx, rows, sizeof *m);
    if (!m) return;
    *m = (struct sb_metric){
        .key = key,
        .value = sb_metric_value(st, 0, 3),
        .timestamp = sb_sql_col_int(st, 1),
        .step = sb_sql_col_int(st, 2),
        .run_id = run_id,
    };
}

static sb_err history_in(struct sb_tx *tx, struct sb_str run_id, struct sb_str key, int64_t limit,
                         int64_t offset, struct sb_metrics *out) {
    struct sb_vec rows = {0};
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query(tx->db, &st,
                        "SELECT value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? AND "
                        "key = ? ORDER BY timestamp, step, value LIMIT ? OFFSET ?",
                        sb_sql_text(run_id), sb_sql_text(key),
                        sb_sql_int(limit < 0 ? -1 : limit + 1), sb_sql_int(offset)));
    while (sb_sql_next(st)) add_point(tx, &rows, st, key, (struct sb_str){0});
    SB_TRY(sb_sql_end(st));
    *out = (struct sb_metrics){.v = (void *)rows.p, .n = rows.n};
    if (limit >= 0 && out->n > (size_t)limit) {
        out->n = (size_t)limit;
        out->next_page_token = sb_page_make(tx->arena, offset + limit);
    }
    return SB_OK;
}

sb_err sb_registry_metric_history(struct sb_registry_call *c, struct sb_str run_id,
                                  struct sb_str key, struct sb_opt_i64 max_results,
                                  struct sb_str page_token, struct sb_metrics *out) {
    int64_t offset;
    if (max_results.has && (max_results.v <= 0 || max_results.v > INT32_MAX))
        return sb_call_invalid(
            c,
            "Invalid value %lld for parameter 'max_results' supplied. It must be "
            "a positive integer.",
            (long long)max_results.v);
    SB_TRY(sb_page_parse(c, page_token, &offset));
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(
        &tx, history_in(&tx, run_id, key, max_results.has ? max_results.v : -1, offset, out));
}

/* ---- many runs ---- */

static sb_err check_runs(struct sb_registry_call *c, const char *request, size_t n) {
    if (n == 0) return sb_call_invalid(c, "%s request must specify at least one run_id.", request);
    if (n > BULK_RUNS_MAX)
        return sb_call_invalid(c,
                               "%s request cannot specify more than %d run_ids. Received %zu "
                               "run_ids.",
                               request, BULK_RUNS_MAX, n);
    return SB_OK;
}

static sb_err bulk_in(struct sb_tx *tx, const struct sb_str *run_ids, size_t n, struct sb_str key,
                      int64_t limit, struct sb_metrics *out) {
    struct sb_vec rows = {0};
    struct sb_ids order; /* by run id, as MLflow answers */
    SB_TRY(sb_ids_init(tx, &order, run_ids, n));
    for (size_t i = 0; i < n && rows.n < (size_t)limit; i++) {
        if (i && sb_str_eq(order.v[i].id, order.v[i - 1].id)) continue;
        struct sb_sql_stmt *st;
        SB_TRY(sb_sql_query(tx->db, &st,
                            "SELECT value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? "
                            "AND key = ? ORDER BY timestamp, step, value LIMIT ?",
                            sb_sql_text(order.v[i].id), sb_sql_text(key),
                            sb_sql_int(limit - (int64_t)rows.n)));
        while (sb_sql_next(st)) add_point(tx, &rows, st, key, order.v[i].id);
        SB_TRY(sb_sql_end(st));
    }
    *out = (struct sb_metrics){.v = (void *)rows.p, .n = rows.n};
    return SB_OK;
}

sb_err sb_registry_metric_history_bulk(struct sb_registry_call *c, const struct sb_str *run_ids,
                                       size_t run_ids_n, struct sb_str key, int64_t max_results,
                                       struct sb_metrics *out) {
    SB_TRY(check_runs(c, "GetMetricHistoryBulk", run_ids_n));
    if (!key.p)
        return sb_call_invalid(c, "GetMetricHistoryBulk request must specify a metric_key.");
    int64_t limit = max_results < 0 ? 0 : max_results > HISTORY_MAX ? HISTORY_MAX : max_results;
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, bulk_in(&tx, run_ids, run_ids_n, key, limit, out));
}

/* ---- sampled ---- */

struct interval {
    struct sb_str key;
    int64_t from, to; /* steps, both ends included */
    int64_t max;      /* points of a run */
};

/* Is row i of n the first of one of k buckets as equal as can be (the first n % k have one more)?
 */
static bool starts_bucket(int64_t i, int64_t n, int64_t k) {
    int64_t size = n / k, larger = n % k;
    if (size == 0) return true;
    if (i < larger * (size + 1)) return i % (size + 1) == 0;
    return (i - larger * (size + 1)) % size == 0;
}

/* The rows in order are cut into x->max buckets and the first of each is kept; the very last row
 * always is, in place of the one before it when there are enough: a chart's ends stay. */
static sb_err sample_run(struct sb_tx *tx, struct sb_str run_id, const struct interval *x,
                         struct sb_vec *rows) {
    int64_t n, i = 0;
    size_t before = rows->n;
    struct sb_sql_value where[] = {sb_sql_text(run_id), sb_sql_text(x->key), sb_sql_int(x->from),
                                   sb_sql_int(x->to)};
    SB_TRY(sb_tx_one_int(tx, &n, NULL,
                         SB_STR("SELECT count(*) FROM metrics WHERE run_uuid = ? AND key = ? AND "
                                "step BETWEEN ? AND ?"),
                         where, SB_COUNT(where)));
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query_values(
        tx->db, &st,
        SB_STR("SELECT value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? AND key = ? "
               "AND step BETWEEN ? AND ? ORDER BY step, timestamp, value, is_nan"),
        where, SB_COUNT(where)));
    for (; sb_sql_next(st); i++) {
        bool last = i == n - 1;
        if (!last && !starts_bucket(i, n, x->max)) continue;
        if (last && rows->n - before >= (size_t)x->max) rows->n--;
        add_point(tx, rows, st, x->key, run_id);
    }
    return sb_sql_end(st);
}

static sb_err interval_in(struct sb_tx *tx, const struct sb_str *run_ids, size_t n,
                          const struct interval *x, struct sb_metrics *out) {
    struct sb_vec rows = {0};
    struct sb_run_info run;
    for (size_t i = 0; i < n; i++) SB_TRY(sb_run_load_info(tx, run_ids[i], &run));
    for (size_t i = 0; i < n; i++) SB_TRY(sample_run(tx, run_ids[i], x, &rows));
    *out = (struct sb_metrics){.v = (void *)rows.p, .n = rows.n};
    return SB_OK;
}

sb_err sb_registry_metric_history_interval(struct sb_registry_call *c, const struct sb_str *run_ids,
                                           size_t run_ids_n, struct sb_str key,
                                           struct sb_opt_i64 start_step, struct sb_opt_i64 end_step,
                                           int64_t max_results, struct sb_metrics *out) {
    SB_TRY(check_runs(c, "GetMetricHistoryBulkInterval", run_ids_n));
    if (max_results < 1 || max_results > SAMPLE_MAX)
        return sb_call_invalid(c, "max_results must be between 1 and %d.", SAMPLE_MAX);
    if (start_step.has != end_step.has)
        return sb_call_invalid(
            c, "If either start step or end step are specified, both must be specified.");
    if (start_step.has && start_step.v > end_step.v)
        return sb_call_invalid(c,
                               "end_step must be greater than start_step. Found start_step=%lld "
                               "and end_step=%lld.",
                               (long long)start_step.v, (long long)end_step.v);
    struct interval x = {key, start_step.has ? start_step.v : INT64_MIN,
                         end_step.has ? end_step.v : INT64_MAX, max_results};
    struct sb_tx tx;
    SB_TRY(sb_tx_begin(&tx, c, false));
    return sb_tx_end(&tx, interval_in(&tx, run_ids, run_ids_n, &x, out));
}

#include "app/alert_inputs.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "engine/fetch/fetch.h"

enum { TEXT_MAX = 16 << 20, TREE_MAX = 32 << 20 };

#define ASK_NS (2 * SB_SEC)

struct sb_alert_sources {
    struct sb_fetch *serving, *search;
    struct sb_metrics *own;
};

/* ---- metrics ---- */

/* Samples of a process, each with a further label that names it. */
static sb_err add_process(struct sb_monitor_samples *all, struct sb_str text, const char *process,
                          struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_monitor_samples s;
    SB_TRY(sb_monitor_exposition(text, a, &s, ctx));
    struct sb_monitor_sample *list = sb_arena_try_array(a, all->n + s.n + 1, sizeof *list);
    if (!list) return sb_fail(ctx, SB_E_LIMIT, "metrics: too many for one look");
    if (all->n) memcpy(list, all->sample, all->n * sizeof *list);
    for (size_t i = 0; i < s.n; i++) {
        struct sb_monitor_sample *x = &list[all->n + i];
        *x = s.sample[i];
        struct sb_monitor_pair *l = sb_arena_try_array(a, x->nlabels + 1, sizeof *l);
        if (!l) return sb_fail(ctx, SB_E_LIMIT, "metrics: too many for one look");
        if (x->nlabels) memcpy(l, x->labels, x->nlabels * sizeof *l);
        l[x->nlabels++] = (struct sb_monitor_pair){SB_STR("process"), sb_str_of(process)};
        x->labels = l;
    }
    *all = (struct sb_monitor_samples){list, all->n + s.n};
    return SB_OK;
}

static sb_err metrics(void *self, struct sb_arena *a, struct sb_monitor_samples *out,
                      struct sb_errctx *ctx) {
    struct sb_alert_sources *s = self;
    struct sb_monitor_samples all = {0};
    struct sb_buf text;
    int status = 0;
    sb_buf_init(&text, TEXT_MAX);
    sb_err err =
        sb_fetch_call(s->serving,
                      &(struct sb_fetch_request){
                          .target = "/metrics", .timeout_ns = ASK_NS, .max_bytes = TEXT_MAX},
                      &status, &text, ctx);
    if (!err && status != 200)
        err = sb_fail(ctx, SB_E_UNAVAILABLE, "serving answered %d to GET /metrics", status);
    if (!err) err = add_process(&all, sb_buf_view(&text), "serving", a, ctx);
    sb_buf_reset(&text);
    if (!err && s->own) {
        sb_metrics_update_process(s->own);
        sb_metrics_write(s->own, &text);
        err = add_process(&all, sb_buf_view(&text), "platform", a, ctx);
    }
    sb_buf_fini(&text);
    if (!err) *out = all;
    return err;
}

/* ---- events ---- */

/* Elasticsearch's aggregation for a stat; NULL = none, the count is the answer. */
static const char *aggregation_of(enum sb_monitor_stat stat) {
    switch (stat) {
    case SB_MONITOR_SUM: return "sum";
    case SB_MONITOR_AVG: return "avg";
    case SB_MONITOR_MIN: return "min";
    case SB_MONITOR_MAX: return "max";
    case SB_MONITOR_CARDINALITY: return "cardinality";
    case SB_MONITOR_QUANTILE: return "percentiles";
    default: return NULL;
    }
}

static void write_filters(struct sb_json_writer *w, const struct sb_monitor_source *s,
                          int64_t from_ms, int64_t to_ms) {
    sb_json_obj(w, "query");
    sb_json_obj(w, "bool");
    sb_json_arr(w, "filter");
    sb_json_obj(w, NULL);
    sb_json_obj(w, "query_string");
    sb_json_str(w, "query", s->query);
    sb_json_end(w);
    sb_json_end(w);
    sb_json_obj(w, NULL);
    sb_json_obj(w, "range");
    sb_json_obj(w, "@timestamp");
    sb_json_int(w, "gte", from_ms);
    sb_json_int(w, "lt", to_ms);
    sb_json_str(w, "format", SB_STR("epoch_millis"));
    sb_json_end(w);
    sb_json_end(w);
    sb_json_end(w);
    sb_json_end(w);
    sb_json_end(w);
    sb_json_end(w);
}

static void write_search(struct sb_buf *b, const struct sb_monitor_source *s, int64_t from_ms,
                         int64_t to_ms) {
    struct sb_json_writer w = {.b = b};
    const char *aggregation = aggregation_of(s->stat);
    sb_json_obj(&w, NULL);
    sb_json_int(&w, "size", 0);
    sb_json_bool(&w, "track_total_hits", true);
    write_filters(&w, s, from_ms, to_ms);
    if (aggregation) {
        sb_json_obj(&w, "aggs");
        sb_json_obj(&w, "value");
        sb_json_obj(&w, aggregation);
        sb_json_str(&w, "field", s->field);
        if (s->stat == SB_MONITOR_QUANTILE) {
            sb_json_arr(&w, "percents");
            sb_json_double(&w, NULL, s->quantile * 100);
            sb_json_end(&w);
            sb_json_bool(&w, "keyed", false);
        }
        sb_json_end(&w);
        sb_json_end(&w);
        sb_json_end(&w);
    }
    sb_json_end(&w);
}

/* The reason of an error in Elasticsearch's form, else the beginning of the text. */
static sb_err refused(int status, struct sb_str text, struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_json *o;
    struct sb_str reason = sb_str_sub(text, 0, 150);
    const struct sb_json *error =
        sb_json_parse(&o, text, a, NULL) == SB_OK ? sb_json_get(o, "error") : NULL;
    const struct sb_json *roots = sb_json_get(error, "root_cause");
    if (error) sb_json_get_str(error, "reason", &reason);
    if (roots && roots->child) sb_json_get_str(roots->child, "reason", &reason);
    return sb_fail(ctx, status == 400 ? SB_E_SYNTAX : SB_E_UNAVAILABLE,
                   "the query was answered %d: %.*s", status, SB_ARG(sb_str_sub(reason, 0, 180)));
}

static sb_err read_answer(const struct sb_monitor_source *s, struct sb_str text, struct sb_arena *a,
                          struct sb_monitor_value *out, struct sb_errctx *ctx) {
    struct sb_json *o;
    double count = 0, value = 0;
    SB_TRY(sb_json_parse(&o, text, a, ctx));
    const struct sb_json *total = sb_json_get(sb_json_get(o, "hits"), "total");
    if (!sb_json_get_double(total, "value", &count))
        return sb_fail(ctx, SB_E_UNAVAILABLE, "the search's answer has no hits.total.value");
    *out = (struct sb_monitor_value){.has = true, .value = count, .count = count};
    if (!aggregation_of(s->stat)) return SB_OK;
    const struct sb_json *v = sb_json_get(sb_json_get(o, "aggregations"), "value");
    if (s->stat == SB_MONITOR_QUANTILE) {
        const struct sb_json *values = sb_json_get(v, "values");
        v = values ? values->child : NULL;
    }
    const struct sb_json *number = sb_json_get(v, "value");
    out->has = number && number->type == SB_JSON_NUMBER;
    value = out->has ? number->d : 0;
    out->value = value;
    if (s->stat != SB_MONITOR_SUM && s->stat != SB_MONITOR_CARDINALITY && count == 0)
        out->has = false;
    return SB_OK;
}

static sb_err events(void *self, const struct sb_monitor_source *s, int64_t from_ms, int64_t to_ms,
                     struct sb_monitor_value *out, struct sb_errctx *ctx) {
    struct sb_alert_sources *src = self;
    struct sb_buf body, answer;
    struct sb_arena a;
    int status = 0;
    sb_buf_init(&body, 1 << 20);
    sb_buf_init(&answer, TEXT_MAX);
    sb_arena_init(&a, TREE_MAX);
    write_search(&body, s, from_ms, to_ms);
    const char *target = sb_arena_printf(&a, "/%.*s/_search", SB_ARG(s->index));
    struct sb_fetch_request r = {.method = "POST",
                                 .target = target,
                                 .body = sb_buf_view(&body),
                                 .timeout_ns = ASK_NS,
                                 .max_bytes = TEXT_MAX};
    sb_err err = sb_fetch_call(src->search, &r, &status, &answer, ctx);
    if (!err && status != 200) err = refused(status, sb_buf_view(&answer), &a, ctx);
    if (!err) err = read_answer(s, sb_buf_view(&answer), &a, out, ctx);
    sb_arena_fini(&a);
    sb_buf_fini(&answer);
    sb_buf_fini(&body);
    return err;
}

/* ---- life ---- */

sb_err sb_alert_sources_new(struct sb_alert_sources **out, const char *serving_url,
                            const char *search_url, struct sb_metrics *own, struct sb_errctx *ctx) {
    struct sb_alert_sources *s = sb_calloc(1, sizeof *s);
    s->own = own;
    sb_err err = sb_fetch_new(&s->serving, serving_url, ctx);
    if (!err) err = sb_fetch_new(&s->search, search_url, ctx);
    if (err) {
        sb_alert_sources_free(s);
        return err;
    }
    *out = s;
    return SB_OK;
}

void sb_alert_sources_free(struct sb_alert_sources *s) {
    if (!s) return;
    sb_fetch_free(s->serving);
    sb_fetch_free(s->search);
    sb_free(s);
}

void sb_alert_sources_stop(struct sb_alert_sources *s) {
    sb_fetch_stop(s->serving);
    sb_fetch_stop(s->search);
}

struct sb_alert_inputs sb_alert_sources_inputs(struct sb_alert_sources *s) {
    return (struct sb_alert_inputs){.self = s, .metrics = metrics, .events = events};
}

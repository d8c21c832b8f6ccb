/* Results of aggregations in Elasticsearch's forms. Depth is that of the aggregations asked for. */
#include <math.h>

#include "api/search/search_int.h"

struct out {
    struct sb_json_writer *w;
    const struct es_view *v;
    bool typed;
};

static void write_list(const struct out *o, const struct es_agg *list,
                       const struct sb_agg_result *results, size_t n);

/* "95.0": as Java shows a double. */
static struct sb_str double_key(struct sb_buf *b, double v) {
    sb_buf_reset(b);
    sb_json_add_double(b, v);
    struct sb_str text = sb_buf_view(b);
    if (sb_str_find(text, '.') < 0 && sb_str_find(text, 'e') < 0) SB_BUF_LIT(b, ".0");
    return sb_buf_view(b);
}

static struct sb_str date_text(struct sb_buf *b, const struct es_agg *es, double ms) {
    sb_buf_reset(b);
    es_date_add(b, (int64_t)ms, es->format, es->zone);
    return sb_buf_view(b);
}

static bool is_date(const struct es_agg *es) {
    return es->field.type == SB_COLUMN_DATE && es->field.at >= 0;
}

/* A number, null when it has none; with its text when it is a date. */
static void write_number(const struct out *o, const struct es_agg *es, const char *key, double v,
                         bool has) {
    struct sb_buf b;
    if (!has || !isfinite(v)) {
        sb_json_null(o->w, key);
        return;
    }
    sb_json_double(o->w, key, v);
    if (!is_date(es)) return;
    sb_buf_init(&b, 1024);
    struct sb_str text = date_text(&b, es, v);
    char name[64];
    size_t n = strlen(key);
    if (n < sizeof name - 11) {
        memcpy(name, key, n);
        memcpy(name + n, "_as_string", 11);
        sb_json_str(o->w, name, text);
    }
    sb_buf_fini(&b);
}

/* ---- buckets ---- */

/* The key's own text, for keyed buckets and key_as_string; empty when it has none. */
static struct sb_str key_text(const struct es_agg *es, const struct sb_search_value *k,
                              struct sb_buf *b) {
    bool date = es->agg->kind == SB_AGG_DATE_HISTOGRAM || k->type == SB_COLUMN_DATE;
    if (es->agg->kind == SB_AGG_HISTOGRAM && !is_date(es)) return (struct sb_str){0};
    if (k->type == SB_COLUMN_BOOL) return k->i ? SB_STR("true") : SB_STR("false");
    if (date) return date_text(b, es, k->type == SB_COLUMN_DOUBLE ? k->f : (double)k->i);
    return (struct sb_str){0};
}

static void write_key(const struct out *o, const struct es_agg *es,
                      const struct sb_search_value *k) {
    struct sb_buf b;
    sb_buf_init(&b, 1024);
    struct sb_str text = key_text(es, k, &b);
    bool whole = es->agg->kind == SB_AGG_DATE_HISTOGRAM && k->type == SB_COLUMN_DOUBLE;
    if (text.n) sb_json_str(o->w, "key_as_string", text);
    if (whole)
        sb_json_int(o->w, "key", (int64_t)k->f);
    else
        es_value_write(o->w, "key", k, (struct sb_str){0});
    sb_buf_fini(&b);
}

static void write_range(const struct out *o, const struct es_agg *es,
                        const struct sb_agg_range *r) {
    if (r->has_from) write_number(o, es, "from", r->from, true);
    if (r->has_to) write_number(o, es, "to", r->to, true);
}

static void write_bucket(const struct out *o, const struct es_agg *es,
                         const struct sb_agg_result *r, size_t i) {
    const struct sb_agg_bucket *bucket = &r->buckets[i];
    const struct sb_agg *agg = es->agg;
    if (agg->kind == SB_AGG_RANGE) {
        if (!es->keyed) sb_json_str(o->w, "key", agg->ranges[i].key);
        write_range(o, es, &agg->ranges[i]);
    } else if (agg->kind != SB_AGG_FILTERS && agg->kind != SB_AGG_MISSING) {
        write_key(o, es, &bucket->key);
    }
    sb_json_int(o->w, "doc_count", (int64_t)bucket->doc_count);
    write_list(o, es->children, bucket->children, agg->nchildren);
}

static void open_keyed(const struct out *o, const struct es_agg *es,
                       const struct sb_agg_bucket *bucket, size_t i) {
    struct sb_buf b;
    sb_buf_init(&b, 1024);
    struct sb_str key;
    if (es->agg->kind == SB_AGG_FILTERS)
        key = es->keys[i];
    else if (es->agg->kind == SB_AGG_RANGE)
        key = es->agg->ranges[i].key;
    else
        key = key_text(es, &bucket->key, &b);
    if (!key.n && bucket->key.type != SB_COLUMN_KEYWORD)
        key = double_key(&b, bucket->key.type == SB_COLUMN_DOUBLE ? bucket->key.f
                                                                  : (double)bucket->key.i);
    sb_json_key(o->w, key);
    sb_json_obj(o->w, NULL);
    sb_buf_fini(&b);
}

static void write_buckets(const struct out *o, const struct es_agg *es,
                          const struct sb_agg_result *r) {
    if (es->agg->kind == SB_AGG_TERMS) {
        sb_json_int(o->w, "doc_count_error_upper_bound", 0);
        sb_json_int(o->w, "sum_other_doc_count", (int64_t)r->other_docs);
    }
    if (es->keyed)
        sb_json_obj(o->w, "buckets");
    else
        sb_json_arr(o->w, "buckets");
    for (size_t i = 0; i < r->nbuckets; i++) {
        if (es->keyed)
            open_keyed(o, es, &r->buckets[i], i);
        else
            sb_json_obj(o->w, NULL);
        write_bucket(o, es, r, i);
        sb_json_end(o->w);
    }
    sb_json_end(o->w);
}

/* ---- numbers ---- */

static void write_value(const struct out *o, const struct es_agg *es,
                        const struct sb_agg_result *r) {
    switch (es->agg->kind) {
    case SB_AGG_VALUE_COUNT: sb_json_int(o->w, "value", (int64_t)r->count); return;
    case SB_AGG_CARDINALITY: sb_json_int(o->w, "value", (int64_t)r->cardinality); return;
    case SB_AGG_SUM: write_number(o, es, "value", r->count ? r->sum : 0, true); return;
    case SB_AGG_AVG: write_number(o, es, "value", r->sum / (double)r->count, r->count); return;
    case SB_AGG_MIN: write_number(o, es, "value", r->min, r->count); return;
    default: write_number(o, es, "value", r->max, r->count); return;
    }
}

static void write_bounds(const struct out *o, double avg, double population, double sampling,
                         double sigma, bool has) {
    const struct {
        const char *name;
        double v;
    } rows[] = {{"upper", avg + sigma * population},
                {"lower", avg - sigma * population},
                {"upper_population", avg + sigma * population},
                {"lower_population", avg - sigma * population},
                {"upper_sampling", avg + sigma * sampling},
                {"lower_sampling", avg - sigma * sampling}};
    sb_json_obj(o->w, "std_deviation_bounds");
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        if (has)
            sb_json_double(o->w, rows[i].name, rows[i].v);
        else
            sb_json_null(o->w, rows[i].name);
    sb_json_end(o->w);
}

static void write_extended(const struct out *o, const struct es_agg *es,
                           const struct sb_agg_result *r) {
    double n = (double)r->count, avg = r->sum / n;
    double squares = r->sum_of_squares - r->sum * avg;
    if (!(squares > 0)) squares = 0;
    double population = squares / n, sampling = squares / (n - 1);
    bool many = r->count > 1;
    const struct {
        const char *name;
        double v;
        bool has;
    } rows[] = {{"sum_of_squares", r->sum_of_squares, r->count},
                {"variance", population, r->count},
                {"variance_population", population, r->count},
                {"variance_sampling", sampling, many},
                {"std_deviation", sqrt(population), r->count},
                {"std_deviation_population", sqrt(population), r->count},
                {"std_deviation_sampling", sqrt(sampling), many}};
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        if (rows[i].has && isfinite(rows[i].v))
            sb_json_double(o->w, rows[i].name, rows[i].v);
        else
            sb_json_null(o->w, rows[i].name);
    write_bounds(o, avg, sqrt(population), sqrt(sampling), es->agg->sigma > 0 ? es->agg->sigma : 2,
                 r->count);
}

static void write_stats(const struct out *o, const struct es_agg *es,
                        const struct sb_agg_result *r) {
    sb_json_int(o->w, "count", (int64_t)r->count);
    write_number(o, es, "min", r->min, r->count);
    write_number(o, es, "max", r->max, r->count);
    write_number(o, es, "avg", r->sum / (double)r->count, r->count);
    write_number(o, es, "sum", r->count ? r->sum : 0, true);
    if (es->agg->kind == SB_AGG_EXTENDED_STATS) write_extended(o, es, r);
}

static void write_percentiles(const struct out *o, const struct es_agg *es,
                              const struct sb_agg_result *r) {
    struct sb_buf b;
    sb_buf_init(&b, 256);
    if (es->keyed)
        sb_json_obj(o->w, "values");
    else
        sb_json_arr(o->w, "values");
    for (size_t i = 0; i < es->agg->npercents; i++) {
        double q = r->quantiles ? r->quantiles[i] : NAN;
        if (es->keyed) {
            sb_json_key(o->w, double_key(&b, es->agg->percents[i]));
        } else {
            sb_json_obj(o->w, NULL);
            sb_json_double(o->w, "key", es->agg->percents[i]);
        }
        if (isfinite(q))
            sb_json_double(o->w, es->keyed ? NULL : "value", q);
        else
            sb_json_null(o->w, es->keyed ? NULL : "value");
        if (!es->keyed) sb_json_end(o->w);
    }
    sb_json_end(o->w);
    sb_buf_fini(&b);
}

/* ---- documents ---- */

static void write_top_hits(const struct out *o, const struct es_agg *es,
                           const struct sb_agg_result *r) {
    sb_json_obj(o->w, "hits");
    sb_json_obj(o->w, "total");
    sb_json_int(o->w, "value", (int64_t)r->total);
    sb_json_str(o->w, "relation", SB_STR("eq"));
    sb_json_end(o->w);
    if (es->hits->sorts.n || !r->nhits)
        sb_json_null(o->w, "max_score");
    else
        sb_json_double(o->w, "max_score", 1);
    sb_json_arr(o->w, "hits");
    for (size_t i = 0; i < r->nhits; i++) es_hit_write(o->w, o->v, es->hits, &r->hits[i]);
    sb_json_end(o->w);
    sb_json_end(o->w);
}

static void write_top_metrics(const struct out *o, const struct es_agg *es,
                              const struct sb_agg_result *r) {
    const struct es_sorts *s = &es->hits->sorts;
    sb_json_arr(o->w, "top");
    for (size_t i = 0; i < r->nhits; i++) {
        const struct sb_search_hit *hit = &r->hits[i];
        size_t at = 0;
        sb_json_obj(o->w, NULL);
        sb_json_arr(o->w, "sort");
        for (size_t k = 0; k < s->n; k++) {
            bool metric = k >= es->nsorts;
            if (k == es->nsorts) {
                sb_json_end(o->w);
                sb_json_obj(o->w, "metrics");
            }
            if (metric) sb_json_key(o->w, es->keys[k - es->nsorts]);
            if (s->list[k].by == ES_SORT_SCORE) {
                sb_json_double(o->w, NULL, 1);
                continue;
            }
            if (hit->has[at])
                es_value_write(o->w, NULL, &hit->sort[at], s->list[k].format);
            else
                sb_json_null(o->w, NULL);
            at++;
        }
        sb_json_end(o->w);
        sb_json_end(o->w);
    }
    sb_json_end(o->w);
}

/* ---- any ---- */

static void write_agg(const struct out *o, const struct es_agg *es, const struct sb_agg_result *r) {
    struct sb_buf b;
    sb_buf_init(&b, SB_SEARCH_BODY_MAX);
    if (o->typed) sb_buf_addf(&b, "%s#", es->kind);
    sb_buf_adds(&b, es->agg->name);
    sb_json_key(o->w, sb_buf_view(&b));
    sb_json_obj(o->w, NULL);
    if (es->meta) {
        sb_buf_reset(&b);
        sb_json_add_tree(&b, es->meta);
        sb_json_raw(o->w, "meta", sb_buf_view(&b));
    }
    sb_buf_fini(&b);
    switch (es->form) {
    case ES_AGG_BUCKETS: write_buckets(o, es, r); break;
    case ES_AGG_SINGLE: write_bucket(o, es, r, 0); break;
    case ES_AGG_VALUE: write_value(o, es, r); break;
    case ES_AGG_STATS: write_stats(o, es, r); break;
    case ES_AGG_PERCENTILES: write_percentiles(o, es, r); break;
    case ES_AGG_TOP_HITS: write_top_hits(o, es, r); break;
    case ES_AGG_TOP_METRICS: write_top_metrics(o, es, r); break;
    }
    sb_json_end(o->w);
}

static void write_list(const struct out *o, const struct es_agg *list,
                       const struct sb_agg_result *results, size_t n) {
    for (size_t i = 0; i < n; i++) write_agg(o, &list[i], &results[i]);
}

void es_aggs_write(struct sb_json_writer *w, const struct es_view *v, const struct es_agg *list,
                   const struct sb_agg_result *results, size_t n, bool typed) {
    struct out o = {w, v, typed};
    write_list(&o, list, results, n);
}

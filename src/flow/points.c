#include "flow/points.h"

#include <math.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/time.h"

enum {
    BUCKETS = SB_HISTOGRAM_BUCKETS + 1,
    KEY_MAX = 1 << 14,
    IDLE_MS = 60000,    /* a series in which nothing happens is written so often */
    STILL_MS = 600000,  /* a gauge must have stood still for so long to be one */
    FORGET_MS = 120000, /* series that are gone */
    PROCESSES = 4,
};

struct known {
    int64_t seen_ms, written_ms, changed_ms;
    double value;            /* counter, gauge; sum of a histogram */
    double buckets[BUCKETS]; /* cumulative, as exposed */
    bool idle;               /* the document written last said that nothing happened */
};

struct process {
    const char *name;
    int64_t ms; /* of the last look */
};

struct sb_points {
    struct sb_map known;
    struct process process[PROCESSES];
};

struct sb_points *sb_points_new(void) {
    struct sb_points *p = sb_calloc(1, sizeof *p);
    sb_map_init(&p->known);
    return p;
}

static void free_known(void *k) {
    sb_free(k);
}

void sb_points_free(struct sb_points *p) {
    if (!p) return;
    sb_map_fini(&p->known, free_known);
    sb_free(p);
}

double sb_points_quantile(const double *bounds, const double *buckets, size_t n, double q) {
    double total = 0, below = 0;
    for (size_t i = 0; i < n; i++) total += buckets[i];
    if (total <= 0) return NAN;
    double want = q * total;
    for (size_t i = 0; i < n; i++) {
        if (below + buckets[i] < want || buckets[i] <= 0) {
            below += buckets[i];
            continue;
        }
        if (i + 1 == n) break; /* open: no better answer than its lower bound */
        double low = i ? bounds[i - 1] : 0;
        return low + (bounds[i] - low) * (want - below) / buckets[i];
    }
    return bounds[n - 2];
}

/* ---- one look ---- */

struct look {
    struct sb_points *points;
    const char *process;
    int64_t now, before; /* ms; before 0: the first look at this process */
    sb_point_fn *emit;
    void *arg;
    struct sb_buf key, doc;
};

static const struct sb_metric_desc *desc_of(struct sb_str name, enum sb_metric_type type) {
    for (size_t i = 0; i < SB_METRIC_COUNT; i++)
        if (sb_str_is(name, sb_metric_table[i].name) && sb_metric_table[i].type == type)
            return &sb_metric_table[i];
    return NULL;
}

static bool is_le(const struct sb_monitor_pair *l) {
    return sb_str_is(l->key, "le");
}

/* What is known of the series; NULL when there are too many. *fresh: it was not known. */
static struct known *known_of(struct look *l, const struct sb_metric_desc *d,
                              const struct sb_monitor_sample *s, bool *fresh) {
    struct sb_points *p = l->points;
    sb_buf_reset(&l->key);
    sb_buf_addz(&l->key, l->process);
    sb_buf_addc(&l->key, 0);
    sb_buf_addz(&l->key, d->name);
    for (size_t i = 0; i < s->nlabels; i++) {
        if (is_le(&s->labels[i])) continue;
        sb_buf_addc(&l->key, 0);
        sb_buf_adds(&l->key, s->labels[i].key);
        sb_buf_addc(&l->key, 0);
        sb_buf_adds(&l->key, s->labels[i].value);
    }
    if (sb_buf_err(&l->key)) return NULL;
    struct known *k = sb_map_get(&p->known, sb_buf_view(&l->key));
    *fresh = !k;
    if (k || p->known.n >= SB_POINTS_SERIES_MAX) return k;
    k = sb_calloc(1, sizeof *k);
    k->changed_ms = l->now;
    sb_map_put(&p->known, sb_buf_view(&l->key), k);
    return k;
}

static struct sb_json_writer doc_begin(struct look *l, const struct sb_metric_desc *d,
                                       const struct sb_monitor_sample *s) {
    char at[SB_TIME_TEXT];
    sb_buf_reset(&l->doc);
    struct sb_json_writer w = {.b = &l->doc};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "@timestamp", sb_str_make(at, sb_time_format_ms(at, l->now)));
    sb_json_str(&w, "name", sb_str_of(d->name));
    sb_json_obj(&w, "labels");
    sb_json_str(&w, "process", sb_str_of(l->process));
    for (size_t i = 0; i < s->nlabels; i++) {
        if (is_le(&s->labels[i])) continue;
        sb_json_key(&w, s->labels[i].key);
        sb_json_str(&w, NULL, s->labels[i].value);
    }
    sb_json_end(&w);
    return w;
}

static void doc_end(struct look *l, struct sb_json_writer *w, struct known *k, bool idle) {
    sb_json_end(w);
    k->idle = idle;
    k->written_ms = l->now;
    if (sb_buf_err(&l->doc) == SB_OK) l->emit(l->arg, sb_buf_view(&l->doc));
}

/* Nothing happens, that was said, and not long ago. */
static bool may_be_left_out(const struct look *l, const struct known *k, bool idle) {
    return idle && k->idle && k->written_ms && l->now - k->written_ms < IDLE_MS;
}

static double seconds(const struct look *l) {
    return (double)(l->now - l->before) / 1e3;
}

static void take_gauge(struct look *l, const struct sb_metric_desc *d,
                       const struct sb_monitor_sample *s) {
    bool fresh;
    struct known *k = known_of(l, d, s, &fresh);
    if (!k) return;
    if (k->value != s->value) k->changed_ms = l->now;
    k->value = s->value;
    k->seen_ms = l->now;
    bool idle = l->now - k->changed_ms >= STILL_MS;
    if (may_be_left_out(l, k, idle)) return;
    struct sb_json_writer w = doc_begin(l, d, s);
    sb_json_double(&w, "value", s->value);
    doc_end(l, &w, k, idle);
}

static void take_counter(struct look *l, const struct sb_metric_desc *d,
                         const struct sb_monitor_sample *s) {
    bool fresh;
    struct known *k = known_of(l, d, s, &fresh);
    if (!k) return;
    bool has_rate = l->before && l->now > l->before && (!fresh || s->value > 0);
    double grown = s->value < k->value ? s->value : s->value - k->value;
    bool idle = fresh ? s->value == 0 : grown == 0;
    k->value = s->value;
    k->seen_ms = l->now;
    if (may_be_left_out(l, k, idle)) return;
    struct sb_json_writer w = doc_begin(l, d, s);
    sb_json_double(&w, "value", s->value);
    if (has_rate) sb_json_double(&w, "rate", grown / seconds(l));
    doc_end(l, &w, k, idle);
}

/* ---- histograms: NAME_bucket ..., NAME_sum, NAME_count, of one series together ---- */

struct histogram {
    const struct sb_metric_desc *desc;
    double buckets[BUCKETS], sum;
    size_t n;
};

static void write_histogram(struct look *l, const struct histogram *h,
                            const struct sb_monitor_sample *s, struct known *k, const double *grown,
                            double sum) {
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}};
    double bounds[SB_HISTOGRAM_BUCKETS], count = 0;
    for (size_t i = 0; i < BUCKETS; i++) count += grown[i];
    for (size_t i = 0; i < SB_HISTOGRAM_BUCKETS; i++)
        bounds[i] = (double)sb_histogram_bounds[i] / h->desc->scale;
    if (may_be_left_out(l, k, count == 0)) return;
    struct sb_json_writer w = doc_begin(l, h->desc, s);
    sb_json_double(&w, "count", count);
    sb_json_double(&w, "sum", sum);
    if (l->now > l->before) sb_json_double(&w, "rate", count / seconds(l));
    for (size_t i = 0; count > 0 && i < SB_COUNT(quantiles); i++)
        sb_json_double(&w, quantiles[i].name,
                       sb_points_quantile(bounds, grown, BUCKETS, quantiles[i].q));
    doc_end(l, &w, k, count == 0);
}

/* The series is whole. Of the first look at a process nothing is said: over which time? */
static void end_histogram(struct look *l, const struct histogram *h,
                          const struct sb_monitor_sample *s) {
    bool fresh;
    double grown[BUCKETS], below = 0, sum = h->sum;
    struct known *k = h->n == BUCKETS ? known_of(l, h->desc, s, &fresh) : NULL;
    if (!k) return;
    bool again = h->buckets[BUCKETS - 1] < k->buckets[BUCKETS - 1]; /* the process did */
    for (size_t i = 0; i < BUCKETS; i++) {
        double upto = again ? h->buckets[i] : h->buckets[i] - k->buckets[i];
        grown[i] = upto > below ? upto - below : 0;
        below = upto;
    }
    if (!again) sum -= k->value;
    memcpy(k->buckets, h->buckets, sizeof k->buckets);
    k->value = h->sum;
    k->seen_ms = l->now;
    if (l->before) write_histogram(l, h, s, k, grown, sum);
}

/* false: the sample is none of a histogram. */
static bool take_histogram(struct look *l, struct histogram *h, const struct sb_monitor_sample *s) {
    static const struct sb_str bucket = {"_bucket", 7}, sum = {"_sum", 4}, count = {"_count", 6};
    struct sb_str end = sb_str_ends(s->metric, bucket)  ? bucket
                        : sb_str_ends(s->metric, sum)   ? sum
                        : sb_str_ends(s->metric, count) ? count
                                                        : (struct sb_str){0};
    if (!end.n) return false;
    const struct sb_metric_desc *d =
        desc_of(sb_str_sub(s->metric, 0, s->metric.n - end.n), SB_HISTOGRAM);
    if (!d) return false;
    if (d != h->desc) *h = (struct histogram){.desc = d};
    if (end.p == bucket.p) {
        if (h->n < BUCKETS) h->buckets[h->n++] = s->value;
    } else if (end.p == sum.p) {
        h->sum = s->value;
    } else {
        end_histogram(l, h, s);
        *h = (struct histogram){0};
    }
    return true;
}

/* ---- all of them ---- */

static void take(struct look *l, const struct sb_monitor_samples *s) {
    struct histogram h = {0};
    for (size_t i = 0; i < s->n; i++) {
        const struct sb_monitor_sample *one = &s->sample[i];
        const struct sb_metric_desc *d;
        if (take_histogram(l, &h, one)) continue;
        if ((d = desc_of(one->metric, SB_COUNTER)))
            take_counter(l, d, one);
        else if ((d = desc_of(one->metric, SB_GAUGE)))
            take_gauge(l, d, one);
    }
}

static void forget_gone(struct sb_points *p, int64_t now) {
    size_t at = 0;
    for (struct sb_map_slot *s; (s = sb_map_next(&p->known, &at));) {
        struct known *k = s->value;
        if (now - k->seen_ms < FORGET_MS) continue;
        sb_map_del(&p->known, s->key);
        sb_free(k);
        at--; /* the map moves a follower there */
    }
}

static struct process *process_of(struct sb_points *p, const char *name) {
    for (size_t i = 0; i < PROCESSES; i++) {
        if (!p->process[i].name) p->process[i].name = name;
        if (strcmp(p->process[i].name, name) == 0) return &p->process[i];
    }
    SB_ASSERT(!"more processes than there are");
    return NULL;
}

void sb_points_take(struct sb_points *p, const char *process, const struct sb_monitor_samples *s,
                    int64_t now_ms, sb_point_fn *emit, void *arg) {
    struct process *of = process_of(p, process);
    struct look l = {p, process, now_ms, of->ms, emit, arg, {0}, {0}};
    sb_buf_init(&l.key, KEY_MAX);
    sb_buf_init(&l.doc, KEY_MAX);
    if (now_ms > of->ms) { /* else the clock stepped back: wait until it is past that again */
        take(&l, s);
        of->ms = now_ms;
        forget_gone(p, now_ms);
    } else if (of->ms - now_ms > IDLE_MS) {
        of->ms = 0;
    }
    sb_buf_fini(&l.key);
    sb_buf_fini(&l.doc);
}

#include "flow/capacity.h"

#include <math.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "sys/file.h"

enum { KEY_MAX = 4096, VERSIONS_MAX = 1000 };

static const double KEEP = 0.9, KEEP_GROWTH = 0.99; /* what a look weighs after the next one */
static const double ROWS_MIN = 20;                  /* below that nothing is said of a rate */
static const double DAYS_MAX = 36500, DAY_S = 86400;

/* A counter: its growth since the look before, and over all looks as they weigh. */
struct total {
    double last, grown, sum;
    bool known;
};

struct version {
    struct total rows, requests, compute, worker_cpu, bytes;
    double value[5]; /* of this look, all roles and outcomes together: see enum part */
    bool native;
    struct sb_series *cost_cpu, *cost_bytes;
};
enum part { ROWS, REQUESTS, COMPUTE, WORKER_CPU, BYTES };

struct sb_capacity {
    struct sb_capacity_opts o;
    struct sb_map versions;
    struct total cpu, journal;
    double cores, cpu_now, journal_now, disk_now;
    double overhead, requests; /* weighed sums: CPU of no model, requests of all versions */
    double wall, used, rows, grown_s;
    int64_t before_ms;
};

struct sb_capacity *sb_capacity_new(const struct sb_capacity_opts *o) {
    struct sb_capacity *c = sb_calloc(1, sizeof *c);
    c->o = *o;
    sb_map_init(&c->versions);
    return c;
}

static void free_version(void *v) {
    sb_free(v);
}

void sb_capacity_free(struct sb_capacity *c) {
    if (!c) return;
    sb_map_fini(&c->versions, free_version);
    sb_free(c);
}

/* ---- reading the samples ---- */

static struct sb_str label(const struct sb_monitor_sample *s, const char *key) {
    for (size_t i = 0; i < s->nlabels; i++)
        if (sb_str_is(s->labels[i].key, key)) return s->labels[i].value;
    return (struct sb_str){"", 0};
}

/* NULL: a sample of no version (a request that named no model), or too many versions. */
static struct version *version_of(struct sb_capacity *c, const struct sb_monitor_sample *s) {
    struct sb_str labels[] = {label(s, "model"), label(s, "version")};
    struct sb_buf key;
    if (!labels[0].n || !labels[1].n) return NULL;
    sb_buf_init(&key, KEY_MAX);
    sb_buf_adds(&key, labels[0]);
    sb_buf_addc(&key, 0);
    sb_buf_adds(&key, labels[1]);
    struct version *v = sb_map_get(&c->versions, sb_buf_view(&key));
    if (!v && c->versions.n < VERSIONS_MAX && sb_buf_err(&key) == SB_OK) {
        v = sb_calloc(1, sizeof *v);
        v->cost_cpu = sb_metrics_get(c->o.metrics, SB_METRIC_COST_CPU, labels);
        v->cost_bytes = sb_metrics_get(c->o.metrics, SB_METRIC_COST_BYTES, labels);
        sb_map_put(&c->versions, sb_buf_view(&key), v);
    }
    sb_buf_fini(&key);
    return v;
}

static const struct {
    enum sb_metric_id id;
    const char *suffix; /* of a histogram's line */
    enum part part;
} parts[] = {
    {SB_METRIC_PREDICTIONS, "", ROWS},
    {SB_METRIC_COMPUTE_SECONDS, "_count", REQUESTS},
    {SB_METRIC_COMPUTE_SECONDS, "_sum", COMPUTE},
    {SB_METRIC_MODEL_CPU, "", WORKER_CPU},
    {SB_METRIC_EVENT_BYTES, "", BYTES},
};

static bool is(struct sb_str metric, enum sb_metric_id id, const char *suffix) {
    struct sb_str name = sb_str_of(sb_metric_table[id].name);
    return metric.n == name.n + strlen(suffix) && sb_str_starts(metric, name) &&
           sb_str_ends(metric, sb_str_of(suffix));
}

static void read_sample(struct sb_capacity *c, const struct sb_monitor_sample *s) {
    struct version *v;
    for (size_t i = 0; i < SB_COUNT(parts); i++)
        if (is(s->metric, parts[i].id, parts[i].suffix) && (v = version_of(c, s)))
            v->value[parts[i].part] += s->value;
    if (is(s->metric, SB_METRIC_MODEL_LIVE, "") && s->value == 1 && (v = version_of(c, s)))
        v->native = sb_str_is(label(s, "backend"), "native");
    if (is(s->metric, SB_METRIC_PROCESS_CPU, "")) c->cpu_now = s->value;
    if (is(s->metric, SB_METRIC_CORES, "")) c->cores = s->value;
    if (is(s->metric, SB_METRIC_JOURNAL_BYTES, "")) c->journal_now = s->value;
    if (is(s->metric, SB_METRIC_JOURNAL_DISK, "")) c->disk_now = s->value;
}

/* A counter that starts over counts from 0; one that is new counts from 0 unless all are. */
static void add(struct total *t, double value, bool first_look, double keep) {
    bool counts = t->known || !first_look;
    t->grown = !counts ? 0 : value < t->last ? value : value - t->last;
    t->sum = t->sum * keep + t->grown;
    t->last = value;
    t->known = true;
}

static void add_version(struct version *v, bool first) {
    struct total *totals[] = {[ROWS] = &v->rows,
                              [REQUESTS] = &v->requests,
                              [COMPUTE] = &v->compute,
                              [WORKER_CPU] = &v->worker_cpu,
                              [BYTES] = &v->bytes};
    for (size_t i = 0; i < SB_COUNT(totals); i++) add(totals[i], v->value[i], first, KEEP);
    if (!v->native) v->compute.grown = v->compute.sum = 0; /* that is waiting for its workers */
    memset(v->value, 0, sizeof v->value);
}

/* ---- answers ---- */

static void set(struct sb_capacity *c, enum sb_metric_id id, double value) {
    sb_series_set(sb_metrics_get(c->o.metrics, id, NULL),
                  llround(value * sb_metric_table[id].scale));
}

static void say_cost(struct sb_capacity *c, struct version *v) {
    if (v->rows.sum < ROWS_MIN) return; /* what was said stays */
    double share = c->requests > 0 ? c->overhead * v->requests.sum / c->requests : 0;
    double cpu = (v->compute.sum + v->worker_cpu.sum + share) * 1000 / v->rows.sum;
    double bytes = v->bytes.sum * 1000 / v->rows.sum;
    sb_series_set(v->cost_cpu, llround(cpu * sb_metric_table[SB_METRIC_COST_CPU].scale));
    sb_series_set(v->cost_bytes, llround(bytes));
}

static void say_capacity(struct sb_capacity *c) {
    if (c->wall <= 0 || c->cores <= 0) return;
    double busy = c->used / (c->wall * c->cores);
    if (busy > 1) busy = 1;
    set(c, SB_METRIC_CAPACITY_BUSY, busy);
    set(c, SB_METRIC_CAPACITY_HEADROOM, 1 - busy);
    set(c, SB_METRIC_CAPACITY_RATE, c->rows / c->wall);
    if (c->rows >= ROWS_MIN && busy > 0) set(c, SB_METRIC_CAPACITY_LIMIT, c->rows / c->wall / busy);
}

static void say_days(struct sb_capacity *c) {
    int64_t left = 0;
    double days = DAYS_MAX;
    if (c->o.retain_bytes) {
        left = c->o.retain_bytes - (int64_t)c->disk_now;
        if (left < 0) left = 0; /* the oldest are deleted */
    } else if (sb_dir_free_bytes(c->o.dir, &left, NULL) != SB_OK) {
        return;
    }
    if (c->grown_s > 0 && c->journal.sum > 0)
        days = (double)left / (c->journal.sum / c->grown_s) / DAY_S;
    set(c, SB_METRIC_JOURNAL_DAYS, days < DAYS_MAX ? days : DAYS_MAX);
}

void sb_capacity_take(struct sb_capacity *c, const struct sb_monitor_samples *s, int64_t now_ms) {
    bool first = c->before_ms == 0;
    double seconds = first ? 0 : (double)(now_ms - c->before_ms) / 1e3;
    double models = 0, requests = 0, rows = 0, workers = 0;
    size_t at = 0;
    for (size_t i = 0; i < s->n; i++) read_sample(c, &s->sample[i]);
    c->before_ms = now_ms;
    if (seconds < 0) seconds = 0; /* the clock stepped back */
    for (struct sb_map_slot *slot; (slot = sb_map_next(&c->versions, &at));) {
        struct version *v = slot->value;
        add_version(v, first);
        models += v->compute.grown;
        workers += v->worker_cpu.grown;
        requests += v->requests.grown;
        rows += v->rows.grown;
    }
    add(&c->cpu, c->cpu_now, first, KEEP);
    add(&c->journal, c->journal_now, first, KEEP_GROWTH);
    double rest = c->cpu.grown - models;
    c->overhead = c->overhead * KEEP + (rest > 0 ? rest : 0);
    c->requests = c->requests * KEEP + requests;
    c->wall = c->wall * KEEP + seconds;
    c->used = c->used * KEEP + c->cpu.grown + workers;
    c->rows = c->rows * KEEP + rows;
    c->grown_s = c->grown_s * KEEP_GROWTH + seconds;
    at = 0;
    for (struct sb_map_slot *slot; (slot = sb_map_next(&c->versions, &at));)
        say_cost(c, slot->value);
    say_capacity(c);
    say_days(c);
}

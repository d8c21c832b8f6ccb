#include "domain/metric/metric.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/json.h"
#include "sys/process.h"

#define UNWRAP(...) __VA_ARGS__
const struct sb_metric_desc sb_metric_table[SB_METRIC_COUNT] = {
#define X(id, name, type, scale, labels, help) {name, type, scale, {UNWRAP labels}, help},
    SB_METRIC_TABLE(X)
#undef X
};

const int64_t sb_histogram_bounds[SB_HISTOGRAM_BUCKETS] = {
    50 * SB_US,  100 * SB_US, 200 * SB_US, 350 * SB_US, 500 * SB_US, 750 * SB_US, SB_MS,
    2 * SB_MS,   3 * SB_MS,   5 * SB_MS,   10 * SB_MS,  25 * SB_MS,  50 * SB_MS,  100 * SB_MS,
    250 * SB_MS, 500 * SB_MS, SB_SEC,      5 * SB_SEC,  60 * SB_SEC,
};

struct sb_series {
    struct sb_series *next;
    char *values[SB_METRIC_LABELS_MAX];
    _Atomic int64_t value;                             /* counter, gauge; sum of a histogram */
    _Atomic int64_t buckets[SB_HISTOGRAM_BUCKETS + 1]; /* not cumulative */
};

struct sb_metrics {
    struct sb_mutex lock; /* guards the lists, not the values */
    struct {
        struct sb_series *first, **last;
        size_t n;
    } by_id[SB_METRIC_COUNT];
};

struct sb_metrics *sb_metrics_new(void) {
    struct sb_metrics *m = sb_calloc(1, sizeof *m);
    sb_mutex_init(&m->lock);
    for (size_t i = 0; i < SB_METRIC_COUNT; i++) m->by_id[i].last = &m->by_id[i].first;
    return m;
}

void sb_metrics_free(struct sb_metrics *m) {
    if (!m) return;
    for (size_t i = 0; i < SB_METRIC_COUNT; i++) {
        for (struct sb_series *s = m->by_id[i].first, *next; s; s = next) {
            next = s->next;
            for (size_t k = 0; k < SB_METRIC_LABELS_MAX; k++) sb_free(s->values[k]);
            sb_free(s);
        }
    }
    sb_mutex_fini(&m->lock);
    sb_free(m);
}

static size_t label_count(enum sb_metric_id id) {
    size_t n = 0;
    while (n < SB_METRIC_LABELS_MAX && sb_metric_table[id].labels[n]) n++;
    return n;
}

static struct sb_series *find(struct sb_series *s, size_t n, const struct sb_str *values) {
    for (; s; s = s->next) {
        size_t k = 0;
        while (k < n && sb_str_is(values[k], s->values[k])) k++;
        if (k == n) return s;
    }
    return NULL;
}

struct sb_series *sb_metrics_get(struct sb_metrics *m, enum sb_metric_id id,
                                 const struct sb_str *values) {
    static const struct sb_str other[SB_METRIC_LABELS_MAX] = {
        {"other", 5}, {"other", 5}, {"other", 5}, {"other", 5}};
    size_t n = label_count(id);
    sb_mutex_lock(&m->lock);
    struct sb_series *s = find(m->by_id[id].first, n, values);
    if (!s && m->by_id[id].n >= SB_METRIC_SERIES_MAX) {
        values = other;
        s = find(m->by_id[id].first, n, values);
    }
    if (!s) {
        s = sb_calloc(1, sizeof *s);
        for (size_t k = 0; k < n; k++) s->values[k] = sb_strndup(values[k].p, values[k].n);
        __atomic_store_n(m->by_id[id].last, s,
                         __ATOMIC_RELEASE); /* readers walk without the lock */
        m->by_id[id].last = &s->next;
        m->by_id[id].n++;
    }
    sb_mutex_unlock(&m->lock);
    return s;
}

static struct sb_series *first_series(struct sb_metrics *m, enum sb_metric_id id) {
    sb_mutex_lock(&m->lock);
    struct sb_series *s = m->by_id[id].first; /* series are only ever appended */
    sb_mutex_unlock(&m->lock);
    return s;
}

static struct sb_series *next_series(const struct sb_series *s) {
    return __atomic_load_n(&s->next, __ATOMIC_ACQUIRE);
}

void sb_metrics_clear(struct sb_metrics *m, enum sb_metric_id id) {
    for (struct sb_series *s = first_series(m, id); s; s = next_series(s)) sb_series_set(s, 0);
}

void sb_series_add(struct sb_series *s, int64_t n) {
    __atomic_fetch_add((int64_t *)&s->value, n, __ATOMIC_RELAXED);
}

void sb_series_set(struct sb_series *s, int64_t v) {
    __atomic_store_n((int64_t *)&s->value, v, __ATOMIC_RELAXED);
}

int64_t sb_series_value(const struct sb_series *s) {
    return __atomic_load_n((const int64_t *)&s->value, __ATOMIC_RELAXED);
}

void sb_series_observe(struct sb_series *s, int64_t ns) {
    size_t i = 0;
    while (i < SB_HISTOGRAM_BUCKETS && ns > sb_histogram_bounds[i]) i++;
    __atomic_fetch_add((int64_t *)&s->buckets[i], 1, __ATOMIC_RELAXED);
    sb_series_add(s, ns);
}

/* ---- exposition ---- */

static void add_escaped(struct sb_buf *b, const char *s, bool quotes) {
    for (; *s; s++) {
        if (*s == '\\' || (quotes && *s == '"')) sb_buf_addc(b, '\\');
        if (*s == '\n')
            SB_BUF_LIT(b, "\\n");
        else
            sb_buf_addc(b, *s);
    }
}

/* {a="x",b="y"} with an le label when wanted; nothing when there are no labels */
static void add_labels(struct sb_buf *b, const struct sb_metric_desc *d, const struct sb_series *s,
                       const char *le) {
    const char *sep = "{";
    for (size_t k = 0; k < SB_METRIC_LABELS_MAX && d->labels[k]; k++, sep = ",") {
        sb_buf_addz(b, sep);
        sb_buf_addz(b, d->labels[k]);
        SB_BUF_LIT(b, "=\"");
        add_escaped(b, s->values[k], true);
        sb_buf_addc(b, '"');
    }
    if (le) sb_buf_addf(b, "%sle=\"%s\"", sep, le);
    if (le || sep[0] == ',') sb_buf_addc(b, '}');
}

static void add_number(struct sb_buf *b, int64_t v, double scale) {
    sb_buf_addc(b, ' ');
    if (scale == 1)
        sb_buf_addi(b, v);
    else
        sb_json_add_double(b, (double)v / scale);
    sb_buf_addc(b, '\n');
}

static void add_line(struct sb_buf *b, const struct sb_metric_desc *d, const struct sb_series *s,
                     const char *suffix, const char *le, int64_t v, double scale) {
    sb_buf_addz(b, d->name);
    sb_buf_addz(b, suffix);
    add_labels(b, d, s, le);
    add_number(b, v, scale);
}

static void add_histogram(struct sb_buf *b, const struct sb_metric_desc *d,
                          const struct sb_series *s) {
    int64_t total = 0;
    for (size_t i = 0; i <= SB_HISTOGRAM_BUCKETS; i++) {
        total += __atomic_load_n((const int64_t *)&s->buckets[i], __ATOMIC_RELAXED);
        char le[32] = "+Inf";
        if (i < SB_HISTOGRAM_BUCKETS)
            le[sb_double_format(le, (double)sb_histogram_bounds[i] / d->scale)] = 0;
        add_line(b, d, s, "_bucket", le, total, 1);
    }
    add_line(b, d, s, "_sum", NULL, sb_series_value(s), d->scale);
    add_line(b, d, s, "_count", NULL, total, 1);
}

void sb_metrics_write(struct sb_metrics *m, struct sb_buf *out) {
    static const char *const types[] = {"counter", "gauge", "histogram"};
    for (size_t i = 0; i < SB_METRIC_COUNT; i++) {
        const struct sb_metric_desc *d = &sb_metric_table[i];
        struct sb_series *first = first_series(m, (enum sb_metric_id)i);
        if (!first) continue;
        sb_buf_addf(out, "# HELP %s ", d->name);
        add_escaped(out, d->help, false);
        sb_buf_addf(out, "\n# TYPE %s %s\n", d->name, types[d->type]);
        for (struct sb_series *s = first; s; s = next_series(s)) {
            if (d->type == SB_HISTOGRAM)
                add_histogram(out, d, s);
            else
                add_line(out, d, s, "", NULL, sb_series_value(s), d->scale);
        }
    }
}

void sb_metrics_update_process(struct sb_metrics *m) {
    struct sb_process_usage u;
    sb_process_usage_get(&u);
    sb_series_set(sb_metrics_get(m, SB_METRIC_PROCESS_CPU, NULL), sb_cpu_ns());
    sb_series_set(sb_metrics_get(m, SB_METRIC_CORES, NULL), sb_process_cores());
    sb_series_set(sb_metrics_get(m, SB_METRIC_PROCESS_RSS, NULL), u.rss_bytes);
    sb_series_set(sb_metrics_get(m, SB_METRIC_PROCESS_FDS, NULL), u.open_fds);
    sb_series_set(sb_metrics_get(m, SB_METRIC_PROCESS_START, NULL), u.start_wall_ns);
}

#include "domain/monitor/measure.h"

#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

/* Counters need only the value at the window's begin: that many points say it well enough. Looks
 * are never exactly as far apart as they should be, so points may lie a fifth nearer. */
enum { COUNTER_POINTS = 60, EVERY_MS = 5000 };

struct point {
    int64_t ms;
    double v; /* of a counter: without its starts over */
};

struct series {
    struct sb_monitor_pair *labels;
    size_t nlabels;
    double le;        /* of a bucket */
    char *group;      /* labels without le, for sorting */
    double raw, lost; /* counter: last value seen, and what it had before it started over */
    struct point last;
    struct point *ring; /* oldest first from `head` */
    size_t head, n;
};

struct sb_monitor_track {
    const struct sb_monitor_rule *rule;
    const struct sb_monitor_source *source;
    struct sb_str metric; /* with _bucket for percentiles */
    char *metric_text;
    enum sb_monitor_across across;
    bool counter;    /* points are of a counter (or bucket) */
    size_t cap;      /* points of a ring */
    int64_t step_ms; /* between points */
    int64_t window_ms, now_ms, before_ms;
    struct sb_map by_labels;
};

struct sb_monitor_track *sb_monitor_track_new(const struct sb_monitor_rule *rule, bool per) {
    struct sb_monitor_track *t = sb_calloc(1, sizeof *t);
    const struct sb_monitor_source *s = per ? &rule->per : &rule->of;
    bool quantile = s->stat == SB_MONITOR_QUANTILE;
    struct sb_buf name;
    sb_buf_init(&name, 1 << 10);
    sb_buf_adds(&name, s->metric);
    if (quantile) SB_BUF_LIT(&name, "_bucket");
    t->metric_text = sb_buf_take(&name, &t->metric.n);
    t->metric.p = t->metric_text;
    t->rule = rule;
    t->source = s;
    t->across = per ? SB_MONITOR_ACROSS_SUM : rule->across;
    t->counter = quantile || s->stat == SB_MONITOR_RATE || s->stat == SB_MONITOR_INCREASE;
    t->window_ms = rule->window_ns / SB_MS;
    size_t points = (size_t)(t->window_ms / EVERY_MS) + 1;
    if (t->counter && points > COUNTER_POINTS) points = COUNTER_POINTS;
    t->cap = s->stat == SB_MONITOR_VALUE ? 0 : points + points / 4 + 2;
    t->step_ms = t->window_ms / (int64_t)points * 4 / 5;
    sb_map_init(&t->by_labels);
    return t;
}

static void series_free(void *p) {
    struct series *s = p;
    for (size_t i = 0; i < s->nlabels; i++) sb_free((char *)s->labels[i].key.p);
    sb_free(s->labels);
    sb_free(s->group);
    sb_free(s->ring);
    sb_free(s);
}

void sb_monitor_track_free(struct sb_monitor_track *t) {
    if (!t) return;
    sb_map_fini(&t->by_labels, series_free);
    sb_free(t->metric_text);
    sb_free(t);
}

/* ---- taking in ---- */

static struct sb_str label_of(const struct sb_monitor_sample *s, struct sb_str name) {
    for (size_t i = 0; i < s->nlabels; i++)
        if (sb_str_eq(s->labels[i].key, name)) return s->labels[i].value;
    return (struct sb_str){0};
}

static bool matches(const struct sb_monitor_source *s, const struct sb_monitor_sample *x) {
    for (size_t i = 0; i < s->nmatches; i++) {
        const struct sb_monitor_match *m = &s->matches[i];
        struct sb_str value = label_of(x, m->label);
        bool found = false;
        for (size_t k = 0; k < m->n && !found; k++) found = sb_str_eq(m->values[k], value);
        if (found == m->negated) return false;
    }
    return true;
}

/* Labels as text that is different for different ones. */
static void add_labels(struct sb_buf *b, const struct sb_monitor_sample *s) {
    for (size_t i = 0; i < s->nlabels; i++) {
        sb_buf_adds(b, s->labels[i].key);
        sb_buf_addc(b, 0);
        sb_buf_adds(b, s->labels[i].value);
        sb_buf_addc(b, 0);
    }
}

static void copy_labels(struct series *to, const struct sb_monitor_sample *s) {
    to->labels = sb_calloc(s->nlabels + 1, sizeof *to->labels);
    for (size_t i = 0; i < s->nlabels; i++) {
        const struct sb_monitor_pair *l = &s->labels[i];
        if (sb_str_is(l->key, "le")) continue;
        char *both = sb_alloc(l->key.n + l->value.n + 1);
        if (l->key.n) memcpy(both, l->key.p, l->key.n);
        if (l->value.n) memcpy(both + l->key.n, l->value.p, l->value.n);
        to->labels[to->nlabels++] = (struct sb_monitor_pair){
            sb_str_make(both, l->key.n), sb_str_make(both + l->key.n, l->value.n)};
    }
}

static double bound_of(struct sb_str le) {
    double v;
    if (sb_str_is(le, "+Inf")) return HUGE_VAL;
    return sb_double_parse(le, &v) ? v : NAN;
}

static struct series *series_new(const struct sb_monitor_track *t,
                                 const struct sb_monitor_sample *x) {
    struct series *s = sb_calloc(1, sizeof *s);
    copy_labels(s, x);
    if (t->source->stat == SB_MONITOR_QUANTILE) {
        struct sb_buf group;
        sb_buf_init(&group, 1 << 20);
        s->le = bound_of(label_of(x, SB_STR("le")));
        for (size_t i = 0; i < s->nlabels; i++) {
            sb_buf_adds(&group, s->labels[i].key);
            sb_buf_addc(&group, '\x1f');
            sb_buf_adds(&group, s->labels[i].value);
            sb_buf_addc(&group, '\x1f');
        }
        s->group = sb_buf_take(&group, NULL);
    }
    if (t->cap) s->ring = sb_calloc(t->cap, sizeof *s->ring);
    return s;
}

static void push(const struct sb_monitor_track *t, struct series *s, struct point p) {
    if (!t->cap) return;
    if (s->n && p.ms - s->ring[(s->head + s->n - 1) % t->cap].ms < t->step_ms) return;
    if (s->n == t->cap) {
        s->head = (s->head + 1) % t->cap;
        s->n--;
    }
    s->ring[(s->head + s->n++) % t->cap] = p;
}

static void take(const struct sb_monitor_track *t, struct series *s, double v, bool fresh) {
    if (fresh && t->counter && t->before_ms) push(t, s, (struct point){t->before_ms, 0});
    if (t->counter && v < s->raw) s->lost += s->raw;
    s->raw = v;
    s->last = (struct point){t->now_ms, t->counter ? v + s->lost : v};
    push(t, s, s->last);
}

/* Series that are gone are kept as long as the window reaches back to them. */
static void drop_old(struct sb_monitor_track *t) {
    int64_t keep = t->counter ? t->window_ms : 0;
    struct sb_map_slot *slot;
    for (size_t at = 0; (slot = sb_map_next(&t->by_labels, &at));) {
        struct series *s = slot->value;
        if (s->last.ms + keep >= t->now_ms) continue;
        sb_map_del(&t->by_labels, slot->key);
        series_free(s);
        at--; /* removing moves a later one into its place */
    }
}

sb_err sb_monitor_track_add(struct sb_monitor_track *t, const struct sb_monitor_samples *all,
                            int64_t now_ms, struct sb_errctx *ctx) {
    struct sb_buf key;
    sb_err err = SB_OK;
    sb_buf_init(&key, 1 << 20);
    t->before_ms = t->now_ms;
    t->now_ms = now_ms;
    for (size_t i = 0; i < all->n && !err; i++) {
        const struct sb_monitor_sample *x = &all->sample[i];
        if (!sb_str_eq(x->metric, t->metric) || !matches(t->source, x) || isnan(x->value)) continue;
        sb_buf_reset(&key);
        add_labels(&key, x);
        struct series *s = sb_map_get(&t->by_labels, sb_buf_view(&key));
        bool fresh = !s;
        if (fresh && t->by_labels.n == SB_MONITOR_SERIES_MAX) {
            err =
                sb_fail(ctx, SB_E_LIMIT, "more than %d series of %.*s match: narrow it with where",
                        SB_MONITOR_SERIES_MAX, SB_ARG(sb_str_sub(t->source->metric, 0, 100)));
        } else {
            if (fresh) sb_map_put(&t->by_labels, sb_buf_view(&key), s = series_new(t, x));
            take(t, s, x->value, fresh);
        }
    }
    sb_buf_fini(&key);
    drop_old(t);
    return err;
}

/* ---- one series ---- */

/* The newest point at or before the window's begin, else the oldest. */
static const struct point *base_of(const struct sb_monitor_track *t, const struct series *s) {
    const struct point *base = &s->ring[s->head];
    for (size_t i = 1; i < s->n; i++) {
        const struct point *p = &s->ring[(s->head + i) % t->cap];
        if (p->ms > t->now_ms - t->window_ms) break;
        base = p;
    }
    return base;
}

static double increase(const struct sb_monitor_track *t, const struct series *s) {
    return s->last.v - base_of(t, s)->v;
}

/* The newest value too, when it came too soon after the one before to be kept. */
static double over_window(const struct sb_monitor_track *t, const struct series *s) {
    double sum = 0, min = HUGE_VAL, max = -HUGE_VAL, n = 0;
    for (size_t i = 0; i <= s->n; i++) {
        const struct point *p = i < s->n ? &s->ring[(s->head + i) % t->cap] : &s->last;
        bool kept = i == s->n && s->ring[(s->head + s->n - 1) % t->cap].ms == s->last.ms;
        if (kept || p->ms < t->now_ms - t->window_ms) continue;
        sum += p->v;
        min = p->v < min ? p->v : min;
        max = p->v > max ? p->v : max;
        n++;
    }
    if (t->source->stat == SB_MONITOR_AVG) return sum / n;
    return t->source->stat == SB_MONITOR_MIN ? min : max;
}

static bool value_of(const struct sb_monitor_track *t, const struct series *s, double *out) {
    switch (t->source->stat) {
    case SB_MONITOR_RATE: {
        double seconds = (double)(s->last.ms - base_of(t, s)->ms) / 1e3;
        if (!(seconds > 0)) return false;
        *out = increase(t, s) / seconds;
        return true;
    }
    case SB_MONITOR_INCREASE:
        if (s->last.ms == base_of(t, s)->ms) return false;
        *out = increase(t, s);
        return true;
    case SB_MONITOR_VALUE: *out = s->last.v; return true;
    default: *out = over_window(t, s); return true;
    }
}

/* ---- all of them ---- */

struct folding {
    enum sb_monitor_across across;
    double value, count, n;
    const struct series *of; /* largest or smallest */
};

static void fold(struct folding *f, double v, const struct series *s) {
    bool better = f->n == 0 || (f->across == SB_MONITOR_ACROSS_MAX ? v > f->value : v < f->value);
    f->n++;
    if (f->across == SB_MONITOR_ACROSS_SUM || f->across == SB_MONITOR_ACROSS_AVG) {
        f->value += v;
    } else if (better) {
        f->value = v;
        f->of = s;
    }
}

static void copy_out(const struct folding *f, struct sb_arena *a, struct sb_monitor_value *out) {
    *out = (struct sb_monitor_value){.has = f->n > 0, .value = f->value, .count = f->count};
    if (f->across == SB_MONITOR_ACROSS_AVG) out->value /= f->n;
    if (!f->of) return;
    struct sb_monitor_pair *l = sb_arena_alloc(a, (f->of->nlabels + 1) * sizeof *l);
    for (size_t i = 0; i < f->of->nlabels; i++) {
        l[i].key = sb_arena_dup(a, f->of->labels[i].key);
        l[i].value = sb_arena_dup(a, f->of->labels[i].value);
    }
    out->labels = l;
    out->nlabels = f->of->nlabels;
}

static void get_plain(struct sb_monitor_track *t, struct folding *f) {
    struct sb_map_slot *slot;
    for (size_t at = 0; (slot = sb_map_next(&t->by_labels, &at));) {
        const struct series *s = slot->value;
        double v;
        if (!value_of(t, s, &v)) continue;
        fold(f, v, s);
        if (t->counter) f->count += increase(t, s);
    }
    if (!t->counter) f->count = HUGE_VAL;
}

static int by_bound(const void *x, const void *y) {
    double a = (*(const struct series *const *)x)->le, b = (*(const struct series *const *)y)->le;
    return a < b ? -1 : a > b;
}

static int by_group(const void *x, const void *y) {
    int c = strcmp((*(const struct series *const *)x)->group,
                   (*(const struct series *const *)y)->group);
    return c ? c : by_bound(x, y);
}

/* Prometheus' histogram_quantile over buckets sorted by bound, where several may have one bound:
 * linear between a bucket's bounds, the highest finite bound in the last. false: nothing counted.
 */
static bool quantile(const struct sb_monitor_track *t, struct series *const *s, size_t n, double q,
                     double *out, double *total) {
    *total = 0;
    for (size_t i = n; i-- > 0 && s[i]->le == s[n - 1]->le;) *total += increase(t, s[i]);
    if (!(*total > 0) || !isinf(s[n - 1]->le)) return false;
    double rank = q * *total, below = 0, bound = 0;
    for (size_t i = 0; i < n;) {
        double le = s[i]->le, count = 0;
        for (; i < n && s[i]->le == le; i++) count += increase(t, s[i]);
        if (count >= rank) {
            bool last = isinf(le) || count <= below;
            *out = last ? bound : bound + (le - bound) * (rank - below) / (count - below);
            return true;
        }
        below = count > below ? count : below;
        bound = le;
    }
    return false;
}

static void get_quantile(struct sb_monitor_track *t, struct folding *f) {
    bool merged = f->across == SB_MONITOR_ACROSS_SUM;
    struct series **s = sb_calloc(t->by_labels.n + 1, sizeof *s);
    size_t n = 0;
    struct sb_map_slot *slot;
    for (size_t at = 0; (slot = sb_map_next(&t->by_labels, &at));) {
        s[n] = slot->value;
        if (!isnan(s[n]->le)) n++;
    }
    qsort(s, n, sizeof(struct series *), merged ? by_bound : by_group);
    for (size_t i = 0, end; i < n; i = end) {
        double v, total;
        end = merged ? n : i + 1;
        while (end < n && strcmp(s[i]->group, s[end]->group) == 0) end++;
        if (!quantile(t, s + i, end - i, t->source->quantile, &v, &total)) continue;
        if (total < t->rule->at_least) continue;
        fold(f, v, s[i]);
        f->count += total;
    }
    sb_free(s);
}

void sb_monitor_track_get(struct sb_monitor_track *t, struct sb_arena *a,
                          struct sb_monitor_value *out) {
    struct folding f = {.across = t->across};
    if (t->source->stat == SB_MONITOR_QUANTILE)
        get_quantile(t, &f);
    else
        get_plain(t, &f);
    copy_out(&f, a, out);
}

struct sb_monitor_value sb_monitor_combine(const struct sb_monitor_rule *rule,
                                           const struct sb_monitor_value *of,
                                           const struct sb_monitor_value *per) {
    struct sb_monitor_value v = *of;
    if (rule->has_per) {
        v.count = per->count;
        v.has = of->has && per->has && per->value != 0;
        /* nothing of the first kind happened yet, while things of the second did */
        bool none = !of->has && of->count == 0 && per->has && per->value != 0;
        bool counts = rule->of.kind == SB_MONITOR_EVENTS || rule->of.stat == SB_MONITOR_RATE ||
                      rule->of.stat == SB_MONITOR_INCREASE;
        if (v.has) v.value = of->value / per->value;
        if (none && counts) {
            v.has = true;
            v.value = 0;
        }
    }
    if (v.has && v.count < rule->at_least) v.has = false;
    if (v.has && !isfinite(v.value)) v.has = false;
    return v;
}

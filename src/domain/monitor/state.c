#include "domain/monitor/state.h"

#include <math.h>

const char *const sb_monitor_state_names[] = {"ok", "pending", "firing", NULL};

static enum sb_monitor_change go(struct sb_monitor_alert *al, enum sb_monitor_state to,
                                 int64_t now_ms, enum sb_monitor_change change) {
    if (al->state == SB_MONITOR_STATE_FIRING) al->resolved_ms = now_ms;
    if (to == SB_MONITOR_STATE_FIRING) al->fired_ms = now_ms;
    al->state = to;
    al->since_ms = now_ms;
    return change;
}

static bool beyond(const struct sb_monitor_rule *r, double v) {
    return r->above ? v > r->threshold : v < r->threshold;
}

/* Without `clear` of its own that is the threshold, and what is not beyond it is back. */
static bool back(const struct sb_monitor_rule *r, double v) {
    return r->above ? v <= r->clear : v >= r->clear;
}

enum sb_monitor_change sb_monitor_alert_step(struct sb_monitor_alert *al,
                                             const struct sb_monitor_rule *rule,
                                             const struct sb_monitor_value *v, int64_t now_ms) {
    int64_t gap = now_ms - al->seen_ms;
    if (!al->since_ms || al->since_ms > now_ms) al->since_ms = now_ms; /* the clock was set back */
    al->seen_ms = now_ms;
    if (!v || (!v->has && rule->no_data == SB_MONITOR_NO_DATA_KEEP)) return SB_MONITOR_SAME;
    bool bad = v->has ? beyond(rule, v->value) : rule->no_data == SB_MONITOR_NO_DATA_FIRE;
    bool good = v->has ? back(rule, v->value) : !bad;
    switch (al->state) {
    case SB_MONITOR_STATE_OK:
        if (!bad) break;
        if (!rule->for_ns) return go(al, SB_MONITOR_STATE_FIRING, now_ms, SB_MONITOR_FIRED);
        return go(al, SB_MONITOR_STATE_PENDING, now_ms, SB_MONITOR_STARTED);
    case SB_MONITOR_STATE_PENDING:
        if (!bad) return go(al, SB_MONITOR_STATE_OK, now_ms, SB_MONITOR_CALMED);
        if (gap > SB_MONITOR_GAP_MS) al->since_ms = now_ms;
        if (now_ms - al->since_ms < rule->for_ns / SB_MS) break;
        return go(al, SB_MONITOR_STATE_FIRING, now_ms, SB_MONITOR_FIRED);
    case SB_MONITOR_STATE_FIRING:
        if (good) return go(al, SB_MONITOR_STATE_OK, now_ms, SB_MONITOR_RESOLVED);
        break;
    }
    return SB_MONITOR_SAME;
}

enum sb_monitor_change sb_monitor_alert_end(struct sb_monitor_alert *al, int64_t now_ms) {
    if (al->state == SB_MONITOR_STATE_OK) return SB_MONITOR_SAME;
    return go(al, SB_MONITOR_STATE_OK, now_ms,
              al->state == SB_MONITOR_STATE_FIRING ? SB_MONITOR_RESOLVED : SB_MONITOR_CALMED);
}

/* ---- words ---- */

const char *sb_monitor_rule_unit(const struct sb_monitor_rule *r) {
    const struct sb_monitor_source *s = &r->of;
    struct sb_str what = s->kind == SB_MONITOR_METRIC ? s->metric : s->field;
    if (r->has_per) return "ratio";
    if (s->kind == SB_MONITOR_EVENTS &&
        (s->stat == SB_MONITOR_COUNT || s->stat == SB_MONITOR_CARDINALITY))
        return "";
    if (sb_str_ends(what, SB_STR("_ratio"))) return "ratio";
    bool seconds = sb_str_ends(what, SB_STR("_seconds")) || sb_str_is(what, "duration");
    bool bytes = sb_str_ends(what, SB_STR("_bytes"));
    if (s->stat == SB_MONITOR_RATE)
        return bytes || sb_str_ends(what, SB_STR("bytes_total")) ? "bytes/s" : "/s";
    if (sb_str_ends(what, SB_STR("_us"))) return "us";
    return seconds ? "s" : bytes ? "bytes" : "";
}

static void add_scaled(struct sb_buf *out, double v, const char *const *names, size_t n,
                       double step) {
    size_t i = 0;
    while (i + 1 < n && fabs(v) >= step) {
        v /= step;
        i++;
    }
    sb_buf_addf(out, "%.3g %s", v, names[i]);
}

void sb_monitor_number(struct sb_buf *out, double v, const char *unit) {
    static const char *const bytes[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    static const char *const times[] = {"us", "ms", "s"};
    if (strcmp(unit, "s") == 0 && fabs(v) < 120)
        add_scaled(out, v * 1e6, times, SB_COUNT(times), 1e3);
    else if (strcmp(unit, "us") == 0 && fabs(v) < 120e6)
        add_scaled(out, v, times, SB_COUNT(times), 1e3);
    else if (strcmp(unit, "bytes") == 0)
        add_scaled(out, v, bytes, SB_COUNT(bytes), 1e3);
    else if (strcmp(unit, "ratio") == 0)
        sb_buf_addf(out, "%.3g %%", v * 100);
    else
        sb_buf_addf(out, "%.6g%s%s", v, unit[0] && unit[0] != '/' ? " " : "", unit);
}

static void add_window(struct sb_buf *out, int64_t ns) {
    int64_t s = ns / SB_SEC;
    if (s % 3600 == 0)
        sb_buf_addf(out, "%lldh", (long long)(s / 3600));
    else if (s % 60 == 0)
        sb_buf_addf(out, "%lldm", (long long)(s / 60));
    else
        sb_buf_addf(out, "%llds", (long long)s);
}

static void add_value(const struct sb_monitor_rule *r, const struct sb_monitor_value *v,
                      struct sb_buf *out) {
    if (v->has)
        sb_monitor_number(out, v->value, sb_monitor_rule_unit(r));
    else
        sb_buf_addz(out, "no data");
}

static void fill_in(const struct sb_monitor_rule *r, const struct sb_monitor_value *v,
                    struct sb_str name, struct sb_buf *out) {
    if (sb_str_is(name, "value")) {
        add_value(r, v, out);
        return;
    }
    if (sb_str_is(name, "threshold")) {
        sb_monitor_number(out, r->threshold, sb_monitor_rule_unit(r));
        return;
    }
    if (sb_str_is(name, "window")) {
        add_window(out, r->window_ns);
        return;
    }
    for (size_t i = 0; i < v->nlabels; i++)
        if (sb_str_eq(v->labels[i].key, name)) {
            sb_buf_adds(out, v->labels[i].value);
            return;
        }
    sb_buf_addc(out, '?');
}

void sb_monitor_summary(const struct sb_monitor_rule *rule, const struct sb_monitor_value *v,
                        struct sb_buf *out) {
    struct sb_str rest = rule->summary;
    if (!rest.n) {
        sb_buf_adds(out, rule->name);
        SB_BUF_LIT(out, " is ");
        add_value(rule, v, out);
        sb_buf_addz(out, rule->above ? ", over " : ", under ");
        sb_monitor_number(out, rule->threshold, sb_monitor_rule_unit(rule));
        return;
    }
    for (;;) {
        ptrdiff_t open = sb_str_find(rest, '{');
        ptrdiff_t len =
            open < 0 ? -1 : sb_str_find(sb_str_sub(rest, (size_t)open + 1, rest.n), '}');
        if (len < 0) break;
        sb_buf_add(out, rest.p, (size_t)open);
        fill_in(rule, v, sb_str_sub(rest, (size_t)open + 1, (size_t)len), out);
        rest = sb_str_sub(rest, (size_t)(open + len) + 2, rest.n);
    }
    sb_buf_adds(out, rest);
}

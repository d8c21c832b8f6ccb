/* Reading of rules: a table of keys, then what holds between keys. */
#include "domain/monitor/rule.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/age.h"
#include "codec/yaml.h"
#include "domain/monitor/rule_int.h"

const char *const sb_monitor_severity_names[] = {"info", "warning", "critical", NULL};
static const char *const no_data_names[] = {"ok", "keep", "fire", NULL};
static const char *const across_names[] = {"sum", "max", "min", "avg", NULL};

enum { ACROSS_UNSET = -1, STAT_UNSET = -1 };

struct reading {
    struct sb_monitor_rule *rule;
    struct sb_monitor_source *source; /* that keys of a source fill */
    const struct sb_monitor_origin *from;
    struct sb_arena *a;
    struct sb_str *key; /* out: which one is wrong */
    struct sb_errctx *ctx;
    const struct sb_json *tree;
    int stat[2]; /* enum sb_monitor_stat of `of` and `per`, or unset */
    int across;
    bool has_source[2], has_above, has_below, has_clear;
};

/* ---- failing ---- */

static sb_err fail(struct reading *r, const struct sb_json *at, const char *fmt, ...)
    SB_PRINTF(3, 4);
static sb_err fail(struct reading *r, const struct sb_json *at, const char *fmt, ...) {
    char what[SB_ERRMSG_MAX], where[64] = "", rule[80] = "";
    struct sb_str name = r->rule->name, key = at ? at->key : (struct sb_str){0};
    bool line = r->from && r->from->file;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (!at) at = r->tree;
    size_t pos = at->key_pos ? at->key_pos : at->pos;
    if (r->key) *r->key = key.n ? sb_arena_dup(r->a, sb_str_sub(key, 0, 100)) : key;
    if (line) snprintf(where, sizeof where, "%.40s line %zu: ", r->from->file, pos);
    if (name.n) snprintf(rule, sizeof rule, "rule \"%.*s\": ", SB_ARG(sb_str_sub(name, 0, 60)));
    return sb_fail_at(r->ctx, SB_E_INVALID, line ? (int64_t)pos : -1, "%s%s%.*s%s%s", where, rule,
                      SB_ARG(sb_str_sub(key, 0, 60)), key.n ? ": " : "", what);
}

/* ---- values ---- */

static sb_err read_text(struct reading *r, const struct sb_json *v, size_t max,
                        struct sb_str *out) {
    struct sb_str s = v->s;
    if (v->type == SB_JSON_TRUE || v->type == SB_JSON_FALSE)
        return fail(r, v, "must be text; put \"quotes\" around it");
    if (v->type != SB_JSON_STRING && v->type != SB_JSON_NUMBER) return fail(r, v, "must be text");
    if (v->type == SB_JSON_NUMBER && !s.n) return fail(r, v, "must be text; put it in \"quotes\"");
    if (s.n > max) return fail(r, v, "is longer than %zu bytes", max);
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\n' && s.p[i] != '\t')
            return fail(r, v, "holds a control character");
    *out = sb_arena_dup(r->a, s);
    return out->p ? SB_OK : SB_E_LIMIT;
}

static sb_err read_word(struct reading *r, const struct sb_json *v, struct sb_str *out) {
    SB_TRY(read_text(r, v, SB_MONITOR_STRING_MAX, out));
    return out->n ? SB_OK : fail(r, v, "is empty");
}

/* YAML 1.1 takes 1e9 as text; people mean a number. */
static sb_err read_number(struct reading *r, const struct sb_json *v, double *out) {
    double d = v->d;
    bool ok = v->type == SB_JSON_NUMBER ||
              (v->type == SB_JSON_STRING && v->s.n < 64 && sb_double_parse(v->s, &d));
    if (!ok || !isfinite(d)) return fail(r, v, "must be a number");
    *out = d;
    return SB_OK;
}

static sb_err read_span(struct reading *r, const struct sb_json *v, int64_t min, int64_t max,
                        int64_t *out) {
    int64_t ms = 0;
    bool zero = v->type == SB_JSON_NUMBER && v->is_int && v->i == 0;
    if (!zero && (v->type != SB_JSON_STRING || !sb_age_parse(v->s, &ms)))
        return fail(r, v, "must be a time like 30s, 5m, 2h or 1h30m");
    if (ms * SB_MS < min || ms * SB_MS > max)
        return fail(r, v, "must be from %llds to %lldh", (long long)(min / SB_SEC),
                    (long long)(max / (3600 * SB_SEC)));
    *out = ms * SB_MS;
    return SB_OK;
}

static sb_err read_choice(struct reading *r, const struct sb_json *v, const char *const *names,
                          int *out) {
    char all[100] = "";
    for (int i = 0; names[i]; i++) {
        if (v->type == SB_JSON_STRING && sb_str_is(v->s, names[i])) {
            *out = i;
            return SB_OK;
        }
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", names[i]);
    }
    return fail(r, v, "must be one of %s", all);
}

static bool name_char(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* As Prometheus has them: [a-zA-Z_][a-zA-Z0-9_]*; metrics may hold colons. */
static bool is_label(struct sb_str s, bool colons) {
    for (size_t i = 0; i < s.n; i++)
        if (!name_char(s.p[i], i == 0) && !(colons && s.p[i] == ':')) return false;
    return s.n > 0 && s.n <= 200;
}

static sb_err read_pairs(struct reading *r, const struct sb_json *v,
                         const struct sb_monitor_pair **out, size_t *n) {
    if (v->type != SB_JSON_OBJECT) return fail(r, v, "must be a mapping of names to texts");
    if (v->n > SB_MONITOR_PAIRS_MAX) return fail(r, v, "has more than %d", SB_MONITOR_PAIRS_MAX);
    struct sb_monitor_pair *p = sb_arena_zalloc(r->a, (v->n + 1) * sizeof *p);
    size_t i = 0;
    for (const struct sb_json *e = v->child; e; e = e->next, i++) {
        if (!is_label(e->key, false))
            return fail(r, e, "is no name: letters, digits and _ (Alertmanager's rule)");
        if (sb_str_is(e->key, "alertname") || sb_str_is(e->key, "severity"))
            return fail(r, e, "is set from the rule's own name and severity");
        p[i].key = sb_arena_dup(r->a, e->key);
        SB_TRY(read_text(r, e, SB_MONITOR_STRING_MAX, &p[i].value));
    }
    *out = p;
    *n = v->n;
    return SB_OK;
}

/* ---- keys of a source ---- */

static sb_err set_source(struct reading *r, const struct sb_json *v, enum sb_monitor_kind kind) {
    size_t which = r->source != &r->rule->of;
    if (r->has_source[which]) return fail(r, v, "there is a source already: metric or events");
    r->has_source[which] = true;
    r->source->kind = kind;
    return SB_OK;
}

static sb_err read_metric(struct reading *r, const struct sb_json *v) {
    SB_TRY(set_source(r, v, SB_MONITOR_METRIC));
    SB_TRY(read_word(r, v, &r->source->metric));
    return is_label(r->source->metric, true)
               ? SB_OK
               : fail(r, v, "is no name of a metric (docs/METRICS.md)");
}

static sb_err read_events(struct reading *r, const struct sb_json *v) {
    SB_TRY(set_source(r, v, SB_MONITOR_EVENTS));
    return read_word(r, v, &r->source->query);
}

static sb_err read_index(struct reading *r, const struct sb_json *v) {
    return read_word(r, v, &r->source->index);
}

static sb_err read_field(struct reading *r, const struct sb_json *v) {
    return read_word(r, v, &r->source->field);
}

static sb_err read_values(struct reading *r, const struct sb_json *v, struct sb_monitor_match *m) {
    bool list = v->type == SB_JSON_ARRAY;
    size_t n = list ? v->n : 1, i = 0;
    if (!n || n > SB_MONITOR_PAIRS_MAX)
        return fail(r, v, "must be a text or a list of 1 to %d texts", SB_MONITOR_PAIRS_MAX);
    struct sb_str *values = sb_arena_zalloc(r->a, n * sizeof *values);
    for (const struct sb_json *e = list ? v->child : v; i < n; e = e->next, i++)
        SB_TRY(read_text(r, e, SB_MONITOR_STRING_MAX, &values[i]));
    m->values = values;
    m->n = n;
    return SB_OK;
}

static sb_err add_matches(struct reading *r, const struct sb_json *v, bool negated) {
    struct sb_monitor_source *s = r->source;
    if (v->type != SB_JSON_OBJECT) return fail(r, v, "must be a mapping of labels to values");
    if (s->nmatches + v->n > SB_MONITOR_PAIRS_MAX)
        return fail(r, v, "has more than %d labels", SB_MONITOR_PAIRS_MAX);
    struct sb_monitor_match *m = sb_arena_zalloc(r->a, (s->nmatches + v->n + 1) * sizeof *m);
    if (s->nmatches) memcpy(m, s->matches, s->nmatches * sizeof *m);
    s->matches = m;
    m += s->nmatches;
    for (const struct sb_json *e = v->child; e; e = e->next, m++) {
        if (!is_label(e->key, false)) return fail(r, e, "is no name of a label");
        m->label = sb_arena_dup(r->a, e->key);
        m->negated = negated;
        SB_TRY(read_values(r, e, m));
        s->nmatches++;
    }
    return SB_OK;
}

static sb_err read_where(struct reading *r, const struct sb_json *v) {
    return add_matches(r, v, false);
}

static sb_err read_where_not(struct reading *r, const struct sb_json *v) {
    return add_matches(r, v, true);
}

static const char *const stat_names[] = {
    [SB_MONITOR_VALUE] = "value",       [SB_MONITOR_RATE] = "rate",
    [SB_MONITOR_INCREASE] = "increase", [SB_MONITOR_COUNT] = "count",
    [SB_MONITOR_SUM] = "sum",           [SB_MONITOR_CARDINALITY] = "cardinality",
    [SB_MONITOR_AVG] = "avg",           [SB_MONITOR_MIN] = "min",
    [SB_MONITOR_MAX] = "max",           NULL};

/* "p99", "p99.9" */
static bool quantile_of(struct sb_str s, double *q) {
    double percent;
    if (s.n < 2 || s.n > 8 || s.p[0] != 'p' || !sb_double_parse(sb_str_sub(s, 1, s.n), &percent) ||
        !(percent > 0 && percent < 100))
        return false;
    *q = percent / 100;
    return true;
}

static sb_err read_stat(struct reading *r, const struct sb_json *v) {
    int *stat = &r->stat[r->source != &r->rule->of];
    if (v->type == SB_JSON_STRING && quantile_of(v->s, &r->source->quantile)) {
        *stat = SB_MONITOR_QUANTILE;
        return SB_OK;
    }
    for (int i = 0; stat_names[i] && v->type == SB_JSON_STRING; i++) {
        if (!sb_str_is(v->s, stat_names[i])) continue;
        *stat = i;
        return SB_OK;
    }
    return fail(r, v,
                "must be value, rate, increase, avg, min, max, count, sum, cardinality, or a "
                "percentile like p99");
}

/* ---- keys of a rule ---- */

static sb_err read_name(struct reading *r, const struct sb_json *v) {
    struct sb_str name;
    SB_TRY(read_text(r, v, SB_MONITOR_NAME_MAX, &name));
    if (!name.n || sb_str_find(name, '/') >= 0 || sb_str_find(name, '\n') >= 0)
        return fail(r, v, "must have 1 to %d bytes, in one line and without a slash",
                    SB_MONITOR_NAME_MAX);
    r->rule->name = name;
    return SB_OK;
}

static sb_err read_enabled(struct reading *r, const struct sb_json *v) {
    if (v->type != SB_JSON_TRUE && v->type != SB_JSON_FALSE)
        return fail(r, v, "must be true or false");
    r->rule->enabled = v->type == SB_JSON_TRUE;
    return SB_OK;
}

static sb_err read_severity(struct reading *r, const struct sb_json *v) {
    int i = 0;
    SB_TRY(read_choice(r, v, sb_monitor_severity_names, &i));
    r->rule->severity = (enum sb_monitor_severity)i;
    return SB_OK;
}

static sb_err read_summary(struct reading *r, const struct sb_json *v) {
    return read_text(r, v, SB_MONITOR_STRING_MAX, &r->rule->summary);
}

static sb_err read_divided_by(struct reading *r, const struct sb_json *v);

static sb_err read_window(struct reading *r, const struct sb_json *v) {
    return read_span(r, v, SB_MONITOR_WINDOW_MIN, SB_MONITOR_WINDOW_MAX, &r->rule->window_ns);
}

static sb_err read_across(struct reading *r, const struct sb_json *v) {
    return read_choice(r, v, across_names, &r->across);
}

static sb_err read_at_least(struct reading *r, const struct sb_json *v) {
    SB_TRY(read_number(r, v, &r->rule->at_least));
    return r->rule->at_least >= 0 ? SB_OK : fail(r, v, "must not be negative");
}

static sb_err read_above(struct reading *r, const struct sb_json *v) {
    r->has_above = true;
    return read_number(r, v, &r->rule->threshold);
}

static sb_err read_below(struct reading *r, const struct sb_json *v) {
    r->has_below = true;
    return read_number(r, v, &r->rule->threshold);
}

static sb_err read_clear(struct reading *r, const struct sb_json *v) {
    r->has_clear = true;
    return read_number(r, v, &r->rule->clear);
}

static sb_err read_for(struct reading *r, const struct sb_json *v) {
    return read_span(r, v, 0, SB_MONITOR_WINDOW_MAX, &r->rule->for_ns);
}

static sb_err read_no_data(struct reading *r, const struct sb_json *v) {
    int i = 0;
    SB_TRY(read_choice(r, v, no_data_names, &i));
    r->rule->no_data = (enum sb_monitor_no_data)i;
    return SB_OK;
}

static sb_err read_labels(struct reading *r, const struct sb_json *v) {
    return read_pairs(r, v, &r->rule->labels, &r->rule->nlabels);
}

static sb_err read_annotations(struct reading *r, const struct sb_json *v) {
    return read_pairs(r, v, &r->rule->annotations, &r->rule->nannotations);
}

struct key {
    const char *name, *form;
    sb_err (*read)(struct reading *r, const struct sb_json *v);
    const char *doc;
};

/* The first SOURCE_KEYS can stand in divided_by too. */
enum { SOURCE_KEYS = 7 };
static const struct key keys[] = {
    {"metric", "name", read_metric,
     "The metric that is looked at (METRICS.md). A rule has this or "
     "`events`."},
    {"where", "mapping", read_where,
     "Only series whose labels have these values: "
     "`{status: [error, timeout], model: iris}`."},
    {"where_not", "mapping", read_where_not, "Only series whose labels have none of these values."},
    {"events", "query", read_events,
     "A query_string over recorded events: `status:error AND "
     "model:iris`; `*` is all. Those of the last `window` count."},
    {"index", "name", read_index, "Where the events are: `predictions` (default) or `audit`."},
    {"field", "name", read_field, "The events' field that `stat` adds up: `latency.total_us`."},
    {"stat", "word", read_stat,
     "Metric: `value` (default), `rate` (per second) and `increase` of a counter over the window, "
     "`avg`, `min`, `max` of a gauge over the window, `p50`, `p99`, `p99.9`... of a histogram. "
     "Events: `count` (default), or `sum`, `avg`, `min`, `max`, `cardinality`, `p99`... of "
     "`field`."},
    {"name", "text", read_name, "What the alert is called; each name once."},
    {"divided_by", "mapping", read_divided_by,
     "A second source (the keys above) over the same window: the number is the first divided by "
     "this one."},
    {"window", "time", read_window, "How far back it looks: 10s to 24h; default 5m."},
    {"across", "word", read_across,
     "How several series become one number: `sum` (default of `rate` and `increase`; of "
     "percentiles: all observations together), `max`, `min`, `avg`. Default: `max` with `above`, "
     "`min` with `below`."},
    {"at_least", "number", read_at_least,
     "Fewer observations in the window (events, or of a counter or histogram; with `divided_by`: "
     "of that) are no data; default 0."},
    {"above", "number", read_above,
     "The threshold: over it is trouble. A rule has this or `below`."},
    {"below", "number", read_below, "The threshold: under it is trouble."},
    {"clear", "number", read_clear,
     "A firing alert ends only when the number is back at this (hysteresis); default: the "
     "threshold."},
    {"for", "time", read_for, "How long it must stay beyond the threshold; default 0: at once."},
    {"no_data", "word", read_no_data,
     "When there is no number: `ok` (default: no trouble), `keep` (as it was), `fire`."},
    {"severity", "word", read_severity, "`info`, `warning` (default) or `critical`."},
    {"summary", "text", read_summary,
     "What is said when it fires; `{value}`, `{threshold}`, `{window}` and `{LABEL}` of the series "
     "are filled in."},
    {"labels", "mapping", read_labels, "Further labels of the alert, for routing in Alertmanager."},
    {"annotations", "mapping", read_annotations, "Further texts: `{runbook: https://...}`."},
    {"enabled", "true, false", read_enabled, "false: not evaluated; default true."},
};

static sb_err unknown_key(struct reading *r, const struct sb_json *v, size_t n) {
    const char *names[SB_COUNT(keys) + 1];
    for (size_t i = 0; i < n; i++) names[i] = keys[i].name;
    names[n] = NULL;
    const char *near = sb_nearest(v->key, names);
    if (near) return fail(r, v, "there is no such key; did you mean %s?", near);
    return fail(r, v,
                n == SOURCE_KEYS ? "there is no such key in divided_by: it takes metric, "
                                   "where, where_not, events, index, field, stat"
                                 : "there is no such key (docs/ALERT-RULES.md lists them)");
}

static sb_err read_keys(struct reading *r, const struct sb_json *tree, size_t n) {
    for (const struct sb_json *v = tree->child; v; v = v->next) {
        size_t i = 0;
        while (i < n && !sb_str_is(v->key, keys[i].name)) i++;
        if (i == n) return unknown_key(r, v, n);
        SB_TRY(keys[i].read(r, v));
    }
    return SB_OK;
}

static sb_err read_divided_by(struct reading *r, const struct sb_json *v) {
    if (v->type != SB_JSON_OBJECT)
        return fail(r, v, "must be a mapping with a source: {metric: ...} or {events: ...}");
    r->rule->has_per = true;
    r->source = &r->rule->per;
    sb_err err = read_keys(r, v, SOURCE_KEYS);
    r->source = &r->rule->of;
    return err;
}

/* ---- what holds between keys ---- */

static const struct sb_json *given(const struct reading *r, const char *key) {
    return sb_json_get(r->tree, key);
}

static sb_err check_metric(struct reading *r, struct sb_monitor_source *s,
                           const struct sb_json *at) {
    if (s->index.n || s->field.n) return fail(r, at, "index and field go with events only");
    if (s->stat == SB_MONITOR_COUNT || s->stat == SB_MONITOR_SUM ||
        s->stat == SB_MONITOR_CARDINALITY)
        return fail(r, at, "stat %s goes with events; of a counter take increase or rate",
                    stat_names[s->stat]);
    return SB_OK;
}

static sb_err check_events(struct reading *r, struct sb_monitor_source *s,
                           const struct sb_json *at) {
    if (s->nmatches) return fail(r, at, "where goes with metric; put it into the query of events");
    if (s->stat == SB_MONITOR_VALUE || s->stat == SB_MONITOR_RATE || s->stat == SB_MONITOR_INCREASE)
        return fail(r, at, "stat %s goes with metric; of events take count", stat_names[s->stat]);
    if ((s->stat == SB_MONITOR_COUNT) != !s->field.n)
        return fail(r, at,
                    s->field.n ? "field needs a stat: sum, avg, min, max, cardinality or p99"
                               : "stat needs a field, like latency.total_us");
    if (!s->index.n) s->index = SB_STR("predictions");
    if (!sb_str_is(s->index, "predictions") && !sb_str_is(s->index, "audit"))
        return fail(r, at, "index must be predictions or audit");
    return SB_OK;
}

static sb_err check_source(struct reading *r, size_t which, const struct sb_json *at) {
    struct sb_monitor_source *s = which ? &r->rule->per : &r->rule->of;
    if (!r->has_source[which]) return fail(r, at, "needs a source: metric or events");
    int stat = r->stat[which];
    if (stat == STAT_UNSET)
        stat = s->kind == SB_MONITOR_METRIC ? SB_MONITOR_VALUE : SB_MONITOR_COUNT;
    s->stat = (enum sb_monitor_stat)stat;
    return s->kind == SB_MONITOR_METRIC ? check_metric(r, s, at) : check_events(r, s, at);
}

static sb_err check_across(struct reading *r) {
    struct sb_monitor_rule *rule = r->rule;
    bool counter = rule->of.stat == SB_MONITOR_RATE || rule->of.stat == SB_MONITOR_INCREASE;
    if (r->across != ACROSS_UNSET && rule->of.kind == SB_MONITOR_EVENTS)
        return fail(r, given(r, "across"), "goes with metric only");
    if (r->across == SB_MONITOR_ACROSS_AVG && rule->of.stat == SB_MONITOR_QUANTILE)
        return fail(r, given(r, "across"), "an average of percentiles means nothing; take sum");
    if (rule->has_per && r->across != ACROSS_UNSET && r->across != SB_MONITOR_ACROSS_SUM)
        return fail(r, given(r, "across"), "with divided_by both sources are summed");
    if (r->across != ACROSS_UNSET)
        rule->across = (enum sb_monitor_across)r->across;
    else if (counter || rule->has_per)
        rule->across = SB_MONITOR_ACROSS_SUM;
    else
        rule->across = rule->above ? SB_MONITOR_ACROSS_MAX : SB_MONITOR_ACROSS_MIN;
    return SB_OK;
}

static sb_err check_thresholds(struct reading *r) {
    struct sb_monitor_rule *rule = r->rule;
    if (r->has_above == r->has_below)
        return fail(r, given(r, "below"),
                    r->has_above ? "above and below are two rules; take one"
                                 : "needs a threshold: above or below");
    rule->above = r->has_above;
    if (!r->has_clear) rule->clear = rule->threshold;
    if (rule->above ? rule->clear > rule->threshold : rule->clear < rule->threshold)
        return fail(r, given(r, "clear"), "must not be %s the threshold",
                    rule->above ? "above" : "below");
    return SB_OK;
}

static sb_err check_rule(struct reading *r) {
    if (!r->rule->name.n) return fail(r, NULL, "a rule needs a name");
    SB_TRY(check_source(r, 0, NULL));
    if (r->rule->has_per) SB_TRY(check_source(r, 1, given(r, "divided_by")));
    SB_TRY(check_thresholds(r));
    return check_across(r);
}

static sb_err keep_definition(struct reading *r) {
    struct sb_buf b;
    sb_buf_init(&b, SB_MONITOR_TEXT_MAX);
    sb_json_add_tree(&b, r->tree);
    r->rule->definition = sb_arena_dup(r->a, sb_buf_view(&b));
    sb_err err = r->rule->definition.p ? sb_buf_err(&b) : SB_E_LIMIT;
    sb_buf_fini(&b);
    return err ? sb_fail(r->ctx, err, "rules: too large") : SB_OK;
}

sb_err sb_monitor_rule_read(struct sb_monitor_rule *out, const struct sb_json *tree,
                            const struct sb_monitor_origin *from, struct sb_arena *a,
                            struct sb_str *key, struct sb_errctx *ctx) {
    struct sb_monitor_rule rule = {
        .enabled = true, .severity = SB_MONITOR_WARNING, .window_ns = 300 * SB_SEC};
    struct reading r = {.rule = &rule,
                        .source = &rule.of,
                        .from = from,
                        .a = a,
                        .key = key,
                        .ctx = ctx,
                        .tree = tree,
                        .stat = {STAT_UNSET, STAT_UNSET},
                        .across = ACROSS_UNSET};
    if (key) *key = (struct sb_str){0};
    if (tree->type != SB_JSON_OBJECT)
        return fail(&r, NULL, "a rule must be a mapping of keys to values");
    const struct sb_json *name = sb_json_get(tree, "name"); /* first: messages say it */
    if (name) SB_TRY(read_name(&r, name));
    SB_TRY(read_keys(&r, tree, SB_COUNT(keys)));
    SB_TRY(check_rule(&r));
    SB_TRY(keep_definition(&r));
    *out = rule;
    return SB_OK;
}

/* ---- lists ---- */

static int by_name(const void *x, const void *y) {
    return sb_str_cmp(((const struct sb_monitor_rule *)x)->name,
                      ((const struct sb_monitor_rule *)y)->name);
}

sb_err sb_monitor_rules_read(struct sb_monitor_rules *out, const struct sb_json *list,
                             const struct sb_monitor_origin *from, struct sb_arena *a,
                             struct sb_errctx *ctx) {
    struct sb_monitor_rules found = {0};
    struct sb_monitor_rule none = {0};
    struct reading r = {.rule = &none, .from = from, .a = a, .ctx = ctx, .tree = list};
    if (list->type == SB_JSON_NULL) {
        *out = found;
        return SB_OK;
    }
    if (list->type != SB_JSON_ARRAY)
        return fail(&r, list, "must be a list: each rule begins with \"- name: ...\"");
    if (list->n > SB_MONITOR_RULES_MAX)
        return fail(&r, list, "has more than %d rules", SB_MONITOR_RULES_MAX);
    struct sb_monitor_rule *rule = sb_arena_zalloc(a, (list->n + 1) * sizeof *rule);
    for (const struct sb_json *v = list->child; v; v = v->next) {
        SB_TRY(sb_monitor_rule_read(&rule[found.n], v, from, a, NULL, ctx));
        for (size_t i = 0; i < found.n; i++)
            if (sb_str_eq(rule[i].name, rule[found.n].name)) {
                r.rule = &rule[i];
                return fail(&r, v, "there is a rule of that name already; each name once");
            }
        found.n++;
    }
    qsort(rule, found.n, sizeof *rule, by_name);
    found.rule = rule;
    *out = found;
    return SB_OK;
}

sb_err sb_monitor_rules_parse(struct sb_monitor_rules *out, struct sb_str text, const char *file,
                              struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_monitor_origin from = {file};
    struct sb_json *root;
    SB_TRY(sb_monitor_yaml(&root, text, file, a, ctx));
    struct sb_monitor_rule none = {0};
    struct reading r = {.rule = &none, .from = &from, .a = a, .ctx = ctx, .tree = root};
    const struct sb_json *list = NULL;
    if (root->type != SB_JSON_NULL && root->type != SB_JSON_OBJECT)
        return fail(&r, root, "must begin with \"rules:\", then a list of rules");
    for (const struct sb_json *v = root->child; v; v = v->next) {
        if (!sb_str_is(v->key, "rules"))
            return fail(&r, v, "there is no such key; the file has one: rules");
        list = v;
    }
    if (list) return sb_monitor_rules_read(out, list, &from, a, ctx);
    *out = (struct sb_monitor_rules){0};
    return SB_OK;
}

sb_err sb_monitor_yaml(struct sb_json **out, struct sb_str text, const char *file,
                       struct sb_arena *a, struct sb_errctx *ctx) {
    struct sb_errctx why = {0};
    if (text.n > SB_MONITOR_TEXT_MAX)
        return sb_fail(ctx, SB_E_LIMIT, "%.60s is longer than %d bytes", file, SB_MONITOR_TEXT_MAX);
    sb_err err = sb_yaml_parse(out, text, a, &why);
    return err ? sb_fail_at(ctx, err, why.pos, "%.40s: %s", file, sb_errctx_text(&why, err))
               : SB_OK;
}

const struct sb_monitor_rule *sb_monitor_rules_find(const struct sb_monitor_rules *r,
                                                    struct sb_str name) {
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = sb_str_cmp(r->rule[mid].name, name);
        if (c == 0) return &r->rule[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

void sb_monitor_keys_docs(struct sb_buf *out) {
    sb_buf_addz(out, "| key | value | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < SB_COUNT(keys); i++)
        sb_buf_addf(out, "| `%s` | %s | %s |\n", keys[i].name, keys[i].form, keys[i].doc);
}

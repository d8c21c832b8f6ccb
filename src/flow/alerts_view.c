/* What the API says of rules, silences and destinations: the JSON of docs/ALERTS.md. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "flow/alerts_int.h"

enum { YAML_MAX = 1 << 20 };

static const char *const origin_names[] = {"default", "file", "stored"};

static void ms_or_null(struct sb_json_writer *w, const char *key, int64_t ms) {
    if (ms)
        sb_json_int(w, key, ms);
    else
        sb_json_null(w, key);
}

static void text_or_null(struct sb_json_writer *w, const char *key, const char *text) {
    if (text)
        sb_json_str(w, key, sb_str_of(text));
    else
        sb_json_null(w, key);
}

static void write_pairs(struct sb_json_writer *w, const char *key, const struct sb_monitor_pair *p,
                        size_t n) {
    sb_json_obj(w, key);
    for (size_t i = 0; i < n; i++) {
        sb_json_key(w, p[i].key);
        sb_json_str(w, NULL, p[i].value);
    }
    sb_json_end(w);
}

/* ---- rules ---- */

static void write_recent(const struct sb_alert_entry *e, struct sb_json_writer *w) {
    size_t first = e->nrecent > SB_ALERT_RECENT ? e->nrecent - SB_ALERT_RECENT : 0;
    sb_json_arr(w, "recent");
    for (size_t i = first; i < e->nrecent; i++) {
        sb_json_arr(w, NULL);
        sb_json_int(w, NULL, e->recent[i % SB_ALERT_RECENT].ms);
        sb_json_double(w, NULL, e->recent[i % SB_ALERT_RECENT].v);
        sb_json_end(w);
    }
    sb_json_end(w);
}

static void write_yaml(const struct sb_alert_entry *e, struct sb_json_writer *w) {
    struct sb_buf yaml;
    sb_buf_init(&yaml, YAML_MAX);
    SB_BUF_LIT(&yaml, "rules:\n");
    sb_monitor_rule_write_yaml(&e->rule, &yaml);
    sb_json_str(w, "yaml", sb_buf_view(&yaml));
    sb_buf_fini(&yaml);
}

static void write_value(const struct sb_alert_entry *e, struct sb_json_writer *w) {
    if (e->value.has)
        sb_json_double(w, "value", e->value.value);
    else
        sb_json_null(w, "value");
    sb_json_double(w, "threshold", e->rule.threshold);
    sb_json_double(w, "clear", e->rule.clear);
    sb_json_str(w, "comparison", e->rule.above ? SB_STR("above") : SB_STR("below"));
    sb_json_str(w, "unit", sb_str_of(sb_monitor_rule_unit(&e->rule)));
    sb_json_bool(w, "no_data", e->enabled && e->nrecent && !e->value.has && !e->error);
    write_pairs(w, "series", e->value.labels, e->value.nlabels);
}

static void write_summary(const struct sb_alert_entry *e, struct sb_json_writer *w) {
    struct sb_buf summary;
    if (e->alert.state == SB_MONITOR_STATE_OK) {
        sb_json_null(w, "summary");
        return;
    }
    sb_buf_init(&summary, YAML_MAX);
    sb_monitor_summary(&e->rule, &e->value, &summary);
    sb_json_str(w, "summary", sb_buf_view(&summary));
    sb_buf_fini(&summary);
}

void sb_alerts_write_status(const struct sb_alert_entry *e, bool whole, struct sb_json_writer *w) {
    sb_json_obj(w, NULL);
    sb_json_str(w, "name", e->rule.name);
    sb_json_str(w, "origin", sb_str_of(origin_names[e->origin]));
    text_or_null(w, "replaces", e->replaces < 0 ? NULL : origin_names[e->replaces]);
    sb_json_bool(w, "enabled", e->enabled);
    sb_json_str(w, "severity", sb_str_of(sb_monitor_severity_names[e->rule.severity]));
    sb_json_str(w, "state",
                e->enabled ? sb_str_of(sb_monitor_state_names[e->alert.state])
                           : SB_STR("disabled"));
    ms_or_null(w, "since_ms", e->alert.since_ms);
    sb_json_bool(w, "silenced", e->silenced);
    write_value(e, w);
    write_summary(e, w);
    ms_or_null(w, "fired_ms", e->alert.fired_ms);
    bool firing = e->alert.state == SB_MONITOR_STATE_FIRING;
    ms_or_null(w, "resolved_ms", firing ? 0 : e->alert.resolved_ms);
    text_or_null(w, "error", e->error);
    write_pairs(w, "labels", e->rule.labels, e->rule.nlabels);
    sb_json_raw(w, "definition", e->rule.definition);
    if (whole) {
        write_recent(e, w);
        write_yaml(e, w);
    }
    sb_json_end(w);
}

void sb_alerts_write_silence(struct sb_alerts *a, const struct sb_monitor_silence *s,
                             struct sb_json_writer *w) {
    sb_json_obj(w, NULL);
    sb_json_str(w, "id", s->id);
    if (s->rule.n)
        sb_json_str(w, "rule", s->rule);
    else
        sb_json_null(w, "rule");
    write_pairs(w, "labels", s->labels, s->nlabels);
    sb_json_int(w, "until_ms", s->until_ms);
    sb_json_int(w, "created_ms", s->created_ms);
    sb_json_str(w, "by", s->by);
    sb_json_str(w, "why", s->why);
    sb_json_arr(w, "matches");
    for (size_t i = 0; i < a->n; i++)
        if (sb_monitor_silence_matches(s, &a->entries[i]->rule))
            sb_json_str(w, NULL, a->entries[i]->rule.name);
    sb_json_end(w);
    sb_json_end(w);
}

/* ---- the overview ---- */

/* Firing, pending, then the rest; by name. */
static int by_urgency(const void *x, const void *y) {
    const struct sb_alert_entry *a = *(struct sb_alert_entry *const *)x,
                                *b = *(struct sb_alert_entry *const *)y;
    if (a->alert.state != b->alert.state) return (int)b->alert.state - (int)a->alert.state;
    return sb_str_cmp(a->rule.name, b->rule.name);
}

static void write_counts(const struct sb_alerts *a, struct sb_json_writer *w) {
    int64_t firing = 0, pending = 0, silenced = 0, disabled = 0, errors = 0;
    for (size_t i = 0; i < a->n; i++) {
        const struct sb_alert_entry *e = a->entries[i];
        firing += e->alert.state == SB_MONITOR_STATE_FIRING;
        pending += e->alert.state == SB_MONITOR_STATE_PENDING;
        silenced += e->silenced;
        disabled += !e->enabled;
        errors += e->error != NULL;
    }
    sb_json_obj(w, "counts");
    sb_json_int(w, "rules", (int64_t)a->n);
    sb_json_int(w, "firing", firing);
    sb_json_int(w, "pending", pending);
    sb_json_int(w, "silenced", silenced);
    sb_json_int(w, "disabled", disabled);
    sb_json_int(w, "errors", errors);
    sb_json_end(w);
}

static void write_rules(struct sb_alerts *a, struct sb_json_writer *w) {
    struct sb_alert_entry **sorted = sb_calloc(a->n + 1, sizeof(struct sb_alert_entry *));
    if (a->n) memcpy(sorted, a->entries, a->n * sizeof(struct sb_alert_entry *));
    qsort(sorted, a->n, sizeof(struct sb_alert_entry *), by_urgency);
    sb_json_arr(w, "rules");
    for (size_t i = 0; i < a->n; i++) sb_alerts_write_status(sorted[i], false, w);
    sb_json_end(w);
    sb_free(sorted);
}

static void write_files(const struct sb_alerts *a, struct sb_json_writer *w) {
    if (a->file_there || a->file_error) {
        sb_json_obj(w, "file");
        sb_json_str(w, "path", sb_str_of(a->o.file));
        ms_or_null(w, "loaded_ms", a->file_loaded_ms);
        sb_json_int(w, "rules", (int64_t)a->sets[SB_ALERT_FILE].rules.n);
        text_or_null(w, "error", a->file_error);
        sb_json_end(w);
    } else {
        sb_json_null(w, "file");
    }
    sb_json_obj(w, "store");
    sb_json_str(w, "path", sb_str_of(a->store_path));
    text_or_null(w, "error", a->store_error);
    sb_json_end(w);
    text_or_null(w, "metrics_error", a->metrics_error);
}

static void write_overview(struct sb_alerts *a, struct sb_buf *out) {
    struct sb_json_writer w = {.b = out};
    int64_t now_ms = sb_wall_ms();
    sb_json_obj(&w, NULL);
    sb_json_int(&w, "now_ms", now_ms);
    ms_or_null(&w, "evaluated_ms", a->evaluated_ms);
    sb_json_int(&w, "every_ms", a->o.every_ns / SB_MS);
    write_counts(a, &w);
    write_rules(a, &w);
    sb_json_arr(&w, "silences");
    for (size_t i = 0; i < a->store.nsilences; i++)
        if (a->store.silences[i].until_ms > now_ms)
            sb_alerts_write_silence(a, &a->store.silences[i], &w);
    sb_json_end(&w);
    sb_json_arr(&w, "destinations");
    sb_alert_sender_write(&a->sender, &w);
    sb_json_end(&w);
    write_files(a, &w);
    sb_json_end(&w);
}

void sb_alerts_show(struct sb_alerts *a) {
    struct sb_buf out, old;
    sb_buf_init(&out, 64 << 20);
    write_overview(a, &out);
    sb_mutex_lock(&a->lock);
    old = a->overview;
    a->overview = out;
    sb_mutex_unlock(&a->lock);
    sb_buf_fini(&old);
}

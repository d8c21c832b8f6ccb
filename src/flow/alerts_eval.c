/* One evaluation of all rules, and what follows from a change of state. */
#include <math.h>

#include "base/log.h"
#include "base/mem.h"
#include "flow/alerts_int.h"

/* After so many queries that took too long the rest of an evaluation does without events: each
 * waits for two seconds, and rules on metrics wait with it. */
enum { SAMPLES_MAX = 64 << 20, FAILED_MAX = 3 };

void sb_alerts_record(struct sb_alerts *a, const char *kind, struct sb_str actor,
                      struct sb_str object, const char *from, const char *to, struct sb_str message,
                      struct sb_str detail) {
    struct sb_audit_entry e = {.kind = sb_str_of(kind),
                               .actor = actor,
                               .object = object,
                               .from = sb_str_of(from),
                               .to = sb_str_of(to),
                               .message = message,
                               .detail_json = detail};
    if (a->o.record) a->o.record(a->o.record_arg, &e);
}

/* ---- changes of state ---- */

/* {"severity","value","threshold","series"} */
static void detail_of(const struct sb_alert_entry *e, struct sb_buf *out) {
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "severity", sb_str_of(sb_monitor_severity_names[e->rule.severity]));
    if (e->value.has) sb_json_double(&w, "value", e->value.value);
    sb_json_double(&w, "threshold", e->rule.threshold);
    sb_json_end(&w);
}

static void fired(struct sb_alerts *a, struct sb_alert_entry *e) {
    struct sb_monitor_notice *n = sb_monitor_notice_new(&e->rule, &e->value, e->alert.fired_ms);
    struct sb_str message = sb_str_of(n->summary);
    struct sb_buf detail;
    sb_buf_init(&detail, 1 << 12);
    detail_of(e, &detail);
    SB_LOG(SB_LOG_WARN, "alerts", "firing", SB_KV("rule", e->rule.name), SB_KV("summary", message));
    sb_alerts_record(a, "alert.firing", SB_STR("sibyl"), e->rule.name, "ok", "firing", message,
                     sb_buf_view(&detail));
    sb_buf_fini(&detail);
    n->muted = e->silenced;
    sb_mutex_lock(&a->sender.lock);
    n->next = a->sender.notices;
    a->sender.notices = n;
    sb_cond_broadcast(&a->sender.wake);
    sb_mutex_unlock(&a->sender.lock);
}

static void resolved(struct sb_alerts *a, struct sb_alert_entry *e, const char *why) {
    struct sb_buf detail;
    sb_buf_init(&detail, 1 << 12);
    detail_of(e, &detail);
    SB_LOG(SB_LOG_INFO, "alerts", "resolved", SB_KV("rule", e->rule.name), SB_KS("why", why));
    sb_alerts_record(a, "alert.resolved", SB_STR("sibyl"), e->rule.name, "firing", "ok",
                     sb_str_of(why), sb_buf_view(&detail));
    sb_buf_fini(&detail);
    sb_mutex_lock(&a->sender.lock);
    for (struct sb_monitor_notice *n = a->sender.notices; n; n = n->next)
        if (!n->ends_ms && sb_str_is(e->rule.name, n->rule)) n->ends_ms = e->alert.resolved_ms;
    sb_cond_broadcast(&a->sender.wake);
    sb_mutex_unlock(&a->sender.lock);
}

static void follow(struct sb_alerts *a, struct sb_alert_entry *e, enum sb_monitor_change change,
                   const char *why) {
    if (change == SB_MONITOR_SAME) return;
    a->state_changed = true;
    if (change == SB_MONITOR_FIRED) fired(a, e);
    if (change == SB_MONITOR_RESOLVED) resolved(a, e, why);
}

void sb_alerts_entry_end(struct sb_alerts *a, struct sb_alert_entry *e, const char *why) {
    follow(a, e, sb_monitor_alert_end(&e->alert, sb_wall_ms()), why);
}

/* ---- numbers ---- */

/* One source: by its track, or by asking the events. */
static sb_err part(struct sb_alerts *a, const struct sb_monitor_rule *rule, bool per,
                   struct sb_monitor_track *track, const struct sb_monitor_samples *samples,
                   struct sb_arena *arena, struct sb_monitor_value *out, struct sb_errctx *ctx) {
    const struct sb_monitor_source *s = per ? &rule->per : &rule->of;
    int64_t now_ms = sb_wall_ms();
    *out = (struct sb_monitor_value){0};
    if (s->kind == SB_MONITOR_EVENTS) {
        if (a->events_failed >= FAILED_MAX)
            return sb_fail(ctx, SB_E_UNAVAILABLE, "the events could not be asked");
        sb_err err = a->o.inputs.events(a->o.inputs.self, s, now_ms - rule->window_ns / SB_MS,
                                        now_ms, out, ctx);
        if (err == SB_E_TIMEOUT) a->events_failed++; /* it may be just this query */
        if (err == SB_E_UNAVAILABLE) a->events_failed = FAILED_MAX;
        return err;
    }
    if (!samples) return sb_fail(ctx, SB_E_UNAVAILABLE, "the metrics could not be read");
    SB_TRY(sb_monitor_track_add(track, samples, now_ms, ctx));
    sb_monitor_track_get(track, arena, out);
    return SB_OK;
}

static sb_err number(struct sb_alerts *a, const struct sb_monitor_rule *rule,
                     struct sb_monitor_track *const track[2],
                     const struct sb_monitor_samples *samples, struct sb_arena *arena,
                     struct sb_monitor_value *out, struct sb_errctx *ctx) {
    struct sb_monitor_value of, per = {0};
    SB_TRY(part(a, rule, false, track[0], samples, arena, &of, ctx));
    if (rule->has_per) SB_TRY(part(a, rule, true, track[1], samples, arena, &per, ctx));
    *out = sb_monitor_combine(rule, &of, &per);
    return SB_OK;
}

static bool needs_metrics(const struct sb_monitor_rule *r) {
    return r->of.kind == SB_MONITOR_METRIC || (r->has_per && r->per.kind == SB_MONITOR_METRIC);
}

sb_err sb_alerts_try(struct sb_alerts *a, const struct sb_monitor_rule *rule,
                     struct sb_arena *arena, struct sb_monitor_value *out, struct sb_errctx *ctx) {
    struct sb_monitor_samples samples = {0};
    struct sb_monitor_track *track[2] = {0};
    a->events_failed = 0;
    if (needs_metrics(rule)) SB_TRY(a->o.inputs.metrics(a->o.inputs.self, arena, &samples, ctx));
    track[0] = sb_monitor_track_new(rule, false);
    if (rule->has_per) track[1] = sb_monitor_track_new(rule, true);
    sb_err err = number(a, rule, track, &samples, arena, out, ctx);
    for (int i = 0; i < 2; i++) sb_monitor_track_free(track[i]);
    return err;
}

/* ---- all rules ---- */

static void keep_recent(struct sb_alert_entry *e, int64_t now_ms) {
    size_t i = e->nrecent++ % SB_ALERT_RECENT;
    e->recent[i].ms = now_ms;
    e->recent[i].v = e->value.has ? e->value.value : (double)NAN;
}

static void evaluate(struct sb_alerts *a, struct sb_alert_entry *e,
                     const struct sb_monitor_samples *samples) {
    struct sb_errctx ctx = {0};
    struct sb_monitor_value v = {0};
    int64_t now_ms = sb_wall_ms();
    sb_arena_reset(&e->arena);
    e->value = v; /* its labels lay in the arena */
    sb_err err = number(a, &e->rule, e->track, samples, &e->arena, &v, &ctx);
    sb_free(e->error);
    e->error = err ? sb_strdup(sb_errctx_text(&ctx, err)) : NULL;
    e->value = v;
    keep_recent(e, now_ms);
    follow(a, e, sb_monitor_alert_step(&e->alert, &e->rule, err ? NULL : &v, now_ms),
           "the value is back");
}

static const struct sb_monitor_samples *look(struct sb_alerts *a, struct sb_arena *arena,
                                             struct sb_monitor_samples *out) {
    struct sb_errctx ctx = {0};
    sb_err err = a->o.inputs.metrics(a->o.inputs.self, arena, out, &ctx);
    sb_free(a->metrics_error);
    a->metrics_error = err ? sb_strdup(sb_errctx_text(&ctx, err)) : NULL;
    return err ? NULL : out;
}

static void count(struct sb_alerts *a) {
    static const char *const names[] = {"firing", "pending", "error"};
    int64_t n[SB_COUNT(names)] = {0};
    if (!a->o.metrics) return;
    for (size_t i = 0; i < a->n; i++) {
        n[0] += a->entries[i]->alert.state == SB_MONITOR_STATE_FIRING;
        n[1] += a->entries[i]->alert.state == SB_MONITOR_STATE_PENDING;
        n[2] += a->entries[i]->error != NULL;
    }
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        struct sb_str label = sb_str_of(names[i]);
        sb_series_set(sb_metrics_get(a->o.metrics, SB_METRIC_ALERTS, &label), n[i]);
    }
}

void sb_alerts_evaluate(struct sb_alerts *a) {
    struct sb_arena arena;
    struct sb_monitor_samples samples;
    sb_arena_init(&arena, SAMPLES_MAX);
    a->events_failed = 0;
    sb_alerts_apply_silences(a, sb_wall_ms());
    const struct sb_monitor_samples *now = look(a, &arena, &samples);
    for (size_t i = 0; i < a->n; i++)
        if (a->entries[i]->enabled) evaluate(a, a->entries[i], now);
    a->evaluated_ms = sb_wall_ms();
    count(a);
    sb_arena_fini(&arena);
}

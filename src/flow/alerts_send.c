/* Delivery. Each destination is told of each notice what it does not know yet (notice.h); a failure
 * leaves that as it is and is tried again later, with growing pauses. Alertmanager forgets what it
 * is not reminded of, so it gets everything that fires once a minute too.
 *
 * URLs may hold secrets (user and password, tokens in the path): logs and answers show only
 * sb_alert_destination.shown. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "flow/alerts_int.h"

enum { TEXT_MAX = 16 << 20, ANSWER_MAX = 64 << 10, RETRY_FIRST_S = 1, RETRY_MAX_S = 60 };

#define CALL_NS  (10 * SB_SEC)
#define AGAIN_NS (60 * SB_SEC)   /* Alertmanager hears of a firing alert that often */
#define LASTS_MS (4 * 60 * 1000) /* and takes it as over after so long, as with Prometheus */

/* ---- URLs ---- */

/* scheme://host:port, and the path when that is not a secret. */
static char *without_secrets(const char *url, bool with_path) {
    struct sb_str s = sb_str_of(url), rest;
    struct sb_buf b;
    ptrdiff_t scheme = sb_str_find(s, ':');
    size_t after = (size_t)scheme + 3;
    rest = sb_str_sub(s, after, s.n);
    size_t host_end = 0;
    while (host_end < rest.n && !strchr("/?#", rest.p[host_end])) host_end++;
    struct sb_str host = sb_str_sub(rest, 0, host_end), path = sb_str_sub(rest, host_end, rest.n);
    ptrdiff_t at = sb_str_rfind(host, '@');
    size_t path_end = 0;
    while (path_end < path.n && !strchr("?#", path.p[path_end])) path_end++;
    sb_buf_init(&b, 1 << 16);
    sb_buf_adds(&b, sb_str_sub(s, 0, after));
    if (at >= 0) SB_BUF_LIT(&b, "***@");
    sb_buf_adds(&b, sb_str_sub(host, (size_t)(at + 1), host.n));
    if (with_path)
        sb_buf_adds(&b, sb_str_sub(path, 0, path_end));
    else if (path_end > 1)
        SB_BUF_LIT(&b, "/...");
    return sb_buf_take(&b, NULL);
}

/* The message of a failed call names the URL at its start. */
static char *masked(const struct sb_alert_destination *d, const struct sb_errctx *ctx, sb_err err) {
    struct sb_str msg = sb_str_of(ctx->msg), base = sb_str_of(sb_fetch_base_url(d->fetch));
    struct sb_buf b;
    ptrdiff_t at = sb_str_find(msg, ' ');
    sb_buf_init(&b, 1 << 12);
    sb_buf_addz(&b, d->shown);
    if (sb_str_starts(msg, base) && at > 0 && (size_t)at >= base.n)
        sb_buf_adds(&b, sb_str_sub(msg, (size_t)at - (msg.p[at - 1] == ':'), msg.n));
    else
        sb_buf_addf(&b, ": %s", sb_err_text(err));
    return sb_buf_take(&b, NULL);
}

/* ---- one call ---- */

/* NULL when it was taken, else why not; the caller's. *status 0 = no answer. */
static char *post(struct sb_alert_destination *d, enum sb_monitor_destination which,
                  struct sb_str body, int *status) {
    struct sb_errctx ctx = {0};
    struct sb_buf answer, b;
    bool slash = sb_str_ends(sb_str_of(d->url), SB_STR("/")); /* the base has it no more */
    struct sb_fetch_request r = {.method = "POST",
                                 .target = which == SB_MONITOR_ALERTMANAGER ? "/api/v2/alerts"
                                           : slash                          ? "/"
                                                                            : "",
                                 .body = body,
                                 .timeout_ns = CALL_NS,
                                 .max_bytes = ANSWER_MAX};
    *status = 0;
    sb_buf_init(&answer, ANSWER_MAX);
    sb_err err = sb_fetch_call(d->fetch, &r, status, &answer, &ctx);
    char *why = NULL;
    if (err) {
        why = masked(d, &ctx, err);
    } else if (*status < 200 || *status > 299) {
        sb_buf_init(&b, 1 << 12);
        sb_buf_addf(&b, "%s answered %d: %.*s", d->shown, *status,
                    SB_ARG(sb_str_sub(sb_str_trim(sb_buf_view(&answer)), 0, 200)));
        why = sb_buf_take(&b, NULL);
    }
    sb_buf_fini(&answer);
    return why;
}

/* Under the lock. Takes why. */
static void note(struct sb_alert_destination *d, char *why) {
    sb_free(d->error);
    d->error = why;
    if (!why) {
        d->sent++;
        d->last_sent_ms = sb_wall_ms();
        d->failures = 0;
        d->retry_mono = 0;
        return;
    }
    int64_t pause = RETRY_FIRST_S;
    for (int i = 0; i < d->failures && pause < RETRY_MAX_S; i++) pause *= 2;
    d->failed++;
    d->failures++;
    d->retry_mono = sb_mono_ns() + (pause < RETRY_MAX_S ? pause : RETRY_MAX_S) * SB_SEC;
}

/* Not under the lock. */
static void say(const struct sb_alert_destination *d, enum sb_monitor_destination which,
                const char *why, bool was_failing) {
    struct sb_series *s = why ? d->sent_failed : d->sent_ok;
    if (s) sb_series_add(s, 1);
    if (why && !was_failing)
        SB_LOG(SB_LOG_WARN, "alerts", "not_delivered",
               SB_KS("to", sb_monitor_destination_names[which]), SB_KS("error", why),
               SB_KS("next", "tried again with growing pauses, at least once a minute"));
    if (!why && was_failing)
        SB_LOG(SB_LOG_INFO, "alerts", "delivered_again",
               SB_KS("to", sb_monitor_destination_names[which]), SB_KS("url", d->shown));
}

/* ---- what is due ---- */

/* Told in a batch: which notice (by rule and begin, for it may be gone meanwhile), and of what. */
struct told {
    char *rule;
    int64_t starts_ms;
    enum sb_monitor_told what;
};

struct batch {
    struct sb_buf body;
    struct told *told;
    size_t n;
};

static void batch_fini(struct batch *b) {
    for (size_t i = 0; i < b->n; i++) sb_free(b->told[i].rule);
    sb_free(b->told);
    sb_buf_fini(&b->body);
}

static void batch_add(struct batch *b, const struct sb_monitor_notice *n,
                      enum sb_monitor_told what) {
    b->told = sb_realloc(b->told, (b->n + 1) * sizeof *b->told);
    b->told[b->n++] = (struct told){sb_strdup(n->rule), n->starts_ms, what};
}

/* A webhook gets one alert a call, so that its groups mean what they say. */
static void gather_webhook(struct sb_alert_sender *s, struct batch *b) {
    for (struct sb_monitor_notice *n = s->notices; n; n = n->next) {
        enum sb_monitor_told due = sb_monitor_notice_due(n, SB_MONITOR_WEBHOOK);
        if (!due) continue;
        sb_monitor_notice_webhook(n, sb_str_of(s->page_url), &b->body);
        batch_add(b, n, due);
        return;
    }
}

static void gather_alertmanager(struct sb_alert_sender *s, struct batch *b) {
    struct sb_alert_destination *d = &s->to[SB_MONITOR_ALERTMANAGER];
    bool due = sb_mono_ns() >= d->next_mono;
    for (struct sb_monitor_notice *n = s->notices; n && !due; n = n->next)
        due = sb_monitor_notice_due(n, SB_MONITOR_ALERTMANAGER) != SB_MONITOR_UNTOLD;
    if (!due) return;
    d->next_mono = sb_mono_ns() + AGAIN_NS;
    for (struct sb_monitor_notice *n = s->notices; n; n = n->next) {
        enum sb_monitor_told now = n->ends_ms ? SB_MONITOR_TOLD_RESOLVED : SB_MONITOR_TOLD_FIRING;
        bool again = !n->ends_ms && !n->muted;
        if (!again && !sb_monitor_notice_due(n, SB_MONITOR_ALERTMANAGER)) continue;
        sb_buf_addc(&b->body, b->n ? ',' : '[');
        sb_monitor_notice_alertmanager(n, sb_str_of(s->page_url), sb_wall_ms(), LASTS_MS, &b->body);
        batch_add(b, n, now);
    }
    if (b->n) sb_buf_addc(&b->body, ']');
}

static void mark(struct sb_alert_sender *s, enum sb_monitor_destination which,
                 const struct batch *b) {
    for (size_t i = 0; i < b->n; i++)
        for (struct sb_monitor_notice *n = s->notices; n; n = n->next) {
            if (n->starts_ms != b->told[i].starts_ms || strcmp(n->rule, b->told[i].rule) != 0)
                continue;
            if (n->told[which] >= b->told[i].what) continue;
            n->told[which] = b->told[i].what;
            s->changed = true;
        }
}

/* One call to one destination if something is due; whether it went well. Enters and leaves with the
 * lock held. */
static bool serve(struct sb_alert_sender *s, enum sb_monitor_destination which) {
    struct sb_alert_destination *d = &s->to[which];
    struct batch b = {0};
    int status;
    if (!s->wanted[which] || sb_mono_ns() < d->retry_mono) return false;
    sb_buf_init(&b.body, TEXT_MAX);
    if (which == SB_MONITOR_WEBHOOK)
        gather_webhook(s, &b);
    else
        gather_alertmanager(s, &b);
    bool was_failing = d->failures > 0, sent = false;
    if (b.n) {
        sb_mutex_unlock(&s->lock);
        char *why = sb_buf_err(&b.body) ? sb_strdup("the alerts are too long to send")
                                        : post(d, which, sb_buf_view(&b.body), &status);
        say(d, which, why, was_failing);
        sb_mutex_lock(&s->lock);
        sent = !why;
        if (sent) mark(s, which, &b);
        note(d, why);
    }
    batch_fini(&b);
    return sent;
}

/* ---- the thread ---- */

static void run(void *arg) {
    struct sb_alert_sender *s = arg;
    sb_mutex_lock(&s->lock);
    while (!s->stop) {
        bool more = false;
        for (int i = 0; i < SB_MONITOR_DESTINATIONS && !s->stop; i++)
            more |= serve(s, (enum sb_monitor_destination)i);
        if (!more && !s->stop) sb_cond_wait_until(&s->wake, &s->lock, sb_mono_ns() + SB_SEC / 2);
    }
    sb_mutex_unlock(&s->lock);
}

static sb_err open_destination(struct sb_alert_sender *s, enum sb_monitor_destination which,
                               const char *url, struct sb_metrics *m, struct sb_errctx *ctx) {
    struct sb_alert_destination *d = &s->to[which];
    struct sb_str labels[] = {sb_str_of(sb_monitor_destination_names[which]), SB_STR("ok")};
    if (!url || !url[0]) return SB_OK;
    d->url = sb_strdup(url);
    d->shown = without_secrets(url, which == SB_MONITOR_ALERTMANAGER);
    SB_TRY(sb_fetch_new(&d->fetch, url, ctx));
    s->wanted[which] = true;
    if (m) {
        d->sent_ok = sb_metrics_get(m, SB_METRIC_ALERT_DELIVERIES, labels);
        labels[1] = SB_STR("failed");
        d->sent_failed = sb_metrics_get(m, SB_METRIC_ALERT_DELIVERIES, labels);
    }
    return SB_OK;
}

sb_err sb_alert_sender_init(struct sb_alert_sender *s, const struct sb_alerts_opts *o,
                            struct sb_errctx *ctx) {
    sb_mutex_init(&s->lock);
    sb_cond_init(&s->wake);
    s->page_url = o->page_url ? o->page_url : "";
    SB_TRY(open_destination(s, SB_MONITOR_WEBHOOK, o->webhook_url, o->metrics, ctx));
    return open_destination(s, SB_MONITOR_ALERTMANAGER, o->alertmanager_url, o->metrics, ctx);
}

sb_err sb_alert_sender_start(struct sb_alert_sender *s, struct sb_errctx *ctx) {
    sb_err err = sb_thread_start(&s->thread, "alerts-send", run, s);
    return err ? sb_fail(ctx, err, "the thread that delivers alerts could not be started") : SB_OK;
}

void sb_alert_sender_fini(struct sb_alert_sender *s) {
    sb_mutex_lock(&s->lock);
    s->stop = true;
    sb_cond_broadcast(&s->wake);
    sb_mutex_unlock(&s->lock);
    for (int i = 0; i < SB_MONITOR_DESTINATIONS; i++)
        if (s->to[i].fetch) sb_fetch_stop(s->to[i].fetch);
    sb_thread_join(&s->thread);
    for (int i = 0; i < SB_MONITOR_DESTINATIONS; i++) {
        struct sb_alert_destination *d = &s->to[i];
        if (d->url) sb_wipe(d->url, strlen(d->url));
        sb_free(d->url);
        sb_free(d->shown);
        sb_free(d->error);
        sb_fetch_free(d->fetch);
    }
    for (struct sb_monitor_notice *n = s->notices, *next; n; n = next) {
        next = n->next;
        sb_monitor_notice_free(n);
    }
    sb_cond_fini(&s->wake);
    sb_mutex_fini(&s->lock);
}

void sb_alert_sender_wake(struct sb_alert_sender *s) {
    sb_mutex_lock(&s->lock);
    sb_cond_broadcast(&s->wake);
    sb_mutex_unlock(&s->lock);
}

/* ---- for people ---- */

static void ms_or_null(struct sb_json_writer *w, const char *key, int64_t ms) {
    if (ms)
        sb_json_int(w, key, ms);
    else
        sb_json_null(w, key);
}

static int64_t waiting(const struct sb_alert_sender *s, enum sb_monitor_destination which) {
    int64_t n = 0;
    for (const struct sb_monitor_notice *x = s->notices; x; x = x->next)
        n += sb_monitor_notice_due(x, which) != SB_MONITOR_UNTOLD;
    return n;
}

void sb_alert_sender_write(struct sb_alert_sender *s, struct sb_json_writer *w) {
    sb_mutex_lock(&s->lock);
    for (int i = 0; i < SB_MONITOR_DESTINATIONS; i++) {
        const struct sb_alert_destination *d = &s->to[i];
        if (!s->wanted[i]) continue;
        int64_t pause_ms = d->retry_mono ? (d->retry_mono - sb_mono_ns()) / SB_MS : 0;
        sb_json_obj(w, NULL);
        sb_json_str(w, "name", sb_str_of(sb_monitor_destination_names[i]));
        sb_json_str(w, "url", sb_str_of(d->shown));
        sb_json_str(w, "state",
                    d->failures ? SB_STR("failing")
                    : d->sent   ? SB_STR("ok")
                                : SB_STR("idle"));
        sb_json_int(w, "sent", d->sent);
        sb_json_int(w, "failed", d->failed);
        ms_or_null(w, "last_sent_ms", d->last_sent_ms);
        if (d->error)
            sb_json_str(w, "last_error", sb_str_of(d->error));
        else
            sb_json_null(w, "last_error");
        ms_or_null(w, "retry_ms", pause_ms > 0 ? sb_wall_ms() + pause_ms : 0);
        sb_json_int(w, "waiting", waiting(s, (enum sb_monitor_destination)i));
        sb_json_end(w);
    }
    sb_mutex_unlock(&s->lock);
}

static void test_body(enum sb_monitor_destination which, const char *page_url, struct sb_buf *out) {
    struct sb_monitor_rule rule = {
        .name = SB_STR("sibyl test"),
        .severity = SB_MONITOR_INFO,
        .summary = SB_STR("A test that somebody asked for on the page of alerts.")};
    struct sb_monitor_value none = {0};
    int64_t now = sb_wall_ms();
    struct sb_monitor_notice *n = sb_monitor_notice_new(&rule, &none, now);
    if (which == SB_MONITOR_WEBHOOK) {
        sb_monitor_notice_webhook(n, sb_str_of(page_url), out);
    } else {
        sb_buf_addc(out, '[');
        sb_monitor_notice_alertmanager(n, sb_str_of(page_url), now, 60000, out);
        sb_buf_addc(out, ']');
    }
    sb_monitor_notice_free(n);
}

sb_err sb_alert_sender_test(struct sb_alert_sender *s, struct sb_str name, struct sb_buf *out,
                            struct sb_errctx *ctx) {
    int which = 0, status = 0;
    while (which < SB_MONITOR_DESTINATIONS &&
           !(s->wanted[which] && sb_str_is(name, sb_monitor_destination_names[which])))
        which++;
    if (which == SB_MONITOR_DESTINATIONS)
        return sb_fail(ctx, SB_E_MISSING,
                       "no destination \"%.*s\": the settings alerts.webhook_url and "
                       "alerts.alertmanager_url name them",
                       SB_ARG(sb_str_sub(name, 0, 60)));
    /* a connection of its own: the sender uses the other one */
    struct sb_alert_destination d = {.url = s->to[which].url, .shown = s->to[which].shown};
    SB_TRY(sb_fetch_new(&d.fetch, d.url, ctx));
    struct sb_buf body;
    sb_buf_init(&body, TEXT_MAX);
    test_body((enum sb_monitor_destination)which, s->page_url, &body);
    int64_t begin = sb_mono_ns();
    char *why = post(&d, (enum sb_monitor_destination)which, sb_buf_view(&body), &status);
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_bool(&w, "ok", !why);
    ms_or_null(&w, "status", status);
    if (why)
        sb_json_str(&w, "error", sb_str_of(why));
    else
        sb_json_null(&w, "error");
    sb_json_int(&w, "ms", (sb_mono_ns() - begin) / SB_MS);
    sb_json_end(&w);
    sb_free(why);
    sb_fetch_free(d.fetch);
    sb_buf_fini(&body);
    return SB_OK;
}

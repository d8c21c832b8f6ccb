/* The page needs the last minutes, not all events: when the journal runs ahead of what the thread
 * reads, the events between are not looked at; how many of them were predictions (and not a
 * shadow's) is taken to be as in the events read before. Traffic, errors and latency are of
 * primaries only. */
#include "api/ui/feed.h"

#include <math.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/json.h"
#include "domain/event/source.h"
#include "engine/fetch/fetch.h"

enum {
    SECONDS = 180,   /* of history */
    EVENTS = 50,     /* shown */
    READ_MAX = 2000, /* events looked at in one go */
    SKETCH = 96,     /* latency buckets: 1 us * GROWTH^i, so 19 % wide, up to 18 s */
};
static const double GROWTH = 1.19;
static const int64_t EVERY_NS = 250 * SB_MS, HEALTH_EVERY_NS = SB_SEC;

struct second {
    int64_t t; /* seconds since 1970 */
    int64_t n, errors;
    uint32_t sketch[SKETCH];
};

struct sb_feed {
    char *journal_dir;
    struct sb_fetch *serving;
    struct sb_event_source source;
    int64_t next;     /* offset to read next; -1 = not open yet */
    double primaries; /* fraction of the events read last */
    struct sb_thread thread;
    _Atomic bool stop;

    struct sb_mutex lock; /* for what follows */
    struct second seconds[SECONDS];
    char *events[EVENTS];
    size_t newest;
    char *health; /* JSON text, or NULL */
};

/* ---- what one event says ---- */

struct seen {
    int64_t wall_ms;
    double total_us;
    bool error, primary;
};

static struct seen look_at(const struct sb_event_record *r, struct sb_arena *a) {
    struct seen s = {.wall_ms = r->wall_ms};
    struct sb_json *o;
    if (sb_json_parse(&o, r->json, a, NULL) != SB_OK) return s;
    struct sb_str status = {0}, role = {0};
    sb_json_get_double(sb_json_get(o, "latency"), "total_us", &s.total_us);
    sb_json_get_str(o, "status", &status);
    sb_json_get_str(o, "role", &role);
    s.error = !sb_str_is(status, "ok");
    s.primary = !sb_str_is(role, "shadow");
    return s;
}

static struct second *second_of(struct sb_feed *f, int64_t t) {
    struct second *s = &f->seconds[t % SECONDS];
    if (s->t != t) *s = (struct second){.t = t};
    return s;
}

static void add_latency(struct second *s, double us) {
    double at = us > 1 ? log(us) / log(GROWTH) : 0;
    s->sketch[at < SKETCH - 1 ? (size_t)at : SKETCH - 1]++;
}

static void count(struct second *sec, const struct seen *s) {
    sec->n++;
    sec->errors += s->error;
    add_latency(sec, s->total_us);
}

static void keep_event(struct sb_feed *f, struct sb_str json) {
    f->newest = (f->newest + 1) % EVENTS;
    sb_free(f->events[f->newest]);
    f->events[f->newest] = sb_strndup(json.p, json.n);
}

/* ---- the thread ---- */

static sb_err open_source(struct sb_feed *f) {
    if (f->next >= 0) return SB_OK;
    int64_t first, end;
    SB_TRY(sb_event_source_journal(&f->source, f->journal_dir, NULL));
    sb_err err = f->source.ops->range(f->source.self, &first, &end);
    if (!err) {
        f->next = end - EVENTS > first ? end - EVENTS : first;
        err = f->source.ops->seek(f->source.self, f->next);
    }
    if (err) {
        sb_event_source_close(&f->source);
        f->next = -1;
    }
    return err;
}

/* Counts what lies too far back, and moves on to the last READ_MAX events. */
static sb_err skip_backlog(struct sb_feed *f) {
    int64_t first, end;
    SB_TRY(f->source.ops->range(f->source.self, &first, &end));
    if (end - f->next <= READ_MAX) return SB_OK;
    int64_t to = end - READ_MAX;
    sb_mutex_lock(&f->lock);
    second_of(f, sb_wall_ms() / 1000)->n += (int64_t)((double)(to - f->next) * f->primaries);
    sb_mutex_unlock(&f->lock);
    f->next = to;
    return f->source.ops->seek(f->source.self, to);
}

static void follow(struct sb_feed *f) {
    if (open_source(f) != SB_OK || skip_backlog(f) != SB_OK) return;
    struct sb_arena a;
    struct sb_event_record r;
    double read = 0, primary = 0;
    sb_arena_init(&a, 32 << 20);
    for (int i = 0; i < READ_MAX && f->source.ops->next(f->source.self, &r) == SB_OK; i++) {
        struct seen s = look_at(&r, &a);
        sb_mutex_lock(&f->lock);
        if (s.primary) count(second_of(f, s.wall_ms / 1000), &s);
        keep_event(f, r.json);
        sb_mutex_unlock(&f->lock);
        f->next = r.offset + 1;
        read++;
        primary += s.primary;
        sb_arena_reset(&a);
    }
    if (read) f->primaries = primary / read;
    sb_arena_fini(&a);
}

static void ask_health(struct sb_feed *f) {
    struct sb_buf b;
    int status = 0;
    sb_buf_init(&b, 4 << 20);
    sb_err err = sb_fetch_call(
        f->serving, &(struct sb_fetch_request){.target = "/health", .timeout_ns = 2 * SB_SEC},
        &status, &b, NULL);
    bool json = !err && (status == 200 || status == 503) && b.n;
    char *text = json ? sb_strndup(b.p, b.n) : NULL;
    sb_mutex_lock(&f->lock);
    char *old = f->health;
    f->health = text;
    sb_mutex_unlock(&f->lock);
    sb_free(old);
    sb_buf_fini(&b);
}

static void run(void *arg) {
    struct sb_feed *f = arg;
    for (int64_t asked = 0; !f->stop;) {
        follow(f);
        if (sb_mono_ns() - asked >= HEALTH_EVERY_NS) {
            ask_health(f);
            asked = sb_mono_ns();
        }
        sb_sleep_ns(EVERY_NS);
    }
}

/* ---- the answer ---- */

static double quantile(const struct second *s, double q) {
    uint64_t total = 0, below = 0;
    for (size_t i = 0; i < SKETCH; i++) total += s->sketch[i];
    if (!total) return 0;
    for (size_t i = 0; i < SKETCH; i++) {
        below += s->sketch[i];
        if ((double)below >= q * (double)total) return pow(GROWTH, (double)i + 0.5);
    }
    return pow(GROWTH, SKETCH);
}

static void write_seconds(struct sb_feed *f, struct sb_json_writer *w, int64_t now) {
    sb_json_arr(w, "seconds");
    for (int64_t t = now - SECONDS + 1; t < now; t++) { /* the current one is not complete */
        const struct second *s = &f->seconds[t % SECONDS];
        if (s->t != t || !s->n) continue;
        sb_json_obj(w, NULL);
        sb_json_int(w, "t", t);
        sb_json_int(w, "n", s->n);
        sb_json_int(w, "errors", s->errors);
        sb_json_int(w, "p50_us", (int64_t)quantile(s, 0.50));
        sb_json_int(w, "p95_us", (int64_t)quantile(s, 0.95));
        sb_json_int(w, "p99_us", (int64_t)quantile(s, 0.99));
        sb_json_end(w);
    }
    sb_json_end(w);
}

void sb_feed_write(struct sb_feed *f, struct sb_buf *out) {
    struct sb_json_writer w = {.b = out};
    int64_t now_ms = sb_wall_ms();
    sb_mutex_lock(&f->lock);
    sb_json_obj(&w, NULL);
    sb_json_int(&w, "now_ms", now_ms);
    write_seconds(f, &w, now_ms / 1000);
    sb_json_arr(&w, "events");
    for (size_t i = 0; i < EVENTS; i++) {
        const char *e = f->events[(f->newest + EVENTS - i) % EVENTS];
        if (e) sb_json_raw(&w, NULL, sb_str_of(e));
    }
    sb_json_end(&w);
    if (f->health)
        sb_json_raw(&w, "serving", sb_str_of(f->health));
    else
        sb_json_null(&w, "serving");
    sb_json_end(&w);
    sb_mutex_unlock(&f->lock);
}

sb_err sb_feed_new(struct sb_feed **out, const char *journal_dir, const char *serving_url,
                   struct sb_errctx *ctx) {
    struct sb_fetch *serving;
    SB_TRY(sb_fetch_new(&serving, serving_url, ctx));
    struct sb_feed *f = sb_calloc(1, sizeof *f);
    f->serving = serving;
    f->journal_dir = sb_strdup(journal_dir);
    f->next = -1;
    f->primaries = 1;
    sb_mutex_init(&f->lock);
    sb_err err = sb_thread_start(&f->thread, "feed", run, f);
    if (err) {
        sb_feed_free(f);
        return sb_fail(ctx, err, "the live page's thread could not be started");
    }
    *out = f;
    return SB_OK;
}

void sb_feed_free(struct sb_feed *f) {
    if (!f) return;
    f->stop = true;
    sb_fetch_stop(f->serving);
    sb_thread_join(&f->thread);
    sb_event_source_close(&f->source);
    for (size_t i = 0; i < EVENTS; i++) sb_free(f->events[i]);
    sb_free(f->health);
    sb_free(f->journal_dir);
    sb_fetch_free(f->serving);
    sb_mutex_fini(&f->lock);
    sb_free(f);
}

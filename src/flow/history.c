#include "flow/history.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/fetch/fetch.h"
#include "engine/journal/journal.h"
#include "flow/capacity.h"
#include "flow/points.h"
#include "sys/process.h"

#define EVERY_NS  (5 * SB_SEC)
#define ASK_NS    (2 * SB_SEC)
#define WRITE_NS  (10 * SB_SEC)
#define REOPEN_NS (60 * SB_SEC)

enum { TEXT_MAX = 32 << 20, TREE_MAX = 64 << 20, SEGMENT_BYTES = 16 << 20 };

struct sb_history {
    struct sb_history_opts o;
    char *dir;
    struct sb_fetch *serving;
    struct sb_journal *journal; /* NULL while it cannot be opened */
    int64_t opened_ns;          /* tried last */
    struct sb_journal_group group;
    struct sb_points *points;
    struct sb_capacity *capacity;
    struct sb_series *dropped;
    struct sb_thread thread;
    struct sb_mutex lock;
    struct sb_cond wake;
    bool stop;
};

/* ---- the topic ---- */

static sb_err open_journal(struct sb_history *h, struct sb_errctx *ctx) {
    struct sb_journal_opts o = {.segment_bytes = SEGMENT_BYTES,
                                .retain_bytes = h->o.retain_bytes,
                                .retain_ms = h->o.retain_ms,
                                .seal_compress = true,
                                .seal_when_calm = true};
    h->opened_ns = sb_mono_ns();
    return sb_journal_open(&h->journal, h->dir, &o, ctx);
}

/* After the disk failed. */
static void reopen(struct sb_history *h) {
    struct sb_errctx ctx = {0};
    if (h->journal && sb_journal_dead(h->journal)) {
        sb_journal_close(h->journal);
        h->journal = NULL;
    }
    if (h->journal || sb_mono_ns() - h->opened_ns < REOPEN_NS) return;
    sb_err err = open_journal(h, &ctx);
    if (err) SB_LOG(SB_LOG_ERROR, "metrics", "history not written", SB_KE(&ctx, err));
}

static void add_document(void *arg, struct sb_str json) {
    struct sb_history *h = arg;
    sb_err err = sb_journal_group_add(&h->group, sb_wall_ms(), (struct sb_str){0}, json);
    if (err) sb_series_add(h->dropped, 1);
}

static void write_group(struct sb_history *h) {
    struct sb_journal_group *g = &h->group;
    if (h->journal && g->count) {
        sb_journal_submit(h->journal, g);
        while (!sb_journal_wait(h->journal, g, WRITE_NS)) {
        }
    }
    if (!h->journal || g->err) sb_series_add(h->dropped, g->count);
    sb_journal_group_reset(g);
}

static void set_topic_metrics(struct sb_history *h) {
    static const struct sb_str topic = {"metrics", 7};
    struct sb_metrics *m = h->o.metrics;
    struct sb_journal_stats j;
    if (!h->journal) {
        sb_series_set(sb_metrics_get(m, SB_METRIC_JOURNAL_WRITABLE, &topic), 0);
        return;
    }
    sb_journal_stats_get(h->journal, &j);
    sb_series_set(sb_metrics_get(m, SB_METRIC_JOURNAL_RECORDS, &topic), (int64_t)j.records);
    sb_series_set(sb_metrics_get(m, SB_METRIC_JOURNAL_BYTES, &topic), (int64_t)j.bytes);
    sb_series_set(sb_metrics_get(m, SB_METRIC_JOURNAL_DISK, &topic), (int64_t)j.disk_bytes);
    sb_series_set(sb_metrics_get(m, SB_METRIC_JOURNAL_NEXT, &topic), j.next_offset);
    sb_series_set(sb_metrics_get(m, SB_METRIC_JOURNAL_WRITABLE, &topic),
                  !sb_journal_dead(h->journal) && !j.nospace_since_ms);
}

/* ---- one look ---- */

static sb_err ask_serving(struct sb_history *h, struct sb_buf *text) {
    int status = 0;
    struct sb_fetch_request r = {.target = "/metrics", .timeout_ns = ASK_NS, .max_bytes = TEXT_MAX};
    SB_TRY(sb_fetch_call(h->serving, &r, &status, text, NULL));
    return status == 200 ? SB_OK : SB_E_UNAVAILABLE;
}

static void take(struct sb_history *h, const char *process, struct sb_str text, bool serving) {
    struct sb_arena a;
    struct sb_monitor_samples s;
    sb_arena_init(&a, TREE_MAX);
    int64_t now = sb_wall_ms();
    sb_err err = sb_monitor_exposition(text, &a, &s, NULL);
    if (err)
        SB_LOG(SB_LOG_WARN, "metrics", "not read", SB_KS("process", process), SB_KE(NULL, err));
    else
        sb_points_take(h->points, process, &s, now, add_document, h);
    if (!err && serving) sb_capacity_take(h->capacity, &s, now);
    sb_arena_fini(&a);
}

static void look(struct sb_history *h) {
    struct sb_buf text;
    sb_buf_init(&text, TEXT_MAX);
    sb_metrics_update_process(h->o.metrics);
    set_topic_metrics(h);
    h->o.update(h->o.update_arg);
    if (ask_serving(h, &text) == SB_OK) take(h, "serving", sb_buf_view(&text), true);
    sb_buf_reset(&text);
    sb_metrics_write(h->o.metrics, &text);
    if (sb_buf_err(&text) == SB_OK) take(h, "platform", sb_buf_view(&text), false);
    sb_buf_fini(&text);
    reopen(h);
    write_group(h);
}

static bool sleep_until(struct sb_history *h, int64_t due) {
    bool woken = true;
    sb_mutex_lock(&h->lock);
    while (!h->stop && woken) woken = sb_cond_wait_until(&h->wake, &h->lock, due);
    bool stop = h->stop;
    sb_mutex_unlock(&h->lock);
    return !stop;
}

static void run(void *arg) {
    struct sb_history *h = arg;
    sb_process_go_last();
    int64_t due = sb_mono_ns() + h->o.every_ns / 5; /* the first soon: pages show something */
    while (sleep_until(h, due)) {
        look(h);
        int64_t now = sb_mono_ns();
        due += h->o.every_ns;
        if (due < now) due = now; /* no burst after a pause */
    }
}

/* ---- start, stop ---- */

static void group_done(struct sb_journal_group *g) {
    SB_UNUSED(g); /* write_group waits for it */
}

static sb_err start(struct sb_history *h, struct sb_errctx *ctx) {
    SB_TRY(sb_fetch_new(&h->serving, h->o.serving_url, ctx));
    SB_TRY(open_journal(h, ctx));
    sb_err err = sb_thread_start(&h->thread, "history", run, h);
    return err ? sb_fail(ctx, err, "the thread for metrics could not be started") : SB_OK;
}

sb_err sb_history_start(struct sb_history **out, const struct sb_history_opts *o,
                        struct sb_errctx *ctx) {
    struct sb_history *h = sb_calloc(1, sizeof *h);
    h->o = *o;
    if (!h->o.every_ns) h->o.every_ns = EVERY_NS;
    h->dir = sb_strdup(o->dir);
    h->points = sb_points_new();
    h->capacity =
        sb_capacity_new(&(struct sb_capacity_opts){.metrics = o->metrics,
                                                   .dir = o->predictions_dir,
                                                   .retain_bytes = o->predictions_retain_bytes});
    h->dropped = sb_metrics_get(o->metrics, SB_METRIC_HISTORY_DROPPED, NULL);
    sb_journal_group_init(&h->group);
    h->group.done = group_done;
    sb_mutex_init(&h->lock);
    sb_cond_init(&h->wake);
    sb_err err = start(h, ctx);
    if (err)
        sb_history_stop(h);
    else
        *out = h;
    return err;
}

void sb_history_stop(struct sb_history *h) {
    if (!h) return;
    sb_mutex_lock(&h->lock);
    h->stop = true;
    sb_cond_broadcast(&h->wake);
    sb_mutex_unlock(&h->lock);
    if (h->serving) sb_fetch_stop(h->serving);
    sb_thread_join(&h->thread);
    if (h->journal) sb_journal_close(h->journal);
    sb_fetch_free(h->serving);
    sb_journal_group_fini(&h->group);
    sb_points_free(h->points);
    sb_capacity_free(h->capacity);
    sb_mutex_fini(&h->lock);
    sb_cond_fini(&h->wake);
    sb_free(h->dir);
    sb_free(h);
}

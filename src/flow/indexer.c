/* A thread's work comes in turns, so that nothing waits long for anything else: what is new in the
 * topic first, then a piece of a hole, then a piece of the rebuild.
 *
 * A rebuild reads the topic with a source of its own, into a fresh index. Once that is as far as
 * the one that answers, the fresh one takes over, and its source goes on as the live one. */
#include "flow/indexer.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/column/column.h"
#include "sys/process.h"

#define REFRESH_NS  (250 * SB_MS) /* at most so often: each makes a segment in memory */
#define TURN_NS     (20 * SB_MS)  /* of adding without a look at anything else */
#define POLL_MIN_NS (25 * SB_MS)
#define POLL_MAX_NS (200 * SB_MS)
#define LOOK_NS     SB_SEC         /* at the topic's range and the folder */
#define FLUSH_NS    (300 * SB_SEC) /* a start reads again what was added since the last one */
#define RETRY_NS    SB_SEC
#define RATE_NS     (5 * SB_SEC)

enum { CURRENT_MAX = 1000, HOLE_PIECE = 32768, HOLES_MAX = 1000 };

const char *const sb_indexer_state_names[] = {"waiting", "catching up", "current", "failed"};

/* Adds a topic to a column index, from where it ends on. */
struct follower {
    struct sb_column_index *column; /* the index's */
    struct sb_event_source source;  /* ops NULL: not open */
    int64_t next;                   /* offset to read */
    bool pending;                   /* something was added since the last refresh */
    int64_t refreshed_ns;
};

struct task {
    struct sb_index *index;
    struct sb_thread thread;
    struct follower live, fresh; /* fresh.column NULL: no rebuild runs */
    struct sb_event_source holes;
    int64_t looked_ns, flushed_ns, dropped;
    int64_t added, rate_added, rate_ns; /* documents */
    bool holed;                         /* there may be holes */
    bool replaced;                      /* the topic is another one than was indexed */

    struct sb_mutex lock; /* for what follows, and so is the condition */
    struct sb_cond wake;
    bool stop, rebuild_asked;
    struct sb_indexer_status status;
};

struct sb_indexer {
    struct sb_metrics *metrics;
    size_t n;
    struct task *tasks;
};

/* ---- the topic ---- */

static bool is_open(const struct sb_event_source *s) {
    return s->ops != NULL;
}

/* SB_E_MISSING: nobody has written to the topic yet. */
static sb_err open_at(struct sb_event_source *s, const struct sb_index *ix, int64_t offset,
                      struct sb_errctx *ctx) {
    if (is_open(s)) return SB_OK;
    SB_TRY(sb_event_source_journal(s, ix->topic_dir, ctx));
    sb_err err = s->ops->seek(s->self, offset);
    if (err) sb_event_source_close(s);
    return err;
}

/* Where the index ends: holes before it are left to fill_hole. */
static int64_t end_of(struct sb_column_index *column) {
    struct sb_column_stats s;
    sb_column_stats_get(column, &s);
    return s.next;
}

static sb_err add(struct follower *f, const struct sb_event_record *r) {
    sb_err err = sb_column_add(f->column, r->offset, r->wall_ms, r->json);
    return err == SB_E_EXISTS ? SB_OK : err;
}

static sb_err refresh(struct follower *f) {
    f->refreshed_ns = sb_mono_ns();
    SB_TRY(sb_column_refresh(f->column, f->next));
    f->pending = false;
    return SB_OK;
}

/* Takes what is there, for so long. SB_E_END: that was all. */
static sb_err take_turn(struct task *t, struct follower *f, int64_t ns) {
    struct sb_event_record r;
    int64_t until = sb_mono_ns() + ns;
    sb_err err = SB_OK;
    for (int i = 1; !err; i++) {
        err = f->source.ops->next(f->source.self, &r);
        if (err) break;
        SB_TRY(add(f, &r));
        f->next = r.offset + 1;
        f->pending = true;
        t->added++;
        if (i % 64 == 0 && sb_mono_ns() >= until) break;
    }
    return err;
}

/* ---- what is new ---- */

static void set_error(struct task *t, sb_err err, const struct sb_errctx *ctx) {
    struct sb_errctx text = {0};
    sb_fail(&text, err, "%s", sb_errctx_text(ctx, err));
    sb_mutex_lock(&t->lock);
    memcpy(t->status.error, text.msg, sizeof t->status.error);
    sb_mutex_unlock(&t->lock);
}

/* Begins anew with the topic, wherever the error came from: what was read is read again at most. */
static void live_failed(struct task *t, sb_err err, const struct sb_errctx *ctx) {
    SB_LOG(SB_LOG_ERROR, "index", "cannot follow the topic, trying again",
           SB_KS("index", t->index->name), SB_KE(ctx, err));
    set_error(t, err, ctx);
    sb_event_source_close(&t->live.source);
}

static sb_err live_turn(struct task *t, struct sb_errctx *ctx) {
    struct follower *f = &t->live;
    if (!is_open(&f->source)) {
        f->next = end_of(f->column);
        SB_TRY(open_at(&f->source, t->index, f->next, ctx));
    }
    sb_err err = take_turn(t, f, TURN_NS);
    if (f->pending && sb_mono_ns() - f->refreshed_ns >= REFRESH_NS) SB_TRY(refresh(f));
    return err;
}

static void count_holes(struct task *t) {
    int64_t from = t->status.first, first, next, n = 0;
    for (int i = 0; i < HOLES_MAX; i++, from = next) {
        sb_column_missing(t->live.column, from, &first, &next);
        if (next == INT64_MAX || first >= t->live.next) break;
        n += next - first;
    }
    t->holed = n > 0;
    sb_mutex_lock(&t->lock);
    t->status.holes = n;
    sb_mutex_unlock(&t->lock);
}

/* The topic's range: what lag is measured by. Its beginning moves as it forgets, and the index
 * with it. A topic that ends before the index does is another one than was indexed. */
static sb_err look_at_topic(struct task *t, struct sb_errctx *ctx) {
    struct follower *f = &t->live;
    int64_t first, next;
    SB_TRY(f->source.ops->range(f->source.self, &first, &next));
    t->replaced = next < f->next;
    if (first > t->dropped) {
        SB_TRY(sb_column_drop_below(f->column, first, ctx));
        t->dropped = first;
    }
    sb_mutex_lock(&t->lock);
    t->status.first = first;
    t->status.next = next;
    if (t->replaced && !t->fresh.column) t->rebuild_asked = true;
    sb_mutex_unlock(&t->lock);
    count_holes(t);
    return SB_OK;
}

/* ---- holes ---- */

/* A piece of the first one. *more: there is still something to fill. */
static sb_err fill_hole(struct task *t, bool *more, struct sb_errctx *ctx) {
    struct sb_column_index *column = t->live.column;
    struct sb_event_record r;
    int64_t first, next;
    *more = false;
    sb_column_missing(column, t->status.first, &first, &next);
    if (next == INT64_MAX || first >= t->live.next) return SB_OK;
    if (next - first > HOLE_PIECE) next = first + HOLE_PIECE;
    if (t->live.pending) SB_TRY(refresh(&t->live));
    SB_TRY(open_at(&t->holes, t->index, first, ctx));
    SB_TRY(t->holes.ops->seek(t->holes.self, first));
    SB_TRY(sb_column_fill_begin(column, first, next));
    sb_err err = SB_OK, ended;
    while (!err && (err = t->holes.ops->next(t->holes.self, &r)) == SB_OK && r.offset < next) {
        err = sb_column_add(column, r.offset, r.wall_ms, r.json);
        if (err == SB_E_EXISTS) err = SB_OK;
        t->added++;
    }
    if (err == SB_E_END) err = SB_OK;
    ended = sb_column_fill_end(column, ctx);
    *more = true;
    t->looked_ns = 0; /* counts what is left */
    return err ? err : ended;
}

/* ---- rebuilding ---- */

static void rebuild_ends(struct task *t, bool completed) {
    t->fresh = (struct follower){0};
    sb_mutex_lock(&t->lock);
    t->status.rebuilding = t->rebuild_asked;
    t->status.rebuilds += completed;
    sb_mutex_unlock(&t->lock);
}

static void rebuild_failed(struct task *t, sb_err err, const struct sb_errctx *ctx) {
    SB_LOG(SB_LOG_ERROR, "index", "rebuild given up, the old index stays",
           SB_KS("index", t->index->name), SB_KE(ctx, err));
    set_error(t, err, ctx);
    sb_event_source_close(&t->fresh.source);
    sb_index_rebuild_drop(t->index);
    rebuild_ends(t, false);
}

static sb_err rebuild_begin(struct task *t, struct sb_errctx *ctx) {
    SB_LOG(SB_LOG_INFO, "index", "rebuilding", SB_KS("index", t->index->name));
    sb_mutex_lock(&t->lock);
    t->rebuild_asked = false;
    t->status.rebuilding = true;
    t->status.rebuilt = 0;
    t->status.error[0] = 0;
    sb_mutex_unlock(&t->lock);
    return sb_index_rebuild_begin(t->index, &t->fresh.column, ctx);
}

static sb_err swap(struct task *t, struct sb_errctx *ctx) {
    struct follower *f = &t->fresh;
    SB_TRY(refresh(f));
    SB_TRY(sb_column_flush(f->column, ctx));
    SB_TRY(sb_index_rebuild_end(t->index, ctx));
    SB_LOG(SB_LOG_INFO, "index", "rebuilt", SB_KS("index", t->index->name),
           SB_KI("next_offset", f->next));
    sb_event_source_close(&t->live.source);
    t->live = *f;
    t->dropped = 0;
    t->looked_ns = 0;
    rebuild_ends(t, true);
    return SB_OK;
}

/* Done when the fresh index has all that the old one shows: searches never step back in time. While
 * events come faster than one thread adds them twice (busy), the fresh index gets most of it: the
 * lag grows, but the rebuild ends. */
static sb_err rebuild_turn(struct task *t, bool busy, struct sb_errctx *ctx) {
    struct follower *f = &t->fresh;
    if (!f->column) SB_TRY(rebuild_begin(t, ctx));
    sb_err err = open_at(&f->source, t->index, 0, ctx);
    if (!err) err = take_turn(t, f, busy ? 4 * TURN_NS : TURN_NS);
    if (err == SB_E_MISSING && !is_open(&f->source)) err = SB_E_END; /* no topic: empty */
    if (err && err != SB_E_END) return err;
    sb_mutex_lock(&t->lock);
    t->status.rebuilt = f->next > t->status.first ? f->next - t->status.first : 0;
    sb_mutex_unlock(&t->lock);
    return err == SB_E_END || f->next >= t->live.next ? swap(t, ctx) : SB_OK;
}

/* ---- the thread ---- */

static void note(struct task *t, enum sb_indexer_state state) {
    int64_t now = sb_mono_ns();
    struct sb_indexer_status *s = &t->status;
    sb_mutex_lock(&t->lock);
    if (now - t->rate_ns >= RATE_NS) {
        s->per_second = (double)(t->added - t->rate_added) * SB_SEC / (double)(now - t->rate_ns);
        t->rate_added = t->added;
        t->rate_ns = now;
    }
    s->added = t->added;
    s->state = state;
    sb_mutex_unlock(&t->lock);
}

static bool asked_to_stop(struct task *t) {
    sb_mutex_lock(&t->lock);
    bool stop = t->stop;
    sb_mutex_unlock(&t->lock);
    return stop;
}

static bool wants_rebuild(struct task *t) {
    sb_mutex_lock(&t->lock);
    bool asked = t->rebuild_asked;
    sb_mutex_unlock(&t->lock);
    return asked || t->fresh.column;
}

static void sleep_for(struct task *t, int64_t ns) {
    int64_t until = sb_mono_ns() + ns;
    sb_mutex_lock(&t->lock);
    if (!t->stop && !t->rebuild_asked) sb_cond_wait_until(&t->wake, &t->lock, until);
    sb_mutex_unlock(&t->lock);
}

/* Once in a while, and not in each turn. */
static sb_err look_around(struct task *t, struct sb_errctx *ctx) {
    int64_t now = sb_mono_ns();
    if (now - t->looked_ns < LOOK_NS) return SB_OK;
    t->looked_ns = now;
    if (!t->fresh.column && !sb_index_intact(t->index)) {
        SB_LOG(SB_LOG_WARN, "index", "its folder is gone", SB_KS("index", t->index->name));
        sb_mutex_lock(&t->lock);
        t->rebuild_asked = true;
        sb_mutex_unlock(&t->lock);
        return SB_OK;
    }
    if (is_open(&t->live.source)) SB_TRY(look_at_topic(t, ctx));
    if (now - t->flushed_ns < FLUSH_NS) return SB_OK;
    t->flushed_ns = now;
    return sb_column_flush(t->live.column, ctx);
}

/* Everything once. *busy: there is more to do at once. */
static sb_err turn(struct task *t, bool *busy, struct sb_errctx *ctx) {
    SB_TRY(look_around(t, ctx));
    sb_err err = live_turn(t, ctx);
    *busy = !err;
    if (err == SB_E_MISSING && !is_open(&t->live.source)) {
        note(t, SB_INDEXER_WAITING);
        err = SB_OK;
    } else if (err && err != SB_E_END) {
        return err;
    } else {
        sb_mutex_lock(&t->lock);
        if (t->live.next > t->status.next && !t->replaced) t->status.next = t->live.next;
        bool behind = !err && t->status.next - t->live.next > CURRENT_MAX;
        sb_mutex_unlock(&t->lock);
        note(t, behind ? SB_INDEXER_CATCHING_UP : SB_INDEXER_CURRENT);
    }
    if (t->holed && !*busy) {
        SB_TRY(fill_hole(t, &t->holed, ctx));
        *busy = t->holed;
    }
    return SB_OK;
}

static void run(void *arg) {
    struct task *t = arg;
    sb_process_go_last();
    int64_t wait = POLL_MIN_NS;
    while (!asked_to_stop(t)) {
        struct sb_errctx ctx = {0};
        bool busy = false;
        int64_t before = t->added;
        sb_err err = turn(t, &busy, &ctx);
        if (err) {
            live_failed(t, err, &ctx);
            note(t, SB_INDEXER_FAILED);
        }
        if (wants_rebuild(t)) {
            sb_errctx_reset(&ctx);
            sb_err failed = rebuild_turn(t, busy, &ctx);
            if (failed) rebuild_failed(t, failed, &ctx);
            busy = busy || t->fresh.column;
        }
        wait = t->added != before || t->live.pending ? POLL_MIN_NS : wait * 2;
        if (wait > POLL_MAX_NS) wait = POLL_MAX_NS;
        if (!busy || err) sleep_for(t, err ? RETRY_NS : wait);
    }
    sb_event_source_close(&t->live.source);
    sb_event_source_close(&t->fresh.source);
    sb_event_source_close(&t->holes);
    sb_index_rebuild_drop(t->index);
    struct sb_errctx ctx = {0};
    sb_err err = t->live.pending ? refresh(&t->live) : SB_OK;
    if (!err) err = sb_column_flush(t->live.column, &ctx);
    if (err)
        SB_LOG(SB_LOG_WARN, "index", "not flushed; the next start reads it again",
               SB_KS("index", t->index->name), SB_KE(&ctx, err));
}

/* ---- start, stop ---- */

sb_err sb_indexer_start(struct sb_indexer **out, const struct sb_indexer_opts *o,
                        struct sb_errctx *ctx) {
    static const char *const names[] = {"index-0", "index-1", "index-2", "index-3"};
    struct sb_indexer *x = sb_calloc(1, sizeof *x);
    size_t n = sb_indexes_count(o->indexes);
    SB_ASSERT(n <= SB_COUNT(names));
    x->metrics = o->metrics;
    x->tasks = sb_calloc(n, sizeof *x->tasks);
    sb_err err = SB_OK;
    while (x->n < n && !err) {
        struct task *t = &x->tasks[x->n];
        t->index = sb_indexes_at(o->indexes, x->n);
        t->live.column = t->index->column;
        t->status.name = t->index->name;
        t->flushed_ns = t->rate_ns = sb_mono_ns();
        sb_mutex_init(&t->lock);
        sb_cond_init(&t->wake);
        err = sb_thread_start(&t->thread, names[x->n++], run, t);
    }
    if (err) {
        sb_indexer_stop(x);
        return sb_fail(ctx, err, "the index's threads could not be started");
    }
    *out = x;
    return SB_OK;
}

void sb_indexer_stop(struct sb_indexer *x) {
    if (!x) return;
    for (size_t i = 0; i < x->n; i++) {
        struct task *t = &x->tasks[i];
        sb_mutex_lock(&t->lock);
        t->stop = true;
        sb_cond_broadcast(&t->wake);
        sb_mutex_unlock(&t->lock);
    }
    for (size_t i = 0; i < x->n; i++) {
        sb_thread_join(&x->tasks[i].thread);
        sb_mutex_fini(&x->tasks[i].lock);
        sb_cond_fini(&x->tasks[i].wake);
    }
    sb_free(x->tasks);
    sb_free(x);
}

/* ---- any thread ---- */

static struct task *find(struct sb_indexer *x, struct sb_str name, struct sb_errctx *ctx) {
    for (size_t i = 0; i < x->n; i++)
        if (sb_str_is(name, x->tasks[i].index->name)) return &x->tasks[i];
    sb_fail(ctx, SB_E_MISSING, "there is no index \"%.*s\"", SB_ARG(sb_str_sub(name, 0, 64)));
    return NULL;
}

sb_err sb_indexer_rebuild(struct sb_indexer *x, struct sb_str name, struct sb_errctx *ctx) {
    struct task *t = find(x, name, ctx);
    if (!t) return SB_E_MISSING;
    sb_mutex_lock(&t->lock);
    if (!t->status.rebuilding) {
        t->rebuild_asked = t->status.rebuilding = true;
        t->status.rebuilt = 0;
        t->status.error[0] = 0;
    }
    sb_cond_signal(&t->wake);
    sb_mutex_unlock(&t->lock);
    return SB_OK;
}

size_t sb_indexer_count(const struct sb_indexer *x) {
    return x->n;
}

void sb_indexer_status_get(struct sb_indexer *x, size_t i, struct sb_indexer_status *out) {
    struct task *t = &x->tasks[i];
    struct sb_column_stats s;
    sb_index_stats(t->index, &s);
    sb_mutex_lock(&t->lock);
    *out = t->status;
    sb_mutex_unlock(&t->lock);
    out->lag = (out->next > s.next ? out->next - s.next : 0) + out->holes;
    out->column = s;
}

static void write_one(struct sb_json_writer *w, const struct sb_indexer_status *s) {
    sb_json_obj(w, NULL);
    sb_json_str(w, "name", sb_str_of(s->name));
    sb_json_str(w, "state", sb_str_of(sb_indexer_state_names[s->state]));
    sb_json_int(w, "documents", (int64_t)s->column.docs);
    sb_json_int(w, "lag", s->lag);
    sb_json_double(w, "per_second", s->per_second);
    sb_json_int(w, "first_offset", s->first);
    sb_json_int(w, "next_offset", s->next);
    sb_json_int(w, "segments", (int64_t)s->column.segments);
    sb_json_int(w, "disk_bytes", (int64_t)s->column.disk_bytes);
    sb_json_int(w, "memory_bytes", (int64_t)s->column.memory_bytes);
    sb_json_int(w, "quarantined", (int64_t)s->column.quarantined);
    sb_json_bool(w, "rebuilding", s->rebuilding);
    if (s->rebuilding) {
        sb_json_int(w, "rebuilt", s->rebuilt);
        sb_json_int(w, "rebuild_total", s->next - s->first);
    }
    sb_json_int(w, "rebuilds", (int64_t)s->rebuilds);
    if (s->error[0]) sb_json_str(w, "error", sb_str_of(s->error));
    sb_json_end(w);
}

void sb_indexer_write(struct sb_indexer *x, struct sb_json_writer *w) {
    struct sb_indexer_status s;
    sb_json_arr(w, "indexes");
    for (size_t i = 0; i < x->n; i++) {
        sb_indexer_status_get(x, i, &s);
        write_one(w, &s);
    }
    sb_json_end(w);
}

static void set(struct sb_indexer *x, const char *index, enum sb_metric_id id, int64_t value) {
    struct sb_str label = sb_str_of(index);
    sb_series_set(sb_metrics_get(x->metrics, id, &label), value);
}

void sb_indexer_update_metrics(struct sb_indexer *x) {
    struct sb_indexer_status s;
    for (size_t i = 0; x->metrics && i < x->n; i++) {
        sb_indexer_status_get(x, i, &s);
        int64_t total = s.next - s.first, done = s.rebuilt < total ? s.rebuilt : total;
        double part = !s.rebuilding ? 1 : total > 0 ? (double)done / (double)total : 0;
        set(x, s.name, SB_METRIC_INDEX_DOCS, (int64_t)s.column.docs);
        set(x, s.name, SB_METRIC_INDEX_LAG, s.lag);
        set(x, s.name, SB_METRIC_INDEX_ADDED, s.added);
        set(x, s.name, SB_METRIC_INDEX_DISK, (int64_t)s.column.disk_bytes);
        set(x, s.name, SB_METRIC_INDEX_MEMORY, (int64_t)s.column.memory_bytes);
        set(x, s.name, SB_METRIC_INDEX_SEGMENTS, (int64_t)s.column.segments);
        set(x, s.name, SB_METRIC_INDEX_QUARANTINED, (int64_t)s.column.quarantined);
        set(x, s.name, SB_METRIC_INDEX_FAILED, s.state == SB_INDEXER_FAILED);
        set(x, s.name, SB_METRIC_INDEX_REBUILD, (int64_t)(part * 1e6));
    }
}

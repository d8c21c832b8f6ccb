/* The writer: groups come in from all loops, the commit thread makes one batch of what waits, one
 * write, one fdatasync, publishes the durable mark and tells the groups. One batch at a time is
 * what makes a torn tail tell-tale: see segment_int.h. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/journal/bugs.h"
#include "engine/journal/journal_int.h"

int64_t sb_journal_mono(const struct sb_journal *j) {
    return j->o.clock->mono_ns(j->o.clock->self);
}

int64_t sb_journal_wall_ms(const struct sb_journal *j) {
    return j->o.clock->wall_ns(j->o.clock->self) / SB_MS;
}

/* ---- committing ---- */

/* Goes over to a fresh segment with room for `need` bytes. */
static sb_err roll(struct sb_journal *j, int64_t need, struct sb_errctx *ctx) {
    struct sb_file f;
    int64_t size;
    SB_TRY(sb_keeper_take(j, need, &f, &size));
    sb_err err = sb_segment_enter(&f, j->dir, j->next_offset, ctx);
    if (err) {
        sb_file_close(&f);
        return err;
    }
    sb_file_close(&j->active);
    j->active = f;
    j->active_base = j->next_offset;
    j->active_size = size;
    j->pos = j->dirty_end = j->checkpoint_pos = 0;
    j->asked_spare = false;
    sb_keeper_add(j, j->active_base, size, INT64_MAX);
    return SB_OK;
}

/* What an earlier failed write left behind pos is made zero again, durably, before anything else is
 * written there: a shorter batch in its place would leave a piece that looks like damage. */
static sb_err clean_dirt(struct sb_journal *j, struct sb_errctx *ctx) {
    if (j->dirty_end <= j->pos) return SB_OK;
    size_t n = (size_t)(j->dirty_end - j->pos);
    char *zeros = sb_calloc(1, n);
    sb_err err = sb_file_pwrite(&j->active, zeros, n, j->pos, ctx);
    sb_free(zeros);
    if (!err) err = sb_file_datasync(&j->active, ctx);
    if (!err) j->dirty_end = j->pos;
    return err;
}

/* One batch of the groups from first on, without headers of their own. */
static sb_err build(struct sb_journal *j, struct sb_journal_group *first, struct sb_batch *b,
                    char **p) {
    *b = (struct sb_batch){.base = j->next_offset, .codec = SB_BATCH_PLAIN};
    struct sb_journal_group *only = NULL, *g;
    int groups = 0;
    for (g = first; g; g = g->next) {
        if (!g->count) continue;
        if (!groups++) {
            b->base_ts = g->base_ts_ms;
            b->max_ts = g->max_ts_ms;
            only = g;
        }
        if (g->max_ts_ms > b->max_ts) b->max_ts = g->max_ts_ms;
        b->count += g->count;
    }
    if (groups == 0) return SB_OK;
    if (groups == 1) {
        *p = only->records.p;
        b->records_n = only->records.n - SB_BATCH_HEADER;
        sb_batch_header_put(*p, b);
        return SB_OK;
    }
    sb_buf_reset(&j->stage);
    static const char room[SB_BATCH_HEADER];
    sb_buf_add(&j->stage, room, sizeof room);
    int64_t base = j->next_offset;
    for (g = first; g; g = g->next) {
        if (!g->count) continue;
        struct sb_batch part = {.base = base,
                                .count = g->count,
                                .base_ts = g->base_ts_ms,
                                .records = (const uint8_t *)g->records.p + SB_BATCH_HEADER,
                                .records_n = g->records.n - SB_BATCH_HEADER};
        SB_TRY(sb_batch_rebase(&part, b->base, b->base_ts, &j->stage));
        base += g->count;
    }
    *p = j->stage.p;
    b->records_n = j->stage.n - SB_BATCH_HEADER;
    sb_batch_header_put(*p, b);
    return SB_OK;
}

static void checkpoint(struct sb_journal *j, bool clean) {
    struct sb_checkpoint_state *s = &j->checkpoint.last;
    s->clean = clean;
    s->base = j->active_base;
    s->pos = j->pos;
    s->next = j->next_offset;
    sb_mutex_lock(&j->k.m);
    s->retain_now_ms = j->k.retain.now_ms;
    sb_mutex_unlock(&j->k.m);
    j->checkpoint_pos = j->pos;
    struct sb_errctx ctx = {0};
    if (sb_checkpoint_write(&j->checkpoint, clean, &ctx) != SB_OK)
        SB_LOG(SB_LOG_WARN, "journal", "no checkpoint, the next start takes longer",
               SB_KE(&ctx, SB_E_IO));
}

/* Makes the batch durable. */
static sb_err write_batch(struct sb_journal *j, const char *p, const struct sb_batch *b,
                          int64_t *sync_ns, struct sb_errctx *ctx) {
    int64_t size = SB_BATCH_HEADER + (int64_t)b->records_n;
    /* an empty segment takes a batch of any size: the file grows. Another one could not be entered:
     * it would begin with the same offset */
    if (j->pos > 0 && j->pos + size > j->active_size) SB_TRY(roll(j, size, ctx));
    SB_TRY(clean_dirt(j, ctx));
    j->dirty_end = j->pos + size;
    SB_TRY(sb_file_pwrite(&j->active, p, (size_t)size, j->pos, ctx));
    int64_t start = sb_mono_ns();
    if (!SB_BUG_NO_FDATASYNC && !SB_BUG_ACK_BEFORE_SYNC) SB_TRY(sb_file_datasync(&j->active, ctx));
    *sync_ns = sb_mono_ns() - start;
    j->pos += size;
    j->dirty_end = j->pos;
    j->next_offset += b->count;
    return SB_OK;
}

static sb_err commit(struct sb_journal *j, struct sb_journal_group *first) {
    struct sb_batch b;
    char *p = NULL;
    if (j->dead) return SB_E_IO;
    struct sb_errctx ctx = {0};
    int64_t sync_ns = 0;
    sb_err err = build(j, first, &b, &p);
    if (!err && b.count) err = write_batch(j, p, &b, &sync_ns, &ctx);
    if (err && err != SB_E_NOSPACE) {
        j->dead = true;
        SB_LOG(SB_LOG_ERROR, "journal",
               "dead: nothing more is acknowledged; check the disk, then restart",
               SB_KS("dir", j->dir), SB_KE(&ctx, err));
        return SB_E_IO;
    }
    sb_mutex_lock(&j->m);
    struct sb_journal_stats *st = &j->st;
    bool changed = !err == !!st->nospace_since_ms;
    if (err && !st->nospace_since_ms) st->nospace_since_ms = sb_journal_wall_ms(j);
    if (!err && b.count) {
        st->nospace_since_ms = 0;
        st->records += b.count;
        st->bytes += SB_BATCH_HEADER + b.records_n;
        st->syncs++;
        st->sync_ns_total += (uint64_t)sync_ns;
        if ((uint64_t)sync_ns > st->sync_ns_max) st->sync_ns_max = (uint64_t)sync_ns;
        st->next_offset = j->next_offset;
    }
    sb_mutex_unlock(&j->m);
    if (err && changed)
        SB_LOG(SB_LOG_ERROR, "journal", "disk full: predictions are refused until space returns",
               SB_KS("dir", j->dir), SB_KE(&ctx, err));
    if (err) return err;
    if (changed && b.count) SB_LOG(SB_LOG_INFO, "journal", "writing again", SB_KS("dir", j->dir));
    sb_mark_durable_set(&j->mark, j->next_offset);
    return SB_OK;
}

static void tell(struct sb_journal *j, struct sb_journal_group *first, sb_err err, int64_t base) {
    int64_t now = sb_mono_ns();
    uint64_t ticket = 0, groups = 0;
    for (struct sb_journal_group *g = first, *next; g; g = next, groups++) {
        next = g->next; /* from done() on the group is its owner's again */
        ticket = g->ticket;
        g->err = err;
        g->base_offset = base;
        g->durable_ns = now;
        base += g->count;
        g->done(g);
    }
    sb_mutex_lock(&j->m);
    j->completed = ticket;
    j->st.groups += groups;
    bool waiting = j->waiters > 0;
    sb_mutex_unlock(&j->m);
    if (waiting) sb_cond_broadcast(&j->done);
}

/* The groups that go into one batch, off the queue: one, or as many as are cheap to copy. Called
 * with the lock held. */
static struct sb_journal_group *take(struct sb_journal *j) {
    struct sb_journal_group *first = j->head, *last = first;
    size_t used = first->records.n + SB_BATCH_RECORD_GROWTH * (size_t)first->count;
    while (last->next) {
        struct sb_journal_group *g = last->next;
        used += g->records.n + SB_BATCH_RECORD_GROWTH * (size_t)g->count;
        if (used > SB_BATCH_MERGE_MAX) break;
        last = g;
    }
    j->head = last->next;
    if (!j->head) j->tail = NULL;
    last->next = NULL;
    return first;
}

static void commit_main(void *arg) {
    struct sb_journal *j = arg;
    for (;;) {
        sb_mutex_lock(&j->m);
        while (!j->head && !j->stop) sb_cond_wait(&j->work, &j->m);
        struct sb_journal_group *first = j->head ? take(j) : NULL;
        sb_mutex_unlock(&j->m);
        if (!first) return;
        int64_t base = j->next_offset;
        sb_err err = commit(j, first);
        tell(j, first, err, base);
        if (SB_BUG_ACK_BEFORE_SYNC && !err && sb_file_datasync(&j->active, NULL) != SB_OK)
            j->dead = true;
        if (!j->asked_spare && j->pos > j->active_size / 2) {
            j->asked_spare = true;
            sb_keeper_ask(j);
        }
        if (j->pos - j->checkpoint_pos >= SB_JOURNAL_CHECKPOINT_BYTES) checkpoint(j, false);
    }
}

/* ---- any thread ---- */

void sb_journal_submit(struct sb_journal *j, struct sb_journal_group *g) {
    SB_ASSERT(g->done);
    g->next = NULL;
    sb_mutex_lock(&j->m);
    g->ticket = ++j->submitted;
    if (j->tail)
        j->tail->next = g;
    else
        j->head = g;
    j->tail = g;
    sb_mutex_unlock(&j->m);
    sb_cond_signal(&j->work);
}

bool sb_journal_wait(struct sb_journal *j, struct sb_journal_group *g, int64_t timeout_ns) {
    int64_t deadline = sb_mono_ns() + timeout_ns;
    sb_mutex_lock(&j->m);
    uint64_t ticket = g->ticket;
    j->waiters++;
    while (j->completed < ticket && sb_cond_wait_until(&j->done, &j->m, deadline)) {
    }
    j->waiters--;
    bool done = j->completed >= ticket;
    sb_mutex_unlock(&j->m);
    return done;
}

bool sb_journal_dead(const struct sb_journal *j) {
    return j->dead;
}

void sb_journal_stats_get(struct sb_journal *j, struct sb_journal_stats *out) {
    sb_mutex_lock(&j->m);
    *out = j->st;
    sb_mutex_unlock(&j->m);
    out->quarantined = j->quarantined;
    out->generation = sb_mark_generation(&j->mark);
    sb_mutex_lock(&j->k.m);
    out->segments = j->k.n;
    out->first_offset = j->k.n ? j->k.seg[0].base : 0;
    for (size_t i = 0; i < j->k.n; i++) out->disk_bytes += (uint64_t)j->k.seg[i].size;
    sb_mutex_unlock(&j->k.m);
}

/* ---- open and close ---- */

static void journal_free(struct sb_journal *j) {
    sb_keeper_fini(j);
    sb_file_close(&j->active);
    sb_checkpoint_close(&j->checkpoint);
    sb_mark_close(&j->mark);
    sb_lock_release(&j->lock);
    sb_buf_fini(&j->stage);
    sb_mutex_fini(&j->m);
    sb_cond_fini(&j->work);
    sb_cond_fini(&j->done);
    sb_free(j->dir);
    sb_free(j);
}

static sb_err open_dir(struct sb_journal *j, struct sb_errctx *ctx) {
    struct sb_errctx format = {0};
    sb_err err = sb_format_check(j->dir, &format); /* before a byte is touched */
    if (err == SB_E_VERSION || err == SB_E_IO) return sb_fail(ctx, err, "%s", format.msg);
    SB_TRY(sb_dir_make_all(j->dir, ctx));
    char *path = sb_journal_path(j->dir, "lock");
    sb_err locked = sb_lock_take(&j->lock, path, ctx);
    sb_free(path);
    if (locked) return locked;
    if (err == SB_E_CORRUPT)
        SB_LOG(SB_LOG_ERROR, "journal", "format file damaged, made new", SB_KE(&format, err));
    if (err) SB_TRY(sb_format_write(j->dir, ctx));
    return sb_journal_recover(j, ctx);
}

sb_err sb_journal_open(struct sb_journal **out, const char *dir, const struct sb_journal_opts *o,
                       struct sb_errctx *ctx) {
    struct sb_journal *j = sb_calloc(1, sizeof *j);
    j->o = o ? *o : (struct sb_journal_opts){0};
    if (!j->o.segment_bytes) j->o.segment_bytes = SB_JOURNAL_SEGMENT_BYTES;
    j->o.segment_bytes = (uint32_t)SB_SEGMENT_ROUND(j->o.segment_bytes);
    if (!j->o.clock) j->o.clock = &sb_clock_real;
    j->dir = sb_strdup(dir);
    j->active = j->checkpoint.file = j->lock.file = SB_FILE_NONE;
    sb_mutex_init(&j->m);
    sb_cond_init(&j->work);
    sb_cond_init(&j->done);
    sb_buf_init(&j->stage, SB_BATCH_MAX);
    sb_keeper_init(j);
    sb_err err = open_dir(j, ctx);
    if (!err) {
        j->st.next_offset = j->next_offset;
        err = sb_keeper_start(j);
    }
    if (!err && (err = sb_thread_start(&j->thread, "sb-commit", commit_main, j)) != SB_OK)
        sb_keeper_stop(j);
    if (err) {
        journal_free(j);
        return sb_fail(ctx, err, "%s: %s", dir, sb_err_text(err));
    }
    *out = j;
    return SB_OK;
}

void sb_journal_close(struct sb_journal *j) {
    if (!j) return;
    sb_mutex_lock(&j->m);
    j->stop = true;
    sb_mutex_unlock(&j->m);
    sb_cond_signal(&j->work);
    sb_thread_join(&j->thread);
    sb_keeper_stop(j);
    if (!j->dead && j->dirty_end <= j->pos) checkpoint(j, true);
    journal_free(j);
}

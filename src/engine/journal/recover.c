/* Start-up. From the checkpoint on (all of it before was synced) every batch is checked again; what
 * is accepted is synced before anything is served from it, because a reader must not see a record
 * that the next power cut takes back. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/journal/bugs.h"
#include "engine/journal/journal_int.h"

sb_err sb_segment_enter(struct sb_file *f, const char *dir, int64_t base, struct sb_errctx *ctx) {
    char *path = sb_segment_path(dir, base, ".log");
    sb_err err = sb_file_rename(f->path, path, ctx);
    if (err) {
        sb_free(path);
        return err;
    }
    sb_free(f->path);
    f->path = path;
    return SB_BUG_NO_DIRSYNC ? SB_OK : sb_dir_sync(dir, ctx);
}

/* Leftovers of work that had not been finished: new segments without a name, files that were to
 * replace others, indexes of deleted segments. */
static sb_err remove_leftovers(struct sb_journal *j, struct sb_errctx *ctx) {
    struct sb_dir_names names;
    SB_TRY(sb_dir_list(j->dir, &names, ctx));
    sb_err err = SB_OK;
    for (size_t i = 0; i < names.n && !err; i++) {
        int64_t base;
        bool left = sb_str_ends(sb_str_of(names.name[i]), SB_STR(".tmp"));
        if (sb_segment_name_parse(names.name[i], ".idx", &base)) {
            char *log = sb_segment_path(j->dir, base, ".log");
            left = !sb_file_exists(log);
            sb_free(log);
        }
        if (!left) continue;
        char *path = sb_journal_path(j->dir, names.name[i]);
        err = sb_file_unlink(path, ctx);
        sb_free(path);
    }
    sb_dir_names_fini(&names);
    return err;
}

static sb_err count_quarantined(struct sb_journal *j, struct sb_errctx *ctx) {
    char *path = sb_journal_path(j->dir, "quarantine");
    struct sb_dir_names names = {0};
    sb_err err = sb_file_exists(path) ? sb_dir_list(path, &names, ctx) : SB_OK;
    for (size_t i = 0; i < names.n; i++)
        j->quarantined += sb_str_ends(sb_str_of(names.name[i]), SB_STR(".bad"));
    sb_dir_names_fini(&names);
    sb_free(path);
    return err;
}

/* An empty segment for offset `next`, made on the spot. */
static sb_err begin_segment(struct sb_journal *j, int64_t next, int64_t size,
                            struct sb_errctx *ctx) {
    char *path = sb_journal_path(j->dir, "first.tmp");
    struct sb_file f;
    sb_err err = sb_segment_create(&f, path, size, ctx);
    sb_free(path);
    if (err) return err;
    err = sb_segment_enter(&f, j->dir, next, ctx);
    if (err) {
        sb_file_close(&f);
        return err;
    }
    sb_file_close(&j->active);
    j->active = f;
    j->active_base = next;
    j->active_size = size;
    j->pos = 0;
    j->next_offset = next;
    sb_keeper_add(j, next, size, INT64_MAX);
    return SB_OK;
}

struct scan {
    struct sb_journal *j;
    struct sb_segment_view *v;
    int64_t base;
};

static sb_err on_damage(void *self, int64_t from, int64_t to, int64_t first, int64_t next,
                        struct sb_errctx *ctx) {
    struct scan *s = self;
    SB_LOG(SB_LOG_ERROR, "journal", "damaged range kept aside, records behind it are served",
           SB_KS("dir", s->j->dir), SB_KI("segment", s->base), SB_KI("from", from), SB_KI("to", to),
           SB_KI("first_offset", first), SB_KI("next_offset", next));
    return sb_quarantine_save(s->j, s->v, s->base, from, to, ctx);
}

static bool holds_whole_batch(struct sb_segment_view *v, int64_t pos) {
    const uint8_t *p;
    size_t n, size;
    int64_t base;
    struct sb_batch b;
    if (sb_segment_view_at(v, pos, SB_BATCH_MAX, &p, &n, NULL) != SB_OK) return false;
    return sb_batch_peek(p, n, &base, &size) && sb_batch_parse(p, n, &b);
}

/* The last segment's bytes behind the last good batch. A torn write is overwritten with zeros: no
 * later crash may find its pieces. What was once durable, or is whole but out of order, is damage:
 * it is kept, and writing goes on in a new segment at an offset that was never given out. */
static sb_err settle_tail(struct sb_journal *j, struct sb_segment_view *v,
                          const struct sb_segment_walk *w, int64_t durable, struct sb_errctx *ctx) {
    int64_t next = w->expected > durable ? w->expected : durable;
    j->pos = w->pos;
    j->next_offset = next;
    bool damage = next > w->expected;
    if (!damage && w->used_end > w->pos && holds_whole_batch(v, w->pos)) damage = true;
    if (SB_BUG_TRUNCATE_MIDLOG) damage = false;
    if (damage) {
        struct scan s = {j, v, j->active_base};
        int64_t end = w->used_end > w->pos ? w->used_end : w->pos;
        SB_TRY(on_damage(&s, w->pos, end, w->expected, next, ctx));
        if (next == j->active_base) next++; /* nothing whole in it: a name of its own */
        return begin_segment(j, next, j->active_size, ctx);
    }
    if (w->used_end == w->pos) return SB_OK;
    SB_LOG(SB_LOG_WARN, "journal", "unfinished last write removed", SB_KS("dir", j->dir),
           SB_KI("bytes", w->used_end - w->pos), SB_KI("next_offset", next));
    j->st.truncated_bytes += (uint64_t)(w->used_end - w->pos);
    enum { BLOCK = 64 << 10 };
    char *zeros = sb_calloc(1, BLOCK);
    sb_err err = SB_OK;
    for (int64_t at = w->pos; at < w->used_end && !err; at += BLOCK) {
        int64_t n = w->used_end - at;
        err = sb_file_pwrite(&j->active, zeros, n < BLOCK ? (size_t)n : BLOCK, at, ctx);
    }
    sb_free(zeros);
    return err;
}

/* Checks segment `base` from pos on, where offset `expected` goes. */
static sb_err scan_segment(struct sb_journal *j, int64_t base, int64_t pos, int64_t expected,
                           int64_t limit, bool last, int64_t durable, struct sb_errctx *ctx) {
    char *path = sb_segment_path(j->dir, base, ".log");
    struct sb_file f;
    sb_err err = sb_file_open(&f, path, SB_OPEN_WRITE, ctx);
    sb_free(path);
    if (err) return err;
    int64_t size;
    err = sb_file_size(&f, &size, ctx);
    struct sb_segment_view v;
    sb_segment_view_init(&v, &f, size);
    struct scan s = {j, &v, base};
    struct sb_segment_walk w = {.pos = pos,
                                .expected = expected,
                                .limit = limit,
                                .on_damage = SB_BUG_TRUNCATE_MIDLOG ? NULL : on_damage,
                                .self = &s};
    if (!err) err = sb_segment_walk(&v, &w, ctx);
    if (!err) sb_keeper_add(j, base, size, INT64_MAX);
    if (!err && last) {
        j->active = f;
        j->active_base = base;
        j->active_size = size;
        err = settle_tail(j, &v, &w, durable, ctx);
        f = SB_FILE_NONE;
        if (!err) err = sb_file_datasync(&j->active, ctx);
    } else if (!err) {
        err = sb_file_datasync(&f, ctx);
    }
    sb_segment_view_fini(&v);
    sb_file_close(&f);
    return err;
}

/* After a clean close nothing lies behind the checkpoint; its place must look so. */
static sb_err try_clean(struct sb_journal *j, int64_t durable, bool *clean, struct sb_errctx *ctx) {
    const struct sb_checkpoint_state *s = &j->checkpoint.last;
    *clean = false;
    if (!s->clean || durable != s->next) return SB_OK;
    char *path = sb_segment_path(j->dir, s->base, ".log");
    struct sb_file f;
    sb_err err = sb_file_open(&f, path, SB_OPEN_WRITE, ctx);
    sb_free(path);
    if (err) return err;
    uint8_t at[4096];
    size_t got = 0;
    int64_t size = 0;
    err = sb_file_size(&f, &size, ctx);
    if (!err) err = sb_file_pread(&f, at, sizeof at, s->pos, &got, ctx);
    bool zero = true;
    for (size_t i = 0; i < got; i++) zero = zero && !at[i];
    if (err || !zero || size < s->pos) {
        sb_file_close(&f);
        return err;
    }
    j->active = f;
    j->active_base = s->base;
    j->active_size = size;
    j->pos = s->pos;
    j->next_offset = s->next;
    *clean = true;
    sb_keeper_add(j, s->base, size, INT64_MAX);
    return SB_OK;
}

static sb_err scan_from_checkpoint(struct sb_journal *j, const int64_t *base, size_t n, bool known,
                                   int64_t durable, struct sb_errctx *ctx) {
    const struct sb_checkpoint_state *s = &j->checkpoint.last;
    size_t first = 0;
    for (size_t i = 0; known && i < n; i++)
        if (base[i] <= s->base) first = i;
    bool inside = known && base[first] == s->base;
    if (known && base[n - 1] == s->base) {
        bool clean;
        for (size_t i = 0; i + 1 < n; i++) sb_keeper_add(j, base[i], 0, INT64_MAX);
        SB_TRY(try_clean(j, durable, &clean, ctx));
        if (clean) return SB_OK;
        j->k.n = 0;
    }
    for (size_t i = 0; i < first; i++) sb_keeper_add(j, base[i], 0, INT64_MAX);
    for (size_t i = first; i < n; i++) {
        bool last = i + 1 == n, here = inside && i == first;
        SB_TRY(scan_segment(j, base[i], here ? s->pos : 0, here ? s->next : base[i],
                            last ? INT64_MAX : base[i + 1], last, durable, ctx));
    }
    return SB_OK;
}

sb_err sb_journal_recover(struct sb_journal *j, struct sb_errctx *ctx) {
    bool known;
    SB_TRY(remove_leftovers(j, ctx));
    SB_TRY(count_quarantined(j, ctx));
    SB_TRY(sb_mark_open_writer(&j->mark, j->dir, ctx));
    SB_TRY(sb_checkpoint_open(&j->checkpoint, j->dir, &known, ctx));
    int64_t durable = sb_mark_durable(&j->mark), *base = NULL;
    if (known && j->checkpoint.last.next > durable) durable = j->checkpoint.last.next;
    size_t n;
    SB_TRY(sb_segment_list(j->dir, &base, &n, ctx));
    sb_err err;
    if (n == 0) {
        int64_t size = j->o.segment_bytes;
        if (durable > 0) /* retention never takes the last one */
            SB_LOG(SB_LOG_ERROR, "journal", "all segments are gone", SB_KS("dir", j->dir),
                   SB_KI("next_offset", durable),
                   SB_KS("next", "what was recorded is lost unless restored from a backup"));
        if (size > SB_JOURNAL_FIRST_BYTES) size = SB_JOURNAL_FIRST_BYTES;
        err = begin_segment(j, durable, size, ctx);
    } else {
        err = scan_from_checkpoint(j, base, n, known, durable, ctx);
        /* a name that kill -9 left unsynced must not go after records behind it are acknowledged */
        if (!err) err = sb_dir_sync(j->dir, ctx);
    }
    j->st.first_offset = n ? base[0] : j->next_offset;
    sb_free(base);
    if (err) return err;
    int64_t mono_ms = sb_journal_mono(j) / SB_MS, wall_ms = sb_journal_wall_ms(j);
    int64_t now_ms =
        known && j->checkpoint.last.retain_now_ms ? j->checkpoint.last.retain_now_ms : wall_ms;
    sb_retain_start(&j->k.retain, now_ms, mono_ms, wall_ms);
    sb_mark_generation_next(&j->mark);
    sb_mark_durable_set(&j->mark, j->next_offset);
    j->checkpoint.last.clean = false;
    j->checkpoint.last.base = j->active_base;
    j->checkpoint.last.pos = j->pos;
    j->checkpoint.last.next = j->next_offset;
    j->checkpoint.last.retain_now_ms = now_ms;
    j->checkpoint_pos = j->pos;
    return sb_checkpoint_write(&j->checkpoint, true, ctx);
}

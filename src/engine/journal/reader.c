/* Readers go by the durable mark while a writer runs. Without one they take what recovery would
 * keep, and make sure after each batch that no writer has come up meanwhile (it could be writing
 * the very bytes, unsynced). */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/journal/index_int.h"
#include "engine/journal/state_int.h"
#include "sys/lock.h"

struct sb_journal_reader {
    char *dir;
    struct sb_file lock; /* to see whether a writer lives; never taken */
    struct sb_mark mark;

    int64_t want;             /* the next offset to give out */
    int64_t durable;          /* offsets below it are */
    int64_t skipped;          /* lost to damage */
    bool at_rest;             /* no writer, and nothing was found behind pos: */
    uint64_t rest_generation; /* until this changes there will be nothing */

    struct sb_file seg; /* being read; not open before the first read */
    int64_t seg_base, seg_limit, pos;
    int64_t expected; /* offset of the batch at pos */
    struct sb_segment_view view;

    struct sb_batch batch;
    struct sb_batch_records records;
    struct sb_buf inflated;
    struct sb_zstd zstd;
};

/* ---- the writer, seen from here ---- */

static void attach(struct sb_journal_reader *r) {
    if (!r->mark.map.p && sb_mark_open_reader(&r->mark, r->dir, NULL) != SB_OK)
        r->mark.map.p = NULL;
    if (r->lock.fd >= 0) return;
    char *path = sb_journal_path(r->dir, "lock");
    if (sb_file_open(&r->lock, path, SB_OPEN_READ, NULL) != SB_OK) r->lock = SB_FILE_NONE;
    sb_free(path);
}

static bool writer_lives(struct sb_journal_reader *r) {
    attach(r);
    return r->lock.fd >= 0 && sb_lock_held(&r->lock);
}

static uint64_t generation(const struct sb_journal_reader *r) {
    return r->mark.map.p ? sb_mark_generation(&r->mark) : 0;
}

static void look_at_mark(struct sb_journal_reader *r) {
    int64_t d = r->mark.map.p ? sb_mark_durable(&r->mark) : 0;
    if (d > r->durable) r->durable = d;
}

/* ---- segments ---- */

static void leave_segment(struct sb_journal_reader *r) {
    sb_segment_view_fini(&r->view);
    sb_file_close(&r->seg);
    r->view = (struct sb_segment_view){0};
    r->records.left = 0;
    r->at_rest = false;
}

/* Opens segment `base`, as near before offset r->want as its index knows. */
static sb_err enter_segment(struct sb_journal_reader *r, int64_t base, int64_t limit) {
    leave_segment(r);
    char *path = sb_segment_path(r->dir, base, ".log");
    sb_err err = sb_file_open(&r->seg, path, SB_OPEN_READ, NULL);
    sb_free(path);
    if (err) return err;
    int64_t size = 0;
    err = sb_file_size(&r->seg, &size, NULL);
    if (err) {
        sb_file_close(&r->seg);
        return err;
    }
    sb_segment_view_init(&r->view, &r->seg, size);
    r->seg_base = r->expected = base;
    r->seg_limit = limit;
    r->pos = 0;
    struct sb_index x;
    if (r->want > base && sb_index_load(&x, r->dir, base, size) == SB_OK) {
        r->pos = sb_index_pos(&x, r->want, &r->expected);
        sb_index_fini(&x);
    }
    return SB_OK;
}

/* Finds the segment of r->want. SB_E_END when there is no segment at all. */
static sb_err find_segment(struct sb_journal_reader *r) {
    int64_t *base;
    size_t n, i = 0;
    for (int tries = 0;; tries++) {
        SB_TRY(sb_segment_list(r->dir, &base, &n, NULL));
        while (i + 1 < n && base[i + 1] <= r->want) i++;
        sb_err err = n ? enter_segment(r, base[i], i + 1 < n ? base[i + 1] : INT64_MAX) : SB_E_END;
        if (!err && r->want < base[i]) r->want = base[i];
        sb_free(base);
        if (err != SB_E_MISSING || tries == 10) return err; /* else deleted just now */
        i = 0;
    }
}

/* Goes to the segment behind this one; SB_E_END when there is none. */
static sb_err next_segment(struct sb_journal_reader *r) {
    int64_t *base;
    size_t n, i = 0;
    SB_TRY(sb_segment_list(r->dir, &base, &n, NULL));
    while (i < n && base[i] <= r->seg_base) i++;
    int64_t next = i < n ? base[i] : -1, limit = i + 1 < n ? base[i + 1] : INT64_MAX;
    sb_free(base);
    if (next < 0) return SB_E_END;
    int64_t from = r->expected > r->want ? r->expected : r->want;
    if (next > from) {
        SB_LOG(SB_LOG_WARN, "journal", "records are gone", SB_KS("dir", r->dir),
               SB_KI("first_offset", from), SB_KI("next_offset", next));
        r->skipped += next - from;
        r->want = next;
    }
    return enter_segment(r, next, limit);
}

/* ---- batches ---- */

/* The bytes at pos are no batch: finds the next one, in this segment or a later one. */
static sb_err pass_damage(struct sb_journal_reader *r, bool proven) {
    int64_t limit = r->seg_limit, at, end;
    struct sb_batch b;
    if (proven && limit > r->durable) limit = r->durable;
    SB_TRY(sb_segment_used_end(&r->view, r->pos, &end, NULL));
    b.size = 0;
    if (end > r->pos)
        SB_TRY(sb_segment_resync(&r->view, r->pos, r->expected, limit, &at, &b, NULL));
    if (b.size) {
        int64_t from = r->expected > r->want ? r->expected : r->want;
        SB_LOG(SB_LOG_ERROR, "journal", "damaged range skipped", SB_KS("dir", r->dir),
               SB_KI("segment", r->seg_base), SB_KI("from", r->pos), SB_KI("to", at),
               SB_KI("first_offset", r->expected), SB_KI("next_offset", b.base));
        if (b.base > from) r->skipped += b.base - from;
        r->pos = at;
        r->expected = b.base;
        return SB_OK;
    }
    sb_err err = next_segment(r);
    if (err == SB_E_END && proven && r->expected < r->durable) {
        /* what the writer called durable is unreadable: wait for what comes behind it */
        int64_t from = r->expected > r->want ? r->expected : r->want;
        r->skipped += r->durable - from;
        r->expected = r->want = r->durable;
        SB_LOG(SB_LOG_ERROR, "journal", "the newest records are unreadable", SB_KS("dir", r->dir),
               SB_KI("first_offset", from), SB_KI("next_offset", r->durable));
    }
    return err;
}

/* The batch at pos, if there is one: *found. What was read before it was durable may be stale. */
static sb_err batch_here(struct sb_journal_reader *r, bool *found) {
    SB_TRY(sb_segment_batch_at(&r->view, r->pos, r->expected, found, &r->batch, NULL));
    if (*found) return SB_OK;
    int64_t size;
    SB_TRY(sb_file_size(&r->seg, &size, NULL));
    sb_segment_view_drop(&r->view, size);
    return sb_segment_batch_at(&r->view, r->pos, r->expected, found, &r->batch, NULL);
}

static sb_err take_batch(struct sb_journal_reader *r) {
    int64_t next = r->batch.base + r->batch.count;
    r->pos += (int64_t)r->batch.size;
    r->expected = next;
    if (next <= r->want) return SB_OK;
    sb_err err = sb_batch_unpack(&r->batch, &r->zstd, &r->inflated);
    if (err) { /* its CRC held: written so */
        SB_LOG(SB_LOG_ERROR, "journal", "batch cannot be unpacked", SB_KS("dir", r->dir),
               SB_KI("first_offset", r->batch.base), SB_KE(NULL, err));
        r->skipped += next - (r->batch.base > r->want ? r->batch.base : r->want);
        r->want = next;
        return SB_OK;
    }
    sb_batch_records_init(&r->records, &r->batch);
    return SB_OK;
}

/* Loads the batch that holds r->want; r->records.left is 0 after SB_OK when one was passed over. */
static sb_err step(struct sb_journal_reader *r) {
    look_at_mark(r);
    int64_t from = r->seg.fd < 0 || r->want > r->expected ? r->want : r->expected;
    bool proven = from < r->durable, found;
    uint64_t gen = 0;
    if (!proven) {
        if (writer_lives(r)) {
            look_at_mark(r); /* it may have come up just now */
            if (from >= r->durable) return SB_E_END;
            proven = true;
        }
        gen = generation(r);
        if (!proven && r->at_rest && gen == r->rest_generation) return SB_E_END;
        r->at_rest = false;
    }
    if (r->seg.fd < 0) SB_TRY(find_segment(r));
    SB_TRY(batch_here(r, &found));
    sb_err err = SB_OK;
    if (!found) err = pass_damage(r, proven);
    if (!proven && (writer_lives(r) || generation(r) != gen)) {
        r->view.n = 0;
        return SB_OK; /* again, by the mark */
    }
    if (err == SB_E_END && !proven) {
        r->at_rest = true;
        r->rest_generation = gen;
    }
    return found ? take_batch(r) : err;
}

sb_err sb_journal_next(struct sb_journal_reader *r, struct sb_journal_record *out) {
    for (;;) {
        while (r->records.left) {
            struct sb_journal_record rec;
            sb_err err = sb_batch_records_next(&r->records, &rec);
            if (err) { /* its CRC held: written so */
                SB_LOG(SB_LOG_ERROR, "journal", "record cannot be read", SB_KS("dir", r->dir),
                       SB_KI("batch", r->batch.base));
                r->skipped += r->expected - r->want;
                r->want = r->expected;
                r->records.left = 0;
                break;
            }
            if (rec.offset < r->want) continue;
            r->want = rec.offset + 1;
            *out = rec;
            return SB_OK;
        }
        SB_TRY(step(r));
    }
}

int64_t sb_journal_skipped(const struct sb_journal_reader *r) {
    return r->skipped;
}

/* ---- open, seek ---- */

sb_err sb_journal_reader_open(struct sb_journal_reader **out, const char *dir,
                              struct sb_errctx *ctx) {
    struct sb_errctx format = {0};
    sb_err err = sb_format_check(dir, &format);
    if (err == SB_E_CORRUPT)
        SB_LOG(SB_LOG_ERROR, "journal", "format file damaged", SB_KE(&format, err));
    else if (err)
        return sb_fail(ctx, err, "%s", format.msg);
    struct sb_journal_reader *r = sb_calloc(1, sizeof *r);
    r->dir = sb_strdup(dir);
    r->lock = r->seg = SB_FILE_NONE;
    sb_buf_init(&r->inflated, SB_BATCH_RECORDS_MAX);
    attach(r);
    *out = r;
    return SB_OK;
}

void sb_journal_reader_close(struct sb_journal_reader *r) {
    if (!r) return;
    leave_segment(r);
    sb_file_close(&r->lock);
    sb_mark_close(&r->mark);
    sb_buf_fini(&r->inflated);
    sb_zstd_fini(&r->zstd);
    sb_free(r->dir);
    sb_free(r);
}

sb_err sb_journal_seek(struct sb_journal_reader *r, int64_t offset) {
    leave_segment(r);
    r->want = offset < 0 ? 0 : offset;
    return SB_OK;
}

sb_err sb_journal_range(struct sb_journal_reader *r, int64_t *first, int64_t *next) {
    int64_t *base;
    size_t n;
    look_at_mark(r);
    bool alive = writer_lives(r);
    SB_TRY(sb_segment_list(r->dir, &base, &n, NULL));
    int64_t oldest = n ? base[0] : r->durable;
    sb_free(base);
    if (alive) look_at_mark(r);
    int64_t end = r->durable;
    if (!alive && n) { /* goes on from what is known to the last batch */
        struct sb_journal_reader *end_reader;
        SB_TRY(sb_journal_reader_open(&end_reader, r->dir, NULL));
        end_reader->want = end;
        sb_err err;
        do {
            err = step(end_reader);
            if (end_reader->seg.fd >= 0 && end_reader->expected > end) end = end_reader->expected;
            if (end_reader->want < end) end_reader->want = end;
            end_reader->records.left = 0;
        } while (!err);
        sb_journal_reader_close(end_reader);
        if (err != SB_E_END) return err;
    }
    *first = oldest < end ? oldest : end;
    *next = end;
    return SB_OK;
}

sb_err sb_journal_seek_end(struct sb_journal_reader *r) {
    int64_t first, next;
    SB_TRY(sb_journal_range(r, &first, &next));
    return sb_journal_seek(r, next);
}

/* The first offset worth reading for records from ts_ms on, by the indexes of full segments. */
static sb_err time_start(struct sb_journal_reader *r, int64_t ts_ms, int64_t *offset) {
    int64_t *base, size;
    size_t n, i;
    SB_TRY(sb_segment_list(r->dir, &base, &n, NULL));
    *offset = n ? base[0] : 0;
    for (i = 0; i < n; i++) {
        struct sb_index x;
        struct sb_file_stat st;
        char *path = sb_segment_path(r->dir, base[i], ".log");
        size = sb_file_stat(path, &st, NULL) == SB_OK ? st.size : -1;
        sb_free(path);
        *offset = base[i];
        if (sb_index_load(&x, r->dir, base[i], size) != SB_OK) break;
        size_t e = 0;
        while (e < x.n && x.entry[e].max_ts < ts_ms) e++;
        bool here = e < x.n;
        if (here) *offset = x.entry[e].offset;
        sb_index_fini(&x);
        if (here) break;
    }
    sb_free(base);
    return SB_OK;
}

sb_err sb_journal_seek_time(struct sb_journal_reader *r, int64_t ts_ms) {
    int64_t start;
    SB_TRY(time_start(r, ts_ms, &start));
    SB_TRY(sb_journal_seek(r, start));
    for (;;) {
        sb_err err = step(r);
        if (err == SB_E_END) return SB_OK; /* nothing so late: the end */
        if (err) return err;
        if (!r->records.left) continue;
        if (r->batch.max_ts >= ts_ms) break;
        r->want = r->expected;
        r->records.left = 0;
    }
    for (;;) {
        struct sb_journal_record rec;
        sb_err err = sb_journal_next(r, &rec);
        if (err == SB_E_END) return SB_OK;
        if (err) return err;
        if (rec.ts_ms >= ts_ms) return sb_journal_seek(r, rec.offset);
    }
}

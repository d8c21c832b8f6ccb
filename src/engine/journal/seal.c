/* What happens to a full segment: it is checked and indexed, the zeros behind its last batch are
 * cut off, and its many small batches become fewer, compressed ones. Each step replaces a file
 * whole, so a crash leaves the segment as it was before or after it. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/journal/index_int.h"
#include "engine/journal/journal_int.h"

enum {
    PACK_BYTES = 128 << 10, /* of records in one packed batch, before compression */
    PACK_LEVEL = 1,
};

sb_err sb_quarantine_save(struct sb_journal *j, struct sb_segment_view *v, int64_t base,
                          int64_t from, int64_t to, struct sb_errctx *ctx) {
    char name[80];
    snprintf(name, sizeof name, "quarantine/%020lld-%lld-%lld.bad", (long long)base,
             (long long)from, (long long)to);
    char *dir = sb_journal_path(j->dir, "quarantine"), *path = sb_journal_path(j->dir, name);
    struct sb_file f = SB_FILE_NONE;
    sb_err err = SB_OK;
    if (sb_file_exists(path)) goto out;
    if ((err = sb_dir_make_all(dir, ctx)) != SB_OK) goto out;
    snprintf(name, sizeof name, "quarantine/part.tmp");
    char *tmp = sb_journal_path(j->dir, name);
    err = sb_file_open(&f, tmp, SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_TRUNC, ctx);
    for (int64_t at = from; at < to && !err;) {
        const uint8_t *p;
        size_t n;
        err = sb_segment_view_at(v, at, 1, &p, &n, ctx);
        if (err || !n) break;
        if ((int64_t)n > to - at) n = (size_t)(to - at);
        err = sb_file_pwrite(&f, p, n, at - from, ctx);
        at += (int64_t)n;
    }
    if (!err) err = sb_file_sync(&f, ctx);
    if (!err) err = sb_file_rename(tmp, path, ctx);
    if (!err) err = sb_dir_sync(dir, ctx);
    if (!err) j->quarantined++;
    sb_free(tmp);
out:
    sb_file_close(&f);
    sb_free(dir);
    sb_free(path);
    return err;
}

/* ---- packing ---- */

struct pack {
    struct sb_journal *j;
    struct sb_segment_view *v;
    struct sb_index index; /* of the segment as it is */

    bool on;
    struct sb_file to;
    int64_t to_pos;
    struct sb_index to_index;
    struct sb_batch b; /* being filled: count, base, base_ts, max_ts */
    struct sb_buf plain, inflated, packed;
};

/* Writes the batch that was being filled, compressed when that makes it smaller. */
static sb_err pack_flush(struct pack *k, struct sb_errctx *ctx) {
    if (!k->b.count) return SB_OK;
    static const char room[SB_BATCH_HEADER];
    sb_buf_reset(&k->packed);
    sb_buf_add(&k->packed, room, sizeof room);
    SB_TRY(sb_zstd_compress(&k->j->k.zstd, sb_buf_view(&k->plain), PACK_LEVEL, &k->packed));
    k->b.codec = SB_BATCH_ZSTD;
    if (k->packed.n >= SB_BATCH_HEADER + k->plain.n) {
        k->b.codec = SB_BATCH_PLAIN;
        sb_buf_reset(&k->packed);
        sb_buf_add(&k->packed, room, sizeof room);
        sb_buf_adds(&k->packed, sb_buf_view(&k->plain));
        SB_TRY(sb_buf_err(&k->packed));
    }
    k->b.records_n = k->packed.n - SB_BATCH_HEADER;
    sb_batch_header_put(k->packed.p, &k->b);
    SB_TRY(sb_file_pwrite(&k->to, k->packed.p, k->packed.n, k->to_pos, ctx));
    sb_index_add(&k->to_index, k->to_pos, &k->b);
    k->to_pos += (int64_t)k->packed.n;
    k->b.count = 0;
    sb_buf_reset(&k->plain);
    return SB_OK;
}

static sb_err pack_batch(struct pack *k, struct sb_batch *b, struct sb_errctx *ctx) {
    SB_TRY(sb_batch_unpack(b, &k->j->k.zstd, &k->inflated));
    size_t room = b->records_n + (size_t)b->count * SB_BATCH_RECORD_GROWTH;
    if (k->b.count && (k->plain.n >= PACK_BYTES || k->plain.n + room > SB_BATCH_RECORDS_MAX))
        SB_TRY(pack_flush(k, ctx));
    if (!k->b.count) {
        k->b = (struct sb_batch){.base = b->base, .base_ts = b->base_ts, .max_ts = b->max_ts};
        sb_buf_reset(&k->plain);
    }
    SB_TRY(sb_batch_rebase(b, k->b.base, k->b.base_ts, &k->plain));
    if (b->max_ts > k->b.max_ts) k->b.max_ts = b->max_ts;
    k->b.count += b->count;
    return SB_OK;
}

static sb_err on_batch(void *self, int64_t pos, struct sb_batch *b, struct sb_errctx *ctx) {
    struct pack *k = self;
    if (!k->on) {
        sb_index_add(&k->index, pos, b);
        return SB_OK;
    }
    return pack_batch(k, b, ctx);
}

static sb_err on_damage(void *self, int64_t from, int64_t to, int64_t first, int64_t next,
                        struct sb_errctx *ctx) {
    struct pack *k = self;
    SB_LOG(SB_LOG_ERROR, "journal", "damaged range in a full segment", SB_KS("dir", k->j->dir),
           SB_KI("segment", k->index.base), SB_KI("from", from), SB_KI("to", to),
           SB_KI("first_offset", first), SB_KI("next_offset", next));
    return sb_quarantine_save(k->j, k->v, k->index.base, from, to, ctx);
}

/* The packed copy in place of the segment. */
static sb_err pack_segment(struct pack *k, int64_t limit, struct sb_errctx *ctx) {
    char *tmp = sb_journal_path(k->j->dir, "packed.tmp");
    char *path = sb_segment_path(k->j->dir, k->index.base, ".log");
    struct sb_segment_walk w = {
        .expected = k->index.base, .limit = limit, .on_batch = on_batch, .self = k};
    k->on = true;
    k->to_index = (struct sb_index){.base = k->index.base, .flags = SB_INDEX_PACKED};
    sb_err err = sb_file_open(&k->to, tmp, SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_TRUNC, ctx);
    if (!err) err = sb_segment_walk(k->v, &w, ctx);
    if (!err) err = pack_flush(k, ctx);
    if (!err && (w.damaged || w.expected != k->index.next)) err = SB_E_CORRUPT;
    if (!err && k->to_pos < k->index.segment_bytes) {
        err = sb_file_sync(&k->to, ctx);
        if (!err) err = sb_file_rename(tmp, path, ctx);
        if (!err) err = sb_dir_sync(k->j->dir, ctx);
        k->to_index.segment_bytes = k->to_pos;
        if (!err) err = sb_index_save(&k->to_index, k->j->dir, ctx);
    } else {
        if (!err) { /* nothing won: noted, so that it is not tried again */
            k->index.flags |= SB_INDEX_PACKED;
            err = sb_index_save(&k->index, k->j->dir, ctx);
        }
        k->to_index.segment_bytes = k->index.segment_bytes;
        sb_err gone = sb_file_unlink(tmp, NULL); /* else the next start removes it */
        SB_UNUSED(gone);
    }
    sb_file_close(&k->to);
    sb_free(tmp);
    sb_free(path);
    return err;
}

/* ---- sealing ---- */

static sb_err index_segment(struct pack *k, const struct sb_file *f, int64_t limit,
                            struct sb_errctx *ctx) {
    struct sb_segment_walk w = {.expected = k->index.base,
                                .limit = limit,
                                .on_batch = on_batch,
                                .on_damage = on_damage,
                                .self = k};
    SB_TRY(sb_segment_walk(k->v, &w, ctx));
    k->index.next = w.expected;
    k->index.segment_bytes = k->v->size;
    if (w.used_end > w.pos) SB_TRY(on_damage(k, w.pos, w.used_end, w.expected, limit, ctx));
    if (w.damaged || w.used_end > w.pos) {
        k->index.flags |= SB_INDEX_DAMAGED; /* stays as it is, byte for byte */
    } else if (w.pos < k->v->size) {
        SB_TRY(sb_file_truncate(f, w.pos, ctx));
        SB_TRY(sb_file_sync(f, ctx));
        sb_segment_view_drop(k->v, w.pos);
        k->index.segment_bytes = w.pos;
    }
    return sb_index_save(&k->index, k->j->dir, ctx);
}

sb_err sb_segment_seal(struct sb_journal *j, int64_t base, int64_t limit, bool pack,
                       struct sb_segment_info *info, struct sb_errctx *ctx) {
    char *path = sb_segment_path(j->dir, base, ".log");
    struct sb_file f;
    sb_err err = sb_file_open(&f, path, SB_OPEN_WRITE, ctx);
    sb_free(path);
    if (err) return err;
    struct sb_segment_view v;
    struct pack k = {.j = j, .v = &v, .index = {.base = base}, .to = SB_FILE_NONE};
    int64_t size = 0;
    err = sb_file_size(&f, &size, ctx);
    sb_segment_view_init(&v, &f, size);
    sb_buf_init(&k.plain, SB_BATCH_RECORDS_MAX);
    sb_buf_init(&k.inflated, SB_BATCH_RECORDS_MAX);
    sb_buf_init(&k.packed, 2 * SB_BATCH_MAX);
    if (!err && sb_index_load(&k.index, j->dir, base, size) != SB_OK)
        err = index_segment(&k, &f, limit, ctx);
    info->size = k.index.segment_bytes;
    info->max_ts = k.index.n ? k.index.max_ts : INT64_MIN;
    if (!err && pack && !(k.index.flags & (SB_INDEX_PACKED | SB_INDEX_DAMAGED)) && k.index.n) {
        err = pack_segment(&k, limit, ctx);
        if (!err) info->size = k.to_index.segment_bytes;
    }
    sb_index_fini(&k.index);
    sb_index_fini(&k.to_index);
    sb_buf_fini(&k.plain);
    sb_buf_fini(&k.inflated);
    sb_buf_fini(&k.packed);
    sb_segment_view_fini(&v);
    sb_file_close(&f);
    return err;
}

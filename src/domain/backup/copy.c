#include "base/clock.h"
#include "base/mem.h"
#include "domain/backup/copy_int.h"

enum { PIECE = 256 << 10, SYNC_EVERY = 8 << 20 };

#define PACE_SLEEP_MAX (100 * SB_MS)

void sb_copier_init(struct sb_copier *c, const struct sb_backup_progress *p, int64_t rate) {
    *c = (struct sb_copier){.rate = rate, .started = sb_mono_ns(), .doing = ""};
    if (p) c->progress = *p;
    c->piece = sb_alloc(PIECE);
}

void sb_copier_fini(struct sb_copier *c) {
    sb_free(c->piece);
}

/* Waits until `done` bytes are due. */
static void pace(const struct sb_copier *c) {
    if (!c->rate) return;
    int64_t due = c->started + (int64_t)((double)c->done / (double)c->rate * SB_SEC);
    for (int64_t left; (left = due - sb_mono_ns()) > 0;)
        sb_sleep_ns(left < PACE_SLEEP_MAX ? left : PACE_SLEEP_MAX);
}

static void say(const struct sb_copier *c) {
    if (c->progress.say) c->progress.say(c->progress.arg, c->doing, c->done, c->total);
}

static sb_err sync_out(const struct sb_file *to, int64_t from, int64_t n, struct sb_errctx *ctx) {
    SB_TRY(sb_file_datasync(to, ctx));
    sb_file_forget(to, from, n);
    return SB_OK;
}

static sb_err copy_pieces(struct sb_copier *c, const struct sb_file *from, int64_t bytes,
                          const struct sb_file *to, struct sb_sha256 *sha, int64_t *size,
                          struct sb_errctx *ctx) {
    int64_t at = 0, synced = 0;
    while (at < bytes) {
        size_t want = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE, got;
        SB_TRY(sb_file_pread(from, c->piece, want, at, &got, ctx));
        if (!got) break;
        sb_sha256_add(sha, c->piece, got);
        if (to) SB_TRY(sb_file_pwrite(to, c->piece, got, at, ctx));
        at += (int64_t)got;
        c->done += (int64_t)got;
        if (to && at - synced >= SYNC_EVERY) {
            SB_TRY(sync_out(to, synced, at - synced, ctx));
            synced = at;
        }
        say(c);
        pace(c);
    }
    if (to) SB_TRY(sb_file_sync(to, ctx));
    sb_file_forget(from, 0, at);
    *size = at;
    return SB_OK;
}

sb_err sb_copier_run(struct sb_copier *c, const struct sb_file *from, int64_t bytes, const char *to,
                     struct sb_backup_file *out, struct sb_errctx *ctx) {
    struct sb_file target = SB_FILE_NONE;
    struct sb_sha256 sha;
    sb_err err = SB_OK;
    if (to) err = sb_file_open(&target, to, SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_EXCL, ctx);
    if (err) return err;
    sb_sha256_init(&sha);
    err = copy_pieces(c, from, bytes, to ? &target : NULL, &sha, &out->size, ctx);
    if (!err) sb_sha256_hex(&sha, out->sha256);
    sb_sha256_fini(&sha);
    sb_file_close(&target);
    return err;
}

/* The chain's file, and the hashes of segment files. */
#include "base/mem.h"
#include "engine/journal/chain_int.h"
#include "engine/journal/state_int.h"

enum { PIECE = 1 << 20 };

sb_err sb_chain_load(struct sb_chain *c, const char *dir, struct sb_errctx *ctx) {
    char *path = sb_journal_path(dir, "chain");
    struct sb_buf b;
    struct sb_errctx why = {0};
    sb_buf_init(&b, SB_CHAIN_BYTES_MAX);
    sb_err err = sb_file_read_all(path, &b, &why);
    if (!err)
        err = sb_chain_parse(c, b.p, b.n, ctx);
    else
        sb_fail(ctx, err, "%s", sb_errctx_text(&why, err));
    sb_buf_fini(&b);
    sb_free(path);
    return err;
}

sb_err sb_chain_save(const struct sb_chain *c, const char *dir, struct sb_errctx *ctx) {
    struct sb_buf b;
    sb_buf_init(&b, SB_CHAIN_BYTES_MAX);
    char *path = sb_journal_path(dir, "chain");
    sb_err err = sb_chain_write(c, &b, ctx);
    if (!err) err = sb_file_replace(path, b.p, b.n, ctx);
    sb_free(path);
    sb_buf_fini(&b);
    return err;
}

sb_err sb_chain_lock(struct sb_lock *l, const char *dir, struct sb_errctx *ctx) {
    char *path = sb_journal_path(dir, "chain.lock");
    sb_err err = sb_lock_take(l, path, ctx);
    sb_free(path);
    return err;
}

sb_err sb_chain_hash_file(const char *path, uint8_t sha[SB_CHAIN_HASH], int64_t *bytes,
                          void (*tick)(void *arg, int64_t bytes), void *arg,
                          struct sb_errctx *ctx) {
    struct sb_file f;
    struct sb_sha256 h;
    SB_TRY(sb_file_open(&f, path, SB_OPEN_READ, ctx));
    char *piece = sb_calloc(1, PIECE);
    int64_t at = 0;
    size_t got = 1;
    sb_err err = SB_OK;
    sb_sha256_init(&h);
    while (!err && got) {
        err = sb_file_pread(&f, piece, PIECE, at, &got, ctx);
        if (err) break;
        sb_sha256_add(&h, piece, got);
        at += (int64_t)got;
        if (!tick || !got) continue;
        tick(arg, (int64_t)got);
        sb_file_forget(&f, at - (int64_t)got, (int64_t)got); /* a look at everything */
    }
    if (!err) {
        sb_sha256_final(&h, sha);
        *bytes = at;
    }
    sb_sha256_fini(&h);
    sb_free(piece);
    sb_file_close(&f);
    return err;
}

/* The writer's part of the chain: its keeper enters sealed segments and lets go of old ones. */
#include "base/log.h"
#include "base/mem.h"
#include "engine/journal/journal_int.h"

/* The chain as it is. A damaged one is put aside, where sb_journal_verify sees it, and another is
 * begun: what is written from now on shall not go without. */
static sb_err load(struct sb_journal *j, struct sb_chain *c, struct sb_errctx *ctx) {
    struct sb_errctx why = {0};
    sb_err err = sb_chain_load(c, j->dir, &why);
    if (err == SB_E_MISSING) {
        *c = (struct sb_chain){0};
        return SB_OK;
    }
    if (err != SB_E_CORRUPT) return err ? sb_fail(ctx, err, "%s", why.msg) : SB_OK;
    char *path = sb_journal_path(j->dir, "chain"), *aside = sb_journal_path(j->dir, "chain.bad");
    err = sb_file_rename(path, aside, ctx);
    if (!err) {
        *c = (struct sb_chain){0};
        SB_LOG(SB_LOG_ERROR, "journal", "damaged chain put aside, another is begun",
               SB_KS("file", aside), SB_KS("error", why.msg));
    }
    sb_free(path);
    sb_free(aside);
    return err;
}

void sb_chain_mark(struct sb_journal *j) {
    struct sb_keeper *k = &j->k;
    struct sb_chain c;
    if (sb_chain_load(&c, j->dir, NULL) != SB_OK) return;
    sb_mutex_lock(&k->m);
    for (size_t i = 0; i < k->n; i++) k->seg[i].chained = sb_chain_find(&c, k->seg[i].base);
    sb_mutex_unlock(&k->m);
    sb_chain_fini(&c);
}

sb_err sb_chain_enter(struct sb_journal *j, const struct sb_segment_info *info, int64_t next,
                      struct sb_errctx *ctx) {
    struct sb_lock lock;
    struct sb_chain c = {0};
    struct sb_chain_record r = {.kind = SB_CHAIN_SEALED, .base = info->base, .next = next};
    SB_TRY(sb_chain_lock(&lock, j->dir, ctx));
    sb_err err = load(j, &c, ctx);
    if (!err && !sb_chain_find(&c, info->base)) {
        char *path = sb_segment_path(j->dir, info->base, ".log");
        err = sb_chain_hash_file(path, r.sha, &r.bytes, NULL, NULL, ctx);
        sb_free(path);
        r.wall_ms = sb_journal_wall_ms(j);
        if (!err) sb_chain_add(&c, &r);
        if (!err) err = sb_chain_save(&c, j->dir, ctx);
    }
    sb_chain_fini(&c);
    sb_lock_release(&lock);
    return err;
}

sb_err sb_chain_leave(struct sb_journal *j, int64_t base, struct sb_errctx *ctx) {
    struct sb_lock lock;
    struct sb_chain c = {0};
    SB_TRY(sb_chain_lock(&lock, j->dir, ctx));
    sb_err err = load(j, &c, ctx);
    if (!err) {
        sb_chain_trim(&c, base);
        err = sb_chain_save(&c, j->dir, ctx);
    }
    sb_chain_fini(&c);
    sb_lock_release(&lock);
    return err;
}

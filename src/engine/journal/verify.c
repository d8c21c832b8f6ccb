/* The chain recomputed. It may be trimmed by retention and grow by redactions while its segments
 * are read, so what looks wrong is judged by the chain as it is then. */
#include <stdio.h>

#include "base/mem.h"
#include "codec/hex.h"
#include "engine/journal/chain_int.h"
#include "engine/journal/journal.h"
#include "engine/journal/state_int.h"

struct check {
    struct sb_journal_verify *v;
    const char *dir;
    struct sb_chain chain;
    int64_t done, total;
};

static void tick(void *arg, int64_t bytes) {
    struct check *c = arg;
    c->done += bytes;
    if (c->v->progress) c->v->progress(c->v->arg, c->done, c->total);
}

static void differs(struct check *c, int64_t base, const char *why) {
    if (!c->v->differ++) {
        c->v->first = base;
        snprintf(c->v->why, sizeof c->v->why, "segment %020lld %s", (long long)base, why);
    }
}

/* Why the segment is not what its record says; NULL when it is. */
static sb_err look(struct check *c, const struct sb_chain_record *r, const char **why,
                   struct sb_errctx *ctx) {
    uint8_t sha[SB_CHAIN_HASH];
    int64_t bytes = 0;
    struct sb_errctx detail = {0};
    char *path = sb_segment_path(c->dir, r->base, ".log");
    sb_err err = sb_chain_hash_file(path, sha, &bytes, tick, c, &detail);
    sb_free(path);
    *why = NULL;
    if (err == SB_E_MISSING) {
        *why = "is missing";
        return SB_OK;
    }
    if (err) return sb_fail(ctx, err, "%s", detail.msg);
    if (bytes == r->bytes && !memcmp(sha, r->sha, sizeof sha)) return SB_OK;
    *why = bytes != r->bytes ? "has another length than when it was sealed"
                             : "was changed since it was sealed";
    return SB_OK;
}

static sb_err check_segment(struct check *c, int64_t base, struct sb_errctx *ctx) {
    const char *why;
    const struct sb_chain_record *r = sb_chain_find(&c->chain, base);
    SB_TRY(look(c, r, &why, ctx));
    if (why) { /* by the chain as it is now */
        struct sb_chain now;
        sb_err err = sb_chain_load(&now, c->dir, ctx);
        if (err) return err;
        const struct sb_chain_record *again = sb_chain_find(&now, base);
        if (!again)
            why = NULL; /* retention took it */
        else if (memcmp(again->link, r->link, SB_CHAIN_HASH) != 0)
            err = look(c, again, &why, ctx);
        sb_chain_fini(&now);
        if (err) return err;
    }
    if (why) differs(c, base, why);
    return SB_OK;
}

/* Whether record i is the first one of a segment that is kept: each is looked at once. */
static bool is_first(const struct sb_chain *c, size_t i) {
    return c->record[i].kind == SB_CHAIN_SEALED && c->record[i].base >= c->first;
}

static sb_err check_all(struct check *c, struct sb_errctx *ctx) {
    struct sb_journal_verify *v = c->v;
    for (size_t i = 0; i < c->chain.n; i++)
        if (is_first(&c->chain, i)) c->total += c->chain.record[i].bytes;
    for (size_t i = 0; i < c->chain.n; i++) {
        const struct sb_chain_record *r = &c->chain.record[i];
        if (!is_first(&c->chain, i)) continue;
        const struct sb_chain_record *last = sb_chain_find(&c->chain, r->base);
        v->chained++;
        v->rewritten += last->kind == SB_CHAIN_REWRITTEN;
        v->bytes += last->bytes;
        SB_TRY(check_segment(c, r->base, ctx));
    }
    return SB_OK;
}

static sb_err count_others(struct check *c, struct sb_errctx *ctx) {
    int64_t *bases;
    size_t n;
    SB_TRY(sb_segment_list(c->dir, &bases, &n, ctx));
    for (size_t i = 0; i < n; i++)
        if (!sb_chain_find(&c->chain, bases[i])) c->v->unchained++;
    sb_free(bases);
    return SB_OK;
}

sb_err sb_journal_verify(struct sb_journal_verify *v, const char *dir, struct sb_errctx *ctx) {
    struct check c = {.v = v, .dir = dir};
    struct sb_errctx why = {0};
    *v = (struct sb_journal_verify){.progress = v->progress, .arg = v->arg, .first = -1};
    SB_TRY(sb_format_check(dir, ctx));
    char *bad = sb_journal_path(dir, "chain.bad");
    if (sb_file_exists(bad))
        snprintf(v->why, sizeof v->why,
                 "the chain was damaged and begun anew: chain.bad is what it was");
    sb_free(bad);
    sb_err err = sb_chain_load(&c.chain, dir, &why);
    if (err == SB_E_CORRUPT) {
        snprintf(v->why, sizeof v->why, "%s", why.msg);
        return SB_OK;
    }
    if (err && err != SB_E_MISSING) return sb_fail(ctx, err, "%s", why.msg);
    if (!err && c.chain.n)
        sb_hex_encode(v->link, c.chain.record[c.chain.n - 1].link, SB_CHAIN_HASH);
    err = check_all(&c, ctx);
    if (!err) err = count_others(&c, ctx);
    sb_chain_fini(&c.chain);
    return err;
}

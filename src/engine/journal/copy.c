/* A copy of a topic that may be written to meanwhile: all that was durable when it began.
 *
 * What may change under the copy: full segments are cut behind their last batch, replaced by packed
 * ones with the same records, or deleted, oldest first. So each file is opened once, and one that
 * is gone is passed over as long as nothing older was taken. The segment that holds the newest
 * durable record is copied up to the end of its batch: what stands behind it is being written just
 * now, and half-seen batches would look like damage.
 *
 * The chain is read first: what it holds then is final, and what it does not hold is sealed by
 * whoever opens the copy. */
#include <string.h>

#include "base/mem.h"
#include "engine/journal/chain_int.h"
#include "engine/journal/journal.h"
#include "engine/journal/segment_int.h"
#include "engine/journal/state_int.h"

static sb_err open_in(struct sb_file *f, const char *dir, const char *name, struct sb_errctx *ctx) {
    char *path = sb_journal_path(dir, name);
    struct sb_errctx why = {0};
    sb_err err = sb_file_open(f, path, SB_OPEN_READ, &why);
    sb_free(path);
    if (err == SB_E_MISSING) return err; /* the caller's to judge */
    return err ? sb_fail(ctx, err, "%s", why.msg) : SB_OK;
}

/* The first bytes of a file as it is now, all of it with bytes < 0. SB_E_MISSING leaves ctx. */
static sb_err copy_file(struct sb_journal_copy *c, const char *dir, const char *name, int64_t bytes,
                        struct sb_errctx *ctx) {
    struct sb_file f;
    SB_TRY(open_in(&f, dir, name, ctx));
    sb_err err = bytes < 0 ? sb_file_size(&f, &bytes, ctx) : SB_OK;
    if (!err) err = c->copy(c->arg, &f, name, bytes, ctx);
    sb_file_close(&f);
    return err;
}

/* cursors/ and quarantine/: small files, each replaced whole. */
static sb_err copy_folder(struct sb_journal_copy *c, const char *from, const char *to,
                          const char *folder, struct sb_errctx *ctx) {
    char *dir = sb_journal_path(from, folder), *target = sb_journal_path(to, folder);
    struct sb_dir_names names = {0};
    sb_err err = SB_OK;
    if (!sb_file_exists(dir)) goto out;
    err = sb_dir_list(dir, &names, ctx);
    if (!err) err = sb_dir_make_all(target, ctx);
    for (size_t i = 0; i < names.n && !err; i++) {
        if (sb_str_ends(sb_str_of(names.name[i]), SB_STR(".tmp"))) continue;
        char *name = sb_journal_path(folder, names.name[i]);
        err = copy_file(c, from, name, -1, ctx);
        if (err == SB_E_MISSING) err = SB_OK;
        sb_free(name);
    }
    if (!err) err = sb_dir_sync(target, ctx);
out:
    sb_dir_names_fini(&names);
    sb_free(dir);
    sb_free(target);
    return err;
}

/* Where the batch that ends at or behind offset c->next ends; c->next becomes its end. When damage
 * hides that batch, all bytes that were written count. */
static sb_err find_end(struct sb_journal_copy *c, const struct sb_file *f, int64_t base,
                       int64_t *end, struct sb_errctx *ctx) {
    int64_t size = 0, pos = 0, expected = base;
    SB_TRY(sb_file_size(f, &size, ctx));
    struct sb_segment_view v;
    sb_segment_view_init(&v, f, size);
    sb_err err = SB_OK;
    while (expected < c->next && !err) {
        struct sb_batch b;
        bool found;
        err = sb_segment_batch_at(&v, pos, expected, &found, &b, ctx);
        if (!err && !found) {
            err = sb_segment_resync(&v, pos, expected, c->next, &pos, &b, ctx);
            if (err || !b.size) break;
        }
        if (err) break;
        pos += (int64_t)b.size;
        expected = b.base + b.count;
    }
    if (!err && expected < c->next) err = sb_segment_used_end(&v, 0, &pos, ctx);
    if (!err && expected > c->next) c->next = expected;
    sb_segment_view_fini(&v);
    if (!err) *end = pos;
    return err;
}

static sb_err copy_segment(struct sb_journal_copy *c, const char *from, int64_t base, bool last,
                           int64_t *end, struct sb_errctx *ctx) {
    char *path = sb_segment_path("", base, ".log"), *name = path + 1;
    struct sb_file f;
    sb_err err = open_in(&f, from, name, ctx);
    if (!err) {
        err = last ? find_end(c, &f, base, end, ctx) : sb_file_size(&f, end, ctx);
        if (!err) err = c->copy(c->arg, &f, name, *end, ctx);
        sb_file_close(&f);
    }
    if (!err && !last) { /* an index that does not fit its segment is not used */
        memcpy(name + 20, ".idx", 4);
        err = copy_file(c, from, name, -1, ctx);
        if (err == SB_E_MISSING) err = SB_OK;
    }
    sb_free(path);
    return err;
}

/* Copies the segments with records below c->next. *base, *pos: the last one, and its length. */
static sb_err copy_segments(struct sb_journal_copy *c, const char *from, int64_t *base,
                            int64_t *pos, struct sb_errctx *ctx) {
    int64_t *bases;
    size_t n, taken = 0;
    SB_TRY(sb_segment_list(from, &bases, &n, ctx));
    while (n && bases[n - 1] >= c->next) n--;
    sb_err err = SB_OK;
    for (size_t i = 0; i < n && !err; i++) {
        err = copy_segment(c, from, bases[i], i + 1 == n, pos, ctx);
        if (err == SB_E_MISSING) {
            err = taken
                      ? sb_fail(ctx, err, "%s: segment %lld is missing", from, (long long)bases[i])
                      : SB_OK;
            continue;
        }
        if (!taken++) c->first = bases[i];
        *base = bases[i];
    }
    sb_free(bases);
    if (!taken) c->first = c->next;
    return err;
}

/* The writer's small files, as they would be if it had stopped at c->next. The clock of retention
 * goes on from where it stood, so that an old copy does not lose its records at the first start. */
static sb_err write_state(struct sb_journal_copy *c, const char *from, const char *to, int64_t base,
                          int64_t pos, struct sb_errctx *ctx) {
    struct sb_mark mark;
    SB_TRY(sb_mark_open_writer(&mark, to, ctx));
    sb_mark_durable_set(&mark, c->next);
    sb_mark_close(&mark);
    SB_TRY(c->made(c->arg, "mark", ctx));
    sb_err err = copy_file(c, from, "checkpoint", -1, ctx);
    if (err == SB_E_MISSING) return SB_OK; /* then the start reads everything */
    if (err) return err;
    struct sb_checkpoint k;
    bool found;
    SB_TRY(sb_checkpoint_open(&k, to, &found, ctx));
    k.last.clean = false;
    k.last.base = base;
    k.last.pos = pos;
    k.last.next = c->next;
    err = sb_checkpoint_write(&k, true, ctx);
    sb_checkpoint_close(&k);
    return err ? err : c->made(c->arg, "checkpoint", ctx);
}

/* Without the segments that were deleted since it was read. */
static sb_err write_chain(struct sb_journal_copy *c, struct sb_chain *chain, const char *to,
                          struct sb_errctx *ctx) {
    sb_chain_trim(chain, c->first);
    SB_TRY(sb_chain_save(chain, to, ctx));
    return c->made(c->arg, "chain", ctx);
}

/* What `from` holds, but for the chain. */
static sb_err copy_topic(struct sb_journal_copy *c, const char *from, const char *to,
                         struct sb_errctx *ctx) {
    struct sb_journal_reader *r;
    int64_t base = 0, pos = 0;
    SB_TRY(sb_journal_reader_open(&r, from, ctx)); /* checks the format */
    SB_TRY(copy_folder(c, from, to, "cursors", ctx));
    SB_TRY(copy_folder(c, from, to, "quarantine", ctx));
    sb_err err = sb_journal_range(r, &c->first, &c->next);
    sb_journal_reader_close(r);
    if (err) return sb_fail(ctx, err, "%s: %s", from, sb_err_text(err));
    SB_TRY(copy_segments(c, from, &base, &pos, ctx));
    SB_TRY(sb_format_write(to, ctx));
    SB_TRY(c->made(c->arg, "format", ctx));
    return write_state(c, from, to, base, pos, ctx);
}

sb_err sb_journal_copy(struct sb_journal_copy *c, const char *from, const char *to,
                       struct sb_errctx *ctx) {
    struct sb_chain chain;
    struct sb_errctx why = {0};
    sb_err none = sb_chain_load(&chain, from, &why);
    if (none && none != SB_E_MISSING) return sb_fail(ctx, none, "%s: %s", from, why.msg);
    sb_err err = copy_topic(c, from, to, ctx);
    if (!err && !none) err = write_chain(c, &chain, to, ctx);
    if (!none) sb_chain_fini(&chain);
    return err;
}

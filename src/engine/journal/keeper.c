/* The keeper thread: everything that must not hold up a commit. None of it is needed for what was
 * acknowledged to be safe, so a failure here is logged and tried again later; only a spare segment
 * that cannot be made is felt, as "disk full" or as a dead journal, when the next one is needed. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/journal/journal_int.h"

static const int64_t tick_ns = 10 * SB_SEC, nospace_probe_ns = SB_SEC / 2;

void sb_keeper_init(struct sb_journal *j) {
    sb_mutex_init(&j->k.m);
    sb_cond_init(&j->k.wake);
    sb_cond_init(&j->k.answer);
    j->k.spare = SB_FILE_NONE;
}

void sb_keeper_fini(struct sb_journal *j) {
    sb_file_close(&j->k.spare);
    sb_free(j->k.seg);
    sb_zstd_fini(&j->k.zstd);
    sb_mutex_fini(&j->k.m);
    sb_cond_fini(&j->k.wake);
    sb_cond_fini(&j->k.answer);
}

void sb_keeper_add(struct sb_journal *j, int64_t base, int64_t size, int64_t max_ts) {
    struct sb_keeper *k = &j->k;
    sb_mutex_lock(&k->m);
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 16;
        k->seg = sb_realloc(k->seg, k->cap * sizeof *k->seg);
    }
    k->seg[k->n++] = (struct sb_segment_info){.base = base, .size = size, .max_ts = max_ts};
    sb_mutex_unlock(&k->m);
    sb_cond_signal(&k->wake);
}

/* ---- spare segments ---- */

void sb_keeper_ask(struct sb_journal *j) {
    struct sb_keeper *k = &j->k;
    sb_mutex_lock(&k->m);
    if (k->spare_state == SB_SPARE_NONE) {
        k->spare_state = SB_SPARE_WANTED;
        k->spare_want = j->o.segment_bytes;
    }
    sb_mutex_unlock(&k->m);
    sb_cond_signal(&k->wake);
}

sb_err sb_keeper_take(struct sb_journal *j, int64_t need, struct sb_file *f, int64_t *size) {
    struct sb_keeper *k = &j->k;
    sb_err err = SB_OK;
    sb_mutex_lock(&k->m);
    for (bool asked = false;;) {
        bool big = k->spare_state == SB_SPARE_READY && k->spare_size >= need;
        if (big) break;
        int64_t rest = k->spare_failed_ns + SB_JOURNAL_SPARE_RETRY_MS * SB_MS - sb_mono_ns();
        if (k->spare_state == SB_SPARE_FAILED && (asked || rest > 0)) {
            err = k->spare_err;
            break;
        }
        if (k->spare_state != SB_SPARE_WANTED) {
            asked = true;
            k->spare_state = SB_SPARE_WANTED;
            k->spare_want = need > j->o.segment_bytes ? SB_SEGMENT_ROUND(need) : j->o.segment_bytes;
            sb_cond_signal(&k->wake);
        }
        sb_cond_wait(&k->answer, &k->m);
    }
    if (!err) {
        *f = k->spare;
        *size = k->spare_size;
        k->spare = SB_FILE_NONE;
        k->spare_state = SB_SPARE_NONE;
    }
    sb_mutex_unlock(&k->m);
    return err;
}

/* Called with the lock held; gives it up while the file is made. */
static void make_spare(struct sb_journal *j) {
    struct sb_keeper *k = &j->k;
    int64_t size = k->spare_want;
    struct sb_file old = k->spare, f = SB_FILE_NONE;
    k->spare = SB_FILE_NONE;
    sb_mutex_unlock(&k->m);
    sb_file_close(&old); /* one that was too small: the same name, so it is overwritten */
    char *path = sb_journal_path(j->dir, "spare.tmp");
    struct sb_errctx ctx = {0};
    sb_err err = sb_segment_create(&f, path, size, &ctx);
    if (err && err != SB_E_NOSPACE)
        SB_LOG(SB_LOG_ERROR, "journal", "no new segment", SB_KE(&ctx, err));
    sb_free(path);
    sb_mutex_lock(&k->m);
    k->spare = f;
    k->spare_size = size;
    k->spare_err = err;
    k->spare_state = err ? SB_SPARE_FAILED : SB_SPARE_READY;
    if (err) k->spare_failed_ns = sb_mono_ns();
    sb_cond_broadcast(&k->answer);
}

/* ---- full segments ---- */

/* The index of the oldest full segment that has not been looked after; n when there is none. */
static size_t unkept(const struct sb_keeper *k) {
    for (size_t i = 0; i + 1 < k->n; i++)
        if (!k->seg[i].kept) return i;
    return k->n;
}

/* Whether little was written in the last second or so. Called with the lock held. */
static bool is_calm(struct sb_journal *j) {
    struct sb_keeper *k = &j->k;
    int64_t now = sb_mono_ns(), span = now - k->rate_ns;
    if (span < SB_SEC) return k->calm;
    sb_mutex_lock(&j->m);
    uint64_t bytes = j->st.bytes;
    sb_mutex_unlock(&j->m);
    double rate = (double)(bytes - k->rate_bytes) / ((double)span / SB_SEC);
    k->calm = k->rate_ns && rate < SB_JOURNAL_CALM_BYTES;
    k->rate_ns = now;
    k->rate_bytes = bytes;
    return k->calm;
}

/* The full segment to look after now; n when there is none, or it can wait for a calmer time:
 * packing is work that predictions should not pay for. */
static size_t to_seal(struct sb_journal *j) {
    struct sb_keeper *k = &j->k;
    size_t i = unkept(k);
    if (i == k->n || !j->o.seal_when_calm || k->hurry || is_calm(j)) return i;
    return k->n - 1 - i >= SB_JOURNAL_UNSEALED_MAX ? i : k->n;
}

/* Called with the lock held; gives it up while the segment is sealed. Only this thread takes
 * segments out of the list, so the index stays good. */
static void seal(struct sb_journal *j, size_t i) {
    struct sb_keeper *k = &j->k;
    struct sb_segment_info info = k->seg[i];
    int64_t limit = k->seg[i + 1].base;
    sb_mutex_unlock(&k->m);
    struct sb_errctx ctx = {0};
    bool pack = j->o.seal_compress && !info.chained;
    sb_err err = sb_segment_seal(j, info.base, limit, pack, &info, &ctx);
    if (err)
        SB_LOG(SB_LOG_WARN, "journal", "segment not sealed, the next start tries again",
               SB_KS("dir", j->dir), SB_KI("segment", info.base), SB_KE(&ctx, err));
    info.kept = true;
    sb_mutex_lock(&k->m);
    k->seg[i] = info;
}

/* The oldest sealed segment that the chain does not hold yet; n when there is none, or the time to
 * try again has not come. */
static size_t to_chain(const struct sb_keeper *k) {
    if (sb_mono_ns() < k->chain_retry_ns) return k->n;
    for (size_t i = 0; i + 1 < k->n; i++)
        if (k->seg[i].kept && !k->seg[i].chained) return i;
    return k->n;
}

/* Called with the lock held; gives it up. */
static void chain(struct sb_journal *j, size_t i) {
    struct sb_keeper *k = &j->k;
    struct sb_segment_info info = k->seg[i];
    int64_t limit = k->seg[i + 1].base;
    sb_mutex_unlock(&k->m);
    struct sb_errctx ctx = {0};
    sb_err err = sb_chain_enter(j, &info, limit, &ctx);
    if (err && err != SB_E_LOCKED)
        SB_LOG(SB_LOG_WARN, "journal", "segment not in the chain yet", SB_KS("dir", j->dir),
               SB_KI("segment", info.base), SB_KE(&ctx, err));
    sb_mutex_lock(&k->m);
    if (err)
        k->chain_retry_ns = sb_mono_ns() + SB_JOURNAL_CHAIN_RETRY_MS * SB_MS;
    else
        k->seg[i].chained = true;
}

/* Whether the oldest segment is to go. Never the one being written. */
static bool expired(struct sb_journal *j) {
    struct sb_keeper *k = &j->k;
    if (k->n < 2 || !k->seg[0].kept) return false;
    int64_t bytes = 0;
    for (size_t i = 0; i + 1 < k->n; i++) bytes += k->seg[i].size;
    if (j->o.retain_bytes && bytes > j->o.retain_bytes) return true;
    return j->o.retain_ms && k->seg[0].max_ts < k->retain.now_ms - j->o.retain_ms;
}

/* Oldest first, each durable before the next, so that a crash leaves no hole. */
static sb_err delete_segment(struct sb_journal *j, int64_t base, int64_t next,
                             struct sb_errctx *ctx) {
    SB_TRY(sb_chain_leave(j, next, ctx));
    char *log = sb_segment_path(j->dir, base, ".log"), *idx = sb_segment_path(j->dir, base, ".idx");
    sb_err err = sb_file_unlink(log, ctx);
    if (!err) err = sb_dir_sync(j->dir, ctx);
    if (!err) {
        sb_err gone = sb_file_unlink(idx, NULL); /* else the next start removes it */
        SB_UNUSED(gone);
        SB_LOG(SB_LOG_INFO, "journal", "old segment deleted", SB_KS("dir", j->dir),
               SB_KI("first_offset", base));
    }
    sb_free(log);
    sb_free(idx);
    return err;
}

static void retain(struct sb_journal *j) {
    struct sb_keeper *k = &j->k;
    sb_retain_tick(&k->retain, sb_journal_mono(j) / SB_MS, sb_journal_wall_ms(j));
    while (expired(j)) {
        int64_t base = k->seg[0].base, next = k->seg[1].base;
        struct sb_errctx ctx = {0};
        sb_mutex_unlock(&k->m);
        sb_err err = delete_segment(j, base, next, &ctx);
        sb_mutex_lock(&k->m);
        if (err && err != SB_E_MISSING) {
            if (err != SB_E_LOCKED) /* being rewritten */
                SB_LOG(SB_LOG_WARN, "journal", "old segment not deleted", SB_KE(&ctx, err));
            return;
        }
        memmove(k->seg, k->seg + 1, --k->n * sizeof *k->seg);
    }
}

/* While the disk is full and nobody asks: whether there is space again. */
static void probe_space(struct sb_journal *j) {
    struct sb_keeper *k = &j->k;
    if (k->spare_state != SB_SPARE_FAILED || k->spare_err != SB_E_NOSPACE) return;
    make_spare(j);
    if (k->spare_state != SB_SPARE_READY) return;
    sb_mutex_unlock(&k->m);
    sb_mutex_lock(&j->m);
    j->st.nospace_since_ms = 0;
    sb_mutex_unlock(&j->m);
    sb_mutex_lock(&k->m);
}

static void keeper_main(void *arg) {
    struct sb_journal *j = arg;
    struct sb_keeper *k = &j->k;
    sb_chain_mark(j);
    sb_mutex_lock(&k->m);
    while (!k->stop) {
        size_t i;
        if (k->spare_state == SB_SPARE_WANTED) {
            make_spare(j);
        } else if ((i = to_seal(j)) < k->n) {
            seal(j, i);
        } else if ((i = to_chain(k)) < k->n) {
            chain(j, i);
        } else {
            retain(j);
            probe_space(j);
            bool full = k->spare_state == SB_SPARE_FAILED;
            if (k->stop || k->spare_state == SB_SPARE_WANTED || to_seal(j) < k->n) continue;
            sb_cond_wait_until(&k->wake, &k->m, sb_mono_ns() + (full ? nospace_probe_ns : tick_ns));
        }
    }
    sb_mutex_unlock(&k->m);
}

sb_err sb_keeper_start(struct sb_journal *j) {
    return sb_thread_start(&j->k.thread, "sb-keeper", keeper_main, j);
}

void sb_keeper_stop(struct sb_journal *j) {
    struct sb_keeper *k = &j->k;
    sb_mutex_lock(&k->m);
    k->stop = true;
    sb_mutex_unlock(&k->m);
    sb_cond_signal(&k->wake);
    sb_thread_join(&k->thread);
    if (k->spare.fd < 0) return;
    sb_err gone = sb_file_unlink(k->spare.path, NULL); /* else the next start removes it */
    SB_UNUSED(gone);
}

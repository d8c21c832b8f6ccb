#include "api/serving/idempotency.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/sha256.h"
#include "engine/journal/journal.h"

/* A key in use. Answered ones stand in a list, oldest first: all expire after the same time. */
struct entry {
    uint8_t key[SB_IDEMPOTENCY_DIGEST], body[SB_IDEMPOTENCY_DIGEST];
    int64_t offset; /* -1 while it is being answered */
    int64_t at_ms;
    struct entry *next;
};

struct sb_idempotency {
    char *dir;
    int64_t window_ms;
    struct sb_thread loader;
    _Atomic bool stop, loaded;

    struct sb_mutex lock;
    struct sb_map map; /* key -> struct entry */
    struct entry *first, **last;
};

/* ---- keys ---- */

static void add_part(struct sb_sha256 *h, struct sb_str s) {
    uint64_t n = s.n; /* lengths in between: no two requests run together */
    sb_sha256_add(h, &n, sizeof n);
    sb_sha256_add(h, s.p, s.n);
}

void sb_keyed_make(struct sb_keyed *out, const struct sb_http_req *r, struct sb_str principal,
                   struct sb_str key) {
    struct sb_sha256 h;
    sb_sha256_init(&h);
    add_part(&h, principal);
    add_part(&h, sb_str_of(sb_http_method_name(r->method)));
    add_part(&h, r->target);
    add_part(&h, key);
    sb_sha256_final(&h, out->key);
    sb_sha256_init(&h);
    add_part(&h, sb_http_get_header(r, "content-type"));
    add_part(&h, r->body);
    sb_sha256_final(&h, out->body);
}

static struct sb_str text_of(const uint8_t digest[SB_IDEMPOTENCY_DIGEST]) {
    return sb_str_make((const char *)digest, SB_IDEMPOTENCY_DIGEST);
}

static void drop(struct sb_idempotency *s, struct entry *e) {
    sb_map_del(&s->map, text_of(e->key));
    sb_free(e);
}

static void expire(struct sb_idempotency *s, int64_t now_ms) {
    while (s->first && s->first->at_ms + s->window_ms < now_ms) {
        struct entry *e = s->first;
        s->first = e->next;
        if (!s->first) s->last = &s->first;
        drop(s, e);
    }
}

static struct entry *add(struct sb_idempotency *s, const struct sb_keyed *k) {
    struct entry *e = sb_calloc(1, sizeof *e);
    memcpy(e->key, k->key, sizeof e->key);
    memcpy(e->body, k->body, sizeof e->body);
    e->offset = -1;
    sb_map_put(&s->map, text_of(e->key), e);
    return e;
}

static void answered(struct sb_idempotency *s, struct entry *e, int64_t at_ms, int64_t offset) {
    e->at_ms = at_ms;
    e->offset = offset;
    *s->last = e;
    s->last = &e->next;
}

enum sb_claim sb_idempotency_claim(struct sb_idempotency *s, const struct sb_keyed *k,
                                   int64_t now_ms, int64_t *offset) {
    if (!s->loaded) return SB_CLAIM_LOADING;
    enum sb_claim claim = SB_CLAIM_NEW;
    sb_mutex_lock(&s->lock);
    expire(s, now_ms);
    const struct entry *e = sb_map_get(&s->map, text_of(k->key));
    if (!e && s->map.n >= SB_IDEMPOTENCY_KEYS_MAX)
        claim = SB_CLAIM_FULL;
    else if (!e)
        add(s, k);
    else if (memcmp(e->body, k->body, sizeof e->body) != 0)
        claim = SB_CLAIM_OTHER;
    else
        claim = e->offset < 0 ? SB_CLAIM_BUSY : SB_CLAIM_ANSWERED, *offset = e->offset;
    sb_mutex_unlock(&s->lock);
    return claim;
}

void sb_idempotency_keep(struct sb_idempotency *s, const struct sb_keyed *k, int64_t now_ms,
                         int64_t offset) {
    sb_mutex_lock(&s->lock);
    struct entry *e = sb_map_get(&s->map, text_of(k->key));
    SB_ASSERT(e && e->offset < 0);
    answered(s, e, now_ms, offset);
    sb_mutex_unlock(&s->lock);
}

void sb_idempotency_release(struct sb_idempotency *s, const struct sb_keyed *k) {
    sb_mutex_lock(&s->lock);
    struct entry *e = sb_map_get(&s->map, text_of(k->key));
    SB_ASSERT(e && e->offset < 0);
    drop(s, e);
    sb_mutex_unlock(&s->lock);
}

void sb_idempotency_forget(struct sb_idempotency *s, const struct sb_keyed *k, int64_t offset) {
    sb_mutex_lock(&s->lock);
    struct entry *e = sb_map_get(&s->map, text_of(k->key));
    if (e && e->offset == offset) { /* else another request did so already */
        struct entry **at = &s->first;
        while (*at != e) at = &(*at)->next;
        *at = e->next;
        if (s->last == &e->next) s->last = at;
        drop(s, e);
    }
    sb_mutex_unlock(&s->lock);
}

/* ---- the journal ---- */

sb_err sb_idempotency_read(const struct sb_idempotency *s, int64_t offset, struct sb_arena *arena,
                           struct sb_answer *out) {
    struct sb_journal_reader *r;
    struct sb_journal_record rec;
    SB_TRY(sb_journal_reader_open(&r, s->dir, NULL));
    sb_err err = sb_journal_seek(r, offset);
    if (!err) err = sb_journal_next(r, &rec);
    if (err == SB_E_END || (!err && rec.offset != offset)) err = SB_E_MISSING;
    struct sb_str header = {0};
    if (!err) {
        header = sb_arena_dup(arena, sb_journal_record_header(&rec, sb_answer_header_name));
        if (!header.n) err = SB_E_MISSING;
    }
    sb_journal_reader_close(r);
    return err ? err : sb_answer_read(out, header);
}

/* Without the lock: nobody else touches the map before all is loaded. */
static void take_in(struct sb_idempotency *s, const struct sb_journal_record *rec) {
    struct sb_answer a;
    struct sb_str header = sb_journal_record_header(rec, sb_answer_header_name);
    if (!header.n || sb_answer_read(&a, header) != SB_OK) return;
    /* the same key twice in a window: the first answer had been lost to retention or damage */
    struct entry *e = sb_map_get(&s->map, text_of(a.keyed.key));
    if (e)
        e->offset = rec->offset;
    else if (s->map.n < SB_IDEMPOTENCY_KEYS_MAX)
        answered(s, add(s, &a.keyed), rec->ts_ms, rec->offset);
}

/* All that was durable when the process started: what comes after it is claimed and kept. */
static sb_err load(struct sb_idempotency *s) {
    struct sb_journal_reader *r;
    int64_t oldest, end;
    SB_TRY(sb_journal_reader_open(&r, s->dir, NULL));
    sb_err err = sb_journal_range(r, &oldest, &end);
    if (!err) err = sb_journal_seek_time(r, sb_wall_ms() - s->window_ms);
    while (!err && !s->stop) {
        struct sb_journal_record rec;
        err = sb_journal_next(r, &rec);
        if (err || rec.offset >= end) break;
        if (rec.headers.n > 1) take_in(s, &rec);
        if (rec.offset == end - 1) break;
    }
    sb_journal_reader_close(r);
    return err == SB_E_END ? SB_OK : err;
}

static void load_all(void *arg) {
    struct sb_idempotency *s = arg;
    int64_t from = sb_mono_ns();
    sb_err err = load(s);
    size_t keys = s->map.n; /* nobody else touches the map before this */
    s->loaded = true;
    if (err)
        SB_LOG(SB_LOG_WARN, "serving", "answers of before the start could not all be read",
               SB_KS("error", sb_err_text(err)),
               SB_KS("next", "a request sent again may be answered anew"));
    else
        SB_LOG(SB_LOG_DEBUG, "serving", "answers with a key read", SB_KI("keys", (int64_t)keys),
               SB_KI("ms", (sb_mono_ns() - from) / SB_MS));
}

sb_err sb_idempotency_new(struct sb_idempotency **out, const char *dir, int64_t window_ms,
                          struct sb_errctx *ctx) {
    struct sb_idempotency *s = sb_calloc(1, sizeof *s);
    s->dir = sb_strdup(dir);
    s->window_ms = window_ms;
    s->last = &s->first;
    sb_map_init(&s->map);
    sb_mutex_init(&s->lock);
    sb_err err = sb_thread_start(&s->loader, "answers", load_all, s);
    if (err) {
        sb_idempotency_free(s);
        return sb_fail(ctx, err, "the thread that reads stored answers could not be started");
    }
    *out = s;
    return SB_OK;
}

static void free_entry(void *e) {
    sb_free(e);
}

void sb_idempotency_free(struct sb_idempotency *s) {
    if (!s) return;
    s->stop = true;
    sb_thread_join(&s->loader);
    sb_map_fini(&s->map, free_entry);
    sb_mutex_fini(&s->lock);
    sb_free(s->dir);
    sb_free(s);
}

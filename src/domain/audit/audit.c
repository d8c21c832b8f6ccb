/* Two groups take turns: entries are added to one while the journal makes the other durable, so an
 * entry waits for one sync at most and a burst becomes one write. */
#include "domain/audit/audit.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/json.h"
#include "codec/time.h"
#include "codec/uuid.h"
#include "engine/journal/journal.h"

enum { WAITING_MAX = 10000, SEGMENT_BYTES = 4 << 20 };

struct sb_audit {
    struct sb_journal *journal;
    _Atomic bool failed;

    struct sb_mutex m; /* of everything below */
    struct sb_cond idle;
    struct sb_journal_group group[2];
    int filling;    /* the group that entries go to; the other one may be the journal's */
    bool in_flight; /* and is */
    struct sb_uuid7_gen ids;
    struct sb_buf doc;
};

/* Called with the lock held: the filled group goes to the journal when that has none of ours.
 * Returns what is to be submitted once the lock is free. */
static struct sb_journal_group *hand_over(struct sb_audit *a) {
    struct sb_journal_group *g = &a->group[a->filling];
    if (a->in_flight || !g->count) return NULL;
    a->in_flight = true;
    a->filling = !a->filling;
    return g;
}

/* On the journal's commit thread. */
static void on_done(struct sb_journal_group *g) {
    struct sb_audit *a = g->user;
    if (g->err && !atomic_exchange(&a->failed, true))
        SB_LOG(SB_LOG_ERROR, "audit", "entries are lost: look at the disk, then restart",
               SB_KI("entries", g->count), SB_KE(NULL, g->err));
    sb_mutex_lock(&a->m);
    sb_journal_group_reset(g);
    a->in_flight = false;
    struct sb_journal_group *next = hand_over(a);
    if (!next) sb_cond_broadcast(&a->idle);
    sb_mutex_unlock(&a->m);
    if (next) sb_journal_submit(a->journal, next);
}

static void put_text(struct sb_json_writer *w, const char *key, struct sb_str s) {
    if (s.n) sb_json_str(w, key, s);
}

/* Called with the lock held: ids grow in the order of the entries. */
static sb_err write_entry(struct sb_audit *a, const struct sb_audit_entry *e, int64_t wall_ms) {
    char at[SB_TIME_TEXT], id[SB_UUID_TEXT];
    struct sb_json_writer w = {.b = &a->doc};
    sb_buf_reset(&a->doc);
    sb_uuid7(&a->ids, wall_ms, id);
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "@timestamp", sb_str_make(at, sb_time_format_ms(at, wall_ms)));
    sb_json_str(&w, "event_id", sb_str_of(id));
    sb_json_str(&w, "kind", e->kind);
    put_text(&w, "actor", e->actor);
    put_text(&w, "object", e->object);
    put_text(&w, "from", e->from);
    put_text(&w, "to", e->to);
    put_text(&w, "message", e->message);
    if (e->detail_json.n) sb_json_raw(&w, "detail", e->detail_json);
    sb_json_end(&w);
    return sb_buf_err(&a->doc);
}

/* A document with a broken part would break every reader of the topic. */
static sb_err check_detail(struct sb_str json) {
    struct sb_json_reader r;
    struct sb_arena arena;
    struct sb_str raw;
    enum sb_json_type type = SB_JSON_NULL;
    if (!json.n) return SB_OK;
    sb_arena_init(&arena, SB_LIMIT_EVENT_BYTES);
    sb_json_reader_init(&r, json, &arena, NULL);
    sb_err err = sb_json_peek(&r, &type);
    if (!err && type != SB_JSON_OBJECT) err = SB_E_INVALID;
    if (!err) err = sb_json_skip(&r, &raw);
    if (!err) err = sb_json_finish(&r);
    sb_arena_fini(&arena);
    return err;
}

sb_err sb_audit_add(struct sb_audit *a, const struct sb_audit_entry *e) {
    if (!a) return SB_OK;
    SB_TRY(check_detail(e->detail_json));
    int64_t wall_ms = sb_wall_ms();
    struct sb_journal_group *next = NULL;
    sb_mutex_lock(&a->m);
    struct sb_journal_group *g = &a->group[a->filling];
    sb_err err = g->count >= WAITING_MAX ? SB_E_BUSY : write_entry(a, e, wall_ms);
    if (!err) err = sb_journal_group_add(g, wall_ms, e->object, sb_buf_view(&a->doc));
    if (!err) next = hand_over(a);
    sb_mutex_unlock(&a->m);
    if (next) sb_journal_submit(a->journal, next);
    return err;
}

bool sb_audit_failed(const struct sb_audit *a) {
    return a && a->failed;
}

sb_err sb_audit_open(struct sb_audit **out, const char *dir, struct sb_errctx *ctx) {
    struct sb_journal_opts o = {.segment_bytes = SEGMENT_BYTES, .seal_compress = true};
    struct sb_journal *journal;
    SB_TRY(sb_journal_open(&journal, dir, &o, ctx));
    struct sb_audit *a = sb_calloc(1, sizeof *a);
    a->journal = journal;
    sb_mutex_init(&a->m);
    sb_cond_init(&a->idle);
    sb_uuid7_gen_init(&a->ids);
    sb_buf_init(&a->doc, SB_LIMIT_EVENT_BYTES);
    for (int i = 0; i < 2; i++) {
        sb_journal_group_init(&a->group[i]);
        a->group[i].done = on_done;
        a->group[i].user = a;
    }
    *out = a;
    return SB_OK;
}

void sb_audit_close(struct sb_audit *a) {
    if (!a) return;
    sb_mutex_lock(&a->m);
    while (a->in_flight) sb_cond_wait(&a->idle, &a->m);
    sb_mutex_unlock(&a->m);
    sb_journal_close(a->journal);
    for (int i = 0; i < 2; i++) sb_journal_group_fini(&a->group[i]);
    sb_buf_fini(&a->doc);
    sb_cond_fini(&a->idle);
    sb_mutex_fini(&a->m);
    sb_free(a);
}

/* A prediction with an Idempotency-Key. The first request of a key is predicted as any other, and
 * its answer becomes durable in one batch with its events; the same request again within the window
 * gets that answer, byte for byte, and makes no event. While the first is being answered the second
 * gets 409; another request with the same key 422. Failures that may pass (5xx) are not stored:
 * sending the request again tries again. */
#include "api/serving/serving_int.h"
#include "base/clock.h"

static bool key_ok(struct sb_str key) {
    if (key.n == 0 || key.n > SB_IDEMPOTENCY_KEY_MAX) return false;
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] < ' ' || key.p[i] > '~') return false;
    }
    return true;
}

/* ---- the stored answer ---- */

static void read_stored(struct sb_job *j) {
    struct call *c = SB_CONTAINER(j, struct call_key, job)->call;
    c->key->err =
        sb_idempotency_read(c->lane->s->idempotency, c->key->offset, &c->own, &c->key->stored);
}

static void reply_stored(struct call *c) {
    struct sb_http_req *r = c->r;
    const struct sb_answer *a = &c->key->stored;
    if (a->model_version.n) sb_http_add_header(r, "X-Model-Version", a->model_version);
    if (a->event_id.n) sb_http_add_header(r, "X-Event-ID", a->event_id);
    if (a->extra.name.p)
        sb_http_add_header(r, sb_arena_printf(r->arena, "%.*s", SB_ARG(a->extra.name)),
                           a->extra.value);
    sb_http_add_header(r, "X-Request-ID", a->request_id);
    sb_http_add_header(r, "Idempotency-Replayed", SB_STR("true"));
    const char *type = a->type.n ? sb_arena_printf(r->arena, "%.*s", SB_ARG(a->type)) : NULL;
    struct sb_str body = sb_arena_dup(r->arena, a->body);
    int status = a->status;
    sb_arena_fini(&c->own);
    sb_series_add(c->lane->s->replayed, 1);
    sb_http_reply(r, status, type, body); /* c's memory goes with it */
}

static void reply_error(struct call *c, int status, sb_err err) {
    sb_buf_reset(&c->lane->reply);
    c->dialect->error(&c->lane->reply, c, status, err, sb_errctx_text(&c->ctx, err));
    sb_arena_fini(&c->own);
    sb_http_add_header(c->r, "Retry-After", SB_STR("1"));
    sb_http_reply(c->r, status, NULL, sb_buf_view(&c->lane->reply));
}

static void on_read(struct sb_job *j) {
    struct call *c = SB_CONTAINER(j, struct call_key, job)->call;
    if (!c->key->err) {
        reply_stored(c);
        return;
    }
    sb_idempotency_forget(c->lane->s->idempotency, &c->key->keyed, c->key->offset);
    sb_err err = sb_fail(&c->ctx, SB_E_UNAVAILABLE,
                         "the stored answer of this Idempotency-Key is no longer in the journal "
                         "(%s); sent again, the request is answered anew",
                         sb_err_text(c->key->err));
    reply_error(c, 503, err);
}

/* ---- the claim ---- */

static sb_err answer_again(struct call *c, bool *answered) {
    struct call_key *k = c->key;
    k->call = c;
    k->job = (struct sb_job){.work = read_stored, .done = on_read, .loop = c->r->loop};
    sb_arena_init(&c->own, SIZE_MAX);
    sb_err err = sb_pool_submit(c->lane->s->o.compute, &k->job);
    if (err) return sb_fail(&c->ctx, err, "too many large batches wait; try again in a second");
    c->waits = 1; /* no event of this one, also not when its deadline passes */
    *answered = true;
    return SB_OK;
}

static sb_err claim(struct call *c, bool *answered) {
    struct sb_serving *s = c->lane->s;
    struct call_key *k = c->key;
    switch (sb_idempotency_claim(s->idempotency, &k->keyed, c->wall_ms, &k->offset)) {
    case SB_CLAIM_NEW: k->claimed = true; return SB_OK;
    case SB_CLAIM_ANSWERED: return answer_again(c, answered);
    case SB_CLAIM_BUSY:
        sb_series_add(s->conflicts, 1);
        c->waits = 1;
        *answered = true;
        reply_error(c, 409,
                    sb_fail(&c->ctx, SB_E_EXISTS,
                            "a request with this Idempotency-Key is being answered right now; "
                            "sent again in a moment, this one gets the same answer"));
        return SB_OK;
    case SB_CLAIM_OTHER:
        sb_series_add(s->mismatched, 1);
        k->mismatch = true;
        return sb_fail(&c->ctx, SB_E_INVALID,
                       "this Idempotency-Key was used for another request: take a new key for a "
                       "new request");
    case SB_CLAIM_LOADING:
        return sb_fail(&c->ctx, SB_E_UNAVAILABLE,
                       "stored answers are still being read after a start; try again in a second");
    case SB_CLAIM_FULL: break;
    }
    return sb_fail(&c->ctx, SB_E_BUSY, "too many Idempotency-Keys within the window");
}

sb_err sb_call_key_claim(struct call *c, bool *answered) {
    if (!c->idempotency_key.p || !c->lane->s->idempotency) return SB_OK;
    if (!key_ok(c->idempotency_key))
        return sb_fail(&c->ctx, SB_E_INVALID,
                       "Idempotency-Key: 1 to %d printable ASCII characters are expected",
                       SB_IDEMPOTENCY_KEY_MAX);
    c->key = sb_arena_zalloc(c->r->arena, sizeof *c->key);
    sb_keyed_make(&c->key->keyed, c->r, c->event.principal, c->idempotency_key);
    return claim(c, answered);
}

/* ---- the first request ---- */

bool sb_call_key_answer(struct call *c, struct sb_str *out) {
    *out = (struct sb_str){0};
    if (!c->key || !c->key->claimed || !c->live || c->status >= 500) return true;
    struct sb_buf *b = &c->lane->answer;
    sb_buf_reset(b);
    sb_answer_write(
        b, &(struct sb_answer){.keyed = c->key->keyed,
                               .status = c->status,
                               .type = sb_str_of(c->reply_type ? c->reply_type : ""),
                               .model_version = sb_str_of(c->live->model->info.version),
                               .event_id = sb_str_make(c->first_event_id, SB_UUID_TEXT - 1),
                               .request_id = c->event.request_id,
                               .extra = c->reply_header,
                               .body = sb_buf_view(&c->lane->reply)});
    if (sb_buf_err(b)) return false;
    *out = sb_buf_view(b);
    return true;
}

void sb_call_key_settle(struct call *c) {
    struct call_key *k = c->key;
    if (!k || !k->claimed) return;
    if (k->answered && !c->commit_err)
        sb_idempotency_keep(c->lane->s->idempotency, &k->keyed, c->wall_ms, k->offset);
    else
        sb_idempotency_release(c->lane->s->idempotency, &k->keyed);
}

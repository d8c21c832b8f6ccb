/* Answers of the last while, by Idempotency-Key: a request that is sent again gets the stored
 * answer and is not predicted, nor recorded, a second time
 * (draft-ietf-httpapi-idempotency-key-header).
 *
 * The answers themselves lie in the journal, as a header of the record of the request's last event:
 * in one batch with its events, so that a crash keeps both or none. Memory holds where they are; it
 * is read back from the journal's last window when the process starts.
 *
 * Any thread. */
#ifndef SB_API_SERVING_IDEMPOTENCY_H
#define SB_API_SERVING_IDEMPOTENCY_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "engine/http/http.h"

enum {
    SB_IDEMPOTENCY_KEY_MAX = 255,      /* characters of a key, all printable ASCII */
    SB_IDEMPOTENCY_KEYS_MAX = 1 << 20, /* of one window, in memory: some 150 bytes each */
    SB_IDEMPOTENCY_ANSWER_MAX = 4 << 20,
    SB_IDEMPOTENCY_DIGEST = 32,
};

struct sb_idempotency;

/* dir: the journal's folder. Starts a thread that reads the last window_ms of it. */
SB_MUST_CHECK sb_err sb_idempotency_new(struct sb_idempotency **out, const char *dir,
                                        int64_t window_ms, struct sb_errctx *ctx);
void sb_idempotency_free(struct sb_idempotency *s);

/* A request with a key: who asks where with which key, and what it asks. */
struct sb_keyed {
    uint8_t key[SB_IDEMPOTENCY_DIGEST];  /* SHA-256 of principal, method, target and key */
    uint8_t body[SB_IDEMPOTENCY_DIGEST]; /* SHA-256 of content type and body */
};
void sb_keyed_make(struct sb_keyed *out, const struct sb_http_req *r, struct sb_str principal,
                   struct sb_str key);

enum sb_claim {
    SB_CLAIM_NEW,      /* the caller's to answer: keep or release must follow */
    SB_CLAIM_ANSWERED, /* *offset: the record with its answer */
    SB_CLAIM_BUSY,     /* the first one is being answered now */
    SB_CLAIM_OTHER,    /* the key was used for another request */
    SB_CLAIM_LOADING,  /* the journal is being read: ask again in a moment */
    SB_CLAIM_FULL,     /* more keys in the window than memory may hold */
};
enum sb_claim sb_idempotency_claim(struct sb_idempotency *s, const struct sb_keyed *k,
                                   int64_t now_ms, int64_t *offset);
/* Its answer is durable. */
void sb_idempotency_keep(struct sb_idempotency *s, const struct sb_keyed *k, int64_t now_ms,
                         int64_t offset);
/* The record of an answer is gone (retention, damage): the key is free again. */
void sb_idempotency_forget(struct sb_idempotency *s, const struct sb_keyed *k, int64_t offset);
/* There is none to be kept. */
void sb_idempotency_release(struct sb_idempotency *s, const struct sb_keyed *k);

/* ---- the header of the record (docs/formats/event.md) ---- */

extern const struct sb_str sb_answer_header_name; /* "sibyl-answer" */

struct sb_answer {
    struct sb_keyed keyed;
    int status;
    struct sb_str type; /* content type */
    struct sb_str model_version, event_id, request_id;
    struct sb_http_header extra; /* name.p NULL = none */
    struct sb_str body;
};
void sb_answer_write(struct sb_buf *out, const struct sb_answer *a);
/* Views of text. SB_E_CORRUPT when it is none. */
SB_MUST_CHECK sb_err sb_answer_read(struct sb_answer *out, struct sb_str text);

/* Reads the answer at an offset of the journal; strings are the arena's. Blocking. SB_E_MISSING
 * when retention or damage took the record. */
SB_MUST_CHECK sb_err sb_idempotency_read(const struct sb_idempotency *s, int64_t offset,
                                         struct sb_arena *arena, struct sb_answer *out);

#endif

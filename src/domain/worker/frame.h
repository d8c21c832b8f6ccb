/* Frames between sibyl and a Python worker (docs/formats/worker-protocol.md). Pure: bytes in, bytes
 * out. Any thread. */
#ifndef SB_DOMAIN_WORKER_FRAME_H
#define SB_DOMAIN_WORKER_FRAME_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "domain/model/columns.h"

enum {
    SB_FRAME_PROTOCOL = 1,   /* version of all this; a READY frame says the worker's */
    SB_FRAME_HEAD = 8,       /* u32 length of the body, u32 kind */
    SB_FRAME_MAX = 1 << 30,  /* bytes of a body */
    SB_FRAME_OUTPUTS = 4096, /* outputs of an answer */
    SB_FRAME_CLASSES = 1 << 20,
};

enum sb_frame_kind {
    SB_FRAME_PREDICT = 1,
    SB_FRAME_READY = 16,
    SB_FRAME_FAILED = 17,
    SB_FRAME_RESULT = 18,
    SB_FRAME_ERROR = 19,
};

/* Whether rows of both can go in one call: the same columns, tensor-ness and params. */
bool sb_frame_batches_agree(const struct sb_batch *a, const struct sb_batch *b);

/* Appends one PREDICT frame with the rows of all n batches, which agree. SB_E_LIMIT when it gets
 * over the buffer's maximum. */
SB_MUST_CHECK sb_err sb_frame_add_predict(struct sb_buf *out, uint64_t id,
                                          const struct sb_batch *const *batches, size_t n,
                                          bool proba);

/* What a RESULT or ERROR frame starts with. */
struct sb_frame_answer {
    uint64_t id;
    int64_t compute_ns;
};
SB_MUST_CHECK sb_err sb_frame_answer_head(struct sb_str body, struct sb_frame_answer *out);

/* Rows of a RESULT frame. */
SB_MUST_CHECK sb_err sb_frame_result_rows(struct sb_str body, size_t *nrows);
/* Rows [from, from + n) of a RESULT frame, copied into the arena. SB_E_CORRUPT for a frame that
 * breaks the format, SB_E_LIMIT over the arena's maximum. */
SB_MUST_CHECK sb_err sb_frame_result_slice(struct sb_str body, size_t from, size_t n,
                                           struct sb_arena *arena, struct sb_result *out,
                                           struct sb_errctx *ctx);

/* An ERROR frame: who is to blame, and Python's words (views of body). */
enum sb_frame_blame { SB_BLAME_CALLER, SB_BLAME_MODEL, SB_BLAME_MEMORY };
struct sb_frame_error {
    enum sb_frame_blame blame;
    struct sb_str type, message, traceback;
};
SB_MUST_CHECK sb_err sb_frame_error_read(struct sb_str body, struct sb_frame_error *out);
/* A FAILED frame: loading did not work (blame is not set). */
SB_MUST_CHECK sb_err sb_frame_failed_read(struct sb_str body, struct sb_frame_error *out);
/* A READY frame: its JSON object. SB_E_VERSION when the worker speaks another protocol. */
SB_MUST_CHECK sb_err sb_frame_ready_read(struct sb_str body, struct sb_str *json);

#endif

/* Errors: one code table for the whole program, and the detail that travels with a failure.
 *
 * A fallible function returns sb_err (0 = SB_OK); its results go to out-params that are written
 * only on success. Where a caller can act on or show the detail, the function also takes a `struct
 * sb_errctx *`, which may be NULL. */
#ifndef SB_BASE_ERR_H
#define SB_BASE_ERR_H

#include <stdint.h>

#include "base/compiler.h"

/* Who has to act. Each api/ folder maps the class (or a single code) to its protocol's own codes.
 */
enum sb_err_class {
    SB_CLASS_OK,
    SB_CLASS_CALLER,    /* the request is wrong: repeat it corrected */
    SB_CLASS_MISSING,   /* the thing named does not exist */
    SB_CLASS_CONFLICT,  /* it exists already, or changed meanwhile */
    SB_CLASS_TRANSIENT, /* try again later */
    SB_CLASS_LIMIT,     /* a stated limit was passed */
    SB_CLASS_CORRUPT,   /* stored bytes are damaged, or the disk failed */
    SB_CLASS_BUG,       /* ours */
};

/*        code           class      text */
#define SB_ERR_TABLE(X)                                                                            \
    X(OK, OK, "ok")                                                                                \
    X(INVALID, CALLER, "invalid value")                                                            \
    X(SYNTAX, CALLER, "syntax error")                                                              \
    X(DENIED, CALLER, "not allowed")                                                               \
    X(UNSUPPORTED, CALLER, "not supported")                                                        \
    X(STATE, CALLER, "not possible in this state")                                                 \
    X(MISSING, MISSING, "not found")                                                               \
    X(END, MISSING, "no more data")                                                                \
    X(EXISTS, CONFLICT, "exists already")                                                          \
    X(CONFLICT, CONFLICT, "changed meanwhile")                                                     \
    X(LOCKED, CONFLICT, "in use by another process")                                               \
    X(BUSY, TRANSIENT, "too busy")                                                                 \
    X(TIMEOUT, TRANSIENT, "took too long")                                                         \
    X(CLOSED, TRANSIENT, "closed")                                                                 \
    X(UNAVAILABLE, TRANSIENT, "not available")                                                     \
    X(NOSPACE, TRANSIENT, "no space left on the device")                                           \
    X(LIMIT, LIMIT, "over a limit")                                                                \
    X(NOMEM, LIMIT, "out of memory")                                                               \
    X(IO, CORRUPT, "input/output error")                                                           \
    X(CORRUPT, CORRUPT, "damaged data")                                                            \
    X(VERSION, CORRUPT, "unknown format version")                                                  \
    X(BUG, BUG, "internal error")

typedef enum sb_err {
#define X(code, class, text) SB_E_##code,
    SB_ERR_TABLE(X)
#undef X
        SB_E_COUNT
} sb_err;

#define SB_OK SB_E_OK

enum { SB_ERRMSG_MAX = 240 };

/* Detail of the first failure; owned by the request, job or caller. pos is a byte offset, row or
 * line as the function's header says, -1 when it has none. */
struct sb_errctx {
    sb_err code;
    int64_t pos;
    char msg[SB_ERRMSG_MAX];
};

/* Records a failure (the first one stays) and returns code, so that `return sb_fail(...)` reads
 * well. ctx may be NULL. The message is cut at SB_ERRMSG_MAX - 1 bytes. */
sb_err sb_fail(struct sb_errctx *ctx, sb_err code, const char *fmt, ...) SB_PRINTF(3, 4);

/* The same with a position. */
sb_err sb_fail_at(struct sb_errctx *ctx, sb_err code, int64_t pos, const char *fmt, ...)
    SB_PRINTF(4, 5);

/* The code for an errno of a system call: ENOSPC/EDQUOT -> NOSPACE, ENOENT -> MISSING, EEXIST ->
 * EXISTS, EACCES/EPERM/ELOOP/EXDEV -> DENIED, EAGAIN -> BUSY, ENOMEM -> NOMEM, the rest -> IO. */
sb_err sb_err_from_errno(int err);

/* "%s: strerror" with the code of errno e. */
sb_err sb_fail_errno(struct sb_errctx *ctx, int e, const char *fmt, ...) SB_PRINTF(3, 4);

/* Constant strings: "INVALID", "invalid value". */
const char *sb_err_name(sb_err code);
const char *sb_err_text(sb_err code);
enum sb_err_class sb_err_class(sb_err code);

/* Makes ctx empty again. */
void sb_errctx_reset(struct sb_errctx *ctx);

/* ctx->msg if there is one, else the code's text. */
const char *sb_errctx_text(const struct sb_errctx *ctx, sb_err code);

/* Returns early with the code of a failed call. */
#define SB_TRY(call)                                                                               \
    do {                                                                                           \
        sb_err sb_try_err_ = (call);                                                               \
        if (SB_UNLIKELY(sb_try_err_ != SB_OK)) return sb_try_err_;                                 \
    } while (0)

/* A broken invariant of our own code (never input): logs and aborts, also in release builds. */
#define SB_ASSERT(cond) (SB_LIKELY(cond) ? (void)0 : sb_assert_failed(#cond, __FILE__, __LINE__))
SB_NORETURN void sb_assert_failed(const char *cond, const char *file, int line);

#endif

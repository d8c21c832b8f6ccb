#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *text;
    enum sb_err_class class;
} table[] = {
#define X(code, class, text) {#code, text, SB_CLASS_##class},
    SB_ERR_TABLE(X)
#undef X
};

const char *sb_err_name(sb_err code) {
    return (unsigned)code < SB_E_COUNT ? table[code].name : "BUG";
}

const char *sb_err_text(sb_err code) {
    return (unsigned)code < SB_E_COUNT ? table[code].text : "unknown error";
}

enum sb_err_class sb_err_class(sb_err code) {
    return (unsigned)code < SB_E_COUNT ? table[code].class : SB_CLASS_BUG;
}

void sb_errctx_reset(struct sb_errctx *ctx) {
    ctx->code = SB_OK;
    ctx->pos = -1;
    ctx->msg[0] = 0;
}

const char *sb_errctx_text(const struct sb_errctx *ctx, sb_err code) {
    return ctx && ctx->code != SB_OK && ctx->msg[0] ? ctx->msg : sb_err_text(code);
}

SB_PRINTF(4, 0)
static sb_err record(struct sb_errctx *ctx, sb_err code, int64_t pos, const char *fmt, va_list ap) {
    if (!ctx || ctx->code != SB_OK) return code;
    ctx->code = code;
    ctx->pos = pos;
    vsnprintf(ctx->msg, sizeof ctx->msg, fmt, ap);
    return code;
}

sb_err sb_fail(struct sb_errctx *ctx, sb_err code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    record(ctx, code, -1, fmt, ap);
    va_end(ap);
    return code;
}

sb_err sb_fail_at(struct sb_errctx *ctx, sb_err code, int64_t pos, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    record(ctx, code, pos, fmt, ap);
    va_end(ap);
    return code;
}

sb_err sb_fail_errno(struct sb_errctx *ctx, int e, const char *fmt, ...) {
    char what[SB_ERRMSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    char buf[96];
    return sb_fail(ctx, sb_err_from_errno(e), "%s: %s", what, strerror_r(e, buf, sizeof buf));
}

sb_err sb_err_from_errno(int err) {
    switch (err) {
    case 0: return SB_OK;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return SB_E_NOSPACE;
    case ENOENT: return SB_E_MISSING;
    case EEXIST: return SB_E_EXISTS;
    case EACCES:
    case EPERM:
    case ELOOP:
    case EXDEV: return SB_E_DENIED;
    case EAGAIN: return SB_E_BUSY;
    case ETIMEDOUT: return SB_E_TIMEOUT;
    case ENOMEM: return SB_E_NOMEM;
    default: return SB_E_IO;
    }
}

void sb_assert_failed(const char *cond, const char *file, int line) {
    fprintf(stderr,
            "level=error module=base event=\"broken invariant\" condition=\"%s\" at=%s:%d\n", cond,
            file, line);
    abort();
}

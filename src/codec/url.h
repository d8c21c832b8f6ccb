/* Percent-encoding (RFC 3986 section 2.1) and query strings (name=value&..., '+' is a space).
 * Text is decoded once: what comes out of "%252e" is "%2e". Any thread. */
#ifndef SB_CODEC_URL_H
#define SB_CODEC_URL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* in with its escapes resolved: a view of `in` when it has none, else in the arena. SB_E_INVALID
 * with the position in `in`: an escape without two hex digits, %00, or a result that is not UTF-8.
 * plus: '+' stands for a space (queries and forms). */
SB_MUST_CHECK sb_err sb_url_decode(struct sb_str *out, struct sb_str in, bool plus,
                                   struct sb_arena *arena, struct sb_errctx *ctx);

/* The next pair of a query, not decoded; empty pieces are skipped; false at the end. A pair without
 * '=' has an empty value. */
bool sb_url_query_next(struct sb_str *rest, struct sb_str *name, struct sb_str *value);

/* First value of that name, decoded. SB_E_MISSING without a message when there is none. */
SB_MUST_CHECK sb_err sb_url_query_get(struct sb_str *out, struct sb_str query, const char *name,
                                      struct sb_arena *arena, struct sb_errctx *ctx);

/* Escapes all but the unreserved characters (letters, digits, - . _ ~). */
void sb_url_encode(struct sb_buf *b, struct sb_str s);
/* The same, with '/' kept. */
void sb_url_encode_path(struct sb_buf *b, struct sb_str s);

#endif

/* What of a request's features may be recorded: per feature, before its event is written.
 *
 *   keep   the value as it came
 *   drop   the feature is left out
 *   mask   it is there, its value is not: "***" for text, null for anything else
 *   hmac   "hmac:" and 32 hex digits: HMAC-SHA256 of the value's JSON text under the key, cut to
 * 128 bits. Equal values stay equal, so they can be counted and found by who has the key
 *
 * Rules are text: JSON {"name": "drop", "ssn": "hmac"}, or name=drop,ssn=hmac. They come from a
 * route's rule in the settings, the tag sibyl.privacy of the version, and that of the model; for
 * each feature the first that names it counts. Immutable once made; any thread. */
#ifndef SB_DOMAIN_ROUTE_PRIVACY_H
#define SB_DOMAIN_ROUTE_PRIVACY_H

#include "base/arena.h"
#include "base/buf.h"
#include "domain/model/columns.h"
#include "domain/model/signature.h"

enum { SB_PRIVACY_RULES_MAX = 4096, SB_PRIVACY_KEY_MIN = 16 };

struct sb_privacy;

/* The rules of n texts (empty ones are none) as one JSON object in the arena; empty when every
 * feature is kept. SB_E_INVALID names what is wrong. */
SB_MUST_CHECK sb_err sb_privacy_merge(const struct sb_str *texts, size_t n, struct sb_arena *a,
                                      struct sb_str *out, struct sb_errctx *ctx);

/* From merged rules, for rows of that signature. *out is NULL without rules. SB_E_INVALID: a
 * feature that the signature does not have; hmac without a key (of at least SB_PRIVACY_KEY_MIN
 * bytes). The key is copied. */
SB_MUST_CHECK sb_err sb_privacy_new(struct sb_privacy **out, struct sb_str merged,
                                    const struct sb_signature *s, struct sb_str key,
                                    struct sb_errctx *ctx);
void sb_privacy_free(struct sb_privacy *p); /* NULL is fine; wipes the key */

enum sb_privacy_action { SB_PRIVACY_KEEP, SB_PRIVACY_DROP, SB_PRIVACY_MASK, SB_PRIVACY_HMAC };
/* Of input `index` of the signature; of a name where there is none. */
enum sb_privacy_action sb_privacy_of_input(const struct sb_privacy *p, size_t index);
enum sb_privacy_action sb_privacy_of_name(const struct sb_privacy *p, struct sb_str name);
/* Writes what stands for the cell: action is MASK or HMAC. */
void sb_privacy_add(struct sb_buf *b, const struct sb_privacy *p, enum sb_privacy_action action,
                    const struct sb_column *column, size_t row);

#endif

/* Inside codec/: what the tree needs of the reader. */
#ifndef SB_CODEC_JSON_INT_H
#define SB_CODEC_JSON_INT_H

#include "codec/json.h"
#include "codec/number_int.h"

/* Deepest nesting any reader can be set to. */
enum { SB_JSON_DEPTH_CAP = 1024 };

/* Latches the first failure at a place in the text; returns its code. */
sb_err sb_json_fail(struct sb_json_reader *r, sb_err code, const char *at, const char *fmt, ...)
    SB_PRINTF(4, 5);

/* The next number, its text and whether it is finite; *n is set for finite ones only. */
sb_err sb_json_number(struct sb_json_reader *r, struct sb_number *n, double *d,
                      struct sb_str *token);

/* sb_json_next_key that also says where the key's quote stands. key may be NULL: not decoded. */
sb_err sb_json_next_key_at(struct sb_json_reader *r, struct sb_str *key, const char **at,
                           bool *more);

/* The first member whose key an earlier one has already, or NULL. SB_E_NOMEM. O(n). */
sb_err sb_json_find_duplicate(const struct sb_json *o, const struct sb_json **dup);

#endif

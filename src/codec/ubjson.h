/* UBJSON (draft 12, ubjson.org) as XGBoost writes it: a strict reader into a tree in an arena.
 *
 * Typed arrays of numbers ([$d#L...) stay views of the file's bytes. Depth, counts and lengths are
 * checked against the bytes that are left before anything is allocated. High-precision numbers (H)
 * are refused. Not thread-safe per arena. */
#ifndef SB_CODEC_UBJSON_H
#define SB_CODEC_UBJSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum { SB_UBJ_DEPTH_MAX = 64 };

enum sb_ubj_type {
    SB_UBJ_NULL,
    SB_UBJ_BOOL,
    SB_UBJ_INT,
    SB_UBJ_FLOAT, /* float32 and float64 */
    SB_UBJ_STR,
    SB_UBJ_NUMBERS, /* array of numbers of one type, packed */
    SB_UBJ_ARRAY,
    SB_UBJ_OBJECT,
};

struct sb_ubj {
    enum sb_ubj_type type;
    size_t pos;                  /* byte offset */
    struct sb_str key;           /* in an object: this member's */
    struct sb_ubj *child, *next; /* first element or member; next sibling */
    size_t n;                    /* elements */
    union {
        bool b;
        int64_t i;
        double d;
        struct sb_str s;
        struct {
            const uint8_t *data; /* n numbers */
            char elem;           /* i U I l L d D: UBJSON's letter */
            bool little;         /* byte order; UBJSON's own is big-endian */
        } num;
    };
};

/* The whole text as one value. Errors carry the byte position: SB_E_SYNTAX, SB_E_LIMIT (depth, the
 * arena's maximum). */
SB_MUST_CHECK sb_err sb_ubj_parse(struct sb_ubj **out, struct sb_str text, struct sb_arena *arena,
                                  struct sb_errctx *ctx);

/* Member of an object (the last of that name); NULL when o is NULL, no object, or has none. */
const struct sb_ubj *sb_ubj_get(const struct sb_ubj *o, const char *key);
/* Elements of an array of numbers (either form; booleans count as 0 and 1) as doubles in the arena.
 * false when v is something else or memory is over. */
bool sb_ubj_numbers(const struct sb_ubj *v, struct sb_arena *arena, double **out, size_t *n);

#endif

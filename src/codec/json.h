/* JSON, RFC 8259 strict: a pull reader without a tree for the hot path, a tree in an arena for API
 * documents, and a writer. Invalid UTF-8, lone surrogates, duplicate keys in trees, trailing bytes,
 * a BOM and depth over the limit are errors that carry the byte position. Not thread-safe per
 * object. */
#ifndef SB_CODEC_JSON_H
#define SB_CODEC_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* ---- pull reader: the caller walks the document in place ---- */

enum sb_json_type {
    SB_JSON_NULL,
    SB_JSON_FALSE,
    SB_JSON_TRUE,
    SB_JSON_NUMBER,
    SB_JSON_STRING,
    SB_JSON_ARRAY,
    SB_JSON_OBJECT,
};

struct sb_json_reader {
    const char *p, *begin, *end;
    struct sb_arena *arena; /* where strings with escapes are decoded to */
    struct sb_errctx *ctx;  /* first error, pos = byte offset */
    sb_err err;
    uint32_t depth, max_depth; /* 0 = SB_LIMIT_JSON_DEPTH; at most 1024 */
    uint32_t number_max;       /* 0 = SB_LIMIT_JSON_NUMBER characters */
    size_t string_max;         /* 0 = SB_LIMIT_JSON_STRING bytes, as written in the text */
    bool first;                /* internal: no element of the open container was read yet */
    bool nonfinite;            /* also accept NaN, Infinity, -Infinity (MLflow's Python JSON) */
};

void sb_json_reader_init(struct sb_json_reader *r, struct sb_str text, struct sb_arena *arena,
                         struct sb_errctx *ctx);

/* Type of the next value without consuming it. */
SB_MUST_CHECK sb_err sb_json_peek(struct sb_json_reader *r, enum sb_json_type *out);

/* A scalar of exactly that type (SB_E_INVALID otherwise, at its position). Number tokens can be had
 * as their own text too: events keep the request's digits. */
SB_MUST_CHECK sb_err sb_json_read_null(struct sb_json_reader *r);
SB_MUST_CHECK sb_err sb_json_read_bool(struct sb_json_reader *r, bool *out);
SB_MUST_CHECK sb_err sb_json_read_double(struct sb_json_reader *r, double *out,
                                         struct sb_str *token);
SB_MUST_CHECK sb_err sb_json_read_string(struct sb_json_reader *r, struct sb_str *out);

/* Containers: enter, then next until it says *more = false (which also leaves the container).
 *     SB_TRY(sb_json_enter_object(r));
 *     for (bool more;;) { SB_TRY(sb_json_next_key(r, &key, &more)); if (!more) break; read value }
 */
SB_MUST_CHECK sb_err sb_json_enter_object(struct sb_json_reader *r);
SB_MUST_CHECK sb_err sb_json_next_key(struct sb_json_reader *r, struct sb_str *key, bool *more);
SB_MUST_CHECK sb_err sb_json_enter_array(struct sb_json_reader *r);
SB_MUST_CHECK sb_err sb_json_next_item(struct sb_json_reader *r, bool *more);

/* Skips any value; *raw is its own text. */
SB_MUST_CHECK sb_err sb_json_skip(struct sb_json_reader *r, struct sb_str *raw);
/* Nothing but white space is left. */
SB_MUST_CHECK sb_err sb_json_finish(struct sb_json_reader *r);

/* ---- tree ---- */

struct sb_json {
    enum sb_json_type type;
    bool is_int;                  /* number without fraction or exponent that fits int64 */
    int64_t i;                    /* valid when is_int */
    double d;                     /* every number */
    struct sb_str s;              /* string value, or the number's own text */
    struct sb_str key;            /* in an object: this member's key */
    struct sb_json *child, *next; /* first element or member; next sibling */
    size_t n;                     /* number of children */
    size_t pos;                   /* byte offset in the text */
    size_t key_pos;               /* of the key's opening quote */
};

/* Whole text as one value. Strings are views of text where they have no escapes, so text must
 * outlive the tree. Duplicate keys: SB_E_SYNTAX. */
SB_MUST_CHECK sb_err sb_json_parse(struct sb_json **out, struct sb_str text, struct sb_arena *arena,
                                   struct sb_errctx *ctx);
/* The same with limits, nonfinite tokens and so on set on a reader by the caller. */
SB_MUST_CHECK sb_err sb_json_parse_with(struct sb_json **out, struct sb_json_reader *r);

/* Member of an object; NULL when o is NULL, not an object, or has none. */
struct sb_json *sb_json_get(const struct sb_json *o, const char *key);
/* Typed member, or the fallback when absent or null. false = present with another type. */
bool sb_json_get_str(const struct sb_json *o, const char *key, struct sb_str *out);
bool sb_json_get_i64(const struct sb_json *o, const char *key, int64_t *out);
bool sb_json_get_double(const struct sb_json *o, const char *key, double *out);
bool sb_json_get_bool(const struct sb_json *o, const char *key, bool *out);

/* ---- writing into a buffer ---- */

/* "text" with escapes; invalid UTF-8 becomes U+FFFD. */
void sb_json_add_string(struct sb_buf *b, struct sb_str s);
/* Shortest text that reads back as the same double; NaN and infinities as null. */
void sb_json_add_double(struct sb_buf *b, double v);
/* The same digits for a float: shortest that reads back as the same float. */
void sb_json_add_float(struct sb_buf *b, float v);
/* Any tree. */
void sb_json_add_tree(struct sb_buf *b, const struct sb_json *v);

/* Structured writer that sets commas itself; a NULL key inside arrays and at the top.
 *     struct sb_json_writer w = {.b = b};
 *     sb_json_obj(&w, NULL); sb_json_str(&w, "name", s); sb_json_end(&w); */
struct sb_json_writer {
    struct sb_buf *b;
    uint64_t closers; /* one bit per open level: 1 = object */
    uint32_t depth;
    bool comma;
};
void sb_json_obj(struct sb_json_writer *w, const char *key);
void sb_json_arr(struct sb_json_writer *w, const char *key);
void sb_json_end(struct sb_json_writer *w);
void sb_json_str(struct sb_json_writer *w, const char *key, struct sb_str v);
void sb_json_int(struct sb_json_writer *w, const char *key, int64_t v);
void sb_json_double(struct sb_json_writer *w, const char *key, double v);
void sb_json_bool(struct sb_json_writer *w, const char *key, bool v);
void sb_json_null(struct sb_json_writer *w, const char *key);
/* v is JSON text already. */
void sb_json_raw(struct sb_json_writer *w, const char *key, struct sb_str v);
/* Keys from outside: escaped. */
void sb_json_key(struct sb_json_writer *w, struct sb_str key);

/* Correctly rounded text -> double for all of s, which has the form of an RFC 8259 number; false
 * when it has not. Over the range gives an infinity, as strtod does. */
bool sb_double_parse(struct sb_str s, double *out);
/* Writes the shortest round-trip text, at most 32 bytes; returns its length. Finite values only. */
size_t sb_double_format(char *to, double v);
size_t sb_float_format(char *to, float v);

#endif

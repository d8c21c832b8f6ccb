/* What a pickle or a skops file says, as data: a graph of values in an arena.
 *
 * Nothing here was ever run. Objects are records of the class's name, the arguments of its
 * constructor, its state and its items; functions are names. Values may be shared and lists may
 * contain themselves, so nobody walks a graph without a counter. Strings, bytes and array data are
 * views of the file's bytes (or of the arena), so the file outlives the graph. */
#ifndef SB_ENGINE_PICKLE_VALUE_H
#define SB_ENGINE_PICKLE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum sb_pv_type {
    SB_PV_NONE,
    SB_PV_BOOL,
    SB_PV_INT,
    SB_PV_BIGINT, /* .s: little-endian two's complement bytes, more than 8 of them */
    SB_PV_FLOAT,
    SB_PV_STR,    /* .s, UTF-8 (lone surrogates pass) */
    SB_PV_BYTES,  /* .s; bytes and bytearray */
    SB_PV_LIST,   /* .seq */
    SB_PV_TUPLE,  /* .seq */
    SB_PV_SET,    /* .seq; set and frozenset */
    SB_PV_DICT,   /* .seq: key, value, key, value ...; a later pair of the same key wins */
    SB_PV_ARRAY,  /* .array */
    SB_PV_DTYPE,  /* .dtype */
    SB_PV_GLOBAL, /* .global: the name of a class or function, nothing more */
    SB_PV_OBJECT, /* .object */
};

/* A numpy dtype. Immutable. */
struct sb_np_dtype {
    char kind;     /* b i u f c S U V O M m */
    bool big;      /* big-endian */
    uint32_t size; /* bytes of one item, at least 1 */
    uint32_t nfields;
    struct sb_np_field {
        struct sb_str name;
        const struct sb_np_dtype *type;
        uint32_t offset; /* offset + type->size <= size of the whole, checked */
    } * fields;          /* structured types (kind V) */
};

enum { SB_NP_DIMS_MAX = 8 };

/* A numpy array: count * dtype->size bytes at data, checked. */
struct sb_np_array {
    const struct sb_np_dtype *dtype;
    uint32_t ndim;
    bool fortran; /* first index varies fastest */
    size_t shape[SB_NP_DIMS_MAX];
    size_t count;
    const uint8_t *data;         /* NULL for kind O */
    const struct sb_pv *objects; /* kind O: a LIST of count values, else NULL */
};

struct sb_pv;
struct sb_pv_seq {
    struct sb_pv **v;
    uint32_t n, cap;
};

struct sb_pv {
    enum sb_pv_type type;
    size_t pos; /* byte offset of the instruction that made it */
    union {
        bool b;
        int64_t i;
        double d;
        struct sb_str s;
        struct sb_pv_seq seq;
        struct sb_np_array *array;
        const struct sb_np_dtype *dtype;
        struct {
            struct sb_str module, name;
        } global;
        struct sb_pv_object *object;
    };
};

struct sb_pv_object {
    struct sb_str module, name; /* of the class, as the file spells it */
    struct sb_pv *args;         /* TUPLE, or NULL */
    struct sb_pv *state;        /* what BUILD gave, or NULL */
    struct sb_pv_seq items;     /* key, value ... of dict subclasses; values of list subclasses */
};

/* The value of a str key in a DICT, in an OBJECT's state (a DICT, or the first half of a (dict,
 * slots) pair); NULL when absent or v is neither. */
const struct sb_pv *sb_pv_get(const struct sb_pv *v, const char *key);

/* "module.Class" matches exactly one of the two parts each. */
bool sb_pv_is_class(const struct sb_pv *v, const char *module, const char *name);
/* An int, bool, or numpy scalar or 0-d or one-element array of integer type. */
bool sb_pv_to_i64(const struct sb_pv *v, int64_t *out);
/* The same for numbers of any kind. */
bool sb_pv_to_double(const struct sb_pv *v, double *out);
/* A str, or a numpy string scalar decoded into the arena. */
bool sb_pv_to_str(const struct sb_pv *v, struct sb_arena *a, struct sb_str *out);

/* Element i (C order of the flattened array; fortran arrays are mapped) of a number array. The
 * caller keeps i < count. Kinds b i u and f only, else false. Unsigned 64-bit values above
 * INT64_MAX fail for i64. */
bool sb_np_get_i64(const struct sb_np_array *a, size_t i, int64_t *out);
bool sb_np_get_double(const struct sb_np_array *a, size_t i, double *out);
/* Element of kind U or S as UTF-8 in the arena (trailing NULs dropped). */
bool sb_np_get_str(const struct sb_np_array *a, size_t i, struct sb_arena *arena,
                   struct sb_str *out);
/* Bytes of element i. */
const uint8_t *sb_np_item(const struct sb_np_array *a, size_t i);
/* Reads one number of type t at p. */
bool sb_np_load_i64(const struct sb_np_dtype *t, const uint8_t *p, int64_t *out);
bool sb_np_load_double(const struct sb_np_dtype *t, const uint8_t *p, double *out);
/* Field of a structured type, or NULL. */
const struct sb_np_field *sb_np_field_find(const struct sb_np_dtype *t, const char *name);

/* ---- making values: for the readers of this folder ---- */

/* NULL when over the arena's maximum. */
struct sb_pv *sb_pv_new(struct sb_arena *a, enum sb_pv_type type, size_t pos);
SB_MUST_CHECK bool sb_pv_seq_push(struct sb_arena *a, struct sb_pv_seq *q, struct sb_pv *v);
/* Writes code point c (at most 0x10ffff) as 1 to 4 bytes; returns how many. */
size_t sb_pv_utf8_put(char *to, uint32_t c);
/* "<f8", "f8", "|V56", "O8", "U12" -> a dtype; NULL when it is not one we know. */
struct sb_np_dtype *sb_np_dtype_parse(struct sb_arena *a, struct sb_str text);
/* Product of shape, checked; false on overflow or over 2^40. */
bool sb_np_shape_count(const size_t *shape, uint32_t ndim, size_t *count);

#endif

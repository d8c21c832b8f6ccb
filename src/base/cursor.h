/* Checked reading of bytes from outside: every get is bounds-checked, the first failure stays with
 * its position, and everything after it returns zeros. Parsers never index raw input. */
#ifndef SB_BASE_CURSOR_H
#define SB_BASE_CURSOR_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct sb_cursor {
    const uint8_t *p, *begin, *end;
    sb_err err;
    int64_t err_pos; /* byte offset from begin of the first failure */
};

static inline struct sb_cursor sb_cursor_of(const void *p, size_t n) {
    const uint8_t *b = p;
    return (struct sb_cursor){b, b, n ? b + n : b, SB_OK, -1};
}
static inline size_t sb_cursor_left(const struct sb_cursor *c) {
    return (size_t)(c->end - c->p);
}
static inline size_t sb_cursor_pos(const struct sb_cursor *c) {
    return (size_t)(c->p - c->begin);
}
static inline void sb_cursor_fail(struct sb_cursor *c, sb_err err) {
    if (c->err) return;
    c->err = err;
    c->err_pos = (int64_t)sb_cursor_pos(c);
    c->p = c->end;
}

/* n bytes in place; NULL (and failed with SB_E_CORRUPT) when fewer are left. */
static inline const uint8_t *sb_cursor_take(struct sb_cursor *c, size_t n) {
    if (sb_cursor_left(c) < n) {
        sb_cursor_fail(c, SB_E_CORRUPT);
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    return p;
}
static inline struct sb_str sb_cursor_str(struct sb_cursor *c, size_t n) {
    const uint8_t *p = sb_cursor_take(c, n);
    return (struct sb_str){(const char *)p, p ? n : 0};
}

/* Integers of 1, 2, 4, 8 bytes, little (le) and big (be) endian; 0 when failed. */
#define SB_CURSOR_INT(name, type, conv)                                                            \
    static inline type sb_cursor_##name(struct sb_cursor *c) {                                     \
        const uint8_t *p = sb_cursor_take(c, sizeof(type));                                        \
        type v = 0;                                                                                \
        if (p) memcpy(&v, p, sizeof v);                                                            \
        return (type)conv(v);                                                                      \
    }
#define SB_CURSOR_SAME(v) (v)
SB_CURSOR_INT(u8, uint8_t, SB_CURSOR_SAME)
SB_CURSOR_INT(le16, uint16_t, SB_CURSOR_SAME)
SB_CURSOR_INT(le32, uint32_t, SB_CURSOR_SAME)
SB_CURSOR_INT(le64, uint64_t, SB_CURSOR_SAME)
SB_CURSOR_INT(be16, uint16_t, __builtin_bswap16)
SB_CURSOR_INT(be32, uint32_t, __builtin_bswap32)
SB_CURSOR_INT(be64, uint64_t, __builtin_bswap64)
#undef SB_CURSOR_INT

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");

#endif

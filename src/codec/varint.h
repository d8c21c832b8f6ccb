/* Variable-length integers of Kafka and protobuf: 7 bits a byte, low first, top bit = more follows.
 * The signed form is zigzag: 0, -1, 1, -2 become 0, 1, 2, 3. */
#ifndef SB_CODEC_VARINT_H
#define SB_CODEC_VARINT_H

#include "base/cursor.h"

enum { SB_VARINT_MAX = 10 }; /* bytes of the longest */

static inline uint64_t sb_zigzag(int64_t v) {
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int64_t sb_unzigzag(uint64_t v) {
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline size_t sb_uvarint_size(uint64_t v) {
    return v ? ((size_t)(63 - __builtin_clzll(v)) / 7) + 1 : 1;
}
static inline size_t sb_varint_size(int64_t v) {
    return sb_uvarint_size(sb_zigzag(v));
}

/* Writes at `to`, which has room; returns the place behind. */
static inline char *sb_uvarint_put(char *to, uint64_t v) {
    for (; v > 127; v >>= 7) *to++ = (char)(v | 128);
    *to++ = (char)v;
    return to;
}
static inline char *sb_varint_put(char *to, int64_t v) {
    return sb_uvarint_put(to, sb_zigzag(v));
}

/* SB_E_CORRUPT (and 0) when cut short, over 10 bytes or over 64 bits. */
static inline uint64_t sb_cursor_uvarint(struct sb_cursor *c) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = sb_cursor_u8(c);
        if (c->err || (shift == 63 && b > 1)) break;
        v |= (uint64_t)(b & 127) << shift;
        if (b < 128) return v;
    }
    sb_cursor_fail(c, SB_E_CORRUPT);
    return 0;
}
static inline int64_t sb_cursor_varint(struct sb_cursor *c) {
    return sb_unzigzag(sb_cursor_uvarint(c));
}

#endif

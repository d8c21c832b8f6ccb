/* Base64, RFC 4648 section 4: standard alphabet, padded, nothing else tolerated. Any thread. */
#ifndef SB_CODEC_BASE64_H
#define SB_CODEC_BASE64_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

void sb_base64_add(struct sb_buf *b, struct sb_str bytes);
/* Room that decoding n characters may need. */
static inline size_t sb_base64_room(size_t n) {
    return n / 4 * 3;
}
/* Writes *n bytes at to; false when s is not base64 (bits behind the end must be zero). */
bool sb_base64_decode(struct sb_str s, uint8_t *to, size_t *n);

#endif

/* UTF-8 as Unicode 15 chapter 3.9 (table 3-7) defines it: no overlong forms, no surrogates, nothing
 * above U+10FFFF. Any thread. */
#ifndef SB_CODEC_UTF8_H
#define SB_CODEC_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Length 1..4 of the well-formed sequence at p, or -n where n >= 1 bytes are the ill-formed part
 * that one U+FFFD stands for (the "maximal subpart" rule). p < end. */
int sb_utf8_step(const char *p, const char *end);

/* Index of the first ill-formed sequence, or -1 when all of s is UTF-8. */
ptrdiff_t sb_utf8_check(struct sb_str s);
static inline bool sb_utf8_valid(struct sb_str s) {
    return sb_utf8_check(s) < 0;
}

/* Writes code point c (a scalar value, not a surrogate) as 1..4 bytes; returns how many. */
size_t sb_utf8_put(char to[4], uint32_t c);

#endif

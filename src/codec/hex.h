/* Bytes as hexadecimal text. Any thread. */
#ifndef SB_CODEC_HEX_H
#define SB_CODEC_HEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* 2 * n lower-case digits at to; no NUL. */
void sb_hex_encode(char *to, const void *p, size_t n);
/* s.n / 2 bytes at to; either case. false when s is anything else (to may be part written). */
bool sb_hex_decode(struct sb_str s, uint8_t *to);
/* Value of one digit, -1 when it is none. */
int sb_hex_digit(char c);

#endif

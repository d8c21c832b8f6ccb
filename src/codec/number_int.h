/* Inside codec/: the scanner of number tokens and the table of powers that reading and writing
 * share. */
#ifndef SB_CODEC_NUMBER_INT_H
#define SB_CODEC_NUMBER_INT_H

#include <stdbool.h>
#include <stdint.h>

/* floor of 10^q as a 128-bit significand with its top bit set; value = (hi:lo) * 2^(e - 127) with
 * e = sb_log2_pow10(q). Exact when 0 <= q <= SB_POW10_EXACT. */
struct sb_pow10 {
    uint64_t hi, lo;
};
enum { SB_POW10_FIRST = -342, SB_POW10_LAST = 324, SB_POW10_EXACT = 55 };
extern const struct sb_pow10 sb_pow10_table[SB_POW10_LAST - SB_POW10_FIRST + 1];

/* floor(log2(10^q)), right for |q| <= 1233 (the constant is log2(10) * 2^19). */
static inline int sb_log2_pow10(int q) {
    return (q * 1741647) >> 19;
}

/* A number token: value = w * 10^exp10, negated when neg. When the token has more than 19 digits, w
 * holds the first 19 and `cut` says so. */
struct sb_number {
    uint64_t w;
    int64_t exp10;
    bool neg, cut, integer; /* integer: neither fraction nor exponent */
    const char *digits;     /* first digit */
};

/* Scans one RFC 8259 number at p. Returns its end, or NULL with *bad at the offending place and
 * *why. */
const char *sb_number_scan(const char *p, const char *end, struct sb_number *out, const char **bad,
                           const char **why);

/* Correctly rounded; infinite when over the range. [n->digits, end) is the token. */
double sb_number_double(const struct sb_number *n, const char *end);

#endif

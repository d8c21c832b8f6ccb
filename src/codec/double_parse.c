/* Text to double, correctly rounded (nearest, ties to even).
 *
 * Three steps, each exact or handing over to the next:
 * 1. Clinger's fast path (PLDI 1990): w < 2^53 and |exp10| <= 22, one correctly rounded operation.
 * 2. The multiplication of Eisel and Lemire ("Number parsing at a gigabyte per second", 2021) with
 *    all 192 bits of w * 10^q: the table rounds down, so the true product lies less than one unit
 *    of bit 64 above ours; only when that unit could change the rounding is it undecided.
 * 3. strtod on a normal form without a decimal point, so that no locale can matter. */
#include "codec/number_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"

typedef unsigned __int128 u128;

const struct sb_pow10 sb_pow10_table[SB_POW10_LAST - SB_POW10_FIRST + 1] = {
#include "codec/pow10.inc"
};

static inline bool is_digit(const char *p, const char *end) {
    return p < end && (unsigned char)(*p - '0') < 10;
}
static inline unsigned digit_of(char c) {
    return (unsigned char)(c - '0');
}

/* More than 19 digits: takes the first 19 that count and says what the rest was worth. */
static void cut_digits(struct sb_number *n, const char *end) {
    uint64_t w = 0;
    int taken = 0;
    int64_t dropped = 0;
    for (const char *p = n->digits; p < end; p++) {
        if (*p == '.') continue;
        if (taken < 19) {
            w = w * 10 + digit_of(*p);
            taken += w != 0;
        } else {
            n->cut |= *p != '0';
            dropped++;
        }
    }
    n->w = w;
    n->exp10 += dropped;
}

static const char *scan_exponent(const char *p, const char *end, int64_t *exp10, const char **bad,
                                 const char **why) {
    bool neg = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (!is_digit(p, end)) {
        *bad = p;
        *why = "expected a digit of the exponent";
        return NULL;
    }
    int64_t e = 0;
    for (; is_digit(p, end); p++) {
        if (e < INT64_C(1000000000000000)) e = e * 10 + (int64_t)digit_of(*p);
    }
    *exp10 += neg ? -e : e;
    return p;
}

const char *sb_number_scan(const char *p, const char *end, struct sb_number *out, const char **bad,
                           const char **why) {
    struct sb_number n = {.neg = p < end && *p == '-', .integer = true};
    if (n.neg) p++;
    n.digits = p;
    *bad = p;
    if (!is_digit(p, end)) {
        *why = n.neg ? "expected a digit after '-'" : "expected a number";
        return NULL;
    }
    if (*p == '0' && is_digit(p + 1, end)) {
        *why = "a number may not start with 0";
        return NULL;
    }
    for (; is_digit(p, end); p++) n.w = n.w * 10 + digit_of(*p);
    ptrdiff_t count = p - n.digits;
    if (p < end && *p == '.') {
        const char *from = ++p;
        if (!is_digit(p, end)) {
            *bad = p;
            *why = "expected a digit after '.'";
            return NULL;
        }
        for (; is_digit(p, end); p++) n.w = n.w * 10 + digit_of(*p);
        n.exp10 = from - p;
        count += p - from;
        n.integer = false;
    }
    if (count > 19) cut_digits(&n, p);
    if (p < end && (*p | 0x20) == 'e') {
        n.integer = false;
        p = scan_exponent(p + 1, end, &n.exp10, bad, why);
        if (!p) return NULL;
    }
    *out = n;
    return p;
}

/* w * 10^q, rounded; false when the table's precision does not decide it. w != 0. */
static bool multiply(uint64_t w, int q, double *out) {
    struct sb_pow10 g = sb_pow10_table[q - SB_POW10_FIRST];
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    u128 low = (u128)w * g.lo;
    u128 u = (u128)w * g.hi + (uint64_t)(low >> 64);
    bool rest = (uint64_t)low != 0;
    int top = (uint64_t)(u >> 127) ? 127 : 126;
    int e = top - 63 - zeros + sb_log2_pow10(q);
    int keep = e >= -1022 ? 53 : 53 + 1022 + e;
    if (keep <= 0) return false;
    int drop = top + 1 - keep;
    uint64_t m = (uint64_t)(u >> drop);
    u128 frac = u & (((u128)1 << drop) - 1), half = (u128)1 << (drop - 1);
    bool exact = q >= 0 && q <= SB_POW10_EXACT;
    if (!exact && (frac == half - 1 || (frac == half && !rest))) return false;
    bool up = frac > half || (frac == half && (rest || (m & 1)));
    uint64_t bits = m + up;
    /* a carry out of the significand moves into the exponent by itself */
    if (e >= -1022) bits += (uint64_t)(e + 1022) << 52;
    if (bits >= UINT64_C(0x7FF0000000000000)) bits = UINT64_C(0x7FF0000000000000);
    memcpy(out, &bits, sizeof *out);
    return true;
}

/* The digits that can matter (767 for a double) and one for all that follow. */
static double slow(const struct sb_number *n, const char *end) {
    enum { DIGITS = 800 };
    char text[DIGITS + 32];
    size_t k = 0;
    int64_t exp10 = 0;
    bool fraction = false, more = false;
    const char *p = n->digits;
    for (; p < end && (*p | 0x20) != 'e'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        if (k < DIGITS) {
            if (k || *p != '0') text[k++] = *p;
            exp10 -= fraction;
        } else {
            more |= *p != '0';
            exp10 += !fraction;
        }
    }
    if (p < end) {
        const char *bad, *why;
        (void)scan_exponent(p + 1, end, &exp10, &bad, &why);
    }
    if (more) {
        text[k++] = '1';
        exp10--;
    }
    if (!k) return 0;
    if (exp10 > 100000) exp10 = 100000;
    if (exp10 < -100000) exp10 = -100000;
    snprintf(text + k, sizeof text - k, "e%d", (int)exp10);
    return strtod(text, NULL);
}

double sb_number_double(const struct sb_number *n, const char *end) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double v, v2;
    if (n->w == 0) {
        v = 0;
    } else if (!n->cut && n->w <= UINT64_C(1) << 53 && n->exp10 >= -22 && n->exp10 <= 22) {
        v = n->exp10 < 0 ? (double)n->w / tens[-n->exp10] : (double)n->w * tens[n->exp10];
    } else if (n->exp10 < SB_POW10_FIRST) {
        v = 0; /* under 2^64 * 10^-343, less than half the smallest double */
    } else if (n->exp10 > 308) {
        v = HUGE_VAL;
    } else if (!multiply(n->w, (int)n->exp10, &v) ||
               (n->cut && (!multiply(n->w + 1, (int)n->exp10, &v2) || v2 != v))) {
        v = slow(n, end);
    }
    return n->neg ? -v : v;
}

bool sb_double_parse(struct sb_str s, double *out) {
    struct sb_number n;
    const char *bad, *why;
    const char *end = sb_number_scan(s.p, s.p + s.n, &n, &bad, &why);
    if (!end || end != s.p + s.n) return false;
    *out = sb_number_double(&n, end);
    return true;
}

/* Shortest text that reads back as the same number: Schubfach (Raffaello Giulietti, "The Schubfach
 * way to render doubles", 2020).
 *
 * A finite v = c * 2^q owns the reals that round to it. Scaled by 10^-k, with k the largest power
 * whose spacing still fits that interval, at least one integer lies inside and no shorter decimal
 * does, except perhaps a multiple of ten. The interval's ends and its middle are computed times 4
 * and rounded to odd (the last bit sticky), which keeps every comparison below exact. Floats take
 * the same path with their own c, q and interval. */
#include "codec/json.h"

#include "codec/number_int.h"

typedef unsigned __int128 u128;

/* digits * 10^exp10, no trailing zeros in digits */
struct decimal {
    uint64_t digits;
    int exp10;
};

/* floor(g * c / 2^128), last bit set when something was cut off. */
static uint64_t round_to_odd(struct sb_pow10 g, uint64_t c) {
    u128 high = (u128)g.hi * c + (uint64_t)((u128)g.lo * c >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* c * 2^q; closer = the lower neighbour is only half as far away (c is the smallest significand).
 */
static struct decimal shortest(uint64_t c, int q, bool closer) {
    uint64_t odd = c & 1;
    /* floor(log10(2^q)), or of 3/4 * 2^q */
    int k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
    int shift = q + sb_log2_pow10(-k) + 1;
    struct sb_pow10 g = sb_pow10_table[-k - SB_POW10_FIRST];
    if (k > 0 || -k > SB_POW10_EXACT) { /* the table rounds down, the method needs up */
        g.lo++;
        g.hi += g.lo == 0;
    }
    uint64_t lower = round_to_odd(g, (4 * c - 2 + closer) << shift) + odd;
    uint64_t mid = round_to_odd(g, (4 * c) << shift);
    uint64_t upper = round_to_odd(g, (4 * c + 2) << shift) - odd;

    uint64_t s = mid / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool down_fits = lower <= 40 * tens, up_fits = 40 * tens + 40 <= upper;
        if (down_fits != up_fits) return (struct decimal){tens + up_fits, k + 1};
    }
    bool down_fits = lower <= 4 * s, up_fits = 4 * s + 4 <= upper;
    if (down_fits != up_fits) return (struct decimal){s + up_fits, k};
    uint64_t half = 4 * s + 2;
    bool up = mid > half || (mid == half && (s & 1));
    return (struct decimal){s + up, k};
}

static struct decimal strip_zeros(struct decimal d) {
    while (d.digits % 100 == 0) {
        d.digits /= 100;
        d.exp10 += 2;
    }
    if (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exp10++;
    }
    return d;
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                            "34353637383940414243444546474849505152535455565758596061626364656667"
                            "6869707172737475767778798081828384858687888990919293949596979899";

static int count_digits(uint64_t v) {
    int n = 1;
    for (; v >= 10000; v /= 10000) n += 4;
    return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

/* Exactly n digits. */
static void put_digits(char *to, uint64_t v, int n) {
    while (n >= 2) {
        n -= 2;
        memcpy(to + n, pairs + v % 100 * 2, 2);
        v /= 100;
    }
    if (n) *to = (char)('0' + v);
}

static size_t put_exponent(char *to, int e) {
    char *p = to;
    *p++ = 'e';
    if (e < 0) *p++ = '-';
    unsigned v = (unsigned)(e < 0 ? -e : e);
    int n = count_digits(v);
    put_digits(p, v, n);
    return (size_t)(p + n - to);
}

/* As Python writes a float (repr, json): plain between 1e-4 and 1e16, else with an exponent. */
static size_t layout(char *to, bool neg, struct decimal d) {
    char *p = to;
    if (neg) *p++ = '-';
    int n = count_digits(d.digits);
    int point = n + d.exp10; /* digits before the decimal point */
    if (point > 16 || point < -3) {
        put_digits(p + 1, d.digits, n);
        p[0] = p[1];
        p[1] = '.';
        p += n > 1 ? n + 1 : 1;
        return (size_t)(p - to) + put_exponent(p, point - 1);
    }
    if (point <= 0) { /* 0.000ddd */
        memcpy(p, "0.0000", 6);
        put_digits(p + 2 - point, d.digits, n);
        return (size_t)(p + 2 - point + n - to);
    }
    if (d.exp10 >= 0) { /* ddd000.0 */
        put_digits(p, d.digits, n);
        memset(p + n, '0', (size_t)d.exp10);
        memcpy(p + point, ".0", 2);
        return (size_t)(p + point + 2 - to);
    }
    put_digits(p + 1, d.digits, n); /* ddd.ddd */
    memmove(p, p + 1, (size_t)point);
    p[point] = '.';
    return (size_t)(p + n + 1 - to);
}

/* digits of the significand (without the hidden bit), bias of the exponent for an integer c */
static size_t format(char *to, bool neg, uint64_t frac, int exp, int frac_bits, int bias) {
    if (!frac && !exp) {
        memcpy(to, "-0.0", 4);
        if (!neg) memcpy(to, "0.0", 3);
        return neg ? 4 : 3;
    }
    uint64_t c = exp ? frac | UINT64_C(1) << frac_bits : frac;
    int q = (exp ? exp : 1) - bias;
    struct decimal d;
    if (q <= 0 && q >= -frac_bits && (c & ((UINT64_C(1) << -q) - 1)) == 0) {
        d = (struct decimal){c >> -q, 0}; /* an integer under 2^53 (2^24): its own digits */
    } else {
        d = shortest(c, q, frac == 0 && exp > 1);
    }
    return layout(to, neg, strip_zeros(d));
}

size_t sb_double_format(char *to, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    int exp = (int)(bits >> 52 & 0x7FF);
    SB_ASSERT(exp != 0x7FF);
    return format(to, bits >> 63, bits & ((UINT64_C(1) << 52) - 1), exp, 52, 1023 + 52);
}

size_t sb_float_format(char *to, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    int exp = (int)(bits >> 23 & 0xFF);
    SB_ASSERT(exp != 0xFF);
    return format(to, bits >> 31, bits & ((UINT32_C(1) << 23) - 1), exp, 23, 127 + 23);
}

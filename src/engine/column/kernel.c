/* Loops over the values of a column that the compiler turns into vector code: for each width of a
 * value, with AVX2 where the machine has it. What they compute is plain to see in the bodies; the
 * rest is dispatch. */
#include <math.h>

#include "engine/column/search_int.h"

#ifdef __clang__
#define FAST
#else
#define FAST __attribute__((optimize("O3")))
#endif

#ifdef __x86_64__
#define AVX2     __attribute__((target("avx2,popcnt,bmi,bmi2")))
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#else
#define AVX2
#define HAS_AVX2 0
#endif

/* A kernel `name` from its body, once for each kind of machine. */
#define KERNEL(type, name, params, args)                                                           \
    static FAST AVX2 type name##_avx2 params {                                                     \
        return name##_body args;                                                                   \
    }                                                                                              \
    static FAST type name##_plain params {                                                         \
        return name##_body args;                                                                   \
    }                                                                                              \
    type name params {                                                                             \
        return HAS_AVX2 ? name##_avx2 args : name##_plain args;                                    \
    }

/* Eight bytes of 0 or 1 as eight bits: the product puts byte i at bit 56 + i. */
static SB_INLINE uint64_t pack64(const uint8_t *m) {
    uint64_t out = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t v;
        memcpy(&v, m + 8 * i, 8);
        out |= (v * UINT64_C(0x0102040810204080) >> 56) << (8 * i);
    }
    return out;
}

/* bits = COND(i) for i in [0, n) */
#define BITMAP(COND)                                                                               \
    do {                                                                                           \
        uint32_t b = 0;                                                                            \
        for (; b + 64 <= n; b += 64) {                                                             \
            uint8_t m[64];                                                                         \
            for (uint32_t j = 0; j < 64; j++) {                                                    \
                uint32_t i = b + j;                                                                \
                m[j] = (COND);                                                                     \
            }                                                                                      \
            bits[b / 64] = pack64(m);                                                              \
        }                                                                                          \
        if (b < n) {                                                                               \
            uint64_t word = 0;                                                                     \
            for (uint32_t i = b; i < n; i++) word |= (uint64_t)(COND) << (i - b);                  \
            bits[b / 64] = word;                                                                   \
        }                                                                                          \
    } while (0)

#define RANGE_OF(T)                                                                                \
    static SB_INLINE void range_##T(const T *v, uint32_t n, uint64_t low, uint64_t span,           \
                                    uint64_t *bits) {                                              \
        T lo = (T)low, sp = (T)span;                                                               \
        BITMAP((T)(v[i] - lo) <= sp);                                                              \
    }
RANGE_OF(uint8_t)
RANGE_OF(uint16_t)
RANGE_OF(uint32_t)
RANGE_OF(uint64_t)

static SB_INLINE void sb_kernel_range_body(const struct sb_column *c, uint32_t at, uint32_t n,
                                           uint64_t low, uint64_t span, uint64_t *bits) {
    switch (c->width) {
    case 1: range_uint8_t((const uint8_t *)c->values + at, n, low, span, bits); break;
    case 2: range_uint16_t((const uint16_t *)c->values + at, n, low, span, bits); break;
    case 4: range_uint32_t((const uint32_t *)c->values + at, n, low, span, bits); break;
    default: range_uint64_t((const uint64_t *)c->values + at, n, low, span, bits); break;
    }
}
KERNEL(void, sb_kernel_range,
       (const struct sb_column *c, uint32_t at, uint32_t n, uint64_t low, uint64_t span,
        uint64_t *bits),
       (c, at, n, low, span, bits))

static SB_INLINE void sb_kernel_range_f64_body(const double *v, uint32_t n, double low, double high,
                                               uint64_t *bits) {
    BITMAP((v[i] >= low) & (v[i] <= high));
}
KERNEL(void, sb_kernel_range_f64,
       (const double *v, uint32_t n, double low, double high, uint64_t *bits),
       (v, n, low, high, bits))

static SB_INLINE void sb_kernel_table_body(const struct sb_column *c, uint32_t at, uint32_t n,
                                           const uint8_t *table, uint64_t *bits) {
    const uint8_t *v8 = (const uint8_t *)c->values + at;
    const uint16_t *v16 = (const uint16_t *)c->values + at;
    const uint32_t *v32 = (const uint32_t *)c->values + at;
    switch (c->width) {
    case 1: BITMAP(table[v8[i]]); break;
    case 2: BITMAP(table[v16[i]]); break;
    default: BITMAP(table[v32[i]]); break;
    }
}
KERNEL(void, sb_kernel_table,
       (const struct sb_column *c, uint32_t at, uint32_t n, const uint8_t *table, uint64_t *bits),
       (c, at, n, table, bits))

#define DECODE(T, expr)                                                                            \
    do {                                                                                           \
        const T *v = (const T *)c->values + at;                                                    \
        for (uint32_t i = 0; i < n; i++) to[i] = (expr);                                           \
    } while (0)

static SB_INLINE void sb_kernel_i64_body(const struct sb_column *c, uint32_t at, uint32_t n,
                                         int64_t *to) {
    uint64_t base = (uint64_t)c->base;
    if (c->type == SB_COLUMN_DOUBLE) {
        DECODE(double, (int64_t)floor(v[i]));
        return;
    }
    switch (c->width) {
    case 1: DECODE(uint8_t, (int64_t)(base + v[i])); break;
    case 2: DECODE(uint16_t, (int64_t)(base + v[i])); break;
    case 4: DECODE(uint32_t, (int64_t)(base + v[i])); break;
    default: DECODE(uint64_t, (int64_t)(base + v[i])); break;
    }
}
KERNEL(void, sb_kernel_i64, (const struct sb_column *c, uint32_t at, uint32_t n, int64_t *to),
       (c, at, n, to))

static SB_INLINE void sb_kernel_f64_body(const struct sb_column *c, uint32_t at, uint32_t n,
                                         double *to) {
    if (c->type == SB_COLUMN_DOUBLE) {
        memcpy(to, (const double *)c->values + at, n * sizeof *to);
        return;
    }
    for (uint32_t i = 0; i < n; i++) to[i] = (double)sb_column_i64(c, at + i);
}
KERNEL(void, sb_kernel_f64, (const struct sb_column *c, uint32_t at, uint32_t n, double *to),
       (c, at, n, to))

static SB_INLINE void sb_kernel_code_body(const struct sb_column *c, uint32_t at, uint32_t n,
                                          uint32_t *to) {
    switch (c->width) {
    case 1: DECODE(uint8_t, v[i]); break;
    case 2: DECODE(uint16_t, v[i]); break;
    default: DECODE(uint32_t, v[i]); break;
    }
}
KERNEL(void, sb_kernel_code, (const struct sb_column *c, uint32_t at, uint32_t n, uint32_t *to),
       (c, at, n, to))

enum { LANES = 16 };

static SB_INLINE void sb_kernel_minmax_f64_body(const double *v, uint32_t n, double *min,
                                                double *max) {
    double lo[LANES], hi[LANES];
    for (int j = 0; j < LANES; j++) {
        lo[j] = *min;
        hi[j] = *max;
    }
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) {
            lo[j] = v[i + j] < lo[j] ? v[i + j] : lo[j];
            hi[j] = v[i + j] > hi[j] ? v[i + j] : hi[j];
        }
    for (int j = 0; i < n; i++, j++) {
        lo[j] = v[i] < lo[j] ? v[i] : lo[j];
        hi[j] = v[i] > hi[j] ? v[i] : hi[j];
    }
    for (int j = 0; j < LANES; j++) {
        *min = lo[j] < *min ? lo[j] : *min;
        *max = hi[j] > *max ? hi[j] : *max;
    }
}
KERNEL(void, sb_kernel_minmax_f64, (const double *v, uint32_t n, double *min, double *max),
       (v, n, min, max))

static SB_INLINE void sb_kernel_minmax_i64_body(const int64_t *v, uint32_t n, int64_t *min,
                                                int64_t *max) {
    int64_t lo = *min, hi = *max;
    for (uint32_t i = 0; i < n; i++) {
        lo = v[i] < lo ? v[i] : lo;
        hi = v[i] > hi ? v[i] : hi;
    }
    *min = lo;
    *max = hi;
}
KERNEL(void, sb_kernel_minmax_i64, (const int64_t *v, uint32_t n, int64_t *min, int64_t *max),
       (v, n, min, max))

static SB_INLINE double sb_kernel_sum_f64_body(const double *v, uint32_t n) {
    double s[LANES] = {0};
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) s[j] += v[i + j];
    for (int j = 0; i < n; i++, j++) s[j] += v[i];
    for (int half = LANES / 2; half; half /= 2)
        for (int j = 0; j < half; j++) s[j] += s[j + half];
    return s[0];
}
KERNEL(double, sb_kernel_sum_f64, (const double *v, uint32_t n), (v, n))

static SB_INLINE void sb_kernel_floor_f64_body(const double *v, uint32_t n, double offset,
                                               double interval, double *to) {
    for (uint32_t i = 0; i < n; i++) to[i] = floor((v[i] - offset) / interval);
}
KERNEL(void, sb_kernel_floor_f64,
       (const double *v, uint32_t n, double offset, double interval, double *to),
       (v, n, offset, interval, to))

static SB_INLINE void sb_kernel_count_body(uint32_t from, uint32_t n, uint32_t *to) {
    for (uint32_t i = 0; i < n; i++) to[i] = from + i;
}
KERNEL(void, sb_kernel_count, (uint32_t from, uint32_t n, uint32_t *to), (from, n, to))

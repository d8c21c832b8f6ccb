/* Values into codes: see layout.h. A table has 16 pivots before its 256 places, every sixteenth of
 * them; so a code is two counts of 16 numbers that lie below x: which sixteen, and where in it. */
#include <math.h>

#include "engine/forest/kernel_int.h"

/* Code of a value for a set of categories. */
static uint8_t set_code(const struct sb_forest *f, const struct layout_column *c, double x) {
    bool in = false;
    if (x >= 0 && x < 32.0 * c->n) {
        uint32_t category = (uint32_t)x;
        in = f->sets[c->first + category / 32] >> category % 32 & 1;
    }
    return in != c->others ? 1 : 2;
}

/* One row; code i goes to to[i * stride]. BELOW32 and BELOW64 count how many of 16 numbers that
 * ascend lie below x: none do when x is NaN. A twin has the code of the column before it. */
#define ENCODE_ROW(BELOW32, BELOW64)                                                               \
    do {                                                                                           \
        uint32_t code_ = 0;                                                                        \
        bool nan_ = false;                                                                         \
        for (uint32_t i_ = 0; i_ < c->ncolumns; i_++, to += stride) {                              \
            const struct layout_column *col_ = &c->columns[i_];                                    \
            if (col_->twin) {                                                                      \
                *to = (uint8_t)(nan_ ? col_->nan_code : code_);                                    \
                continue;                                                                          \
            }                                                                                      \
            if (f->wide) {                                                                         \
                double x_ = ((const double *)row)[col_->feature];                                  \
                const double *t_ = c->wide + (size_t)col_->table * TABLE;                          \
                nan_ = x_ != x_;                                                                   \
                if (SB_UNLIKELY(col_->set)) {                                                      \
                    code_ = set_code(f, col_, x_);                                                 \
                } else {                                                                           \
                    code_ = 16 * BELOW64(t_, x_);                                                  \
                    code_ += 1 + BELOW64(t_ + PIVOTS + code_, x_);                                 \
                }                                                                                  \
            } else {                                                                               \
                float x_ = ((const float *)row)[col_->feature];                                    \
                const float *t_ = c->narrow + (size_t)col_->table * TABLE;                         \
                nan_ = x_ != x_;                                                                   \
                code_ = 16 * BELOW32(t_, x_);                                                      \
                code_ += 1 + BELOW32(t_ + PIVOTS + code_, x_);                                     \
            }                                                                                      \
            *to = (uint8_t)(nan_ ? col_->nan_code : code_);                                        \
        }                                                                                          \
    } while (0)

/* ---- portable ---- */

/* By halves, without branches on x, so that the searches of several columns overlap. */
static SB_INLINE uint32_t below32(const float *t, float x) {
    uint32_t n = 0;
    for (uint32_t step = 8; step; step >>= 1) n += step & -(uint32_t)(t[n + step - 1] < x);
    return n;
}

static SB_INLINE uint32_t below64(const double *t, double x) {
    uint32_t n = 0;
    for (uint32_t step = 8; step; step >>= 1) n += step & -(uint32_t)(t[n + step - 1] < x);
    return n;
}

static void encode_portable(const struct sb_forest *f, const struct layout_codes *c,
                            const void *row, uint8_t *to, size_t stride) {
    ENCODE_ROW(below32, below64);
}

#ifdef __x86_64__
#include <immintrin.h>

/* ---- AVX2 ---- */

#define AVX2   __attribute__((target("avx2,popcnt")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,popcnt")))

static SB_INLINE AVX2 uint32_t below32_avx2(const float *t, float x) {
    __m256 v = _mm256_set1_ps(x);
    __m256 low = _mm256_cmp_ps(_mm256_loadu_ps(t), v, _CMP_LT_OQ);
    __m256 high = _mm256_cmp_ps(_mm256_loadu_ps(t + 8), v, _CMP_LT_OQ);
    return (uint32_t)__builtin_popcount((uint32_t)_mm256_movemask_ps(low) |
                                        (uint32_t)_mm256_movemask_ps(high) << 8);
}

static SB_INLINE AVX2 uint32_t below64_avx2(const double *t, double x) {
    __m256d v = _mm256_set1_pd(x);
    uint32_t mask = 0;
    for (int i = 0; i < 4; i++) {
        __m256d lt = _mm256_cmp_pd(_mm256_loadu_pd(t + 4 * i), v, _CMP_LT_OQ);
        mask |= (uint32_t)_mm256_movemask_pd(lt) << 4 * i;
    }
    return (uint32_t)__builtin_popcount(mask);
}

static AVX2 void encode_avx2(const struct sb_forest *f, const struct layout_codes *c,
                             const void *row, uint8_t *to, size_t stride) {
    ENCODE_ROW(below32_avx2, below64_avx2);
}

/* ---- AVX-512 ---- */

static SB_INLINE AVX512 uint32_t below32_avx512(const float *t, float x) {
    __mmask16 lt = _mm512_cmp_ps_mask(_mm512_loadu_ps(t), _mm512_set1_ps(x), _CMP_LT_OQ);
    return (uint32_t)__builtin_popcount(lt);
}

static SB_INLINE AVX512 uint32_t below64_avx512(const double *t, double x) {
    __m512d v = _mm512_set1_pd(x);
    __mmask8 low = _mm512_cmp_pd_mask(_mm512_loadu_pd(t), v, _CMP_LT_OQ);
    __mmask8 high = _mm512_cmp_pd_mask(_mm512_loadu_pd(t + 8), v, _CMP_LT_OQ);
    return (uint32_t)__builtin_popcount((uint32_t)low | (uint32_t)high << 8);
}

static AVX512 void encode_avx512(const struct sb_forest *f, const struct layout_codes *c,
                                 const void *row, uint8_t *to, size_t stride) {
    ENCODE_ROW(below32_avx512, below64_avx512);
}
#endif

void kernel_encode(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *row, uint8_t *to,
                   size_t stride) {
    const struct layout_codes *c = &f->layouts->codes;
    switch (cpu) {
#ifdef __x86_64__
    case SB_FOREST_AVX2: encode_avx2(f, c, row, to, stride); break;
    case SB_FOREST_AVX512: encode_avx512(f, c, row, to, stride); break;
#endif
    default: encode_portable(f, c, row, to, stride);
    }
}

/* Many rows, bit-sliced: see layout.h. The steps are the same for every set of instructions and
 * stand in kernel_bits.h; here are the few operations that differ.
 *
 * Sums are only ever added to row by row and tree by tree, so the order of additions is that of the
 * plain walk; what is vectorised is rows. */
#include <math.h>
#include <string.h>

#include "engine/forest/kernel_int.h"

enum {
    CODES_ROOM = 64 * COLUMNS_MAX, /* bytes: a wide block of 128 columns, a narrow one of all */
    SUMS_ROOM = 32 << 10,          /* bytes */
    WIDE_ROWS = 512,
    WIDE_FROM = 129, /* fewer rows go in narrow blocks, which waste fewer bits */
};

struct scratch {
    _Alignas(64) uint8_t codes[CODES_ROOM];
    _Alignas(64) union {
        float f[SUMS_ROOM / 4];
        double d[SUMS_ROOM / 8];
    } sums;
    _Alignas(64) uint8_t ids[WIDE_ROWS];
};

static bool fits(const struct sb_forest *f, const struct sb_forest_layouts *l, size_t rows) {
    size_t size = f->f32 ? sizeof(float) : sizeof(double);
    return rows * l->codes.ncolumns <= CODES_ROOM && rows * f->ngroups * size <= SUMS_ROOM;
}

/* ---- portable: words of 64 bits ---- */

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Eight searches side by side. */
#define SEARCH_8(table, top, x, to)                                                                \
    do {                                                                                           \
        for (int i_ = 0; i_ < 64; i_ += 8) {                                                       \
            uint32_t below_[8] = {0};                                                              \
            for (uint32_t step_ = (top); step_; step_ >>= 1)                                       \
                for (int j_ = 0; j_ < 8; j_++)                                                     \
                    below_[j_] += (table)[below_[j_] + step_ - 1] < (x)[i_ + j_] ? step_ : 0;      \
            for (int j_ = 0; j_ < 8; j_++) (to)[i_ + j_] = (uint8_t)(below_[j_] + 1);              \
        }                                                                                          \
    } while (0)

static void search32(const float *table, uint32_t top, const float *x, uint8_t *to) {
    SEARCH_8(table, top, x, to);
}

static void search64(const double *table, uint32_t top, const double *x, uint8_t *to) {
    SEARCH_8(table, top, x, to);
}

/* Bytes of a word that are <= k become bits: with equal top bits the difference of the rest
 * decides, else the one with the top bit is larger. */
static SB_INLINE void masks_64(const uint8_t *codes, uint8_t k, uint64_t *to) {
    const uint64_t high = EACH_BYTE << 7, all = k * EACH_BYTE;
    uint64_t mask = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t c;
        memcpy(&c, codes + 8 * i, 8);
        uint64_t rest = (all | high) - (c & ~high);
        uint64_t le = ((~c & all) | (~(c ^ all) & rest)) & high;
        mask |= ((le >> 7) * UINT64_C(0x0102040810204080) >> 56) << 8 * i;
    }
    *to = mask;
}

static SB_INLINE void leaves_64(const uint64_t *planes, uint32_t n, uint8_t *ids) {
    for (int i = 0; i < 8; i++) {
        uint64_t id = 0;
        for (uint32_t p = 0; p < n; p++) {
            uint64_t bits = (planes[p] >> 8 * i & 0xff) * EACH_BYTE & UINT64_C(0x8040201008040201);
            id |= (bits + 0x7f * EACH_BYTE) >> 7 << p & EACH_BYTE << p;
        }
        memcpy(ids + 8 * i, &id, 8);
    }
}

static SB_INLINE void add32(const uint8_t *ids, const float *values, uint32_t planes, float *sums) {
    SB_UNUSED(planes);
    for (int i = 0; i < 64; i++) sums[i] += values[ids[i]];
}

static SB_INLINE void add64(const uint8_t *ids, const double *values, uint32_t planes,
                            double *sums) {
    SB_UNUSED(planes);
    for (int i = 0; i < 64; i++) sums[i] += values[ids[i]];
}

#define NAME(x) x##_portable
#define TARGET
#define WORDS    1
#define VEC      uint64_t
#define SEARCH32 search32
#define SEARCH64 search64
#define MASKS    masks_64
#define LEAVES   leaves_64
#define ADD32    add32
#define ADD64    add64
#include "engine/forest/kernel_bits.h"
#undef NAME
#undef TARGET
#undef WORDS
#undef VEC
#undef SEARCH32
#undef SEARCH64
#undef MASKS
#undef LEAVES
#undef ADD32
#undef ADD64

#ifdef __x86_64__
#include <immintrin.h>

/* ---- AVX2 ---- */

#define AVX2 __attribute__((target("avx2")))

/* 32 numbers of 32 bits, each plus 1, as bytes in order. */
static SB_INLINE AVX2 void store_codes_avx2(__m256i a, __m256i b, __m256i c, __m256i d,
                                            uint8_t *to) {
    __m256i ab = _mm256_packus_epi32(a, b), cd = _mm256_packus_epi32(c, d);
    __m256i mixed = _mm256_packus_epi16(ab, cd);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    mixed = _mm256_add_epi8(_mm256_permutevar8x32_epi32(mixed, order), _mm256_set1_epi8(1));
    _mm256_storeu_si256((__m256i *)to, mixed);
}

static AVX2 void search32_avx2(const float *table, uint32_t top, const float *x, uint8_t *to) {
    for (int i = 0; i < 64; i += 32) {
        __m256i at[4];
        for (int q = 0; q < 4; q++) at[q] = _mm256_setzero_si256();
        for (uint32_t step = top; step; step >>= 1)
            for (int q = 0; q < 4; q++) {
                __m256 t = _mm256_i32gather_ps(table + step - 1, at[q], 4);
                __m256 lt = _mm256_cmp_ps(t, _mm256_loadu_ps(x + i + 8 * q), _CMP_LT_OQ);
                __m256i by = _mm256_set1_epi32((int)step);
                at[q] = _mm256_add_epi32(at[q], _mm256_and_si256(_mm256_castps_si256(lt), by));
            }
        store_codes_avx2(at[0], at[1], at[2], at[3], to + i);
    }
}

/* Two vectors of 64-bit numbers below 2^32 as one of 32-bit numbers, in order. */
static SB_INLINE AVX2 __m256i narrow_avx2(__m256i a, __m256i b) {
    __m256 low = _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88);
    return _mm256_permute4x64_epi64(_mm256_castps_si256(low), 0xd8);
}

static AVX2 void search64_avx2(const double *table, uint32_t top, const double *x, uint8_t *to) {
    for (int i = 0; i < 64; i += 32) {
        __m256i at[8];
        for (int q = 0; q < 8; q++) at[q] = _mm256_setzero_si256();
        for (uint32_t step = top; step; step >>= 1)
            for (int q = 0; q < 8; q++) {
                __m256d t = _mm256_i64gather_pd(table + step - 1, at[q], 8);
                __m256d lt = _mm256_cmp_pd(t, _mm256_loadu_pd(x + i + 4 * q), _CMP_LT_OQ);
                __m256i by = _mm256_set1_epi64x(step);
                at[q] = _mm256_add_epi64(at[q], _mm256_and_si256(_mm256_castpd_si256(lt), by));
            }
        store_codes_avx2(narrow_avx2(at[0], at[1]), narrow_avx2(at[2], at[3]),
                         narrow_avx2(at[4], at[5]), narrow_avx2(at[6], at[7]), to + i);
    }
}

static SB_INLINE AVX2 uint64_t mask_32_avx2(const uint8_t *codes, __m256i k) {
    __m256i c = _mm256_load_si256((const __m256i *)codes);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(c, k), c));
}

static SB_INLINE AVX2 void masks_64_avx2(const uint8_t *codes, uint8_t k, uint64_t *to) {
    __m256i all = _mm256_set1_epi8((char)k);
    *to = mask_32_avx2(codes, all) | mask_32_avx2(codes + 32, all) << 32;
}

static SB_INLINE AVX2 void masks_256_avx2(const uint8_t *codes, uint8_t k, uint64_t *to) {
    __m256i all = _mm256_set1_epi8((char)k);
    uint32_t *halves = (uint32_t *)to;
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) halves[i] = (uint32_t)mask_32_avx2(codes + 32 * i, all);
}

/* stride: words between planes. */
static SB_INLINE AVX2 void leaves_avx2(const uint64_t *planes, size_t stride, uint32_t n,
                                       uint8_t *ids) {
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2,
                                            2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201));
    for (int half = 0; half < 2; half++) {
        __m256i id = _mm256_setzero_si256();
        for (uint32_t p = 0; p < n; p++) {
            __m256i all = _mm256_set1_epi32((int)(uint32_t)(planes[p * stride] >> 32 * half));
            __m256i mine = _mm256_and_si256(_mm256_shuffle_epi8(all, spread), bit);
            __m256i is = _mm256_cmpeq_epi8(mine, bit);
            id = _mm256_or_si256(id, _mm256_and_si256(is, _mm256_set1_epi8((char)(1u << p))));
        }
        _mm256_store_si256((__m256i *)(ids + 32 * half), id);
    }
}

static SB_INLINE AVX2 void leaves_64_avx2(const uint64_t *planes, uint32_t n, uint8_t *ids) {
    leaves_avx2(planes, 1, n, ids);
}

static SB_INLINE AVX2 void leaves_256_avx2(const uint64_t *planes, uint32_t n, uint8_t *ids) {
    leaves_avx2(planes, 4, n, ids);
}

#define NAME(x)  x##_avx2_narrow
#define TARGET   AVX2
#define WORDS    1
#define VEC      uint64_t
#define SEARCH32 search32_avx2
#define SEARCH64 search64_avx2
#define MASKS    masks_64_avx2
#define LEAVES   leaves_64_avx2
#define ADD32    add32
#define ADD64    add64
#include "engine/forest/kernel_bits.h"
#undef NAME
#undef WORDS
#undef VEC
#undef MASKS
#undef LEAVES

#define NAME(x) x##_avx2_wide
#define WORDS   4
#define VEC     __m256i
#define MASKS   masks_256_avx2
#define LEAVES  leaves_256_avx2
#include "engine/forest/kernel_bits.h"
#undef NAME
#undef TARGET
#undef WORDS
#undef VEC
#undef SEARCH32
#undef SEARCH64
#undef MASKS
#undef LEAVES
#undef ADD32
#undef ADD64

/* ---- AVX-512 ---- */

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2")))

/* Tables of up to 31 thresholds stay in two registers; of larger ones every eighth does. */
static AVX512 void search32_avx512(const float *table, uint32_t top, const float *x, uint8_t *to) {
    const bool small = top < 32;
    const __m512i every =
        _mm512_setr_epi32(7, 15, 23, 31, 39, 47, 55, 63, 71, 79, 87, 95, 103, 111, 119, 127);
    __m512 low = small ? _mm512_loadu_ps(table) : _mm512_i32gather_ps(every, table, 4);
    __m512 high = small ? _mm512_loadu_ps(table + 16) : _mm512_i32gather_ps(every, table + 128, 4);
    __m512i at[4];
    for (int q = 0; q < 4; q++) at[q] = _mm512_setzero_si512();
    for (int step = 16; step; step >>= 1)
        for (int q = 0; q < 4; q++) {
            __m512i look = _mm512_add_epi32(at[q], _mm512_set1_epi32(step - 1));
            __m512 t = _mm512_permutex2var_ps(low, look, high);
            __mmask16 lt = _mm512_cmp_ps_mask(t, _mm512_loadu_ps(x + 16 * q), _CMP_LT_OQ);
            at[q] = _mm512_mask_add_epi32(at[q], lt, at[q], _mm512_set1_epi32(step));
        }
    if (!small) {
        for (int q = 0; q < 4; q++) at[q] = _mm512_slli_epi32(at[q], 3);
        for (int step = 4; step; step >>= 1)
            for (int q = 0; q < 4; q++) {
                __m512 t = _mm512_i32gather_ps(at[q], table + step - 1, 4);
                __mmask16 lt = _mm512_cmp_ps_mask(t, _mm512_loadu_ps(x + 16 * q), _CMP_LT_OQ);
                at[q] = _mm512_mask_add_epi32(at[q], lt, at[q], _mm512_set1_epi32(step));
            }
    }
    for (int q = 0; q < 4; q++) {
        __m512i code = _mm512_add_epi32(at[q], _mm512_set1_epi32(1));
        _mm_storeu_si128((__m128i *)(to + 16 * q), _mm512_cvtepi32_epi8(code));
    }
}

/* Tables of up to 15 thresholds stay in two registers; of larger ones every sixteenth does. */
static AVX512 void search64_avx512(const double *table, uint32_t top, const double *x,
                                   uint8_t *to) {
    const bool small = top < 16;
    const __m512i every = _mm512_setr_epi64(15, 31, 47, 63, 79, 95, 111, 127);
    __m512d low = small ? _mm512_loadu_pd(table) : _mm512_i64gather_pd(every, table, 8);
    __m512d high = small ? _mm512_loadu_pd(table + 8) : _mm512_i64gather_pd(every, table + 128, 8);
    __m512i at[8];
    for (int q = 0; q < 8; q++) at[q] = _mm512_setzero_si512();
    for (int step = 8; step; step >>= 1)
        for (int q = 0; q < 8; q++) {
            __m512i look = _mm512_add_epi64(at[q], _mm512_set1_epi64(step - 1));
            __m512d t = _mm512_permutex2var_pd(low, look, high);
            __mmask8 lt = _mm512_cmp_pd_mask(t, _mm512_loadu_pd(x + 8 * q), _CMP_LT_OQ);
            at[q] = _mm512_mask_add_epi64(at[q], lt, at[q], _mm512_set1_epi64(step));
        }
    if (!small) {
        for (int q = 0; q < 8; q++) at[q] = _mm512_slli_epi64(at[q], 4);
        for (int step = 8; step; step >>= 1)
            for (int q = 0; q < 8; q++) {
                __m512d t = _mm512_i64gather_pd(at[q], table + step - 1, 8);
                __mmask8 lt = _mm512_cmp_pd_mask(t, _mm512_loadu_pd(x + 8 * q), _CMP_LT_OQ);
                at[q] = _mm512_mask_add_epi64(at[q], lt, at[q], _mm512_set1_epi64(step));
            }
    }
    for (int q = 0; q < 8; q++) {
        __m512i code = _mm512_add_epi64(at[q], _mm512_set1_epi64(1));
        _mm_storel_epi64((__m128i *)(to + 8 * q), _mm512_cvtepi64_epi8(code));
    }
}

static SB_INLINE AVX512 void masks_64_avx512(const uint8_t *codes, uint8_t k, uint64_t *to) {
    *to = _mm512_cmple_epu8_mask(_mm512_load_si512(codes), _mm512_set1_epi8((char)k));
}

static SB_INLINE AVX512 void masks_512_avx512(const uint8_t *codes, uint8_t k, uint64_t *to) {
    __m512i all = _mm512_set1_epi8((char)k);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        to[i] = _mm512_cmple_epu8_mask(_mm512_load_si512(codes + 64 * i), all);
}

static SB_INLINE AVX512 void leaves_avx512(const uint64_t *planes, size_t stride, uint32_t n,
                                           uint8_t *ids) {
    __m512i id = _mm512_setzero_si512();
    for (uint32_t p = 0; p < n; p++)
        id = _mm512_mask_add_epi8(id, planes[p * stride], id, _mm512_set1_epi8((char)(1u << p)));
    _mm512_store_si512(ids, id);
}

static SB_INLINE AVX512 void leaves_64_avx512(const uint64_t *planes, uint32_t n, uint8_t *ids) {
    leaves_avx512(planes, 1, n, ids);
}

static SB_INLINE AVX512 void leaves_512_avx512(const uint64_t *planes, uint32_t n, uint8_t *ids) {
    leaves_avx512(planes, 8, n, ids);
}

#define NAME(x)  x##_avx512_narrow
#define TARGET   AVX512
#define WORDS    1
#define VEC      uint64_t
#define SEARCH32 search32_avx512
#define SEARCH64 search64_avx512
#define MASKS    masks_64_avx512
#define LEAVES   leaves_64_avx512
#define ADD32    add32
#define ADD64    add64
#include "engine/forest/kernel_bits.h"
#undef NAME
#undef WORDS
#undef VEC
#undef MASKS
#undef LEAVES

#define NAME(x) x##_avx512_wide
#define WORDS   8
#define VEC     __m512i
#define MASKS   masks_512_avx512
#define LEAVES  leaves_512_avx512
#include "engine/forest/kernel_bits.h"
#endif

/* ---- choosing ---- */

struct width {
    size_t rows;
    void (*block)(const struct sb_forest *f, const struct sb_forest_layouts *l, const void *rows,
                  size_t n, bool has_nan, struct scratch *s, double *out);
};

static const struct width widths[SB_FOREST_CPU_COUNT][2] = {
#ifdef __x86_64__
    [SB_FOREST_AVX2] = {{64, block_avx2_narrow}, {256, block_avx2_wide}},
    [SB_FOREST_AVX512] = {{64, block_avx512_narrow}, {512, block_avx512_wide}},
#endif
    [SB_FOREST_PORTABLE] = {{64, block_portable}, {64, block_portable}},
};

bool kernel_bits_fits(const struct sb_forest *f, const struct sb_forest_layouts *l) {
    return l->bits.trees && fits(f, l, 64);
}

void kernel_bits_sum(const struct sb_forest *f, const struct sb_forest_layouts *l,
                     enum sb_forest_cpu cpu, const void *rows, size_t nrows, bool has_nan,
                     double *out) {
    struct scratch s;
    const size_t row_size = f->nfeatures * (f->wide ? sizeof(double) : sizeof(float));
    const struct width *narrow = &widths[cpu][0], *wide = &widths[cpu][1];
    if (!fits(f, l, wide->rows)) wide = narrow;
    memset(s.codes, 0, (size_t)l->codes.ncolumns * wide->rows); /* rows that a block lacks */
    for (size_t r = 0; r < nrows;) {
        const struct width *w = nrows - r < WIDE_FROM ? narrow : wide;
        size_t n = nrows - r < w->rows ? nrows - r : w->rows;
        w->block(f, l, (const char *)rows + r * row_size, n, has_nan, &s, out + r * f->ngroups);
        r += n;
    }
}

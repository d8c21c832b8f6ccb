/* Many rows, bit-sliced: see layout.h. The steps are the same for every set of instructions and
 * stand in kernel_bits.h; here are the few operations that differ.
 *
 * Sums are only ever added to row by row and tree by tree, so the order of additions is that of the
 * plain walk; what is vectorised is rows. */
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

static bool fits(const struct sb_forest *f, size_t rows) {
    size_t size = f->f32 ? sizeof(float) : sizeof(double);
    return rows * f->layouts->codes.ncolumns <= CODES_ROOM && rows * f->ngroups * size <= SUMS_ROOM;
}

/* ---- portable: words of 64 bits ---- */

#define EACH_BYTE UINT64_C(0x0101010101010101)

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
#define CPU    SB_FOREST_PORTABLE
#define WORDS  1
#define VEC    uint64_t
#define MASKS  masks_64
#define LEAVES leaves_64
#define ADD32  add32
#define ADD64  add64
#include "engine/forest/kernel_bits.h"
#undef NAME
#undef TARGET
#undef CPU
#undef WORDS
#undef VEC
#undef MASKS
#undef LEAVES
#undef ADD32
#undef ADD64

#ifdef __x86_64__
#include <immintrin.h>

/* ---- AVX2 ---- */

#define AVX2 __attribute__((target("avx2,popcnt")))

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

#define NAME(x) x##_avx2_narrow
#define TARGET  AVX2
#define CPU     SB_FOREST_AVX2
#define WORDS   1
#define VEC     uint64_t
#define MASKS   masks_64_avx2
#define LEAVES  leaves_64_avx2
#define ADD32   add32
#define ADD64   add64
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
#undef CPU
#undef WORDS
#undef VEC
#undef MASKS
#undef LEAVES
#undef ADD32
#undef ADD64

/* ---- AVX-512 ---- */

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,popcnt")))

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

#define NAME(x) x##_avx512_narrow
#define TARGET  AVX512
#define CPU     SB_FOREST_AVX512
#define WORDS   1
#define VEC     uint64_t
#define MASKS   masks_64_avx512
#define LEAVES  leaves_64_avx512
#define ADD32   add32
#define ADD64   add64
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
    void (*block)(const struct sb_forest *f, const char *rows, size_t n, bool has_nan,
                  struct scratch *s, double *out);
};

static const struct width widths[SB_FOREST_CPU_COUNT][2] = {
#ifdef __x86_64__
    [SB_FOREST_AVX2] = {{64, block_avx2_narrow}, {256, block_avx2_wide}},
    [SB_FOREST_AVX512] = {{64, block_avx512_narrow}, {512, block_avx512_wide}},
#endif
    [SB_FOREST_PORTABLE] = {{64, block_portable}, {64, block_portable}},
};

bool kernel_bits_fits(const struct sb_forest *f) {
    return f->layouts->bits.trees && fits(f, 64);
}

void kernel_bits_sum(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *rows,
                     size_t nrows, bool has_nan, double *out) {
    struct scratch s;
    const struct width *narrow = &widths[cpu][0], *wide = &widths[cpu][1];
    if (!fits(f, wide->rows)) wide = narrow;
    memset(s.codes, 0, f->layouts->codes.ncolumns * wide->rows); /* of rows that a block lacks */
    for (size_t r = 0; r < nrows;) {
        const struct width *w = nrows - r < WIDE_FROM ? narrow : wide;
        size_t n = nrows - r < w->rows ? nrows - r : w->rows;
        const char *from = (const char *)rows + r * kernel_row_bytes(f);
        w->block(f, from, n, has_nan, &s, out + r * f->ngroups);
        r += n;
    }
}

/* One row against 64 trees at a time: see layout.h. Bytes of leaf masks are kept apart, so that all
 * work is on bytes: for a slot, the codes of 64 columns are looked up in registers, compared, and
 * where a tree's row goes right the slot's mask takes leaves away. */
#include <string.h>

#include "engine/forest/kernel_int.h"

enum { SUMS = 64 }; /* of a row */

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2,popcnt")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,popcnt")))

/* ---- AVX2: two halves of 32 trees; columns in one, two or four registers of 16 ---- */

struct columns_avx2 {
    __m256i part[4];
};

static SB_INLINE AVX2 __m256i look_avx2(const struct columns_avx2 *c, int parts, __m256i column) {
    __m256i v = _mm256_shuffle_epi8(c->part[0], column);
    if (parts == 1) return v;
    __m256i bit4 = _mm256_slli_epi16(column, 3); /* to the top of its byte */
    v = _mm256_blendv_epi8(v, _mm256_shuffle_epi8(c->part[1], column), bit4);
    if (parts == 2) return v;
    __m256i w = _mm256_blendv_epi8(_mm256_shuffle_epi8(c->part[2], column),
                                   _mm256_shuffle_epi8(c->part[3], column), bit4);
    return _mm256_blendv_epi8(v, w, _mm256_slli_epi16(column, 2));
}

/* Byte b of the masks of 32 trees is in part[b]: makes them whole, tree after tree. Unpacking works
 * within the halves of a register, 16 trees each. */
static SB_INLINE AVX2 void put_masks_avx2(__m256i *part, int bytes, uint8_t *to) {
    __m256i next[8];
    if (bytes >= 2)
        for (int i = 0; i < bytes; i += 2) {
            next[i] = _mm256_unpacklo_epi8(part[i], part[i + 1]);
            next[i + 1] = _mm256_unpackhi_epi8(part[i], part[i + 1]);
        }
    if (bytes >= 4)
        for (int i = 0; i < bytes; i += 4) {
            part[i] = _mm256_unpacklo_epi16(next[i], next[i + 2]);
            part[i + 1] = _mm256_unpackhi_epi16(next[i], next[i + 2]);
            part[i + 2] = _mm256_unpacklo_epi16(next[i + 1], next[i + 3]);
            part[i + 3] = _mm256_unpackhi_epi16(next[i + 1], next[i + 3]);
        }
    if (bytes == 8)
        for (int i = 0; i < 4; i++) {
            next[2 * i] = _mm256_unpacklo_epi32(part[i], part[i + 4]);
            next[2 * i + 1] = _mm256_unpackhi_epi32(part[i], part[i + 4]);
        }
    const __m256i *whole = bytes == 1 || bytes == 4 ? part : next;
    for (int i = 0; i < bytes; i++) {
        _mm_storeu_si128((__m128i *)(to + 16 * i), _mm256_castsi256_si128(whole[i]));
        _mm_storeu_si128((__m128i *)(to + 16 * (bytes + i)), _mm256_extracti128_si256(whole[i], 1));
    }
}

/* Which leaves are left of trees [32 * half, 32 * half + 32) of the group whose slots start at p.
 */
static SB_INLINE AVX2 void half_avx2(const struct columns_avx2 *c, const uint8_t *p,
                                     uint32_t nslots, int half, int parts, int bytes, uint8_t *to) {
    __m256i left[8];
    for (int b = 0; b < bytes; b++) left[b] = _mm256_set1_epi8(-1);
    p += 32 * half;
    for (uint32_t i = 0; i < nslots; i++, p += LANES_TREES * (2 + bytes)) {
        __m256i code = look_avx2(c, parts, _mm256_load_si256((const __m256i *)p));
        __m256i k = _mm256_load_si256((const __m256i *)(p + LANES_TREES));
        __m256i keep = _mm256_cmpeq_epi8(_mm256_min_epu8(code, k), code);
#pragma GCC unroll 8
        for (int b = 0; b < bytes; b++) {
            const __m256i *mask = (const __m256i *)(p + LANES_TREES * (2 + b));
            left[b] = _mm256_and_si256(left[b], _mm256_or_si256(_mm256_load_si256(mask), keep));
        }
    }
    put_masks_avx2(left, bytes, to + 32 * half * bytes);
}

static SB_INLINE AVX2 void group_parts_avx2(const struct columns_avx2 *c, const uint8_t *p,
                                            uint32_t nslots, int parts, uint32_t bytes,
                                            uint8_t *to) {
    for (int half = 0; half < 2; half++) switch (bytes) {
        case 1: half_avx2(c, p, nslots, half, parts, 1, to); break;
        case 2: half_avx2(c, p, nslots, half, parts, 2, to); break;
        case 4: half_avx2(c, p, nslots, half, parts, 4, to); break;
        default: half_avx2(c, p, nslots, half, parts, 8, to);
        }
}

static AVX2 void group_avx2(const uint8_t *codes, uint32_t ncolumns, const uint8_t *p,
                            uint32_t nslots, uint32_t bytes, uint8_t *to) {
    struct columns_avx2 c;
    for (int i = 0; i < 4; i++)
        c.part[i] = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(codes + 16 * i)));
    if (ncolumns <= 16)
        group_parts_avx2(&c, p, nslots, 1, bytes, to);
    else if (ncolumns <= 32)
        group_parts_avx2(&c, p, nslots, 2, bytes, to);
    else
        group_parts_avx2(&c, p, nslots, 4, bytes, to);
}

/* ---- AVX-512: columns in one register of 64 or two ---- */

static SB_INLINE AVX512 void group_bytes_avx512(const uint8_t *codes, bool two, const uint8_t *p,
                                                uint32_t nslots, int bytes, uint8_t *to) {
    const __m512i low = _mm512_load_si512(codes), high = _mm512_load_si512(codes + 64);
    __m512i left[8];
    for (int b = 0; b < bytes; b++) left[b] = _mm512_set1_epi8(-1);
    for (uint32_t i = 0; i < nslots; i++, p += LANES_TREES * (2 + bytes)) {
        __m512i column = _mm512_load_si512(p);
        __m512i code = two ? _mm512_permutex2var_epi8(low, column, high)
                           : _mm512_permutexvar_epi8(column, low);
        __m512i keep =
            _mm512_movm_epi8(_mm512_cmple_epu8_mask(code, _mm512_load_si512(p + LANES_TREES)));
#pragma GCC unroll 8
        for (int b = 0; b < bytes; b++) {
            __m512i mask = _mm512_load_si512(p + LANES_TREES * (2 + b));
            left[b] = _mm512_ternarylogic_epi64(left[b], mask, keep, 0xe0); /* a & (b | c) */
        }
    }
    for (int half = 0; half < 2; half++) {
        __m256i part[8];
        for (int b = 0; b < bytes; b++)
            part[b] =
                half ? _mm512_extracti64x4_epi64(left[b], 1) : _mm512_castsi512_si256(left[b]);
        put_masks_avx2(part, bytes, to + 32 * half * bytes);
    }
}

static AVX512 void group_avx512(const uint8_t *codes, uint32_t ncolumns, const uint8_t *p,
                                uint32_t nslots, uint32_t bytes, uint8_t *to) {
    const bool two = ncolumns > 64;
    switch (bytes) {
    case 1: group_bytes_avx512(codes, two, p, nslots, 1, to); break;
    case 2: group_bytes_avx512(codes, two, p, nslots, 2, to); break;
    case 4: group_bytes_avx512(codes, two, p, nslots, 4, to); break;
    default: group_bytes_avx512(codes, two, p, nslots, 8, to);
    }
}

/* The mask of tree i: `bytes` bytes. */
static SB_INLINE uint32_t first_leaf(const uint8_t *masks, uint32_t i, int bytes) {
    uint64_t m = 0;
    memcpy(&m, masks + (size_t)i * (size_t)bytes, (size_t)bytes);
    return (uint32_t)__builtin_ctzll(m);
}

/* Adds the leaves of n trees from number first on, in tree order. A single sum stays in a
 * register: additions then follow one another at the speed of the adder. */
static SB_INLINE void add_trees(const struct sb_forest *f, const struct layout_lanes *l,
                                uint32_t first, uint32_t n, const uint8_t *masks, int bytes,
                                float *sum32, double *sum64) {
    const uint32_t room = 8 * (uint32_t)bytes, width = f->width;
    const float *v32 = (const float *)l->values + (size_t)first * room * width;
    const double *v64 = (const double *)l->values + (size_t)first * room * width;
    const struct sb_forest_tree *trees = f->trees + first;
    if (f->ngroups == 1 && f->f32) {
        float sum = *sum32;
        for (uint32_t i = 0; i < n; i++) sum += v32[i * room + first_leaf(masks, i, bytes)];
        *sum32 = sum;
    } else if (f->ngroups == 1) {
        double sum = *sum64;
        for (uint32_t i = 0; i < n; i++) sum += v64[i * room + first_leaf(masks, i, bytes)];
        *sum64 = sum;
    } else if (width == 1) {
        for (uint32_t i = 0; i < n; i++) {
            size_t at = i * room + first_leaf(masks, i, bytes);
            if (f->f32)
                sum32[trees[i].group] += v32[at];
            else
                sum64[trees[i].group] += v64[at];
        }
    } else {
        for (uint32_t i = 0; i < n; i++) {
            size_t at = (size_t)(i * room + first_leaf(masks, i, bytes)) * width;
            for (uint32_t k = 0; k < width; k++) {
                if (f->f32)
                    sum32[k] += v32[at + k];
                else
                    sum64[k] += v64[at + k];
            }
        }
    }
}

static void add_group(const struct sb_forest *f, const struct layout_lanes *l, uint32_t first,
                      const uint8_t *masks, float *sum32, double *sum64) {
    uint32_t n = f->ntrees - first < LANES_TREES ? f->ntrees - first : LANES_TREES;
    switch (l->bytes) {
    case 1: add_trees(f, l, first, n, masks, 1, sum32, sum64); break;
    case 2: add_trees(f, l, first, n, masks, 2, sum32, sum64); break;
    case 4: add_trees(f, l, first, n, masks, 4, sum32, sum64); break;
    default: add_trees(f, l, first, n, masks, 8, sum32, sum64);
    }
}

bool kernel_lanes_fits(const struct sb_forest *f, enum sb_forest_cpu cpu) {
    const uint32_t most[SB_FOREST_CPU_COUNT] = {0, 64, LANES_COLUMNS_MAX};
    const struct sb_forest_layouts *l = f->layouts;
    return l->lanes.slots && l->codes.ncolumns <= most[cpu] && f->ngroups <= SUMS;
}

static void add_row(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *row,
                    float *sum32, double *sum64) {
    _Alignas(64) uint8_t codes[LANES_COLUMNS_MAX], masks[8 * LANES_TREES];
    const struct layout_lanes *s = &f->layouts->lanes;
    const uint32_t ncolumns = f->layouts->codes.ncolumns;
    kernel_encode(f, cpu, row, codes, 1);
    for (uint32_t t = 0; t < f->ntrees; t += LANES_TREES) {
        const struct layout_lanes_group *g = &s->groups[t / LANES_TREES];
        if (cpu == SB_FOREST_AVX512)
            group_avx512(codes, ncolumns, s->slots + g->at, g->nslots, s->bytes, masks);
        else
            group_avx2(codes, ncolumns, s->slots + g->at, g->nslots, s->bytes, masks);
        add_group(f, s, t, masks, sum32, sum64);
    }
}

void kernel_lanes_sum(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *rows,
                      size_t nrows, double *out) {
    float sum32[SUMS];
    const char *row = rows;
    for (size_t r = 0; r < nrows; r++, row += kernel_row_bytes(f), out += f->ngroups) {
        sums_start(f, 1, sum32, out);
        add_row(f, cpu, row, sum32, out);
        sums_finish(f, 1, sum32, out);
    }
}

#else

bool kernel_lanes_fits(const struct sb_forest *f, enum sb_forest_cpu cpu) {
    SB_UNUSED(f);
    SB_UNUSED(cpu);
    return false;
}

void kernel_lanes_sum(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *rows,
                      size_t nrows, double *out) {
    SB_UNUSED(cpu);
    kernel_plain_sum(f, rows, nrows, true, out);
}
#endif

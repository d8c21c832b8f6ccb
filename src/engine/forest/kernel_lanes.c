/* One row against 64 trees at a time: see layout.h. Bytes of leaf masks are kept apart, so that all
 * work is on bytes: for a slot, the codes of 64 columns are looked up in registers, compared, and
 * where a tree's row goes right the slot's mask takes leaves away. */
#include <string.h>

#include "engine/forest/kernel_int.h"

/* Adds the leaves of a group's trees in tree order; left[t] has a bit per leaf that is left. */
static void add_group(const struct sb_forest *f, const struct layout_lanes *l, uint32_t first,
                      const uint64_t *left, float *sum32, double *sum64) {
    uint32_t n = f->ntrees - first < LANES_TREES ? f->ntrees - first : LANES_TREES;
    for (uint32_t i = 0; i < n; i++) {
        size_t leaf = (size_t)(first + i) * 8 * l->bytes + (size_t)__builtin_ctzll(left[i]);
        if (f->width == 1 && f->f32) {
            sum32[f->trees[first + i].group] += ((const float *)l->values)[leaf];
        } else if (f->width == 1) {
            sum64[f->trees[first + i].group] += ((const double *)l->values)[leaf];
        } else {
            for (uint32_t k = 0; k < f->width; k++) {
                if (f->f32)
                    sum32[k] += ((const float *)l->values)[leaf * f->width + k];
                else
                    sum64[k] += ((const double *)l->values)[leaf * f->width + k];
            }
        }
    }
}

#ifdef __x86_64__
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2")))

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
    for (int b = 0; b < bytes; b++)
        _mm256_store_si256((__m256i *)(to + LANES_TREES * b + 32 * half), left[b]);
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
    for (int b = 0; b < bytes; b++) _mm512_store_si512(to + LANES_TREES * b, left[b]);
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

/* ---- */

/* Byte b of leaf mask t is at bytes[64 * b + t]. */
static void gather_masks(const uint8_t *bytes, uint32_t nbytes, uint64_t *to) {
    for (int t = 0; t < LANES_TREES; t++) {
        uint64_t v = 0;
        for (uint32_t b = 0; b < nbytes; b++)
            v |= (uint64_t)bytes[LANES_TREES * b + (size_t)t] << 8 * b;
        to[t] = v;
    }
}

bool kernel_lanes_fits(const struct sb_forest_layouts *l, enum sb_forest_cpu cpu) {
    uint32_t most = cpu == SB_FOREST_AVX512 ? 128 : cpu == SB_FOREST_AVX2 ? 64 : 0;
    return l->lanes.groups && l->codes.ncolumns <= most;
}

void kernel_lanes_add(const struct sb_forest *f, const struct sb_forest_layouts *l,
                      enum sb_forest_cpu cpu, const void *row, float *sum32, double *sum64) {
    _Alignas(64) uint8_t codes[LANES_COLUMNS_MAX], bytes[8 * LANES_TREES];
    uint64_t left[LANES_TREES];
    const struct layout_lanes *s = &l->lanes;
    layout_encode_row(f, &l->codes, row, codes);
    for (uint32_t t = 0; t < f->ntrees; t += LANES_TREES) {
        const struct layout_lanes_group *g = &s->groups[t / LANES_TREES];
        if (cpu == SB_FOREST_AVX512)
            group_avx512(codes, l->codes.ncolumns, s->slots + g->at, g->nslots, s->bytes, bytes);
        else
            group_avx2(codes, l->codes.ncolumns, s->slots + g->at, g->nslots, s->bytes, bytes);
        gather_masks(bytes, s->bytes, left);
        add_group(f, s, t, left, sum32, sum64);
    }
}

#else

bool kernel_lanes_fits(const struct sb_forest_layouts *l, enum sb_forest_cpu cpu) {
    SB_UNUSED(l);
    SB_UNUSED(cpu);
    return false;
}

void kernel_lanes_add(const struct sb_forest *f, const struct sb_forest_layouts *l,
                      enum sb_forest_cpu cpu, const void *row, float *sum32, double *sum64) {
    SB_UNUSED(cpu);
    SB_UNUSED(row);
    add_group(f, &l->lanes, 0, (const uint64_t[LANES_TREES]){0}, sum32, sum64);
}
#endif

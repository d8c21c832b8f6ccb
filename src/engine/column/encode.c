/* One packed column: the bytes of struct sb_column's arrays one behind the other, each at a
 * multiple of 8, in the order values, starts, present, terms.at, terms.text, block_min, block_max.
 * Which there are and how long follows from the shape. */
#include <math.h>

#include "engine/column/column_int.h"

enum { SECTIONS = 7 };

static size_t align8(size_t n) {
    return (n + 7) & ~(size_t)7;
}
static uint32_t blocks_of(uint32_t docs) {
    return (docs + SB_COLUMN_BLOCK - 1) / SB_COLUMN_BLOCK;
}
static uint32_t words_of(uint32_t docs) {
    return (docs + 63) / 64;
}

/* Length of each section; 0: not there. */
static void lengths(const struct sb_column_shape *s, size_t n[SECTIONS]) {
    bool terms = s->type == SB_COLUMN_KEYWORD;
    size_t blocks = terms ? 0 : (size_t)blocks_of(s->docs) * 8;
    n[0] = (size_t)s->nvalues * s->width;
    n[1] = s->multi ? ((size_t)s->docs + 1) * 4 : 0;
    n[2] = s->npresent < s->docs ? (size_t)words_of(s->docs) * 8 : 0;
    n[3] = terms ? ((size_t)s->nterms + 1) * 4 : 0;
    n[4] = s->text;
    n[5] = n[6] = blocks;
}

size_t sb_column_shape_size(const struct sb_column_shape *s) {
    size_t n[SECTIONS], sum = 0;
    lengths(s, n);
    for (int i = 0; i < SECTIONS; i++) sum += align8(n[i]);
    return sum;
}

void sb_column_bind(struct sb_column *out, const struct sb_column_shape *s, const void *bytes) {
    size_t n[SECTIONS];
    const char *p = bytes, *at[SECTIONS];
    lengths(s, n);
    for (int i = 0; i < SECTIONS; i++) {
        at[i] = n[i] ? p : NULL;
        p += align8(n[i]);
    }
    bool terms = s->type == SB_COLUMN_KEYWORD;
    *out = (struct sb_column){
        .type = s->type,
        .width = s->width,
        .values = at[0],
        .base = s->base,
        .nvalues = s->nvalues,
        .starts = (const void *)at[1],
        .present = (const void *)at[2],
        .npresent = s->npresent,
        .terms = {s->nterms, (const void *)at[3], terms && !at[4] ? "" : at[4]},
        .block_min = at[5],
        .block_max = at[6],
    };
}

/* ---- packing ---- */

/* The values [*from, *to) of a document; none when they are equal. */
static inline void values_of(const uint32_t *starts, const uint64_t *present, uint32_t doc,
                             uint32_t *from, uint32_t *to) {
    if (starts) {
        *from = starts[doc];
        *to = starts[doc + 1];
        return;
    }
    *from = doc;
    *to = doc + (!present || (present[doc >> 6] >> (doc & 63) & 1));
}

static double as_double(uint64_t bits) {
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static void blocks_int(const struct sb_column_plain *p, int64_t *min, int64_t *max) {
    for (uint32_t doc = 0, b = 0; doc < p->docs; b++) {
        uint32_t end = doc + SB_COLUMN_BLOCK < p->docs ? doc + SB_COLUMN_BLOCK : p->docs;
        int64_t lo = INT64_MAX, hi = INT64_MIN;
        for (; doc < end; doc++) {
            uint32_t from, to;
            values_of(p->starts, p->present, doc, &from, &to);
            for (uint32_t i = from; i < to; i++) {
                int64_t v = (int64_t)p->values[i];
                lo = v < lo ? v : lo;
                hi = v > hi ? v : hi;
            }
        }
        min[b] = lo;
        max[b] = hi;
    }
}

static void blocks_double(const struct sb_column_plain *p, double *min, double *max) {
    for (uint32_t doc = 0, b = 0; doc < p->docs; b++) {
        uint32_t end = doc + SB_COLUMN_BLOCK < p->docs ? doc + SB_COLUMN_BLOCK : p->docs;
        double lo = INFINITY, hi = -INFINITY;
        for (; doc < end; doc++) {
            uint32_t from, to;
            values_of(p->starts, p->present, doc, &from, &to);
            for (uint32_t i = from; i < to; i++) {
                double v = as_double(p->values[i]);
                lo = v < lo ? v : lo;
                hi = v > hi ? v : hi;
            }
        }
        min[b] = lo;
        max[b] = hi;
    }
}

static uint8_t width_of(uint64_t largest) {
    return largest <= UINT8_MAX ? 1 : largest <= UINT16_MAX ? 2 : largest <= UINT32_MAX ? 4 : 8;
}

/* base and width from the smallest and largest value of all blocks. */
static void fit(struct sb_column_shape *s, const int64_t *min, const int64_t *max) {
    int64_t lo = INT64_MAX, hi = INT64_MIN;
    for (uint32_t b = 0; b < blocks_of(s->docs); b++) {
        lo = min[b] < lo ? min[b] : lo;
        hi = max[b] > hi ? max[b] : hi;
    }
    s->base = s->type == SB_COLUMN_BOOL ? 0 : lo;
    s->width = width_of((uint64_t)hi - (uint64_t)s->base);
}

/* v[i] - base in `width` bytes each. A place without a value may hold anything, cut as it is. */
static void pack(void *to, uint8_t width, const uint64_t *v, uint32_t n, uint64_t base) {
    uint8_t *w1 = to;
    uint16_t *w2 = to;
    uint32_t *w4 = to;
    uint64_t *w8 = to;
    switch (width) {
    case 1:
        for (uint32_t i = 0; i < n; i++) w1[i] = (uint8_t)(v[i] - base);
        break;
    case 2:
        for (uint32_t i = 0; i < n; i++) w2[i] = (uint16_t)(v[i] - base);
        break;
    case 4:
        for (uint32_t i = 0; i < n; i++) w4[i] = (uint32_t)(v[i] - base);
        break;
    default:
        for (uint32_t i = 0; i < n; i++) w8[i] = v[i] - base;
        break;
    }
}

static void *put(char **at, const void *from, size_t n) {
    void *here = *at;
    if (from && n) memcpy(here, from, n);
    memset(*at + n, 0, align8(n) - n);
    *at += align8(n);
    return here;
}

void *sb_column_encode(const struct sb_column_plain *p, struct sb_column_shape *shape) {
    struct sb_column_shape s = {
        .type = p->type,
        .width = 8,
        .multi = p->starts != NULL,
        .docs = p->docs,
        .nvalues = p->nvalues,
        .npresent = p->npresent,
    };
    int64_t *min = NULL, *max = NULL;
    if (p->type == SB_COLUMN_KEYWORD) {
        s.nterms = p->terms.n;
        s.text = p->terms.at[p->terms.n];
        s.width = width_of(s.nterms ? s.nterms - 1 : 0);
    } else {
        min = sb_alloc((size_t)blocks_of(s.docs) * 16);
        max = min + blocks_of(s.docs);
        if (p->type == SB_COLUMN_DOUBLE) {
            blocks_double(p, (double *)(void *)min, (double *)(void *)max);
        } else {
            blocks_int(p, min, max);
            fit(&s, min, max);
        }
    }
    size_t n[SECTIONS];
    lengths(&s, n);
    char *bytes = sb_alloc(sb_column_shape_size(&s)), *at = bytes;
    void *values = put(&at, NULL, n[0]);
    pack(values, s.width, p->values, s.nvalues, (uint64_t)s.base);
    (void)put(&at, p->starts, n[1]);
    (void)put(&at, p->present, n[2]);
    (void)put(&at, p->terms.at, n[3]);
    (void)put(&at, p->terms.text, n[4]);
    (void)put(&at, min, n[5]);
    (void)put(&at, max, n[6]);
    sb_free(min);
    *shape = s;
    return bytes;
}

/* ---- checking ---- */

static sb_err bad(struct sb_errctx *ctx, const char *what) {
    return sb_fail(ctx, SB_E_CORRUPT, "damaged column: %s", what);
}

/* starts ascend to nvalues, and agree with present. */
static sb_err check_documents(const struct sb_column *c, const struct sb_column_shape *s,
                              struct sb_errctx *ctx) {
    uint32_t words = words_of(s->docs);
    if (c->present) {
        uint32_t bits = 0;
        for (uint32_t i = 0; i < words; i++) bits += (uint32_t)__builtin_popcountll(c->present[i]);
        if (bits != s->npresent) return bad(ctx, "number of documents with a value");
        if (s->docs % 64 && c->present[words - 1] >> (s->docs % 64))
            return bad(ctx, "values behind the last document");
    }
    if (!c->starts) return s->nvalues == s->docs ? SB_OK : bad(ctx, "number of values");
    if (c->starts[0] != 0 || c->starts[s->docs] != s->nvalues)
        return bad(ctx, "ends of the positions");
    for (uint32_t i = 0; i < s->docs; i++) {
        if (c->starts[i] > c->starts[i + 1]) return bad(ctx, "order of the positions");
        if ((c->starts[i] < c->starts[i + 1]) != sb_column_has(c, i))
            return bad(ctx, "positions and presence");
    }
    return SB_OK;
}

static sb_err check_terms(const struct sb_column *c, const struct sb_column_shape *s,
                          struct sb_errctx *ctx) {
    if (c->terms.at[0] != 0 || c->terms.at[s->nterms] != s->text)
        return bad(ctx, "ends of the terms");
    for (uint32_t i = 0; i < s->nterms; i++) {
        if (c->terms.at[i] > c->terms.at[i + 1] || c->terms.at[i + 1] > s->text)
            return bad(ctx, "positions of the terms");
        if (i && sb_str_cmp(sb_column_term(c, i - 1), sb_column_term(c, i)) >= 0)
            return bad(ctx, "order of the terms");
    }
    /* also of documents without a value: readers need not look first */
    uint64_t largest = 0;
    for (uint32_t i = 0; i < s->nvalues; i++) {
        uint64_t v = sb_column_raw(c, i);
        largest = v > largest ? v : largest;
    }
    return largest < s->nterms ? SB_OK : bad(ctx, "a value without a term");
}

/* The blocks are what the values make them. */
static sb_err check_numbers(const struct sb_column *c, const struct sb_column_shape *s,
                            struct sb_errctx *ctx) {
    for (uint32_t doc = 0, b = 0; doc < s->docs; b++) {
        uint32_t end = doc + SB_COLUMN_BLOCK < s->docs ? doc + SB_COLUMN_BLOCK : s->docs;
        int64_t lo = INT64_MAX, hi = INT64_MIN;
        double dlo = INFINITY, dhi = -INFINITY;
        for (; doc < end; doc++) {
            uint32_t from, to;
            values_of(c->starts, c->present, doc, &from, &to);
            for (uint32_t i = from; i < to; i++) {
                if (s->type == SB_COLUMN_DOUBLE) {
                    double d = sb_column_f64(c, i);
                    dlo = d < dlo ? d : dlo;
                    dhi = d > dhi ? d : dhi;
                    continue;
                }
                int64_t v = sb_column_i64(c, i);
                lo = v < lo ? v : lo;
                hi = v > hi ? v : hi;
            }
        }
        bool same = s->type == SB_COLUMN_DOUBLE ? ((const double *)c->block_min)[b] == dlo &&
                                                      ((const double *)c->block_max)[b] == dhi
                                                : ((const int64_t *)c->block_min)[b] == lo &&
                                                      ((const int64_t *)c->block_max)[b] == hi;
        if (!same) return bad(ctx, "smallest and largest of a block");
        if (s->type == SB_COLUMN_BOOL && lo <= hi && (lo < 0 || hi > 1))
            return bad(ctx, "a boolean that is neither");
    }
    return SB_OK;
}

sb_err sb_column_check(const struct sb_column *c, const struct sb_column_shape *s,
                       struct sb_errctx *ctx) {
    SB_TRY(check_documents(c, s, ctx));
    return s->type == SB_COLUMN_KEYWORD ? check_terms(c, s, ctx) : check_numbers(c, s, ctx);
}

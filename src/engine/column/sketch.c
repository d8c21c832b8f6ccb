/* Quantiles and distinct counts: see agg_int.h. */
#include <math.h>

#include "base/mem.h"
#include "engine/column/agg_int.h"

enum {
    FRACTION_BITS = 7,
    PAGE = 1 << FRACTION_BITS, /* cells of one sign and exponent */
    SPARE = 64,
    EXACT = 10000,
    REGISTER_BITS = 16,
    REGISTERS = 1 << REGISTER_BITS,
};

/* ---- quantiles ---- */

/* Ascending with the value: sign and exponent, then bits of the fraction. */
static inline uint32_t cell_of(double v) {
    int64_t b;
    memcpy(&b, &v, sizeof b);
    uint64_t ascending = (uint64_t)(b ^ ((b >> 63) | INT64_MIN));
    return (uint32_t)(ascending >> (52 - FRACTION_BITS));
}

/* The middle of a cell; 0 for those of the smallest exponent. */
static double cell_value(uint32_t cell) {
    double edge[2];
    uint32_t exponent = cell >> FRACTION_BITS;
    if (exponent == 0x7ff || exponent == 0x800) return 0;
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t b = (uint64_t)(cell + i) << (52 - FRACTION_BITS);
        b = b >> 63 ? b ^ (UINT64_C(1) << 63) : ~b;
        memcpy(&edge[i], &b, sizeof b);
    }
    return edge[0] / 2 + edge[1] / 2;
}

void sb_quantiles_init(struct sb_quantiles *q, struct sb_work *w, struct sb_str name, double low,
                       double high) {
    *q = (struct sb_quantiles){.w = w, .name = name};
    if (!(low <= high)) return;
    q->first = cell_of(low) >> FRACTION_BITS;
    q->npages = (cell_of(high) >> FRACTION_BITS) - q->first + 1;
}

sb_err sb_quantiles_room(struct sb_quantiles *q, size_t groups) {
    return sb_work_grow(q->w, &q->page, &q->page_cap, groups * q->npages, sizeof *q->page, q->name);
}

static sb_err page_new(struct sb_quantiles *q, uint32_t **page) {
    if (!q->nspare) {
        SB_TRY(sb_work_array(q->w, &q->spare, SPARE * PAGE, sizeof *q->spare, q->name));
        q->nspare = SPARE;
    }
    *page = q->spare;
    q->spare += PAGE;
    q->nspare--;
    return SB_OK;
}

sb_err sb_quantiles_add(struct sb_quantiles *q, const uint32_t *group, const double *v,
                        uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t cell = cell_of(v[i]);
        uint32_t **page =
            &q->page[(size_t)group[i] * q->npages + (cell >> FRACTION_BITS) - q->first];
        if (SB_UNLIKELY(!*page)) SB_TRY(page_new(q, page));
        (*page)[cell % PAGE]++;
    }
    return SB_OK;
}

/* The value at a rank from 0. */
static double at_rank(const struct sb_quantiles *q, uint32_t group, uint64_t rank) {
    uint64_t seen = 0;
    for (uint32_t i = 0; i < q->npages; i++) {
        const uint32_t *cells = q->page[(size_t)group * q->npages + i];
        if (!cells) continue;
        for (uint32_t k = 0; k < PAGE; k++) {
            seen += cells[k];
            if (seen > rank) return cell_value((q->first + i) * PAGE + k);
        }
    }
    return NAN;
}

static double clamp(double v, double min, double max) {
    return v < min ? min : v > max ? max : v;
}

double sb_quantiles_get(const struct sb_quantiles *q, uint32_t group, uint64_t count, double min,
                        double max, double percent) {
    double rank = clamp(percent, 0, 100) / 100 * (double)(count - 1), whole = floor(rank);
    uint64_t lo = (uint64_t)whole, hi = lo + 1 < count ? lo + 1 : lo;
    double a = lo == 0 ? min : clamp(at_rank(q, group, lo), min, max);
    double b = hi == count - 1 ? max : clamp(at_rank(q, group, hi), min, max);
    if (lo == count - 1) a = max;
    return rank == whole || a == b ? a : a + (b - a) * (rank - whole);
}

/* ---- distinct values ---- */

static void to_registers(uint8_t *registers, uint64_t hash) {
    uint64_t rest = hash << REGISTER_BITS;
    uint8_t zeros = rest ? (uint8_t)(__builtin_clzll(rest) + 1) : 64 - REGISTER_BITS + 1;
    uint8_t *r = &registers[hash >> (64 - REGISTER_BITS)];
    if (zeros > *r) *r = zeros;
}

static sb_err grow_set(struct sb_distinct *d, struct sb_work *w, struct sb_str name) {
    struct sb_distinct next = {.cap = d->cap ? d->cap * 4 : 16};
    SB_TRY(sb_work_array(w, &next.set, next.cap, sizeof *next.set, name));
    for (uint32_t i = 0; i < d->cap; i++)
        if (d->set[i]) SB_TRY(sb_distinct_add(&next, w, name, d->set[i]));
    *d = next;
    return SB_OK;
}

sb_err sb_distinct_add(struct sb_distinct *d, struct sb_work *w, struct sb_str name,
                       uint64_t hash) {
    if (d->registers) {
        to_registers(d->registers, hash);
        return SB_OK;
    }
    if (!hash) hash = 1; /* 0 is a free place */
    if (((uint64_t)d->n + 1) * 2 > d->cap) SB_TRY(grow_set(d, w, name));
    uint32_t at = (uint32_t)hash & (d->cap - 1);
    for (; d->set[at]; at = (at + 1) & (d->cap - 1))
        if (d->set[at] == hash) return SB_OK;
    if (d->n < EXACT) {
        d->set[at] = hash;
        d->n++;
        return SB_OK;
    }
    SB_TRY(sb_work_array(w, &d->registers, REGISTERS, 1, name));
    for (uint32_t i = 0; i < d->cap; i++)
        if (d->set[i]) to_registers(d->registers, d->set[i]);
    to_registers(d->registers, hash);
    return SB_OK;
}

/* Ertl's sigma and tau: series that stop when they no longer change. */
static double sigma(double x) {
    double y = 1, z = x, before;
    if (x == 1) return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double tau(double x) {
    double y = 1, z = 1 - x, before;
    if (x == 0 || x == 1) return 0;
    do {
        x = sqrt(x);
        before = z;
        y /= 2;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

uint64_t sb_distinct_get(const struct sb_distinct *d) {
    enum { Q = 64 - REGISTER_BITS };
    uint32_t count[Q + 2] = {0};
    if (!d->registers) return d->n;
    for (uint32_t i = 0; i < REGISTERS; i++) count[d->registers[i]]++;
    const double m = REGISTERS;
    double z = m * tau(1 - count[Q + 1] / m);
    for (int k = Q; k >= 1; k--) z = 0.5 * (z + count[k]);
    z += m * sigma(count[0] / m);
    return (uint64_t)llround(m * m / (2 * log(2)) / z);
}

/* Metrics: sums, extremes, quantiles and distinct values by group, and the first documents.
 *
 * Integers are summed exactly in 128 bits. Doubles carry the error of each addition along (Knuth's
 * two-sum), which is as good as Neumaier's sum and waits for one addition only; a block that is all
 * in one group is summed in lanes first. */
#include <math.h>

#include "base/map.h"
#include "base/mem.h"
#include "engine/column/agg_int.h"

enum {
    WANT_SUM = 1,
    WANT_EXTREMES = 2,
    WANT_SQUARES = 4,
    SEEN_BITS_MAX = 1 << 26, /* CARDINALITY: groups times terms of a segment */
};

static unsigned wants(enum sb_agg_kind kind) {
    switch (kind) {
    case SB_AGG_AVG:
    case SB_AGG_SUM: return WANT_SUM;
    case SB_AGG_MIN:
    case SB_AGG_MAX:
    case SB_AGG_PERCENTILES: return WANT_EXTREMES;
    case SB_AGG_STATS: return WANT_SUM | WANT_EXTREMES;
    case SB_AGG_EXTENDED_STATS: return WANT_SUM | WANT_EXTREMES | WANT_SQUARES;
    default: return 0;
    }
}

/* ---- numbers ---- */

static sb_err numbers_room(struct sb_node *n, uint32_t groups) {
    if (groups <= n->numbers_n) return SB_OK;
    SB_TRY(
        sb_work_grow(n->w, &n->numbers, &n->numbers_cap, groups, sizeof *n->numbers, n->agg->name));
    for (size_t i = n->numbers_n; i < groups; i++) {
        if (n->ints) {
            n->numbers[i].min_i = INT64_MAX;
            n->numbers[i].max_i = INT64_MIN;
        } else {
            n->numbers[i].min = INFINITY;
            n->numbers[i].max = -INFINITY;
        }
    }
    n->numbers_n = groups;
    return SB_OK;
}

static SB_INLINE void add_carried(double *sum, double *carry, double v) {
    double s = *sum + v, b = s - *sum;
    *carry += (*sum - (s - b)) + (v - b);
    *sum = s;
}

static SB_INLINE void add_f64(struct sb_number *x, double v, unsigned want) {
    x->count++;
    if (want & WANT_SUM) add_carried(&x->sum, &x->carry, v);
    if (want & WANT_EXTREMES) {
        if (SB_UNLIKELY(v < x->min)) x->min = v; /* seldom: cheaper than to store each time */
        if (SB_UNLIKELY(v > x->max)) x->max = v;
    }
    if (want & WANT_SQUARES) add_carried(&x->squares, &x->squares_carry, v * v);
}

static SB_INLINE void add_i64(struct sb_number *x, int64_t v, unsigned want) {
    x->count++;
    if (want & WANT_SUM) x->sum_i += v;
    if (want & WANT_EXTREMES) {
        if (SB_UNLIKELY(v < x->min_i)) x->min_i = v;
        if (SB_UNLIKELY(v > x->max_i)) x->max_i = v;
    }
    if (want & WANT_SQUARES) add_carried(&x->squares, &x->squares_carry, (double)v * (double)v);
}

/* The loops with `want` as a constant. */
#define LOOP(add, v, want)                                                                         \
    for (uint32_t i = 0; i < t->rows.n; i++) add(&x[t->rows.group[i]], v[i], want);                \
    break
#define LOOPS(add, v)                                                                              \
    switch (want) {                                                                                \
    case WANT_SUM: LOOP(add, v, WANT_SUM);                                                         \
    case WANT_EXTREMES: LOOP(add, v, WANT_EXTREMES);                                               \
    case WANT_SUM | WANT_EXTREMES: LOOP(add, v, WANT_SUM | WANT_EXTREMES);                         \
    default: LOOP(add, v, WANT_SUM | WANT_EXTREMES | WANT_SQUARES);                                \
    }

static void add_grouped(struct sb_number *x, const struct sb_take *t, bool ints, unsigned want) {
    if (ints)
        LOOPS(add_i64, t->i)
    else
        LOOPS(add_f64, t->f)
}

static void add_one_group(struct sb_number *x, const struct sb_take *t, bool ints, unsigned want) {
    uint32_t n = t->rows.n;
    x->count += n;
    if (ints) {
        int64_t part = 0, one;
        bool fits = true;
        if (want & WANT_EXTREMES) sb_kernel_minmax_i64(t->i, n, &x->min_i, &x->max_i);
        if (!(want & WANT_SUM)) return;
        for (uint32_t i = 0; i < n; i++) {
            fits &= !__builtin_add_overflow(part, t->i[i], &one);
            part = one;
        }
        if (fits)
            x->sum_i += part;
        else
            for (uint32_t i = 0; i < n; i++) x->sum_i += t->i[i];
        return;
    }
    if (want & WANT_EXTREMES) sb_kernel_minmax_f64(t->f, n, &x->min, &x->max);
    if (want & WANT_SUM) add_carried(&x->sum, &x->carry, sb_kernel_sum_f64(t->f, n));
}

static sb_err numbers_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    unsigned want = wants(n->agg->kind);
    SB_TRY(numbers_room(n, ngroups));
    struct sb_take *t = &n->take;
    for (sb_take_begin(t, n->column, rows); sb_take_next(t);) {
        if (t->rows.one && !(want & WANT_SQUARES))
            add_one_group(&n->numbers[t->rows.group[0]], t, n->ints, want);
        else
            add_grouped(n->numbers, t, n->ints, want);
    }
    return SB_OK;
}

static const struct sb_number *number_of(const struct sb_node *n, uint32_t group) {
    if (group >= n->numbers_n || !n->numbers[group].count) return NULL;
    return &n->numbers[group];
}

static sb_err numbers_result(struct sb_node *n, uint32_t group, struct sb_agg_result *out) {
    const struct sb_number *x = number_of(n, group);
    if (!x) return SB_OK;
    out->count = x->count;
    out->sum = n->ints ? (double)x->sum_i : x->sum + x->carry;
    out->min = n->ints ? (double)x->min_i : x->min;
    out->max = n->ints ? (double)x->max_i : x->max;
    out->sum_of_squares = x->squares + x->squares_carry;
    return SB_OK;
}

/* ---- counts of values ---- */

static sb_err count_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    const struct sb_column *c = n->column;
    SB_TRY(numbers_room(n, ngroups));
    for (uint32_t i = 0; i < rows->n; i++) {
        uint32_t d = rows->doc[i], k = 0;
        if (c) k = c->starts ? c->starts[d + 1] - c->starts[d] : sb_column_has(c, d);
        n->numbers[rows->group[i]].count += k ? k : n->agg->has_missing;
    }
    return SB_OK;
}

/* ---- quantiles ---- */

static sb_err quantiles_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    SB_TRY(numbers_room(n, ngroups));
    SB_TRY(sb_quantiles_room(&n->quantiles, ngroups));
    struct sb_take *t = &n->take;
    for (sb_take_begin(t, n->column, rows); sb_take_next(t);) {
        if (t->rows.one)
            add_one_group(&n->numbers[t->rows.group[0]], t, false, WANT_EXTREMES);
        else
            add_grouped(n->numbers, t, false, WANT_EXTREMES);
        SB_TRY(sb_quantiles_add(&n->quantiles, t->rows.group, t->f, t->rows.n));
    }
    return SB_OK;
}

static double quantile(const struct sb_node *n, uint32_t group, double percent) {
    const struct sb_number *x = number_of(n, group);
    return x ? sb_quantiles_get(&n->quantiles, group, x->count, x->min, x->max, percent) : NAN;
}

static sb_err quantiles_result(struct sb_node *n, uint32_t group, struct sb_agg_result *out) {
    SB_TRY(numbers_result(n, group, out));
    out->quantiles = sb_arena_try_array(n->w->out, n->agg->npercents + 1, sizeof *out->quantiles);
    if (!out->quantiles) return sb_fail(n->w->ctx, SB_E_LIMIT, "the result is too large");
    for (size_t i = 0; i < n->agg->npercents; i++)
        out->quantiles[i] = quantile(n, group, n->agg->percents[i]);
    return SB_OK;
}

/* ---- distinct values ---- */

static uint64_t hash_number(const struct sb_node *n, uint64_t v) {
    uint64_t h = v ^ n->hash_seed; /* each step can be undone: different values stay different */
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

static sb_err distinct_add(struct sb_node *n, uint32_t group, uint64_t hash) {
    return sb_distinct_add(&n->distinct[group], n->w, n->agg->name, hash);
}

static sb_err distinct_code(struct sb_node *n, uint32_t group, uint32_t code) {
    const struct sb_column *c = n->column;
    uint32_t nterms = c ? c->terms.n : 0;
    struct sb_str s = code < nterms ? sb_column_term(c, code) : n->agg->missing.s;
    return distinct_add(n, group, sb_hash(s.p, s.n));
}

/* KEYWORD: which terms occur is kept in bits until the segment ends; too many groups for that are
 * added one by one. */
static sb_err distinct_codes(struct sb_node *n, const struct sb_take *t, uint32_t ngroups) {
    size_t stride = ((n->column ? n->column->terms.n : 0) + 64) / 64;
    bool bits = stride * ngroups * 64 <= SEEN_BITS_MAX;
    if (bits && ngroups > n->seen_groups) {
        SB_TRY(sb_work_grow(n->w, &n->seen, &n->seen_cap, stride * ngroups, sizeof *n->seen,
                            n->agg->name));
        n->seen_groups = ngroups;
    }
    for (uint32_t i = 0; i < t->rows.n; i++) {
        uint32_t g = t->rows.group[i], code = t->code[i];
        if (g < n->seen_groups)
            n->seen[g * stride + code / 64] |= UINT64_C(1) << code % 64;
        else
            SB_TRY(distinct_code(n, g, code));
    }
    return SB_OK;
}

static sb_err distinct_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    SB_TRY(sb_work_grow(n->w, &n->distinct, &n->distinct_cap, ngroups, sizeof *n->distinct,
                        n->agg->name));
    struct sb_take *t = &n->take;
    for (sb_take_begin(t, n->column, rows); sb_take_next(t);) {
        if (t->as == SB_TAKE_CODE) {
            SB_TRY(distinct_codes(n, t, ngroups));
            continue;
        }
        for (uint32_t i = 0; i < t->rows.n; i++) {
            double f = t->f[i] + 0.0; /* -0 is 0 */
            uint64_t v = (uint64_t)t->i[i];
            if (t->as == SB_TAKE_F64) memcpy(&v, &f, sizeof v);
            SB_TRY(distinct_add(n, t->rows.group[i], hash_number(n, v)));
        }
    }
    return SB_OK;
}

static sb_err distinct_segment_end(struct sb_node *n) {
    size_t stride = ((n->column ? n->column->terms.n : 0) + 64) / 64;
    for (size_t g = 0; g < n->seen_groups; g++)
        for (size_t k = 0; k < stride; k++)
            for (uint64_t w = n->seen[g * stride + k]; w; w &= w - 1)
                SB_TRY(distinct_code(n, (uint32_t)g,
                                     (uint32_t)(k * 64) + (uint32_t)__builtin_ctzll(w)));
    if (n->seen_groups) memset(n->seen, 0, n->seen_groups * stride * sizeof *n->seen);
    n->seen_groups = 0;
    return SB_OK;
}

static sb_err distinct_result(struct sb_node *n, uint32_t group, struct sb_agg_result *out) {
    out->cardinality = group < n->distinct_cap ? sb_distinct_get(&n->distinct[group]) : 0;
    return SB_OK;
}

/* ---- first documents ---- */

static sb_err top_segment(struct sb_node *n) {
    return sb_topk_scan_new(&n->top_scan, n->w, &n->top_spec, n->segment);
}

static sb_err top_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    SB_TRY(sb_work_grow(n->w, &n->tops, &n->tops_cap, ngroups, sizeof *n->tops, n->agg->name));
    SB_TRY(numbers_room(n, ngroups));
    for (uint32_t i = 0; i < rows->n; i++) {
        struct sb_topk *t = &n->tops[rows->group[i]];
        t->spec = &n->top_spec;
        n->numbers[rows->group[i]].count++;
        SB_TRY(sb_topk_add(t, n->top_scan, n->w, rows->doc[i]));
    }
    return SB_OK;
}

static sb_err top_result(struct sb_node *n, uint32_t group, struct sb_agg_result *out) {
    const struct sb_number *x = number_of(n, group);
    if (!x) return SB_OK;
    out->total = x->count;
    return sb_topk_finish(&n->tops[group], n->w, n->agg->from, &out->hits, &out->nhits);
}

/* ---- which is which ---- */

static const struct sb_node_ops numbers_ops = {
    .name = "numbers", .rows = numbers_rows, .result = numbers_result};
static const struct sb_node_ops count_ops = {
    .name = "count", .rows = count_rows, .result = numbers_result};
static const struct sb_node_ops quantiles_ops = {
    .name = "quantiles", .rows = quantiles_rows, .result = quantiles_result};
static const struct sb_node_ops distinct_ops = {.name = "distinct",
                                                .rows = distinct_rows,
                                                .segment_end = distinct_segment_end,
                                                .result = distinct_result};
static const struct sb_node_ops top_ops = {
    .name = "top", .segment = top_segment, .rows = top_rows, .result = top_result};

const struct sb_node_ops *sb_node_metric_ops(const struct sb_agg *a) {
    switch (a->kind) {
    case SB_AGG_VALUE_COUNT: return &count_ops;
    case SB_AGG_CARDINALITY: return &distinct_ops;
    case SB_AGG_PERCENTILES: return &quantiles_ops;
    case SB_AGG_TOP_HITS: return &top_ops;
    default: return wants(a->kind) ? &numbers_ops : NULL;
    }
}

static double missing_number(const struct sb_agg *a) {
    return a->missing.type == SB_COLUMN_DOUBLE ? a->missing.f : (double)a->missing.i;
}

sb_err sb_node_metric_init(struct sb_node *n) {
    const struct sb_agg *a = n->agg;
    enum sb_take_as as = sb_take_type(n->type);
    if (a->kind == SB_AGG_TOP_HITS) {
        static const struct sb_sort newest_first = {.by = SB_SORT_OFFSET, .descending = true};
        if ((uint64_t)a->from + a->size > SB_SEARCH_WINDOW_MAX)
            return sb_fail(n->w->ctx, SB_E_LIMIT, "aggregation [%.*s]: from + size is more than %d",
                           SB_ARG(a->name), SB_SEARCH_WINDOW_MAX);
        n->top_spec = (struct sb_topk_spec){.sort = a->nsort ? a->sort : &newest_first,
                                            .nsort = a->nsort ? a->nsort : 1,
                                            .k = a->from + a->size};
        return SB_OK;
    }
    n->ints = as == SB_TAKE_I64;
    if (a->kind == SB_AGG_PERCENTILES) {
        double low = INFINITY, high = -INFINITY;
        as = SB_TAKE_F64;
        n->ints = false;
        sb_node_bounds(n, &low, &high);
        if (a->has_missing) {
            low = fmin(low, missing_number(a));
            high = fmax(high, missing_number(a));
        }
        sb_quantiles_init(&n->quantiles, n->w, a->name, low, high);
    }
    if (a->kind == SB_AGG_CARDINALITY) n->hash_seed = sb_hash("cardinality", 11);
    return sb_take_init(&n->take, n->w, as, a->has_missing ? &a->missing : NULL, a->name);
}

static double part_of(struct sb_node *n, const struct sb_number *x, int part) {
    struct sb_agg_result r = {0};
    double count = (double)x->count;
    if (numbers_result(n, (uint32_t)(x - n->numbers), &r) != SB_OK) return NAN;
    double variance = fmax(0, (r.sum_of_squares - r.sum * r.sum / count) / count);
    switch (part) {
    case SB_PART_COUNT: return count;
    case SB_PART_MIN: return r.min;
    case SB_PART_MAX: return r.max;
    case SB_PART_AVG: return r.sum / count;
    case SB_PART_SUM: return r.sum;
    case SB_PART_SUM_OF_SQUARES: return r.sum_of_squares;
    case SB_PART_VARIANCE: return variance;
    case SB_PART_STD_DEVIATION: return sqrt(variance);
    default: return NAN;
    }
}

double sb_node_value(struct sb_node *n, uint32_t group, const struct sb_agg_order *order) {
    const struct sb_number *x = number_of(n, group);
    switch (n->agg->kind) {
    case SB_AGG_CARDINALITY:
        return group < n->distinct_cap ? (double)sb_distinct_get(&n->distinct[group]) : 0;
    case SB_AGG_VALUE_COUNT: return x ? (double)x->count : 0;
    case SB_AGG_PERCENTILES: return quantile(n, group, order->number);
    case SB_AGG_SUM: return x ? part_of(n, x, SB_PART_SUM) : 0;
    case SB_AGG_AVG: return x ? part_of(n, x, SB_PART_AVG) : NAN;
    case SB_AGG_MIN: return x ? part_of(n, x, SB_PART_MIN) : NAN;
    case SB_AGG_MAX: return x ? part_of(n, x, SB_PART_MAX) : NAN;
    default: return x ? part_of(n, x, order->part) : NAN;
    }
}

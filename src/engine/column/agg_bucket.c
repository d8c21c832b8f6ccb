/* Bucket aggregations: rows of the parent become rows of their buckets.
 *
 * Where a document's key has a small number (ordinal of a term, stored value of a narrow column,
 * index of an interval), its group is one look-up in a table of groups and codes; else it is found
 * by hashing. A block whose documents all share one key is one step. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

#include "engine/column/agg_int.h"

enum { CODES_MAX = 1 << 20, SPANS_MAX = SB_SEARCH_BUCKETS_MAX };

/* ---- found buckets: what is common ---- */

/* Counts rows whose group is in n->bucket, and passes them on. some: SB_NO_GROUP may be among them;
 * several: a document may come several times. */
static sb_err count_buckets(struct sb_node *n, const struct sb_rows *from, bool some,
                            bool several) {
    struct sb_groups *g = &n->groups;
    struct sb_rows rows = {.doc = from->doc, .group = n->bucket, .n = from->n, .run = from->run};
    if (some || several) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < from->n; i++) {
            uint32_t b = n->bucket[i], d = from->doc[i];
            if (b == SB_NO_GROUP || (several && g->stamp[b] == d + 1)) continue;
            g->stamp[b] = d + 1;
            n->row_doc[kept] = d;
            n->row_group[kept++] = b;
        }
        rows = (struct sb_rows){.doc = n->row_doc, .group = n->row_group, .n = kept};
    }
    if (!rows.n) return SB_OK;
    uint64_t *count = g->count;
    for (uint32_t i = 0; i < rows.n; i++) count[rows.group[i]]++;
    return n->nkids ? sb_node_kids(n, &rows, g->n) : SB_OK;
}

/* All rows are in one group and have one key. */
static sb_err count_one_bucket(struct sb_node *n, const struct sb_rows *rows, uint64_t key) {
    uint32_t b;
    SB_TRY(sb_groups_find(&n->groups, rows->group[0], key, &b));
    n->groups.count[b] += rows->n;
    if (!n->nkids) return SB_OK;
    struct sb_rows to = *rows;
    to.group = n->bucket;
    for (uint32_t i = 0; i < rows->n; i++) n->bucket[i] = b;
    return sb_node_kids(n, &to, n->groups.n);
}

static sb_err found_segment(struct sb_node *n) {
    if (n->groups.n) memset(n->groups.stamp, 0, n->groups.n * sizeof *n->groups.stamp);
    return SB_OK;
}

/* The key of a code, or *none. */
typedef sb_err key_of_code(struct sb_node *n, uint32_t code, uint64_t *key, bool *none);

static sb_err bucket_of(struct sb_node *n, uint32_t parent, uint32_t code, key_of_code *key,
                        uint32_t *bucket) {
    uint64_t k;
    bool none = false;
    SB_TRY(key(n, code, &k, &none));
    *bucket = SB_NO_GROUP;
    return none ? SB_OK : sb_groups_find(&n->groups, parent, k, bucket);
}

/* n->bucket by the table of slots. */
static sb_err look_up(struct sb_node *n, const struct sb_rows *rows, const uint32_t *code,
                      key_of_code *key, bool *some) {
    uint32_t *slot = n->groups.slot, *bucket = n->bucket;
    const uint32_t *group = rows->group;
    size_t stride = n->groups.stride;
    uint32_t most = 0;
    for (uint32_t i = 0; i < rows->n; i++) {
        uint32_t *s = &slot[group[i] * stride + code[i]];
        if (SB_UNLIKELY(!*s)) {
            uint32_t b;
            SB_TRY(bucket_of(n, group[i], code[i], key, &b));
            *s = b + 1;
        }
        bucket[i] = *s - 1;
        most = bucket[i] > most ? bucket[i] : most;
    }
    *some = most == SB_NO_GROUP;
    return SB_OK;
}

static sb_err buckets_by_code(struct sb_node *n, const struct sb_rows *rows, bool several,
                              const uint32_t *code, uint32_t ncodes, uint32_t ngroups,
                              key_of_code *key) {
    bool slots, some = true;
    SB_TRY(sb_groups_slots(&n->groups, ngroups, ncodes, &slots));
    if (slots) {
        SB_TRY(look_up(n, rows, code, key, &some));
    } else {
        for (uint32_t i = 0; i < rows->n; i++)
            SB_TRY(bucket_of(n, rows->group[i], code[i], key, &n->bucket[i]));
    }
    return count_buckets(n, rows, some, several);
}

/* ---- TERMS ---- */

static sb_err included(struct sb_node *n, struct sb_str s, bool *yes) {
    bool in = true, out = false;
    if (n->include && sb_pattern_match(n->include, s, &in) != SB_OK) goto large;
    if (in && n->exclude && sb_pattern_match(n->exclude, s, &out) != SB_OK) goto large;
    *yes = in && !out;
    return SB_OK;
large:
    return sb_fail(n->w->ctx, SB_E_LIMIT, "aggregation [%.*s]: the pattern needs too many states",
                   SB_ARG(n->agg->name));
}

static sb_err key_of_ordinal(struct sb_node *n, uint32_t code, uint64_t *key, bool *none) {
    uint32_t *known = &n->ordinal_string[code];
    if (!*known) {
        uint32_t nterms = n->column ? n->column->terms.n : 0, id;
        struct sb_str s = code < nterms ? sb_column_term(n->column, code) : n->agg->missing.s;
        bool yes = false;
        SB_TRY(included(n, s, &yes));
        if (yes) SB_TRY(sb_strings_add(&n->strings, s, &id));
        *known = yes ? id + 1 : SB_NO_GROUP;
    }
    *none = *known == SB_NO_GROUP;
    *key = *known - 1;
    return SB_OK;
}

static sb_err terms_segment(struct sb_node *n) {
    SB_TRY(found_segment(n));
    sb_groups_forget_slots(&n->groups);
    if (n->type != SB_COLUMN_KEYWORD) return SB_OK;
    uint32_t ncodes = (n->column ? n->column->terms.n : 0) + 1;
    if (n->ordinal_string_cap)
        memset(n->ordinal_string, 0, n->ordinal_string_cap * sizeof *n->ordinal_string);
    SB_TRY(sb_work_grow(n->w, &n->ordinal_string, &n->ordinal_string_cap, ncodes,
                        sizeof *n->ordinal_string, n->agg->name));
    return SB_OK;
}

sb_err sb_node_all_strings(struct sb_node *n) {
    for (size_t i = 0; i < sb_column_segment_count(n->w->snap); i++) {
        const struct sb_column *c =
            sb_column_of(sb_column_segment_at(n->w->snap, i), n->agg->field);
        SB_TRY(sb_work_check(n->w));
        for (uint32_t k = 0; c && c->type == SB_COLUMN_KEYWORD && k < c->terms.n; k++) {
            uint32_t id;
            bool yes = false;
            SB_TRY(included(n, sb_column_term(c, k), &yes));
            if (yes) SB_TRY(sb_strings_add(&n->strings, sb_column_term(c, k), &id));
        }
    }
    return SB_OK;
}

static sb_err terms_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    struct sb_take *t = &n->take;
    uint32_t ncodes = (n->column ? n->column->terms.n : 0) + 1;
    for (sb_take_begin(t, n->column, rows); sb_take_next(t);)
        SB_TRY(buckets_by_code(n, &t->rows, t->multi, t->code, ncodes, ngroups, key_of_ordinal));
    return SB_OK;
}

static sb_err key_of_stored(struct sb_node *n, uint32_t code, uint64_t *key, bool *none) {
    SB_UNUSED(none);
    *key = (uint64_t)n->column->base + code;
    return SB_OK;
}

/* Narrow integers: the stored value is the code. */
static sb_err narrow_rows(struct sb_node *n, uint32_t ngroups) {
    struct sb_take *t = &n->take;
    uint32_t code[SB_COLUMN_BLOCK];
    for (uint32_t i = 0; i < t->rows.n; i++)
        code[i] = (uint32_t)((uint64_t)t->i[i] - (uint64_t)n->column->base);
    return buckets_by_code(n, &t->rows, t->multi, code, 1u << (8 * n->column->width), ngroups,
                           key_of_stored);
}

static sb_err term_numbers_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    struct sb_take *t = &n->take;
    const struct sb_column *c = n->column;
    bool narrow = c && c->type != SB_COLUMN_DOUBLE && c->width <= 2 && !n->agg->has_missing &&
                  t->as == SB_TAKE_I64;
    for (sb_take_begin(t, c, rows); sb_take_next(t);) {
        if (narrow) {
            SB_TRY(narrow_rows(n, ngroups));
            continue;
        }
        for (uint32_t i = 0; i < t->rows.n; i++) {
            uint64_t key = (uint64_t)t->i[i];
            if (t->as == SB_TAKE_F64) {
                double f = t->f[i] + 0.0; /* -0 is 0 */
                memcpy(&key, &f, sizeof key);
            }
            SB_TRY(sb_groups_find(&n->groups, t->rows.group[i], key, &n->bucket[i]));
        }
        SB_TRY(count_buckets(n, &t->rows, true, t->multi));
    }
    return SB_OK;
}

/* ---- HISTOGRAM ---- */

static bool inside(const struct sb_agg *a, double key) {
    return !a->hard_bounds || !a->has_bounds || (key >= a->bounds_min && key <= a->bounds_max);
}

static sb_err key_of_index(struct sb_node *n, uint32_t code, uint64_t *key, bool *none) {
    double index = n->first_index + code;
    *none = !inside(n->agg, index * n->agg->interval + n->agg->offset);
    memcpy(key, &index, sizeof *key);
    return SB_OK;
}

static sb_err histogram_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    struct sb_take *t = &n->take;
    const struct sb_agg *a = n->agg;
    uint32_t code[SB_COLUMN_BLOCK];
    double index[SB_COLUMN_BLOCK];
    for (sb_take_begin(t, n->column, rows); sb_take_next(t);) {
        sb_kernel_floor_f64(t->f, t->rows.n, a->offset, a->interval, index);
        if (n->nindexes) {
            for (uint32_t i = 0; i < t->rows.n; i++)
                code[i] = (uint32_t)(int64_t)(index[i] - n->first_index);
            SB_TRY(buckets_by_code(n, &t->rows, t->multi, code, (uint32_t)n->nindexes, ngroups,
                                   key_of_index));
            continue;
        }
        for (uint32_t i = 0; i < t->rows.n; i++) {
            uint64_t key;
            double whole = index[i] + 0.0; /* -0 is 0 */
            memcpy(&key, &whole, sizeof key);
            n->bucket[i] = SB_NO_GROUP;
            if (inside(a, whole * a->interval + a->offset))
                SB_TRY(sb_groups_find(&n->groups, t->rows.group[i], key, &n->bucket[i]));
        }
        SB_TRY(count_buckets(n, &t->rows, true, t->multi));
    }
    return SB_OK;
}

static void histogram_codes(struct sb_node *n) {
    double low, high;
    const struct sb_agg *a = n->agg;
    if (!sb_node_bounds(n, &low, &high)) low = high = 0;
    if (a->has_missing) {
        double m = a->missing.type == SB_COLUMN_DOUBLE ? a->missing.f : (double)a->missing.i;
        low = fmin(low, m);
        high = fmax(high, m);
    }
    n->first_index = floor((low - a->offset) / a->interval);
    double last = floor((high - a->offset) / a->interval);
    if (fabs(n->first_index) < 0x1p52 && last - n->first_index < CODES_MAX)
        n->nindexes = (uint64_t)(last - n->first_index) + 1;
}

/* ---- DATE_HISTOGRAM ---- */

/* The span that holds v; makes it. Spans have codes in the order they are met. */
static sb_err span_of(struct sb_node *n, int64_t v, uint32_t *at) {
    uint32_t lo = 0, hi = n->nspans;
    while (lo < hi) { /* the first that ends behind v */
        uint32_t mid = lo + (hi - lo) / 2;
        if (n->spans[mid].next <= v)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    if (lo < n->nspans && n->spans[lo].start <= v) return SB_OK;
    if (n->nspans == SPANS_MAX)
        return sb_fail(n->w->ctx, SB_E_LIMIT, "aggregation [%.*s] makes more than %d buckets",
                       SB_ARG(n->agg->name), SPANS_MAX);
    SB_TRY(sb_work_grow(n->w, &n->spans, &n->spans_cap, (size_t)n->nspans + 1, sizeof *n->spans,
                        n->agg->name));
    memmove(n->spans + lo + 1, n->spans + lo, (n->nspans - lo) * sizeof *n->spans);
    sb_rounding_span(&n->rounding, v, &n->spans[lo].start, &n->spans[lo].next);
    n->spans[lo].code = n->nspans++;
    return SB_OK;
}

static sb_err date_key(struct sb_node *n, uint32_t code, uint64_t *key, bool *none) {
    /* A miss follows the span's look-up: the last one used has this code, or one does. */
    uint32_t at = n->last_span;
    if (n->spans[at].code != code)
        for (at = 0; n->spans[at].code != code;) at++;
    *none = !inside(n->agg, (double)n->spans[at].start);
    *key = (uint64_t)n->spans[at].start;
    return SB_OK;
}

/* Is the whole block in one span? Then its values need not be read. */
static sb_err one_span(struct sb_node *n, const struct sb_rows *rows, bool *yes) {
    const struct sb_column *c = n->column;
    *yes = false;
    if (!c || c->starts || c->present || c->type == SB_COLUMN_DOUBLE || !c->block_min) return SB_OK;
    uint32_t block = rows->doc[0] / SB_COLUMN_BLOCK;
    int64_t lo = ((const int64_t *)c->block_min)[block],
            hi = ((const int64_t *)c->block_max)[block];
    if (lo > hi) return SB_OK;
    if (n->nspans && lo >= n->spans[n->last_span].start && hi < n->spans[n->last_span].next) {
        *yes = true;
        return SB_OK;
    }
    int64_t start, next;
    sb_rounding_span(&n->rounding, lo, &start, &next);
    if (hi >= next) return SB_OK;
    SB_TRY(span_of(n, lo, &n->last_span));
    *yes = true;
    return SB_OK;
}

static sb_err date_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    struct sb_take *t = &n->take;
    uint32_t code[SB_COLUMN_BLOCK];
    bool one;
    SB_TRY(one_span(n, rows, &one));
    if (one) {
        const struct sb_span *span = &n->spans[n->last_span];
        if (!inside(n->agg, (double)span->start)) return SB_OK;
        if (rows->one) return count_one_bucket(n, rows, (uint64_t)span->start);
        for (uint32_t i = 0; i < rows->n; i++) code[i] = span->code;
        return buckets_by_code(n, rows, false, code, n->nspans, ngroups, date_key);
    }
    for (sb_take_begin(t, n->column, rows); sb_take_next(t);) {
        struct sb_span span = {1, 0, 0};
        for (uint32_t i = 0; i < t->rows.n; i++) {
            if (t->i[i] < span.start || t->i[i] >= span.next) {
                SB_TRY(span_of(n, t->i[i], &n->last_span));
                span = n->spans[n->last_span];
            }
            code[i] = span.code;
        }
        SB_TRY(buckets_by_code(n, &t->rows, t->multi, code, n->nspans, ngroups, date_key));
    }
    return SB_OK;
}

static sb_err date_init(struct sb_node *n) {
    const struct sb_agg *a = n->agg;
    n->rounding = (struct sb_rounding){.calendar = a->calendar, .offset = (int64_t)a->offset};
    if (a->calendar == SB_CALENDAR_NONE) {
        if (!(a->interval >= 1) || a->interval > 1e15)
            return sb_fail(n->w->ctx, SB_E_INVALID,
                           "aggregation [%.*s]: the interval must be at least one millisecond",
                           SB_ARG(a->name));
        n->rounding.interval = (int64_t)a->interval;
    }
    return sb_zone_open(&n->rounding.zone, &n->w->arena, a->time_zone, n->w->ctx);
}

/* ---- given buckets ---- */

static sb_err fixed_room(struct sb_node *n, uint32_t ngroups) {
    size_t need;
    if (!sb_mul_ok(ngroups, n->fixed, &need) || need >= SB_NO_GROUP)
        return sb_fail(n->w->ctx, SB_E_LIMIT, "too many groups");
    if (ngroups > n->fixed_parents) n->fixed_parents = ngroups;
    return sb_work_grow(n->w, &n->fixed_count, &n->fixed_cap, need, sizeof *n->fixed_count,
                        n->agg->name);
}

/* Rows in n->row_*, part of `from` that lies in one of the buckets. */
static sb_err fixed_rows(struct sb_node *n, const struct sb_rows *from, uint32_t count,
                         uint32_t ngroups) {
    struct sb_rows rows = {.doc = n->row_doc, .group = n->row_group, .n = count, .one = from->one};
    if (!count) return SB_OK;
    rows.run = from->run && count == from->n;
    for (uint32_t i = 0; i < count; i++) n->fixed_count[n->row_group[i]]++;
    return n->nkids ? sb_node_kids(n, &rows, ngroups * n->fixed) : SB_OK;
}

static sb_err range_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    struct sb_take *t = &n->take;
    SB_TRY(fixed_room(n, ngroups));
    for (uint32_t r = 0; r < n->fixed; r++) {
        const struct sb_agg_range *range = &n->agg->ranges[r];
        double from = range->has_from ? range->from : -INFINITY;
        double to = range->has_to ? range->to : INFINITY;
        /* Several values of a row come one after another. */
        uint32_t last_doc = UINT32_MAX, last_group = 0;
        for (sb_take_begin(t, n->column, rows); sb_take_next(t);) {
            uint32_t kept = 0;
            for (uint32_t i = 0; i < t->rows.n; i++) {
                uint32_t doc = t->rows.doc[i], group = t->rows.group[i];
                bool in = t->f[i] >= from && (t->f[i] < to || !range->has_to);
                if (!in || (t->multi && doc == last_doc && group == last_group)) continue;
                last_doc = doc;
                last_group = group;
                n->row_doc[kept] = doc;
                n->row_group[kept++] = group * n->fixed + r;
            }
            SB_TRY(fixed_rows(n, &t->rows, kept, ngroups));
        }
    }
    return SB_OK;
}

static sb_err filters_segment(struct sb_node *n) {
    n->filters = sb_arena_try_array(&n->w->plan, n->agg->nfilters + 1, sizeof *n->filters);
    if (!n->filters) return sb_fail(n->w->ctx, SB_E_LIMIT, "the search needs too much memory");
    for (size_t i = 0; i < n->agg->nfilters; i++)
        SB_TRY(sb_filter_new(&n->filters[i], n->w, n->segment, n->agg->filters[i]));
    return SB_OK;
}

static sb_err filters_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    uint32_t first = rows->doc[0] / SB_COLUMN_BLOCK * SB_COLUMN_BLOCK;
    uint32_t ndocs = n->segment->docs - first;
    uint64_t bits[SB_BLOCK_WORDS], any[SB_BLOCK_WORDS] = {0};
    if (ndocs > SB_COLUMN_BLOCK) ndocs = SB_COLUMN_BLOCK;
    SB_TRY(fixed_room(n, ngroups));
    for (uint32_t f = 0; f < n->fixed; f++) {
        bool other = f == n->agg->nfilters;
        uint32_t kept = 0;
        if (!other) {
            sb_filter_block(n->filters[f], first, ndocs, bits);
            for (uint32_t i = 0; i < (ndocs + 63) / 64; i++) any[i] |= bits[i];
        }
        const uint64_t *in = other ? any : bits;
        for (uint32_t i = 0; i < rows->n; i++) {
            uint32_t d = rows->doc[i] - first;
            n->row_doc[kept] = rows->doc[i]; /* without a branch that nobody can foresee */
            n->row_group[kept] = rows->group[i] * n->fixed + f;
            kept += (in[d / 64] >> d % 64 & 1) != other;
        }
        SB_TRY(fixed_rows(n, rows, kept, ngroups));
    }
    return SB_OK;
}

static sb_err missing_rows(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    uint32_t kept = 0;
    SB_TRY(fixed_room(n, ngroups));
    for (uint32_t i = 0; i < rows->n; i++) {
        if (n->column && sb_column_has_any(n->column, rows->doc[i])) continue;
        n->row_doc[kept] = rows->doc[i];
        n->row_group[kept++] = rows->group[i];
    }
    return fixed_rows(n, rows, kept, ngroups);
}

/* ---- which is which ---- */

static const struct sb_node_ops terms_ops = {
    .name = "terms", .segment = terms_segment, .rows = terms_rows};
static const struct sb_node_ops term_numbers_ops = {
    .name = "terms", .segment = terms_segment, .rows = term_numbers_rows};
static const struct sb_node_ops histogram_ops = {
    .name = "histogram", .segment = found_segment, .rows = histogram_rows};
static const struct sb_node_ops date_ops = {
    .name = "date_histogram", .segment = found_segment, .rows = date_rows};
static const struct sb_node_ops range_ops = {.name = "range", .rows = range_rows};
static const struct sb_node_ops filters_ops = {
    .name = "filters", .segment = filters_segment, .rows = filters_rows};
static const struct sb_node_ops missing_ops = {.name = "missing", .rows = missing_rows};

const struct sb_node_ops *sb_node_bucket_ops(const struct sb_agg *a, enum sb_column_type type) {
    switch (a->kind) {
    case SB_AGG_TERMS: return type == SB_COLUMN_KEYWORD ? &terms_ops : &term_numbers_ops;
    case SB_AGG_HISTOGRAM: return &histogram_ops;
    case SB_AGG_DATE_HISTOGRAM: return &date_ops;
    case SB_AGG_RANGE: return &range_ops;
    case SB_AGG_FILTERS: return &filters_ops;
    case SB_AGG_MISSING: return &missing_ops;
    default: return NULL;
    }
}

static sb_err terms_init(struct sb_node *n) {
    const struct sb_agg *a = n->agg;
    if (a->include.n > SB_SEARCH_PATTERN_MAX || a->exclude.n > SB_SEARCH_PATTERN_MAX)
        return sb_fail(n->w->ctx, SB_E_LIMIT, "a pattern is longer than %d bytes",
                       SB_SEARCH_PATTERN_MAX);
    if (a->include.n)
        SB_TRY(sb_pattern_regexp(&n->include, &n->w->arena, a->include, false, n->w->ctx));
    if (a->exclude.n)
        SB_TRY(sb_pattern_regexp(&n->exclude, &n->w->arena, a->exclude, false, n->w->ctx));
    return SB_OK;
}

static sb_err histogram_init(struct sb_node *n) {
    const struct sb_agg *a = n->agg;
    if (!(a->interval > 0) || !isfinite(a->interval) || !isfinite(a->offset))
        return sb_fail(n->w->ctx, SB_E_INVALID, "aggregation [%.*s]: the interval must be positive",
                       SB_ARG(a->name));
    histogram_codes(n);
    return SB_OK;
}

sb_err sb_node_bucket_init(struct sb_node *n) {
    const struct sb_agg *a = n->agg;
    enum sb_take_as as = sb_take_type(n->type);
    n->groups = (struct sb_groups){.w = n->w, .name = a->name};
    n->strings = (struct sb_strings){.w = n->w, .name = a->name};
    SB_TRY(sb_work_array(n->w, &n->bucket, SB_COLUMN_BLOCK, sizeof *n->bucket, a->name));
    SB_TRY(sb_work_array(n->w, &n->row_doc, SB_COLUMN_BLOCK, sizeof *n->row_doc, a->name));
    SB_TRY(sb_work_array(n->w, &n->row_group, SB_COLUMN_BLOCK, sizeof *n->row_group, a->name));
    switch (a->kind) {
    case SB_AGG_TERMS: SB_TRY(terms_init(n)); break;
    case SB_AGG_HISTOGRAM:
        as = SB_TAKE_F64;
        SB_TRY(histogram_init(n));
        break;
    case SB_AGG_DATE_HISTOGRAM:
        as = SB_TAKE_I64;
        SB_TRY(date_init(n));
        break;
    case SB_AGG_RANGE:
        as = SB_TAKE_F64;
        n->fixed = (uint32_t)a->nranges;
        break;
    case SB_AGG_FILTERS:
        n->fixed = (uint32_t)a->nfilters + a->other_bucket;
        for (size_t i = 0; i < a->nfilters; i++) SB_TRY(sb_query_check(n->w, a->filters[i]));
        break;
    default: n->fixed = 1;
    }
    if (a->kind == SB_AGG_FILTERS || a->kind == SB_AGG_MISSING) return SB_OK;
    return sb_take_init(&n->take, n->w, as, a->has_missing ? &a->missing : NULL, a->name);
}

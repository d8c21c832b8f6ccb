/* The tree of aggregations: made from a request, fed with rows, and its results. */
#include <math.h>
#include <stdlib.h>

#include "engine/column/agg_int.h"

/* ---- making the tree ---- */

static bool wants_number(enum sb_agg_kind k) {
    return k == SB_AGG_HISTOGRAM || k == SB_AGG_DATE_HISTOGRAM || k == SB_AGG_RANGE ||
           (k >= SB_AGG_AVG && k <= SB_AGG_EXTENDED_STATS) || k == SB_AGG_PERCENTILES;
}

/* A field that fits; numbers of strings are none. */
static int field_of(const struct sb_node *n) {
    const struct sb_agg *a = n->agg;
    if (a->field < 0 || (size_t)a->field >= sb_column_field_count(n->w->snap)) return -1;
    enum sb_column_type t = sb_column_field_at(n->w->snap, (size_t)a->field)->type;
    return t == SB_COLUMN_KEYWORD && wants_number(a->kind) ? -1 : a->field;
}

static enum sb_column_type type_of(const struct sb_node *n) {
    int field = field_of(n);
    if (field >= 0) return sb_column_field_at(n->w->snap, (size_t)field)->type;
    return n->agg->has_missing &&
                   !(wants_number(n->agg->kind) && n->agg->missing.type == SB_COLUMN_KEYWORD)
               ? n->agg->missing.type
               : SB_COLUMN_LONG;
}

static sb_err node_init(struct sb_node *n, struct sb_work *w, const struct sb_agg *a, int depth) {
    if (depth > SB_SEARCH_DEPTH_MAX)
        return sb_fail(w->ctx, SB_E_LIMIT, "aggregations are nested more than %d deep",
                       SB_SEARCH_DEPTH_MAX);
    n->agg = a;
    n->w = w;
    n->type = type_of(n);
    n->ops = sb_node_bucket_ops(a, n->type);
    if (n->ops) {
        SB_TRY(sb_node_bucket_init(n));
        n->nkids = a->nchildren;
        SB_TRY(sb_work_array(w, &n->kids, n->nkids + 1, sizeof *n->kids, a->name));
        for (size_t i = 0; i < n->nkids; i++)
            SB_TRY(node_init(&n->kids[i], w, &a->children[i], depth + 1));
        return SB_OK;
    }
    n->ops = sb_node_metric_ops(a);
    return n->ops ? sb_node_metric_init(n) : sb_fail(w->ctx, SB_E_BUG, "unknown aggregation");
}

sb_err sb_aggs_new(struct sb_aggs **out, struct sb_work *w, const struct sb_agg *aggs, size_t n) {
    struct sb_aggs *a = NULL;
    struct sb_str none = {0};
    SB_TRY(sb_work_array(w, &a, 1, sizeof *a, none));
    a->w = w;
    a->root.w = w;
    a->root.nkids = n;
    SB_TRY(sb_work_array(w, &a->root.kids, n, sizeof *a->root.kids, none));
    for (size_t i = 0; i < n; i++) SB_TRY(node_init(&a->root.kids[i], w, &aggs[i], 1));
    *out = a;
    return SB_OK;
}

bool sb_node_bounds(const struct sb_node *n, double *low, double *high) {
    int field = field_of(n);
    bool any = false;
    for (size_t s = 0; s < sb_column_segment_count(n->w->snap); s++) {
        const struct sb_column_segment *g = sb_column_segment_at(n->w->snap, s);
        const struct sb_column *c = sb_column_of(g, field);
        if (!c || c->type == SB_COLUMN_KEYWORD) continue;
        for (uint32_t b = 0; b < (g->docs + SB_COLUMN_BLOCK - 1) / SB_COLUMN_BLOCK; b++) {
            bool real = c->type == SB_COLUMN_DOUBLE;
            double lo = real ? ((const double *)c->block_min)[b]
                             : (double)((const int64_t *)c->block_min)[b];
            double hi = real ? ((const double *)c->block_max)[b]
                             : (double)((const int64_t *)c->block_max)[b];
            if (lo > hi) continue;
            *low = any ? fmin(*low, lo) : lo;
            *high = any ? fmax(*high, hi) : hi;
            any = true;
        }
    }
    return any;
}

/* ---- feeding it ---- */

static sb_err segment_begin(struct sb_node *n, const struct sb_column_segment *g) {
    if (n->agg) {
        n->segment = g;
        n->column = sb_column_of(g, field_of(n));
        if (n->ops->segment) SB_TRY(n->ops->segment(n));
    }
    for (size_t i = 0; i < n->nkids; i++) SB_TRY(segment_begin(&n->kids[i], g));
    return SB_OK;
}

static sb_err segment_end(struct sb_node *n) {
    if (n->agg && n->ops->segment_end) SB_TRY(n->ops->segment_end(n));
    for (size_t i = 0; i < n->nkids; i++) SB_TRY(segment_end(&n->kids[i]));
    return SB_OK;
}

sb_err sb_aggs_segment(struct sb_aggs *a, const struct sb_column_segment *g) {
    return segment_begin(&a->root, g);
}
sb_err sb_aggs_segment_end(struct sb_aggs *a) {
    return segment_end(&a->root);
}
sb_err sb_aggs_rows(struct sb_aggs *a, const struct sb_rows *rows) {
    return sb_node_kids(&a->root, rows, 1);
}

sb_err sb_node_kids(struct sb_node *n, const struct sb_rows *rows, uint32_t ngroups) {
    for (size_t i = 0; i < n->nkids; i++) SB_TRY(n->kids[i].ops->rows(&n->kids[i], rows, ngroups));
    return SB_OK;
}

/* ---- results ---- */

/* A bucket on its way into a result; group SB_NO_GROUP: no document is in it. */
struct entry {
    uint64_t key;
    uint32_t group;
};
struct entries {
    struct sb_node *node;
    struct entry *at;
    size_t n, cap;
};

static sb_err result_of(struct sb_aggs *a, struct sb_node *n, uint32_t group,
                        struct sb_agg_result *out);

static sb_err too_large(struct sb_aggs *a) {
    return sb_fail(a->w->ctx, SB_E_LIMIT, "the result is too large");
}

static sb_err buckets_new(struct sb_aggs *a, struct sb_node *n, size_t count,
                          struct sb_agg_result *out) {
    if (count > SB_SEARCH_BUCKETS_MAX || a->nbuckets + count > SB_SEARCH_BUCKETS_MAX)
        return sb_fail(a->w->ctx, SB_E_LIMIT, "aggregation [%.*s] makes more than %d buckets",
                       SB_ARG(n->agg->name), SB_SEARCH_BUCKETS_MAX);
    a->nbuckets += count;
    out->buckets = sb_arena_try_array(a->w->out, count + 1, sizeof *out->buckets);
    if (!out->buckets) return too_large(a);
    out->nbuckets = count;
    return SB_OK;
}

static sb_err bucket_kids(struct sb_aggs *a, struct sb_node *n, uint32_t group,
                          struct sb_agg_bucket *b) {
    b->children = sb_arena_try_array(a->w->out, n->nkids + 1, sizeof *b->children);
    if (!b->children) return too_large(a);
    for (size_t i = 0; i < n->nkids; i++) SB_TRY(result_of(a, &n->kids[i], group, &b->children[i]));
    return SB_OK;
}

static sb_err fixed_result(struct sb_aggs *a, struct sb_node *n, uint32_t group,
                           struct sb_agg_result *out) {
    SB_TRY(buckets_new(a, n, n->fixed, out));
    for (uint32_t i = 0; i < n->fixed; i++) {
        bool known = group < n->fixed_parents;
        uint32_t at = known ? group * n->fixed + i : SB_NO_GROUP;
        out->buckets[i].doc_count = known ? n->fixed_count[at] : 0;
        SB_TRY(bucket_kids(a, n, at, &out->buckets[i]));
    }
    return SB_OK;
}

/* Sorts the groups by parent, once. */
static sb_err index_parents(struct sb_node *n) {
    const struct sb_groups *g = &n->groups;
    if (n->parent_start) return SB_OK;
    for (uint32_t i = 0; i < g->n; i++)
        if (g->parent[i] >= n->nparents) n->nparents = g->parent[i] + 1;
    SB_TRY(sb_work_array(n->w, &n->parent_start, (size_t)n->nparents + 2, sizeof *n->parent_start,
                         n->agg->name));
    SB_TRY(
        sb_work_array(n->w, &n->by_parent, (size_t)g->n + 1, sizeof *n->by_parent, n->agg->name));
    for (uint32_t i = 0; i < g->n; i++) n->parent_start[g->parent[i] + 2]++;
    for (uint32_t i = 0; i < n->nparents; i++) n->parent_start[i + 2] += n->parent_start[i + 1];
    for (uint32_t i = 0; i < g->n; i++) n->by_parent[n->parent_start[g->parent[i] + 1]++] = i;
    return SB_OK;
}

static bool is_histogram(const struct sb_node *n) {
    return n->agg->kind == SB_AGG_HISTOGRAM || n->agg->kind == SB_AGG_DATE_HISTOGRAM;
}

static double as_double(uint64_t key) {
    double d;
    memcpy(&d, &key, sizeof d);
    return d;
}

/* Keys are numbers of strings (TERMS on KEYWORD), doubles, or integers. */
static int compare_keys(const struct sb_node *n, uint64_t x, uint64_t y) {
    if (n->agg->kind == SB_AGG_TERMS && n->type == SB_COLUMN_KEYWORD)
        return sb_str_cmp(n->strings.at[x], n->strings.at[y]);
    if (n->agg->kind == SB_AGG_HISTOGRAM ||
        (n->agg->kind == SB_AGG_TERMS && n->type == SB_COLUMN_DOUBLE)) {
        double a = as_double(x), b = as_double(y);
        return (a > b) - (a < b);
    }
    int64_t a = (int64_t)x, b = (int64_t)y;
    return (a > b) - (a < b);
}

static uint64_t count_of(const struct sb_node *n, const struct entry *e) {
    return e->group == SB_NO_GROUP ? 0 : n->groups.count[e->group];
}

/* Groups without a value come last, whichever way the order goes. */
static int compare_metric(struct sb_node *n, const struct sb_agg_order *o, const struct entry *x,
                          const struct entry *y) {
    double a = sb_node_value(&n->kids[o->child], x->group, o);
    double b = sb_node_value(&n->kids[o->child], y->group, o);
    if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
    int c = (a > b) - (a < b);
    return o->descending ? -c : c;
}

static int compare_entries(const void *x, const void *y, void *node) {
    const struct entry *a = x, *b = y;
    struct sb_node *n = node;
    for (size_t i = 0; i < n->agg->norder; i++) {
        const struct sb_agg_order *o = &n->agg->order[i];
        int c = 0;
        if (o->by == SB_AGG_BY_METRIC) {
            c = compare_metric(n, o, a, b);
        } else {
            uint64_t p = count_of(n, a), q = count_of(n, b);
            c = o->by == SB_AGG_BY_KEY ? compare_keys(n, a->key, b->key) : (p > q) - (p < q);
            c = o->descending ? -c : c;
        }
        if (c) return c;
    }
    if (!n->agg->norder && !is_histogram(n)) {
        uint64_t p = count_of(n, a), q = count_of(n, b);
        if (p != q) return p > q ? -1 : 1;
    }
    return compare_keys(n, a->key, b->key);
}

static int compare_entry_keys(const void *x, const void *y, void *node) {
    return compare_keys(node, ((const struct entry *)x)->key, ((const struct entry *)y)->key);
}

/* In a heap of k entries whose top is the last in order. */
static void sift_down(struct entries *e, size_t k, size_t at) {
    struct entry *h = e->at, x = h[at];
    for (;;) {
        size_t kid = 2 * at + 1;
        if (kid >= k) break;
        if (kid + 1 < k && compare_entries(&h[kid + 1], &h[kid], e->node) > 0) kid++;
        if (compare_entries(&h[kid], &x, e->node) <= 0) break;
        h[at] = h[kid];
        at = kid;
    }
    h[at] = x;
}

/* Keeps the first k > 0 of the order. */
static void select_first(struct entries *e, size_t k) {
    for (size_t i = k / 2; i-- > 0;) sift_down(e, k, i);
    for (size_t i = k; i < e->n; i++) {
        if (compare_entries(&e->at[i], &e->at[0], e->node) >= 0) continue;
        e->at[0] = e->at[i];
        sift_down(e, k, 0);
    }
    e->n = k;
}

/* ---- gaps ---- */

static sb_err entries_add(struct entries *e, uint64_t key, uint32_t group) {
    struct sb_node *n = e->node;
    SB_TRY(sb_work_grow(n->w, &e->at, &e->cap, e->n + 1, sizeof *e->at, n->agg->name));
    e->at[e->n++] = (struct entry){key, group};
    return SB_OK;
}

static uint64_t bits_of(double d) {
    uint64_t key;
    memcpy(&key, &d, sizeof key);
    return key;
}

static uint64_t next_key(const struct sb_node *n, uint64_t key) {
    int64_t start, next;
    if (n->agg->kind == SB_AGG_HISTOGRAM) return bits_of(as_double(key) + 1);
    sb_rounding_span(&n->rounding, (int64_t)key, &start, &next);
    return (uint64_t)next;
}

static uint64_t key_holding(const struct sb_node *n, double v) {
    int64_t start, next;
    const struct sb_agg *a = n->agg;
    if (a->kind == SB_AGG_HISTOGRAM) return bits_of(floor((v - a->offset) / a->interval) + 0.0);
    sb_rounding_span(&n->rounding, (int64_t)v, &start, &next);
    return (uint64_t)start;
}

/* Sorted entries with all between them, and up to the bounds. */
static sb_err fill_gaps(struct sb_aggs *a, struct sb_node *n, const struct entries *from,
                        struct entries *to) {
    const struct sb_agg *g = n->agg;
    bool bounds = g->has_bounds && !g->hard_bounds;
    bool low = bounds && isfinite(g->bounds_min), high = bounds && isfinite(g->bounds_max);
    if (!from->n && !(low && high && g->bounds_min <= g->bounds_max)) return SB_OK;
    uint64_t first = from->n ? from->at[0].key : key_holding(n, g->bounds_min), last = first;
    if (from->n) last = from->at[from->n - 1].key;
    if (low && compare_keys(n, key_holding(n, g->bounds_min), first) < 0)
        first = key_holding(n, g->bounds_min);
    if (high && compare_keys(n, key_holding(n, g->bounds_max), last) > 0)
        last = key_holding(n, g->bounds_max);
    size_t i = 0;
    for (uint64_t key = first; compare_keys(n, key, last) <= 0;) {
        bool known = i < from->n && compare_keys(n, from->at[i].key, key) <= 0;
        if (a->nbuckets + to->n > SB_SEARCH_BUCKETS_MAX)
            return sb_fail(a->w->ctx, SB_E_LIMIT, "aggregation [%.*s] makes more than %d buckets",
                           SB_ARG(g->name), SB_SEARCH_BUCKETS_MAX);
        SB_TRY(entries_add(to, known ? from->at[i].key : key,
                           known ? from->at[i].group : SB_NO_GROUP));
        uint64_t next = next_key(n, to->at[to->n - 1].key);
        i += known;
        if (compare_keys(n, next, key) <= 0) break; /* beyond what a double tells apart */
        key = next;
    }
    return SB_OK;
}

/* Strings that no document of this parent has. */
static sb_err add_empty_terms(struct sb_node *n, struct entries *e) {
    uint8_t *has = NULL;
    if (!n->all_strings) SB_TRY(sb_node_all_strings(n));
    n->all_strings = true;
    SB_TRY(sb_work_array(n->w, &has, (size_t)n->strings.n + 1, 1, n->agg->name));
    for (size_t i = 0; i < e->n; i++) has[e->at[i].key] = 1;
    for (uint32_t s = 0; s < n->strings.n; s++)
        if (!has[s]) SB_TRY(entries_add(e, s, SB_NO_GROUP));
    return SB_OK;
}

static sb_err collect(struct sb_aggs *a, struct sb_node *n, uint32_t group, struct entries *e) {
    const struct sb_groups *g = &n->groups;
    struct entries found = {.node = n};
    SB_TRY(index_parents(n));
    if (group < n->nparents)
        for (uint32_t i = n->parent_start[group]; i < n->parent_start[group + 1]; i++)
            SB_TRY(entries_add(&found, g->key[n->by_parent[i]], n->by_parent[i]));
    if (!is_histogram(n)) {
        if (!n->agg->min_doc_count && n->type == SB_COLUMN_KEYWORD)
            SB_TRY(add_empty_terms(n, &found));
        *e = found;
        return SB_OK;
    }
    if (n->agg->min_doc_count) {
        *e = found;
        return SB_OK;
    }
    if (found.n) qsort_r(found.at, found.n, sizeof *found.at, compare_entry_keys, n);
    return fill_gaps(a, n, &found, e);
}

static sb_err put_key(struct sb_aggs *a, const struct sb_node *n, uint64_t key,
                      struct sb_search_value *out) {
    if (n->agg->kind == SB_AGG_HISTOGRAM) {
        out->type = SB_COLUMN_DOUBLE;
        out->f = as_double(key) * n->agg->interval + n->agg->offset;
        return SB_OK;
    }
    out->type = n->agg->kind == SB_AGG_DATE_HISTOGRAM ? SB_COLUMN_DATE : n->type;
    if (out->type == SB_COLUMN_DOUBLE)
        out->f = as_double(key);
    else if (out->type != SB_COLUMN_KEYWORD)
        out->i = (int64_t)key;
    else {
        out->s = sb_arena_dup(a->w->out, n->strings.at[key]);
        if (!out->s.p) return too_large(a);
    }
    return SB_OK;
}

static sb_err found_result(struct sb_aggs *a, struct sb_node *n, uint32_t group,
                           struct sb_agg_result *out) {
    struct entries e = {.node = n};
    uint64_t docs = 0;
    size_t kept = 0;
    SB_TRY(sb_work_check(a->w));
    SB_TRY(collect(a, n, group, &e));
    for (size_t i = 0; i < e.n; i++) {
        if (count_of(n, &e.at[i]) < n->agg->min_doc_count) continue;
        docs += count_of(n, &e.at[i]);
        e.at[kept++] = e.at[i];
    }
    e.n = kept;
    size_t size = is_histogram(n) ? e.n : n->agg->size;
    if (size && e.n > size) select_first(&e, size);
    if (e.n > size) e.n = size;
    if (e.n) qsort_r(e.at, e.n, sizeof *e.at, compare_entries, n);
    SB_TRY(buckets_new(a, n, e.n, out));
    for (size_t i = 0; i < e.n; i++) {
        struct sb_agg_bucket *b = &out->buckets[i];
        b->doc_count = count_of(n, &e.at[i]);
        docs -= b->doc_count;
        SB_TRY(put_key(a, n, e.at[i].key, &b->key));
        SB_TRY(bucket_kids(a, n, e.at[i].group, b));
    }
    out->other_docs = docs;
    return SB_OK;
}

static sb_err result_of(struct sb_aggs *a, struct sb_node *n, uint32_t group,
                        struct sb_agg_result *out) {
    out->agg = n->agg;
    if (n->ops->result) return n->ops->result(n, group, out);
    return n->fixed ? fixed_result(a, n, group, out) : found_result(a, n, group, out);
}

sb_err sb_aggs_finish(struct sb_aggs *a, struct sb_agg_result **out) {
    struct sb_agg_result *r = sb_arena_try_array(a->w->out, a->root.nkids + 1, sizeof *r);
    if (!r) return too_large(a);
    for (size_t i = 0; i < a->root.nkids; i++) SB_TRY(result_of(a, &a->root.kids[i], 0, &r[i]));
    *out = r;
    return SB_OK;
}

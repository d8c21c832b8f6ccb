/* A query over one segment: a tree of leaves that make bitmaps of a block of documents.
 *
 * What can be known once for a segment is worked out when the plan is made: a KEYWORD predicate is
 * tried on each distinct term and becomes a range of ordinals or a table; bounds become unsigned
 * ranges of the values as they are stored; a leaf that no document, or every one, satisfies takes
 * its whole part of the tree away. */
#include <math.h>
#include <stdlib.h>

#include "engine/column/pattern_int.h"
#include "engine/column/search_int.h"

enum leaf {
    LEAF_NONE,
    LEAF_ALL,
    LEAF_PRESENT,
    LEAF_RAW,     /* low <= stored value <= low + span */
    LEAF_F64,     /* low_f <= value <= high_f */
    LEAF_TABLE,   /* table[ordinal] */
    LEAF_I64_SET, /* one of n sorted */
    LEAF_F64_SET,
    LEAF_DOCS, /* n documents, ascending */
    LEAF_BOOL,
};

struct sb_filter {
    enum leaf leaf;
    const struct sb_column *column;
    uint64_t low, span;
    int64_t low_i, high_i; /* RAW of a number: the same as values, for the blocks' bounds */
    double low_f, high_f;
    const uint8_t *table;
    const int64_t *set_i;
    const double *set_f;
    const uint32_t *docs;
    size_t n;
    struct sb_filter **must, **must_not, **should; /* BOOL */
    size_t nmust, nmust_not, nshould, min_should;
};

struct planner {
    struct sb_work *w;
    const struct sb_column_segment *g;
};

static sb_err no_memory(struct sb_work *w) {
    return sb_fail(w->ctx, SB_E_LIMIT, "the query needs more memory than a search may use");
}

static sb_err array(struct sb_work *w, void *to, size_t n, size_t size) {
    void *p = sb_arena_try_array(&w->plan, n, size);
    if (!p) return no_memory(w);
    memcpy(to, &p, sizeof p);
    return SB_OK;
}

static void become(struct sb_filter *f, enum leaf leaf) {
    f->leaf = leaf;
}

/* ---- strings: one try for each distinct term ---- */

/* Leaves with the ordinals [from, to). */
static void ordinals(struct sb_filter *f, uint32_t from, uint32_t to) {
    const struct sb_column *c = f->column;
    if (from >= to)
        become(f, LEAF_NONE);
    else if (from == 0 && to == c->terms.n)
        become(f, LEAF_PRESENT);
    else {
        become(f, LEAF_RAW);
        f->low = from;
        f->span = to - from - 1;
    }
}

/* Takes the table for a range where its terms stand together. */
static void table_done(struct sb_filter *f, const uint8_t *table) {
    uint32_t n = f->column->terms.n, first = 0, last, set = 0;
    while (first < n && !table[first]) first++;
    for (last = first; last < n && table[last]; last++) continue;
    for (uint32_t i = last; i < n; i++) set |= table[i];
    if (!set) {
        ordinals(f, first, last);
        return;
    }
    become(f, LEAF_TABLE);
    f->table = table;
}

/* The end of the terms that start with s, from the first that does. */
static uint32_t prefix_end(const struct sb_column *c, struct sb_str s, uint32_t from) {
    uint32_t lo = from, hi = c->terms.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (sb_str_starts(sb_column_term(c, mid), s))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static sb_err pattern_of(struct sb_work *w, const struct sb_query *q, struct sb_pattern **out) {
    switch (q->kind) {
    case SB_QUERY_WILDCARD:
        return sb_pattern_wildcard(out, &w->plan, q->text, q->ignore_case, w->ctx);
    case SB_QUERY_REGEXP: return sb_pattern_regexp(out, &w->plan, q->text, q->ignore_case, w->ctx);
    default: return sb_pattern_text(out, &w->plan, q->text, false, w->ctx);
    }
}

static sb_err plan_pattern(struct planner *p, struct sb_filter *f, const struct sb_query *q) {
    uint32_t n = f->column->terms.n;
    uint8_t *table = NULL;
    struct sb_pattern *pattern;
    SB_TRY(array(p->w, &table, n + 1, 1));
    SB_TRY(pattern_of(p->w, q, &pattern));
    for (uint32_t i = 0; i < n; i++) {
        bool yes;
        if (i % 4096 == 4095) SB_TRY(sb_work_check(p->w));
        if (sb_pattern_match(pattern, sb_column_term(f->column, i), &yes) != SB_OK)
            return sb_fail(p->w->ctx, SB_E_LIMIT, "the pattern needs too many states");
        table[i] = yes;
    }
    table_done(f, table);
    return SB_OK;
}

static sb_err plan_words(struct planner *p, struct sb_filter *f, const struct sb_query *q) {
    uint32_t n = f->column->terms.n;
    uint8_t *table = NULL;
    struct sb_words *words;
    SB_TRY(array(p->w, &table, n + 1, 1));
    SB_TRY(sb_words_new(&words, &p->w->plan, q->text, (int)q->words, p->w->ctx));
    for (uint32_t i = 0; i < n; i++) {
        if (i % 4096 == 4095) SB_TRY(sb_work_check(p->w));
        table[i] = sb_words_match(words, sb_column_term(f->column, i));
    }
    table_done(f, table);
    return SB_OK;
}

/* One value whatever its case: adds to the table. */
static sb_err any_case(struct planner *p, const struct sb_column *c, struct sb_str s,
                       uint8_t *table) {
    struct sb_pattern *pattern;
    SB_TRY(sb_pattern_text(&pattern, &p->w->plan, s, true, p->w->ctx));
    for (uint32_t i = 0; i < c->terms.n; i++) {
        bool yes;
        if (sb_pattern_match(pattern, sb_column_term(c, i), &yes) != SB_OK) return no_memory(p->w);
        table[i] |= yes;
    }
    return SB_OK;
}

static sb_err plan_terms_keyword(struct planner *p, struct sb_filter *f, const struct sb_query *q) {
    const struct sb_column *c = f->column;
    uint8_t *table = NULL;
    SB_TRY(array(p->w, &table, c->terms.n + 1, 1));
    for (size_t i = 0; i < q->nvalues; i++) {
        struct sb_str s = q->values[i].s;
        if (q->ignore_case) {
            SB_TRY(any_case(p, c, s, table));
            continue;
        }
        uint32_t at = sb_terms_lower(c, s);
        if (at < c->terms.n && sb_str_eq(sb_column_term(c, at), s)) table[at] = 1;
    }
    table_done(f, table);
    return SB_OK;
}

static void plan_range_keyword(struct sb_filter *f, const struct sb_query *q) {
    const struct sb_column *c = f->column;
    uint32_t from = 0, to = c->terms.n;
    if (q->has_low) {
        from = sb_terms_lower(c, q->low.s);
        if (q->low_open && from < to && sb_str_eq(sb_column_term(c, from), q->low.s)) from++;
    }
    if (q->has_high) {
        to = sb_terms_lower(c, q->high.s);
        if (!q->high_open && to < c->terms.n && sb_str_eq(sb_column_term(c, to), q->high.s)) to++;
    }
    ordinals(f, from, to);
}

/* ---- numbers ---- */

static double as_f64(const struct sb_search_value *v) {
    return v->type == SB_COLUMN_DOUBLE ? v->f : (double)v->i;
}

/* The smallest integer >= v (or > v when open); false: there is none. */
static bool low_int(const struct sb_search_value *v, bool open, int64_t *out) {
    int64_t i = v->i;
    if (v->type == SB_COLUMN_DOUBLE) {
        if (!(v->f < 0x1p63)) return false; /* also NaN */
        double c = ceil(v->f);
        if (c < -0x1p63) {
            *out = INT64_MIN;
            return true;
        }
        if (c >= 0x1p63) return false;
        open = open && c == v->f;
        i = (int64_t)c;
    }
    if (open && i == INT64_MAX) return false;
    *out = i + open;
    return true;
}

static bool high_int(const struct sb_search_value *v, bool open, int64_t *out) {
    int64_t i = v->i;
    if (v->type == SB_COLUMN_DOUBLE) {
        if (!(v->f >= -0x1p63)) return false;
        double c = floor(v->f);
        if (c >= 0x1p63) {
            *out = INT64_MAX;
            return true;
        }
        open = open && c == v->f;
        i = (int64_t)c;
    }
    if (open && i == INT64_MIN) return false;
    *out = i - open;
    return true;
}

static uint32_t blocks_of(const struct planner *p) {
    return (p->g->docs + SB_COLUMN_BLOCK - 1) / SB_COLUMN_BLOCK;
}

/* Values of an integer column in [low, high]. */
static void int_range(struct planner *p, struct sb_filter *f, int64_t low, int64_t high) {
    const struct sb_column *c = f->column;
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t b = 0; b < blocks_of(p); b++) {
        int64_t lo = ((const int64_t *)c->block_min)[b], hi = ((const int64_t *)c->block_max)[b];
        if (lo > hi) continue;
        min = lo < min ? lo : min;
        max = hi > max ? hi : max;
    }
    if (low < min) low = min;
    if (high > max) high = max;
    if (low > high) {
        become(f, LEAF_NONE);
    } else if (low == min && high == max) {
        become(f, LEAF_PRESENT);
    } else {
        become(f, LEAF_RAW);
        f->low_i = low;
        f->high_i = high;
        f->low = (uint64_t)low - (uint64_t)c->base;
        f->span = (uint64_t)high - (uint64_t)low;
    }
}

static void plan_range(struct planner *p, struct sb_filter *f, const struct sb_query *q) {
    if (f->column->type == SB_COLUMN_KEYWORD) {
        plan_range_keyword(f, q);
    } else if (f->column->type == SB_COLUMN_DOUBLE) {
        become(f, LEAF_F64);
        f->low_f = q->has_low ? as_f64(&q->low) : -INFINITY;
        f->high_f = q->has_high ? as_f64(&q->high) : INFINITY;
        if (q->has_low && q->low_open) f->low_f = nextafter(f->low_f, INFINITY);
        if (q->has_high && q->high_open) f->high_f = nextafter(f->high_f, -INFINITY);
        if (!(f->low_f <= f->high_f)) become(f, LEAF_NONE);
        /* nextafter stays where it is at the ends */
        if (q->has_low && q->low_open && as_f64(&q->low) == INFINITY) become(f, LEAF_NONE);
        if (q->has_high && q->high_open && as_f64(&q->high) == -INFINITY) become(f, LEAF_NONE);
    } else {
        int64_t low = INT64_MIN, high = INT64_MAX;
        if ((q->has_low && !low_int(&q->low, q->low_open, &low)) ||
            (q->has_high && !high_int(&q->high, q->high_open, &high)))
            become(f, LEAF_NONE);
        else
            int_range(p, f, low, high);
    }
}

static int cmp_i64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}
static int cmp_f64(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static int cmp_u32(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static sb_err plan_terms_number(struct planner *p, struct sb_filter *f, const struct sb_query *q) {
    bool ints = f->column->type != SB_COLUMN_DOUBLE;
    int64_t *i = NULL;
    double *d = NULL;
    SB_TRY(array(p->w, &i, q->nvalues + 1, sizeof *i));
    SB_TRY(array(p->w, &d, q->nvalues + 1, sizeof *d));
    size_t n = 0;
    for (size_t k = 0; k < q->nvalues; k++) {
        const struct sb_search_value *v = &q->values[k];
        int64_t low, high;
        if (!ints) {
            d[n++] = as_f64(v);
        } else if (low_int(v, false, &low) && high_int(v, false, &high) && low == high) {
            i[n++] = low; /* a fraction equals no integer */
        }
    }
    if (!n) {
        become(f, LEAF_NONE);
    } else if (ints) {
        qsort(i, n, sizeof *i, cmp_i64);
        f->set_i = i;
        f->n = n;
        int_range(p, f, i[0], i[n - 1]);
        if (i[0] != i[n - 1] && f->leaf != LEAF_NONE) become(f, LEAF_I64_SET);
    } else {
        qsort(d, n, sizeof *d, cmp_f64);
        f->set_f = d;
        f->n = n;
        f->low_f = d[0];
        f->high_f = d[n - 1];
        become(f, n == 1 ? LEAF_F64 : LEAF_F64_SET);
    }
    return SB_OK;
}

/* ---- documents by name ---- */

/* Document at an offset of the topic, or g->docs. */
static uint32_t doc_at(const struct sb_column_segment *g, int64_t offset) {
    uint32_t lo = 0, hi = g->docs;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (sb_column_i64(g->offsets, mid) < offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < g->docs && sb_column_i64(g->offsets, lo) == offset ? lo : g->docs;
}

/* A document that has no value in the field of names is named by its offset. */
static sb_err plan_ids(struct planner *p, struct sb_filter *f, const struct sb_query *q) {
    const struct sb_column *names = sb_column_of(p->g, sb_column_id_field(p->w->snap));
    struct sb_query terms = {.kind = SB_QUERY_TERMS, .values = q->values, .nvalues = q->nvalues};
    uint32_t *docs = NULL;
    size_t n = 0;
    SB_TRY(array(p->w, &docs, q->nvalues + 1, sizeof *docs));
    for (size_t i = 0; i < q->nvalues; i++) {
        const struct sb_search_value *v = &q->values[i];
        int64_t offset = v->i;
        if (v->type == SB_COLUMN_KEYWORD && !sb_str_to_i64(v->s, &offset)) continue;
        uint32_t doc = doc_at(p->g, offset);
        if (doc == p->g->docs) continue;
        if (v->type == SB_COLUMN_KEYWORD && names && sb_column_has_any(names, doc)) continue;
        docs[n++] = doc;
    }
    qsort(docs, n, sizeof *docs, cmp_u32);
    become(f, n ? LEAF_DOCS : LEAF_NONE);
    f->docs = docs;
    f->n = n;
    if (!names || names->type != SB_COLUMN_KEYWORD) return SB_OK;

    struct sb_filter *by_name = NULL, **both = NULL;
    struct sb_search_value *strings = NULL;
    SB_TRY(array(p->w, &strings, q->nvalues + 1, sizeof *strings));
    terms.nvalues = 0;
    for (size_t i = 0; i < q->nvalues; i++)
        if (q->values[i].type == SB_COLUMN_KEYWORD) strings[terms.nvalues++] = q->values[i];
    terms.values = strings;
    SB_TRY(array(p->w, &by_name, 1, sizeof *by_name));
    by_name->column = names;
    SB_TRY(plan_terms_keyword(p, by_name, &terms));
    if (f->leaf == LEAF_NONE) {
        *f = *by_name;
        return SB_OK;
    }
    struct sb_filter *by_offset = NULL;
    SB_TRY(array(p->w, &by_offset, 1, sizeof *by_offset));
    SB_TRY(array(p->w, &both, 2, sizeof *both));
    *by_offset = *f;
    both[0] = by_offset;
    both[1] = by_name;
    *f = (struct sb_filter){.leaf = LEAF_BOOL, .should = both, .nshould = 2, .min_should = 1};
    return SB_OK;
}

/* ---- the tree ---- */

static sb_err plan(struct planner *p, const struct sb_query *q, struct sb_filter **out);

static sb_err plan_list(struct planner *p, const struct sb_query *const *q, size_t n,
                        struct sb_filter ***out) {
    SB_TRY(array(p->w, out, n + 1, sizeof **out));
    for (size_t i = 0; i < n; i++) SB_TRY(plan(p, q[i], *out + i));
    return SB_OK;
}

/* Takes the parts of one kind out of a list; says how many there were. */
static size_t take_out(struct sb_filter **list, size_t *n, enum leaf leaf) {
    size_t kept = 0, out;
    for (size_t i = 0; i < *n; i++)
        if (list[i]->leaf != leaf) list[kept++] = list[i];
    out = *n - kept;
    *n = kept;
    return out;
}

static sb_err plan_bool(struct planner *p, struct sb_filter *f, const struct sb_query *q) {
    become(f, LEAF_BOOL);
    f->nmust = q->nmust;
    f->nmust_not = q->nmust_not;
    f->nshould = q->min_should ? q->nshould : 0;
    f->min_should = q->min_should;
    SB_TRY(plan_list(p, q->must, f->nmust, &f->must));
    SB_TRY(plan_list(p, q->must_not, f->nmust_not, &f->must_not));
    SB_TRY(plan_list(p, q->should, f->nshould, &f->should));
    bool none = take_out(f->must, &f->nmust, LEAF_NONE) > 0;
    take_out(f->must, &f->nmust, LEAF_ALL);
    none |= take_out(f->must_not, &f->nmust_not, LEAF_ALL) > 0;
    take_out(f->must_not, &f->nmust_not, LEAF_NONE);
    take_out(f->should, &f->nshould, LEAF_NONE);
    size_t all = take_out(f->should, &f->nshould, LEAF_ALL);
    f->min_should = all >= f->min_should ? 0 : f->min_should - all;
    if (!f->min_should) f->nshould = 0;
    if (f->nshould < f->min_should) none = true;
    if (none)
        become(f, LEAF_NONE);
    else if (!f->nmust && !f->nmust_not && !f->nshould)
        become(f, LEAF_ALL);
    return SB_OK;
}

static bool is_string_query(enum sb_query_kind kind) {
    return kind == SB_QUERY_PREFIX || kind == SB_QUERY_WILDCARD || kind == SB_QUERY_REGEXP ||
           kind == SB_QUERY_WORDS;
}

static sb_err plan_leaf(struct planner *p, struct sb_filter *f, const struct sb_query *q) {
    const struct sb_column *c = f->column;
    bool keyword = c->type == SB_COLUMN_KEYWORD;
    become(f, LEAF_NONE);
    if (is_string_query(q->kind) && !keyword) return SB_OK;
    switch (q->kind) {
    case SB_QUERY_TERMS: return keyword ? plan_terms_keyword(p, f, q) : plan_terms_number(p, f, q);
    case SB_QUERY_RANGE: plan_range(p, f, q); return SB_OK;
    case SB_QUERY_EXISTS: become(f, LEAF_PRESENT); return SB_OK;
    case SB_QUERY_PREFIX:
        if (!q->ignore_case) {
            uint32_t from = sb_terms_lower(c, q->text);
            ordinals(f, from, prefix_end(c, q->text, from));
            return SB_OK;
        }
        return plan_pattern(p, f, q);
    case SB_QUERY_WILDCARD:
    case SB_QUERY_REGEXP: return plan_pattern(p, f, q);
    case SB_QUERY_WORDS: return plan_words(p, f, q);
    default: return sb_fail(p->w->ctx, SB_E_BUG, "unknown query");
    }
}

static sb_err plan(struct planner *p, const struct sb_query *q, struct sb_filter **out) {
    struct sb_filter *f = NULL;
    SB_TRY(array(p->w, &f, 1, sizeof *f));
    *out = f;
    if (q->kind == SB_QUERY_ALL || q->kind == SB_QUERY_NONE) {
        become(f, q->kind == SB_QUERY_ALL ? LEAF_ALL : LEAF_NONE);
        return SB_OK;
    }
    if (q->kind == SB_QUERY_BOOL) return plan_bool(p, f, q);
    if (q->kind == SB_QUERY_IDS) return plan_ids(p, f, q);
    f->column = sb_column_of(p->g, q->field);
    become(f, LEAF_NONE);
    if (f->column) SB_TRY(plan_leaf(p, f, q));
    if (f->leaf == LEAF_PRESENT && f->column->npresent == p->g->docs) become(f, LEAF_ALL);
    return SB_OK;
}

sb_err sb_filter_new(struct sb_filter **out, struct sb_work *w, const struct sb_column_segment *g,
                     const struct sb_query *q) {
    struct planner p = {w, g};
    return plan(&p, q, out);
}

struct checker {
    struct sb_work *w;
    size_t clauses;
};

static sb_err check(struct checker *c, const struct sb_query *q, int depth);

static sb_err check_list(struct checker *c, const struct sb_query *const *q, size_t n, int depth) {
    for (size_t i = 0; i < n; i++) SB_TRY(check(c, q[i], depth + 1));
    return SB_OK;
}

static sb_err check(struct checker *c, const struct sb_query *q, int depth) {
    struct sb_pattern *pattern;
    struct sb_words *words;
    if (depth > SB_SEARCH_DEPTH_MAX)
        return sb_fail(c->w->ctx, SB_E_LIMIT, "queries are nested more than %d deep",
                       SB_SEARCH_DEPTH_MAX);
    if (++c->clauses > SB_SEARCH_CLAUSES_MAX)
        return sb_fail(c->w->ctx, SB_E_LIMIT, "the query has more than %d clauses",
                       SB_SEARCH_CLAUSES_MAX);
    if (is_string_query(q->kind) && q->text.n > SB_SEARCH_PATTERN_MAX && q->kind != SB_QUERY_WORDS)
        return sb_fail(c->w->ctx, SB_E_LIMIT, "a pattern is longer than %d bytes",
                       SB_SEARCH_PATTERN_MAX);
    if (q->kind == SB_QUERY_WILDCARD || q->kind == SB_QUERY_REGEXP)
        return pattern_of(c->w, q, &pattern);
    if (q->kind == SB_QUERY_WORDS)
        return sb_words_new(&words, &c->w->plan, q->text, (int)q->words, c->w->ctx);
    if (q->kind != SB_QUERY_BOOL) return SB_OK;
    SB_TRY(check_list(c, q->must, q->nmust, depth));
    SB_TRY(check_list(c, q->must_not, q->nmust_not, depth));
    return check_list(c, q->should, q->nshould, depth);
}

sb_err sb_query_check(struct sb_work *w, const struct sb_query *q) {
    struct checker c = {.w = w};
    return check(&c, q, 1);
}

/* ---- a block ---- */

enum sb_some sb_filter_whole(const struct sb_filter *f) {
    if (f->leaf == LEAF_NONE) return SB_SOME_NONE;
    return f->leaf == LEAF_ALL ? SB_SOME_ALL : SB_SOME;
}

static uint32_t words_of(uint32_t n) {
    return (n + 63) / 64;
}

static enum sb_some set_none(uint32_t n, uint64_t *bits) {
    memset(bits, 0, words_of(n) * sizeof *bits);
    return SB_SOME_NONE;
}

static enum sb_some set_all(uint32_t n, uint64_t *bits) {
    memset(bits, 0xff, words_of(n) * sizeof *bits);
    if (n % 64) bits[n / 64] = (UINT64_C(1) << n % 64) - 1;
    return SB_SOME_ALL;
}

static enum sb_some judge(uint32_t n, const uint64_t *bits) {
    uint64_t any = 0, all = UINT64_MAX;
    for (uint32_t i = 0; i < n / 64; i++) {
        any |= bits[i];
        all &= bits[i];
    }
    if (n % 64) {
        any |= bits[n / 64];
        all &= bits[n / 64] | ~((UINT64_C(1) << n % 64) - 1);
    }
    if (!any) return SB_SOME_NONE;
    return all == UINT64_MAX ? SB_SOME_ALL : SB_SOME;
}

static bool in_i64(const struct sb_filter *f, int64_t v) {
    return bsearch(&v, f->set_i, f->n, sizeof v, cmp_i64) != NULL;
}
static bool in_f64(const struct sb_filter *f, double v) {
    return bsearch(&v, f->set_f, f->n, sizeof v, cmp_f64) != NULL;
}

/* Bits of n <= SB_COLUMN_BLOCK values at a position. */
static void value_bits(const struct sb_filter *f, uint32_t at, uint32_t n, uint64_t *bits) {
    const struct sb_column *c = f->column;
    switch (f->leaf) {
    case LEAF_RAW: sb_kernel_range(c, at, n, f->low, f->span, bits); break;
    case LEAF_TABLE: sb_kernel_table(c, at, n, f->table, bits); break;
    case LEAF_F64:
        sb_kernel_range_f64((const double *)c->values + at, n, f->low_f, f->high_f, bits);
        break;
    default:
        memset(bits, 0, words_of(n) * sizeof *bits);
        for (uint32_t i = 0; i < n; i++) {
            bool yes = f->leaf == LEAF_I64_SET ? in_i64(f, sb_column_i64(c, at + i))
                                               : in_f64(f, ((const double *)c->values)[at + i]);
            bits[i / 64] |= (uint64_t)yes << i % 64;
        }
    }
}

/* Of several values any one will do. */
static void several_bits(const struct sb_filter *f, uint32_t first, uint32_t n, uint64_t *bits) {
    const uint32_t *starts = f->column->starts;
    uint64_t some[SB_BLOCK_WORDS];
    uint32_t doc = 0, at = starts[first], end = starts[first + n];
    memset(bits, 0, words_of(n) * sizeof *bits);
    while (at < end) {
        uint32_t k = end - at > SB_COLUMN_BLOCK ? SB_COLUMN_BLOCK : end - at;
        value_bits(f, at, k, some);
        for (uint32_t i = 0; i < k; i++) {
            while (starts[first + doc + 1] <= at + i) doc++;
            bits[doc / 64] |= (some[i / 64] >> i % 64 & 1) << doc % 64;
        }
        at += k;
    }
}

static void present_bits(const struct sb_column *c, uint32_t first, uint32_t n, uint64_t *bits) {
    if (c->starts) {
        memset(bits, 0, words_of(n) * sizeof *bits);
        for (uint32_t i = 0; i < n; i++)
            bits[i / 64] |= (uint64_t)(c->starts[first + i + 1] > c->starts[first + i]) << i % 64;
        return;
    }
    set_all(n, bits);
    if (c->present)
        for (uint32_t i = 0; i < words_of(n); i++) bits[i] &= c->present[first / 64 + i];
}

/* What the smallest and largest value of the block say. */
static enum sb_some by_bounds(const struct sb_filter *f, uint32_t block) {
    const struct sb_column *c = f->column;
    if (c->type == SB_COLUMN_KEYWORD) return SB_SOME;
    if (c->type == SB_COLUMN_DOUBLE) {
        double lo = ((const double *)c->block_min)[block],
               hi = ((const double *)c->block_max)[block];
        if (lo > hi) return SB_SOME; /* nothing but NaN, perhaps */
        return hi < f->low_f || lo > f->high_f ? SB_SOME_NONE : SB_SOME;
    }
    int64_t lo = ((const int64_t *)c->block_min)[block],
            hi = ((const int64_t *)c->block_max)[block];
    if (lo > hi) return SB_SOME_NONE;
    if (f->leaf == LEAF_I64_SET)
        return hi < f->set_i[0] || lo > f->set_i[f->n - 1] ? SB_SOME_NONE : SB_SOME;
    if (hi < f->low_i || lo > f->high_i) return SB_SOME_NONE;
    return lo >= f->low_i && hi <= f->high_i ? SB_SOME_ALL : SB_SOME;
}

static enum sb_some leaf_block(const struct sb_filter *f, uint32_t first, uint32_t n,
                               uint64_t *bits) {
    const struct sb_column *c = f->column;
    if (f->leaf != LEAF_PRESENT) {
        enum sb_some s = by_bounds(f, first / SB_COLUMN_BLOCK);
        if (s == SB_SOME_NONE) return set_none(n, bits);
        if (s == SB_SOME) {
            if (c->starts) {
                several_bits(f, first, n, bits);
                return judge(n, bits);
            }
            value_bits(f, first, n, bits);
            if (c->present)
                for (uint32_t i = 0; i < words_of(n); i++) bits[i] &= c->present[first / 64 + i];
            return judge(n, bits);
        }
    }
    if (!c->starts && !c->present) return set_all(n, bits);
    present_bits(c, first, n, bits);
    return judge(n, bits);
}

static enum sb_some docs_block(const struct sb_filter *f, uint32_t first, uint32_t n,
                               uint64_t *bits) {
    size_t lo = 0, hi = f->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (f->docs[mid] < first)
            lo = mid + 1;
        else
            hi = mid;
    }
    set_none(n, bits);
    for (; lo < f->n && f->docs[lo] < first + n; lo++) {
        uint32_t d = f->docs[lo] - first;
        bits[d / 64] |= UINT64_C(1) << d % 64;
    }
    return judge(n, bits);
}

/* bits &= at least min_should of should; some is what bits are. */
static enum sb_some should_block(const struct sb_filter *f, uint32_t first, uint32_t n,
                                 enum sb_some some, uint64_t *bits) {
    uint64_t one[SB_BLOCK_WORDS], any[SB_BLOCK_WORDS] = {0};
    uint16_t count[SB_COLUMN_BLOCK] = {0};
    for (size_t k = 0; k < f->nshould; k++) {
        enum sb_some s = sb_filter_block(f->should[k], first, n, one);
        if (s == SB_SOME_NONE) continue;
        if (f->min_should == 1) {
            if (s == SB_SOME_ALL) return some;
            for (uint32_t i = 0; i < words_of(n); i++) any[i] |= one[i];
        } else {
            for (uint32_t i = 0; i < n; i++) count[i] += one[i / 64] >> i % 64 & 1;
        }
    }
    if (f->min_should > 1)
        for (uint32_t i = 0; i < n; i++)
            any[i / 64] |= (uint64_t)(count[i] >= f->min_should) << i % 64;
    for (uint32_t i = 0; i < words_of(n); i++) bits[i] &= any[i];
    return judge(n, bits);
}

static enum sb_some bool_block(const struct sb_filter *f, uint32_t first, uint32_t n,
                               uint64_t *bits) {
    uint64_t one[SB_BLOCK_WORDS];
    enum sb_some some = set_all(n, bits);
    for (size_t k = 0; k < f->nmust; k++) {
        enum sb_some s = sb_filter_block(f->must[k], first, n, one);
        if (s == SB_SOME_NONE) return set_none(n, bits);
        if (s == SB_SOME_ALL) continue;
        for (uint32_t i = 0; i < words_of(n); i++) bits[i] &= one[i];
        some = judge(n, bits);
        if (some == SB_SOME_NONE) return some;
    }
    for (size_t k = 0; k < f->nmust_not; k++) {
        enum sb_some s = sb_filter_block(f->must_not[k], first, n, one);
        if (s == SB_SOME_ALL) return set_none(n, bits);
        if (s == SB_SOME_NONE) continue;
        for (uint32_t i = 0; i < words_of(n); i++) bits[i] &= ~one[i];
        some = judge(n, bits);
        if (some == SB_SOME_NONE) return some;
    }
    return f->nshould ? should_block(f, first, n, some, bits) : some;
}

enum sb_some sb_filter_block(const struct sb_filter *f, uint32_t first, uint32_t n,
                             uint64_t *bits) {
    switch (f->leaf) {
    case LEAF_NONE: return set_none(n, bits);
    case LEAF_ALL: return set_all(n, bits);
    case LEAF_BOOL: return bool_block(f, first, n, bits);
    case LEAF_DOCS: return docs_block(f, first, n, bits);
    default: return leaf_block(f, first, n, bits);
    }
}

/* engine/column: random queries, orders and aggregations over random documents give what a plain
 * walk over the documents gives; and the edges that chance does not reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/json.h"
#include "codec/time.h"
#include "engine/column/search.h"
#include "engine/column/segment.h"
#include "sys/file.h"

/* ---- documents ---- */

enum field { TIME, ID, KIND, TAGS, SMALL, BIG, REAL, MANY, FLAG, NFIELDS };
enum { VALUES_MAX = 4, NKINDS = 7, MEGA = 1000000 };
static const char *const names[NFIELDS] = {"@timestamp", "event_id", "kind", "in.tags", "small",
                                           "big",        "real",     "many", "flag"};
static const enum sb_column_type types[NFIELDS] = {
    SB_COLUMN_DATE, SB_COLUMN_KEYWORD, SB_COLUMN_KEYWORD, SB_COLUMN_KEYWORD, SB_COLUMN_LONG,
    SB_COLUMN_LONG, SB_COLUMN_DOUBLE,  SB_COLUMN_LONG,    SB_COLUMN_BOOL};
static const char *const kinds[NKINDS] = {
    "", "alpha", "Alpha beta", "b\xc3\xa9ta", "gamma-ray", "gamma.delta 3.5", "zeta"};

struct doc {
    int64_t offset;
    uint32_t n[NFIELDS];
    struct sb_search_value v[NFIELDS][VALUES_MAX];
};

struct world {
    struct sb_arena a; /* documents */
    struct sb_arena q; /* one case */
    struct sb_rng rng;
    struct doc *docs;
    uint32_t ndocs;
    struct sb_column_index *ix;
    struct sb_column_snapshot *snap;
    int field[NFIELDS]; /* -1: no document has it */
    int64_t first_ms, span_ms;
    char dir[64];
};

static uint32_t below(struct world *w, uint32_t n) {
    return (uint32_t)(sb_rng_next(&w->rng) >> 33) % n;
}
static bool chance(struct world *w, uint32_t percent) {
    return below(w, 100) < percent;
}

static struct sb_search_value random_value(struct world *w, int f) {
    struct sb_search_value v = {.type = types[f]};
    switch (f) {
    case TIME: v.i = w->first_ms + (int64_t)(sb_rng_next(&w->rng) % (uint64_t)w->span_ms); break;
    case ID: v.s = sb_str_of(sb_arena_printf(&w->q, "id-%u", below(w, w->ndocs + 3))); break;
    case KIND:
    case TAGS: v.s = sb_str_of(kinds[below(w, NKINDS)]); break;
    case SMALL: v.i = (int64_t)below(w, 12) - 3; break;
    case BIG: v.i = ((int64_t)below(w, 40) - 20) * 37 * MEGA * MEGA / 100; break;
    case REAL: v.f = ((double)below(w, 81) - 40) * 0.25; break;
    case MANY: v.i = below(w, 9); break;
    default: v.i = below(w, 2);
    }
    return v;
}

/* `real` of the first third are whole numbers: a LONG column under a DOUBLE field. */
static void make_doc(struct world *w, uint32_t i) {
    struct doc *d = &w->docs[i];
    d->offset = i ? w->docs[i - 1].offset + 1 + chance(w, 10) : 5;
    for (int f = 0; f < NFIELDS; f++) {
        d->n[f] = f < KIND || chance(w, f == BIG ? 100 : 80);
        if (f == TAGS || f == MANY) d->n[f] = below(w, VALUES_MAX);
        if (f == FLAG && i < w->ndocs / 2) d->n[f] = 0; /* missing in whole segments */
        for (uint32_t k = 0; k < d->n[f]; k++) d->v[f][k] = random_value(w, f);
    }
    /* a KEYWORD of a document is in its column once */
    uint32_t first = below(w, NKINDS);
    for (uint32_t k = 0; k < d->n[TAGS]; k++)
        d->v[TAGS][k].s = sb_str_of(kinds[(first + 2 * k) % NKINDS]);
    d->v[TIME][0].i = w->first_ms + (int64_t)(((double)i + 0.5) / w->ndocs * (double)w->span_ms);
    if (chance(w, 10)) d->v[TIME][0] = random_value(w, TIME);
    d->v[ID][0].s = sb_str_of(sb_arena_printf(&w->a, "id-%u", i));
    if (i < w->ndocs / 3) d->v[REAL][0].f = floor(d->v[REAL][0].f);
}

static void print_value(struct sb_buf *b, int f, const struct sb_search_value *v) {
    char when[SB_TIME_TEXT];
    if (f == TIME)
        sb_json_add_string(b, sb_str_make(when, sb_time_format_ms(when, v->i)));
    else if (types[f] == SB_COLUMN_KEYWORD)
        sb_json_add_string(b, v->s);
    else if (types[f] == SB_COLUMN_BOOL)
        sb_buf_addz(b, v->i ? "true" : "false");
    else if (types[f] == SB_COLUMN_DOUBLE && v->f != floor(v->f))
        sb_buf_addf(b, "%.17g", v->f);
    else
        sb_buf_addi(b, types[f] == SB_COLUMN_DOUBLE ? (int64_t)v->f : v->i);
}

static void print_doc(struct sb_buf *b, const struct doc *d) {
    sb_buf_addc(b, '{');
    for (int f = 0; f < NFIELDS; f++) {
        if (!d->n[f]) continue;
        if (f == TAGS)
            sb_buf_addz(b, ",\"in\":{\"tags\":");
        else
            sb_buf_addf(b, "%s\"%s\":", f ? "," : "", names[f]);
        if (d->n[f] > 1) sb_buf_addc(b, '[');
        for (uint32_t k = 0; k < d->n[f]; k++) {
            if (k) sb_buf_addc(b, ',');
            print_value(b, f, &d->v[f][k]);
        }
        if (d->n[f] > 1) sb_buf_addc(b, ']');
        if (f == TAGS) sb_buf_addc(b, '}');
    }
    sb_buf_addc(b, '}');
}

static void world_open(struct world *w, uint32_t ndocs, uint64_t seed) {
    struct sb_column_opts o = {.time_field = "@timestamp", .id_field = "event_id"};
    struct sb_errctx ctx = {0};
    struct sb_buf b;
    memset(w, 0, sizeof *w);
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
    sb_arena_init(&w->a, 64 << 20);
    sb_arena_init(&w->q, 64 << 20);
    sb_rng_seed(&w->rng, seed);
    w->ndocs = ndocs;
    w->first_ms = INT64_C(1790000000000);
    w->span_ms = INT64_C(86400000) * 90;
    w->docs = sb_arena_try_array(&w->a, ndocs + 1, sizeof *w->docs);
    snprintf(w->dir, sizeof w->dir, "/tmp/search_test.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(sb_column_open(&w->ix, w->dir, &o, &ctx), SB_OK);
    sb_buf_init(&b, 1 << 20);
    for (uint32_t i = 0; i < ndocs; i++) {
        make_doc(w, i);
        sb_buf_reset(&b);
        print_doc(&b, &w->docs[i]);
        assert_int_equal(sb_column_add(w->ix, w->docs[i].offset, 0, sb_buf_view(&b)), SB_OK);
        bool cut = i + 1 == ndocs / 3 || i + 1 == ndocs / 2;
        if (cut) assert_int_equal(sb_column_flush(w->ix, &ctx), SB_OK);
        if (i % 200 == 199)
            assert_int_equal(sb_column_refresh(w->ix, w->docs[i].offset + 1), SB_OK);
    }
    sb_buf_fini(&b);
    int64_t next = ndocs ? w->docs[ndocs - 1].offset + 1 : 0;
    assert_int_equal(sb_column_refresh(w->ix, next), SB_OK);
    w->snap = sb_column_snapshot_take(w->ix);
    assert_int_equal(sb_column_docs(w->snap), ndocs);
    for (int f = 0; f < NFIELDS; f++)
        w->field[f] = sb_column_field_find(w->snap, sb_str_of(names[f]));
}

static void world_close(struct world *w) {
    sb_column_snapshot_release(w->snap);
    sb_column_close(w->ix);
    assert_int_equal(sb_dir_remove_all(w->dir, NULL), SB_OK);
    sb_arena_fini(&w->a);
    sb_arena_fini(&w->q);
}

/* The case's own copy of an array. */
static void *keep(struct world *w, const void *p, size_t n) {
    return memcpy(sb_arena_alloc(&w->q, n + 1), p, n);
}

/* ---- queries: random ones, and what they mean ---- */

static int compare(const struct sb_search_value *a, const struct sb_search_value *b) {
    if (a->type == SB_COLUMN_KEYWORD) return sb_str_cmp(a->s, b->s);
    if (a->type == SB_COLUMN_DOUBLE || b->type == SB_COLUMN_DOUBLE) {
        double x = a->type == SB_COLUMN_DOUBLE ? a->f : (double)a->i;
        double y = b->type == SB_COLUMN_DOUBLE ? b->f : (double)b->i;
        return (x > y) - (x < y);
    }
    return (a->i > b->i) - (a->i < b->i);
}

static int field_back(const struct world *w, int field) {
    for (int f = 0; f < NFIELDS; f++)
        if (w->field[f] == field) return f;
    return -1;
}

static bool wild(const char *p, const char *pe, const char *s, const char *se) {
    if (p == pe) return s == se;
    if (*p == '*') return wild(p + 1, pe, s, se) || (s < se && wild(p, pe, s + 1, se));
    return s < se && (*p == '?' || *p == *s) && wild(p + 1, pe, s + 1, se);
}

static bool matches(const struct world *w, const struct sb_query *q, const struct doc *d);

static bool value_matches(const struct sb_query *q, const struct sb_search_value *v) {
    int low, high;
    switch (q->kind) {
    case SB_QUERY_TERMS:
        for (size_t i = 0; i < q->nvalues; i++)
            if (q->ignore_case ? sb_str_ieq(v->s, q->values[i].s) : !compare(v, &q->values[i]))
                return true;
        return false;
    case SB_QUERY_RANGE:
        low = q->has_low ? compare(v, &q->low) : 1;
        high = q->has_high ? compare(v, &q->high) : -1;
        return (q->low_open ? low > 0 : low >= 0) && (q->high_open ? high < 0 : high <= 0);
    case SB_QUERY_EXISTS: return true;
    case SB_QUERY_PREFIX: return sb_str_starts(v->s, q->text);
    default: return wild(q->text.p, q->text.p + q->text.n, v->s.n ? v->s.p : "", v->s.p + v->s.n);
    }
}

static bool bool_matches(const struct world *w, const struct sb_query *q, const struct doc *d) {
    size_t should = 0;
    for (size_t i = 0; i < q->nmust; i++)
        if (!matches(w, q->must[i], d)) return false;
    for (size_t i = 0; i < q->nmust_not; i++)
        if (matches(w, q->must_not[i], d)) return false;
    for (size_t i = 0; i < q->nshould; i++) should += matches(w, q->should[i], d);
    return should >= q->min_should;
}

static bool matches(const struct world *w, const struct sb_query *q, const struct doc *d) {
    if (q->kind == SB_QUERY_ALL) return true;
    if (q->kind == SB_QUERY_NONE) return false;
    if (q->kind == SB_QUERY_BOOL) return bool_matches(w, q, d);
    if (q->kind == SB_QUERY_IDS) {
        for (size_t i = 0; i < q->nvalues; i++)
            if (q->values[i].type == SB_COLUMN_LONG ? q->values[i].i == d->offset
                                                    : sb_str_eq(q->values[i].s, d->v[ID][0].s))
                return true;
        return false;
    }
    int f = q->field < 0 ? -1 : field_back(w, q->field);
    if (f < 0) return false;
    for (uint32_t k = 0; k < d->n[f]; k++)
        if (value_matches(q, &d->v[f][k])) return true;
    return false;
}

static const struct sb_query *random_query(struct world *w, int depth);

static const struct sb_query *const *random_list(struct world *w, size_t *n, int depth) {
    const struct sb_query *list[4];
    *n = below(w, 3);
    for (size_t i = 0; i < *n; i++) list[i] = random_query(w, depth + 1);
    return keep(w, list, *n * sizeof *list);
}

static void random_values(struct world *w, struct sb_query *q, int f) {
    struct sb_search_value v[8];
    q->nvalues = 1 + below(w, 4);
    for (size_t i = 0; i < q->nvalues; i++) {
        v[i] = random_value(w, f);
        if (types[f] == SB_COLUMN_LONG && chance(w, 10))
            v[i] = (struct sb_search_value){.type = SB_COLUMN_DOUBLE, .f = (double)v[i].i + 0.5};
    }
    q->values = keep(w, v, q->nvalues * sizeof *v);
}

static void random_string_query(struct world *w, struct sb_query *q) {
    static const char *const patterns[] = {"*a", "al*", "*a*a*",     "?lpha*",
                                           "*",  "",    "gamma?ray", "g*t*"};
    int f = chance(w, 50) ? KIND : TAGS;
    q->field = w->field[f];
    q->kind = chance(w, 50) ? SB_QUERY_PREFIX : SB_QUERY_WILDCARD;
    q->text = sb_str_of(patterns[below(w, SB_COUNT(patterns))]);
    if (q->kind == SB_QUERY_PREFIX) q->text = sb_str_sub(random_value(w, f).s, 0, below(w, 5));
}

static const struct sb_query *random_query(struct world *w, int depth) {
    struct sb_query q = {0};
    int f = (int)below(w, NFIELDS);
    q.field = w->field[f];
    switch (below(w, depth < 3 ? 12 : 7)) {
    case 0: q.kind = chance(w, 80) ? SB_QUERY_ALL : SB_QUERY_NONE; break;
    case 1:
    case 2:
        q.kind = SB_QUERY_TERMS;
        random_values(w, &q, f);
        q.ignore_case = types[f] == SB_COLUMN_KEYWORD && chance(w, 30);
        break;
    case 3:
    case 4:
        q.kind = SB_QUERY_RANGE;
        q.has_low = chance(w, 70);
        q.has_high = chance(w, 70);
        q.low = random_value(w, f);
        q.high = random_value(w, f);
        q.low_open = chance(w, 50);
        q.high_open = chance(w, 50);
        break;
    case 5:
        q.kind = SB_QUERY_EXISTS;
        if (chance(w, 50)) {
            q.kind = SB_QUERY_IDS;
            random_values(w, &q, ID);
            if (w->ndocs && chance(w, 50)) {
                struct sb_search_value *v = (struct sb_search_value *)q.values;
                v[0] = (struct sb_search_value){.type = SB_COLUMN_LONG,
                                                .i = w->docs[below(w, w->ndocs)].offset};
            }
        }
        break;
    case 6: random_string_query(w, &q); break;
    default:
        q.kind = SB_QUERY_BOOL;
        q.must = random_list(w, &q.nmust, depth);
        q.must_not = random_list(w, &q.nmust_not, depth);
        q.should = random_list(w, &q.nshould, depth);
        q.min_should = below(w, (uint32_t)q.nshould + 1);
    }
    return keep(w, &q, sizeof q);
}

/* ---- aggregations ---- */

struct list {
    const struct doc **at;
    uint32_t n;
};

static struct list list_new(struct world *w, uint32_t most) {
    return (struct list){sb_arena_alloc(&w->q, (most + 1) * sizeof(struct doc *)), 0};
}

/* A field that numbers can be taken of. */
static int number_field(struct world *w) {
    static const int fields[] = {SMALL, BIG, REAL, MANY, FLAG, TIME};
    return fields[below(w, SB_COUNT(fields))];
}

static void random_missing(struct world *w, struct sb_agg *a, int f) {
    a->has_missing = chance(w, 25);
    a->missing = random_value(w, f);
}

static const struct sb_agg *random_aggs(struct world *w, size_t *n, int depth);

static void random_order(struct world *w, struct sb_agg *a) {
    struct sb_agg_order o[2] = {{0}};
    a->norder = below(w, 3);
    for (size_t i = 0; i < a->norder; i++) {
        o[i].descending = chance(w, 50);
        o[i].by = chance(w, 50) ? SB_AGG_BY_COUNT : SB_AGG_BY_KEY;
        for (size_t k = 0; k < a->nchildren; k++)
            if (a->children[k].kind >= SB_AGG_AVG && a->children[k].kind <= SB_AGG_MAX) {
                o[i].by = SB_AGG_BY_METRIC;
                o[i].child = k;
            }
    }
    a->order = keep(w, o, sizeof o);
}

static void random_buckets(struct world *w, struct sb_agg *a) {
    int f = a->kind == SB_AGG_TERMS || a->kind == SB_AGG_MISSING ? (int)below(w, NFIELDS)
                                                                 : number_field(w);
    double lo = (double)below(w, 20) - 10;
    struct sb_agg_range r[3] = {{.has_to = true, .to = lo},
                                {.has_from = true, .from = lo, .has_to = true, .to = lo + 5},
                                {.has_from = true, .from = lo + 3}};
    const struct sb_query *filters[2] = {random_query(w, 2), random_query(w, 2)};
    if (a->kind == SB_AGG_DATE_HISTOGRAM) f = TIME;
    if (a->kind == SB_AGG_HISTOGRAM) f = chance(w, 50) ? SMALL : chance(w, 50) ? REAL : MANY;
    a->field = w->field[f];
    if (a->kind == SB_AGG_MISSING || a->kind == SB_AGG_FILTERS)
        a->field = w->field[f];
    else
        random_missing(w, a, f);
    a->size = 1 + below(w, 20);
    a->min_doc_count = below(w, 3);
    if (a->kind == SB_AGG_TERMS && types[f] != SB_COLUMN_KEYWORD) a->min_doc_count++;
    if (a->kind == SB_AGG_TERMS && f == ID) a->min_doc_count = 1;
    a->interval =
        a->kind == SB_AGG_HISTOGRAM ? 0.5 + below(w, 4) : (1 + below(w, 5)) * 86400e3 * 1.5;
    a->offset = a->kind == SB_AGG_HISTOGRAM ? 0.25 : (double)below(w, 7) * 3600e3;
    if (a->kind == SB_AGG_DATE_HISTOGRAM && chance(w, 60)) {
        a->calendar = SB_CALENDAR_DAY + (enum sb_agg_calendar)below(w, 5);
        a->offset = 0;
    }
    if (a->kind == SB_AGG_HISTOGRAM && chance(w, 30)) {
        a->has_bounds = true;
        a->hard_bounds = chance(w, 50);
        a->bounds_min = -12;
        a->bounds_max = a->hard_bounds ? 3 : 14;
    }
    a->ranges = keep(w, r, sizeof r);
    a->nranges = 3;
    a->filters = keep(w, filters, sizeof filters);
    a->nfilters = 2;
    a->other_bucket = chance(w, 50);
}

static struct sb_agg random_agg(struct world *w, int depth) {
    static const double percents[] = {0, 25, 50, 99, 100};
    struct sb_agg a = {.field = -1};
    if (depth < 3 && chance(w, 60)) {
        a.kind = (enum sb_agg_kind)below(w, SB_AGG_MISSING + 1);
        a.children = random_aggs(w, &a.nchildren, depth + 1);
        random_buckets(w, &a);
        if (a.kind <= SB_AGG_DATE_HISTOGRAM) random_order(w, &a);
        return a;
    }
    a.kind = SB_AGG_AVG + (enum sb_agg_kind)below(w, SB_AGG_PERCENTILES - SB_AGG_AVG + 1);
    bool any = a.kind == SB_AGG_VALUE_COUNT || a.kind == SB_AGG_CARDINALITY;
    int f = any ? (int)below(w, NFIELDS) : number_field(w);
    a.field = w->field[f];
    random_missing(w, &a, f);
    a.percents = percents;
    a.npercents = SB_COUNT(percents);
    return a;
}

static const struct sb_agg *random_aggs(struct world *w, size_t *n, int depth) {
    struct sb_agg a[3];
    *n = below(w, depth ? 3 : 4);
    if (*n > 3) *n = 3;
    for (size_t i = 0; i < *n; i++) a[i] = random_agg(w, depth);
    return keep(w, a, *n * sizeof *a);
}

/* Values of the aggregation's field in a document, with the one for documents that have none. */
static uint32_t values_of(const struct world *w, const struct sb_agg *a, const struct doc *d,
                          struct sb_search_value *v) {
    int f = a->field < 0 ? -1 : field_back(w, a->field);
    uint32_t n = f < 0 ? 0 : d->n[f];
    for (uint32_t i = 0; i < n; i++) v[i] = d->v[f][i];
    if (!n && a->has_missing) v[n++] = a->missing;
    return n;
}

static double number_of(const struct sb_search_value *v) {
    return v->type == SB_COLUMN_DOUBLE ? v->f : (double)v->i;
}

static int cmp_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct numbers {
    double *v;
    uint32_t n;
    double sum, squares;
};

static struct numbers numbers_of(struct world *w, const struct sb_agg *a, struct list docs) {
    struct numbers x = {sb_arena_alloc(&w->q, (docs.n * VALUES_MAX + 1) * sizeof(double)), 0, 0, 0};
    struct sb_search_value v[VALUES_MAX];
    long double sum = 0, squares = 0;
    for (uint32_t i = 0; i < docs.n; i++)
        for (uint32_t k = 0, n = values_of(w, a, docs.at[i], v); k < n; k++) {
            x.v[x.n++] = number_of(&v[k]);
            sum += v[k].type == SB_COLUMN_DOUBLE ? (long double)v[k].f : (long double)v[k].i;
            squares += (long double)number_of(&v[k]) * (long double)number_of(&v[k]);
        }
    qsort(x.v, x.n, sizeof *x.v, cmp_double);
    x.sum = (double)sum;
    x.squares = (double)squares;
    return x;
}

static void near(double a, double b, double relative) {
    if (fabs(a - b) > relative * fabs(b) + 1e-300) fail_msg("%.17g is not near %.17g", a, b);
}

static void check_percentiles(const struct sb_agg_result *r, const struct numbers *x) {
    for (size_t i = 0; i < r->agg->npercents; i++) {
        if (!x->n) {
            assert_true(isnan(r->quantiles[i]));
            continue;
        }
        double rank = r->agg->percents[i] / 100 * (x->n - 1);
        double a = x->v[(uint32_t)rank], b = x->v[(uint32_t)ceil(rank)];
        double exact = a + (b - a) * (rank - floor(rank));
        double error = SB_AGG_QUANTILE_ERROR * fmax(fabs(a), fabs(b));
        if (fabs(r->quantiles[i] - exact) > error + 1e-12)
            fail_msg("percentile %g: %.17g for %.17g", r->agg->percents[i], r->quantiles[i], exact);
    }
}

static int cmp_value(const void *a, const void *b) {
    return compare(a, b);
}

static uint64_t distinct_of(struct world *w, const struct sb_agg *a, struct list docs) {
    struct sb_search_value *v = sb_arena_alloc(&w->q, (docs.n * VALUES_MAX + 1) * sizeof *v);
    uint32_t n = 0;
    uint64_t distinct = 0;
    for (uint32_t i = 0; i < docs.n; i++) n += values_of(w, a, docs.at[i], v + n);
    qsort(v, n, sizeof *v, cmp_value);
    for (uint32_t i = 0; i < n; i++) distinct += !i || compare(&v[i - 1], &v[i]);
    return distinct;
}

static void check_metric(struct world *w, const struct sb_agg_result *r, struct list docs) {
    const struct sb_agg *a = r->agg;
    if (a->kind == SB_AGG_CARDINALITY) {
        assert_int_equal(r->cardinality, distinct_of(w, a, docs));
        return;
    }
    struct numbers x = numbers_of(w, a, docs);
    assert_int_equal(r->count, x.n);
    if (a->kind == SB_AGG_PERCENTILES) check_percentiles(r, &x);
    if (!x.n || a->kind == SB_AGG_VALUE_COUNT) return;
    if (a->kind != SB_AGG_MIN && a->kind != SB_AGG_MAX && a->kind != SB_AGG_PERCENTILES)
        near(r->sum, x.sum, 1e-15);
    if (a->kind >= SB_AGG_MIN) {
        assert_true(r->min == x.v[0]);
        assert_true(r->max == x.v[x.n - 1]);
    }
    if (a->kind == SB_AGG_EXTENDED_STATS) near(r->sum_of_squares, x.squares, 1e-15);
}

/* A bucket as it should be. */
struct bucket {
    struct sb_search_value key;
    struct list docs;
    const struct sb_agg *agg;
    struct world *w;
};

static int64_t month_start(int64_t ms, int months, int64_t *next) {
    int64_t s = ms / 1000 - (ms % 1000 < 0);
    struct tm tm;
    time_t t = (time_t)s;
    gmtime_r(&t, &tm);
    struct tm at = {.tm_year = tm.tm_year, .tm_mon = tm.tm_mon / months * months, .tm_mday = 1};
    int64_t start = timegm(&at);
    at.tm_mon += months;
    *next = timegm(&at) * 1000;
    return start * 1000;
}

static int64_t date_bucket(const struct sb_agg *a, int64_t ms, int64_t *next) {
    int64_t unit = (int64_t)a->interval, shift = (int64_t)a->offset;
    if (a->calendar >= SB_CALENDAR_MONTH)
        return month_start(ms, (int[]){1, 3, 12}[a->calendar - SB_CALENDAR_MONTH], next);
    if (a->calendar == SB_CALENDAR_DAY) unit = 86400000;
    if (a->calendar == SB_CALENDAR_WEEK) {
        unit = 7 * 86400000;
        shift = 4 * 86400000; /* 1970-01-05 was a Monday */
    }
    int64_t start = (int64_t)floor((double)(ms - shift) / (double)unit) * unit + shift;
    *next = start + unit;
    return start;
}

static struct sb_search_value key_of(const struct sb_agg *a, const struct sb_search_value *v) {
    int64_t next;
    if (a->kind == SB_AGG_TERMS) return *v;
    if (a->kind == SB_AGG_DATE_HISTOGRAM)
        return (struct sb_search_value){.type = SB_COLUMN_DATE, .i = date_bucket(a, v->i, &next)};
    double f = floor((number_of(v) - a->offset) / a->interval) * a->interval + a->offset;
    return (struct sb_search_value){.type = SB_COLUMN_DOUBLE, .f = f};
}

static double metric_of(const struct bucket *b, size_t child) {
    const struct sb_agg *a = &b->agg->children[child];
    struct numbers x = numbers_of(b->w, a, b->docs);
    if (a->kind == SB_AGG_SUM) return x.n ? x.sum : 0;
    if (!x.n) return NAN;
    return a->kind == SB_AGG_AVG ? x.sum / x.n : a->kind == SB_AGG_MIN ? x.v[0] : x.v[x.n - 1];
}

static int cmp_bucket(const void *p, const void *q) {
    const struct bucket *x = p, *y = q;
    const struct sb_agg *a = x->agg;
    for (size_t i = 0; i < a->norder; i++) {
        const struct sb_agg_order *o = &a->order[i];
        double m = x->docs.n, n = y->docs.n;
        if (o->by == SB_AGG_BY_METRIC) {
            m = metric_of(x, o->child);
            n = metric_of(y, o->child);
            if (isnan(m) || isnan(n)) {
                if (isnan(m) != isnan(n)) return isnan(m) - isnan(n);
                continue;
            }
        }
        int c = (m > n) - (m < n);
        if (o->by == SB_AGG_BY_KEY) c = compare(&x->key, &y->key);
        if (c) return o->descending ? -c : c;
    }
    if (!a->norder && a->kind == SB_AGG_TERMS && x->docs.n != y->docs.n)
        return x->docs.n > y->docs.n ? -1 : 1;
    return compare(&x->key, &y->key);
}

static struct bucket *bucket_of(struct world *w, const struct sb_agg *a, struct bucket *b,
                                uint32_t *n, struct sb_search_value key, uint32_t most) {
    for (uint32_t i = 0; i < *n; i++)
        if (!compare(&b[i].key, &key)) return &b[i];
    b[*n] = (struct bucket){.key = key, .docs = list_new(w, most), .agg = a, .w = w};
    return &b[(*n)++];
}

static void put(struct bucket *b, const struct doc *d) {
    if (!b->docs.n || b->docs.at[b->docs.n - 1] != d) b->docs.at[b->docs.n++] = d;
}

static void check_aggs(struct world *w, const struct sb_agg_result *r, size_t n, struct list docs);

static void compare_buckets(struct world *w, const struct sb_agg_result *r, struct bucket *b,
                            uint32_t n) {
    const struct sb_agg *a = r->agg;
    assert_int_equal(r->nbuckets, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(r->buckets[i].doc_count, b[i].docs.n);
        if (a->kind <= SB_AGG_DATE_HISTOGRAM)
            assert_int_equal(compare(&r->buckets[i].key, &b[i].key), 0);
        check_aggs(w, r->buckets[i].children, a->nchildren, b[i].docs);
    }
}

/* Gaps and bounds of histograms, strings without documents of TERMS. */
static void add_empty(struct world *w, const struct sb_agg *a, struct bucket *b, uint32_t *n) {
    if (a->kind == SB_AGG_TERMS) {
        for (uint32_t i = 0; i < w->ndocs; i++) {
            int f = field_back(w, a->field);
            for (uint32_t k = 0; f >= 0 && k < w->docs[i].n[f]; k++)
                bucket_of(w, a, b, n, w->docs[i].v[f][k], 1);
        }
        return;
    }
    bool grow = a->has_bounds && !a->hard_bounds;
    if (!*n && !grow) return;
    struct sb_search_value first = {0}, last = {0};
    for (uint32_t i = 0; i < *n; i++) {
        if (!i || compare(&b[i].key, &first) < 0) first = b[i].key;
        if (!i || compare(&b[i].key, &last) > 0) last = b[i].key;
    }
    if (grow) {
        struct sb_search_value lo = {.type = SB_COLUMN_DOUBLE, .f = a->bounds_min}, hi = lo;
        hi.f = a->bounds_max;
        lo = key_of(a, &lo);
        hi = key_of(a, &hi);
        if (!*n || compare(&lo, &first) < 0) first = lo;
        if (!*n || compare(&hi, &last) > 0) last = hi;
    }
    struct sb_search_value key = first;
    while (compare(&key, &last) <= 0) {
        bucket_of(w, a, b, n, key, 1);
        if (a->kind == SB_AGG_HISTOGRAM)
            key.f += a->interval;
        else
            date_bucket(a, key.i, &key.i);
    }
}

static void check_found(struct world *w, const struct sb_agg_result *r, struct list docs) {
    const struct sb_agg *a = r->agg;
    struct sb_search_value v[VALUES_MAX];
    struct bucket *b = sb_arena_alloc(&w->q, (w->ndocs * VALUES_MAX + 400) * sizeof *b);
    uint32_t n = 0, kept = 0;
    for (uint32_t i = 0; i < docs.n; i++)
        for (uint32_t k = 0, nv = values_of(w, a, docs.at[i], v); k < nv; k++) {
            struct sb_search_value key = key_of(a, &v[k]);
            bool out = a->hard_bounds && (key.f < a->bounds_min || key.f > a->bounds_max);
            if (!out) put(bucket_of(w, a, b, &n, key, docs.n), docs.at[i]);
        }
    if (!a->min_doc_count) add_empty(w, a, b, &n);
    uint64_t other = 0;
    for (uint32_t i = 0; i < n; i++)
        if (b[i].docs.n >= a->min_doc_count) b[kept++] = b[i];
    qsort(b, kept, sizeof *b, cmp_bucket);
    n = a->kind == SB_AGG_TERMS && kept > a->size ? a->size : kept;
    for (uint32_t i = n; i < kept; i++) other += b[i].docs.n;
    assert_int_equal(r->other_docs, other);
    compare_buckets(w, r, b, n);
}

static bool in_range(const struct sb_agg_range *r, double v) {
    return (!r->has_from || v >= r->from) && (!r->has_to || v < r->to);
}

static void check_given(struct world *w, const struct sb_agg_result *r, struct list docs) {
    const struct sb_agg *a = r->agg;
    struct bucket b[4];
    memset(b, 0, sizeof b);
    struct sb_search_value v[VALUES_MAX];
    uint32_t n = a->kind == SB_AGG_MISSING ? 1 : a->kind == SB_AGG_RANGE ? 3 : 2 + a->other_bucket;
    for (uint32_t i = 0; i < n; i++) b[i].docs = list_new(w, docs.n);
    for (uint32_t i = 0; i < docs.n; i++) {
        const struct doc *d = docs.at[i];
        uint32_t nv = a->kind == SB_AGG_FILTERS ? 0 : values_of(w, a, d, v);
        bool any = false;
        if (a->kind == SB_AGG_MISSING && !nv) put(&b[0], d);
        for (uint32_t k = 0; k < nv && a->kind == SB_AGG_RANGE; k++)
            for (uint32_t j = 0; j < 3; j++)
                if (in_range(&a->ranges[j], number_of(&v[k]))) put(&b[j], d);
        for (uint32_t j = 0; j < 2 && a->kind == SB_AGG_FILTERS; j++)
            if (matches(w, a->filters[j], d)) {
                any = true;
                put(&b[j], d);
            }
        if (a->kind == SB_AGG_FILTERS && a->other_bucket && !any) put(&b[2], d);
    }
    compare_buckets(w, r, b, n);
}

static void check_aggs(struct world *w, const struct sb_agg_result *r, size_t n, struct list docs) {
    for (size_t i = 0; i < n; i++) {
        if (r[i].agg->kind >= SB_AGG_AVG)
            check_metric(w, &r[i], docs);
        else if (r[i].agg->kind >= SB_AGG_RANGE)
            check_given(w, &r[i], docs);
        else
            check_found(w, &r[i], docs);
    }
}

/* ---- order ---- */

static struct world *sort_world;
static const struct sb_search *sort_search;

static bool sort_key(const struct world *w, const struct sb_sort *k, const struct doc *d,
                     struct sb_search_value *v) {
    if (k->by == SB_SORT_OFFSET) {
        *v = (struct sb_search_value){.type = SB_COLUMN_LONG, .i = d->offset};
        return true;
    }
    int f = k->field < 0 ? -1 : field_back(w, k->field);
    if (f < 0 || !d->n[f]) return false;
    *v = d->v[f][0];
    for (uint32_t i = 1; i < d->n[f]; i++)
        if (k->use_max ? compare(&d->v[f][i], v) > 0 : compare(&d->v[f][i], v) < 0) *v = d->v[f][i];
    return true;
}

static int order_key(const struct sb_sort *k, bool xh, const struct sb_search_value *x, bool yh,
                     const struct sb_search_value *y) {
    if (xh != yh) return (xh ? -1 : 1) * (k->missing_first ? -1 : 1);
    int c = xh ? compare(x, y) : 0;
    return k->descending ? -c : c;
}

static int cmp_docs(const void *p, const void *q) {
    const struct doc *x = *(const struct doc *const *)p, *y = *(const struct doc *const *)q;
    for (size_t i = 0; i < sort_search->nsort; i++) {
        struct sb_search_value a, b;
        bool ah = sort_key(sort_world, &sort_search->sort[i], x, &a);
        bool bh = sort_key(sort_world, &sort_search->sort[i], y, &b);
        int c = order_key(&sort_search->sort[i], ah, &a, bh, &b);
        if (c) return c;
    }
    int c = (x->offset > y->offset) - (x->offset < y->offset);
    return sort_search->nsort ? c : -c;
}

static void random_sort(struct world *w, struct sb_search *s) {
    struct sb_sort k[3] = {{0}};
    s->nsort = below(w, 4);
    for (size_t i = 0; i < s->nsort; i++) {
        k[i].by = chance(w, 20) ? SB_SORT_OFFSET : SB_SORT_FIELD;
        k[i].field = w->field[below(w, NFIELDS)];
        k[i].descending = chance(w, 50);
        k[i].missing_first = chance(w, 50);
        k[i].use_max = chance(w, 50);
    }
    s->sort = keep(w, k, sizeof k);
    s->from = below(w, 3) * 4;
    s->size = chance(w, 20) ? 0 : 1 + below(w, 30);
}

/* The keys of some document as search_after; the expected list starts behind it. */
static void random_after(struct world *w, struct sb_search *s, struct list *docs) {
    struct sb_search_value v[3];
    bool has[3];
    const struct doc *d = docs->n ? docs->at[below(w, docs->n)] : NULL;
    uint32_t kept = 0;
    if (!d || !s->nsort || chance(w, 60)) return;
    for (size_t i = 0; i < s->nsort; i++) has[i] = sort_key(w, &s->sort[i], d, &v[i]);
    s->after = keep(w, v, sizeof v);
    s->after_has = keep(w, has, sizeof has);
    for (uint32_t i = 0; i < docs->n; i++) {
        int c = 0;
        for (size_t k = 0; k < s->nsort && !c; k++) {
            struct sb_search_value x;
            bool xh = sort_key(w, &s->sort[k], docs->at[i], &x);
            c = order_key(&s->sort[k], xh, &x, has[k], &v[k]);
        }
        if (c > 0) docs->at[kept++] = docs->at[i];
    }
    docs->n = kept;
}

static void check_hits(struct world *w, const struct sb_search *s, const struct sb_search_result *r,
                       struct list docs) {
    sort_world = w;
    sort_search = s;
    qsort(docs.at, docs.n, sizeof *docs.at, cmp_docs);
    uint32_t left = docs.n > s->from ? docs.n - s->from : 0;
    assert_int_equal(r->nhits, left < s->size ? left : s->size);
    for (size_t i = 0; i < r->nhits; i++) {
        const struct doc *d = docs.at[s->from + i];
        assert_int_equal(r->hits[i].offset, d->offset);
        assert_true(sb_str_eq(r->hits[i].id, d->v[ID][0].s));
        for (size_t k = 0; k < s->nsort; k++) {
            struct sb_search_value v;
            assert_int_equal(r->hits[i].has[k], sort_key(w, &s->sort[k], d, &v));
            if (r->hits[i].has[k]) assert_int_equal(compare(&v, &r->hits[i].sort[k]), 0);
        }
    }
}

/* ---- one case ---- */

static void random_case(struct world *w) {
    struct sb_search s = {.track_total = UINT64_MAX};
    struct sb_search_result r;
    struct sb_errctx ctx = {0};
    sb_arena_reset(&w->q);
    s.query = random_query(w, 0);
    if (chance(w, 70)) s.aggs = random_aggs(w, &s.naggs, 0);
    random_sort(w, &s);
    if (!s.naggs && chance(w, 30)) s.track_total = below(w, 200);
    struct list docs = list_new(w, w->ndocs);
    for (uint32_t i = 0; i < w->ndocs; i++)
        if (matches(w, s.query, &w->docs[i])) docs.at[docs.n++] = &w->docs[i];
    uint32_t total = docs.n;
    struct list hits = list_new(w, docs.n);
    memcpy(hits.at, docs.at, docs.n * sizeof *docs.at);
    hits.n = docs.n;
    random_after(w, &s, &hits);

    sb_err err = sb_search_run(w->snap, &s, &w->q, &r, &ctx);
    if (err) fail_msg("%s", ctx.msg);
    assert_int_equal(r.total, total < s.track_total ? total : s.track_total);
    assert_int_equal(r.total_is_lower_bound, total > s.track_total);
    check_hits(w, &s, &r, hits);
    check_aggs(w, r.aggs, s.naggs, docs);

    uint64_t count, most = chance(w, 50) ? UINT64_MAX : below(w, 100);
    assert_int_equal(sb_search_count(w->snap, s.query, most, &count, &ctx), SB_OK);
    assert_int_equal(count, total < most ? total : most);
    int64_t offsets[16], from = w->ndocs ? w->docs[below(w, w->ndocs)].offset : 0;
    size_t found, at = 0;
    assert_int_equal(sb_search_offsets(w->snap, s.query, from, offsets, 16, &found, &ctx), SB_OK);
    for (uint32_t i = 0; i < total && at < 16; i++)
        if (docs.at[i]->offset >= from) assert_int_equal(offsets[at++], docs.at[i]->offset);
    assert_int_equal(found, at);
}

static void run_cases(uint32_t ndocs, uint64_t seed, int cases) {
    struct world w;
    world_open(&w, ndocs, seed);
    for (int i = 0; i < cases; i++) {
        uint64_t case_seed = seed * 1000003 + (uint64_t)i;
        sb_rng_seed(&w.rng, case_seed);
        for (int k = 0; k < 8; k++) sb_rng_next(&w.rng);
        const char *only = getenv("SEARCH_TEST_CASE"); /* a number, or "print" them all */
        if (only && !strcmp(only, "print"))
            print_message("%llu\n", (unsigned long long)case_seed);
        else if (only && strtoull(only, NULL, 10) != case_seed)
            continue;
        random_case(&w);
    }
    world_close(&w);
}

static void random_over_nothing(void **state) {
    (void)state;
    run_cases(0, 1, 150);
}
static void random_over_one_document(void **state) {
    (void)state;
    run_cases(1, 2, 300);
}
static void random_over_a_few(void **state) {
    (void)state;
    run_cases(40, 3, 4000);
}
static void random_over_many(void **state) {
    (void)state;
    run_cases(700, 4, 1200);
}
static void random_over_blocks(void **state) {
    (void)state;
    run_cases(3500, 5, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_over_nothing), cmocka_unit_test(random_over_one_document),
        cmocka_unit_test(random_over_a_few),   cmocka_unit_test(random_over_many),
        cmocka_unit_test(random_over_blocks),
    };
    return cmocka_run_group_tests_name("engine/column/search", tests, NULL, NULL);
}

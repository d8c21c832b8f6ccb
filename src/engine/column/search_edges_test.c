/* engine/column: limits of a search, what stops it, sketches, and documents in buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/column/search.h"
#include "sys/file.h"

enum { DOCS = 30000 };

static char dir[64];
static struct sb_column_index *ix;
static struct sb_column_snapshot *snap;
static struct sb_arena arena;
static int time_field, id, group, value, name;
static const struct sb_query all = {.kind = SB_QUERY_ALL};

/* Document i: one second after the other, id "e<i>", group i % 3, value i, 20,000 names. */
static int open_index(void **state) {
    (void)state;
    struct sb_column_opts o = {.time_field = "@timestamp", .id_field = "event_id"};
    struct sb_errctx ctx = {0};
    char text[300];
    sb_log_setup(SB_LOG_ERROR + 1, false, 2);
    sb_arena_init(&arena, 64 << 20);
    snprintf(dir, sizeof dir, "/tmp/search_edges.XXXXXX");
    if (!mkdtemp(dir) || sb_column_open(&ix, dir, &o, &ctx)) return -1;
    for (int i = 0; i < DOCS; i++) {
        int n = snprintf(text, sizeof text,
                         "{\"@timestamp\":\"2026-01-01T%02d:%02d:%02dZ\",\"event_id\":\"e%d\","
                         "\"group\":\"g%d\",\"value\":%d,\"name\":\"n%d\"}",
                         i / 3600, i / 60 % 60, i % 60, i, i % 3, i, i % 20000);
        if (sb_column_add(ix, i, 0, sb_str_make(text, (size_t)n))) return -1;
        if (i == DOCS / 2 && sb_column_flush(ix, &ctx)) return -1;
    }
    if (sb_column_refresh(ix, DOCS)) return -1;
    snap = sb_column_snapshot_take(ix);
    time_field = sb_column_field_find(snap, SB_STR("@timestamp"));
    id = sb_column_field_find(snap, SB_STR("event_id"));
    group = sb_column_field_find(snap, SB_STR("group"));
    value = sb_column_field_find(snap, SB_STR("value"));
    name = sb_column_field_find(snap, SB_STR("name"));
    return 0;
}

static int close_index(void **state) {
    (void)state;
    sb_column_snapshot_release(snap);
    sb_column_close(ix);
    sb_arena_fini(&arena);
    return sb_dir_remove_all(dir, NULL) == SB_OK ? 0 : -1;
}

static sb_err run(const struct sb_search *s, struct sb_search_result *r, struct sb_errctx *ctx) {
    *ctx = (struct sb_errctx){0};
    sb_arena_reset(&arena);
    return sb_search_run(snap, s, &arena, r, ctx);
}

static sb_err run_agg(const struct sb_agg *a, struct sb_agg_result *r, struct sb_errctx *ctx) {
    struct sb_search s = {.query = &all, .aggs = a, .naggs = 1};
    struct sb_search_result out;
    sb_err err = run(&s, &out, ctx);
    if (!err) *r = out.aggs[0];
    return err;
}

/* ---- limits ---- */

static void buckets_are_limited(void **state) {
    (void)state;
    struct sb_agg_result r;
    struct sb_errctx ctx;
    struct sb_agg a = {
        .name = SB_STR("many"), .kind = SB_AGG_HISTOGRAM, .field = value, .interval = 1};
    a.has_bounds = true;
    a.bounds_min = 0;
    a.bounds_max = SB_SEARCH_BUCKETS_MAX - 1;
    assert_int_equal(run_agg(&a, &r, &ctx), SB_OK);
    assert_int_equal(r.nbuckets, SB_SEARCH_BUCKETS_MAX);
    a.bounds_max = SB_SEARCH_BUCKETS_MAX;
    assert_int_equal(run_agg(&a, &r, &ctx), SB_E_LIMIT);
    assert_non_null(strstr(ctx.msg, "[many]"));
    a.bounds_max = 1e300;
    assert_int_equal(run_agg(&a, &r, &ctx), SB_E_LIMIT);
    struct sb_agg date = {
        .name = SB_STR("times"), .kind = SB_AGG_DATE_HISTOGRAM, .field = time_field, .interval = 1};
    assert_int_equal(run_agg(&date, &r, &ctx), SB_E_LIMIT);
    assert_non_null(strstr(ctx.msg, "[times]"));
}

static void memory_is_limited(void **state) {
    (void)state;
    struct sb_search_result r;
    struct sb_errctx ctx;
    struct sb_agg top = {.name = SB_STR("top"), .kind = SB_AGG_TOP_HITS, .field = -1, .size = 3};
    struct sb_agg a = {.name = SB_STR("ids"),
                       .kind = SB_AGG_TERMS,
                       .field = id,
                       .size = 3,
                       .min_doc_count = 1,
                       .children = &top,
                       .nchildren = 1};
    struct sb_search s = {.query = &all, .aggs = &a, .naggs = 1, .memory_max = 2 << 20};
    assert_int_equal(run(&s, &r, &ctx), SB_E_LIMIT);
    assert_non_null(strstr(ctx.msg, "memory"));
    s.memory_max = 0;
    assert_int_equal(run(&s, &r, &ctx), SB_OK);
    assert_int_equal(r.aggs[0].nbuckets, 3);
    assert_int_equal(r.aggs[0].other_docs, DOCS - 3);
}

static void searches_stop_when_told(void **state) {
    (void)state;
    struct sb_search_result r;
    struct sb_errctx ctx;
    atomic_bool cancel = true;
    struct sb_search s = {.query = &all, .size = 10, .cancel = &cancel, .track_total = UINT64_MAX};
    assert_int_equal(run(&s, &r, &ctx), SB_E_CLOSED);
    s.cancel = NULL;
    s.deadline_ns = sb_mono_ns() - 1;
    assert_int_equal(run(&s, &r, &ctx), SB_E_TIMEOUT);
    s.deadline_ns = sb_mono_ns() + 3600 * SB_SEC;
    assert_int_equal(run(&s, &r, &ctx), SB_OK);
    assert_int_equal(r.total, DOCS);
}

static void queries_are_limited(void **state) {
    (void)state;
    struct sb_query chain[SB_SEARCH_DEPTH_MAX + 2] = {{.kind = SB_QUERY_ALL}};
    const struct sb_query *one[SB_SEARCH_DEPTH_MAX + 2], *many[SB_SEARCH_CLAUSES_MAX];
    uint64_t n;
    for (int i = 0; i <= SB_SEARCH_DEPTH_MAX; i++) {
        one[i] = &chain[i];
        chain[i + 1] = (struct sb_query){.kind = SB_QUERY_BOOL, .must = &one[i], .nmust = 1};
    }
    const struct sb_query *deepest = &chain[SB_SEARCH_DEPTH_MAX - 1], *deeper = deepest + 1;
    assert_int_equal(sb_search_count(snap, deepest, UINT64_MAX, &n, NULL), SB_OK);
    assert_int_equal(sb_search_count(snap, deeper, UINT64_MAX, &n, NULL), SB_E_LIMIT);
    for (int i = 0; i < SB_SEARCH_CLAUSES_MAX; i++) many[i] = &all;
    struct sb_query wide = {
        .kind = SB_QUERY_BOOL, .must = many, .nmust = SB_SEARCH_CLAUSES_MAX - 1};
    assert_int_equal(sb_search_count(snap, &wide, UINT64_MAX, &n, NULL), SB_OK);
    wide.nmust++;
    assert_int_equal(sb_search_count(snap, &wide, UINT64_MAX, &n, NULL), SB_E_LIMIT);
}

/* What is wrong is wrong whether or not a document has the field. */
static void wrong_requests_are_refused(void **state) {
    (void)state;
    struct sb_errctx ctx;
    struct sb_agg_result r;
    struct sb_search_result out;
    uint64_t n;
    static char text[SB_SEARCH_PATTERN_MAX + 1];
    memset(text, 'a', sizeof text);
    struct sb_query q = {.kind = SB_QUERY_REGEXP, .field = -1, .text = SB_STR("a(")};
    assert_int_equal(sb_search_count(snap, &q, UINT64_MAX, &n, NULL), SB_E_SYNTAX);
    q.text = sb_str_make(text, SB_SEARCH_PATTERN_MAX);
    assert_int_equal(sb_search_count(snap, &q, UINT64_MAX, &n, NULL), SB_OK);
    q.text.n++;
    assert_int_equal(sb_search_count(snap, &q, UINT64_MAX, &n, NULL), SB_E_LIMIT);
    struct sb_agg a = {.kind = SB_AGG_DATE_HISTOGRAM,
                       .field = -1,
                       .calendar = SB_CALENDAR_DAY,
                       .time_zone = SB_STR("Mars/Base")};
    assert_int_equal(run_agg(&a, &r, &ctx), SB_E_SYNTAX);
    a = (struct sb_agg){.kind = SB_AGG_DATE_HISTOGRAM, .field = -1};
    assert_int_equal(run_agg(&a, &r, &ctx), SB_E_INVALID);
    a = (struct sb_agg){.kind = SB_AGG_HISTOGRAM, .field = value, .interval = NAN};
    assert_int_equal(run_agg(&a, &r, &ctx), SB_E_INVALID);
    a = (struct sb_agg){.kind = SB_AGG_TERMS, .field = name, .include = SB_STR("[")};
    assert_int_equal(run_agg(&a, &r, &ctx), SB_E_SYNTAX);
    struct sb_search s = {.query = &all, .from = SB_SEARCH_WINDOW_MAX, .size = 1};
    assert_int_equal(run(&s, &out, &ctx), SB_E_LIMIT);
    s.from--;
    assert_int_equal(run(&s, &out, &ctx), SB_OK);
    assert_int_equal(out.nhits, 1);
    assert_int_equal(out.hits[0].offset, DOCS - SB_SEARCH_WINDOW_MAX);
}

/* ---- aggregations that chance does not reach ---- */

static void many_distinct_values_are_near(void **state) {
    (void)state;
    struct sb_agg_result r;
    struct sb_errctx ctx;
    struct sb_agg a = {.kind = SB_AGG_CARDINALITY};
    const struct {
        int field;
        double exact;
    } cases[] = {{name, 20000}, {id, DOCS}, {value, DOCS}, {time_field, DOCS}, {group, 3}};
    for (size_t i = 0; i < SB_COUNT(cases); i++) {
        a.field = cases[i].field;
        assert_int_equal(run_agg(&a, &r, &ctx), SB_OK);
        if (fabs((double)r.cardinality - cases[i].exact) > 0.02 * cases[i].exact)
            fail_msg("%zu: %llu", i, (unsigned long long)r.cardinality);
    }
}

static void distinct_values_are_exact_up_to_10000(void **state) {
    (void)state;
    struct sb_search_result r;
    struct sb_errctx ctx;
    struct sb_agg a = {.kind = SB_AGG_CARDINALITY};
    struct sb_query q = {.kind = SB_QUERY_RANGE, .field = value, .has_high = true};
    struct sb_search s = {.query = &q, .aggs = &a, .naggs = 1};
    for (int64_t most = 9998; most <= 9999; most++) {
        q.high = (struct sb_search_value){.type = SB_COLUMN_LONG, .i = most};
        a.field = value;
        assert_int_equal(run(&s, &r, &ctx), SB_OK);
        assert_int_equal(r.aggs[0].cardinality, most + 1);
        a.field = id;
        assert_int_equal(run(&s, &r, &ctx), SB_OK);
        assert_int_equal(r.aggs[0].cardinality, most + 1);
    }
}

static void terms_are_chosen_by_patterns(void **state) {
    (void)state;
    struct sb_agg_result r;
    struct sb_errctx ctx;
    struct sb_agg a = {.kind = SB_AGG_TERMS,
                       .field = name,
                       .size = 100,
                       .min_doc_count = 1,
                       .include = SB_STR("n1[0-9]?"),
                       .exclude = SB_STR("n1[1-8]")};
    assert_int_equal(run_agg(&a, &r, &ctx), SB_OK);
    assert_int_equal(r.nbuckets, 3);
    assert_true(sb_str_is(r.buckets[0].key.s, "n1"));
    assert_true(sb_str_is(r.buckets[1].key.s, "n10"));
    assert_true(sb_str_is(r.buckets[2].key.s, "n19"));
    assert_int_equal(r.buckets[2].doc_count, 2);
    assert_int_equal(r.other_docs, 0);
}

static void buckets_have_their_first_documents(void **state) {
    (void)state;
    struct sb_agg_result r;
    struct sb_errctx ctx;
    struct sb_sort down = {.by = SB_SORT_FIELD, .field = value, .descending = true};
    struct sb_agg top = {
        .kind = SB_AGG_TOP_HITS, .field = -1, .from = 1, .size = 2, .sort = &down, .nsort = 1};
    struct sb_agg a = {.kind = SB_AGG_TERMS,
                       .field = group,
                       .size = 2,
                       .min_doc_count = 1,
                       .children = &top,
                       .nchildren = 1};
    assert_int_equal(run_agg(&a, &r, &ctx), SB_OK);
    assert_int_equal(r.nbuckets, 2);
    const struct sb_agg_result *hits = &r.buckets[1].children[0]; /* g1: ..., 29995, 29998 */
    assert_int_equal(hits->total, DOCS / 3);
    assert_int_equal(hits->nhits, 2);
    assert_int_equal(hits->hits[0].offset, 29995);
    assert_true(sb_str_is(hits->hits[0].id, "e29995"));
    assert_int_equal(hits->hits[1].sort[0].i, 29992);
}

static void groups_are_ordered_by_percentiles_and_spread(void **state) {
    (void)state;
    struct sb_agg_result r;
    struct sb_errctx ctx;
    static const double percents[] = {50};
    struct sb_agg kids[2] = {
        {.kind = SB_AGG_PERCENTILES, .field = value, .percents = percents, .npercents = 1},
        {.kind = SB_AGG_EXTENDED_STATS, .field = value}};
    struct sb_agg_order order = {.by = SB_AGG_BY_METRIC, .descending = true, .number = 50};
    struct sb_agg a = {.kind = SB_AGG_HISTOGRAM,
                       .field = value,
                       .interval = 10000,
                       .min_doc_count = 1,
                       .children = kids,
                       .nchildren = 2,
                       .order = &order,
                       .norder = 1};
    assert_int_equal(run_agg(&a, &r, &ctx), SB_OK);
    assert_int_equal(r.nbuckets, 3);
    assert_true(r.buckets[0].key.f == 20000);
    assert_true(fabs(r.buckets[0].children[0].quantiles[0] - 24999.5) <
                25000 * SB_AGG_QUANTILE_ERROR);
    order = (struct sb_agg_order){
        .by = SB_AGG_BY_METRIC, .child = 1, .part = SB_PART_MAX, .descending = true};
    assert_int_equal(run_agg(&a, &r, &ctx), SB_OK);
    assert_true(r.buckets[0].key.f == 20000);
    order =
        (struct sb_agg_order){.by = SB_AGG_BY_METRIC, .child = 1, .part = SB_PART_STD_DEVIATION};
    assert_int_equal(run_agg(&a, &r, &ctx), SB_OK);
    assert_int_equal(r.nbuckets, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_limited),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(searches_stop_when_told),
        cmocka_unit_test(queries_are_limited),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(many_distinct_values_are_near),
        cmocka_unit_test(distinct_values_are_exact_up_to_10000),
        cmocka_unit_test(terms_are_chosen_by_patterns),
        cmocka_unit_test(buckets_have_their_first_documents),
        cmocka_unit_test(groups_are_ordered_by_percentiles_and_spread),
    };
    return cmocka_run_group_tests_name("engine/column/search_edges", tests, open_index,
                                       close_index);
}

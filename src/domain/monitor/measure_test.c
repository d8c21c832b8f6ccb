/* Numbers from expositions, step by step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "domain/monitor/measure.h"

enum { STEPS = 6 };

static void exposition_lines_become_samples(void **state) {
    (void)state;
    static const struct {
        const char *line;
        bool is;
        double value;
        size_t nlabels;
        const char *last; /* value of the last label */
    } rows[] = {
        {"a 1", true, 1, 0, NULL},
        {"a{} 1.5", true, 1.5, 0, NULL},
        {"a:b_c{x=\"1\",y=\"q\\\"\\\\\\n\"} -2e3 1700000000000", true, -2000, 2, "q\"\\\n"},
        {"a{le=\"+Inf\"} +Inf", true, HUGE_VAL, 1, "+Inf"},
        {"# HELP a b", false, 0, 0, NULL},
        {"a", false, 0, 0, NULL},
        {"a{x=\"1\" 1", false, 0, 0, NULL},
        {"a{x=\"1\\", false, 0, 0, NULL},
        {"a{x=1} 1", false, 0, 0, NULL},
        {"a one", false, 0, 0, NULL},
        {"{} 1", false, 0, 0, NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_monitor_samples s;
        sb_arena_init(&a, 1 << 20);
        assert_int_equal(sb_monitor_exposition(sb_str_of(rows[i].line), &a, &s, NULL), SB_OK);
        if (s.n != rows[i].is) fail_msg("%s: %zu samples", rows[i].line, s.n);
        if (s.n) {
            assert_true(s.sample->value == rows[i].value);
            assert_int_equal(s.sample->nlabels, rows[i].nlabels);
            if (rows[i].last)
                assert_true(sb_str_is(s.sample->labels[rows[i].nlabels - 1].value, rows[i].last));
        }
        sb_arena_fini(&a);
    }
}

static struct sb_monitor_rule rule_of(const char *keys, struct sb_arena *a) {
    struct sb_monitor_rules r;
    struct sb_errctx ctx = {0};
    const char *text = sb_arena_printf(a, "rules:\n- {name: r, above: 1, %s}\n", keys);
    if (sb_monitor_rules_parse(&r, sb_str_of(text), "t", a, &ctx)) fail_msg("%s", ctx.msg);
    return *r.rule;
}

/* The rule's first source after all expositions, 10 s apart. */
static struct sb_monitor_value measure(const struct sb_monitor_rule *rule,
                                       const char *const texts[STEPS], struct sb_arena *a) {
    struct sb_monitor_track *t = sb_monitor_track_new(rule, false);
    struct sb_monitor_value v = {0};
    for (int i = 0; i < STEPS && texts[i]; i++) {
        struct sb_monitor_samples s;
        assert_int_equal(sb_monitor_exposition(sb_str_of(texts[i]), a, &s, NULL), SB_OK);
        assert_int_equal(sb_monitor_track_add(t, &s, 1000000 + i * 10000, NULL), SB_OK);
    }
    sb_monitor_track_get(t, a, &v);
    sb_monitor_track_free(t);
    return v;
}

static void sources_amount_to_what_their_stat_says(void **state) {
    (void)state;
    static const struct {
        const char *name, *keys;
        const char *texts[STEPS];
        double want; /* NaN: no data */
        const char *label;
    } rows[] = {
        {"the largest series", "metric: m", {"m{x=\"a\"} 1\nm{x=\"b\"} 3\n"}, 3, "b"},
        {"the smallest", "metric: m, across: min", {"m{x=\"a\"} 1\nm{x=\"b\"} 3\n"}, 1, "a"},
        {"sum", "metric: m, across: sum", {"m{x=\"a\"} 1\nm{x=\"b\"} 3\n"}, 4, NULL},
        {"average", "metric: m, across: avg", {"m{x=\"a\"} 1\nm{x=\"b\"} 3\n"}, 2, NULL},
        {"only where", "metric: m, where: {x: [a, c]}", {"m{x=\"a\"} 1\nm{x=\"b\"} 3\n"}, 1, "a"},
        {"not where", "metric: m, where_not: {x: b}", {"m{x=\"a\"} 1\nm{x=\"b\"} 3\n"}, 1, "a"},
        {"a label that is not there", "metric: m, where: {y: \"\"}", {"m{x=\"a\"} 1\n"}, 1, "a"},
        {"no such metric", "metric: n", {"m 1\n"}, NAN, NULL},
        {"a value that is gone", "metric: m", {"m 1\n", "n 1\n"}, NAN, NULL},
        {"rate", "metric: m, stat: rate", {"m 100\n", "m 150\n"}, 5, NULL},
        {"rate of one look", "metric: m, stat: rate", {"m 100\n"}, NAN, NULL},
        {"increase", "metric: m, stat: increase", {"m 100\n", "m 150\n", "m 170\n"}, 70, NULL},
        {"increase of the window only",
         "metric: m, stat: increase, window: 20s",
         {"m 100\n", "m 150\n", "m 170\n", "m 171\n"},
         21,
         NULL},
        {"a counter that starts over",
         "metric: m, stat: increase",
         {"m 100\n", "m 110\n", "m 4\n", "m 6\n"},
         16,
         NULL},
        {"a series that appears counts from 0",
         "metric: m, stat: increase",
         {"m{x=\"a\"} 1\n", "m{x=\"a\"} 1\nm{x=\"b\"} 3\n"},
         3,
         NULL},
        {"a series of the first look does not",
         "metric: m, stat: increase",
         {"m{x=\"a\"} 9\n", "m{x=\"a\"} 9\n"},
         0,
         NULL},
        {"what vanished counts while in the window",
         "metric: m, stat: increase",
         {"m 1\n", "m 5\n", "n 1\n"},
         4,
         NULL},
        {"and not after",
         "metric: m, stat: increase, window: 10s",
         {"m 1\n", "m 5\n", "n 1\n", "n 1\n", "n 1\n"},
         NAN,
         NULL},
        {"average over the window",
         "metric: m, stat: avg, window: 20s",
         {"m 100\n", "m 2\n", "m 3\n", "m 4\n"},
         3,
         NULL},
        {"largest over the window",
         "metric: m, stat: max, window: 20s",
         {"m 100\n", "m 9\n", "m 3\n", "m 4\n"},
         9,
         NULL},
        {"smallest over the window",
         "metric: m, stat: min, window: 20s",
         {"m 0\n", "m 9\n", "m 3\n", "m 4\n"},
         3,
         NULL},
        {"not a number is no value", "metric: m", {"m NaN\n"}, NAN, NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        sb_arena_init(&a, 4 << 20);
        struct sb_monitor_rule rule = rule_of(rows[i].keys, &a);
        struct sb_monitor_value v = measure(&rule, rows[i].texts, &a);
        if (v.has == isnan(rows[i].want) || (v.has && fabs(v.value - rows[i].want) > 1e-9))
            fail_msg("%s: %d %g", rows[i].name, v.has, v.value);
        if (rows[i].label && (v.nlabels != 1 || !sb_str_is(v.labels[0].value, rows[i].label)))
            fail_msg("%s: label", rows[i].name);
        if (!rows[i].label && v.nlabels) fail_msg("%s: has labels", rows[i].name);
        sb_arena_fini(&a);
    }
}

#define H(x, one, two, inf)                                                                        \
    "h_bucket{x=\"" x "\",le=\"1\"} " one "\nh_bucket{x=\"" x "\",le=\"2\"} " two                  \
    "\nh_bucket{x=\"" x "\",le=\"+Inf\"} " inf "\n"

static void percentiles_are_prometheus_own(void **state) {
    (void)state;
    static const struct {
        const char *name, *keys;
        const char *texts[STEPS];
        double want;
        const char *label;
    } rows[] = {
        {"linear between bounds",
         "metric: h, stat: p50",
         {H("a", "0", "0", "0"), H("a", "0", "100", "100")},
         1.5,
         "a"},
        {"in the first bucket",
         "metric: h, stat: p50",
         {H("a", "0", "0", "0"), H("a", "100", "100", "100")},
         0.5,
         "a"},
        {"over the last bound",
         "metric: h, stat: p99",
         {H("a", "0", "0", "0"), H("a", "0", "0", "10")},
         2,
         "a"},
        {"the worst series",
         "metric: h, stat: p50",
         {H("a", "0", "0", "0") H("b", "0", "0", "0"),
          H("a", "10", "10", "10") H("b", "0", "10", "10")},
         1.5,
         "b"},
        {"all together",
         "metric: h, stat: p50, across: sum",
         {H("a", "0", "0", "0") H("b", "0", "0", "0"),
          H("a", "10", "10", "10") H("b", "0", "10", "10")},
         1,
         NULL},
        {"series with few observations are left out",
         "metric: h, stat: p50, at_least: 5",
         {H("a", "0", "0", "0") H("b", "0", "0", "0"),
          H("a", "10", "10", "10") H("b", "0", "4", "4")},
         0.5,
         "a"},
        {"only what is new",
         "metric: h, stat: p50",
         {H("a", "900", "900", "900"), H("a", "900", "910", "910")},
         1.5,
         "a"},
        {"nothing new",
         "metric: h, stat: p50",
         {H("a", "9", "9", "9"), H("a", "9", "9", "9")},
         NAN,
         NULL},
        {"no last bucket",
         "metric: h, stat: p50",
         {"h_bucket{le=\"1\"} 0\n", "h_bucket{le=\"1\"} 5\n"},
         NAN,
         NULL},
        {"a bound that is none",
         "metric: h, stat: p50",
         {"h_bucket{le=\"x\"} 0\n", "h_bucket{le=\"x\"} 5\n"},
         NAN,
         NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        sb_arena_init(&a, 4 << 20);
        struct sb_monitor_rule rule = rule_of(rows[i].keys, &a);
        struct sb_monitor_value v = measure(&rule, rows[i].texts, &a);
        if (v.has == isnan(rows[i].want) || (v.has && fabs(v.value - rows[i].want) > 1e-9))
            fail_msg("%s: %d %g", rows[i].name, v.has, v.value);
        if (rows[i].label && (v.nlabels != 1 || !sb_str_is(v.labels[0].value, rows[i].label)))
            fail_msg("%s: label", rows[i].name);
        sb_arena_fini(&a);
    }
}

static void a_long_window_keeps_few_points(void **state) {
    (void)state;
    struct sb_arena a;
    sb_arena_init(&a, 4 << 20);
    struct sb_monitor_rule rule = rule_of("metric: m, stat: increase, window: 1h", &a);
    struct sb_monitor_track *t = sb_monitor_track_new(&rule, false);
    struct sb_monitor_value v;
    for (int64_t i = 0; i <= 2000; i++) { /* 5 s apart, 1 more each time */
        struct sb_monitor_sample x = {.metric = SB_STR("m"), .value = (double)i};
        struct sb_monitor_samples s = {&x, 1};
        assert_int_equal(sb_monitor_track_add(t, &s, 1000000 + i * 5000, NULL), SB_OK);
    }
    sb_monitor_track_get(t, &a, &v);
    if (v.value < 720 || v.value > 732) fail_msg("%g in an hour", v.value); /* a point a minute */
    sb_monitor_track_free(t);
    sb_arena_fini(&a);
}

static void too_many_series_are_an_error_that_says_what_to_do(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 64 << 20);
    struct sb_monitor_rule rule = rule_of("metric: m", &a);
    struct sb_monitor_track *t = sb_monitor_track_new(&rule, false);
    struct sb_monitor_sample *x = sb_arena_zalloc(&a, (SB_MONITOR_SERIES_MAX + 1) * sizeof *x);
    for (size_t i = 0; i <= SB_MONITOR_SERIES_MAX; i++) {
        struct sb_monitor_pair *l = sb_arena_alloc(&a, sizeof *l);
        *l = (struct sb_monitor_pair){SB_STR("x"), sb_str_of(sb_arena_printf(&a, "%zu", i))};
        x[i] = (struct sb_monitor_sample){SB_STR("m"), l, 1, 1};
    }
    struct sb_monitor_samples most = {x, SB_MONITOR_SERIES_MAX}, more = {x, most.n + 1};
    assert_int_equal(sb_monitor_track_add(t, &most, 1000, NULL), SB_OK);
    assert_int_equal(sb_monitor_track_add(t, &more, 2000, &ctx), SB_E_LIMIT);
    assert_non_null(strstr(ctx.msg, "narrow it with where"));
    sb_monitor_track_free(t);
    sb_arena_fini(&a);
}

static void divisions_and_few_observations(void **state) {
    (void)state;
    static const struct {
        const char *name, *keys;
        struct sb_monitor_value of, per;
        double want;
    } rows[] = {
        {"quotient",
         "metric: a, stat: increase, divided_by: {metric: b, stat: increase}",
         {.has = true, .value = 1, .count = 1},
         {.has = true, .value = 4, .count = 4},
         0.25},
        {"by nothing",
         "metric: a, stat: increase, divided_by: {metric: b, stat: increase}",
         {.has = true, .value = 1, .count = 1},
         {.has = true, .value = 0, .count = 0},
         NAN},
        {"nothing of many is 0",
         "metric: a, stat: increase, divided_by: {metric: b, stat: rate}",
         {.has = false},
         {.has = true, .value = 4, .count = 4},
         0},
        {"no gauge of many is no data",
         "metric: a, divided_by: {metric: b}",
         {.has = false},
         {.has = true, .value = 4, .count = HUGE_VAL},
         NAN},
        {"too few",
         "metric: a, stat: rate, at_least: 5, divided_by: {metric: b, stat: increase}",
         {.has = true, .value = 1, .count = 1},
         {.has = true, .value = 4, .count = 4},
         NAN},
        {"just enough",
         "metric: a, stat: rate, at_least: 4, divided_by: {metric: b, stat: rate}",
         {.has = true, .value = 1, .count = 1},
         {.has = true, .value = 4, .count = 4},
         0.25},
        {"events too few",
         "events: x, stat: avg, field: f, at_least: 3",
         {.has = true, .value = 1, .count = 2},
         {.has = false},
         NAN},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        sb_arena_init(&a, 1 << 20);
        struct sb_monitor_rule rule = rule_of(rows[i].keys, &a);
        struct sb_monitor_value v = sb_monitor_combine(&rule, &rows[i].of, &rows[i].per);
        if (v.has == isnan(rows[i].want) || (v.has && v.value != rows[i].want))
            fail_msg("%s: %d %g", rows[i].name, v.has, v.value);
        sb_arena_fini(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exposition_lines_become_samples),
        cmocka_unit_test(sources_amount_to_what_their_stat_says),
        cmocka_unit_test(percentiles_are_prometheus_own),
        cmocka_unit_test(a_long_window_keeps_few_points),
        cmocka_unit_test(too_many_series_are_an_error_that_says_what_to_do),
        cmocka_unit_test(divisions_and_few_observations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

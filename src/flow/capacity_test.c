#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "flow/capacity.h"

#define T0 INT64_C(1795536091000)

struct world {
    struct sb_metrics *metrics;
    struct sb_capacity *capacity;
    int64_t now;
};

static void begin(struct world *w, int64_t retain) {
    w->metrics = sb_metrics_new();
    w->capacity = sb_capacity_new(
        &(struct sb_capacity_opts){.metrics = w->metrics, .dir = ".", .retain_bytes = retain});
    w->now = T0;
}

static void end(struct world *w) {
    sb_capacity_free(w->capacity);
    sb_metrics_free(w->metrics);
}

static void look(struct world *w, const char *text) {
    struct sb_arena a;
    struct sb_monitor_samples s;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_monitor_exposition(sb_str_of(text), &a, &s, NULL), SB_OK);
    sb_capacity_take(w->capacity, &s, w->now);
    sb_arena_fini(&a);
    w->now += 5000;
}

static double value(struct world *w, enum sb_metric_id id, const char *version) {
    struct sb_str labels[] = {SB_STR("m"), sb_str_of(version)};
    return (double)sb_series_value(sb_metrics_get(w->metrics, id, version ? labels : NULL)) /
           sb_metric_table[id].scale;
}

static void assert_near(double got, double expect) {
    if (fabs(got - expect) <= 1e-6 * fabs(expect) + 1e-9) return;
    fail_msg("%g instead of %g", got, expect);
}

/* A native version 1, and version 2 in workers. */
static const char *metrics(double rows1, double rows2, double cpu) {
    static char text[4096];
    snprintf(
        text, sizeof text,
        "sibyl_cores 2\nprocess_cpu_seconds_total %g\n"
        "sibyl_predictions_total{model=\"\",version=\"\",role=\"primary\",status=\"invalid\"} 9\n"
        "sibyl_predictions_total{model=\"m\",version=\"1\",role=\"primary\",status=\"ok\"} %g\n"
        "sibyl_predictions_total{model=\"m\",version=\"2\",role=\"shadow\",status=\"ok\"} %g\n"
        "sibyl_prediction_compute_seconds_sum{model=\"m\",version=\"1\"} %g\n"
        "sibyl_prediction_compute_seconds_count{model=\"m\",version=\"1\"} %g\n"
        "sibyl_prediction_compute_seconds_sum{model=\"m\",version=\"2\"} %g\n"
        "sibyl_prediction_compute_seconds_count{model=\"m\",version=\"2\"} %g\n"
        "sibyl_model_live{model=\"m\",version=\"1\",role=\"primary\",backend=\"native\"} 1\n"
        "sibyl_model_live{model=\"m\",version=\"2\",role=\"shadow\",backend=\"python\"} 1\n"
        "sibyl_model_cpu_seconds_total{model=\"m\",version=\"2\"} %g\n"
        "sibyl_event_bytes_total{model=\"m\",version=\"1\",role=\"primary\"} %g\n"
        "sibyl_journal_bytes_total{topic=\"predictions\"} %g\n"
        "sibyl_journal_disk_bytes{topic=\"predictions\"} 1000000\n",
        cpu, rows1, rows2, rows1 * 1e-4, rows1, rows2 * 0.5, rows2, rows2 * 2e-3, rows1 * 900,
        rows1 * 900);
    return text;
}

/* 1,000 rows of each per 5 s. Serving uses 1.1 s: 0.1 in model 1, and 1 s that both share. */
static void costs_are_model_workers_and_a_share(void **state) {
    struct world w;
    (void)state;
    begin(&w, 0);
    look(&w, metrics(500, 500, 7)); /* what was before is not counted */
    assert_near(value(&w, SB_METRIC_COST_CPU, "1"), 0);
    for (int i = 1; i <= 3; i++) look(&w, metrics(500 + i * 1000, 500 + i * 1000, 7 + i * 1.1));
    assert_near(value(&w, SB_METRIC_COST_CPU, "1"), 0.1 + 0.5);
    assert_near(value(&w, SB_METRIC_COST_CPU, "2"), 2 + 0.5);
    assert_near(value(&w, SB_METRIC_COST_BYTES, "1"), 900000);
    /* nobody asks any longer: what was said stays */
    for (int i = 0; i < 100; i++) look(&w, metrics(3500, 3500, 10.3));
    assert_near(value(&w, SB_METRIC_COST_CPU, "1"), 0.6);
    end(&w);
}

/* The same: 3.1 s of CPU in 5 s of 2 cores, workers' too. */
static void headroom_is_what_the_cores_have_left(void **state) {
    struct world w;
    (void)state;
    begin(&w, 0);
    for (int i = 0; i <= 3; i++) look(&w, metrics(i * 1000, i * 1000, i * 1.1));
    assert_near(value(&w, SB_METRIC_CAPACITY_BUSY, NULL), 0.31);
    assert_near(value(&w, SB_METRIC_CAPACITY_HEADROOM, NULL), 0.69);
    assert_near(value(&w, SB_METRIC_CAPACITY_RATE, NULL), 400);
    assert_true(fabs(value(&w, SB_METRIC_CAPACITY_LIMIT, NULL) - 400 / 0.31) < 0.01);
    end(&w);
}

static void busy_is_never_more_than_all(void **state) {
    struct world w;
    (void)state;
    begin(&w, 0);
    for (int i = 0; i <= 3; i++) look(&w, metrics(i * 1000, 0, i * 100));
    assert_near(value(&w, SB_METRIC_CAPACITY_BUSY, NULL), 1);
    assert_near(value(&w, SB_METRIC_CAPACITY_HEADROOM, NULL), 0);
    end(&w);
}

static void counters_of_a_process_that_restarted_count_from_0(void **state) {
    struct world w;
    (void)state;
    begin(&w, 0);
    look(&w, metrics(90000, 0, 70));
    look(&w, metrics(1000, 0, 1.1));
    assert_near(value(&w, SB_METRIC_COST_CPU, "1"), 1.1);
    end(&w);
}

/* 900,000 bytes each 5 s. */
static void days_until_the_budget_is_full(void **state) {
    static const struct {
        const char *name;
        int64_t retain;
        double rows, expect;
    } rows[] = {
        {"what is left of the setting", 1000000 + INT64_C(15552000000), 1000, 1},
        {"it is full, and the oldest go", 1000, 1000, 0},
        {"nothing is written", 15552000000, 0, 36500},
        {"hardly anything is", 15552000000, 1e-3, 36500},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        print_message("%s\n", rows[i].name);
        begin(&w, rows[i].retain);
        for (int k = 0; k < 5; k++) look(&w, metrics(k * rows[i].rows, 0, 0));
        assert_near(value(&w, SB_METRIC_JOURNAL_DAYS, NULL), rows[i].expect);
        end(&w);
    }
}

static void without_a_setting_the_disk_is_the_budget(void **state) {
    struct world w;
    (void)state;
    begin(&w, 0);
    for (int k = 0; k < 5; k++) look(&w, metrics(k * 1000, 0, 0));
    double days = value(&w, SB_METRIC_JOURNAL_DAYS, NULL);
    assert_true(days > 0 && days < 36500);
    end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_model_workers_and_a_share),
        cmocka_unit_test(headroom_is_what_the_cores_have_left),
        cmocka_unit_test(busy_is_never_more_than_all),
        cmocka_unit_test(counters_of_a_process_that_restarted_count_from_0),
        cmocka_unit_test(days_until_the_budget_is_full),
        cmocka_unit_test(without_a_setting_the_disk_is_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "codec/json.h"
#include "flow/points.h"

/* What was emitted, one document a line. */
struct taken {
    struct sb_points *points;
    struct sb_buf out;
    size_t n;
};

static void emit(void *arg, struct sb_str json) {
    struct taken *t = arg;
    sb_buf_adds(&t->out, json);
    sb_buf_addc(&t->out, '\n');
    t->n++;
}

static void begin(struct taken *t) {
    t->points = sb_points_new();
    sb_buf_init(&t->out, 1 << 20);
}

static void end(struct taken *t) {
    sb_points_free(t->points);
    sb_buf_fini(&t->out);
}

static const char *take(struct taken *t, const char *process, const char *text, int64_t now_ms) {
    struct sb_arena a;
    struct sb_monitor_samples s;
    sb_arena_init(&a, 1 << 20);
    sb_buf_reset(&t->out);
    t->n = 0;
    assert_int_equal(sb_monitor_exposition(sb_str_of(text), &a, &s, NULL), SB_OK);
    sb_points_take(t->points, process, &s, now_ms, emit, t);
    sb_arena_fini(&a);
    return sb_buf_cstr(&t->out);
}

#define T0 INT64_C(1795536091000)

static void counters_carry_their_rate_once_there_is_one(void **state) {
    static const struct {
        const char *name;
        int64_t after_ms;
        const char *value, *expect; /* expect NULL: nothing is written */
    } rows[] = {
        {"the first look has no time to divide by", 0, "10", "\"value\":10.0}"},
        {"growth a second", 5000, "60", "\"value\":60.0,\"rate\":10.0}"},
        {"that it stopped is said", 10000, "60", "\"rate\":0.0}"},
        {"and then not again", 15000, "60", NULL},
        {"until a minute is over", 70000, "60", "\"rate\":0.0}"},
        {"one that starts over counts from 0", 75000, "20", "\"value\":20.0,\"rate\":4.0}"},
    };
    struct taken t = {0};
    (void)state;
    begin(&t);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "sibyl_http_requests_total{handler=\"/a\\\"b\"} %s\n",
                 rows[i].value);
        const char *got = take(&t, "serving", text, T0 + rows[i].after_ms);
        print_message("%s: %s\n", rows[i].name, got);
        assert_int_equal(t.n, rows[i].expect ? 1 : 0);
        if (rows[i].expect) assert_non_null(strstr(got, rows[i].expect));
        if (rows[i].expect)
            assert_non_null(
                strstr(got, "\"labels\":{\"process\":\"serving\",\"handler\":\"/a\\\"b\"}"));
    }
    end(&t);
}

static void a_series_that_appears_counts_from_0(void **state) {
    struct taken t = {0};
    (void)state;
    begin(&t);
    take(&t, "serving", "sibyl_cores 2\n", T0);
    const char *got =
        take(&t, "serving", "sibyl_http_requests_total{server=\"x\"} 50\n", T0 + 5000);
    assert_non_null(strstr(got, "\"rate\":10.0"));
    end(&t);
}

static void gauges_are_written_until_they_stood_still(void **state) {
    struct taken t = {0};
    size_t written = 0;
    (void)state;
    begin(&t);
    for (int64_t ms = 0; ms < 1200000; ms += 5000) {
        take(&t, "platform", "sibyl_cores 2\nno_metric_of_ours 1\n", T0 + ms);
        written += t.n;
    }
    /* each 5 s for ten minutes, then each minute */
    assert_int_equal(written, 120 + 10);
    end(&t);
}

static void the_same_series_of_two_processes_are_two(void **state) {
    struct taken t = {0};
    (void)state;
    begin(&t);
    take(&t, "serving", "process_cpu_seconds_total 10\n", T0);
    take(&t, "platform", "process_cpu_seconds_total 1\n", T0);
    const char *got = take(&t, "platform", "process_cpu_seconds_total 2\n", T0 + 1000);
    assert_non_null(strstr(got, "\"rate\":1.0"));
    end(&t);
}

/* A whole histogram whose buckets up to `from` are empty and hold n above. */
static void histogram(char *to, size_t size, size_t from, int n, double sum) {
    size_t at = 0;
    for (size_t i = 0; i <= SB_HISTOGRAM_BUCKETS; i++)
        at += (size_t)snprintf(
            to + at, size - at,
            "sibyl_prediction_duration_seconds_bucket{model=\"m\",le=\"%zu\"} %d\n", i,
            i < from ? 0 : n);
    snprintf(to + at, size - at,
             "sibyl_prediction_duration_seconds_sum{model=\"m\"} %g\n"
             "sibyl_prediction_duration_seconds_count{model=\"m\"} %d\n",
             sum, n);
}

static void histograms_tell_of_the_time_between(void **state) {
    struct taken t = {0};
    char text[4096];
    (void)state;
    begin(&t);
    histogram(text, sizeof text, 7, 100, 0.25);
    assert_string_equal(take(&t, "serving", text, T0), ""); /* of which time would that be? */
    histogram(text, sizeof text, 7, 300, 0.75);
    const char *got = take(&t, "serving", text, T0 + 5000);
    assert_non_null(strstr(got, "\"count\":200.0,\"sum\":0.5,\"rate\":40.0,"));
    /* bucket 7 is from 1 to 2 ms */
    assert_non_null(strstr(got, "\"p50\":0.0015,"));
    assert_non_null(strstr(got, "\"labels\":{\"process\":\"serving\",\"model\":\"m\"}"));
    got = take(&t, "serving", text, T0 + 10000);
    assert_non_null(strstr(got, "\"count\":0.0,\"sum\":0.0,\"rate\":0.0}"));
    take(&t, "serving", text, T0 + 15000);
    assert_int_equal(t.n, 0);
    histogram(text, sizeof text, 7, 10, 0.02); /* the process began anew */
    assert_non_null(strstr(take(&t, "serving", text, T0 + 20000), "\"count\":10.0,\"sum\":0.02,"));
    end(&t);
}

static void a_clock_that_steps_back_stops_nothing_for_long(void **state) {
    struct taken t = {0};
    (void)state;
    begin(&t);
    take(&t, "serving", "sibyl_cores 2\n", T0);
    take(&t, "serving", "sibyl_cores 2\n", T0 - 3600000);
    assert_int_equal(t.n, 0);
    take(&t, "serving", "sibyl_cores 2\n", T0 - 3595000);
    assert_int_equal(t.n, 1);
    end(&t);
}

static void quantiles_are_those_of_prometheus(void **state) {
    static const double bounds[] = {1, 2, 4};
    static const struct {
        const char *name;
        double buckets[4], q, expect;
    } rows[] = {
        {"half way into a bucket", {0, 10, 0, 0}, 0.5, 1.5},
        {"the first bucket begins at 0", {10, 0, 0, 0}, 0.5, 0.5},
        {"on the bound between two", {5, 5, 0, 0}, 0.5, 1},
        {"over an empty one", {5, 0, 5, 0}, 0.75, 3},
        {"the open one has no end", {0, 0, 0, 7}, 0.99, 4},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].name);
        double got = sb_points_quantile(bounds, rows[i].buckets, 4, rows[i].q);
        assert_true(fabs(got - rows[i].expect) < 1e-12);
    }
    assert_true(isnan(sb_points_quantile(bounds, (double[]){0, 0, 0, 0}, 4, 0.5)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_carry_their_rate_once_there_is_one),
        cmocka_unit_test(a_series_that_appears_counts_from_0),
        cmocka_unit_test(gauges_are_written_until_they_stood_still),
        cmocka_unit_test(the_same_series_of_two_processes_are_two),
        cmocka_unit_test(histograms_tell_of_the_time_between),
        cmocka_unit_test(a_clock_that_steps_back_stops_nothing_for_long),
        cmocka_unit_test(quantiles_are_those_of_prometheus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

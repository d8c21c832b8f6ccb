/* Exposition text, label bounds, histogram buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/clock.h"
#include "domain/metric/metric.h"

static bool exposes(struct sb_metrics *m, const char *line) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    sb_metrics_write(m, &b);
    assert_int_equal(sb_buf_err(&b), SB_OK);
    bool found = sb_str_contains(sb_buf_view(&b), sb_str_of(line));
    if (!found) print_message("no \"%s\" in:\n%s", line, sb_buf_cstr(&b));
    sb_buf_fini(&b);
    return found;
}

static void labels_are_escaped(void **state) {
    (void)state;
    struct sb_metrics *m = sb_metrics_new();
    struct sb_str v[] = {SB_STR("a\"b\\c\nd"), SB_STR("1"), SB_STR("primary"), SB_STR("ok")};
    sb_series_add(sb_metrics_get(m, SB_METRIC_PREDICTIONS, v), 3);
    assert_true(exposes(m, "sibyl_predictions_total{model=\"a\\\"b\\\\c\\nd\",version=\"1\","
                           "role=\"primary\",status=\"ok\"} 3\n"));
    assert_true(exposes(m, "# TYPE sibyl_predictions_total counter\n"));
    sb_metrics_free(m);
}

static void histograms_are_cumulative_in_seconds(void **state) {
    (void)state;
    struct sb_metrics *m = sb_metrics_new();
    struct sb_str v[] = {SB_STR("m"), SB_STR("1"), SB_STR("primary")};
    struct sb_series *s = sb_metrics_get(m, SB_METRIC_PREDICT_SECONDS, v);
    sb_series_observe(s, 50 * SB_US);
    sb_series_observe(s, 50 * SB_US + 1);
    sb_series_observe(s, 90 * SB_SEC);
    assert_true(exposes(m, "le=\"5e-5\"} 1\n"));
    assert_true(exposes(m, "le=\"0.0001\"} 2\n"));
    assert_true(exposes(m, "le=\"60.0\"} 2\n"));
    assert_true(exposes(m, "le=\"+Inf\"} 3\n"));
    assert_true(exposes(m, "_count{model=\"m\",version=\"1\",role=\"primary\"} 3\n"));
    sb_metrics_free(m);
}

static void too_many_series_share_one(void **state) {
    (void)state;
    struct sb_metrics *m = sb_metrics_new();
    for (int i = 0; i < SB_METRIC_SERIES_MAX + 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        struct sb_str v[] = {sb_str_of(name), SB_STR("ok")};
        sb_series_add(sb_metrics_get(m, SB_METRIC_MODEL_LOADS, v), 1);
    }
    assert_true(exposes(m, "sibyl_model_loads_total{model=\"other\",result=\"other\"} 50\n"));
    sb_metrics_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(histograms_are_cumulative_in_seconds),
        cmocka_unit_test(too_many_series_share_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

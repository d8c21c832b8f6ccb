/* The states of an alert under a clock that the test turns, and what is told to whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "codec/json.h"
#include "domain/monitor/notice.h"

static const struct sb_monitor_rule RULE = {.name = {"r", 1},
                                            .enabled = true,
                                            .severity = SB_MONITOR_CRITICAL,
                                            .above = true,
                                            .threshold = 10,
                                            .clear = 5,
                                            .window_ns = 300 * SB_SEC,
                                            .for_ns = 20 * SB_SEC};

enum { NONE = -1000, FAILED = -1001 }; /* in place of a value */

/* Steps "seconds value" through a rule; the states by their first letters, one a step. */
static void run(const struct sb_monitor_rule *rule, const int (*steps)[2], size_t n,
                const char *want, const char *name) {
    struct sb_monitor_alert al = {0};
    char got[64] = "";
    for (size_t i = 0; i < n; i++) {
        struct sb_monitor_value v = {.has = steps[i][1] > NONE, .value = steps[i][1]};
        sb_monitor_alert_step(&al, rule, steps[i][1] == FAILED ? NULL : &v,
                              1000000 + steps[i][0] * INT64_C(1000));
        got[i] = sb_monitor_state_names[al.state][0];
    }
    if (strcmp(got, want) != 0) fail_msg("%s: %s, want %s", name, got, want);
}

static void states_follow_values(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int steps[8][2];
        const char *want;
        int for_s; /* -1: the rule's */
        enum sb_monitor_no_data no_data;
        bool below;
    } rows[] = {
        {"fires after for", {{0, 11}, {5, 11}, {19, 11}, {20, 11}}, "pppf", -1, 0, false},
        {"at once without for", {{0, 11}}, "f", 0, 0, false},
        {"the threshold itself is not beyond", {{0, 10}, {5, 10}}, "oo", -1, 0, false},
        {"back within for starts over",
         {{0, 11}, {15, 9}, {20, 11}, {39, 11}, {40, 11}},
         "poppf",
         -1,
         0,
         false},
        {"stays until clear", {{0, 11}, {5, 7}, {10, 6}, {15, 5}, {20, 7}}, "fffoo", 0, 0, false},
        {"below fires and clears", {{0, 9}, {5, 9}, {10, 11}, {15, 15}}, "fffo", 0, 0, true},
        {"no data is fine", {{0, 11}, {5, NONE}}, "fo", 0, SB_MONITOR_NO_DATA_OK, false},
        {"no data ends pending", {{0, 11}, {5, NONE}, {20, 11}}, "pop", -1, 0, false},
        {"no data keeps", {{0, 11}, {5, NONE}, {9, 4}}, "ffo", 0, SB_MONITOR_NO_DATA_KEEP, false},
        {"no data keeps pending",
         {{0, 11}, {30, NONE}, {35, 11}},
         "ppf",
         -1,
         SB_MONITOR_NO_DATA_KEEP,
         false},
        {"no data fires",
         {{0, 4}, {5, NONE}, {25, NONE}},
         "opf",
         -1,
         SB_MONITOR_NO_DATA_FIRE,
         false},
        {"a failure keeps", {{0, 11}, {5, FAILED}, {30, FAILED}, {35, 11}}, "pppf", -1, 0, false},
        {"a failure keeps firing", {{0, 11}, {5, FAILED}, {10, 4}}, "ffo", 0, 0, false},
        {"a gap begins pending anew",
         {{0, 11}, {10, 11}, {200, 11}, {219, 11}, {220, 11}},
         "ppppf",
         -1,
         0,
         false},
        {"a clock set back", {{100, 11}, {0, 11}, {19, 11}, {20, 11}}, "pppf", -1, 0, false},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_monitor_rule rule = RULE;
        if (rows[i].for_s >= 0) rule.for_ns = rows[i].for_s * SB_SEC;
        rule.no_data = rows[i].no_data;
        if (rows[i].below) {
            rule.above = false;
            rule.clear = 15;
        }
        run(&rule, rows[i].steps, strlen(rows[i].want), rows[i].want, rows[i].name);
    }
}

static void changes_are_told_once_with_their_times(void **state) {
    (void)state;
    struct sb_monitor_rule rule = RULE;
    struct sb_monitor_alert al = {0};
    struct sb_monitor_value bad = {.has = true, .value = 11}, good = {.has = true, .value = 0};
    assert_int_equal(sb_monitor_alert_step(&al, &rule, &good, 1000), SB_MONITOR_SAME);
    assert_int_equal(al.since_ms, 1000);
    assert_int_equal(sb_monitor_alert_step(&al, &rule, &bad, 2000), SB_MONITOR_STARTED);
    assert_int_equal(sb_monitor_alert_step(&al, &rule, &bad, 3000), SB_MONITOR_SAME);
    assert_int_equal(sb_monitor_alert_step(&al, &rule, &good, 4000), SB_MONITOR_CALMED);
    assert_int_equal(sb_monitor_alert_step(&al, &rule, &bad, 5000), SB_MONITOR_STARTED);
    assert_int_equal(sb_monitor_alert_step(&al, &rule, &bad, 25000), SB_MONITOR_FIRED);
    assert_int_equal(al.fired_ms, 25000);
    assert_int_equal(sb_monitor_alert_step(&al, &rule, &bad, 30000), SB_MONITOR_SAME);
    assert_int_equal(sb_monitor_alert_step(&al, &rule, &good, 31000), SB_MONITOR_RESOLVED);
    assert_int_equal(al.resolved_ms, 31000);
    assert_int_equal(sb_monitor_alert_end(&al, 32000), SB_MONITOR_SAME);
    rule.for_ns = 0;
    assert_int_equal(sb_monitor_alert_step(&al, &rule, &bad, 33000), SB_MONITOR_FIRED);
    assert_int_equal(sb_monitor_alert_end(&al, 34000), SB_MONITOR_RESOLVED);
    assert_int_equal(al.state, SB_MONITOR_STATE_OK);
}

static void summaries_fill_in_what_is_known(void **state) {
    (void)state;
    static const struct {
        const char *summary, *metric;
        double value;
        const char *want;
    } rows[] = {
        {"{value} of {model}, over {threshold} in {window}", "x_seconds", 0.3124,
         "312 ms of iris, over 10 s in 5m"},
        {"{nothing} {", "x", 1, "? {"},
        {"", "x_bytes", 2.5e9, "r is 2.5 GB, over 10 B"},
        {"", "x", 1234567, "r is 1.23457e+06, over 10"},
        {"{value}", "x_seconds", 0.0000005, "0.5 us"},
        {"{}{value}}", "x", 3, "?3}"},
    };
    static const struct sb_monitor_pair labels[] = {{{"model", 5}, {"iris", 4}}};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_monitor_rule rule = RULE;
        struct sb_monitor_value v = {
            .has = true, .value = rows[i].value, .labels = labels, .nlabels = 1};
        struct sb_buf b;
        rule.summary = sb_str_of(rows[i].summary);
        rule.of.metric = sb_str_of(rows[i].metric);
        sb_buf_init(&b, 1000);
        sb_monitor_summary(&rule, &v, &b);
        assert_string_equal(sb_buf_cstr(&b), rows[i].want);
        sb_buf_fini(&b);
    }
}

/* ---- notices ---- */

static void what_is_due_follows_from_what_was_told(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool over, muted;
        enum sb_monitor_told told, due;
    } rows[] = {
        {"fires", false, false, SB_MONITOR_UNTOLD, SB_MONITOR_TOLD_FIRING},
        {"fires, told", false, false, SB_MONITOR_TOLD_FIRING, SB_MONITOR_UNTOLD},
        {"over, never told", true, false, SB_MONITOR_UNTOLD, SB_MONITOR_TOLD_RESOLVED},
        {"over, told", true, false, SB_MONITOR_TOLD_FIRING, SB_MONITOR_TOLD_RESOLVED},
        {"over, told that", true, false, SB_MONITOR_TOLD_RESOLVED, SB_MONITOR_UNTOLD},
        {"silenced", false, true, SB_MONITOR_UNTOLD, SB_MONITOR_UNTOLD},
        {"silenced and over", true, true, SB_MONITOR_UNTOLD, SB_MONITOR_UNTOLD},
        {"silenced after it was told", true, true, SB_MONITOR_TOLD_FIRING,
         SB_MONITOR_TOLD_RESOLVED},
    };
    static const bool wanted[SB_MONITOR_DESTINATIONS] = {true, false};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_monitor_notice n = {
            .starts_ms = 1, .ends_ms = rows[i].over ? 2 : 0, .muted = rows[i].muted};
        n.told[SB_MONITOR_WEBHOOK] = rows[i].told;
        enum sb_monitor_told due = sb_monitor_notice_due(&n, SB_MONITOR_WEBHOOK);
        bool done = sb_monitor_notice_done(&n, wanted);
        if (due != rows[i].due || done != (rows[i].over && !rows[i].due))
            fail_msg("%s: %d %d", rows[i].name, due, done);
    }
}

static struct sb_monitor_notice *a_notice(int64_t starts_ms) {
    static const struct sb_monitor_pair labels[] = {{{"team", 4}, {"\"q\"", 3}}};
    static const struct sb_monitor_pair notes[] = {{{"runbook", 7}, {"http://x/", 9}}};
    struct sb_monitor_rule rule = RULE;
    struct sb_monitor_value v = {.has = true, .value = 12.5};
    rule.labels = labels;
    rule.annotations = notes;
    rule.nlabels = rule.nannotations = 1;
    return sb_monitor_notice_new(&rule, &v, starts_ms);
}

static void texts_have_the_forms_that_receivers_read(void **state) {
    (void)state;
    struct sb_monitor_notice *n = a_notice(1795507200000);
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    sb_monitor_notice_alertmanager(n, SB_STR("http://p/"), 1795507200000, 240000, &b);
    assert_string_equal(sb_buf_cstr(&b),
                        "{\"labels\":{\"alertname\":\"r\",\"severity\":\"critical\",\"team\":"
                        "\"\\\"q\\\"\"},\"annotations\":{\"summary\":\"r is 12.5, over 10\","
                        "\"value\":\"12.5\",\"runbook\":\"http://x/\"},"
                        "\"startsAt\":\"2026-11-24T08:00:00.000Z\","
                        "\"endsAt\":\"2026-11-24T08:04:00.000Z\",\"generatorURL\":\"http://p/\"}");
    sb_buf_reset(&b);
    n->ends_ms = 1795507201000;
    sb_monitor_notice_webhook(n, SB_STR(""), &b);
    struct sb_arena a;
    struct sb_json *o;
    struct sb_str s;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_json_parse(&o, sb_buf_view(&b), &a, NULL), SB_OK);
    assert_true(sb_json_get_str(o, "version", &s) && sb_str_is(s, "4"));
    assert_true(sb_json_get_str(o, "status", &s) && sb_str_is(s, "resolved"));
    const struct sb_json *alert = sb_json_get(o, "alerts")->child;
    assert_true(sb_json_get_str(alert, "endsAt", &s) && sb_str_is(s, "2026-11-24T08:00:01.000Z"));
    assert_true(sb_json_get_str(alert, "fingerprint", &s) && s.n == 16);
    sb_arena_fini(&a);
    sb_buf_fini(&b);
    sb_monitor_notice_free(n);
}

static void the_state_file_is_read_back_as_written(void **state) {
    (void)state;
    struct sb_monitor_kept two = {.rule = (char *)"b", .digest = "0123456789abcdef"};
    struct sb_monitor_kept one = {.rule = (char *)"a \"x\"",
                                  .digest = "fedcba9876543210",
                                  .alert = {SB_MONITOR_STATE_FIRING, 1, 2, 3, 4},
                                  .next = &two};
    struct sb_monitor_memory m = {&one, a_notice(7)}, again;
    struct sb_buf first, second;
    struct sb_errctx ctx = {0};
    m.notices->told[SB_MONITOR_ALERTMANAGER] = SB_MONITOR_TOLD_FIRING;
    sb_buf_init(&first, 1 << 20);
    sb_buf_init(&second, 1 << 20);
    sb_monitor_memory_write(&m, &first);
    if (sb_monitor_memory_parse(&again, sb_buf_view(&first), &ctx)) fail_msg("%s", ctx.msg);
    sb_monitor_memory_write(&again, &second);
    assert_string_equal(sb_buf_cstr(&first), sb_buf_cstr(&second));
    assert_int_equal(again.alerts->alert.fired_ms, 3);
    assert_int_equal(again.notices->told[SB_MONITOR_ALERTMANAGER], SB_MONITOR_TOLD_FIRING);
    sb_monitor_memory_fini(&again);
    sb_monitor_notice_free(m.notices);
    sb_buf_fini(&first);
    sb_buf_fini(&second);
    static const struct {
        const char *json;
        sb_err code;
    } bad[] = {
        {"", SB_E_SYNTAX},
        {"{}", SB_E_VERSION},
        {"{\"version\":2}", SB_E_VERSION},
        {"{\"version\":1}", SB_E_CORRUPT},
        {"{\"version\":1,\"alerts\":[{}],\"notices\":[]}", SB_E_CORRUPT},
        {"{\"version\":1,\"alerts\":[],\"notices\":[{\"told\":{}}]}", SB_E_CORRUPT},
        {"{\"version\":1,\"alerts\":{},\"notices\":[3]}", SB_E_CORRUPT},
    };
    for (size_t i = 0; i < SB_COUNT(bad); i++)
        assert_int_equal(sb_monitor_memory_parse(&again, sb_str_of(bad[i].json), NULL),
                         bad[i].code);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_follow_values),
        cmocka_unit_test(changes_are_told_once_with_their_times),
        cmocka_unit_test(summaries_fill_in_what_is_known),
        cmocka_unit_test(what_is_due_follows_from_what_was_told),
        cmocka_unit_test(texts_have_the_forms_that_receivers_read),
        cmocka_unit_test(the_state_file_is_read_back_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

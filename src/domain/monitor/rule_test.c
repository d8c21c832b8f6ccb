/* Rules as text: what is read, what is refused and where, and that they are written back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "domain/monitor/store.h"

#define M "- {name: a, metric: m, above: 1"

static sb_err parse(const char *text, struct sb_monitor_rules *out, struct sb_arena *a,
                    struct sb_errctx *ctx) {
    sb_errctx_reset(ctx);
    return sb_monitor_rules_parse(out, sb_str_of(text), "alerts.yaml", a, ctx);
}

static void errors_name_line_rule_and_key(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t line;
        const char *part;
    } rows[] = {
        {"rules:\n  - name: a\n    metrik: m\n", 3,
         "rule \"a\": metrik: there is no such key; did "
         "you mean metric?"},
        {"rulez: []\n", 1, "rulez: there is no such key; the file has one: rules"},
        {"rules: {a: 1}\n", 1, "must be a list"},
        {"- a\n", 1, "must begin with \"rules:\""},
        {"rules:\n  - 5\n", 2, "must be a mapping"},
        {"rules:\n  - metric: m\n    above: 1\n", 2, "a rule needs a name"},
        {"rules:\n  - name: a/b\n", 2, "without a slash"},
        {"rules:\n" M "}\n" M "}\n", 3, "rule \"a\": there is a rule of that name already"},
        {"rules:\n  - name: a\n    above: 1\n", 2, "needs a source: metric or events"},
        {"rules:\n" M ", events: x}\n", 2, "there is a source already"},
        {"rules:\n  - name: a\n    metric: m\n", 2, "needs a threshold"},
        {"rules:\n" M ", below: 2}\n", 2, "above and below are two rules"},
        {"rules:\n" M ", clear: 2}\n", 2, "clear: must not be above the threshold"},
        {"rules:\n- {name: a, metric: m, below: 1, clear: 0}\n", 2, "must not be below"},
        {"rules:\n  - name: a\n    metric: m\n    above: lots\n", 4, "above: must be a number"},
        {"rules:\n" M ", for: 5}\n", 2, "for: must be a time like 30s"},
        {"rules:\n" M ", for: 25h}\n", 2, "for: must be from 0s to 24h"},
        {"rules:\n" M ", window: 1s}\n", 2, "window: must be from 10s to 24h"},
        {"rules:\n" M ", severity: bad}\n", 2, "must be one of info, warning, critical"},
        {"rules:\n" M ", stat: p100}\n", 2, "stat: must be value"},
        {"rules:\n" M ", stat: count}\n", 2, "stat count goes with events"},
        {"rules:\n- {name: a, events: x, above: 1, stat: rate}\n", 2, "stat rate goes with metric"},
        {"rules:\n- {name: a, events: x, above: 1, stat: p99}\n", 2, "stat needs a field"},
        {"rules:\n- {name: a, events: x, above: 1, field: f}\n", 2, "field needs a stat"},
        {"rules:\n- {name: a, events: x, above: 1, index: etc}\n", 2, "index must be predictions"},
        {"rules:\n- {name: a, events: x, above: 1, where: {a: b}}\n", 2, "where goes with metric"},
        {"rules:\n" M ", field: f}\n", 2, "index and field go with events only"},
        {"rules:\n" M ", where: [a]}\n", 2, "where: must be a mapping"},
        {"rules:\n" M ", where: {a-b: c}}\n", 2, "a-b: is no name of a label"},
        {"rules:\n" M ", where: {a: []}}\n", 2, "a: must be a text or a list"},
        {"rules:\n" M ", where: {a: yes}}\n", 2, "put \"quotes\" around it"},
        {"rules:\n" M ", labels: {severity: x}}\n", 2, "is set from the rule's own"},
        {"rules:\n" M ", across: mid}\n", 2, "must be one of sum, max, min, avg"},
        {"rules:\n" M ", across: avg, stat: p9}\n", 2, "an average of percentiles"},
        {"rules:\n" M ", across: max, divided_by: {metric: n}}\n", 2, "both sources are summed"},
        {"rules:\n" M ", divided_by: {name: x}}\n", 2, "no such key in divided_by"},
        {"rules:\n" M ", divided_by: {where: {a: b}}}\n", 2, "divided_by: needs a source"},
        {"rules:\n" M ", divided_by: 5}\n", 2, "must be a mapping with a source"},
        {"rules:\n" M ", at_least: -1}\n", 2, "must not be negative"},
        {"rules:\n" M ", enabled: maybe}\n", 2, "must be true or false"},
        {"rules:\n" M ", no_data: panic}\n", 2, "must be one of ok, keep, fire"},
        {"rules:\n" M ", summary: \"\\x01\"}\n", 2, "holds a control character"},
        {"rules:\n" M ", above: .inf}\n", 2, "duplicate key \"above\""},
        {"rules:\n- {name: a, metric: m, above: .inf}\n", 2, "above: must be a number"},
        {"rules:\n  - name: \"x\n", 3, "alerts.yaml: "},
        {"a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
         "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
         "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
         6, "more than 100000 values"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_monitor_rules r;
        struct sb_errctx ctx;
        sb_arena_init(&a, 64 << 20);
        sb_err err = parse(rows[i].text, &r, &a, &ctx);
        if (!err || ctx.pos != rows[i].line || !strstr(ctx.msg, rows[i].part) ||
            !strstr(ctx.msg, "alerts.yaml"))
            fail_msg("%s\n%s, line %d: %s", rows[i].text, sb_err_name(err), (int)ctx.pos, ctx.msg);
        sb_arena_fini(&a);
    }
}

static void a_rule_over_json_names_the_key(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_json *tree;
    struct sb_monitor_rule rule;
    struct sb_str key;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(
        sb_json_parse(&tree, SB_STR("{\"name\":\"a\",\"metric\":\"m\",\"above\":\"x\"}"), &a, NULL),
        SB_OK);
    assert_int_equal(sb_monitor_rule_read(&rule, tree, NULL, &a, &key, &ctx), SB_E_INVALID);
    assert_string_equal(ctx.msg, "rule \"a\": above: must be a number");
    assert_true(sb_str_is(key, "above"));
    sb_arena_fini(&a);
}

static void defaults_of_keys_fit_each_other(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum sb_monitor_stat stat;
        enum sb_monitor_across across;
        double clear;
        const char *unit;
    } rows[] = {
        {"{name: a, metric: m, above: 2}", SB_MONITOR_VALUE, SB_MONITOR_ACROSS_MAX, 2, ""},
        {"{name: a, metric: m, below: 2}", SB_MONITOR_VALUE, SB_MONITOR_ACROSS_MIN, 2, ""},
        {"{name: a, metric: m_seconds, stat: p99.9, above: 1e3, clear: 1}", SB_MONITOR_QUANTILE,
         SB_MONITOR_ACROSS_MAX, 1, "s"},
        {"{name: a, metric: m_total, stat: rate, above: 1}", SB_MONITOR_RATE, SB_MONITOR_ACROSS_SUM,
         1, "/s"},
        {"{name: a, metric: m_bytes, above: 1}", SB_MONITOR_VALUE, SB_MONITOR_ACROSS_MAX, 1,
         "bytes"},
        {"{name: a, events: \"status:error\", above: 1}", SB_MONITOR_COUNT, SB_MONITOR_ACROSS_MAX,
         1, ""},
        {"{name: a, events: x, divided_by: {events: \"*\"}, above: 1}", SB_MONITOR_COUNT,
         SB_MONITOR_ACROSS_SUM, 1, "ratio"},
        {"{name: a, events: x, stat: avg, field: latency.total_us, above: 1}", SB_MONITOR_AVG,
         SB_MONITOR_ACROSS_MAX, 1, "us"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_monitor_rules r;
        struct sb_errctx ctx;
        char text[300];
        sb_arena_init(&a, 1 << 20);
        snprintf(text, sizeof text, "rules:\n- %s\n", rows[i].text);
        if (parse(text, &r, &a, &ctx)) fail_msg("%s: %s", rows[i].text, ctx.msg);
        assert_int_equal(r.n, 1);
        assert_int_equal(r.rule->of.stat, rows[i].stat);
        assert_int_equal(r.rule->across, rows[i].across);
        assert_true(r.rule->clear == rows[i].clear);
        assert_string_equal(sb_monitor_rule_unit(r.rule), rows[i].unit);
        sb_arena_fini(&a);
    }
}

static void shipped_rules_are_good(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_monitor_rules r;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 4 << 20);
    if (sb_monitor_defaults(&r, &a, &ctx)) fail_msg("%s", ctx.msg);
    assert_non_null(sb_monitor_rules_find(&r, SB_STR("error rate")));
    for (size_t i = 0; i < r.n; i++) assert_true(r.rule[i].summary.n > 0);
    sb_arena_fini(&a);
}

/* Rules, switches and silences of a store come back as they were. */
static void a_store_is_read_back_as_written(void **state) {
    (void)state;
    static const char text[] =
        "rules:\n"
        "- {name: \"a: \\\"b\\\" #\", metric: m, where: {x: [a, \"b c\"]}, above: 1e-7, for: "
        "1h30m,\n"
        "   labels: {team: \"\xc3\xa9\"}, summary: \"line\\nline {value}\"}\n"
        "- {name: c, events: \"a:b AND NOT c\", below: 00000000000000000000000000000000000000000000"
        "000000000000000000000000000000000001.5}\n"
        "switched: {\"error rate\": false, x: true}\n"
        "silences:\n- {id: i1, rule: c, labels: {severity: info}, until: "
        "\"2026-11-24T10:00:00Z\",\n"
        "   created: \"2026-11-24T09:00:00.123Z\", by: ada, why: \"because: #1\"}\n";
    struct sb_arena a;
    struct sb_monitor_store s, again;
    struct sb_buf first, second;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 8 << 20);
    sb_buf_init(&first, 1 << 20);
    sb_buf_init(&second, 1 << 20);
    if (sb_monitor_store_parse(&s, sb_str_of(text), "f", &a, &ctx)) fail_msg("%s", ctx.msg);
    sb_monitor_store_write(&s, &first);
    if (sb_monitor_store_parse(&again, sb_buf_view(&first), "f", &a, &ctx))
        fail_msg("%s\n%s", ctx.msg, sb_buf_cstr(&first));
    sb_monitor_store_write(&again, &second);
    assert_string_equal(sb_buf_cstr(&first), sb_buf_cstr(&second));
    assert_int_equal(again.rules.n, 2);
    assert_true(again.rules.rule[0].threshold == 1e-7);
    assert_true(again.rules.rule[0].for_ns == 5400 * SB_SEC);
    assert_true(sb_str_is(again.rules.rule[0].name, "a: \"b\" #"));
    assert_true(again.rules.rule[1].threshold == 1.5);
    assert_int_equal(again.nswitches, 2);
    assert_false(again.switches[0].on);
    assert_int_equal(again.nsilences, 1);
    assert_true(again.silences[0].created_ms % 1000 == 123);
    assert_true(sb_str_is(again.silences[0].why, "because: #1"));
    sb_buf_fini(&first);
    sb_buf_fini(&second);
    sb_arena_fini(&a);
}

static void stores_that_are_wrong_say_where(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t line;
        const char *part;
    } rows[] = {
        {"rules: []\nsilence: []\n", 2, "silence: there is no such key"},
        {"switched: [a]\n", 1, "must be a mapping of rules"},
        {"switched:\n  a: 3\n", 2, "must be true or false"},
        {"silences: 3\n", 1, "must be a list"},
        {"silences:\n- {id: a, until: noon}\n", 2, "must be a time like"},
        {"silences:\n- {rule: a}\n", 2, "needs an id"},
        {"silences:\n- {id: a, who: b}\n", 2, "no such key of a silence"},
        {"silences:\n- {id: a, labels: 3}\n", 2, "mapping of at most"},
        {"rules:\n- {name: a}\n", 2, "needs a source"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_monitor_store s;
        struct sb_errctx ctx = {0};
        sb_arena_init(&a, 1 << 20);
        sb_err err = sb_monitor_store_parse(&s, sb_str_of(rows[i].text), "rules.yaml", &a, &ctx);
        if (!err || ctx.pos != rows[i].line || !strstr(ctx.msg, rows[i].part))
            fail_msg("%s: line %d: %s", rows[i].text, (int)ctx.pos, ctx.msg);
        sb_arena_fini(&a);
    }
}

static void silences_match_by_name_and_labels(void **state) {
    (void)state;
    static const struct {
        const char *json;
        bool matches;
    } rows[] = {
        {"{\"rule\":\"a\",\"for\":\"1h\"}", true},
        {"{\"rule\":\"b\",\"for\":\"1h\"}", false},
        {"{\"labels\":{\"team\":\"ml\"},\"for\":\"1h\"}", true},
        {"{\"labels\":{\"team\":\"ml\",\"severity\":\"warning\"},\"for\":\"1h\"}", true},
        {"{\"labels\":{\"team\":\"ml\",\"severity\":\"info\"},\"for\":\"1h\"}", false},
        {"{\"labels\":{\"alertname\":\"a\"},\"for\":\"1h\"}", true},
        {"{\"rule\":\"a\",\"labels\":{\"team\":\"x\"},\"for\":\"1h\"}", false},
        {"{\"labels\":{\"other\":\"\"},\"for\":\"1h\"}", true},
        {"{\"labels\":{\"other\":\"x\"},\"for\":\"1h\"}", false},
    };
    struct sb_arena a;
    struct sb_monitor_rules r;
    struct sb_errctx ctx;
    sb_arena_init(&a, 4 << 20);
    assert_int_equal(parse("rules:\n" M ", labels: {team: ml}}\n", &r, &a, &ctx), SB_OK);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_monitor_silence s;
        struct sb_json *tree;
        assert_int_equal(sb_json_parse(&tree, sb_str_of(rows[i].json), &a, NULL), SB_OK);
        sb_errctx_reset(&ctx);
        if (sb_monitor_silence_read(&s, tree, "id", 5000, &a, NULL, &ctx))
            fail_msg("%s: %s", rows[i].json, ctx.msg);
        assert_int_equal(s.until_ms, 5000 + 3600000);
        if (sb_monitor_silence_matches(&s, r.rule) != rows[i].matches) fail_msg("%s", rows[i].json);
    }
    static const char *const bad[] = {
        "[]",
        "{\"for\":\"1h\"}",
        "{\"rule\":\"a\"}",
        "{\"rule\":\"a\",\"for\":\"1\"}",
        "{\"rule\":\"a\",\"for\":\"400d\"}",
        "{\"rule\":\"a\",\"for\":\"1h\",\"x\":1}",
        "{\"rule\":5,\"for\":\"1h\"}",
    };
    for (size_t i = 0; i < SB_COUNT(bad); i++) {
        struct sb_monitor_silence s;
        struct sb_json *tree;
        assert_int_equal(sb_json_parse(&tree, sb_str_of(bad[i]), &a, NULL), SB_OK);
        assert_int_equal(sb_monitor_silence_read(&s, tree, "id", 0, &a, NULL, NULL), SB_E_INVALID);
    }
    sb_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_line_rule_and_key),
        cmocka_unit_test(a_rule_over_json_names_the_key),
        cmocka_unit_test(defaults_of_keys_fit_each_other),
        cmocka_unit_test(shipped_rules_are_good),
        cmocka_unit_test(a_store_is_read_back_as_written),
        cmocka_unit_test(stores_that_are_wrong_say_where),
        cmocka_unit_test(silences_match_by_name_and_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

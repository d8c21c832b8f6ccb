/* The owner of alerts with metrics and events that the test makes up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/json.h"
#include "domain/monitor/notice.h"
#include "flow/alerts.h"
#include "sys/file.h"

struct world {
    char dir[64];
    _Atomic int connections;            /* < 0: the metrics cannot be read */
    _Atomic int events;                 /* how many match */
    _Atomic int fired, resolved, other; /* recorded */
    struct sb_alerts *alerts;
};

static sb_err metrics(void *self, struct sb_arena *a, struct sb_monitor_samples *out,
                      struct sb_errctx *ctx) {
    struct world *w = self;
    int n = w->connections;
    if (n < 0) return sb_fail(ctx, SB_E_UNAVAILABLE, "nobody answers");
    const char *text = sb_arena_printf(a, "sibyl_http_connections{server=\"serving\"} %d\n", n);
    return sb_monitor_exposition(sb_str_of(text), a, out, ctx);
}

static sb_err events(void *self, const struct sb_monitor_source *s, int64_t from_ms, int64_t to_ms,
                     struct sb_monitor_value *out, struct sb_errctx *ctx) {
    struct world *w = self;
    assert_true(from_ms < to_ms);
    if (sb_str_is(s->query, "(")) return sb_fail(ctx, SB_E_SYNTAX, "no query");
    *out = (struct sb_monitor_value){.has = true, .value = w->events, .count = w->events};
    return SB_OK;
}

static void record(void *arg, const struct sb_audit_entry *e) {
    struct world *w = arg;
    if (sb_str_is(e->kind, "alert.firing"))
        w->fired++;
    else if (sb_str_is(e->kind, "alert.resolved"))
        w->resolved++;
    else
        w->other++;
}

static void start(struct world *w) {
    struct sb_errctx ctx = {0};
    struct sb_alerts_opts o = {.dir = w->dir,
                               .file = "/nonexistent/alerts.yaml",
                               .inputs = {w, metrics, events},
                               .record = record,
                               .record_arg = w,
                               .every_ns = 5 * SB_MS};
    if (sb_alerts_start(&w->alerts, &o, &ctx)) fail_msg("%s", ctx.msg);
}

static void make(struct world *w) {
    *w = (struct world){.dir = "/tmp/sibyl-alerts-test-XXXXXX"};
    assert_non_null(mkdtemp(w->dir));
}

static void unmake(struct world *w) {
    sb_alerts_stop(w->alerts);
    assert_int_equal(sb_dir_remove_all(w->dir, NULL), SB_OK);
}

/* A rule's member as text, from the overview; in the arena. */
static const char *member(struct world *w, struct sb_arena *a, const char *rule, const char *key) {
    struct sb_buf b;
    struct sb_json *o;
    sb_buf_init(&b, 1 << 20);
    sb_alerts_overview(w->alerts, &b);
    assert_int_equal(sb_json_parse(&o, sb_arena_dup(a, sb_buf_view(&b)), a, NULL), SB_OK);
    sb_buf_fini(&b);
    for (const struct sb_json *r = sb_json_get(o, "rules")->child; r; r = r->next) {
        struct sb_str name;
        if (!sb_json_get_str(r, "name", &name) || !sb_str_is(name, rule)) continue;
        sb_buf_init(&b, 1 << 16);
        sb_json_add_tree(&b, sb_json_get(r, key));
        const char *text = sb_arena_dup(a, sb_buf_view(&b)).p;
        sb_buf_fini(&b);
        return text;
    }
    return "(no such rule)";
}

static void wait_member(struct world *w, const char *rule, const char *key, const char *want) {
    int64_t end = sb_mono_ns() + 20 * SB_SEC;
    for (;;) {
        struct sb_arena a;
        sb_arena_init(&a, 8 << 20);
        const char *got = member(w, &a, rule, key);
        bool same = strcmp(got, want) == 0;
        if (!same && sb_mono_ns() > end) fail_msg("%s of %s is %s, not %s", key, rule, got, want);
        sb_arena_fini(&a);
        if (same) return;
        sb_sleep_ns(SB_MS);
    }
}

static sb_err call(struct world *w, sb_alerts_fn *fn, const char *name, const char *body) {
    struct sb_arena a;
    struct sb_buf out;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 8 << 20);
    sb_buf_init(&out, 1 << 20);
    struct sb_alerts_call c = {
        .name = sb_str_of(name), .body = sb_str_of(body), .arena = &a, .out = &out, .ctx = &ctx};
    sb_err err = fn(w->alerts, &c);
    sb_buf_fini(&out);
    sb_arena_fini(&a);
    return err;
}

static void an_alert_lives_and_is_recorded(void **state) {
    (void)state;
    struct world w;
    make(&w);
    start(&w);
    assert_int_equal(call(&w, sb_alerts_rule_create, "",
                          "{\"name\":\"a\",\"metric\":\"sibyl_http_connections\",\"above\":9,"
                          "\"clear\":5}"),
                     SB_OK);
    wait_member(&w, "a", "value", "0.0");
    w.connections = 10;
    wait_member(&w, "a", "state", "\"firing\"");
    w.connections = -1; /* cannot be known: stays */
    wait_member(&w, "a", "error", "\"the metrics could not be read\"");
    wait_member(&w, "a", "state", "\"firing\"");
    w.connections = 7; /* not back yet */
    wait_member(&w, "a", "value", "7.0");
    wait_member(&w, "a", "state", "\"firing\"");
    w.connections = 5;
    wait_member(&w, "a", "state", "\"ok\"");
    assert_int_equal(w.fired, 1);
    assert_int_equal(w.resolved, 1);
    assert_int_equal(w.other, 1);
    unmake(&w);
}

static void a_restart_goes_on_where_it_was(void **state) {
    (void)state;
    struct world w;
    make(&w);
    start(&w);
    w.events = 3;
    assert_int_equal(
        call(&w, sb_alerts_rule_create, "", "{\"name\":\"e\",\"events\":\"*\",\"above\":2}"),
        SB_OK);
    wait_member(&w, "e", "state", "\"firing\"");
    sb_alerts_stop(w.alerts);
    start(&w);
    wait_member(&w, "e", "state", "\"firing\"");
    wait_member(&w, "e", "value", "3.0");
    assert_int_equal(w.fired, 1);
    /* another rule of that name is another alert */
    assert_int_equal(
        call(&w, sb_alerts_rule_put, "e", "{\"name\":\"e\",\"events\":\"*\",\"above\":9}"), SB_OK);
    wait_member(&w, "e", "state", "\"ok\"");
    assert_int_equal(w.resolved, 1);
    unmake(&w);
}

static void calls_that_are_wrong_change_nothing(void **state) {
    (void)state;
    struct world w;
    make(&w);
    start(&w);
    static const struct {
        sb_alerts_fn *fn;
        const char *name, *body;
        sb_err code;
    } rows[] = {
        {sb_alerts_rule_create, "", "{", SB_E_SYNTAX},
        {sb_alerts_rule_create, "", "{}", SB_E_INVALID},
        {sb_alerts_rule_create, "", "{\"name\":\"q\",\"events\":\"(\",\"above\":1}", SB_E_SYNTAX},
        {sb_alerts_rule_create, "", "{\"name\":\"error rate\",\"metric\":\"m\",\"above\":1}",
         SB_E_EXISTS},
        {sb_alerts_rule_put, "a", "{\"name\":\"b\",\"metric\":\"m\",\"above\":1}", SB_E_INVALID},
        {sb_alerts_rule_delete, "error rate", "", SB_E_STATE},
        {sb_alerts_rule_delete, "b", "", SB_E_MISSING},
        {sb_alerts_rule_get, "b", "", SB_E_MISSING},
        {sb_alerts_rule_enable, "b", "", SB_E_MISSING},
        {sb_alerts_silence, "", "{\"rule\":\"b\",\"for\":\"1h\"}", SB_E_MISSING},
        {sb_alerts_unsilence, "b", "", SB_E_MISSING},
        {sb_alerts_destination_test, "webhook", "", SB_E_MISSING},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        assert_int_equal(call(&w, rows[i].fn, rows[i].name, rows[i].body), rows[i].code);
    assert_int_equal(w.other, 0);
    unmake(&w);
}

static void copy(const char *from, const char *dir, const char *name) {
    struct sb_buf b;
    struct sb_arena a;
    sb_buf_init(&b, 1 << 20);
    sb_arena_init(&a, 1 << 12);
    assert_int_equal(sb_file_read_all(from, &b, NULL), SB_OK);
    const char *to = sb_arena_printf(&a, "%s/%s", dir, name);
    assert_int_equal(sb_file_replace(to, b.p, b.n, NULL), SB_OK);
    sb_arena_fini(&a);
    sb_buf_fini(&b);
}

/* docs/formats/alerts.md */
static void files_of_format_1_are_read(void **state) {
    (void)state;
    struct world w;
    make(&w);
    copy("tests/golden/alerts-1/rules.yaml", w.dir, "rules.yaml");
    copy("tests/golden/alerts-1/state.json", w.dir, "state.json");
    w.connections = 30;
    start(&w);
    wait_member(&w, "crowd: \"\xc3\xbc\"", "value", "30.0");
    wait_member(&w, "crowd: \"\xc3\xbc\"", "state", "\"firing\"");
    wait_member(&w, "crowd: \"\xc3\xbc\"", "fired_ms", "1795510800000");
    wait_member(&w, "no traffic", "enabled", "false");
    wait_member(&w, "slow", "silenced", "true");
    assert_int_equal(w.fired, 0);
    unmake(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_lives_and_is_recorded),
        cmocka_unit_test(a_restart_goes_on_where_it_was),
        cmocka_unit_test(calls_that_are_wrong_change_nothing),
        cmocka_unit_test(files_of_format_1_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* app/config: the table, its sources and their messages; app/supervisor: the back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "app/config.h"
#include "app/supervisor.h"
#include "base/clock.h"

/* main.c has the real one; help.c and cli.c, in the same archive, refer to it. */
const struct sb_command sb_commands[] = {{.name = NULL}};

static void every_default_is_allowed_and_every_row_has_its_own_names(void **state) {
    (void)state;
    struct sb_config c;
    sb_config_init(&c); /* asserts that each default parses */
    for (const struct sb_setting *s = sb_settings; s->key; s++) {
        char flag[64];
        sb_setting_flag(s, flag);
        assert_ptr_equal(sb_setting_of_flag(sb_str_of(flag)), s);
        assert_ptr_equal(sb_setting_of_key(sb_str_of(s->key)), s);
        assert_true(s->doc[strlen(s->doc) - 1] == '.');
        for (const struct sb_setting *t = sb_settings; t != s; t++)
            assert_int_not_equal(s->at, t->at);
    }
    sb_config_fini(&c);
}

static void values_are_checked_against_their_row(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *message; /* NULL = allowed */
    } rows[] = {
        {"serving.timeout", "250ms", NULL},
        {"serving.timeout", "10m", NULL},
        {"serving.timeout", "11m", "10ms to 10m"},
        {"serving.timeout", "9ms", "10ms to 10m"},
        {"serving.timeout", "5", "a time"},
        {"serving.timeout", "-1s", "a time"},
        {"serving.timeout", "99999999999999d", "a time"},
        {"serving.queue_target", "0", NULL},
        {"serving.max_body", "1048576", NULL},
        {"serving.max_body", "1MiB", NULL},
        {"serving.max_body", "1023", "1KiB to 1GiB"},
        {"serving.max_body", "1MB", "a size"},
        {"port_offset", "60000", NULL},
        {"port_offset", "60001", "0 to 60000"},
        {"port_offset", "1e3", "a whole number"},
        {"insecure_no_auth", "yes", NULL},
        {"insecure_no_auth", "maybe", "true or false"},
        {"log.level", "debug", NULL},
        {"log.level", "loud", "debug, info, warn, warning or error"},
        {"registry.url", "https://mlflow.example", NULL},
        {"registry.url", "file:///mlruns", "http:// or https://"},
        {"serving.listen", "127.0.0.1:0", NULL},
        {"serving.listen", "[::1]:8000", NULL},
        {"serving.listen", "localhost:8000", "an IP address and a port"},
        {"serving.listen", "127.0.0.1", "an IP address and a port"},
        {"serving.listen", "127.0.0.1:65536", "an IP address and a port"},
        {"serving.listen", "::1:8000", "an IP address and a port"},
        {"data", "", "not empty"},
        {"allowed_hosts", "a.example, b.example", NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_config c;
        struct sb_errctx ctx = {0};
        sb_config_init(&c);
        const struct sb_setting *s = sb_setting_of_key(sb_str_of(rows[i].key));
        assert_non_null(s);
        sb_err err = sb_config_set(&c, s, rows[i].value, SB_SOURCE_FLAG, "--x", &ctx);
        if (!rows[i].message) {
            assert_int_equal(err, SB_OK);
        } else {
            assert_int_equal(err, SB_E_INVALID);
            assert_non_null(strstr(ctx.msg, rows[i].key));
            assert_non_null(strstr(ctx.msg, rows[i].value));
            assert_non_null(strstr(ctx.msg, "--x"));
            assert_non_null(strstr(ctx.msg, rows[i].message));
        }
        sb_config_fini(&c);
    }
}

static void values_reach_their_fields_in_one_unit(void **state) {
    (void)state;
    struct sb_config c;
    sb_config_init(&c);
    assert_int_equal(c.serving_timeout, 30 * SB_SEC);
    assert_int_equal(c.serving_max_body, 16 << 20);
    assert_int_equal(c.serving_listen.port, 8000);
    assert_string_equal(c.serving_listen.host, "127.0.0.1");
    assert_false(c.insecure_no_auth);
    assert_null(c.allowed_hosts[0]);
    sb_config_fini(&c);
}

static const char *environment(const char *name) {
    static const char *const vars[] = {
        "LOG_LEVEL",          "WARNING",      "SIBYL_DATA",          "",
        "SIBYL_PYTHON",       "/opt/python",  "MLFLOW_TRACKING_URI", "http://a:5000",
        "SIBYL_REGISTRY_URL", "http://b:5000"};
    for (size_t i = 0; i < SB_COUNT(vars); i += 2)
        if (strcmp(vars[i], name) == 0) return vars[i + 1];
    return NULL;
}

static void sources_win_in_order(void **state) {
    (void)state;
    struct sb_config c;
    struct sb_errctx ctx = {0};
    sb_config_init(&c);
    struct sb_str yaml = SB_STR("data: /from/file\npython: /file/python\nserving: {timeout: 5s}\n"
                                "allowed_hosts: [a.example, b.example]\nport_offset: 10\n");
    assert_int_equal(sb_config_yaml(&c, yaml, "x.yaml", &ctx), SB_OK);
    for (const struct sb_setting *s = sb_settings; s->key; s++)
        assert_int_equal(sb_config_env(&c, s, environment, &ctx), SB_OK);
    const struct sb_setting *timeout = sb_setting_of_key(SB_STR("serving.timeout"));
    assert_int_equal(sb_config_set(&c, timeout, "7s", SB_SOURCE_FLAG, "--serving-timeout", &ctx),
                     SB_OK);
    assert_string_equal(c.data, "/from/file"); /* an empty variable is unset */
    assert_string_equal(c.python, "/opt/python");
    assert_string_equal(c.log_level, "warning");
    assert_string_equal(c.registry_url, "http://b:5000"); /* its own name before the usual one */
    assert_int_equal(c.serving_timeout, 7 * SB_SEC);
    assert_string_equal(c.allowed_hosts[1], "b.example");
    assert_int_equal(c.port_offset, 10);
    sb_config_fini(&c);
}

static void a_child_gets_the_same_settings_from_flags(void **state) {
    (void)state;
    struct sb_config c, d;
    size_t n;
    sb_config_init(&c);
    sb_config_init(&d);
    struct sb_str yaml =
        SB_STR("serving: {timeout: 5s, listen: \"[::1]:9000\"}\nport_offset: 10\n");
    assert_int_equal(sb_config_yaml(&c, yaml, "x.yaml", NULL), SB_OK);
    const char *const *flags = sb_config_flags(&c, &n);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        struct sb_str rest = sb_str_of(flags[i] + 2), name;
        assert_true(sb_str_split(&rest, '=', &name));
        const struct sb_setting *s = sb_setting_of_flag(name);
        assert_int_equal(sb_config_set(&d, s, rest.p, SB_SOURCE_FLAG, "flag", NULL), SB_OK);
    }
    assert_int_equal(sb_config_finish(&c, NULL), SB_OK);
    assert_int_equal(sb_config_finish(&d, NULL), SB_OK);
    assert_int_equal(d.serving_timeout, c.serving_timeout);
    assert_int_equal(d.serving_listen.port, 9010);
    assert_string_equal(d.serving_listen.host, "::1");
    sb_config_fini(&c);
    sb_config_fini(&d);
}

static void secrets_are_no_flags(void **state) {
    (void)state;
    struct sb_config c;
    struct sb_errctx ctx = {0};
    size_t n;
    sb_config_init(&c);
    assert_int_equal(
        sb_config_yaml(&c, SB_STR("alerts: {webhook_url: \"http://a:b@c/d\"}"), "x", NULL), SB_OK);
    assert_string_equal(c.alerts_webhook_url, "http://a:b@c/d");
    sb_config_flags(&c, &n);
    assert_int_equal(n, 0);
    const char *const *with = sb_config_secrets(&c, true), *const *without =
                                                               sb_config_secrets(&c, false);
    assert_string_equal(with[0], "SIBYL_ALERTS_WEBHOOK_URL=http://a:b@c/d");
    assert_string_equal(with[1], "SIBYL_ALERTS_ALERTMANAGER_URL=");
    assert_null(with[2]);
    assert_string_equal(without[0], "SIBYL_ALERTS_WEBHOOK_URL=");
    assert_int_equal(sb_config_yaml(&c, SB_STR("alerts: {webhook_url: \"s3cret\"}"), "x", &ctx),
                     SB_E_INVALID);
    assert_null(strstr(ctx.msg, "s3cret"));
    sb_config_fini(&c);
}

static void ports_that_were_settled_reach_the_child_as_they_are(void **state) {
    (void)state;
    struct sb_config c, d;
    size_t n;
    sb_config_init(&c);
    sb_config_init(&d);
    struct sb_str yaml = SB_STR("serving: {listen: \"[::1]:0\"}\nport_offset: 10\n");
    assert_int_equal(sb_config_yaml(&c, yaml, "x.yaml", NULL), SB_OK);
    assert_int_equal(sb_config_finish(&c, NULL), SB_OK);
    c.serving_listen.port = 4321;
    sb_config_fix_ports(&c);
    const char *const *flags = sb_config_flags(&c, &n);
    for (size_t i = 0; i < n; i++) {
        struct sb_str rest = sb_str_of(flags[i] + 2), name;
        assert_true(sb_str_split(&rest, '=', &name));
        assert_int_equal(
            sb_config_set(&d, sb_setting_of_flag(name), rest.p, SB_SOURCE_FLAG, "flag", NULL),
            SB_OK);
    }
    assert_int_equal(sb_config_finish(&d, NULL), SB_OK);
    assert_int_equal(d.serving_listen.port, 4321);
    assert_string_equal(d.serving_listen.host, "::1");
    assert_int_equal(d.registry_listen.port, 5010);
    sb_config_fini(&c);
    sb_config_fini(&d);
}

static void yaml_files_are_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *message;
    } rows[] = {
        {"servng: {listen: 127.0.0.1:1}\n", "there is no setting \"servng\""},
        {"serving: {listn: 127.0.0.1:1}\n", "is \"serving.listen\" meant?"},
        {"serving: 5\n", "there is no setting \"serving\""},
        {"zzzzzzzzzzzzzzzzzz: 1\n", "`sibyl up --help` lists them"},
        {"data:\n", "has no value"},
        {"data: {a: b}\n", "has no value, or one of another kind"},
        {"- data\n", "must be a mapping"},
        {"data: [\n", "x.yaml"},
        {"port_offset: 70000\n", "port_offset = \"70000\" (x.yaml)"},
        {"routes: {iris: {shadow: models:/next}}\n",
         "x.yaml: routes: iris: shadow: \"models:/next\" names no version"},
        {"routes: iris\n", "x.yaml: routes has no value, or one of another kind"},
        {"serving: {listen: {deep: {er: 1}}}\n", "serving.listen has no value"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_config c;
        struct sb_errctx ctx = {0};
        sb_config_init(&c);
        assert_int_not_equal(sb_config_yaml(&c, sb_str_of(rows[i].yaml), "x.yaml", &ctx), SB_OK);
        assert_non_null(strstr(ctx.msg, rows[i].message));
        sb_config_fini(&c);
    }
}

static void settings_that_do_not_go_together_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *yaml;
        sb_err err;
        const char *message;
    } rows[] = {
        {"", SB_OK, ""},
        {"serving: {listen: 0.0.0.0:8000}", SB_E_DENIED, "--insecure-no-auth"},
        {"serving: {listen: 0.0.0.0:8000}\ninsecure_no_auth: true", SB_OK, ""},
        {"serving: {listen: \"[::]:8000\"}", SB_E_DENIED, "serving.listen"},
        {"serving: {listen: 127.0.0.1:5000}", SB_E_INVALID, "both on port 5000"},
        {"serving: {listen: 127.0.0.1:0}\nregistry: {listen: 127.0.0.1:0}", SB_OK, ""},
        {"port_offset: 58000", SB_E_INVALID, "65535 is the last"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_config c;
        struct sb_errctx ctx = {0};
        sb_config_init(&c);
        assert_int_equal(sb_config_yaml(&c, sb_str_of(rows[i].yaml), "x.yaml", &ctx), SB_OK);
        assert_int_equal(sb_config_finish(&c, &ctx), rows[i].err);
        assert_non_null(strstr(ctx.msg, rows[i].message));
        sb_config_fini(&c);
    }
}

static void the_registry_is_ours_when_its_url_is_our_own(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *url;
        bool ours;
    } rows[] = {
        {"", "http://127.0.0.1:5000", true},
        {"registry: {url: \"http://localhost:5000/\"}", "http://127.0.0.1:5000", true},
        {"registry: {url: \"http://127.0.0.1:5000\"}", "http://127.0.0.1:5000", true},
        {"registry: {listen: \"[::1]:5001\"}", "http://[::1]:5001", true},
        {"registry: {url: \"http://mlflow:5000\"}", "http://mlflow:5000", false},
        {"registry: {url: \"http://localhost:5000\"}\nport_offset: 7", "http://localhost:5000",
         false},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_config c;
        sb_config_init(&c);
        assert_int_equal(sb_config_yaml(&c, sb_str_of(rows[i].yaml), "x.yaml", NULL), SB_OK);
        assert_int_equal(sb_config_finish(&c, NULL), SB_OK);
        assert_string_equal(c.registry_url, rows[i].url);
        assert_int_equal(c.registry_is_ours, rows[i].ours);
        sb_config_fini(&c);
    }
}

static void misspelt_words_find_their_neighbour(void **state) {
    (void)state;
    static const char *const names[] = {"up", "models", "events", "version", NULL};
    static const struct {
        const char *word, *nearest;
    } rows[] = {
        {"modles", "models"},   {"event", "events"},  {"pu", "up"},
        {"vresion", "version"}, {"frobnicate", NULL}, {"", NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        const char *near = sb_nearest(sb_str_of(rows[i].word), names);
        if (!rows[i].nearest)
            assert_null(near);
        else
            assert_string_equal(near, rows[i].nearest);
    }
    char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_null(sb_nearest(sb_str_of(longest), names));
}

static void backoff_doubles_to_its_limit_and_starts_over(void **state) {
    (void)state;
    int64_t wait = 0;
    static const int64_t want_ms[] = {200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    for (size_t i = 0; i < SB_COUNT(want_ms); i++) {
        wait = sb_supervisor_backoff(wait, SB_SEC);
        assert_int_equal(wait, want_ms[i] * SB_MS);
    }
    assert_int_equal(sb_supervisor_backoff(wait, 29 * SB_SEC), 30 * SB_SEC);
    assert_int_equal(sb_supervisor_backoff(wait, 30 * SB_SEC), 200 * SB_MS);
}

static void routes_reach_other_processes_as_they_were_written(void **state) {
    (void)state;
    struct sb_config c;
    sb_config_init(&c);
    assert_int_equal(sb_config_yaml(&c,
                                    SB_STR("routes:\n  iris:\n    shadow: models:/next@champion\n"
                                           "  \"7\": {primary: 'models:/a \"b\"/1'}\n"),
                                    "x.yaml", NULL),
                     SB_OK);
    assert_int_equal(c.routes.n, 2);
    size_t n;
    const char *const *flags = sb_config_flags(&c, &n);
    assert_int_equal(n, 1);
    assert_true(strncmp(flags[0], "--routes=", 9) == 0);
    struct sb_config other;
    sb_config_init(&other);
    assert_int_equal(sb_config_set(&other, sb_setting_of_key(SB_STR("routes")), flags[0] + 9,
                                   SB_SOURCE_FLAG, "flag --routes", NULL),
                     SB_OK);
    assert_int_equal(other.routes.n, 2);
    assert_true(sb_str_is(other.routes.rule[0].primary.name, "a \"b\""));
    assert_true(sb_str_is(other.routes.rule[1].shadow.which, "champion"));
    sb_config_fini(&other);
    sb_config_fini(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_allowed_and_every_row_has_its_own_names),
        cmocka_unit_test(values_are_checked_against_their_row),
        cmocka_unit_test(routes_reach_other_processes_as_they_were_written),
        cmocka_unit_test(values_reach_their_fields_in_one_unit),
        cmocka_unit_test(sources_win_in_order),
        cmocka_unit_test(a_child_gets_the_same_settings_from_flags),
        cmocka_unit_test(secrets_are_no_flags),
        cmocka_unit_test(ports_that_were_settled_reach_the_child_as_they_are),
        cmocka_unit_test(yaml_files_are_refused_with_the_reason),
        cmocka_unit_test(settings_that_do_not_go_together_are_refused),
        cmocka_unit_test(the_registry_is_ours_when_its_url_is_our_own),
        cmocka_unit_test(misspelt_words_find_their_neighbour),
        cmocka_unit_test(backoff_doubles_to_its_limit_and_starts_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

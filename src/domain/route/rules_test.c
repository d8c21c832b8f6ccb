/* Routes by configuration: a row per text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "domain/route/rules.h"

static const struct {
    const char *what, *text;
    enum sb_model_uri_kind kind; /* NONE = refused */
    const char *name, *which;
} uris[] = {
    {"a version", "models:/iris/3", SB_MODEL_URI_VERSION, "iris", "3"},
    {"an alias", "models:/iris-next@champion", SB_MODEL_URI_ALIAS, "iris-next", "champion"},
    {"the newest", "models:/iris/latest", SB_MODEL_URI_LATEST, "iris", "latest"},
    {"the newest in capitals", "models:/iris/LATEST", SB_MODEL_URI_LATEST, "iris", "LATEST"},
    {"a stage", "models:/iris/production", SB_MODEL_URI_STAGE, "iris", "production"},
    {"a name with an @", "models:/a@b/2", SB_MODEL_URI_VERSION, "a@b", "2"},
    {"a name with an @ and an alias", "models:/a@b@c", SB_MODEL_URI_ALIAS, "a@b", "c"},
    {"a name with spaces", "models:/my model/1", SB_MODEL_URI_VERSION, "my model", "1"},
    {"no version", "models:/iris", SB_MODEL_URI_NONE, NULL, NULL},
    {"no name", "models:/@x", SB_MODEL_URI_NONE, NULL, NULL},
    {"an empty name", "models://3", SB_MODEL_URI_NONE, NULL, NULL},
    {"an empty alias", "models:/iris@", SB_MODEL_URI_NONE, NULL, NULL},
    {"an empty version", "models:/iris/", SB_MODEL_URI_NONE, NULL, NULL},
    {"an unknown stage", "models:/iris/Live", SB_MODEL_URI_NONE, NULL, NULL},
    {"too many parts", "models:/iris/3/x", SB_MODEL_URI_NONE, NULL, NULL},
    {"a run", "runs:/abc/model", SB_MODEL_URI_NONE, NULL, NULL},
    {"nothing", "", SB_MODEL_URI_NONE, NULL, NULL},
};

static void names_of_versions(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(uris); i++) {
        struct sb_model_uri u = {0};
        struct sb_errctx ctx = {0};
        print_message("%s\n", uris[i].what);
        sb_err err = sb_model_uri_parse(&u, sb_str_of(uris[i].text), &ctx);
        assert_int_equal(err, uris[i].kind ? SB_OK : SB_E_INVALID);
        assert_int_equal(u.kind, uris[i].kind);
        if (err) {
            assert_non_null(strstr(ctx.msg, "models:/"));
            continue;
        }
        assert_true(sb_str_is(u.name, uris[i].name) && sb_str_is(u.which, uris[i].which));
    }
}

static const struct {
    const char *what, *text;
    sb_err err;
    const char *says;
    size_t n;
} texts[] = {
    {"nothing", "", SB_OK, NULL, 0},
    {"no routes", "{}", SB_OK, NULL, 0},
    {"JSON", "{\"iris\":{\"shadow\":\"models:/next@champion\"}}", SB_OK, NULL, 1},
    {"YAML blocks", "b:\n  primary: models:/m/1\na:\n  environment: model\n", SB_OK, NULL, 2},
    {"an unknown key", "{iris: {canary: 'models:/m/1'}}", SB_E_INVALID, "\"canary\"", 0},
    {"a bad URI", "{iris: {shadow: 'models:/m'}}", SB_E_INVALID, "iris: shadow: \"models:/m\"", 0},
    {"a bad environment", "{iris: {environment: conda}}", SB_E_INVALID, "current or model", 0},
    {"a number", "{iris: {shadow: 3}}", SB_E_INVALID, "must be text", 0},
    {"not a mapping", "{iris: 'models:/m/1'}", SB_E_INVALID, "must be a mapping", 0},
    {"a list", "[1]", SB_E_INVALID, "mapping of routes", 0},
    {"a name with a slash", "{a/b: {}}", SB_E_INVALID, "no slash", 0},
    {"an empty name", "{'': {}}", SB_E_INVALID, "1 to 256", 0},
    {"not YAML", "{iris: {", SB_E_SYNTAX, NULL, 0},
};

static void rules_from_text(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(texts); i++) {
        struct sb_arena a;
        struct sb_errctx ctx = {0};
        struct sb_route_rules r = {0};
        sb_arena_init(&a, 1 << 20);
        print_message("%s\n", texts[i].what);
        assert_int_equal(sb_route_rules_parse(&r, sb_str_of(texts[i].text), &a, &ctx),
                         texts[i].err);
        assert_int_equal(r.n, texts[i].n);
        if (texts[i].says) assert_non_null(strstr(ctx.msg, texts[i].says));
        sb_arena_fini(&a);
    }
}

static void rules_are_found_by_name(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_route_rules r;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_route_rules_parse(&r,
                                          SB_STR("{z: {environment: current}, a: {}, m: {shadow: "
                                                 "'models:/n/4', environment: model}}"),
                                          &a, NULL),
                     SB_OK);
    const struct sb_route_rule *m = sb_route_rules_find(&r, SB_STR("m"));
    assert_non_null(m);
    assert_int_equal(m->environment, SB_ENVIRONMENT_MODEL);
    assert_int_equal(m->primary.kind, SB_MODEL_URI_NONE);
    assert_true(sb_str_is(m->shadow.text, "models:/n/4"));
    assert_non_null(sb_route_rules_find(&r, SB_STR("a")));
    assert_int_equal(sb_route_rules_find(&r, SB_STR("z"))->environment, SB_ENVIRONMENT_CURRENT);
    assert_null(sb_route_rules_find(&r, SB_STR("b")));
    sb_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_versions),
        cmocka_unit_test(rules_from_text),
        cmocka_unit_test(rules_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

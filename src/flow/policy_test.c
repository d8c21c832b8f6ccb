/* Which version goes live: a row per situation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow/policy.h"

struct row {
    const char *name;
    const char *aliases[4];  /* alias, version, alias, version */
    const char *stages[4];   /* stage, version, ... of latest_versions */
    const char *versions[6]; /* version, status, ... newest first */
    const char *primary, *policy, *shadow;
    bool list_needed;          /* the listing alone does not tell */
    const char *latest_status; /* NULL = READY */
};

static const struct row rows[] = {
    {.name = "latest while nothing is marked",
     .stages = {"None", "3"},
     .versions = {"3", "READY", "2", "READY"},
     .primary = "3",
     .policy = "latest READY version",
     .shadow = ""},
    {.name = "a pending version is not live",
     .stages = {"None", "3"},
     .versions = {"3", "PENDING_REGISTRATION", "2", "READY"},
     .primary = "2",
     .policy = "latest READY version",
     .shadow = "",
     .list_needed = true,
     .latest_status = "PENDING_REGISTRATION"},
    {.name = "alias production wins over stage",
     .aliases = {"production", "1"},
     .stages = {"Production", "2"},
     .primary = "1",
     .policy = "alias production",
     .shadow = ""},
    {.name = "stage production",
     .stages = {"Production", "2", "None", "3"},
     .primary = "2",
     .policy = "stage Production",
     .shadow = ""},
    {.name = "only staging: nothing is live",
     .stages = {"Staging", "2"},
     .versions = {"2", "READY"},
     .primary = "",
     .shadow = ""},
    {.name = "other aliases do not matter",
     .aliases = {"champion", "1"},
     .stages = {"None", "2"},
     .versions = {"2", "READY", "1", "READY"},
     .primary = "2",
     .policy = "latest READY version",
     .shadow = ""},
    {.name = "production and shadow",
     .aliases = {"shadow", "2", "production", "1"},
     .stages = {"None", "2"},
     .primary = "1",
     .policy = "alias production",
     .shadow = "2"},
    {.name = "only a shadow: the newest other one",
     .aliases = {"shadow", "2"},
     .stages = {"None", "2"},
     .versions = {"2", "READY", "1", "READY"},
     .primary = "1",
     .policy = "latest READY version",
     .shadow = "2",
     .list_needed = true},
    {.name = "no version at all", .primary = "", .shadow = ""},
};

static void choices(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        const struct row *r = &rows[i];
        struct sb_remote_alias aliases[2];
        struct sb_remote_version latest[2] = {0}, versions[3] = {0};
        struct sb_remote_model m = {.aliases = aliases, .latest = latest};
        for (size_t k = 0; k < 4 && r->aliases[k]; k += 2)
            aliases[m.naliases++] =
                (struct sb_remote_alias){sb_str_of(r->aliases[k]), sb_str_of(r->aliases[k + 1])};
        for (size_t k = 0; k < 4 && r->stages[k]; k += 2) {
            latest[m.nlatest].stage = sb_str_of(r->stages[k]);
            latest[m.nlatest].status = sb_str_of(r->latest_status ? r->latest_status : "READY");
            latest[m.nlatest++].version = sb_str_of(r->stages[k + 1]);
        }
        size_t n = 0;
        for (size_t k = 0; k < 6 && r->versions[k]; k += 2) {
            versions[n].version = sb_str_of(r->versions[k]);
            versions[n++].status = sb_str_of(r->versions[k + 1]);
        }
        struct sb_choice primary, shadow;
        struct sb_choosing c = {.model = &m};
        bool told = sb_policy_primary(&c, &primary);
        assert_int_equal(told, !r->list_needed);
        c.versions = versions;
        c.n = n;
        assert_true(sb_policy_primary(&c, &primary));
        sb_policy_shadow(&c, &shadow);
        print_message("%s\n", r->name);
        assert_true(sb_str_is(primary.version, r->primary));
        assert_true(sb_str_is(shadow.version, r->shadow));
        if (r->policy) assert_string_equal(primary.policy, r->policy);
    }
}

static const struct {
    const char *uri, *version, *alias;
    bool list_needed;
} named[] = {
    {"models:/m/2", "2", NULL, false},         {"models:/m@champion", "1", "champion", false},
    {"models:/m@nobody", "", "nobody", false}, {"models:/m/Staging", "3", NULL, false},
    {"models:/m/production", "", NULL, false}, {"models:/m/latest", "3", NULL, true},
};

/* Version 4 is the newest and pending, 3 is in Staging, champion is 1. */
static void versions_named_by_the_configuration(void **state) {
    (void)state;
    struct sb_remote_alias alias = {SB_STR("champion"), SB_STR("1")};
    struct sb_remote_version latest[] = {
        {.version = SB_STR("4"), .stage = SB_STR("None"), .status = SB_STR("PENDING_REGISTRATION")},
        {.version = SB_STR("3"), .stage = SB_STR("Staging"), .status = SB_STR("READY")}};
    struct sb_remote_model m = {.aliases = &alias, .naliases = 1, .latest = latest, .nlatest = 2};
    for (size_t i = 0; i < SB_COUNT(named); i++) {
        struct sb_model_uri u;
        struct sb_choice got;
        struct sb_arena a;
        struct sb_choosing c = {.model = &m};
        sb_arena_init(&a, 1 << 16);
        print_message("%s\n", named[i].uri);
        assert_int_equal(sb_model_uri_parse(&u, sb_str_of(named[i].uri), NULL), SB_OK);
        assert_int_equal(sb_policy_named(&c, &u, &a, &got), !named[i].list_needed);
        c.versions = latest;
        c.n = 2;
        assert_true(sb_policy_named(&c, &u, &a, &got));
        assert_true(sb_str_is(got.version, named[i].version));
        assert_string_equal(got.alias ? got.alias : "", named[i].alias ? named[i].alias : "");
        assert_non_null(strstr(got.policy, named[i].uri));
        sb_arena_fini(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(choices),
                                       cmocka_unit_test(versions_named_by_the_configuration)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

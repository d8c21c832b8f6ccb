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
};

static const struct row rows[] = {
    {"latest while nothing is marked",
     {0},
     {"None", "3"},
     {"3", "READY", "2", "READY"},
     "3",
     "latest READY version",
     ""},
    {"a pending version is not live",
     {0},
     {"None", "3"},
     {"3", "PENDING_REGISTRATION", "2", "READY"},
     "2",
     "latest READY version",
     ""},
    {"alias production wins over stage",
     {"production", "1"},
     {"Production", "2"},
     {0},
     "1",
     "alias production",
     ""},
    {"stage production", {0}, {"Production", "2", "None", "3"}, {0}, "2", "stage Production", ""},
    {"only staging: nothing is live", {0}, {"Staging", "2"}, {"2", "READY"}, "", NULL, ""},
    {"other aliases do not matter",
     {"champion", "1"},
     {"None", "2"},
     {"2", "READY", "1", "READY"},
     "2",
     "latest READY version",
     ""},
    {"production and shadow",
     {"shadow", "2", "production", "1"},
     {"None", "2"},
     {0},
     "1",
     "alias production",
     "2"},
    {"only a shadow: the newest other one",
     {"shadow", "2"},
     {"None", "2"},
     {"2", "READY", "1", "READY"},
     "1",
     "latest READY version",
     "2"},
    {"no version at all", {0}, {0}, {0}, "", NULL, ""},
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
            latest[m.nlatest++].version = sb_str_of(r->stages[k + 1]);
        }
        size_t n = 0;
        for (size_t k = 0; k < 6 && r->versions[k]; k += 2) {
            versions[n].version = sb_str_of(r->versions[k]);
            versions[n++].status = sb_str_of(r->versions[k + 1]);
        }
        struct sb_choice primary, shadow;
        sb_policy_choose(&m, versions, n, &primary, &shadow);
        print_message("%s\n", r->name);
        assert_true(sb_str_is(primary.version, r->primary));
        assert_true(sb_str_is(shadow.version, r->shadow));
        if (r->policy) assert_string_equal(primary.policy, r->policy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(choices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/age.h"
#include "base/err.h"

static void ages(void **state) {
    static const struct {
        const char *text;
        int64_t ms; /* -1: no age */
    } rows[] = {
        {"30d", INT64_C(30) * 86400000},
        {"12h", 43200000},
        {"4m", 240000},
        {"5s", 5000},
        {"0s", 0},
        {"1d2h3m4s", 93784000},
        {"1.5h", 5400000},
        {"1.2d3h4m5s", 103680000 + 10800000 + 240000 + 5000},
        {"", -1},
        {"5", -1},
        {"d", -1},
        {"1h1d", -1}, /* the order is fixed */
        {"1d1d", -1},
        {"1d ", -1},
        {"-1d", -1},
        {"1w", -1},
        {"1..5d", -1},
        {"99999999999999999999d", -1},
    };
    SB_UNUSED(state);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        int64_t ms = -1;
        bool ok = sb_age_parse(sb_str_of(rows[i].text), &ms);
        if (ok != (rows[i].ms >= 0) || (ok && ms != rows[i].ms))
            fail_msg("'%s': %d %lld", rows[i].text, ok, (long long)ms);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Times as text, against the C library where it can say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/time.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/compiler.h"

static void parses_and_refuses(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t ns;
    } rows[] = {
        {"1970-01-01", true, 0},
        {"1970-01-01T00:00:00Z", true, 0},
        {"1970-01-01t00:00:01z", true, SB_SEC},
        {"1970-01-01 00:01", true, 60 * SB_SEC},
        {"2026-11-24T08:31:55.123Z", true, INT64_C(1795509115123000000)},
        {"2026-11-24 08:31:55.123456", true, INT64_C(1795509115123456000)},
        {"2026-11-24T08:31:55.1234567899999+02:00", true, INT64_C(1795501915123456789)},
        {"2026-11-24T08:31:55-0130", true, INT64_C(1795514515000000000)},
        {"2026-11-24T08:31:55+02", true, INT64_C(1795501915000000000)},
        {"1969-12-31T23:59:59.5Z", true, -SB_SEC / 2},
        {"2024-02-29", true, INT64_C(1709164800000000000)},
        {"2016-12-31T23:59:60Z", true, INT64_C(1483228800000000000)},
        {"1678-01-01T00:00:00Z", true, INT64_C(-9214560000000000000)},
        {"2262-04-11T23:47:16.854775807Z", true, INT64_MAX},
        {"2262-04-11T23:47:16.854775808Z", false, 0},
        {"1677-09-21T00:12:43.145224192Z", true, INT64_MIN},
        {"1677-09-21T00:12:43.145224191Z", false, 0},
        {"2263-01-01", false, 0},
        {"0001-01-01", false, 0},
        {"2023-02-29", false, 0},
        {"1900-02-29", false, 0},
        {"2026-13-01", false, 0},
        {"2026-00-01", false, 0},
        {"2026-01-00", false, 0},
        {"2026-04-31", false, 0},
        {"2026-1-1", false, 0},
        {"20260101", false, 0},
        {"", false, 0},
        {"2026-01-01T", false, 0},
        {"2026-01-01T24:00:00Z", false, 0},
        {"2026-01-01T00:60:00Z", false, 0},
        {"2026-01-01T00:00:61Z", false, 0},
        {"2026-01-01T00:00:60Z", false, 0},
        {"2026-01-01T00:00:00.Z", false, 0},
        {"2026-01-01T00:00:00Zx", false, 0},
        {"2026-01-01T00:00:00+24:00", false, 0},
        {"2026-01-01T00:00:00+1", false, 0},
        {"2026-01-01T00:00:00+01:", false, 0},
        {"2026-01-01T00:00:00+01:60", false, 0},
        {"2026-01-01T00:00:00 UTC", false, 0},
        {"2026/01/01", false, 0},
        {"2026-01-01x00:00:00Z", false, 0},
        {"-026-01-01", false, 0},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        int64_t ns = 42;
        if (sb_time_parse(sb_str_of(rows[i].text), &ns) != rows[i].ok) fail_msg("%s", rows[i].text);
        if (ns != (rows[i].ok ? rows[i].ns : 42)) fail_msg("%s: %lld", rows[i].text, (long long)ns);
    }
}

static void writes(void **state) {
    (void)state;
    static const struct {
        int64_t ns;
        const char *ms, *us, *shortest;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z", "1970-01-01 00:00:00.000000", "1970-01-01T00:00:00Z"},
        {-1000000, "1969-12-31T23:59:59.999Z", "1969-12-31 23:59:59.999000",
         "1969-12-31T23:59:59.999Z"},
        {INT64_C(1795509115123456789), "2026-11-24T08:31:55.123Z", "2026-11-24 08:31:55.123456",
         "2026-11-24T08:31:55.123456789Z"},
        {INT64_C(1709251199000000000), "2024-02-29T23:59:59.000Z", "2024-02-29 23:59:59.000000",
         "2024-02-29T23:59:59Z"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        char text[SB_TIME_TEXT] = "";
        text[sb_time_format_ms(text, (rows[i].ns - (rows[i].ns < 0) * 999999) / SB_MS)] = 0;
        assert_string_equal(text, rows[i].ms);
        text[sb_time_format_us(text, rows[i].ns)] = 0;
        assert_string_equal(text, rows[i].us);
        text[sb_time_format_ns(text, rows[i].ns)] = 0;
        assert_string_equal(text, rows[i].shortest);
        int64_t back;
        assert_true(sb_time_parse(sb_str_of(text), &back) && back == rows[i].ns);
    }
    char text[SB_TIME_TEXT];
    text[sb_time_format_ms(text, INT64_MAX)] = 0;
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    text[sb_time_format_ms(text, INT64_MIN)] = 0;
    assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void dates_agree_with_the_c_library(void **state) {
    (void)state;
    for (int64_t day = -200000; day < 400000; day += 3) {
        time_t t = day * 86400;
        struct tm tm;
        int64_t year;
        int month, d;
        assert_non_null(gmtime_r(&t, &tm));
        sb_date_from_days(day, &year, &month, &d);
        assert_true(year == tm.tm_year + 1900 && month == tm.tm_mon + 1 && d == tm.tm_mday);
        assert_int_equal(sb_days_from_date(year, month, d), day);
        assert_true(d <= sb_days_in_month(year, month));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_and_refuses),
        cmocka_unit_test(writes),
        cmocka_unit_test(dates_agree_with_the_c_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

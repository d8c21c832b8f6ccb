/* engine/column: buckets of time, and time zones against the C library's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "base/random.h"
#include "codec/time.h"
#include "engine/column/calendar_int.h"

static int64_t at(const char *text) {
    int64_t ns;
    if (!sb_time_parse(sb_str_of(text), &ns)) fail_msg("%s", text);
    return ns / 1000000;
}

static const struct {
    const char *name;
    enum sb_agg_calendar calendar;
    int64_t interval, offset;
    const char *zone, *moment, *start, *next;
} spans[] = {
    {"a minute", SB_CALENDAR_MINUTE, 0, 0, "", "2026-03-01T10:20:30Z", "2026-03-01T10:20:00Z",
     "2026-03-01T10:21:00Z"},
    {"the last moment of an hour", SB_CALENDAR_HOUR, 0, 0, "", "2026-03-01T10:59:59.999Z",
     "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"},
    {"the first moment of a day", SB_CALENDAR_DAY, 0, 0, "Z", "2026-03-01T00:00:00Z",
     "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"},
    {"a week begins on Monday", SB_CALENDAR_WEEK, 0, 0, "UTC", "2026-03-01T12:00:00Z",
     "2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z"},
    {"February of a leap year", SB_CALENDAR_MONTH, 0, 0, "", "2028-02-29T23:00:00Z",
     "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
    {"the last quarter", SB_CALENDAR_QUARTER, 0, 0, "", "2026-12-31T23:00:00Z",
     "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"},
    {"a year before 1970", SB_CALENDAR_YEAR, 0, 0, "", "1969-05-05T00:00:00Z",
     "1969-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
    {"a fixed interval before 1970", SB_CALENDAR_NONE, 7000, 0, "", "1969-12-31T23:59:59.999Z",
     "1969-12-31T23:59:53Z", "1970-01-01T00:00:00Z"},
    {"an offset", SB_CALENDAR_DAY, 0, 6 * 3600 * 1000, "", "2026-03-01T05:59:00Z",
     "2026-02-28T06:00:00Z", "2026-03-01T06:00:00Z"},
    {"a zone by offset", SB_CALENDAR_DAY, 0, 0, "+05:30", "2026-03-01T18:29:00Z",
     "2026-02-28T18:30:00Z", "2026-03-01T18:30:00Z"},
    {"a zone west", SB_CALENDAR_MONTH, 0, 0, "-0800", "2026-03-01T07:00:00Z",
     "2026-02-01T08:00:00Z", "2026-03-01T08:00:00Z"},
    {"a day of 23 hours", SB_CALENDAR_DAY, 0, 0, "Europe/Berlin", "2026-03-29T12:00:00Z",
     "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
    {"a day of 25 hours", SB_CALENDAR_DAY, 0, 0, "Europe/Berlin", "2026-10-25T12:00:00Z",
     "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
    {"the first of two hours of one name", SB_CALENDAR_HOUR, 0, 0, "Europe/Berlin",
     "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
    {"the second of them", SB_CALENDAR_HOUR, 0, 0, "Europe/Berlin", "2026-10-25T01:30:00Z",
     "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"},
    {"a day that begins behind a gap", SB_CALENDAR_DAY, 0, 0, "America/Sao_Paulo",
     "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
    {"beyond the zone's table", SB_CALENDAR_DAY, 0, 0, "Europe/Berlin", "2090-07-01T12:00:00Z",
     "2090-06-30T22:00:00Z", "2090-07-01T22:00:00Z"},
    {"12 hours, in a zone", SB_CALENDAR_NONE, 12 * 3600 * 1000, 0, "Asia/Tokyo",
     "2026-03-01T04:00:00Z", "2026-03-01T03:00:00Z", "2026-03-01T15:00:00Z"},
};

static void spans_hold_the_moment(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(spans); i++) {
        struct sb_arena a;
        struct sb_rounding r = {.calendar = spans[i].calendar,
                                .interval = spans[i].interval,
                                .offset = spans[i].offset};
        int64_t start, next;
        sb_arena_init(&a, 1 << 20);
        assert_int_equal(sb_zone_open(&r.zone, &a, sb_str_of(spans[i].zone), NULL), SB_OK);
        sb_rounding_span(&r, at(spans[i].moment), &start, &next);
        if (start != at(spans[i].start) || next != at(spans[i].next)) {
            char from[SB_TIME_TEXT + 1] = {0}, to[SB_TIME_TEXT + 1] = {0};
            sb_time_format_ms(from, start);
            sb_time_format_ms(to, next);
            fail_msg("%s: %s to %s", spans[i].name, from, to);
        }
        sb_arena_fini(&a);
    }
}

static void unknown_zones_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"Europe/Nowhere", "../../../etc/passwd",
                                        "/etc/passwd",    "Europe",
                                        "+25:00",         "+1:2:3",
                                        "zone.tab",       "a\nb",
                                        "tzdata.zi"};
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        struct sb_arena a;
        struct sb_zone z;
        sb_arena_init(&a, 1 << 20);
        if (sb_zone_open(&z, &a, sb_str_of(names[i]), NULL) != SB_E_SYNTAX)
            fail_msg("%s", names[i]);
        sb_arena_fini(&a);
    }
}

/* 1900 to 2100 in zones of all kinds: half hours, no summer time, southern, changed rules. */
static void offsets_agree_with_the_c_library(void **state) {
    (void)state;
    static const char *const names[] = {
        "Europe/Berlin", "America/New_York",  "Asia/Kolkata",     "Australia/Lord_Howe",
        "Asia/Tokyo",    "America/Sao_Paulo", "Pacific/Auckland", "Africa/Casablanca",
        "Pacific/Apia",  "America/St_Johns",  "Etc/GMT+5",        "Europe/Dublin",
    };
    struct sb_rng rng;
    sb_rng_seed(&rng, 3);
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        struct sb_arena a;
        struct sb_zone z;
        sb_arena_init(&a, 1 << 20);
        assert_int_equal(sb_zone_open(&z, &a, sb_str_of(names[i]), NULL), SB_OK);
        setenv("TZ", names[i], 1);
        tzset();
        for (int k = 0; k < 2000; k++) {
            int64_t s = (int64_t)(sb_rng_next(&rng) % 6311433600u) - 2208988800, from, until;
            time_t t = (time_t)s;
            struct tm tm;
            localtime_r(&t, &tm);
            int64_t ms = sb_zone_offset(&z, s * 1000, &from, &until);
            if (ms != tm.tm_gmtoff * 1000) fail_msg("%s at %lld", names[i], (long long)s);
            assert_true(from <= s * 1000 && s * 1000 < until);
            int64_t f, u;
            assert_int_equal(sb_zone_offset(&z, until - 1, &f, &u), ms);
            if (from > -(INT64_C(1) << 53)) assert_int_equal(sb_zone_offset(&z, from, &f, &u), ms);
        }
        sb_arena_fini(&a);
    }
    unsetenv("TZ");
    tzset();
}

/* Buckets follow each other without gap or overlap, whatever the zone does. */
static void spans_follow_each_other(void **state) {
    (void)state;
    static const char *const names[] = {"Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo",
                                        "Pacific/Apia", "America/Havana"};
    for (size_t i = 0; i < SB_COUNT(names); i++)
        for (int unit = SB_CALENDAR_NONE; unit <= SB_CALENDAR_YEAR; unit++) {
            struct sb_arena a;
            struct sb_rounding r = {.calendar = (enum sb_agg_calendar)unit,
                                    .interval = 36 * 3600 * 1000};
            int64_t ms = at("2010-01-01T00:00:00Z"), end = at("2013-01-01T00:00:00Z");
            sb_arena_init(&a, 1 << 20);
            assert_int_equal(sb_zone_open(&r.zone, &a, sb_str_of(names[i]), NULL), SB_OK);
            if (unit == SB_CALENDAR_MINUTE) end = ms + INT64_C(86400000) * 2;
            while (ms < end) {
                int64_t start, next, again, unused;
                sb_rounding_span(&r, ms, &start, &next);
                if (start > ms || next <= ms)
                    fail_msg("%s, unit %d: %lld", names[i], unit, (long long)ms);
                sb_rounding_span(&r, next - 1, &again, &unused);
                assert_int_equal(again, start);
                ms = next;
                sb_rounding_span(&r, ms, &start, &unused);
                assert_int_equal(start, ms);
            }
            sb_arena_fini(&a);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_hold_the_moment),
        cmocka_unit_test(unknown_zones_are_refused),
        cmocka_unit_test(offsets_agree_with_the_c_library),
        cmocka_unit_test(spans_follow_each_other),
    };
    return cmocka_run_group_tests_name("engine/column/calendar", tests, NULL, NULL);
}

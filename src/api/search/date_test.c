/* Dates: forms, formats, zones, math and rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/search/date.h"
#include "codec/time.h"

#define NOW INT64_C(1795508400000) /* 2026-11-24T08:20:00Z, a Tuesday */

static void texts_are_moments(void **state) {
    (void)state;
    static const struct {
        const char *text, *format, *zone, *want; /* want NULL: an error */
        bool up;
    } rows[] = {
        {"now", "", "", "2026-11-24T08:20:00.000Z", false},
        {"now-15m", "", "", "2026-11-24T08:05:00.000Z", false},
        {"now+1d-2h", "", "", "2026-11-25T06:20:00.000Z", false},
        {"now/d", "", "", "2026-11-24T00:00:00.000Z", false},
        {"now/d", "", "", "2026-11-24T23:59:59.999Z", true},
        {"now/w", "", "", "2026-11-23T00:00:00.000Z", false},
        {"now/w", "", "", "2026-11-29T23:59:59.999Z", true},
        {"now-1M/M", "", "", "2026-10-01T00:00:00.000Z", false},
        {"now/M", "", "", "2026-11-30T23:59:59.999Z", true},
        {"now/y", "", "", "2026-12-31T23:59:59.999Z", true},
        {"now/h", "", "", "2026-11-24T08:00:00.000Z", false},
        {"now/m", "", "", "2026-11-24T08:20:59.999Z", true},
        {"now/d", "", "+02:00", "2026-11-23T22:00:00.000Z", false},
        {"now/d", "", "Europe/Berlin", "2026-11-23T23:00:00.000Z", false},
        {"2024-02-29||+1y", "", "", "2025-02-28T00:00:00.000Z", false},
        {"2026-01-31||+1M", "", "", "2026-02-28T00:00:00.000Z", false},
        {"2026-11-24", "", "", "2026-11-24T00:00:00.000Z", false},
        {"2026-11-24", "", "", "2026-11-24T23:59:59.999Z", true},
        {"2026-02", "", "", "2026-02-28T23:59:59.999Z", true},
        {"2026", "", "", "2026-12-31T23:59:59.999Z", true},
        {"2026-11-24T08", "", "", "2026-11-24T08:59:59.999Z", true},
        {"2026-11-24T08:31:55.123456+00:00", "", "", "2026-11-24T08:31:55.123Z", false},
        {"2026-11-24T08:31:55-0330", "", "", "2026-11-24T12:01:55.000Z", false},
        {"2026-11-24T08:31:55", "", "+02:00", "2026-11-24T06:31:55.000Z", false},
        {"1795508400000", "", "", "2026-11-24T08:20:00.000Z", false},
        {"1795508400", "epoch_second", "", "2026-11-24T08:20:00.000Z", false},
        {"1795508400000.7", "epoch_millis", "", "2026-11-24T08:20:00.000Z", false},
        {"24.11.2026 08:20", "dd.MM.yyyy HH:mm", "", "2026-11-24T08:20:00.000Z", false},
        {"24.11.26", "yyyy||dd.MM.yy", "", "2026-11-24T00:00:00.000Z", false},
        {"20261124", "basic_date", "", "2026-11-24T00:00:00.000Z", false},
        {"2026-11-24T08:20:00+01:00", "yyyy-MM-dd'T'HH:mm:ssXXX", "", "2026-11-24T07:20:00.000Z",
         false},
        {"0000-01-01", "", "", "0000-01-01T00:00:00.000Z", false},
        {"9999-12-31", "", "", "9999-12-31T23:59:59.999Z", true},
        {"+292278995-01-01", "", "", NULL, false},
        {"now+1y/y/", "", "", NULL, false},
        {"now+9999y", "", "", NULL, false},
        {"now+99999999999y", "", "", NULL, false},
        {"now+1", "", "", NULL, false},
        {"now*1d", "", "", NULL, false},
        {"now/2d", "", "", NULL, false},
        {"2026-02-29", "", "", NULL, false},
        {"2026-13-01", "", "", NULL, false},
        {"2026-11-24T24:00", "", "", NULL, false},
        {"2026-11-24x", "", "", NULL, false},
        {"9223372036854775807", "", "", NULL, false},
        {"abc", "epoch_millis", "", NULL, false},
        {"", "", "", NULL, false},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct es_date o = {
            .now_ms = NOW, .format = sb_str_of(rows[i].format), .round_up = rows[i].up};
        int64_t ms;
        char text[SB_TIME_TEXT] = "";
        sb_arena_init(&a, 1 << 20);
        if (rows[i].zone[0]) assert_true(es_zone_find(&a, sb_str_of(rows[i].zone), &o.zone));
        sb_err err = es_date_parse(&o, sb_str_of(rows[i].text), &ms, NULL);
        if (!err) text[sb_time_format_ms(text, ms)] = '\0';
        if (!err != (rows[i].want != NULL) || (rows[i].want && strcmp(text, rows[i].want) != 0))
            fail_msg("%s: %s, not %s", rows[i].text, err ? sb_err_name(err) : text,
                     rows[i].want ? rows[i].want : "an error");
        sb_arena_fini(&a);
    }
}

static void moments_are_texts(void **state) {
    (void)state;
    static const struct {
        const char *format, *zone, *want;
    } rows[] = {
        {"", "", "2026-11-24T08:20:00.000Z"},
        {"strict_date_optional_time_nanos", "", "2026-11-24T08:20:00.000Z"},
        {"", "Europe/Berlin", "2026-11-24T09:20:00.000+01:00"},
        {"epoch_millis", "", "1795508400000"},
        {"epoch_second", "", "1795508400"},
        {"yyyy-MM-dd", "", "2026-11-24"},
        {"dd/MM/yy HH:mm:ss.SSS Z||yyyy", "-03:30", "24/11/26 04:50:00.000 -0330"},
        {"d.M.yyyy 'at' H", "", "24.11.2026 at 8"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct es_zone z = {0};
        struct sb_buf b;
        sb_arena_init(&a, 1 << 20);
        sb_buf_init(&b, 1024);
        if (rows[i].zone[0]) assert_true(es_zone_find(&a, sb_str_of(rows[i].zone), &z));
        assert_int_equal(es_date_format_check(sb_str_of(rows[i].format), NULL), SB_OK);
        es_date_add(&b, NOW, sb_str_of(rows[i].format), z);
        assert_string_equal(sb_buf_cstr(&b), rows[i].want);
        sb_buf_fini(&b);
        sb_arena_fini(&a);
    }
}

static void unknown_formats_are_named(void **state) {
    (void)state;
    static const char *const bad[] = {"ww", "yyyyy", "yyyy||", "QQ", "'open", "EEE", "yyy"};
    for (size_t i = 0; i < SB_COUNT(bad); i++) {
        struct sb_errctx ctx = {0};
        assert_int_equal(es_date_format_check(sb_str_of(bad[i]), &ctx), SB_E_UNSUPPORTED);
        assert_non_null(strstr(ctx.msg, "not supported"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_moments),
        cmocka_unit_test(moments_are_texts),
        cmocka_unit_test(unknown_formats_are_named),
    };
    return cmocka_run_group_tests_name("search_date", tests, NULL, NULL);
}

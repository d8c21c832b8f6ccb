/* UUIDs: form, order, time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/uuid.h"

#include "base/compiler.h"

static void version_4_has_its_form(void **state) {
    (void)state;
    struct sb_rng rng;
    sb_rng_seed(&rng, 1);
    for (int i = 0; i < 1000; i++) {
        char a[SB_UUID_TEXT];
        uint8_t bytes[16];
        int64_t ms;
        sb_uuid4(&rng, a);
        assert_true(sb_uuid_parse(sb_str_of(a), bytes));
        assert_int_equal(a[14], '4');
        assert_true(strchr("89ab", a[19]));
        assert_false(sb_uuid7_time_ms(sb_str_of(a), &ms));
    }
}

static void version_7_only_grows(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t step_ms;
        int times;
    } rows[] = {
        {"in one millisecond", 0, 100000},
        {"as the clock goes", 1, 1000},
        {"while the clock steps back a little", -9, 1000},
    };
    struct sb_uuid7_gen g;
    sb_uuid7_gen_init(&g);
    sb_rng_seed(&g.rng, 5);
    char last[SB_UUID_TEXT] = "", id[SB_UUID_TEXT];
    int64_t now = INT64_C(1780000000000), ms;
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        for (int k = 0; k < rows[i].times; k++) {
            sb_uuid7(&g, now += rows[i].step_ms, id);
            if (strcmp(last, id) >= 0) fail_msg("%s: %s after %s", rows[i].name, id, last);
            assert_true(id[14] == '7' && strchr("89ab", id[19]));
            memcpy(last, id, sizeof id);
        }
    }
    sb_uuid7(&g, now - 60000, id); /* a clock set back far is followed */
    assert_true(sb_uuid7_time_ms(sb_str_of(id), &ms) && ms == now - 60000);
}

static void counting_out_borrows_a_millisecond(void **state) {
    (void)state;
    struct sb_uuid7_gen g;
    char a[SB_UUID_TEXT], b[SB_UUID_TEXT];
    int64_t ms;
    sb_uuid7_gen_init(&g);
    sb_uuid7(&g, 1000, a);
    g.high = 0xFFF;
    g.low = UINT64_MAX >> 2;
    sb_uuid7(&g, 1000, b);
    assert_true(strcmp(a, b) < 0);
    assert_true(sb_uuid7_time_ms(sb_str_of(b), &ms) && ms == 1001);
}

static void text_is_checked(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "019a8c2e5d3f7c419a0b1f2e3d4c5b6a",
        "019a8c2e-5d3f-7c41-9a0b-1f2e3d4c5b6",
        "019a8c2e-5d3f-7c41-9a0b-1f2e3d4c5b6aa",
        "019a8c2e-5d3f-7c41-9a0b-1f2e3d4c5b6g",
        "019a8c2e-5d3f-7c41-9a0b01f2e3d4c5b6a",
        "019a8c2e-5d3f-7c41-9a0-b1f2e3d4c5b6a",
        "019a8c2e-5d3f-7c41-1a0b-1f2e3d4c5b6a",
    };
    int64_t ms = 0;
    for (size_t i = 0; i < SB_COUNT(bad); i++) {
        if (sb_uuid7_time_ms(sb_str_of(bad[i]), &ms)) fail_msg("%s taken", bad[i]);
    }
    assert_true(sb_uuid7_time_ms(SB_STR("019A8C2E-5d3f-7c41-9a0b-1f2e3d4c5b6a"), &ms));
    assert_true(ms == INT64_C(0x019a8c2e5d3f));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_4_has_its_form),
        cmocka_unit_test(version_7_only_grows),
        cmocka_unit_test(counting_out_borrows_a_millisecond),
        cmocka_unit_test(text_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

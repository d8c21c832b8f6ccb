/* base/: buffers, strings, arena, map, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"

static void buf_latches_its_first_failure(void **state) {
    (void)state;
    struct sb_buf b;
    sb_buf_init(&b, 8);
    SB_BUF_LIT(&b, "12345678");
    assert_int_equal(sb_buf_err(&b), SB_OK);
    sb_buf_addc(&b, '9');
    assert_int_equal(sb_buf_err(&b), SB_E_LIMIT);
    sb_buf_addi(&b, -5);
    assert_int_equal(b.n, 8);
    sb_buf_reset(&b);
    sb_buf_addi(&b, INT64_MIN / 1000000000000);
    assert_int_equal(b.n, 8);
    sb_buf_fini(&b);
}

static void buf_formats_integers_at_the_edges(void **state) {
    (void)state;
    struct sb_buf b;
    sb_buf_init(&b, 100);
    sb_buf_addi(&b, INT64_MIN);
    sb_buf_addc(&b, ' ');
    sb_buf_addu(&b, UINT64_MAX);
    assert_string_equal(sb_buf_cstr(&b), "-9223372036854775808 18446744073709551615");
    sb_buf_fini(&b);
}

static void str_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1x", false, 0},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        int64_t v = 0;
        assert_int_equal(sb_str_to_i64(sb_str_of(rows[i].text), &v), rows[i].ok);
        if (rows[i].ok) assert_true(v == rows[i].value);
    }
}

static void str_split_keeps_empty_parts(void **state) {
    (void)state;
    struct sb_str rest = SB_STR("a,,b"), part;
    const char *want[] = {"a", "", "b"};
    size_t n = 0;
    while (sb_str_split(&rest, ',', &part)) assert_true(sb_str_is(part, want[n++]));
    assert_int_equal(n, 3);
}

static void arena_honours_its_maximum(void **state) {
    (void)state;
    struct sb_arena a;
    sb_arena_init(&a, 100000);
    assert_non_null(sb_arena_try(&a, 90000));
    assert_null(sb_arena_try(&a, 20000));
    assert_null(sb_arena_try_array(&a, SIZE_MAX / 2, 4));
    sb_arena_reset(&a);
    assert_non_null(sb_arena_try(&a, 90000));
    assert_string_equal(sb_arena_printf(&a, "%d-%s", 5, "x"), "5-x");
    sb_arena_fini(&a);
}

static void map_survives_random_puts_and_deletes(void **state) {
    (void)state;
    struct sb_map m;
    sb_map_init(&m);
    struct sb_rng rng;
    sb_rng_seed(&rng, 1);
    static char present[512];
    size_t n = 0;
    for (int i = 0; i < 20000; i++) {
        char key[8];
        unsigned k = (unsigned)(sb_rng_next(&rng) % 512);
        snprintf(key, sizeof key, "k%u", k);
        struct sb_str s = sb_str_of(key);
        assert_true((sb_map_get(&m, s) != NULL) == present[k]);
        if (sb_rng_next(&rng) & 1) {
            n += !present[k];
            present[k] = 1;
            sb_map_put(&m, s, &present[k]);
        } else {
            n -= (size_t)present[k];
            assert_true((sb_map_del(&m, s) != NULL) == present[k]);
            present[k] = 0;
        }
        assert_int_equal(m.n, n);
    }
    size_t at = 0, seen = 0;
    while (sb_map_next(&m, &at)) seen++;
    assert_int_equal(seen, n);
    sb_map_fini(&m, NULL);
}

static void err_keeps_the_first_failure(void **state) {
    (void)state;
    struct sb_errctx e = {0};
    assert_int_equal(sb_fail_at(&e, SB_E_SYNTAX, 7, "bad %s", "x"), SB_E_SYNTAX);
    assert_int_equal(sb_fail(&e, SB_E_IO, "later"), SB_E_IO);
    assert_int_equal(e.code, SB_E_SYNTAX);
    assert_int_equal(e.pos, 7);
    assert_string_equal(e.msg, "bad x");
    assert_int_equal(sb_err_from_errno(ENOSPC), SB_E_NOSPACE);
    assert_string_equal(sb_err_name(SB_E_NOSPACE), "NOSPACE");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_latches_its_first_failure),
        cmocka_unit_test(buf_formats_integers_at_the_edges),
        cmocka_unit_test(str_numbers),
        cmocka_unit_test(str_split_keeps_empty_parts),
        cmocka_unit_test(arena_honours_its_maximum),
        cmocka_unit_test(map_survives_random_puts_and_deletes),
        cmocka_unit_test(err_keeps_the_first_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

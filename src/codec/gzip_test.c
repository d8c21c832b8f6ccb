/* gzip: both ways, limits, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/gzip.h"

#include "base/random.h"

/* Feeds `in` in pieces of `step` bytes. */
static sb_err unpack(struct sb_str in, size_t step, uint32_t ratio, struct sb_buf *to) {
    struct sb_gunzip g;
    sb_err err = sb_gunzip_init(&g, ratio, false);
    for (size_t i = 0; !err && i < in.n; i += step)
        err = sb_gunzip_add(&g, sb_str_sub(in, i, step), to);
    if (!err) err = sb_gunzip_end(&g);
    sb_gunzip_fini(&g);
    return err;
}

static void both_ways_in_pieces_of_any_size(void **state) {
    (void)state;
    static const size_t steps[] = {1, 2, 7, 1000, 1 << 20};
    struct sb_rng rng;
    struct sb_buf in, packed, out;
    sb_buf_init(&in, 1 << 20);
    sb_buf_init(&packed, 1 << 20);
    sb_buf_init(&out, 1 << 20);
    sb_rng_seed(&rng, 1);
    for (int i = 0; i < 30000; i++) sb_buf_addc(&in, "abcdefgh"[sb_rng_next(&rng) % 8]);
    assert_int_equal(sb_gzip(sb_buf_view(&in), 6, &packed), SB_OK);
    assert_true(packed.n < in.n);
    size_t one = packed.n;
    assert_int_equal(sb_gzip(SB_STR("second member"), 1, &packed), SB_OK);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        sb_buf_reset(&out);
        assert_int_equal(unpack(sb_str_make(packed.p, one), steps[i], 100, &out), SB_OK);
        assert_true(sb_str_eq(sb_buf_view(&in), sb_buf_view(&out)));
        sb_buf_reset(&out);
        assert_int_equal(unpack(sb_buf_view(&packed), steps[i], 100, &out), SB_OK);
        assert_int_equal(out.n, in.n + strlen("second member"));
    }
    sb_buf_fini(&in);
    sb_buf_fini(&packed);
    sb_buf_fini(&out);
}

static void bombs_stop_at_the_limits(void **state) {
    (void)state;
    struct sb_buf in, packed, out;
    sb_buf_init(&in, 8 << 20);
    sb_buf_init(&packed, 16 << 20);
    memset(sb_buf_reserve(&in, 8 << 20), 0, 8 << 20);
    sb_buf_commit(&in, 8 << 20);
    assert_int_equal(sb_gzip(sb_buf_view(&in), 9, &packed), SB_OK);
    for (size_t max = (8 << 20) - 1; max <= 8 << 20; max++) {
        sb_buf_init(&out, max);
        assert_int_equal(unpack(sb_buf_view(&packed), 4096, 0, &out),
                         max == 8 << 20 ? SB_OK : SB_E_LIMIT);
        assert_true(out.n <= max);
        sb_buf_fini(&out);
    }
    sb_buf_init(&out, 16 << 20);
    assert_int_equal(unpack(sb_buf_view(&packed), 4096, 100, &out), SB_E_LIMIT);
    assert_true(out.n < 1 << 20);
    sb_buf_fini(&out);
    sb_buf_init(&out, 0);
    sb_buf_reset(&packed);
    assert_int_equal(sb_gzip(SB_STR(""), 6, &packed), SB_OK);
    assert_int_equal(unpack(sb_buf_view(&packed), 4096, 0, &out), SB_OK);
    sb_buf_fini(&out);
    sb_buf_fini(&in);
    sb_buf_fini(&packed);
}

static void damage_is_found(void **state) {
    (void)state;
    struct sb_buf packed, out;
    sb_buf_init(&packed, 1 << 20);
    sb_buf_init(&out, 1 << 20);
    assert_int_equal(sb_gzip(SB_STR("some text, some text"), 6, &packed), SB_OK);
    for (size_t n = 0; n < packed.n; n++) /* cut anywhere */
        assert_int_equal(unpack(sb_str_make(packed.p, n), 5, 0, &out), SB_E_CORRUPT);
    packed.p[packed.n - 6] ^= 1; /* the CRC */
    assert_int_equal(unpack(sb_buf_view(&packed), 100, 0, &out), SB_E_CORRUPT);
    packed.p[packed.n - 6] ^= 1;
    SB_BUF_LIT(&packed, "garbage");
    assert_int_equal(unpack(sb_buf_view(&packed), 100, 0, &out), SB_E_CORRUPT);
    assert_int_equal(unpack(SB_STR("no gzip"), 100, 0, &out), SB_E_CORRUPT);
    /* a zlib stream only where it was asked for */
    static const char zlib[] = "\x78\x9c\x4b\x04\x00\x00\x62\x00\x62";
    struct sb_str z = {zlib, sizeof zlib - 1};
    struct sb_gunzip g;
    assert_int_equal(unpack(z, 100, 0, &out), SB_E_CORRUPT);
    sb_buf_reset(&out);
    assert_int_equal(sb_gunzip_init(&g, 0, true), SB_OK);
    assert_int_equal(sb_gunzip_add(&g, z, &out), SB_OK);
    assert_int_equal(sb_gunzip_end(&g), SB_OK);
    sb_gunzip_fini(&g);
    assert_string_equal(sb_buf_cstr(&out), "a");
    sb_buf_fini(&packed);
    sb_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_in_pieces_of_any_size),
        cmocka_unit_test(bombs_stop_at_the_limits),
        cmocka_unit_test(damage_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

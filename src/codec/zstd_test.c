/* codec/zstd: round trips, bombs and cut frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/zstd.h"

static void frames_round_trip_up_to_the_limit(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, 131072, 131073, 1000000};
    struct sb_zstd z = {0};
    for (size_t i = 0; i < SB_COUNT(sizes); i++) {
        struct sb_buf in, packed, out;
        sb_buf_init(&in, 2 << 20);
        sb_buf_init(&packed, 2 << 20);
        for (size_t k = 0; in.n < sizes[i]; k++) sb_buf_addc(&in, (char)(k * k >> 3));
        assert_int_equal(sb_zstd_compress(&z, sb_buf_view(&in), 1, &packed), SB_OK);
        for (int less = 0; less <= (sizes[i] > 0); less++) { /* at the limit and one below */
            sb_buf_init(&out, sizes[i] - (size_t)less);
            assert_int_equal(sb_zstd_decompress(&z, sb_buf_view(&packed), &out),
                             less ? SB_E_LIMIT : SB_OK);
            if (!less) assert_true(sb_str_eq(sb_buf_view(&out), sb_buf_view(&in)));
            sb_buf_fini(&out);
        }
        for (size_t cut = 0; cut < packed.n; cut += 1 + packed.n / 50) {
            sb_buf_init(&out, 2 << 20);
            assert_int_equal(sb_zstd_decompress(&z, sb_str_make(packed.p, cut), &out),
                             SB_E_CORRUPT);
            sb_buf_fini(&out);
        }
        sb_buf_fini(&in);
        sb_buf_fini(&packed);
    }
    sb_zstd_fini(&z);
}

static void other_bytes_are_corrupt(void **state) {
    (void)state;
    struct sb_zstd z = {0};
    struct sb_buf out;
    sb_buf_init(&out, 1000);
    assert_int_equal(sb_zstd_decompress(&z, SB_STR("no frame at all"), &out), SB_E_CORRUPT);
    sb_buf_fini(&out);
    sb_zstd_fini(&z);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_round_trip_up_to_the_limit),
        cmocka_unit_test(other_bytes_are_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

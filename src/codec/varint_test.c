/* codec/: varints and CRC-32C against published values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/crc32c.h"
#include "codec/varint.h"

static void varints_round_trip_at_every_width(void **state) {
    (void)state;
    for (int bit = 0; bit < 64; bit++) {
        for (int d = -1; d <= 1; d++) {
            uint64_t v = (UINT64_C(1) << bit) + (uint64_t)d;
            char buf[SB_VARINT_MAX];
            size_t n = (size_t)(sb_uvarint_put(buf, v) - buf);
            assert_int_equal(n, sb_uvarint_size(v));
            struct sb_cursor c = sb_cursor_of(buf, n);
            assert_true(sb_cursor_uvarint(&c) == v);
            assert_int_equal(c.err, SB_OK);
            n = (size_t)(sb_varint_put(buf, (int64_t)v) - buf);
            assert_int_equal(n, sb_varint_size((int64_t)v));
            c = sb_cursor_of(buf, n);
            assert_true(sb_cursor_varint(&c) == (int64_t)v);
            c = sb_cursor_of(buf, n - 1);
            sb_cursor_varint(&c);
            assert_int_equal(c.err, SB_E_CORRUPT);
        }
    }
}

static void varints_over_64_bits_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        sb_err err;
    } rows[] = {
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, SB_OK},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, SB_E_CORRUPT},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, SB_E_CORRUPT},
        {"\x80", 1, SB_E_CORRUPT},
        {"", 0, SB_E_CORRUPT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sb_cursor c = sb_cursor_of(rows[i].bytes, rows[i].n);
        sb_cursor_uvarint(&c);
        assert_int_equal(c.err, rows[i].err);
    }
}

/* RFC 3720 §B.4 */
static void crc32c_of_the_rfc_examples(void **state) {
    (void)state;
    unsigned char zeros[32] = {0}, up[32];
    for (unsigned i = 0; i < 32; i++) up[i] = (unsigned char)i;
    assert_int_equal(sb_crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(sb_crc32c(0, up, 32), 0x46dd794e);
    assert_int_equal(sb_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(sb_crc32c(sb_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
    assert_int_equal(sb_crc32c(0, "", 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_round_trip_at_every_width),
        cmocka_unit_test(varints_over_64_bits_are_refused),
        cmocka_unit_test(crc32c_of_the_rfc_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

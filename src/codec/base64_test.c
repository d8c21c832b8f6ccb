/* Base64, hexadecimal, SHA-256, UTF-8 and content types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/base64.h"
#include "codec/hex.h"
#include "codec/mime.h"
#include "codec/sha256.h"
#include "codec/utf8.h"

/* RFC 4648 section 10 */
static void base64_has_the_test_vectors(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfb", "//77"},
    };
    struct sb_buf b;
    sb_buf_init(&b, 1 << 10);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        uint8_t back[16];
        size_t n = 99;
        sb_buf_reset(&b);
        sb_base64_add(&b, sb_str_of(rows[i][0]));
        assert_string_equal(sb_buf_cstr(&b), rows[i][1]);
        assert_true(sb_base64_decode(sb_buf_view(&b), back, &n));
        assert_true(n <= sb_base64_room(b.n));
        assert_true(sb_str_is(sb_str_make((char *)back, n), rows[i][0]));
    }
    sb_buf_fini(&b);
}

static void base64_refuses(void **state) {
    (void)state;
    static const char *const rows[] = {"Z",    "Zg=",  "Zg",     "Zg==Zg==", "=Zg=", "Z===", "====",
                                       "Zh==", "Zm9=", "Zm9v\n", "Zm 9",     "Zm-_", "Zg=a"};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        uint8_t back[16];
        size_t n = 99;
        if (sb_base64_decode(sb_str_of(rows[i]), back, &n)) fail_msg("%s decoded", rows[i]);
        assert_int_equal(n, 99);
    }
}

static void hex_both_ways(void **state) {
    (void)state;
    char text[6];
    uint8_t back[3];
    sb_hex_encode(text, "\x00\xaf\x19", 3);
    assert_memory_equal(text, "00af19", 6);
    assert_true(sb_hex_decode(SB_STR("00AF19"), back));
    assert_memory_equal(back, "\x00\xaf\x19", 3);
    assert_false(sb_hex_decode(SB_STR("0"), back));
    assert_false(sb_hex_decode(SB_STR("0g"), back));
    assert_false(sb_hex_decode(SB_STR("g0"), back));
    assert_int_equal(sb_hex_digit('@'), -1);
}

/* FIPS 180-4 examples */
static void sha256_has_the_test_vectors(void **state) {
    (void)state;
    struct sb_sha256 h;
    char hex[SB_SHA256_TEXT];
    sb_sha256_init(&h);
    sb_sha256_hex(&h, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sb_sha256_init(&h);
    sb_sha256_add(&h, "a", 1);
    sb_sha256_add(&h, "bc", 2);
    sb_sha256_hex(&h, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sb_sha256_fini(&h);
    sb_sha256_init(&h);
    sb_sha256_fini(&h); /* given up */
}

static void utf8_steps_and_positions(void **state) {
    (void)state;
    static const struct {
        const char *text;
        ptrdiff_t bad;
        int step; /* at the start */
    } rows[] = {
        {"plain ascii text", -1, 1}, {"\xc3\xa9", -1, 2},         {"\xe2\x82\xac", -1, 3},
        {"\xf0\x9f\x98\x80", -1, 4}, {"12345678\xff", 8, 1},      {"\xc1\x80", 0, -1},
        {"\xe0\x9f\x80", 0, -1},     {"\xe2\x82", 0, -2},         {"\xf0\x9f\x98", 0, -3},
        {"\xf0\x9f", 0, -2},         {"\xed\xa0\x80", 0, -1},     {"\xf4\x90\x80\x80", 0, -1},
        {"\xf5\x80\x80\x80", 0, -1}, {"\xf4\x8f\xbf\xbf", -1, 4}, {"\xef\xbf\xbf", -1, 3},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_str s = sb_str_of(rows[i].text);
        assert_int_equal(sb_utf8_check(s), rows[i].bad);
        assert_int_equal(sb_utf8_step(s.p, s.p + s.n), rows[i].step);
    }
    assert_true(sb_utf8_valid(SB_STR("")));
    for (uint32_t c = 0; c < 0x110000; c += 7) {
        if (c >= 0xD800 && c < 0xE000) continue;
        char to[4];
        size_t n = sb_utf8_put(to, c);
        assert_int_equal(sb_utf8_step(to, to + n), n);
    }
}

static void mime_by_the_last_extension(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"plot.PNG", "image/png"},
        {"a/b.c/table.json", "application/json"},
        {"archive.tar.gz", "application/gzip"},
        {"dir.json/model", "application/octet-stream"},
        {".json", "application/octet-stream"},
        {"x.", "application/octet-stream"},
        {"model/MLmodel", "text/plain"},
        {"report.html", "text/html"},
        {"", "application/octet-stream"},
        {"notes.txt", "text/plain"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        assert_string_equal(sb_mime_of(sb_str_of(rows[i][0])), rows[i][1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_has_the_test_vectors),
        cmocka_unit_test(base64_refuses),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(sha256_has_the_test_vectors),
        cmocka_unit_test(utf8_steps_and_positions),
        cmocka_unit_test(mime_by_the_last_extension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

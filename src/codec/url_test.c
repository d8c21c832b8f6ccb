/* Percent-encoding and query strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codec/url.h"

static void decodes_once(void **state) {
    (void)state;
    static const struct {
        const char *name, *in;
        bool plus;
        const char *out; /* NULL = SB_E_INVALID at pos */
        int64_t pos;
    } rows[] = {
        {"plain text is a view", "a-b", false, "a-b", 0},
        {"escapes of either case", "%2f%2F%c3%A9", false, "//\xc3\xa9", 0},
        {"a doubled escape stays one", "%252e", false, "%2e", 0},
        {"plus is itself in a path", "a+b", false, "a+b", 0},
        {"plus is a space in a query", "a+b%2Bc", true, "a b+c", 0},
        {"escape at the very end", "x%41", false, "xA", 0},
        {"empty", "", true, "", 0},
        {"percent alone", "%", false, NULL, 0},
        {"one digit", "ab%4", false, NULL, 2},
        {"no hex digit", "a%4g", false, NULL, 1},
        {"first is no hex digit", "%g4", false, NULL, 0},
        {"NUL", "a%00", false, NULL, 1},
        {"invalid UTF-8 by escapes", "%ff", false, NULL, 0},
        {"overlong slash", "%c0%af", false, NULL, 0},
        {"surrogate", "%ed%a0%80", false, NULL, 0},
    };
    struct sb_arena a;
    sb_arena_init(&a, 1 << 20);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_errctx ctx = {0};
        struct sb_str out = {0};
        sb_err err = sb_url_decode(&out, sb_str_of(rows[i].in), rows[i].plus, &a, &ctx);
        if (err != (rows[i].out ? SB_OK : SB_E_INVALID)) fail_msg("%s: %s", rows[i].name, ctx.msg);
        if (rows[i].out && !sb_str_is(out, rows[i].out))
            fail_msg("%s: %.*s", rows[i].name, SB_ARG(out));
        if (!rows[i].out && ctx.pos != rows[i].pos)
            fail_msg("%s: at %d", rows[i].name, (int)ctx.pos);
    }
    sb_arena_fini(&a);
}

static void walks_a_query(void **state) {
    (void)state;
    struct sb_str rest = SB_STR("a=1&&b&=x&c=d=e&"), name, value;
    static const char *const want[] = {"a", "1", "b", "", "", "x", "c", "d=e"};
    for (size_t i = 0; i < SB_COUNT(want); i += 2) {
        assert_true(sb_url_query_next(&rest, &name, &value));
        assert_true(sb_str_is(name, want[i]) && sb_str_is(value, want[i + 1]));
    }
    assert_false(sb_url_query_next(&rest, &name, &value));
}

static void gets_one_parameter(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_str out, query = SB_STR("x=1&na%6de=a+b%20c&name=second&bad=%4");
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_url_query_get(&out, query, "name", &a, NULL), SB_OK);
    assert_true(sb_str_is(out, "a b c"));
    assert_int_equal(sb_url_query_get(&out, query, "nam", &a, NULL), SB_E_MISSING);
    assert_int_equal(sb_url_query_get(&out, query, "bad", &a, NULL), SB_E_INVALID);
    assert_int_equal(sb_url_query_get(&out, SB_STR(""), "x", &a, NULL), SB_E_MISSING);
    sb_arena_fini(&a);
}

static void encodes_all_but_unreserved(void **state) {
    (void)state;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 10);
    sb_url_encode(&b, SB_STR("aZ09-._~ /?#%&=+\xc3\xa9"));
    assert_string_equal(sb_buf_cstr(&b), "aZ09-._~%20%2F%3F%23%25%26%3D%2B%C3%A9");
    sb_buf_reset(&b);
    sb_url_encode_path(&b, SB_STR("a/b c"));
    assert_string_equal(sb_buf_cstr(&b), "a/b%20c");
    sb_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_once),
        cmocka_unit_test(walks_a_query),
        cmocka_unit_test(gets_one_parameter),
        cmocka_unit_test(encodes_all_but_unreserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

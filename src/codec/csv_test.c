/* CSV: rows and fields, quotes, line ends, what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "codec/csv.h"

enum { FIELDS_MAX = 5 };

static sb_err write_row(void *arg, const struct sb_str *fields, size_t n) {
    struct sb_buf *b = arg;
    for (size_t i = 0; i < n; i++) sb_buf_addf(b, "%s%.*s", i ? "|" : "", SB_ARG(fields[i]));
    sb_buf_addc(b, ';');
    return SB_OK;
}

static sb_err read_text(struct sb_str text, struct sb_buf *out, struct sb_errctx *ctx) {
    struct sb_arena a;
    sb_arena_init(&a, 1 << 20);
    sb_buf_init(out, 1 << 20);
    sb_err err = sb_csv_read(text, FIELDS_MAX, &a, write_row, out, ctx);
    sb_arena_fini(&a);
    return err;
}

static void rows_and_fields(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *rows;
    } cases[] = {
        {"nothing", "", ""},
        {"one row without an end", "a,b", "a|b;"},
        {"line ends of all kinds", "a\nb\r\nc\rd", "a;b;c;d;"},
        {"empty lines are none", "\n\na\n\r\n\nb\n", "a;b;"},
        {"empty fields", ",a,\n,,\n", "|a|;||;"},
        {"an empty field at the end of the text", "a,", "a|;"},
        {"spaces belong to fields", " a , b \n", " a | b ;"},
        {"quotes, doubled and around separators", "\"a\"\"b\",\"c,\nd\",\"\"\n", "a\"b|c,\nd|;"},
        {"a byte order mark is no text",
         "\xef\xbb\xbf"
         "a\n1\n",
         "a;1;"},
        {"as many fields as may be", "1,2,3,4,5\n", "1|2|3|4|5;"},
        {"text beyond ASCII", "gr\xc3\xbc\xc3\x9f,\xe2\x82\xac\n",
         "gr\xc3\xbc\xc3\x9f|\xe2\x82\xac;"},
    };
    for (size_t i = 0; i < SB_COUNT(cases); i++) {
        struct sb_buf out;
        struct sb_errctx ctx = {0};
        if (read_text(sb_str_of(cases[i].text), &out, &ctx))
            fail_msg("%s: %s", cases[i].name, ctx.msg);
        if (strcmp(sb_buf_cstr(&out), cases[i].rows) != 0)
            fail_msg("%s: %s", cases[i].name, sb_buf_cstr(&out));
        sb_buf_fini(&out);
    }
}

static void refusals_say_where(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        sb_err err;
        int64_t pos;
    } cases[] = {
        {"a quote in an unquoted field", "a\n5\" pipe\n", SB_E_INVALID, 3},
        {"text behind a closing quote", "\"a\"b\n", SB_E_INVALID, 3},
        {"a quote that is not closed", "a\n\"b\nc", SB_E_INVALID, 6},
        {"not UTF-8", "a\n\xff\n", SB_E_INVALID, 2},
        {"one field too many", "1,2,3,4,5,6\n", SB_E_LIMIT, -1},
    };
    for (size_t i = 0; i < SB_COUNT(cases); i++) {
        struct sb_buf out;
        struct sb_errctx ctx = {0};
        sb_err err = read_text(sb_str_of(cases[i].text), &out, &ctx);
        if (err != cases[i].err || ctx.pos != cases[i].pos)
            fail_msg("%s: %d at %lld: %s", cases[i].name, err, (long long)ctx.pos, ctx.msg);
        sb_buf_fini(&out);
    }
}

static sb_err refuse(void *arg, const struct sb_str *fields, size_t n) {
    (void)fields, (void)n;
    return ++*(int *)arg == 2 ? SB_E_STATE : SB_OK;
}

static void a_refused_row_ends_the_reading(void **state) {
    (void)state;
    struct sb_arena a;
    int rows = 0;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_csv_read(SB_STR("1\n2\n3\n4\n"), 5, &a, refuse, &rows, NULL), SB_E_STATE);
    assert_int_equal(rows, 2);
    sb_arena_fini(&a);
}

static void memory_is_the_arenas_and_bounded(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_errctx ctx = {0};
    struct sb_buf text, out;
    sb_buf_init(&text, 1 << 22);
    sb_buf_init(&out, 1 << 22);
    for (int i = 0; i < 300000; i++) sb_buf_addz(&text, "1234567,");
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_csv_read(sb_buf_view(&text), 1 << 20, &a, write_row, &out, &ctx),
                     SB_E_LIMIT);
    assert_int_equal(out.n, 0);
    sb_arena_fini(&a);
    sb_buf_fini(&text);
    sb_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_fields),
        cmocka_unit_test(refusals_say_where),
        cmocka_unit_test(a_refused_row_ends_the_reading),
        cmocka_unit_test(memory_is_the_arenas_and_bounded),
    };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}

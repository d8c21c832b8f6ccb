/* Elements of tensors as cells: each datatype raw and as JSON, what is refused, and the way back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "domain/model/tensor.h"

static struct sb_arena arena;

static int set_up(void **state) {
    (void)state;
    sb_arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    sb_arena_fini(&arena);
    return 0;
}

static void names_are_found_again(void **state) {
    (void)state;
    for (int t = 0; t < SB_TENSOR_TYPE_COUNT; t++) {
        enum sb_tensor_type back;
        const char *name = sb_tensor_type_name((enum sb_tensor_type)t);
        assert_true(sb_tensor_type_parse(sb_str_of(name), &back));
        assert_int_equal(back, t);
    }
    enum sb_tensor_type t;
    assert_false(sb_tensor_type_parse(SB_STR("fp32"), &t));
    assert_false(sb_tensor_type_parse(SB_STR(""), &t));
}

static void check_cell(const char *name, const struct sb_cell *c, enum sb_json_type type,
                       double number, const char *token) {
    bool same = isnan(number) ? isnan(c->number) : c->number == number;
    if (c->type != type) fail_msg("%s: JSON type %d", name, c->type);
    if (type == SB_JSON_NUMBER && !same) fail_msg("%s: %.17g", name, c->number);
    if (!sb_str_is(c->token, token)) fail_msg("%s: token %.*s", name, SB_ARG(c->token));
}

static void raw_elements(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum sb_tensor_type t;
        enum sb_dtype column;
        const char *bytes;
        size_t n;
        enum sb_json_type type;
        double number;
        const char *token;
    } rows[] = {
#define RAW(name, t, column, bytes, type, number, token)                                           \
    {name, SB_TENSOR_##t, SB_DTYPE_##column, bytes, sizeof bytes - 1, SB_JSON_##type, number, token}
        RAW("false", BOOL, BOOL, "\0", FALSE, 0, "false"),
        RAW("any other byte is true", BOOL, BOOL, "\x80", TRUE, 1, "true"),
        RAW("least int8", INT8, INT32, "\x80", NUMBER, -128, ""),
        RAW("largest uint16", UINT16, FLOAT64, "\xff\xff", NUMBER, 65535, ""),
        RAW("int64 that no double holds", INT64, FLOAT64, "\1\0\0\0\0\0\x20\0", NUMBER, 0x1p53,
            "9007199254740993"),
        RAW("the same in a long column", INT64, INT64, "\1\0\0\0\0\0\x20\0", NUMBER, 0x1p53, ""),
        RAW("least int64", INT64, FLOAT64, "\0\0\0\0\0\0\0\x80", NUMBER, -0x1p63,
            "-9223372036854775808"),
        RAW("largest uint64", UINT64, FLOAT64, "\xff\xff\xff\xff\xff\xff\xff\xff", NUMBER, 0x1p64,
            "18446744073709551615"),
        RAW("an integer for a text column", INT16, STRING, "\xff\xff", NUMBER, -1, "-1"),
        RAW("half one", FP16, FLOAT64, "\0\x3c", NUMBER, 1, ""),
        RAW("least half", FP16, FLOAT64, "\1\0", NUMBER, 0x1p-24, ""),
        RAW("largest half", FP16, FLOAT64, "\xff\x7b", NUMBER, 65504, ""),
        RAW("half infinity", FP16, FLOAT64, "\0\xfc", NUMBER, -INFINITY, "\"-Infinity\""),
        RAW("half NaN", FP16, FLOAT64, "\1\x7c", NUMBER, NAN, "null"),
        RAW("bfloat16", BF16, FLOAT64, "\x49\x40", NUMBER, 3.140625, ""),
        RAW("float", FP32, FLOAT64, "\xcd\xcc\xcc\x3d", NUMBER, (double)0.1f, ""),
        RAW("double NaN", FP64, FLOAT64, "\0\0\0\0\0\0\xf8\x7f", NUMBER, NAN, "null"),
        RAW("double for a text column", FP64, STRING, "\x9a\x99\x99\x99\x99\x99\xb9\x3f", NUMBER,
            0.1, "0.1"),
        RAW("text", BYTES, STRING, "\3\0\0\0a\"b", STRING, 0, ""),
        RAW("text for a number column", BYTES, FLOAT64, "\3\0\0\0a\"b", STRING, 0, "\"a\\\"b\""),
        RAW("bytes", BYTES, BINARY, "\2\0\0\0\xff\0", STRING, 0, ""),
        RAW("JSON in text", BYTES, JSON, "\5\0\0\0[1,2]", ARRAY, 0, "[1,2]"),
#undef RAW
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_cursor from = sb_cursor_of(rows[i].bytes, rows[i].n);
        struct sb_errctx ctx = {0};
        struct sb_cell c;
        if (sb_tensor_take(&from, rows[i].t, rows[i].column, &arena, &c, &ctx))
            fail_msg("%s: %s", rows[i].name, ctx.msg);
        check_cell(rows[i].name, &c, rows[i].type, rows[i].number, rows[i].token);
        if (sb_cursor_left(&from)) fail_msg("%s: bytes are left", rows[i].name);
    }
}

static void raw_elements_that_are_none(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum sb_tensor_type t;
        enum sb_dtype column;
        const char *bytes;
        size_t n;
        const char *says;
    } rows[] = {
        {"nothing", SB_TENSOR_BOOL, SB_DTYPE_BOOL, "", 0, "cut off"},
        {"three bytes of four", SB_TENSOR_FP32, SB_DTYPE_FLOAT64, "abc", 3, "cut off"},
        {"a length without text", SB_TENSOR_BYTES, SB_DTYPE_STRING, "\2\0\0\0a", 5, "cut off"},
        {"a length over all memory", SB_TENSOR_BYTES, SB_DTYPE_STRING, "\xff\xff\xff\xff", 4,
         "cut off"},
        {"not UTF-8", SB_TENSOR_BYTES, SB_DTYPE_STRING, "\1\0\0\0\xff", 5, "UTF-8"},
        {"no JSON", SB_TENSOR_BYTES, SB_DTYPE_JSON, "\2\0\0\0[1", 6, "JSON"},
        {"more than one JSON value", SB_TENSOR_BYTES, SB_DTYPE_JSON, "\3\0\0\0001 2", 7, "JSON"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_cursor from = sb_cursor_of(rows[i].bytes, rows[i].n);
        struct sb_errctx ctx = {0};
        struct sb_cell c;
        sb_err err = sb_tensor_take(&from, rows[i].t, rows[i].column, &arena, &c, &ctx);
        if (err != SB_E_INVALID || !strstr(ctx.msg, rows[i].says))
            fail_msg("%s: %d %s", rows[i].name, err, ctx.msg);
    }
}

/* token NULL: refused. */
static void json_elements(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum sb_tensor_type t;
        enum sb_dtype column;
        const char *text;
        enum sb_json_type type;
        double number;
        const char *token;
    } rows[] = {
#define JSON(name, t, column, text, type, number, token)                                           \
    {name, SB_TENSOR_##t, SB_DTYPE_##column, text, SB_JSON_##type, number, token}
        JSON("its own digits", FP64, FLOAT64, "1.50", NUMBER, 1.5, "1.50"),
        JSON("exact in a float", FP32, FLOAT64, "0.50", NUMBER, 0.5, "0.50"),
        JSON("rounded to a float", FP32, FLOAT64, "0.1", NUMBER, (double)0.1f, ""),
        JSON("a float for a float column", FP32, FLOAT32, "0.1", NUMBER, (double)0.1f, "0.1"),
        JSON("ties go to even", FP16, FLOAT64, "2049", NUMBER, 2048, ""),
        JSON("the least half", FP16, FLOAT64, "5.9604644775390625e-8", NUMBER, 0x1p-24,
             "5.9604644775390625e-8"),
        JSON("rounds down to the largest half", FP16, FLOAT64, "65519.9", NUMBER, 65504, ""),
        JSON("over the largest half", FP16, FLOAT64, "65520", NUMBER, 0, NULL),
        JSON("over the largest float", FP32, FLOAT64, "1e39", NUMBER, 0, NULL),
        JSON("bfloat16", BF16, FLOAT64, "3.14159", NUMBER, 3.140625, ""),
        JSON("null", FP64, FLOAT64, "null", NULL, 0, "null"),
        JSON("NaN as Python writes it", FP64, FLOAT64, "NaN", NUMBER, NAN, "null"),
        JSON("NaN in quotes", FP32, FLOAT64, "\"nan\"", STRING, 0, "\"nan\""),
        JSON("a number in quotes", FP32, FLOAT64, "\"1.5\"", STRING, 0, NULL),
        JSON("infinity is no integer", INT64, INT64, "Infinity", NUMBER, 0, NULL),
        JSON("a boolean is no number", FP64, FLOAT64, "true", TRUE, 0, NULL),
        JSON("true", BOOL, BOOL, "true", TRUE, 0, "true"),
        JSON("one is true", BOOL, BOOL, "1", TRUE, 0, "1"),
        JSON("two is not", BOOL, BOOL, "2", NUMBER, 0, NULL),
        JSON("largest int64", INT64, INT64, "9223372036854775807", NUMBER, 0x1p63,
             "9223372036854775807"),
        JSON("one more", INT64, INT64, "9223372036854775808", NUMBER, 0, NULL),
        JSON("largest uint64", UINT64, FLOAT64, "18446744073709551615", NUMBER, 0x1p64,
             "18446744073709551615"),
        JSON("one more", UINT64, FLOAT64, "18446744073709551616", NUMBER, 0, NULL),
        JSON("least int8", INT8, INT64, "-128", NUMBER, -128, "-128"),
        JSON("one less", INT8, INT64, "-129", NUMBER, 0, NULL),
        JSON("whole with a point", INT32, INT64, "3.0", NUMBER, 3, "3.0"),
        JSON("not whole", INT32, INT64, "3.5", NUMBER, 0, NULL),
        JSON("text", BYTES, STRING, "\"a\"", STRING, 0, "\"a\""),
        JSON("a number is no text", BYTES, STRING, "1", NUMBER, 0, NULL),
        JSON("a list is nothing", BYTES, STRING, "[]", ARRAY, 0, NULL),
        JSON("JSON in text", BYTES, JSON, "\"{}\"", OBJECT, 0, "{}"),
#undef JSON
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_json_reader r;
        struct sb_errctx ctx = {0};
        struct sb_cell c;
        sb_json_reader_init(&r, sb_str_of(rows[i].text), &arena, &ctx);
        r.nonfinite = true;
        sb_err err = sb_tensor_read(&r, rows[i].t, rows[i].column, &c, &ctx);
        if (err != (rows[i].token ? SB_OK : SB_E_INVALID))
            fail_msg("%s: %d %s", rows[i].name, err, ctx.msg);
        if (!err) check_cell(rows[i].name, &c, rows[i].type, rows[i].number, rows[i].token);
    }
}

static void columns_go_back(void **state) {
    (void)state;
    double d[] = {0.1, NAN, 3, 4};
    int32_t n[] = {-1, 2};
    struct sb_str s[] = {SB_STR("a\"b"), SB_STR("[1]")};
    int64_t when[] = {1000000000, 0};
    uint8_t null[] = {0, 1};
    struct {
        struct sb_column c;
        size_t row;
        const char *json;
        struct sb_str raw;
    } rows[] = {
        {{.type = SB_DTYPE_FLOAT64, .width = 1, .f64 = d},
         0,
         "0.1",
         SB_STR("\x9a\x99\x99\x99\x99\x99\xb9\x3f")},
        {{.type = SB_DTYPE_FLOAT64, .width = 1, .f64 = d},
         1,
         "null",
         SB_STR("\0\0\0\0\0\0\xf8\x7f")},
        {{.type = SB_DTYPE_FLOAT64, .width = 2, .f64 = d},
         1,
         "3.0,4.0",
         SB_STR("\0\0\0\0\0\0\x08\x40\0\0\0\0\0\0\x10\x40")},
        {{.type = SB_DTYPE_INT32, .width = 1, .i32 = n}, 0, "-1", SB_STR("\xff\xff\xff\xff")},
        {{.type = SB_DTYPE_STRING, .width = 1, .s = s}, 0, "\"a\\\"b\"", SB_STR("\3\0\0\0a\"b")},
        {{.type = SB_DTYPE_STRING, .width = 1, .s = s, .null = null},
         1,
         "null",
         SB_STR("\0\0\0\0")},
        {{.type = SB_DTYPE_JSON, .width = 1, .s = s}, 1, "\"[1]\"", SB_STR("\3\0\0\0[1]")},
        {{.type = SB_DTYPE_DATETIME, .width = 1, .i64 = when},
         0,
         "\"1970-01-01T00:00:01\"",
         SB_STR("\x13\0\0\0"
                "1970-01-01T00:00:01")},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_buf json, raw;
        sb_buf_init(&json, 1000);
        sb_buf_init(&raw, 1000);
        sb_tensor_add_json(&json, &rows[i].c, rows[i].row);
        sb_tensor_add_raw(&raw, &rows[i].c, rows[i].row);
        assert_string_equal(sb_buf_cstr(&json), rows[i].json);
        if (!sb_str_eq(sb_buf_view(&raw), rows[i].raw)) fail_msg("row %zu: raw", i);
        sb_buf_fini(&json);
        sb_buf_fini(&raw);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_again),
        cmocka_unit_test_setup_teardown(raw_elements, set_up, tear_down),
        cmocka_unit_test_setup_teardown(raw_elements_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_elements, set_up, tear_down),
        cmocka_unit_test(columns_go_back),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}

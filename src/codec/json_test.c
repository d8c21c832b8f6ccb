/* JSON: what is accepted, what is refused and where, strings, trees, limits, the writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/mem.h"
#include "codec/json.h"

enum { ARENA_MAX = 512 << 20 };

/* What writing the parsed text gives; "" on an error, which is left in ctx. */
static sb_err round_trip(struct sb_str text, struct sb_buf *b, struct sb_errctx *ctx) {
    struct sb_arena a;
    struct sb_json *v;
    sb_arena_init(&a, ARENA_MAX);
    sb_errctx_reset(ctx);
    sb_buf_reset(b);
    sb_err err = sb_json_parse(&v, text, &a, ctx);
    if (!err) {
        sb_json_add_tree(b, v);
        err = sb_buf_err(b);
    }
    sb_arena_fini(&a);
    return err;
}

static sb_err skip_all(struct sb_str text, struct sb_errctx *ctx) {
    struct sb_json_reader r;
    sb_errctx_reset(ctx);
    sb_json_reader_init(&r, text, NULL, ctx);
    sb_err err = sb_json_skip(&r, NULL);
    return err ? err : sb_json_finish(&r);
}

struct accept {
    const char *name, *text, *written;
};
static const struct accept accepted[] = {
    {"null", "null", "null"},
    {"true", "true", "true"},
    {"false", "false", "false"},
    {"white space around", " \t\r\n1 \n", "1"},
    {"zero", "0", "0"},
    {"minus zero keeps its sign", "-0", "-0"},
    {"minus zero with fraction", "-0.0", "-0.0"},
    {"integer", "123", "123"},
    {"negative", "-123", "-123"},
    {"fraction keeps its digits", "1.50", "1.50"},
    {"exponent e", "1e5", "1e5"},
    {"exponent E+", "1E+05", "1E+05"},
    {"exponent e-", "12.5e-07", "12.5e-07"},
    {"zero with exponent", "0e1", "0e1"},
    {"zero with a huge exponent", "0e999999", "0e999999"},
    {"underflow is zero", "1e-999", "1e-999"},
    {"largest double", "1.7976931348623157e308", "1.7976931348623157e308"},
    {"smallest double", "5e-324", "5e-324"},
    {"2^53+1", "9007199254740993", "9007199254740993"},
    {"int64 max", "9223372036854775807", "9223372036854775807"},
    {"int64 min", "-9223372036854775808", "-9223372036854775808"},
    {"more than int64", "92233720368547758080", "92233720368547758080"},
    {"64 digits", "1234567890123456789012345678901234567890123456789012345678901234",
     "1234567890123456789012345678901234567890123456789012345678901234"},
    {"empty string", "\"\"", "\"\""},
    {"string", "\"abc\"", "\"abc\""},
    {"all short escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
    {"escaped ASCII", "\"\\u0041\"", "\"A\""},
    {"escaped NUL", "\"a\\u0000b\"", "\"a\\u0000b\""},
    {"escaped control", "\"\\u001f\"", "\"\\u001f\""},
    {"DEL is plain", "\"\x7f\"", "\"\x7f\""},
    {"escape to two bytes", "\"\\u00e9\"", "\"\xc3\xa9\""},
    {"escape to three bytes", "\"\\u20AC\"", "\"\xe2\x82\xac\""},
    {"surrogate pair", "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""},
    {"surrogate pair, capitals", "\"\\uD83D\\uDE00\"", "\"\xf0\x9f\x98\x80\""},
    {"last code point", "\"\\udbff\\udfff\"", "\"\xf4\x8f\xbf\xbf\""},
    {"noncharacter", "\"\\uFFFF\"", "\"\xef\xbf\xbf\""},
    {"two-byte UTF-8", "\"\xc3\xa9\"", "\"\xc3\xa9\""},
    {"three-byte UTF-8", "\"\xe2\x82\xac\"", "\"\xe2\x82\xac\""},
    {"four-byte UTF-8", "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\x80\""},
    {"U+2028 unescaped", "\"\xe2\x80\xa8\"", "\"\xe2\x80\xa8\""},
    {"BOM inside a string", "\"\xef\xbb\xbf\"", "\"\xef\xbb\xbf\""},
    {"special byte at each place of a word", "\"abcdefg\\nabcdef\\nabcde\\n\"",
     "\"abcdefg\\nabcdef\\nabcde\\n\""},
    {"long text, then UTF-8", "\"0123456789abcdef\xc3\xa9gh\"", "\"0123456789abcdef\xc3\xa9gh\""},
    {"empty array", "[]", "[]"},
    {"empty array with space", "[ \n]", "[]"},
    {"array", "[1,2,3]", "[1,2,3]"},
    {"array with space", "[ 1 , 2 ]", "[1,2]"},
    {"mixed array", "[null,true,\"a\",{},[]]", "[null,true,\"a\",{},[]]"},
    {"nested arrays", "[[[[]]],[[1]]]", "[[[[]]],[[1]]]"},
    {"empty object", "{}", "{}"},
    {"empty object with space", "{ }", "{}"},
    {"object", "{\"a\":1}", "{\"a\":1}"},
    {"object with space", " { \"a\" : 1 , \"b\" : 2 } ", "{\"a\":1,\"b\":2}"},
    {"empty key", "{\"\":0}", "{\"\":0}"},
    {"escaped key", "{\"a\\nb\":0}", "{\"a\\nb\":0}"},
    {"same key at two levels", "{\"a\":{\"a\":1}}", "{\"a\":{\"a\":1}}"},
    {"same key in two objects", "[{\"a\":1},{\"a\":2}]", "[{\"a\":1},{\"a\":2}]"},
    {"keys that differ in case", "{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}"},
    {"object, array, object", "{\"a\":[{\"b\":[1,{}]}],\"c\":[]}",
     "{\"a\":[{\"b\":[1,{}]}],\"c\":[]}"},
    {"thirteen keys",
     "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,"
     "\"l\":1,\"m\":1}",
     "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,"
     "\"l\":1,\"m\":1}"},
};

static void accepts_and_writes_back(void **state) {
    (void)state;
    struct sb_buf b;
    struct sb_errctx ctx;
    sb_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < SB_COUNT(accepted); i++) {
        const struct accept *t = &accepted[i];
        if (round_trip(sb_str_of(t->text), &b, &ctx)) fail_msg("%s: %s", t->name, ctx.msg);
        if (strcmp(sb_buf_cstr(&b), t->written) != 0) fail_msg("%s: wrote %s", t->name, b.p);
        if (skip_all(sb_str_of(t->text), &ctx)) fail_msg("%s, skipped: %s", t->name, ctx.msg);
    }
    sb_buf_fini(&b);
}

struct refuse {
    const char *name;
    struct sb_str text;
    int64_t pos;
    const char *part; /* of the message */
};
#define R(name, text, pos, part)                                                                   \
    { name, {"" text, sizeof(text) - 1}, pos, part }
static const struct refuse refused[] = {
    R("nothing", "", 0, "the end of the text"),
    R("only white space", "  ", 2, "the end of the text"),
    R("BOM", "\xef\xbb\xbf{}", 0, "a byte order mark"),
    R("BOM of UTF-16", "\xff\xfe[\0]\0", 0, "byte 0xff"),
    R("NUL for a value", "\0", 0, "byte 0x00"),
    R("NUL behind a value", "1\0", 1, "byte 0x00"),
    R("form feed is no white space", "[\f1]", 1, "byte 0x0c"),
    R("NBSP is no white space", "[\xc2\xa0]", 1, "expected a value"),
    R("trailing garbage", "1 x", 2, "expected the end of the text, found 'x'"),
    R("two values", "1 2", 2, "end of the text"),
    R("two objects", "{}{}", 2, "end of the text"),
    R("closing bracket alone", "]", 0, "expected a value"),
    R("closing brace alone", "}", 0, "expected a value"),
    R("comma alone", ",", 0, "expected a value"),
    R("capital TRUE", "TRUE", 0, "expected a value"),
    R("True", "True", 0, "expected a value"),
    R("short nul", "nul", 3, "expected 'null'"),
    R("misspelt true", "trux", 3, "expected 'true', found 'x'"),
    R("misspelt false", "falsy", 4, "expected 'false'"),
    R("long null", "nullx", 4, "end of the text"),
    R("NaN", "NaN", 0, "expected a value"),
    R("Infinity", "Infinity", 0, "expected a value"),
    R("minus Infinity", "-Infinity", 1, "expected a digit after '-'"),
    R("undefined", "undefined", 0, "expected a value"),
    R("comment", "/**/1", 0, "expected a value, found '/'"),
    R("comment behind", "1//", 1, "end of the text"),
    R("hash comment", "#\n1", 0, "expected a value"),
    R("plus sign", "+1", 0, "expected a value, found '+'"),
    R("minus alone", "-", 1, "expected a digit"),
    R("two minus", "--1", 1, "expected a digit"),
    R("minus and letter", "-a", 1, "expected a digit"),
    R("leading zero", "01", 0, "may not start with 0"),
    R("minus, leading zero", "-01", 1, "may not start with 0"),
    R("two zeros", "00", 0, "may not start with 0"),
    R("point without digits", "1.", 2, "expected a digit after '.'"),
    R("point first", ".5", 0, "expected a value"),
    R("minus, point first", "-.5", 1, "expected a digit"),
    R("point, then e", "1.e1", 2, "expected a digit after '.'"),
    R("two points", "1.2.3", 3, "end of the text"),
    R("exponent without digits", "1e", 2, "expected a digit of the exponent"),
    R("exponent with sign only", "1e+", 3, "expected a digit of the exponent"),
    R("exponent with two signs", "1e+-1", 3, "expected a digit of the exponent"),
    R("exponent with point", "1e1.5", 3, "end of the text"),
    R("hexadecimal", "0x10", 1, "end of the text"),
    R("underscore", "1_000", 1, "end of the text"),
    R("suffix", "1f", 1, "end of the text"),
    R("full-width digit", "\xef\xbc\x91", 0, "expected a value"),
    R("string not closed", "\"abc", 4, "without a closing quote"),
    R("quote alone", "\"", 1, "without a closing quote"),
    R("closing quote escaped", "\"abc\\\"", 6, "without a closing quote"),
    R("ends after a backslash", "\"abc\\", 5, "unknown escape"),
    R("single quotes", "'a'", 0, "expected a value"),
    R("newline in a string", "\"a\nb\"", 2, "control character 0x0a"),
    R("tab in a string", "\"\t\"", 1, "control character 0x09"),
    R("NUL in a string", "\"a\0b\"", 2, "control character 0x00"),
    R("0x1f in a string", "\"12345678\x1f\"", 9, "control character 0x1f"),
    R("unknown escape", "\"\\x41\"", 2, "unknown escape, found 'x'"),
    R("escaped single quote", "\"\\'\"", 2, "unknown escape"),
    R("escaped zero", "\"\\0\"", 2, "unknown escape"),
    R("escaped NUL byte", "\"\\\0\"", 2, "unknown escape, found byte 0x00"),
    R("escaped newline", "\"\\\n\"", 2, "unknown escape"),
    R("capital U", "\"\\U0041\"", 2, "unknown escape"),
    R("three hex digits", "\"\\u004\"", 6, "expected 4 hex digits"),
    R("no hex digits", "\"\\u\"", 3, "expected 4 hex digits"),
    R("hex digit out of range", "\"\\u00g0\"", 5, "expected 4 hex digits after \\u, found 'g'"),
    R("hex with sign", "\"\\u+041\"", 3, "expected 4 hex digits"),
    R("text ends in an escape", "\"\\u00", 5, "expected 4 hex digits"),
    R("lone high surrogate", "\"\\ud800\"", 1, "lone surrogate \\ud800"),
    R("lone low surrogate", "\"\\udc00\"", 1, "lone surrogate \\udc00"),
    R("two high surrogates", "\"\\ud800\\ud800\"", 1, "lone surrogate"),
    R("pair the wrong way round", "\"\\ude00\\ud83d\"", 1, "lone surrogate \\ude00"),
    R("high surrogate, then text", "\"\\ud83dxxxxxx\"", 1, "lone surrogate"),
    R("high surrogate, then \\n", "\"\\ud83d\\n12345\"", 1, "lone surrogate"),
    R("high surrogate, bad hex", "\"\\ud83d\\ude0g\"", 1, "lone surrogate"),
    R("text ends in a pair", "\"\\ud83d\\u", 1, "lone surrogate"),
    R("surrogate in UTF-8", "\"\xed\xa0\x80\"", 1, "invalid UTF-8"),
    R("overlong slash", "\"\xc0\xaf\"", 1, "invalid UTF-8"),
    R("overlong three bytes", "\"\xe0\x80\xaf\"", 1, "invalid UTF-8"),
    R("overlong four bytes", "\"\xf0\x80\x80\xaf\"", 1, "invalid UTF-8"),
    R("above U+10FFFF", "\"\xf4\x90\x80\x80\"", 1, "invalid UTF-8"),
    R("five-byte form", "\"\xf8\x88\x80\x80\x80\"", 1, "invalid UTF-8"),
    R("lone continuation", "\"abcdefghi\x80\"", 10, "invalid UTF-8"),
    R("cut two-byte sequence", "\"a\xc3\"", 2, "invalid UTF-8"),
    R("cut three-byte sequence", "\"\xe2\x82\"", 1, "invalid UTF-8"),
    R("cut four-byte sequence", "\"\xf0\x9f\x98\"", 1, "invalid UTF-8"),
    R("sequence cut by the end", "\"\xe2\x82", 1, "invalid UTF-8"),
    R("byte 0xff", "\"\xff\"", 1, "invalid UTF-8"),
    R("Latin-1", "\"caf\xe9\"", 4, "invalid UTF-8"),
    R("invalid UTF-8 in a key", "{\"\xff\":1}", 2, "invalid UTF-8"),
    R("invalid UTF-8 behind an escape", "\"\\n\xff\"", 3, "invalid UTF-8"),
    R("array not closed", "[", 1, "the end of the text"),
    R("array not closed after a value", "[1", 2, "expected ',' or ']'"),
    R("array not closed after a comma", "[1,", 3, "the end of the text"),
    R("trailing comma", "[1,]", 3, "expected another element"),
    R("leading comma", "[,1]", 1, "expected a value, found ','"),
    R("two commas", "[1,,2]", 3, "expected a value"),
    R("only a comma", "[,]", 1, "expected a value"),
    R("no comma", "[1 2]", 3, "expected ',' or ']', found '2'"),
    R("semicolon", "[1;2]", 2, "expected ',' or ']'"),
    R("colon in an array", "[\"a\":1]", 4, "expected ',' or ']'"),
    R("array closed by a brace", "[1}", 2, "expected ',' or ']', found '}'"),
    R("extra bracket", "[1]]", 3, "end of the text"),
    R("object not closed", "{", 1, "expected a key"),
    R("object not closed after a key", "{\"a\"", 4, "expected ':'"),
    R("object not closed after a colon", "{\"a\":", 5, "expected a value"),
    R("object not closed after a value", "{\"a\":1", 6, "expected ',' or '}'"),
    R("object not closed after a comma", "{\"a\":1,", 7, "expected a key"),
    R("object: trailing comma", "{\"a\":1,}", 7, "expected another element"),
    R("object: leading comma", "{,\"a\":1}", 1, "expected a key"),
    R("object: two commas", "{\"a\":1,,\"b\":2}", 7, "expected a key"),
    R("object: no comma", "{\"a\":1 \"b\":2}", 7, "expected ',' or '}'"),
    R("object: no colon", "{\"a\" 1}", 5, "expected ':' after a key, found '1'"),
    R("object: comma for a colon", "{\"a\",1}", 4, "expected ':'"),
    R("object: two colons", "{\"a\"::1}", 5, "expected a value"),
    R("object: no value", "{\"a\":}", 5, "expected a value, found '}'"),
    R("key without quotes", "{a:1}", 1, "expected a key in quotes, found 'a'"),
    R("key in single quotes", "{'a':1}", 1, "expected a key in quotes"),
    R("number as a key", "{1:1}", 1, "expected a key in quotes"),
    R("null as a key", "{null:1}", 1, "expected a key in quotes"),
    R("object closed by a bracket", "{\"a\":1]", 6, "expected ',' or '}'"),
    R("deep error", "{\"a\":[1,{\"b\":[tru]}]}", 17, "expected 'true', found ']'"),
};

static void refuses_with_the_position(void **state) {
    (void)state;
    struct sb_buf b;
    struct sb_errctx ctx;
    sb_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < SB_COUNT(refused); i++) {
        const struct refuse *t = &refused[i];
        for (int skipped = 0; skipped < 2; skipped++) {
            sb_err err = skipped ? skip_all(t->text, &ctx) : round_trip(t->text, &b, &ctx);
            if (err != SB_E_SYNTAX) fail_msg("%s: %s", t->name, sb_err_name(err));
            if (ctx.pos != t->pos) fail_msg("%s: at %d: %s", t->name, (int)ctx.pos, ctx.msg);
            if (!strstr(ctx.msg, t->part)) fail_msg("%s: %s", t->name, ctx.msg);
        }
    }
    sb_buf_fini(&b);
}

/* Refused by trees only: the reader's caller sees every key, and skipping computes no value. */
static void trees_refuse(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        sb_err code;
        int64_t pos;
        const char *part;
    } rows[] = {
        {"duplicate key", "{\"a\":1,\"a\":2}", SB_E_SYNTAX, 7, "duplicate key \"a\""},
        {"duplicate by an escape", "{\"a\":1,\"b\":0, \"\\u0061\":2}", SB_E_SYNTAX, 14, "\"a\""},
        {"duplicate empty key", "{\"\":1,\"\":1}", SB_E_SYNTAX, 6, "duplicate key \"\""},
        {"duplicate among many",
         "[{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,"
         "\"k\":1,\"l\":1,\"m\":1,\"c\":1}]",
         SB_E_SYNTAX, 80, "duplicate key \"c\""},
        {"over the range", "[1e999]", SB_E_INVALID, 1, "number out of range"},
        {"under the range", "-1e999", SB_E_INVALID, 0, "number out of range"},
        {"just over the range", "1.7976931348623159e308", SB_E_INVALID, 0, "out of range"},
    };
    struct sb_buf b;
    struct sb_errctx ctx;
    sb_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        sb_err err = round_trip(sb_str_of(rows[i].text), &b, &ctx);
        if (err != rows[i].code || ctx.pos != rows[i].pos || !strstr(ctx.msg, rows[i].part))
            fail_msg("%s: %s at %d: %s", rows[i].name, sb_err_name(err), (int)ctx.pos, ctx.msg);
    }
    sb_buf_fini(&b);
}

static void tree_holds_values_and_positions(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_json *v;
    sb_arena_init(&a, 1 << 20);
    const char *text = "{\"i\": -7, \"d\": 2.5, \"big\": 18446744073709551616, \"z\": -0, \"s\": "
                       "\"x\", \"n\": null, \"t\": true, \"l\": [1, 2]}";
    assert_int_equal(sb_json_parse(&v, sb_str_of(text), &a, NULL), SB_OK);
    int64_t i = 1;
    double d = 1;
    bool t = false;
    struct sb_str s = {0};
    assert_int_equal(v->n, 8);
    assert_true(sb_json_get_i64(v, "i", &i) && i == -7);
    assert_true(sb_json_get_double(v, "i", &d) && d == -7.0);
    assert_true(sb_json_get_double(v, "d", &d) && d == 2.5);
    assert_false(sb_json_get_i64(v, "d", &i));
    assert_false(sb_json_get(v, "big")->is_int);
    assert_true(sb_json_get_double(v, "big", &d) && d == 18446744073709551616.0);
    assert_true(sb_json_get(v, "z")->is_int && signbit(sb_json_get(v, "z")->d));
    assert_true(sb_json_get_str(v, "s", &s) && sb_str_is(s, "x"));
    assert_true(sb_json_get_bool(v, "t", &t) && t);
    i = 42;
    assert_true(sb_json_get_i64(v, "n", &i) && i == 42);      /* null: the fallback stays */
    assert_true(sb_json_get_i64(v, "absent", &i) && i == 42); /* so it does when absent */
    assert_false(sb_json_get_i64(v, "s", &i));
    assert_false(sb_json_get_str(v, "i", &s));
    assert_false(sb_json_get_double(v, "s", &d));
    assert_false(sb_json_get_bool(v, "i", &t));
    assert_null(sb_json_get(NULL, "a"));
    assert_null(sb_json_get(sb_json_get(v, "l"), "a"));
    const struct sb_json *l = sb_json_get(v, "l");
    assert_int_equal(l->n, 2);
    assert_int_equal(l->pos, strchr(text, '[') - text);
    assert_int_equal(l->key_pos, strstr(text, "\"l\"") - text);
    assert_int_equal(l->child->next->pos, strstr(text, "2]") - text);
    assert_null(l->child->next->next);
    sb_arena_fini(&a);
}

static void reader_walks_in_place(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_json_reader r;
    struct sb_errctx ctx = {0};
    struct sb_str key, s, token,
        text = SB_STR(" {\"a\": 1.50, \"b\\n\": [true, null, \"x\\ty\"],"
                      " \"skip\": {\"k\": [1, {}]}, \"p\": \"plain\"} ");
    sb_arena_init(&a, 1 << 20);
    sb_json_reader_init(&r, text, &a, &ctx);
    bool more, b;
    double d;
    enum sb_json_type type;
    assert_int_equal(sb_json_enter_object(&r), SB_OK);
    assert_int_equal(sb_json_next_key(&r, &key, &more), SB_OK);
    assert_true(more && sb_str_is(key, "a"));
    assert_int_equal(sb_json_peek(&r, &type), SB_OK);
    assert_int_equal(type, SB_JSON_NUMBER);
    assert_int_equal(sb_json_read_double(&r, &d, &token), SB_OK);
    assert_true(d == 1.5 && sb_str_is(token, "1.50"));
    assert_int_equal(sb_json_next_key(&r, &key, &more), SB_OK);
    assert_true(sb_str_is(key, "b\n"));
    assert_int_equal(sb_json_enter_array(&r), SB_OK);
    assert_int_equal(sb_json_next_item(&r, &more), SB_OK);
    assert_int_equal(sb_json_read_bool(&r, &b), SB_OK);
    assert_true(more && b);
    assert_int_equal(sb_json_next_item(&r, &more), SB_OK);
    assert_int_equal(sb_json_read_null(&r), SB_OK);
    assert_int_equal(sb_json_next_item(&r, &more), SB_OK);
    assert_int_equal(sb_json_read_string(&r, &s), SB_OK);
    assert_true(sb_str_is(s, "x\ty"));
    assert_int_equal(sb_json_next_item(&r, &more), SB_OK);
    assert_false(more);
    assert_int_equal(sb_json_next_key(&r, &key, &more), SB_OK);
    assert_int_equal(sb_json_skip(&r, &s), SB_OK);
    assert_true(sb_str_is(s, "{\"k\": [1, {}]}"));
    assert_int_equal(sb_json_next_key(&r, &key, &more), SB_OK);
    size_t used = a.used;
    assert_int_equal(sb_json_read_string(&r, &s), SB_OK);
    assert_true(sb_str_is(s, "plain") && s.p > text.p && s.p < text.p + text.n); /* in place */
    assert_int_equal(a.used, used);
    assert_int_equal(sb_json_next_key(&r, &key, &more), SB_OK);
    assert_false(more);
    assert_int_equal(sb_json_finish(&r), SB_OK);
    assert_int_equal(r.depth, 0);
    sb_arena_fini(&a);
}

static void reader_says_what_it_found_instead(void **state) {
    (void)state;
    struct sb_errctx ctx = {0};
    struct sb_json_reader r;
    double d;
    struct sb_str s;
    sb_json_reader_init(&r, SB_STR("  \"5\""), NULL, &ctx);
    assert_int_equal(sb_json_read_double(&r, &d, NULL), SB_E_INVALID);
    assert_int_equal(ctx.pos, 2);
    assert_string_equal(ctx.msg, "expected a number, found a string at byte 2");
    /* the first failure stays */
    assert_int_equal(sb_json_read_string(&r, &s), SB_E_INVALID);
    assert_int_equal(sb_json_finish(&r), SB_E_INVALID);
    assert_string_equal(ctx.msg, "expected a number, found a string at byte 2");
    /* without an arena a string with escapes cannot be had */
    sb_errctx_reset(&ctx);
    sb_json_reader_init(&r, SB_STR("\"a\\n\""), NULL, &ctx);
    assert_int_equal(sb_json_read_string(&r, &s), SB_E_LIMIT);
}

static void nonfinite_only_when_asked(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_json_reader r;
    struct sb_json *v;
    struct sb_buf b;
    sb_arena_init(&a, 1 << 20);
    sb_buf_init(&b, 1 << 10);
    struct sb_str text = SB_STR("[NaN, Infinity, -Infinity, -1]");
    sb_json_reader_init(&r, text, &a, NULL);
    r.nonfinite = true;
    assert_int_equal(sb_json_parse_with(&v, &r), SB_OK);
    assert_true(isnan(v->child->d) && v->child->next->d == HUGE_VAL);
    assert_true(v->child->next->next->d == -HUGE_VAL);
    sb_json_add_tree(&b, v);
    assert_string_equal(sb_buf_cstr(&b), "[null,null,null,-1]");
    sb_json_reader_init(&r, text, &a, NULL);
    r.nonfinite = true;
    assert_int_equal(sb_json_skip(&r, NULL), SB_OK);
    struct sb_errctx ctx = {0};
    sb_json_reader_init(&r, SB_STR("[-Infinitx]"), &a, &ctx);
    r.nonfinite = true;
    assert_int_equal(sb_json_parse_with(&v, &r), SB_E_SYNTAX);
    assert_int_equal(ctx.pos, 9);
    sb_buf_fini(&b);
    sb_arena_fini(&a);
}

/* n times c, between head and tail. */
static struct sb_str repeated(struct sb_buf *b, const char *head, char c, size_t n,
                              const char *tail) {
    sb_buf_reset(b);
    sb_buf_addz(b, head);
    for (size_t i = 0; i < n; i++) sb_buf_addc(b, c);
    sb_buf_addz(b, tail);
    return sb_buf_view(b);
}

static void limits_hold_at_the_limit_and_one_more(void **state) {
    (void)state;
    struct sb_buf in, out;
    struct sb_errctx ctx;
    sb_buf_init(&in, 64 << 20);
    sb_buf_init(&out, 64 << 20);
    for (size_t more = 0; more < 2; more++) {
        sb_err want = more ? SB_E_LIMIT : SB_OK;
        assert_int_equal(
            round_trip(repeated(&in, "", '1', SB_LIMIT_JSON_NUMBER + more, ""), &out, &ctx), want);
        struct sb_str s = repeated(&in, "\"", 'x', SB_LIMIT_JSON_STRING + more, "\"");
        assert_int_equal(round_trip(s, &out, &ctx), want);
        assert_int_equal(skip_all(s, &ctx), want);
        s = repeated(&in, "\"\\n", 'x', SB_LIMIT_JSON_STRING - 2 + more, "\"");
        assert_int_equal(round_trip(s, &out, &ctx), want);
        repeated(&in, "", '[', SB_LIMIT_JSON_DEPTH + more, "");
        for (size_t i = 0; i < SB_LIMIT_JSON_DEPTH + more; i++) sb_buf_addc(&in, ']');
        assert_int_equal(round_trip(sb_buf_view(&in), &out, &ctx), want);
        if (more) assert_int_equal(ctx.pos, SB_LIMIT_JSON_DEPTH);
        assert_int_equal(skip_all(sb_buf_view(&in), &ctx), want);
    }
    assert_int_equal(round_trip(repeated(&in, "", '[', 100000, ""), &out, &ctx), SB_E_LIMIT);
    assert_int_equal(round_trip(repeated(&in, "\"", 'x', 50 << 20, "\""), &out, &ctx), SB_E_LIMIT);
    assert_int_equal(ctx.pos, 0);
    sb_buf_fini(&in);
    sb_buf_fini(&out);
}

static void a_reader_can_be_set_to_1024_levels_and_no_more(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_buf in, out;
    sb_buf_init(&in, 1 << 20);
    sb_buf_init(&out, 1 << 20);
    sb_arena_init(&a, 1 << 20);
    for (size_t n = 1024; n < 1026; n++) {
        repeated(&in, "", '[', n, "");
        for (size_t i = 0; i < n; i++) sb_buf_addc(&in, ']');
        struct sb_json_reader r;
        struct sb_json *v;
        sb_json_reader_init(&r, sb_buf_view(&in), &a, NULL);
        r.max_depth = 100000;
        assert_int_equal(sb_json_parse_with(&v, &r), n == 1024 ? SB_OK : SB_E_LIMIT);
        if (n == 1024) {
            sb_json_add_tree(&out, v);
            assert_true(sb_str_eq(sb_buf_view(&in), sb_buf_view(&out)));
        }
        sb_json_reader_init(&r, sb_buf_view(&in), &a, NULL);
        r.max_depth = 100000;
        assert_int_equal(sb_json_skip(&r, NULL), n == 1024 ? SB_OK : SB_E_LIMIT);
    }
    sb_arena_fini(&a);
    sb_buf_fini(&in);
    sb_buf_fini(&out);
}

static void a_million_keys_take_linear_time(void **state) {
    (void)state;
    struct sb_buf in, out;
    struct sb_errctx ctx;
    sb_buf_init(&in, 64 << 20);
    sb_buf_init(&out, 64 << 20);
    sb_buf_addc(&in, '{');
    for (unsigned i = 0; i < 1000000; i++) sb_buf_addf(&in, "\"k%u\":0,", i);
    size_t before = in.n;
    SB_BUF_LIT(&in, "\"k777777\":0}");
    assert_int_equal(round_trip(sb_buf_view(&in), &out, &ctx), SB_E_SYNTAX);
    assert_int_equal(ctx.pos, before);
    in.p[before + 1] = 'q';
    assert_int_equal(round_trip(sb_buf_view(&in), &out, &ctx), SB_OK);
    assert_true(sb_str_eq(sb_buf_view(&in), sb_buf_view(&out)));
    sb_buf_fini(&in);
    sb_buf_fini(&out);
}

static void a_full_arena_is_an_error(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_buf in;
    struct sb_json *v;
    struct sb_errctx ctx = {0};
    sb_arena_init(&a, 64 << 10);
    sb_buf_init(&in, 1 << 20);
    SB_BUF_LIT(&in, "[0");
    for (int i = 0; i < 10000; i++) SB_BUF_LIT(&in, ",0");
    SB_BUF_LIT(&in, "]");
    assert_int_equal(sb_json_parse(&v, sb_buf_view(&in), &a, &ctx), SB_E_LIMIT);
    assert_true(ctx.pos > 0);
    sb_buf_fini(&in);
    sb_arena_fini(&a);
}

static void writer_repairs_invalid_utf8(void **state) {
    (void)state;
    static const struct {
        const char *name, *in, *out;
    } rows[] = {
        {"lone byte",
         "a\xff"
         "b",
         "\"a\xef\xbf\xbd"
         "b\""},
        {"cut sequence is one", "\xe2\x82", "\"\xef\xbf\xbd\""},
        {"cut sequence before text", "\xf0\x9f\x98xyz", "\"\xef\xbf\xbdxyz\""},
        {"surrogate is three", "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"good ones stay", "\xc3\xa9\xe2\x82\xac", "\"\xc3\xa9\xe2\x82\xac\""},
        {"escapes", "\"\\\b\x01/", "\"\\\"\\\\\\b\\u0001/\""},
    };
    struct sb_buf b;
    sb_buf_init(&b, 1 << 10);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        sb_buf_reset(&b);
        sb_json_add_string(&b, sb_str_of(rows[i].in));
        if (strcmp(sb_buf_cstr(&b), rows[i].out) != 0) fail_msg("%s: %s", rows[i].name, b.p);
    }
    sb_buf_fini(&b);
}

static void writer_sets_commas_itself(void **state) {
    (void)state;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 10);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "s", SB_STR("a\"b"));
    sb_json_int(&w, "i", -5);
    sb_json_arr(&w, "l");
    sb_json_double(&w, NULL, 0.1);
    sb_json_double(&w, NULL, (double)NAN);
    sb_json_obj(&w, NULL);
    sb_json_end(&w);
    sb_json_null(&w, NULL);
    sb_json_end(&w);
    sb_json_key(&w, SB_STR("k\n"));
    sb_json_bool(&w, NULL, true);
    sb_json_key(&w, SB_STR("o"));
    sb_json_obj(&w, NULL);
    sb_json_raw(&w, "r", SB_STR("[1]"));
    sb_json_end(&w);
    sb_json_bool(&w, "f", false);
    sb_json_end(&w);
    assert_string_equal(sb_buf_cstr(&b), "{\"s\":\"a\\\"b\",\"i\":-5,\"l\":[0.1,null,{},null],"
                                         "\"k\\n\":true,\"o\":{\"r\":[1]},\"f\":false}");
    sb_buf_fini(&b);
}

static void writer_writes_trees_that_code_made(void **state) {
    (void)state;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 10);
    struct sb_json f = {.type = SB_JSON_NUMBER, .d = 2};
    struct sb_json i = {.type = SB_JSON_NUMBER, .is_int = true, .i = 7, .next = &f};
    struct sb_json l = {.type = SB_JSON_ARRAY, .child = &i, .n = 2, .next = &f};
    sb_json_add_tree(&b, &l); /* a sibling of the root is not part of it */
    sb_json_add_float(&b, 0.1F);
    sb_json_add_float(&b, HUGE_VALF);
    assert_string_equal(sb_buf_cstr(&b), "[7,2.0]0.1null");
    sb_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_writes_back),
        cmocka_unit_test(refuses_with_the_position),
        cmocka_unit_test(trees_refuse),
        cmocka_unit_test(tree_holds_values_and_positions),
        cmocka_unit_test(reader_walks_in_place),
        cmocka_unit_test(reader_says_what_it_found_instead),
        cmocka_unit_test(nonfinite_only_when_asked),
        cmocka_unit_test(limits_hold_at_the_limit_and_one_more),
        cmocka_unit_test(a_reader_can_be_set_to_1024_levels_and_no_more),
        cmocka_unit_test(a_million_keys_take_linear_time),
        cmocka_unit_test(a_full_arena_is_an_error),
        cmocka_unit_test(writer_repairs_invalid_utf8),
        cmocka_unit_test(writer_sets_commas_itself),
        cmocka_unit_test(writer_writes_trees_that_code_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

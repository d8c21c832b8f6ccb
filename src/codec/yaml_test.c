/* YAML: scalars as PyYAML resolves them, aliases, limits, errors with their line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "codec/yaml.h"

static sb_err convert(struct sb_str text, struct sb_buf *b, struct sb_errctx *ctx) {
    struct sb_arena a;
    struct sb_json *v;
    sb_arena_init(&a, 64 << 20);
    sb_errctx_reset(ctx);
    sb_buf_reset(b);
    sb_err err = sb_yaml_parse(&v, text, &a, ctx);
    if (!err) {
        sb_json_add_tree(b, v);
        err = sb_buf_err(b);
    }
    sb_arena_fini(&a);
    return err;
}

static void reads_as_pyyaml_does(void **state) {
    (void)state;
    static const struct {
        const char *name, *yaml, *json;
    } rows[] = {
        {"nothing", "", "null"},
        {"a comment", "# x\n", "null"},
        {"nulls", "[~, null, Null, NULL, ]", "[null,null,null,null]"},
        {"a key without a value", "a:", "{\"a\":null}"},
        {"booleans", "[yes, No, TRUE, false, on, OFF]", "[true,false,true,false,true,false]"},
        {"words that are no booleans", "[y, n, yES, tRue]", "[\"y\",\"n\",\"yES\",\"tRue\"]"},
        {"quoted words are strings", "[\"yes\", '1', \"~\"]", "[\"yes\",\"1\",\"~\"]"},
        {"integers", "[0, -1, +7, 1_000]", "[0,-1,7,1000]"},
        {"bases", "[0x1F, 0o17, 017, 0b101, -0x10]", "[31,15,15,5,-16]"},
        {"int64 and beyond", "[9223372036854775807, -9223372036854775808, 18446744073709551616]",
         "[9223372036854775807,-9223372036854775808,18446744073709551616]"},
        {"beyond int64, not JSON", "0x10000000000000000", "1.8446744073709552e19"},
        {"no integers", "[08, 0x, 0b2, 1__, -, _1, 1a]",
         "[\"08\",\"0x\",\"0b2\",1,\"-\",\"_1\",\"1a\"]"},
        {"floats", "[1.5, -.5, 5., +1_0.2_5, 1.5e+3, 2.E-1, 01.5, 00.5]",
         "[1.5,-0.5,5.0,10.25,1.5e+3,0.2,1.5,0.5]"},
        {"an exponent needs a point and a sign", "[1e3, 1.5e3, 1.e, .]",
         "[\"1e3\",\"1.5e3\",\"1.e\",\".\"]"},
        {"not finite", "[.inf, -.INF, .nan]", "[null,null,null]"},
        {"dates and base 60 are strings", "[2026-01-01, 1:30, 127.0.0.1:8000]",
         "[\"2026-01-01\",\"1:30\",\"127.0.0.1:8000\"]"},
        {"core tags", "[!!str 1, !!int 2, !!float 3, !!bool yes, !!null ~, ! 5]",
         "[\"1\",2,3,true,null,\"5\"]"},
        {"tags of containers", "!!map {a: !!seq [1]}", "{\"a\":[1]}"},
        {"block mapping", "a:\n  b: 1\n  c: [x, {d: e}]\n",
         "{\"a\":{\"b\":1,\"c\":[\"x\",{\"d\":\"e\"}]}}"},
        {"block sequence", "- a\n- - b\n  - c\n- {}\n- []\n", "[\"a\",[\"b\",\"c\"],{},[]]"},
        {"literal and folded", "a: |\n  x\n   y\nb: >\n  z\n  w\n",
         "{\"a\":\"x\\n y\\n\",\"b\":\"z w\\n\"}"},
        {"escapes", "\"\\x41\\u00e9\\n\"", "\"A\xc3\xa9\\n\""},
        {"keys are text", "{1: a, true: b, ~: c, 2.50: d}",
         "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\",\"2.50\":\"d\"}"},
        {"quoted << is a key", "{\"<<\": 1}", "{\"<<\":1}"},
        {"alias of a scalar", "[&a x, *a, *a]", "[\"x\",\"x\",\"x\"]"},
        {"alias of a tree", "a: &t {k: [1, {z: 2}], e: []}\nb: *t\nc: 3\n",
         "{\"a\":{\"k\":[1,{\"z\":2}],\"e\":[]},\"b\":{\"k\":[1,{\"z\":2}],\"e\":[]},\"c\":3}"},
        {"the newest anchor of a name", "[&a 1, *a, &a 2, *a]", "[1,1,2,2]"},
        {"an alias inside an anchored value", "[&a 1, &b [*a, *a], *b]", "[1,[1,1],[1,1]]"},
    };
    struct sb_buf b;
    struct sb_errctx ctx;
    sb_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        if (convert(sb_str_of(rows[i].yaml), &b, &ctx)) fail_msg("%s: %s", rows[i].name, ctx.msg);
        if (strcmp(sb_buf_cstr(&b), rows[i].json) != 0) fail_msg("%s: %s", rows[i].name, b.p);
    }
    sb_buf_fini(&b);
}

static void refuses_with_line_and_column(void **state) {
    (void)state;
    static const struct {
        const char *name, *yaml;
        sb_err code;
        int64_t line;
        const char *part;
    } rows[] = {
        {"duplicate key", "a: 1\nb: 2\na: 3\n", SB_E_SYNTAX, 4, "duplicate key \"a\""},
        {"duplicate, other quotes", "{a: 1, \"a\": 2}", SB_E_SYNTAX, 1, "duplicate key \"a\""},
        {"code in a tag", "x: !!python/object/apply:os.system [id]", SB_E_UNSUPPORTED, 1,
         "tag tag:yaml.org,2002:python/object/apply:os.system is not allowed here at line 1, "
         "column 4"},
        {"local tag", "\n!x a", SB_E_UNSUPPORTED, 2, "tag !x"},
        {"tag that does not fit", "!!int x", SB_E_INVALID, 1, "this scalar is no int"},
        {"map tag on a sequence", "!!map [1]", SB_E_UNSUPPORTED, 1, "tag"},
        {"merge key", "a: &a {b: 1}\nc:\n  <<: *a\n", SB_E_UNSUPPORTED, 3, "merge keys"},
        {"sequence as a key", "? [a]\n: 1\n", SB_E_UNSUPPORTED, 1, "a key must be a scalar"},
        {"alias as a key", "- &a x\n- {*a : 1}", SB_E_UNSUPPORTED, 2, "a key may not be an alias"},
        {"anchor on a key", "{&a x: 1}", SB_E_UNSUPPORTED, 1, "a key may not have an anchor"},
        {"tag on a key", "{!x x: 1}", SB_E_UNSUPPORTED, 1, "tag !x"},
        {"unknown alias", "a: *x", SB_E_INVALID, 1, "anchor &x at line 1, column 4"},
        {"an alias inside its own value", "&x [*x]", SB_E_INVALID, 1, "anchor &x"},
        {"two documents", "--- 1\n--- 2\n", SB_E_SYNTAX, 2, "more than one document"},
        {"not closed", "a: [1, 2\nb: 3", SB_E_SYNTAX, 2, "line 2"},
        {"tab for indentation", "a:\n\t- b", SB_E_SYNTAX, 2, "line 2"},
        {"control character", "a: \x01", SB_E_SYNTAX, 1, "control characters"},
        {"invalid UTF-8", "a: \xff", SB_E_SYNTAX, 1, "UTF-8"},
    };
    struct sb_buf b;
    struct sb_errctx ctx;
    sb_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        sb_err err = convert(sb_str_of(rows[i].yaml), &b, &ctx);
        if (err != rows[i].code || ctx.pos != rows[i].line || !strstr(ctx.msg, rows[i].part))
            fail_msg("%s: %s, line %d: %s", rows[i].name, sb_err_name(err), (int)ctx.pos, ctx.msg);
    }
    sb_buf_fini(&b);
}

static void not_finite_numbers_keep_their_value(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_json *v;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_yaml_parse(&v, SB_STR("[-.inf, .NaN]"), &a, NULL), SB_OK);
    assert_true(v->child->type == SB_JSON_NUMBER && v->child->d == -HUGE_VAL);
    assert_true(isnan(v->child->next->d));
    sb_arena_fini(&a);
}

static void values_know_their_line_and_that_of_their_key(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_json *v;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_yaml_parse(&v, SB_STR("a: 1\nx:\n  b: 2\nc: [x,\n  y]\n"), &a, NULL),
                     SB_OK);
    const struct sb_json *b = v->child->next, *c = b->next;
    assert_int_equal(v->child->pos, 1);
    assert_int_equal(b->key_pos, 2);
    assert_int_equal(b->pos, 3);
    assert_int_equal(b->child->key_pos, 3);
    assert_int_equal(c->child->next->pos, 5);
    sb_arena_fini(&a);
}

static void limits_hold_at_the_limit_and_one_more(void **state) {
    (void)state;
    struct sb_buf in, out;
    struct sb_errctx ctx;
    sb_buf_init(&in, 8 << 20);
    sb_buf_init(&out, 64 << 20);
    for (size_t more = 0; more < 2; more++) {
        sb_err want = more ? SB_E_LIMIT : SB_OK;
        sb_buf_reset(&in); /* values: the sequence and its items */
        SB_BUF_LIT(&in, "[");
        for (size_t i = 1; i < SB_YAML_NODES + more; i++) SB_BUF_LIT(&in, "1,");
        SB_BUF_LIT(&in, "]");
        assert_int_equal(convert(sb_buf_view(&in), &out, &ctx), want);
        sb_buf_reset(&in);
        SB_BUF_LIT(&in, "[&a 1");
        for (size_t i = 0; i < SB_YAML_ALIASES + more; i++) SB_BUF_LIT(&in, ",*a");
        SB_BUF_LIT(&in, "]");
        assert_int_equal(convert(sb_buf_view(&in), &out, &ctx), want);
        sb_buf_reset(&in);
        for (size_t i = 0; i < SB_YAML_DEPTH + more; i++) SB_BUF_LIT(&in, "[");
        for (size_t i = 0; i < SB_YAML_DEPTH + more; i++) SB_BUF_LIT(&in, "]");
        assert_int_equal(convert(sb_buf_view(&in), &out, &ctx), want);
        sb_buf_reset(&in); /* depth by an alias: 1 + 32 below, and 31 or 32 around it */
        SB_BUF_LIT(&in, "[&a [");
        for (size_t i = 0; i < 31; i++) SB_BUF_LIT(&in, "[");
        for (size_t i = 0; i < 31; i++) SB_BUF_LIT(&in, "]");
        SB_BUF_LIT(&in, "],");
        for (size_t i = 0; i < 31 + more; i++) SB_BUF_LIT(&in, "[");
        SB_BUF_LIT(&in, "*a");
        for (size_t i = 0; i < 31 + more; i++) SB_BUF_LIT(&in, "]");
        SB_BUF_LIT(&in, "]");
        assert_int_equal(convert(sb_buf_view(&in), &out, &ctx), want);
        sb_buf_reset(&in);
        SB_BUF_LIT(&in, "x");
        while (in.n < SB_YAML_BYTES + more) sb_buf_addc(&in, ' ');
        assert_int_equal(convert(sb_buf_view(&in), &out, &ctx), want);
    }
    sb_buf_fini(&in);
    sb_buf_fini(&out);
}

static void a_billion_laughs_are_cut_short(void **state) {
    (void)state;
    struct sb_buf in, out;
    struct sb_errctx ctx;
    sb_buf_init(&in, 1 << 20);
    sb_buf_init(&out, 1 << 20);
    SB_BUF_LIT(&in, "l0: &l0 lol\n");
    for (int i = 1; i < 10; i++) {
        sb_buf_addf(&in, "l%d: &l%d [", i, i);
        for (int k = 0; k < 9; k++) sb_buf_addf(&in, "*l%d,", i - 1);
        SB_BUF_LIT(&in, "]\n");
    }
    assert_int_equal(convert(sb_buf_view(&in), &out, &ctx), SB_E_LIMIT);
    assert_non_null(strstr(ctx.msg, "more than 100000 values"));
    sb_buf_fini(&in);
    sb_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_as_pyyaml_does),
        cmocka_unit_test(refuses_with_line_and_column),
        cmocka_unit_test(not_finite_numbers_keep_their_value),
        cmocka_unit_test(values_know_their_line_and_that_of_their_key),
        cmocka_unit_test(limits_hold_at_the_limit_and_one_more),
        cmocka_unit_test(a_billion_laughs_are_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* codec/ubjson: what XGBoost writes, and what nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/buf.h"
#include "codec/ubjson.h"

static void show(struct sb_buf *b, const struct sb_ubj *v, struct sb_arena *a) {
    double *d;
    size_t n;
    switch (v->type) {
    case SB_UBJ_NULL: SB_BUF_LIT(b, "null"); break;
    case SB_UBJ_BOOL: sb_buf_addz(b, v->b ? "true" : "false"); break;
    case SB_UBJ_INT: sb_buf_addi(b, v->i); break;
    case SB_UBJ_FLOAT: sb_buf_addf(b, "%g", v->d); break;
    case SB_UBJ_STR: sb_buf_addf(b, "'%.*s'", SB_ARG(v->s)); break;
    case SB_UBJ_NUMBERS:
        sb_buf_addc(b, '<');
        assert_true(sb_ubj_numbers(v, a, &d, &n));
        for (size_t i = 0; i < n; i++) sb_buf_addf(b, i ? " %g" : "%g", d[i]);
        sb_buf_addc(b, '>');
        break;
    default:
        sb_buf_addc(b, v->type == SB_UBJ_OBJECT ? '{' : '[');
        for (const struct sb_ubj *m = v->child; m; m = m->next) {
            if (m != v->child) sb_buf_addc(b, ' ');
            if (v->type == SB_UBJ_OBJECT) sb_buf_addf(b, "%.*s=", SB_ARG(m->key));
            show(b, m, a);
        }
        sb_buf_addc(b, v->type == SB_UBJ_OBJECT ? '}' : ']');
    }
}

static void documents_become_trees(void **state) {
    (void)state;
    const struct {
        const char *name;
        struct sb_str text;
        const char *want;
    } rows[] = {
        {"scalars", SB_STR("[ZTFi\xffU\xffI\1\2l\xff\xff\xff\xffL\0\0\0\0\0\0\0\7Ca]"),
         "[null true false -1 255 258 -1 7 'a']"},
        {"floats", SB_STR("[d\x3f\xc0\0\0D\xbf\xf8\0\0\0\0\0\0]"), "[1.5 -1.5]"},
        {"object with 64-bit keys", SB_STR("{L\0\0\0\0\0\0\0\1aSL\0\0\0\0\0\0\0\2hi}"), "{a='hi'}"},
        {"counted array", SB_STR("[#L\0\0\0\0\0\0\0\2i\1i\2"), "[1 2]"},
        {"counted object", SB_STR("{#i\1i\1aT"), "{a=true}"},
        {"typed object", SB_STR("{$U#i\2i\1a\5i\1b\6"), "{a=5 b=6}"},
        {"typed array of strings", SB_STR("[$S#i\2i\1ai\1b"), "['a' 'b']"},
        {"empty", SB_STR("[#L\0\0\0\0\0\0\0\0"), "[]"},
        {"empty typed", SB_STR("[$d#L\0\0\0\0\0\0\0\0"), "<>"},
        {"packed int8", SB_STR("[$i#i\2\xff\1"), "<-1 1>"},
        {"packed uint8", SB_STR("[$U#i\2\xff\1"), "<255 1>"},
        {"packed int16", SB_STR("[$I#i\1\1\0"), "<256>"},
        {"packed int32", SB_STR("[$l#i\2\xff\xff\xff\xff\0\0\0\2"), "<-1 2>"},
        {"packed int64", SB_STR("[$L#i\1\0\0\0\0\0\0\0\5"), "<5>"},
        {"packed float", SB_STR("[$d#i\2\x3f\x80\0\0\x40\0\0\0"), "<1 2>"},
        {"packed double", SB_STR("[$D#i\1\x3f\xf0\0\0\0\0\0\0"), "<1>"},
        {"no-ops", SB_STR("N[NTNN]N"), "[true]"},
        {"nested", SB_STR("[[]{}[{i\1k[]}]]"), "[[] {} [{k=[]}]]"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_buf b;
        struct sb_ubj *v = NULL;
        struct sb_errctx ctx = {0};
        sb_arena_init(&a, 1 << 20);
        sb_buf_init(&b, 4096);
        if (sb_ubj_parse(&v, rows[i].text, &a, &ctx) != SB_OK)
            fail_msg("%s: %s", rows[i].name, ctx.msg);
        show(&b, v, &a);
        if (strcmp(sb_buf_cstr(&b), rows[i].want) != 0)
            fail_msg("%s: %s, not %s", rows[i].name, sb_buf_cstr(&b), rows[i].want);
        sb_buf_fini(&b);
        sb_arena_fini(&a);
    }
}

static void damage_is_refused_with_its_position(void **state) {
    (void)state;
    const struct {
        const char *name;
        struct sb_str text;
        sb_err err;
    } rows[] = {
        {"nothing", SB_STR(""), SB_E_SYNTAX},
        {"unknown type", SB_STR("x"), SB_E_SYNTAX},
        {"high precision",
         SB_STR("Hi\1"
                "1"),
         SB_E_SYNTAX},
        {"open array", SB_STR("[i\1"), SB_E_SYNTAX},
        {"open object", SB_STR("{i\1aT"), SB_E_SYNTAX},
        {"cut number", SB_STR("L\0\0"), SB_E_SYNTAX},
        {"cut string", SB_STR("Si\5ab"), SB_E_SYNTAX},
        {"negative length",
         SB_STR("Si\xff"
                "ab"),
         SB_E_SYNTAX},
        {"length that is a float", SB_STR("Sd\x3f\x80\0\0a"), SB_E_SYNTAX},
        {"type without a count", SB_STR("[$d]"), SB_E_SYNTAX},
        {"packed array beyond the end",
         SB_STR("[$d#l\x7f\xff\xff\xff"
                "abcd"),
         SB_E_SYNTAX},
        {"packed count that overflows",
         SB_STR("[$D#L\x20\0\0\0\0\0\0\1"
                "a"),
         SB_E_SYNTAX},
        {"a billion nulls in nine bytes", SB_STR("[$Z#l\x3b\x9a\xca\0"), SB_E_SYNTAX},
        {"count beyond the end", SB_STR("[#l\x7f\xff\xff\xffTT"), SB_E_SYNTAX},
        {"bytes after the value", SB_STR("TT"), SB_E_SYNTAX},
        {"wrong closing", SB_STR("[}"), SB_E_SYNTAX},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_ubj *v = NULL;
        struct sb_errctx ctx = {.pos = -1};
        sb_arena_init(&a, 1 << 20);
        sb_err err = sb_ubj_parse(&v, rows[i].text, &a, &ctx);
        if (err != rows[i].err || ctx.pos < 0 || ctx.pos > (int64_t)rows[i].text.n)
            fail_msg("%s: %s at %lld", rows[i].name, sb_err_name(err), (long long)ctx.pos);
        sb_arena_fini(&a);
    }
}

static void depth_and_memory_end(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_ubj *v = NULL;
    char deep[2 * SB_UBJ_DEPTH_MAX + 2], many[4096];
    sb_arena_init(&a, 16 << 10);
    for (int d = SB_UBJ_DEPTH_MAX; d <= SB_UBJ_DEPTH_MAX + 1; d++) {
        memset(deep, '[', (size_t)d);
        memset(deep + d, ']', (size_t)d);
        assert_int_equal(sb_ubj_parse(&v, sb_str_make(deep, 2 * (size_t)d), &a, NULL),
                         d > SB_UBJ_DEPTH_MAX ? SB_E_LIMIT : SB_OK);
        sb_arena_reset(&a);
    }
    memset(many, 'T', sizeof many);
    many[0] = '[';
    assert_int_equal(sb_ubj_parse(&v, sb_str_make(many, sizeof many), &a, NULL), SB_E_LIMIT);
    sb_arena_fini(&a);
}

static void the_last_of_two_keys_counts(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_ubj *v = NULL;
    double *d;
    size_t n;
    sb_arena_init(&a, 1 << 20);
    assert_int_equal(sb_ubj_parse(&v, SB_STR("{i\1ai\1i\1ai\2i\1b[TSi\1x]}"), &a, NULL), SB_OK);
    assert_int_equal(sb_ubj_get(v, "a")->i, 2);
    assert_null(sb_ubj_get(v, "c"));
    assert_null(sb_ubj_get(sb_ubj_get(v, "a"), "a"));
    assert_false(sb_ubj_numbers(sb_ubj_get(v, "b"), &a, &d, &n)); /* a string among them */
    assert_false(sb_ubj_numbers(sb_ubj_get(v, "a"), &a, &d, &n));
    sb_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_become_trees),
        cmocka_unit_test(damage_is_refused_with_its_position),
        cmocka_unit_test(depth_and_memory_end),
        cmocka_unit_test(the_last_of_two_keys_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

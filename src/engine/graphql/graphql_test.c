/* Requests into trees, printed back in one form; errors with their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/buf.h"
#include "engine/graphql/graphql.h"

/* ---- the tree as text: every kind of node shows as what it is ---- */

static void show_values(struct sb_buf *b, const struct sb_graphql_value *v) {
    static const char marks[] = {
        [SB_GRAPHQL_INT] = 'i',     [SB_GRAPHQL_FLOAT] = 'f', [SB_GRAPHQL_STRING] = 's',
        [SB_GRAPHQL_BOOL] = 'b',    [SB_GRAPHQL_NULL] = 'n',  [SB_GRAPHQL_ENUM] = 'e',
        [SB_GRAPHQL_VARIABLE] = 'v'};
    for (; v; v = v->next) {
        if (v->name.p) sb_buf_addf(b, "%.*s=", SB_ARG(v->name));
        if (v->kind == SB_GRAPHQL_LIST || v->kind == SB_GRAPHQL_OBJECT) {
            sb_buf_addf(b, "%c%zu(", v->kind == SB_GRAPHQL_LIST ? 'L' : 'O', v->n);
            show_values(b, v->child);
            sb_buf_addc(b, ')');
        } else {
            sb_buf_addf(b, "%c'%.*s'", marks[v->kind], SB_ARG(v->text));
        }
        if (v->next) sb_buf_addc(b, ' ');
    }
}

static void show_directives(struct sb_buf *b, const struct sb_graphql_directive *d) {
    for (; d; d = d->next) {
        sb_buf_addf(b, "@%.*s(", SB_ARG(d->name));
        show_values(b, d->args);
        sb_buf_addc(b, ')');
    }
}

static void show_set(struct sb_buf *b, const struct sb_graphql_selection *s) {
    sb_buf_addc(b, '{');
    for (; s; s = s->next) {
        if (s->kind == SB_GRAPHQL_SPREAD) sb_buf_addz(b, "...");
        if (s->kind == SB_GRAPHQL_INLINE) sb_buf_addf(b, "...on<%.*s>", SB_ARG(s->on));
        if (s->alias.p) sb_buf_addf(b, "%.*s:", SB_ARG(s->alias));
        sb_buf_adds(b, s->name);
        if (s->args) {
            sb_buf_addc(b, '(');
            show_values(b, s->args);
            sb_buf_addc(b, ')');
        }
        show_directives(b, s->directives);
        if (s->child) show_set(b, s->child);
        if (s->next) sb_buf_addc(b, ' ');
    }
    sb_buf_addc(b, '}');
}

static void show(struct sb_buf *b, const struct sb_graphql_document *d) {
    for (const struct sb_graphql_operation *o = d->operations; o; o = o->next) {
        sb_buf_addf(b, "%.*s<%.*s>", SB_ARG(o->type), SB_ARG(o->name));
        for (const struct sb_graphql_variable *v = o->variables; v; v = v->next) {
            sb_buf_addf(b, "$%.*s:%.*s=", SB_ARG(v->name), SB_ARG(v->type));
            show_values(b, v->fallback);
            sb_buf_addc(b, ';');
        }
        show_directives(b, o->directives);
        show_set(b, o->child);
    }
    for (const struct sb_graphql_fragment *f = d->fragments; f; f = f->next) {
        sb_buf_addf(b, "fragment<%.*s,%.*s>", SB_ARG(f->name), SB_ARG(f->on));
        show_directives(b, f->directives);
        show_set(b, f->child);
    }
}

/* ---- what is accepted ---- */

static void reads_documents(void **state) {
    (void)state;
    static const struct {
        const char *name, *in, *out;
    } rows[] = {
        {"shortest", "{a}", "query<>{a}"},
        {"white space, commas, comments and a BOM mean nothing",
         "\xef\xbb\xbf# first\n{,,a,\r\n\tb#last\n}", "query<>{a b}"},
        {"named query", "query A{a}", "query<A>{a}"},
        {"mutation and subscription", "mutation{a} subscription S{b}",
         "mutation<>{a}subscription<S>{b}"},
        {"alias and nested sets", "{x:a{y:b{c}} d}", "query<>{x:a{y:b{c}} d}"},
        {"keywords are names too", "{query:mutation{fragment on} true:null}",
         "query<>{query:mutation{fragment on} true:null}"},
        {"variables", "query Q($a:T!,$b:[[U!]]=[1] $c:V=E){a}",
         "query<Q>$a:T!=;$b:[[U!]]=L1(i'1');$c:V=e'E';{a}"},
        {"every kind of value",
         "{f(a:-12 b:0.5e+3 c:\"s\" d:true e:null f:WORD g:$v h:[] i:{} j:[1,[2]] k:{l:{m:1}})}",
         "query<>{f(a=i'-12' b=f'0.5e+3' c=s's' d=b'true' e=n'null' f=e'WORD' g=v'v' h=L0() i=O0() "
         "j=L2(i'1' L1(i'2')) k=O1(l=O1(m=i'1')))}"},
        {"zero and minus zero", "{f(a:0 b:-0 c:0.0 d:1E9)}",
         "query<>{f(a=i'0' b=i'-0' c=f'0.0' d=f'1E9')}"},
        {"escapes", "{f(a:\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u{1F600}\\uD83D\\uDE00\")}",
         "query<>{f(a=s'\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xf0\x9f\x98\x80')}"},
        {"empty string", "{f(a:\"\")}", "query<>{f(a=s'')}"},
        {"block string", "{f(a:\"\"\"x \"quoted\" \\\"\"\" \\n\ny\"\"\")}",
         "query<>{f(a=s'x \"quoted\" \"\"\" \\n\ny')}"},
        {"text is any UTF-8", "{f(a:\"\xe2\x82\xac\")}", "query<>{f(a=s'\xe2\x82\xac')}"},
        {"directives", "query Q @a(b:1) @c {d @e f(g:1) @h {i}}",
         "query<Q>@a(b=i'1')@c(){d@e() f(g=i'1')@h(){i}}"},
        {"fragments", "{...F @d ...on T{a} ...{b} ...@e{c}} fragment F on T @g {x}",
         "query<>{...F@d() ...on<T>{a} ...on<>{b} ...on<>@e(){c}}fragment<F,T>@g(){x}"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_arena a;
        struct sb_buf b;
        struct sb_errctx ctx = {0};
        struct sb_graphql_document d;
        sb_arena_init(&a, 1 << 20);
        sb_buf_init(&b, 1 << 16);
        if (sb_graphql_parse(&d, sb_str_of(rows[i].in), &a, &ctx))
            fail_msg("%s: %s", rows[i].name, ctx.msg);
        show(&b, &d);
        if (strcmp(sb_buf_cstr(&b), rows[i].out) != 0)
            fail_msg("%s: %s", rows[i].name, sb_buf_cstr(&b));
        sb_buf_fini(&b);
        sb_arena_fini(&a);
    }
}

/* ---- what is refused ---- */

static void refuses_what_is_no_document(void **state) {
    (void)state;
    static const struct {
        const char *name, *in, *message;
        int64_t pos;
    } rows[] = {
        {"nothing", "", "Unexpected <EOF>", 0},
        {"only a comment", "# x", "Unexpected <EOF>", 3},
        {"cut in a set", "{ a", "Expected Name, found <EOF>", 3},
        {"empty set", "{}", "Expected Name, found '}'", 1},
        {"set in a set", "{{a}}", "Expected Name, found '{'", 1},
        {"rest after the end", "{a} b", "Unexpected Name 'b'", 4},
        {"a type definition", "type A{b:C}", "Unexpected Name 'type'", 0},
        {"no arguments in parentheses", "{a()}", "Expected Name, found ')'", 3},
        {"no variables in parentheses", "query A(){a}", "Expected '$', found ')'", 8},
        {"argument without value", "{a(b)}", "Expected ':', found ')'", 4},
        {"variable as its own default", "query($a:T=$b){c}", "Unexpected '$'", 11},
        {"directive of a variable", "query($a:T @d){c}", "Unexpected directive of a variable", 13},
        {"fragment named on", "fragment on on T{a}", "Unexpected Name 'on'", 9},
        {"fragment without type", "fragment F{a}", "Expected 'on', found '{'", 10},
        {"open list", "{a(b:[1)}", "Unexpected ')'", 7},
        {"open type", "query($a:[T){b}", "Expected ']', found ')'", 11},
        {"two dots", "{a ..b}", "Unexpected character", 3},
        {"a character that is none of the language", "{a % b}", "Unexpected character", 3},
        {"letter beyond ASCII", "{\xc3\xa4}", "Unexpected character", 1},
        {"leading zero", "{a(b:01)}", "Invalid number, unexpected digit after 0", 5},
        {"minus alone", "{a(b:-)}", "Invalid number, expected digit", 6},
        {"dot without digits", "{a(b:1.)}", "Invalid number, expected digit", 7},
        {"exponent without digits", "{a(b:1e+)}", "Invalid number, expected digit", 8},
        {"number and name", "{a(b:1x)}", "Invalid number, expected digit", 6},
        {"open string", "{a(b:\"x)}", "Unterminated string", 9},
        {"line end in a string", "{a(b:\"x\n\")}", "Unterminated string", 7},
        {"control character in a string", "{a(b:\"\x01\")}", "Invalid character within String", 6},
        {"open block string", "{a(b:\"\"\"x\"\")}", "Unterminated string", 13},
        {"unknown escape", "{a(b:\"\\x\")}", "Invalid character escape sequence", 7},
        {"short escape", "{a(b:\"\\u12\")}", "Invalid Unicode escape sequence", 7},
        {"lone surrogate", "{a(b:\"\\uD83D\")}", "Invalid Unicode escape sequence", 7},
        {"low surrogate first", "{a(b:\"\\uDE00\")}", "Invalid Unicode escape sequence", 7},
        {"half a pair", "{a(b:\"\\uD83D\\u0041\")}", "Invalid Unicode escape sequence", 7},
        {"code point over the end", "{a(b:\"\\u{110000}\")}", "Invalid Unicode escape sequence", 7},
        {"open braces", "{a(b:\"\\u{41\")}", "Invalid Unicode escape sequence", 7},
        {"invalid UTF-8", "{a(b:\"\xff\")}", "Invalid UTF-8", 5},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        char want[100];
        struct sb_arena a;
        struct sb_errctx ctx = {0};
        struct sb_graphql_document d;
        sb_arena_init(&a, 1 << 20);
        snprintf(want, sizeof want, "Syntax Error: %s.", rows[i].message);
        sb_err err = sb_graphql_parse(&d, sb_str_of(rows[i].in), &a, &ctx);
        if (err != SB_E_SYNTAX || strcmp(ctx.msg, want) != 0 || ctx.pos != rows[i].pos)
            fail_msg("%s: %s at %d", rows[i].name, ctx.msg, (int)ctx.pos);
        sb_arena_fini(&a);
    }
}

static void add_times(struct sb_buf *b, const char *text, size_t n) {
    while (n-- > 0) sb_buf_addz(b, text);
}

static sb_err parse_in(size_t arena_max, const struct sb_buf *text) {
    struct sb_arena a;
    struct sb_graphql_document d;
    sb_arena_init(&a, arena_max);
    sb_err err = sb_graphql_parse(&d, sb_buf_view(text), &a, NULL);
    sb_arena_fini(&a);
    return err;
}

static void nesting_has_an_end(void **state) {
    (void)state;
    static const struct {
        const char *before, *open, *middle, *close, *after;
        size_t outer; /* levels around it */
    } rows[] = {
        {"", "{a", "", "}", "", 0},          {"{f(a:", "[", "1", "]", ")}", 1},
        {"{f(a:", "{b:", "1", "}", ")}", 1}, {"query($a:", "[", "T", "]", "){b}", 0},
        {"", "{...on T", "{a}", "}", "", 1},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        for (size_t over = 0; over < 2; over++) {
            struct sb_buf b;
            size_t n = SB_GRAPHQL_DEPTH_MAX - rows[i].outer + over;
            sb_buf_init(&b, 1 << 16);
            sb_buf_addz(&b, rows[i].before);
            add_times(&b, rows[i].open, n);
            sb_buf_addz(&b, rows[i].middle);
            add_times(&b, rows[i].close, n);
            sb_buf_addz(&b, rows[i].after);
            assert_int_equal(parse_in(1 << 20, &b), over ? SB_E_LIMIT : SB_OK);
            sb_buf_fini(&b);
        }
}

static void size_has_an_end(void **state) {
    (void)state;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    sb_buf_addz(&b, "{a}");
    add_times(&b, " ", SB_GRAPHQL_TEXT_MAX - 3);
    assert_int_equal(parse_in(1 << 20, &b), SB_OK);
    sb_buf_addc(&b, ' ');
    assert_int_equal(parse_in(1 << 20, &b), SB_E_LIMIT);
    sb_buf_reset(&b);
    sb_buf_addc(&b, '{');
    add_times(&b, "a ", 20000);
    sb_buf_addc(&b, '}');
    assert_int_equal(parse_in(16 << 20, &b), SB_OK);
    assert_int_equal(parse_in(64 << 10, &b), SB_E_LIMIT); /* of the arena */
    sb_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_documents),
        cmocka_unit_test(refuses_what_is_no_document),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(size_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

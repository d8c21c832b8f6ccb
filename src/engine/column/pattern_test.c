/* engine/column: regular expressions, wildcards and words, by cases and against POSIX's regexec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <regex.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/random.h"
#include "engine/column/pattern_int.h"
#include "engine/column/search.h"

static sb_err compile(struct sb_pattern **p, struct sb_arena *a, const char *text, bool any_case,
                      struct sb_errctx *ctx) {
    return sb_pattern_regexp(p, a, sb_str_of(text), any_case, ctx);
}

static const struct {
    const char *name, *pattern, *yes, *no; /* strings separated by | */
} regexps[] = {
    {"a pattern covers the whole value", "ab", "ab", "abc|xab|a||aB"},
    {"any character", "a.c",
     "abc|a\xc3\xa9"
     "c|a.c",
     "ac|abbc"},
    {"any character is one of several bytes", "...", "\xe2\x82\xac\xf0\x9f\x98\x80z",
     "\xe2\x82\xac"},
    {"optional", "ab?c", "ac|abc", "abbc"},
    {"star", "ab*", "a|ab|abbbb", "b|aba"},
    {"plus", "(ab)+", "ab|abab", "|aba"},
    {"alternatives", "cat|dog|x", "cat|dog|x", "catdog|do"},
    {"counted", "a{3}", "aaa", "aa|aaaa"},
    {"counted from to", "a{2,4}", "aa|aaa|aaaa", "a|aaaaa"},
    {"counted from", "a{2,}", "aa|aaaaaa", "a|"},
    {"counted group that may be empty", "(a?b?){2}", "|ab|ba|abab|b", "abba|aab_"},
    {"class", "[a-cx]+", "abcx", "d|"},
    {"negated class", "[^a-c]", "d|\xc3\xa9", "a|b"},
    {"class with an escape and a last dash", "[\\]a-]+", "]a-", "\\"},
    {"digits and words", "\\d\\w\\s\\S", "1_ x|9z\tq", "a_ x|1- x"},
    {"not digits", "\\D+", "ab-", "a1"},
    {"escaped operators", "\\.\\*\\\\\\\"", ".*\\\"", "xx"},
    {"quoted", "\"a.*\"b", "a.*b", "axxb"},
    {"complement", "~(ab|cd)", "|abc|x", "ab|cd"},
    {"complement inside", "a~(b+)c", "ac|axc|abxc", "abc|abbc"},
    {"twice complement", "~~a", "a", "b"},
    {"intersection", "...&[a-c]*&~(abc)", "aaa|cba", "abc|ab|xyz"},
    {"any string", "a@&@b", "ab|axb", "a|b|ba"},
    {"empty language", "a#|b", "b", "a"},
    {"empty string", "()", "", "a"},
    {"nothing", "", "", "a"},
    {"interval", "<7-123>", "7|007|99|123|0123", "6|124|1234|"},
    {"interval of one width", "<01-31>", "01|31|09", "1|32|00|031"},
    {"interval the wrong way round", "<20-10>", "15", "9"},
    {"star is plain at the start", "*a", "*a", "a"},
    {"closing brackets are plain", "a]}", "a]}", "a"},
    {"case matters", "Ab", "Ab", "ab|AB"},
};

static void has(struct sb_pattern *p, const char *list, bool expected, const char *name) {
    struct sb_str rest = sb_str_of(list), part;
    while (sb_str_split(&rest, '|', &part)) {
        bool yes;
        assert_int_equal(sb_pattern_match(p, part, &yes), SB_OK);
        if (yes != expected) fail_msg("%s: \"%.*s\"", name, SB_ARG(part));
    }
}

static void regexps_match_as_lucene_says(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(regexps); i++) {
        struct sb_arena a;
        struct sb_pattern *p;
        struct sb_errctx ctx = {0};
        sb_arena_init(&a, 64 << 20);
        if (compile(&p, &a, regexps[i].pattern, false, &ctx)) fail_msg("%s", ctx.msg);
        has(p, regexps[i].yes, true, regexps[i].name);
        has(p, regexps[i].no, false, regexps[i].name);
        sb_arena_fini(&a);
    }
}

static const struct {
    const char *name, *pattern;
    sb_err err;
    int64_t pos;
} refused[] = {
    {"an open group", "a(b", SB_E_SYNTAX, 3},
    {"a group that was not opened", "ab)c", SB_E_SYNTAX, 2},
    {"an open class", "[ab", SB_E_SYNTAX, 3},
    {"a range that goes down", "[z-a]", SB_E_SYNTAX, 4},
    {"an open quote", "\"ab", SB_E_SYNTAX, 3},
    {"an escape at the end", "a\\", SB_E_SYNTAX, 2},
    {"an alternative that is missing", "a|", SB_E_SYNTAX, 2},
    {"no number in a repeat", "a{x}", SB_E_SYNTAX, 2},
    {"an open repeat", "a{2", SB_E_SYNTAX, 3},
    {"a repeat from more to less", "a{3,2}", SB_E_SYNTAX, 6},
    {"too many repeats", "a{1001}", SB_E_LIMIT, 7},
    {"a named automaton", "<name>", SB_E_SYNTAX, 1},
    {"an open interval", "<1-2", SB_E_SYNTAX, 4},
};

static void wrong_regexps_say_where(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(refused); i++) {
        struct sb_arena a;
        struct sb_pattern *p;
        struct sb_errctx ctx = {0};
        sb_arena_init(&a, 64 << 20);
        sb_err err = compile(&p, &a, refused[i].pattern, false, &ctx);
        if (err != refused[i].err || ctx.pos != refused[i].pos)
            fail_msg("%s: %s at %lld: %s", refused[i].name, sb_err_name(err), (long long)ctx.pos,
                     ctx.msg);
        sb_arena_fini(&a);
    }
}

static void deep_groups_are_refused(void **state) {
    (void)state;
    char text[1000];
    struct sb_arena a;
    struct sb_pattern *p;
    sb_arena_init(&a, 64 << 20);
    for (int depth = 100; depth <= 101; depth++) {
        memset(text, '(', (size_t)depth);
        text[depth] = 'a';
        memset(text + depth + 1, ')', (size_t)depth);
        sb_err err =
            sb_pattern_regexp(&p, &a, sb_str_make(text, 2 * (size_t)depth + 1), false, NULL);
        assert_int_equal(err, depth == 100 ? SB_OK : SB_E_LIMIT);
    }
    sb_arena_fini(&a);
}

/* Patterns that make backtracking engines take exponential time. */
static void hard_patterns_stay_linear(void **state) {
    (void)state;
    static const char *const hard[] = {"(a*)*b", "(a|a)*b", "(a|aa)+b", "(.*a){20}b",
                                       "(a?){100}a{100}"};
    char value[8000];
    memset(value, 'a', sizeof value);
    for (size_t i = 0; i < SB_COUNT(hard); i++) {
        struct sb_arena a;
        struct sb_pattern *p;
        bool yes = true;
        sb_arena_init(&a, 64 << 20);
        assert_int_equal(compile(&p, &a, hard[i], false, NULL), SB_OK);
        assert_int_equal(sb_pattern_match(p, sb_str_make(value, sizeof value), &yes), SB_OK);
        assert_false(yes);
        sb_arena_fini(&a);
    }
}

/* A subset of the language whose meaning POSIX shares. */
static void random_regexp(struct sb_rng *r, struct sb_buf *b, int depth) {
    static const char *const atoms[] = {"a", "b", "c", ".", "[ab]", "[^b]"};
    static const char *const counts[] = {"", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,3}"};
    uint32_t parts = 1 + (uint32_t)(sb_rng_next(r) >> 40) % 3;
    for (uint32_t i = 0; i < parts; i++) {
        bool group = depth < 3 && (sb_rng_next(r) >> 40) % 3 == 0;
        if (i && (sb_rng_next(r) >> 40) % 4 == 0) sb_buf_addc(b, '|');
        if (group) sb_buf_addc(b, '(');
        if (group)
            random_regexp(r, b, depth + 1);
        else
            sb_buf_addz(b, atoms[(sb_rng_next(r) >> 40) % SB_COUNT(atoms)]);
        if (group) sb_buf_addc(b, ')');
        sb_buf_addz(b, counts[(sb_rng_next(r) >> 40) % SB_COUNT(counts)]);
    }
}

static void random_regexps_agree_with_posix(void **state) {
    (void)state;
    struct sb_rng r;
    struct sb_buf b;
    sb_rng_seed(&r, 7);
    sb_buf_init(&b, 4096);
    for (int i = 0; i < 1500; i++) {
        struct sb_arena a;
        struct sb_pattern *p;
        regex_t re;
        sb_arena_init(&a, 64 << 20);
        sb_buf_reset(&b);
        SB_BUF_LIT(&b, "^(");
        random_regexp(&r, &b, 0);
        SB_BUF_LIT(&b, ")$");
        assert_int_equal(regcomp(&re, sb_buf_cstr(&b), REG_EXTENDED | REG_NOSUB), 0);
        struct sb_str own = sb_str_sub(sb_buf_view(&b), 2, b.n - 4);
        assert_int_equal(sb_pattern_regexp(&p, &a, own, false, NULL), SB_OK);
        for (int k = 0; k < 40; k++) {
            char s[10];
            size_t n = (sb_rng_next(&r) >> 40) % 9;
            bool yes;
            for (size_t j = 0; j < n; j++) s[j] = "abcd"[(sb_rng_next(&r) >> 40) % 4];
            s[n] = 0;
            assert_int_equal(sb_pattern_match(p, sb_str_make(s, n), &yes), SB_OK);
            if (yes != (regexec(&re, s, 0, NULL, 0) == 0))
                fail_msg("%.*s on \"%s\": %d", SB_ARG(own), s, yes);
        }
        regfree(&re);
        sb_arena_fini(&a);
    }
    sb_buf_fini(&b);
}

static const struct {
    const char *name, *pattern;
    bool any_case;
    const char *yes, *no;
} wildcards[] = {
    {"plain", "abc", false, "abc", "ab|abcd|ABC"},
    {"one", "a?c", false,
     "abc|a\xc3\xa9"
     "c",
     "ac|abbc"},
    {"many", "a*c", false, "ac|abc|abbbc", "abcd"},
    {"only stars", "***", false, "|abc", NULL},
    {"escaped", "a\\*\\?\\\\", false, "a*?\\", "ab?\\"},
    {"operators of regular expressions are plain", "a.b|[c]", false, NULL, "axb"},
    {"any case", "AB*\xc3\x89", true, "ab\xc3\xa9|ABx\xc3\x89", "a"},
};

static void wildcards_match(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(wildcards); i++) {
        struct sb_arena a;
        struct sb_pattern *p;
        sb_arena_init(&a, 1 << 20);
        assert_int_equal(sb_pattern_wildcard(&p, &a, sb_str_of(wildcards[i].pattern),
                                             wildcards[i].any_case, NULL),
                         SB_OK);
        if (wildcards[i].yes) has(p, wildcards[i].yes, true, wildcards[i].name);
        if (wildcards[i].no) has(p, wildcards[i].no, false, wildcards[i].name);
        sb_arena_fini(&a);
    }
}

static void case_is_ignored_where_asked(void **state) {
    (void)state;
    struct sb_arena a;
    struct sb_pattern *p;
    sb_arena_init(&a, 8 << 20);
    assert_int_equal(compile(&p, &a, "[a-c]x\xce\xb1", true, NULL), SB_OK);
    has(p, "AX\xce\x91|bx\xce\xb1", true, "folded");
    has(p, "DX\xce\x91", false, "folded");
    assert_int_equal(sb_pattern_text(&p, &a, SB_STR("stra\xc3\x9f"), false, NULL), SB_OK);
    has(p,
        "STRA\xc3\x9f"
        "e",
        true, "prefix");
    assert_int_equal(sb_text_lower(0x410), 0x430);
    assert_int_equal(sb_text_swap(0x101), 0x100);
    assert_int_equal(sb_text_swap('1'), '1');
    sb_arena_fini(&a);
}

/* ---- words ---- */

static const struct {
    const char *name, *text, *words; /* separated by / */
} cuts[] = {
    {"blanks and signs", " Hello,  world! (x) ", "Hello/world/x"},
    {"apostrophes and dots", "can't 3.14 a.b v1.2 end.", "can't/3.14/a.b/v1.2/end"},
    {"numbers with commas", "1,000 a,b", "1,000/a/b"},
    {"underscores", "a_b _ __x", "a_b/__x"},
    {"dashes part", "gamma-ray", "gamma/ray"},
    {"letters above ASCII", "d\xc3\xa9j\xc3\xa0 vu", "d\xc3\xa9j\xc3\xa0/vu"},
    {"ideographs stand alone", "\xe4\xb8\xad\xe6\x96\x87 ab", "\xe4\xb8\xad/\xe6\x96\x87/ab"},
    {"no words", " ?! \xe2\x80\xa6", ""},
    {"ill-formed bytes part",
     "a\xff"
     "b",
     "a/b"},
};

static void words_are_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(cuts); i++) {
        struct sb_buf b;
        struct sb_str word;
        sb_buf_init(&b, 1000);
        for (size_t at = 0; sb_words_next(sb_str_of(cuts[i].text), &at, &word);) {
            if (b.n) sb_buf_addc(&b, '/');
            sb_buf_adds(&b, word);
        }
        if (!sb_str_is(sb_buf_view(&b), cuts[i].words))
            fail_msg("%s: %.*s", cuts[i].name, SB_ARG(sb_buf_view(&b)));
        sb_buf_fini(&b);
    }
}

static const struct {
    const char *query;
    enum sb_query_words mode;
    const char *value;
    bool found;
} finds[] = {
    {"dog cat", SB_WORDS_ANY, "the CAT sat", true},
    {"dog cow", SB_WORDS_ANY, "the cat sat", false},
    {"sat cat", SB_WORDS_ALL, "the cat sat", true},
    {"sat cat cat", SB_WORDS_ALL, "the cat sat", true},
    {"sat dog", SB_WORDS_ALL, "the cat sat", false},
    {"cat sat", SB_WORDS_PHRASE, "the Cat, sat.", true},
    {"sat cat", SB_WORDS_PHRASE, "the cat sat", false},
    {"the sat", SB_WORDS_PHRASE, "the cat sat", false},
    {"cat sa", SB_WORDS_PHRASE, "the cat sat", false},
    {"cat sa", SB_WORDS_PHRASE_PREFIX, "the cat sat", true},
    {"ca sat", SB_WORDS_PHRASE_PREFIX, "the cat sat", false},
    {"...", SB_WORDS_ANY, "the cat sat", false},
};

static void words_are_found(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(finds); i++) {
        struct sb_arena a;
        struct sb_words *w;
        sb_arena_init(&a, 1 << 20);
        assert_int_equal(sb_words_new(&w, &a, sb_str_of(finds[i].query), (int)finds[i].mode, NULL),
                         SB_OK);
        if (sb_words_match(w, sb_str_of(finds[i].value)) != finds[i].found)
            fail_msg("\"%s\" in \"%s\"", finds[i].query, finds[i].value);
        sb_arena_fini(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regexps_match_as_lucene_says),
        cmocka_unit_test(wrong_regexps_say_where),
        cmocka_unit_test(deep_groups_are_refused),
        cmocka_unit_test(hard_patterns_stay_linear),
        cmocka_unit_test(random_regexps_agree_with_posix),
        cmocka_unit_test(wildcards_match),
        cmocka_unit_test(case_is_ignored_where_asked),
        cmocka_unit_test(words_are_cut),
        cmocka_unit_test(words_are_found),
    };
    return cmocka_run_group_tests_name("engine/column/pattern", tests, NULL, NULL);
}

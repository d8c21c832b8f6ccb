/* Queries: the DSL and query_string, as the engine's queries; failures by type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/search/fixture_test.h"

static void bodies_are_queries(void **state) {
    (void)state;
    static const struct {
        const char *body, *want;
    } rows[] = {
        {"{\"match_all\":{}}", "(all)"},
        {"{\"term\":{\"model.keyword\":\"Iris\"}}", "(terms model 'Iris')"},
        {"{\"term\":{\"model\":\"Iris A\"}}", "(words model phrase 'Iris A')"},
        {"{\"term\":{\"n\":\"7\"}}", "(terms n 7)"},
        {"{\"term\":{\"n\":1.5}}", "(none n)"},
        {"{\"term\":{\"ok\":true}}", "(terms ok 1)"},
        {"{\"term\":{\"nothing\":1}}", "(none '1')"},
        {"{\"term\":{\"model.keyword\":{\"value\":\"a\",\"case_insensitive\":true}}}",
         "(terms model 'a' i)"},
        {"{\"terms\":{\"n\":[1,2.5,3],\"boost\":2}}", "(terms n 1 3)"},
        {"{\"range\":{\"n\":{\"gt\":1.5,\"lt\":3}}}", "(range n >=2 <3)"},
        {"{\"range\":{\"n\":{\"gte\":1e30}}}", "(range n >9223372036854775807)"},
        {"{\"range\":{\"input.x\":{\"from\":1,\"to\":2,\"include_upper\":false}}}",
         "(range input.x >=1 <2)"},
        {"{\"range\":{\"input.x\":{\"gte\":null}}}", "(exists input.x)"},
        {"{\"range\":{\"@timestamp\":{\"gt\":\"now/d\",\"lte\":\"2026-11-24\"}}}",
         "(range @timestamp >1795564799999 <=1795564799999)"},
        {"{\"range\":{\"@timestamp\":{\"gte\":5,\"format\":\"epoch_millis\"}}}",
         "(range @timestamp >=5)"},
        {"{\"exists\":{\"field\":\"input\"}}", "(exists input.x)"},
        {"{\"ids\":{\"values\":[\"a\"]}}", "(ids 'a')"},
        {"{\"prefix\":{\"model.keyword\":\"I\"}}", "(prefix model 'I')"},
        {"{\"prefix\":{\"model\":\"I\"}}", "(words model phrase_prefix 'I' i)"},
        {"{\"wildcard\":{\"model.keyword\":{\"wildcard\":\"a*\"}}}", "(wildcard model 'a*')"},
        {"{\"match\":{\"model\":{\"query\":\"a b\",\"operator\":\"AND\"}}}",
         "(words model all 'a b')"},
        {"{\"bool\":{\"filter\":{\"exists\":{\"field\":\"n\"}},\"must_not\":[{\"match_none\":{}}]}"
         "}",
         "(bool +(exists n) -(none))"},
        {"{\"bool\":{\"should\":[{\"match_all\":{}},{\"match_none\":{}}],\"minimum_should_match\":"
         "\"-1\"}}",
         "(bool ?(all) ?(none) min1)"},
        {"{\"constant_score\":{\"filter\":{\"match_all\":{}}}}", "(all)"},
        {"{\"fuzzy\":{}}", "400 parsing_exception"},
        {"{\"term\":{\"n\":\"x\"}}", "400 number_format_exception"},
        {"{\"term\":{\"n\":1,\"ok\":true}}", "400 parsing_exception"},
        {"{\"term\":{\"ok\":\"yes\"}}", "400 illegal_argument_exception"},
        {"{\"range\":{\"n\":{\"gte\":1,\"strange\":2}}}", "400 x_content_parse_exception"},
        {"{\"range\":{\"n\":{\"gte\":1,\"gt\":2}}}", "400 parsing_exception"},
        {"{\"match\":{\"model\":{\"query\":\"a\",\"fuzziness\":\"AUTO\"}}}",
         "400 illegal_argument_exception"},
        {"{\"prefix\":{\"n\":\"1\"}}", "400 query_shard_exception"},
        {"{\"match_all\":{},\"match_none\":{}}", "400 parsing_exception"},
        {"[]", "400 parsing_exception"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct fixture f;
        const struct sb_query *q = NULL;
        fixture_init(&f);
        struct sb_json *v = fixture_json(&f, rows[i].body);
        assert_non_null(v);
        sb_err err = es_query_parse(&f.parse, v, &q);
        const char *got = fixture_text(&f, err, q);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: %s, not %s", rows[i].body, got, rows[i].want);
        assert_true(f.error.status || f.parse.depth == 0);
        fixture_fini(&f);
    }
}

static void texts_are_queries(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
        bool and;
    } rows[] = {
        {"model.keyword:a", "(terms model 'a')", false},
        {"n:1 n:2", "(bool ?(terms n 1) ?(terms n 2) min1)", false},
        {"n:1 n:2", "(bool +(terms n 1) +(terms n 2))", true},
        {"n:1 AND n:2", "(bool +(terms n 1) +(terms n 2))", false},
        {"n:1 OR n:2", "(bool ?(terms n 1) ?(terms n 2) min1)", true},
        {"n:1 OR n:2 AND n:3", "(bool +(terms n 2) +(terms n 3) ?(terms n 1))", false},
        {"n:1 and n:2", "(bool ?(terms n 1) ?(words model any 'and') ?(terms n 2) min1)", false},
        {"+n:1 -n:2 !n:3", "(bool +(terms n 1) -(terms n 2) -(terms n 3))", false},
        {"NOT n:1", "(bool -(terms n 1))", false},
        {"n:1 && (n:2 || n:3)", "(bool +(terms n 1) +(bool ?(terms n 2) ?(terms n 3) min1))",
         false},
        {"n:(1 2)", "(bool ?(terms n 1) ?(terms n 2) min1)", false},
        {"n:[1 TO 5}", "(range n >=1 <5)", false},
        {"n:{* TO 5]", "(range n <=5)", false},
        {"n:>=10", "(range n >=10)", false},
        {"n:<10^2", "(range n <10)", false},
        {"@timestamp:>2026-11-24T08:20:00", "(range @timestamp >1795508400999)", false},
        {"n:*", "(exists n)", false},
        {"_exists_:n", "(exists n)", false},
        {"*", "(all)", false},
        {"model:\"a b\"", "(words model phrase 'a b')", false},
        {"model.keyword:\"a \\\" b\"^3", "(terms model 'a \" b')", false},
        {"model.keyword:a\\:b\\*", "(terms model 'a:b*')", false},
        {"model.keyword:a*", "(prefix model 'a')", false},
        {"model.keyword:a*b?", "(wildcard model 'a*b?')", false},
        {"model.keyword:/a\\/b.*/", "(regexp model 'a/b.*')", false},
        {"inp\\*:>1", "(none)", false},
        {"inp*:>1", "(range input.x >1)", false},
        {"\"\"", "(bool ?(words model phrase) ?(terms ok 0) min1)", false},
        {"", "(none)", false},
        {"n:1 AND", "400 query_shard_exception", false},
        {"OR n:1", "400 query_shard_exception", false},
        {"n:", "400 query_shard_exception", false},
        {"(n:1", "400 query_shard_exception", false},
        {"n:1)", "400 query_shard_exception", false},
        {"n:[1 TO", "400 query_shard_exception", false},
        {"n:[1 2]", "400 query_shard_exception", false},
        {"\"a", "400 query_shard_exception", false},
        {"a\\", "400 query_shard_exception", false},
        {"n:x", "400 number_format_exception", false},
        {"model:a~1", "400 illegal_argument_exception", false},
        {"model:\"a b\"~2", "400 illegal_argument_exception", false},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct fixture f;
        const struct sb_query *q = NULL;
        struct es_query_string o = {.text = sb_str_of(rows[i].text), .and = rows[i].and };
        fixture_init(&f);
        sb_err err = es_query_string_parse(&f.parse, &o, &q);
        const char *got = fixture_text(&f, err, q);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: %s, not %s", rows[i].text, got, rows[i].want);
        fixture_fini(&f);
    }
}

static void simple_texts_never_fail_on_syntax(void **state) {
    (void)state;
    static const struct sb_str model = {"model.keyword", 13};
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"a + b", "(bool +(terms model 'a') +(terms model 'b'))"},
        {"a | b", "(bool ?(terms model 'a') ?(terms model 'b') min1)"},
        {"a -b", "(bool -(terms model 'b') ?(terms model 'a') min1)"},
        {"a + b | c",
         "(bool ?(bool +(terms model 'a') +(terms model 'b')) ?(terms model 'c') min1)"},
        {"(a | b) + c*",
         "(bool +(bool ?(terms model 'a') ?(terms model 'b') min1) +(prefix model 'c'))"},
        {"\"a b", "(terms model 'a b')"},
        {"((", "(none)"},
        {"))", "(none)"},
        {"", "(none)"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct fixture f;
        const struct sb_query *q = NULL;
        struct es_query_string o = {
            .text = sb_str_of(rows[i].text), .fields = &model, .nfields = 1, .simple = true};
        fixture_init(&f);
        sb_err err = es_query_string_parse(&f.parse, &o, &q);
        const char *got = fixture_text(&f, err, q);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: %s, not %s", rows[i].text, got, rows[i].want);
        fixture_fini(&f);
    }
}

static void names_match_patterns(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool want;
    } rows[] = {{"a*", "abc", true},      {"*", "", true},    {"a*c", "abcbc", true},
                {"a*c", "abcb", false},   {"a", "ab", false}, {"**a**", "bab", true},
                {"a*b*c", "aXbYc", true}, {"", "a", false},   {"*.x", "input.x", true}};
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        assert_int_equal(es_name_matches(sb_str_of(rows[i].pattern), sb_str_of(rows[i].name)),
                         rows[i].want);
}

static void answers_are_shaped(void **state) {
    (void)state;
    static const struct {
        const char *filter, *want;
    } rows[] = {
        {"a.b", "{\"a\":{\"b\":1}}"},
        {"a.*", "{\"a\":{\"b\":1,\"c\":[{\"d\":2,\"e\":3},{\"e\":4}]}}"},
        {"**.e", "{\"a\":{\"c\":[{\"e\":3},{\"e\":4}]}}"},
        {"a.c.d,f", "{\"a\":{\"c\":[{\"d\":2}]},\"f\":5}"},
        {"-a", "{\"f\":5}"},
        {"a,-**.e", "{\"a\":{\"b\":1,\"c\":[{\"d\":2},{}]}}"},
        {"nothing", "{}"},
    };
    static const char body[] = "{\"a\":{\"b\":1,\"c\":[{\"d\":2,\"e\":3},{\"e\":4}]},\"f\":5}";
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_buf b;
        struct es_error e = {0};
        sb_buf_init(&b, 1 << 20);
        sb_buf_addz(&b, body);
        assert_int_equal(es_shape(&b, sb_str_of(rows[i].filter), false, &e), SB_OK);
        assert_string_equal(sb_buf_cstr(&b), rows[i].want);
        sb_buf_fini(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_queries),
        cmocka_unit_test(texts_are_queries),
        cmocka_unit_test(simple_texts_never_fail_on_syntax),
        cmocka_unit_test(names_match_patterns),
        cmocka_unit_test(answers_are_shaped),
    };
    return cmocka_run_group_tests_name("search_query", tests, NULL, NULL);
}

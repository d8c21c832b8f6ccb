/* GraphQL requests against MLflow's schema: what the pages of MLflow send is planned, what is wrong
 * is told as MLflow tells it, and the costs have an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/mlflow_ui/gql.h"

static struct sb_arena arena;

static int arena_open(void **state) {
    (void)state;
    sb_arena_init(&arena, 64 << 20);
    return 0;
}
static int arena_close(void **state) {
    (void)state;
    sb_arena_fini(&arena);
    return 0;
}

static const char *plan(struct gql_plan *p, const char *query, const char *variables,
                        const char *operation) {
    struct sb_json *v = NULL;
    if (variables) assert_int_equal(sb_json_parse(&v, sb_str_of(variables), &arena, NULL), SB_OK);
    sb_err err = gql_plan_make(p, sb_str_of(query), sb_str_of(operation), v, &arena);
    assert_int_equal(err, p->error ? SB_E_INVALID : SB_OK);
    return p->error ? p->error : "";
}

static void names_are_camel_case(void **state) {
    (void)state;
    static const struct {
        const char *snake, *camel;
        bool same;
    } rows[] = {
        {"run_id", "runId", true},   {"is_dir", "isDir", true},
        {"name", "name", true},      {"apiError", "apiError", true},
        {"run_id", "run_id", false}, {"run_id", "runI", false},
        {"run_id", "runIdx", false}, {"run_id", "RunId", false},
        {"run_id", "", false},       {"mlflow_get_run", "mlflowGetRun", true},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        if (gql_name_is(rows[i].snake, sb_str_of(rows[i].camel)) != rows[i].same)
            fail_msg("%s, %s", rows[i].snake, rows[i].camel);
}

/* ---- arguments ---- */

static void arguments_become_the_call_s_members(void **state) {
    (void)state;
    static const struct {
        const char *name, *query, *variables, *args;
    } rows[] = {
        {"literal", "{mlflowGetRun(input:{runId:\"r\"}){run{info{runId}}}}", NULL,
         "{\"run_id\":\"r\"}"},
        {"variable", "query($d:MlflowGetRunInput!){mlflowGetRun(input:$d){run{info{runId}}}}",
         "{\"d\":{\"runUuid\":\"r\"}}", "{\"run_uuid\":\"r\"}"},
        {"variable with a default",
         "query($d:MlflowGetRunInput={runId:\"x\"}){mlflowGetRun(input:$d){run{info{runId}}}}",
         "{}", "{\"run_id\":\"x\"}"},
        {"absent variable of a type that may be null",
         "query($d:MlflowGetRunInput){mlflowGetRun(input:$d){run{info{runId}}}}", NULL, "{}"},
        {"variables within",
         "query($a:String $b:[String]){mlflowSearchRuns(input:{filter:$a "
         "orderBy:$b experimentIds:[\"1\",$a]}){nextPageToken}}",
         "{\"a\":\"f\",\"b\":[\"x\",\"y\"]}",
         "{\"experiment_ids\":[\"1\",\"f\"],\"order_by\":[\"x\",\"y\"],\"filter\":\"f\"}"},
        {"one value is a list of one",
         "{mlflowSearchRuns(input:{experimentIds:\"7\"}){nextPageToken}}", NULL,
         "{\"experiment_ids\":[\"7\"]}"},
        {"numbers and an enum",
         "{mlflowSearchRuns(input:{maxResults:5 runViewType:ALL}){nextPageToken}}", NULL,
         "{\"run_view_type\":\"ALL\",\"max_results\":5}"},
        {"a long, as number or text",
         "query($n:LongString){mlflowSearchModelVersions(input:{maxResults:$n}){nextPageToken}}",
         "{\"n\":\"12\"}", "{\"max_results\":\"12\"}"},
        {"null is absent", "{mlflowGetRun(input:{runId:null}){run{info{runId}}}}", NULL, "{}"},
        {"a mutation, which only reads",
         "mutation($d:MlflowSearchDatasetsInput!)"
         "{mlflowSearchDatasets(input:$d){datasetSummaries{name}}}",
         "{\"d\":{\"experimentIds\":[\"1\",\"2\"]}}", "{\"experiment_ids\":[\"1\",\"2\"]}"},
        {"echo", "{test(inputString:\"hi\"){output}}", NULL, "{\"output\":\"hi\"}"},
        {"echo of a variable", "query($s:String!){test(inputString:$s){output}}", "{\"s\":\"hi\"}",
         "{\"output\":\"hi\"}"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct gql_plan p;
        struct sb_buf b;
        const char *error = plan(&p, rows[i].query, rows[i].variables, NULL);
        if (*error) fail_msg("%s: %s", rows[i].name, error);
        sb_buf_init(&b, 1 << 16);
        sb_json_add_tree(&b, p.root.child->args);
        if (strcmp(sb_buf_cstr(&b), rows[i].args) != 0)
            fail_msg("%s: %s", rows[i].name, sb_buf_cstr(&b));
        sb_buf_fini(&b);
    }
}

/* ---- errors: the messages are MLflow's (graphql-core's) ---- */

#define RUN(selection) "{mlflowGetRun(input:{runId:\"r\"}){" selection "}}"
#define RUN_BY(type)   "query($d:" type "){mlflowGetRun(input:$d){run{info{runId}}}}"

static void what_is_wrong_is_told(void **state) {
    (void)state;
    static const struct {
        const char *name, *query, *variables, *error;
    } rows[] = {
        {"syntax", "{ a", NULL, "Syntax Error: Expected Name, found <EOF>."},
        {"unknown root field", "{nope}", NULL, "Cannot query field 'nope' on type 'Query'."},
        {"a root field of the other kind", "{mlflowSearchDatasets(input:{}){apiError{code}}}", NULL,
         "Cannot query field 'mlflowSearchDatasets' on type 'Query'."},
        {"unknown field", RUN("run{info{runId nope}}"), NULL,
         "Cannot query field 'nope' on type 'MlflowRunInfo'."},
        {"introspection", "{__schema{queryType{name}}}", NULL,
         "Cannot query field '__schema' on type 'Query'."},
        {"no subfields", RUN("run{info}"), NULL,
         "Field 'info' of type 'MlflowRunInfo' must have a selection of subfields. Did you mean "
         "'info { ... }'?"},
        {"subfields of a scalar", RUN("run{info{runId{x}}}"), NULL,
         "Field 'runId' must not have a selection since type 'String' has no subfields."},
        {"subfields of an enum", RUN("run{info{status{x}}}"), NULL,
         "Field 'status' must not have a selection since type 'enum' has no subfields."},
        {"subfields of __typename", "{__typename{x}}", NULL,
         "Field '__typename' must not have a selection since type 'String!' has no subfields."},
        {"unknown argument", "{mlflowGetRun(inpu:{}){run{info{runId}}}}", NULL,
         "Unknown argument 'inpu' on field 'Query.mlflowGetRun'."},
        {"argument of a plain field", RUN("run{info(a:1){runId}}"), NULL,
         "Unknown argument 'a' on field 'MlflowRunExtension.info'."},
        {"an argument twice", "{test(inputString:\"a\" inputString:\"b\"){output}}", NULL,
         "There can be only one argument named 'inputString'."},
        {"unknown input field", "{mlflowGetRun(input:{bad:1}){run{info{runId}}}}", NULL,
         "Field 'bad' is not defined by type 'MlflowGetRunInput'."},
        {"input of the wrong kind", "{mlflowGetRun(input:7){run{info{runId}}}}", NULL,
         "Expected value of type 'MlflowGetRunInput', found 7."},
        {"number for a string", "{mlflowGetRun(input:{runId:5}){run{info{runId}}}}", NULL,
         "String cannot represent a non string value: 5"},
        {"word for a string", "{mlflowGetRun(input:{runId:abc}){run{info{runId}}}}", NULL,
         "String cannot represent a non string value: abc"},
        {"word in a list", "{mlflowSearchRuns(input:{orderBy:[\"a\",b]}){nextPageToken}}", NULL,
         "String cannot represent a non string value: b"},
        {"null in a list", "{mlflowSearchRuns(input:{orderBy:[null]}){nextPageToken}}", NULL,
         "String cannot represent a non string value: null"},
        {"no integer", "{mlflowSearchRuns(input:{maxResults:1.5}){nextPageToken}}", NULL,
         "Int cannot represent non-integer value: 1.5"},
        {"over 32 bits", "{mlflowSearchRuns(input:{maxResults:2147483648}){nextPageToken}}", NULL,
         "Int cannot represent non 32-bit signed integer value: 2147483648"},
        {"no long", "{mlflowSearchModelVersions(input:{maxResults:\"x\"}){nextPageToken}}", NULL,
         "LongString cannot represent value: \"x\""},
        {"unknown enum value", "{mlflowSearchRuns(input:{runViewType:FOO}){nextPageToken}}", NULL,
         "Value 'FOO' does not exist in 'MlflowViewType' enum."},
        {"text for an enum", "{mlflowSearchRuns(input:{runViewType:\"ALL\"}){nextPageToken}}", NULL,
         "Value 'ALL' does not exist in 'MlflowViewType' enum."},
        {"enum by a variable",
         "query($v:MlflowViewType){mlflowSearchRuns(input:{runViewType:$v}){nextPageToken}}",
         "{\"v\":\"FOO\"}",
         "Variable '$v' got invalid value \"FOO\" at 'v.run_view_type'; Enum 'MlflowViewType' "
         "cannot "
         "represent value: \"FOO\""},
        {"bool for the echo", "{test(inputString:true){output}}", NULL,
         "String cannot represent a non string value: true"},
        {"missing variable", RUN_BY("MlflowGetRunInput!"), "{}",
         "Variable '$d' of required type 'MlflowGetRunInput!' was not provided."},
        {"null variable", RUN_BY("MlflowGetRunInput!"), "{\"d\":null}",
         "Variable '$d' of non-null type 'MlflowGetRunInput!' must not be null."},
        {"unknown type", RUN_BY("Foo!"), "{\"d\":{}}", "Unknown type 'Foo'."},
        {"another type", RUN_BY("MlflowSearchRunsInput!"), "{\"d\":{}}",
         "Variable '$d' of type 'MlflowSearchRunsInput!' used in position expecting type "
         "'MlflowGetRunInput'."},
        {"variable of the wrong shape", RUN_BY("MlflowGetRunInput!"), "{\"d\":[1]}",
         "Expected type 'MlflowGetRunInput' to be a mapping."},
        {"unknown field of a variable", RUN_BY("MlflowGetRunInput!"), "{\"d\":{\"bad\":1}}",
         "Variable '$d' got invalid value; Field 'bad' is not defined by type "
         "'MlflowGetRunInput'."},
        {"wrong value in a variable", RUN_BY("MlflowGetRunInput!"), "{\"d\":{\"runId\":5}}",
         "Variable '$d' got invalid value 5 at 'd.runId'; String cannot represent a non string "
         "value: 5"},
        {"undefined variable", "{mlflowGetRun(input:$x){run{info{runId}}}}", NULL,
         "Variable '$x' is not defined."},
        {"undefined variable in a list", "{mlflowSearchRuns(input:{orderBy:[$x]}){nextPageToken}}",
         NULL, "Variable '$x' is not defined."},
        {"unused variable", "query($x:String){test(inputString:\"q\"){output}}", NULL,
         "Variable '$x' is never used."},
        {"a variable twice", "query($x:String $x:String){test(inputString:$x){output}}", NULL,
         "There can be only one variable named '$x'."},
        {"unknown fragment", "{...G}", NULL, "Unknown fragment 'G'."},
        {"fragment of another type",
         "{test(inputString:\"x\"){...F}} fragment F on Query{__typename}", NULL,
         "Fragment 'F' cannot be spread here as objects of type 'Test' can never be of type "
         "'Query'."},
        {"inline fragment of another type", "{...on Test{output}}", NULL,
         "Fragment cannot be spread here as objects of type 'Query' can never be of type 'Test'."},
        {"unknown directive", "{test(inputString:\"x\"){output @skip(if:true)}}", NULL,
         "Unknown directive '@skip'."},
        {"directive at the wrong place", "{test(inputString:\"x\") @component(name:\"n\"){output}}",
         NULL, "Directive '@component' may not be used here."},
        {"one key, two fields", "{a:__typename a:test(inputString:\"x\"){output}}", NULL,
         "Fields 'a' conflict because they are different fields. Use different aliases on the "
         "fields to fetch both if this was intentional."},
        {"one key, two arguments",
         "{test(inputString:\"a\"){output} test(inputString:\"b\"){output}}", NULL,
         "Fields 'test' conflict because they have differing arguments. Use different aliases on "
         "the fields to fetch both if this was intentional."},
        {"two anonymous operations", "{__typename} {__typename}", NULL,
         "This anonymous operation must be the only defined operation."},
        {"two of one name", "query A{__typename} query A{__typename}", NULL,
         "There can be only one operation named 'A'."},
        {"which of two", "query A{__typename} query B{__typename}", NULL,
         "Must provide operation name if query contains multiple operations."},
        {"no operation", "fragment F on Query{__typename}", NULL, "Must provide an operation."},
        {"subscription", "subscription{__typename}", NULL,
         "Schema is not configured to execute subscription operation."},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct gql_plan p;
        const char *error = plan(&p, rows[i].query, rows[i].variables, NULL);
        if (strcmp(error, rows[i].error) != 0) fail_msg("%s: %s", rows[i].name, error);
    }
}

/* ---- plans ---- */

static void the_operation_is_chosen_by_name(void **state) {
    (void)state;
    struct gql_plan p;
    static const char two[] = "query A{__typename} mutation B{__typename}";
    assert_string_equal(plan(&p, two, NULL, "B"), "");
    assert_string_equal(p.root.child->parent->name, "Mutation");
    assert_string_equal(plan(&p, two, NULL, "C"), "Unknown operation named 'C'.");
}

static void one_key_is_one_field(void **state) {
    (void)state;
    struct gql_plan p;
    assert_string_equal(
        plan(&p,
             "{...Q test(inputString:\"x\"){__typename} ...{...on Query{n:__typename}}} "
             "fragment Q on Query{test(inputString:\"x\"){output ...T}} "
             "fragment T on Test{o:output}",
             NULL, NULL),
        "");
    const struct gql_node *test = p.root.child;
    assert_string_equal(test->key, "test");
    assert_string_equal(test->child->key, "output");
    assert_string_equal(test->child->next->key, "o");
    assert_string_equal(test->child->next->next->key, "__typename");
    assert_null(test->child->next->next->next);
    assert_string_equal(test->next->key, "n");
    assert_null(test->next->next);
}

/* n times a piece with %d in it. */
static const char *repeated(const char *before, const char *piece, int n, const char *after) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    sb_buf_addz(&b, before);
    for (int i = 0; i < n; i++) {
        const char *at = strchr(piece, '#');
        sb_buf_add(&b, piece, (size_t)(at - piece));
        sb_buf_addi(&b, i);
        sb_buf_addz(&b, at + 1);
    }
    sb_buf_addz(&b, after);
    const char *text = sb_arena_printf(&arena, "%s", sb_buf_cstr(&b));
    sb_buf_fini(&b);
    return text;
}

static void costs_have_an_end(void **state) {
    (void)state;
    struct gql_plan p;
    static const char aliases[] = "GraphQL queries should have at most 10 aliases, got more.";
    static const char many[] = "Query exceeds maximum total selections of 1000";
    /* each at its limit, then one more */
    assert_string_equal(plan(&p, repeated("{", " a#:__typename", 10, "}"), NULL, NULL), "");
    assert_string_equal(plan(&p, repeated("{", " a#:__typename", 11, "}"), NULL, NULL), aliases);
    assert_string_equal(plan(&p, repeated("{", " ...{a#:__typename}", 11, "}"), NULL, NULL),
                        aliases);
    assert_string_equal(plan(&p, repeated("{", " a#:__typename", 10, " __typename}"), NULL, NULL),
                        "GraphQL queries should have at most 10 root fields, got more.");
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    for (int n = 1000; n <= 1001; n++) {
        sb_buf_reset(&b);
        sb_buf_addc(&b, '{');
        for (int i = 0; i < n; i++) sb_buf_addz(&b, "__typename ");
        sb_buf_addc(&b, '}');
        assert_string_equal(plan(&p, sb_buf_cstr(&b), NULL, NULL), n > 1000 ? many : "");
    }
    sb_buf_fini(&b);
    /* fragments that double at each level, and one that spreads itself */
    assert_string_equal(
        plan(&p,
             repeated("{...F0}", " fragment F# on Query{...F10 ...F10}", 10,
                      " fragment F10 on Query{...F11 ...F11} fragment F11 on Query{...F12 ...F12} "
                      "fragment F12 on Query{...F10 ...F10}"),
             NULL, NULL),
        "Fragments are spread within each other more than 16 deep.");
    assert_string_equal(plan(&p,
                             "{...A} fragment A on Query{...B ...B ...B ...B ...B ...B} "
                             "fragment B on Query{...C ...C ...C ...C ...C ...C} "
                             "fragment C on Query{...D ...D ...D ...D ...D ...D} "
                             "fragment D on Query{__typename __typename __typename __typename}",
                             NULL, NULL),
                        many);
    assert_string_equal(plan(&p, "{...A} fragment A on Query{...A}", NULL, NULL),
                        "Fragments are spread within each other more than 16 deep.");
    /* 65 variables */
    assert_string_equal(
        plan(&p, repeated("query(", " $v#:String", 65, "){__typename}"), NULL, NULL),
        "The query has too many variables.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_camel_case),
        cmocka_unit_test(arguments_become_the_call_s_members),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(the_operation_is_chosen_by_name),
        cmocka_unit_test(one_key_is_one_field),
        cmocka_unit_test(costs_have_an_end),
    };
    return cmocka_run_group_tests(tests, arena_open, arena_close);
}

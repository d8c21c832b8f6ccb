/* domain/model: the MLmodel file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "domain/model/mlmodel.h"

#define PYFUNC "  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n"

static void a_model_of_todays_client_is_read(void **state) {
    (void)state;
    static const char TEXT[] = "artifact_path: models:/m-0c7a\n"
                               "flavors:\n"
                               "  python_function:\n"
                               "    code: code/\n"
                               "    env:\n"
                               "      conda: conda.yaml\n"
                               "      virtualenv: python_env.yaml\n"
                               "    loader_module: mlflow.sklearn\n"
                               "    model_path: model.skops\n"
                               "    predict_fn: predict\n"
                               "    python_version: 3.11.7\n"
                               "  sklearn:\n"
                               "    pickled_model: model.skops\n"
                               "    sklearn_version: 1.9.1\n"
                               "mlflow_version: 3.17.2\n"
                               "model_id: m-0c7a\n"
                               "run_id: '00000000000000000000000000000012'\n"
                               "is_signature_from_type_hint: false\n"
                               "metadata: {team: a}\n"
                               "saved_input_example_info:\n"
                               "  artifact_path: input_example.json\n"
                               "  pandas_orient: split\n"
                               "  serving_input_path: serving_input_example.json\n"
                               "  type: dataframe\n"
                               "signature:\n"
                               "  inputs: '[{\"type\": \"double\", \"name\": \"sepal length "
                               "(cm)\", \"required\": true}, {\"type\":\n"
                               "    \"long\", \"name\": \"n\", \"required\": false}]'\n"
                               "  outputs: '[{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": "
                               "\"int64\", \"shape\": [-1]}}]'\n"
                               "  params: null\n"
                               "utc_time_created: '2026-11-24 08:46:41.850250'\n";
    struct sb_mlmodel *m;
    struct sb_errctx ctx = {0};
    if (sb_mlmodel_parse(&m, sb_str_of(TEXT), &ctx) != SB_OK) fail_msg("%s", ctx.msg);
    assert_true(sb_str_is(m->run_id, "00000000000000000000000000000012"));
    assert_true(sb_str_is(m->mlflow_version, "3.17.2"));
    assert_int_equal(m->nflavors, 2);
    assert_true(sb_str_is(sb_mlmodel_main_flavor(m), "sklearn"));
    struct sb_str version;
    assert_true(
        sb_json_get_str(sb_mlmodel_flavor(m, "sklearn")->keys, "sklearn_version", &version));
    assert_true(sb_str_is(version, "1.9.1"));
    assert_null(sb_mlmodel_flavor(m, "xgboost"));
    assert_true(m->pyfunc.present);
    assert_true(sb_str_is(m->pyfunc.path, "model.skops"));
    assert_true(sb_str_is(m->pyfunc.code, "code"));
    assert_true(sb_str_is(m->pyfunc.virtualenv, "python_env.yaml"));
    assert_true(sb_str_is(m->example.artifact_path, "input_example.json"));
    assert_non_null(m->metadata);
    struct sb_signature *s = sb_mlmodel_take_signature(m);
    assert_false(m->signature->present);
    assert_true(s->present && s->enforce && s->named && !s->tensor);
    assert_int_equal(s->ninputs, 2);
    assert_string_equal(s->inputs[0].name, "sepal length (cm)");
    assert_false(s->inputs[1].required);
    assert_int_equal(s->noutputs, 1);
    assert_string_equal(s->outputs[0].tensor_dtype, "int64");
    sb_signature_free(s);
    sb_mlmodel_free(m);
}

static void bad_files_are_refused_with_a_reason(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        sb_err err;
        const char *msg;
    } T[] = {
        {"not YAML", "flavors: [", SB_E_SYNTAX, ""},
        {"not a mapping", "- 1\n", SB_E_INVALID, "not a mapping"},
        {"no flavors", "run_id: a\n", SB_E_INVALID, "no flavors"},
        {"a flavor that is a list", "flavors: {sklearn: [1]}\n", SB_E_INVALID, "'sklearn'"},
        {"no loader", "flavors: {python_function: {}}\n", SB_E_INVALID, "loader_module"},
        {"data above the directory", "flavors: {xgboost: {data: ../../etc/passwd}}\n", SB_E_DENIED,
         "'data' leaves"},
        {"an absolute path", "flavors: {sklearn: {pickled_model: /etc/passwd}}\n", SB_E_DENIED,
         "'pickled_model' leaves"},
        {"a path with an empty part", "flavors: {sklearn: {pickled_model: a//b}}\n", SB_E_DENIED,
         "leaves"},
        {"an artifact elsewhere",
         "flavors: {python_function: {loader_module: m, artifacts: {w: {path: ../w}}}}\n",
         SB_E_DENIED, "'path' leaves"},
        {"an example elsewhere",
         "flavors:\n" PYFUNC "saved_input_example_info: {artifact_path: /x}\n", SB_E_DENIED,
         "'artifact_path' leaves"},
        {"a signature that is text", "flavors:\n" PYFUNC "signature: x\n", SB_E_INVALID,
         "signature"},
        {"a signature that is broken", "flavors:\n" PYFUNC "signature: {inputs: '[{]'}\n",
         SB_E_SYNTAX, ""},
    };
    for (size_t i = 0; i < SB_COUNT(T); i++) {
        struct sb_mlmodel *m;
        struct sb_errctx ctx = {0};
        sb_err err = sb_mlmodel_parse(&m, sb_str_of(T[i].text), &ctx);
        if (err != T[i].err || !strstr(ctx.msg, T[i].msg) || !ctx.msg[0])
            fail_msg("%s: %s (%s)", T[i].name, sb_err_name(err), ctx.msg);
    }
}

static void paths_stay_below_the_model(void **state) {
    (void)state;
    static const char *const GOOD[] = {"a", "a/b.c", "..a", "a..", "a b"};
    static const char *const BAD[] = {"",       "/",   "/a", ".",    "..",  "a/..",
                                      "a/../b", "./a", "a/", "a\\b", "a\nb"};
    for (size_t i = 0; i < SB_COUNT(GOOD); i++)
        if (!sb_mlmodel_path_ok(sb_str_of(GOOD[i]))) fail_msg("refused: %s", GOOD[i]);
    for (size_t i = 0; i < SB_COUNT(BAD); i++)
        if (sb_mlmodel_path_ok(sb_str_of(BAD[i]))) fail_msg("accepted: %s", BAD[i]);
    char longest[SB_MLMODEL_PATH_MAX + 1];
    memset(longest, 'a', sizeof longest);
    assert_true(sb_mlmodel_path_ok(sb_str_make(longest, SB_MLMODEL_PATH_MAX)));
    assert_false(sb_mlmodel_path_ok(sb_str_make(longest, SB_MLMODEL_PATH_MAX + 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_of_todays_client_is_read),
        cmocka_unit_test(bad_files_are_refused_with_a_reason),
        cmocka_unit_test(paths_stay_below_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Experiments, runs, logging, datasets, logged models. */
#include "domain/registry/fixture_test.h"

#include <float.h>
#include <math.h>

#include "base/thread.h"
#include "engine/sql/sql.h"

/* ---- experiments ---- */

static void default_experiment_is_there(void **state) {
    struct fixture *f = *state;
    struct sb_experiment e;
    OK(sb_registry_experiment_get(&f->c, S("0"), &e));
    IS(e.name, "Default");
    IS(e.artifact_location, "mlflow-artifacts:/0");
    assert_false(e.deleted);
    assert_int_equal(e.creation_time.v, 1700000000000);
}

static void experiments_are_made_once(void **state) {
    struct fixture *f = *state;
    int64_t id, other;
    struct sb_tag tags[] = {{S("team"), S("blue")}, {S("a b/c.d-e:f"), S("x")}};
    struct sb_experiment e;
    OK(sb_registry_experiment_create(&f->c, S("iris"), S(""), (struct sb_tags){tags, 2}, &id));
    assert_int_equal(id, 1);
    OK(sb_registry_experiment_by_name(&f->c, S("iris"), &e));
    IS(e.artifact_location, "mlflow-artifacts:/1");
    assert_int_equal(e.tags.n, 2);
    IS(e.tags.v[1].key, "team");
    FAILS(sb_registry_experiment_create(&f->c, S("iris"), S(""), (struct sb_tags){0}, &other),
          RESOURCE_ALREADY_EXISTS, "Experiment(name=iris) already exists");
    OK(sb_registry_experiment_create(&f->c, S("elsewhere"), S("s3://bucket/x"), (struct sb_tags){0},
                                     &other));
    OK(sb_registry_experiment_get(&f->c, S("2"), &e));
    IS(e.artifact_location, "s3://bucket/x");
}

static void bad_experiments_are_refused(void **state) {
    struct fixture *f = *state;
    char long_name[502];
    memset(long_name, 'x', 501);
    long_name[501] = '\0';
    static const struct {
        const char *what, *name, *location, *key, *message;
    } rows[] = {
        {"no name", "", "", "k", "Invalid experiment name: ''"},
        {"climbing location", "n", "s3://b/../c", "k", "relative part"},
        {"climbing location, encoded", "n", "s3://b/%252e%252e/c", "k", "relative part"},
        {"fragment", "n", "mlflow-artifacts:/x#/etc", "k", "has a '#'"},
        {"query", "n", "mlflow-artifacts:/x?a=b", "k", "has a '?'"},
        {"runs uri", "n", "runs:/abc/x", "k", "cannot be a runs:/ URI"},
        {"tag name", "n", "", "a!", "Names may only contain alphanumerics"},
        {"tag path", "n", "", "../x", "This name would resolve to '../x'"},
        {"tag path inside", "n", "", "a/../../b", "This name would resolve to '../b'"},
        {"tag path doubled", "n", "", "a//b", "This name would resolve to 'a/b'"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        int64_t id;
        struct sb_tag tag = {S(rows[i].key), S("v")};
        sb_err err = sb_registry_experiment_create(&f->c, S(rows[i].name), S(rows[i].location),
                                                   (struct sb_tags){&tag, 1}, &id);
        if (err != SB_E_INVALID || !strstr(f->c.error.message.p, rows[i].message))
            fail_msg("%s: %s", rows[i].what, err ? f->c.error.message.p : "accepted");
        assert_int_equal(f->c.error.code, SB_MLFLOW_INVALID_PARAMETER_VALUE);
    }
    int64_t id;
    FAILS(sb_registry_experiment_create(&f->c, S(long_name), S(""), (struct sb_tags){0}, &id),
          INVALID_PARAMETER_VALUE, "'name' exceeds the maximum length of 500 characters");
    long_name[500] = '\0';
    OK(sb_registry_experiment_create(&f->c, S(long_name), S(""), (struct sb_tags){0}, &id));
}

static void a_relative_location_becomes_absolute(void **state) {
    struct fixture *f = *state;
    int64_t id;
    struct sb_experiment e;
    OK(sb_registry_experiment_create(&f->c, S("local"), S("my_location"), (struct sb_tags){0},
                                     &id));
    OK(sb_registry_experiment_get(&f->c, S("1"), &e));
    assert_int_equal(e.artifact_location.p[0], '/');
    assert_true(sb_str_ends(e.artifact_location, S("/my_location")));
}

static void experiments_that_are_missing(void **state) {
    struct fixture *f = *state;
    struct sb_experiment e;
    FAILS(sb_registry_experiment_get(&f->c, S("77"), &e), RESOURCE_DOES_NOT_EXIST,
          "No Experiment with id=77 exists");
    FAILS(sb_registry_experiment_get(&f->c, S("x7"), &e), INVALID_PARAMETER_VALUE,
          "Invalid experiment ID 'x7'");
    FAILS(sb_registry_experiment_by_name(&f->c, S("nope"), &e), RESOURCE_DOES_NOT_EXIST,
          "Could not find experiment with name 'nope'");
    FAILS(sb_registry_experiment_delete(&f->c, S("77")), RESOURCE_DOES_NOT_EXIST, "id=77");
    FAILS(sb_registry_experiment_restore(&f->c, S("0")), RESOURCE_DOES_NOT_EXIST, "id=0");
}

static void deleting_an_experiment_takes_its_runs_along(void **state) {
    struct fixture *f = *state;
    struct sb_str run_id = fixture_run(f, "0", "r");
    struct sb_run run;
    struct sb_experiment e;
    OK(sb_registry_experiment_delete(&f->c, S("0")));
    FAILS(sb_registry_experiment_delete(&f->c, S("0")), RESOURCE_DOES_NOT_EXIST, "id=0");
    OK(sb_registry_experiment_get(&f->c, S("0"), &e));
    assert_true(e.deleted);
    assert_int_equal(e.last_update_time.v, 1700000000001);
    OK(sb_registry_run_get(&f->c, run_id, &run));
    assert_true(run.info.deleted);
    FAILS(sb_registry_experiment_rename(&f->c, S("0"), S("x")), INVALID_STATE,
          "Cannot rename a non-active experiment.");
    FAILS(sb_registry_experiment_tag_set(&f->c, S("0"), S("k"), S("v")), INVALID_PARAMETER_VALUE,
          "must be in the 'active' state");
    struct sb_run_new in = {.experiment_id = S("0")};
    FAILS(sb_registry_run_create(&f->c, &in, &run), INVALID_PARAMETER_VALUE,
          "The experiment 0 must be in the 'active' state. Current state is deleted.");
    OK(sb_registry_experiment_restore(&f->c, S("0")));
    OK(sb_registry_run_get(&f->c, run_id, &run));
    assert_false(run.info.deleted);
}

static void experiments_are_renamed_and_tagged(void **state) {
    struct fixture *f = *state;
    struct sb_experiment e;
    int64_t id;
    OK(sb_registry_experiment_create(&f->c, S("one"), S(""), (struct sb_tags){0}, &id));
    FAILS(sb_registry_experiment_rename(&f->c, S("1"), S("Default")), RESOURCE_ALREADY_EXISTS,
          "already exists");
    OK(sb_registry_experiment_rename(&f->c, S("1"), S("two")));
    OK(sb_registry_experiment_tag_set(&f->c, S("1"), S("k"), S("v1")));
    OK(sb_registry_experiment_tag_set(&f->c, S("1"), S("k"), S("v2")));
    OK(sb_registry_experiment_get(&f->c, S("1"), &e));
    IS(e.name, "two");
    assert_int_equal(e.tags.n, 1);
    IS(e.tags.v[0].value, "v2");
    OK(sb_registry_experiment_tag_delete(&f->c, S("1"), S("k")));
    FAILS(sb_registry_experiment_tag_delete(&f->c, S("1"), S("k")), RESOURCE_DOES_NOT_EXIST,
          "No tag with name: k in experiment with id 1");
}

/* ---- runs ---- */

static void a_new_run_has_its_defaults(void **state) {
    struct fixture *f = *state;
    struct sb_run run;
    struct sb_run_new in = {.experiment_id = S("0"), .start_time = SB_SOME(5)};
    OK(sb_registry_run_create(&f->c, &in, &run));
    assert_int_equal(run.info.run_id.n, 32);
    assert_int_equal(run.info.status, SB_RUN_RUNNING);
    assert_int_equal(run.info.start_time.v, 5);
    assert_false(run.info.end_time.has);
    char uri[100];
    snprintf(uri, sizeof uri, "mlflow-artifacts:/0/%s/artifacts", run.info.run_id.p);
    IS(run.info.artifact_uri, uri);
    assert_int_equal(run.tags.n, 1);
    IS(run.tags.v[0].key, "mlflow.runName");
    IS(run.tags.v[0].value, run.info.name.p);
    assert_in_range(run.info.name.n, 5, 20);
    in.start_time = (struct sb_opt_i64){0};
    OK(sb_registry_run_create(&f->c, &in, &run));
    IS(run.info.user_id, ""); /* never NULL: a real server could not read the run */
    assert_true(run.info.start_time.has);
    in.experiment_id = S("99");
    FAILS(sb_registry_run_create(&f->c, &in, &run), RESOURCE_DOES_NOT_EXIST, "id=99");
}

static void run_name_and_its_tag_are_one(void **state) {
    struct fixture *f = *state;
    struct sb_run run;
    struct sb_run_info info;
    struct sb_tag tag = {S("mlflow.runName"), S("tagged")};
    struct sb_run_new in = {.experiment_id = S("0"), .tags = {&tag, 1}};
    OK(sb_registry_run_create(&f->c, &in, &run));
    IS(run.info.name, "tagged");
    in.name = S("other");
    FAILS(sb_registry_run_create(&f->c, &in, &run), INVALID_PARAMETER_VALUE,
          "Both 'run_name' argument and 'mlflow.runName' tag are specified");
    in.name = S("tagged");
    OK(sb_registry_run_create(&f->c, &in, &run));
    struct sb_str id = run.info.run_id;
    OK(sb_registry_run_update(&f->c, id, SB_RUN_FINISHED, SB_SOME(9), S("renamed"), &info));
    IS(info.name, "renamed");
    assert_int_equal(info.end_time.v, 9);
    OK(sb_registry_run_get(&f->c, id, &run));
    IS(run.tags.v[0].value, "renamed");
    OK(sb_registry_run_tag_set(&f->c, id, S("mlflow.runName"), S("again")));
    OK(sb_registry_run_get(&f->c, id, &run));
    IS(run.info.name, "again");
    assert_int_equal(run.info.status, SB_RUN_FINISHED);
    OK(sb_registry_run_update(&f->c, id, 0, (struct sb_opt_i64){0}, (struct sb_str){0}, &info));
    IS(info.name, "again");
    assert_int_equal(info.end_time.v, 9);
}

static void a_deleted_run_takes_no_writes(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "r");
    struct sb_run run;
    struct sb_run_info info;
    struct sb_metric m = {.key = S("m"), .value = 1};
    struct sb_model_link link = {S("m-1"), 0};
    const char *message = "must be in the 'active' state. Current state is deleted.";
    OK(sb_registry_run_tag_set(&f->c, id, S("t"), S("v")));
    OK(sb_registry_run_delete(&f->c, id));
    FAILS(sb_registry_metric_log(&f->c, id, &m), INVALID_PARAMETER_VALUE, message);
    FAILS(sb_registry_param_log(&f->c, id, S("p"), S("1")), INVALID_PARAMETER_VALUE, message);
    FAILS(sb_registry_run_tag_set(&f->c, id, S("t"), S("1")), INVALID_PARAMETER_VALUE, message);
    FAILS(sb_registry_run_tag_delete(&f->c, id, S("t")), INVALID_PARAMETER_VALUE, message);
    FAILS(sb_registry_batch_log(&f->c, id, &m, 1, (struct sb_tags){0}, (struct sb_tags){0}),
          INVALID_PARAMETER_VALUE, message);
    FAILS(sb_registry_run_update(&f->c, id, SB_RUN_KILLED, (struct sb_opt_i64){0},
                                 (struct sb_str){0}, &info),
          INVALID_PARAMETER_VALUE, message);
    FAILS(sb_registry_outputs_log(&f->c, id, (struct sb_model_links){&link, 1}),
          INVALID_PARAMETER_VALUE, message);
    OK(sb_registry_run_restore(&f->c, id));
    OK(sb_registry_metric_log(&f->c, id, &m));
    OK(sb_registry_run_get(&f->c, id, &run));
    assert_int_equal(run.metrics.n, 1);
    FAILS(sb_registry_run_delete(&f->c, S("nope")), RESOURCE_DOES_NOT_EXIST,
          "Run with id=nope not found");
    FAILS(sb_registry_metric_log(&f->c, S("nope"), &m), RESOURCE_DOES_NOT_EXIST, "id=nope");
}

static void params_never_change(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "r");
    OK(sb_registry_param_log(&f->c, id, S("depth"), S("3")));
    OK(sb_registry_param_log(&f->c, id, S("depth"), S("3")));
    FAILS(sb_registry_param_log(&f->c, id, S("depth"), S("5")), INVALID_PARAMETER_VALUE,
          "Changing param values is not allowed. Param with key='depth' was already logged with "
          "value='3'");
    struct sb_tag params[] = {{S("new"), S("1")}, {S("depth"), S("4")}};
    FAILS(
        sb_registry_batch_log(&f->c, id, NULL, 0, (struct sb_tags){params, 2}, (struct sb_tags){0}),
        INVALID_PARAMETER_VALUE, "Changing param values is not allowed");
    struct sb_run run;
    OK(sb_registry_run_get(&f->c, id, &run));
    assert_int_equal(run.params.n, 1); /* the batch left nothing behind */
    struct sb_tag twice[] = {{S("a"), S("1")}, {S("a"), S("1")}};
    FAILS(
        sb_registry_batch_log(&f->c, id, NULL, 0, (struct sb_tags){twice, 2}, (struct sb_tags){0}),
        INVALID_PARAMETER_VALUE, "Duplicate parameter keys have been submitted");
}

static void long_values_are_cut_at_characters(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "r");
    size_t n = 2 * 9000;
    char *text = malloc(n + 1);
    for (size_t i = 0; i < n; i += 2) memcpy(text + i, "\xc3\xa9", 2); /* 9000 times e acute */
    text[n] = '\0';
    OK(sb_registry_param_log(&f->c, id, S("p"), S(text)));
    OK(sb_registry_run_tag_set(&f->c, id, S("a"), S(text)));
    struct sb_run run;
    OK(sb_registry_run_get(&f->c, id, &run));
    assert_int_equal(run.params.v[0].value.n, 12000);
    assert_int_equal(run.tags.v[0].value.n, 16000);
    free(text);
    char key[252];
    memset(key, 'k', 251);
    key[251] = '\0';
    FAILS(sb_registry_param_log(&f->c, id, S(key), S("v")), INVALID_PARAMETER_VALUE,
          "'Param key' exceeds the maximum length of 250 characters");
    struct sb_metric m = {.key = S(key)};
    FAILS(sb_registry_metric_log(&f->c, id, &m), INVALID_PARAMETER_VALUE, "'Metric name' exceeds");
    key[250] = '\0';
    OK(sb_registry_param_log(&f->c, id, S(key), S("v")));
}

static void the_latest_metric_is_the_greatest(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "r");
    static const struct {
        double value;
        int64_t timestamp, step;
        double latest; /* after logging this one */
    } rows[] = {
        {1, 10, 0, 1},
        {2, 9, 1, 2},
        {3, 100, 0, 2},
        {1.5, 9, 1, 2},
        {2.5, 9, 1, 2.5},
        {2.5, 9, 1, 2.5},
        {7, 1, -5, 2.5},
        {-8, 10, 1, -8},
        {INFINITY, 10, 1, DBL_MAX},
        {-INFINITY, 0, 2, -DBL_MAX},
    };
    struct sb_run run;
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_metric m = {.key = S("loss"),
                              .value = rows[i].value,
                              .timestamp = rows[i].timestamp,
                              .step = rows[i].step};
        OK(sb_registry_metric_log(&f->c, id, &m));
        OK(sb_registry_run_get(&f->c, id, &run));
        if (run.metrics.v[0].value != rows[i].latest)
            fail_msg("row %zu: %g", i, run.metrics.v[0].value);
    }
    struct sb_metric nan = {.key = S("loss"), .value = NAN, .timestamp = 1, .step = 3};
    OK(sb_registry_metric_log(&f->c, id, &nan));
    OK(sb_registry_metric_log(&f->c, id, &nan));
    OK(sb_registry_run_get(&f->c, id, &run));
    assert_true(isnan(run.metrics.v[0].value));
    struct sb_metrics history;
    OK(sb_registry_metric_history(&f->c, id, S("loss"), (struct sb_opt_i64){0}, S(""), &history));
    assert_int_equal(history.n, SB_COUNT(rows)); /* one row was a duplicate, one is the NaN */
    nan.timestamp = -1;
    FAILS(sb_registry_metric_log(&f->c, id, &nan), INVALID_PARAMETER_VALUE,
          "Timestamp must be a nonnegative long");
}

static void batches_have_limits(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "r");
    static struct sb_metric metrics[1001];
    static struct sb_tag tags[101];
    static char keys[1001][8];
    for (size_t i = 0; i < 1001; i++) {
        snprintf(keys[i], sizeof keys[i], "k%zu", i);
        metrics[i] = (struct sb_metric){.key = S(keys[i]), .value = (double)i};
        if (i < 101) tags[i] = (struct sb_tag){S(keys[i]), S("v")};
    }
    static const struct {
        size_t metrics, params, tags;
        const char *message; /* NULL: accepted */
    } rows[] = {
        {1001, 0, 0, "at most 1000 metrics. Got 1001 metrics"},
        {0, 101, 0, "at most 100 params. Got 101 params"},
        {0, 0, 101, "at most 100 tags. Got 101 tags"},
        {900, 100, 1, "at most 1000 metrics, params, and tags. Got 1001"},
        {1000, 0, 0, NULL},
        {800, 100, 100, NULL},
        {0, 0, 0, NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        sb_err err = sb_registry_batch_log(&f->c, id, metrics, rows[i].metrics,
                                           (struct sb_tags){tags, rows[i].params},
                                           (struct sb_tags){tags, rows[i].tags});
        if (!rows[i].message != !err) fail_msg("row %zu", i);
        if (err && !strstr(f->c.error.message.p, rows[i].message))
            fail_msg("row %zu: %s", i, f->c.error.message.p);
    }
    metrics[3].key = S("a//b");
    FAILS(sb_registry_batch_log(&f->c, id, metrics, 5, (struct sb_tags){0}, (struct sb_tags){0}),
          INVALID_PARAMETER_VALUE, "for parameter 'metrics[3].name' supplied");
    FAILS(
        sb_registry_batch_log(&f->c, S("../x"), NULL, 0, (struct sb_tags){0}, (struct sb_tags){0}),
        INVALID_PARAMETER_VALUE, "Invalid value \"../x\" for parameter 'run_id' supplied.");
    struct sb_run run;
    OK(sb_registry_run_get(&f->c, id, &run));
    assert_int_equal(run.metrics.n, 1000);
    assert_int_equal(run.params.n, 100);
    assert_int_equal(run.tags.n, 101);
}

static void run_tags_are_set_and_deleted(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "r");
    OK(sb_registry_run_tag_set(&f->c, id, S("k"), S("1")));
    OK(sb_registry_run_tag_set(&f->c, id, S("k"), S("2")));
    struct sb_run run;
    OK(sb_registry_run_get(&f->c, id, &run));
    IS(run.tags.v[0].value, "2");
    OK(sb_registry_run_tag_delete(&f->c, id, S("k")));
    FAILS(sb_registry_run_tag_delete(&f->c, id, S("k")), RESOURCE_DOES_NOT_EXIST,
          "No tag with name: k in run with id");
}

static void metric_history_comes_in_pages(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "r");
    for (int i = 0; i < 7; i++) {
        struct sb_metric m = {.key = S("m"), .value = i, .timestamp = 100 - i, .step = i};
        OK(sb_registry_metric_log(&f->c, id, &m));
    }
    struct sb_metrics page;
    OK(sb_registry_metric_history(&f->c, id, S("m"), SB_SOME(3), S(""), &page));
    assert_int_equal(page.n, 3);
    assert_int_equal(page.v[0].timestamp, 94);
    IS(page.next_page_token, "eyJvZmZzZXQiOiAzfQ=="); /* {"offset": 3}, as MLflow writes it */
    OK(sb_registry_metric_history(&f->c, id, S("m"), SB_SOME(4), page.next_page_token, &page));
    assert_int_equal(page.n, 4);
    assert_null(page.next_page_token.p);
    static const char *const bad[] = {
        "%", "abc", "e30=", "eyJvZmZzZXQiOiAtMX0=", "WzFd", "eyJvZmZzZXQiOiAieCJ9"};
    for (size_t i = 0; i < SB_COUNT(bad); i++)
        FAILS(sb_registry_metric_history(&f->c, id, S("m"), SB_SOME(4), S(bad[i]), &page),
              INVALID_PARAMETER_VALUE, "Invalid page token");
    FAILS(sb_registry_metric_history(&f->c, id, S("m"), SB_SOME(0), S(""), &page),
          INVALID_PARAMETER_VALUE, "It must be a positive integer.");
}

static void metric_history_of_many_runs(void **state) {
    struct fixture *f = *state;
    struct sb_str ids[3];
    for (int r = 0; r < 3; r++) {
        ids[r] = fixture_run(f, "0", "r");
        for (int i = 0; i < 10; i++) {
            struct sb_metric m = {.key = S("m"), .value = 10 * r + i, .timestamp = i, .step = i};
            OK(sb_registry_metric_log(&f->c, ids[r], &m));
        }
    }
    struct sb_metrics all;
    OK(sb_registry_metric_history_bulk(&f->c, ids, 3, S("m"), 25, &all));
    assert_int_equal(all.n, 25);
    for (size_t i = 1; i < all.n; i++)
        assert_true(sb_str_cmp(all.v[i - 1].run_id, all.v[i].run_id) <= 0);
    FAILS(sb_registry_metric_history_bulk(&f->c, ids, 0, S("m"), 25, &all), INVALID_PARAMETER_VALUE,
          "must specify at least one run_id");
    static struct sb_str many[101];
    FAILS(sb_registry_metric_history_bulk(&f->c, many, 101, S("m"), 25, &all),
          INVALID_PARAMETER_VALUE, "cannot specify more than 100 run_ids");
}

static void sampled_history_keeps_both_ends(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "r");
    for (int i = 0; i < 100; i++) {
        struct sb_metric m = {.key = S("m"), .value = i, .timestamp = i, .step = i};
        OK(sb_registry_metric_log(&f->c, id, &m));
    }
    static const struct {
        int64_t from, to, max;
        size_t n;
        double first, last;
    } rows[] = {
        {0, 99, 10, 10, 0, 99},    {0, 99, 1, 1, 99, 99},  {0, 99, 100, 100, 0, 99},
        {0, 99, 2500, 100, 0, 99}, {20, 29, 3, 3, 20, 29}, {20, 29, 11, 10, 20, 29},
        {0, 99, 7, 7, 0, 99},      {200, 300, 5, 0, 0, 0},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_metrics got;
        OK(sb_registry_metric_history_interval(&f->c, &id, 1, S("m"), SB_SOME(rows[i].from),
                                               SB_SOME(rows[i].to), rows[i].max, &got));
        if (got.n != rows[i].n) fail_msg("row %zu: %zu points", i, got.n);
        if (got.n == 0) continue;
        assert_true(got.v[0].value == rows[i].first);
        assert_true(got.v[got.n - 1].value == rows[i].last);
    }
    struct sb_metrics got;
    FAILS(sb_registry_metric_history_interval(&f->c, &id, 1, S("m"), SB_SOME(0),
                                              (struct sb_opt_i64){0}, 5, &got),
          INVALID_PARAMETER_VALUE, "both must be specified");
    FAILS(
        sb_registry_metric_history_interval(&f->c, &id, 1, S("m"), SB_SOME(5), SB_SOME(4), 5, &got),
        INVALID_PARAMETER_VALUE, "end_step must be greater than start_step");
    FAILS(sb_registry_metric_history_interval(&f->c, &id, 1, S("m"), SB_SOME(5), SB_SOME(6), 2501,
                                              &got),
          INVALID_PARAMETER_VALUE, "max_results must be between 1 and 2500");
}

static void legacy_model_records_are_appended(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "a");
    struct sb_run run;
    const char *model = "{\"artifact_path\": \"model\", \"run_id\": \"r\", \"utc_time_created\": "
                        "\"t\", \"signature\": {\"x\": 1}, \"flavors\": {\"sklearn\": {\"a\": 1, "
                        "\"config\": {}}, \"plain\": 3}}";
    OK(sb_registry_run_model_record(&f->c, id, S(model)));
    OK(sb_registry_run_model_record(&f->c, id, S(model)));
    OK(sb_registry_run_get(&f->c, id, &run));
    IS(run.tags.v[0].key, "mlflow.log-model.history");
#define RECORD                                                                                     \
    "{\"run_id\":\"r\",\"artifact_path\":\"model\",\"utc_time_created\":\"t\",\"flavors\":"        \
    "{\"sklearn\":{\"a\":1},\"plain\":3}}"
    IS(run.tags.v[0].value, "[" RECORD "," RECORD "]");
    FAILS(sb_registry_run_model_record(&f->c, id, S("{")), INVALID_PARAMETER_VALUE,
          "is not a valid JSON");
    char *huge = calloc(1, 200001);
    memset(huge, '{', 200000);
    FAILS(sb_registry_run_model_record(&f->c, id, S(huge)), INVALID_PARAMETER_VALUE,
          "Malformed model info."); /* the message is cut, not lost */
    assert_int_equal(f->c.error.message.n, 20000);
    free(huge);
    FAILS(sb_registry_run_model_record(&f->c, id, S("{\"run_id\": \"r\"}")),
          INVALID_PARAMETER_VALUE, "missing mandatory fields: {'artifact_path'}");
}

/* ---- datasets and links ---- */

static void datasets_are_kept_once(void **state) {
    struct fixture *f = *state;
    struct sb_str a = fixture_run(f, "0", "a"), b = fixture_run(f, "0", "b");
    struct sb_tag context = {S("mlflow.data.context"), S("training")};
    struct sb_dataset_input in[] = {
        {.dataset = {S("iris"), S("d1"), S("local"), S("{}"), S("schema"), S("profile")},
         .tags = {&context, 1}},
        {.dataset = {S("iris"), S("d2"), S("local"), S("{}"), {0}, {0}}},
    };
    struct sb_model_link link = {S("m-1"), 7};
    struct sb_run run;
    OK(sb_registry_inputs_log(&f->c, a, (struct sb_dataset_inputs){in, 2},
                              (struct sb_model_links){&link, 1}));
    OK(sb_registry_inputs_log(&f->c, a, (struct sb_dataset_inputs){in, 2},
                              (struct sb_model_links){&link, 1}));
    OK(sb_registry_inputs_log(&f->c, b, (struct sb_dataset_inputs){in, 1},
                              (struct sb_model_links){0}));
    OK(sb_registry_outputs_log(&f->c, a, (struct sb_model_links){&link, 1}));
    OK(sb_registry_run_get(&f->c, a, &run));
    assert_int_equal(run.dataset_inputs.n, 2);
    assert_int_equal(run.model_inputs.n, 1);
    assert_int_equal(run.model_inputs.v[0].step, 0);
    assert_int_equal(run.model_outputs.n, 1);
    assert_int_equal(run.model_outputs.v[0].step, 7);
    const struct sb_dataset_input *d = &run.dataset_inputs.v[0];
    IS(d->dataset.digest, "d1");
    IS(d->dataset.schema, "schema");
    assert_int_equal(d->tags.n, 1);
    IS(d->tags.v[0].value, "training");
    assert_null(run.dataset_inputs.v[1].dataset.schema.p);
    struct sb_dataset_summaries all;
    struct sb_str experiment = S("0");
    OK(sb_registry_dataset_search(&f->c, &experiment, 1, &all));
    assert_int_equal(all.n, 2);
    FAILS(sb_registry_dataset_search(&f->c, &experiment, 0, &all), INVALID_PARAMETER_VALUE,
          "must specify at least one experiment_id");
}

static void bad_datasets_are_refused(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "a");
    char digest[38];
    memset(digest, 'd', 37);
    digest[37] = '\0';
    struct sb_dataset_input in = {.dataset = {S("n"), S(digest), S("t"), S("s"), {0}, {0}}};
    struct sb_dataset_inputs list = {&in, 1};
    FAILS(sb_registry_inputs_log(&f->c, id, list, (struct sb_model_links){0}),
          INVALID_PARAMETER_VALUE, "'digest' exceeds the maximum length of 36 characters");
    digest[36] = '\0';
    in.dataset.digest = S(digest);
    OK(sb_registry_inputs_log(&f->c, id, list, (struct sb_model_links){0}));
    in.dataset.name = (struct sb_str){0};
    FAILS(sb_registry_inputs_log(&f->c, id, list, (struct sb_model_links){0}),
          INVALID_PARAMETER_VALUE, "Dataset name cannot be None");
    struct sb_model_link link = {0};
    FAILS(sb_registry_outputs_log(&f->c, id, (struct sb_model_links){&link, 1}),
          INVALID_PARAMETER_VALUE, "models[0].model_id");
}

/* ---- logged models ---- */

static void logged_models_live_their_life(void **state) {
    struct fixture *f = *state;
    struct sb_str run_id = fixture_run(f, "0", "a");
    struct sb_tag param = {S("depth"), S("3")}, tag = {S("t"), S("1")};
    struct sb_logged_model m;
    struct sb_logged_model_new in = {.experiment_id = S("0"),
                                     .name = S("forest"),
                                     .model_type = S("classifier"),
                                     .source_run_id = run_id,
                                     .params = {&param, 1},
                                     .tags = {&tag, 1}};
    OK(sb_registry_logged_model_create(&f->c, &in, &m));
    assert_true(sb_str_starts(m.model_id, S("m-")) && m.model_id.n == 34);
    char uri[120];
    snprintf(uri, sizeof uri, "mlflow-artifacts:/0/models/%s/artifacts", m.model_id.p);
    IS(m.artifact_uri, uri);
    assert_int_equal(m.status, SB_LOGGED_MODEL_PENDING);
    struct sb_str id = m.model_id;
    fixture_tick(f);
    OK(sb_registry_logged_model_finalize(&f->c, id, SB_LOGGED_MODEL_READY, &m));
    assert_int_equal(m.status, SB_LOGGED_MODEL_READY);
    assert_int_equal(m.last_updated_time, m.creation_time + 1);
    struct sb_tag more = {S("trees"), S("9")};
    OK(sb_registry_logged_model_params_log(&f->c, id, (struct sb_tags){&more, 1}));
    struct sb_tag tags[] = {{S("t"), S("2")}, {S("u"), S("3")}, {S("u"), S("4")}};
    OK(sb_registry_logged_model_tags_set(&f->c, id, (struct sb_tags){tags, 3}));
    struct sb_metric metric = {.key = S("acc"),
                               .value = 0.5,
                               .timestamp = 4,
                               .model_id = id,
                               .dataset_name = S("iris"),
                               .dataset_digest = S("d1")};
    OK(sb_registry_metric_log(&f->c, run_id, &metric));
    OK(sb_registry_metric_log(&f->c, run_id, &metric));
    OK(sb_registry_logged_model_get(&f->c, id, false, &m));
    assert_int_equal(m.params.n, 2);
    assert_int_equal(m.tags.n, 2);
    IS(m.tags.v[1].value, "4");
    assert_int_equal(m.metrics.n, 1);
    IS(m.metrics.v[0].dataset_name, "iris");
    IS(m.metrics.v[0].run_id, run_id.p);
    OK(sb_registry_logged_model_tag_delete(&f->c, id, S("u")));
    FAILS(sb_registry_logged_model_tag_delete(&f->c, id, S("u")), RESOURCE_DOES_NOT_EXIST,
          "No tag with key 'u' found for model with ID");
    OK(sb_registry_logged_model_delete(&f->c, id));
    FAILS(sb_registry_logged_model_get(&f->c, id, false, &m), RESOURCE_DOES_NOT_EXIST,
          "Logged model with ID 'm-");
    OK(sb_registry_logged_model_get(&f->c, id, true, &m));
    assert_true(m.deleted);
}

static void bad_logged_models_are_refused(void **state) {
    struct fixture *f = *state;
    static const char *const names[] = {"a/b", "a:b", "a.b", "a%b", "a\"b", "a'b"};
    struct sb_logged_model m;
    for (size_t i = 0; i < SB_COUNT(names); i++) {
        struct sb_logged_model_new in = {.experiment_id = S("0"), .name = S(names[i])};
        FAILS(sb_registry_logged_model_create(&f->c, &in, &m), INVALID_PARAMETER_VALUE,
              "Invalid model name (");
    }
    struct sb_logged_model_new in = {.experiment_id = S("0")};
    OK(sb_registry_logged_model_create(&f->c, &in, &m));
    assert_in_range(m.name.n, 5, 20);
    struct sb_str run_id = fixture_run(f, "0", "a");
    struct sb_metric metric = {.key = S("acc"), .model_id = S("m-none")};
    FAILS(sb_registry_metric_log(&f->c, run_id, &metric), RESOURCE_DOES_NOT_EXIST, "'m-none'");
    FAILS(sb_registry_logged_model_finalize(&f->c, S("m-none"), SB_LOGGED_MODEL_READY, &m),
          RESOURCE_DOES_NOT_EXIST, "'m-none'");
    FAILS(sb_registry_logged_model_delete(&f->c, S("m-none")), RESOURCE_DOES_NOT_EXIST, "m-none");
}

static void registrations_count_once_whatever_their_spelling(void **state) {
    struct fixture *f = *state;
    struct sb_logged_model m;
    struct sb_logged_model_new in = {.experiment_id = S("0")};
    OK(sb_registry_logged_model_create(&f->c, &in, &m));
    struct sb_tag tag = {S("mlflow.modelVersions"),
                         S("[{\"name\": \"a\", \"version\": 1}, {\"name\": \"a\", \"version\": "
                           "\"1\"}, {\"name\": \"b\", \"version\": 2}, 7]")};
    OK(sb_registry_logged_model_tags_set(&f->c, m.model_id, (struct sb_tags){&tag, 1}));
    OK(sb_registry_logged_model_get(&f->c, m.model_id, false, &m));
    assert_int_equal(m.registrations_n, 2);
    IS(m.registrations[0].name, "a");
    IS(m.registrations[1].version, "2");
}

/* ---- the store ---- */

static void a_store_opens_again_with_what_it_had(void **state) {
    struct fixture *f = *state;
    struct sb_str id = fixture_run(f, "0", "kept");
    sb_registry_close(f->reg);
    f->reg = NULL;
    struct sb_errctx ctx;
    sb_errctx_reset(&ctx);
    if (sb_registry_open(&f->reg, &f->opt, &ctx)) fail_msg("%s", ctx.msg);
    f->c.reg = f->reg;
    struct sb_run_info info;
    OK(sb_registry_run_info(&f->c, id, &info));
    IS(info.name, "kept");
}

static void run_sql(const char *path, const char *sql) {
    struct sb_sql *db;
    assert_int_equal(sb_sql_open(&db, path, SB_SQL_CREATE, NULL), SB_OK);
    assert_int_equal(sb_sql_script(db, sql), SB_OK);
    sb_sql_close(db);
}

/* Byte 18 of the header: 1 = rollback journal, 2 = WAL. */
static int journal_version(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 18, SEEK_SET), 0);
    int version = fgetc(file);
    fclose(file);
    return version;
}

static void other_databases_are_refused(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *sql;
        sb_err err;
        const char *message;
    } rows[] = {
        {"CREATE TABLE stranger (a)", SB_E_CORRUPT, "not a database of MLflow"},
        {"CREATE TABLE alembic_version (version_num); CREATE TABLE experiments (workspace); CREATE "
         "TABLE registered_models (workspace); INSERT INTO alembic_version VALUES ('0584bdc529eb')",
         SB_E_VERSION, "mlflow db upgrade sqlite:////"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/other.db", f->dir);
        run_sql(path, rows[i].sql);
        struct sb_registry *r = NULL;
        struct sb_registry_options opt = {.path = path};
        struct sb_errctx ctx;
        sb_errctx_reset(&ctx);
        assert_int_equal(sb_registry_open(&r, &opt, &ctx), rows[i].err);
        if (!strstr(ctx.msg, rows[i].message)) fail_msg("%s", ctx.msg);
        assert_int_equal(journal_version(path), 1); /* nothing in the file was changed */
        unlink(path);
    }
}

/* ---- many threads ---- */

enum { THREADS = 4, ROUNDS = 25 };

struct worker {
    struct fixture *f;
    struct sb_str run;
    struct sb_thread thread;
    int number, failures;
};

static void work(void *arg) {
    struct worker *w = arg;
    struct sb_arena arena;
    sb_arena_init(&arena, 64 << 20);
    struct sb_registry_call c = {.reg = w->f->reg, .arena = &arena};
    struct sb_str zero = S("0");
    for (int i = 0; i < ROUNDS; i++) {
        struct sb_metric m = {.key = S("m"), .value = i, .timestamp = w->number, .step = i};
        struct sb_runs runs;
        struct sb_run run;
        w->failures += sb_registry_metric_log(&c, w->run, &m) != SB_OK;
        w->failures += sb_registry_run_get(&c, w->run, &run) != SB_OK;
        w->failures += sb_registry_run_search(&c, &zero, 1, &(struct sb_search){0}, SB_VIEW_ALL,
                                              &runs) != SB_OK;
        sb_arena_reset(&arena);
    }
    sb_arena_fini(&arena);
}

static void threads_share_a_store(void **state) {
    struct fixture *f = *state;
    struct worker workers[THREADS];
    struct sb_str run = fixture_run(f, "0", "shared");
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.f = f, .run = run, .number = i};
        assert_int_equal(sb_thread_start(&workers[i].thread, "worker", work, &workers[i]), SB_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        sb_thread_join(&workers[i].thread);
        assert_int_equal(workers[i].failures, 0);
    }
    struct sb_metrics all;
    OK(sb_registry_metric_history(&f->c, run, S("m"), (struct sb_opt_i64){0}, S(""), &all));
    assert_int_equal(all.n, THREADS * ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(default_experiment_is_there),
        TEST(experiments_are_made_once),
        TEST(bad_experiments_are_refused),
        TEST(a_relative_location_becomes_absolute),
        TEST(experiments_that_are_missing),
        TEST(deleting_an_experiment_takes_its_runs_along),
        TEST(experiments_are_renamed_and_tagged),
        TEST(a_new_run_has_its_defaults),
        TEST(run_name_and_its_tag_are_one),
        TEST(a_deleted_run_takes_no_writes),
        TEST(params_never_change),
        TEST(long_values_are_cut_at_characters),
        TEST(the_latest_metric_is_the_greatest),
        TEST(batches_have_limits),
        TEST(run_tags_are_set_and_deleted),
        TEST(metric_history_comes_in_pages),
        TEST(metric_history_of_many_runs),
        TEST(sampled_history_keeps_both_ends),
        TEST(legacy_model_records_are_appended),
        TEST(datasets_are_kept_once),
        TEST(bad_datasets_are_refused),
        TEST(logged_models_live_their_life),
        TEST(bad_logged_models_are_refused),
        TEST(registrations_count_once_whatever_their_spelling),
        TEST(a_store_opens_again_with_what_it_had),
        TEST(other_databases_are_refused),
        TEST(threads_share_a_store),
    };
    return cmocka_run_group_tests_name("domain/registry tracking", tests, NULL, NULL);
}

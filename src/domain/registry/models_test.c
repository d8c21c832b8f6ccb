/* Registered models, versions, aliases, stages, sources. */
#include "domain/registry/fixture_test.h"

static void make_model(struct fixture *f, const char *name) {
    struct sb_registered_model m;
    OK(sb_registry_model_create(&f->c, S(name), S("about"), (struct sb_tags){0}, &m));
    fixture_tick(f);
}

static int64_t make_version(struct fixture *f, const char *name) {
    struct sb_model_version v;
    struct sb_version_new in = {.name = S(name), .source = S("s3://bucket/model")};
    OK(sb_registry_version_create(&f->c, &in, &v));
    fixture_tick(f);
    return v.version;
}

static void models_are_made_once(void **state) {
    struct fixture *f = *state;
    struct sb_registered_model m;
    struct sb_tag tags[] = {{S("a"), S("1")}, {S("a"), S("2")}};
    OK(sb_registry_model_create(&f->c, S("iris"), S("d"), (struct sb_tags){tags, 2}, &m));
    IS(m.name, "iris");
    IS(m.description, "d");
    assert_int_equal(m.tags.n, 1);
    IS(m.tags.v[0].value, "2");
    assert_int_equal(m.creation_time.v, m.last_updated_time.v);
    FAILS(sb_registry_model_create(&f->c, S("iris"), S(""), (struct sb_tags){0}, &m),
          RESOURCE_ALREADY_EXISTS, "Registered Model (name=iris) already exists.");
    struct sb_tag prompt = {S("mlflow.prompt.is_prompt"), S("true")};
    FAILS(sb_registry_model_create(&f->c, S("iris"), S(""), (struct sb_tags){&prompt, 1}, &m),
          RESOURCE_ALREADY_EXISTS,
          "Tried to create a prompt with name 'iris', but the name is "
          "already taken by a registered model");
}

static void bad_model_names_are_refused(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *name, *message;
    } rows[] = {
        {"", "Missing value for required parameter 'name'."},
        {"  ", "Missing value for required parameter 'name'."},
        {"a/b", "Invalid model name 'a/b'. Names cannot contain '/' or ':'."},
        {"a:b", "Invalid model name 'a:b'."},
        {"..", "would resolve to '..'"},
        {".", "would resolve to '.'"},
    };
    struct sb_registered_model m;
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        FAILS(sb_registry_model_create(&f->c, S(rows[i].name), S(""), (struct sb_tags){0}, &m),
              INVALID_PARAMETER_VALUE, rows[i].message);
    FAILS(sb_registry_model_get(&f->c, S("none"), &m), RESOURCE_DOES_NOT_EXIST,
          "Registered Model with name=none not found");
    FAILS(sb_registry_model_rename(&f->c, S("none"), S(""), &m), INVALID_PARAMETER_VALUE,
          "Missing value for required parameter 'new_name'.");
}

static void renaming_takes_everything_along(void **state) {
    struct fixture *f = *state;
    struct sb_registered_model m;
    make_model(f, "old");
    make_model(f, "taken");
    make_version(f, "old");
    OK(sb_registry_version_tag_set(&f->c, S("old"), S("1"), S("k"), S("v")));
    OK(sb_registry_model_tag_set(&f->c, S("old"), S("k"), S("v")));
    OK(sb_registry_alias_set(&f->c, S("old"), S("production"), S("1")));
    FAILS(sb_registry_model_rename(&f->c, S("old"), S("taken"), &m), RESOURCE_ALREADY_EXISTS,
          "Registered Model (name=taken) already exists.");
    f->changes_n = 0;
    OK(sb_registry_model_rename(&f->c, S("old"), S("new"), &m));
    assert_int_equal(f->changes_n, 2);
    assert_string_equal(f->changes[0].model, "old");
    assert_string_equal(f->changes[1].model, "new");
    IS(m.name, "new");
    assert_int_equal(m.tags.n, 1);
    assert_int_equal(m.aliases_n, 1);
    assert_int_equal(m.latest_versions_n, 1);
    IS(m.latest_versions[0].tags.v[0].value, "v");
    FAILS(sb_registry_model_get(&f->c, S("old"), &m), RESOURCE_DOES_NOT_EXIST, "old");
}

static void deleting_a_model_starts_its_numbers_again(void **state) {
    struct fixture *f = *state;
    make_model(f, "m");
    make_version(f, "m");
    assert_int_equal(make_version(f, "m"), 2);
    OK(sb_registry_alias_set(&f->c, S("m"), S("a"), S("2")));
    OK(sb_registry_version_tag_set(&f->c, S("m"), S("1"), S("k"), S("v")));
    OK(sb_registry_model_delete(&f->c, S("m")));
    FAILS(sb_registry_model_delete(&f->c, S("m")), RESOURCE_DOES_NOT_EXIST, "m");
    make_model(f, "m");
    assert_int_equal(make_version(f, "m"), 1);
    struct sb_model_version v;
    OK(sb_registry_version_get(&f->c, S("m"), S("1"), &v));
    assert_int_equal(v.tags.n, 0);
    FAILS(sb_registry_alias_get(&f->c, S("m"), S("a"), &v), INVALID_PARAMETER_VALUE, "not found");
}

static void a_deleted_version_keeps_its_number(void **state) {
    struct fixture *f = *state;
    struct sb_model_version v;
    make_model(f, "m");
    make_version(f, "m");
    make_version(f, "m");
    OK(sb_registry_alias_set(&f->c, S("m"), S("a"), S("2")));
    OK(sb_registry_alias_set(&f->c, S("m"), S("b"), S("1")));
    OK(sb_registry_version_delete(&f->c, S("m"), S("2")));
    FAILS(sb_registry_version_get(&f->c, S("m"), S("2"), &v), RESOURCE_DOES_NOT_EXIST,
          "Model Version (name=m, version=2) not found");
    FAILS(sb_registry_version_delete(&f->c, S("m"), S("2")), RESOURCE_DOES_NOT_EXIST, "version=2");
    FAILS(sb_registry_alias_get(&f->c, S("m"), S("a"), &v), INVALID_PARAMETER_VALUE,
          "Registered model alias a not found.");
    OK(sb_registry_alias_get(&f->c, S("m"), S("b"), &v));
    assert_int_equal(make_version(f, "m"), 3);
    struct sb_registered_model m;
    OK(sb_registry_model_get(&f->c, S("m"), &m));
    assert_int_equal(m.latest_versions_n, 1);
    assert_int_equal(m.latest_versions[0].version, 3);
}

static void aliases_move(void **state) {
    struct fixture *f = *state;
    struct sb_model_version v;
    make_model(f, "m");
    make_version(f, "m");
    make_version(f, "m");
    f->changes_n = 0;
    OK(sb_registry_alias_set(&f->c, S("m"), S("production"), S("1")));
    OK(sb_registry_alias_set(&f->c, S("m"), S("blue"), S("2")));
    OK(sb_registry_alias_set(&f->c, S("m"), S("production"), S("2")));
    assert_int_equal(f->changes_n, 3);
    assert_int_equal(f->changes[2].what, SB_REGISTRY_ALIAS_CHANGED);
    OK(sb_registry_alias_get(&f->c, S("m"), S("production"), &v));
    assert_int_equal(v.version, 2);
    assert_int_equal(v.aliases_n, 2);
    IS(v.aliases[0], "blue");
    OK(sb_registry_alias_get(&f->c, S("m"), S("Latest"), &v));
    assert_int_equal(v.version, 2);
    OK(sb_registry_alias_delete(&f->c, S("m"), S("production")));
    OK(sb_registry_alias_delete(&f->c, S("m"), S("production"))); /* gone already: fine */
    assert_int_equal(f->changes_n, 4);
    FAILS(sb_registry_alias_set(&f->c, S("m"), S("x"), S("9")), RESOURCE_DOES_NOT_EXIST,
          "version=9");
    FAILS(sb_registry_alias_set(&f->c, S("m"), S("x"), S("one")), INVALID_PARAMETER_VALUE,
          "Parameter 'version' must be an integer, got 'one'.");
    FAILS(sb_registry_alias_get(&f->c, S("none"), S("x"), &v), RESOURCE_DOES_NOT_EXIST, "none");
    assert_int_equal(f->changes_n, 4); /* what failed told nobody */
}

static void bad_aliases_are_refused(void **state) {
    struct fixture *f = *state;
    char alias[257];
    memset(alias, 'a', 256);
    alias[256] = '\0';
    make_model(f, "m");
    make_version(f, "m");
    const struct {
        const char *alias, *message;
    } rows[] = {
        {"", "Registered model alias name cannot be empty."},
        {"a b", "Invalid alias name: 'a b'. Names may only contain alphanumerics"},
        {"a/b", "Invalid alias name"},
        {"latest", "'latest' alias name (case insensitive) is reserved."},
        {"LaTeSt", "'latest' alias name (case insensitive) is reserved."},
        {"v1", "Version alias name 'v1' is reserved."},
        {"V23", "Version alias name 'V23' is reserved."},
        {alias, "exceeds the maximum length of 255 characters"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        FAILS(sb_registry_alias_set(&f->c, S("m"), S(rows[i].alias), S("1")),
              INVALID_PARAMETER_VALUE, rows[i].message);
    static const char *const good[] = {"v", "v1a", "vx", "a-b_c", "\xc3\xa9t\xc3\xa9", "1"};
    for (size_t i = 0; i < SB_COUNT(good); i++)
        OK(sb_registry_alias_set(&f->c, S("m"), S(good[i]), S("1")));
    alias[255] = '\0';
    OK(sb_registry_alias_set(&f->c, S("m"), S(alias), S("1")));
}

static void stages_have_one_version_when_asked(void **state) {
    struct fixture *f = *state;
    struct sb_model_version v;
    make_model(f, "m");
    for (int i = 0; i < 4; i++) make_version(f, "m");
    OK(sb_registry_version_stage(&f->c, S("m"), S("1"), S("production"), false, &v));
    IS(v.stage, "Production");
    OK(sb_registry_version_stage(&f->c, S("m"), S("2"), S("PRODUCTION"), true, &v));
    OK(sb_registry_version_get(&f->c, S("m"), S("1"), &v));
    IS(v.stage, "Archived");
    FAILS(sb_registry_version_stage(&f->c, S("m"), S("2"), S("Live"), false, &v),
          INVALID_PARAMETER_VALUE,
          "Invalid Model Version stage: Live. Value must be one of None, Staging, Production, "
          "Archived.");
    FAILS(sb_registry_version_stage(&f->c, S("m"), S("2"), S("Archived"), true, &v),
          INVALID_PARAMETER_VALUE, "cannot archive existing model versions because 'Archived'");
    struct sb_model_versions latest;
    OK(sb_registry_alias_set(&f->c, S("m"), S("a"), S("4")));
    OK(sb_registry_model_latest(&f->c, S("m"), NULL, 0, &latest));
    assert_int_equal(latest.n, 3); /* 1 Archived, 2 Production, 4 None */
    assert_int_equal(latest.v[2].version, 4);
    IS(latest.v[2].aliases[0], "a");
    struct sb_str stages[] = {S("none"), S("staging")};
    OK(sb_registry_model_latest(&f->c, S("m"), stages, 2, &latest));
    assert_int_equal(latest.n, 1);
    assert_int_equal(latest.v[0].version, 4);
}

static void tags_of_models_and_versions(void **state) {
    struct fixture *f = *state;
    struct sb_registered_model m;
    struct sb_model_version v;
    make_model(f, "m");
    make_version(f, "m");
    OK(sb_registry_model_tag_set(&f->c, S("m"), S("k"), S("1")));
    OK(sb_registry_model_tag_set(&f->c, S("m"), S("k"), S("2")));
    OK(sb_registry_version_tag_set(&f->c, S("m"), S("1"), S("k"), S("3")));
    OK(sb_registry_model_get(&f->c, S("m"), &m));
    IS(m.tags.v[0].value, "2");
    OK(sb_registry_version_get(&f->c, S("m"), S("1"), &v));
    IS(v.tags.v[0].value, "3");
    OK(sb_registry_model_tag_delete(&f->c, S("m"), S("k")));
    OK(sb_registry_model_tag_delete(&f->c, S("m"), S("k")));
    OK(sb_registry_version_tag_delete(&f->c, S("m"), S("1"), S("k")));
    OK(sb_registry_version_get(&f->c, S("m"), S("1"), &v));
    assert_int_equal(v.tags.n, 0);
    FAILS(sb_registry_model_tag_set(&f->c, S("none"), S("k"), S("v")), RESOURCE_DOES_NOT_EXIST,
          "none");
    FAILS(sb_registry_version_tag_set(&f->c, S("m"), S("2"), S("k"), S("v")),
          RESOURCE_DOES_NOT_EXIST, "version=2");
    char *big = malloc(100002);
    memset(big, 'x', 100001);
    big[100001] = '\0';
    FAILS(sb_registry_model_tag_set(&f->c, S("m"), S("k"), S(big)), INVALID_PARAMETER_VALUE,
          "'value' exceeds the maximum length of 100000 characters");
    FAILS(sb_registry_version_tag_set(&f->c, S("m"), S("1"), S("mlflow.prompt.text"), S(big)),
          INVALID_PARAMETER_VALUE, "Prompt text exceeds max length of 100000 characters.");
    big[100000] = '\0';
    OK(sb_registry_model_tag_set(&f->c, S("m"), S("k"), S(big)));
    free(big);
}

static void descriptions_change(void **state) {
    struct fixture *f = *state;
    struct sb_registered_model m;
    struct sb_model_version v;
    make_model(f, "m");
    make_version(f, "m");
    OK(sb_registry_model_update(&f->c, S("m"), S("new text"), &m));
    IS(m.description, "new text");
    assert_true(m.last_updated_time.v > m.creation_time.v);
    OK(sb_registry_version_update(&f->c, S("m"), S("1"), S("version text"), &v));
    IS(v.description, "version text");
    FAILS(sb_registry_version_update(&f->c, S("m"), S("5"), S("x"), &v), RESOURCE_DOES_NOT_EXIST,
          "version=5");
    FAILS(sb_registry_model_update(&f->c, S("none"), S("x"), &m), RESOURCE_DOES_NOT_EXIST, "none");
}

/* ---- sources ---- */

struct made {
    struct sb_str run_id, model_id;
};

static struct made make_logged_model(struct fixture *f) {
    struct made made = {.run_id = fixture_run(f, "0", "r")};
    struct sb_logged_model m;
    struct sb_logged_model_new in = {.experiment_id = S("0"), .source_run_id = made.run_id};
    OK(sb_registry_logged_model_create(&f->c, &in, &m));
    made.model_id = m.model_id;
    return made;
}

static void a_logged_model_becomes_a_version(void **state) {
    struct fixture *f = *state;
    struct made made = make_logged_model(f);
    struct sb_model_version v;
    struct sb_str uri;
    make_model(f, "m");
    struct sb_version_new in = {.name = S("m"),
                                .source =
                                    S(sb_arena_printf(&f->arena, "models:/%s", made.model_id.p)),
                                .model_id = made.model_id};
    f->changes_n = 0;
    OK(sb_registry_version_create(&f->c, &in, &v));
    assert_int_equal(f->changes[0].what, SB_REGISTRY_VERSION_CREATED);
    IS(v.run_id, made.run_id.p);
    IS(v.model_id, made.model_id.p);
    IS(v.status, "READY");
    OK(sb_registry_version_download_uri(&f->c, S("m"), S("1"), &uri));
    IS(uri, sb_arena_printf(&f->arena, "mlflow-artifacts:/0/models/%s/artifacts", made.model_id.p));
    in.model_id = (struct sb_str){0}; /* the source alone names it too */
    OK(sb_registry_version_create(&f->c, &in, &v));
    struct sb_logged_model m;
    OK(sb_registry_logged_model_get(&f->c, made.model_id, false, &m));
    assert_int_equal(m.registrations_n, 2);
    IS(m.registrations[1].version, "2");
    IS(m.tags.v[0].value,
       "[{\"name\":\"m\",\"version\":\"1\"},{\"name\":\"m\",\"version\":\"2\"}]");
    in.source = S("models:/m-nothing");
    FAILS(sb_registry_version_create(&f->c, &in, &v), RESOURCE_DOES_NOT_EXIST, "m-nothing");
}

static void a_version_is_copied_by_its_uri(void **state) {
    struct fixture *f = *state;
    struct made made = make_logged_model(f);
    struct sb_model_version v;
    make_model(f, "a");
    make_model(f, "b");
    struct sb_version_new first = {
        .name = S("a"), .source = S(sb_arena_printf(&f->arena, "models:/%s", made.model_id.p))};
    OK(sb_registry_version_create(&f->c, &first, &v));
    OK(sb_registry_alias_set(&f->c, S("a"), S("production"), S("1")));
    OK(sb_registry_version_stage(&f->c, S("a"), S("1"), S("Staging"), false, &v));
    static const char *const sources[] = {"models:/a/1", "models:/a/latest", "models:/a/staging",
                                          "models:/a@production"};
    for (size_t i = 0; i < SB_COUNT(sources); i++) {
        struct sb_version_new in = {.name = S("b"), .source = S(sources[i])};
        OK(sb_registry_version_create(&f->c, &in, &v));
        IS(v.source, "models:/a/1");
        IS(v.run_id, made.run_id.p);
        assert_true(sb_str_starts(v.storage_location, S("mlflow-artifacts:/0/models/m-")));
    }
    static const struct {
        const char *source, *run_id;
        enum sb_mlflow_error code;
    } bad[] = {
        {"models:/a/9", NULL, SB_MLFLOW_RESOURCE_DOES_NOT_EXIST},
        {"models:/none/1", NULL, SB_MLFLOW_RESOURCE_DOES_NOT_EXIST},
        {"models:/a@none", NULL, SB_MLFLOW_INVALID_PARAMETER_VALUE},
        {"models:/a/production", NULL, SB_MLFLOW_INVALID_PARAMETER_VALUE},
        {"models:/a/live", NULL, SB_MLFLOW_INVALID_PARAMETER_VALUE},
        {"models:/a/1/x", NULL, SB_MLFLOW_INVALID_PARAMETER_VALUE},
        {"models://host/a/1", NULL, SB_MLFLOW_INVALID_PARAMETER_VALUE},
        {"models:/a/1", "someoneelse", SB_MLFLOW_INVALID_PARAMETER_VALUE},
        {"models:/", NULL, SB_MLFLOW_INVALID_PARAMETER_VALUE},
        {"models:/a/..", NULL, SB_MLFLOW_INVALID_PARAMETER_VALUE},
    };
    for (size_t i = 0; i < SB_COUNT(bad); i++) {
        struct sb_version_new in = {
            .name = S("b"), .source = S(bad[i].source), .run_id = S(bad[i].run_id)};
        if (!sb_registry_version_create(&f->c, &in, &v)) fail_msg("%s accepted", bad[i].source);
        if (f->c.error.code != bad[i].code) fail_msg("%s: %s", bad[i].source, f->c.error.message.p);
    }
}

static void a_source_must_be_inside_what_it_is_said_to_be_of(void **state) {
    struct fixture *f = *state;
    struct made made = make_logged_model(f);
    struct sb_str other = fixture_run(f, "0", "other");
    struct sb_model_version v;
    make_model(f, "m");
    const char *run = made.run_id.p, *model = made.model_id.p;
    struct sb_arena *a = &f->arena;
    const struct {
        const char *what, *source, *run_id, *model_id;
        bool ok;
    } rows[] = {
        {"own run", sb_arena_printf(a, "mlflow-artifacts:/0/%s/artifacts/model", run), run, NULL,
         true},
        {"own run's root", sb_arena_printf(a, "mlflow-artifacts:/0/%s/artifacts", run), run, NULL,
         true},
        {"another run", sb_arena_printf(a, "mlflow-artifacts:/0/%s/artifacts/model", other.p), run,
         NULL, false},
        {"no run given", sb_arena_printf(a, "mlflow-artifacts:/0/%s/artifacts/model", run), NULL,
         NULL, false},
        {"prefix of a name", sb_arena_printf(a, "mlflow-artifacts:/0/%s/artifacts2", run), run,
         NULL, false},
        {"by the http route",
         sb_arena_printf(a, "http://h/api/2.0/mlflow-artifacts/artifacts/0/%s/artifacts", other.p),
         run, NULL, false},
        {"other host", sb_arena_printf(a, "mlflow-artifacts://h:1/0/%s/artifacts/model", run), run,
         NULL, false},
        {"own logged model", sb_arena_printf(a, "mlflow-artifacts:/0/models/%s/artifacts", model),
         NULL, model, true},
        {"run's files for a logged model",
         sb_arena_printf(a, "mlflow-artifacts:/0/%s/artifacts/model", run), NULL, model, false},
        {"runs uri", sb_arena_printf(a, "runs:/%s/model", run), run, NULL, true},
        {"runs uri of another", sb_arena_printf(a, "runs:/%s/model", other.p), run, NULL, false},
        {"local path", "/etc/passwd", run, NULL, false},
        {"file uri", "file:///etc/passwd", run, NULL, false},
        {"relative path", "model", run, NULL, false},
        {"climbing", sb_arena_printf(a, "mlflow-artifacts:/0/%s/artifacts/../../1", run), run, NULL,
         false},
        {"climbing, twice encoded",
         sb_arena_printf(a, "mlflow-artifacts:/0/%s/artifacts/%%252e%%252e/1", run), run, NULL,
         false},
        {"bucket", "s3://b/model", NULL, NULL, true},
        {"bucket, climbing", "s3://b/model/../x", NULL, NULL, false},
        {"run unknown", "mlflow-artifacts:/0/x/artifacts", "none", NULL, false},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_version_new in = {.name = S("m"),
                                    .source = S(rows[i].source),
                                    .run_id = S(rows[i].run_id),
                                    .model_id = S(rows[i].model_id)};
        sb_err err = sb_registry_version_create(&f->c, &in, &v);
        if (!err != rows[i].ok) fail_msg("%s: %s", rows[i].what, err ? f->c.error.message.p : "ok");
        if (err) assert_non_null(strstr(f->c.error.message.p, "Invalid model version source: '"));
    }
}

static void a_local_source_stays_in_its_run(void **state) {
    struct fixture *f = *state;
    int64_t id;
    struct sb_model_version v;
    OK(sb_registry_experiment_create(&f->c, S("local"), S("/data/art"), (struct sb_tags){0}, &id));
    struct sb_str run = fixture_run(f, "1", "r");
    make_model(f, "m");
    const struct {
        const char *source;
        bool ok;
    } rows[] = {
        {sb_arena_printf(&f->arena, "/data/art/%s/artifacts/model", run.p), true},
        {sb_arena_printf(&f->arena, "file:///data/art/%s/artifacts/model", run.p), true},
        {sb_arena_printf(&f->arena, "file://localhost/data/art/%s/artifacts/model", run.p), true},
        {sb_arena_printf(&f->arena, "file://evil/data/art/%s/artifacts/model", run.p), false},
        {"/data/art", false},
        {"/etc", false},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_version_new in = {.name = S("m"), .source = S(rows[i].source), .run_id = run};
        sb_err err = sb_registry_version_create(&f->c, &in, &v);
        if (!err != rows[i].ok) fail_msg("%s", rows[i].source);
    }
}

static void a_prompt_has_a_placeholder_for_a_source(void **state) {
    struct fixture *f = *state;
    struct sb_registered_model m;
    struct sb_model_version v;
    struct sb_tag tag = {S("mlflow.prompt.is_prompt"), S("true")};
    OK(sb_registry_model_create(&f->c, S("p"), S(""), (struct sb_tags){&tag, 1}, &m));
    struct sb_version_new in = {
        .name = S("p"), .source = S("/etc/passwd"), .tags = (struct sb_tags){&tag, 1}};
    FAILS(sb_registry_version_create(&f->c, &in, &v), INVALID_PARAMETER_VALUE,
          "Invalid prompt source: '/etc/passwd'");
    in.source = S("dummy-source");
    OK(sb_registry_version_create(&f->c, &in, &v));
    make_model(f, "m");
    struct sb_version_new copy = {.name = S("m"), .source = S("models:/p/1")};
    FAILS(sb_registry_version_create(&f->c, &copy, &v), INVALID_PARAMETER_VALUE,
          "Prompt versions cannot be used as model version sources.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(models_are_made_once),
        TEST(bad_model_names_are_refused),
        TEST(renaming_takes_everything_along),
        TEST(deleting_a_model_starts_its_numbers_again),
        TEST(a_deleted_version_keeps_its_number),
        TEST(aliases_move),
        TEST(bad_aliases_are_refused),
        TEST(stages_have_one_version_when_asked),
        TEST(tags_of_models_and_versions),
        TEST(descriptions_change),
        TEST(a_logged_model_becomes_a_version),
        TEST(a_version_is_copied_by_its_uri),
        TEST(a_source_must_be_inside_what_it_is_said_to_be_of),
        TEST(a_local_source_stays_in_its_run),
        TEST(a_prompt_has_a_placeholder_for_a_source),
    };
    return cmocka_run_group_tests_name("domain/registry models", tests, NULL, NULL);
}

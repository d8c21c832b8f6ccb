/* Removal for good: what is chosen, what is kept, which rows and files go. */
#include "domain/registry/fixture_test.h"

#include "domain/registry/gc.h"
#include "engine/sql/sql.h"

/* Files that remember what was asked of them. */
struct files {
    char log[512];
    sb_err answer;
};

static void note(struct files *x, const char *what, struct sb_str uri) {
    size_t n = strlen(x->log);
    snprintf(x->log + n, sizeof x->log - n, "%s%s%.*s", n ? "; " : "", what, SB_ARG(uri));
}

static sb_err set_aside(void *user, struct sb_str uri, struct sb_errctx *ctx) {
    struct files *x = user;
    note(x, "aside ", uri);
    return x->answer ? sb_fail(ctx, x->answer, "no") : SB_OK;
}

static void put_back(void *user) {
    note(user, "back", (struct sb_str){0});
}

static void discard(void *user) {
    note(user, "discard", (struct sb_str){0});
}

static struct sb_gc_outcome remove_one(struct fixture *f, struct files *x, enum sb_gc_kind kind,
                                       struct sb_str id, bool force) {
    struct sb_gc_files files = {x, set_aside, put_back, discard};
    struct sb_gc_item item = {kind, id};
    struct sb_gc_outcome out;
    OK(sb_registry_gc_remove(&f->c, &item, force, &files, &out));
    return out;
}

static struct sb_str make_experiment(struct fixture *f, const char *name) {
    int64_t id;
    OK(sb_registry_experiment_create(&f->c, S(name), S(""), (struct sb_tags){0}, &id));
    return S(sb_arena_printf(&f->arena, "%lld", (long long)id));
}

static struct sb_str make_logged(struct fixture *f, struct sb_str experiment, struct sb_str run) {
    struct sb_logged_model m;
    struct sb_tag tag = {S("a"), S("b")};
    struct sb_logged_model_new in = {.experiment_id = experiment,
                                     .name = S("m"),
                                     .model_type = S(""),
                                     .source_run_id = run,
                                     .tags = {&tag, 1},
                                     .params = {&tag, 1}};
    OK(sb_registry_logged_model_create(&f->c, &in, &m));
    return m.model_id;
}

/* A run with a row in every table that hangs on it. */
static struct sb_str make_full_run(struct fixture *f, struct sb_str experiment) {
    struct sb_str run = fixture_run(f, experiment.p, "full");
    struct sb_str model = make_logged(f, experiment, run);
    struct sb_tag tag = {S("t"), S("1")};
    struct sb_metric m = {.key = S("loss"),
                          .value = 1,
                          .timestamp = 1,
                          .model_id = model,
                          .dataset_name = S("iris"),
                          .dataset_digest = S("d")};
    struct sb_dataset_input data = {.dataset = {.name = S("iris"),
                                                .digest = S("d"),
                                                .source_type = S("local"),
                                                .source = S("{}")},
                                    .tags = {&tag, 1}};
    struct sb_model_link link = {.model_id = model};
    OK(sb_registry_batch_log(&f->c, run, NULL, 0, (struct sb_tags){&tag, 1},
                             (struct sb_tags){&tag, 1}));
    OK(sb_registry_metric_log(&f->c, run, &m));
    OK(sb_registry_inputs_log(&f->c, run, (struct sb_dataset_inputs){&data, 1},
                              (struct sb_model_links){&link, 1}));
    OK(sb_registry_outputs_log(&f->c, run, (struct sb_model_links){&link, 1}));
    return run;
}

/* Of a second connection to the database. */
static int64_t count(struct fixture *f, const char *sql) {
    struct sb_sql *db;
    struct sb_sql_stmt *st;
    assert_int_equal(sb_sql_open(&db, f->path, SB_SQL_READ, NULL), SB_OK);
    assert_int_equal(sb_sql_query_values(db, &st, S(sql), NULL, 0), SB_OK);
    assert_true(sb_sql_next(st));
    int64_t n = sb_sql_col_int(st, 0);
    assert_int_equal(sb_sql_end(st), SB_OK);
    sb_sql_close(db);
    return n;
}

/* "run model experiment", by kind letters: rrme */
static void plan_is(struct fixture *f, struct sb_gc_select s, const char *letters) {
    struct sb_gc_items items;
    char got[64] = "";
    OK(sb_registry_gc_plan(&f->c, &s, &items));
    assert_in_range(items.n, 0, 60);
    for (size_t i = 0; i < items.n; i++) got[i] = "rme"[items.v[i].kind];
    assert_string_equal(got, letters);
}

static void only_what_is_deleted_and_old_is_planned(void **state) {
    struct fixture *f = *state;
    struct sb_str e = make_experiment(f, "e"), gone = make_experiment(f, "gone");
    struct sb_str a = fixture_run(f, e.p, "a"), b = fixture_run(f, e.p, "b");
    struct sb_str m = make_logged(f, e, a);
    fixture_run(f, e.p, "stays");
    fixture_run(f, gone.p, "in it");
    make_logged(f, gone, a);
    plan_is(f, (struct sb_gc_select){0}, "");
    OK(sb_registry_run_delete(&f->c, a));
    OK(sb_registry_logged_model_delete(&f->c, m));
    f->now_ns += 1000 * SB_SEC;
    OK(sb_registry_run_delete(&f->c, b));
    OK(sb_registry_experiment_delete(&f->c, gone));
    plan_is(f, (struct sb_gc_select){0}, "rrrmme");
    plan_is(f, (struct sb_gc_select){.older_than_ms = 500 * 1000}, "rm");
    plan_is(f, (struct sb_gc_select){.older_than_ms = 1001 * 1000}, "");
    plan_is(f, (struct sb_gc_select){.ids = {&b}, .ids_n = {1}}, "r");
    plan_is(f, (struct sb_gc_select){.ids = {NULL, NULL, &gone}, .ids_n = {0, 0, 1}}, "rme");
    plan_is(f, (struct sb_gc_select){.ids = {&a, &m, &gone}, .ids_n = {1, 1, 1}}, "rrmme");
}

static void named_items_must_be_deleted_and_old(void **state) {
    struct fixture *f = *state;
    struct sb_gc_items items;
    struct sb_str run = fixture_run(f, "0", "a"), zero = S("0"), none = S("m-none");
    struct sb_str m = make_logged(f, zero, run);
    FAILS(sb_registry_gc_plan(&f->c, &(struct sb_gc_select){.ids = {&run}, .ids_n = {1}}, &items),
          INVALID_PARAMETER_VALUE, "is not in `deleted` lifecycle stage");
    FAILS(sb_registry_gc_plan(&f->c, &(struct sb_gc_select){.ids = {NULL, &m}, .ids_n = {0, 1}},
                              &items),
          INVALID_PARAMETER_VALUE, "is not in `deleted` lifecycle stage");
    FAILS(
        sb_registry_gc_plan(
            &f->c, &(struct sb_gc_select){.ids = {NULL, NULL, &zero}, .ids_n = {0, 0, 1}}, &items),
        INVALID_PARAMETER_VALUE, "Experiment 0 is not in `deleted`");
    FAILS(sb_registry_gc_plan(&f->c, &(struct sb_gc_select){.ids = {NULL, &none}, .ids_n = {0, 1}},
                              &items),
          RESOURCE_DOES_NOT_EXIST, "m-none");
    OK(sb_registry_run_delete(&f->c, run));
    FAILS(sb_registry_gc_plan(
              &f->c,
              &(struct sb_gc_select){.ids = {&run}, .ids_n = {1}, .older_than_ms = 60 * 1000},
              &items),
          INVALID_PARAMETER_VALUE, "is not older than the required age");
}

static void a_run_goes_with_all_its_rows(void **state) {
    struct fixture *f = *state;
    struct files x = {0};
    struct sb_str e = make_experiment(f, "e"), run = make_full_run(f, e);
    static const char *const tables[] = {
        "SELECT count(*) FROM metrics",    "SELECT count(*) FROM latest_metrics",
        "SELECT count(*) FROM params",     "SELECT count(*) FROM tags",
        "SELECT count(*) FROM input_tags", "SELECT count(*) FROM inputs",
        "SELECT count(*) FROM runs",       "SELECT count(*) FROM logged_model_metrics",
    };
    for (size_t i = 0; i < SB_COUNT(tables); i++) assert_in_range(count(f, tables[i]), 1, 10);
    OK(sb_registry_run_delete(&f->c, run));
    struct sb_gc_outcome out = remove_one(f, &x, SB_GC_RUN, run, false);
    assert_true(out.removed);
    assert_non_null(strstr(x.log, "/artifacts; discard"));
    for (size_t i = 0; i < SB_COUNT(tables); i++) assert_int_equal(count(f, tables[i]), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM logged_models"), 1);
    assert_true(remove_one(f, &x, SB_GC_RUN, run, false).removed); /* a plan carried out again */
}

static void an_experiment_goes_last(void **state) {
    struct fixture *f = *state;
    struct files x = {0};
    struct sb_str e = make_experiment(f, "e");
    make_full_run(f, e);
    OK(sb_registry_experiment_tag_set(&f->c, e, S("k"), S("v")));
    OK(sb_registry_experiment_delete(&f->c, e));
    struct sb_gc_outcome out = remove_one(f, &x, SB_GC_EXPERIMENT, e, false);
    assert_false(out.removed);
    assert_non_null(strstr(out.why_kept.p, "still has 2 runs or logged models"));
    struct sb_gc_items items;
    OK(sb_registry_gc_plan(&f->c, &(struct sb_gc_select){0}, &items));
    for (size_t i = 0; i < items.n; i++)
        assert_true(remove_one(f, &x, items.v[i].kind, items.v[i].id, false).removed);
    assert_int_equal(count(f, "SELECT count(*) FROM experiments"), 1); /* Default */
    assert_int_equal(count(f, "SELECT count(*) FROM experiment_tags"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM datasets"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM logged_model_params"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM logged_model_tags"), 0);
}

static void what_was_restored_stays(void **state) {
    struct fixture *f = *state;
    struct files x = {0};
    struct sb_str e = make_experiment(f, "e"), run = fixture_run(f, e.p, "a");
    struct sb_str m = make_logged(f, e, run);
    assert_non_null(strstr(remove_one(f, &x, SB_GC_RUN, run, true).why_kept.p, "not deleted"));
    assert_non_null(
        strstr(remove_one(f, &x, SB_GC_LOGGED_MODEL, m, true).why_kept.p, "not deleted"));
    assert_non_null(strstr(remove_one(f, &x, SB_GC_EXPERIMENT, e, true).why_kept.p, "not deleted"));
    assert_string_equal(x.log, "");
}

static void files_of_a_registered_version_stay(void **state) {
    struct fixture *f = *state;
    struct files x = {0};
    struct sb_str run = fixture_run(f, "0", "a"), m = make_logged(f, S("0"), run);
    struct sb_run_info info;
    struct sb_registered_model made;
    struct sb_model_version v;
    OK(sb_registry_run_info(&f->c, run, &info));
    OK(sb_registry_model_create(&f->c, S("iris"), S(""), (struct sb_tags){0}, &made));
    const char *source = sb_arena_printf(&f->arena, "%s/model", info.artifact_uri.p);
    struct sb_version_new of_run = {.name = S("iris"), .source = S(source), .run_id = run};
    struct sb_version_new of_model = {.name = S("iris"),
                                      .source = S(sb_arena_printf(&f->arena, "models:/%s", m.p))};
    OK(sb_registry_version_create(&f->c, &of_run, &v));
    OK(sb_registry_version_create(&f->c, &of_model, &v));
    OK(sb_registry_run_delete(&f->c, run));
    OK(sb_registry_logged_model_delete(&f->c, m));
    assert_non_null(
        strstr(remove_one(f, &x, SB_GC_RUN, run, false).why_kept.p, "model iris version 1"));
    assert_non_null(
        strstr(remove_one(f, &x, SB_GC_LOGGED_MODEL, m, false).why_kept.p, "model iris version 2"));
    assert_string_equal(x.log, "");
    OK(sb_registry_version_delete(&f->c, S("iris"), S("1")));
    assert_true(remove_one(f, &x, SB_GC_RUN, run, false).removed);
    assert_true(remove_one(f, &x, SB_GC_LOGGED_MODEL, m, true).removed);
}

static void files_elsewhere_are_named_and_left(void **state) {
    struct fixture *f = *state;
    struct files x = {.answer = SB_E_UNSUPPORTED};
    struct sb_str run = fixture_run(f, "0", "a");
    OK(sb_registry_run_delete(&f->c, run));
    struct sb_gc_outcome out = remove_one(f, &x, SB_GC_RUN, run, false);
    assert_true(out.removed);
    assert_non_null(strstr(out.files_left.p, "/artifacts"));
    assert_null(strstr(x.log, "discard"));
}

static void rows_stay_when_files_do(void **state) {
    struct fixture *f = *state;
    struct files x = {.answer = SB_E_IO};
    struct sb_gc_files files = {&x, set_aside, put_back, discard};
    struct sb_gc_outcome out;
    struct sb_str run = fixture_run(f, "0", "a");
    struct sb_gc_item item = {SB_GC_RUN, run};
    OK(sb_registry_run_delete(&f->c, run));
    FAILS(sb_registry_gc_remove(&f->c, &item, false, &files, &out), INTERNAL_ERROR,
          "cannot remove the files");
    assert_false(out.removed);
    assert_int_equal(count(f, "SELECT count(*) FROM runs"), 1);
}

static void files_come_back_when_rows_stay(void **state) {
    struct fixture *f = *state;
    struct files x = {0};
    struct sb_gc_files files = {&x, set_aside, put_back, discard};
    struct sb_gc_outcome out;
    struct sb_sql *db;
    struct sb_str run = fixture_run(f, "0", "a");
    struct sb_gc_item item = {SB_GC_RUN, run};
    OK(sb_registry_run_delete(&f->c, run));
    assert_int_equal(sb_sql_open(&db, f->path, SB_SQL_WRITE, NULL), SB_OK);
    assert_int_equal(sb_sql_script(db, "CREATE TRIGGER no BEFORE DELETE ON runs BEGIN SELECT "
                                       "RAISE(ABORT, 'no'); END;"),
                     SB_OK);
    sb_sql_close(db);
    assert_int_not_equal(sb_registry_gc_remove(&f->c, &item, false, &files, &out), SB_OK);
    assert_non_null(strstr(x.log, "; back"));
    assert_int_equal(count(f, "SELECT count(*) FROM runs"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM tags"), 1); /* rolled back with it */
}

static void kinds_have_names(void **state) {
    enum sb_gc_kind k = SB_GC_RUN;
    SB_UNUSED(state);
    assert_true(sb_gc_kind_parse(S("logged_model"), &k));
    assert_int_equal(k, SB_GC_LOGGED_MODEL);
    assert_string_equal(sb_gc_kind_name(SB_GC_EXPERIMENT), "experiment");
    assert_false(sb_gc_kind_parse(S("model"), &k));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_deleted_and_old_is_planned),
        TEST(named_items_must_be_deleted_and_old),
        TEST(a_run_goes_with_all_its_rows),
        TEST(an_experiment_goes_last),
        TEST(what_was_restored_stays),
        TEST(files_of_a_registered_version_stay),
        TEST(files_elsewhere_are_named_and_left),
        TEST(rows_stay_when_files_do),
        TEST(files_come_back_when_rows_stay),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

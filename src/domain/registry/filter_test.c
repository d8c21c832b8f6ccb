/* The filter and order_by languages, on rows: what is found, what is refused and how. */
#include "domain/registry/fixture_test.h"

#include <math.h>

#include "domain/registry/filter.h"

/* ---- the data: runs a b c d, each a millisecond after the one before ---- */

static struct sb_str make_run(struct fixture *f, const char *name, const char *user) {
    struct sb_run run;
    struct sb_run_new in = {.experiment_id = S("0"), .name = S(name), .user_id = S(user)};
    in.start_time = SB_SOME(f->now_ns / SB_MS);
    OK(sb_registry_run_create(&f->c, &in, &run));
    fixture_tick(f);
    return run.info.run_id;
}

static void metric(struct fixture *f, struct sb_str run, const char *key, double value) {
    struct sb_metric m = {.key = S(key), .value = value, .timestamp = 1};
    OK(sb_registry_metric_log(&f->c, run, &m));
}

static void dataset(struct fixture *f, struct sb_str run, const char *digest, const char *context) {
    struct sb_tag tag = {S("mlflow.data.context"), S(context)};
    struct sb_dataset_input in = {.dataset = {S("iris"), S(digest), S("local"), S("{}"), {0}, {0}},
                                  .tags = {&tag, 1}};
    OK(sb_registry_inputs_log(&f->c, run, (struct sb_dataset_inputs){&in, 1},
                              (struct sb_model_links){0}));
}

static struct sb_str ids[4];

static void make_runs(struct fixture *f) {
    struct sb_run_info info;
    struct sb_str a = ids[0] = make_run(f, "a", "ann"), b = ids[1] = make_run(f, "b", "ann");
    struct sb_str c = ids[2] = make_run(f, "c", "bob"), d = ids[3] = make_run(f, "d", "bob");
    metric(f, a, "loss", 0.1);
    metric(f, a, "acc", 3);
    metric(f, b, "loss", 0.5);
    metric(f, c, "loss", (double)NAN);
    metric(f, d, "val loss", 2);
    metric(f, d, "loss", -1e10);
    OK(sb_registry_param_log(&f->c, a, S("lr"), S("0.01")));
    OK(sb_registry_param_log(&f->c, b, S("lr"), S("0.1")));
    OK(sb_registry_param_log(&f->c, c, S("model"), S("Forest")));
    OK(sb_registry_param_log(&f->c, d, S("model"), S("forest")));
    OK(sb_registry_run_tag_set(&f->c, a, S("team"), S("blue")));
    OK(sb_registry_run_tag_set(&f->c, b, S("team"), S("Blue")));
    OK(sb_registry_run_tag_set(&f->c, c, S("team.sub"), S("it's")));
    OK(sb_registry_run_tag_set(&f->c, d, S("a b"), S("say \"x\"")));
    dataset(f, a, "d1", "training");
    dataset(f, c, "d2", "eval");
    OK(sb_registry_run_update(&f->c, a, SB_RUN_FINISHED, SB_SOME(1500), (struct sb_str){0}, &info));
    OK(sb_registry_run_update(&f->c, b, SB_RUN_FAILED, SB_SOME(2500), (struct sb_str){0}, &info));
}

static sb_err search(struct fixture *f, const char *filter, const char *order, char *found) {
    struct sb_str zero = S("0"), item = S(order);
    struct sb_search q = {.filter = S(filter), .order_by = &item, .order_by_n = *order ? 1 : 0};
    struct sb_runs out;
    sb_err err = sb_registry_run_search(&f->c, &zero, 1, &q, SB_VIEW_ACTIVE_ONLY, &out);
    if (err) return err;
    for (size_t i = 0; i < out.n; i++) found[i] = out.v[i].info.name.p[0];
    found[out.n] = '\0';
    return SB_OK;
}

struct row {
    const char *filter;
    const char *found;   /* newest first */
    const char *refused; /* or part of the message */
};

static const struct row accepted[] = {
    {"", "dcba", NULL},
    {"   ", "dcba", NULL},
    /* metrics */
    {"metrics.loss > 0", "ba", NULL},
    {"metric.loss>=0.5", "b", NULL},
    {"metrics.loss < 0.5", "da", NULL},
    {"metrics.loss <= .5", "dba", NULL},
    {"metrics.loss = 0.1", "a", NULL},
    {"metrics.loss = 0", "", NULL}, /* a NaN is stored as 0, but is none */
    {"metrics.loss != 0.1", "dcb", NULL},
    {"metrics.loss = 1e-1", "a", NULL},
    {"metrics.loss = 1.0E-1", "a", NULL},
    {"metrics.loss > -2e10", "dba", NULL},
    {"metrics.loss = -1e10", "d", NULL},
    {"metrics.acc = 3", "a", NULL},
    {"metrics.acc = 3.", "a", NULL},
    {"metrics.`val loss` > 1", "d", NULL},
    {"metrics.\"val loss\" > 1", "d", NULL},
    {"`metrics`.loss = 0.5", "b", NULL},
    {"metrics.missing != 1", "", NULL},
    /* params */
    {"params.lr = '0.01'", "a", NULL},
    {"param.lr = \"0.01\"", "a", NULL},
    {"parameters.lr != '0.01'", "b", NULL},
    {"parameter.model LIKE 'for%'", "d", NULL},
    {"params.model ILIKE 'FOR%'", "dc", NULL},
    {"params.model like '%orest'", "dc", NULL},
    {"params.model LIKE 'f_rest'", "d", NULL},
    {"params.lr IS NULL", "dc", NULL},
    {"params.lr IS NOT NULL", "ba", NULL},
    {"params.lr is not null", "ba", NULL},
    /* tags */
    {"tags.team = 'blue'", "a", NULL},
    {"tag.team != 'blue'", "b", NULL},
    {"tags.team ILIKE 'BLUE'", "ba", NULL},
    {"tags.team IS NULL", "dc", NULL},
    {"tags.`team.sub` = \"it's\"", "c", NULL},
    {"tags.team.sub = \"it's\"", "c", NULL},
    {"tags.\"a b\" = 'say \"x\"'", "d", NULL},
    {"tags.`a b` IS NOT NULL", "d", NULL},
    {"tags.mlflow.runName = 'b'", "b", NULL},
    /* attributes */
    {"run_name = 'b'", "b", NULL},
    {"attributes.run_name != 'b'", "dca", NULL},
    {"attr.`Run name` = 'c'", "c", NULL},
    {"attribute.`run name` ILIKE 'C'", "c", NULL},
    {"run.user_id = 'ann'", "ba", NULL},
    {"user_id LIKE 'b%'", "dc", NULL},
    {"status = 'FINISHED'", "a", NULL},
    {"status != 'RUNNING'", "ba", NULL},
    {"attributes.status = 'RUNNING'", "dc", NULL},
    {"start_time >= 1700000000002", "dc", NULL},
    {"created < 1700000000001", "a", NULL},
    {"attributes.Created = 1700000000003", "d", NULL},
    {"end_time > 2000", "b", NULL},
    {"end_time > 1500.5", "b", NULL},
    {"artifact_uri LIKE 'mlflow-artifacts:/0/%'", "dcba", NULL},
    {"run_id = 'none'", "", NULL},
    {"run_id IN ('none')", "", NULL},
    {"run_id NOT IN ('none', \"other\",)", "dcba", NULL},
    /* datasets */
    {"dataset.name = 'iris'", "ca", NULL},
    {"datasets.digest = 'd2'", "c", NULL},
    {"dataset.context = 'training'", "a", NULL},
    {"dataset.context != 'training'", "c", NULL},
    {"dataset.name LIKE 'ir%' AND dataset.context ILIKE 'EVAL'", "c", NULL},
    {"dataset.digest IN ('d1', 'd2', 'd3')", "ca", NULL},
    {"dataset.digest NOT IN ('d1')", "c", NULL},
    /* AND */
    {"metrics.loss < 1 AND params.lr = '0.1'", "b", NULL},
    {"metrics.loss < 1 and status = 'FINISHED' AnD tags.team = 'blue'", "a", NULL},
    {"\n metrics.loss\t<\r\n1 AND\ntags.team = 'Blue' ", "b", NULL},
    {"tags.team = 'blue' AND tags.team = 'Blue'", "", NULL},
    {"tags.team = 'a AND b'", "", NULL},
    {"tags.team = ''' OR 1=1 --'", "", NULL},
    {"tags.`x' OR 1=1 --` = 'y'", "", NULL},
};

static const struct row refused[] = {
    {"metrics.loss", NULL, "Invalid clause(s) in filter string"},
    {"metrics.loss >", NULL, "Invalid clause(s) in filter string"},
    {"> 3", NULL, "Invalid clause(s) in filter string: '> 3'"},
    {"metrics.loss > 'a'", NULL, "Expected numeric value type for metric. Found 'a'"},
    {"metrics.loss > nan", NULL, "Expected numeric value type for metric. Found nan"},
    {"metrics.loss > 1e", NULL, "Expected numeric value type for metric. Found 1e"},
    {"metrics.loss > 1x", NULL, "Expected numeric value type for metric. Found 1x"},
    {"metrics.loss > 1.2.3", NULL, "Expected numeric value type for metric. Found 1.2.3"},
    {"metrics.loss > -", NULL, "Expected numeric value type for metric. Found -"},
    {"metrics.loss LIKE 3", NULL, "Invalid comparator 'LIKE' not one of"},
    {"metrics.loss == 3", NULL, "Invalid comparator '==' not one of"},
    {"metrics.loss <> 3", NULL, "Invalid comparator '<>' not one of"},
    {"metrics.loss IS NULL", NULL, "IS NULL / IS NOT NULL is only supported for tags and params"},
    {"metrics.loss IN (1)", NULL, "Invalid clause(s)"},
    {"params.lr = 0.01", NULL,
     "Expected a quoted string value for parameter (e.g. 'my-value'). "
     "Got value 0.01"},
    {"params.lr = tree", NULL,
     "Parameter value is either not quoted or unidentified quote types "
     "used for string value tree. Use either single or double quotes."},
    {"params.lr = `tree`", NULL, "unidentified quote types used for string value `tree`"},
    {"params.lr = 'tree", NULL, "Invalid clause(s)"},
    {"params.lr > '1'", NULL, "Invalid comparator '>' not one of"},
    {"params.lr IN ('1')", NULL, "Expected a quoted string value for parameter"},
    {"tags.t = 5", NULL, "Expected a quoted string value for tag (e.g. 'my-value'). Got value 5"},
    {"tags.t NOT LIKE 'x'", NULL, "Invalid clause(s)"},
    {"tags.t IS 'x'", NULL, "Invalid clause(s)"},
    {"tags. = 'x'", NULL, "Invalid clause(s)"},
    {"tags.`t = 'x'", NULL, "Invalid clause(s)"},
    {"foo.bar = 'x'", NULL,
     "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', "
     "'tag', 'attribute', 'dataset']"},
    {"attributes.foo = 'x'", NULL, "Invalid attribute key 'foo' specified. Valid keys are"},
    {"foo = 'x'", NULL, "Invalid attribute key 'foo' specified"},
    {"experiment_id = '0'", NULL, "Invalid attribute key 'experiment_id' specified"},
    {"dataset.foo = 'x'", NULL, "Invalid dataset key 'foo' specified. Valid keys are"},
    {"dataset.name > 'x'", NULL, "Invalid comparator '>'"},
    {"start_time > '5'", NULL,
     "Expected numeric value type for numeric attribute: start_time. "
     "Found '5'"},
    {"start_time LIKE 5", NULL, "Invalid comparator 'LIKE'"},
    {"status > 'A'", NULL, "Invalid comparator '>'"},
    {"status IN ('A')", NULL, "Only ['run_id'] attributes support comparison with a list"},
    {"run_id IN ()", NULL, "expected a non-empty list of string values, but got empty list"},
    {"run_id IN ('a' 'b')", NULL, "ill-formed list"},
    {"run_id IN ('a',,'b')", NULL, "ill-formed list"},
    {"run_id IN ('a'", NULL, "ill-formed list"},
    {"run_id IN (a)", NULL, "ill-formed list"},
    {"run_id IN (5)", NULL, "different type in list"},
    {"run_id IN 'a'", NULL, "Invalid clause(s)"},
    {"run_id = ('a')", NULL, "Invalid comparator '=' for a list of values"},
    {"run_id NOT ('a')", NULL, "Invalid clause(s)"},
    {"tags.t = 'x' OR tags.u = 'y'", NULL, "Invalid clause(s) in filter string: 'OR tags.u"},
    {"tags.t = 'x', tags.u = 'y'", NULL, "Invalid clause(s)"},
    {"tags.t = 'x' tags.u = 'y'", NULL, "Invalid clause(s)"},
    {"(tags.t = 'x')", NULL, "Invalid clause(s)"},
    {"NOT tags.t = 'x'", NULL, "Invalid clause(s)"},
    {"tags.t = 'x';", NULL, "Invalid clause(s)"},
    {"tags.t = 'x' AND", NULL, "Invalid clause(s)"},
    {"AND tags.t = 'x'", NULL, "Invalid clause(s)"},
    {"'x' = tags.t", NULL, "Invalid comparison clause. Expected 'Identifier' found ''x''"},
    {"tags.t = 'x' -- y", NULL, "Invalid clause(s)"},
    {"metrics.my-metric > 1", NULL, "Invalid clause(s)"},
};

static void run_filters(void **state) {
    struct fixture *f = *state;
    make_runs(f);
    for (size_t i = 0; i < SB_COUNT(accepted); i++) {
        char found[8];
        if (search(f, accepted[i].filter, "", found))
            fail_msg("%s: %s", accepted[i].filter, f->c.error.message.p);
        if (strcmp(found, accepted[i].found)) fail_msg("%s: found '%s'", accepted[i].filter, found);
    }
    for (size_t i = 0; i < SB_COUNT(refused); i++) {
        char found[8];
        if (!search(f, refused[i].filter, "", found)) fail_msg("accepted: %s", refused[i].filter);
        assert_int_equal(f->c.error.code, SB_MLFLOW_INVALID_PARAMETER_VALUE);
        if (!strstr(f->c.error.message.p, refused[i].refused))
            fail_msg("%s: %s", refused[i].filter, f->c.error.message.p);
    }
    char found[8];
    const char *both = sb_arena_printf(&f->arena, "run_id IN ('%s', \"%s\")", ids[0].p, ids[3].p);
    OK(search(f, both, "", found));
    assert_string_equal(found, "da");
}

static void run_orders(void **state) {
    struct fixture *f = *state;
    static const struct row rows[] = {
        {"", "dcba", NULL},
        {"metrics.loss", "dabc", NULL}, /* the NaN after all numbers, both ways */
        {"metrics.loss ASC", "dabc", NULL},
        {"metrics.loss DESC", "badc", NULL},
        {"metrics.acc", "adcb", NULL}, /* what lacks it comes last, newest first */
        {"metrics.acc desc", "adcb", NULL},
        {"metrics.`val loss` DESC", "dcba", NULL},
        {"params.lr DESC", "badc", NULL},
        {"params.model", "cdba", NULL},
        {"tags.team", "badc", NULL},
        {"tags.\"team\" DESC", "abdc", NULL},
        {"start_time ASC", "abcd", NULL},
        {"attributes.start_time DESC", "dcba", NULL},
        {"attribute.Created", "abcd", NULL},
        {"run_name", "abcd", NULL},
        {"end_time DESC", "badc", NULL},
        {"user_id DESC", "dcba", NULL},
        {"status", "badc", NULL},
        {"metrics.loss sideways", NULL, "Invalid ordering key in order_by clause"},
        {"metrics.loss DESC ASC", NULL, "Could not be parsed"},
        {"metrics.", NULL, "Could not be parsed"},
        {"> 3", NULL, "Could not be parsed"},
        {"foo.bar", NULL, "Invalid entity type 'foo'"},
        {"foo", NULL, "Invalid attribute key 'foo'"},
        {"attributes.`Run name`", NULL, "Invalid attribute key 'Run name'"},
        {"dataset.name", NULL, "Invalid order_by entity"},
    };
    make_runs(f);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        char found[8];
        sb_err err = search(f, "", rows[i].filter, found);
        if (!err != !rows[i].refused) fail_msg("%s", rows[i].filter);
        if (!err && strcmp(found, rows[i].found)) fail_msg("%s: '%s'", rows[i].filter, found);
        if (err && !strstr(f->c.error.message.p, rows[i].refused))
            fail_msg("%s: %s", rows[i].filter, f->c.error.message.p);
    }
    struct sb_str zero = S("0"), twice[] = {S("metrics.loss"), S("metric.`loss` DESC")};
    struct sb_search q = {.order_by = twice, .order_by_n = 2};
    struct sb_runs out;
    FAILS(sb_registry_run_search(&f->c, &zero, 1, &q, SB_VIEW_ALL, &out), INVALID_PARAMETER_VALUE,
          "`order_by` contains duplicate fields");
}

static void run_pages_and_views(void **state) {
    struct fixture *f = *state;
    make_runs(f);
    OK(sb_registry_run_delete(&f->c, ids[1]));
    struct sb_str zero = S("0");
    struct sb_search q = {.max_results = SB_SOME(2)};
    struct sb_runs out;
    OK(sb_registry_run_search(&f->c, &zero, 1, &q, SB_VIEW_ALL, &out));
    assert_int_equal(out.n, 2);
    assert_int_equal(out.v[0].metrics.n, 2);
    assert_int_equal(out.v[1].dataset_inputs.n, 1);
    q.page_token = out.next_page_token;
    OK(sb_registry_run_search(&f->c, &zero, 1, &q, SB_VIEW_ALL, &out));
    assert_int_equal(out.n, 2);
    assert_null(out.next_page_token.p);
    IS(out.v[1].info.name, "a");
    OK(sb_registry_run_search(&f->c, &zero, 1, &(struct sb_search){0}, SB_VIEW_DELETED_ONLY, &out));
    assert_int_equal(out.n, 1);
    OK(sb_registry_run_search(&f->c, &zero, 1, &(struct sb_search){0}, SB_VIEW_ACTIVE_ONLY, &out));
    assert_int_equal(out.n, 3);
    OK(sb_registry_run_search(&f->c, NULL, 0, &(struct sb_search){0}, SB_VIEW_ALL, &out));
    assert_int_equal(out.n, 0);
    static const struct {
        int64_t max;
        const char *message;
    } rows[] = {{0, "must be a positive integer"}, {-1, "must be a positive"}, {50001, "at most"}};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        q = (struct sb_search){.max_results = SB_SOME(rows[i].max)};
        FAILS(sb_registry_run_search(&f->c, &zero, 1, &q, SB_VIEW_ALL, &out),
              INVALID_PARAMETER_VALUE, rows[i].message);
    }
    q = (struct sb_search){.max_results = SB_SOME(50000)};
    OK(sb_registry_run_search(&f->c, &zero, 1, &q, SB_VIEW_ALL, &out));
}

/* More runs than one group of ids holds, so that children are joined across groups. */
static void a_long_page_has_all_children(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 300; i++) {
        struct sb_str id = make_run(f, "x", "ann");
        metric(f, id, "m", i);
    }
    struct sb_str zero = S("0");
    struct sb_runs out;
    OK(sb_registry_run_search(&f->c, &zero, 1, &(struct sb_search){0}, SB_VIEW_ALL, &out));
    assert_int_equal(out.n, 300);
    for (size_t i = 0; i < out.n; i++) {
        assert_int_equal(out.v[i].metrics.n, 1);
        assert_true(out.v[i].metrics.v[0].value == 299 - (double)i);
        assert_int_equal(out.v[i].tags.n, 1);
    }
}

static void filters_have_bounds(void **state) {
    struct fixture *f = *state;
    struct sb_buf b;
    char found[8];
    make_runs(f);
    for (int clauses = SB_FILTER_CLAUSES_MAX; clauses <= SB_FILTER_CLAUSES_MAX + 1; clauses++) {
        sb_buf_init(&b, 1 << 20);
        for (int i = 0; i < clauses; i++) sb_buf_addf(&b, "%smetrics.loss < 1", i ? " AND " : "");
        sb_err err = search(f, sb_buf_cstr(&b), "", found);
        if (clauses <= SB_FILTER_CLAUSES_MAX)
            assert_int_equal(err, SB_OK);
        else
            assert_non_null(strstr(f->c.error.message.p, "at most 60 clauses"));
        sb_buf_fini(&b);
    }
    for (int n = SB_FILTER_LIST_MAX; n <= SB_FILTER_LIST_MAX + 1; n++) {
        sb_buf_init(&b, 1 << 20);
        SB_BUF_LIT(&b, "run_id IN (");
        for (int i = 0; i < n; i++) SB_BUF_LIT(&b, "'x',");
        sb_buf_addc(&b, ')');
        assert_int_equal(search(f, sb_buf_cstr(&b), "", found) == SB_OK, n == SB_FILTER_LIST_MAX);
        sb_buf_fini(&b);
    }
    static struct sb_str many[SB_QUERY_VALUES_MAX];
    struct sb_runs runs;
    for (size_t i = 0; i < SB_COUNT(many); i++) many[i] = S("0");
    /* Two values are the page's limit and offset. */
    OK(sb_registry_run_search(&f->c, many, SB_COUNT(many) - 2, &(struct sb_search){0}, SB_VIEW_ALL,
                              &runs));
    assert_int_equal(runs.n, 4);
    FAILS(sb_registry_run_search(&f->c, many, SB_COUNT(many) - 1, &(struct sb_search){0},
                                 SB_VIEW_ALL, &runs),
          INVALID_PARAMETER_VALUE, "A search can have at most 32000 values.");
    char *text = malloc(SB_FILTER_TEXT_MAX + 2);
    memset(text, ' ', SB_FILTER_TEXT_MAX + 1);
    text[SB_FILTER_TEXT_MAX + 1] = '\0';
    FAILS(search(f, text, "", found), INVALID_PARAMETER_VALUE, "at most 32768 bytes");
    text[SB_FILTER_TEXT_MAX] = '\0';
    OK(search(f, text, "", found));
    free(text);
}

/* ---- the other searches ---- */

static void experiment_searches(void **state) {
    struct fixture *f = *state;
    int64_t id;
    struct sb_tag tag = {S("team"), S("blue")};
    fixture_tick(f);
    OK(sb_registry_experiment_create(&f->c, S("iris"), S(""), (struct sb_tags){&tag, 1}, &id));
    fixture_tick(f);
    OK(sb_registry_experiment_create(&f->c, S("Wine"), S(""), (struct sb_tags){0}, &id));
    static const struct {
        const char *filter, *order, *found, *refused;
    } rows[] = {
        {"", "", "210", NULL},
        {"name = 'iris'", "", "1", NULL},
        {"attribute.name LIKE '%i%'", "", "21", NULL},
        {"name ILIKE 'w%'", "", "2", NULL},
        {"name != 'iris'", "", "20", NULL},
        {"experiment_id = '1'", "", "1", NULL},
        {"experiment_id IN ('0', '2')", "", "20", NULL},
        {"experiment_id NOT IN ('0')", "", "21", NULL},
        {"creation_time > 1700000000000", "", "21", NULL},
        {"last_update_time <= '1700000000000'", "", "0", NULL},
        {"tags.team = 'blue'", "", "1", NULL},
        {"tag.team IS NULL", "", "20", NULL},
        {"tags.team IS NOT NULL AND name = 'iris'", "", "1", NULL},
        {"", "name", "021", NULL},
        {"", "name DESC", "120", NULL},
        {"", "experiment_id ASC", "012", NULL},
        {"", "attribute.creation_time ASC", "012", NULL},
        {"", "last_update_time DESC", "210", NULL},
        {"name IN ('iris')", "", NULL, "attributes support comparison with a list of quoted"},
        {"name > 'a'", "", NULL, "Invalid comparator '>'"},
        {"creation_time > 1.5", "", NULL, "Invalid value for numeric attribute 'creation_time'"},
        {"creation_time > 'x'", "", NULL, "Invalid value for numeric attribute"},
        {"experiment_id = 'x'", "", NULL, "Invalid experiment ID 'x'"},
        {"experiment_id > '1'", "", NULL, "Invalid comparator '>'"},
        {"metrics.a > 1", "", NULL,
         "Invalid entity type 'metrics'. Valid entity types are ('attribute'"},
        {"run_id = 'x'", "", NULL, "Invalid attribute key 'run_id'"},
        {"name IS NULL", "", NULL, "IS NULL / IS NOT NULL is only supported for tags"},
        {"", "tags.team", NULL, "Invalid order_by entity"},
        {"", "foo", NULL, "Invalid attribute key 'foo'"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_str order = S(rows[i].order);
        struct sb_search q = {.filter = S(rows[i].filter), .order_by = &order};
        q.order_by_n = order.n > 0;
        struct sb_experiments out;
        char found[8] = "";
        sb_err err = sb_registry_experiment_search(&f->c, &q, SB_VIEW_ACTIVE_ONLY, &out);
        for (size_t k = 0; !err && k < out.n; k++) found[k] = (char)('0' + out.v[k].id);
        if (!err && (!rows[i].found || strcmp(found, rows[i].found)))
            fail_msg("%s, %s: '%s'", rows[i].filter, rows[i].order, found);
        if (err && (!rows[i].refused || !strstr(f->c.error.message.p, rows[i].refused)))
            fail_msg("%s: %s", rows[i].filter, f->c.error.message.p);
    }
    struct sb_experiments out;
    struct sb_search q = {.max_results = SB_SOME(2)};
    OK(sb_registry_experiment_delete(&f->c, S("2")));
    OK(sb_registry_experiment_search(&f->c, &q, SB_VIEW_ALL, &out));
    q.page_token = out.next_page_token;
    OK(sb_registry_experiment_search(&f->c, &q, SB_VIEW_ALL, &out));
    assert_int_equal(out.n, 1);
    OK(sb_registry_experiment_search(&f->c, &(struct sb_search){0}, SB_VIEW_DELETED_ONLY, &out));
    assert_int_equal(out.n, 1);
    assert_true(out.v[0].deleted);
}

static void make_models(struct fixture *f) {
    static const struct {
        const char *name, *key, *value;
    } models[] = {
        {"alpha", "team", "blue"},
        {"beta", "team", "red"},
        {"Gamma", "other", "x"},
        {"prompt", "mlflow.prompt.is_prompt", "true"},
    };
    for (size_t i = 0; i < SB_COUNT(models); i++) {
        struct sb_registered_model m;
        struct sb_model_version v;
        struct sb_tag tag = {S(models[i].key), S(models[i].value)};
        OK(sb_registry_model_create(&f->c, S(models[i].name), S(""), (struct sb_tags){&tag, 1},
                                    &m));
        struct sb_version_new in = {.name = S(models[i].name),
                                    .source = i == 3 ? S("dummy-source") : S("s3://b/m"),
                                    .tags = {&tag, 1}};
        for (size_t k = 0; k < 2 - i % 2; k++) {
            fixture_tick(f);
            OK(sb_registry_version_create(&f->c, &in, &v));
        }
    }
}

static void model_searches(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *filter, *order, *found, *refused;
    } rows[] = {
        {"", "", "Gab", NULL}, /* prompts stay out */
        {"name = 'alpha'", "", "a", NULL},
        {"name != 'alpha'", "", "Gb", NULL},
        {"name LIKE '%a%'", "", "Gab", NULL},
        {"name ILIKE 'g%'", "", "G", NULL},
        {"name IN ('alpha', 'beta')", "", "ab", NULL},
        {"attribute.name NOT IN ('alpha')", "", "Gb", NULL},
        {"tags.team = 'blue'", "", "a", NULL},
        {"tags.team != 'blue'", "", "b", NULL},
        {"tag.team LIKE '%e%' AND name = 'beta'", "", "b", NULL},
        {"tags.`mlflow.prompt.is_prompt` = 'true'", "", "p", NULL},
        {"tags.`mlflow.prompt.is_prompt` != 'false'", "", "p", NULL},
        {"tags.`mlflow.prompt.is_prompt` = 'false'", "", "Gab", NULL},
        {"tags.`mlflow.prompt.is_prompt` != 'true' AND name = 'beta'", "", "b", NULL},
        {"", "name DESC", "baG", NULL},
        {"", "timestamp", "abG", NULL},
        {"", "last_updated_timestamp DESC", "Gba", NULL},
        {"description = 'x'", "", NULL, "Invalid attribute key 'description'"},
        {"name > 'x'", "", NULL, "Invalid comparator '>'"},
        {"tags.team IS NULL", "", NULL, "Expected 3 tokens found 2"},
        {"", "creation_timestamp", NULL, "Invalid order by key 'creation_timestamp' specified"},
        {"", "tags.team", NULL, "Invalid order by key 'tags.team' specified"},
    };
    make_models(f);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_str order = S(rows[i].order);
        struct sb_search q = {.filter = S(rows[i].filter), .order_by = &order};
        q.order_by_n = order.n > 0;
        struct sb_registered_models out;
        char found[8] = "";
        sb_err err = sb_registry_model_search(&f->c, &q, &out);
        for (size_t k = 0; !err && k < out.n; k++) found[k] = out.v[k].name.p[0];
        if (!err && (!rows[i].found || strcmp(found, rows[i].found)))
            fail_msg("%s, %s: '%s'", rows[i].filter, rows[i].order, found);
        if (err && (!rows[i].refused || !strstr(f->c.error.message.p, rows[i].refused)))
            fail_msg("%s: %s", rows[i].filter, f->c.error.message.p);
    }
    struct sb_search q = {.max_results = SB_SOME(1001)};
    struct sb_registered_models out;
    FAILS(sb_registry_model_search(&f->c, &q, &out), INVALID_PARAMETER_VALUE, "at most 1000");
    q.max_results = SB_SOME(2);
    OK(sb_registry_model_search(&f->c, &q, &out));
    assert_int_equal(out.n, 2);
    assert_int_equal(out.v[0].latest_versions_n, 1);
    assert_int_equal(out.v[1].latest_versions[0].version, 2);
    q.page_token = out.next_page_token;
    OK(sb_registry_model_search(&f->c, &q, &out));
    assert_int_equal(out.n, 1);
}

static void version_searches(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *filter, *order, *found, *refused;
    } rows[] = {
        {"", "", "G2 G1 b1 a2 a1", NULL}, /* last updated first */
        {"name = 'alpha'", "", "a2 a1", NULL},
        {"name IN ('alpha', 'beta')", "", "b1 a2 a1", NULL},
        {"version_number = 2", "", "G2 a2", NULL},
        {"version_number > '1' AND name = 'alpha'", "", "a2", NULL},
        {"source_path LIKE 's3:%'", "", "G2 G1 b1 a2 a1", NULL},
        {"run_id = 'none'", "", "", NULL},
        {"run_id NOT IN ('none')", "", "", NULL}, /* they have none */
        {"tags.team = 'red'", "", "b1", NULL},
        {"tags.`mlflow.prompt.is_prompt` = 'true'", "", "p1", NULL},
        {"", "name", "G2 G1 a2 a1 b1", NULL},
        {"", "version_number ASC", "G1 a1 b1 G2 a2", NULL},
        {"", "creation_timestamp ASC", "a1 a2 b1 G1 G2", NULL},
        {"", "last_updated_timestamp", "a1 a2 b1 G1 G2", NULL},
        {"version_number > 1.5", "", NULL, "Invalid value for numeric attribute"},
        {"version_number LIKE 1", "", NULL, "Invalid comparator 'LIKE'"},
        {"source_path IN ('x')", "", NULL, "attributes support comparison with a list of quoted"},
        {"aliases = 'x'", "", NULL, "Invalid attribute key 'aliases'"},
        {"", "run_id", NULL, "Invalid attribute key 'run_id'"},
    };
    make_models(f);
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_str order = S(rows[i].order);
        struct sb_search q = {.filter = S(rows[i].filter), .order_by = &order};
        q.order_by_n = order.n > 0;
        struct sb_model_versions out;
        char found[64] = "";
        size_t n = 0;
        sb_err err = sb_registry_version_search(&f->c, &q, &out);
        for (size_t k = 0; !err && k < out.n; k++)
            n += (size_t)snprintf(found + n, sizeof found - n, "%s%c%d", k ? " " : "",
                                  out.v[k].name.p[0], (int)out.v[k].version);
        if (!err && (!rows[i].found || strcmp(found, rows[i].found)))
            fail_msg("%s, %s: '%s'", rows[i].filter, rows[i].order, found);
        if (err && (!rows[i].refused || !strstr(f->c.error.message.p, rows[i].refused)))
            fail_msg("%s: %s", rows[i].filter, f->c.error.message.p);
    }
    struct sb_search q = {.max_results = SB_SOME(2)};
    struct sb_model_versions out;
    OK(sb_registry_version_search(&f->c, &q, &out));
    assert_int_equal(out.n, 2);
    assert_int_equal(out.v[0].tags.n, 1);
    q.page_token = out.next_page_token;
    OK(sb_registry_version_search(&f->c, &q, &out));
    IS(out.v[0].name, "beta");
}

static void make_logged_models(struct fixture *f) {
    struct sb_str run = make_run(f, "r", "ann");
    for (int i = 0; i < 4; i++) {
        char name[2] = {(char)('a' + i), '\0'}, depth[2] = {(char)('1' + i), '\0'};
        struct sb_tag param = {S("depth"), S(depth)}, tag = {S("t"), S(name)};
        struct sb_logged_model m;
        struct sb_logged_model_new in = {.experiment_id = S("0"),
                                         .name = S(name),
                                         .model_type = i < 2 ? S("tree") : S("net"),
                                         .params = {&param, 1},
                                         .tags = {&tag, 1}};
        OK(sb_registry_logged_model_create(&f->c, &in, &m));
        fixture_tick(f);
        if (i == 0) OK(sb_registry_logged_model_finalize(&f->c, m.model_id, 2, &m));
        if (i == 3) continue; /* d has no metrics */
        struct sb_metric metric = {.key = S("acc"),
                                   .value = 0.1 * i,
                                   .timestamp = 1,
                                   .model_id = m.model_id,
                                   .dataset_name = S("iris"),
                                   .dataset_digest = i == 1 ? S("d1") : S("d2")};
        OK(sb_registry_metric_log(&f->c, run, &metric));
    }
}

static void logged_model_searches(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *filter, *order, *dataset, *digest, *found, *refused;
        bool descending;
    } rows[] = {
        {"", "", NULL, NULL, "dcba", NULL, false},
        {"name = 'b'", "", NULL, NULL, "b", NULL, false},
        {"attributes.name != 'b'", "", NULL, NULL, "dca", NULL, false},
        {"name IN ('a','c')", "", NULL, NULL, "ca", NULL, false},
        {"model_type LIKE 'tr%'", "", NULL, NULL, "ba", NULL, false},
        {"status = 'READY'", "", NULL, NULL, "a", NULL, false},
        {"status != 'LOGGED_MODEL_READY'", "", NULL, NULL, "dcb", NULL, false},
        {"status = 'WHAT'", "", NULL, NULL, "", NULL, false},
        {"params.depth = '2'", "", NULL, NULL, "b", NULL, false},
        {"tags.t ILIKE 'C'", "", NULL, NULL, "c", NULL, false},
        {"metrics.acc >= 0.1", "", NULL, NULL, "cb", NULL, false},
        {"metrics.acc >= 0.1", "", "iris", "d2", "c", NULL, false},
        {"metrics.acc >= 0", "", "iris", NULL, "cba", NULL, false},
        {"", "", "iris", "d1", "b", NULL, false},
        {"", "", "iris", NULL, "cba", NULL, false},
        {"", "", "wine", NULL, "", NULL, false},
        {"creation_timestamp > 1700000000002", "", NULL, NULL, "dc", NULL, false},
        {"last_updated_timestamp > 0 AND name = 'a'", "", NULL, NULL, "a", NULL, false},
        {"", "metrics.acc", NULL, NULL, "abcd", NULL, false},
        {"", "metrics.acc", NULL, NULL, "cbad", NULL, true},
        {"", "name", NULL, NULL, "abcd", NULL, false},
        {"", "creation_time", NULL, NULL, "abcd", NULL, false},
        {"", "model_type", NULL, NULL, "dcba", NULL, false},
        {"param.depth = '2'", "", NULL, NULL, NULL, "Invalid entity type 'param'", false},
        {"metrics.acc = 'x'", "", NULL, NULL, NULL, "Expected numeric value", false},
        {"status > 'READY'", "", NULL, NULL, NULL, "Invalid comparator", false},
        {"params.depth IS NULL", "", NULL, NULL, NULL, "Expected 3 tokens found 2", false},
        {"", "params.depth", NULL, NULL, NULL, "Only metrics are supported", false},
        {"", "foo", NULL, NULL, NULL, "Invalid order by field name: foo", false},
        {"", "", "", "d1", NULL, "`dataset_name` in the `datasets` clause", false},
    };
    make_logged_models(f);
    struct sb_str zero = S("0");
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        struct sb_model_order order = {.field_name = S(rows[i].order)};
        order.descending = rows[i].descending;
        struct sb_dataset_filter data = {S(rows[i].dataset), S(rows[i].digest)};
        struct sb_logged_model_search q = {.experiment_ids = &zero,
                                           .experiment_ids_n = 1,
                                           .filter = S(rows[i].filter),
                                           .datasets = &data,
                                           .datasets_n = rows[i].dataset != NULL,
                                           .order_by = &order,
                                           .order_by_n = *rows[i].order ? 1 : 0};
        struct sb_logged_models out;
        char found[8] = "";
        sb_err err = sb_registry_logged_model_search(&f->c, &q, &out);
        for (size_t k = 0; !err && k < out.n; k++) found[k] = out.v[k].name.p[0];
        if (!err && (!rows[i].found || strcmp(found, rows[i].found)))
            fail_msg("%s, %s: '%s'", rows[i].filter, rows[i].order, found);
        if (err && (!rows[i].refused || !strstr(f->c.error.message.p, rows[i].refused)))
            fail_msg("%s: %s", rows[i].filter, f->c.error.message.p);
    }
}

static void a_page_token_of_logged_models_knows_its_query(void **state) {
    struct fixture *f = *state;
    make_logged_models(f);
    struct sb_str zero = S("0"), one[] = {S("0"), S("1")};
    struct sb_model_order order = {.field_name = S("name")};
    struct sb_logged_model_search q = {.experiment_ids = &zero,
                                       .experiment_ids_n = 1,
                                       .filter = S("model_type = 'tree'"),
                                       .order_by = &order,
                                       .order_by_n = 1,
                                       .max_results = SB_SOME(1)};
    struct sb_logged_models out;
    OK(sb_registry_logged_model_search(&f->c, &q, &out));
    assert_int_equal(out.n, 1);
    q.page_token = out.next_page_token;
    struct sb_logged_model_search other = q;
    other.filter = S("model_type = 'net'");
    FAILS(sb_registry_logged_model_search(&f->c, &other, &out), INVALID_PARAMETER_VALUE,
          "Filter string in the page token does not match");
    other = q;
    other.order_by_n = 0;
    FAILS(sb_registry_logged_model_search(&f->c, &other, &out), INVALID_PARAMETER_VALUE,
          "Order by in the page token does not match");
    other = q;
    other.experiment_ids = one;
    other.experiment_ids_n = 2;
    FAILS(sb_registry_logged_model_search(&f->c, &other, &out), INVALID_PARAMETER_VALUE,
          "Experiment IDs in the page token do not match");
    OK(sb_registry_logged_model_search(&f->c, &q, &out));
    IS(out.v[0].name, "b");
    assert_null(out.next_page_token.p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(run_filters),           TEST(run_orders),
        TEST(run_pages_and_views),   TEST(a_long_page_has_all_children),
        TEST(filters_have_bounds),   TEST(experiment_searches),
        TEST(model_searches),        TEST(version_searches),
        TEST(logged_model_searches), TEST(a_page_token_of_logged_models_knows_its_query),
    };
    return cmocka_run_group_tests_name("domain/registry filter", tests, NULL, NULL);
}

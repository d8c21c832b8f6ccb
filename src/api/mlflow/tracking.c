/* Experiments, runs, metrics and datasets. */
#include "api/mlflow/mlflow_int.h"

/* ---- experiments ---- */

RPC(experiment_create, WRITES, {"name", F_STR, F_REQUIRED}, {"artifact_location", F_STR, 0},
    {"tags", F_OBJECTS, 0}, ) {
    struct sb_tags tags;
    int64_t id;
    SB_TRY(arg_tags(c, "tags", &tags));
    SB_TRY(sb_registry_experiment_create(&c->reg, arg_str(c, "name"),
                                         arg_text(c, "artifact_location"), tags, &id));
    put_id(&c->w, "experiment_id", id);
    return SB_OK;
}

RPC(experiment_get, READS, {"experiment_id", F_STR, F_REQUIRED}, ) {
    struct sb_experiment e;
    SB_TRY(sb_registry_experiment_get(&c->reg, arg_str(c, "experiment_id"), &e));
    put_experiment(&c->w, "experiment", &e);
    return SB_OK;
}

RPC(experiment_by_name, READS, {"experiment_name", F_STR, F_REQUIRED}, ) {
    struct sb_experiment e;
    SB_TRY(sb_registry_experiment_by_name(&c->reg, arg_str(c, "experiment_name"), &e));
    put_experiment(&c->w, "experiment", &e);
    return SB_OK;
}

RPC(experiment_search, READS, {"filter", F_STR, 0}, {"order_by", F_STRS, 0},
    {"max_results", F_INT, 0}, {"page_token", F_STR, 0}, {"view_type", F_STATUS, 0}, ) {
    struct sb_search q;
    struct sb_experiments found;
    enum sb_view view;
    arg_search(c, &q);
    SB_TRY(arg_view(c, "view_type", &view));
    SB_TRY(sb_registry_experiment_search(&c->reg, &q, view, &found));
    if (found.n) {
        sb_json_arr(&c->w, "experiments");
        for (size_t i = 0; i < found.n; i++) put_experiment(&c->w, NULL, &found.v[i]);
        sb_json_end(&c->w);
    }
    put_text(&c->w, "next_page_token", found.next_page_token);
    return SB_OK;
}

RPC(experiment_delete, WRITES, {"experiment_id", F_STR, F_REQUIRED}, ) {
    return sb_registry_experiment_delete(&c->reg, arg_str(c, "experiment_id"));
}

RPC(experiment_restore, WRITES, {"experiment_id", F_STR, F_REQUIRED}, ) {
    return sb_registry_experiment_restore(&c->reg, arg_str(c, "experiment_id"));
}

RPC(experiment_update, WRITES, {"experiment_id", F_STR, F_REQUIRED},
    {"new_name", F_STR, F_REQUIRED}, ) {
    return sb_registry_experiment_rename(&c->reg, arg_str(c, "experiment_id"),
                                         arg_str(c, "new_name"));
}

/* An absent value is "" on the wire (proto2 default). */
static struct sb_str value_or_empty(const struct call *c) {
    struct sb_str v = arg_str(c, "value");
    return v.p ? v : SB_STR("");
}

RPC(experiment_tag_set, WRITES, {"experiment_id", F_STR, F_REQUIRED}, {"key", F_STR, F_REQUIRED},
    {"value", F_STR, 0}, ) {
    return sb_registry_experiment_tag_set(&c->reg, arg_str(c, "experiment_id"), arg_str(c, "key"),
                                          value_or_empty(c));
}

RPC(experiment_tag_delete, WRITES, {"experiment_id", F_STR, F_REQUIRED},
    {"key", F_STR, F_REQUIRED}, ) {
    return sb_registry_experiment_tag_delete(&c->reg, arg_str(c, "experiment_id"),
                                             arg_str(c, "key"));
}

RPC(dataset_search, READS, {"experiment_ids", F_STRS, 0}, ) {
    enum { IDS_MAX = 20 };
    const struct value *ids = arg(c, "experiment_ids");
    if (!ids->n)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "SearchDatasets request must specify at least one experiment_id.");
    if (ids->n > IDS_MAX)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "SearchDatasets request cannot specify more than %d experiment_ids. "
                         "Received %zu experiment_ids.",
                         IDS_MAX, ids->n);
    struct sb_dataset_summaries found;
    SB_TRY(sb_registry_dataset_search(&c->reg, ids->list, ids->n, &found));
    if (!found.n) return SB_OK;
    sb_json_arr(&c->w, "dataset_summaries");
    for (size_t i = 0; i < found.n; i++) {
        sb_json_obj(&c->w, NULL);
        put_id(&c->w, "experiment_id", found.v[i].experiment_id);
        sb_json_str(&c->w, "name", found.v[i].name);
        sb_json_str(&c->w, "digest", found.v[i].digest);
        put_text(&c->w, "context", found.v[i].context);
        sb_json_end(&c->w);
    }
    sb_json_end(&c->w);
    return SB_OK;
}

/* ---- runs ---- */

RPC(run_create, WRITES, {"experiment_id", F_STR, 0}, {"user_id", F_STR, 0}, {"run_name", F_STR, 0},
    {"start_time", F_INT, 0}, {"tags", F_OBJECTS, 0}, ) {
    struct sb_run_new in = {
        .experiment_id = arg_str(c, "experiment_id"),
        .user_id = arg_str(c, "user_id"),
        .name = arg_text(c, "run_name"),
        .start_time = arg_int(c, "start_time"),
    };
    struct sb_run run;
    SB_TRY(arg_tags(c, "tags", &in.tags));
    SB_TRY(sb_registry_run_create(&c->reg, &in, &run));
    put_run(&c->w, "run", &run);
    return SB_OK;
}

RPC(run_get, READS, {"run_id", F_STR, F_REQUIRED}, {"run_uuid", F_STR, 0}, ) {
    struct sb_run run;
    SB_TRY(sb_registry_run_get(&c->reg, arg_run_id(c), &run));
    put_run(&c->w, "run", &run);
    return SB_OK;
}

static sb_err run_status(struct call *c, enum sb_run_status *out) {
    const struct value *v = arg(c, "status");
    int64_t number;
    *out = 0;
    if (!v->has || sb_run_status_parse(v->s, out)) return SB_OK;
    if (sb_str_to_i64(v->s, &number) && number >= SB_RUN_RUNNING && number <= SB_RUN_KILLED)
        return *out = (enum sb_run_status)number, SB_OK;
    return call_wrong_type(c, "status", v->json);
}

RPC(run_update, WRITES, {"run_id", F_STR, F_REQUIRED}, {"run_uuid", F_STR, 0},
    {"status", F_STATUS, 0}, {"end_time", F_INT, 0}, {"run_name", F_STR, 0}, ) {
    enum sb_run_status status;
    struct sb_run_info info;
    SB_TRY(run_status(c, &status));
    SB_TRY(sb_registry_run_update(&c->reg, arg_run_id(c), status, arg_int(c, "end_time"),
                                  arg_text(c, "run_name"), &info));
    put_run_info(&c->w, "run_info", &info);
    return SB_OK;
}

RPC(run_delete, WRITES, {"run_id", F_STR, F_REQUIRED}, ) {
    return sb_registry_run_delete(&c->reg, arg_str(c, "run_id"));
}

RPC(run_restore, WRITES, {"run_id", F_STR, F_REQUIRED}, ) {
    return sb_registry_run_restore(&c->reg, arg_str(c, "run_id"));
}

RPC(run_search, READS, {"experiment_ids", F_STRS, 0}, {"filter", F_STR, 0},
    {"run_view_type", F_STATUS, 0}, {"max_results", F_INT, 0}, {"order_by", F_STRS, 0},
    {"page_token", F_STR, 0}, ) {
    struct sb_search q;
    struct sb_runs found;
    enum sb_view view;
    const struct value *ids = arg(c, "experiment_ids");
    SB_TRY(check_max(c, 50000));
    SB_TRY(arg_view(c, "run_view_type", &view));
    arg_search(c, &q);
    SB_TRY(sb_registry_run_search(&c->reg, ids->list, ids->n, &q, view, &found));
    if (found.n) {
        sb_json_arr(&c->w, "runs");
        for (size_t i = 0; i < found.n; i++) put_run(&c->w, NULL, &found.v[i]);
        sb_json_end(&c->w);
    }
    put_text(&c->w, "next_page_token", found.next_page_token);
    return SB_OK;
}

RPC(run_tag_set, WRITES, {"run_id", F_STR, F_REQUIRED}, {"run_uuid", F_STR, 0},
    {"key", F_STR, F_REQUIRED}, {"value", F_STR, 0}, ) {
    return sb_registry_run_tag_set(&c->reg, arg_run_id(c), arg_str(c, "key"), value_or_empty(c));
}

RPC(run_tag_delete, WRITES, {"run_id", F_STR, F_REQUIRED}, {"key", F_STR, F_REQUIRED}, ) {
    return sb_registry_run_tag_delete(&c->reg, arg_run_id(c), arg_str(c, "key"));
}

RPC(param_log, WRITES, {"run_id", F_STR, F_REQUIRED}, {"run_uuid", F_STR, 0},
    {"key", F_STR, F_REQUIRED}, {"value", F_STR, 0}, ) {
    return sb_registry_param_log(&c->reg, arg_run_id(c), arg_str(c, "key"), value_or_empty(c));
}

/* ---- metrics ---- */

RPC(metric_log, WRITES, {"run_id", F_STR, F_REQUIRED}, {"run_uuid", F_STR, 0},
    {"key", F_STR, F_REQUIRED}, {"value", F_DOUBLE, F_REQUIRED}, {"timestamp", F_INT, F_REQUIRED},
    {"step", F_INT, 0}, {"model_id", F_STR, 0}, {"dataset_name", F_STR, 0},
    {"dataset_digest", F_STR, 0}, ) {
    struct sb_metric m = {
        .key = arg_str(c, "key"),
        .value = arg(c, "value")->d,
        .timestamp = arg(c, "timestamp")->i,
        .step = arg(c, "step")->i,
        .dataset_name = arg_text(c, "dataset_name"),
        .dataset_digest = arg_text(c, "dataset_digest"),
        .model_id = arg_text(c, "model_id"),
        .run_id = arg_run_id(c),
    };
    return sb_registry_metric_log(&c->reg, arg_run_id(c), &m);
}

static sb_err batch_metric(struct call *c, const struct sb_json *o, size_t index,
                           struct sb_metric *m) {
    static const char *const needed[] = {"key", "value", "timestamp"};
    for (size_t i = 0; i < SB_COUNT(needed); i++) {
        const struct sb_json *v = sb_json_get(o, needed[i]);
        if (!v || v->type == SB_JSON_NULL || (v->type == SB_JSON_STRING && !v->s.n))
            return call_missing(c, sb_arena_printf(&c->arena, "metrics[%zu].%s", index, needed[i]));
    }
    const char *path = sb_arena_printf(&c->arena, "metrics[%zu]", index);
    SB_TRY(member_str(c, o, path, "key", &m->key));
    if (json_number(sb_json_get(o, "value"), &m->value))
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "Invalid value for parameter '%s.value' supplied: it is not a number.",
                         path);
    SB_TRY(member_int(c, o, path, "timestamp", &m->timestamp));
    SB_TRY(member_int(c, o, path, "step", &m->step));
    SB_TRY(member_str(c, o, path, "dataset_name", &m->dataset_name));
    SB_TRY(member_str(c, o, path, "dataset_digest", &m->dataset_digest));
    SB_TRY(member_str(c, o, path, "model_id", &m->model_id));
    return member_str(c, o, path, "run_id", &m->run_id);
}

RPC(batch_log, WRITES, {"run_id", F_STR, F_REQUIRED}, {"metrics", F_OBJECTS, 0},
    {"params", F_OBJECTS, 0}, {"tags", F_OBJECTS, 0}, ) {
    const struct value *v = arg(c, "metrics");
    struct sb_metric *metrics = sb_arena_zalloc(&c->arena, (v->n + 1) * sizeof *metrics);
    struct sb_tags params, tags;
    size_t n = 0;
    for (const struct sb_json *o = v->n ? v->json->child : NULL; o; o = o->next, n++)
        SB_TRY(batch_metric(c, o, n, &metrics[n]));
    SB_TRY(arg_tags(c, "params", &params));
    SB_TRY(arg_tags(c, "tags", &tags));
    return sb_registry_batch_log(&c->reg, arg_str(c, "run_id"), metrics, n, params, tags);
}

RPC(metric_history, READS, {"run_id", F_STR, F_REQUIRED}, {"run_uuid", F_STR, 0},
    {"metric_key", F_STR, F_REQUIRED}, {"page_token", F_STR, 0}, {"max_results", F_INT, 0}, ) {
    struct sb_metrics found;
    struct sb_opt_i64 max = arg_int(c, "max_results");
    if (max.has && max.v <= 0)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "Invalid value %lld for parameter 'max_results' supplied. It must be a "
                         "positive integer.",
                         (long long)max.v);
    SB_TRY(sb_registry_metric_history(&c->reg, arg_run_id(c), arg_str(c, "metric_key"), max,
                                      arg_text(c, "page_token"), &found));
    put_metrics(&c->w, "metrics", &found);
    put_text(&c->w, "next_page_token", found.next_page_token);
    return SB_OK;
}

RPC(metric_history_bulk, READS, {"run_id", F_STRS, 0}, {"metric_key", F_STR, 0},
    {"max_results", F_INT, 0}, ) {
    enum { RUNS_MAX = 100, ROWS_MAX = 25000 };
    const struct value *ids = arg(c, "run_id");
    struct sb_opt_i64 max = arg_int(c, "max_results");
    if (!ids->n)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "GetMetricHistoryBulk request must specify at least one run_id.");
    if (ids->n > RUNS_MAX)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "GetMetricHistoryBulk request cannot specify more than %d run_ids. "
                         "Received %zu run_ids.",
                         RUNS_MAX, ids->n);
    if (!arg(c, "metric_key")->has)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "GetMetricHistoryBulk request must specify a metric_key.");
    struct sb_metrics found;
    SB_TRY(sb_registry_metric_history_bulk(&c->reg, ids->list, ids->n, arg_str(c, "metric_key"),
                                           max.has && max.v < ROWS_MAX ? max.v : ROWS_MAX, &found));
    sb_json_arr(&c->w, "metrics"); /* a plain Flask answer: there also when empty */
    for (size_t i = 0; i < found.n; i++) {
        sb_json_obj(&c->w, NULL);
        sb_json_str(&c->w, "key", found.v[i].key);
        put_double(&c->w, "value", found.v[i].value);
        sb_json_int(&c->w, "timestamp", found.v[i].timestamp);
        sb_json_int(&c->w, "step", found.v[i].step);
        put_opt_str(&c->w, "run_id", found.v[i].run_id);
        sb_json_end(&c->w);
    }
    sb_json_end(&c->w);
    return SB_OK;
}

RPC(metric_history_interval, READS, {"run_ids", F_STRS, F_REQUIRED},
    {"metric_key", F_STR, F_REQUIRED}, {"start_step", F_INT, 0}, {"end_step", F_INT, 0},
    {"max_results", F_INT, 0}, ) {
    enum { RUNS_MAX = 100, ROWS_MAX = 2500 };
    const struct value *ids = arg(c, "run_ids");
    struct sb_opt_i64 max = arg_int(c, "max_results");
    struct sb_opt_i64 start = arg_int(c, "start_step"), end = arg_int(c, "end_step");
    if (ids->n > RUNS_MAX)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "GetMetricHistoryBulkInterval request must specify at most %d run_ids. "
                         "Received %zu run_ids. See the API docs for more information about "
                         "request parameters.",
                         RUNS_MAX, ids->n);
    if (max.has && (max.v < 1 || max.v > ROWS_MAX))
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "max_results must be between 1 and %d. See the API docs for more "
                         "information about request parameters.",
                         ROWS_MAX);
    if (start.has != end.has)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "If either start step or end step are specified, both must be specified.");
    if (start.has && start.v > end.v)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "end_step must be greater than start_step. Found start_step=%lld and "
                         "end_step=%lld.",
                         (long long)start.v, (long long)end.v);
    struct sb_metrics found;
    SB_TRY(sb_registry_metric_history_interval(&c->reg, ids->list, ids->n, arg_str(c, "metric_key"),
                                               start, end, max.has ? max.v : ROWS_MAX, &found));
    put_metrics(&c->w, "metrics", &found);
    return SB_OK;
}

/* ---- inputs, outputs, model records ---- */

static sb_err links(struct call *c, struct sb_model_links *out) {
    const struct value *v = arg(c, "models");
    *out = (struct sb_model_links){0};
    if (!v->n) return SB_OK;
    out->v = sb_arena_alloc(&c->arena, v->n * sizeof *out->v);
    for (const struct sb_json *o = v->json->child; o; o = o->next, out->n++) {
        SB_TRY(member_str(c, o, "models", "model_id", &out->v[out->n].model_id));
        SB_TRY(member_int(c, o, "models", "step", &out->v[out->n].step));
    }
    return SB_OK;
}

static sb_err dataset_input(struct call *c, const struct sb_json *o, struct sb_dataset_input *d) {
    const struct sb_json *s = sb_json_get(o, "dataset"), *tags = sb_json_get(o, "tags");
    const char *path = "datasets.dataset";
    SB_TRY(member_str(c, s, path, "name", &d->dataset.name));
    SB_TRY(member_str(c, s, path, "digest", &d->dataset.digest));
    SB_TRY(member_str(c, s, path, "source_type", &d->dataset.source_type));
    SB_TRY(member_str(c, s, path, "source", &d->dataset.source));
    SB_TRY(member_str(c, s, path, "schema", &d->dataset.schema));
    SB_TRY(member_str(c, s, path, "profile", &d->dataset.profile));
    d->tags = (struct sb_tags){0};
    if (!tags || tags->type != SB_JSON_ARRAY || !tags->n) return SB_OK;
    d->tags.v = sb_arena_alloc(&c->arena, tags->n * sizeof *d->tags.v);
    for (const struct sb_json *t = tags->child; t; t = t->next) {
        struct sb_tag *to = &d->tags.v[d->tags.n++];
        SB_TRY(member_str(c, t, "datasets.tags", "key", &to->key));
        SB_TRY(member_str(c, t, "datasets.tags", "value", &to->value));
        if (!to->value.p) to->value = SB_STR("");
    }
    return SB_OK;
}

RPC(inputs_log, WRITES, {"run_id", F_STR, F_REQUIRED}, {"datasets", F_OBJECTS, 0},
    {"models", F_OBJECTS, 0}, ) {
    const struct value *v = arg(c, "datasets");
    struct sb_dataset_inputs in = {0};
    struct sb_model_links models;
    in.v = sb_arena_zalloc(&c->arena, (v->n + 1) * sizeof *in.v);
    for (const struct sb_json *o = v->n ? v->json->child : NULL; o; o = o->next)
        SB_TRY(dataset_input(c, o, &in.v[in.n++]));
    SB_TRY(links(c, &models));
    return sb_registry_inputs_log(&c->reg, arg_str(c, "run_id"), in, models);
}

RPC(outputs_log, WRITES, {"run_id", F_STR, F_REQUIRED}, {"models", F_OBJECTS, F_REQUIRED}, ) {
    struct sb_model_links models;
    SB_TRY(links(c, &models));
    return sb_registry_outputs_log(&c->reg, arg_str(c, "run_id"), models);
}

RPC(model_record, WRITES, {"run_id", F_STR, F_REQUIRED}, {"model_json", F_STR, F_REQUIRED}, ) {
    static const char *const needed[] = {"artifact_path", "flavors", "utc_time_created", "run_id"};
    struct sb_str text = arg_str(c, "model_json");
    struct sb_json *model;
    if (sb_json_parse(&model, text, &c->arena, NULL) || model->type != SB_JSON_OBJECT)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "Malformed model info. \n %.*s \n is not a valid JSON.",
                         (int)(text.n > 1000 ? 1000 : text.n), text.p);
    const char *missing = "";
    for (size_t i = 0; i < SB_COUNT(needed); i++)
        if (!sb_json_get(model, needed[i]))
            missing =
                sb_arena_printf(&c->arena, "%s%s'%s'", missing, *missing ? ", " : "", needed[i]);
    if (*missing)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "Model json is missing mandatory fields: {%s}", missing);
    return sb_registry_run_model_record(&c->reg, arg_str(c, "run_id"), text);
}

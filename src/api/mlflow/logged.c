/* Logged models (MLflow 3) and the listings of files that name a run or a logged model. */
#include "api/mlflow/mlflow_int.h"
#include "domain/artifact/path.h"

RPC(logged_model_create, WRITES, {"experiment_id", F_STR, F_REQUIRED}, {"name", F_STR, 0},
    {"model_type", F_STR, 0}, {"source_run_id", F_STR, 0}, {"params", F_OBJECTS, 0},
    {"tags", F_OBJECTS, 0}, ) {
    struct sb_logged_model_new in = {
        .experiment_id = arg_str(c, "experiment_id"),
        .name = arg_text(c, "name"),
        .model_type = arg_str(c, "model_type"),
        .source_run_id = arg_str(c, "source_run_id"),
    };
    struct sb_logged_model m;
    if (!in.model_type.p) in.model_type = SB_STR("");
    if (!in.source_run_id.p) in.source_run_id = SB_STR("");
    SB_TRY(arg_tags(c, "params", &in.params));
    SB_TRY(arg_tags(c, "tags", &in.tags));
    SB_TRY(sb_registry_logged_model_create(&c->reg, &in, &m));
    put_logged_model(&c->w, "model", &m);
    return SB_OK;
}

RPC(logged_model_get, READS, {"model_id", F_STR, F_PATH}, {"allow_deleted", F_BOOL, 0}, ) {
    struct sb_logged_model m;
    SB_TRY(sb_registry_logged_model_get(&c->reg, arg_str(c, "model_id"), arg(c, "allow_deleted")->b,
                                        &m));
    put_logged_model(&c->w, "model", &m);
    return SB_OK;
}

RPC(logged_model_finalize, WRITES, {"model_id", F_STR, F_PATH},
    {"status", F_STATUS, F_REQUIRED}, ) {
    const struct value *v = arg(c, "status");
    enum sb_logged_model_status status;
    int64_t number;
    if (!sb_logged_model_status_parse(v->s, &status)) {
        if (!sb_str_to_i64(v->s, &number) || number < SB_LOGGED_MODEL_PENDING ||
            number > SB_LOGGED_MODEL_UPLOAD_FAILED)
            return call_wrong_type(c, "status", v->json);
        status = (enum sb_logged_model_status)number;
    }
    struct sb_logged_model m;
    SB_TRY(sb_registry_logged_model_finalize(&c->reg, arg_str(c, "model_id"), status, &m));
    put_logged_model(&c->w, "model", &m);
    return SB_OK;
}

RPC(logged_model_delete, WRITES, {"model_id", F_STR, F_PATH}, ) {
    return sb_registry_logged_model_delete(&c->reg, arg_str(c, "model_id"));
}

RPC(logged_model_params, WRITES, {"model_id", F_STR, F_PATH}, {"params", F_OBJECTS, 0}, ) {
    struct sb_tags params;
    SB_TRY(arg_tags(c, "params", &params));
    return sb_registry_logged_model_params_log(&c->reg, arg_str(c, "model_id"), params);
}

RPC(logged_model_tags, WRITES, {"model_id", F_STR, F_PATH}, {"tags", F_OBJECTS, 0}, ) {
    struct sb_tags tags;
    SB_TRY(arg_tags(c, "tags", &tags));
    return sb_registry_logged_model_tags_set(&c->reg, arg_str(c, "model_id"), tags);
}

RPC(logged_model_tag_delete, WRITES, {"model_id", F_STR, F_PATH}, {"tag_key", F_STR, F_PATH}, ) {
    return sb_registry_logged_model_tag_delete(&c->reg, arg_str(c, "model_id"),
                                               arg_str(c, "tag_key"));
}

static sb_err search_datasets(struct call *c, struct sb_logged_model_search *q) {
    const struct value *v = arg(c, "datasets");
    if (!v->n) return SB_OK;
    struct sb_dataset_filter *f = sb_arena_zalloc(&c->arena, v->n * sizeof *f);
    for (const struct sb_json *o = v->json->child; o; o = o->next, q->datasets_n++) {
        SB_TRY(member_str(c, o, "datasets", "dataset_name", &f[q->datasets_n].name));
        SB_TRY(member_str(c, o, "datasets", "dataset_digest", &f[q->datasets_n].digest));
        if (!f[q->datasets_n].digest.n) f[q->datasets_n].digest = (struct sb_str){0};
    }
    q->datasets = f;
    return SB_OK;
}

static sb_err search_order(struct call *c, struct sb_logged_model_search *q) {
    const struct value *v = arg(c, "order_by");
    if (!v->n) return SB_OK;
    struct sb_model_order *order = sb_arena_zalloc(&c->arena, v->n * sizeof *order);
    for (const struct sb_json *o = v->json->child; o; o = o->next) {
        struct sb_model_order *to = &order[q->order_by_n++];
        bool ascending = true;
        SB_TRY(member_str(c, o, "order_by", "field_name", &to->field_name));
        SB_TRY(member_str(c, o, "order_by", "dataset_name", &to->dataset_name));
        SB_TRY(member_str(c, o, "order_by", "dataset_digest", &to->dataset_digest));
        if (!to->dataset_name.n) to->dataset_name = (struct sb_str){0};
        if (!to->dataset_digest.n) to->dataset_digest = (struct sb_str){0};
        if (!sb_json_get_bool(o, "ascending", &ascending))
            return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                             "Invalid value for parameter 'order_by.ascending' supplied.");
        to->descending = !ascending;
    }
    q->order_by = order;
    return SB_OK;
}

RPC(logged_model_search, READS, {"experiment_ids", F_STRS, F_REQUIRED}, {"filter", F_STR, 0},
    {"datasets", F_OBJECTS, 0}, {"max_results", F_INT, 0}, {"order_by", F_OBJECTS, 0},
    {"page_token", F_STR, 0}, ) {
    const struct value *ids = arg(c, "experiment_ids");
    struct sb_logged_model_search q = {
        .experiment_ids = ids->list,
        .experiment_ids_n = ids->n,
        .filter = arg_text(c, "filter"),
        .max_results = arg_int(c, "max_results"),
        .page_token = arg_text(c, "page_token"),
    };
    struct sb_logged_models found;
    if (q.max_results.has && !q.max_results.v) q.max_results.has = false; /* proto default */
    SB_TRY(search_datasets(c, &q));
    SB_TRY(search_order(c, &q));
    SB_TRY(sb_registry_logged_model_search(&c->reg, &q, &found));
    if (found.n) {
        sb_json_arr(&c->w, "models");
        for (size_t i = 0; i < found.n; i++) put_logged_model(&c->w, NULL, &found.v[i]);
        sb_json_end(&c->w);
    }
    put_text(&c->w, "next_page_token", found.next_page_token);
    return SB_OK;
}

/* ---- listings ---- */

/* files and root_uri; names are relative to the root. */
static sb_err list_below(struct call *c, struct sb_str root_uri, struct sb_str path) {
    struct sb_str clean, whole;
    struct sb_artifact_list found;
    sb_err err = sb_artifact_path_clean(path, &c->arena, &clean, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    SB_TRY(artifact_path(c, root_uri, clean, &whole));
    err = c->api->files.ops->list(c->api->files.self, whole, &c->arena, &found, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    sb_json_str(&c->w, "root_uri", root_uri);
    put_files(&c->w, clean, &found);
    return SB_OK;
}

RPC(artifact_list, READS, {"run_id", F_STR, F_REQUIRED}, {"run_uuid", F_STR, 0}, {"path", F_STR, 0},
    {"page_token", F_STR, 0}, ) {
    struct sb_run_info info;
    SB_TRY(sb_registry_run_info(&c->reg, arg_run_id(c), &info));
    return list_below(c, info.artifact_uri, arg_str(c, "path"));
}

RPC(logged_model_files, READS, {"model_id", F_STR, F_PATH},
    {"artifact_directory_path", F_STR, 0}, ) {
    struct sb_logged_model m;
    SB_TRY(sb_registry_logged_model_get(&c->reg, arg_str(c, "model_id"), false, &m));
    return list_below(c, m.artifact_uri, arg_str(c, "artifact_directory_path"));
}

/* GET mlflow-artifacts/artifacts: names without their folder. */
RPC(file_list, READS, {"path", F_STR, 0}, ) {
    struct sb_str clean;
    struct sb_artifact_list found;
    sb_err err = sb_artifact_path_clean(arg_str(c, "path"), &c->arena, &clean, &c->ctx);
    if (!err) err = c->api->files.ops->list(c->api->files.self, clean, &c->arena, &found, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    put_files(&c->w, (struct sb_str){0}, &found);
    return SB_OK;
}

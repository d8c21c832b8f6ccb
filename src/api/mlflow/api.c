/* The api's life, and a call's way: loop -> pool (parse, registry, answer) -> loop (reply). */
#include <stdarg.h>
#include <stdio.h>

#include "api/mlflow/mlflow_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    ARENA_MAX = 512 << 20, /* what one call's results may take */
    ANSWER_MAX = 256 << 20,
    QUEUE_MAX = 4096, /* calls waiting for a pool */
    TRANSFER_THREADS = 2,
};

/* ---- errors ---- */

enum sb_mlflow_error error_of(sb_err err) {
    if (err == SB_E_NOMEM) return SB_MLFLOW_TEMPORARILY_UNAVAILABLE;
    switch (sb_err_class(err)) {
    case SB_CLASS_CALLER:
    case SB_CLASS_LIMIT: return SB_MLFLOW_INVALID_PARAMETER_VALUE;
    case SB_CLASS_MISSING: return SB_MLFLOW_RESOURCE_DOES_NOT_EXIST;
    case SB_CLASS_CONFLICT: return SB_MLFLOW_RESOURCE_CONFLICT;
    case SB_CLASS_TRANSIENT: return SB_MLFLOW_TEMPORARILY_UNAVAILABLE;
    default: return SB_MLFLOW_INTERNAL_ERROR;
    }
}

static void add_error(struct sb_buf *out, const char *code, struct sb_str message) {
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "error_code", sb_str_of(code));
    sb_json_str(&w, "message", message);
    sb_json_end(&w);
}

void sb_mlflow_error_body(struct sb_buf *out, int status, const char *message) {
    static const struct {
        int status;
        const char *code;
    } codes[] = {
        {400, "BAD_REQUEST"},
        {403, "PERMISSION_DENIED"},
        {404, "ENDPOINT_NOT_FOUND"},
        {405, "ENDPOINT_NOT_FOUND"},
        {408, "TEMPORARILY_UNAVAILABLE"},
        {413, "BAD_REQUEST"},
        {414, "BAD_REQUEST"},
        {431, "BAD_REQUEST"},
        {501, "NOT_IMPLEMENTED"},
        {503, "TEMPORARILY_UNAVAILABLE"},
        {504, "DEADLINE_EXCEEDED"},
    };
    const char *code = "INTERNAL_ERROR";
    for (size_t i = 0; i < SB_COUNT(codes); i++)
        if (codes[i].status == status) code = codes[i].code;
    add_error(out, code, sb_str_of(message));
}

void sb_mlflow_http_error(const struct sb_http_req *r, struct sb_buf *out, int status,
                          const char *message) {
    SB_UNUSED(r);
    sb_mlflow_error_body(out, status, message);
}

void reply_error(struct sb_http_req *r, enum sb_mlflow_error code, struct sb_str message) {
    struct sb_buf body;
    sb_buf_init(&body, 1 << 20);
    add_error(&body, sb_mlflow_error_name(code), message);
    if (code == SB_MLFLOW_TEMPORARILY_UNAVAILABLE)
        sb_http_add_header(r, "Retry-After", SB_STR("1"));
    if (code == SB_MLFLOW_INTERNAL_ERROR)
        SB_LOG(SB_LOG_ERROR, "mlflow", "call failed", SB_KV("path", r->path),
               SB_KV("why", message));
    sb_http_reply(r, sb_mlflow_error_status(code), NULL,
                  sb_buf_err(&body) ? SB_STR("{}") : sb_buf_view(&body));
    sb_buf_fini(&body);
}

sb_err call_fail(struct call *c, enum sb_mlflow_error code, const char *fmt, ...) {
    struct sb_buf text;
    va_list ap;
    sb_buf_init(&text, 1 << 17);
    va_start(ap, fmt);
    sb_buf_vaddf(&text, fmt, ap);
    va_end(ap);
    c->reg.error.code = code;
    c->reg.error.message =
        sb_arena_dup(&c->arena, sb_buf_err(&text) ? SB_STR("invalid request") : sb_buf_view(&text));
    sb_buf_fini(&text);
    return SB_E_INVALID;
}

sb_err call_fail_ctx(struct call *c, sb_err err) {
    enum sb_mlflow_error code = error_of(err);
    bool own =
        code == SB_MLFLOW_INVALID_PARAMETER_VALUE || code == SB_MLFLOW_RESOURCE_DOES_NOT_EXIST;
    if (!own) /* the detail names our files: for the log only */
        SB_LOG(SB_LOG_ERROR, "mlflow", "storage failed", SB_KV("path", c->req->path),
               SB_KE(&c->ctx, err));
    call_fail(c, code, "%s", own ? sb_errctx_text(&c->ctx, err) : sb_err_text(err));
    return err;
}

/* ---- calls ---- */

struct call *call_new(struct sb_http_req *r) {
    struct sb_arena own;
    sb_arena_init(&own, ARENA_MAX);
    struct call *c = sb_arena_zalloc(&own, sizeof *c);
    c->arena = own;
    c->api = r->app;
    c->req = r;
    c->reg = (struct sb_registry_call){.reg = c->api->reg, .arena = &c->arena};
    c->job.loop = r->loop;
    return c;
}

void call_done(struct call *c) {
    struct sb_arena own = c->arena; /* c itself is in it */
    sb_buf_fini(&c->body);
    sb_arena_fini(&own);
}

void call_submit(struct call *c, struct sb_pool *pool, void (*work)(struct sb_job *),
                 void (*done)(struct sb_job *)) {
    c->job.work = work;
    c->job.done = done;
    sb_err err = sb_pool_submit(pool, &c->job);
    if (!err) return;
    reply_error(c->req, error_of(err), SB_STR("The server is too busy: try again."));
    call_done(c);
}

static sb_err too_large(struct call *c) {
    return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                     "The answer is too large: ask for fewer results");
}

/* The answer of a call whose fields are read, into c->body. */
static sb_err rpc_answer(struct call *c) {
    sb_buf_init(&c->body, ANSWER_MAX);
    c->w = (struct sb_json_writer){.b = &c->body};
    sb_json_obj(&c->w, NULL);
    SB_TRY(c->rpc->run(c));
    sb_json_end(&c->w);
    return sb_buf_err(&c->body) ? too_large(c) : SB_OK;
}

static void rpc_work(struct sb_job *j) {
    struct call *c = SB_CONTAINER(j, struct call, job);
    c->err = call_parse(c);
    if (!c->err) c->err = rpc_answer(c);
}

static void rpc_done(struct sb_job *j) {
    struct call *c = SB_CONTAINER(j, struct call, job);
    if (c->err)
        reply_error(c->req, c->reg.error.code, c->reg.error.message);
    else
        sb_http_reply(c->req, 200, NULL, sb_buf_view(&c->body));
    call_done(c);
}

void handle_rpc(struct sb_http_req *r) {
    struct call *c = call_new(r);
    c->rpc = rpc_of_route(r->route);
    struct sb_pool *const pools[] = {
        [READS] = c->api->reads, [WRITES] = c->api->writes, [FILES] = c->api->transfers};
    call_submit(c, pools[c->rpc->pool], rpc_work, rpc_done);
}

void call_done_empty(struct sb_job *j) {
    struct call *c = SB_CONTAINER(j, struct call, job);
    if (c->err)
        reply_error(c->req, c->reg.error.code, c->reg.error.message);
    else
        sb_http_reply(c->req, 200, NULL, SB_STR("{}"));
    call_done(c);
}

/* ---- calls from inside ---- */

void *sb_mlflow_api_user(const struct sb_mlflow_api *a) {
    return a->user;
}

sb_err sb_mlflow_api_submit(struct sb_mlflow_api *a, struct sb_job *job) {
    return sb_pool_submit(a->reads, job);
}

/* The tree's strings are views of the text, so the text is copied before the call ends. */
static sb_err answer_tree(struct call *c, struct sb_arena *arena, struct sb_json **out) {
    struct sb_json_reader r;
    struct sb_str text = sb_arena_dup(arena, sb_buf_view(&c->body));
    if (!text.p) return too_large(c);
    sb_json_reader_init(&r, text, arena, NULL);
    r.string_max = SB_MLFLOW_BODY_MAX; /* dataset profiles */
    return sb_json_parse_with(out, &r) ? too_large(c) : SB_OK;
}

sb_err sb_mlflow_api_call(struct sb_http_req *r, const char *path, const struct sb_json *args,
                          struct sb_arena *arena, struct sb_json **out,
                          struct sb_registry_error *error) {
    struct call *c = call_new(r);
    c->rpc = rpc_of_path(path);
    sb_err err = call_parse_object(c, args);
    if (!err) err = rpc_answer(c);
    if (!err) err = answer_tree(c, arena, out);
    if (err) {
        error->code = c->reg.error.code;
        error->message = sb_arena_dup(arena, c->reg.error.message);
    }
    call_done(c);
    return err;
}

/* ---- probes ---- */

void handle_health(struct sb_http_req *r) {
    sb_http_reply(r, 200, "text/html; charset=utf-8", SB_STR("OK"));
}

void handle_version(struct sb_http_req *r) {
    sb_http_reply(r, 200, "text/html; charset=utf-8", sb_str_of(sb_registry_mlflow_version));
}

/* What a client may ask of this server beyond the plain routes. Parts and ranges go to URLs that we
 * make, so they are offered only where these are sure to be right. A "presigned_" row that is true
 * says that the route is there, not that a file can be had by it (MLflow 3.17.2 has them true
 * always). */
void handle_server_info(struct sb_http_req *r) {
    const bool direct = request_is_direct(r);
    const struct {
        const char *key;
        bool on;
    } flags[] = {
        {"workspaces_enabled", false},
        {"trace_archival_enabled", false},
        {"multipart_uploads_enabled", direct},
        {"multipart_downloads_enabled", direct},
        {"presigned_upload_run_id_supported", true},
        {"presigned_upload_model_id_supported", true},
        {"model_artifact_presigned_downloads_supported", false},
        {"artifact_serving_enabled", true},
        {"artifacts_presigned_only", false},
    };
    struct sb_buf b;
    sb_buf_init(&b, 4096);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "store_type", SB_STR("SqlStore"));
    for (size_t i = 0; i < SB_COUNT(flags); i++) sb_json_bool(&w, flags[i].key, flags[i].on);
    sb_json_int(&w, "skill_content_max_size", 0);
    sb_json_int(&w, "skill_content_max_files", 0);
    sb_json_str(&w, "tracking_auth", SB_STR(""));
    sb_json_obj(&w, "features_enabled");
    sb_json_bool(&w, "gateway", false);
    sb_json_bool(&w, "scheduled_issue_detection", false);
    sb_json_end(&w);
    sb_json_end(&w);
    sb_http_reply(r, 200, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

/* ---- life ---- */

static void on_change(void *user, enum sb_registry_change what, struct sb_str model) {
    SB_UNUSED(what);
    SB_UNUSED(model);
    changes_bump(user);
}

sb_err sb_mlflow_api_new(struct sb_mlflow_api **out, const struct sb_mlflow_api_opts *opt,
                         struct sb_errctx *ctx) {
    struct sb_mlflow_api *a = sb_calloc(1, sizeof *a);
    a->changes = sb_wall_ms();
    a->user = opt->user;
    a->audit = opt->audit;
    hubs_init(a, opt->loops, opt->nloops);
    int readers = opt->read_threads > 0 ? opt->read_threads : 2;
    struct sb_registry_options reg = {
        .path = opt->db_path,
        .default_artifact_root = opt->default_artifact_root,
        .readers = readers,
        .on_change = on_change,
        .user = a,
    };
    sb_err err = sb_registry_open(&a->reg, &reg, ctx);
    if (!err) err = sb_artifact_files_open(&a->files, opt->artifact_dir, ctx);
    if (!err) err = sb_pool_new(&a->reads, "sqlr", readers, QUEUE_MAX);
    if (!err) err = sb_pool_new(&a->writes, "sqlw", 1, QUEUE_MAX);
    if (!err) err = sb_pool_new(&a->transfers, "files", TRANSFER_THREADS, QUEUE_MAX);
    if (err) {
        sb_mlflow_api_free(a);
        return err;
    }
    *out = a;
    return SB_OK;
}

void sb_mlflow_api_free(struct sb_mlflow_api *a) {
    if (!a) return;
    if (a->transfers) sb_pool_free(a->transfers);
    if (a->writes) sb_pool_free(a->writes);
    if (a->reads) sb_pool_free(a->reads);
    if (a->files.ops) a->files.ops->free(a->files.self);
    sb_registry_close(a->reg);
    sb_free(a->hubs);
    sb_free(a);
}

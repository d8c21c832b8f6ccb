/* Uploads in parts and presigned URLs. The client sends parts to URLs that it is given, and reads
 * files from them, many at once; here they point at this server itself.
 *
 * A real server offers both only where its store is a cloud's (presigned URLs of S3 and others),
 * and refuses the presigned-*-url routes for files that it serves itself. So do these. */
#include "api/mlflow/mlflow_int.h"
#include "codec/url.h"
#include "domain/artifact/path.h"

/* Behind a proxy we may not know the URL that clients have: its host, scheme and path are what the
 * proxy made of them. nginx as it comes adds no header of these, but says that it will close. */
bool request_is_direct(const struct sb_http_req *r) {
    static const char *const signs[] = {"Forwarded",        "Via",
                                        "X-Real-IP",        "X-Forwarded-For",
                                        "X-Forwarded-Host", "X-Forwarded-Proto"};
    for (size_t i = 0; i < SB_COUNT(signs); i++)
        if (sb_http_get_header(r, signs[i]).p) return false;
    return !sb_str_ieq(sb_http_get_header(r, "Connection"), SB_STR("close"));
}

/* "http://host:port" as the client named this server: it is the client that will use it. */
static sb_err add_origin(struct call *c, struct sb_buf *b) {
    struct sb_str host = sb_http_get_header(c->req, "Host");
    struct sb_str proto = sb_http_get_header(c->req, "X-Forwarded-Proto");
    if (!host.n)
        return call_fail(c, SB_MLFLOW_BAD_REQUEST, "The request names no Host to make a URL with.");
    sb_buf_addz(b, sb_str_ieq(proto, SB_STR("https")) ? "https://" : "http://");
    sb_buf_adds(b, host);
    return SB_OK;
}

/* folder and the last part of path, which clients take from their own disk: any system's. */
static sb_err target(struct call *c, struct sb_str *out) {
    struct sb_str folder = arg_str(c, "folder"), name = arg_str(c, "path"), clean;
    ptrdiff_t slash = sb_str_rfind(name, '/'), back = sb_str_rfind(name, '\\');
    if (back > slash) slash = back;
    name = sb_str_sub(name, (size_t)(slash + 1), name.n);
    if (!name.n) return call_missing(c, "path");
    sb_err err = sb_artifact_path_clean(folder, &c->arena, &clean, &c->ctx);
    if (!err) err = sb_artifact_path_clean(name, &c->arena, &name, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    *out = sb_artifact_path_join(&c->arena, clean, name);
    return SB_OK;
}

static sb_err put_credentials(struct call *c, const char *id, int64_t parts) {
    struct sb_buf url;
    sb_buf_init(&url, 4096);
    sb_err err = add_origin(c, &url);
    size_t origin = url.n;
    if (!err) {
        sb_json_str(&c->w, "upload_id", sb_str_of(id));
        sb_json_arr(&c->w, "credentials");
        for (int64_t i = 1; i <= parts; i++) {
            url.n = origin;
            sb_buf_addf(&url, "/api/2.0/mlflow-artifacts/mpu/parts/%s/%lld", id, (long long)i);
            sb_json_obj(&c->w, NULL);
            sb_json_str(&c->w, "url", sb_buf_view(&url));
            sb_json_int(&c->w, "part_number", i);
            sb_json_end(&c->w);
        }
        sb_json_end(&c->w);
    }
    sb_buf_fini(&url);
    return err;
}

RPC(parts_create, FILES, {"folder", F_STR, F_PATH}, {"path", F_STR, F_REQUIRED},
    {"num_parts", F_INT, 0}, ) {
    struct sb_str path;
    char id[SB_ARTIFACT_UPLOAD_ID + 1];
    int64_t parts = arg_int(c, "num_parts").v;
    SB_TRY(target(c, &path));
    sb_err err = c->api->files.ops->parts_begin(c->api->files.self, path, parts, id, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    return put_credentials(c, id, parts);
}

RPC(parts_complete, FILES, {"folder", F_STR, F_PATH}, {"path", F_STR, F_REQUIRED},
    {"upload_id", F_STR, 0}, {"parts", F_OBJECTS, F_REQUIRED}, ) {
    const struct value *v = arg(c, "parts");
    struct sb_str path;
    SB_TRY(target(c, &path));
    struct sb_artifact_part *parts = sb_arena_zalloc(&c->arena, (v->n + 1) * sizeof *parts);
    size_t n = 0;
    for (const struct sb_json *o = v->json->child; o; o = o->next, n++) {
        SB_TRY(member_int(c, o, "parts", "part_number", &parts[n].number));
        SB_TRY(member_str(c, o, "parts", "etag", &parts[n].etag));
    }
    sb_err err = c->api->files.ops->parts_end(c->api->files.self, arg_str(c, "upload_id"), path,
                                              parts, n, &c->ctx);
    return err ? call_fail_ctx(c, err) : SB_OK;
}

RPC(parts_abort, FILES, {"folder", F_STR, F_PATH}, {"path", F_STR, F_REQUIRED},
    {"upload_id", F_STR, 0}, ) {
    sb_err err =
        c->api->files.ops->parts_abort(c->api->files.self, arg_str(c, "upload_id"), &c->ctx);
    return err ? call_fail_ctx(c, err) : SB_OK;
}

RPC(file_presigned, FILES, {"file_path", F_STR, F_PATH}, ) {
    const struct sb_artifact_ops *ops = c->api->files.ops;
    struct sb_artifact_info info;
    struct sb_str path;
    void *reader;
    sb_err err = sb_artifact_path_clean(arg_str(c, "file_path"), &c->arena, &path, &c->ctx);
    if (!err) err = ops->open(c->api->files.self, path, &reader, &info, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    ops->close(reader);
    struct sb_buf url;
    sb_buf_init(&url, 1 << 16);
    err = add_origin(c, &url);
    SB_BUF_LIT(&url, "/api/2.0/mlflow-artifacts/artifacts/");
    sb_url_encode_path(&url, path);
    sb_json_str(&c->w, "url", sb_buf_view(&url));
    sb_buf_fini(&url);
    sb_json_obj(&c->w, "headers");
    sb_json_end(&c->w);
    sb_json_int(&c->w, "file_size", info.size);
    return err;
}

/* ---- URLs of a cloud's own: never for files of this server ---- */

static bool is_ours(struct sb_str uri) {
    static const char *const schemes[] = {"mlflow-artifacts:", "http:", "https:"};
    for (size_t i = 0; i < SB_COUNT(schemes); i++)
        if (sb_str_starts(uri, sb_str_of(schemes[i]))) return true;
    return false;
}

static sb_err refuse(struct call *c, const char *what, const char *of, struct sb_str uri,
                     const char *hint) {
    ptrdiff_t colon = sb_str_find(uri, ':');
    if (!is_ours(uri))
        return call_fail(c, SB_MLFLOW_NOT_IMPLEMENTED,
                         "Presigned %s is not supported for the current artifact repository", what);
    return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                     "Presigned %s is not supported for %s (artifact URI scheme: %.*s). %s", what,
                     of, (int)colon, uri.p, hint);
}

RPC(upload_url, READS, {"run_id", F_STR, 0}, {"model_id", F_STR, 0}, {"path", F_STR, F_REQUIRED},
    {"expiration", F_INT, 0}, ) {
    struct sb_str run = arg_text(c, "run_id"), model = arg_text(c, "model_id"), clean;
    struct sb_run_info info = {0};
    struct sb_logged_model m = {0};
    if (!run.n == !model.n)
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "Exactly one of run_id and model_id must be provided.");
    sb_err err = sb_artifact_path_clean(arg_str(c, "path"), &c->arena, &clean, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    if (run.n)
        SB_TRY(sb_registry_run_info(&c->reg, run, &info));
    else
        SB_TRY(sb_registry_logged_model_get(&c->reg, model, false, &m));
    return refuse(c, "upload", "proxied artifact storage",
                  run.n ? info.artifact_uri : m.artifact_uri,
                  "This endpoint requires a direct cloud storage artifact URI.");
}

RPC(download_url, READS, {"run_id", F_STR, F_REQUIRED}, {"path", F_STR, F_REQUIRED},
    {"expiration", F_INT, 0}, ) {
    enum { SECONDS_MAX = 604800 };
    struct sb_opt_i64 seconds = arg_int(c, "expiration");
    struct sb_str clean;
    struct sb_run_info info;
    sb_err err = sb_artifact_path_clean(arg_str(c, "path"), &c->arena, &clean, &c->ctx);
    if (err) return call_fail_ctx(c, err);
    if (seconds.has && (seconds.v < 1 || seconds.v > SECONDS_MAX))
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "expiration must be between 1 and %d seconds (got %lld).", SECONDS_MAX,
                         (long long)seconds.v);
    SB_TRY(sb_registry_run_info(&c->reg, arg_str(c, "run_id"), &info));
    return refuse(c, "download", "runs with proxied artifact storage", info.artifact_uri,
                  "This endpoint requires a run with a direct cloud storage artifact URI.");
}

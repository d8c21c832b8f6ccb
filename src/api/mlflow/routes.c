/* The route tables. The rows of MLFLOW_RPCS and FILE_RPCS stand twice, below /api and below
 * /ajax-api (MLflow's own pages use the second). */
#include "api/mlflow/mlflow_int.h"

#define X(method, path, scope, rpc, doc) &rpc_##rpc,
static const struct rpc *const mlflow_rpcs[] = {MLFLOW_RPCS(X) FILE_RPCS(X) NULL};
static const struct rpc *const own_rpcs[] = {OWN_RPCS(X) NULL};
#undef X

#define ROW(method, path, scope, doc)                                                              \
    {SB_HTTP_##method, path, SB_SCOPE_##scope, 0, handle_rpc, doc},

static const struct sb_http_route api_routes[] = {
#define X(method, path, scope, rpc, doc) ROW(method, "/api/2.0/mlflow/" path, scope, doc)
    MLFLOW_RPCS(X)
#undef X
#define X(method, path, scope, rpc, doc) ROW(method, "/api/2.0/mlflow-artifacts/" path, scope, doc)
        FILE_RPCS(X)
#undef X
            {0}};

static const struct sb_http_route ajax_routes[] = {
#define X(method, path, scope, rpc, doc) ROW(method, "/ajax-api/2.0/mlflow/" path, scope, doc)
    MLFLOW_RPCS(X)
#undef X
#define X(method, path, scope, rpc, doc)                                                           \
    ROW(method, "/ajax-api/2.0/mlflow-artifacts/" path, scope, doc)
        FILE_RPCS(X)
#undef X
            {0}};

static const struct sb_http_route own_routes[] = {
#define X(method, path, scope, rpc, doc) ROW(method, path, scope, doc)
    OWN_RPCS(X)
#undef X
        {0}};

#define FILE_ROUTES(prefix)                                                                        \
    {SB_HTTP_GET,         prefix "mlflow-artifacts/artifacts/{path*}",                             \
     SB_SCOPE_READ,       0,                                                                       \
     handle_artifact_get, "download an artifact file"},                                            \
        {SB_HTTP_PUT,         prefix "mlflow-artifacts/artifacts/{path*}",                         \
         SB_SCOPE_WRITE,      SB_HTTP_STREAM_IN,                                                   \
         handle_artifact_put, "upload an artifact file"},                                          \
        {SB_HTTP_DELETE,         prefix "mlflow-artifacts/artifacts/{path*}", SB_SCOPE_WRITE, 0,   \
         handle_artifact_delete, "remove an artifact file or folder"},                             \
        {SB_HTTP_PUT,     prefix "mlflow-artifacts/mpu/parts/{upload_id}/{part_number}",           \
         SB_SCOPE_WRITE,  SB_HTTP_STREAM_IN,                                                       \
         handle_part_put, "upload one part of an artifact file"},                                  \
        {SB_HTTP_POST,      prefix "mlflow/upload-artifact", SB_SCOPE_WRITE, 0,                    \
         handle_run_upload, "upload a small file of a run"},                                       \
    {                                                                                              \
        SB_HTTP_GET, prefix "mlflow/logged-models/{model_id}/artifacts/files", SB_SCOPE_READ, 0,   \
            handle_model_artifact, "a file of a logged model"                                      \
    }

#define INFO_ROUTE(prefix)                                                                         \
    {                                                                                              \
        SB_HTTP_GET, prefix "mlflow/server-info", SB_SCOPE_PUBLIC, 0, handle_server_info,          \
            "what this server offers"                                                              \
    }

static const struct sb_http_route other_routes[] = {
    FILE_ROUTES("/api/2.0/"),
    FILE_ROUTES("/ajax-api/2.0/"),
    INFO_ROUTE("/api/3.0/"),
    INFO_ROUTE("/ajax-api/3.0/"),
    {SB_HTTP_GET, "/get-artifact", SB_SCOPE_READ, 0, handle_run_artifact, "a file of a run"},
    {SB_HTTP_GET, "/model-versions/get-artifact", SB_SCOPE_READ, 0, handle_version_artifact,
     "a file of a model version"},
    {SB_HTTP_GET, "/version", SB_SCOPE_PUBLIC, 0, handle_version, "the MLflow release it follows"},
    {SB_HTTP_GET, "/health", SB_SCOPE_PUBLIC, 0, handle_health, "alive"},
    {SB_HTTP_GET, "/api/sibyl/1/changes", SB_SCOPE_READ, 0, handle_changes,
     "waits for a change of the registry"},
    {0}};

const struct sb_http_route *const sb_mlflow_api_tables[] = {api_routes, ajax_routes, other_routes,
                                                            own_routes, NULL};

const struct rpc *rpc_of_route(const struct sb_http_route *route) {
    if (route >= own_routes && route < own_routes + SB_COUNT(own_routes))
        return own_rpcs[route - own_routes];
    bool ajax = route >= ajax_routes && route < ajax_routes + SB_COUNT(ajax_routes);
    return mlflow_rpcs[route - (ajax ? ajax_routes : api_routes)];
}

const struct rpc *rpc_of_path(const char *path) {
    static const struct {
        const char *path;
        const struct rpc *rpc;
    } rows[] = {
#define X(method, path, scope, rpc, doc) {path, &rpc_##rpc},
        MLFLOW_RPCS(X) OWN_RPCS(X)
#undef X
    };
    size_t i = 0;
    while (i < SB_COUNT(rows) && (strcmp(rows[i].path, path) != 0 || rows[i].rpc->pool == WRITES))
        i++;
    SB_ASSERT(i < SB_COUNT(rows));
    return rows[i].rpc;
}

/* The route tables. The rows of MLFLOW_RPCS stand twice, below /api and below /ajax-api (MLflow's
 * own pages use the second). */
#include "api/mlflow/mlflow_int.h"

static const struct rpc *const rpcs[] = {
#define X(method, path, scope, rpc, doc) &rpc_##rpc,
    MLFLOW_RPCS(X)
#undef X
    & rpc_file_list};

#define FILES "mlflow-artifacts/artifacts"

static const struct sb_http_route api_routes[] = {
#define X(method, path, scope, rpc, doc)                                                           \
    {SB_HTTP_##method, "/api/2.0/mlflow/" path, SB_SCOPE_##scope, 0, handle_rpc, doc},
    MLFLOW_RPCS(X)
#undef X
        {SB_HTTP_GET, "/api/2.0/" FILES, SB_SCOPE_READ, 0, handle_rpc, "artifact files, one level"},
    {0}};

static const struct sb_http_route ajax_routes[] = {
#define X(method, path, scope, rpc, doc)                                                           \
    {SB_HTTP_##method, "/ajax-api/2.0/mlflow/" path, SB_SCOPE_##scope, 0, handle_rpc, doc},
    MLFLOW_RPCS(X)
#undef X
        {SB_HTTP_GET, "/ajax-api/2.0/" FILES, SB_SCOPE_READ, 0, handle_rpc,
         "artifact files, one level"},
    {0}};

#define FILE_ROUTES(prefix)                                                                        \
    {SB_HTTP_GET, prefix FILES "/{path*}", SB_SCOPE_READ,                                          \
     0,           handle_artifact_get,     "download an artifact file"},                           \
        {SB_HTTP_PUT,       prefix FILES "/{path*}", SB_SCOPE_WRITE,                               \
         SB_HTTP_STREAM_IN, handle_artifact_put,     "upload an artifact file"},                   \
    {                                                                                              \
        SB_HTTP_DELETE, prefix FILES "/{path*}", SB_SCOPE_WRITE, 0, handle_artifact_delete,        \
            "remove an artifact file or folder"                                                    \
    }

static const struct sb_http_route other_routes[] = {
    FILE_ROUTES("/api/2.0/"),
    FILE_ROUTES("/ajax-api/2.0/"),
    {SB_HTTP_GET, "/get-artifact", SB_SCOPE_READ, 0, handle_run_artifact, "a file of a run"},
    {SB_HTTP_GET, "/model-versions/get-artifact", SB_SCOPE_READ, 0, handle_version_artifact,
     "a file of a model version"},
    {SB_HTTP_GET, "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files", SB_SCOPE_READ, 0,
     handle_model_artifact, "a file of a logged model"},
    {SB_HTTP_GET, "/api/3.0/mlflow/server-info", SB_SCOPE_PUBLIC, 0, handle_server_info,
     "what this server offers"},
    {SB_HTTP_GET, "/ajax-api/3.0/mlflow/server-info", SB_SCOPE_PUBLIC, 0, handle_server_info,
     "what this server offers"},
    {SB_HTTP_GET, "/version", SB_SCOPE_PUBLIC, 0, handle_version, "the MLflow release it follows"},
    {SB_HTTP_GET, "/health", SB_SCOPE_PUBLIC, 0, handle_health, "alive"},
    {SB_HTTP_GET, "/api/sibyl/1/changes", SB_SCOPE_READ, 0, handle_changes,
     "waits for a change of the registry"},
    {0}};

const struct sb_http_route *const sb_mlflow_api_tables[] = {api_routes, ajax_routes, other_routes,
                                                            NULL};

const struct rpc *rpc_of_route(const struct sb_http_route *route) {
    bool ajax = route >= ajax_routes && route < ajax_routes + SB_COUNT(ajax_routes);
    return rpcs[route - (ajax ? ajax_routes : api_routes)];
}

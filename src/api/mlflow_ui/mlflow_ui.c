#include "api/mlflow_ui/mlflow_ui_int.h"
#include "base/mem.h"

enum { QUEUE_MAX = 1024 };

/* ---- what MLflow's pages ask of parts of MLflow that are not here. Each answer is the one of a
 * real server that holds none of these things; without it the pages wait for one and ask again.
 * Only below /ajax-api: clients find out by a 404 below /api. ---- */

static void handle_none(struct sb_http_req *r) {
    sb_http_reply(r, 200, NULL, SB_STR("{}"));
}

static void handle_no_endpoints(struct sb_http_req *r) {
    sb_http_reply(r, 200, NULL, SB_STR("{\"endpoints\":[]}"));
}

static void handle_telemetry(struct sb_http_req *r) {
    sb_http_reply(r, 200, NULL,
                  SB_STR("{\"disable_ui_telemetry\":true,\"disable_ui_events\":[],"
                         "\"ui_rollout_percentage\":0}"));
}

const struct sb_http_route sb_mlflow_ui_routes[] = {
    {SB_HTTP_GET, "/", SB_SCOPE_READ, 0, handle_index,
     "MLflow's pages, or the way to the dashboard's"},
    {SB_HTTP_GET, "/static-files/{path*}", SB_SCOPE_READ, 0, handle_static,
     "files of MLflow's pages"},
    {SB_HTTP_POST, "/graphql", SB_SCOPE_READ, 0, handle_graphql,
     "reading calls as GraphQL, as MLflow's pages ask them"},
    {SB_HTTP_GET, "/ajax-api/2.0/mlflow/traces", SB_SCOPE_READ, 0, handle_none,
     "none: traces are not kept"},
    {SB_HTTP_POST, "/ajax-api/3.0/mlflow/traces/search", SB_SCOPE_READ, 0, handle_none,
     "none: traces are not kept"},
    {SB_HTTP_POST, "/ajax-api/3.0/mlflow/traces/metrics", SB_SCOPE_READ, 0, handle_none,
     "none: traces are not kept"},
    {SB_HTTP_POST, "/ajax-api/3.0/mlflow/datasets/search", SB_SCOPE_READ, 0, handle_none,
     "none: evaluation datasets are not kept"},
    {SB_HTTP_GET, "/ajax-api/3.0/mlflow/scorers/list", SB_SCOPE_READ, 0, handle_none,
     "none: there are no scorers"},
    {SB_HTTP_GET, "/ajax-api/2.0/mlflow/gateway-proxy", SB_SCOPE_READ, 0, handle_no_endpoints,
     "none: there is no gateway"},
    {SB_HTTP_GET, "/ajax-api/3.0/mlflow/ui-telemetry", SB_SCOPE_READ, 0, handle_telemetry,
     "that MLflow's pages shall report nothing"},
    {0},
};

sb_err sb_mlflow_ui_new(struct sb_mlflow_ui **out, const char *python, const char *models_url) {
    struct sb_mlflow_ui *u = sb_calloc(1, sizeof *u);
    u->python = python;
    u->models_url = models_url;
    u->dir = SB_FILE_NONE;
    u->probe.work = probe_work;
    sb_err err = sb_pool_new(&u->pool, "ui", 1, QUEUE_MAX);
    if (!err) err = sb_pool_submit(u->pool, &u->probe);
    if (err) {
        sb_mlflow_ui_free(u);
        return err;
    }
    *out = u;
    return SB_OK;
}

void sb_mlflow_ui_free(struct sb_mlflow_ui *u) {
    if (!u) return;
    if (u->pool) sb_pool_free(u->pool);
    sb_file_close(&u->dir);
    sb_free(u);
}

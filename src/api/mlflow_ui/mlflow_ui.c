#include "api/mlflow_ui/mlflow_ui_int.h"
#include "base/mem.h"

enum { QUEUE_MAX = 1024 };

const struct sb_http_route sb_mlflow_ui_routes[] = {
    {SB_HTTP_GET, "/", SB_SCOPE_READ, 0, handle_index, "MLflow's pages, or sibyl's own"},
    {SB_HTTP_GET, "/static-files/{path*}", SB_SCOPE_READ, 0, handle_static,
     "files of MLflow's pages"},
    {SB_HTTP_POST, "/graphql", SB_SCOPE_READ, 0, handle_graphql,
     "reading calls as GraphQL, as MLflow's pages ask them"},
    {0},
};

sb_err sb_mlflow_ui_new(struct sb_mlflow_ui **out, const char *python) {
    struct sb_mlflow_ui *u = sb_calloc(1, sizeof *u);
    u->python = python;
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

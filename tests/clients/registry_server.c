/* The MLflow API alone, for its client tests: registry_server DIR PORT. DIR gets mlflow.db and
 * artifacts/. Prints "listening PORT" when ready; ends on SIGTERM or SIGINT. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/mlflow/mlflow.h"
#include "base/log.h"

static struct sb_loop *loop;
static struct sb_mlflow_api *api;
static struct sb_http_server *server;

static void on_stop(void *arg, int signum) {
    (void)arg;
    (void)signum;
    sb_mlflow_api_drain(api);
    sb_http_drain(server);
    sb_loop_stop(loop);
}

int main(int argc, char **argv) {
    struct sb_errctx ctx = {0};
    char db[4096], files[4096];
    if (argc != 3) return fprintf(stderr, "usage: registry_server DIR PORT\n"), 2;
    sb_log_setup(SB_LOG_INFO, false, 2);
    snprintf(db, sizeof db, "%s/mlflow.db", argv[1]);
    snprintf(files, sizeof files, "%s/artifacts", argv[1]);
    sb_err err = sb_loop_new(&loop, "http");
    struct sb_mlflow_api_opts o = {
        .db_path = db, .artifact_dir = files, .loops = &loop, .nloops = 1};
    if (!err) err = sb_mlflow_api_new(&api, &o, &ctx);
    struct sb_http_opts h = {
        .name = "registry",
        .port = (uint16_t)strtoul(argv[2], NULL, 10),
        .tables = sb_mlflow_api_tables,
        .app = api,
        .body_max = SB_MLFLOW_BODY_MAX,
        .error_body = sb_mlflow_http_error,
    };
    if (!err) err = sb_http_listen(&server, &h, &loop, 1, &ctx);
    if (!err) err = sb_loop_on_signal(loop, SIGTERM, on_stop, NULL);
    if (!err) err = sb_loop_on_signal(loop, SIGINT, on_stop, NULL);
    if (err) return fprintf(stderr, "registry_server: %s\n", sb_errctx_text(&ctx, err)), 1;
    printf("listening %u\n", sb_http_port(server));
    fflush(stdout);
    sb_loop_run(loop);
    sb_mlflow_api_free(api);
    sb_http_free(server);
    sb_loop_free(loop);
    return 0;
}

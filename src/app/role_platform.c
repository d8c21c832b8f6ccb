/* The process `platform`: registry, dashboard, indexes and alerts. It reads the predictions of the
 * journal and never writes them. */
#include <stdio.h>

#include "api/alerts/alerts.h"
#include "api/mlflow/mlflow.h"
#include "api/mlflow_ui/mlflow_ui.h"
#include "api/search/search.h"
#include "api/ui/ui.h"
#include "app/alert_inputs.h"
#include "app/daemon.h"
#include "app/datadir.h"
#include "app/stream.h"
#include "base/mem.h"
#include "domain/artifact/path.h"
#include "domain/audit/audit.h"
#include "engine/http/http.h"
#include "sys/file.h"

enum { LOOPS = 2 }; /* the registry is on both, the dashboard on the first */

#define REQUEST_NS (120 * SB_SEC) /* longer than a /changes request waits */

struct platform {
    struct sb_daemon *daemon;
    struct sb_loop *loops[LOOPS];
    size_t nloops, started;
    struct sb_audit *audit;
    struct sb_mlflow_api *mlflow;
    struct sb_mlflow_ui *mlflow_ui;
    struct sb_http_server *registry;
    struct sb_ui *ui;
    struct sb_http_server *dashboard;
    struct sb_search_api *search;
    struct sb_http_server *search_server;
    struct sb_metrics *metrics;
    struct sb_stream *stream;
    struct sb_alert_sources *alert_sources;
    struct sb_alerts *alerts;
    struct sb_alerts_api *alerts_api;
    void *registry_apps[8], *dashboard_apps[5];
};

static bool has_bytes(const char *path) {
    struct sb_file_stat st;
    return sb_file_stat(path, &st, NULL) == SB_OK && st.size > 0;
}

/* A registry whose database is lost would start as an empty one, and serving would then take down
 * what is live. Artifacts tell that there was one. */
static sb_err check_not_lost(struct sb_arena *a, const struct sb_mlflow_api_opts *o,
                             struct sb_errctx *ctx) {
    struct sb_dir_names names;
    const char *found = NULL;
    if (has_bytes(o->db_path) || has_bytes(sb_arena_printf(a, "%s-wal", o->db_path))) return SB_OK;
    if (sb_dir_list(o->artifact_dir, &names, NULL) != SB_OK) return SB_OK;
    for (size_t i = 0; i < names.n && !found; i++)
        if (strcmp(names.name[i], SB_ARTIFACT_UPLOAD_DIR) != 0) found = names.name[i];
    sb_err err = SB_OK;
    if (found)
        err = sb_fail(ctx, SB_E_CORRUPT,
                      "%s is lost or empty, but %s holds a registry's files: restore it from a "
                      "backup, or move that folder away to start anew",
                      o->db_path, o->artifact_dir);
    sb_dir_names_fini(&names);
    return err;
}

/* The API's tables, that of its pages, and the metrics of this process. */
static const struct sb_http_route *const *registry_tables(struct platform *p) {
    size_t n = 0;
    while (sb_mlflow_api_tables[n]) n++;
    SB_ASSERT(n + 2 <= SB_COUNT(p->registry_apps));
    const struct sb_http_route **all = sb_arena_alloc(p->daemon->arena, (n + 3) * sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = sb_mlflow_api_tables[i];
    all[n] = sb_mlflow_ui_routes;
    all[n + 1] = sb_admin_metrics_routes;
    all[n + 2] = NULL;
    p->registry_apps[n + 1] = sb_stream_admin(p->stream);
    return all;
}

static sb_err start_registry(struct platform *p, struct sb_errctx *ctx) {
    const struct sb_config *c = p->daemon->config;
    struct sb_arena *a = p->daemon->arena;
    struct sb_mlflow_api_opts o = {.db_path = sb_datadir_path(a, c->data, SB_DATADIR_REGISTRY),
                                   .artifact_dir =
                                       sb_datadir_path(a, c->data, SB_DATADIR_ARTIFACTS),
                                   .loops = p->loops,
                                   .nloops = p->nloops};
    SB_TRY(check_not_lost(a, &o, ctx));
    const char *page = sb_instance_url_of(a, c->dashboard_listen.host, c->dashboard_listen.port);
    SB_TRY(sb_mlflow_ui_new(&p->mlflow_ui, c->python, sb_arena_printf(a, "%s/models", page)));
    o.user = p->mlflow_ui;
    o.audit = p->audit;
    SB_TRY(sb_mlflow_api_new(&p->mlflow, &o, ctx));
    struct sb_http_opts h = {.name = "registry",
                             .host = c->registry_listen.host,
                             .port = c->registry_listen.port,
                             .tables = registry_tables(p),
                             .hosts = c->allowed_hosts,
                             .app = p->mlflow,
                             .apps = p->registry_apps,
                             .body_max = SB_MLFLOW_BODY_MAX,
                             .timeout_ns = REQUEST_NS,
                             .error_body = sb_mlflow_http_error};
    SB_TRY(sb_http_listen(&p->registry, &h, p->loops, p->nloops, ctx));
    sb_daemon_serves(p->daemon, "registry", c->registry_listen.host, sb_http_port(p->registry));
    return SB_OK;
}

static void record(void *arg, const struct sb_audit_entry *e) {
    /* when too many wait or the disk failed, audit says so itself */
    (void)sb_audit_add(((struct platform *)arg)->audit, e);
}

static sb_err start_alerts(struct platform *p, struct sb_errctx *ctx) {
    const struct sb_config *c = p->daemon->config;
    struct sb_arena *a = p->daemon->arena;
    const char *page = sb_instance_url_of(a, c->dashboard_listen.host, c->dashboard_listen.port);
    const char *search = sb_instance_url_of(a, c->search_listen.host, c->search_listen.port);
    bool named = c->alerts_file[0] != 0;
    SB_TRY(sb_alert_sources_new(
        &p->alert_sources, sb_instance_url_of(a, c->serving_listen.host, c->serving_listen.port),
        search, p->metrics, ctx));
    struct sb_alerts_opts o = {.dir = sb_datadir_path(a, c->data, SB_DATADIR_ALERTS),
                               .file = named ? c->alerts_file
                                             : sb_datadir_path(a, c->data, SB_DATADIR_ALERT_RULES),
                               .file_required = named,
                               .webhook_url = c->alerts_webhook_url,
                               .alertmanager_url = c->alerts_alertmanager_url,
                               .page_url = sb_arena_printf(a, "%s/alerts", page),
                               .inputs = sb_alert_sources_inputs(p->alert_sources),
                               .record = record,
                               .record_arg = p,
                               .metrics = p->metrics,
                               .every_ns = c->alerts_every};
    SB_TRY(sb_alerts_start(&p->alerts, &o, ctx));
    struct sb_alerts_api_opts api = {.alerts = p->alerts, .search_url = search};
    return sb_alerts_api_new(&p->alerts_api, &api, ctx);
}

static sb_err start_search(struct platform *p, struct sb_errctx *ctx) {
    const struct sb_config *c = p->daemon->config;
    static const struct sb_http_route *const tables[] = {sb_search_routes, NULL};
    struct sb_search_api_opts o = {.indexes = sb_stream_indexes(p->stream)};
    SB_TRY(sb_search_api_new(&p->search, &o, ctx));
    struct sb_http_opts h = {.name = "search",
                             .host = c->search_listen.host,
                             .port = c->search_listen.port,
                             .tables = tables,
                             .hosts = c->allowed_hosts,
                             .app = p->search,
                             .body_max = SB_SEARCH_BODY_MAX,
                             .error_body = sb_search_http_error};
    SB_TRY(sb_http_listen(&p->search_server, &h, p->loops, p->nloops, ctx));
    sb_daemon_serves(p->daemon, "search", c->search_listen.host, sb_http_port(p->search_server));
    return SB_OK;
}

static sb_err start_dashboard(struct platform *p, struct sb_errctx *ctx) {
    const struct sb_config *c = p->daemon->config;
    struct sb_arena *a = p->daemon->arena;
    static const struct sb_http_route *const tables[] = {sb_ui_routes, sb_admin_routes,
                                                         sb_alerts_routes, sb_search_routes, NULL};
    static const char *const prefixes[] = {NULL, NULL, NULL, "/api/search", NULL};
    struct sb_ui_opts o = {
        .serving_url = sb_instance_url_of(a, c->serving_listen.host, c->serving_listen.port),
        .registry_url = c->registry_url,
        .search_url = sb_instance_url_of(a, c->search_listen.host, c->search_listen.port)};
    SB_TRY(sb_ui_new(&p->ui, &o, ctx));
    p->dashboard_apps[1] = sb_stream_admin(p->stream);
    p->dashboard_apps[2] = p->alerts_api;
    p->dashboard_apps[3] = p->search;
    struct sb_http_opts h = {.name = "dashboard",
                             .host = c->dashboard_listen.host,
                             .port = c->dashboard_listen.port,
                             .tables = tables,
                             .hosts = c->allowed_hosts,
                             .app = p->ui,
                             .apps = p->dashboard_apps,
                             .prefixes = prefixes};
    SB_TRY(sb_http_listen(&p->dashboard, &h, p->loops, 1, ctx));
    sb_daemon_serves(p->daemon, "dashboard", c->dashboard_listen.host, sb_http_port(p->dashboard));
    return SB_OK;
}

static void platform_drain(struct sb_daemon *d) {
    struct platform *p = d->self;
    if (p->alert_sources) sb_alert_sources_stop(p->alert_sources);
    sb_mlflow_api_drain(p->mlflow);
    sb_http_drain(p->registry);
    sb_http_drain(p->dashboard);
    sb_http_drain(p->search_server);
    sb_search_api_drain(p->search);
}

static int platform_in_flight(struct sb_daemon *d) {
    struct platform *p = d->self;
    return sb_http_in_flight(p->registry) + sb_http_in_flight(p->dashboard) +
           sb_http_in_flight(p->search_server);
}

static void platform_stop(struct sb_daemon *d) {
    struct platform *p = d->self;
    for (size_t i = 0; i < p->started; i++) sb_loop_stop(p->loops[i]);
    for (size_t i = 0; i < p->started; i++) sb_loop_join(p->loops[i]);
    if (p->mlflow) sb_mlflow_api_free(p->mlflow);
    sb_mlflow_ui_free(p->mlflow_ui);
    sb_http_free(p->registry);
    sb_http_free(p->dashboard);
    sb_http_free(p->search_server);
    if (p->search) sb_search_api_free(p->search);
    sb_ui_free(p->ui);
    sb_alerts_api_free(p->alerts_api);
    if (p->alert_sources) sb_alert_sources_stop(p->alert_sources);
    sb_alerts_stop(p->alerts);
    sb_alert_sources_free(p->alert_sources);
    sb_stream_stop(p->stream);
    sb_metrics_free(p->metrics);
    sb_audit_close(p->audit); /* behind all that adds entries */
    for (size_t i = 0; i < p->nloops; i++) sb_loop_free(p->loops[i]);
    sb_free(p);
}

static sb_err start_all(struct platform *p, struct sb_errctx *ctx) {
    static const char *const names[LOOPS] = {"http-0", "http-1"};
    for (; p->nloops < LOOPS; p->nloops++)
        SB_TRY(sb_loop_new(&p->loops[p->nloops], names[p->nloops]));
    p->metrics = sb_metrics_new();
    SB_TRY(sb_audit_open(
        &p->audit, sb_datadir_path(p->daemon->arena, p->daemon->config->data, SB_DATADIR_AUDIT),
        ctx));
    SB_TRY(sb_stream_start(&p->stream, p->daemon->config, p->daemon->arena, p->metrics, ctx));
    SB_TRY(start_registry(p, ctx));
    SB_TRY(start_alerts(p, ctx));
    SB_TRY(start_search(p, ctx));
    SB_TRY(start_dashboard(p, ctx));
    for (; p->started < LOOPS; p->started++) SB_TRY(sb_loop_start(p->loops[p->started]));
    return SB_OK;
}

static sb_err platform_start(struct sb_daemon *d, struct sb_errctx *ctx) {
    struct platform *p = sb_calloc(1, sizeof *p);
    p->daemon = d;
    d->self = p;
    sb_err err = start_all(p, ctx);
    if (err) platform_stop(d);
    return err;
}

const struct sb_daemon_ops sb_role_platform = {
    .name = "platform",
    .start = platform_start,
    .drain = platform_drain,
    .in_flight = platform_in_flight,
    .stop = platform_stop,
};

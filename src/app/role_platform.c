/* The process `platform`: registry and dashboard. A reader of the journal, never its writer. */
#include <stdio.h>

#include "api/ui/ui.h"
#include "app/daemon.h"
#include "app/datadir.h"
#include "base/mem.h"
#include "engine/http/http.h"

struct platform {
    struct sb_daemon *daemon;
    struct sb_loop *loop;
    bool loop_runs;
    struct sb_ui *ui;
    struct sb_http_server *dashboard;
};

static sb_err start_dashboard(struct platform *p, struct sb_errctx *ctx) {
    const struct sb_config *c = p->daemon->config;
    struct sb_arena *a = p->daemon->arena;
    static const struct sb_http_route *const tables[] = {sb_ui_routes, NULL};
    struct sb_ui_opts o = {
        .journal_dir = sb_datadir_path(a, c->data, SB_DATADIR_PREDICTIONS),
        .serving_url = sb_instance_url_of(a, c->serving_listen.host, c->serving_listen.port),
        .registry_url = c->registry_url};
    SB_TRY(sb_ui_new(&p->ui, &o, ctx));
    struct sb_http_opts h = {.name = "dashboard",
                             .host = c->dashboard_listen.host,
                             .port = c->dashboard_listen.port,
                             .tables = tables,
                             .hosts = c->allowed_hosts,
                             .app = p->ui};
    SB_TRY(sb_http_listen(&p->dashboard, &h, &p->loop, 1, ctx));
    sb_daemon_serves(p->daemon, "dashboard", c->dashboard_listen.host, sb_http_port(p->dashboard));
    return SB_OK;
}

static void platform_drain(struct sb_daemon *d) {
    struct platform *p = d->self;
    sb_http_drain(p->dashboard);
}

static int platform_in_flight(struct sb_daemon *d) {
    struct platform *p = d->self;
    return sb_http_in_flight(p->dashboard);
}

static void platform_stop(struct sb_daemon *d) {
    struct platform *p = d->self;
    if (p->loop_runs) {
        sb_loop_stop(p->loop);
        sb_loop_join(p->loop);
    }
    sb_http_free(p->dashboard);
    sb_ui_free(p->ui);
    sb_loop_free(p->loop);
    sb_free(p);
}

static sb_err start_all(struct platform *p, struct sb_errctx *ctx) {
    SB_TRY(sb_loop_new(&p->loop, "http"));
    SB_TRY(start_dashboard(p, ctx));
    SB_TRY(sb_loop_start(p->loop));
    p->loop_runs = true;
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

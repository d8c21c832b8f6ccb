#include "api/admin/admin.h"

#include "base/mem.h"
#include "codec/json.h"
#include "domain/metric/metric.h"

enum { ANSWER_MAX = 64 << 20 };

struct sb_admin {
    struct sb_admin_opts o;
};

static void reply_buf(struct sb_http_req *r, int status, const char *type, struct sb_buf *b) {
    sb_http_add_header(r, "Cache-Control", SB_STR("no-store"));
    if (sb_buf_err(b))
        sb_http_reply(r, 500, NULL, SB_STR("{\"error\":\"answer too large\"}"));
    else
        sb_http_reply(r, status, type, sb_buf_view(b));
    sb_buf_fini(b);
}

static void metrics(struct sb_http_req *r) {
    struct sb_admin *a = r->app;
    struct sb_buf b;
    sb_buf_init(&b, ANSWER_MAX);
    a->o.update(a->o.update_arg);
    sb_metrics_write(a->o.metrics, &b);
    reply_buf(r, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}

static const char *status_of(struct sb_indexer *x) {
    struct sb_indexer_status s;
    for (size_t i = 0; i < sb_indexer_count(x); i++) {
        sb_indexer_status_get(x, i, &s);
        if (s.state == SB_INDEXER_FAILED) return "degraded";
    }
    return "healthy";
}

static void health(struct sb_http_req *r) {
    struct sb_admin *a = r->app;
    struct sb_buf b;
    sb_buf_init(&b, ANSWER_MAX);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "status", sb_str_of(status_of(a->o.indexer)));
    sb_indexer_write(a->o.indexer, &w);
    sb_json_end(&w);
    reply_buf(r, 200, NULL, &b);
}

static void indexes(struct sb_http_req *r) {
    struct sb_admin *a = r->app;
    struct sb_buf b;
    sb_buf_init(&b, ANSWER_MAX);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_indexer_write(a->o.indexer, &w);
    sb_json_end(&w);
    reply_buf(r, 200, NULL, &b);
}

static void rebuild(struct sb_http_req *r) {
    struct sb_admin *a = r->app;
    struct sb_errctx ctx = {0};
    sb_err err = sb_indexer_rebuild(a->o.indexer, r->params[0], &ctx);
    struct sb_buf b;
    sb_buf_init(&b, ANSWER_MAX);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    if (err)
        sb_json_str(&w, "error", sb_str_of(sb_errctx_text(&ctx, err)));
    else
        sb_json_bool(&w, "rebuilding", true);
    sb_json_end(&w);
    reply_buf(r, err ? 404 : 202, NULL, &b);
}

#define METRICS_ROUTE                                                                              \
    { SB_HTTP_GET, "/metrics", SB_SCOPE_PUBLIC, 0, metrics, "Metrics of the process platform" }

const struct sb_http_route sb_admin_routes[] = {
    METRICS_ROUTE,
    {SB_HTTP_GET, "/health", SB_SCOPE_PUBLIC, 0, health,
     "200 while the pages are served; how far the indexes are"},
    {SB_HTTP_GET, "/api/indexes", SB_SCOPE_READ, 0, indexes,
     "The indexes: documents, lag, size, progress of a rebuild"},
    {SB_HTTP_POST, "/api/indexes/{name}/rebuild", SB_SCOPE_ADMIN, 0, rebuild,
     "Builds an index anew from its topic while the old one answers"},
    {0},
};
const struct sb_http_route sb_admin_metrics_routes[] = {METRICS_ROUTE, {0}};

struct sb_admin *sb_admin_new(const struct sb_admin_opts *o) {
    struct sb_admin *a = sb_calloc(1, sizeof *a);
    a->o = *o;
    return a;
}

void sb_admin_free(struct sb_admin *a) {
    sb_free(a);
}

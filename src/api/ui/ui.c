#include "api/ui/ui.h"

#include "api/ui/files.h"
#include "api/ui/proxy.h"
#include "base/mem.h"
#include "codec/json.h"

struct sb_ui {
    struct sb_proxy *registry, *serving;
    char *registry_url, *serving_url, *search_url;
};

static void links(struct sb_http_req *r) {
    struct sb_ui *u = r->app;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "registry", sb_str_of(u->registry_url));
    sb_json_str(&w, "serving", sb_str_of(u->serving_url));
    sb_json_str(&w, "search", sb_str_of(u->search_url));
    sb_json_end(&w);
    sb_http_reply(r, 200, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

static void registry(struct sb_http_req *r) {
    sb_proxy_pass(((struct sb_ui *)r->app)->registry, r);
}

static void serving(struct sb_http_req *r) {
    sb_proxy_pass(((struct sb_ui *)r->app)->serving, r);
}

const struct sb_http_route sb_ui_routes[] = {
    {SB_HTTP_GET, "/", SB_SCOPE_READ, 0, sb_ui_page, "The dashboard"},
    {SB_HTTP_GET, "/{page}", SB_SCOPE_READ, 0, sb_ui_page, "One of its pages: /events"},
    {SB_HTTP_GET, "/static/{path*}", SB_SCOPE_READ, 0, sb_ui_static, "Files of the pages"},
    {SB_HTTP_GET, "/api/links", SB_SCOPE_READ, 0, links, "URLs of the other ports"},
    {SB_HTTP_GET, "/api/registry/{path*}", SB_SCOPE_READ, 0, registry, "The registry's port"},
    {SB_HTTP_POST, "/api/registry/{path*}", SB_SCOPE_WRITE, 0, registry, "The same"},
    {SB_HTTP_PATCH, "/api/registry/{path*}", SB_SCOPE_WRITE, 0, registry, "The same"},
    {SB_HTTP_DELETE, "/api/registry/{path*}", SB_SCOPE_WRITE, 0, registry, "The same"},
    {SB_HTTP_GET, "/api/serving/{path*}", SB_SCOPE_READ, 0, serving, "The serving port"},
    {SB_HTTP_POST, "/api/serving/{path*}", SB_SCOPE_PREDICT, 0, serving, "The same"},
    {0},
};

static sb_err start(struct sb_ui *u, const struct sb_ui_opts *o, struct sb_errctx *ctx) {
    SB_TRY(sb_proxy_new(&u->registry, "ui-registry", "/api/registry", o->registry_url, ctx));
    return sb_proxy_new(&u->serving, "ui-serving", "/api/serving", o->serving_url, ctx);
}

sb_err sb_ui_new(struct sb_ui **out, const struct sb_ui_opts *o, struct sb_errctx *ctx) {
    struct sb_ui *u = sb_calloc(1, sizeof *u);
    u->registry_url = sb_strdup(o->registry_url);
    u->serving_url = sb_strdup(o->serving_url);
    u->search_url = sb_strdup(o->search_url);
    sb_err err = start(u, o, ctx);
    if (err) {
        sb_ui_free(u);
        return err;
    }
    *out = u;
    return SB_OK;
}

void sb_ui_free(struct sb_ui *u) {
    if (!u) return;
    sb_proxy_free(u->registry);
    sb_proxy_free(u->serving);
    sb_free(u->registry_url);
    sb_free(u->serving_url);
    sb_free(u->search_url);
    sb_free(u);
}

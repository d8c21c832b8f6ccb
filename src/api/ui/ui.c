#include "api/ui/ui.h"

#include "api/ui/feed.h"
#include "base/mem.h"
#include "codec/json.h"
#include "web_live.h"

struct sb_ui {
    struct sb_feed *feed;
    char *registry_url, *serving_url;
};

static void page(struct sb_http_req *r) {
    sb_http_add_header(r, "Content-Security-Policy",
                       SB_STR("default-src 'none'; style-src 'unsafe-inline'; script-src "
                              "'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors "
                              "'none'"));
    sb_http_add_header(r, "X-Content-Type-Options", SB_STR("nosniff"));
    sb_http_reply(r, 200, "text/html; charset=utf-8",
                  sb_str_make((const char *)sb_web_live, sizeof sb_web_live - 1));
}

static void reply_buf(struct sb_http_req *r, struct sb_buf *b) {
    if (sb_buf_err(b))
        sb_http_reply(r, 500, NULL, SB_STR("{\"error\":\"answer too large\"}"));
    else
        sb_http_reply(r, 200, NULL, sb_buf_view(b));
    sb_buf_fini(b);
}

static void live(struct sb_http_req *r) {
    struct sb_buf b;
    sb_buf_init(&b, 256 << 20);
    sb_feed_write(((struct sb_ui *)r->app)->feed, &b);
    reply_buf(r, &b);
}

static void links(struct sb_http_req *r) {
    struct sb_ui *u = r->app;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 16);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "registry", sb_str_of(u->registry_url));
    sb_json_str(&w, "serving", sb_str_of(u->serving_url));
    sb_json_end(&w);
    reply_buf(r, &b);
}

const struct sb_http_route sb_ui_routes[] = {
    {SB_HTTP_GET, "/", SB_SCOPE_READ, 0, page, "The live page"},
    {SB_HTTP_GET, "/api/live", SB_SCOPE_READ, 0, live,
     "Traffic and latency of the last minutes, the newest events, what is live"},
    {SB_HTTP_GET, "/api/links", SB_SCOPE_READ, 0, links, "URLs of the other ports"},
    {0},
};

sb_err sb_ui_new(struct sb_ui **out, const struct sb_ui_opts *o, struct sb_errctx *ctx) {
    struct sb_feed *feed;
    SB_TRY(sb_feed_new(&feed, o->journal_dir, o->serving_url, ctx));
    struct sb_ui *u = sb_calloc(1, sizeof *u);
    u->feed = feed;
    u->registry_url = sb_strdup(o->registry_url);
    u->serving_url = sb_strdup(o->serving_url);
    *out = u;
    return SB_OK;
}

void sb_ui_free(struct sb_ui *u) {
    if (!u) return;
    sb_feed_free(u->feed);
    sb_free(u->registry_url);
    sb_free(u->serving_url);
    sb_free(u);
}

#include "api/ui/proxy.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/thread.h"
#include "codec/json.h"
#include "engine/fetch/fetch.h"
#include "loop/pool.h"

enum { THREADS = 4, QUEUE_MAX = 256, HEADERS_MAX = 40, ANSWER_MAX = 64 << 20 };

struct sb_proxy {
    const char *prefix;
    struct sb_pool *pool;
    struct sb_fetch *clients[THREADS]; /* one a thread: as many as can work at once */
    struct sb_mutex lock;
    struct sb_fetch *idle[THREADS];
    size_t nidle;
};

struct passing {
    struct sb_job job;
    struct sb_proxy *proxy;
    struct sb_http_req *req;
    struct sb_fetch_request ask;
    const char *headers[HEADERS_MAX + 1];
    int status;
    char type[160];
    struct sb_buf answer;
    sb_err err;
    struct sb_errctx ctx;
};

/* ---- on the pool ---- */

static void pass_work(struct sb_job *j) {
    struct passing *g = SB_CONTAINER(j, struct passing, job);
    struct sb_proxy *p = g->proxy;
    sb_mutex_lock(&p->lock);
    struct sb_fetch *f = p->idle[--p->nidle];
    sb_mutex_unlock(&p->lock);
    g->err = sb_fetch_call(f, &g->ask, &g->status, &g->answer, &g->ctx);
    snprintf(g->type, sizeof g->type, "%s", g->err ? "" : sb_fetch_content_type(f));
    sb_mutex_lock(&p->lock);
    p->idle[p->nidle++] = f;
    sb_mutex_unlock(&p->lock);
}

/* ---- on the loop ---- */

static void reply_error(struct sb_http_req *r, int status, const char *message) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 14);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "error", sb_str_of(message));
    sb_json_end(&w);
    sb_http_reply(r, status, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

static int status_of(sb_err err) {
    switch (err) {
    case SB_E_TIMEOUT: return 504;
    case SB_E_CLOSED: return 503;
    default: return 502;
    }
}

static void pass_done(struct sb_job *j) {
    struct passing *g = SB_CONTAINER(j, struct passing, job);
    struct sb_http_req *r = g->req;
    sb_http_add_header(r, "Cache-Control", SB_STR("no-store"));
    sb_http_add_header(r, "Content-Security-Policy", SB_STR("sandbox; default-src 'none'"));
    sb_http_add_header(r, "X-Content-Type-Options", SB_STR("nosniff"));
    if (g->err)
        reply_error(r, status_of(g->err), g->ctx.msg);
    else
        sb_http_reply(r, g->status, g->type[0] ? g->type : NULL, sb_buf_view(&g->answer));
    sb_buf_fini(&g->answer);
    sb_free(g);
}

static bool is_sent_on(struct sb_str name) {
    if (sb_str_ieq(name, SB_STR("Accept")) || sb_str_ieq(name, SB_STR("traceparent"))) return true;
    return name.n > 2 && sb_str_ieq(sb_str_sub(name, 0, 2), SB_STR("X-")) &&
           !(name.n > 12 && sb_str_ieq(sb_str_sub(name, 0, 12), SB_STR("X-Forwarded-")));
}

static void fill(struct passing *g, struct sb_http_req *r, struct sb_str path) {
    size_t n = 0;
    for (size_t i = 0; i < r->nheaders && n < HEADERS_MAX; i++) {
        const struct sb_http_header *h = &r->headers[i];
        if (!is_sent_on(h->name)) continue;
        g->headers[n++] = sb_arena_printf(r->arena, "%.*s: %.*s", (int)h->name.n, h->name.p,
                                          (int)h->value.n, h->value.p);
    }
    struct sb_str type = sb_http_get_header(r, "Content-Type");
    g->ask = (struct sb_fetch_request){
        .method = sb_http_method_name(r->method == SB_HTTP_HEAD ? SB_HTTP_GET : r->method),
        .target = sb_arena_printf(r->arena, "%.*s%s%.*s", (int)path.n, path.p,
                                  r->query.n ? "?" : "", (int)r->query.n, r->query.p),
        .body = r->body.n || r->method == SB_HTTP_POST
                    ? sb_str_make(r->body.n ? r->body.p : "", r->body.n)
                    : (struct sb_str){0},
        .content_type = type.n ? sb_arena_printf(r->arena, "%.*s", (int)type.n, type.p) : NULL,
        .headers = g->headers,
        .max_bytes = ANSWER_MAX};
}

void sb_proxy_pass(struct sb_proxy *p, struct sb_http_req *r) {
    struct sb_str prefix = sb_str_of(p->prefix);
    if (!sb_str_starts(r->path, prefix)) { /* an escaped letter in the prefix itself */
        reply_error(r, 404, "there is no such path");
        return;
    }
    struct passing *g = sb_calloc(1, sizeof *g);
    g->proxy = p;
    g->req = r;
    sb_buf_init(&g->answer, ANSWER_MAX);
    fill(g, r, sb_str_sub(r->path, prefix.n, r->path.n));
    g->job = (struct sb_job){.work = pass_work, .done = pass_done, .loop = r->loop};
    if (sb_pool_submit(p->pool, &g->job) == SB_OK) return;
    sb_buf_fini(&g->answer);
    sb_free(g);
    reply_error(r, 503, "too many requests at once: try again");
}

sb_err sb_proxy_new(struct sb_proxy **out, const char *name, const char *prefix,
                    const char *base_url, struct sb_errctx *ctx) {
    struct sb_proxy *p = sb_calloc(1, sizeof *p);
    p->prefix = prefix;
    sb_mutex_init(&p->lock);
    sb_err err = SB_OK;
    for (size_t i = 0; !err && i < THREADS; i++) {
        err = sb_fetch_new(&p->clients[i], base_url, ctx);
        p->idle[i] = p->clients[i];
    }
    p->nidle = THREADS;
    if (!err) err = sb_pool_new(&p->pool, name, THREADS, QUEUE_MAX);
    if (err) {
        sb_proxy_free(p);
        return err;
    }
    *out = p;
    return SB_OK;
}

void sb_proxy_free(struct sb_proxy *p) {
    if (!p) return;
    for (size_t i = 0; i < THREADS; i++)
        if (p->clients[i]) sb_fetch_stop(p->clients[i]);
    if (p->pool) sb_pool_free(p->pool);
    for (size_t i = 0; i < THREADS; i++) sb_fetch_free(p->clients[i]);
    sb_mutex_fini(&p->lock);
    sb_free(p);
}

/* The server: shards on loops, listening, draining, counters. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/http/http_int.h"
#include "loop/listen.h"

static int after_head(llhttp_t *l) {
    struct http_shard *s = SB_CONTAINER(l, struct http_shard, llhttp);
    s->llhttp_flags = l->flags;
    s->llhttp_length = l->content_length;
    return 1; /* a head and no more: bodies are framed here */
}

static struct http_shard *shard_new(struct sb_http_server *server, struct sb_loop *loop) {
    struct http_shard *s = sb_calloc(1, sizeof *s);
    s->server = server;
    s->loop = loop;
    s->date_s = -1;
    sb_buf_init(&s->cork, SIZE_MAX / 2);
    sb_buf_init(&s->scratch, SIZE_MAX / 2);
    sb_buf_init(&s->gzipped, HTTP_GZIP_MAX);
    llhttp_settings_init(&s->llhttp_settings);
    s->llhttp_settings.on_headers_complete = after_head;
    http_timeouts_init(s);
    http_queue_init(s);
    return s;
}

static void on_connection(uv_stream_t *h, int status) {
    if (status == 0) http_conn_accept(h->data);
}

static sb_err shard_listen(struct http_shard *s, int fd, struct sb_errctx *ctx) {
    uv_tcp_init(sb_loop_uv(s->loop), &s->listener);
    s->listener.data = s;
    int rc = uv_tcp_open(&s->listener, fd);
    if (rc == 0) rc = uv_listen((uv_stream_t *)&s->listener, 1024, on_connection);
    if (rc == 0) return SB_OK;
    return sb_fail(ctx, SB_E_UNAVAILABLE, "cannot listen: %s", uv_strerror(rc));
}

static void set_defaults(struct sb_http_server *s) {
    struct sb_http_opts *o = &s->o;
    if (!o->host) o->host = "127.0.0.1";
    if (!o->body_max) o->body_max = SB_LIMIT_HTTP_BODY;
    if (!o->timeout_ns) o->timeout_ns = 60 * SB_SEC;
    if (!o->header_ns) o->header_ns = SB_LIMIT_HTTP_HEADER_MS * SB_MS;
    if (!o->idle_ns) o->idle_ns = SB_LIMIT_HTTP_IDLE_MS * SB_MS;
    if (!o->body_grace_ns) o->body_grace_ns = SB_LIMIT_HTTP_BODY_GRACE_MS * SB_MS;
    s->limit_ns[HTTP_L_IDLE] = o->idle_ns;
    s->limit_ns[HTTP_L_STALL] = o->idle_ns;
    s->limit_ns[HTTP_L_HEAD] = o->header_ns;
    s->limit_ns[HTTP_L_BODY] = SB_SEC < o->body_grace_ns ? SB_SEC : o->body_grace_ns;
    s->limit_ns[HTTP_L_LINGER] = 2 * SB_SEC;
}

sb_err sb_http_listen(struct sb_http_server **out, const struct sb_http_opts *o,
                      struct sb_loop *const *loops, size_t n, struct sb_errctx *ctx) {
    int fds[64];
    if (n == 0 || n > SB_COUNT(fds)) return sb_fail(ctx, SB_E_BUG, "%zu loops", n);
    struct sb_http_server *s = sb_calloc(1, sizeof *s + n * sizeof s->shards[0]);
    s->o = *o;
    set_defaults(s);
    sb_err err = sb_http_router_new(&s->router, o->tables, o->prefixes, ctx);
    if (!err) err = sb_listen_tcp(s->o.host, o->port, fds, n, &s->port, ctx);
    if (err) {
        sb_http_free(s);
        return err;
    }
    for (; s->nshards < n; s->nshards++) {
        s->shards[s->nshards] = shard_new(s, loops[s->nshards]);
        sb_err failed = shard_listen(s->shards[s->nshards], fds[s->nshards], err ? NULL : ctx);
        if (!err) err = failed;
    }
    /* Handles that were opened stay with their loops until these end. */
    if (err) return err;
    SB_LOG(SB_LOG_INFO, "http", "listening", SB_KS("server", s->o.name), SB_KS("host", s->o.host),
           SB_KI("port", s->port));
    *out = s;
    return SB_OK;
}

uint16_t sb_http_port(const struct sb_http_server *s) {
    return s->port;
}

static void stop_listening(struct sb_task *t) {
    struct http_shard *s = SB_CONTAINER(t, struct http_shard, drain_task);
    if (!uv_is_closing((uv_handle_t *)&s->listener)) uv_close((uv_handle_t *)&s->listener, NULL);
}

void sb_http_drain(struct sb_http_server *s) {
    if (atomic_exchange(&s->draining, true)) return;
    for (size_t i = 0; i < s->nshards; i++) {
        s->shards[i]->drain_task.fn = stop_listening;
        sb_loop_post(s->shards[i]->loop, &s->shards[i]->drain_task);
    }
}

int sb_http_in_flight(const struct sb_http_server *s) {
    int n = 0;
    for (size_t i = 0; i < s->nshards; i++) n += atomic_load(&s->shards[i]->n.in_flight);
    return n;
}

void sb_http_free(struct sb_http_server *s) {
    if (!s) return;
    for (size_t i = 0; i < s->nshards; i++) http_shard_free_all(s->shards[i]);
    sb_http_router_free(s->router);
    sb_free(s);
}

void sb_http_stats_get(const struct sb_http_server *s, struct sb_http_stats *out) {
    *out = (struct sb_http_stats){0};
    for (size_t i = 0; i < s->nshards; i++) {
        const struct http_counters *n = &s->shards[i]->n;
        out->connections += n->connections;
        out->open += n->open;
        out->requests += n->requests;
        out->refused_busy += n->refused_busy;
        out->bad_requests += n->bad_requests;
        out->timeouts += n->timeouts;
        out->bytes_in += n->bytes_in;
        out->bytes_out += n->bytes_out;
    }
}

/* A connection: accepting, reading, taking heads off the input, closing.
 *
 * Input is parsed where it was read, in the shard's buffer; what cannot be taken yet (half a head,
 * requests over the pipeline limit, a body whose handler asked for a pause) is kept in c->in. While
 * input is being taken c->processing is set: answers given by handlers meanwhile are collected in
 * the shard's cork and leave with one write, and nobody re-enters the taking. */
#include <stdio.h>

#include "base/mem.h"
#include "engine/http/http_int.h"

/* Tells the handler of an unanswered request that its client has gone. It may answer at once, which
 * releases r: serial says whether r is still the same request. */
static void tell_gone(struct http_request *r, uint64_t serial, bool reading) {
    if (r->serial == serial && reading && r->pub.on_end) r->pub.on_end(&r->pub, SB_E_CLOSED);
    if (r->serial == serial && r->streaming && r->pub.on_drain) r->pub.on_drain(&r->pub);
    if (r->serial == serial && r->pub.on_gone) r->pub.on_gone(&r->pub);
}

static void on_closed(uv_handle_t *h) {
    struct http_conn *c = h->data;
    struct http_request *cur = c->cur;
    struct {
        struct http_request *r;
        uint64_t serial;
    } owing[SB_LIMIT_HTTP_PIPELINE + 1];
    size_t n = 0;
    HTTP_COUNT(c->shard->n.open, -1);
    c->nalive++; /* keeps c while its requests go */
    c->closed = true;
    c->cur = NULL;
    while (c->head) { /* all leave before anybody is told: who is told may answer any of them */
        struct http_request *r = c->head;
        c->head = r->next;
        r->in_fifo = false;
        http_deadline_clear(r);
        if (!r->owes) {
            http_request_release(r);
            continue;
        }
        SB_ASSERT(n < SB_COUNT(owing));
        owing[n].r = r;
        owing[n++].serial = r->serial;
    }
    for (size_t i = 0; i < n; i++) tell_gone(owing[i].r, owing[i].serial, owing[i].r == cur);
    if (--c->nalive == 0) http_conn_recycle(c);
}

void http_conn_close(struct http_conn *c) {
    if (c->closing) return;
    c->closing = true;
    http_list_leave(c);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* The second opinion on a head that the strict reader took: llhttp must read the same. */
static bool llhttp_agrees(struct http_shard *s, const struct sb_http_head *h, const char *p,
                          size_t n) {
    llhttp_t *l = &s->llhttp;
    llhttp_init(l, HTTP_REQUEST, &s->llhttp_settings);
    llhttp_errno_t err = llhttp_execute(l, p, n);
    if (err != HPE_OK && err != HPE_PAUSED_UPGRADE) return false;
    static const uint8_t methods[] = {
        [SB_HTTP_GET] = HTTP_GET,        [SB_HTTP_HEAD] = HTTP_HEAD,
        [SB_HTTP_POST] = HTTP_POST,      [SB_HTTP_PUT] = HTTP_PUT,
        [SB_HTTP_PATCH] = HTTP_PATCH,    [SB_HTTP_DELETE] = HTTP_DELETE,
        [SB_HTTP_OPTIONS] = HTTP_OPTIONS};
    bool chunked = s->llhttp_flags & F_CHUNKED, length = s->llhttp_flags & F_CONTENT_LENGTH;
    return l->method == methods[h->method] && chunked == (h->content_length == -1) &&
           length == h->has_length && (!length || s->llhttp_length == (uint64_t)h->content_length);
}

/* Copies the head into the request's own memory and points the request into it. */
static void adopt_head(struct http_request *r, struct sb_http_head *h, const char *p) {
    struct http_conn *c = r->conn;
    size_t headers = h->nheaders * sizeof h->headers[0];
    char *mem = sb_arena_alloc(&r->arena, headers + h->length);
    struct sb_http_req *pub = &r->pub;
    memcpy(mem + headers, p, h->length);
    sb_http_head_rebase(h, p, mem + headers);
    memcpy(mem, h->headers, headers);
    pub->headers = (const struct sb_http_header *)(const void *)mem;
    pub->nheaders = h->nheaders;
    pub->method = (enum sb_http_method)h->method;
    pub->target = h->target;
    pub->path = h->path;
    pub->query = h->query;
    pub->content_length = h->content_length;
    pub->received_ns = c->first_ns ? c->first_ns : sb_loop_now(c->shard->loop);
    r->minor = (uint8_t)h->minor;
    r->keep_alive = h->keep_alive;
}

static void head_is_bad(struct http_conn *c, int status, const char *why) {
    struct http_request *r = http_request_new(c);
    HTTP_COUNT(c->shard->n.bad_requests, 1);
    r->minor = 1;
    r->pub.received_ns = sb_loop_now(c->shard->loop);
    c->no_more = c->linger_next = true;
    http_reply_error(r, status, why, 0);
}

/* Takes one head at *p; false when it is not whole, or no more is to be taken. */
static bool take_head(struct http_conn *c, const char **p, const char *end) {
    struct http_shard *s = c->shard;
    struct sb_http_head *h = &s->parsed;
    int status = 0;
    const char *why = NULL;
    enum sb_http_verdict v = sb_http_head_parse(h, *p, (size_t)(end - *p), &status, &why);
    if (v == SB_HTTP_HEAD_MORE) {
        if (!c->first_ns) c->first_ns = sb_loop_now(s->loop);
        return false;
    }
    if (v == SB_HTTP_HEAD_OK && !llhttp_agrees(s, h, *p, h->length)) {
        v = SB_HTTP_HEAD_BAD;
        status = 400;
        why = "malformed request";
    }
    if (v == SB_HTTP_HEAD_BAD) {
        head_is_bad(c, status, why);
        return false;
    }
    struct http_request *r = http_request_new(c);
    adopt_head(r, h, *p);
    *p += h->length;
    c->first_ns = 0;
    HTTP_COUNT(s->n.requests, 1);
    if (!r->keep_alive) c->no_more = true;
    http_dispatch(r, h, *p < end);
    return true;
}

/* Our own reasons not to take more from this connection now. */
static bool held(const struct http_conn *c) {
    return c->paused || c->nreqs >= SB_LIMIT_HTTP_PIPELINE || c->unsent >= HTTP_WRITE_HIGH;
}

/* Takes what it can of [p, end); returns where it stopped. */
static const char *take(struct http_conn *c, const char *p, const char *end) {
    c->processing = true;
    if (!c->shard->cork_owner) c->shard->cork_owner = c;
    while (p < end && !c->closing) {
        if (c->body) {
            if (c->paused || !http_body_feed(c, &p, end)) break;
        } else if (c->no_more) { /* nobody wants it, but closing over it would reset */
            c->linger_next = true;
            p = end;
        } else if (held(c) || !take_head(c, &p, end)) {
            break;
        }
    }
    c->processing = false;
    http_flush_cork(c);
    return c->no_more && !c->body ? end : p;
}

static void take_buffered(struct http_conn *c) {
    const char *stop = take(c, c->in.p, c->in.p + c->in.n);
    sb_buf_consume(&c->in, (size_t)(stop - c->in.p));
}

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *b) {
    SB_UNUSED(n);
    struct http_conn *c = h->data;
    *b = uv_buf_init(c->shard->rbuf, sizeof c->shard->rbuf);
}

static void on_eof(struct http_conn *c) {
    c->eof = true;
    c->reading = false;
    uv_read_stop((uv_stream_t *)&c->tcp);
    if (c->lingering) {
        http_conn_close(c);
        return;
    }
    if (c->body) http_body_abort(c, SB_E_CLOSED, 400, "request body ended early");
    for (struct http_request *r = c->head; r; r = r->next)
        if (r->owes && r->pub.on_gone) r->pub.on_gone(&r->pub);
    c->no_more = true; /* half a head is dropped; answers under way still leave */
    http_conn_settle(c);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b) {
    struct http_conn *c = h->data;
    if (n == 0 || c->closing) return;
    if (n == UV_EOF) {
        on_eof(c);
        return;
    }
    if (n < 0) {
        http_conn_close(c);
        return;
    }
    HTTP_COUNT(c->shard->n.bytes_in, (uint64_t)n);
    if (c->lingering) return;
    if (c->in.n) {
        sb_buf_add(&c->in, b->base, (size_t)n);
        take_buffered(c);
    } else {
        const char *end = b->base + n, *stop = take(c, b->base, end);
        if (stop < end && !c->closing) sb_buf_add(&c->in, stop, (size_t)(end - stop));
    }
    if (sb_buf_err(&c->in)) { /* cannot be while reading stops when held; never guess */
        http_conn_close(c);
        return;
    }
    http_conn_settle(c);
}

static void set_reading(struct http_conn *c, bool on) {
    if (c->reading == on) return;
    c->reading = on;
    if (on)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

static void on_shutdown(uv_shutdown_t *req, int status) {
    SB_UNUSED(status);
    sb_free(req);
}

/* All answered and sent: ends the connection. Where the client may still be sending, its bytes are
 * read for a moment first, because closing over unread input resets the connection and the answer
 * in flight would be lost with it (RFC 9112 section 9.6). */
static void finish(struct http_conn *c) {
    if (!c->linger_next || c->eof) {
        http_conn_close(c);
        return;
    }
    uv_shutdown_t *req = sb_alloc(sizeof *req);
    if (uv_shutdown(req, (uv_stream_t *)&c->tcp, on_shutdown) != 0) {
        sb_free(req);
        http_conn_close(c);
        return;
    }
    c->lingering = true;
    sb_buf_fini(&c->in);
    set_reading(c, true);
    http_list_move(c, HTTP_L_LINGER,
                   sb_loop_now(c->shard->loop) + c->shard->server->limit_ns[HTTP_L_LINGER]);
}

static enum http_list list_of(const struct http_conn *c) {
    if (c->unsent) return HTTP_L_STALL;
    if (c->body) return c->paused ? HTTP_L_NONE : HTTP_L_BODY;
    if (c->in.n && !held(c)) return HTTP_L_HEAD;
    return c->nreqs ? HTTP_L_NONE : HTTP_L_IDLE;
}

static void update_list(struct http_conn *c) {
    enum http_list list = list_of(c);
    if (list == c->list && list != HTTP_L_IDLE) return;
    if (list == HTTP_L_NONE) {
        http_list_leave(c);
        return;
    }
    int64_t now = sb_loop_now(c->shard->loop);
    if (list == HTTP_L_STALL) c->stall_mark = uv_stream_get_write_queue_size((void *)&c->tcp);
    http_list_move(c, list, now + c->shard->server->limit_ns[list]);
}

void http_conn_settle(struct http_conn *c) {
    if (c->closing || c->processing || c->lingering) return;
    while (c->in.n && !held(c) && !c->closing) {
        size_t before = c->in.n;
        take_buffered(c);
        if (c->in.n == before) break; /* half a head */
    }
    if (c->closing) return;
    if (c->no_more && !c->body && c->nreqs == 0) {
        if (c->unsent == 0)
            finish(c);
        else
            update_list(c);
        return;
    }
    set_reading(c, !c->eof && !held(c));
    update_list(c);
}

void http_body_abort(struct http_conn *c, sb_err err, int status, const char *why) {
    struct http_request *r = c->cur;
    c->cur = NULL;
    c->body = HTTP_B_NONE;
    c->paused = false;
    c->no_more = c->linger_next = true;
    if (!r) return;
    r->keep_alive = false;
    if (r->owes) { /* streaming: its handler answers */
        if (r->pub.on_end) r->pub.on_end(&r->pub, err);
    } else {
        http_reply_error(r, status, why, 0);
    }
}

void http_conn_accept(struct http_shard *s) {
    struct http_conn *c = http_conn_new(s);
    uv_tcp_init(sb_loop_uv(s->loop), &c->tcp);
    c->tcp.data = c;
    HTTP_COUNT(s->n.connections, 1);
    HTTP_COUNT(s->n.open, 1);
    if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->tcp) != 0 ||
        atomic_load_explicit(&s->n.open, memory_order_relaxed) > SB_LIMIT_HTTP_CONNS_PER_LOOP) {
        http_conn_close(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    struct sockaddr_storage addr;
    int len = sizeof addr;
    char ip[48] = "";
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&addr, &len) == 0) {
        bool v6 = addr.ss_family == AF_INET6;
        uv_ip_name((struct sockaddr *)&addr, ip, sizeof ip);
        unsigned port = ntohs(v6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                 : ((struct sockaddr_in *)&addr)->sin_port);
        snprintf(c->peer, sizeof c->peer, v6 ? "[%s]:%u" : "%s:%u", ip, port);
    }
    set_reading(c, true);
    update_list(c);
}

/* Pooled connections and requests: nothing is allocated for a request in the steady state. */
#include "base/mem.h"
#include "engine/http/http_int.h"

struct http_conn *http_conn_new(struct http_shard *s) {
    struct http_conn *c = s->free_conns;
    if (c) {
        s->free_conns = c->next;
        struct http_conn *prev = c->all_prev, *next = c->all_next;
        memset(c, 0, sizeof *c);
        c->all_prev = prev;
        c->all_next = next;
    } else {
        c = sb_calloc(1, sizeof *c);
        c->all_next = s->all_conns;
        if (s->all_conns) s->all_conns->all_prev = c;
        s->all_conns = c;
    }
    c->shard = s;
    c->tail = &c->head;
    sb_buf_init(&c->in, HTTP_IN_MAX);
    return c;
}

void http_conn_recycle(struct http_conn *c) {
    sb_buf_fini(&c->in);
    c->next = c->shard->free_conns;
    c->shard->free_conns = c;
}

static void request_free(struct http_shard *s, struct http_request *r) {
    if (r->all_prev) r->all_prev->all_next = r->all_next;
    if (r->all_next) r->all_next->all_prev = r->all_prev;
    if (s->all_reqs == r) s->all_reqs = r->all_next;
    sb_arena_fini(&r->arena);
    sb_buf_fini(&r->body);
    sb_buf_fini(&r->extra);
    sb_buf_fini(&r->out);
    sb_free(r);
}

static struct http_request *request_alloc(struct http_shard *s) {
    size_t body_max = s->server->o.body_max;
    struct http_request *r = sb_calloc(1, sizeof *r);
    sb_arena_init(&r->arena, 16 * body_max);
    sb_buf_init(&r->body, body_max);
    sb_buf_init(&r->extra, SB_LIMIT_HTTP_HEADERS);
    sb_buf_init(&r->out, SIZE_MAX / 2);
    r->all_next = s->all_reqs;
    if (s->all_reqs) s->all_reqs->all_prev = r;
    s->all_reqs = r;
    return r;
}

struct http_request *http_request_new(struct http_conn *c) {
    struct http_shard *s = c->shard;
    struct http_request *r = s->free_reqs;
    if (r) {
        s->free_reqs = r->next;
        s->nfree_reqs--;
    } else {
        r = request_alloc(s);
    }
    memset(&r->pub, 0, sizeof r->pub);
    r->pub.arena = &r->arena;
    r->pub.loop = s->loop;
    r->pub.app = s->server->o.app;
    r->pub.peer = sb_str_of(c->peer);
    r->conn = c;
    r->next = NULL;
    r->in_fifo = true;
    *c->tail = r;
    c->tail = &r->next;
    c->nreqs++;
    c->nalive++;
    HTTP_COUNT(s->n.in_flight, 1);
    return r;
}

static void buf_recycle(struct sb_buf *b) {
    if (b->cap > HTTP_KEEP_BYTES) {
        size_t max = b->max;
        sb_buf_fini(b);
        sb_buf_init(b, max);
    } else {
        sb_buf_reset(b);
    }
}

void http_request_release(struct http_request *r) {
    struct http_conn *c = r->conn;
    struct http_shard *s = c->shard;
    http_deadline_clear(r);
    HTTP_COUNT(s->n.in_flight, -1);
    if (s->nfree_reqs >= HTTP_KEEP_REQUESTS) {
        request_free(s, r);
    } else {
        if (r->arena.used > HTTP_KEEP_BYTES)
            sb_arena_fini(&r->arena);
        else
            sb_arena_reset(&r->arena);
        buf_recycle(&r->body);
        buf_recycle(&r->extra);
        buf_recycle(&r->out);
        memset(&r->out_left, 0, sizeof *r - offsetof(struct http_request, out_left));
        r->serial++;
        r->next = s->free_reqs;
        s->free_reqs = r;
        s->nfree_reqs++;
    }
    if (--c->nalive == 0 && c->closed) http_conn_recycle(c);
}

void http_shard_free_all(struct http_shard *s) {
    while (s->all_reqs) request_free(s, s->all_reqs);
    for (struct http_conn *c = s->all_conns, *next; c; c = next) {
        next = c->all_next;
        sb_buf_fini(&c->in);
        sb_free(c);
    }
    sb_buf_fini(&s->cork);
    sb_buf_fini(&s->scratch);
    sb_buf_fini(&s->gzipped);
    sb_free(s);
}

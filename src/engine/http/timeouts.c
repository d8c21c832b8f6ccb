/* Time-outs. Each kind of waiting has one length, so a list in order of arrival is in order of due
 * time: joining, leaving and looking at the earliest are O(1), with one timer for all lists. The
 * timer stays armed when what it waited for goes away; it then fires once for nothing. */
#include "base/clock.h"
#include "engine/http/http_int.h"

static void want_timer(struct http_shard *s, int64_t due) {
    if (s->timer.due && s->timer.due <= due) return;
    int64_t after = due - sb_mono_ns();
    sb_timer_start(&s->timer, s->loop, after > SB_MS ? after : SB_MS, 0);
}

void http_list_leave(struct http_conn *c) {
    if (c->list == HTTP_L_NONE) return;
    struct http_conns *l = &c->shard->lists[c->list];
    *(c->prev ? &c->prev->next : &l->first) = c->next;
    *(c->next ? &c->next->prev : &l->last) = c->prev;
    c->prev = c->next = NULL;
    c->list = HTTP_L_NONE;
}

void http_list_move(struct http_conn *c, enum http_list list, int64_t due) {
    http_list_leave(c);
    struct http_conns *l = &c->shard->lists[list];
    c->list = (uint8_t)list;
    c->due = due;
    c->prev = l->last;
    *(l->last ? &l->last->next : &l->first) = c;
    l->last = c;
    want_timer(c->shard, due);
}

void http_deadline_set(struct http_request *r) {
    struct http_shard *s = r->conn->shard;
    r->has_deadline = true;
    r->dl_prev = s->dl_last;
    r->dl_next = NULL;
    *(s->dl_last ? &s->dl_last->dl_next : &s->dl_first) = r;
    s->dl_last = r;
    want_timer(s, r->pub.deadline_ns);
}

void http_deadline_clear(struct http_request *r) {
    struct http_shard *s = r->conn->shard;
    if (!r->has_deadline) return;
    *(r->dl_prev ? &r->dl_prev->dl_next : &s->dl_first) = r->dl_next;
    *(r->dl_next ? &r->dl_next->dl_prev : &s->dl_last) = r->dl_prev;
    r->has_deadline = false;
}

/* A connection has been in its list for that list's time. */
static void conn_expired(struct http_conn *c, int64_t now) {
    struct sb_http_server *server = c->shard->server;
    enum http_list list = c->list;
    size_t queued = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    int64_t late;
    switch (list) {
    case HTTP_L_STALL:
        if (queued == c->stall_mark) break;
        c->stall_mark = queued; /* it takes something */
        http_list_move(c, list, now + server->limit_ns[list]);
        return;
    case HTTP_L_BODY:
        late = now - c->body_since - server->o.body_grace_ns;
        if (late <= 0 || c->body_seen >= late / SB_SEC * SB_LIMIT_HTTP_BODY_RATE) {
            http_list_move(c, list, now + server->limit_ns[list]);
            return;
        }
        HTTP_COUNT(c->shard->n.timeouts, 1);
        http_list_leave(c);
        http_body_abort(c, SB_E_TIMEOUT, 408, "request body comes too slowly");
        http_conn_settle(c);
        return;
    case HTTP_L_HEAD:
        HTTP_COUNT(c->shard->n.timeouts, 1);
        http_list_leave(c);
        c->no_more = c->linger_next = true;
        if (c->nreqs == 0) { /* else the answers on their way are followed by the close */
            struct http_request *r = http_request_new(c);
            http_reply_error(r, 408, "request headers come too slowly", 0);
        }
        http_conn_settle(c);
        return;
    default: break;
    }
    http_conn_close(c);
}

static void request_expired(struct http_request *r) {
    struct http_conn *c = r->conn;
    struct sb_http_server *server = c->shard->server;
    http_deadline_clear(r);
    if (r->streaming || !r->in_fifo) return;
    HTTP_COUNT(c->shard->n.timeouts, 1);
    if (server->o.on_refused) server->o.on_refused(server->o.app, &r->pub, 504);
    http_reply_error(r, 504, "no answer in time", 0);
    http_conn_settle(c);
}

static void on_timer(struct sb_timer *t) {
    struct http_shard *s = SB_CONTAINER(t, struct http_shard, timer);
    int64_t now = sb_mono_ns(), next = 0;
    while (s->dl_first && s->dl_first->pub.deadline_ns <= now) request_expired(s->dl_first);
    if (s->dl_first) next = s->dl_first->pub.deadline_ns;
    for (int i = 1; i < HTTP_LISTS; i++) {
        while (s->lists[i].first && s->lists[i].first->due <= now)
            conn_expired(s->lists[i].first, now);
        if (s->lists[i].first && (!next || s->lists[i].first->due < next))
            next = s->lists[i].first->due;
    }
    if (next) want_timer(s, next);
}

void http_timeouts_init(struct http_shard *s) {
    s->timer.fn = on_timer;
}

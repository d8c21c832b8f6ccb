/* Request bodies: framing, limits, discarding, gzip, and the call of the handler. */
#include "engine/http/http_int.h"

void http_body_done(struct http_conn *c) {
    struct http_request *r = c->cur;
    c->cur = NULL;
    c->body = HTTP_B_NONE;
    if (!r) return;
    if (r->pub.route->flags & SB_HTTP_STREAM_IN) {
        r->pub.deadline_ns = sb_loop_now(c->shard->loop) + c->shard->server->o.timeout_ns;
        uint64_t serial = r->serial;
        if (r->pub.on_end) r->pub.on_end(&r->pub, SB_OK);
        if (r->serial == serial && r->owes && !r->streaming) http_deadline_set(r);
    } else {
        http_request_whole(r);
    }
}

static void too_large(struct http_conn *c) {
    http_body_abort(c, SB_E_LIMIT, 413, "request body too large");
}

/* false when the body ended badly with this piece. */
static bool body_piece(struct http_conn *c, struct sb_str piece) {
    struct http_request *r = c->cur;
    c->body_seen += (int64_t)piece.n;
    if (!r) return true;
    if (r->pub.route->flags & SB_HTTP_STREAM_IN) {
        if (r->pub.on_body) r->pub.on_body(&r->pub, piece.p, piece.n);
        return c->body != HTTP_B_NONE;
    }
    sb_buf_adds(&r->body, piece);
    if (sb_buf_err(&r->body) == SB_OK) return true;
    too_large(c);
    return false;
}

static bool feed_length(struct http_conn *c, const char **p, const char *end) {
    size_t n = (size_t)(end - *p);
    if ((int64_t)n > c->body_left) n = (size_t)c->body_left;
    struct sb_str piece = sb_str_make(*p, n);
    *p += n;
    c->body_left -= (int64_t)n;
    if (!body_piece(c, piece)) return false;
    /* A handler that paused on the last piece is not told the end before it resumes. */
    if (c->body == HTTP_B_LENGTH && c->body_left == 0 && !c->paused) http_body_done(c);
    return true;
}

static bool feed_chunked(struct http_conn *c, const char **p, const char *end) {
    struct sb_str piece;
    switch (sb_http_chunks_next(&c->chunks, p, end, &piece)) {
    case SB_HTTP_CHUNK_DATA: return body_piece(c, piece);
    case SB_HTTP_CHUNK_END: http_body_done(c); return true;
    case SB_HTTP_CHUNK_MORE: return true;
    default:
        HTTP_COUNT(c->shard->n.bad_requests, 1);
        http_body_abort(c, SB_E_SYNTAX, 400, "malformed chunked body");
        return false;
    }
}

bool http_body_feed(struct http_conn *c, const char **p, const char *end) {
    return c->body == HTTP_B_LENGTH ? feed_length(c, p, end) : feed_chunked(c, p, end);
}

void http_body_unwanted(struct http_conn *c) {
    /* A client that waits for 100 may never send its body: then only the end of the connection is
     * a safe end of the request. */
    bool waits = c->cur && c->cur->wants_100;
    c->cur = NULL;
    c->paused = false;
    if (c->body == HTTP_B_LENGTH && c->body_left == 0) c->body = HTTP_B_NONE;
    if (!c->body || (c->body == HTTP_B_LENGTH && c->body_left <= HTTP_DISCARD_MAX && !waits))
        return;
    c->body = HTTP_B_NONE;
    c->no_more = c->linger_next = true;
}

void http_request_call(struct http_request *r) {
    uint64_t serial = r->serial;
    r->owes = true;
    r->pub.route->handler(&r->pub);
    if (r->serial == serial && r->owes && !r->streaming && !r->has_deadline &&
        r->pub.deadline_ns != INT64_MAX)
        http_deadline_set(r);
}

void http_request_whole(struct http_request *r) {
    struct http_shard *s = r->conn->shard;
    r->pub.body = sb_buf_view(&r->body);
    if (r->gzip_body) {
        sb_err err = http_gzip_body(r, &r->pub.body);
        if (err) {
            bool big = err == SB_E_LIMIT;
            http_reply_error(r, big ? 413 : 400, big ? "request body too large" : "bad gzip body",
                             0);
            return;
        }
    }
    r->pub.deadline_ns = sb_loop_now(s->loop) + s->server->o.timeout_ns;
    if (!http_defer(r)) http_request_call(r);
}

/* From a parsed head to a decision: refuse, or read the body, or call the handler. */
#include "codec/url.h"
#include "engine/http/http_int.h"

static void count_busy(struct http_request *r) {
    struct sb_http_server *server = r->conn->shard->server;
    HTTP_COUNT(r->conn->shard->n.refused_busy, 1);
    if (server->o.on_refused) server->o.on_refused(server->o.app, &r->pub, 503);
}

void http_refuse_busy(struct http_request *r) {
    count_busy(r);
    http_reply_error(r, 503, "too busy, try again", 0);
}

struct refusal {
    int status;
    const char *why;
    unsigned allow;
};

static struct refusal check_origin(struct http_request *r, const struct sb_http_head *h) {
    if (!http_guard_host(r->conn, h->host))
        return (struct refusal){403, "this Host is not served here", 0};
    if (h->origin.p && !http_guard_origin(r->conn, h->origin))
        return (struct refusal){403, "cross-site requests are refused", 0};
    if (h->fetch_site.p && sb_str_ieq(h->fetch_site, SB_STR("cross-site")))
        return (struct refusal){403, "cross-site requests are refused", 0};
    return (struct refusal){0};
}

static struct refusal find_route(struct http_request *r) {
    struct sb_http_match m;
    struct sb_http_req *pub = &r->pub;
    if (!sb_http_router_find(r->conn->shard->server->router, pub->method, pub->path, &m))
        return (struct refusal){404, "no such path", 0};
    if (!m.route) return (struct refusal){405, "method not allowed", m.allowed};
    const struct sb_http_opts *o = &r->conn->shard->server->o;
    pub->route = m.route;
    if (o->apps && o->apps[m.table]) pub->app = o->apps[m.table];
    pub->nparams = m.nparams;
    for (size_t i = 0; i < m.nparams; i++)
        if (sb_url_decode(&pub->params[i], m.params[i], false, pub->arena, NULL) != SB_OK)
            return (struct refusal){400, "bad escape in path", 0};
    struct sb_str ignored; /* handlers read the query piece by piece, and need not check it then */
    if (sb_url_decode(&ignored, pub->query, true, pub->arena, NULL) != SB_OK)
        return (struct refusal){400, "bad escape in query", 0};
    return (struct refusal){0};
}

static struct refusal check_body(struct http_request *r, const struct sb_http_head *h) {
    bool stream = r->pub.route->flags & SB_HTTP_STREAM_IN;
    if (h->expect.p) {
        if (!sb_str_ieq(h->expect, SB_STR("100-continue")))
            return (struct refusal){417, "unknown expectation", 0};
        r->wants_100 = r->minor == 1 && h->content_length != 0;
    }
    if (h->content_length == 0) return (struct refusal){0};
    if (h->content_encoding.p && !sb_str_ieq(h->content_encoding, SB_STR("identity"))) {
        if (stream || (!sb_str_ieq(h->content_encoding, SB_STR("gzip")) &&
                       !sb_str_ieq(h->content_encoding, SB_STR("deflate"))))
            return (struct refusal){415, "content encoding not supported", 0};
        r->gzip_body = true;
    }
    if (!stream && h->content_length > (int64_t)r->conn->shard->server->o.body_max)
        return (struct refusal){413, "request body too large", 0};
    return (struct refusal){0};
}

static struct refusal check(struct http_request *r, const struct sb_http_head *h) {
    struct refusal no = check_origin(r, h);
    if (!no.status) no = find_route(r);
    if (!no.status && (r->pub.route->flags & SB_HTTP_ADMIT) && !http_admit(r->conn->shard))
        no = (struct refusal){503, "too busy, try again", 0};
    if (!no.status) no = check_body(r, h);
    return no;
}

static void refuse(struct http_request *r, const struct sb_http_head *h, struct refusal no) {
    struct http_conn *c = r->conn;
    if (no.status == 503) count_busy(r);
    if (c->body) {
        r->wants_100 = h->expect.p != NULL;
        http_body_unwanted(c);
        r->wants_100 = false;
    }
    http_reply_error(r, no.status, no.why, no.allow);
}

void http_dispatch(struct http_request *r, const struct sb_http_head *h, bool more) {
    struct http_conn *c = r->conn;
    if (h->content_length != 0) {
        c->body = h->content_length < 0 ? HTTP_B_CHUNKED : HTTP_B_LENGTH;
        c->body_left = h->content_length;
        c->body_since = sb_loop_now(c->shard->loop);
        c->body_seen = 0;
        c->chunks = (struct sb_http_chunks){0};
        c->cur = r;
    }
    r->gzip_reply = h->accept_encoding.p && http_gzip_accepted(h->accept_encoding);
    struct refusal no = check(r, h);
    if (no.status) {
        refuse(r, h, no);
        return;
    }
    if (!c->body) {
        bool stream = r->pub.route->flags & SB_HTTP_STREAM_IN;
        uint64_t serial = r->serial;
        http_request_whole(r);
        if (stream && r->serial == serial && r->owes && r->in_fifo && r->pub.on_end)
            r->pub.on_end(&r->pub, SB_OK);
        return;
    }
    if (more) r->wants_100 = false; /* it did not wait */
    if (r->wants_100 && c->head == r) http_send_continue(r);
    if (r->pub.route->flags & SB_HTTP_STREAM_IN) {
        r->pub.deadline_ns = INT64_MAX;
        http_request_call(r);
    }
}

/* What handlers ask of a request. */
#include "base/clock.h"
#include "codec/url.h"
#include "engine/http/http_int.h"

struct sb_str sb_http_get_header(const struct sb_http_req *r, const char *name) {
    struct sb_str want = sb_str_of(name);
    for (size_t i = 0; i < r->nheaders; i++)
        if (r->headers[i].name.n == want.n && sb_str_ieq(r->headers[i].name, want))
            return r->headers[i].value;
    return (struct sb_str){NULL, 0};
}

bool sb_http_query_next(const struct sb_http_req *r, size_t *at, struct sb_str *name,
                        struct sb_str *value) {
    struct sb_str rest = sb_str_sub(r->query, *at, r->query.n), n, v;
    if (*at >= r->query.n || !sb_url_query_next(&rest, &n, &v)) return false;
    *at = rest.p ? (size_t)(rest.p - r->query.p) : r->query.n;
    /* The whole query was decoded once before the handler was called. */
    return sb_url_decode(name, n, true, r->arena, NULL) == SB_OK &&
           sb_url_decode(value, v, true, r->arena, NULL) == SB_OK;
}

bool sb_http_query_get(const struct sb_http_req *r, const char *name, struct sb_str *out) {
    return sb_url_query_get(out, r->query, name, r->arena, NULL) == SB_OK;
}

bool sb_http_is_known(const struct sb_http_req *r, const char *etag) {
    struct sb_str tag, list = sb_http_get_header(r, "If-None-Match");
    while (sb_str_split(&list, ',', &tag)) {
        tag = sb_str_trim(tag);
        if (sb_str_starts(tag, SB_STR("W/"))) tag = sb_str_sub(tag, 2, tag.n);
        if (sb_str_is(tag, etag) || sb_str_is(tag, "*")) return true;
    }
    return false;
}

void sb_http_body_pause(struct sb_http_req *pub) {
    struct http_conn *c = http_request_of(pub)->conn;
    if (c->cur != http_request_of(pub)) return;
    c->paused = true;
    http_conn_settle(c);
}

void sb_http_body_resume(struct sb_http_req *pub) {
    struct http_conn *c = http_request_of(pub)->conn;
    if (c->cur != http_request_of(pub) || !c->paused) return;
    c->paused = false;
    c->body_since = sb_mono_ns(); /* the pause was ours */
    c->body_seen = 0;
    if (c->processing) return; /* the caller of the handler goes on by itself */
    if (c->body == HTTP_B_LENGTH && c->body_left == 0) http_body_done(c);
    http_conn_settle(c);
}

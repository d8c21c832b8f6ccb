/* gzip of request bodies (bounded) and of answers. RFC 1952 by codec/gzip.h. */
#include "codec/gzip.h"
#include "engine/http/http_int.h"

bool http_gzip_accepted(struct sb_str value) {
    struct sb_str part, name;
    while (sb_str_split(&value, ',', &part)) {
        if (!sb_str_split(&part, ';', &name)) continue;
        name = sb_str_trim(name);
        if (!sb_str_ieq(name, SB_STR("gzip")) && !sb_str_is(name, "*")) continue;
        if (!part.p) return true;
        part = sb_str_trim(part); /* "q=0", "q=0.000": refused; any other weight will do */
        for (size_t i = 2; i < part.n; i++)
            if (part.p[i] >= '1' && part.p[i] <= '9') return true;
        return part.n < 2;
    }
    return false;
}

sb_err http_gzip_body(struct http_request *r, struct sb_str *out) {
    struct sb_gunzip g;
    struct sb_buf plain;
    SB_TRY(sb_gunzip_init(&g, SB_LIMIT_HTTP_GZIP_RATIO, true));
    sb_buf_init(&plain, r->conn->shard->server->o.body_max);
    sb_err err = sb_gunzip_add(&g, sb_buf_view(&r->body), &plain);
    if (!err) err = sb_gunzip_end(&g);
    sb_gunzip_fini(&g);
    if (!err) {
        *out = sb_arena_dup(&r->arena, sb_buf_view(&plain));
        if (!out->p) err = SB_E_LIMIT;
    }
    sb_buf_fini(&plain);
    return err;
}

void http_gzip_reply(struct http_request *r, const char *content_type, struct sb_str *body) {
    struct sb_str type = sb_str_of(content_type ? content_type : "application/json");
    if (!sb_str_starts(type, SB_STR("text/")) && !sb_str_starts(type, SB_STR("application/json")) &&
        !sb_str_contains(type, SB_STR("javascript")) && !sb_str_ends(type, SB_STR("+xml")))
        return;
    struct sb_buf *to = &r->conn->shard->gzipped;
    sb_buf_reset(to);
    if (sb_gzip(*body, 1, to) != SB_OK || to->n >= body->n) return;
    *body = sb_buf_view(to);
    sb_http_add_header(&r->pub, "Content-Encoding", SB_STR("gzip"));
    sb_http_add_header(&r->pub, "Vary", SB_STR("Accept-Encoding"));
}

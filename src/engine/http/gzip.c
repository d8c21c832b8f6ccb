/* gzip of request bodies (bounded) and of answers. RFC 1952 by zlib. */
#include <zlib.h>

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
    size_t body_max = r->conn->shard->server->o.body_max, max = body_max;
    if (r->body.n < max / SB_LIMIT_HTTP_GZIP_RATIO) max = r->body.n * SB_LIMIT_HTTP_GZIP_RATIO;
    z_stream z = {.next_in = (Bytef *)r->body.p, .avail_in = (uInt)r->body.n};
    if (inflateInit2(&z, 15 + 16) != Z_OK) return SB_E_NOMEM;
    struct sb_buf plain;
    sb_buf_init(&plain, body_max + (16 << 10));
    sb_err err = SB_OK;
    for (int rc = Z_OK; rc != Z_STREAM_END && !err;) {
        char *to = sb_buf_reserve(&plain, 16 << 10);
        z.next_out = (Bytef *)to;
        z.avail_out = to ? 16 << 10 : 0;
        rc = to ? inflate(&z, Z_NO_FLUSH) : Z_MEM_ERROR;
        sb_buf_commit(&plain, (to ? 16 << 10 : 0) - z.avail_out);
        if (plain.n > max)
            err = SB_E_LIMIT;
        else if (rc != Z_OK && rc != Z_STREAM_END)
            err = to ? SB_E_SYNTAX : SB_E_LIMIT;
    }
    if (!err && z.avail_in) err = SB_E_SYNTAX; /* one member, nothing after it */
    inflateEnd(&z);
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
    z_stream z = {.next_in = (Bytef *)(uintptr_t)body->p, .avail_in = (uInt)body->n};
    if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return;
    char *to = sb_arena_try(&r->arena, body->n);
    z.next_out = (Bytef *)to;
    z.avail_out = to ? (uInt)body->n : 0;
    int rc = to ? deflate(&z, Z_FINISH) : Z_BUF_ERROR;
    deflateEnd(&z);
    if (rc != Z_STREAM_END) return; /* it would have grown */
    *body = sb_str_make(to, body->n - z.avail_out);
    sb_http_add_header(&r->pub, "Content-Encoding", SB_STR("gzip"));
    sb_http_add_header(&r->pub, "Vary", SB_STR("Accept-Encoding"));
}

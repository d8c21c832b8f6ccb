/* What handlers ask of a request. */
#include "base/clock.h"
#include "engine/http/http_int.h"

struct sb_str sb_http_get_header(const struct sb_http_req *r, const char *name) {
    struct sb_str want = sb_str_of(name);
    for (size_t i = 0; i < r->nheaders; i++)
        if (r->headers[i].name.n == want.n && sb_str_ieq(r->headers[i].name, want))
            return r->headers[i].value;
    return (struct sb_str){NULL, 0};
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* application/x-www-form-urlencoded: + is a space; a broken escape stands for itself. */
static struct sb_str form_decode(struct sb_arena *a, struct sb_str in) {
    if (sb_str_find(in, '%') < 0 && sb_str_find(in, '+') < 0) return in;
    char *to = sb_arena_alloc(a, in.n);
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        int hi = in.p[i] == '%' && i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
        int lo = hi >= 0 ? hex_digit(in.p[i + 2]) : -1;
        if (lo >= 0) i += 2;
        to[n++] = lo >= 0 ? (char)(hi << 4 | lo) : in.p[i] == '+' ? ' ' : in.p[i];
    }
    return sb_str_make(to, n);
}

bool sb_http_query_next(const struct sb_http_req *r, size_t *at, struct sb_str *name,
                        struct sb_str *value) {
    while (*at < r->query.n) {
        struct sb_str rest = sb_str_sub(r->query, *at, r->query.n), pair;
        if (!sb_str_split(&rest, '&', &pair)) return false;
        *at += pair.n + 1;
        if (pair.n == 0) continue;
        ptrdiff_t eq = sb_str_find(pair, '=');
        *name = form_decode(r->arena, eq < 0 ? pair : sb_str_sub(pair, 0, (size_t)eq));
        *value =
            eq < 0 ? SB_STR("") : form_decode(r->arena, sb_str_sub(pair, (size_t)eq + 1, pair.n));
        return true;
    }
    return false;
}

bool sb_http_query_get(const struct sb_http_req *r, const char *name, struct sb_str *out) {
    size_t at = 0;
    struct sb_str n, v;
    while (sb_http_query_next(r, &at, &n, &v))
        if (sb_str_is(n, name)) {
            *out = v;
            return true;
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
    http_conn_settle(c);
}

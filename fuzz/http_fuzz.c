/* The strict HTTP reader on arbitrary bytes, as a connection would use it: heads and bodies one
 * after the other. Checked on the way: the same bytes in pieces give the same result; views lie
 * inside the input; llhttp accepts what the strict reader accepts and frames it the same way (the
 * server refuses what they disagree on, so this only reports what real clients might send). */
#include <llhttp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "engine/http/strict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct sb_str s, const char *p, size_t n) {
    if (s.p && (s.p < p || s.p + s.n > p + n)) abort();
}

static void check_views(const struct sb_http_head *h, const char *p) {
    const struct sb_str views[] = {h->method_name,    h->target, h->path,
                                   h->query,          h->host,   h->origin,
                                   h->fetch_site,     h->expect, h->content_encoding,
                                   h->accept_encoding};
    for (size_t i = 0; i < SB_COUNT(views); i++) inside(views[i], p, h->length);
    for (size_t i = 0; i < h->nheaders; i++) {
        inside(h->headers[i].name, p, h->length);
        inside(h->headers[i].value, p, h->length);
        if (!sb_http_is_token(h->headers[i].name)) abort();
        if (memchr(h->headers[i].value.p, '\r', h->headers[i].value.n)) abort();
        if (memchr(h->headers[i].value.p, '\n', h->headers[i].value.n)) abort();
    }
}

static struct {
    unsigned flags;
    uint64_t length;
} seen;
static int after_head(llhttp_t *l) {
    seen.flags = l->flags;
    seen.length = l->content_length;
    return 1;
}

/* Where llhttp takes the head too, it must frame the body the same way. */
static void check_llhttp(const struct sb_http_head *h, const char *p) {
    llhttp_settings_t settings;
    llhttp_t l;
    llhttp_settings_init(&settings);
    settings.on_headers_complete = after_head;
    llhttp_init(&l, HTTP_REQUEST, &settings);
    llhttp_errno_t err = llhttp_execute(&l, p, h->length);
    if (err != HPE_OK && err != HPE_PAUSED_UPGRADE) return;
    if (((seen.flags & F_CHUNKED) != 0) != (h->content_length == -1)) abort();
    if (((seen.flags & F_CONTENT_LENGTH) != 0) != h->has_length) abort();
    if (h->has_length && seen.length != (uint64_t)h->content_length) abort();
}

/* A prefix of a good head is never refused. */
static void check_prefix(const struct sb_http_head *h, const char *p, size_t at) {
    static struct sb_http_head again;
    int status;
    const char *why;
    if (sb_http_head_parse(&again, p, at % h->length, &status, &why) != SB_HTTP_HEAD_MORE) abort();
}

/* Bytes of the body section taken; the whole rest when it is bad or not complete. */
static size_t chunked(const char *p, size_t n, size_t step, struct sb_buf *out) {
    struct sb_http_chunks c = {0};
    for (size_t at = 0; at < n;) {
        const char *q = p + at, *end = q + (n - at < step ? n - at : step);
        enum sb_http_chunk_event e;
        struct sb_str piece;
        do {
            e = sb_http_chunks_next(&c, &q, end, &piece);
            if (e == SB_HTTP_CHUNK_DATA) {
                inside(piece, p, n);
                sb_buf_adds(out, piece);
            }
        } while (e == SB_HTTP_CHUNK_DATA);
        at = (size_t)(q - p);
        if (e == SB_HTTP_CHUNK_END) return at;
        if (e == SB_HTTP_CHUNK_BAD) return n;
    }
    return n;
}

static size_t check_chunked(const char *p, size_t n, size_t step) {
    struct sb_buf whole, pieces;
    sb_buf_init(&whole, 1 << 24);
    sb_buf_init(&pieces, 1 << 24);
    size_t a = chunked(p, n, n, &whole), b = chunked(p, n, step, &pieces);
    if (a != b || !sb_str_eq(sb_buf_view(&whole), sb_buf_view(&pieces))) abort();
    sb_buf_fini(&whole);
    sb_buf_fini(&pieces);
    return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct sb_http_head h;
    const char *p = (const char *)data;
    size_t at = 0;
    for (int requests = 0; at < size && requests < 20; requests++) {
        int status = 0;
        const char *why = NULL;
        enum sb_http_verdict v = sb_http_head_parse(&h, p + at, size - at, &status, &why);
        if (v == SB_HTTP_HEAD_BAD && (status < 400 || !why)) abort();
        if (v != SB_HTTP_HEAD_OK) break;
        if (h.length == 0 || h.length > size - at) abort();
        check_views(&h, p + at);
        check_llhttp(&h, p + at);
        check_prefix(&h, p + at, size * 7 + at);
        at += h.length;
        if (h.content_length < 0)
            at += check_chunked(p + at, size - at, 1 + size % 7);
        else
            at += (size_t)h.content_length < size - at ? (size_t)h.content_length : size - at;
    }
    return 0;
}

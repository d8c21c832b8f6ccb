/* Answers: formatting, order within the pipeline, streams, writing.
 *
 * The request at the head of its connection's FIFO writes to the connection, all others to their
 * own r->out, which goes out when they become the head. A connection that is taking input writes
 * into the shard's cork. Everything else is one uv_try_write; what the socket does not take is
 * copied and queued, and counts as unsent. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/http/http_int.h"

const char *sb_http_status_text(int status) {
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < SB_COUNT(texts); i++)
        if (texts[i].status == status) return texts[i].text;
    return "Unknown";
}

/* ---- writing ---- */
struct write_req {
    uv_write_t w;
    struct http_conn *c;
    size_t n;
    char bytes[];
};

static void drained(struct http_conn *c) {
    struct http_request *r = c->head;
    if (!r || !r->told_busy || c->unsent >= HTTP_WRITE_LOW) return;
    r->told_busy = false;
    if (r->pub.on_drain) r->pub.on_drain(&r->pub);
}

static void on_wrote(uv_write_t *w, int status) {
    struct write_req *q = (struct write_req *)w;
    struct http_conn *c = q->c;
    c->unsent -= q->n;
    sb_free(q);
    if (c->closing) return;
    if (status < 0) {
        http_conn_close(c);
        return;
    }
    drained(c);
    http_conn_settle(c);
}

/* Queues what is left of the pieces after the first `sent` bytes. */
static void queue_rest(struct http_conn *c, const uv_buf_t *b, unsigned nb, size_t sent,
                       size_t total) {
    struct write_req *q = sb_alloc(sizeof *q + total - sent);
    size_t n = 0;
    for (unsigned i = 0; i < nb; i++) {
        size_t skip = sent < b[i].len ? sent : b[i].len;
        memcpy(q->bytes + n, b[i].base + skip, b[i].len - skip);
        n += b[i].len - skip;
        sent -= skip;
    }
    q->c = c;
    q->n = n;
    uv_buf_t rest = uv_buf_init(q->bytes, (unsigned)n);
    if (uv_write(&q->w, (uv_stream_t *)&c->tcp, &rest, 1, on_wrote) != 0) {
        sb_free(q);
        http_conn_close(c);
        return;
    }
    c->unsent += n;
}

static void send_now(struct http_conn *c, uv_buf_t *b, unsigned nb) {
    size_t total = 0;
    for (unsigned i = 0; i < nb; i++) total += b[i].len;
    if (c->closing || total == 0) return;
    int k = uv_try_write((uv_stream_t *)&c->tcp, b, nb);
    if (k == UV_EAGAIN) k = 0;
    if (k < 0) {
        http_conn_close(c);
        return;
    }
    HTTP_COUNT(c->shard->n.bytes_out, total);
    if ((size_t)k < total) queue_rest(c, b, nb, (size_t)k, total);
}

static void send_buf(struct http_conn *c, struct sb_buf *b) {
    uv_buf_t piece = uv_buf_init(b->p, (unsigned)b->n);
    send_now(c, &piece, 1);
    sb_buf_reset(b);
}

void http_flush_cork(struct http_conn *c) {
    struct http_shard *s = c->shard;
    if (s->cork_owner != c) return;
    s->cork_owner = NULL;
    if (s->cork.n) send_buf(c, &s->cork);
}

/* Where r's bytes go now. */
static struct sb_buf *out_of(struct http_request *r) {
    struct http_shard *s = r->conn->shard;
    if (r->conn->head != r) return &r->out;
    return s->cork_owner == r->conn ? &s->cork : &s->scratch;
}

/* Closes what was begun with out_of: b holds r's bytes, which `more` and then `tail` follow. */
static void out_end(struct http_request *r, struct sb_buf *b, struct sb_str more,
                    struct sb_str tail) {
    struct http_shard *s = r->conn->shard;
    if (b == &r->out || more.n <= HTTP_COPY_MAX) {
        sb_buf_adds(b, more);
        sb_buf_adds(b, tail);
        if (b == &s->scratch || (b == &s->cork && b->n >= HTTP_CORK_MAX)) send_buf(r->conn, b);
        return;
    }
    uv_buf_t pieces[3] = {uv_buf_init(b->p, (unsigned)b->n),
                          uv_buf_init((char *)(uintptr_t)more.p, (unsigned)more.n),
                          uv_buf_init((char *)(uintptr_t)tail.p, (unsigned)tail.n)};
    send_now(r->conn, pieces, tail.n ? 3 : 2);
    sb_buf_reset(b);
}

#define NOTHING ((struct sb_str){NULL, 0})

/* ---- order ---- */
static void leave_fifo(struct http_request *r) {
    struct http_conn *c = r->conn;
    struct http_request **at = &c->head;
    while (*at != r) at = &(*at)->next;
    *at = r->next;
    if (c->tail == &r->next) c->tail = at;
    if (c->cur == r) c->cur = NULL;
    r->in_fifo = false;
    c->nreqs--;
    http_deadline_clear(r);
}

static void answered(struct http_request *r) {
    struct sb_http_server *server = r->conn->shard->server;
    bool abort = r->abort;
    struct http_conn *c = r->conn;
    leave_fifo(r);
    if (server->o.on_done)
        server->o.on_done(server->o.app, &r->pub, r->status, sb_mono_ns() - r->pub.received_ns);
    if (!r->owes) http_request_release(r);
    if (abort) http_conn_close(c);
}

/* r has become the head of the FIFO: what it has ready goes out. */
static void promoted(struct http_request *r) {
    struct http_conn *c = r->conn;
    if (r->out.n) {
        struct sb_buf *b = out_of(r);
        out_end(r, b, sb_buf_view(&r->out), NOTHING);
        sb_buf_reset(&r->out);
    }
    if (r->wants_100 && c->cur == r) http_send_continue(r);
    if (!r->complete) drained(c);
}

static void complete(struct http_request *r) {
    struct http_conn *c = r->conn;
    r->complete = true;
    while (c->head && c->head->complete && !c->closing) {
        answered(c->head);
        if (c->head && !c->closing) promoted(c->head);
    }
    http_conn_settle(c);
}

/* Whether an answer of the handler still has anywhere to go; settles the request when not. */
static bool wanted(struct http_request *r) {
    if (!r->in_fifo) return false;
    return !r->complete && !r->conn->closing;
}

/* The handler has given its answer, and nobody wants it. */
static void dismiss(struct http_request *r) {
    r->owes = false;
    if (r->in_fifo && r->complete) return; /* answered at its deadline, and waiting its turn */
    if (r->in_fifo) leave_fifo(r);
    http_request_release(r);
}

/* ---- heads ---- */
static void put_date(struct http_shard *s, struct sb_buf *b) {
    int64_t second = sb_loop_now(s->loop) / SB_SEC;
    if (second != s->date_s) {
        struct tm tm;
        time_t t = (time_t)(sb_wall_ns() / SB_SEC);
        s->date_s = second;
        s->date_n = strftime(s->date, sizeof s->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
                             gmtime_r(&t, &tm));
    }
    sb_buf_add(b, s->date, s->date_n);
}

static void put_status(struct sb_buf *b, int status) {
    if (status == 200) {
        SB_BUF_LIT(b, "HTTP/1.1 200 OK\r\n");
        return;
    }
    SB_BUF_LIT(b, "HTTP/1.1 ");
    sb_buf_addu(b, (uint64_t)status);
    sb_buf_addc(b, ' ');
    sb_buf_addz(b, sb_http_status_text(status));
    SB_BUF_LIT(b, "\r\n");
}

static bool has_no_body(int status) {
    return status == 204 || status == 304;
}

/* The head up to and with the empty line. length < 0: not announced. */
static void put_head(struct http_request *r, struct sb_buf *b, const char *content_type,
                     int64_t length) {
    struct http_conn *c = r->conn;
    struct http_shard *s = c->shard;
    put_status(b, r->status);
    if (!has_no_body(r->status)) {
        SB_BUF_LIT(b, "Content-Type: ");
        sb_buf_addz(b, content_type ? content_type : "application/json");
        if (length >= 0) {
            SB_BUF_LIT(b, "\r\nContent-Length: ");
            sb_buf_addu(b, (uint64_t)length);
        } else if (r->minor == 1) {
            SB_BUF_LIT(b, "\r\nTransfer-Encoding: chunked");
        }
        SB_BUF_LIT(b, "\r\n");
    }
    put_date(s, b);
    if (r->extra.n) sb_buf_add(b, r->extra.p, r->extra.n);
    if (c->no_more && !r->next)
        SB_BUF_LIT(b, "Connection: close\r\n");
    else if (r->minor == 0)
        SB_BUF_LIT(b, "Connection: keep-alive\r\n");
    SB_BUF_LIT(b, "\r\n");
}

/* What has to be known about the connection's end before a head is written. */
static void decide_end(struct http_request *r) {
    struct http_conn *c = r->conn;
    if (c->cur == r) http_body_unwanted(c);
    if (!r->next && atomic_load_explicit(&c->shard->server->draining, memory_order_relaxed))
        c->no_more = true;
}

static void answer(struct http_request *r, int status, const char *content_type,
                   struct sb_str body) {
    r->status = status;
    decide_end(r);
    if (r->gzip_reply && body.n >= HTTP_GZIP_MIN && body.n <= HTTP_GZIP_MAX)
        http_gzip_reply(r, content_type, &body);
    struct sb_buf *b = out_of(r);
    put_head(r, b, content_type, (int64_t)body.n);
    if (r->pub.method == SB_HTTP_HEAD || has_no_body(status)) body.n = 0;
    out_end(r, b, body, NOTHING);
    complete(r);
}

/* ---- for handlers ---- */
void sb_http_add_header(struct sb_http_req *pub, const char *name, struct sb_str value) {
    struct http_request *r = http_request_of(pub);
    sb_buf_addz(&r->extra, name);
    SB_BUF_LIT(&r->extra, ": ");
    size_t at = r->extra.n;
    sb_buf_adds(&r->extra, value);
    for (; at < r->extra.n; at++) {
        unsigned char ch = (unsigned char)r->extra.p[at];
        if (ch == '\r' || ch == '\n' || ch == 0) r->extra.p[at] = ' ';
    }
    SB_BUF_LIT(&r->extra, "\r\n");
}

void sb_http_reply(struct sb_http_req *pub, int status, const char *content_type,
                   struct sb_str body) {
    struct http_request *r = http_request_of(pub);
    SB_ASSERT(r->owes && !r->streaming);
    if (!wanted(r)) {
        dismiss(r);
        return;
    }
    r->owes = false;
    answer(r, status, content_type, body);
}

void sb_http_stream_begin(struct sb_http_req *pub, int status, const char *content_type,
                          int64_t length) {
    struct http_request *r = http_request_of(pub);
    SB_ASSERT(r->owes && !r->streaming);
    r->streaming = true;
    r->out_left = length;
    http_deadline_clear(r);
    if (!wanted(r)) return;
    r->status = status;
    decide_end(r);
    r->chunked = length < 0 && r->minor == 1;
    if (length < 0 && r->minor == 0) r->conn->no_more = true; /* ends with the connection */
    r->no_body = r->pub.method == SB_HTTP_HEAD || has_no_body(status);
    struct sb_buf *b = out_of(r);
    put_head(r, b, content_type, length);
    out_end(r, b, NOTHING, NOTHING);
}

sb_err sb_http_stream_write(struct sb_http_req *pub, const void *p, size_t n) {
    struct http_request *r = http_request_of(pub);
    SB_ASSERT(r->streaming);
    if (!wanted(r)) return SB_E_CLOSED;
    if (r->no_body || n == 0) return SB_OK;
    if (r->out_left >= 0) {
        SB_ASSERT((int64_t)n <= r->out_left); /* more than announced is a bug of the handler */
        r->out_left -= (int64_t)n;
    }
    struct sb_buf *b = out_of(r);
    if (r->chunked) sb_buf_addf(b, "%zx\r\n", n);
    out_end(r, b, sb_str_make(p, n), r->chunked ? SB_STR("\r\n") : NOTHING);
    if (r->conn->closing) return SB_E_CLOSED;
    size_t waiting = r->conn->head == r ? r->conn->unsent : r->out.n;
    if (waiting < HTTP_WRITE_HIGH) return SB_OK;
    r->told_busy = true;
    return SB_E_BUSY;
}

void sb_http_stream_end(struct sb_http_req *pub, bool ok) {
    struct http_request *r = http_request_of(pub);
    SB_ASSERT(r->streaming && r->owes);
    if (!wanted(r)) {
        dismiss(r);
        return;
    }
    r->owes = false;
    r->told_busy = false;
    if (!r->no_body && (!ok || r->out_left > 0)) {
        r->abort = true;
    } else if (r->chunked && !r->no_body) {
        struct sb_buf *b = out_of(r);
        out_end(r, b, SB_STR("0\r\n\r\n"), NOTHING);
    }
    complete(r);
}

/* ---- by the server itself ---- */
const char *sb_http_method_name(enum sb_http_method m) {
    static const char *const names[SB_HTTP_METHOD_COUNT] = {"GET",   "HEAD",   "POST",   "PUT",
                                                            "PATCH", "DELETE", "OPTIONS"};
    return names[m];
}

static void put_allow(struct http_request *r, unsigned allow) {
    char value[64];
    size_t n = 0;
    for (unsigned m = 0; m < SB_HTTP_METHOD_COUNT; m++)
        if (allow & 1u << m)
            n += (size_t)snprintf(value + n, sizeof value - n, "%s%s", n ? ", " : "",
                                  sb_http_method_name((enum sb_http_method)m));
    sb_http_add_header(&r->pub, "Allow", sb_str_make(value, n));
}

void http_reply_error(struct http_request *r, int status, const char *message, unsigned allow) {
    struct sb_http_server *server = r->conn->shard->server;
    struct sb_buf body;
    sb_buf_init(&body, 64 << 10);
    sb_buf_reset(&r->extra);
    if (allow) put_allow(r, allow);
    if (status == 503) sb_http_add_header(&r->pub, "Retry-After", SB_STR("1"));
    if (server->o.error_body)
        server->o.error_body(&r->pub, &body, status, message);
    else
        sb_buf_addf(&body, "{\"error\":\"%s\"}", message);
    answer(r, status, NULL, sb_buf_view(&body));
    sb_buf_fini(&body);
}

void http_send_continue(struct http_request *r) {
    struct sb_buf *b = out_of(r);
    r->wants_100 = false;
    SB_BUF_LIT(b, "HTTP/1.1 100 Continue\r\n\r\n");
    out_end(r, b, NOTHING, NOTHING);
}

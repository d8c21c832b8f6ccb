/* A small server over engine/http for tests/api/test_http.py: echoes, delays, streams both ways.
 *
 *     http_echo [name=value ...]    prints "listening PORT", ends on SIGTERM
 *
 * Names: port loops timeout_ms header_ms idle_ms body_grace_ms queue_us body_max. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/http/http.h"
#include "sys/process.h"

enum { LOOPS_MAX = 8, PIECE = 64 << 10 };

static struct {
    struct sb_loop *loops[LOOPS_MAX];
    size_t nloops;
    struct sb_http_server *server;
    struct sb_timer drain_check;
} app;

static int64_t query_int(struct sb_http_req *r, const char *name, int64_t otherwise) {
    struct sb_str v;
    int64_t n;
    return sb_http_query_get(r, name, &v) && sb_str_to_i64(v, &n) ? n : otherwise;
}

static void reply_buf(struct sb_http_req *r, struct sb_buf *b) {
    sb_http_reply(r, 200, NULL, sb_buf_view(b));
    sb_buf_fini(b);
}

static void hello(struct sb_http_req *r) {
    sb_http_reply(r, 200, NULL, SB_STR("{\"hello\":\"world\"}"));
}

static void echo(struct sb_http_req *r) {
    struct sb_str id = sb_http_get_header(r, "x-request-id");
    if (id.p) sb_http_add_header(r, "X-Request-ID", id);
    sb_http_reply(r, 200, "application/octet-stream", r->body);
}

/* What the handler was given, one thing a line. */
static void info(struct sb_http_req *r) {
    struct sb_buf b;
    size_t at = 0;
    struct sb_str name, value;
    sb_buf_init(&b, 1 << 20);
    sb_buf_addf(&b, "method %d\npath %.*s\nquery %.*s\npeer %.*s\nlength %lld\nbody %zu\n",
                (int)r->method, SB_ARG(r->path), SB_ARG(r->query), SB_ARG(r->peer),
                (long long)r->content_length, r->body.n);
    for (size_t i = 0; i < r->nparams; i++) sb_buf_addf(&b, "param %.*s\n", SB_ARG(r->params[i]));
    while (sb_http_query_next(r, &at, &name, &value))
        sb_buf_addf(&b, "arg %.*s=%.*s\n", SB_ARG(name), SB_ARG(value));
    for (size_t i = 0; i < r->nheaders; i++)
        sb_buf_addf(&b, "header %.*s: %.*s\n", SB_ARG(r->headers[i].name),
                    SB_ARG(r->headers[i].value));
    sb_http_reply(r, 200, "text/plain", sb_buf_view(&b));
    sb_buf_fini(&b);
}

/* ---- answers that come later ---- */
struct later {
    struct sb_timer timer;
    struct sb_http_req *r;
};
static void later_now(struct sb_timer *t) {
    struct later *l = SB_CONTAINER(t, struct later, timer);
    sb_http_reply(l->r, 200, NULL, l->r->body.n ? l->r->body : SB_STR("{\"late\":true}"));
    sb_free(l);
}
static void later(struct sb_http_req *r) {
    struct later *l = sb_calloc(1, sizeof *l);
    l->r = r;
    l->timer.fn = later_now;
    sb_timer_start(&l->timer, r->loop, query_int(r, "ms", 10) * SB_MS, 0);
}

static void block(struct sb_http_req *r) {
    sb_sleep_ns(query_int(r, "ms", 10) * SB_MS);
    hello(r);
}

static void big(struct sb_http_req *r) {
    size_t n = (size_t)query_int(r, "bytes", 1000);
    char *p = sb_alloc(n + 1);
    memset(p, 'x', n);
    sb_http_reply(r, 200, "text/plain", sb_str_make(p, n));
    sb_free(p);
}

static void empty(struct sb_http_req *r) {
    sb_http_add_header(r, "X-Evil", SB_STR("a\r\nSet-Cookie: b"));
    sb_http_reply(r, 204, NULL, SB_STR(""));
}

/* ---- streaming in ---- */
struct upload {
    uint64_t bytes, sum;
    int64_t every; /* pause after so many bytes */
    uint64_t next_pause;
    struct sb_timer timer;
    struct sb_http_req *r;
};
static void upload_resume(struct sb_timer *t) {
    sb_http_body_resume(SB_CONTAINER(t, struct upload, timer)->r);
}
static void upload_body(struct sb_http_req *r, const char *p, size_t n) {
    struct upload *u = r->user;
    for (size_t i = 0; i < n; i += 61) u->sum += (unsigned char)p[i];
    u->bytes += n;
    if (u->every && u->bytes >= u->next_pause) {
        u->next_pause = u->bytes + (uint64_t)u->every;
        sb_http_body_pause(r);
        sb_timer_start(&u->timer, r->loop, 5 * SB_MS, 0);
    }
}
static void upload_end(struct sb_http_req *r, sb_err err) {
    struct upload *u = r->user;
    struct sb_buf b;
    sb_buf_init(&b, 1000);
    sb_timer_stop(&u->timer);
    sb_buf_addf(&b, "{\"bytes\":%llu,\"err\":\"%s\"}", (unsigned long long)u->bytes,
                sb_err_name(err));
    if (err) SB_LOG(SB_LOG_INFO, "test", "upload_failed", SB_KS("err", sb_err_name(err)));
    sb_http_reply(r, err ? 400 : 200, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}
static void upload(struct sb_http_req *r) {
    struct upload *u = sb_arena_zalloc(r->arena, sizeof *u);
    u->every = query_int(r, "pause", 0);
    u->next_pause = (uint64_t)u->every;
    u->timer.fn = upload_resume;
    u->r = r;
    r->user = u;
    r->on_body = upload_body;
    r->on_end = upload_end;
}
static void upload_refused(struct sb_http_req *r) {
    sb_http_reply(r, 409, NULL, SB_STR("{\"error\":\"not now\"}"));
}

/* ---- streaming out ---- */
struct download {
    int64_t left;
    char piece[PIECE];
};
static void download_more(struct sb_http_req *r) {
    struct download *d = r->user;
    while (d->left > 0) {
        size_t n = d->left < PIECE ? (size_t)d->left : PIECE;
        d->left -= (int64_t)n;
        sb_err err = sb_http_stream_write(r, d->piece, n);
        if (err == SB_E_BUSY && d->left > 0) return;
        if (err == SB_E_CLOSED) {
            SB_LOG(SB_LOG_INFO, "test", "download_closed", SB_KI("left", d->left));
            sb_http_stream_end(r, false);
            return;
        }
    }
    sb_http_stream_end(r, query_int(r, "abort", 0) == 0);
}
static void download(struct sb_http_req *r) {
    struct download *d = sb_arena_alloc(r->arena, sizeof *d);
    d->left = query_int(r, "bytes", 1 << 20);
    memset(d->piece, 'd', sizeof d->piece);
    r->user = d;
    r->on_drain = download_more;
    sb_http_stream_begin(r, 200, "application/octet-stream",
                         query_int(r, "chunked", 0) ? -1 : d->left);
    download_more(r);
}

static void stats(struct sb_http_req *r) {
    struct sb_http_stats s;
    struct sb_process_usage u;
    struct sb_buf b;
    sb_http_stats_get(app.server, &s);
    sb_process_usage_get(&u);
    sb_buf_init(&b, 4000);
    sb_buf_addf(&b,
                "{\"connections\":%llu,\"open\":%llu,\"requests\":%llu,\"refused_busy\":%llu,"
                "\"bad_requests\":%llu,\"timeouts\":%llu,\"in_flight\":%d,\"rss\":%lld}",
                (unsigned long long)s.connections, (unsigned long long)s.open,
                (unsigned long long)s.requests, (unsigned long long)s.refused_busy,
                (unsigned long long)s.bad_requests, (unsigned long long)s.timeouts,
                sb_http_in_flight(app.server), (long long)u.rss_bytes);
    reply_buf(r, &b);
}

static const struct sb_http_route ROUTES[] = {
    {SB_HTTP_GET, "/hello", SB_SCOPE_PUBLIC, 0, hello, "A constant."},
    {SB_HTTP_POST, "/hello", SB_SCOPE_PUBLIC, 0, hello, "A constant."},
    {SB_HTTP_POST, "/echo", SB_SCOPE_PUBLIC, 0, echo, "The body again."},
    {SB_HTTP_PUT, "/echo", SB_SCOPE_PUBLIC, 0, echo, "The body again."},
    {SB_HTTP_GET, "/info", SB_SCOPE_PUBLIC, 0, info, "The request as seen."},
    {SB_HTTP_GET, "/info/{a}/x/{rest*}", SB_SCOPE_PUBLIC, 0, info, "With parameters."},
    {SB_HTTP_POST, "/later", SB_SCOPE_PUBLIC, 0, later, "Answers after ms."},
    {SB_HTTP_POST, "/block", SB_SCOPE_PUBLIC, 0, block, "Holds the loop for ms."},
    {SB_HTTP_POST, "/admitted", SB_SCOPE_PREDICT, SB_HTTP_ADMIT, block, "Under admission."},
    {SB_HTTP_GET, "/big", SB_SCOPE_PUBLIC, 0, big, "bytes of text."},
    {SB_HTTP_GET, "/empty", SB_SCOPE_PUBLIC, 0, empty, "204."},
    {SB_HTTP_PUT, "/upload", SB_SCOPE_PUBLIC, SB_HTTP_STREAM_IN, upload, "Counts a body."},
    {SB_HTTP_PUT, "/refused", SB_SCOPE_PUBLIC, SB_HTTP_STREAM_IN, upload_refused, "409 at once."},
    {SB_HTTP_GET, "/download", SB_SCOPE_PUBLIC, 0, download, "Streams bytes."},
    {SB_HTTP_GET, "/stats", SB_SCOPE_PUBLIC, 0, stats, "Counters."},
    {.pattern = NULL},
};

static void check_drained(struct sb_timer *t) {
    if (sb_http_in_flight(app.server) > 0) return;
    sb_timer_stop(t);
    for (size_t i = 0; i < app.nloops; i++) sb_loop_stop(app.loops[i]);
}
static void on_term(void *arg, int signum) {
    SB_UNUSED(signum);
    sb_http_drain(app.server);
    app.drain_check.fn = check_drained;
    sb_timer_start(&app.drain_check, arg, 50 * SB_MS, 10 * SB_MS);
}

static int64_t option(int argc, char **argv, const char *name, int64_t otherwise) {
    for (int i = 1; i < argc; i++) {
        struct sb_str value = sb_str_of(argv[i]), key;
        int64_t n;
        if (sb_str_split(&value, '=', &key) && sb_str_is(key, name) && value.p &&
            sb_str_to_i64(value, &n))
            return n;
    }
    return otherwise;
}

int main(int argc, char **argv) {
    static const struct sb_http_route *const tables[] = {ROUTES, NULL};
    static const char *const hosts[] = {"sibyl.example", NULL};
    struct sb_errctx ctx = {0};
    struct sb_http_opts o = {
        .name = "test",
        .port = (uint16_t)option(argc, argv, "port", 0),
        .tables = tables,
        .hosts = hosts,
        .body_max = (size_t)option(argc, argv, "body_max", 0),
        .timeout_ns = option(argc, argv, "timeout_ms", 0) * SB_MS,
        .header_ns = option(argc, argv, "header_ms", 0) * SB_MS,
        .idle_ns = option(argc, argv, "idle_ms", 0) * SB_MS,
        .body_grace_ns = option(argc, argv, "body_grace_ms", 0) * SB_MS,
        .queue_target_ns = option(argc, argv, "queue_us", 0) * SB_US,
    };
    signal(SIGPIPE, SIG_IGN);
    app.nloops = (size_t)option(argc, argv, "loops", 1);
    if (app.nloops < 1 || app.nloops > LOOPS_MAX) return 2;
    for (size_t i = 0; i < app.nloops; i++)
        if (sb_loop_new(&app.loops[i], "loop") != SB_OK) return 1;
    sb_err err = sb_http_listen(&app.server, &o, app.loops, app.nloops, &ctx);
    if (!err) err = sb_loop_on_signal(app.loops[0], SIGTERM, on_term, app.loops[0]);
    for (size_t i = 1; !err && i < app.nloops; i++) err = sb_loop_start(app.loops[i]);
    if (err) {
        fprintf(stderr, "http_echo: %s\n", sb_errctx_text(&ctx, err));
        return 1;
    }
    printf("listening %u\n", (unsigned)sb_http_port(app.server));
    fflush(stdout);
    sb_loop_run(app.loops[0]);
    for (size_t i = 1; i < app.nloops; i++) sb_loop_join(app.loops[i]);
    sb_http_free(app.server);
    for (size_t i = 0; i < app.nloops; i++) sb_loop_free(app.loops[i]);
    return 0;
}

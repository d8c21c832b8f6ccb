/* The HTTP client against a scripted server on a thread: requests as sent, limits, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/fetch/fetch.h"

/* Answers each request on its connections with the next script; NULL: reads and never answers. */
static struct {
    int fd;
    uint16_t port;
    char url[64];
    const char *const *scripts;
    struct sb_thread thread;
    struct sb_buf requests;
    int connections;
} server;

static bool read_request(int fd, struct sb_buf *b) {
    size_t begin = b->n;
    for (;;) {
        char piece[4096];
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0) return false;
        sb_buf_add(b, piece, (size_t)n);
        const char *text = sb_buf_cstr(b) + begin, *end = strstr(text, "\r\n\r\n");
        unsigned length = 0;
        const char *header = strstr(text, "Content-Length: ");
        if (header) sscanf(header, "Content-Length: %u", &length);
        if (end && strlen(end + 4) >= length) return true;
    }
}

static void serve(void *arg) {
    SB_UNUSED(arg);
    while (*server.scripts) {
        int fd = accept(server.fd, NULL, NULL);
        server.connections++;
        while (*server.scripts && read_request(fd, &server.requests)) {
            const char *script = *server.scripts++;
            if (strcmp(script, "silence") == 0) {
                char c;
                while (recv(fd, &c, 1, 0) > 0) {
                }
                break;
            }
            if (send(fd, script, strlen(script), MSG_NOSIGNAL) < 0) break;
            if (!strstr(script, "Content-Length")) break;
        }
        close(fd);
    }
}

static void begin(const char *const *scripts) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(server.fd, 5), 0);
    getsockname(server.fd, (struct sockaddr *)&a, &len);
    server.port = ntohs(a.sin_port);
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%u/base/", (unsigned)server.port);
    server.scripts = scripts;
    server.connections = 0;
    sb_buf_init(&server.requests, 1 << 20);
    assert_int_equal(sb_thread_start(&server.thread, "server", serve, NULL), SB_OK);
}

static void end(struct sb_fetch *f) {
    sb_fetch_free(f);
    sb_thread_join(&server.thread);
    close(server.fd);
    sb_buf_fini(&server.requests);
}

#define OK(n, body) "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n" body

static void calls_share_a_connection_and_say_what_was_asked(void **state) {
    (void)state;
    static const char *const scripts[] = {OK(9, "{\"a\": 1}\n"), OK(2, "{}"), NULL};
    struct sb_fetch *f;
    struct sb_buf body;
    int status = 0;
    begin(scripts);
    sb_buf_init(&body, 1000);
    assert_int_equal(sb_fetch_new(&f, server.url, NULL), SB_OK);
    struct sb_fetch_request get = {.target = "/x/../y?q=%20"};
    assert_int_equal(sb_fetch_call(f, &get, &status, &body, NULL), SB_OK);
    assert_int_equal(status, 200);
    assert_string_equal(sb_buf_cstr(&body), "{\"a\": 1}\n");
    struct sb_fetch_request post = {.method = "PATCH", .target = "/z", .body = SB_STR("{\"b\":2}")};
    assert_int_equal(sb_fetch_call(f, &post, &status, NULL, NULL), SB_OK);
    sb_thread_join(&server.thread);
    const char *text = sb_buf_cstr(&server.requests);
    assert_non_null(strstr(text, "GET /base/x/../y?q=%20 HTTP/1.1\r\n"));
    assert_non_null(strstr(text, "PATCH /base/z HTTP/1.1\r\n"));
    assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(text, "\r\n\r\n{\"b\":2}"));
    assert_null(strstr(text, "Expect:"));
    assert_int_equal(server.connections, 1);
    end(f);
    sb_buf_fini(&body);
}

static void error_statuses_and_redirects_are_answers(void **state) {
    (void)state;
    static const char *const scripts[] = {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", NULL};
    struct sb_fetch *f;
    struct sb_buf body;
    int status = 0;
    begin(scripts);
    sb_buf_init(&body, 1000);
    assert_int_equal(sb_fetch_new(&f, server.url, NULL), SB_OK);
    struct sb_fetch_request get = {.target = "/"};
    assert_int_equal(sb_fetch_call(f, &get, &status, &body, NULL), SB_OK);
    assert_int_equal(status, 404);
    assert_string_equal(sb_buf_cstr(&body), "gone");
    assert_int_equal(sb_fetch_call(f, &get, &status, &body, NULL), SB_OK);
    assert_int_equal(status, 302);
    end(f);
    sb_buf_fini(&body);
}

static void answers_are_bounded(void **state) {
    (void)state;
    static const struct {
        size_t max;
        sb_err want;
    } rows[] = {{9, SB_E_LIMIT}, {10, SB_OK}, {11, SB_OK}};
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        static const char *const scripts[] = {OK(10, "0123456789"), NULL};
        struct sb_fetch *f;
        struct sb_errctx ctx = {0};
        int status = 0;
        begin(scripts);
        assert_int_equal(sb_fetch_new(&f, server.url, NULL), SB_OK);
        struct sb_fetch_request get = {.target = "/", .max_bytes = rows[i].max};
        assert_int_equal(sb_fetch_call(f, &get, &status, NULL, &ctx), rows[i].want);
        if (rows[i].want) assert_non_null(strstr(ctx.msg, server.url + 7));
        end(f);
    }
}

static sb_err collect(void *arg, const char *p, size_t n) {
    sb_buf_add(arg, p, n);
    return SB_OK;
}
static sb_err refuse(void *arg, const char *p, size_t n) {
    (void)arg, (void)p, (void)n;
    return SB_E_NOSPACE;
}
static void downloads_go_to_the_sink(void **state) {
    (void)state;
    static const char *const scripts[] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad", OK(3, "xyz"), NULL};
    struct sb_fetch *f;
    struct sb_buf sunk, body;
    int status = 0;
    begin(scripts);
    sb_buf_init(&sunk, 1000);
    sb_buf_init(&body, 1000);
    assert_int_equal(sb_fetch_new(&f, server.url, NULL), SB_OK);
    struct sb_fetch_request get = {.target = "/", .sink = collect, .sink_arg = &sunk};
    assert_int_equal(sb_fetch_call(f, &get, &status, &body, NULL), SB_OK);
    assert_string_equal(sb_buf_cstr(&sunk), "abcde");
    assert_int_equal(sb_fetch_call(f, &get, &status, &body, NULL), SB_OK);
    assert_int_equal(status, 500);
    assert_string_equal(sb_buf_cstr(&sunk), "abcde");
    assert_string_equal(sb_buf_cstr(&body), "bad");
    get.sink = refuse;
    assert_int_equal(sb_fetch_call(f, &get, &status, &body, NULL), SB_E_NOSPACE);
    end(f);
    sb_buf_fini(&sunk);
    sb_buf_fini(&body);
}

static void a_silent_server_times_out(void **state) {
    (void)state;
    static const char *const scripts[] = {"silence", NULL};
    struct sb_fetch *f;
    struct sb_errctx ctx = {0};
    int status = 0;
    begin(scripts);
    assert_int_equal(sb_fetch_new(&f, server.url, NULL), SB_OK);
    struct sb_fetch_request get = {.target = "/", .timeout_ns = 100 * SB_MS};
    assert_int_equal(sb_fetch_call(f, &get, &status, NULL, &ctx), SB_E_TIMEOUT);
    end(f);
}

static void stop_soon(void *arg) {
    sb_sleep_ns(100 * SB_MS);
    sb_fetch_stop(arg);
}
static void stop_ends_the_call_in_progress(void **state) {
    (void)state;
    static const char *const scripts[] = {"silence", NULL};
    struct sb_fetch *f;
    struct sb_thread stopper = {0};
    int status = 0;
    begin(scripts);
    assert_int_equal(sb_fetch_new(&f, server.url, NULL), SB_OK);
    assert_int_equal(sb_thread_start(&stopper, "stopper", stop_soon, f), SB_OK);
    struct sb_fetch_request get = {.target = "/"};
    int64_t t = sb_mono_ns();
    assert_int_equal(sb_fetch_call(f, &get, &status, NULL, NULL), SB_E_CLOSED);
    assert_true(sb_mono_ns() - t < 5 * SB_SEC);
    assert_int_equal(sb_fetch_call(f, &get, &status, NULL, NULL), SB_E_CLOSED);
    sb_thread_join(&stopper);
    end(f);
}

static void nobody_there_and_other_schemes(void **state) {
    (void)state;
    static const char *const bad[] = {"ftp://a", "file:///etc/passwd", "a:80", "", "//a"};
    struct sb_fetch *f;
    struct sb_errctx ctx = {0};
    int status = 0;
    for (size_t i = 0; i < SB_COUNT(bad); i++)
        assert_int_equal(sb_fetch_new(&f, bad[i], NULL), SB_E_INVALID);
    assert_int_equal(sb_fetch_new(&f, "http://127.0.0.1:1", NULL), SB_OK);
    struct sb_fetch_request get = {.target = "/"};
    assert_int_equal(sb_fetch_call(f, &get, &status, NULL, &ctx), SB_E_UNAVAILABLE);
    assert_non_null(strstr(ctx.msg, "http://127.0.0.1:1/"));
    sb_fetch_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_share_a_connection_and_say_what_was_asked),
        cmocka_unit_test(error_statuses_and_redirects_are_answers),
        cmocka_unit_test(answers_are_bounded),
        cmocka_unit_test(downloads_go_to_the_sink),
        cmocka_unit_test(a_silent_server_times_out),
        cmocka_unit_test(stop_ends_the_call_in_progress),
        cmocka_unit_test(nobody_there_and_other_schemes),
    };
    return cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}

/* The strict reader: what it takes, what it refuses and why; chunked coding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/http/strict.h"

#define HOST "Host: a\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST

struct row {
    const char *name, *head;
    int status;
    const char *why; /* substring */
};

static const struct row REFUSED[] = {
    {"bare LF after request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "bare line feed"},
    {"bare LF after header", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "bare line feed"},
    {"bare LF as the empty line", GET "\n", 400, "bare line feed"},
    {"bare CR in value", GET "X: a\rb\r\n\r\n", 400, "header value"},
    {"bare CR in target", "GET /a\rb HTTP/1.1\r\n" HOST "\r\n", 400, "request target"},
    {"CR CR LF", GET "X: a\r\r\n\r\n", 400, "header value"},
    {"folded header", GET "X: a\r\n b\r\n\r\n", 400, "folded"},
    {"folded by tab", GET "X: a\r\n\tb\r\n\r\n", 400, "folded"},
    {"first header folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "folded"},
    {"space before colon", GET "X : a\r\n\r\n", 400, "header name"},
    {"tab before colon", GET "X\t: a\r\n\r\n", 400, "header name"},
    {"no colon", GET "X\r\n\r\n", 400, "header name"},
    {"empty name", GET ": a\r\n\r\n", 400, "header name"},
    {"name with bracket", GET "X[]: a\r\n\r\n", 400, "header name"},
    {"name with quote", GET "\"X\": a\r\n\r\n", 400, "header name"},
    {"name over 0x7f", GET "X\xc3\xa9: a\r\n\r\n", 400, "header name"},
    {"control in value", GET "X: a\x01\r\n\r\n", 400, "header value"},
    {"DEL in value", GET "X: a\x7f\r\n\r\n", 400, "header value"},
    {"method with slash", "GE/T / HTTP/1.1\r\n" HOST "\r\n", 400, "bad method"},
    {"leading space", " GET / HTTP/1.1\r\n" HOST "\r\n", 400, "request line"},
    {"two spaces", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400, "request target"},
    {"space in target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, "request target"},
    {"tab for space", "GET\t/\tHTTP/1.1\r\n" HOST "\r\n", 400, "request line"},
    {"no version", "GET /\r\n\r\n", 400, "request line"},
    {"empty request line twice", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400, "request line"},
    {"fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400, "request target"},
    {"bytes over 0x7e in target", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400, "request target"},
    {"target without slash", "GET a HTTP/1.1\r\n" HOST "\r\n", 400, "request target"},
    {"star for GET", "GET * HTTP/1.1\r\n" HOST "\r\n", 400, "request target"},
    {"https absolute", "GET https://a/ HTTP/1.1\r\n" HOST "\r\n", 400, "request target"},
    {"absolute without path", "GET http://a HTTP/1.1\r\n" HOST "\r\n", 400, "request target"},
    {"absolute of another host", "GET http://b/ HTTP/1.1\r\n" HOST "\r\n", 400, "does not match"},
    {"absolute with another port", "GET http://a:1/ HTTP/1.1\r\n" HOST "\r\n", 400, "not match"},
    {"absolute with userinfo", "GET http://x@a/ HTTP/1.1\r\n" HOST "\r\n", 400, "not match"},
    {"lower-case version", "GET / http/1.1\r\n" HOST "\r\n", 400, "request line"},
    {"HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505, "HTTP/1.1"},
    {"HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505, "HTTP/1.1"},
    {"HTTP/0.9", "GET / HTTP/0.9\r\n" HOST "\r\n", 505, "HTTP/1.1"},
    {"version of two digits", "GET / HTTP/1.10\r\n" HOST "\r\n", 400, "request line"},
    {"h2 preface", "PRI * HTTP/2.0\r\n\r\n", 505, "HTTP/1.1"},
    {"unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n", 501, "method"},
    {"lower-case method", "get / HTTP/1.1\r\n" HOST "\r\n", 501, "method"},
    {"CONNECT", "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 501, "method"},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400, "missing Host"},
    {"no Host in 1.0", "GET / HTTP/1.0\r\n\r\n", 400, "missing Host"},
    {"two Hosts", GET "Host: a\r\n\r\n", 400, "repeated Host"},
    {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "bad Host"},
    {"Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad Host"},
    {"Host with userinfo", "GET / HTTP/1.1\r\nHost: x@a\r\n\r\n", 400, "bad Host"},
    {"Host with space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad Host"},
    {"Host with list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "bad Host"},
    {"Host with long port", "GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400, "bad Host"},
    {"Host with empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400, "bad Host"},
    {"Host with open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, "bad Host"},
    {"two lengths", GET "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "repeated"},
    {"two equal lengths", GET "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, "repeated"},
    {"length list", GET "Content-Length: 5, 5\r\n\r\n", 400, "Content-Length"},
    {"length +5", GET "Content-Length: +5\r\n\r\n", 400, "Content-Length"},
    {"length -1", GET "Content-Length: -1\r\n\r\n", 400, "Content-Length"},
    {"length 0x5", GET "Content-Length: 0x5\r\n\r\n", 400, "Content-Length"},
    {"length 5_0", GET "Content-Length: 5_0\r\n\r\n", 400, "Content-Length"},
    {"length 5.0", GET "Content-Length: 5.0\r\n\r\n", 400, "Content-Length"},
    {"length empty", GET "Content-Length:\r\n\r\n", 400, "Content-Length"},
    {"length inner space", GET "Content-Length: 1 2\r\n\r\n", 400, "Content-Length"},
    {"length of 19 digits", GET "Content-Length: 9999999999999999999\r\n\r\n", 400, "Length"},
    {"length then chunked", GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "both"},
    {"chunked then length", GET "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400,
     "both"},
    {"length 0 and chunked", GET "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "both"},
    {"coding gzip", GET "Transfer-Encoding: gzip\r\n\r\n", 400, "Transfer-Encoding"},
    {"coding gzip, chunked", GET "Transfer-Encoding: gzip, chunked\r\n\r\n", 400, "Encoding"},
    {"coding chunked, chunked", GET "Transfer-Encoding: chunked, chunked\r\n\r\n", 400, "Encoding"},
    {"coding xchunked", GET "Transfer-Encoding: xchunked\r\n\r\n", 400, "Transfer-Encoding"},
    {"coding quoted", GET "Transfer-Encoding: \"chunked\"\r\n\r\n", 400, "Transfer-Encoding"},
    {"coding with vertical tab",
     GET "Transfer-Encoding:\x0b"
         "chunked\r\n\r\n",
     400, "value"},
    {"coding with parameter", GET "Transfer-Encoding: chunked;q=1\r\n\r\n", 400, "Encoding"},
    {"coding twice", GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "rep"},
    {"coding empty", GET "Transfer-Encoding:\r\n\r\n", 400, "Transfer-Encoding"},
    {"coding in 1.0", "GET / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400, "1.0"},
    {"two origins", GET "Origin: http://a\r\nOrigin: http://b\r\n\r\n", 400, "repeated Origin"},
    {"two expectations", GET "Expect: 100-continue\r\nExpect: x\r\n\r\n", 400, "repeated"},
    {"two body encodings", GET "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n", 400,
     "rep"},
};

static struct sb_http_head head;

static void smuggling_and_malformed_heads_are_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < SB_COUNT(REFUSED); i++) {
        const struct row *r = &REFUSED[i];
        int status = 0;
        const char *why = "accepted";
        enum sb_http_verdict v = sb_http_head_parse(&head, r->head, strlen(r->head), &status, &why);
        if (v != SB_HTTP_HEAD_BAD || status != r->status || !strstr(why, r->why))
            fail_msg("%s: verdict %d, status %d, %s", r->name, v, status, why);
    }
}

static void every_byte_at_every_place_of_a_value(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (size_t n = 1; n <= 20; n++)
            for (size_t at = 0; at < n; at++) {
                char text[100];
                int status;
                const char *why;
                size_t begin = strlen(GET "X: ");
                memcpy(text, GET "X: ", begin);
                memset(text + begin, 'v', n);
                memcpy(text + begin + n, "\r\n\r\n", 4);
                text[begin + at] = (char)byte;
                bool good = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
                enum sb_http_verdict v =
                    sb_http_head_parse(&head, text, begin + n + 4, &status, &why);
                /* a CR or LF in it makes two lines, which some places allow */
                bool breaks = byte == '\n' || byte == '\r';
                if (!breaks && (v == SB_HTTP_HEAD_OK) != good)
                    fail_msg("byte %d at %zu of %zu: verdict %d", byte, at, n, v);
            }
}

static void a_NUL_is_refused_everywhere(void **state) {
    (void)state;
    static const char good[] = "GET /ab HTTP/1.1\r\nHost: a\r\nX: yz\r\n\r\n";
    for (size_t i = 0; i < sizeof good - 1; i++) {
        char bytes[sizeof good];
        int status;
        const char *why;
        memcpy(bytes, good, sizeof good);
        bytes[i] = 0;
        enum sb_http_verdict v = sb_http_head_parse(&head, bytes, sizeof good - 1, &status, &why);
        /* in place of a final LF the head is merely not complete yet */
        if (v != SB_HTTP_HEAD_BAD && !(v == SB_HTTP_HEAD_MORE && i == sizeof good - 2))
            fail_msg("NUL at %zu: verdict %d", i, v);
    }
}

static void every_prefix_of_a_good_head_wants_more(void **state) {
    (void)state;
    static const char good[] = "\r\nPOST /a/b?c=d HTTP/1.1\r\nHost: [::1]:80\r\nOrigin: null\r\n"
                               "Content-Length:  12 \r\nX-Empty:\r\nX-Utf: \xc3\xa9\t\r\n"
                               "Connection: foo, Close\r\n\r\n";
    int status = 0;
    const char *why = "";
    for (size_t n = 0; n < sizeof good - 1; n++)
        assert_int_equal(sb_http_head_parse(&head, good, n, &status, &why), SB_HTTP_HEAD_MORE);
    assert_int_equal(sb_http_head_parse(&head, good, sizeof good - 1, &status, &why),
                     SB_HTTP_HEAD_OK);
    assert_int_equal(head.length, sizeof good - 1);
    assert_int_equal(head.method, SB_HTTP_POST);
    assert_int_equal(head.content_length, 12);
    assert_int_equal(head.nheaders, 6);
    assert_false(head.keep_alive);
    assert_true(sb_str_is(head.path, "/a/b"));
    assert_true(sb_str_is(head.query, "c=d"));
    assert_true(sb_str_is(head.headers[4].value, "\xc3\xa9"));
    char copy[sizeof good];
    memcpy(copy, good, sizeof good);
    sb_http_head_rebase(&head, good, copy);
    assert_ptr_equal(head.path.p, copy + 7);
    assert_true(sb_str_is(head.host, "[::1]:80"));
}

static void accepted_forms(void **state) {
    (void)state;
    static const struct {
        const char *head;
        bool keep_alive;
        int64_t length;
        const char *path;
    } rows[] = {
        {GET "\r\n", true, 0, "/"},
        {GET "Connection: close\r\n\r\n", false, 0, "/"},
        {"GET / HTTP/1.0\r\n" HOST "\r\n", false, 0, "/"},
        {"GET / HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n", true, 0, "/"},
        {"GET http://a/x?y HTTP/1.1\r\n" HOST "\r\n", true, 0, "/x"},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", true, 0, "*"},
        {GET "Content-Length: 999999999999999999\r\n\r\n", true, 999999999999999999, "/"},
        {GET "Content-Length: 000000000000000012\r\n\r\n", true, 12, "/"},
        {GET "Transfer-Encoding: Chunked\r\n\r\n", true, -1, "/"},
        {"GET //a/../%2e%2e HTTP/1.1\r\n" HOST "\r\n", true, 0, "//a/../%2e%2e"},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++) {
        int status = 0;
        const char *why = "";
        enum sb_http_verdict v =
            sb_http_head_parse(&head, rows[i].head, strlen(rows[i].head), &status, &why);
        if (v != SB_HTTP_HEAD_OK) fail_msg("%s: %s", rows[i].head, why);
        assert_int_equal(head.keep_alive, rows[i].keep_alive);
        assert_int_equal(head.content_length, rows[i].length);
        assert_true(sb_str_is(head.path, rows[i].path));
    }
}

/* n bytes of filler around which a head is built; returns the verdict's status, 0 when accepted. */
static int try_head(struct sb_buf *b) {
    int status = 0;
    const char *why = "";
    enum sb_http_verdict v = sb_http_head_parse(&head, b->p, b->n, &status, &why);
    sb_buf_fini(b);
    return v == SB_HTTP_HEAD_OK ? 0 : v == SB_HTTP_HEAD_MORE ? 1 : status;
}
static void fill(struct sb_buf *b, size_t n) {
    while (n-- > 0) sb_buf_addc(b, 'x');
}
static int with_line(size_t n, bool ended) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    SB_BUF_LIT(&b, "GET /");
    fill(&b, n - strlen("GET / HTTP/1.1"));
    SB_BUF_LIT(&b, " HTTP/1.1");
    if (ended) SB_BUF_LIT(&b, "\r\n" HOST "\r\n");
    return try_head(&b);
}
static int with_headers(size_t n, bool ended) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    SB_BUF_LIT(&b, GET "X: ");
    fill(&b, n - strlen(HOST "X: \r\n"));
    if (ended) SB_BUF_LIT(&b, "\r\n\r\n");
    return try_head(&b);
}
static int with_count(size_t n) {
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    SB_BUF_LIT(&b, GET);
    for (size_t i = 1; i < n; i++) SB_BUF_LIT(&b, "X: y\r\n");
    SB_BUF_LIT(&b, "\r\n");
    return try_head(&b);
}

static void limits_hold_at_the_limit_and_one_over(void **state) {
    (void)state;
    for (int d = -1; d <= 1; d++) {
        assert_int_equal(with_line((size_t)(SB_LIMIT_HTTP_LINE + d), true), d > 0 ? 414 : 0);
        assert_int_equal(with_headers((size_t)(SB_LIMIT_HTTP_HEADERS + d), true), d > 0 ? 431 : 0);
        assert_int_equal(with_count((size_t)(SB_LIMIT_HTTP_HEADER_COUNT + d)), d > 0 ? 431 : 0);
    }
    assert_int_equal(with_line(SB_LIMIT_HTTP_LINE, false), 1);
    assert_int_equal(with_line(SB_LIMIT_HTTP_LINE + 2, false), 414);
    assert_int_equal(with_headers(SB_LIMIT_HTTP_HEADERS, false), 1);
    assert_int_equal(with_headers(SB_LIMIT_HTTP_HEADERS + 3, false), 431);
}

/* ---- chunks ---- */
/* Decodes in pieces of `step` bytes; false when refused. */
static bool unchunk(const char *text, size_t n, size_t step, struct sb_buf *out, bool *ended) {
    struct sb_http_chunks c = {0};
    *ended = false;
    for (size_t at = 0; at < n;) {
        size_t piece = n - at < step ? n - at : step;
        const char *p = text + at, *end = p + piece;
        struct sb_str data;
        for (enum sb_http_chunk_event e = SB_HTTP_CHUNK_DATA; e == SB_HTTP_CHUNK_DATA;) {
            e = sb_http_chunks_next(&c, &p, end, &data);
            if (e == SB_HTTP_CHUNK_BAD) return false;
            if (e == SB_HTTP_CHUNK_DATA) sb_buf_adds(out, data);
            if (e == SB_HTTP_CHUNK_END) *ended = true;
        }
        if (*ended) return p == text + n;
        at += piece;
    }
    return true;
}

static void chunked_bodies(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *data; /* data NULL: refused */
    } rows[] = {
        {"plain", "3\r\nabc\r\n0\r\n\r\n", "abc"},
        {"empty", "0\r\n\r\n", ""},
        {"hex of both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
         "01234567890123456789"},
        {"leading zeros", "0003\r\nabc\r\n000\r\n\r\n", "abc"},
        {"sixteen digits", "0000000000000003\r\nabc\r\n0\r\n\r\n", "abc"},
        {"extension", "3;a=b\r\nabc\r\n0;x\r\n\r\n", "abc"},
        {"trailers", "3\r\nabc\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n", "abc"},
        {"seventeen digits", "00000000000000003\r\nabc\r\n0\r\n\r\n", NULL},
        {"size overflow", "ffffffffffffffff\r\nabc", NULL},
        {"size over INT64_MAX", "8000000000000000\r\nabc", NULL},
        {"twenty digits", "11111111111111111111\r\n", NULL},
        {"plus", "+3\r\nabc\r\n0\r\n\r\n", NULL},
        {"minus", "-3\r\nabc\r\n0\r\n\r\n", NULL},
        {"prefix", "0x3\r\nabc\r\n0\r\n\r\n", NULL},
        {"underscore", "1_0\r\nabc\r\n0\r\n\r\n", NULL},
        {"space before", " 3\r\nabc\r\n0\r\n\r\n", NULL},
        {"space after", "3 \r\nabc\r\n0\r\n\r\n", NULL},
        {"no size", "\r\nabc\r\n0\r\n\r\n", NULL},
        {"only extension", ";a\r\nabc\r\n0\r\n\r\n", NULL},
        {"bare LF after size", "3\nabc\r\n0\r\n\r\n", NULL},
        {"bare LF in extension", "3;a\nabc\r\n0\r\n\r\n", NULL},
        {"CR in extension", "3;a\rb\r\nabc\r\n0\r\n\r\n", NULL},
        {"data too long", "3\r\nabcd\r\n0\r\n\r\n", NULL},
        {"bare LF after data", "3\r\nabc\n0\r\n\r\n", NULL},
        {"no CRLF after data", "3\r\nabc0\r\n\r\n", NULL},
        {"bare LF at the end", "0\r\n\n", NULL},
        {"trailer folded", "0\r\nX: y\r\n z\r\n\r\n", NULL},
        {"trailer space before colon", "0\r\nX : y\r\n\r\n", NULL},
        {"trailer bare LF", "0\r\nX: y\n\r\n", NULL},
        {"trailer without colon", "0\r\nX\r\n\r\n", NULL},
    };
    for (size_t i = 0; i < SB_COUNT(rows); i++)
        for (size_t step = 1; step < 40; step += step < 4 ? 1 : 12) {
            struct sb_buf out;
            bool ended;
            sb_buf_init(&out, 1000);
            size_t n = strlen(rows[i].text);
            bool ok = unchunk(rows[i].text, n, step, &out, &ended);
            if (rows[i].data) ok = ok && ended && strcmp(sb_buf_cstr(&out), rows[i].data) == 0;
            if (ok != (rows[i].data != NULL)) fail_msg("%s in steps of %zu", rows[i].name, step);
            sb_buf_fini(&out);
        }
}

static void chunk_extensions_are_bounded(void **state) {
    (void)state;
    for (size_t n = SB_LIMIT_HTTP_CHUNK_EXT - 1; n <= SB_LIMIT_HTTP_CHUNK_EXT + 1; n++) {
        struct sb_buf in, out;
        bool ended;
        sb_buf_init(&in, 1 << 20);
        sb_buf_init(&out, 1000);
        for (int chunk = 0; chunk < 2; chunk++) { /* each chunk has a limit of its own */
            SB_BUF_LIT(&in, "1;");
            fill(&in, n);
            SB_BUF_LIT(&in, "\r\nz\r\n");
        }
        SB_BUF_LIT(&in, "0\r\n\r\n");
        bool ok = unchunk(in.p, in.n, in.n, &out, &ended);
        assert_int_equal(ok, n <= SB_LIMIT_HTTP_CHUNK_EXT);
        sb_buf_fini(&in);
        sb_buf_fini(&out);
    }
}

static void an_endless_trailer_section_is_refused(void **state) {
    (void)state;
    struct sb_buf in, out;
    bool ended;
    sb_buf_init(&in, 1 << 20);
    sb_buf_init(&out, 10);
    SB_BUF_LIT(&in, "0\r\n");
    while (in.n < SB_LIMIT_HTTP_HEADERS + 100) SB_BUF_LIT(&in, "X: yyyyyyyyyyyyyyyyyyyy\r\n");
    assert_false(unchunk(in.p, in.n, 1000, &out, &ended));
    sb_buf_fini(&in);
    sb_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smuggling_and_malformed_heads_are_refused),
        cmocka_unit_test(every_byte_at_every_place_of_a_value),
        cmocka_unit_test(a_NUL_is_refused_everywhere),
        cmocka_unit_test(every_prefix_of_a_good_head_wants_more),
        cmocka_unit_test(accepted_forms),
        cmocka_unit_test(limits_hold_at_the_limit_and_one_over),
        cmocka_unit_test(chunked_bodies),
        cmocka_unit_test(chunk_extensions_are_bounded),
        cmocka_unit_test(an_endless_trailer_section_is_refused),
    };
    return cmocka_run_group_tests_name("http_strict", tests, NULL, NULL);
}

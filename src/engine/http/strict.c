#include "engine/http/strict.h"

#include <string.h>

enum { C_TOKEN = 1, C_TARGET = 2, C_VALUE = 4, C_HEX = 8, C_HOST = 16 };

#define ALNUM (C_TOKEN | C_TARGET | C_VALUE | C_HOST)
#define TCHAR (C_TOKEN | C_TARGET | C_VALUE)
#define OTHER (C_TARGET | C_VALUE)
/* What a byte may be part of. Rows of 16, 0x00 to 0x7f; the upper half is set as obs-text, which
 * values may hold. */
static const uint8_t CLASS[256] = {
    ['\t'] = C_VALUE,
    [' '] = C_VALUE,
    ['!'] = TCHAR,
    ['"'] = OTHER,
    ['#'] = TCHAR & ~C_TARGET, /* a fragment never belongs in a request */
    ['$'] = TCHAR,
    ['%'] = TCHAR,
    ['&'] = TCHAR,
    ['\''] = TCHAR,
    ['('] = OTHER,
    [')'] = OTHER,
    ['*'] = TCHAR,
    ['+'] = TCHAR,
    [','] = OTHER,
    ['-'] = TCHAR | C_HOST,
    ['.'] = TCHAR | C_HOST,
    ['/'] = OTHER,
    ['0' ... '9'] = ALNUM | C_HEX,
    [':'] = OTHER,
    [';'] = OTHER,
    ['<' ... '@'] = OTHER,
    ['A' ... 'F'] = ALNUM | C_HEX,
    ['G' ... 'Z'] = ALNUM,
    ['['] = OTHER,
    ['\\'] = OTHER,
    [']'] = OTHER,
    ['^'] = TCHAR,
    ['_'] = TCHAR | C_HOST,
    ['`'] = TCHAR,
    ['a' ... 'f'] = ALNUM | C_HEX,
    ['g' ... 'z'] = ALNUM,
    ['{'] = OTHER,
    ['|'] = TCHAR,
    ['}'] = OTHER,
    ['~'] = TCHAR,
    [0x80 ... 0xff] = C_VALUE,
};

static bool all(struct sb_str s, uint8_t class) {
    uint8_t ok = class;
    for (size_t i = 0; i < s.n; i++) ok &= CLASS[(uint8_t)s.p[i]];
    return ok != 0;
}

/* all(s, C_VALUE), eight bytes at a time: a word without a byte below 0x20 and without 0x7f is
 * fine; a tab sends the rest to the table. */
static bool all_value(struct sb_str s) {
    const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t w;
        memcpy(&w, s.p + i, 8);
        uint64_t del = w ^ ones * 0x7f;
        if (((w - ones * 0x20) & ~w & high) | ((del - ones) & ~del & high)) break;
    }
    return i == s.n || all(sb_str_make(s.p + i, s.n - i), C_VALUE);
}

bool sb_http_is_token(struct sb_str s) {
    return s.n > 0 && all(s, C_TOKEN);
}

bool sb_http_authority_split(struct sb_str authority, struct sb_str *host, struct sb_str *port) {
    struct sb_str h = authority, rest;
    if (h.n && h.p[0] == '[') { /* IPv6 literal; its inside is judged where it is compared */
        ptrdiff_t close = sb_str_find(h, ']');
        if (close < 3) return false;
        for (ptrdiff_t i = 1; i < close; i++)
            if (!(CLASS[(uint8_t)h.p[i]] & C_HEX) && h.p[i] != ':' && h.p[i] != '.') return false;
        rest = sb_str_sub(h, (size_t)close + 1, h.n);
        h.n = (size_t)close + 1;
    } else {
        ptrdiff_t colon = sb_str_find(h, ':');
        rest = colon < 0 ? SB_STR("") : sb_str_sub(h, (size_t)colon, h.n);
        if (colon >= 0) h.n = (size_t)colon;
        if (h.n == 0 || !all(h, C_HOST)) return false;
    }
    struct sb_str digits = sb_str_sub(rest, 1, rest.n);
    if (rest.n) {
        if (rest.p[0] != ':' || digits.n == 0 || digits.n > 5) return false;
        for (size_t i = 0; i < digits.n; i++)
            if (digits.p[i] < '0' || digits.p[i] > '9') return false;
    }
    *host = h;
    *port = digits;
    return true;
}

/* ---- the head ---- */
struct bad {
    int status;
    const char *why;
};

static int method_of(struct sb_str m) {
    static const struct {
        const char *name;
        enum sb_http_method method;
    } methods[] = {{"GET", SB_HTTP_GET},        {"POST", SB_HTTP_POST},
                   {"HEAD", SB_HTTP_HEAD},      {"PUT", SB_HTTP_PUT},
                   {"PATCH", SB_HTTP_PATCH},    {"DELETE", SB_HTTP_DELETE},
                   {"OPTIONS", SB_HTTP_OPTIONS}};
    for (size_t i = 0; i < SB_COUNT(methods); i++)
        if (sb_str_is(m, methods[i].name)) return (int)methods[i].method;
    return -1;
}

/* The next line without its CRLF. 1 = a line, 0 = not whole yet, -1 = ended by a bare LF. */
static int next_line(const char **p, const char *end, struct sb_str *line) {
    const char *lf = memchr(*p, '\n', (size_t)(end - *p));
    if (!lf) return 0;
    if (lf == *p || lf[-1] != '\r') return -1;
    *line = sb_str_make(*p, (size_t)(lf - *p) - 1);
    *p = lf + 1;
    return 1;
}

static bool parse_target(struct sb_http_head *h, struct bad *bad) {
    struct sb_str t = h->target;
    if (!all(t, C_TARGET)) {
        *bad = (struct bad){400, "bad character in request target"};
        return false;
    }
    if (t.p[0] == '*') {
        if (t.n != 1 || h->method != SB_HTTP_OPTIONS) {
            *bad = (struct bad){400, "bad request target"};
            return false;
        }
    } else if (t.p[0] != '/') { /* absolute-form: compared with Host at the end of the head */
        struct sb_str scheme = sb_str_sub(t, 0, 7);
        if (!sb_str_ieq(scheme, SB_STR("http://"))) {
            *bad = (struct bad){400, "bad request target"};
            return false;
        }
        t = sb_str_sub(t, 7, t.n);
        ptrdiff_t slash = sb_str_find(t, '/');
        if (slash < 1) {
            *bad = (struct bad){400, "bad request target"};
            return false;
        }
        t = sb_str_sub(t, (size_t)slash, t.n);
    }
    ptrdiff_t mark = sb_str_find(t, '?');
    h->path = mark < 0 ? t : sb_str_sub(t, 0, (size_t)mark);
    h->query = mark < 0 ? sb_str_make(t.p + t.n, 0) : sb_str_sub(t, (size_t)mark + 1, t.n);
    return true;
}

static bool parse_request_line(struct sb_http_head *h, struct sb_str line, struct bad *bad) {
    ptrdiff_t first = sb_str_find(line, ' '), last = sb_str_rfind(line, ' ');
    if (first < 1 || last - first < 2) {
        *bad = (struct bad){400, "bad request line"};
        return false;
    }
    h->method_name = sb_str_sub(line, 0, (size_t)first);
    h->target = sb_str_sub(line, (size_t)first + 1, (size_t)(last - first) - 1);
    struct sb_str version = sb_str_sub(line, (size_t)last + 1, line.n);
    if (!sb_http_is_token(h->method_name)) {
        *bad = (struct bad){400, "bad method"};
        return false;
    }
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || version.p[6] != '.' ||
        version.p[5] < '0' || version.p[5] > '9' || version.p[7] < '0' || version.p[7] > '9') {
        *bad = (struct bad){400, "bad request line"};
        return false;
    }
    if (version.p[5] != '1' || version.p[7] > '1') {
        *bad = (struct bad){505, "only HTTP/1.1 and HTTP/1.0 are spoken here"};
        return false;
    }
    h->minor = version.p[7] - '0';
    h->keep_alive = h->minor == 1;
    h->method = method_of(h->method_name);
    if (h->method < 0) {
        *bad = (struct bad){501, "unknown method"};
        return false;
    }
    return parse_target(h, bad);
}

static struct bad once(struct sb_str *slot, struct sb_str value, const char *why) {
    if (slot->p) return (struct bad){400, why};
    *slot = value;
    return (struct bad){0};
}

static struct bad take_length(struct sb_http_head *h, struct sb_str v) {
    uint64_t n = 0;
    if (h->has_length) return (struct bad){400, "repeated Content-Length"};
    if (v.n == 0 || v.n > 18) return (struct bad){400, "bad Content-Length"};
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9') return (struct bad){400, "bad Content-Length"};
        n = n * 10 + (uint64_t)(v.p[i] - '0');
    }
    h->has_length = true;
    if (h->content_length == 0) h->content_length = (int64_t)n; /* else chunked: refused below */
    return (struct bad){0};
}

static struct bad take_coding(struct sb_http_head *h, struct sb_str v) {
    if (h->content_length == -1) return (struct bad){400, "repeated Transfer-Encoding"};
    if (!sb_str_ieq(v, SB_STR("chunked"))) return (struct bad){400, "bad Transfer-Encoding"};
    if (h->minor == 0) return (struct bad){400, "Transfer-Encoding in HTTP/1.0"};
    h->content_length = -1;
    return (struct bad){0};
}

static struct bad take_connection(struct sb_http_head *h, struct sb_str v) {
    struct sb_str part;
    while (sb_str_split(&v, ',', &part)) {
        part = sb_str_trim(part);
        if (sb_str_ieq(part, SB_STR("close"))) h->keep_alive = false;
        if (h->minor == 0 && sb_str_ieq(part, SB_STR("keep-alive"))) h->keep_alive = true;
    }
    return (struct bad){0};
}

/* Names of equal length; the first letter decides nearly always. */
static bool is(struct sb_str name, struct sb_str known) {
    return (name.p[0] | 0x20) == known.p[0] && sb_str_ieq(name, known);
}

/* The few headers that decide about framing and policy, told apart by length first. */
static struct bad take_known(struct sb_http_head *h, struct sb_str name, struct sb_str v) {
    switch (name.n) {
    case 4:
        if (is(name, SB_STR("host"))) return once(&h->host, v, "repeated Host");
        break;
    case 6:
        if (is(name, SB_STR("expect"))) return once(&h->expect, v, "repeated Expect");
        if (is(name, SB_STR("origin"))) return once(&h->origin, v, "repeated Origin");
        break;
    case 10:
        if (is(name, SB_STR("connection"))) return take_connection(h, v);
        break;
    case 14:
        if (is(name, SB_STR("content-length"))) return take_length(h, v);
        if (is(name, SB_STR("sec-fetch-site")))
            return once(&h->fetch_site, v, "repeated Sec-Fetch-Site");
        break;
    case 15:
        if (is(name, SB_STR("accept-encoding")) && !h->accept_encoding.p) h->accept_encoding = v;
        break;
    case 16:
        if (is(name, SB_STR("content-encoding")))
            return once(&h->content_encoding, v, "repeated Content-Encoding");
        break;
    case 17:
        if (is(name, SB_STR("transfer-encoding"))) return take_coding(h, v);
        break;
    default: break;
    }
    return (struct bad){0};
}

static bool parse_header(struct sb_http_head *h, struct sb_str line, struct bad *bad) {
    struct sb_str name = {line.p, 0};
    while (name.n < line.n && CLASS[(uint8_t)line.p[name.n]] & C_TOKEN) name.n++;
    if (name.n == 0 || name.n == line.n || line.p[name.n] != ':') {
        bool folded = line.p[0] == ' ' || line.p[0] == '\t';
        *bad = (struct bad){400, folded ? "folded header line" : "bad header name"};
        return false;
    }
    struct sb_str value = sb_str_make(line.p + name.n + 1, line.n - name.n - 1);
    while (value.n && (value.p[0] == ' ' || value.p[0] == '\t')) value.p++, value.n--;
    while (value.n && (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == '\t')) value.n--;
    if (!all_value(value)) {
        *bad = (struct bad){400, "bad character in header value"};
        return false;
    }
    if (h->nheaders == SB_COUNT(h->headers)) {
        *bad = (struct bad){431, "too many headers"};
        return false;
    }
    h->headers[h->nheaders++] = (struct sb_http_header){name, value};
    *bad = take_known(h, name, value);
    return bad->status == 0;
}

/* What only the whole head shows. */
static bool check_whole(const struct sb_http_head *h, struct bad *bad) {
    struct sb_str host, port;
    if (!h->host.p) {
        *bad = (struct bad){400, "missing Host"};
    } else if (!sb_http_authority_split(h->host, &host, &port)) {
        *bad = (struct bad){400, "bad Host"};
    } else if (h->has_length && h->content_length == -1) {
        *bad = (struct bad){400, "both Content-Length and Transfer-Encoding"};
    } else if (h->target.p[0] != '/' && h->target.p[0] != '*' &&
               !sb_str_ieq(sb_str_make(h->target.p + 7, (size_t)(h->path.p - h->target.p) - 7),
                           h->host)) {
        *bad = (struct bad){400, "request target does not match Host"};
    }
    return bad->status == 0;
}

/* The head goes on after n bytes; are the limits still kept? begin is where its first line starts,
 * headers where the header lines start (NULL: not seen yet). */
static bool within_limits(const char *begin, const char *headers, const char *end,
                          struct bad *bad) {
    if (!headers && end - begin > SB_LIMIT_HTTP_LINE + 1)
        *bad = (struct bad){414, "request line too long"};
    else if (headers && end - headers > SB_LIMIT_HTTP_HEADERS)
        *bad = (struct bad){431, "headers too large"};
    return bad->status == 0;
}

static enum sb_http_verdict parse_lines(struct sb_http_head *h, const char *p, const char *end,
                                        struct bad *bad) {
    const char *begin = p, *headers = NULL;
    struct sb_str line;
    for (int got; (got = next_line(&p, end, &line)) != 0;) {
        if (got < 0) {
            *bad = (struct bad){400, "bare line feed"};
            return SB_HTTP_HEAD_BAD;
        }
        if (!headers) {
            if (line.n > SB_LIMIT_HTTP_LINE) {
                *bad = (struct bad){414, "request line too long"};
                return SB_HTTP_HEAD_BAD;
            }
            if (!parse_request_line(h, line, bad)) return SB_HTTP_HEAD_BAD;
            headers = p;
        } else if (p - headers > SB_LIMIT_HTTP_HEADERS + (line.n ? 0 : 2)) {
            *bad = (struct bad){431, "headers too large"};
            return SB_HTTP_HEAD_BAD;
        } else if (line.n == 0) {
            h->length = (size_t)(p - begin);
            return check_whole(h, bad) ? SB_HTTP_HEAD_OK : SB_HTTP_HEAD_BAD;
        } else if (!parse_header(h, line, bad)) {
            return SB_HTTP_HEAD_BAD;
        }
    }
    return within_limits(begin, headers, end, bad) ? SB_HTTP_HEAD_MORE : SB_HTTP_HEAD_BAD;
}

enum sb_http_verdict sb_http_head_parse(struct sb_http_head *h, const char *p, size_t n,
                                        int *status, const char **why) {
    struct bad bad = {0};
    size_t skip = n >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
    if (n == 1 && p[0] == '\r') return SB_HTTP_HEAD_MORE;
    memset(h, 0, offsetof(struct sb_http_head, headers));
    memset(&h->host, 0, sizeof *h - offsetof(struct sb_http_head, host));
    enum sb_http_verdict v = parse_lines(h, p + skip, p + n, &bad);
    h->length += skip;
    if (v == SB_HTTP_HEAD_BAD) {
        *status = bad.status;
        *why = bad.why;
    }
    return v;
}

static void rebase(struct sb_str *s, const char *from, const char *to) {
    if (s->p) s->p = to + (s->p - from);
}

void sb_http_head_rebase(struct sb_http_head *h, const char *from, const char *to) {
    struct sb_str *views[] = {&h->method_name,    &h->target, &h->path,
                              &h->query,          &h->host,   &h->origin,
                              &h->fetch_site,     &h->expect, &h->content_encoding,
                              &h->accept_encoding};
    for (size_t i = 0; i < SB_COUNT(views); i++) rebase(views[i], from, to);
    for (size_t i = 0; i < h->nheaders; i++) {
        rebase(&h->headers[i].name, from, to);
        rebase(&h->headers[i].value, from, to);
    }
}

/* ---- chunked coding ---- */
enum chunk_state {
    K_SIZE,    /* hex digits */
    K_EXT,     /* after ';' up to CR */
    K_SIZE_LF, /* LF of the size line */
    K_DATA,
    K_DATA_CR, /* CRLF after the data */
    K_DATA_LF,
    K_LINE, /* first byte of a trailer line, or the CR of the empty one */
    K_NAME,
    K_VALUE,
    K_VALUE_LF,
    K_END_LF,
    K_DONE,
    K_BAD,
};

static int hex_value(char c) {
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static int on_size(struct sb_http_chunks *c, char ch) {
    if (CLASS[(uint8_t)ch] & C_HEX) {
        if (++c->digits > 16 || c->left >> 59) return K_BAD; /* over INT64_MAX */
        c->left = c->left << 4 | (uint64_t)hex_value(ch);
        return K_SIZE;
    }
    if (c->digits == 0) return K_BAD;
    return ch == ';' ? K_EXT : ch == '\r' ? K_SIZE_LF : K_BAD;
}

static int on_ext(struct sb_http_chunks *c, char ch) {
    if (ch == '\r') return K_SIZE_LF;
    if (++c->ext > SB_LIMIT_HTTP_CHUNK_EXT) return K_BAD;
    return CLASS[(uint8_t)ch] & C_VALUE ? K_EXT : K_BAD;
}

static int on_trailer(struct sb_http_chunks *c, char ch) {
    if (++c->trailer > SB_LIMIT_HTTP_HEADERS) return K_BAD;
    switch (c->state) {
    case K_LINE:
        if (ch == '\r') return K_END_LF;
        return CLASS[(uint8_t)ch] & C_TOKEN ? K_NAME : K_BAD;
    case K_NAME:
        if (ch == ':') return K_VALUE;
        return CLASS[(uint8_t)ch] & C_TOKEN ? K_NAME : K_BAD;
    case K_VALUE:
        if (ch == '\r') return K_VALUE_LF;
        return CLASS[(uint8_t)ch] & C_VALUE ? K_VALUE : K_BAD;
    case K_VALUE_LF: return ch == '\n' ? K_LINE : K_BAD;
    default: return ch == '\n' ? K_DONE : K_BAD;
    }
}

static int on_size_lf(struct sb_http_chunks *c, char ch) {
    if (ch != '\n') return K_BAD;
    c->digits = 0;
    c->ext = 0;
    return c->left ? K_DATA : K_LINE;
}

static int step(struct sb_http_chunks *c, char ch) {
    switch (c->state) {
    case K_SIZE: return on_size(c, ch);
    case K_EXT: return on_ext(c, ch);
    case K_SIZE_LF: return on_size_lf(c, ch);
    case K_DATA_CR: return ch == '\r' ? K_DATA_LF : K_BAD;
    case K_DATA_LF: return ch == '\n' ? K_SIZE : K_BAD;
    default: return on_trailer(c, ch);
    }
}

enum sb_http_chunk_event sb_http_chunks_next(struct sb_http_chunks *c, const char **p,
                                             const char *end, struct sb_str *data) {
    while (*p < end && c->state != K_DONE && c->state != K_BAD) {
        if (c->state == K_DATA) {
            size_t n = (size_t)(end - *p);
            if (n > c->left) n = (size_t)c->left;
            *data = sb_str_make(*p, n);
            *p += n;
            c->left -= n;
            if (c->left == 0) c->state = K_DATA_CR;
            return SB_HTTP_CHUNK_DATA;
        }
        c->state = step(c, *(*p)++);
    }
    if (c->state == K_BAD) return SB_HTTP_CHUNK_BAD;
    return c->state == K_DONE ? SB_HTTP_CHUNK_END : SB_HTTP_CHUNK_MORE;
}

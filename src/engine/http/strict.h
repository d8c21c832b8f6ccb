/* The strict reading of HTTP/1.1 bytes: a request's head, and the chunked coding.
 *
 * It accepts less than RFC 9112 allows a lenient server to accept, because what two parsers read
 * differently is how requests are smuggled. Refused: bare CR or LF, NUL and other controls, folded
 * lines, space before the colon, empty or non-token names, Content-Length that is repeated, signed
 * or not plain digits, Content-Length with Transfer-Encoding, any coding but exactly "chunked",
 * missing or double Host, targets with fragments, controls or bytes over 0x7e, absolute targets
 * whose authority is not the Host; in chunks: sizes with sign, prefix, underscore, space or more
 * than 16 digits, extensions over the limit, data not followed by CRLF.
 *
 * Pure functions over memory: no sockets, any thread. */
#ifndef SB_ENGINE_HTTP_STRICT_H
#define SB_ENGINE_HTTP_STRICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/http/http.h"

/* A head as views into the bytes that were parsed. */
struct sb_http_head {
    size_t length; /* bytes of the whole head, with the empty line */
    struct sb_str method_name;
    int method; /* enum sb_http_method, or -1: a token that no route can have */
    struct sb_str target, path, query;
    int minor; /* HTTP/1.minor */
    size_t nheaders;
    struct sb_http_header headers[SB_LIMIT_HTTP_HEADER_COUNT];

    /* what framing and policy need; .p is NULL when the header is absent */
    struct sb_str host, origin, fetch_site, content_encoding, accept_encoding, expect;
    int64_t content_length; /* 0 when there is no body, -1 = chunked */
    bool has_length;        /* Content-Length was given */
    bool keep_alive;        /* by version and Connection */
};

enum sb_http_verdict {
    SB_HTTP_HEAD_OK,
    SB_HTTP_HEAD_MORE, /* the bytes are good as far as they go */
    SB_HTTP_HEAD_BAD,  /* *status and *why say how to answer; then close */
};

/* Reads a head at p. One empty line before it is skipped (RFC 9112 section 2.2) and counts in
 * length. *status is 400, 414, 431, 501 or 505; *why is a constant text. */
enum sb_http_verdict sb_http_head_parse(struct sb_http_head *h, const char *p, size_t n,
                                        int *status, const char **why);

/* Moves all views of a head from the bytes at `from` to their copy at `to`. */
void sb_http_head_rebase(struct sb_http_head *h, const char *from, const char *to);

/* Chunked coding, RFC 9112 section 7.1. Zeroed before first use. */
struct sb_http_chunks {
    int state;
    int digits;       /* of the size being read */
    uint32_t ext;     /* bytes of extension in this chunk's line */
    uint32_t trailer; /* bytes of trailer section so far */
    uint64_t left;    /* bytes of the current chunk not yet given out */
};

enum sb_http_chunk_event {
    SB_HTTP_CHUNK_MORE, /* everything was taken, feed more */
    SB_HTTP_CHUNK_DATA, /* *data holds a piece of the body, a view into the input */
    SB_HTTP_CHUNK_END,  /* the last chunk and the trailer section are read */
    SB_HTTP_CHUNK_BAD,
};

/* Takes bytes from *p up to end until something happened. */
enum sb_http_chunk_event sb_http_chunks_next(struct sb_http_chunks *c, const char **p,
                                             const char *end, struct sb_str *data);

/* RFC 9110 section 5.6.2 token, not empty. */
bool sb_http_is_token(struct sb_str s);

/* The host and port of an authority ("a.example:80", "[::1]:80"); port is empty when absent. false
 * when it is malformed: userinfo, bad brackets, characters that no host has, a port that is not 1
 * to 5 digits. */
bool sb_http_authority_split(struct sb_str authority, struct sb_str *host, struct sb_str *port);

#endif

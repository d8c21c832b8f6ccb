/* HTTP/1.1 server: one per loop thread set, routes as const tables.
 *
 * A handler is called on the connection's loop thread when the request is whole (or, for a route
 * with SB_HTTP_STREAM_IN, when its headers are). It answers at once or later, on the same thread,
 * with exactly one sb_http_reply() or one sb_http_stream_begin() ... sb_http_stream_end(). A
 * request stays valid until then, also when the client has gone away: then the reply is dropped.
 * Pipelined requests are answered in order.
 *
 * Refused before any handler, with a JSON error from the server's `error_body`: malformed or
 * smuggling-prone requests (400, closes), too long line 414 / headers 431 / body 413, foreign Host
 * or Origin 403, unknown path 404, known path with another method 405 + Allow, no time left in the
 * queue 503 + Retry-After (keep-alive kept). HEAD is answered by the GET route without its body.
 *
 * Wire rules: RFC 9110, RFC 9112; limits: base/limits.h. */
#ifndef SB_ENGINE_HTTP_HTTP_H
#define SB_ENGINE_HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "loop/loop.h"

enum sb_http_method {
    SB_HTTP_GET,
    SB_HTTP_HEAD,
    SB_HTTP_POST,
    SB_HTTP_PUT,
    SB_HTTP_PATCH,
    SB_HTTP_DELETE,
    SB_HTTP_OPTIONS,
    SB_HTTP_METHOD_COUNT
};

/* "GET". */
const char *sb_http_method_name(enum sb_http_method m);

/* What a caller must be allowed to do. Every route names one from the first day. */
enum sb_http_scope {
    SB_SCOPE_PUBLIC = 1, /* health, metrics: anybody who can reach the port */
    SB_SCOPE_PREDICT,
    SB_SCOPE_READ,
    SB_SCOPE_WRITE,
    SB_SCOPE_ADMIN,
};

enum sb_http_flags {
    SB_HTTP_STREAM_IN = 1 << 0, /* handler at end of headers; body by on_body; no body size limit */
    SB_HTTP_ADMIT = 1 << 1,     /* subject to admission by queue time (predictions) */
};

struct sb_http_req;
typedef void sb_http_handler(struct sb_http_req *r);

struct sb_http_route {
    enum sb_http_method method;
    const char *pattern; /* "/models/{name}/predict"; "{name}:predict" takes what is before
                            ":predict"; a last "{name*}" takes the rest, slashes too */
    enum sb_http_scope scope;
    unsigned flags;
    sb_http_handler *handler;
    const char *doc; /* one line, for generated docs */
};

struct sb_http_header {
    struct sb_str name, value; /* name as received; compare with sb_str_ieq */
};

struct sb_http_req {
    /* read-only for handlers */
    enum sb_http_method method;
    struct sb_str target;                       /* as received, with query */
    struct sb_str path;                         /* before '?', still percent-encoded */
    struct sb_str query;                        /* after '?', still encoded */
    struct sb_str params[SB_LIMIT_HTTP_PARAMS]; /* {..} parts in order, percent-decoded once */
    size_t nparams;
    const struct sb_http_header *headers;
    size_t nheaders;
    struct sb_str body;     /* whole body after gunzip; empty when streaming */
    int64_t content_length; /* as announced; -1 = chunked */
    int64_t received_ns;    /* sb_mono_ns when its first byte was read */
    int64_t deadline_ns;    /* sb_mono_ns; after it nobody waits for an answer. INT64_MAX while a
                               body streams in: it counts from that body's end */
    const struct sb_http_route *route;
    struct sb_arena *arena; /* this request's memory, freed after the reply */
    struct sb_loop *loop;
    void *app;          /* from the server's options: app, or its table's */
    struct sb_str peer; /* "127.0.0.1:53412" */

    /* the handler's own */
    void *user;
    /* streaming in: set by the handler before it returns. A piece of the body; then on_end once
     * with SB_OK, or SB_E_CLOSED / SB_E_TIMEOUT / SB_E_SYNTAX (bad chunk) when the rest will not
     * come (reply anyway). After a reply neither is called any more. */
    void (*on_body)(struct sb_http_req *r, const char *p, size_t n);
    void (*on_end)(struct sb_http_req *r, sb_err err);
    /* streaming out: room again after sb_http_stream_write said SB_E_BUSY, or the client went away
     * (the next write says SB_E_CLOSED). */
    void (*on_drain)(struct sb_http_req *r);
    /* The client has closed its side, or the connection broke: most likely nobody waits for the
     * answer any more, so costly work may end early. May come twice; does not answer by itself. */
    void (*on_gone)(struct sb_http_req *r);
};

/* First header of that name; .p is NULL when absent. */
struct sb_str sb_http_get_header(const struct sb_http_req *r, const char *name);
/* First query parameter of that name, percent- and plus-decoded into the arena; false when absent.
 */
bool sb_http_query_get(const struct sb_http_req *r, const char *name, struct sb_str *out);
/* Iterates over all of them; start with *at = 0; false at the end. */
bool sb_http_query_next(const struct sb_http_req *r, size_t *at, struct sb_str *name,
                        struct sb_str *value);

/* Streaming in: stop and go on reading from the client (back-pressure). Between the two neither
 * on_body nor on_end(SB_OK) is called. */
void sb_http_body_pause(struct sb_http_req *r);
void sb_http_body_resume(struct sb_http_req *r);

/* Whether the client holds the representation of this ETag (quotes included) already: If-None-Match
 * names it. Then answer 304 with the same ETag. RFC 9110 section 13.1.2. */
bool sb_http_is_known(const struct sb_http_req *r, const char *etag);

/* Adds a response header before the reply. CR, LF and NUL in value are replaced by spaces. */
void sb_http_add_header(struct sb_http_req *r, const char *name, struct sb_str value);

/* The one answer. body is copied (or compressed). content_type NULL = "application/json". */
void sb_http_reply(struct sb_http_req *r, int status, const char *content_type, struct sb_str body);

/* A streamed answer; length -1 = chunked. */
void sb_http_stream_begin(struct sb_http_req *r, int status, const char *content_type,
                          int64_t length);
/* Takes all n bytes (copied). SB_OK: go on. SB_E_BUSY: taken, but wait for on_drain before the
 * next. SB_E_CLOSED: the client is gone; call sb_http_stream_end and stop. */
SB_MUST_CHECK sb_err sb_http_stream_write(struct sb_http_req *r, const void *p, size_t n);
/* Ends it. ok = false aborts the connection, so that the client sees a broken transfer. */
void sb_http_stream_end(struct sb_http_req *r, bool ok);

/* Reason phrase of a status: "Not Found". */
const char *sb_http_status_text(int status);

struct sb_http_opts {
    const char *name;                          /* for log and metrics: "serving" */
    const char *host;                          /* IP literal to listen on; NULL = 127.0.0.1 */
    uint16_t port;                             /* 0 = any free one */
    const struct sb_http_route *const *tables; /* NULL-terminated list of tables; each table ends
                                                  with a row whose pattern is NULL */
    const char *const *hosts; /* more names accepted in Host/Origin; NULL-terminated or NULL */
    void *app;
    void *const *apps; /* what handlers of table i get instead of app (NULL entry: app); borrowed
                          as long as the server lives. NULL = app for all */
    const char *const *prefixes; /* what stands before the patterns of table i, constant strings:
                                    "/api/search" (NULL entry: nothing). NULL = nothing for all */
    size_t body_max;             /* 0 = SB_LIMIT_HTTP_BODY */
    int64_t timeout_ns; /* from a request being whole to its answer; 0 = 60 s. Then the client
                           gets 504, and what the handler answers later is dropped */
    int64_t header_ns, idle_ns,
        body_grace_ns;       /* 0 = the SB_LIMIT_HTTP_..._MS; tests shorten them */
    int64_t queue_target_ns; /* SB_HTTP_ADMIT: who would wait longer is refused; 0 = never */
    /* Whether the handlers of SB_HTTP_ADMIT have room for more work of their own (on pools) than
     * they have; requests wait for it, as long as queue_target_ns allows. NULL = always. */
    bool (*has_room)(void *app);
    /* Writes the body of an error made by the server itself; NULL = {"error": "..."}. r is as in
     * on_done. */
    void (*error_body)(const struct sb_http_req *r, struct sb_buf *out, int status,
                       const char *message);
    /* Called for each finished request (metrics), also refused ones: then r->route may be NULL, and
     * for a malformed head everything but received_ns and peer is empty. May be NULL. */
    void (*on_done)(void *app, const struct sb_http_req *r, int status, int64_t duration_ns);
    /* Called for a request that matched a route but was refused by admission or its deadline passed
     * (predictions record it). May be NULL. */
    void (*on_refused)(void *app, const struct sb_http_req *r, int status);
};

struct sb_http_server;

/* Listens with SO_REUSEPORT on each of the n loops (call before they run, or from their posts).
 * SB_E_LOCKED when another process holds the port: the message names it (pid and command, from
 * /proc) and what to type. */
SB_MUST_CHECK sb_err sb_http_listen(struct sb_http_server **out, const struct sb_http_opts *o,
                                    struct sb_loop *const *loops, size_t n, struct sb_errctx *ctx);
uint16_t sb_http_port(const struct sb_http_server *s);

/* Any thread. Stops accepting; connections get "Connection: close" on their next reply. */
void sb_http_drain(struct sb_http_server *s);
/* Any thread: requests whose answer has not been written out yet. */
int sb_http_in_flight(const struct sb_http_server *s);
/* After the loops have stopped. */
void sb_http_free(struct sb_http_server *s);

/* Any thread, for /metrics. */
struct sb_http_stats {
    uint64_t connections, open, requests, refused_busy, bad_requests, timeouts, bytes_in, bytes_out;
};
void sb_http_stats_get(const struct sb_http_server *s, struct sb_http_stats *out);

#endif

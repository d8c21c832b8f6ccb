/* The inside of the HTTP server: what its files share.
 *
 * A shard is the server's part on one loop. It owns its connections and requests and everything
 * they point to; only counters are read from other threads.
 *
 * Life of a request: taken from the shard's pool when its head is parsed, pushed on its
 * connection's FIFO, leaves the FIFO when its answer is complete and all before it have left, and
 * goes back to the pool once it has left and its handler owes no answer any more. So a handler may
 * answer after its deadline or after the connection went: the request is still there. A
 * connection's memory stays until its handle is closed and its last request has gone. */
#ifndef SB_ENGINE_HTTP_INT_H
#define SB_ENGINE_HTTP_INT_H

#include <llhttp.h>
#include <stdatomic.h>
#include <uv.h>

#include "engine/http/http.h"
#include "engine/http/router.h"
#include "engine/http/strict.h"

enum {
    HTTP_READ_BUF = 64 << 10, /* one per shard: what one read can bring */
    HTTP_COPY_MAX = 16 << 10, /* bodies up to this are copied behind their head, larger gathered */
    HTTP_CORK_MAX = 64 << 10, /* answers collected before they are written */
    HTTP_WRITE_HIGH = 256 << 10, /* unsent bytes from which on a connection waits */
    HTTP_WRITE_LOW = 64 << 10,   /* ... until so few are left */
    HTTP_DISCARD_MAX = 64 << 10, /* rest of an unwanted body that is read to keep the connection */
    HTTP_IN_MAX = 4 * HTTP_READ_BUF,
    HTTP_KEEP_BYTES = 64 << 10, /* memory a pooled request keeps */
    HTTP_KEEP_REQUESTS = 512,   /* requests a shard keeps pooled */
    HTTP_GZIP_MIN = 1 << 10,
    HTTP_GZIP_MAX = 1 << 20, /* larger answers leave as they are: compressing them would hold up the
                                loop */
};

struct http_conn;
struct http_shard;

struct http_request {
    struct sb_http_req pub; /* first: handlers hold its address */
    struct http_conn *conn;
    struct http_request *next;              /* FIFO, or the pool */
    struct http_request *queued;            /* next in the shard's queue */
    struct http_request *dl_prev, *dl_next; /* deadlines, oldest first */
    struct http_request *all_prev, *all_next;
    struct sb_arena arena;
    struct sb_buf body;  /* as received */
    struct sb_buf extra; /* header lines added by the handler */
    struct sb_buf out;   /* answer bytes that wait for their turn in the pipeline */
    uint64_t serial;     /* counts the uses of this memory */
    int64_t out_left;    /* streamed answer: announced bytes still to come; -1 = no length */
    int status;
    uint8_t minor;
    bool keep_alive;
    bool owes;      /* the handler has still to answer */
    bool in_fifo;   /* its answer is not complete on the connection */
    bool complete;  /* all bytes of the answer have been produced */
    bool streaming; /* sb_http_stream_begin was called */
    bool chunked;   /* ... with chunked coding */
    bool told_busy; /* a write said SB_E_BUSY: on_drain is due */
    bool has_deadline;
    bool wants_100;
    bool no_body; /* streamed answer to HEAD: what is written is dropped */
    bool abort;   /* the answer broke off: the connection ends with it */
    bool gzip_body;
    bool gzip_reply;
};

enum http_list {
    HTTP_L_NONE,
    HTTP_L_IDLE,
    HTTP_L_HEAD,
    HTTP_L_BODY,
    HTTP_L_STALL,
    HTTP_L_LINGER,
    HTTP_LISTS
};
enum http_body { HTTP_B_NONE, HTTP_B_LENGTH, HTTP_B_CHUNKED };

struct http_conn {
    uv_tcp_t tcp;
    struct http_shard *shard;
    struct http_conn *prev, *next; /* in its time-out list */
    int64_t due;
    struct http_conn *all_prev, *all_next;
    struct http_request *head, **tail; /* FIFO of requests not fully answered */
    struct http_request *cur;          /* whose body is being read; NULL: it is discarded */
    struct sb_buf in;                  /* bytes read and not taken yet */
    struct sb_http_chunks chunks;
    int64_t body_left;  /* of Content-Length */
    int64_t body_since; /* when this body began, or was last resumed */
    int64_t body_seen;  /* bytes of it since then */
    int64_t first_ns;   /* when the first byte of the next head came; 0 = none yet */
    size_t unsent;      /* bytes queued in libuv */
    size_t stall_mark;  /* libuv's queue size when last looked at */
    int nreqs;          /* in the FIFO */
    int nalive;         /* requests that point here */
    uint8_t list, body;
    bool reading, paused, processing, closing, closed, eof;
    bool no_more;     /* no further request is taken: close once the FIFO is empty */
    bool linger_next; /* ... reading what the client still sends, so that it sees the answer */
    bool lingering;
    uint8_t host_n; /* the Host value found good last */
    char host[63];
    char peer[64];
};

struct http_conns {
    struct http_conn *first, *last;
};

struct http_counters {
    _Atomic uint64_t connections, open, requests, refused_busy, bad_requests, timeouts, bytes_in,
        bytes_out;
    _Atomic int in_flight;
};

/* Requests that wait for their turn, and what is known of the time that takes (admit.c). */
struct http_queue {
    struct http_request *first, *last;
    uint64_t weight;               /* of what waits */
    uint64_t worked;               /* handled since the rate was learned last */
    uint64_t spent, calls;         /* handled in this iteration */
    double ns_each;                /* for a unit of weight; 0 = not known yet */
    int64_t iteration, busy_since; /* busy: since the end of the last one, as something waited */
    bool over;                     /* this iteration has taken its slice */
};

struct http_shard {
    struct sb_http_server *server;
    struct sb_loop *loop;
    uv_tcp_t listener;
    struct sb_task drain_task;
    struct sb_timer timer; /* at the earliest due time of the lists */
    struct http_conns lists[HTTP_LISTS];
    struct http_request *dl_first, *dl_last;
    struct http_conn *all_conns, *free_conns;
    struct http_request *all_reqs, *free_reqs;
    int nfree_reqs;
    struct sb_buf cork, scratch, gzipped;
    llhttp_t llhttp;
    llhttp_settings_t llhttp_settings;
    uint64_t llhttp_length; /* as llhttp saw it at the end of the head */
    unsigned llhttp_flags;
    struct http_counters n;
    struct http_queue queue;
    struct sb_loop_tick tick;
    struct sb_timer queue_timer;
    int64_t date_s;
    size_t date_n;
    char date[48]; /* the whole header line */
    struct http_conn *cork_owner;
    struct sb_http_head parsed;
    char rbuf[HTTP_READ_BUF];
};

struct sb_http_server {
    struct sb_http_opts o;
    struct sb_http_router *router;
    uint16_t port;
    _Atomic bool draining;
    int64_t limit_ns[HTTP_LISTS]; /* time-out of each list */
    size_t nshards;
    struct http_shard *shards[];
};

/* One writer, any reader. */
#define HTTP_COUNT(counter, by)                                                                    \
    atomic_store_explicit(&(counter),                                                              \
                          atomic_load_explicit(&(counter), memory_order_relaxed) + (by),           \
                          memory_order_relaxed)

static inline struct http_request *http_request_of(const struct sb_http_req *r) {
    return (struct http_request *)(uintptr_t)r;
}

/* pool.c */
struct http_conn *http_conn_new(struct http_shard *s);
void http_conn_recycle(struct http_conn *c);
struct http_request *http_request_new(struct http_conn *c);
/* Back to the pool; its connection too when that was the last thing it waited for. */
void http_request_release(struct http_request *r);
void http_shard_free_all(struct http_shard *s);

/* timeouts.c */
void http_list_move(struct http_conn *c, enum http_list list, int64_t due);
void http_list_leave(struct http_conn *c);
void http_deadline_set(struct http_request *r);
void http_deadline_clear(struct http_request *r);
void http_timeouts_init(struct http_shard *s);

/* conn.c */
void http_conn_accept(struct http_shard *s);
void http_conn_close(struct http_conn *c);
/* Takes up again what waited: buffered input, reading, closing, time-out list. */
void http_conn_settle(struct http_conn *c);
/* The rest of the body will not come: tells a streaming handler, answers for a buffered one. */
void http_body_abort(struct http_conn *c, sb_err err, int status, const char *why);

/* body.c */
/* Reads body bytes from *p; false when no more can be taken now. */
bool http_body_feed(struct http_conn *c, const char **p, const char *end);
/* The body is read to its end. */
void http_body_done(struct http_conn *c);
/* Calls the handler of a request that is whole. */
void http_request_whole(struct http_request *r);
void http_request_call(struct http_request *r);
/* An answer is on its way while the body is not read to its end: decides whether the rest is
 * discarded or the connection ends. Before the answer's head is written. */
void http_body_unwanted(struct http_conn *c);

/* dispatch.c */
/* Policy and routing of a parsed head; `more` = body bytes are at hand already. */
void http_dispatch(struct http_request *r, const struct sb_http_head *h, bool more);
void http_refuse_busy(struct http_request *r);

/* admit.c */
void http_queue_init(struct http_shard *s);
/* Whether there is room for one more request of a route with SB_HTTP_ADMIT. */
bool http_admit(struct http_shard *s);
/* A request that is whole: true when it waits for its turn, or was refused; false: call it now. */
bool http_defer(struct http_request *r);

/* guard.c */
bool http_guard_host(struct http_conn *c, struct sb_str host);
bool http_guard_origin(struct http_conn *c, struct sb_str origin);

/* reply.c */
/* An answer made by the server itself. allow: methods for 405, else 0. */
void http_reply_error(struct http_request *r, int status, const char *message, unsigned allow);
void http_send_continue(struct http_request *r);

/* gzip.c */
/* Unpacks r->body into the arena; not SB_OK: SB_E_LIMIT over size or ratio, SB_E_CORRUPT damaged.
 */
SB_MUST_CHECK sb_err http_gzip_body(struct http_request *r, struct sb_str *out);
/* Whether an Accept-Encoding value takes gzip (RFC 9110 section 12.5.3). */
bool http_gzip_accepted(struct sb_str value);
/* Replaces *body by its compressed form and adds the header, where that makes it smaller. */
void http_gzip_reply(struct http_request *r, const char *content_type, struct sb_str *body);
void http_flush_cork(struct http_conn *c);

#endif

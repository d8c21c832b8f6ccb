/* HTTP client on libcurl, blocking: for threads of their own (registry watcher, proxies), never on
 * a loop. One handle keeps one connection alive and is used by one thread at a time.
 *
 * Only http and https, no redirects, no proxy from the environment, bounded responses: the base URL
 * comes from the configuration, paths from our own code. */
#ifndef SB_ENGINE_FETCH_FETCH_H
#define SB_ENGINE_FETCH_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct sb_fetch;

/* Of the library that is linked and what it uses: "libcurl/7.88.1 OpenSSL/3.0.17 ...". */
const char *sb_fetch_version(void);

/* base_url: "http://host:port" with an optional path prefix. Fails with SB_E_INVALID for another
 * scheme. */
SB_MUST_CHECK sb_err sb_fetch_new(struct sb_fetch **out, const char *base_url,
                                  struct sb_errctx *ctx);
void sb_fetch_free(struct sb_fetch *f);
const char *sb_fetch_base_url(const struct sb_fetch *f);

struct sb_fetch_request {
    const char *method;         /* NULL = GET */
    const char *target;         /* path and query, percent-encoded already: "/api/2.0/..." */
    struct sb_str body;         /* sent when .p is not NULL */
    const char *content_type;   /* of body; NULL = application/json */
    const char *const *headers; /* further ones, "Name: value", NULL-terminated; NULL = none */
    int64_t timeout_ns;         /* for the whole call; 0 = 30 s */
    size_t max_bytes;           /* of the response body; 0 = 16 MiB */
    /* Takes the body piece by piece instead of the buffer; anything but SB_OK ends the transfer.
     * Not called for error statuses, whose body goes to the buffer. May be NULL. */
    sb_err (*sink)(void *arg, const char *p, size_t n);
    void *sink_arg;
};

/* SB_OK whenever a response came, whatever its status. SB_E_UNAVAILABLE: no connection;
 * SB_E_TIMEOUT; SB_E_LIMIT: response over max_bytes; SB_E_CLOSED: stopped. The message names the
 * URL. response may be NULL when its body does not matter. */
SB_MUST_CHECK sb_err sb_fetch_call(struct sb_fetch *f, const struct sb_fetch_request *req,
                                   int *status, struct sb_buf *response, struct sb_errctx *ctx);

/* Content-Type of the newest response, "" when it had none; valid until the next call. */
const char *sb_fetch_content_type(const struct sb_fetch *f);

/* Any thread: the call in progress, and every later one, ends with SB_E_CLOSED within a second. */
void sb_fetch_stop(struct sb_fetch *f);

#endif

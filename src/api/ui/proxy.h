/* Another role's API below a prefix of the dashboard's port, so that pages need one origin only.
 * The role's URL comes from the configuration; a request chooses path and query, never the host. */
#ifndef SB_API_UI_PROXY_H
#define SB_API_UI_PROXY_H

#include "base/err.h"
#include "engine/http/http.h"

struct sb_proxy;

/* name: of its threads, <= 12 characters; prefix: "/api/registry", constant string. */
SB_MUST_CHECK sb_err sb_proxy_new(struct sb_proxy **out, const char *name, const char *prefix,
                                  const char *base_url, struct sb_errctx *ctx);
/* Ends calls in progress. NULL is fine. */
void sb_proxy_free(struct sb_proxy *p);

/* Answers r with what the role answers to the same request without the prefix; 502, 503 or 504 with
 * {"error"} when it does not. Sent on: method, path, query, body, its type, Accept, traceparent and
 * X-... headers. Comes back: status, type and body, under a policy that lets no browser run it. */
void sb_proxy_pass(struct sb_proxy *p, struct sb_http_req *r);

#endif

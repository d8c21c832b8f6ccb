/* From method and path to a route, in one walk over the path's segments.
 *
 * Built once from the const tables, then read-only: any thread. */
#ifndef SB_ENGINE_HTTP_ROUTER_H
#define SB_ENGINE_HTTP_ROUTER_H

#include "engine/http/http.h"

struct sb_http_router;

/* prefixes[i] (constant strings, or NULL) stands before each pattern of table i; NULL = none at
 * all. Patterns are checked: two routes for the same method and path, or more than
 * SB_LIMIT_HTTP_PARAMS parts, are a bug of ours (SB_E_BUG, the message names the pattern). */
SB_MUST_CHECK sb_err sb_http_router_new(struct sb_http_router **out,
                                        const struct sb_http_route *const *tables,
                                        const char *const *prefixes, struct sb_errctx *ctx);
void sb_http_router_free(struct sb_http_router *r);

struct sb_http_match {
    const struct sb_http_route *route; /* NULL when the method has none */
    size_t table;                      /* in which of the tables it stands */
    unsigned allowed;                  /* bit per method that the path has */
    size_t nparams;
    struct sb_str params[SB_LIMIT_HTTP_PARAMS]; /* still percent-encoded */
};

/* false when no pattern matches the path. A literal segment wins over a {param}, which wins over a
 * {rest*}. HEAD takes the GET route when it has none of its own. */
bool sb_http_router_find(const struct sb_http_router *r, enum sb_http_method method,
                         struct sb_str path, struct sb_http_match *out);

#endif

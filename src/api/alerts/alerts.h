/* /api/alerts on the dashboard's port: rules with their state, changes to them, silences,
 * destinations, history. JSON forms: docs/ALERTS.md. State changes need POST, PUT or DELETE, the
 * first two with JSON as content type; Host and Origin are checked by engine/http.
 *
 * What waits for a disk, a destination or a search runs on the pool "alerts". */
#ifndef SB_API_ALERTS_ALERTS_H
#define SB_API_ALERTS_ALERTS_H

#include "engine/http/http.h"
#include "flow/alerts.h"

struct sb_alerts_api;

/* Borrowed for the life of the object. */
struct sb_alerts_api_opts {
    struct sb_alerts *alerts;
    const char *search_url; /* Elasticsearch's protocol, with index audit: for the history */
};

SB_MUST_CHECK sb_err sb_alerts_api_new(struct sb_alerts_api **out,
                                       const struct sb_alerts_api_opts *o, struct sb_errctx *ctx);
/* After the loops have stopped, before sb_alerts_stop. NULL is fine. */
void sb_alerts_api_free(struct sb_alerts_api *a);

/* Table for sb_http_listen whose app (opts.apps) is the struct sb_alerts_api. */
extern const struct sb_http_route sb_alerts_routes[];

#endif

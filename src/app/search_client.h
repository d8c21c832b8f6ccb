/* Asking the search API (docs/SEARCH.md) of the platform that runs on a data folder. */
#ifndef SB_APP_SEARCH_CLIENT_H
#define SB_APP_SEARCH_CLIENT_H

#include "app/config.h"
#include "codec/json.h"
#include "engine/fetch/fetch.h"

struct sb_search_client {
    struct sb_fetch *fetch; /* NULL before the first call */
};
void sb_search_client_fini(struct sb_search_client *s);

/* POST body (JSON) to target, "/predictions/_search"; another method: "DELETE /_pit". The parsed
 * answer in the arena. SB_E_UNAVAILABLE: nothing runs; SB_E_INVALID: a 400, the message is its
 * reason; SB_E_MISSING: a 404; SB_E_STATE: any other status. */
SB_MUST_CHECK sb_err sb_search_client_call(struct sb_search_client *s, struct sb_config *c,
                                           const char *method, const char *target,
                                           struct sb_str body, struct sb_arena *arena,
                                           const struct sb_json **out, struct sb_errctx *ctx);

#endif

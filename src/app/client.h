/* What commands that ask a running platform have in common. */
#ifndef SB_APP_CLIENT_H
#define SB_APP_CLIENT_H

#include "app/cli.h"
#include "codec/json.h"
#include "engine/fetch/fetch.h"

#define SB_CLIENT_URL_OPTION                                                                       \
    { "url", 0, "URL", "Ask this serving, also on another machine, instead of the data folder's." }
#define SB_CLIENT_JSON_OPTION                                                                      \
    { "json", 0, NULL, "Print JSON." }

/* One call to serving: the one that --url names, else the one that runs on the data folder. false,
 * and said with what to do next, when there was no answer. answer is initialised in any case. */
bool sb_client_call(struct sb_cli *cli, const struct sb_fetch_request *request, int *status,
                    struct sb_buf *answer);
/* The same for GET, its answer parsed: it must be one of the two statuses (0 = only one). arena
 * holds text and tree. NULL when it failed, which was said. */
const struct sb_json *sb_client_get(struct sb_cli *cli, const char *target, int status, int status2,
                                    struct sb_arena *arena);

/* JSON text on standard output, safe for a terminal, with a new line. */
void sb_client_print_json(struct sb_str json);

/* Member of an object; empty when it is absent or of another type. */
struct sb_str sb_client_text(const struct sb_json *o, const char *key);

#endif

/* Sample models and sample traffic for `sibyl demo`, from outside: over the same protocols that any
 * client uses. */
#ifndef SB_APP_DEMO_H
#define SB_APP_DEMO_H

#include <stdbool.h>

#include "base/err.h"

struct sb_demo;

struct sb_demo_opts {
    const char *registry_url, *serving_url;
    const char *samples_dir; /* share/samples */
    int per_second; /* predictions; their values drift over a quarter of an hour and back */
};

/* Starts a thread that registers the sample models (once: an existing model of that name is left as
 * it is) and then sends traffic until stopped. It waits for servers that are not up yet. */
SB_MUST_CHECK sb_err sb_demo_start(struct sb_demo **out, const struct sb_demo_opts *o,
                                   struct sb_errctx *ctx);
void sb_demo_stop(struct sb_demo *d);

#endif

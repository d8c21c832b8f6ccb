/* What is live: a version in its role, as requests need it, and MODELS/live.json, from which the
 * next start begins. Inside flow/ only. */
#ifndef SB_FLOW_LIVE_H
#define SB_FLOW_LIVE_H

#include "codec/json.h"
#include "flow/order.h"
#include "flow/shelf.h"
#include "flow/watcher.h"

/* *out is NULL when there is no place. SB_E_INVALID: its privacy rules do not fit. */
SB_MUST_CHECK sb_err sb_live_of(struct sb_live **out, const struct sb_watcher_opts *o,
                                const char *route, int role, const struct sb_place *place,
                                const struct sb_wish *w, struct sb_errctx *ctx);

/* Writes the route table's newest snapshot; any thread. */
struct sb_live_file {
    const struct sb_watcher_opts *o;
    struct sb_mutex lock;
    bool writing, again;
};
void sb_live_file_init(struct sb_live_file *f, const struct sb_watcher_opts *o);
void sb_live_file_fini(struct sb_live_file *f);
/* Returns before the file is written when another thread is writing: that one writes it again.
 * Losing the file costs a look at the registry, so a failure is only logged. */
void sb_live_file_save(struct sb_live_file *f);

/* What the file says of one route, as an order whose versions are on disk; NULL = nothing to open.
 * *at_once: they open without starting workers. */
struct sb_order *sb_live_order(const struct sb_watcher_opts *o, struct sb_arena *a,
                               const struct sb_json *route, bool *at_once);
/* The list of routes in the file, or NULL; a file that cannot be read is logged. */
const struct sb_json *sb_live_file_read(const struct sb_watcher_opts *o, struct sb_arena *a);

#endif

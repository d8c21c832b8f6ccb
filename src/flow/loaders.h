/* Loaders: a few threads that carry out orders, each for another route. Inside flow/ only.
 *
 *            give                    take                      publish
 *   nothing ─────▶ READY ──────────────────────▶ BUSY ────────────────────▶ IDLE
 *                    ▲                            │ a version failed: HELD until its retry
 *                    └── a newer order, or ◀──────┤ an environment is being made: PARKED until
 *                        what it waited for       └ that is through
 *
 * A route is with one loader at a time, and only the newest order counts: one that was overtaken
 * while it was carried out is not published, and what it has loaded is there for the next. What is
 * live, and what a route's loader keeps, is touched by that loader only. */
#ifndef SB_FLOW_LOADERS_H
#define SB_FLOW_LOADERS_H

#include "flow/order.h"
#include "flow/watcher.h"

struct sb_loaders;

/* Clients for o->registry_url are made here. Threads begin with _start. */
SB_MUST_CHECK sb_err sb_loaders_new(struct sb_loaders **out, const struct sb_watcher_opts *o,
                                    struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_loaders_start(struct sb_loaders *l);
/* Ends what is being loaded, and the threads. */
void sb_loaders_stop(struct sb_loaders *l);
void sb_loaders_free(struct sb_loaders *l); /* after _stop; NULL is fine */

/* Before _start: carries it out here and now. Takes over the order. */
void sb_loaders_carry_out(struct sb_loaders *l, const char *route, struct sb_order *order);

/* Any thread. Takes over the order; one like the newest given is dropped. */
void sb_loaders_give(struct sb_loaders *l, const char *route, struct sb_order *order);
/* The registry could not tell what a route should be: noted, and the next order counts anew. */
void sb_loaders_note(struct sb_loaders *l, const char *route, const char *why);
/* The route ends. */
void sb_loaders_remove(struct sb_loaders *l, const char *route);

#endif

/* What the process `platform` says of itself, and what it can be told to do: health, metrics, its
 * indexes and their rebuilding. On the dashboard's port; /metrics also on the registry's. */
#ifndef SB_API_ADMIN_ADMIN_H
#define SB_API_ADMIN_ADMIN_H

#include "engine/http/http.h"
#include "flow/indexer.h"

struct sb_admin;

/* Borrowed for the life of the object. */
struct sb_admin_opts {
    struct sb_indexer *indexer;
    struct sb_metrics *metrics;
    /* Sets the gauges of metrics before they are shown. Any thread. */
    void (*update)(void *arg);
    void *update_arg;
};

struct sb_admin *sb_admin_new(const struct sb_admin_opts *o);
/* After the loops have stopped. NULL is fine. */
void sb_admin_free(struct sb_admin *a);

/* Tables for sb_http_listen whose app (opts.apps) is the struct sb_admin. */
extern const struct sb_http_route sb_admin_routes[];
extern const struct sb_http_route sb_admin_metrics_routes[]; /* /metrics alone */

#endif

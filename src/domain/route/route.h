/* Routes: which model version answers under which name, and the atomic swap of it.
 *
 * The table is a current snapshot that never changes once published. Event loops keep a reference
 * to the newest one in a cache of their own, so that a request costs one relaxed load and no lock.
 * A request holds a reference to the version it started on; a version's memory comes back when the
 * last snapshot and the last request let go of it. */
#ifndef SB_DOMAIN_ROUTE_ROUTE_H
#define SB_DOMAIN_ROUTE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/thread.h"
#include "domain/metric/metric.h"
#include "domain/model/model.h"
#include "domain/route/privacy.h"

enum sb_role { SB_ROLE_PRIMARY, SB_ROLE_SHADOW, SB_ROLE_CANARY };
const char *sb_role_name(enum sb_role r);

/* Outcomes counted per version; the names are those of event statuses. */
enum { SB_OUTCOMES = 5 };

/* A version in its role on a route: the model, and what requests need of it, made once. Immutable.
 */
struct sb_live {
    struct sb_refs refs;
    struct sb_model *model;
    enum sb_role role;
    char *route, *alias;       /* alias "" = none */
    char *policy;              /* why it is live: "alias production", "latest READY version" ... */
    char *dir, *key;           /* its publisher's: where its files lie, and its identity */
    char *event_head;          /* what its events begin with, see domain/event */
    struct sb_str *input_keys; /* per signature input, as JSON: "name": */
    size_t ninputs;
    struct sb_privacy *privacy; /* what of the inputs may be recorded; NULL = all */
    char *privacy_rules;        /* what that was made from */
    /* series of this version */
    struct sb_series *outcomes[SB_OUTCOMES];
    struct sb_series *predict_seconds, *compute_seconds, *event_bytes;
};

struct sb_live_opts {
    enum sb_role role;
    const char *route, *alias, *policy; /* alias NULL = none */
    const char *dir, *key;              /* NULL = "" */
    struct sb_str event_head;
    struct sb_privacy *privacy; /* taken over; NULL = none */
    struct sb_str privacy_rules;
    struct sb_metrics *metrics;
    const char *const *outcome_names; /* SB_OUTCOMES label values */
};
/* Takes over the model's reference; strings are copied. */
struct sb_live *sb_live_new(struct sb_model *model, const struct sb_live_opts *o);
static inline struct sb_live *sb_live_ref(struct sb_live *l) {
    sb_refs_get(&l->refs);
    return l;
}
void sb_live_unref(struct sb_live *l); /* NULL is fine */

struct sb_route {
    char *name;
    struct sb_live *primary; /* NULL while no version could be loaded */
    struct sb_live *shadow;  /* NULL = none */
    char *failure;           /* why the wanted version is not live, or NULL */
    char *failed_version;
    char *shadow_failure;  /* why there is no shadow although one is wanted, or NULL */
    char *pending_version; /* a version that becomes live later, and what it waits for, or NULL */
    char *pending;
};

/* One published state of all routes, sorted by name. */
struct sb_routes {
    struct sb_refs refs;
    size_t n;
    struct sb_route *routes;
};

struct sb_route_table;

struct sb_route_table *sb_route_table_new(void);
/* After the caches are released. */
void sb_route_table_free(struct sb_route_table *t);

/* Any thread. The newest snapshot, referenced; give it back with sb_routes_unref. */
struct sb_routes *sb_route_table_get(struct sb_route_table *t);
void sb_routes_unref(struct sb_routes *r);
/* NULL = no such route. */
const struct sb_route *sb_routes_find(const struct sb_routes *r, struct sb_str name);

/* Any thread. Each publishes a new snapshot. Strings are copied. */

/* What answers from now on; the references are taken over, shadow_failure NULL = none. Earlier
 * failures and what was pending are forgotten. */
void sb_route_table_set(struct sb_route_table *t, const char *name, struct sb_live *primary,
                        struct sb_live *shadow, const char *shadow_failure);
/* Notes why a version did not become live; what is live stays. */
void sb_route_table_fail(struct sb_route_table *t, const char *name, const char *version,
                         const char *why);
/* Notes what a version that shall become live waits for. */
void sb_route_table_pending(struct sb_route_table *t, const char *name, const char *version,
                            const char *what);
void sb_route_table_remove(struct sb_route_table *t, const char *name);

/* A loop's view. Used by its loop thread only. */
struct sb_route_cache {
    struct sb_routes *routes;
    uint64_t generation;
};
/* The newest snapshot, borrowed until the next call. */
const struct sb_routes *sb_route_cache_get(struct sb_route_cache *c, struct sb_route_table *t);
void sb_route_cache_release(struct sb_route_cache *c);

#endif

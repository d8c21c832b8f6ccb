/* What a route should be: made by the watcher's thread from the registry and the configuration,
 * carried out by a loader. Inside flow/ only. */
#ifndef SB_FLOW_ORDER_H
#define SB_FLOW_ORDER_H

#include "domain/route/rules.h"
#include "flow/registry_client.h"

enum { SB_ORDER_PRIMARY, SB_ORDER_SHADOW, SB_ORDER_ROLES };

/* One role of it. */
struct sb_wish {
    struct sb_str model; /* registered model */
    struct sb_remote_version version;
    const char *alias, *policy; /* as in struct sb_choice */
    const char *key;            /* identity of the version; NULL = this role is to be empty */
    const char *dir;            /* its folder when it is known to be there, else NULL */
    const char *absent;         /* why there is none although the configuration names one */
    enum sb_environment environment;
    struct sb_str privacy; /* merged rules (domain/route/privacy.h); empty = all is kept */
};

/* Owns all that it points to. */
struct sb_order {
    struct sb_arena arena;
    struct sb_wish wish[SB_ORDER_ROLES];
    const char *text; /* orders of one route with equal texts are the same */
};

struct sb_order *sb_order_new(void);
void sb_order_free(struct sb_order *o); /* NULL is fine */
/* Copies w, with its strings. */
void sb_order_set(struct sb_order *o, int role, const struct sb_wish *w);
/* Once both roles are set. */
void sb_order_seal(struct sb_order *o);

#endif

/* Which version of a registered model is live, and why.
 *
 *   alias `production` ─ else stage Production ─ else, while no version has the alias `production`
 * or `shadow` or any stage, the newest READY version ("latest").
 *
 * Alias `shadow` names the shadow. With only a shadow named, the newest other READY version is
 * live. A rule of the configuration (domain/route/rules.h) names a version itself instead. */
#ifndef SB_FLOW_POLICY_H
#define SB_FLOW_POLICY_H

#include "domain/route/rules.h"
#include "flow/registry_client.h"

struct sb_choice {
    struct sb_str version; /* empty = none */
    const char *alias;     /* "production", "shadow", or NULL */
    const char *policy;    /* for people: "alias production" */
};

/* What the choice is made from. Views; results are views of it. */
struct sb_choosing {
    const struct sb_remote_model *model;
    const struct sb_remote_version *versions; /* newest first; NULL = not asked for yet */
    size_t n;
};

/* Each returns false when it cannot tell without the list of versions: then ask the registry and
 * try again. */
SB_MUST_CHECK bool sb_policy_primary(const struct sb_choosing *c, struct sb_choice *out);
SB_MUST_CHECK bool sb_policy_named(const struct sb_choosing *c, const struct sb_model_uri *u,
                                   struct sb_arena *a, struct sb_choice *out);
void sb_policy_shadow(const struct sb_choosing *c, struct sb_choice *out);

#endif

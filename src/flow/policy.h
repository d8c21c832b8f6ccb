/* Which version of a registered model is live, and why.
 *
 *   alias `production` ─ else stage Production ─ else, while no version has the alias `production`
 * or `shadow` or any stage, the newest READY version ("latest").
 *
 * Alias `shadow` names the shadow. With only a shadow named, the newest other READY version is
 * live. */
#ifndef SB_FLOW_POLICY_H
#define SB_FLOW_POLICY_H

#include "flow/registry_client.h"

struct sb_choice {
    struct sb_str version; /* empty = none */
    const char *alias;     /* "production", "shadow", or NULL */
    const char *policy;    /* for people: "alias production" */
};

/* True when the choice needs the list of versions (policy latest). */
bool sb_policy_needs_versions(const struct sb_remote_model *m);

/* versions: newest first; may be NULL when sb_policy_needs_versions says false. Views of its
 * inputs. */
void sb_policy_choose(const struct sb_remote_model *m, const struct sb_remote_version *versions,
                      size_t n, struct sb_choice *primary, struct sb_choice *shadow);

#endif

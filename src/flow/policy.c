#include "flow/policy.h"

static struct sb_str alias_version(const struct sb_remote_model *m, const char *alias) {
    for (size_t i = 0; i < m->naliases; i++) {
        if (sb_str_ieq(m->aliases[i].alias, sb_str_of(alias))) return m->aliases[i].version;
    }
    return (struct sb_str){0};
}

static bool has_stage(const struct sb_remote_version *v) {
    return v->stage.n && !sb_str_ieq(v->stage, SB_STR("None"));
}

static struct sb_str production_stage(const struct sb_remote_model *m, bool *any_stage) {
    struct sb_str found = {0};
    *any_stage = false;
    for (size_t i = 0; i < m->nlatest; i++) {
        *any_stage = *any_stage || has_stage(&m->latest[i]);
        if (sb_str_ieq(m->latest[i].stage, SB_STR("Production"))) found = m->latest[i].version;
    }
    return found;
}

bool sb_policy_needs_versions(const struct sb_remote_model *m) {
    bool any_stage;
    struct sb_str staged = production_stage(m, &any_stage);
    return !alias_version(m, "production").n && !staged.n && !any_stage;
}

void sb_policy_choose(const struct sb_remote_model *m, const struct sb_remote_version *versions,
                      size_t n, struct sb_choice *primary, struct sb_choice *shadow) {
    bool any_stage;
    struct sb_str staged = production_stage(m, &any_stage);
    struct sb_str aliased = alias_version(m, "production");
    *shadow = (struct sb_choice){alias_version(m, "shadow"), "shadow", "alias shadow"};
    *primary = (struct sb_choice){0};
    if (aliased.n) {
        *primary = (struct sb_choice){aliased, "production", "alias production"};
    } else if (staged.n) {
        *primary = (struct sb_choice){staged, NULL, "stage Production"};
    } else if (!any_stage) {
        for (size_t i = 0; i < n && !primary->version.n; i++) {
            if (!sb_str_is(versions[i].status, "READY")) continue;
            if (sb_str_eq(versions[i].version, shadow->version)) continue;
            *primary = (struct sb_choice){versions[i].version, NULL, "latest READY version"};
        }
    }
}

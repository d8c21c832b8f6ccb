#include "flow/policy.h"

static struct sb_str alias_version(const struct sb_remote_model *m, struct sb_str alias) {
    for (size_t i = 0; i < m->naliases; i++) {
        if (sb_str_ieq(m->aliases[i].alias, alias)) return m->aliases[i].version;
    }
    return (struct sb_str){0};
}

static bool has_stage(const struct sb_remote_version *v) {
    return v->stage.n && !sb_str_ieq(v->stage, SB_STR("None"));
}

static struct sb_str stage_version(const struct sb_remote_model *m, struct sb_str stage) {
    for (size_t i = 0; i < m->nlatest; i++) {
        if (sb_str_ieq(m->latest[i].stage, stage)) return m->latest[i].version;
    }
    return (struct sb_str){0};
}

static bool any_stage(const struct sb_remote_model *m) {
    bool any = false;
    for (size_t i = 0; i < m->nlatest; i++) any = any || has_stage(&m->latest[i]);
    return any;
}

static int64_t number_of(struct sb_str version) {
    int64_t n;
    return sb_str_to_i64(version, &n) ? n : 0;
}

/* The newest READY version that is not `except`. The listing has the newest of each stage, so the
 * newest of those is the newest of all: mostly that settles it. */
static bool newest_ready(const struct sb_choosing *c, struct sb_str except, struct sb_str *out) {
    const struct sb_remote_version *newest = NULL;
    *out = (struct sb_str){0};
    for (size_t i = 0; i < c->n; i++) {
        if (!sb_str_is(c->versions[i].status, "READY")) continue;
        if (sb_str_eq(c->versions[i].version, except)) continue;
        *out = c->versions[i].version;
        return true;
    }
    if (c->versions) return true;
    for (size_t i = 0; i < c->model->nlatest; i++) {
        const struct sb_remote_version *v = &c->model->latest[i];
        if (!newest || number_of(v->version) > number_of(newest->version)) newest = v;
    }
    if (!newest) return true;
    if (!sb_str_is(newest->status, "READY") || sb_str_eq(newest->version, except)) return false;
    *out = newest->version;
    return true;
}

bool sb_policy_primary(const struct sb_choosing *c, struct sb_choice *out) {
    struct sb_str aliased = alias_version(c->model, SB_STR("production"));
    struct sb_str staged = stage_version(c->model, SB_STR("Production"));
    struct sb_str shadow = alias_version(c->model, SB_STR("shadow")), newest = {0};
    *out = (struct sb_choice){0};
    if (aliased.n) {
        *out = (struct sb_choice){aliased, "production", "alias production"};
    } else if (staged.n) {
        *out = (struct sb_choice){staged, NULL, "stage Production"};
    } else if (!any_stage(c->model)) {
        if (!newest_ready(c, shadow, &newest)) return false;
        if (newest.n) *out = (struct sb_choice){newest, NULL, "latest READY version"};
    }
    return true;
}

void sb_policy_shadow(const struct sb_choosing *c, struct sb_choice *out) {
    *out = (struct sb_choice){alias_version(c->model, SB_STR("shadow")), "shadow", "alias shadow"};
}

bool sb_policy_named(const struct sb_choosing *c, const struct sb_model_uri *u, struct sb_arena *a,
                     struct sb_choice *out) {
    struct sb_choice found = {0};
    switch (u->kind) {
    case SB_MODEL_URI_VERSION: found.version = u->which; break;
    case SB_MODEL_URI_ALIAS:
        found.version = alias_version(c->model, u->which);
        found.alias = sb_arena_dup(a, u->which).p;
        break;
    case SB_MODEL_URI_STAGE: found.version = stage_version(c->model, u->which); break;
    case SB_MODEL_URI_LATEST:
        if (!newest_ready(c, (struct sb_str){0}, &found.version)) return false;
        break;
    case SB_MODEL_URI_NONE: break;
    }
    found.policy = sb_arena_printf(a, "configured: %.*s", SB_ARG(u->text));
    *out = found;
    return true;
}

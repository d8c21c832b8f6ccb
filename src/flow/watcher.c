#include "flow/watcher.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/json.h"
#include "flow/live.h"
#include "flow/loaders.h"
#include "flow/policy.h"
#include "flow/registry_client.h"
#include "flow/versions.h"
#include "sys/file.h"

static const int64_t POLL_NS = SB_SEC;            /* of a registry that cannot push */
static const int64_t WAIT_NS = 20 * SB_SEC;       /* of one that can */
static const int64_t RETRY_FIRST_NS = 2 * SB_SEC; /* after it did not answer for one model ... */
static const int64_t RETRY_LAST_NS = 60 * SB_SEC; /* ... doubling to this */
static const int64_t DOWN_FIRST_NS = 50 * SB_MS;  /* pause after the registry did not answer ... */
static const int64_t DOWN_NS = 2 * SB_SEC;        /* ... doubling to this */
static const int64_t DOWN_TELL_NS = 400 * SB_MS;  /* both start at once: it may just be later */

/* What the watcher knows of one route. */
struct watched {
    char *name;
    char *seen_as; /* what the listing said when its order was given; NULL = ask again */
    int64_t retry_at, retry_after; /* after the registry failed for it; 0 = none */
    bool seen;                     /* in this round */
};

struct sb_watcher {
    struct sb_watcher_opts o;
    struct sb_registry_client *client;
    struct sb_loaders *loaders;
    struct sb_thread thread;
    struct sb_map routes; /* name -> struct watched */
    bool can_push;
    _Atomic bool stop;

    struct sb_mutex lock; /* the connection's state, for describe, and waking the thread */
    struct sb_cond wake;
    bool connected;
    int64_t since_ms;
    char error[SB_ERRMSG_MAX];
};

/* ---- connection state ---- */

static void set_connected(struct sb_watcher *w, bool connected, const char *error) {
    sb_mutex_lock(&w->lock);
    bool changed = !w->since_ms || w->connected != connected;
    if (changed) w->since_ms = sb_wall_ms();
    w->connected = connected;
    snprintf(w->error, sizeof w->error, "%s", error);
    sb_mutex_unlock(&w->lock);
    if (!changed) return;
    if (connected)
        SB_LOG(SB_LOG_INFO, "watcher", "registry connected", SB_KS("url", w->o.registry_url));
    else
        SB_LOG(SB_LOG_WARN, "watcher", "registry unreachable", SB_KS("url", w->o.registry_url),
               SB_KS("error", error), SB_KS("next", "what is live stays live; trying again"));
}

void sb_watcher_describe(void *watcher, struct sb_buf *out) {
    struct sb_watcher *w = watcher;
    struct sb_json_writer j = {.b = out};
    sb_mutex_lock(&w->lock);
    sb_json_obj(&j, NULL);
    sb_json_str(&j, "url", sb_str_of(w->o.registry_url));
    sb_json_str(&j, "state", sb_str_of(w->connected ? "connected" : "unreachable"));
    sb_json_int(&j, "since_ms", w->since_ms);
    if (w->error[0]) sb_json_str(&j, "error", sb_str_of(w->error));
    sb_json_end(&j);
    sb_mutex_unlock(&w->lock);
}

/* Sleeps, but wakes for the stop. */
static void pause_for(struct sb_watcher *w, int64_t ns) {
    int64_t until = sb_mono_ns() + ns;
    sb_mutex_lock(&w->lock);
    while (!w->stop && sb_cond_wait_until(&w->wake, &w->lock, until)) continue;
    sb_mutex_unlock(&w->lock);
}

/* ---- routes ---- */

static void watched_free(void *p) {
    struct watched *w = p;
    sb_free(w->seen_as);
    sb_free(w->name);
    sb_free(w);
}

static struct watched *watched_get(struct sb_watcher *w, struct sb_str name) {
    struct watched *m = sb_map_get(&w->routes, name);
    if (!m) {
        m = sb_calloc(1, sizeof *m);
        m->name = sb_strndup(name.p, name.n);
        sb_map_put(&w->routes, name, m);
    }
    return m;
}

static void set_seen_as(struct watched *m, const char *text) {
    sb_free(m->seen_as);
    m->seen_as = text ? sb_strdup(text) : NULL;
}

/* ---- one round ---- */

struct round {
    struct sb_watcher *w;
    struct sb_arena arena;
    struct sb_errctx *ctx;
    struct sb_map models; /* name -> struct sb_remote_model */
};

/* What one role of a route is made from. */
struct source {
    struct sb_str name;                  /* the registered model's */
    const struct sb_remote_model *model; /* NULL = there is none of that name */
    const struct sb_model_uri *uri;      /* the configuration's, or NULL = by policy */
};

static struct source source_of(struct round *r, struct sb_str name,
                               const struct sb_model_uri *uri) {
    if (uri && uri->kind == SB_MODEL_URI_NONE) uri = NULL;
    if (uri) name = uri->name;
    return (struct source){name, sb_map_get(&r->models, name), uri};
}

/* All that the listing says of a model and that can matter here. Any change of a version or of its
 * stage moves the model's time of update (alone or with the listed versions); aliases and tags,
 * which do not, are listed themselves. */
static const char *as_listed(struct round *r, const struct sb_remote_model *m) {
    if (!m) return "none";
    const char *text =
        sb_arena_printf(&r->arena, "%lld %lld %.*s\n%.*s", (long long)m->created_ms,
                        (long long)m->updated_ms, SB_ARG(m->environment), SB_ARG(m->privacy));
    for (size_t i = 0; i < m->nlatest; i++)
        text = sb_arena_printf(&r->arena, "%s\n%.*s %.*s %.*s %lld %.*s", text,
                               SB_ARG(m->latest[i].version), SB_ARG(m->latest[i].stage),
                               SB_ARG(m->latest[i].status), (long long)m->latest[i].created_ms,
                               SB_ARG(m->latest[i].privacy));
    for (size_t i = 0; i < m->naliases; i++)
        text = sb_arena_printf(&r->arena, "%s\n@%.*s %.*s", text, SB_ARG(m->aliases[i].alias),
                               SB_ARG(m->aliases[i].version));
    return text;
}

static const struct sb_remote_version *find_version(const struct sb_remote_version *list, size_t n,
                                                    struct sb_str version) {
    for (size_t i = 0; i < n; i++)
        if (sb_str_eq(list[i].version, version)) return &list[i];
    return NULL;
}

/* The version a choice names: mostly listed already. */
static sb_err version_of(struct round *r, const struct sb_choosing *c, struct sb_str version,
                         struct sb_remote_version *out) {
    const struct sb_remote_model *m = c->model;
    const struct sb_remote_version *v = find_version(m->latest, m->nlatest, version);
    if (!v) v = find_version(c->versions, c->n, version);
    if (v) {
        *out = *v;
        return SB_OK;
    }
    return sb_registry_version(r->w->client, &r->arena, m->name, version, out, r->ctx);
}

static bool choose(struct round *r, const struct source *s, int role, const struct sb_choosing *c,
                   struct sb_choice *out) {
    if (s->uri) return sb_policy_named(c, s->uri, &r->arena, out);
    if (role == SB_ORDER_PRIMARY) return sb_policy_primary(c, out);
    sb_policy_shadow(c, out);
    return true;
}

static sb_err make_wish(struct round *r, const struct source *s, int role, struct sb_wish *out) {
    struct sb_choosing c = {.model = s->model};
    struct sb_choice choice = {0};
    *out = (struct sb_wish){.model = s->name};
    if (!s->model) {
        if (s->uri)
            out->absent =
                sb_arena_printf(&r->arena, "configured is %.*s, and no model of that name is there",
                                SB_ARG(s->uri->text));
        return SB_OK;
    }
    if (!choose(r, s, role, &c, &choice)) {
        struct sb_remote_version *versions;
        SB_TRY(sb_registry_versions(r->w->client, &r->arena, s->model, &versions, &c.n, r->ctx));
        c.versions = versions;
        bool told = choose(r, s, role, &c, &choice);
        SB_ASSERT(told);
    }
    sb_err err = choice.version.n ? version_of(r, &c, choice.version, &out->version) : SB_OK;
    if (s->uri && (!choice.version.n || err == SB_E_MISSING)) {
        sb_errctx_reset(r->ctx);
        out->absent = sb_arena_printf(&r->arena, "configured is %.*s, and there is no such version",
                                      SB_ARG(s->uri->text));
        return SB_OK;
    }
    if (err || !choice.version.n) return err;
    out->alias = choice.alias;
    out->policy = choice.policy;
    out->key = sb_versions_key(&r->arena, s->name, &out->version);
    return SB_OK;
}

static enum sb_environment environment_of(const struct sb_watcher *w, const struct source *s,
                                          const struct sb_route_rule *rule) {
    if (rule && rule->environment) return rule->environment;
    enum sb_environment tagged =
        s->model ? sb_environment_of(s->model->environment) : SB_ENVIRONMENT_UNSET;
    return tagged ? tagged : w->o.environment;
}

/* Rules that cannot be read are no rules that may be left out: the version is refused. */
static void set_privacy(struct round *r, const struct source *s, const struct sb_route_rule *rule,
                        struct sb_wish *w) {
    struct sb_errctx why = {0};
    struct sb_str texts[] = {rule ? rule->privacy : (struct sb_str){0}, w->version.privacy,
                             s->model ? s->model->privacy : (struct sb_str){0}};
    if (!w->key) return;
    if (sb_privacy_merge(texts, SB_COUNT(texts), &r->arena, &w->privacy, &why) != SB_OK)
        w->absent =
            sb_arena_printf(&r->arena, "version %.*s: %s", SB_ARG(w->version.version), why.msg);
}

static sb_err make_order(struct round *r, const struct sb_route_rule *rule,
                         const struct source source[SB_ORDER_ROLES], struct sb_order **out) {
    struct sb_order *order = sb_order_new();
    sb_err err = SB_OK;
    for (int role = 0; !err && role < SB_ORDER_ROLES; role++) {
        struct sb_wish wish;
        err = make_wish(r, &source[role], role, &wish);
        wish.environment = environment_of(r->w, &source[role], rule);
        if (!err) set_privacy(r, &source[role], rule, &wish);
        if (!err) sb_order_set(order, role, &wish);
    }
    if (err) {
        sb_order_free(order);
        return err;
    }
    sb_order_seal(order);
    *out = order;
    return SB_OK;
}

/* What is wrong with one model is noted there and holds up no other. */
static void note(struct sb_watcher *w, struct watched *m, sb_err err, struct sb_errctx *ctx) {
    set_seen_as(m, NULL);
    m->retry_after = m->retry_after ? m->retry_after * 2 : RETRY_FIRST_NS;
    if (m->retry_after > RETRY_LAST_NS) m->retry_after = RETRY_LAST_NS;
    m->retry_at = sb_mono_ns() + m->retry_after;
    /* missing: deleted since it was listed, which the next round sees */
    if (err != SB_E_MISSING) sb_loaders_note(w->loaders, m->name, sb_errctx_text(ctx, err));
    sb_errctx_reset(ctx);
}

/* An error is the registry's as a whole, and ends the round. */
static sb_err reconcile(struct round *r, struct sb_str name, const struct sb_route_rule *rule) {
    struct sb_watcher *w = r->w;
    struct source source[SB_ORDER_ROLES] = {
        source_of(r, name, rule ? &rule->primary : NULL),
        source_of(r, name, rule ? &rule->shadow : NULL),
    };
    /* a rule for a model that is not there yet */
    if (!source[SB_ORDER_PRIMARY].model && !source[SB_ORDER_PRIMARY].uri) return SB_OK;
    struct watched *m = watched_get(w, name);
    m->seen = true;
    const char *listed = sb_arena_printf(&r->arena, "%s\n\n%s", as_listed(r, source[0].model),
                                         as_listed(r, source[1].model));
    bool same = m->seen_as && strcmp(m->seen_as, listed) == 0;
    if (same || sb_mono_ns() < m->retry_at) return SB_OK;
    struct sb_order *order;
    sb_err err = make_order(r, rule, source, &order);
    if (err && !sb_registry_answered(w->client)) return err;
    if (err) {
        note(w, m, err, r->ctx);
        return SB_OK;
    }
    m->retry_at = m->retry_after = 0;
    set_seen_as(m, listed);
    sb_loaders_give(w->loaders, m->name, order);
    return SB_OK;
}

/* Routes that are no more. */
static void remove_unseen(struct sb_watcher *w) {
    size_t at = 0;
    for (struct sb_map_slot *s; (s = sb_map_next(&w->routes, &at));) {
        struct watched *m = s->value;
        if (m->seen) continue;
        SB_LOG(SB_LOG_INFO, "watcher", "model deleted", SB_KS("model", m->name));
        sb_loaders_remove(w->loaders, m->name);
        sb_map_del(&w->routes, sb_str_of(m->name));
        watched_free(m);
        at = 0; /* deletion moved slots */
    }
}

static sb_err look(struct round *r) {
    struct sb_watcher *w = r->w;
    struct sb_remote_model *models;
    size_t n, at = 0;
    sb_err err = sb_registry_models(w->client, &r->arena, &models, &n, r->ctx);
    if (err) return err;
    for (struct sb_map_slot *s; (s = sb_map_next(&w->routes, &at));)
        ((struct watched *)s->value)->seen = false;
    for (size_t i = 0; i < n; i++) sb_map_put(&r->models, models[i].name, &models[i]);
    for (size_t i = 0; !err && i < n && !w->stop; i++)
        err = reconcile(r, models[i].name, sb_route_rules_find(&w->o.rules, models[i].name));
    for (size_t i = 0; !err && i < w->o.rules.n && !w->stop; i++) {
        const struct sb_route_rule *rule = &w->o.rules.rule[i];
        if (!sb_map_get(&r->models, sb_str_of(rule->name)))
            err = reconcile(r, sb_str_of(rule->name), rule);
    }
    if (!err && !w->stop) remove_unseen(w);
    return err;
}

static sb_err round_of(struct sb_watcher *w, struct sb_errctx *ctx) {
    struct round r = {.w = w, .ctx = ctx};
    sb_arena_init(&r.arena, 256 << 20);
    sb_map_init(&r.models);
    sb_err err = look(&r);
    sb_map_fini(&r.models, NULL);
    sb_arena_fini(&r.arena);
    return err;
}

/* Until the registry changed, or it is time to look again anyway. */
static sb_err wait_for_change(struct sb_watcher *w, int64_t *since, struct sb_errctx *ctx) {
    bool changed;
    if (!w->can_push) {
        pause_for(w, POLL_NS);
        return SB_OK;
    }
    bool retries = false;
    size_t at = 0;
    for (struct sb_map_slot *s; (s = sb_map_next(&w->routes, &at));)
        retries = retries || ((struct watched *)s->value)->retry_at;
    sb_err err =
        sb_registry_wait(w->client, since, retries ? RETRY_FIRST_NS : WAIT_NS, &changed, ctx);
    if (err != SB_E_UNSUPPORTED) return err;
    sb_errctx_reset(ctx);
    w->can_push = false;
    SB_LOG(SB_LOG_INFO, "watcher", "registry is polled", SB_KS("url", w->o.registry_url),
           SB_KS("why", "it has no push of changes"), SB_KI("every_ms", POLL_NS / SB_MS));
    return SB_OK;
}

static void watch(void *arg) {
    struct sb_watcher *w = arg;
    int64_t since = -1, down = DOWN_FIRST_NS;
    while (!w->stop) {
        struct sb_errctx ctx = {0};
        sb_err err = SB_OK;
        bool changed;
        if (w->can_push && since < 0) { /* where we are, before looking: no change falls between */
            since = 0;
            err = sb_registry_wait(w->client, &since, 0, &changed, &ctx);
            if (err == SB_E_UNSUPPORTED) w->can_push = false, err = SB_OK, sb_errctx_reset(&ctx);
        }
        if (!err) err = round_of(w, &ctx);
        if (!err) set_connected(w, true, ""), down = DOWN_FIRST_NS;
        if (!err) err = wait_for_change(w, &since, &ctx);
        if (err && !w->stop) {
            since = -1;
            w->can_push = true; /* it may be another one when it is back */
            if (w->since_ms || down > DOWN_TELL_NS)
                set_connected(w, false, sb_errctx_text(&ctx, err));
            pause_for(w, down);
            down = down * 2 < DOWN_NS ? down * 2 : DOWN_NS;
        }
    }
}

/* ---- what was live last time ---- */

/* Routes whose versions open at once are live before start returns; those that need Python workers
 * are announced (so that nobody is told "ready" too early) and left to the loaders. */
static void restore(struct sb_watcher *w) {
    struct sb_arena a;
    sb_arena_init(&a, 64 << 20);
    const struct sb_json *list = sb_live_file_read(&w->o, &a);
    for (struct sb_json *j = list ? list->child : NULL; j; j = j->next) {
        struct sb_str name = {0};
        bool at_once;
        struct sb_order *order = sb_live_order(&w->o, &a, j, &at_once);
        if (!order) continue;
        sb_json_get_str(j, "name", &name);
        const char *route = watched_get(w, name)->name;
        if (at_once) {
            sb_loaders_carry_out(w->loaders, route, order);
        } else {
            sb_route_table_set(w->o.routes, route, NULL, NULL, NULL);
            sb_loaders_give(w->loaders, route, order);
        }
    }
    sb_arena_fini(&a);
}

/* ---- start ---- */

static void watcher_free(struct sb_watcher *w) {
    sb_loaders_free(w->loaders);
    sb_map_fini(&w->routes, watched_free);
    sb_registry_client_free(w->client);
    sb_cond_fini(&w->wake);
    sb_mutex_fini(&w->lock);
    sb_free(w);
}

sb_err sb_watcher_start(struct sb_watcher **out, const struct sb_watcher_opts *o,
                        struct sb_errctx *ctx) {
    struct sb_watcher *w = sb_calloc(1, sizeof *w);
    w->o = *o;
    w->can_push = true;
    sb_map_init(&w->routes);
    sb_mutex_init(&w->lock);
    sb_cond_init(&w->wake);
    sb_err err = sb_dir_make_all(o->models_dir, ctx);
    if (!err) err = sb_registry_client_new(&w->client, o->registry_url, ctx);
    if (!err) err = sb_loaders_new(&w->loaders, o, ctx);
    if (err) {
        watcher_free(w);
        return err;
    }
    sb_versions_clean(o->models_dir);
    restore(w);
    err = sb_loaders_start(w->loaders);
    if (!err) err = sb_thread_start(&w->thread, "watcher", watch, w);
    if (err) {
        sb_watcher_stop(w);
        return sb_fail(ctx, err, "the watcher's threads could not be started");
    }
    *out = w;
    return SB_OK;
}

void sb_watcher_stop(struct sb_watcher *w) {
    if (!w) return;
    sb_mutex_lock(&w->lock);
    w->stop = true;
    sb_cond_broadcast(&w->wake);
    sb_mutex_unlock(&w->lock);
    sb_registry_client_stop(w->client);
    sb_thread_join(&w->thread);
    sb_loaders_stop(w->loaders);
    watcher_free(w);
}

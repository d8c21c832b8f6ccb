/* MODELS/live.json holds what is live: read at start, replaced at each swap. */
#include "flow/watcher.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "codec/json.h"
#include "domain/event/event.h"
#include "flow/policy.h"
#include "flow/registry_client.h"
#include "flow/versions.h"
#include "sys/file.h"

static const int64_t POLL_NS = SB_SEC;            /* of a registry that cannot push */
static const int64_t WAIT_NS = 20 * SB_SEC;       /* of one that can */
static const int64_t RETRY_FIRST_NS = 2 * SB_SEC; /* after a version failed to load */
static const int64_t RETRY_LAST_NS = 300 * SB_SEC;
static const int64_t DOWN_FIRST_NS = 50 * SB_MS; /* pause after the registry did not answer ... */
static const int64_t DOWN_NS = 2 * SB_SEC;       /* ... doubling to this */
static const int64_t DOWN_TELL_NS = 400 * SB_MS; /* both start at once: it may just be later */

/* What the watcher knows of one model. */
struct watched {
    char *name;
    char *wanted[2]; /* role -> "KEY alias" last acted on; NULL = none */
    struct sb_place live[2];
    char *failed;                  /* what was tried last and failed: both wishes, or an error */
    int64_t retry_at, retry_after; /* after a failure; 0 = none */
    bool seen;                     /* in this round's listing */
};

struct sb_watcher {
    struct sb_watcher_opts o;
    struct sb_registry_client *client;
    struct sb_versions versions;
    struct sb_thread thread;
    struct sb_map models; /* name -> struct watched */
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

/* ---- models ---- */

static void watched_free(void *p) {
    struct watched *m = p;
    for (int role = 0; role < 2; role++) {
        sb_free(m->wanted[role]);
        sb_place_fini(&m->live[role]);
    }
    sb_free(m->failed);
    sb_free(m->name);
    sb_free(m);
}

static struct watched *watched_get(struct sb_watcher *w, struct sb_str name) {
    struct watched *m = sb_map_get(&w->models, name);
    if (!m) {
        m = sb_calloc(1, sizeof *m);
        m->name = sb_strndup(name.p, name.n);
        sb_map_put(&w->models, name, m);
    }
    return m;
}

/* A version that is loaded already, in the other role or in this one, is shared. */
static sb_err obtain(struct sb_watcher *w, struct sb_arena *a, struct watched *m,
                     const struct sb_remote_version *v, const char *key, struct sb_place *p,
                     struct sb_errctx *ctx) {
    for (int role = 0; role < 2; role++) {
        if (!m->live[role].model || strcmp(m->live[role].key, key) != 0) continue;
        *p = sb_place_copy(&m->live[role]);
        return SB_OK;
    }
    return sb_versions_obtain(&w->versions, a, sb_str_of(m->name), v, key, p, ctx);
}

/* ---- publishing ---- */

static struct sb_live *make_live(struct sb_watcher *w, const struct watched *m, int role,
                                 const char *alias, const char *policy) {
    const struct sb_place *p = &m->live[role];
    if (!p->model) return NULL;
    struct sb_buf head;
    sb_buf_init(&head, 1 << 16);
    enum sb_role r = role ? SB_ROLE_SHADOW : SB_ROLE_PRIMARY;
    sb_event_head_write(&head, &(struct sb_event_source_info){
                                   .route = sb_str_of(m->name),
                                   .role = sb_str_of(sb_role_name(r)),
                                   .model = sb_str_of(m->name),
                                   .version = sb_str_of(p->version),
                                   .alias = sb_str_of(alias ? alias : ""),
                                   .run_id = sb_str_of(p->run_id),
                                   .artifact_sha256 = sb_str_of(p->sha256),
                               });
    struct sb_live *l = sb_live_new(sb_model_ref(p->model),
                                    &(struct sb_live_opts){.role = r,
                                                           .route = m->name,
                                                           .alias = alias,
                                                           .policy = policy,
                                                           .event_head = sb_buf_view(&head),
                                                           .metrics = w->o.metrics,
                                                           .outcome_names = w->o.outcome_names});
    sb_buf_fini(&head);
    return l;
}

/* Folders are kept relative to the models folder, so that a data folder can be moved. */
static void write_role(const struct sb_watcher *w, struct sb_json_writer *j, const char *key,
                       const struct sb_place *p, const struct sb_live *l) {
    if (!p->model || !l) return;
    sb_json_obj(j, key);
    sb_json_str(j, "dir", sb_str_of(p->dir + strlen(w->o.models_dir) + 1));
    sb_json_str(j, "key", sb_str_of(p->key));
    sb_json_str(j, "alias", sb_str_of(l->alias));
    sb_json_str(j, "policy", sb_str_of(l->policy));
    sb_json_end(j);
}

/* Keeps what is live for the next start. Losing it costs a download, so a failure is only logged.
 */
static void save_live(struct sb_watcher *w) {
    struct sb_routes *routes = sb_route_table_get(w->o.routes);
    struct sb_buf b;
    sb_buf_init(&b, 16 << 20);
    struct sb_json_writer j = {.b = &b};
    sb_json_obj(&j, NULL);
    sb_json_int(&j, "format", 1);
    sb_json_arr(&j, "models");
    for (size_t i = 0; i < routes->n; i++) {
        const struct sb_route *r = &routes->routes[i];
        const struct watched *m = sb_map_get(&w->models, sb_str_of(r->name));
        if (!m || !m->live[0].model) continue;
        sb_json_obj(&j, NULL);
        sb_json_str(&j, "name", sb_str_of(r->name));
        write_role(w, &j, "primary", &m->live[0], r->primary);
        write_role(w, &j, "shadow", &m->live[1], r->shadow);
        sb_json_end(&j);
    }
    sb_json_end(&j);
    sb_json_end(&j);
    char path[4096];
    snprintf(path, sizeof path, "%s/live.json", w->o.models_dir);
    struct sb_errctx ctx = {0};
    sb_err err = sb_buf_err(&b);
    if (!err) err = sb_file_replace(path, b.p, b.n, &ctx);
    if (err)
        SB_LOG(SB_LOG_WARN, "watcher", "live.json not written", SB_KE(&ctx, err),
               SB_KS("next", "the next start asks the registry first"));
    sb_buf_fini(&b);
    sb_routes_unref(routes);
}

static void count_load(struct sb_watcher *w, const char *model, const char *result) {
    struct sb_str v[] = {sb_str_of(model), sb_str_of(result)};
    sb_series_add(sb_metrics_get(w->o.metrics, SB_METRIC_MODEL_LOADS, v), 1);
}

static void note_failure(struct sb_watcher *w, struct watched *m, struct sb_str version,
                         const struct sb_errctx *ctx, sb_err err) {
    char v[64];
    snprintf(v, sizeof v, "%.*s", SB_ARG(version));
    m->retry_after = m->retry_after ? m->retry_after * 2 : RETRY_FIRST_NS;
    if (m->retry_after > RETRY_LAST_NS) m->retry_after = RETRY_LAST_NS;
    m->retry_at = sb_mono_ns() + m->retry_after;
    count_load(w, m->name, "failed");
    SB_LOG(SB_LOG_ERROR, "watcher", "version could not be loaded", SB_KS("model", m->name),
           SB_KS("version", v), SB_KE(ctx, err),
           SB_KS("next", m->live[0].model ? "the old version stays live" : "nothing is live"));
    sb_route_table_fail(w->o.routes, m->name, v, sb_errctx_text(ctx, err));
}

/* ---- one model ---- */

/* What one role should be, and what is acted on: "KEY alias policy". */
struct wish {
    struct sb_choice choice;
    struct sb_remote_version version;
    char *key, *text;
};

static sb_err make_wish(struct sb_watcher *w, struct sb_arena *a, struct sb_str name,
                        struct sb_choice choice, struct wish *out, struct sb_errctx *ctx) {
    *out = (struct wish){.choice = choice};
    if (!choice.version.n) return SB_OK;
    SB_TRY(sb_registry_version(w->client, a, name, choice.version, &out->version, ctx));
    out->key = sb_versions_key(a, name, &out->version);
    out->text =
        sb_arena_printf(a, "%s %s %s", out->key, choice.alias ? choice.alias : "", choice.policy);
    return SB_OK;
}

static bool same(const char *a, const char *b) {
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* Whether it is too early to try again what failed. Anything else is tried at once. */
static bool held_back(struct watched *m, const char *what) {
    if (m->failed && same(m->failed, what)) return sb_mono_ns() < m->retry_at;
    sb_free(m->failed);
    m->failed = sb_strdup(what);
    m->retry_after = 0;
    return false;
}

static void set_wanted(struct watched *m, int role, const char *text) {
    sb_free(m->wanted[role]);
    m->wanted[role] = text ? sb_strdup(text) : NULL;
}

/* Loads what both roles wish, then publishes both at once. A shadow that fails does not hold back
 * the primary. */
static void act(struct sb_watcher *w, struct sb_arena *a, struct watched *m, struct wish wish[2]) {
    struct sb_place fresh[2] = {0};
    bool failed = false;
    for (int role = 0; role < 2; role++) {
        if (!wish[role].key) continue;
        struct sb_errctx ctx = {0};
        sb_err err = obtain(w, a, m, &wish[role].version, wish[role].key, &fresh[role], &ctx);
        if (!err) continue;
        note_failure(w, m, wish[role].choice.version, &ctx, err);
        failed = true;
        if (role == 0) return; /* the old one stays, as it is */
    }
    bool swapped = !same(m->live[0].key, fresh[0].key) || !same(m->live[1].key, fresh[1].key);
    for (int role = 0; role < 2; role++) {
        sb_place_fini(&m->live[role]);
        m->live[role] = fresh[role];
        if (!failed) set_wanted(m, role, wish[role].text);
    }
    if (!failed) {
        sb_free(m->failed);
        m->failed = NULL;
        m->retry_at = m->retry_after = 0;
    }
    sb_route_table_set(w->o.routes, m->name,
                       make_live(w, m, 0, wish[0].choice.alias, wish[0].choice.policy),
                       make_live(w, m, 1, wish[1].choice.alias, wish[1].choice.policy));
    if (swapped && m->live[0].model) {
        count_load(w, m->name, "ok");
        SB_LOG(SB_LOG_INFO, "watcher", "live", SB_KS("model", m->name),
               SB_KS("version", m->live[0].version), SB_KS("policy", wish[0].choice.policy),
               SB_KS("backend", m->live[0].model->ops->name),
               SB_KS("why", m->live[0].model->info.why ? m->live[0].model->info.why : ""),
               SB_KS("shadow", m->live[1].version ? m->live[1].version : "none"));
    }
    save_live(w);
    sb_versions_prune(&w->versions, a, sb_str_of(m->name), m->live, 2);
}

static sb_err make_wishes(struct sb_watcher *w, struct sb_arena *a,
                          const struct sb_remote_model *rm, struct wish wish[2],
                          struct sb_errctx *ctx) {
    struct sb_remote_version *versions = NULL;
    size_t n = 0;
    if (sb_policy_needs_versions(rm))
        SB_TRY(sb_registry_versions(w->client, a, rm, &versions, &n, ctx));
    struct sb_choice primary, shadow;
    sb_policy_choose(rm, versions, n, &primary, &shadow);
    SB_TRY(make_wish(w, a, rm->name, primary, &wish[0], ctx));
    return make_wish(w, a, rm->name, shadow, &wish[1], ctx);
}

/* An error is the registry's, and ends the round; what is wrong with this one model is noted here
 * and holds up no other. */
static sb_err reconcile(struct sb_watcher *w, struct sb_arena *a, const struct sb_remote_model *rm,
                        struct sb_errctx *ctx) {
    struct watched *m = watched_get(w, rm->name);
    struct wish wish[2];
    m->seen = true;
    sb_err err = make_wishes(w, a, rm, wish, ctx);
    if (err && sb_err_class(err) == SB_CLASS_TRANSIENT) return err;
    if (err) { /* missing: deleted since it was listed, which the next round sees */
        if (err != SB_E_MISSING && !held_back(m, sb_errctx_text(ctx, err)))
            note_failure(w, m, (struct sb_str){0}, ctx, err);
        sb_errctx_reset(ctx);
        return SB_OK;
    }
    bool changed = !same(m->wanted[0], wish[0].text) || !same(m->wanted[1], wish[1].text);
    if (!changed && !m->failed) return SB_OK; /* after a failure: wished back, which clears it */
    const char *what = sb_arena_printf(a, "%s\n%s", wish[0].text ? wish[0].text : "",
                                       wish[1].text ? wish[1].text : "");
    if (!held_back(m, what)) act(w, a, m, wish);
    return SB_OK;
}

/* ---- what was live last time ---- */

static char *folder_of(const struct sb_watcher *w, struct sb_arena *a, struct sb_str dir) {
    return sb_arena_printf(a, "%s/%.*s", w->o.models_dir, SB_ARG(dir));
}

/* A version that was live last time, without asking the registry. */
static void restore_role(struct sb_watcher *w, struct sb_arena *a, struct watched *m, int role,
                         const struct sb_json *o, struct sb_choice *choice) {
    struct sb_str dir = {0}, key = {0}, alias = {0}, policy = {0};
    if (!sb_json_get_str(o, "dir", &dir) || !sb_json_get_str(o, "key", &key) || !dir.n) return;
    sb_json_get_str(o, "alias", &alias);
    sb_json_get_str(o, "policy", &policy);
    struct sb_errctx ctx = {0};
    sb_err err = sb_versions_open(&w->versions, a, folder_of(w, a, dir), sb_arena_dup(a, key).p,
                                  &m->live[role], &ctx);
    if (err) {
        note_failure(w, m, (struct sb_str){0}, &ctx, err);
        return;
    }
    choice->alias = alias.n ? sb_arena_dup(a, alias).p : NULL;
    choice->policy = sb_arena_dup(a, policy).p;
    set_wanted(m, role,
               sb_arena_printf(a, "%.*s %.*s %.*s", SB_ARG(key), SB_ARG(alias), SB_ARG(policy)));
}

/* Whether all of a model's versions in live.json open at once: as native images. */
static bool opens_at_once(struct sb_watcher *w, struct sb_arena *a, const struct sb_json *j) {
    static const char *const roles[] = {"primary", "shadow"};
    for (size_t i = 0; i < SB_COUNT(roles); i++) {
        struct sb_str dir = {0};
        const struct sb_json *o = sb_json_get(j, roles[i]);
        if (!o || !sb_json_get_str(o, "dir", &dir)) continue;
        if (!sb_file_exists(sb_arena_printf(a, "%s/model.img", folder_of(w, a, dir)))) return false;
    }
    return true;
}

static void restore_model(struct sb_watcher *w, struct sb_arena *a, struct sb_str name,
                          const struct sb_json *j) {
    struct watched *m = watched_get(w, name);
    struct sb_choice choice[2] = {{.policy = ""}, {.policy = ""}};
    restore_role(w, a, m, 0, sb_json_get(j, "primary"), &choice[0]);
    restore_role(w, a, m, 1, sb_json_get(j, "shadow"), &choice[1]);
    if (!m->live[0].model) return;
    sb_route_table_set(w->o.routes, m->name, make_live(w, m, 0, choice[0].alias, choice[0].policy),
                       make_live(w, m, 1, choice[1].alias, choice[1].policy));
    SB_LOG(SB_LOG_INFO, "watcher", "live from disk", SB_KS("model", m->name),
           SB_KS("version", m->live[0].version));
}

/* Models whose versions open at once are live before start returns; those that need Python workers
 * are announced (so that nobody is told "ready" too early) and loaded by the thread. */
static void restore(struct sb_watcher *w, bool at_once) {
    struct sb_arena a;
    struct sb_json *o;
    sb_arena_init(&a, 64 << 20);
    char *path = sb_arena_printf(&a, "%s/live.json", w->o.models_dir);
    struct sb_errctx ctx = {0};
    sb_err err = sb_file_exists(path) ? sb_versions_read_json(path, &a, &o, &ctx) : SB_E_MISSING;
    if (err && err != SB_E_MISSING && at_once)
        SB_LOG(SB_LOG_WARN, "watcher", "live.json cannot be read", SB_KS("file", path),
               SB_KE(&ctx, err), SB_KS("next", "the registry is asked what is live"));
    if (!err) {
        const struct sb_json *models = sb_json_get(o, "models");
        for (struct sb_json *j = models ? models->child : NULL; j && !w->stop; j = j->next) {
            struct sb_str name = {0};
            if (!sb_json_get_str(j, "name", &name) || !name.n) continue;
            bool now = opens_at_once(w, &a, j);
            if (now == at_once)
                restore_model(w, &a, name, j);
            else if (at_once)
                sb_route_table_set(w->o.routes, sb_arena_dup(&a, name).p, NULL, NULL);
        }
    }
    sb_arena_fini(&a);
}

/* ---- rounds ---- */

/* Models that the registry no longer has. */
static void remove_unseen(struct sb_watcher *w) {
    size_t at = 0;
    for (struct sb_map_slot *s; (s = sb_map_next(&w->models, &at));) {
        struct watched *m = s->value;
        if (m->seen) continue;
        SB_LOG(SB_LOG_INFO, "watcher", "model deleted", SB_KS("model", m->name));
        sb_route_table_remove(w->o.routes, m->name);
        sb_map_del(&w->models, sb_str_of(m->name));
        watched_free(m);
        save_live(w);
        at = 0; /* deletion moved slots */
    }
}

static sb_err round_of(struct sb_watcher *w, struct sb_errctx *ctx) {
    struct sb_arena a;
    sb_arena_init(&a, 256 << 20);
    struct sb_remote_model *models;
    size_t n;
    size_t at = 0;
    for (struct sb_map_slot *s; (s = sb_map_next(&w->models, &at));)
        ((struct watched *)s->value)->seen = false;
    sb_err err = sb_registry_models(w->client, &a, &models, &n, ctx);
    for (size_t i = 0; !err && i < n && !w->stop; i++) err = reconcile(w, &a, &models[i], ctx);
    if (!err && !w->stop) remove_unseen(w);
    sb_arena_fini(&a);
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
    for (struct sb_map_slot *s; (s = sb_map_next(&w->models, &at));)
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
    restore(w, false);
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

/* ---- start ---- */

static void watcher_free(struct sb_watcher *w) {
    sb_map_fini(&w->models, watched_free);
    sb_registry_client_free(w->client);
    sb_cond_fini(&w->wake);
    sb_mutex_fini(&w->lock);
    sb_free(w);
}

sb_err sb_watcher_start(struct sb_watcher **out, const struct sb_watcher_opts *o,
                        struct sb_errctx *ctx) {
    struct sb_registry_client *client;
    SB_TRY(sb_dir_make_all(o->models_dir, ctx));
    SB_TRY(sb_registry_client_new(&client, o->registry_url, ctx));
    struct sb_watcher *w = sb_calloc(1, sizeof *w);
    w->o = *o;
    w->client = client;
    w->versions = (struct sb_versions){&w->o, client};
    w->can_push = true;
    sb_map_init(&w->models);
    sb_mutex_init(&w->lock);
    sb_cond_init(&w->wake);
    sb_versions_clean(&w->versions);
    restore(w, true);
    sb_err err = sb_thread_start(&w->thread, "watcher", watch, w);
    if (err) {
        watcher_free(w);
        return sb_fail(ctx, err, "the watcher's thread could not be started");
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
    watcher_free(w);
}

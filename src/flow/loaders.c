#include "flow/loaders.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "flow/live.h"
#include "flow/versions.h"

enum {
    LOADERS = 4,     /* a version takes seconds, mostly of waiting for Python or the network */
    RETRIES_MAX = 2, /* of these may be at work on what has failed before */
};
static const int64_t RETRY_FIRST_NS = 2 * SB_SEC;
static const int64_t RETRY_LAST_NS = 300 * SB_SEC;

enum state { IDLE, READY, BUSY, HELD, PARKED };

struct route {
    char *name;
    /* under the lock */
    enum state state;
    bool removed, retrying;
    uint64_t turn;                     /* READY: the smallest is next */
    int64_t retry_at;                  /* HELD */
    char waits_for[SB_ENVIRONMENT_ID]; /* PARKED: an environment, for ... */
    char waiting[64];                  /* ... this version */
    char *given;           /* text of the newest order; NULL = the next one counts in any case */
    struct sb_order *next; /* the newest order, not taken yet */
    struct sb_order *held; /* the one last taken: carried out again when there is no newer one */
    /* its loader's while BUSY */
    struct sb_place *live[SB_ORDER_ROLES];
    struct sb_place *spare[SB_ORDER_ROLES]; /* loaded for an order that was overtaken */
    int64_t retry_after;
};

struct loader {
    struct sb_loaders *all;
    struct sb_versions versions;
    struct sb_thread thread;
};

struct sb_loaders {
    struct sb_watcher_opts o;
    struct sb_shelf *shelf;
    struct sb_environments *environments;
    struct sb_live_file live;
    _Atomic bool stop;
    struct sb_mutex lock;
    struct sb_cond work;
    struct sb_map routes; /* name -> struct route */
    uint64_t turns;
    int retries; /* under way */
    struct loader loader[LOADERS];
};

/* ---- routes ---- */

static struct route *route_get(struct sb_loaders *l, const char *name) {
    struct route *r = sb_map_get(&l->routes, sb_str_of(name));
    if (!r) {
        r = sb_calloc(1, sizeof *r);
        r->name = sb_strdup(name);
        sb_map_put(&l->routes, sb_str_of(name), r);
    }
    return r;
}

static void unref_both(struct sb_place *places[SB_ORDER_ROLES]) {
    for (int role = 0; role < SB_ORDER_ROLES; role++) {
        sb_place_unref(places[role]);
        places[role] = NULL;
    }
}

static void route_free(void *p) {
    struct route *r = p;
    unref_both(r->live);
    unref_both(r->spare);
    sb_order_free(r->next);
    sb_order_free(r->held);
    sb_free(r->given);
    sb_free(r->name);
    sb_free(r);
}

static void set_given(struct route *r, const char *text) {
    sb_free(r->given);
    r->given = text ? sb_strdup(text) : NULL;
}

static void make_ready(struct sb_loaders *l, struct route *r) {
    r->state = READY;
    r->turn = ++l->turns;
    sb_cond_signal(&l->work);
}

/* ---- what is said of an order ---- */

static void count_load(struct sb_loaders *l, const char *model, const char *result) {
    struct sb_str v[] = {sb_str_of(model), sb_str_of(result)};
    sb_series_add(sb_metrics_get(l->o.metrics, SB_METRIC_MODEL_LOADS, v), 1);
}

static void note_failure(struct sb_loaders *l, const struct route *r, struct sb_str version,
                         const char *why) {
    char v[64];
    snprintf(v, sizeof v, "%.*s", SB_ARG(version));
    count_load(l, r->name, "failed");
    SB_LOG(SB_LOG_ERROR, "watcher", "version could not be loaded", SB_KS("model", r->name),
           SB_KS("version", v), SB_KS("error", why),
           SB_KS("next", r->live[0] ? "the old version stays live" : "nothing is live"));
    sb_route_table_fail(l->o.routes, r->name, v, why);
}

static void log_live(const struct route *r, const struct sb_order *o) {
    const struct sb_place *p = r->live[SB_ORDER_PRIMARY], *shadow = r->live[SB_ORDER_SHADOW];
    if (!p) return;
    const char *why = p->model->info.why;
    SB_LOG(SB_LOG_INFO, "watcher", o->wish[0].dir ? "live from disk" : "live",
           SB_KS("model", r->name), SB_KS("version", p->version),
           SB_KS("policy", o->wish[SB_ORDER_PRIMARY].policy), SB_KS("backend", p->model->ops->name),
           SB_KS("why", why ? why : ""), SB_KS("shadow", shadow ? shadow->version : "none"),
           SB_KS("shadow_of_model", shadow ? shadow->name : ""));
}

/* ---- carrying out ---- */

/* What came of an order, besides what was published. */
enum outcome { DONE, RETRY, WAITS };

static bool overtaken(struct sb_loaders *l, const struct route *r) {
    sb_mutex_lock(&l->lock);
    bool yes = r->next || r->removed || l->stop;
    sb_mutex_unlock(&l->lock);
    return yes;
}

/* False, and the failure is noted, when the primary's privacy rules do not fit: then nothing is
 * published. A shadow whose rules do not fit is left out. */
static bool publish(struct sb_loaders *l, struct route *r, const struct sb_order *o,
                    struct sb_place *fresh[SB_ORDER_ROLES], const char *shadow_failure) {
    struct sb_live *live[SB_ORDER_ROLES];
    struct sb_errctx ctx = {0}, shadow_ctx = {0};
    const struct sb_wish *w = o->wish;
    if (sb_live_of(&live[0], &l->o, r->name, 0, fresh[0], &w[0], &ctx) != SB_OK) {
        note_failure(l, r, w[0].version.version, ctx.msg);
        return false;
    }
    if (sb_live_of(&live[1], &l->o, r->name, 1, fresh[1], &w[1], &shadow_ctx) != SB_OK) {
        sb_place_unref(fresh[1]);
        fresh[1] = NULL;
        shadow_failure = shadow_ctx.msg;
    }
    bool swapped = r->live[0] != fresh[0] || r->live[1] != fresh[1];
    sb_route_table_set(l->o.routes, r->name, live[SB_ORDER_PRIMARY], live[SB_ORDER_SHADOW],
                       shadow_failure);
    unref_both(r->live);
    memcpy(r->live, fresh, sizeof r->live);
    if (swapped && r->live[0]) count_load(l, r->name, "ok");
    if (swapped) log_live(r, o);
    if (shadow_failure)
        SB_LOG(SB_LOG_ERROR, "watcher", "shadow not started", SB_KS("model", r->name),
               SB_KS("shadow", shadow_failure), SB_KS("next", "the route goes on without it"));
    sb_live_file_save(&l->live);
    return true;
}

static enum outcome wait_for_environment(struct loader *x, struct route *r,
                                         const struct sb_wish *w) {
    memcpy(r->waits_for, x->versions.load.waits_for, sizeof r->waits_for);
    snprintf(r->waiting, sizeof r->waiting, "%.*s", SB_ARG(w->version.version));
    return WAITS;
}

/* The shadow of a fresh primary. A shadow that fails does not hold back the primary. */
static enum outcome obtain_shadow(struct loader *x, struct sb_arena *a, struct route *r,
                                  const struct sb_wish *w, const struct sb_place *primary,
                                  struct sb_place **out, char failure[2 * SB_ERRMSG_MAX]) {
    struct sb_errctx ctx = {0};
    failure[0] = 0;
    if (w->absent) {
        snprintf(failure, 2 * SB_ERRMSG_MAX, "%s", w->absent);
        return DONE;
    }
    if (!w->key || !primary) return DONE;
    sb_err err = sb_versions_obtain(&x->versions, a, w, primary->model->signature, out, &ctx);
    if (!err) return DONE;
    if (err == SB_E_CLOSED) return RETRY;
    if (err == SB_E_BUSY) return wait_for_environment(x, r, w);
    snprintf(failure, 2 * SB_ERRMSG_MAX, "%.*s version %.*s: %s", SB_ARG(w->model),
             SB_ARG(w->version.version), sb_errctx_text(&ctx, err));
    return err == SB_E_UNSUPPORTED ? DONE : RETRY;
}

/* Loads what both roles wish, then publishes both at once. */
static enum outcome carry_out(struct loader *x, struct route *r, const struct sb_order *o) {
    struct sb_loaders *l = x->all;
    const struct sb_wish *primary = &o->wish[SB_ORDER_PRIMARY], *shadow = &o->wish[SB_ORDER_SHADOW];
    struct sb_place *fresh[SB_ORDER_ROLES] = {0};
    struct sb_arena a;
    struct sb_errctx ctx = {0};
    char shadow_failure[2 * SB_ERRMSG_MAX];
    enum outcome outcome = DONE;
    sb_arena_init(&a, 256 << 20);
    if (primary->absent) {
        note_failure(l, r, primary->version.version, primary->absent);
        goto out;
    }
    if (primary->key) {
        sb_err err = sb_versions_obtain(&x->versions, &a, primary, NULL, &fresh[0], &ctx);
        if (err == SB_E_BUSY) {
            outcome = wait_for_environment(x, r, primary);
        } else if (err) {
            outcome = RETRY;
            if (err != SB_E_CLOSED)
                note_failure(l, r, primary->version.version, sb_errctx_text(&ctx, err));
        }
        if (err) goto out; /* the old ones stay, as they are */
    }
    outcome = obtain_shadow(x, &a, r, shadow, fresh[0], &fresh[1], shadow_failure);
    if (overtaken(l, r)) goto out;
    if (!publish(l, r, o, fresh, shadow_failure[0] ? shadow_failure : NULL)) goto out;
    memset(fresh, 0, sizeof fresh);
    if (primary->model.n) sb_versions_prune(&x->versions, &a, primary->model);
out:
    unref_both(r->spare); /* what an earlier order had loaded */
    memcpy(r->spare, fresh, sizeof r->spare);
    sb_arena_fini(&a);
    return outcome;
}

/* ---- environments that routes wait for ---- */

enum { SHOWN = 16 }; /* routes waiting for one environment whose progress is shown */

struct waiting {
    char *route, version[64];
};

/* The lock is held. */
static bool waits(const struct route *r, const char *id) {
    return r->state == PARKED && strcmp(r->waits_for, id) == 0;
}

static size_t who_waits(struct sb_loaders *l, const char *id, struct waiting out[SHOWN]) {
    size_t n = 0, at = 0;
    sb_mutex_lock(&l->lock);
    for (struct sb_map_slot *s; n < SHOWN && (s = sb_map_next(&l->routes, &at));) {
        const struct route *r = s->value;
        if (!waits(r, id)) continue;
        out[n].route = sb_strdup(r->name);
        memcpy(out[n++].version, r->waiting, sizeof r->waiting);
    }
    sb_mutex_unlock(&l->lock);
    return n;
}

static void show_progress(struct sb_loaders *l, const char *id) {
    struct waiting who[SHOWN];
    struct sb_buf b;
    sb_buf_init(&b, 1024);
    size_t n = sb_environments_progress(l->environments, id, &b) ? who_waits(l, id, who) : 0;
    for (size_t i = 0; i < n; i++) {
        sb_route_table_pending(l->o.routes, who[i].route, who[i].version, sb_buf_cstr(&b));
        sb_mutex_lock(&l->lock);
        const struct route *r = sb_map_get(&l->routes, sb_str_of(who[i].route));
        bool gone = !r, still = r && waits(r, id);
        sb_mutex_unlock(&l->lock);
        if (gone)
            sb_route_table_remove(l->o.routes, who[i].route);
        else if (!still) /* it went on meanwhile, and may have been published before this */
            sb_route_table_pending(l->o.routes, who[i].route, NULL, NULL);
        sb_free(who[i].route);
    }
    sb_buf_fini(&b);
}

/* Also after a build that failed: who asks for it then gets the reason. */
static void on_environment(void *arg, const char *id, bool finished) {
    struct sb_loaders *l = arg;
    size_t at = 0;
    if (!finished) {
        show_progress(l, id);
        return;
    }
    sb_mutex_lock(&l->lock);
    for (struct sb_map_slot *s; (s = sb_map_next(&l->routes, &at));)
        if (waits(s->value, id)) make_ready(l, s->value);
    sb_mutex_unlock(&l->lock);
}

/* ---- the queue ---- */

/* READY, or HELD for long enough; the one whose turn it is. *wake: when the next HELD is due. */
static struct route *next_route(struct sb_loaders *l, int64_t *wake) {
    struct route *best = NULL;
    int64_t now = sb_mono_ns();
    size_t at = 0;
    *wake = INT64_MAX;
    for (struct sb_map_slot *s; (s = sb_map_next(&l->routes, &at));) {
        struct route *r = s->value;
        if (r->state == READY && (!best || best->state == HELD || r->turn < best->turn)) best = r;
        if (r->state != HELD || l->retries >= RETRIES_MAX) continue;
        if (r->retry_at <= now && !best) best = r;
        if (r->retry_at < *wake) *wake = r->retry_at;
    }
    return best;
}

/* Waits for work; NULL at the stop. */
static struct route *take(struct sb_loaders *l) {
    struct route *r = NULL;
    int64_t wake;
    sb_mutex_lock(&l->lock);
    while (!l->stop && !(r = next_route(l, &wake))) {
        if (wake == INT64_MAX)
            sb_cond_wait(&l->work, &l->lock);
        else
            sb_cond_wait_until(&l->work, &l->lock, wake);
    }
    if (l->stop) r = NULL;
    if (r) {
        r->retrying = r->state == HELD;
        l->retries += r->retrying;
        r->state = BUSY;
        if (r->next) {
            sb_order_free(r->held);
            r->held = r->next;
            r->next = NULL;
            r->retry_after = 0;
        }
    }
    sb_mutex_unlock(&l->lock);
    return r;
}

static void hold(struct route *r) {
    r->retry_after = r->retry_after ? r->retry_after * 2 : RETRY_FIRST_NS;
    if (r->retry_after > RETRY_LAST_NS) r->retry_after = RETRY_LAST_NS;
    r->retry_at = sb_mono_ns() + r->retry_after;
    r->state = HELD;
}

/* Whether what a route waits for is still being made; the lock is held. */
static bool must_wait(struct sb_loaders *l, const struct route *r) {
    return sb_environments_progress(l->environments, r->waits_for, NULL);
}

/* The loader lets go of a route. */
static void put_back(struct sb_loaders *l, struct route *r, enum outcome outcome) {
    sb_mutex_lock(&l->lock);
    l->retries -= r->retrying;
    bool removed = r->removed;
    if (removed)
        sb_map_del(&l->routes, sb_str_of(r->name));
    else if (r->next || (outcome == WAITS && !must_wait(l, r)))
        make_ready(l, r);
    else if (outcome == WAITS)
        r->state = PARKED;
    else if (outcome == RETRY)
        hold(r);
    else
        r->state = IDLE;
    bool parked = r->state == PARKED;
    sb_cond_broadcast(&l->work);
    sb_mutex_unlock(&l->lock);
    if (parked) show_progress(l, r->waits_for);
    if (!removed) return;
    /* it may have been published once more since */
    sb_route_table_remove(l->o.routes, r->name);
    sb_live_file_save(&l->live);
    route_free(r);
}

static void loader_main(void *arg) {
    struct loader *x = arg;
    for (struct route *r; (r = take(x->all));) put_back(x->all, r, carry_out(x, r, r->held));
}

/* ---- for the watcher ---- */

void sb_loaders_carry_out(struct sb_loaders *l, const char *route, struct sb_order *order) {
    struct route *r = route_get(l, route);
    r->state = BUSY;
    r->held = order;
    put_back(l, r, carry_out(&l->loader[0], r, order));
}

void sb_loaders_give(struct sb_loaders *l, const char *route, struct sb_order *order) {
    sb_mutex_lock(&l->lock);
    struct route *r = route_get(l, route);
    bool news = !r->given || strcmp(r->given, order->text) != 0;
    r->removed = false;
    if (news) {
        struct sb_order *old = r->next;
        r->next = order;
        order = old;
        set_given(r, r->next->text);
        if (r->state != BUSY) make_ready(l, r);
    }
    sb_mutex_unlock(&l->lock);
    sb_order_free(order);
}

void sb_loaders_note(struct sb_loaders *l, const char *route, const char *why) {
    sb_mutex_lock(&l->lock);
    struct route *r = route_get(l, route);
    set_given(r, NULL);
    sb_mutex_unlock(&l->lock);
    SB_LOG(SB_LOG_ERROR, "watcher", "the registry does not say what should be live",
           SB_KS("model", route), SB_KS("error", why),
           SB_KS("next", "what is live stays; asking again"));
    sb_route_table_fail(l->o.routes, route, "", why);
}

void sb_loaders_remove(struct sb_loaders *l, const char *route) {
    sb_mutex_lock(&l->lock);
    struct route *r = sb_map_get(&l->routes, sb_str_of(route));
    bool busy = r && r->state == BUSY;
    if (busy) { /* its loader sees to the rest */
        r->removed = true;
        set_given(r, NULL);
        sb_order_free(r->next);
        r->next = NULL;
    } else if (r) {
        sb_map_del(&l->routes, sb_str_of(route));
    }
    sb_mutex_unlock(&l->lock);
    sb_route_table_remove(l->o.routes, route);
    sb_live_file_save(&l->live);
    if (r && !busy) route_free(r);
}

/* ---- start and stop ---- */

sb_err sb_loaders_new(struct sb_loaders **out, const struct sb_watcher_opts *o,
                      struct sb_errctx *ctx) {
    struct sb_loaders *l = sb_calloc(1, sizeof *l);
    l->o = *o;
    l->shelf = sb_shelf_new();
    sb_map_init(&l->routes);
    sb_mutex_init(&l->lock);
    sb_cond_init(&l->work);
    sb_live_file_init(&l->live, &l->o);
    sb_err err = sb_environments_new(&l->environments,
                                     &(struct sb_environments_opts){
                                         .dir = o->environments_dir,
                                         .python = o->python,
                                         .script = o->environment_script,
                                         .keep_ms = o->environment_keep_ms,
                                         .stop = &l->stop,
                                         .changed = on_environment,
                                         .arg = l,
                                     },
                                     ctx);
    for (int i = 0; !err && i < LOADERS; i++) {
        struct loader *x = &l->loader[i];
        x->all = l;
        x->versions = (struct sb_versions){
            .load = {.o = &l->o, .stop = &l->stop, .environments = l->environments},
            .shelf = l->shelf};
        err = sb_registry_client_new(&x->versions.client, o->registry_url, ctx);
    }
    if (err) {
        sb_loaders_free(l);
        return err;
    }
    *out = l;
    return SB_OK;
}

sb_err sb_loaders_start(struct sb_loaders *l) {
    for (int i = 0; i < LOADERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "loader-%u", (unsigned)i % LOADERS);
        SB_TRY(sb_thread_start(&l->loader[i].thread, name, loader_main, &l->loader[i]));
    }
    return SB_OK;
}

void sb_loaders_stop(struct sb_loaders *l) {
    sb_mutex_lock(&l->lock);
    l->stop = true;
    sb_cond_broadcast(&l->work);
    sb_mutex_unlock(&l->lock);
    for (int i = 0; i < LOADERS; i++) sb_registry_client_stop(l->loader[i].versions.client);
    for (int i = 0; i < LOADERS; i++) sb_thread_join(&l->loader[i].thread);
}

void sb_loaders_free(struct sb_loaders *l) {
    if (!l) return;
    sb_environments_free(l->environments);
    sb_map_fini(&l->routes, route_free);
    for (int i = 0; i < LOADERS; i++) sb_registry_client_free(l->loader[i].versions.client);
    sb_live_file_fini(&l->live);
    sb_shelf_free(l->shelf);
    sb_cond_fini(&l->work);
    sb_mutex_fini(&l->lock);
    sb_free(l);
}

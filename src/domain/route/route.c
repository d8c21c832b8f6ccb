#include "domain/route/route.h"

#include "base/mem.h"
#include "codec/json.h"

const char *sb_role_name(enum sb_role r) {
    static const char *const names[] = {"primary", "shadow", "canary"};
    return names[r];
}

/* ---- a version in its role ---- */

static struct sb_str json_key(struct sb_str name) {
    struct sb_buf b;
    sb_buf_init(&b, 6 * name.n + 8);
    sb_json_add_string(&b, name);
    sb_buf_addc(&b, ':');
    struct sb_str key;
    key.p = sb_buf_take(&b, &key.n);
    return key;
}

static void live_series(struct sb_live *l, struct sb_metrics *metrics,
                        const char *const *outcome_names) {
    const struct sb_model_info *i = &l->model->info;
    struct sb_str v[] = {
        sb_str_of(i->name), sb_str_of(i->version), sb_str_of(sb_role_name(l->role)), {0}};
    l->predict_seconds = sb_metrics_get(metrics, SB_METRIC_PREDICT_SECONDS, v);
    l->compute_seconds = sb_metrics_get(metrics, SB_METRIC_COMPUTE_SECONDS, v);
    l->event_bytes = sb_metrics_get(metrics, SB_METRIC_EVENT_BYTES, v);
    for (size_t k = 0; k < SB_OUTCOMES; k++) {
        v[3] = sb_str_of(outcome_names[k]);
        l->outcomes[k] = sb_metrics_get(metrics, SB_METRIC_PREDICTIONS, v);
    }
}

struct sb_live *sb_live_new(struct sb_model *model, const struct sb_live_opts *o) {
    struct sb_live *l = sb_calloc(1, sizeof *l);
    sb_refs_init(&l->refs);
    l->model = model;
    l->role = o->role;
    l->route = sb_strdup(o->route);
    l->alias = sb_strdup(o->alias ? o->alias : "");
    l->policy = sb_strdup(o->policy);
    l->dir = sb_strdup(o->dir ? o->dir : "");
    l->key = sb_strdup(o->key ? o->key : "");
    l->event_head = sb_strndup(o->event_head.p, o->event_head.n);
    l->privacy = o->privacy;
    l->privacy_rules = sb_strndup(o->privacy_rules.n ? o->privacy_rules.p : "", o->privacy_rules.n);
    l->ninputs = model->signature->ninputs;
    l->input_keys = sb_calloc(l->ninputs, sizeof *l->input_keys);
    for (size_t i = 0; i < l->ninputs; i++) {
        const char *name = model->signature->inputs[i].name;
        l->input_keys[i] = json_key(sb_str_of(name ? name : ""));
    }
    live_series(l, o->metrics, o->outcome_names);
    return l;
}

void sb_live_unref(struct sb_live *l) {
    if (!l || !sb_refs_put(&l->refs)) return;
    for (size_t i = 0; i < l->ninputs; i++) sb_free((char *)(uintptr_t)l->input_keys[i].p);
    sb_free(l->input_keys);
    sb_free(l->route);
    sb_free(l->alias);
    sb_free(l->policy);
    sb_free(l->dir);
    sb_free(l->key);
    sb_free(l->event_head);
    sb_privacy_free(l->privacy);
    sb_free(l->privacy_rules);
    sb_model_unref(l->model);
    sb_free(l);
}

/* ---- snapshots ---- */

struct sb_route_table {
    struct sb_mutex lock;
    struct sb_routes *current;
    _Atomic uint64_t generation; /* grows with each publication */
};

static struct sb_routes *routes_new(size_t n) {
    struct sb_routes *r = sb_calloc(1, sizeof *r);
    sb_refs_init(&r->refs);
    r->n = n;
    r->routes = sb_calloc(n, sizeof *r->routes);
    return r;
}

static char *dup_or_null(const char *s) {
    return s ? sb_strdup(s) : NULL;
}

static struct sb_live *ref_or_null(struct sb_live *l) {
    return l ? sb_live_ref(l) : NULL;
}

static struct sb_route route_copy(const struct sb_route *r) {
    return (struct sb_route){.name = sb_strdup(r->name),
                             .primary = ref_or_null(r->primary),
                             .shadow = ref_or_null(r->shadow),
                             .failure = dup_or_null(r->failure),
                             .failed_version = dup_or_null(r->failed_version),
                             .shadow_failure = dup_or_null(r->shadow_failure),
                             .pending_version = dup_or_null(r->pending_version),
                             .pending = dup_or_null(r->pending)};
}

static void route_fini(struct sb_route *r) {
    sb_live_unref(r->primary);
    sb_live_unref(r->shadow);
    sb_free(r->name);
    sb_free(r->failure);
    sb_free(r->failed_version);
    sb_free(r->shadow_failure);
    sb_free(r->pending_version);
    sb_free(r->pending);
}

void sb_routes_unref(struct sb_routes *r) {
    if (!r || !sb_refs_put(&r->refs)) return;
    for (size_t i = 0; i < r->n; i++) route_fini(&r->routes[i]);
    sb_free(r->routes);
    sb_free(r);
}

/* Index of name, or where it would stand. */
static size_t position(const struct sb_routes *r, struct sb_str name, bool *found) {
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = sb_str_cmp(sb_str_of(r->routes[mid].name), name);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = false;
    return lo;
}

const struct sb_route *sb_routes_find(const struct sb_routes *r, struct sb_str name) {
    bool found;
    size_t i = position(r, name, &found);
    return found ? &r->routes[i] : NULL;
}

/* ---- the table ---- */

struct sb_route_table *sb_route_table_new(void) {
    struct sb_route_table *t = sb_calloc(1, sizeof *t);
    sb_mutex_init(&t->lock);
    t->current = routes_new(0);
    t->generation = 1;
    return t;
}

void sb_route_table_free(struct sb_route_table *t) {
    if (!t) return;
    sb_routes_unref(t->current);
    sb_mutex_fini(&t->lock);
    sb_free(t);
}

struct sb_routes *sb_route_table_get(struct sb_route_table *t) {
    sb_mutex_lock(&t->lock);
    struct sb_routes *r = t->current;
    sb_refs_get(&r->refs);
    sb_mutex_unlock(&t->lock);
    return r;
}

/* What a publication does to the one route it names. */
struct change {
    enum { CHANGE_SET, CHANGE_FAIL, CHANGE_PENDING, CHANGE_REMOVE } kind;
    struct sb_live *primary, *shadow;
    const char *version, *why;
};

static void replace(char **text, const char *with) {
    sb_free(*text);
    *text = dup_or_null(with);
}

static void apply(struct sb_route *r, const struct change *c) {
    bool pending = c->kind == CHANGE_PENDING, failed = c->kind == CHANGE_FAIL;
    replace(&r->pending, pending ? c->why : NULL);
    replace(&r->pending_version, pending ? c->version : NULL);
    if (pending) return;
    replace(&r->failure, failed ? c->why : NULL);
    replace(&r->failed_version, failed ? c->version : NULL);
    if (failed) return;
    replace(&r->shadow_failure, c->why);
    sb_live_unref(r->primary);
    sb_live_unref(r->shadow);
    r->primary = c->primary;
    r->shadow = c->shadow;
}

static struct sb_routes *changed(const struct sb_routes *old, const char *name,
                                 const struct change *c) {
    bool found;
    size_t at = position(old, sb_str_of(name), &found);
    bool keep = c->kind != CHANGE_REMOVE;
    struct sb_routes *now = routes_new(old->n - found + keep);
    size_t to = 0;
    for (size_t i = 0; i < at; i++) now->routes[to++] = route_copy(&old->routes[i]);
    if (keep) {
        struct sb_route fresh = {.name = (char *)(uintptr_t)name};
        now->routes[to] = route_copy(found ? &old->routes[at] : &fresh);
        apply(&now->routes[to++], c);
    }
    for (size_t i = at + found; i < old->n; i++) now->routes[to++] = route_copy(&old->routes[i]);
    return now;
}

static void publish(struct sb_route_table *t, const char *name, const struct change *c) {
    sb_mutex_lock(&t->lock);
    struct sb_routes *old = t->current;
    t->current = changed(old, name, c);
    t->generation++;
    sb_mutex_unlock(&t->lock);
    sb_routes_unref(old);
}

void sb_route_table_set(struct sb_route_table *t, const char *name, struct sb_live *primary,
                        struct sb_live *shadow, const char *shadow_failure) {
    publish(t, name,
            &(struct change){
                .kind = CHANGE_SET, .primary = primary, .shadow = shadow, .why = shadow_failure});
}

void sb_route_table_fail(struct sb_route_table *t, const char *name, const char *version,
                         const char *why) {
    publish(t, name, &(struct change){.kind = CHANGE_FAIL, .version = version, .why = why});
}

void sb_route_table_pending(struct sb_route_table *t, const char *name, const char *version,
                            const char *what) {
    publish(t, name, &(struct change){.kind = CHANGE_PENDING, .version = version, .why = what});
}

void sb_route_table_remove(struct sb_route_table *t, const char *name) {
    publish(t, name, &(struct change){.kind = CHANGE_REMOVE});
}

/* ---- a loop's view ---- */

const struct sb_routes *sb_route_cache_get(struct sb_route_cache *c, struct sb_route_table *t) {
    uint64_t now = __atomic_load_n((uint64_t *)&t->generation, __ATOMIC_ACQUIRE);
    if (SB_UNLIKELY(c->generation != now)) {
        struct sb_routes *old = c->routes;
        c->routes = sb_route_table_get(t); /* at least as new as `now` */
        c->generation = now;
        sb_routes_unref(old);
    }
    return c->routes;
}

void sb_route_cache_release(struct sb_route_cache *c) {
    sb_routes_unref(c->routes);
    *c = (struct sb_route_cache){0};
}

/* What serving says of itself: /health, /ready, /models, /metrics. */
#include "api/serving/serving_int.h"
#include "base/clock.h"

static void reply_buf(struct sb_http_req *r, int status, const char *type, struct sb_buf *b) {
    if (sb_buf_err(b))
        sb_http_reply(r, 500, NULL, SB_STR("{\"error\":\"answer too large\"}"));
    else
        sb_http_reply(r, status, type, sb_buf_view(b));
    sb_buf_fini(b);
}

/* ---- models ---- */

static void add_optional(struct sb_json_writer *w, const char *key, const char *value) {
    if (value && value[0]) sb_json_str(w, key, sb_str_of(value));
}

static void add_fields(struct sb_json_writer *w, const char *key, const struct sb_field *f,
                       size_t n) {
    sb_json_arr(w, key);
    for (size_t i = 0; i < n; i++) {
        sb_json_obj(w, NULL);
        add_optional(w, "name", f[i].name);
        sb_json_str(w, "type", sb_str_of(sb_dtype_name(f[i].type)));
        if (!f[i].required) sb_json_bool(w, "required", false);
        sb_json_end(w);
    }
    sb_json_end(w);
}

static void add_live(struct sb_json_writer *w, const char *key, const struct sb_live *l) {
    const struct sb_model *m = l->model;
    struct sb_buf detail;
    sb_buf_init(&detail, 1 << 20);
    sb_json_obj(w, key);
    sb_json_str(w, "model", sb_str_of(m->info.name));
    sb_json_str(w, "version", sb_str_of(m->info.version));
    add_optional(w, "alias", l->alias);
    sb_json_str(w, "policy", sb_str_of(l->policy));
    sb_json_str(w, "backend", sb_str_of(m->ops->name));
    add_optional(w, "why", m->info.why);
    add_optional(w, "flavor", m->info.flavor);
    add_optional(w, "class", m->info.class_name);
    add_optional(w, "run_id", m->info.run_id);
    add_optional(w, "artifact_sha256", m->info.artifact_sha256);
    sb_json_int(w, "loaded_ms", m->info.loaded_ms);
    sb_json_int(w, "memory_bytes", (int64_t)m->ops->memory(m->self));
    m->ops->describe(m->self, &detail);
    if (detail.n && !sb_buf_err(&detail)) sb_json_raw(w, "detail", sb_buf_view(&detail));
    add_fields(w, "inputs", m->signature->inputs, m->signature->ninputs);
    add_fields(w, "outputs", m->signature->outputs, m->signature->noutputs);
    sb_json_end(w);
    sb_buf_fini(&detail);
}

static void add_routes(struct sb_json_writer *w, const struct sb_routes *routes) {
    sb_json_arr(w, "models");
    for (size_t i = 0; i < routes->n; i++) {
        const struct sb_route *r = &routes->routes[i];
        sb_json_obj(w, NULL);
        sb_json_str(w, "name", sb_str_of(r->name));
        if (r->primary) add_live(w, "live", r->primary);
        if (r->shadow) add_live(w, "shadow", r->shadow);
        add_optional(w, "failed_version", r->failed_version);
        add_optional(w, "failure", r->failure);
        add_optional(w, "shadow_failure", r->shadow_failure);
        add_optional(w, "pending_version", r->pending_version);
        add_optional(w, "pending", r->pending);
        sb_json_end(w);
    }
    sb_json_end(w);
}

void sb_serving_models(struct sb_http_req *r) {
    struct sb_serving *s = r->app;
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    add_routes(&w, sb_route_cache_get(&sb_lane_of(s, r->loop)->cache, s->o.routes));
    sb_json_end(&w);
    reply_buf(r, 200, NULL, &b);
}

/* ---- health ---- */

enum state { HEALTHY, DEGRADED, UNAVAILABLE };
static const char *const state_names[] = {"healthy", "degraded", "unavailable"};

/* *why is the first reason found. */
static enum state state_of(const struct sb_routes *routes, const struct sb_journal_stats *j,
                           bool dead, const char **why) {
    if (dead) return *why = "the journal's disk failed", UNAVAILABLE;
    if (j->nospace_since_ms) return *why = "the journal's disk is full", UNAVAILABLE;
    for (size_t i = 0; i < routes->n; i++) {
        if (!routes->routes[i].primary) return *why = "a model has no live version", DEGRADED;
        if (routes->routes[i].failure)
            return *why = "a newer version could not be loaded", DEGRADED;
        if (routes->routes[i].shadow_failure)
            return *why = "a shadow could not be started", DEGRADED;
    }
    return HEALTHY;
}

static void add_journal(struct sb_json_writer *w, const struct sb_serving *s,
                        const struct sb_journal_stats *j, bool dead) {
    sb_json_obj(w, "journal");
    sb_json_str(w, "durability", sb_str_of(s->o.durability));
    sb_json_bool(w, "writable", !dead && !j->nospace_since_ms);
    if (j->nospace_since_ms) sb_json_int(w, "no_space_since_ms", j->nospace_since_ms);
    sb_json_int(w, "first_offset", j->first_offset);
    sb_json_int(w, "next_offset", j->next_offset);
    sb_json_int(w, "disk_bytes", (int64_t)j->disk_bytes);
    if (j->quarantined) sb_json_int(w, "quarantined_ranges", (int64_t)j->quarantined);
    sb_json_end(w);
}

void sb_serving_health(struct sb_http_req *r) {
    struct sb_serving *s = r->app;
    const struct sb_routes *routes =
        sb_route_cache_get(&sb_lane_of(s, r->loop)->cache, s->o.routes);
    struct sb_journal_stats j;
    sb_journal_stats_get(s->o.journal, &j);
    bool dead = sb_journal_dead(s->o.journal);
    const char *why = NULL;
    enum state state = state_of(routes, &j, dead, &why);
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "status", sb_str_of(state_names[state]));
    add_optional(&w, "reason", why);
    sb_json_int(&w, "uptime_ms", sb_wall_ms() - s->started_ms);
    add_journal(&w, s, &j, dead);
    if (s->o.describe_registry) {
        struct sb_buf reg;
        sb_buf_init(&reg, 1 << 16);
        s->o.describe_registry(s->o.describe_arg, &reg);
        if (!sb_buf_err(&reg)) sb_json_raw(&w, "registry", sb_buf_view(&reg));
        sb_buf_fini(&reg);
    }
    add_routes(&w, routes);
    sb_json_end(&w);
    reply_buf(r, state == UNAVAILABLE ? 503 : 200, NULL, &b);
}

bool sb_serving_is_ready(struct sb_serving *s, const struct sb_loop *loop, const char **why) {
    const struct sb_routes *routes = sb_route_cache_get(&sb_lane_of(s, loop)->cache, s->o.routes);
    struct sb_journal_stats j;
    sb_journal_stats_get(s->o.journal, &j);
    *why = "not ready";
    enum state state = state_of(routes, &j, sb_journal_dead(s->o.journal), why);
    bool ready = state != UNAVAILABLE;
    for (size_t i = 0; i < routes->n; i++) ready = ready && routes->routes[i].primary;
    return ready;
}

void sb_serving_ready(struct sb_http_req *r) {
    const char *why;
    if (sb_serving_is_ready(r->app, r->loop, &why))
        sb_http_reply(r, 200, "text/plain; charset=utf-8", SB_STR("ready\n"));
    else
        sb_http_reply(r, 503, "text/plain; charset=utf-8", sb_str_of(why));
}

/* ---- metrics ---- */

static struct sb_series *topic_series(struct sb_serving *s, enum sb_metric_id id) {
    return sb_metrics_get(s->o.metrics, id, &SB_STR("predictions"));
}

static void update_journal(struct sb_serving *s) {
    struct sb_journal_stats j;
    sb_journal_stats_get(s->o.journal, &j);
    sb_series_set(topic_series(s, SB_METRIC_JOURNAL_RECORDS), (int64_t)j.records);
    sb_series_set(topic_series(s, SB_METRIC_JOURNAL_BYTES), (int64_t)j.bytes);
    sb_series_set(topic_series(s, SB_METRIC_JOURNAL_SYNCS), (int64_t)j.syncs);
    sb_series_set(topic_series(s, SB_METRIC_JOURNAL_SYNC_SECONDS), (int64_t)j.sync_ns_total);
    sb_series_set(topic_series(s, SB_METRIC_JOURNAL_DISK), (int64_t)j.disk_bytes);
    sb_series_set(topic_series(s, SB_METRIC_JOURNAL_NEXT), j.next_offset);
    sb_series_set(topic_series(s, SB_METRIC_JOURNAL_QUARANTINED), (int64_t)j.quarantined);
    sb_series_set(topic_series(s, SB_METRIC_JOURNAL_WRITABLE),
                  !sb_journal_dead(s->o.journal) && !j.nospace_since_ms);
}

static void set_live(struct sb_serving *s, const struct sb_live *l) {
    const struct sb_model_info *i = &l->model->info;
    struct sb_str v[] = {sb_str_of(i->name), sb_str_of(i->version),
                         sb_str_of(sb_role_name(l->role)), sb_str_of(l->model->ops->name)};
    sb_series_set(sb_metrics_get(s->o.metrics, SB_METRIC_MODEL_LIVE, v), 1);
    sb_series_set(sb_metrics_get(s->o.metrics, SB_METRIC_MODEL_MEMORY, v),
                  (int64_t)l->model->ops->memory(l->model->self));
    if (l->model->ops->restarts)
        sb_series_set(sb_metrics_get(s->o.metrics, SB_METRIC_WORKER_RESTARTS, v),
                      l->model->ops->restarts(l->model->self));
    if (!l->model->ops->cpu_ns) return;
    /* A worker that ended takes its time with it: what was said before stays until it is passed. */
    struct sb_series *cpu = sb_metrics_get(s->o.metrics, SB_METRIC_MODEL_CPU, v);
    int64_t ns = l->model->ops->cpu_ns(l->model->self);
    if (ns > sb_series_value(cpu)) sb_series_set(cpu, ns);
}

static void update_http(struct sb_serving *s) {
    if (!s->http) return;
    struct sb_http_stats h;
    sb_http_stats_get(s->http, &h);
    struct sb_str v[] = {SB_STR("serving"), SB_STR("busy")};
    sb_series_set(sb_metrics_get(s->o.metrics, SB_METRIC_HTTP_OPEN, v), (int64_t)h.open);
    sb_series_set(sb_metrics_get(s->o.metrics, SB_METRIC_HTTP_REFUSED, v), (int64_t)h.refused_busy);
    v[1] = SB_STR("malformed");
    sb_series_set(sb_metrics_get(s->o.metrics, SB_METRIC_HTTP_REFUSED, v), (int64_t)h.bad_requests);
    v[1] = SB_STR("timeout");
    sb_series_set(sb_metrics_get(s->o.metrics, SB_METRIC_HTTP_REFUSED, v), (int64_t)h.timeouts);
}

void sb_serving_metrics(struct sb_http_req *r) {
    struct sb_serving *s = r->app;
    const struct sb_routes *routes =
        sb_route_cache_get(&sb_lane_of(s, r->loop)->cache, s->o.routes);
    sb_metrics_clear(s->o.metrics, SB_METRIC_MODEL_LIVE);
    sb_metrics_clear(s->o.metrics, SB_METRIC_MODEL_MEMORY);
    for (size_t i = 0; i < routes->n; i++) {
        if (routes->routes[i].primary) set_live(s, routes->routes[i].primary);
        if (routes->routes[i].shadow) set_live(s, routes->routes[i].shadow);
    }
    update_journal(s);
    update_http(s);
    sb_metrics_update_process(s->o.metrics);
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    sb_metrics_write(s->o.metrics, &b);
    reply_buf(r, 200, "text/plain; version=0.0.4; charset=utf-8", &b);
}

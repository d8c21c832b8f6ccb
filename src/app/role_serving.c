/* The process `serving`: predictions, the journal's only writer, the registry watcher. */
#include "api/serving/serving.h"

#include <stdio.h>

#include "app/daemon.h"
#include "app/datadir.h"
#include "app/home.h"
#include "app/version.h"
#include "base/mem.h"
#include "domain/event/event.h"
#include "domain/metric/metric.h"
#include "domain/route/route.h"
#include "domain/worker/parquet.h"
#include "domain/worker/worker.h"
#include "engine/http/http.h"
#include "engine/journal/journal.h"
#include "flow/watcher.h"
#include "loop/pool.h"
#include "sys/file.h"
#include "sys/process.h"

enum { COMPUTE_QUEUE = 256, LOOPS_MAX = 64, PRIVACY_KEY_MAX = 64 << 10 };

#define HEALTH_NS       (100 * SB_MS) /* how soon a dead journal is noticed */
#define WORKERS_STOP_NS (1 * SB_SEC)

struct serving {
    struct sb_daemon *daemon;
    struct sb_metrics *metrics;
    struct sb_route_table *routes;
    struct sb_journal *journal;
    struct sb_pool *compute;
    struct sb_loop *loops[LOOPS_MAX];
    size_t nloops, started; /* loops made; loops whose thread runs */
    struct sb_loop *worker_loop;
    bool worker_loop_runs;
    struct sb_watcher *watcher;
    struct sb_parquet *parquet;
    struct sb_serving *api;
    struct sb_http_server *http;
    struct sb_timer health;
    char node[256];
    struct sb_buf privacy_key;
};

static void on_health(struct sb_timer *t) {
    struct serving *s = SB_CONTAINER(t, struct serving, health);
    if (sb_journal_dead(s->journal))
        sb_daemon_fail(s->daemon, "the disk under the journal failed; recovery re-reads it");
}

static sb_err open_journal(struct serving *s, struct sb_errctx *ctx) {
    const struct sb_config *c = s->daemon->config;
    struct sb_journal_opts o = {.segment_bytes = (uint32_t)c->journal_segment_size,
                                .retain_bytes = c->journal_retain_size,
                                .retain_ms = c->journal_retain_time / SB_MS,
                                .seal_compress = true,
                                .seal_when_calm = true};
    const char *dir = sb_datadir_path(s->daemon->arena, c->data, SB_DATADIR_PREDICTIONS);
    return sb_journal_open(&s->journal, dir, &o, ctx);
}

static sb_err start_loops(struct serving *s) {
    SB_TRY(sb_loop_new(&s->worker_loop, "workers"));
    SB_TRY(sb_loop_start(s->worker_loop));
    s->worker_loop_runs = true;
    for (size_t n = (size_t)s->daemon->config->serving_threads; s->nloops < n; s->nloops++) {
        char name[16];
        snprintf(name, sizeof name, "http-%zu", s->nloops % LOOPS_MAX);
        SB_TRY(sb_loop_new(&s->loops[s->nloops], name));
    }
    return sb_pool_new(&s->compute, "compute", (int)s->nloops, COMPUTE_QUEUE);
}

/* All of the file's bytes but white space at its ends. */
static sb_err read_privacy_key(struct serving *s, struct sb_errctx *ctx) {
    const char *path = s->daemon->config->privacy_key_file;
    sb_buf_init(&s->privacy_key, PRIVACY_KEY_MAX);
    if (!path[0]) return SB_OK;
    SB_TRY(sb_file_read_all(path, &s->privacy_key, ctx));
    struct sb_str key = sb_str_trim(sb_buf_view(&s->privacy_key));
    sb_buf_consume(&s->privacy_key, (size_t)(key.p - s->privacy_key.p));
    s->privacy_key.n = key.n;
    if (key.n >= SB_PRIVACY_KEY_MIN) return SB_OK;
    return sb_fail(ctx, SB_E_INVALID, "privacy.key_file %s: a key has at least %d bytes", path,
                   SB_PRIVACY_KEY_MIN);
}

static sb_err start_watcher(struct serving *s, struct sb_errctx *ctx) {
    const struct sb_config *c = s->daemon->config;
    struct sb_arena *a = s->daemon->arena;
    SB_TRY(read_privacy_key(s, ctx));
    struct sb_watcher_opts o = {
        .registry_url = c->registry_url,
        .models_dir = sb_datadir_path(a, c->data, SB_DATADIR_MODELS),
        .program = "/proc/self/exe",
        .program_version = SB_VERSION,
        .python = c->python,
        .worker_script = sb_home_path(a, c, "python/sibyl_worker.py"),
        .workers = (int)c->worker_processes,
        .worker_memory = c->worker_memory,
        .worker_start_ns = c->worker_start_timeout,
        .worker_max_rows = (size_t)c->worker_max_rows,
        .worker_max_bytes = (size_t)c->worker_max_bytes,
        .worker_loop = s->worker_loop,
        .environments_dir = sb_datadir_path(a, c->data, SB_DATADIR_ENVIRONMENTS),
        .environment_script = sb_home_path(a, c, "python/sibyl_environment.py"),
        .environment_keep_ms = c->worker_environment_keep / SB_MS,
        .environment = sb_environment_of(sb_str_of(c->worker_environment)),
        .rules = c->routes,
        .privacy_key = sb_buf_view(&s->privacy_key),
        .routes = s->routes,
        .metrics = s->metrics,
        .outcome_names = sb_serving_outcomes};
    return sb_watcher_start(&s->watcher, &o, ctx);
}

static sb_err start_api(struct serving *s, struct sb_errctx *ctx) {
    const struct sb_config *c = s->daemon->config;
    static const struct sb_http_route *const tables[] = {sb_serving_routes, NULL};
    sb_process_host_name(s->node, sizeof s->node);
    s->parquet = sb_parquet_new(&(struct sb_parquet_opts){
        .loop = s->worker_loop,
        .python = c->python,
        .script = sb_home_path(s->daemon->arena, c, "python/sibyl_parquet.py"),
        .memory = c->worker_memory,
        .start_timeout_ns = c->worker_start_timeout});
    struct sb_journal_stats st;
    sb_journal_stats_get(s->journal, &st);
    struct sb_serving_opts o = {
        .loops = s->loops,
        .nloops = s->nloops,
        .journal = s->journal,
        .journal_dir = sb_datadir_path(s->daemon->arena, c->data, SB_DATADIR_PREDICTIONS),
        .seq_first = sb_event_seq_first(st.generation),
        .idempotency_window_ms = c->serving_idempotency_window / SB_MS,
        .routes = s->routes,
        .metrics = s->metrics,
        .compute = s->compute,
        .parquet = s->parquet,
        .default_route = c->serving_default_model,
        .node = s->node,
        .durability = "fsync",
        .version = SB_VERSION,
        .describe_registry = sb_watcher_describe,
        .describe_arg = s->watcher};
    SB_TRY(sb_serving_new(&s->api, &o, ctx));
    struct sb_http_opts h = {.name = "serving",
                             .host = c->serving_listen.host,
                             .port = c->serving_listen.port,
                             .tables = tables,
                             .hosts = c->allowed_hosts,
                             .app = s->api,
                             .body_max = (size_t)c->serving_max_body,
                             .timeout_ns = c->serving_timeout,
                             .queue_target_ns = c->serving_queue_target,
                             .has_room = sb_serving_has_room,
                             .error_body = sb_serving_error_body,
                             .on_done = sb_serving_on_done,
                             .on_refused = sb_serving_on_refused};
    SB_TRY(sb_http_listen(&s->http, &h, s->loops, s->nloops, ctx));
    sb_serving_set_server(s->api, s->http);
    for (; s->started < s->nloops; s->started++) SB_TRY(sb_loop_start(s->loops[s->started]));
    return SB_OK;
}

static void serving_drain(struct sb_daemon *d) {
    struct serving *s = d->self;
    sb_http_drain(s->http);
}

static int serving_in_flight(struct sb_daemon *d) {
    struct serving *s = d->self;
    return sb_http_in_flight(s->http);
}

/* Models end their workers when the last reference goes; the loop that owns them waits for it. */
static void stop_workers(struct serving *s) {
    int64_t until = sb_mono_ns() + WORKERS_STOP_NS;
    while (sb_worker_pools_alive() && sb_mono_ns() < until) sb_sleep_ns(2 * SB_MS);
    if (s->worker_loop_runs) {
        sb_loop_stop(s->worker_loop);
        sb_loop_join(s->worker_loop);
    }
    sb_loop_free(s->worker_loop);
}

static void serving_stop(struct sb_daemon *d) {
    struct serving *s = d->self;
    sb_timer_stop(&s->health);
    for (size_t i = 0; i < s->started; i++) sb_loop_stop(s->loops[i]);
    for (size_t i = 0; i < s->started; i++) sb_loop_join(s->loops[i]);
    sb_parquet_free(s->parquet);
    sb_pool_free(s->compute);
    if (s->journal) sb_journal_close(s->journal);
    /* All that was answered is on disk and closed; a model that is just being loaded may take the
     * watcher longer than the supervisor waits. */
    sb_http_free(s->http);
    sb_serving_free(s->api);
    if (s->watcher) sb_watcher_stop(s->watcher);
    for (size_t i = 0; i < s->nloops; i++) sb_loop_free(s->loops[i]);
    sb_route_table_free(s->routes);
    stop_workers(s);
    sb_metrics_free(s->metrics);
    if (s->privacy_key.p) sb_wipe(s->privacy_key.p, s->privacy_key.cap);
    sb_buf_fini(&s->privacy_key);
    sb_free(s);
}

static sb_err start_all(struct serving *s, struct sb_errctx *ctx) {
    SB_TRY(open_journal(s, ctx));
    SB_TRY(start_loops(s));
    SB_TRY(start_watcher(s, ctx));
    SB_TRY(start_api(s, ctx));
    struct sb_daemon *d = s->daemon;
    sb_daemon_serves(d, "serving", d->config->serving_listen.host, sb_http_port(s->http));
    s->health.fn = on_health;
    sb_timer_start(&s->health, d->main, HEALTH_NS, HEALTH_NS);
    return SB_OK;
}

static sb_err serving_start(struct sb_daemon *d, struct sb_errctx *ctx) {
    struct serving *s = sb_calloc(1, sizeof *s);
    s->daemon = d;
    d->self = s;
    s->metrics = sb_metrics_new();
    s->routes = sb_route_table_new();
    sb_err err = start_all(s, ctx);
    if (err) serving_stop(d);
    return err;
}

const struct sb_daemon_ops sb_role_serving = {
    .name = "serving",
    .start = serving_start,
    .drain = serving_drain,
    .in_flight = serving_in_flight,
    .stop = serving_stop,
};

/* The api's life, and a request's way: loop -> pool (run) -> loop (reply). */
#include "api/search/api_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "codec/hex.h"

enum {
    THREADS = 2,
    QUEUE_MAX = 100,       /* requests waiting for a thread */
    ARENA_MAX = 256 << 20, /* results and answers' parts */
    ANSWER_MAX = 128 << 20,
};
#define TIMEOUT_NS (30 * SB_SEC)
#define CPU_NS     (2 * SB_SEC)

/* ---- routes ---- */

/*    method   pattern                       run             doc */
#define ROUTES(X)                                                                                  \
    X(GET, "/", run_root, "Name and version; HEAD: whether the server is up")                      \
    X(GET, "/_cluster/health", run_health, "Always green; wait_for_status is fulfilled at once")   \
    X(GET, "/_cluster/health/{index}", run_health, "The same")                                     \
    X(GET, "/_cat/indices", run_cat_indices, "Indexes as a table; v, h, format=json")              \
    X(GET, "/_cat/indices/{index}", run_cat_indices, "The same, of some")                          \
    X(GET, "/_cat/health", run_cat_health, "Health as a table")                                    \
    X(GET, "/_cat/count", run_cat_count, "Documents of all indexes")                               \
    X(GET, "/_cat/count/{index}", run_cat_count, "Documents of some indexes")                      \
    X(GET, "/_nodes", run_nodes, "The one node")                                                   \
    X(GET, "/_nodes/http", run_nodes, "The same, with its address")                                \
    X(GET, "/_license", run_license, "basic, active")                                              \
    X(GET, "/_stats", run_stats, "Documents and bytes of each index")                              \
    X(GET, "/{index}/_stats", run_stats, "The same, of some")                                      \
    X(GET, "/_mapping", run_mapping, "Fields and types of all indexes")                            \
    X(GET, "/{index}/_mapping", run_mapping, "The same, of some")                                  \
    X(GET, "/_settings", run_settings, "Settings of all indexes")                                  \
    X(GET, "/{index}/_settings", run_settings, "The same, of some")                                \
    X(GET, "/_alias", run_aliases, "Aliases: there are none")                                      \
    X(GET, "/{index}/_alias", run_aliases, "The same, of some")                                    \
    X(GET, "/_field_caps", run_field_caps, "Fields with what they can do, by ?fields=")            \
    X(POST, "/_field_caps", run_field_caps, "The same")                                            \
    X(GET, "/{index}/_field_caps", run_field_caps, "The same, of some indexes")                    \
    X(POST, "/{index}/_field_caps", run_field_caps, "The same")                                    \
    X(GET, "/_resolve/index/{index}", run_resolve, "Which indexes an expression names")            \
    X(GET, "/{index}", run_index, "Mapping and settings; HEAD: whether it exists")                 \
    X(GET, "/{index}/_doc/{id}", run_doc, "One document; HEAD: whether it exists")                 \
    X(GET, "/{index}/_source/{id}", run_source, "One document as it is")                           \
    X(GET, "/_mget", run_mget, "Several documents by id")                                          \
    X(POST, "/_mget", run_mget, "Several documents by id")                                         \
    X(GET, "/{index}/_mget", run_mget, "Several documents of one index")                           \
    X(POST, "/{index}/_mget", run_mget, "Several documents of one index")                          \
    X(GET, "/_count", run_count, "How many documents match")                                       \
    X(POST, "/_count", run_count, "How many documents match")                                      \
    X(GET, "/{index}/_count", run_count, "How many documents match")                               \
    X(POST, "/{index}/_count", run_count, "How many documents match")                              \
    X(GET, "/_search", run_search, "Search; with a point in time it names no index")               \
    X(POST, "/_search", run_search, "The same")                                                    \
    X(GET, "/{index}/_search", run_search, "Search: query, aggregations, sort, pages")             \
    X(POST, "/{index}/_search", run_search, "The same")                                            \
    X(GET, "/_msearch", run_msearch, "Several searches, two lines each")                           \
    X(POST, "/_msearch", run_msearch, "Several searches, two lines each")                          \
    X(GET, "/{index}/_msearch", run_msearch, "The same, with a usual index")                       \
    X(POST, "/{index}/_msearch", run_msearch, "The same, with a usual index")                      \
    X(GET, "/_refresh", run_refresh, "Waits until what was recorded before can be searched")       \
    X(POST, "/_refresh", run_refresh, "The same")                                                  \
    X(GET, "/{index}/_refresh", run_refresh, "The same, of some indexes")                          \
    X(POST, "/{index}/_refresh", run_refresh, "The same, of some indexes")                         \
    X(POST, "/{index}/_pit", run_pit_open, "Opens a point in time; keep_alive")                    \
    X(DELETE, "/_pit", run_pit_close, "Closes a point in time")                                    \
    X(PUT, "/{index}", run_refused, "Refused: indexes are derived from the journal")               \
    X(DELETE, "/{index}", run_refused, "Refused")                                                  \
    X(POST, "/_bulk", run_refused, "Refused")                                                      \
    X(PUT, "/_bulk", run_refused, "Refused")                                                       \
    X(POST, "/{index}/_bulk", run_refused, "Refused")                                              \
    X(PUT, "/{index}/_bulk", run_refused, "Refused")                                               \
    X(POST, "/{index}/_doc", run_refused, "Refused")                                               \
    X(PUT, "/{index}/_doc/{id}", run_refused, "Refused")                                           \
    X(POST, "/{index}/_doc/{id}", run_refused, "Refused")                                          \
    X(DELETE, "/{index}/_doc/{id}", run_refused, "Refused")                                        \
    X(PUT, "/{index}/_create/{id}", run_refused, "Refused")                                        \
    X(POST, "/{index}/_create/{id}", run_refused, "Refused")                                       \
    X(POST, "/{index}/_update/{id}", run_refused, "Refused")                                       \
    X(POST, "/{index}/_update_by_query", run_refused, "Refused")                                   \
    X(POST, "/{index}/_delete_by_query", run_refused, "Refused")                                   \
    X(PUT, "/{index}/_mapping", run_refused, "Refused")                                            \
    X(PUT, "/{index}/_settings", run_refused, "Refused")

static void handle(struct sb_http_req *r);

#define AS_ROUTE(m, pattern, run, doc) {SB_HTTP_##m, pattern, SB_SCOPE_READ, 0, handle, doc},
#define AS_RUN(m, pattern, run, doc)   run,
const struct sb_http_route sb_search_routes[] = {ROUTES(AS_ROUTE){.pattern = NULL}};
static sb_err (*const runs[])(struct call *) = {ROUTES(AS_RUN)};

/* ---- life ---- */

sb_err sb_search_api_new(struct sb_search_api **out, const struct sb_search_api_opts *o,
                         struct sb_errctx *ctx) {
    struct sb_search_api *a = sb_calloc(1, sizeof *a);
    uint8_t id[16];
    a->o = *o;
    if (!a->o.threads) a->o.threads = THREADS;
    if (!a->o.timeout_ns) a->o.timeout_ns = TIMEOUT_NS;
    if (!a->o.cpu_ns) a->o.cpu_ns = CPU_NS;
    sb_random_bytes(id, sizeof id);
    sb_hex_encode(a->uuid, id, sizeof id);
    sb_mutex_init(&a->lock);
    sb_err err = sb_pool_new(&a->pool, "search", a->o.threads, QUEUE_MAX);
    if (err) {
        sb_mutex_fini(&a->lock);
        sb_free(a);
        return sb_fail(ctx, err, "the threads of searches could not be started");
    }
    *out = a;
    return SB_OK;
}

void sb_search_api_drain(struct sb_search_api *a) {
    if (!a) return;
    sb_mutex_lock(&a->lock);
    a->draining = true;
    for (struct call *c = a->running; c; c = c->next) atomic_store(&c->cancel, true);
    sb_mutex_unlock(&a->lock);
}

void sb_search_api_free(struct sb_search_api *a) {
    if (!a) return;
    sb_search_api_drain(a);
    sb_pool_free(a->pool);
    pits_free(a);
    sb_mutex_fini(&a->lock);
    sb_free(a);
}

/* ---- requests ---- */

/* Known to be harmless: what they ask for is so anyway. */
static bool known_param(struct sb_str name) {
    static const char *const names[] = {"pretty",
                                        "human",
                                        "error_trace",
                                        "filter_path",
                                        "format",
                                        "v",
                                        "h",
                                        "s",
                                        "help",
                                        "time",
                                        "bytes",
                                        "local",
                                        "master_timeout",
                                        "cluster_manager_timeout",
                                        "timeout",
                                        "wait_for_status",
                                        "wait_for_no_relocating_shards",
                                        "wait_for_no_initializing_shards",
                                        "wait_for_active_shards",
                                        "wait_for_nodes",
                                        "wait_for_events",
                                        "level",
                                        "health",
                                        "pri",
                                        "expand_wildcards",
                                        "ignore_unavailable",
                                        "allow_no_indices",
                                        "ignore_throttled",
                                        "include_unloaded_segments",
                                        "fields",
                                        "filters",
                                        "types",
                                        "include_unmapped",
                                        "include_empty_fields",
                                        "include_type_name",
                                        "flat_settings",
                                        "include_defaults",
                                        "include_named_queries_score",
                                        "features",
                                        "max_concurrent_shard_requests",
                                        "max_concurrent_searches",
                                        "pre_filter_shard_size",
                                        "ccs_minimize_roundtrips",
                                        "batched_reduce_size",
                                        "search_type",
                                        "preference",
                                        "routing",
                                        "request_cache",
                                        "allow_partial_search_results",
                                        "allow_partial_results",
                                        "rest_total_hits_as_int",
                                        "typed_keys",
                                        "q",
                                        "df",
                                        "default_operator",
                                        "analyze_wildcard",
                                        "analyzer",
                                        "lenient",
                                        "sort",
                                        "_source",
                                        "_source_includes",
                                        "_source_excludes",
                                        "_source_exclude_vectors",
                                        "docvalue_fields",
                                        "stored_fields",
                                        "track_total_hits",
                                        "track_scores",
                                        "from",
                                        "size",
                                        "version",
                                        "seq_no_primary_term",
                                        "keep_alive",
                                        "realtime",
                                        "refresh",
                                        "force",
                                        "min_compatible_shard_node",
                                        "accept_enterprise",
                                        "metric",
                                        "groups",
                                        "completion_fields",
                                        "fielddata_fields",
                                        "index_filter",
                                        "mode",
                                        "wait_if_ongoing",
                                        "if_seq_no",
                                        "if_primary_term",
                                        "op_type",
                                        "pipeline",
                                        "require_alias",
                                        "version_type",
                                        "retry_on_conflict",
                                        "terminate_after"};
    for (size_t i = 0; i < SB_COUNT(names); i++)
        if (sb_str_is(name, names[i])) return true;
    return false;
}

/* Copies them: the pool must not touch the request's arena. */
static sb_err take_params(struct call *c) {
    struct sb_str name, value;
    c->params.list = sb_arena_alloc(&c->arena, ES_PARAMS_MAX * sizeof *c->params.list);
    for (size_t at = 0; sb_http_query_next(c->req, &at, &name, &value);) {
        if (c->params.n == ES_PARAMS_MAX)
            return es_fail_argument(&c->error, "too many parameters: at most %d", ES_PARAMS_MAX);
        if (!known_param(name))
            return es_fail_argument(
                &c->error, "request [%.*s] contains unrecognized parameter: [%.*s]",
                c->req->path.n < 100 ? (int)c->req->path.n : 100, c->req->path.p,
                name.n < 100 ? (int)name.n : 100, name.n ? name.p : "");
        c->params.list[c->params.n++] =
            (struct es_param){sb_arena_dup(&c->arena, name), sb_arena_dup(&c->arena, value)};
    }
    return SB_OK;
}

static sb_err check_type(struct call *c) {
    struct sb_str type = sb_http_get_header(c->req, "Content-Type");
    static const char *const starts[] = {"application/json", "application/x-ndjson",
                                         "application/vnd.elasticsearch+json",
                                         "application/vnd.elasticsearch+x-ndjson"};
    if (!type.p || !c->req->body.n) return SB_OK;
    for (size_t i = 0; i < SB_COUNT(starts); i++) {
        size_t n = strlen(starts[i]);
        if (sb_str_ieq(sb_str_sub(type, 0, n), sb_str_of(starts[i])) &&
            (type.n == n || type.p[n] == ';' || type.p[n] == ' '))
            return SB_OK;
    }
    return es_fail(&c->error, 406, "media_type_header_exception",
                   "Content-Type header [%.*s] is not supported", type.n < 100 ? (int)type.n : 100,
                   type.p);
}

static struct call *call_new(struct sb_http_req *r) {
    struct sb_arena own;
    sb_arena_init(&own, ARENA_MAX);
    struct call *c = sb_arena_zalloc(&own, sizeof *c);
    c->arena = own;
    c->api = r->app;
    c->req = r;
    c->run = runs[r->route - sb_search_routes];
    c->status = 200;
    c->job.loop = r->loop;
    c->begin_ns = sb_mono_ns();
    c->deadline_ns = c->begin_ns + c->api->o.timeout_ns;
    sb_buf_init(&c->body, ANSWER_MAX);
    c->w = (struct sb_json_writer){.b = &c->body};
    return c;
}

static void enlist(struct call *c) {
    struct sb_search_api *a = c->api;
    sb_mutex_lock(&a->lock);
    c->next = a->running;
    if (c->next) c->next->prev = c;
    a->running = c;
    if (a->draining) atomic_store(&c->cancel, true);
    sb_mutex_unlock(&a->lock);
}

static void delist(struct call *c) {
    struct sb_search_api *a = c->api;
    sb_mutex_lock(&a->lock);
    if (c->next) c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        a->running = c->next;
    sb_mutex_unlock(&a->lock);
}

static const char *answer_type(const struct call *c) {
    if (c->content_type && !c->error.status) return c->content_type;
    struct sb_str accept = sb_http_get_header(c->req, "Accept");
    if (sb_str_starts(accept, SB_STR("application/vnd.elasticsearch+json")))
        return "application/vnd.elasticsearch+json;compatible-with=8";
    return "application/json";
}

static void write_error(struct call *c) {
    c->status = c->error.status;
    sb_buf_reset(&c->body);
    c->w = (struct sb_json_writer){.b = &c->body};
    sb_json_obj(&c->w, NULL);
    es_error_write(&c->w, &c->error);
    sb_json_end(&c->w);
}

/* On the loop. */
static void answer(struct call *c) {
    struct sb_arena own = c->arena; /* c itself is in it */
    if (c->error.status) write_error(c);
    sb_http_add_header(c->req, "X-Elastic-Product", SB_STR("Elasticsearch"));
    if (c->status == 429) sb_http_add_header(c->req, "Retry-After", SB_STR("1"));
    sb_http_reply(c->req, c->status, answer_type(c), sb_buf_view(&c->body));
    sb_buf_fini(&c->body);
    sb_arena_fini(&own);
}

static void work(struct sb_job *j) {
    struct call *c = SB_CONTAINER(j, struct call, job);
    struct sb_str filter = {0};
    sb_err err = atomic_load(&c->cancel) ? es_fail_engine(&c->error, SB_E_CLOSED, NULL) : c->run(c);
    if (!err && sb_buf_err(&c->body))
        err = es_fail(&c->error, 400, "content_too_long_exception",
                      "the answer is too large: ask for fewer hits or buckets");
    bool pretty = es_param_on(&c->params, "pretty");
    es_param_get(&c->params, "filter_path", &filter);
    if (!err && !c->content_type && (pretty || filter.n))
        err = es_shape(&c->body, filter, pretty, &c->error);
    if (err && !c->error.status) es_fail(&c->error, 500, "exception", "internal error");
    if (c->error.status >= 500 && c->error.status != 503 && c->error.status != 504)
        SB_LOG(SB_LOG_ERROR, "search", "request failed", SB_KV("path", c->req->path),
               SB_KS("why", c->error.reason));
}

static void done(struct sb_job *j) {
    struct call *c = SB_CONTAINER(j, struct call, job);
    delist(c);
    answer(c);
}

static void gone(struct sb_http_req *r) {
    struct call *c = r->user;
    atomic_store(&c->cancel, true);
}

static void handle(struct sb_http_req *r) {
    struct call *c = call_new(r);
    if (take_params(c) != SB_OK || check_type(c) != SB_OK) {
        answer(c);
        return;
    }
    r->user = c;
    r->on_gone = gone;
    c->job.work = work;
    c->job.done = done;
    enlist(c);
    sb_err err = sb_pool_submit(c->api->pool, &c->job);
    if (!err) return;
    r->on_gone = NULL;
    delist(c);
    es_fail_engine(&c->error, err, NULL);
    answer(c);
}

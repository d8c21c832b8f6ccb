#include "api/alerts/alerts.h"

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "engine/fetch/fetch.h"
#include "loop/pool.h"

enum { THREADS = 2, QUEUE_MAX = 64, OUT_MAX = 64 << 20, ARENA_MAX = 64 << 20, HISTORY_MAX = 1000 };

struct sb_alerts_api {
    struct sb_alerts *alerts;
    const char *search_url;
    struct sb_pool *pool;
};

/* ---- answers ---- */

/* {"error", "key"} */
static void reply_error(struct sb_http_req *r, int status, struct sb_str error, struct sb_str key) {
    struct sb_buf b;
    struct sb_json_writer w = {.b = &b};
    sb_buf_init(&b, 1 << 16);
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "error", error);
    if (key.n)
        sb_json_str(&w, "key", key);
    else
        sb_json_null(&w, "key");
    sb_json_end(&w);
    sb_http_reply(r, status, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

static int status_of(sb_err err) {
    switch (sb_err_class(err)) {
    case SB_CLASS_MISSING: return 404;
    case SB_CLASS_CONFLICT: return 409;
    case SB_CLASS_TRANSIENT: return 503;
    case SB_CLASS_CALLER: return err == SB_E_STATE ? 409 : 400;
    case SB_CLASS_LIMIT: return 400;
    default: return 500;
    }
}

/* ---- jobs ---- */

struct job {
    struct sb_job job;
    struct sb_http_req *r;
    struct sb_alerts_api *api;
    sb_err (*fn)(struct job *j);
    sb_alerts_fn *ask; /* when fn is call_alerts */
    int status;        /* of a good answer */
    sb_err err;
    struct sb_arena arena;
    struct sb_buf out;
    struct sb_errctx ctx;
    struct sb_alerts_call call;
    struct sb_str limit; /* of the history, as given */
};

static void work(struct sb_job *job) {
    struct job *j = SB_CONTAINER(job, struct job, job);
    j->err = j->fn(j);
    if (!j->err) j->err = sb_buf_err(&j->out);
}

static void done(struct sb_job *job) {
    struct job *j = SB_CONTAINER(job, struct job, job);
    if (j->err)
        reply_error(j->r, status_of(j->err), sb_str_of(sb_errctx_text(&j->ctx, j->err)),
                    j->call.key);
    else
        sb_http_reply(j->r, j->status, NULL, sb_buf_view(&j->out));
    sb_buf_fini(&j->out);
    sb_arena_fini(&j->arena);
    sb_free(j);
}

/* Runs fn on the pool with a call made of the request; the request's bytes stay until its answer.
 */
static struct job *job_new(struct sb_http_req *r, sb_err (*fn)(struct job *j), sb_alerts_fn *ask,
                           int status) {
    struct sb_alerts_api *api = r->app;
    struct job *j = sb_calloc(1, sizeof *j);
    j->job = (struct sb_job){.work = work, .done = done, .loop = r->loop};
    j->r = r;
    j->api = api;
    j->fn = fn;
    j->ask = ask;
    j->status = status;
    sb_arena_init(&j->arena, ARENA_MAX);
    sb_buf_init(&j->out, OUT_MAX);
    j->call = (struct sb_alerts_call){.name = r->nparams ? r->params[0] : (struct sb_str){0},
                                      .body = r->body,
                                      .actor = sb_http_get_header(r, "X-User-Id"),
                                      .arena = &j->arena,
                                      .out = &j->out,
                                      .ctx = &j->ctx};
    return j;
}

static void submit(struct job *j) {
    sb_err err = sb_pool_submit(j->api->pool, &j->job);
    if (!err) return;
    j->err = sb_fail(&j->ctx, err, "too busy, try again");
    done(&j->job);
}

static sb_err call_alerts(struct job *j) {
    return j->ask(j->api->alerts, &j->call);
}

/* A page of another site can make a browser POST only as a form or as text. */
static bool is_json(struct sb_http_req *r) {
    struct sb_str type = sb_http_get_header(r, "Content-Type"), word;
    return sb_str_split(&type, ';', &word) &&
           sb_str_ieq(sb_str_trim(word), SB_STR("application/json"));
}

static void change(struct sb_http_req *r, sb_alerts_fn *fn, int status) {
    if (r->method != SB_HTTP_DELETE && !is_json(r)) {
        reply_error(r, 415, SB_STR("Content-Type must be application/json"), (struct sb_str){0});
        return;
    }
    submit(job_new(r, call_alerts, fn, status));
}

/* ---- routes ---- */

static void overview(struct sb_http_req *r) {
    struct sb_buf b;
    sb_buf_init(&b, OUT_MAX);
    sb_alerts_overview(((struct sb_alerts_api *)r->app)->alerts, &b);
    sb_http_reply(r, 200, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

static void rule_get(struct sb_http_req *r) {
    submit(job_new(r, call_alerts, sb_alerts_rule_get, 200));
}

static void rule_create(struct sb_http_req *r) {
    change(r, sb_alerts_rule_create, 201);
}

static void rule_put(struct sb_http_req *r) {
    change(r, sb_alerts_rule_put, 200);
}

static void rule_delete(struct sb_http_req *r) {
    change(r, sb_alerts_rule_delete, 200);
}

static void rule_enable(struct sb_http_req *r) {
    change(r, sb_alerts_rule_enable, 200);
}

static void rule_disable(struct sb_http_req *r) {
    change(r, sb_alerts_rule_disable, 200);
}

static void rule_check(struct sb_http_req *r) {
    change(r, sb_alerts_rule_check, 200);
}

static void silence(struct sb_http_req *r) {
    change(r, sb_alerts_silence, 201);
}

static void unsilence(struct sb_http_req *r) {
    change(r, sb_alerts_unsilence, 200);
}

static void destination_test(struct sb_http_req *r) {
    change(r, sb_alerts_destination_test, 200);
}

/* ---- history: from the index of topic audit ---- */

static void write_search(struct sb_buf *b, struct sb_str rule, int64_t limit) {
    struct sb_json_writer w = {.b = b};
    sb_json_obj(&w, NULL);
    sb_json_int(&w, "size", limit);
    sb_json_raw(&w, "sort", SB_STR("[{\"@timestamp\":{\"order\":\"desc\"}}]"));
    sb_json_obj(&w, "query");
    sb_json_obj(&w, "bool");
    sb_json_arr(&w, "filter");
    sb_json_raw(&w, NULL, SB_STR("{\"prefix\":{\"kind.keyword\":\"alert.\"}}"));
    if (rule.n) {
        sb_json_obj(&w, NULL);
        sb_json_obj(&w, "term");
        sb_json_str(&w, "object.keyword", rule);
        sb_json_end(&w);
        sb_json_end(&w);
    }
    sb_json_end(&w);
    sb_json_end(&w);
    sb_json_end(&w);
    sb_json_end(&w);
}

static sb_err search(struct job *j, struct sb_str body, struct sb_json **out) {
    struct sb_fetch *f;
    struct sb_buf answer;
    int status = 0;
    SB_TRY(sb_fetch_new(&f, j->api->search_url, &j->ctx));
    sb_buf_init(&answer, OUT_MAX);
    struct sb_fetch_request q = {.method = "POST",
                                 .target = "/audit/_search",
                                 .body = body,
                                 .timeout_ns = 10 * SB_SEC,
                                 .max_bytes = OUT_MAX};
    sb_err err = sb_fetch_call(f, &q, &status, &answer, &j->ctx);
    if (!err && status != 200)
        err = sb_fail(&j->ctx, SB_E_UNAVAILABLE, "the search answered %d: %.*s", status,
                      SB_ARG(sb_str_sub(sb_buf_view(&answer), 0, 150)));
    struct sb_str text = err ? (struct sb_str){0} : sb_arena_dup(&j->arena, sb_buf_view(&answer));
    if (!err) err = text.p ? sb_json_parse(out, text, &j->arena, &j->ctx) : SB_E_LIMIT;
    sb_buf_fini(&answer);
    sb_fetch_free(f);
    return err;
}

static sb_err read_history(struct job *j) {
    struct sb_json *found;
    struct sb_buf body;
    int64_t limit = 100;
    if (j->limit.p && (!sb_str_to_i64(j->limit, &limit) || limit < 1 || limit > HISTORY_MAX)) {
        j->call.key = SB_STR("limit");
        return sb_fail(&j->ctx, SB_E_INVALID, "limit must be from 1 to %d", HISTORY_MAX);
    }
    sb_buf_init(&body, 1 << 16);
    write_search(&body, j->call.name, limit);
    sb_err err = search(j, sb_buf_view(&body), &found);
    sb_buf_fini(&body);
    if (err) return err;
    const struct sb_json *hits = sb_json_get(sb_json_get(found, "hits"), "hits");
    struct sb_json_writer w = {.b = &j->out};
    sb_json_obj(&w, NULL);
    sb_json_arr(&w, "entries");
    for (const struct sb_json *h = hits ? hits->child : NULL; h; h = h->next) {
        struct sb_buf source;
        const struct sb_json *s = sb_json_get(h, "_source");
        if (!s) continue;
        sb_buf_init(&source, OUT_MAX);
        sb_json_add_tree(&source, s);
        sb_json_raw(&w, NULL, sb_buf_view(&source));
        sb_buf_fini(&source);
    }
    sb_json_end(&w);
    sb_json_end(&w);
    return SB_OK;
}

static void history(struct sb_http_req *r) {
    struct job *j = job_new(r, read_history, NULL, 200);
    sb_http_query_get(r, "rule", &j->call.name);
    sb_http_query_get(r, "limit", &j->limit);
    submit(j);
}

const struct sb_http_route sb_alerts_routes[] = {
    {SB_HTTP_GET, "/api/alerts", SB_SCOPE_READ, 0, overview,
     "Alert rules with their state, silences, destinations"},
    {SB_HTTP_GET, "/api/alerts/rules/{name}", SB_SCOPE_READ, 0, rule_get,
     "One rule, its values of the last 10 minutes, and it as YAML"},
    {SB_HTTP_POST, "/api/alerts/rules", SB_SCOPE_WRITE, 0, rule_create, "Makes a rule"},
    {SB_HTTP_PUT, "/api/alerts/rules/{name}", SB_SCOPE_WRITE, 0, rule_put,
     "Makes or replaces a rule"},
    {SB_HTTP_DELETE, "/api/alerts/rules/{name}", SB_SCOPE_WRITE, 0, rule_delete,
     "Removes a rule made here"},
    {SB_HTTP_POST, "/api/alerts/rules/{name}/enable", SB_SCOPE_WRITE, 0, rule_enable,
     "Switches a rule on"},
    {SB_HTTP_POST, "/api/alerts/rules/{name}/disable", SB_SCOPE_WRITE, 0, rule_disable,
     "Switches a rule off"},
    {SB_HTTP_POST, "/api/alerts/check", SB_SCOPE_WRITE, 0, rule_check,
     "What a rule would say now; nothing is kept"},
    {SB_HTTP_POST, "/api/alerts/silences", SB_SCOPE_WRITE, 0, silence, "Silences alerts"},
    {SB_HTTP_DELETE, "/api/alerts/silences/{id}", SB_SCOPE_WRITE, 0, unsilence, "Ends a silence"},
    {SB_HTTP_POST, "/api/alerts/destinations/{name}/test", SB_SCOPE_ADMIN, 0, destination_test,
     "Sends a test alert"},
    {SB_HTTP_GET, "/api/alerts/history", SB_SCOPE_READ, 0, history,
     "What alerts did, from topic audit"},
    {0},
};

sb_err sb_alerts_api_new(struct sb_alerts_api **out, const struct sb_alerts_api_opts *o,
                         struct sb_errctx *ctx) {
    struct sb_alerts_api *a = sb_calloc(1, sizeof *a);
    a->alerts = o->alerts;
    a->search_url = o->search_url;
    sb_err err = sb_pool_new(&a->pool, "alerts", THREADS, QUEUE_MAX);
    if (err) {
        sb_free(a);
        return sb_fail(ctx, err, "the threads of the alerts' API could not be started");
    }
    *out = a;
    return SB_OK;
}

void sb_alerts_api_free(struct sb_alerts_api *a) {
    if (!a) return;
    sb_pool_free(a->pool);
    sb_free(a);
}

#include "api/serving/serving.h"

#include "api/serving/serving_int.h"
#include "base/clock.h"
#include "base/mem.h"

const char *const sb_serving_outcomes[SB_OUTCOMES] = {"ok", "invalid", "error", "timeout",
                                                      "rejected"};
_Static_assert((int)SB_OUTCOMES == (int)SB_EVENT_STATUS_COUNT, "one outcome per event status");

const struct sb_http_route sb_serving_routes[] = {
    {SB_HTTP_POST, "/models/{name}/predict", SB_SCOPE_PREDICT, SB_HTTP_ADMIT, sb_serving_predict,
     "One object of features, or a list: predictions by output name, with probabilities"},
    {SB_HTTP_POST, "/predict", SB_SCOPE_PREDICT, SB_HTTP_ADMIT, sb_serving_predict_default,
     "The same for the only model, or the configured one"},
    {SB_HTTP_POST, "/models/{name}/invocations", SB_SCOPE_PREDICT, SB_HTTP_ADMIT,
     sb_serving_invocations,
     "MLflow's scoring protocol: dataframe_split, dataframe_records, instances, "
     "inputs"},
    {SB_HTTP_POST, "/invocations", SB_SCOPE_PREDICT, SB_HTTP_ADMIT, sb_serving_invocations_default,
     "The same for the only model, or the configured one"},
    {SB_HTTP_POST, "/v1/models/{name}:predict", SB_SCOPE_PREDICT, SB_HTTP_ADMIT,
     sb_serving_v1_predict, "KServe version 1: instances or inputs"},
    {SB_HTTP_GET, "/v1/models", SB_SCOPE_READ, 0, sb_serving_v1_models, "Names of the models"},
    {SB_HTTP_GET, "/v1/models/{name}", SB_SCOPE_READ, 0, sb_serving_model_ready,
     "Whether the model is ready; 503 when it is not"},
    {SB_HTTP_POST, "/v2/models/{name}/infer", SB_SCOPE_PREDICT, SB_HTTP_ADMIT, sb_serving_v2_infer,
     "Open Inference Protocol version 2: tensors as JSON or binary"},
    {SB_HTTP_POST, "/v2/models/{name}/versions/{version}/infer", SB_SCOPE_PREDICT, SB_HTTP_ADMIT,
     sb_serving_v2_infer, "The same; 404 unless that version is live"},
    {SB_HTTP_GET, "/v2", SB_SCOPE_PUBLIC, 0, sb_serving_v2_server,
     "Name, version and protocol extensions of the server"},
    {SB_HTTP_GET, "/v2/health/live", SB_SCOPE_PUBLIC, 0, sb_serving_v2_live, "200 always"},
    {SB_HTTP_GET, "/v2/health/ready", SB_SCOPE_PUBLIC, 0, sb_serving_v2_ready,
     "200 once predictions can be answered and recorded, else 503"},
    {SB_HTTP_GET, "/v2/models", SB_SCOPE_READ, 0, sb_serving_v2_models, "Names of the models"},
    {SB_HTTP_GET, "/v2/models/{name}", SB_SCOPE_READ, 0, sb_serving_v2_model,
     "Metadata: inputs and outputs with datatypes and shapes"},
    {SB_HTTP_GET, "/v2/models/{name}/versions/{version}", SB_SCOPE_READ, 0, sb_serving_v2_model,
     "The same; 404 unless that version is live"},
    {SB_HTTP_GET, "/v2/models/{name}/ready", SB_SCOPE_READ, 0, sb_serving_model_ready,
     "Whether the model is ready; 503 when it is not"},
    {SB_HTTP_GET, "/v2/models/{name}/versions/{version}/ready", SB_SCOPE_READ, 0,
     sb_serving_model_ready, "The same; 404 unless that version is live"},
    {SB_HTTP_POST, "/v2/repository/index", SB_SCOPE_READ, 0, sb_serving_v2_index,
     "Models with version and state"},
    {SB_HTTP_GET, "/models", SB_SCOPE_READ, 0, sb_serving_models,
     "Models with their live version, back-end and why"},
    {SB_HTTP_GET, "/health", SB_SCOPE_PUBLIC, 0, sb_serving_health,
     "State of models, journal and registry; 503 while nothing can be answered"},
    {SB_HTTP_GET, "/ready", SB_SCOPE_PUBLIC, 0, sb_serving_ready,
     "200 once predictions can be answered and recorded"},
    {SB_HTTP_GET, "/ping", SB_SCOPE_PUBLIC, 0, sb_serving_ready, "The same, MLflow's name"},
    {SB_HTTP_GET, "/metrics", SB_SCOPE_PUBLIC, 0, sb_serving_metrics, "Prometheus text"},
    {SB_HTTP_GET, "/openapi.json", SB_SCOPE_READ, 0, sb_serving_openapi,
     "OpenAPI 3.1, with each live model's own features"},
    {SB_HTTP_GET, "/docs", SB_SCOPE_READ, 0, sb_serving_docs, "Reference page with try-it"},
    {0},
};

/* Series of requests, looked up once: then a request costs no lock. */
static void make_request_series(struct sb_serving *s) {
    static const char *const classes[SB_STATUS_CLASSES] = {"0xx", "1xx", "2xx",
                                                           "3xx", "4xx", "5xx"};
    _Static_assert(SB_COUNT(sb_serving_routes) <= SB_ROUTES_MAX, "room for each route");
    for (size_t i = 0; sb_serving_routes[i].pattern; i++) {
        const struct sb_http_route *r = &sb_serving_routes[i];
        struct sb_str v[] = {SB_STR("serving"),
                             sb_str_of(r->pattern),
                             sb_str_of(sb_http_method_name(r->method)),
                             {0}};
        s->requests[i].seconds = sb_metrics_get(s->o.metrics, SB_METRIC_HTTP_SECONDS, v);
        for (size_t c = 2; c < SB_STATUS_CLASSES; c++) {
            v[3] = sb_str_of(classes[c]);
            s->requests[i].by_class[c] = sb_metrics_get(s->o.metrics, SB_METRIC_HTTP_REQUESTS, v);
        }
    }
}

void sb_serving_on_done(void *app, const struct sb_http_req *r, int status, int64_t duration_ns) {
    struct sb_serving *s = app;
    if (!r->route || status < 200 || status > 599) return;
    size_t at = (size_t)(r->route - sb_serving_routes);
    sb_series_add(s->requests[at].by_class[status / 100], 1);
    sb_series_observe(s->requests[at].seconds, duration_ns);
}

static struct sb_series *keyed_series(struct sb_metrics *m, struct sb_str result) {
    return sb_metrics_get(m, SB_METRIC_KEYED, &result);
}

sb_err sb_serving_new(struct sb_serving **out, const struct sb_serving_opts *o,
                      struct sb_errctx *ctx) {
    struct sb_idempotency *answers = NULL;
    if (o->idempotency_window_ms)
        SB_TRY(sb_idempotency_new(&answers, o->journal_dir, o->idempotency_window_ms, ctx));
    struct sb_spare *spare;
    sb_err err = sb_spare_new(&spare, "shadows");
    if (err) {
        sb_idempotency_free(answers);
        return sb_fail(ctx, err, "the thread for shadows could not be started");
    }
    struct sb_serving *s = sb_calloc(1, sizeof *s);
    s->spare = spare;
    s->idempotency = answers;
    s->replayed = keyed_series(o->metrics, SB_STR("replayed"));
    s->conflicts = keyed_series(o->metrics, SB_STR("conflict"));
    s->mismatched = keyed_series(o->metrics, SB_STR("mismatch"));
    s->o = *o;
    s->seq = o->seq_first;
    s->started_ms = sb_wall_ms();
    struct sb_str labels[] = {SB_STR(""), SB_STR(""), SB_STR("primary"), {0}};
    for (size_t i = 0; i < SB_OUTCOMES; i++) {
        labels[3] = sb_str_of(sb_serving_outcomes[i]);
        s->unrouted[i] = sb_metrics_get(o->metrics, SB_METRIC_PREDICTIONS, labels);
    }
    s->shadow_shed = sb_metrics_get(o->metrics, SB_METRIC_SHADOW_SHED, NULL);
    make_request_series(s);
    s->lanes = sb_calloc(o->nloops, sizeof *s->lanes);
    for (size_t i = 0; i < o->nloops; i++) sb_lane_init(&s->lanes[i], s, o->loops[i]);
    *out = s;
    return SB_OK;
}

void sb_serving_free(struct sb_serving *s) {
    if (!s) return;
    sb_spare_free(s->spare);
    for (size_t i = 0; i < s->o.nloops; i++) sb_lane_fini(&s->lanes[i]);
    sb_free(s->lanes);
    sb_idempotency_free(s->idempotency);
    sb_free(s);
}

void sb_serving_set_server(struct sb_serving *s, const struct sb_http_server *http) {
    s->http = http;
}

struct lane *sb_lane_of(struct sb_serving *s, const struct sb_loop *loop) {
    size_t i = 0;
    while (s->lanes[i].loop != loop) i++; /* a handful of loops, and it is one of them */
    return &s->lanes[i];
}

/* In the inference protocols an error is a text. */
void sb_serving_error_body(const struct sb_http_req *r, struct sb_buf *out, int status,
                           const char *message) {
    struct sb_json_writer w = {.b = out};
    if (sb_str_starts(r->path, SB_STR("/v1/")) || sb_str_starts(r->path, SB_STR("/v2/"))) {
        sb_error_member(out, NULL, status, SB_E_BUG, message);
        return;
    }
    sb_json_obj(&w, NULL);
    sb_json_obj(&w, "error");
    sb_json_int(&w, "status", status);
    sb_json_str(&w, "message", sb_str_of(message));
    sb_json_end(&w);
    sb_json_end(&w);
}

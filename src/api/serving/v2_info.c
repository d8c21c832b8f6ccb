/* What the inference protocols, versions 1 and 2, tell of the server and its models beside
 * answering: names, readiness, metadata, repository index. */
#include "api/serving/v2.h"

static void reply_json(struct sb_http_req *r, int status, struct sb_buf *b) {
    if (sb_buf_err(b))
        sb_http_reply(r, 500, NULL, SB_STR("{\"error\":\"answer too large\"}"));
    else
        sb_http_reply(r, status, NULL, sb_buf_view(b));
    sb_buf_fini(b);
}

static struct sb_json_writer begin(struct sb_buf *b) {
    sb_buf_init(b, 64 << 20);
    struct sb_json_writer w = {.b = b};
    sb_json_obj(&w, NULL);
    return w;
}

static void reply_error(struct sb_http_req *r, int status, const char *message) {
    struct sb_buf b;
    struct sb_json_writer w = begin(&b);
    sb_json_str(&w, "error", sb_str_of(message));
    sb_json_end(&w);
    reply_json(r, status, &b);
}

static const struct sb_routes *routes_of(const struct sb_http_req *r) {
    struct sb_serving *s = r->app;
    return sb_route_cache_get(&sb_lane_of(s, r->loop)->cache, s->o.routes);
}

/* The route that the path names. NULL: answered, there is no such model or version. */
static const struct sb_route *find(struct sb_http_req *r) {
    const struct sb_route *route = sb_routes_find(routes_of(r), r->params[0]);
    struct sb_errctx ctx = {0};
    if (!route) {
        sb_fail(&ctx, SB_E_MISSING, "no model named %.*s",
                SB_ARG(sb_str_sub(r->params[0], 0, 100)));
    } else if (r->nparams > 1 && route->primary) {
        const char *live = route->primary->model->info.version;
        if (!sb_str_is(r->params[1], live))
            sb_fail(&ctx, SB_E_MISSING, "version %.*s of %s is not live: version %s is",
                    SB_ARG(sb_str_sub(r->params[1], 0, 40)), route->name, live);
    }
    if (!ctx.code) return route;
    reply_error(r, 404, ctx.msg);
    return NULL;
}

static const char *failure_of(const struct sb_route *route) {
    return route->failure ? route->failure : "it is still loading";
}

/* ---- version 1 ---- */

static void reply_names(struct sb_http_req *r) {
    const struct sb_routes *routes = routes_of(r);
    struct sb_buf b;
    struct sb_json_writer w = begin(&b);
    sb_json_arr(&w, "models");
    for (size_t i = 0; i < routes->n; i++) sb_json_str(&w, NULL, sb_str_of(routes->routes[i].name));
    sb_json_end(&w);
    sb_json_end(&w);
    reply_json(r, 200, &b);
}

void sb_serving_v1_models(struct sb_http_req *r) {
    reply_names(r);
}

void sb_serving_v2_models(struct sb_http_req *r) {
    reply_names(r);
}

void sb_serving_model_ready(struct sb_http_req *r) {
    const struct sb_route *route = find(r);
    if (!route) return;
    struct sb_buf b;
    struct sb_json_writer w = begin(&b);
    sb_json_str(&w, "name", sb_str_of(route->name));
    sb_json_bool(&w, "ready", route->primary != NULL);
    if (!route->primary) sb_json_str(&w, "error", sb_str_of(failure_of(route)));
    sb_json_end(&w);
    reply_json(r, route->primary ? 200 : 503, &b);
}

/* ---- version 2: the server ---- */

void sb_serving_v2_server(struct sb_http_req *r) {
    struct sb_serving *s = r->app;
    struct sb_buf b;
    struct sb_json_writer w = begin(&b);
    sb_json_str(&w, "name", SB_STR("sibyl"));
    sb_json_str(&w, "version", sb_str_of(s->o.version));
    sb_json_arr(&w, "extensions");
    sb_json_str(&w, NULL, SB_STR("binary_tensor_data"));
    sb_json_end(&w);
    sb_json_end(&w);
    reply_json(r, 200, &b);
}

void sb_serving_v2_live(struct sb_http_req *r) {
    sb_http_reply(r, 200, NULL, SB_STR("{\"live\":true}"));
}

void sb_serving_v2_ready(struct sb_http_req *r) {
    const char *why = NULL;
    bool ready = sb_serving_is_ready(r->app, r->loop, &why);
    struct sb_buf b;
    struct sb_json_writer w = begin(&b);
    sb_json_bool(&w, "ready", ready);
    if (!ready) sb_json_str(&w, "error", sb_str_of(why));
    sb_json_end(&w);
    reply_json(r, ready ? 200 : 503, &b);
}

/* The body, {"ready": true}, may ask for those that are. */
void sb_serving_v2_index(struct sb_http_req *r) {
    const struct sb_routes *routes = routes_of(r);
    struct sb_json *q = NULL;
    struct sb_errctx ctx = {0};
    bool only_ready = false;
    sb_err err = r->body.n ? sb_json_parse(&q, r->body, r->arena, &ctx) : SB_OK;
    if (!err && !sb_json_get_bool(q, "ready", &only_ready))
        err = sb_fail(&ctx, SB_E_INVALID, "ready is neither true nor false");
    if (err) {
        reply_error(r, 400, sb_errctx_text(&ctx, err));
        return;
    }
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    struct sb_json_writer w = {.b = &b};
    sb_json_arr(&w, NULL);
    for (size_t i = 0; i < routes->n; i++) {
        const struct sb_route *route = &routes->routes[i];
        if (only_ready && !route->primary) continue;
        sb_json_obj(&w, NULL);
        sb_json_str(&w, "name", sb_str_of(route->name));
        if (route->primary) {
            sb_json_str(&w, "version", sb_str_of(route->primary->model->info.version));
            sb_json_str(&w, "state", SB_STR("READY"));
            sb_json_str(&w, "reason", SB_STR(""));
        } else {
            sb_json_str(&w, "state", SB_STR("UNAVAILABLE"));
            sb_json_str(&w, "reason", sb_str_of(failure_of(route)));
        }
        sb_json_end(&w);
    }
    sb_json_end(&w);
    reply_json(r, 200, &b);
}

/* ---- version 2: a model ---- */

/* MLServer's name of how a value of that type lies in a BYTES element; NULL for the others. */
static const char *content_type(enum sb_dtype t) {
    switch (t) {
    case SB_DTYPE_STRING: return "str";
    case SB_DTYPE_BINARY: return "base64";
    case SB_DTYPE_DATETIME: return "datetime";
    case SB_DTYPE_JSON: return "json";
    default: return NULL;
    }
}

static void add_field(struct sb_json_writer *w, const struct sb_field *f, size_t i) {
    char tmp[24];
    bool open = f->ndims > 0 && f->type == SB_DTYPE_JSON; /* of unknown inner shape */
    enum sb_tensor_type t = sb_tensor_type_of(f->type);
    sb_json_obj(w, NULL);
    sb_json_str(w, "name", sb_v2_field_name(f, i, tmp));
    sb_json_str(w, "datatype", sb_str_of(sb_tensor_type_name(open ? SB_TENSOR_FP64 : t)));
    sb_json_arr(w, "shape");
    sb_json_int(w, NULL, f->tensor_dtype ? f->rows : -1);
    for (int d = 0; d < f->ndims; d++) sb_json_int(w, NULL, f->dims[d]);
    if (!f->tensor_dtype) sb_json_int(w, NULL, 1);
    sb_json_end(w);
    if (content_type(f->type) && !open) {
        sb_json_obj(w, "parameters");
        sb_json_str(w, "content_type", sb_str_of(content_type(f->type)));
        sb_json_end(w);
    }
    sb_json_end(w);
}

static void add_fields(struct sb_json_writer *w, const struct sb_field *f, size_t n) {
    for (size_t i = 0; i < n; i++) add_field(w, &f[i], i);
}

static void add_probabilities(struct sb_json_writer *w, size_t nclasses) {
    sb_json_obj(w, NULL);
    sb_json_str(w, "name", SB_STR(SB_V2_PROBABILITIES));
    sb_json_str(w, "datatype", sb_str_of(sb_tensor_type_name(SB_TENSOR_FP64)));
    sb_json_arr(w, "shape");
    sb_json_int(w, NULL, -1);
    sb_json_int(w, NULL, (int64_t)nclasses);
    sb_json_end(w);
    sb_json_end(w);
}

void sb_serving_v2_model(struct sb_http_req *r) {
    const struct sb_route *route = find(r);
    if (!route) return;
    if (!route->primary) {
        reply_error(r, 503, failure_of(route));
        return;
    }
    const struct sb_model *m = route->primary->model;
    struct sb_buf b;
    struct sb_json_writer w = begin(&b);
    sb_json_str(&w, "name", sb_str_of(route->name));
    sb_json_arr(&w, "versions");
    sb_json_str(&w, NULL, sb_str_of(m->info.version));
    sb_json_end(&w);
    sb_json_str(&w, "platform", sb_str_of(m->info.flavor ? m->info.flavor : ""));
    sb_json_arr(&w, "inputs");
    add_fields(&w, m->signature->inputs, m->signature->ninputs);
    sb_json_end(&w);
    sb_json_arr(&w, "outputs");
    add_fields(&w, m->signature->outputs, m->signature->noutputs);
    if (m->info.nclasses) add_probabilities(&w, m->info.nclasses);
    sb_json_end(&w);
    sb_json_end(&w);
    reply_json(r, 200, &b);
}

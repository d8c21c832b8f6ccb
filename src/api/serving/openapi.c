/* /openapi.json: OpenAPI 3.1, with a path of its own for each live model whose schema has the
 * model's features, types and examples; and /docs, a page that reads it. */
#include <stdio.h>

#include "api/serving/serving_int.h"
#include "web_docs.h"

static void add_type(struct sb_json_writer *w, const struct sb_field *f) {
    static const struct {
        const char *type, *format;
    } types[SB_DTYPE_COUNT] = {
        [SB_DTYPE_BOOL] = {"boolean", NULL},
        [SB_DTYPE_INT32] = {"integer", "int32"},
        [SB_DTYPE_INT64] = {"integer", "int64"},
        [SB_DTYPE_FLOAT32] = {"number", "float"},
        [SB_DTYPE_FLOAT64] = {"number", "double"},
        [SB_DTYPE_STRING] = {"string", NULL},
        [SB_DTYPE_BINARY] = {"string", "byte"},
        [SB_DTYPE_DATETIME] = {"string", "date-time"},
        [SB_DTYPE_JSON] = {NULL, NULL},
    };
    if (f->ndims) {
        sb_json_str(w, "type", SB_STR("array"));
        return;
    }
    if (types[f->type].type) sb_json_str(w, "type", sb_str_of(types[f->type].type));
    if (types[f->type].format) sb_json_str(w, "format", sb_str_of(types[f->type].format));
}

/* Unnamed inputs are columns 0, 1, .. as MLflow calls them. */
static struct sb_str field_name(const struct sb_field *f, size_t i, char *tmp, size_t n) {
    if (f->name) return sb_str_of(f->name);
    int len = snprintf(tmp, n, "%zu", i);
    return sb_str_make(tmp, (size_t)len);
}

static void add_properties(struct sb_json_writer *w, const struct sb_field *f, size_t n) {
    char tmp[24];
    sb_json_str(w, "type", SB_STR("object"));
    sb_json_obj(w, "properties");
    for (size_t i = 0; i < n; i++) {
        sb_json_key(w, field_name(&f[i], i, tmp, sizeof tmp));
        sb_json_obj(w, NULL);
        add_type(w, &f[i]);
        if (f[i].example_json) {
            sb_json_arr(w, "examples");
            sb_json_raw(w, NULL, sb_str_of(f[i].example_json));
            sb_json_end(w);
        }
        sb_json_end(w);
    }
    sb_json_end(w);
    sb_json_arr(w, "required");
    for (size_t i = 0; i < n; i++) {
        if (f[i].required) sb_json_str(w, NULL, field_name(&f[i], i, tmp, sizeof tmp));
    }
    sb_json_end(w);
}

/* A value of the right type where the model brought no example. */
static struct sb_str example_of(const struct sb_field *f) {
    if (f->example_json) return sb_str_of(f->example_json);
    switch (f->type) {
    case SB_DTYPE_BOOL: return SB_STR("false");
    case SB_DTYPE_STRING: return SB_STR("\"text\"");
    case SB_DTYPE_BINARY: return SB_STR("\"\"");
    case SB_DTYPE_DATETIME: return SB_STR("\"2026-01-01T00:00:00Z\"");
    case SB_DTYPE_JSON: return SB_STR("null");
    case SB_DTYPE_INT32:
    case SB_DTYPE_INT64: return SB_STR("1");
    default: return SB_STR("1.0");
    }
}

static void add_example(struct sb_json_writer *w, const struct sb_signature *s) {
    char tmp[24];
    sb_json_obj(w, "example");
    for (size_t i = 0; i < s->ninputs; i++) {
        sb_json_key(w, field_name(&s->inputs[i], i, tmp, sizeof tmp));
        sb_json_raw(w, NULL, example_of(&s->inputs[i]));
    }
    sb_json_end(w);
}

static void add_response(struct sb_json_writer *w, const char *status, const char *description) {
    sb_json_obj(w, status);
    sb_json_str(w, "description", sb_str_of(description));
    sb_json_end(w);
}

static void add_responses(struct sb_json_writer *w, bool predicts) {
    sb_json_obj(w, "responses");
    add_response(w, "200", "answered");
    if (predicts) {
        add_response(w, "400", "the request does not fit the model: the error names the field");
        add_response(w, "404", "no such model, or not that version");
        add_response(w, "413", "over a limit: bytes, rows, columns");
        add_response(w, "415", "a content type that is not read");
        add_response(w, "503", "overload, no live version, or the journal cannot be written");
        add_response(w, "504", "no answer before the deadline");
    }
    sb_json_end(w);
}

static const char *lower_method(enum sb_http_method m) {
    return m == SB_HTTP_POST ? "post" : "get";
}

/* Each {part} of the pattern, by name. */
static void add_parameters(struct sb_json_writer *w, struct sb_str pattern) {
    bool any = false;
    for (ptrdiff_t from; (from = sb_str_find(pattern, '{')) >= 0;) {
        pattern = sb_str_sub(pattern, (size_t)from + 1, pattern.n);
        struct sb_str name = sb_str_sub(pattern, 0, (size_t)sb_str_find(pattern, '}'));
        if (!any) sb_json_arr(w, "parameters");
        any = true;
        sb_json_obj(w, NULL);
        sb_json_str(w, "name", name);
        sb_json_str(w, "in", SB_STR("path"));
        sb_json_bool(w, "required", true);
        sb_json_raw(w, "schema", SB_STR("{\"type\":\"string\"}"));
        sb_json_end(w);
    }
    if (any) sb_json_end(w);
}

/* Bodies of the routes that are the same for all models. */
static const struct {
    sb_http_handler *handler;
    const char *schema;
} BODIES[] = {
    {sb_serving_v1_predict,
     "{\"type\":\"object\",\"properties\":{\"instances\":{\"type\":\"array\"},\"inputs\":{}}}"},
    {sb_serving_v2_infer, "{\"type\":\"object\",\"required\":[\"inputs\"],\"properties\":{"
                          "\"id\":{\"type\":\"string\"},\"parameters\":{\"type\":\"object\"},"
                          "\"inputs\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
                          "\"required\":[\"name\",\"shape\",\"datatype\"]}},"
                          "\"outputs\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
                          "\"required\":[\"name\"]}}}}"},
    {sb_serving_v2_index,
     "{\"type\":\"object\",\"properties\":{\"ready\":{\"type\":\"boolean\"}}}"},
};

static void add_body(struct sb_json_writer *w, sb_http_handler *handler) {
    for (size_t i = 0; i < SB_COUNT(BODIES); i++) {
        if (BODIES[i].handler != handler) continue;
        sb_json_obj(w, "requestBody");
        sb_json_obj(w, "content");
        sb_json_obj(w, "application/json");
        sb_json_raw(w, "schema", sb_str_of(BODIES[i].schema));
        sb_json_end(w);
        sb_json_end(w);
        sb_json_end(w);
    }
}

static void add_static_paths(struct sb_json_writer *w) {
    for (size_t i = 0; sb_serving_routes[i].pattern; i++) {
        const struct sb_http_route *r = &sb_serving_routes[i];
        sb_json_obj(w, r->pattern);
        sb_json_obj(w, lower_method(r->method));
        sb_json_str(w, "summary", sb_str_of(r->doc));
        add_parameters(w, sb_str_of(r->pattern));
        add_body(w, r->handler);
        add_responses(w, r->flags & SB_HTTP_ADMIT);
        sb_json_end(w);
        sb_json_end(w);
    }
}

static void add_model_path(struct sb_json_writer *w, const struct sb_live *l) {
    const struct sb_signature *s = l->model->signature;
    struct sb_buf path;
    sb_buf_init(&path, 1 << 12);
    sb_buf_addf(&path, "/models/%s/predict", l->route);
    sb_json_key(w, sb_buf_view(&path));
    sb_json_obj(w, NULL);
    sb_json_obj(w, "post");
    sb_buf_reset(&path);
    sb_buf_addf(&path, "%s, version %s (%s back-end, %s)", l->route, l->model->info.version,
                l->model->ops->name, l->policy);
    sb_json_str(w, "summary", sb_buf_view(&path));
    sb_json_str(w, "x-sibyl-model", sb_str_of(l->route));
    sb_json_obj(w, "requestBody");
    sb_json_bool(w, "required", true);
    sb_json_obj(w, "content");
    sb_json_obj(w, "application/json");
    sb_json_obj(w, "schema");
    add_properties(w, s->inputs, s->ninputs);
    sb_json_end(w);
    add_example(w, s);
    sb_json_end(w);
    sb_json_raw(w, "text/csv", SB_STR("{\"schema\":{\"type\":\"string\"}}"));
    sb_json_raw(w, "application/vnd.apache.parquet", SB_STR("{}"));
    sb_json_end(w);
    sb_json_end(w);
    add_responses(w, true);
    sb_json_end(w);
    sb_json_end(w);
    sb_buf_fini(&path);
}

void sb_serving_openapi(struct sb_http_req *r) {
    struct sb_serving *s = r->app;
    const struct sb_routes *routes =
        sb_route_cache_get(&sb_lane_of(s, r->loop)->cache, s->o.routes);
    struct sb_buf b;
    sb_buf_init(&b, 64 << 20);
    struct sb_json_writer w = {.b = &b};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "openapi", SB_STR("3.1.0"));
    sb_json_obj(&w, "info");
    sb_json_str(&w, "title", SB_STR("sibyl serving"));
    sb_json_str(&w, "version", sb_str_of(s->o.version));
    sb_json_end(&w);
    sb_json_obj(&w, "paths");
    add_static_paths(&w);
    for (size_t i = 0; i < routes->n; i++) {
        if (routes->routes[i].primary) add_model_path(&w, routes->routes[i].primary);
    }
    sb_json_end(&w);
    sb_json_end(&w);
    if (sb_buf_err(&b))
        sb_http_reply(r, 500, NULL, SB_STR("{\"error\":\"answer too large\"}"));
    else
        sb_http_reply(r, 200, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

void sb_serving_docs(struct sb_http_req *r) {
    sb_http_add_header(r, "Content-Security-Policy",
                       SB_STR("default-src 'none'; style-src 'unsafe-inline'; script-src "
                              "'unsafe-inline'; img-src data:; connect-src 'self'; frame-ancestors "
                              "'none'"));
    sb_http_add_header(r, "X-Content-Type-Options", SB_STR("nosniff"));
    sb_http_reply(r, 200, "text/html; charset=utf-8",
                  sb_str_make((const char *)sb_web_docs, sizeof sb_web_docs - 1));
}

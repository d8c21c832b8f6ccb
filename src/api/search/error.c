/* Errors in Elasticsearch's form. */
#include <stdarg.h>
#include <stdio.h>

#include "api/search/search_int.h"

static sb_err vfail(struct es_error *e, int status, const char *type, const char *fmt, va_list ap)
    SB_PRINTF(4, 0);
static sb_err vfail(struct es_error *e, int status, const char *type, const char *fmt, va_list ap) {
    if (e->status) return SB_E_INVALID;
    e->status = status;
    e->type = type;
    vsnprintf(e->reason, sizeof e->reason, fmt, ap);
    return SB_E_INVALID;
}

sb_err es_fail(struct es_error *e, int status, const char *type, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vfail(e, status, type, fmt, ap);
    va_end(ap);
    return SB_E_INVALID;
}

sb_err es_fail_parse(struct es_error *e, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vfail(e, 400, "parsing_exception", fmt, ap);
    va_end(ap);
    return SB_E_INVALID;
}

sb_err es_fail_argument(struct es_error *e, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vfail(e, 400, "illegal_argument_exception", fmt, ap);
    va_end(ap);
    return SB_E_INVALID;
}

sb_err es_fail_engine(struct es_error *e, sb_err err, const struct sb_errctx *ctx) {
    const char *text = sb_errctx_text(ctx, err);
    switch (err) {
    case SB_E_TIMEOUT:
        return es_fail(e, 504, "search_timeout_exception",
                       "the search took longer than it may: ask for less, or a shorter time range");
    case SB_E_CLOSED:
        return es_fail(e, 503, "task_cancelled_exception", "the search was cancelled");
    case SB_E_BUSY:
        return es_fail(e, 429, "es_rejected_execution_exception",
                       "too many searches at a time: try again");
    case SB_E_NOMEM: return es_fail(e, 429, "circuit_breaking_exception", "%s", text);
    default: break;
    }
    switch (sb_err_class(err)) {
    case SB_CLASS_CALLER: return es_fail_argument(e, "%s", text);
    case SB_CLASS_LIMIT: return es_fail(e, 400, "too_many_buckets_exception", "%s", text);
    case SB_CLASS_MISSING: return es_fail(e, 404, "resource_not_found_exception", "%s", text);
    default: return es_fail(e, 500, "exception", "%s", sb_err_text(err));
    }
}

static void write_cause(struct sb_json_writer *w, const struct es_error *e) {
    sb_json_str(w, "type", sb_str_of(e->type));
    sb_json_str(w, "reason", sb_str_of(e->reason));
    if (!e->index.n) return;
    sb_json_str(w, "resource.type", SB_STR("index_or_alias"));
    sb_json_str(w, "resource.id", e->index);
    sb_json_str(w, "index_uuid", SB_STR("_na_"));
    sb_json_str(w, "index", e->index);
}

void es_error_write(struct sb_json_writer *w, const struct es_error *e) {
    sb_json_obj(w, "error");
    sb_json_arr(w, "root_cause");
    sb_json_obj(w, NULL);
    write_cause(w, e);
    sb_json_end(w);
    sb_json_end(w);
    write_cause(w, e);
    sb_json_end(w);
    sb_json_int(w, "status", e->status);
}

void sb_search_http_error(const struct sb_http_req *r, struct sb_buf *out, int status,
                          const char *message) {
    static const struct {
        int status;
        const char *type;
    } types[] = {{403, "security_exception"},         {404, "resource_not_found_exception"},
                 {413, "content_too_long_exception"}, {429, "es_rejected_execution_exception"},
                 {503, "unavailable_exception"},      {504, "search_timeout_exception"}};
    struct es_error e = {.status = status, .type = "illegal_argument_exception"};
    struct sb_json_writer w = {.b = out};
    for (size_t i = 0; i < SB_COUNT(types); i++)
        if (types[i].status == status) e.type = types[i].type;
    if (status == 404 || status == 405)
        snprintf(e.reason, sizeof e.reason, "%s: no handler for [%.*s] and method [%s]", message,
                 r->path.n < 200 ? (int)r->path.n : 200, r->path.n ? r->path.p : "",
                 sb_http_method_name(r->method));
    else
        snprintf(e.reason, sizeof e.reason, "%s", message);
    sb_json_obj(&w, NULL);
    es_error_write(&w, &e);
    sb_json_end(&w);
}

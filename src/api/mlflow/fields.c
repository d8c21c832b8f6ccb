/* Requests into typed fields, with MLflow's own messages.
 *
 * MLflow parses into a protobuf message first. When that works it only checks that required fields
 * are there (and not ""); when it does not, it names the first field of the wrong type. Query
 * parameters are all text. (mlflow/server/handlers.py, _get_request_message and
 * _validate_param_against_schema) */
#include <math.h>

#include "api/mlflow/mlflow_int.h"

#define SEE_DOCS " See the API docs for more information about request parameters."

sb_err call_missing(struct call *c, const char *name) {
    return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                     "Missing value for required parameter '%s'." SEE_DOCS, name);
}

static const char *python_type(const struct sb_json *v) {
    switch (v->type) {
    case SB_JSON_NULL: return "NoneType";
    case SB_JSON_FALSE:
    case SB_JSON_TRUE: return "bool";
    case SB_JSON_NUMBER: return v->is_int ? "int" : "float";
    case SB_JSON_STRING: return "str";
    case SB_JSON_ARRAY: return "list";
    case SB_JSON_OBJECT: return "dict";
    }
    return "object";
}

sb_err call_wrong_type(struct call *c, const char *name, const struct sb_json *v) {
    struct sb_buf text;
    sb_buf_init(&text, 1 << 16);
    sb_json_add_tree(&text, v);
    struct sb_str s = sb_buf_err(&text) ? SB_STR("...") : sb_buf_view(&text);
    sb_err err = call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                           "Invalid value %.*s for parameter '%s' supplied:  Hint: Value was of "
                           "type '%s'." SEE_DOCS,
                           SB_ARG(s), name, python_type(v));
    sb_buf_fini(&text);
    return err;
}

/* ---- single values ---- */

sb_err json_number(const struct sb_json *v, double *out) {
    if (v->type == SB_JSON_NUMBER) {
        *out = v->d;
        return SB_OK;
    }
    if (v->type != SB_JSON_STRING) return SB_E_INVALID;
    if (sb_str_is(v->s, "NaN")) return *out = NAN, SB_OK;
    if (sb_str_is(v->s, "Infinity")) return *out = INFINITY, SB_OK;
    if (sb_str_is(v->s, "-Infinity")) return *out = -INFINITY, SB_OK;
    return sb_double_parse(v->s, out) ? SB_OK : SB_E_INVALID;
}

static bool json_int(const struct sb_json *v, int64_t *out) {
    if (v->type == SB_JSON_STRING) return sb_str_to_i64(v->s, out);
    if (v->type != SB_JSON_NUMBER) return false;
    if (v->is_int) return *out = v->i, true;
    /* 1.0 and 1e3 are integers to protobuf's JSON; beyond 2^63 nothing is */
    if (!(v->d >= -0x1p63 && v->d < 0x1p63) || v->d != trunc(v->d)) return false;
    *out = (int64_t)v->d;
    return true;
}

static bool strings_of(struct call *c, const struct sb_json *v, struct value *out) {
    if (v->type != SB_JSON_ARRAY) return false;
    struct sb_str *list = sb_arena_alloc(&c->arena, (v->n + 1) * sizeof *list);
    size_t n = 0;
    for (const struct sb_json *i = v->child; i; i = i->next) {
        if (i->type != SB_JSON_STRING) return false;
        list[n++] = i->s;
    }
    out->list = list;
    out->n = n;
    return true;
}

static bool objects_of(const struct sb_json *v, struct value *out) {
    if (v->type != SB_JSON_ARRAY) return false;
    for (const struct sb_json *i = v->child; i; i = i->next)
        if (i->type != SB_JSON_OBJECT) return false;
    out->n = v->n;
    return true;
}

static sb_err read_json_value(struct call *c, const struct field *f, const struct sb_json *v,
                              struct value *out) {
    bool ok = false;
    out->json = v;
    switch (f->type) {
    case F_STR:
        ok = v->type == SB_JSON_STRING;
        out->s = v->s;
        break;
    case F_STATUS:
        ok = v->type == SB_JSON_STRING || (v->type == SB_JSON_NUMBER && v->is_int);
        out->s = v->s;
        break;
    case F_INT: ok = json_int(v, &out->i); break;
    case F_DOUBLE: ok = json_number(v, &out->d) == SB_OK; break;
    case F_BOOL:
        ok = v->type == SB_JSON_TRUE || v->type == SB_JSON_FALSE;
        out->b = v->type == SB_JSON_TRUE;
        break;
    case F_STRS: ok = strings_of(c, v, out); break;
    case F_OBJECTS: ok = objects_of(v, out); break;
    }
    if (!ok) return call_wrong_type(c, f->name, v);
    out->has = true;
    return SB_OK;
}

/* ---- where the fields come from ---- */

static sb_err read_query_value(struct call *c, const struct field *f, struct sb_str text,
                               struct value *out) {
    if (f->type == F_BOOL) {
        bool yes = sb_str_ieq(text, SB_STR("true"));
        if (!yes && !sb_str_ieq(text, SB_STR("false")))
            return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                             "Invalid boolean value: %.*s, must be 'true' or 'false'.",
                             SB_ARG(text));
        *out = (struct value){.has = true, .b = yes};
        return SB_OK;
    }
    struct sb_json *v = sb_arena_zalloc(&c->arena, sizeof *v);
    v->type = SB_JSON_STRING;
    v->s = text;
    return read_json_value(c, f, v, out);
}

/* A repeated field of a query: one parameter for each item. */
static void read_query_list(struct call *c, const struct field *f, struct value *out) {
    struct sb_str name, value, *list = NULL;
    size_t n = 0, cap = 0;
    for (size_t at = 0; sb_http_query_next(c->req, &at, &name, &value);) {
        if (!sb_str_is(name, f->name)) continue;
        if (n == cap) {
            struct sb_str *more = sb_arena_alloc(&c->arena, (cap * 2 + 8) * sizeof *more);
            if (n) memcpy(more, list, n * sizeof *more);
            list = more;
            cap = cap * 2 + 8;
        }
        list[n++] = value;
    }
    *out = (struct value){.has = n > 0, .list = list, .n = n};
}

static sb_err parse_query(struct call *c) {
    for (size_t i = 0; c->rpc->fields[i].name; i++) {
        const struct field *f = &c->rpc->fields[i];
        struct sb_str text;
        if (f->type == F_STRS)
            read_query_list(c, f, &c->v[i]);
        else if (!(f->flags & F_PATH) && sb_http_query_get(c->req, f->name, &text))
            SB_TRY(read_query_value(c, f, text, &c->v[i]));
    }
    return SB_OK;
}

static bool json_content(struct sb_str type) {
    ptrdiff_t semi = sb_str_find(type, ';');
    if (semi >= 0) type = sb_str_sub(type, 0, (size_t)semi);
    return sb_str_ieq(sb_str_trim(type), SB_STR("application/json"));
}

static sb_err parse_text(struct call *c, struct sb_str text, struct sb_json **out) {
    struct sb_json_reader r;
    sb_json_reader_init(&r, text, &c->arena, &c->ctx);
    r.nonfinite = true;
    r.string_max = SB_MLFLOW_BODY_MAX; /* dataset profiles */
    sb_err err = sb_json_parse_with(out, &r);
    if (err)
        return call_fail(c, SB_MLFLOW_BAD_REQUEST, "The request body is not valid JSON: %s",
                         sb_errctx_text(&c->ctx, err));
    return SB_OK;
}

/* The body as an object; *out is NULL when there is none. Old clients send a JSON string that holds
 * the JSON. */
static sb_err parse_body(struct call *c, struct sb_json **out) {
    enum sb_http_method m = c->req->method;
    struct sb_str type = sb_http_get_header(c->req, "Content-Type");
    if ((m == SB_HTTP_POST || m == SB_HTTP_PUT) && !json_content(type))
        return call_fail(c, SB_MLFLOW_INVALID_PARAMETER_VALUE,
                         "Bad Request. Content-Type must be one of ['application/json'].");
    *out = NULL;
    if (!sb_str_trim(c->req->body).n) return SB_OK;
    struct sb_json *v;
    SB_TRY(parse_text(c, c->req->body, &v));
    if (v->type == SB_JSON_STRING) SB_TRY(parse_text(c, v->s, &v));
    if (v->type == SB_JSON_NULL) return SB_OK;
    if (v->type != SB_JSON_OBJECT)
        return call_fail(c, SB_MLFLOW_BAD_REQUEST, "The request body is not a JSON object.");
    *out = v;
    return SB_OK;
}

static sb_err parse_members(struct call *c, const struct sb_json *o) {
    for (size_t i = 0; c->rpc->fields[i].name; i++) {
        const struct field *f = &c->rpc->fields[i];
        const struct sb_json *v = sb_json_get(o, f->name);
        if (!v || v->type == SB_JSON_NULL || f->flags & F_PATH) continue;
        SB_TRY(read_json_value(c, f, v, &c->v[i]));
    }
    return SB_OK;
}

static bool is_empty(const struct field *f, const struct value *v) {
    if (!v->has) return true;
    return f->type == F_STR && !v->s.n;
}

static sb_err check_required(struct call *c) {
    for (size_t i = 0; c->rpc->fields[i].name; i++) {
        const struct field *f = &c->rpc->fields[i];
        if (!(f->flags & F_REQUIRED) || !is_empty(f, &c->v[i])) continue;
        if (!strcmp(f->name, "run_id") && arg_run_id(c).n) continue;
        return call_missing(c, f->name);
    }
    return SB_OK;
}

static void take_path(struct call *c) {
    size_t part = 0;
    for (size_t i = 0; c->rpc->fields[i].name; i++)
        if (c->rpc->fields[i].flags & F_PATH && part < c->req->nparams)
            c->v[i] = (struct value){.has = true, .s = c->req->params[part++]};
}

sb_err call_parse(struct call *c) {
    if (c->req->method == SB_HTTP_GET) {
        SB_TRY(parse_query(c));
    } else {
        struct sb_json *o;
        SB_TRY(parse_body(c, &o));
        if (o) SB_TRY(parse_members(c, o));
    }
    take_path(c);
    return check_required(c);
}

sb_err call_parse_object(struct call *c, const struct sb_json *args) {
    if (args) SB_TRY(parse_members(c, args));
    return check_required(c);
}

/* ---- for handlers ---- */

static const struct value *find(const struct call *c, const char *name) {
    for (size_t i = 0; c->rpc->fields[i].name; i++)
        if (!strcmp(c->rpc->fields[i].name, name)) return &c->v[i];
    return NULL;
}

const struct value *arg(const struct call *c, const char *name) {
    const struct value *v = find(c, name);
    SB_ASSERT(v);
    return v;
}

struct sb_str arg_str(const struct call *c, const char *name) {
    const struct value *v = arg(c, name);
    if (!v->has) return (struct sb_str){0};
    return v->s.p ? v->s : SB_STR("");
}

struct sb_str arg_text(const struct call *c, const char *name) {
    struct sb_str s = arg_str(c, name);
    return s.n ? s : (struct sb_str){0};
}

struct sb_opt_i64 arg_int(const struct call *c, const char *name) {
    const struct value *v = arg(c, name);
    return (struct sb_opt_i64){v->has, v->i};
}

struct sb_str arg_run_id(const struct call *c) {
    struct sb_str id = arg_str(c, "run_id");
    const struct value *old = find(c, "run_uuid");
    return id.n || !old || !old->has ? id : old->s;
}

sb_err member_str(struct call *c, const struct sb_json *o, const char *path, const char *key,
                  struct sb_str *out) {
    const struct sb_json *v = sb_json_get(o, key);
    *out = (struct sb_str){0};
    if (!v || v->type == SB_JSON_NULL) return SB_OK;
    if (v->type != SB_JSON_STRING)
        return call_wrong_type(c, sb_arena_printf(&c->arena, "%s.%s", path, key), v);
    *out = v->s.p ? v->s : SB_STR("");
    return SB_OK;
}

sb_err member_int(struct call *c, const struct sb_json *o, const char *path, const char *key,
                  int64_t *out) {
    const struct sb_json *v = sb_json_get(o, key);
    *out = 0;
    if (!v || v->type == SB_JSON_NULL || json_int(v, out)) return SB_OK;
    return call_wrong_type(c, sb_arena_printf(&c->arena, "%s.%s", path, key), v);
}

sb_err arg_tags(struct call *c, const char *name, struct sb_tags *out) {
    const struct value *v = arg(c, name);
    *out = (struct sb_tags){0};
    if (!v->has || !v->n) return SB_OK;
    out->v = sb_arena_alloc(&c->arena, v->n * sizeof *out->v);
    for (const struct sb_json *i = v->json->child; i; i = i->next) {
        struct sb_tag *t = &out->v[out->n];
        SB_TRY(member_str(c, i, name, "key", &t->key));
        SB_TRY(member_str(c, i, name, "value", &t->value));
        if (!t->key.n)
            return call_missing(c, sb_arena_printf(&c->arena, "%s[%zu].key", name, out->n));
        if (!t->value.p) t->value = SB_STR("");
        out->n++;
    }
    return SB_OK;
}

void arg_search(const struct call *c, struct sb_search *out) {
    const struct value *order = arg(c, "order_by");
    *out = (struct sb_search){
        .filter = arg_str(c, "filter"),
        .order_by = order->list,
        .order_by_n = order->has ? order->n : 0,
        .max_results = arg_int(c, "max_results"),
        .page_token = arg_text(c, "page_token"),
    };
}

sb_err check_max(struct call *c, int64_t max) {
    const struct value *v = arg(c, "max_results");
    if (!v->has || v->i <= max) return SB_OK;
    return call_wrong_type(c, "max_results", v->json);
}

sb_err arg_view(struct call *c, const char *name, enum sb_view *out) {
    static const char *const names[] = {"ACTIVE_ONLY", "DELETED_ONLY", "ALL"};
    const struct value *v = arg(c, name);
    *out = SB_VIEW_ACTIVE_ONLY;
    if (!v->has) return SB_OK;
    for (int i = 0; i < 3; i++) {
        int64_t number;
        /* protobuf's numbers begin at 1 */
        if (sb_str_is(v->s, names[i]) || (sb_str_to_i64(v->s, &number) && number == i + 1))
            return *out = (enum sb_view)i, SB_OK;
    }
    return call_wrong_type(c, name, v->json);
}

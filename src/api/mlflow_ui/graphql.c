/* POST /graphql: {"query", "variables", "operationName"} -> {"data", "errors"}, status 200 also
 * when the query is wrong, as GraphQL clients expect. */
#include "api/mlflow/mlflow.h"
#include "api/mlflow_ui/gql.h"
#include "api/mlflow_ui/mlflow_ui_int.h"
#include "base/mem.h"

enum {
    ARENA_MAX = 256 << 20,
    ANSWER_MAX = 128 << 20,
    CALLS_MAX = 4000, /* of the API in one request: two for each run of a search */
    ERRORS_MAX = 100,
};

#define TOO_MANY "The query asks for too much: fewer runs, or without their experiment and versions"

struct query {
    struct sb_job job;
    struct sb_http_req *req;
    struct sb_mlflow_api *api;
    struct sb_arena arena; /* holds the query too */
    struct gql_plan plan;
    struct sb_buf body;
    struct sb_json_writer w;
    const char *refused; /* not GraphQL at all: answered 400 */
    struct sb_str errors[ERRORS_MAX];
    size_t nerrors, calls;
    /* the experiment asked last: the runs of a search mostly have one in common */
    struct sb_str experiment_id;
    const struct sb_json *experiment;
};

/* ---- calls of the API ---- */

static void add_error(struct query *q, struct sb_str text) {
    if (q->nerrors < ERRORS_MAX) q->errors[q->nerrors++] = text;
}

static struct sb_json *call(struct query *q, const char *path, const struct sb_json *args) {
    struct sb_registry_error error;
    struct sb_json *out;
    if (++q->calls > CALLS_MAX) {
        if (q->calls == CALLS_MAX + 1) add_error(q, SB_STR(TOO_MANY));
        return NULL;
    }
    if (sb_mlflow_api_call(q->req, path, args, &q->arena, &out, &error) == SB_OK) return out;
    add_error(q, error.message);
    return NULL;
}

static struct sb_json *call_with(struct query *q, const char *path, const char *name,
                                 struct sb_str value) {
    struct sb_json member = {.type = SB_JSON_STRING, .s = value, .key = sb_str_of(name)};
    struct sb_json args = {.type = SB_JSON_OBJECT, .child = &member, .n = 1};
    return call(q, path, &args);
}

static struct sb_str info_of_run(const struct sb_json *run, const char *name) {
    struct sb_str s = SB_STR("");
    (void)sb_json_get_str(sb_json_get(run, "info"), name, &s);
    return s;
}

static const struct sb_json *experiment_of(struct query *q, const struct sb_json *run) {
    struct sb_str id = info_of_run(run, "experiment_id");
    if (!q->experiment || !sb_str_eq(id, q->experiment_id)) {
        q->experiment =
            sb_json_get(call_with(q, "experiments/get", "experiment_id", id), "experiment");
        q->experiment_id = id;
    }
    return q->experiment;
}

static const struct sb_json *versions_of(struct query *q, const struct sb_json *run) {
    struct sb_str id = info_of_run(run, "run_id");
    const char *filter = sb_arena_printf(&q->arena, "run_id='%.*s'", SB_ARG(id));
    const struct sb_json *found =
        call_with(q, "model-versions/search", "filter", sb_str_of(filter));
    static const struct sb_json none = {.type = SB_JSON_ARRAY};
    const struct sb_json *list = sb_json_get(found, "model_versions");
    return found && !list ? &none : list;
}

/* ---- values ---- */

static void put_object(struct query *q, const struct gql_node *n, const char *key,
                       const struct sb_json *o);

static void put_scalar(struct query *q, const struct gql_field *f, const char *key,
                       const struct sb_json *v) {
    struct sb_json_writer *w = &q->w;
    struct sb_str text = v ? v->s : (struct sb_str){0};
    switch (f->kind) {
    case GQL_STRING: sb_json_str(w, key, text); return;
    case GQL_LONG: sb_json_str(w, key, v ? text : SB_STR("0")); return;
    case GQL_BOOL: sb_json_bool(w, key, v && v->type == SB_JSON_TRUE); return;
    case GQL_FLOAT:
        if (v && v->type != SB_JSON_NUMBER)
            sb_json_null(w, key);
        else
            sb_json_double(w, key, v ? v->d : 0);
        return;
    default:
        if (v || f->fallback)
            sb_json_str(w, key, v ? text : sb_str_of(f->fallback));
        else
            sb_json_null(w, key);
    }
}

static void put_value(struct query *q, const struct gql_node *n, const char *key,
                      const struct sb_json *v) {
    if (n->field->kind == GQL_OBJECT)
        put_object(q, n, key, v);
    else
        put_scalar(q, n->field, key, v);
}

static void put_list(struct query *q, const struct gql_node *n, const struct sb_json *list) {
    sb_json_arr(&q->w, n->key);
    for (const struct sb_json *i = list ? list->child : NULL; i; i = i->next)
        put_value(q, n, NULL, i);
    sb_json_end(&q->w);
}

static void put_field(struct query *q, const struct gql_node *n, const struct sb_json *parent) {
    const struct gql_field *f = n->field;
    if (!f) {
        sb_json_str(&q->w, n->key, sb_str_of(n->parent->name));
        return;
    }
    const struct sb_json *v = NULL;
    switch (f->source) {
    case GQL_RUN_EXPERIMENT: v = experiment_of(q, parent); break;
    case GQL_RUN_VERSIONS: v = versions_of(q, parent); break;
    default: v = sb_json_get(parent, f->name);
    }
    if (f->kind == GQL_API_ERROR || (f->source != GQL_MEMBER && !v))
        sb_json_null(&q->w, n->key);
    else if (f->list)
        put_list(q, n, v);
    else
        put_value(q, n, n->key, v);
}

/* The plan's depth is GQL_DEPTH_MAX at most, so is this. */
static void put_object(struct query *q, const struct gql_node *n, const char *key,
                       const struct sb_json *o) {
    sb_json_obj(&q->w, key);
    for (const struct gql_node *c = n->child; c; c = c->next) put_field(q, c, o);
    sb_json_end(&q->w);
}

static void put_root(struct query *q, const struct gql_node *n) {
    const struct gql_field *f = n->field;
    if (!f) {
        sb_json_str(&q->w, n->key, sb_str_of(n->parent->name));
        return;
    }
    const struct sb_json *answer = n->args;
    if (!n->args)
        add_error(q, sb_str_of(sb_arena_printf(&q->arena, "%s: its argument is missing", n->key)));
    else if (f->source == GQL_CALL)
        answer = call(q, f->call, n->args);
    if (answer)
        put_object(q, n, n->key, answer);
    else
        sb_json_null(&q->w, n->key);
}

/* ---- the request ---- */

static void put_errors(struct query *q) {
    if (!q->nerrors) {
        sb_json_null(&q->w, "errors");
        return;
    }
    sb_json_arr(&q->w, "errors");
    for (size_t i = 0; i < q->nerrors; i++) sb_json_str(&q->w, NULL, q->errors[i]);
    sb_json_end(&q->w);
}

static void answer(struct query *q, bool planned) {
    sb_buf_reset(&q->body);
    q->w = (struct sb_json_writer){.b = &q->body};
    sb_json_obj(&q->w, NULL);
    if (planned) {
        sb_json_obj(&q->w, "data");
        for (const struct gql_node *n = q->plan.root.child; n; n = n->next) put_root(q, n);
        sb_json_end(&q->w);
    } else {
        sb_json_null(&q->w, "data");
    }
    put_errors(q);
    sb_json_end(&q->w);
}

static const char *read_request(struct query *q, struct sb_str *text, struct sb_str *operation,
                                const struct sb_json **variables) {
    struct sb_json *o;
    if (sb_json_parse(&o, q->req->body, &q->arena, NULL) || o->type != SB_JSON_OBJECT)
        return "The request body is not a JSON object.";
    if (!sb_json_get_str(o, "query", text) || !text->p)
        return "The request has no 'query', which must be a string.";
    if (!sb_json_get_str(o, "operationName", operation))
        return "The request's 'operationName' is not a string.";
    *variables = sb_json_get(o, "variables");
    if (*variables && (*variables)->type == SB_JSON_NULL) *variables = NULL;
    if (*variables && (*variables)->type != SB_JSON_OBJECT)
        return "The request's 'variables' are not an object.";
    return NULL;
}

static void query_work(struct sb_job *j) {
    struct query *q = SB_CONTAINER(j, struct query, job);
    struct sb_str text = {0}, operation = {0};
    const struct sb_json *variables = NULL;
    q->refused = read_request(q, &text, &operation, &variables);
    if (q->refused) return;
    if (!operation.n) operation.p = NULL;
    sb_err err = gql_plan_make(&q->plan, text, operation, variables, &q->arena);
    if (err) add_error(q, sb_str_of(q->plan.error));
    answer(q, err == SB_OK);
    if (sb_buf_err(&q->body) == SB_OK) return;
    q->nerrors = 0;
    add_error(q, SB_STR(TOO_MANY));
    answer(q, false);
}

static void reply_error(struct sb_http_req *r, int status, const char *message) {
    struct sb_buf b;
    sb_buf_init(&b, 4096);
    sb_mlflow_error_body(&b, status, message);
    if (status == 503) sb_http_add_header(r, "Retry-After", SB_STR("1"));
    sb_http_reply(r, status, NULL, sb_buf_view(&b));
    sb_buf_fini(&b);
}

static void query_free(struct query *q) {
    struct sb_arena own = q->arena;
    sb_buf_fini(&q->body);
    sb_arena_fini(&own);
}

static void query_done(struct sb_job *j) {
    struct query *q = SB_CONTAINER(j, struct query, job);
    if (q->refused)
        reply_error(q->req, 400, q->refused);
    else
        sb_http_reply(q->req, 200, NULL, sb_buf_view(&q->body));
    query_free(q);
}

/* A form of another site can send text/plain without asking first, but not this. */
static bool is_json(struct sb_http_req *r) {
    struct sb_str rest = sb_http_get_header(r, "Content-Type"), type;
    return sb_str_split(&rest, ';', &type) &&
           sb_str_ieq(sb_str_trim(type), SB_STR("application/json"));
}

void handle_graphql(struct sb_http_req *r) {
    struct sb_arena own;
    if (!is_json(r)) {
        reply_error(r, 400, "Content-Type must be application/json.");
        return;
    }
    sb_arena_init(&own, ARENA_MAX);
    struct query *q = sb_arena_zalloc(&own, sizeof *q);
    q->arena = own;
    q->req = r;
    q->api = r->app;
    sb_buf_init(&q->body, ANSWER_MAX);
    q->job = (struct sb_job){.work = query_work, .done = query_done, .loop = r->loop};
    if (sb_mlflow_api_submit(q->api, &q->job) == SB_OK) return;
    reply_error(r, 503, "too busy, try again");
    query_free(q);
}

/* The inside of api/mlflow: one call = one request of an RPC row, from its fields to its answer. */
#ifndef SB_API_MLFLOW_INT_H
#define SB_API_MLFLOW_INT_H

#include "api/mlflow/mlflow.h"
#include "base/thread.h"
#include "codec/json.h"
#include "domain/registry/models.h"
#include "domain/registry/tracking.h"
#include "loop/pool.h"

/* ---- fields of a request ---- */

enum field_type {
    F_STR = 1,
    F_INT,     /* int64, also as text */
    F_DOUBLE,  /* also "NaN", "Infinity", "-Infinity", and numbers as text */
    F_BOOL,    /* in a query also "True" */
    F_STRS,    /* repeated string */
    F_OBJECTS, /* repeated message */
    F_STATUS,  /* name or number of an enum, kept as it came; the handler reads it */
};
enum field_flags { F_REQUIRED = 1, F_PATH = 2 /* the next {part} of the route */ };

struct field {
    const char *name;
    enum field_type type;
    unsigned flags;
};

enum { FIELDS_MAX = 12 };

struct value {
    bool has;
    struct sb_str s; /* F_STR, F_STATUS */
    int64_t i;
    double d;
    bool b;
    const struct sb_str *list; /* F_STRS */
    size_t n;                  /* of list, or of the array */
    const struct sb_json *json;
};

struct call;

enum rpc_pool { READS, WRITES, FILES };

struct rpc {
    const struct field *fields; /* ended by a row without name */
    enum rpc_pool pool;         /* FILES: also for registry calls that come with files */
    /* On a pool thread: does it and writes the answer into c->w, inside its object. */
    sb_err (*run)(struct call *c);
};

struct call {
    struct sb_job job;
    struct sb_mlflow_api *api;
    struct sb_http_req *req;
    const struct rpc *rpc;
    struct value v[FIELDS_MAX];
    struct sb_arena arena;       /* holds the call as well */
    struct sb_registry_call reg; /* its arena is the one above */
    struct sb_errctx ctx;        /* of calls other than the registry's */
    struct sb_buf body;
    struct sb_json_writer w;
    sb_err err;
};

/* The value of a field of the row; the name must be one of its fields. */
const struct value *arg(const struct call *c, const char *name);
struct sb_str arg_str(const struct call *c, const char *name); /* absent: .p is NULL */
/* The same, with "" as absent: proto strings that the handler treats so. */
struct sb_str arg_text(const struct call *c, const char *name);
struct sb_opt_i64 arg_int(const struct call *c, const char *name);
/* run_id, or run_uuid of older clients. */
struct sb_str arg_run_id(const struct call *c);
/* A repeated message of key and value. */
SB_MUST_CHECK sb_err arg_tags(struct call *c, const char *name, struct sb_tags *out);
/* Members of nested messages. */
SB_MUST_CHECK sb_err member_str(struct call *c, const struct sb_json *o, const char *path,
                                const char *key, struct sb_str *out);
SB_MUST_CHECK sb_err member_int(struct call *c, const struct sb_json *o, const char *path,
                                const char *key, int64_t *out);
SB_MUST_CHECK sb_err json_number(const struct sb_json *v, double *out);
/* filter, order_by, max_results, page_token. */
void arg_search(const struct call *c, struct sb_search *out);
/* max_results over the limit of the handler (not of the store). */
SB_MUST_CHECK sb_err check_max(struct call *c, int64_t max);
SB_MUST_CHECK sb_err arg_view(struct call *c, const char *name, enum sb_view *out);

/* Reads and checks all fields of the request. Fails with SB_E_INVALID and call_fail's message. */
SB_MUST_CHECK sb_err call_parse(struct call *c);
/* The same from an object (or NULL) instead of the request; for rows without path parameters. */
SB_MUST_CHECK sb_err call_parse_object(struct call *c, const struct sb_json *args);

/* Records the answer's error. */
sb_err call_fail(struct call *c, enum sb_mlflow_error code, const char *fmt, ...) SB_PRINTF(3, 4);
sb_err call_missing(struct call *c, const char *name);
/* "Invalid value V for parameter ...": v is what came. */
sb_err call_wrong_type(struct call *c, const char *name, const struct sb_json *v);
/* A failure of anything but the registry: code and text from the class. */
sb_err call_fail_ctx(struct call *c, sb_err err);
enum sb_mlflow_error error_of(sb_err err);

/* ---- answers: members of an object that is open in w ---- */

void put_opt_str(struct sb_json_writer *w, const char *key, struct sb_str s); /* absent: left out */
void put_text(struct sb_json_writer *w, const char *key, struct sb_str s);    /* "" too */
void put_id(struct sb_json_writer *w, const char *key, int64_t id);           /* as a string */
void put_opt_int(struct sb_json_writer *w, const char *key, struct sb_opt_i64 v);
void put_double(struct sb_json_writer *w, const char *key, double v); /* NaN as "NaN" */
void put_tags(struct sb_json_writer *w, const char *key, struct sb_tags t);
void put_metrics(struct sb_json_writer *w, const char *key, const struct sb_metrics *m);
void put_experiment(struct sb_json_writer *w, const char *key, const struct sb_experiment *e);
void put_run_info(struct sb_json_writer *w, const char *key, const struct sb_run_info *i);
void put_run(struct sb_json_writer *w, const char *key, const struct sb_run *r);
void put_logged_model(struct sb_json_writer *w, const char *key, const struct sb_logged_model *m);
void put_version(struct sb_json_writer *w, const char *key, const struct sb_model_version *v);
void put_registered(struct sb_json_writer *w, const char *key, const struct sb_registered_model *m);
void put_files(struct sb_json_writer *w, struct sb_str prefix, const struct sb_artifact_list *l);

/* ---- the api ---- */

/* Waiting /changes requests of one loop. */
struct hub {
    struct sb_task task;
    struct sb_mlflow_api *api;
    struct sb_loop *loop;
    _Atomic bool posted;
    struct waiter *waiters;
};

struct sb_mlflow_api {
    struct sb_registry *reg;
    void *user;
    struct sb_audit *audit; /* NULL: nothing is written down */
    struct sb_artifact_store files;
    struct sb_pool *reads, *writes, *transfers;
    struct hub *hubs;
    size_t nhubs;
    _Atomic int64_t changes;
    _Atomic bool draining;
};

/* audit.c: what a call has changed, for topic `audit`; texts may be empty. */
struct audit_note {
    const char *kind;
    struct sb_str model, from, to;
    struct sb_str alias, version, stage, run_id;
    struct sb_str user; /* known from elsewhere; who asks goes first */
    bool archived_others;
};
void audit_note(struct call *c, const struct audit_note *n);
/* What the alias names, the stage of a version, the user of a run now; empty when there is none. */
struct sb_str audit_alias_version(struct call *c, struct sb_str name, struct sb_str alias);
struct sb_str audit_version_stage(struct call *c, struct sb_str name, struct sb_str version);
struct sb_str audit_run_user(struct call *c, struct sb_str run_id);

/* Answers with an error document. */
void reply_error(struct sb_http_req *r, enum sb_mlflow_error code, struct sb_str message);
/* A zeroed call, ready for a registry call; ended by call_done. It is in its own arena: an answer
 * gives the request's memory back at once, and the answer's bytes are the call's. */
struct call *call_new(struct sb_http_req *r);
void call_done(struct call *c);
/* Hands c->job to a pool; a full pool is answered 503 (and the call ended). */
void call_submit(struct call *c, struct sb_pool *pool, void (*work)(struct sb_job *),
                 void (*done)(struct sb_job *));

void hubs_init(struct sb_mlflow_api *a, struct sb_loop *const *loops, size_t n);
void changes_bump(struct sb_mlflow_api *a);

/* Handlers of the route tables. */
sb_http_handler handle_rpc, handle_changes, handle_health, handle_version, handle_server_info;
sb_http_handler handle_artifact_get, handle_artifact_put, handle_artifact_delete;
sb_http_handler handle_run_artifact, handle_version_artifact, handle_model_artifact;
sb_http_handler handle_part_put, handle_run_upload;

/* The row a route of the RPC tables belongs to. */
const struct rpc *rpc_of_route(const struct sb_http_route *route);
/* The answer of work that has none: {} or c's error; ends the call. */
void call_done_empty(struct sb_job *j);
/* The reading RPC of a path of MLFLOW_RPCS, or one of ours by its whole path; it must be there. */
const struct rpc *rpc_of_path(const char *path);

/* No sign of a proxy: a URL made of the request's Host is the client's own. */
bool request_is_direct(const struct sb_http_req *r);
/* Store path below the artifact URI root: both checked. */
SB_MUST_CHECK sb_err artifact_path(struct call *c, struct sb_str root_uri, struct sb_str path,
                                   struct sb_str *out);

/* ---- rows: X(method, path, scope, rpc, doc) ---- */

#define MLFLOW_RPCS(X)                                                                             \
    X(POST, "experiments/create", WRITE, experiment_create, "create an experiment")                \
    X(GET, "experiments/get", READ, experiment_get, "an experiment by id")                         \
    X(GET, "experiments/get-by-name", READ, experiment_by_name, "an experiment by name")           \
    X(POST, "experiments/search", READ, experiment_search, "search experiments")                   \
    X(GET, "experiments/search", READ, experiment_search, "search experiments")                    \
    X(POST, "experiments/delete", WRITE, experiment_delete, "mark an experiment deleted")          \
    X(POST, "experiments/restore", WRITE, experiment_restore, "undo a delete")                     \
    X(POST, "experiments/update", WRITE, experiment_update, "rename an experiment")                \
    X(POST, "experiments/set-experiment-tag", WRITE, experiment_tag_set, "set a tag")              \
    X(POST, "experiments/delete-experiment-tag", WRITE, experiment_tag_delete, "remove a tag")     \
    X(POST, "experiments/search-datasets", READ, dataset_search, "datasets used in experiments")   \
    X(POST, "runs/create", WRITE, run_create, "start a run")                                       \
    X(GET, "runs/get", READ, run_get, "a run")                                                     \
    X(POST, "runs/update", WRITE, run_update, "status, end time or name of a run")                 \
    X(POST, "runs/delete", WRITE, run_delete, "mark a run deleted")                                \
    X(POST, "runs/restore", WRITE, run_restore, "undo a delete")                                   \
    X(POST, "runs/search", READ, run_search, "search runs")                                        \
    X(POST, "runs/log-metric", WRITE, metric_log, "log one metric value")                          \
    X(POST, "runs/log-parameter", WRITE, param_log, "log one parameter")                           \
    X(POST, "runs/log-batch", WRITE, batch_log, "log metrics, parameters and tags")                \
    X(POST, "runs/set-tag", WRITE, run_tag_set, "set a tag")                                       \
    X(POST, "runs/delete-tag", WRITE, run_tag_delete, "remove a tag")                              \
    X(POST, "runs/log-inputs", WRITE, inputs_log, "datasets and models a run used")                \
    X(POST, "runs/outputs", WRITE, outputs_log, "models a run made")                               \
    X(POST, "runs/log-model", WRITE, model_record, "the model record of 2.x clients")              \
    X(GET, "metrics/get-history", READ, metric_history, "all values of a metric")                  \
    X(GET, "metrics/get-history-bulk", READ, metric_history_bulk, "a metric of many runs")         \
    X(GET, "metrics/get-history-bulk-interval", READ, metric_history_interval,                     \
      "a metric of many runs, sampled")                                                            \
    X(GET, "artifacts/list", READ, artifact_list, "files of a run, one level")                     \
    X(POST, "artifacts/presigned-upload-url", WRITE, upload_url,                                   \
      "refused: files are served by this server")                                                  \
    X(POST, "artifacts/presigned-download-url", READ, download_url,                                \
      "refused: files are served by this server")                                                  \
    X(POST, "logged-models", WRITE, logged_model_create, "create a logged model")                  \
    X(POST, "logged-models/search", READ, logged_model_search, "search logged models")             \
    X(GET, "logged-models/{model_id}", READ, logged_model_get, "a logged model")                   \
    X(PATCH, "logged-models/{model_id}", WRITE, logged_model_finalize, "set its status")           \
    X(DELETE, "logged-models/{model_id}", WRITE, logged_model_delete, "mark it deleted")           \
    X(POST, "logged-models/{model_id}/params", WRITE, logged_model_params, "log its parameters")   \
    X(PATCH, "logged-models/{model_id}/tags", WRITE, logged_model_tags, "set its tags")            \
    X(DELETE, "logged-models/{model_id}/tags/{tag_key*}", WRITE, logged_model_tag_delete,          \
      "remove a tag")                                                                              \
    X(GET, "logged-models/{model_id}/artifacts/directories", READ, logged_model_files,             \
      "its files, one level")                                                                      \
    X(POST, "registered-models/create", WRITE, model_create, "create a registered model")          \
    X(GET, "registered-models/get", READ, model_get, "a registered model")                         \
    X(PATCH, "registered-models/update", WRITE, model_update, "change its description")            \
    X(POST, "registered-models/rename", WRITE, model_rename, "rename it")                          \
    X(DELETE, "registered-models/delete", WRITE, model_delete, "remove it with its versions")      \
    X(GET, "registered-models/search", READ, model_search, "search registered models")             \
    X(POST, "registered-models/get-latest-versions", READ, model_latest, "newest of each stage")   \
    X(GET, "registered-models/get-latest-versions", READ, model_latest, "newest of each stage")    \
    X(POST, "registered-models/set-tag", WRITE, model_tag_set, "set a tag")                        \
    X(DELETE, "registered-models/delete-tag", WRITE, model_tag_delete, "remove a tag")             \
    X(POST, "registered-models/alias", WRITE, alias_set, "set or move an alias")                   \
    X(DELETE, "registered-models/alias", WRITE, alias_delete, "remove an alias")                   \
    X(GET, "registered-models/alias", READ, alias_get, "the version an alias names")               \
    X(POST, "model-versions/create", WRITE, version_create, "register a version")                  \
    X(GET, "model-versions/get", READ, version_get, "a version")                                   \
    X(PATCH, "model-versions/update", WRITE, version_update, "change its description")             \
    X(DELETE, "model-versions/delete", WRITE, version_delete, "remove a version")                  \
    X(GET, "model-versions/search", READ, version_search, "search versions")                       \
    X(GET, "model-versions/get-download-uri", READ, version_uri, "where its files are")            \
    X(POST, "model-versions/transition-stage", WRITE, version_stage, "move it to a stage")         \
    X(POST, "model-versions/set-tag", WRITE, version_tag_set, "set a tag")                         \
    X(DELETE, "model-versions/delete-tag", WRITE, version_tag_delete, "remove a tag")

/* Below mlflow-artifacts/. */
#define FILE_RPCS(X)                                                                               \
    X(GET, "artifacts", READ, file_list, "artifact files, one level")                              \
    X(GET, "presigned/{file_path*}", READ, file_presigned, "where an artifact file is read")       \
    X(POST, "mpu/create/{folder*}", WRITE, parts_create, "begin an upload in parts")               \
    X(POST, "mpu/complete/{folder*}", WRITE, parts_complete, "end it: the file is there")          \
    X(POST, "mpu/abort/{folder*}", WRITE, parts_abort, "give it up")

/* Not MLflow's: whole paths. */
#define OWN_RPCS(X)                                                                                \
    X(POST, "/api/sibyl/1/gc/plan", ADMIN, gc_plan, "what `sibyl gc` would remove for good")       \
    X(POST, "/api/sibyl/1/gc/remove", ADMIN, gc_remove, "remove one deleted object for good")

/* An RPC: its fields and what it does. */
#define RPC(name, pool, ...)                                                                       \
    static const struct field name##_fields[] = {__VA_ARGS__{NULL, 0, 0}};                         \
    static sb_err name##_run(struct call *c);                                                      \
    const struct rpc rpc_##name = {name##_fields, pool, name##_run};                               \
    static sb_err name##_run(struct call *c)

#define X(method, path, scope, name, doc) extern const struct rpc rpc_##name;
MLFLOW_RPCS(X)
FILE_RPCS(X)
OWN_RPCS(X)
#undef X

#endif

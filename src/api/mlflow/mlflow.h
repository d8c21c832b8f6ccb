/* MLflow's REST API (tracking, logged models, model registry, proxied artifacts) as the Python
 * client of 2.x and 3.x uses it, over domain/registry and an artifact store. Behaviour follows
 * MLflow 3.17.2 (mlflow/server/handlers.py, the protos' JSON form); every API route answers below
 * /api/2.0 and /ajax-api/2.0.
 *
 * One route is our own, for serving processes:
 *
 *     GET /api/sibyl/1/changes?since=N&timeout_ms=T   ->   {"next": M}
 *
 * answers when a registered model, version, stage or alias has changed since N (then M != N), or
 * after T ms (default 25000, at most 60000) with M == N. Any N that is not the present number
 * answers at once: ask with since=0 to learn it. Numbers grow, also across restarts. A change is
 * told within milliseconds after its commit.
 *
 * Two more are for `sibyl gc` (domain/registry/gc.h):
 *
 *     POST /api/sibyl/1/gc/plan   {run_ids, logged_model_ids, experiment_ids, older_than_ms}
 *                                 ->   {"items": [{"kind": "run", "id": ...}]}
 *     POST /api/sibyl/1/gc/remove {kind, id, force}
 *                                 ->   {"removed": true} or {"removed": false, "why_kept": ...}
 *
 * Threads: handlers run on the loops; registry calls run on the pools "sqlr" (reads) and "sqlw"
 * (writes, one thread), artifact files on "files". */
#ifndef SB_API_MLFLOW_MLFLOW_H
#define SB_API_MLFLOW_MLFLOW_H

#include "codec/json.h"
#include "domain/artifact/artifact.h"
#include "domain/audit/audit.h"
#include "domain/registry/registry.h"
#include "engine/http/http.h"
#include "loop/pool.h"

/* What a server for this API should take as sb_http_opts.body_max: a dataset's profile alone may
 * have 16 MB. Artifact bodies are streamed and have no limit. */
enum { SB_MLFLOW_BODY_MAX = 32 << 20 };

struct sb_mlflow_api;

struct sb_mlflow_api_opts {
    const char *db_path;               /* SQLite file; made when missing, its folder exists */
    const char *artifact_dir;          /* where proxied artifacts are kept; made when missing */
    const char *default_artifact_root; /* NULL = "mlflow-artifacts:/" */
    struct sb_loop *const *loops;      /* the HTTP server's; they outlive the api */
    size_t nloops;
    int read_threads;       /* 0 = 2 */
    void *user;             /* what sb_mlflow_api_user gives */
    struct sb_audit *audit; /* where changes of models are written down; NULL = nowhere */
};

/* Errors are those of sb_registry_open and sb_artifact_files_open. */
SB_MUST_CHECK sb_err sb_mlflow_api_new(struct sb_mlflow_api **out,
                                       const struct sb_mlflow_api_opts *opt, struct sb_errctx *ctx);
/* After the loops have stopped. Pool work still running is waited for. */
void sb_mlflow_api_free(struct sb_mlflow_api *a);

/* Any thread: waiting /changes requests are answered now, and later ones at once. Call it when the
 * server starts to drain. */
void sb_mlflow_api_drain(struct sb_mlflow_api *a);

/* ---- for further routes on the same server, whose app is the api too ---- */

void *sb_mlflow_api_user(const struct sb_mlflow_api *a);
/* A job on the pool of the reading calls. Errors of sb_pool_submit. */
SB_MUST_CHECK sb_err sb_mlflow_api_submit(struct sb_mlflow_api *a, struct sb_job *job);
/* On a pool thread: a reading RPC ("runs/get"), or one of our own ("/api/sibyl/1/gc/plan"), on
 * behalf of the request r, with the members of args (an object, may be NULL) as its fields. Of r
 * only the app is needed; so commands call it too, while no platform runs. *out is the document
 * that the route would answer with, in the arena. On failure the code and text of its error
 * document are in *error. */
SB_MUST_CHECK sb_err sb_mlflow_api_call(struct sb_http_req *r, const char *path,
                                        const struct sb_json *args, struct sb_arena *arena,
                                        struct sb_json **out, struct sb_registry_error *error);

/* Route tables for sb_http_listen (sb_http_opts.app must be the api), each ended by a row without
 * pattern; the list ends with NULL. */
extern const struct sb_http_route *const sb_mlflow_api_tables[];

/* {"error_code": ..., "message": ...}; the second one as sb_http_opts.error_body. */
void sb_mlflow_error_body(struct sb_buf *out, int status, const char *message);
void sb_mlflow_http_error(const struct sb_http_req *r, struct sb_buf *out, int status,
                          const char *message);

#endif

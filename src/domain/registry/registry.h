/* MLflow's tracking and registry semantics over MLflow's own SQL schema in SQLite.
 *
 * This header: the store, the call, errors and shared types. tracking.h has experiments, runs and
 * logged models; models.h has registered models and their versions. No JSON here: results are plain
 * structs in the caller's arena, and api/mlflow turns them into MLflow's documents.
 *
 * Threads: a struct sb_registry may be used by many threads at once, all of them pool threads:
 * every call blocks (on SQLite, or on a free connection). Never call it on a loop thread. A struct
 * sb_registry_call belongs to one thread.
 *
 * Every call is one transaction: it happens whole or not at all, and is on disk (synchronous=FULL)
 * when the call returns SB_OK. */
#ifndef SB_DOMAIN_REGISTRY_REGISTRY_H
#define SB_DOMAIN_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

/* ---- errors: MLflow's names (mlflow/protos/databricks.proto ErrorCode), HTTP status beside ----
 */

#define SB_MLFLOW_ERROR_TABLE(X)                                                                   \
    X(INTERNAL_ERROR, 500)                                                                         \
    X(TEMPORARILY_UNAVAILABLE, 503)                                                                \
    X(BAD_REQUEST, 400)                                                                            \
    X(INVALID_PARAMETER_VALUE, 400)                                                                \
    X(INVALID_STATE, 500)                                                                          \
    X(RESOURCE_ALREADY_EXISTS, 400)                                                                \
    X(RESOURCE_DOES_NOT_EXIST, 404)                                                                \
    X(RESOURCE_CONFLICT, 409)                                                                      \
    X(PERMISSION_DENIED, 403)                                                                      \
    X(ENDPOINT_NOT_FOUND, 404)                                                                     \
    X(NOT_IMPLEMENTED, 501)

enum sb_mlflow_error {
#define X(name, status) SB_MLFLOW_##name,
    SB_MLFLOW_ERROR_TABLE(X)
#undef X
        SB_MLFLOW_ERROR_COUNT
};
/* "RESOURCE_DOES_NOT_EXIST" and 404; constant. */
const char *sb_mlflow_error_name(enum sb_mlflow_error e);
int sb_mlflow_error_status(enum sb_mlflow_error e);

struct sb_registry_error {
    enum sb_mlflow_error code; /* meaningful when the call returned an error */
    struct sb_str message;     /* in the call's arena, NUL-terminated */
};

/* ---- the store ---- */

struct sb_registry;

enum sb_registry_change {
    SB_REGISTRY_MODEL_CREATED,
    SB_REGISTRY_MODEL_RENAMED, /* called for the old name and for the new one */
    SB_REGISTRY_MODEL_DELETED,
    SB_REGISTRY_VERSION_CREATED,
    SB_REGISTRY_VERSION_DELETED,
    SB_REGISTRY_STAGE_CHANGED,
    SB_REGISTRY_ALIAS_CHANGED, /* set, moved or removed */
    SB_REGISTRY_TAG_CHANGED,   /* of a model or version; only those that begin with "sibyl." */
};

struct sb_registry_options {
    const char *path;                  /* of the SQLite file; its folder exists */
    const char *default_artifact_root; /* "mlflow-artifacts:/" when NULL */
    const struct sb_clock *clock;      /* sb_clock_real when NULL */
    int readers;                       /* read connections, 2 when 0 */
    /* Told after the commit, on the calling thread, without any lock held. It must not call the
     * registry. May be NULL. */
    void (*on_change)(void *user, enum sb_registry_change what, struct sb_str model);
    void *user;
};

/* An absent or empty file becomes a whole MLflow database with the experiment "Default" (id 0). A
 * database at the schema revision we know is used as it is. SB_E_VERSION: another revision; the
 * message names the `mlflow db upgrade` line to run. SB_E_CORRUPT: not an SQLite database, or one
 * of something else. */
SB_MUST_CHECK sb_err sb_registry_open(struct sb_registry **out,
                                      const struct sb_registry_options *opt, struct sb_errctx *ctx);
/* No call may be running. NULL is fine. */
void sb_registry_close(struct sb_registry *r);

/* The alembic revision written and understood, and the MLflow release it belongs to. */
extern const char sb_registry_schema_head[];
extern const char sb_registry_mlflow_version[];

/* ---- the call ---- */

/* One request to the store. The caller sets reg and arena; everything returned lives in the arena.
 * A failed call has returned the sb_err whose class fits and filled error. */
struct sb_registry_call {
    struct sb_registry *reg;
    struct sb_arena *arena;
    struct sb_registry_error error;
};

/* ---- shared types. A struct sb_str with p == NULL is an absent value (SQL NULL). Every string
 * returned is NUL-terminated. Times are ms since 1970. ---- */

struct sb_opt_i64 {
    bool has;
    int64_t v;
};
#define SB_SOME(x) ((struct sb_opt_i64){true, (x)})

struct sb_tag {
    struct sb_str key, value;
};
struct sb_tags {
    struct sb_tag *v;
    size_t n;
};

/* What a search asks for. Zero is: no filter, default order, first page, default size. */
struct sb_search {
    struct sb_str filter;
    const struct sb_str *order_by; /* "metrics.loss DESC" */
    size_t order_by_n;
    struct sb_opt_i64 max_results;
    struct sb_str page_token; /* absent or empty: the first page */
};

enum sb_view { SB_VIEW_ACTIVE_ONLY, SB_VIEW_DELETED_ONLY, SB_VIEW_ALL };

#endif

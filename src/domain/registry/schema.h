/* The schema of the MLflow release we know, whole: made by tools/gen-mlflow-schema, embedded at
 * build. A file we create is one that a real `mlflow server` of that release opens. */
#ifndef SB_DOMAIN_REGISTRY_SCHEMA_H
#define SB_DOMAIN_REGISTRY_SCHEMA_H

#include "base/err.h"
#include "engine/sql/sql.h"

/* Makes an empty database a whole one, with the experiment "Default" (id 0, below artifact_root),
 * or checks that it is at our revision. One transaction. path is for messages. Errors: see
 * sb_registry_open. */
SB_MUST_CHECK sb_err sb_schema_prepare(struct sb_sql *db, const char *path,
                                       const char *artifact_root, int64_t now_ms,
                                       struct sb_errctx *ctx);

#endif

/* The one check of artifact paths, for every way in: URL paths, query parameters, stored URIs.
 *
 * Clients choose these paths, and each traversal bug of MLflow's server came through one that was
 * checked before its last decoding. So: percent-decode to a fixed point, check, and never decode
 * again. MLflow's own client relies on the repeated decoding (its server does the same): a file
 * named "pct%41.txt" is stored as "pctA.txt". Pure functions, any thread. */
#ifndef SB_DOMAIN_ARTIFACT_PATH_H
#define SB_DOMAIN_ARTIFACT_PATH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    SB_ARTIFACT_PATH_MAX = 2048, /* bytes, as received */
    SB_ARTIFACT_PATH_DEPTH = 32, /* parts */
    SB_ARTIFACT_DECODE_MAX = 10, /* rounds, as in MLflow's mlflow/utils/uri.py */
};

/* A relative path as received -> its canonical form: parts joined by single '/', no empty or "."
 * part; "" is the root. Control characters become %xx text as in MLflow. NUL-terminated, in the
 * arena.
 *
 * SB_E_DENIED: "..", '#', absolute (POSIX, drive letter, UNC), '\\', NUL, a file: URI, more
 * encoding layers than the limit, or our own upload folder. SB_E_INVALID: not UTF-8. SB_E_LIMIT:
 * too long or deep. */
SB_MUST_CHECK sb_err sb_artifact_path_clean(struct sb_str in, struct sb_arena *arena,
                                            struct sb_str *out, struct sb_errctx *ctx);

/* Root and path below it, both canonical -> one path. */
struct sb_str sb_artifact_path_join(struct sb_arena *arena, struct sb_str root, struct sb_str path);

/* The store path of an artifact URI that this server proxies: "mlflow-artifacts:/a/b",
 * "mlflow-artifacts://host/a/b", or "http(s)://host/api/2.0/mlflow-artifacts/artifacts/a/b" ->
 * "a/b". SB_E_UNSUPPORTED for any other URI (the files are not here). */
SB_MUST_CHECK sb_err sb_artifact_path_of_uri(struct sb_str uri, struct sb_arena *arena,
                                             struct sb_str *out, struct sb_errctx *ctx);

/* Last part. */
struct sb_str sb_artifact_path_base(struct sb_str path);

/* Folder below the root where uploads are written before they are whole. */
#define SB_ARTIFACT_UPLOAD_DIR ".sibyl-upload"

#endif

/* What a model asks of its Python environment: requirements.txt and python_env.yaml, as MLflow
 * writes them, checked. Inside flow/ only.
 *
 * Taken are plain requirements ("numpy==1.26.4", markers and extras too) and one "-c FILE" for
 * constraints. Refused, with the line: other options, addresses (where packages come from is this
 * machine's pip configuration alone), paths and line continuations. What a worker itself needs is
 * added where the model does not ask for it: mlflow-skinny of the version that logged the model,
 * numpy and pandas. */
#ifndef SB_FLOW_REQUIREMENTS_H
#define SB_FLOW_REQUIREMENTS_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/model/mlmodel.h"

enum { SB_REQUIREMENTS_BYTES_MAX = 64 << 10, SB_REQUIREMENTS_MAX = 1000 };

/* All text is the arena's. */
struct sb_requirements {
    const char *lines;       /* one requirement a line, comments gone */
    const char *constraints; /* the same of the constraints, or "" */
    const char *python;      /* "3.11"; "" = none named */
};

/* The text of a requirements file. *constraints_file is what -c names, empty = nothing. Pure. */
SB_MUST_CHECK sb_err sb_requirements_parse(struct sb_str text, struct sb_str mlflow_version,
                                           struct sb_arena *a, const char **lines,
                                           struct sb_str *constraints_file, struct sb_errctx *ctx);

/* The text of a file of constraints, which may not name another. Pure. */
SB_MUST_CHECK sb_err sb_requirements_parse_constraints(struct sb_str text, struct sb_arena *a,
                                                       const char **lines, struct sb_errctx *ctx);

/* Of a version's folder with its MLmodel. */
SB_MUST_CHECK sb_err sb_requirements_read(struct sb_requirements *out, const char *folder,
                                          const struct sb_mlmodel *m, struct sb_arena *a,
                                          struct sb_errctx *ctx);

#endif

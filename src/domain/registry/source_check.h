/* Is this text safe as a place of model files? Model sources and artifact locations are chosen by
 * clients, and every path attack on MLflow went through one of them: "..", its encodings (%2e%2e,
 * %252e%252e, deeper), '#' and '?' that hide a path from a checker, NUL, backslashes, file: URIs
 * out of the artifact root. Rule: decode to a fixed point, check, and never decode again. Pure
 * functions, any thread. */
#ifndef SB_DOMAIN_REGISTRY_SOURCE_CHECK_H
#define SB_DOMAIN_REGISTRY_SOURCE_CHECK_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* A URI or path whose parts can go on to a storage layer: no "..", NUL, control characters,
 * backslash, '#' or '?' however often it is percent-encoded. SB_E_DENIED with the reason.
 * The arena holds the decoded text for the duration of the check. */
SB_MUST_CHECK sb_err sb_source_check_uri(struct sb_str uri, struct sb_arena *arena,
                                         struct sb_errctx *ctx);

/* A relative artifact path ("model/MLmodel"): the same, and not absolute (POSIX or Windows). */
SB_MUST_CHECK sb_err sb_source_check_path(struct sb_str path, struct sb_arena *arena,
                                          struct sb_errctx *ctx);

/* Local path or file: URI (also file://localhost)? Those only pass inside a known artifact folder.
 */
bool sb_source_is_local(struct sb_str uri);

/* Source of a model version: sb_source_check_uri, and if it is local or held by this server
 * (mlflow-artifacts:, also by its http route), it must lie in root: the artifact URI of the run or
 * logged model it is said to come from; absent = there is none, refused. Looks at no file: symbolic
 * links are the business of whoever opens the path. */
SB_MUST_CHECK sb_err sb_source_check_version(struct sb_str source, struct sb_str root,
                                             struct sb_arena *arena, struct sb_errctx *ctx);

#endif

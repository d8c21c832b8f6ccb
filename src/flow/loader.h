/* From a version's files on this machine to a loaded, validated, warmed model. Blocking; any
 * thread. */
#ifndef SB_FLOW_LOADER_H
#define SB_FLOW_LOADER_H

#include "domain/model/model.h"
#include "flow/environments.h"
#include "flow/watcher.h"

/* What loading needs besides the files; one thread's. */
struct sb_load_context {
    const struct sb_watcher_opts *o;
    const _Atomic bool *stop; /* once true, workers that are starting are given up */
    struct sb_environments *environments;
    char waits_for[SB_ENVIRONMENT_ID]; /* after SB_E_BUSY: the environment that is being made */
};

/* One version as it lies in the models folder:
 *     DIR/artifact/...  the files as registered
 *     DIR/model.img     the native image, once converted
 *     DIR/report.json   what the conversion came to
 *     DIR/meta.json     where it comes from and its digest; written last */
struct sb_version_files {
    const char *dir;
    struct sb_str name, version, run_id, model_id, sha256;
    enum sb_environment environment;    /* of its workers; MODEL or else the configured one */
    bool fresh;                         /* its files were hashed a moment ago */
    const struct sb_signature *rows_of; /* it must take rows read for these inputs; NULL = any */
};

/* Native when the model can be converted, else Python workers; the model's info.why says which and
 * why. Fails with the reason (converter's or worker's own message); nothing is left behind.
 * SB_E_BUSY: the workers' environment is being made. */
SB_MUST_CHECK sb_err sb_loader_load(struct sb_load_context *c, const struct sb_version_files *f,
                                    struct sb_model **out, struct sb_errctx *ctx);

/* Whether a model with inputs s can shadow one whose rows are read for rows_of. */
SB_MUST_CHECK sb_err sb_loader_check_rows(const struct sb_signature *s,
                                          const struct sb_signature *rows_of,
                                          struct sb_errctx *ctx);

#endif

/* The MLmodel file of a logged model: which flavors it has, where their files lie, its signature.
 *
 * YAML as mlflow/models/model.py writes it. Every path in it is checked to stay below the model's
 * directory before anyone opens it. Immutable after parsing; then any thread. */
#ifndef SB_DOMAIN_MODEL_MLMODEL_H
#define SB_DOMAIN_MODEL_MLMODEL_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/json.h"
#include "domain/model/signature.h"

enum {
    SB_MLMODEL_TEXT_MAX = 4 << 20,
    SB_MLMODEL_FLAVORS_MAX = 32,
    SB_MLMODEL_PATH_MAX = 1024,
};

struct sb_mlmodel_flavor {
    struct sb_str name;
    const struct sb_json *keys; /* an object; its "data", "model_path", "pickled_model" etc. have
                                   been checked as paths */
};

/* The flavor that every loader understands. */
struct sb_mlmodel_pyfunc {
    bool present;
    struct sb_str loader_module, predict_fn, python_version;
    struct sb_str path; /* model_path or data; empty = the model's directory itself */
    struct sb_str code;
    struct sb_str conda_env, virtualenv;
};

/* Views into the arena; empty = absent. */
struct sb_mlmodel {
    struct sb_arena arena;
    struct sb_str run_id, model_id, mlflow_version, utc_time_created, artifact_path;
    size_t nflavors;
    struct sb_mlmodel_flavor *flavors;
    struct sb_mlmodel_pyfunc pyfunc;
    struct sb_signature *signature; /* never NULL; present says whether the file has one */
    bool from_type_hint;            /* the signature comes from predict's type hints */
    struct {
        struct sb_str artifact_path, serving_input_path;
        struct sb_str type;          /* dataframe, ndarray, json_object, sparse_matrix_csr/csc */
        struct sb_str pandas_orient; /* split, values */
    } example;
    const struct sb_json *metadata; /* an object or NULL */
};

/* text may go after the call. Errors: SB_E_SYNTAX (not YAML), SB_E_INVALID (not an MLmodel; a path
 * that leaves the directory is SB_E_DENIED), SB_E_LIMIT; the message names the key. */
SB_MUST_CHECK sb_err sb_mlmodel_parse(struct sb_mlmodel **out, struct sb_str text,
                                      struct sb_errctx *ctx);
void sb_mlmodel_free(struct sb_mlmodel *m); /* NULL is fine */

/* NULL when the model has no such flavor. */
const struct sb_mlmodel_flavor *sb_mlmodel_flavor(const struct sb_mlmodel *m, const char *name);
/* The flavor that says most about the model: the first that is not python_function, which is the
 * answer when there is no other. */
struct sb_str sb_mlmodel_main_flavor(const struct sb_mlmodel *m);

/* The signature moves to the caller; an empty one takes its place. */
struct sb_signature *sb_mlmodel_take_signature(struct sb_mlmodel *m);

/* Relative, without "..", ".", empty parts, backslashes or control characters, at most
 * SB_MLMODEL_PATH_MAX bytes. */
bool sb_mlmodel_path_ok(struct sb_str path);

#endif

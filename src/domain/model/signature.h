/* Signatures of models (MLflow's `signature` in MLmodel) and what they demand of a request.
 *
 * The JSON is MLflow's own (mlflow/types/schema.py): a list of column specs, {"type": "double",
 * "name": "x", "required": true}, or of tensor specs, {"type": "tensor", "tensor-spec": {"dtype":
 * "float32", "shape": [-1, 4]}, "name": ...}; never both, and either all or none of them named.
 * Immutable once sealed; then any thread. */
#ifndef SB_DOMAIN_MODEL_SIGNATURE_H
#define SB_DOMAIN_MODEL_SIGNATURE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "domain/model/columns.h"

enum { SB_TENSOR_DIMS_MAX = 8 };

struct sb_json;

/* All strings are the signature's, from sb_strdup. */
struct sb_field {
    char *name; /* NULL = unnamed (by position) */
    enum sb_dtype type;
    bool required;
    /* tensors: dims after the first (batch) one; width = their product, -1 unknown */
    int ndims; /* 0 = a plain column */
    int64_t dims[SB_TENSOR_DIMS_MAX];
    int64_t width;
    int64_t rows;               /* a tensor's first dim when it is fixed, else -1 */
    char *tensor_dtype;         /* numpy's name ("uint8"), NULL for columns */
    char *json_spec;            /* nested types (array, object, map): their own JSON */
    const struct sb_json *spec; /* the same as a tree, in the signature's arena; or NULL */
    char *example_json;         /* from input_example.json, or NULL */
};

struct sb_signature {
    bool present; /* the model declared it; false = inferred from the model, or empty */
    bool tensor;  /* inputs are tensors, not columns */
    bool named;   /* inputs have names */
    bool enforce; /* inputs were declared: types and names are enforced as MLflow does */
    size_t ninputs, noutputs;
    struct sb_field *inputs, *outputs;
    char *params_json; /* declared params, MLflow's own JSON, or NULL */

    struct sb_arena arena; /* trees of nested types */
    uint32_t *index;       /* open addressing: input + 1, 0 = free */
    size_t index_cap;      /* a power of two, 0 before sealing */
};

struct sb_signature *sb_signature_new(void);
void sb_signature_free(struct sb_signature *s); /* NULL is fine */

/* From the JSON strings that MLmodel holds (each may be empty or "null"). Fails with SB_E_SYNTAX,
 * SB_E_INVALID or SB_E_LIMIT; the message says which field. The result is sealed. */
SB_MUST_CHECK sb_err sb_signature_parse(struct sb_signature **out, struct sb_str inputs_json,
                                        struct sb_str outputs_json, struct sb_str params_json,
                                        struct sb_errctx *ctx);

/* For back-ends that know their features without a declared signature: adds a required column (name
 * is copied; an empty one means unnamed), then seal. The pointer is valid until the next add. */
struct sb_field *sb_signature_add_input(struct sb_signature *s, struct sb_str name,
                                        enum sb_dtype type);
struct sb_field *sb_signature_add_output(struct sb_signature *s, struct sb_str name,
                                         enum sb_dtype type);
/* Sets `named` and makes names findable. SB_E_INVALID for a name given twice or a mix of named and
 * unnamed inputs. */
SB_MUST_CHECK sb_err sb_signature_seal(struct sb_signature *s, struct sb_errctx *ctx);

/* Whether rows read for the inputs of `read_for` are just what a model with inputs s takes, column
 * by column (a shadow is given its primary's rows). A model without inputs takes any. SB_E_INVALID
 * says what differs. */
SB_MUST_CHECK sb_err sb_signature_takes(const struct sb_signature *s,
                                        const struct sb_signature *read_for, struct sb_errctx *ctx);

/* Index of the input of that name, or -1. O(1). */
ptrdiff_t sb_signature_find(const struct sb_signature *s, struct sb_str name);

/* Fills example_json of the inputs from the text of input_example.json: a pandas split object, a
 * list of lists, or (named tensors) an object of arrays. What does not fit is left out: examples
 * are for documentation only. */
void sb_signature_set_examples(struct sb_signature *s, struct sb_str input_example_json);

#endif

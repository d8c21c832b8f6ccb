/* Signatures of models (MLflow's `signature` in MLmodel) and what they demand of a request. */
#ifndef SB_DOMAIN_MODEL_SIGNATURE_H
#define SB_DOMAIN_MODEL_SIGNATURE_H

#include "base/err.h"
#include "base/str.h"
#include "domain/model/columns.h"

enum { SB_TENSOR_DIMS_MAX = 8 };

struct sb_field {
    char *name; /* NULL = unnamed (by position) */
    enum sb_dtype type;
    bool required;
    /* tensors: dims after the first (batch) one; width = their product, -1 unknown */
    int ndims; /* 0 = a plain column */
    int64_t dims[SB_TENSOR_DIMS_MAX];
    int64_t width;
    char *json_spec;    /* nested types (array, object, map): their own JSON */
    char *example_json; /* from input_example.json, or NULL */
};

struct sb_signature {
    bool present; /* the model declared it; false = inferred from the model, or empty */
    bool tensor;  /* inputs are tensors, not columns */
    bool named;   /* inputs have names */
    bool enforce; /* inputs were declared: types and names are enforced as MLflow does */
    size_t ninputs, noutputs;
    struct sb_field *inputs, *outputs;
    char *params_json; /* declared params, MLflow's own JSON, or NULL */
};

struct sb_signature *sb_signature_new(void);
void sb_signature_free(struct sb_signature *s);
/* From the JSON strings that MLmodel holds (each may be empty). */
SB_MUST_CHECK sb_err sb_signature_parse(struct sb_signature **out, struct sb_str inputs_json,
                                        struct sb_str outputs_json, struct sb_str params_json,
                                        struct sb_errctx *ctx);
/* Index of the input of that name, or -1. O(1). */
ptrdiff_t sb_signature_find(const struct sb_signature *s, struct sb_str name);

#endif

/* A model that is being served, between its opening (backend.c) and its input (input.c). */
#ifndef SB_DOMAIN_NATIVE_BACKEND_INT_H
#define SB_DOMAIN_NATIVE_BACKEND_INT_H

#include "domain/native/spec.h"
#include "sys/mmap.h"

struct native {
    struct sb_model_ops ops; /* a copy: inline_rows differs */
    struct sb_mmap map;
    struct sb_arena arena; /* meta, and what is made of it */
    struct native_meta meta;
    struct sb_columnprog columns; /* nops = 0: none */
    struct sb_forest forest;      /* ntrees = ngroups = 0: none */
    struct sb_linear linear;      /* noutputs = 0: none */
    struct sb_str *outputs;       /* names of the predictions: 1, or one per value */
    uint32_t noutputs;
    int64_t *label_i; /* by label type */
    double *label_d;
    uint32_t *names; /* open addressing over meta.features: index + 1, or 0 */
    uint32_t nnames; /* its slots, a power of two */
};

/* The sums of all rows of p->in into sums: sums_per_row each. Fails with the request's fault, or
 * SB_E_LIMIT. */
SB_MUST_CHECK sb_err native_sums(const struct native *m, struct sb_predict *p, double *sums);
static inline uint32_t native_sums_per_row(const struct native *m) {
    return m->linear.noutputs ? m->linear.noutputs : m->forest.ngroups;
}
/* Fills names. */
SB_MUST_CHECK sb_err native_names_index(struct native *m, struct sb_errctx *ctx);

#endif

/* Linear models: scores = x · coef + intercept, then scikit-learn's links.
 *
 * The dot product is a plain loop from left to right in double, so a row alone and in a batch give
 * the same bits. The library's own runs in a BLAS, whose order depends on its version, the CPU and
 * the number of rows: its answers differ from these, and from each other, by at most
 * 4 n eps sum|x_i w_i|.
 *
 * A model is a view of a mapped image, which outlives it; immutable; any thread. */
#ifndef SB_ENGINE_LINEAR_LINEAR_H
#define SB_ENGINE_LINEAR_LINEAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/image/image.h"

enum {
    SB_LINEAR_FEATURES_MAX = 1 << 20,
    SB_LINEAR_OUTPUTS_MAX = 1 << 14,
};

enum sb_linear_post {
    SB_LINEAR_IDENTITY,
    SB_LINEAR_EXPIT,   /* 1 / (1 + exp(-s)) of the one score */
    SB_LINEAR_SOFTMAX, /* sklearn.utils.extmath.softmax */
    SB_LINEAR_PAIR,    /* softmax of (-s, s) of the one score: two values */
    SB_LINEAR_OVR,     /* expit of each, divided by their sum; uniform when that is 0 */
    SB_LINEAR_HUBER,   /* SGD's modified_huber: (clip(s, -1, 1) + 1) / 2, over several divided by
                          their sum; uniform when that is 0 */
    SB_LINEAR_EXP,     /* of each score: a log link */
    SB_LINEAR_POST_COUNT
};

struct sb_linear {
    uint32_t nfeatures, noutputs;
    enum sb_linear_post post;
    const double *coef;      /* noutputs rows of nfeatures */
    const double *intercept; /* noutputs */
};

/* Checks the section against the file. SB_E_CORRUPT. An image without one: nfeatures = 0. */
SB_MUST_CHECK sb_err sb_linear_open(struct sb_linear *out, const struct sb_image *img,
                                    struct sb_errctx *ctx);
/* The section of l. */
void sb_linear_write(struct sb_image_writer *w, const struct sb_linear *l);

/* The noutputs scores of one row. */
void sb_linear_sum(const struct sb_linear *l, const double *row, double *out);

/* Values per row after the post transform: noutputs, or 2 (PAIR). */
uint32_t sb_linear_width(const struct sb_linear *l);
/* Scores (noutputs per row) to values (sb_linear_width per row); out may be scores when both are
 * of one size. */
void sb_linear_finish(const struct sb_linear *l, size_t nrows, const double *scores, double *out);

#endif

/* Normal form of a tree ensemble: what every reader of model files produces and the compiler turns
 * into an image. Plain and wide; it lives only in the converter. */
#ifndef SB_ENGINE_FOREST_IR_H
#define SB_ENGINE_FOREST_IR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "engine/forest/forest.h"
#include "engine/forest/image.h"

struct sb_forest_ir_node {
    double threshold;
    int32_t left, right; /* children; both -1 in a leaf */
    uint32_t feature;
    bool default_left; /* where a missing value (NaN) goes */
};

struct sb_forest_ir_tree {
    const struct sb_forest_ir_node *nodes; /* the first is the root */
    uint32_t n;
    uint32_t group; /* which sum its leaves add to; 0 when width > 1 */
    /* n * width: the row of a leaf is at its node's index; of inner nodes not looked at */
    const double *values;
};

struct sb_forest_ir {
    uint32_t nfeatures;
    uint32_t ntrees;
    struct sb_forest_ir_tree *trees;
    /* true: left when (float)x < (float)threshold (XGBoost). false: left when (double)(float)x <=
     * threshold (scikit-learn). */
    bool strict;
    bool f32;           /* values and sums are float, else double */
    uint32_t width;     /* values per leaf: width sums, or 1 value for the tree's group */
    uint32_t ngroups;   /* number of sums: equals width when width > 1 */
    const double *base; /* ngroups: where each sum starts */
    enum sb_forest_post post;
};

/* Checks the whole ensemble (children in range, each node reached at most once, features in range,
 * depth) and appends its sections. Errors: SB_E_CORRUPT naming the tree, SB_E_UNSUPPORTED when the
 * layout cannot hold it ("tree 3 has 40000000 nodes"), SB_E_LIMIT. */
SB_MUST_CHECK sb_err sb_forest_compile(struct sb_image_writer *w, const struct sb_forest_ir *ir,
                                       struct sb_errctx *ctx);

/* The slow, literal evaluation that the kernels are tested against: one row of nfeatures floats ->
 * ngroups sums (before the post transform). Sound only for an ensemble that compiled. */
void sb_forest_ir_sum(const struct sb_forest_ir *ir, const float *x, double *sums);

#endif

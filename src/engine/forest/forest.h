/* Tree ensembles, evaluated bit for bit as the library that trained them.
 *
 * The promise rests on three rules: sums have the library's type and run in its order, tree by
 * tree; nothing is contracted or reassociated (-ffp-contract=off); and a comparison is made on
 * float32 with a threshold adjusted so that it decides as the original does. Interleaving walks of
 * several trees or rows changes none of them.
 *
 * A forest is a view of a mapped image (which outlives it), immutable; any thread. */
#ifndef SB_ENGINE_FOREST_FOREST_H
#define SB_ENGINE_FOREST_FOREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/forest/image.h"

enum {
    SB_FOREST_DEPTH_MAX = 10000,
    SB_FOREST_TREES_MAX = 1 << 20,
    SB_FOREST_FEATURES_MAX = 1 << 20,
    SB_FOREST_GROUPS_MAX = 1 << 14,
};

/* From sums to answers. The float ones are XGBoost's (src/common/math.h, src/objective). */
enum sb_forest_post {
    SB_FOREST_IDENTITY,
    SB_FOREST_MEAN,    /* divided by the number of trees (scikit-learn forests) */
    SB_FOREST_SIGMOID, /* 1 / (exp(min(-x, 88.7)) + 1 + 1e-16) in float */
    SB_FOREST_EXP,
    SB_FOREST_SOFTMAX, /* over the groups */
    SB_FOREST_ARGMAX,  /* the groups become one value: the index of the largest, first wins */
    SB_FOREST_HINGE,   /* 1 when x > 0, else 0 */
    SB_FOREST_POST_COUNT
};

/* t is compared by x[feature] <= t; word holds default-left (bit 31), the feature and the left
 * child's index in its tree; the right child follows the left. A leaf points at itself with t =
 * +inf, so a walk may run on. */
struct sb_forest_node {
    float t;
    uint32_t word;
};

struct sb_forest_tree {
    uint32_t root;  /* index of its first node */
    uint32_t count; /* its nodes */
    uint32_t depth; /* steps from the root to the deepest leaf */
    uint32_t group;
};

struct sb_forest {
    uint32_t nfeatures, ntrees, ngroups, width;
    uint32_t left_bits; /* of word */
    bool f32;
    enum sb_forest_post post;
    size_t nnodes;
    struct sb_forest_tree *trees; /* owned */
    const struct sb_forest_node *nodes;
    const uint32_t *slots; /* NULL when width is 1: then values has one per node */
    const void *values;    /* float or double by f32 */
    double *base;          /* owned */
};

/* Checks every offset, child, feature and depth before anything is used. Sections stay the
 * caller's. */
SB_MUST_CHECK sb_err sb_forest_open(struct sb_forest *out, const struct sb_image *img,
                                    struct sb_errctx *ctx);
void sb_forest_close(struct sb_forest *f);

/* Sums of nrows rows (row-major, nfeatures floats each) into out: nrows * ngroups doubles. Float
 * ensembles are summed in float and each sum is widened at the end, which loses nothing. has_nan
 * must be true when any value is NaN. */
void sb_forest_sum(const struct sb_forest *f, const float *rows, size_t nrows, bool has_nan,
                   double *out);

/* The post transform in place; returns the values per row that are left (ngroups, or 1). Float
 * ensembles give floats (widened). */
size_t sb_forest_finish(const struct sb_forest *f, size_t nrows, double *out);

#endif

/* Normal form of a tree ensemble: what every reader of model files produces and the compiler turns
 * into an image. Plain and wide; it lives only in the converter. */
#ifndef SB_ENGINE_FOREST_IR_H
#define SB_ENGINE_FOREST_IR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "engine/forest/forest.h"
#include "engine/image/image.h"

/* How an inner node decides. */
enum sb_forest_test {
    SB_FOREST_ORDER,     /* by its threshold */
    SB_FOREST_SET_LEFT,  /* categories of its set go left, everything else right */
    SB_FOREST_SET_RIGHT, /* categories of its set go right, everything else left */
};

struct sb_forest_ir_node {
    union {
        double threshold;
        uint32_t set; /* index into sets */
    };
    int32_t left, right; /* children; both -1 in a leaf */
    uint32_t feature;
    bool default_left; /* where a missing value (NaN) goes */
    uint8_t test;      /* enum sb_forest_test */
};

/* Categories: bit c % 32 of words[c / 32]. A value x is category trunc(x) when 0 <= x < 32 * n,
 * and else none that a set has. */
struct sb_forest_ir_set {
    const uint32_t *words;
    uint32_t n;
};

struct sb_forest_ir_tree {
    const struct sb_forest_ir_node *nodes; /* the first is the root */
    uint32_t n;
    uint32_t group; /* which sum its leaves add to; 0 when width > 1 */
    /* n * width: the row of a leaf is at its node's index; of inner nodes not looked at */
    const double *values;
};

/* By which comparison a threshold sends a value left. */
enum sb_forest_compare {
    SB_FOREST_LE32, /* (double)(float)x <= threshold (scikit-learn's trees) */
    SB_FOREST_LT32, /* (float)x < (float)threshold (XGBoost) */
    SB_FOREST_LE64, /* x <= threshold (LightGBM, scikit-learn's histogram boosting) */
};

struct sb_forest_ir {
    uint32_t nfeatures;
    uint32_t ntrees;
    struct sb_forest_ir_tree *trees;
    struct sb_forest_ir_set *sets;
    uint32_t nsets, sets_cap;
    enum sb_forest_compare compare;
    bool f32;           /* values and sums are float, else double */
    uint32_t width;     /* values per leaf: width sums, or 1 value for the tree's group */
    uint32_t ngroups;   /* number of sums: equals width when width > 1 */
    const double *base; /* ngroups: where each sum starts */
    double divisor;     /* of the sums, before the transform; 0: none */
    enum sb_forest_post post;
    double post_param[2];         /* see enum sb_forest_post */
    struct sb_forest_input input; /* rules has nfeatures bytes, or is NULL */
};

/* Checks the whole ensemble (children in range, each node reached at most once, features in range,
 * depth) and appends its sections. Errors: SB_E_CORRUPT naming the tree, SB_E_UNSUPPORTED when the
 * layout cannot hold it ("tree 3 has 40000000 nodes"), SB_E_LIMIT. */
SB_MUST_CHECK sb_err sb_forest_compile(struct sb_image_writer *w, const struct sb_forest_ir *ir,
                                       struct sb_errctx *ctx);

/* The slow, literal evaluation that the kernels are tested against: one row of nfeatures values as
 * sb_forest_sum takes them (float, or double when the ensemble compiles to wide nodes) -> ngroups
 * sums, before divisor and transform. Sound only for an ensemble that compiled. */
void sb_forest_ir_sum(const struct sb_forest_ir *ir, const void *x, double *sums);

/* Adds n sets, to be filled by the caller, who does not keep the pointer: a later one moves them.
 * NULL when the arena is over its maximum. */
struct sb_forest_ir_set *sb_forest_ir_sets_add(struct sb_forest_ir *ir, struct sb_arena *arena,
                                               size_t n);

/* Whether nodes need the wide layout: thresholds of 64 bits, or categories. */
bool sb_forest_ir_wide(const struct sb_forest_ir *ir);

#endif

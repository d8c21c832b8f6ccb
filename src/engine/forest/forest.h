/* Tree ensembles, evaluated bit for bit as the library that trained them.
 *
 * The promise rests on three rules: sums have the library's type and run in its order, tree by
 * tree; nothing is contracted or reassociated (-ffp-contract=off); and a comparison is made in the
 * library's type with a threshold adjusted so that it decides as the original does. Interleaving
 * walks of several trees or rows changes none of them.
 *
 * A forest is a view of a mapped image (which outlives it), immutable; any thread. */
#ifndef SB_ENGINE_FOREST_FOREST_H
#define SB_ENGINE_FOREST_FOREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/image/image.h"

enum {
    SB_FOREST_DEPTH_MAX = 10000,
    SB_FOREST_TREES_MAX = 1 << 20,
    SB_FOREST_FEATURES_MAX = 1 << 20,
    SB_FOREST_GROUPS_MAX = 1 << 14,
};

/* From sums to answers. Each is the library's own formula, operation by operation; a and b are its
 * post_param. The float ones are XGBoost's (src/common/math.h, src/objective). */
enum sb_forest_post {
    SB_FOREST_IDENTITY,
    SB_FOREST_MEAN,         /* images of version 1: identity with divisor = number of trees */
    SB_FOREST_SIGMOID,      /* 1 / (exp(min(-x, 88.7)) + 1 + 1e-16) in float */
    SB_FOREST_EXP,          /* in float */
    SB_FOREST_SOFTMAX,      /* over the groups, in float with a sum in double */
    SB_FOREST_ARGMAX,       /* the groups become one value: index of the largest, first wins */
    SB_FOREST_HINGE,        /* 1 when x > 0, else 0 */
    SB_FOREST_LOGISTIC64,   /* 1 / (1 + exp(-a * x)) */
    SB_FOREST_EXP64,        /* exp(x) */
    SB_FOREST_SOFTMAX64,    /* shifted by the largest; summed in order (LightGBM) */
    SB_FOREST_SOFTMAX_PAIR, /* the same, summed as numpy does (scikit-learn) */
    SB_FOREST_SIGN_SQUARE,  /* sign(x) * x * x (LightGBM's reg_sqrt) */
    SB_FOREST_LOG1P_EXP,    /* log1p(exp(x)) (LightGBM's cross_entropy_lambda) */
    SB_FOREST_ISOLATION,    /* 1 when -(2 ** (-x / a)) - b >= 0, else 0 (IsolationForest) */
    SB_FOREST_POST_COUNT
};

/* What a library does to a value before any tree sees it. Zero: nothing. */
struct sb_forest_input {
    bool round32;      /* values are rounded to float first, also where nodes are wide */
    bool tiny_is_zero; /* |x| <= 1e-35f (as double) becomes 0.0 (LightGBM's dense rows) */
    bool has_missing;  /* a value equal to `missing` becomes NaN (XGBoost) */
    double missing;
    const uint8_t *rules; /* per feature, enum sb_forest_rule; NULL: none */
};

enum sb_forest_rule {
    SB_FOREST_ZERO_MISSING = 1,  /* |x| <= 1e-35f becomes NaN */
    SB_FOREST_FRACTION_IS_0 = 2, /* -1 < x < 0 becomes 0.0: categories are truncated */
};

/* Narrow nodes (wide = false): rows are float. A node is compared by x[feature] <= t; word holds
 * default-left (bit 31), the feature and the left child's index in its tree (the lowest left_bits);
 * the right child follows the left. A leaf points at itself with t = +inf, so a walk may run on. */
struct sb_forest_node {
    float t;
    uint32_t word;
};

/* Wide nodes: rows are double. The lowest 20 bits of word are the feature. NaN goes left by bit 31;
 * else, without SB_FOREST_WIDE_SET, left when x[feature] <= t. With it the node has a set of
 * categories, words [first, first + n) of the forest's sets: left when ("x is in the set") differs
 * from bit SB_FOREST_WIDE_OTHERS ("what is not in the set goes left"). x is in the set when
 * 0 <= x < 32 * n and bit trunc(x) is set. A leaf as above. */
struct sb_forest_wide {
    union {
        double t;
        struct {
            uint32_t first, n;
        } set;
    };
    uint32_t word;
    uint32_t left;
};
#define SB_FOREST_WIDE_NAN_LEFT (UINT32_C(1) << 31)
#define SB_FOREST_WIDE_SET      (UINT32_C(1) << 30)
#define SB_FOREST_WIDE_OTHERS   (UINT32_C(1) << 29)
#define SB_FOREST_WIDE_FEATURE  ((UINT32_C(1) << 20) - 1)

struct sb_forest_tree {
    uint32_t root;  /* index of its first node */
    uint32_t count; /* its nodes */
    uint32_t depth; /* steps from the root to the deepest leaf */
    uint32_t group;
};

struct sb_forest {
    uint32_t nfeatures, ntrees, ngroups, width;
    uint32_t left_bits; /* of a narrow node's word */
    bool f32;           /* values and sums are float */
    bool wide;          /* nodes are wide_nodes and rows double; else nodes and float */
    bool has_sets;      /* some node has categories (wide only) */
    enum sb_forest_post post;
    double post_param[2];
    double divisor; /* 1: none */
    struct sb_forest_input input;
    size_t nnodes;
    struct sb_forest_tree *trees; /* owned */
    const struct sb_forest_node *nodes;
    const struct sb_forest_wide *wide_nodes;
    const uint32_t *sets;
    size_t nset_words;
    const uint32_t *slots;             /* NULL when width is 1: then values has one per node */
    const void *values;                /* float or double by f32 */
    double *base;                      /* owned */
    struct sb_forest_layouts *layouts; /* owned; NULL: the plain walk serves (kernel.h) */
};

/* Checks every offset, child, feature and depth before anything is used. Sections stay the
 * caller's. */
SB_MUST_CHECK sb_err sb_forest_open(struct sb_forest *out, const struct sb_image *img,
                                    struct sb_errctx *ctx);
void sb_forest_close(struct sb_forest *f);

/* Brings rows (row-major, nfeatures values each: float, or double when f->wide) to what the trees
 * compare, by f->input. Values have been rounded to float by whoever filled the rows when
 * input.round32 says so. Returns true when it turned a value into NaN. */
bool sb_forest_prepare(const struct sb_forest *f, void *rows, size_t nrows);

/* Sums of nrows prepared rows into out: nrows * ngroups doubles. Float ensembles are summed in
 * float and each sum is widened at the end, which loses nothing. has_nan must be true when any
 * value is NaN. A row's sums do not depend on the rows beside it. */
void sb_forest_sum(const struct sb_forest *f, const void *rows, size_t nrows, bool has_nan,
                   double *out);

/* Divisor and transform in place; returns the values per row that are left (ngroups, or 1). Float
 * ensembles give floats (widened). */
size_t sb_forest_finish(const struct sb_forest *f, size_t nrows, double *out);

/* The sum of n doubles that lie together, in numpy's order (pairwise, in blocks of up to 128). */
double sb_forest_numpy_sum(const double *v, size_t n);

#endif

/* Between the files that read XGBoost's models. */
#ifndef SB_DOMAIN_NATIVE_XGBOOST_INT_H
#define SB_DOMAIN_NATIVE_XGBOOST_INT_H

#include "base/arena.h"
#include "codec/ubjson.h"
#include "engine/forest/ir.h"

/* UBJSON ("{" and a type letter) or JSON text. JSON becomes the same tree: arrays of numbers are
 * packed doubles, numbers with a fraction or exponent have been rounded once, to float, as
 * XGBoost's own reader does. SB_E_UNSUPPORTED for the binary format of before 1.0. */
SB_MUST_CHECK sb_err xgboost_document(const struct sb_ubj **out, struct sb_str file,
                                      struct sb_arena *arena, struct sb_errctx *ctx);

/* A whole number from 0 to max. */
bool xgboost_is_index(double d, double max);

/* What the trees of a model have in common. */
struct xgboost_trees {
    struct sb_forest_ir *ir; /* gets their sets of categories */
    struct sb_arena *arena;
    struct sb_errctx *ctx;
    uint32_t width; /* of a leaf */
    /* Of the tree that is read next: */
    bool dart;
    float weight;  /* dart */
    bool in_place; /* dart: predicted in place by a version that adds base first, then takes it off
                    */
    float base;
};

/* Nodes and leaves. Errors carry the byte where the tree begins. */
SB_MUST_CHECK sb_err xgboost_tree_read(struct xgboost_trees *t, const struct sb_ubj *tree,
                                       struct sb_forest_ir_tree *out);

#endif

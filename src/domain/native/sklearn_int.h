/* Between the readers of scikit-learn's tree models. */
#ifndef SB_DOMAIN_NATIVE_SKLEARN_INT_H
#define SB_DOMAIN_NATIVE_SKLEARN_INT_H

#include "domain/native/spec.h"

/* What a fitted tree's values are to become. */
struct tree_values {
    uint32_t width; /* values per node: classes of one output, or outputs of one value */
    bool counts;    /* class counts (before 1.4): divided by their sum */
    double scale;   /* each value is multiplied by it; 0: taken as it is */
};

/* est.tree_, an instance of sklearn.tree._tree.Tree over nfeatures features. */
SB_MUST_CHECK sb_err native_tree_read(struct native_job *j, const struct sb_pv *est,
                                      uint32_t nfeatures, const struct tree_values *how,
                                      struct sb_forest_ir_tree *out);

/* A column of a structured array. */
struct native_column {
    const struct sb_np_array *array;
    const struct sb_np_field *field;
};
/* false: no such field. */
bool native_column_of(const struct sb_np_array *a, const char *name, struct native_column *out);
/* false: not a number of the kind that is asked for. */
bool native_column_i64(const struct native_column *c, size_t row, int64_t *out);
bool native_column_double(const struct native_column *c, size_t row, double *out);

/* The ColumnTransformer that HistGradientBoosting keeps for categorical features: it becomes the
 * model's program. n: how many columns it gives to the trees. */
SB_MUST_CHECK sb_err native_preprocessor_read(struct native_job *j, const struct sb_pv *obj,
                                              uint32_t *n);

#endif

/* One tree of an XGBoost document (src/tree/tree_model.cc, multi_target_tree_model.cc).
 *
 * Nodes are parallel arrays; a leaf has -1 as left child. A scalar leaf's value is its split
 * condition. A leaf vector is a row: of base_weights by the node's number, or since 3.2 of
 * leaf_weights by what stands in right_children. A categorical split sends the categories that it
 * lists right, and everything else left (src/common/categorical.h). */
#include <math.h>

#include "base/mem.h"
#include "domain/native/xgboost_int.h"

enum { CATEGORY_MAX = 16777216 }; /* from here on a float does not tell neighbours apart */

struct tree_arrays {
    double *left, *right, *feature, *condition, *default_left;
    double *split_type; /* NULL: all numerical */
    size_t n;
};

bool xgboost_is_index(double d, double max) {
    return d >= 0 && d <= max && d == floor(d);
}

static sb_err damaged(struct xgboost_trees *t, const struct sb_ubj *at, const char *what) {
    int64_t pos = at ? (int64_t)at->pos : -1;
    (void)sb_fail_at(t->ctx, SB_E_CORRUPT, pos, "damaged XGBoost model: %s (byte %lld)", what,
                     (long long)pos);
    return SB_E_CORRUPT;
}

static sb_err nomem(struct xgboost_trees *t) {
    (void)sb_fail(t->ctx, SB_E_LIMIT, "model needs more memory than a file of its size may");
    return SB_E_LIMIT;
}

static sb_err numbers(struct xgboost_trees *t, const struct sb_ubj *tree, const char *key,
                      size_t want, double **out) {
    size_t n;
    if (!sb_ubj_numbers(sb_ubj_get(tree, key), t->arena, out, &n) || n != want)
        return damaged(t, tree, key);
    return SB_OK;
}

static sb_err tree_arrays(struct xgboost_trees *t, const struct sb_ubj *tree,
                          struct tree_arrays *a) {
    if (!sb_ubj_numbers(sb_ubj_get(tree, "left_children"), t->arena, &a->left, &a->n) ||
        a->n == 0 || a->n > INT32_MAX)
        return damaged(t, tree, "left_children");
    SB_TRY(numbers(t, tree, "right_children", a->n, &a->right));
    SB_TRY(numbers(t, tree, "split_indices", a->n, &a->feature));
    SB_TRY(numbers(t, tree, "split_conditions", a->n, &a->condition));
    SB_TRY(numbers(t, tree, "default_left", a->n, &a->default_left));
    const struct sb_ubj *types = sb_ubj_get(tree, "split_type");
    bool stated = types && types->n;
    return stated ? numbers(t, tree, "split_type", a->n, &a->split_type) : SB_OK;
}

static sb_err inner_node(struct xgboost_trees *t, const struct sb_ubj *tree,
                         const struct tree_arrays *a, size_t i, struct sb_forest_ir_node *n) {
    const double last = (double)a->n - 1;
    if (!xgboost_is_index(a->left[i], last) || !xgboost_is_index(a->right[i], last) ||
        !xgboost_is_index(a->feature[i], UINT32_MAX))
        return damaged(t, tree, "child or feature of a node");
    n->left = (int32_t)a->left[i];
    n->right = (int32_t)a->right[i];
    n->feature = (uint32_t)a->feature[i];
    n->threshold = (double)(float)a->condition[i];
    n->default_left = a->default_left[i] != 0;
    n->test = SB_FOREST_ORDER;
    return SB_OK;
}

/* ---- leaves ---- */

/* A dart's tree counts with its weight. Its contribution is computed on its own and then scaled
 * (src/gbm/gbtree.cc, Dart::PredictBatchImpl and InplacePredict). */
static double scaled(const struct xgboost_trees *t, double v) {
    float f = (float)v;
    if (t->dart && t->in_place) f = (t->base + f) - t->base;
    return (double)(t->dart ? f * t->weight : f);
}

static sb_err leaf_vectors(struct xgboost_trees *t, const struct sb_ubj *tree,
                           const struct tree_arrays *a, double *values) {
    const struct sb_ubj *rows = sb_ubj_get(tree, "leaf_weights");
    const bool by_row = rows && rows->n;
    double *v;
    size_t n;
    if (!sb_ubj_numbers(by_row ? rows : sb_ubj_get(tree, "base_weights"), t->arena, &v, &n) ||
        n % t->width || n == 0)
        return damaged(t, tree, "leaf_weights");
    for (size_t i = 0; i < a->n; i++) {
        if (a->left[i] != -1) continue;
        double row = by_row ? a->right[i] : (double)i;
        if (!xgboost_is_index(row, (double)(n / t->width) - 1))
            return damaged(t, tree, "leaf_weights");
        for (size_t k = 0; k < t->width; k++)
            values[i * t->width + k] = scaled(t, v[(size_t)row * t->width + k]);
    }
    return SB_OK;
}

/* ---- categories ---- */

/* The bits of n categories, as many words as the largest needs. */
static sb_err make_set(struct xgboost_trees *t, const struct sb_ubj *tree, const double *categories,
                       size_t n, struct sb_forest_ir_set *out) {
    double max = 0;
    for (size_t i = 0; i < n; i++) {
        if (!xgboost_is_index(categories[i], CATEGORY_MAX - 1))
            return damaged(t, tree, "categories");
        if (categories[i] > max) max = categories[i];
    }
    uint32_t nwords = (uint32_t)max / 32 + 1;
    uint32_t *words = sb_arena_try_array(t->arena, nwords, sizeof *words);
    if (!words) return nomem(t);
    for (size_t i = 0; i < n; i++)
        words[(uint32_t)categories[i] / 32] |= UINT32_C(1) << (uint32_t)categories[i] % 32;
    *out = (struct sb_forest_ir_set){words, nwords};
    return SB_OK;
}

/* categories_nodes lists the nodes, the next two where each one's categories stand. */
static sb_err read_categories(struct xgboost_trees *t, const struct sb_ubj *tree,
                              const struct tree_arrays *a, struct sb_forest_ir_node *nodes) {
    double *at, *from, *size, *categories;
    size_t n, total, categorical = 0;
    for (size_t i = 0; a->split_type && i < a->n; i++)
        if (a->split_type[i] != 0 && a->left[i] != -1) categorical++;
    if (categorical == 0) return SB_OK;
    if (!sb_ubj_numbers(sb_ubj_get(tree, "categories_nodes"), t->arena, &at, &n) ||
        n != categorical ||
        !sb_ubj_numbers(sb_ubj_get(tree, "categories"), t->arena, &categories, &total))
        return damaged(t, tree, "categories_nodes");
    SB_TRY(numbers(t, tree, "categories_segments", n, &from));
    SB_TRY(numbers(t, tree, "categories_sizes", n, &size));
    uint32_t first = t->ir->nsets;
    struct sb_forest_ir_set *sets = sb_forest_ir_sets_add(t->ir, t->arena, n);
    if (!sets) return nomem(t);
    for (size_t i = 0; i < n; i++) {
        if (!xgboost_is_index(at[i], (double)a->n - 1) || a->split_type[(size_t)at[i]] == 0 ||
            a->left[(size_t)at[i]] == -1 || nodes[(size_t)at[i]].test != SB_FOREST_ORDER ||
            !xgboost_is_index(from[i], (double)total) ||
            !xgboost_is_index(size[i], (double)total - from[i]))
            return damaged(t, tree, "categories_nodes");
        SB_TRY(make_set(t, tree, categories + (size_t)from[i], (size_t)size[i], &sets[i]));
        nodes[(size_t)at[i]].set = first + (uint32_t)i;
        nodes[(size_t)at[i]].test = SB_FOREST_SET_RIGHT;
    }
    return SB_OK;
}

/* ---- the tree ---- */

sb_err xgboost_tree_read(struct xgboost_trees *t, const struct sb_ubj *tree,
                         struct sb_forest_ir_tree *out) {
    struct tree_arrays a = {0};
    SB_TRY(tree_arrays(t, tree, &a));
    struct sb_forest_ir_node *nodes = sb_arena_try_array(t->arena, a.n, sizeof *nodes);
    double *values = sb_arena_try_array(t->arena, a.n * t->width, sizeof *values);
    if (!nodes || !values) return nomem(t);
    for (size_t i = 0; i < a.n; i++) {
        nodes[i].left = nodes[i].right = -1;
        if (a.left[i] != -1)
            SB_TRY(inner_node(t, tree, &a, i, &nodes[i]));
        else if (t->width == 1)
            values[i] = scaled(t, a.condition[i]);
    }
    if (t->width > 1) SB_TRY(leaf_vectors(t, tree, &a, values));
    SB_TRY(read_categories(t, tree, &a, nodes));
    *out = (struct sb_forest_ir_tree){.nodes = nodes, .n = (uint32_t)a.n, .values = values};
    return SB_OK;
}

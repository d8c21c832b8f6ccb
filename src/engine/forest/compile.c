/* Normal form -> sections of an image.
 *
 * Nodes of a tree are stored in breadth-first order, so that the first levels of a tree share cache
 * lines and a right child needs no index of its own. A threshold becomes the largest float for
 * which `x <= t` decides like the original comparison. */
#include "engine/forest/ir.h"

#include <math.h>

#include "base/mem.h"

/* (double)x <= d for every float x  <=>  x <= floor32(d) */
static float floor32(double d) {
    float f = (float)d;
    return (double)f > d ? nextafterf(f, -INFINITY) : f;
}

/* x < t  <=>  x <= below(t); no float is below -inf, and nothing compares with NaN: never left */
static float below(float t) {
    return isnan(t) || t == -INFINITY ? NAN : nextafterf(t, -INFINITY);
}

struct compiler {
    struct sb_image_writer *w;
    const struct sb_forest_ir *ir;
    struct sb_errctx *ctx;
    uint32_t left_bits;
    uint32_t *queue, *level; /* of the largest tree */
    uint8_t *seen;
    struct sb_forest_tree *trees;
    uint64_t nnodes, nslots;
};

static sb_err tree_fail(struct compiler *c, uint32_t t, const char *what) {
    (void)sb_fail(c->ctx, SB_E_CORRUPT, "damaged model: tree %u: %s", t, what);
    return SB_E_CORRUPT;
}

static bool is_leaf(const struct sb_forest_ir_node *n) {
    return n->left < 0 && n->right < 0;
}

/* Lays out one tree: queue[i] = the source index of its i-th node. */
static sb_err tree_order(struct compiler *c, uint32_t t, uint32_t *count) {
    const struct sb_forest_ir_tree *tree = &c->ir->trees[t];
    uint32_t n = 1;
    memset(c->seen, 0, tree->n);
    c->queue[0] = 0;
    c->level[0] = 0;
    c->seen[0] = 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct sb_forest_ir_node *node = &tree->nodes[c->queue[i]];
        if (is_leaf(node)) continue;
        if (node->feature >= c->ir->nfeatures) return tree_fail(c, t, "feature out of range");
        if (c->level[i] >= SB_FOREST_DEPTH_MAX) return tree_fail(c, t, "too deep");
        const int32_t child[2] = {node->left, node->right};
        for (int k = 0; k < 2; k++) {
            if (child[k] < 0 || (uint32_t)child[k] >= tree->n)
                return tree_fail(c, t, "child out of range");
            if (c->seen[child[k]]) return tree_fail(c, t, "node reached twice");
            c->seen[child[k]] = 1;
            c->queue[n] = (uint32_t)child[k];
            c->level[n++] = c->level[i] + 1;
        }
    }
    c->trees[t].depth = c->level[n - 1];
    *count = n;
    return SB_OK;
}

static sb_err add_nodes(struct compiler *c, uint32_t t) {
    const struct sb_forest_ir_tree *tree = &c->ir->trees[t];
    uint32_t count, next = 1;
    SB_TRY(tree_order(c, t, &count));
    if (count > UINT32_C(1) << c->left_bits || c->nnodes + count > UINT32_MAX)
        return sb_fail(c->ctx, SB_E_UNSUPPORTED,
                       "tree %u has %u nodes on %u features, more than the native layout holds", t,
                       count, c->ir->nfeatures);
    c->trees[t].root = (uint32_t)c->nnodes;
    c->trees[t].count = count;
    c->trees[t].group = tree->group;
    for (uint32_t i = 0; i < count; i++) {
        const struct sb_forest_ir_node *n = &tree->nodes[c->queue[i]];
        struct sb_forest_node out = {INFINITY, UINT32_C(1) << 31 | i};
        if (!is_leaf(n)) {
            out.t = c->ir->strict ? below((float)n->threshold) : floor32(n->threshold);
            out.word = (uint32_t)n->default_left << 31 | n->feature << c->left_bits | next;
            next += 2;
        }
        sb_buf_add(&c->w->out, &out, sizeof out);
    }
    c->nnodes += count;
    return SB_OK;
}

static void add_value(struct compiler *c, double v) {
    float f = (float)v;
    if (c->ir->f32)
        sb_buf_add(&c->w->out, &f, sizeof f);
    else
        sb_buf_add(&c->w->out, &v, sizeof v);
}

/* Sections are written one after the other, so trees are laid out again for each. */
static sb_err add_slots(struct compiler *c) {
    sb_image_begin(c->w, SB_IMAGE_SLOTS);
    for (uint32_t t = 0; t < c->ir->ntrees; t++) {
        uint32_t count;
        SB_TRY(tree_order(c, t, &count));
        for (uint32_t i = 0; i < count; i++) {
            bool leaf = is_leaf(&c->ir->trees[t].nodes[c->queue[i]]);
            uint32_t slot = leaf ? (uint32_t)c->nslots++ : 0;
            sb_buf_add(&c->w->out, &slot, sizeof slot);
        }
    }
    return SB_OK;
}

static sb_err add_values(struct compiler *c) {
    uint32_t width = c->ir->width;
    sb_image_begin(c->w, SB_IMAGE_VALUES);
    for (uint32_t t = 0; t < c->ir->ntrees; t++) {
        const struct sb_forest_ir_tree *tree = &c->ir->trees[t];
        uint32_t count;
        SB_TRY(tree_order(c, t, &count));
        for (uint32_t i = 0; i < count; i++) {
            uint32_t from = c->queue[i];
            bool leaf = is_leaf(&tree->nodes[from]);
            if (width == 1) add_value(c, leaf ? tree->values[from] : 0);
            for (uint32_t k = 0; width > 1 && leaf && k < width; k++)
                add_value(c, tree->values[(size_t)from * width + k]);
        }
    }
    return SB_OK;
}

static void add_u32(struct sb_buf *b, uint32_t v) {
    sb_buf_add(b, &v, sizeof v);
}

static sb_err add_all(struct compiler *c) {
    const struct sb_forest_ir *ir = c->ir;
    struct sb_buf *out = &c->w->out;
    sb_image_begin(c->w, SB_IMAGE_NODES);
    for (uint32_t t = 0; t < ir->ntrees; t++) SB_TRY(add_nodes(c, t));
    sb_image_begin(c->w, SB_IMAGE_TREES);
    for (uint32_t t = 0; t < ir->ntrees; t++) {
        add_u32(out, c->trees[t].root);
        add_u32(out, c->trees[t].count);
        add_u32(out, c->trees[t].depth);
        add_u32(out, c->trees[t].group);
    }
    if (ir->width > 1) SB_TRY(add_slots(c));
    SB_TRY(add_values(c));
    sb_image_begin(c->w, SB_IMAGE_BASE);
    sb_buf_add(out, ir->base, ir->ngroups * sizeof *ir->base);
    sb_image_begin(c->w, SB_IMAGE_FOREST);
    add_u32(out, ir->nfeatures);
    add_u32(out, ir->ntrees);
    add_u32(out, ir->ngroups);
    add_u32(out, ir->width);
    add_u32(out, c->left_bits);
    add_u32(out, ir->f32);
    add_u32(out, ir->post);
    add_u32(out, 0);
    return sb_buf_err(out);
}

static sb_err check_shape(const struct sb_forest_ir *ir, struct sb_errctx *ctx, uint32_t *largest) {
    if (ir->nfeatures == 0 || ir->nfeatures > SB_FOREST_FEATURES_MAX)
        return sb_fail(ctx, SB_E_UNSUPPORTED, "model with %u features", ir->nfeatures);
    if (ir->ntrees > SB_FOREST_TREES_MAX || ir->ngroups == 0 || ir->ngroups > SB_FOREST_GROUPS_MAX)
        return sb_fail(ctx, SB_E_UNSUPPORTED, "model with %u trees and %u outputs", ir->ntrees,
                       ir->ngroups);
    for (uint32_t t = 0; t < ir->ntrees; t++) {
        if (ir->trees[t].n == 0 || ir->trees[t].n > INT32_MAX || ir->trees[t].group >= ir->ngroups)
            return sb_fail(ctx, SB_E_CORRUPT, "damaged model: tree %u: no nodes or no such output",
                           t);
        if (ir->trees[t].n > *largest) *largest = ir->trees[t].n;
    }
    return SB_OK;
}

sb_err sb_forest_compile(struct sb_image_writer *w, const struct sb_forest_ir *ir,
                         struct sb_errctx *ctx) {
    uint32_t largest = 1;
    SB_TRY(check_shape(ir, ctx, &largest));
    SB_ASSERT(ir->width == 1 || ir->width == ir->ngroups);
    struct compiler c = {.w = w, .ir = ir, .ctx = ctx};
    uint32_t feature_bits = 0;
    while (UINT32_C(1) << feature_bits < ir->nfeatures) feature_bits++;
    c.left_bits = 31 - feature_bits;
    c.queue = sb_try_alloc(largest * sizeof *c.queue);
    c.level = sb_try_alloc(largest * sizeof *c.level);
    c.seen = sb_try_alloc(largest);
    c.trees = sb_try_alloc(((size_t)ir->ntrees + 1) * sizeof *c.trees);
    sb_err err = SB_E_NOMEM;
    if (c.queue && c.level && c.seen && c.trees) err = add_all(&c);
    sb_free(c.queue);
    sb_free(c.level);
    sb_free(c.seen);
    sb_free(c.trees);
    if (err) return sb_fail(ctx, err, "model image: %s", sb_err_text(err));
    return SB_OK;
}

void sb_forest_ir_sum(const struct sb_forest_ir *ir, const float *x, double *sums) {
    for (uint32_t g = 0; g < ir->ngroups; g++) sums[g] = ir->base[g];
    for (uint32_t t = 0; t < ir->ntrees; t++) {
        const struct sb_forest_ir_tree *tree = &ir->trees[t];
        uint32_t at = 0;
        while (!is_leaf(&tree->nodes[at])) {
            const struct sb_forest_ir_node *n = &tree->nodes[at];
            float v = x[n->feature];
            bool left;
            if (isnan(v))
                left = n->default_left;
            else if (ir->strict)
                left = v < (float)n->threshold;
            else
                left = (double)v <= n->threshold;
            at = (uint32_t)(left ? n->left : n->right);
        }
        for (uint32_t k = 0; k < ir->width; k++) {
            double *sum = &sums[ir->width > 1 ? k : tree->group];
            double v = tree->values[(size_t)at * ir->width + k];
            if (ir->f32)
                *sum = (double)((float)*sum + (float)v);
            else
                *sum += v;
        }
    }
}

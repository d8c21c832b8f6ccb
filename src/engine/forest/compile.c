/* Normal form -> sections of an image.
 *
 * Nodes of a tree are stored in breadth-first order, so that the first levels of a tree share cache
 * lines and a right child needs no index of its own. A threshold becomes the largest number of its
 * type for which `x <= t` decides like the original comparison. */
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
    bool wide;
    uint32_t left_bits;
    uint32_t *set_first;     /* per set: its first word */
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

/* The threshold for `x <= t`. */
static double threshold(const struct compiler *c, const struct sb_forest_ir_node *n) {
    switch (c->ir->compare) {
    case SB_FOREST_LT32: return (double)below((float)n->threshold);
    case SB_FOREST_LE64: return n->threshold;
    default: return (double)floor32(n->threshold);
    }
}

static void add_narrow(struct compiler *c, const struct sb_forest_ir_node *n, uint32_t index,
                       uint32_t left) {
    struct sb_forest_node out = {INFINITY, UINT32_C(1) << 31 | index};
    if (!is_leaf(n)) {
        out.t = (float)threshold(c, n);
        out.word = (uint32_t)n->default_left << 31 | n->feature << c->left_bits | left;
    }
    sb_buf_add(&c->w->out, &out, sizeof out);
}

static sb_err add_wide(struct compiler *c, uint32_t t, const struct sb_forest_ir_node *n,
                       uint32_t index, uint32_t left) {
    struct sb_forest_wide out = {{INFINITY}, SB_FOREST_WIDE_NAN_LEFT, index};
    if (!is_leaf(n)) {
        out.left = left;
        out.word = (n->default_left ? SB_FOREST_WIDE_NAN_LEFT : 0) | n->feature;
        if (n->test == SB_FOREST_ORDER) {
            out.t = threshold(c, n);
        } else {
            if (n->set >= c->ir->nsets) return tree_fail(c, t, "no such set of categories");
            out.set.first = c->set_first[n->set];
            out.set.n = c->ir->sets[n->set].n;
            out.word |= SB_FOREST_WIDE_SET;
            if (n->test == SB_FOREST_SET_RIGHT) out.word |= SB_FOREST_WIDE_OTHERS;
        }
    }
    sb_buf_add(&c->w->out, &out, sizeof out);
    return SB_OK;
}

static sb_err add_nodes(struct compiler *c, uint32_t t) {
    const struct sb_forest_ir_tree *tree = &c->ir->trees[t];
    uint32_t count, next = 1;
    SB_TRY(tree_order(c, t, &count));
    if ((!c->wide && count > UINT32_C(1) << c->left_bits) || c->nnodes + count > UINT32_MAX)
        return sb_fail(c->ctx, SB_E_UNSUPPORTED,
                       "tree %u has %u nodes on %u features, more than the native layout holds", t,
                       count, c->ir->nfeatures);
    c->trees[t].root = (uint32_t)c->nnodes;
    c->trees[t].count = count;
    c->trees[t].group = tree->group;
    for (uint32_t i = 0; i < count; i++) {
        const struct sb_forest_ir_node *n = &tree->nodes[c->queue[i]];
        if (c->wide)
            SB_TRY(add_wide(c, t, n, i, next));
        else
            add_narrow(c, n, i, next);
        if (!is_leaf(n)) next += 2;
    }
    c->nnodes += count;
    return SB_OK;
}

/* Before the nodes, which point into it. */
static sb_err add_sets(struct compiler *c) {
    uint64_t n = 0;
    if (c->ir->nsets == 0 || !c->wide) return SB_OK; /* not wide: no node has one */
    sb_image_begin(c->w, SB_IMAGE_SETS);
    for (uint32_t i = 0; i < c->ir->nsets; i++) {
        const struct sb_forest_ir_set *s = &c->ir->sets[i];
        if (n + s->n > UINT32_MAX)
            return sb_fail(c->ctx, SB_E_UNSUPPORTED, "more categories than the layout holds");
        c->set_first[i] = (uint32_t)n;
        sb_buf_add(&c->w->out, s->words, s->n * sizeof *s->words);
        n += s->n;
    }
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

/* FOREST: what describes the ensemble; layout in docs/formats/model-image.md. */
static void add_head(struct compiler *c) {
    const struct sb_forest_ir *ir = c->ir;
    struct sb_buf *out = &c->w->out;
    const double divisor = ir->divisor == 0 ? 1 : ir->divisor;
    sb_image_begin(c->w, SB_IMAGE_FOREST);
    add_u32(out, ir->nfeatures);
    add_u32(out, ir->ntrees);
    add_u32(out, ir->ngroups);
    add_u32(out, ir->width);
    add_u32(out, c->left_bits);
    add_u32(out, ir->f32);
    add_u32(out, ir->post);
    add_u32(out, (uint32_t)c->wide | (uint32_t)ir->input.round32 << 1 |
                     (uint32_t)ir->input.tiny_is_zero << 2 | (uint32_t)ir->input.has_missing << 3);
    sb_buf_add(out, ir->post_param, sizeof ir->post_param);
    sb_buf_add(out, &divisor, sizeof divisor);
    sb_buf_add(out, &ir->input.missing, sizeof ir->input.missing);
}

static sb_err add_all(struct compiler *c) {
    const struct sb_forest_ir *ir = c->ir;
    struct sb_buf *out = &c->w->out;
    SB_TRY(add_sets(c));
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
    if (ir->input.rules) {
        sb_image_begin(c->w, SB_IMAGE_RULES);
        sb_buf_add(out, ir->input.rules, ir->nfeatures);
    }
    add_head(c);
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
    SB_ASSERT(!ir->f32 || ir->divisor == 0);
    struct compiler c = {.w = w, .ir = ir, .ctx = ctx, .wide = sb_forest_ir_wide(ir)};
    uint32_t feature_bits = 0;
    while (UINT32_C(1) << feature_bits < ir->nfeatures) feature_bits++;
    c.left_bits = 31 - feature_bits;
    c.queue = sb_try_alloc(largest * sizeof *c.queue);
    c.level = sb_try_alloc(largest * sizeof *c.level);
    c.seen = sb_try_alloc(largest);
    c.trees = sb_try_alloc(((size_t)ir->ntrees + 1) * sizeof *c.trees);
    c.set_first = sb_try_alloc(((size_t)ir->nsets + 1) * sizeof *c.set_first);
    sb_err err = SB_E_NOMEM;
    if (c.queue && c.level && c.seen && c.trees && c.set_first) err = add_all(&c);
    sb_free(c.queue);
    sb_free(c.level);
    sb_free(c.seen);
    sb_free(c.trees);
    sb_free(c.set_first);
    if (err) return sb_fail(ctx, err, "model image: %s", sb_err_text(err));
    return SB_OK;
}

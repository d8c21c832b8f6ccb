/* Opening the sections of a forest. The kernels index without checks, so this proves first that no
 * walk can leave its tree: children lie behind their parent and inside the tree, features exist,
 * leaves point at themselves, and the stated depth is the real one. */
#include "engine/forest/forest.h"

#include <math.h>

#include "base/cursor.h"
#include "base/mem.h"

static sb_err damaged(struct sb_errctx *ctx, const char *what) {
    (void)sb_fail(ctx, SB_E_CORRUPT, "damaged model image: %s", what);
    return SB_E_CORRUPT;
}

static sb_err read_head(struct sb_forest *f, struct sb_str s, struct sb_errctx *ctx) {
    struct sb_cursor c = sb_cursor_of(s.p, s.n);
    f->nfeatures = sb_cursor_le32(&c);
    f->ntrees = sb_cursor_le32(&c);
    f->ngroups = sb_cursor_le32(&c);
    f->width = sb_cursor_le32(&c);
    f->left_bits = sb_cursor_le32(&c);
    uint32_t f32 = sb_cursor_le32(&c), post = sb_cursor_le32(&c);
    (void)sb_cursor_le32(&c);
    if (c.err || sb_cursor_left(&c) || f32 > 1 || post >= SB_FOREST_POST_COUNT)
        return damaged(ctx, "forest section");
    f->f32 = f32;
    f->post = (enum sb_forest_post)post;
    if (f->nfeatures == 0 || f->nfeatures > SB_FOREST_FEATURES_MAX ||
        f->ntrees > SB_FOREST_TREES_MAX || f->ngroups == 0 || f->ngroups > SB_FOREST_GROUPS_MAX ||
        (f->width != 1 && f->width != f->ngroups) || f->left_bits > 31 ||
        f->nfeatures - 1 > UINT32_MAX >> 1 >> f->left_bits)
        return damaged(ctx, "forest section");
    /* a mean of no trees would divide by zero, and a forest without trees is a constant */
    if (f->post == SB_FOREST_MEAN && f->ntrees == 0) return damaged(ctx, "forest without trees");
    return SB_OK;
}

static sb_err read_trees(struct sb_forest *f, struct sb_str s, struct sb_errctx *ctx) {
    struct sb_cursor c = sb_cursor_of(s.p, s.n);
    if (s.n != (size_t)f->ntrees * 16) return damaged(ctx, "trees section");
    f->trees = sb_try_alloc(s.n + 1);
    if (!f->trees) return sb_fail(ctx, SB_E_NOMEM, "out of memory");
    uint64_t next = 0;
    for (uint32_t i = 0; i < f->ntrees; i++) {
        struct sb_forest_tree *t = &f->trees[i];
        t->root = sb_cursor_le32(&c);
        t->count = sb_cursor_le32(&c);
        t->depth = sb_cursor_le32(&c);
        t->group = sb_cursor_le32(&c);
        if (t->root != next || t->count == 0 || t->group >= f->ngroups ||
            t->depth > SB_FOREST_DEPTH_MAX || t->count > f->nnodes - next ||
            t->count > UINT32_C(1) << f->left_bits)
            return damaged(ctx, "tree record");
        next += t->count;
    }
    return next == f->nnodes ? SB_OK : damaged(ctx, "nodes that no tree has");
}

/* Breadth-first order makes one pass enough: inner node number k has the children 2k+1 and 2k+2. */
static sb_err check_tree(const struct sb_forest *f, uint32_t index, uint64_t nslots,
                         struct sb_errctx *ctx) {
    const struct sb_forest_tree *t = &f->trees[index];
    const struct sb_forest_node *nodes = f->nodes + t->root;
    uint32_t next = 1, depth = 0, level_end = 1;
    for (uint32_t i = 0; i < t->count; i++) {
        if (i == level_end) {
            level_end = next;
            depth++;
        }
        uint32_t word = nodes[i].word, left = word & ~(~UINT32_C(0) << f->left_bits);
        uint32_t feature = (word & (UINT32_MAX >> 1)) >> f->left_bits;
        if (left == i) {
            if (feature != 0 || !(word >> 31) || !(nodes[i].t == INFINITY))
                return damaged(ctx, "leaf record");
            if (f->slots && f->slots[t->root + i] >= nslots) return damaged(ctx, "leaf slot");
            continue;
        }
        if (left != next || feature >= f->nfeatures || t->count - next < 2 || next >= t->count)
            return damaged(ctx, "node record");
        next += 2;
    }
    if (next != t->count || depth != t->depth) return damaged(ctx, "shape of a tree");
    return SB_OK;
}

static sb_err read_values(struct sb_forest *f, const struct sb_image *img, uint64_t *nslots,
                          struct sb_errctx *ctx) {
    struct sb_str slots = img->section[SB_IMAGE_SLOTS], values = img->section[SB_IMAGE_VALUES];
    struct sb_str base = img->section[SB_IMAGE_BASE];
    size_t row = (size_t)f->width * (f->f32 ? 4 : 8);
    if (values.n % row) return damaged(ctx, "values section");
    *nslots = values.n / row;
    f->values = values.p;
    if (f->width == 1) {
        if (slots.n || *nslots != f->nnodes) return damaged(ctx, "values section");
    } else {
        if (slots.n != f->nnodes * 4) return damaged(ctx, "slots section");
        f->slots = (const uint32_t *)(const void *)slots.p;
    }
    if (base.n != f->ngroups * sizeof(double)) return damaged(ctx, "base section");
    f->base = sb_try_alloc(base.n);
    if (!f->base) return sb_fail(ctx, SB_E_NOMEM, "out of memory");
    memcpy(f->base, base.p, base.n);
    return SB_OK;
}

static sb_err open_sections(struct sb_forest *f, const struct sb_image *img,
                            struct sb_errctx *ctx) {
    struct sb_str nodes = img->section[SB_IMAGE_NODES];
    SB_TRY(read_head(f, img->section[SB_IMAGE_FOREST], ctx));
    if (nodes.n % sizeof(struct sb_forest_node) || nodes.n / 8 > UINT32_MAX)
        return damaged(ctx, "nodes section");
    f->nnodes = nodes.n / sizeof(struct sb_forest_node);
    f->nodes = (const struct sb_forest_node *)(const void *)nodes.p;
    SB_TRY(read_trees(f, img->section[SB_IMAGE_TREES], ctx));
    uint64_t nslots = 0;
    SB_TRY(read_values(f, img, &nslots, ctx));
    for (uint32_t t = 0; t < f->ntrees; t++) SB_TRY(check_tree(f, t, nslots, ctx));
    return SB_OK;
}

sb_err sb_forest_open(struct sb_forest *out, const struct sb_image *img, struct sb_errctx *ctx) {
    struct sb_forest f = {0};
    sb_err err = open_sections(&f, img, ctx);
    if (err)
        sb_forest_close(&f);
    else
        *out = f;
    return err;
}

void sb_forest_close(struct sb_forest *f) {
    sb_free(f->trees);
    sb_free(f->base);
    *f = (struct sb_forest){0};
}

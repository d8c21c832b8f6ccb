/* Opening the sections of a forest. The kernels index without checks, so this proves first that no
 * walk can leave its tree: children lie behind their parent and inside the tree, features exist,
 * leaves point at themselves, and the stated depth is the real one. */
#include "engine/forest/forest.h"

#include <math.h>

#include "base/cursor.h"
#include "base/mem.h"
#include "engine/forest/kernel.h"

static sb_err damaged(struct sb_errctx *ctx, const char *what) {
    (void)sb_fail(ctx, SB_E_CORRUPT, "damaged model image: %s", what);
    return SB_E_CORRUPT;
}

static double le_double(struct sb_cursor *c) {
    uint64_t bits = sb_cursor_le64(c);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* What version 2 added behind the first eight numbers. */
static sb_err read_more(struct sb_forest *f, struct sb_cursor *c, uint32_t flags,
                        struct sb_errctx *ctx) {
    f->wide = flags & 1;
    f->input.round32 = flags >> 1 & 1;
    f->input.tiny_is_zero = flags >> 2 & 1;
    f->input.has_missing = flags >> 3 & 1;
    f->divisor = 1;
    if (sb_cursor_left(c)) {
        for (int i = 0; i < 2; i++) f->post_param[i] = le_double(c);
        f->divisor = le_double(c);
        f->input.missing = le_double(c);
    }
    if (c->err || sb_cursor_left(c) || flags >> 4) return damaged(ctx, "forest section");
    if (f->post == SB_FOREST_MEAN) {
        f->post = SB_FOREST_IDENTITY;
        f->divisor = f->ntrees;
    }
    /* a mean of no trees would divide by zero, and a forest without trees is a constant */
    if (!(f->divisor >= 1) || (f->f32 && f->divisor != 1)) return damaged(ctx, "divisor");
    return SB_OK;
}

static sb_err read_head(struct sb_forest *f, struct sb_str s, struct sb_errctx *ctx) {
    struct sb_cursor c = sb_cursor_of(s.p, s.n);
    f->nfeatures = sb_cursor_le32(&c);
    f->ntrees = sb_cursor_le32(&c);
    f->ngroups = sb_cursor_le32(&c);
    f->width = sb_cursor_le32(&c);
    f->left_bits = sb_cursor_le32(&c);
    uint32_t f32 = sb_cursor_le32(&c), post = sb_cursor_le32(&c), flags = sb_cursor_le32(&c);
    if (c.err || f32 > 1 || post >= SB_FOREST_POST_COUNT) return damaged(ctx, "forest section");
    f->f32 = f32;
    f->post = (enum sb_forest_post)post;
    if (f->nfeatures == 0 || f->nfeatures > SB_FOREST_FEATURES_MAX ||
        f->ntrees > SB_FOREST_TREES_MAX || f->ngroups == 0 || f->ngroups > SB_FOREST_GROUPS_MAX ||
        (f->width != 1 && f->width != f->ngroups) || f->left_bits > 31 ||
        f->nfeatures - 1 > UINT32_MAX >> 1 >> f->left_bits)
        return damaged(ctx, "forest section");
    return read_more(f, &c, flags, ctx);
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
            (!f->wide && t->count > UINT32_C(1) << f->left_bits))
            return damaged(ctx, "tree record");
        next += t->count;
    }
    return next == f->nnodes ? SB_OK : damaged(ctx, "nodes that no tree has");
}

/* One node as both layouts say it. */
struct node_view {
    uint32_t left, feature;
    bool leaf; /* its fields are a leaf's */
    bool ok;
};

static struct node_view view_narrow(const struct sb_forest *f, const struct sb_forest_node *n) {
    struct node_view v = {.ok = true};
    v.left = n->word & ~(~UINT32_C(0) << f->left_bits);
    v.feature = (n->word & (UINT32_MAX >> 1)) >> f->left_bits;
    v.leaf = v.feature == 0 && n->word >> 31 && n->t == INFINITY;
    return v;
}

static struct node_view view_wide(struct sb_forest *f, const struct sb_forest_wide *n) {
    const uint32_t flags = SB_FOREST_WIDE_NAN_LEFT | SB_FOREST_WIDE_SET | SB_FOREST_WIDE_OTHERS;
    struct node_view v = {.left = n->left, .feature = n->word & SB_FOREST_WIDE_FEATURE};
    bool set = n->word & SB_FOREST_WIDE_SET;
    v.ok = !(n->word & ~(flags | SB_FOREST_WIDE_FEATURE)) &&
           (set ? n->set.first <= f->nset_words && n->set.n <= f->nset_words - n->set.first
                : !(n->word & SB_FOREST_WIDE_OTHERS));
    v.leaf = n->word == SB_FOREST_WIDE_NAN_LEFT && n->t == INFINITY;
    if (set) f->has_sets = true;
    return v;
}

/* Breadth-first order makes one pass enough: inner node number k has the children 2k+1 and 2k+2. */
static sb_err check_tree(struct sb_forest *f, uint32_t index, uint64_t nslots,
                         struct sb_errctx *ctx) {
    const struct sb_forest_tree *t = &f->trees[index];
    uint32_t next = 1, depth = 0, level_end = 1;
    for (uint32_t i = 0; i < t->count; i++) {
        if (i == level_end) {
            level_end = next;
            depth++;
        }
        struct node_view v = f->wide ? view_wide(f, f->wide_nodes + t->root + i)
                                     : view_narrow(f, f->nodes + t->root + i);
        if (!v.ok) return damaged(ctx, "node record");
        if (v.left == i) {
            if (!v.leaf) return damaged(ctx, "leaf record");
            if (f->slots && f->slots[t->root + i] >= nslots) return damaged(ctx, "leaf slot");
            continue;
        }
        if (v.left != next || v.feature >= f->nfeatures || t->count - next < 2 || next >= t->count)
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

static sb_err read_nodes(struct sb_forest *f, const struct sb_image *img, struct sb_errctx *ctx) {
    struct sb_str nodes = img->section[SB_IMAGE_NODES], sets = img->section[SB_IMAGE_SETS];
    size_t size = f->wide ? sizeof(struct sb_forest_wide) : sizeof(struct sb_forest_node);
    if (nodes.n % size || nodes.n / size > UINT32_MAX) return damaged(ctx, "nodes section");
    f->nnodes = nodes.n / size;
    if (f->wide)
        f->wide_nodes = (const struct sb_forest_wide *)(const void *)nodes.p;
    else
        f->nodes = (const struct sb_forest_node *)(const void *)nodes.p;
    if (sets.n % 4 || (sets.n && !f->wide)) return damaged(ctx, "sets section");
    f->sets = (const uint32_t *)(const void *)sets.p;
    f->nset_words = sets.n / 4;
    return SB_OK;
}

static sb_err read_rules(struct sb_forest *f, struct sb_str rules, struct sb_errctx *ctx) {
    if (rules.n == 0) return SB_OK;
    if (rules.n != f->nfeatures) return damaged(ctx, "rules section");
    f->input.rules = (const uint8_t *)rules.p;
    return SB_OK;
}

static sb_err open_sections(struct sb_forest *f, const struct sb_image *img,
                            struct sb_errctx *ctx) {
    SB_TRY(read_head(f, img->section[SB_IMAGE_FOREST], ctx));
    SB_TRY(read_nodes(f, img, ctx));
    SB_TRY(read_rules(f, img->section[SB_IMAGE_RULES], ctx));
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
    sb_forest_layouts_free(f->layouts);
    sb_free(f->trees);
    sb_free(f->base);
    *f = (struct sb_forest){0};
}

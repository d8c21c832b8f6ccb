/* Faster forms of a forest, derived from its proved nodes when it is opened; inside engine/forest.
 *
 * Codes. A tree asks little of a value: on which side of each threshold of its feature it lies. So
 * a value is replaced once, by a byte, and every node then compares bytes. Per feature the distinct
 * thresholds are sorted into a table; code(x) = 1 + the number of thresholds below x, and the node
 * with the k-th threshold (from 1) sends x left when code(x) <= k. It is exact for any x that is a
 * number. NaN takes code 0, left of everything, or 255, right of everything: so a feature has up to
 * two columns of codes, one for the nodes that send NaN left and one for the others. A node that
 * sends no number left has k = 0. A set of categories is a column of its own: code 1 is in, 2 is
 * out, and its node has k = 1. More than 254 thresholds on a feature, or COLUMNS_MAX columns: there
 * are no codes, and only the plain walk serves.
 *
 * Three layouts stand on codes; each may decline a shape, and kernel.c says which kernel serves.
 *   coded  nodes of 4 bytes for the walk of kernel.c.
 *   lanes  for one row, trees of at most 64 leaves. 64 trees side by side: node i of every tree at
 *          once takes away the leaves that the row cannot reach (QuickScorer); of those left, the
 *          first is the row's.
 *   bits   for many rows, trees of at most 256 leaves. A bit per row: every node is compared for
 *          64 rows at a time, "reached" bits run down the tree, and the numbers of the leaves come
 *          out as bit planes.
 * All of them only find leaves; sums are made in tree order in the forest's type, so they give the
 * bits of the plain walk. */
#ifndef SB_ENGINE_FOREST_LAYOUT_H
#define SB_ENGINE_FOREST_LAYOUT_H

#include "engine/forest/forest.h"
#include "engine/forest/kernel.h"

enum {
    CODES_MAX = 254, /* thresholds of a table */
    CODE_NAN_LEFT = 0,
    CODE_NAN_RIGHT = 255,
    PIVOTS = 16,
    TABLE = PIVOTS + 256, /* room of a table: pivots, then places; unused ones are +inf */
    COLUMNS_MAX = 1024,

    CODED_COLUMNS_MAX = 256,
    CODED_NODES_MAX = 1 << 16, /* of a tree */

    LANES_TREES = 64,
    LANES_LEAVES_MAX = 64,
    LANES_COLUMNS_MAX = 128,
    LANES_FILL = 64, /* bytes of slots per node that may be: else too many slots are empty */

    BITS_LEAVES_MAX = 256,
    BITS_PLANES_MAX = 8,
};

/* A node of either width. */
struct layout_node {
    double t;
    uint32_t feature, left;
    uint32_t first, n; /* of a set */
    bool leaf, nan_left, set, others;
};
static inline struct layout_node layout_node_at(const struct sb_forest *f,
                                                const struct sb_forest_tree *t, uint32_t i) {
    struct layout_node v = {.leaf = false};
    if (f->wide) {
        const struct sb_forest_wide *n = f->wide_nodes + t->root + i;
        v.left = n->left;
        v.feature = n->word & SB_FOREST_WIDE_FEATURE;
        v.nan_left = n->word & SB_FOREST_WIDE_NAN_LEFT;
        v.set = n->word & SB_FOREST_WIDE_SET;
        v.others = n->word & SB_FOREST_WIDE_OTHERS;
        if (v.set) {
            v.first = n->set.first;
            v.n = n->set.n;
        } else {
            v.t = n->t;
        }
    } else {
        const struct sb_forest_node *n = f->nodes + t->root + i;
        v.left = n->word & ~(~UINT32_C(0) << f->left_bits);
        v.feature = (n->word & (UINT32_MAX >> 1)) >> f->left_bits;
        v.nan_left = n->word >> 31;
        v.t = (double)n->t;
    }
    v.leaf = v.left == i;
    return v;
}

static inline uint8_t layout_nan_code(bool left) {
    return left ? CODE_NAN_LEFT : CODE_NAN_RIGHT;
}

struct layout_column {
    uint32_t feature;
    bool set;          /* of categories; else thresholds */
    bool twin;         /* same table as the column before it; only NaN differs */
    bool others;       /* of a set: what is not in it counts as in */
    uint8_t nan_code;  /* CODE_NAN_LEFT or CODE_NAN_RIGHT */
    uint32_t table;    /* of thresholds */
    uint32_t first, n; /* of a set: its words */
};

struct layout_codes {
    uint32_t ncolumns, ntables;
    struct layout_column *columns;
    uint8_t *used;         /* places of each table that thresholds fill */
    float *narrow;         /* TABLE per table; of a narrow forest */
    double *wide;          /* the same of a wide one */
    uint16_t *node_column; /* per node of the forest; both NULL once the layouts are made */
    uint8_t *node_k;
};

/* next: how far on the left child is; the right one follows it. A leaf has next 0 and k 255, which
 * no code is above. */
struct layout_coded_node {
    uint8_t k, column;
    uint16_t next;
};
struct layout_coded {
    struct layout_coded_node *nodes; /* as many as the forest's */
};

/* Leaves are numbered from left to right. Per group of 64 trees: slots, each with a column and a k
 * for every tree and `bytes` times 64 bytes of masks: bits of leaves that stay when the row goes
 * right. Trees with fewer nodes have slots that take nothing away. */
struct layout_lanes_group {
    size_t at; /* first slot's offset in slots */
    uint32_t nslots;
};
struct layout_lanes {
    uint32_t bytes; /* of a leaf mask: 1, 2, 4 or 8 */
    struct layout_lanes_group *groups;
    uint8_t *slots; /* nslots * (2 + bytes) * 64 per group; aligned to 64, inside memory */
    void *memory;
    void *values; /* float or double: [tree][leaf of 8 * bytes][width] */
};

struct layout_bits_node {
    uint16_t column;
    uint16_t self, left; /* places of its reached bits and its left child's; the right's follow */
    uint8_t k;
};
struct layout_bits_tree {
    uint32_t nodes;  /* index of its first */
    uint32_t ors;    /* index of its first: per plane a count, then places whose bits it unites */
    size_t values;   /* index of its first: [width][2 ** planes] */
    uint16_t nnodes; /* inner ones */
    uint8_t planes;
    uint32_t group;
};
struct layout_bits {
    struct layout_bits_tree *trees;
    struct layout_bits_node *nodes;
    uint16_t *ors;
    void *values; /* float or double */
};

struct sb_forest_layouts {
    struct layout_codes codes;
    struct layout_coded coded; /* each: first pointer NULL when it declined */
    struct layout_lanes lanes;
    struct layout_bits bits;
    size_t memory; /* bytes of all */
    struct sb_forest_choice choice;
};

/* Codes and the layouts of the kernels whose bits (1 << SB_FOREST_CODED ...) are in wanted. NULL
 * when the forest has no codes or memory is short. */
struct sb_forest_layouts *layouts_new(const struct sb_forest *f, unsigned wanted);

/* Codes of a whole forest; false when it has none (or memory is short). */
bool layout_codes_make(struct layout_codes *c, const struct sb_forest *f);
void layout_codes_fini(struct layout_codes *c);
/* No longer needed once the other layouts are made. */
void layout_codes_drop_nodes(struct layout_codes *c);

#endif

/* The three layouts on codes. Each is made in a few passes over the nodes; make_x is false when it
 * declines the shape or memory is short, and what it had is dropped then. */
#include "engine/forest/layout.h"

#include "base/mem.h"

/* What one tree looks like from its leaves: per node (by its place in the tree) how many leaves lie
 * below it, and the number of the first. Leaves are numbered from left to right. */
struct leaves {
    uint16_t n[2 * BITS_LEAVES_MAX];
    uint16_t first[2 * BITS_LEAVES_MAX];
};

/* Nodes are in breadth-first order: children stand behind their parent. */
static void count_leaves(const struct sb_forest *f, const struct sb_forest_tree *t,
                         struct leaves *out) {
    for (uint32_t i = t->count; i-- > 0;) {
        struct layout_node n = layout_node_at(f, t, i);
        out->n[i] = n.leaf ? 1 : (uint16_t)(out->n[n.left] + out->n[n.left + 1]);
    }
    out->first[0] = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        struct layout_node n = layout_node_at(f, t, i);
        if (n.leaf) continue;
        out->first[n.left] = out->first[i];
        out->first[n.left + 1] = (uint16_t)(out->first[i] + out->n[n.left]);
    }
}

static uint32_t most_leaves(const struct sb_forest *f) {
    uint32_t most = 1;
    for (uint32_t t = 0; t < f->ntrees; t++) {
        uint32_t n = f->trees[t].count / 2 + 1;
        if (n > most) most = n;
    }
    return most;
}

static size_t value_size(const struct sb_forest *f) {
    return f->f32 ? sizeof(float) : sizeof(double);
}

/* Copies value k of the leaf at place i of tree t to place `to` of a layout's values. */
static void copy_value(const struct sb_forest *f, const struct sb_forest_tree *t, uint32_t i,
                       uint32_t k, void *values, size_t to) {
    size_t node = (size_t)t->root + i, size = value_size(f);
    size_t from = f->width == 1 ? node : (size_t)f->slots[node] * f->width + k;
    memcpy((char *)values + to * size, (const char *)f->values + from * size, size);
}

/* ---- coded ---- */

static bool make_coded(struct sb_forest_layouts *l, const struct sb_forest *f) {
    const struct layout_codes *c = &l->codes;
    if (c->ncolumns > CODED_COLUMNS_MAX) return false;
    for (uint32_t t = 0; t < f->ntrees; t++)
        if (f->trees[t].count > CODED_NODES_MAX) return false;
    l->coded.nodes = sb_try_alloc((f->nnodes + 1) * sizeof *l->coded.nodes);
    if (!l->coded.nodes) return false;
    l->memory += f->nnodes * sizeof *l->coded.nodes;
    for (uint32_t t = 0; t < f->ntrees; t++)
        for (uint32_t i = 0; i < f->trees[t].count; i++) {
            size_t at = (size_t)f->trees[t].root + i;
            struct layout_node n = layout_node_at(f, &f->trees[t], i);
            l->coded.nodes[at] = (struct layout_coded_node){.k = c->node_k[at],
                                                            .column = (uint8_t)c->node_column[at],
                                                            .next = (uint16_t)(n.left - i)};
        }
    return true;
}

/* ---- lanes ---- */

static size_t lanes_slot_size(const struct layout_lanes *l) {
    return (size_t)LANES_TREES * (2 + l->bytes);
}

/* Tree number `lane` of a group whose slots start at p. */
static void lanes_add_tree(struct sb_forest_layouts *l, const struct sb_forest *f, uint32_t tree,
                           uint32_t lane, uint8_t *p) {
    struct layout_lanes *s = &l->lanes;
    const struct sb_forest_tree *t = &f->trees[tree];
    struct leaves leaves;
    count_leaves(f, t, &leaves);
    for (uint32_t i = 0; i < t->count; i++) {
        struct layout_node n = layout_node_at(f, t, i);
        size_t at = (size_t)t->root + i;
        if (n.leaf) {
            size_t row = ((size_t)tree * 8 * s->bytes + leaves.first[i]) * f->width;
            for (uint32_t k = 0; k < f->width; k++) copy_value(f, t, i, k, s->values, row + k);
            continue;
        }
        p[lane] = (uint8_t)l->codes.node_column[at];
        p[LANES_TREES + lane] = l->codes.node_k[at];
        uint32_t from = leaves.first[n.left], count = leaves.n[n.left];
        uint64_t gone = ((UINT64_C(1) << count) - 1) << from; /* fewer than 64: the right has one */
        for (uint32_t b = 0; b < s->bytes; b++)
            p[LANES_TREES * (2 + b) + lane] = (uint8_t)(~gone >> 8 * b);
        p += lanes_slot_size(s);
    }
}

static bool make_lanes(struct sb_forest_layouts *l, const struct sb_forest *f) {
    struct layout_lanes *s = &l->lanes;
    uint32_t most = most_leaves(f), ngroups = (f->ntrees + LANES_TREES - 1) / LANES_TREES;
    if (f->ntrees == 0 || most > LANES_LEAVES_MAX || l->codes.ncolumns > LANES_COLUMNS_MAX)
        return false;
    s->bytes = most <= 8 ? 1 : most <= 16 ? 2 : most <= 32 ? 4 : 8;
    size_t nvalues = (size_t)f->ntrees * 8 * s->bytes * f->width, total = 0;
    if (nvalues / 8 > f->nnodes * f->width) return false; /* small trees and a large one */
    s->groups = sb_try_alloc(ngroups * sizeof *s->groups);
    s->values = sb_try_alloc(nvalues * value_size(f));
    if (!s->groups || !s->values) return false;
    for (uint32_t g = 0; g < ngroups; g++) {
        s->groups[g] = (struct layout_lanes_group){.at = total};
        for (uint32_t t = g * LANES_TREES; t < f->ntrees && t < (g + 1) * LANES_TREES; t++)
            if (f->trees[t].count / 2 > s->groups[g].nslots)
                s->groups[g].nslots = f->trees[t].count / 2;
        total += s->groups[g].nslots * lanes_slot_size(s);
    }
    if (total > LANES_FILL * f->nnodes) return false;
    s->memory = sb_try_alloc(total + 64);
    if (!s->memory) return false;
    s->slots = (uint8_t *)(((uintptr_t)s->memory + 63) & ~(uintptr_t)63);
    /* a slot that no tree fills takes nothing away whatever the code; its column exists */
    memset(s->slots, 0xff, total);
    for (uint32_t g = 0; g < ngroups; g++)
        for (uint32_t i = 0; i < s->groups[g].nslots; i++)
            memset(s->slots + s->groups[g].at + i * lanes_slot_size(s), 0, LANES_TREES);
    memset(s->values, 0, nvalues * value_size(f));
    for (uint32_t t = 0; t < f->ntrees; t++)
        lanes_add_tree(l, f, t, t % LANES_TREES, s->slots + s->groups[t / LANES_TREES].at);
    l->memory += total + nvalues * value_size(f);
    return true;
}

/* ---- bits ---- */

/* Bits that every number of [from, from + n) has. */
static uint32_t common_bits(uint32_t from, uint32_t n) {
    uint32_t last = from + n - 1, shift = 0;
    while (from >> shift != last >> shift) shift++;
    return from >> shift << shift;
}

static uint8_t planes_of(uint32_t nleaves) {
    uint8_t planes = 0;
    while (UINT32_C(1) << planes < nleaves) planes++;
    return planes;
}

/* Plane p of the leaf numbers unites the "reached" bits of the largest subtrees in which every
 * leaf's number has bit p. Returns how many numbers it appended. */
static size_t bits_add_ors(const struct sb_forest *f, const struct sb_forest_tree *t,
                           const struct leaves *leaves, uint8_t planes, uint16_t *to) {
    uint8_t bits[2 * BITS_LEAVES_MAX]; /* planes that a node is named in */
    uint32_t common[2 * BITS_LEAVES_MAX], at[BITS_PLANES_MAX], n = 0;
    uint16_t count[BITS_PLANES_MAX] = {0};
    bits[0] = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        struct layout_node node = layout_node_at(f, t, i);
        common[i] = common_bits(leaves->first[i], leaves->n[i]);
        for (uint32_t c = node.left; !node.leaf && c < node.left + 2; c++)
            bits[c] = (uint8_t)(common_bits(leaves->first[c], leaves->n[c]) & ~common[i]);
        for (uint32_t b = bits[i]; b; b &= b - 1) count[__builtin_ctz(b)]++;
    }
    for (uint32_t p = 0; p < planes; p++) {
        to[n++] = count[p];
        at[p] = n;
        n += count[p];
    }
    for (uint32_t i = 0; i < t->count; i++)
        for (uint32_t b = bits[i]; b; b &= b - 1) to[at[__builtin_ctz(b)]++] = (uint16_t)i;
    return n;
}

static size_t bits_add_nodes(struct sb_forest_layouts *l, const struct sb_forest *f,
                             const struct sb_forest_tree *t, size_t at) {
    for (uint32_t i = 0; i < t->count; i++) {
        struct layout_node n = layout_node_at(f, t, i);
        if (n.leaf) continue;
        l->bits.nodes[at++] = (struct layout_bits_node){.column = l->codes.node_column[t->root + i],
                                                        .self = (uint16_t)i,
                                                        .left = (uint16_t)n.left,
                                                        .k = l->codes.node_k[t->root + i]};
    }
    return at;
}

static void bits_add_values(struct sb_forest_layouts *l, const struct sb_forest *f,
                            const struct sb_forest_tree *t, const struct leaves *leaves, size_t at,
                            uint8_t planes) {
    for (uint32_t i = 0; i < t->count; i++) {
        if (leaves->n[i] != 1) continue;
        for (uint32_t k = 0; k < f->width; k++)
            copy_value(f, t, i, k, l->bits.values, at + ((size_t)k << planes) + leaves->first[i]);
    }
}

/* Rooms of the arrays: at most as many entries in a tree's lists as it has planes times leaves. */
static void bits_rooms(const struct sb_forest *f, size_t *nodes, size_t *ors, size_t *values) {
    *nodes = *ors = *values = 0;
    for (uint32_t t = 0; t < f->ntrees; t++) {
        uint32_t nleaves = f->trees[t].count / 2 + 1;
        uint8_t planes = planes_of(nleaves);
        *nodes += f->trees[t].count / 2;
        *ors += (size_t)planes * (1 + nleaves);
        *values += (size_t)f->width << planes;
    }
}

static bool make_bits(struct sb_forest_layouts *l, const struct sb_forest *f) {
    struct layout_bits *s = &l->bits;
    size_t nodes, ors, values, node = 0, list = 0, value = 0;
    if (most_leaves(f) > BITS_LEAVES_MAX) return false;
    bits_rooms(f, &nodes, &ors, &values);
    if (ors > UINT32_MAX) return false;
    s->trees = sb_try_alloc((f->ntrees + 1) * sizeof *s->trees);
    s->nodes = sb_try_alloc((nodes + 1) * sizeof *s->nodes);
    s->ors = sb_try_alloc((ors + 1) * sizeof *s->ors);
    s->values = sb_try_alloc((values + 1) * value_size(f));
    if (!s->trees || !s->nodes || !s->ors || !s->values) return false;
    memset(s->values, 0, values * value_size(f));
    for (uint32_t i = 0; i < f->ntrees; i++) {
        const struct sb_forest_tree *t = &f->trees[i];
        struct leaves leaves;
        count_leaves(f, t, &leaves);
        struct layout_bits_tree *out = &s->trees[i];
        *out = (struct layout_bits_tree){.nodes = (uint32_t)node,
                                         .ors = (uint32_t)list,
                                         .values = value,
                                         .nnodes = (uint16_t)(t->count / 2),
                                         .planes = planes_of(t->count / 2 + 1),
                                         .group = t->group};
        node = bits_add_nodes(l, f, t, node);
        list += bits_add_ors(f, t, &leaves, out->planes, s->ors + list);
        bits_add_values(l, f, t, &leaves, value, out->planes);
        value += (size_t)f->width << out->planes;
    }
    l->memory += f->ntrees * sizeof *s->trees + nodes * sizeof *s->nodes + ors * sizeof *s->ors +
                 values * value_size(f);
    return true;
}

/* ---- all ---- */

static void drop_coded(struct layout_coded *c) {
    sb_free(c->nodes);
    *c = (struct layout_coded){0};
}

static void drop_lanes(struct layout_lanes *l) {
    sb_free(l->groups);
    sb_free(l->memory);
    sb_free(l->values);
    *l = (struct layout_lanes){0};
}

static void drop_bits(struct layout_bits *b) {
    sb_free(b->trees);
    sb_free(b->nodes);
    sb_free(b->ors);
    sb_free(b->values);
    *b = (struct layout_bits){0};
}

struct sb_forest_layouts *layouts_new(const struct sb_forest *f, unsigned wanted) {
    struct sb_forest_layouts *l = sb_calloc(1, sizeof *l);
    if (!layout_codes_make(&l->codes, f)) {
        sb_free(l);
        return NULL;
    }
    if (wanted & 1u << SB_FOREST_CODED && !make_coded(l, f)) drop_coded(&l->coded);
    if (wanted & 1u << SB_FOREST_LANES && !make_lanes(l, f)) drop_lanes(&l->lanes);
    if (wanted & 1u << SB_FOREST_BITS && !make_bits(l, f)) drop_bits(&l->bits);
    layout_codes_drop_nodes(&l->codes);
    l->memory += l->codes.ncolumns * sizeof *l->codes.columns +
                 (size_t)l->codes.ntables * TABLE * (f->wide ? sizeof(double) : sizeof(float));
    return l;
}

void sb_forest_layouts_free(struct sb_forest_layouts *l) {
    if (!l) return;
    layout_codes_fini(&l->codes);
    drop_coded(&l->coded);
    drop_lanes(&l->lanes);
    drop_bits(&l->bits);
    sb_free(l);
}

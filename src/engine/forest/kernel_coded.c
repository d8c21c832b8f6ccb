/* The walk on codes: nodes of 4 bytes, and a step that needs no more than the node's own address.
 * Eight walks side by side hide the latency of loads: of one row in eight trees, or of eight rows
 * in one tree. Leaves stay where they are, so that walks which are done need no branch. */
#include <string.h>

#include "engine/forest/kernel_int.h"

enum {
    LANES = 8,
    BLIND = 8,
    BLOCK = 64, /* rows that share one pass over the trees */
    NARROW_STRIDE = 64,
    FEW_SUMS = 64,               /* of one row: a single request stays off the large buffers */
    SUMS = SB_FOREST_GROUPS_MAX, /* on the stack: those of a block */
};

/* Six instructions: the comparison's carry is added to the distance. */
static SB_INLINE const struct layout_coded_node *step(const struct layout_coded_node *at,
                                                      const uint8_t *codes) {
    uint8_t code = codes[at->column];
    size_t next = at->next;
    next += at->k < code;
    return at + next;
}

static SB_INLINE void step_all(const struct layout_coded_node **at, const uint8_t *codes,
                               size_t stride) {
#pragma GCC unroll 8
    for (size_t j = 0; j < LANES; j++) at[j] = step(at[j], codes + j * stride);
}

static SB_INLINE bool moved_all(const struct layout_coded_node **at, const uint8_t *codes,
                                size_t stride) {
    uintptr_t moved = 0;
#pragma GCC unroll 8
    for (size_t j = 0; j < LANES; j++) {
        const struct layout_coded_node *next = step(at[j], codes + j * stride);
        moved |= (uintptr_t)next ^ (uintptr_t)at[j];
        at[j] = next;
    }
    return moved != 0;
}

/* Walks all lanes to their leaves; lane j has the codes at codes + j * stride. In the first levels
 * some lane is nearly always under way; after them every second step looks. */
static SB_INLINE void walk(const struct layout_coded_node **at, const uint8_t *codes, size_t stride,
                           uint32_t depth) {
    uint32_t d = 0;
    for (; d < depth && d < BLIND; d++) step_all(at, codes, stride);
    for (; d < depth; d += 2) {
        step_all(at, codes, stride);
        if (!moved_all(at, codes, stride)) break;
    }
}

/* Number of a node in the forest. */
static SB_INLINE size_t number(const struct sb_forest *f, const struct layout_coded_node *at) {
    return (size_t)(at - f->layouts->coded.nodes);
}

/* One row: lanes are trees. */
static void add_row(const struct sb_forest *f, const uint8_t *codes, float *sum32, double *sum64) {
    const struct layout_coded_node *at[LANES];
    size_t leaf[LANES];
    for (uint32_t t = 0; t < f->ntrees; t += LANES) {
        uint32_t n = f->ntrees - t < LANES ? f->ntrees - t : LANES, depth = 0;
        for (uint32_t j = 0; j < LANES; j++) {
            const struct sb_forest_tree *tree = &f->trees[t + (j < n ? j : n - 1)];
            at[j] = f->layouts->coded.nodes + tree->root;
            if (tree->depth > depth) depth = tree->depth;
        }
        walk(at, codes, 0, depth);
        for (uint32_t j = 0; j < n; j++) leaf[j] = number(f, at[j]);
        sums_add_trees(f, t, n, leaf, sum32, sum64);
    }
}

/* A block of at most BLOCK rows: trees outside, lanes are rows. Lanes past the last row walk with
 * the codes that lie there, and count for nothing. */
static SB_INLINE void add_block(const struct sb_forest *f, const uint8_t *codes, size_t stride,
                                size_t nrows, float *sum32, double *sum64) {
    const struct layout_coded_node *at[LANES];
    for (uint32_t t = 0; t < f->ntrees; t++) {
        const struct sb_forest_tree *tree = &f->trees[t];
        for (size_t r = 0; r < nrows; r += LANES) {
            for (int j = 0; j < LANES; j++) at[j] = f->layouts->coded.nodes + tree->root;
            walk(at, codes + r * stride, stride, tree->depth);
            for (size_t k = r; k < r + LANES && k < nrows; k++)
                sums_add(f, tree->group, number(f, at[k - r]), sum32 + k * f->ngroups,
                         sum64 + k * f->ngroups);
        }
    }
}

static void few_rows(const struct sb_forest *f, enum sb_forest_cpu cpu, const char *row,
                     size_t nrows, double *out) {
    float sum32[FEW_SUMS];
    uint8_t codes[CODED_COLUMNS_MAX];
    for (size_t r = 0; r < nrows; r++, row += kernel_row_bytes(f), out += f->ngroups) {
        kernel_encode(f, cpu, row, codes, 1);
        sums_start(f, 1, sum32, out);
        add_row(f, codes, sum32, out);
        sums_finish(f, 1, sum32, out);
    }
}

/* Rows of codes lie apart by one of two constants, which lets a step find its lane's. */
static void blocks(const struct sb_forest *f, enum sb_forest_cpu cpu, const char *rows,
                   size_t nrows, double *out) {
    float sum32[SUMS];
    uint8_t codes[BLOCK * CODED_COLUMNS_MAX];
    const bool narrow = f->layouts->codes.ncolumns <= NARROW_STRIDE;
    const size_t stride = narrow ? NARROW_STRIDE : CODED_COLUMNS_MAX;
    size_t block = BLOCK;
    while (block * f->ngroups > SUMS) block /= 2;
    memset(codes, 0, sizeof codes);
    for (size_t r = 0; r < nrows; r += block) {
        size_t n = nrows - r < block ? nrows - r : block;
        for (size_t i = 0; i < n; i++)
            kernel_encode(f, cpu, rows + (r + i) * kernel_row_bytes(f), codes + i * stride, 1);
        double *to = out + r * f->ngroups;
        sums_start(f, n, sum32, to);
        if (narrow)
            add_block(f, codes, NARROW_STRIDE, n, sum32, to);
        else
            add_block(f, codes, CODED_COLUMNS_MAX, n, sum32, to);
        sums_finish(f, n, sum32, to);
    }
}

void kernel_coded_sum(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *rows,
                      size_t nrows, double *out) {
    if (nrows < LANES && f->ngroups <= FEW_SUMS)
        few_rows(f, cpu, rows, nrows, out);
    else
        blocks(f, cpu, rows, nrows, out);
}

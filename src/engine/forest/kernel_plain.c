/* The plain walk: it serves every forest, and is what the other kernels are measured against.
 *
 * A walk is a chain of dependent loads, so one walk waits for memory most of the time; LANES of
 * them side by side hide that. For one row the lanes are neighbouring trees, for many rows they are
 * rows in one tree (its nodes then stay in the cache). Leaves point at themselves, so lanes that
 * are done idle in place and no lane needs a branch. Sums are made after the walks, in tree order.
 */
#include "engine/forest/kernel_int.h"

enum {
    LANES = 8,
    BLIND = 8,          /* levels that are walked without a look */
    BLOCK = 128,        /* rows that share one pass over the trees */
    LARGE_BLOCK = 1024, /* the same of a forest that no cache holds */
    LARGE_NODES = 128 << 10,
    FEW_SUMS = 64,               /* of one row: a single request stays off the large buffer */
    SUMS = SB_FOREST_GROUPS_MAX, /* on the stack: those of the rows of a pass */
};

/* What a walk has to look at: known when it is compiled. */
enum mode { NO_NAN, WITH_NAN, WIDE };

/* One step of a walk in narrow nodes. NaN compares false, which is right's side: with_nan adds the
 * nodes whose default is left. */
static SB_INLINE uint32_t step_narrow(const struct sb_forest *f, const struct sb_forest_node *n,
                                      const float *x, bool with_nan) {
    float v = x[(n->word & (UINT32_MAX >> 1)) >> f->left_bits];
    uint32_t left = n->word & ~(~UINT32_C(0) << f->left_bits);
    uint32_t right = !(v <= n->t);
    if (with_nan) right &= !((uint32_t)(v != v) & n->word >> 31);
    return left + right;
}

static bool in_set(const struct sb_forest *f, const struct sb_forest_wide *n, double v) {
    if (!(v >= 0 && v < 32.0 * n->set.n)) return false;
    uint32_t category = (uint32_t)v;
    return f->sets[n->set.first + category / 32] >> category % 32 & 1;
}

static SB_INLINE uint32_t step_wide(const struct sb_forest *f, const struct sb_forest_wide *n,
                                    const double *x) {
    double v = x[n->word & SB_FOREST_WIDE_FEATURE];
    bool left = v <= n->t;
    if (SB_UNLIKELY(n->word & SB_FOREST_WIDE_SET))
        left = in_set(f, n, v) != ((n->word & SB_FOREST_WIDE_OTHERS) != 0);
    if (v != v) left = n->word >> 31;
    return n->left + !left;
}

/* The tree whose first node is number root. */
static SB_INLINE const void *tree_at(const struct sb_forest *f, uint32_t root, enum mode mode) {
    return mode == WIDE ? (const void *)(f->wide_nodes + root) : (const void *)(f->nodes + root);
}

static SB_INLINE uint32_t step(const struct sb_forest *f, const void *tree, const char *x,
                               uint32_t at, enum mode mode) {
    if (mode == WIDE)
        return step_wide(f, (const struct sb_forest_wide *)tree + at,
                         (const double *)(const void *)x);
    return step_narrow(f, (const struct sb_forest_node *)tree + at, (const float *)(const void *)x,
                       mode == WITH_NAN);
}

/* One step of every lane; returns whether any moved. */
static SB_INLINE bool step_all(const struct sb_forest *f, const void *const *tree, const char *x,
                               size_t stride, enum mode mode, uint32_t *at) {
    uint32_t moved = 0;
#pragma GCC unroll 8
    for (int j = 0; j < LANES; j++) {
        uint32_t next = step(f, tree[j], x + (size_t)j * stride, at[j], mode);
        moved |= next ^ at[j];
        at[j] = next;
    }
    return moved != 0;
}

/* Walks all lanes to their leaves: lane j goes through tree[j] with the row at x + j * stride
 * bytes (0: all with the same one). In the first levels some lane is nearly always under way; after
 * them every second step looks. */
static SB_INLINE void walk(const struct sb_forest *f, const void *const *tree, const char *x,
                           size_t stride, uint32_t depth, enum mode mode, uint32_t *at) {
    uint32_t d = 0;
    for (int j = 0; j < LANES; j++) at[j] = 0;
    for (; d < depth && d < BLIND; d++) (void)step_all(f, tree, x, stride, mode, at);
    for (; d < depth; d += 2) {
        (void)step_all(f, tree, x, stride, mode, at);
        if (!step_all(f, tree, x, stride, mode, at)) break;
    }
}

/* One row: lanes are trees. */
static SB_INLINE void sum_row(const struct sb_forest *f, const char *x, enum mode mode,
                              float *sum32, double *sum64) {
    const void *tree[LANES];
    uint32_t at[LANES];
    for (uint32_t t = 0; t < f->ntrees; t += LANES) {
        uint32_t n = f->ntrees - t < LANES ? f->ntrees - t : LANES, depth = 0;
        for (uint32_t j = 0; j < LANES; j++) {
            const struct sb_forest_tree *rec = &f->trees[t + (j < n ? j : n - 1)];
            tree[j] = tree_at(f, rec->root, mode);
            if (rec->depth > depth) depth = rec->depth;
        }
        walk(f, tree, x, 0, depth, mode, at);
        size_t leaf[LANES];
        for (uint32_t j = 0; j < n; j++) leaf[j] = (size_t)f->trees[t + j].root + at[j];
        sums_add_trees(f, t, n, leaf, sum32, sum64);
    }
}

/* A block of at least LANES rows: trees outside, lanes are rows. The last rows are reached by a
 * window that is moved back over rows already counted. */
static SB_INLINE void sum_block(const struct sb_forest *f, const char *x, size_t nrows,
                                enum mode mode, float *sum32, double *sum64) {
    const size_t stride = kernel_row_bytes(f);
    const void *tree[LANES];
    uint32_t at[LANES];
    for (uint32_t t = 0; t < f->ntrees; t++) {
        const struct sb_forest_tree *rec = &f->trees[t];
        for (int j = 0; j < LANES; j++) tree[j] = tree_at(f, rec->root, mode);
        for (size_t r = 0; r < nrows; r += LANES) {
            size_t from = r + LANES <= nrows ? r : nrows - LANES;
            walk(f, tree, x + from * stride, stride, rec->depth, mode, at);
            for (size_t k = r; k < from + LANES; k++)
                sums_add(f, rec->group, (size_t)rec->root + at[k - from], sum32 + k * f->ngroups,
                         sum64 + k * f->ngroups);
        }
    }
}

static enum mode mode_of(const struct sb_forest *f, bool has_nan) {
    return f->wide ? WIDE : has_nan ? WITH_NAN : NO_NAN;
}

/* Rows one by one. */
static void each_row(const struct sb_forest *f, const char *x, size_t nrows, enum mode mode,
                     float *sum32, double *out) {
    for (size_t r = 0; r < nrows; r++, x += kernel_row_bytes(f), out += f->ngroups) {
        sums_start(f, 1, sum32, out);
        switch (mode) {
        case NO_NAN: sum_row(f, x, NO_NAN, sum32, out); break;
        case WITH_NAN: sum_row(f, x, WITH_NAN, sum32, out); break;
        case WIDE: sum_row(f, x, WIDE, sum32, out); break;
        }
        sums_finish(f, 1, sum32, out);
    }
}

static void one_block(const struct sb_forest *f, const char *x, size_t nrows, enum mode mode,
                      float *sum32, double *out) {
    sums_start(f, nrows, sum32, out);
    switch (mode) {
    case NO_NAN: sum_block(f, x, nrows, NO_NAN, sum32, out); break;
    case WITH_NAN: sum_block(f, x, nrows, WITH_NAN, sum32, out); break;
    case WIDE: sum_block(f, x, nrows, WIDE, sum32, out); break;
    }
    sums_finish(f, nrows, sum32, out);
}

static void blocks(const struct sb_forest *f, const char *x, size_t nrows, enum mode mode,
                   double *out) {
    float sum32[SUMS];
    size_t block = f->nnodes > LARGE_NODES ? LARGE_BLOCK : BLOCK;
    while (block > 1 && block * f->ngroups > SUMS) block /= 2;
    SB_ASSERT(block * f->ngroups <= SUMS);
    for (size_t r = 0; r < nrows; r += block) {
        size_t n = nrows - r < block ? nrows - r : block;
        const char *rows = x + r * kernel_row_bytes(f);
        double *to = out + r * f->ngroups;
        if (n < LANES)
            each_row(f, rows, n, mode, sum32, to);
        else
            one_block(f, rows, n, mode, sum32, to);
    }
}

void kernel_plain_sum(const struct sb_forest *f, const void *rows, size_t nrows, bool has_nan,
                      double *out) {
    float few[FEW_SUMS];
    const enum mode mode = mode_of(f, has_nan);
    if (nrows < LANES && f->ngroups <= FEW_SUMS)
        each_row(f, rows, nrows, mode, few, out);
    else
        blocks(f, rows, nrows, mode, out);
}

/* The plain walk, its form on codes, and the way to the kernel that was chosen.
 *
 * A walk is a chain of dependent loads, so one walk waits for memory most of the time; LANES of
 * them side by side hide that. For one row the lanes are neighbouring trees, for many rows they are
 * rows in one tree (its nodes then stay in the cache). Leaves point at themselves, so lanes that
 * are done idle in place and no lane needs a branch. Sums are made after the walks, in tree order.
 */
#include "engine/forest/kernel_int.h"

enum {
    LANES = 8,
    BLOCK = 128,                 /* rows that share one pass over the trees */
    FEW_SUMS = 64,               /* of one row: a single request stays off the large buffer */
    SUMS = SB_FOREST_GROUPS_MAX, /* on the stack: those of the rows of a pass */
};

/* What a walk has to look at: known when it is compiled. */
enum mode { NO_NAN, WITH_NAN, WIDE, CODED };

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

static SB_INLINE uint32_t step_coded(uint32_t node, const uint8_t *codes) {
    return (node >> 16) + (codes[node >> 8 & 0xff] > (node & 0xff));
}

/* The tree whose first node is number root. */
static SB_INLINE const void *tree_at(const struct sb_forest *f, uint32_t root, enum mode mode) {
    if (mode == CODED) return f->layouts->coded.nodes + root;
    return mode == WIDE ? (const void *)(f->wide_nodes + root) : (const void *)(f->nodes + root);
}

static SB_INLINE uint32_t step(const struct sb_forest *f, const void *tree, const char *x,
                               uint32_t at, enum mode mode) {
    if (mode == CODED) return step_coded(((const uint32_t *)tree)[at], (const uint8_t *)x);
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
 * bytes (0: all with the same one). */
static SB_INLINE void walk(const struct sb_forest *f, const void *const *tree, const char *x,
                           size_t stride, uint32_t depth, enum mode mode, uint32_t *at) {
    for (int j = 0; j < LANES; j++) at[j] = 0;
    for (uint32_t d = 0; d < depth; d += 2) {
        (void)step_all(f, tree, x, stride, mode, at);
        if (!step_all(f, tree, x, stride, mode, at)) break;
    }
}

static void add_leaf(const struct sb_forest *f, const struct sb_forest_tree *t, uint32_t leaf,
                     float *sum32, double *sum64) {
    size_t node = (size_t)t->root + leaf;
    if (f->width == 1) {
        if (f->f32)
            sum32[t->group] += ((const float *)f->values)[node];
        else
            sum64[t->group] += ((const double *)f->values)[node];
        return;
    }
    size_t row = (size_t)f->slots[node] * f->width;
    for (uint32_t k = 0; k < f->width; k++) {
        if (f->f32)
            sum32[k] += ((const float *)f->values)[row + k];
        else
            sum64[k] += ((const double *)f->values)[row + k];
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
        for (uint32_t j = 0; j < n; j++) add_leaf(f, &f->trees[t + j], at[j], sum32, sum64);
    }
}

static SB_INLINE size_t row_bytes(const struct sb_forest *f, enum mode mode) {
    if (mode == CODED) return f->layouts->codes.ncolumns;
    return f->nfeatures * (mode == WIDE ? sizeof(double) : sizeof(float));
}

/* A block of at least LANES rows: trees outside, lanes are rows. The last rows are reached by a
 * window that is moved back over rows already counted. */
static SB_INLINE void sum_block(const struct sb_forest *f, const char *x, size_t nrows,
                                enum mode mode, float *sum32, double *sum64) {
    const size_t stride = row_bytes(f, mode);
    const void *tree[LANES];
    uint32_t at[LANES];
    for (uint32_t t = 0; t < f->ntrees; t++) {
        const struct sb_forest_tree *rec = &f->trees[t];
        for (int j = 0; j < LANES; j++) tree[j] = tree_at(f, rec->root, mode);
        for (size_t r = 0; r < nrows; r += LANES) {
            size_t from = r + LANES <= nrows ? r : nrows - LANES;
            walk(f, tree, x + from * stride, stride, rec->depth, mode, at);
            for (size_t k = r; k < from + LANES; k++)
                add_leaf(f, rec, at[k - from], sum32 + k * f->ngroups, sum64 + k * f->ngroups);
        }
    }
}

static void start(const struct sb_forest *f, size_t nrows, float *sum32, double *sum64) {
    for (size_t r = 0; r < nrows; r++)
        for (uint32_t g = 0; g < f->ngroups; g++) {
            if (f->f32)
                sum32[r * f->ngroups + g] = (float)f->base[g];
            else
                sum64[r * f->ngroups + g] = f->base[g];
        }
}

/* Float sums have been made in sum32: they go to where the doubles are. */
static void widen(const struct sb_forest *f, size_t nrows, const float *sum32, double *sum64) {
    for (size_t i = 0; f->f32 && i < nrows * f->ngroups; i++) sum64[i] = (double)sum32[i];
}

static enum mode mode_of(const struct sb_forest *f, bool has_nan) {
    return f->wide ? WIDE : has_nan ? WITH_NAN : NO_NAN;
}

/* Rows one by one. */
static void each_row(const struct sb_forest *f, const char *x, size_t nrows, enum mode mode,
                     float *sum32, double *out) {
    for (size_t r = 0; r < nrows; r++, x += row_bytes(f, mode), out += f->ngroups) {
        start(f, 1, sum32, out);
        switch (mode) {
        case NO_NAN: sum_row(f, x, NO_NAN, sum32, out); break;
        case WITH_NAN: sum_row(f, x, WITH_NAN, sum32, out); break;
        case WIDE: sum_row(f, x, WIDE, sum32, out); break;
        case CODED: sum_row(f, x, CODED, sum32, out); break;
        }
        widen(f, 1, sum32, out);
    }
}

static void one_block(const struct sb_forest *f, const char *x, size_t nrows, enum mode mode,
                      float *sum32, double *out) {
    start(f, nrows, sum32, out);
    switch (mode) {
    case NO_NAN: sum_block(f, x, nrows, NO_NAN, sum32, out); break;
    case WITH_NAN: sum_block(f, x, nrows, WITH_NAN, sum32, out); break;
    case WIDE: sum_block(f, x, nrows, WIDE, sum32, out); break;
    case CODED: sum_block(f, x, nrows, CODED, sum32, out); break;
    }
    widen(f, nrows, sum32, out);
}

/* Rows of a block, which mode CODED replaces by their codes. */
static void encoded_block(const struct sb_forest *f, const char *rows, size_t n, enum mode mode,
                          float *sum32, double *out) {
    uint8_t codes[BLOCK * CODED_COLUMNS_MAX];
    if (mode == CODED) {
        const struct layout_codes *c = &f->layouts->codes;
        const size_t bytes = row_bytes(f, mode_of(f, false));
        for (size_t r = 0; r < n; r++)
            layout_encode_row(f, c, rows + r * bytes, codes + r * c->ncolumns);
        rows = (const char *)codes;
    }
    if (n < LANES)
        each_row(f, rows, n, mode, sum32, out);
    else
        one_block(f, rows, n, mode, sum32, out);
}

static void blocks(const struct sb_forest *f, const char *rows, size_t nrows, enum mode mode,
                   double *out) {
    float sum32[SUMS];
    const size_t bytes = row_bytes(f, mode_of(f, false));
    size_t block = BLOCK;
    while (block > 1 && block * f->ngroups > SUMS) block /= 2;
    SB_ASSERT(block * f->ngroups <= SUMS);
    for (size_t r = 0; r < nrows; r += block) {
        size_t n = nrows - r < block ? nrows - r : block;
        encoded_block(f, rows + r * bytes, n, mode, sum32, out + r * f->ngroups);
    }
}

/* Few rows: off the large buffers. */
static void few_rows(const struct sb_forest *f, const char *rows, size_t nrows, enum mode mode,
                     double *out) {
    float sum32[FEW_SUMS];
    uint8_t codes[CODED_COLUMNS_MAX];
    const size_t bytes = row_bytes(f, mode_of(f, false));
    if (mode != CODED) {
        each_row(f, rows, nrows, mode, sum32, out);
        return;
    }
    for (size_t r = 0; r < nrows; r++) {
        layout_encode_row(f, &f->layouts->codes, rows + r * bytes, codes);
        each_row(f, (const char *)codes, 1, CODED, sum32, out + r * f->ngroups);
    }
}

static void walk_sum(const struct sb_forest *f, const void *rows, size_t nrows, enum mode mode,
                     double *out) {
    if (nrows < LANES && f->ngroups <= FEW_SUMS)
        few_rows(f, rows, nrows, mode, out);
    else
        blocks(f, rows, nrows, mode, out);
}

static void lanes_sum(const struct sb_forest *f, enum sb_forest_cpu cpu, const char *row,
                      size_t nrows, double *out) {
    float sum32[FEW_SUMS];
    const size_t bytes = row_bytes(f, mode_of(f, false));
    for (size_t r = 0; r < nrows; r++, row += bytes, out += f->ngroups) {
        start(f, 1, sum32, out);
        kernel_lanes_add(f, f->layouts, cpu, row, sum32, out);
        widen(f, 1, sum32, out);
    }
}

/* ---- which kernel ---- */

bool kernel_fits(const struct sb_forest *f, enum sb_forest_kernel k, enum sb_forest_cpu cpu) {
    const struct sb_forest_layouts *l = f->layouts;
    switch (k) {
    case SB_FOREST_CODED: return l && l->coded.nodes;
    case SB_FOREST_LANES: return l && f->ngroups <= FEW_SUMS && kernel_lanes_fits(l, cpu);
    case SB_FOREST_BITS: return l && kernel_bits_fits(f, l);
    default: return k == SB_FOREST_PLAIN;
    }
}

void kernel_sum(const struct sb_forest *f, enum sb_forest_kernel k, enum sb_forest_cpu cpu,
                const void *rows, size_t nrows, bool has_nan, double *out) {
    switch (k) {
    case SB_FOREST_CODED: walk_sum(f, rows, nrows, CODED, out); break;
    case SB_FOREST_LANES: lanes_sum(f, cpu, rows, nrows, out); break;
    case SB_FOREST_BITS: kernel_bits_sum(f, f->layouts, cpu, rows, nrows, has_nan, out); break;
    default: walk_sum(f, rows, nrows, mode_of(f, has_nan), out);
    }
}

void sb_forest_sum(const struct sb_forest *f, const void *rows, size_t nrows, bool has_nan,
                   double *out) {
    const struct sb_forest_choice *c = f->layouts ? &f->layouts->choice : NULL;
    if (c)
        kernel_sum(f, c->kernel[kernel_class(nrows)], c->cpu, rows, nrows, has_nan, out);
    else
        walk_sum(f, rows, nrows, mode_of(f, has_nan), out);
}

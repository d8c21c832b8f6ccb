/* The normal form itself: building it, and its literal evaluation. */
#include "engine/forest/ir.h"

#include <math.h>

#include "base/mem.h"

struct sb_forest_ir_set *sb_forest_ir_sets_add(struct sb_forest_ir *ir, struct sb_arena *arena,
                                               size_t n) {
    size_t need = ir->nsets + n;
    if (need > ir->sets_cap) {
        size_t cap = need > 2 * (size_t)ir->sets_cap ? need : 2 * (size_t)ir->sets_cap;
        if (cap > UINT32_MAX) return NULL;
        struct sb_forest_ir_set *more = sb_arena_try_array(arena, cap, sizeof *more);
        if (!more) return NULL;
        if (ir->nsets) memcpy(more, ir->sets, ir->nsets * sizeof *more);
        ir->sets = more;
        ir->sets_cap = (uint32_t)cap;
    }
    ir->nsets = (uint32_t)need;
    return ir->sets + need - n;
}

static bool is_leaf(const struct sb_forest_ir_node *n) {
    return n->left < 0 && n->right < 0;
}

bool sb_forest_ir_wide(const struct sb_forest_ir *ir) {
    if (ir->compare == SB_FOREST_LE64) return true;
    for (uint32_t t = 0; t < ir->ntrees; t++)
        for (uint32_t i = 0; i < ir->trees[t].n; i++)
            if (!is_leaf(&ir->trees[t].nodes[i]) && ir->trees[t].nodes[i].test != SB_FOREST_ORDER)
                return true;
    return false;
}

static bool in_set(const struct sb_forest_ir_set *s, double x) {
    if (!(x >= 0 && x < 32.0 * s->n)) return false;
    uint32_t category = (uint32_t)x;
    return s->words[category / 32] >> category % 32 & 1;
}

static bool goes_left(const struct sb_forest_ir *ir, const struct sb_forest_ir_node *n, double x) {
    if (isnan(x)) return n->default_left;
    if (n->test == SB_FOREST_SET_LEFT) return in_set(&ir->sets[n->set], x);
    if (n->test == SB_FOREST_SET_RIGHT) return !in_set(&ir->sets[n->set], x);
    if (ir->compare == SB_FOREST_LT32) return (float)x < (float)n->threshold;
    return x <= n->threshold;
}

void sb_forest_ir_sum(const struct sb_forest_ir *ir, const void *x, double *sums) {
    const bool wide = sb_forest_ir_wide(ir);
    for (uint32_t g = 0; g < ir->ngroups; g++) sums[g] = ir->base[g];
    for (uint32_t t = 0; t < ir->ntrees; t++) {
        const struct sb_forest_ir_tree *tree = &ir->trees[t];
        uint32_t at = 0;
        while (!is_leaf(&tree->nodes[at])) {
            const struct sb_forest_ir_node *n = &tree->nodes[at];
            double v =
                wide ? ((const double *)x)[n->feature] : (double)((const float *)x)[n->feature];
            at = (uint32_t)(goes_left(ir, n, v) ? n->left : n->right);
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

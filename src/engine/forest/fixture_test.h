/* Between the tests of engine/forest: random parts of forests, and the values to ask them with. */
#ifndef SB_ENGINE_FOREST_FIXTURE_TEST_H
#define SB_ENGINE_FOREST_FIXTURE_TEST_H

#include <math.h>

#include "base/arena.h"
#include "base/random.h"
#include "engine/forest/ir.h"

/* Values at which floats and doubles differ, or comparisons are special. */
static const double odd[] = {0.0,  -0.0,      5e-324,    1e-45,  -1e-45,  1e-39,
                             1e39, -1e39,     INFINITY,  3.4e38, -3.4e38, 1.1754943508222875e-38,
                             0.1,  16777217., -INFINITY, 1e-320};

static inline double uniform(struct sb_rng *r) {
    return (double)(sb_rng_next(r) >> 11) / 9007199254740992.0;
}

/* Sets of categories of 0 to words_max words. */
static inline void make_sets(struct sb_arena *a, struct sb_rng *r, uint32_t nsets,
                             uint32_t words_max, struct sb_forest_ir *ir) {
    struct sb_forest_ir_set *sets = sb_arena_zalloc(a, (nsets + 1) * sizeof *sets);
    for (uint32_t i = 0; i < nsets; i++) {
        uint32_t *words = sb_arena_zalloc(a, (words_max + 1) * sizeof *words);
        sets[i].n = i % (words_max + 1);
        for (uint32_t k = 0; k < sets[i].n; k++) words[k] = (uint32_t)sb_rng_next(r);
        sets[i].words = words;
    }
    ir->sets = sets;
    ir->nsets = nsets;
}

static inline void make_base(struct sb_arena *a, struct sb_rng *r, struct sb_forest_ir *ir) {
    double *base = sb_arena_zalloc(a, ir->ngroups * sizeof *base);
    for (uint32_t g = 0; g < ir->ngroups; g++) base[g] = (double)(float)(uniform(r) - 0.5);
    ir->base = base;
}

/* Thresholds, their neighbours (as floats where rows are), categories, odd values, NaN. */
static inline double some_value(struct sb_rng *r, const struct sb_forest_ir *ir) {
    uint64_t k = sb_rng_next(r) % 12;
    if (k == 0) return NAN;
    if (k < 3 || ir->ntrees == 0) return odd[sb_rng_next(r) % SB_COUNT(odd)];
    if (k < 6 && ir->nsets) return (double)(sb_rng_next(r) % 900) / 3 - 3;
    const struct sb_forest_ir_tree *t = &ir->trees[sb_rng_next(r) % ir->ntrees];
    double at = t->nodes[sb_rng_next(r) % t->n].threshold,
           side = sb_rng_next(r) & 1 ? 1e300 : -1e300;
    if (k < 6) return at;
    if (k < 8) return nextafter(at, side);
    if (k < 10) return (double)nextafterf((float)at, side > 0 ? INFINITY : -INFINITY);
    return uniform(r) * 4 - 2;
}

#endif

/* The kernels behind kernel.c; inside engine/forest. Each evaluates any number of rows with what
 * layouts hold; `fits` says whether it can for this forest. */
#ifndef SB_ENGINE_FOREST_KERNEL_INT_H
#define SB_ENGINE_FOREST_KERNEL_INT_H

#include "engine/forest/layout.h"

bool kernel_bits_fits(const struct sb_forest *f, const struct sb_forest_layouts *l);
void kernel_bits_sum(const struct sb_forest *f, const struct sb_forest_layouts *l,
                     enum sb_forest_cpu cpu, const void *rows, size_t nrows, bool has_nan,
                     double *out);

/* Adds the trees of one row to sums that have been started. */
bool kernel_lanes_fits(const struct sb_forest_layouts *l, enum sb_forest_cpu cpu);
void kernel_lanes_add(const struct sb_forest *f, const struct sb_forest_layouts *l,
                      enum sb_forest_cpu cpu, const void *row, float *sum32, double *sum64);

/* The class of a number of rows. */
static inline unsigned kernel_class(size_t nrows) {
    return nrows < 8 ? 0 : nrows < 64 ? 1 : nrows < 512 ? 2 : 3;
}

/* Whether the kernel can serve this forest with these instructions, given its layouts. */
bool kernel_fits(const struct sb_forest *f, enum sb_forest_kernel k, enum sb_forest_cpu cpu);
/* Sums by one kernel that fits. */
void kernel_sum(const struct sb_forest *f, enum sb_forest_kernel k, enum sb_forest_cpu cpu,
                const void *rows, size_t nrows, bool has_nan, double *out);

#endif

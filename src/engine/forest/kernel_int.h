/* The kernels behind kernel.c; inside engine/forest. Each gives the sums of any number of rows; all
 * but the plain walk need their layout, and kernel_x_fits says whether it is there and will do. */
#ifndef SB_ENGINE_FOREST_KERNEL_INT_H
#define SB_ENGINE_FOREST_KERNEL_INT_H

#include "engine/forest/layout.h"

/* Serves any forest; has_nan as sb_forest_sum's. */
void kernel_plain_sum(const struct sb_forest *f, const void *rows, size_t nrows, bool has_nan,
                      double *out);
void kernel_coded_sum(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *rows,
                      size_t nrows, double *out);
bool kernel_lanes_fits(const struct sb_forest *f, enum sb_forest_cpu cpu);
void kernel_lanes_sum(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *rows,
                      size_t nrows, double *out);
bool kernel_bits_fits(const struct sb_forest *f);
void kernel_bits_sum(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *rows,
                     size_t nrows, bool has_nan, double *out);

/* Codes of a row, that of column i to to[i * stride]. */
void kernel_encode(const struct sb_forest *f, enum sb_forest_cpu cpu, const void *row, uint8_t *to,
                   size_t stride);

/* Whether the kernel can serve this forest with these instructions, given its layouts. */
bool kernel_fits(const struct sb_forest *f, enum sb_forest_kernel k, enum sb_forest_cpu cpu);
/* Sums by one kernel that fits. */
void kernel_sum(const struct sb_forest *f, enum sb_forest_kernel k, enum sb_forest_cpu cpu,
                const void *rows, size_t nrows, bool has_nan, double *out);

/* The class of a number of rows. */
static inline unsigned kernel_class(size_t nrows) {
    return nrows < 8 ? 0 : nrows < 64 ? 1 : nrows < 512 ? 2 : 3;
}

static inline size_t kernel_row_bytes(const struct sb_forest *f) {
    return f->nfeatures * (f->wide ? sizeof(double) : sizeof(float));
}

/* ---- sums, in the forest's type: sum32 or sum64 is used, by f->f32 ---- */

static inline void sums_start(const struct sb_forest *f, size_t nrows, float *sum32,
                              double *sum64) {
    for (size_t r = 0; r < nrows; r++)
        for (uint32_t g = 0; g < f->ngroups; g++) {
            if (f->f32)
                sum32[r * f->ngroups + g] = (float)f->base[g];
            else
                sum64[r * f->ngroups + g] = f->base[g];
        }
}

/* Float sums go to where the doubles are. */
static inline void sums_finish(const struct sb_forest *f, size_t nrows, const float *sum32,
                               double *sum64) {
    for (size_t i = 0; f->f32 && i < nrows * f->ngroups; i++) sum64[i] = (double)sum32[i];
}

/* Adds a leaf, given by its number in the forest, to the sums of a row. */
static inline void sums_add(const struct sb_forest *f, uint32_t group, size_t leaf, float *sum32,
                            double *sum64) {
    if (f->width == 1) {
        if (f->f32)
            sum32[group] += ((const float *)f->values)[leaf];
        else
            sum64[group] += ((const double *)f->values)[leaf];
        return;
    }
    size_t row = (size_t)f->slots[leaf] * f->width;
    for (uint32_t k = 0; k < f->width; k++) {
        if (f->f32)
            sum32[k] += ((const float *)f->values)[row + k];
        else
            sum64[k] += ((const double *)f->values)[row + k];
    }
}

/* Adds the leaves of n trees, from number first on, in tree order. A single sum stays in a
 * register, and additions follow one another at the speed of the adder. */
static inline void sums_add_trees(const struct sb_forest *f, uint32_t first, uint32_t n,
                                  const size_t *leaf, float *sum32, double *sum64) {
    if (f->ngroups == 1 && f->width == 1 && f->f32) {
        float sum = *sum32;
        for (uint32_t j = 0; j < n; j++) sum += ((const float *)f->values)[leaf[j]];
        *sum32 = sum;
    } else if (f->ngroups == 1 && f->width == 1) {
        double sum = *sum64;
        for (uint32_t j = 0; j < n; j++) sum += ((const double *)f->values)[leaf[j]];
        *sum64 = sum;
    } else {
        for (uint32_t j = 0; j < n; j++)
            sums_add(f, f->trees[first + j].group, leaf[j], sum32, sum64);
    }
}

#endif

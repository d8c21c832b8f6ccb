/* The way to the kernel that was chosen for a number of rows. */
#include "engine/forest/kernel_int.h"

bool kernel_fits(const struct sb_forest *f, enum sb_forest_kernel k, enum sb_forest_cpu cpu) {
    const struct sb_forest_layouts *l = f->layouts;
    switch (k) {
    case SB_FOREST_CODED: return l && l->coded.nodes;
    case SB_FOREST_LANES: return l && kernel_lanes_fits(f, cpu);
    case SB_FOREST_BITS: return l && kernel_bits_fits(f);
    default: return k == SB_FOREST_PLAIN;
    }
}

void kernel_sum(const struct sb_forest *f, enum sb_forest_kernel k, enum sb_forest_cpu cpu,
                const void *rows, size_t nrows, bool has_nan, double *out) {
    switch (k) {
    case SB_FOREST_CODED: kernel_coded_sum(f, cpu, rows, nrows, out); break;
    case SB_FOREST_LANES: kernel_lanes_sum(f, cpu, rows, nrows, out); break;
    case SB_FOREST_BITS: kernel_bits_sum(f, cpu, rows, nrows, has_nan, out); break;
    default: kernel_plain_sum(f, rows, nrows, has_nan, out);
    }
}

void sb_forest_sum(const struct sb_forest *f, const void *rows, size_t nrows, bool has_nan,
                   double *out) {
    const struct sb_forest_choice *c = f->layouts ? &f->layouts->choice : NULL;
    if (c)
        kernel_sum(f, c->kernel[kernel_class(nrows)], c->cpu, rows, nrows, has_nan, out);
    else
        kernel_plain_sum(f, rows, nrows, has_nan, out);
}

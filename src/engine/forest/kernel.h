/* Which kernel evaluates a forest, by how many rows come at once.
 *
 * All kernels give the same bits; they differ in time by factors that depend on the forest and on
 * the machine. The converter times them on rows made for the forest and writes the choice into the
 * image; what it chose is then laid out anew whenever the image is opened, from nodes that have
 * been proved. So an image carries no layout that would have to be believed, moves to any CPU, and
 * costs a few passes over its nodes at opening. */
#ifndef SB_ENGINE_FOREST_KERNEL_H
#define SB_ENGINE_FOREST_KERNEL_H

#include "engine/forest/forest.h"

/* layout.h says what they are. */
enum sb_forest_kernel {
    SB_FOREST_PLAIN,
    SB_FOREST_CODED,
    SB_FOREST_LANES,
    SB_FOREST_BITS,
    SB_FOREST_KERNEL_COUNT
};

/* Instructions that kernels are written for; each has all of those before it. */
enum sb_forest_cpu {
    SB_FOREST_PORTABLE,
    SB_FOREST_AVX2,
    SB_FOREST_AVX512, /* F, BW, DQ, VL and VBMI */
    SB_FOREST_CPU_COUNT
};
/* The best this machine has. */
enum sb_forest_cpu sb_forest_cpu_here(void);

/* Row counts fall into classes: 1-7, 8-63, 64-511 and from 512 rows. */
enum { SB_FOREST_CLASSES = 4 };
struct sb_forest_choice {
    enum sb_forest_cpu cpu; /* what it was timed with */
    enum sb_forest_kernel kernel[SB_FOREST_CLASSES];
    uint32_t ns[SB_FOREST_CLASSES]; /* what a row took then */
};

/* Times every kernel that fits, on rows made of the forest's own thresholds; takes some
 * milliseconds, and more the slower the forest. f has no layouts before and after. */
void sb_forest_time(const struct sb_forest *f, struct sb_forest_choice *out);

/* The choice as a section of an image. Reading: false when it is absent, of another machine's kind
 * or nonsense. */
void sb_forest_choice_write(struct sb_image_writer *w, const struct sb_forest_choice *c);
bool sb_forest_choice_read(struct sb_str section, struct sb_forest_choice *c);

/* Lays out the kernels of a choice; NULL: what usually is best. Where memory is short or a kernel
 * does not fit, the plain walk serves instead. Call once, before the forest is shared. */
void sb_forest_layout(struct sb_forest *f, const struct sb_forest_choice *c);
void sb_forest_layouts_free(struct sb_forest_layouts *l); /* NULL is fine */

/* Bytes that layouts take, and what serves a number of rows: "bits avx512" (for people). */
size_t sb_forest_layouts_memory(const struct sb_forest *f);
const char *sb_forest_kernel_name(const struct sb_forest *f, size_t nrows);

#endif

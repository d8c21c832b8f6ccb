/* What the targets of model files have in common: a model that was read goes all the way. */
#ifndef FUZZ_MODEL_FUZZ_H
#define FUZZ_MODEL_FUZZ_H

#include <math.h>

#include "base/mem.h"
#include "domain/native/spec.h"

/* Rows of zeros, of large values, of small numbers (as categories are) and of NaN. */
static inline void fuzz_evaluate(const struct sb_forest *f) {
    enum { ROWS = 9 };
    const double values[ROWS] = {0, 3e38, -3e38, 0, NAN, -0.5, 1e-36, 31, 1e20};
    size_t n = (size_t)ROWS * f->nfeatures;
    double *wide = sb_calloc(n, sizeof *wide);
    float *x = sb_calloc(n, sizeof *x);
    double *out = sb_calloc((size_t)ROWS * f->ngroups, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        wide[i] = i / f->nfeatures == 3 ? (double)(i % f->nfeatures) : values[i / f->nfeatures];
        x[i] = (float)wide[i];
    }
    void *rows = f->wide ? (void *)wide : (void *)x;
    (void)sb_forest_prepare(f, rows, ROWS);
    sb_forest_sum(f, rows, 1, true, out);
    sb_forest_sum(f, rows, ROWS, true, out);
    (void)sb_forest_finish(f, ROWS, out);
    sb_free(wide);
    sb_free(x);
    sb_free(out);
}

static inline void fuzz_spec(const struct native_spec *spec) {
    struct sb_image_writer w;
    struct sb_image img;
    struct sb_str file;
    struct sb_forest f;
    struct sb_arena a;
    struct native_meta meta;
    sb_image_writer_init(&w, 64 << 20);
    sb_arena_init(&a, 64 << 20);
    if (native_spec_write(&w, spec, &file, NULL) == SB_OK) {
        /* what we write ourselves must load */
        SB_ASSERT(sb_image_open(&img, file, NULL) == SB_OK);
        SB_ASSERT(sb_forest_open(&f, &img, NULL) == SB_OK);
        SB_ASSERT(native_meta_read(&meta, img.section[SB_IMAGE_META], &a, NULL) == SB_OK);
        if (f.nfeatures <= 4096) fuzz_evaluate(&f);
        sb_forest_close(&f);
    }
    sb_arena_fini(&a);
    sb_image_writer_fini(&w);
}

#endif

/* What the targets of model files have in common: a model that was read goes all the way. */
#ifndef FUZZ_MODEL_FUZZ_H
#define FUZZ_MODEL_FUZZ_H

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "domain/native/spec.h"
#include "engine/forest/kernel_int.h"

/* Every kernel that takes the forest gives the sums of the plain walk (leaves may be NaN: of any
 * kind then). */
static inline void fuzz_kernels(const struct sb_forest *f, const void *rows, size_t nrows,
                                const double *want) {
    struct sb_forest g = *f;
    size_t n = nrows * f->ngroups;
    double *out = sb_calloc(n, sizeof *out);
    sb_forest_layout(&g, NULL);
    sb_forest_layouts_free(g.layouts);
    g.layouts = layouts_new(f, ~0u);
    for (int cpu = 0; cpu <= (int)sb_forest_cpu_here(); cpu++)
        for (int k = 0; k < SB_FOREST_KERNEL_COUNT; k++) {
            if (!kernel_fits(&g, (enum sb_forest_kernel)k, (enum sb_forest_cpu)cpu)) continue;
            kernel_sum(&g, (enum sb_forest_kernel)k, (enum sb_forest_cpu)cpu, rows, nrows, true,
                       out);
            for (size_t i = 0; i < n; i++)
                SB_ASSERT((isnan(out[i]) && isnan(want[i])) ||
                          memcmp(&out[i], &want[i], sizeof *out) == 0);
        }
    sb_forest_layouts_free(g.layouts);
    sb_free(out);
}

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
    fuzz_kernels(f, rows, ROWS, out);
    (void)sb_forest_finish(f, ROWS, out);
    sb_free(wide);
    sb_free(x);
    sb_free(out);
}

enum { FUZZ_ROWS = 3, FUZZ_REQUESTS = 6 };

/* Column i of request `kind`: doubles, text, both in turn, nulls, every type in turn, floats. */
static inline struct sb_columnprog_source fuzz_source(int kind, uint32_t i) {
    static const double doubles[FUZZ_ROWS] = {0.5, -1e300, NAN};
    static const float floats[FUZZ_ROWS] = {1.5f, -0.1f, 3e38f};
    static const int64_t longs[FUZZ_ROWS] = {1, -2, (INT64_C(1) << 53) + 1};
    static const int32_t ints[FUZZ_ROWS] = {0, 3, INT32_MAX};
    static const uint8_t bools[FUZZ_ROWS] = {1, 0, 1}, null[FUZZ_ROWS] = {0, 1, 0};
    static const struct sb_str texts[FUZZ_ROWS] = {{"red", 3}, {"x", 1}, {"u", 1}};
    static const void *const data[] = {bools, ints, longs, floats, doubles, texts, texts};
    const enum sb_columnprog_type types[FUZZ_REQUESTS] = {
        SB_COLUMNPROG_FLOAT64,
        SB_COLUMNPROG_TEXT,
        i % 2 ? SB_COLUMNPROG_TEXT : SB_COLUMNPROG_FLOAT64,
        i % 2 ? SB_COLUMNPROG_TEXT : SB_COLUMNPROG_BOOL,
        (enum sb_columnprog_type)(i % (SB_COLUMNPROG_OTHER + 1)),
        SB_COLUMNPROG_FLOAT32,
    };
    return (struct sb_columnprog_source){.type = types[kind],
                                         .data = data[types[kind]],
                                         .stride = 1,
                                         .null = kind == 3 ? null : NULL,
                                         .any_text = kind != 3};
}

/* Requests through the program, and what comes out through the linear model, if there is one. */
static inline void fuzz_program(const struct sb_columnprog *p, const struct sb_linear *l) {
    if (p->nops == 0 || p->nregs > 4096 || p->ncells > 4096) return;
    struct sb_columnprog_source *sources = sb_calloc(p->nsources, sizeof *sources);
    double *scores = sb_calloc(SB_LINEAR_OUTPUTS_MAX * 2, sizeof *scores);
    struct sb_columnprog_run run = {.p = p, .sources = sources};
    run.work = sb_calloc((size_t)FUZZ_ROWS * p->nregs + 1, sizeof *run.work);
    run.cells = sb_calloc((size_t)FUZZ_ROWS * p->ncells + 1, sizeof *run.cells);
    for (int kind = 0; kind < FUZZ_REQUESTS; kind++) {
        for (uint32_t i = 0; i < p->nsources; i++) sources[i] = fuzz_source(kind, i);
        run.any_f32 = kind >= 4;
        for (size_t row = 0; row < FUZZ_ROWS; row++) {
            if (sb_columnprog_rows(&run, row, 1) != SB_OK) continue;
            if (l->noutputs == 0 || l->nfeatures != p->nout) continue;
            sb_linear_sum(l, run.work + p->out, scores);
            sb_linear_finish(l, 1, scores, scores + SB_LINEAR_OUTPUTS_MAX);
        }
    }
    sb_free(run.work);
    sb_free(run.cells);
    sb_free(scores);
    sb_free(sources);
}

static inline void fuzz_sections(const struct sb_image *img, bool must) {
    struct sb_columnprog p;
    struct sb_linear l;
    struct sb_forest f;
    sb_err program = sb_columnprog_open(&p, img, NULL), linear = sb_linear_open(&l, img, NULL);
    SB_ASSERT(!must || (program == SB_OK && linear == SB_OK));
    if (program == SB_OK && linear == SB_OK) fuzz_program(&p, &l);
    if (linear == SB_OK && l.noutputs) return;
    sb_err err = sb_forest_open(&f, img, NULL);
    SB_ASSERT(!must || err == SB_OK);
    if (err) return;
    if (f.nfeatures <= 4096) fuzz_evaluate(&f);
    sb_forest_close(&f);
}

static inline void fuzz_spec(const struct native_spec *spec) {
    struct sb_image_writer w;
    struct sb_image img;
    struct sb_str file;
    struct sb_arena a;
    struct native_meta meta;
    sb_image_writer_init(&w, 64 << 20);
    sb_arena_init(&a, 64 << 20);
    if (native_spec_write(&w, spec, &file, NULL) == SB_OK) {
        /* what we write ourselves must load */
        SB_ASSERT(sb_image_open(&img, file, NULL) == SB_OK);
        SB_ASSERT(native_meta_read(&meta, img.section[SB_IMAGE_META], &a, NULL) == SB_OK);
        fuzz_sections(&img, true);
    }
    sb_arena_fini(&a);
    sb_image_writer_fini(&w);
}

#endif

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

/* Three rows of numbers, text and nulls through the program, and what comes out through the linear
 * model, if there is one. */
static inline void fuzz_program(const struct sb_columnprog *p, const struct sb_linear *l) {
    enum { ROWS = 3 };
    static const double numbers[ROWS] = {0.5, -1e300, NAN};
    static const struct sb_str texts[ROWS] = {{"red", 3}, {"", 0}, {"a", 1}};
    static const uint8_t null[ROWS] = {0, 1, 0};
    if (p->nops == 0 || p->nregs > 4096 || p->ncells > 4096) return;
    struct sb_columnprog_source *sources = sb_calloc(p->nsources, sizeof *sources);
    double *scores = sb_calloc(SB_LINEAR_OUTPUTS_MAX * 2, sizeof *scores);
    struct sb_columnprog_run run = {.p = p, .sources = sources};
    run.work = sb_calloc((size_t)ROWS * p->nregs + 1, sizeof *run.work);
    run.cells = sb_calloc((size_t)ROWS * p->ncells + 1, sizeof *run.cells);
    for (int kind = 0; kind < 4; kind++) {
        for (uint32_t i = 0; i < p->nsources; i++) {
            bool text = kind == 1 || (kind == 2 && i % 2);
            sources[i] = (struct sb_columnprog_source){
                .type = text ? SB_COLUMNPROG_TEXT : SB_COLUMNPROG_FLOAT64,
                .data = text ? (const void *)texts : (const void *)numbers,
                .stride = 1,
                .null = kind == 3 ? null : NULL,
                .any_text = kind != 3};
        }
        for (size_t row = 0; row < ROWS; row += p->block) {
            size_t n = ROWS - row < p->block ? ROWS - row : p->block;
            if (sb_columnprog_rows(&run, row, n) != SB_OK) break;
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

/* The model image: one checksummed file without pointers, written once by a converter and mapped
 * read-only by whoever serves it. This is the container; what its sections mean is their owners'
 * (forest.h, domain/native). Layout: docs/formats/model-image.md. */
#ifndef SB_ENGINE_IMAGE_IMAGE_H
#define SB_ENGINE_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    SB_IMAGE_VERSION = 2, /* of what is written; version 1 is read too */
    SB_IMAGE_HEADER = 64,
    SB_IMAGE_ENTRY = 32, /* bytes of one row of the section table */
    SB_IMAGE_ALIGN = 64, /* of sections; padding is zero */
    SB_IMAGE_SECTIONS_MAX = 16,
};

enum sb_image_section {
    SB_IMAGE_META = 1,     /* JSON: what the model is, owned by domain/native */
    SB_IMAGE_FOREST = 2,   /* numbers that describe the ensemble */
    SB_IMAGE_TREES = 3,    /* one record per tree */
    SB_IMAGE_NODES = 4,    /* 8 bytes per node, or 16 */
    SB_IMAGE_SLOTS = 5,    /* u32 per node: which row of values a leaf has; only for wide leaves */
    SB_IMAGE_VALUES = 6,   /* f32 or f64 */
    SB_IMAGE_BASE = 7,     /* f64: where each sum starts */
    SB_IMAGE_SETS = 8,     /* u32 words: categories of nodes */
    SB_IMAGE_RULES = 9,    /* u8 per feature: what happens to inputs */
    SB_IMAGE_KERNELS = 10, /* which kernels were the fastest: kernel.h */
    SB_IMAGE_LINEAR = 13,  /* coefficients: engine/linear */
    SB_IMAGE_PROGRAM = 14, /* what stands before the predictor: engine/columnprog */
};

/* Building: put sections, then finish. Failures of memory or of the maximum stay in the buffer
 * until sb_image_finish reports them. */
struct sb_image_writer {
    struct sb_buf out;
    size_t n;
    bool in_section; /* which out's next bytes belong to */
    struct {
        uint32_t id;
        uint64_t offset, length;
    } sections[SB_IMAGE_SECTIONS_MAX];
};
void sb_image_writer_init(struct sb_image_writer *w, size_t max);
void sb_image_writer_fini(struct sb_image_writer *w);
/* A section's bytes follow in w->out; the next begin or finish closes it. */
void sb_image_begin(struct sb_image_writer *w, enum sb_image_section id);
/* The whole file, valid until the next begin or fini. */
SB_MUST_CHECK sb_err sb_image_finish(struct sb_image_writer *w, struct sb_str *file);

/* Reading: checks magic, version, length, every checksum, and that sections lie apart, aligned and
 * inside. Sections that are absent are empty. Errors: SB_E_VERSION, SB_E_CORRUPT with the byte
 * position. The bytes stay the caller's. */
struct sb_image {
    struct sb_str section[SB_IMAGE_SECTIONS_MAX];
};
SB_MUST_CHECK sb_err sb_image_open(struct sb_image *out, struct sb_str file, struct sb_errctx *ctx);

#endif

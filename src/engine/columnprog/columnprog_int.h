/* The section's layout, between its writer and its reader. */
#ifndef SB_ENGINE_COLUMNPROG_COLUMNPROG_INT_H
#define SB_ENGINE_COLUMNPROG_COLUMNPROG_INT_H

#include <xxhash.h>

#include "engine/columnprog/columnprog.h"

/* Sixteen u32, then the arrays in this order: numbers (f64), ops, encoders, lists, origins of
 * registers and of cells, constants (tag and index), ends of texts, bytes of texts. */
enum {
    HEAD_SOURCES,
    HEAD_REGS,
    HEAD_CELLS,
    HEAD_OUT,
    HEAD_NOUT,
    HEAD_OPS,
    HEAD_LISTS,
    HEAD_NUMBERS,
    HEAD_ENCODERS,
    HEAD_CONSTANTS,
    HEAD_TEXTS,
    HEAD_BYTES,
    HEAD_REQUIRED,
    HEAD_EXTRA,
    HEAD_COUNT = 16,
};

#define NO_INDEX UINT32_MAX

static inline uint32_t text_hash(struct sb_str s) {
    return (uint32_t)XXH3_64bits(s.n ? s.p : "", s.n);
}

#endif

/* What filters and aggregations read: immutable segments with one typed column per field. Inside
 * engine/column only. Everything here was checked when the segment was opened: no index of a column
 * can point outside of it.
 *
 * All of it is immutable: any thread, as long as the snapshot is held. */
#ifndef SB_ENGINE_COLUMN_SEGMENT_H
#define SB_ENGINE_COLUMN_SEGMENT_H

#include "engine/column/column.h"

enum { SB_COLUMN_BLOCK = 1024 }; /* documents that share a minimum and maximum */

/* A KEYWORD column's distinct values, ascending by memcmp, shorter first on a tie. */
struct sb_column_terms {
    uint32_t n;
    const uint32_t *at; /* n + 1 positions in text */
    const char *text;
};

/* One field of one segment. Values are those of document 0, 1, ...; a document without a value has
 * any number there (KEYWORD: some ordinal below terms.n), and its bit in `present` is 0. Several
 * values of a document ascend; a KEYWORD's are each another. A column has at least one value. */
struct sb_column {
    enum sb_column_type type; /* of this segment: LONG where the field is DOUBLE by now */
    uint8_t width;            /* bytes of a value: 1, 2, 4 or 8; DOUBLE: 8 */
    /* KEYWORD: ordinal in terms. LONG, BOOL, DATE: what to add to base, unsigned. DOUBLE: itself.
     */
    const void *values;
    int64_t base;
    uint32_t nvalues;             /* = documents, unless starts */
    const uint32_t *starts;       /* several values a document: documents + 1 positions in values; a
                                     document without a value has none. NULL: one each */
    const uint64_t *present;      /* bit per document; NULL: all have one */
    uint32_t npresent;            /* documents that have a value */
    struct sb_column_terms terms; /* KEYWORD */
    /* Not KEYWORD: smallest and largest value of each block of documents, as int64_t or double, NaN
     * left out; a block without values has min > max. */
    const void *block_min, *block_max;
};

struct sb_column_segment {
    uint32_t docs;
    int64_t first_offset, next_offset; /* of the topic */
    int64_t min_ms, max_ms;            /* of the time field */
    const struct sb_column *offsets;   /* LONG, all present, ascending */
    uint32_t ncolumns;
    /* By index of the snapshot's fields: NULL where no document of this segment has a value; fields
     * at or above ncolumns have none here. */
    const struct sb_column *const *columns;
};

size_t sb_column_segment_count(const struct sb_column_snapshot *s);
/* Ascending by offset. */
const struct sb_column_segment *sb_column_segment_at(const struct sb_column_snapshot *s, size_t i);
/* The field that orders, and the one that names documents (-1: the offset does). */
int sb_column_time_field(const struct sb_column_snapshot *s);
int sb_column_id_field(const struct sb_column_snapshot *s);

static inline const struct sb_column *sb_column_of(const struct sb_column_segment *g, int field) {
    return field >= 0 && (uint32_t)field < g->ncolumns ? g->columns[field] : NULL;
}
static inline bool sb_column_has(const struct sb_column *c, uint32_t doc) {
    return !c->present || (c->present[doc >> 6] >> (doc & 63) & 1);
}
static inline uint64_t sb_column_raw(const struct sb_column *c, uint32_t i) {
    switch (c->width) {
    case 1: return ((const uint8_t *)c->values)[i];
    case 2: return ((const uint16_t *)c->values)[i];
    case 4: return ((const uint32_t *)c->values)[i];
    default: return ((const uint64_t *)c->values)[i];
    }
}
static inline int64_t sb_column_i64(const struct sb_column *c, uint32_t i) {
    return (int64_t)((uint64_t)c->base + sb_column_raw(c, i));
}
static inline double sb_column_f64(const struct sb_column *c, uint32_t i) {
    return c->type == SB_COLUMN_DOUBLE ? ((const double *)c->values)[i]
                                       : (double)sb_column_i64(c, i);
}
static inline struct sb_str sb_column_term(const struct sb_column *c, uint32_t ordinal) {
    uint32_t at = c->terms.at[ordinal];
    return sb_str_make(c->terms.text + at, c->terms.at[ordinal + 1] - at);
}

#endif

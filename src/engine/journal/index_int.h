/* The sparse index of a full segment, NNN.idx: derived from NNN.log, rebuilt when missing, damaged
 * or not of this very file (docs/formats/journal.md). */
#ifndef SB_ENGINE_JOURNAL_INDEX_INT_H
#define SB_ENGINE_JOURNAL_INDEX_INT_H

#include "engine/journal/segment_int.h"

enum { SB_INDEX_STRIDE = 64 << 10 }; /* bytes of log per entry, at least one batch */

enum { SB_INDEX_PACKED = 1, SB_INDEX_DAMAGED = 2 };

struct sb_index_entry {
    int64_t offset, pos; /* of a batch */
    int64_t max_ts;      /* of the batches from here to the next entry */
};

struct sb_index {
    uint32_t flags;
    int64_t base, next;    /* offsets of the segment */
    int64_t segment_bytes; /* size of the file it describes */
    int64_t max_ts;
    struct sb_index_entry *entry;
    size_t n, cap;
};
void sb_index_fini(struct sb_index *x);
/* The next batch of the segment, in order. */
void sb_index_add(struct sb_index *x, int64_t pos, const struct sb_batch *b);
SB_MUST_CHECK sb_err sb_index_save(const struct sb_index *x, const char *dir,
                                   struct sb_errctx *ctx);
/* SB_E_MISSING, SB_E_CORRUPT (also when segment_bytes is another), or the index. */
SB_MUST_CHECK sb_err sb_index_load(struct sb_index *x, const char *dir, int64_t base,
                                   int64_t segment_bytes);
SB_MUST_CHECK sb_err sb_index_parse(struct sb_index *x, const void *p, size_t n);
/* Where to start reading for `offset`; 0 when it is before the first entry. */
int64_t sb_index_pos(const struct sb_index *x, int64_t offset, int64_t *at_offset);

#endif

/* A segment file: batches one after the other from offset NNNNNNNNNNNNNNNNNNNN.log on, zeros behind
 * the last one as long as it is written to.
 *
 * Damage and its absence. Batches are written one at a time, each synced before the next, so a
 * crash can leave at most the very last batch torn. Whatever is unreadable with a valid batch
 * behind it was therefore once whole: damage, never a torn tail. */
#ifndef SB_ENGINE_JOURNAL_SEGMENT_INT_H
#define SB_ENGINE_JOURNAL_SEGMENT_INT_H

#include "engine/journal/batch_int.h"
#include "sys/file.h"

/* A window on a file (or on memory, when file is NULL) that batches are read through. */
struct sb_segment_view {
    const struct sb_file *file;
    const uint8_t *p; /* bytes [start, start + n) */
    size_t n;
    int64_t start, size; /* size of the file */
    struct sb_buf buf;
};
void sb_segment_view_init(struct sb_segment_view *v, const struct sb_file *file, int64_t size);
void sb_segment_view_memory(struct sb_segment_view *v, const void *p, size_t n);
void sb_segment_view_fini(struct sb_segment_view *v);
/* Forgets what was read (the file was written to meanwhile). */
void sb_segment_view_drop(struct sb_segment_view *v, int64_t size);
/* The bytes from pos on: at least `want` of them, fewer only at the end of the file. */
SB_MUST_CHECK sb_err sb_segment_view_at(struct sb_segment_view *v, int64_t pos, size_t want,
                                        const uint8_t **p, size_t *n, struct sb_errctx *ctx);

/* *found: a whole batch whose first offset is exactly `expected` starts at pos. */
SB_MUST_CHECK sb_err sb_segment_batch_at(struct sb_segment_view *v, int64_t pos, int64_t expected,
                                         bool *found, struct sb_batch *out, struct sb_errctx *ctx);
/* The first whole batch behind pos with a first offset in [expected, limit); out->size is 0 when
 * there is none. */
SB_MUST_CHECK sb_err sb_segment_resync(struct sb_segment_view *v, int64_t pos, int64_t expected,
                                       int64_t limit, int64_t *at, struct sb_batch *out,
                                       struct sb_errctx *ctx);
/* One past the last byte at or behind pos that is not zero; pos when there is none. */
SB_MUST_CHECK sb_err sb_segment_used_end(struct sb_segment_view *v, int64_t pos, int64_t *end,
                                         struct sb_errctx *ctx);

/* Goes through the batches from pos on. The callbacks may be NULL; a batch is valid during its call
 * only. */
struct sb_segment_walk {
    int64_t pos, expected; /* in: where to start; out: where the last batch ends, the next offset */
    int64_t limit;         /* offsets from here on belong to the next segment */
    int64_t max_ts;        /* out: of all batches seen; INT64_MIN when none */
    int64_t used_end;      /* out: see sb_segment_used_end; == pos when all behind is zero */
    uint64_t damaged;      /* out: ranges */
    sb_err (*on_batch)(void *self, int64_t pos, struct sb_batch *b, struct sb_errctx *ctx);
    sb_err (*on_damage)(void *self, int64_t from, int64_t to, int64_t first, int64_t next,
                        struct sb_errctx *ctx);
    void *self;
};
SB_MUST_CHECK sb_err sb_segment_walk(struct sb_segment_view *v, struct sb_segment_walk *w,
                                     struct sb_errctx *ctx);

/* ---- names ---- */

enum { SB_SEGMENT_NAME = 20 + 5 + 1 }; /* digits, ".log" or ".idx", NUL */
/* DIR/00000000000000000000.log */
char *sb_segment_path(const char *dir, int64_t base, const char *ext);
bool sb_segment_name_parse(const char *name, const char *ext, int64_t *base);
/* First offsets of the segments in dir, ascending; caller frees with sb_free. */
SB_MUST_CHECK sb_err sb_segment_list(const char *dir, int64_t **bases, size_t *n,
                                     struct sb_errctx *ctx);

/* Sizes of new segments are whole blocks of any disk: their zeros are written with O_DIRECT. */
enum { SB_SEGMENT_BLOCK = 4096 };
#define SB_SEGMENT_ROUND(n)                                                                        \
    (((int64_t)(n) + SB_SEGMENT_BLOCK - 1) / SB_SEGMENT_BLOCK * SB_SEGMENT_BLOCK)

/* A new file of zeros, of a rounded size: allocated, written (past the page cache where the disk
 * can, unwritten extents would make every sync write the file system's own journal too) and synced;
 * its name is not. */
SB_MUST_CHECK sb_err sb_segment_create(struct sb_file *out, const char *path, int64_t size,
                                       struct sb_errctx *ctx);

#endif

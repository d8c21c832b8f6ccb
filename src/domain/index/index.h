/* The indexes that can be searched: one per topic (predictions, metrics, audit), each a column
 * index of that topic's documents and the way back to their text. The writing side is
 * flow/indexer.h.
 *
 * On disk: DATA/index/NAME/N/, where N is the generation that the file DATA/index/NAME/current
 * names. A rebuild makes the next one beside it; replacing `current` makes it the index. All of it
 * is derived from the journal and may be deleted. */
#ifndef SB_DOMAIN_INDEX_INDEX_H
#define SB_DOMAIN_INDEX_INDEX_H

#include "base/arena.h"
#include "base/err.h"
#include "domain/event/source.h"
#include "engine/column/column.h"

struct sb_index {
    const char *name;               /* "predictions": also the topic's */
    const char *topic_dir;          /* the journal's folder */
    struct sb_column_index *column; /* for the writing thread: a rebuild replaces it. Others take
                                       sb_index_snapshot */
};

struct sb_indexes;

/* Opens (creating) DATA/index/NAME for every topic of the table in index.c; sb_indexes_close closes
 * them. A topic that nobody has written to yet is an empty index. */
SB_MUST_CHECK sb_err sb_indexes_open(struct sb_indexes **out, const char *data_dir,
                                     struct sb_errctx *ctx);
void sb_indexes_close(struct sb_indexes *x);

size_t sb_indexes_count(const struct sb_indexes *x);
struct sb_index *sb_indexes_at(struct sb_indexes *x, size_t i);
/* NULL: no index of that name. */
struct sb_index *sb_indexes_find(struct sb_indexes *x, struct sb_str name);

/* ---- any thread, also while the index is rebuilt ---- */

/* A view of what is searchable now: sb_column_snapshot_release it soon. */
struct sb_column_snapshot *sb_index_snapshot(struct sb_index *ix);
void sb_index_stats(struct sb_index *ix, struct sb_column_stats *out);

/* ---- the writing thread ---- */

/* Whether the folder is still there: somebody may have deleted it. */
bool sb_index_intact(const struct sb_index *ix);
/* An empty index to fill from the topic's start, while the one that is answers. It belongs to ix;
 * one at a time. */
SB_MUST_CHECK sb_err sb_index_rebuild_begin(struct sb_index *ix, struct sb_column_index **fresh,
                                            struct sb_errctx *ctx);
/* The fresh one, flushed, becomes ix->column; the one before is closed and deleted. On failure
 * nothing has changed. */
SB_MUST_CHECK sb_err sb_index_rebuild_end(struct sb_index *ix, struct sb_errctx *ctx);
/* Gives it up. Fine when none is being built. */
void sb_index_rebuild_drop(struct sb_index *ix);

/* ---- documents ---- */

/* Reads documents back by offset. Used by one thread; asking for ascending or descending offsets
 * that lie near each other is cheap. */
struct sb_index_texts;
SB_MUST_CHECK sb_err sb_index_texts_open(struct sb_index_texts **out, const struct sb_index *ix,
                                         struct sb_errctx *ctx);
void sb_index_texts_close(struct sb_index_texts *t);
/* The document's JSON, copied into the arena. SB_E_MISSING: the topic no longer keeps it. */
SB_MUST_CHECK sb_err sb_index_text(struct sb_index_texts *t, int64_t offset, struct sb_arena *arena,
                                   struct sb_str *json);

#endif

/* Inside engine/column: the open index. The writing thread owns everything but what the mutex
 * guards. */
#ifndef SB_ENGINE_COLUMN_STORE_INT_H
#define SB_ENGINE_COLUMN_STORE_INT_H

#include "engine/column/column_int.h"
#include "sys/lock.h"

struct sb_column_parts {
    struct sb_column_part **at; /* ascending by offset; a reference each */
    uint32_t n, cap;
};
void sb_column_parts_fini(struct sb_column_parts *l);
/* Takes the reference. */
void sb_column_parts_insert(struct sb_column_parts *l, uint32_t i, struct sb_column_part *p);
/* Gives the references of [from, from + n) to `to`, or drops them when that is NULL. */
void sb_column_parts_remove(struct sb_column_parts *l, uint32_t from, uint32_t n,
                            struct sb_column_parts *to);

struct sb_column_index {
    char *dir, *quarantine;
    struct sb_lock lock;
    struct sb_column_fields fields;
    struct sb_column_reader reader;
    struct sb_column_memtable table;
    uint32_t segment_docs;
    int time_field, id_field, ignored_field;

    /* Files, then memory: all documents in memory stand behind all in files, but for those of a
     * hole while it is filled. */
    struct sb_column_parts files, memory;
    /* Taken out of files; their files are removed once a manifest without them is durable. */
    struct sb_column_parts dead;
    uint64_t next_id;
    bool dirty;                   /* the manifest on disk is not that of now */
    struct sb_column_ranges seen; /* up to tail */
    int64_t tail;                 /* offsets that come next are not below it */
    struct sb_column_range hole;  /* being filled; empty: none */
    int64_t hole_at;              /* the next offset in it */
    uint64_t quarantined;

    struct sb_mutex mutex;
    struct sb_column_snapshot *current; /* guarded */
    struct sb_column_stats stats;       /* guarded */
};

/* What is in files and memory becomes the snapshot that is taken from now on. */
void sb_column_publish(struct sb_column_index *ix);
/* The manifest of now becomes durable. */
SB_MUST_CHECK sb_err sb_column_commit(struct sb_column_index *ix, struct sb_errctx *ctx);

#endif

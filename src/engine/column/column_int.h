/* Inside engine/column: how segments are made. Documents gather in a memtable (read.c fills it), a
 * refresh seals it into a segment in memory, and merges make larger ones of small ones, in memory
 * or as a file. Every segment is written column by column: a plain column is decoded arrays, which
 * encode.c packs. Searching needs segment.h only. */
#ifndef SB_ENGINE_COLUMN_COLUMN_INT_H
#define SB_ENGINE_COLUMN_COLUMN_INT_H

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/column/segment.h"
#include "sys/file.h"
#include "sys/mmap.h"

enum {
    SB_COLUMN_NAME_MAX = 512,           /* bytes of a field's name */
    SB_COLUMN_IGNORED_MAX = 64,         /* names in `_ignored` of one document */
    SB_COLUMN_MEMTABLE_DOCS = 32 << 10, /* small enough for the caches */
    SB_COLUMN_MEMTABLE_BYTES = 16 << 20,
    SB_COLUMN_MEMORY_BYTES = 64 << 20, /* of segments in memory before they become a file */
    SB_COLUMN_SEGMENT_DOCS = 262144,
    SB_COLUMN_SEGMENT_DOCS_MAX = 1 << 24,
    SB_COLUMN_MERGE_BYTES = 256 << 20, /* of a file that a merge makes */
};

/* ---- fields.c: names, types, and the paths that lead to them ---- */

enum { SB_COLUMN_NODE_NONE = -1 };

/* A key of an object in its place. Node 0 is the document itself. */
struct sb_column_node {
    struct sb_str key, path; /* path: keys joined by '.' */
    int32_t parent;
    int32_t field; /* -1: none made yet */
    int32_t first; /* the key that came first the last time, and the one behind this; -1 */
    int32_t next;
    bool skip; /* never a column */
};

struct sb_column_fields {
    struct sb_arena arena; /* names, keys, paths */
    struct sb_column_field *at;
    uint32_t n;
    struct sb_map by_name; /* index + 1 */
    struct sb_column_node *nodes;
    int32_t nnodes, cap_nodes;
    struct sb_map by_key;    /* parent and key -> index + 1 */
    const char *const *skip; /* or NULL */
    uint64_t version;        /* grows with each change of at */
};

void sb_column_fields_init(struct sb_column_fields *f, const char *const *skip);
void sb_column_fields_fini(struct sb_column_fields *f);
/* -1 when there is none. */
int sb_column_fields_find(const struct sb_column_fields *f, struct sb_str name);
/* Finds or makes it; -1: over a limit, or no name. An existing one keeps its type. */
int sb_column_fields_make(struct sb_column_fields *f, struct sb_str name, enum sb_column_type type);
/* A LONG field becomes DOUBLE. */
void sb_column_fields_promote(struct sb_column_fields *f, int field);
/* The node of key below parent; before: the key read just before it there, or SB_COLUMN_NODE_NONE.
 * SB_COLUMN_NODE_NONE when a limit forbids to make it. */
int32_t sb_column_fields_node(struct sb_column_fields *f, int32_t parent, int32_t before,
                              struct sb_str key);
/* The node's field, made if need be; -1 as sb_column_fields_make. */
int sb_column_fields_of(struct sb_column_fields *f, int32_t node, enum sb_column_type type);

/* ---- encode.c: packing one column ---- */

/* What says how a packed column lies: from this follow all positions in its bytes. */
struct sb_column_shape {
    enum sb_column_type type;
    uint8_t width;
    bool multi; /* has starts */
    uint32_t docs, nvalues, npresent, nterms, text;
    int64_t base;
};
size_t sb_column_shape_size(const struct sb_column_shape *s);
/* Points out into bytes, which have that size and are 8-byte aligned. */
void sb_column_bind(struct sb_column *out, const struct sb_column_shape *s, const void *bytes);

/* Decoded: LONG, BOOL, DATE as int64_t, DOUBLE as its bits, KEYWORD as ordinals. Present, starts
 * and terms as in struct sb_column. */
struct sb_column_plain {
    enum sb_column_type type;
    uint32_t docs, nvalues, npresent;
    const uint64_t *values;
    const uint32_t *starts;
    const uint64_t *present;
    struct sb_column_terms terms;
};
/* Bytes of shape->size; the caller frees. */
void *sb_column_encode(const struct sb_column_plain *p, struct sb_column_shape *shape);
/* What a reader relies on; SB_E_CORRUPT with a message. bytes: shape's size. */
SB_MUST_CHECK sb_err sb_column_check(const struct sb_column *c, const struct sb_column_shape *s,
                                     struct sb_errctx *ctx);

/* ---- segment.c: segments in memory and as files ---- */

struct sb_column_part {
    struct sb_column_segment view;
    struct sb_refs refs;
    uint64_t bytes;
    struct sb_column *columns; /* the first is the offsets' */
    const struct sb_column **by_field;
    void **blobs; /* in memory: the columns' bytes */
    uint32_t ncolumns;
    /* a file */
    uint64_t id;  /* 0: in memory */
    uint64_t sum; /* of its header */
    char *path;
    struct sb_mmap map;
    _Atomic bool doomed; /* the file goes with the last reference */
};

struct sb_column_part *sb_column_part_ref(struct sb_column_part *p);
void sb_column_part_unref(struct sb_column_part *p); /* NULL is fine */

struct sb_column_writer;
/* Columns are added in any order, one a field; field -1: the offsets, which must come. id 0: in
 * memory, else the file dir/<id>.seg. fields outlives the writer. */
SB_MUST_CHECK sb_err sb_column_writer_open(struct sb_column_writer **out, const char *dir,
                                           uint64_t id, uint32_t docs,
                                           const struct sb_column_fields *fields,
                                           const uint32_t *used, uint32_t nused,
                                           struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_column_writer_add(struct sb_column_writer *w, int field,
                                          const struct sb_column_plain *p, struct sb_errctx *ctx);
/* The segment; a file is synced, its name not yet. Closes the writer on failure too. */
SB_MUST_CHECK sb_err sb_column_writer_finish(struct sb_column_writer *w, int time_field,
                                             struct sb_column_part **out, struct sb_errctx *ctx);
/* Gives up; the file is removed. */
void sb_column_writer_drop(struct sb_column_writer *w);

/* Maps and checks a file whole. SB_E_CORRUPT, SB_E_VERSION, SB_E_MISSING, SB_E_IO. */
SB_MUST_CHECK sb_err sb_column_part_open(struct sb_column_part **out, const char *dir, uint64_t id,
                                         const struct sb_column_fields *fields, int time_field,
                                         struct sb_errctx *ctx);
char *sb_column_part_path(const char *dir, uint64_t id);

/* ---- memtable.c: documents as they come ---- */

/* Distinct strings in the order of their first coming. As long as they ascend no hash is kept. */
struct sb_column_dict {
    uint32_t n, cap;
    uint32_t *at; /* n + 1 */
    char *text;
    size_t ntext, cap_text;
    bool hashed;
    uint32_t *hashes; /* per term */
    uint32_t *slots;  /* ordinal + 1 */
    uint32_t nslots;
};

struct sb_column_builder {
    enum sb_column_type type;
    uint32_t n, cap;
    uint64_t *values;
    uint32_t *docs; /* of each value */
    bool multi;     /* some document has several */
    struct sb_column_dict dict;
    uint32_t last; /* KEYWORD: ordinal of the last value */
};

struct sb_column_value {
    uint32_t field;
    enum sb_column_type type;
    union {
        int64_t i;
        double d;
        struct sb_str s;
    };
};

struct sb_column_memtable {
    struct sb_column_builder *columns; /* by field */
    uint32_t ncolumns;
    int64_t *offsets;
    uint32_t docs, cap_docs;
    size_t bytes; /* about */
};
void sb_column_memtable_init(struct sb_column_memtable *m);
void sb_column_memtable_fini(struct sb_column_memtable *m);
/* A document with its values; fields: for their types by now. */
void sb_column_memtable_add(struct sb_column_memtable *m, int64_t offset,
                            const struct sb_column_value *v, size_t n,
                            const struct sb_column_fields *fields);
/* A segment in memory of all of it; it is empty then. docs > 0. */
struct sb_column_part *sb_column_memtable_seal(struct sb_column_memtable *m,
                                               const struct sb_column_fields *fields,
                                               int time_field);

/* ---- read.c: JSON to values ---- */

struct sb_column_reader {
    struct sb_column_fields *fields;
    int time_field, ignored_field;
    struct sb_arena arena; /* of one document */
    struct sb_column_value *values;
    size_t n, cap;
    uint32_t nignored;
    uint64_t ignored; /* values left out since the start */
    char date[10];    /* the day parsed last, and when it began */
    int64_t date_ms;
};
void sb_column_reader_init(struct sb_column_reader *r, struct sb_column_fields *f, int time_field,
                           int ignored_field);
void sb_column_reader_fini(struct sb_column_reader *r);
/* The document's values, in r until the next call. */
void sb_column_reader_read(struct sb_column_reader *r, int64_t ts_ms, struct sb_str json);

/* ---- merge.c ---- */

/* One segment of n neighbours, ascending by offset. id as for the writer. */
SB_MUST_CHECK sb_err sb_column_merge(struct sb_column_part **out, const char *dir, uint64_t id,
                                     struct sb_column_part *const *from, uint32_t n,
                                     const struct sb_column_fields *fields, int time_field,
                                     struct sb_errctx *ctx);
/* Which neighbours of docs[0..n) to merge: eight of about one size, or as many as fit in max.
 * joined[i]: i may be merged with i - 1. false: none. */
bool sb_column_merge_pick(const uint32_t *docs, const bool *joined, uint32_t n, uint32_t max,
                          uint32_t *first, uint32_t *count);

/* ---- ranges.c: sets of offsets ---- */

struct sb_column_range {
    int64_t first, next;
};
struct sb_column_ranges {
    struct sb_column_range *at; /* ascending, apart from each other */
    size_t n, cap;
};
void sb_column_ranges_fini(struct sb_column_ranges *r);
void sb_column_ranges_add(struct sb_column_ranges *r, int64_t first, int64_t next);
void sb_column_ranges_remove(struct sb_column_ranges *r, int64_t first, int64_t next);
void sb_column_ranges_copy(struct sb_column_ranges *to, const struct sb_column_ranges *from);
bool sb_column_ranges_equal(const struct sb_column_ranges *a, const struct sb_column_ranges *b);
/* All of [first, next) is in it. */
bool sb_column_ranges_cover(const struct sb_column_ranges *r, int64_t first, int64_t next);
/* The first range at or above from that is not in it; *next INT64_MAX: without end. */
void sb_column_ranges_gap(const struct sb_column_ranges *r, int64_t from, int64_t *first,
                          int64_t *next);
/* Where the last one ends; 0 when empty. */
int64_t sb_column_ranges_end(const struct sb_column_ranges *r);

/* ---- manifest.c: what belongs to the index ---- */

struct sb_column_manifest_row {
    uint64_t id, sum;
    int64_t first, next; /* offsets */
};
struct sb_column_manifest {
    uint64_t next_id;
    struct sb_column_ranges seen;
    struct sb_column_manifest_row *rows;
    uint32_t nrows;
};
void sb_column_manifest_fini(struct sb_column_manifest *m);
/* Fields are put into the empty table `fields`. SB_E_MISSING: there is none yet. */
SB_MUST_CHECK sb_err sb_column_manifest_read(struct sb_column_manifest *m,
                                             struct sb_column_fields *fields, const char *dir,
                                             struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_column_manifest_write(const struct sb_column_manifest *m,
                                              const struct sb_column_fields *fields,
                                              const char *dir, struct sb_errctx *ctx);
/* The same of bytes, for tests. */
SB_MUST_CHECK sb_err sb_column_manifest_parse(struct sb_column_manifest *m,
                                              struct sb_column_fields *fields, const void *bytes,
                                              size_t n, struct sb_errctx *ctx);

#endif

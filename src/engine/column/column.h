/* A column index: JSON documents as typed columns, for filters, sorting and aggregations. It is a
 * derived view of one topic: every document is known by its offset there, its text is read back
 * from there, and the whole can be built anew at any time.
 *
 * On disk: docs/formats/column-segment.md, immutable checksummed files that are mapped. What was
 * added since the last one is held in memory as segments of the same form; so readers see one thing
 * only, a list of immutable segments (segment.h), and take it as a snapshot.
 *
 * Fields are made as documents bring them: a path of object keys joined by '.', with the type of
 * the first value seen. Numbers without fraction or exponent that fit are LONG, else DOUBLE, and a
 * LONG field becomes DOUBLE when it meets one (older segments keep their LONG column; readers get
 * its values as doubles). Strings in RFC 3339 form with day, time and zone are DATE (milliseconds
 * since 1970), others KEYWORD. As in Elasticsearch a KEYWORD field takes numbers and booleans as
 * they are written, and a DATE field integers (milliseconds) and days. Arrays are several values of
 * one field, also over objects in arrays: they ascend in the column, a KEYWORD's each once. A value
 * whose type does not fit its field's is left out, and the field's name stands in the KEYWORD field
 * `_ignored` of that document. null is no value. Strings over 8,191 bytes are cut for the column.
 * Each document has a time: its own, or that of its record.
 *
 * One thread writes. Any thread may take snapshots meanwhile. */
#ifndef SB_ENGINE_COLUMN_COLUMN_H
#define SB_ENGINE_COLUMN_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum sb_column_type {
    SB_COLUMN_KEYWORD,
    SB_COLUMN_LONG,
    SB_COLUMN_DOUBLE,
    SB_COLUMN_BOOL, /* 0 or 1 */
    SB_COLUMN_DATE, /* ms since 1970, UTC */
};

enum {
    SB_COLUMN_FIELDS_MAX = 1000, /* further fields are ignored, as a value that does not fit */
    SB_COLUMN_DEPTH_MAX = 20,    /* of objects in a document */
    SB_COLUMN_KEYWORD_MAX = 8191,
    SB_COLUMN_DOCUMENT_MAX = 2 << 20, /* bytes; a longer one counts as no JSON */
};

struct sb_column_index;

struct sb_column_opts {
    const char *time_field; /* "@timestamp": the field that orders documents and prunes segments */
    const char *id_field;   /* "event_id": KEYWORD that names one document, or NULL: the offset */
    /* NULL-terminated names that never become columns; they stay in the source. Or NULL. */
    const char *const *skip;
    uint32_t segment_docs; /* documents of a segment before it is written; 0 = 262,144 */
};

/* Opens (creating) the index in folder dir, for writing. A damaged segment is moved to
 * dir/quarantine and logged; its range of offsets is then missing (sb_column_missing). A field
 * table that cannot be read quarantines all. SB_E_LOCKED: another process writes it. */
SB_MUST_CHECK sb_err sb_column_open(struct sb_column_index **out, const char *dir,
                                    const struct sb_column_opts *o, struct sb_errctx *ctx);
/* Snapshots that are still held stay valid until they are released. Does not flush. */
void sb_column_close(struct sb_column_index *ix);

/* ---- the writing thread ---- */

/* Adds a document that stands at offset of the topic. Offsets ascend, except after
 * sb_column_fill_begin. Visible after the next refresh or flush, or when its segment is full. A
 * text that is no JSON object becomes a document with `_ignored` = "_source" and the time ts_ms.
 * SB_E_EXISTS: that offset is in the index already; SB_E_INVALID: it lies in a hole, or outside of
 * the one being filled. Any other failure is of storage (a full segment could not be written; it is
 * logged): the document was not added and may be added again. */
SB_MUST_CHECK sb_err sb_column_add(struct sb_column_index *ix, int64_t offset, int64_t ts_ms,
                                   struct sb_str json);
/* What was added becomes visible to snapshots taken from now on. Says that offsets below `next`
 * were all seen (a topic has gaps where its compaction or damage left some out). */
SB_MUST_CHECK sb_err sb_column_refresh(struct sb_column_index *ix, int64_t next);
/* Everything becomes durable and visible. Merges small segments too; does so by itself as documents
 * come. After a failure it may be called again; nothing is lost but durability. */
SB_MUST_CHECK sb_err sb_column_flush(struct sb_column_index *ix, struct sb_errctx *ctx);

/* Durable and visible state: the first range [*first, *next) of offsets at or above `from` that was
 * never indexed; *next = INT64_MAX for the end of the index. So a start goes on where the index
 * ends, and a quarantined segment shows as a hole. */
void sb_column_missing(struct sb_column_index *ix, int64_t from, int64_t *first, int64_t *next);
/* Between these, documents of one hole are added (ascending, all in [first, next)); end makes them
 * durable segments of their own and visible, and all of [first, next) seen. begin flushes first and
 * wants first to be where a hole starts; refresh, flush and the like are SB_E_STATE until end. When
 * end fails, what was added is given up and the hole stays. */
SB_MUST_CHECK sb_err sb_column_fill_begin(struct sb_column_index *ix, int64_t first, int64_t next);
SB_MUST_CHECK sb_err sb_column_fill_end(struct sb_column_index *ix, struct sb_errctx *ctx);
/* Drops segments all of whose offsets are below first (the topic no longer has them). */
SB_MUST_CHECK sb_err sb_column_drop_below(struct sb_column_index *ix, int64_t first,
                                          struct sb_errctx *ctx);
/* Forgets the segments that hold any offset in [first, next): a hole to fill again (the topic's
 * records there were rewritten). */
SB_MUST_CHECK sb_err sb_column_forget(struct sb_column_index *ix, int64_t first, int64_t next,
                                      struct sb_errctx *ctx);

/* ---- any thread ---- */

struct sb_column_stats {
    uint64_t docs, segments, disk_bytes, memory_bytes, fields, ignored, quarantined;
    int64_t next; /* offsets below it are visible, holes left out */
    int64_t first_ms, last_ms;
};
void sb_column_stats_get(struct sb_column_index *ix, struct sb_column_stats *out);

/* A consistent view; cheap. Release it soon: it keeps files and memory alive. */
struct sb_column_snapshot;
struct sb_column_snapshot *sb_column_snapshot_take(struct sb_column_index *ix);
void sb_column_snapshot_release(struct sb_column_snapshot *s);

struct sb_column_field {
    struct sb_str name; /* valid as long as the snapshot */
    enum sb_column_type type;
};
size_t sb_column_field_count(const struct sb_column_snapshot *s);
const struct sb_column_field *sb_column_field_at(const struct sb_column_snapshot *s, size_t i);
/* Index of the field, or -1. */
int sb_column_field_find(const struct sb_column_snapshot *s, struct sb_str name);
uint64_t sb_column_docs(const struct sb_column_snapshot *s);

#endif

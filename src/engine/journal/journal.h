/* The journal: a durable, ordered log of records per topic, written by one process and read by any.
 *
 * On disk: docs/formats/journal.md (Kafka RecordBatch v2 segments). A record is acknowledged when
 * its group's bytes and the segment's directory entry have been synced: done() of the group with
 * SB_OK.
 *
 * Failure policy: no space -> the groups fail with SB_E_NOSPACE, nothing was acknowledged, and
 * writing resumes by itself when space returns. EIO or a failed fdatasync -> the journal is dead:
 * every group fails with SB_E_IO from then on, nothing is retried; sb_journal_dead() says so and
 * the process is expected to drain and exit, recovery re-reads before it serves. */
#ifndef SB_ENGINE_JOURNAL_JOURNAL_H
#define SB_ENGINE_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

struct sb_journal;

struct sb_journal_opts {
    uint32_t segment_bytes; /* 0 = 64 MiB */
    int64_t retain_bytes;   /* sealed segments beyond this are deleted oldest first; 0 = no limit */
    int64_t retain_ms;      /* and those whose newest record is older than this; 0 = no limit */
    bool seal_compress;     /* merge sealed segments into ~128 KB zstd batches */
    bool seal_when_calm; /* look after full segments while little is written (under 2 MB/s), at the
                            latest when 8 of them wait; false = at once */
    const struct sb_clock *clock; /* NULL = the real one */
};

/* Opens (creating, recovering) the topic in folder dir. SB_E_LOCKED: another process writes it; the
 * message names pid and command. SB_E_VERSION: written by a newer program; nothing was touched. */
SB_MUST_CHECK sb_err sb_journal_open(struct sb_journal **out, const char *dir,
                                     const struct sb_journal_opts *o, struct sb_errctx *ctx);
/* Finishes what was submitted, syncs, releases the lock. */
void sb_journal_close(struct sb_journal *j);

/* Records that become durable together. Filled by one thread, then submitted whole; from submit to
 * done() it belongs to the journal. Reused after done() by sb_journal_group_reset. */
struct sb_journal_group {
    struct sb_buf records; /* encoded records; the journal's own layout */
    uint32_t count;
    int64_t base_ts_ms, max_ts_ms;

    /* set before submit; runs on the commit thread: post to your loop */
    void (*done)(struct sb_journal_group *g);
    void *user;

    /* valid in done() */
    sb_err err;
    int64_t base_offset; /* offset of the first record */
    int64_t durable_ns;  /* sb_mono_ns when the sync returned */

    /* the journal's */
    struct sb_journal_group *next;
    uint64_t ticket;
    size_t record_at, value_at;
    uint32_t guess; /* bytes of the value before */
    uint8_t length_width, value_width;
};

void sb_journal_group_init(struct sb_journal_group *g);
void sb_journal_group_reset(struct sb_journal_group *g);
void sb_journal_group_fini(struct sb_journal_group *g);

/* Appends one record. key.p NULL = no key. SB_E_LIMIT when the value is over SB_LIMIT_EVENT_BYTES
 * or the group over 8 MiB (submit it and start another). */
SB_MUST_CHECK sb_err sb_journal_group_add(struct sb_journal_group *g, int64_t ts_ms,
                                          struct sb_str key, struct sb_str value);
/* The same in place: begin returns room for up to max value bytes (NULL: over the limit), end says
 * how many were written there. Nothing may touch the group between the two. A record with a header
 * reserves its room too: headers = sb_journal_header_bound(), else 0. */
char *sb_journal_group_begin(struct sb_journal_group *g, int64_t ts_ms, struct sb_str key,
                             size_t max, size_t headers);
void sb_journal_group_end(struct sb_journal_group *g, size_t n);
/* Right after end, once per record: a Kafka record header, for what belongs to the record but is
 * not part of its value. */
void sb_journal_group_header(struct sb_journal_group *g, struct sb_str name, struct sb_str value);
size_t sb_journal_header_bound(struct sb_str name, struct sb_str value);

/* Any thread. Hands the group over; done() is always called, also on failure. An empty group is
 * fine. */
void sb_journal_submit(struct sb_journal *j, struct sb_journal_group *g);
/* Any thread. Waits until the group is done or timeout_ns passed (bounded wait of an event loop, so
 * that groups grow); true when it is done. */
bool sb_journal_wait(struct sb_journal *j, struct sb_journal_group *g, int64_t timeout_ns);

bool sb_journal_dead(const struct sb_journal *j);

struct sb_journal_stats {
    uint64_t records, bytes, groups, syncs;
    uint64_t sync_ns_total, sync_ns_max;
    int64_t first_offset, next_offset; /* of the topic */
    uint64_t segments, disk_bytes, quarantined, truncated_bytes;
    int64_t nospace_since_ms; /* 0 = writing */
    uint64_t generation;      /* how often a writer has opened the topic */
};
void sb_journal_stats_get(struct sb_journal *j, struct sb_journal_stats *out);

/* ---- reading, also from another process and while it is written ---- */

struct sb_journal_reader;

struct sb_journal_record {
    int64_t offset, ts_ms;
    struct sb_str key, value; /* valid until the next call */
    struct sb_str headers;    /* the same; for sb_journal_record_header */
};

/* The value of a record's header; .p NULL when it has none of that name. */
struct sb_str sb_journal_record_header(const struct sb_journal_record *r, struct sb_str name);

/* Needs no lock and writes nothing. Sees records up to the writer's durable mark (shared memory
 * file in dir); with no writer running, all that recovery would keep. */
SB_MUST_CHECK sb_err sb_journal_reader_open(struct sb_journal_reader **out, const char *dir,
                                            struct sb_errctx *ctx);
void sb_journal_reader_close(struct sb_journal_reader *r);

/* Where the next read starts. An offset below the oldest kept moves up to it. */
SB_MUST_CHECK sb_err sb_journal_seek(struct sb_journal_reader *r, int64_t offset);
SB_MUST_CHECK sb_err sb_journal_seek_time(struct sb_journal_reader *r, int64_t ts_ms);
SB_MUST_CHECK sb_err sb_journal_seek_end(struct sb_journal_reader *r);

/* The next record. SB_E_END: none yet; ask again later. Damaged ranges are skipped, counted and
 * logged (sb_journal_skipped), never silently: offsets show the gap. */
SB_MUST_CHECK sb_err sb_journal_next(struct sb_journal_reader *r, struct sb_journal_record *out);
int64_t sb_journal_skipped(const struct sb_journal_reader *r);

/* Offsets now: oldest kept, and one past the newest durable one. */
SB_MUST_CHECK sb_err sb_journal_range(struct sb_journal_reader *r, int64_t *first, int64_t *next);

/* ---- the chain over full segments, also while it is written ---- */

enum { SB_JOURNAL_LINK_TEXT = 65 };

struct sb_journal_verify {
    /* May be NULL: how many bytes were read of how many. */
    void (*progress)(void *arg, int64_t done, int64_t total);
    void *arg;
    /* out */
    uint64_t chained;   /* segments that the chain vouches for */
    uint64_t unchained; /* others: older than the chain, not sealed yet, being written */
    uint64_t rewritten; /* of the chained: by redactions */
    int64_t bytes;      /* of the chained */
    uint64_t differ;    /* segments that are not what the chain says; 0 also when it is damaged */
    int64_t first;      /* first offset of the first one of these; -1 = none */
    char why[SB_ERRMSG_MAX];         /* what is wrong with it, or with the chain; "" = nothing */
    char link[SB_JOURNAL_LINK_TEXT]; /* the chain's last link: kept elsewhere, it proves later that
                                        nothing before was changed. "" without a chain */
};
/* Hashes every segment that the chain of the topic in folder dir holds. Whether all is well:
 * v->why is empty. Errors are those of reading. */
SB_MUST_CHECK sb_err sb_journal_verify(struct sb_journal_verify *v, const char *dir,
                                       struct sb_errctx *ctx);

/* ---- copying, also while it is written ---- */

struct sb_file;

/* A copy for backups. Both callbacks run on the caller's thread. */
struct sb_journal_copy {
    /* Makes TO/name of the first `bytes` bytes of an open file, fewer when it was cut since. */
    sb_err (*copy)(void *arg, const struct sb_file *from, const char *name, int64_t bytes,
                   struct sb_errctx *ctx);
    /* TO/name is written, not yet synced. */
    sb_err (*made)(void *arg, const char *name, struct sb_errctx *ctx);
    void *arg;
    int64_t first, next; /* out: the offsets that the copy holds */
};
/* Copies what is durable now of the topic in folder `from` into the folder `to`, which exists and
 * is empty. Needs no lock; a writer goes on meanwhile. The copy is a topic of its own: opened, it
 * goes on at offset `next`. */
SB_MUST_CHECK sb_err sb_journal_copy(struct sb_journal_copy *c, const char *from, const char *to,
                                     struct sb_errctx *ctx);

/* Durable cursors, one small file each, replaced atomically; name is [A-Za-z0-9._-]{1,64}.
 * A missing cursor reads as SB_E_MISSING. */
SB_MUST_CHECK sb_err sb_journal_cursor_load(const char *dir, const char *name, int64_t *offset);
SB_MUST_CHECK sb_err sb_journal_cursor_save(const char *dir, const char *name, int64_t offset);

#endif

/* One batch: Kafka RecordBatch v2 in memory (docs/formats/journal.md; KIP-98; big-endian). */
#ifndef SB_ENGINE_JOURNAL_BATCH_INT_H
#define SB_ENGINE_JOURNAL_BATCH_INT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "codec/zstd.h"
#include "engine/journal/journal.h"

enum {
    SB_BATCH_HEADER = 61,
    SB_BATCH_RECORDS_MAX = 8 << 20, /* bytes of records in one batch, before compression */
    SB_BATCH_MERGE_MAX = 1 << 20,   /* of groups put into one batch: copying more than this together
                                       takes longer than the sync it saves */
    SB_BATCH_MAX = SB_BATCH_HEADER + SB_BATCH_RECORDS_MAX,
    SB_BATCH_RECORD_GROWTH = 14, /* bytes a record may gain when its deltas change */
};

enum { SB_BATCH_PLAIN = 0, SB_BATCH_ZSTD = 4 }; /* codec, bits 0-2 of attributes */

struct sb_batch {
    int64_t base; /* offset of the first record */
    uint32_t count;
    int codec;
    int64_t base_ts, max_ts;
    size_t size;            /* whole batch in bytes */
    const uint8_t *records; /* into the input; compressed when codec says so */
    size_t records_n;
};

/* Whether a whole, undamaged batch starts at p (n bytes there). */
bool sb_batch_parse(const uint8_t *p, size_t n, struct sb_batch *out);
/* What the fixed part claims, unproven: false when no batch of ours can start so. */
bool sb_batch_peek(const uint8_t *p, size_t n, int64_t *base, size_t *size);
/* Fills in the 61 bytes at p, in front of b->records_n bytes of records that are already there. */
void sb_batch_header_put(char *p, const struct sb_batch *b);

/* Records of a plain (or unpacked) batch, one after the other. */
struct sb_batch_records {
    struct sb_cursor c;
    int64_t base, base_ts;
    uint32_t left;
};
void sb_batch_records_init(struct sb_batch_records *r, const struct sb_batch *b);
/* SB_E_END after the last; SB_E_CORRUPT when the bytes are not records (the CRC held, so a wrong
 * writer). */
SB_MUST_CHECK sb_err sb_batch_records_next(struct sb_batch_records *r,
                                           struct sb_journal_record *out);
/* Unpacks b's records into `to` (emptied first) and makes b point there; plain ones stay put. */
SB_MUST_CHECK sb_err sb_batch_unpack(struct sb_batch *b, struct sb_zstd *z, struct sb_buf *to);

/* Appends b's records (plain) to `to` as records of a batch that begins at offset base with
 * timestamp base_ts: only their deltas change. */
SB_MUST_CHECK sb_err sb_batch_rebase(const struct sb_batch *b, int64_t base, int64_t base_ts,
                                     struct sb_buf *to);

#endif

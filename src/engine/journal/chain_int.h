/* The hash chain over full segments, file `chain` (docs/formats/journal.md). A log: a segment is
 * entered when its bytes are final, and once more when a redaction has rewritten it. Each record's
 * link is the SHA-256 of the link before and the record, so that no record can be changed, moved or
 * taken out without all later links being made anew. Retention takes records off its front and
 * keeps the link that they ended with.
 *
 * Whoever changes the file or a segment that it names holds `chain.lock` meanwhile: the keeper of
 * the writing process, or a rewriting process beside it. */
#ifndef SB_ENGINE_JOURNAL_CHAIN_INT_H
#define SB_ENGINE_JOURNAL_CHAIN_INT_H

#include "codec/sha256.h"
#include "engine/journal/segment_int.h"
#include "sys/lock.h"

enum { SB_CHAIN_SEALED = 1, SB_CHAIN_REWRITTEN = 2 };
enum { SB_CHAIN_HASH = 32, SB_CHAIN_REASON = 116 };
enum { SB_CHAIN_RECORDS_MAX = 1 << 20, SB_CHAIN_BYTES_MAX = 64 + SB_CHAIN_RECORDS_MAX * 256 };

struct sb_chain_record {
    uint32_t kind;
    int64_t base, next; /* offsets of the segment */
    int64_t bytes;      /* of its file */
    int64_t wall_ms;
    uint8_t sha[SB_CHAIN_HASH];    /* of the file */
    uint8_t before[SB_CHAIN_HASH]; /* the same before it was rewritten; zeros of a sealed one */
    char reason[SB_CHAIN_REASON];  /* why it was rewritten; filled up with zeros */
    uint8_t link[SB_CHAIN_HASH];
};

struct sb_chain {
    uint8_t start[SB_CHAIN_HASH]; /* the link before the first record; zeros at the beginning */
    int64_t first;                /* segments before this offset were deleted by retention */
    struct sb_chain_record *record;
    size_t n, cap;
};
void sb_chain_fini(struct sb_chain *c);
/* SB_E_MISSING, SB_E_CORRUPT (the context names the first bad record), or the chain, whose links
 * hold. */
SB_MUST_CHECK sb_err sb_chain_load(struct sb_chain *c, const char *dir, struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_chain_parse(struct sb_chain *c, const void *p, size_t n,
                                    struct sb_errctx *ctx);
/* The file's bytes, as sb_chain_parse takes them; b has room for SB_CHAIN_BYTES_MAX. */
SB_MUST_CHECK sb_err sb_chain_write(const struct sb_chain *c, struct sb_buf *b,
                                    struct sb_errctx *ctx);
/* Atomic and durable. */
SB_MUST_CHECK sb_err sb_chain_save(const struct sb_chain *c, const char *dir,
                                   struct sb_errctx *ctx);
/* Links r to the end. */
void sb_chain_add(struct sb_chain *c, const struct sb_chain_record *r);
/* The last record of the segment; NULL when there is none. */
const struct sb_chain_record *sb_chain_find(const struct sb_chain *c, int64_t base);
/* Segments before `base` are let go: takes their records off the front. */
void sb_chain_trim(struct sb_chain *c, int64_t base);

SB_MUST_CHECK sb_err sb_chain_lock(struct sb_lock *l, const char *dir, struct sb_errctx *ctx);
/* SHA-256 of a whole file, and its size. tick, when not NULL, is called with the bytes of each
 * piece. */
SB_MUST_CHECK sb_err sb_chain_hash_file(const char *path, uint8_t sha[SB_CHAIN_HASH],
                                        int64_t *bytes, void (*tick)(void *arg, int64_t bytes),
                                        void *arg, struct sb_errctx *ctx);

#endif

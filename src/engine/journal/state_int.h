/* The two small files beside the segments that speed up start and connect readers: `mark` and
 * `checkpoint`. Both only ever claim what a sync has confirmed, both may be missing, stale or
 * damaged after a crash, and the journal is whole without them. */
#ifndef SB_ENGINE_JOURNAL_STATE_INT_H
#define SB_ENGINE_JOURNAL_STATE_INT_H

#include "sys/mmap.h"

/* The durable mark: one page shared by the writer and all readers, written in place for ever (a
 * reader keeps its map over restarts of the writer). */
struct sb_mark {
    struct sb_mmap map;
};
/* Creates it when missing. A damaged one is made new in place. */
SB_MUST_CHECK sb_err sb_mark_open_writer(struct sb_mark *m, const char *dir, struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_mark_open_reader(struct sb_mark *m, const char *dir, struct sb_errctx *ctx);
void sb_mark_close(struct sb_mark *m);
/* Offsets below this were durable; 0 when the mark is damaged. */
int64_t sb_mark_durable(const struct sb_mark *m);
void sb_mark_durable_set(const struct sb_mark *m, int64_t next);
/* How often a writer has opened the topic. */
uint64_t sb_mark_generation(const struct sb_mark *m);
void sb_mark_generation_next(const struct sb_mark *m);

/* The checkpoint: "segment `base` is durable and whole up to byte pos, where offset `next` goes".
 * Two slots written in turn, so that one is always whole. Not synced, except where said. */
struct sb_checkpoint_state {
    uint64_t seq;
    bool clean; /* written by close: nothing lies behind pos */
    int64_t base, pos, next;
    int64_t retain_now_ms; /* the clock of retention by age */
};
struct sb_checkpoint {
    struct sb_file file;
    struct sb_checkpoint_state last;
};
/* Creates the file when missing. *found: a valid state is in c->last. */
SB_MUST_CHECK sb_err sb_checkpoint_open(struct sb_checkpoint *c, const char *dir, bool *found,
                                        struct sb_errctx *ctx);
void sb_checkpoint_close(struct sb_checkpoint *c);
/* Writes c->last with the next seq. */
SB_MUST_CHECK sb_err sb_checkpoint_write(struct sb_checkpoint *c, bool sync, struct sb_errctx *ctx);

/* The format file: "sibyl-journal VERSION CRC". SB_E_VERSION when a newer program wrote it;
 * SB_E_MISSING; SB_E_CORRUPT. */
enum { SB_JOURNAL_VERSION = 1 };
SB_MUST_CHECK sb_err sb_format_check(const char *dir, struct sb_errctx *ctx);
SB_MUST_CHECK sb_err sb_format_write(const char *dir, struct sb_errctx *ctx);

char *sb_journal_path(const char *dir, const char *name);

#endif

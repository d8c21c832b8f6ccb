/* What the writer's parts share.
 *
 * commit thread (journal.c): owns `active`, `pos` and `next_offset`; the only one that appends.
 * keeper thread (keeper.c): prepares the next segment, seals and packs full ones, deletes old ones.
 * Any thread: submit, wait, stats. */
#ifndef SB_ENGINE_JOURNAL_JOURNAL_INT_H
#define SB_ENGINE_JOURNAL_JOURNAL_INT_H

#include "base/thread.h"
#include "codec/zstd.h"
#include "engine/journal/chain_int.h"
#include "engine/journal/retain_int.h"
#include "engine/journal/segment_int.h"
#include "engine/journal/state_int.h"
#include "sys/lock.h"

enum {
    SB_JOURNAL_SEGMENT_BYTES = 64 << 20,
    SB_JOURNAL_FIRST_BYTES = 8 << 20, /* of a new topic, so that it opens at once */
    SB_JOURNAL_CHECKPOINT_BYTES = 8 << 20,
    SB_JOURNAL_SPARE_RETRY_MS = 100,
    SB_JOURNAL_CALM_BYTES = 2 << 20, /* a second */
    SB_JOURNAL_UNSEALED_MAX = 8,     /* full segments that may wait for calm */
    SB_JOURNAL_CHAIN_RETRY_MS = 1000,
};

struct sb_segment_info {
    int64_t base, size;
    int64_t max_ts; /* INT64_MAX while unknown: never too old */
    bool kept;      /* the keeper has done what is to be done with it */
    bool chained;   /* its bytes are final, and the chain vouches for them */
};

enum sb_spare_state { SB_SPARE_NONE, SB_SPARE_WANTED, SB_SPARE_READY, SB_SPARE_FAILED };

struct sb_keeper {
    struct sb_thread thread;
    struct sb_mutex m; /* of everything below */
    struct sb_cond wake, answer;
    bool stop;

    enum sb_spare_state spare_state;
    struct sb_file spare;
    int64_t spare_size, spare_want;
    sb_err spare_err;
    int64_t spare_failed_ns;

    struct sb_segment_info *seg; /* ascending; the last one is being written */
    size_t n, cap;
    struct sb_retain_clock retain;
    int64_t rate_ns; /* when the writer's bytes were last looked at */
    uint64_t rate_bytes;
    bool calm;              /* little was written since the look before */
    bool hurry;             /* full segments are looked after whatever is written */
    int64_t chain_retry_ns; /* not before: somebody else held the chain, or it failed */
    struct sb_zstd zstd;    /* the keeper thread's alone */
};

struct sb_journal {
    char *dir;
    struct sb_journal_opts o;
    struct sb_lock lock;
    struct sb_mark mark;
    struct sb_checkpoint checkpoint;

    struct sb_mutex m; /* of queue, ticket, waiters, stop, st */
    struct sb_cond work, done;
    struct sb_journal_group *head, *tail;
    uint64_t submitted, completed; /* tickets */
    int waiters;
    bool stop;
    struct sb_journal_stats st;
    _Atomic bool dead;
    _Atomic uint64_t quarantined;
    struct sb_thread thread;

    /* the commit thread's */
    struct sb_file active;
    int64_t active_base, active_size, pos, next_offset;
    int64_t dirty_end; /* > pos: a failed write left bytes up to here */
    int64_t checkpoint_pos;
    bool asked_spare;
    struct sb_buf stage;

    struct sb_keeper k;
};

int64_t sb_journal_mono(const struct sb_journal *j);
int64_t sb_journal_wall_ms(const struct sb_journal *j);

/* recover.c: brings the folder into order and fills in active, pos, next_offset and k.seg. */
SB_MUST_CHECK sb_err sb_journal_recover(struct sb_journal *j, struct sb_errctx *ctx);
/* Gives a segment made by sb_segment_create its name for offset base, durable when it returns. */
SB_MUST_CHECK sb_err sb_segment_enter(struct sb_file *f, const char *dir, int64_t base,
                                      struct sb_errctx *ctx);

/* keeper.c */
void sb_keeper_init(struct sb_journal *j);
SB_MUST_CHECK sb_err sb_keeper_start(struct sb_journal *j);
void sb_keeper_stop(struct sb_journal *j);
void sb_keeper_fini(struct sb_journal *j);
/* Before threads run, and by the commit thread: a segment that is written from now on. */
void sb_keeper_add(struct sb_journal *j, int64_t base, int64_t size, int64_t max_ts);
/* Asks for a spare segment of `size` bytes, without waiting. */
void sb_keeper_ask(struct sb_journal *j);
/* Waits for a spare of at least `need` bytes and takes it over. */
SB_MUST_CHECK sb_err sb_keeper_take(struct sb_journal *j, int64_t need, struct sb_file *f,
                                    int64_t *size);

/* links.c: the writer's part of the chain. Enters a sealed segment, when that is not done yet.
 * SB_E_LOCKED: somebody rewrites segments just now. */
SB_MUST_CHECK sb_err sb_chain_enter(struct sb_journal *j, const struct sb_segment_info *info,
                                    int64_t next, struct sb_errctx *ctx);
/* Takes the records of segments before `base` off, as these are about to be deleted. */
SB_MUST_CHECK sb_err sb_chain_leave(struct sb_journal *j, int64_t base, struct sb_errctx *ctx);
/* At the start: notes which segments the chain holds. */
void sb_chain_mark(struct sb_journal *j);

/* seal.c: what happens to a full segment, [base, limit) by offsets. Checks and indexes it, cuts the
 * zeros behind it, keeps copies of damaged ranges, and packs it if asked and undamaged. */
SB_MUST_CHECK sb_err sb_segment_seal(struct sb_journal *j, int64_t base, int64_t limit, bool pack,
                                     struct sb_segment_info *info, struct sb_errctx *ctx);
/* Copies bytes [from, to) of the segment to quarantine/, durably, once; counts it. */
SB_MUST_CHECK sb_err sb_quarantine_save(struct sb_journal *j, struct sb_segment_view *v,
                                        int64_t base, int64_t from, int64_t to,
                                        struct sb_errctx *ctx);

#endif

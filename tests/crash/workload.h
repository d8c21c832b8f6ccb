/* The fixed script that the crash tests break in every way, and what it may leave behind.
 *
 * Every record carries a running number as its value ("NUMBER PADDING"), sent in order; the
 * workload notes what was acknowledged and at which offset. */
#ifndef SB_TESTS_CRASH_WORKLOAD_H
#define SB_TESTS_CRASH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/journal/journal.h"

enum { WORKLOAD_MAX = 4096 };

struct workload {
    int64_t sent;                       /* numbers below it were submitted */
    int64_t acked_offset[WORKLOAD_MAX]; /* -1: not acknowledged */
    int64_t acked;
    int failed; /* groups */
    bool hurry; /* after a full disk: go on at once */
    void (*on_ack)(void *self, int64_t number, int64_t offset);
    void *self;
};
void workload_init(struct workload *w);

/* Small segments, packing, retention off: so that the script rolls, seals and packs. */
struct sb_journal_opts workload_opts(void);

/* One group of n records; waits for it. */
sb_err workload_group(struct workload *w, struct sb_journal *j, int n);
/* Opens, appends, closes, opens again, appends, closes. An open that fails ends it. */
void workload_script(struct workload *w, const char *dir);

/* Reads all of dir with a reader and compares: acknowledged within found within sent, each once,
 * in order, each acknowledged one at its offset. `without`: numbers that may be missing although
 * acknowledged (damaged on purpose); NULL = none. Prints what is wrong. */
bool workload_check(const struct workload *w, const char *dir,
                    bool (*without)(void *self, int64_t number), void *self);

/* Removes and creates dir. */
void fresh_dir(const char *dir);

#endif

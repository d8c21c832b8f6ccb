/* A thread for work that must cost others nothing. It runs at the lowest priority (nice 19), which
 * is little more than what others leave, so it can be held up at any point for as long as they are
 * busy: therefore it shares no lock with them, and does not wake those it works for (a loop that is
 * being woken waits for whoever wakes it). Finished jobs lie in a list for whoever looks.
 *
 * Any thread may submit; neither that nor taking blocks. */
#ifndef SB_LOOP_SPARE_H
#define SB_LOOP_SPARE_H

#include <stdbool.h>

#include "base/err.h"

struct sb_spare;

/* Intrusive, owned by the caller again once it comes back by sb_spare_take. */
struct sb_spare_job {
    void (*work)(struct sb_spare_job *j); /* touches only its job */
    struct sb_spare_list *done;           /* where it goes then */
    bool worked;                          /* false: it was not begun before sb_spare_free */
    struct sb_spare_job *next;            /* the list's */
};

/* All zero is empty. */
struct sb_spare_list {
    struct sb_spare_job *_Atomic first;
};

SB_MUST_CHECK sb_err sb_spare_new(struct sb_spare **out, const char *name);
/* Waits for the running job; those not begun go to their lists as they are. NULL is fine. */
void sb_spare_free(struct sb_spare *s);

void sb_spare_submit(struct sb_spare *s, struct sb_spare_job *j);

/* All that is in the list, oldest first, chained by next. */
struct sb_spare_job *sb_spare_take(struct sb_spare_list *l);

#endif

/* Named pools of worker threads for blocking work (sql, files, compute).
 *
 * work() runs on a pool thread and touches only its job; done() then runs on the owner loop. */
#ifndef SB_LOOP_POOL_H
#define SB_LOOP_POOL_H

#include "loop/loop.h"

struct sb_pool;

/* Intrusive, owned by the caller until done() has been entered. */
struct sb_job {
    void (*work)(struct sb_job *j);
    void (*done)(struct sb_job *j); /* may be NULL: then nobody is told */
    struct sb_loop *loop;           /* where done() runs */
    uint32_t size;                  /* how much work it is, in any unit; 0 = 1 */
    struct sb_task task;            /* the pool's */
    struct sb_job *next;            /* the pool's */
};

/* name <= 12 characters; at most max_queued jobs wait. */
SB_MUST_CHECK sb_err sb_pool_new(struct sb_pool **out, const char *name, int threads,
                                 int max_queued);
/* Waits for running and queued jobs, then ends the threads. done() of the last ones is still
 * posted. */
void sb_pool_free(struct sb_pool *p);

/* Any thread. SB_E_BUSY when the queue is full: answer 503 or 429 and count it. SB_E_CLOSED while
 * the pool ends. */
SB_MUST_CHECK sb_err sb_pool_submit(struct sb_pool *p, struct sb_job *j);

/* Any thread: jobs waiting now. */
int sb_pool_queued(const struct sb_pool *p);
/* Any thread: how long a job would wait now, by the time that jobs took of late for their size. */
int64_t sb_pool_wait_ns(struct sb_pool *p);

#endif

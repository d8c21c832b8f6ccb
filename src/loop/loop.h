/* Event loop threads on libuv. A loop owns its connections, timers and their memory; other threads
 * reach it only by posting tasks, whose memory is the poster's (so posting never fails or
 * allocates).
 *
 * Thread rule: everything here runs on the loop's own thread unless it says "any thread". */
#ifndef SB_LOOP_LOOP_H
#define SB_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct sb_loop;
struct uv_loop_s;

/* Intrusive; zeroed before first use, and free for reuse once fn has been entered. */
struct sb_task {
    void (*fn)(struct sb_task *t);
    struct sb_task *next; /* the inbox's */
};

SB_MUST_CHECK sb_err sb_loop_new(struct sb_loop **out, const char *name);
/* Only after it has stopped. */
void sb_loop_free(struct sb_loop *l);

/* Runs on the calling thread until sb_loop_stop. */
void sb_loop_run(struct sb_loop *l);
/* Runs on a thread of its own; sb_loop_join waits for its end. */
SB_MUST_CHECK sb_err sb_loop_start(struct sb_loop *l);
void sb_loop_join(struct sb_loop *l);
/* Any thread. The loop ends after the current iteration, runs what was posted until then, and
 * closes every handle still open. Owners of handles (http, proc, stream) free them afterwards with
 * their own _free. */
void sb_loop_stop(struct sb_loop *l);

/* Any thread. Tasks run in the order posted. */
void sb_loop_post(struct sb_loop *l, struct sb_task *t);

/* A thread of its own has entered sb_loop_run and not left it, or the caller's. */
bool sb_loop_running(const struct sb_loop *l);

/* For engine/http and loop/ only. */
struct uv_loop_s *sb_loop_uv(struct sb_loop *l);

/* sb_mono_ns of the current iteration: of the first call in it (cheap). */
int64_t sb_loop_now(struct sb_loop *l);
/* Nanoseconds that the previous iteration's callbacks and ticks took: the queue time a new event
 * has waited at most before its callback (admission control reads this). */
int64_t sb_loop_lag(const struct sb_loop *l);

/* Calls fn(arg) at the end of each iteration, after all I/O callbacks of it. The last one added is
 * called first: who builds on another hands its work down in the same iteration. */
struct sb_loop_tick {
    void (*fn)(void *arg);
    void *arg;
    struct sb_loop_tick *next;
};
void sb_loop_on_tick(struct sb_loop *l, struct sb_loop_tick *t);
/* From a tick: the next iteration takes what is ready and does not wait for more. */
void sb_loop_again(struct sb_loop *l);
/* Says whether more work waits on this loop than it does at once; who says so sees to it that the
 * next iteration comes within a millisecond. Ticks may leave things for that one then. */
void sb_loop_set_busy(struct sb_loop *l, bool busy);
bool sb_loop_busy(const struct sb_loop *l);

/* One-shot or repeating timer embedded in its owner. fn runs on the loop. Stop before freeing. */
struct sb_timer {
    void (*fn)(struct sb_timer *t);
    int64_t due; /* sb_mono_ns; 0 = not armed */
    int64_t every;
    struct sb_loop *loop;
    uint32_t slot; /* the loop's: place in its heap */
};
/* after_ns from now, and then each every_ns (0 = once). Resolution 1 ms; arming an armed one moves
 * it. */
void sb_timer_start(struct sb_timer *t, struct sb_loop *l, int64_t after_ns, int64_t every_ns);
void sb_timer_stop(struct sb_timer *t);

/* SIGTERM, SIGINT, SIGCHLD ... delivered to this loop. */
SB_MUST_CHECK sb_err sb_loop_on_signal(struct sb_loop *l, int signum,
                                       void (*fn)(void *arg, int signum), void *arg);

#endif

/* The inside of a loop, for loop/'s own files. */
#ifndef SB_LOOP_INT_H
#define SB_LOOP_INT_H

#include <uv.h>

#include <stdatomic.h>

#include "base/thread.h"
#include "loop/loop.h"

struct sb_loop_signal {
    uv_signal_t uv;
    void (*fn)(void *arg, int signum);
    void *arg;
    struct sb_loop_signal *next;
};

/* Timers in a binary heap by due time over the loop's one uv_timer. */
struct sb_timers {
    struct sb_timer **heap;
    uint32_t n, cap;
    int64_t armed; /* when the uv_timer fires; 0 = not armed */
    uv_timer_t uv;
};

struct sb_loop {
    uv_loop_t uv;
    uv_async_t async;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t again; /* active: the next poll does not wait */
    struct sb_timers timers;
    struct sb_loop_tick *ticks;
    bool busy;
    struct sb_loop_signal *signals;
    int64_t now; /* 0 = not asked yet in this iteration */
    int64_t lag;
    _Atomic(struct sb_task *) inbox; /* newest first */
    _Atomic bool stop;
    _Atomic bool running;
    struct sb_thread thread;
    char name[16];
};

sb_err sb_timers_init(struct sb_loop *l);
void sb_timers_fini(struct sb_loop *l);

#endif

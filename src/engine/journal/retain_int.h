/* The clock of retention by age. It must not follow a jump of the wall clock: a record dated ten
 * years ahead, or a machine that boots in the wrong year, may not empty the journal. So it runs
 * with the monotonic clock, and takes over the wall clock's time only after that has run beside the
 * monotonic one for a day without a step of more than two seconds. Time while the journal is closed
 * counts from that moment on. Pure: tests step it. */
#ifndef SB_ENGINE_JOURNAL_RETAIN_INT_H
#define SB_ENGINE_JOURNAL_RETAIN_INT_H

#include <stdint.h>

enum { SB_RETAIN_STEP_MS = 2000, SB_RETAIN_STEADY_MS = 24 * 3600 * 1000 };

struct sb_retain_clock {
    int64_t now_ms;    /* what ages are measured against */
    int64_t mono_ms;   /* at the last tick */
    int64_t wall_lead; /* wall - monotonic at the last tick */
    int64_t steady_ms; /* monotonic time of the last step */
};

static inline void sb_retain_start(struct sb_retain_clock *c, int64_t now_ms, int64_t mono_ms,
                                   int64_t wall_ms) {
    *c = (struct sb_retain_clock){now_ms, mono_ms, wall_ms - mono_ms, mono_ms};
}

static inline void sb_retain_tick(struct sb_retain_clock *c, int64_t mono_ms, int64_t wall_ms) {
    int64_t lead = wall_ms - mono_ms, step = lead - c->wall_lead;
    if (step > SB_RETAIN_STEP_MS || step < -SB_RETAIN_STEP_MS) c->steady_ms = mono_ms;
    c->now_ms += mono_ms - c->mono_ms;
    c->mono_ms = mono_ms;
    c->wall_lead = lead;
    if (mono_ms - c->steady_ms >= SB_RETAIN_STEADY_MS) c->now_ms = wall_ms;
}

#endif

/* Time. All spans and stamps are int64_t nanoseconds unless a name says otherwise. Code whose tests
 * step time takes a `struct sb_clock` instead of calling these. Any thread. */
#ifndef SB_BASE_CLOCK_H
#define SB_BASE_CLOCK_H

#include <stdint.h>

#define SB_US  INT64_C(1000)
#define SB_MS  INT64_C(1000000)
#define SB_SEC INT64_C(1000000000)

/* Monotonic: for durations and deadlines. */
int64_t sb_mono_ns(void);
/* Wall clock since 1970: for what people and files see. May jump. */
int64_t sb_wall_ns(void);
int64_t sb_wall_ms(void);
/* CPU time of the whole process, user + system. In steps of the kernel's tick (some ms) while the
 * process has a CPU limit. */
int64_t sb_cpu_ns(void);
/* CPU time of this thread: always fine. */
int64_t sb_thread_cpu_ns(void);

void sb_sleep_ns(int64_t ns);

struct sb_clock {
    int64_t (*mono_ns)(void *self);
    int64_t (*wall_ns)(void *self);
    void *self;
};
extern const struct sb_clock sb_clock_real;

#endif

#include "base/clock.h"

#include <errno.h>
#include <time.h>

static int64_t now(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * SB_SEC + t.tv_nsec;
}

int64_t sb_mono_ns(void) {
    return now(CLOCK_MONOTONIC);
}

int64_t sb_wall_ns(void) {
    return now(CLOCK_REALTIME);
}

int64_t sb_wall_ms(void) {
    return now(CLOCK_REALTIME) / SB_MS;
}

int64_t sb_cpu_ns(void) {
    return now(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t sb_thread_cpu_ns(void) {
    return now(CLOCK_THREAD_CPUTIME_ID);
}

void sb_sleep_ns(int64_t ns) {
    struct timespec t = {ns / SB_SEC, ns % SB_SEC};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) continue;
}

static int64_t real_mono(void *self) {
    (void)self;
    return sb_mono_ns();
}

static int64_t real_wall(void *self) {
    (void)self;
    return sb_wall_ns();
}

const struct sb_clock sb_clock_real = {real_mono, real_wall, NULL};

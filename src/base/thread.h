/* Threads, locks and atomically counted references: thin names over pthread, so that only base/,
 * sys/ and loop/ touch it. No lock is held across a callback, a blocking call or a log line. */
#ifndef SB_BASE_THREAD_H
#define SB_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct sb_thread {
    pthread_t t;
    bool started;
};
/* name is at most 15 characters (shown by ps and gdb). All signals are blocked in the new thread.
 */
SB_MUST_CHECK sb_err sb_thread_start(struct sb_thread *t, const char *name, void (*fn)(void *),
                                     void *arg);
/* Waits for its end; does nothing when it was never started. */
void sb_thread_join(struct sb_thread *t);

struct sb_mutex {
    pthread_mutex_t m;
};
struct sb_cond {
    pthread_cond_t c;
};
void sb_mutex_init(struct sb_mutex *m);
void sb_mutex_fini(struct sb_mutex *m);
static inline void sb_mutex_lock(struct sb_mutex *m) {
    pthread_mutex_lock(&m->m);
}
static inline void sb_mutex_unlock(struct sb_mutex *m) {
    pthread_mutex_unlock(&m->m);
}
void sb_cond_init(struct sb_cond *c);
void sb_cond_fini(struct sb_cond *c);
static inline void sb_cond_wait(struct sb_cond *c, struct sb_mutex *m) {
    pthread_cond_wait(&c->c, &m->m);
}
/* false when deadline (sb_mono_ns time) passed. */
bool sb_cond_wait_until(struct sb_cond *c, struct sb_mutex *m, int64_t deadline);
static inline void sb_cond_signal(struct sb_cond *c) {
    pthread_cond_signal(&c->c);
}
static inline void sb_cond_broadcast(struct sb_cond *c) {
    pthread_cond_broadcast(&c->c);
}

/* Reference count for immutable shared objects. */
struct sb_refs {
    _Atomic uint32_t n;
};
static inline void sb_refs_init(struct sb_refs *r) {
    r->n = 1;
}
static inline void sb_refs_get(struct sb_refs *r) {
    uint32_t before = __atomic_fetch_add((uint32_t *)&r->n, 1, __ATOMIC_RELAXED);
    SB_ASSERT(before > 0);
}
/* true when this was the last one: the caller frees. */
static inline bool sb_refs_put(struct sb_refs *r) {
    uint32_t before = __atomic_fetch_sub((uint32_t *)&r->n, 1, __ATOMIC_ACQ_REL);
    SB_ASSERT(before > 0);
    return before == 1;
}

#endif

#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

struct start {
    void (*fn)(void *);
    void *arg;
};

static void *trampoline(void *p) {
    struct start s = *(struct start *)p;
    sb_free(p);
    s.fn(s.arg);
    return NULL;
}

sb_err sb_thread_start(struct sb_thread *t, const char *name, void (*fn)(void *), void *arg) {
    struct start *s = sb_alloc(sizeof *s);
    *s = (struct start){fn, arg};
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int e = pthread_create(&t->t, NULL, trampoline, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e) {
        sb_free(s);
        return sb_err_from_errno(e);
    }
    pthread_setname_np(t->t, name);
    t->started = true;
    return SB_OK;
}

void sb_thread_join(struct sb_thread *t) {
    if (!t->started) return;
    pthread_join(t->t, NULL);
    t->started = false;
}

void sb_mutex_init(struct sb_mutex *m) {
    pthread_mutex_init(&m->m, NULL);
}

void sb_mutex_fini(struct sb_mutex *m) {
    pthread_mutex_destroy(&m->m);
}

void sb_cond_init(struct sb_cond *c) {
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&c->c, &a);
    pthread_condattr_destroy(&a);
}

void sb_cond_fini(struct sb_cond *c) {
    pthread_cond_destroy(&c->c);
}

bool sb_cond_wait_until(struct sb_cond *c, struct sb_mutex *m, int64_t deadline) {
    struct timespec t = {deadline / SB_SEC, deadline % SB_SEC};
    return pthread_cond_timedwait(&c->c, &m->m, &t) != ETIMEDOUT;
}

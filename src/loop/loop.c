/* One libuv loop: inbox, ticks, signals and the clock of an iteration.
 *
 * The inbox is a lock-free stack that the loop takes whole and turns round, so tasks run in the
 * order posted and a burst of posts costs one wake-up: only the post that finds it empty sends it.
 *
 * An iteration of libuv is: timers, prepare, poll (waits, then runs I/O callbacks), check. `now` is
 * forgotten at prepare and at the end of check, and read again by whoever asks first, so it is the
 * time the poll returned when the first callback asks, at the cost of one clock reading for all. */
#include "loop/loop.h"

#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_int.h"

static void run_inbox(struct sb_loop *l) {
    struct sb_task *t = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire);
    struct sb_task *ordered = NULL;
    while (t) {
        struct sb_task *next = t->next;
        t->next = ordered;
        ordered = t;
        t = next;
    }
    while (ordered) {
        t = ordered;
        ordered = t->next;
        t->fn(t);
    }
}

static void on_async(uv_async_t *a) {
    struct sb_loop *l = a->data;
    sb_loop_now(l); /* this iteration has work: its time counts as lag */
    run_inbox(l);
    if (atomic_load(&l->stop)) uv_stop(&l->uv);
}

static void on_prepare(uv_prepare_t *p) {
    struct sb_loop *l = p->data;
    l->now = 0;
}

static void on_again(uv_idle_t *i) {
    SB_UNUSED(i); /* being active is all it is for */
}

static void on_check(uv_check_t *c) {
    struct sb_loop *l = c->data;
    uv_idle_stop(&l->again);
    for (struct sb_loop_tick *t = l->ticks; t; t = t->next) t->fn(t->arg);
    l->lag = l->now ? sb_mono_ns() - l->now : 0;
    l->now = 0;
}

sb_err sb_loop_new(struct sb_loop **out, const char *name) {
    struct sb_loop *l = sb_calloc(1, sizeof *l);
    snprintf(l->name, sizeof l->name, "%s", name);
    if (uv_loop_init(&l->uv) != 0) {
        sb_free(l);
        return SB_E_NOMEM;
    }
    l->async.data = l->prepare.data = l->check.data = l;
    if (uv_async_init(&l->uv, &l->async, on_async) != 0 || sb_timers_init(l) != SB_OK) {
        uv_walk(&l->uv, (uv_walk_cb)uv_close, NULL);
        uv_run(&l->uv, UV_RUN_DEFAULT);
        uv_loop_close(&l->uv);
        sb_free(l);
        return SB_E_NOMEM;
    }
    uv_prepare_init(&l->uv, &l->prepare);
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_init(&l->uv, &l->check);
    uv_check_start(&l->check, on_check);
    uv_idle_init(&l->uv, &l->again);
    *out = l;
    return SB_OK;
}

static void close_handle(uv_handle_t *h, void *arg) {
    SB_UNUSED(arg);
    if (!uv_is_closing(h)) uv_close(h, NULL);
}

static void close_all(struct sb_loop *l) {
    uv_walk(&l->uv, close_handle, NULL);
    while (uv_run(&l->uv, UV_RUN_DEFAULT) != 0) {
    }
}

void sb_loop_free(struct sb_loop *l) {
    if (!l) return;
    SB_ASSERT(!atomic_load(&l->running));
    sb_loop_join(l);
    close_all(l);
    SB_ASSERT(uv_loop_close(&l->uv) == 0);
    for (struct sb_loop_signal *s = l->signals, *next; s; s = next) {
        next = s->next;
        sb_free(s);
    }
    sb_timers_fini(l);
    sb_free(l);
}

void sb_loop_run(struct sb_loop *l) {
    atomic_store(&l->running, true);
    if (!atomic_load(&l->stop)) uv_run(&l->uv, UV_RUN_DEFAULT);
    while (atomic_load(&l->inbox)) run_inbox(l);
    close_all(l);
    atomic_store(&l->running, false);
}

static void thread_main(void *arg) {
    sb_loop_run(arg);
}

sb_err sb_loop_start(struct sb_loop *l) {
    return sb_thread_start(&l->thread, l->name, thread_main, l);
}

void sb_loop_join(struct sb_loop *l) {
    sb_thread_join(&l->thread);
}

bool sb_loop_running(const struct sb_loop *l) {
    return atomic_load(&l->running);
}

void sb_loop_stop(struct sb_loop *l) {
    atomic_store(&l->stop, true);
    uv_async_send(&l->async);
}

void sb_loop_post(struct sb_loop *l, struct sb_task *t) {
    struct sb_task *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    do {
        t->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&l->inbox, &head, t, memory_order_release,
                                                    memory_order_relaxed));
    if (!head) uv_async_send(&l->async);
}

struct uv_loop_s *sb_loop_uv(struct sb_loop *l) {
    return &l->uv;
}

int64_t sb_loop_now(struct sb_loop *l) {
    if (!l->now) l->now = sb_mono_ns();
    return l->now;
}

int64_t sb_loop_lag(const struct sb_loop *l) {
    return l->lag;
}

void sb_loop_on_tick(struct sb_loop *l, struct sb_loop_tick *t) {
    t->next = l->ticks;
    l->ticks = t;
}

void sb_loop_set_busy(struct sb_loop *l, bool busy) {
    l->busy = busy;
}

bool sb_loop_busy(const struct sb_loop *l) {
    return l->busy;
}

void sb_loop_again(struct sb_loop *l) {
    uv_idle_start(&l->again, on_again);
}

static void on_signal(uv_signal_t *h, int signum) {
    struct sb_loop_signal *s = h->data;
    s->fn(s->arg, signum);
}

sb_err sb_loop_on_signal(struct sb_loop *l, int signum, void (*fn)(void *arg, int signum),
                         void *arg) {
    struct sb_loop_signal *s = sb_calloc(1, sizeof *s);
    s->fn = fn;
    s->arg = arg;
    s->uv.data = s;
    s->next = l->signals;
    l->signals = s;
    if (uv_signal_init(&l->uv, &s->uv) != 0) return SB_E_NOMEM;
    return uv_signal_start(&s->uv, on_signal, signum) == 0 ? SB_OK : SB_E_INVALID;
}

#include "loop/spare.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"

struct sb_spare {
    struct sb_spare_list waiting;
    sem_t more; /* posted when the list was empty */
    _Atomic bool ending;
    struct sb_thread thread;
};

/* True when the list was empty. */
static bool push(struct sb_spare_list *l, struct sb_spare_job *j) {
    struct sb_spare_job *first = atomic_load_explicit(&l->first, memory_order_relaxed);
    do {
        j->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&l->first, &first, j, memory_order_release,
                                                    memory_order_relaxed));
    return !first;
}

struct sb_spare_job *sb_spare_take(struct sb_spare_list *l) {
    if (!atomic_load_explicit(&l->first, memory_order_relaxed)) return NULL;
    struct sb_spare_job *newest = atomic_exchange_explicit(&l->first, NULL, memory_order_acquire);
    struct sb_spare_job *oldest = NULL;
    while (newest) {
        struct sb_spare_job *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void sb_spare_submit(struct sb_spare *s, struct sb_spare_job *j) {
    j->worked = false;
    if (push(&s->waiting, j)) sem_post(&s->more);
}

static void work_all(struct sb_spare *s, struct sb_spare_job *j) {
    while (j) {
        struct sb_spare_job *next = j->next;
        if (!s->ending) {
            j->work(j);
            j->worked = true;
        }
        push(j->done, j);
        j = next;
    }
}

static void spare_main(void *arg) {
    struct sb_spare *s = arg;
    /* For this thread alone, on Linux. 1.5 % of a core that is wanted by one other thread: with
     * SCHED_IDLE it would be 0.3 %, and its end could take many seconds on a busy machine. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
    while (!s->ending) {
        if (sem_wait(&s->more) != 0 && errno != EINTR) break;
        work_all(s, sb_spare_take(&s->waiting));
    }
}

sb_err sb_spare_new(struct sb_spare **out, const char *name) {
    struct sb_spare *s = sb_calloc(1, sizeof *s);
    sem_init(&s->more, 0, 0);
    sb_err err = sb_thread_start(&s->thread, name, spare_main, s);
    if (err) {
        sb_spare_free(s);
        return err;
    }
    *out = s;
    return SB_OK;
}

void sb_spare_free(struct sb_spare *s) {
    if (!s) return;
    s->ending = true;
    sem_post(&s->more);
    sb_thread_join(&s->thread);
    work_all(s, sb_spare_take(&s->waiting));
    sem_destroy(&s->more);
    sb_free(s);
}

#include "loop/pool.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

struct sb_pool {
    struct sb_mutex m;
    struct sb_cond more;
    struct sb_job *head, **tail; /* FIFO */
    int max_queued;
    _Atomic int queued;
    uint64_t queued_size; /* of the jobs that wait */
    double ns_each;       /* time of late for a unit of size; 0 = not known yet */
    bool ending;
    int nthreads;
    struct sb_thread threads[];
};

static void job_done(struct sb_task *t) {
    struct sb_job *j = SB_CONTAINER(t, struct sb_job, task);
    j->done(j);
}

static uint64_t size_of(const struct sb_job *j) {
    return j->size ? j->size : 1;
}

/* The next job, or NULL when the pool ends and none is left. */
static struct sb_job *next_job(struct sb_pool *p) {
    sb_mutex_lock(&p->m);
    while (!p->head && !p->ending) sb_cond_wait(&p->more, &p->m);
    struct sb_job *j = p->head;
    if (j) {
        p->head = j->next;
        if (!p->head) p->tail = &p->head;
        atomic_fetch_sub(&p->queued, 1);
        p->queued_size -= size_of(j);
    }
    sb_mutex_unlock(&p->m);
    return j;
}

static void learn(struct sb_pool *p, uint64_t size, int64_t ns) {
    double each = (double)ns / (double)size;
    sb_mutex_lock(&p->m);
    p->ns_each = p->ns_each ? p->ns_each + (each - p->ns_each) / 8 : each;
    sb_mutex_unlock(&p->m);
}

static void pool_main(void *arg) {
    struct sb_pool *p = arg;
    for (struct sb_job *j; (j = next_job(p));) {
        /* Without done() the job's memory may be gone once work() has run. */
        bool tell = j->done != NULL;
        uint64_t size = size_of(j);
        int64_t began = sb_mono_ns();
        j->work(j);
        learn(p, size, sb_mono_ns() - began);
        if (tell) {
            j->task.fn = job_done;
            sb_loop_post(j->loop, &j->task);
        }
    }
}

sb_err sb_pool_new(struct sb_pool **out, const char *name, int threads, int max_queued) {
    struct sb_pool *p = sb_calloc(1, sizeof *p + (size_t)threads * sizeof p->threads[0]);
    sb_mutex_init(&p->m);
    sb_cond_init(&p->more);
    p->tail = &p->head;
    p->max_queued = max_queued;
    for (; p->nthreads < threads; p->nthreads++) {
        char label[16];
        snprintf(label, sizeof label, "%.12s-%u", name, (unsigned)p->nthreads % 100u);
        sb_err err = sb_thread_start(&p->threads[p->nthreads], label, pool_main, p);
        if (err) {
            sb_pool_free(p);
            return err;
        }
    }
    *out = p;
    return SB_OK;
}

void sb_pool_free(struct sb_pool *p) {
    if (!p) return;
    sb_mutex_lock(&p->m);
    p->ending = true;
    sb_cond_broadcast(&p->more);
    sb_mutex_unlock(&p->m);
    for (int i = 0; i < p->nthreads; i++) sb_thread_join(&p->threads[i]);
    sb_cond_fini(&p->more);
    sb_mutex_fini(&p->m);
    sb_free(p);
}

sb_err sb_pool_submit(struct sb_pool *p, struct sb_job *j) {
    sb_err err = SB_OK;
    j->next = NULL;
    sb_mutex_lock(&p->m);
    if (p->ending) {
        err = SB_E_CLOSED;
    } else if (atomic_load(&p->queued) >= p->max_queued) {
        err = SB_E_BUSY;
    } else {
        *p->tail = j;
        p->tail = &j->next;
        atomic_fetch_add(&p->queued, 1);
        p->queued_size += size_of(j);
        sb_cond_signal(&p->more);
    }
    sb_mutex_unlock(&p->m);
    return err;
}

int sb_pool_queued(const struct sb_pool *p) {
    return atomic_load(&p->queued);
}

int64_t sb_pool_wait_ns(struct sb_pool *p) {
    if (sb_pool_queued(p) == 0) return 0;
    sb_mutex_lock(&p->m);
    double ns = (double)p->queued_size * p->ns_each / p->nthreads;
    sb_mutex_unlock(&p->m);
    return (int64_t)ns;
}

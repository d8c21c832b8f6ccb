/* All state belongs to the loop. The process is OFF until a job needs it, then STARTING until it
 * has said READY; it serves one job at a time. Whatever ends it, its end (on_end) is the one place
 * that goes on from there: the job it had fails, the next one starts a new process. */
#include "domain/worker/parquet.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/mem.h"

enum { QUEUE_MAX = 64, KIND_READ = 32, KIND_TABLE = 33, KIND_REFUSED = 34, KIND_TOO_LARGE = 35 };
static const int64_t IDLE_NS = 300 * SB_SEC;
static const int64_t TRY_AGAIN_NS = 10 * SB_SEC; /* after a start that failed */
static const int64_t FREE_NS = 2 * SB_SEC;

enum state { OFF, STARTING, READY, ENDING };

struct sb_parquet {
    struct sb_parquet_opts o;
    enum state state;
    struct sb_worker_proc *proc;
    struct sb_parquet_job *current, *first, **last;
    int queued;
    struct sb_timer timer;
    int64_t until; /* STARTING: the latest; READY without a job: when it has been idle too long */
    bool overdue;  /* killed for its deadline */
    struct sb_errctx failure; /* of the last start */
    int64_t failed_until;
    struct sb_task stop;
    bool stopping;
    struct sb_mutex lock; /* of ended */
    struct sb_cond cond;
    bool ended;
};

static void pump(struct sb_parquet *p);

/* ---- jobs ---- */

static void on_done(struct sb_task *t) {
    struct sb_parquet_job *j = SB_CONTAINER(t, struct sb_parquet_job, task);
    j->done(j);
}

static void finish(struct sb_parquet_job *j, sb_err err) {
    j->err = err;
    j->task.fn = on_done;
    sb_loop_post(j->loop, &j->task);
}

static struct sb_parquet_job *take_first(struct sb_parquet *p) {
    struct sb_parquet_job *j = p->first;
    p->first = j->next;
    if (!p->first) p->last = &p->first;
    p->queued--;
    return j;
}

static void finish_current(struct sb_parquet *p, sb_err err) {
    struct sb_parquet_job *j = p->current;
    p->current = NULL;
    p->until = sb_mono_ns() + IDLE_NS;
    finish(j, err);
}

static void send_read(struct sb_parquet *p, const struct sb_parquet_job *j) {
    size_t n = j->body.n + 4;
    char *frame = sb_alloc(SB_FRAME_HEAD + n);
    uint32_t head[3] = {(uint32_t)n, KIND_READ, j->matrix};
    memcpy(frame, head, sizeof head);
    memcpy(frame + sizeof head, j->body.p, j->body.n);
    sb_worker_proc_send(p->proc, frame, SB_FRAME_HEAD + n);
}

/* ---- what the process says ---- */

static void take_table(struct sb_parquet *p, struct sb_frame_body *body) {
    struct sb_parquet_job *j = p->current;
    struct sb_cursor c = sb_cursor_of(body->bytes, body->n);
    j->json = sb_cursor_str(&c, sb_cursor_le32(&c));
    j->raw = sb_cursor_str(&c, sb_cursor_left(&c));
    if (c.err) {
        finish_current(p, sb_fail(&j->ctx, SB_E_BUG, "the reader of Parquet gave half an answer"));
        return;
    }
    sb_refs_get(&body->refs);
    j->frame = body;
    finish_current(p, SB_OK);
}

static void set_failure(struct sb_parquet *p, struct sb_str why) {
    sb_errctx_reset(&p->failure);
    sb_fail(&p->failure, SB_E_UNSUPPORTED,
            "Parquet is read by Python with pyarrow, and %.60s cannot (%.*s): install pyarrow "
            "there, or send CSV or JSON",
            p->o.python, SB_ARG(sb_str_sub(why, 0, 80)));
    p->failed_until = sb_mono_ns() + TRY_AGAIN_NS;
    SB_LOG(SB_LOG_WARN, "parquet", "cannot be read", SB_KS("why", p->failure.msg));
}

static void on_frame(void *arg, uint32_t kind, struct sb_frame_body *body) {
    struct sb_parquet *p = arg;
    struct sb_str text = sb_frame_body_view(body);
    if (p->state == STARTING && kind == SB_FRAME_READY) {
        p->state = READY;
        p->until = sb_mono_ns() + IDLE_NS;
    } else if (p->state == STARTING && kind == SB_FRAME_FAILED) {
        set_failure(p, text);
        p->state = ENDING;
    } else if (p->current && kind == KIND_TABLE) {
        take_table(p, body);
    } else if (p->current && (kind == KIND_REFUSED || kind == KIND_TOO_LARGE)) {
        sb_err err = kind == KIND_REFUSED ? SB_E_INVALID : SB_E_LIMIT;
        finish_current(p, sb_fail(&p->current->ctx, err, "%.*s", SB_ARG(text)));
    } else {
        sb_worker_proc_kill(p->proc); /* it speaks another protocol */
    }
    pump(p);
}

/* Maybe it had ended before it got the table. A table that kills it does so twice. */
static void try_again(struct sb_parquet *p) {
    struct sb_parquet_job *j = p->current;
    p->current = NULL;
    j->again = true;
    j->next = p->first;
    if (!p->first) p->last = &j->next;
    p->first = j;
    p->queued++;
}

static void on_end(void *arg, const char *how) {
    struct sb_parquet *p = arg;
    if (p->state == STARTING) set_failure(p, sb_str_of(how));
    p->proc = NULL;
    p->state = OFF;
    if (p->current && !p->overdue && !p->current->again)
        try_again(p);
    else if (p->current && p->overdue)
        finish_current(p, sb_fail(&p->current->ctx, SB_E_TIMEOUT, "no answer before the deadline"));
    else if (p->current)
        finish_current(p, sb_fail(&p->current->ctx, SB_E_UNAVAILABLE,
                                  "the reader of Parquet ended at this table (%s)", how));
    p->overdue = false;
    pump(p);
}

/* ---- going on ---- */

static void start(struct sb_parquet *p) {
    struct sb_errctx ctx = {0};
    struct sb_worker_proc_opts o = {.loop = p->o.loop,
                                    .python = p->o.python,
                                    .script = p->o.script,
                                    .model_dir = "",
                                    .name = "parquet",
                                    .version = "",
                                    .threads = 1,
                                    .memory = p->o.memory,
                                    .on_frame = on_frame,
                                    .on_end = on_end,
                                    .arg = p};
    sb_err err = sb_worker_proc_start(&p->proc, &o, &ctx);
    if (err) {
        set_failure(p, sb_str_of(sb_errctx_text(&ctx, err)));
        return;
    }
    p->state = STARTING;
    p->until = sb_mono_ns() + (p->o.start_timeout_ns ? p->o.start_timeout_ns : 120 * SB_SEC);
}

static void fail_queued(struct sb_parquet *p) {
    while (p->first) {
        struct sb_parquet_job *j = take_first(p);
        j->ctx = p->failure;
        finish(j, p->failure.code);
    }
}

/* What nobody waits for any more leaves the queue. */
static void drop_late(struct sb_parquet *p, int64_t now) {
    for (struct sb_parquet_job **at = &p->first; *at;) {
        struct sb_parquet_job *j = *at;
        if (now < j->deadline_ns) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        p->queued--;
        finish(j, sb_fail(&j->ctx, SB_E_TIMEOUT, "no answer before the deadline"));
    }
    p->last = &p->first;
    while (*p->last) p->last = &(*p->last)->next;
}

static void arm(struct sb_parquet *p, int64_t now) {
    int64_t due = p->state == STARTING || (p->state == READY && !p->current) ? p->until : INT64_MAX;
    if (p->current && p->current->deadline_ns < due) due = p->current->deadline_ns;
    for (const struct sb_parquet_job *j = p->first; j; j = j->next)
        if (j->deadline_ns < due) due = j->deadline_ns;
    if (due == INT64_MAX || p->stopping)
        sb_timer_stop(&p->timer);
    else
        sb_timer_start(&p->timer, p->o.loop, due > now ? due - now : 1, 0);
}

static void check_times(struct sb_parquet *p, int64_t now) {
    bool late = p->state == STARTING && now >= p->until;
    if (p->current && now >= p->current->deadline_ns) late = p->overdue = true;
    if (late) {
        sb_worker_proc_kill(p->proc);
    } else if (p->state == READY && !p->current && now >= p->until) {
        p->state = ENDING;
        sb_worker_proc_stop(p->proc);
    }
}

static void tell_ended(struct sb_parquet *p) {
    sb_timer_stop(&p->timer);
    sb_mutex_lock(&p->lock);
    p->ended = true;
    sb_cond_signal(&p->cond); /* p may be gone once the lock is free */
    sb_mutex_unlock(&p->lock);
}

static void pump(struct sb_parquet *p) {
    int64_t now = sb_mono_ns();
    if (p->stopping) {
        if (p->state == OFF) tell_ended(p);
        return;
    }
    drop_late(p, now);
    if (p->first && p->state == OFF && now >= p->failed_until) start(p);
    if (p->first && p->state == OFF) fail_queued(p);
    if (p->first && p->state == READY && !p->current) {
        p->current = take_first(p);
        send_read(p, p->current);
    }
    arm(p, now);
}

static void on_timer(struct sb_timer *t) {
    struct sb_parquet *p = SB_CONTAINER(t, struct sb_parquet, timer);
    check_times(p, sb_mono_ns());
    pump(p);
}

static void on_job(struct sb_task *t) {
    struct sb_parquet_job *j = SB_CONTAINER(t, struct sb_parquet_job, task);
    struct sb_parquet *p = j->owner;
    if (p->queued >= QUEUE_MAX || p->stopping) {
        finish(j, sb_fail(&j->ctx, SB_E_BUSY, "too many Parquet tables wait; try again"));
        return;
    }
    *p->last = j;
    p->last = &j->next;
    p->queued++;
    pump(p);
}

void sb_parquet_read(struct sb_parquet *p, struct sb_parquet_job *j) {
    j->owner = p;
    j->next = NULL;
    j->frame = NULL;
    j->again = false;
    j->task.fn = on_job;
    sb_loop_post(p->o.loop, &j->task);
}

/* ---- life ---- */

struct sb_parquet *sb_parquet_new(const struct sb_parquet_opts *o) {
    struct sb_parquet *p = sb_calloc(1, sizeof *p);
    p->o = *o;
    p->last = &p->first;
    p->timer.fn = on_timer;
    sb_mutex_init(&p->lock);
    sb_cond_init(&p->cond);
    return p;
}

static void on_stop(struct sb_task *t) {
    struct sb_parquet *p = SB_CONTAINER(t, struct sb_parquet, stop);
    p->stopping = true;
    if (p->proc) sb_worker_proc_kill(p->proc);
    pump(p);
}

void sb_parquet_free(struct sb_parquet *p) {
    if (!p) return;
    int64_t until = sb_mono_ns() + FREE_NS;
    bool ended;
    p->stop.fn = on_stop;
    sb_loop_post(p->o.loop, &p->stop);
    sb_mutex_lock(&p->lock);
    while (!p->ended && sb_cond_wait_until(&p->cond, &p->lock, until)) {
    }
    ended = p->ended;
    sb_mutex_unlock(&p->lock);
    if (!ended) return; /* its loop is stuck with it: the process ends with that thread */
    sb_mutex_fini(&p->lock);
    sb_cond_fini(&p->cond);
    sb_free(p);
}

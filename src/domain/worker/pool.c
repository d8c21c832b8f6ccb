/* The pool of one model version. Everything but predict, describe, memory and free runs on the
 * pool's loop.
 *
 * A prediction is a ticket, in its own request's arena: posted from the request's loop to the
 * pool's, queued, sent with others as one call, and posted back, where the answer's rows are
 * decoded into that request's arena. Once a ticket has been posted back the pool forgets it: its
 * memory belongs to the request again. So a ticket is always in exactly one place: an inbox, the
 * queue, or the call of one worker. */
#include "domain/worker/worker.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "domain/worker/process.h"
#include "sys/file.h"
#include "sys/process.h"

enum {
    CALL_REQUESTS = 256, /* in one call */
    BACKOFF_FIRST_MS = 100,
    BACKOFF_LAST_MS = 30000,
};

struct ticket {
    struct sb_task task;
    struct pool *pool;
    struct sb_predict *p;
    struct ticket *next;
    size_t from;  /* its first row in the call */
    size_t bytes; /* of its input, about */
    bool alone;   /* not to be merged (again) */
    int64_t queued_at, sent_at;
    /* the answer */
    struct sb_frame_body *body; /* a reference, when err is 0 */
    sb_err err;
    struct sb_errctx ctx;
    int64_t compute_ns;
};

enum worker_state { W_ENDED, W_STARTING, W_IDLE, W_BUSY, W_BACKOFF, W_STOPPING };
static const char *const STATE_NAMES[] = {"ended", "starting", "idle",
                                          "busy",  "backoff",  "stopping"};

struct worker {
    struct pool *pool;
    struct sb_worker_proc *proc;
    struct sb_timer timer; /* start timeout, or back-off */
    struct ticket *call;   /* what it computes; NULL entries were given up by their deadline */
    size_t call_rows, call_requests;
    uint64_t call_id;
    uint32_t fails;         /* ends since its last answer */
    const char *kill_cause; /* why we killed it */
    _Atomic int state, pid;
    _Atomic uint32_t restarts;
};

struct pool {
    _Atomic int refs; /* the model's handle, and the processes' */
    struct sb_loop *loop;
    char *python, *environment, *script, *model_dir, *name, *version;
    int threads;
    int64_t memory, start_timeout_ns;
    size_t max_rows, max_bytes, queue_max, rows_max;
    bool validate;

    /* the opening, until its ready() */
    struct sb_worker_open *open;
    struct sb_signature *signature;
    struct sb_model_info info;
    struct sb_task task; /* start, later close */

    /* from the first READY; constant afterwards */
    bool proba;
    char *facts; /* describe's "model" */

    struct ticket *head, **tail;
    uint64_t next_id;
    int64_t next_due; /* earliest deadline of queue and calls, or earlier; 0 = none */
    struct sb_timer deadline;
    bool closing;
    struct sb_errctx last_failure; /* why the newest start failed */

    _Atomic size_t waiting, waiting_rows; /* also tickets still in the inbox */
    _Atomic uint64_t calls, merged, answered, failed, timeouts;
    int nworkers;
    struct worker workers[];
};

static _Atomic int pools_alive;

int sb_worker_pools_alive(void) {
    return atomic_load(&pools_alive);
}

static void pool_unref(struct pool *p) {
    if (atomic_fetch_sub(&p->refs, 1) != 1) return;
    sb_free(p->python);
    sb_free(p->environment);
    sb_free(p->script);
    sb_free(p->model_dir);
    sb_free(p->name);
    sb_free(p->version);
    sb_free(p->facts);
    sb_free(p);
}

static void set_state(struct worker *w, enum worker_state s) {
    atomic_store(&w->state, s);
}

static enum worker_state state_of(const struct worker *w) {
    return (enum worker_state)atomic_load(&w->state);
}

/* ---- answers ---- */

/* On the request's loop. */
static void deliver(struct sb_task *task) {
    struct ticket *t = SB_CONTAINER(task, struct ticket, task);
    struct sb_predict *p = t->p;
    p->err = t->err;
    p->ctx = t->ctx;
    p->queue_ns = (t->sent_at ? t->sent_at : sb_mono_ns()) - t->queued_at;
    p->compute_ns = t->compute_ns;
    struct sb_frame_body *body = t->body;
    if (body)
        p->err = sb_frame_result_slice(sb_frame_body_view(body), t->from, p->in->nrows, p->arena,
                                       &p->out, &p->ctx);
    sb_frame_body_unref(body);
    p->done(p);
}

static void post_back(struct ticket *t) {
    atomic_fetch_add(t->err ? &t->pool->failed : &t->pool->answered, 1);
    t->task.fn = deliver;
    sb_loop_post(t->p->loop, &t->task);
}

static void fail_ticket(struct ticket *t, sb_err err, const char *msg) {
    t->err = sb_fail(&t->ctx, err, "%s", msg);
    post_back(t);
}

static void fail_list(struct ticket *t, sb_err err, const char *msg) {
    while (t) {
        struct ticket *next = t->next;
        fail_ticket(t, err, msg);
        t = next;
    }
}

static void left_queue(struct pool *p, const struct ticket *t) {
    atomic_fetch_sub(&p->waiting, 1);
    atomic_fetch_sub(&p->waiting_rows, t->p->in->nrows);
}

static void fail_queue(struct pool *p, sb_err err, const char *msg) {
    struct ticket *t = p->head;
    p->head = NULL;
    p->tail = &p->head;
    for (struct ticket *x = t; x; x = x->next) left_queue(p, x);
    fail_list(t, err, msg);
}

static struct ticket *take_call(struct worker *w) {
    struct ticket *t = w->call;
    w->call = NULL;
    w->call_rows = w->call_requests = 0;
    return t;
}

/* ---- calls ---- */

static size_t batch_bytes(const struct sb_batch *b) {
    size_t n = b->params.n;
    for (size_t i = 0; i < b->ncols; i++) {
        const struct sb_column *c = &b->cols[i];
        size_t cells = b->nrows * c->width;
        n += c->name.n + 16 + cells * sb_dtype_size(c->type);
        if (c->type == SB_DTYPE_STRING || c->type == SB_DTYPE_BINARY || c->type == SB_DTYPE_JSON)
            for (size_t k = 0; k < cells; k++) n += c->s[k].n;
    }
    return n;
}

/* The head of the queue and what may go with it: rows from the same position on, never out of
 * order. */
static size_t take_batch(struct pool *p, struct worker *w, const struct sb_batch **batches) {
    struct ticket *first = p->head, *last = NULL;
    size_t n = 0, rows = 0, bytes = 0;
    for (struct ticket *t = first; t && n < CALL_REQUESTS; t = t->next) {
        if (n &&
            (t->alone || first->alone || rows + t->p->in->nrows > p->max_rows ||
             bytes + t->bytes > p->max_bytes || !sb_frame_batches_agree(first->p->in, t->p->in)))
            break;
        t->from = rows;
        rows += t->p->in->nrows;
        bytes += t->bytes;
        batches[n++] = t->p->in;
        left_queue(p, t);
        last = t;
    }
    p->head = last->next;
    if (!p->head) p->tail = &p->head;
    last->next = NULL;
    w->call = first;
    w->call_rows = rows;
    w->call_requests = n;
    return n;
}

static void send_call(struct pool *p, struct worker *w) {
    const struct sb_batch *batches[CALL_REQUESTS];
    size_t n = take_batch(p, w, batches), bytes;
    struct sb_buf b;
    sb_buf_init(&b, SB_FRAME_HEAD + (size_t)SB_FRAME_MAX);
    w->call_id = ++p->next_id;
    sb_err err = sb_frame_add_predict(&b, w->call_id, batches, n, p->proba);
    if (err) {
        fail_list(take_call(w), err, "the rows are too many for one call to a worker");
        sb_buf_fini(&b);
        return;
    }
    int64_t now = sb_mono_ns();
    for (struct ticket *t = w->call; t; t = t->next) t->sent_at = now;
    set_state(w, W_BUSY);
    atomic_fetch_add(&p->calls, 1);
    if (n > 1) atomic_fetch_add(&p->merged, n);
    char *frame = sb_buf_take(&b, &bytes);
    sb_worker_proc_send(w->proc, frame, bytes);
    sb_buf_fini(&b);
}

static void dispatch(struct pool *p) {
    for (int i = 0; i < p->nworkers && p->head; i++)
        while (p->head && state_of(&p->workers[i]) == W_IDLE) send_call(p, &p->workers[i]);
}

/* ---- deadlines ---- */

static void watch_deadline(struct pool *p, int64_t due) {
    if (p->next_due && p->next_due <= due) return;
    p->next_due = due;
    int64_t now = sb_mono_ns();
    sb_timer_start(&p->deadline, p->loop, due > now ? due - now : 0, 0);
}

/* Takes what is over its deadline off a list; notes the earliest that is left. */
static struct ticket *take_expired(struct ticket **at, int64_t now, int64_t *due) {
    struct ticket *expired = NULL, **end = &expired;
    while (*at) {
        struct ticket *t = *at;
        if (t->p->deadline_ns <= now) {
            *at = t->next;
            *end = t;
            end = &t->next;
            continue;
        }
        if (!*due || t->p->deadline_ns < *due) *due = t->p->deadline_ns;
        at = &t->next;
    }
    *end = NULL;
    return expired;
}

static void kill_worker(struct worker *w, const char *cause) {
    w->kill_cause = cause;
    sb_worker_proc_kill(w->proc);
}

static void on_deadline(struct sb_timer *timer) {
    struct pool *p = SB_CONTAINER(timer, struct pool, deadline);
    int64_t now = sb_mono_ns(), due = 0;
    p->next_due = 0;
    struct ticket *late = take_expired(&p->head, now, &due);
    p->tail = &p->head;
    while (*p->tail) p->tail = &(*p->tail)->next;
    for (struct ticket *t = late; t; t = t->next) {
        left_queue(p, t);
        atomic_fetch_add(&p->timeouts, 1);
    }
    fail_list(late, SB_E_TIMEOUT, "no worker of the model was free before the deadline");
    for (int i = 0; i < p->nworkers; i++) {
        struct worker *w = &p->workers[i];
        if (state_of(w) != W_BUSY || !w->call) continue;
        late = take_expired(&w->call, now, &due);
        for (struct ticket *t = late; t; t = t->next) atomic_fetch_add(&p->timeouts, 1);
        fail_list(late, SB_E_TIMEOUT, "the model did not answer before the deadline");
        if (!w->call) kill_worker(w, "it was still computing after the deadline");
    }
    if (due) watch_deadline(p, due);
}

/* ---- predict ---- */

static bool all_down(const struct pool *p) {
    for (int i = 0; i < p->nworkers; i++)
        if (state_of(&p->workers[i]) != W_BACKOFF) return false;
    return true;
}

static void enqueue(struct sb_task *task) {
    struct ticket *t = SB_CONTAINER(task, struct ticket, task);
    struct pool *p = t->pool;
    if (p->last_failure.code && all_down(p)) {
        left_queue(p, t);
        fail_ticket(t, SB_E_UNAVAILABLE, p->last_failure.msg);
        return;
    }
    *p->tail = t;
    p->tail = &t->next;
    dispatch(p);
    watch_deadline(p, t->p->deadline_ns);
}

/* On the request's loop. */
static void pool_predict(void *self, struct sb_predict *p) {
    struct pool *pool = self;
    size_t waiting = atomic_fetch_add(&pool->waiting, 1);
    size_t rows = atomic_fetch_add(&pool->waiting_rows, p->in->nrows);
    if (waiting >= pool->queue_max || (waiting && rows + p->in->nrows > pool->rows_max)) {
        atomic_fetch_sub(&pool->waiting, 1);
        atomic_fetch_sub(&pool->waiting_rows, p->in->nrows);
        p->queue_ns = p->compute_ns = 0;
        p->err = sb_fail(&p->ctx, SB_E_BUSY, "%zu requests wait for a worker of %s already",
                         waiting, pool->name);
        p->done(p);
        return;
    }
    struct ticket *t = sb_arena_zalloc(p->arena, sizeof *t);
    t->pool = pool;
    t->p = p;
    t->queued_at = sb_mono_ns();
    t->bytes = batch_bytes(p->in);
    p->backend = t;
    t->task.fn = enqueue;
    sb_loop_post(pool->loop, &t->task);
}

/* ---- frames of a worker ---- */

static void on_result(struct worker *w, struct sb_frame_body *body, int64_t compute_ns) {
    size_t rows;
    if (sb_frame_result_rows(sb_frame_body_view(body), &rows) != SB_OK || rows != w->call_rows) {
        kill_worker(w, "it answered another number of rows");
        return;
    }
    for (struct ticket *t = take_call(w), *next; t; t = next) {
        next = t->next;
        t->body = body;
        sb_refs_get(&body->refs);
        t->compute_ns = compute_ns;
        post_back(t);
    }
}

/* The requests of a failed merged call go first again, each alone. */
static void repeat_alone(struct worker *w) {
    struct pool *p = w->pool;
    struct ticket *first = take_call(w), *last = NULL;
    for (struct ticket *t = first; t; t = t->next) {
        t->alone = true;
        atomic_fetch_add(&p->waiting, 1);
        atomic_fetch_add(&p->waiting_rows, t->p->in->nrows);
        last = t;
    }
    if (!last) return;
    last->next = p->head;
    if (!p->head) p->tail = &last->next;
    p->head = first;
}

static void on_error(struct worker *w, const struct sb_frame_error *e, int64_t compute_ns) {
    struct pool *p = w->pool;
    static const sb_err CODES[] = {[SB_BLAME_CALLER] = SB_E_INVALID,
                                   [SB_BLAME_MODEL] = SB_E_BUG,
                                   [SB_BLAME_MEMORY] = SB_E_UNAVAILABLE};
    if (w->call_requests > 1) {
        repeat_alone(w);
        return;
    }
    struct sb_str tail = e->traceback;
    if (tail.n > 600) tail = sb_str_sub(tail, tail.n - 600, 600);
    SB_LOG(SB_LOG_WARN, "worker", "prediction failed", SB_KS("model", p->name),
           SB_KS("version", p->version), SB_KV("type", e->type), SB_KV("message", e->message),
           SB_KV("traceback", tail));
    struct ticket *t = take_call(w);
    if (!t) return;
    t->compute_ns = compute_ns;
    t->err = sb_fail(&t->ctx, CODES[e->blame], "the model raised %.*s: %.*s", SB_ARG(e->type),
                     SB_ARG(e->message));
    post_back(t);
}

static void open_finish(struct pool *p, struct sb_model *model);
static void start_worker(struct worker *w);

/* What READY says, as far as a user wants to see it in describe. */
static void read_facts(struct pool *p, struct sb_str json) {
    struct sb_arena arena;
    sb_arena_init(&arena, 64 << 20);
    struct sb_json *doc;
    struct sb_buf b;
    sb_buf_init(&b, 1 << 20);
    if (sb_json_parse(&doc, json, &arena, NULL) == SB_OK) {
        struct sb_json_writer w = {.b = &b};
        struct sb_str s = {0};
        static const char *const TEXTS[] = {"python", "mlflow", "class_name", "example"};
        sb_json_obj(&w, NULL);
        for (size_t i = 0; i < SB_COUNT(TEXTS); i++)
            if (sb_json_get_str(doc, TEXTS[i], &s) && s.n) sb_json_str(&w, TEXTS[i], s);
        const struct sb_json *classes = sb_json_get(doc, "classes");
        sb_json_get_bool(doc, "proba", &p->proba);
        sb_json_int(&w, "classes", classes ? (int64_t)classes->n : 0);
        p->info.nclasses = p->proba && classes ? classes->n : 0;
        sb_json_end(&w);
        s = (struct sb_str){0};
        if (!p->info.class_name && sb_json_get_str(doc, "class_name", &s) && s.n)
            p->info.class_name = sb_strndup(s.p, s.n);
    }
    if (sb_buf_err(&b) == SB_OK && b.n) p->facts = sb_strndup(b.p, b.n);
    sb_buf_fini(&b);
    sb_arena_fini(&arena);
}

static size_t pool_memory(void *self);
static int64_t pool_cpu_ns(void *self);
static int64_t pool_restarts(void *self);
static void pool_describe(void *self, struct sb_buf *out);
static void pool_free(void *self);

static const struct sb_model_ops OPS = {
    .name = "python",
    .predict = pool_predict,
    .inline_rows = 0,
    .memory = pool_memory,
    .cpu_ns = pool_cpu_ns,
    .restarts = pool_restarts,
    .describe = pool_describe,
    .free = pool_free,
};

static void on_ready(struct worker *w, struct sb_str json) {
    struct pool *p = w->pool;
    sb_timer_stop(&w->timer);
    set_state(w, W_IDLE);
    sb_errctx_reset(&p->last_failure);
    SB_LOG(SB_LOG_INFO, "worker", "ready", SB_KS("model", p->name), SB_KS("version", p->version),
           SB_KI("pid", sb_worker_proc_pid(w->proc)), SB_KI("restarts", atomic_load(&w->restarts)));
    if (p->open) {
        read_facts(p, json);
        p->validate = false;
        p->info.loaded_ms = sb_wall_ms();
        atomic_fetch_add(&p->refs, 1); /* the handle's */
        struct sb_model *m = sb_model_new(&OPS, p, p->signature, &p->info);
        p->signature = NULL;
        open_finish(p, m);
        for (int i = 1; i < p->nworkers; i++) start_worker(&p->workers[i]);
    }
    dispatch(p);
}

static void on_frame(void *arg, uint32_t kind, struct sb_frame_body *body) {
    struct worker *w = arg;
    struct sb_str view = sb_frame_body_view(body), json;
    struct sb_frame_answer head;
    struct sb_frame_error e = {0};
    enum worker_state s = state_of(w);
    if (kind == SB_FRAME_READY && s == W_STARTING) {
        if (sb_frame_ready_read(view, &json) == SB_OK)
            on_ready(w, json);
        else
            kill_worker(w, "its script is of another version of sibyl");
        return;
    }
    if (kind == SB_FRAME_FAILED && s == W_STARTING && sb_frame_failed_read(view, &e) == SB_OK) {
        sb_errctx_reset(&w->pool->last_failure);
        sb_fail(&w->pool->last_failure, SB_E_INVALID, "%.*s: %.*s", SB_ARG(e.type),
                SB_ARG(e.message));
        SB_LOG(SB_LOG_ERROR, "worker", "model does not load", SB_KS("model", w->pool->name),
               SB_KS("version", w->pool->version), SB_KV("type", e.type),
               SB_KV("message", e.message), SB_KV("traceback", e.traceback));
        return;
    }
    if (s == W_STOPPING) return;
    if (s != W_BUSY || sb_frame_answer_head(view, &head) != SB_OK || head.id != w->call_id) {
        kill_worker(w, "it broke the protocol");
        return;
    }
    w->fails = 0;
    if (kind == SB_FRAME_RESULT)
        on_result(w, body, head.compute_ns);
    else if (kind == SB_FRAME_ERROR && sb_frame_error_read(view, &e) == SB_OK)
        on_error(w, &e, head.compute_ns);
    else
        kill_worker(w, "it broke the protocol");
    if (w->kill_cause) return;
    set_state(w, W_IDLE);
    dispatch(w->pool);
}

/* ---- start, end, restart ---- */

static void on_start_timeout(struct sb_timer *timer) {
    struct worker *w = SB_CONTAINER(timer, struct worker, timer);
    struct pool *p = w->pool;
    sb_errctx_reset(&p->last_failure);
    sb_fail(&p->last_failure, SB_E_TIMEOUT, "the model did not load within %lld s",
            (long long)(p->start_timeout_ns / SB_SEC));
    kill_worker(w, "it took too long to start");
}

static void on_backoff(struct sb_timer *timer) {
    struct worker *w = SB_CONTAINER(timer, struct worker, timer);
    atomic_fetch_add(&w->restarts, 1);
    start_worker(w);
}

static void release_if_through(struct pool *p) {
    for (int i = 0; i < p->nworkers; i++)
        if (state_of(&p->workers[i]) != W_ENDED) return;
    sb_timer_stop(&p->deadline);
    atomic_fetch_sub(&pools_alive, 1);
    pool_unref(p);
}

/* After its process has ended or could not be started. */
static void plan_restart(struct worker *w) {
    struct pool *p = w->pool;
    if (p->open || p->closing) {
        set_state(w, W_ENDED);
        if (p->open) open_finish(p, NULL);
        release_if_through(p);
        return;
    }
    int64_t ms = BACKOFF_LAST_MS;
    if (w->fails < 9) ms = (int64_t)BACKOFF_FIRST_MS << w->fails;
    if (ms > BACKOFF_LAST_MS) ms = BACKOFF_LAST_MS;
    w->fails++;
    set_state(w, W_BACKOFF);
    w->timer.fn = on_backoff;
    sb_timer_start(&w->timer, p->loop, ms * SB_MS, 0);
    if (p->last_failure.code && all_down(p)) fail_queue(p, SB_E_UNAVAILABLE, p->last_failure.msg);
}

static void on_end(void *arg, const char *how) {
    struct worker *w = arg;
    struct pool *p = w->pool;
    bool starting = state_of(w) == W_STARTING, wanted = state_of(w) == W_STOPPING;
    sb_timer_stop(&w->timer);
    w->proc = NULL;
    atomic_store(&w->pid, 0);
    if (!wanted)
        SB_LOG(SB_LOG_WARN, "worker", "ended", SB_KS("model", p->name),
               SB_KS("version", p->version), SB_KS("how", how),
               SB_KS("cause", w->kill_cause ? w->kill_cause : "it ended by itself"),
               SB_KI("requests_held", w->call_requests));
    struct sb_errctx why = {0};
    sb_fail(&why, SB_E_UNAVAILABLE,
            "the worker that computed this prediction of %.60s version %.20s ended: %s (%s)",
            p->name, p->version, how, w->kill_cause ? w->kill_cause : "by itself");
    fail_list(take_call(w), SB_E_UNAVAILABLE, why.msg);
    if (starting && !p->last_failure.code)
        sb_fail(&p->last_failure, SB_E_UNAVAILABLE,
                "the worker ended while it loaded the model: %s", how);
    w->kill_cause = NULL;
    plan_restart(w);
}

static void start_worker(struct worker *w) {
    struct pool *p = w->pool;
    struct sb_worker_proc_opts o = {
        .loop = p->loop,
        .python = p->python,
        .script = p->script,
        .model_dir = p->model_dir,
        .name = p->name,
        .version = p->version,
        .threads = p->threads,
        .memory = p->memory,
        .validate = p->validate,
        .on_frame = on_frame,
        .on_end = on_end,
        .arg = w,
    };
    sb_errctx_reset(&p->last_failure);
    set_state(w, W_STARTING);
    if (sb_worker_proc_start(&w->proc, &o, &p->last_failure) != SB_OK) {
        SB_LOG(SB_LOG_ERROR, "worker", "cannot start", SB_KS("model", p->name),
               SB_KS("version", p->version), SB_KS("error", p->last_failure.msg),
               SB_KS("next", "name the interpreter with --python"));
        plan_restart(w);
        return;
    }
    atomic_store(&w->pid, sb_worker_proc_pid(w->proc));
    w->timer.fn = on_start_timeout;
    sb_timer_start(&w->timer, p->loop, p->start_timeout_ns, 0);
}

/* ---- open and close ---- */

static void call_ready(struct sb_task *task) {
    struct sb_worker_open *o = SB_CONTAINER(task, struct sb_worker_open, task);
    o->ready(o);
}

/* model NULL: it failed for last_failure. */
static void open_finish(struct pool *p, struct sb_model *model) {
    struct sb_worker_open *o = p->open;
    p->open = NULL;
    o->pool = NULL;
    o->model = model;
    o->err = SB_OK;
    if (!model) {
        sb_signature_free(p->signature);
        sb_model_info_fini(&p->info);
        o->ctx = p->last_failure;
        o->err = p->last_failure.code;
    }
    o->task.fn = call_ready;
    sb_loop_post(o->reply ? o->reply : p->loop, &o->task);
}

static void begin(struct sb_task *task) {
    struct pool *p = SB_CONTAINER(task, struct pool, task);
    p->open->pool = p;
    start_worker(&p->workers[0]);
}

static void close_pool(struct sb_task *task) {
    struct pool *p = SB_CONTAINER(task, struct pool, task);
    p->closing = true;
    for (int i = 0; i < p->nworkers; i++) {
        struct worker *w = &p->workers[i];
        sb_timer_stop(&w->timer);
        if (w->proc) sb_worker_proc_stop(w->proc);
        set_state(w, w->proc ? W_STOPPING : W_ENDED);
    }
    release_if_through(p);
}

/* Any thread. No prediction is under way: each holds a reference to the model. */
static void pool_free(void *self) {
    struct pool *p = self;
    struct sb_loop *loop = p->loop;
    p->task.fn = close_pool;
    atomic_fetch_sub(&p->refs, 1); /* never the last: the processes' reference goes in close_pool */
    sb_loop_post(loop, &p->task);
}

void sb_worker_model_open(struct sb_worker_open *o, const char *model_dir,
                          const struct sb_worker_opts *opts, struct sb_signature *signature,
                          const struct sb_model_info *info) {
    int n = opts->workers > 0 ? opts->workers : 1;
    struct pool *p = sb_calloc(1, sizeof *p + (size_t)n * sizeof p->workers[0]);
    p->refs = 1;
    p->loop = opts->loop;
    p->python = sb_strdup(opts->python && *opts->python ? opts->python : "python3");
    p->environment = sb_strdup(opts->environment ? opts->environment : "current");
    p->script = sb_strdup(opts->script);
    p->model_dir = sb_strdup(model_dir);
    p->name = sb_strdup(info->name ? info->name : "model");
    p->version = sb_strdup(info->version ? info->version : "0");
    p->threads = opts->threads > 0 ? opts->threads : 1;
    p->memory = opts->memory;
    p->start_timeout_ns = opts->start_timeout_ns ? opts->start_timeout_ns : 120 * SB_SEC;
    p->max_rows = opts->max_rows ? opts->max_rows : 256;
    p->max_bytes = opts->max_bytes ? opts->max_bytes : 4 << 20;
    p->queue_max = opts->queue_requests ? opts->queue_requests : 1024;
    p->rows_max = opts->queue_rows ? opts->queue_rows : 200000;
    p->validate = opts->validate;
    p->signature = signature;
    p->info = *info;
    p->tail = &p->head;
    p->deadline.fn = on_deadline;
    p->nworkers = n;
    for (int i = 0; i < n; i++) p->workers[i].pool = p;
    p->open = o;
    o->model = NULL;
    o->pool = NULL;
    o->loop = p->loop;
    sb_errctx_reset(&o->ctx);
    atomic_fetch_add(&pools_alive, 1);
    p->task.fn = begin;
    sb_loop_post(p->loop, &p->task);
}

struct waiter {
    struct sb_worker_open open;
    struct sb_mutex m;
    struct sb_cond c;
    bool ready, cancelled;
};

static void tell(struct waiter *w, bool *what) {
    sb_mutex_lock(&w->m);
    *what = true;
    sb_cond_signal(&w->c);
    sb_mutex_unlock(&w->m);
}

static void on_opened(struct sb_worker_open *o) {
    struct waiter *w = SB_CONTAINER(o, struct waiter, open);
    tell(w, &w->ready);
}

/* On the pool's loop; the opening may be through already. */
static void on_cancel(struct sb_task *task) {
    struct waiter *w = SB_CONTAINER(task, struct waiter, open.cancel);
    struct pool *p = w->open.pool;
    if (p && p->workers[0].proc) {
        sb_errctx_reset(&p->last_failure);
        sb_fail(&p->last_failure, SB_E_CLOSED, "the program stops");
        kill_worker(&p->workers[0], "the program stops");
    }
    tell(w, &w->cancelled);
}

/* Until the model is open, or that has failed or was given up. */
static void wait_open(struct waiter *w, const _Atomic bool *stop) {
    static const int64_t LOOK_NS = 50 * SB_MS;
    bool cancel = false;
    sb_mutex_lock(&w->m);
    while (!w->ready || w->cancelled != cancel) {
        if (cancel || !stop) {
            sb_cond_wait(&w->c, &w->m);
        } else if (*stop && !w->ready) {
            cancel = true;
            sb_mutex_unlock(&w->m);
            w->open.cancel.fn = on_cancel;
            sb_loop_post(w->open.loop, &w->open.cancel);
            sb_mutex_lock(&w->m);
        } else {
            sb_cond_wait_until(&w->c, &w->m, sb_mono_ns() + LOOK_NS);
        }
    }
    sb_mutex_unlock(&w->m);
}

sb_err sb_worker_model_load(struct sb_model **out, const char *model_dir,
                            const struct sb_worker_opts *opts, struct sb_signature *signature,
                            const struct sb_model_info *info, struct sb_errctx *ctx) {
    struct waiter w = {.open.ready = on_opened};
    sb_mutex_init(&w.m);
    sb_cond_init(&w.c);
    sb_worker_model_open(&w.open, model_dir, opts, signature, info);
    wait_open(&w, opts->stop);
    sb_cond_fini(&w.c);
    sb_mutex_fini(&w.m);
    if (w.open.err) return sb_fail(ctx, w.open.err, "%s", w.open.ctx.msg);
    *out = w.open.model;
    return SB_OK;
}

/* ---- what others see; any thread ---- */

/* Resident bytes of a process: the second number of /proc/PID/statm, in pages of 4 KiB. */
static int64_t resident(int pid) {
    char path[40];
    struct sb_buf b;
    sb_buf_init(&b, 4096);
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    int64_t pages = 0;
    if (pid && sb_file_read_all(path, &b, NULL) == SB_OK) {
        struct sb_str rest = sb_buf_view(&b), part;
        sb_str_split(&rest, ' ', &part);
        if (sb_str_split(&rest, ' ', &part)) sb_str_to_i64(part, &pages);
    }
    sb_buf_fini(&b);
    return pages * 4096;
}

static size_t pool_memory(void *self) {
    struct pool *p = self;
    size_t n = 0;
    for (int i = 0; i < p->nworkers; i++) n += (size_t)resident(atomic_load(&p->workers[i].pid));
    return n;
}

static int64_t pool_cpu_ns(void *self) {
    struct pool *p = self;
    int64_t n = 0;
    for (int i = 0; i < p->nworkers; i++) {
        int pid = atomic_load(&p->workers[i].pid);
        if (pid) n += sb_process_cpu_ns(pid);
    }
    return n;
}

static int64_t pool_restarts(void *self) {
    struct pool *p = self;
    int64_t n = 0;
    for (int i = 0; i < p->nworkers; i++) n += atomic_load(&p->workers[i].restarts);
    return n;
}

static void pool_describe(void *self, struct sb_buf *out) {
    struct pool *p = self;
    struct sb_json_writer w = {.b = out};
    sb_json_obj(&w, NULL);
    sb_json_str(&w, "backend", SB_STR("python"));
    sb_json_str(&w, "environment", sb_str_of(p->environment));
    sb_json_str(&w, "interpreter", sb_str_of(p->python));
    sb_json_arr(&w, "workers");
    for (int i = 0; i < p->nworkers; i++) {
        struct worker *x = &p->workers[i];
        int pid = atomic_load(&x->pid);
        sb_json_obj(&w, NULL);
        sb_json_int(&w, "pid", pid);
        sb_json_str(&w, "state", sb_str_of(STATE_NAMES[state_of(x)]));
        sb_json_int(&w, "restarts", atomic_load(&x->restarts));
        sb_json_int(&w, "rss", resident(pid));
        sb_json_end(&w);
    }
    sb_json_end(&w);
    sb_json_int(&w, "waiting", (int64_t)atomic_load(&p->waiting));
    sb_json_int(&w, "waiting_rows", (int64_t)atomic_load(&p->waiting_rows));
    sb_json_int(&w, "calls", (int64_t)atomic_load(&p->calls));
    sb_json_int(&w, "merged_requests", (int64_t)atomic_load(&p->merged));
    sb_json_int(&w, "answered", (int64_t)atomic_load(&p->answered));
    sb_json_int(&w, "failed", (int64_t)atomic_load(&p->failed));
    sb_json_int(&w, "timeouts", (int64_t)atomic_load(&p->timeouts));
    sb_json_bool(&w, "proba", p->proba);
    if (p->facts) sb_json_raw(&w, "model", sb_str_of(p->facts));
    sb_json_end(&w);
}

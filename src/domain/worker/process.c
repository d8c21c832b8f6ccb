#include "domain/worker/process.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/proc.h"

enum {
    FD_STDOUT = 1,
    FD_STDERR = 2,
    FD_SOCKET = 3,
    OUTPUT_LINE = 2048,   /* bytes of one log line; longer ones are cut in pieces */
    KILL_AFTER_MS = 1000, /* from stop to SIGKILL */
    DRAIN_MS = 200,       /* what is still in the pipes when the process has ended */
};

/* Output of the model, cut into lines. */
struct output {
    struct sb_worker_proc *owner;
    struct sb_pipe *pipe;
    const char *stream;
    size_t n;
    char line[OUTPUT_LINE];
};

struct sb_worker_proc {
    struct sb_worker_proc_opts o;
    struct sb_proc *proc; /* NULL once it has ended */
    struct sb_pipe *socket;
    struct output out[2];
    struct sb_timer timer;
    /* the frame being received */
    uint32_t head[2];
    size_t have; /* bytes of head, then of body */
    struct sb_frame_body *body;
    bool broken; /* it broke the protocol: nothing more is read */
    char how[64];
};

void sb_frame_body_unref(struct sb_frame_body *b) {
    if (b && sb_refs_put(&b->refs)) sb_free(b);
}

/* ---- what it prints ---- */

static void log_line(struct output *out) {
    const struct sb_worker_proc_opts *o = &out->owner->o;
    if (out->n)
        SB_LOG(SB_LOG_INFO, "model", "output", SB_KS("model", o->name),
               SB_KS("version", o->version), SB_KI("pid", sb_worker_proc_pid(out->owner)),
               SB_KS("stream", out->stream), SB_KV("text", sb_str_make(out->line, out->n)));
    out->n = 0;
}

static void end_if_through(struct sb_worker_proc *w);

static void on_output(struct sb_pipe *p, void *arg, struct sb_str bytes) {
    struct output *out = arg;
    if (!bytes.p) {
        log_line(out);
        out->pipe = NULL;
        sb_pipe_close(p);
        end_if_through(out->owner);
        return;
    }
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n') {
            log_line(out);
            continue;
        }
        if (out->n == OUTPUT_LINE) log_line(out);
        if (bytes.p[i] != '\r') out->line[out->n++] = bytes.p[i];
    }
}

/* ---- what it answers ---- */

static void fail_protocol(struct sb_worker_proc *w, const char *why) {
    SB_LOG(SB_LOG_ERROR, "worker", "protocol broken", SB_KS("model", w->o.name),
           SB_KS("version", w->o.version), SB_KS("why", why),
           SB_KS("next", "the worker is killed"));
    w->broken = true;
    sb_worker_proc_kill(w);
}

static bool begin_body(struct sb_worker_proc *w) {
    if (w->head[0] > SB_FRAME_MAX) {
        fail_protocol(w, "a frame is too long");
        return false;
    }
    w->body = sb_try_alloc(sizeof *w->body + w->head[0]);
    if (!w->body) {
        fail_protocol(w, "no memory for a frame");
        return false;
    }
    sb_refs_init(&w->body->refs);
    w->body->n = w->head[0];
    w->have = 0;
    return true;
}

/* Takes bytes off *in up to the end of a head or body; true when a whole frame is there. */
static bool take_frame(struct sb_worker_proc *w, struct sb_str *in) {
    if (!w->body) {
        size_t n = sizeof w->head - w->have < in->n ? sizeof w->head - w->have : in->n;
        memcpy((char *)w->head + w->have, in->p, n);
        w->have += n;
        *in = sb_str_sub(*in, n, in->n - n);
        if (w->have < sizeof w->head || !begin_body(w)) return false;
    }
    size_t n = w->body->n - w->have < in->n ? w->body->n - w->have : in->n;
    if (n) memcpy(w->body->bytes + w->have, in->p, n);
    w->have += n;
    *in = sb_str_sub(*in, n, in->n - n);
    return w->have == w->body->n;
}

static void on_socket(struct sb_pipe *p, void *arg, struct sb_str bytes) {
    struct sb_worker_proc *w = arg;
    if (!bytes.p) {
        w->socket = NULL;
        sb_pipe_close(p);
        end_if_through(w);
        return;
    }
    while (bytes.n && !w->broken) {
        if (!take_frame(w, &bytes)) continue;
        struct sb_frame_body *body = w->body;
        w->body = NULL;
        w->have = 0;
        w->o.on_frame(w->o.arg, w->head[1], body);
        sb_frame_body_unref(body);
    }
}

/* ---- its end ---- */

static void finish(struct sb_worker_proc *w) {
    sb_timer_stop(&w->timer);
    for (int i = 0; i < 2; i++) {
        log_line(&w->out[i]);
        sb_pipe_close(w->out[i].pipe);
    }
    sb_pipe_close(w->socket);
    sb_frame_body_unref(w->body);
    w->o.on_end(w->o.arg, w->how);
    sb_free(w);
}

static void end_if_through(struct sb_worker_proc *w) {
    if (!w->proc && w->how[0] && !w->socket && !w->out[0].pipe && !w->out[1].pipe) finish(w);
}

static void on_drained(struct sb_timer *t) {
    finish(SB_CONTAINER(t, struct sb_worker_proc, timer));
}

static void on_exit_fn(struct sb_proc *p, void *arg, int64_t status, int sig) {
    SB_UNUSED(p);
    struct sb_worker_proc *w = arg;
    w->proc = NULL;
    if (sig)
        snprintf(w->how, sizeof w->how, "signal %d (%s)", sig, sigabbrev_np(sig));
    else
        snprintf(w->how, sizeof w->how, "exit status %lld", (long long)status);
    w->timer.fn = on_drained;
    sb_timer_start(&w->timer, w->o.loop, DRAIN_MS * SB_MS, 0);
}

static void on_stop_timeout(struct sb_timer *t) {
    sb_worker_proc_kill(SB_CONTAINER(t, struct sb_worker_proc, timer));
}

void sb_worker_proc_stop(struct sb_worker_proc *w) {
    sb_pipe_close(w->socket);
    w->socket = NULL;
    if (!w->proc) return;
    w->timer.fn = on_stop_timeout;
    sb_timer_start(&w->timer, w->o.loop, KILL_AFTER_MS * SB_MS, 0);
}

void sb_worker_proc_kill(struct sb_worker_proc *w) {
    if (w->proc) sb_proc_kill(w->proc, SIGKILL);
}

int sb_worker_proc_pid(const struct sb_worker_proc *w) {
    return w->proc ? sb_proc_pid(w->proc) : 0;
}

void sb_worker_proc_send(struct sb_worker_proc *w, char *bytes, size_t n) {
    if (w->socket)
        sb_pipe_write(w->socket, bytes, n);
    else
        sb_free(bytes);
}

/* ---- its start ---- */

static sb_err open_pipes(struct sb_worker_proc *w) {
    static const char *const NAMES[] = {"stdout", "stderr"};
    for (int i = 0; i < 2; i++) {
        w->out[i] = (struct output){.owner = w, .stream = NAMES[i]};
        SB_TRY(sb_pipe_new(&w->out[i].pipe, w->o.loop, on_output, &w->out[i]));
    }
    return sb_pipe_new(&w->socket, w->o.loop, on_socket, w);
}

static sb_err spawn(struct sb_worker_proc *w, struct sb_errctx *ctx) {
    char memory[24], parent[16], title[64], omp[40], blas[40], mkl[40];
    snprintf(memory, sizeof memory, "%lld", (long long)w->o.memory);
    snprintf(parent, sizeof parent, "%d", sb_proc_self_pid());
    snprintf(title, sizeof title, "%.40s/%.16s", w->o.name, w->o.version);
    snprintf(omp, sizeof omp, "OMP_NUM_THREADS=%d", w->o.threads);
    snprintf(blas, sizeof blas, "OPENBLAS_NUM_THREADS=%d", w->o.threads);
    snprintf(mkl, sizeof mkl, "MKL_NUM_THREADS=%d", w->o.threads);
    const char *argv[] = {w->o.python,
                          w->o.script,
                          "--model",
                          w->o.model_dir,
                          "--fd",
                          "3",
                          "--title",
                          title,
                          "--memory",
                          memory,
                          "--parent",
                          parent,
                          w->o.validate ? "--validate" : NULL,
                          NULL};
    const char *env[] = {omp, blas, mkl, "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1", NULL};
    struct sb_proc_opts po = {
        .argv = argv, .env = env, .group = true, .on_exit = on_exit_fn, .arg = w};
    po.fds[FD_STDOUT] = w->out[0].pipe;
    po.fds[FD_STDERR] = w->out[1].pipe;
    po.fds[FD_SOCKET] = w->socket;
    return sb_proc_spawn(&w->proc, w->o.loop, &po, ctx);
}

sb_err sb_worker_proc_start(struct sb_worker_proc **out, const struct sb_worker_proc_opts *o,
                            struct sb_errctx *ctx) {
    struct sb_worker_proc *w = sb_calloc(1, sizeof *w);
    w->o = *o;
    sb_err err = open_pipes(w);
    if (!err) err = spawn(w, ctx);
    if (err) {
        sb_pipe_close(w->out[0].pipe);
        sb_pipe_close(w->out[1].pipe);
        sb_pipe_close(w->socket);
        sb_free(w);
        return err;
    }
    *out = w;
    return SB_OK;
}

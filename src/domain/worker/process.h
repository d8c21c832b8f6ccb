/* One worker process: its start, its frames, its output, its end. On its loop only. */
#ifndef SB_DOMAIN_WORKER_PROCESS_H
#define SB_DOMAIN_WORKER_PROCESS_H

#include "base/err.h"
#include "base/str.h"
#include "base/thread.h"
#include "domain/worker/frame.h"
#include "loop/loop.h"

/* A frame's body as received; shared with the loops that decode their part of it. */
struct sb_frame_body {
    struct sb_refs refs;
    size_t n;
    char bytes[];
};
static inline struct sb_str sb_frame_body_view(const struct sb_frame_body *b) {
    return sb_str_make(b->bytes, b->n);
}
void sb_frame_body_unref(struct sb_frame_body *b); /* NULL is fine; any thread */

struct sb_worker_proc;

struct sb_worker_proc_opts {
    struct sb_loop *loop;
    const char *python, *script, *model_dir;
    const char *name, *version; /* for the log; borrowed until on_end */
    int threads;
    int64_t memory;
    bool validate;
    /* A whole frame. The callee may take a reference. */
    void (*on_frame)(void *arg, uint32_t kind, struct sb_frame_body *body);
    /* Once, after everything it sent; how is "exit status 1" or "signal 9 (SIGKILL)". The process
     * object is freed after it. */
    void (*on_end)(void *arg, const char *how);
    void *arg;
};

SB_MUST_CHECK sb_err sb_worker_proc_start(struct sb_worker_proc **out,
                                          const struct sb_worker_proc_opts *o,
                                          struct sb_errctx *ctx);
int sb_worker_proc_pid(const struct sb_worker_proc *p);
/* Takes over bytes (sb_free). */
void sb_worker_proc_send(struct sb_worker_proc *p, char *bytes, size_t n);
/* Asks it to end: closes the socket, kills it a second later. on_end follows. */
void sb_worker_proc_stop(struct sb_worker_proc *p);
void sb_worker_proc_kill(struct sb_worker_proc *p);

#endif

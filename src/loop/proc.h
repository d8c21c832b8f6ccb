/* Child processes of a loop.
 *
 * Thread rule: the loop's own thread. SIGCHLD must not be blocked in every thread of the process.
 * A child may ask to die with the thread that spawned it (PR_SET_PDEATHSIG): that is the loop's. */
#ifndef SB_LOOP_PROC_H
#define SB_LOOP_PROC_H

#include "loop/loop.h"
#include "loop/pipe.h"

struct sb_proc;

enum { SB_PROC_FDS = 8 };

/* Nothing is kept after the call but on_exit and arg. */
struct sb_proc_opts {
    const char *const *argv; /* argv[0] is looked up in PATH; NULL at the end */
    const char *const *env;  /* "NAME=value", added to ours (replacing); NULL = none */
    const char *cwd;         /* NULL = ours */
    const char *file;        /* the program; NULL = argv[0] */
    bool share_output;       /* 1 and 2 without a pipe are ours, not /dev/null */
    bool group; /* a session of its own: kill reaches its children too, a terminal's Ctrl-C not */
    struct sb_pipe *fds[SB_PROC_FDS]; /* the child's descriptor i; NULL: 0-2 are /dev/null, others
                                         closed */
    /* Once, when it has ended: exit status, or the signal that ended it. p is freed after it. */
    void (*on_exit)(struct sb_proc *p, void *arg, int64_t status, int signal);
    void *arg;
};

/* On failure the pipes stay the caller's to close. SB_E_MISSING: no such program. */
SB_MUST_CHECK sb_err sb_proc_spawn(struct sb_proc **out, struct sb_loop *l,
                                   const struct sb_proc_opts *o, struct sb_errctx *ctx);
int sb_proc_pid(const struct sb_proc *p);
/* Also its children when it has a group. Not after on_exit. */
void sb_proc_kill(struct sb_proc *p, int signal);

/* This process. Any thread. */
int sb_proc_self_pid(void);

#endif

/* Running a program to its end and taking what it printed. Blocking: for pool threads and command
 * lines. Long-lived children belong to the loop. */
#ifndef SB_SYS_CHILD_H
#define SB_SYS_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct sb_child_end {
    int status;     /* exit status; -1 when a signal ended it */
    int signal;     /* that signal, or 0 */
    bool timed_out; /* it was killed at the deadline */
};

/* argv ends with NULL; argv[0] is a path, or a name that is looked up in PATH. Its standard input
 * is empty, its standard output is appended to out (more than out may hold: the child is killed,
 * SB_E_LIMIT), its standard error is ours. It gets default signal handling, and no file that is
 * close-on-exec. SB_OK says that it ran, not how it ended. */
SB_MUST_CHECK sb_err sb_child_run(const char *const *argv, int64_t timeout_ns, struct sb_buf *out,
                                  struct sb_child_end *end, struct sb_errctx *ctx);

/* The same with more wishes; zero is none. */
struct sb_child_opts {
    const char *const *argv; /* argv[0] is looked up in PATH */
    int64_t timeout_ns;
    const _Atomic bool
        *stop;       /* once true the child is killed: SB_E_CLOSED. Looked at every 50 ms */
    bool group;      /* in a session of its own, which is killed with it */
    bool errors_too; /* standard error goes the way of standard output */
    /* What it prints, line by line without their ends, the last one too (cut at 1,000 bytes);
     * instead of the buffer. */
    void (*on_line)(void *arg, struct sb_str line);
    void *arg;
};
SB_MUST_CHECK sb_err sb_child_run_with(const struct sb_child_opts *o, struct sb_buf *out,
                                       struct sb_child_end *end, struct sb_errctx *ctx);

#endif

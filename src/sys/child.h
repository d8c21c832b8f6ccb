/* Running a program to its end and taking what it printed. Blocking: for pool threads and command
 * lines. Long-lived children belong to the loop. */
#ifndef SB_SYS_CHILD_H
#define SB_SYS_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

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

#endif

/* Giving rights away, for a process that reads files from outside: limits on what it may use, a
 * file system cut down to one folder, and a list of system calls beyond which the kernel ends it.
 * None of it can be undone; call it before the first byte from outside is looked at. The process's
 * only thread. */
#ifndef SB_SYS_SANDBOX_H
#define SB_SYS_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct sb_sandbox {
    uint64_t address_space; /* bytes */
    uint64_t cpu_seconds;
    uint64_t file_bytes; /* largest file it may write */
    uint64_t open_files;
    const char *readable; /* the folder below which files may be opened, for reading */
};

/* Core dumps are off; network, new processes, exec and executable memory are refused (SIGSYS).
 * Files that are open already stay usable. Where the kernel has no Landlock (before 5.13) the
 * folder is not enforced. In builds with sanitizers, which need what is forbidden here, only the
 * limits on CPU, files and core dumps are set. */
SB_MUST_CHECK sb_err sb_sandbox_enter(const struct sb_sandbox *s, struct sb_errctx *ctx);

/* The limits alone. */
SB_MUST_CHECK sb_err sb_sandbox_limits(const struct sb_sandbox *s, struct sb_errctx *ctx);

#endif

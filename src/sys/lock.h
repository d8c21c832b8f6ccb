/* One owner per data folder: a lock file that names its holder.
 *
 * The lock is the kernel's (an open-file-description lock): it ends with the process however that
 * ends, so a file left by kill -9 is free, and a copied folder is not locked. The text in the file,
 * "PID COMMAND", is only for people. */
#ifndef SB_SYS_LOCK_H
#define SB_SYS_LOCK_H

#include "sys/file.h"

struct sb_lock {
    struct sb_file file;
};

/* Creates the file when missing. SB_E_LOCKED: the message names pid and command of the holder. */
SB_MUST_CHECK sb_err sb_lock_take(struct sb_lock *l, const char *path, struct sb_errctx *ctx);
void sb_lock_release(struct sb_lock *l);

/* Whether some process holds the lock now; needs read access only and takes nothing. f: the lock
 * file, opened by the caller. */
bool sb_lock_held(const struct sb_file *f);

#endif

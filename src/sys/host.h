/* What the machine offers, for checks that tell a person what is wrong with it. Any thread; nothing
 * is changed. */
#ifndef SB_SYS_HOST_H
#define SB_SYS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sb_host_fs {
    const char *type; /* "ext4"; "unknown" when it is none we know by name */
    bool memory;      /* gone after a restart: tmpfs, ramfs */
    bool network;     /* NFS, SMB, FUSE: locks and syncs are another machine's word */
    bool layer;       /* overlay: of a container, gone with it */
    bool read_only;
    int64_t free_bytes, free_files; /* for this user; free_files < 0: no fixed number */
};
/* Of the file system that holds path. */
SB_MUST_CHECK sb_err sb_host_fs_get(const char *path, struct sb_host_fs *out,
                                    struct sb_errctx *ctx);

/* Whether this user may write there. */
bool sb_host_may_write(const char *path);
/* The file that a program's name means, as a shell finds it; false when there is none. */
bool sb_host_find_program(const char *name, char *to, size_t n);
/* Effective user id of this process. */
uint32_t sb_host_user(void);

/* Whether the kernel's clock is kept right by somebody (NTP, PTP, the hypervisor). */
bool sb_host_clock_synchronised(void);
/* Memory that can be had without swapping, in bytes, also by the limit of our cgroup; 0 when it
 * cannot be told. */
int64_t sb_host_memory_available(void);
/* Files that one process may have open at most. */
int64_t sb_host_open_files_max(void);

#endif

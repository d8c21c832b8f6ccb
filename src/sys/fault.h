/* Fault points: every storage call of the program passes one hook before it reaches the kernel.
 *
 * Tests set the hook to fail the k-th call, to cut it short, or to record a trace from which all
 * states a power cut may leave are made. In production it is NULL and costs one load. Set it while
 * no other thread is in sys/; the hook itself is called from any thread and may use plain system
 * calls, but not sys/. */
#ifndef SB_SYS_FAULT_H
#define SB_SYS_FAULT_H

#include <stddef.h>
#include <stdint.h>

enum sb_sys_kind {
    SB_SYS_OPEN, /* also creates; arg: SB_OPEN_ flags */
    SB_SYS_PREAD,
    SB_SYS_PWRITE,
    SB_SYS_FDATASYNC,
    SB_SYS_FSYNC, /* of a file */
    SB_SYS_SYNCDIR,
    SB_SYS_FTRUNCATE, /* arg: new size */
    SB_SYS_FALLOCATE, /* arg: new size */
    SB_SYS_RENAME,
    SB_SYS_LINK,
    SB_SYS_UNLINK,
    SB_SYS_MKDIR,
    SB_SYS_RMDIR,
    SB_SYS_READDIR,
    SB_SYS_STAT,
    SB_SYS_LOCK,
    SB_SYS_MMAP,
    SB_SYS_KIND_COUNT
};

struct sb_sys_op {
    enum sb_sys_kind kind;
    const char *path, *path2; /* path2: the new name of rename and link */
    int fd;                   /* -1 when the call has none */
    const void *data;         /* PWRITE: the bytes */
    size_t len;               /* PREAD, PWRITE: the hook may lower it to cut the call short */
    int64_t off;
    int64_t arg;
};

struct sb_sys_hook {
    /* 0: go on; else the errno the call fails with, without being made */
    int (*call)(void *self, struct sb_sys_op *op);
    void *self;
};

/* NULL = none. The struct stays the caller's. */
void sb_sys_fault_hook(const struct sb_sys_hook *hook);

/* For sys/ itself. */
int sb_sys_fault(struct sb_sys_op *op);

const char *sb_sys_kind_name(enum sb_sys_kind kind);

#endif

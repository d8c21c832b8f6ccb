#include "sys/fault.h"

#include "base/compiler.h"

static const struct sb_sys_hook *current; /* atomic access only */

void sb_sys_fault_hook(const struct sb_sys_hook *hook) {
    __atomic_store_n(&current, hook, __ATOMIC_SEQ_CST);
}

int sb_sys_fault(struct sb_sys_op *op) {
    const struct sb_sys_hook *h = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
    return SB_LIKELY(!h) ? 0 : h->call(h->self, op);
}

const char *sb_sys_kind_name(enum sb_sys_kind kind) {
    static const char *const names[SB_SYS_KIND_COUNT] = {
        "open",      "pread",     "pwrite", "fdatasync", "fsync",  "syncdir",
        "ftruncate", "fallocate", "rename", "link",      "unlink", "mkdir",
        "rmdir",     "readdir",   "stat",   "lock",      "mmap",
    };
    return (unsigned)kind < SB_SYS_KIND_COUNT ? names[kind] : "?";
}

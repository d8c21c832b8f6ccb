#include "sys/mmap.h"

#include <errno.h>
#include <sys/mman.h>

#include "sys/fault.h"

sb_err sb_mmap_open(struct sb_mmap *out, const struct sb_file *f, size_t n, bool write,
                    struct sb_errctx *ctx) {
    int64_t size;
    SB_TRY(sb_file_size(f, &size, ctx));
    if (!n) n = (size_t)size;
    if ((int64_t)n > size)
        return sb_fail(ctx, SB_E_CORRUPT, "%s: %lld bytes, expected %zu", f->path, (long long)size,
                       n);
    if (!n) {
        *out = (struct sb_mmap){NULL, 0};
        return SB_OK;
    }
    int e;
    void *p = NULL;
    struct sb_sys_op op = {.kind = SB_SYS_MMAP, .path = f->path, .fd = f->fd, .len = n};
    do {
        e = sb_sys_fault(&op);
        if (e) continue;
        p = mmap(NULL, n, write ? PROT_READ | PROT_WRITE : PROT_READ,
                 write ? MAP_SHARED : MAP_PRIVATE, f->fd, 0);
        if (p == MAP_FAILED) e = errno;
    } while (e == EINTR);
    if (e) return sb_fail_errno(ctx, e, "%s: map", f->path);
    *out = (struct sb_mmap){p, n};
    return SB_OK;
}

void sb_mmap_close(struct sb_mmap *m) {
    if (m->p) munmap(m->p, m->n);
    *m = (struct sb_mmap){NULL, 0};
}

/* Files in memory. Reading a page that the disk cannot deliver, or past an end that somebody cut,
 * raises SIGBUS: map only files whose owner never shortens them. */
#ifndef SB_SYS_MMAP_H
#define SB_SYS_MMAP_H

#include "sys/file.h"

struct sb_mmap {
    void *p; /* NULL for an empty file */
    size_t n;
};

/* The first n bytes of f (0 = the whole file as it is now), page aligned. write: shared and
 * writable, changes go to the file; else read only. f may be closed afterwards. */
SB_MUST_CHECK sb_err sb_mmap_open(struct sb_mmap *out, const struct sb_file *f, size_t n,
                                  bool write, struct sb_errctx *ctx);
void sb_mmap_close(struct sb_mmap *m);

#endif

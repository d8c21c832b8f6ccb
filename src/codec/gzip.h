/* gzip (RFC 1952) by zlib, bounded in both directions. One thread per object. */
#ifndef SB_CODEC_GZIP_H
#define SB_CODEC_GZIP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Streaming reader; the output limit is the maximum of the buffers it appends to, and the total may
 * be at most `ratio` times the input so far (plus 64 KiB, so that small texts may be dense). */
struct sb_gunzip {
    void *stream;
    uint64_t in, out;
    uint32_t ratio; /* 0 = any */
    int phase;      /* internal */
};
/* SB_E_NOMEM. also_zlib: a zlib stream (RFC 1950, HTTP's "deflate") too. */
SB_MUST_CHECK sb_err sb_gunzip_init(struct sb_gunzip *g, uint32_t ratio, bool also_zlib);
/* Appends what the next piece of input holds. SB_E_LIMIT: over the buffer's maximum or the ratio;
 * SB_E_CORRUPT: not gzip, damaged, or bytes behind the end that start no further member. */
SB_MUST_CHECK sb_err sb_gunzip_add(struct sb_gunzip *g, struct sb_str in, struct sb_buf *to);
/* SB_E_CORRUPT when the input stopped short. */
SB_MUST_CHECK sb_err sb_gunzip_end(const struct sb_gunzip *g);
void sb_gunzip_fini(struct sb_gunzip *g);

/* Appends one member that holds `in`; level 1 (fast) to 9. The buffer's maximum must leave room for
 * the worst case, a little over in.n, else SB_E_LIMIT. */
SB_MUST_CHECK sb_err sb_gzip(struct sb_str in, int level, struct sb_buf *to);

#endif

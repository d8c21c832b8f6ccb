/* zstd frames (RFC 8878) by libzstd, bounded: the output never passes the buffer's maximum, and a
 * frame that wants a window over 8 MiB is refused. */
#ifndef SB_CODEC_ZSTD_H
#define SB_CODEC_ZSTD_H

#include "base/buf.h"

/* Working memory that is kept between calls; zero it to begin. One thread at a time. */
struct sb_zstd {
    void *compressor, *decompressor;
};
void sb_zstd_fini(struct sb_zstd *z);

/* Appends one frame that holds `in`. level 1 (fast) to 19. */
SB_MUST_CHECK sb_err sb_zstd_compress(struct sb_zstd *z, struct sb_str in, int level,
                                      struct sb_buf *to);
/* Appends what the frames in `in` hold. SB_E_LIMIT: more than to's maximum (a bomb); SB_E_CORRUPT:
 * not zstd, damaged or cut short. */
SB_MUST_CHECK sb_err sb_zstd_decompress(struct sb_zstd *z, struct sb_str in, struct sb_buf *to);

#endif

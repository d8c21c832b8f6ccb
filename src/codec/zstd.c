#include "codec/zstd.h"

#include <zstd.h>

enum { WINDOW_LOG_MAX = 23 };

void sb_zstd_fini(struct sb_zstd *z) {
    ZSTD_freeCCtx(z->compressor);
    ZSTD_freeDCtx(z->decompressor);
    *z = (struct sb_zstd){0};
}

sb_err sb_zstd_compress(struct sb_zstd *z, struct sb_str in, int level, struct sb_buf *to) {
    if (!z->compressor && !(z->compressor = ZSTD_createCCtx())) return SB_E_NOMEM;
    size_t room = ZSTD_compressBound(in.n);
    char *p = sb_buf_reserve(to, room);
    if (!p) return sb_buf_err(to);
    size_t n = ZSTD_compressCCtx(z->compressor, p, room, in.p, in.n, level);
    if (ZSTD_isError(n)) return SB_E_NOMEM; /* the room is enough by definition */
    sb_buf_commit(to, n);
    return SB_OK;
}

sb_err sb_zstd_decompress(struct sb_zstd *z, struct sb_str in, struct sb_buf *to) {
    if (!z->decompressor && !(z->decompressor = ZSTD_createDCtx())) return SB_E_NOMEM;
    ZSTD_DCtx *d = z->decompressor;
    ZSTD_DCtx_reset(d, ZSTD_reset_session_and_parameters);
    ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    ZSTD_inBuffer src = {in.p, in.n, 0};
    size_t state = 1, step = ZSTD_DStreamOutSize();
    for (;;) {
        size_t room = to->max - to->n < step ? to->max - to->n : step;
        char over, *p = room ? sb_buf_reserve(to, room) : &over;
        if (!p) return sb_buf_err(to);
        ZSTD_outBuffer dst = {p, room ? room : 1, 0};
        size_t eaten = src.pos;
        size_t more = ZSTD_decompressStream(d, &dst, &src);
        if (ZSTD_isError(more)) return SB_E_CORRUPT;
        /* a call that moved nothing only says how long a next frame's header is */
        if (src.pos != eaten || dst.pos) state = more;
        if (!room && dst.pos) return SB_E_LIMIT;
        if (room) sb_buf_commit(to, dst.pos);
        if (src.pos == src.size && dst.pos < dst.size) break;
        if (src.pos == eaten && dst.pos == 0) break;
    }
    return state == 0 && src.pos == src.size ? SB_OK : SB_E_CORRUPT;
}

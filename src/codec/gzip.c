#include "codec/gzip.h"

#include <limits.h>
#include <zlib.h>

#include "base/mem.h"

enum phase { START, INSIDE, BETWEEN }; /* of members */
enum { PIECE = 16 << 10, FREE_BYTES = 64 << 10 };

sb_err sb_gunzip_init(struct sb_gunzip *g, uint32_t ratio, bool also_zlib) {
    z_stream *z = sb_calloc(1, sizeof *z);
    if (inflateInit2(z, MAX_WBITS + (also_zlib ? 32 : 16)) != Z_OK) {
        sb_free(z);
        return SB_E_NOMEM;
    }
    *g = (struct sb_gunzip){.stream = z, .ratio = ratio, .phase = START};
    return SB_OK;
}

void sb_gunzip_fini(struct sb_gunzip *g) {
    if (g->stream) inflateEnd(g->stream);
    sb_free(g->stream);
    g->stream = NULL;
}

/* One call of inflate into room of the buffer; *n = bytes it gave. */
static sb_err step(struct sb_gunzip *g, struct sb_buf *to, size_t *n) {
    z_stream *z = g->stream;
    size_t room = to->max > to->n ? to->max - to->n : 0;
    if (room > PIECE) room = PIECE;
    uint8_t spare; /* with no room left, one byte tells whether there is more */
    char *p = room ? sb_buf_reserve(to, room) : (char *)&spare;
    if (!p) return sb_buf_err(to);
    size_t size = room ? room : 1;
    z->next_out = (Bytef *)p;
    z->avail_out = (uInt)size;
    int rc = inflate(z, Z_NO_FLUSH);
    *n = size - z->avail_out;
    if (!room && *n) return SB_E_LIMIT;
    sb_buf_commit(to, *n);
    if (rc == Z_STREAM_END) {
        g->phase = BETWEEN;
    } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
        return rc == Z_MEM_ERROR ? SB_E_NOMEM : SB_E_CORRUPT;
    }
    return SB_OK;
}

sb_err sb_gunzip_add(struct sb_gunzip *g, struct sb_str in, struct sb_buf *to) {
    z_stream *z = g->stream;
    const char *from = in.p;
    size_t left = in.n;
    bool full = false; /* the last step filled its room: there may be more */
    while (left || full) {
        if (g->phase == BETWEEN) {
            if (!left) break;
            if (inflateReset(z) != Z_OK) return SB_E_CORRUPT;
        }
        if (left) g->phase = INSIDE;
        uInt part = left > INT_MAX ? INT_MAX : (uInt)left;
        z->next_in = (Bytef *)(uintptr_t)from;
        z->avail_in = part;
        size_t n = 0;
        SB_TRY(step(g, to, &n));
        size_t used = part - z->avail_in;
        from += used;
        left -= used;
        g->in += used;
        g->out += n;
        full = z->avail_out == 0;
        if (g->ratio && g->out > g->in * g->ratio + FREE_BYTES) return SB_E_LIMIT;
        if (!used && !n && left && g->phase == INSIDE) return SB_E_CORRUPT;
    }
    return SB_OK;
}

sb_err sb_gunzip_end(const struct sb_gunzip *g) {
    return g->phase == BETWEEN ? SB_OK : SB_E_CORRUPT;
}

sb_err sb_gzip(struct sb_str in, int level, struct sb_buf *to) {
    if (in.n > INT_MAX) return SB_E_LIMIT;
    z_stream z = {0};
    if (deflateInit2(&z, level, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return SB_E_NOMEM;
    size_t room = deflateBound(&z, (uLong)in.n);
    char *p = sb_buf_reserve(to, room);
    sb_err err = p ? SB_OK : sb_buf_err(to);
    if (p) {
        z.next_in = (Bytef *)(uintptr_t)in.p;
        z.avail_in = (uInt)in.n;
        z.next_out = (Bytef *)p;
        z.avail_out = (uInt)room;
        int rc = deflate(&z, Z_FINISH);
        SB_ASSERT(rc == Z_STREAM_END); /* deflateBound is enough for one call */
        sb_buf_commit(to, room - z.avail_out);
    }
    deflateEnd(&z);
    return err;
}

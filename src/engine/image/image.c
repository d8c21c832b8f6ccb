#include "engine/image/image.h"

#include <xxhash.h>

#include "base/cursor.h"

static const char magic[8] = {'S', 'B', 'M', 'O', 'D', 'E', 'L', '\n'};

static void put_u32(char *p, uint32_t v) {
    memcpy(p, &v, sizeof v);
}
static void put_u64(char *p, uint64_t v) {
    memcpy(p, &v, sizeof v);
}

void sb_image_writer_init(struct sb_image_writer *w, size_t max) {
    *w = (struct sb_image_writer){.n = 0};
    sb_buf_init(&w->out, max);
    /* header and a full table; rows not used stay zero */
    for (int i = 0; i < SB_IMAGE_HEADER + SB_IMAGE_ENTRY * SB_IMAGE_SECTIONS_MAX; i++)
        sb_buf_addc(&w->out, 0);
}

void sb_image_writer_fini(struct sb_image_writer *w) {
    sb_buf_fini(&w->out);
}

static void close_section(struct sb_image_writer *w) {
    if (w->in_section) w->sections[w->n - 1].length = w->out.n - w->sections[w->n - 1].offset;
    w->in_section = false;
    while (w->out.n % SB_IMAGE_ALIGN && w->out.err == SB_OK) sb_buf_addc(&w->out, 0);
}

void sb_image_begin(struct sb_image_writer *w, enum sb_image_section id) {
    SB_ASSERT(w->n < SB_IMAGE_SECTIONS_MAX && id > 0 && (int)id < SB_IMAGE_SECTIONS_MAX);
    close_section(w);
    w->sections[w->n].id = id;
    w->sections[w->n].offset = w->out.n;
    w->n++;
    w->in_section = true;
}

/* The header's checksum covers header and table with its own field as zero. */
static uint64_t head_sum(const char *head) {
    char copy[SB_IMAGE_HEADER + SB_IMAGE_ENTRY * SB_IMAGE_SECTIONS_MAX];
    memcpy(copy, head, sizeof copy);
    put_u64(copy + 32, 0);
    return XXH3_64bits(copy, sizeof copy);
}

sb_err sb_image_finish(struct sb_image_writer *w, struct sb_str *file) {
    close_section(w);
    SB_TRY(sb_buf_err(&w->out));
    char *p = w->out.p;
    memcpy(p, magic, sizeof magic);
    put_u32(p + 8, SB_IMAGE_VERSION);
    put_u32(p + 12, (uint32_t)w->n);
    put_u64(p + 16, w->out.n);
    for (size_t i = 0; i < w->n; i++) {
        char *row = p + SB_IMAGE_HEADER + SB_IMAGE_ENTRY * i;
        put_u32(row, w->sections[i].id);
        put_u64(row + 8, w->sections[i].offset);
        put_u64(row + 16, w->sections[i].length);
        put_u64(row + 24, XXH3_64bits(p + w->sections[i].offset, w->sections[i].length));
    }
    put_u64(p + 32, head_sum(p));
    *file = sb_buf_view(&w->out);
    return SB_OK;
}

static sb_err damaged(struct sb_errctx *ctx, uint64_t pos, const char *what) {
    (void)sb_fail_at(ctx, SB_E_CORRUPT, (int64_t)pos, "damaged model image: %s", what);
    return SB_E_CORRUPT;
}

sb_err sb_image_open(struct sb_image *out, struct sb_str file, struct sb_errctx *ctx) {
    const size_t head = SB_IMAGE_HEADER + SB_IMAGE_ENTRY * SB_IMAGE_SECTIONS_MAX;
    struct sb_image img = {0};
    struct sb_cursor c = sb_cursor_of(file.p, file.n);
    const uint8_t *m = sb_cursor_take(&c, sizeof magic);
    if (!m || memcmp(m, magic, sizeof magic) != 0) return damaged(ctx, 0, "no magic");
    uint32_t version = sb_cursor_le32(&c), n = sb_cursor_le32(&c);
    uint64_t length = sb_cursor_le64(&c);
    (void)sb_cursor_le64(&c);
    uint64_t sum = sb_cursor_le64(&c);
    if (version < 1 || version > SB_IMAGE_VERSION)
        return sb_fail_at(ctx, SB_E_VERSION, 8, "model image of version %u, this reads 1 to %d",
                          version, SB_IMAGE_VERSION);
    if (length != file.n || file.n < head) return damaged(ctx, 16, "length");
    if (n > SB_IMAGE_SECTIONS_MAX) return damaged(ctx, 12, "number of sections");
    if (head_sum(file.p) != sum) return damaged(ctx, 32, "checksum of the header");
    c = sb_cursor_of(file.p, file.n);
    (void)sb_cursor_take(&c, SB_IMAGE_HEADER);
    uint64_t end = head;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = sb_cursor_pos(&c);
        uint32_t id = sb_cursor_le32(&c);
        (void)sb_cursor_le32(&c);
        uint64_t offset = sb_cursor_le64(&c), len = sb_cursor_le64(&c), xxh = sb_cursor_le64(&c);
        if (id == 0 || id >= SB_IMAGE_SECTIONS_MAX || img.section[id].p)
            return damaged(ctx, at, "section id");
        if (offset % SB_IMAGE_ALIGN || offset < end || offset > file.n || len > file.n - offset)
            return damaged(ctx, at, "section outside the file or over another");
        if (XXH3_64bits(file.p + offset, len) != xxh) return damaged(ctx, offset, "checksum");
        img.section[id] = sb_str_make(file.p + offset, len);
        end = offset + len;
    }
    *out = img;
    return SB_OK;
}

#include "engine/journal/index_int.h"

#include "base/mem.h"
#include "codec/crc32c.h"

enum { HEADER = 56, ENTRY = 24, ENTRIES_MAX = 1 << 20 };
static const char index_magic[8] = "SBJIDX1";

void sb_index_fini(struct sb_index *x) {
    sb_free(x->entry);
    *x = (struct sb_index){0};
}

static struct sb_index_entry *push(struct sb_index *x) {
    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 64;
        x->entry = sb_realloc(x->entry, x->cap * sizeof *x->entry);
    }
    return &x->entry[x->n++];
}

void sb_index_add(struct sb_index *x, int64_t pos, const struct sb_batch *b) {
    struct sb_index_entry *last = x->n ? &x->entry[x->n - 1] : NULL;
    if (!last || pos - last->pos >= SB_INDEX_STRIDE) {
        last = push(x);
        *last = (struct sb_index_entry){b->base, pos, b->max_ts};
    }
    if (b->max_ts > last->max_ts) last->max_ts = b->max_ts;
    if (x->n == 1 && last->pos == pos) x->max_ts = b->max_ts;
    if (b->max_ts > x->max_ts) x->max_ts = b->max_ts;
    x->next = b->base + b->count;
}

static void add64(struct sb_buf *b, int64_t v) {
    sb_buf_add(b, &v, sizeof v); /* little-endian hosts only, see base/cursor.h */
}

sb_err sb_index_save(const struct sb_index *x, const char *dir, struct sb_errctx *ctx) {
    struct sb_buf b;
    uint32_t count = (uint32_t)x->n;
    sb_buf_init(&b, HEADER + (size_t)ENTRY * ENTRIES_MAX + 4);
    sb_buf_add(&b, index_magic, 8);
    sb_buf_add(&b, &x->flags, 4);
    sb_buf_add(&b, &count, 4);
    add64(&b, x->base);
    add64(&b, x->next);
    add64(&b, x->segment_bytes);
    add64(&b, x->max_ts);
    add64(&b, SB_INDEX_STRIDE);
    for (size_t i = 0; i < x->n; i++) {
        add64(&b, x->entry[i].offset);
        add64(&b, x->entry[i].pos);
        add64(&b, x->entry[i].max_ts);
    }
    uint32_t crc = sb_crc32c(0, b.p, b.n);
    sb_buf_add(&b, &crc, 4);
    sb_err err = sb_buf_err(&b);
    char *path = sb_segment_path(dir, x->base, ".idx");
    if (!err) err = sb_file_replace(path, b.p, b.n, ctx);
    sb_free(path);
    sb_buf_fini(&b);
    return err;
}

sb_err sb_index_parse(struct sb_index *out, const void *p, size_t n) {
    if (n < HEADER + 4) return SB_E_CORRUPT;
    struct sb_cursor c = sb_cursor_of(p, n);
    struct sb_index x = {0};
    if (memcmp(sb_cursor_take(&c, 8), index_magic, 8)) return SB_E_CORRUPT;
    x.flags = sb_cursor_le32(&c);
    uint32_t count = sb_cursor_le32(&c);
    x.base = (int64_t)sb_cursor_le64(&c);
    x.next = (int64_t)sb_cursor_le64(&c);
    x.segment_bytes = (int64_t)sb_cursor_le64(&c);
    x.max_ts = (int64_t)sb_cursor_le64(&c);
    sb_cursor_le64(&c); /* stride: for people */
    if (count > ENTRIES_MAX || sb_cursor_left(&c) != (size_t)count * ENTRY + 4) return SB_E_CORRUPT;
    struct sb_cursor crc = sb_cursor_of((const char *)p + n - 4, 4);
    if (sb_cursor_le32(&crc) != sb_crc32c(0, p, n - 4)) return SB_E_CORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        struct sb_index_entry *e = push(&x);
        e->offset = (int64_t)sb_cursor_le64(&c);
        e->pos = (int64_t)sb_cursor_le64(&c);
        e->max_ts = (int64_t)sb_cursor_le64(&c);
    }
    *out = x;
    return SB_OK;
}

sb_err sb_index_load(struct sb_index *out, const char *dir, int64_t base, int64_t segment_bytes) {
    char *path = sb_segment_path(dir, base, ".idx");
    struct sb_buf b;
    struct sb_index x;
    sb_buf_init(&b, HEADER + (size_t)ENTRY * ENTRIES_MAX + 4);
    sb_err err = sb_file_read_all(path, &b, NULL);
    if (!err) err = sb_index_parse(&x, b.p, b.n);
    if (!err && (x.base != base || x.segment_bytes != segment_bytes)) {
        sb_index_fini(&x);
        err = SB_E_CORRUPT;
    }
    sb_buf_fini(&b);
    sb_free(path);
    if (!err) *out = x;
    return err;
}

int64_t sb_index_pos(const struct sb_index *x, int64_t offset, int64_t *at_offset) {
    size_t lo = 0, hi = x->n; /* the first entry with a larger offset */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (x->entry[mid].offset <= offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at_offset = lo ? x->entry[lo - 1].offset : x->base;
    return lo ? x->entry[lo - 1].pos : 0;
}

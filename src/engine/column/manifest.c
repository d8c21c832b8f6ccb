/* The manifest: one small file, replaced whole, that says which segments belong to the index, what
 * its fields are and which offsets it has seen. What it does not name does not count. */
#include <stdio.h>
#include <xxhash.h>

#include "base/cursor.h"
#include "engine/column/column_int.h"

enum { VERSION = 1, BYTES_MAX = 64 << 20 };
static const char magic[8] = {'S', 'B', 'C', 'O', 'L', 'I', 'X', '\n'};

void sb_column_manifest_fini(struct sb_column_manifest *m) {
    sb_column_ranges_fini(&m->seen);
    sb_free(m->rows);
    *m = (struct sb_column_manifest){0};
}

/* ---- writing ---- */

static void put_u32(struct sb_buf *b, uint32_t v) {
    sb_buf_add(b, &v, sizeof v);
}
static void put_u64(struct sb_buf *b, uint64_t v) {
    sb_buf_add(b, &v, sizeof v);
}

static void put(struct sb_buf *b, const struct sb_column_manifest *m,
                const struct sb_column_fields *fields) {
    sb_buf_add(b, magic, sizeof magic);
    put_u32(b, VERSION);
    put_u32(b, fields->n);
    put_u32(b, (uint32_t)m->seen.n);
    put_u32(b, m->nrows);
    put_u64(b, m->next_id);
    for (uint32_t i = 0; i < fields->n; i++) {
        uint16_t n = (uint16_t)fields->at[i].name.n;
        sb_buf_addc(b, (char)fields->at[i].type);
        sb_buf_add(b, &n, sizeof n);
        sb_buf_adds(b, fields->at[i].name);
    }
    for (size_t i = 0; i < m->seen.n; i++) {
        put_u64(b, (uint64_t)m->seen.at[i].first);
        put_u64(b, (uint64_t)m->seen.at[i].next);
    }
    for (uint32_t i = 0; i < m->nrows; i++) {
        put_u64(b, m->rows[i].id);
        put_u64(b, m->rows[i].sum);
        put_u64(b, (uint64_t)m->rows[i].first);
        put_u64(b, (uint64_t)m->rows[i].next);
    }
    put_u64(b, XXH3_64bits(b->p, b->n));
}

static char *manifest_path(const char *dir) {
    size_t n = strlen(dir) + 16;
    char *path = sb_alloc(n);
    snprintf(path, n, "%s/index", dir);
    return path;
}

sb_err sb_column_manifest_write(const struct sb_column_manifest *m,
                                const struct sb_column_fields *fields, const char *dir,
                                struct sb_errctx *ctx) {
    struct sb_buf b;
    sb_buf_init(&b, BYTES_MAX);
    put(&b, m, fields);
    char *path = manifest_path(dir);
    sb_err err = sb_buf_err(&b);
    if (!err) err = sb_file_replace(path, b.p, b.n, ctx);
    sb_free(path);
    sb_buf_fini(&b);
    return err;
}

/* ---- reading ---- */

static sb_err read_fields(struct sb_cursor *c, struct sb_column_fields *fields, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint8_t type = sb_cursor_u8(c);
        struct sb_str name = sb_cursor_str(c, sb_cursor_le16(c));
        if (c->err || type > SB_COLUMN_DATE) return SB_E_CORRUPT;
        if (sb_column_fields_make(fields, name, (enum sb_column_type)type) != (int)i)
            return SB_E_CORRUPT; /* twice, or over a limit */
    }
    return SB_OK;
}

static sb_err read_ranges(struct sb_cursor *c, struct sb_column_ranges *seen, uint32_t n) {
    int64_t end = -1;
    for (uint32_t i = 0; i < n; i++) {
        int64_t first = (int64_t)sb_cursor_le64(c), next = (int64_t)sb_cursor_le64(c);
        if (c->err || first <= end || next <= first) return SB_E_CORRUPT;
        sb_column_ranges_add(seen, first, next);
        end = next;
    }
    return SB_OK;
}

static sb_err read_rows(struct sb_cursor *c, struct sb_column_manifest *m, uint32_t n) {
    if (sb_cursor_left(c) / 32 < n) return SB_E_CORRUPT;
    m->rows = sb_alloc(n * sizeof *m->rows);
    int64_t end = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct sb_column_manifest_row *r = &m->rows[i];
        r->id = sb_cursor_le64(c);
        r->sum = sb_cursor_le64(c);
        r->first = (int64_t)sb_cursor_le64(c);
        r->next = (int64_t)sb_cursor_le64(c);
        if (r->id == 0 || r->id >= m->next_id || r->first < end || r->next <= r->first)
            return SB_E_CORRUPT;
        end = r->next;
    }
    m->nrows = n;
    return SB_OK;
}

static sb_err parse(struct sb_column_manifest *m, struct sb_column_fields *fields,
                    const void *bytes, size_t n) {
    if (n < 8) return SB_E_CORRUPT;
    struct sb_cursor c = sb_cursor_of(bytes, n - 8), tail = sb_cursor_of(bytes, n);
    (void)sb_cursor_take(&tail, n - 8);
    const uint8_t *head = sb_cursor_take(&c, sizeof magic);
    if (!head || memcmp(head, magic, sizeof magic) != 0) return SB_E_CORRUPT;
    uint32_t version = sb_cursor_le32(&c);
    if (version != VERSION) return c.err || !version ? SB_E_CORRUPT : SB_E_VERSION;
    if (XXH3_64bits(bytes, n - 8) != sb_cursor_le64(&tail)) return SB_E_CORRUPT;
    uint32_t nfields = sb_cursor_le32(&c), nranges = sb_cursor_le32(&c), nrows = sb_cursor_le32(&c);
    m->next_id = sb_cursor_le64(&c);
    if (c.err) return SB_E_CORRUPT;
    SB_TRY(read_fields(&c, fields, nfields));
    SB_TRY(read_ranges(&c, &m->seen, nranges));
    SB_TRY(read_rows(&c, m, nrows));
    return sb_cursor_left(&c) ? SB_E_CORRUPT : SB_OK;
}

sb_err sb_column_manifest_parse(struct sb_column_manifest *m, struct sb_column_fields *fields,
                                const void *bytes, size_t n, struct sb_errctx *ctx) {
    struct sb_column_manifest got = {0};
    sb_err err = parse(&got, fields, bytes, n);
    if (err) {
        sb_column_manifest_fini(&got);
        return sb_fail(ctx, err, "the index's table of segments: %s", sb_err_text(err));
    }
    *m = got;
    return SB_OK;
}

sb_err sb_column_manifest_read(struct sb_column_manifest *m, struct sb_column_fields *fields,
                               const char *dir, struct sb_errctx *ctx) {
    struct sb_buf b;
    sb_buf_init(&b, BYTES_MAX);
    char *path = manifest_path(dir);
    sb_err err = sb_file_read_all(path, &b, ctx);
    if (!err) err = sb_column_manifest_parse(m, fields, b.p, b.n, ctx);
    sb_free(path);
    sb_buf_fini(&b);
    return err;
}

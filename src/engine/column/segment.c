/* Segments: immutable once made, counted references, in memory or a mapped file.
 *
 * A file (docs/formats/column-segment.md): a header with a directory of the columns, then the
 * columns, each at a page of its own with its own checksum. The header is written last. */
#include <stdio.h>
#include <xxhash.h>

#include "base/cursor.h"
#include "base/log.h"
#include "engine/column/column_int.h"

enum {
    HEADER = 48,
    ROW = 56, /* and the name */
    PAGE = 4096,
    VERSION = 1,
    SUM_AT = 32,
    HEAD_MAX = PAGE + SB_COLUMN_FIELDS_MAX * (ROW + SB_COLUMN_NAME_MAX),
};
static const char magic[8] = {'S', 'B', 'C', 'O', 'L', 'U', 'M', '\n'};

static uint64_t page_up(uint64_t n) {
    return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/* ---- references ---- */

struct sb_column_part *sb_column_part_ref(struct sb_column_part *p) {
    sb_refs_get(&p->refs);
    return p;
}

void sb_column_part_unref(struct sb_column_part *p) {
    if (!p || !sb_refs_put(&p->refs)) return;
    sb_mmap_close(&p->map);
    struct sb_errctx ctx = {0};
    if (p->doomed && sb_file_unlink(p->path, &ctx) != SB_OK)
        SB_LOG(SB_LOG_WARN, "column", "segment not removed", SB_KS("path", p->path),
               SB_KE(&ctx, ctx.code));
    for (uint32_t i = 0; p->blobs && i < p->ncolumns; i++) sb_free(p->blobs[i]);
    sb_free(p->blobs);
    sb_free(p->columns);
    sb_free(p->by_field);
    sb_free(p->path);
    sb_free(p);
}

char *sb_column_part_path(const char *dir, uint64_t id) {
    size_t n = strlen(dir) + 32;
    char *path = sb_alloc(n);
    snprintf(path, n, "%s/%016llx.seg", dir, (unsigned long long)id);
    return path;
}

static struct sb_column_part *part_new(uint32_t docs, uint32_t ncolumns, uint32_t nfields) {
    struct sb_column_part *p = sb_calloc(1, sizeof *p);
    sb_refs_init(&p->refs);
    p->columns = sb_calloc(ncolumns, sizeof *p->columns);
    p->by_field = sb_calloc(nfields, sizeof(struct sb_column *));
    p->ncolumns = ncolumns;
    p->view = (struct sb_column_segment){
        .docs = docs,
        .ncolumns = nfields,
        .columns = p->by_field,
    };
    return p;
}

/* What the view says of offsets and times. */
static sb_err part_complete(struct sb_column_part *p, int time_field, struct sb_errctx *ctx) {
    struct sb_column_segment *v = &p->view;
    const struct sb_column *o = v->offsets, *t = sb_column_of(v, time_field);
    if (!o || o->type != SB_COLUMN_LONG || o->starts || o->present)
        return sb_fail(ctx, SB_E_CORRUPT, "damaged segment: no offsets");
    if (!t || t->type != SB_COLUMN_DATE || t->npresent != v->docs)
        return sb_fail(ctx, SB_E_CORRUPT, "damaged segment: no times");
    v->first_offset = sb_column_i64(o, 0);
    v->next_offset = sb_column_i64(o, v->docs - 1) + 1;
    const int64_t *min = t->block_min, *max = t->block_max;
    v->min_ms = INT64_MAX;
    v->max_ms = INT64_MIN;
    for (uint32_t b = 0; b * SB_COLUMN_BLOCK < v->docs; b++) {
        if (min[b] < v->min_ms) v->min_ms = min[b];
        if (max[b] > v->max_ms) v->max_ms = max[b];
    }
    return SB_OK;
}

/* ---- writing ---- */

struct row {
    struct sb_column_shape shape;
    struct sb_str name; /* empty: the offsets */
    int field;
    uint64_t at, length, sum;
    void *blob; /* in memory */
};

struct sb_column_writer {
    const struct sb_column_fields *fields;
    uint32_t docs, n, cap;
    struct row *rows;
    uint64_t id, end;
    struct sb_file file;
    char *path;
};

static uint64_t head_size(const struct row *rows, uint32_t n) {
    uint64_t size = HEADER;
    for (uint32_t i = 0; i < n; i++) size += ROW + rows[i].name.n;
    return size;
}

sb_err sb_column_writer_open(struct sb_column_writer **out, const char *dir, uint64_t id,
                             uint32_t docs, const struct sb_column_fields *fields,
                             const uint32_t *used, uint32_t nused, struct sb_errctx *ctx) {
    struct sb_column_writer *w = sb_calloc(1, sizeof *w);
    *w = (struct sb_column_writer){
        .fields = fields,
        .docs = docs,
        .cap = nused + 1,
        .rows = sb_calloc(nused + 1, sizeof *w->rows),
        .id = id,
        .file = SB_FILE_NONE,
    };
    /* the columns begin behind a directory of all that will come */
    w->end = HEADER + ROW;
    for (uint32_t i = 0; i < nused; i++) w->end += ROW + fields->at[used[i]].name.n;
    w->end = page_up(w->end);
    if (id) {
        w->path = sb_column_part_path(dir, id);
        sb_err err =
            sb_file_open(&w->file, w->path, SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_TRUNC, ctx);
        if (err) {
            sb_column_writer_drop(w);
            return err;
        }
    }
    *out = w;
    return SB_OK;
}

static void writer_free(struct sb_column_writer *w) {
    for (uint32_t i = 0; i < w->n; i++) sb_free(w->rows[i].blob);
    sb_file_close(&w->file);
    sb_free(w->rows);
    sb_free(w->path);
    sb_free(w);
}

void sb_column_writer_drop(struct sb_column_writer *w) {
    if (w->file.fd >= 0) {
        sb_err ignored = sb_file_unlink(w->path, NULL); /* else the next opening removes it */
        SB_UNUSED(ignored);
    }
    writer_free(w);
}

sb_err sb_column_writer_add(struct sb_column_writer *w, int field, const struct sb_column_plain *p,
                            struct sb_errctx *ctx) {
    SB_ASSERT(w->n < w->cap && p->docs == w->docs);
    struct row *r = &w->rows[w->n++];
    *r = (struct row){.field = field};
    if (field >= 0) r->name = w->fields->at[field].name;
    r->blob = sb_column_encode(p, &r->shape);
    r->length = sb_column_shape_size(&r->shape);
    if (!w->id) return SB_OK;
    r->at = w->end;
    r->sum = XXH3_64bits(r->blob, r->length);
    sb_err err = sb_file_pwrite(&w->file, r->blob, r->length, (int64_t)r->at, ctx);
    sb_free(r->blob);
    r->blob = NULL;
    w->end = page_up(r->at + r->length);
    return err;
}

static void put_u16(struct sb_buf *b, uint16_t v) {
    sb_buf_add(b, &v, sizeof v);
}
static void put_u32(struct sb_buf *b, uint32_t v) {
    sb_buf_add(b, &v, sizeof v);
}
static void put_u64(struct sb_buf *b, uint64_t v) {
    sb_buf_add(b, &v, sizeof v);
}

static void put_row(struct sb_buf *b, const struct row *r) {
    const struct sb_column_shape *s = &r->shape;
    put_u64(b, r->at);
    put_u64(b, r->length);
    put_u64(b, r->sum);
    put_u64(b, (uint64_t)s->base);
    put_u32(b, s->nvalues);
    put_u32(b, s->npresent);
    put_u32(b, s->nterms);
    put_u32(b, s->text);
    sb_buf_addc(b, (char)s->type);
    sb_buf_addc(b, (char)s->width);
    sb_buf_addc(b, (char)s->multi);
    sb_buf_addc(b, 0);
    put_u16(b, (uint16_t)r->name.n);
    put_u16(b, 0);
    sb_buf_adds(b, r->name);
}

/* The sum field stands as zero in b. */
static void put_head(struct sb_buf *b, const struct sb_column_writer *w) {
    uint64_t size = head_size(w->rows, w->n);
    sb_buf_add(b, magic, sizeof magic);
    put_u32(b, VERSION);
    put_u32(b, w->n);
    put_u32(b, w->docs);
    put_u32(b, (uint32_t)size);
    put_u64(b, w->end);
    put_u64(b, 0);
    put_u64(b, 0);
    for (uint32_t i = 0; i < w->n; i++) put_row(b, &w->rows[i]);
}

static sb_err finish_file(struct sb_column_writer *w, struct sb_column_part *p,
                          struct sb_errctx *ctx) {
    struct sb_buf head;
    sb_buf_init(&head, HEAD_MAX);
    put_head(&head, w);
    sb_err err = sb_buf_err(&head);
    if (!err) {
        p->sum = XXH3_64bits(head.p, head.n);
        memcpy(head.p + SUM_AT, &p->sum, sizeof p->sum);
        err = sb_file_truncate(&w->file, (int64_t)w->end, ctx);
    }
    if (!err) err = sb_file_pwrite(&w->file, head.p, head.n, 0, ctx);
    sb_buf_fini(&head);
    if (!err) err = sb_file_sync(&w->file, ctx);
    if (!err) err = sb_mmap_open(&p->map, &w->file, 0, false, ctx);
    return err;
}

sb_err sb_column_writer_finish(struct sb_column_writer *w, int time_field,
                               struct sb_column_part **out, struct sb_errctx *ctx) {
    uint32_t nfields = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        if (w->rows[i].field >= (int)nfields) nfields = (uint32_t)w->rows[i].field + 1;
    }
    struct sb_column_part *p = part_new(w->docs, w->n, nfields);
    sb_err err = SB_OK;
    if (w->id) {
        err = finish_file(w, p, ctx);
        if (err) {
            sb_column_part_unref(p);
            sb_column_writer_drop(w);
            return err;
        }
        p->id = w->id;
        p->path = w->path;
        w->path = NULL;
        p->bytes = w->end;
    } else {
        p->blobs = sb_calloc(w->n, sizeof *p->blobs);
    }
    for (uint32_t i = 0; i < w->n; i++) {
        struct row *r = &w->rows[i];
        const void *bytes = w->id ? (const char *)p->map.p + r->at : r->blob;
        sb_column_bind(&p->columns[i], &r->shape, bytes);
        if (r->field >= 0) {
            p->by_field[r->field] = &p->columns[i];
        } else {
            p->view.offsets = &p->columns[i];
        }
        if (!w->id) {
            p->blobs[i] = r->blob;
            p->bytes += r->length;
            r->blob = NULL;
        }
    }
    writer_free(w);
    err = part_complete(p, time_field, ctx);
    SB_ASSERT(err == SB_OK);
    *out = p;
    return SB_OK;
}

/* ---- opening ---- */

static sb_err damaged(struct sb_errctx *ctx, const char *path, const char *what) {
    return sb_fail(ctx, SB_E_CORRUPT, "%s: damaged: %s", path, what);
}

struct head {
    uint32_t ncolumns, docs, size;
    uint64_t sum;
};

static sb_err open_head(struct head *h, const struct sb_mmap *map, const char *path,
                        struct sb_errctx *ctx) {
    struct sb_cursor c = sb_cursor_of(map->p, map->n);
    const uint8_t *m = sb_cursor_take(&c, sizeof magic);
    if (!m || memcmp(m, magic, sizeof magic) != 0) return damaged(ctx, path, "no magic");
    uint32_t version = sb_cursor_le32(&c);
    h->ncolumns = sb_cursor_le32(&c);
    h->docs = sb_cursor_le32(&c);
    h->size = sb_cursor_le32(&c);
    uint64_t length = sb_cursor_le64(&c);
    h->sum = sb_cursor_le64(&c);
    if (c.err || version == 0) return damaged(ctx, path, "header");
    if (version > VERSION)
        return sb_fail(ctx, SB_E_VERSION, "%s: version %u, this reads 1 to %d", path, version,
                       VERSION);
    if (length != map->n || h->size < HEADER || h->size > length || h->size > HEAD_MAX)
        return damaged(ctx, path, "length");
    if (h->docs == 0 || h->docs > SB_COLUMN_SEGMENT_DOCS_MAX ||
        h->ncolumns > SB_COLUMN_FIELDS_MAX + 1)
        return damaged(ctx, path, "counts");
    char *copy = sb_alloc(h->size);
    memcpy(copy, map->p, h->size);
    memset(copy + SUM_AT, 0, 8);
    uint64_t sum = XXH3_64bits(copy, h->size);
    sb_free(copy);
    return sum == h->sum ? SB_OK : damaged(ctx, path, "checksum of the header");
}

static sb_err read_row(struct row *r, struct sb_cursor *c, uint32_t docs) {
    struct sb_column_shape *s = &r->shape;
    r->at = sb_cursor_le64(c);
    r->length = sb_cursor_le64(c);
    r->sum = sb_cursor_le64(c);
    s->base = (int64_t)sb_cursor_le64(c);
    s->nvalues = sb_cursor_le32(c);
    s->npresent = sb_cursor_le32(c);
    s->nterms = sb_cursor_le32(c);
    s->text = sb_cursor_le32(c);
    uint8_t type = sb_cursor_u8(c), width = sb_cursor_u8(c), multi = sb_cursor_u8(c);
    (void)sb_cursor_u8(c);
    uint16_t name = sb_cursor_le16(c);
    (void)sb_cursor_le16(c);
    r->name = sb_cursor_str(c, name);
    if (c->err || type > SB_COLUMN_DATE || multi > 1) return SB_E_CORRUPT;
    if (width != 1 && width != 2 && width != 4 && width != 8) return SB_E_CORRUPT;
    s->type = (enum sb_column_type)type;
    s->width = width;
    s->multi = multi;
    s->docs = docs;
    if (type == SB_COLUMN_DOUBLE ? width != 8 || s->base : false) return SB_E_CORRUPT;
    if (type == SB_COLUMN_KEYWORD ? s->base || !s->nterms : s->nterms || s->text)
        return SB_E_CORRUPT;
    if (s->npresent == 0 || s->npresent > docs || s->nvalues < s->npresent) return SB_E_CORRUPT;
    return SB_OK;
}

/* Whether the field table allows that column for the field. */
static bool type_fits(enum sb_column_type column, enum sb_column_type field) {
    return column == field || (column == SB_COLUMN_LONG && field == SB_COLUMN_DOUBLE);
}

static sb_err open_column(struct sb_column_part *p, uint32_t i, const struct row *r,
                          const struct sb_column_fields *fields, struct sb_errctx *ctx) {
    if (r->at % PAGE || r->at > p->map.n || r->length > p->map.n - r->at ||
        r->length != sb_column_shape_size(&r->shape))
        return damaged(ctx, p->path, "place of a column");
    const char *bytes = (const char *)p->map.p + r->at;
    if (XXH3_64bits(bytes, r->length) != r->sum)
        return damaged(ctx, p->path, "checksum of a column");
    struct sb_column *c = &p->columns[i];
    sb_column_bind(c, &r->shape, bytes);
    SB_TRY(sb_column_check(c, &r->shape, ctx));
    if (!r->name.n) {
        if (p->view.offsets) return damaged(ctx, p->path, "offsets twice");
        if (c->starts || c->present) return damaged(ctx, p->path, "offsets of some");
        for (uint32_t d = 1; d < r->shape.docs; d++) {
            if (sb_column_i64(c, d - 1) >= sb_column_i64(c, d))
                return damaged(ctx, p->path, "order of the offsets");
        }
        if (sb_column_i64(c, 0) < 0 || sb_column_i64(c, r->shape.docs - 1) == INT64_MAX)
            return damaged(ctx, p->path, "offsets out of range");
        p->view.offsets = c;
        return SB_OK;
    }
    int field = sb_column_fields_find(fields, r->name);
    if (field < 0 || p->by_field[field] || !type_fits(c->type, fields->at[field].type))
        return damaged(ctx, p->path, "a column of no field");
    p->by_field[field] = c;
    return SB_OK;
}

static sb_err open_columns(struct sb_column_part *p, const struct head *h,
                           const struct sb_column_fields *fields, struct sb_errctx *ctx) {
    struct sb_cursor c = sb_cursor_of(p->map.p, h->size);
    (void)sb_cursor_take(&c, HEADER);
    for (uint32_t i = 0; i < h->ncolumns; i++) {
        struct row r = {0};
        if (read_row(&r, &c, h->docs) != SB_OK) return damaged(ctx, p->path, "directory");
        SB_TRY(open_column(p, i, &r, fields, ctx));
    }
    return sb_cursor_left(&c) ? damaged(ctx, p->path, "directory") : SB_OK;
}

sb_err sb_column_part_open(struct sb_column_part **out, const char *dir, uint64_t id,
                           const struct sb_column_fields *fields, int time_field,
                           struct sb_errctx *ctx) {
    char *path = sb_column_part_path(dir, id);
    struct sb_file f = SB_FILE_NONE;
    struct sb_mmap map = {0};
    struct head h = {0};
    struct sb_column_part *p = NULL;
    sb_err err = sb_file_open(&f, path, SB_OPEN_READ, ctx);
    if (!err) err = sb_mmap_open(&map, &f, 0, false, ctx);
    sb_file_close(&f);
    if (!err) err = open_head(&h, &map, path, ctx);
    if (err) {
        sb_mmap_close(&map);
        sb_free(path);
        return err;
    }
    p = part_new(h.docs, h.ncolumns, fields->n);
    p->map = map;
    p->path = path;
    p->id = id;
    p->sum = h.sum;
    p->bytes = map.n;
    err = open_columns(p, &h, fields, ctx);
    if (!err) err = part_complete(p, time_field, ctx);
    if (err) {
        sb_column_part_unref(p);
        return err;
    }
    *out = p;
    return SB_OK;
}

#include "engine/journal/segment_int.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/journal/bugs.h"

enum { STEP = 1 << 20 }; /* bytes read at once */

/* ---- the window ---- */

void sb_segment_view_init(struct sb_segment_view *v, const struct sb_file *file, int64_t size) {
    *v = (struct sb_segment_view){.file = file, .size = size};
    sb_buf_init(&v->buf, SB_BATCH_MAX + STEP);
}

void sb_segment_view_memory(struct sb_segment_view *v, const void *p, size_t n) {
    *v = (struct sb_segment_view){.p = p, .n = n, .size = (int64_t)n};
}

void sb_segment_view_fini(struct sb_segment_view *v) {
    sb_buf_fini(&v->buf);
}

void sb_segment_view_drop(struct sb_segment_view *v, int64_t size) {
    v->size = size;
    v->n = 0;
}

sb_err sb_segment_view_at(struct sb_segment_view *v, int64_t pos, size_t want, const uint8_t **p,
                          size_t *n, struct sb_errctx *ctx) {
    int64_t left = pos < v->size ? v->size - pos : 0;
    if ((int64_t)want > left) want = (size_t)left;
    if (pos < v->start || pos + (int64_t)want > v->start + (int64_t)v->n) {
        SB_ASSERT(v->file);
        size_t load = want > STEP ? want : (left < STEP ? (size_t)left : STEP), got;
        sb_buf_reset(&v->buf);
        char *to = sb_buf_reserve(&v->buf, load ? load : 1);
        if (!to) return sb_fail(ctx, SB_E_NOMEM, "%s: out of memory", v->file->path);
        v->n = 0;
        SB_TRY(sb_file_pread(v->file, to, load, pos, &got, ctx));
        v->p = (const uint8_t *)to;
        v->n = got;
        v->start = pos;
        if (got < load) v->size = pos + (int64_t)got; /* cut meanwhile */
    }
    if (pos >= v->start + (int64_t)v->n) {
        *p = v->p;
        *n = 0;
        return SB_OK;
    }
    *p = v->p + (pos - v->start);
    *n = v->n - (size_t)(pos - v->start);
    return SB_OK;
}

/* ---- batches in it ---- */

sb_err sb_segment_batch_at(struct sb_segment_view *v, int64_t pos, int64_t expected, bool *found,
                           struct sb_batch *out, struct sb_errctx *ctx) {
    const uint8_t *p;
    size_t n, size;
    int64_t base;
    *found = false;
    SB_TRY(sb_segment_view_at(v, pos, SB_BATCH_HEADER, &p, &n, ctx));
    if (!sb_batch_peek(p, n, &base, &size) || base != expected) return SB_OK;
    if ((int64_t)size > v->size - pos) return SB_OK;
    SB_TRY(sb_segment_view_at(v, pos, size, &p, &n, ctx));
    *found = sb_batch_parse(p, n, out);
    return SB_OK;
}

sb_err sb_segment_resync(struct sb_segment_view *v, int64_t pos, int64_t expected, int64_t limit,
                         int64_t *at, struct sb_batch *out, struct sb_errctx *ctx) {
    enum { AT_MAGIC = 16, MAGIC = 2 };
    for (pos++; pos + SB_BATCH_HEADER <= v->size;) {
        const uint8_t *p;
        size_t n, size;
        SB_TRY(sb_segment_view_at(v, pos, SB_BATCH_HEADER, &p, &n, ctx));
        if (n < SB_BATCH_HEADER) break;
        const uint8_t *magic = memchr(p + AT_MAGIC, MAGIC, n - SB_BATCH_HEADER + 1);
        if (!magic) {
            pos += (int64_t)(n - SB_BATCH_HEADER + 1);
            continue;
        }
        pos += magic - AT_MAGIC - p;
        p = magic - AT_MAGIC;
        int64_t base;
        if (sb_batch_peek(p, SB_BATCH_HEADER, &base, &size) && base >= expected && base < limit &&
            (int64_t)size <= v->size - pos) {
            bool found;
            SB_TRY(sb_segment_batch_at(v, pos, base, &found, out, ctx));
            if (found) {
                *at = pos;
                return SB_OK;
            }
        }
        pos++;
    }
    out->size = 0;
    *at = v->size;
    return SB_OK;
}

sb_err sb_segment_used_end(struct sb_segment_view *v, int64_t pos, int64_t *end,
                           struct sb_errctx *ctx) {
    *end = pos;
    while (pos < v->size) {
        const uint8_t *p;
        size_t n;
        SB_TRY(sb_segment_view_at(v, pos, 1, &p, &n, ctx));
        if (!n) break;
        if (p[0] || memcmp(p, p + 1, n - 1)) {
            size_t last = n;
            while (!p[last - 1]) last--;
            *end = pos + (int64_t)last;
        }
        pos += (int64_t)n;
    }
    return SB_OK;
}

sb_err sb_segment_walk(struct sb_segment_view *v, struct sb_segment_walk *w,
                       struct sb_errctx *ctx) {
    struct sb_batch b;
    w->max_ts = INT64_MIN;
    w->damaged = 0;
    for (;;) {
        bool found;
        SB_TRY(sb_segment_batch_at(v, w->pos, w->expected, &found, &b, ctx));
        if (!found) {
            SB_TRY(sb_segment_used_end(v, w->pos, &w->used_end, ctx));
            if (w->used_end == w->pos || SB_BUG_TRUNCATE_MIDLOG) return SB_OK;
            int64_t at;
            SB_TRY(sb_segment_resync(v, w->pos, w->expected, w->limit, &at, &b, ctx));
            if (!b.size) return SB_OK;
            w->damaged++;
            if (w->on_damage) SB_TRY(w->on_damage(w->self, w->pos, at, w->expected, b.base, ctx));
            w->pos = at;
            w->expected = b.base;
            continue;
        }
        if (b.max_ts > w->max_ts) w->max_ts = b.max_ts;
        size_t size = b.size;
        int64_t next = b.base + b.count;
        if (w->on_batch) SB_TRY(w->on_batch(w->self, w->pos, &b, ctx));
        w->pos += (int64_t)size;
        w->expected = next;
    }
}

/* ---- names ---- */

char *sb_segment_path(const char *dir, int64_t base, const char *ext) {
    size_t n = strlen(dir) + 1 + SB_SEGMENT_NAME;
    char *path = sb_alloc(n);
    snprintf(path, n, "%s/%020lld%s", dir, (long long)base, ext);
    return path;
}

bool sb_segment_name_parse(const char *name, const char *ext, int64_t *base) {
    struct sb_str s = sb_str_of(name);
    return s.n == SB_SEGMENT_NAME - 2 && sb_str_ends(s, sb_str_of(ext)) && name[0] == '0' &&
           sb_str_to_i64(sb_str_sub(s, 0, 20), base);
}

sb_err sb_segment_list(const char *dir, int64_t **bases, size_t *n, struct sb_errctx *ctx) {
    struct sb_dir_names names;
    SB_TRY(sb_dir_list(dir, &names, ctx));
    int64_t *out = sb_alloc((names.n + 1) * sizeof *out);
    size_t k = 0;
    for (size_t i = 0; i < names.n; i++) /* sorted by name = by offset: the digits are padded */
        if (sb_segment_name_parse(names.name[i], ".log", &out[k])) k++;
    sb_dir_names_fini(&names);
    *bases = out;
    *n = k;
    return SB_OK;
}

/* ---- making one ---- */

static sb_err write_zeros(const char *path, int64_t size, struct sb_errctx *ctx) {
    enum { BLOCK = 256 << 10, ALIGN = SB_SEGMENT_BLOCK };
    struct sb_file f;
    sb_err err = sb_file_open(&f, path, SB_OPEN_WRITE | SB_OPEN_DIRECT, NULL);
    if (err == SB_E_UNSUPPORTED) err = sb_file_open(&f, path, SB_OPEN_WRITE, ctx);
    if (err) return sb_fail(ctx, err, "%s: open: %s", path, sb_err_text(err));
    char *mem = sb_calloc(1, BLOCK + ALIGN), *zeros = mem;
    zeros += ALIGN - (uintptr_t)mem % ALIGN;
    for (int64_t off = 0; off < size && !err; off += BLOCK)
        err =
            sb_file_pwrite(&f, zeros, size - off < BLOCK ? (size_t)(size - off) : BLOCK, off, ctx);
    sb_free(mem);
    sb_file_close(&f);
    return err;
}

sb_err sb_segment_create(struct sb_file *out, const char *path, int64_t size,
                         struct sb_errctx *ctx) {
    struct sb_file f;
    SB_TRY(sb_file_open(&f, path, SB_OPEN_WRITE | SB_OPEN_CREATE | SB_OPEN_TRUNC, ctx));
    sb_err err = sb_file_allocate(&f, size, ctx);
    if (!err) err = write_zeros(path, size, ctx);
    if (!err) err = sb_file_sync(&f, ctx);
    if (err) {
        sb_file_close(&f);
        sb_err gone =
            sb_file_unlink(path, NULL); /* gives the blocks back; start-up removes it too */
        SB_UNUSED(gone);
        return err;
    }
    *out = f;
    return SB_OK;
}

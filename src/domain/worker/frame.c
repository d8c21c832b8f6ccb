#include "domain/worker/frame.h"

#include "base/cursor.h"
#include "base/mem.h"

enum { FLAG_TENSOR = 1, FLAG_PROBA = 2, COLUMN_NULLS = 1, COLUMN_ABSENT = 2, ALIGN = 8 };

static bool is_text(enum sb_dtype t) {
    return t == SB_DTYPE_STRING || t == SB_DTYPE_BINARY || t == SB_DTYPE_JSON;
}

bool sb_frame_batches_agree(const struct sb_batch *a, const struct sb_batch *b) {
    if (a->ncols != b->ncols || a->tensor != b->tensor || !sb_str_eq(a->params, b->params))
        return false;
    for (size_t i = 0; i < a->ncols; i++) {
        const struct sb_column *x = &a->cols[i], *y = &b->cols[i];
        if (x->type != y->type || x->width != y->width || x->absent != y->absent ||
            !sb_str_eq(x->name, y->name))
            return false;
    }
    return true;
}

/* ---- writing ---- */

static void put_u32(struct sb_buf *b, uint64_t v) {
    uint32_t x = (uint32_t)v;
    sb_buf_add(b, &x, sizeof x);
}

static void put_u64(struct sb_buf *b, uint64_t v) {
    sb_buf_add(b, &v, sizeof v);
}

/* Data starts at a multiple of 8 from the body's start. */
static void put_align(struct sb_buf *b, size_t body) {
    static const char ZEROS[ALIGN] = {0};
    sb_buf_add(b, ZEROS, (ALIGN - (b->n - body) % ALIGN) % ALIGN);
}

static void put_nulls(struct sb_buf *b, size_t body, const struct sb_batch *const *batches,
                      size_t n, size_t col) {
    put_align(b, body);
    for (size_t k = 0; k < n; k++) {
        const struct sb_column *c = &batches[k]->cols[col];
        char *to = sb_buf_reserve(b, batches[k]->nrows);
        if (!to) return;
        if (c->null)
            memcpy(to, c->null, batches[k]->nrows);
        else
            memset(to, 0, batches[k]->nrows);
        sb_buf_commit(b, batches[k]->nrows);
    }
}

static sb_err put_texts(struct sb_buf *b, const struct sb_batch *const *batches, size_t n,
                        size_t col) {
    uint64_t at = 0;
    put_u32(b, 0);
    for (size_t k = 0; k < n; k++) {
        const struct sb_column *c = &batches[k]->cols[col];
        for (size_t i = 0; i < batches[k]->nrows * c->width; i++) {
            at += c->s[i].n;
            if (at > SB_FRAME_MAX) return SB_E_LIMIT;
            put_u32(b, at);
        }
    }
    for (size_t k = 0; k < n; k++) {
        const struct sb_column *c = &batches[k]->cols[col];
        for (size_t i = 0; i < batches[k]->nrows * c->width; i++) sb_buf_adds(b, c->s[i]);
    }
    return SB_OK;
}

static sb_err put_column(struct sb_buf *b, size_t body, const struct sb_batch *const *batches,
                         size_t n, size_t col) {
    const struct sb_column *c = &batches[0]->cols[col];
    uint8_t flags = c->absent ? COLUMN_ABSENT : 0;
    for (size_t k = 0; k < n && !flags; k++)
        if (batches[k]->cols[col].null) flags = COLUMN_NULLS;
    put_u32(b, c->name.n);
    sb_buf_addc(b, (char)c->type);
    sb_buf_addc(b, (char)flags);
    put_u32(b, c->width);
    sb_buf_adds(b, c->name);
    if (c->absent) return SB_OK;
    if (flags) put_nulls(b, body, batches, n, col);
    put_align(b, body);
    if (is_text(c->type)) return put_texts(b, batches, n, col);
    size_t cell = sb_dtype_size(c->type) * c->width;
    for (size_t k = 0; k < n; k++)
        sb_buf_add(b, batches[k]->cols[col].data, batches[k]->nrows * cell);
    return SB_OK;
}

sb_err sb_frame_add_predict(struct sb_buf *out, uint64_t id, const struct sb_batch *const *batches,
                            size_t n, bool proba) {
    size_t start = out->n, body = start + SB_FRAME_HEAD, nrows = 0;
    const struct sb_batch *first = batches[0];
    for (size_t k = 0; k < n; k++) nrows += batches[k]->nrows;
    if (nrows > UINT32_MAX) return SB_E_LIMIT;
    put_u32(out, 0);
    put_u32(out, SB_FRAME_PREDICT);
    put_u64(out, id);
    put_u32(out, nrows);
    put_u32(out, first->ncols);
    put_u32(out, (first->tensor ? FLAG_TENSOR : 0U) | (proba ? FLAG_PROBA : 0U));
    put_u32(out, first->params.n);
    sb_buf_adds(out, first->params);
    for (size_t i = 0; i < first->ncols; i++) SB_TRY(put_column(out, body, batches, n, i));
    SB_TRY(sb_buf_err(out));
    if (out->n - body > SB_FRAME_MAX) return SB_E_LIMIT;
    uint32_t length = (uint32_t)(out->n - body);
    memcpy(out->p + start, &length, sizeof length);
    return SB_OK;
}

/* ---- reading ---- */

static void align(struct sb_cursor *c) {
    size_t over = sb_cursor_pos(c) % ALIGN;
    if (over && sb_cursor_left(c)) sb_cursor_take(c, ALIGN - over);
}

static struct sb_str take_text(struct sb_cursor *c) {
    uint32_t n = sb_cursor_le32(c);
    return sb_cursor_str(c, n);
}

sb_err sb_frame_answer_head(struct sb_str body, struct sb_frame_answer *out) {
    struct sb_cursor c = sb_cursor_of(body.p, body.n);
    uint64_t id = sb_cursor_le64(&c), ns = sb_cursor_le64(&c);
    if (c.err) return c.err;
    *out = (struct sb_frame_answer){id, (int64_t)(ns & INT64_MAX)};
    return SB_OK;
}

sb_err sb_frame_result_rows(struct sb_str body, size_t *nrows) {
    struct sb_cursor c = sb_cursor_of(body.p, body.n);
    sb_cursor_take(&c, 16);
    uint32_t n = sb_cursor_le32(&c);
    if (c.err) return c.err;
    *nrows = n;
    return SB_OK;
}

/* The rows wanted of an answer with `total` rows. */
struct slice {
    size_t total, from, n;
    struct sb_arena *arena;
};

static void *copy(struct sb_cursor *c, const struct slice *s, const uint8_t *p, size_t cell) {
    void *to = sb_arena_try_array(s->arena, s->n ? s->n : 1, cell ? cell : 1);
    if (!to) {
        sb_cursor_fail(c, SB_E_LIMIT);
        return NULL;
    }
    if (p && s->n) memcpy(to, p + s->from * cell, s->n * cell);
    return to;
}

/* total * width cells, of which the slice is copied out. */
static void *take_cells(struct sb_cursor *c, const struct slice *s, size_t cell) {
    size_t bytes;
    align(c);
    if (!sb_mul_ok(s->total, cell, &bytes)) {
        sb_cursor_fail(c, SB_E_CORRUPT);
        return NULL;
    }
    const uint8_t *p = sb_cursor_take(c, bytes);
    return p ? copy(c, s, p, cell) : NULL;
}

static uint32_t offset_at(const uint8_t *offsets, size_t i) {
    uint32_t v;
    memcpy(&v, offsets + i * sizeof v, sizeof v);
    return v;
}

static struct sb_str *take_texts(struct sb_cursor *c, const struct slice *s, size_t width) {
    size_t cells, bytes;
    align(c);
    if (!sb_mul_ok(s->total, width, &cells) || cells >= SIZE_MAX / 4) {
        sb_cursor_fail(c, SB_E_CORRUPT);
        return NULL;
    }
    bytes = (cells + 1) * sizeof(uint32_t);
    const uint8_t *offsets = sb_cursor_take(c, bytes);
    if (!offsets) return NULL;
    uint32_t total = offset_at(offsets, cells);
    const uint8_t *blob = sb_cursor_take(c, total);
    size_t first = s->from * width, n = s->n * width;
    if (!blob && total) return NULL;
    struct sb_str *out = sb_arena_try_array(s->arena, n ? n : 1, sizeof *out);
    if (!out) {
        sb_cursor_fail(c, SB_E_LIMIT);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t from = offset_at(offsets, first + i), to = offset_at(offsets, first + i + 1);
        if (from > to || to > total) {
            sb_cursor_fail(c, SB_E_CORRUPT);
            return NULL;
        }
        out[i] = sb_arena_dup(s->arena, sb_str_make((const char *)blob + from, to - from));
        if (!out[i].p) sb_cursor_fail(c, SB_E_LIMIT);
        if (c->err) return NULL;
    }
    return out;
}

static void take_column(struct sb_cursor *c, const struct slice *s, struct sb_column *out) {
    uint32_t name_len = sb_cursor_le32(c);
    uint8_t type = sb_cursor_u8(c), flags = sb_cursor_u8(c);
    uint32_t width = sb_cursor_le32(c);
    struct sb_str name = sb_cursor_str(c, name_len);
    size_t cell;
    if (c->err) return;
    if (type >= SB_DTYPE_COUNT || !width || flags > COLUMN_NULLS) {
        sb_cursor_fail(c, SB_E_CORRUPT);
        return;
    }
    *out = (struct sb_column){.name = sb_arena_dup(s->arena, name), .type = type, .width = width};
    if (!out->name.p) {
        sb_cursor_fail(c, SB_E_LIMIT);
        return;
    }
    if (flags & COLUMN_NULLS) out->null = take_cells(c, s, 1);
    if (is_text(out->type))
        out->s = take_texts(c, s, width);
    else if (sb_mul_ok(sb_dtype_size(out->type), width, &cell))
        out->data = take_cells(c, s, cell);
}

static void take_classes(struct sb_cursor *c, const struct slice *s, size_t n,
                         struct sb_result *out) {
    out->nclasses = n;
    out->classes = sb_arena_try_array(s->arena, n, sizeof *out->classes);
    if (!out->classes) {
        sb_cursor_fail(c, SB_E_LIMIT);
        return;
    }
    for (size_t i = 0; i < n && !c->err; i++) {
        out->classes[i] = sb_arena_dup(s->arena, take_text(c));
        if (!out->classes[i].p) sb_cursor_fail(c, SB_E_LIMIT);
    }
    if (!c->err) out->proba = take_cells(c, s, n * sizeof(double));
}

sb_err sb_frame_result_slice(struct sb_str body, size_t from, size_t n, struct sb_arena *arena,
                             struct sb_result *out, struct sb_errctx *ctx) {
    struct sb_cursor c = sb_cursor_of(body.p, body.n);
    sb_cursor_take(&c, 16);
    struct slice s = {.total = sb_cursor_le32(&c), .from = from, .n = n, .arena = arena};
    size_t noutputs = sb_cursor_le32(&c), nclasses = sb_cursor_le32(&c);
    if (!c.err && (from > s.total || n > s.total - from || noutputs > SB_FRAME_OUTPUTS ||
                   nclasses > SB_FRAME_CLASSES))
        sb_cursor_fail(&c, SB_E_CORRUPT);
    struct sb_result r = {.nrows = n, .noutputs = noutputs};
    if (!c.err) {
        r.outputs = sb_arena_try_array(arena, noutputs ? noutputs : 1, sizeof *r.outputs);
        if (!r.outputs) sb_cursor_fail(&c, SB_E_LIMIT);
    }
    for (size_t i = 0; i < noutputs && !c.err; i++) take_column(&c, &s, &r.outputs[i]);
    if (nclasses && !c.err) take_classes(&c, &s, nclasses, &r);
    if (c.err == SB_E_LIMIT) return sb_fail(ctx, SB_E_LIMIT, "the model's answer is too large");
    if (c.err)
        return sb_fail_at(ctx, SB_E_CORRUPT, c.err_pos, "a worker's answer breaks the protocol");
    *out = r;
    return SB_OK;
}

static sb_err take_error(struct sb_cursor *c, struct sb_frame_error *out) {
    struct sb_frame_error e = {.blame = out->blame};
    e.type = take_text(c);
    e.message = take_text(c);
    e.traceback = take_text(c);
    if (c->err) return c->err;
    *out = e;
    return SB_OK;
}

sb_err sb_frame_error_read(struct sb_str body, struct sb_frame_error *out) {
    struct sb_cursor c = sb_cursor_of(body.p, body.n);
    sb_cursor_take(&c, 16);
    uint32_t blame = sb_cursor_le32(&c);
    if (blame > SB_BLAME_MEMORY) return SB_E_CORRUPT;
    out->blame = (enum sb_frame_blame)blame;
    return take_error(&c, out);
}

sb_err sb_frame_failed_read(struct sb_str body, struct sb_frame_error *out) {
    struct sb_cursor c = sb_cursor_of(body.p, body.n);
    return take_error(&c, out);
}

sb_err sb_frame_ready_read(struct sb_str body, struct sb_str *json) {
    struct sb_cursor c = sb_cursor_of(body.p, body.n);
    uint32_t protocol = sb_cursor_le32(&c);
    struct sb_str s = take_text(&c);
    if (!c.err && protocol != SB_FRAME_PROTOCOL) return SB_E_VERSION;
    if (c.err) return c.err;
    *json = s;
    return SB_OK;
}

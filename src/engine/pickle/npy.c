#include "engine/pickle/npy.h"

#include "base/cursor.h"
#include "base/mem.h"

enum { DEPTH_MAX = 8 };

struct lit {
    struct sb_cursor in;
    struct sb_arena *arena;
    struct sb_errctx *ctx;
};

static sb_err bad(struct lit *l, const char *what) {
    (void)sb_fail(l->ctx, SB_E_CORRUPT, "npy header: %s", what);
    return SB_E_CORRUPT;
}

static int peek(struct lit *l) {
    while (sb_cursor_left(&l->in) && (*l->in.p == ' ' || *l->in.p == '\n')) l->in.p++;
    return sb_cursor_left(&l->in) ? *l->in.p : -1;
}

static bool accept(struct lit *l, char c) {
    if (peek(l) != c) return false;
    (void)sb_cursor_u8(&l->in);
    return true;
}

static sb_err value(struct lit *l, int depth, struct sb_pv **out);

/* Quoted text; no escapes stand in headers that numpy writes for names of plain characters. */
static sb_err quoted(struct lit *l, struct sb_pv *v) {
    char quote = (char)sb_cursor_u8(&l->in);
    const uint8_t *from = l->in.p;
    for (;;) {
        if (!sb_cursor_left(&l->in)) return bad(l, "open string");
        char c = (char)sb_cursor_u8(&l->in);
        if (c == quote) break;
        if (c == '\\') return bad(l, "escape in a string");
    }
    v->type = SB_PV_STR;
    v->s = sb_str_make((const char *)from, (size_t)(l->in.p - from) - 1);
    return SB_OK;
}

static sb_err word(struct lit *l, struct sb_pv *v) {
    static const struct {
        const char *text;
        enum sb_pv_type type;
        bool b;
    } words[] = {{"True", SB_PV_BOOL, true}, {"False", SB_PV_BOOL, false}, {"None", SB_PV_NONE, 0}};
    const uint8_t *from = l->in.p;
    while (sb_cursor_left(&l->in) && !memchr(" ,:)]}\n", *l->in.p, 7)) l->in.p++;
    struct sb_str s = sb_str_make((const char *)from, (size_t)(l->in.p - from));
    for (size_t i = 0; i < SB_COUNT(words); i++) {
        if (!sb_str_is(s, words[i].text)) continue;
        v->type = words[i].type;
        v->b = words[i].b;
        return SB_OK;
    }
    v->type = SB_PV_INT;
    /* Python 2 wrote 3L */
    if (s.n > 1 && s.p[s.n - 1] == 'L') s.n--;
    return sb_str_to_i64(s, &v->i) ? SB_OK : bad(l, "not a literal");
}

static sb_err add(struct lit *l, struct sb_pv *v, int depth) {
    struct sb_pv *item = NULL;
    SB_TRY(value(l, depth + 1, &item));
    if (!sb_pv_seq_push(l->arena, &v->seq, item)) return bad(l, "too large");
    return SB_OK;
}

/* Items up to the closing letter. (x) without a comma is x itself. */
static sb_err sequence(struct lit *l, char close, int depth, struct sb_pv **out) {
    struct sb_pv *v = *out;
    bool comma = true;
    (void)sb_cursor_u8(&l->in);
    v->type = close == '}' ? SB_PV_DICT : close == ']' ? SB_PV_LIST : SB_PV_TUPLE;
    while (!accept(l, close)) {
        if (!comma) return bad(l, "comma expected");
        SB_TRY(add(l, v, depth));
        if (close == '}') {
            if (!accept(l, ':')) return bad(l, "colon expected");
            SB_TRY(add(l, v, depth));
        }
        comma = accept(l, ',');
    }
    if (close == ')' && v->seq.n == 1 && !comma) *out = v->seq.v[0];
    return SB_OK;
}

static sb_err value(struct lit *l, int depth, struct sb_pv **out) {
    if (depth > DEPTH_MAX) return bad(l, "nested too deep");
    int c = peek(l);
    struct sb_pv *v = sb_pv_new(l->arena, SB_PV_NONE, sb_cursor_pos(&l->in));
    if (!v) return bad(l, "too large");
    *out = v;
    switch (c) {
    case '\'':
    case '"': return quoted(l, v);
    case '(': return sequence(l, ')', depth, out);
    case '[': return sequence(l, ']', depth, out);
    case '{': return sequence(l, '}', depth, out);
    default: return word(l, v);
    }
}

sb_err sb_py_literal(struct sb_pv **out, struct sb_str text, struct sb_arena *arena,
                     struct sb_errctx *ctx) {
    struct lit l = {sb_cursor_of(text.p, text.n), arena, ctx};
    struct sb_pv *v = NULL;
    SB_TRY(value(&l, 0, &v));
    if (peek(&l) >= 0) return bad(&l, "text after the literal");
    *out = v;
    return SB_OK;
}

/* ---- types ---- */

static sb_err descr(struct lit *l, const struct sb_pv *v, struct sb_np_dtype **out);

/* [('name', '<i8'), ('', '|V7'), ...]: fields one after the other, unnamed ones are padding */
static sb_err structured(struct lit *l, const struct sb_pv *v, struct sb_np_dtype **out) {
    struct sb_np_dtype *t = sb_arena_try_array(l->arena, 1, sizeof *t);
    if (!t || v->seq.n == 0 || v->seq.n > 256) return bad(l, "number of fields");
    t->kind = 'V';
    t->fields = sb_arena_try_array(l->arena, v->seq.n, sizeof *t->fields);
    if (!t->fields) return bad(l, "too large");
    for (uint32_t i = 0; i < v->seq.n; i++) {
        const struct sb_pv *f = v->seq.v[i];
        if (f->type != SB_PV_TUPLE || f->seq.n != 2 || f->seq.v[0]->type != SB_PV_STR ||
            f->seq.v[1]->type != SB_PV_STR)
            return bad(l, "field that is not (name, type)");
        struct sb_np_dtype *ft = NULL;
        SB_TRY(descr(l, f->seq.v[1], &ft));
        if (f->seq.v[0]->s.n)
            t->fields[t->nfields++] = (struct sb_np_field){f->seq.v[0]->s, ft, t->size};
        t->size += ft->size;
    }
    *out = t;
    return SB_OK;
}

static sb_err descr(struct lit *l, const struct sb_pv *v, struct sb_np_dtype **out) {
    if (v->type == SB_PV_LIST) return structured(l, v, out);
    struct sb_np_dtype *t = v->type == SB_PV_STR ? sb_np_dtype_parse(l->arena, v->s) : NULL;
    if (!t || t->kind == 'O')
        return sb_fail(l->ctx, SB_E_UNSUPPORTED, "npy file with a type that is not supported");
    *out = t;
    return SB_OK;
}

static sb_err fill(struct lit *l, const struct sb_pv *head, struct sb_str data,
                   struct sb_np_array *a) {
    const struct sb_pv *type = sb_pv_get(head, "descr"), *shape = sb_pv_get(head, "shape"),
                       *order = sb_pv_get(head, "fortran_order");
    if (!type || !shape || shape->type != SB_PV_TUPLE || !order || order->type != SB_PV_BOOL)
        return bad(l, "descr, fortran_order and shape expected");
    if (shape->seq.n > SB_NP_DIMS_MAX) return bad(l, "too many dimensions");
    struct sb_np_dtype *t = NULL;
    SB_TRY(descr(l, type, &t));
    a->dtype = t;
    a->fortran = order->b;
    a->ndim = shape->seq.n;
    for (uint32_t i = 0; i < a->ndim; i++) {
        int64_t d;
        if (!sb_pv_to_i64(shape->seq.v[i], &d) || d < 0) return bad(l, "shape");
        a->shape[i] = (size_t)d;
    }
    size_t bytes;
    if (!sb_np_shape_count(a->shape, a->ndim, &a->count) || !sb_mul_ok(a->count, t->size, &bytes) ||
        bytes != data.n)
        return bad(l, "data does not fit shape and type");
    a->data = (const uint8_t *)data.p;
    return SB_OK;
}

sb_err sb_npy_read(struct sb_pv **out, struct sb_str file, struct sb_arena *arena,
                   struct sb_errctx *ctx) {
    static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    struct lit l = {sb_cursor_of(file.p, file.n), arena, ctx};
    const uint8_t *m = sb_cursor_take(&l.in, sizeof magic);
    if (!m || memcmp(m, magic, sizeof magic) != 0) return bad(&l, "no magic");
    uint8_t major = sb_cursor_u8(&l.in);
    (void)sb_cursor_u8(&l.in);
    if (major < 1 || major > 3) return bad(&l, "version");
    uint32_t n = major == 1 ? sb_cursor_le16(&l.in) : sb_cursor_le32(&l.in);
    if (l.in.err || n > SB_NPY_HEADER_MAX || n > sb_cursor_left(&l.in)) return bad(&l, "length");
    struct sb_str head = sb_cursor_str(&l.in, n);
    struct sb_str data = sb_cursor_str(&l.in, sb_cursor_left(&l.in));
    struct sb_pv *literal = NULL, *v = sb_pv_new(arena, SB_PV_ARRAY, 0);
    SB_TRY(sb_py_literal(&literal, head, arena, ctx));
    if (v) v->array = sb_arena_try_array(arena, 1, sizeof *v->array);
    if (!v || !v->array) return bad(&l, "too large");
    SB_TRY(fill(&l, literal, data, v->array));
    *out = v;
    return SB_OK;
}

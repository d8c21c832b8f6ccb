#include "codec/ubjson.h"

#include "base/cursor.h"
#include "base/mem.h"

struct reader {
    struct sb_cursor in;
    struct sb_arena *arena;
    struct sb_errctx *ctx;
    uint32_t depth;
};

static sb_err syntax(struct reader *r, const char *what) {
    size_t pos = sb_cursor_pos(&r->in);
    (void)sb_fail_at(r->ctx, SB_E_SYNTAX, (int64_t)pos, "UBJSON: %s (byte %zu)", what, pos);
    return SB_E_SYNTAX;
}

static sb_err over(struct reader *r, const char *what) {
    size_t pos = sb_cursor_pos(&r->in);
    (void)sb_fail_at(r->ctx, SB_E_LIMIT, (int64_t)pos, "UBJSON: %s (byte %zu)", what, pos);
    return SB_E_LIMIT;
}

/* Bytes of one number of that type; 0 when it is no type of numbers. */
static size_t number_size(char type) {
    switch (type) {
    case 'i':
    case 'U': return 1;
    case 'I': return 2;
    case 'l':
    case 'd': return 4;
    case 'L':
    case 'D': return 8;
    default: return 0;
    }
}

static int64_t read_int(struct sb_cursor *c, char type) {
    switch (type) {
    case 'i': return (int8_t)sb_cursor_u8(c);
    case 'U': return sb_cursor_u8(c);
    case 'I': return (int16_t)sb_cursor_be16(c);
    case 'l': return (int32_t)sb_cursor_be32(c);
    default: return (int64_t)sb_cursor_be64(c);
    }
}

static double read_float(struct sb_cursor *c, char type) {
    if (type == 'd') {
        uint32_t bits = sb_cursor_be32(c);
        float f;
        memcpy(&f, &bits, sizeof f);
        return (double)f;
    }
    uint64_t bits = sb_cursor_be64(c);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* The next type letter; no-ops before it are skipped. */
static char marker(struct reader *r) {
    char c;
    do c = (char)sb_cursor_u8(&r->in);
    while (c == 'N');
    return c;
}

static sb_err length(struct reader *r, size_t *out) {
    char type = marker(r);
    if (type == 'd' || type == 'D' || !number_size(type)) return syntax(r, "length expected");
    int64_t n = read_int(&r->in, type);
    if (r->in.err || n < 0) return syntax(r, "length");
    /* nothing is shorter than no bytes, so counts are checked where the item size is known */
    *out = (size_t)n;
    return SB_OK;
}

static sb_err text(struct reader *r, struct sb_str *out) {
    size_t n = 0;
    SB_TRY(length(r, &n));
    if (n > sb_cursor_left(&r->in)) return syntax(r, "string beyond the end");
    *out = sb_cursor_str(&r->in, n);
    return SB_OK;
}

/* What may stand after '[' or '{': $type, #count, both or neither. */
struct shape {
    char type; /* 0 = each item has its own */
    bool counted;
    size_t n;
};

static sb_err shape(struct reader *r, struct shape *s) {
    *s = (struct shape){0};
    if (!sb_cursor_left(&r->in)) return syntax(r, "open container");
    if (*r->in.p == '$') {
        (void)sb_cursor_u8(&r->in);
        s->type = (char)sb_cursor_u8(&r->in);
        if (!sb_cursor_left(&r->in) || *r->in.p != '#') return syntax(r, "type without a count");
    }
    if (*r->in.p == '#') {
        (void)sb_cursor_u8(&r->in);
        SB_TRY(length(r, &s->n));
        s->counted = true;
    }
    return SB_OK;
}

static sb_err value(struct reader *r, char type, struct sb_ubj *v);

static sb_err packed(struct reader *r, const struct shape *s, struct sb_ubj *v) {
    size_t bytes;
    if (!sb_mul_ok(s->n, number_size(s->type), &bytes) || bytes > sb_cursor_left(&r->in))
        return syntax(r, "array beyond the end");
    v->type = SB_UBJ_NUMBERS;
    v->n = s->n;
    v->num.elem = s->type;
    v->num.data = sb_cursor_take(&r->in, bytes);
    return SB_OK;
}

/* Items until the count or the closing letter. */
static sb_err items(struct reader *r, struct shape *s, bool object, struct sb_ubj *v) {
    char close = object ? '}' : ']';
    struct sb_ubj **tail = &v->child;
    /* an item of a counted container needs at least one byte, except of a typed one of Z, T, F:
     * those carry nothing, and a count alone must not make memory */
    if (s->type && memchr("ZTFN", s->type, 4)) return syntax(r, "type of a container");
    while (!s->counted || v->n < s->n) {
        struct sb_str key = {0};
        if (s->counted && s->n - v->n > sb_cursor_left(&r->in)) return syntax(r, "container");
        if (!s->counted) {
            while (sb_cursor_left(&r->in) && *r->in.p == 'N') (void)sb_cursor_u8(&r->in);
            if (sb_cursor_left(&r->in) && *r->in.p == close) {
                (void)sb_cursor_u8(&r->in);
                break;
            }
        }
        if (object) SB_TRY(text(r, &key));
        char type = s->type ? s->type : marker(r);
        if (r->in.err) return syntax(r, "open container");
        struct sb_ubj *item = sb_arena_try_array(r->arena, 1, sizeof *item);
        if (!item) return over(r, "more values than a file of its size may have");
        item->key = key;
        *tail = item;
        tail = &item->next;
        v->n++;
        SB_TRY(value(r, type, item));
    }
    return SB_OK;
}

static sb_err container(struct reader *r, bool object, struct sb_ubj *v) {
    struct shape s;
    if (r->depth >= SB_UBJ_DEPTH_MAX) return over(r, "nested too deep");
    SB_TRY(shape(r, &s));
    if (!object && s.type && number_size(s.type)) return packed(r, &s, v);
    v->type = object ? SB_UBJ_OBJECT : SB_UBJ_ARRAY;
    r->depth++;
    SB_TRY(items(r, &s, object, v));
    r->depth--;
    return SB_OK;
}

static sb_err value(struct reader *r, char type, struct sb_ubj *v) {
    v->pos = sb_cursor_pos(&r->in);
    switch (type) {
    case 'Z': v->type = SB_UBJ_NULL; break;
    case 'T':
    case 'F':
        v->type = SB_UBJ_BOOL;
        v->b = type == 'T';
        break;
    case 'i':
    case 'U':
    case 'I':
    case 'l':
    case 'L':
        v->type = SB_UBJ_INT;
        v->i = read_int(&r->in, type);
        break;
    case 'd':
    case 'D':
        v->type = SB_UBJ_FLOAT;
        v->d = read_float(&r->in, type);
        break;
    case 'C':
        v->type = SB_UBJ_STR;
        v->s = sb_cursor_str(&r->in, 1);
        break;
    case 'S': v->type = SB_UBJ_STR; return text(r, &v->s);
    case '[': return container(r, false, v);
    case '{': return container(r, true, v);
    case 'H': return syntax(r, "high-precision numbers are not supported");
    default: return syntax(r, "unknown type");
    }
    return r->in.err ? syntax(r, "value beyond the end") : SB_OK;
}

sb_err sb_ubj_parse(struct sb_ubj **out, struct sb_str file, struct sb_arena *arena,
                    struct sb_errctx *ctx) {
    struct reader r = {.in = sb_cursor_of(file.p, file.n), .arena = arena, .ctx = ctx};
    struct sb_ubj *v = sb_arena_try_array(arena, 1, sizeof *v);
    if (!v) return over(&r, "more values than a file of its size may have");
    SB_TRY(value(&r, marker(&r), v));
    while (sb_cursor_left(&r.in) && *r.in.p == 'N') (void)sb_cursor_u8(&r.in);
    if (sb_cursor_left(&r.in)) return syntax(&r, "bytes after the value");
    *out = v;
    return SB_OK;
}

const struct sb_ubj *sb_ubj_get(const struct sb_ubj *o, const char *key) {
    const struct sb_ubj *found = NULL;
    if (!o || o->type != SB_UBJ_OBJECT) return NULL;
    for (const struct sb_ubj *m = o->child; m; m = m->next)
        if (sb_str_is(m->key, key)) found = m;
    return found;
}

static bool scalar_number(const struct sb_ubj *v, double *out) {
    switch (v->type) {
    case SB_UBJ_BOOL: *out = v->b; return true;
    case SB_UBJ_INT: *out = (double)v->i; return true;
    case SB_UBJ_FLOAT: *out = v->d; return true;
    default: return false;
    }
}

static double packed_number(struct sb_cursor *c, const struct sb_ubj *v) {
    bool real = v->num.elem == 'd' || v->num.elem == 'D';
    if (!v->num.little) return real ? read_float(c, v->num.elem) : (double)read_int(c, v->num.elem);
    /* only doubles are ever packed in this machine's own order */
    uint64_t bits = sb_cursor_le64(c);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

bool sb_ubj_numbers(const struct sb_ubj *v, struct sb_arena *arena, double **out, size_t *n) {
    if (!v || (v->type != SB_UBJ_NUMBERS && v->type != SB_UBJ_ARRAY)) return false;
    double *d = sb_arena_try_array(arena, v->n + 1, sizeof *d);
    if (!d) return false;
    if (v->type == SB_UBJ_NUMBERS) {
        SB_ASSERT(!v->num.little || v->num.elem == 'D');
        struct sb_cursor c = sb_cursor_of(v->num.data, v->n * number_size(v->num.elem));
        for (size_t i = 0; i < v->n; i++) d[i] = packed_number(&c, v);
    } else {
        size_t i = 0;
        for (const struct sb_ubj *m = v->child; m; m = m->next)
            if (!scalar_number(m, &d[i++])) return false;
    }
    *out = d;
    *n = v->n;
    return true;
}

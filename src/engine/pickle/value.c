#include "engine/pickle/value.h"

#include "base/mem.h"

struct sb_pv *sb_pv_new(struct sb_arena *a, enum sb_pv_type type, size_t pos) {
    struct sb_pv *v = sb_arena_try_array(a, 1, sizeof *v);
    if (!v) return NULL;
    v->type = type;
    v->pos = pos;
    return v;
}

bool sb_pv_seq_push(struct sb_arena *a, struct sb_pv_seq *q, struct sb_pv *v) {
    if (q->n == q->cap) {
        if (q->cap > UINT32_MAX / 2) return false;
        uint32_t cap = q->cap ? q->cap * 2 : 4;
        struct sb_pv **more = sb_arena_try_array(a, cap, sizeof(struct sb_pv *));
        if (!more) return false;
        if (q->n) memcpy(more, q->v, q->n * sizeof(struct sb_pv *));
        q->v = more;
        q->cap = cap;
    }
    q->v[q->n++] = v;
    return true;
}

const struct sb_pv *sb_pv_get(const struct sb_pv *v, const char *key) {
    if (!v) return NULL;
    if (v->type == SB_PV_OBJECT) {
        v = v->object->state;
        if (v && v->type == SB_PV_TUPLE && v->seq.n == 2) v = v->seq.v[0];
    }
    if (!v || v->type != SB_PV_DICT) return NULL;
    for (uint32_t i = v->seq.n; i >= 2; i -= 2) {
        const struct sb_pv *k = v->seq.v[i - 2];
        if (k->type == SB_PV_STR && sb_str_is(k->s, key)) return v->seq.v[i - 1];
    }
    return NULL;
}

bool sb_pv_is_class(const struct sb_pv *v, const char *module, const char *name) {
    return v && v->type == SB_PV_OBJECT && sb_str_is(v->object->module, module) &&
           sb_str_is(v->object->name, name);
}

bool sb_pv_to_i64(const struct sb_pv *v, int64_t *out) {
    if (!v) return false;
    switch (v->type) {
    case SB_PV_BOOL: *out = v->b; return true;
    case SB_PV_INT: *out = v->i; return true;
    case SB_PV_ARRAY:
        return v->array->count == 1 && v->array->dtype->kind != 'f' &&
               sb_np_get_i64(v->array, 0, out);
    default: return false;
    }
}

bool sb_pv_to_double(const struct sb_pv *v, double *out) {
    if (!v) return false;
    switch (v->type) {
    case SB_PV_BOOL: *out = v->b; return true;
    case SB_PV_INT: *out = (double)v->i; return true;
    case SB_PV_FLOAT: *out = v->d; return true;
    case SB_PV_ARRAY: return v->array->count == 1 && sb_np_get_double(v->array, 0, out);
    default: return false;
    }
}

bool sb_pv_to_str(const struct sb_pv *v, struct sb_arena *a, struct sb_str *out) {
    if (!v) return false;
    if (v->type == SB_PV_STR) {
        *out = v->s;
        return true;
    }
    return v->type == SB_PV_ARRAY && v->array->count == 1 && sb_np_get_str(v->array, 0, a, out);
}

/* ---- numpy ---- */

const struct sb_np_field *sb_np_field_find(const struct sb_np_dtype *t, const char *name) {
    for (uint32_t i = 0; i < t->nfields; i++)
        if (sb_str_is(t->fields[i].name, name)) return &t->fields[i];
    return NULL;
}

static uint64_t load_uint(const struct sb_np_dtype *t, const uint8_t *p) {
    uint64_t v = 0;
    for (uint32_t i = 0; i < t->size; i++)
        v |= (uint64_t)p[t->big ? t->size - 1 - i : i] << (8 * i);
    return v;
}

bool sb_np_load_i64(const struct sb_np_dtype *t, const uint8_t *p, int64_t *out) {
    if (t->size > 8) return false;
    if (t->kind == 'b') {
        *out = p[0] != 0;
        return true;
    }
    if (t->kind != 'i' && t->kind != 'u') return false;
    uint64_t v = load_uint(t, p);
    if (t->kind == 'u') {
        if (v > INT64_MAX) return false;
        *out = (int64_t)v;
        return true;
    }
    unsigned shift = 64 - 8 * t->size;
    *out = (int64_t)(v << shift) >> shift;
    return true;
}

bool sb_np_load_double(const struct sb_np_dtype *t, const uint8_t *p, double *out) {
    if (t->kind == 'f' && t->size == 8) {
        uint64_t v = load_uint(t, p);
        memcpy(out, &v, sizeof *out);
        return true;
    }
    if (t->kind == 'f' && t->size == 4) {
        uint32_t v = (uint32_t)load_uint(t, p);
        float f;
        memcpy(&f, &v, sizeof f);
        *out = (double)f;
        return true;
    }
    if (t->kind == 'u' && t->size == 8) {
        *out = (double)load_uint(t, p);
        return true;
    }
    int64_t i;
    if (!sb_np_load_i64(t, p, &i)) return false;
    *out = (double)i;
    return true;
}

/* Where element i in C order stands in a fortran array's memory. */
static size_t fortran_index(const struct sb_np_array *a, size_t i) {
    size_t at = 0, stride = a->count;
    for (uint32_t d = a->ndim; d-- > 0;) {
        stride /= a->shape[d];
        at += i % a->shape[d] * stride;
        i /= a->shape[d];
    }
    return at;
}

const uint8_t *sb_np_item(const struct sb_np_array *a, size_t i) {
    SB_ASSERT(i < a->count && a->data);
    if (a->fortran && a->ndim > 1) i = fortran_index(a, i);
    return a->data + i * a->dtype->size;
}

bool sb_np_get_i64(const struct sb_np_array *a, size_t i, int64_t *out) {
    return a->data && sb_np_load_i64(a->dtype, sb_np_item(a, i), out);
}

bool sb_np_get_double(const struct sb_np_array *a, size_t i, double *out) {
    return a->data && sb_np_load_double(a->dtype, sb_np_item(a, i), out);
}

size_t sb_pv_utf8_put(char *to, uint32_t c) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

bool sb_np_get_str(const struct sb_np_array *a, size_t i, struct sb_arena *arena,
                   struct sb_str *out) {
    if (a->dtype->kind == 'O' && a->objects) {
        const struct sb_pv *v = a->objects->seq.v[i];
        if (v->type != SB_PV_STR) return false;
        *out = v->s;
        return true;
    }
    if (!a->data || (a->dtype->kind != 'U' && a->dtype->kind != 'S')) return false;
    const uint8_t *p = sb_np_item(a, i);
    size_t n = a->dtype->size;
    if (a->dtype->kind == 'S') {
        while (n && p[n - 1] == 0) n--;
        *out = sb_str_make((const char *)p, n);
        return true;
    }
    char *to = sb_arena_try(arena, n ? n : 1), *end = to;
    if (!to) return false;
    struct sb_np_dtype unit = {.kind = 'u', .big = a->dtype->big, .size = 4};
    size_t chars = n / 4;
    while (chars && load_uint(&unit, p + 4 * (chars - 1)) == 0) chars--;
    for (size_t k = 0; k < chars; k++) {
        uint64_t c = load_uint(&unit, p + 4 * k);
        if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
        end += sb_pv_utf8_put(end, (uint32_t)c);
    }
    *out = sb_str_make(to, (size_t)(end - to));
    return true;
}

bool sb_np_shape_count(const size_t *shape, uint32_t ndim, size_t *count) {
    size_t n = 1;
    bool zero = false;
    for (uint32_t i = 0; i < ndim; i++) {
        if (shape[i] == 0) {
            zero = true;
            continue;
        }
        if (!sb_mul_ok(n, shape[i], &n) || n > (size_t)1 << 40) return false;
    }
    *count = zero ? 0 : n;
    return true;
}

struct sb_np_dtype *sb_np_dtype_parse(struct sb_arena *a, struct sb_str text) {
    bool big = false;
    if (text.n && memchr("<>|=", text.p[0], 4)) {
        big = text.p[0] == '>';
        text = sb_str_sub(text, 1, text.n);
    }
    uint64_t n = 0;
    if (text.n < 2 || !memchr("biufcSUVOMm", text.p[0], 11)) return NULL;
    char kind = text.p[0];
    /* the unit of a date, as in M8[ns], does not change its bytes */
    if (kind == 'M' || kind == 'm') {
        if (text.p[1] != '8') return NULL;
        n = 8;
    } else if (!sb_str_to_u64(sb_str_sub(text, 1, text.n), &n)) {
        return NULL;
    }
    static const struct {
        char kind;
        uint64_t sizes;
    } known[] = {{'b', 1 << 1},
                 {'i', 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8},
                 {'u', 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8},
                 {'f', 1 << 2 | 1 << 4 | 1 << 8 | 1 << 16},
                 {'c', 1 << 8 | 1 << 16 | UINT64_C(1) << 32},
                 {'O', 1 << 8}};
    for (size_t i = 0; i < SB_COUNT(known); i++)
        if (known[i].kind == kind && (n > 32 || !(known[i].sizes >> n & 1))) return NULL;
    if (n > 1 << 20) return NULL;
    if (kind == 'U') n *= 4;
    struct sb_np_dtype *t = sb_arena_try_array(a, 1, sizeof *t);
    if (!t) return NULL;
    /* U0, S0 and V0 have no bytes; nothing we read stores them, and a size of 0 invites mistakes */
    t->kind = kind;
    t->big = big;
    t->size = n ? (uint32_t)n : 1;
    return t;
}

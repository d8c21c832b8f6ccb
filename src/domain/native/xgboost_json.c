#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/json.h"
#include "domain/native/xgboost_int.h"

enum { NUMBER_MAX = 64 };

struct builder {
    struct sb_json_reader r;
    struct sb_arena *arena;
    struct sb_errctx *ctx;
};

static sb_err nomem(struct builder *b) {
    (void)sb_fail(b->ctx, SB_E_LIMIT, "model needs more memory than a file of its size may");
    return SB_E_LIMIT;
}

static sb_err value(struct builder *b, struct sb_ubj *v);

/* Text with a fraction, an exponent, or NaN/Infinity is a float. */
static bool is_real(struct sb_str token) {
    for (size_t i = 0; i < token.n; i++)
        if (memchr(".eENI", token.p[i], 5)) return true;
    return false;
}

static sb_err number(struct builder *b, double *out, bool *real) {
    struct sb_str token;
    char text[NUMBER_MAX + 1];
    SB_TRY(sb_json_read_double(&b->r, out, &token));
    *real = is_real(token);
    if (!*real || token.n > NUMBER_MAX || !isfinite(*out)) return SB_OK;
    memcpy(text, token.p, token.n);
    text[token.n] = 0;
    *out = (double)strtof(text, NULL);
    return SB_OK;
}

static sb_err object(struct builder *b, struct sb_ubj *v) {
    struct sb_ubj **tail = &v->child;
    struct sb_str key;
    bool more;
    v->type = SB_UBJ_OBJECT;
    SB_TRY(sb_json_enter_object(&b->r));
    for (;;) {
        SB_TRY(sb_json_next_key(&b->r, &key, &more));
        if (!more) return SB_OK;
        struct sb_ubj *m = sb_arena_try_array(b->arena, 1, sizeof *m);
        if (!m) return nomem(b);
        m->key = key;
        *tail = m;
        tail = &m->next;
        v->n++;
        SB_TRY(value(b, m));
    }
}

/* Numbers are gathered until the array ends or something else comes. */
struct gather {
    double *d;
    size_t n, cap;
};

static sb_err gather(struct builder *b, struct gather *g, double d) {
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 16;
        double *more = sb_arena_try_array(b->arena, cap, sizeof *more);
        if (!more) return nomem(b);
        if (g->n) memcpy(more, g->d, g->n * sizeof *more);
        g->d = more;
        g->cap = cap;
    }
    g->d[g->n++] = d;
    return SB_OK;
}

static sb_err array(struct builder *b, struct sb_ubj *v) {
    struct sb_ubj **tail = &v->child;
    struct gather g = {0};
    bool more;
    v->type = SB_UBJ_ARRAY;
    SB_TRY(sb_json_enter_array(&b->r));
    for (;;) {
        enum sb_json_type type = SB_JSON_NULL;
        SB_TRY(sb_json_next_item(&b->r, &more));
        if (!more) break;
        SB_TRY(sb_json_peek(&b->r, &type));
        if ((type == SB_JSON_NUMBER) != (g.n > 0) && v->n)
            return sb_fail(b->ctx, SB_E_SYNTAX, "array of numbers and other values");
        v->n++;
        if (type == SB_JSON_NUMBER) {
            double d;
            bool real;
            SB_TRY(number(b, &d, &real));
            SB_TRY(gather(b, &g, d));
            continue;
        }
        struct sb_ubj *m = sb_arena_try_array(b->arena, 1, sizeof *m);
        if (!m) return nomem(b);
        *tail = m;
        tail = &m->next;
        SB_TRY(value(b, m));
    }
    if (g.n) {
        v->type = SB_UBJ_NUMBERS;
        v->num.data = (const uint8_t *)g.d;
        v->num.elem = 'D';
        v->num.little = true;
    }
    return SB_OK;
}

static sb_err scalar(struct builder *b, enum sb_json_type type, struct sb_ubj *v) {
    double d;
    bool real;
    switch (type) {
    case SB_JSON_NULL: v->type = SB_UBJ_NULL; return sb_json_read_null(&b->r);
    case SB_JSON_FALSE:
    case SB_JSON_TRUE: v->type = SB_UBJ_BOOL; return sb_json_read_bool(&b->r, &v->b);
    case SB_JSON_STRING: v->type = SB_UBJ_STR; return sb_json_read_string(&b->r, &v->s);
    default: break;
    }
    SB_TRY(number(b, &d, &real));
    v->type = SB_UBJ_FLOAT;
    v->d = d;
    return SB_OK;
}

static sb_err value(struct builder *b, struct sb_ubj *v) {
    enum sb_json_type type = SB_JSON_NULL;
    SB_TRY(sb_json_peek(&b->r, &type));
    v->pos = (size_t)(b->r.p - b->r.begin);
    if (type == SB_JSON_OBJECT) return object(b, v);
    if (type == SB_JSON_ARRAY) return array(b, v);
    return scalar(b, type, v);
}

static sb_err from_json(const struct sb_ubj **out, struct sb_str file, struct sb_arena *arena,
                        struct sb_errctx *ctx) {
    struct builder b = {.arena = arena, .ctx = ctx};
    sb_json_reader_init(&b.r, file, arena, ctx);
    b.r.nonfinite = true;
    b.r.number_max = NUMBER_MAX;
    b.r.max_depth = SB_UBJ_DEPTH_MAX;
    struct sb_ubj *v = sb_arena_try_array(arena, 1, sizeof *v);
    if (!v) return nomem(&b);
    SB_TRY(value(&b, v));
    SB_TRY(sb_json_finish(&b.r));
    *out = v;
    return SB_OK;
}

sb_err xgboost_document(const struct sb_ubj **out, struct sb_str file, struct sb_arena *arena,
                        struct sb_errctx *ctx) {
    if (file.n >= 2 && file.p[0] == '{' && memchr("iUIlL$#", file.p[1], 7)) {
        struct sb_ubj *v = NULL;
        SB_TRY(sb_ubj_parse(&v, file, arena, ctx));
        *out = v;
        return SB_OK;
    }
    if (file.n && memchr("{ \t\r\n", file.p[0], 5)) return from_json(out, file, arena, ctx);
    return sb_fail(ctx, SB_E_UNSUPPORTED,
                   "XGBoost's binary format of before 1.0 is served by a Python worker");
}

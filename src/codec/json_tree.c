/* Trees: built by a loop over an explicit stack, so that depth is memory of ours and not of the
 * call stack. */
#include "codec/json.h"

#include "base/map.h"
#include "base/mem.h"
#include "codec/json_int.h"

struct frame {
    struct sb_json *node;
    struct sb_json **tail; /* where the next child is linked */
};

/* Many keys: a table of members by seeded hash, open addressing. */
static sb_err find_among_many(const struct sb_json *o, const struct sb_json **dup) {
    size_t cap = 64;
    while (cap < o->n * 2) cap *= 2;
    const struct sb_json **slots = sb_try_alloc(cap * sizeof *slots);
    if (!slots) return SB_E_NOMEM;
    memset(slots, 0, cap * sizeof *slots);
    for (const struct sb_json *m = o->child; m && !*dup; m = m->next) {
        size_t i = sb_hash(m->key.p, m->key.n) & (cap - 1);
        while (slots[i] && !sb_str_eq(slots[i]->key, m->key)) i = (i + 1) & (cap - 1);
        if (slots[i]) *dup = m;
        slots[i] = m;
    }
    sb_free(slots);
    return SB_OK;
}

sb_err sb_json_find_duplicate(const struct sb_json *o, const struct sb_json **dup) {
    *dup = NULL;
    if (o->n > 12) return find_among_many(o, dup);
    for (const struct sb_json *m = o->child; m; m = m->next) {
        for (const struct sb_json *earlier = o->child; earlier != m; earlier = earlier->next) {
            if (!*dup && sb_str_eq(earlier->key, m->key)) *dup = m;
        }
    }
    return SB_OK;
}

static sb_err check_keys(struct sb_json_reader *r, const struct sb_json *o) {
    const struct sb_json *dup;
    if (sb_json_find_duplicate(o, &dup) != SB_OK)
        return sb_json_fail(r, SB_E_NOMEM, r->begin + o->pos, "no memory for this object");
    if (!dup) return SB_OK;
    int shown = dup->key.n < 100 ? (int)dup->key.n : 100;
    return sb_json_fail(r, SB_E_SYNTAX, r->begin + dup->key_pos, "duplicate key \"%.*s\"", shown,
                        dup->key.p);
}

static sb_err number(struct sb_json_reader *r, struct sb_json *v) {
    struct sb_number n = {0};
    SB_TRY(sb_json_number(r, &n, &v->d, &v->s));
    uint64_t max = (uint64_t)INT64_MAX + n.neg;
    /* 19 digits or less are exact in n.w; integers that were cut have exp10 > 0 */
    v->is_int = n.integer && n.exp10 == 0 && n.w <= max;
    if (v->is_int) v->i = n.neg ? (int64_t)(0 - n.w) : (int64_t)n.w;
    return SB_OK;
}

/* A scalar, or the opening of a container, whose children follow. */
static sb_err value(struct sb_json_reader *r, struct sb_json *v) {
    SB_TRY(sb_json_peek(r, &v->type));
    v->pos = (size_t)(r->p - r->begin);
    bool b;
    switch (v->type) {
    case SB_JSON_NULL: return sb_json_read_null(r);
    case SB_JSON_FALSE:
    case SB_JSON_TRUE: return sb_json_read_bool(r, &b);
    case SB_JSON_NUMBER: return number(r, v);
    case SB_JSON_STRING: return sb_json_read_string(r, &v->s);
    case SB_JSON_ARRAY: return sb_json_enter_array(r);
    default: return sb_json_enter_object(r);
    }
}

/* Moves on to the next child of the container, or ends it (*more = false). */
static sb_err next_child(struct sb_json_reader *r, const struct sb_json *container,
                         struct sb_str *key, size_t *key_pos, bool *more) {
    if (container->type == SB_JSON_ARRAY) return sb_json_next_item(r, more);
    const char *at;
    SB_TRY(sb_json_next_key_at(r, key, &at, more));
    if (!*more) return check_keys(r, container);
    *key_pos = (size_t)(at - r->begin);
    return SB_OK;
}

sb_err sb_json_parse_with(struct sb_json **out, struct sb_json_reader *r) {
    struct frame stack[SB_JSON_DEPTH_CAP];
    size_t depth = 0, key_pos = 0;
    struct sb_str key = {0};
    struct sb_json *root = NULL, **slot = &root;
    for (;;) {
        struct sb_json *v = sb_arena_try(r->arena, sizeof *v);
        if (!v) return sb_json_fail(r, SB_E_LIMIT, r->p, "no memory for more values");
        *v = (struct sb_json){.key = key, .key_pos = key_pos};
        SB_TRY(value(r, v));
        *slot = v;
        if (depth) {
            stack[depth - 1].node->n++;
            stack[depth - 1].tail = &v->next;
        }
        if (v->type >= SB_JSON_ARRAY) stack[depth++] = (struct frame){v, &v->child};
        bool more = false;
        while (depth && !more) {
            SB_TRY(next_child(r, stack[depth - 1].node, &key, &key_pos, &more));
            if (!more) depth--;
        }
        if (!depth) break;
        slot = stack[depth - 1].tail;
        if (stack[depth - 1].node->type == SB_JSON_ARRAY) {
            key = (struct sb_str){0};
            key_pos = 0;
        }
    }
    SB_TRY(sb_json_finish(r));
    *out = root;
    return SB_OK;
}

sb_err sb_json_parse(struct sb_json **out, struct sb_str text, struct sb_arena *arena,
                     struct sb_errctx *ctx) {
    struct sb_json_reader r;
    sb_json_reader_init(&r, text, arena, ctx);
    return sb_json_parse_with(out, &r);
}

/* ---- members ---- */

struct sb_json *sb_json_get(const struct sb_json *o, const char *key) {
    if (!o || o->type != SB_JSON_OBJECT) return NULL;
    struct sb_str k = sb_str_of(key);
    for (struct sb_json *m = o->child; m; m = m->next) {
        if (sb_str_eq(m->key, k)) return m;
    }
    return NULL;
}

/* The member when there is one that is not null. */
static const struct sb_json *present(const struct sb_json *o, const char *key) {
    const struct sb_json *m = sb_json_get(o, key);
    return m && m->type != SB_JSON_NULL ? m : NULL;
}

bool sb_json_get_str(const struct sb_json *o, const char *key, struct sb_str *out) {
    const struct sb_json *m = present(o, key);
    if (!m) return true;
    if (m->type != SB_JSON_STRING) return false;
    *out = m->s;
    return true;
}

bool sb_json_get_i64(const struct sb_json *o, const char *key, int64_t *out) {
    const struct sb_json *m = present(o, key);
    if (!m) return true;
    if (m->type != SB_JSON_NUMBER || !m->is_int) return false;
    *out = m->i;
    return true;
}

bool sb_json_get_double(const struct sb_json *o, const char *key, double *out) {
    const struct sb_json *m = present(o, key);
    if (!m) return true;
    if (m->type != SB_JSON_NUMBER) return false;
    *out = m->d;
    return true;
}

bool sb_json_get_bool(const struct sb_json *o, const char *key, bool *out) {
    const struct sb_json *m = present(o, key);
    if (!m) return true;
    if (m->type != SB_JSON_TRUE && m->type != SB_JSON_FALSE) return false;
    *out = m->type == SB_JSON_TRUE;
    return true;
}

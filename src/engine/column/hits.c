/* The first k documents of an order: a heap whose top is the last of them. A document that comes
 * after the top by its first key alone is left out without reading its other keys. */
#include <stdlib.h>

#include "engine/column/search_int.h"

struct sb_topk_entry {
    const struct sb_column_segment *segment;
    uint32_t doc;
    int64_t offset;
    struct sb_search_value *value; /* one per key */
    bool *has;
};

struct sb_topk_scan {
    const struct sb_topk_spec *spec;
    const struct sb_column_segment *segment;
    const struct sb_column **column; /* one per key */
    struct sb_topk_entry candidate;
};

sb_err sb_topk_scan_new(struct sb_topk_scan **out, struct sb_work *w,
                        const struct sb_topk_spec *spec, const struct sb_column_segment *g) {
    struct sb_topk_scan *s = sb_arena_try_array(&w->plan, 1, sizeof *s);
    size_t n = spec->nsort + 1;
    if (!s) return sb_fail(w->ctx, SB_E_LIMIT, "the search needs more memory than it may use");
    s->spec = spec;
    s->segment = g;
    s->column = sb_arena_try_array(&w->plan, n, sizeof *s->column);
    s->candidate.value = sb_arena_try_array(&w->plan, n, sizeof *s->candidate.value);
    s->candidate.has = sb_arena_try_array(&w->plan, n, sizeof *s->candidate.has);
    if (!s->column || !s->candidate.value || !s->candidate.has)
        return sb_fail(w->ctx, SB_E_LIMIT, "the search needs more memory than it may use");
    s->candidate.segment = g;
    for (size_t i = 0; i < spec->nsort; i++)
        s->column[i] =
            spec->sort[i].by == SB_SORT_OFFSET ? g->offsets : sb_column_of(g, spec->sort[i].field);
    *out = s;
    return SB_OK;
}

/* ---- keys ---- */

static int compare_value(const struct sb_search_value *a, const struct sb_search_value *b) {
    if (a->type == SB_COLUMN_KEYWORD) return sb_str_cmp(a->s, b->s);
    if (a->type == SB_COLUMN_DOUBLE || b->type == SB_COLUMN_DOUBLE) {
        double x = a->type == SB_COLUMN_DOUBLE ? a->f : (double)a->i;
        double y = b->type == SB_COLUMN_DOUBLE ? b->f : (double)b->i;
        return (x > y) - (x < y);
    }
    return (a->i > b->i) - (a->i < b->i);
}

/* < 0: a stands before b. Columns of a field may have different types in different segments. */
static int compare_key(const struct sb_sort *k, bool a_has, const struct sb_search_value *a,
                       bool b_has, const struct sb_search_value *b) {
    if (a_has != b_has) return a_has == k->missing_first ? 1 : -1;
    if (!a_has) return 0;
    int c = compare_value(a, b);
    return k->descending ? -c : c;
}

static int compare(const struct sb_topk_spec *s, const struct sb_topk_entry *a,
                   const struct sb_topk_entry *b) {
    for (size_t i = 0; i < s->nsort; i++) {
        int c = compare_key(&s->sort[i], a->has[i], &a->value[i], b->has[i], &b->value[i]);
        if (c) return c;
    }
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static void value_at(const struct sb_column *c, uint32_t at, struct sb_search_value *v) {
    v->type = c->type;
    if (c->type == SB_COLUMN_KEYWORD)
        v->s = sb_column_term(c, (uint32_t)sb_column_raw(c, at));
    else if (c->type == SB_COLUMN_DOUBLE)
        v->f = sb_column_f64(c, at);
    else
        v->i = sb_column_i64(c, at);
}

static void read_key(const struct sb_sort *k, const struct sb_column *c, uint32_t doc, bool *has,
                     struct sb_search_value *v) {
    *has = c && sb_column_has_any(c, doc);
    if (!*has) return;
    uint32_t at = sb_column_first(c, doc), end = c->starts ? c->starts[doc + 1] : at + 1;
    value_at(c, at, v);
    for (at++; at < end; at++) {
        struct sb_search_value other;
        value_at(c, at, &other);
        int cmp = compare_value(&other, v);
        if (k->use_max ? cmp > 0 : cmp < 0) *v = other;
    }
}

/* ---- the heap ---- */

static void sift_down(struct sb_topk *t) {
    struct sb_topk_entry *e = t->entries, x = e[0];
    uint32_t i = 0;
    for (;;) {
        uint32_t kid = 2 * i + 1;
        if (kid >= t->n) break;
        if (kid + 1 < t->n && compare(t->spec, &e[kid + 1], &e[kid]) > 0) kid++;
        if (compare(t->spec, &e[kid], &x) <= 0) break;
        e[i] = e[kid];
        i = kid;
    }
    e[i] = x;
}

static void sift_up(struct sb_topk *t) {
    struct sb_topk_entry *e = t->entries;
    uint32_t i = t->n - 1;
    struct sb_topk_entry x = e[i];
    for (; i && compare(t->spec, &e[(i - 1) / 2], &x) < 0; i = (i - 1) / 2) e[i] = e[(i - 1) / 2];
    e[i] = x;
}

static sb_err push(struct sb_topk *t, struct sb_work *w, const struct sb_topk_entry *c) {
    size_t n = t->spec->nsort + 1;
    struct sb_str none = {0};
    SB_TRY(sb_work_grow(w, &t->entries, &t->cap, t->n + 1, sizeof *t->entries, none));
    struct sb_topk_entry *e = &t->entries[t->n];
    *e = *c;
    SB_TRY(sb_work_array(w, &e->value, n, sizeof *e->value, none));
    SB_TRY(sb_work_array(w, &e->has, n, sizeof *e->has, none));
    memcpy(e->value, c->value, n * sizeof *e->value);
    memcpy(e->has, c->has, n * sizeof *e->has);
    t->n++;
    sift_up(t);
    return SB_OK;
}

static void replace_top(struct sb_topk *t, const struct sb_topk_entry *c) {
    size_t n = t->spec->nsort + 1;
    struct sb_topk_entry *e = &t->entries[0];
    e->segment = c->segment;
    e->doc = c->doc;
    e->offset = c->offset;
    memcpy(e->value, c->value, n * sizeof *e->value);
    memcpy(e->has, c->has, n * sizeof *e->has);
    sift_down(t);
}

static bool comes_after(const struct sb_topk_spec *s, const struct sb_topk_entry *c) {
    for (size_t i = 0; i < s->nsort; i++) {
        int order =
            compare_key(&s->sort[i], c->has[i], &c->value[i], s->after_has[i], &s->after[i]);
        if (order) return order > 0;
    }
    return false;
}

sb_err sb_topk_add(struct sb_topk *t, struct sb_topk_scan *s, struct sb_work *w, uint32_t doc) {
    const struct sb_topk_spec *spec = s->spec;
    struct sb_topk_entry *c = &s->candidate;
    bool full = t->n == spec->k;
    if (!spec->k) return SB_OK;
    c->doc = doc;
    c->offset = sb_column_i64(s->segment->offsets, doc);
    for (size_t i = 0; i < spec->nsort; i++) {
        read_key(&spec->sort[i], s->column[i], doc, &c->has[i], &c->value[i]);
        if (i || !full) continue;
        const struct sb_topk_entry *top = &t->entries[0];
        if (compare_key(&spec->sort[0], c->has[0], &c->value[0], top->has[0], &top->value[0]) > 0)
            return SB_OK;
    }
    if (spec->after && !comes_after(spec, c)) return SB_OK;
    if (!full) return push(t, w, c);
    if (compare(spec, c, &t->entries[0]) < 0) replace_top(t, c);
    return SB_OK;
}

bool sb_topk_block_may(const struct sb_topk_scan *s, const struct sb_topk *t, uint32_t first) {
    if (!s->spec->k) return false;
    if (t->n < s->spec->k || !s->spec->nsort) return true;
    const struct sb_sort *k = &s->spec->sort[0];
    const struct sb_column *c = s->column[0];
    const struct sb_topk_entry *top = &t->entries[0];
    if (!top->has[0]) return true;
    if (!c) return k->missing_first;
    if (c->type == SB_COLUMN_KEYWORD || !c->block_min) return true;
    if (k->missing_first && (c->starts || c->present)) return true;
    struct sb_search_value best = {.type = c->type};
    const void *bounds = k->descending ? c->block_max : c->block_min;
    uint32_t block = first / SB_COLUMN_BLOCK;
    if (c->type == SB_COLUMN_DOUBLE) {
        if (((const double *)c->block_min)[block] > ((const double *)c->block_max)[block])
            return true;
        best.f = ((const double *)bounds)[block];
    } else {
        best.i = ((const int64_t *)bounds)[block];
    }
    return compare_key(k, true, &best, true, &top->value[0]) <= 0;
}

/* ---- results ---- */

static bool copy_text(struct sb_work *w, struct sb_str *s) {
    *s = sb_arena_dup(w->out, *s);
    return s->p != NULL;
}

static sb_err put_hit(struct sb_topk *t, struct sb_work *w, const struct sb_topk_entry *e,
                      struct sb_search_hit *hit) {
    size_t n = t->spec->nsort;
    int id_field = sb_column_id_field(w->snap);
    const struct sb_column *names = sb_column_of(e->segment, id_field);
    hit->offset = e->offset;
    hit->sort = sb_arena_try_array(w->out, n + 1, sizeof *hit->sort);
    hit->has = sb_arena_try_array(w->out, n + 1, sizeof *hit->has);
    if (!hit->sort || !hit->has) return sb_fail(w->ctx, SB_E_LIMIT, "the result is too large");
    for (size_t i = 0; i < n; i++) {
        const struct sb_sort *k = &t->spec->sort[i];
        hit->has[i] = e->has[i];
        if (!e->has[i]) continue;
        hit->sort[i] = e->value[i];
        struct sb_search_value *v = &hit->sort[i];
        if (v->type == SB_COLUMN_KEYWORD && !copy_text(w, &v->s))
            return sb_fail(w->ctx, SB_E_LIMIT, "the result is too large");
        if (k->by == SB_SORT_FIELD && v->type == SB_COLUMN_LONG &&
            sb_column_field_at(w->snap, (size_t)k->field)->type == SB_COLUMN_DOUBLE)
            *v = (struct sb_search_value){.type = SB_COLUMN_DOUBLE, .f = (double)v->i};
    }
    struct sb_search_value id = {.type = SB_COLUMN_LONG};
    if (names && sb_column_has_any(names, e->doc))
        value_at(names, sb_column_first(names, e->doc), &id);
    if (id.type != SB_COLUMN_KEYWORD) {
        hit->id = sb_str_of(sb_arena_printf(w->out, "%lld", (long long)e->offset));
        return SB_OK;
    }
    hit->id = id.s;
    return copy_text(w, &hit->id) ? SB_OK : sb_fail(w->ctx, SB_E_LIMIT, "the result is too large");
}

sb_err sb_topk_finish(struct sb_topk *t, struct sb_work *w, uint32_t from,
                      struct sb_search_hit **hits, size_t *nhits) {
    uint32_t n = t->n > from ? t->n - from : 0;
    *hits = sb_arena_try_array(w->out, n + 1, sizeof **hits);
    if (!*hits) return sb_fail(w->ctx, SB_E_LIMIT, "the result is too large");
    *nhits = n;
    while (t->n > from) {
        SB_TRY(put_hit(t, w, &t->entries[0], &(*hits)[t->n - 1 - from]));
        t->entries[0] = t->entries[--t->n];
        if (t->n) sift_down(t);
    }
    return SB_OK;
}

/* Working memory of a search, and values of rows. */
#include "base/clock.h"
#include "base/mem.h"
#include "engine/column/search_int.h"

/* ---- memory ---- */

static sb_err too_much(struct sb_work *w, struct sb_str name) {
    if (!name.n) return sb_fail(w->ctx, SB_E_LIMIT, "the search needs more memory than it may use");
    return sb_fail(w->ctx, SB_E_LIMIT, "aggregation [%.*s] needs more memory than a search may use",
                   SB_ARG(name));
}

sb_err sb_work_array(struct sb_work *w, void *array, size_t n, size_t size, struct sb_str name) {
    void *p = sb_arena_try_array(&w->arena, n, size);
    if (!p) return too_much(w, name);
    memcpy(array, &p, sizeof p);
    return SB_OK;
}

sb_err sb_work_grow(struct sb_work *w, void *array, size_t *cap, size_t need, size_t size,
                    struct sb_str name) {
    if (need <= *cap) return SB_OK;
    size_t n = *cap * 2 > need ? *cap * 2 : need;
    if (n < 8) n = 8;
    void *old, *p;
    SB_TRY(sb_work_array(w, &p, n, size, name));
    memcpy(&old, array, sizeof old);
    if (*cap) memcpy(p, old, *cap * size);
    memcpy(array, &p, sizeof p);
    *cap = n;
    return SB_OK;
}

sb_err sb_work_check(struct sb_work *w) {
    if (w->cancel && atomic_load_explicit(w->cancel, memory_order_relaxed))
        return sb_fail(w->ctx, SB_E_CLOSED, "the search was cancelled");
    if ((w->deadline_ns && sb_mono_ns() > w->deadline_ns) ||
        (w->cpu_end_ns && sb_thread_cpu_ns() > w->cpu_end_ns))
        return sb_fail(w->ctx, SB_E_TIMEOUT, "the search took longer than it may");
    return SB_OK;
}

/* ---- values ---- */

enum sb_take_as sb_take_type(enum sb_column_type type) {
    if (type == SB_COLUMN_KEYWORD) return SB_TAKE_CODE;
    return type == SB_COLUMN_DOUBLE ? SB_TAKE_F64 : SB_TAKE_I64;
}

sb_err sb_take_init(struct sb_take *t, struct sb_work *w, enum sb_take_as as,
                    const struct sb_search_value *missing, struct sb_str name) {
    *t = (struct sb_take){.as = as, .missing = missing};
    SB_TRY(sb_work_array(w, &t->buffer, SB_COLUMN_BLOCK, 8, name));
    SB_TRY(sb_work_array(w, &t->doc, SB_COLUMN_BLOCK, sizeof *t->doc, name));
    SB_TRY(sb_work_array(w, &t->group, SB_COLUMN_BLOCK, sizeof *t->group, name));
    return sb_work_array(w, &t->at, SB_COLUMN_BLOCK, sizeof *t->at, name);
}

void sb_take_begin(struct sb_take *t, const struct sb_column *column, const struct sb_rows *rows) {
    t->column = column;
    t->from = rows;
    t->next = 0;
    t->next_value = 0;
    t->multi = column && column->starts;
    t->i = t->buffer;
    t->f = t->buffer;
    t->code = t->buffer;
}

static void put_missing(struct sb_take *t, uint32_t i) {
    const struct sb_search_value *m = t->missing;
    int64_t *to_i = t->buffer;
    double *to_f = t->buffer;
    uint32_t *to_code = t->buffer;
    switch (t->as) {
    case SB_TAKE_I64: to_i[i] = m->type == SB_COLUMN_DOUBLE ? (int64_t)m->f : m->i; break;
    case SB_TAKE_F64: to_f[i] = m->type == SB_COLUMN_DOUBLE ? m->f : (double)m->i; break;
    default: to_code[i] = t->column ? t->column->terms.n : 0;
    }
}

static void gather_run(struct sb_take *t, uint32_t at, uint32_t n) {
    const struct sb_column *c = t->column;
    switch (t->as) {
    case SB_TAKE_I64: sb_kernel_i64(c, at, n, t->buffer); break;
    case SB_TAKE_F64: sb_kernel_f64(c, at, n, t->buffer); break;
    default: sb_kernel_code(c, at, n, t->buffer);
    }
}

/* The values at n positions. */
static void gather(struct sb_take *t, const uint32_t *at, uint32_t n) {
    const struct sb_column *c = t->column;
    int64_t *to_i = t->buffer;
    double *to_f = t->buffer;
    uint32_t *to_code = t->buffer;
    if (t->as == SB_TAKE_CODE) {
        for (uint32_t i = 0; i < n; i++) to_code[i] = (uint32_t)sb_column_raw(c, at[i]);
    } else if (t->as == SB_TAKE_F64 && c->type == SB_COLUMN_DOUBLE) {
        const double *v = c->values;
        for (uint32_t i = 0; i < n; i++) to_f[i] = v[at[i]];
    } else if (t->as == SB_TAKE_F64) {
        for (uint32_t i = 0; i < n; i++) to_f[i] = (double)sb_column_i64(c, at[i]);
    } else if (c->type == SB_COLUMN_DOUBLE) {
        for (uint32_t i = 0; i < n; i++) sb_kernel_i64(c, at[i], 1, to_i + i);
    } else {
        for (uint32_t i = 0; i < n; i++) to_i[i] = sb_column_i64(c, at[i]);
    }
}

/* Rows that have a value (single values). */
static bool take_present(struct sb_take *t) {
    const struct sb_rows *r = t->from;
    const struct sb_column *c = t->column;
    t->next = r->n;
    t->rows = *r;
    if (c->present && !t->missing) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < r->n; i++) {
            uint32_t d = r->doc[i];
            t->doc[n] = d;
            t->group[n] = r->group[i];
            n += c->present[d >> 6] >> (d & 63) & 1;
        }
        if (n < r->n)
            t->rows = (struct sb_rows){.doc = t->doc, .group = t->group, .n = n, .one = r->one};
    }
    if (!t->rows.n) return false;
    if (!t->rows.run)
        gather(t, t->rows.doc, t->rows.n);
    else if (t->as != SB_TAKE_F64 || c->type != SB_COLUMN_DOUBLE || c->present)
        gather_run(t, t->rows.doc[0], t->rows.n);
    else
        t->f = (const double *)c->values + t->rows.doc[0]; /* where they stand */
    if (c->present && t->missing)
        for (uint32_t i = 0; i < r->n; i++)
            if (!sb_column_has(c, r->doc[i])) put_missing(t, i);
    return true;
}

/* A piece of the values of rows that may have several. */
static bool take_several(struct sb_take *t) {
    const struct sb_rows *r = t->from;
    const uint32_t *starts = t->column->starts;
    uint32_t n = 0, lacking[SB_COLUMN_BLOCK], nlacking = 0;
    while (t->next < r->n && n < SB_COLUMN_BLOCK) {
        uint32_t d = r->doc[t->next], at = starts[d] + t->next_value;
        bool none = starts[d] == starts[d + 1];
        if (none ? !t->missing : at == starts[d + 1]) {
            t->next++;
            t->next_value = 0;
            continue;
        }
        t->doc[n] = d;
        t->group[n] = r->group[t->next];
        t->at[n] = none ? 0 : at;
        if (none) lacking[nlacking++] = n;
        n++;
        if (none)
            t->next++;
        else
            t->next_value++;
    }
    if (!n) return false;
    t->rows = (struct sb_rows){.doc = t->doc, .group = t->group, .n = n, .one = r->one};
    if (t->column->nvalues) gather(t, t->at, n);
    for (uint32_t i = 0; i < nlacking; i++) put_missing(t, lacking[i]);
    return true;
}

bool sb_take_next(struct sb_take *t) {
    if (t->next >= t->from->n) return false;
    if (t->column) return t->column->starts ? take_several(t) : take_present(t);
    t->next = t->from->n;
    if (!t->missing) return false;
    t->rows = *t->from;
    for (uint32_t i = 0; i < t->rows.n; i++) put_missing(t, i);
    return true;
}

uint32_t sb_terms_lower(const struct sb_column *c, struct sb_str s) {
    uint32_t lo = 0, hi = c->terms.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (sb_str_cmp(sb_column_term(c, mid), s) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

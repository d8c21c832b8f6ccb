/* Merging neighbours: column by column, so that never more than one column of the result is in
 * memory besides the inputs. */
#include "engine/column/column_int.h"

/* ---- terms ---- */

struct merge_terms {
    struct sb_column_terms all;
    uint32_t *at; /* of all */
    char *text;
    uint32_t **to; /* by input: where its ordinals went; NULL: nowhere */
};

/* Inputs by their next term: a heap of their numbers. */
struct heap {
    uint32_t *input, n;
    const uint32_t *next; /* by input */
    const struct sb_column *const *c;
};

static bool heap_less(const struct heap *h, uint32_t a, uint32_t b) {
    uint32_t x = h->input[a], y = h->input[b];
    return sb_str_cmp(sb_column_term(h->c[x], h->next[x]), sb_column_term(h->c[y], h->next[y])) < 0;
}

static void heap_down(struct heap *h, uint32_t i) {
    for (;;) {
        uint32_t least = i;
        for (uint32_t k = 2 * i + 1; k <= 2 * i + 2 && k < h->n; k++) {
            if (heap_less(h, k, least)) least = k;
        }
        if (least == i) return;
        uint32_t swap = h->input[i];
        h->input[i] = h->input[least];
        h->input[least] = swap;
        i = least;
    }
}

static void push_term(struct merge_terms *t, struct sb_str s) {
    uint32_t at = t->at[t->all.n];
    if (s.n) memcpy(t->text + at, s.p, s.n);
    t->at[++t->all.n] = at + (uint32_t)s.n;
}

/* Takes the least of all inputs' next terms until none is left. */
static void merge_sorted(struct merge_terms *t, const struct sb_column *const *c, uint32_t n) {
    uint32_t *next = sb_calloc(n, sizeof *next);
    struct heap h = {.input = sb_alloc(n * sizeof *h.input), .next = next, .c = c};
    for (uint32_t i = 0; i < n; i++) {
        if (c[i]) h.input[h.n++] = i;
    }
    for (uint32_t i = h.n; i-- > 0;) heap_down(&h, i);
    while (h.n) {
        uint32_t i = h.input[0];
        struct sb_str s = sb_column_term(c[i], next[i]);
        const uint32_t *at = t->at, k = t->all.n;
        if (!k || !sb_str_eq(s, sb_str_make(t->text + at[k - 1], at[k] - at[k - 1])))
            push_term(t, s);
        t->to[i][next[i]] = t->all.n - 1;
        if (++next[i] == c[i]->terms.n) h.input[0] = h.input[--h.n];
        heap_down(&h, 0);
    }
    sb_free(h.input);
    sb_free(next);
}

/* Each input's terms lie behind those of the one before: nothing to compare. */
static bool terms_ascend(const struct sb_column *const *c, uint32_t n) {
    const struct sb_column *last = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (!c[i]) continue;
        if (last &&
            sb_str_cmp(sb_column_term(last, last->terms.n - 1), sb_column_term(c[i], 0)) >= 0)
            return false;
        last = c[i];
    }
    return true;
}

static void append_terms(struct merge_terms *t, const struct sb_column *c, uint32_t *to) {
    uint32_t base = t->at[t->all.n], n = t->all.n;
    memcpy(t->text + base, c->terms.text, c->terms.at[c->terms.n]);
    for (uint32_t i = 0; i < c->terms.n; i++) {
        to[i] = n + i;
        t->at[n + i + 1] = base + c->terms.at[i + 1];
    }
    t->all.n += c->terms.n;
}

static void merge_terms(struct merge_terms *t, const struct sb_column *const *c, uint32_t n) {
    size_t terms = 0, text = 0;
    t->to = sb_calloc(n, sizeof *t->to);
    for (uint32_t i = 0; i < n; i++) {
        if (!c[i]) continue;
        terms += c[i]->terms.n;
        text += c[i]->terms.at[c[i]->terms.n];
        t->to[i] = sb_alloc(c[i]->terms.n * sizeof **t->to);
    }
    t->at = sb_alloc((terms + 1) * sizeof *t->at);
    t->text = sb_alloc(text);
    t->at[0] = 0;
    t->all.n = 0;
    if (terms_ascend(c, n)) {
        for (uint32_t i = 0; i < n; i++) {
            if (c[i]) append_terms(t, c[i], t->to[i]);
        }
    } else {
        merge_sorted(t, c, n);
    }
    t->all.at = t->at;
    t->all.text = t->text;
}

static void merge_terms_fini(struct merge_terms *t, uint32_t n) {
    for (uint32_t i = 0; t->to && i < n; i++) sb_free(t->to[i]);
    sb_free(t->to);
    sb_free(t->at);
    sb_free(t->text);
}

/* ---- values ---- */

/* Value i of an input in the type of the result. */
static inline uint64_t value_of(const struct sb_column *c, enum sb_column_type type,
                                const uint32_t *to, uint32_t i) {
    if (type == SB_COLUMN_KEYWORD) return to[sb_column_raw(c, i)];
    if (type != SB_COLUMN_DOUBLE) return (uint64_t)sb_column_i64(c, i);
    double d = sb_column_f64(c, i);
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

/* Number of values that documents of c really have. */
static uint32_t values_in(const struct sb_column *c) {
    return !c ? 0 : c->starts ? c->nvalues : c->npresent;
}

struct merged {
    struct sb_column_plain p;
    uint64_t *values, *present;
    uint32_t *starts;
};

/* Appends one input's documents, doc0 on. */
static void append_values(struct merged *m, const struct sb_column *c, const uint32_t *to,
                          uint32_t doc0, uint32_t docs) {
    if (!c) {
        for (uint32_t d = 0; m->starts && d < docs; d++) m->starts[doc0 + d + 1] = m->p.nvalues;
        return;
    }
    for (uint32_t d = 0; d < docs; d++) {
        uint32_t doc = doc0 + d;
        if (sb_column_has(c, d)) {
            if (m->present) m->present[doc >> 6] |= UINT64_C(1) << (doc & 63);
            uint32_t from = c->starts ? c->starts[d] : d,
                     end = c->starts ? c->starts[d + 1] : d + 1;
            for (uint32_t i = from; i < end; i++)
                m->values[m->starts ? m->p.nvalues++ : doc] = value_of(c, m->p.type, to, i);
        }
        if (m->starts) m->starts[doc + 1] = m->p.nvalues;
    }
}

static sb_err merge_column(struct sb_column_writer *w, int field, const struct sb_column *const *c,
                           struct sb_column_part *const *from, uint32_t n, uint32_t docs,
                           struct sb_errctx *ctx) {
    struct merged m = {.p = {.docs = docs}};
    struct merge_terms terms = {0};
    size_t values = 0;
    bool multi = false;
    for (uint32_t i = 0; i < n; i++) {
        if (!c[i]) continue;
        if (m.p.npresent == 0 || c[i]->type == SB_COLUMN_DOUBLE) m.p.type = c[i]->type;
        m.p.npresent += c[i]->npresent;
        values += values_in(c[i]);
        multi |= c[i]->starts != NULL;
    }
    if (m.p.type == SB_COLUMN_KEYWORD) {
        merge_terms(&terms, c, n);
        m.p.terms = terms.all;
    }
    m.values = sb_calloc(multi ? values : docs, sizeof *m.values);
    if (multi) m.starts = sb_calloc((size_t)docs + 1, sizeof *m.starts);
    if (m.p.npresent < docs) m.present = sb_calloc((docs + 63) / 64, sizeof *m.present);
    uint32_t doc = 0;
    for (uint32_t i = 0; i < n; i++) {
        append_values(&m, c[i], terms.to ? terms.to[i] : NULL, doc, from[i]->view.docs);
        doc += from[i]->view.docs;
    }
    if (!multi) m.p.nvalues = docs;
    m.p.values = m.values;
    m.p.starts = m.starts;
    m.p.present = m.present;
    sb_err err = sb_column_writer_add(w, field, &m.p, ctx);
    merge_terms_fini(&terms, n);
    sb_free(m.values);
    sb_free(m.starts);
    sb_free(m.present);
    return err;
}

/* The fields that any input has, ascending. */
static uint32_t used_fields(struct sb_column_part *const *from, uint32_t n, uint32_t *used) {
    uint32_t nused = 0;
    for (uint32_t f = 0; f < SB_COLUMN_FIELDS_MAX; f++) {
        for (uint32_t i = 0; i < n; i++) {
            if (!sb_column_of(&from[i]->view, (int)f)) continue;
            used[nused++] = f;
            break;
        }
    }
    return nused;
}

sb_err sb_column_merge(struct sb_column_part **out, const char *dir, uint64_t id,
                       struct sb_column_part *const *from, uint32_t n,
                       const struct sb_column_fields *fields, int time_field,
                       struct sb_errctx *ctx) {
    uint32_t docs = 0, used[SB_COLUMN_FIELDS_MAX], nused = used_fields(from, n, used);
    for (uint32_t i = 0; i < n; i++) docs += from[i]->view.docs;
    struct sb_column_writer *w;
    SB_TRY(sb_column_writer_open(&w, dir, id, docs, fields, used, nused, ctx));
    const struct sb_column **c = sb_alloc(n * sizeof(struct sb_column *));
    for (uint32_t i = 0; i < n; i++) c[i] = from[i]->view.offsets;
    sb_err err = merge_column(w, -1, c, from, n, docs, ctx);
    for (uint32_t k = 0; k < nused && !err; k++) {
        for (uint32_t i = 0; i < n; i++) c[i] = sb_column_of(&from[i]->view, (int)used[k]);
        err = merge_column(w, (int)used[k], c, from, n, docs, ctx);
    }
    sb_free(c);
    if (err) {
        sb_column_writer_drop(w);
        return err;
    }
    return sb_column_writer_finish(w, time_field, out, ctx);
}

/* ---- which ---- */

enum { FAN = 8 };

/* Of neighbours that all have fewer than `below` documents: eight in a row, or, where eight would
 * be more than max, as many as fit when that is half of it. */
static bool pick_below(const uint32_t *docs, const bool *joined, uint32_t n, uint32_t max,
                       uint64_t below, uint32_t *first, uint32_t *count) {
    for (uint32_t from = 0; from < n; from++) {
        uint64_t sum = 0;
        uint32_t i = from;
        for (; i < n && i - from < FAN; i++) {
            if (docs[i] >= below || (i > from && !joined[i])) break;
            if (sum + docs[i] > max) break;
            sum += docs[i];
        }
        bool full = i < n && i > from && docs[i] < below && joined[i] && sum + docs[i] > max;
        if (i - from == FAN || (full && i - from >= 2 && sum >= max / 2)) {
            *first = from;
            *count = i - from;
            return true;
        }
    }
    return false;
}

bool sb_column_merge_pick(const uint32_t *docs, const bool *joined, uint32_t n, uint32_t max,
                          uint32_t *first, uint32_t *count) {
    for (uint64_t below = FAN; below / FAN < max; below *= FAN) {
        if (pick_below(docs, joined, n, max, below, first, count)) return true;
    }
    return false;
}

/* The memtable: a builder per field takes values in the order of documents; sealing sorts what is
 * not sorted yet and packs it. */
#include <stdlib.h>

#include "engine/column/column_int.h"

/* ---- dictionaries ---- */

static struct sb_str dict_term(const struct sb_column_dict *d, uint32_t i) {
    return sb_str_make(d->text + d->at[i], d->at[i + 1] - d->at[i]);
}

static void dict_fini(struct sb_column_dict *d) {
    sb_free(d->at);
    sb_free(d->text);
    sb_free(d->hashes);
    sb_free(d->slots);
    *d = (struct sb_column_dict){0};
}

static void dict_slot(struct sb_column_dict *d, uint32_t ordinal) {
    uint32_t mask = d->nslots - 1, i = d->hashes[ordinal] & mask;
    while (d->slots[i]) i = (i + 1) & mask;
    d->slots[i] = ordinal + 1;
}

/* At most half full. */
static void dict_rehash(struct sb_column_dict *d, uint32_t nslots) {
    sb_free(d->slots);
    d->nslots = nslots;
    d->slots = sb_calloc(nslots, sizeof *d->slots);
    for (uint32_t i = 0; i < d->n; i++) dict_slot(d, i);
}

static uint32_t hash_of(struct sb_str s) {
    return (uint32_t)sb_hash(s.p, s.n);
}

/* From the first string on that does not ascend. */
static void dict_start_hash(struct sb_column_dict *d) {
    uint32_t nslots = 64;
    while (nslots < d->n * 4) nslots *= 2;
    d->hashes = sb_realloc(d->hashes, (size_t)d->cap * sizeof *d->hashes);
    for (uint32_t i = 0; i < d->n; i++) d->hashes[i] = hash_of(dict_term(d, i));
    dict_rehash(d, nslots);
    d->hashed = true;
}

static uint32_t dict_append(struct sb_column_dict *d, struct sb_str s, uint32_t hash) {
    if (d->n + 1 >= d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->at = sb_realloc(d->at, ((size_t)d->cap + 1) * sizeof *d->at);
        if (d->hashed) d->hashes = sb_realloc(d->hashes, (size_t)d->cap * sizeof *d->hashes);
        if (!d->n) d->at[0] = 0;
    }
    if (d->ntext + s.n >= d->cap_text) { /* never none: terms are pointers into it */
        d->cap_text = (d->ntext + s.n + 32) * 2;
        d->text = sb_realloc(d->text, d->cap_text);
    }
    if (s.n) memcpy(d->text + d->ntext, s.p, s.n);
    d->ntext += s.n;
    d->at[d->n + 1] = (uint32_t)d->ntext;
    uint32_t ordinal = d->n++;
    if (d->hashed) {
        d->hashes[ordinal] = hash;
        if (d->n * 2 > d->nslots) {
            dict_rehash(d, d->nslots * 2);
        } else {
            dict_slot(d, ordinal);
        }
    }
    return ordinal;
}

static uint32_t dict_put(struct sb_column_dict *d, struct sb_str s) {
    if (!d->hashed) {
        int cmp = d->n ? sb_str_cmp(dict_term(d, d->n - 1), s) : -1;
        if (cmp < 0) return dict_append(d, s, 0);
        if (cmp == 0) return d->n - 1;
        dict_start_hash(d);
    }
    uint32_t hash = hash_of(s), mask = d->nslots - 1;
    for (uint32_t i = hash & mask; d->slots[i]; i = (i + 1) & mask) {
        uint32_t ordinal = d->slots[i] - 1;
        if (d->hashes[ordinal] == hash && sb_str_eq(dict_term(d, ordinal), s)) return ordinal;
    }
    return dict_append(d, s, hash);
}

/* ---- builders ---- */

static void builder_reset(struct sb_column_builder *b) {
    dict_fini(&b->dict);
    sb_free(b->values);
    sb_free(b->docs);
    *b = (struct sb_column_builder){0};
}

static void builder_push(struct sb_column_builder *b, uint32_t doc, uint64_t v) {
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 64;
        b->values = sb_realloc(b->values, (size_t)b->cap * sizeof *b->values);
        b->docs = sb_realloc(b->docs, (size_t)b->cap * sizeof *b->docs);
    }
    if (b->n && b->docs[b->n - 1] == doc) b->multi = true;
    b->values[b->n] = v;
    b->docs[b->n] = doc;
    b->n++;
}

static uint64_t bits_of(double d) {
    uint64_t v;
    memcpy(&v, &d, sizeof v);
    return v;
}

static void builder_promote(struct sb_column_builder *b) {
    for (uint32_t i = 0; i < b->n; i++) b->values[i] = bits_of((double)(int64_t)b->values[i]);
    b->type = SB_COLUMN_DOUBLE;
}

static uint64_t keyword(struct sb_column_builder *b, struct sb_str s) {
    if (!b->n || !sb_str_eq(dict_term(&b->dict, b->last), s)) b->last = dict_put(&b->dict, s);
    return b->last;
}

/* ---- the table ---- */

void sb_column_memtable_init(struct sb_column_memtable *m) {
    *m = (struct sb_column_memtable){0};
}

void sb_column_memtable_fini(struct sb_column_memtable *m) {
    for (uint32_t i = 0; i < m->ncolumns; i++) builder_reset(&m->columns[i]);
    sb_free(m->columns);
    sb_free(m->offsets);
    *m = (struct sb_column_memtable){0};
}

static void grow_columns(struct sb_column_memtable *m, uint32_t n) {
    m->columns = sb_realloc(m->columns, n * sizeof *m->columns);
    memset(m->columns + m->ncolumns, 0, (n - m->ncolumns) * sizeof *m->columns);
    m->ncolumns = n;
}

void sb_column_memtable_add(struct sb_column_memtable *m, int64_t offset,
                            const struct sb_column_value *v, size_t n,
                            const struct sb_column_fields *fields) {
    if (fields->n > m->ncolumns) grow_columns(m, fields->n);
    if (m->docs == m->cap_docs) {
        m->cap_docs = m->cap_docs ? m->cap_docs * 2 : 1024;
        m->offsets = sb_realloc(m->offsets, m->cap_docs * sizeof *m->offsets);
    }
    uint32_t doc = m->docs++;
    m->offsets[doc] = offset;
    for (size_t i = 0; i < n; i++) {
        struct sb_column_builder *b = &m->columns[v[i].field];
        if (!b->n) b->type = v[i].type;
        uint64_t value;
        if (v[i].type == SB_COLUMN_KEYWORD) {
            size_t before = b->dict.ntext;
            value = keyword(b, v[i].s);
            m->bytes += b->dict.ntext - before;
        } else if (v[i].type == SB_COLUMN_DOUBLE) {
            if (b->type == SB_COLUMN_LONG) builder_promote(b);
            value = bits_of(v[i].d);
        } else {
            value = b->type == SB_COLUMN_DOUBLE ? bits_of((double)v[i].i) : (uint64_t)v[i].i;
        }
        builder_push(b, doc, value);
    }
    m->bytes += 8 + n * 12;
}

/* ---- sealing ---- */

struct prefixed {
    uint64_t prefix; /* first eight bytes, big endian: mostly decides */
    uint32_t ordinal;
};

static int by_term(const void *a, const void *b, void *dict) {
    const struct prefixed *x = a, *y = b;
    if (x->prefix != y->prefix) return x->prefix < y->prefix ? -1 : 1;
    return sb_str_cmp(dict_term(dict, x->ordinal), dict_term(dict, y->ordinal));
}

/* Sorted copies in *at and *text, and where each ordinal went in *to; none when sorted already. */
static void dict_sort(struct sb_column_dict *d, uint32_t **to, uint32_t **at, char **text) {
    *to = NULL;
    *at = NULL;
    *text = NULL;
    if (!d->hashed) return;
    struct prefixed *p = sb_alloc(d->n * sizeof *p);
    for (uint32_t i = 0; i < d->n; i++) {
        struct sb_str s = dict_term(d, i);
        uint64_t prefix = 0;
        memcpy(&prefix, s.p, s.n < 8 ? s.n : 8);
        p[i] = (struct prefixed){__builtin_bswap64(prefix), i};
    }
    qsort_r(p, d->n, sizeof *p, by_term, d);
    *to = sb_alloc(d->n * sizeof **to);
    *at = sb_alloc(((size_t)d->n + 1) * sizeof **at);
    *text = sb_alloc(d->ntext);
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        struct sb_str s = dict_term(d, p[i].ordinal);
        (*to)[p[i].ordinal] = i;
        (*at)[i] = n;
        if (s.n) memcpy(*text + n, s.p, s.n);
        n += (uint32_t)s.n;
    }
    (*at)[d->n] = n;
    sb_free(p);
}

static int by_number(const void *a, const void *b) {
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}
static int by_double(const void *a, const void *b) {
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The values of each document ascending, a KEYWORD's each once; packs them together. */
static uint32_t order_values(enum sb_column_type type, uint64_t *v, uint32_t *starts,
                             uint32_t docs) {
    uint32_t n = 0, from = 0;
    for (uint32_t doc = 0; doc < docs; doc++) {
        uint32_t to = starts[doc + 1];
        if (to - from > 1)
            qsort(v + from, to - from, sizeof *v, type == SB_COLUMN_DOUBLE ? by_double : by_number);
        starts[doc] = n;
        for (uint32_t i = from; i < to; i++) {
            if (type == SB_COLUMN_KEYWORD && i > from && v[i] == v[i - 1]) continue;
            v[n++] = v[i];
        }
        from = to;
    }
    starts[docs] = n;
    return n;
}

/* Several values a document: starts; the values lie together already. */
static uint32_t *place_many(const struct sb_column_builder *b, uint32_t docs, uint64_t *v,
                            uint32_t *nvalues) {
    uint32_t *starts = sb_calloc((size_t)docs + 1, sizeof *starts);
    for (uint32_t i = 0; i < b->n; i++) starts[b->docs[i] + 1]++;
    for (uint32_t d = 0; d < docs; d++) starts[d + 1] += starts[d];
    *nvalues = order_values(b->type, v, starts, docs);
    return starts;
}

/* One value a document: each to its place. */
static uint64_t *place_single(const struct sb_column_builder *b, uint32_t docs) {
    uint64_t *v = sb_calloc(docs, sizeof *v);
    for (uint32_t i = 0; i < b->n; i++) v[b->docs[i]] = b->values[i];
    return v;
}

/* Bits of documents with a value; NULL when all have one. */
static uint64_t *presence(const struct sb_column_builder *b, uint32_t docs, uint32_t *npresent) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n; i++) n += i == 0 || b->docs[i] != b->docs[i - 1];
    *npresent = n;
    if (n == docs) return NULL;
    uint64_t *bits = sb_calloc((docs + 63) / 64, sizeof *bits);
    for (uint32_t i = 0; i < b->n; i++) bits[b->docs[i] >> 6] |= UINT64_C(1) << (b->docs[i] & 63);
    return bits;
}

static void seal_column(struct sb_column_writer *w, int field, struct sb_column_builder *b,
                        uint32_t docs) {
    struct sb_column_plain p = {.type = b->type, .docs = docs, .nvalues = docs};
    uint32_t *to = NULL, *at = NULL, *starts = NULL;
    char *text = NULL;
    if (b->type == SB_COLUMN_KEYWORD) {
        dict_sort(&b->dict, &to, &at, &text);
        for (uint32_t i = 0; to && i < b->n; i++) b->values[i] = to[b->values[i]];
        p.terms =
            (struct sb_column_terms){b->dict.n, at ? at : b->dict.at, text ? text : b->dict.text};
    }
    uint64_t *present = presence(b, docs, &p.npresent), *single = NULL;
    p.values = b->values;
    if (b->multi) {
        starts = place_many(b, docs, b->values, &p.nvalues);
    } else if (present) {
        p.values = single = place_single(b, docs);
    }
    p.starts = starts;
    p.present = present;
    sb_err err = sb_column_writer_add(w, field, &p, NULL);
    SB_ASSERT(err == SB_OK); /* in memory nothing fails */
    sb_free(to);
    sb_free(at);
    sb_free(text);
    sb_free(starts);
    sb_free(present);
    sb_free(single);
}

struct sb_column_part *sb_column_memtable_seal(struct sb_column_memtable *m,
                                               const struct sb_column_fields *fields,
                                               int time_field) {
    struct sb_column_writer *w;
    struct sb_column_part *part;
    uint32_t used[SB_COLUMN_FIELDS_MAX], n = 0;
    for (uint32_t i = 0; i < m->ncolumns; i++) {
        if (m->columns[i].n) used[n++] = i;
    }
    sb_err err = sb_column_writer_open(&w, NULL, 0, m->docs, fields, used, n, NULL);
    SB_ASSERT(err == SB_OK);
    struct sb_column_plain offsets = {
        .type = SB_COLUMN_LONG,
        .docs = m->docs,
        .nvalues = m->docs,
        .npresent = m->docs,
        .values = (const uint64_t *)(const void *)m->offsets,
    };
    err = sb_column_writer_add(w, -1, &offsets, NULL);
    SB_ASSERT(err == SB_OK);
    for (uint32_t i = 0; i < n; i++) {
        seal_column(w, (int)used[i], &m->columns[used[i]], m->docs);
        builder_reset(&m->columns[used[i]]);
    }
    err = sb_column_writer_finish(w, time_field, &part, NULL);
    SB_ASSERT(err == SB_OK);
    sb_free(m->offsets);
    m->offsets = NULL;
    m->docs = m->cap_docs = 0;
    m->bytes = 0;
    return part;
}

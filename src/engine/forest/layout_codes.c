/* Tables of thresholds, columns of codes, and which column and k each node compares with. */
#include "engine/forest/layout.h"

#include <math.h>

#include "base/mem.h"

enum { SLOTS = 512, NONE = 0xffff };

/* A feature's thresholds while they are collected: a small open-addressing table, so that a forest
 * with too many is given up early and nothing large is ever sorted. */
struct builder {
    const struct sb_forest *f;
    struct layout_codes *c;
    uint16_t *feature_table; /* per feature: its table; NONE */
    struct collected {
        uint32_t feature;
        uint32_t n;
        uint16_t column[2]; /* by "NaN goes left"; NONE */
        double key[SLOTS];
        uint8_t used[SLOTS]; /* 0 free; later the threshold's k */
    } * *tables;
    uint16_t *set_slots; /* hash of columns that are sets: column, NONE */
};

enum { SET_SLOTS = 4096 }; /* four times COLUMNS_MAX */

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint32_t key_slot(const struct collected *t, double key) {
    uint64_t bits;
    memcpy(&bits, &key, sizeof bits);
    uint32_t at = (uint32_t)(mix(0, bits) >> 32) % SLOTS;
    while (t->used[at] && t->key[at] != key) at = (at + 1) % SLOTS;
    return at;
}

/* -0.0 and 0.0 are one threshold. */
static double plain_zero(double t) {
    return t == 0 ? 0.0 : t;
}

static struct collected *table_of(struct builder *b, uint32_t feature) {
    struct layout_codes *c = b->c;
    if (b->feature_table[feature] != NONE) return b->tables[b->feature_table[feature]];
    if (c->ntables == COLUMNS_MAX) return NULL;
    struct collected *t = sb_try_alloc(sizeof *t);
    if (!t) return NULL;
    t->feature = feature;
    t->n = 0;
    t->column[0] = t->column[1] = NONE;
    memset(t->used, 0, sizeof t->used);
    b->feature_table[feature] = (uint16_t)c->ntables;
    b->tables[c->ntables++] = t;
    return t;
}

static uint16_t *set_slot(struct builder *b, const struct layout_node *n) {
    uint64_t h = mix(mix(n->feature, (uint64_t)n->first << 32 | n->n), n->nan_left + 2 * n->others);
    for (uint32_t at = (uint32_t)(h >> 32) % SET_SLOTS;; at = (at + 1) % SET_SLOTS) {
        uint16_t id = b->set_slots[at];
        if (id == NONE) return &b->set_slots[at];
        const struct layout_column *c = &b->c->columns[id];
        if (c->feature == n->feature && c->first == n->first && c->n == n->n &&
            c->others == n->others && c->nan_code == layout_nan_code(n->nan_left))
            return &b->set_slots[at];
    }
}

static bool collect_set(struct builder *b, const struct layout_node *n) {
    uint16_t *slot = set_slot(b, n);
    if (*slot != NONE) return true;
    if (b->c->ncolumns == COLUMNS_MAX) return false;
    *slot = (uint16_t)b->c->ncolumns;
    b->c->columns[b->c->ncolumns++] =
        (struct layout_column){.feature = n->feature,
                               .set = true,
                               .others = n->others,
                               .nan_code = layout_nan_code(n->nan_left),
                               .first = n->first,
                               .n = n->n};
    return true;
}

static bool collect_threshold(struct builder *b, const struct layout_node *n) {
    struct collected *t = table_of(b, n->feature);
    if (!t) return false;
    t->column[n->nan_left] = 0;
    if (isnan(n->t)) return true;
    double key = plain_zero(n->t);
    uint32_t at = key_slot(t, key);
    if (t->used[at]) return true;
    if (t->n == CODES_MAX) return false;
    t->used[at] = 1;
    t->key[at] = key;
    t->n++;
    return true;
}

static bool collect(struct builder *b) {
    const struct sb_forest *f = b->f;
    for (uint32_t t = 0; t < f->ntrees; t++)
        for (uint32_t i = 0; i < f->trees[t].count; i++) {
            struct layout_node n = layout_node_at(f, &f->trees[t], i);
            if (n.leaf) continue;
            if (!(n.set ? collect_set(b, &n) : collect_threshold(b, &n))) return false;
        }
    return true;
}

/* At most CODES_MAX numbers, so by insertion. (The C library's qsort asks the system how much
 * memory there is, which the converter's sandbox forbids.) */
static void insert(double *sorted, uint32_t n, double v) {
    while (n > 0 && sorted[n - 1] > v) {
        sorted[n] = sorted[n - 1];
        n--;
    }
    sorted[n] = v;
}

/* The table with its pivots, and each threshold's place in it. */
static void sort_table(struct builder *b, uint32_t index) {
    struct collected *t = b->tables[index];
    double sorted[CODES_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (t->used[i]) insert(sorted, n++, t->key[i]);
    for (uint32_t i = 0; i < n; i++) t->used[key_slot(t, sorted[i])] = (uint8_t)(i + 1);
    for (uint32_t i = 0; i < TABLE; i++) {
        uint32_t place = i < PIVOTS ? 16 * i + 15 : i - PIVOTS;
        double v = place < n ? sorted[place] : (double)INFINITY;
        if (b->f->wide)
            b->c->wide[(size_t)index * TABLE + i] = v;
        else
            b->c->narrow[(size_t)index * TABLE + i] = (float)v;
    }
    b->c->used[index] = (uint8_t)n;
}

static bool add_columns(struct builder *b) {
    struct layout_codes *c = b->c;
    for (uint32_t i = 0; i < c->ntables; i++) {
        struct collected *t = b->tables[i];
        bool twin = false;
        for (int left = 0; left < 2; left++) {
            if (t->column[left] == NONE) continue;
            if (c->ncolumns == COLUMNS_MAX) return false;
            t->column[left] = (uint16_t)c->ncolumns;
            c->columns[c->ncolumns++] = (struct layout_column){
                .feature = t->feature, .twin = twin, .nan_code = layout_nan_code(left), .table = i};
            twin = true;
        }
    }
    return true;
}

static void mark_nodes(struct builder *b) {
    const struct sb_forest *f = b->f;
    for (uint32_t t = 0; t < f->ntrees; t++)
        for (uint32_t i = 0; i < f->trees[t].count; i++) {
            size_t at = (size_t)f->trees[t].root + i;
            struct layout_node n = layout_node_at(f, &f->trees[t], i);
            uint16_t column = 0;
            uint8_t k = CODE_NAN_RIGHT; /* a leaf: whatever comes goes left, to itself */
            if (!n.leaf && n.set) {
                column = *set_slot(b, &n);
                k = 1;
            } else if (!n.leaf) {
                struct collected *c = b->tables[b->feature_table[n.feature]];
                column = c->column[n.nan_left];
                k = isnan(n.t) ? 0 : c->used[key_slot(c, plain_zero(n.t))];
            }
            b->c->node_column[at] = column;
            b->c->node_k[at] = k;
        }
}

static bool fill(struct builder *b) {
    struct layout_codes *c = b->c;
    const struct sb_forest *f = b->f;
    if (!collect(b) || !add_columns(b)) return false;
    size_t room = ((size_t)c->ntables + 1) * TABLE;
    c->used = sb_try_alloc(c->ntables + 1);
    if (f->wide)
        c->wide = sb_try_alloc(room * sizeof *c->wide);
    else
        c->narrow = sb_try_alloc(room * sizeof *c->narrow);
    c->node_column = sb_try_alloc((f->nnodes + 1) * sizeof *c->node_column);
    c->node_k = sb_try_alloc(f->nnodes + 1);
    if (!c->used || !(f->wide ? (void *)c->wide : (void *)c->narrow) || !c->node_column ||
        !c->node_k)
        return false;
    for (uint32_t i = 0; i < c->ntables; i++) sort_table(b, i);
    mark_nodes(b);
    return true;
}

bool layout_codes_make(struct layout_codes *c, const struct sb_forest *f) {
    struct builder b = {.f = f, .c = c};
    *c = (struct layout_codes){0};
    c->columns = sb_try_alloc(COLUMNS_MAX * sizeof *c->columns);
    b.feature_table = sb_try_alloc(f->nfeatures * sizeof *b.feature_table);
    b.tables = sb_try_alloc(COLUMNS_MAX * sizeof *b.tables);
    b.set_slots = sb_try_alloc(SET_SLOTS * sizeof *b.set_slots);
    bool ok = c->columns && b.feature_table && b.tables && b.set_slots;
    if (ok) {
        memset(b.feature_table, 0xff, f->nfeatures * sizeof *b.feature_table);
        memset(b.set_slots, 0xff, SET_SLOTS * sizeof *b.set_slots);
        ok = fill(&b);
    }
    for (uint32_t i = 0; i < c->ntables; i++) sb_free(b.tables[i]);
    sb_free(b.feature_table);
    sb_free(b.tables);
    sb_free(b.set_slots);
    if (!ok) layout_codes_fini(c);
    return ok;
}

void layout_codes_drop_nodes(struct layout_codes *c) {
    sb_free(c->node_column);
    sb_free(c->node_k);
    c->node_column = NULL;
    c->node_k = NULL;
}

void layout_codes_fini(struct layout_codes *c) {
    layout_codes_drop_nodes(c);
    sb_free(c->columns);
    sb_free(c->used);
    sb_free(c->narrow);
    sb_free(c->wide);
    *c = (struct layout_codes){0};
}

/* Numbers for groups and strings. */
#include "base/map.h"
#include "base/mem.h"
#include "engine/column/agg_int.h"

enum { SLOTS_MAX = 1 << 22 };

static uint64_t mix(uint32_t parent, uint64_t key) {
    uint64_t h = (key ^ (uint64_t)parent << 40 ^ parent) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

static sb_err rehash(struct sb_groups *g) {
    size_t size = g->table_size ? g->table_size * 2 : 64;
    SB_TRY(sb_work_array(g->w, &g->table, size, sizeof *g->table, g->name));
    g->table_size = size;
    for (uint32_t i = 0; i < g->n; i++) {
        size_t at = mix(g->parent[i], g->key[i]) & (size - 1);
        while (g->table[at]) at = (at + 1) & (size - 1);
        g->table[at] = i + 1;
    }
    return SB_OK;
}

sb_err sb_groups_find(struct sb_groups *g, uint32_t parent, uint64_t key, uint32_t *out) {
    if (((size_t)g->n + 1) * 2 > g->table_size) SB_TRY(rehash(g));
    size_t at = mix(parent, key) & (g->table_size - 1);
    for (; g->table[at]; at = (at + 1) & (g->table_size - 1)) {
        uint32_t i = g->table[at] - 1;
        if (g->parent[i] == parent && g->key[i] == key) {
            *out = i;
            return SB_OK;
        }
    }
    size_t need = (size_t)g->n + 1;
    if (need >= SB_NO_GROUP) return sb_fail(g->w->ctx, SB_E_LIMIT, "too many groups");
    SB_TRY(sb_work_grow(g->w, &g->parent, &g->parent_cap, need, sizeof *g->parent, g->name));
    SB_TRY(sb_work_grow(g->w, &g->key, &g->key_cap, need, sizeof *g->key, g->name));
    SB_TRY(sb_work_grow(g->w, &g->count, &g->count_cap, need, sizeof *g->count, g->name));
    SB_TRY(sb_work_grow(g->w, &g->stamp, &g->stamp_cap, need, sizeof *g->stamp, g->name));
    g->parent[g->n] = parent;
    g->key[g->n] = key;
    g->table[at] = g->n + 1;
    *out = g->n++;
    return SB_OK;
}

void sb_groups_forget_slots(struct sb_groups *g) {
    if (g->rows) memset(g->slot, 0, g->rows * g->stride * sizeof *g->slot);
    g->rows = 0;
}

sb_err sb_groups_slots(struct sb_groups *g, size_t parents, size_t codes, bool *ok) {
    size_t n;
    *ok = sb_mul_ok(parents, codes, &n) && n <= SLOTS_MAX;
    if (!*ok || (codes <= g->stride && parents <= g->rows)) return SB_OK;
    sb_groups_forget_slots(g);
    /* Room for more than is asked for, so that this is rare as groups and codes grow. */
    if (codes > g->stride)
        g->stride = g->stride && codes * 2 * parents <= SLOTS_MAX ? codes * 2 : codes;
    size_t rows = parents * 2 * g->stride <= SLOTS_MAX ? parents * 2 : parents;
    if (rows * g->stride > SLOTS_MAX) {
        g->stride = codes;
        rows = parents;
    }
    SB_TRY(sb_work_grow(g->w, &g->slot, &g->slot_cap, rows * g->stride, sizeof *g->slot, g->name));
    memset(g->slot, 0, rows * g->stride * sizeof *g->slot);
    g->rows = rows;
    return SB_OK;
}

/* ---- strings ---- */

static sb_err strings_rehash(struct sb_strings *s) {
    size_t size = s->table_size ? s->table_size * 2 : 64;
    SB_TRY(sb_work_array(s->w, &s->table, size, sizeof *s->table, s->name));
    s->table_size = size;
    for (uint32_t i = 0; i < s->n; i++) {
        size_t at = sb_hash(s->at[i].p, s->at[i].n) & (size - 1);
        while (s->table[at]) at = (at + 1) & (size - 1);
        s->table[at] = i + 1;
    }
    return SB_OK;
}

sb_err sb_strings_add(struct sb_strings *s, struct sb_str text, uint32_t *out) {
    if (((size_t)s->n + 1) * 2 > s->table_size) SB_TRY(strings_rehash(s));
    size_t at = sb_hash(text.p, text.n) & (s->table_size - 1);
    for (; s->table[at]; at = (at + 1) & (s->table_size - 1)) {
        if (!sb_str_eq(s->at[s->table[at] - 1], text)) continue;
        *out = s->table[at] - 1;
        return SB_OK;
    }
    SB_TRY(sb_work_grow(s->w, &s->at, &s->cap, (size_t)s->n + 1, sizeof *s->at, s->name));
    s->at[s->n] = text;
    s->table[at] = s->n + 1;
    *out = s->n++;
    return SB_OK;
}

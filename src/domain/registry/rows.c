/* Rows into the arena: columns, growing arrays, children of many parents with one statement. */
#include <stdlib.h>

#include "domain/registry/store_int.h"

struct sb_str sb_tx_text(struct sb_tx *tx, struct sb_sql_stmt *st, int i) {
    struct sb_str v = sb_sql_col_text(st, i);
    if (!v.p) return v;
    struct sb_str copy = sb_arena_dup(tx->arena, v);
    if (!copy.p) tx->err = SB_E_LIMIT;
    return copy;
}

struct sb_opt_i64 sb_tx_opt(struct sb_sql_stmt *st, int i) {
    return (struct sb_opt_i64){!sb_sql_col_is_null(st, i), sb_sql_col_int(st, i)};
}

sb_err sb_tx_one_int(struct sb_tx *tx, int64_t *out, bool *found, struct sb_str sql,
                     const struct sb_sql_value *values, size_t n) {
    struct sb_sql_stmt *st;
    SB_TRY(sb_sql_query_values(tx->db, &st, sql, values, n));
    bool row = sb_sql_next(st);
    int64_t v = row ? sb_sql_col_int(st, 0) : 0;
    SB_TRY(sb_sql_end(st));
    *out = v;
    if (found) *found = row;
    return SB_OK;
}

void *sb_vec_push(struct sb_tx *tx, struct sb_vec *v, size_t size) {
    if (v->n == v->cap) {
        size_t cap = v->cap ? v->cap * 2 : 8;
        char *p = sb_arena_try_array(tx->arena, cap, size);
        if (!p) {
            tx->err = SB_E_LIMIT;
            return NULL;
        }
        if (v->n) memcpy(p, v->p, v->n * size);
        v->p = p;
        v->cap = cap;
    }
    return v->p + v->n++ * size;
}

/* ---- parents ---- */

static int by_id(const void *a, const void *b) {
    return sb_str_cmp(((const struct sb_id *)a)->id, ((const struct sb_id *)b)->id);
}

sb_err sb_ids_init(struct sb_tx *tx, struct sb_ids *ids, const struct sb_str *v, size_t n) {
    ids->v = sb_arena_try_array(tx->arena, n ? n : 1, sizeof *ids->v);
    if (!ids->v) return SB_E_LIMIT;
    ids->n = n;
    for (size_t i = 0; i < n; i++) ids->v[i] = (struct sb_id){v[i], i};
    if (n) qsort(ids->v, n, sizeof *ids->v, by_id);
    return SB_OK;
}

size_t sb_ids_find(const struct sb_ids *ids, struct sb_str id) {
    struct sb_id key = {id, 0};
    const struct sb_id *hit = bsearch(&key, ids->v, ids->n, sizeof *ids->v, by_id);
    return hit ? hit->at : SIZE_MAX;
}

sb_err sb_tx_each(struct sb_tx *tx, const char *sql, const struct sb_str *ids, size_t n,
                  void (*row)(struct sb_tx *, struct sb_sql_stmt *, void *), void *user) {
    static const size_t groups[] = {1, 16, 256};
    struct sb_sql_value values[256];
    for (size_t done = 0; done < n;) {
        size_t g = 0;
        while (g + 1 < SB_COUNT(groups) && groups[g] < n - done) g++;
        size_t take = n - done < groups[g] ? n - done : groups[g];
        char marks[2 * 256];
        for (size_t i = 0; i < groups[g]; i++) {
            marks[2 * i] = '?';
            marks[2 * i + 1] = ',';
            values[i] = i < take ? sb_sql_text(ids[done + i]) : sb_sql_null();
        }
        marks[2 * groups[g] - 1] = '\0';
        const char *at = strstr(sql, "%s");
        SB_ASSERT(at != NULL);
        const char *text =
            sb_arena_printf(tx->arena, "%.*s%s%s", (int)(at - sql), sql, marks, at + 2);
        struct sb_sql_stmt *st;
        SB_TRY(sb_sql_query_values(tx->db, &st, sb_str_of(text), values, groups[g]));
        while (sb_sql_next(st)) row(tx, st, user);
        SB_TRY(sb_sql_end(st));
        done += take;
    }
    return tx->err;
}

struct tag_rows {
    const struct sb_ids *index;
    struct sb_vec tags;   /* struct sb_tag, rows of one parent together */
    struct sb_vec owners; /* size_t, the parent of each */
};

static void tag_row(struct sb_tx *tx, struct sb_sql_stmt *st, void *user) {
    struct tag_rows *rows = user;
    size_t owner = sb_ids_find(rows->index, sb_sql_col_text(st, 0));
    if (owner == SIZE_MAX) return;
    size_t *o = sb_vec_push(tx, &rows->owners, sizeof *o);
    struct sb_tag *t = sb_vec_push(tx, &rows->tags, sizeof *t);
    if (!o || !t) return;
    *o = owner;
    t->key = sb_tx_text(tx, st, 1);
    t->value = sb_tx_text(tx, st, 2);
    if (!t->value.p) t->value = SB_STR("");
}

sb_err sb_tx_tags(struct sb_tx *tx, const char *sql, const struct sb_str *ids,
                  const struct sb_ids *index, size_t n, struct sb_tags **lists) {
    struct tag_rows rows = {.index = index};
    SB_TRY(sb_tx_each(tx, sql, ids, n, tag_row, &rows));
    /* The array moved while it grew: only now are its parts handed out. */
    struct sb_tag *tags = (struct sb_tag *)(void *)rows.tags.p;
    const size_t *owners = (const size_t *)(void *)rows.owners.p;
    for (size_t i = 0; i < rows.tags.n; i++) {
        struct sb_tags *list = lists[owners[i]];
        if (list->n == 0) list->v = &tags[i];
        list->n++;
    }
    return SB_OK;
}

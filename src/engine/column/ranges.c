/* Sets of offsets as few ranges: a sorted array. */
#include "engine/column/column_int.h"

void sb_column_ranges_fini(struct sb_column_ranges *r) {
    sb_free(r->at);
    *r = (struct sb_column_ranges){0};
}

/* Index of the first range that ends at or behind x. */
static size_t lower(const struct sb_column_ranges *r, int64_t x) {
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->at[mid].next < x) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* Replaces ranges [from, to) by the n of `by`. */
static void splice(struct sb_column_ranges *r, size_t from, size_t to,
                   const struct sb_column_range *by, size_t n) {
    size_t left = r->n - to, now = from + n + left;
    if (now > r->cap) {
        r->cap = now * 2;
        r->at = sb_realloc(r->at, r->cap * sizeof *r->at);
    }
    if (left) memmove(r->at + from + n, r->at + to, left * sizeof *r->at);
    if (n) memcpy(r->at + from, by, n * sizeof *by);
    r->n = now;
}

void sb_column_ranges_add(struct sb_column_ranges *r, int64_t first, int64_t next) {
    if (first >= next) return;
    size_t from = lower(r, first), to = from;
    struct sb_column_range all = {first, next};
    for (; to < r->n && r->at[to].first <= next; to++) {
        if (r->at[to].first < all.first) all.first = r->at[to].first;
        if (r->at[to].next > all.next) all.next = r->at[to].next;
    }
    splice(r, from, to, &all, 1);
}

void sb_column_ranges_remove(struct sb_column_ranges *r, int64_t first, int64_t next) {
    if (first >= next) return;
    size_t from = lower(r, first), to = from, n = 0;
    struct sb_column_range left[2];
    for (; to < r->n && r->at[to].first < next; to++) {
        struct sb_column_range was = r->at[to];
        if (was.first < first)
            left[n++] = (struct sb_column_range){was.first, was.next < first ? was.next : first};
        if (was.next > next) left[n++] = (struct sb_column_range){next, was.next};
    }
    splice(r, from, to, left, n);
}

void sb_column_ranges_copy(struct sb_column_ranges *to, const struct sb_column_ranges *from) {
    to->n = 0;
    splice(to, 0, 0, from->at, from->n);
}

bool sb_column_ranges_equal(const struct sb_column_ranges *a, const struct sb_column_ranges *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->at, b->at, a->n * sizeof *a->at) == 0);
}

bool sb_column_ranges_cover(const struct sb_column_ranges *r, int64_t first, int64_t next) {
    if (first >= next) return true;
    size_t i = lower(r, next);
    return i < r->n && r->at[i].first <= first;
}

void sb_column_ranges_gap(const struct sb_column_ranges *r, int64_t from, int64_t *first,
                          int64_t *next) {
    size_t i = lower(r, from);
    if (i < r->n && r->at[i].first <= from) {
        from = r->at[i].next > from ? r->at[i].next : from;
        i++;
    }
    *first = from;
    *next = i < r->n ? r->at[i].first : INT64_MAX;
}

int64_t sb_column_ranges_end(const struct sb_column_ranges *r) {
    return r->n ? r->at[r->n - 1].next : 0;
}

#include "base/str.h"

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool sb_str_ieq(struct sb_str a, struct sb_str b) {
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) return false;
    }
    return true;
}

bool sb_str_starts(struct sb_str s, struct sb_str prefix) {
    return s.n >= prefix.n && sb_str_eq(sb_str_sub(s, 0, prefix.n), prefix);
}

bool sb_str_ends(struct sb_str s, struct sb_str suffix) {
    return s.n >= suffix.n && sb_str_eq(sb_str_sub(s, s.n - suffix.n, suffix.n), suffix);
}

bool sb_str_contains(struct sb_str s, struct sb_str part) {
    return part.n == 0 || (s.n && memmem(s.p, s.n, part.p, part.n) != NULL);
}

int sb_str_cmp(struct sb_str a, struct sb_str b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c) return c;
    return (a.n > b.n) - (a.n < b.n);
}

ptrdiff_t sb_str_find(struct sb_str s, char c) {
    const char *q = s.n ? memchr(s.p, c, s.n) : NULL;
    return q ? q - s.p : -1;
}

ptrdiff_t sb_str_rfind(struct sb_str s, char c) {
    const char *q = s.n ? memrchr(s.p, c, s.n) : NULL;
    return q ? q - s.p : -1;
}

struct sb_str sb_str_sub(struct sb_str s, size_t from, size_t n) {
    if (from > s.n) from = s.n;
    if (n > s.n - from) n = s.n - from;
    return (struct sb_str){n || from ? s.p + from : s.p, n};
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct sb_str sb_str_trim(struct sb_str s) {
    while (s.n && is_space(s.p[0])) s.p++, s.n--;
    while (s.n && is_space(s.p[s.n - 1])) s.n--;
    return s;
}

bool sb_str_split(struct sb_str *rest, char sep, struct sb_str *part) {
    if (!rest->p) return false;
    ptrdiff_t at = sb_str_find(*rest, sep);
    if (at < 0) {
        *part = *rest;
        *rest = (struct sb_str){NULL, 0};
    } else {
        *part = sb_str_sub(*rest, 0, (size_t)at);
        *rest = sb_str_sub(*rest, (size_t)at + 1, rest->n);
    }
    return true;
}

bool sb_str_to_u64(struct sb_str s, uint64_t *out) {
    uint64_t v = 0;
    if (s.n == 0) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        uint64_t d = (uint64_t)(s.p[i] - '0');
        if (__builtin_mul_overflow(v, (uint64_t)10, &v)) return false;
        if (__builtin_add_overflow(v, d, &v)) return false;
    }
    *out = v;
    return true;
}

bool sb_str_to_i64(struct sb_str s, int64_t *out) {
    bool neg = s.n && s.p[0] == '-';
    uint64_t v;
    if (!sb_str_to_u64(neg ? sb_str_sub(s, 1, s.n) : s, &v)) return false;
    if (v > (uint64_t)INT64_MAX + (neg ? 1 : 0)) return false;
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* ---- misspelt names ---- */

enum { NAME_MAX_BYTES = 63 };

/* Edit distance (insert, delete, replace, swap of neighbours) of two short names. */
static size_t distance(struct sb_str a, struct sb_str b) {
    size_t row[3][NAME_MAX_BYTES + 1];
    for (size_t k = 0; k <= b.n; k++) row[0][k] = k;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t k = 1; k <= b.n; k++) {
            size_t best = up[k - 1] + (a.p[i - 1] != b.p[k - 1]);
            if (up[k] + 1 < best) best = up[k] + 1;
            if (now[k - 1] + 1 < best) best = now[k - 1] + 1;
            if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1] &&
                up2[k - 2] + 1 < best)
                best = up2[k - 2] + 1;
            now[k] = best;
        }
    }
    return row[a.n % 3][b.n];
}

const char *sb_nearest(struct sb_str word, const char *const *names) {
    const char *best = NULL;
    size_t best_distance = word.n / 3 + 2; /* farther than this is another word */
    if (word.n > NAME_MAX_BYTES) return NULL;
    for (; *names; names++) {
        struct sb_str candidate = sb_str_of(*names);
        if (candidate.n > NAME_MAX_BYTES) continue;
        size_t d = distance(word, candidate);
        if (d >= best_distance) continue;
        best_distance = d;
        best = *names;
    }
    return best;
}

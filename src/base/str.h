/* String views: bytes that somebody else owns, not NUL-terminated. Passed by value. */
#ifndef SB_BASE_STR_H
#define SB_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sb_str {
    const char *p; /* may be NULL when n is 0 */
    size_t n;
};

/* A view of a literal. */
#define SB_STR(lit) ((struct sb_str){"" lit, sizeof(lit) - 1})
/* printf("%.*s", SB_ARG(s)) */
#define SB_ARG(s) (int)(s).n, (s).n ? (s).p : ""

static inline struct sb_str sb_str_of(const char *z) {
    return (struct sb_str){z, z ? strlen(z) : 0};
}
static inline struct sb_str sb_str_make(const char *p, size_t n) {
    return (struct sb_str){p, n};
}
static inline bool sb_str_eq(struct sb_str a, struct sb_str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool sb_str_is(struct sb_str a, const char *z) {
    return sb_str_eq(a, sb_str_of(z));
}

/* ASCII case ignored. */
bool sb_str_ieq(struct sb_str a, struct sb_str b);
bool sb_str_starts(struct sb_str s, struct sb_str prefix);
bool sb_str_ends(struct sb_str s, struct sb_str suffix);
bool sb_str_contains(struct sb_str s, struct sb_str part);

/* memcmp order, shorter first on a tie: <0, 0, >0. */
int sb_str_cmp(struct sb_str a, struct sb_str b);

/* Index of the first byte c, or -1. */
ptrdiff_t sb_str_find(struct sb_str s, char c);
ptrdiff_t sb_str_rfind(struct sb_str s, char c);

/* s[from, from+n), clamped to s. */
struct sb_str sb_str_sub(struct sb_str s, size_t from, size_t n);
/* Without ASCII space, tab, CR, LF at both ends. */
struct sb_str sb_str_trim(struct sb_str s);

/* Takes the part before the first sep off *rest (all of it when there is none); false when *rest.p
 * is NULL, which it becomes after the last part. So "a,,b" gives "a", "", "b" and "" gives "". */
bool sb_str_split(struct sb_str *rest, char sep, struct sb_str *part);

/* Whole of s as a number; false when it is anything else or does not fit. Decimal only. */
bool sb_str_to_i64(struct sb_str s, int64_t *out);
bool sb_str_to_u64(struct sb_str s, uint64_t *out);

/* The nearest of some names (NULL-terminated) to a misspelt word, or NULL when none is near. */
const char *sb_nearest(struct sb_str word, const char *const *names);

#endif

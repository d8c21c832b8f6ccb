/* A growing byte buffer with a stated maximum. Appends never fail on the spot: the buffer remembers
 * the first failure (over the maximum, or memory short), ignores what comes after it, and reports
 * it from sb_buf_err(). So a whole document is written first and checked once. Not thread-safe. */
#ifndef SB_BASE_BUF_H
#define SB_BASE_BUF_H

#include <stdarg.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct sb_buf {
    char *p;
    size_t n, cap;
    size_t max; /* bytes; growing past it fails with SB_E_LIMIT */
    sb_err err; /* first failure */
};

void sb_buf_init(struct sb_buf *b, size_t max);
void sb_buf_fini(struct sb_buf *b);

/* Empty again, memory kept, failure forgotten. */
void sb_buf_reset(struct sb_buf *b);

/* Room for n more bytes, of which the caller writes some at the returned place and then calls
 * sb_buf_commit with how many. NULL when the buffer has failed. */
char *sb_buf_reserve_slow(struct sb_buf *b, size_t n);
static inline char *sb_buf_reserve(struct sb_buf *b, size_t n) {
    if (SB_LIKELY(b->cap - b->n >= n && b->err == SB_OK)) return b->p + b->n;
    return sb_buf_reserve_slow(b, n);
}
static inline void sb_buf_commit(struct sb_buf *b, size_t n) {
    b->n += n;
}

static inline void sb_buf_add(struct sb_buf *b, const void *p, size_t n) {
    if (!n) return;
    char *to = sb_buf_reserve(b, n);
    if (to) {
        memcpy(to, p, n);
        b->n += n;
    }
}
static inline void sb_buf_addc(struct sb_buf *b, char c) {
    char *to = sb_buf_reserve(b, 1);
    if (to) {
        *to = c;
        b->n++;
    }
}
static inline void sb_buf_adds(struct sb_buf *b, struct sb_str s) {
    sb_buf_add(b, s.p, s.n);
}
/* A literal. */
#define SB_BUF_LIT(b, lit) sb_buf_add((b), "" lit, sizeof(lit) - 1)

void sb_buf_addz(struct sb_buf *b, const char *z);
void sb_buf_addu(struct sb_buf *b, uint64_t v);
void sb_buf_addi(struct sb_buf *b, int64_t v);
void sb_buf_addf(struct sb_buf *b, const char *fmt, ...) SB_PRINTF(2, 3);
void sb_buf_vaddf(struct sb_buf *b, const char *fmt, va_list ap) SB_PRINTF(2, 0);

/* Drops the first n bytes. */
void sb_buf_consume(struct sb_buf *b, size_t n);

SB_MUST_CHECK sb_err sb_buf_err(const struct sb_buf *b);

static inline struct sb_str sb_buf_view(const struct sb_buf *b) {
    return (struct sb_str){b->p, b->n};
}

/* NUL-terminated view for system calls; "" when failed. Valid until the next append. */
const char *sb_buf_cstr(struct sb_buf *b);

/* Moves the bytes out (NUL-terminated, caller frees with sb_free); the buffer is empty after. */
char *sb_buf_take(struct sb_buf *b, size_t *n);

#endif

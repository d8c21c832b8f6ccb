/* Allocation. Sizes that our own code decides use sb_alloc & co., which never return NULL: running
 * out of memory there ends the process. Sizes that come from input use sb_try_alloc after a limit
 * check, and running out is an ordinary error. Freed with sb_free. Any thread. */
#ifndef SB_BASE_MEM_H
#define SB_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

void *sb_alloc(size_t n) __attribute__((malloc, returns_nonnull));
void *sb_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *sb_realloc(void *p, size_t n) __attribute__((returns_nonnull));
char *sb_strdup(const char *s) __attribute__((returns_nonnull));
char *sb_strndup(const char *s, size_t n) __attribute__((returns_nonnull));

/* NULL when memory is short. */
void *sb_try_alloc(size_t n);
void *sb_try_realloc(void *p, size_t n);

/* free(); NULL is fine. */
void sb_free(void *p);

/* a * b and a + b; false (and *out untouched) when the result does not fit size_t. */
static inline bool sb_mul_ok(size_t a, size_t b, size_t *out) {
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}
static inline bool sb_add_ok(size_t a, size_t b, size_t *out) {
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

/* Zeroes secrets in a way the compiler keeps. */
void sb_wipe(void *p, size_t n);

#endif

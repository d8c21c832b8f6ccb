#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void *sb_alloc(size_t n) {
    void *p = malloc(n ? n : 1);
    SB_ASSERT(p != NULL);
    return p;
}

void *sb_calloc(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size ? size : 1);
    SB_ASSERT(p != NULL);
    return p;
}

void *sb_realloc(void *old, size_t n) {
    void *p = realloc(old, n ? n : 1);
    SB_ASSERT(p != NULL);
    return p;
}

char *sb_strdup(const char *s) {
    return sb_strndup(s, strlen(s));
}

char *sb_strndup(const char *s, size_t n) {
    char *p = sb_alloc(n + 1);
    if (n) memcpy(p, s, n);
    p[n] = 0;
    return p;
}

void *sb_try_alloc(size_t n) {
    return malloc(n ? n : 1);
}

void *sb_try_realloc(void *p, size_t n) {
    return realloc(p, n ? n : 1);
}

void sb_free(void *p) {
    free(p);
}

void sb_wipe(void *p, size_t n) {
    explicit_bzero(p, n);
}

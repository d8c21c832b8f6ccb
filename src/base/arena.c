#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"

enum { FIRST = 4096, LARGEST = 1 << 20, ALIGN = 16 };

struct sb_arena_block {
    struct sb_arena_block *next;
    size_t size; /* of data */
    _Alignas(ALIGN) char data[];
};

void sb_arena_init(struct sb_arena *a, size_t max) {
    *a = (struct sb_arena){.max = max};
}

static void free_from(struct sb_arena_block *b) {
    while (b) {
        struct sb_arena_block *next = b->next;
        sb_free(b);
        b = next;
    }
}

void sb_arena_fini(struct sb_arena *a) {
    free_from(a->head);
    *a = (struct sb_arena){.max = a->max};
}

void sb_arena_reset(struct sb_arena *a) {
    struct sb_arena_block *keep = a->head;
    if (!keep) return;
    free_from(keep->next);
    keep->next = NULL;
    a->p = keep->data;
    a->end = keep->data + keep->size;
    a->used = keep->size;
}

static void *take(struct sb_arena *a, size_t n, size_t max) {
    if (n > SIZE_MAX / 2) return NULL;
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if ((size_t)(a->end - a->p) < n) {
        size_t size = a->head ? a->head->size * 2 : FIRST;
        if (size > LARGEST) size = LARGEST;
        if (size < n) size = n;
        if (a->used > max || size > max - a->used) {
            size = n; /* near the maximum: only what is asked for */
            if (a->used > max || size > max - a->used) return NULL;
        }
        struct sb_arena_block *b = sb_try_alloc(sizeof *b + size);
        if (!b) return NULL;
        b->next = a->head;
        b->size = size;
        a->head = b;
        a->p = b->data;
        a->end = b->data + size;
        a->used += size;
    }
    void *p = a->p;
    a->p += n;
    return p;
}

void *sb_arena_try(struct sb_arena *a, size_t n) {
    return take(a, n, a->max);
}

void *sb_arena_alloc(struct sb_arena *a, size_t n) {
    void *p = take(a, n, SIZE_MAX);
    SB_ASSERT(p != NULL);
    return p;
}

void *sb_arena_zalloc(struct sb_arena *a, size_t n) {
    return memset(sb_arena_alloc(a, n), 0, n);
}

void *sb_arena_try_array(struct sb_arena *a, size_t count, size_t size) {
    size_t n;
    if (!sb_mul_ok(count, size, &n)) return NULL;
    void *p = take(a, n, a->max);
    return p ? memset(p, 0, n) : NULL;
}

struct sb_str sb_arena_dup(struct sb_arena *a, struct sb_str s) {
    char *p = take(a, s.n + 1, a->max);
    if (!p) return (struct sb_str){NULL, 0};
    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return (struct sb_str){p, s.n};
}

char *sb_arena_printf(struct sb_arena *a, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    SB_ASSERT(n >= 0);
    char *p = sb_arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

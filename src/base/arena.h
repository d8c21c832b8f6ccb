/* Arena: memory that lives and dies together (one request, job or query). Blocks grow by doubling;
 * everything is freed at once by reset or fini. A stated maximum bounds what input can make it
 * take. Not thread-safe. */
#ifndef SB_BASE_ARENA_H
#define SB_BASE_ARENA_H

#include "base/compiler.h"
#include "base/str.h"

struct sb_arena_block;

struct sb_arena {
    struct sb_arena_block *head;
    char *p, *end;
    size_t used; /* bytes in all blocks */
    size_t max;  /* bytes; passing it makes sb_arena_try return NULL */
};

void sb_arena_init(struct sb_arena *a, size_t max);
void sb_arena_fini(struct sb_arena *a);
/* Forgets everything, keeps the newest (largest) block. */
void sb_arena_reset(struct sb_arena *a);

/* 16-byte aligned, not zeroed. NULL when over the maximum or out of memory. */
void *sb_arena_try(struct sb_arena *a, size_t n);
/* The same for sizes our own code decides: never NULL (aborts). The maximum does not apply. */
void *sb_arena_alloc(struct sb_arena *a, size_t n) __attribute__((returns_nonnull));
void *sb_arena_zalloc(struct sb_arena *a, size_t n) __attribute__((returns_nonnull));

/* count * size, zeroed, checked; NULL on overflow or over the maximum. */
void *sb_arena_try_array(struct sb_arena *a, size_t count, size_t size);

/* NUL-terminated copy; .p is NULL when over the maximum. */
struct sb_str sb_arena_dup(struct sb_arena *a, struct sb_str s);

/* NUL-terminated formatted text; never NULL. */
char *sb_arena_printf(struct sb_arena *a, const char *fmt, ...) SB_PRINTF(2, 3);

#endif

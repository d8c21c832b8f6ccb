/* Hash map from byte strings to pointers, seeded per process so that hostile keys cannot collide on
 * purpose. Open addressing; iteration order is undefined. Keys are copied. Not thread-safe. */
#ifndef SB_BASE_MAP_H
#define SB_BASE_MAP_H

#include <stdint.h>

#include "base/str.h"

struct sb_map_slot {
    struct sb_str key; /* key.p is NULL in a free slot */
    uint64_t hash;
    void *value;
};

struct sb_map {
    struct sb_map_slot *slots;
    size_t n, cap;
};

void sb_map_init(struct sb_map *m);
/* Frees keys, and values with free_value when that is not NULL. */
void sb_map_fini(struct sb_map *m, void (*free_value)(void *));

/* The value, or NULL. */
void *sb_map_get(const struct sb_map *m, struct sb_str key);
/* Sets key to value (not NULL); returns the value replaced, or NULL. */
void *sb_map_put(struct sb_map *m, struct sb_str key, void *value);
/* Removes key; returns its value, or NULL. */
void *sb_map_del(struct sb_map *m, struct sb_str key);

/* The next used slot at or after *at, which moves past it; NULL at the end. Start with *at = 0. */
struct sb_map_slot *sb_map_next(const struct sb_map *m, size_t *at);

/* Seeded hash, stable within one process only. */
uint64_t sb_hash(const void *p, size_t n);

#endif

#include "base/map.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mem.h"
#include "base/random.h"

uint64_t sb_hash(const void *p, size_t n) {
    static _Atomic uint64_t seed;
    uint64_t s = seed;
    if (!s) {
        sb_random_bytes(&s, sizeof s);
        uint64_t none = 0;
        s |= 1;
        if (!__atomic_compare_exchange_n((uint64_t *)&seed, &none, s, 0, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST))
            s = none;
    }
    return XXH3_64bits_withSeed(p, n, s);
}

void sb_map_init(struct sb_map *m) {
    *m = (struct sb_map){0};
}

void sb_map_fini(struct sb_map *m, void (*free_value)(void *)) {
    size_t at = 0;
    for (struct sb_map_slot *s; (s = sb_map_next(m, &at));) {
        sb_free((void *)(uintptr_t)s->key.p);
        if (free_value) free_value(s->value);
    }
    sb_free(m->slots);
    *m = (struct sb_map){0};
}

/* The slot that holds key, or the free slot where it would go. cap > n always. */
static struct sb_map_slot *find(const struct sb_map *m, struct sb_str key, uint64_t hash) {
    size_t mask = m->cap - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct sb_map_slot *s = &m->slots[i];
        if (!s->key.p || (s->hash == hash && sb_str_eq(s->key, key))) return s;
    }
}

static void grow(struct sb_map *m) {
    struct sb_map old = *m;
    m->cap = old.cap ? old.cap * 2 : 16;
    m->slots = sb_calloc(m->cap, sizeof *m->slots);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].key.p) *find(m, old.slots[i].key, old.slots[i].hash) = old.slots[i];
    }
    sb_free(old.slots);
}

void *sb_map_get(const struct sb_map *m, struct sb_str key) {
    if (!m->cap) return NULL;
    struct sb_map_slot *s = find(m, key, sb_hash(key.p, key.n));
    return s->key.p ? s->value : NULL;
}

void *sb_map_put(struct sb_map *m, struct sb_str key, void *value) {
    if ((m->n + 1) * 4 > m->cap * 3) grow(m);
    uint64_t hash = sb_hash(key.p, key.n);
    struct sb_map_slot *s = find(m, key, hash);
    if (s->key.p) {
        void *old = s->value;
        s->value = value;
        return old;
    }
    *s = (struct sb_map_slot){{sb_strndup(key.p, key.n), key.n}, hash, value};
    m->n++;
    return NULL;
}

void *sb_map_del(struct sb_map *m, struct sb_str key) {
    if (!m->cap) return NULL;
    struct sb_map_slot *s = find(m, key, sb_hash(key.p, key.n));
    if (!s->key.p) return NULL;
    void *value = s->value;
    sb_free((void *)(uintptr_t)s->key.p);
    m->n--;
    /* close the gap: move back every follower whose home is at or before it */
    size_t mask = m->cap - 1, gap = (size_t)(s - m->slots);
    for (size_t i = (gap + 1) & mask; m->slots[i].key.p; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (struct sb_map_slot){0};
    return value;
}

struct sb_map_slot *sb_map_next(const struct sb_map *m, size_t *at) {
    while (*at < m->cap) {
        struct sb_map_slot *s = &m->slots[(*at)++];
        if (s->key.p) return s;
    }
    return NULL;
}

/* Randomness. Any thread. */
#ifndef SB_BASE_RANDOM_H
#define SB_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* From the kernel; never fails (aborts). For seeds, ids and secrets. */
void sb_random_bytes(void *p, size_t n);

/* A fast generator (xorshift128+), owned by one thread; not for secrets. Tests seed it themselves.
 */
struct sb_rng {
    uint64_t s[2];
};
void sb_rng_init(struct sb_rng *r);
void sb_rng_seed(struct sb_rng *r, uint64_t seed);
static inline uint64_t sb_rng_next(struct sb_rng *r) {
    uint64_t a = r->s[0], b = r->s[1];
    r->s[0] = b;
    a ^= a << 23;
    r->s[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return r->s[1] + b;
}

#endif

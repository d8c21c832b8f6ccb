#include "base/random.h"

#include <sys/random.h>

#include "base/err.h"

void sb_random_bytes(void *p, size_t n) {
    char *to = p;
    while (n) {
        ssize_t got = getrandom(to, n, 0);
        SB_ASSERT(got > 0);
        to += got;
        n -= (size_t)got;
    }
}

void sb_rng_init(struct sb_rng *r) {
    sb_random_bytes(r->s, sizeof r->s);
    r->s[0] |= 1;
}

/* splitmix64 spreads any seed over the state */
static uint64_t mix(uint64_t *x) {
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void sb_rng_seed(struct sb_rng *r, uint64_t seed) {
    r->s[0] = mix(&seed) | 1;
    r->s[1] = mix(&seed);
}

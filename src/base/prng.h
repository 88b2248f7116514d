#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdint.h>

/* A small seeded generator (splitmix64), for jitter and for the simulator. Never for secrets. */
struct prng {
    uint64_t state;
};

void prng_init(struct prng *p, uint64_t seed);
uint64_t prng_next(struct prng *p);

/* Uniform in [0, bound); bound must be above 0. */
uint64_t prng_below(struct prng *p, uint64_t bound);

#endif

#ifndef SIM_CHAOS_H
#define SIM_CHAOS_H

#include "sim/world.h"

/* Draws a topology from the seed. */
void chaos_config(uint64_t seed, struct world_config *config);

/* Faults until their time is over, then everything is healed and liveness is demanded. False: it
 * failed, world_fail() has said why. */
bool chaos_run(struct world *w);

void chaos_turn(struct world *w); /* WORLD_CHAOS */

/* Everything that is down, cut, slow, full or frozen works again. */
void chaos_heal(struct world *w);
void chaos_destroy(struct world *w);

#endif

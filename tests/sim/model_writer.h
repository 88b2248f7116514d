#ifndef SIM_MODEL_WRITER_H
#define SIM_MODEL_WRITER_H

#include "sim/world.h"

/* A client of each group that asks a monitor for the master and writes: it makes offsets grow and
 * is counted in the statistics; nothing is demanded of it. */
void writer_start(struct world *w);
void writer_turn(struct world *w, uint16_t group);

#endif

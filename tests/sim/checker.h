#ifndef SIM_CHECKER_H
#define SIM_CHECKER_H

/*
 * The invariants, looked at after every step of every monitor from outside the core: from what it
 * wants done, from what it shows, and from what stands on its disk.
 */

#include "sim/model_monitor.h"
#include "sim/model_net.h"
#include "sim/world.h"

void checker_create(struct world *w);
void checker_destroy(struct world *w);

/* Around one step: what left, then the state it ended in. */
void checker_action(struct world *w, const struct monitor *m, const struct action *action);
void checker_step(struct world *w, const struct monitor *m, bool saw_change);
void checker_facts(struct world *w, const struct monitor *m, uint32_t addr,
                   const struct wire_facts *facts);
void checker_answer(struct world *w, const struct monitor *m, uint16_t from,
                    const struct wire_answer *answer);
void checker_command(struct world *w, const struct monitor *m, const struct command *command);
void checker_booted(struct world *w, const struct monitor *m);

/* Everybody who lives agrees on one master of each group, and every data node that somebody knows
 * follows it. why, when not: one sentence. */
bool checker_settled(const struct world *w, char why[WORLD_WHY_MAX]);

#endif

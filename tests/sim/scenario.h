#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/* Plays one story file, with each of its seeds. seed 0: those the file asks for. False: err says
 * which line failed and how. The language is in scenarios/README.md. */
struct scenario_options {
    uint64_t seed;
    int mutation;
    FILE *story;
};
bool scenario_play(const char *path, const struct scenario_options *options, struct err *err);

#endif

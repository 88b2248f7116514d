#ifndef CLI_DEMO_OPTIONS_H
#define CLI_DEMO_OPTIONS_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/msec.h"

struct demo_options {
    msec_t every_ms; /* between two kills */
    msec_t first_ms; /* until the first one */
    msec_t for_ms;   /* MSEC_NEVER: until told to end */
    msec_t down_after_ms;
    bool is_direct; /* no router: the client asks the monitors for the master */
    bool is_json;   /* the summary as one JSON object on standard output */
    bool is_plain;  /* lines even on a terminal */
    bool wants_help;
    const char *monitors; /* NULL is holdfast itself, else the path or name of a redis-sentinel */
};

/* Reads argv[1] and on into *options. False and *err when a word is wrong. */
bool demo_options_parse(int argc, char **argv, struct demo_options *options,
                        struct err *err) MUST_CHECK;

void demo_options_help(void); /* to standard output */

#endif

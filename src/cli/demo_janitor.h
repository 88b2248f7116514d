#ifndef CLI_DEMO_JANITOR_H
#define CLI_DEMO_JANITOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/assert.h"
#include "base/err.h"

/*
 * A process of its own that waits until the demo is gone, in whatever way, and then removes the
 * demo's directory.
 */
struct demo_janitor {
    pid_t pid; /* 0: none */
    int fd;    /* its other end reads end of file when we are gone */
};

/* Call before the process has threads. */
bool demo_janitor_start(struct demo_janitor *janitor, const char *dir, struct err *err) MUST_CHECK;

/* Lets it remove the directory and waits until it has. The programs must have ended. */
void demo_janitor_finish(struct demo_janitor *janitor);

#endif

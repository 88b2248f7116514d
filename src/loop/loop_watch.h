#ifndef LOOP_LOOP_WATCH_H
#define LOOP_LOOP_WATCH_H

#include "base/assert.h"
#include "loop/loop.h"

/*
 * Waiting on behalf of a library that owns its descriptor and says after each call what it waits
 * for, reading or writing. loop_watch_open() of loop.h is for a descriptor that is only ever read.
 */
struct loop_waiter;

enum loop_watch_wants {
    LOOP_WATCH_READ = 1 << 0,
    LOOP_WATCH_WRITE = 1 << 1,
};

/* ready is what of the wanted is possible now; an error or an end of the descriptor shows as all
 * that was wanted. */
typedef void (*loop_watch_call)(void *ctx, unsigned ready);

/* Waits for nothing at first. The caller owns it. */
struct loop_waiter *loop_watch_create(struct loop *loop, loop_watch_call on_ready,
                                      void *ctx) MUST_CHECK;

/* Calls back in each turn in which fd can do something of wants (level-triggered), until set
 * anew. */
void loop_watch_set(struct loop_waiter *w, int fd, unsigned wants);

/* Waits for nothing. To be called before the library may close its descriptor. */
void loop_watch_clear(struct loop_waiter *w);

void loop_watch_destroy(struct loop_waiter *w); /* NULL is allowed */

#endif

#ifndef LIB_TURN_UNTIL_H
#define LIB_TURN_UNTIL_H

/* Waiting in tests: runs the loop until a condition holds, and gives up at a deadline. */

#include <stdbool.h>

#include "loop/loop.h"

enum { TURN_UNTIL_MS = 15000 /* generous: sanitizers on a busy machine */ };

struct turn_until {
    struct loop *loop;
    struct loop_timer *timer;
    bool (*holds)(void *ctx);
    void *ctx;
    msec_t end_ms;
    bool held;
};

static void turn_until_on_time(void *ctx)
{
    struct turn_until *t = ctx;

    t->held = t->holds(t->ctx);
    if (t->held || loop_now(t->loop) >= t->end_ms) {
        loop_stop(t->loop);
        return;
    }
    loop_timer_at(t->timer, loop_now(t->loop) + 1);
}

static inline bool turn_until(struct loop *loop, bool (*holds)(void *ctx), void *ctx)
{
    struct turn_until t = {.loop = loop, .holds = holds, .ctx = ctx};

    t.end_ms = loop_now(loop) + TURN_UNTIL_MS;
    t.timer = loop_timer_create(loop, turn_until_on_time, &t);
    loop_timer_at(t.timer, loop_now(loop));
    loop_run(loop);
    loop_timer_destroy(t.timer);
    return t.held;
}

#endif

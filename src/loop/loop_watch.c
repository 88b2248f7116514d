#include "loop/loop_watch.h"

#include <stdlib.h>

#include "base/memory.h"
#include "loop/loop_inside.h"

struct loop_waiter {
    struct loop *loop;
    struct event *event; /* NULL while nothing is waited for */
    loop_watch_call on_ready;
    void *ctx;
};

static void loop_watch_on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct loop_waiter *w = ctx;
    unsigned ready = 0;

    (void)fd;
    ready |= (what & EV_READ) != 0 ? LOOP_WATCH_READ : 0;
    ready |= (what & EV_WRITE) != 0 ? LOOP_WATCH_WRITE : 0;
    w->on_ready(w->ctx, ready); /* may destroy w */
}

struct loop_waiter *loop_watch_create(struct loop *loop, loop_watch_call on_ready, void *ctx)
{
    struct loop_waiter *w = memory_zeroed(sizeof(*w));

    w->loop = loop;
    w->on_ready = on_ready;
    w->ctx = ctx;
    return w;
}

void loop_watch_set(struct loop_waiter *w, int fd, unsigned wants)
{
    short what = EV_PERSIST;

    ASSERT(fd >= 0);
    ASSERT(wants != 0 && (wants & ~(unsigned)(LOOP_WATCH_READ | LOOP_WATCH_WRITE)) == 0);
    loop_watch_clear(w);
    what = (short)(what | ((wants & LOOP_WATCH_READ) != 0 ? EV_READ : 0));
    what = (short)(what | ((wants & LOOP_WATCH_WRITE) != 0 ? EV_WRITE : 0));
    w->event = event_new(w->loop->base, fd, what, loop_watch_on_event, w);
    if (w->event == NULL || event_add(w->event, NULL) != 0) {
        assert_fail(__FILE__, __LINE__, __func__, "a descriptor cannot be watched");
    }
}

void loop_watch_clear(struct loop_waiter *w)
{
    if (w->event != NULL) {
        event_free(w->event);
        w->event = NULL;
    }
}

void loop_watch_destroy(struct loop_waiter *w)
{
    if (w != NULL) {
        loop_watch_clear(w);
        free(w);
    }
}

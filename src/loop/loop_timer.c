/* A binary heap of timers by time, then by the order in which they were set. */
#include "base/memory.h"
#include "loop/loop_inside.h"

#include <stdlib.h>

enum { HEAP_FIRST = 64 };

static const size_t NOT_SET = SIZE_MAX;

struct loop_timer {
    struct loop *loop;
    loop_call on_time;
    void *ctx;
    msec_t at_ms;
    uint64_t order;
    size_t place; /* in the heap, or NOT_SET */
};

static bool loop_timer_before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void loop_timer_put(struct loop *loop, size_t place, struct loop_timer *t)
{
    loop->heap[place] = t;
    t->place = place;
}

static void loop_timer_up(struct loop *loop, size_t place, struct loop_timer *t)
{
    while (place > 0 && loop_timer_before(t, loop->heap[(place - 1) / 2])) {
        loop_timer_put(loop, place, loop->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    loop_timer_put(loop, place, t);
}

static void loop_timer_down(struct loop *loop, size_t place, struct loop_timer *t)
{
    for (;;) {
        size_t child = place * 2 + 1;
        if (child + 1 < loop->heap_len &&
            loop_timer_before(loop->heap[child + 1], loop->heap[child])) {
            child++;
        }
        if (child >= loop->heap_len || loop_timer_before(t, loop->heap[child])) {
            break;
        }
        loop_timer_put(loop, place, loop->heap[child]);
        place = child;
    }
    loop_timer_put(loop, place, t);
}

static void loop_timer_settle(struct loop *loop, size_t place, struct loop_timer *t)
{
    if (place > 0 && loop_timer_before(t, loop->heap[(place - 1) / 2])) {
        loop_timer_up(loop, place, t);
    } else {
        loop_timer_down(loop, place, t);
    }
}

struct loop_timer *loop_timer_create(struct loop *loop, loop_call on_time, void *ctx)
{
    struct loop_timer *t = memory_zeroed(sizeof(*t));

    *t = (struct loop_timer){.loop = loop, .on_time = on_time, .ctx = ctx, .place = NOT_SET};
    return t;
}

void loop_timer_at(struct loop_timer *t, msec_t at_ms)
{
    struct loop *loop = t->loop;

    if (at_ms == MSEC_NEVER) {
        loop_timer_clear(t);
        return;
    }
    t->at_ms = at_ms;
    t->order = ++loop->timers_set;
    if (t->place != NOT_SET) {
        loop_timer_settle(loop, t->place, t);
        return;
    }
    if (loop->heap_len == loop->heap_capacity) {
        size_t capacity = loop->heap_capacity == 0 ? HEAP_FIRST : loop->heap_capacity * 2;
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what the heap holds */
        struct loop_timer **heap = reallocarray(loop->heap, capacity, sizeof(loop->heap[0]));
        if (heap == NULL) {
            assert_fail(__FILE__, __LINE__, __func__, "out of memory");
        }
        loop->heap = heap;
        loop->heap_capacity = capacity;
    }
    loop_timer_up(loop, loop->heap_len++, t);
}

void loop_timer_clear(struct loop_timer *t)
{
    struct loop *loop = t->loop;
    size_t place = t->place;

    if (place == NOT_SET) {
        return;
    }
    ASSERT(loop->heap[place] == t);
    t->place = NOT_SET;
    struct loop_timer *last = loop->heap[--loop->heap_len];
    if (last != t) {
        loop_timer_settle(loop, place, last);
    }
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return t->place != NOT_SET;
}

void loop_timer_destroy(struct loop_timer *t)
{
    if (t != NULL) {
        loop_timer_clear(t);
        free(t);
    }
}

msec_t loop_timer_next(const struct loop *loop)
{
    return loop->heap_len == 0 ? MSEC_NEVER : loop->heap[0]->at_ms;
}

void loop_timer_run_due(struct loop *loop)
{
    uint64_t last = loop->timers_set; /* what is set from here on waits for the next turn */

    while (loop->heap_len > 0) {
        struct loop_timer *t = loop->heap[0];
        if (t->at_ms > loop_now(loop) || t->order > last) {
            return;
        }
        loop_timer_clear(t);
        t->on_time(t->ctx); /* may destroy t */
    }
}

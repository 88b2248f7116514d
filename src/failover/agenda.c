#include "failover/core.h"

/*
 * A binary heap of turns, the earliest on top. Hundreds of instances are idle between two PINGs:
 * looking at each in every step would cost more than all the rest of the core.
 */

static void agenda_put(struct failover *f, uint32_t at, struct turn *turn)
{
    f->heap[at] = turn;
    turn->at = at;
}

static void agenda_up(struct failover *f, struct turn *turn)
{
    uint32_t at = turn->at;

    while (at > 1 && f->heap[at / 2]->due > turn->due) {
        agenda_put(f, at, f->heap[at / 2]);
        at /= 2;
    }
    agenda_put(f, at, turn);
}

static void agenda_down(struct failover *f, struct turn *turn)
{
    uint32_t at = turn->at;

    for (;;) {
        uint32_t child = at * 2;
        if (child > f->heap_count) {
            break;
        }
        if (child < f->heap_count && f->heap[child + 1]->due < f->heap[child]->due) {
            child++;
        }
        if (f->heap[child]->due >= turn->due) {
            break;
        }
        agenda_put(f, at, f->heap[child]);
        at = child;
    }
    agenda_put(f, at, turn);
}

void agenda_set(struct failover *f, struct turn *turn, msec_t due)
{
    ASSERT(turn->kind != TURN_NONE);
    if (turn->at == 0) {
        f->heap_count++;
        ASSERT(f->heap_count <= f->channels_max + f->limits.masters_max);
        turn->due = due;
        agenda_put(f, f->heap_count, turn);
        agenda_up(f, turn);
        return;
    }
    msec_t before = turn->due;
    turn->due = due;
    if (due < before) {
        agenda_up(f, turn);
    } else if (due > before) {
        agenda_down(f, turn);
    }
}

void agenda_sooner(struct failover *f, struct turn *turn, msec_t due)
{
    if (turn->at == 0 || due < turn->due) {
        agenda_set(f, turn, due);
    }
}

void agenda_drop(struct failover *f, struct turn *turn)
{
    uint32_t at = turn->at;

    if (at == 0) {
        return;
    }
    ASSERT(f->heap[at] == turn);
    struct turn *last = f->heap[f->heap_count];
    f->heap_count--;
    turn->at = 0;
    if (last != turn) {
        agenda_put(f, at, last);
        agenda_up(f, last);
        agenda_down(f, last);
    }
}

msec_t agenda_due(const struct failover *f)
{
    return f->heap_count == 0 ? MSEC_NEVER : f->heap[1]->due;
}

struct turn *agenda_first(const struct failover *f)
{
    return f->heap_count == 0 ? NULL : f->heap[1];
}

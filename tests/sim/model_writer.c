#include "sim/model_writer.h"

#include <stdlib.h>

#include "sim/model_monitor.h"
#include "sim/model_redis.h"

void writer_start(struct world *w)
{
    w->writer_target = calloc(w->config.groups, sizeof(*w->writer_target));
    ASSERT(w->writer_target != NULL);
    for (uint16_t g = 0; g < w->config.groups && w->config.write_every_ms > 0; g++) {
        w->writer_target[g] = WORLD_NOBODY;
        world_push(w, w->now + (msec_t)world_random(w, (uint64_t)w->config.write_every_ms),
                   WORLD_WRITER, g, 0, 0);
    }
}

static void writer_ask(struct world *w, uint16_t group)
{
    uint16_t monitor = (uint16_t)world_random(w, w->monitors_count);
    const struct monitor *m = &w->monitors[monitor];

    w->writer_target[group] = WORLD_NOBODY;
    if (m->is_alive && !m->is_paused) {
        struct world_place place = w->places[monitor_master_addr(w, monitor, group)];
        w->writer_target[group] = place.kind == PLACE_REDIS ? place.index : WORLD_NOBODY;
    }
}

void writer_turn(struct world *w, uint16_t group)
{
    uint16_t target = w->writer_target[group];
    msec_t every = w->config.write_every_ms;

    if (target != WORLD_NOBODY && redis_write(w, target, 1)) {
        w->stats.writes++;
    } else {
        w->stats.writes_failed++;
        writer_ask(w, group);
    }
    world_push(w, w->now + every / 2 + (msec_t)world_random(w, (uint64_t)every), WORLD_WRITER,
               group, 0, 0);
}

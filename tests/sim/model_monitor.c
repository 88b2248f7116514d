#include "sim/model_monitor.h"

#include <stdlib.h>
#include <string.h>

#include "sim/checker.h"

enum {
    FIRST_CLOCK_MS = 100000, /* a monotonic clock is nowhere near 0 */
    CLOCK_SPREAD_MS = 1000000,
    SPARE_MASTERS = 4,
    SPARE_INSTANCES = 64,
};

static uint16_t monitor_host(const struct world *w, uint16_t monitor)
{
    return (uint16_t)(w->servers_count + monitor);
}

static void monitor_first_image(const struct world *w, struct monitor *m)
{
    uint16_t each = (uint16_t)(1 + w->config.replicas);

    m->disk.masters_count = w->config.groups;
    m->disk.masters = calloc(w->config.groups, sizeof(*m->disk.masters));
    ASSERT(m->disk.masters != NULL);
    for (uint16_t g = 0; g < w->config.groups; g++) {
        struct master_state *state = &m->disk.masters[g].state;
        char name[WORLD_NAME_MAX];

        (void)snprintf(state->name, sizeof(state->name), "%s", world_group_name(w, g, name));
        state->addr = *world_addr(w, 1U + (uint32_t)g * each);
        state->config =
            (struct master_config){.quorum = w->config.quorum,
                                   .parallel_syncs = w->config.parallel_syncs,
                                   .down_after_ms = w->config.down_after_ms,
                                   .failover_timeout_ms = w->config.failover_timeout_ms,
                                   .refused_after_ms = w->config.refused_after_ms,
                                   .reboot_down_after_ms = w->config.reboot_down_after_ms};
    }
}

void monitor_create(struct world *w)
{
    w->monitors = calloc(w->monitors_count, sizeof(*w->monitors));
    ASSERT(w->monitors != NULL);
    for (uint16_t i = 0; i < w->monitors_count; i++) {
        struct monitor *m = &w->monitors[i];

        m->index = i;
        (void)snprintf(m->name, sizeof(m->name), "monitor-%u", i + 1U);
        m->addr = 1U + w->servers_count + i;
        w->places[m->addr] = (struct world_place){PLACE_MONITOR, i};
        m->run = world_random(w, UINT64_MAX - 1) + 1;
        m->tick_at = MSEC_NEVER;
        m->links_count = 256;
        m->links = calloc(m->links_count, sizeof(*m->links));
        ASSERT(m->links != NULL);
        monitor_first_image(w, m);
    }
}

void monitor_destroy(struct world *w)
{
    for (uint16_t i = 0; w->monitors != NULL && i < w->monitors_count; i++) {
        struct monitor *m = &w->monitors[i];

        monitor_lose(w, m, true);
        image_finish(&m->disk);
        free(m->links);
        free(m->block);
    }
    free(w->monitors);
    w->monitors = NULL;
}

/* ---------------------------------------------------------------- life */

void monitor_boot(struct world *w, uint16_t monitor)
{
    struct monitor *m = &w->monitors[monitor];
    struct failover_start start = {
        .limits = {.masters_max = w->config.groups + SPARE_MASTERS,
                   .instances_max =
                       (uint32_t)w->config.groups * (w->config.replicas + w->config.monitors) +
                       SPARE_INSTANCES},
        .current_epoch = m->disk.epoch,
        .seed = world_random(w, UINT64_MAX)};

    if (m->is_alive) {
        return;
    }
    w->net->is_off[monitor_host(w, monitor)] = false;
    m->is_alive = true;
    m->clock_offset = FIRST_CLOCK_MS + (msec_t)world_random(w, CLOCK_SPREAD_MS);
    start.now = w->now + m->clock_offset;
    world_run_text(m->run, start.run_id);
    m->block = calloc(1, failover_bytes(&start.limits));
    ASSERT(m->block != NULL);
    m->core = failover_init(m->block, &start);
    image_restore(w, m);
#ifdef HOLDFAST_MUTATIONS
    failover_mutate(m->core, (enum mutation)w->config.mutation);
#endif
    STORY(w, m->name, "starts with epoch %llu", (unsigned long long)m->disk.epoch);
    checker_booted(w, m);
    struct event event = {.type = EVENT_TICK};
    monitor_step(w, m, &event);
}

void monitor_crash(struct world *w, uint16_t monitor, bool losing, bool is_silent)
{
    struct monitor *m = &w->monitors[monitor];

    if (!m->is_alive) {
        return;
    }
    STORY(w, m->name, "%s%s", is_silent ? "its machine loses power" : "crashes",
          m->writing == NULL ? ""
          : losing           ? ", what was on its way to the disk is lost"
                             : ", what was on its way to the disk may have arrived");
    m->is_alive = false;
    m->is_paused = false;
    m->incarnation++;
    m->crash_in_actions = 0;
    m->tick_at = MSEC_NEVER;
    monitor_lose(w, m, losing);
    memset(m->asks, 0, sizeof(m->asks));
    memset(m->links, 0, m->links_count * sizeof(*m->links));
    net_monitor_died(w, monitor, is_silent);
    net_process_died(w, (struct world_place){PLACE_MONITOR, monitor}, is_silent);
    w->net->is_off[monitor_host(w, monitor)] = is_silent;
    free(m->block);
    m->block = NULL;
    m->core = NULL;
}

static void monitor_tick_soon(struct world *w, struct monitor *m, msec_t at)
{
    m->tick_at = at < w->now ? w->now : at;
    m->tick_generation++;
    world_push(w, m->tick_at, WORLD_TICK, m->index, m->incarnation, m->tick_generation);
}

static void monitor_disk_told(struct world *w, struct monitor *m)
{
    struct event event = {.type = EVENT_PERSISTED,
                          .persisted = {.seq = m->done_seq, .ok = m->done_ok}};

    m->done_pending = false;
    monitor_step(w, m, &event);
}

void monitor_pause(struct world *w, uint16_t monitor, bool paused)
{
    struct monitor *m = &w->monitors[monitor];

    if (!m->is_alive || m->is_paused == paused) {
        return;
    }
    STORY(w, m->name, "%s", paused ? "stopped (SIGSTOP)" : "goes on (SIGCONT)");
    m->is_paused = paused;
    if (!paused) {
        bool sockets_first =
            world_chance(w, 50); /* what a loop looks at first is its own business */

        if (sockets_first) {
            net_wake(w);
        }
        monitor_tick_soon(w, m, w->now);
        if (!sockets_first) {
            net_wake(w);
        }
        if (m->done_pending) {
            monitor_disk_told(w, m);
        }
    }
}

void monitor_jump(struct world *w, uint16_t monitor, msec_t by_ms)
{
    struct monitor *m = &w->monitors[monitor];

    if (m->is_alive) {
        STORY(w, m->name, "its clock jumps by %lld ms", (long long)by_ms);
        m->clock_offset += by_ms;
        monitor_tick_soon(w, m, w->now);
    }
}

void monitor_disk(struct world *w, uint16_t monitor, enum disk_state state, msec_t slow_ms)
{
    static const char *const words[] = {"works", "is full", "is slow"};
    struct monitor *m = &w->monitors[monitor];

    STORY(w, m->name, "its disk %s", words[state]);
    m->disk_state = state;
    m->disk_slow_ms = slow_ms;
}

void monitor_move(struct world *w, uint16_t monitor, uint32_t addr)
{
    struct monitor *m = &w->monitors[monitor];

    STORY(w, m->name, "moves from %s to %s", world_addr(w, m->addr)->ip, world_addr(w, addr)->ip);
    net_process_died(w, (struct world_place){PLACE_MONITOR, monitor}, false);
    w->places[m->addr] = (struct world_place){PLACE_NOBODY, 0};
    m->addr = addr;
    w->addrs[addr].port = 26379;
    w->places[addr] = (struct world_place){PLACE_MONITOR, monitor};
}

void monitor_command(struct world *w, uint16_t monitor, struct command *command)
{
    struct monitor *m = &w->monitors[monitor];
    struct event event = {.type = EVENT_COMMAND};

    if (!m->is_alive || m->is_paused) {
        return;
    }
    static const char *const words[] = {"MONITOR", "REMOVE", "SET",   "FAILOVER",        "RESET",
                                        "FORGET",  "FLUSH",  "DEBUG", "SIMULATE-FAILURE"};
    STORY(w, "operator", "%s: SENTINEL %s %s%s", m->name, words[command->type], command->name,
          command->coordinated ? " COORDINATED" : "");
    command->token = ++m->next_token;
    m->command_token = command->token;
    m->has_result = false;
    checker_command(w, m, command);
    event.command = *command;
    monitor_step(w, m, &event);
}

uint32_t monitor_master_addr(const struct world *w, uint16_t monitor, uint16_t group)
{
    const struct monitor *m = &w->monitors[monitor];
    char name[WORLD_NAME_MAX];
    const struct master *master =
        m->core == NULL ? NULL : failover_master_named(m->core, world_group_name(w, group, name));
    struct master_state state;

    if (master == NULL) {
        return 0;
    }
    failover_export(master, &state);
    return world_addr_id(w, &state.addr);
}

/* ---------------------------------------------------------------- steps */

void monitor_step(struct world *w, struct monitor *m, struct event *event)
{
    /* One list for all: a step's actions are performed before the next step begins. */
    static struct action *items;
    static uint32_t capacity;
    struct failover_limits limits = {
        .masters_max = w->config.groups + SPARE_MASTERS,
        .instances_max = (uint32_t)w->config.groups * (w->config.replicas + w->config.monitors) +
                         SPARE_INSTANCES};
    uint32_t needed = failover_actions_max(&limits);
    uint32_t incarnation = m->incarnation;
    bool saw_change = false;

    if (!m->is_alive || w->has_failed) {
        return;
    }
    ASSERT(!m->is_paused);
    if (capacity < needed) {
        free(items);
        items = calloc(needed, sizeof(*items));
        ASSERT(items != NULL);
        capacity = needed;
    }
    struct action_list list = {.items = items, .capacity = needed};

    event->now = w->now + m->clock_offset;
    failover_step(m->core, event, &list);
    w->stats.steps++;
    m->busy_steps = m->busy_at == w->now ? m->busy_steps + 1 : 0;
    m->busy_at = w->now;
    for (uint32_t i = 0; i < list.count && m->incarnation == incarnation; i++) {
        if (m->crash_in_actions > 0 && --m->crash_in_actions == 0) {
            monitor_crash(w, m->index, true, false);
            return;
        }
        saw_change = saw_change || items[i].type == ACTION_PERSIST || items[i].type == ACTION_NOTE;
        checker_action(w, m, &items[i]);
        monitor_perform(w, m, &items[i]);
    }
    if (m->incarnation != incarnation) {
        return;
    }
    checker_step(w, m, saw_change);
    msec_t deadline = failover_deadline(m->core);
    msec_t due = deadline == MSEC_NEVER ? MSEC_NEVER : deadline - m->clock_offset;

    due = due < w->now ? w->now : due;
    if (m->busy_steps > WORLD_STUCK_STEPS && due == w->now) {
        world_fail(w, "%s: a busy loop, %u steps without time moving on", m->name, m->busy_steps);
    } else if (due < m->tick_at) {
        monitor_tick_soon(w, m, due);
    }
}

void monitor_tick(struct world *w, uint16_t monitor, uint32_t incarnation, uint32_t generation)
{
    struct monitor *m = &w->monitors[monitor];
    struct event event = {.type = EVENT_TICK};

    if (m->incarnation != incarnation || m->tick_generation != generation || !m->is_alive) {
        return;
    }
    m->tick_at = MSEC_NEVER;
    if (m->is_paused) {
        return; /* monitor_pause() asks again */
    }
    msec_t deadline = failover_deadline(m->core);

    if (deadline != MSEC_NEVER && deadline - m->clock_offset > w->now) {
        monitor_tick_soon(w, m, deadline - m->clock_offset); /* it was moved back meanwhile */
        return;
    }
    monitor_step(w, m, &event);
}

void monitor_disk_done(struct world *w, uint16_t monitor, uint32_t incarnation)
{
    struct monitor *m = &w->monitors[monitor];

    if (m->incarnation != incarnation || m->writing == NULL) {
        return;
    }
    m->done_ok = m->disk_state != DISK_FULL;
    m->done_seq = m->writing_seq;
    if (m->done_ok) {
        image_finish(&m->disk);
        m->disk = *m->writing;
        free(m->writing);
    } else {
        image_finish(m->writing);
        free(m->writing);
    }
    m->writing = m->waiting;
    m->writing_seq = m->waiting_seq;
    m->waiting = NULL;
    if (m->writing != NULL) {
        world_push(w,
                   w->now + 1 + (msec_t)world_random(w, (uint64_t)w->config.disk_ms) +
                       (m->disk_state == DISK_SLOW ? m->disk_slow_ms : 0),
                   WORLD_DISK, monitor, incarnation, 0);
    }
    m->done_pending = true;
    if (!m->is_paused) {
        monitor_disk_told(w, m);
    }
}

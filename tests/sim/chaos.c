#include "sim/chaos.h"

#include <stdlib.h>
#include <string.h>

#include "sim/checker.h"
#include "sim/model_monitor.h"
#include "sim/model_redis.h"

enum {
    CHAOS_BEGINS_MS = 4000, /* by then everybody has said hello to everybody */
    CHAOS_LASTS_MIN_MS = 3000,
    CHAOS_LASTS_MORE_MS = 12000,
    CHAOS_GAP_MS = 1200, /* between two faults, on average half of it */
    LIVENESS_FIXED_MS = 60000,
    SETTLED_FOR_MS = 3000, /* and a down-after: long enough for late evidence to show */
    LOOK_EVERY_MS = 100,
};

struct chaos {
    msec_t until;
    bool allows_forgetting; /* the quorum is a majority: then a monitor that forgot is no danger */
    uint16_t forgetful; /* the one monitor whose operator has fits: the others keep what is known */
};

void chaos_destroy(struct world *w)
{
    free(w->chaos);
    w->chaos = NULL;
}

static msec_t chaos_pick(struct prng *p, const msec_t *values, size_t count)
{
    return values[prng_below(p, count)];
}

void chaos_config(uint64_t seed, struct world_config *config)
{
    static const msec_t down_after[] = {200, 500, 1000, 1000, 2000, 5000};
    static const msec_t refused_after[] = {0, 0, 100};
    static const msec_t failover_timeout[] = {2000, 5000, 10000, 20000};
    static const msec_t disk[] = {1, 3, 20};
    static const msec_t write_every[] = {40, 100, 300};
    static const uint16_t monitors[] = {3, 3, 3, 3, 3, 3, 4, 5};
    static const uint16_t groups[] = {1, 1, 1, 1, 1, 1, 2, 3};
    static const uint16_t replicas[] = {1, 2, 2, 2, 2, 3, 4};
    struct prng p;
    int mutation = config->mutation;

    prng_init(&p, seed ^ UINT64_C(0x686f6c6466617374));
    *config = (struct world_config){.seed = seed, .mutation = mutation};
    config->monitors = monitors[prng_below(&p, COUNT_OF(monitors))];
    config->groups = groups[prng_below(&p, COUNT_OF(groups))];
    config->replicas = replicas[prng_below(&p, COUNT_OF(replicas))];
    config->quorum = config->monitors / 2U + 1U;
    if (prng_below(&p, 5) == 0) {
        config->quorum = 1 + (uint32_t)prng_below(&p, config->monitors);
    }
    config->parallel_syncs = 1 + (uint32_t)prng_below(&p, 3);
    config->down_after_ms = chaos_pick(&p, down_after, COUNT_OF(down_after));
    config->failover_timeout_ms = chaos_pick(&p, failover_timeout, COUNT_OF(failover_timeout));
    config->refused_after_ms = chaos_pick(&p, refused_after, COUNT_OF(refused_after));
    config->delay_ms = (msec_t)prng_below(&p, 4);
    config->jitter_ms = (msec_t)prng_below(&p, 6);
    config->disk_ms = chaos_pick(&p, disk, COUNT_OF(disk));
    config->write_every_ms = chaos_pick(&p, write_every, COUNT_OF(write_every));
    config->keeps_leader = prng_below(&p, 2) == 0;
    config->hears_itself = prng_below(&p, 4) == 0;
}

/* ---------------------------------------------------------------- faults */

static uint16_t chaos_server(struct world *w)
{
    uint16_t server = (uint16_t)world_random(w, w->servers_count);

    if (world_chance(w, 50)) { /* masters are where it hurts */
        uint16_t group = (uint16_t)world_random(w, w->config.groups);

        for (uint16_t i = 0; i < w->servers_count; i++) {
            const struct redis *r = &w->servers[i];
            if (r->group == group && r->is_alive && r->role == ROLE_MASTER) {
                server = i;
            }
        }
    }
    return server;
}

static uint16_t chaos_monitor(struct world *w)
{
    return (uint16_t)world_random(w, w->monitors_count);
}

static void chaos_kill_server(struct world *w)
{
    uint16_t server = chaos_server(w);

    if (world_chance(w, 30)) {
        redis_save(w, server);
    }
    if (world_chance(w, 70)) {
        redis_kill(w, server);
    } else {
        redis_power_off(w, server);
    }
}

static void chaos_restart_server(struct world *w)
{
    uint16_t server = chaos_server(w);

    redis_kill(w, server);
    redis_start(w, server, (enum redis_restart)world_random(w, 3), (msec_t)world_random(w, 300));
}

static void chaos_start_servers(struct world *w)
{
    for (uint16_t i = 0; i < w->servers_count; i++) {
        if (!w->servers[i].is_alive && world_chance(w, 60)) {
            redis_start(w, i, (enum redis_restart)world_random(w, 3),
                        (msec_t)world_random(w, 1000));
        }
    }
}

static void chaos_pause_server(struct world *w)
{
    uint16_t server = chaos_server(w);
    redis_pause(w, server, !w->servers[server].is_paused);
}

static void chaos_crash_monitor(struct world *w)
{
    monitor_crash(w, chaos_monitor(w), world_chance(w, 60), world_chance(w, 20));
}

/* Between two actions of one list: after a PERSIST and before what depends on it, say. */
static void chaos_crash_in_step(struct world *w)
{
    struct monitor *m = &w->monitors[chaos_monitor(w)];

    if (m->is_alive) {
        m->crash_in_actions = 1 + (uint32_t)world_random(w, 40);
    }
}

static void chaos_boot_monitors(struct world *w)
{
    for (uint16_t i = 0; i < w->monitors_count; i++) {
        if (world_chance(w, 60)) {
            monitor_boot(w, i);
        }
    }
}

static void chaos_pause_monitor(struct world *w)
{
    uint16_t monitor = chaos_monitor(w);
    monitor_pause(w, monitor, !w->monitors[monitor].is_paused);
}

static void chaos_jump(struct world *w)
{
    uint16_t monitor = chaos_monitor(w);

    if (!w->monitors[monitor].is_paused) {
        monitor_jump(w, monitor, 1 + (msec_t)world_random(w, 8000));
    }
}

static void chaos_partition(struct world *w)
{
    bool sides[UINT8_MAX] = {false};
    bool one_way = world_chance(w, 35);
    uint16_t hosts = w->net->hosts;
    char who[160] = "";
    size_t len = 0;

    ASSERT(hosts < COUNT_OF(sides));
    for (uint16_t i = 0; i < hosts; i++) {
        sides[i] = world_chance(w, 40);
        if (sides[i] && len + WORLD_NAME_MAX < sizeof(who)) {
            len += (size_t)snprintf(who + len, sizeof(who) - len, " %s",
                                    i < w->servers_count ? w->servers[i].name
                                                         : w->monitors[i - w->servers_count].name);
        }
    }
    STORY(w, "network", "cut %s from the rest:%s", one_way ? "one way" : "both ways", who);
    for (uint16_t a = 0; a < hosts; a++) {
        for (uint16_t b = 0; b < hosts; b++) {
            if (sides[a] && !sides[b]) {
                net_cut(w, a, b, true);
                net_cut(w, b, a, !one_way);
            }
        }
    }
}

static void chaos_isolate(struct world *w)
{
    uint16_t host =
        world_chance(w, 50) ? chaos_server(w) : (uint16_t)(w->servers_count + chaos_monitor(w));

    STORY(w, "network", "%s is cut from all",
          host < w->servers_count ? w->servers[host].name
                                  : w->monitors[host - w->servers_count].name);
    for (uint16_t b = 0; b < w->net->hosts; b++) {
        if (b != host) {
            net_cut(w, host, b, true);
            net_cut(w, b, host, true);
        }
    }
}

static void chaos_heal_net(struct world *w)
{
    STORY(w, "network", "every cut heals");
    net_heal(w);
}

static void chaos_slow(struct world *w)
{
    uint16_t host = (uint16_t)world_random(w, w->net->hosts);

    w->net->slow_ms[host] = (msec_t)world_random(w, world_chance(w, 30) ? 800 : 60);
    STORY(w, "network", "everything from and to %s takes %lld ms more",
          host < w->servers_count ? w->servers[host].name
                                  : w->monitors[host - w->servers_count].name,
          (long long)w->net->slow_ms[host]);
}

static void chaos_reset_connections(struct world *w)
{
    STORY(w, "network", "some connections are reset");
    for (uint32_t i = 0; i < w->net->connections_count; i++) {
        if (world_chance(w, 20)) {
            net_reset_one(w, i);
        }
    }
}

static void chaos_disk(struct world *w)
{
    monitor_disk(w, chaos_monitor(w), (enum disk_state)world_random(w, 3),
                 (msec_t)world_random(w, 900));
}

static void chaos_stuck(struct world *w)
{
    struct redis *r = &w->servers[chaos_server(w)];

    r->is_stuck = !r->is_stuck;
    STORY(w, r->name, "%s",
          r->is_stuck ? "never catches up from now on" : "reads its stream again");
}

static void chaos_busy(struct world *w)
{
    struct redis *r = &w->servers[chaos_server(w)];

    r->is_busy = r->is_alive && !r->is_busy;
    STORY(w, r->name, "%s", r->is_busy ? "runs a script without end" : "its script ends");
}

/* Somebody points a replica at a sibling, by hand. */
static void chaos_wrong_replica(struct world *w)
{
    uint16_t server = (uint16_t)world_random(w, w->servers_count);
    uint16_t each = (uint16_t)(1 + w->config.replicas);
    uint16_t other = (uint16_t)(w->servers[server].group * each + world_random(w, each));

    if (other != server && redis_serves(w, server) && w->servers[server].role == ROLE_REPLICA) {
        redis_replicaof(w, server, w->servers[other].addr);
    }
}

/* ---------------------------------------------------------------- operators */

static void chaos_command(struct world *w, uint16_t monitor, enum command_type type,
                          bool coordinated)
{
    struct command command = {.type = type, .coordinated = coordinated};
    uint16_t group = (uint16_t)world_random(w, w->config.groups);
    char name[WORLD_NAME_MAX];

    (void)snprintf(command.name, sizeof(command.name), "%s", world_group_name(w, group, name));
    monitor_command(w, monitor, &command);
}

static void chaos_failover(struct world *w)
{
    chaos_command(w, chaos_monitor(w), COMMAND_FAILOVER, world_chance(w, 30));
}

static void chaos_reset(struct world *w)
{
    if (w->chaos->allows_forgetting) {
        chaos_command(w, w->chaos->forgetful, COMMAND_RESET, false);
    }
}

static void chaos_forget(struct world *w)
{
    struct command command = {.type = COMMAND_FORGET};
    uint16_t group = (uint16_t)world_random(w, w->config.groups);
    uint16_t each = (uint16_t)(1 + w->config.replicas);
    char name[WORLD_NAME_MAX];

    if (!w->chaos->allows_forgetting) {
        return;
    }
    (void)snprintf(command.name, sizeof(command.name), "%s", world_group_name(w, group, name));
    if (world_chance(w, 50)) {
        command.addr = *world_addr(w, w->servers[group * each + world_random(w, each)].addr);
    } else {
        world_run_text(w->monitors[chaos_monitor(w)].run, command.run_id);
    }
    monitor_command(w, w->chaos->forgetful, &command);
}

/* The address as another monitor knows it. False: nobody does. */
static bool chaos_monitor_group(struct world *w, uint16_t monitor, uint16_t group)
{
    struct command command = {.type = COMMAND_MONITOR};
    uint32_t addr = 0;
    char name[WORLD_NAME_MAX];

    for (uint16_t i = 0; i < w->monitors_count && addr == 0; i++) {
        addr = i == monitor ? 0 : monitor_master_addr(w, i, group);
    }
    if (addr == 0) {
        return false;
    }
    (void)snprintf(command.name, sizeof(command.name), "%s", world_group_name(w, group, name));
    command.addr = *world_addr(w, addr);
    command.config = (struct master_config){.quorum = w->config.quorum,
                                            .parallel_syncs = w->config.parallel_syncs,
                                            .down_after_ms = w->config.down_after_ms,
                                            .failover_timeout_ms = w->config.failover_timeout_ms,
                                            .refused_after_ms = w->config.refused_after_ms};
    monitor_command(w, monitor, &command);
    return true;
}

static void chaos_remove_and_monitor(struct world *w)
{
    struct command command = {.type = COMMAND_REMOVE};
    uint16_t group = (uint16_t)world_random(w, w->config.groups);
    char name[WORLD_NAME_MAX];

    if (w->chaos->allows_forgetting) {
        (void)snprintf(command.name, sizeof(command.name), "%s", world_group_name(w, group, name));
        monitor_command(w, w->chaos->forgetful, &command);
        (void)chaos_monitor_group(w, w->chaos->forgetful, group);
    }
}

static void chaos_set(struct world *w)
{
    struct command command = {.type = COMMAND_SET};
    uint16_t group = (uint16_t)world_random(w, w->config.groups);
    uint16_t monitor = chaos_monitor(w);
    char name[WORLD_NAME_MAX];

    (void)snprintf(command.name, sizeof(command.name), "%s", world_group_name(w, group, name));
    command.config = (struct master_config){.quorum = w->config.quorum,
                                            .parallel_syncs = 1 + (uint32_t)world_random(w, 4),
                                            .down_after_ms = w->config.down_after_ms,
                                            .failover_timeout_ms = w->config.failover_timeout_ms,
                                            .refused_after_ms = world_chance(w, 50) ? 100 : 0};
    monitor_command(w, monitor, &command);
}

/* ---------------------------------------------------------------- the run */

static const struct chaos_fault {
    uint32_t weight;
    void (*happens)(struct world *w);
} faults[] = {
    {10, chaos_kill_server},
    {6, chaos_restart_server},
    {12, chaos_start_servers},
    {8, chaos_pause_server},
    {7, chaos_crash_monitor},
    {4, chaos_crash_in_step},
    {9, chaos_boot_monitors},
    {7, chaos_pause_monitor},
    {3, chaos_jump},
    {6, chaos_partition},
    {5, chaos_isolate},
    {9, chaos_heal_net},
    {4, chaos_slow},
    {3, chaos_reset_connections},
    {5, chaos_disk},
    {2, chaos_stuck},
    {2, chaos_busy},
    {2, chaos_wrong_replica},
    {4, chaos_failover},
    {2, chaos_reset},
    {2, chaos_forget},
    {2, chaos_remove_and_monitor},
    {2, chaos_set},
};

void chaos_turn(struct world *w)
{
    uint64_t total = 0;

    if (w->now >= w->chaos->until) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        total += faults[i].weight;
    }
    uint64_t draw = world_random(w, total);
    size_t which = 0;

    while (draw >= faults[which].weight) {
        draw -= faults[which++].weight;
    }
    faults[which].happens(w);
    world_push(w, w->now + 1 + (msec_t)world_random(w, CHAOS_GAP_MS), WORLD_CHAOS, 0, 0, 0);
}

void chaos_heal(struct world *w)
{
    STORY(w, "world", "everything is healed");
    net_heal(w);
    for (uint16_t i = 0; i < w->servers_count; i++) {
        w->servers[i].is_busy = false;
        w->servers[i].is_stuck = false;
        redis_pause(w, i, false);
        redis_start(w, i, RESTART_SAVED, 0);
    }
    for (uint16_t i = 0; i < w->monitors_count; i++) {
        w->monitors[i].disk_state = DISK_OK;
        w->monitors[i].crash_in_actions = 0;
        monitor_pause(w, i, false);
        monitor_boot(w, i);
    }
    for (uint16_t i = 0; i < w->monitors_count; i++) { /* a MONITOR that a crash has undone */
        for (uint16_t g = 0; g < w->config.groups; g++) {
            if (monitor_master_addr(w, i, g) == 0) {
                (void)chaos_monitor_group(w, i, g);
            }
        }
    }
}

/* All agree within the bound and still do, undisturbed, a while later. */
static bool chaos_demand_liveness(struct world *w)
{
    msec_t bound = w->now + 3 * w->config.down_after_ms + LIVENESS_FIXED_MS;
    msec_t calm = w->config.down_after_ms + SETTLED_FOR_MS;
    msec_t healed_at = w->now;
    msec_t settled_at = -1;
    char why[WORLD_WHY_MAX] = "";

    while (!w->has_failed && (settled_at < 0 || w->now - settled_at < calm)) {
        world_run(w, w->now + LOOK_EVERY_MS);
        if (!checker_settled(w, why)) {
            settled_at = -1;
        } else if (settled_at < 0) {
            STORY(w, "world", "settled");
            settled_at = w->now;
        }
        if (w->now > bound && settled_at < 0) {
            world_fail(w, "not settled %lld ms after everything was healed: %s",
                       (long long)(3 * w->config.down_after_ms + LIVENESS_FIXED_MS), why);
        }
    }
    if (w->stats.settle_ms < settled_at - healed_at) {
        w->stats.settle_ms = settled_at - healed_at;
    }
    w->is_quiet = true;
    world_run(w, w->now + calm);
    if (!w->has_failed && !checker_settled(w, why)) {
        world_fail(w, "it had settled, and does not stay so: %s", why);
    }
    return !w->has_failed;
}

/* A master dies for good while its monitors cannot talk to each other, and the network heals: with
 * every replica fit and nobody coming back, only a failover that is tried again helps. */
static bool chaos_last_blow(struct world *w)
{
    uint16_t each = (uint16_t)(1 + w->config.replicas);
    uint16_t group = (uint16_t)world_random(w, w->config.groups);
    uint16_t master = WORLD_NOBODY;

    for (uint16_t i = (uint16_t)(group * each); i < (group + 1) * each; i++) {
        master = w->servers[i].role == ROLE_MASTER ? i : master;
    }
    if (master == WORLD_NOBODY || w->config.replicas == 0) {
        return true;
    }
    STORY(w, "world", "one more master dies, for good");
    w->is_quiet = false;
    if (world_chance(w, 50)) {
        redis_kill(w, master);
    } else {
        redis_power_off(w, master);
    }
    msec_t silent = w->config.down_after_ms + (msec_t)world_random(w, 100);

    for (uint16_t a = w->servers_count; a < w->net->hosts && world_chance(w, 70); a++) {
        for (uint16_t b = w->servers_count; b < w->net->hosts; b++) {
            net_cut(w, a, b, a != b && world_chance(w, 60));
        }
    }
    world_run(w, w->now + silent / 2 + (msec_t)world_random(w, (uint64_t)silent));
    net_heal(w);
    STORY(w, "network", "every cut heals");
    if (w->has_failed || !chaos_demand_liveness(w)) {
        return false;
    }
    if (monitor_master_addr(w, 0, group) == w->servers[master].addr) {
        world_fail(w, "the dead %s is still the master", w->servers[master].name);
    }
    return !w->has_failed;
}

bool chaos_run(struct world *w)
{
    w->chaos = calloc(1, sizeof(*w->chaos));
    ASSERT(w->chaos != NULL);
    w->chaos->until =
        CHAOS_BEGINS_MS + CHAOS_LASTS_MIN_MS + (msec_t)world_random(w, CHAOS_LASTS_MORE_MS);
    w->chaos->allows_forgetting = w->config.quorum > w->config.monitors / 2U;
    w->chaos->forgetful = chaos_monitor(w);
    world_push(w, CHAOS_BEGINS_MS, WORLD_CHAOS, 0, 0, 0);
    world_run(w, w->chaos->until);
    if (w->has_failed) {
        return false;
    }
    chaos_heal(w);
    return chaos_demand_liveness(w) && (world_chance(w, 50) || chaos_last_blow(w));
}

#include "failover/core.h"

#include <string.h>

#include "base/text.h"

/*
 * The tables of masters, replicas and peers. Slots are the core's own block; a pointer is good
 * until the instance is removed, and nobody keeps one over a step but the tables themselves.
 */

static uint32_t instance_new_id(struct failover *f)
{
    f->next_id++;
    ASSERT(f->next_id != 0); /* 4 billion links: at one a second, a century */
    return f->next_id;
}

static struct instance *instance_take(struct failover *f, struct master *m, enum instance_kind kind,
                                      const struct addr *addr)
{
    for (uint32_t n = 0; n < f->instances_max; n++) {
        struct instance *i = &f->instances[n];
        if (i->master != NULL) {
            continue;
        }
        *i = (struct instance){.kind = kind, .master = m, .addr = *addr};
        i->info.second_offset = -1;
        i->info.keys = -1;
        i->info.priority = 100;
        i->info.announced = true;
        i->role_since = f->now;
        f->instances_count++;
        return i;
    }
    return NULL;
}

struct master *instance_add_master(struct failover *f, const struct master_state *state)
{
    struct master *m = NULL;

    if (f->masters_count == f->limits.masters_max) {
        return NULL;
    }
    for (uint32_t n = 0; n < f->limits.masters_max && m == NULL; n++) {
        m = f->masters[n].id == 0 ? &f->masters[n] : NULL;
    }
    ASSERT(m != NULL);
    struct turn turn = {.kind = TURN_MASTER};
    *m = (struct master){.turn = turn, .id = instance_new_id(f), .config = state->config};
    memcpy(m->name, state->name, sizeof(m->name));
    memcpy(m->leader, state->leader, sizeof(m->leader));
    m->config_epoch = state->config_epoch;
    m->leader_epoch = state->leader_epoch;
    m->self = instance_take(f, m, KIND_MASTER, &state->addr);
    ASSERT(m->self != NULL); /* masters_max slots are kept for masters */
    m->self->role = ROLE_MASTER;
    (void)channel_take(f, m->self); /* there is one channel for each instance */
    f->order[f->masters_count++] = m;
    agenda_set(f, &m->turn, f->now);
    return m;
}

void instance_remove(struct failover *f, struct instance *i)
{
    struct master *m = i->master;
    struct instance **table = i->kind == KIND_PEER ? m->peers : m->replicas;
    uint32_t *count = i->kind == KIND_PEER ? &m->peers_count : &m->replicas_count;

    ASSERT(i->kind != KIND_MASTER);
    if (m->promoted == i) {
        m->promoted = NULL;
    }
    for (uint32_t n = 0; n < *count; n++) {
        if (table[n] == i) {
            for (uint32_t k = n + 1; k < *count; k++) {
                table[k - 1] = table[k];
            }
            (*count)--;
            break;
        }
    }
    channel_leave(f, i);
    i->master = NULL;
    f->instances_count--;
}

void instance_remove_master(struct failover *f, struct master *m)
{
    while (m->replicas_count > 0) {
        instance_remove(f, m->replicas[m->replicas_count - 1]);
    }
    while (m->peers_count > 0) {
        instance_remove(f, m->peers[m->peers_count - 1]);
    }
    channel_leave(f, m->self);
    m->self->master = NULL;
    f->instances_count--;
    agenda_drop(f, &m->turn);
    for (uint32_t n = 0; n < f->masters_count; n++) {
        if (f->order[n] == m) {
            for (uint32_t k = n + 1; k < f->masters_count; k++) {
                f->order[k - 1] = f->order[k];
            }
            break;
        }
    }
    f->masters_count--;
    m->id = 0;
}

/* instances_max counts replicas and peers; the masters have slots of their own beside them. */
static bool instance_room(const struct failover *f)
{
    return f->instances_count - f->masters_count < f->limits.instances_max;
}

struct instance *instance_add_replica(struct failover *f, struct master *m, const struct addr *addr)
{
    if (m->replicas_count == REPLICAS_PER_MASTER_MAX || !instance_room(f)) {
        return NULL;
    }
    struct instance *i = instance_take(f, m, KIND_REPLICA, addr);
    ASSERT(i != NULL);
    i->role = ROLE_REPLICA; /* what we expect until its INFO says otherwise */
    m->replicas[m->replicas_count++] = i;
    (void)channel_take(f, i);
    return i;
}

struct instance *instance_add_peer(struct failover *f, struct master *m, const struct addr *addr,
                                   const char *run_id)
{
    if (m->peers_count == PEERS_PER_MASTER_MAX || !instance_room(f)) {
        return NULL;
    }
    struct instance *i = instance_take(f, m, KIND_PEER, addr);
    ASSERT(i != NULL);
    text_cut(i->run_id, sizeof(i->run_id), run_id);
    m->peers[m->peers_count++] = i;
    (void)channel_take(f, i);
    return i;
}

struct master *instance_master_named(struct failover *f, const char *name)
{
    for (uint32_t n = 0; n < f->masters_count; n++) {
        if (strcmp(f->order[n]->name, name) == 0) {
            return f->order[n];
        }
    }
    return NULL;
}

struct master *instance_master_with(struct failover *f, uint32_t id)
{
    for (uint32_t n = 0; n < f->masters_count; n++) {
        if (f->order[n]->id == id) {
            return f->order[n];
        }
    }
    return NULL;
}

struct master *instance_master_at(struct failover *f, const struct addr *addr)
{
    for (uint32_t n = 0; n < f->masters_count; n++) {
        if (addr_same(&f->order[n]->self->addr, addr)) {
            return f->order[n];
        }
    }
    return NULL;
}

struct instance *instance_replica_at(const struct master *m, const struct addr *addr)
{
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        if (addr_same(&m->replicas[n]->addr, addr)) {
            return m->replicas[n];
        }
    }
    return NULL;
}

struct instance *instance_peer_named(const struct master *m, const char *run_id)
{
    for (uint32_t n = 0; n < m->peers_count; n++) {
        if (strcmp(m->peers[n]->run_id, run_id) == 0) {
            return m->peers[n];
        }
    }
    return NULL;
}

struct instance *instance_peer_at(const struct master *m, const struct addr *addr)
{
    for (uint32_t n = 0; n < m->peers_count; n++) {
        if (addr_same(&m->peers[n]->addr, addr)) {
            return m->peers[n];
        }
    }
    return NULL;
}

/* A verdict about an address says nothing about the next one. */
static void instance_clear_verdict(struct failover *f, struct instance *i)
{
    i->s_down = false;
    i->s_down_since = 0;
    i->reconf = RECONF_NONE;
    i->wrong_since = 0;
    i->corrected_at = 0;
    i->foreign = false;
    i->script_kill_sent = false;
    i->role_since = f->now;
}

/*
 * The replica `to` is the master from now on, and the old master one of its replicas. The links
 * move with them, so that the new master is not a stranger that must be reached first; and every
 * opinion of peers was about the old one (Sentinel keeps those, and deposes a healthy new master
 * within seconds).
 */
void instance_move_master(struct failover *f, struct master *m, struct instance *to)
{
    struct instance *old = m->self;

    ASSERT(to->master == m);
    ASSERT(to->kind == KIND_REPLICA);
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        if (m->replicas[n] == to) {
            m->replicas[n] = old;
        }
        m->replicas[n]->was_master = false;
        m->replicas[n]->reconf = RECONF_NONE;
    }
    m->self = to;
    to->kind = KIND_MASTER;
    to->channel->kind = KIND_MASTER;
    old->kind = KIND_REPLICA;
    old->channel->kind = KIND_REPLICA;
    instance_clear_verdict(f, to);
    instance_clear_verdict(f, old);
    to->was_master = false;
    old->was_master = true;
    to->role = ROLE_MASTER;
    to->restarted = false;
    if (!to->channel->up) {
        to->channel->silent_since = f->now; /* it has all of down-after to be reached */
        to->channel->refused_since = 0;
    }
    m->addr_before = old->addr;
    m->promoted = NULL;
    m->o_down = false;
    m->restarted = false;
    m->lost_data = false;
    m->rebooted = false;
    m->ask_tag++;
    for (uint32_t n = 0; n < m->peers_count; n++) {
        m->peers[n]->master_down = false;
        m->peers[n]->ask_waiting = false;
    }
    agenda_sooner(f, &to->channel->turn, f->now);
    agenda_sooner(f, &old->channel->turn, f->now);
    master_wake(f, m);
}

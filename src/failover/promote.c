#include "failover/core.h"

#include <string.h>

/*
 * From the chosen replica to the last one that follows it. Sentinel announces the new master after
 * all replicas were moved; here it is announced the moment its promotion is confirmed and on our
 * disk: a client needs the new address, not a tidy group.
 */

void promote_send(struct failover *f, struct master *m)
{
    struct action *a;

    ASSERT(m->promoted != NULL);
    ASSERT(m->attempt_seq <=
           f->saved_seq); /* our own vote is on disk before anything is done with it */
    if (m->coordinated) {
        a = action_add(f, ACTION_SEND_COORDINATED);
        a->link = m->self->channel->id;
        a->addr = m->promoted->addr;
    } else {
        a = action_add(f, ACTION_SEND_PROMOTE);
        a->link = m->promoted->channel->id;
    }
    m->promote_sent_at = f->now;
}

/* Sentinel builds the group anew at a switch, so its listeners see every replica, the old master
 * too. */
void promote_list_replicas(struct failover *f, struct master *m, uint64_t seq)
{
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        (void)note_instance(f, seq, NOTE_REPLICA, m->replicas[n]);
    }
}

/* The replica says that it is a master now. */
void promote_confirmed(struct failover *f, struct master *m)
{
    struct instance *to = m->promoted;
    struct addr from = m->self->addr;

    ASSERT(m->phase == PHASE_WAIT_PROMOTION);
    if (!MUTATED(f, MUTATION_SAME_EPOCH_CONFIG)) {
        ASSERT(m->failover_epoch > m->config_epoch);
        m->config_epoch = m->failover_epoch;
    }
    m->config_seq = action_persist(f);
    (void)note_instance(f, m->config_seq, NOTE_PROMOTED, to);
    if ((f->simulate & SIMULATE_CRASH_AFTER_PROMOTION) != 0) {
        (void)action_add(f, ACTION_CRASH);
    }
    phase_move(f, m, PHASE_ACCEPT);
    instance_move_master(f, m, to);
    note_switch(f, m->config_seq, m, &from, &to->addr);
    promote_list_replicas(f, m, m->config_seq);
    struct action *a = action_add_after(f, m->config_seq, ACTION_RECONFIGURED);
    memcpy(a->reconfigured.master_name, m->name, sizeof(a->reconfigured.master_name));
    a->reconfigured.leader = true;
    a->reconfigured.from = from;
    a->reconfigured.to = to->addr;
    gossip_push(f, m);
    channel_ask_info(f, to);
}

static bool promote_follows(const struct master *m, const struct instance *r)
{
    return r->info.role == ROLE_REPLICA && addr_same(&r->info.master_addr, &m->self->addr);
}

static void promote_move_replica(struct failover *f, struct instance *r)
{
    struct action *a = action_add_after(f, r->master->config_seq, ACTION_SEND_REPLICAOF);

    a->link = r->channel->id;
    a->addr = r->master->self->addr;
    r->reconf = RECONF_SENT;
    r->reconf_at = f->now;
    (void)note_instance(f, 0, NOTE_RECONF_SENT, r);
}

/* New facts of a replica, from its INFO. */
void promote_progress(struct failover *f, struct instance *i)
{
    struct master *m = i->master;

    if (m->phase == PHASE_WAIT_PROMOTION && i == m->promoted && i->info.role == ROLE_MASTER) {
        promote_confirmed(f, m);
        return;
    }
    if (m->phase == PHASE_RECONFIGURE && promote_follows(m, i)) {
        if (i->reconf == RECONF_SENT) {
            i->reconf = RECONF_INPROG;
            (void)note_instance(f, 0, NOTE_RECONF_INPROG, i);
        }
        if (i->reconf == RECONF_INPROG && i->info.master_link_up) {
            i->reconf = RECONF_DONE;
            (void)note_instance(f, 0, NOTE_RECONF_DONE, i);
        }
    }
    master_wake(f, m);
}

static bool promote_skips(const struct instance *r)
{
    return r->s_down || r->foreign;
}

/* Moves parallel-syncs replicas at a time; the old master at once, whoever else is under way: until
 * it is a replica it takes writes that nobody will keep. True when all that can be reached have
 * moved. */
bool promote_reconfigure(struct failover *f, struct master *m)
{
    uint32_t under_way = 0;
    bool all_done = true;

    for (uint32_t n = 0; n < m->replicas_count; n++) {
        struct instance *r = m->replicas[n];
        if ((r->reconf == RECONF_SENT || r->reconf == RECONF_INPROG) &&
            f->now - r->reconf_at > f->tuning.replica_reconf_timeout) {
            (void)note_instance(f, 0, NOTE_RECONF_TIMEOUT, r);
            r->reconf = RECONF_DONE;
        }
        under_way += (r->reconf == RECONF_SENT || r->reconf == RECONF_INPROG) && !r->was_master;
    }
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        struct instance *r = m->replicas[n];
        if (promote_skips(r)) {
            continue;
        }
        if (r->reconf == RECONF_NONE && promote_follows(m, r) && r->info.master_link_up) {
            r->reconf = RECONF_DONE;
        }
        bool turn = r->was_master || under_way < m->config.parallel_syncs;
        if (r->reconf == RECONF_NONE && r->channel->up && turn) {
            promote_move_replica(f, r);
            under_way += !r->was_master;
        }
        all_done = all_done && r->reconf == RECONF_DONE;
    }
    return all_done;
}

/* The time is over: every replica that is left is told once, all together (Sentinel does the same).
 */
void promote_reconfigure_rest(struct failover *f, struct master *m)
{
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        struct instance *r = m->replicas[n];
        if (r->reconf != RECONF_NONE || promote_skips(r) || !r->channel->up) {
            continue;
        }
        struct action *a = action_add_after(f, m->config_seq, ACTION_SEND_REPLICAOF);
        a->link = r->channel->id;
        a->addr = m->self->addr;
        r->reconf = RECONF_SENT;
        (void)note_instance(f, 0, NOTE_RECONF_SENT_BE, r);
    }
}

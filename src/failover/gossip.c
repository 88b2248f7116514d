#include "failover/core.h"

#include <inttypes.h>
#include <string.h>

/*
 * Hello messages: how monitors find each other, and how the newest configuration wins. Nobody signs
 * them: whoever can write to a data node can say anything here, as with Sentinel. An epoch that no
 * election could have reached is refused.
 */

bool gossip_is_sane(const struct failover *f, uint64_t epoch)
{
    return epoch <= EPOCH_MAX && epoch <= f->epoch + EPOCH_JUMP_MAX;
}

/* The note waits for the disk when a vote of ours depends on the epoch; one that is only learned
 * does not. */
void gossip_adopt_epoch(struct failover *f, const struct master *m, uint64_t epoch, bool for_vote)
{
    bool newer = epoch > f->epoch || (MUTATED(f, MUTATION_EPOCH_BACK) && epoch < f->epoch);

    if (!newer || !gossip_is_sane(f, epoch)) {
        return;
    }
    f->epoch = epoch;
    f->epoch_seq = action_persist(f);
    note_plain(f, for_vote ? f->epoch_seq : 0, NOTE_NEW_EPOCH, m, "%" PRIu64, epoch);
}

/* A monitor that restarted with another address: its link moves, for all masters it watches. */
static void gossip_peer_moved(struct failover *f, struct instance *peer, const struct hello *hello)
{
    struct channel *c = peer->channel;

    note_extra(note_instance(f, 0, NOTE_PEER_SWITCH, peer->master->self), "ip %s port %u for %s",
               hello->addr.ip, (unsigned)hello->addr.port, hello->run_id);
    channel_move(f, c, &hello->addr);
    (void)action_persist(f);
}

/* Another monitor speaks from this address: the one we knew there is gone, from all masters. */
static void gossip_drop_at(struct failover *f, const struct addr *addr)
{
    for (uint32_t n = 0; n < f->masters_count; n++) {
        struct instance *old = instance_peer_at(f->order[n], addr);
        if (old != NULL) {
            (void)note_instance(f, 0, NOTE_PEER_INVALID, old);
            instance_remove(f, old);
            master_wake(f, f->order[n]);
        }
    }
}

static struct instance *gossip_peer(struct failover *f, struct master *m, const struct hello *hello)
{
    struct instance *peer = instance_peer_named(m, hello->run_id);

    if (peer != NULL) {
        if (!addr_same(&peer->addr, &hello->addr)) {
            gossip_peer_moved(f, peer, hello);
        }
        return peer;
    }
    for (uint32_t n = 0; n < f->masters_count; n++) {
        /* the same monitor, known for another master under its former address */
        struct instance *other = instance_peer_named(f->order[n], hello->run_id);
        if (other != NULL && !addr_same(&other->addr, &hello->addr)) {
            gossip_peer_moved(f, other, hello);
        }
    }
    struct instance *there = instance_peer_at(m, &hello->addr);
    if (there != NULL) {
        gossip_drop_at(f, &hello->addr);
    }
    peer = instance_add_peer(f, m, &hello->addr, hello->run_id);
    if (peer == NULL) {
        action_log(f, NOTE_WARNING, "master %s: no room for another monitor (limit %d a master)",
                   m->name, PEERS_PER_MASTER_MAX);
        return NULL;
    }
    (void)action_persist(f);
    (void)note_instance(f, 0, NOTE_PEER, peer);
    return peer;
}

/* Two masters in one epoch: only an operator who forced a failover on both sides of a cut can make
 * that. Sentinel keeps both for ever; here all take the one whose address sorts first. */
static bool gossip_wins_tie(const struct master *m, const struct hello *hello)
{
    const struct addr *ours = &m->self->addr;
    const struct addr *theirs = &hello->master_addr;

    if (hello->config_epoch != m->config_epoch || m->config_epoch == 0 || !addr_is_set(theirs) ||
        addr_same(ours, theirs)) {
        return false;
    }
    int order = strcmp(addr_host(theirs, false), addr_host(ours, false));
    return order < 0 || (order == 0 && theirs->port < ours->port);
}

/* The configuration with the higher epoch wins; ours, if we are in the middle of an older one,
 * ends. */
static void gossip_config(struct failover *f, struct master *m, const struct instance *peer,
                          const struct hello *hello)
{
    bool newer = hello->config_epoch > m->config_epoch && gossip_is_sane(f, hello->config_epoch);

    if (!newer && !gossip_wins_tie(m, hello)) {
        return;
    }
    m->config_epoch = hello->config_epoch;
    m->config_seq = action_persist(f);
    if (m->phase != PHASE_IDLE && m->phase < PHASE_ACCEPT && m->failover_epoch <= m->config_epoch) {
        phase_abort(f, m, "a configuration of this or a newer epoch is known");
    }
    if (addr_same(&hello->master_addr, &m->self->addr) || !addr_is_set(&hello->master_addr)) {
        return;
    }
    struct addr from = m->self->addr;
    (void)note_instance(f, 0, NOTE_CONFIG_UPDATE, peer);
    note_switch(f, 0, m, &from, &hello->master_addr);
    struct action *a = action_add(f, ACTION_RECONFIGURED);
    memcpy(a->reconfigured.master_name, m->name, sizeof(a->reconfigured.master_name));
    a->reconfigured.from = from;
    a->reconfigured.to = hello->master_addr;
    if (m->phase != PHASE_IDLE) {
        phase_abort(f, m, "a newer configuration is known");
    }
    struct instance *to = instance_replica_at(m, &hello->master_addr);
    if (to == NULL) {
        if (m->replicas_count == REPLICAS_PER_MASTER_MAX) {
            instance_remove(f, m->replicas[0]); /* found again by the new master's INFO */
        }
        to = instance_add_replica(f, m, &hello->master_addr);
    }
    if (to == NULL) {
        action_log(f, NOTE_WARNING, "master %s: no room for its new address", m->name);
        return;
    }
    instance_move_master(f, m, to);
    promote_list_replicas(f, m, 0);
    m->failures = 0;
    m->retry_at = 0;
    channel_ask_info(f, to);
}

void gossip_hello(struct failover *f, const struct hello *hello, const struct channel *heard_on)
{
    struct master *m = instance_master_named(f, hello->master_name);

    if (m == NULL || strcmp(hello->run_id, f->run_id) == 0 || !addr_is_set(&hello->addr)) {
        return;
    }
    if (heard_on != NULL && heard_on->first->foreign) {
        return; /* the monitors of another group speak there */
    }
    struct instance *peer = gossip_peer(f, m, hello);
    gossip_adopt_epoch(f, m, hello->current_epoch, false);
    if (peer == NULL) {
        return;
    }
    peer->hello_at = f->now;
    gossip_config(f, m, peer, hello);
}

void gossip_push(struct failover *f, struct master *m)
{
    channel_say_hello(f, m->self);
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        channel_say_hello(f, m->replicas[n]);
    }
    for (uint32_t n = 0; n < m->peers_count; n++) {
        channel_say_hello(f, m->peers[n]);
    }
}

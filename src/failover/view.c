#include "failover/core.h"

#include <string.h>

/* Looking in: what the Sentinel port, the metrics and the saved state show. Nothing here changes a
 * thing. */

uint64_t failover_epoch(const struct failover *f)
{
    return f->epoch;
}

const char *failover_run_id(const struct failover *f)
{
    return f->run_id;
}

bool failover_in_tilt(const struct failover *f, msec_t *since)
{
    if (since != NULL) {
        *since = f->tilt ? f->tilt_since : 0;
    }
    return f->tilt;
}

uint32_t failover_tilt_total(const struct failover *f)
{
    return f->tilt_total;
}

uint32_t failover_simulate_flags(const struct failover *f)
{
    return f->simulate;
}

const struct failover_tuning *failover_tuning_now(const struct failover *f)
{
    return &f->tuning;
}

uint32_t failover_masters(const struct failover *f)
{
    return f->masters_count;
}

const struct master *failover_master_at(const struct failover *f, uint32_t index)
{
    return index < f->masters_count ? f->order[index] : NULL;
}

const struct master *failover_master_named(const struct failover *f, const char *name)
{
    for (uint32_t n = 0; n < f->masters_count; n++) {
        if (strcmp(f->order[n]->name, name) == 0) {
            return f->order[n];
        }
    }
    return NULL;
}

void failover_export(const struct master *m, struct master_state *state)
{
    *state = (struct master_state){.addr = m->self->addr, .config = m->config};
    memcpy(state->name, m->name, sizeof(state->name));
    memcpy(state->leader, m->leader, sizeof(state->leader));
    state->config_epoch = m->config_epoch;
    state->leader_epoch = m->leader_epoch;
}

static void view_common(const struct instance *i, struct instance_view *v)
{
    const struct channel *c = i->channel;
    const struct master *m = i->master;

    *v = (struct instance_view){.kind = i->kind, .link = c->id, .addr = i->addr};
    memcpy(v->run_id, i->run_id, sizeof(v->run_id));
    v->s_down = i->s_down;
    v->disconnected = !c->up;
    v->link_refcount = c->refs;
    v->last_ping_sent = c->waiting_since;
    v->last_ok_reply = c->valid_at;
    v->last_reply = c->reply_at;
    v->s_down_since = i->s_down_since;
    v->down_after_ms = m->config.down_after_ms;
    v->info_at = i->info_at;
    v->role = i->role;
    v->role_since = i->role_since;
    v->script_kill_sent = i->script_kill_sent;
}

void failover_view_master(const struct failover *f, const struct master *m, struct instance_view *v)
{
    (void)f; /* the same face as its siblings */
    view_common(m->self, v);
    v->o_down = m->o_down;
    v->o_down_since = m->o_down_since;
    v->in_failover = m->phase != PHASE_IDLE;
    v->force_failover = m->forced;
    v->master_reboot = m->rebooted;
    v->failover_state = v->in_failover ? phase_wire_name(m->phase) : NULL;
    v->config_epoch = m->config_epoch;
    v->replicas = m->replicas_count;
    v->peers = m->peers_count;
}

bool failover_view_replica(const struct failover *f, const struct master *m, uint32_t index,
                           struct instance_view *v)
{
    (void)f; /* the same face as its siblings */
    if (index >= m->replicas_count) {
        return false;
    }
    const struct instance *i = m->replicas[index];
    view_common(i, v);
    v->promoted = i == m->promoted;
    v->reconf_sent = i->reconf == RECONF_SENT;
    v->reconf_inprog = i->reconf == RECONF_INPROG;
    v->reconf_done = i->reconf == RECONF_DONE;
    v->master_link_down_ms = i->info.master_link_down_ms;
    v->master_link_up = i->info.master_link_up;
    v->master_addr = i->info.master_addr;
    v->priority = i->info.priority;
    v->offset = i->info.offset;
    v->announced = i->info.announced;
    return true;
}

bool failover_view_peer(const struct failover *f, const struct master *m, uint32_t index,
                        struct instance_view *v)
{
    (void)f; /* the same face as its siblings */
    if (index >= m->peers_count) {
        return false;
    }
    const struct instance *i = m->peers[index];
    view_common(i, v);
    v->master_down = i->master_down;
    v->hello_at = i->hello_at;
    memcpy(v->voted_leader, i->leader, sizeof(v->voted_leader));
    v->voted_epoch = i->leader_epoch;
    return true;
}

void failover_view_quorum(const struct failover *f, const struct master *m, struct quorum_view *v)
{
    (void)f; /* the same face as its siblings */
    *v = (struct quorum_view){.usable = 1, .known = m->peers_count + 1};
    for (uint32_t n = 0; n < m->peers_count; n++) {
        const struct instance *p = m->peers[n];
        v->usable += !p->s_down && p->channel->up;
    }
    v->quorum_reachable = v->usable >= m->config.quorum;
    v->majority_reachable = v->usable >= v->known / 2 + 1;
}

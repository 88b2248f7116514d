#include "failover/core.h"

/* What must be true between two steps, whatever came in. Too dear for every step in production: on
 * in the simulator and in debug builds. */

static bool invariant_heap(const struct failover *f)
{
    for (uint32_t at = 1; at <= f->heap_count; at++) {
        if (f->heap[at]->at != at || (at > 1 && f->heap[at / 2]->due > f->heap[at]->due)) {
            return false;
        }
    }
    return true;
}

static bool invariant_master(const struct failover *f, const struct master *m)
{
    bool leads = m->phase != PHASE_IDLE && m->phase < PHASE_ACCEPT;

    if (m->self == NULL || m->self->kind != KIND_MASTER || m->self->master != m ||
        m->turn.at == 0) {
        return false;
    }
    if (m->o_down && !m->self->s_down && m->turn.due > f->now + 1) {
        return false; /* ODOWN without SDOWN lasts until the master's turn at most */
    }
    if (leads && (m->failover_epoch > f->epoch || m->failover_epoch <= m->config_epoch)) {
        return false;
    }
    if (m->promoted != NULL && m->phase != PHASE_PROMOTE && m->phase != PHASE_WAIT_PROMOTION) {
        return false;
    }
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        const struct instance *r = m->replicas[n];
        if (r->kind != KIND_REPLICA || r->master != m || addr_same(&r->addr, &m->self->addr)) {
            return false;
        }
    }
    for (uint32_t n = 0; n < m->peers_count; n++) {
        if (m->peers[n]->kind != KIND_PEER || m->peers[n]->master != m) {
            return false;
        }
    }
    return true;
}

static bool invariant_channel(const struct channel *c)
{
    uint32_t refs = 0;

    for (const struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        if (i->channel != c || (i->kind != KIND_PEER && c->refs != 1)) {
            return false;
        }
        refs++;
    }
    return refs == c->refs && refs > 0 && c->turn.at != 0 && !(c->up && c->opening);
}

bool invariant_holds(const struct failover *f)
{
    if (f->saved_seq > f->seq || f->held_count > f->held_max || !invariant_heap(f)) {
        return false;
    }
    for (uint32_t n = 0; n < f->masters_count; n++) {
        if (!invariant_master(f, f->order[n])) {
            return false;
        }
    }
    for (uint32_t n = 0; n < f->channels_max; n++) {
        if (f->channels[n].id != 0 && !invariant_channel(&f->channels[n])) {
            return false;
        }
    }
    return true;
}

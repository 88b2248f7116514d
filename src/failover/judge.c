#include "failover/core.h"

/*
 * Who is down. SDOWN is our own opinion, from evidence about this address only:
 *   silence   no valid answer (PONG, -LOADING, -MASTERDOWN, INFO) for down-after
 *   refusal   every attempt to connect refused for refused-after (off unless the operator wrote it)
 *   role      a master that says it is a replica, for down-after and two INFO periods (as Sentinel)
 *   reboot    a master that restarted and loads for longer than master-reboot-down-after-period
 *   loss      a master that restarted without the data its replicas hold
 * ODOWN is a quorum of such opinions about a master.
 */

static bool judge_refused(const struct failover *f, const struct instance *i)
{
    msec_t after = i->master->config.refused_after_ms;
    return after > 0 && i->channel->refused_since != 0 && !i->channel->up &&
           f->now - i->channel->refused_since >= after;
}

/* It follows one of its own replicas, which says that it is the master: a hand-over whose leader
 * never told us. Nothing is gained by waiting, and clients are sent to a replica meanwhile. */
static bool judge_gave_way(const struct instance *i)
{
    const struct instance *heir = instance_replica_at(i->master, &i->info.master_addr);
    return i->info.role == ROLE_REPLICA && heir != NULL && heir->info.role == ROLE_MASTER;
}

/* Sentinel waits this long before it believes that a master became a replica: the operator, or
 * another monitor's failover we have not heard of, may be in the middle of something. */
static msec_t judge_role_due(const struct failover *f, const struct instance *i)
{
    if (i->kind != KIND_MASTER || i->role != ROLE_REPLICA) {
        return MSEC_NEVER;
    }
    msec_t patience = judge_gave_way(i) ? 0 : 2 * f->tuning.info_period;
    return i->role_since + i->master->config.down_after_ms + patience;
}

static msec_t judge_reboot_due(const struct instance *i)
{
    const struct master *m = i->master;

    if (i->kind != KIND_MASTER || !m->rebooted || m->config.reboot_down_after_ms == 0) {
        return MSEC_NEVER;
    }
    return m->rebooted_at + m->config.reboot_down_after_ms;
}

static msec_t judge_silence_due(const struct instance *i)
{
    const struct channel *c = i->channel;
    return c->silent_since == 0 ? MSEC_NEVER : c->silent_since + i->master->config.down_after_ms;
}

static const char *judge_evidence(const struct failover *f, const struct instance *i)
{
    if (f->now >= judge_silence_due(i)) {
        return "silence";
    }
    if (judge_refused(f, i)) {
        return "refusal";
    }
    if (f->now >= judge_role_due(f, i)) {
        return "role";
    }
    if (f->now >= judge_reboot_due(i)) {
        return "reboot";
    }
    if (i->kind == KIND_MASTER && i->master->lost_data) {
        return "lost data";
    }
    return NULL;
}

/* When this instance, if nothing comes, must be judged again. */
msec_t judge_due(const struct failover *f, const struct instance *i)
{
    const struct master_config *config = &i->master->config;

    if (i->s_down) {
        return MSEC_NEVER; /* only an answer changes that */
    }
    msec_t due = judge_silence_due(i);
    if (config->refused_after_ms > 0 && i->channel->refused_since != 0 && !i->channel->up) {
        msec_t refused = i->channel->refused_since + config->refused_after_ms;
        due = refused < due ? refused : due;
    }
    msec_t role = judge_role_due(f, i);
    msec_t reboot = judge_reboot_due(i);
    due = role < due ? role : due;
    due = reboot < due ? reboot : due;
    if (f->tilt && due < f->tilt_since + f->tuning.tilt_period) {
        due = f->tilt_since + f->tuning.tilt_period;
    }
    return due;
}

void judge_instance(struct failover *f, struct instance *i)
{
    if (f->tilt) {
        return; /* we look, and do not judge */
    }
    const char *evidence = judge_evidence(f, i);
    bool down = evidence != NULL;
    if (down == i->s_down) {
        return;
    }
    i->s_down = down;
    i->s_down_since = down ? f->now : 0;
    for (uint32_t n = 0; down && i->kind == KIND_MASTER && n < i->master->peers_count; n++) {
        i->master->peers[n]->asked_at = 0; /* what was asked before was another question */
    }
    (void)note_instance(f, 0, down ? NOTE_SDOWN : NOTE_SDOWN_END, i);
    if (down) {
        action_log(f, NOTE_VERBOSE, "%s of master %s: down by %s",
                   i->kind == KIND_MASTER ? "itself"
                   : i->kind == KIND_PEER ? "monitor"
                                          : "replica",
                   i->master->name, evidence);
    }
    master_wake(f, i->master);
}

static uint32_t judge_opinions(const struct failover *f, const struct master *m)
{
    uint32_t count = m->self->s_down ? 1 : 0;
    msec_t valid = MASTER_DOWN_VALID_ASKS * f->tuning.ask_period;

    for (uint32_t n = 0; n < m->peers_count; n++) {
        const struct instance *p = m->peers[n];
        count += p->master_down && f->now - p->opinion_at <= valid;
    }
    return count;
}

void judge_master(struct failover *f, struct master *m)
{
    uint32_t opinions = judge_opinions(f, m);
    uint32_t quorum = MUTATED(f, MUTATION_NO_QUORUM) ? 1 : m->config.quorum;
    bool down = m->self->s_down && opinions >= quorum;

    if (f->tilt || down == m->o_down) {
        return;
    }
    m->o_down = down;
    m->o_down_since = down ? f->now : 0;
    if (down) {
        note_extra(note_instance(f, 0, NOTE_ODOWN, m->self), "#quorum %u/%u", opinions, quorum);
        for (uint32_t n = 0; n < m->replicas_count; n++) {
            channel_ask_info(f, m->replicas[n]); /* the newest offsets, while we are elected */
        }
    } else {
        (void)note_instance(f, 0, NOTE_ODOWN_END, m->self);
    }
}

#include "failover/core.h"

#include <string.h>

/*
 * What INFO tells: who is a replica of whom, which history each server has, who restarted, and who
 * is not what our configuration says he is.
 */

static const char *discover_role_word(enum server_role role)
{
    return role == ROLE_MASTER ? "master" : "slave";
}

static void discover_role(struct failover *f, struct instance *i, enum server_role role)
{
    enum server_role expected = i->kind == KIND_MASTER ? ROLE_MASTER : ROLE_REPLICA;

    if (role == ROLE_UNKNOWN || role == i->role) {
        return;
    }
    i->role = role;
    i->role_since = f->now;
    note_extra(note_instance(f, 0, role == expected ? NOTE_ROLE_CHANGE : NOTE_ROLE_AGAIN, i),
               "new reported role is %s", discover_role_word(role));
}

static void discover_run_id(struct failover *f, struct instance *i, const char *run_id)
{
    struct master *m = i->master;

    if (run_id[0] == '\0' || strcmp(i->run_id, run_id) == 0) {
        return;
    }
    bool known = i->run_id[0] != '\0';
    memcpy(i->run_id, run_id, sizeof(i->run_id));
    if (!known) {
        return;
    }
    (void)note_instance(f, 0, NOTE_REBOOT, i);
    i->restarted = true;
    if (i->kind == KIND_MASTER) {
        m->restarted = true;
        m->restarted_at = f->now;
        for (uint32_t n = 0; n < m->replicas_count; n++) {
            channel_ask_info(f, m->replicas[n]); /* what they hold is to be compared now */
        }
        if (m->config.reboot_down_after_ms > 0) {
            m->rebooted = true;
            m->rebooted_at = f->now;
        }
    }
}

/*
 * Does this replica hold what the restarted master does not? Either the master came back empty, or
 * it came back from an older image of the same history (Redis keeps replid and offset in its RDB
 * and shows them as replid2 and second_repl_offset). An append-only file keeps no replid: then only
 * emptiness tells.
 */
static bool discover_replica_has_more(const struct failover *f, const struct master *m,
                                      const struct instance *r)
{
    const struct info_facts *now = &m->self->info;

    bool is_fresh =
        r->info_at != 0 && r->info_at >= m->restarted_at; /* not of before the restart */
    if (m->replid[0] == '\0' || strcmp(r->info.replid, m->replid) != 0 || !is_fresh) {
        return false;
    }
    if (r->info.role != ROLE_REPLICA || select_unfit(f, m, r) != NULL) {
        return false; /* an old master not yet demoted, say: what cannot be promoted saves nothing
                       */
    }
    if (strcmp(now->replid2, m->replid) == 0) {
        return now->second_offset - 1 < r->info.offset;
    }
    return now->keys >= 0 &&
           now->keys * 2 < r->info.keys; /* on a busy site it is not empty for long */
}

static bool discover_lost_data(const struct failover *f, const struct master *m)
{
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        if (discover_replica_has_more(f, m, m->replicas[n])) {
            return true;
        }
    }
    return false;
}

/* What a replica holds is known as of its last INFO, ten seconds ago perhaps: a second for the new
 * one. */
static bool discover_replicas_to_answer(const struct failover *f, const struct master *m)
{
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        const struct instance *r = m->replicas[n];
        if (r->channel->up && r->info_at < m->restarted_at) {
            return f->now - m->restarted_at < RESTART_COMPARE_MS;
        }
    }
    return false;
}

/*
 * The master restarted faster than anyone called it down. Its replicas will delete what they have
 * to follow it, at the latest a second later; when it came back with less than they hold, that is a
 * failover. Without quarantine the race can be lost: then the old history is gone and there is
 * nothing to save.
 */
static void discover_history(struct failover *f, struct master *m)
{
    const struct info_facts *now = &m->self->info;

    if (now->role != ROLE_MASTER || now->loading || now->replid[0] == '\0') {
        return;
    }
    if ((m->restarted || m->lost_data) && discover_lost_data(f, m)) {
        if (!m->lost_data) {
            action_log(
                f, NOTE_WARNING,
                "master %s restarted with less data than its replicas hold -> it counts as down",
                m->name);
        }
        m->lost_data = true;
        m->restarted = false;
        judge_instance(f, m->self);
        return;
    }
    if (m->restarted && discover_replicas_to_answer(f, m)) {
        return;
    }
    if (m->lost_data) {
        action_log(f, NOTE_WARNING,
                   "master %s: every replica follows its new data already -> nothing left to save",
                   m->name);
    }
    m->restarted = false;
    m->lost_data = false;
    if (strcmp(m->replid, now->replid) != 0) {
        memcpy(m->replid_before, m->replid, sizeof(m->replid_before));
        memcpy(m->replid, now->replid, sizeof(m->replid));
    }
    judge_instance(f, m->self);
}

static void discover_replicas(struct failover *f, struct master *m, const struct info_facts *facts)
{
    for (uint32_t n = 0; n < facts->replicas_count; n++) {
        const struct addr *addr = &facts->replicas[n].addr;
        if (!addr_is_set(addr) || addr_same(addr, &m->self->addr)) {
            continue;
        }
        struct instance *known = instance_replica_at(m, addr);
        if (known != NULL) {
            known->foreign = false;
            continue;
        }
        struct instance *i = instance_add_replica(f, m, addr);
        if (i == NULL) {
            action_log(f, NOTE_WARNING,
                       "master %s: no room for another replica (limit %d a master)", m->name,
                       REPLICAS_PER_MASTER_MAX);
            return;
        }
        (void)action_persist(
            f); /* the next INFO finds it again: its note need not wait for the disk */
        (void)note_instance(f, 0, NOTE_REPLICA, i);
    }
}

static uint32_t discover_strangers(const struct master *m, const struct info_facts *facts)
{
    uint32_t strangers = 0;

    for (uint32_t n = 0; n < facts->replicas_count; n++) {
        const struct addr *addr = &facts->replicas[n].addr;
        strangers += !addr_same(addr, &m->self->addr) && instance_replica_at(m, addr) == NULL;
    }
    return strangers;
}

void discover_info(struct failover *f, struct instance *i, const struct info_facts *facts)
{
    struct master *m = i->master;

    i->info_waiting = false;
    i->info_at = f->now;
    i->info = *facts;
    i->strangers = discover_strangers(m, facts);
    i->info.replicas = NULL;
    i->info.replicas_count = 0;
    discover_run_id(f, i, facts->run_id);
    discover_role(f, i, facts->role);
    channel_alive(f, i->channel);
    if (i->kind == KIND_MASTER) {
        discover_history(f, m);
        if (facts->role == ROLE_MASTER) {
            discover_replicas(f, m, facts);
        }
        judge_instance(f, i);
        master_wake(f, m);
        return;
    }
    bool ours = facts->role == ROLE_REPLICA && addr_same(&facts->master_addr, &m->self->addr);
    if (ours) {
        i->wrong_since = 0;
        i->foreign = false;
        i->restarted = false;
        i->was_master = false;
    } else if (i->wrong_since == 0) {
        i->wrong_since = f->now;
    }
    if (m->lost_data || m->restarted) {
        discover_history(f, m);
    }
    promote_progress(f, i);
    if (i->kind == KIND_REPLICA) {
        discover_put_right(f, i);
    }
}

/* Only a master that looks right may take others under it: reached, a master, and recently heard
 * of. */
static bool discover_master_sane(const struct failover *f, const struct master *m)
{
    const struct instance *self = m->self;
    return !f->tilt && !self->s_down && !m->o_down && self->channel->up &&
           self->role == ROLE_MASTER && self->info.role == ROLE_MASTER && !self->info.loading &&
           self->info_at != 0 && f->now - self->info_at <= 2 * f->tuning.info_period;
}

static bool discover_same(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

/* It forked from our master's present history: somebody promoted it, and we have not been told yet.
 */
static bool discover_is_successor(const struct master *m, const struct instance *i)
{
    return discover_same(i->info.replid2, m->self->info.replid);
}

/* How long a master that should be a replica is left alone; MSEC_NEVER: it is not ours to touch. */
static msec_t discover_rogue_wait(const struct failover *f, const struct instance *i)
{
    const struct master *m = i->master;
    msec_t patient = ROGUE_WAIT_PUBLISHES * f->tuning.publish_period;

    if (discover_is_successor(m, i)) {
        return patient;
    }
    bool ancestor = discover_same(i->info.replid, m->self->info.replid2) ||
                    discover_same(i->info.replid, m->replid_before);
    if (ancestor || i->was_master) {
        return 0;
    }
    if (i->restarted || !select_related(m, i)) {
        /* Another process than the one that followed our master: ours, restarted by its supervisor,
         * or the master of another group that was given the address. The latter has replicas we do
         * not know. */
        return i->strangers > 0 ? MSEC_NEVER : i->restarted ? 0 : patient;
    }
    return patient;
}

static msec_t discover_stray_wait(const struct failover *f, const struct instance *i)
{
    const struct master *m = i->master;
    msec_t patient = m->config.failover_timeout_ms;

    if (addr_is_set(&m->addr_before) && addr_same(&i->info.master_addr, &m->addr_before)) {
        return f->tuning.publish_period / 2;
    }
    bool among_us = instance_replica_at(m, &i->info.master_addr) != NULL;
    if (i->info.master_link_up && !select_related(m, i) && i->restarted && !among_us) {
        return MSEC_NEVER;
    }
    return patient < FIX_WAIT_MAX_MS ? patient : FIX_WAIT_MAX_MS;
}

/*
 * A replica that says it is a master, or follows somebody else. Sentinel waits more than 8 s for
 * the first, because it cannot tell a returning old master from a replica that another monitor has
 * just promoted; the histories tell, so the old master is demoted the moment it answers.
 */
void discover_put_right(struct failover *f, struct instance *i)
{
    struct master *m = i->master;
    bool rogue = i->info.role == ROLE_MASTER;

    if (i->wrong_since == 0 || i == m->promoted || MUTATED(f, MUTATION_NO_DEMOTION) ||
        (m->phase != PHASE_IDLE && m->phase != PHASE_RECONFIGURE) || !discover_master_sane(f, m) ||
        !i->channel->up || i->info_at == 0) {
        return;
    }
    if (m->phase == PHASE_RECONFIGURE && !rogue) {
        return; /* that phase moves the replicas itself */
    }
    msec_t wait = rogue ? discover_rogue_wait(f, i) : discover_stray_wait(f, i);
    if (wait == MSEC_NEVER) {
        if (!i->foreign) {
            char text[ADDR_TEXT_MAX];
            action_log(
                f, NOTE_WARNING,
                "replica %s of master %s: another group uses this address now -> left alone; "
                "SENTINEL FORGET drops it",
                addr_text(&i->addr, text), m->name);
        }
        i->foreign = true;
        return;
    }
    if (f->now - i->wrong_since < wait ||
        (i->corrected_at != 0 && f->now - i->corrected_at < DEMOTE_AGAIN_MS)) {
        return;
    }
    i->corrected_at = f->now;
    struct action *a = action_add(f, ACTION_SEND_REPLICAOF);
    a->link = i->channel->id;
    a->addr = m->self->addr;
    (void)note_instance(f, 0, rogue ? NOTE_CONVERT : NOTE_FIX_CONFIG, i);
}

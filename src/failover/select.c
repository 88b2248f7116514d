#include "failover/core.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

/*
 * Which replica is promoted. Sentinel compares priority, offset and run id of whatever its last
 * INFO said, up to ten seconds ago, of any replica. Here the INFO is fresh, and a candidate must
 * have the master's history: a replica of another lineage, or one that is just being emptied for a
 * new one, is no candidate.
 */

enum select_history {
    HISTORY_PROMOTED, /* it forked from the master's history: an earlier leader got as far as that
                       */
    HISTORY_SAME,
    HISTORY_BEFORE, /* the master's former history: it missed what came after a restart */
    HISTORY_OTHER,
};

static bool select_same(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

/* It shares its present history with a replica that forked from the one we know: after a full
 * resync it does not remember that itself. */
static bool select_has_kin(const struct master *m, const struct instance *i)
{
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        const struct instance *other = m->replicas[n];
        if (select_same(other->info.replid, i->info.replid) &&
            select_same(other->info.replid2, m->replid)) {
            return true;
        }
    }
    return false;
}

static enum select_history select_known_history(const struct master *m, const struct instance *i)
{
    if (m->replid[0] == '\0') {
        return HISTORY_SAME; /* we never heard of the master's: we cannot tell, as Sentinel cannot
                              */
    }
    const struct info_facts *self = &m->self->info;
    bool gave_way = self->role == ROLE_REPLICA; /* its history is now that of whom it follows */
    if (i->info.role == ROLE_MASTER) {
        if (select_same(i->info.replid2, m->replid) ||
            (gave_way && select_same(i->info.replid, self->replid))) {
            return HISTORY_PROMOTED;
        }
        /* The master was told to follow it, by a coordinated failover whose leader died, say. */
        return gave_way && addr_same(&self->master_addr, &i->addr) ? HISTORY_BEFORE : HISTORY_OTHER;
    }
    if (select_same(i->info.replid, m->replid) || select_same(i->info.replid2, m->replid) ||
        (gave_way && select_same(i->info.replid, self->replid))) {
        return HISTORY_SAME;
    }
    if (select_has_kin(m, i)) {
        return HISTORY_SAME;
    }
    if (select_same(i->info.replid, m->replid_before) ||
        select_same(i->info.replid, m->self->info.replid2)) {
        return HISTORY_BEFORE;
    }
    return HISTORY_OTHER;
}

/* The master got a new history and died before we heard of it: nobody who answers has the one we
 * know, and those that followed its address have what is left. */
static bool select_is_heir(const struct master *m, const struct instance *i)
{
    if (i->info.role != ROLE_REPLICA || !addr_same(&i->info.master_addr, &m->self->addr)) {
        return false;
    }
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        const struct instance *other = m->replicas[n];
        bool has_more = other->info.keys > 0 && i->info.keys <= 0; /* i never was filled */
        if ((!other->s_down || has_more) && select_known_history(m, other) != HISTORY_OTHER) {
            return false;
        }
    }
    return true;
}

static enum select_history select_history(const struct master *m, const struct instance *i)
{
    enum select_history known = select_known_history(m, i);
    return known == HISTORY_OTHER && select_is_heir(m, i) ? HISTORY_BEFORE : known;
}

bool select_related(const struct master *m, const struct instance *i)
{
    return select_history(m, i) != HISTORY_OTHER || select_same(i->info.replid, m->replid) ||
           select_same(i->info.replid, m->replid_before) ||
           select_same(i->info.replid2, m->replid_before);
}

static msec_t select_shortest_link_down(const struct master *m)
{
    msec_t shortest = MSEC_NEVER;

    for (uint32_t n = 0; n < m->replicas_count; n++) {
        const struct instance *i = m->replicas[n];
        if (i->info_at != 0 && i->info.role == ROLE_REPLICA &&
            i->info.master_link_down_ms < shortest) {
            shortest = i->info.master_link_down_ms;
        }
    }
    return shortest == MSEC_NEVER ? 0 : shortest;
}

/* How long nobody could follow the master: since it is down, or since it said that it is a replica,
 * which is called down much later. */
static msec_t select_master_gone_ms(const struct failover *f, const struct master *m)
{
    const struct instance *self = m->self;
    msec_t since = self->s_down ? self->s_down_since : f->now;

    if (self->role == ROLE_REPLICA && self->role_since < since) {
        since = self->role_since;
    }
    msec_t gone_ms = f->now - since;
    if (self->info_at ==
        0) { /* we restarted after it died: whoever followed it last knows how long ago */
        msec_t shortest = select_shortest_link_down(m);
        gone_ms = gone_ms > shortest ? gone_ms : shortest;
    }
    return gone_ms;
}

/* Why this replica cannot be promoted, in words for the log; NULL when it can. */
const char *select_unfit(const struct failover *f, const struct master *m, const struct instance *i)
{
    msec_t down_for = select_master_gone_ms(f, m);

    if (i->s_down) {
        return "it is down";
    }
    if (!i->channel->up) {
        return "it is not connected";
    }
    if (i->info_at == 0) {
        return "its INFO has not come yet";
    }
    if (i->foreign) {
        return "its address belongs to another group";
    }
    if (i->info.priority == 0) {
        return "its priority is 0";
    }
    if (i->info.loading || i->info.sync_in_progress) {
        return "it is loading or in the middle of a synchronisation";
    }
    if (i->info.master_link_down_ms > down_for + 10 * m->config.down_after_ms) {
        return "it was cut off from the master long before";
    }
    if (i->info.role == ROLE_MASTER && select_history(m, i) == HISTORY_OTHER) {
        return "it says it is a master";
    }
    if (select_history(m, i) == HISTORY_OTHER) {
        return "its history is not the master's";
    }
    return NULL;
}

/* Negative: a is the better one. */
static int select_compare(const struct failover *f, const struct instance *a,
                          const struct instance *b)
{
    enum select_history of_a = select_history(a->master, a);
    enum select_history of_b = select_history(b->master, b);

    if (of_a != of_b) {
        return of_a < of_b ? -1 : 1;
    }
    if (a->info.priority != b->info.priority) {
        return a->info.priority < b->info.priority ? -1 : 1;
    }
    if (a->info.offset != b->info.offset) {
        bool a_first = a->info.offset > b->info.offset;
        return a_first != MUTATED(f, MUTATION_LOWEST_OFFSET) ? -1 : 1;
    }
    if (a->run_id[0] == '\0' || b->run_id[0] == '\0') {
        return a->run_id[0] != '\0' ? -1 : 1;
    }
    return strcmp(a->run_id, b->run_id);
}

struct instance *select_replica(struct failover *f, struct master *m, msec_t fresh_since,
                                bool explain)
{
    struct instance *best = NULL;
    char text[ADDR_TEXT_MAX];

    for (uint32_t n = 0; n < m->replicas_count; n++) {
        struct instance *i = m->replicas[n];
        const char *unfit = select_unfit(f, m, i);
        if (unfit == NULL && i->info_at < fresh_since) {
            unfit = "it did not answer INFO since the failover began";
        }
        if (unfit != NULL) {
            if (explain) {
                action_log(f, NOTE_WARNING, "master %s: replica %s is no candidate: %s", m->name,
                           addr_text(&i->addr, text), unfit);
            }
            continue;
        }
        if (best == NULL || select_compare(f, i, best) < 0) {
            best = i;
        }
    }
    return best;
}

/* Is there a replica that had more than `best` when we last heard of it, and may still answer? */
bool select_better_may_answer(const struct failover *f, const struct master *m,
                              const struct instance *best)
{
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        const struct instance *i = m->replicas[n];
        if (i->info_at < m->started_at && select_unfit(f, m, i) == NULL &&
            select_compare(f, i, best) < 0) {
            return true;
        }
    }
    return false;
}

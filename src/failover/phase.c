#include "failover/core.h"

#include <string.h>

/*
 * One failover, phase by phase. The table is the whole of what may follow what; its reasons are in
 * the log line of each move and in docs/failover.md, which is made from it.
 *
 *   idle -> wait-elected -> revoke -> detach -> select -> promote -> wait-promotion -> accept
 *     ^          |                               |         |              |              |
 *     +----------+-------------------------------+---------+--------------+              v
 *     +-------------------------- update-config <------------------------------- reconfigure
 *
 * revoke, detach and the majority part of accept belong to the leases of monitors that are all ours
 * (write fencing). A quorum that may hold a stock Sentinel has no leases: these places are passed.
 */

struct phase_edge {
    enum phase from;
    enum phase to;
    const char *why;
};

static const struct phase_edge edges[] = {
    {PHASE_IDLE, PHASE_WAIT_ELECTED,
     "the quorum agrees that the master is down, or an operator forces it"},
    {PHASE_WAIT_ELECTED, PHASE_REVOKE,
     "a majority voted for us, or an operator's failover found no majority to ask"},
    {PHASE_WAIT_ELECTED, PHASE_IDLE, "not elected: another leads, or the master is back"},
    {PHASE_REVOKE, PHASE_DETACH, "no leases are given in this quorum: nothing to wait for"},
    {PHASE_DETACH, PHASE_SELECT, "no acknowledged set is kept in this quorum: nothing to freeze"},
    {PHASE_SELECT, PHASE_PROMOTE, "fresh INFO names the best replica of the master's history"},
    {PHASE_SELECT, PHASE_IDLE, "no replica is fit, or the master is back"},
    {PHASE_PROMOTE, PHASE_WAIT_PROMOTION, "the promotion was sent"},
    {PHASE_PROMOTE, PHASE_IDLE, "the chosen replica cannot be reached"},
    {PHASE_WAIT_PROMOTION, PHASE_ACCEPT, "the replica says that it is a master"},
    {PHASE_WAIT_PROMOTION, PHASE_IDLE, "the promotion was not confirmed"},
    {PHASE_ACCEPT, PHASE_RECONFIGURE, "the new configuration is on disk and announced"},
    {PHASE_ACCEPT, PHASE_IDLE, "a newer configuration is known"},
    {PHASE_RECONFIGURE, PHASE_UPDATE_CONFIG,
     "every reachable replica follows the new master, it is down itself, or the time is over"},
    {PHASE_RECONFIGURE, PHASE_IDLE, "a newer configuration is known"},
    {PHASE_UPDATE_CONFIG, PHASE_IDLE, "the failover is over"},
};

/* clang-format off */
static const struct {
    const char *name;
    const char *wire; /* Sentinel's word for failover-state */
} phases[PHASE_COUNT] = {
    [PHASE_IDLE]           = {"idle",           "none"},
    [PHASE_WAIT_ELECTED]   = {"wait-elected",   "wait_start"},
    [PHASE_REVOKE]         = {"revoke",         "wait_start"},
    [PHASE_DETACH]         = {"detach",         "select_slave"},
    [PHASE_SELECT]         = {"select",         "select_slave"},
    [PHASE_PROMOTE]        = {"promote",        "send_slaveof_noone"},
    [PHASE_WAIT_PROMOTION] = {"wait-promotion", "wait_promotion"},
    [PHASE_ACCEPT]         = {"accept",         "wait_promotion"},
    [PHASE_RECONFIGURE]    = {"reconfigure",    "reconf_slaves"},
    [PHASE_UPDATE_CONFIG]  = {"update-config",  "update_config"},
};
/* clang-format on */

const char *phase_wire_name(enum phase phase)
{
    return phases[phase].wire;
}

bool failover_phase_edge_at(uint32_t index, struct phase_edge_view *edge)
{
    if (index >= COUNT_OF(edges)) {
        return false;
    }
    edge->from = phases[edges[index].from].name;
    edge->to = phases[edges[index].to].name;
    edge->why = edges[index].why;
    return true;
}

/* The one door: a move that the table does not know is a bug. */
void phase_move(struct failover *f, struct master *m, enum phase to)
{
    for (size_t n = 0; n < COUNT_OF(edges); n++) {
        if (edges[n].from == m->phase && edges[n].to == to) {
            action_log(f, NOTE_VERBOSE, "master %s: phase %s -> %s: %s", m->name,
                       phases[m->phase].name, phases[to].name, edges[n].why);
            m->phase = to;
            m->phase_since = f->now;
            return;
        }
    }
    UNREACHABLE("no such edge between phases");
}

/* The attempt came to nothing. The next follows within seconds; it waits longer each time, and
 * longest when another monitor may be at work. */
void phase_abort(struct failover *f, struct master *m, const char *why)
{
    bool other = m->phase == PHASE_WAIT_ELECTED && election_other_may_lead(f, m);
    msec_t wait = RETRY_FIRST_MS;

    action_log(f, NOTE_NOTICE, "master %s: failover of epoch %llu ends: %s", m->name,
               (unsigned long long)m->failover_epoch, why);
    if (m->phase == PHASE_WAIT_ELECTED) {
        (void)note_instance(f, 0, NOTE_ABORT_NOT_ELECTED, m->self);
    } else if (m->phase == PHASE_SELECT) {
        (void)note_instance(f, 0, NOTE_ABORT_NO_GOOD, m->self);
    } else if (m->phase == PHASE_PROMOTE || m->phase == PHASE_WAIT_PROMOTION) {
        (void)note_instance(f, 0, NOTE_ABORT_TIMEOUT, m->self);
    }
    for (uint32_t n = 0; n < m->failures && wait < RETRY_MAX_MS; n++) {
        wait *= 2;
    }
    wait = wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS;
    wait = other && wait < VOTED_PATIENCE_MS ? VOTED_PATIENCE_MS : wait;
    m->failures++;
    m->retry_at = f->now + wait + (msec_t)prng_below(&f->prng, (uint64_t)wait + 1);
    if (MUTATED(f, MUTATION_NO_RETRY)) {
        m->retry_at = MSEC_NEVER;
    }
    m->promoted = NULL;
    m->forced = false;
    m->override = false;
    m->coordinated = false;
    phase_move(f, m, PHASE_IDLE);
    master_wake(f, m);
}

static msec_t phase_idle(struct failover *f, struct master *m)
{
    if (!m->o_down || f->tilt || f->disk_failing || !action_room(f) || !election_possible(f, m)) {
        return MSEC_NEVER;
    }
    msec_t at = m->o_down_since + election_rank_ms(f, m);
    at = m->retry_at > at ? m->retry_at : at;
    if (f->now < at) {
        return at;
    }
    election_start(f, m);
    return m->turn.due;
}

/* Before the promotion is sent, a master that answers again is the better end. */
static bool phase_master_is_back(const struct master *m)
{
    return !m->forced && !m->self->s_down;
}

static void phase_elected(struct failover *f, struct master *m)
{
    (void)note_instance(f, 0, NOTE_ELECTED, m->self);
    phase_move(f, m, PHASE_REVOKE);
    phase_move(f, m, PHASE_DETACH);
    phase_move(f, m, PHASE_SELECT);
    (void)note_instance(f, 0, NOTE_SELECT, m->self);
    if ((f->simulate & SIMULATE_CRASH_AFTER_ELECTION) != 0) {
        (void)action_add(f, ACTION_CRASH);
    }
}

static msec_t phase_wait_elected(struct failover *f, struct master *m)
{
    msec_t limit = m->forced ? ELECTION_FORCED_MS : ELECTION_MAX_MS;
    limit = limit < f->tuning.election_timeout ? limit : f->tuning.election_timeout;
    limit = limit < m->config.failover_timeout_ms ? limit : m->config.failover_timeout_ms;
    msec_t deadline = m->phase_since + limit;
    bool own_saved = m->attempt_seq <= f->saved_seq;

    if (own_saved && election_votes(f, m) >= election_needed(f, m)) {
        phase_elected(f, m);
        return f->now;
    }
    if (phase_master_is_back(m)) {
        phase_abort(f, m, "the master answers again");
        return f->now;
    }
    if (!m->forced && election_lost(f, m)) {
        phase_abort(f, m, "the others voted for somebody else");
        return f->now;
    }
    if (f->now < deadline) {
        return deadline;
    }
    if (m->override && own_saved) {
        phase_elected(f, m);
        return f->now;
    }
    if (m->override && f->now < deadline + ELECTION_MAX_MS) {
        return deadline + ELECTION_MAX_MS; /* or when the new epoch is on disk */
    }
    if (!m->forced || m->override || !own_saved || !election_possible(f, m)) {
        phase_abort(f, m, "no majority answered in time");
        return f->now;
    }
    election_override(f, m);
    return deadline + ELECTION_MAX_MS;
}

/* Is there a replica whose fresh INFO may still come? */
static bool phase_info_under_way(const struct master *m)
{
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        const struct instance *r = m->replicas[n];
        if (r->channel->up && !r->s_down && r->info_at < m->started_at) {
            return true;
        }
    }
    return false;
}

static msec_t phase_select(struct failover *f, struct master *m)
{
    msec_t patient_until = m->phase_since + SELECT_INFO_MS;
    msec_t deadline = m->phase_since + SELECT_MAX_MS;

    if (phase_master_is_back(m)) {
        phase_abort(f, m, "the master answers again");
        return f->now;
    }
    if (f->now < patient_until && phase_info_under_way(m)) {
        return patient_until;
    }
    bool last = f->now >= deadline;
    struct instance *best = select_replica(f, m, m->started_at, last);
    if (best != NULL && !last && select_better_may_answer(f, m, best)) {
        return deadline;
    }
    if (best != NULL) {
        m->promoted = best;
        (void)note_instance(f, 0, NOTE_SELECTED, best);
        phase_move(f, m, PHASE_PROMOTE);
        (void)note_instance(f, 0, NOTE_SEND_PROMOTE, best);
        return f->now;
    }
    if (last) {
        phase_abort(f, m, "no replica is fit to be promoted");
        return f->now;
    }
    return deadline;
}

static msec_t phase_promote(struct failover *f, struct master *m)
{
    if (m->promoted == NULL || m->promoted->s_down || !m->promoted->channel->up) {
        phase_abort(f, m, "the chosen replica cannot be reached");
        return f->now;
    }
    /* Of a master that is well: whoever heard +selected-slave stops writing to it meanwhile, and
     * what was written before reaches the replica. */
    msec_t notice_until = m->phase_since + FORCED_NOTICE_MS;
    if (m->forced && !m->coordinated && !m->self->s_down && f->now < notice_until) {
        return notice_until;
    }
    promote_send(f, m);
    phase_move(f, m, PHASE_WAIT_PROMOTION);
    (void)note_instance(f, 0, NOTE_WAIT_PROMOTION, m->promoted);
    return f->now + PROMOTE_AGAIN_MS;
}

static msec_t phase_wait_promotion(struct failover *f, struct master *m)
{
    msec_t deadline = m->phase_since + m->config.failover_timeout_ms;

    if (m->promoted == NULL || m->promoted->s_down || f->now >= deadline) {
        phase_abort(f, m, "the promotion was not confirmed");
        return f->now;
    }
    if (!m->coordinated && m->promoted->channel->up &&
        f->now - m->promote_sent_at >= PROMOTE_AGAIN_MS) {
        promote_send(f, m);
    }
    msec_t again = m->promote_sent_at + PROMOTE_AGAIN_MS;
    if (again <= f->now) {
        again = f->now + PROMOTE_AGAIN_MS;
    }
    return again < deadline ? again : deadline;
}

static msec_t phase_accept(struct failover *f, struct master *m)
{
    if (m->config_seq > f->saved_seq) {
        return MSEC_NEVER; /* EVENT_PERSISTED wakes us */
    }
    m->failures = 0;
    m->retry_at = 0;
    phase_move(f, m, PHASE_RECONFIGURE);
    (void)note_instance(f, 0, NOTE_RECONF, m->self);
    return f->now;
}

static msec_t phase_reconfigure(struct failover *f, struct master *m)
{
    msec_t deadline = m->phase_since + m->config.failover_timeout_ms;

    if (m->o_down) {
        /* The new master is down: the next failover moves the rest. */
    } else if (f->now >= deadline) {
        (void)note_instance(f, 0, NOTE_END_TIMEOUT, m->self);
        promote_reconfigure_rest(f, m);
    } else if (!promote_reconfigure(f, m)) {
        msec_t look = f->now + FAST_INFO_MS;
        return look < deadline ? look : deadline;
    }
    (void)note_instance(f, 0, NOTE_END, m->self);
    phase_move(f, m, PHASE_UPDATE_CONFIG);
    return f->now;
}

static msec_t phase_update_config(struct failover *f, struct master *m)
{
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        m->replicas[n]->reconf = RECONF_NONE;
    }
    m->forced = false;
    m->override = false;
    m->coordinated = false;
    phase_move(f, m, PHASE_IDLE);
    return f->now;
}

static msec_t phase_step(struct failover *f, struct master *m)
{
    switch (m->phase) {
    case PHASE_IDLE:
        return phase_idle(f, m);
    case PHASE_WAIT_ELECTED:
        return phase_wait_elected(f, m);
    case PHASE_REVOKE:
    case PHASE_DETACH:
        UNREACHABLE("passed in one move while no quorum has leases");
    case PHASE_SELECT:
        return phase_select(f, m);
    case PHASE_PROMOTE:
        return phase_promote(f, m);
    case PHASE_WAIT_PROMOTION:
        return phase_wait_promotion(f, m);
    case PHASE_ACCEPT:
        return phase_accept(f, m);
    case PHASE_RECONFIGURE:
        return phase_reconfigure(f, m);
    case PHASE_UPDATE_CONFIG:
        return phase_update_config(f, m);
    case PHASE_COUNT:
        break;
    }
    UNREACHABLE("no such phase");
}

/* When we should ask the peers again, if they must be asked at all. */
static msec_t phase_ask_due(const struct failover *f, const struct master *m)
{
    msec_t due = MSEC_NEVER;

    if (!m->self->s_down && m->phase != PHASE_WAIT_ELECTED) {
        return MSEC_NEVER;
    }
    for (uint32_t n = 0; n < m->peers_count; n++) {
        const struct instance *peer = m->peers[n];
        msec_t at = peer->asked_at + f->tuning.ask_period;
        due = peer->channel->up && at < due ? at : due;
    }
    return due;
}

/* A master's turn: something changed, or its time came. */
void phase_think(struct failover *f, struct master *m)
{
    enum phase before;
    msec_t due;

    if (f->tilt) { /* we look, and do not act; tilt_turn() wakes us */
        agenda_set(f, &m->turn, f->tilt_since + f->tuning.tilt_period);
        return;
    }
    judge_master(f, m);
    election_ask(f, m, false);
    do {
        before = m->phase;
        due = phase_step(f, m);
    } while (m->phase != before);
    msec_t ask = phase_ask_due(f, m);
    due = ask < due ? ask : due;
    if (m->self->s_down && m->phase == PHASE_IDLE && m->o_down && m->retry_at > f->now &&
        m->retry_at < due) {
        due = m->retry_at;
    }
    if (due <= f->now) {
        due = f->now + 1; /* whatever it is, it is not more urgent than the next event */
    }
    agenda_set(f, &m->turn, due);
}

#include "failover/core.h"

#include <inttypes.h>
#include <string.h>

/*
 * Asking the peers, voting, and counting votes. Raft's rule in Sentinel's words: one vote for a
 * master in an epoch, on disk before it leaves.
 *
 * Votes are counted against the epoch of the failover they were asked for. Sentinel counts them
 * against its global epoch, so that a second master failing at the same time voids what was already
 * won.
 */

static bool election_opinion_old(const struct failover *f, const struct instance *peer)
{
    return f->now - peer->asked_at >= f->tuning.ask_period;
}

static void election_ask_peer(struct failover *f, struct master *m, struct instance *peer)
{
    bool candidate = m->phase == PHASE_WAIT_ELECTED;

    if (candidate && m->attempt_seq > f->saved_seq && !action_room(f)) {
        return; /* too much waits for the disk: asked again later */
    }
    struct action *a = action_add_after(f, candidate ? m->attempt_seq : 0, ACTION_SEND_ASK);

    a->link = peer->channel->id;
    a->send_ask.master = m->id;
    a->send_ask.ask_tag = m->ask_tag;
    a->send_ask.addr = m->self->addr;
    a->send_ask.epoch = candidate ? m->failover_epoch : f->epoch;
    memcpy(a->send_ask.run_id, candidate ? f->run_id : "*", candidate ? RUN_ID_MAX : 2);
    peer->asked_at = f->now;
    peer->ask_waiting = true;
}

/* Asks those whose opinion is old; with news, also those who do not agree yet. */
void election_ask(struct failover *f, struct master *m, bool news)
{
    bool candidate = m->phase == PHASE_WAIT_ELECTED;

    if (!m->self->s_down && !candidate) {
        return;
    }
    for (uint32_t n = 0; n < m->peers_count; n++) {
        struct instance *peer = m->peers[n];
        bool agrees = candidate ? peer->leader_epoch >= m->failover_epoch : peer->master_down;
        bool due = election_opinion_old(f, peer);
        bool eager = news && !agrees && f->now - peer->asked_at >= ASK_AGAIN_MIN_MS;
        if (peer->channel->up && (due || (eager && !peer->ask_waiting))) {
            election_ask_peer(f, m, peer);
        }
    }
}

/* Grants or repeats a vote; what stands in m->leader afterwards is the answer. */
static void election_vote(struct failover *f, struct master *m, const struct ask *ask)
{
    bool again = MUTATED(f, MUTATION_VOTE_TWICE) && ask->epoch == m->leader_epoch;

    if (f->disk_failing || !action_room(f) || !gossip_is_sane(f, ask->epoch)) {
        return; /* what cannot be saved is not promised */
    }
    gossip_adopt_epoch(f, m, ask->epoch, true);
    if ((ask->epoch <= m->leader_epoch && !again) || ask->epoch <= m->config_epoch) {
        return;
    }
    m->leader_epoch = ask->epoch;
    memcpy(m->leader, ask->run_id, sizeof(m->leader));
    m->vote_seq = action_persist(f);
    note_plain(f, m->vote_seq, NOTE_VOTE, m, "%s %" PRIu64, m->leader, m->leader_epoch);
    if (m->phase == PHASE_WAIT_ELECTED || m->phase == PHASE_SELECT) {
        phase_abort(f, m, "we voted for another monitor in a newer epoch");
    }
    msec_t patience = VOTED_PATIENCE_MS + (msec_t)prng_below(&f->prng, RETRY_FIRST_MS);
    if (m->retry_at < f->now + patience && m->phase == PHASE_IDLE) {
        m->retry_at = f->now + patience; /* Sentinel: 2 x failover-timeout */
    }
    master_wake(f, m);
}

void election_on_ask(struct failover *f, const struct ask *ask)
{
    struct master *m = instance_master_at(f, &ask->addr);
    bool wants_vote = strcmp(ask->run_id, "*") != 0;
    uint64_t seq = 0;

    if (m != NULL && wants_vote) {
        election_vote(f, m, ask);
        seq = MUTATED(f, MUTATION_VOTE_UNSAVED) ? 0 : m->vote_seq;
    }
    bool saved = seq <= f->saved_seq || (!f->disk_failing && action_room(f));
    struct action *a = action_add_after(f, saved ? seq : 0, ACTION_REPLY_ASK);
    a->reply_ask.token = ask->token;
    a->reply_ask.down = m != NULL && m->self->s_down && !f->tilt;
    if (m != NULL && wants_vote && saved) {
        memcpy(a->reply_ask.leader, m->leader, sizeof(a->reply_ask.leader));
        a->reply_ask.leader_epoch = m->leader_epoch;
    }
    if (m != NULL && m->self->s_down && !m->o_down) {
        election_ask(f, m, true); /* who asks has seen it down: that may make the quorum */
    }
}

void election_on_answer(struct failover *f, struct channel *c, const struct answer *answer)
{
    struct master *m = instance_master_with(f, answer->master);
    struct instance *peer = c->first;

    while (peer != NULL && peer->master != m) {
        peer = peer->next_on_channel;
    }
    if (m == NULL || peer == NULL || answer->ask_tag != m->ask_tag) {
        return; /* about an address we have left since */
    }
    peer->ask_waiting = false;
    peer->master_down = answer->down;
    peer->opinion_at = f->now;
    bool voted = answer->leader[0] != '\0' && strcmp(answer->leader, "*") != 0;
    if (voted && answer->leader_epoch <= EPOCH_MAX) {
        memcpy(peer->leader, answer->leader, sizeof(peer->leader));
        peer->leader_epoch = answer->leader_epoch;
    }
    channel_alive(f, c);
    master_wake(f, m);
}

/* Candidates start one after the other, in the order of their run ids: the first has all votes
 * before the second wakes, and nobody needs luck. */
msec_t election_rank_ms(const struct failover *f, const struct master *m)
{
    msec_t rank = 0;

    for (uint32_t n = 0; n < m->peers_count; n++) {
        const struct instance *peer = m->peers[n];
        rank += peer->channel->up && !peer->s_down && strcmp(peer->run_id, f->run_id) < 0;
    }
    return rank * RANK_MS;
}

/* Our own vote in a new epoch, on its way to the disk. */
static void election_vote_self(struct failover *f, struct master *m, uint64_t epoch)
{
    ASSERT(epoch > f->epoch);
    ASSERT(epoch <= EPOCH_MAX);
    f->epoch = epoch;
    m->failover_epoch = epoch;
    m->leader_epoch = epoch;
    memcpy(m->leader, f->run_id, sizeof(m->leader));
    f->epoch_seq = action_persist(f);
    m->vote_seq = f->epoch_seq;
    m->attempt_seq = f->epoch_seq;
}

/*
 * The operator's failover found no majority and goes on without. Its epoch was not won: an election
 * elsewhere may use the same number for another master. So it jumps to one that none will meet, and
 * the operator's order wins when the two sides see each other again.
 */
void election_override(struct failover *f, struct master *m)
{
    action_log(
        f, NOTE_WARNING,
        "master %s: override: the operator's failover goes on without a majority (%u votes of %u)",
        m->name, election_votes(f, m), election_needed(f, m));
    m->override = true;
    election_vote_self(f, m, f->epoch + 2 + prng_below(&f->prng, OVERRIDE_EPOCHS));
    note_plain(f, m->vote_seq, NOTE_NEW_EPOCH, m, "%" PRIu64, f->epoch);
}

/* The newest epoch that concerns this master. */
static uint64_t election_newest_epoch(const struct failover *f, const struct master *m)
{
    uint64_t epoch = f->epoch > m->leader_epoch ? f->epoch : m->leader_epoch;
    return epoch > m->config_epoch ? epoch : m->config_epoch;
}

bool election_possible(const struct failover *f, const struct master *m)
{
    return election_newest_epoch(f, m) + 2 + OVERRIDE_EPOCHS <= EPOCH_MAX;
}

/* A new epoch, our own vote in it, and a call for the others': all of it after it is on disk. */
void election_start(struct failover *f, struct master *m)
{
    ASSERT(m->phase == PHASE_IDLE);
    election_vote_self(f, m, election_newest_epoch(f, m) + 1);
    m->started_at = f->now;
    m->promoted = NULL;
    note_plain(f, m->vote_seq, NOTE_NEW_EPOCH, m, "%" PRIu64, f->epoch);
    (void)note_instance(f, m->vote_seq, NOTE_TRY_FAILOVER, m->self);
    note_plain(f, m->vote_seq, NOTE_VOTE, m, "%s %" PRIu64, f->run_id, f->epoch);
    phase_move(f, m, PHASE_WAIT_ELECTED);
    for (uint32_t n = 0; n < m->replicas_count; n++) {
        channel_ask_info(f, m->replicas[n]);
    }
    for (uint32_t n = 0; n < m->peers_count; n++) {
        if (m->peers[n]->channel->up) {
            election_ask_peer(f, m, m->peers[n]);
        }
    }
}

uint32_t election_votes(const struct failover *f, const struct master *m)
{
    bool own = m->leader_epoch == m->failover_epoch && strcmp(m->leader, f->run_id) == 0;
    uint32_t votes = own && m->attempt_seq <= f->saved_seq ? 1 : 0;

    for (uint32_t n = 0; n < m->peers_count; n++) {
        const struct instance *peer = m->peers[n];
        votes += peer->leader_epoch == m->failover_epoch && strcmp(peer->leader, f->run_id) == 0;
    }
    return votes;
}

/* The majority of all monitors ever seen, the dead too, and at least the quorum: Sentinel's rule,
 * which keeps a minority from electing itself. */
uint32_t election_needed(const struct failover *f, const struct master *m)
{
    uint32_t majority = (m->peers_count + 1) / 2 + 1;

    if (MUTATED(f, MUTATION_MINORITY)) {
        return 1;
    }
    return majority > m->config.quorum ? majority : m->config.quorum;
}

/* May one of the others have won this epoch? Then it is given time to do its work. */
bool election_other_may_lead(const struct failover *f, const struct master *m)
{
    uint32_t most = 0;
    uint32_t silent = 0;

    for (uint32_t n = 0; n < m->peers_count; n++) {
        const struct instance *peer = m->peers[n];
        uint32_t votes = 0;
        silent += peer->leader_epoch < m->failover_epoch;
        for (uint32_t k = 0; k < m->peers_count; k++) {
            const struct instance *other = m->peers[k];
            votes += peer->leader_epoch == m->failover_epoch &&
                     other->leader_epoch == m->failover_epoch &&
                     strcmp(peer->leader, other->leader) == 0 &&
                     strcmp(peer->leader, f->run_id) != 0;
        }
        most = votes > most ? votes : most;
    }
    return most > 0 && most + silent >= election_needed(f, m);
}

/* Too many have voted for others for us to win this epoch still. */
bool election_lost(const struct failover *f, const struct master *m)
{
    uint32_t against = 0;

    for (uint32_t n = 0; n < m->peers_count; n++) {
        const struct instance *peer = m->peers[n];
        against += peer->leader_epoch >= m->failover_epoch && strcmp(peer->leader, f->run_id) != 0;
    }
    return m->peers_count + 1 - against < election_needed(f, m);
}

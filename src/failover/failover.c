#include "failover/core.h"

#include <string.h>

const struct failover_tuning failover_tuning_default = {
    .info_period = 10000,
    .ping_period = 1000,
    .ask_period = 1000,
    .publish_period = 2000,
    .default_down_after = 30000,
    .default_failover_timeout = 180000,
    .tilt_trigger = 2000,
    .tilt_period = 500,
    .replica_reconf_timeout = 10000,
    .min_link_reconnect_period = 1000,
    .election_timeout = 10000,
    .script_max_runtime = 60000,
    .script_retry_delay = 30000,
};

/* ---------------------------------------------------------------- memory */

struct layout {
    size_t held, masters, order, instances, channels, heap, end;
    uint32_t slots;
};

static size_t failover_aligned(size_t bytes)
{
    const size_t unit = _Alignof(max_align_t);
    return (bytes + unit - 1) / unit * unit;
}

/* The most one turn can emit: a peer's link says hello for every master, a master's turn speaks to
 * each of its instances a few times. */
static uint32_t failover_turn_actions_max(const struct failover_limits *limits)
{
    return 4 * limits->masters_max + 8 * (REPLICAS_PER_MASTER_MAX + PEERS_PER_MASTER_MAX) + 64;
}

static uint32_t failover_held_max(const struct failover_limits *limits)
{
    return HELD_BURST + failover_turn_actions_max(limits);
}

static struct layout failover_layout(const struct failover_limits *limits)
{
    struct layout l = {.slots = limits->masters_max + limits->instances_max};

    l.held = failover_aligned(sizeof(struct failover));
    l.masters = l.held + failover_aligned(failover_held_max(limits) * sizeof(struct held));
    l.order = l.masters + failover_aligned(limits->masters_max * sizeof(struct master));
    l.instances = l.order + failover_aligned(limits->masters_max * sizeof(struct master *));
    l.channels = l.instances + failover_aligned(l.slots * sizeof(struct instance));
    l.heap = l.channels + failover_aligned(l.slots * sizeof(struct channel));
    l.end = l.heap + (l.slots + limits->masters_max + 1) * sizeof(struct turn *);
    return l;
}

size_t failover_bytes(const struct failover_limits *limits)
{
    return failover_layout(limits).end;
}

/* An event (a reset of everything, say) and its turns, and everything that was held. */
uint32_t failover_actions_max(const struct failover_limits *limits)
{
    return 3 * failover_turn_actions_max(limits) +
           6 * (limits->instances_max + limits->masters_max) + failover_held_max(limits);
}

struct failover *failover_init(void *block, const struct failover_start *start)
{
    struct layout l = failover_layout(&start->limits);
    char *bytes = block;
    struct failover *f = block;

    ASSERT(start->limits.masters_max > 0);
    ASSERT(l.slots <= CHANNELS_MAX);
    ASSERT(start->current_epoch <= EPOCH_MAX);
    f->limits = start->limits;
    f->tuning = failover_tuning_default;
    memcpy(f->run_id, start->run_id, sizeof(f->run_id));
    prng_init(&f->prng, start->seed);
    f->now = start->now;
    f->promised = start->now;
    f->epoch = start->current_epoch;
    f->turn_actions_max = failover_turn_actions_max(&start->limits);
    f->held_max = failover_held_max(&start->limits);
    f->held = (struct held *)(void *)(bytes + l.held);
    f->masters = (struct master *)(void *)(bytes + l.masters);
    f->order = (struct master **)(void *)(bytes + l.order);
    f->instances = (struct instance *)(void *)(bytes + l.instances);
    f->channels = (struct channel *)(void *)(bytes + l.channels);
    f->heap = (struct turn **)(void *)(bytes + l.heap);
    f->instances_max = l.slots;
    f->channels_max = l.slots;
    return f;
}

bool failover_restore_master(struct failover *f, const struct master_state *state)
{
    ASSERT(!f->started);
    return instance_master_named(f, state->name) == NULL && instance_add_master(f, state) != NULL;
}

bool failover_restore_replica(struct failover *f, const char *master, const struct addr *addr)
{
    struct master *m = instance_master_named(f, master);

    ASSERT(!f->started);
    return m != NULL && !addr_same(&m->self->addr, addr) && instance_replica_at(m, addr) == NULL &&
           instance_add_replica(f, m, addr) != NULL;
}

bool failover_restore_peer(struct failover *f, const char *master, const struct addr *addr,
                           const char *run_id)
{
    struct master *m = instance_master_named(f, master);

    ASSERT(!f->started);
    return m != NULL && strcmp(run_id, f->run_id) != 0 && instance_peer_named(m, run_id) == NULL &&
           instance_peer_at(m, addr) == NULL && instance_add_peer(f, m, addr, run_id) != NULL;
}

/* ---------------------------------------------------------------- the step */

void master_wake(struct failover *f, struct master *m)
{
    agenda_sooner(f, &m->turn, f->now);
}

bool master_in_failover(const struct master *m)
{
    return m->phase != PHASE_IDLE;
}

static void failover_on_persisted(struct failover *f, const struct event *e)
{
    if (!e->persisted.ok) {
        f->disk_failing = true;
        f->save_again_at = f->now + PERSIST_AGAIN_MS;
        action_refuse_held(f);
        return;
    }
    if (e->persisted.seq > f->saved_seq) {
        ASSERT(e->persisted.seq <= f->seq);
        f->saved_seq = e->persisted.seq;
    }
    f->disk_failing = f->disk_failing && f->saved_seq < f->seq;
    action_release(f);
    for (uint32_t n = 0; n < f->masters_count; n++) {
        struct master *m = f->order[n];
        if (m->phase != PHASE_IDLE || m->o_down) {
            master_wake(f, m);
        }
    }
}

static void failover_on_promoted(struct failover *f, struct channel *c, enum server_role role)
{
    struct instance *i = c->first;
    struct master *m = i->master;

    channel_alive(f, c);
    if (m->phase == PHASE_WAIT_PROMOTION && i == m->promoted && role == ROLE_MASTER) {
        i->info.role = ROLE_MASTER;
        promote_confirmed(f, m);
    }
    master_wake(f, m);
}

static void failover_on_resolved(struct channel *c, const struct addr *addr)
{
    c->addr = *addr;
    for (struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        i->addr = *addr;
    }
}

/* Events of a link: one that was closed meanwhile is not there any more, and nobody misses it. */
static void failover_link_event(struct failover *f, const struct event *e)
{
    struct channel *c = channel_with(f, e->link);

    if (c == NULL) {
        return;
    }
    if (e->type == EVENT_LINK_UP) {
        channel_on_up(f, c);
    } else if (e->type == EVENT_LINK_DOWN) {
        channel_on_down(f, c, e->end);
    } else if (e->type == EVENT_PONG) {
        channel_on_pong(f, c, e->pong);
    } else if (e->type == EVENT_INFO && c->kind != KIND_PEER) {
        discover_info(f, c->first, &e->info);
    } else if (e->type == EVENT_ANSWER && c->kind == KIND_PEER) {
        election_on_answer(f, c, &e->answer);
    } else if (e->type == EVENT_PROMOTED && c->kind != KIND_PEER) {
        failover_on_promoted(f, c, e->role);
    } else if (e->type == EVENT_RESOLVED) {
        failover_on_resolved(c, &e->addr);
    }
}

static void failover_event(struct failover *f, const struct event *e)
{
    switch (e->type) {
    case EVENT_TICK:
        return;
    case EVENT_PERSISTED:
        failover_on_persisted(f, e);
        return;
    case EVENT_LINK_UP:
    case EVENT_LINK_DOWN:
    case EVENT_PONG:
    case EVENT_INFO:
    case EVENT_ANSWER:
    case EVENT_PROMOTED:
    case EVENT_RESOLVED:
        failover_link_event(f, e);
        return;
    case EVENT_HELLO:
        gossip_hello(f, &e->hello, channel_with(f, e->link));
        return;
    case EVENT_ASK:
        election_on_ask(f, &e->ask);
        return;
    case EVENT_COMMAND:
        operator_command(f, &e->command);
        return;
    }
    UNREACHABLE("no such event");
}

static void failover_begin(struct failover *f)
{
    f->started = true;
    for (uint32_t n = 0; n < f->masters_count; n++) {
        struct master *m = f->order[n];
        note_extra(note_instance(f, 0, NOTE_MONITOR, m->self), "quorum %u", m->config.quorum);
    }
}

static void failover_turns(struct failover *f)
{
    for (uint32_t n = 0; n < TURNS_PER_STEP_MAX && action_room(f); n++) {
        struct turn *turn = agenda_first(f);
        if (turn == NULL || turn->due > f->now) {
            return;
        }
        if (turn->kind == TURN_CHANNEL) {
            channel_turn(f, (struct channel *)turn);
        } else {
            phase_think(f, (struct master *)turn);
        }
    }
}

static void failover_save_again(struct failover *f)
{
    if (f->disk_failing && f->now >= f->save_again_at) {
        f->save_again_at = f->now + PERSIST_AGAIN_MS;
        (void)action_persist(f);
    }
}

void failover_step(struct failover *f, const struct event *event, struct action_list *actions)
{
    ASSERT(!f->stepping);
    ASSERT(event->now >= f->now);
    ASSERT(actions->capacity >= failover_actions_max(&f->limits));
    actions->count = 0;
    f->out = actions;
    f->stepping = true;
    f->seq_open = false;
    f->now = event->now;
    if (!f->started) {
        failover_begin(f);
    } else if (f->promised != MSEC_NEVER && f->now - f->promised > LATE_MS) {
        tilt_notice(f, f->now - f->promised);
    }
    failover_event(f, event);
    failover_save_again(f);
    tilt_turn(f);
    failover_turns(f);
    f->promised = failover_deadline(f);
    if (f->promised < f->now) {
        f->promised = f->now;
    }
    f->stepping = false;
    ASSERT_SLOW(invariant_holds(f));
}

msec_t failover_deadline(const struct failover *f)
{
    msec_t due = agenda_due(f);

    if (f->disk_failing && f->save_again_at < due) {
        due = f->save_again_at;
    }
    if (f->tilt && f->tilt_since + f->tuning.tilt_period < due) {
        due = f->tilt_since + f->tuning.tilt_period;
    }
    return due;
}

#ifdef HOLDFAST_MUTATIONS
void failover_mutate(struct failover *f, enum mutation mutation)
{
    f->mutation = mutation;
}
#endif

#include "failover/core.h"

#include <string.h>

/*
 * Links: when to connect, PING, ask for INFO and say hello. What is due soon goes out with what is
 * due now, so that an idle link costs one write and one read in a PING period.
 *
 * A peer's link is shared by all masters it watches, known by its run id: with a hundred masters
 * there is one PING, not a hundred.
 */

/* A link id is a slot and how often the slot was used: a late event of a former link finds nothing.
 */
struct channel *channel_with(struct failover *f, uint32_t id)
{
    uint32_t slot = id & (CHANNELS_MAX - 1);

    if (id == 0 || slot >= f->channels_max || f->channels[slot].id != id) {
        return NULL;
    }
    return &f->channels[slot];
}

static struct channel *channel_of_peer(struct failover *f, const struct instance *i)
{
    for (uint32_t n = 0; n < f->masters_count; n++) {
        struct instance *p = instance_peer_named(f->order[n], i->run_id);
        if (p != NULL && p != i && p->channel != NULL && addr_same(&p->addr, &i->addr)) {
            return p->channel;
        }
    }
    return NULL;
}

struct channel *channel_take(struct failover *f, struct instance *i)
{
    struct channel *c = i->kind == KIND_PEER ? channel_of_peer(f, i) : NULL;

    for (uint32_t n = 0; n < f->channels_max && c == NULL; n++) {
        if (f->channels[n].id == 0) {
            c = &f->channels[n];
            struct turn turn = {.kind = TURN_CHANNEL};
            uint32_t uses = c->uses + 1 < CHANNEL_USES_MAX ? c->uses + 1 : 1;
            uint32_t id = uses * CHANNELS_MAX + n;
            *c = (struct channel){.turn = turn, .id = id, .uses = uses, .kind = i->kind};
            c->addr = i->addr;
            c->valid_at = f->now;
            c->silent_since = f->now; /* until it answers for the first time */
            c->reply_at = f->now;
        }
    }
    ASSERT(c != NULL);
    i->channel = c;
    i->next_on_channel = c->first;
    c->first = i;
    c->refs++;
    agenda_sooner(f, &c->turn, f->now);
    return c;
}

void channel_leave(struct failover *f, struct instance *i)
{
    struct channel *c = i->channel;
    struct instance **link = &c->first;

    while (*link != i) {
        ASSERT(*link != NULL);
        link = &(*link)->next_on_channel;
    }
    *link = i->next_on_channel;
    i->channel = NULL;
    i->next_on_channel = NULL;
    c->refs--;
    if (c->refs == 0) {
        action_add(f, ACTION_LINK_CLOSE)->link = c->id;
        agenda_drop(f, &c->turn);
        *c = (struct channel){.uses = c->uses};
    }
}

/* The other end has another address: everything that was under way is void. */
void channel_move(struct failover *f, struct channel *c, const struct addr *addr)
{
    c->addr = *addr;
    for (struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        i->addr = *addr;
        i->info_waiting = false;
        i->ask_waiting = false;
    }
    action_add(f, ACTION_LINK_CLOSE)->link = c->id;
    c->up = false;
    c->opening = false;
    c->attempts = 0;
    c->tried_at = 0;
    c->waiting_since = 0;
    c->valid_at = f->now;
    c->silent_since = f->now;
    c->refused_since = 0;
    agenda_sooner(f, &c->turn, f->now);
}

/*
 * Sentinel pings each second; a quarter of down-after notices silence as late as a quarter of it at
 * most.
 */
static msec_t channel_ping_period_of(const struct failover *f, const struct master *m)
{
    msec_t period = m->config.down_after_ms / 4;

    if (period > f->tuning.ping_period) {
        period = f->tuning.ping_period;
    }
    return period < PING_PERIOD_MIN_MS ? PING_PERIOD_MIN_MS : period;
}

msec_t channel_ping_period(const struct failover *f, const struct channel *c)
{
    msec_t shortest = f->tuning.ping_period;

    for (const struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        msec_t period = channel_ping_period_of(f, i->master);
        shortest = period < shortest ? period : shortest;
    }
    return shortest;
}

static void channel_open(struct failover *f, struct channel *c)
{
    ASSERT(c->first != NULL); /* a channel lives as long as an instance is on it */
    struct action *a = action_add(f, ACTION_LINK_OPEN);

    a->link = c->id;
    a->open.kind = c->kind;
    a->open.addr = c->addr;
    memcpy(a->open.master_name, c->first->master->name, sizeof(a->open.master_name));
    c->opening = true;
    c->tried_at = f->now;
}

/*
 * When did it fall silent? A connection that breaks says it to the millisecond. A server that hangs
 * was alive at its last answer and was not when the first PING without an answer was sent: the
 * middle of the two is early as often as it is late. Sentinel counts from that PING, and so is late
 * by half a PING period.
 */
static void channel_ping(struct failover *f, struct channel *c)
{
    if (c->silent_since == 0) {
        c->silent_since = c->valid_at + (f->now - c->valid_at) / 2;
    }
    action_add(f, ACTION_SEND_PING)->link = c->id;
    c->ping_at = f->now;
    if (c->waiting_since == 0) {
        c->waiting_since = f->now;
    }
}

void channel_ask_info(struct failover *f, struct instance *i)
{
    if (!i->channel->up || i->kind == KIND_PEER) {
        return;
    }
    action_add(f, ACTION_SEND_INFO)->link = i->channel->id;
    i->info_asked_at = f->now;
    i->info_waiting = true;
}

void channel_say_hello(struct failover *f, struct instance *i)
{
    struct master *m = i->master;
    uint64_t seq = f->epoch_seq > m->config_seq ? f->epoch_seq : m->config_seq;

    i->hello_sent_at = f->now;
    if (!i->channel->up || (seq > f->saved_seq && !action_room(f))) {
        return; /* the next one says the same */
    }
    struct action *a = action_add_after(f, seq, ACTION_SEND_HELLO);
    a->link = i->channel->id;
    a->hello.current_epoch = f->epoch;
    memcpy(a->hello.master_name, m->name, sizeof(a->hello.master_name));
    a->hello.master_addr = m->self->addr;
    a->hello.config_epoch = m->config_epoch;
}

static msec_t channel_info_period(const struct failover *f, const struct instance *i)
{
    const struct master *m = i->master;

    if (i->kind == KIND_MASTER) {
        if (m->restarted && i->info.loading) {
            return DOWN_INFO_MS; /* its new history is not known before it has loaded */
        }
        /* without a known replica there is no failover: look for one more often than Sentinel does
         */
        return m->replicas_count == 0 && f->tuning.info_period > DOWN_INFO_MS
                   ? DOWN_INFO_MS
                   : f->tuning.info_period;
    }
    if (master_in_failover(m)) {
        return FAST_INFO_MS;
    }
    if (m->o_down || m->self->s_down || !i->info.master_link_up || i->wrong_since != 0) {
        return DOWN_INFO_MS;
    }
    return f->tuning.info_period;
}

/* When an INFO is due: a lost answer is asked for again after a period, as everything here. */
static msec_t channel_info_due(const struct failover *f, const struct instance *i)
{
    if (i->kind == KIND_PEER) {
        return MSEC_NEVER;
    }
    msec_t from = i->info_asked_at > i->info_at ? i->info_asked_at : i->info_at;
    return from + channel_info_period(f, i);
}

static msec_t channel_reconnect_due(const struct failover *f, const struct channel *c)
{
    if (c->attempts == 0) {
        return c->tried_at;
    }
    uint32_t doublings = c->attempts < 8 ? c->attempts - 1 : 7;
    msec_t wait = (msec_t)RECONNECT_FIRST_MS << doublings;
    msec_t most = channel_ping_period(f, c); /* who is back within down-after is found to be */
    most = most < RECONNECT_MAX_MS ? most : RECONNECT_MAX_MS;
    return c->tried_at + (wait < most ? wait : most);
}

/* A connection that answers nothing is tried anew: the other end may have lost it long ago. */
static bool channel_is_stale(const struct failover *f, const struct channel *c)
{
    msec_t longest = f->tuning.ping_period;

    for (const struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        msec_t half = i->master->config.down_after_ms / 2;
        longest = half > longest ? half : longest;
    }
    return c->waiting_since != 0 && f->now - c->waiting_since > longest &&
           f->now - c->up_at > RECYCLE_AGE_MS;
}

static void channel_recycle(struct failover *f, struct channel *c)
{
    action_add(f, ACTION_LINK_CLOSE)->link = c->id;
    c->up = false;
    c->attempts = 0;
    c->waiting_since = 0;
    for (struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        i->info_waiting = false;
        i->ask_waiting = false;
    }
    channel_open(f, c);
}

static void channel_send_due(struct failover *f, struct channel *c)
{
    msec_t period = channel_ping_period(f, c);
    msec_t soon = f->now + period / 4;

    if (f->now >= c->ping_at + period) {
        channel_ping(f, c);
        soon = f->now + period / 2;
    }
    for (struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        if (channel_info_due(f, i) <= soon) {
            channel_ask_info(f, i);
        }
        if (i->hello_sent_at + f->tuning.publish_period <= soon) {
            channel_say_hello(f, i);
        }
    }
}

static void channel_arm(struct failover *f, struct channel *c)
{
    msec_t due = MSEC_NEVER;

    if (c->up) {
        due = c->ping_at + channel_ping_period(f, c);
    } else if (!c->opening) {
        due = channel_reconnect_due(f, c);
    }
    for (struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        msec_t info = c->up ? channel_info_due(f, i) : MSEC_NEVER;
        msec_t judge = judge_due(f, i);
        due = info < due ? info : due;
        due = judge < due ? judge : due;
    }
    agenda_set(f, &c->turn, due);
}

void channel_turn(struct failover *f, struct channel *c)
{
    if (!c->up && !c->opening && f->now >= channel_reconnect_due(f, c)) {
        channel_open(f, c);
    } else if (c->up && channel_is_stale(f, c)) {
        channel_recycle(f, c);
    } else if (c->up) {
        channel_send_due(f, c);
    }
    for (struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        judge_instance(f, i);
        if (i->kind == KIND_REPLICA && c->up) {
            discover_put_right(f, i);
        }
    }
    channel_arm(f, c);
}

void channel_on_up(struct failover *f, struct channel *c)
{
    c->up = true;
    c->opening = false;
    c->attempts = 0;
    c->up_at = f->now;
    c->refused_since = 0;
    c->waiting_since = 0;
    channel_ping(f, c);
    for (struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        i->info_waiting = false;
        i->ask_waiting = false;
        channel_ask_info(f, i);
        channel_say_hello(f, i);
        master_wake(f, i->master);
    }
    agenda_set(f, &c->turn, f->now);
}

void channel_on_down(struct failover *f, struct channel *c, enum link_end end)
{
    bool was_up = c->up;

    if (c->silent_since == 0) {
        c->silent_since = f->now;
    }
    c->up = false;
    c->opening = false;
    c->waiting_since = 0;
    c->attempts = was_up ? 0 : c->attempts + 1;
    if (was_up) {
        c->tried_at = f->now; /* the next attempt is now */
    }
    if (end != LINK_END_REFUSED) {
        /* A reset of a connection that was open only says that we must look again. */
        c->refused_since = was_up ? c->refused_since : 0;
    } else if (c->refused_since == 0) {
        c->refused_since = f->now;
    }
    for (struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        i->info_waiting = false;
        i->ask_waiting = false;
        master_wake(f, i->master);
    }
    agenda_set(f, &c->turn, f->now);
}

/* A valid answer came: whoever was thought silent is not. */
void channel_alive(struct failover *f, struct channel *c)
{
    c->valid_at = f->now;
    c->silent_since = 0;
    c->reply_at = f->now;
    for (struct instance *i = c->first; i != NULL; i = i->next_on_channel) {
        if (i->s_down) {
            judge_instance(f, i);
        }
    }
}

/* A script that runs too long is killed once while the server is down (Sentinel does the same). */
static void channel_on_busy(struct failover *f, struct channel *c)
{
    struct instance *i = c->first;

    if (i->kind != KIND_PEER && i->s_down && !i->script_kill_sent) {
        action_add(f, ACTION_SEND_SCRIPT_KILL)->link = c->id;
        i->script_kill_sent = true;
    }
}

void channel_on_pong(struct failover *f, struct channel *c, enum pong pong)
{
    c->reply_at = f->now;
    switch (pong) {
    case PONG_OK:
        if (c->first->kind == KIND_MASTER) {
            c->first->master->rebooted = false;
        }
        c->first->script_kill_sent = false;
        break;
    case PONG_LOADING:
    case PONG_MASTERDOWN:
        break;
    case PONG_BUSY:
        channel_on_busy(f, c);
        return;
    case PONG_OTHER:
        return;
    }
    c->waiting_since = 0;
    channel_alive(f, c);
}

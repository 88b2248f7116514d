/*
 * Where a request goes. What carries no state shares a connection with the requests of others; what
 * changes its connection, waits in the server or must pass others gets one of its own for as long
 * as that lasts.
 */
#include <string.h>

#include "base/text.h"
#include "router/relay.h"

static const unsigned pins_that_last =
    PIN_SUBSCRIBED | PIN_TRACKING | PIN_FLAGS | PIN_MONITOR; /* beyond the request that made them */

/* ---- who carries it ---- */

struct profile *session_profile(struct session *s)
{
    bool is_right = s->profile != NULL && s->profile->identity == s->identity &&
                    s->profile->version == s->version && s->profile->database == s->database;

    if (!is_right) {
        profile_put(s->profile);
        s->profile =
            profile_get(s->worker, s->endpoint->target, s->identity, s->version, s->database);
    }
    return s->profile;
}

static void session_restore_on(struct session *s, struct backend *b)
{
    if ((s->pins & pins_that_last) != 0) {
        session_restore(s, b);
        b->is_dirty = true;
    }
}

struct backend *session_own_backend(struct session *s)
{
    struct profile *p = session_profile(s);
    struct backend *b = s->backend;

    if (b != NULL && b->owner == s) {
        return backend_is_alive(b) ? b : NULL; /* it is being opened */
    }
    if (p == NULL || !worker_can_serve(s->worker, s->endpoint->target)) {
        return NULL;
    }
    ASSERT(s->in_flight == 0);
    b = profile_take_idle(p);
    if (b != NULL) {
        b->owner = s;
        s->backend = b;
        session_restore_on(s, b); /* before anything is sent on it */
        return b;
    }
    s->backend = backend_open(p, s);
    return NULL;
}

void session_drop_backend(struct session *s)
{
    struct backend *b = s->backend;

    s->backend = NULL;
    s->pins = 0;
    s->in_flight = 0;
    if (b != NULL && b->owner == s) {
        backend_forget_session(b, s);
        backend_close(b);
    }
}

void session_leave_backend(struct session *s)
{
    struct backend *b = s->backend;

    if (s->in_flight > 0 || b == NULL) {
        return;
    }
    if (b->owner != s) {
        s->backend = NULL;
    } else if (s->pins == 0 && b->phase == BACKEND_READY) {
        struct profile *p = session_profile(s);
        s->backend = NULL;
        if (p == NULL) {
            b->is_dirty = true;
        }
        profile_give_idle(p == NULL ? b->profile : p, b);
    }
}

void session_restore_own(struct session *s)
{
    if ((s->pins & pins_that_last) == 0) {
        return;
    }
    bool was_opened = s->backend != NULL; /* and is ready now; else one that idled was taken */
    struct backend *b = session_own_backend(s);
    if (b != NULL) {
        if (was_opened) {
            session_restore_on(s, b);
        }
        if (s->held_at_ms == 0) { /* only this waited */
            session_unhold(s);
        }
    } else {
        (void)session_hold(s, NULL);
    }
}

/* ---- sending ---- */

static bool request_writes(const struct request *r)
{
    return r->command->id == COMMAND_EXEC || command_is_write(r->command, r->bytes, r->len);
}

/* A failover is under way: what writes must not reach the old master any more. */
static bool request_is_barred(const struct session *s, const struct request *r)
{
    return s->worker->route.state == ROUTE_HOLD_WRITES && s->endpoint->target == TARGET_MASTER &&
           (request_writes(r) || r->command->id == COMMAND_MULTI);
}

static void session_sent(struct session *s, const struct request *r, struct flight *f)
{
    struct worker *w = s->worker;

    f->begun_at_us = loop_usec();
    if (s->held_at_ms != 0) {
        f->sent_at_ms = s->held_at_ms; /* the client waits since then */
    }
    s->in_flight++;
    if (s->reply_mode != REPLY_ON) {
        f->flags |= FLIGHT_QUIET;
    }
    if (s->is_held || s->held_at_ms != 0 || s->is_soft) {
        session_unhold(s);
    }
    if (request_writes(r)) {
        f->flags |= FLIGHT_WRITES | (r->is_unsure ? FLIGHT_UNSURE : 0);
        s->wrote_generation = w->route.generation;
        COUNT_ADD(w, requests_write, 1);
        if (w->journal != NULL) {
            cleanse_note(s, r);
        }
    } else {
        COUNT_ADD(w, requests_read, 1);
    }
}

/* Redis refuses this client's password or database. */
static enum verdict session_refused(struct session *s, const struct profile *p)
{
    session_unhold(s);
    session_error(s, "%s", p->refusal);
    return REQUEST_TAKEN;
}

static bool profile_is_refused(const struct profile *p)
{
    return p->refusal != NULL && worker_now(p->worker) - p->refused_at_ms < RELAY_REFUSAL_MS;
}

static enum verdict session_info_copy(struct session *s, const struct request *r)
{
    const struct profile *p = s->profile;
    msec_t max_ms = s->worker->conf->info_cache_ms;

    if (r->command->id == COMMAND_INFO && r->argc == 1 && max_ms > 0 && p->info.len > 0 &&
        worker_now(s->worker) - p->info_at_ms < max_ms && s->in_flight == 0) {
        session_write(s, buf_data(&p->info), p->info.len);
        COUNT_ADD(s->worker, requests_local, 1);
        return REQUEST_TAKEN;
    }
    return REQUEST_WAITS;
}

/* One of its own that was asked for, and is not needed any more: what needed it was answered
 * without a master. */
static void session_forsake_own(struct session *s)
{
    struct backend *b = s->backend;

    session_leave_backend(s);
    if (s->backend != NULL) { /* still connecting */
        s->backend = NULL;
        backend_forget_session(b, s);
        backend_close(b);
    }
}

enum verdict session_send_shared(struct session *s, const struct request *r)
{
    struct backend *b = s->backend;

    if (s->in_flight > 0) {
        if (s->in_flight >= RELAY_SESSION_FLIGHTS || b->is_retired || b->owner != NULL ||
            b->profile != session_profile(s)) {
            return session_wait_for(s, WAIT_DRAIN);
        }
        bool is_barred = request_is_barred(s, r);
        if (!is_barred && backend_is_full(b)) {
            return session_wait_for(s, WAIT_DRAIN);
        }
        if (is_barred || !backend_is_usable(b)) {
            return session_hold(s, r);
        }
    } else {
        struct profile *p = session_profile(s);
        if (p == NULL) {
            session_error(s, "ERR holdfast: too many users and databases");
            return REQUEST_TAKEN;
        }
        bool is_barred =
            request_is_barred(s, r) || !worker_can_serve(s->worker, s->endpoint->target);
        if (!is_barred && session_info_copy(s, r) == REQUEST_TAKEN) {
            return REQUEST_TAKEN;
        }
        if (!is_barred && worker_is_crowded(s->worker, s)) {
            return worker_session_crowded(s->worker, s);
        }
        b = is_barred ? NULL : profile_shared(p);
        if (b == NULL && profile_is_refused(p)) {
            return session_refused(s, p);
        }
        if (b == NULL && !is_barred && profile_is_full(p)) {
            return worker_session_crowded(s->worker, s);
        }
        if (b == NULL) {
            return session_hold(s, r);
        }
        session_forsake_own(s);
        s->backend = b;
        s->may_enter = false;
    }
    session_sent(s, r, backend_send(b, s, r, 0));
    return REQUEST_TAKEN;
}

/* In a transaction Redis would do it at EXEC, unseen by us. */
static bool request_changes_connection(const struct request *r)
{
    return r->command->id == COMMAND_AUTH || r->command->id == COMMAND_HELLO ||
           r->command->id == COMMAND_CLIENT || r->command->class == COMMAND_PUBSUB ||
           r->command->class == COMMAND_PINNING;
}

/* An error of ours, in its turn; inside MULTI Redis must refuse EXEC too, as for any error there.
 */
static enum verdict session_refuse(struct session *s, const struct request *r, const char *why)
{
    if (s->in_flight > 0) {
        return session_wait_for(s, WAIT_DRAIN);
    }
    if ((s->pins & PIN_MULTI) != 0 && s->backend != NULL) {
        static const char wrong[] = "*1\r\n$22\r\nholdfast-refused-this!\r\n";
        backend_ask(s->backend, wrong, sizeof(wrong) - 1, 1);
    }
    COUNT_ADD(s->worker, errors_refused, 1);
    session_error(s, "ERR holdfast: %.*s %s", (int)(r->name.len < 64 ? r->name.len : 64),
                  r->name.bytes, why);
    return REQUEST_TAKEN;
}

/* A master is there, and may be asked this now. */
static bool session_is_served(const struct session *s, const struct request *r)
{
    return worker_can_serve(s->worker, s->endpoint->target) && !request_is_barred(s, r);
}

/* The answers to a transaction and to (un)subscribing are passed on as they come, and SELECT counts
 * once it is done. So nothing may be in flight before them that could have to be asked again: it
 * would come after them. */
static bool session_must_land(const struct session *s, const struct request *r)
{
    if (s->in_flight == 0) {
        return false;
    }
    const struct flight *last = backend_last_flight(s->backend);
    if (r->command->class == COMMAND_PUBSUB) {
        return last->command->class != COMMAND_PUBSUB;
    }
    return (r->command->id == COMMAND_MULTI || r->command->id == COMMAND_SELECT) &&
           (s->pins & PIN_MULTI) == 0 && (last->flags & FLIGHT_IN_TX) == 0;
}

enum verdict session_send_own(struct session *s, const struct request *r, unsigned pin,
                              unsigned flight_flags)
{
    struct backend *b = s->backend;
    uint16_t replies = 1;

    ASSERT(s->in_flight == 0 || b != NULL);
    if (s->in_flight > 0 && (b->owner != s || session_must_land(s, r))) {
        return session_wait_for(s, WAIT_DRAIN);
    }
    if (s->in_flight >= RELAY_SESSION_FLIGHTS) {
        return session_wait_for(s, WAIT_DRAIN);
    }
    b = request_is_barred(s, r) ? NULL : session_own_backend(s);
    if (b == NULL && s->profile != NULL && profile_is_refused(s->profile)) {
        return session_refused(s, s->profile);
    }
    bool is_for_that_server = r->command->class == COMMAND_ADMINISTRATIVE; /* SHUTDOWN: no other */
    if (b == NULL && is_for_that_server && !session_is_served(s, r)) {
        return session_refuse(s, r, "is not kept for a master to come: there is none now");
    }
    if (b == NULL) {
        return session_hold(s, r);
    }
    if (b->is_busy && r->command->class != COMMAND_ADMINISTRATIVE) {
        if (s->in_flight > 0) {
            return session_wait_for(s, WAIT_DRAIN);
        }
        session_drop_backend(s);
        return session_hold(s, r);
    }
    if (r->command->class == COMMAND_PUBSUB && !session_subscribing(s, r, &replies)) {
        return REQUEST_TAKEN;
    }
    if ((s->pins & PIN_MULTI) != 0) {
        flight_flags |= FLIGHT_IN_TX;
    }
    struct flight *f = backend_send(b, s, r, flight_flags);
    f->replies = replies;
    f->queued = s->tx_queued;
    s->tx_queued = pin == PIN_MULTI ? 0 : s->tx_queued + 1;
    s->pins |= (uint16_t)pin;
    if ((pin & (pins_that_last)) != 0) {
        b->is_dirty = true;
    }
    session_sent(s, r, f);
    COUNT_ADD(s->worker, requests_pinned, 1);
    return REQUEST_TAKEN;
}

/* ---- transactions ---- */

/* SELECT on a connection of its own: the reply tells whether it counts. */
static int32_t request_database(const struct request *r)
{
    int64_t database = -1;

    if (r->command->id != COMMAND_SELECT || r->argc != 2 ||
        !text_to_i64(r->second.bytes, r->second.len, &database) || database < 0 ||
        database > INT32_MAX) {
        return -1;
    }
    return (int32_t)database;
}

static enum verdict session_send_pinned(struct session *s, const struct request *r, unsigned pin)
{
    int32_t select = request_database(r);
    enum verdict verdict = session_send_own(s, r, pin, 0);

    if (verdict == REQUEST_TAKEN && select >= 0 && s->backend != NULL && s->backend->count > 0) {
        backend_last_flight(s->backend)->select = select;
    }
    return verdict;
}

/* EXEC of a transaction whose WATCH was lost in a failover: nobody knows whether the keys changed,
 * so the answer is that they did. Redis is told to DISCARD. */
static enum verdict session_exec_unwatched(struct session *s, const struct request *r)
{
    static const char discard[] = "*1\r\n$7\r\nDISCARD\r\n";
    struct request instead = *r;

    instead.bytes = discard;
    instead.len = sizeof(discard) - 1;
    instead.command = command_find("DISCARD", 7, NULL, 0);
    enum verdict verdict = session_send_own(s, &instead, 0, FLIGHT_AS_NULL);
    if (verdict == REQUEST_TAKEN) {
        s->pins &= (uint16_t) ~(PIN_MULTI | PIN_WATCH);
        s->is_watch_lost = false;
    }
    return verdict;
}

static enum verdict session_transaction(struct session *s, const struct request *r)
{
    bool is_open = (s->pins & PIN_MULTI) != 0;
    unsigned pin = 0;

    if (r->command->id == COMMAND_MULTI && r->argc == 1) {
        pin = PIN_MULTI;
    } else if (r->command->id == COMMAND_WATCH && r->argc > 1 && !is_open) {
        pin = PIN_WATCH;
    } else if (r->command->id == COMMAND_EXEC && is_open && s->is_watch_lost) {
        return session_exec_unwatched(s, r);
    }
    if (pin == 0 && s->pins == 0) {
        s->is_watch_lost = false;
        return session_send_shared(s, r); /* EXEC without MULTI and the like: only Redis' answer */
    }
    enum verdict verdict = session_send_own(s, r, pin, 0);
    bool is_well_formed = r->argc == 1; /* a malformed EXEC aborts and unwatches too */
    bool is_over = (r->command->id == COMMAND_EXEC && (is_open || !is_well_formed)) ||
                   (r->command->id == COMMAND_DISCARD && is_open && is_well_formed);
    if (verdict == REQUEST_TAKEN && is_over) {
        s->pins &= (uint16_t) ~(PIN_MULTI | PIN_WATCH);
        s->is_watch_lost = false;
    } else if (verdict == REQUEST_TAKEN && r->command->id == COMMAND_UNWATCH && !is_open &&
               is_well_formed) {
        s->pins &= (uint16_t)~PIN_WATCH;
        s->is_watch_lost = false;
    }
    return verdict;
}

/* MULTI was open on a connection that is gone: nothing of it was done. The client learns it where
 * it looks for it, in the answer to EXEC: null, as when a watched key changed. Not an error, for at
 * one phpredis goes on reading until its time is over. */
static enum verdict session_transaction_lost(struct session *s, const struct request *r)
{
    if (s->in_flight > 0) {
        return session_wait_for(s, WAIT_DRAIN);
    }
    if (r->command->id == COMMAND_EXEC) {
        COUNT_ADD(s->worker, errors_transaction, 1);
        struct buf *out = &s->worker->scratch;
        buf_clear(out);
        resp_write_null_array(out, s->version);
        session_writebuf(s, out);
    } else if (r->command->id == COMMAND_DISCARD) {
        session_write(s, "+OK\r\n", 5);
    } else {
        session_write(s, "+QUEUED\r\n", 9);
        return REQUEST_TAKEN;
    }
    s->is_tx_lost = false;
    s->is_watch_lost = false;
    if ((s->pins & PIN_WATCH) !=
        0) { /* it ends with the transaction, of which Redis knows nothing */
        s->pins &= (uint16_t)~PIN_WATCH;
        if (s->backend != NULL) {
            s->backend->is_dirty = true;
        }
        session_leave_backend(s);
    }
    return REQUEST_TAKEN;
}

/* ---- blocking ---- */

/* WAIT counts the replicas that have what this client wrote, and that went over a shared
 * connection. A PING in front gives the connection of its own the offset of all that was written
 * before it: Redis notes the offset for each connection after each of its commands. */
static enum verdict session_blocking(struct session *s, const struct request *r)
{
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    bool is_mine = s->backend != NULL && s->backend->owner == s;
    uint64_t generation = s->worker->route.generation;

    if (r->command->id == COMMAND_WAIT && s->wrote_generation != 0 &&
        s->wrote_generation != generation) {
        if (s->in_flight > 0) {
            return session_wait_for(s, WAIT_DRAIN);
        }
        s->wrote_generation = generation; /* said once */
        session_error(s, "ERR holdfast: the master changed since this client's last write: whether "
                         "replicas have that is not known");
        return REQUEST_TAKEN;
    }
    if (r->command->id == COMMAND_WAIT && !is_mine) {
        if (s->in_flight > 0) {
            return session_wait_for(s, WAIT_DRAIN);
        }
        struct backend *b = session_own_backend(s);
        if (b != NULL) {
            backend_ask(b, ping, sizeof(ping) - 1, 1);
        }
    }
    return session_send_own(s, r, PIN_ONCE, 0);
}

/* ---- the choice ---- */

/* Those that the relay answers itself, unless the connection is the session's own: there Redis can,
 * and what it answers depends on what the connection is in. */
static enum verdict session_dispatch_local(struct session *s, const struct request *r)
{
    bool redis_can = r->command->id == COMMAND_PING || r->command->id == COMMAND_ECHO ||
                     r->command->id == COMMAND_SELECT;

    if (s->pins != 0 && redis_can) {
        return session_send_pinned(s, r, 0);
    }
    if (s->in_flight > 0) {
        return session_wait_for(s, WAIT_DRAIN);
    }
    if (s->pins == 0) { /* it would be of the profile that this request may leave */
        session_forsake_own(s);
    }
    return session_local(s, r);
}

static enum verdict session_stateless(struct session *s, const struct request *r)
{
    if (s->pins != 0) {
        return session_send_own(s, r, 0, 0);
    }
    bool is_long_reader = s->long_until_ms != 0 && worker_now(s->worker) < s->long_until_ms;
    return is_long_reader ? session_send_own(s, r, PIN_ONCE, 0) : session_send_shared(s, r);
}

static enum verdict session_dispatch_class(struct session *s, const struct request *r)
{
    switch ((enum command_class)r->command->class) {
    case COMMAND_LOCAL:
        return session_dispatch_local(s, r);
    case COMMAND_STATELESS:
        return session_stateless(s, r);
    case COMMAND_TRANSACTION:
        return session_transaction(s, r);
    case COMMAND_PUBSUB:
        return session_send_own(s, r, PIN_SUBSCRIBED, 0);
    case COMMAND_BLOCKING:
        if (!command_is_blocking(r->command, r->bytes, r->len)) {
            return session_stateless(s, r);
        }
        return session_blocking(s, r);
    case COMMAND_PINNING:
        return session_send_own(s, r, r->command->id == COMMAND_MONITOR ? PIN_MONITOR : PIN_FLAGS,
                                0);
    case COMMAND_ADMINISTRATIVE:
        return session_send_own(s, r, PIN_ONCE, 0);
    case COMMAND_REFUSED:
        break; /* before */
    }
    UNREACHABLE("a refused command");
}

static bool request_needs_no_auth(const struct request *r)
{
    return r->command->id == COMMAND_AUTH || r->command->id == COMMAND_HELLO ||
           r->command->id == COMMAND_QUIT || r->command->id == COMMAND_RESET;
}

static enum verdict session_dispatch_one(struct session *s, const struct request *r)
{
    bool leaves = r->command->id == COMMAND_QUIT || r->command->id == COMMAND_RESET;

    if (s->identity == NULL && !request_needs_no_auth(r)) {
        session_error(s, "NOAUTH Authentication required.");
        return REQUEST_TAKEN;
    }
    if (r->command->class == COMMAND_REFUSED) {
        return session_refuse(s, r, r->command->why);
    }
    if (s->endpoint->target == TARGET_REPLICAS &&
        (r->command->flags & COMMAND_DENIED_ON_REPLICAS) != 0) {
        return session_refuse(s, r, "is not for this address, which only reads");
    }
    if (leaves) {
        return session_dispatch_local(s, r);
    }
    if (s->is_tx_lost) {
        return session_transaction_lost(s, r);
    }
    if ((s->pins & PIN_MULTI) != 0 && r->command->class != COMMAND_TRANSACTION) {
        return request_changes_connection(r)
                   ? session_refuse(s, r, "is not carried inside a transaction")
                   : session_send_pinned(s, r, 0);
    }
    bool speaks_pubsub_only = s->version == RESP_2 && session_subscriptions(s) > 0;
    if (speaks_pubsub_only && r->command->class != COMMAND_PUBSUB) {
        return session_send_own(s, r, 0, 0); /* Redis says what may be said now */
    }
    return session_dispatch_class(s, r);
}

/* CLIENT REPLY SKIP silences what Redis answers and what is answered here. */
enum verdict session_dispatch(struct session *s, const struct request *r)
{
    bool skips = s->reply_mode == REPLY_SKIP_NEXT;

    s->reply_mode = skips ? REPLY_SKIP_NOW : s->reply_mode;
    enum verdict verdict = session_dispatch_one(s, r);
    if (skips && s->reply_mode == REPLY_SKIP_NOW) {
        s->reply_mode = verdict == REQUEST_TAKEN ? REPLY_ON : REPLY_SKIP_NEXT;
    }
    return verdict;
}

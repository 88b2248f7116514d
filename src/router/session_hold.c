/*
 * Waiting for a master. A client's first request that finds none waits as long as the hold; when
 * that has run out the client is answered at once until there is a master again: a page of sixty
 * reads waits once, not sixty times.
 */
#include "loop/log.h"
#include "router/relay.h"

/* ---- the list, oldest first ---- */

static void held_append(struct worker *w, struct session *s)
{
    s->is_held = true;
    s->next_held = NULL;
    s->previous_held = w->held_last;
    if (w->held_last != NULL) {
        w->held_last->next_held = s;
    } else {
        w->held_first = s;
    }
    w->held_last = s;
    COUNT_ADD(w, held, 1);
}

static void held_remove(struct worker *w, struct session *s)
{
    struct session **next =
        s->previous_held == NULL ? &w->held_first : &s->previous_held->next_held;
    struct session **previous = s->next_held == NULL ? &w->held_last : &s->next_held->previous_held;

    *next = s->next_held;
    *previous = s->previous_held;
    s->is_held = false;
    s->next_held = NULL;
    s->previous_held = NULL;
    COUNT_ADD(w, held, -1);
    COUNT_ADD(w, held_bytes, -(int64_t)s->held_bytes);
    TOTAL_TAKE(w, held_bytes, s->held_bytes);
    s->held_bytes = 0;
}

/* Its request was sent, or it has gone. */
void session_unhold(struct session *s)
{
    struct worker *w = s->worker;

    if (s->is_held) {
        held_remove(w, s);
    }
    if (s->held_at_ms != 0) {
        uint64_t waited_ms = (uint64_t)(worker_now(w) - s->held_at_ms);
        if (waited_ms > w->counts.held_longest_ms) {
            COUNT_ADD(w, held_longest_ms, waited_ms - w->counts.held_longest_ms);
        }
    }
    s->held_at_ms = 0;
    s->retry_at_ms = 0;
    s->is_soft = false;
}

/* ---- holding ---- */

/* Its hold ran out: from now on it is answered at once. */
void session_soften(struct session *s)
{
    s->is_soft = true;
    s->soft_proofs = s->worker->master_proofs;
}

static bool session_is_soft(const struct session *s)
{
    return s->is_soft && s->soft_proofs == s->worker->master_proofs;
}

static bool hold_is_full(const struct worker *w, size_t more)
{
    return TOTAL_OF(w, held_bytes) + more > w->conf->hold_max_bytes;
}

enum verdict session_hold(struct session *s, const struct request *r)
{
    struct worker *w = s->worker;
    size_t len = r == NULL ? 0 : r->len;

    if (r != NULL && (session_is_soft(s) || (!s->is_held && hold_is_full(w, len)))) {
        if (s->in_flight > 0) { /* its answer must not overtake those */
            return session_wait_for(s, WAIT_DRAIN);
        }
        session_answer_down(s, r);
        return REQUEST_TAKEN;
    }
    if (r != NULL && s->held_at_ms == 0) {
        s->held_at_ms = worker_now(w);
        COUNT_ADD(w, held_total, 1);
        session_tell_failing_over(s);
    }
    if (!s->is_held) {
        held_append(w, s);
        s->held_bytes = len;
        COUNT_ADD(w, held_bytes, len);
        TOTAL_ADD(w, held_bytes, len);
    }
    if (s->retry_at_ms <= worker_now(w)) { /* what it needs may come without being told */
        s->retry_at_ms = worker_now(w) + RELAY_BOUNCE_RETRY_MS;
    }
    worker_tick_soon(w);
    return session_wait_for(s, WAIT_MASTER);
}

/* Called when something may have changed: each looks for itself whether it can go on. */
void session_release_held(struct worker *w, msec_t now_ms)
{
    for (struct session *s = w->held_first; s != NULL; s = s->next_held) {
        if (s->retry_at_ms <= now_ms) {
            session_go_on(s);
        }
    }
}

void session_hold_expire(struct worker *w, msec_t now_ms)
{
    for (struct session *s = w->held_first; s != NULL; s = s->next_held) {
        bool is_over = s->held_at_ms != 0 && now_ms - s->held_at_ms >= w->conf->hold_ms;
        if (is_over && !session_is_soft(s)) {
            session_soften(s);
            s->retry_at_ms = 0;
            session_go_on(s);
        }
    }
}

/* ---- the answer when there is none ---- */

static bool session_may_miss(const struct session *s)
{
    bool is_named =
        s->database < ROUTER_DATABASES_MAX && s->worker->conf->session_databases[s->database];

    return s->worker->conf->when_down == ROUTER_DOWN_MISS && !is_named && s->pins == 0 &&
           s->database < ROUTER_DATABASES_MAX;
}

void session_answer_down(struct session *s, const struct request *r)
{
    struct worker *w = s->worker;
    struct buf *out = &w->scratch;

    buf_clear(out);
    if (r->command->id == COMMAND_MULTI && w->conf->when_down != ROUTER_DOWN_CLOSE) {
        s->is_tx_lost = true; /* phpredis calls the next method on what MULTI returns, and throws */
        s->is_watch_lost = true; /* at an error of EXEC: null is what says it harmlessly */
        session_write(s, "+OK\r\n", 5);
        return;
    }
    if (session_may_miss(s) && command_write_miss(r->command, r->bytes, r->len, s->version, out)) {
        COUNT_ADD(w, misses, 1);
        if ((r->command->flags & COMMAND_WRITES) != 0) {
            cleanse_note(s, r);
            w->is_doubtful = true;
        }
        session_writebuf(s, out);
        return;
    }
    if (r->is_unsure && w->conf->when_down != ROUTER_DOWN_CLOSE) {
        session_answer_unknown(s);
        return;
    }
    COUNT_ADD(w, errors_down, 1);
    if (w->conf->when_down == ROUTER_DOWN_CLOSE) {
        session_close_after_flush(s);
        return;
    }
    session_error(s, "ERR holdfast: no master of %s within %lld ms; nothing was executed",
                  w->conf->master, (long long)w->conf->hold_ms);
    if ((s->pins & PIN_MULTI) != 0 && r->command->id == COMMAND_EXEC) {
        session_drop_backend(s); /* the client thinks that it is over */
    }
}

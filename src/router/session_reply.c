/*
 * What comes back, and what does not. A reply that proves that nothing was done is not for the
 * client: the request is asked again, and all of this client's that stand behind it, so that the
 * order stays. What was lost on the way is asked again when it only reads, or may be done twice.
 */
#include <stdlib.h>
#include <string.h>

#include "router/relay.h"
#include "router/session_pubsub.h"

static const char *const bounces[] = {"READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS",
                                      "TRYAGAIN"};

static const char unknown_error[] =
    "-ERR holdfast: the connection to the master was lost before it answered: whether this was "
    "executed is not known\r\n";

/* ---- asked again ---- */

/* What was in flight goes in front of what was not sent yet: see session_landed(). */
static void bounced_append(struct session *s, const struct flight *f, const char *request,
                           size_t len)
{
    if ((f->flags & FLIGHT_QUIET) != 0) {
        buf_append(&s->bounced, "~", 1); /* no request begins so */
    }
    if ((f->flags & FLIGHT_UNSURE) != 0) {
        buf_append(&s->bounced, "?", 1); /* nor so */
    }
    buf_append(&s->bounced, request, len);
    s->bounced_count++;
}

/* A reply of ours: now, or in its turn behind what is asked again. */
static void session_reply_in_turn(struct session *s, const struct flight *f, const char *reply)
{
    if ((f->flags & FLIGHT_QUIET) != 0) {
        return;
    }
    if (s->bounced_count == 0) {
        session_write(s, reply, strlen(reply));
        return;
    }
    buf_printf(&s->bounced, "=%zu\r\n", strlen(reply)); /* '=': no request begins so */
    buf_append_text(&s->bounced, reply);
    s->bounced_count++;
}

/* Nothing is in flight any more: what bounced is asked first. */
static void session_redo_bounced(struct session *s)
{
    if (s->bounced_count == 0) {
        return;
    }
    buf_append(&s->bounced, buf_data(&s->redo), s->redo.len);
    buf_finish(&s->redo);
    s->redo = s->bounced;
    s->redo_count += s->bounced_count;
    s->bounced = (struct buf){0};
    s->bounced_count = 0;
    s->has_bounced_write = false;
}

static bool flight_writes(const struct flight *f)
{
    return (f->flags & FLIGHT_WRITES) != 0;
}

static bool flight_may_be_redone(const struct session *s, const struct flight *f,
                                 const char *request)
{
    if ((f->flags & FLIGHT_STREAMED) != 0) {
        return false;
    }
    return !flight_writes(f) || (s->worker->conf->retry_writes == ROUTER_RETRY_IDEMPOTENT &&
                                 command_is_idempotent(f->command, request, f->len));
}

static void session_held_since(struct session *s, msec_t sent_at_ms)
{
    if (s->held_at_ms == 0 || sent_at_ms < s->held_at_ms) {
        s->held_at_ms = sent_at_ms;
    }
}

/* ---- a reply ---- */

static bool reply_is_bounce(const char *reply, size_t len)
{
    if (reply[0] != '-') {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(bounces); i++) {
        if (resp_reply_is_error(reply, len, bounces[i])) {
            return true;
        }
    }
    /* a blocked client of a master that became a replica; not one that CLIENT UNBLOCK freed */
    return resp_reply_is_error(reply, len, "UNBLOCKED") && memmem(reply, len, "force", 5) != NULL;
}

/* A later request of the client was executed: the earlier ones that bounced can no more be, for
 * they would come out of order. */
static void session_give_up_bounced(struct session *s)
{
    const char *at = buf_data(&s->bounced);
    const char *end = at + s->bounced.len;
    struct resp_scan_limits limits = {.args_max = RESP_SCAN_ARGS_MAX,
                                      .bulk_bytes_max = RESP_SCAN_BULK_MAX};

    while (at < end) {
        size_t len = 0;
        if (*at == '=') { /* a reply that waited for its turn */
            const char *reply = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
            len = strtoul(at + 1, NULL, 10);
            session_write(s, reply, len);
            at = reply + len;
            continue;
        }
        struct resp_scan scan = {0};
        bool is_quiet = *at == '~';
        at += is_quiet;
        bool is_unsure = *at == '?';
        at += is_unsure;
        enum resp_status status = resp_scan_request(&scan, at, (size_t)(end - at), &limits, &len);
        ASSERT(status == RESP_READY);
        at += len;
        COUNT_ADD(s->worker, errors_down, 1);
        if (!is_quiet && is_unsure) {
            session_write(s, unknown_error, sizeof(unknown_error) - 1);
        } else if (!is_quiet) {
            session_error(s, "ERR holdfast: not executed: the server could not take it, and took a "
                             "later request of this pipeline");
        }
    }
    buf_finish(&s->bounced);
    s->bounced_count = 0;
    s->has_bounced_write = false;
}

/* True when the reply is not for the client: the request will be asked again. */
static bool session_takes_back(struct session *s, struct backend *b, const struct flight *f,
                               const char *request, const char *reply, size_t len)
{
    bool is_bounce =
        !b->is_mid_reply && s->endpoint->target == TARGET_MASTER && reply_is_bounce(reply, len);

    if ((f->flags & (FLIGHT_STREAMED | FLIGHT_IN_TX)) != 0) {
        return false;
    }
    if (is_bounce) {
        COUNT_ADD(s->worker, bounced, 1);
        bounced_append(s, f, request, f->len);
        s->has_bounced_write = s->has_bounced_write || flight_writes(f);
    } else if (s->bounced_count > 0 && !flight_writes(f)) {
        bounced_append(s, f, request, f->len); /* it was answered too early */
    } else {
        session_give_up_bounced(s);
        return false;
    }
    session_held_since(s, f->sent_at_ms);
    s->retry_at_ms = worker_now(s->worker) + (b->is_retired ? 0 : RELAY_BOUNCE_RETRY_MS);
    return true;
}

/* A server that goes on to refuse: asked again and again the request would wait for ever. Who was
 * told so lately is told at once. */
static bool session_bounced_out(const struct session *s, const struct backend *b,
                                const struct flight *f, const char *reply, size_t len)
{
    msec_t now_ms = worker_now(s->worker);
    msec_t hold_ms = s->worker->conf->hold_ms;
    bool is_out = now_ms - f->sent_at_ms >= hold_ms ||
                  (s->bounced_out_at_ms != 0 && now_ms - s->bounced_out_at_ms < hold_ms);

    return is_out && (f->flags & (FLIGHT_STREAMED | FLIGHT_IN_TX)) == 0 && !b->is_mid_reply &&
           s->bounced_count == 0 && s->endpoint->target == TARGET_MASTER &&
           reply_is_bounce(reply, len);
}

/* What a reply changes for the session. */
static void session_note_reply(struct session *s, struct backend *b, const struct flight *f,
                               const char *reply, size_t len)
{
    bool is_ok = len == 5 && memcmp(reply, "+OK\r\n", 5) == 0;

    if (f->select >= 0 && is_ok) {
        s->database = f->select;
    } else if (f->select >= 0 && len >= 7 && memcmp(reply, "+QUEUED", 7) == 0) {
        s->tx_select = f->select;
    }
    if (f->command->id == COMMAND_EXEC) {
        bool was_done = reply[0] == '*' && reply[1] != '-';
        if (s->tx_select >= 0 && was_done && memmem(reply, len, "-ERR DB index", 13) == NULL) {
            s->database = s->tx_select;
        }
        s->tx_select = -1;
    }
    bool ends = f->command->id == COMMAND_EXEC || f->command->id == COMMAND_DISCARD ||
                f->command->id == COMMAND_UNWATCH;
    if (ends && b->owner == s && reply[0] == '-' && !resp_reply_is_error(reply, len, "EXECABORT")) {
        b->is_dirty = true; /* it may not have ended (no right to DISCARD): not for another */
    }
    if (f->command->id == COMMAND_MULTI && s->in_flight == 0 &&
        resp_reply_is_error(reply, len, "NOPERM")) { /* it opened nothing; nested it is an ERR */
        s->pins &= (uint16_t)~PIN_MULTI;
    }
    if (f->command->id == COMMAND_INFO && !b->is_mid_reply && f->len < 32 && reply[0] != '-' &&
        s->worker->conf->info_cache_ms > 0 && s->profile == b->profile) {
        buf_clear(&b->profile->info);
        buf_append(&b->profile->info, reply, len);
        b->profile->info_at_ms = worker_now(s->worker);
    }
}

static void session_count_latency(struct worker *w, const struct flight *f)
{
    int64_t took_us = loop_usec() - f->begun_at_us;
    unsigned bucket = 0;

    while (bucket < ROUTER_LATENCY_BUCKETS - 1 && took_us >= (16LL << bucket)) {
        bucket++;
    }
    COUNT_ADD(w, latency_us[bucket], 1);
    COUNT_ADD(w, latency_sum_us, took_us);
}

/* One less under way: what waited for that goes on. */
static void session_landed(struct session *s)
{
    struct backend *b = s->backend;

    if (s->in_flight > 0) {
        return;
    }
    session_redo_bounced(s);
    s->pins &= (uint16_t)~PIN_ONCE;
    if ((s->pins & PIN_SUBSCRIBED) != 0 && session_subscriptions(s) == 0) {
        s->pins &= (uint16_t)~PIN_SUBSCRIBED;
    }
    session_leave_backend(s);
    if (s->backend != NULL && s->backend == b && b->owner == s && b->is_retired) {
        session_on_backend_lost(s, b); /* a master no more: what is pinned there is lost */
        backend_close(b);
    }
    if (s->redo_count > 0) {
        if (s->retry_at_ms > worker_now(s->worker)) {
            (void)session_hold(s, NULL);
            conn_pause_read(s->conn);
        } else {
            session_go_on(s);
        }
    } else if (s->wait == WAIT_DRAIN || s->is_closing) {
        session_go_on(s);
    }
}

/* Not read faster than the client takes it. */
static void session_press_back(struct session *s, struct backend *b)
{
    if (!b->is_paused && conn_pending_bytes(s->conn) > RELAY_OUT_HIGH_BYTES &&
        (b->owner == s || b->is_mid_reply)) {
        b->is_paused = true;
        b->slow_since_ms = worker_now(s->worker);
        conn_pause_read(b->conn);
        if (b->is_shared) { /* others get another one */
            profile_forget(b->profile, b);
            b->is_retired = true;
        }
    }
}

bool session_wants_part(struct session *s, const struct flight *f)
{
    if (s->bounced_count > 0 && !flight_writes(f)) {
        return false; /* it comes too early: see session_takes_back() */
    }
    session_give_up_bounced(s);
    return true;
}

void session_on_part(struct session *s, struct backend *b, const char *part, size_t len)
{
    session_pass(s, part, len);
    session_press_back(s, b);
}

/* Its hold ran out, and nothing was done: the answer, in its turn. */
static void session_answer_flight(struct session *s, const struct flight *f, const char *request)
{
    struct request r = {.bytes = request, .len = f->len, .command = f->command, .is_redo = true};
    uint8_t mode = s->reply_mode;

    r.is_unsure = (f->flags & FLIGHT_UNSURE) != 0;
    if ((f->flags & FLIGHT_QUIET) != 0 && mode == REPLY_ON) {
        s->reply_mode = REPLY_SKIP_NOW;
    }
    if (s->bounced_count > 0) { /* those before it are not answered yet */
        bounced_append(s, f, request, f->len);
    } else {
        session_answer_down(s, &r);
    }
    s->reply_mode = mode;
    session_soften(s);
    if (!s->is_gone) {
        session_landed(s);
    }
}

void session_on_reply(struct session *s, struct backend *b, const struct flight *f,
                      const char *request, const char *reply, size_t len)
{
    s->in_flight--;
    session_count_latency(s->worker, f);
    if (session_bounced_out(s, b, f, reply, len)) {
        s->bounced_out_at_ms = worker_now(s->worker);
        session_answer_flight(s, f, request);
        return;
    }
    if (!session_takes_back(s, b, f, request, reply, len)) {
        session_note_reply(s, b, f, reply, len);
        if (f->command->class == COMMAND_PUBSUB && reply[0] == '-') {
            session_subscribe_refused(s, request, f->len);
        }
        bool is_confirm = f->command->class == COMMAND_PUBSUB && reply[0] != '-'; /* ever sent */
        bool is_queue_bounce = (f->flags & FLIGHT_IN_TX) != 0 && f->command->id != COMMAND_EXEC &&
                               reply_is_bounce(reply, len);
        bool is_long_bounce = (f->flags & FLIGHT_STREAMED) != 0 && !b->is_mid_reply &&
                              s->endpoint->target == TARGET_MASTER && reply_is_bounce(reply, len);
        if ((is_queue_bounce || is_long_bounce) && (f->flags & FLIGHT_QUIET) != 0) {
            COUNT_ADD(s->worker, errors_down, is_long_bounce);
        } else if (is_queue_bounce) { /* Redis will refuse EXEC: there the client looks for it */
            session_write(s, "+QUEUED\r\n", 9);
        } else if (is_long_bounce) {
            COUNT_ADD(s->worker, errors_down, 1);
            session_error(s,
                          "ERR holdfast: not executed: the server could not take it, and so long "
                          "a request is not kept to be asked again");
        } else if ((f->flags & FLIGHT_AS_NULL) != 0) {
            struct buf *out = &s->worker->scratch;
            buf_clear(out);
            resp_write_null_array(out, s->version);
            session_writebuf(s, out);
        } else if ((f->flags & FLIGHT_QUIET) == 0 || is_confirm) {
            session_pass(s, reply, len);
        }
        if (b->owner == s) {
            session_press_back(s, b);
        }
    }
    session_landed(s);
}

/* ---- what was lost ---- */

/* Whether the transaction of a backend that is lost was open before the first request in flight:
 * the first of MULTI, EXEC and DISCARD among them tells. */
static bool lost_is_in_transaction(const struct session *s, const struct backend *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        uint16_t id = b->ring[(b->head + i) & (b->capacity - 1)].command->id;
        if (id == COMMAND_MULTI) {
            return false;
        }
        if (id == COMMAND_EXEC || id == COMMAND_DISCARD) {
            return true;
        }
    }
    return (s->pins & PIN_MULTI) != 0;
}

/* An error for each request of the transaction: at one for EXEC itself phpredis waits for more
 * until its read times out. */
static void session_lost_exec(struct session *s, const struct flight *f)
{
    struct buf *out = &s->worker->scratch;

    buf_clear(out);
    buf_printf(out, "*%u\r\n", f->queued);
    for (uint32_t i = 0; i < f->queued; i++) {
        buf_append_text(out, unknown_error);
    }
    session_reply_in_turn(s, f, buf_data(out));
}

/* A request inside MULTI is only queued: it is answered so, and EXEC tells. */
static void session_lost_in_transaction(struct session *s, const struct flight *f)
{
    if (f->command->id == COMMAND_EXEC) {
        COUNT_ADD(s->worker, errors_unknown, 1);
        session_lost_exec(s, f);
        s->is_lost_tx_open = false;
    } else if (f->command->id == COMMAND_DISCARD) {
        bool is_exec = (f->flags & FLIGHT_AS_NULL) != 0; /* of session_exec_unwatched() */
        const char *null = s->version == RESP_3 ? "_\r\n" : "*-1\r\n";
        session_reply_in_turn(s, f, is_exec ? null : "+OK\r\n");
        s->is_lost_tx_open = false;
    } else if (f->command->id == COMMAND_MULTI) {
        session_reply_in_turn(s, f, "+OK\r\n");
    } else {
        session_reply_in_turn(s, f, "+QUEUED\r\n");
    }
}

/* To be asked again. Of a subscription only what was not confirmed, which is not counted as
 * subscribed before it is sent again. */
static void lost_append(struct session *s, const struct flight *f, const char *request)
{
    struct resp_args args = {0};
    struct buf rest = {0};
    struct resp_text text;
    size_t names = 0;

    if (f->command->class != COMMAND_PUBSUB) {
        bounced_append(s, f, request, f->len);
        return;
    }
    (void)resp_args_next(&args, request, f->len, &text); /* its name */
    names = (size_t)args.left;
    size_t rest_count = names < f->replies ? names : f->replies;
    buf_printf(&rest, "*%zu\r\n", rest_count + 1);
    resp_write_bulk(&rest, text.bytes, text.len);
    for (size_t i = 0; i < names && resp_args_next(&args, request, f->len, &text); i++) {
        if (i >= names - rest_count) {
            resp_write_bulk(&rest, text.bytes, text.len);
        }
    }
    session_subscribe_refused(s, buf_data(&rest), rest.len);
    bounced_append(s, f, buf_data(&rest), rest.len);
    buf_finish(&rest);
}

/* A write that may have been done. Earlier ones that bounced are not asked again then: they would
 * come after it. */
static void session_answer_unknown_flight(struct session *s, const struct flight *f)
{
    if (s->has_bounced_write) {
        session_give_up_bounced(s);
    }
    COUNT_ADD(s->worker, errors_unknown, 1);
    session_reply_in_turn(s, f, unknown_error);
}

void session_on_flight_lost(struct session *s, struct backend *b, const struct flight *f,
                            const char *request)
{
    if (!s->is_losing) {
        s->is_losing = true;
        s->is_lost_tx_open = b->owner == s && lost_is_in_transaction(s, b);
    }
    if (f->command->id == COMMAND_MULTI) {
        s->is_lost_tx_open = true;
    }
    if (s->is_lost_tx_open) {
        session_lost_in_transaction(s, f);
        return;
    }
    if (flight_may_be_redone(s, f, request)) {
        COUNT_ADD(s->worker, retried_reads, !flight_writes(f));
        COUNT_ADD(s->worker, retried_writes, flight_writes(f));
        struct flight again = *f;
        again.flags |= flight_writes(f) ? FLIGHT_UNSURE : 0;
        lost_append(s, &again, request);
        session_held_since(s, f->sent_at_ms);
    } else {
        session_answer_unknown_flight(s, f);
    }
}

void session_on_backend_lost(struct session *s, struct backend *b)
{
    bool was_own = b->owner == s;
    bool was_streaming = (s->pins & PIN_STREAM) != 0;

    s->backend = NULL;
    s->in_flight = 0;
    s->is_losing = false;
    session_redo_bounced(s);
    if (session_subscriptions(s) == 0) { /* what was not confirmed is asked for anew */
        s->pins &= (uint16_t)~PIN_SUBSCRIBED;
    }
    if (was_own) {
        bool tx_is_open = (s->pins & PIN_MULTI) != 0;
        s->is_watch_lost = s->is_watch_lost || (s->pins & PIN_WATCH) != 0;
        s->is_tx_lost = s->is_tx_lost || tx_is_open;
        s->pins &= (uint16_t) ~(PIN_MULTI | PIN_WATCH | PIN_ONCE | PIN_STREAM);
        s->is_swallowing = s->is_swallowing || was_streaming;
        s->tx_select = -1;
        b->owner = NULL;
    }
    session_go_on(s);
}

void session_on_flight_expired(struct session *s, const struct flight *f, const char *request)
{
    s->in_flight--;
    if (!flight_writes(f)) {
        session_answer_flight(s, f, request);
        return;
    }
    session_answer_unknown_flight(s, f);
    session_soften(s);
    session_landed(s);
}

void session_answer_unknown(struct session *s)
{
    COUNT_ADD(s->worker, errors_unknown, 1);
    session_write(s, unknown_error, sizeof(unknown_error) - 1);
}

/*
 * The life of a client. session_pump() is the way of every request: it is found in the input (or in
 * what waits to be asked again), handed to session_dispatch(), and taken away when that took it. As
 * long as it has to wait nothing more is read from the client.
 */
#include "router/relay.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "loop/log.h"

enum {
    SESSION_ERROR_MAX = 512, /* a sentence and an address */
};

/* ---- writing ---- */

void session_pass(struct session *s, const void *bytes, size_t len)
{
    if (!s->is_gone) {
        COUNT_ADD(s->worker, bytes_out, len);
        conn_write_later(s->conn, bytes, len);
    }
}

void session_write(struct session *s, const void *bytes, size_t len)
{
    if (s->reply_mode != REPLY_OFF && s->reply_mode != REPLY_SKIP_NOW) {
        session_pass(s, bytes, len);
    }
}

void session_writebuf(struct session *s, struct buf *from)
{
    session_write(s, buf_data(from), from->len);
    buf_clear(from);
}

void session_error(struct session *s, const char *format, ...)
{
    char text[SESSION_ERROR_MAX];
    struct buf *out = &s->worker->scratch;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut when too long */
    va_end(args);
    buf_clear(out);
    resp_write_error(out, "%s", text);
    session_writebuf(s, out);
}

/* ---- waiting and going on ---- */

enum verdict session_wait_for(struct session *s, enum session_wait what)
{
    s->wait = (uint8_t)what;
    return REQUEST_WAITS;
}

void session_go_on(struct session *s)
{
    if (!s->is_gone) {
        worker_session_ready(s->worker, s);
    }
}

struct session *session_by_id(struct worker *w, uint64_t id)
{
    for (struct session *s = w->sessions; s != NULL; s = s->next) {
        if (s->id == id) {
            return s;
        }
    }
    return NULL;
}

/* ---- the end ---- */

void session_free(struct session *s)
{
    buf_finish(&s->redo);
    buf_finish(&s->bounced);
    buf_finish(&s->tracking);
    session_forget_subscriptions(s);
    free(s->name);
    free(s->lib_name);
    free(s->lib_ver);
    free(s);
}

static void session_unlink(struct session *s)
{
    struct worker *w = s->worker;

    if (s->previous != NULL) {
        s->previous->next = s->next;
    } else {
        w->sessions = s->next;
    }
    if (s->next != NULL) {
        s->next->previous = s->previous;
    }
    w->sessions_count--;
    COUNT_ADD(w, clients, -1);
    TOTAL_TAKE(w, clients, 1);
    if (s->identity == NULL) {
        TOTAL_TAKE(w, strangers, 1);
    }
}

/* All but the socket. */
static void session_detach(struct session *s)
{
    struct backend *b = s->backend;

    ASSERT(!s->is_gone);
    session_unhold(s);
    if (s->is_crowded) {
        worker_leave_crowd(s->worker, s);
    }
    session_unlink(s);
    s->is_gone = true;
    s->backend = NULL;
    if (b != NULL) {
        bool is_own = b->owner == s;
        backend_forget_session(b, s);
        if (is_own) { /* what Redis still does for this client ends, as if it had been connected */
            backend_close(b);
        }
    }
    profile_put(s->profile);
    identity_put(s->worker, s->identity);
    s->profile = NULL;
    s->identity = NULL;
    worker_bury_session(s->worker, s);
}

void session_close(struct session *s)
{
    if (!s->is_gone) {
        session_detach(s);
        conn_close(s->conn);
    }
}

void session_close_after_flush(struct session *s)
{
    if (!s->is_gone) {
        session_detach(s);
        conn_close_after_flush(s->conn);
    }
}

/* ---- one request ---- */

static void request_read(struct request *r, const char *bytes, size_t len, uint64_t argc)
{
    struct resp_args args = {0};

    *r = (struct request){.bytes = bytes, .len = len, .argc = argc};
    if (resp_args_next(&args, bytes, len, &r->name) && argc > 1) {
        (void)resp_args_next(&args, bytes, len, &r->second);
    }
    r->command = command_find(r->name.bytes, r->name.len, r->second.bytes, r->second.len);
}

/* A client that speaks what is no RESP is told so and closed. */
static enum verdict session_bad(struct session *s, const char *why)
{
    if (s->in_flight > 0) { /* in its turn: what was asked before is answered before */
        s->is_long = true;
        return session_wait_for(s, WAIT_DRAIN);
    }
    COUNT_ADD(s->worker, clients_cut, 1);
    session_error(s, "ERR %s", why);
    session_close_after_flush(s);
    return REQUEST_WAITS;
}

/* What a person types: becomes a multibulk, to be asked before the rest. */
static enum verdict session_inline(struct session *s, const char *line, size_t len)
{
    struct resp_command_reader *reader = &s->worker->inline_reader;
    struct resp_command command;
    struct buf copy = {0};

    resp_command_reset(reader);
    buf_append(&copy, line, len);
    enum resp_status status = resp_command_read(reader, &copy, &resp_limits_default, &command);
    if (status == RESP_READY) {
        buf_printf(&s->redo, "*%zu\r\n", command.argc);
        for (size_t i = 0; i < command.argc; i++) {
            resp_write_bulk(&s->redo, command.argv[i].bytes, command.argv[i].len);
        }
        s->redo_count++;
    }
    buf_finish(&copy);
    return status == RESP_BAD ? session_bad(s, resp_command_error(reader)) : REQUEST_TAKEN;
}

/* A reply that was ready before its turn stands among them as "=LENGTH", a line end, its bytes. */
static enum verdict session_redo_reply(struct session *s)
{
    const char *bytes = buf_data(&s->redo);
    const char *line_end = memchr(bytes, '\n', s->redo.len);
    uint64_t len = 0;

    ASSERT(line_end != NULL);
    size_t head = (size_t)(line_end - bytes) + 1;
    bool is_number = text_to_u64(bytes + 1, head - 3, &len);
    ASSERT(is_number && len <= s->redo.len - head);
    if (s->in_flight > 0) {
        return session_wait_for(s, WAIT_DRAIN);
    }
    session_write(s, bytes + head, len);
    buf_take(&s->redo, head + len);
    s->redo_count--;
    return REQUEST_TAKEN;
}

/* A request that is asked again. */
static enum verdict session_redo_one(struct session *s)
{
    struct resp_scan scan = {0};
    struct resp_scan_limits limits = {.args_max = RESP_SCAN_ARGS_MAX,
                                      .bulk_bytes_max = RESP_SCAN_BULK_MAX,
                                      .inline_bytes_max = RESP_INLINE_BYTES_MAX};
    const char *bytes = buf_data(&s->redo);
    size_t is_quiet = bytes[0] == '~'; /* marks of one byte in front of it */
    size_t marks = is_quiet + (bytes[is_quiet] == '?');
    uint8_t mode = s->reply_mode;
    size_t len = 0;
    struct request r;

    if (bytes[0] == '=') {
        return session_redo_reply(s);
    }
    enum resp_status status =
        resp_scan_request(&scan, bytes + marks, s->redo.len - marks, &limits, &len);
    ASSERT(status == RESP_READY);
    request_read(&r, bytes + marks, len, scan.argc);
    r.is_redo = true;
    r.is_unsure = marks > is_quiet;
    s->reply_mode = is_quiet && mode == REPLY_ON ? REPLY_SKIP_NEXT : mode;
    enum verdict verdict = session_dispatch(s, &r);
    if (is_quiet) {
        s->reply_mode = mode;
    }
    if (verdict == REQUEST_TAKEN && !s->is_gone) {
        s->redo_count--;
        buf_take(&s->redo, marks + len);
    }
    return verdict;
}

/* ---- requests too long to be seen whole ---- */

/* Those of which the relay must see every byte. */
static bool request_must_be_whole(const struct session *s, const struct command *command)
{
    bool echoes = command->id == COMMAND_ECHO || command->id == COMMAND_PING;

    return s->identity == NULL || (command->class == COMMAND_LOCAL && !echoes) ||
           command->class == COMMAND_PUBSUB || command->class == COMMAND_REFUSED ||
           command->class == COMMAND_TRANSACTION || s->is_tx_lost;
}

/* The first bytes of a long request are at the front: sends them, the rest follows as it comes. */
static enum verdict session_stream_begin(struct session *s, struct request *r)
{
    unsigned pin = (s->pins & PIN_MULTI) != 0 ? 0 : PIN_STREAM;
    struct backend *b = s->backend;

    if (s->endpoint->target == TARGET_REPLICAS &&
        (r->command->flags & COMMAND_DENIED_ON_REPLICAS) != 0) {
        if (s->in_flight > 0) {
            return session_wait_for(s, WAIT_DRAIN);
        }
        session_error(s, "ERR holdfast: this address only reads");
        s->is_swallowing = true;
        return REQUEST_TAKEN;
    }
    if (s->in_flight > 0 && (b->owner != s || (s->pins & PIN_MULTI) == 0)) {
        return session_wait_for(s, WAIT_DRAIN); /* what could have to be asked again comes first */
    }
    b = session_own_backend(s);
    bool must_wait = b == NULL || (s->worker->route.state == ROUTE_HOLD_WRITES &&
                                   (r->command->flags & COMMAND_WRITES) != 0);
    if (must_wait) {
        enum verdict verdict = session_hold(s, r);
        s->is_swallowing = verdict == REQUEST_TAKEN; /* it was answered: no master in time */
        return verdict;
    }
    struct flight *f = backend_send_streamed(b, s, r->command);
    f->flags |= (r->command->flags & COMMAND_WRITES) != 0 ? FLIGHT_WRITES : 0;
    f->begun_at_us = loop_usec();
    f->flags |= (s->pins & PIN_MULTI) != 0 ? FLIGHT_IN_TX : 0;
    s->tx_queued++;
    if (s->reply_mode != REPLY_ON) {
        f->flags |= FLIGHT_QUIET;
    }
    s->in_flight++;
    s->pins |= (uint16_t)pin | PIN_STREAM;
    s->stream_command = r->command;
    session_unhold(s);
    cleanse_note(s, r);
    COUNT_ADD(s->worker, requests_pinned, 1);
    return REQUEST_TAKEN;
}

static enum verdict session_long(struct session *s, struct buf *in)
{
    struct request r;

    request_read(&r, buf_data(in), s->scanned, s->scan.argc);
    if (r.name.bytes == NULL ||
        (r.argc > 1 && r.second.bytes == NULL && s->scanned < RELAY_STREAM_BYTES &&
         r.command->id == COMMAND_OTHER && s->scan.largest_bulk <= RELAY_STREAM_BYTES)) {
        return s->scanned > RELAY_STREAM_BYTES ? session_bad(s, "holdfast: the name of the command "
                                                                "is too long")
                                               : REQUEST_WAITS;
    }
    if (request_must_be_whole(s, r.command)) {
        return s->scan.seen_bytes + s->scan.bulk_left > RELAY_REQUEST_MAX_BYTES
                   ? session_bad(s, "holdfast: a request of this kind may not be so long")
                   : REQUEST_WAITS;
    }
    bool skips = s->reply_mode == REPLY_SKIP_NEXT;
    s->reply_mode = skips ? REPLY_SKIP_NOW : s->reply_mode;
    enum verdict verdict = session_stream_begin(s, &r);
    if (skips) {
        s->reply_mode = verdict == REQUEST_TAKEN ? REPLY_ON : REPLY_SKIP_NEXT;
    }
    return verdict;
}

/* Passes on what is there of a long request. */
static enum verdict session_stream(struct session *s, struct buf *in, bool is_end)
{
    if (!s->is_swallowing) {
        backend_stream(s->backend, buf_data(in), s->scanned);
    }
    buf_take(in, s->scanned);
    s->scanned = 0;
    if (is_end) {
        s->begun_at_ms = 0;
        s->is_swallowing = false;
        s->pins &= (uint16_t)~PIN_STREAM;
        session_leave_backend(s);
        return REQUEST_TAKEN;
    }
    s->begun_at_ms = worker_now(s->worker); /* it goes on: not one that never ends its request */
    if (!s->is_swallowing && conn_pending_bytes(s->backend->conn) > RELAY_OUT_HIGH_BYTES) {
        return session_wait_for(s, WAIT_READER);
    }
    return REQUEST_TAKEN;
}

/* ---- the input ---- */

static const struct resp_scan_limits *session_limits(const struct session *s,
                                                     struct resp_scan_limits *limits)
{
    bool is_stranger = s->identity == NULL;

    *limits = (struct resp_scan_limits){
        .args_max = is_stranger ? RESP_STRANGER_ARGS_MAX : RESP_SCAN_ARGS_MAX,
        .bulk_bytes_max =
            is_stranger ? RESP_STRANGER_BULK_BYTES_MAX : s->worker->conf->request_max_bytes,
        .inline_bytes_max = RESP_INLINE_BYTES_MAX,
        .is_stranger = is_stranger};
    return limits;
}

static enum verdict session_whole(struct session *s, struct buf *in)
{
    size_t len = s->ready_len;
    enum verdict verdict = REQUEST_TAKEN;

    if (s->scan.type == ' ' && s->scan.argc > 0) {
        verdict = session_inline(s, buf_data(in), len);
    } else if (s->scan.argc > 0) {
        struct request r;
        request_read(&r, buf_data(in), len, s->scan.argc);
        verdict = session_dispatch(s, &r);
    }
    if (verdict == REQUEST_TAKEN && !s->is_gone) {
        buf_take(in, len);
        s->ready_len = 0;
        s->begun_at_ms = 0;
    }
    return verdict;
}

static enum verdict session_input_one(struct session *s, struct buf *in)
{
    struct resp_scan_limits limits;

    if (s->ready_len > 0) {
        return session_whole(s, in);
    }
    if (s->begun_at_ms == 0) {
        s->begun_at_ms = worker_now(s->worker);
    }
    enum resp_status status =
        resp_scan_request(&s->scan, buf_data(in) + s->scanned, in->len - s->scanned,
                          session_limits(s, &limits), &s->scanned);
    if (status == RESP_BAD) {
        return session_bad(s, s->scan.error);
    }
    bool is_streaming = s->is_swallowing || (s->pins & PIN_STREAM) != 0;
    if (is_streaming) {
        return session_stream(s, in, status == RESP_READY);
    }
    if (status == RESP_READY) {
        s->ready_len = s->scanned;
        s->scanned = 0;
        return session_whole(s, in);
    }
    bool is_long =
        s->scan.type == '*' && s->scan.seen_bytes + s->scan.bulk_left > RELAY_STREAM_BYTES;
    if (!is_long) {
        return REQUEST_WAITS; /* for more bytes */
    }
    enum verdict verdict = session_long(s, in);
    s->is_long = verdict == REQUEST_WAITS && s->wait != WAIT_NOT;
    return verdict == REQUEST_TAKEN ? session_stream(s, in, false) : verdict;
}

/* in is NULL when only what is to be asked again is looked at. */
static void session_pump(struct session *s, struct buf *in)
{
    enum verdict verdict = REQUEST_TAKEN;

    s->wait = WAIT_NOT;
    while (verdict == REQUEST_TAKEN && !s->is_gone) {
        if (conn_pending_bytes(s->conn) > RELAY_OUT_HIGH_BYTES) {
            verdict = session_wait_for(s, WAIT_READER);
        } else if (s->bounced_count > 0) { /* some are asked again: see which before more is sent */
            verdict = session_wait_for(s, WAIT_DRAIN);
        } else if (s->redo.len > 0) {
            verdict = session_redo_one(s);
        } else if (in != NULL && (in->len > s->scanned || s->ready_len > 0 || s->is_long)) {
            verdict = session_input_one(s, in);
        } else {
            break;
        }
    }
    if (s->is_gone) {
        return;
    }
    if (s->wait != WAIT_NOT) {
        conn_pause_read(s->conn);
    }
}

bool session_head_blocks(const struct session *s)
{
    const struct backend *b = s->backend;

    return b != NULL && b->owner == s && b->count > 0 &&
           b->ring[b->head & (b->capacity - 1)].command->class == COMMAND_BLOCKING;
}

void session_resume(struct session *s)
{
    if (s->is_gone) {
        return;
    }
    if (s->pins != 0 && s->backend == NULL) {
        session_restore_own(s);
    }
    session_pump(s, NULL);
    if (!s->is_gone && s->wait == WAIT_NOT) { /* of one that is closing: it is told so again */
        conn_resume_read(s->conn);
    }
}

/* ---- from the network ---- */

static void session_on_data(void *ctx, struct conn *conn, struct buf *in)
{
    struct session *s = ctx;
    size_t before = in->len;

    (void)conn;
    s->active_at_ms = worker_now(s->worker);
    session_pump(s, in);
    if (before > in->len) {
        COUNT_ADD(s->worker, bytes_in, before - in->len);
    }
}

/* A client that has said all waits for its answers, as `echo PING | nc` does; but who is blocked,
 * or listens, has gone for Redis. */
static void session_on_half_close(void *ctx, struct conn *conn)
{
    struct session *s = ctx;

    (void)conn;
    bool is_answered = s->in_flight == 0 && s->redo_count == 0 && !s->is_held;
    if (is_answered || session_head_blocks(s)) {
        session_close_after_flush(s);
    } else {
        s->is_closing = true;
    }
}

static void session_on_end(void *ctx, struct conn *conn, enum conn_end why, const char *text)
{
    struct session *s = ctx;

    (void)conn;
    if (why == CONN_OVERFLOW) {
        log_info("client %" PRIu64 " is closed: %s", s->id, text);
        COUNT_ADD(s->worker, clients_cut, 1);
    }
    session_detach(s);
}

static void session_on_drain(void *ctx, struct conn *conn)
{
    struct session *s = ctx;

    (void)conn;
    if (s->backend != NULL && s->backend->is_paused) {
        backend_resume(s->backend);
    }
    if (s->wait == WAIT_READER) {
        session_go_on(s);
    }
}

static const struct conn_handlers session_handlers = {.on_data = session_on_data,
                                                      .on_end = session_on_end,
                                                      .on_drain = session_on_drain,
                                                      .on_half_close = session_on_half_close};

static bool session_is_welcome(struct worker *w, struct conn *conn)
{
    const struct router_conf *conf = w->conf;
    bool is_stranger = conf->client_auth != ROUTER_AUTH_NONE;
    const char *why = NULL;

    if (w->is_draining) {
        why = "-ERR holdfast: this router is shutting down\r\n";
    } else if (TOTAL_OF(w, clients) >= conf->clients_max) {
        why = "-ERR max number of clients reached\r\n";
    } else if (is_stranger && TOTAL_OF(w, strangers) >= conf->strangers_max) {
        why = "-ERR holdfast: too many clients that are not authenticated\r\n";
    }
    if (why != NULL) {
        COUNT_ADD(w, clients_refused, 1);
        conn_write_text(conn, why);
        conn_close_after_flush(conn);
    }
    return why == NULL;
}

void session_accept(void *ctx, struct conn *conn)
{
    struct endpoint *endpoint = ctx;
    struct worker *w = endpoint->worker;

    if (!session_is_welcome(w, conn)) {
        return;
    }
    struct session *s = memory_zeroed(sizeof(*s));
    s->worker = w;
    s->endpoint = endpoint;
    s->conn = conn;
    s->id = ++w->next_session * w->conf->threads + w->index; /* unlike those of other workers */
    s->accepted_at_ms = worker_now(w);
    s->active_at_ms = s->accepted_at_ms;
    s->next = w->sessions;
    if (s->next != NULL) {
        s->next->previous = s;
    }
    w->sessions = s;
    w->sessions_count++;
    TOTAL_ADD(w, clients, 1);
    TOTAL_ADD(w, strangers, 1);
    session_reset(s);
    COUNT_ADD(w, clients, 1);
    COUNT_ADD(w, clients_total, 1);
    conn_set_limits(conn, RELAY_REQUEST_MAX_BYTES + RELAY_STREAM_BYTES, RELAY_OUT_MAX_BYTES);
    conn_set_handlers(conn, &session_handlers, s);
}

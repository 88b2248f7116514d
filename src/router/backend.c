/*
 * One connection to Redis. The ring holds what was sent and is not answered, oldest first; the log
 * holds the bytes of the same requests, so that they can be asked again elsewhere.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "loop/log.h"
#include "router/relay.h"

enum {
    RING_FIRST = 16,
    REPLY_WEIGHT = 8,
    LET_IN = 2, /* for each answer: more than one, so that the connection does not run dry */
    BACKEND_REST_MS = 500, /* without a request; then it keeps no memory for the next */
};

/* What Redis says when it did nothing: the request may be asked again, whatever it is. */
static const char *const bounces_for_good[] = {"READONLY", "LOADING", "MASTERDOWN"};

/* ---- the ring ---- */

static struct flight *backend_flight(const struct backend *b, uint32_t i)
{
    return &b->ring[(b->head + i) & (b->capacity - 1)];
}

struct flight *backend_last_flight(const struct backend *b)
{
    ASSERT(b->count > 0);
    return backend_flight(b, b->count - 1);
}

static void backend_grow(struct backend *b)
{
    uint32_t capacity = b->capacity == 0 ? RING_FIRST : b->capacity * 2;
    struct flight *ring = memory_zeroed(capacity * sizeof(*ring));

    for (uint32_t i = 0; i < b->count; i++) {
        ring[i] = *backend_flight(b, i);
    }
    free(b->ring);
    b->ring = ring;
    b->capacity = capacity;
    b->head = 0;
}

static void backend_note_life(struct backend *b)
{
    if (b->profile->target == TARGET_MASTER && backend_is_alive(b)) {
        b->worker->master_alive_ms = worker_now(b->worker);
    }
}

static struct flight *backend_push(struct backend *b)
{
    if (b->count == b->capacity) {
        backend_grow(b);
    }
    struct flight *f = backend_flight(b, b->count++);
    *f = (struct flight){.replies = 1, .select = -1, .sent_at_ms = worker_now(b->worker)};
    b->used_at_ms = f->sent_at_ms;
    if (b->count == 1) { /* what it owes is owed from now */
        b->heard_at_ms = f->sent_at_ms;
        backend_note_life(b);
        conn_keep_output(b->conn, true);
        worker_tick_soon(b->worker);
    }
    return f;
}

static struct flight backend_pop(struct backend *b)
{
    struct flight f = *backend_flight(b, 0);

    b->head = (b->head + 1) & (b->capacity - 1);
    b->count--;
    return f;
}

/* ---- the end ---- */

static void backend_unlink(struct backend *b)
{
    for (struct backend **at = &b->worker->backends; *at != NULL; at = &(*at)->next) {
        if (*at == b) {
            *at = b->next;
            break;
        }
    }
}

void backend_close(struct backend *b)
{
    ASSERT(b->phase != BACKEND_GONE);
    b->phase = BACKEND_GONE;
    profile_forget(b->profile, b);
    cleanse_on_gone(b->worker, b);
    backend_unlink(b);
    conn_close(b->conn);
    COUNT_ADD(b->worker, backends, -1);
    worker_bury_backend(b->worker, b);
}

void backend_free(struct backend *b)
{
    buf_finish(&b->log);
    free(b->ring);
    free(b);
}

/* Every session that has something in flight here, or calls it its own, once. */
static void backend_tell_sessions(struct backend *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct session *s = backend_flight(b, i)->session;
        if (s != NULL && s->backend == b) {
            session_on_backend_lost(s, b);
        }
    }
    if (b->owner != NULL && b->owner->backend == b) {
        session_on_backend_lost(b->owner, b);
    }
}

void backend_lose(struct backend *b, const char *why)
{
    size_t at = 0;

    if (b->phase == BACKEND_READY && backend_is_current(b)) {
        log_info("lost a connection to Redis %s with %u requests under way: %s", b->addr.ip,
                 b->count, why);
    }
    b->is_retired = true;
    if (b->is_mid_reply && b->count > 0 && backend_flight(b, 0)->session != NULL) {
        session_close(backend_flight(b, 0)->session); /* half a reply cannot be taken back */
    }
    if (b->phase == BACKEND_GONE) { /* it was that client's own, and went with it */
        return;
    }
    for (uint32_t i = 0; i < b->count; i++) {
        struct flight *f = backend_flight(b, i);
        if (f->session != NULL) {
            session_on_flight_lost(f->session, b, f, buf_data(&b->log) + at);
        }
        at += f->len;
    }
    backend_tell_sessions(b);
    backend_close(b);
}

void backend_retire(struct backend *b)
{
    b->is_retired = true;
    profile_forget(b->profile, b);
    if (b->count == 0 && b->phase == BACKEND_READY && b->owner == NULL) {
        backend_close(b);
    }
}

void backend_forget_session(struct backend *b, const struct session *s)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct flight *f = backend_flight(b, i);
        if (f->session == s) {
            f->session = NULL;
        }
    }
    if (b->owner == s) {
        b->owner = NULL;
        b->is_dirty = true;
    }
    if (b->is_paused) {
        backend_resume(b);
    }
}

/* ---- what comes ---- */

static bool reply_is_one_of(const char *reply, size_t len, const char *const codes[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (resp_reply_is_error(reply, len, codes[i])) {
            return true;
        }
    }
    return false;
}

/* A server that says this is no master (yet): nothing new goes there, what is under way is
 * answered, and the next connection must prove its role. */
static void backend_look_at_error(struct backend *b, const char *reply, size_t len)
{
    if (b->profile->target == TARGET_MASTER && !b->is_retired &&
        reply_is_one_of(reply, len, bounces_for_good, COUNT_OF(bounces_for_good))) {
        b->profile->retry_at_ms = worker_now(b->worker) + RELAY_RETRY_MS;
        backend_retire(b);
        worker_trouble(b->worker);
    }
}

/* A mean over about the last REPLY_WEIGHT. */
static void backend_weigh_reply(struct backend *b, size_t len)
{
    b->mean_reply += len / REPLY_WEIGHT;
    b->mean_reply -= b->mean_reply / REPLY_WEIGHT;
}

/* As much is under way as one connection may carry, or the share of it that parts says. */
static bool backend_is_loaded(const struct backend *b, size_t parts)
{
    const struct worker *w = b->worker;

    return b->count > 0 && (b->log.len >= w->log_max_bytes / parts ||
                            b->count * b->mean_reply >= w->owed_max_bytes / parts);
}

/* Who is to see a part of the head's reply. */
static struct session *backend_reader(const struct backend *b)
{
    const struct flight *head = backend_flight(b, 0);
    bool is_unwanted = (head->flags & FLIGHT_QUIET) != 0 || head->session == NULL ||
                       !session_wants_part(head->session, head);

    return is_unwanted ? NULL : head->session;
}

static void backend_on_answer(struct backend *b, const char *reply, size_t len)
{
    struct flight *head = backend_flight(b, 0);

    /* a subscription to several is refused at once */
    bool is_refused = head->command->class == COMMAND_PUBSUB && reply[0] == '-' && !b->is_mid_reply;
    if (head->replies > 1 && !is_refused) {
        head->replies--;
        if (head->session != NULL) { /* a subscription's, which CLIENT REPLY does not silence */
            session_on_part(head->session, b, reply, len);
        }
        return;
    }
    struct flight f = backend_pop(b);
    if ((f.flags & FLIGHT_OURS) != 0 && reply[0] == '-') {
        log_warning("Redis %s to a request of the router's own: %.*s", b->addr.ip,
                    (int)(len < 200 ? len : 200), reply);
    }
    if (reply[0] == '-' && !b->is_mid_reply) {
        backend_look_at_error(b, reply, len);
    }
    if (f.session != NULL) {
        session_on_reply(f.session, b, &f, buf_data(&b->log), reply, len);
    }
    if (conn_tail_bytes(b->conn) > b->log.len - f.len) { /* answered before it was all sent */
        conn_own_tail(b->conn);
    }
    buf_drop(&b->log, f.len);
    b->is_mid_reply = false;
    backend_weigh_reply(b, b->parts_bytes + len);
    b->parts_bytes = 0;
    if (b->worker->crowded_first != NULL && !backend_is_loaded(b, 2)) {
        worker_let_in(b->worker, LET_IN);
    }
}

static enum frame_kind backend_frame_kind(const struct backend *b, const char *frame, size_t len)
{
    if (b->is_mid_reply) {
        return b->part_is_push ? FRAME_PUSH : FRAME_REPLY;
    }
    bool may_be_pubsub =
        frame[0] == '>' || (b->profile->version == RESP_2 && frame[0] == '*' && b->is_dirty);
    enum frame_kind kind = may_be_pubsub ? session_frame_kind(frame, len) : FRAME_REPLY;
    bool awaits_confirm = b->count > 0 && backend_flight(b, 0)->command->class == COMMAND_PUBSUB;
    if (kind == FRAME_CONFIRM && !awaits_confirm) {
        return frame[0] == '>' ? FRAME_PUSH : FRAME_REPLY;
    }
    return kind;
}

/* Those who wait behind a long reply, and only read, ask elsewhere: it may take its time. Who has a
 * write there must wait for its answer. */
static void backend_move_readers(struct backend *b)
{
    struct worker *w = b->worker;
    size_t at = backend_flight(b, 0)->len;

    w->mark++;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct flight *f = backend_flight(b, i);
        bool stays = i == 0 || (f->flags & FLIGHT_WRITES) != 0;
        if (stays && f->session != NULL) {
            f->session->mark = w->mark;
        }
    }
    for (uint32_t i = 1; i < b->count; i++) {
        struct flight *f = backend_flight(b, i);
        struct session *s = f->session;
        if (s != NULL && s->mark != w->mark) {
            f->session = NULL;
            session_on_flight_lost(s, b, f, buf_data(&b->log) + at);
        }
        at += f->len;
    }
    for (struct session *s = w->sessions; s != NULL; s = s->next) {
        if (s->is_losing && s->backend == b) {
            session_on_backend_lost(s, b);
        }
    }
}

/* The head's reply is long: the connection is its client's alone until it has passed. */
static void backend_give_up_sharing(struct backend *b)
{
    struct session *reader = backend_flight(b, 0)->session;

    backend_retire(b);
    if (reader != NULL) {
        reader->long_until_ms = worker_now(b->worker) + RELAY_LONG_READER_MS;
    }
    backend_move_readers(b);
}

/* len bytes of a frame: all of it, its last part, or a part in the middle. False when nobody asked.
 */
static bool backend_on_frame(struct backend *b, const char *frame, size_t len, bool is_end)
{
    enum frame_kind kind = backend_frame_kind(b, frame, len);

    if (kind == FRAME_PUSH || (b->count == 0 && b->owner != NULL)) { /* the latter is MONITOR's */
        if (b->owner != NULL) {
            session_on_part(b->owner, b, frame, len);
        }
        b->part_is_push = true;
        b->is_mid_reply = !is_end;
        return true;
    }
    b->part_is_push = false;
    if (b->count == 0) {
        return false;
    }
    if (is_end) {
        backend_on_answer(b, frame, len);
        return true;
    }
    b->is_mid_reply = true;
    if (b->is_shared && !b->is_retired && b->scan.largest_bulk > RELAY_OUT_HIGH_BYTES) {
        backend_give_up_sharing(b);
    }
    struct session *reader = backend_reader(b);
    b->parts_bytes += len;
    if (reader != NULL) {
        session_on_part(reader, b, frame, len);
    }
    return true;
}

/* A frame that is not complete: is it so long that it is passed on in pieces? */
static bool backend_passes_part(const struct backend *b)
{
    return b->phase == BACKEND_READY && b->scanned > 0 &&
           (b->scanned >= RELAY_STREAM_BYTES || b->scan.largest_bulk > RELAY_STREAM_BYTES);
}

/* False when the connection is of no use any more; *why then says it. */
static bool backend_take(struct backend *b, struct buf *in, const char **why)
{
    enum resp_status status =
        resp_scan_reply(&b->scan, buf_data(in) + b->scanned, in->len - b->scanned, &b->scanned);
    size_t len = b->scanned;
    bool is_fine = true;

    *why = b->scan.error;
    if (status == RESP_BAD) {
        return false;
    }
    if (status == RESP_MORE && !backend_passes_part(b)) {
        return true; /* with all scanned: the rest is awaited */
    }
    b->scanned = 0;
    if (b->phase == BACKEND_READY) {
        is_fine = backend_on_frame(b, buf_data(in), len, status == RESP_READY);
        *why = "an answer to nothing";
    } else {
        is_fine = backend_on_greeting(b, buf_data(in), len, why);
    }
    buf_take(in, len);
    return is_fine;
}

static void backend_on_data(void *ctx, struct conn *conn, struct buf *in)
{
    struct backend *b = ctx;
    const char *why = NULL;

    (void)conn;
    bool was_silent = worker_now(b->worker) - b->heard_at_ms >= RELAY_SUSPECT_MS;
    b->heard_at_ms = worker_now(b->worker);
    backend_note_life(b);
    while (b->phase != BACKEND_GONE && in->len > b->scanned && !b->is_paused) {
        if (!backend_take(b, in, &why) && b->phase != BACKEND_GONE) {
            backend_lose(b, why);
        }
    }
    if (was_silent && b->phase == BACKEND_READY && !b->is_retired) {
        session_release_held(b->worker, MSEC_NEVER);
    }
    if (b->phase == BACKEND_READY && b->count == 0 && b->owner == NULL) {
        if (b->is_retired) {
            backend_close(b);
        } else {
            cleanse_on_idle(b->worker, b);
        }
    }
}

static void backend_on_open(void *ctx, struct conn *conn)
{
    struct backend *b = ctx;

    conn_set_keepalive(conn, 15);
    backend_greet(b);
}

static void backend_on_end(void *ctx, struct conn *conn, enum conn_end why, const char *text)
{
    struct backend *b = ctx;
    struct worker *w = b->worker;
    bool was_ready = b->phase == BACKEND_READY;

    (void)conn;
    (void)why;
    if (!was_ready) {
        COUNT_ADD(w, backends_failed, 1);
        b->profile->retry_at_ms = worker_now(w) + RELAY_RETRY_MS;
    }
    bool is_trouble = b->profile->target == TARGET_MASTER && backend_is_current(b) &&
                      (!was_ready || b->count > 0 || b->is_shared);
    w->is_doubtful = w->is_doubtful || (is_trouble && was_ready && w->journal != NULL);
    backend_lose(b, text);
    if (is_trouble) {
        worker_trouble(w);
    }
}

static void backend_on_drain(void *ctx, struct conn *conn)
{
    struct backend *b = ctx;

    (void)conn;
    if (b->owner != NULL) {
        session_go_on(b->owner);
    }
}

static const struct conn_handlers backend_handlers = {.on_open = backend_on_open,
                                                      .on_data = backend_on_data,
                                                      .on_end = backend_on_end,
                                                      .on_drain = backend_on_drain};

/* ---- the beginning ---- */

static const struct addr *backend_where(struct profile *p)
{
    const struct route *route = &p->worker->route;

    if (p->target == TARGET_REPLICAS && route->replicas_count > 0) {
        return &route->replicas[p->next_replica++ % route->replicas_count];
    }
    if (p->target == TARGET_REPLICAS && !p->worker->conf->replicas_may_use_master) {
        return NULL;
    }
    return route->state == ROUTE_UNKNOWN ? NULL : &route->master;
}

struct backend *backend_open(struct profile *p, struct session *owner)
{
    struct worker *w = p->worker;
    msec_t now_ms = worker_now(w);
    const struct addr *at = backend_where(p);
    struct err err;

    if (at == NULL || now_ms < p->retry_at_ms) {
        worker_tick_soon(w);
        return NULL;
    }
    struct backend *b = memory_zeroed(sizeof(*b));
    *b = (struct backend){.worker = w,
                          .profile = p,
                          .addr = *at,
                          .generation = w->route.generation,
                          .owner = owner,
                          .heard_at_ms = now_ms,
                          .used_at_ms = now_ms};
    struct conn_target to = {.at = &b->addr, .tls = w->redis_tls, .timeout_ms = RELAY_CONNECT_MS};
    b->conn = conn_connect(w->loop, &to, &backend_handlers, b, &err);
    if (b->conn == NULL) {
        log_warning("no connection to Redis: %s", err.text);
        p->retry_at_ms = now_ms + RELAY_RETRY_MS;
        COUNT_ADD(w, backends_failed, 1);
        free(b);
        return NULL;
    }
    conn_set_limits(b->conn, RELAY_OUT_MAX_BYTES, RELAY_OUT_MAX_BYTES);
    b->next = w->backends;
    w->backends = b;
    COUNT_ADD(w, backends, 1);
    COUNT_ADD(w, backends_total, 1);
    return b;
}

/* ---- what is sent ---- */

bool backend_is_current(const struct backend *b)
{
    const struct route *route = &b->worker->route;

    if (b->profile->target == TARGET_MASTER) {
        return route->state != ROUTE_UNKNOWN && b->generation == route->generation;
    }
    for (size_t i = 0; i < route->replicas_count; i++) {
        if (addr_same(&route->replicas[i], &b->addr)) {
            return true;
        }
    }
    return route->replicas_count == 0 && b->worker->conf->replicas_may_use_master &&
           route->state != ROUTE_UNKNOWN && addr_same(&route->master, &b->addr);
}

bool backend_is_alive(const struct backend *b)
{
    return b->phase == BACKEND_READY && !b->is_retired && backend_is_current(b);
}

static bool backend_answers(const struct backend *b)
{
    return backend_is_alive(b) &&
           (b->count == 0 || worker_now(b->worker) - b->heard_at_ms < RELAY_SUSPECT_MS);
}

bool backend_is_usable(const struct backend *b)
{
    return backend_answers(b) && !backend_is_loaded(b, 1);
}

bool backend_is_full(const struct backend *b)
{
    return backend_answers(b) && backend_is_loaded(b, 1);
}

struct flight *backend_send(struct backend *b, struct session *s, const struct request *r,
                            unsigned flags)
{
    struct flight *f = backend_push(b);

    f->session = s;
    f->command = r->command;
    f->len = (uint32_t)r->len;
    f->flags = (uint16_t)flags;
    buf_append(&b->log, r->bytes, r->len);
    conn_write_from(b->conn, &b->log, r->len);
    if (r->command->class == COMMAND_PUBSUB) {
        b->is_dirty = true;
    }
    return f;
}

struct flight *backend_send_streamed(struct backend *b, struct session *s,
                                     const struct command *command)
{
    struct flight *f = backend_push(b);

    f->session = s;
    f->command = command;
    f->flags = FLIGHT_STREAMED;
    return f;
}

void backend_stream(struct backend *b, const char *bytes, size_t len)
{
    b->heard_at_ms = worker_now(b->worker); /* it owes nothing before it has all */
    conn_write(b->conn, bytes, len);
}

void backend_ask(struct backend *b, const char *bytes, size_t len, uint16_t replies)
{
    struct request r = {.bytes = bytes, .len = len, .command = command_find("PING", 4, NULL, 0)};
    struct flight *f = backend_send(b, NULL, &r, FLIGHT_OURS);

    f->replies = replies;
}

/* ---- what does not come ---- */

void backend_resume(struct backend *b)
{
    b->is_paused = false;
    b->slow_since_ms = 0;
    conn_resume_read(b->conn);
}

/* Answers who waited for a server that hangs as long as a client bears. What may rightly run long
 * is left; so is what stands behind it for the same client, for order's sake. */
static void backend_expire(struct backend *b, msec_t now_ms)
{
    msec_t hold_ms = b->worker->conf->hold_ms;
    const struct flight *head = backend_flight(b, 0);
    size_t at = 0;

    bool blocks = head->command->class == COMMAND_BLOCKING;
    bool is_too_long = now_ms - b->heard_at_ms > RELAY_SILENT_MAX_MS && !blocks;
    if (is_too_long ||
        (b->owner != NULL && !blocks && (head->command->flags & COMMAND_SLOW) == 0)) {
        backend_lose(b, "it does not answer");
        return;
    }
    b->worker->mark++;
    for (uint32_t i = 0; i < b->count; i++) {
        struct flight *f = backend_flight(b, i);
        const char *request = buf_data(&b->log) + at;
        struct session *s = f->session;
        at += f->len;
        if (s == NULL || now_ms - f->sent_at_ms < hold_ms || (i == 0 && b->is_mid_reply)) {
            continue;
        }
        bool may_run_long =
            f->command->class == COMMAND_BLOCKING || (f->command->flags & COMMAND_SLOW) != 0;
        if (may_run_long) {
            s->mark = b->worker->mark; /* behind it nothing of this client */
        } else if (s->mark != b->worker->mark) {
            f->session = NULL;
            session_on_flight_expired(s, f, request);
        }
    }
}

/* Nothing is under way for a while: its buffers are not worth their memory. */
static void backend_rest(struct backend *b, msec_t now_ms)
{
    if (now_ms - b->used_at_ms > BACKEND_REST_MS) {
        buf_finish(&b->log);
        conn_keep_output(b->conn, false);
    }
}

void backend_check(struct backend *b, msec_t now_ms)
{
    if (b->count == 0 && b->phase == BACKEND_READY) {
        backend_rest(b, now_ms);
    }
    if (b->count == 0 || b->phase != BACKEND_READY) {
        return;
    }
    if (b->count == 1 && b->owner != NULL && (b->owner->pins & PIN_STREAM) != 0 &&
        conn_pending_bytes(b->conn) ==
            0) { /* a request that its client has not ended: nothing is owed */
        b->heard_at_ms = now_ms;
        return;
    }
    struct session *reader = backend_flight(b, 0)->session;
    if (b->is_paused && reader != NULL && b->count > 1 && b->slow_since_ms > 0 &&
        now_ms - b->slow_since_ms > RELAY_SLOW_READER_MS) {
        log_info("client %s is closed: others wait for it to read", reader->endpoint->text);
        COUNT_ADD(b->worker, clients_cut, 1);
        session_close(reader);
        return;
    }
    if (now_ms - b->heard_at_ms >= b->worker->conf->hold_ms && !b->is_paused) {
        backend_expire(b, now_ms);
    }
}

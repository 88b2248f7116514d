/*
 * The life of a connection once it has a socket. What it must keep true: no handler from inside a
 * function another room calls; after conn_close() no handler at all; the memory stays until the end
 * of the turn, so that a handler may close its own connection; an idle connection owns no buffer.
 */
#include "loop/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "loop/conn_inside.h"

enum {
    DISCARD_MAX_BYTES = 1024 * 1024, /* no reader of ours lets more wait */
};

static void conn_receive(struct conn *c);

/* ---- descriptors ---- */

void conn_watch(struct conn *c, bool want_read, bool want_write)
{
    /* first what is added: so epoll is told of a change, not of a removal and an addition */
    if (want_read && !c->is_reading) {
        (void)event_add(&c->read_event, NULL); /* fails only for a closed descriptor */
    }
    if (want_write && !c->is_writing) {
        (void)event_add(&c->write_event, NULL);
    }
    if (!want_read && c->is_reading) {
        (void)event_del(&c->read_event);
    }
    if (!want_write && c->is_writing) {
        (void)event_del(&c->write_event);
    }
    c->is_reading = want_read;
    c->is_writing = want_write;
}

void conn_watch_open(struct conn *c)
{
    bool has_to_wait = conn_has_output(c) && !c->is_flush_queued;

    conn_watch(c, !c->is_paused && !c->is_leaving, has_to_wait || c->read_wants_write);
}

static int conn_socket_error(const struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

static void conn_on_event(struct conn *c, bool is_writable)
{
    switch (c->phase) {
    case CONN_PHASE_CONNECTING: {
        int error = conn_socket_error(c);
        if (error != 0) {
            conn_fail_errno(c, error);
        } else if (is_writable) {
            conn_connected(c);
        }
        break;
    }
    case CONN_PHASE_HANDSHAKING:
        conn_tls_handshake(c);
        break;
    case CONN_PHASE_OPEN:
        if (is_writable && conn_has_output(c)) {
            conn_flush(c);
        }
        if (c->phase == CONN_PHASE_OPEN && (!is_writable || c->read_wants_write)) {
            conn_receive(c);
        }
        break;
    case CONN_PHASE_FAILED:
    case CONN_PHASE_DEAD:
        break; /* the other event of the same turn */
    }
}

static void conn_on_readable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    conn_on_event(ctx, false);
}

static void conn_on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    conn_on_event(ctx, true);
}

/* ---- beginning and end ---- */

static void conn_on_task(void *ctx);

struct conn *conn_make(struct loop *loop, int fd, bool is_unix)
{
    struct conn *c = memory_zeroed(sizeof(*c));

    c->magic = CONN_MAGIC;
    c->loop = loop;
    c->fd = fd;
    c->is_unix = is_unix;
    c->read_max_bytes = LOOP_SCRATCH_BYTES;
    c->in_max_bytes = CONN_INPUT_MAX_BYTES;
    c->out_max_bytes = CONN_OUTPUT_MAX_BYTES;
    c->task.run = conn_on_task;
    c->task.ctx = c;
    int failed =
        event_assign(&c->read_event, loop->base, fd, EV_READ | EV_PERSIST, conn_on_readable, c) |
        event_assign(&c->write_event, loop->base, fd, EV_WRITE | EV_PERSIST, conn_on_writable, c);
    ASSERT(failed == 0);
    return c;
}

/* A socket closed with unread input sends RST, and the kernel then drops the last words it still
 * holds: what came (a pipelined rest, TLS session tickets) is thrown away first. */
static void conn_discard_input(const struct conn *c)
{
    if (!c->is_unix) {
        (void)recv(c->fd, NULL, DISCARD_MAX_BYTES, MSG_TRUNC | MSG_DONTWAIT); /* best effort */
    }
}

void conn_die(struct conn *c)
{
    ASSERT(c->phase != CONN_PHASE_DEAD);
    conn_watch(c, false, false);
    conn_tls_detach(c);
    if (c->is_leaving && !c->has_ended) {
        conn_discard_input(c);
    }
    (void)close(c->fd); /* nothing can be done about an error */
    c->fd = -1;
    c->tail_len = 0;
    c->phase = CONN_PHASE_DEAD;
    c->h = NULL;
    loop_timer_destroy(c->deadline);
    c->deadline = NULL;
    loop_defer(c->loop, &c->task);
}

static void conn_tell_end(struct conn *c)
{
    const struct conn_handlers *h = c->h;

    c->h = NULL;
    if (h != NULL) {
        h->on_end(c->ctx, c, c->why, c->text);
    }
    conn_die(c);
}

static void conn_on_task(void *ctx)
{
    struct conn *c = ctx;

    ASSERT(c->magic == CONN_MAGIC);
    if (c->phase == CONN_PHASE_FAILED) {
        conn_tell_end(c);
        return; /* conn_die() has queued the task again */
    }
    if (c->phase == CONN_PHASE_DEAD) {
        buf_finish(&c->in);
        buf_finish(&c->out);
        c->magic = 0;
        free(c);
        return;
    }
    if (c->is_flush_queued) {
        c->is_flush_queued = false;
        if (c->phase == CONN_PHASE_OPEN && !c->is_writing && conn_has_output(c)) {
            conn_flush(c);
        }
    }
    if (c->has_unread && c->phase == CONN_PHASE_OPEN && !c->is_paused && c->h != NULL) {
        conn_receive(c);
    }
}

static void conn_on_deadline(void *ctx)
{
    struct conn *c = ctx;

    if (c->phase != CONN_PHASE_OPEN) {
        conn_fail(c, CONN_TIMEOUT, "%s",
                  c->phase == CONN_PHASE_CONNECTING ? "no answer while connecting"
                                                    : "no answer in the TLS handshake");
    } else {
        conn_fail(c, CONN_TIMEOUT, "the last bytes were not read");
    }
}

void conn_set_deadline(struct conn *c, msec_t after_ms)
{
    loop_timer_destroy(c->deadline);
    c->deadline = NULL;
    if (after_ms > 0) {
        c->deadline = loop_timer_create(c->loop, conn_on_deadline, c);
        loop_timer_at(c->deadline, loop_now(c->loop) + after_ms);
    }
}

void conn_fail(struct conn *c, enum conn_end why, const char *format, ...)
{
    va_list args;

    if (c->phase == CONN_PHASE_FAILED || c->phase == CONN_PHASE_DEAD) {
        return;
    }
    c->phase = CONN_PHASE_FAILED;
    c->why = why;
    va_start(args, format);
    (void)vsnprintf(c->text, sizeof(c->text), format, args); /* cut when too long */
    va_end(args);
    conn_watch(c, false, false);
    conn_set_deadline(c, 0);
    loop_defer(c->loop, &c->task);
}

void conn_fail_errno(struct conn *c, int error)
{
    bool is_opening = c->phase == CONN_PHASE_CONNECTING;
    enum conn_end why = CONN_FAILED;

    if (error == ECONNREFUSED || (error == ENOENT && is_opening)) {
        why = is_opening ? CONN_REFUSED : CONN_RESET;
    } else if (error == ECONNRESET || error == EPIPE || error == ECONNABORTED) {
        why = CONN_RESET;
    } else if (error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
               error == ENETDOWN) {
        why = CONN_UNREACHABLE;
    } else if (error == ETIMEDOUT) {
        why = CONN_TIMEOUT;
    }
    conn_fail(c, why, "%s", strerror(error));
}

void conn_close(struct conn *c)
{
    if (c == NULL) {
        return;
    }
    ASSERT(c->magic == CONN_MAGIC);
    if (c->phase == CONN_PHASE_FAILED && c->h == NULL) {
        return; /* from inside on_end */
    }
    if (c->loop->corked ==
        c) { /* what was written before the close goes out, as it would uncorked */
        c->loop->corked = NULL;
        conn_write(c, buf_data(&c->loop->cork), c->loop->cork.len);
        buf_clear(&c->loop->cork);
    }
    conn_flush_once(c);
    conn_die(c);
}

/* ---- opening ---- */

void conn_connected(struct conn *c)
{
    if (c->ssl == NULL) {
        conn_opened(c);
        return;
    }
    c->phase = CONN_PHASE_HANDSHAKING;
    conn_tls_handshake(c);
}

void conn_opened(struct conn *c)
{
    c->phase = CONN_PHASE_OPEN;
    if (!c->is_leaving) {
        conn_set_deadline(c, 0); /* a flush keeps its own */
    }
    conn_watch_open(c);
    if (c->ssl != NULL) { /* data may have come with the end of the handshake */
        c->has_unread = true;
        loop_defer(c->loop, &c->task);
    }
    if (c->h != NULL && c->h->on_open != NULL) {
        conn_cork(c);
        c->h->on_open(c->ctx, c);
        conn_uncork(c);
    }
    if (c->phase == CONN_PHASE_OPEN && conn_has_output(c)) {
        conn_flush(c);
    }
}

/* ---- reading ---- */

/* Shows what c->in holds and the len bytes in the loop's scratch. The shorter of the two is copied
 * to the other. */
static void conn_show(struct conn *c, size_t len)
{
    struct buf fresh = {0};
    struct buf *in = &fresh;
    size_t rest = c->in.len;

    if (rest > LOOP_FRONT_BYTES || rest > len) {
        buf_append(&c->in, c->loop->scratch, len);
        in = &c->in;
    } else {
        char *begin = c->loop->scratch - rest;
        memcpy(begin, buf_data(&c->in), rest);
        buf_finish(&c->in);
        c->loop->scratch[len] = '\0';
        buf_borrow(&fresh, begin, rest + len);
    }
    conn_cork(c);
    c->h->on_data(c->ctx, c, in);
    conn_uncork(c);
    if (c->phase == CONN_PHASE_DEAD || c->h == NULL) {
        buf_finish(&fresh);
        return;
    }
    if (in == &fresh) {
        buf_append(&c->in, buf_data(&fresh), fresh.len);
        buf_finish(&fresh);
    }
    if (c->in.len == 0) {
        buf_finish(&c->in);
    } else if (c->in.len > c->in_max_bytes && !c->is_paused) {
        conn_fail(c, CONN_OVERFLOW, "a message of over %zu bytes", c->in_max_bytes);
    }
}

static size_t conn_read(struct conn *c)
{
    if (c->ssl != NULL) {
        return conn_tls_read(c, c->loop->scratch, c->read_max_bytes);
    }
    ssize_t got = recv(c->fd, c->loop->scratch, c->read_max_bytes, 0);
    c->has_ended = got == 0;
    if (got == 0 && c->h != NULL && c->h->on_half_close != NULL) {
        c->is_half_closed = true;
    } else if (got == 0) {
        conn_fail(c, CONN_CLOSED, "closed by the other side");
    } else if (got < 0 && errno != EAGAIN && errno != EINTR) {
        conn_fail_errno(c, errno);
    }
    return got < 0 ? 0 : (size_t)got;
}

/* One read; what does not fit into the scratch waits for the next turn, so that one busy connection
 * does not hold up the others. */
static void conn_receive(struct conn *c)
{
    bool show_rest = c->has_unread && c->in.len > 0;
    bool has_enough = show_rest && c->ssl == NULL && c->in.len >= LOOP_SCRATCH_BYTES;

    c->has_unread = false;
    size_t len = has_enough ? 0 : conn_read(c);
    if ((len > 0 || show_rest) && c->h != NULL && c->phase != CONN_PHASE_DEAD) {
        conn_show(c, len);
    }
    if (c->is_half_closed && c->phase == CONN_PHASE_OPEN && !c->is_paused && c->h != NULL) {
        c->is_paused = true;
        c->h->on_half_close(c->ctx, c);
    }
    c->is_half_closed = false;
    if (c->phase == CONN_PHASE_OPEN) {
        conn_watch_open(c);
        if (c->has_unread) {
            loop_defer(c->loop, &c->task);
        }
    }
}

void conn_pause_read(struct conn *c)
{
    c->is_paused = true;
    if (c->phase == CONN_PHASE_OPEN) {
        conn_watch_open(c);
    }
}

void conn_resume_read(struct conn *c)
{
    if (!c->is_paused) {
        return;
    }
    c->is_paused = false;
    if (c->phase == CONN_PHASE_OPEN) {
        c->has_unread = true;
        loop_defer(c->loop, &c->task);
        conn_watch_open(c);
    }
}

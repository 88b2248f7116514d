/*
 * What goes out on a connection. Bytes wait in three places, and leave in this order: the cork (of
 * a handler that has not returned), the output buffer, and the tail, which is still its owner's.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "loop/conn_inside.h"

enum {
    CORK_MAX_BYTES = 64 * 1024, /* a handler that writes more is sent in parts */
};

/* ---- corking: one send for all that a handler writes ---- */

void conn_cork(struct conn *c)
{
    ASSERT(c->loop->corked == NULL);
    c->loop->corked = c;
}

void conn_uncork(struct conn *c)
{
    if (c->loop->corked == c) { /* not closed meanwhile */
        c->loop->corked = NULL;
        conn_write(c, buf_data(&c->loop->cork), c->loop->cork.len);
        buf_clear(&c->loop->cork);
    }
}

/* ---- writing ---- */

static size_t conn_send(struct conn *c, const char *from, size_t len)
{
    if (c->ssl != NULL) {
        return conn_tls_write(c, from, len);
    }
    ssize_t sent = send(c->fd, from, len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        conn_fail_errno(c, errno);
    }
    return sent < 0 ? 0 : (size_t)sent;
}

static const char *conn_tail(const struct conn *c)
{
    return buf_data(c->tail_of) + c->tail_of->len - c->tail_len;
}

/* The output buffer, then the tail, in one call. False when the connection has failed. */
static bool conn_send_waiting(struct conn *c)
{
    if (c->tail_len == 0) {
        buf_drop(&c->out, conn_send(c, buf_data(&c->out), c->out.len));
        return c->phase == CONN_PHASE_OPEN;
    }
    if (c->out.len == 0) {
        c->tail_len -= conn_send(c, conn_tail(c), c->tail_len);
        return c->phase == CONN_PHASE_OPEN;
    }
    struct iovec parts[2] = {{.iov_base = (void *)(uintptr_t)buf_data(&c->out), c->out.len},
                             {.iov_base = (void *)(uintptr_t)conn_tail(c), c->tail_len}};
    struct msghdr both = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent = sendmsg(c->fd, &both, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            conn_fail_errno(c, errno);
        }
        return c->phase == CONN_PHASE_OPEN;
    }
    size_t of_out = (size_t)sent < c->out.len ? (size_t)sent : c->out.len;
    buf_drop(&c->out, of_out);
    c->tail_len -= (size_t)sent - of_out;
    return true;
}

/* At the end of the turn, unless the kernel is to say when. */
static void conn_queue_flush(struct conn *c)
{
    if (!c->is_writing) {
        c->is_flush_queued = true;
        loop_defer(c->loop, &c->task);
    }
}

/* False when so much waits already: then the connection has failed. */
static bool conn_has_room(struct conn *c, size_t len)
{
    size_t waiting = c->out.len + c->tail_len;

    if (len > c->out_max_bytes || waiting > c->out_max_bytes - len) {
        conn_fail(c, CONN_OVERFLOW, "the other side does not read: over %zu bytes wait for it",
                  c->out_max_bytes);
        return false;
    }
    return true;
}

/* Into the output buffer, if there is room. */
static bool conn_keep(struct conn *c, const char *bytes, size_t len)
{
    if (!conn_has_room(c, len)) {
        return false;
    }
    buf_append(&c->out, bytes, len);
    return true;
}

bool conn_has_output(const struct conn *c)
{
    return c->out.len + c->tail_len > 0;
}

size_t conn_pending_bytes(const struct conn *c)
{
    return (c->loop->corked == c ? c->loop->cork.len : 0) + c->out.len + c->tail_len;
}

static bool conn_takes(const struct conn *c, size_t len)
{
    ASSERT(c->magic == CONN_MAGIC);
    return len > 0 && !c->is_leaving && c->phase < CONN_PHASE_FAILED;
}

void conn_write(struct conn *c, const void *bytes, size_t len)
{
    const char *from = bytes;

    if (!conn_takes(c, len)) {
        return;
    }
    if (c->loop->corked == c) {
        buf_append(&c->loop->cork, from, len);
        if (c->loop->cork.len >= CORK_MAX_BYTES) {
            conn_uncork(c);
            c->loop->corked = c;
        }
        return;
    }
    conn_own_tail(c);
    if (c->out.len == 0 && c->phase == CONN_PHASE_OPEN) {
        size_t sent = conn_send(c, from, len);
        from += sent;
        len -= sent;
        if (len == 0 || c->phase != CONN_PHASE_OPEN) {
            return;
        }
    }
    if (conn_keep(c, from, len) && c->phase == CONN_PHASE_OPEN) {
        conn_watch_open(c);
    }
}

void conn_write_later(struct conn *c, const void *bytes, size_t len)
{
    if (!conn_takes(c, len)) {
        return;
    }
    if (c->loop->corked == c) { /* sooner than later, and in order */
        conn_write(c, bytes, len);
        return;
    }
    conn_own_tail(c);
    if (conn_keep(c, bytes, len)) {
        conn_queue_flush(c);
    }
}

void conn_write_from(struct conn *c, const struct buf *keeper, size_t len)
{
    ASSERT(len <= keeper->len);
    if (c->loop->corked == c || c->ssl != NULL) { /* TLS copies anyway */
        conn_write_later(c, buf_data(keeper) + keeper->len - len, len);
        return;
    }
    if (!conn_takes(c, len) || !conn_has_room(c, len)) {
        return;
    }
    if (c->tail_of != keeper) {
        conn_own_tail(c);
    }
    c->tail_of = keeper;
    c->tail_len += len;
    conn_queue_flush(c);
}

size_t conn_tail_bytes(const struct conn *c)
{
    return c->tail_len;
}

void conn_own_tail(struct conn *c)
{
    if (c->tail_len > 0) {
        buf_append(&c->out, conn_tail(c), c->tail_len);
        c->tail_len = 0;
    }
}

void conn_write_text(struct conn *c, const char *text)
{
    conn_write(c, text, strlen(text));
}

void conn_writebuf(struct conn *c, struct buf *from)
{
    conn_write(c, buf_data(from), from->len);
    buf_clear(from);
}

void conn_keep_output(struct conn *c, bool keeps)
{
    c->keeps_output = keeps;
    if (!keeps && c->out.len == 0) {
        buf_finish(&c->out);
    }
}

void conn_flush(struct conn *c)
{
    bool had_to_wait = c->is_writing;

    if (!conn_send_waiting(c)) {
        return;
    }
    if (conn_has_output(c)) {
        conn_watch_open(c);
        return;
    }
    if (!c->keeps_output) {
        buf_finish(&c->out);
    }
    conn_watch_open(c);
    if (c->is_leaving) {
        conn_die(c);
    } else if (had_to_wait && c->h->on_drain != NULL) {
        conn_cork(c);
        c->h->on_drain(c->ctx, c);
        conn_uncork(c);
    }
}

void conn_flush_once(struct conn *c)
{
    if (c->is_flush_queued && c->phase == CONN_PHASE_OPEN && conn_has_output(c)) {
        (void)conn_send_waiting(c); /* as far as it goes */
    }
}

void conn_close_after_flush(struct conn *c)
{
    ASSERT(c->magic == CONN_MAGIC);
    if (c->phase == CONN_PHASE_FAILED && c->h == NULL) {
        return; /* from inside on_end */
    }
    conn_uncork(c);
    conn_own_tail(c);
    c->is_leaving = true;
    if (c->phase >= CONN_PHASE_FAILED || c->out.len == 0) {
        conn_close(c);
        return;
    }
    c->h = NULL;
    if (c->phase == CONN_PHASE_OPEN) {
        conn_watch_open(c);
    }
    conn_set_deadline(c, CONN_FLUSH_MS);
}

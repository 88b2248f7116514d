/*
 * One client and its member. The rules it must keep: no byte of the client is read before a member
 * has accepted; each side is read only as fast as the other one reads; what ends on one side ends
 * on the other in the same way.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "loop/log.h"
#include "router/tcp_inside.h"
#include "router/tcp_proxy.h"

static struct tcp_side *tcp_side_other(struct tcp_side *side)
{
    struct tcp_link *l = side->link;

    return side == &l->client ? &l->member : &l->client;
}

/* ---- the end ---- */

/* So that close() sends a reset and throws away what waits. */
static void tcp_side_set_reset(const struct tcp_side *side)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};

    if (side->conn != NULL && conn_fd(side->conn) >= 0) {
        /* a unix socket ignores it */
        (void)setsockopt(conn_fd(side->conn), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
}

static void tcp_link_drop_member(struct tcp_link *l)
{
    if (l->member.conn != NULL) {
        conn_close(l->member.conn);
        l->member = (struct tcp_side){.link = l};
        tcp_shared_sub(&l->worker->shared->open[l->member_id]);
    }
}

void tcp_link_close(struct tcp_link *l)
{
    struct tcp_worker *w = l->worker;

    if (l->phase == TCP_PHASE_HELD) {
        tcp_held_remove(w, l);
    }
    tcp_link_drop_member(l);
    conn_close(l->client.conn);
    *(l->before == NULL ? &w->links : &l->before->next) = l->next;
    if (l->next != NULL) {
        l->next->before = l->before;
    }
    tcp_shared_sub(&w->shared->connections);
    free(l);
    if (w->links == NULL && w->is_draining) {
        tcp_worker_tick_by(w, tcp_worker_now(w));
    }
}

void tcp_link_reset(struct tcp_link *l)
{
    tcp_side_set_reset(&l->client);
    tcp_side_set_reset(&l->member);
    tcp_link_close(l);
}

/* Lets go of the member, which the client cannot have noticed yet, and looks for another. */
static void tcp_link_move(struct tcp_link *l)
{
    struct tcp_worker *w = l->worker;

    conn_pause_read(l->client.conn);
    tcp_side_set_reset(&l->member);
    if (l->phase == TCP_PHASE_OPEN) {
        l->since_ms = tcp_worker_now(w);
    }
    l->tried |= UINT32_C(1) << l->member_id;
    tcp_link_drop_member(l);
    TCP_COUNT(&w->counts, moved, 1);
    tcp_link_try(l);
}

void tcp_link_leave_member(struct tcp_link *l)
{
    struct tcp_worker *w = l->worker;

    if (!l->has_carried) {
        tcp_link_move(l);
        return;
    }
    TCP_COUNT(&w->counts, cut, 1);
    TCP_COUNT(&w->members[l->member_id], cut, 1);
    tcp_link_reset(l);
}

/* ---- carrying ---- */

static void tcp_side_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct tcp_side *from = ctx;
    struct tcp_side *to = tcp_side_other(from);
    struct tcp_link *l = from->link;
    struct tcp_member_counts *counts = &l->worker->members[l->member_id];

    l->has_carried = true;
    l->active_at_ms = tcp_worker_now(l->worker);
    if (from == &l->client) {
        TCP_COUNT(counts, bytes_up, in->len);
    } else {
        TCP_COUNT(counts, bytes_down, in->len);
    }
    conn_write(to->conn, buf_data(in), in->len);
    buf_take(in, in->len);
    if (conn_pending_bytes(to->conn) > 0) {
        conn_pause_read(c); /* so that no more than one read of it ever waits */
    }
}

/* Tells `to` that the other side sends no more, when it has all that came before. */
static void tcp_side_pass_end(struct tcp_side *to)
{
    if (!to->is_told && tcp_side_other(to)->is_finished && conn_pending_bytes(to->conn) == 0) {
        to->is_told = true;
        (void)shutdown(conn_fd(to->conn), SHUT_WR); /* fails when it has gone: on_end tells */
    }
}

static void tcp_link_pass_ends(struct tcp_link *l)
{
    if (l->client.is_finished && l->member.is_finished && conn_pending_bytes(l->client.conn) == 0 &&
        conn_pending_bytes(l->member.conn) == 0) {
        tcp_link_close(l);
        return;
    }
    tcp_side_pass_end(&l->client);
    tcp_side_pass_end(&l->member);
}

static void tcp_side_on_half_close(void *ctx, struct conn *c)
{
    struct tcp_side *side = ctx;
    struct tcp_link *l = side->link;

    (void)c; /* the side's */
    side->is_finished = true;
    l->has_carried = true;
    l->active_at_ms = tcp_worker_now(l->worker);
    tcp_link_pass_ends(l);
}

static void tcp_side_on_drain(void *ctx, struct conn *c)
{
    struct tcp_side *side = ctx;
    struct tcp_side *from = tcp_side_other(side);

    (void)c; /* the side's */
    side->link->active_at_ms = tcp_worker_now(side->link->worker);
    if (from->is_finished) {
        tcp_link_pass_ends(side->link);
    } else if (from->conn != NULL) {
        conn_resume_read(from->conn);
    }
}

/* ---- the member ---- */

static void tcp_link_tell_failed(const struct tcp_link *l, const char *text)
{
    const struct tcp_member *m = tcp_worker_member(l->worker, l->member_id);

    if (m != NULL && tcp_worker_may_tell(l->worker)) {
        log_info("%s: connecting to %s failed: %s", l->worker->plan->name, m->name, text);
    }
}

static void tcp_member_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct tcp_side *side = ctx;
    struct tcp_link *l = side->link;
    struct tcp_worker *w = l->worker;

    (void)c; /* the side's */
    if (l->phase == TCP_PHASE_CONNECTING) {
        TCP_COUNT(&w->members[l->member_id], failed, 1);
        tcp_link_tell_failed(l, text);
        l->tried |= UINT32_C(1) << l->member_id;
        tcp_link_drop_member(l);
        tcp_link_try(l);
    } else if (!l->has_carried && why == CONN_RESET) {
        tcp_link_move(l);
    } else {
        TCP_COUNT(&w->counts, broken, 1);
        tcp_link_reset(l);
    }
}

static void tcp_client_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct tcp_side *side = ctx;

    (void)c;    /* the side's */
    (void)why;  /* all the same to the member */
    (void)text; /* clients come and go: not worth a line */
    TCP_COUNT(&side->link->worker->counts, broken, 1);
    tcp_link_reset(side->link);
}

static void tcp_link_send_proxy_header(struct tcp_link *l)
{
    char header[TCP_PROXY_HEADER_MAX];
    struct addr from;
    struct addr to;
    bool is_known = !conn_is_unix(l->client.conn) && conn_peer_addr(l->client.conn, &from) &&
                    conn_local_addr(l->client.conn, &to);

    size_t len = tcp_proxy_header(header, l->worker->plan->proxy_protocol, is_known ? &from : NULL,
                                  is_known ? &to : NULL);
    conn_write(l->member.conn, header, len);
}

static void tcp_member_on_open(void *ctx, struct conn *c)
{
    struct tcp_side *side = ctx;
    struct tcp_link *l = side->link;
    struct tcp_worker *w = l->worker;

    (void)c; /* the side's */
    l->phase = TCP_PHASE_OPEN;
    l->active_at_ms = tcp_worker_now(w);
    uint64_t waited_ms = (uint64_t)(l->active_at_ms - l->since_ms);
    if (l->was_held && waited_ms > w->held_longest_ms) {
        __atomic_store_n(&w->held_longest_ms, waited_ms, __ATOMIC_RELAXED);
    }
    TCP_COUNT(&w->members[l->member_id], connected, 1);
    if (w->plan->proxy_protocol != 0) {
        tcp_link_send_proxy_header(l);
    }
    conn_resume_read(l->client.conn);
}

static const struct conn_handlers client_handlers = {.on_data = tcp_side_on_data,
                                                     .on_end = tcp_client_on_end,
                                                     .on_drain = tcp_side_on_drain,
                                                     .on_half_close = tcp_side_on_half_close};
static const struct conn_handlers member_handlers = {.on_open = tcp_member_on_open,
                                                     .on_data = tcp_side_on_data,
                                                     .on_end = tcp_member_on_end,
                                                     .on_drain = tcp_side_on_drain,
                                                     .on_half_close = tcp_side_on_half_close};

/* False when it fails for a reason of ours: no descriptor left. */
static bool tcp_link_connect(struct tcp_link *l, const struct tcp_member *m)
{
    struct tcp_worker *w = l->worker;
    struct conn_target to = {.at = &m->at, .timeout_ms = w->plan->connect_timeout_ms};
    struct err err;

    l->member_id = m->id;
    l->member.conn = conn_connect(w->loop, &to, &member_handlers, &l->member, &err);
    if (l->member.conn == NULL) {
        TCP_COUNT(&w->members[m->id], failed, 1);
        tcp_link_tell_failed(l, err.text);
        l->tried |= UINT32_C(1) << m->id;
        return false;
    }
    conn_set_read_max(l->member.conn, TCP_READ_MAX_BYTES);
    conn_set_keepalive(l->member.conn, TCP_KEEPALIVE_S);
    (void)tcp_shared_add(&w->shared->open[m->id]); /* the pick reads it */
    l->phase = TCP_PHASE_CONNECTING;
    return true;
}

/* One that ended without having sent a byte has given up, as a client of MySQL does that waited too
 * long for the greeting. */
bool tcp_link_has_left(const struct tcp_link *l)
{
    const struct conn *c = l->client.conn;
    enum conn_peer peer = conn_peer(c);
    int unread = 0;

    if (peer == CONN_PEER_FINISHED && ioctl(conn_fd(c), FIONREAD, &unread) == 0) {
        return unread == 0;
    }
    return peer == CONN_PEER_GONE;
}

void tcp_link_try(struct tcp_link *l)
{
    struct tcp_worker *w = l->worker;

    if (l->phase == TCP_PHASE_HELD && tcp_link_has_left(l)) {
        tcp_link_close(l);
        return;
    }
    if (l->phase == TCP_PHASE_HELD) {
        tcp_held_remove(w, l);
    }
    l->phase = TCP_PHASE_SEEKING;
    const struct tcp_member *m = NULL;
    while ((m = tcp_pick(w, l)) != NULL) {
        if (tcp_link_connect(l, m)) {
            return;
        }
    }
    if (!tcp_held_add(w, l)) {
        TCP_COUNT(&w->counts, refused, 1);
        tcp_link_reset(l);
    }
}

/* ---- the client ---- */

/* Told with a reset, and in the log now and then. */
static void tcp_worker_refuse(struct tcp_worker *w, struct conn *c)
{
    struct tcp_side side = {.conn = c};

    TCP_COUNT(&w->counts, refused, 1);
    if (tcp_worker_may_tell(w)) {
        log_warning("%s: a client is refused: %u connections, as connections_max says",
                    w->plan->name, w->plan->connections_max);
    }
    tcp_side_set_reset(&side);
    conn_close(c);
}

void tcp_link_accept(void *ctx, struct conn *c)
{
    struct tcp_worker *w = ctx;

    TCP_COUNT(&w->counts, accepted, 1);
    if (tcp_shared_add(&w->shared->connections) > w->plan->connections_max) {
        tcp_shared_sub(&w->shared->connections);
        tcp_worker_refuse(w, c);
        return;
    }
    struct tcp_link *l = memory_zeroed(sizeof(*l));
    *l = (struct tcp_link){.worker = w, .next = w->links, .since_ms = tcp_worker_now(w)};
    l->client = (struct tcp_side){.link = l, .conn = c};
    l->member = (struct tcp_side){.link = l};
    l->active_at_ms = l->since_ms;
    if (w->links != NULL) {
        w->links->before = l;
    } else {
        tcp_worker_tick_by(w, l->since_ms + TCP_HOUSEKEEPING_MS);
    }
    w->links = l;
    conn_set_read_max(c, TCP_READ_MAX_BYTES);
    conn_set_handlers(c, &client_handlers, &l->client);
    conn_pause_read(c);
    tcp_link_try(l);
}

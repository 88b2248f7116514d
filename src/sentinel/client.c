#include "sentinel/client.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "loop/log.h"
#include "sentinel/port.h"
#include "sentinel/pubsub.h"

/*
 * The life of a connection to the port: bytes in, commands in their order, replies out. A client
 * whose command waits (for the disk, for CLIENT PAUSE), that does not read its replies, or that
 * sent more than its share of this turn, is not read from meanwhile: what it sent stays in c->query
 * and in the kernel.
 */

static const struct resp_limits limits_known = {
    .args_max = PORT_ARGS_MAX,
    .bulk_bytes_max = RESP_COMMAND_BULK_BYTES_MAX,
    .inline_bytes_max = RESP_INLINE_BYTES_MAX,
};

static void backlog_add(struct client *c);
static void backlog_remove(struct client *c);

/* ---- output ---- */

static void client_flush(struct client *c)
{
    if (c->out.len > 0) {
        c->turn_bytes += c->out.len;
        c->port->counters.output_bytes_total += c->out.len;
        c->port->writes_total++;
        conn_writebuf(c->conn, &c->out);
    }
    c->reply_at = 0;
}

static void client_overflow(struct client *c, const char *what)
{
    struct buf line = {0};

    client_describe(c, &line);
    log_warning("client closed, over the %s: %s", what, buf_data(&line));
    buf_finish(&line);
    c->port->counters.overflows_total++;
    client_doom(c);
}

/* Redis' client-output-buffer-limit; the hard one is the connection's own limit too, see
 * client_class_changed(). */
static void client_check_output(struct client *c, msec_t now)
{
    const struct conf_output_limit *limit = &port_conf(c->port)->output_limits[client_class(c)];
    size_t pending = conn_pending_bytes(c->conn);

    if (limit->hard_bytes > 0 && pending > (size_t)limit->hard_bytes) {
        client_overflow(c, "output buffer limit");
        return;
    }
    if (limit->soft_bytes == 0 || pending <= (size_t)limit->soft_bytes) {
        c->soft_since = 0;
    } else if (c->soft_since == 0) {
        c->soft_since = now;
    } else if (now - c->soft_since > limit->soft_s * 1000) {
        client_overflow(c, "soft output buffer limit");
    }
}

void client_push(struct client *c, const struct buf *bytes)
{
    if (c->is_doomed) {
        return;
    }
    client_flush(c);
    c->turn_bytes += bytes->len;
    c->port->counters.output_bytes_total += bytes->len;
    conn_write(c->conn, buf_data(bytes), bytes->len);
    client_check_output(c, client_now(c));
}

enum conf_client_class client_class(const struct client *c)
{
    return client_is_subscribed(c) ? CONF_CLIENT_PUBSUB : CONF_CLIENT_NORMAL;
}

void client_class_changed(struct client *c)
{
    int64_t hard = port_conf(c->port)->output_limits[client_class(c)].hard_bytes;

    conn_set_limits(c->conn, PORT_QUERY_BYTES_MAX + CONN_INPUT_MAX_BYTES,
                    hard > 0 && hard < PORT_OUTPUT_BYTES_MAX ? (size_t)hard
                                                             : PORT_OUTPUT_BYTES_MAX);
}

/* A reply is complete, or its command has none. */
static void client_end_reply(struct client *c)
{
    if (c->out.len > c->reply_at && buf_data(&c->out)[c->reply_at] == '-') {
        c->port->counters.error_replies_total++;
    }
    switch (c->reply) {
    case CLIENT_REPLY_ON:
        break;
    case CLIENT_REPLY_OFF:
        if (c->out.len > c->reply_at) { /* else CLIENT REPLY OFF itself, behind earlier replies */
            buf_clear(&c->out);
        }
        break;
    case CLIENT_REPLY_SKIP_NEXT:
        c->reply = CLIENT_REPLY_SKIP;
        break;
    case CLIENT_REPLY_SKIP:
        buf_clear(&c->out);
        c->reply = CLIENT_REPLY_ON;
        break;
    }
}

/* ---- commands ---- */

static bool client_may_run(struct client *c)
{
    if (c->is_doomed || c->is_closing || c->wait != CLIENT_WAIT_NONE) {
        return false;
    }
    if (c->held.argc > 0 && port_is_paused(c->port)) {
        return false;
    }
    if (conn_pending_bytes(c->conn) > PORT_CHOKE_BYTES) {
        c->is_choked = true;
    }
    return !c->is_choked;
}

/* False: the command could not run yet. */
static bool client_command(struct client *c, const struct resp_command *command)
{
    struct sentinel *port = c->port;

    if (c->reply != CLIENT_REPLY_ON) {
        client_flush(c); /* so that what is thrown away is this reply alone */
    }
    c->reply_at = c->out.len;
    port->running = c;
    bool ran = dispatch_command(c, command);
    port->running = NULL;
    if (ran && c->wait == CLIENT_WAIT_NONE) {
        client_end_reply(c);
    }
    return ran;
}

static void client_run_held(struct client *c)
{
    struct held_command held = c->held;
    struct resp_command command = {.argc = held.argc, .argv = held.argv};

    c->held = (struct held_command){0};
    if (client_command(c, &command)) {
        held_command_finish(&held);
    } else {
        c->held = held;
    }
}

static void client_bad(struct client *c)
{
    log_info("client %s: %s", c->peer, resp_command_error(&c->reader));
    resp_write_error(&c->out, "ERR %s", resp_command_error(&c->reader));
    c->port->counters.protocol_errors_total++;
    c->port->counters.error_replies_total++;
    c->is_closing = true;
}

/* Runs what *in holds, which is what the connection shows or c->query. */
static void client_run(struct client *c, struct buf *in)
{
    size_t commands = 0;
    bool is_done = false;

    c->turn_bytes = 0;
    while (!is_done && client_may_run(c)) {
        struct resp_command command;

        if (commands == PORT_TURN_COMMANDS || c->turn_bytes + c->out.len > PORT_TURN_OUTPUT_BYTES) {
            backlog_add(c);
            break;
        }
        commands++;
        if (c->held.argc > 0) {
            client_run_held(c);
            continue;
        }
        switch (resp_command_read(
            &c->reader, in, c->user == NULL ? &resp_limits_stranger : &limits_known, &command)) {
        case RESP_MORE:
            is_done = true;
            break;
        case RESP_BAD:
            client_bad(c);
            break;
        case RESP_READY:
            if (!client_command(c, &command)) {
                held_command_take(&c->held, &command);
            }
            break;
        }
    }
    client_flush(c);
    if (c->is_closing) {
        client_doom(c);
    }
}

/* Reading goes on only when everything read was run. */
static void client_settle(struct client *c)
{
    int64_t limit = port_conf(c->port)->options.client_query_buffer_limit_bytes;

    if (c->is_doomed) {
        return;
    }
    if (c->query.len > c->port->query_peak_bytes) {
        c->port->query_peak_bytes = c->query.len;
    }
    if (c->query.len > PORT_QUERY_BYTES_MAX || (int64_t)c->query.len > limit) {
        client_overflow(c, "query buffer limit");
        return;
    }
    client_check_output(c, client_now(c));
    if (c->is_doomed) {
        return;
    }
    if (c->wait != CLIENT_WAIT_NONE || c->held.argc > 0 || c->is_choked || c->in_backlog) {
        conn_pause_read(c->conn);
    } else {
        conn_resume_read(c->conn);
    }
}

static void client_on_data(void *ctx, struct conn *conn, struct buf *in)
{
    struct client *c = ctx;
    size_t before = c->query.len;

    (void)conn;
    c->active_at = client_now(c);
    c->port->reads_total++;
    c->port->counters.input_bytes_total += in->len;
    if (c->is_doomed) {
        buf_take(in, in->len);
        return;
    }
    if (before > 0) {
        buf_append(&c->query, buf_data(in), in->len);
        buf_take(in, in->len);
        client_run(c, &c->query);
    } else {
        client_run(c, in);
        /* The reader counts from the front of its input, and so moves along with these bytes. */
        buf_append(&c->query, buf_data(in), in->len);
        buf_take(in, in->len);
    }
    client_settle(c);
}

static void client_on_drain(void *ctx, struct conn *conn)
{
    struct client *c = ctx;

    (void)conn;
    c->soft_since = 0;
    if (c->is_choked) {
        c->is_choked = false;
        client_wake(c);
    }
}

static void client_on_end(void *ctx, struct conn *conn, enum conn_end why, const char *text)
{
    struct client *c = ctx;

    (void)conn;
    if (why == CONN_OVERFLOW && !c->is_doomed) {
        c->port->counters.overflows_total++;
        log_warning("client %s closed: %s", c->peer, text);
    }
    c->conn = NULL;
    client_free(c);
}

static const struct conn_handlers client_handlers = {
    .on_data = client_on_data,
    .on_end = client_on_end,
    .on_drain = client_on_drain,
};

/* ---- waiting ---- */

void client_wait(struct client *c, enum client_wait why)
{
    ASSERT(c->wait == CLIENT_WAIT_NONE);
    ASSERT(why != CLIENT_WAIT_NONE);
    c->wait = why;
    c->port->waiting++;
}

void client_answered(struct client *c)
{
    ASSERT(c->wait != CLIENT_WAIT_NONE);
    c->wait = CLIENT_WAIT_NONE;
    c->port->waiting--;
    if (c->is_doomed) {
        buf_clear(&c->out);
        return;
    }
    if (c->port->running == c) {
        return; /* answered from inside its own command: client_command() goes on */
    }
    client_end_reply(c);
    client_flush(c);
    client_wake(c);
}

void client_wake(struct client *c)
{
    if (!c->is_doomed) {
        backlog_add(c);
    }
}

static void backlog_add(struct client *c)
{
    struct sentinel *port = c->port;

    if (c->in_backlog) {
        return;
    }
    c->in_backlog = true;
    c->backlog_prev = NULL;
    c->backlog_next = port->backlog;
    if (port->backlog != NULL) {
        port->backlog->backlog_prev = c;
    }
    port->backlog = c;
    loop_timer_at(port->turn, loop_now(port->loop));
}

static void backlog_remove(struct client *c)
{
    if (!c->in_backlog) {
        return;
    }
    if (c->backlog_prev != NULL) {
        c->backlog_prev->backlog_next = c->backlog_next;
    } else {
        c->port->backlog = c->backlog_next;
    }
    if (c->backlog_next != NULL) {
        c->backlog_next->backlog_prev = c->backlog_prev;
    }
    c->in_backlog = false;
    c->backlog_prev = NULL;
    c->backlog_next = NULL;
}

static void client_run_backlog(struct sentinel *port)
{
    struct client *ready = port->backlog;

    /* Detached as a whole: who joins the backlog from now on has its turn the next time. Nobody is
     * freed meanwhile, clients are only doomed. */
    port->backlog = NULL;
    while (ready != NULL) {
        struct client *c = ready;

        ready = c->backlog_next;
        c->in_backlog = false;
        c->backlog_prev = NULL;
        c->backlog_next = NULL;
        if (!c->is_doomed) {
            client_run(c, &c->query);
            client_settle(c);
        }
    }
}

void client_turn(void *arg)
{
    struct sentinel *port = arg;

    struct client *doomed = port->doomed;

    while (doomed != NULL) {
        struct client *c = doomed;

        doomed = c->doomed_next; /* client_free() dooms nobody else */
        client_free(c);
    }
    client_run_backlog(port);
}

/* ---- life ---- */

static void client_link(struct client *c)
{
    struct sentinel *port = c->port;
    struct client **bucket = &port->buckets[c->id % PORT_BUCKETS];

    c->prev = port->last;
    if (port->last != NULL) {
        port->last->next = c;
    } else {
        port->first = c;
    }
    port->last = c;
    c->bucket_next = *bucket;
    *bucket = c;
    port->clients++;
}

static void client_unlink(struct client *c)
{
    struct sentinel *port = c->port;

    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        port->first = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    } else {
        port->last = c->prev;
    }
    struct client **at = &port->buckets[c->id % PORT_BUCKETS];
    while (*at != c) {
        at = &(*at)->bucket_next;
    }
    *at = c->bucket_next;
    if (c->is_doomed) {
        at = &port->doomed;
        while (*at != c) {
            at = &(*at)->doomed_next;
        }
        *at = c->doomed_next;
    } else {
        port->clients--;
    }
}

void client_accept(struct sentinel *port, struct conn *conn)
{
    const struct sentinel_conf *conf = port_conf(port);
    struct client *c = memory_zeroed(sizeof(*c));
    struct addr at;

    c->port = port;
    c->conn = conn;
    c->id = ++port->next_id;
    c->version = RESP_2;
    c->created_at = loop_now(port->loop);
    c->active_at = c->created_at;
    if (conn_peer_addr(conn, &at)) {
        addr_text(&at, c->peer);
        if (conn_local_addr(conn, &at)) {
            addr_text(&at, c->local);
        }
    } else {
        struct buf text = {0};

        buf_printf(&text, "%s:0", conf->options.unixsocket);
        text_cut(c->peer, sizeof(c->peer), buf_data(&text));
        text_cut(c->local, sizeof(c->local), buf_data(&text));
        buf_finish(&text);
    }
    if (acl_is_open(port->acl)) {
        c->user = acl_hold(acl_default(port->acl));
    }
    client_link(c);
    conn_set_handlers(conn, &client_handlers, c);
    conn_set_keepalive(conn, (int)conf->options.tcp_keepalive_s);
    client_class_changed(c);
    if (!loop_timer_is_set(port->sweep)) {
        loop_timer_at(port->sweep, c->created_at + PORT_SWEEP_MS);
    }
}

void client_free(struct client *c)
{
    struct sentinel *port = c->port;

    pubsub_leave(c);
    backlog_remove(c);
    if (c->wait != CLIENT_WAIT_NONE) {
        port->waiting--;
    }
    if ((c->tracking & CLIENT_TRACKING) != 0) {
        port->tracking--;
    }
    client_unlink(c);
    if (c->resolving != NULL) {
        loop_resolve_cancel(c->resolving);
    }
    if (c->conn != NULL && c->is_closing) {
        conn_close_after_flush(c->conn);
    } else {
        conn_close(c->conn);
    }
    acl_release(c->user);
    resp_command_finish(&c->reader);
    held_command_finish(&c->held);
    buf_finish(&c->query);
    buf_finish(&c->out);
    buf_finish(&c->tracking_prefixes);
    free(c->pending);
    free(c->name);
    free(c->lib_name);
    free(c->lib_version);
    free(c);
}

void client_doom(struct client *c)
{
    struct sentinel *port = c->port;

    if (c->is_doomed) {
        return;
    }
    c->is_doomed = true;
    conn_pause_read(c->conn);
    port->clients--;
    c->doomed_next = port->doomed;
    port->doomed = c;
    loop_timer_at(port->turn, loop_now(port->loop));
}

void client_kill(struct client *c)
{
    if (c->port->running == c) {
        c->is_closing = true;
    } else {
        client_doom(c);
    }
}

void client_sweep(struct client *c, msec_t now)
{
    int64_t timeout_s = port_conf(c->port)->options.timeout_s;

    client_check_output(c, now);
    if (timeout_s > 0 && !client_is_subscribed(c) && c->wait == CLIENT_WAIT_NONE &&
        c->held.argc == 0 && now - c->active_at > timeout_s * 1000) {
        log_info("closing idle client %s", c->peer);
        client_doom(c);
    }
}

struct client *client_find(const struct sentinel *port, uint64_t id)
{
    struct client *c = port->buckets[id % PORT_BUCKETS];

    while (c != NULL && c->id != id) {
        c = c->bucket_next;
    }
    return c;
}

void client_each(struct sentinel *port, client_visit visit, void *ctx)
{
    for (struct client *c = port->first; c != NULL; c = c->next) {
        if (!c->is_doomed) {
            visit(ctx, c);
        }
    }
}

#include "sentinel/sentinel.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "loop/log.h"
#include "sentinel/acl_file.h"
#include "sentinel/cmd_sentinel.h"
#include "sentinel/port.h"
#include "sentinel/pubsub.h"

/* The port as a whole: its listeners, who is let in, the ACL, and the answers of the core. */

/* Redis: silence for this long in a TLS handshake ends it. */
enum { PORT_HANDSHAKE_MS = 10000 };

/* ---- letting in ---- */

static void port_reject(struct sentinel *port, struct conn *conn, const char *text)
{
    port->counters.connections_rejected++;
    if (conn_is_tls(conn)) {
        conn_close(conn); /* no handshake for a text nobody may read */
        return;
    }
    conn_write_text(conn, text);
    conn_close_after_flush(conn);
}

/* Above maxclients a flood must not cost a write for each connection. */
static bool port_may_tell(struct sentinel *port)
{
    msec_t now = loop_now(port->loop);

    if (now - port->denied_at >= 1000) {
        port->denied_at = now;
        port->denied_in_s = 0;
    }
    return port->denied_in_s++ < PORT_DENIED_MAX_PER_S;
}

static bool port_is_loopback(const struct conn *conn)
{
    struct addr at;

    if (!conn_peer_addr(conn, &at)) {
        return true; /* a unix socket */
    }
    return strncmp(at.ip, "127.", 4) == 0 || strcmp(at.ip, "::1") == 0;
}

static void port_on_accept(void *ctx, struct conn *conn)
{
    struct sentinel *port = ctx;
    const struct sentinel_conf *conf = port_conf(port);

    port->counters.connections_total++;
    if ((int64_t)port->clients >= conf->options.maxclients) {
        if (port_may_tell(port)) {
            port_reject(port, conn, "-ERR max number of clients reached\r\n");
        } else {
            port->counters.connections_rejected++;
            conn_close(conn);
        }
        return;
    }
    if (conf->options.protected_mode && acl_is_open(port->acl) && !port_is_loopback(conn)) {
        port_reject(
            port, conn,
            "-DENIED This Sentinel is in protected mode: it has no password, so it only serves "
            "the loopback interface. To connect from elsewhere set one (requirepass, or a "
            "password of the ACL user default) in its configuration, or, when the network is "
            "trusted, protected-mode no.\r\n");
        return;
    }
    client_accept(port, conn);
}

/* ---- listeners ---- */

static bool port_listen(struct sentinel *port, const struct listener_plan *plan, uint16_t *real,
                        struct err *err)
{
    if (port->listeners_count == PORT_LISTENERS_MAX) {
        return err_set(err, "bind: at most %d addresses", PORT_LISTENERS_MAX);
    }
    struct listener *l = listener_open(port->loop, plan, port_on_accept, port, err);
    if (l == NULL) {
        return false;
    }
    port->listeners[port->listeners_count++] = l;
    if (real != NULL && *real == 0) {
        *real = listener_port(l);
    }
    return true;
}

/* One address of "bind". A "-" in front: it may be missing. */
static bool port_listen_at(struct sentinel *port, const char *host,
                           const struct listener_plan *plan, uint16_t number, uint16_t *real,
                           struct err *err)
{
    bool may_miss = host[0] == '-';
    struct addr at = {0};
    struct listener_plan here = *plan;
    struct err local;

    host += may_miss ? 1 : 0;
    if (strcmp(host, "*") == 0) {
        host = "0.0.0.0";
    } else if (strcmp(host, "::*") == 0) {
        host = "::";
    }
    if (!addr_set(&at, host, number)) {
        return err_set(err, "bind: %s is not an address", host);
    }
    here.at = &at;
    if (port_listen(port, &here, real, &local)) {
        return true;
    }
    if (may_miss) {
        log_warning("not listening on %s: %s", host, local.text);
        return true;
    }
    return err_set(err, "%s", local.text);
}

/* Without "bind" Redis serves every address of both families, and bears a machine without IPv6. */
static bool port_listen_tcp(struct sentinel *port, int64_t number, struct tls_context *tls,
                            uint16_t *real, struct err *err)
{
    static const char *const everywhere[] = {"*", "-::*"};
    const struct sentinel_conf *conf = port_conf(port);
    bool is_default = conf->bind.count == 0;
    size_t count = is_default ? COUNT_OF(everywhere) : conf->bind.count;
    struct listener_plan plan = {
        .backlog = (int)conf->options.tcp_backlog,
        .tls = tls,
        .handshake_timeout_ms = tls == NULL ? 0 : PORT_HANDSHAKE_MS,
    };

    for (size_t i = 0; i < count; i++) {
        const char *host = is_default ? everywhere[i] : conf->bind.items[i].text;
        if (!port_listen_at(port, host, &plan, (uint16_t)number, real, err)) {
            return false;
        }
    }
    return true;
}

static bool port_open(struct sentinel *port, const struct sentinel_settings *settings,
                      struct err *err)
{
    const struct conf_options *options = &settings->conf->options;

    if (options->port > 0 && !port_listen_tcp(port, options->port, NULL, &port->tcp_port, err)) {
        return false;
    }
    if (options->tls_port > 0 && settings->tls != NULL &&
        !port_listen_tcp(port, options->tls_port, settings->tls, &port->tls_port, err)) {
        return false;
    }
    if (options->unixsocket[0] != '\0') {
        struct listener_plan plan = {
            .unix_path = options->unixsocket,
            .unix_mode = (mode_t)options->unixsocketperm,
            .backlog = (int)options->tcp_backlog,
        };
        return port_listen(port, &plan, NULL, err);
    }
    return true;
}

/* ---- users ---- */

struct user_change {
    const struct acl_user *user;
    enum acl_change change;
};

static void port_visit_user(void *ctx, struct client *c)
{
    const struct user_change *change = ctx;

    if (c->user == change->user && (change->change != ACL_USER_CHANGED || pubsub_is_forbidden(c))) {
        client_kill(c);
    }
}

static void port_on_acl_change(void *arg, struct acl_user *user, enum acl_change change)
{
    struct user_change what = {.user = user, .change = change};
    struct sentinel *port = arg;

    port->users_changed = true;
    client_each(arg, port_visit_user, &what);
}

static bool port_load_users(struct sentinel *port, const struct sentinel_conf *conf,
                            struct err *err)
{
    struct acl_options options = {
        .is_channels_open = conf->options.acl_pubsub_default == CONF_ACL_PUBSUB_ALLCHANNELS,
        .log_max = (size_t)conf->options.acllog_max_len,
        .on_change = port_on_acl_change,
        .arg = port,
    };

    port->acl = acl_create(&options);
    acl_require_password(port->acl, conf->options.requirepass.text);
    for (size_t i = 0; i < conf->user_lines.count; i++) {
        if (!acl_load_line(port->acl, conf->user_lines.items[i].text, err)) {
            return err_wrap(err, "user");
        }
    }
    if (conf->options.aclfile[0] != '\0' && !acl_file_load(port->acl, conf->options.aclfile, err)) {
        return err_wrap(err, "aclfile");
    }
    port->users_changed = false;
    return true;
}

void sentinel_export_users(const struct sentinel *port, struct sentinel_conf *conf)
{
    struct buf line = {0};

    if (!port->users_changed || conf->options.aclfile[0] != '\0') {
        return;
    }
    conf_strings_clear(&conf->user_lines);
    for (size_t i = 0; i < acl_users_count(port->acl); i++) {
        buf_clear(&line);
        acl_user_print_line(acl_user_at(port->acl, i), &line);
        conf_strings_add(&conf->user_lines, buf_data(&line), 0);
    }
    buf_finish(&line);
}

/* Which rule of an ACL is about a row. Rules may name whatever the port answers. */
static int port_acl_number(const struct command_row *row)
{
    int number = acl_command_find(row->name, strlen(row->name));

    ASSERT(number != ACL_COMMAND_NONE);
    return number;
}

/* ---- life ---- */

static void port_set_rates(struct sentinel *port, msec_t now)
{
    double seconds = (double)(now - port->last_sweep.at) / 1000.0;
    const struct sentinel_counters *n = &port->counters;

    if (seconds > 0) {
        port->commands_per_s = (double)(n->commands_total - port->last_sweep.commands) / seconds;
        port->input_bytes_per_s =
            (double)(n->input_bytes_total - port->last_sweep.input_bytes) / seconds;
        port->output_bytes_per_s =
            (double)(n->output_bytes_total - port->last_sweep.output_bytes) / seconds;
    }
    port->last_sweep.commands = n->commands_total;
    port->last_sweep.input_bytes = n->input_bytes_total;
    port->last_sweep.output_bytes = n->output_bytes_total;
    port->last_sweep.at = now;
}

static void port_on_sweep(void *arg)
{
    struct sentinel *port = arg;
    msec_t now = loop_now(port->loop);

    port_set_rates(port, now);
    for (struct client *c = port->first; c != NULL; c = c->next) {
        if (!c->is_doomed) {
            client_sweep(c, now);
        }
    }
    if (port->first != NULL) {
        loop_timer_at(port->sweep, now + PORT_SWEEP_MS);
    }
}

static void port_wake(void *ctx, struct client *c)
{
    (void)ctx;
    if (c->held.argc > 0) {
        client_wake(c);
    }
}

void port_unpause(void *arg)
{
    struct sentinel *port = arg;

    port->paused_until = 0;
    loop_timer_clear(port->pause_end);
    client_each(port, port_wake, NULL);
}

struct sentinel *sentinel_create(struct loop *loop, const struct sentinel_settings *settings,
                                 const struct sentinel_ops *ops, void *ctx, struct err *err)
{
    struct sentinel *port = memory_zeroed(sizeof(*port));

    port->loop = loop;
    port->ops = ops;
    port->ctx = ctx;
    port->config_file = memory_text(settings->config_file);
    port->executable = memory_text(settings->executable);
    port->started_at = loop_now(loop);
    port->turn = loop_timer_create(loop, client_turn, port);
    port->sweep = loop_timer_create(loop, port_on_sweep, port);
    port->pause_end = loop_timer_create(loop, port_unpause, port);
    port->last_sweep.at = port->started_at;
    port->acl_commands = memory_zeroed(command_table_count() * sizeof(*port->acl_commands));
    for (uint32_t id = 0; id < command_table_count(); id++) {
        port->acl_commands[id] = port_acl_number(command_table_at(id));
    }
    if (!port_load_users(port, settings->conf, err) || !port_open(port, settings, err)) {
        sentinel_destroy(port);
        return NULL;
    }
    return port;
}

void sentinel_destroy(struct sentinel *port)
{
    if (port == NULL) {
        return;
    }
    for (uint32_t i = 0; i < port->listeners_count; i++) {
        listener_close(port->listeners[i]);
    }
    while (port->first != NULL) {
        client_free(port->first);
    }
    pubsub_finish(port);
    loop_timer_destroy(port->turn);
    loop_timer_destroy(port->sweep);
    loop_timer_destroy(port->pause_end);
    acl_destroy(port->acl);
    buf_finish(&port->message);
    free(port->acl_commands);
    free(port->config_file);
    free(port->executable);
    free(port);
}

/* ---- the answers of the core ---- */

uint32_t sentinel_publish(struct sentinel *port, const char *channel, const char *payload)
{
    return pubsub_publish(port, channel, payload);
}

void sentinel_reply_ask(struct sentinel *port, uint64_t token, bool down, const char *leader,
                        uint64_t leader_epoch)
{
    struct client *c = client_find(port, token);

    if (c == NULL || c->wait != CLIENT_WAIT_ASK) {
        return;
    }
    resp_write_array(&c->out, 3);
    resp_write_integer(&c->out, down ? 1 : 0);
    resp_write_text(&c->out, leader[0] == '\0' ? "*" : leader);
    resp_write_integer(&c->out, (int64_t)leader_epoch);
    client_answered(c);
}

void sentinel_reply_command(struct sentinel *port, uint64_t token, enum command_result result,
                            uint32_t count)
{
    struct client *c = client_find(port, token);

    if (c == NULL || c->wait != CLIENT_WAIT_COMMAND) {
        return;
    }
    cmd_sentinel_write_result(c, result, count);
    client_answered(c);
}

/* ---- looking ---- */

uint16_t sentinel_tcp_port(const struct sentinel *port)
{
    return port->tcp_port;
}

uint16_t sentinel_tls_port(const struct sentinel *port)
{
    return port->tls_port;
}

void sentinel_counters(const struct sentinel *port, struct sentinel_counters *counters)
{
    *counters = port->counters;
    counters->clients = port->clients;
    counters->subscribers = port->subscribers;
}

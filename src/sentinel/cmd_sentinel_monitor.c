#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/cmd_sentinel.h"
#include "sentinel/port.h"

/*
 * SENTINEL MONITOR <name> <ip> <port> <quorum>. The order of the complaints is Sentinel's. A host
 * name is looked up first, off the loop; the client waits for it.
 */

/* Sentinel takes any name. One with a comma would break the hello message it stands in, one with
 * white space the line of the file. */
static bool name_is_good(const struct resp_text *name)
{
    if (name->len == 0 || name->len >= MASTER_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name->len; i++) {
        unsigned char byte = (unsigned char)name->bytes[i];
        if (byte <= ' ' || byte == 0x7f || byte == ',') {
            return false;
        }
    }
    return true;
}

static void monitor_on_name(void *ctx, const char *ip, const char *why)
{
    struct client *c = ctx;
    struct event *event = c->pending;

    (void)why;
    c->resolving = NULL;
    c->pending = NULL;
    if (ip == NULL || !text_copy(event->command.addr.ip, sizeof(event->command.addr.ip), ip)) {
        resp_write_error(&c->out, "ERR Invalid IP address or hostname specified");
        client_answered(c);
    } else {
        /* From waiting for the name to waiting for the core. */
        c->wait = CLIENT_WAIT_NONE;
        c->port->waiting--;
        cmd_sentinel_submit(c, event);
    }
    free(event);
}

static void monitor_lookup(struct client *c, struct event *event)
{
    c->pending = event;
    client_wait(c, CLIENT_WAIT_NAME);
    c->resolving = loop_resolve(c->port->loop, event->command.addr.name, monitor_on_name, c);
}

static bool monitor_numbers(struct client *c, const struct resp_command *command, int64_t *number,
                            int64_t *quorum)
{
    if (!client_number(c, &command->argv[5], "Invalid quorum", quorum) ||
        !client_number(c, &command->argv[4], "Invalid port", number)) {
        return false;
    }
    if (*quorum <= 0) {
        resp_write_error(&c->out, "ERR Quorum must be 1 or greater.");
        return false;
    }
    if (*quorum > CONF_COUNT_MAX) {
        resp_write_error(&c->out, "ERR Invalid quorum");
        return false;
    }
    return true;
}

void cmd_sentinel_monitor(struct client *c, const struct resp_command *command)
{
    const struct failover_tuning *tuning = failover_tuning_now(port_core(c->port));
    const struct resp_text *host = &command->argv[3];
    int64_t number;
    int64_t quorum;

    if (!monitor_numbers(c, command, &number, &quorum)) {
        return;
    }
    struct event *event = cmd_sentinel_event(c, COMMAND_MONITOR);
    struct command *order = &event->command;
    bool is_port = number > 0 && number <= UINT16_MAX; /* Sentinel takes 0, which is nobody's */

    order->config = (struct master_config){
        .quorum = (uint32_t)quorum,
        .parallel_syncs = 1,
        .down_after_ms = tuning->default_down_after,
        .failover_timeout_ms = tuning->default_failover_timeout,
    };
    if (strlen(host->bytes) != host->len ||
        !addr_set(&order->addr, host->bytes, is_port ? (uint16_t)number : 0) ||
        (order->addr.ip[0] == '\0' && !port_conf(c->port)->resolve_hostnames)) {
        resp_write_error(&c->out, "ERR Invalid IP address or hostname specified");
    } else if (!is_port) {
        resp_write_error(&c->out, "ERR Invalid port number.");
    } else if (!name_is_good(&command->argv[2]) ||
               !cmd_sentinel_copy(order->name, sizeof(order->name), &command->argv[2])) {
        resp_write_error(&c->out,
                         "ERR Invalid master name: 1 to %d characters, none of them a comma "
                         "or white space",
                         MASTER_NAME_MAX - 1);
    } else if (failover_master_named(port_core(c->port), order->name) != NULL) {
        resp_write_error(&c->out, "ERR Duplicate master name.");
    } else if (order->addr.ip[0] == '\0') {
        monitor_lookup(c, event);
        return; /* the event waits with the client */
    } else {
        cmd_sentinel_submit(c, event);
    }
    free(event);
}

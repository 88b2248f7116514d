#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"

/* CLIENT, but for KILL and LIST (cmd_client_list.c) and tracking (cmd_client_tracking.c). */

void cmd_client_id(struct client *c, const struct resp_command *command)
{
    (void)command;
    resp_write_integer(&c->out, (int64_t)c->id);
}

void cmd_client_getname(struct client *c, const struct resp_command *command)
{
    (void)command;
    if (c->name == NULL) {
        resp_write_null(&c->out, c->version);
    } else {
        resp_write_text(&c->out, c->name);
    }
}

void cmd_client_setname(struct client *c, const struct resp_command *command)
{
    if (client_check_word(c, &command->argv[2], "Client names")) {
        client_set_word(&c->name, &command->argv[2]);
        resp_write_simple(&c->out, "OK");
    }
}

void cmd_client_setinfo(struct client *c, const struct resp_command *command)
{
    const struct resp_text *what = &command->argv[2];
    const struct resp_text *value = &command->argv[3];
    bool is_name = client_word_is(what, "lib-name");

    if (!is_name && !client_word_is(what, "lib-ver")) {
        resp_write_error(&c->out, "ERR Unrecognized option '%.128s'", what->bytes);
        return;
    }
    if (client_check_word(c, value, is_name ? "lib-name" : "lib-ver")) {
        client_set_word(is_name ? &c->lib_name : &c->lib_version, value);
        resp_write_simple(&c->out, "OK");
    }
}

void cmd_client_reply(struct client *c, const struct resp_command *command)
{
    const struct resp_text *mode = &command->argv[2];

    if (client_word_is(mode, "on")) {
        c->reply = CLIENT_REPLY_ON;
        resp_write_simple(&c->out, "OK");
    } else if (client_word_is(mode, "off")) {
        c->reply = CLIENT_REPLY_OFF;
    } else if (!client_word_is(mode, "skip")) {
        resp_write_error(&c->out, "ERR syntax error");
    } else if (c->reply != CLIENT_REPLY_OFF) {
        c->reply = CLIENT_REPLY_SKIP_NEXT;
    }
}

void cmd_client_no_evict(struct client *c, const struct resp_command *command)
{
    bool is_on = client_word_is(&command->argv[2], "on");

    if (is_on || client_word_is(&command->argv[2], "off")) {
        c->no_evict = is_on;
        resp_write_simple(&c->out, "OK");
    } else {
        resp_write_error(&c->out, "ERR syntax error");
    }
}

/* Nothing blocks here: there is never a client to wake. */
void cmd_client_unblock(struct client *c, const struct resp_command *command)
{
    int64_t id;

    if (command->argc > 4) {
        client_usage(c, "CLIENT", command);
        return;
    }
    if (command->argc == 4 && !client_word_is(&command->argv[3], "timeout") &&
        !client_word_is(&command->argv[3], "error")) {
        resp_write_error(&c->out, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (client_number(c, &command->argv[2], NULL, &id)) {
        resp_write_integer(&c->out, 0);
    }
}

/* ---- PAUSE ---- */

void cmd_client_pause(struct client *c, const struct resp_command *command)
{
    struct sentinel *port = c->port;
    bool writes_only = command->argc == 4 && client_word_is(&command->argv[3], "write");
    int64_t pause_ms;

    if (command->argc > 4) {
        client_usage(c, "CLIENT", command);
        return;
    }
    if (command->argc == 4 && !writes_only && !client_word_is(&command->argv[3], "all")) {
        resp_write_error(&c->out, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return;
    }
    if (!client_number(c, &command->argv[2], "timeout is not an integer or out of range",
                       &pause_ms)) {
        return;
    }
    if (pause_ms < 0) {
        resp_write_error(&c->out, "ERR timeout is negative");
        return;
    }
    if (pause_ms > INT64_MAX - client_now(c)) {
        resp_write_error(&c->out, "ERR timeout is out of range");
        return;
    }
    msec_t until = client_now(c) + pause_ms;
    /* The longer and the stricter of two pauses counts, as in Redis. */
    port->pause_writes_only = writes_only && !port_is_paused(port);
    if (until > port->paused_until) {
        port->paused_until = until;
    }
    loop_timer_at(port->pause_end, port->paused_until);
    resp_write_simple(&c->out, "OK");
}

void cmd_client_unpause(struct client *c, const struct resp_command *command)
{
    (void)command;
    port_unpause(c->port);
    resp_write_simple(&c->out, "OK");
}

/* ---- HELP ---- */

static const char *const lines[] = {
    "CACHING (YES|NO)",
    "    Whether the keys of the next command are tracked.",
    "GETNAME",
    "    The name of this connection.",
    "GETREDIR",
    "    The connection that tracking messages go to.",
    "ID",
    "    The number of this connection.",
    "INFO",
    "    What is known about this connection.",
    "KILL <ip:port>",
    "    Close the connection from this address.",
    "KILL <option> <value> [<option> <value> ...]",
    "    Close connections by ID, ADDR, LADDR, TYPE (normal, master, replica, pubsub) or",
    "    USER; SKIPME no includes this one.",
    "LIST [TYPE (normal|master|replica|pubsub)] [ID <id> ...]",
    "    One line for each connection.",
    "NO-EVICT (ON|OFF)",
    "    Accepted; nobody is closed here for lack of memory.",
    "PAUSE <milliseconds> [WRITE|ALL]",
    "    Delay the commands of clients.",
    "REPLY (ON|OFF|SKIP)",
    "    Whether this connection wants replies.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Tell which library uses this connection.",
    "SETNAME <name>",
    "    Give this connection a name.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [PREFIX <prefix> ...] [BCAST] [OPTIN] [OPTOUT]",
    "         [NOLOOP]",
    "    Turn tracking on or off.",
    "TRACKINGINFO",
    "    How tracking is set for this connection.",
    "UNBLOCK <id> [TIMEOUT|ERROR]",
    "    Wake a client that waits in a blocking command.",
    "UNPAUSE",
    "    End PAUSE.",
};

void cmd_client_help(struct client *c, const struct resp_command *command)
{
    (void)command;
    client_help(c, "CLIENT", lines, COUNT_OF(lines));
}

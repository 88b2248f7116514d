#include <stdlib.h>

#include "loop/log.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"
#include "sentinel/pubsub.h"

/* PING, AUTH, HELLO, QUIT, RESET, ROLE, SHUTDOWN. */

void cmd_ping(struct client *c, const struct resp_command *command)
{
    bool in_pubsub = c->version == RESP_2 && client_is_subscribed(c);

    if (command->argc > 2) {
        resp_write_error(&c->out, "ERR wrong number of arguments for 'ping' command");
    } else if (in_pubsub) {
        resp_write_array(&c->out, 2);
        resp_write_text(&c->out, "pong");
        if (command->argc == 2) {
            resp_write_bulk(&c->out, command->argv[1].bytes, command->argv[1].len);
        } else {
            resp_write_text(&c->out, "");
        }
    } else if (command->argc == 2) {
        resp_write_bulk(&c->out, command->argv[1].bytes, command->argv[1].len);
    } else {
        resp_write_simple(&c->out, "PONG");
    }
}

void cmd_auth(struct client *c, const struct resp_command *command)
{
    static const struct resp_text default_name = {.bytes = "default", .len = 7};

    if (command->argc > 3) {
        resp_write_error(&c->out, "ERR syntax error");
        return;
    }
    if (command->argc == 2 && acl_user_is_nopass(acl_default(c->port->acl))) {
        resp_write_error(&c->out,
                         "ERR AUTH <password> called without any password configured for the "
                         "default user. Are you sure your configuration is correct?");
        return;
    }
    const struct resp_text *name = command->argc == 3 ? &command->argv[1] : &default_name;
    if (client_authenticate(c, "AUTH", name, &command->argv[command->argc - 1])) {
        resp_write_simple(&c->out, "OK");
    }
}

/* ---- HELLO ---- */

struct hello_words {
    int64_t version; /* 0: not given */
    const struct resp_text *user;
    const struct resp_text *password;
    const struct resp_text *name;
};

static bool hello_parse(struct client *c, const struct resp_command *command, struct hello_words *w)
{
    if (command->argc > 1) {
        if (!client_number(c, &command->argv[1],
                           "Protocol version is not an integer or out of range", &w->version)) {
            return false;
        }
        if (w->version != RESP_2 && w->version != RESP_3) {
            resp_write_error(&c->out, "NOPROTO unsupported protocol version");
            return false;
        }
    }
    for (size_t i = 2; i < command->argc; i++) {
        size_t more = command->argc - 1 - i;

        if (client_word_is(&command->argv[i], "auth") && more >= 2) {
            w->user = &command->argv[i + 1];
            w->password = &command->argv[i + 2];
            i += 2;
        } else if (client_word_is(&command->argv[i], "setname") && more >= 1) {
            w->name = &command->argv[i + 1];
            if (!client_check_word(c, w->name, "Client names")) {
                return false;
            }
            i += 1;
        } else {
            resp_write_error(&c->out, "ERR Syntax error in HELLO option '%.128s'",
                             command->argv[i].bytes);
            return false;
        }
    }
    return true;
}

static void hello_write(struct client *c)
{
    struct buf *out = &c->out;

    resp_write_map(out, c->version, 6);
    resp_write_text(out, "server");
    resp_write_text(out, "redis");
    resp_write_text(out, "version");
    resp_write_text(out, SENTINEL_REDIS_VERSION);
    resp_write_text(out, "proto");
    resp_write_integer(out, c->version);
    resp_write_text(out, "id");
    resp_write_integer(out, (int64_t)c->id);
    resp_write_text(out, "mode");
    resp_write_text(out, "sentinel");
    resp_write_text(out, "modules");
    resp_write_array(out, 0);
}

void cmd_hello(struct client *c, const struct resp_command *command)
{
    struct hello_words w = {0};

    if (!hello_parse(c, command, &w)) {
        return;
    }
    if (w.user != NULL && !client_authenticate(c, "HELLO", w.user, w.password)) {
        return;
    }
    if (c->user == NULL) {
        resp_write_error(&c->out,
                         "NOAUTH HELLO must be called with the client already authenticated, "
                         "otherwise the HELLO AUTH <user> <pass> option can be used to "
                         "authenticate the client and select the RESP protocol version at the "
                         "same time");
        return;
    }
    if (w.name != NULL) {
        client_set_word(&c->name, w.name);
    }
    if (w.version != 0) {
        c->version = (enum resp_version)w.version;
    }
    hello_write(c);
}

/* ---- the end, or a new beginning ---- */

/* A Sentinel of Redis does not know QUIT and RESET, though its own texts name them and clients send
 * them to whatever they talk to. */
void cmd_quit(struct client *c, const struct resp_command *command)
{
    (void)command;
    resp_write_simple(&c->out, "OK");
    c->is_closing = true;
}

void cmd_reset(struct client *c, const struct resp_command *command)
{
    (void)command;
    pubsub_leave(c);
    client_class_changed(c);
    if ((c->tracking & CLIENT_TRACKING) != 0) {
        c->port->tracking--;
    }
    c->tracking = 0;
    c->tracking_redirect = 0;
    c->tracking_prefixes_count = 0;
    buf_clear(&c->tracking_prefixes);
    c->version = RESP_2;
    c->reply = CLIENT_REPLY_ON;
    c->no_evict = false;
    client_set_user(c, acl_is_open(c->port->acl) ? acl_default(c->port->acl) : NULL);
    free(c->name);
    c->name = NULL;
    resp_write_simple(&c->out, "RESET");
}

void cmd_role(struct client *c, const struct resp_command *command)
{
    const struct failover *core = port_core(c->port);
    uint32_t count = failover_masters(core);

    (void)command;
    resp_write_array(&c->out, 2);
    resp_write_text(&c->out, "sentinel");
    resp_write_array(&c->out, count);
    for (uint32_t i = 0; i < count; i++) {
        struct master_state state;

        failover_export(failover_master_at(core, i), &state);
        resp_write_text(&c->out, state.name);
    }
}

/* SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]: no reply, the connection ends with the process. */
void cmd_shutdown(struct client *c, const struct resp_command *command)
{
    static const char *const words[] = {"nosave", "save", "now", "force", "abort"};
    enum { NOSAVE = 1, SAVE = 2, ABORT = 16 };
    uint32_t given = 0;

    for (size_t i = 1; i < command->argc; i++) {
        size_t word = 0;

        while (word < COUNT_OF(words) && !client_word_is(&command->argv[i], words[word])) {
            word++;
        }
        if (word == COUNT_OF(words)) {
            resp_write_error(&c->out, "ERR syntax error");
            return;
        }
        given |= 1U << word;
    }
    if (((given & ABORT) != 0 && given != ABORT) || (given & (NOSAVE | SAVE)) == (NOSAVE | SAVE)) {
        resp_write_error(&c->out, "ERR syntax error");
    } else if (given == ABORT) {
        resp_write_error(&c->out, "ERR No shutdown in progress.");
    } else {
        log_warning("shutdown asked by %s", c->peer);
        c->is_closing = true;
        c->port->ops->shutdown(c->port->ctx);
    }
}

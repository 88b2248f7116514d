#include "sentinel/cmd_sentinel.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"

const struct master *cmd_sentinel_master_of(struct client *c, const struct resp_text *name)
{
    const struct master *m = strlen(name->bytes) == name->len
                                 ? failover_master_named(port_core(c->port), name->bytes)
                                 : NULL;

    if (m == NULL) {
        resp_write_error(&c->out, "ERR No such master with that name");
    }
    return m;
}

bool cmd_sentinel_copy(char *field, size_t size, const struct resp_text *word)
{
    return strlen(word->bytes) == word->len && text_copy(field, size, word->bytes);
}

/* On the heap: an event holds the largest of all facts, and MONITOR keeps one while a name is
 * resolved. */
struct event *cmd_sentinel_event(struct client *c, enum command_type type)
{
    struct event *event = memory_zeroed(sizeof(*event));

    event->type = EVENT_COMMAND;
    event->command.type = type;
    event->command.token = c->id;
    return event;
}

void cmd_sentinel_submit(struct client *c, struct event *event)
{
    event->now = client_now(c);
    c->wait_type = event->command.type;
    client_wait(c, CLIENT_WAIT_COMMAND);
    c->port->ops->submit(c->port->ctx, event);
}

void cmd_sentinel_write_result(struct client *c, enum command_result result, uint32_t count)
{
    switch (result) {
    case RESULT_OK:
        if (c->wait_type == COMMAND_RESET) {
            resp_write_integer(&c->out, count);
        } else {
            resp_write_simple(&c->out, "OK");
        }
        break;
    case RESULT_NO_SUCH_MASTER:
        resp_write_error(&c->out, "ERR No such master with that name");
        break;
    case RESULT_DUPLICATE_NAME:
        resp_write_error(&c->out, "ERR Duplicate master name.");
        break;
    case RESULT_IN_PROGRESS:
        resp_write_error(&c->out, "INPROG Failover already in progress");
        break;
    case RESULT_NO_GOOD_REPLICA:
        resp_write_error(&c->out, "NOGOODSLAVE No suitable replica to promote");
        break;
    case RESULT_TOO_MANY:
        resp_write_error(&c->out, "ERR No room: this monitor watches as many masters as it may");
        break;
    case RESULT_NOT_FOUND:
        resp_write_error(&c->out, "ERR No such replica or Sentinel of that master");
        break;
    case RESULT_NOT_SAVED:
        resp_write_error(&c->out, "ERR Failed to save config file. Check server logs.");
        break;
    }
}

/* ---- commands without anything to say but a name ---- */

static void submit_named(struct client *c, enum command_type type, const struct resp_text *name)
{
    struct event *event = cmd_sentinel_event(c, type);

    if (cmd_sentinel_copy(event->command.name, sizeof(event->command.name), name)) {
        cmd_sentinel_submit(c, event);
    } else {
        resp_write_error(&c->out, "ERR No such master with that name");
    }
    free(event);
}

void cmd_sentinel_remove(struct client *c, const struct resp_command *command)
{
    if (cmd_sentinel_master_of(c, &command->argv[2]) != NULL) {
        submit_named(c, COMMAND_REMOVE, &command->argv[2]);
    }
}

void cmd_sentinel_reset(struct client *c, const struct resp_command *command)
{
    submit_named(c, COMMAND_RESET, &command->argv[2]);
}

void cmd_sentinel_flushconfig(struct client *c, const struct resp_command *command)
{
    struct event *event = cmd_sentinel_event(c, COMMAND_FLUSH);

    (void)command;
    cmd_sentinel_submit(c, event);
    free(event);
}

void cmd_sentinel_failover(struct client *c, const struct resp_command *command)
{
    bool coordinated = command->argc == 4 && client_word_is(&command->argv[3], "coordinated");

    if (command->argc > 4) {
        resp_write_error(&c->out, "ERR wrong number of arguments for 'sentinel|failover' command");
        return;
    }
    if (command->argc == 4 && !coordinated) {
        resp_write_error(&c->out, "ERR Unknown failover option specified");
        return;
    }
    if (cmd_sentinel_master_of(c, &command->argv[2]) == NULL) {
        return;
    }
    struct event *event = cmd_sentinel_event(c, COMMAND_FAILOVER);
    bool is_named =
        cmd_sentinel_copy(event->command.name, sizeof(event->command.name), &command->argv[2]);
    ASSERT(is_named); /* it was found by it */
    event->command.coordinated = coordinated;
    cmd_sentinel_submit(c, event);
    free(event);
}

void cmd_sentinel_myid(struct client *c, const struct resp_command *command)
{
    (void)command;
    resp_write_text(&c->out, failover_run_id(port_core(c->port)));
}

void cmd_sentinel_simulate_failure(struct client *c, const struct resp_command *command)
{
    uint32_t flags = 0;

    for (size_t i = 2; i < command->argc; i++) {
        const struct resp_text *word = &command->argv[i];

        if (client_word_is(word, "crash-after-election")) {
            flags |= SIMULATE_CRASH_AFTER_ELECTION;
        } else if (client_word_is(word, "crash-after-promotion")) {
            flags |= SIMULATE_CRASH_AFTER_PROMOTION;
        } else if (client_word_is(word, "help")) {
            resp_write_array(&c->out, 2);
            resp_write_text(&c->out, "crash-after-election");
            resp_write_text(&c->out, "crash-after-promotion");
            return;
        } else {
            resp_write_error(&c->out, "ERR Unknown failure simulation specified");
            return;
        }
    }
    struct event *event = cmd_sentinel_event(c, COMMAND_SIMULATE);
    event->command.simulate = flags;
    cmd_sentinel_submit(c, event);
    free(event);
}

#include <string.h>

#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"
#include "sentinel/pubsub.h"

/* SUBSCRIBE and its family, and PUBLISH, which here only takes the hello messages of other
 * monitors. */

static void join_each(struct client *c, const struct resp_command *command, bool is_pattern)
{
    for (size_t i = 1; i < command->argc; i++) {
        if (!pubsub_join(c, &command->argv[i], is_pattern)) {
            return;
        }
    }
}

static void part_each(struct client *c, const struct resp_command *command, bool is_pattern)
{
    if (command->argc == 1) {
        pubsub_part(c, NULL, is_pattern);
    }
    for (size_t i = 1; i < command->argc; i++) {
        pubsub_part(c, &command->argv[i], is_pattern);
    }
}

void cmd_subscribe(struct client *c, const struct resp_command *command)
{
    join_each(c, command, false);
}

void cmd_psubscribe(struct client *c, const struct resp_command *command)
{
    join_each(c, command, true);
}

void cmd_unsubscribe(struct client *c, const struct resp_command *command)
{
    part_each(c, command, false);
}

void cmd_punsubscribe(struct client *c, const struct resp_command *command)
{
    part_each(c, command, true);
}

void cmd_publish(struct client *c, const struct resp_command *command)
{
    const struct resp_text *channel = &command->argv[1];
    const struct resp_text *text = &command->argv[2];

    if (strlen(channel->bytes) != channel->len ||
        strcmp(channel->bytes, "__sentinel__:hello") != 0) {
        resp_write_error(&c->out, "ERR Only HELLO messages are accepted by Sentinel instances.");
        return;
    }
    c->port->ops->hello(c->port->ctx, text->bytes, text->len);
    resp_write_integer(&c->out, 1);
}

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/cmd_sentinel.h"
#include "sentinel/port.h"

/*
 * SENTINEL FORGET <name> <runid>            a monitor that will not come back
 * SENTINEL FORGET <name> <ip> <port>        a replica or a monitor
 *
 * Ours: with Sentinel only RESET drops a stale entry, and it drops all the others too.
 */
void cmd_sentinel_forget(struct client *c, const struct resp_command *command)
{
    const struct resp_text *who = &command->argv[3];
    int64_t number = 0;

    if (command->argc > 5) {
        resp_write_error(&c->out, "ERR wrong number of arguments for 'sentinel|forget' command");
        return;
    }
    if (command->argc == 5 && (!client_number(c, &command->argv[4], "Invalid port", &number))) {
        return;
    }
    if (cmd_sentinel_master_of(c, &command->argv[2]) == NULL) {
        return;
    }
    struct event *event = cmd_sentinel_event(c, COMMAND_FORGET);
    bool is_named =
        cmd_sentinel_copy(event->command.name, sizeof(event->command.name), &command->argv[2]);

    ASSERT(is_named); /* it was found by it */
    if (command->argc == 4) {
        if (who->len == CONF_RUNID_LEN && text_is_run_id(who->bytes, who->len)) {
            text_cut(event->command.run_id, sizeof(event->command.run_id), who->bytes);
            cmd_sentinel_submit(c, event);
        } else {
            resp_write_error(&c->out,
                             "ERR Not a run id; a replica or Sentinel is named by ip and port");
        }
    } else if (number < 1 || number > UINT16_MAX) {
        resp_write_error(&c->out, "ERR Invalid port number.");
    } else if (strlen(who->bytes) != who->len ||
               !addr_set(&event->command.addr, who->bytes, (uint16_t)number)) {
        resp_write_error(&c->out, "ERR Invalid IP address or hostname specified");
    } else {
        cmd_sentinel_submit(c, event);
    }
    free(event);
}

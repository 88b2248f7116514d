#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/cmd_sentinel.h"
#include "sentinel/port.h"

/*
 * SENTINEL IS-MASTER-DOWN-BY-ADDR <ip> <port> <epoch> <runid or *>, asked by other monitors once a
 * second for each master that is down, and when they want a vote. What cannot be a question about a
 * server is answered "not down", as Sentinel does.
 */

static void write_not_down(struct client *c)
{
    resp_write_array(&c->out, 3);
    resp_write_integer(&c->out, 0);
    resp_write_text(&c->out, "*");
    resp_write_integer(&c->out, 0);
}

void cmd_sentinel_is_master_down_by_addr(struct client *c, const struct resp_command *command)
{
    const struct resp_text *host = &command->argv[2];
    const struct resp_text *run_id = &command->argv[5];
    int64_t number;
    int64_t epoch;

    if (!client_number(c, &command->argv[3], NULL, &number) ||
        !client_number(c, &command->argv[4], NULL, &epoch)) {
        return;
    }
    /* A vote is only given to what can be a monitor; Sentinel votes for any text. A negative epoch
     * is an enormous one in Sentinel and poisons the group. */
    bool wants_vote =
        run_id->len == CONF_RUNID_LEN && text_is_run_id(run_id->bytes, run_id->len) && epoch >= 0;
    struct event *event = memory_zeroed(sizeof(*event));

    event->type = EVENT_ASK;
    event->now = client_now(c);
    event->ask.token = c->id;
    event->ask.epoch = epoch < 0 ? 0 : (uint64_t)epoch;
    text_cut(event->ask.run_id, sizeof(event->ask.run_id), wants_vote ? run_id->bytes : "*");
    if (number > 0 && number <= UINT16_MAX && strlen(host->bytes) == host->len &&
        addr_set(&event->ask.addr, host->bytes, (uint16_t)number)) {
        client_wait(c, CLIENT_WAIT_ASK);
        c->port->ops->submit(c->port->ctx, event);
    } else {
        write_not_down(c);
    }
    free(event);
}

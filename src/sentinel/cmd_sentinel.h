#ifndef SENTINEL_CMD_SENTINEL_H
#define SENTINEL_CMD_SENTINEL_H

#include <stdbool.h>

#include "failover/failover.h"
#include "resp/resp.h"

/* What the SENTINEL subcommands have in common. */
struct client;

/* The master of that name; NULL after the error reply. */
const struct master *cmd_sentinel_master_of(struct client *c, const struct resp_text *name);

/* Copies a word into a field of an event, when it fits and has no '\0' inside. */
bool cmd_sentinel_copy(char *field, size_t size, const struct resp_text *word);

/* An EVENT_COMMAND for this client: type and token are set. The caller owns it (free). */
struct event *cmd_sentinel_event(struct client *c, enum command_type type);

/* Waits for the answer of the core and submits, as of now. *event stays the caller's. */
void cmd_sentinel_submit(struct client *c, struct event *event);

/* The reply to a command of the core. */
void cmd_sentinel_write_result(struct client *c, enum command_result result, uint32_t count);

#endif

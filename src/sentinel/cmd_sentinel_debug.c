#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/text.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/cmd_sentinel.h"
#include "sentinel/port.h"

/* SENTINEL DEBUG [<timer> <ms> ...]: shows the timers of the core, or changes some (all are checked
 * before one is). The defaults of a master may end up in the file, so its limit is that of all. */

/* clang-format off */
static const struct debug_row {
    const char *name;
    size_t at; /* of a msec_t in struct failover_tuning */
} rows[] = {
    {"INFO-PERIOD",               offsetof(struct failover_tuning, info_period)},
    {"PING-PERIOD",               offsetof(struct failover_tuning, ping_period)},
    {"ASK-PERIOD",                offsetof(struct failover_tuning, ask_period)},
    {"PUBLISH-PERIOD",            offsetof(struct failover_tuning, publish_period)},
    {"DEFAULT-DOWN-AFTER",        offsetof(struct failover_tuning, default_down_after)},
    {"DEFAULT-FAILOVER-TIMEOUT",  offsetof(struct failover_tuning, default_failover_timeout)},
    {"TILT-TRIGGER",              offsetof(struct failover_tuning, tilt_trigger)},
    {"TILT-PERIOD",               offsetof(struct failover_tuning, tilt_period)},
    {"SLAVE-RECONF-TIMEOUT",      offsetof(struct failover_tuning, replica_reconf_timeout)},
    {"MIN-LINK-RECONNECT-PERIOD", offsetof(struct failover_tuning, min_link_reconnect_period)},
    {"ELECTION-TIMEOUT",          offsetof(struct failover_tuning, election_timeout)},
    {"SCRIPT-MAX-RUNTIME",        offsetof(struct failover_tuning, script_max_runtime)},
    {"SCRIPT-RETRY-DELAY",        offsetof(struct failover_tuning, script_retry_delay)},
};
/* clang-format on */

static const struct debug_row *row_named(const struct resp_text *name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (client_word_is(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

static void debug_show(struct client *c)
{
    const char *tuning = (const char *)failover_tuning_now(port_core(c->port));

    resp_write_map(&c->out, c->version, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const msec_t *value = (const void *)(tuning + rows[i].at);

        resp_write_text(&c->out, rows[i].name);
        resp_write_bulkf(&c->out, "%" PRId64, *value);
    }
}

static bool debug_fill(struct client *c, const struct resp_command *command,
                       struct failover_tuning *tuning)
{
    for (size_t i = 2; i < command->argc; i += 2) {
        const struct resp_text *name = &command->argv[i];
        const struct debug_row *row = row_named(name);
        int64_t value;

        if (row == NULL || i + 1 == command->argc) {
            resp_write_error(
                &c->out, "ERR Unknown option or number of arguments for SENTINEL DEBUG '%.128s'",
                name->bytes);
            return false;
        }
        if (!text_to_i64(command->argv[i + 1].bytes, command->argv[i + 1].len, &value) ||
            value <= 0 || value > CONF_MS_MAX) {
            resp_write_error(&c->out, "ERR Invalid argument '%.128s' for SENTINEL DEBUG '%.128s'",
                             command->argv[i + 1].bytes, name->bytes);
            return false;
        }
        msec_t *field = (void *)((char *)tuning + row->at);
        *field = value;
    }
    return true;
}

void cmd_sentinel_debug(struct client *c, const struct resp_command *command)
{
    if (command->argc == 2) {
        debug_show(c);
        return;
    }
    struct event *event = cmd_sentinel_event(c, COMMAND_TUNE);

    event->command.tuning = *failover_tuning_now(port_core(c->port));
    if (debug_fill(c, command, &event->command.tuning)) {
        cmd_sentinel_submit(c, event);
    }
    free(event);
}

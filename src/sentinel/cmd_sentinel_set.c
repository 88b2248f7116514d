#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/cmd_sentinel.h"
#include "sentinel/port.h"

/*
 * SENTINEL SET <name> <option> <value> ... All pairs are checked before one is applied (Valkey 9;
 * Redis leaves the earlier ones applied). Numbers go to the core with one COMMAND_SET, the rest to
 * the configuration; each pair is told as "+set", secrets as ******.
 */

struct set {
    struct client *client;
    const struct resp_text *word; /* its value; rename-command has a second behind it. When it is
                                     refused, the one that is wrong */
    struct master_config *config; /* of the command for the core */
    struct conf_master *master;   /* NULL while pairs are only checked */
    uint32_t changes;
};

typedef bool (*set_apply)(struct set *s); /* false: the value is wrong, or an error was written */

struct set_option {
    const char *name;
    size_t values;
    bool is_secret;
    set_apply apply;
};

/* ---- numbers: within what the file may hold, where they go ---- */

static bool value_number(const struct set *s, int64_t min, int64_t max, int64_t *value)
{
    int64_t number;

    if (!text_to_i64(s->word->bytes, s->word->len, &number) || number < min || number > max) {
        return false;
    }
    *value = number;
    return true;
}

static bool set_down_after(struct set *s)
{
    return value_number(s, 1, CONF_MS_MAX, &s->config->down_after_ms);
}

static bool set_failover_timeout(struct set *s)
{
    return value_number(s, 1, CONF_MS_MAX, &s->config->failover_timeout_ms);
}

static bool set_refused_after(struct set *s)
{
    return value_number(s, 0, CONF_MS_MAX, &s->config->refused_after_ms);
}

static bool set_reboot_down_after(struct set *s)
{
    return value_number(s, 0, CONF_MS_MAX, &s->config->reboot_down_after_ms);
}

static bool set_parallel_syncs(struct set *s)
{
    int64_t value;

    if (!value_number(s, 1, CONF_COUNT_MAX, &value)) {
        return false;
    }
    s->config->parallel_syncs = (uint32_t)value;
    return true;
}

static bool set_quorum(struct set *s)
{
    int64_t value;

    if (!value_number(s, 1, CONF_COUNT_MAX, &value)) {
        return false;
    }
    s->config->quorum = (uint32_t)value;
    return true;
}

/* ---- texts ---- */

static bool value_is_text(const struct resp_text *word)
{
    return strlen(word->bytes) == word->len;
}

/* Whether it may be executed is asked once: the answer may be another when it is applied. */
static bool set_script(struct set *s, const char *what, char **field)
{
    struct client *c = s->client;

    if (field != NULL) {
        conf_set_text(field, s->word->bytes);
        s->changes |= SENTINEL_CHANGED_SCRIPTS;
        return true;
    }
    if (port_conf(c->port)->deny_scripts_reconfig) {
        resp_write_error(&c->out,
                         "ERR Reconfiguration of scripts path is denied for security reasons. "
                         "Check the deny-scripts-reconfig configuration directive in your "
                         "Sentinel configuration");
        return false;
    }
    if (!value_is_text(s->word)) {
        return false;
    }
    if (s->word->len > 0 && access(s->word->bytes, X_OK) != 0) {
        resp_write_error(&c->out, "ERR %s script seems non existing or non executable", what);
        return false;
    }
    return true;
}

static bool set_notification_script(struct set *s)
{
    return set_script(s, "Notification",
                      s->master == NULL ? NULL : &s->master->notification_script);
}

static bool set_reconfig_script(struct set *s)
{
    return set_script(s, "Client reconfiguration",
                      s->master == NULL ? NULL : &s->master->client_reconfig_script);
}

static bool set_auth_pass(struct set *s)
{
    if (s->master != NULL) {
        conf_set_secret(&s->master->auth_pass, s->word->bytes);
    }
    s->changes |= SENTINEL_CHANGED_AUTH;
    return value_is_text(s->word);
}

static bool set_auth_user(struct set *s)
{
    if (s->master != NULL) {
        conf_set_text(&s->master->auth_user, s->word->bytes);
    }
    s->changes |= SENTINEL_CHANGED_AUTH;
    return value_is_text(s->word);
}

static bool set_rename(struct set *s)
{
    const struct resp_text *from = s->word;
    const struct resp_text *to = s->word + 1;

    if (!value_is_text(from) || from->len == 0) {
        return false;
    }
    if (!value_is_text(to) || to->len == 0) {
        s->word = to; /* the one to complain about */
        return false;
    }
    if (s->master != NULL) {
        conf_renames_set(&s->master->renames, from->bytes, to->bytes);
    }
    s->changes |= SENTINEL_CHANGED_AUTH;
    return true;
}

/* clang-format off */
static const struct set_option options[] = {
    {"down-after-milliseconds",          1, false, set_down_after},
    {"failover-timeout",                 1, false, set_failover_timeout},
    {"parallel-syncs",                   1, false, set_parallel_syncs},
    {"notification-script",              1, false, set_notification_script},
    {"client-reconfig-script",           1, false, set_reconfig_script},
    {"auth-pass",                        1, true,  set_auth_pass},
    {"auth-user",                        1, false, set_auth_user},
    {"quorum",                           1, false, set_quorum},
    {"rename-command",                   2, false, set_rename},
    {"master-reboot-down-after-period",  1, false, set_reboot_down_after},
    {"primary-reboot-down-after-period", 1, false, set_reboot_down_after},
    {"refused-after-milliseconds",       1, false, set_refused_after},
};
/* clang-format on */

/* ---- pairs ---- */

/* NULL when the word is no option, or too few values follow it. */
static const struct set_option *option_at(const struct resp_command *command, size_t i)
{
    for (size_t row = 0; row < COUNT_OF(options); row++) {
        if (client_word_is(&command->argv[i], options[row].name)) {
            return i + options[row].values < command->argc ? &options[row] : NULL;
        }
    }
    return NULL;
}

static bool set_pair(struct set *s, const struct set_option *option,
                     const struct resp_command *command, size_t i)
{
    struct client *c = s->client;
    size_t before = c->out.len;

    s->word = &command->argv[i + 1];
    if (option->apply(s)) {
        return true;
    }
    if (c->out.len == before) {
        resp_write_error(&c->out, "ERR Invalid argument '%.128s' for SENTINEL SET '%.128s'",
                         option->is_secret ? "******" : s->word->bytes, command->argv[i].bytes);
    }
    return false;
}

static bool set_check(struct set *s, const struct resp_command *command)
{
    for (size_t i = 3; i < command->argc;) {
        const struct set_option *option = option_at(command, i);

        if (option == NULL) {
            resp_write_error(&s->client->out,
                             "ERR Unknown option or number of arguments for SENTINEL SET '%.128s'",
                             command->argv[i].bytes);
            return false;
        }
        if (!set_pair(s, option, command, i)) {
            return false;
        }
        i += 1 + option->values;
    }
    return true;
}

static void set_tell(struct client *c, const struct master_state *state,
                     const struct set_option *option, const struct resp_text *words)
{
    struct note note = {.type = NOTE_SET, .has_instance = true, .kind = KIND_MASTER};
    struct buf extra = {0};

    text_cut(note.name, sizeof(note.name), state->name);
    note.addr = state->addr;
    note.master_addr = state->addr;
    buf_printf(&extra, "%s", words[0].bytes);
    for (size_t i = 1; i <= option->values; i++) {
        buf_printf(&extra, " %s", option->is_secret ? "******" : words[i].bytes);
    }
    text_cut(note.extra, sizeof(note.extra), buf_data(&extra));
    buf_finish(&extra);
    c->port->ops->note(c->port->ctx, &note);
}

/* Every pair was checked: from here nothing fails but the disk. */
static void set_run(struct set *s, const struct resp_command *command,
                    const struct master_state *state)
{
    struct client *c = s->client;
    const struct sentinel *port = c->port;
    struct sentinel_conf *conf = port_conf(port);

    s->master = sentinel_conf_find(conf, state->name);
    if (s->master == NULL) {
        s->master = sentinel_conf_add(conf, state->name);
        s->master->addr = state->addr;
    }
    for (size_t i = 3; i < command->argc;) {
        const struct set_option *option = option_at(command, i);
        bool is_applied = set_pair(s, option, command, i);

        ASSERT(is_applied);
        set_tell(c, state, option, &command->argv[i]);
        i += 1 + option->values;
    }
    if (s->changes != 0) {
        port->ops->changed(port->ctx, s->changes, state->name);
    }
}

void cmd_sentinel_set(struct client *c, const struct resp_command *command)
{
    const struct master *m = cmd_sentinel_master_of(c, &command->argv[2]);
    struct master_state state;

    if (m == NULL) {
        return;
    }
    failover_export(m, &state);
    struct event *event = cmd_sentinel_event(c, COMMAND_SET);
    struct set s = {.client = c, .config = &event->command.config};

    event->command.config = state.config;
    event->command.addr = state.addr;
    text_cut(event->command.name, sizeof(event->command.name), state.name);
    if (set_check(&s, command)) {
        set_run(&s, command, &state);
        cmd_sentinel_submit(c, event);
    }
    free(event);
}

#include <string.h>

#include "base/text.h"
#include "loop/log.h"
#include "sentinel/port.h"

/*
 * From words to a row of the table, and the checks before it runs: who he is, whether the command
 * exists, its arity, ACL, the rule of the subscribed context, CLIENT PAUSE. The error texts are
 * those of Redis, since clients and tools match them.
 */

enum { ERROR_WORD_MAX = 128 /* how much of a stranger's words an error repeats, as Redis */ };

/* ---- which command ---- */

/* rename-command of our own commands: the new word finds it, the old one no more. */
static const struct command_row *row_of_word(const struct client *c, const struct resp_text *word)
{
    const struct conf_renames *renames = &port_conf(c->port)->renames;

    for (size_t i = 0; i < renames->count; i++) {
        const struct conf_rename *r = &renames->items[i];

        if (client_word_is(word, r->to) && word->len > 0) {
            return command_table_find(r->from, strlen(r->from));
        }
        if (client_word_is(word, r->from)) {
            return NULL;
        }
    }
    return command_table_find(word->bytes, word->len);
}

static void refuse_unknown(struct client *c, const struct resp_command *command)
{
    struct buf args = {0};

    for (size_t i = 1; i < command->argc && args.len < ERROR_WORD_MAX; i++) {
        buf_printf(&args, "'%.*s' ", (int)(ERROR_WORD_MAX - args.len), command->argv[i].bytes);
    }
    resp_write_error(&c->out, "ERR unknown command '%.*s', with args beginning with: %s",
                     ERROR_WORD_MAX, command->argv[0].bytes, buf_data(&args));
    buf_finish(&args);
}

static void refuse_unknown_sub(struct client *c, const struct command_row *row,
                               const struct resp_command *command)
{
    char upper[COMMAND_NAME_MAX];
    size_t len = strlen(row->name);

    for (size_t i = 0; i <= len; i++) {
        bool is_small = row->name[i] >= 'a' && row->name[i] <= 'z';
        upper[i] = (char)(is_small ? row->name[i] - 'a' + 'A' : row->name[i]);
    }
    resp_write_error(&c->out, "ERR unknown subcommand '%.*s'. Try %s HELP.", ERROR_WORD_MAX,
                     command->argv[1].bytes, upper);
}

/* NULL after an error reply. */
static const struct command_row *find_row(struct client *c, const struct resp_command *command)
{
    const struct command_row *row = row_of_word(c, &command->argv[0]);

    if (row == NULL || strchr(row->name, '|') != NULL) {
        refuse_unknown(c, command);
        return NULL;
    }
    if (command->argc > 1 && command_table_has_subs(row)) {
        const struct command_row *sub =
            command_table_sub(row, command->argv[1].bytes, command->argv[1].len);
        if (sub == NULL) {
            refuse_unknown_sub(c, row, command);
        }
        return sub;
    }
    return row;
}

/* ---- may it run ---- */

static bool arity_is_right(const struct command_row *row, size_t argc)
{
    return row->arity >= 0 ? argc == (size_t)row->arity : argc >= (size_t)-row->arity;
}

static bool acl_allows(struct client *c, const struct command_row *row,
                       const struct resp_command *command)
{
    int number = c->port->acl_commands[command_table_id(row)];
    size_t bad_arg = 0;
    enum acl_verdict verdict = acl_check(c->user, number, command->argc, command->argv, &bad_arg);

    if (verdict == ACL_ALLOWED) {
        return true;
    }
    struct buf line = {0};
    struct acl_refusal refusal = {.verdict = verdict, .object = row->name};

    client_describe(c, &line);
    refusal.client_info = buf_data(&line);
    refusal.username = acl_user_name(c->user, &refusal.username_len);
    refusal.object_len = strlen(row->name);
    if (verdict == ACL_DENIED_CHANNEL) {
        refusal.object = command->argv[bad_arg].bytes;
        refusal.object_len = command->argv[bad_arg].len;
    }
    acl_log_add(c->port->acl, client_now(c), &refusal);
    acl_write_refusal(&c->out, verdict, number);
    buf_finish(&line);
    return false;
}

/* RESP2 has no out-of-band messages: a subscriber may only change what it listens to. */
static bool context_allows(struct client *c, const struct command_row *row)
{
    static const char *const allowed[] = {"ping",  "psubscribe", "punsubscribe", "quit",
                                          "reset", "subscribe",  "unsubscribe"};

    if (c->version != RESP_2 || !client_is_subscribed(c)) {
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(allowed); i++) {
        if (strcmp(row->name, allowed[i]) == 0) {
            return true;
        }
    }
    resp_write_error(&c->out,
                     "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                     "QUIT / RESET are allowed in this context",
                     row->name);
    return false;
}

/* What other monitors need of us goes on, or pausing would take our vote away (Redis pauses them
 * too); and UNPAUSE, which Redis keeps waiting as well. */
static bool pause_holds(const struct client *c, const struct command_row *row)
{
    static const char *const passing[] = {"publish", "client|unpause",
                                          "sentinel|is-master-down-by-addr",
                                          "sentinel|is-primary-down-by-addr"};

    if (!port_is_paused(c->port)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(passing); i++) {
        if (strcmp(row->name, passing[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* A browser tricked into speaking to us: no reply, so that it learns nothing (as Redis). */
static bool is_http(const struct resp_text *word)
{
    return client_word_is(word, "post") || client_word_is(word, "host:");
}

bool dispatch_command(struct client *c, const struct resp_command *command)
{
    if (is_http(&command->argv[0])) {
        log_warning("possible attack from %s: it sends HTTP; closed", c->peer);
        c->port->counters.protocol_errors_total++;
        buf_clear(&c->out);
        c->is_closing = true;
        return true;
    }
    if (c->user == NULL) {
        const struct command_row *known = row_of_word(c, &command->argv[0]);

        if (known == NULL || (known->flags & COMMAND_NO_AUTH) == 0) {
            resp_write_error(&c->out, "NOAUTH Authentication required.");
            return true;
        }
    }
    const struct command_row *row = find_row(c, command);
    if (row == NULL) {
        return true;
    }
    if (!arity_is_right(row, command->argc)) {
        resp_write_error(&c->out, "ERR wrong number of arguments for '%s' command", row->name);
        return true;
    }
    if ((c->user != NULL && !acl_allows(c, row, command)) || !context_allows(c, row)) {
        return true;
    }
    if (pause_holds(c, row)) {
        return false;
    }
    c->last_row = row;
    c->port->counters.commands_total++;
    if (strncmp(row->name, "client|", strlen("client|")) != 0) {
        c->tracking &= ~(uint32_t)CLIENT_TRACKING_CACHING; /* it was for this command */
    }
    row->call(c, command);
    return true;
}

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "loop/log.h"
#include "sentinel/acl.h"
#include "sentinel/acl_category.h"
#include "sentinel/acl_file.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"

/*
 * ACL and its subcommands: replies and texts of Redis 7.0. The rules are shown as they were given,
 * which is what 7.2 and Valkey do.
 */

void cmd_acl_cat(struct client *c, const struct resp_command *command)
{
    struct buf *out = &c->out;
    struct buf names = {0};
    size_t count = 0;

    if (command->argc > 3) {
        client_usage(c, "ACL", command);
        return;
    }
    if (command->argc == 2) {
        resp_write_array(out, CATEGORY_COUNT);
        for (int i = 0; i < CATEGORY_COUNT; i++) {
            resp_write_text(out, acl_category_name(i));
        }
        return;
    }
    int category = acl_category_find(command->argv[2].bytes, command->argv[2].len);
    if (category < 0) {
        resp_write_error(out, "ERR Unknown category '%.128s'", command->argv[2].bytes);
        return;
    }
    for (uint32_t id = 0; id < command_table_count(); id++) {
        const struct command_row *row = command_table_at(id);
        if ((row->flags & COMMAND_HIDDEN) == 0 && (row->categories >> category & 1) != 0) {
            resp_write_text(&names, row->name);
            count++;
        }
    }
    resp_write_array(out, count);
    buf_append(out, buf_data(&names), names.len);
    buf_finish(&names);
}

void cmd_acl_deluser(struct client *c, const struct resp_command *command)
{
    int64_t deleted = 0;

    for (size_t i = 2; i < command->argc; i++) {
        const struct resp_text *name = &command->argv[i];
        if (acl_find(c->port->acl, name->bytes, name->len) == acl_default(c->port->acl)) {
            resp_write_error(&c->out, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    for (size_t i = 2; i < command->argc; i++) {
        const struct resp_text *name = &command->argv[i];
        deleted += acl_delete_user(c->port->acl, name->bytes, name->len);
    }
    resp_write_integer(&c->out, deleted);
}

/* The row of the command in the words from argv[0] on; NULL when there is none. */
static const struct command_row *cmd_acl_row(size_t argc, const struct resp_text *argv)
{
    const struct command_row *row = command_table_find(argv[0].bytes, argv[0].len);

    if (row == NULL || command_table_parent(row) != NULL) {
        return NULL;
    }
    if (command_table_has_subs(row) && argc > 1) {
        return command_table_sub(row, argv[1].bytes, argv[1].len);
    }
    return row;
}

void cmd_acl_dryrun(struct client *c, const struct resp_command *command)
{
    struct buf *out = &c->out;
    const struct resp_text *name = &command->argv[2];
    const struct resp_text *argv = command->argv + 3;
    size_t argc = command->argc - 3;
    size_t bad_arg = 0;
    const struct acl_user *user = acl_find(c->port->acl, name->bytes, name->len);

    if (user == NULL) {
        resp_write_error(out, "ERR User '%.128s' not found", name->bytes);
        return;
    }
    const struct command_row *row = cmd_acl_row(argc, argv);
    if (row == NULL) {
        resp_write_error(out, "ERR Command '%.128s' not found", argv[0].bytes);
        return;
    }
    if (row->arity > 0 ? argc != (size_t)row->arity : argc < (size_t)-row->arity) {
        resp_write_error(out, "ERR wrong number of arguments for '%s' command", row->name);
        return;
    }
    int id = acl_command_find(row->name, strlen(row->name));
    switch (acl_check(user, id, argc, argv, &bad_arg)) {
    case ACL_ALLOWED:
        resp_write_simple(out, "OK");
        return;
    case ACL_DENIED_COMMAND:
        resp_write_bulkf(out, "This user has no permissions to run the '%s' command", row->name);
        return;
    case ACL_DENIED_CHANNEL:
        resp_write_bulkf(out, "This user has no permissions to access the '%s' channel",
                         argv[bad_arg].bytes);
        return;
    case ACL_DENIED_AUTH:
        break;
    }
    UNREACHABLE("not a verdict of acl_check()");
}

void cmd_acl_genpass(struct client *c, const struct resp_command *command)
{
    char hex[ACL_GENPASS_HEX_MAX + 1];
    int64_t bits = ACL_GENPASS_BITS;

    if (command->argc > 3) {
        client_usage(c, "ACL", command);
        return;
    }
    if (command->argc == 3 && !text_to_i64(command->argv[2].bytes, command->argv[2].len, &bits)) {
        resp_write_error(&c->out, "ERR value is not an integer or out of range");
        return;
    }
    if (bits <= 0 || bits > ACL_GENPASS_BITS_MAX) {
        resp_write_error(&c->out,
                         "ERR ACL GENPASS argument must be the number of bits for the output "
                         "password, a positive number up to %d",
                         ACL_GENPASS_BITS_MAX);
        return;
    }
    acl_generate_password((size_t)bits, hex);
    resp_write_text(&c->out, hex);
    explicit_bzero(hex, sizeof hex);
}

void cmd_acl_getuser(struct client *c, const struct resp_command *command)
{
    const struct resp_text *name = &command->argv[2];
    const struct acl_user *user = acl_find(c->port->acl, name->bytes, name->len);

    if (user == NULL) {
        resp_write_null(&c->out, c->version);
        return;
    }
    acl_user_write(user, c->version, &c->out);
}

void cmd_acl_help(struct client *c, const struct resp_command *command)
{
    static const char *const lines[] = {
        "CAT [<category>]",
        "    List all commands that belong to <category>, or all command categories",
        "    when no category is specified.",
        "DELUSER <username> [<username> ...]",
        "    Delete a list of users.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Returns whether the user can execute the given command without executing the command.",
        "GETUSER <username>",
        "    Get the user's details.",
        "GENPASS [<bits>]",
        "    Generate a secure 256-bit user password. The optional `bits` argument can",
        "    be used to specify a different size.",
        "LIST",
        "    Show users details in config file format.",
        "LOAD",
        "    Reload users from the ACL file.",
        "LOG [<count> | RESET]",
        "    Show the ACL log entries.",
        "SAVE",
        "    Save the current config to the ACL file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Create or modify a user with the specified attributes.",
        "USERS",
        "    List all the registered usernames.",
        "WHOAMI",
        "    Return the current connection username.",
    };

    (void)command;
    client_help(c, "ACL", lines, COUNT_OF(lines));
}

void cmd_acl_list(struct client *c, const struct resp_command *command)
{
    const struct acl *acl = c->port->acl;
    struct buf line = {0};

    (void)command;
    resp_write_array(&c->out, acl_users_count(acl));
    for (size_t i = 0; i < acl_users_count(acl); i++) {
        buf_clear(&line);
        acl_user_print(acl_user_at(acl, i), &line);
        resp_write_bulk(&c->out, buf_data(&line), line.len);
    }
    buf_finish(&line);
}

/* NULL, and an error is written, when there is no aclfile. */
static const char *cmd_acl_file(struct client *c)
{
    const char *path = port_conf(c->port)->options.aclfile;

    if (path == NULL || path[0] == '\0') {
        resp_write_error(
            &c->out, "ERR This Redis instance is not configured to use an ACL file. You may "
                     "want to specify users via the ACL SETUSER command and then issue a CONFIG "
                     "REWRITE (assuming you have a Redis configuration file set) in order to "
                     "store users in the Redis configuration.");
        return NULL;
    }
    return path;
}

void cmd_acl_load(struct client *c, const struct resp_command *command)
{
    const char *path = cmd_acl_file(c);
    struct err err;

    (void)command;
    if (path == NULL) {
        return;
    }
    if (!acl_file_load(c->port->acl, path, &err)) {
        resp_write_error(&c->out, "ERR %s", err.text);
        return;
    }
    resp_write_simple(&c->out, "OK");
}

void cmd_acl_log(struct client *c, const struct resp_command *command)
{
    int64_t count = 10; /* what Redis shows when nothing is said */

    if (command->argc > 3) {
        client_usage(c, "ACL", command);
        return;
    }
    if (command->argc == 3 && client_word_is(&command->argv[2], "reset")) {
        acl_log_reset(c->port->acl);
        resp_write_simple(&c->out, "OK");
        return;
    }
    if (command->argc == 3 && !text_to_i64(command->argv[2].bytes, command->argv[2].len, &count)) {
        resp_write_error(&c->out, "ERR value is not an integer or out of range");
        return;
    }
    acl_log_write(c->port->acl, client_now(c), count > 0 ? (size_t)count : 0, c->version, &c->out);
}

void cmd_acl_save(struct client *c, const struct resp_command *command)
{
    const char *path = cmd_acl_file(c);
    struct err err;

    (void)command;
    if (path == NULL) {
        return;
    }
    if (!acl_file_save(c->port->acl, path, &err)) {
        log_warning("%s", err.text);
        resp_write_error(&c->out, "ERR There was an error trying to save the ACLs. Please "
                                  "check the server logs for more information");
        return;
    }
    resp_write_simple(&c->out, "OK");
}

void cmd_acl_setuser(struct client *c, const struct resp_command *command)
{
    const struct resp_text *name = &command->argv[2];
    struct err err;

    if (!acl_set_user(c->port->acl, name->bytes, name->len, command->argc - 3, command->argv + 3,
                      &err)) {
        resp_write_error(&c->out, "ERR %s", err.text);
        return;
    }
    resp_write_simple(&c->out, "OK");
}

void cmd_acl_users(struct client *c, const struct resp_command *command)
{
    const struct acl *acl = c->port->acl;

    (void)command;
    resp_write_array(&c->out, acl_users_count(acl));
    for (size_t i = 0; i < acl_users_count(acl); i++) {
        resp_write_text(&c->out, acl_user_name(acl_user_at(acl, i), NULL));
    }
}

void cmd_acl_whoami(struct client *c, const struct resp_command *command)
{
    const struct acl_user *user = c->user;

    (void)command;
    if (user == NULL) {
        resp_write_null(&c->out, c->version);
        return;
    }
    resp_write_text(&c->out, acl_user_name(user, NULL));
}

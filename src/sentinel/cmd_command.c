#include <string.h>

#include "base/text.h"
#include "sentinel/acl_category.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"

/* COMMAND and its subcommands, but for DOCS (cmd_command_docs.c): what the table says, in Redis'
 * shapes. */

static bool is_listed(const struct command_row *row)
{
    return (row->flags & COMMAND_HIDDEN) == 0;
}

static bool is_top(const struct command_row *row)
{
    return strchr(row->name, '|') == NULL;
}

static bool is_sub_of(const struct command_row *row, const struct command_row *parent)
{
    size_t len = strlen(parent->name);

    return strncmp(row->name, parent->name, len) == 0 && row->name[len] == '|';
}

static size_t count_rows(bool (*is_wanted)(const struct command_row *row))
{
    size_t count = 0;

    for (uint32_t id = 0; id < command_table_count(); id++) {
        const struct command_row *row = command_table_at(id);
        count += is_listed(row) && is_wanted(row) ? 1 : 0;
    }
    return count;
}

void cmd_command_count(struct client *c, const struct resp_command *command)
{
    (void)command;
    resp_write_integer(&c->out, (int64_t)count_rows(is_top));
}

/* ---- INFO ---- */

static void write_flags(struct client *c, const struct command_row *row)
{
    size_t count = 0;

    for (uint32_t bit = 1; bit < COMMAND_FLAGS_MASK; bit <<= 1) {
        count += (row->flags & bit) != 0 ? 1 : 0;
    }
    resp_write_set(&c->out, c->version, count);
    for (uint32_t bit = 1; bit < COMMAND_FLAGS_MASK; bit <<= 1) {
        if ((row->flags & bit) != 0) {
            resp_write_simple(&c->out, command_flag_name((enum command_flag)bit));
        }
    }
}

static void write_categories(struct client *c, const struct command_row *row)
{
    size_t count = 0;

    for (int i = 0; i < CATEGORY_COUNT; i++) {
        count += (row->categories >> i & 1) != 0 ? 1 : 0;
    }
    resp_write_set(&c->out, c->version, count);
    for (int i = 0; i < CATEGORY_COUNT; i++) {
        if ((row->categories >> i & 1) != 0) {
            buf_printf(&c->out, "+@%s\r\n", acl_category_name(i));
        }
    }
}

static void write_tips(struct client *c, const struct command_row *row)
{
    const char *tip = row->tips;
    size_t count = tip[0] == '\0' ? 0 : 1;

    for (const char *at = tip; *at != '\0'; at++) {
        count += *at == ',' ? 1 : 0;
    }
    resp_write_set(&c->out, c->version, count);
    while (*tip != '\0') {
        size_t len = strcspn(tip, ",");
        resp_write_bulk(&c->out, tip, len);
        tip += len + (tip[len] == ',' ? 1 : 0);
    }
}

/* Ten fields; first, last and step of the keys are 0, there are none. */
static void write_info(struct client *c, const struct command_row *row)
{
    resp_write_array(&c->out, 10);
    resp_write_text(&c->out, row->name);
    resp_write_integer(&c->out, row->arity);
    write_flags(c, row);
    for (int i = 0; i < 3; i++) {
        resp_write_integer(&c->out, 0);
    }
    write_categories(c, row);
    write_tips(c, row);
    resp_write_set(&c->out, c->version, 0);
}

static void write_info_of_top(struct client *c, const struct command_row *row)
{
    size_t count = 0;

    write_info(c, row);
    for (uint32_t id = 0; id < command_table_count(); id++) {
        const struct command_row *sub = command_table_at(id);
        count += is_listed(sub) && is_sub_of(sub, row) ? 1 : 0;
    }
    if (count == 0) {
        resp_write_set(&c->out, c->version, 0);
        return;
    }
    resp_write_array(&c->out, count);
    for (uint32_t id = 0; id < command_table_count(); id++) {
        const struct command_row *sub = command_table_at(id);

        if (is_listed(sub) && is_sub_of(sub, row)) {
            write_info(c, sub);
            resp_write_set(&c->out, c->version, 0);
        }
    }
}

void cmd_command_all(struct client *c, const struct resp_command *command)
{
    (void)command;
    resp_write_array(&c->out, count_rows(is_top));
    for (uint32_t id = 0; id < command_table_count(); id++) {
        const struct command_row *row = command_table_at(id);

        if (is_listed(row) && is_top(row)) {
            write_info_of_top(c, row);
        }
    }
}

void cmd_command_info(struct client *c, const struct resp_command *command)
{
    if (command->argc == 2) {
        cmd_command_all(c, command);
        return;
    }
    resp_write_array(&c->out, command->argc - 2);
    for (size_t i = 2; i < command->argc; i++) {
        const struct command_row *row =
            command_table_find(command->argv[i].bytes, command->argv[i].len);

        if (row == NULL) {
            resp_write_null(&c->out, c->version);
        } else {
            write_info_of_top(c, row);
        }
    }
}

/* ---- LIST ---- */

enum list_filter { LIST_ALL, LIST_CATEGORY, LIST_PATTERN, LIST_NOTHING };

static bool list_matches(const struct command_row *row, enum list_filter filter, int category,
                         const struct resp_text *pattern)
{
    switch (filter) {
    case LIST_ALL:
        return true;
    case LIST_CATEGORY:
        return (row->categories >> category & 1) != 0;
    case LIST_PATTERN:
        return text_glob(pattern->bytes, pattern->len, row->name, strlen(row->name));
    case LIST_NOTHING:
        return false;
    }
    UNREACHABLE("not a filter of COMMAND LIST");
}

static void write_list(struct client *c, enum list_filter filter, int category,
                       const struct resp_text *pattern)
{
    struct buf names = {0};
    size_t count = 0;

    for (uint32_t id = 0; id < command_table_count(); id++) {
        const struct command_row *row = command_table_at(id);

        if (is_listed(row) && list_matches(row, filter, category, pattern)) {
            resp_write_text(&names, row->name);
            count++;
        }
    }
    resp_write_array(&c->out, count);
    buf_append(&c->out, buf_data(&names), names.len);
    buf_finish(&names);
}

/* COMMAND LIST [FILTERBY MODULE|ACLCAT|PATTERN <value>]; there are no modules. */
void cmd_command_list(struct client *c, const struct resp_command *command)
{
    const struct resp_text *value = &command->argv[command->argc - 1];
    bool is_filtered = command->argc == 5 && client_word_is(&command->argv[2], "filterby");
    const struct resp_text *by = is_filtered ? &command->argv[3] : NULL;

    if (command->argc == 2) {
        write_list(c, LIST_ALL, 0, NULL);
    } else if (is_filtered && client_word_is(by, "module")) {
        write_list(c, LIST_NOTHING, 0, NULL);
    } else if (is_filtered && client_word_is(by, "aclcat")) {
        int category = acl_category_find(value->bytes, value->len);
        write_list(c, category < 0 ? LIST_NOTHING : LIST_CATEGORY, category, NULL);
    } else if (is_filtered && client_word_is(by, "pattern")) {
        write_list(c, LIST_PATTERN, 0, value);
    } else {
        resp_write_error(&c->out, "ERR syntax error");
    }
}

/* ---- GETKEYS ---- */

/* No command here has a key. */
void cmd_command_getkeys(struct client *c, const struct resp_command *command)
{
    bool is_known = command_table_find(command->argv[2].bytes, command->argv[2].len) != NULL;

    resp_write_error(&c->out, "ERR %s",
                     is_known ? "The command has no key arguments" : "Invalid command specified");
}

void cmd_command_getkeysandflags(struct client *c, const struct resp_command *command)
{
    cmd_command_getkeys(c, command);
}

/* ---- HELP ---- */

static const char *const lines[] = {
    "(no subcommand)",
    "    Details of every command.",
    "COUNT",
    "    How many commands there are.",
    "DOCS [<command-name> ...]",
    "    Documentation of these commands, or of all.",
    "GETKEYS <full-command>",
    "    The keys in a command line.",
    "GETKEYSANDFLAGS <full-command>",
    "    The keys in a command line and how they are used.",
    "INFO [<command-name> ...]",
    "    Details of these commands, or of all.",
    "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <value>]",
    "    The names of the commands.",
};

void cmd_command_help(struct client *c, const struct resp_command *command)
{
    (void)command;
    client_help(c, "COMMAND", lines, COUNT_OF(lines));
}

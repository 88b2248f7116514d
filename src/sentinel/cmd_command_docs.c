#include <string.h>

#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"

/* COMMAND DOCS: what redis-cli and others show as help. The history of commands is left out. */

/* ---- one argument: "name:type?*" ---- */

struct arg {
    const char *name;
    size_t name_len;
    char type;
    bool is_optional;
    bool is_multiple;
};

/* The next argument of the text, which moves on; false at its end. */
static bool arg_next(const char **text, struct arg *arg)
{
    const char *at = *text + strspn(*text, " ");

    if (*at == '\0') {
        return false;
    }
    *arg = (struct arg){.name = at, .name_len = strcspn(at, ":")};
    at += arg->name_len + 1;
    arg->type = *at++;
    arg->is_optional = *at == '?';
    at += arg->is_optional ? 1 : 0;
    arg->is_multiple = *at == '*';
    at += arg->is_multiple ? 1 : 0;
    *text = at;
    return true;
}

static const char *arg_type_name(char type)
{
    return type == 'i'   ? "integer"
           : type == 'p' ? "pattern"
           : type == 't' ? "pure-token"
                         : "string";
}

static void write_token(struct client *c, const struct arg *arg)
{
    struct buf upper = {0};

    for (size_t i = 0; i < arg->name_len; i++) {
        char byte = arg->name[i];
        byte = (char)(byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte);
        buf_append(&upper, &byte, 1);
    }
    resp_write_text(&c->out, "token");
    resp_write_bulk(&c->out, buf_data(&upper), upper.len);
    buf_finish(&upper);
}

static void write_arg(struct client *c, const struct arg *arg)
{
    size_t flags = (arg->is_optional ? 1U : 0U) + (arg->is_multiple ? 1U : 0U);
    size_t pairs = 2 + (arg->type == 't' ? 1U : 0U) + (flags > 0 ? 1U : 0U);

    resp_write_map(&c->out, c->version, pairs);
    resp_write_text(&c->out, "name");
    resp_write_bulk(&c->out, arg->name, arg->name_len);
    resp_write_text(&c->out, "type");
    resp_write_text(&c->out, arg_type_name(arg->type));
    if (arg->type == 't') {
        write_token(c, arg);
    }
    if (flags > 0) {
        resp_write_text(&c->out, "flags");
        resp_write_set(&c->out, c->version, flags);
        if (arg->is_optional) {
            resp_write_simple(&c->out, "optional");
        }
        if (arg->is_multiple) {
            resp_write_simple(&c->out, "multiple");
        }
    }
}

static void write_args(struct client *c, const struct command_row *row)
{
    const char *text = row->args;
    struct arg arg;
    size_t count = 0;

    while (arg_next(&text, &arg)) {
        count++;
    }
    resp_write_text(&c->out, "arguments");
    resp_write_array(&c->out, count);
    text = row->args;
    while (arg_next(&text, &arg)) {
        write_arg(c, &arg);
    }
}

/* ---- commands ---- */

static bool is_sub_of(const struct command_row *row, const struct command_row *parent)
{
    size_t len = strlen(parent->name);

    return (row->flags & COMMAND_HIDDEN) == 0 && strncmp(row->name, parent->name, len) == 0 &&
           row->name[len] == '|';
}

static void write_texts(struct client *c, const struct command_row *row)
{
    resp_write_text(&c->out, "summary");
    resp_write_text(&c->out, row->summary);
    resp_write_text(&c->out, "since");
    resp_write_text(&c->out, row->since);
    resp_write_text(&c->out, "group");
    resp_write_text(&c->out, row->group);
    resp_write_text(&c->out, "complexity");
    resp_write_text(&c->out, row->complexity);
}

static void write_leaf(struct client *c, const struct command_row *row)
{
    bool has_args = row->args[0] != '\0';

    resp_write_text(&c->out, row->name);
    resp_write_map(&c->out, c->version, has_args ? 5 : 4);
    write_texts(c, row);
    if (has_args) {
        write_args(c, row);
    }
}

static void write_docs(struct client *c, const struct command_row *row)
{
    size_t subs = 0;

    for (uint32_t id = 0; id < command_table_count(); id++) {
        subs += is_sub_of(command_table_at(id), row) ? 1 : 0;
    }
    if (subs == 0) {
        write_leaf(c, row);
        return;
    }
    resp_write_text(&c->out, row->name);
    resp_write_map(&c->out, c->version, 5);
    write_texts(c, row);
    resp_write_text(&c->out, "subcommands");
    resp_write_map(&c->out, c->version, subs);
    for (uint32_t id = 0; id < command_table_count(); id++) {
        if (is_sub_of(command_table_at(id), row)) {
            write_leaf(c, command_table_at(id));
        }
    }
}

static bool is_shown(const struct command_row *row)
{
    return (row->flags & COMMAND_HIDDEN) == 0 && strchr(row->name, '|') == NULL;
}

static void write_all(struct client *c)
{
    size_t count = 0;

    for (uint32_t id = 0; id < command_table_count(); id++) {
        count += is_shown(command_table_at(id)) ? 1 : 0;
    }
    resp_write_map(&c->out, c->version, count);
    for (uint32_t id = 0; id < command_table_count(); id++) {
        if (is_shown(command_table_at(id))) {
            write_docs(c, command_table_at(id));
        }
    }
}

/* Unknown names are left out. */
void cmd_command_docs(struct client *c, const struct resp_command *command)
{
    size_t count = 0;

    if (command->argc == 2) {
        write_all(c);
        return;
    }
    for (size_t i = 2; i < command->argc; i++) {
        count += command_table_find(command->argv[i].bytes, command->argv[i].len) != NULL ? 1 : 0;
    }
    resp_write_map(&c->out, c->version, count);
    for (size_t i = 2; i < command->argc; i++) {
        const struct command_row *row =
            command_table_find(command->argv[i].bytes, command->argv[i].len);

        if (row != NULL) {
            write_docs(c, row);
        }
    }
}

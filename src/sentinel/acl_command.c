#include "sentinel/acl_inside.h"

#include <string.h>

#include "sentinel/cmd_table.h"

/* The commands a rule may name: all of Redis', so that lines can be copied from there. */

#define IN(category)                (1U << CATEGORY_##category)
#define ROW(name, kind, categories) {(name), ACL_KIND_##kind, (categories)},
static const struct acl_command commands[] = {
#include "sentinel/acl_commands.def"
};
#undef ROW
#undef IN

_Static_assert(COUNT_OF(commands) <= ACL_COMMANDS_MAX, "a bitmap has a bit for every command");

int acl_command_count(void)
{
    return (int)COUNT_OF(commands);
}

const struct acl_command *acl_command_at(int command)
{
    ASSERT(command >= 0 && command < acl_command_count());
    return &commands[command];
}

const char *acl_command_name(int command)
{
    return acl_command_at(command)->name;
}

/* '|' comes before all others, so that subcommands stand behind their container. */
static int acl_command_rank(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A' + 'a';
    }
    return c == '|' ? 1 : (unsigned char)c;
}

static int acl_command_compare(const char *name, size_t len, const char *with)
{
    for (size_t i = 0; i < len; i++) {
        /* A '\0' in the name is below every character, but not the end of `with`. */
        if (with[i] == '\0') {
            return 1;
        }
        int difference = acl_command_rank(name[i]) - acl_command_rank(with[i]);
        if (difference != 0) {
            return difference;
        }
    }
    return with[len] == '\0' ? 0 : -1;
}

/* Valkey's names. In an ACL they are the commands that they run, or a rule about one of two names
 * would leave the other open. */
static const struct {
    const char *alias;
    const char *name;
} aliases[] = {
    {"sentinel|get-primary-addr-by-name", "sentinel|get-master-addr-by-name"},
    {"sentinel|is-primary-down-by-addr", "sentinel|is-master-down-by-addr"},
    {"sentinel|primaries", "sentinel|masters"},
    {"sentinel|primary", "sentinel|master"},
};

static int acl_command_of_alias(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(aliases); i++) {
        if (acl_command_compare(name, len, aliases[i].alias) == 0) {
            return acl_command_find(aliases[i].name, strlen(aliases[i].name));
        }
    }
    return ACL_COMMAND_NONE;
}

int acl_command_find(const char *name, size_t len)
{
    int low = 0;
    int high = acl_command_count();

    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = acl_command_compare(name, len, commands[middle].name);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return acl_command_of_alias(name, len);
}

int acl_command_end(int command)
{
    const char *name = acl_command_name(command);
    size_t len = strlen(name);
    int end = command + 1;

    while (end < acl_command_count() && strncmp(commands[end].name, name, len) == 0 &&
           commands[end].name[len] == '|') {
        end++;
    }
    return end;
}

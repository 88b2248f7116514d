#include "sentinel/cmd_table.h"

#include <string.h>

#include "base/assert.h"
#include "sentinel/cmd_calls.h"

enum {
    ANYTIME = COMMAND_LOADING | COMMAND_STALE,
    QUIET = ANYTIME | COMMAND_NOSCRIPT,
    STRANGER = QUIET | COMMAND_FAST | COMMAND_NO_AUTH | COMMAND_ALLOW_BUSY,

    SLOW = 1 << CATEGORY_SLOW,
    ADMIN_SLOW = 1 << CATEGORY_ADMIN | 1 << CATEGORY_DANGEROUS | SLOW,
    ADMIN_FAST = 1 << CATEGORY_ADMIN | 1 << CATEGORY_DANGEROUS | 1 << CATEGORY_FAST,
    CONNECTION_SLOW = 1 << CATEGORY_CONNECTION | SLOW,
    CONNECTION_FAST = 1 << CATEGORY_CONNECTION | 1 << CATEGORY_FAST,
    CONNECTION_ADMIN = ADMIN_SLOW | 1 << CATEGORY_CONNECTION,
    DANGEROUS_SLOW = 1 << CATEGORY_DANGEROUS | SLOW,
    PUBSUB_SLOW = 1 << CATEGORY_PUBSUB | SLOW,
    PUBSUB_FAST = 1 << CATEGORY_PUBSUB | 1 << CATEGORY_FAST,
};

/* clang-format off */
static const struct command_row rows[] = {
#include "sentinel/cmd_rows.def"
};

static const struct {
    enum command_flag flag;
    const char *name;
} flag_names[] = {
    {COMMAND_ADMIN, "admin"},
    {COMMAND_PUBSUB, "pubsub"},
    {COMMAND_NOSCRIPT, "noscript"},
    {COMMAND_LOADING, "loading"},
    {COMMAND_STALE, "stale"},
    {COMMAND_SKIP_MONITOR, "skip_monitor"},
    {COMMAND_SKIP_SLOWLOG, "skip_slowlog"},
    {COMMAND_FAST, "fast"},
    {COMMAND_NO_AUTH, "no_auth"},
    {COMMAND_NO_MULTI, "no_multi"},
    {COMMAND_ALLOW_BUSY, "allow_busy"},
};
/* clang-format on */

uint32_t command_table_count(void)
{
    return (uint32_t)COUNT_OF(rows);
}

const struct command_row *command_table_at(uint32_t id)
{
    return id < COUNT_OF(rows) ? &rows[id] : NULL;
}

uint32_t command_table_id(const struct command_row *row)
{
    return (uint32_t)(row - rows);
}

/* The name in lower case. */
static const struct command_row *row_named(const char *lower)
{
    size_t low = 0;
    size_t high = COUNT_OF(rows);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(lower, rows[middle].name);

        if (order == 0) {
            return &rows[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct command_row *command_table_find(const char *name, size_t len)
{
    char lower[COMMAND_NAME_MAX];

    if (len >= sizeof(lower) || memchr(name, '\0', len) != NULL) {
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        bool is_upper = name[i] >= 'A' && name[i] <= 'Z';
        lower[i] = (char)(is_upper ? name[i] - 'A' + 'a' : name[i]);
    }
    lower[len] = '\0';
    return row_named(lower);
}

const struct command_row *command_table_sub(const struct command_row *parent, const char *name,
                                            size_t len)
{
    char full[COMMAND_NAME_MAX];
    size_t parent_len = strlen(parent->name);

    if (len == 0 || parent_len + 1 + len >= sizeof(full)) {
        return NULL;
    }
    memcpy(full, parent->name, parent_len);
    full[parent_len] = '|';
    memcpy(full + parent_len + 1, name, len);
    return command_table_find(full, parent_len + 1 + len);
}

const struct command_row *command_table_parent(const struct command_row *row)
{
    const char *bar = strchr(row->name, '|');

    return bar == NULL ? NULL : command_table_find(row->name, (size_t)(bar - row->name));
}

bool command_table_has_subs(const struct command_row *row)
{
    const struct command_row *next = command_table_at(command_table_id(row) + 1);
    size_t len = strlen(row->name);

    return next != NULL && strncmp(next->name, row->name, len) == 0 && next->name[len] == '|';
}

const char *command_flag_name(enum command_flag flag)
{
    for (size_t i = 0; i < COUNT_OF(flag_names); i++) {
        if (flag_names[i].flag == flag) {
            return flag_names[i].name;
        }
    }
    return "";
}

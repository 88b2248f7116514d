#include "config/config.h"

#include <stdlib.h>

#include "base/text.h"
#include "config/config_room.h"

static struct conf_rename *conf_renames_find(const struct conf_renames *renames,
                                             const char *command)
{
    for (size_t i = 0; i < renames->count; i++) {
        if (text_same(renames->items[i].from, command)) {
            return &renames->items[i];
        }
    }
    return NULL;
}

void conf_renames_set(struct conf_renames *renames, const char *from, const char *to)
{
    struct conf_rename *found = conf_renames_find(renames, from);
    char *copy = conf_set_copy(to);

    if (found != NULL) {
        free(found->to);
        found->to = copy;
        return;
    }
    renames->items = conf_set_grow(renames->items, renames->count, sizeof(*renames->items));
    renames->items[renames->count++] =
        (struct conf_rename){.from = conf_set_copy(from), .to = copy};
}

void conf_renames_clear(struct conf_renames *renames)
{
    for (size_t i = 0; i < renames->count; i++) {
        free(renames->items[i].from);
        free(renames->items[i].to);
    }
    free(renames->items);
    *renames = (struct conf_renames){0};
}

const char *conf_renames_get(const struct conf_renames *renames, const char *command)
{
    const struct conf_rename *found = conf_renames_find(renames, command);
    return found != NULL ? found->to : command;
}

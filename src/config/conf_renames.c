#include "config/config.h"

#include <stdlib.h>

#include "base/text.h"
#include "config/config_room.h"

void conf_renames_set(struct conf_renames *renames, const char *from, const char *to)
{
    char *copy = conf_set_copy(to);

    for (size_t i = 0; i < renames->count; i++) {
        if (text_same(renames->items[i].from, from)) {
            free(renames->items[i].to);
            renames->items[i].to = copy;
            return;
        }
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

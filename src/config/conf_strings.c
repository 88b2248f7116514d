#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "config/config_room.h"

void conf_strings_add(struct conf_strings *strings, const char *text, int line)
{
    strings->items = conf_set_grow(strings->items, strings->count, sizeof(*strings->items));
    strings->items[strings->count++] =
        (struct conf_string){.text = conf_set_copy(text), .line = line};
}

void conf_strings_clear(struct conf_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++) {
        /* user lines hold passwords */
        explicit_bzero(strings->items[i].text, strlen(strings->items[i].text));
        free(strings->items[i].text);
    }
    free(strings->items);
    *strings = (struct conf_strings){0};
}

#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "config/config_room.h"

char *conf_set_copy(const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    return copy;
}

void *conf_set_grow(void *items, size_t count, size_t size)
{
    /* Doubles at each power of two, so that appending is cheap without a capacity beside the
     * count. */
    if ((count & (count - 1)) != 0) {
        return items;
    }
    void *grown = realloc(items, (count == 0 ? 1 : count * 2) * size);
    if (grown == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    return grown;
}

void conf_set_text(char **field, const char *text)
{
    char *made = text == NULL || text[0] == '\0' ? NULL : conf_set_copy(text);

    free(*field);
    *field = made;
}

void conf_set_secret(struct conf_secret *field, const char *text)
{
    char *made = text == NULL || text[0] == '\0' ? NULL : conf_set_copy(text);

    if (field->text != NULL) {
        explicit_bzero(field->text, strlen(field->text));
        free(field->text);
    }
    field->text = made;
}

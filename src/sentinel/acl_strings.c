#include "sentinel/acl_inside.h"

#include <stdlib.h>
#include <string.h>

/* A short list of texts: patterns, rules. Looked through from the front. */

enum { ACL_STRINGS_FIRST = 4 };

void acl_strings_finish(struct acl_strings *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i]);
    }
    free(s->items);
    *s = (struct acl_strings){0};
}

void acl_strings_add(struct acl_strings *s, const char *text, size_t len)
{
    if (s->count == s->capacity) {
        size_t capacity = s->capacity == 0 ? ACL_STRINGS_FIRST : 2 * s->capacity;
        char **items = reallocarray(s->items, capacity, sizeof *items);
        ASSERT(items != NULL);
        s->items = items;
        s->capacity = capacity;
    }
    char *copy = malloc(len + 1);
    ASSERT(copy != NULL);
    memcpy(copy, text, len);
    copy[len] = '\0';
    s->items[s->count++] = copy;
}

void acl_strings_remove(struct acl_strings *s, size_t i)
{
    ASSERT(i < s->count);
    free(s->items[i]);
    s->count--;
    memmove(s->items + i, s->items + i + 1, (s->count - i) * sizeof *s->items);
}

void acl_strings_copy(struct acl_strings *to, const struct acl_strings *from)
{
    ASSERT(to->count == 0);
    for (size_t i = 0; i < from->count; i++) {
        acl_strings_add(to, from->items[i], strlen(from->items[i]));
    }
}

bool acl_strings_has(const struct acl_strings *s, const char *text, size_t len)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strlen(s->items[i]) == len && memcmp(s->items[i], text, len) == 0) {
            return true;
        }
    }
    return false;
}

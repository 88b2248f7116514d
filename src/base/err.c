#include "base/err.h"

#include <stdio.h>
#include <string.h>

bool err_set(struct err *err, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(err->text, sizeof(err->text), format, args); /* cut when too long */
        va_end(args);
    }
    return false;
}

bool err_wrap(struct err *err, const char *format, ...)
{
    if (err != NULL) {
        char inner[ERR_TEXT_MAX];
        char outer[ERR_TEXT_MAX];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(outer, sizeof(outer), format, args); /* cut when too long */
        va_end(args);
        memcpy(inner, err->text, sizeof(inner));
        inner[sizeof(inner) - 1] = '\0';
        size_t outer_len = strlen(outer);
        size_t room = sizeof(err->text) - outer_len;
        memcpy(err->text, outer, outer_len + 1);
        if (room > 3) {
            (void)snprintf(err->text + outer_len, room, ": %.*s", (int)room - 3,
                           inner); /* cut when too long */
        }
    }
    return false;
}

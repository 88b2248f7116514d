#include "config/config_room.h"

#include <string.h>

static bool config_line_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool config_line_next(const char **at, const char *end, struct config_line *line)
{
    if (*at == end) {
        return false;
    }
    const char *from = *at;
    const char *to = memchr(from, '\n', (size_t)(end - from));
    *at = to == NULL ? end : to + 1;
    to = to == NULL ? end : to;
    while (from < to && config_line_is_space(*from)) {
        from++;
    }
    while (to > from && config_line_is_space(to[-1])) {
        to--;
    }
    line->text = from;
    line->len = (size_t)(to - from);
    line->number++;
    return true;
}

bool config_line_is_blank(const struct config_line *line)
{
    return line->len == 0 || line->text[0] == '#';
}

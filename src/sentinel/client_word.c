#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "sentinel/port.h"

/* The words of a command, and the complaints about them that commands share. */

bool client_word_is(const struct resp_text *word, const char *text)
{
    return strlen(text) == word->len && text_same(word->bytes, text);
}

bool client_number(struct client *c, const struct resp_text *word, const char *complaint,
                   int64_t *value)
{
    if (text_to_i64(word->bytes, word->len, value)) {
        return true;
    }
    resp_write_error(&c->out, "ERR %s",
                     complaint == NULL ? "value is not an integer or out of range" : complaint);
    return false;
}

void client_usage(struct client *c, const char *container, const struct resp_command *command)
{
    resp_write_error(
        &c->out, "ERR unknown subcommand or wrong number of arguments for '%.128s'. Try %s HELP.",
        command->argv[1].bytes, container);
}

void client_help(struct client *c, const char *command, const char *const *lines, size_t count)
{
    resp_write_array(&c->out, count + 3);
    buf_printf(&c->out, "+%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n",
               command);
    for (size_t i = 0; i < count; i++) {
        resp_write_simple(&c->out, lines[i]);
    }
    resp_write_simple(&c->out, "HELP");
    resp_write_simple(&c->out, "    Prints this help.");
}

bool client_check_word(struct client *c, const struct resp_text *word, const char *what)
{
    for (size_t i = 0; i < word->len; i++) {
        if (word->bytes[i] < '!' || word->bytes[i] > '~') {
            resp_write_error(&c->out,
                             "ERR %s cannot contain spaces, newlines or special characters.", what);
            return false;
        }
    }
    return true;
}

void client_set_word(char **field, const struct resp_text *word)
{
    free(*field);
    *field = word->len == 0 ? NULL : memory_text(word->bytes);
}

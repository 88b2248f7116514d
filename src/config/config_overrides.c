#include "config/config.h"

#include <string.h>

#include "base/text.h"
#include "config/config_room.h"

static bool config_overrides_is_name(const char *arg)
{
    return strncmp(arg, "--", 2) == 0;
}

/*
 * As Redis 7 reads its command line: the word behind a directive is its argument even when it
 * begins with "--" (a password may), the next one with "--" begins a directive. "--sentinel" alone
 * says how we run.
 */
bool config_overrides(int argc, char *const argv[], struct buf *text, struct err *err)
{
    int at = 0;

    while (at < argc) {
        if (!config_overrides_is_name(argv[at]) || argv[at][2] == '\0') {
            return err_set(err,
                           "\"%s\" on the command line is no directive; write --<directive> "
                           "<value>",
                           argv[at]);
        }
        const char *name = argv[at++] + 2;
        if (text_same(name, "sentinel") && (at == argc || config_overrides_is_name(argv[at]))) {
            continue;
        }
        buf_append_text(text, name);
        for (int args = 0; at < argc && (args == 0 || !config_overrides_is_name(argv[at]));
             args++) {
            buf_append_text(text, " ");
            words_quote(text, argv[at], strlen(argv[at]));
            at++;
        }
        buf_append_text(text, "\n");
    }
    return true;
}

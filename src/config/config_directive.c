/* Directives of redis.conf that take several words: one function each. */
#include "config/config.h"

#include <string.h>

#include "base/text.h"
#include "config/config_room.h"

enum {
    CONFIG_BIND_MAX = 16,          /* Redis' CONFIG_BINDADDR_MAX */
    CONFIG_OUTPUT_LIMIT_WORDS = 4, /* class, hard, soft, seconds */
};

const char *const config_client_class_names[CONF_CLIENT_CLASSES] = {"normal", "replica", "pubsub"};

#define MB (INT64_C(1024) * 1024)

/* Redis' defaults. */
const struct conf_output_limit config_output_limit_defaults[CONF_CLIENT_CLASSES] = {
    [CONF_CLIENT_REPLICA] = {256 * MB, 64 * MB, 60},
    [CONF_CLIENT_PUBSUB] = {32 * MB, 8 * MB, 60},
};

enum config_directive config_directive_find(const char *name)
{
    static const struct {
        const char *name;
        enum config_directive directive;
    } names[] = {
        {"sentinel", CONFIG_DIRECTIVE_SENTINEL},
        {"bind", CONFIG_DIRECTIVE_BIND},
        {"user", CONFIG_DIRECTIVE_USER},
        {"rename-command", CONFIG_DIRECTIVE_RENAME_COMMAND},
        {"client-output-buffer-limit", CONFIG_DIRECTIVE_OUTPUT_LIMIT},
        {"include", CONFIG_DIRECTIVE_INCLUDE},
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (text_same(names[i].name, name)) {
            return names[i].directive;
        }
    }
    return CONFIG_DIRECTIVE_NONE;
}

bool config_directive_client_class(const char *name, enum conf_client_class *class_)
{
    for (int i = 0; i < CONF_CLIENT_CLASSES; i++) {
        if (text_same(name, config_client_class_names[i]) ||
            (i == CONF_CLIENT_REPLICA && text_same(name, "slave"))) {
            *class_ = (enum conf_client_class)i;
            return true;
        }
    }
    return false;
}

static int config_directive_line(const struct config_parser *p)
{
    return p->line->origin == CONFIG_FROM_FILE ? p->line->number : 0;
}

bool config_directive_bind(struct config_parser *p)
{
    const struct words *w = &p->words;

    if (w->count < 2 || w->count > CONFIG_BIND_MAX + 1) {
        return config_notes_error(p, "bind takes 1 to %d addresses", (int)CONFIG_BIND_MAX);
    }
    for (size_t i = 1; i < w->count; i++) {
        if (words_len(w, i) == 0) {
            return config_notes_error(p,
                                      "bind: an address is empty; to listen on no TCP port write "
                                      "port 0");
        }
    }
    conf_strings_clear(&p->conf->bind);
    for (size_t i = 1; i < w->count; i++) {
        conf_strings_add(&p->conf->bind, words_at(w, i), config_directive_line(p));
    }
    return true;
}

/* The line of the main file that gives this user, 0 when none does. */
static int config_directive_user_line(const struct config_parser *p)
{
    const struct conf_strings *lines = &p->conf->user_lines;
    struct buf name = {0};
    int line = 0;

    words_quote(&name, words_at(&p->words, 1), words_len(&p->words, 1));
    for (size_t i = 0; i < lines->count && line == 0; i++) {
        const char *text = lines->items[i].text;
        if (strncmp(text, buf_data(&name), name.len) == 0 &&
            (text[name.len] == ' ' || text[name.len] == '\0')) {
            line = lines->items[i].line;
        }
    }
    buf_finish(&name);
    return line;
}

bool config_directive_user(struct config_parser *p)
{
    struct buf rules = {0};

    if (p->words.count < 2) {
        return config_notes_error(p, "user takes <name> <rule> ...");
    }
    int line = p->line->origin == CONFIG_FROM_FILE ? 0 : config_directive_user_line(p);
    if (line != 0) {
        /* our own rewrite puts such a user into the main file */
        config_notes_warn(p, "user %s: line %d of the main file is used instead",
                          words_at(&p->words, 1), line);
        return true;
    }
    for (size_t i = 1; i < p->words.count; i++) {
        buf_append_text(&rules, i == 1 ? "" : " ");
        words_quote(&rules, words_at(&p->words, i), words_len(&p->words, i));
    }
    conf_strings_add(&p->conf->user_lines, buf_data(&rules), config_directive_line(p));
    buf_finish(&rules);
    return true;
}

bool config_directive_rename_command(struct config_parser *p)
{
    if (p->words.count != 3) {
        return config_notes_error(p, "rename-command takes <command> <new-name>");
    }
    conf_renames_set(&p->conf->renames, words_at(&p->words, 1), words_at(&p->words, 2));
    return true;
}

static bool config_directive_one_limit(struct config_parser *p, size_t at)
{
    struct conf_output_limit limit;
    enum conf_client_class class_;
    const char *seconds = words_at(&p->words, at + 3);

    if (!config_directive_client_class(words_at(&p->words, at), &class_)) {
        return config_notes_error(p,
                                  "client-output-buffer-limit: \"%s\" is none of normal, replica, "
                                  "pubsub",
                                  words_at(&p->words, at));
    }
    if (!config_option_to_bytes(words_at(&p->words, at + 1), &limit.hard_bytes) ||
        !config_option_to_bytes(words_at(&p->words, at + 2), &limit.soft_bytes) ||
        !text_to_i64(seconds, strlen(seconds), &limit.soft_s) || limit.soft_s < 0) {
        return config_notes_error(
            p,
            "client-output-buffer-limit %s takes a hard size, a soft size and "
            "seconds, like 32mb 8mb 60",
            words_at(&p->words, at));
    }
    p->conf->output_limits[class_] = limit;
    return true;
}

bool config_directive_output_limit(struct config_parser *p)
{
    size_t args = p->words.count - 1;
    bool good = true;

    if (args == 0 || args % CONFIG_OUTPUT_LIMIT_WORDS != 0) {
        return config_notes_error(p, "client-output-buffer-limit takes <class> <hard> <soft> "
                                     "<seconds>");
    }
    for (size_t at = 1; at <= args; at += CONFIG_OUTPUT_LIMIT_WORDS) {
        good = config_directive_one_limit(p, at) && good;
    }
    return good;
}

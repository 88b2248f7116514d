#include "sentinel/acl_inside.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "sentinel/acl_category.h"

/*
 * Commands, keys and channels of one selector. What is allowed is a bitmap; beside it stand the
 * rules that made it, because they are what ACL LIST shows (as Redis 7.2 and Valkey do; 7.0 guesses
 * them back from its bitmap). A rule that a later one covers wholly is dropped, so the list cannot
 * grow for ever.
 */

struct acl_selector *acl_selector_create(bool is_channels_open)
{
    struct acl_selector *s = calloc(1, sizeof *s);
    ASSERT(s != NULL);
    s->is_all_channels = is_channels_open;
    return s;
}

struct acl_selector *acl_selector_copy(const struct acl_selector *from)
{
    struct acl_selector *s = acl_selector_create(from->is_all_channels);
    memcpy(s->allowed, from->allowed, sizeof s->allowed);
    s->is_all_commands = from->is_all_commands;
    s->is_based_on_all = from->is_based_on_all;
    s->is_all_keys = from->is_all_keys;
    acl_strings_copy(&s->rules, &from->rules);
    acl_strings_copy(&s->first_args, &from->first_args);
    acl_strings_copy(&s->keys, &from->keys);
    acl_strings_copy(&s->channels, &from->channels);
    return s;
}

void acl_selector_destroy(struct acl_selector *s)
{
    if (s == NULL) {
        return;
    }
    acl_strings_finish(&s->rules);
    acl_strings_finish(&s->first_args);
    acl_strings_finish(&s->keys);
    acl_strings_finish(&s->channels);
    free(s);
}

/* ---- commands ---- */

static bool acl_selector_bit(const struct acl_selector *s, int command)
{
    return (s->allowed[command / 64] >> (command % 64) & 1) != 0;
}

/* `text` is name, or name and "|" and more; the case of letters does not count. */
static bool acl_selector_covers(const char *name, size_t len, const char *text)
{
    return strncasecmp(text, name, len) == 0 && (text[len] == '\0' || text[len] == '|');
}

static void acl_selector_drop_first_args(struct acl_selector *s, const char *name)
{
    size_t i = 0;

    while (i < s->first_args.count) {
        if (acl_selector_covers(name, strlen(name), s->first_args.items[i])) {
            acl_strings_remove(&s->first_args, i);
        } else {
            i++;
        }
    }
}

/* A command and all its subcommands. Like in Redis,
 * first arguments allowed before are forgotten. */
static void acl_selector_set(struct acl_selector *s, int command, bool allow)
{
    int end = acl_command_end(command);

    for (int i = command; i < end; i++) {
        uint64_t bit = UINT64_C(1) << (i % 64);
        s->allowed[i / 64] = allow ? s->allowed[i / 64] | bit : s->allowed[i / 64] & ~bit;
    }
    if (!allow) {
        s->is_all_commands = false;
    }
    if (s->first_args.count > 0) {
        acl_selector_drop_first_args(s, acl_command_name(command));
    }
}

static void acl_selector_set_all(struct acl_selector *s, bool allow)
{
    memset(s->allowed, allow ? 0xff : 0, sizeof s->allowed);
    s->is_all_commands = allow;
    s->is_based_on_all = allow;
    acl_strings_finish(&s->rules);
    acl_strings_finish(&s->first_args);
}

/* Appends sign and name; earlier rules about the same, or about parts of it, have no effect any
 * more. */
static void acl_selector_note(struct acl_selector *s, char sign, const char *name, size_t len)
{
    struct buf rule = {0};
    size_t i = 0;

    while (i < s->rules.count) {
        if (acl_selector_covers(name, len, s->rules.items[i] + 1)) {
            acl_strings_remove(&s->rules, i);
        } else {
            i++;
        }
    }
    buf_append(&rule, &sign, 1);
    buf_append(&rule, name, len);
    acl_strings_add(&s->rules, buf_data(&rule), rule.len);
    buf_finish(&rule);
}

static enum acl_fault acl_selector_category(struct acl_selector *s, char sign, const char *name,
                                            size_t len)
{
    char text[32]; /* '@' and the longest name of a category */
    bool allow = sign == '+';

    if (len == 3 && strncasecmp(name, "all", 3) == 0) {
        acl_selector_set_all(s, allow);
        return ACL_FAULT_NONE;
    }
    int category = acl_category_find(name, len);
    if (category < 0) {
        return ACL_FAULT_UNKNOWN;
    }
    for (int i = 0; i < acl_command_count(); i++) {
        if ((acl_command_at(i)->categories >> category & 1) != 0) {
            acl_selector_set(s, i, allow);
        }
    }
    text[0] = '@';
    text_cut(text + 1, sizeof text - 1, acl_category_name(category));
    acl_selector_note(s, sign, text, strlen(text));
    return ACL_FAULT_NONE;
}

/* "+ping|x": PING, when its first argument is x. Redis calls it deprecated, but rules are full of
 * it. */
static enum acl_fault acl_selector_first_arg(struct acl_selector *s, const char *name, size_t len,
                                             size_t bar)
{
    const char *second = memchr(name + bar + 1, '|', len - bar - 1);
    int command = acl_command_find(name, bar);

    if (second != NULL) {
        int sub = acl_command_find(name, (size_t)(second - name));
        return sub == ACL_COMMAND_NONE ? ACL_FAULT_UNKNOWN : ACL_FAULT_FIRST_ARG;
    }
    if (command == ACL_COMMAND_NONE) {
        return ACL_FAULT_UNKNOWN;
    }
    if (bar + 1 == len) {
        return ACL_FAULT_SYNTAX;
    }
    if (acl_command_end(command) > command + 1) {
        return ACL_FAULT_UNKNOWN;
    }
    struct buf text = {0};
    buf_append_text(&text, acl_command_name(command));
    buf_append(&text, name + bar, len - bar);
    acl_selector_note(s, '+', buf_data(&text), text.len);
    if (!acl_selector_bit(s, command) &&
        !acl_strings_has(&s->first_args, buf_data(&text), text.len)) {
        acl_strings_add(&s->first_args, buf_data(&text), text.len);
    }
    buf_finish(&text);
    return ACL_FAULT_NONE;
}

static enum acl_fault acl_selector_command(struct acl_selector *s, char sign, const char *name,
                                           size_t len)
{
    int command = acl_command_find(name, len);
    const char *bar = memchr(name, '|', len);

    if (command != ACL_COMMAND_NONE) {
        const char *real = acl_command_name(command); /* the word may be an alias */
        acl_selector_set(s, command, sign == '+');
        acl_selector_note(s, sign, real, strlen(real));
        return ACL_FAULT_NONE;
    }
    if (sign == '-' || bar == NULL) {
        return ACL_FAULT_UNKNOWN;
    }
    return acl_selector_first_arg(s, name, len, (size_t)(bar - name));
}

/* ---- keys and channels ---- */

enum { KEY_READ = 1, KEY_WRITE = 2, KEY_BOTH = KEY_READ | KEY_WRITE };

static const char *const key_prefixes[] = {NULL, "%R~", "%W~", "~"};

static void acl_selector_set_keys(struct acl_selector *s, bool all)
{
    s->is_all_keys = all;
    acl_strings_finish(&s->keys);
}

/* Adds a pattern, or widens the access of one that is there. */
static enum acl_fault acl_selector_add_key(struct acl_selector *s, int access, const char *pattern,
                                           size_t len)
{
    struct acl_strings *keys = &s->keys;
    struct buf text = {0};
    size_t at = keys->count;

    if (s->is_all_keys) {
        return ACL_FAULT_ALL_KEYS;
    }
    for (size_t i = 0; i < keys->count; i++) {
        const char *have = keys->items[i];
        const char *have_pattern = strchr(have, '~') + 1;
        if (strlen(have_pattern) == len && memcmp(have_pattern, pattern, len) == 0) {
            int had = have[0] == '~' ? KEY_BOTH : (have[1] == 'R' ? KEY_READ : KEY_WRITE);
            access |= had;
            at = i;
        }
    }
    if (access == KEY_BOTH && len == 1 && pattern[0] == '*') {
        /* It would be saved as "~*", behind which no other pattern may stand. */
        acl_selector_set_keys(s, true);
        return ACL_FAULT_NONE;
    }
    buf_append_text(&text, key_prefixes[access]);
    buf_append(&text, pattern, len);
    acl_strings_add(keys, buf_data(&text), text.len);
    buf_finish(&text);
    if (at + 1 < keys->count) {
        /* The widened one takes the place of the old. */
        char *widened = keys->items[keys->count - 1];
        keys->items[keys->count - 1] = keys->items[at];
        keys->items[at] = widened;
        acl_strings_remove(keys, keys->count - 1);
    }
    return ACL_FAULT_NONE;
}

/* What a letter of "%RW~x" allows; 0: it is none of them. */
static int acl_selector_key_access(char letter)
{
    switch (letter) {
    case 'r':
    case 'R':
        return KEY_READ;
    case 'w':
    case 'W':
        return KEY_WRITE;
    default:
        return 0;
    }
}

/* "%R~x", "%RW~x"; "%R" is the empty pattern, as in Redis. */
static enum acl_fault acl_selector_key(struct acl_selector *s, const char *rule, size_t len)
{
    int access = rule[0] == '~' ? KEY_BOTH : 0;
    size_t at = 1;
    bool is_pattern = rule[0] == '~';

    while (at < len && !is_pattern) {
        int bit = acl_selector_key_access(rule[at]);
        is_pattern = rule[at] == '~';
        if (!is_pattern && (bit == 0 || (access & bit) != 0)) {
            return ACL_FAULT_SYNTAX;
        }
        access |= bit;
        at++;
    }
    if (access == 0) {
        return ACL_FAULT_SYNTAX;
    }
    return acl_selector_add_key(s, access, rule + at, len - at);
}

static enum acl_fault acl_selector_channel(struct acl_selector *s, const char *pattern, size_t len)
{
    if (s->is_all_channels) {
        return ACL_FAULT_ALL_CHANNELS;
    }
    if (!acl_strings_has(&s->channels, pattern, len)) {
        acl_strings_add(&s->channels, pattern, len);
    }
    return ACL_FAULT_NONE;
}

static void acl_selector_set_channels(struct acl_selector *s, bool all)
{
    s->is_all_channels = all;
    acl_strings_finish(&s->channels);
}

/* ---- rules ---- */

enum whole { WHOLE_COMMANDS, WHOLE_KEYS, WHOLE_CHANNELS };

static const struct acl_word {
    const char *word;
    enum whole whole;
    bool all;
} whole_words[] = {
    {"allcommands", WHOLE_COMMANDS, true}, {"nocommands", WHOLE_COMMANDS, false},
    {"allkeys", WHOLE_KEYS, true},         {"~*", WHOLE_KEYS, true},
    {"resetkeys", WHOLE_KEYS, false},      {"allchannels", WHOLE_CHANNELS, true},
    {"&*", WHOLE_CHANNELS, true},          {"resetchannels", WHOLE_CHANNELS, false},
};

static bool acl_selector_word(struct acl_selector *s, const char *rule, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(whole_words); i++) {
        const struct acl_word *w = &whole_words[i];
        if (strlen(w->word) != len || strncasecmp(w->word, rule, len) != 0) {
            continue;
        }
        switch (w->whole) {
        case WHOLE_COMMANDS:
            acl_selector_set_all(s, w->all);
            return true;
        case WHOLE_KEYS:
            acl_selector_set_keys(s, w->all);
            return true;
        case WHOLE_CHANNELS:
            acl_selector_set_channels(s, w->all);
            return true;
        }
    }
    return false;
}

static bool acl_selector_has_space(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\0' || isspace((unsigned char)text[i])) {
            return true;
        }
    }
    return false;
}

enum acl_fault acl_selector_apply(struct acl_selector *s, const char *rule, size_t len)
{
    if (acl_selector_word(s, rule, len)) {
        return ACL_FAULT_NONE;
    }
    /* Saved rules are parted by spaces and lines. */
    if (len == 0 || acl_selector_has_space(rule, len)) {
        return ACL_FAULT_SYNTAX;
    }
    switch (rule[0]) {
    case '+':
    case '-':
        if (len > 1 && rule[1] == '@') {
            return acl_selector_category(s, rule[0], rule + 2, len - 2);
        }
        return acl_selector_command(s, rule[0], rule + 1, len - 1);
    case '~':
    case '%':
        return acl_selector_key(s, rule, len);
    case '&':
        return acl_selector_channel(s, rule + 1, len - 1);
    default:
        return ACL_FAULT_SYNTAX;
    }
}

/* ---- print ---- */

void acl_selector_print_commands(const struct acl_selector *s, struct buf *out)
{
    buf_append_text(out, s->is_based_on_all ? "+@all" : "-@all");
    for (size_t i = 0; i < s->rules.count; i++) {
        buf_printf(out, " %s", s->rules.items[i]);
    }
}

void acl_selector_print_keys(const struct acl_selector *s, struct buf *out)
{
    if (s->is_all_keys) {
        buf_append_text(out, "~*");
    }
    for (size_t i = 0; i < s->keys.count; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : " ", s->keys.items[i]);
    }
}

void acl_selector_print_channels(const struct acl_selector *s, struct buf *out)
{
    if (s->is_all_channels) {
        buf_append_text(out, "&*");
    }
    for (size_t i = 0; i < s->channels.count; i++) {
        buf_printf(out, "%s&%s", i == 0 ? "" : " ", s->channels.items[i]);
    }
}

void acl_selector_print(const struct acl_selector *s, struct buf *out)
{
    if (s->is_all_keys || s->keys.count > 0) {
        acl_selector_print_keys(s, out);
        buf_append_text(out, " ");
    }
    if (!s->is_all_channels) {
        buf_append_text(out, "resetchannels ");
    }
    if (s->is_all_channels || s->channels.count > 0) {
        acl_selector_print_channels(s, out);
        buf_append_text(out, " ");
    }
    acl_selector_print_commands(s, out);
}

/* ---- checks ---- */

bool acl_selector_allows_channel(const struct acl_selector *s, const char *channel, size_t len,
                                 bool is_pattern)
{
    if (s->is_all_channels) {
        return true;
    }
    if (is_pattern) {
        return acl_strings_has(&s->channels, channel, len);
    }
    for (size_t i = 0; i < s->channels.count; i++) {
        const char *pattern = s->channels.items[i];
        if (text_glob(pattern, strlen(pattern), channel, len)) {
            return true;
        }
    }
    return false;
}

static bool acl_selector_allows_first_arg(const struct acl_selector *s, int command,
                                          const struct resp_text *arg)
{
    const char *name = acl_command_name(command);
    size_t len = strlen(name);

    for (size_t i = 0; i < s->first_args.count; i++) {
        const char *have = s->first_args.items[i];
        if (strncmp(have, name, len) == 0 && have[len] == '|' &&
            strlen(have + len + 1) == arg->len &&
            strncasecmp(have + len + 1, arg->bytes, arg->len) == 0) {
            return true;
        }
    }
    return false;
}

enum acl_verdict acl_selector_check(const struct acl_selector *s, int command, size_t argc,
                                    const struct resp_text *argv, size_t *bad_arg)
{
    if (command == ACL_COMMAND_NONE) {
        return s->is_all_commands ? ACL_ALLOWED : ACL_DENIED_COMMAND;
    }
    enum acl_kind kind = acl_command_at(command)->kind;
    if (kind != ACL_KIND_NO_AUTH && !acl_selector_bit(s, command) &&
        !(argc > 1 && acl_selector_allows_first_arg(s, command, &argv[1]))) {
        return ACL_DENIED_COMMAND;
    }
    if (kind == ACL_KIND_PLAIN || kind == ACL_KIND_NO_AUTH) {
        return ACL_ALLOWED;
    }
    size_t end = kind == ACL_KIND_PUBLISH && argc > 2 ? 2 : argc;
    for (size_t i = 1; i < end; i++) {
        if (!acl_selector_allows_channel(s, argv[i].bytes, argv[i].len,
                                         kind == ACL_KIND_PATTERNS)) {
            *bad_arg = i;
            return ACL_DENIED_CHANNEL;
        }
    }
    return ACL_ALLOWED;
}

#include "sentinel/acl_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/words.h"

/*
 * Users from text: "user" lines of a configuration file, and aclfiles, which count as a whole or
 * not at all. Their errors go to logs: no password, and nothing that could be one, is in them.
 */

enum { ACL_LOAD_ERRORS_BYTES_MAX = ERR_TEXT_MAX - 200 /* the closing sentence must fit too */ };

/* A rule for an error text that may end in a log: what could be a password, also one whose '>' was
 * forgotten, is not in it. */
static void acl_load_mask(const struct resp_text *rule, struct buf *out)
{
    static const char shown[] = {'+', '-', '~', '%', '&'};
    static const char hidden[] = {'>', '<', '#', '!', '('};

    if (rule->len > 0 && memchr(shown, rule->bytes[0], sizeof shown) != NULL) {
        buf_append(out, rule->bytes, rule->len);
        return;
    }
    if (rule->len > 0 && memchr(hidden, rule->bytes[0], sizeof hidden) != NULL) {
        buf_append(out, rule->bytes, 1); /* which kind it was */
    }
    buf_append_text(out, "...");
}

static bool acl_load_words(struct acl *acl, struct acl_user *user, const struct words *words,
                           struct err *err)
{
    struct acl_mistake mistake;
    size_t count = words->count - 1;
    struct resp_text *rules = calloc(count + 1, sizeof *rules);

    ASSERT(rules != NULL);
    for (size_t i = 0; i < count; i++) {
        rules[i] = (struct resp_text){words_at(words, i + 1), words_len(words, i + 1)};
    }
    bool is_right = acl_rules_apply(&user->rights, acl->is_channels_open, count, rules, &mistake);
    if (!is_right) {
        struct buf rule = {0};
        acl_load_mask(&rules[mistake.first], &rule);
        (void)err_set(err, "user '%s': rule '%s': %s", user->name, buf_data(&rule),
                      mistake.is_unmatched ? "Unmatched parenthesis in selector definition."
                                           : acl_rules_reason(mistake.fault));
        buf_finish(&rule);
    }
    free(rules);
    return is_right;
}

/* Puts the loaded user where one of this name is, or beside the others. */
static void acl_load_take(struct acl *acl, struct acl_user *take)
{
    struct acl_user *have = acl_find(acl, take->name, strlen(take->name));

    if (have == NULL) {
        acl_insert(acl, take);
        return;
    }
    acl_rules_finish(&have->rights);
    acl_rules_copy(&have->rights, &take->rights);
    have->is_from_line = take->is_from_line;
    acl_release(take);
}

bool acl_load_line(struct acl *acl, const char *line, struct err *err)
{
    struct words words = {0};
    struct acl_user *user = NULL;
    bool is_right = false;

    if (!words_split(&words, line, strlen(line))) {
        (void)err_set(err, "unbalanced quotes in a user declaration");
    } else if (words.count == 0) {
        (void)err_set(err, "a user declaration needs a name");
    } else if (!acl_is_name(words_at(&words, 0), words_len(&words, 0))) {
        (void)err_set(err, "Usernames can't contain spaces or null characters");
    } else {
        const struct acl_user *have = acl_find(acl, words_at(&words, 0), words_len(&words, 0));
        user = acl_create_user(words_at(&words, 0), words_len(&words, 0), acl->is_channels_open);
        user->is_from_line = true;
        if (have != NULL && have->is_from_line) {
            (void)err_set(err,
                          "Error in user declaration '%s': Duplicate user found. A user can only "
                          "be defined once in config files",
                          user->name);
        } else {
            is_right = acl_load_words(acl, user, &words, err);
        }
    }
    if (is_right) {
        acl_load_take(acl, user);
    } else {
        acl_release(user);
    }
    words_finish(&words);
    return is_right;
}

/* ---- aclfile ---- */

/* One aclfile on its way in. */
struct acl_loading {
    struct acl *fresh; /* its users, and nobody else's */
    const char *path;
    size_t line; /* from 1 */
    struct resp_text *words;
    size_t words_capacity;
    struct buf errors;
};

static void acl_load_file_error(struct acl_loading *loading, const char *colon, const char *text)
{
    if (loading->errors.len < ACL_LOAD_ERRORS_BYTES_MAX) {
        buf_printf(&loading->errors, "%s:%zu%s%s. ", loading->path, loading->line, colon, text);
    }
}

/* As Redis: one space parts words, two make an empty one between them. Returns how many. */
static size_t acl_load_file_split(struct acl_loading *loading, const char *line, size_t len)
{
    size_t count = 0;
    size_t at = 0;

    while (at <= len) {
        const char *space = memchr(line + at, ' ', len - at);
        size_t word_len = space != NULL ? (size_t)(space - line) - at : len - at;
        if (count == loading->words_capacity) {
            loading->words_capacity = 2 * loading->words_capacity + 16;
            loading->words =
                reallocarray(loading->words, loading->words_capacity, sizeof *loading->words);
            ASSERT(loading->words != NULL);
        }
        loading->words[count++] = (struct resp_text){line + at, word_len};
        at += word_len + 1;
    }
    return count;
}

static void acl_load_file_rules(struct acl_loading *loading, struct acl_user *user, size_t count)
{
    const struct resp_text *rules = loading->words + 2;
    struct acl_mistake mistake;
    struct buf why = {0};

    if (acl_rules_apply(&user->rights, loading->fresh->is_channels_open, count, rules, &mistake)) {
        return;
    }
    if (mistake.is_unmatched) {
        buf_append_text(&why, "Unmatched parenthesis in selector definition");
    } else if (mistake.fault == ACL_FAULT_UNKNOWN) {
        buf_append_text(&why, "Error in applying operation '");
        acl_load_mask(&rules[mistake.first], &why);
        buf_printf(&why, "': %s", acl_rules_reason(mistake.fault));
    } else {
        buf_append_text(&why, acl_rules_reason(mistake.fault));
    }
    acl_load_file_error(loading, ": ", buf_data(&why));
    buf_finish(&why);
}

static void acl_load_file_line(struct acl_loading *loading, const char *line, size_t len)
{
    while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL) {
        len--;
    }
    while (len > 0 && strchr(" \t\r", line[0]) != NULL) {
        line++;
        len--;
    }
    if (len == 0) {
        return;
    }
    size_t count = acl_load_file_split(loading, line, len);
    const struct resp_text *words = loading->words;
    if (count < 2 || words[0].len != 4 || memcmp(words[0].bytes, "user", 4) != 0) {
        acl_load_file_error(loading, " ",
                            "should start with user keyword followed by the username");
        return;
    }
    if (!acl_is_name(words[1].bytes, words[1].len)) {
        acl_load_file_error(loading, ": ", "the username contains invalid characters");
        return;
    }
    if (acl_find(loading->fresh, words[1].bytes, words[1].len) != NULL) {
        if (loading->errors.len < ACL_LOAD_ERRORS_BYTES_MAX) {
            buf_printf(&loading->errors, "WARNING: Duplicate user '%.*s' found on line %zu. ",
                       (int)words[1].len, words[1].bytes, loading->line);
        }
        return;
    }
    struct acl_user *user =
        acl_create_user(words[1].bytes, words[1].len, loading->fresh->is_channels_open);
    acl_insert(loading->fresh, user);
    acl_load_file_rules(loading, user, count - 2);
}

static void acl_load_file_lines(struct acl_loading *loading, const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end != NULL ? (size_t)(end - text) - at : len - at;
        loading->line++;
        acl_load_file_line(loading, text + at, line_len);
        at += line_len + 1;
    }
}

static bool acl_load_same_rights(const struct acl_user *a, const struct acl_user *b)
{
    struct buf a_text = {0};
    struct buf b_text = {0};

    acl_rules_print(&a->rights, &a_text);
    acl_rules_print(&b->rights, &b_text);
    bool is_same = a_text.len == b_text.len && strcmp(buf_data(&a_text), buf_data(&b_text)) == 0;
    buf_finish(&a_text);
    buf_finish(&b_text);
    return is_same;
}

/* The users of fresh become those of acl. A user of the same name stays the same object, so that
 * its clients keep it. */
static void acl_load_replace(struct acl *acl, struct acl *fresh)
{
    struct acl old = *acl;

    acl->users = NULL;
    acl->count = 0;
    acl->capacity = 0;

    for (size_t i = 0; i < fresh->count; i++) {
        struct acl_user *user = fresh->users[i];
        struct acl_user *had = acl_find(&old, user->name, strlen(user->name));
        if (had == NULL) {
            acl_insert(acl, acl_hold(user));
            continue;
        }
        acl_insert(acl, acl_hold(had));
        if (!acl_load_same_rights(had, user)) {
            acl_rules_finish(&had->rights);
            acl_rules_copy(&had->rights, &user->rights);
            /* Redis keeps the clients of the default user through ACL LOAD. */
            acl_tell(acl, had, had == acl->default_user ? ACL_USER_CHANGED : ACL_USER_REPLACED);
        }
    }
    for (size_t i = 0; i < old.count; i++) {
        struct acl_user *had = old.users[i];
        if (acl_find(acl, had->name, strlen(had->name)) == NULL) {
            had->is_gone = true;
            acl_tell(acl, had, ACL_USER_GONE);
        }
        acl_release(had);
    }
    free(old.users);
}

bool acl_load_text(struct acl *acl, const char *path, const char *text, size_t len, struct err *err)
{
    struct acl fresh = {.is_channels_open = acl->is_channels_open};
    struct acl_loading loading = {.fresh = &fresh, .path = path};

    acl_load_file_lines(&loading, text, len);
    bool is_right = loading.errors.len == 0;
    if (is_right) {
        if (acl_find(&fresh, "default", strlen("default")) == NULL) {
            acl_insert(&fresh, acl_create_default());
        }
        acl_load_replace(acl, &fresh);
    } else {
        (void)err_set(err,
                      "%.*sWARNING: ACL errors detected, no change to the previously active ACL "
                      "rules was performed",
                      (int)ACL_LOAD_ERRORS_BYTES_MAX, buf_data(&loading.errors));
    }
    for (size_t i = 0; i < fresh.count; i++) {
        acl_release(fresh.users[i]);
    }
    free(fresh.users);
    free(loading.words);
    buf_finish(&loading.errors);
    return is_right;
}

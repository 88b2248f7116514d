#include "sentinel/acl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "sentinel/acl_inside.h"

/*
 * The users: made, changed, deleted and asked. What a rule means stands in acl_rules.c and
 * acl_selector.c; text is loaded by acl_load.c, files are read and written by acl_file.c.
 */

enum { ACL_USERS_FIRST = 8 };

/* ---- users ---- */

struct acl_user *acl_create_user(const char *name, size_t len, bool is_channels_open)
{
    struct acl_user *user = calloc(1, sizeof *user);
    ASSERT(user != NULL);
    user->name = strndup(name, len);
    ASSERT(user->name != NULL);
    user->references = 1;
    acl_rules_init(&user->rights, is_channels_open);
    return user;
}

struct acl_user *acl_hold(struct acl_user *user)
{
    if (user != NULL) {
        ASSERT(user->references > 0);
        user->references++;
    }
    return user;
}

void acl_release(struct acl_user *user)
{
    if (user == NULL) {
        return;
    }
    ASSERT(user->references > 0);
    if (--user->references == 0) {
        acl_rules_finish(&user->rights);
        free(user->name);
        free(user);
    }
}

const char *acl_user_name(const struct acl_user *user, size_t *len)
{
    if (len != NULL) {
        *len = strlen(user->name);
    }
    return user->name;
}

bool acl_user_is_nopass(const struct acl_user *user)
{
    return user->rights.is_nopass;
}

bool acl_user_is_gone(const struct acl_user *user)
{
    return user->is_gone;
}

/* Where the name stands, or would stand. */
static size_t acl_place(const struct acl *acl, const char *name, size_t len)
{
    size_t low = 0;
    size_t high = acl->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *have = acl->users[middle]->name;
        size_t have_len = strlen(have);
        int order = memcmp(have, name, have_len < len ? have_len : len);
        if (order < 0 || (order == 0 && have_len < len)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct acl_user *acl_find(const struct acl *acl, const char *name, size_t len)
{
    size_t at = acl_place(acl, name, len);

    if (at < acl->count && strlen(acl->users[at]->name) == len &&
        memcmp(acl->users[at]->name, name, len) == 0) {
        return acl->users[at];
    }
    return NULL;
}

void acl_insert(struct acl *acl, struct acl_user *take)
{
    size_t at = acl_place(acl, take->name, strlen(take->name));

    if (acl->count == acl->capacity) {
        size_t capacity = acl->capacity == 0 ? ACL_USERS_FIRST : 2 * acl->capacity;
        struct acl_user **users = reallocarray(acl->users, capacity, sizeof(struct acl_user *));
        ASSERT(users != NULL);
        acl->users = users;
        acl->capacity = capacity;
    }
    memmove(acl->users + at + 1, acl->users + at, (acl->count - at) * sizeof(struct acl_user *));
    acl->users[at] = take;
    acl->count++;
}

size_t acl_users_count(const struct acl *acl)
{
    return acl->count;
}

const struct acl_user *acl_user_at(const struct acl *acl, size_t i)
{
    ASSERT(i < acl->count);
    return acl->users[i];
}

struct acl_user *acl_default(const struct acl *acl)
{
    return acl->default_user;
}

bool acl_is_open(const struct acl *acl)
{
    return acl->default_user->rights.is_on && acl->default_user->rights.is_nopass;
}

/* ---- life ---- */

/* As Redis begins: the default user may do everything without a password. */
struct acl_user *acl_create_default(void)
{
    static const struct resp_text rules[] = {
        {"on", 2}, {"nopass", 6}, {"~*", 2}, {"&*", 2}, {"+@all", 5}};
    struct acl_user *user = acl_create_user("default", strlen("default"), false);
    struct acl_mistake mistake;
    bool is_right = acl_rules_apply(&user->rights, false, COUNT_OF(rules), rules, &mistake);

    ASSERT(is_right);
    return user;
}

struct acl *acl_create(const struct acl_options *options)
{
    struct acl *acl = calloc(1, sizeof *acl);
    ASSERT(acl != NULL);
    acl->is_channels_open = options->is_channels_open;
    acl->on_change = options->on_change;
    acl->arg = options->arg;
    acl_log_init(&acl->log, options->log_max);
    acl->default_user = acl_create_default();
    acl_insert(acl, acl->default_user);
    return acl;
}

static void acl_finish_users(struct acl *acl)
{
    for (size_t i = 0; i < acl->count; i++) {
        acl->users[i]->is_gone = true;
        acl_release(acl->users[i]);
    }
    free(acl->users);
    acl->users = NULL;
    acl->count = 0;
    acl->capacity = 0;
}

void acl_destroy(struct acl *acl)
{
    if (acl == NULL) {
        return;
    }
    acl_finish_users(acl);
    acl_log_finish(&acl->log);
    free(acl);
}

void acl_tell(const struct acl *acl, struct acl_user *user, enum acl_change change)
{
    if (acl->on_change != NULL) {
        acl->on_change(acl->arg, user, change);
    }
}

/* ---- passwords ---- */

void acl_require_password(struct acl *acl, const char *password)
{
    struct acl_rights *rights = &acl->default_user->rights;

    acl_rules_reset_passwords(rights);
    if (password == NULL || password[0] == '\0') {
        rights->is_nopass = true;
        return;
    }
    acl_rules_add_password(rights, password, strlen(password));
}

struct acl_user *acl_authenticate(const struct acl *acl, const char *name, size_t name_len,
                                  const char *password, size_t password_len)
{
    static const struct acl_hash nobody = {{0}};
    struct acl_user *user = acl_find(acl, name, name_len);
    struct acl_hash hash;
    bool is_right = false;

    /* The same work for a name that does not exist; and no stop at the first that fits. */
    acl_secret_hash(password, password_len, &hash);
    if (user == NULL) {
        (void)acl_secret_same(&nobody, &hash); /* for the time it takes */
        return NULL;
    }
    for (size_t i = 0; i < user->rights.hashes_count; i++) {
        bool is_same = acl_secret_same(&user->rights.hashes[i], &hash);
        is_right = is_right || is_same;
    }
    is_right = is_right || user->rights.is_nopass;
    return is_right && user->rights.is_on ? user : NULL;
}

/* ---- changes ---- */

bool acl_is_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '\0' || isspace((unsigned char)name[i])) {
            return false;
        }
    }
    return true;
}

static bool acl_modifier_error(const struct resp_text *rules, const struct acl_mistake *mistake,
                               struct err *err)
{
    struct buf words = {0};

    for (size_t i = mistake->first; i < mistake->first + mistake->count; i++) {
        buf_append(&words, " ", i > mistake->first);
        buf_append(&words, rules[i].bytes, rules[i].len);
    }
    if (mistake->is_unmatched) {
        (void)err_set(err, "Unmatched parenthesis in acl selector starting at '%s'.",
                      buf_data(&words));
    } else {
        (void)err_set(err, "Error in ACL SETUSER modifier '%s': %s", buf_data(&words),
                      acl_rules_reason(mistake->fault));
    }
    buf_finish(&words);
    return false;
}

bool acl_set_user(struct acl *acl, const char *name, size_t name_len, size_t count,
                  const struct resp_text *rules, struct err *err)
{
    struct acl_user *user = acl_find(acl, name, name_len);
    struct acl_mistake mistake;
    struct acl_rights rights;

    if (!acl_is_name(name, name_len)) {
        return err_set(err, "Usernames can't contain spaces or null characters");
    }
    if (user != NULL) {
        acl_rules_copy(&rights, &user->rights);
    } else {
        acl_rules_init(&rights, acl->is_channels_open);
    }
    if (!acl_rules_apply(&rights, acl->is_channels_open, count, rules, &mistake)) {
        acl_rules_finish(&rights);
        return acl_modifier_error(rules, &mistake, err);
    }
    if (user == NULL) {
        user = acl_create_user(name, name_len, acl->is_channels_open);
        acl_insert(acl, user);
    }
    acl_rules_finish(&user->rights);
    user->rights = rights;
    acl_tell(acl, user, ACL_USER_CHANGED);
    return true;
}

bool acl_delete_user(struct acl *acl, const char *name, size_t len)
{
    struct acl_user *user = acl_find(acl, name, len);

    if (user == NULL) {
        return false;
    }
    ASSERT(user != acl->default_user);
    size_t at = acl_place(acl, name, len);
    acl->count--;
    memmove(acl->users + at, acl->users + at + 1, (acl->count - at) * sizeof(struct acl_user *));
    user->is_gone = true;
    acl_tell(acl, user, ACL_USER_GONE);
    acl_release(user);
    return true;
}

/* ---- print ---- */

void acl_user_print(const struct acl_user *user, struct buf *out)
{
    buf_printf(out, "user %s ", user->name);
    acl_rules_print(&user->rights, out);
}

static void acl_write_selector(const struct acl_selector *s, struct buf *out)
{
    static const struct {
        const char *name;
        void (*print)(const struct acl_selector *s, struct buf *out);
    } parts[] = {
        {"commands", acl_selector_print_commands},
        {"keys", acl_selector_print_keys},
        {"channels", acl_selector_print_channels},
    };

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct buf text = {0};
        parts[i].print(s, &text);
        resp_write_text(out, parts[i].name);
        resp_write_bulk(out, buf_data(&text), text.len);
        buf_finish(&text);
    }
}

void acl_user_write(const struct acl_user *user, enum resp_version version, struct buf *out)
{
    static const char *const sanitize_flags[] = {
        [ACL_SANITIZE_UNSAID] = NULL,
        [ACL_SANITIZE_YES] = "sanitize-payload",
        [ACL_SANITIZE_SKIP] = "skip-sanitize-payload",
    };
    const struct acl_rights *rights = &user->rights;
    const char *sanitize = sanitize_flags[rights->sanitize];

    resp_write_map(out, version, 6);
    resp_write_text(out, "flags");
    resp_write_set(out, version, 1 + (size_t)rights->is_nopass + (sanitize != NULL));
    resp_write_text(out, rights->is_on ? "on" : "off");
    if (rights->is_nopass) {
        resp_write_text(out, "nopass");
    }
    if (sanitize != NULL) {
        resp_write_text(out, sanitize);
    }
    resp_write_text(out, "passwords");
    resp_write_array(out, rights->hashes_count);
    for (size_t i = 0; i < rights->hashes_count; i++) {
        char hex[ACL_HASH_HEX + 1];
        acl_secret_to_hex(&rights->hashes[i], hex);
        resp_write_text(out, hex);
    }
    acl_write_selector(rights->selectors[0], out);
    resp_write_text(out, "selectors");
    resp_write_array(out, rights->selectors_count - 1);
    for (size_t i = 1; i < rights->selectors_count; i++) {
        resp_write_map(out, version, 3);
        acl_write_selector(rights->selectors[i], out);
    }
}

void acl_print(const struct acl *acl, struct buf *out)
{
    for (size_t i = 0; i < acl->count; i++) {
        acl_user_print(acl->users[i], out);
        buf_append_text(out, "\n");
    }
}

void acl_user_print_line(const struct acl_user *user, struct buf *out)
{
    struct buf rules = {0};
    const char *word;

    words_quote(out, user->name, strlen(user->name));
    acl_rules_print(&user->rights, &rules);
    word = buf_data(&rules);
    while (word[0] != '\0') {
        size_t len = strcspn(word, " ");
        buf_append_text(out, " ");
        words_quote(out, word, len);
        word += len + (word[len] == ' ');
    }
    buf_finish(&rules);
}

/* ---- checks ---- */

enum acl_verdict acl_check(const struct acl_user *user, int command, size_t argc,
                           const struct resp_text *argv, size_t *bad_arg)
{
    enum acl_verdict worst = ACL_ALLOWED;
    size_t worst_arg = 0;

    for (size_t i = 0; i < user->rights.selectors_count; i++) {
        size_t arg = 0;
        enum acl_verdict verdict =
            acl_selector_check(user->rights.selectors[i], command, argc, argv, &arg);
        if (verdict == ACL_ALLOWED) {
            return ACL_ALLOWED;
        }
        /* Of several refusals the one that came furthest is told. */
        if (verdict > worst || (verdict == worst && arg > worst_arg)) {
            worst = verdict;
            worst_arg = arg;
        }
    }
    *bad_arg = worst_arg;
    return worst;
}

bool acl_check_channel(const struct acl_user *user, const char *channel, size_t len,
                       bool is_pattern)
{
    for (size_t i = 0; i < user->rights.selectors_count; i++) {
        if (acl_selector_allows_channel(user->rights.selectors[i], channel, len, is_pattern)) {
            return true;
        }
    }
    return false;
}

void acl_write_refusal(struct buf *out, enum acl_verdict verdict, int command)
{
    switch (verdict) {
    case ACL_ALLOWED:
    case ACL_DENIED_AUTH:
        break;
    case ACL_DENIED_COMMAND:
        resp_write_error(out, "NOPERM this user has no permissions to run the '%s' command",
                         command == ACL_COMMAND_NONE ? "" : acl_command_name(command));
        return;
    case ACL_DENIED_CHANNEL:
        resp_write_error(out, "NOPERM this user has no permissions to access one of the channels "
                              "used as arguments");
        return;
    }
    UNREACHABLE("not a verdict of acl_check()");
}

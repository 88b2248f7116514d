#include "sentinel/acl_inside.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

/*
 * The rules of a user: on, off, passwords, selectors. Those about commands, keys and channels go on
 * to acl_selector.c. Nothing here knows a user's name or the other users.
 */

void acl_rules_init(struct acl_rights *rights, bool is_channels_open)
{
    *rights = (struct acl_rights){0};
    rights->selectors = malloc(sizeof(struct acl_selector *));
    ASSERT(rights->selectors != NULL);
    rights->selectors_capacity = 1;
    rights->selectors_count = 1;
    rights->selectors[0] = acl_selector_create(is_channels_open);
}

static void acl_rules_clear_selectors(struct acl_rights *rights)
{
    while (rights->selectors_count > 1) {
        acl_selector_destroy(rights->selectors[--rights->selectors_count]);
    }
}

void acl_rules_finish(struct acl_rights *rights)
{
    if (rights == NULL || rights->selectors == NULL) {
        return;
    }
    acl_rules_clear_selectors(rights);
    acl_selector_destroy(rights->selectors[0]);
    free(rights->selectors);
    free(rights->hashes);
    memset(rights, 0, sizeof(*rights));
}

static void acl_rules_take_selector(struct acl_rights *rights, struct acl_selector *take)
{
    if (rights->selectors_count == rights->selectors_capacity) {
        size_t capacity = 2 * rights->selectors_capacity;
        struct acl_selector **selectors =
            reallocarray(rights->selectors, capacity, sizeof(struct acl_selector *));
        ASSERT(selectors != NULL);
        rights->selectors = selectors;
        rights->selectors_capacity = capacity;
    }
    rights->selectors[rights->selectors_count++] = take;
}

/* ---- passwords ---- */

static size_t acl_rules_find_hash(const struct acl_rights *rights, const struct acl_hash *hash)
{
    size_t i = 0;

    while (i < rights->hashes_count && !acl_secret_same(&rights->hashes[i], hash)) {
        i++;
    }
    return i;
}

static void acl_rules_add_hash(struct acl_rights *rights, const struct acl_hash *hash)
{
    rights->is_nopass = false;
    if (acl_rules_find_hash(rights, hash) < rights->hashes_count) {
        return;
    }
    if (rights->hashes_count == rights->hashes_capacity) {
        size_t capacity = 2 * rights->hashes_capacity + 1;
        struct acl_hash *hashes = reallocarray(rights->hashes, capacity, sizeof *hashes);
        ASSERT(hashes != NULL);
        rights->hashes = hashes;
        rights->hashes_capacity = capacity;
    }
    rights->hashes[rights->hashes_count++] = *hash;
}

static enum acl_fault acl_rules_remove_hash(struct acl_rights *rights, const struct acl_hash *hash)
{
    size_t at = acl_rules_find_hash(rights, hash);

    if (at == rights->hashes_count) {
        return ACL_FAULT_NO_PASSWORD;
    }
    rights->hashes_count--;
    memmove(rights->hashes + at, rights->hashes + at + 1,
            (rights->hashes_count - at) * sizeof *rights->hashes);
    return ACL_FAULT_NONE;
}

/* ">secret" "<secret" "#hash" "!hash" */
static enum acl_fault acl_rules_password(struct acl_rights *rights, const char *rule, size_t len)
{
    struct acl_hash hash;

    if (rule[0] == '>' || rule[0] == '<') {
        acl_secret_hash(rule + 1, len - 1, &hash);
    } else if (!acl_secret_from_hex(rule + 1, len - 1, &hash)) {
        return ACL_FAULT_BAD_HASH;
    }
    if (rule[0] == '<' || rule[0] == '!') {
        return acl_rules_remove_hash(rights, &hash);
    }
    acl_rules_add_hash(rights, &hash);
    return ACL_FAULT_NONE;
}

void acl_rules_reset_passwords(struct acl_rights *rights)
{
    rights->hashes_count = 0;
    rights->is_nopass = false;
}

void acl_rules_add_password(struct acl_rights *rights, const char *password, size_t len)
{
    struct acl_hash hash;

    acl_secret_hash(password, len, &hash);
    acl_rules_add_hash(rights, &hash);
}

/* ---- rules ---- */

static enum acl_fault acl_rules_apply_selector(struct acl_rights *rights, bool is_channels_open,
                                               const char *rule, size_t len)
{
    struct acl_selector *s = acl_selector_create(is_channels_open);
    enum acl_fault fault = ACL_FAULT_NONE;
    size_t at = 1;

    while (at < len - 1 && fault == ACL_FAULT_NONE) {
        const char *space = memchr(rule + at, ' ', len - 1 - at);
        size_t word_len = space != NULL ? (size_t)(space - rule) - at : len - 1 - at;
        if (word_len > 0 && rule[at + word_len - 1] == ')') {
            /* Redis takes it, and then cannot read the file it saves. */
            fault = ACL_FAULT_SYNTAX;
        } else if (word_len > 0) {
            fault = acl_selector_apply(s, rule + at, word_len);
        }
        at += word_len + 1;
    }
    if (fault != ACL_FAULT_NONE) {
        acl_selector_destroy(s);
        return fault;
    }
    acl_rules_take_selector(rights, s);
    return ACL_FAULT_NONE;
}

static void acl_rules_reset(struct acl_rights *rights, bool is_channels_open)
{
    acl_rules_finish(rights);
    acl_rules_init(rights, is_channels_open);
    rights->sanitize = ACL_SANITIZE_YES;
}

static bool acl_rules_word(struct acl_rights *rights, bool is_channels_open, const char *rule)
{
    if (strcasecmp(rule, "on") == 0) {
        rights->is_on = true;
    } else if (strcasecmp(rule, "off") == 0) {
        rights->is_on = false;
    } else if (strcasecmp(rule, "nopass") == 0) {
        acl_rules_reset_passwords(rights);
        rights->is_nopass = true;
    } else if (strcasecmp(rule, "resetpass") == 0) {
        acl_rules_reset_passwords(rights);
    } else if (strcasecmp(rule, "sanitize-payload") == 0) {
        rights->sanitize = ACL_SANITIZE_YES;
    } else if (strcasecmp(rule, "skip-sanitize-payload") == 0) {
        rights->sanitize = ACL_SANITIZE_SKIP;
    } else if (strcasecmp(rule, "clearselectors") == 0) {
        acl_rules_clear_selectors(rights);
    } else if (strcasecmp(rule, "reset") == 0) {
        acl_rules_reset(rights, is_channels_open);
    } else {
        return false;
    }
    return true;
}

static enum acl_fault acl_rules_one(struct acl_rights *rights, bool is_channels_open,
                                    const char *rule, size_t len)
{
    if (len == 0) {
        return ACL_FAULT_NONE; /* two spaces in an aclfile */
    }
    if (strlen(rule) == len && acl_rules_word(rights, is_channels_open, rule)) {
        return ACL_FAULT_NONE;
    }
    switch (rule[0]) {
    case '>':
    case '<':
    case '#':
    case '!':
        return acl_rules_password(rights, rule, len);
    case '(':
        if (rule[len - 1] == ')') {
            return acl_rules_apply_selector(rights, is_channels_open, rule, len);
        }
        return ACL_FAULT_SYNTAX;
    default:
        return acl_selector_apply(rights->selectors[0], rule, len);
    }
}

/* How many words the rule at i has: a selector runs to the word that ends in ')'.
 * 0: it never ends. */
static size_t acl_rules_span(size_t count, const struct resp_text *rules, size_t i)
{
    size_t end = i;

    if (rules[i].len == 0 || rules[i].bytes[0] != '(') {
        return 1;
    }
    while (end < count && (rules[end].len == 0 || rules[end].bytes[rules[end].len - 1] != ')')) {
        end++;
    }
    return end < count ? end + 1 - i : 0;
}

bool acl_rules_apply(struct acl_rights *rights, bool is_channels_open, size_t count,
                     const struct resp_text *rules, struct acl_mistake *mistake)
{
    struct buf joined = {0};
    size_t i = 0;

    while (i < count) {
        size_t span = acl_rules_span(count, rules, i);
        *mistake = (struct acl_mistake){.first = i, .count = span, .is_unmatched = span == 0};
        if (span == 0) {
            mistake->fault = ACL_FAULT_SYNTAX;
            mistake->count = 1;
            break;
        }
        buf_clear(&joined);
        for (size_t word = i; word < i + span; word++) {
            buf_append(&joined, " ", word > i);
            buf_append(&joined, rules[word].bytes, rules[word].len);
        }
        mistake->fault = acl_rules_one(rights, is_channels_open, buf_data(&joined), joined.len);
        if (mistake->fault != ACL_FAULT_NONE) {
            break;
        }
        i += span;
    }
    if (joined.bytes != NULL) {
        OPENSSL_cleanse(joined.bytes, joined.capacity); /* may have been a password */
    }
    buf_finish(&joined);
    return i == count;
}

const char *acl_rules_reason(enum acl_fault fault)
{
    switch (fault) {
    case ACL_FAULT_NONE:
        return "no error";
    case ACL_FAULT_SYNTAX:
        return "Syntax error";
    case ACL_FAULT_UNKNOWN:
        return "Unknown command or category name in ACL";
    case ACL_FAULT_FIRST_ARG:
        return "Allowing first-arg of a subcommand is not supported";
    case ACL_FAULT_ALL_KEYS:
        return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
               "not have any effect. Try 'resetkeys' to start with an empty list of patterns";
    case ACL_FAULT_ALL_CHANNELS:
        return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
               "does not have any effect. Try 'resetchannels' to start with an empty list of "
               "channels";
    case ACL_FAULT_NO_PASSWORD:
        return "The password you are trying to remove from the user does not exist";
    case ACL_FAULT_BAD_HASH:
        return "The password hash must be exactly 64 characters and contain only lowercase "
               "hexadecimal characters";
    }
    UNREACHABLE("a fault without a reason");
}

/* ---- print and copy ---- */

void acl_rules_print(const struct acl_rights *rights, struct buf *out)
{
    buf_append_text(out, rights->is_on ? "on" : "off");
    buf_append_text(out, rights->is_nopass ? " nopass" : "");
    switch (rights->sanitize) {
    case ACL_SANITIZE_UNSAID:
        break;
    case ACL_SANITIZE_YES:
        buf_append_text(out, " sanitize-payload");
        break;
    case ACL_SANITIZE_SKIP:
        buf_append_text(out, " skip-sanitize-payload");
        break;
    }
    for (size_t i = 0; i < rights->hashes_count; i++) {
        char hex[ACL_HASH_HEX + 1];
        acl_secret_to_hex(&rights->hashes[i], hex);
        buf_printf(out, " #%s", hex);
    }
    buf_append_text(out, " ");
    acl_selector_print(rights->selectors[0], out);
    for (size_t i = 1; i < rights->selectors_count; i++) {
        buf_append_text(out, " (");
        acl_selector_print(rights->selectors[i], out);
        buf_append_text(out, ")");
    }
}

void acl_rules_copy(struct acl_rights *to, const struct acl_rights *from)
{
    *to = (struct acl_rights){
        .is_on = from->is_on, .is_nopass = from->is_nopass, .sanitize = from->sanitize};
    to->selectors = calloc(from->selectors_count, sizeof(struct acl_selector *));
    ASSERT(to->selectors != NULL);
    to->selectors_capacity = from->selectors_count;
    for (size_t i = 0; i < from->selectors_count; i++) {
        to->selectors[to->selectors_count++] = acl_selector_copy(from->selectors[i]);
    }
    for (size_t i = 0; i < from->hashes_count; i++) {
        acl_rules_add_hash(to, &from->hashes[i]);
    }
    to->is_nopass = from->is_nopass;
}

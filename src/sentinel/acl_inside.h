#ifndef SENTINEL_ACL_INSIDE_H
#define SENTINEL_ACL_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "resp/resp.h"
#include "sentinel/acl.h"

/* What the files of the ACL engine share. Nobody else includes this. */

enum {
    ACL_COMMANDS_MAX = 512, /* room in a bitmap for every row of acl_commands.def */
    ACL_BITS_WORDS = ACL_COMMANDS_MAX / 64,
};

/* ---- acl_command.c ---- */

/* Which words of a command are channels. */
enum acl_kind {
    ACL_KIND_PLAIN,
    ACL_KIND_NO_AUTH,  /* anybody may run it: AUTH, HELLO */
    ACL_KIND_CHANNELS, /* all arguments, by the patterns of the user */
    ACL_KIND_PATTERNS, /* all arguments, each must be a pattern of the user to the letter */
    ACL_KIND_PUBLISH,  /* the first argument */
};

struct acl_command {
    const char *name;
    enum acl_kind kind;
    uint32_t categories; /* bits 1 << enum command_category */
};

int acl_command_count(void);
const struct acl_command *acl_command_at(int command);

/* The row after the last subcommand; command + 1 when it has none. */
int acl_command_end(int command);

/* ---- acl_secret.c ---- */

struct acl_hash {
    uint8_t bytes[ACL_HASH_BYTES];
};

void acl_secret_hash(const char *password, size_t len, struct acl_hash *hash);
bool acl_secret_same(const struct acl_hash *a, const struct acl_hash *b); /* in constant time */
bool acl_secret_from_hex(const char *hex, size_t len, struct acl_hash *hash);
void acl_secret_to_hex(const struct acl_hash *hash, char hex[ACL_HASH_HEX + 1]);

/* ---- acl_strings.c ---- */

/* Texts in order, none twice unless added twice. Zeroed is empty. */
struct acl_strings {
    char **items;
    size_t count;
    size_t capacity;
};

void acl_strings_finish(struct acl_strings *s);
void acl_strings_add(struct acl_strings *s, const char *text, size_t len);
void acl_strings_remove(struct acl_strings *s, size_t i);
void acl_strings_copy(struct acl_strings *to, const struct acl_strings *from); /* *to is zeroed */
bool acl_strings_has(const struct acl_strings *s, const char *text, size_t len);

/* ---- acl_selector.c ---- */

/* Why a rule was refused; acl_rules_reason() has Redis' words. */
enum acl_fault {
    ACL_FAULT_NONE,
    ACL_FAULT_SYNTAX,
    ACL_FAULT_UNKNOWN,
    ACL_FAULT_FIRST_ARG,
    ACL_FAULT_ALL_KEYS,
    ACL_FAULT_ALL_CHANNELS,
    ACL_FAULT_NO_PASSWORD,
    ACL_FAULT_BAD_HASH,
};

/* The rules inside one pair of parentheses, or of the user itself. */
struct acl_selector {
    uint64_t allowed[ACL_BITS_WORDS]; /* by command */
    bool is_all_commands;             /* commands that are in no table too */
    bool is_based_on_all;             /* the rules begin with +@all, not with -@all */
    bool is_all_keys;
    bool is_all_channels;
    struct acl_strings rules;      /* "+get", "-@fast", "+ping|x": what made `allowed`, in order */
    struct acl_strings first_args; /* "ping|x": allowed though ping is not */
    struct acl_strings keys;       /* "~x", "%R~x", "%W~x" */
    struct acl_strings channels;   /* without the '&' */
};

struct acl_selector *acl_selector_create(bool is_channels_open);
struct acl_selector *acl_selector_copy(const struct acl_selector *from);
void acl_selector_destroy(struct acl_selector *s);

/* One rule: +x -x ~x %R~x &x and their words. */
enum acl_fault acl_selector_apply(struct acl_selector *s, const char *rule, size_t len);

void acl_selector_print_commands(const struct acl_selector *s, struct buf *out); /* "-@all +get" */
void acl_selector_print_keys(const struct acl_selector *s, struct buf *out);     /* "~a %R~b" */
void acl_selector_print_channels(const struct acl_selector *s, struct buf *out); /* "&a &b" */

/* The selector as a rule: "~a resetchannels &b -@all +get". */
void acl_selector_print(const struct acl_selector *s, struct buf *out);

bool acl_selector_allows_channel(const struct acl_selector *s, const char *channel, size_t len,
                                 bool is_pattern);
enum acl_verdict acl_selector_check(const struct acl_selector *s, int command, size_t argc,
                                    const struct resp_text *argv, size_t *bad_arg);

/* ---- acl_rules.c ---- */

enum acl_sanitize { ACL_SANITIZE_UNSAID, ACL_SANITIZE_YES, ACL_SANITIZE_SKIP };

/* Everything rules say of a user. */
struct acl_rights {
    bool is_on;
    bool is_nopass;
    enum acl_sanitize sanitize; /* of RESTORE payloads: kept and printed, no meaning here */
    struct acl_hash *hashes;
    size_t hashes_count;
    size_t hashes_capacity;
    struct acl_selector **selectors; /* the first is the user's own */
    size_t selectors_count;
    size_t selectors_capacity;
};

/* A refused rule: which words of the caller, and why. */
struct acl_mistake {
    size_t first;      /* index of the rule, or of the one with the open parenthesis */
    size_t count;      /* words it is made of */
    bool is_unmatched; /* ... which is never closed */
    enum acl_fault fault;
};

void acl_rules_init(struct acl_rights *rights, bool is_channels_open); /* of a new user */
void acl_rules_finish(struct acl_rights *rights);
void acl_rules_copy(struct acl_rights *to,
                    const struct acl_rights *from); /* *to is not initialised */

/* Applies rules from left to right; false, with *mistake, at the first that is wrong: *rights then
 * holds what came before it. */
bool acl_rules_apply(struct acl_rights *rights, bool is_channels_open, size_t count,
                     const struct resp_text *rules, struct acl_mistake *mistake) MUST_CHECK;

void acl_rules_reset_passwords(struct acl_rights *rights);
void acl_rules_add_password(struct acl_rights *rights, const char *password, size_t len);
const char *acl_rules_reason(enum acl_fault fault);

/* Appends all of it as rules, parted by spaces. No word but those of a selector holds a space. */
void acl_rules_print(const struct acl_rights *rights, struct buf *out);

/* ---- acl_log.c ---- */

struct acl_log_entry;
TAILQ_HEAD(acl_log_list, acl_log_entry);

struct acl_log {
    struct acl_log_list entries; /* newest first */
    size_t count;
    size_t max;
};

void acl_log_init(struct acl_log *log, size_t max);
void acl_log_finish(struct acl_log *log);
void acl_log_trim(struct acl_log *log, size_t max);

/* ---- acl.c ---- */

struct acl_user {
    char *name;
    struct acl_rights rights;
    unsigned references; /* the acl's own included, while it is not gone */
    bool is_gone;
    bool is_from_line;
};

struct acl {
    struct acl_user **users; /* by name */
    size_t count;
    size_t capacity;
    struct acl_user *default_user;
    bool is_channels_open;
    void (*on_change)(void *arg, struct acl_user *user, enum acl_change change);
    void *arg;
    struct acl_log log;
};

struct acl_user *acl_create_user(const char *name, size_t len, bool is_channels_open);
struct acl_user *acl_create_default(void); /* as Redis begins: everything, without a password */
void acl_insert(struct acl *acl, struct acl_user *take);
void acl_tell(const struct acl *acl, struct acl_user *user, enum acl_change change);
bool acl_is_name(const char *name, size_t len); /* an aclfile can hold it */

#endif

#ifndef SENTINEL_ACL_H
#define SENTINEL_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/msec.h"
#include "resp/resp.h"

/*
 * The access control lists of Redis 7: who may run which command on which channel. Rules may name
 * any command of Redis, since operators copy lines from their servers; keys are kept and printed
 * but never checked, because no command of a Sentinel has one. No I/O, clock or log inside;
 * passwords are held as SHA-256 only. The error of acl_set_user() is for the one who sent the rules
 * and may repeat them; all other errors may go to a log.
 */

enum {
    ACL_HASH_BYTES = 32,
    ACL_HASH_HEX = 2 * ACL_HASH_BYTES,
    ACL_GENPASS_BITS = 256,      /* ACL GENPASS without an argument */
    ACL_GENPASS_BITS_MAX = 4096, /* Redis' own limit */
    ACL_GENPASS_HEX_MAX = ACL_GENPASS_BITS_MAX / 4,
    ACL_LOG_DEFAULT = 128,           /* acllog-max-len */
    ACL_LOG_MERGE_MS = 60 * 1000,    /* an equal refusal within this long is counted, not added */
    ACL_LOG_SEARCH = 10,             /* ... among so many of the newest */
    ACL_LOG_OBJECT_BYTES_MAX = 1024, /* of what a stranger sent; the log is for people */
    ACL_FILE_BYTES_MAX = 16 * 1024 * 1024, /* 100,000 users; more is another file */
    ACL_COMMAND_NONE = -1,
};

struct acl;
struct acl_user; /* shared: see acl_hold() */

enum acl_change {
    ACL_USER_CHANGED,  /* or made, by ACL SETUSER, the default user by ACL LOAD too: close those
                          whose subscriptions are no longer allowed */
    ACL_USER_REPLACED, /* by ACL LOAD, and its rules or passwords differ: close its clients */
    ACL_USER_GONE,     /* deleted: close its clients */
};

struct acl_options {
    bool is_channels_open; /* acl-pubsub-default allchannels; Redis 7 begins with none */
    size_t log_max;        /* acllog-max-len */

    /* Called during the change, after the user has its new rules; may be NULL. It must not change
     * the acl. A client of a user that is gone still holds it: see acl_hold(). */
    void (*on_change)(void *arg, struct acl_user *user, enum acl_change change);
    void *arg;
};

/* An acl with the user "default": on nopass ~* &* +@all. */
struct acl *acl_create(const struct acl_options *options);
void acl_destroy(struct acl *acl); /* users that are held live on until released */

/* ---- users ---- */

struct acl_user *acl_default(const struct acl *acl); /* always there, never gone */
struct acl_user *acl_find(const struct acl *acl, const char *name, size_t len); /* NULL: none */

/* All of them by name, i below the count. Valid until users change. */
size_t acl_users_count(const struct acl *acl);
const struct acl_user *acl_user_at(const struct acl *acl, size_t i);

/* A client holds its user from AUTH to its end, so that the pointer never dangles.
 * NULL is allowed. */
struct acl_user *acl_hold(struct acl_user *user);
void acl_release(struct acl_user *user);

const char *acl_user_name(const struct acl_user *user, size_t *len); /* len may be NULL */
bool acl_user_is_nopass(const struct acl_user *user);
bool acl_user_is_gone(const struct acl_user *user);

/* True when new connections start as the default user without AUTH: it is on and nopass. */
bool acl_is_open(const struct acl *acl);

/* requirepass: the only password of the default user; NULL or "" is nopass. */
void acl_require_password(struct acl *acl, const char *password);

/* The user, or NULL: unknown, off, or a wrong password, and one takes as long as the other. */
struct acl_user *acl_authenticate(const struct acl *acl, const char *name, size_t name_len,
                                  const char *password, size_t password_len);

/*
 * Applies rules ("on", ">secret", "+@all" ...) from left to right; the user is created when new
 * (off, no passwords, nothing allowed). All or nothing. The error is Redis' ("Error in ACL
 * SETUSER modifier ..."), without "ERR ".
 */
bool acl_set_user(struct acl *acl, const char *name, size_t name_len, size_t count,
                  const struct resp_text *rules, struct err *err) MUST_CHECK;

/* False when there is no such user; the default user must not be asked for. */
bool acl_delete_user(struct acl *acl, const char *name, size_t len);

/* One "user" directive of a configuration file without the word user: "alice on >secret ~* +@all".
 * A name that was already given by a line is an error. Errors are without file and line. */
bool acl_load_line(struct acl *acl, const char *line, struct err *err) MUST_CHECK;

/*
 * An aclfile: lines "user <name> <rule>...". It is checked as a whole before any of it counts; then
 * users it does not name are gone and the default user, when not named, begins anew. Users whose
 * rules did not change keep their clients (Redis 7.0 drops them all). `path` is for the error,
 * which lists each wrong line: "<path>:<line>: <why>. ".
 */
bool acl_load_text(struct acl *acl, const char *path, const char *text, size_t len,
                   struct err *err) MUST_CHECK;

/* Appends "user <name> <rules>\n" for every user, by name: an aclfile. */
void acl_print(const struct acl *acl, struct buf *out);

/* Appends "user <name> <rules>". */
void acl_user_print(const struct acl_user *user, struct buf *out);

/* Writes the reply of ACL GETUSER, in the shape of 7.0. */
void acl_user_write(const struct acl_user *user, enum resp_version version, struct buf *out);

/* Appends "<name> <rules>" quoted for a configuration file: acl_load_line() reads it back. */
void acl_user_print_line(const struct acl_user *user, struct buf *out);

/* Random hex digits of so many bits, rounded up to a digit: bits from 1 to ACL_GENPASS_BITS_MAX. */
void acl_generate_password(size_t bits, char hex[ACL_GENPASS_HEX_MAX + 1]);

/* ---- checks ---- */

/*
 * The number of a command as the table knows it: "ping", "sentinel|masters" (case is ignored), or
 * ACL_COMMAND_NONE. Constant for the life of the program. A subcommand that does not exist has no
 * number; ask for its container then. An alias has the number, and so the name, of its command.
 */
int acl_command_find(const char *name, size_t len);
const char *acl_command_name(int command); /* lower case, "sentinel|masters" */

enum acl_verdict {
    ACL_ALLOWED,
    ACL_DENIED_AUTH, /* only for acl_log_add(): a wrong AUTH */
    ACL_DENIED_COMMAND,
    ACL_DENIED_CHANNEL,
};

/* May the user run this command with these arguments (argv[0] is its first word)? When a channel
 * was refused, *bad_arg is its index in argv. AUTH and HELLO are allowed to everyone, as in Redis.
 */
enum acl_verdict acl_check(const struct acl_user *user, int command, size_t argc,
                           const struct resp_text *argv, size_t *bad_arg);

/* May the user be subscribed to this channel or, exactly so, to this pattern? */
bool acl_check_channel(const struct acl_user *user, const char *channel, size_t len,
                       bool is_pattern);

/* Writes the -NOPERM reply for a refusal by acl_check(). */
void acl_write_refusal(struct buf *out, enum acl_verdict verdict, int command);

/* ---- the log of refusals ---- */

struct acl_refusal {
    enum acl_verdict verdict;
    const char *username;
    size_t username_len;
    const char *object; /* the command's full name, the channel, or "AUTH"/"HELLO" */
    size_t object_len;
    const char *client_info; /* one line as CLIENT LIST shows it */
};

void acl_log_add(struct acl *acl, msec_t now, const struct acl_refusal *refusal);
void acl_log_reset(struct acl *acl);

/* The newest `count` entries as the reply of ACL LOG. */
void acl_log_write(const struct acl *acl, msec_t now, size_t count, enum resp_version version,
                   struct buf *out);

#endif

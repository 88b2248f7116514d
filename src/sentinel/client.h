#ifndef SENTINEL_CLIENT_H
#define SENTINEL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/msec.h"
#include "resp/resp.h"

/* One connection to the port: what commands share. */
struct client;
struct sentinel;
struct acl_user;

msec_t client_now(const struct client *c);

/* The line of CLIENT LIST about this client, without a line end. It must not have ended. */
void client_describe(const struct client *c, struct buf *out);

/* ---- who he is ---- */

/* Holds the new, releases the old; NULL: not authenticated. */
void client_set_user(struct client *c, struct acl_user *user);

/* acl_authenticate(), with -WRONGPASS and the ACL log on failure. `what` is "AUTH" or "HELLO". */
bool client_authenticate(struct client *c, const char *what, const struct resp_text *name,
                         const struct resp_text *password);

/* ---- all of them ---- */

/* Calls visit for each client of the port in the order of their ids; it may kill any of them. */
typedef void (*client_visit)(void *ctx, struct client *c);
void client_each(struct sentinel *port, client_visit visit, void *ctx);

/* Closes it: at once, or, when it runs a command just now, after its reply. */
void client_kill(struct client *c);

/* ---- words of a command ---- */

/* The same word, ignoring case. */
bool client_word_is(const struct resp_text *word, const char *text);

/* A number, else the reply "-ERR <complaint>" ("value is not an integer or out of range" when
 * NULL). */
bool client_number(struct client *c, const struct resp_text *word, const char *complaint,
                   int64_t *value);

/* What a client tells of itself (its name, its library) stands in the lines of CLIENT LIST: false
 * and an error reply about `what` when it has characters it may not have there. */
bool client_check_word(struct client *c, const struct resp_text *word, const char *what);
void client_set_word(char **field, const struct resp_text *word); /* NULL when it is empty */

/* The error of Redis for too many words behind a subcommand whose arity is open. */
void client_usage(struct client *c, const char *container, const struct resp_command *command);

/* The reply of a HELP subcommand: a title and lines, each a simple string. */
void client_help(struct client *c, const char *command, const char *const *lines, size_t count);

#endif

#ifndef SENTINEL_CLIENT_H
#define SENTINEL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/msec.h"
#include "resp/resp.h"
#include "sentinel/cmd_table.h"

/* One connection to the port: what a command may know and do of it. */
struct client;
struct sentinel;
struct acl;
struct acl_user;

struct sentinel *client_port(const struct client *c);
struct buf *client_out(struct client *c); /* where replies are appended */
enum resp_version client_version(const struct client *c);
uint64_t client_id(const struct client *c);
msec_t client_now(const struct client *c);

/* "127.0.0.1:4711" or "/run/x.sock:0". Lives as long as the client. */
const char *client_peer_text(const struct client *c);
const char *client_local_text(const struct client *c);
const char *client_name(const struct client *c); /* of CLIENT SETNAME; "" when none */

/* The line of CLIENT LIST about this client, without a line end. */
void client_describe(const struct client *c, struct buf *out);

/* ---- who he is ---- */

struct acl *client_acl(const struct client *c);
struct acl_user *client_user(const struct client *c);          /* NULL: not authenticated */
void client_set_user(struct client *c, struct acl_user *user); /* holds the new, releases the old */

/* acl_authenticate(), with -WRONGPASS and the ACL log on failure. `what` is "AUTH" or "HELLO". */
bool client_authenticate(struct client *c, const char *what, const struct resp_text *name,
                         const struct resp_text *password);

/* Sets the name, "" for none; false and an error reply when it has characters it may not have. */
bool client_set_name(struct client *c, const struct resp_text *name);

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

/* The reply of a HELP subcommand: a title and lines, each a simple string. */
void client_help(struct client *c, const char *command, const char *const *lines, size_t count);

#endif

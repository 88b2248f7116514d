#ifndef DAEMON_ROUTER_INSIDE_H
#define DAEMON_ROUTER_INSIDE_H

/* What the files behind daemon_router_main() share. */

#include <stdbool.h>

#include "base/err.h"
#include "config/router_options.h"
#include "router/control.h"
#include "router/router.h"

/* The exit status. */
enum { ROUTER_FINE = 0, ROUTER_FAILED = 1, ROUTER_USAGE = 2 };

/* ---- router_print.c: what is said to a person; the results are exit statuses ---- */

/* To standard error. */
void router_print_notes(const struct config_notes *notes, enum config_note_kind kind);
int router_print_help(void);
int router_print_commands(bool is_json);

/* Reads the files the options name, and says what a router would do. */
int router_print_check(const struct router_options *options);

/* ---- router_secrets.c ---- */

struct router_secret_texts {
    char *redis; /* NULL is none */
    char *sentinel;
    char *client;
};

/* Reads the files conf names: the first line of each. warn() is told of files that strangers may
 * read. False and *err when one is missing or has no password; then *texts is empty. */
bool router_secrets_read(const struct router_conf *conf, struct router_secret_texts *texts,
                         void (*warn)(const char *text), struct err *err) MUST_CHECK;
void router_secrets_finish(struct router_secret_texts *texts); /* wipes them */
struct router_secrets router_secrets_of(const struct router_secret_texts *texts);

/* The certificates conf names can be used. They are not kept: the router reads its own. */
bool router_secrets_check_tls(const struct router_conf *conf, struct err *err) MUST_CHECK;

/* ---- takeover.c ---- */

struct takeover {
    int fd; /* to the old process' control socket; -1: there is none */
    struct control_offer offer;
};

/* Looks whether a router runs at the control path and takes its sockets. Without one, *takeover is
 * empty. False and *err when this one must not start. May clear the control path, when it is the
 * usual one and belongs to somebody else. */
bool takeover_begin(struct router_options *options, bool is_usual_path, struct takeover *takeover,
                    struct err *err) MUST_CHECK;

/* NULL when there is nothing to take over. */
const struct router_sockets *takeover_sockets(const struct takeover *takeover);

void takeover_taken(struct takeover *takeover); /* router_open() has them now, or closed them */

/* The old process was not told to go. */
bool takeover_is_open(const struct takeover *takeover);

/* We serve, and the control path is ours: tells the old process to go. The unix sockets' files
 * become as conf says: the mode, and none for an address that conf has not. */
void takeover_end(struct takeover *takeover, const struct router_conf *conf);
void takeover_abandon(struct takeover *takeover); /* the old process goes on */

#endif

#ifndef ROUTER_CONTROL_H
#define ROUTER_CONTROL_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "config/router_conf.h"
#include "loop/loop.h"
#include "router/router.h"

/*
 * The control socket: a unix socket of this user alone, where one line asks and one answer comes,
 * as often as the connection stands. Every answer is one line of JSON, but for metrics.
 *
 *   status    what `holdfast status` shows
 *   metrics   the same for Prometheus: text that ends with the line "# EOF"
 *   sockets   {"pid": .., "master": .., "sockets": [{"address": .., "kind": "master"|"replicas"}]},
 * and with it the listening descriptors in that order (SCM_RIGHTS): for a take-over drain {"pid":
 * .., "draining": true}; the process accepts no more and ends when it is empty
 *
 * What is not understood is answered {"error": ".."}.
 */
struct control;

struct control_settings {
    const char *path;               /* of the socket; its directory is made when it is missing */
    const struct router_conf *conf; /* of the router; must outlive the control */
    struct router *router;          /* the same */
    loop_call on_drain;             /* somebody asked for it */
    void *ctx;
};

/* The path is replaced in one step: who connects there reaches the old owner or this one. NULL and
 * *err when it cannot be had. */
struct control *control_open(struct loop *loop, const struct control_settings *settings,
                             struct err *err) MUST_CHECK;

/* The path is removed, unless it is another's by now. NULL is allowed. */
void control_close(struct control *control);

/* ---- the other side; blocking, for start and for a person ---- */

enum control_reach {
    CONTROL_REACHED,
    CONTROL_NOBODY, /* no such socket, or nobody listens on it */
    CONTROL_FAILED, /* somebody may be there: *err */
};

enum {
    CONTROL_PATIENCE_MS = 2000 /* for each step; a process that lives answers in microseconds */
};

/* Fills *fd, to be closed by the caller. */
enum control_reach control_connect(const char *path, int *fd, struct err *err) MUST_CHECK;

/* Asks one of the words above and appends the answer. Descriptors that come with it go to *sockets
 * and are the caller's; it may be NULL when none are expected. */
bool control_ask(int fd, const char *request, struct buf *answer, struct router_sockets *sockets,
                 struct err *err) MUST_CHECK;

/* What a router that runs would hand to us. */
struct control_offer {
    long pid;
    char master[ROUTER_NAME_MAX];
    struct router_sockets sockets; /* of conf's addresses, in router_open()'s order; -1: not had */
    size_t sockets_had;            /* of them not -1 */
    char elsewhere[512];           /* the addresses it has and conf has not, for a message */
    char left_paths[2 * ROUTER_LISTENS_MAX][ROUTER_UNIX_PATH_MAX]; /* the unix sockets of these */
    size_t left_paths_count;
};

/* Asks for the sockets. Those that conf does not name are closed; the others are the caller's. */
bool control_ask_offer(int fd, const struct router_conf *conf, struct control_offer *offer,
                       struct err *err) MUST_CHECK;
void control_offer_close(struct control_offer *offer); /* not taken after all */

#endif

#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * The only room that knows all others: facts become events, the core decides, actions are
 * performed.
 */

/*
 * `holdfast sentinel FILE [--sentinel] [--state-file PATH] [--directive value ...]`: a monitor, in
 * the place of redis-sentinel. argv[1] is the file; executable is the absolute path of this
 * program. Returns the exit status when the monitor ends: 0 after SHUTDOWN or SIGTERM, 1 when it
 * could not start.
 *
 * Without --state-file the state is kept in FILE, as Sentinel does. With it FILE is only read, and
 * epochs, votes, replicas and peers go to PATH, with a checksum; what SENTINEL MONITOR, REMOVE,
 * SET and CONFIG SET change then lasts until the end of the process, and the log says so.
 */
int daemon_sentinel_main(int argc, char **argv, const char *executable);

/*
 * `holdfast router ...`: argv[0] is "router", the options are those of config/router_options.def.
 * Serves until SIGTERM or SIGINT, which let clients finish (a second one does not), or until
 * another process has taken over. Returns the exit status: 0 when it ended as told, also after
 * --help, --check and --commands; 1 when it could not start; 2 when the call or a file of --config
 * is wrong.
 */
int daemon_router_main(int argc, char **argv);

/*
 * `holdfast run SITE.yaml [--node NAME]`: what the file says of this node: its monitor, its probes,
 * its endpoints. node is NULL when it is to be found by host name or address; executable is the
 * absolute path of this program. Returns the exit status: 0 when it ended as told, 1 when it could
 * not start, 2 when the file is wrong or has no such node.
 */
int daemon_site_main(const char *path, const char *node, const char *executable);

/* Asks a router that runs, over its control socket: "status" or "metrics" (router/control.h).
 * Appends the answer. Blocks, a few seconds at most. */
bool daemon_router_ask(const char *path, const char *request, struct buf *answer,
                       struct err *err) MUST_CHECK;

/* The Redis whose protocol our monitors speak, as -v of redis-sentinel shows one. */
const char *daemon_redis_version(void);

#endif

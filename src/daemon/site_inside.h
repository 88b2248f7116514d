#ifndef DAEMON_SITE_INSIDE_H
#define DAEMON_SITE_INSIDE_H

/* What the files of `holdfast run` share. Nobody outside includes it. */

#include "base/buf.h"
#include "config/site.h"
#include "loop/loop.h"
#include "pool/member_health.h"
#include "probe/probe.h"
#include "router/tcp_endpoint.h"

/*
 *   site_process   the process: file, signals, start and end
 *   site_relay     a service of kind galera, mysql, http or tcp: probes, choice, endpoints
 *   site_redis     what the redis services need on this node: routers and the monitor
 */

/* What of the site this process runs. */
struct site_run {
    char *path; /* of the file */
    struct site site;
    const struct site_node *node; /* this one */
    struct loop *loop;
    struct site_relay *relays[SITE_SERVICES_MAX]; /* by the index of the service; NULL: another kind */
    struct site_redis *redis;
    unsigned draining; /* endpoints that have clients still */
    unsigned signals;  /* that ask to end */
};

/* ---- site_relay.c ---- */

/* Probes the members from now on; listens when an endpoint is on this node. */
struct site_relay *site_relay_open(struct site_run *run, const struct site_service *service,
                                   struct err *err) MUST_CHECK;
void site_relay_close(struct site_relay *relay); /* NULL is allowed */

/* Accepts no more; on_drained comes once for each endpoint that it has: returns how many. */
unsigned site_relay_drain(struct site_relay *relay, loop_call on_drained, void *ctx);

/* ---- site_redis.c ---- */

struct site_redis *site_redis_open(struct site_run *run, struct err *err) MUST_CHECK;
void site_redis_close(struct site_redis *redis);  /* while the loop is there; NULL is allowed */
void site_redis_finish(struct site_redis *redis); /* when it is gone */
unsigned site_redis_drain(struct site_redis *redis, loop_call on_drained, void *ctx);
void site_redis_reload_secrets(struct site_redis *redis);

#endif

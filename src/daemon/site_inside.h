#ifndef DAEMON_SITE_INSIDE_H
#define DAEMON_SITE_INSIDE_H

/* What the files of `holdfast run` share. Nobody outside includes it. */

#include "base/buf.h"
#include "config/site.h"
#include "http/site_view.h"
#include "loop/loop.h"
#include "pool/member_health.h"
#include "probe/probe.h"
#include "router/tcp_endpoint.h"

/*
 *   site_process   the process: file, signals, start and end
 *   site_relay     a service of kind galera, mysql, http or tcp: probes, choice, endpoints
 *   site_teller    what is told: health endpoints, HAProxy
 *   site_redis     what the redis services need on this node: routers and the monitor
 */

/* What of the site this process runs. */
struct site_run {
    char *path;             /* of the file */
    const char *executable; /* this program, absolute */
    struct site site;
    const struct site_node *node; /* this one */
    struct loop *loop;
    struct site_relay *relays[SITE_SERVICES_MAX]; /* by the service; NULL: of kind redis */
    struct site_redis *redis;
    struct site_teller *teller;
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

void site_relay_fill(const struct site_relay *relay, struct view_service *to);

/* ---- site_redis.c ---- */

/* Sets run->redis, after a failure too: then it is closed and finished like any other. */
bool site_redis_open(struct site_run *run, struct err *err) MUST_CHECK;
void site_redis_close(struct site_redis *redis);  /* while the loop is there; NULL is allowed */
void site_redis_finish(struct site_redis *redis); /* when it is gone; the same */
unsigned site_redis_drain(struct site_redis *redis, loop_call on_drained, void *ctx);
void site_redis_reload_secrets(struct site_redis *redis);
void site_redis_fill(const struct site_redis *redis, const struct site_service *service,
                     struct view_service *to);
bool site_redis_has_changed(struct site_redis *redis); /* since it was asked before */

/* ---- site_teller.c ---- */

/* When all services are open. */
struct site_teller *site_teller_open(struct site_run *run, struct err *err) MUST_CHECK;
void site_teller_close(struct site_teller *h); /* NULL is allowed */

/* Something changed. NULL is allowed: it is not open yet. */
void site_teller_refresh(struct site_teller *h);

/* The end: HAProxy gets its servers back. Returns how often on_done will be called: 0 or 1. */
unsigned site_teller_release(struct site_teller *h, loop_call on_done, void *ctx);

/* The wall clock at a moment of the loop's. */
int64_t site_teller_unix_ms(struct loop *loop, msec_t at_ms);

#endif

#ifndef ROUTER_WORKER_H
#define ROUTER_WORKER_H

/* A worker as the control thread sees it. */

#include "router/relay.h"

struct worker_socket {
    const struct router_listen *listen;
    enum target target;
    int fd; /* listening; stays the router's */
};

/* Only read during worker_open(), but for conf, which must outlive the worker. */
struct worker_plan {
    struct router *router;
    struct loop *control;
    loop_call on_trouble; /* posted to the control loop with router: a worker lost the master */
    loop_call on_drained; /* posted once after worker_drain(), when all clients are gone */
    loop_call
        on_cleansed;    /* posted when this worker put the new master right, as far as it knows */
    uint64_t *cleansed; /* a generation for each worker; outlives them */
    struct worker_totals *totals; /* of all workers; outlives them */
    unsigned index;
    const struct router_conf *conf;
    const struct router_secrets *secrets;
    struct tls_context *redis_tls;
    const struct worker_socket *sockets;
    size_t sockets_count;
};

/* Prepares; worker_start() runs it. After a failure worker_close() clears what there is. */
bool worker_open(struct worker *worker, const struct worker_plan *plan, struct err *err) MUST_CHECK;
bool worker_start(struct worker *worker, struct err *err) MUST_CHECK;
void worker_close(struct worker *worker); /* ends the thread; zeroed is allowed */

/* Called on the worker's thread (loop_post). */
void worker_follow(struct worker *worker, const struct route *route);
void worker_take_secrets(struct worker *worker, const struct router_secrets *secrets);
void worker_drain(struct worker *worker);
void worker_look_again(struct worker *worker); /* another worker is done with its cleansing */

#endif

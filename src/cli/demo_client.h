#ifndef CLI_DEMO_CLIENT_H
#define CLI_DEMO_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/msec.h"
#include "loop/loop.h"

/*
 * The application of the demo: a few connections that write and read without pause.
 *
 * Through a router it knows one address and nothing of failovers: a connection is kept until the
 * router closes it. Without one it does as a client library with Sentinel support: it asks the
 * monitors in turn for the master, checks with ROLE that it is one, and asks again when a request
 * fails.
 *
 * Every write sets a bit of its own, counting up, and is repeated until it is acknowledged. So the
 * bits that are missing later are exactly the acknowledged writes that were lost. An INCR could not
 * tell: one that was done without its answer arriving would make up for one that was lost, and no
 * router may ask it again.
 */
struct demo_client;

enum { DEMO_CLIENT_ERROR_MAX = 120 /* longer ones are cut */ };

struct demo_client_counts {
    uint64_t writes; /* acknowledged */
    uint64_t reads;
    uint64_t errors;           /* requests that failed, and connections that could not be had */
    msec_t last_write_ms;      /* when a write was acknowledged last; 0 never */
    msec_t longest_gap_ms;     /* between two such, since demo_client_reset_longest() */
    msec_t longest_ms;         /* that a request took, until its answer or failure, since then */
    struct addr last_written;  /* where it was: the master, or the router */
    uint64_t connections_lost; /* closed by the other side */
    uint64_t lost;             /* acknowledged writes that were missing when last counted */
    size_t uncounted;          /* connections whose writes are still to be counted */
    char last_error[DEMO_CLIENT_ERROR_MAX];
};

struct demo_client_plan {
    const struct addr *router; /* NULL: the monitors are asked */
    const struct addr *monitors;
    size_t monitors_count;
    const char *master_name;
    msec_t timeout_ms; /* of a request */
};

/* What the plan points to stays the caller's. */
struct demo_client *demo_client_create(struct loop *loop, const struct demo_client_plan *plan);
void demo_client_destroy(struct demo_client *client);

const struct demo_client_counts *demo_client_counts(const struct demo_client *client);
void demo_client_reset_longest(struct demo_client *client);

/* Has the writes counted that are still there, each connection its own as soon as its last write is
 * acknowledged; done when uncounted is 0. */
void demo_client_count_lost(struct demo_client *client);

/* +switch-master came by subscription: what still waits for the old one has failed. A client of the
 * router is not told. */
void demo_client_switched(struct demo_client *client, const struct addr *to);

#endif

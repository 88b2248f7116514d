#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/msec.h"

/*
 * Where requests go, as the control thread last decided. It is made there, copied to every worker,
 * and never changed in place: a change is a new route with a higher generation.
 */

enum { ROUTE_REPLICAS_MAX = 32 };

enum route_state {
    ROUTE_UNKNOWN,     /* no master is known: requests wait */
    ROUTE_OPEN,        /* master serves */
    ROUTE_HOLD_WRITES, /* a failover is on its way: reads go to master, writes wait, so that those
                          in flight end and none is lost with the old master */
};

struct route {
    uint64_t generation; /* of the master: grows when it changes, and when it must be proved anew */
    enum route_state state;
    struct addr master; /* numeric */
    uint64_t epoch;     /* the configuration epoch the monitors gave; 0 when not yet told */
    msec_t since_ms;    /* loop_now() of the change */
    struct addr replicas[ROUTE_REPLICAS_MAX]; /* those whose lag is within the bound */
    size_t replicas_count;
};

const char *route_state_text(enum route_state state); /* "open", "holding writes", "no master" */

#endif

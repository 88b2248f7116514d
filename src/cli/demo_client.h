#ifndef CLI_DEMO_CLIENT_H
#define CLI_DEMO_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/msec.h"
#include "loop/loop.h"

/*
 * The application of the demo: a few connections that write and read without pause, as a client
 * library with Sentinel support does. It asks the monitors in turn for the master, checks with ROLE
 * that it is one, and asks again when a request fails.
 */
struct demo_client;

struct demo_client_counts {
    uint64_t writes;
    uint64_t reads;
    uint64_t errors;          /* requests that failed, and connections that could not be had */
    msec_t last_write_ms;     /* when a write was acknowledged last; 0 never */
    msec_t longest_gap_ms;    /* between two such, since demo_client_reset_gap() */
    struct addr last_written; /* the master that acknowledged it */
};

/* The monitors stay the caller's. */
struct demo_client *demo_client_create(struct loop *loop, const struct addr *monitors, size_t count,
                                       const char *master_name);
void demo_client_destroy(struct demo_client *client);

const struct demo_client_counts *demo_client_counts(const struct demo_client *client);
void demo_client_reset_gap(struct demo_client *client);

/* +switch-master came by subscription: what still waits for the old one has failed. */
void demo_client_switched(struct demo_client *client, const struct addr *to);

#endif

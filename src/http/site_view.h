#ifndef HTTP_SITE_VIEW_H
#define HTTP_SITE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "pool/member_health.h"

/*
 * What this node knows of the site, as plain data: the health endpoints, HAProxy's agent-check and
 * its Runtime API, the metrics and the page all show this and nothing else, so they cannot
 * disagree.
 *
 * One writer, the control thread; the readers run on the same loop, so nothing is locked. The
 * writer changes what it must and calls site_view_changed() once; readers that keep something
 * rendered compare the generation. Too large for the stack: the owner has it on the heap.
 *
 * What the same members serve in two ways (a write address, and a read address over all ready
 * nodes) stands here as two services.
 */

enum {
    VIEW_NAME_MAX = 64,     /* a name of the site file and its end */
    VIEW_SERVICES_MAX = 32, /* a site has a handful; a hosting firm's one some more */
    VIEW_MEMBERS_MAX = 64,  /* twice the 30 machines that a site is built of */
};

struct view_member {
    char name[VIEW_NAME_MAX];
    char address[ADDR_TEXT_MAX];
    enum verdict verdict;
    int64_t since_unix_ms; /* of the verdict, wall clock: only shown */
    char reason[HEALTH_REASON_MAX];
    uint32_t weight_permille; /* less than HEALTH_PERMILLE during a slow start */
    bool is_drained;          /* by the operator */
    bool is_writer;           /* the one chosen, where the service has one */
    bool is_here;             /* it runs on this node */
};

/* The address at which this node offers the service to its applications. */
struct view_endpoint {
    char address[ADDR_TEXT_MAX];
    bool is_here; /* this node has one */
    bool serves;
    bool is_own_fault; /* it does not serve, and other nodes' endpoints do or could: a port that is
                          taken, a node that is cut off */
    char reason[HEALTH_REASON_MAX]; /* why it does not serve; may be empty while it does */
};

struct view_service {
    char name[VIEW_NAME_MAX];
    char kind[VIEW_NAME_MAX]; /* "redis", "galera", "http", ... */
    bool is_shared; /* a dependency of every node: when it is down, no node is better than us */
    bool has_one_writer; /* only the member with is_writer may be given traffic */
    bool needs_majority; /* without one of the monitors it must not be given traffic */
    struct view_endpoint endpoint;
    struct view_member members[VIEW_MEMBERS_MAX];
    size_t members_count;
};

struct site_view {
    uint64_t generation; /* grows with every change; 0: nothing was written yet */
    char node[VIEW_NAME_MAX];
    bool is_started;   /* all roles of this node run */
    bool is_known;     /* every member was probed once: the verdicts mean something */
    bool has_majority; /* this node hears a majority of the monitors */
    bool is_drained;   /* this node, by the operator */
    struct view_service services[VIEW_SERVICES_MAX];
    size_t services_count;
};

/* The writer has changed something. */
void site_view_changed(struct site_view *view);

/* NULL when there is none of that name. */
const struct view_service *site_view_service(const struct site_view *view, const char *name);
const struct view_member *view_service_member(const struct view_service *service, const char *name);

/* READY or AVOID, and not drained. */
bool view_member_serves(const struct view_member *member);

#endif

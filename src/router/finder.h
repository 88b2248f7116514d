#ifndef ROUTER_FINDER_H
#define ROUTER_FINDER_H

#include "base/buf.h"
#include "config/router_conf.h"
#include "loop/loop.h"
#include "loop/tls.h"
#include "router/route.h"

/*
 * Finds the master. Holds two connections to every monitor: on one it asks (SENTINEL MASTER and
 * GET-MASTER-ADDR-BY-NAME, and REPLICAS where replicas serve), on the other it hears their failover
 * events. It asks Redis servers for their ROLE itself: the master, whoever a majority names in its
 * place, and a selected replica until it says that it is a master. Who is believed is
 * pool/master_choice.
 *
 * A new route is told when: a majority of the monitors configured gives the same address for the
 * newest epoch and that server says that it is a master; a replica that a monitor reported as
 * selected (or that one monitor gives with a newer epoch) says that it is a master; writes are to
 * be held (+selected-slave) or no longer (the selected replica is a master, -failover-abort-*, or
 * FINDER_HOLD_MAX_MS passed); the master says that it is a replica; the replicas that may serve
 * changed. Runs on the control thread.
 */
struct finder;

enum {
    FINDER_ASK_MS = 1000, /* between two questions to a monitor that is well */
    FINDER_ASK_TROUBLED_MS =
        50,                    /* the same while there is no master, or a worker reported trouble */
    FINDER_CONNECT_MS = 1000,  /* an attempt that takes longer has failed */
    FINDER_SILENT_MS = 3000,   /* a monitor that owes an answer for longer is connected to anew */
    FINDER_ROLE_MS = 10,       /* between two ROLE to a replica that was selected */
    FINDER_HOLD_MAX_MS = 5000, /* writes are not held longer on the word of one monitor */
};

struct finder_settings {
    const struct router_conf *conf; /* must outlive the finder */
    const char *redis_password;     /* NULL is none; copied */
    const char *sentinel_password;
    struct tls_context *redis_tls; /* NULL is plain; must outlive the finder */
    struct tls_context *sentinel_tls;

    /* Called for every change, from a turn of the loop; the route lives during the call only. Must
     * not destroy the finder. */
    void (*on_route)(void *ctx, const struct route *route);
    void *ctx;
};

struct finder *finder_create(struct loop *loop, const struct finder_settings *settings) MUST_CHECK;
void finder_destroy(struct finder *finder); /* NULL is allowed */

/* A worker lost its connection to the master, or it did not answer: ask everybody now. */
void finder_trouble(struct finder *finder);

/* New passwords and certificates, for connections made from now on; those that stand stay. */
void finder_reload(struct finder *finder, const char *redis_password, const char *sentinel_password,
                   struct tls_context *redis_tls, struct tls_context *sentinel_tls);

struct finder_monitor {
    struct addr addr;
    bool is_connected;
    bool is_subscribed;
    bool has_answered;     /* within FINDER_SILENT_MS */
    msec_t answered_at_ms; /* loop_now() of the last answer; 0 is never */
    struct addr master;    /* what it said; not set when it knows none */
    uint64_t epoch;
    bool master_is_down; /* s_down or o_down in the flags it gave */
    char last_error[128];
};

struct finder_view {
    struct route route;
    struct finder_monitor monitors[ROUTER_MONITORS_MAX];
    size_t monitors_count;
    size_t monitors_answering; /* within FINDER_SILENT_MS */
    bool has_majority;         /* a majority of those configured gives one master now */
    uint64_t switches;         /* changes of the master since the start */
    uint64_t holds;            /* times writes were held for a failover */
};
void finder_view(const struct finder *finder, struct finder_view *view);

#endif

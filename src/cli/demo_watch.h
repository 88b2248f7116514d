#ifndef CLI_DEMO_WATCH_H
#define CLI_DEMO_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/msec.h"
#include "cli/demo_link.h"
#include "cli/demo_site.h"

/*
 * What the servers say of themselves, asked a few times a second, and the monitors' events.
 */
enum {
    DEMO_FLAGS_MAX = 64,
    DEMO_EVENT_MAX = 160, /* of an event's payload, longer ones are cut */
};

struct demo_node_view {
    bool answers; /* within the last DEMO_SILENCE_MS */
    bool is_master;
    bool link_is_up; /* of a replica to its master */
    int64_t offset;
    int64_t replicas;   /* of a master: connected ones */
    struct addr master; /* of a replica */
};

struct demo_monitor_view {
    bool answers;
    struct addr master;
    char flags[DEMO_FLAGS_MAX]; /* "master", "s_down,o_down,master": Sentinel's words */
    int64_t replicas;
    int64_t peers;
    int64_t config_epoch;
};

struct demo_router_view {
    bool answers;
    char state[DEMO_FLAGS_MAX]; /* "open", "holding writes", "no master" */
    struct addr master;
    msec_t seen_ms; /* when this state with this master was seen first */
    int64_t clients;
    int64_t held; /* of them waiting for a master */
    int64_t held_longest_ms;
    int64_t retried;
    bool has_majority; /* of monitors that answer */
};

/* The router's control socket: a line asks, a line of JSON answers. */
struct demo_watch_control {
    struct conn *conn;
    bool is_waiting;
    msec_t answered_ms;
};

struct demo_watch_poll {
    struct demo_link link;
    struct demo_watch *watch;
    size_t index;
    bool is_waiting; /* for a reply */
    msec_t answered_ms;
};

struct demo_watch {
    struct demo_site *site;
    struct loop_timer *timer;
    struct demo_watch_poll nodes[DEMO_REDIS];
    struct demo_watch_poll monitors[DEMO_MONITORS];
    struct demo_watch_poll events[DEMO_MONITORS];
    struct demo_watch_control control;
    struct demo_node_view node_views[DEMO_REDIS];
    struct demo_monitor_view monitor_views[DEMO_MONITORS];
    struct demo_router_view router_view;

    /* An event of a monitor: "+sdown", "master mymaster 127.0.0.1 6379". */
    void (*on_event)(void *ctx, size_t monitor, const char *name, const char *payload);
    void *ctx;
};

/* *watch is zeroed but for on_event and ctx. Servers that do not run yet are found when they do. */
void demo_watch_start(struct demo_watch *watch, struct demo_site *site);
void demo_watch_finish(struct demo_watch *watch);

/* As it was seen last; `answers` is of now. */
const struct demo_node_view *demo_watch_node(struct demo_watch *watch, size_t i);
const struct demo_monitor_view *demo_watch_monitor(struct demo_watch *watch, size_t i);

const struct demo_router_view *demo_watch_router(struct demo_watch *watch);

/* Every server answers, the monitors agree on one master without doubt and know all others, the
 * two other nodes follow it, and the router, when there is one, uses it. *master is written only
 * then; why_not (may be NULL) when not. */
bool demo_watch_is_whole(struct demo_watch *watch, struct addr *master, const char **why_not);

/* Every redis-server answers, and the replicas have their master. */
bool demo_watch_has_data(struct demo_watch *watch);

#endif

#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/router_conf.h"
#include "loop/loop.h"
#include "router/finder.h"

/*
 * One local Redis address that never changes. A control thread (the one that calls in here) finds
 * the master; worker threads carry the traffic to it and never decide.
 *
 *     monitors --> finder --> route --(posted)--> worker: client <-> session <-> backend <-> Redis
 */
struct router;

/* Secrets as read from the files conf names; NULL is none. Copied. */
struct router_secrets {
    const char *redis_password;
    const char *sentinel_password;
    const char *client_password;
};

/* Listening sockets taken over from another process, in the order of conf->listens, then
 * conf->replica_listens; -1 where there is none and one is to be opened. */
struct router_sockets {
    int fds[2 * ROUTER_LISTENS_MAX];
    size_t count;
};

/* Opens what conf asks for and starts the workers. conf is copied. sockets may be NULL. NULL and
 * *err (naming the address or the file) when something cannot be had; then nothing is left behind.
 */
struct router *router_open(struct loop *loop, const struct router_conf *conf,
                           const struct router_secrets *secrets,
                           const struct router_sockets *sockets, struct err *err) MUST_CHECK;

/* Ends at once: connections are cut. NULL is allowed. */
void router_close(struct router *router);

/* Stops accepting (the listening sockets are closed here; who took them over has them still);
 * clients between two requests are closed, others when they are done. on_drained comes when all are
 * gone, or after conf->drain_ms. */
void router_drain(struct router *router, loop_call on_drained, void *ctx);

/* New passwords and certificates from the files. False and *err when one is wrong: then all stays.
 */
bool router_reload(struct router *router, const struct router_secrets *secrets,
                   struct err *err) MUST_CHECK;

/* The listening descriptors, for a process that takes over; they stay the router's. */
void router_sockets(const struct router *router, struct router_sockets *sockets);

/* Another process has them now: the files of unix sockets stay when this router goes. */
void router_hand_over(struct router *router);

/* ---- what is going on ---- */

enum {
    ROUTER_LATENCY_BUCKETS = 24, /* bucket i: below 16 << i microseconds; the last is all above */
};

/* What the workers counted since the start. X-macro: name, is it a gauge, what it says. */
/* clang-format off */
#define ROUTER_COUNTS(COUNT) \
    COUNT(clients, 1, "clients connected") \
    COUNT(clients_total, 0, "clients accepted") \
    COUNT(clients_refused, 0, "clients turned away because of a limit") \
    COUNT(clients_cut, 0, "clients closed for being slow, silent or malformed") \
    COUNT(requests_read, 0, "requests that read") \
    COUNT(requests_write, 0, "requests that write") \
    COUNT(requests_local, 0, "requests answered by the router itself") \
    COUNT(requests_pinned, 0, "requests on a connection of their own") \
    COUNT(errors_down, 0, "requests that found no master within the hold") \
    COUNT(errors_unknown, 0, "writes whose outcome is unknown") \
    COUNT(errors_refused, 0, "requests of a kind the router does not carry") \
    COUNT(errors_transaction, 0, "transactions lost in a failover") \
    COUNT(misses, 0, "requests answered as an empty cache") \
    COUNT(held, 1, "clients whose request waits for a master") \
    COUNT(held_bytes, 1, "bytes of requests that wait") \
    COUNT(held_total, 0, "requests that had to wait") \
    COUNT(held_longest_ms, 1, "longest wait of a request that was then answered") \
    COUNT(retried_reads, 0, "reads asked again") \
    COUNT(retried_writes, 0, "writes asked again") \
    COUNT(bounced, 0, "replies that said that nothing happened") \
    COUNT(backends, 1, "connections to Redis") \
    COUNT(backends_total, 0, "connections to Redis opened") \
    COUNT(backends_failed, 0, "attempts to connect, or to prove the role, that failed") \
    COUNT(bytes_in, 0, "bytes from clients") \
    COUNT(bytes_out, 0, "bytes to clients") \
    COUNT(cleansed_keys, 0, "keys deleted on a new master, because a write may have been lost") \
    COUNT(cleansed_flushes, 0, "databases flushed on a new master, because the keys were not known")
/* clang-format on */

struct router_counts {
#define ROUTER_COUNT_FIELD(name, is_gauge, help) uint64_t name;
    ROUTER_COUNTS(ROUTER_COUNT_FIELD)
#undef ROUTER_COUNT_FIELD
    uint64_t latency_us[ROUTER_LATENCY_BUCKETS]; /* from request complete to reply complete */
    uint64_t latency_sum_us;
};

struct router_view {
    struct finder_view finder;
    struct router_counts counts;
    msec_t started_at_ms; /* loop_now() */
    msec_t now_ms;
    bool is_draining;
};
void router_view(struct router *router, struct router_view *view);

#endif

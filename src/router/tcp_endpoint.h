#ifndef ROUTER_TCP_ENDPOINT_H
#define ROUTER_TCP_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/msec.h"
#include "config/router_conf.h"
#include "loop/loop.h"
#include "pool/member_balance.h"

/*
 * One local address that never changes, in front of the members of a Galera, HTTP or any other TCP
 * service. It does not look at what it carries. Worker threads carry the bytes and never decide:
 * who may be connected to is told with tcp_endpoint_publish().
 *
 *     probes --> choice --> target set --(posted)--> worker: client <-> link <-> member
 *
 * A client is accepted at once and then connected to a member. Until a member accepts, no byte of
 * the client is read, so another member can be tried, and a client can wait when there is none:
 * one of MySQL waits for the server's greeting and sees a slow connect, one of HTTP a slow answer.
 *
 * What happens to a connection that stands:
 *   - both sides end in order, each half by itself: passed on, in both directions.
 *   - one side resets or dies: the other is reset.
 *   - its member is cut: both sides are reset, also in the middle of a reply. A reset, not an
 *     orderly end: no protocol can take what came so far for the whole, PHP gets an error at its
 *     next read or write and connects anew, and a member that is hung or gone leaves no socket that
 *     would try for 15 minutes to deliver the rest. (A client on a unix socket sees it closed:
 *     unix sockets know no reset.)
 *   - its member is cut, or resets it, before a byte went either way: it is tried again with
 *     another member, unseen by the client.
 * Bytes are copied through one buffer of the thread. Measured beside splice(2) through a pipe for
 * each direction, CPU of the relay: small queries 6 us against 8 to 12, replies of 16 KB the same,
 * 1 MB 240 to 260 us (read by 16 KB; by 64 KB up to 600) against 370 to 480. And splice takes four
 * more descriptors for each connection.
 */
struct tcp_endpoint;

enum {
    TCP_MEMBERS_MAX = MEMBERS_MAX,
    TCP_WEIGHT_MAX = MEMBER_WEIGHT_MAX * HEALTH_PERMILLE,
    TCP_NAME_MAX = 64, /* of a service, a member: for people */
};

/* ---- who may be connected to ---- */

struct tcp_member {
    unsigned id; /* its index in the pool; names the same member as long as the endpoint lives, its
                    counters and its connections */
    char name[TCP_NAME_MAX];
    struct addr at;   /* with an ip */
    bool may_take;    /* new connections */
    bool is_backup;   /* but only when no other may */
    bool is_last;     /* but only when no other may that is no backup: the writer, for reads */
    unsigned weight;  /* against the others, in thousandths, so that a slow start shows: at most
                         TCP_WEIGHT_MAX; 0 takes none */
    msec_t cut_at_ms; /* loop_now(): when connections that stand are reset. One that has passed is
                         at once, MSEC_NEVER lets them be */
};

enum tcp_rule {
    TCP_RULE_ROUND_ROBIN,
    TCP_RULE_LEAST,  /* open connections */
    TCP_RULE_SOURCE, /* the client's address */
};

/* How one is picked is said in pool/member_balance.h; a single writer is a set in which one may
 * take. Connections to a member that is not in the set are cut. */
struct tcp_target_set {
    uint64_t generation; /* for people */
    enum tcp_rule rule;
    size_t count;
    struct tcp_member members[TCP_MEMBERS_MAX];
};

/* ---- opening ---- */

enum {
    TCP_CONNECTIONS_MAX = 10000,   /* defaults: as the router for Redis */
    TCP_HELD_MAX = 1024,           /* the workers of several PHP pools */
    TCP_CONNECT_TIMEOUT_MS = 3000, /* a SYN that a full backlog dropped is sent again after 1 s */
    TCP_HOLD_MS = 5000,            /* a Galera group is whole again in less */
    TCP_HALF_CLOSED_TIMEOUT_MS = 60000, /* the other side had time to end too */
    TCP_TIME_MAX_MS = INT32_MAX,        /* of each time in a plan: 24 days */
    TCP_DRAIN_MS = 10000,               /* as the router for Redis */
};

struct tcp_endpoint_plan {
    const char *name; /* of the service, for logs */
    const struct router_listen *listens;
    size_t listens_count; /* at most ROUTER_LISTENS_MAX */
    const int *fds;       /* listening sockets of another process, in their order, -1 where there is
                             none; taken over. NULL opens all */

    unsigned threads;              /* at most ROUTER_THREADS_MAX */
    unsigned connections_max;      /* in all; one more is reset as soon as it is accepted */
    unsigned held_max;             /* that wait for a member; the same */
    msec_t hold_ms;                /* how long one waits, from its accept; then it is reset */
    msec_t connect_timeout_ms;     /* of one attempt */
    msec_t idle_timeout_ms;        /* without a byte; 0 is never: MySQL clients are idle long */
    msec_t half_closed_timeout_ms; /* the same when one side has ended; 0 is never */
    msec_t drain_ms;
    int proxy_protocol; /* to the members: 0 is none, 1 the text form, 2 the binary one */
};

/* The defaults named above, one thread; no name, no addresses. */
void tcp_endpoint_plan_init(struct tcp_endpoint_plan *plan);

/* Listens and starts the workers; no member may be connected to yet, so clients wait. The plan is
 * copied. NULL and *err (naming the address) when something cannot be had or is out of range; then
 * nothing is left behind, but fds are closed. */
struct tcp_endpoint *tcp_endpoint_open(struct loop *control, const struct tcp_endpoint_plan *plan,
                                       struct err *err) MUST_CHECK;

/* Ends at once: connections are reset. NULL is allowed. */
void tcp_endpoint_close(struct tcp_endpoint *e);

/* From now on this one counts, which is copied. */
void tcp_endpoint_publish(struct tcp_endpoint *e, const struct tcp_target_set *set);

/* Stops accepting; connections may end until plan.drain_ms have passed, then they are reset.
 * on_drained comes once, in a turn of the control loop, when none is left. */
void tcp_endpoint_drain(struct tcp_endpoint *e, loop_call on_drained, void *ctx);

/* ---- a process that takes over ---- */

/* The listening descriptors, in the order of the listens; they stay the endpoint's. Returns how
 * many were written: at most ROUTER_LISTENS_MAX, none while draining. */
size_t tcp_endpoint_sockets(const struct tcp_endpoint *e, int fds[ROUTER_LISTENS_MAX]);

/* It has them now: the files of unix sockets stay when this endpoint goes. */
void tcp_endpoint_hand_over(struct tcp_endpoint *e);

/* ---- what is going on ---- */

/* What the workers counted since the start. X-macro: name, what it says. */
/* clang-format off */
#define TCP_COUNTS(COUNT) \
    COUNT(accepted, "connections accepted") \
    COUNT(refused, "connections reset at once because of connections_max or held_max") \
    COUNT(held_total, "connections that had to wait for a member") \
    COUNT(held_expired, "connections closed because no member came within hold_ms") \
    COUNT(cut, "connections reset because their member was cut or the drain was over") \
    COUNT(moved, "connections tried again with another member before a byte was carried") \
    COUNT(broken, "connections that one side reset, or that broke") \
    COUNT(idle, "connections closed because nothing was carried for too long")

#define TCP_MEMBER_COUNTS(COUNT) \
    COUNT(connected, "connections made to the member") \
    COUNT(failed, "attempts to connect that failed") \
    COUNT(cut, "connections reset because the member was cut") \
    COUNT(bytes_up, "bytes carried to the member") \
    COUNT(bytes_down, "bytes carried to clients")
/* clang-format on */

#define TCP_COUNT_FIELD(name, help) uint64_t name;
struct tcp_counts {
    TCP_COUNTS(TCP_COUNT_FIELD)
};
struct tcp_member_counts {
    TCP_MEMBER_COUNTS(TCP_COUNT_FIELD)
};
#undef TCP_COUNT_FIELD

struct tcp_member_view {
    unsigned open; /* connections now, also those that are being made */
    struct tcp_member_counts counts;
};

struct tcp_endpoint_view {
    unsigned connections;   /* now */
    unsigned held;          /* now */
    msec_t held_longest_ms; /* of those that got a member in the end */
    struct tcp_counts counts;
    struct tcp_member_view members[TCP_MEMBERS_MAX]; /* by id */
    bool is_draining;
};
void tcp_endpoint_view(const struct tcp_endpoint *e, struct tcp_endpoint_view *view);

/* The port of listen i, when 0 was asked; 0 for a unix socket. */
uint16_t tcp_endpoint_port(const struct tcp_endpoint *e, size_t i);

#endif

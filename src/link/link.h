#ifndef LINK_LINK_H
#define LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/msec.h"
#include "failover/failover.h"
#include "loop/loop.h"
#include "loop/tls.h"

/*
 * The connections of this monitor to the servers it watches and to the other monitors. A link to a
 * server is two connections, as Sentinel's: one for commands, one that is subscribed to
 * __sentinel__:hello and is looked after in here. A link to a monitor is one.
 *
 * What the network says comes out as the core's events, always from a turn of the loop and never
 * from inside a call of this face; links may be opened and closed inside the callback.
 */
struct links;

enum {
    LINK_CONNECT_MS = 1000,        /* an attempt that takes longer has failed: TIMEOUT */
    LINK_PENDING_MAX = 100,        /* requests unanswered on a link to a server, as Sentinel */
    LINK_PENDING_PEER_MAX = 10000, /* a monitor is shared by all masters: 100 of them */
    LINK_PUBSUB_RETRY_MS = 1000,   /* the shortest time between two attempts to subscribe */
    LINK_SILENT_PERIODS = 3, /* no hello for 3 periods (of 2 s): subscribe anew, as Sentinel */
    LINK_INPUT_MAX_BYTES = 1 << 20, /* the largest INFO seen is below 100 KB */
    HELLO_TEXT_MAX = 1024,          /* two host names, two run ids, a master name, four numbers */
};

struct links_settings {
    const char *run_id;        /* ours */
    const char *announce_host; /* "" or NULL: the local address of each connection */
    uint16_t announce_port;    /* never 0: announce-port, else the port we listen on */
    struct tls_context *tls;   /* tls-replication yes; NULL is plain. Must outlive the links */
    const char *bind_source;   /* or NULL */
    bool announce_hostnames;
    bool resolve_hostnames; /* no: a name is never looked up, and an announced name is dropped */

    /* The event and what it points to live for the time of the call. */
    void (*on_event)(void *ctx, const struct event *event);

    /* The INFO text as it came, before the EVENT_INFO it leads to; len bytes and a '\0'. May be
     * NULL. */
    void (*on_info_text)(void *ctx, uint32_t link, const char *text, size_t len);
    void *ctx;
};

/* A renamed command of the server ("SLAVEOF" -> "b840fc02"); to "" when it is disabled. */
struct link_rename {
    const char *from;
    const char *to;
};

/* How to talk to one instance. Only read during the call that gets it. */
struct link_settings {
    const char *user; /* NULL or "" with a pass: AUTH <pass> */
    const char *pass; /* NULL or "": no AUTH */
    const struct link_rename *renames;
    size_t renames_count;
};

/* Copies the settings (not the TLS context). Only out of memory can go wrong, and that aborts. */
struct links *links_create(struct loop *loop, const struct links_settings *settings) MUST_CHECK;

/* Closes everything; no callback comes any more. Not from inside a callback, and before
 * loop_destroy(). */
void links_destroy(struct links *links);

/* New announce-ip, announce-port, announce-hostnames, resolve-hostnames (SENTINEL CONFIG SET); the
 * other fields of *settings are ignored. */
void links_announce(struct links *links, const struct links_settings *settings);

/* The publish period, of which LINK_SILENT_PERIODS are silence; 2000 at first. */
void links_set_publish_period(struct links *links, msec_t period_ms);

/* Drops all connections to monitors, because sentinel-user or sentinel-pass changed:
 * EVENT_LINK_DOWN follows for each, and the core opens it again. */
void links_reauth_peers(struct links *links);

/*
 * Starts one attempt to connect; EVENT_LINK_UP or EVENT_LINK_DOWN answers it, nothing tries again
 * but the core. Opening a link that exists closes what it had. LINK_UP comes when the connection
 * stands: AUTH and CLIENT SETNAME are on their way in front of all requests, and when AUTH was
 * wrong the answers to PING are PONG_OTHER, as with Sentinel. A name without ip is looked up first;
 * one with an ip, or seen lately, is connected to at once and looked up meanwhile, and
 * EVENT_RESOLVED tells when it moved.
 */
void link_open(struct links *links, uint32_t id, enum instance_kind kind, const struct addr *addr,
               const struct link_settings *settings);
void link_close(struct links *links,
                uint32_t id); /* nothing more is heard of it; unknown is allowed */

/* Other credentials or renames at runtime. Drops the link (EVENT_LINK_DOWN follows) when the
 * credentials changed, as Sentinel does on SENTINEL SET auth-pass. */
void link_configure(struct links *links, uint32_t id, const struct link_settings *settings);

/*
 * Requests. Each is ignored (and counted) when the link is not up or has too many unanswered. What
 * is asked for within one turn leaves in one write for each link: when links_flush() is called,
 * else by itself at the end of the turn or, from a timer, in the next.
 */
void link_ping(struct links *links, uint32_t id); /* EVENT_PONG */
void link_info(struct links *links, uint32_t id); /* EVENT_INFO; an error reply is silence */
void link_hello(struct links *links, uint32_t id,
                const struct hello *hello); /* addr, run_id are ours */
void link_script_kill(struct links *links, uint32_t id);

struct link_ask {
    uint32_t master; /* come back in EVENT_ANSWER */
    uint32_t ask_tag;
    const struct addr *addr;
    uint64_t epoch;
    const char *run_id; /* "*" or who wants the vote */
};
void link_ask(struct links *links, uint32_t id, const struct link_ask *ask);

/*
 * MULTI; SLAVEOF; CONFIG REWRITE; CLIENT KILL TYPE normal; CLIENT KILL TYPE pubsub; ROLE; EXEC, and
 * INFO behind it (EVENT_INFO). promote is answered by EVENT_PROMOTED, replicaof by its EVENT_INFO
 * only. A command but SLAVEOF that the server refuses to queue (ACL, renamed away) is left out of a
 * second try; SLAVEOF is tried as REPLICAOF; without ROLE the role is that of INFO.
 */
void link_promote(struct links *links, uint32_t id);
void link_replicaof(struct links *links, uint32_t id, const struct addr *master);

/* FAILOVER TO host port TIMEOUT ms, to the master. An error reply is logged. */
void link_coordinated(struct links *links, uint32_t id, const struct addr *replica,
                      msec_t timeout_ms);

void links_flush(struct links *links);

struct link_view {
    bool is_up;
    bool is_subscribed;
    uint32_t pending; /* link-pending-commands */
};
bool link_view(const struct links *links, uint32_t id, struct link_view *view); /* false: unknown */

struct links_counts {
    uint64_t dropped;  /* requests not sent: too many unanswered */
    uint64_t bad_info; /* INFO without a role */
    uint64_t bad_hello;
    uint64_t requests;
};
void links_counts(const struct links *links, struct links_counts *counts);

/* A hello that came by PUBLISH to our own port: decodes it and fills in the ips of names that are
 * known. False when it is malformed, or names a host while names are not resolved. Our own is not
 * filtered. */
bool links_read_hello(struct links *links, const char *text, size_t len, struct hello *hello);

/* The ip of a name as the cache has it, "" when not known; starts a look-up when it is stale. For
 * names that come by other ways (SENTINEL MONITOR, the configuration). Does nothing without a name.
 */
void links_fill_ip(struct links *links, struct addr *addr);

#endif

#ifndef SENTINEL_PORT_H
#define SENTINEL_PORT_H

/* What the files of this room share. Nobody outside includes it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/msec.h"
#include "config/config.h"
#include "failover/failover.h"
#include "loop/conn.h"
#include "loop/loop.h"
#include "sentinel/acl.h"
#include "sentinel/client.h"
#include "sentinel/cmd_table.h"
#include "sentinel/sentinel.h"

enum {
    PORT_LISTENERS_MAX = 34, /* Redis binds to 16 addresses; plain and TLS, unix */
    PORT_BUCKETS = 4096,     /* of clients by id, for replies that come later */
    PORT_SWEEP_MS = 1000,    /* idle clients, soft limits and rates are looked at this often */
    PORT_QUERY_BYTES_MAX = 8 << 20,    /* no Sentinel command needs more, whatever the file says */
    PORT_ARGS_MAX = 64 * 1024,         /* SUBSCRIBE to many channels is the longest */
    PORT_TURN_COMMANDS = 500,          /* of one client before the others get their turn */
    PORT_TURN_OUTPUT_BYTES = 1 << 20,  /* written for one client in one turn; then it waits */
    PORT_CHOKE_BYTES = 1 << 20,        /* a client with so much unread output is not read from */
    PORT_OUTPUT_BYTES_MAX = 256 << 20, /* where the file sets no hard limit */
    PORT_DENIED_MAX_PER_S = 50, /* connections above maxclients that still get an error text */
};

struct topic; /* a channel or pattern with subscribers: pubsub.c */

struct topics {
    struct topic **items;
    size_t count;
    size_t capacity;
};

struct sentinel {
    struct loop *loop;
    const struct sentinel_ops *ops;
    void *ctx;
    char *config_file;
    char *executable;
    msec_t started_at;

    struct listener *listeners[PORT_LISTENERS_MAX];
    uint32_t listeners_count;
    uint16_t tcp_port;
    uint16_t tls_port;

    struct acl *acl;
    bool users_changed; /* by ACL SETUSER, DELUSER or LOAD since the start */
    int *acl_commands;  /* by row id: the number the ACL knows the command by */

    struct client *first; /* by id */
    struct client *last;
    struct client *buckets[PORT_BUCKETS];
    uint32_t clients; /* without the doomed */
    uint32_t waiting; /* for a reply that comes later */
    uint32_t subscribers;
    uint32_t tracking;
    uint64_t next_id;
    struct client *running; /* whose command runs just now */
    struct client *doomed;
    struct client *backlog;  /* have complete commands that wait for the next turn */
    struct loop_timer *turn; /* closes the doomed, serves the backlog */
    struct loop_timer *sweep;
    struct loop_timer *pause_end;

    struct topics channels; /* every one that has subscribers, sorted by name: see pubsub.c */
    struct topics patterns; /* the same */
    struct buf message;     /* the same bytes for all subscribers of a topic */

    msec_t paused_until; /* CLIENT PAUSE; 0: not paused */
    bool pause_writes_only;

    struct sentinel_counters counters;
    uint64_t reads_total;
    uint64_t writes_total;
    uint64_t query_peak_bytes;
    struct {
        uint64_t commands;
        uint64_t input_bytes;
        uint64_t output_bytes;
        msec_t at;
    } last_sweep;
    double commands_per_s;
    double input_bytes_per_s;
    double output_bytes_per_s;
    msec_t denied_at;
    uint32_t denied_in_s;
};

enum client_wait {
    CLIENT_WAIT_NONE,
    CLIENT_WAIT_ASK,     /* sentinel_reply_ask() */
    CLIENT_WAIT_COMMAND, /* sentinel_reply_command() */
    CLIENT_WAIT_NAME,    /* a host name: SENTINEL MONITOR */
};

enum client_reply {
    CLIENT_REPLY_ON,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP_NEXT, /* CLIENT REPLY SKIP was just run */
    CLIENT_REPLY_SKIP,
};

enum client_tracking {
    CLIENT_TRACKING = 1,
    CLIENT_TRACKING_BCAST = 2,
    CLIENT_TRACKING_OPTIN = 4,
    CLIENT_TRACKING_OPTOUT = 8,
    CLIENT_TRACKING_NOLOOP = 16,
    CLIENT_TRACKING_CACHING = 32, /* CLIENT CACHING was called for the next command */
};

/* A command that was read but may not run yet: a copy of its words. */
struct held_command {
    struct buf bytes;
    struct resp_text *argv;
    size_t argc; /* 0: none */
};

struct client {
    struct sentinel *port;
    struct conn *conn;
    uint64_t id;
    struct client *prev, *next; /* by id */
    struct client *bucket_next;
    struct client *doomed_next;
    struct client *backlog_prev, *backlog_next;

    struct acl_user *user; /* held; NULL: not authenticated */
    enum resp_version version;
    char *name;
    char *lib_name;
    char *lib_version;
    char peer[ADDR_TEXT_MAX];
    char local[ADDR_TEXT_MAX];
    msec_t created_at;
    msec_t active_at;
    msec_t soft_since; /* above the soft output limit; 0: not */
    const struct command_row *last_row;

    struct resp_command_reader reader;
    struct buf query; /* what could not be run yet */
    struct buf out;   /* replies on their way to the connection */
    size_t reply_at;  /* where in out the reply being made begins */
    size_t turn_bytes;
    struct held_command held;

    enum client_reply reply;
    enum client_wait wait;
    enum command_type wait_type; /* of CLIENT_WAIT_COMMAND: RESET answers a number */
    struct loop_name *resolving; /* of CLIENT_WAIT_NAME */
    struct event *pending;       /* the event that waits for the name; owned */

    uint32_t tracking; /* bits of enum client_tracking */
    uint64_t tracking_redirect;
    struct buf tracking_prefixes; /* each with its '\0' */
    size_t tracking_prefixes_count;

    struct topics channels; /* in the order of subscription */
    struct topics patterns;
    size_t topic_bytes;

    bool is_doomed;
    bool is_closing; /* after the reply that is being made */
    bool is_choked;
    bool in_backlog;
    bool no_evict;
};

/* ---- the core and the configuration, at hand ---- */

static inline const struct failover *port_core(const struct sentinel *port)
{
    return port->ops->core(port->ctx);
}

static inline struct sentinel_conf *port_conf(const struct sentinel *port)
{
    return port->ops->conf(port->ctx);
}

/* CLIENT PAUSE. No command here writes, but PUBLISH counts as one in Redis: WRITE pauses nothing.
 */
static inline bool port_is_paused(const struct sentinel *port)
{
    return port->paused_until > 0 && !port->pause_writes_only;
}

/* ---- client.c ---- */

/* Takes the connection. */
void client_accept(struct sentinel *port, struct conn *conn);
void client_free(struct client *c); /* at once; the port forgets it */
void client_doom(struct client *c); /* freed in the next turn; nothing runs for it any more */
void client_push(struct client *c, const struct buf *bytes); /* out of band: not a reply */
void client_turn(void *arg);                                 /* the doomed and the backlog */
void client_wake(struct client *c); /* its commands go on in the next turn */
struct client *client_find(const struct sentinel *port, uint64_t id);
bool client_is_subscribed(const struct client *c);
enum conf_client_class client_class(const struct client *c);
void client_class_changed(struct client *c);     /* its limits are others now */
void client_sweep(struct client *c, msec_t now); /* timeout and soft output limit */

/* No further command of the client runs until client_answered(). */
void client_wait(struct client *c, enum client_wait why);

/* Sends what was put into c->out since, and goes on. */
void client_answered(struct client *c);

/* ---- sentinel.c ---- */

void port_unpause(void *arg); /* the end of CLIENT PAUSE */

/* ---- dispatch.c ---- */

/* Checks and runs one command. False: it may not run yet and is to be held. */
bool dispatch_command(struct client *c, const struct resp_command *command);

/* ---- held_command.c ---- */

void held_command_take(struct held_command *held, const struct resp_command *command);
void held_command_finish(struct held_command *held);

#endif

#ifndef SENTINEL_SENTINEL_H
#define SENTINEL_SENTINEL_H

/*
 * The Sentinel port: the server side of the protocol that clients, operators and other monitors
 * speak to us (reference/sentinel.md 2.1, 2.2, 2.4, 2.6). It decides nothing: it reads the core,
 * turns commands into events, and publishes what it is told. Links to other servers, the disk and
 * scripts are not here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/msec.h"
#include "config/config.h"
#include "failover/failover.h"
#include "loop/loop.h"
#include "loop/tls.h"

/* The Redis whose protocol we speak, for INFO, HELLO and -v:
 * clients choose what they send by it. */
#define SENTINEL_REDIS_VERSION "7.2.4"

struct sentinel;

/* Only read during sentinel_create(). conf is what ops->conf() gives, which must answer from then
 * on: limits are read there each time they are needed. */
struct sentinel_settings {
    const struct sentinel_conf *conf; /* bind, ports, unix socket, requirepass, users, aclfile */
    struct tls_context *tls;          /* of tls_port; NULL when there is none. Outlives the port */
    const char *config_file;          /* absolute path, for INFO; may be "" */
    const char *executable;           /* absolute path, for INFO */
};

/* What SENTINEL SET and SENTINEL CONFIG SET altered in *ops->conf(),
 * beside what goes to the core. */
enum sentinel_change {
    SENTINEL_CHANGED_AUTH = 1,    /* auth-user, auth-pass, rename-command of a master: relink it */
    SENTINEL_CHANGED_SCRIPTS = 2, /* of a master */
    SENTINEL_CHANGED_PEER_AUTH = 4, /* sentinel-user, sentinel-pass: relink all peers */
    SENTINEL_CHANGED_ANNOUNCE = 8, /* announce-ip, announce-port, announce- and resolve-hostnames */
    SENTINEL_CHANGED_LOGLEVEL = 16,
};

/* One row of SENTINEL PENDING-SCRIPTS. Texts live until the port has used the row. */
struct sentinel_script_view {
    const char *const *argv; /* ends with NULL */
    bool running;
    pid_t pid;       /* 0 unless running */
    msec_t run_ms;   /* how long it runs */
    msec_t delay_ms; /* scheduled: until it starts, 0 when at once */
    uint32_t retry_num;
};

struct sentinel_script_counts {
    uint32_t running;
    uint32_t queued; /* running ones included, as Sentinel counts */
};

/*
 * What the daemon does for the port. Every function may be called from inside any callback of the
 * loop; ctx is that of sentinel_create(). None may destroy the port (shutdown() only asks for it).
 */
struct sentinel_ops {
    const struct failover *(*core)(void *ctx);

    /*
     * Feeds failover_step with EVENT_ASK or EVENT_COMMAND (event->now is set) and performs its
     * actions. Each carries a token; exactly one sentinel_reply_ask() or sentinel_reply_command()
     * must follow some time, from inside submit() or later. The client that asked waits for it.
     */
    void (*submit)(void *ctx, const struct event *event);

    /* Read for SET, CONFIG GET and INFO; written by SENTINEL SET (the shell-level settings of a
     * master, an entry is added when there is none) and SENTINEL CONFIG SET. Never NULL. */
    struct sentinel_conf *(*conf)(void *ctx);

    /* *conf() was altered: bits of enum sentinel_change; master is NULL unless one is concerned.
     * Apply it. A COMMAND_SET or COMMAND_FLUSH with a token follows by submit() and must be
     * answered when the file is on disk. */
    void (*changed)(void *ctx, uint32_t changes, const char *master);

    /* As an ACTION_NOTE of the core: log it, publish it here, run the notification script. */
    void (*note)(void *ctx, const struct note *note);

    /* PUBLISH __sentinel__:hello, len bytes and a '\0': parse it and feed it as EVENT_HELLO, link
     * 0. */
    void (*hello)(void *ctx, const char *text, size_t len);

    /* SENTINEL INFO-CACHE: the last INFO of a link and when it came. False: none. *text stays the
     * callee's and lives until the port returns to the loop. */
    bool (*info_cache)(void *ctx, uint32_t link, const char **text, size_t *len, msec_t *at);

    /* Commands sent on a link and not answered yet: link-pending-commands. */
    uint32_t (*link_pending)(void *ctx, uint32_t link);

    /* Row index, from 0, of the script queue. False past the end. */
    bool (*script_at)(void *ctx, uint32_t index, struct sentinel_script_view *view);
    void (*script_counts)(void *ctx, struct sentinel_script_counts *counts);

    /* SHUTDOWN: end the process in order with status 0, at once but not from inside the call. */
    void (*shutdown)(void *ctx);
};

/* Opens every listener. NULL and *err when an address cannot be had or a user line is wrong;
 * nothing stays open then. ops, loop and settings->tls must live as long as the port. */
struct sentinel *sentinel_create(struct loop *loop, const struct sentinel_settings *settings,
                                 const struct sentinel_ops *ops, void *ctx,
                                 struct err *err) MUST_CHECK;

/* Closes listeners and clients at once (but for replies already written, which are flushed as far
 * as the kernel takes them). Accepts NULL. */
void sentinel_destroy(struct sentinel *port);

/* To every subscriber of the channel and of patterns that match it. Returns how many messages went
 * out. */
uint32_t sentinel_publish(struct sentinel *port, const char *channel, const char *payload);

/* The answer to EVENT_ASK. leader "" is "*". A token whose client is gone is ignored. */
void sentinel_reply_ask(struct sentinel *port, uint64_t token, bool down, const char *leader,
                        uint64_t leader_epoch);

/* The answer to EVENT_COMMAND. count is that of RESET. */
void sentinel_reply_command(struct sentinel *port, uint64_t token, enum command_result result,
                            uint32_t count);

/* What ACL SETUSER and DELUSER made of the users, as user lines for the next rewrite of the file
 * (as Sentinel writes them). The operator's own lines stay while nothing was changed, and with an
 * aclfile, which has ACL SAVE. */
void sentinel_export_users(const struct sentinel *port, struct sentinel_conf *conf);

/* The ports that are listened on; 0 when none. */
uint16_t sentinel_tcp_port(const struct sentinel *port);
uint16_t sentinel_tls_port(const struct sentinel *port);

struct sentinel_counters {
    uint64_t connections_total;
    uint64_t connections_rejected; /* maxclients, protected mode */
    uint64_t commands_total;
    uint64_t error_replies_total;
    uint64_t input_bytes_total;
    uint64_t output_bytes_total;
    uint64_t overflows_total; /* closed by an output or query buffer limit */
    uint64_t protocol_errors_total;
    uint32_t clients;
    uint32_t subscribers;
};
void sentinel_counters(const struct sentinel *port, struct sentinel_counters *counters);

#endif

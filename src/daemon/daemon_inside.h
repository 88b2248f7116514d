#ifndef DAEMON_DAEMON_INSIDE_H
#define DAEMON_DAEMON_INSIDE_H

/* What the files of this room share. Nobody outside includes it. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "config/config.h"
#include "failover/failover.h"
#include "link/link.h"
#include "loop/loop.h"
#include "loop/tls.h"
#include "notify/notify.h"
#include "sentinel/sentinel.h"
#include "store/store.h"

enum {
    MASTERS_MAX = 1024,   /* Sentinels with a thousand masters are known; more are several groups */
    INSTANCES_MAX = 8192, /* replicas and peers: eight for each master */
    TICKS_AT_ONCE_MAX = 64, /* then the loop looks at the sockets again */
    INFO_SLOTS = 1 << 14,   /* as many as the core has links */
};

/* The last INFO of a link, for SENTINEL INFO-CACHE. */
struct info_copy {
    uint32_t link;
    msec_t at;
    struct buf text;
};

struct daemon {
    struct loop *loop;
    struct loop_timer *timer; /* the core's deadline */
    struct sentinel_conf conf;
    char *config_path;      /* absolute */
    char *state_path;       /* absolute, or NULL: the state is kept in the configuration file */
    struct buf config_text; /* the file as it was last read or written */

    struct failover *core;
    void *core_block;
    struct action_list actions;
    bool performing;

    struct links *links;
    struct sentinel *port;
    struct notify *notify;
    struct store *store;
    struct tls_context *tls_server;
    struct tls_context *tls_client;
    struct info_copy *info; /* INFO_SLOTS */

    uint64_t persist_wanted; /* the newest ACTION_PERSIST */
    uint64_t persist_given;  /* the newest given to the store */
    bool disk_failing;
    bool ending;
};

/* monitor.c: with d->loop and d->conf, and the paths, in place. After a failure too both of the
 * ends are called: the first while the loop is there, the second when it is gone (its helper thread
 * may still be saving until then). */
bool monitor_open(struct daemon *d, const char *executable, struct err *err) MUST_CHECK;
void monitor_close(struct daemon *d);
void monitor_finish(struct daemon *d);

/* observe.c: the one way into the core */
void observe_event(struct daemon *d, const struct event *event);
void observe_tick(void *ctx);
void observe_link_event(void *ctx, const struct event *event);
void observe_info_text(void *ctx, uint32_t link, const char *text, size_t len);
void observe_saved(void *ctx, uint64_t seq, bool ok, const char *why);

/* perform.c: the one way out */
void perform_actions(struct daemon *d);
void perform_note(struct daemon *d, const struct note *note);
void perform_script_failed(void *ctx, const struct notify_report *report);

/* persist.c: the state as the disk has it */
void persist_wanted(struct daemon *d, uint64_t seq);
void persist_flush(struct daemon *d); /* gives the newest state to the store when it is free */
/* Blocking: only at start and end. */
bool persist_now(struct daemon *d, struct err *err) MUST_CHECK;
/* Our run id, old or new. */
bool persist_identity(struct daemon *d, struct err *err) MUST_CHECK;
/* The core, from the disk's state. */
bool persist_restore(struct daemon *d, struct err *err) MUST_CHECK;

/* settings.c: the operator's settings in the form of each room */
void settings_of_master(const struct sentinel_conf *conf, const char *master,
                        struct link_settings *settings);
void settings_of_peer(const struct sentinel_conf *conf, struct link_settings *settings);
void settings_links(struct daemon *d, struct links_settings *settings);
void settings_tls(const struct sentinel_conf *conf, struct tls_settings *settings);
bool settings_log(const struct sentinel_conf *conf, struct err *err) MUST_CHECK;
void settings_log_level(const struct sentinel_conf *conf);
void settings_master_state(const struct conf_master *master, struct master_state *state);

/* port_ops.c: what the Sentinel port asks of us */
extern const struct sentinel_ops port_ops;

/* process.c: the process among others */
bool process_is_supervised(enum conf_supervised mode); /* by whom `mode` says, as far as one sees */
bool process_background(struct err *err) MUST_CHECK;
bool process_pidfile(const char *path, struct err *err) MUST_CHECK;
void process_tell_supervisor(const char *state);

#endif

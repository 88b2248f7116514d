#ifndef ROUTER_FINDER_INSIDE_H
#define ROUTER_FINDER_INSIDE_H

/* What the finder's files share. Nobody else includes it. */

#include "loop/conn.h"
#include "pool/master_choice.h"
#include "resp/resp.h"
#include "router/finder.h"

/*
 *   finder_monitor.c  asks and listens to one monitor     \
 *   finder_role.c     asks one Redis for its ROLE (INFO)   >  finder.c: master_choice -> on_route
 *   finder_name.c     looks up the names they say         /
 *
 * Whatever is heard only changes `choice` and wakes the finder; what follows is done in its timer.
 * So no callback ever destroys the object it was called for.
 */

enum {
    /* The choice's, those it has just left, and replicas. */
    FINDER_SERVERS_MAX = 2 * CHOICE_SERVERS_MAX + ROUTE_REPLICAS_MAX,
    FINDER_NAMES_MAX = 64,          /* servers of one master that are known by name, and monitors */
    FINDER_NAME_FRESH_MS = 10000,   /* a name is looked up again after this */
    FINDER_NAME_RETRY_MS = 1000,    /* the same while it has no address */
    FINDER_RETRY_MS = 1000,         /* between two attempts to connect to a monitor */
    FINDER_RETRY_TROUBLED_MS = 100, /* the same in trouble */
    FINDER_ROLE_SILENT_MS = 1000,   /* a Redis that owes an answer for longer says nothing */
    FINDER_TROUBLE_MS = 3000,       /* how long one report of trouble makes us ask often */
    FINDER_TROUBLE_LONG_MS = 30000, /* trouble that lasts longer is asked about less often */
    FINDER_ASK_TROUBLE_LONG_MS = 250, /* then: monitors, and a Redis that decides */
    FINDER_UNEASY_MS = 1000, /* a majority that is missing for this long is told in the log */
    FINDER_DIFFER_MS = 3000, /* the same when enough answer, but differ, as in a failover */
};

/* ---- finder_link.c: a connection that is asked in order ---- */

/* What a Redis or a monitor wants before it talks. */
struct finder_access {
    char *user;     /* "" is the default user */
    char *password; /* NULL is none */
    struct tls_context *tls;
};

struct finder_link;

struct finder_link_calls {
    void (*on_open)(void *ctx);
    /* A reply to what was written after on_open. False: nobody asked for it, and the link ends. */
    bool (*on_reply)(void *ctx, const struct resp_value *value);
    /* It is gone, or could not be had. */
    void (*on_end)(void *ctx, const char *why);
};

/* A connection with its reader; zeroed is closed. calls and ctx must outlive it. */
struct finder_link {
    struct conn *conn;
    struct resp_reply_reader reader;
    const struct finder_link_calls *calls;
    void *ctx;
    char *user; /* these are written when it is open; they may be others by then */
    char *password;
    bool is_open;
    unsigned setup_left; /* replies of AUTH and CLIENT SETNAME to come */
    char refusal[96];    /* of AUTH */
};

/* Begins to connect. False, and no on_end, for what is wrong on our side. */
bool finder_link_open(struct finder_link *link, struct loop *loop, const struct addr *at,
                      const struct finder_access *access, struct err *err) MUST_CHECK;
void finder_link_close(struct finder_link *link);                 /* no on_end */
void finder_link_send(struct finder_link *link, struct buf *out); /* and empties out */

void finder_access_set(struct finder_access *access, const char *user, const char *password,
                       struct tls_context *tls); /* copies */
void finder_access_finish(struct finder_access *access);

/* ---- finder_monitor.c ---- */

/* What was said with a name that has no ip yet. */
struct finder_said {
    bool is_set;
    bool is_event;
    struct addr master; /* or `of` */
    struct addr replica;
    uint64_t epoch;
};

struct finder_watch {
    struct finder *finder;
    size_t index;
    struct addr at; /* with the ip of its name, once that is known */
    struct finder_monitor view;

    struct finder_link ask;
    unsigned replies; /* to the questions that are out */
    unsigned replies_left;
    bool is_again; /* ask at once when they are answered */
    bool has_said; /* the reply to SENTINEL MASTER was one */
    msec_t asked_at_ms;
    msec_t retry_at_ms;
    uint64_t said_epoch;

    struct finder_link sub;
    msec_t sub_retry_at_ms;
    msec_t sub_heard_at_ms;
    msec_t sub_pinged_at_ms;

    bool was_complained;                           /* until it is well */
    struct addr said_replicas[ROUTE_REPLICAS_MAX]; /* that it holds for well */
    size_t said_replicas_count;
    struct finder_said unnamed[2]; /* the last answer, the last event */
};

void finder_watch_init(struct finder_watch *w, struct finder *finder, size_t index);
void finder_watch_close(struct finder_watch *w);

/* Does what is due, returns when to come again. */
msec_t finder_watch_turn(struct finder_watch *w, msec_t now);
void finder_watch_ask(struct finder_watch *w);   /* as soon as may be */
void finder_watch_named(struct finder_watch *w); /* a name got its ip */

/* ---- finder_event.c ---- */

enum finder_event_type {
    FINDER_EVENT_OTHER,    /* not of this master, or not understood */
    FINDER_EVENT_STIR,     /* something goes on: ask */
    FINDER_EVENT_SELECTED, /* replica takes the place of `of`, or has */
    FINDER_EVENT_ABORTED,
};

struct finder_event {
    enum finder_event_type type;
    struct addr of;
    struct addr replica;
};

/* What a message of a monitor says about the master of that name. Pure. */
void finder_event_read(const char *channel, const struct resp_text *payload, const char *master,
                       struct finder_event *event);

/* The channels, NULL at the end. */
extern const char *const finder_event_channels[];

/* ---- finder_role.c ---- */

struct finder_server {
    struct finder *finder;
    struct addr at;
    struct finder_link link;
    bool is_chosen;  /* its ROLE is wanted by the choice */
    bool is_wanted;  /* the same, while that is found out */
    bool is_replica; /* its INFO is wanted, as of a replica that may serve */
    bool wants_info; /* of the master too, when replicas serve */
    bool was_complained;
    bool was_open; /* this connection was, so that its end is worth another at once */
    msec_t tried_at_ms;
    msec_t period_ms;
    msec_t asked_at_ms;
    msec_t retry_at_ms;
    unsigned replies_left;
    bool asked_info;

    /* From INFO; offset is -1 until there was one. */
    msec_t info_at_ms;
    int64_t offset;
    int64_t silence_s; /* since it heard of its master */
    bool is_linked;
    bool says_replica;
    char replid[64];
    bool is_serving; /* it is in the route */
};

struct finder_server *finder_server_create(struct finder *finder, const struct addr *at);
void finder_server_destroy(struct finder_server *server);
msec_t finder_server_turn(struct finder_server *server, msec_t now);

/* The fields of an INFO replication. Pure; false when it is none. */
bool finder_server_read_info(struct finder_server *server, const struct resp_text *text);

/* ---- finder_name.c ---- */

struct finder_name {
    struct finder *finder;
    char name[ADDR_NAME_MAX];
    char ip[ADDR_IP_MAX];
    struct loop_name *asked;
    msec_t asked_at_ms;
};

/* Fills in the ip of an address with a name, and takes the name away, so that it may be compared.
 * False when the ip is not known yet: finder_watch_named() is called when it is. */
bool finder_name_fill(struct finder *finder, struct addr *addr);
void finder_name_close(struct finder *finder);

/* ---- finder_replicas.c ---- */

/* Which replicas the monitors name, and which of them may serve. */
void finder_replicas_list(struct finder *finder);
bool finder_replicas_judge(struct finder *finder); /* true when those that serve changed */

/* ---- finder.c ---- */

struct finder {
    struct loop *loop;
    const struct router_conf *conf;
    struct finder_access redis;
    struct finder_access sentinel;
    void (*on_route)(void *ctx, const struct route *route);
    void *ctx;

    struct loop_timer *timer;
    struct master_choice choice;
    struct finder_watch watches[ROUTER_MONITORS_MAX];
    size_t watches_count;
    struct finder_server *servers[FINDER_SERVERS_MAX];
    size_t servers_count;
    struct finder_name *names[FINDER_NAMES_MAX];
    size_t names_count;

    struct route route;
    msec_t started_at_ms;
    msec_t trouble_until_ms; /* somebody reported some */
    msec_t troubled_since_ms;
    bool is_troubled;
    msec_t uneasy_since_ms; /* no majority names one master; 0: one does */
    bool was_uneasy;        /* that is in the log */
    uint64_t switches;
    uint64_t holds;
};

void finder_wake(struct finder *finder); /* judge in the next turn */
void finder_stir(struct finder *finder); /* something goes on: ask everybody now, and often */
void finder_ask_server(struct finder *finder, const struct addr *at); /* its ROLE, if it is known */
msec_t finder_ask_period(const struct finder *finder);
bool finder_wants_replicas(const struct finder *finder);
struct finder_server *finder_server_find(const struct finder *finder, const struct addr *at);

#endif

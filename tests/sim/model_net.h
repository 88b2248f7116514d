#ifndef SIM_MODEL_NET_H
#define SIM_MODEL_NET_H

/*
 * Connections between monitors and everything else, with TCP's semantics: bytes of one connection
 * come in order and once, or the connection ends. A cut holds them back and retransmission brings
 * them later; a reset, a refused attempt and a host that is off are told apart as a kernel would.
 */

#include "sim/world.h"

enum net_direction {
    NET_OUT,
    NET_BACK,
    NET_DIRECTIONS
}; /* from the monitor that opened it, and back */

enum message_kind {
    MESSAGE_PING,
    MESSAGE_INFO,
    MESSAGE_HELLO,
    MESSAGE_ASK,
    MESSAGE_PROMOTE,
    MESSAGE_REPLICAOF,
    MESSAGE_SCRIPT_KILL,
    MESSAGE_COORDINATED,
    MESSAGE_UP, /* from here on: to the monitor */
    MESSAGE_END,
    MESSAGE_PONG,
    MESSAGE_FACTS,
    MESSAGE_ANSWER,
    MESSAGE_PROMOTED,
};

enum {
    WIRE_REPLICAS_MAX = 16 /* slave lines of one INFO; a group has at most this many servers */
};

struct wire_hello {
    uint32_t from; /* address */
    uint64_t run;
    uint64_t current_epoch;
    uint64_t config_epoch;
    uint32_t master; /* address */
    uint16_t group;
};

struct wire_ask {
    uint32_t master;
    uint32_t ask_tag;
    uint32_t addr;
    uint64_t epoch;
    uint64_t run; /* 0: only asks */
};

struct wire_answer {
    struct wire_ask ask;
    bool down;
    uint64_t leader; /* 0: none */
    uint64_t leader_epoch;
};

struct wire_facts {
    uint64_t run;
    uint64_t replid;
    uint64_t replid2;
    int64_t second_offset;
    int64_t offset;
    int64_t keys;
    int64_t uptime_s;
    msec_t link_down_ms;
    uint32_t master; /* address */
    uint32_t priority;
    enum server_role role;
    bool is_loading;
    bool is_link_up;
    bool is_syncing;
    uint16_t replicas_count;
    uint32_t replicas[WIRE_REPLICAS_MAX];
    int64_t replica_offsets[WIRE_REPLICAS_MAX];
};

struct message {
    struct message *next;
    msec_t at;
    enum message_kind kind;
    bool is_local; /* no path needed: a timer of the monitor's own */
    bool is_held;  /* a reply that waits for its answer; those behind it wait too */
    union {
        struct wire_hello hello;
        struct wire_ask ask;
        struct wire_answer answer;
        struct wire_facts facts;
        enum pong pong;
        enum server_role role;
        enum link_end end;
        uint32_t addr;
    };
};

struct connection {
    uint32_t generation; /* odd while in use */
    uint16_t monitor;
    uint32_t monitor_incarnation;
    uint32_t link;
    uint32_t addr;
    msec_t opened_at;
    struct world_place to;
    uint32_t to_incarnation;
    bool is_up;       /* established */
    bool is_orphan;   /* the monitor closed it: only what was sent is still delivered */
    bool server_gone; /* the process at the other end is; it learns by a reset */
    bool end_sent;
    struct message *first[NET_DIRECTIONS];
    struct message *last[NET_DIRECTIONS];
    bool pumping[NET_DIRECTIONS];
    msec_t backoff_ms[NET_DIRECTIONS];
    struct message *replies_first; /* of a monitor as a server: in order, the held ones too */
    struct message *replies_last;
};

struct net {
    uint16_t hosts; /* servers, then monitors */
    bool *cuts;     /* [from * hosts + to] */
    bool *is_off;   /* the machine */
    msec_t *slow_ms;
    struct connection *connections;
    uint32_t connections_count;
    uint32_t free_hint;
    struct message *spare;
    struct message **chunks;
    size_t chunks_count;
};

void net_create(struct world *w);
void net_destroy(struct world *w);

uint16_t net_host_of(const struct world *w, struct world_place place);
bool net_path(const struct world *w, uint16_t from, uint16_t to);
msec_t net_delay(struct world *w, uint16_t from, uint16_t to);
void net_cut(struct world *w, uint16_t from, uint16_t to, bool is_cut); /* one way */
void net_heal(struct world *w);                                         /* all cuts and slowness */

/* A monitor's attempt; its outcome comes back as MESSAGE_UP or MESSAGE_END. */
uint32_t net_open(struct world *w, uint16_t monitor, uint32_t link, uint32_t addr);
void net_close(struct world *w, uint32_t connection); /* by the monitor */

struct message *net_message(struct world *w, enum message_kind kind);
void net_drop_message(struct world *w, struct message *m);
/* Takes the message. extra_ms: before it leaves. */
void net_send(struct world *w, uint32_t connection, enum net_direction dir, struct message *take_m,
              msec_t extra_ms);

/* A reply of a monitor as a server, in the order of the requests. */
void net_reply(struct world *w, uint32_t connection, struct message *take_m);
void net_flush_replies(struct world *w, uint32_t connection);

void net_connect(struct world *w, uint32_t connection, uint32_t generation);
void net_pump(struct world *w, uint32_t connection, uint32_t generation, enum net_direction dir);

/* The process there died (the kernel says so, unless the machine is off) or was told to close them.
 */
void net_process_died(struct world *w, struct world_place place, bool is_silent);
void net_kill_clients(struct world *w, struct world_place place, uint32_t except,
                      enum link_end end);
void net_monitor_died(struct world *w, uint16_t monitor, bool is_silent); /* as a client */
void net_wake(struct world *w); /* somebody was resumed: what waited for him is pumped */
void net_reset_one(struct world *w, uint32_t connection);

#endif

#ifndef FAILOVER_FAILOVER_H
#define FAILOVER_FAILOVER_H

/*
 * The core: it decides who is down, who leads, who is promoted, and nothing else in the program
 * does.
 *
 * Pure: an event goes in, a bounded ordered list of actions comes out, and the core is asked for
 * its next deadline. Time and the seed come in from outside; it does no I/O, reads no clock and
 * never allocates (failover_init is handed one block of failover_bytes()).
 *
 *     loop:  now >= failover_deadline(f)  or  something happened
 *            failover_step(f, &event, &actions)
 *            perform every action, in list order
 *
 * Order contract. Whatever depends on a vote or an epoch of our own (an answer with a vote, an ask
 * for votes, a promotion, a hello with the new epoch, its announcement) is held inside the core
 * until EVENT_PERSISTED says that the image asked for by ACTION_PERSIST is on disk.
 *
 * Behaviour follows Sentinel of Redis 7.0 to 8 (reference: sentinel.c of 7.0.15) except where a
 * comment says so and why.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/msec.h"

enum {
    RUN_ID_MAX = 41,               /* 40 hex digits and the end */
    MASTER_NAME_MAX = 128,         /* a name stands in every hello message and event line */
    REPLICAS_PER_MASTER_MAX = 64,  /* Redis is used with a handful; bounds the work of one step */
    PEERS_PER_MASTER_MAX = 64,     /* hello traffic grows with the square of the monitors */
    NOTE_EXTRA_MAX = 288,          /* the longest event tail: two host names and their ports */
    LOG_TEXT_MAX = 384,            /* one line: who, condition -> consequence */
    COORDINATED_TIMEOUT_MS = 5000, /* a master gives up handing over after this */
};

/*
 * An epoch beyond EPOCH_MAX, or one heard of that is further above ours than EPOCH_JUMP_MAX, is
 * nonsense or an attack: no elections ever got there, and it would leave no room for later ones.
 */
#define EPOCH_MAX      (UINT64_C(1) << 53)
#define EPOCH_JUMP_MAX (UINT64_C(1) << 32)

struct failover;

struct failover_limits {
    uint32_t masters_max;
    uint32_t instances_max; /* replicas and peers of all masters together */
};

/* Sentinel's timers, changeable by SENTINEL DEBUG. Milliseconds. */
struct failover_tuning {
    msec_t info_period;        /* 10000 */
    msec_t ping_period;        /* 1000; the longest: a quarter of down-after when that is less */
    msec_t ask_period;         /* 1000: asking again without news; news is asked about at once */
    msec_t publish_period;     /* 2000 */
    msec_t default_down_after; /* 30000 */
    msec_t default_failover_timeout; /* 180000 */
    msec_t tilt_trigger;             /* 2000: a pause of this process longer than this is a TILT */
    msec_t tilt_period; /* 500: Sentinel waits 30 s; our timers start again after a pause, so
                           one exchange of PINGs is enough */
    msec_t replica_reconf_timeout;    /* 10000 */
    msec_t min_link_reconnect_period; /* 1000: shown and set, not used: ours tries sooner */
    msec_t election_timeout;   /* 10000 as an upper bound; ours ends as soon as it cannot be won */
    msec_t script_max_runtime; /* 60000; used by notify/ only */
    msec_t script_retry_delay; /* 30000; used by notify/ only */
};

extern const struct failover_tuning failover_tuning_default;

struct master_config {
    uint32_t quorum;
    uint32_t parallel_syncs;
    msec_t down_after_ms;
    msec_t failover_timeout_ms;
    msec_t refused_after_ms;     /* 0: refusal is no evidence, as with Sentinel */
    msec_t reboot_down_after_ms; /* master-reboot-down-after-period; 0: off */
};

enum instance_kind {
    KIND_MASTER,
    KIND_REPLICA,
    KIND_PEER, /* another monitor */
};

enum server_role {
    ROLE_UNKNOWN,
    ROLE_MASTER,
    ROLE_REPLICA,
};

/* ---------------------------------------------------------------- facts that come in */

struct info_replica { /* a slaveN: line of a master's INFO */
    struct addr addr;
    uint64_t offset;
};

/* What INFO says, as far as the core needs it. Text fields are empty when the line was absent. */
struct info_facts {
    char run_id[RUN_ID_MAX];
    enum server_role role;
    char replid[RUN_ID_MAX];  /* master_replid: the history it has */
    char replid2[RUN_ID_MAX]; /* the history it forked from ... */
    int64_t second_offset;    /* ... at this offset; -1: none */
    int64_t offset;           /* master_repl_offset (slave_repl_offset on a replica) */
    bool loading;
    int64_t keys; /* sum of keyspace; -1 when INFO had no keyspace section */
    uint32_t connected_replicas;
    int64_t uptime_s; /* -1 unknown */

    /* of a replica */
    struct addr master_addr; /* whom it follows */
    bool master_link_up;
    int64_t master_link_down_ms; /* 0 when up or unknown */
    bool sync_in_progress;
    uint32_t priority; /* slave_priority, 100 when absent */
    bool announced;    /* replica_announced, true when absent */

    /* of a master */
    const struct info_replica *replicas; /* the caller's, for the time of the step */
    uint32_t replicas_count;
};

struct hello {
    struct addr addr; /* of the monitor that says it */
    char run_id[RUN_ID_MAX];
    uint64_t current_epoch;
    char master_name[MASTER_NAME_MAX];
    struct addr master_addr;
    uint64_t config_epoch;
};

enum pong {
    PONG_OK,         /* +PONG */
    PONG_LOADING,    /* -LOADING: alive */
    PONG_MASTERDOWN, /* -MASTERDOWN: alive */
    PONG_BUSY,       /* -BUSY: a script runs; not a valid answer */
    PONG_OTHER,      /* any other answer, -NOAUTH say: not a valid answer */
};

enum link_end {
    LINK_END_REFUSED,     /* connect answered by a reset: the host lives, nobody listens */
    LINK_END_RESET,       /* an open connection was reset */
    LINK_END_CLOSED,      /* closed in good order by the other side */
    LINK_END_UNREACHABLE, /* no route, host unreachable */
    LINK_END_TIMEOUT,     /* connect took too long */
    LINK_END_OTHER,       /* name not resolved, TLS, authentication, protocol error ... */
};

/* SENTINEL IS-MASTER-DOWN-BY-ADDR, asked of us. */
struct ask {
    uint64_t token; /* comes back in ACTION_REPLY_ASK */
    struct addr addr;
    uint64_t epoch;
    char run_id[RUN_ID_MAX]; /* "*": only asks; else the candidate that wants the vote */
};

/* The answer to an ACTION_SEND_ASK of ours. */
struct answer {
    uint32_t master;  /* as in the action */
    uint32_t ask_tag; /* as in the action: answers about a former address are told apart */
    bool down;
    char leader[RUN_ID_MAX]; /* "" or "*": none */
    uint64_t leader_epoch;
};

enum command_type {
    COMMAND_MONITOR,  /* name, addr, config */
    COMMAND_REMOVE,   /* name */
    COMMAND_SET,      /* name, config: all of it, the new one */
    COMMAND_FAILOVER, /* name, coordinated */
    COMMAND_RESET,    /* name is a glob */
    COMMAND_FORGET,   /* name; run_id of a peer, or addr of a replica or peer (ours; answers the
                         complaint that only RESET drops a stale entry) */
    COMMAND_FLUSH,    /* FLUSHCONFIG: answered when the state is on disk */
    COMMAND_TUNE,     /* SENTINEL DEBUG: tuning */
    COMMAND_SIMULATE, /* simulate: bits of enum simulate */
};

enum simulate {
    SIMULATE_CRASH_AFTER_ELECTION = 1,
    SIMULATE_CRASH_AFTER_PROMOTION = 2,
};

/* What an operator asks. Answered by ACTION_REPLY_COMMAND, at once or when it is durable. */
struct command {
    enum command_type type;
    uint64_t token;
    char name[MASTER_NAME_MAX];
    struct addr addr;
    char run_id[RUN_ID_MAX];
    struct master_config config;
    struct failover_tuning tuning;
    uint32_t simulate;
    bool coordinated; /* Valkey 9: FAILOVER name COORDINATED */
};

enum command_result {
    RESULT_OK,
    RESULT_NO_SUCH_MASTER,
    RESULT_DUPLICATE_NAME,
    RESULT_IN_PROGRESS,     /* -INPROG */
    RESULT_NO_GOOD_REPLICA, /* -NOGOODSLAVE */
    RESULT_TOO_MANY,        /* a limit of struct failover_limits is reached */
    RESULT_NOT_FOUND,       /* FORGET: no such replica or monitor */
    RESULT_NOT_SAVED,       /* the state could not be written to disk */
};

enum event_type {
    EVENT_TICK,      /* the deadline came; nothing else happened */
    EVENT_PERSISTED, /* persisted */
    EVENT_LINK_UP,   /* link: connected and authenticated; commands can be sent */
    EVENT_LINK_DOWN, /* link, end: lost, or an attempt failed. The core asks for the next attempt */
    EVENT_PONG,      /* link, pong */
    EVENT_INFO,      /* link, info */
    EVENT_HELLO,     /* hello; link is the connection it was heard on, 0 when sent to us directly */
    EVENT_ASK,       /* ask */
    EVENT_ANSWER,    /* link, answer */
    EVENT_PROMOTED,  /* link, role: the promotion transaction was answered; role is what ROLE said
                        (ROLE_UNKNOWN: it failed) */
    EVENT_RESOLVED,  /* link: the ip of its name became known or changed: addr */
    EVENT_COMMAND,   /* command */
};

struct event {
    enum event_type type;
    msec_t now; /* never goes back */
    uint32_t link;
    union {
        struct {
            uint64_t seq; /* everything up to this ACTION_PERSIST */
            bool ok;      /* false: could not be written; the core asks again later */
        } persisted;
        enum link_end end;
        enum pong pong;
        enum server_role role;
        struct info_facts info;
        struct hello hello;
        struct ask ask;
        struct answer answer;
        struct addr addr;
        struct command command;
    };
};

/* ---------------------------------------------------------------- actions that come out */

/* One line of the event vocabulary, Sentinel's public contract. Text: note_name(), note_payload().
 */
enum note_type {
#define NOTE(id, level, name) id,
#include "failover/note.def"
#undef NOTE
    NOTE_COUNT
};

enum note_level {
    NOTE_DEBUG,   /* logged only, never published */
    NOTE_VERBOSE, /* published */
    NOTE_NOTICE,  /* published */
    NOTE_WARNING, /* published, and runs the notification-script of the master it is about */
};

struct note {
    enum note_type type;
    bool has_instance; /* the payload begins with "<type> <name> <ip> <port>[ @ <master> ...]" */
    enum instance_kind kind;
    char name[MASTER_NAME_MAX]; /* of the master it is about; "" when it is about none */
    char run_id[RUN_ID_MAX];    /* of a peer: its name in events */
    struct addr addr;           /* of the instance; NOTE_SWITCH: of the old master */
    struct addr master_addr;    /* of its master; NOTE_SWITCH: of the new one */
    char extra[NOTE_EXTRA_MAX]; /* what follows, "" when nothing */
};

const char *note_name(enum note_type type); /* "+sdown" */
enum note_level note_level(enum note_type type);
/* "master mymaster 127.0.0.1 6379 #quorum 2/2": cut to size, which NOTE_PAYLOAD_MAX always fits.
 * Host names are used instead of numbers when want_names (announce-hostnames). Returns text. */
enum { NOTE_PAYLOAD_MAX = 1200 };
const char *note_payload(const struct note *note, bool want_names, char text[NOTE_PAYLOAD_MAX]);

enum action_type {
    ACTION_PERSIST,        /* seq: save the state as it is after this step, then EVENT_PERSISTED */
    ACTION_LINK_OPEN,      /* link, open: start one attempt; answered by LINK_UP or LINK_DOWN */
    ACTION_LINK_CLOSE,     /* link: forget it; nothing more is heard of it */
    ACTION_SEND_PING,      /* link */
    ACTION_SEND_INFO,      /* link */
    ACTION_SEND_HELLO,     /* link, hello: run id and own address are the shell's to add */
    ACTION_SEND_ASK,       /* link, send_ask */
    ACTION_SEND_PROMOTE,   /* link: MULTI REPLICAOF NO ONE .. CLIENT KILL .. ROLE EXEC */
    ACTION_SEND_REPLICAOF, /* link, addr: the same with an address */
    ACTION_SEND_SCRIPT_KILL, /* link */
    ACTION_SEND_COORDINATED, /* link of the master, addr of the replica: FAILOVER TO */
    ACTION_REPLY_ASK,        /* reply_ask */
    ACTION_REPLY_COMMAND,    /* reply_command */
    ACTION_NOTE,             /* note: log, publish, notification-script */
    ACTION_RECONFIGURED,     /* reconfigured: runs the client-reconfig-script */
    ACTION_LOG,              /* log: why something was decided; not an event of Sentinel's */
    ACTION_CRASH,            /* SENTINEL SIMULATE-FAILURE: exit with status 99 */
};

struct action {
    enum action_type type;
    uint32_t link;
    union {
        uint64_t seq;
        struct addr addr;
        struct {
            enum instance_kind kind;
            struct addr addr;
            char
                master_name[MASTER_NAME_MAX]; /* whose credentials; of a shared peer: any of them */
        } open;
        struct hello hello;
        struct {
            uint32_t master;
            uint32_t ask_tag;
            struct addr addr;
            uint64_t epoch;
            char run_id[RUN_ID_MAX]; /* "*" or our own: we want the vote */
        } send_ask;
        struct {
            uint64_t token;
            bool down;
            char leader[RUN_ID_MAX]; /* "": none */
            uint64_t leader_epoch;
        } reply_ask;
        struct {
            uint64_t token;
            enum command_result result;
            uint32_t count; /* RESET: masters matched */
        } reply_command;
        struct note note;
        struct {
            char master_name[MASTER_NAME_MAX];
            bool leader; /* else observer */
            struct addr from;
            struct addr to;
        } reconfigured;
        struct {
            enum note_level level;
            char text[LOG_TEXT_MAX];
        } log;
    };
};

/* Filled by failover_step, in the order in which the actions must be performed. */
struct action_list {
    struct action *items; /* failover_actions_max() of them, the caller's */
    uint32_t capacity;
    uint32_t count;
};

/* ---------------------------------------------------------------- the core itself */

size_t failover_bytes(const struct failover_limits *limits);
uint32_t failover_actions_max(const struct failover_limits *limits);

struct failover_start {
    struct failover_limits limits;
    char run_id[RUN_ID_MAX]; /* ours */
    uint64_t current_epoch;  /* from disk */
    uint64_t seed;
    msec_t now;
};

/* block: failover_bytes() zeroed bytes, aligned as malloc's; the caller's, and the core lives in
 * it. */
struct failover *failover_init(void *block, const struct failover_start *start);

/* What the disk remembers of a master, restored before the first step. Also what export gives. */
struct master_state {
    char name[MASTER_NAME_MAX];
    struct addr addr;
    struct master_config config;
    uint64_t config_epoch;
    uint64_t leader_epoch;   /* the newest epoch we voted in for this master */
    char leader[RUN_ID_MAX]; /* for whom; "" when not known (sentinel.conf does not keep it) */
};

/* Each returns false when a limit is reached or the entry is a duplicate. No action comes of them;
 * the first step opens the links (+monitor is emitted then for each master, as Sentinel does at
 * start). */
bool failover_restore_master(struct failover *f, const struct master_state *state);
bool failover_restore_replica(struct failover *f, const char *master, const struct addr *addr);
bool failover_restore_peer(struct failover *f, const char *master, const struct addr *addr,
                           const char *run_id);

/* The only door. Actions are appended to an emptied list. */
void failover_step(struct failover *f, const struct event *event, struct action_list *actions);

/* When the next EVENT_TICK is due; may be in the past (then at once). MSEC_NEVER without masters.
 */
msec_t failover_deadline(const struct failover *f);

/* ---------------------------------------------------------------- looking in, changing nothing */

uint64_t failover_epoch(const struct failover *f);
const char *failover_run_id(const struct failover *f);
bool failover_in_tilt(const struct failover *f, msec_t *since); /* since may be NULL */
uint32_t failover_tilt_total(const struct failover *f);
uint32_t failover_simulate_flags(const struct failover *f);
const struct failover_tuning *failover_tuning_now(const struct failover *f);

uint32_t failover_masters(const struct failover *f);
/* Index 0 .. failover_masters()-1, in the order in which they came. NULL past the end. */
struct master;
const struct master *failover_master_at(const struct failover *f, uint32_t index);
const struct master *failover_master_named(const struct failover *f, const char *name);
void failover_export(const struct master *m, struct master_state *state);

/* One instance as SENTINEL MASTER, REPLICAS and SENTINELS show it. Times are absolute (of `now`),
 * 0 when it never happened. */
struct instance_view {
    enum instance_kind kind;
    uint32_t link;
    struct addr addr;
    char run_id[RUN_ID_MAX];
    bool s_down, o_down, disconnected, master_down, in_failover, promoted, reconf_sent,
        reconf_inprog, reconf_done, force_failover, script_kill_sent, master_reboot;
    uint32_t link_refcount;
    msec_t last_ping_sent; /* of the oldest PING not answered yet, 0 when none waits */
    msec_t last_ok_reply;
    msec_t last_reply;
    msec_t s_down_since;
    msec_t o_down_since;
    msec_t down_after_ms;
    msec_t info_at; /* when INFO came last */
    enum server_role role;
    msec_t role_since;
    /* replica */
    msec_t master_link_down_ms;
    bool master_link_up;
    struct addr master_addr; /* port 0: unknown */
    uint32_t priority;
    int64_t offset;
    bool announced;
    /* peer */
    msec_t hello_at;
    char voted_leader[RUN_ID_MAX]; /* "" none */
    uint64_t voted_epoch;
    /* master */
    const char *failover_state; /* "none", "wait_start" ...: Sentinel's names; NULL unless a
                                   failover runs */
    uint64_t config_epoch;
    uint32_t replicas;
    uint32_t peers;
};

void failover_view_master(const struct failover *f, const struct master *m,
                          struct instance_view *v);
/* Index from 0; false past the end. */
bool failover_view_replica(const struct failover *f, const struct master *m, uint32_t index,
                           struct instance_view *v);
bool failover_view_peer(const struct failover *f, const struct master *m, uint32_t index,
                        struct instance_view *v);

/* CKQUORUM: monitors usable for this master, ourselves included, of all known. */
struct quorum_view {
    uint32_t usable;
    uint32_t known;
    bool quorum_reachable;
    bool majority_reachable;
};
void failover_view_quorum(const struct failover *f, const struct master *m, struct quorum_view *v);

/* The table of phases with the reason of each edge, for docs/failover.md and its test. NULL past
 * the end. */
struct phase_edge_view {
    const char *from;
    const char *to;
    const char *why;
};
bool failover_phase_edge_at(uint32_t index, struct phase_edge_view *edge);

/*
 * The promotion of a later issue waits for leases, detaches and counts when every monitor is ours;
 * a mutation switch exists in the test build only (tests/sim), to see each invariant of the
 * simulator fail.
 */
#ifdef HOLDFAST_MUTATIONS
enum mutation {
    MUTATION_NONE,
    MUTATION_VOTE_TWICE,        /* votes again in an epoch it voted in */
    MUTATION_VOTE_UNSAVED,      /* answers before the vote is on disk */
    MUTATION_EPOCH_BACK,        /* adopts a smaller epoch from a hello */
    MUTATION_MINORITY,          /* leads with one vote */
    MUTATION_NO_QUORUM,         /* one monitor's opinion is ODOWN */
    MUTATION_LOWEST_OFFSET,     /* promotes the replica that has least */
    MUTATION_SAME_EPOCH_CONFIG, /* announces a switch without its own new config epoch */
    MUTATION_NO_RETRY,          /* a lost election is never tried again */
    MUTATION_NO_DEMOTION,       /* a returning old master is left alone */
    MUTATION_COUNT
};
void failover_mutate(struct failover *f, enum mutation mutation);
#endif

#endif

#ifndef FAILOVER_CORE_H
#define FAILOVER_CORE_H

/* What the files of this room share. Nobody outside includes it. */

#include "base/assert.h"
#include "base/prng.h"
#include "failover/failover.h"

enum {
    /* Waiting for the disk: votes, asks and notes of one burst of failovers, beside one whole turn.
     */
    HELD_BURST = 4096,

    /* Lateness below this is the scheduling of a busy machine; above it the timers start again. */
    LATE_MS = 100,

    PING_PERIOD_MIN_MS = 20,    /* a down-after of 80 ms or less pings no faster */
    RECONNECT_FIRST_MS = 25,    /* doubled up to ... */
    RECONNECT_MAX_MS = 500,     /* ... this: a returning master must be seen within a second */
    RECYCLE_AGE_MS = 2000,      /* a silent connection younger than this is left alone */
    ASK_AGAIN_MIN_MS = 10,      /* news make us ask at once, but never more often */
    MASTER_DOWN_VALID_ASKS = 5, /* a peer's "down" counts for 5 ask periods, as in Sentinel */

    RANK_MS = 25,             /* between candidates: an fsync and a round trip on a LAN */
    ELECTION_MAX_MS = 2000,   /* peers answer within milliseconds or not at all */
    ELECTION_FORCED_MS = 500, /* a forced failover asks for votes but does not depend on them */
    OVERRIDE_EPOCHS =
        1 << 16,              /* how far an override jumps: no election elsewhere meets its epoch */
    RETRY_FIRST_MS = 200,     /* after a failed attempt, doubled up to ... */
    RETRY_MAX_MS = 5000,      /* ... this; Sentinel waits 2 x failover-timeout: 6 minutes */
    VOTED_PATIENCE_MS = 3000, /* a stock Sentinel needs 1.3 s from its election to its hello */
    SELECT_INFO_MS = 300,     /* waiting for the fresh INFO of all, then of those that answer */
    SELECT_MAX_MS = 2000,     /* nobody is fit: the attempt ends, and comes again */
    FAST_INFO_MS = 250,       /* INFO period of replicas while a failover moves them */
    DOWN_INFO_MS = 1000,      /* the same while their master is down, as Sentinel */
    FORCED_NOTICE_MS = 70,    /* between +selected-slave and the promotion: Sentinel's own pace */
    PROMOTE_AGAIN_MS = 500,   /* the promotion is sent again when it was not answered */
    RESTART_COMPARE_MS =
        1000,               /* a restarted master's data is compared with its replicas' that long */
    DEMOTE_AGAIN_MS = 1000, /* a demotion that shows no effect is sent again */
    ROGUE_WAIT_PUBLISHES = 4, /* Sentinel's wait before +convert-to-slave, in hello periods */
    FIX_WAIT_MAX_MS = 10000,  /* before +fix-slave-config; Sentinel: failover-timeout */
    PERSIST_AGAIN_MS = 1000,  /* a disk that failed is tried again */
    TURNS_PER_STEP_MAX = 64,  /* bounds the length of one step */

    CHANNELS_MAX = 1 << 14,     /* slots a link id can name ... */
    CHANNEL_USES_MAX = 1 << 18, /* ... and uses of one slot it tells apart */
};

enum phase {
    PHASE_IDLE,
    PHASE_WAIT_ELECTED,
    PHASE_REVOKE,
    PHASE_DETACH,
    PHASE_SELECT,
    PHASE_PROMOTE,
    PHASE_WAIT_PROMOTION,
    PHASE_ACCEPT,
    PHASE_RECONFIGURE,
    PHASE_UPDATE_CONFIG,
    PHASE_COUNT
};

enum reconf {
    RECONF_NONE,
    RECONF_SENT,
    RECONF_INPROG,
    RECONF_DONE,
};

/* Something that wants to act at a time of its own: an entry of the agenda. */
enum turn_kind {
    TURN_NONE,
    TURN_CHANNEL,
    TURN_MASTER,
};

struct turn {
    enum turn_kind kind;
    msec_t due;
    uint32_t at; /* position in the heap, from 1; 0: not in it */
};

/* A link and what is known of its other end: one for each master and replica, and one for each
 * peer, shared by all masters it watches (as Sentinel's instanceLink). */
struct channel {
    struct turn turn; /* first: the agenda finds the channel by it */
    uint32_t id;      /* 0: this slot is free */
    uint32_t uses;    /* of this slot, ever */
    enum instance_kind kind;
    struct addr addr;
    struct instance *first; /* the instances on it */
    uint32_t refs;

    bool up;
    bool opening;
    uint32_t attempts; /* since it was up */
    msec_t tried_at;
    msec_t up_at;
    msec_t ping_at;       /* last PING sent */
    msec_t waiting_since; /* oldest PING without an answer; 0 none */
    msec_t valid_at;      /* last proof of life */
    msec_t silent_since;  /* our best guess of when it fell silent, see channel.c; 0: it answers */
    msec_t reply_at;      /* last answer of any kind */
    msec_t refused_since; /* refused at every attempt since then; 0 */
};

struct instance {
    enum instance_kind kind;
    struct master *master; /* NULL: this slot is free */
    struct channel *channel;
    struct instance *next_on_channel;
    struct addr addr;
    char run_id[RUN_ID_MAX];
    bool s_down;
    msec_t s_down_since;

    /* master and replica */
    struct info_facts info; /* the last; replicas is NULL */
    msec_t info_at;
    msec_t info_asked_at;
    bool info_waiting;
    enum server_role role;
    msec_t role_since;
    bool script_kill_sent;

    /* replica */
    enum reconf reconf;
    msec_t reconf_at;
    msec_t wrong_since;  /* role or master not what we want since then; 0 */
    msec_t corrected_at; /* when we last sent it a REPLICAOF to put it right */
    bool restarted;      /* another run id than the one that followed our master */
    bool was_master;     /* the address we switched away from */
    uint32_t strangers;  /* servers that follow it as a master and are none of ours */
    bool foreign;        /* this address belongs to another group now */

    /* hello */
    msec_t hello_sent_at;
    msec_t hello_at;

    /* peer: its opinion of the master */
    bool master_down;
    msec_t opinion_at;
    char leader[RUN_ID_MAX];
    uint64_t leader_epoch;
    msec_t asked_at;
    bool ask_waiting;
};

struct master {
    struct turn turn; /* first: the agenda finds the master by it */
    uint32_t id;      /* 0: this slot is free */
    char name[MASTER_NAME_MAX];
    struct master_config config;
    struct instance *self;
    struct instance *replicas[REPLICAS_PER_MASTER_MAX];
    uint32_t replicas_count;
    struct instance *peers[PEERS_PER_MASTER_MAX];
    uint32_t peers_count;

    uint64_t config_epoch;
    uint64_t config_seq; /* the save that holds it */
    uint64_t leader_epoch;
    char leader[RUN_ID_MAX];
    uint64_t vote_seq;    /* the save that holds our vote */
    uint64_t attempt_seq; /* the save that holds our vote for ourselves in failover_epoch */

    bool o_down;
    msec_t o_down_since;
    uint32_t ask_tag;

    /* the history candidates must share */
    char replid[RUN_ID_MAX];
    char replid_before[RUN_ID_MAX]; /* what it had before a restart or a switch */
    struct addr addr_before;        /* switched away from */
    bool restarted;                 /* came back as another process; its data is not judged yet */
    msec_t restarted_at;
    bool lost_data; /* it came back without what its replicas hold */
    bool rebooted;
    msec_t rebooted_at;

    enum phase phase;
    msec_t phase_since;
    uint64_t failover_epoch;
    msec_t started_at;
    bool forced;
    bool override; /* forced, and without a majority */
    bool coordinated;
    struct instance *promoted;
    msec_t promote_sent_at;
    msec_t retry_at;
    uint32_t failures; /* attempts in a row that came to nothing */
};

struct held {
    uint64_t seq;
    struct action action;
};

struct failover {
    struct failover_limits limits;
    struct failover_tuning tuning;
    char run_id[RUN_ID_MAX];
    struct prng prng;
    msec_t now;
    msec_t promised; /* the deadline we last gave */
    bool stepping;
    bool started;

    uint64_t epoch;
    uint64_t epoch_seq;

    uint64_t seq;       /* of the newest save asked for */
    uint64_t saved_seq; /* of the newest save done */
    bool seq_open;      /* a save was asked for in this step: later changes belong to it too */
    bool disk_failing;
    msec_t save_again_at;

    bool tilt;
    msec_t tilt_since;
    uint32_t tilt_total;
    uint32_t simulate;
    uint32_t next_id;

    struct action_list *out;
    uint32_t turn_actions_max;

    struct held *held; /* FIFO, compacted; held_max slots */
    uint32_t held_max;
    uint32_t held_count;

    struct master *masters; /* masters_max slots */
    struct master **order;  /* those in use, as they came */
    uint32_t masters_count;
    struct instance *instances; /* masters_max + instances_max slots */
    uint32_t instances_max;
    uint32_t instances_count;
    struct channel *channels; /* as many */
    uint32_t channels_max;
    struct turn **heap; /* from 1 */
    uint32_t heap_count;

#ifdef HOLDFAST_MUTATIONS
    enum mutation mutation;
#endif
};

#ifdef HOLDFAST_MUTATIONS
#define MUTATED(f, which) ((f)->mutation == (which))
#else
#define MUTATED(f, which) ((void)(f), false)
#endif

/* action.c: the list that goes out, and what waits for the disk */
struct action *action_add(struct failover *f, enum action_type type);
struct action *action_add_after(struct failover *f, uint64_t seq, enum action_type type);
uint64_t action_persist(struct failover *f); /* the state changed; returns the seq that holds it */
void action_release(struct failover *f);     /* EVENT_PERSISTED */
void action_refuse_held(
    struct failover *f); /* the disk failed: answers go without what is not saved */
void action_log(struct failover *f, enum note_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);
bool action_room(const struct failover *f);

/* note.c */
struct note *note_instance(struct failover *f, uint64_t seq, enum note_type type,
                           const struct instance *i);
void note_extra(struct note *note, const char *format, ...) PRINTF_LIKE(2, 3);
/* without an instance in the payload; m is whose notification-script runs, or NULL */
void note_plain(struct failover *f, uint64_t seq, enum note_type type, const struct master *m,
                const char *format, ...) PRINTF_LIKE(5, 6);
void note_switch(struct failover *f, uint64_t seq, const struct master *m, const struct addr *from,
                 const struct addr *to);

/* agenda.c: a heap of turns by due time */
void agenda_set(struct failover *f, struct turn *turn, msec_t due);
void agenda_sooner(struct failover *f, struct turn *turn, msec_t due);
void agenda_drop(struct failover *f, struct turn *turn);
msec_t agenda_due(const struct failover *f);
struct turn *agenda_first(const struct failover *f);

/* instance.c: the tables */
struct master *instance_add_master(struct failover *f, const struct master_state *state);
void instance_remove_master(struct failover *f, struct master *m);
struct instance *instance_add_replica(struct failover *f, struct master *m,
                                      const struct addr *addr);
struct instance *instance_add_peer(struct failover *f, struct master *m, const struct addr *addr,
                                   const char *run_id);
void instance_remove(struct failover *f, struct instance *i);
struct master *instance_master_named(struct failover *f, const char *name);
struct master *instance_master_with(struct failover *f, uint32_t id);
struct master *instance_master_at(struct failover *f, const struct addr *addr);
struct instance *instance_replica_at(const struct master *m, const struct addr *addr);
struct instance *instance_peer_named(const struct master *m, const char *run_id);
struct instance *instance_peer_at(const struct master *m, const struct addr *addr);
void instance_move_master(struct failover *f, struct master *m, struct instance *to);

/* channel.c: links, PING, INFO and hello */
struct channel *channel_take(struct failover *f, struct instance *i);
void channel_leave(struct failover *f, struct instance *i);
struct channel *channel_with(struct failover *f, uint32_t id);
void channel_move(struct failover *f, struct channel *c, const struct addr *addr);
void channel_turn(struct failover *f, struct channel *c);
void channel_on_up(struct failover *f, struct channel *c);
void channel_on_down(struct failover *f, struct channel *c, enum link_end end);
void channel_on_pong(struct failover *f, struct channel *c, enum pong pong);
void channel_alive(struct failover *f, struct channel *c);
void channel_ask_info(struct failover *f, struct instance *i);
void channel_say_hello(struct failover *f, struct instance *i);
msec_t channel_ping_period(const struct failover *f, const struct channel *c);

/* judge.c: who is down */
void judge_instance(struct failover *f, struct instance *i);
void judge_master(struct failover *f, struct master *m); /* ODOWN */
msec_t judge_due(const struct failover *f, const struct instance *i);

/* discover.c: what INFO tells */
void discover_info(struct failover *f, struct instance *i, const struct info_facts *facts);
void discover_put_right(struct failover *f, struct instance *i);

/* gossip.c: hello messages */
void gossip_hello(struct failover *f, const struct hello *hello, const struct channel *heard_on);
void gossip_push(struct failover *f, struct master *m);        /* tell everyone now */
bool gossip_is_sane(const struct failover *f, uint64_t epoch); /* could elections have got there? */
void gossip_adopt_epoch(struct failover *f, const struct master *m, uint64_t epoch, bool for_vote);

/* election.c: asking, voting, counting */
void election_ask(struct failover *f, struct master *m, bool news);
void election_on_ask(struct failover *f, const struct ask *ask);
void election_on_answer(struct failover *f, struct channel *c, const struct answer *answer);
bool election_possible(const struct failover *f,
                       const struct master *m); /* is there an epoch left? */
void election_start(struct failover *f, struct master *m);
void election_override(struct failover *f, struct master *m);
uint32_t election_votes(const struct failover *f, const struct master *m);
uint32_t election_needed(const struct failover *f, const struct master *m);
bool election_lost(const struct failover *f, const struct master *m);
bool election_other_may_lead(const struct failover *f, const struct master *m);
msec_t election_rank_ms(const struct failover *f, const struct master *m);

/* select.c: which replica */
const char *select_unfit(const struct failover *f, const struct master *m,
                         const struct instance *i);
struct instance *select_replica(struct failover *f, struct master *m, msec_t fresh_since,
                                bool explain);
bool select_better_may_answer(const struct failover *f, const struct master *m,
                              const struct instance *best);
bool select_related(const struct master *m, const struct instance *i);

/* promote.c: from the promotion to the last replica */
void promote_send(struct failover *f, struct master *m);
void promote_confirmed(struct failover *f, struct master *m);
void promote_list_replicas(struct failover *f, struct master *m, uint64_t seq);
bool promote_reconfigure(struct failover *f, struct master *m); /* true: all done */
void promote_reconfigure_rest(struct failover *f, struct master *m);
void promote_progress(struct failover *f, struct instance *i); /* new facts of a replica */

/* phase.c: the table, the door, and what each phase does */
void phase_move(struct failover *f, struct master *m, enum phase to);
void phase_think(struct failover *f, struct master *m);
void phase_abort(struct failover *f, struct master *m, const char *why);
const char *phase_wire_name(enum phase phase);

/* tilt.c: a pause of this process */
void tilt_notice(struct failover *f, msec_t late_ms);
void tilt_turn(struct failover *f);

/* operator.c: commands of people */
void operator_command(struct failover *f, const struct command *command);

/* invariant.c */
bool invariant_holds(const struct failover *f);

/* Has this master anything to think about now? Marks its turn. */
void master_wake(struct failover *f, struct master *m);
bool master_in_failover(const struct master *m);

#endif

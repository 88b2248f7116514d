#ifndef SIM_WORLD_H
#define SIM_WORLD_H

/*
 * The simulated world: one virtual clock, one seeded generator, one queue of things to come.
 * Servers, monitors, connections and writers are models that live in it; nothing here reads a real
 * clock, so the same seed gives the same story to the byte.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/assert.h"
#include "base/msec.h"
#include "base/prng.h"
#include "failover/failover.h"

enum {
    WORLD_NOBODY = UINT16_MAX, /* no server, no monitor */
    WORLD_SPARE_ADDRS = 64,    /* for servers and monitors that move */
    WORLD_WHY_MAX = 512,       /* one sentence about what went wrong */
    WORLD_NAME_MAX = 32,       /* "redis-450" */
    WORLD_NOTES_MAX = 8192,    /* notes a scenario can still ask about */
    WORLD_STUCK_STEPS = 1000,  /* steps of one monitor in one millisecond: a busy loop */
    WORLD_RETRANSMIT_MS = 200, /* TCP's first retransmission, Linux */
};

struct world_config {
    uint64_t seed;
    uint16_t monitors;
    uint16_t groups;   /* masters */
    uint16_t replicas; /* of each */
    uint32_t quorum;
    uint32_t parallel_syncs;
    msec_t down_after_ms;
    msec_t failover_timeout_ms;
    msec_t refused_after_ms;
    msec_t reboot_down_after_ms;
    msec_t delay_ms;       /* of every message, one way ... */
    msec_t jitter_ms;      /* ... and up to that much more */
    msec_t disk_ms;        /* an fsync takes 1 to that */
    msec_t write_every_ms; /* of each group's writer; 0: no writers */
    bool keeps_leader; /* the state remembers for whom a vote was (ours) or not (sentinel.conf) */
    bool hears_itself; /* the shell hands a monitor its own hello */
    int mutation;      /* enum mutation: a rule of the core broken on purpose */
};

enum world_event_kind {
    WORLD_TICK,        /* a monitor, b incarnation, c generation */
    WORLD_PUMP,        /* a connection, b generation, c direction */
    WORLD_CONNECT,     /* a connection, b generation */
    WORLD_DISK,        /* a monitor, b incarnation */
    WORLD_REPL_TRY,    /* a server, b generation of its replication link */
    WORLD_REPL_FLUSH,  /* the same */
    WORLD_REPL_DONE,   /* the same */
    WORLD_COORDINATED, /* a server, b incarnation, c address of the replica */
    WORLD_WRITER,      /* a group */
    WORLD_CHAOS,       /* the next fault */
};

struct world_event {
    msec_t at;
    uint64_t order; /* of two at the same time, the one asked for first */
    enum world_event_kind kind;
    uint32_t a;
    uint32_t b;
    uint32_t c;
};

struct world_note {
    msec_t at;
    uint16_t monitor;
    enum note_type type;
    char text[200];
};

enum world_place_kind { PLACE_NOBODY, PLACE_REDIS, PLACE_MONITOR };

struct world_place { /* who answers at an address */
    enum world_place_kind kind;
    uint16_t index;
};

struct redis;
struct monitor;
struct net;
struct checker;
struct chaos;

struct world_stats {
    uint64_t events;
    uint64_t steps;
    uint64_t failovers;
    uint64_t elections;
    uint64_t writes;
    uint64_t writes_failed;
    msec_t settle_ms; /* the longest time from the healing to agreement */
};

struct world {
    struct world_config config;
    struct prng prng;
    msec_t now;

    struct world_event *heap;
    size_t heap_count;
    size_t heap_capacity;
    uint64_t order;

    uint16_t servers_count; /* config.groups * (1 + config.replicas), a group's stand together */
    struct redis *servers;
    uint16_t monitors_count;
    struct monitor *monitors;
    struct net *net;
    struct checker *checker;
    struct chaos *chaos;

    struct addr *addrs; /* id -> address; 0 is no address */
    struct world_place *places;
    uint32_t addrs_count;
    uint32_t spare_addr; /* the next unused one */

    uint16_t *writer_target; /* of each group: the server its writer believes in */

    bool is_quiet;    /* everything is healed: a master that falls now falls for no reason */
    bool wants_notes; /* a scenario looks at them */
    struct world_note *notes;
    uint32_t notes_count;

    bool has_failed;
    char why[WORLD_WHY_MAX];
    FILE *story;       /* where the trace goes; NULL: nowhere */
    bool story_hashed; /* fold the story into story_hash too */
    uint64_t story_hash;
    struct world_stats stats;
};

struct world *world_create(const struct world_config *config);
void world_destroy(struct world *w);

/* Opens the story (file may be NULL: then it is only hashed) and boots every monitor. */
void world_start(struct world *w, FILE *story, bool hashed);

void world_push(struct world *w, msec_t at, enum world_event_kind kind, uint32_t a, uint32_t b,
                uint32_t c);

/* Does the next thing that is due until then. False: nothing was, the clock stands at `until`, or
 * an invariant failed. */
bool world_next(struct world *w, msec_t until);
void world_run(struct world *w, msec_t until);

uint64_t world_random(struct world *w, uint64_t bound); /* [0, bound) */
bool world_chance(struct world *w, uint32_t percent);

/* The first failure is kept, with the time in front; the run ends with it. */
void world_fail(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);

/* A line of the story: when, who, what. Costs nothing when nobody reads it. */
#define STORY(w, who, ...)                                                                         \
    do {                                                                                           \
        if ((w)->story != NULL || (w)->story_hashed) {                                             \
            world_tell(w, who, __VA_ARGS__);                                                       \
        }                                                                                          \
    } while (0)
void world_tell(struct world *w, const char *who, const char *format, ...) PRINTF_LIKE(3, 4);

/* Addresses are small numbers inside the models and real ones for the core. 0 when not of this
 * world. */
uint32_t world_addr_id(const struct world *w, const struct addr *addr);
const struct addr *world_addr(const struct world *w, uint32_t id);
const char *world_addr_name(const struct world *w,
                            uint32_t id);  /* "redis-2", or the ip of nobody */
uint32_t world_take_addr(struct world *w); /* an unused address */

/* Run ids and replication ids are 64-bit numbers in here. */
void world_run_text(uint64_t run, char text[RUN_ID_MAX]); /* 0: "" */
uint64_t world_run_number(const char *text);              /* "" and "*": 0 */

/* "mymaster" when there is one group, else "m1", "m2" ... */
const char *world_group_name(const struct world *w, uint16_t group, char name[WORLD_NAME_MAX]);
uint16_t world_group_named(const struct world *w, const char *name); /* WORLD_NOBODY: none */

#endif

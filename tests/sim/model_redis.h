#ifndef SIM_MODEL_REDIS_H
#define SIM_MODEL_REDIS_H

/*
 * A data server as a monitor sees it: roles, replication ids and offsets, partial and full resync
 * by Redis' rules, what a restart keeps. Data is a number of keys that travels with the offset.
 */

#include "sim/model_net.h"
#include "sim/world.h"

enum repl_state { REPL_NONE, REPL_WAIT, REPL_SYNC, REPL_ONLINE };

struct redis_data {
    uint64_t replid;
    uint64_t replid2;
    int64_t second_offset;
    int64_t offset;
    int64_t keys;
};

struct redis {
    uint16_t index;
    uint16_t group;
    char name[WORLD_NAME_MAX];
    uint32_t addr;
    bool is_alive;
    bool is_paused;
    bool is_busy;  /* a script runs */
    bool is_stuck; /* its replication never catches up */
    uint32_t incarnation;
    uint64_t run;
    msec_t started_at;
    msec_t loading_until;
    uint32_t priority;

    enum server_role role;
    uint32_t master_addr;
    struct redis_data data;
    struct redis_data saved;      /* the RDB file */
    enum server_role config_role; /* redis.conf, as CONFIG REWRITE left it */
    uint32_t config_master;

    enum repl_state repl;
    uint32_t repl_generation;
    uint16_t repl_master;             /* the server it is connected to ... */
    uint32_t repl_master_incarnation; /* ... in this life of it */
    msec_t repl_down_since;
    msec_t repl_silent_since;
    bool flush_pending;
};

enum redis_restart { RESTART_SAVED, RESTART_OLD, RESTART_EMPTY };

void redis_create(struct world *w);
void redis_destroy(struct world *w);

void redis_kill(struct world *w, uint16_t server);      /* SIGKILL: its kernel tells everybody */
void redis_power_off(struct world *w, uint16_t server); /* silence */
void redis_start(struct world *w, uint16_t server, enum redis_restart how, msec_t loading_ms);
void redis_pause(struct world *w, uint16_t server, bool paused);
void redis_promote(struct world *w, uint16_t server);
void redis_replicaof(struct world *w, uint16_t server, uint32_t addr);
bool redis_write(struct world *w, uint16_t server, int64_t keys); /* false: it is no master now */
void redis_save(struct world *w, uint16_t server);
void redis_move(struct world *w, uint16_t server, uint32_t addr); /* it comes back elsewhere */

void redis_receive(struct world *w, uint16_t server, uint32_t connection, struct message *take_m);
void redis_coordinated(struct world *w, uint16_t server, uint32_t incarnation, uint32_t addr);
bool redis_serves(const struct world *w,
                  uint16_t server); /* alive, not loading, not paused, host on */

/* model_repl.c */
void repl_begin(struct world *w, uint16_t server); /* it follows master_addr from now on */
void repl_stop(struct world *w, uint16_t server);
void repl_try(struct world *w, uint16_t server, uint32_t generation);
void repl_done(struct world *w, uint16_t server, uint32_t generation);
void repl_flush(struct world *w, uint16_t server, uint32_t generation);
void repl_drop_followers(struct world *w, uint16_t server, bool is_silent);
void repl_feed(struct world *w, uint16_t server); /* its followers have something to read */
bool repl_follows(const struct redis *follower, const struct redis *of);

#endif

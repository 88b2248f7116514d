#ifndef SIM_MODEL_MONITOR_H
#define SIM_MODEL_MONITOR_H

/*
 * One core and a model of the shell around it: performs actions in order, keeps a disk image that
 * is saved with a delay, answers other monitors in the order of their requests, and can be crashed,
 * paused, frozen in time and started again from its image.
 */

#include "sim/model_net.h"
#include "sim/world.h"

enum {
    IMAGE_REPLICAS_MAX = 32,
    IMAGE_PEERS_MAX = 16,
    MONITOR_ASKS_MAX = 512,
};

struct image_master {
    struct master_state state;
    uint32_t replicas_count;
    uint32_t replicas[IMAGE_REPLICAS_MAX];
    uint32_t peers_count;
    struct {
        uint32_t addr;
        uint64_t run;
    } peers[IMAGE_PEERS_MAX];
};

struct image {
    uint64_t epoch;
    uint32_t masters_count;
    struct image_master *masters;
};

struct monitor_ask {
    bool is_used;
    uint64_t token;
    uint32_t connection;
    uint32_t generation;
    struct message *reply; /* held in the connection, valid while the generation is */
    struct wire_ask ask;
};

enum disk_state { DISK_OK, DISK_FULL, DISK_SLOW };

struct monitor {
    uint16_t index;
    char name[WORLD_NAME_MAX];
    uint32_t addr;
    uint64_t run;
    bool is_alive;
    bool is_paused;
    uint32_t incarnation;
    msec_t clock_offset; /* its monotonic clock minus ours */
    struct failover *core;
    void *block;

    msec_t tick_at; /* ours; MSEC_NEVER: none is queued */
    uint32_t tick_generation;
    msec_t busy_at;
    uint32_t busy_steps;

    uint32_t *links; /* link id -> connection + 1 */
    uint32_t links_count;

    struct image disk;
    struct image *writing; /* on its way to the disk */
    uint64_t writing_seq;
    struct image *waiting; /* the newest asked for after that */
    uint64_t waiting_seq;
    bool done_pending; /* an answer of the disk waits for a paused process */
    bool done_ok;
    uint64_t done_seq;
    enum disk_state disk_state;
    msec_t disk_slow_ms;

    struct monitor_ask asks[MONITOR_ASKS_MAX];
    uint64_t next_token;
    uint32_t crash_in_actions; /* 0: no; else it dies when that many more were performed */
    bool has_result;
    enum command_result result;
    uint64_t command_token;
};

void monitor_create(struct world *w);
void monitor_destroy(struct world *w);

void monitor_boot(struct world *w, uint16_t monitor);
/* losing: what was on its way to the disk is lost; else it may have arrived. */
void monitor_crash(struct world *w, uint16_t monitor, bool losing, bool is_silent);
void monitor_pause(struct world *w, uint16_t monitor, bool paused);
void monitor_jump(struct world *w, uint16_t monitor, msec_t by_ms);
void monitor_disk(struct world *w, uint16_t monitor, enum disk_state state, msec_t slow_ms);
void monitor_command(struct world *w, uint16_t monitor, struct command *command);
void monitor_move(struct world *w, uint16_t monitor, uint32_t addr);

void monitor_tick(struct world *w, uint16_t monitor, uint32_t incarnation, uint32_t generation);
void monitor_disk_done(struct world *w, uint16_t monitor, uint32_t incarnation);

/* A message that came for it as a client of that connection, and as a server. */
void monitor_hear(struct world *w, uint16_t monitor, uint32_t connection, struct message *take_m);
void monitor_serve(struct world *w, uint16_t monitor, uint32_t connection, struct message *take_m);

/* Where it says the master of the group is: what GET-MASTER-ADDR-BY-NAME answers. 0: unknown. */
uint32_t monitor_master_addr(const struct world *w, uint16_t monitor, uint16_t group);

/* monitor_disk.c */
void image_copy(struct image *to, const struct image *from);
void image_finish(struct image *image);
void image_take(struct world *w, const struct monitor *m, struct image *image);
const struct image_master *image_find(const struct image *image, const char *name);
void image_restore(struct world *w, struct monitor *m);
void monitor_persist(struct world *w, struct monitor *m, uint64_t seq);
void monitor_lose(struct world *w, struct monitor *m, bool losing);

/* monitor_act.c: what the core wants done. */
void monitor_perform(struct world *w, struct monitor *m, const struct action *action);
void monitor_step(struct world *w, struct monitor *m, struct event *event);

#endif

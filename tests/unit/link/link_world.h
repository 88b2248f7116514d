#ifndef LINK_WORLD_H
#define LINK_WORLD_H

/* What the tests of links need: a loop, links whose events are kept, a real redis-server, and a
 * server that answers by a script. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "link/link.h"
#include "loop/conn.h"
#include "resp/resp.h"
#include "turn_until.h"

enum { WORLD_EVENTS_MAX = 4096, WORLD_CONNS_MAX = 64 };

struct world {
    struct loop *loop;
    struct links *links;
    struct event events[WORLD_EVENTS_MAX];
    size_t events_count;
    char info_text[200000];
    void (*react)(struct world *w, const struct event *event);
};

extern const char world_run_id[];
extern const struct link_settings world_plain;

void world_start(struct world *w);
void world_start_with(struct world *w, struct links_settings *settings);
void world_end(struct world *w);

/* The n-th event of a type for a link; fails the test when it does not come. */
const struct event *world_event(struct world *w, enum event_type type, uint32_t link, size_t n);
size_t world_count(const struct world *w, enum event_type type, uint32_t link);
void world_open(struct world *w, uint32_t id, enum instance_kind kind, uint16_t port);
void world_up(struct world *w, uint32_t id, enum instance_kind kind, uint16_t port);

uint16_t world_free_port(void);

/* A redis-server with these arguments (NULL at the end), which answers. */
struct world_redis {
    pid_t pid;
    uint16_t port;
    char dir[64];
};
void world_redis_start(struct world_redis *r, const char *const args[]);
void world_redis_end(struct world_redis *r);

/* Our own server. For every command `answer` appends a reply to *out, or nothing. */
struct world_server {
    struct listener *listener;
    uint16_t port;
    void (*answer)(struct world_server *s, const struct resp_command *command, struct buf *out);
    struct conn *conns[WORLD_CONNS_MAX];
    size_t conns_count;
    size_t commands;
    size_t reads; /* pieces of data that came */
    size_t subscribes;
    char log[100000];  /* commands, one a line */
    bool is_dribbling; /* one byte at a time */
};
void world_server_start(struct world *w, struct world_server *s);
void world_server_end(struct world_server *s);

/* +OK, +PONG, subscriptions; what a server answers that has nothing to say. */
void world_answer(struct world_server *s, const struct resp_command *command, struct buf *out);
bool world_is(const struct resp_command *command, const char *name);

#endif

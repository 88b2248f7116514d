#ifndef CORE_FIXTURE_H
#define CORE_FIXTURE_H

/* One core with one master, driven by hand: what the unit tests of the failover room share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failover/failover.h"

#define ME         "1111111111111111111111111111111111111111"
#define PEER_A     "2222222222222222222222222222222222222222"
#define PEER_B     "3333333333333333333333333333333333333333"
#define REPLID     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define REPLID_NEW "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct fixture {
    struct failover *core;
    void *block;
    struct action_list list;
    msec_t now;
    uint64_t seq; /* of the last ACTION_PERSIST */
};

static inline struct addr at(uint16_t port)
{
    struct addr addr;
    assert_true(addr_set(&addr, "127.0.0.1", port));
    return addr;
}

/* Every step is looked at through a copy of the actions it gave. */
static inline void step(struct fixture *x, const struct event *given)
{
    struct event event = *given;
    event.now = x->now;
    failover_step(x->core, &event, &x->list);
    for (uint32_t n = 0; n < x->list.count; n++) {
        if (x->list.items[n].type == ACTION_PERSIST) {
            x->seq = x->list.items[n].seq;
        }
    }
}

static inline const struct action *found(const struct fixture *x, enum action_type type)
{
    for (uint32_t n = 0; n < x->list.count; n++) {
        if (x->list.items[n].type == type) {
            return &x->list.items[n];
        }
    }
    return NULL;
}

/* The same where the test cannot go on without it. */
static inline const struct action *wanted(const struct fixture *x, enum action_type type)
{
    const struct action *action = found(x, type);
    assert_non_null(action);
    return action;
}

static inline bool noted(const struct fixture *x, enum note_type type)
{
    for (uint32_t n = 0; n < x->list.count; n++) {
        if (x->list.items[n].type == ACTION_NOTE && x->list.items[n].note.type == type) {
            return true;
        }
    }
    return false;
}

static inline void tick(struct fixture *x, msec_t forward)
{
    struct event event = {.type = EVENT_TICK};
    x->now += forward;
    step(x, &event);
}

static inline void persisted(struct fixture *x, bool ok)
{
    struct event event = {.type = EVENT_PERSISTED, .persisted = {.seq = x->seq, .ok = ok}};
    step(x, &event);
}

static inline uint32_t link_of(const struct fixture *x, uint16_t port)
{
    const struct master *m = failover_master_at(x->core, 0);
    struct instance_view v;

    failover_view_master(x->core, m, &v);
    if (v.addr.port == port) {
        return v.link;
    }
    for (uint32_t n = 0; failover_view_replica(x->core, m, n, &v); n++) {
        if (v.addr.port == port) {
            return v.link;
        }
    }
    for (uint32_t n = 0; failover_view_peer(x->core, m, n, &v); n++) {
        if (v.addr.port == port) {
            return v.link;
        }
    }
    return 0;
}

static inline void link_up(struct fixture *x, uint16_t port)
{
    struct event event = {.type = EVENT_LINK_UP, .link = link_of(x, port)};
    step(x, &event);
}

static inline void pong(struct fixture *x, uint16_t port)
{
    struct event event = {.type = EVENT_PONG, .link = link_of(x, port), .pong = PONG_OK};
    step(x, &event);
}

static inline struct event info_event(const struct fixture *x, uint16_t port, enum server_role role,
                                      const char *replid, int64_t offset)
{
    struct event event = {.type = EVENT_INFO, .link = link_of(x, port)};

    event.info.role = role;
    event.info.second_offset = -1;
    event.info.offset = offset;
    event.info.priority = 100;
    event.info.announced = true;
    event.info.keys = 10;
    memcpy(event.info.replid, replid, RUN_ID_MAX);
    memset(event.info.run_id, 'c', RUN_ID_MAX - 1);
    event.info.run_id[0] = (char)('0' + port % 10);
    if (role == ROLE_REPLICA) {
        event.info.master_addr = at(6379);
        event.info.master_link_up = true;
    }
    return event;
}

static inline void info(struct fixture *x, uint16_t port, enum server_role role, const char *replid,
                        int64_t offset)
{
    struct event event = info_event(x, port, role, replid, offset);
    step(x, &event);
}

static inline void answer(struct fixture *x, uint16_t port, bool down, const char *leader,
                          uint64_t epoch)
{
    const struct action *ask = wanted(x, ACTION_SEND_ASK);
    struct event event = {.type = EVENT_ANSWER, .link = link_of(x, port)};

    event.answer.master = ask->send_ask.master;
    event.answer.ask_tag = ask->send_ask.ask_tag;
    event.answer.down = down;
    memcpy(event.answer.leader, leader, strlen(leader) + 1);
    event.answer.leader_epoch = epoch;
    step(x, &event);
}

/* master 6379, replicas 6380 and 6381, peers at 26380 and 26381; all up, all healthy. We are
 * run_id, and elections have come as far as epoch. */
static inline int fixture_setup_as(void **state, const char *run_id, uint64_t epoch)
{
    struct fixture *x = calloc(1, sizeof(*x));
    struct failover_start start = {.limits = {.masters_max = 2, .instances_max = 16},
                                   .current_epoch = epoch,
                                   .now = 1000,
                                   .seed = 7};
    struct master_state m = {
        .name = "shop",
        .addr = at(6379),
        .config = {
            .quorum = 2, .parallel_syncs = 1, .down_after_ms = 1000, .failover_timeout_ms = 10000}};
    struct addr addr;

    assert_non_null(x);
    memcpy(start.run_id, run_id, RUN_ID_MAX);
    x->now = 1000;
    x->block = calloc(1, failover_bytes(&start.limits));
    assert_non_null(x->block);
    x->list.capacity = failover_actions_max(&start.limits);
    x->list.items = calloc(x->list.capacity, sizeof(struct action));
    assert_non_null(x->list.items);
    x->core = failover_init(x->block, &start);
    assert_true(failover_restore_master(x->core, &m));
    addr = at(6380);
    assert_true(failover_restore_replica(x->core, "shop", &addr));
    addr = at(6381);
    assert_true(failover_restore_replica(x->core, "shop", &addr));
    addr = at(26380);
    assert_true(failover_restore_peer(x->core, "shop", &addr, PEER_A));
    addr = at(26381);
    assert_true(failover_restore_peer(x->core, "shop", &addr, PEER_B));
    tick(x, 0);
    const uint16_t ports[] = {6379, 6380, 6381, 26380, 26381};
    for (size_t n = 0; n < sizeof(ports) / sizeof(ports[0]); n++) {
        link_up(x, ports[n]);
        pong(x, ports[n]);
    }
    info(x, 6379, ROLE_MASTER, REPLID, 500);
    info(x, 6380, ROLE_REPLICA, REPLID, 500);
    info(x, 6381, ROLE_REPLICA, REPLID, 400);
    *state = x;
    return 0;
}

static inline int fixture_setup(void **state)
{
    return fixture_setup_as(state, ME, 0);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *x = *state;

    free(x->block);
    free(x->list.items);
    free(x);
    return 0;
}

static inline void all_but_the_master_answer(struct fixture *x)
{
    const uint16_t ports[] = {6380, 6381, 26380, 26381};

    for (size_t k = 0; k < sizeof(ports) / sizeof(ports[0]); k++) {
        pong(x, ports[k]);
    }
}

/* The master is silent while all others answer, until we call it down; small steps, as in life. The
 * last list is the one that says so. */
static inline void master_falls_silent(struct fixture *x)
{
    for (int n = 0; n < 200; n++) {
        all_but_the_master_answer(x);
        tick(x, 10);
        if (noted(x, NOTE_SDOWN)) {
            return;
        }
    }
    fail_msg("the master was never called down");
}

#endif

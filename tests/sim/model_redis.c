#include "sim/model_redis.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_OFFSET = 1000,
    FIRST_KEYS = 100,
    WRITE_BYTES = 40,   /* of one small SET in the replication stream */
    COORDINATED_MS = 3, /* FAILOVER TO took 2 to 8 ms, measured */
};

static struct world_place redis_place(uint16_t server)
{
    return (struct world_place){PLACE_REDIS, server};
}

void redis_create(struct world *w)
{
    uint16_t each = (uint16_t)(1 + w->config.replicas);

    w->servers = calloc(w->servers_count, sizeof(*w->servers));
    ASSERT(w->servers != NULL);
    for (uint16_t i = 0; i < w->servers_count; i++) {
        struct redis *r = &w->servers[i];
        uint16_t first = (uint16_t)(i / each * each);

        r->index = i;
        r->group = i / each;
        (void)snprintf(r->name, sizeof(r->name), "redis-%u", i + 1U);
        r->addr = 1U + i;
        w->places[r->addr] = redis_place(i);
        r->is_alive = true;
        r->run = world_random(w, UINT64_MAX - 1) + 1;
        r->priority = 100;
        r->data = (struct redis_data){.replid = i == first ? world_random(w, UINT64_MAX - 1) + 1
                                                           : w->servers[first].data.replid,
                                      .second_offset = -1,
                                      .offset = FIRST_OFFSET,
                                      .keys = FIRST_KEYS};
        r->saved = r->data;
        r->role = i == first ? ROLE_MASTER : ROLE_REPLICA;
        r->master_addr = i == first ? 0 : 1U + first;
        r->config_role = r->role;
        r->config_master = r->master_addr;
        if (r->role == ROLE_REPLICA) {
            r->repl = REPL_ONLINE;
            r->repl_master = first;
            r->repl_generation = 1;
            r->repl_silent_since = -1;
            world_push(w, 1 + i, WORLD_REPL_TRY, i, 1, 0);
        }
    }
}

void redis_destroy(struct world *w)
{
    free(w->servers);
    w->servers = NULL;
}

bool redis_serves(const struct world *w, uint16_t server)
{
    const struct redis *r = &w->servers[server];
    return r->is_alive && !r->is_paused && w->now >= r->loading_until && !w->net->is_off[server];
}

/* ---------------------------------------------------------------- life */

void redis_kill(struct world *w, uint16_t server)
{
    struct redis *r = &w->servers[server];

    if (!r->is_alive) {
        return;
    }
    STORY(w, r->name, "killed (%s, offset %lld, %lld keys)",
          r->role == ROLE_MASTER ? "master" : "replica", (long long)r->data.offset,
          (long long)r->data.keys);
    r->is_alive = false;
    r->is_paused = false;
    r->incarnation++;
    repl_stop(w, server);
    repl_drop_followers(w, server, false);
    net_process_died(w, redis_place(server), false);
}

void redis_power_off(struct world *w, uint16_t server)
{
    struct redis *r = &w->servers[server];

    if (w->net->is_off[server]) {
        return;
    }
    STORY(w, r->name, "its machine loses power");
    w->net->is_off[server] = true;
    r->is_alive = false;
    r->is_paused = false;
    r->incarnation++;
    repl_stop(w, server);
    net_process_died(w, redis_place(server), true);
}

void redis_save(struct world *w, uint16_t server)
{
    w->servers[server].saved = w->servers[server].data;
}

/* What Redis 7 makes of its RDB file: a replica goes on in its history, a master begins a new one
 * that forked from it where the file ends. */
static void redis_load(struct world *w, struct redis *r, enum redis_restart how)
{
    uint64_t fresh = world_random(w, UINT64_MAX - 1) + 1;

    if (how == RESTART_EMPTY) {
        r->data = (struct redis_data){.replid = fresh, .second_offset = -1};
        return;
    }
    if (how == RESTART_SAVED) {
        r->saved = r->data;
    }
    r->data = r->saved;
    r->data.replid2 = 0;
    r->data.second_offset = -1;
    if (r->role == ROLE_MASTER) {
        r->data.replid2 = r->saved.replid;
        r->data.second_offset = r->saved.offset + 1;
        r->data.replid = fresh;
    }
}

void redis_start(struct world *w, uint16_t server, enum redis_restart how, msec_t loading_ms)
{
    static const char *const kept[] = {"all its data", "old data", "no data"};
    struct redis *r = &w->servers[server];

    if (r->is_alive) {
        return;
    }
    w->net->is_off[server] = false;
    r->is_alive = true;
    r->is_busy = false;
    r->run = world_random(w, UINT64_MAX - 1) + 1;
    r->started_at = w->now;
    r->loading_until = w->now + loading_ms;
    r->role = r->config_role;
    r->master_addr = r->config_master;
    redis_load(w, r, how);
    STORY(w, r->name, "starts as %s with %s (offset %lld), loading for %lld ms",
          r->role == ROLE_MASTER ? "master" : "replica", kept[how], (long long)r->data.offset,
          (long long)loading_ms);
    if (r->role == ROLE_REPLICA) {
        repl_begin(w, server);
    }
}

void redis_pause(struct world *w, uint16_t server, bool paused)
{
    struct redis *r = &w->servers[server];

    if (!r->is_alive || r->is_paused == paused) {
        return;
    }
    STORY(w, r->name, "%s", paused ? "stopped (SIGSTOP)" : "goes on (SIGCONT)");
    r->is_paused = paused;
    if (!paused) {
        net_wake(w);
        repl_feed(w, server);
    }
}

void redis_move(struct world *w, uint16_t server, uint32_t addr)
{
    struct redis *r = &w->servers[server];

    STORY(w, r->name, "moves from %s to %s", world_addr(w, r->addr)->ip, world_addr(w, addr)->ip);
    net_process_died(w, redis_place(server), false);
    if (w->places[r->addr].kind == PLACE_REDIS && w->places[r->addr].index == server) {
        w->places[r->addr] = (struct world_place){PLACE_NOBODY, 0};
    }
    r->addr = addr;
    w->places[addr] = redis_place(server);
    repl_drop_followers(w, server, false);
}

/* ---------------------------------------------------------------- roles */

static void redis_rewrite(struct redis *r)
{
    r->config_role = r->role;
    r->config_master = r->master_addr;
}

void redis_promote(struct world *w, uint16_t server)
{
    struct redis *r = &w->servers[server];

    if (r->role == ROLE_MASTER) {
        redis_rewrite(r);
        return;
    }
    repl_stop(w, server);
    r->role = ROLE_MASTER;
    r->master_addr = 0;
    r->data.replid2 = r->data.replid;
    r->data.second_offset = r->data.offset + 1;
    r->data.replid = world_random(w, UINT64_MAX - 1) + 1;
    redis_rewrite(r);
    STORY(w, r->name, "is a master now, forked at offset %lld with %lld keys",
          (long long)r->data.offset, (long long)r->data.keys);
    repl_drop_followers(w, server, false);
}

void redis_replicaof(struct world *w, uint16_t server, uint32_t addr)
{
    struct redis *r = &w->servers[server];

    if (r->role == ROLE_REPLICA && r->master_addr == addr) {
        redis_rewrite(r);
        return; /* "Already connected to specified master" */
    }
    STORY(w, r->name, "%s, follows %s now",
          r->role == ROLE_MASTER ? "is no master any more" : "turns", world_addr_name(w, addr));
    repl_stop(w, server);
    if (r->role == ROLE_MASTER) {
        repl_drop_followers(w, server, false);
    }
    r->role = ROLE_REPLICA;
    r->master_addr = addr;
    redis_rewrite(r);
    repl_begin(w, server);
}

bool redis_write(struct world *w, uint16_t server, int64_t keys)
{
    struct redis *r = &w->servers[server];

    if (!redis_serves(w, server) || r->role != ROLE_MASTER || r->is_busy) {
        return false;
    }
    r->data.keys += keys;
    r->data.offset += keys * WRITE_BYTES;
    repl_feed(w, server);
    return true;
}

void redis_coordinated(struct world *w, uint16_t server, uint32_t incarnation, uint32_t addr)
{
    struct redis *r = &w->servers[server];
    struct world_place to = w->places[addr];

    if (r->incarnation != incarnation || !redis_serves(w, server) || r->role != ROLE_MASTER ||
        to.kind != PLACE_REDIS || !redis_serves(w, to.index)) {
        return;
    }
    struct redis *replica = &w->servers[to.index];

    if (!repl_follows(replica, r) || replica->repl != REPL_ONLINE) {
        return;
    }
    STORY(w, r->name, "FAILOVER TO %s: hands over at offset %lld", replica->name,
          (long long)r->data.offset);
    replica->data = r->data;
    redis_promote(w, to.index);
    redis_replicaof(w, server, addr);
}

/* ---------------------------------------------------------------- what monitors ask */

static void redis_fill_replicas(const struct world *w, const struct redis *r, struct wire_facts *f)
{
    uint16_t each = (uint16_t)(1 + w->config.replicas);
    bool is_big = w->servers_count > 32; /* then only its own group can follow it */
    uint16_t from = is_big ? (uint16_t)(r->group * each) : 0;
    uint16_t to = is_big ? (uint16_t)(from + each) : w->servers_count;

    for (uint16_t i = from; i < to && f->replicas_count < WIRE_REPLICAS_MAX; i++) {
        const struct redis *other = &w->servers[i];

        if (repl_follows(other, r) && (other->repl == REPL_ONLINE || other->repl == REPL_SYNC)) {
            f->replicas[f->replicas_count] = other->addr;
            f->replica_offsets[f->replicas_count] = other->data.offset;
            f->replicas_count++;
        }
    }
}

static void redis_fill(const struct world *w, const struct redis *r, struct wire_facts *f)
{
    *f = (struct wire_facts){.run = r->run,
                             .role = r->role,
                             .replid = r->data.replid,
                             .replid2 = r->data.replid2,
                             .second_offset = r->data.second_offset,
                             .offset = r->data.offset,
                             .keys = w->now < r->loading_until ? 0 : r->data.keys,
                             .is_loading = w->now < r->loading_until,
                             .uptime_s = (w->now - r->started_at) / 1000,
                             .priority = r->priority};
    if (r->role == ROLE_REPLICA) {
        f->master = r->master_addr;
        f->is_link_up = r->repl == REPL_ONLINE;
        f->is_syncing = r->repl == REPL_SYNC;
        f->link_down_ms = f->is_link_up ? 0 : w->now - r->repl_down_since;
    }
    redis_fill_replicas(w, r, f);
}

static void redis_send_facts(struct world *w, const struct redis *r, uint32_t connection)
{
    if (r->is_busy) {
        return; /* an error reply is silence */
    }
    struct message *m = net_message(w, MESSAGE_FACTS);

    redis_fill(w, r, &m->facts);
    net_send(w, connection, NET_BACK, m, 0);
}

static void redis_publish_to(struct world *w, uint16_t server, const struct wire_hello *hello,
                             msec_t extra_ms)
{
    for (uint32_t i = 0; i < w->net->connections_count; i++) {
        const struct connection *c = &w->net->connections[i];

        if ((c->generation & 1U) == 1 && c->is_up && !c->server_gone && !c->is_orphan &&
            c->to.kind == PLACE_REDIS && c->to.index == server) {
            struct message *m = net_message(w, MESSAGE_HELLO);

            m->hello = *hello;
            net_send(w, i, NET_BACK, m, extra_ms);
        }
    }
}

/* PUBLISH goes down the replication stream too: a hello is heard more than once, and late. */
static void redis_publish(struct world *w, const struct redis *r, const struct wire_hello *hello)
{
    struct wire_facts followers = {.replicas_count = 0};

    redis_publish_to(w, r->index, hello, 0);
    redis_fill_replicas(w, r, &followers);
    for (uint16_t i = 0; i < followers.replicas_count; i++) {
        uint16_t to = w->places[followers.replicas[i]].index;

        if (w->servers[to].repl == REPL_ONLINE && redis_serves(w, to) &&
            net_path(w, r->index, to)) {
            redis_publish_to(w, to, hello, net_delay(w, r->index, to));
        }
    }
}

static void redis_transaction(struct world *w, struct redis *r, uint32_t connection,
                              const struct message *m)
{
    if (w->now < r->loading_until || r->is_busy) { /* -LOADING, -BUSY: EXECABORT */
        if (m->kind == MESSAGE_PROMOTE) {
            struct message *no = net_message(w, MESSAGE_PROMOTED);
            no->role = ROLE_UNKNOWN;
            net_send(w, connection, NET_BACK, no, 0);
        }
        return;
    }
    if (m->kind == MESSAGE_PROMOTE) {
        redis_promote(w, r->index);
        struct message *yes = net_message(w, MESSAGE_PROMOTED);
        yes->role = r->role;
        net_send(w, connection, NET_BACK, yes, 0);
    } else {
        redis_replicaof(w, r->index, m->addr);
    }
    redis_send_facts(w, r, connection);
    net_kill_clients(w, redis_place(r->index), connection, LINK_END_CLOSED);
}

void redis_receive(struct world *w, uint16_t server, uint32_t connection, struct message *m)
{
    struct redis *r = &w->servers[server];

    switch (m->kind) {
    case MESSAGE_PING: {
        struct message *pong = net_message(w, MESSAGE_PONG);
        pong->pong = r->is_busy ? PONG_BUSY : w->now < r->loading_until ? PONG_LOADING : PONG_OK;
        net_send(w, connection, NET_BACK, pong, 0);
        break;
    }
    case MESSAGE_INFO:
        redis_send_facts(w, r, connection);
        break;
    case MESSAGE_HELLO:
        if (w->now >= r->loading_until && !r->is_busy) {
            redis_publish(w, r, &m->hello);
        }
        break;
    case MESSAGE_PROMOTE:
    case MESSAGE_REPLICAOF:
        redis_transaction(w, r, connection, m);
        break;
    case MESSAGE_SCRIPT_KILL:
        r->is_busy = false;
        break;
    case MESSAGE_COORDINATED:
        world_push(w, w->now + COORDINATED_MS, WORLD_COORDINATED, server, r->incarnation, m->addr);
        break;
    case MESSAGE_ASK:
    case MESSAGE_UP:
    case MESSAGE_END:
    case MESSAGE_PONG:
    case MESSAGE_FACTS:
    case MESSAGE_ANSWER:
    case MESSAGE_PROMOTED:
        break; /* nobody sends these to a server */
    }
    net_drop_message(w, m);
}

#include "sim/model_net.h"

#include <stdlib.h>
#include <string.h>

#include "sim/model_monitor.h"
#include "sim/model_redis.h"

enum {
    MESSAGES_IN_CHUNK = 256,
    CONNECT_TIMEOUT_MS = 1000, /* LINK_CONNECT_MS of link/ */
    BACKOFF_MAX_MS = 1600,
};

void net_create(struct world *w)
{
    struct net *net = calloc(1, sizeof(*net));

    ASSERT(net != NULL);
    net->hosts = (uint16_t)(w->servers_count + w->monitors_count);
    net->cuts = calloc((size_t)net->hosts * net->hosts, sizeof(*net->cuts));
    net->is_off = calloc(net->hosts, sizeof(*net->is_off));
    net->slow_ms = calloc(net->hosts, sizeof(*net->slow_ms));
    ASSERT(net->cuts != NULL && net->is_off != NULL && net->slow_ms != NULL);
    w->net = net;
}

void net_destroy(struct world *w)
{
    struct net *net = w->net;

    if (net == NULL) {
        return;
    }
    for (size_t i = 0; i < net->chunks_count; i++) {
        free(net->chunks[i]);
    }
    free(net->chunks);
    free(net->connections);
    free(net->cuts);
    free(net->is_off);
    free(net->slow_ms);
    free(net);
    w->net = NULL;
}

/* ---------------------------------------------------------------- paths */

uint16_t net_host_of(const struct world *w, struct world_place place)
{
    return place.kind == PLACE_MONITOR ? (uint16_t)(w->servers_count + place.index) : place.index;
}

static uint16_t net_monitor_host(const struct world *w, uint16_t monitor)
{
    return (uint16_t)(w->servers_count + monitor);
}

bool net_path(const struct world *w, uint16_t from, uint16_t to)
{
    const struct net *net = w->net;
    return !net->cuts[(size_t)from * net->hosts + to] && !net->is_off[from] && !net->is_off[to];
}

msec_t net_delay(struct world *w, uint16_t from, uint16_t to)
{
    msec_t jitter = (msec_t)world_random(w, (uint64_t)w->config.jitter_ms + 1);
    return w->config.delay_ms + jitter + w->net->slow_ms[from] + w->net->slow_ms[to];
}

void net_cut(struct world *w, uint16_t from, uint16_t to, bool is_cut)
{
    w->net->cuts[(size_t)from * w->net->hosts + to] = is_cut;
}

void net_heal(struct world *w)
{
    memset(w->net->cuts, 0, (size_t)w->net->hosts * w->net->hosts * sizeof(*w->net->cuts));
    memset(w->net->slow_ms, 0, w->net->hosts * sizeof(*w->net->slow_ms));
}

/* ---------------------------------------------------------------- messages */

struct message *net_message(struct world *w, enum message_kind kind)
{
    struct net *net = w->net;

    if (net->spare == NULL) {
        struct message *chunk = calloc(MESSAGES_IN_CHUNK, sizeof(*chunk));

        net->chunks = realloc(net->chunks, (net->chunks_count + 1) * sizeof(struct message *));
        ASSERT(chunk != NULL && net->chunks != NULL);
        net->chunks[net->chunks_count++] = chunk;
        for (size_t i = 0; i < MESSAGES_IN_CHUNK; i++) {
            chunk[i].next = net->spare;
            net->spare = &chunk[i];
        }
    }
    struct message *m = net->spare;

    net->spare = m->next;
    m->next = NULL;
    m->kind = kind;
    m->is_local = false;
    m->is_held = false;
    return m;
}

void net_drop_message(struct world *w, struct message *m)
{
    m->next = w->net->spare;
    w->net->spare = m;
}

static void net_drop_list(struct world *w, struct message **first)
{
    while (*first != NULL) {
        struct message *m = *first;
        *first = m->next;
        net_drop_message(w, m);
    }
}

static void net_schedule(struct world *w, uint32_t index, enum net_direction dir, msec_t at)
{
    struct connection *c = &w->net->connections[index];

    if (!c->pumping[dir] && c->first[dir] != NULL) {
        c->pumping[dir] = true;
        world_push(w, at, WORLD_PUMP, index, c->generation, dir);
    }
}

static void net_append(struct world *w, uint32_t index, enum net_direction dir, struct message *m)
{
    struct connection *c = &w->net->connections[index];

    if (c->first[dir] == NULL) {
        c->first[dir] = m;
    } else {
        m->at = m->at < c->last[dir]->at ? c->last[dir]->at : m->at; /* one stream: in order */
        c->last[dir]->next = m;
    }
    c->last[dir] = m;
    net_schedule(w, index, dir, c->first[dir]->at);
}

void net_send(struct world *w, uint32_t index, enum net_direction dir, struct message *m,
              msec_t extra_ms)
{
    struct connection *c = &w->net->connections[index];
    uint16_t here = net_monitor_host(w, c->monitor);
    uint16_t there = net_host_of(w, c->to);
    bool is_out = dir == NET_OUT;

    if ((is_out && (c->end_sent || !c->is_up)) || (!is_out && (c->is_orphan || c->end_sent))) {
        net_drop_message(w, m);
        return;
    }
    m->at = w->now + extra_ms + net_delay(w, is_out ? here : there, is_out ? there : here);
    net_append(w, index, dir, m);
}

/* ---------------------------------------------------------------- opening and ending */

static void net_free(struct world *w, uint32_t index)
{
    struct connection *c = &w->net->connections[index];

    ASSERT((c->generation & 1U) == 1);
    for (int dir = 0; dir < NET_DIRECTIONS; dir++) {
        net_drop_list(w, &c->first[dir]);
    }
    net_drop_list(w, &c->replies_first);
    c->generation++;
    w->net->free_hint = index < w->net->free_hint ? index : w->net->free_hint;
}

static uint32_t net_slot(struct net *net)
{
    uint32_t i = net->free_hint;

    while (i < net->connections_count && (net->connections[i].generation & 1U) == 1) {
        i++;
    }
    if (i == net->connections_count) {
        net->connections_count = net->connections_count == 0 ? 64 : net->connections_count * 2;
        net->connections =
            realloc(net->connections, net->connections_count * sizeof(*net->connections));
        ASSERT(net->connections != NULL);
        memset(net->connections + i, 0, (net->connections_count - i) * sizeof(*net->connections));
    }
    net->free_hint = i + 1;
    return i;
}

uint32_t net_open(struct world *w, uint16_t monitor, uint32_t link, uint32_t addr)
{
    uint32_t index = net_slot(w->net);
    struct connection *c = &w->net->connections[index];

    *c = (struct connection){.generation = c->generation + 1,
                             .monitor = monitor,
                             .link = link,
                             .addr = addr,
                             .opened_at = w->now,
                             .to = w->places[addr],
                             .monitor_incarnation = w->monitors[monitor].incarnation};
    world_push(w, w->now + 2 * w->config.delay_ms + (msec_t)world_random(w, 2), WORLD_CONNECT,
               index, c->generation, 0);
    return index;
}

/* The end of the connection as the monitor will see it. */
static void net_send_end(struct world *w, uint32_t index, enum link_end end, bool is_local,
                         msec_t at)
{
    struct connection *c = &w->net->connections[index];

    if (c->end_sent || c->is_orphan) {
        return;
    }
    struct message *m = net_message(w, MESSAGE_END);

    m->end = end;
    m->is_local = is_local;
    m->at = at;
    net_append(w, index, NET_BACK, m);
    c->end_sent = true;
}

static bool net_is_running(const struct world *w, struct world_place place, uint32_t *incarnation)
{
    if (place.kind == PLACE_REDIS) {
        *incarnation = w->servers[place.index].incarnation;
        return w->servers[place.index].is_alive;
    }
    *incarnation = w->monitors[place.index].incarnation;
    return w->monitors[place.index].is_alive;
}

void net_connect(struct world *w, uint32_t index, uint32_t generation)
{
    struct connection *c = &w->net->connections[index];

    if (c->generation != generation) {
        return;
    }
    c->to = w->places[c->addr];
    uint16_t here = net_monitor_host(w, c->monitor);
    uint16_t there = net_host_of(w, c->to);

    if (c->to.kind == PLACE_NOBODY || !net_path(w, here, there) || !net_path(w, there, here)) {
        bool is_told = c->to.kind == PLACE_NOBODY; /* a router on the way answers */
        c->to =
            c->to.kind == PLACE_NOBODY ? (struct world_place){PLACE_MONITOR, c->monitor} : c->to;
        net_send_end(w, index, is_told ? LINK_END_UNREACHABLE : LINK_END_TIMEOUT, true,
                     is_told ? w->now : c->opened_at + CONNECT_TIMEOUT_MS);
    } else if (net_is_running(w, c->to, &c->to_incarnation)) {
        c->is_up = true; /* the kernel accepts for a process that is paused, too */
        struct message *m = net_message(w, MESSAGE_UP);
        m->at = w->now;
        m->is_local = true;
        net_append(w, index, NET_BACK, m);
    } else {
        net_send_end(w, index, LINK_END_REFUSED, false, w->now + w->net->slow_ms[there]);
    }
}

void net_close(struct world *w, uint32_t index)
{
    struct connection *c = &w->net->connections[index];

    c->is_orphan = true;
    net_drop_list(w, &c->first[NET_BACK]);
    net_drop_list(w, &c->replies_first);
    if (c->first[NET_OUT] == NULL) {
        net_free(w, index);
    }
}

/* ---------------------------------------------------------------- delivery */

static bool net_is_receiver_paused(const struct world *w, const struct connection *c,
                                   enum net_direction dir)
{
    if (dir == NET_BACK) {
        return w->monitors[c->monitor].is_paused;
    }
    if (c->server_gone) {
        return false; /* its kernel answers */
    }
    return c->to.kind == PLACE_REDIS ? w->servers[c->to.index].is_paused
                                     : w->monitors[c->to.index].is_paused;
}

static void net_deliver_out(struct world *w, uint32_t index, struct message *m)
{
    struct connection *c = &w->net->connections[index];
    uint32_t incarnation = 0;
    bool is_running = net_is_running(w, c->to, &incarnation);
    struct world_place now_there = w->places[c->addr];
    bool is_moved = now_there.kind != c->to.kind || now_there.index != c->to.index;

    if (c->server_gone || !is_running || incarnation != c->to_incarnation || is_moved) {
        c->server_gone = true;
        net_drop_message(w, m);
        net_send_end(w, index, LINK_END_RESET, false,
                     w->now + net_delay(w, net_host_of(w, c->to), net_monitor_host(w, c->monitor)));
    } else if (c->to.kind == PLACE_REDIS) {
        redis_receive(w, c->to.index, index, m);
    } else {
        monitor_serve(w, c->to.index, index, m);
    }
}

static void net_deliver_back(struct world *w, uint32_t index, struct message *m)
{
    struct connection *c = &w->net->connections[index];
    uint16_t monitor = c->monitor;

    if (m->kind == MESSAGE_END) {
        struct event event = {.type = EVENT_LINK_DOWN, .link = c->link, .end = m->end};

        net_drop_message(w, m);
        net_free(w, index);
        w->monitors[monitor].links[event.link] = 0;
        monitor_step(w, &w->monitors[monitor], &event);
        return;
    }
    monitor_hear(w, monitor, index, m);
}

void net_pump(struct world *w, uint32_t index, uint32_t generation, enum net_direction dir)
{
    struct connection *c = &w->net->connections[index];

    if (c->generation != generation) {
        return;
    }
    c->pumping[dir] = false;
    while (c->first[dir] != NULL && c->first[dir]->at <= w->now && !w->has_failed) {
        struct message *m = c->first[dir];
        uint16_t here = net_monitor_host(w, c->monitor);
        uint16_t there = net_host_of(w, c->to);
        bool is_open = dir == NET_OUT ? net_path(w, here, there) : net_path(w, there, here);

        if (!m->is_local && !is_open) {
            c->backoff_ms[dir] =
                c->backoff_ms[dir] == 0 ? WORLD_RETRANSMIT_MS : 2 * c->backoff_ms[dir];
            c->backoff_ms[dir] =
                c->backoff_ms[dir] > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms[dir];
            net_schedule(w, index, dir, w->now + c->backoff_ms[dir]);
            return;
        }
        if (net_is_receiver_paused(w, c, dir)) {
            return; /* net_wake() goes on */
        }
        c->backoff_ms[dir] = 0;
        c->first[dir] = m->next;
        m->next = NULL;
        if (dir == NET_OUT) {
            net_deliver_out(w, index, m);
        } else {
            net_deliver_back(w, index, m);
        }
        c = &w->net->connections[index]; /* the table may have moved */
        if (c->generation != generation) {
            return;
        }
    }
    if (c->first[dir] != NULL) {
        net_schedule(w, index, dir, c->first[dir]->at);
    } else if (c->is_orphan && dir == NET_OUT) {
        net_free(w, index);
    }
}

void net_reply(struct world *w, uint32_t index, struct message *m)
{
    struct connection *c = &w->net->connections[index];

    if (c->replies_first == NULL) {
        c->replies_first = m;
    } else {
        c->replies_last->next = m;
    }
    c->replies_last = m;
    net_flush_replies(w, index);
}

void net_flush_replies(struct world *w, uint32_t index)
{
    struct connection *c = &w->net->connections[index];

    while (c->replies_first != NULL && !c->replies_first->is_held) {
        struct message *m = c->replies_first;

        c->replies_first = m->next;
        m->next = NULL;
        net_send(w, index, NET_BACK, m, 0);
    }
}

/* ---------------------------------------------------------------- processes that end */

static bool net_is_to(const struct connection *c, struct world_place place)
{
    return (c->generation & 1U) == 1 && c->is_up && !c->server_gone && c->to.kind == place.kind &&
           c->to.index == place.index;
}

/* What is on its way from a machine without power; what the monitor's own kernel knows already
 * stays. */
static void net_lose_unsent(struct world *w, struct connection *c)
{
    struct message *kept = NULL;

    for (struct message *m = c->first[NET_BACK]; m != NULL;) {
        struct message *next = m->next;

        if (m->is_local && kept == NULL) {
            kept = m;
            kept->next = NULL;
        } else {
            net_drop_message(w, m);
        }
        m = next;
    }
    c->first[NET_BACK] = kept;
    c->last[NET_BACK] = kept;
}

void net_process_died(struct world *w, struct world_place place, bool is_silent)
{
    for (uint32_t i = 0; i < w->net->connections_count; i++) {
        struct connection *c = &w->net->connections[i];

        if (!net_is_to(c, place)) {
            continue;
        }
        c->server_gone = true;
        net_drop_list(w, &c->replies_first);
        if (is_silent) { /* what it had sent is gone with it; the monitor hears a reset when it asks
                            again */
            net_lose_unsent(w, c);
        } else {
            uint16_t there = net_host_of(w, place);
            enum link_end end = world_chance(w, 50) ? LINK_END_RESET : LINK_END_CLOSED;
            net_send_end(w, i, end, false,
                         w->now + net_delay(w, there, net_monitor_host(w, c->monitor)));
        }
    }
}

void net_kill_clients(struct world *w, struct world_place place, uint32_t except, enum link_end end)
{
    for (uint32_t i = 0; i < w->net->connections_count; i++) {
        struct connection *c = &w->net->connections[i];

        if (i != except && net_is_to(c, place)) {
            c->server_gone = true;
            uint16_t there = net_host_of(w, place);
            net_send_end(w, i, end, false,
                         w->now + net_delay(w, there, net_monitor_host(w, c->monitor)));
        }
    }
}

void net_monitor_died(struct world *w, uint16_t monitor, bool is_silent)
{
    for (uint32_t i = 0; i < w->net->connections_count; i++) {
        struct connection *c = &w->net->connections[i];

        if ((c->generation & 1U) == 1 && c->monitor == monitor && !c->is_orphan) {
            if (is_silent) {
                net_free(w, i);
            } else {
                net_close(w, i);
            }
        }
    }
}

void net_wake(struct world *w)
{
    for (uint32_t i = 0; i < w->net->connections_count; i++) {
        struct connection *c = &w->net->connections[i];

        if ((c->generation & 1U) == 1) {
            net_schedule(w, i, NET_OUT, w->now);
            net_schedule(w, i, NET_BACK, w->now);
        }
    }
}

void net_reset_one(struct world *w, uint32_t index)
{
    struct connection *c = &w->net->connections[index];

    if ((c->generation & 1U) == 1 && c->is_up && !c->server_gone) {
        c->server_gone = true;
        net_send_end(w, index, LINK_END_RESET, false, w->now + 1);
    }
}

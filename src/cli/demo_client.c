#include "cli/demo_client.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/demo_link.h"

enum {
    DEMO_WORKERS = 4,
    DEMO_PACE_MS = 2,       /* between a reply and the next request: the servers share our cores */
    DEMO_RETRY_MS = 20,     /* after a failure; shorter would only count more errors */
    DEMO_REQUEST_MS = 1000, /* read timeout of the WordPress plugin */
    DEMO_OPEN_MS = 500,
    DEMO_FIND_MS = 500,
    DEMO_KEYS = 100,
    DEMO_TEXT_MAX = 32,
};

enum worker_state {
    WORKER_WAITS, /* for its timer, then connects */
    WORKER_CONNECTS,
    WORKER_ASKS_ROLE,
    WORKER_WRITES,
    WORKER_READS,
    WORKER_RESTS, /* for its timer, then sends */
};

struct worker {
    struct demo_client *client;
    struct demo_link link;
    struct loop_timer *timer;
    enum worker_state state;
    struct addr at; /* where the connection goes */
    size_t number;
    uint64_t turn;
};

struct demo_client {
    struct loop *loop;
    const struct addr *monitors;
    size_t monitors_count;
    const char *master_name;
    struct addr master; /* port 0: not known */
    struct demo_client_counts counts;
    struct worker workers[DEMO_WORKERS];

    struct demo_link finder;
    struct loop_timer *finder_timer; /* set while the finder is at work */
    size_t finder_next;              /* the monitor to ask */
};

static void demo_client_find(struct demo_client *client);

/* ---- one connection to the master ---- */

static void worker_set(struct worker *w, enum worker_state state, msec_t timeout_ms)
{
    w->state = state;
    loop_timer_at(w->timer, loop_now(w->link.loop) + timeout_ms);
}

static void worker_fail(struct worker *w)
{
    demo_link_close(&w->link);
    w->client->counts.errors++;
    worker_set(w, WORKER_WAITS, DEMO_RETRY_MS);
    demo_client_find(w->client);
}

static void worker_connect(struct worker *w)
{
    if (w->client->master.port == 0) {
        worker_set(w, WORKER_WAITS, DEMO_RETRY_MS);
        return;
    }
    w->at = w->client->master;
    if (!demo_link_open(&w->link, &w->at, DEMO_OPEN_MS)) {
        worker_fail(w);
        return;
    }
    worker_set(w, WORKER_CONNECTS, DEMO_REQUEST_MS);
}

static void worker_send(struct worker *w)
{
    char key[DEMO_TEXT_MAX];
    char value[DEMO_TEXT_MAX];
    bool is_write = w->turn % 2 == 0;

    /* Both fit; the read of a pair asks for what its write wrote. */
    (void)snprintf(key, sizeof(key), "demo:%zu:%llu", w->number,
                   (unsigned long long)(w->turn / 2 % DEMO_KEYS));
    (void)snprintf(value, sizeof(value), "%llu", (unsigned long long)w->turn);
    if (is_write) {
        demo_link_send(&w->link, "SET", key, value, NULL);
    } else {
        demo_link_send(&w->link, "GET", key, NULL);
    }
    w->turn++;
    worker_set(w, is_write ? WORKER_WRITES : WORKER_READS, DEMO_REQUEST_MS);
}

static void worker_wrote(struct worker *w)
{
    struct demo_client_counts *counts = &w->client->counts;
    msec_t now = loop_now(w->link.loop);
    msec_t gap = counts->last_write_ms == 0 ? 0 : now - counts->last_write_ms;

    counts->writes++;
    counts->last_write_ms = now;
    counts->last_written = w->at;
    counts->longest_gap_ms = gap > counts->longest_gap_ms ? gap : counts->longest_gap_ms;
}

static void worker_on_reply(void *ctx, const struct resp_value *reply)
{
    struct worker *w = ctx;

    if (resp_is(reply, RESP_ERROR)) { /* READONLY, LOADING, ...: not the master any more */
        worker_fail(w);
        return;
    }
    switch (w->state) {
    case WORKER_ASKS_ROLE:
        if (!resp_text_is(resp_item(reply, 0), "master")) {
            worker_fail(w);
            return;
        }
        break;
    case WORKER_WRITES:
        worker_wrote(w);
        break;
    case WORKER_READS:
        w->client->counts.reads++;
        break;
    case WORKER_WAITS:
    case WORKER_CONNECTS:
    case WORKER_RESTS: /* nothing was asked */
        worker_fail(w);
        return;
    }
    worker_set(w, WORKER_RESTS, DEMO_PACE_MS);
}

static void worker_on_open(void *ctx)
{
    struct worker *w = ctx;
    demo_link_send(&w->link, "ROLE", NULL);
    worker_set(w, WORKER_ASKS_ROLE, DEMO_REQUEST_MS);
}

static void worker_on_end(void *ctx)
{
    worker_fail(ctx);
}

static void worker_on_time(void *ctx)
{
    struct worker *w = ctx;

    switch (w->state) {
    case WORKER_WAITS:
        worker_connect(w);
        break;
    case WORKER_RESTS:
        worker_send(w);
        break;
    case WORKER_CONNECTS:
    case WORKER_ASKS_ROLE:
    case WORKER_WRITES:
    case WORKER_READS:
        worker_fail(w); /* no answer in time */
        break;
    }
}

/* ---- asking the monitors ---- */

static void demo_client_find(struct demo_client *client)
{
    if (loop_timer_is_set(client->finder_timer)) {
        return; /* on its way */
    }
    const struct addr *monitor = &client->monitors[client->finder_next];
    /* without a descriptor the timer asks the next one */
    (void)!demo_link_open(&client->finder, monitor, DEMO_OPEN_MS);
    loop_timer_at(client->finder_timer, loop_now(client->loop) + DEMO_FIND_MS);
}

static void finder_on_open(void *ctx)
{
    struct demo_client *client = ctx;
    demo_link_send(&client->finder, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", client->master_name,
                   NULL);
}

static void finder_try_next(void *ctx)
{
    struct demo_client *client = ctx;

    demo_link_close(&client->finder);
    client->finder_next = (client->finder_next + 1) % client->monitors_count;
    loop_timer_clear(client->finder_timer);
    if (client->master.port == 0) {
        demo_client_find(client);
    } /* else the next failure asks: the old answer may still be right */
}

static void finder_on_reply(void *ctx, const struct resp_value *reply)
{
    struct demo_client *client = ctx;
    struct addr at = {0};
    int64_t port = 0;

    if (!resp_integer(resp_item(reply, 1), &port) || port <= 0 || port > UINT16_MAX ||
        !addr_set(&at, resp_text(resp_item(reply, 0)), (uint16_t)port)) {
        finder_try_next(client);
        return;
    }
    demo_link_close(&client->finder);
    loop_timer_clear(client->finder_timer);
    client->master = at;
}

/* ---- the whole ---- */

struct demo_client *demo_client_create(struct loop *loop, const struct addr *monitors, size_t count,
                                       const char *master_name)
{
    struct demo_client *client = memory_zeroed(sizeof(*client));

    client->loop = loop;
    client->monitors = monitors;
    client->monitors_count = count;
    client->master_name = master_name;
    client->finder = (struct demo_link){.loop = loop,
                                        .ctx = client,
                                        .on_open = finder_on_open,
                                        .on_reply = finder_on_reply,
                                        .on_end = finder_try_next};
    client->finder_timer = loop_timer_create(loop, finder_try_next, client);
    for (size_t i = 0; i < DEMO_WORKERS; i++) {
        struct worker *w = &client->workers[i];
        w->client = client;
        w->number = i;
        w->link = (struct demo_link){.loop = loop,
                                     .ctx = w,
                                     .on_open = worker_on_open,
                                     .on_reply = worker_on_reply,
                                     .on_end = worker_on_end};
        w->timer = loop_timer_create(loop, worker_on_time, w);
        worker_connect(w);
    }
    demo_client_find(client);
    return client;
}

void demo_client_destroy(struct demo_client *client)
{
    if (client == NULL) {
        return;
    }
    for (size_t i = 0; i < DEMO_WORKERS; i++) {
        demo_link_close(&client->workers[i].link);
        loop_timer_destroy(client->workers[i].timer);
    }
    demo_link_close(&client->finder);
    loop_timer_destroy(client->finder_timer);
    free(client);
}

const struct demo_client_counts *demo_client_counts(const struct demo_client *client)
{
    return &client->counts;
}

void demo_client_reset_gap(struct demo_client *client)
{
    client->counts.longest_gap_ms = 0;
}

void demo_client_switched(struct demo_client *client, const struct addr *to)
{
    if (addr_same(&client->master, to)) {
        return;
    }
    client->master = *to;
    for (size_t i = 0; i < DEMO_WORKERS; i++) {
        struct worker *w = &client->workers[i];
        if (w->state != WORKER_WAITS && w->state != WORKER_RESTS) {
            client->counts.errors++; /* a request to the old master that nobody will answer */
        }
        worker_connect(w);
    }
}

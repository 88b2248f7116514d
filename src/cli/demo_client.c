#include "cli/demo_client.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/demo_link.h"

enum {
    DEMO_WORKERS = 4,
    DEMO_PACE_MS = 2,   /* between a reply and the next request: the servers share our cores */
    DEMO_RETRY_MS = 20, /* after a failure; shorter would only count more errors */
    DEMO_OPEN_MS = 500,
    DEMO_FIND_MS = 500,
    DEMO_TEXT_MAX = 32,
};

enum worker_state {
    WORKER_WAITS, /* for its timer, then connects */
    WORKER_CONNECTS,
    WORKER_ASKS_ROLE,
    WORKER_WRITES,
    WORKER_READS,
    WORKER_COUNTS,
    WORKER_RESTS, /* for its timer, then sends */
};

struct worker {
    struct demo_client *client;
    struct demo_link link;
    struct loop_timer *timer;
    enum worker_state state;
    struct addr at; /* where the connection goes */
    size_t number;
    msec_t sent_ms;    /* when the request was sent that is on its way */
    uint64_t marks;    /* bits set and acknowledged: the next write sets this one */
    uint64_t lost;     /* of them missing when last counted */
    bool is_read_next; /* else the next request writes, perhaps once more */
    bool is_uncounted;
};

struct demo_client {
    struct loop *loop;
    struct demo_client_plan plan;
    struct addr master; /* port 0: not known; the router's when there is one */
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

static bool worker_has_request(const struct worker *w)
{
    return w->state == WORKER_WRITES || w->state == WORKER_READS;
}

/* The request is over, whichever way. */
static void worker_note_length(struct worker *w)
{
    struct demo_client_counts *counts = &w->client->counts;
    msec_t length = loop_now(w->link.loop) - w->sent_ms;

    if (worker_has_request(w) && length > counts->longest_ms) {
        counts->longest_ms = length;
    }
}

static void worker_note_error(struct worker *w, const char *text)
{
    struct demo_client_counts *counts = &w->client->counts;

    worker_note_length(w);
    counts->errors++;
    text_cut(counts->last_error, sizeof(counts->last_error), text);
}

static void worker_fail(struct worker *w, const char *text)
{
    worker_note_error(w, text);
    demo_link_close(&w->link);
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
        worker_fail(w, "no descriptor left");
        return;
    }
    worker_set(w, WORKER_CONNECTS, w->client->plan.timeout_ms);
}

static void worker_send(struct worker *w)
{
    enum worker_state state = w->is_read_next ? WORKER_READS : WORKER_WRITES;
    char key[DEMO_TEXT_MAX];
    char mark[DEMO_TEXT_MAX];

    /* Both fit; a read asks for what was written last. */
    (void)snprintf(key, sizeof(key), "demo:marks:%zu", w->number);
    (void)snprintf(mark, sizeof(mark), "%" PRIu64, w->is_read_next ? w->marks - 1 : w->marks);
    if (w->is_uncounted && w->is_read_next) { /* no bit may be set that is not acknowledged */
        demo_link_send(&w->link, "BITCOUNT", key, NULL);
        state = WORKER_COUNTS;
    } else if (w->is_read_next) {
        demo_link_send(&w->link, "GETBIT", key, mark, NULL);
    } else {
        demo_link_send(&w->link, "SETBIT", key, mark, "1", NULL);
    }
    w->sent_ms = loop_now(w->link.loop);
    worker_set(w, state, w->client->plan.timeout_ms);
}

static void worker_wrote(struct worker *w)
{
    struct demo_client_counts *counts = &w->client->counts;
    msec_t now = loop_now(w->link.loop);
    msec_t gap = counts->last_write_ms == 0 ? 0 : now - counts->last_write_ms;

    w->marks++;
    counts->writes++;
    counts->last_write_ms = now;
    counts->last_written = w->at;
    counts->longest_gap_ms = gap > counts->longest_gap_ms ? gap : counts->longest_gap_ms;
}

static void worker_counted(struct worker *w, const struct resp_value *reply)
{
    struct demo_client_counts *counts = &w->client->counts;
    int64_t there = 0;

    if (resp_integer(reply, &there) && there >= 0 && (uint64_t)there <= w->marks) {
        counts->lost -= w->lost;
        w->lost = w->marks - (uint64_t)there;
        counts->lost += w->lost;
        counts->uncounted--;
        w->is_uncounted = false;
    }
}

/* Through the router the connection is as good as before, whatever the answer. */
static void worker_on_error(struct worker *w, const char *text)
{
    if (w->client->plan.router == NULL) { /* READONLY, LOADING, ...: not the master any more */
        worker_fail(w, text);
    } else {
        worker_note_error(w, text);
        worker_set(w, WORKER_RESTS, DEMO_RETRY_MS);
    }
}

static void worker_on_reply(void *ctx, const struct resp_value *reply)
{
    struct worker *w = ctx;

    if (resp_is(reply, RESP_ERROR)) {
        worker_on_error(w, resp_text(reply));
        return;
    }
    worker_note_length(w);
    switch (w->state) {
    case WORKER_ASKS_ROLE:
        if (!resp_text_is(resp_item(reply, 0), "master")) {
            worker_fail(w, "not a master");
            return;
        }
        break;
    case WORKER_WRITES:
        worker_wrote(w);
        w->is_read_next = true;
        break;
    case WORKER_READS:
        w->client->counts.reads++;
        w->is_read_next = false;
        break;
    case WORKER_COUNTS:
        worker_counted(w, reply);
        break;
    case WORKER_WAITS:
    case WORKER_CONNECTS:
    case WORKER_RESTS:
        worker_fail(w, "an answer to nothing");
        return;
    }
    worker_set(w, WORKER_RESTS, DEMO_PACE_MS);
}

static void worker_on_open(void *ctx)
{
    struct worker *w = ctx;

    if (w->client->plan.router != NULL) {
        worker_set(w, WORKER_RESTS, 0);
        return;
    }
    demo_link_send(&w->link, "ROLE", NULL);
    worker_set(w, WORKER_ASKS_ROLE, w->client->plan.timeout_ms);
}

static void worker_on_end(void *ctx)
{
    struct worker *w = ctx;

    w->client->counts.connections_lost += w->state != WORKER_CONNECTS;
    worker_fail(w, "the connection ended");
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
    case WORKER_COUNTS:
        worker_fail(w, "no answer in time");
        break;
    }
}

/* ---- asking the monitors ---- */

static void demo_client_find(struct demo_client *client)
{
    if (client->plan.router != NULL || loop_timer_is_set(client->finder_timer)) {
        return; /* nothing to find, or on its way */
    }
    const struct addr *monitor = &client->plan.monitors[client->finder_next];
    /* without a descriptor the timer asks the next one */
    (void)!demo_link_open(&client->finder, monitor, DEMO_OPEN_MS);
    loop_timer_at(client->finder_timer, loop_now(client->loop) + DEMO_FIND_MS);
}

static void finder_on_open(void *ctx)
{
    struct demo_client *client = ctx;
    demo_link_send(&client->finder, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", client->plan.master_name,
                   NULL);
}

static void finder_try_next(void *ctx)
{
    struct demo_client *client = ctx;

    demo_link_close(&client->finder);
    client->finder_next = (client->finder_next + 1) % client->plan.monitors_count;
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

struct demo_client *demo_client_create(struct loop *loop, const struct demo_client_plan *plan)
{
    struct demo_client *client = memory_zeroed(sizeof(*client));

    client->loop = loop;
    client->plan = *plan;
    if (plan->router != NULL) {
        client->master = *plan->router;
    }
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

void demo_client_reset_longest(struct demo_client *client)
{
    client->counts.longest_gap_ms = 0;
    client->counts.longest_ms = 0;
}

void demo_client_count_lost(struct demo_client *client)
{
    for (size_t i = 0; i < DEMO_WORKERS; i++) {
        client->workers[i].is_uncounted = true;
    }
    client->counts.uncounted = DEMO_WORKERS;
}

void demo_client_switched(struct demo_client *client, const struct addr *to)
{
    if (client->plan.router != NULL || addr_same(&client->master, to)) {
        return;
    }
    client->master = *to;
    for (size_t i = 0; i < DEMO_WORKERS; i++) {
        struct worker *w = &client->workers[i];
        if (w->state != WORKER_WAITS && w->state != WORKER_RESTS) {
            worker_note_error(w, "the master is another"); /* nobody will answer */
        }
        worker_connect(w);
    }
}

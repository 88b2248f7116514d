/* The way out: which requests wait for an answer, and one write a turn for each link. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/text.h"
#include "link/link_inside.h"

enum {
    FIFO_FIRST = 8,         /* PING, INFO and a hello; the transaction doubles it once */
    FIFO_KEEP = 64,         /* an emptied ring larger than this is given back */
    SETUP_NAME_MAX = 32,    /* "sentinel-" and 8 digits and "-pubsub" */
    SETUP_RUN_ID_DIGITS = 8 /* Sentinel's */
};

/* ---- the fifo ---- */

static void link_fifo_grow(struct link_fifo *fifo)
{
    uint32_t capacity = fifo->capacity == 0 ? FIFO_FIRST : fifo->capacity * 2;
    struct link_request *ring = memory_zeroed(capacity * sizeof(*ring));

    for (uint32_t i = 0; i < fifo->count; i++) {
        ring[i] = fifo->ring[(fifo->head + i) & (fifo->capacity - 1)];
    }
    free(fifo->ring);
    fifo->ring = ring;
    fifo->capacity = capacity;
    fifo->head = 0;
}

static void link_fifo_put(struct link_fifo *fifo, const struct link_request *request)
{
    if (fifo->count == fifo->capacity) {
        link_fifo_grow(fifo);
    }
    fifo->ring[(fifo->head + fifo->count) & (fifo->capacity - 1)] = *request;
    fifo->count++;
}

bool link_fifo_take(struct link_fifo *fifo, struct link_request *request)
{
    if (fifo->count == 0) {
        return false;
    }
    *request = fifo->ring[fifo->head];
    fifo->head = (fifo->head + 1) & (fifo->capacity - 1);
    fifo->count--;
    if (fifo->count == 0 && fifo->capacity > FIFO_KEEP) {
        link_fifo_finish(fifo);
    }
    return true;
}

void link_fifo_finish(struct link_fifo *fifo)
{
    free(fifo->ring);
    *fifo = (struct link_fifo){0};
}

/* ---- the output ---- */

static struct buf *link_dirty(struct link *link)
{
    struct links *links = link->links;

    if (link->out == NULL) {
        struct link_out *out = links->outs;
        if (out != NULL) {
            links->outs = out->next;
        } else {
            out = memory_zeroed(sizeof(*out));
        }
        link->out = out;
        link->next_dirty = links->dirty;
        links->dirty = link;
        links_arm_soon(links);
    }
    return &link->out->buf;
}

static void link_give_out_back(struct link *link)
{
    struct links *links = link->links;

    buf_clear(&link->out->buf);
    link->out->next = links->outs;
    links->outs = link->out;
    link->out = NULL;
}

void link_undirty(struct link *link)
{
    struct link **at = &link->links->dirty;

    if (link->out == NULL) {
        return;
    }
    while (*at != link) {
        ASSERT(*at != NULL);
        at = &(*at)->next_dirty;
    }
    *at = link->next_dirty;
    link_give_out_back(link);
}

void links_flush(struct links *links)
{
    while (links->dirty != NULL) {
        struct link *link = links->dirty;
        links->dirty = link->next_dirty;
        conn_writebuf(link->cmd, &link->out->buf);
        link_give_out_back(link);
    }
    if (links->due_first == NULL && links->closed == NULL) {
        loop_timer_clear(links->soon);
    }
}

/* ---- requests ---- */

const char *link_command(const struct link *link, const char *command)
{
    const char *at = link->renames;

    while (at != NULL && *at != '\0') {
        const char *to = at + strlen(at) + 1;
        if (text_same(at, command)) {
            return to;
        }
        at = to + strlen(to) + 1;
    }
    return command;
}

bool link_may_send(struct link *link, uint32_t requests)
{
    uint32_t max = link->kind == KIND_PEER ? LINK_PENDING_PEER_MAX : LINK_PENDING_MAX;

    if (link->phase != LINK_PHASE_UP || link->fifo.count + requests > max) {
        link->links->counts.dropped++;
        return false;
    }
    return true;
}

struct buf *link_begin(struct link *link, const struct link_request *request)
{
    if (!link_may_send(link, 1)) {
        return NULL;
    }
    link_fifo_put(&link->fifo, request);
    link->links->counts.requests++;
    return link_dirty(link);
}

uint32_t link_setup_replies(const struct link *link)
{
    return link->pass != NULL ? 2 : 1;
}

void link_write_setup(struct link *link, struct buf *out, const char *suffix)
{
    char name[SETUP_NAME_MAX];

    if (link->pass != NULL && link->user != NULL) {
        RESP_COMMAND(out, link_command(link, "AUTH"), link->user, link->pass);
    } else if (link->pass != NULL) {
        RESP_COMMAND(out, link_command(link, "AUTH"), link->pass);
    }
    (void)snprintf(name, sizeof(name), "sentinel-%.*s-%s", SETUP_RUN_ID_DIGITS, link->links->run_id,
                   suffix); /* always fits */
    RESP_COMMAND(out, link_command(link, "CLIENT"), "SETNAME", name);
}

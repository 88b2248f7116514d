#ifndef HTTP_HAPROXY_QUEUE_H
#define HTTP_HAPROXY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "http/haproxy_word.h"

/*
 * What HAProxy must still be told through its Runtime API: per server the newest word and the one
 * it has. So the queue is as long as there are servers, and the latest word wins. Pure.
 */

enum {
    HAPROXY_NAME_MAX = 64,          /* of a backend or server */
    HAPROXY_SERVERS_MAX = 512,      /* 30 machines in a dozen backends */
    HAPROXY_BATCH_MAX_BYTES = 8000, /* HAProxy reads a line of at most tune.bufsize, 16384 */
    HAPROXY_BATCH_MAX = 128,        /* commands; as many replies are remembered */
};

struct haproxy_server {
    char service[VIEW_NAME_MAX];
    char member[VIEW_NAME_MAX];
    char backend[HAPROXY_NAME_MAX];
    char server[HAPROXY_NAME_MAX];
    bool has_agent; /* agent-check on its line in haproxy.cfg */
};

struct haproxy_row {
    struct haproxy_server names;
    struct haproxy_word wanted;
    struct haproxy_word told; /* NOTHING: we do not know what it has */
    struct haproxy_word sent; /* in the batch that is on its way */
    bool is_sent;
    bool is_refused; /* its last reply was an error: told once, tried again with the next change */
};

struct haproxy_queue {
    struct haproxy_row rows[HAPROXY_SERVERS_MAX];
    size_t count;
    size_t batch[HAPROXY_BATCH_MAX]; /* the row of each command that is on its way */
    size_t batch_count;
};

/* False when there is no room, or a name is empty or has what the API parts commands with. */
bool haproxy_queue_add(struct haproxy_queue *q, const struct haproxy_server *names);

/* Looks up what each server is to be told now. True when there is something to send. */
bool haproxy_queue_update(struct haproxy_queue *q, const struct site_view *view);

bool haproxy_queue_is_due(const struct haproxy_queue *q);

/* HAProxy has what its file says: another process, or one that we never spoke to. */
void haproxy_queue_forget(struct haproxy_queue *q);

/* Gives HAProxy back to its own checks: all that was told down or slow is made ready again. What
 * the operator drained stays drained. */
void haproxy_queue_release(struct haproxy_queue *q);

/* The next commands, joined by ';', without the line end. False, and nothing appended, when there
 * is nothing to tell. Then either _answered() for each command in order and _done(), or _failed().
 */
bool haproxy_queue_batch(struct haproxy_queue *q, struct buf *out);

/* What HAProxy said to command i; "" is yes. The row's names when it is news that a person must
 * hear of, else NULL. */
const struct haproxy_server *haproxy_queue_answered(struct haproxy_queue *q, size_t i,
                                                    const char *reply);
void haproxy_queue_done(struct haproxy_queue *q);
void haproxy_queue_failed(struct haproxy_queue *q); /* all of the batch is still to be told */

#endif

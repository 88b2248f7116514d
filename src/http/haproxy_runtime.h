#ifndef HTTP_HAPROXY_RUNTIME_H
#define HTTP_HAPROXY_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "http/haproxy_queue.h"
#include "loop/loop.h"

/*
 * Tells HAProxy through its Runtime API what the site's members are worth, the moment it changes:
 * "set server b/s state maint|ready|drain", "weight", "shutdown sessions". One connection to the
 * stats socket for each batch of commands, which is how HAProxy wants scripts to use it.
 *
 * A socket that is gone is tried again with growing pauses. Each batch, and a look every
 * check_ms, asks for HAProxy's pid too: another one was restarted or reloaded, has what its file
 * says, and is told everything anew.
 *
 * When holdfast ends without a word (SIGKILL) HAProxy keeps what it was told last. When it stops in
 * order, haproxy_runtime_release() hands the servers back first.
 */
struct haproxy_runtime;

enum {
    HAPROXY_CHECK_MS = 1000,  /* default: how long a reloaded HAProxy goes without us at most */
    HAPROXY_ANSWER_MS = 2000, /* a batch takes it less than 1 ms */
    HAPROXY_RETRY_MS = 50,    /* the first pause after a failure; doubles */
    HAPROXY_RETRY_MAX_MS = 2000,
};

struct haproxy_runtime_plan {
    const char *socket_path; /* `stats socket PATH level admin` in haproxy.cfg */
    const struct haproxy_server *servers;
    size_t servers_count;
    const struct site_view *view; /* stays the caller's */
    msec_t check_ms;              /* 0: as above */
};

struct haproxy_runtime_counts {
    uint64_t batches;  /* answered */
    uint64_t failures; /* socket gone, no answer */
    uint64_t refusals; /* commands that HAProxy did not take */
    uint64_t restarts; /* another pid */
    bool is_connected; /* the last batch was answered */
};

/* The plan is only read during the call. NULL and *err when a name cannot be told to HAProxy. */
struct haproxy_runtime *haproxy_runtime_create(struct loop *loop,
                                               const struct haproxy_runtime_plan *plan,
                                               struct err *err) MUST_CHECK;

/* The view has changed: what HAProxy does not have is sent at once. */
void haproxy_runtime_update(struct haproxy_runtime *rt);

/* Hands all servers back to HAProxy's own checks, then calls on_done once, also when HAProxy cannot
 * be reached (after one try). Nothing is told to it from then on. */
void haproxy_runtime_release(struct haproxy_runtime *rt, loop_call on_done, void *ctx);

void haproxy_runtime_destroy(struct haproxy_runtime *rt); /* at once; NULL is allowed */

struct haproxy_runtime_counts haproxy_runtime_counts(const struct haproxy_runtime *rt);

#endif

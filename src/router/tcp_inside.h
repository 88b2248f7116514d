#ifndef ROUTER_TCP_INSIDE_H
#define ROUTER_TCP_INSIDE_H

/*
 * What the files of the TCP relay share. One worker is one thread with one loop; what two threads
 * touch is in struct tcp_shared, and the counters, which others read.
 */

#include <pthread.h>

#include "loop/conn.h"
#include "router/tcp_endpoint.h"

enum {
    TCP_READ_MAX_BYTES = 16 << 10, /* stays in the cache until it is sent; 64 KiB cost half as much
                                      again for replies of a megabyte */
    TCP_KEEPALIVE_S = 60, /* both sides: who vanished without a word is noticed in two minutes */
    TCP_RETRY_MS = 100,   /* before a member that failed for a client is tried for it again */
    TCP_HOUSEKEEPING_MS = 1000, /* looking for the idle */
    TCP_TELL_MS = 1000,         /* of what may happen often, one line is logged in this time */
};

struct tcp_worker;
struct tcp_link;

/* ---- one client and its member ---- */

/*
 *   accepted -> HELD <-> CONNECTING -> OPEN -> gone
 *                 ^_____________________/  (cut or reset before a byte was carried)
 */
enum tcp_phase {
    TCP_PHASE_SEEKING,    /* only inside tcp_link_try(): no member, and not held */
    TCP_PHASE_HELD,       /* waits for a member; the client is not read */
    TCP_PHASE_CONNECTING, /* the same */
    TCP_PHASE_OPEN,
};

struct tcp_side {
    struct tcp_link *link;
    struct conn *conn; /* NULL: not connected, or gone */
    bool is_finished;  /* it sends no more */
    bool is_told;      /* that the other one does not */
};

struct tcp_link {
    struct tcp_link *next; /* in worker->links */
    struct tcp_link *before;
    struct tcp_link *next_held;
    struct tcp_link *before_held;
    struct tcp_worker *worker;
    struct tcp_side client;
    struct tcp_side member;
    enum tcp_phase phase;
    unsigned member_id; /* when CONNECTING or OPEN */
    uint32_t tried;     /* bit id: failed for it lately */
    bool was_held;      /* counted */
    bool has_carried;   /* a byte, or an end, was read from either side */
    msec_t since_ms;    /* it waits for a member, or waited for the one it has */
    msec_t active_at_ms;
};

/* ---- the thread ---- */

/* Touched by all workers of an endpoint. */
struct tcp_shared {
    unsigned connections;
    unsigned held;
    unsigned open[TCP_MEMBERS_MAX];
};

static inline unsigned tcp_shared_add(unsigned *count)
{
    return __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
}

static inline void tcp_shared_sub(unsigned *count)
{
    (void)__atomic_sub_fetch(count, 1, __ATOMIC_RELAXED); /* only the effect is wanted */
}

/* Only the worker writes its counters. */
#define TCP_COUNT(counts, name, n)                                                                 \
    __atomic_store_n(&(counts)->name, (counts)->name + (uint64_t)(n), __ATOMIC_RELAXED)

struct tcp_worker {
    const struct tcp_endpoint_plan *plan; /* the endpoint's copy */
    struct tcp_shared *shared;
    struct loop *control;
    loop_call on_drained; /* posted once, with endpoint */
    void *endpoint;

    struct loop *loop;
    pthread_t thread;
    bool is_started;
    unsigned index;
    struct listener *listeners[ROUTER_LISTENS_MAX];
    size_t listeners_count;
    struct loop_timer *tick;
    msec_t tick_at_ms;

    struct tcp_target_set set;
    struct choice_member choices[TCP_MEMBERS_MAX]; /* the set by id, as the pool sees it */
    int last;                                      /* id of the one that is_last */
    struct member_balance balance;
    msec_t cut_at_ms; /* the next of the set's that is to come */
    struct tcp_link *links;
    struct tcp_link *held_first; /* the oldest */
    struct tcp_link *held_last;
    msec_t retry_at_ms; /* those held may try all members again */
    msec_t housekeeping_at_ms;
    bool is_draining;
    bool is_drained;
    msec_t drain_until_ms;

    struct tcp_counts counts;
    struct tcp_member_counts members[TCP_MEMBERS_MAX];
    uint64_t held_longest_ms;
    msec_t told_at_ms;
};

struct tcp_worker_plan {
    const struct tcp_endpoint_plan *plan; /* must outlive the worker */
    struct tcp_shared *shared;
    struct loop *control;
    loop_call on_drained; /* posted once after tcp_worker_drain(), when no link is left */
    void *endpoint;
    const int *fds; /* listening, one for each of plan->listens */
    unsigned index;
};

/* Also with port 0, which addr_is_set() takes for none. */
static inline bool tcp_listen_is_unix(const struct router_listen *listen)
{
    return listen->path[0] != '\0';
}

/* ---- tcp_worker.c ---- */

/* Prepares; tcp_worker_start() runs it. After a failure tcp_worker_close() clears what there is. */
bool tcp_worker_open(struct tcp_worker *w, const struct tcp_worker_plan *plan,
                     struct err *err) MUST_CHECK;
bool tcp_worker_start(struct tcp_worker *w, struct err *err) MUST_CHECK;
void tcp_worker_close(struct tcp_worker *w); /* ends the thread; zeroed is allowed */

/* Called on the worker's thread (loop_post). */
void tcp_worker_follow(struct tcp_worker *w, const struct tcp_target_set *set);
void tcp_worker_drain(struct tcp_worker *w);

msec_t tcp_worker_now(const struct tcp_worker *w);
void tcp_worker_tick_by(struct tcp_worker *w, msec_t at_ms); /* looks around then, or earlier */

/* The member of an id, NULL when it is not in the set. */
const struct tcp_member *tcp_worker_member(const struct tcp_worker *w, unsigned id);

/* True when a line may be logged about what can happen often. */
bool tcp_worker_may_tell(struct tcp_worker *w);

/* ---- tcp_pick.c ---- */

void tcp_pick_follow(struct tcp_worker *w, const struct tcp_target_set *set);

/* Who gets this client next; NULL when there is nobody that was not tried for it. */
const struct tcp_member *tcp_pick(struct tcp_worker *w, const struct tcp_link *l);

/* ---- tcp_link.c ---- */

void tcp_link_accept(void *ctx, struct conn *c); /* a listener_accept; ctx is the worker */

/* Picks a member and connects to it, or holds the client. May free l. */
void tcp_link_try(struct tcp_link *l);

/* Its member is not to be used any more: tries another if the client cannot notice, else resets
 * both. May free l. */
void tcp_link_leave_member(struct tcp_link *l);

bool tcp_link_has_left(const struct tcp_link *l); /* the client, while it is not read */

void tcp_link_reset(struct tcp_link *l); /* both sides; frees l */
void tcp_link_close(struct tcp_link *l); /* both sides, in order; frees l */

/* ---- tcp_held.c ---- */

/* Lets l wait, the oldest first. False when too many do. */
bool tcp_held_add(struct tcp_worker *w, struct tcp_link *l) MUST_CHECK;
void tcp_held_remove(struct tcp_worker *w, struct tcp_link *l);

/* All try again; forgives what failed for them when asked to. */
void tcp_held_release(struct tcp_worker *w, bool forgives);
void tcp_held_expire(struct tcp_worker *w, msec_t now_ms);
void tcp_held_forget_gone(struct tcp_worker *w);  /* clients that left while they waited */
msec_t tcp_held_next(const struct tcp_worker *w); /* when there is something to do; or NEVER */

#endif

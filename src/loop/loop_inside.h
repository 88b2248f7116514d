#ifndef LOOP_LOOP_INSIDE_H
#define LOOP_LOOP_INSIDE_H

/* What the files of this room share. Nobody outside includes it. */

#include <event2/event.h>

#include "base/buf.h"
#include "loop/loop.h"

struct conn;
struct loop_timer;
struct loop_signal_row;
struct work_room;
struct resolve_room;
struct post_room;

enum {
    LOOP_SCRATCH_BYTES = 64 * 1024, /* one read of any connection */
    LOOP_FRONT_BYTES = 64 * 1024,   /* in front of it: what the last read left */
};

/* Something to call at the end of a turn. Zeroed memory with run and ctx set. */
struct loop_task {
    struct loop_task *next;
    loop_call run;
    void *ctx;
    bool is_queued;
};

struct loop {
    struct event_base *base;
    bool is_stopping;
    bool now_is_stale;
    msec_t now_ms;

    int timer_fd;
    struct event *timer_event;
    msec_t armed_ms; /* when timer_fd fires; MSEC_NEVER when it does not */
    struct loop_timer **heap;
    size_t heap_len;
    size_t heap_capacity;
    uint64_t timers_set; /* counts calls of loop_timer_at() */

    struct loop_task *tasks;
    struct loop_task **tasks_end;

    struct loop_signal_row *signals;
    struct event *child_event; /* SIGCHLD, from the first child on */
    struct child *children;
    struct work_room *work;
    struct resolve_room *resolve;
    struct post_room *post;

    char *scratch;   /* LOOP_SCRATCH_BYTES and a '\0', behind LOOP_FRONT_BYTES */
    struct buf cork; /* what the handler of corked has written so far */
    struct conn *corked;
};

/* Calls task->run(ctx) at the end of this turn, or of the next when called by a task. The memory
 * must stay until then. A task that waits already is not queued twice. */
void loop_defer(struct loop *loop, struct loop_task *task);

/* loop_timer.c */
void loop_timer_run_due(struct loop *loop);
msec_t loop_timer_next(const struct loop *loop); /* MSEC_NEVER when none is set */

/* loop_post.c */
bool loop_post_open(struct loop *loop, struct err *err);

/* child.c, loop_work.c, loop_resolve.c: the ends of loop_destroy() */
void child_forget_all(struct loop *loop);
void loop_work_finish(struct loop *loop);
void loop_resolve_finish(struct loop *loop);
void loop_post_finish(struct loop *loop);

#endif

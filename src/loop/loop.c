#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "loop/log.h"
#include "loop/loop_inside.h"

struct loop_signal_row {
    struct loop_signal_row *next;
    struct event *event;
    loop_call on_signal;
    void *ctx;
};

struct loop_watch {
    struct event *event;
    loop_call on_readable;
    void *ctx;
};

/* ---- the turn ---- */

static msec_t loop_clock(clockid_t clock)
{
    struct timespec t;

    int failed = clock_gettime(clock, &t);
    ASSERT(failed == 0);
    return (msec_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * Sleeping is left to one timerfd instead of libevent's timers: it follows CLOCK_BOOTTIME, so a
 * deadline that passed while the machine was suspended is seen on waking, it is exact to the
 * millisecond where libevent reads a coarse clock, and it is touched only when the next deadline
 * moves forward. Returns false when there is something to do at once.
 */
static bool loop_arm(struct loop *loop)
{
    msec_t next_ms = loop_timer_next(loop);

    if (loop->tasks != NULL || loop->is_stopping) {
        return false;
    }
    if (next_ms >= loop->armed_ms) {
        return true;
    }
    if (next_ms <= loop_now(loop)) {
        return false;
    }
    struct itimerspec when = {
        .it_value = {.tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000}};
    int failed = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    ASSERT(failed == 0);
    loop->armed_ms = next_ms;
    return true;
}

static void loop_on_timer_fd(evutil_socket_t fd, short what, void *ctx)
{
    struct loop *loop = ctx;

    (void)fd; /* edge-triggered: it need not be read */
    (void)what;
    loop->armed_ms = MSEC_NEVER;
}

static void loop_run_tasks(struct loop *loop)
{
    struct loop_task *task = loop->tasks;

    loop->tasks = NULL;
    loop->tasks_end = &loop->tasks;
    while (task != NULL) {
        struct loop_task *next = task->next; /* task's memory may be gone after run */
        task->next = NULL;
        task->is_queued = false;
        task->run(task->ctx);
        task = next;
    }
}

void loop_run(struct loop *loop)
{
    while (!loop->is_stopping) {
        int flags = loop_arm(loop) ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;
        loop->now_is_stale = true;
        int failed = event_base_loop(loop->base, flags);
        ASSERT(failed >= 0);
        loop->now_is_stale = true;
        loop_timer_run_due(loop);
        loop_run_tasks(loop);
    }
    loop->is_stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (!task->is_queued) {
        task->is_queued = true;
        task->next = NULL;
        *loop->tasks_end = task;
        loop->tasks_end = &task->next;
    }
}

msec_t loop_now(struct loop *loop)
{
    if (loop->now_is_stale) {
        loop->now_ms = loop_clock(CLOCK_BOOTTIME);
        loop->now_is_stale = false;
    }
    return loop->now_ms;
}

int64_t loop_unix_ms(void)
{
    return loop_clock(CLOCK_REALTIME);
}

int64_t loop_usec(void)
{
    struct timespec t;

    int failed = clock_gettime(CLOCK_MONOTONIC, &t);
    ASSERT(failed == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void loop_random(void *bytes, size_t len)
{
    char *to = bytes;

    while (len > 0) {
        ssize_t got = getrandom(to, len, 0);
        ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            to += got;
            len -= (size_t)got;
        }
    }
}

/* ---- beginning and end ---- */

static void loop_on_libevent_log(int severity, const char *text)
{
    if (severity >= EVENT_LOG_WARN) {
        log_warning("event loop: %s", text);
    } else {
        log_debug("event loop: %s", text);
    }
}

static bool loop_open(struct loop *loop, struct err *err)
{
    struct event_config *config = event_config_new();

    if (config == NULL || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) != 0 ||
        event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME) != 0) {
        event_config_free(config);
        return err_set(err, "event loop: out of memory");
    }
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL) {
        return err_set(err, "event loop: %s", strerror(errno));
    }
    loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0) {
        return err_set(err, "timerfd_create: %s", strerror(errno));
    }
    loop->timer_event =
        event_new(loop->base, loop->timer_fd, EV_READ | EV_PERSIST | EV_ET, loop_on_timer_fd, loop);
    if (loop->timer_event == NULL || event_add(loop->timer_event, NULL) != 0) {
        return err_set(err, "event loop: cannot watch the timer");
    }
    return loop_post_open(loop, err);
}

struct loop *loop_create(struct err *err)
{
    struct loop *loop = memory_zeroed(sizeof(*loop));
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    loop->timer_fd = -1;
    loop->armed_ms = MSEC_NEVER;
    loop->now_is_stale = true;
    loop->tasks_end = &loop->tasks;
    loop->scratch =
        (char *)memory_zeroed(LOOP_FRONT_BYTES + LOOP_SCRATCH_BYTES + 1) + LOOP_FRONT_BYTES;
    (void)sigaction(SIGPIPE, &ignore, NULL); /* cannot fail for a signal that exists */
    event_set_log_callback(loop_on_libevent_log);
    if (!loop_open(loop, err)) {
        loop_destroy(loop);
        return NULL;
    }
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    while (loop->tasks != NULL) { /* connections closed in the last turn free themselves here */
        loop_run_tasks(loop);
    }
    loop_work_finish(loop);
    loop_resolve_finish(loop);
    loop_post_finish(loop);
    child_forget_all(loop);
    while (loop->signals != NULL) {
        struct loop_signal_row *row = loop->signals;
        loop->signals = row->next;
        event_free(row->event);
        free(row);
    }
    ASSERT(loop->heap_len == 0);
    free(loop->heap);
    if (loop->timer_event != NULL) {
        event_free(loop->timer_event);
    }
    if (loop->timer_fd >= 0) {
        (void)close(loop->timer_fd); /* nothing was written to it */
    }
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    buf_finish(&loop->cork);
    free(loop->scratch - LOOP_FRONT_BYTES);
    free(loop);
}

/* ---- signals and the descriptors of others ---- */

static void loop_on_signal(evutil_socket_t signo, short what, void *ctx)
{
    struct loop_signal_row *row = ctx;

    (void)signo;
    (void)what;
    row->on_signal(row->ctx);
}

bool loop_signal(struct loop *loop, int signo, loop_call on_signal, void *ctx, struct err *err)
{
    ASSERT(signo != SIGCHLD); /* child.c has it */
    struct loop_signal_row *row = memory_zeroed(sizeof(*row));

    row->on_signal = on_signal;
    row->ctx = ctx;
    row->event = event_new(loop->base, signo, EV_SIGNAL | EV_PERSIST, loop_on_signal, row);
    if (row->event == NULL || event_add(row->event, NULL) != 0) {
        if (row->event != NULL) {
            event_free(row->event);
        }
        free(row);
        return err_set(err, "signal %d cannot be caught", signo);
    }
    row->next = loop->signals;
    loop->signals = row;
    return true;
}

static void loop_on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct loop_watch *w = ctx;

    (void)fd;
    (void)what;
    w->on_readable(w->ctx);
}

struct loop_watch *loop_watch_open(struct loop *loop, int fd, loop_call on_readable, void *ctx)
{
    struct loop_watch *w = memory_zeroed(sizeof(*w));

    w->on_readable = on_readable;
    w->ctx = ctx;
    w->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, loop_on_readable, w);
    if (w->event == NULL || event_add(w->event, NULL) != 0) {
        assert_fail(__FILE__, __LINE__, __func__, "a descriptor cannot be watched");
    }
    return w;
}

void loop_watch_close(struct loop_watch *w)
{
    if (w != NULL) {
        event_free(w->event);
        free(w);
    }
}

#ifndef NOTIFY_NOTIFY_H
#define NOTIFY_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/msec.h"
#include "loop/loop.h"

/*
 * The queue of notification-script and client-reconfig-script, as Sentinel's: scripts start in the
 * order they were given, some at a time; one that exits with 1 or dies by a signal is run again
 * later, one that exits with 2 or more is not; one that runs too long is killed (and, killed by a
 * signal, run again). One that cannot be started counts as exit code 2, or as 1 when only a process
 * could not be had.
 */
struct notify;

enum {
    NOTIFY_ARGS_MAX = 16,      /* Sentinel's SENTINEL_SCRIPT_MAX_ARGS, the path included */
    NOTIFY_QUEUE_MAX = 256,    /* Sentinel's; the oldest that does not run is dropped */
    NOTIFY_RUNNING_MAX = 16,   /* Sentinel's */
    NOTIFY_TRIES_MAX = 10,     /* Sentinel's: 30 s x 2^9 is already 4 hours */
    NOTIFY_RUNTIME_MS = 60000, /* Sentinel's script-max-runtime */
    NOTIFY_RETRY_MS = 30000,   /* Sentinel's script-retry-delay: doubled at each try */
};

enum notify_failure {
    NOTIFY_ERROR,   /* -script-error <path> <signal> <exit code>: no further try */
    NOTIFY_TIMEOUT, /* -script-timeout <path> <pid> */
};

struct notify_report {
    enum notify_failure type;
    const char *path;
    int term_signal; /* 0 when it exited */
    int exit_code;
    pid_t pid;
};

/* Comes from a turn of the loop. NULL: nobody wants to know. */
typedef void (*notify_failed)(void *ctx, const struct notify_report *report);

struct notify *notify_create(struct loop *loop, notify_failed on_failed, void *ctx) MUST_CHECK;

/* Kills what runs and starts nothing any more; no callback comes any more.
 * Before loop_destroy(). */
void notify_close(struct notify *notify);

/* After notify_close(), and after loop_destroy() unless nothing runs any more: until then the loop
 * knows the children that were killed. */
void notify_destroy(struct notify *notify);

/* SENTINEL DEBUG script-max-runtime and script-retry-delay; for scripts that start from now on. */
void notify_tune(struct notify *notify, msec_t runtime_ms, msec_t retry_ms);

/* Queues a script; argv[0] is its path. Copies. argc is 1 to NOTIFY_ARGS_MAX. It starts in the same
 * turn at the earliest, never inside the call. */
void notify_run(struct notify *notify, size_t argc, const char *const argv[]);

size_t notify_running(const struct notify *notify);
size_t notify_queued(const struct notify *notify); /* the running ones included, as INFO sentinel */

/* PENDING-SCRIPTS, in the order of the queue. False past the end.
 * Texts live until the next turn. */
struct notify_view {
    size_t argc;
    const char *const *argv;
    bool is_running;
    pid_t pid;           /* 0 unless it runs */
    msec_t run_time_ms;  /* since it started */
    msec_t run_delay_ms; /* until it may start; 0 when it may */
    uint32_t retries;    /* retry-num */
};
bool notify_view(const struct notify *notify, size_t index, struct notify_view *view);

#endif

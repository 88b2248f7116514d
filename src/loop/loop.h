#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/msec.h"

/*
 * One thread that waits for descriptors, timers, signals and children, and calls back. Every
 * callback runs on the thread that calls loop_run(), never from inside the call that asked for it.
 * Anything may be destroyed inside any callback, also the object the callback belongs to. One loop
 * of a process may use signals and children.
 */
struct loop;
struct loop_timer;
struct loop_watch;
struct loop_name; /* a host name being resolved */
struct child;

typedef void (*loop_call)(void *ctx);

/* Also makes the process ignore SIGPIPE. NULL and *err when the kernel refuses. */
struct loop *loop_create(struct err *err) MUST_CHECK;

/* Waits for the jobs given to loop_work() (their done functions are not called); drops timers,
 * watches, signals and names. Children that still run go on without us, and their on_exit never
 * comes: who must not leave any calls child_kill() first. Connections and listeners must be
 * closed. */
void loop_destroy(struct loop *loop);

void loop_run(struct loop *loop); /* until loop_stop() */

/* loop_run() returns at the end of the turn. One that comes before loop_run() counts too. */
void loop_stop(struct loop *loop);

/* Time since the machine started, suspend counted (CLOCK_BOOTTIME); the same for all callbacks of
 * one turn. */
msec_t loop_now(struct loop *loop);

/* Wall clock, ms since 1970: to show to people, never to decide by. */
int64_t loop_unix_ms(void);

/* Microseconds of a monotonic clock, read anew by every call: to measure with. */
int64_t loop_usec(void);

/* Unpredictable bytes from the kernel: run ids, seeds. Blocks only while the machine starts. */
void loop_random(void *bytes, size_t len);

/* ---- timers ---- */

/* A timer that is not set. The caller owns it. */
struct loop_timer *loop_timer_create(struct loop *loop, loop_call on_time, void *ctx) MUST_CHECK;

/* Calls back once, in the first turn in which loop_now() is at_ms or later; replaces what was set.
 * Timers of one turn come in the order of their times, those of the same time in the order they
 * were set. MSEC_NEVER clears. One set to now inside a callback comes in the next turn. */
void loop_timer_at(struct loop_timer *t, msec_t at_ms);
void loop_timer_clear(struct loop_timer *t);
bool loop_timer_is_set(const struct loop_timer *t);
void loop_timer_destroy(struct loop_timer *t);

/* ---- descriptors of others ---- */

/* Calls back in each turn in which fd is readable, until closed. The fd stays the caller's. */
struct loop_watch *loop_watch_open(struct loop *loop, int fd, loop_call on_readable,
                                   void *ctx) MUST_CHECK;
void loop_watch_close(struct loop_watch *w);

/* ---- signals ---- */

/* From now until loop_destroy() signo calls back instead of what it did. */
bool loop_signal(struct loop *loop, int signo, loop_call on_signal, void *ctx,
                 struct err *err) MUST_CHECK;

/* ---- children ---- */

struct child_end {
    int exit_code;   /* -1 when a signal ended it */
    int term_signal; /* 0 when it exited */
    bool timed_out;  /* we killed it because of timeout_ms */
};

struct child_plan {
    const char *const *argv; /* argv[0] is the path; ends with NULL */
    const char *const *env;  /* ends with NULL; NULL is our own environment */
    msec_t timeout_ms;       /* then SIGKILL; 0 is never */
    void (*on_exit)(void *ctx, const struct child_end *end);
    void *ctx;
};

/* Starts a program in a process group of its own, with our descriptors 0 to 2, no other, and with
 * default signals. The plan is only read during the call. The child is freed after on_exit. NULL,
 * *err and errno when it cannot be started (also when the file cannot be executed). */
struct child *child_start(struct loop *loop, const struct child_plan *plan,
                          struct err *err) MUST_CHECK;
pid_t child_pid(const struct child *child);
void child_kill(struct child *child); /* SIGKILL to its group; on_exit comes as always */

/* ---- from other threads ---- */

/* Runs call(ctx) on the loop's thread, in the order posted. The only function of this file that
 * another thread may call, and only while the loop lives; what still waits when it is destroyed is
 * not called. */
void loop_post(struct loop *loop, loop_call call, void *ctx);

/* ---- the helper thread ---- */

/* Runs work(ctx) on the one helper thread, jobs in the order given, then done(ctx) on the loop's
 * thread. done may be NULL. False, and nothing happens, when LOOP_WORK_MAX jobs wait or there is no
 * thread to be had. */
bool loop_work(struct loop *loop, loop_call work, loop_call done, void *ctx) MUST_CHECK;

/* ---- names ---- */

/* ip is NULL when there is no answer, why then says it; both live only during the call. */
typedef void (*loop_name_call)(void *ctx, const char *ip, const char *why);

/* Asks the system (hosts file, DNS) on a thread of its own, one name after the other; the first
 * address of any family, as Sentinel. A number is answered with itself. The handle is good until
 * on_answer is called or loop_resolve_cancel(). */
struct loop_name *loop_resolve(struct loop *loop, const char *host, loop_name_call on_answer,
                               void *ctx) MUST_CHECK;
void loop_resolve_cancel(struct loop_name *name);

enum {
    LOOP_WORK_MAX = 1024,   /* the store gives one job at a time; more is a bug or a dead disk */
    LOOP_RESOLVE_MAX = 1024 /* names waiting: above the hosts one site has */
};

#endif

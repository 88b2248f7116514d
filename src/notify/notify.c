#include "notify/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/memory.h"
#include "loop/log.h"

struct notify_job {
    struct notify_job *next;
    struct notify *notify;
    struct child *child; /* NULL: it waits */
    msec_t start_at;     /* when it started, or when it may */
    uint32_t retries;
    size_t argc;
    const char *argv[NOTIFY_ARGS_MAX + 1]; /* into text, NULL at the end */
    char text[];
};

struct notify {
    struct loop *loop;
    notify_failed on_failed;
    void *ctx;
    msec_t runtime_ms;
    msec_t retry_ms;
    struct notify_job *first; /* in the order given */
    size_t queued;
    size_t running;
    struct loop_timer *next_start;
    bool is_closed;
};

static void notify_start_due(void *ctx);

struct notify *notify_create(struct loop *loop, notify_failed on_failed, void *ctx)
{
    struct notify *notify = memory_zeroed(sizeof(*notify));

    notify->loop = loop;
    notify->on_failed = on_failed;
    notify->ctx = ctx;
    notify->runtime_ms = NOTIFY_RUNTIME_MS;
    notify->retry_ms = NOTIFY_RETRY_MS;
    notify->next_start = loop_timer_create(loop, notify_start_due, notify);
    return notify;
}

void notify_close(struct notify *notify)
{
    if (notify == NULL || notify->is_closed) {
        return;
    }
    notify->is_closed = true;
    loop_timer_destroy(notify->next_start);
    notify->next_start = NULL;
    for (struct notify_job *job = notify->first; job != NULL; job = job->next) {
        if (job->child != NULL) {
            child_kill(job->child);
        }
    }
}

void notify_destroy(struct notify *notify)
{
    if (notify == NULL) {
        return;
    }
    ASSERT(notify->is_closed);
    while (notify->first != NULL) {
        struct notify_job *job = notify->first;
        notify->first = job->next;
        free(job);
    }
    free(notify);
}

void notify_tune(struct notify *notify, msec_t runtime_ms, msec_t retry_ms)
{
    notify->runtime_ms = runtime_ms;
    notify->retry_ms = retry_ms;
}

/* ---- the queue ---- */

static void notify_unlink(struct notify *notify, struct notify_job *job)
{
    struct notify_job **at = &notify->first;

    while (*at != job) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = job->next;
    notify->queued--;
}

static void notify_drop_oldest(struct notify *notify)
{
    struct notify_job *job = notify->first;

    while (job != NULL && job->child != NULL) {
        job = job->next;
    }
    ASSERT(job != NULL); /* more wait than NOTIFY_RUNNING_MAX can run */
    log_warning("script %s %s: dropped, because %d scripts wait", job->argv[0],
                job->argc > 1 ? job->argv[1] : "", NOTIFY_QUEUE_MAX);
    notify_unlink(notify, job);
    free(job);
}

/* When the earliest of those that wait may start. */
static void notify_arm(struct notify *notify)
{
    msec_t next = MSEC_NEVER;

    if (notify->is_closed) {
        return;
    }
    if (notify->running < NOTIFY_RUNNING_MAX) {
        for (const struct notify_job *job = notify->first; job != NULL; job = job->next) {
            if (job->child == NULL && job->start_at < next) {
                next = job->start_at;
            }
        }
    }
    loop_timer_at(notify->next_start, next);
}

void notify_run(struct notify *notify, size_t argc, const char *const argv[])
{
    size_t bytes = 0;

    ASSERT(argc > 0 && argc <= NOTIFY_ARGS_MAX);
    if (notify->is_closed) {
        return;
    }
    if (notify->queued == NOTIFY_QUEUE_MAX) {
        notify_drop_oldest(notify);
    }
    for (size_t i = 0; i < argc; i++) {
        bytes += strlen(argv[i]) + 1;
    }
    struct notify_job *job = memory_zeroed(sizeof(*job) + bytes);
    char *to = job->text;
    for (size_t i = 0; i < argc; i++) {
        size_t size = strlen(argv[i]) + 1;
        memcpy(to, argv[i], size);
        job->argv[i] = to;
        to += size;
    }
    job->argc = argc;
    job->notify = notify;
    job->start_at = loop_now(notify->loop);
    struct notify_job **end = &notify->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = job;
    notify->queued++;
    notify_arm(notify);
}

/* ---- running ---- */

/* 30 s, then twice that, and so on. */
static void notify_again(const struct notify *notify, struct notify_job *job)
{
    job->start_at = loop_now(notify->loop) + notify->retry_ms * ((msec_t)1 << job->retries);
    job->retries++;
}

static void notify_fail(const struct notify *notify, const struct notify_report *report)
{
    if (notify->on_failed != NULL) {
        notify->on_failed(notify->ctx, report);
    }
}

/* As Sentinel: 1 or a signal asks for another try, anything else but 0 is final. */
static void notify_settle(struct notify *notify, struct notify_job *job,
                          const struct child_end *end)
{
    bool wants_more = end->term_signal != 0 || end->exit_code == 1;
    struct notify_report report = {
        .type = NOTIFY_ERROR,
        .path = job->argv[0],
        .term_signal = end->term_signal,
        .exit_code = end->exit_code > 0 ? end->exit_code : 0,
    };

    if (wants_more && job->retries + 1 < NOTIFY_TRIES_MAX) {
        notify_again(notify, job);
        return;
    }
    notify_unlink(notify, job); /* first: the callback may queue another and so drop the oldest */
    if (end->term_signal != 0 || end->exit_code != 0) {
        notify_fail(notify, &report);
    }
    free(job);
}

static void notify_on_exit(void *ctx, const struct child_end *end)
{
    struct notify_job *job = ctx;
    struct notify *notify = job->notify;
    struct notify_report timeout = {.type = NOTIFY_TIMEOUT, .path = job->argv[0]};

    timeout.pid = child_pid(job->child);
    log_debug("script %s: pid %d ended: exit code %d, signal %d", job->argv[0], (int)timeout.pid,
              end->exit_code, end->term_signal);
    notify->running--;
    if (notify->is_closed) {
        job->child = NULL;
        return;
    }
    if (end->timed_out) {
        notify_fail(notify, &timeout);
    }
    job->child = NULL; /* only now: until then nobody may drop it */
    notify_settle(notify, job, end);
    notify_arm(notify);
}

/* A script that cannot be executed is final, as in Sentinel, whose child exits with 2 then. One for
 * which there was no process is tried again, as there. */
static void notify_start(struct notify *notify, struct notify_job *job)
{
    struct err err = {0};
    struct child_plan plan = {
        .argv = job->argv,
        .timeout_ms = notify->runtime_ms,
        .on_exit = notify_on_exit,
        .ctx = job,
    };

    job->child = child_start(notify->loop, &plan, &err);
    if (job->child == NULL) {
        bool is_passing = errno == EAGAIN || errno == ENOMEM;
        struct child_end no_end = {.exit_code = is_passing ? 1 : 2};
        log_warning("script %s", err.text);
        notify_settle(notify, job, &no_end);
        return;
    }
    notify->running++;
    job->start_at = loop_now(notify->loop);
    log_debug("script %s: pid %d started", job->argv[0], (int)child_pid(job->child));
}

static struct notify_job *notify_find_due(const struct notify *notify)
{
    struct notify_job *job = notify->first;
    msec_t now = loop_now(notify->loop);

    while (job != NULL && (job->child != NULL || job->start_at > now)) {
        job = job->next;
    }
    return job;
}

/* Looks from the front each time: a start that fails calls back, and the queue may change. */
static void notify_start_due(void *ctx)
{
    struct notify *notify = ctx;
    struct notify_job *job = notify_find_due(notify);

    while (job != NULL && notify->running < NOTIFY_RUNNING_MAX) {
        notify_start(notify, job);
        job = notify->is_closed ? NULL : notify_find_due(notify);
    }
    notify_arm(notify);
}

/* ---- looking ---- */

size_t notify_running(const struct notify *notify)
{
    return notify->running;
}

size_t notify_queued(const struct notify *notify)
{
    return notify->queued;
}

bool notify_view(const struct notify *notify, size_t index, struct notify_view *view)
{
    const struct notify_job *job = notify->first;
    msec_t now = loop_now(notify->loop);

    for (; job != NULL && index > 0; index--) {
        job = job->next;
    }
    if (job == NULL) {
        return false;
    }
    *view = (struct notify_view){
        .argc = job->argc,
        .argv = job->argv,
        .is_running = job->child != NULL,
        .retries = job->retries + (job->child != NULL ? 1U : 0U), /* Sentinel counts at the start */
    };
    if (job->child != NULL) {
        view->pid = child_pid(job->child);
        view->run_time_ms = now - job->start_at;
    } else if (job->start_at > now) {
        view->run_delay_ms = job->start_at - now;
    }
    return true;
}

/*
 * One thread of the TCP relay: its loop, its listeners, and what runs by the clock. It follows the
 * target set that the control thread posts and decides nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "loop/log.h"
#include "router/tcp_inside.h"

enum { TCP_THREAD_NAME_MAX = 16 /* of a thread, as the kernel has it */ };

msec_t tcp_worker_now(const struct tcp_worker *w)
{
    return loop_now(w->loop);
}

bool tcp_worker_may_tell(struct tcp_worker *w)
{
    msec_t now_ms = tcp_worker_now(w);
    bool may = w->told_at_ms == 0 || now_ms - w->told_at_ms >= TCP_TELL_MS;

    w->told_at_ms = may ? now_ms : w->told_at_ms;
    return may;
}

const struct tcp_member *tcp_worker_member(const struct tcp_worker *w, unsigned id)
{
    for (size_t i = 0; i < w->set.count; i++) {
        if (w->set.members[i].id == id) {
            return &w->set.members[i];
        }
    }
    return NULL;
}

/* ---- following ---- */

/* Whether the link must let go of its member by now. */
static bool tcp_worker_must_leave(const struct tcp_worker *w, const struct tcp_link *l,
                                  msec_t now_ms)
{
    const struct tcp_member *m = tcp_worker_member(w, l->member_id);

    return m == NULL || m->cut_at_ms <= now_ms ||
           (l->phase == TCP_PHASE_CONNECTING && !m->may_take);
}

static uint64_t tcp_worker_cuts(const struct tcp_worker *w)
{
    return w->counts.cut + w->counts.moved;
}

/* Lets go of the members that are cut by now, and notes when the next one is. */
static void tcp_worker_cut_due(struct tcp_worker *w, msec_t now_ms)
{
    struct tcp_link *next = NULL;
    uint64_t cuts = tcp_worker_cuts(w);

    for (struct tcp_link *l = w->links; l != NULL; l = next) {
        next = l->next; /* only l itself can go meanwhile */
        bool has_member = l->phase == TCP_PHASE_CONNECTING || l->phase == TCP_PHASE_OPEN;
        if (has_member && tcp_worker_must_leave(w, l, now_ms)) {
            tcp_link_leave_member(l);
        }
    }
    w->cut_at_ms = MSEC_NEVER;
    for (size_t i = 0; i < w->set.count; i++) {
        msec_t at_ms = w->set.members[i].cut_at_ms;
        w->cut_at_ms = at_ms > now_ms && at_ms < w->cut_at_ms ? at_ms : w->cut_at_ms;
    }
    tcp_worker_tick_by(w, w->cut_at_ms);
    if (tcp_worker_cuts(w) != cuts) {
        log_notice("%s: %llu connections left members that are cut", w->plan->name,
                   (unsigned long long)(tcp_worker_cuts(w) - cuts));
    }
}

void tcp_worker_follow(struct tcp_worker *w, const struct tcp_target_set *set)
{
    tcp_pick_follow(w, set);
    tcp_worker_cut_due(w, tcp_worker_now(w));
    tcp_held_release(w, true);
}

/* ---- by the clock ---- */

void tcp_worker_tick_by(struct tcp_worker *w, msec_t at_ms)
{
    if (at_ms < w->tick_at_ms) {
        w->tick_at_ms = at_ms;
        loop_timer_at(w->tick, at_ms);
    }
}

static bool tcp_link_is_idle(const struct tcp_link *l, msec_t now_ms)
{
    const struct tcp_endpoint_plan *plan = l->worker->plan;
    msec_t idle_ms = now_ms - l->active_at_ms;
    bool is_half_closed = l->client.is_finished || l->member.is_finished;

    if (l->phase != TCP_PHASE_OPEN) {
        return false; /* has times of its own */
    }
    return (plan->idle_timeout_ms > 0 && idle_ms >= plan->idle_timeout_ms) ||
           (is_half_closed && plan->half_closed_timeout_ms > 0 &&
            idle_ms >= plan->half_closed_timeout_ms);
}

static void tcp_worker_close_idle(struct tcp_worker *w, msec_t now_ms)
{
    struct tcp_link *next = NULL;

    for (struct tcp_link *l = w->links; l != NULL; l = next) {
        next = l->next;
        if (tcp_link_is_idle(l, now_ms)) {
            TCP_COUNT(&w->counts, idle, 1);
            tcp_link_close(l);
        }
    }
}

static void tcp_worker_check_drained(struct tcp_worker *w, msec_t now_ms)
{
    if (!w->is_draining || w->is_drained) {
        return;
    }
    while (w->links != NULL && now_ms >= w->drain_until_ms) {
        TCP_COUNT(&w->counts, cut, 1);
        tcp_link_reset(w->links);
    }
    if (w->links == NULL) {
        w->is_drained = true;
        loop_post(w->control, w->on_drained, w->endpoint);
    }
}

static void tcp_worker_on_tick(void *ctx)
{
    struct tcp_worker *w = ctx;
    msec_t now_ms = tcp_worker_now(w);

    w->tick_at_ms = MSEC_NEVER;
    if (now_ms >= w->cut_at_ms) {
        tcp_worker_cut_due(w, now_ms);
    }
    tcp_held_expire(w, now_ms);
    if (now_ms >= w->retry_at_ms) {
        tcp_held_release(w, true);
    }
    if (now_ms >= w->housekeeping_at_ms) {
        w->housekeeping_at_ms = now_ms + TCP_HOUSEKEEPING_MS;
        tcp_worker_close_idle(w, now_ms);
        tcp_held_forget_gone(w);
    }
    tcp_worker_check_drained(w, now_ms);
    tcp_worker_tick_by(w, w->cut_at_ms);
    tcp_worker_tick_by(w, tcp_held_next(w));
    if (w->links != NULL) {
        tcp_worker_tick_by(w, w->housekeeping_at_ms);
    }
    if (w->is_draining && !w->is_drained) {
        tcp_worker_tick_by(w, w->drain_until_ms);
    }
}

void tcp_worker_drain(struct tcp_worker *w)
{
    for (size_t i = 0; i < w->listeners_count; i++) {
        listener_close(w->listeners[i]);
    }
    w->listeners_count = 0;
    w->is_draining = true;
    w->drain_until_ms = tcp_worker_now(w) + w->plan->drain_ms;
    tcp_worker_tick_by(w, tcp_worker_now(w));
}

/* ---- the thread ---- */

static bool tcp_worker_listen(struct tcp_worker *w, const struct router_listen *listen,
                              const int *fd, struct err *err)
{
    bool is_tcp = !tcp_listen_is_unix(listen);
    struct listener_plan plan = {.at = is_tcp ? &listen->at : NULL,
                                 .unix_path = is_tcp ? NULL : listen->path,
                                 .shared_fd = fd,
                                 .keepalive_seconds = TCP_KEEPALIVE_S};
    struct listener *l = listener_open(w->loop, &plan, tcp_link_accept, w, err);

    if (l == NULL) {
        return false;
    }
    w->listeners[w->listeners_count++] = l;
    return true;
}

bool tcp_worker_open(struct tcp_worker *w, const struct tcp_worker_plan *plan, struct err *err)
{
    *w = (struct tcp_worker){.plan = plan->plan,
                             .shared = plan->shared,
                             .control = plan->control,
                             .on_drained = plan->on_drained,
                             .endpoint = plan->endpoint,
                             .index = plan->index,
                             .tick_at_ms = MSEC_NEVER,
                             .cut_at_ms = MSEC_NEVER,
                             .retry_at_ms = MSEC_NEVER};
    w->last = MEMBER_NONE;
    w->loop = loop_create(err);
    if (w->loop == NULL) {
        return false;
    }
    w->tick = loop_timer_create(w->loop, tcp_worker_on_tick, w);
    for (size_t i = 0; i < plan->plan->listens_count; i++) {
        if (!tcp_worker_listen(w, &plan->plan->listens[i], &plan->fds[i], err)) {
            return false;
        }
    }
    return true;
}

static void *tcp_worker_thread(void *ctx)
{
    struct tcp_worker *w = ctx;

    loop_run(w->loop);
    return NULL;
}

/* The thread takes no signals: they are the control thread's. */
bool tcp_worker_start(struct tcp_worker *w, struct err *err)
{
    char name[TCP_THREAD_NAME_MAX];
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, tcp_worker_thread, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        return err_set(err, "a worker thread: %s", strerror(failed));
    }
    (void)snprintf(name, sizeof(name), "tcp-%u", w->index); /* only for ps */
    (void)pthread_setname_np(w->thread, name);
    w->is_started = true;
    return true;
}

static void tcp_worker_stop(void *ctx)
{
    struct tcp_worker *w = ctx;

    loop_stop(w->loop);
}

void tcp_worker_close(struct tcp_worker *w)
{
    if (w->loop == NULL) {
        return;
    }
    if (w->is_started) {
        loop_post(w->loop, tcp_worker_stop, w);
        (void)pthread_join(w->thread, NULL);
    }
    for (size_t i = 0; i < w->listeners_count; i++) {
        listener_close(w->listeners[i]);
    }
    w->is_draining = false;
    while (w->links != NULL) {
        tcp_link_reset(w->links);
    }
    loop_timer_destroy(w->tick);
    loop_destroy(w->loop);
    w->loop = NULL;
}

/*
 * One thread: its loop, its listeners, and what runs by the clock. It follows the route the control
 * thread posts and decides nothing.
 */
#include "router/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "loop/log.h"

enum {
    WORKER_IDLE_TICK_MS = 1000, /* when nothing waits: looking for the idle and the slow */
    WORKER_QUIET_MS = 1000,     /* a draining client is not closed in the middle of its page */
    WORKER_TROUBLE_MS = 20,     /* the control thread is not told more often */
    WORKER_NAME_MAX = 16,       /* of a thread */
};

msec_t worker_now(const struct worker *w)
{
    return loop_now(w->loop);
}

/* ---- the next turn: sessions that go on, memory that goes ---- */

static void worker_wake(struct worker *w)
{
    if (!loop_timer_is_set(w->turn)) {
        loop_timer_at(w->turn, worker_now(w));
    }
}

void worker_session_ready(struct worker *w, struct session *s)
{
    if (!s->is_ready) {
        s->is_ready = true;
        s->next_ready = NULL;
        *w->ready_end = s;
        w->ready_end = &s->next_ready;
        worker_wake(w);
    }
}

enum verdict worker_session_crowded(struct worker *w, struct session *s)
{
    if (!s->is_crowded) {
        struct session **at = s->may_enter ? &w->crowded_first : w->crowded_end;
        s->is_crowded = true;
        s->may_enter = false;
        s->next_crowded = *at;
        *at = s;
        if (s->next_crowded == NULL) {
            w->crowded_end = &s->next_crowded;
        }
        worker_tick_soon(w); /* should the connection be lost, they are to notice */
    }
    return session_wait_for(s, WAIT_ROOM);
}

bool worker_is_crowded(const struct worker *w, const struct session *s)
{
    const struct session *first = w->crowded_first;

    return first != NULL && first->profile == s->profile && !s->may_enter;
}

static void worker_uncrowd(struct worker *w, struct session **at)
{
    struct session *s = *at;

    *at = s->next_crowded;
    s->is_crowded = false;
    if (*at == NULL) {
        w->crowded_end = at;
    }
}

void worker_let_in(struct worker *w, size_t count)
{
    for (; count > 0 && w->crowded_first != NULL; count--) {
        struct session *s = w->crowded_first;
        worker_uncrowd(w, &w->crowded_first);
        s->may_enter = true;
        session_go_on(s);
    }
}

void worker_leave_crowd(struct worker *w, const struct session *s)
{
    struct session **at = &w->crowded_first;

    while (*at != NULL && *at != s) {
        at = &(*at)->next_crowded;
    }
    if (*at != NULL) {
        worker_uncrowd(w, at);
    }
}

void worker_bury_session(struct worker *w, struct session *s)
{
    s->next = w->dead_sessions;
    w->dead_sessions = s;
    worker_wake(w);
}

void worker_bury_backend(struct worker *w, struct backend *b)
{
    b->next = w->dead_backends;
    w->dead_backends = b;
    worker_wake(w);
}

static void worker_free_dead(struct worker *w)
{
    struct session *kept = NULL;

    while (w->dead_sessions != NULL) {
        struct session *s = w->dead_sessions;
        w->dead_sessions = s->next;
        if (s->is_ready) { /* in the list of the next turn */
            s->next = kept;
            kept = s;
        } else {
            session_free(s);
        }
    }
    w->dead_sessions = kept;
    while (w->dead_backends != NULL) {
        struct backend *b = w->dead_backends;
        w->dead_backends = b->next;
        backend_free(b);
    }
}

static void worker_on_turn(void *ctx)
{
    struct worker *w = ctx;
    struct session *s = w->ready_first;

    w->ready_first = NULL;
    w->ready_end = &w->ready_first;
    while (s != NULL) {
        struct session *next = s->next_ready;
        s->is_ready = false;
        session_resume(s);
        s = next;
    }
    worker_free_dead(w);
    if (w->dead_sessions != NULL) {
        worker_wake(w);
    }
}

/* ---- by the clock ---- */

void worker_tick_soon(struct worker *w)
{
    msec_t at_ms = worker_now(w) + RELAY_TICK_MS;

    if (at_ms < w->tick_at_ms) {
        w->tick_at_ms = at_ms;
        loop_timer_at(w->tick, at_ms);
    }
}

static bool worker_check_backends(struct worker *w, msec_t now_ms)
{
    bool is_busy = false;

    for (struct backend *b = w->backends; b != NULL;) {
        struct backend *next = b->next;
        is_busy = is_busy || b->count > 0;
        backend_check(b, now_ms);
        b = next;
    }
    return is_busy;
}

static bool session_is_quiet(const struct session *s)
{
    return s->in_flight == 0 && s->redo_count == 0 && s->ready_len == 0 && s->wait == WAIT_NOT &&
           s->begun_at_ms == 0 && (s->pins & (PIN_MULTI | PIN_WATCH | PIN_STREAM)) == 0;
}

/* One that waits is not read, so that it left is not told. Who is blocked has left for Redis when
 * it sends no more. */
static bool session_is_abandoned(const struct session *s)
{
    enum conn_peer peer = s->wait == WAIT_NOT ? CONN_PEER_THERE : conn_peer(s->conn);

    return peer == CONN_PEER_GONE || (peer == CONN_PEER_FINISHED && session_head_blocks(s));
}

static void worker_check_session(struct worker *w, struct session *s, msec_t now_ms)
{
    const struct router_conf *conf = w->conf;
    bool is_slow = s->begun_at_ms != 0 && s->wait == WAIT_NOT && s->ready_len == 0 &&
                   now_ms - s->begun_at_ms > conf->request_timeout_ms;
    bool is_stranger = s->identity == NULL && now_ms - s->active_at_ms > conf->request_timeout_ms;
    bool is_idle = conf->idle_timeout_ms > 0 && session_is_quiet(s) && s->pins == 0 &&
                   now_ms - s->active_at_ms > conf->idle_timeout_ms;

    bool is_done =
        w->is_draining && session_is_quiet(s) && now_ms - s->active_at_ms > WORKER_QUIET_MS;

    if (is_slow || is_stranger) {
        COUNT_ADD(w, clients_cut, 1);
        log_info("client %llu is closed: %s", (unsigned long long)s->id,
                 is_slow ? "a request that does not end" : "it does not authenticate");
    }
    if (is_slow || is_stranger || is_idle || is_done || session_is_abandoned(s)) {
        session_close(s);
    }
}

static void worker_check_sessions(struct worker *w, msec_t now_ms)
{
    for (struct session *s = w->sessions; s != NULL;) {
        struct session *next = s->next;
        worker_check_session(w, s, now_ms);
        s = next;
    }
}

static void worker_housekeeping(struct worker *w, msec_t now_ms)
{
    if (now_ms < w->housekeeping_at_ms && !w->is_draining) {
        return;
    }
    w->housekeeping_at_ms = now_ms + WORKER_IDLE_TICK_MS;
    worker_check_sessions(w, now_ms);
    profiles_tidy(w, now_ms);
    if (w->journal != NULL) {
        journal_expire(w->journal, w->master_alive_ms);
    }
}

static void worker_check_drained(struct worker *w, msec_t now_ms)
{
    if (!w->is_draining || w->is_drained) {
        return;
    }
    if (now_ms >= w->drain_until_ms) {
        while (w->sessions != NULL) {
            session_close(w->sessions);
        }
    }
    if (w->sessions == NULL) {
        w->is_drained = true;
        loop_post(w->control, w->on_drained, w->router);
    }
}

/* Profiles whose sessions wait try again to connect. */
static void worker_open_wanted(struct worker *w)
{
    for (struct profile *p = w->profiles; p != NULL; p = p->next) {
        if (p->sessions > 0 && worker_can_serve(w, p->target)) {
            (void)profile_shared(p);
        }
    }
}

static void worker_on_tick(void *ctx)
{
    struct worker *w = ctx;
    msec_t now_ms = worker_now(w);

    w->tick_at_ms = MSEC_NEVER;
    bool is_busy = worker_check_backends(w, now_ms);
    cleanse_push(w);
    worker_let_in(w, SIZE_MAX); /* what they wait for may be gone */
    if (w->held_first != NULL) {
        worker_open_wanted(w);
        session_hold_expire(w, now_ms);
        session_release_held(w, now_ms);
    }
    worker_housekeeping(w, now_ms);
    worker_check_drained(w, now_ms);
    bool is_waiting = is_busy || w->held_first != NULL || w->is_draining || w->cleanses != NULL;
    w->tick_at_ms = now_ms + (is_waiting ? RELAY_TICK_MS : WORKER_IDLE_TICK_MS);
    loop_timer_at(w->tick, w->tick_at_ms);
}

/* ---- the route ---- */

bool worker_can_serve(const struct worker *w, enum target target)
{
    if (target == TARGET_REPLICAS) {
        return w->route.replicas_count > 0 ||
               (w->conf->replicas_may_use_master && w->route.state != ROUTE_UNKNOWN);
    }
    return w->route.state != ROUTE_UNKNOWN && cleanse_is_done(w);
}

void worker_trouble(struct worker *w)
{
    msec_t now_ms = worker_now(w);

    if (now_ms - w->trouble_at_ms >= WORKER_TROUBLE_MS) {
        w->trouble_at_ms = now_ms;
        loop_post(w->control, w->on_trouble, w->router);
    }
}

void worker_on_backend_ready(struct worker *w, struct backend *b)
{
    struct profile *p = b->profile;

    w->master_proofs += p->target == TARGET_MASTER;
    cleanse_on_ready(w, b);
    if (b->owner != NULL) {
        session_restore_own(b->owner);
        session_go_on(b->owner);
        return;
    }
    if (p->prover == b) {
        p->prover = NULL;
        profile_give_idle(p, b);
    }
    if (w->is_doubtful && p->target == TARGET_MASTER) {
        cleanse_begin(w);
    }
    session_release_held(w, MSEC_NEVER);
}

void worker_look_again(struct worker *w)
{
    session_release_held(w, MSEC_NEVER);
}

static void worker_tell_maintenance(struct worker *w)
{
    for (struct session *s = w->sessions; s != NULL; s = s->next) {
        if (w->route.state == ROUTE_OPEN) {
            session_tell_failed_over(s);
        } else {
            session_tell_failing_over(s);
        }
    }
}

void worker_follow(struct worker *w, const struct route *route)
{
    bool is_new = route->generation != w->route.generation;
    bool had_master = w->route.generation != 0;

    w->route = *route;
    for (struct backend *b = w->backends; b != NULL;) {
        struct backend *next = b->next;
        if (!backend_is_current(b)) {
            backend_lose(b, "the master changed");
        }
        b = next;
    }
    for (struct profile *p = w->profiles; p != NULL; p = p->next) {
        p->retry_at_ms = 0;
    }
    if (is_new && had_master) {
        cleanse_begin(w);
    }
    if (w->cleanses == NULL) {
        cleanse_note_done(w);
    }
    worker_tell_maintenance(w);
    worker_open_wanted(w);
    session_release_held(w, MSEC_NEVER);
}

/* ---- the thread ---- */

static void *worker_thread(void *ctx)
{
    struct worker *w = ctx;

    loop_run(w->loop);
    return NULL;
}

static bool worker_listen(struct worker *w, const struct worker_socket *socket, struct err *err)
{
    struct endpoint *endpoint = &w->endpoints[w->listeners_count];
    bool is_tcp = addr_is_set(&socket->listen->at);
    struct listener_plan plan = {.at = is_tcp ? &socket->listen->at : NULL,
                                 .unix_path = is_tcp ? NULL : socket->listen->path,
                                 .shared_fd = &socket->fd,
                                 .keepalive_seconds = RELAY_CLIENT_KEEPALIVE_S};

    *endpoint = (struct endpoint){.worker = w, .target = socket->target, .is_unix = !is_tcp};
    if (is_tcp) {
        (void)addr_text(&socket->listen->at, endpoint->text);
    } else {
        (void)snprintf(endpoint->text, sizeof(endpoint->text), "%s", socket->listen->path);
    }
    w->listeners[w->listeners_count] = listener_open(w->loop, &plan, session_accept, endpoint, err);
    if (w->listeners[w->listeners_count] == NULL) {
        return false;
    }
    w->listeners_count++;
    return true;
}

bool worker_open(struct worker *w, const struct worker_plan *plan, struct err *err)
{
    const struct router_conf *conf = plan->conf;

    *w = (struct worker){.router = plan->router,
                         .control = plan->control,
                         .on_trouble = plan->on_trouble,
                         .on_drained = plan->on_drained,
                         .on_cleansed = plan->on_cleansed,
                         .cleansed = plan->cleansed,
                         .totals = plan->totals,
                         .index = plan->index,
                         .conf = conf,
                         .redis_tls = plan->redis_tls,
                         .log_max_bytes = RELAY_LOG_MAX_BYTES,
                         .owed_max_bytes = RELAY_OWED_MAX_BYTES,
                         .tick_at_ms = MSEC_NEVER};
    w->ready_end = &w->ready_first;
    w->crowded_end = &w->crowded_first;
    w->loop = loop_create(err);
    if (w->loop == NULL) {
        return false;
    }
    w->turn = loop_timer_create(w->loop, worker_on_turn, w);
    w->tick = loop_timer_create(w->loop, worker_on_tick, w);
    w->databases_known = 1;
    w->master_alive_ms = worker_now(w);
    w->journal = conf->is_cache ? journal_create(conf->cache_window_ms,
                                                 conf->cache_keys_max_bytes / conf->threads)
                                : NULL;
    worker_take_secrets(w, plan->secrets);
    for (size_t i = 0; i < plan->sockets_count; i++) {
        if (!worker_listen(w, &plan->sockets[i], err)) {
            return false;
        }
    }
    worker_tick_soon(w);
    return true;
}

static char *secret_copy(const char *secret)
{
    char *copy = secret == NULL ? NULL : strdup(secret);

    ASSERT((copy == NULL) == (secret == NULL));
    return copy;
}

static void secret_free(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}

/* New ones count for connections from now on. */
void worker_take_secrets(struct worker *w, const struct router_secrets *secrets)
{
    char *redis = w->redis_password;
    char *client = w->client_password;
    struct identity *before = w->own;
    const char *user = w->conf->redis.user[0] == '\0' ? NULL : w->conf->redis.user;

    w->redis_password = secret_copy(secrets->redis_password);
    w->client_password = secret_copy(secrets->client_password);
    w->secrets.redis_password = w->redis_password;
    w->secrets.client_password = w->client_password;
    w->own = identity_get(w, user, w->redis_password);
    for (struct session *s = w->sessions; s != NULL; s = s->next) {
        if (s->identity == before && before != w->own) {
            w->own->users++;
            identity_put(w, before);
            s->identity = w->own;
        }
    }
    identity_put(w, before);
    secret_free(redis);
    secret_free(client);
}

/* The thread takes no signals: they are the control thread's. */
bool worker_start(struct worker *w, struct err *err)
{
    char name[WORKER_NAME_MAX];
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, worker_thread, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        return err_set(err, "a worker thread: %s", strerror(failed));
    }
    (void)snprintf(name, sizeof(name), "worker-%u", w->index); /* only for ps */
    (void)pthread_setname_np(w->thread, name);
    w->is_started = true;
    return true;
}

void worker_drain(struct worker *w)
{
    for (size_t i = 0; i < w->listeners_count; i++) {
        listener_close(w->listeners[i]);
    }
    w->listeners_count = 0;
    w->is_draining = true;
    w->drain_until_ms = worker_now(w) + w->conf->drain_ms;
    worker_tick_soon(w);
}

static void worker_stop(void *ctx)
{
    struct worker *w = ctx;

    loop_stop(w->loop);
}

void worker_close(struct worker *w)
{
    if (w->loop == NULL) {
        return;
    }
    if (w->is_started) {
        loop_post(w->loop, worker_stop, w);
        (void)pthread_join(w->thread, NULL);
    }
    for (size_t i = 0; i < w->listeners_count; i++) {
        listener_close(w->listeners[i]);
    }
    while (w->sessions != NULL) {
        session_close(w->sessions);
    }
    w->ready_first = NULL;
    cleanse_finish(w);
    profiles_close(w);
    for (struct session *s = w->dead_sessions; s != NULL; s = s->next) {
        s->is_ready = false;
    }
    worker_free_dead(w);
    identity_put(w, w->own);
    journal_destroy(w->journal);
    resp_command_finish(&w->inline_reader);
    resp_reply_finish(&w->reply_reader);
    buf_finish(&w->scratch);
    secret_free(w->redis_password);
    secret_free(w->client_password);
    loop_timer_destroy(w->turn);
    loop_timer_destroy(w->tick);
    loop_destroy(w->loop);
    w->loop = NULL;
}

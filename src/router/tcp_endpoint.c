/*
 * The control thread's side of the TCP relay: listens, and posts what is decided elsewhere to the
 * workers. They post back only that their connections have gone.
 */
#include "router/tcp_endpoint.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "loop/conn.h"
#include "router/tcp_inside.h"

struct tcp_endpoint {
    struct tcp_endpoint_plan plan; /* its pointers lead into this struct */
    char name[TCP_NAME_MAX];
    struct router_listen listens[ROUTER_LISTENS_MAX];
    int fds[ROUTER_LISTENS_MAX];
    uint16_t ports[ROUTER_LISTENS_MAX];
    size_t fds_count;
    struct tcp_shared shared;
    struct tcp_worker *workers;
    size_t workers_count; /* opened */
    bool is_draining;
    bool is_handed_over; /* another process listens now: the socket files are its */
    size_t drained;      /* workers */
    loop_call on_drained;
    void *on_drained_ctx;
};

void tcp_endpoint_plan_init(struct tcp_endpoint_plan *plan)
{
    *plan = (struct tcp_endpoint_plan){.name = "",
                                       .threads = 1,
                                       .connections_max = TCP_CONNECTIONS_MAX,
                                       .held_max = TCP_HELD_MAX,
                                       .hold_ms = TCP_HOLD_MS,
                                       .connect_timeout_ms = TCP_CONNECT_TIMEOUT_MS,
                                       .half_closed_timeout_ms = TCP_HALF_CLOSED_TIMEOUT_MS,
                                       .drain_ms = TCP_DRAIN_MS};
}

/* ---- opening ---- */

static bool tcp_plan_check_times(const struct tcp_endpoint_plan *plan, struct err *err)
{
    const msec_t times_ms[] = {plan->hold_ms, plan->connect_timeout_ms, plan->idle_timeout_ms,
                               plan->half_closed_timeout_ms, plan->drain_ms};

    for (size_t i = 0; i < COUNT_OF(times_ms); i++) {
        if (times_ms[i] < 0 || times_ms[i] > TCP_TIME_MAX_MS) {
            return err_set(err, "a time of %lld ms: between 0 and %d can be given",
                           (long long)times_ms[i], TCP_TIME_MAX_MS);
        }
    }
    return true;
}

static bool tcp_plan_check(const struct tcp_endpoint_plan *plan, struct err *err)
{
    if (plan->listens_count == 0 || plan->listens_count > ROUTER_LISTENS_MAX) {
        return err_set(err, "%zu addresses to listen on: between 1 and %d can be given",
                       plan->listens_count, ROUTER_LISTENS_MAX);
    }
    if (plan->threads == 0 || plan->threads > ROUTER_THREADS_MAX) {
        return err_set(err, "%u threads: between 1 and %d can be had", plan->threads,
                       ROUTER_THREADS_MAX);
    }
    if (plan->proxy_protocol < 0 || plan->proxy_protocol > 2) {
        return err_set(err, "PROXY protocol %d: 1 (text) and 2 (binary) are known, 0 is none",
                       plan->proxy_protocol);
    }
    return tcp_plan_check_times(plan, err);
}

static void tcp_endpoint_take_plan(struct tcp_endpoint *e, const struct tcp_endpoint_plan *plan)
{
    e->plan = *plan;
    text_cut(e->name, sizeof(e->name), plan->name);
    for (size_t i = 0; i < plan->listens_count; i++) {
        e->listens[i] = plan->listens[i];
    }
    e->plan.name = e->name;
    e->plan.listens = e->listens;
    e->plan.fds = NULL;
}

static bool tcp_endpoint_listen(struct tcp_endpoint *e, const int *taken, struct err *err)
{
    for (size_t i = 0; i < e->plan.listens_count; i++) {
        const struct router_listen *listen = &e->listens[i];
        bool is_tcp = !tcp_listen_is_unix(listen);
        struct listener_plan plan = {.at = is_tcp ? &listen->at : NULL,
                                     .unix_path = is_tcp ? NULL : listen->path,
                                     .unix_mode = (mode_t)listen->mode};
        bool is_taken = taken != NULL && taken[i] >= 0;
        int fd = is_taken ? taken[i] : listener_socket(&plan, err);
        if (fd < 0) {
            return err_wrap(err, "listening");
        }
        e->fds[e->fds_count++] = fd;
    }
    return true;
}

static void tcp_endpoint_on_worker_drained(void *ctx)
{
    struct tcp_endpoint *e = ctx;

    e->drained++;
    if (e->drained == e->workers_count && e->on_drained != NULL) {
        e->on_drained(e->on_drained_ctx);
    }
}

static bool tcp_endpoint_start(struct tcp_endpoint *e, struct loop *control, struct err *err)
{
    e->workers = memory_zeroed(e->plan.threads * sizeof(*e->workers));
    for (unsigned i = 0; i < e->plan.threads; i++) {
        struct tcp_worker_plan plan = {.plan = &e->plan,
                                       .shared = &e->shared,
                                       .control = control,
                                       .on_drained = tcp_endpoint_on_worker_drained,
                                       .endpoint = e,
                                       .fds = e->fds,
                                       .index = i};
        e->workers_count++;
        if (!tcp_worker_open(&e->workers[i], &plan, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < e->plan.listens_count; i++) {
        e->ports[i] = listener_port(e->workers[0].listeners[i]);
    }
    for (unsigned i = 0; i < e->plan.threads; i++) {
        if (!tcp_worker_start(&e->workers[i], err)) {
            return false;
        }
    }
    return true;
}

struct tcp_endpoint *tcp_endpoint_open(struct loop *control, const struct tcp_endpoint_plan *plan,
                                       struct err *err)
{
    if (!tcp_plan_check(plan, err)) {
        return NULL;
    }
    struct tcp_endpoint *e = memory_zeroed(sizeof(*e));
    tcp_endpoint_take_plan(e, plan);
    if (!tcp_endpoint_listen(e, plan->fds, err) || !tcp_endpoint_start(e, control, err)) {
        tcp_endpoint_close(e);
        return NULL;
    }
    return e;
}

/* ---- closing ---- */

static void tcp_endpoint_close_sockets(struct tcp_endpoint *e)
{
    for (size_t i = 0; i < e->fds_count; i++) {
        (void)close(e->fds[i]); /* nothing was written to it */
        if (!e->is_handed_over && tcp_listen_is_unix(&e->listens[i])) {
            (void)unlink(e->listens[i].path); /* somebody may have removed it before us */
        }
    }
    e->fds_count = 0;
}

void tcp_endpoint_close(struct tcp_endpoint *e)
{
    if (e == NULL) {
        return;
    }
    for (size_t i = 0; i < e->workers_count; i++) {
        tcp_worker_close(&e->workers[i]);
    }
    free(e->workers);
    tcp_endpoint_close_sockets(e);
    free(e);
}

static void tcp_endpoint_drain_run(void *ctx)
{
    tcp_worker_drain(ctx);
}

void tcp_endpoint_drain(struct tcp_endpoint *e, loop_call on_drained, void *ctx)
{
    if (e->is_draining) {
        return;
    }
    e->is_draining = true;
    e->on_drained = on_drained;
    e->on_drained_ctx = ctx;
    for (size_t i = 0; i < e->workers_count; i++) {
        loop_post(e->workers[i].loop, tcp_endpoint_drain_run, &e->workers[i]);
    }
    tcp_endpoint_close_sockets(e);
}

size_t tcp_endpoint_sockets(const struct tcp_endpoint *e, int fds[ROUTER_LISTENS_MAX])
{
    for (size_t i = 0; i < e->fds_count; i++) {
        fds[i] = e->fds[i];
    }
    return e->fds_count;
}

void tcp_endpoint_hand_over(struct tcp_endpoint *e)
{
    e->is_handed_over = true;
}

uint16_t tcp_endpoint_port(const struct tcp_endpoint *e, size_t i)
{
    ASSERT(i < e->plan.listens_count);
    return e->ports[i];
}

/* ---- to the workers ---- */

struct tcp_set_post {
    struct tcp_worker *worker;
    struct tcp_target_set set;
};

static void tcp_set_post_run(void *ctx)
{
    struct tcp_set_post *post = ctx;

    tcp_worker_follow(post->worker, &post->set);
    free(post);
}

void tcp_endpoint_publish(struct tcp_endpoint *e, const struct tcp_target_set *set)
{
    ASSERT(set->count <= TCP_MEMBERS_MAX);
    for (size_t i = 0; i < set->count; i++) {
        ASSERT(set->members[i].id < TCP_MEMBERS_MAX);
        ASSERT(set->members[i].weight <= TCP_WEIGHT_MAX);
    }
    for (size_t i = 0; i < e->workers_count; i++) {
        struct tcp_set_post *post = memory_zeroed(sizeof(*post));
        *post = (struct tcp_set_post){.worker = &e->workers[i], .set = *set};
        loop_post(e->workers[i].loop, tcp_set_post_run, post);
    }
}

/* ---- looking ---- */

#define TCP_SUM(name, help) sum->name += __atomic_load_n(&more->name, __ATOMIC_RELAXED);

static void tcp_counts_add(struct tcp_counts *sum, const struct tcp_counts *more)
{
    TCP_COUNTS(TCP_SUM)
}

static void tcp_member_counts_add(struct tcp_member_counts *sum,
                                  const struct tcp_member_counts *more)
{
    TCP_MEMBER_COUNTS(TCP_SUM)
}

#undef TCP_SUM

void tcp_endpoint_view(const struct tcp_endpoint *e, struct tcp_endpoint_view *view)
{
    *view = (struct tcp_endpoint_view){.is_draining = e->is_draining};
    view->connections = __atomic_load_n(&e->shared.connections, __ATOMIC_RELAXED);
    view->held = __atomic_load_n(&e->shared.held, __ATOMIC_RELAXED);
    for (size_t m = 0; m < TCP_MEMBERS_MAX; m++) {
        view->members[m].open = __atomic_load_n(&e->shared.open[m], __ATOMIC_RELAXED);
    }
    for (size_t i = 0; i < e->workers_count; i++) {
        const struct tcp_worker *w = &e->workers[i];
        uint64_t longest = __atomic_load_n(&w->held_longest_ms, __ATOMIC_RELAXED);
        tcp_counts_add(&view->counts, &w->counts);
        for (size_t m = 0; m < TCP_MEMBERS_MAX; m++) {
            tcp_member_counts_add(&view->members[m].counts, &w->members[m]);
        }
        if ((msec_t)longest > view->held_longest_ms) {
            view->held_longest_ms = (msec_t)longest;
        }
    }
}

/*
 * The control thread's side: listens, finds the master, and posts what it decided to the workers.
 * The workers post back only that they lost the master, and that their clients have gone.
 */
#include "router/router.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "loop/log.h"
#include "router/worker.h"

enum {
    ROUTER_TLS_MAX = 64, /* reloads whose old contexts are kept: connections still use them */
    ROUTER_SPARE_BYTES = 8 << 20, /* freed memory that each thread keeps: see RELAY_LOG_MAX_BYTES */
};

struct router {
    struct loop *loop;
    struct router_conf conf;
    struct finder *finder;
    struct worker *workers;
    size_t workers_count; /* opened */
    uint64_t *cleansed;   /* for each worker */
    struct worker_totals totals;
    struct worker_socket sockets[2 * ROUTER_LISTENS_MAX];
    size_t sockets_count;
    struct tls_context *redis_tls;
    struct tls_context *sentinel_tls;
    struct tls_context *old_tls[ROUTER_TLS_MAX];
    size_t old_tls_count;
    msec_t started_at_ms;
    bool is_draining;
    bool is_handed_over; /* another process listens now: the socket files are its */
    size_t drained;      /* workers */
    loop_call on_drained;
    void *on_drained_ctx;
};

/* ---- to the workers ---- */

struct route_post {
    struct worker *worker;
    struct route route;
};

static void router_post_route_run(void *ctx)
{
    struct route_post *post = ctx;

    worker_follow(post->worker, &post->route);
    free(post);
}

static void router_on_route(void *ctx, const struct route *route)
{
    struct router *r = ctx;

    for (size_t i = 0; i < r->workers_count; i++) {
        struct route_post *post = memory_zeroed(sizeof(*post));
        *post = (struct route_post){.worker = &r->workers[i], .route = *route};
        loop_post(r->workers[i].loop, router_post_route_run, post);
    }
}

static void router_on_trouble(void *ctx)
{
    struct router *r = ctx;

    finder_trouble(r->finder);
}

static void router_on_worker_drained(void *ctx)
{
    struct router *r = ctx;

    r->drained++;
    if (r->drained == r->workers_count && r->on_drained != NULL) {
        r->on_drained(r->on_drained_ctx);
    }
}

static void router_look_again_run(void *ctx)
{
    worker_look_again(ctx);
}

static void router_on_cleansed(void *ctx)
{
    struct router *r = ctx;

    for (size_t i = 0; i < r->workers_count; i++) {
        loop_post(r->workers[i].loop, router_look_again_run, &r->workers[i]);
    }
}

/* ---- opening ---- */

static bool router_tls(const struct router_tls_conf *conf, const char *what,
                       struct tls_context **context, struct err *err)
{
    const struct tls_settings settings = {.ca_file = conf->ca_file,
                                          .ca_dir = conf->ca_dir,
                                          .cert_file = conf->cert_file,
                                          .key_file = conf->key_file};

    *context = NULL;
    if (!conf->is_on) {
        return true;
    }
    *context = tls_client_create(&settings, err);
    return *context != NULL || err_wrap(err, "TLS to %s", what);
}

static bool router_socket(struct router *r, const struct router_listen *listen, enum target target,
                          int taken_over, struct err *err)
{
    bool is_tcp = addr_is_set(&listen->at);
    struct listener_plan plan = {.at = is_tcp ? &listen->at : NULL,
                                 .unix_path = is_tcp ? NULL : listen->path,
                                 .unix_mode = (mode_t)listen->mode};
    int fd = taken_over >= 0 ? taken_over : listener_socket(&plan, err);

    if (fd < 0) {
        return err_wrap(err, "listening");
    }
    r->sockets[r->sockets_count++] =
        (struct worker_socket){.listen = listen, .target = target, .fd = fd};
    return true;
}

static bool router_listen(struct router *r, const struct router_sockets *taken, struct err *err)
{
    const struct router_conf *conf = &r->conf;
    size_t at = 0;

    for (size_t i = 0; i < conf->listens_count + conf->replica_listens_count; i++) {
        bool is_replica = i >= conf->listens_count;
        const struct router_listen *listen =
            is_replica ? &conf->replica_listens[i - conf->listens_count] : &conf->listens[i];
        int fd = taken != NULL && at < taken->count ? taken->fds[at] : -1;
        at++;
        if (!router_socket(r, listen, is_replica ? TARGET_REPLICAS : TARGET_MASTER, fd, err)) {
            return false;
        }
    }
    return true;
}

static bool router_workers(struct router *r, const struct router_secrets *secrets, struct err *err)
{
    r->workers = memory_zeroed(r->conf.threads * sizeof(*r->workers));
    r->cleansed = memory_zeroed(r->conf.threads * sizeof(*r->cleansed));
    for (unsigned i = 0; i < r->conf.threads; i++) {
        struct worker_plan plan = {.router = r,
                                   .totals = &r->totals,
                                   .control = r->loop,
                                   .on_trouble = router_on_trouble,
                                   .on_drained = router_on_worker_drained,
                                   .on_cleansed = router_on_cleansed,
                                   .cleansed = r->cleansed,
                                   .index = i,
                                   .conf = &r->conf,
                                   .secrets = secrets,
                                   .redis_tls = r->redis_tls,
                                   .sockets = r->sockets,
                                   .sockets_count = r->sockets_count};
        r->workers_count++;
        if (!worker_open(&r->workers[i], &plan, err)) {
            return false;
        }
    }
    for (unsigned i = 0; i < r->conf.threads; i++) {
        if (!worker_start(&r->workers[i], err)) {
            return false;
        }
    }
    return true;
}

static bool router_start(struct router *r, const struct router_secrets *secrets,
                         const struct router_sockets *taken, struct err *err)
{
    if (!router_tls(&r->conf.redis_tls, "Redis", &r->redis_tls, err) ||
        !router_tls(&r->conf.sentinel_tls, "the monitors", &r->sentinel_tls, err) ||
        !router_listen(r, taken, err) || !router_workers(r, secrets, err)) {
        return false;
    }
    struct finder_settings settings = {.conf = &r->conf,
                                       .redis_password = secrets->redis_password,
                                       .sentinel_password = secrets->sentinel_password,
                                       .redis_tls = r->redis_tls,
                                       .sentinel_tls = r->sentinel_tls,
                                       .on_route = router_on_route,
                                       .ctx = r};
    r->finder = finder_create(r->loop, &settings);
    return true;
}

struct router *router_open(struct loop *loop, const struct router_conf *conf,
                           const struct router_secrets *secrets,
                           const struct router_sockets *sockets, struct err *err)
{
    struct router *r = memory_zeroed(sizeof(*r));

    /* The buffers of large requests come and go: memory is not given to the kernel and taken back
     * for each. Where the allocator does not know this it is only slower. */
    (void)mallopt(M_TRIM_THRESHOLD, ROUTER_SPARE_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, ROUTER_SPARE_BYTES);
    r->loop = loop;
    r->conf = *conf;
    r->started_at_ms = loop_now(loop);
    r->is_handed_over = sockets != NULL; /* until it stands the files are the old process' */
    if (!router_start(r, secrets, sockets, err)) {
        router_close(r);
        return NULL;
    }
    r->is_handed_over = false;
    return r;
}

/* ---- closing ---- */

static void router_close_sockets(struct router *r, bool removes)
{
    for (size_t i = 0; i < r->sockets_count; i++) {
        const struct router_listen *listen = r->sockets[i].listen;
        (void)close(r->sockets[i].fd); /* nothing was written to it */
        if (removes && !addr_is_set(&listen->at)) {
            (void)unlink(listen->path); /* somebody may have removed it before us */
        }
    }
    r->sockets_count = 0;
}

void router_close(struct router *r)
{
    if (r == NULL) {
        return;
    }
    finder_destroy(r->finder);
    for (size_t i = 0; i < r->workers_count; i++) {
        worker_close(&r->workers[i]);
    }
    free(r->workers);
    free(r->cleansed);
    router_close_sockets(r, !r->is_handed_over);
    tls_destroy(r->redis_tls);
    tls_destroy(r->sentinel_tls);
    for (size_t i = 0; i < r->old_tls_count; i++) {
        tls_destroy(r->old_tls[i]);
    }
    free(r);
}

static void router_drain_run(void *ctx)
{
    worker_drain(ctx);
}

void router_drain(struct router *r, loop_call on_drained, void *ctx)
{
    if (r->is_draining) {
        return;
    }
    r->is_draining = true;
    r->on_drained = on_drained;
    r->on_drained_ctx = ctx;
    for (size_t i = 0; i < r->workers_count; i++) {
        loop_post(r->workers[i].loop, router_drain_run, &r->workers[i]);
    }
    router_close_sockets(r, !r->is_handed_over);
}

/* ---- new secrets ---- */

struct secrets_post {
    struct worker *worker;
    struct tls_context *redis_tls;
    struct router_secrets secrets; /* copies */
};

static char *router_copy(const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);

    ASSERT((copy == NULL) == (text == NULL));
    return copy;
}

static void router_wipe(const char *text)
{
    if (text != NULL) {
        char *own = (char *)(uintptr_t)text;
        explicit_bzero(own, strlen(own));
        free(own);
    }
}

static void router_reload_run(void *ctx)
{
    struct secrets_post *post = ctx;

    post->worker->redis_tls = post->redis_tls;
    worker_take_secrets(post->worker, &post->secrets);
    router_wipe(post->secrets.redis_password);
    router_wipe(post->secrets.client_password);
    free(post);
}

bool router_reload(struct router *r, const struct router_secrets *secrets, struct err *err)
{
    struct tls_context *redis_tls = NULL;
    struct tls_context *sentinel_tls = NULL;

    if (r->old_tls_count + 2 > ROUTER_TLS_MAX) {
        return err_set(err, "%d reloads of TLS: restart the router to go on", ROUTER_TLS_MAX / 2);
    }
    if (!router_tls(&r->conf.redis_tls, "Redis", &redis_tls, err) ||
        !router_tls(&r->conf.sentinel_tls, "the monitors", &sentinel_tls, err)) {
        tls_destroy(redis_tls);
        return false;
    }
    if (r->redis_tls != NULL) {
        r->old_tls[r->old_tls_count++] = r->redis_tls;
    }
    if (r->sentinel_tls != NULL) {
        r->old_tls[r->old_tls_count++] = r->sentinel_tls;
    }
    r->redis_tls = redis_tls;
    r->sentinel_tls = sentinel_tls;
    finder_reload(r->finder, secrets->redis_password, secrets->sentinel_password, redis_tls,
                  sentinel_tls);
    for (size_t i = 0; i < r->workers_count; i++) {
        struct secrets_post *post = memory_zeroed(sizeof(*post));
        post->worker = &r->workers[i];
        post->redis_tls = redis_tls;
        post->secrets.redis_password = router_copy(secrets->redis_password);
        post->secrets.client_password = router_copy(secrets->client_password);
        loop_post(r->workers[i].loop, router_reload_run, post);
    }
    return true;
}

void router_sockets(const struct router *r, struct router_sockets *sockets)
{
    *sockets = (struct router_sockets){.count = r->sockets_count};
    for (size_t i = 0; i < r->sockets_count; i++) {
        sockets->fds[i] = r->sockets[i].fd;
    }
}

void router_hand_over(struct router *r)
{
    r->is_handed_over = true;
}

/* ---- looking ---- */

static uint64_t count_of(const uint64_t *count)
{
    return __atomic_load_n(count, __ATOMIC_RELAXED);
}

static void router_add_counts(struct router_counts *sum, const struct router_counts *more)
{
    uint64_t longest = sum->held_longest_ms;
#define ROUTER_COUNT_ADD(name, is_gauge, help) sum->name += count_of(&more->name);
    ROUTER_COUNTS(ROUTER_COUNT_ADD)
#undef ROUTER_COUNT_ADD
    uint64_t other = count_of(&more->held_longest_ms);
    sum->held_longest_ms = longest > other ? longest : other;
    for (size_t i = 0; i < ROUTER_LATENCY_BUCKETS; i++) {
        sum->latency_us[i] += count_of(&more->latency_us[i]);
    }
    sum->latency_sum_us += count_of(&more->latency_sum_us);
}

void router_view(struct router *r, struct router_view *view)
{
    *view = (struct router_view){.started_at_ms = r->started_at_ms,
                                 .now_ms = loop_now(r->loop),
                                 .is_draining = r->is_draining};
    finder_view(r->finder, &view->finder);
    for (size_t i = 0; i < r->workers_count; i++) {
        router_add_counts(&view->counts, &r->workers[i].counts);
    }
}

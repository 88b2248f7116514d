#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/text.h"
#include "daemon/site_inside.h"
#include "http/haproxy_agent.h"
#include "http/haproxy_runtime.h"
#include "http/health.h"
#include "http/http_server.h"
#include "loop/log.h"

/* What this node tells of the site: to load balancers, to HAProxy, to people. */

enum {
    HEALTH_REDIS_LOOK_MS = 100, /* routers do not tell when they find a master, so they are asked */
};

struct site_teller {
    struct site_run *run;
    struct site_view *view; /* too large for a stack, and for a copy */
    struct health *health;
    struct http_server *server;
    struct http_server *cluster_server;
    struct health_cluster_check cluster_check;
    struct haproxy_agent *agent; /* NULL: no HAProxy here */
    struct haproxy_runtime *runtime;
    struct loop_timer *look;
};

/* ---- the view ---- */

int64_t site_teller_unix_ms(struct loop *loop, msec_t at_ms)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* of a clock that is always there */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - (loop_now(loop) - at_ms);
}

static const char *health_kind(const struct site_service *service)
{
    return site_kind_names[service->kind];
}

static void health_fill_service(const struct site_teller *h, size_t i)
{
    const struct site_run *run = h->run;
    const struct site_service *service = &run->site.services[i];
    struct view_service *to = &h->view->services[i];

    text_cut(to->name, sizeof(to->name), service->head.name);
    text_cut(to->kind, sizeof(to->kind), health_kind(service));
    to->is_shared = service->kind != SITE_HTTP && service->kind != SITE_TCP;
    if (service->kind == SITE_REDIS) {
        site_redis_fill(run->redis, service, to);
    } else {
        site_relay_fill(run->relays[i], to);
    }
}

static bool health_is_known(const struct site_view *view)
{
    for (size_t i = 0; i < view->services_count; i++) {
        const struct view_service *service = &view->services[i];
        for (size_t k = 0; k < service->members_count; k++) {
            if (service->members[k].verdict == VERDICT_UNKNOWN) {
                return false;
            }
        }
    }
    return true;
}

void site_teller_refresh(struct site_teller *h)
{
    if (h == NULL) {
        return; /* a service speaks while it is opened */
    }
    for (size_t i = 0; i < h->run->site.services_count; i++) {
        health_fill_service(h, i);
    }
    h->view->services_count = h->run->site.services_count;
    h->view->is_known = health_is_known(h->view);
    h->view->is_started = true;
    h->view->has_majority = true; /* no service needs one: see needs_majority */
    site_view_changed(h->view);
    if (h->runtime != NULL) {
        haproxy_runtime_update(h->runtime);
    }
}

static void health_on_look(void *ctx)
{
    struct site_teller *h = ctx;

    if (site_redis_has_changed(h->run->redis)) {
        site_teller_refresh(h);
    }
    loop_timer_at(h->look, loop_now(h->run->loop) + HEALTH_REDIS_LOOK_MS);
}

/* ---- HTTP ---- */

static bool health_addresses(const struct site_run *run, const struct site_listens *listens,
                             struct addr *to, size_t *count, struct err *err)
{
    for (size_t i = 0; i < listens->count && i < HTTP_BINDS_MAX; i++) {
        struct router_listen found;
        if (!site_listen_on(&listens->items[i], run->node, &found, err)) {
            return false;
        }
        to[i] = found.at;
    }
    *count = listens->count < HTTP_BINDS_MAX ? listens->count : HTTP_BINDS_MAX;
    return true;
}

static bool health_open_server(struct site_teller *h, struct err *err)
{
    struct addr binds[HTTP_BINDS_MAX];
    struct http_server_plan plan = {
        .binds = binds, .on_request = health_on_request, .ctx = h->health};

    if (!health_addresses(h->run, &h->run->site.health.listen, binds, &plan.binds_count, err)) {
        return false;
    }
    if (plan.binds_count > 0) {
        h->server = http_server_open(h->run->loop, &plan, err);
    }
    return plan.binds_count == 0 || h->server != NULL;
}

static const char *health_galera(const struct site *site)
{
    for (size_t i = 0; i < site->services_count; i++) {
        if (site->services[i].kind == SITE_GALERA) {
            return site->services[i].head.name;
        }
    }
    return NULL;
}

static bool health_open_cluster_check(struct site_teller *h, struct err *err)
{
    const char *galera = health_galera(&h->run->site);
    struct addr binds[HTTP_BINDS_MAX];
    struct http_server_plan plan = {.binds = binds,
                                    .on_request = health_on_cluster_check,
                                    .ctx = &h->cluster_check,
                                    .takes_options = true};

    if (galera == NULL || h->run->site.health.galera_listen.count == 0) {
        return true;
    }
    if (!health_addresses(h->run, &h->run->site.health.galera_listen, binds, &plan.binds_count,
                          err)) {
        return false;
    }
    h->cluster_check.view = h->view;
    text_cut(h->cluster_check.service, sizeof(h->cluster_check.service), galera);
    h->cluster_server = http_server_open(h->run->loop, &plan, err);
    return h->cluster_server != NULL;
}

/* ---- HAProxy ---- */

static bool health_has_haproxy(const struct site_run *run)
{
    const struct site_haproxy *haproxy = &run->site.haproxy;

    return site_is_given(&haproxy->head) &&
           (haproxy->nodes.count == 0 || site_names_have(&haproxy->nodes, run->node->head.name));
}

static bool health_open_agent(struct site_teller *h, struct err *err)
{
    struct addr binds[HTTP_BINDS_MAX];
    struct haproxy_agent_port ports[HTTP_BINDS_MAX] = {{.service = ""}};
    struct haproxy_agent_plan plan = {.ports = ports, .view = h->view};

    if (!health_addresses(h->run, &h->run->site.haproxy.agent_listen, binds, &plan.ports_count,
                          err)) {
        return false;
    }
    for (size_t i = 0; i < plan.ports_count; i++) {
        ports[i].at = binds[i];
    }
    h->agent = haproxy_agent_open(h->run->loop, &plan, err);
    return h->agent != NULL;
}

/* Its backends and servers are named as ours. Of a service with one writer, and of a Redis, the
 * others are kept out: so the web's members only. */
static bool health_open_runtime(struct site_teller *h, struct err *err)
{
    const struct site *site = &h->run->site;
    struct haproxy_server *servers =
        memory_zeroed((size_t)SITE_SERVICES_MAX * SITE_MEMBERS_MAX * sizeof(*servers));
    struct haproxy_runtime_plan plan = {
        .socket_path = site->haproxy.socket, .servers = servers, .view = h->view};

    for (size_t i = 0; i < site->services_count; i++) {
        const struct site_service *service = &site->services[i];
        for (size_t k = 0; k < service->members_count && service->kind != SITE_REDIS; k++) {
            struct haproxy_server *server = &servers[plan.servers_count++];
            server->has_agent = true;
            text_cut(server->backend, sizeof(server->backend), service->head.name);
            text_cut(server->server, sizeof(server->server), service->members[k].head.name);
            text_cut(server->service, sizeof(server->service), service->head.name);
            text_cut(server->member, sizeof(server->member), service->members[k].head.name);
        }
    }
    h->runtime = haproxy_runtime_create(h->run->loop, &plan, err);
    free(servers);
    return h->runtime != NULL;
}

/* ---- the face ---- */

struct site_teller *site_teller_open(struct site_run *run, struct err *err)
{
    struct site_teller *h = memory_zeroed(sizeof(*h));
    bool is_good;

    h->run = run;
    h->view = memory_zeroed(sizeof(*h->view));
    text_cut(h->view->node, sizeof(h->view->node), run->node->head.name);
    h->health = health_create(h->view);
    h->look = loop_timer_create(run->loop, health_on_look, h);
    site_teller_refresh(h);
    is_good = (health_open_server(h, err) && health_open_cluster_check(h, err)) ||
              err_wrap(err, "health");
    if (is_good && health_has_haproxy(run)) {
        is_good =
            (health_open_agent(h, err) && health_open_runtime(h, err)) || err_wrap(err, "haproxy");
    }
    if (!is_good) {
        site_teller_close(h);
        return NULL;
    }
    health_on_look(h);
    return h;
}

unsigned site_teller_release(struct site_teller *h, loop_call on_done, void *ctx)
{
    if (h->runtime == NULL) {
        return 0;
    }
    haproxy_runtime_release(h->runtime, on_done, ctx);
    return 1;
}

void site_teller_close(struct site_teller *h)
{
    if (h == NULL) {
        return;
    }
    haproxy_runtime_destroy(h->runtime);
    haproxy_agent_close(h->agent);
    http_server_close(h->server);
    http_server_close(h->cluster_server);
    health_destroy(h->health);
    loop_timer_destroy(h->look);
    free(h->view);
    free(h);
}

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/feed.h"
#include "daemon/daemon_inside.h"
#include "daemon/router_inside.h"
#include "daemon/secret_file.h"
#include "daemon/site_inside.h"
#include "loop/log.h"

/* The redis services of a site: the monitor, when this node has a voice, and the routers of the
 * endpoints that are here. */

#define SITE_RUN_DIRECTORY "/run/holdfast"

struct site_router {
    struct router_conf conf;
    struct router *router;
    struct control *control;  /* of `holdfast status`; NULL without a directory for it */
    uint64_t generation_told; /* of the route, when site_redis_has_changed() looked */
    enum route_state state_told;
};

struct site_redis {
    struct site_run *run;
    struct site_router *routers[SITE_SERVICES_MAX];
    size_t routers_count;
    struct daemon *monitor; /* NULL: no voice here */
};

/* ---- a router ---- */

static void site_router_close(struct site_router *r)
{
    if (r != NULL) {
        control_close(r->control);
        router_close(r->router);
        free(r);
    }
}

static bool site_router_control(struct site_redis *redis, struct site_router *r, struct err *err)
{
    struct control_settings settings = {
        .path = r->conf.control_path, .conf = &r->conf, .router = r->router};
    int len = snprintf(r->conf.control_path, sizeof(r->conf.control_path),
                       SITE_RUN_DIRECTORY "/router-%s.sock", r->conf.master);

    if (len < 0 || (size_t)len >= sizeof(r->conf.control_path) ||
        access(SITE_RUN_DIRECTORY, W_OK | X_OK) != 0) {
        r->conf.control_path[0] = '\0';
        log_notice("%s: no control socket, so no holdfast status: this user may not write to "
                   "%s",
                   r->conf.master, SITE_RUN_DIRECTORY);
        return true;
    }
    r->control = control_open(redis->run->loop, &settings, err);
    return r->control != NULL;
}

static bool site_router_open(struct site_redis *redis, const struct site_service *service,
                             struct err *err)
{
    struct site_router *r = memory_zeroed(sizeof(*r));
    struct router_secret_texts texts;

    redis->routers[redis->routers_count++] = r;
    if (!feed_router(&redis->run->site, service, redis->run->node, &r->conf, err) ||
        !router_secrets_read(&r->conf, &texts, secret_file_warn_log, err)) {
        return false;
    }
    struct router_secrets secrets = router_secrets_of(&texts);
    r->router = router_open(redis->run->loop, &r->conf, &secrets, NULL, err);
    router_secrets_finish(&texts);
    return r->router != NULL && site_router_control(redis, r, err);
}

static bool site_redis_routers(struct site_redis *redis, struct err *err)
{
    const struct site *site = &redis->run->site;
    const struct site_node *node = redis->run->node;

    for (size_t i = 0; i < site->services_count; i++) {
        const struct site_service *service = &site->services[i];
        bool is_here = site_endpoint_is_on(site, service, &service->endpoint, node) ||
                       site_endpoint_is_on(site, service, &service->read_endpoint, node);
        if (service->kind == SITE_REDIS && is_here && !site_router_open(redis, service, err)) {
            return err_wrap(err, "service %s", service->head.name);
        }
    }
    return true;
}

/* ---- the monitor ---- */

static bool site_redis_text(const struct site_redis *redis, struct buf *text, struct err *err)
{
    const struct site *site = &redis->run->site;
    char *owned[SITE_SERVICES_MAX + 1] = {NULL};
    struct feed_passwords passwords = {.of_monitors = NULL};
    bool is_good = secret_file_read(site->monitors.password_file, &owned[SITE_SERVICES_MAX],
                                    secret_file_warn_log, err);

    for (size_t i = 0; i < site->services_count && is_good; i++) {
        if (site->services[i].kind == SITE_REDIS) {
            is_good = secret_file_read(site->services[i].password_file, &owned[i],
                                       secret_file_warn_log, err);
            passwords.of_service[i] = owned[i];
        }
    }
    passwords.of_monitors = owned[SITE_SERVICES_MAX];
    is_good = is_good && feed_monitor(site, redis->run->node, &passwords, text, err);
    for (size_t i = 0; i < COUNT_OF(owned); i++) {
        secret_file_wipe(&owned[i]);
    }
    return is_good;
}

static char *site_redis_state_path(const struct site *site)
{
    struct buf text = {0};

    buf_printf(&text, "%s/monitor.state", site->state_directory);
    return text.bytes; /* the buffer began empty: its bytes are the text */
}

static bool site_redis_monitor(struct site_redis *redis, struct err *err)
{
    struct site_run *run = redis->run;
    struct config_notes notes = {0};
    struct buf text = {0};

    if (!site_redis_text(redis, &text, err)) {
        buf_finish(&text);
        return err_wrap(err, "the monitor");
    }
    struct daemon *d = memory_zeroed(sizeof(*d));
    struct config_source source = {
        .text = buf_data(&text), .len = text.len, .path = "the site's redis services"};
    redis->monitor = d;
    d->loop = run->loop;
    d->config_path = strdup(run->path);
    d->state_path = site_redis_state_path(&run->site);
    ASSERT(d->config_path != NULL);
    bool is_good =
        config_parse(&source, &d->conf, &notes, err) && monitor_open(d, run->executable, err);
    if (text.len > 0) {
        explicit_bzero(text.bytes + text.start, text.len); /* passwords */
    }
    buf_finish(&text);
    config_notes_finish(&notes);
    return is_good || err_wrap(err, "the monitor");
}

static bool site_redis_has_voice(const struct site_run *run)
{
    bool has_redis = false;

    for (size_t i = 0; i < run->site.services_count; i++) {
        has_redis = has_redis || run->site.services[i].kind == SITE_REDIS;
    }
    return has_redis && site_names_have(&run->site.monitors.nodes, run->node->head.name);
}

/* ---- the face ---- */

bool site_redis_open(struct site_run *run, struct err *err)
{
    struct site_redis *redis = memory_zeroed(sizeof(*redis));

    redis->run = run;
    run->redis = redis;
    if ((site_redis_has_voice(run) && !site_redis_monitor(redis, err)) ||
        !site_redis_routers(redis, err)) {
        return false;
    }
    if (redis->monitor != NULL) {
        log_notice("monitor of %zu masters; run id %s, port %u", redis->monitor->conf.masters_count,
                   redis->monitor->conf.myid, run->site.monitors.port);
        observe_tick(redis->monitor);
    }
    return true;
}

void site_redis_close(struct site_redis *redis)
{
    if (redis == NULL) {
        return;
    }
    for (size_t i = 0; i < redis->routers_count; i++) {
        site_router_close(redis->routers[i]);
    }
    redis->routers_count = 0;
    if (redis->monitor != NULL) {
        monitor_close(redis->monitor);
    }
}

void site_redis_finish(struct site_redis *redis)
{
    if (redis != NULL) {
        if (redis->monitor != NULL) {
            monitor_finish(redis->monitor);
            free(redis->monitor);
        }
        free(redis);
    }
}

unsigned site_redis_drain(struct site_redis *redis, loop_call on_drained, void *ctx)
{
    for (size_t i = 0; i < redis->routers_count; i++) {
        router_drain(redis->routers[i]->router, on_drained, ctx);
    }
    return (unsigned)redis->routers_count;
}

void site_redis_reload_secrets(struct site_redis *redis)
{
    for (size_t i = 0; i < redis->routers_count; i++) {
        struct site_router *r = redis->routers[i];
        struct router_secret_texts texts;
        struct err err = {{0}};
        bool is_good = router_secrets_read(&r->conf, &texts, secret_file_warn_log, &err);
        if (is_good) {
            struct router_secrets secrets = router_secrets_of(&texts);
            is_good = router_reload(r->router, &secrets, &err);
            router_secrets_finish(&texts);
        }
        if (is_good) {
            log_notice("%s: passwords and certificates were read again", r->conf.master);
        } else {
            log_warning("%s: the old passwords and certificates stay: %s", r->conf.master,
                        err.text);
        }
    }
}

/* ---- what is told of it ---- */

static struct site_router *redis_router(const struct site_redis *redis, const char *name)
{
    for (size_t i = 0; i < redis->routers_count; i++) {
        if (strcmp(redis->routers[i]->conf.master, name) == 0) {
            return redis->routers[i];
        }
    }
    return NULL;
}

/* What a router knows: the master by its proof, the replicas that may be read. Of others nothing is
 * known here. */
static void redis_fill_members(const struct site_redis *redis, const struct site_service *service,
                               const struct route *route, struct view_service *to)
{
    const struct site *site = &redis->run->site;

    for (size_t i = 0; i < service->members_count; i++) {
        const struct site_member *member = &service->members[i];
        struct view_member *view = &to->members[i];
        struct addr at;
        *view = (struct view_member){.weight_permille = HEALTH_PERMILLE,
                                     .is_here = site_member_node(site, member) == redis->run->node};
        text_cut(view->name, sizeof(view->name), member->head.name);
        if (!addr_set(&at, site_member_host(site, member), (uint16_t)member->port)) {
            continue; /* the file was judged: it is one */
        }
        (void)addr_text(&at, view->address);
        bool is_master = route->state != ROUTE_UNKNOWN && addr_same(&route->master, &at);
        bool may_be_read = is_master;
        for (size_t k = 0; k < route->replicas_count; k++) {
            may_be_read = may_be_read || addr_same(&route->replicas[k], &at);
        }
        view->is_writer = is_master;
        view->verdict = may_be_read ? VERDICT_READY : VERDICT_NOT_READY;
        text_cut(view->reason, sizeof(view->reason),
                 is_master     ? "the master"
                 : may_be_read ? "a replica within its bounds"
                               : "neither the master nor a replica that the router may read");
        view->since_unix_ms = site_teller_unix_ms(redis->run->loop, route->since_ms);
    }
    to->members_count = service->members_count;
}

void site_redis_fill(const struct site_redis *redis, const struct site_service *service,
                     struct view_service *to)
{
    const struct site_router *r = redis_router(redis, service->head.name);
    struct router_view view;
    struct buf text = {0};

    to->has_one_writer = true;
    to->endpoint = (struct view_endpoint){.is_here = r != NULL};
    to->members_count = 0;
    if (r == NULL) {
        return; /* only a voice, or nothing: the monitors know, not this node's endpoints */
    }
    router_view(r->router, &view);
    to->endpoint.serves = view.finder.route.state != ROUTE_UNKNOWN;
    if (!to->endpoint.serves) {
        text_cut(to->endpoint.reason, sizeof(to->endpoint.reason), "there is no master");
    }
    if (r->conf.listens_count > 0) {
        router_listen_text(&r->conf.listens[0], &text);
        text_cut(to->endpoint.address, sizeof(to->endpoint.address), buf_data(&text));
        buf_finish(&text);
    }
    redis_fill_members(redis, service, &view.finder.route, to);
}

bool site_redis_has_changed(struct site_redis *redis)
{
    bool has_changed = false;

    for (size_t i = 0; i < redis->routers_count; i++) {
        struct site_router *r = redis->routers[i];
        struct router_view view;
        router_view(r->router, &view);
        const struct route *route = &view.finder.route;
        has_changed =
            has_changed || route->generation != r->generation_told || route->state != r->state_told;
        r->generation_told = route->generation;
        r->state_told = route->state;
    }
    return has_changed;
}

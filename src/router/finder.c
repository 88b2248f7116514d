/*
 * The finder as a whole: what was heard is judged in one place, finder_turn(), and told as a route.
 * What one monitor says is in finder_monitor.c, what one Redis says in finder_role.c, and who is
 * believed in pool/master_choice.c.
 */
#include "router/finder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "loop/log.h"
#include "router/finder_inside.h"

void finder_wake(struct finder *finder)
{
    loop_timer_at(finder->timer, loop_now(finder->loop));
}

void finder_stir(struct finder *finder)
{
    finder->trouble_until_ms = loop_now(finder->loop) + FINDER_TROUBLE_MS;
    for (size_t i = 0; i < finder->watches_count; i++) {
        finder_watch_ask(&finder->watches[i]);
    }
    finder_wake(finder);
}

struct finder_server *finder_server_find(const struct finder *finder, const struct addr *at)
{
    for (size_t i = 0; i < finder->servers_count; i++) {
        if (addr_same(&finder->servers[i]->at, at)) {
            return finder->servers[i];
        }
    }
    return NULL;
}

void finder_ask_server(struct finder *finder, const struct addr *at)
{
    struct finder_server *server = addr_is_set(at) ? finder_server_find(finder, at) : NULL;

    if (server != NULL && server->replies_left == 0) {
        server->asked_at_ms = 0;
        finder_wake(finder);
    }
}

/* ---- how often ---- */

static bool finder_master_is_silent(const struct finder *finder)
{
    const struct master_choice *c = &finder->choice;

    for (size_t i = 0; i < c->servers_count; i++) {
        if (addr_same(&c->servers[i].addr, &c->route.master)) {
            return c->servers[i].role == CHOICE_ROLE_NONE;
        }
    }
    return false;
}

static void finder_note_trouble(struct finder *finder, msec_t now)
{
    const struct choice_route *route = &finder->choice.route;
    bool is_troubled = route->state != CHOICE_OPEN || finder->choice.is_early ||
                       now < finder->trouble_until_ms || finder_master_is_silent(finder);

    if (is_troubled && !finder->is_troubled) {
        finder->troubled_since_ms = now;
    }
    finder->is_troubled = is_troubled;
}

static bool finder_trouble_is_long(const struct finder *finder)
{
    return loop_now(finder->loop) - finder->troubled_since_ms >= FINDER_TROUBLE_LONG_MS;
}

msec_t finder_ask_period(const struct finder *finder)
{
    if (!finder->is_troubled) {
        return FINDER_ASK_MS;
    }
    return finder_trouble_is_long(finder) ? FINDER_ASK_TROUBLE_LONG_MS : FINDER_ASK_TROUBLED_MS;
}

/* A selected replica is asked often however long the trouble lasts: that is bounded by the hold. */
static msec_t finder_role_period(const struct finder *finder, const struct choice_server *server)
{
    bool is_promotion = finder->choice.hold_until_ms != 0;

    if (server->is_urgent && (is_promotion || !finder_trouble_is_long(finder))) {
        return FINDER_ROLE_MS;
    }
    return finder_ask_period(finder);
}

/* ---- whom to ask ---- */

static void finder_choose_server(struct finder *finder, const struct choice_server *chosen)
{
    struct finder_server *server = finder_server_find(finder, &chosen->addr);

    if (server == NULL) {
        ASSERT(finder->servers_count < FINDER_SERVERS_MAX);
        server = finder_server_create(finder, &chosen->addr);
        finder->servers[finder->servers_count++] = server;
    }
    if (!server->is_chosen && server->replies_left == 0) {
        server->asked_at_ms = 0; /* at once */
    }
    server->period_ms = finder_role_period(finder, chosen);
    server->is_wanted = true;
}

static void finder_sync_servers(struct finder *finder)
{
    size_t kept = 0;

    for (size_t i = 0; i < finder->servers_count; i++) {
        finder->servers[i]->is_wanted = false;
        finder->servers[i]->period_ms = FINDER_ASK_MS;
    }
    finder_replicas_list(finder);
    for (size_t i = 0; i < finder->choice.servers_count; i++) {
        finder_choose_server(finder, &finder->choice.servers[i]);
    }
    for (size_t i = 0; i < finder->servers_count; i++) {
        struct finder_server *server = finder->servers[i];
        server->is_chosen = server->is_wanted;
        if (server->is_chosen || server->is_replica || server->is_serving) {
            finder->servers[kept++] = server;
        } else {
            finder_server_destroy(server);
        }
    }
    finder->servers_count = kept;
}

/* ---- the log ---- */

static void finder_log_route(const struct finder *finder, const struct choice_route *before)
{
    const struct choice_route *route = &finder->choice.route;
    const char *name = finder->conf->master;
    const char *why = choice_why_text(route->why);
    char text[ADDR_TEXT_MAX];
    char old[ADDR_TEXT_MAX];
    bool is_other = !addr_is_set(&before->master) || !addr_same(&before->master, &route->master);

    (void)addr_text(&route->master, text);
    if (is_other && addr_is_set(&before->master)) {
        log_notice("%s: master %s instead of %s: %s%s", name, text, addr_text(&before->master, old),
                   why,
                   route->state == CHOICE_HOLD ? "; writes are held for the next failover" : "");
    } else if (!is_other && route->state == before->state && route->why == before->why) {
        log_info("%s: master %s: epoch %" PRIu64, name, text, route->epoch);
    } else if (!is_other && route->state == CHOICE_HOLD) {
        log_notice("%s: master %s: writes are held: %s", name, text, why);
    } else if (!is_other && route->state == CHOICE_NONE) {
        log_warning("%s: master %s is used no more: %s", name, text, why);
    } else if (!is_other && before->state == CHOICE_HOLD) {
        log_notice("%s: master %s: writes go on: %s", name, text, why);
    } else {
        log_notice("%s: master %s: %s", name, text, why);
    }
}

static void finder_describe(const struct finder *finder, struct buf *out)
{
    char text[ADDR_TEXT_MAX];
    msec_t now = loop_now(finder->loop);

    for (size_t i = 0; i < finder->watches_count; i++) {
        const struct finder_monitor *view = &finder->watches[i].view;
        bool is_silent = view->answered_at_ms != 0 && now - view->answered_at_ms > FINDER_SILENT_MS;
        buf_printf(out, "%s%s ", i > 0 ? "; " : "", addr_text(&view->addr, text));
        if (view->last_error[0] != '\0') {
            buf_append_text(out, view->last_error);
        } else if (is_silent) {
            buf_append_text(out, "is silent");
        } else if (addr_is_set(&view->master)) {
            buf_printf(out, "says %s, epoch %" PRIu64, addr_text(&view->master, text), view->epoch);
        } else {
            buf_append_text(out, "has not answered yet");
        }
    }
}

/* A failover makes the monitors differ for a moment: only what lasts is told. */
static void finder_note_majority(struct finder *finder, msec_t now)
{
    const struct master_choice *c = &finder->choice;
    bool has_master = addr_is_set(&c->route.master);
    bool may_be_failover = has_master && c->answering > finder->watches_count / 2;
    struct buf line = {0};
    char text[ADDR_TEXT_MAX];

    if (c->has_agreed) {
        if (finder->was_uneasy) {
            log_notice("%s: a majority of the monitors names one master again",
                       finder->conf->master);
        }
        finder->was_uneasy = false;
        finder->uneasy_since_ms = 0;
        return;
    }
    if (finder->uneasy_since_ms == 0) {
        finder->uneasy_since_ms = now;
    }
    msec_t wait = may_be_failover ? FINDER_DIFFER_MS : FINDER_UNEASY_MS;
    if (finder->was_uneasy || now < finder->uneasy_since_ms + wait) {
        return;
    }
    finder->was_uneasy = true;
    finder_describe(finder, &line);
    log_warning("%s: no majority of the %zu monitors names one master; %s%s: %s",
                finder->conf->master, finder->watches_count,
                has_master ? "going on with " : "waiting",
                has_master ? addr_text(&c->route.master, text) : "", buf_data(&line));
    buf_finish(&line);
}

/* ---- the route ---- */

static enum route_state finder_state(enum choice_state state)
{
    switch (state) {
    case CHOICE_NONE:
        return ROUTE_UNKNOWN;
    case CHOICE_OPEN:
        return ROUTE_OPEN;
    case CHOICE_HOLD:
        return ROUTE_HOLD_WRITES;
    }
    UNREACHABLE("a state of no name");
}

static void finder_make_route(struct finder *finder)
{
    const struct choice_route *chosen = &finder->choice.route;
    struct route *route = &finder->route;

    route->generation = chosen->generation;
    route->state = finder_state(chosen->state);
    route->master = chosen->state != CHOICE_NONE ? chosen->master : (struct addr){0};
    route->epoch = chosen->epoch;
    route->since_ms = chosen->since_ms;
    route->replicas_count = 0;
    for (size_t i = 0; i < finder->servers_count; i++) {
        if (finder->servers[i]->is_serving && route->replicas_count < ROUTE_REPLICAS_MAX) {
            route->replicas[route->replicas_count++] = finder->servers[i]->at;
        }
    }
}

static void finder_count(struct finder *finder, const struct choice_route *before)
{
    const struct choice_route *route = &finder->choice.route;

    if (addr_is_set(&before->master) && !addr_same(&before->master, &route->master)) {
        finder->switches++;
    }
    if (route->state == CHOICE_HOLD && before->state != CHOICE_HOLD) {
        finder->holds++;
    }
}

/* ---- a turn ---- */

static msec_t finder_earlier(msec_t a, msec_t b)
{
    return a < b ? a : b;
}

static msec_t finder_work(struct finder *finder, msec_t now)
{
    msec_t next = master_choice_next(&finder->choice, now);

    for (size_t i = 0; i < finder->watches_count; i++) {
        next = finder_earlier(next, finder_watch_turn(&finder->watches[i], now));
    }
    for (size_t i = 0; i < finder->servers_count; i++) {
        next = finder_earlier(next, finder_server_turn(finder->servers[i], now));
    }
    if (finder->uneasy_since_ms != 0 && !finder->was_uneasy) {
        next = finder_earlier(next, now + FINDER_UNEASY_MS);
    }
    return next;
}

static void finder_turn(void *ctx)
{
    struct finder *finder = ctx;
    struct choice_route before = finder->choice.route;
    msec_t now = loop_now(finder->loop);

    bool has_changed = master_choice_judge(&finder->choice, now);
    finder_note_trouble(finder, now);
    finder_note_majority(finder, now);
    finder_sync_servers(finder);
    bool replicas_changed = finder_replicas_judge(finder);
    if (has_changed) {
        finder_log_route(finder, &before);
        finder_count(finder, &before);
    }
    /* What fails at once in there wakes us: the earlier of both times counts. */
    loop_timer_clear(finder->timer);
    msec_t next = finder_work(finder, now);
    if (!loop_timer_is_set(finder->timer)) {
        loop_timer_at(finder->timer, next);
    }
    if (has_changed || replicas_changed) {
        finder_make_route(finder);
        finder->on_route(finder->ctx, &finder->route);
    }
}

/* ---- from outside ---- */

struct finder *finder_create(struct loop *loop, const struct finder_settings *settings)
{
    const struct router_conf *conf = settings->conf;
    struct finder *finder = memory_zeroed(sizeof(*finder));

    ASSERT(conf->monitors_count > 0 && conf->monitors_count <= ROUTER_MONITORS_MAX);
    ASSERT(settings->on_route != NULL);
    finder->loop = loop;
    finder->conf = conf;
    finder_access_set(&finder->redis, conf->redis.user, settings->redis_password,
                      settings->redis_tls);
    finder_access_set(&finder->sentinel, conf->sentinel.user, settings->sentinel_password,
                      settings->sentinel_tls);
    finder->on_route = settings->on_route;
    finder->ctx = settings->ctx;
    finder->timer = loop_timer_create(loop, finder_turn, finder);
    finder->started_at_ms = loop_now(loop);
    finder->watches_count = conf->monitors_count;
    for (size_t i = 0; i < finder->watches_count; i++) {
        finder_watch_init(&finder->watches[i], finder, i);
    }
    master_choice_init(&finder->choice, finder->watches_count, FINDER_SILENT_MS,
                       FINDER_HOLD_MAX_MS);
    finder_wake(finder);
    return finder;
}

void finder_destroy(struct finder *finder)
{
    if (finder == NULL) {
        return;
    }
    for (size_t i = 0; i < finder->watches_count; i++) {
        finder_watch_close(&finder->watches[i]);
    }
    for (size_t i = 0; i < finder->servers_count; i++) {
        finder_server_destroy(finder->servers[i]);
    }
    finder_name_close(finder);
    finder_access_finish(&finder->redis);
    finder_access_finish(&finder->sentinel);
    loop_timer_destroy(finder->timer);
    free(finder);
}

void finder_trouble(struct finder *finder)
{
    finder_ask_server(finder, &finder->choice.route.master);
    finder_stir(finder);
}

void finder_reload(struct finder *finder, const char *redis_password, const char *sentinel_password,
                   struct tls_context *redis_tls, struct tls_context *sentinel_tls)
{
    finder_access_set(&finder->redis, finder->conf->redis.user, redis_password, redis_tls);
    finder_access_set(&finder->sentinel, finder->conf->sentinel.user, sentinel_password,
                      sentinel_tls);
}

void finder_view(const struct finder *finder, struct finder_view *view)
{
    msec_t now = loop_now(finder->loop);

    *view = (struct finder_view){
        .route = finder->route,
        .monitors_count = finder->watches_count,
        .monitors_answering = finder->choice.answering,
        .has_majority = finder->choice.has_agreed,
        .switches = finder->switches,
        .holds = finder->holds,
    };
    for (size_t i = 0; i < finder->watches_count; i++) {
        struct finder_monitor *monitor = &view->monitors[i];
        *monitor = finder->watches[i].view;
        monitor->has_answered =
            monitor->answered_at_ms != 0 && now - monitor->answered_at_ms <= FINDER_SILENT_MS;
    }
}

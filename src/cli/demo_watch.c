#include "cli/demo_watch.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"

enum {
    DEMO_POLL_MS = 100,
    DEMO_SILENCE_MS = 1000, /* longer without an answer is shown as silence */
    DEMO_CONNECT_MS = 500,
    DEMO_FIELD_MAX = 64,
};

/* ---- replies ---- */

/* The value of an INFO line "name:value"; "" when there is none. */
static const char *demo_watch_line(const char *info, const char *name, char value[DEMO_FIELD_MAX])
{
    size_t name_len = strlen(name);

    value[0] = '\0';
    for (const char *at = info; at != NULL && *at != '\0'; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, name_len) == 0 && at[name_len] == ':') {
            at += name_len + 1;
            size_t len = strcspn(at, "\r\n");
            len = len < DEMO_FIELD_MAX ? len : DEMO_FIELD_MAX - 1;
            memcpy(value, at, len);
            value[len] = '\0';
            break;
        }
    }
    return value;
}

static int64_t demo_watch_number(const char *text)
{
    int64_t value = 0;
    return text_to_i64(text, strlen(text), &value) ? value : 0;
}

static void demo_watch_addr(struct addr *at, const char *host, int64_t port)
{
    if (port <= 0 || port > UINT16_MAX || !addr_set(at, host, (uint16_t)port)) {
        *at = (struct addr){0};
    }
}

static void demo_watch_read_node(struct demo_node_view *view, const char *info)
{
    char value[DEMO_FIELD_MAX];
    char host[DEMO_FIELD_MAX];

    view->is_master = strcmp(demo_watch_line(info, "role", value), "master") == 0;
    view->offset = demo_watch_number(
        demo_watch_line(info, view->is_master ? "master_repl_offset" : "slave_repl_offset", value));
    view->replicas = demo_watch_number(demo_watch_line(info, "connected_slaves", value));
    view->link_is_up = strcmp(demo_watch_line(info, "master_link_status", value), "up") == 0;
    (void)demo_watch_line(info, "master_host", host);
    demo_watch_addr(&view->master, host,
                    demo_watch_number(demo_watch_line(info, "master_port", value)));
}

static int64_t demo_watch_map_number(const struct resp_value *map, const char *key)
{
    int64_t value = 0;
    return resp_integer(resp_map_get(map, key), &value) ? value : 0;
}

static void demo_watch_read_monitor(struct demo_monitor_view *view, const struct resp_value *map)
{
    demo_watch_addr(&view->master, resp_text(resp_map_get(map, "ip")),
                    demo_watch_map_number(map, "port"));
    text_cut(view->flags, sizeof(view->flags), resp_text(resp_map_get(map, "flags")));
    view->replicas = demo_watch_map_number(map, "num-slaves");
    view->peers = demo_watch_map_number(map, "num-other-sentinels");
    view->config_epoch = demo_watch_map_number(map, "config-epoch");
}

/* ---- polling ---- */

static void demo_watch_answered(struct demo_watch_poll *poll)
{
    poll->is_waiting = false;
    poll->answered_ms = loop_now(poll->link.loop);
}

static void demo_watch_on_info(void *ctx, const struct resp_value *reply)
{
    struct demo_watch_poll *poll = ctx;

    demo_watch_answered(poll);
    if (!resp_is(reply, RESP_ERROR)) {
        demo_watch_read_node(&poll->watch->node_views[poll->index], resp_text(reply));
    }
}

static void demo_watch_on_master(void *ctx, const struct resp_value *reply)
{
    struct demo_watch_poll *poll = ctx;

    demo_watch_answered(poll);
    if (!resp_is(reply, RESP_ERROR)) {
        demo_watch_read_monitor(&poll->watch->monitor_views[poll->index], reply);
    }
}

static void demo_watch_on_message(void *ctx, const struct resp_value *reply)
{
    struct demo_watch_poll *poll = ctx;
    char payload[DEMO_EVENT_MAX];

    poll->answered_ms = loop_now(poll->link.loop);
    if (resp_text_is(resp_item(reply, 0), "pmessage")) {
        text_cut(payload, sizeof(payload), resp_text(resp_item(reply, 3)));
        poll->watch->on_event(poll->watch->ctx, poll->index, resp_text(resp_item(reply, 2)),
                              payload);
    }
}

static void demo_watch_ask_node(void *ctx)
{
    struct demo_watch_poll *poll = ctx;
    poll->is_waiting = true;
    demo_link_send(&poll->link, "INFO", "replication", NULL);
}

static void demo_watch_ask_monitor(void *ctx)
{
    struct demo_watch_poll *poll = ctx;
    poll->is_waiting = true;
    demo_link_send(&poll->link, "SENTINEL", "MASTER", DEMO_MASTER_NAME, NULL);
}

static void demo_watch_subscribe(void *ctx)
{
    struct demo_watch_poll *poll = ctx;
    demo_link_send(&poll->link, "PSUBSCRIBE", "*", NULL);
}

/* The connection is made again in the next turn of the timer. */
static void demo_watch_on_end(void *ctx)
{
    struct demo_watch_poll *poll = ctx;
    poll->is_waiting = false;
    poll->answered_ms = 0;
}

static void demo_watch_turn(struct demo_watch_poll *poll, const struct demo_process *process,
                            void (*ask)(void *ctx))
{
    if (process->child == NULL) {
        demo_link_close(&poll->link);
        demo_watch_on_end(poll);
    } else if (!demo_link_is_open(&poll->link)) {
        /* without a descriptor it is tried again in the next turn */
        (void)!demo_link_open(&poll->link, &process->at, DEMO_CONNECT_MS);
    } else if (ask != NULL && !poll->is_waiting && conn_is_open(poll->link.conn)) {
        ask(poll);
    }
}

/* ---- the router ---- */

/* "127.0.0.1:6379" of a status; no address when it is something else. */
static void demo_watch_addr_text(struct addr *at, const char *text)
{
    const char *colon = text == NULL ? NULL : strrchr(text, ':');
    char host[DEMO_FIELD_MAX];

    *at = (struct addr){0};
    if (colon != NULL && (size_t)(colon - text) < sizeof(host)) {
        memcpy(host, text, (size_t)(colon - text));
        host[colon - text] = '\0';
        demo_watch_addr(at, host, demo_watch_number(colon + 1));
    }
}

static int64_t demo_watch_count(const json_t *counts, const char *name)
{
    return json_integer_value(json_object_get(counts, name));
}

static void demo_watch_read_router(struct demo_router_view *view, const json_t *status, msec_t now)
{
    const json_t *master = json_object_get(status, "master");
    const json_t *counts = json_object_get(status, "counts");
    const char *state = json_string_value(json_object_get(master, "state"));
    struct addr at;

    state = state == NULL ? "" : state;
    demo_watch_addr_text(&at, json_string_value(json_object_get(master, "address")));
    if (view->seen_ms == 0 || strcmp(view->state, state) != 0 || !addr_same(&view->master, &at)) {
        text_cut(view->state, sizeof(view->state), state);
        view->master = at;
        view->seen_ms = now;
    }
    view->clients = demo_watch_count(counts, "clients");
    view->held = demo_watch_count(counts, "held");
    view->held_longest_ms = demo_watch_count(counts, "held_longest_ms");
    view->retried =
        demo_watch_count(counts, "retried_reads") + demo_watch_count(counts, "retried_writes");
    view->has_majority = json_is_true(json_object_get(status, "has_majority"));
}

static void demo_watch_ask_router(void *ctx, struct conn *c)
{
    struct demo_watch *watch = ctx;

    watch->control.is_waiting = true;
    conn_write_text(c, "status\n");
}

static void demo_watch_on_status(void *ctx, struct conn *c, struct buf *in)
{
    struct demo_watch *watch = ctx;
    const char *end = memchr(buf_data(in), '\n', in->len);
    (void)c; /* the watch holds it */

    if (end != NULL) {
        size_t len = (size_t)(end - buf_data(in)) + 1;
        json_t *status = json_loadb(buf_data(in), len, 0, NULL);
        if (status != NULL) {
            watch->control.answered_ms = loop_now(watch->site->loop);
            demo_watch_read_router(&watch->router_view, status, watch->control.answered_ms);
        }
        json_decref(status);
        buf_take(in, len);
        watch->control.is_waiting = false;
    }
}

static void demo_watch_on_control_end(void *ctx, struct conn *c, enum conn_end why,
                                      const char *text)
{
    struct demo_watch *watch = ctx;

    (void)c;
    (void)why; /* it is tried again in the next turn of the timer, whatever it was */
    (void)text;
    watch->control = (struct demo_watch_control){0};
}

static void demo_watch_turn_router(struct demo_watch *watch)
{
    static const struct conn_handlers handlers = {.on_open = demo_watch_ask_router,
                                                  .on_data = demo_watch_on_status,
                                                  .on_end = demo_watch_on_control_end};
    const struct demo_process *router = demo_site_router(watch->site);
    struct demo_watch_control *control = &watch->control;
    char path[DEMO_PATH_MAX];

    if (router == NULL || router->child == NULL) {
        return;
    }
    if (control->conn == NULL) {
        demo_site_control_path(watch->site, path);
        const struct conn_target to = {.unix_path = path, .timeout_ms = DEMO_CONNECT_MS};
        control->conn = conn_connect(watch->site->loop, &to, &handlers, watch, /* err= */ NULL);
    } else if (!control->is_waiting && conn_is_open(control->conn)) {
        demo_watch_ask_router(watch, control->conn);
    }
}

/* ---- the whole ---- */

static void demo_watch_on_time(void *ctx)
{
    struct demo_watch *watch = ctx;

    for (size_t i = 0; i < DEMO_REDIS; i++) {
        demo_watch_turn(&watch->nodes[i], demo_site_redis(watch->site, i), demo_watch_ask_node);
    }
    for (size_t i = 0; i < DEMO_MONITORS; i++) {
        const struct demo_process *monitor = demo_site_monitor(watch->site, i);
        demo_watch_turn(&watch->monitors[i], monitor, demo_watch_ask_monitor);
        demo_watch_turn(&watch->events[i], monitor, NULL);
    }
    demo_watch_turn_router(watch);
    loop_timer_at(watch->timer, loop_now(watch->site->loop) + DEMO_POLL_MS);
}

static void demo_watch_init_poll(struct demo_watch_poll *poll, struct demo_watch *watch, size_t i)
{
    poll->watch = watch;
    poll->index = i;
    poll->link.loop = watch->site->loop;
    poll->link.ctx = poll;
    poll->link.on_end = demo_watch_on_end;
}

void demo_watch_start(struct demo_watch *watch, struct demo_site *site)
{
    watch->site = site;
    for (size_t i = 0; i < DEMO_REDIS; i++) {
        demo_watch_init_poll(&watch->nodes[i], watch, i);
        watch->nodes[i].link.on_open = demo_watch_ask_node;
        watch->nodes[i].link.on_reply = demo_watch_on_info;
    }
    for (size_t i = 0; i < DEMO_MONITORS; i++) {
        demo_watch_init_poll(&watch->monitors[i], watch, i);
        watch->monitors[i].link.on_open = demo_watch_ask_monitor;
        watch->monitors[i].link.on_reply = demo_watch_on_master;
        demo_watch_init_poll(&watch->events[i], watch, i);
        watch->events[i].link.on_open = demo_watch_subscribe;
        watch->events[i].link.on_reply = demo_watch_on_message;
    }
    watch->timer = loop_timer_create(site->loop, demo_watch_on_time, watch);
    demo_watch_on_time(watch);
}

void demo_watch_finish(struct demo_watch *watch)
{
    if (watch == NULL || watch->site == NULL) {
        return;
    }
    for (size_t i = 0; i < DEMO_REDIS; i++) {
        demo_link_close(&watch->nodes[i].link);
    }
    for (size_t i = 0; i < DEMO_MONITORS; i++) {
        demo_link_close(&watch->monitors[i].link);
        demo_link_close(&watch->events[i].link);
    }
    conn_close(watch->control.conn);
    watch->control = (struct demo_watch_control){0};
    loop_timer_destroy(watch->timer);
    watch->timer = NULL;
}

/* ---- looking ---- */

static bool demo_watch_is_lately(const struct demo_watch *watch, msec_t at_ms)
{
    return at_ms != 0 && loop_now(watch->site->loop) - at_ms < DEMO_SILENCE_MS;
}

const struct demo_node_view *demo_watch_node(struct demo_watch *watch, size_t i)
{
    ASSERT(i < DEMO_REDIS);
    watch->node_views[i].answers = demo_watch_is_lately(watch, watch->nodes[i].answered_ms);
    return &watch->node_views[i];
}

const struct demo_monitor_view *demo_watch_monitor(struct demo_watch *watch, size_t i)
{
    ASSERT(i < DEMO_MONITORS);
    watch->monitor_views[i].answers = demo_watch_is_lately(watch, watch->monitors[i].answered_ms);
    return &watch->monitor_views[i];
}

const struct demo_router_view *demo_watch_router(struct demo_watch *watch)
{
    watch->router_view.answers = demo_watch_is_lately(watch, watch->control.answered_ms);
    return &watch->router_view;
}

static const char *demo_watch_monitor_doubt(struct demo_watch *watch, size_t i,
                                            const struct addr *master)
{
    const struct demo_monitor_view *view = demo_watch_monitor(watch, i);

    if (!view->answers || watch->events[i].answered_ms == 0) {
        return "a monitor does not answer";
    }
    if (!addr_same(&view->master, master)) {
        return "the monitors do not agree on the master";
    }
    if (view->replicas < DEMO_REDIS - 1 || view->peers < DEMO_MONITORS - 1) {
        return "a monitor does not know all others yet";
    }
    return strcmp(view->flags, "master") == 0 ? NULL
                                              : "a monitor sees the master as down or changing";
}

static const char *demo_watch_node_doubt(struct demo_watch *watch, size_t i,
                                         const struct addr *master)
{
    const struct demo_node_view *view = demo_watch_node(watch, i);
    bool should_lead = addr_same(&demo_site_redis(watch->site, i)->at, master);

    if (!view->answers) {
        return "a redis-server does not answer";
    }
    if (view->is_master != should_lead) {
        return "a redis-server has not its role yet";
    }
    if (!should_lead && (!view->link_is_up || !addr_same(&view->master, master))) {
        return "a replica does not follow the master yet";
    }
    return NULL;
}

static const char *demo_watch_router_doubt(struct demo_watch *watch, const struct addr *master)
{
    const struct demo_router_view *view = demo_watch_router(watch);

    if (demo_site_router(watch->site) == NULL) {
        return NULL;
    }
    if (!view->answers) {
        return "the router does not answer";
    }
    return strcmp(view->state, "open") == 0 && addr_same(&view->master, master)
               ? NULL
               : "the router does not use the master yet";
}

bool demo_watch_is_whole(struct demo_watch *watch, struct addr *master, const char **why_not)
{
    struct addr at = watch->monitor_views[0].master;
    const char *doubt = NULL;

    for (size_t i = 0; i < DEMO_MONITORS && doubt == NULL; i++) {
        doubt = demo_watch_monitor_doubt(watch, i, &at);
    }
    for (size_t i = 0; i < DEMO_REDIS && doubt == NULL; i++) {
        doubt = demo_watch_node_doubt(watch, i, &at);
    }
    doubt = doubt != NULL ? doubt : demo_watch_router_doubt(watch, &at);
    if (doubt == NULL) {
        *master = at;
    } else if (why_not != NULL) {
        *why_not = doubt;
    }
    return doubt == NULL;
}

bool demo_watch_has_data(struct demo_watch *watch)
{
    const struct addr *master = &demo_site_redis(watch->site, 0)->at;

    for (size_t i = 0; i < DEMO_REDIS; i++) {
        if (demo_watch_node_doubt(watch, i, master) != NULL) {
            return false;
        }
    }
    return true;
}

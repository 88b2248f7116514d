#include "sentinel/instance_map.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/addr.h"

/* Pairs are written to a buffer of their own and counted, since some are left out. */
struct pairs {
    struct buf text;
    size_t count;
};

static void pair_text(struct pairs *p, const char *key, const char *value)
{
    resp_write_text(&p->text, key);
    resp_write_text(&p->text, value);
    p->count++;
}

static void pair_number(struct pairs *p, const char *key, int64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRId64,
                       value); /* formatted once: many pairs are numbers */

    resp_write_text(&p->text, key);
    resp_write_bulk(&p->text, text, (size_t)len);
    p->count++;
}

/* How long ago; 0 for what never was. */
static void pair_age(struct pairs *p, const char *key, msec_t now, msec_t then)
{
    pair_number(p, key, then == 0 || then > now ? 0 : now - then);
}

static void write_flags(struct pairs *p, const struct instance_view *v)
{
    /* clang-format off */
    const struct {
        bool is_set;
        const char *name;
    } flags[] = {
        {v->s_down, "s_down"},
        {v->o_down, "o_down"},
        {v->kind == KIND_MASTER, "master"},
        {v->kind == KIND_REPLICA, "slave"},
        {v->kind == KIND_PEER, "sentinel"},
        {v->disconnected, "disconnected"},
        {v->master_down, "master_down"},
        {v->in_failover, "failover_in_progress"},
        {v->promoted, "promoted"},
        {v->reconf_sent, "reconf_sent"},
        {v->reconf_inprog, "reconf_inprog"},
        {v->reconf_done, "reconf_done"},
        {v->force_failover, "force_failover"},
        {v->script_kill_sent, "script_kill_sent"},
        {v->master_reboot, "master_reboot"},
    };
    /* clang-format on */
    struct buf text = {0};

    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (flags[i].is_set) {
            buf_append_text(&text, text.len == 0 ? "" : ",");
            buf_append_text(&text, flags[i].name);
        }
    }
    pair_text(p, "flags", buf_data(&text));
    buf_finish(&text);
}

static void write_name(struct pairs *p, const struct instance_map *map)
{
    const struct instance_view *v = map->view;
    struct addr shown = v->addr;
    char text[ADDR_TEXT_MAX];

    switch (v->kind) {
    case KIND_MASTER:
        pair_text(p, "name", map->name);
        break;
    case KIND_REPLICA:
        if (!map->want_names && shown.ip[0] != '\0') {
            shown.name[0] = '\0';
        }
        pair_text(p, "name", addr_text(&shown, text));
        break;
    case KIND_PEER:
        pair_text(p, "name", v->run_id);
        break;
    }
}

static void write_common(struct pairs *p, const struct instance_map *map)
{
    const struct instance_view *v = map->view;

    write_name(p, map);
    pair_text(p, "ip", addr_host(&v->addr, map->want_names));
    pair_number(p, "port", v->addr.port);
    pair_text(p, "runid", v->run_id);
    write_flags(p, v);
    pair_number(p, "link-pending-commands", map->link_pending);
    pair_number(p, "link-refcount", v->link_refcount);
    if (v->in_failover && v->failover_state != NULL) {
        pair_text(p, "failover-state", v->failover_state);
    }
    pair_age(p, "last-ping-sent", map->now, v->last_ping_sent);
    pair_age(p, "last-ok-ping-reply", map->now, v->last_ok_reply);
    pair_age(p, "last-ping-reply", map->now, v->last_reply);
    if (v->s_down) {
        pair_age(p, "s-down-time", map->now, v->s_down_since);
    }
    if (v->o_down) {
        pair_age(p, "o-down-time", map->now, v->o_down_since);
    }
    pair_number(p, "down-after-milliseconds", v->down_after_ms);
}

static void write_data_node(struct pairs *p, const struct instance_map *map)
{
    const struct instance_view *v = map->view;
    bool is_master = v->role == ROLE_MASTER || (v->role == ROLE_UNKNOWN && v->kind == KIND_MASTER);

    pair_age(p, "info-refresh", map->now, v->info_at);
    pair_text(p, "role-reported", is_master ? "master" : "slave");
    pair_age(p, "role-reported-time", map->now, v->role_since);
}

static void write_master(struct pairs *p, const struct instance_map *map)
{
    const struct instance_view *v = map->view;

    pair_number(p, "config-epoch", (int64_t)v->config_epoch);
    pair_number(p, "num-slaves", v->replicas);
    pair_number(p, "num-other-sentinels", v->peers);
    pair_number(p, "quorum", map->config->quorum);
    pair_number(p, "failover-timeout", map->config->failover_timeout_ms);
    pair_number(p, "parallel-syncs", map->config->parallel_syncs);
    if (map->notification_script != NULL) {
        pair_text(p, "notification-script", map->notification_script);
    }
    if (map->client_reconfig_script != NULL) {
        pair_text(p, "client-reconfig-script", map->client_reconfig_script);
    }
}

static void write_replica(struct pairs *p, const struct instance_map *map)
{
    const struct instance_view *v = map->view;
    const char *host = addr_host(&v->master_addr, map->want_names);

    pair_number(p, "master-link-down-time", v->master_link_down_ms);
    pair_text(p, "master-link-status", v->master_link_up ? "ok" : "err");
    pair_text(p, "master-host", host[0] == '\0' ? "?" : host);
    pair_number(p, "master-port", v->master_addr.port);
    pair_number(p, "slave-priority", v->priority);
    pair_number(p, "slave-repl-offset", v->offset);
    pair_number(p, "replica-announced", v->announced ? 1 : 0);
}

static void write_peer(struct pairs *p, const struct instance_map *map)
{
    const struct instance_view *v = map->view;

    pair_age(p, "last-hello-message", map->now, v->hello_at);
    pair_text(p, "voted-leader", v->voted_leader[0] == '\0' ? "?" : v->voted_leader);
    pair_number(p, "voted-leader-epoch", (int64_t)v->voted_epoch);
}

void instance_map_write(struct buf *out, enum resp_version version, const struct instance_map *map)
{
    struct pairs p = {0};

    write_common(&p, map);
    switch (map->view->kind) {
    case KIND_MASTER:
        write_data_node(&p, map);
        write_master(&p, map);
        break;
    case KIND_REPLICA:
        write_data_node(&p, map);
        write_replica(&p, map);
        break;
    case KIND_PEER:
        write_peer(&p, map);
        break;
    }
    resp_write_map(out, version, p.count);
    buf_append(out, buf_data(&p.text), p.text.len);
    buf_finish(&p.text);
}

#include <inttypes.h>
#include <string.h>

#include "sentinel/cmd_calls.h"
#include "sentinel/cmd_sentinel.h"
#include "sentinel/instance_map.h"
#include "sentinel/port.h"

/* The SENTINEL subcommands that only look: masters, replicas, monitors, quorum, cached INFO,
 * scripts. */

static void write_instance(struct client *c, const struct master_state *state,
                           const struct instance_view *view)
{
    const struct sentinel_conf *conf = port_conf(c->port);
    const struct conf_master *m =
        view->kind == KIND_MASTER ? sentinel_conf_find(conf, state->name) : NULL;
    struct instance_map map = {
        .view = view,
        .name = state->name,
        .link_pending = c->port->ops->link_pending(c->port->ctx, view->link),
        .config = &state->config,
        .notification_script = m == NULL ? NULL : m->notification_script,
        .client_reconfig_script = m == NULL ? NULL : m->client_reconfig_script,
        .want_names = conf->announce_hostnames,
        .now = client_now(c),
    };

    instance_map_write(&c->out, c->version, &map);
}

static void write_master(struct client *c, const struct master *m)
{
    struct master_state state;
    struct instance_view view;

    failover_export(m, &state);
    failover_view_master(port_core(c->port), m, &view);
    write_instance(c, &state, &view);
}

void cmd_sentinel_masters(struct client *c, const struct resp_command *command)
{
    const struct failover *core = port_core(c->port);
    uint32_t count = failover_masters(core);

    (void)command;
    resp_write_array(&c->out, count);
    for (uint32_t i = 0; i < count; i++) {
        write_master(c, failover_master_at(core, i));
    }
}

void cmd_sentinel_master(struct client *c, const struct resp_command *command)
{
    const struct master *m = cmd_sentinel_master_of(c, &command->argv[2]);

    if (m != NULL) {
        write_master(c, m);
    }
}

typedef bool (*view_of)(const struct failover *f, const struct master *m, uint32_t index,
                        struct instance_view *v);

/* Replicas that say replica-announced no are hidden, as in Sentinel. */
static bool is_shown(const struct instance_view *view)
{
    return view->kind != KIND_REPLICA || view->announced;
}

static void write_list(struct client *c, const struct master *m, view_of at)
{
    const struct failover *core = port_core(c->port);
    struct master_state state;
    struct instance_view view;
    size_t count = 0;

    for (uint32_t i = 0; at(core, m, i, &view); i++) {
        count += is_shown(&view) ? 1 : 0;
    }
    failover_export(m, &state);
    resp_write_array(&c->out, count);
    for (uint32_t i = 0; at(core, m, i, &view); i++) {
        if (is_shown(&view)) {
            write_instance(c, &state, &view);
        }
    }
}

void cmd_sentinel_replicas(struct client *c, const struct resp_command *command)
{
    const struct master *m = cmd_sentinel_master_of(c, &command->argv[2]);

    if (m != NULL) {
        write_list(c, m, failover_view_replica);
    }
}

void cmd_sentinel_sentinels(struct client *c, const struct resp_command *command)
{
    const struct master *m = cmd_sentinel_master_of(c, &command->argv[2]);

    if (m != NULL) {
        write_list(c, m, failover_view_peer);
    }
}

void cmd_sentinel_get_master_addr_by_name(struct client *c, const struct resp_command *command)
{
    const struct resp_text *name = &command->argv[2];
    const struct failover *core = port_core(c->port);
    const struct master *m =
        strlen(name->bytes) == name->len ? failover_master_named(core, name->bytes) : NULL;
    struct instance_view view;

    if (m == NULL) {
        resp_write_null_array(&c->out, c->version);
        return;
    }
    failover_view_master(core, m, &view);
    resp_write_array(&c->out, 2);
    resp_write_text(&c->out, addr_host(&view.addr, port_conf(c->port)->announce_hostnames));
    resp_write_bulkf(&c->out, "%u", (unsigned)view.addr.port);
}

void cmd_sentinel_ckquorum(struct client *c, const struct resp_command *command)
{
    const struct master *m = cmd_sentinel_master_of(c, &command->argv[2]);
    struct quorum_view view;
    struct buf why = {0};

    if (m == NULL) {
        return;
    }
    failover_view_quorum(port_core(c->port), m, &view);
    if (view.quorum_reachable && view.majority_reachable) {
        buf_printf(&why,
                   "OK %" PRIu32 " usable Sentinels. Quorum and failover authorization can be "
                   "reached",
                   view.usable);
        resp_write_simple(&c->out, buf_data(&why));
    } else {
        if (!view.quorum_reachable) {
            buf_append_text(&why,
                            "Not enough available Sentinels to reach the specified quorum for "
                            "this master");
        }
        if (!view.majority_reachable) {
            buf_append_text(&why, why.len == 0 ? "" : ". ");
            buf_append_text(&why, "Not enough available Sentinels to reach the majority and "
                                  "authorize a failover");
        }
        resp_write_error(&c->out, "NOQUORUM %" PRIu32 " usable Sentinels. %s", view.usable,
                         buf_data(&why));
    }
    buf_finish(&why);
}

/* ---- INFO-CACHE ---- */

static void write_cached_info(struct client *c, uint32_t link)
{
    const struct sentinel *port = c->port;
    const char *text = NULL;
    size_t len = 0;
    msec_t at = 0;

    resp_write_array(&c->out, 2);
    if (port->ops->info_cache(port->ctx, link, &text, &len, &at)) {
        resp_write_integer(&c->out, client_now(c) - at);
        resp_write_bulk(&c->out, text, len);
    } else {
        resp_write_integer(&c->out, 0);
        resp_write_null(&c->out, c->version);
    }
}

static bool is_asked_for(const struct resp_command *command, const char *name)
{
    for (size_t i = 2; i < command->argc; i++) {
        if (strlen(name) == command->argv[i].len && strcmp(command->argv[i].bytes, name) == 0) {
            return true;
        }
    }
    return false;
}

void cmd_sentinel_info_cache(struct client *c, const struct resp_command *command)
{
    const struct failover *core = port_core(c->port);
    struct master_state state;
    struct instance_view view;
    struct buf before = c->out;
    size_t count = 0;

    c->out = (struct buf){0};
    for (uint32_t i = 0; i < failover_masters(core); i++) {
        const struct master *m = failover_master_at(core, i);

        failover_export(m, &state);
        if (!is_asked_for(command, state.name)) {
            continue;
        }
        count++;
        resp_write_text(&c->out, state.name);
        failover_view_master(core, m, &view);
        resp_write_array(&c->out, 1 + (size_t)view.replicas);
        write_cached_info(c, view.link);
        for (uint32_t r = 0; failover_view_replica(core, m, r, &view); r++) {
            write_cached_info(c, view.link);
        }
    }
    resp_write_array(&before, 2 * count);
    buf_append(&before, buf_data(&c->out), c->out.len);
    buf_finish(&c->out);
    c->out = before;
}

/* ---- PENDING-SCRIPTS ---- */

static void write_script(struct client *c, const struct sentinel_script_view *view)
{
    struct buf *out = &c->out;
    size_t words = 0;

    while (view->argv[words] != NULL) {
        words++;
    }
    resp_write_map(out, c->version, 5);
    resp_write_text(out, "argv");
    resp_write_array(out, words);
    for (size_t i = 0; i < words; i++) {
        resp_write_text(out, view->argv[i]);
    }
    resp_write_text(out, "flags");
    resp_write_text(out, view->running ? "running" : "scheduled");
    resp_write_text(out, "pid");
    resp_write_bulkf(out, "%ld", (long)view->pid);
    resp_write_text(out, view->running ? "run-time" : "run-delay");
    resp_write_bulkf(out, "%" PRId64, view->running ? view->run_ms : view->delay_ms);
    resp_write_text(out, "retry-num");
    resp_write_bulkf(out, "%" PRIu32, view->retry_num);
}

void cmd_sentinel_pending_scripts(struct client *c, const struct resp_command *command)
{
    const struct sentinel *port = c->port;
    struct sentinel_script_view view;
    uint32_t count = 0;

    (void)command;
    while (port->ops->script_at(port->ctx, count, &view)) {
        count++;
    }
    resp_write_array(&c->out, count);
    for (uint32_t i = 0; i < count && port->ops->script_at(port->ctx, i, &view); i++) {
        write_script(c, &view);
    }
}

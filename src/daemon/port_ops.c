#include "daemon/daemon_inside.h"

#include <string.h>

#include "loop/log.h"

/* What the Sentinel port asks of the daemon. */

static const struct failover *port_ops_core(void *ctx)
{
    const struct daemon *d = ctx;
    return d->core;
}

/* With --state-file the configuration is only read. */
static void port_ops_not_kept(const struct daemon *d, const char *what, const char *name)
{
    if (d->state_path != NULL) {
        log_warning("%s%s: this change lasts until the end of the process; write it into %s to "
                    "keep it",
                    what, name, d->config_path);
    }
}

static void port_ops_submit(void *ctx, const struct event *event)
{
    struct daemon *d = ctx;

    observe_event(d, event);
    if (event->type != EVENT_COMMAND) {
        return;
    }
    if (event->command.type == COMMAND_TUNE) {
        notify_tune(d->notify, event->command.tuning.script_max_runtime,
                    event->command.tuning.script_retry_delay);
        links_set_publish_period(d->links, event->command.tuning.publish_period);
    }
    if (event->command.type == COMMAND_MONITOR || event->command.type == COMMAND_REMOVE ||
        event->command.type == COMMAND_SET) {
        port_ops_not_kept(d, "master ", event->command.name);
    }
}

static struct sentinel_conf *port_ops_conf(void *ctx)
{
    struct daemon *d = ctx;
    return &d->conf;
}

/* New credentials or renamed commands: every link of this master gets them. */
static void port_ops_relink(struct daemon *d, const char *name)
{
    const struct master *m = failover_master_named(d->core, name);
    struct link_settings settings;
    struct instance_view view;

    if (m == NULL) {
        return;
    }
    settings_of_master(&d->conf, name, &settings);
    failover_view_master(d->core, m, &view);
    link_configure(d->links, view.link, &settings);
    for (uint32_t n = 0; failover_view_replica(d->core, m, n, &view); n++) {
        link_configure(d->links, view.link, &settings);
    }
}

static void port_ops_changed(void *ctx, uint32_t changes, const char *master)
{
    struct daemon *d = ctx;
    struct links_settings settings;

    if ((changes & SENTINEL_CHANGED_AUTH) != 0 && master != NULL) {
        port_ops_relink(d, master);
    }
    if ((changes & SENTINEL_CHANGED_PEER_AUTH) != 0) {
        links_reauth_peers(d->links);
    }
    if ((changes & SENTINEL_CHANGED_ANNOUNCE) != 0) {
        settings_links(d, &settings);
        links_announce(d->links, &settings);
    }
    if ((changes & SENTINEL_CHANGED_LOGLEVEL) != 0) {
        settings_log_level(&d->conf);
    }
    if (master == NULL) {
        port_ops_not_kept(d, "sentinel config", "");
    }
}

static void port_ops_note(void *ctx, const struct note *note)
{
    perform_note(ctx, note);
}

static void port_ops_hello(void *ctx, const char *text, size_t len)
{
    struct daemon *d = ctx;
    struct event event = {.type = EVENT_HELLO, .now = loop_now(d->loop)};

    if (links_read_hello(d->links, text, len, &event.hello)) {
        observe_event(d, &event);
    }
}

static bool port_ops_info_cache(void *ctx, uint32_t link, const char **text, size_t *len,
                                msec_t *at)
{
    const struct daemon *d = ctx;
    const struct info_copy *copy = &d->info[link & (INFO_SLOTS - 1)];

    if (copy->link != link || link == 0) {
        return false;
    }
    *text = buf_data(&copy->text);
    *len = copy->text.len;
    *at = copy->at;
    return true;
}

static uint32_t port_ops_link_pending(void *ctx, uint32_t link)
{
    const struct daemon *d = ctx;
    struct link_view view = {0};

    (void)link_view(d->links, link, &view); /* unknown: nothing is pending */
    return view.pending;
}

static bool port_ops_script_at(void *ctx, uint32_t index, struct sentinel_script_view *view)
{
    const struct daemon *d = ctx;
    struct notify_view script;

    if (!notify_view(d->notify, index, &script)) {
        return false;
    }
    *view = (struct sentinel_script_view){
        .argv = script.argv,
        .running = script.is_running,
        .pid = script.pid,
        .run_ms = script.run_time_ms,
        .delay_ms = script.run_delay_ms,
        .retry_num = script.retries,
    };
    return true;
}

static void port_ops_script_counts(void *ctx, struct sentinel_script_counts *counts)
{
    const struct daemon *d = ctx;

    counts->running = (uint32_t)notify_running(d->notify);
    counts->queued = (uint32_t)notify_queued(d->notify);
}

static void port_ops_shutdown(void *ctx)
{
    struct daemon *d = ctx;

    log_warning("User requested shutdown...");
    loop_stop(d->loop);
}

const struct sentinel_ops port_ops = {
    .core = port_ops_core,
    .submit = port_ops_submit,
    .conf = port_ops_conf,
    .changed = port_ops_changed,
    .note = port_ops_note,
    .hello = port_ops_hello,
    .info_cache = port_ops_info_cache,
    .link_pending = port_ops_link_pending,
    .script_at = port_ops_script_at,
    .script_counts = port_ops_script_counts,
    .shutdown = port_ops_shutdown,
};

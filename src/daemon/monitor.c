#include <stdlib.h>

#include "base/memory.h"
#include "daemon/daemon_inside.h"

/* The rooms of a monitor, opened on a loop and closed again. */

static bool monitor_tls(struct daemon *d, struct err *err)
{
    struct tls_settings settings;

    settings_tls(&d->conf, &settings);
    if (d->conf.options.tls_port != 0) {
        d->tls_server = tls_server_create(&settings, err);
        if (d->tls_server == NULL) {
            return false;
        }
    }
    if (d->conf.options.tls_replication) {
        d->tls_client = tls_client_create(&settings, err);
        if (d->tls_client == NULL) {
            return false;
        }
    }
    return true;
}

static bool monitor_core(struct daemon *d, struct err *err)
{
    struct failover_limits limits = {.masters_max = MASTERS_MAX, .instances_max = INSTANCES_MAX};

    d->core_block = memory_zeroed(failover_bytes(&limits));
    d->actions.capacity = failover_actions_max(&limits);
    d->actions.items = memory_zeroed(d->actions.capacity * sizeof(struct action));
    d->info = memory_zeroed(INFO_SLOTS * sizeof(struct info_copy));
    return persist_restore(d, err) && persist_now(d, err);
}

bool monitor_open(struct daemon *d, const char *executable, struct err *err)
{
    struct sentinel_settings port = {
        .conf = &d->conf,
        .config_file = d->config_path,
        .executable = executable,
    };
    struct links_settings links;

    if (!monitor_tls(d, err) || !persist_identity(d, err)) {
        return false;
    }
    port.tls = d->tls_server;
    d->timer = loop_timer_create(d->loop, observe_tick, d);
    d->notify = notify_create(d->loop, perform_script_failed, d);
    d->store = store_create(d->loop, d->state_path != NULL ? d->state_path : d->config_path,
                            observe_saved, d);
    d->port = sentinel_create(d->loop, &port, &port_ops, d, err);
    if (d->port == NULL) {
        return false;
    }
    settings_links(d, &links);
    d->links = links_create(d->loop, &links);
    return monitor_core(d, err);
}

void monitor_close(struct daemon *d)
{
    d->ending = true;
    sentinel_destroy(d->port);
    if (d->links != NULL) {
        links_destroy(d->links);
    }
    if (d->notify != NULL) {
        notify_close(d->notify);
    }
    loop_timer_destroy(d->timer);
}

void monitor_finish(struct daemon *d)
{
    store_destroy(d->store);
    notify_destroy(d->notify);
    tls_destroy(d->tls_server);
    tls_destroy(d->tls_client);
    for (size_t n = 0; d->info != NULL && n < INFO_SLOTS; n++) {
        buf_finish(&d->info[n].text);
    }
    free(d->info);
    free(d->actions.items);
    free(d->core_block);
    buf_finish(&d->config_text);
    sentinel_conf_finish(&d->conf);
    free(d->config_path);
    free(d->state_path);
}

#include "config/config.h"

#include <stdlib.h>

#include "base/text.h"
#include "config/config_room.h"

struct conf_master *conf_master_create(const char *name)
{
    struct conf_master *m = malloc(sizeof(*m));

    if (m == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    *m = (struct conf_master){
        .name = conf_set_copy(name),
        .down_after_ms = CONF_DOWN_AFTER_MS,
        .failover_timeout_ms = CONF_FAILOVER_TIMEOUT_MS,
        .parallel_syncs = CONF_PARALLEL_SYNCS,
    };
    return m;
}

void conf_master_destroy(struct conf_master *master)
{
    if (master == NULL) {
        return;
    }
    conf_set_text(&master->notification_script, NULL);
    conf_set_text(&master->client_reconfig_script, NULL);
    conf_set_text(&master->auth_user, NULL);
    conf_set_secret(&master->auth_pass, NULL);
    conf_renames_clear(&master->renames);
    conf_master_clear_peers(master);
    free(master->name);
    free(master);
}

void conf_master_add_replica(struct conf_master *master, const struct addr *addr)
{
    master->replicas =
        conf_set_grow(master->replicas, master->replicas_count, sizeof(*master->replicas));
    master->replicas[master->replicas_count++] = *addr;
}

void conf_master_add_sentinel(struct conf_master *master, const struct addr *addr,
                              const char *runid)
{
    struct conf_peer peer = {.addr = *addr};

    text_cut(peer.runid, sizeof(peer.runid), runid);
    master->sentinels =
        conf_set_grow(master->sentinels, master->sentinels_count, sizeof(*master->sentinels));
    master->sentinels[master->sentinels_count++] = peer;
}

void conf_master_clear_peers(struct conf_master *master)
{
    free(master->replicas);
    free(master->sentinels);
    master->replicas = NULL;
    master->sentinels = NULL;
    master->replicas_count = 0;
    master->sentinels_count = 0;
}

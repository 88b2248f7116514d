#ifndef SENTINEL_INSTANCE_MAP_H
#define SENTINEL_INSTANCE_MAP_H

#include "base/buf.h"
#include "failover/failover.h"
#include "resp/resp.h"

/*
 * One master, replica or monitor as SENTINEL MASTER, REPLICAS and SENTINELS show it. The order of
 * the fields is a contract: old clients read by position (ip 3, port 5, flags 9, master-link-status
 * 31).
 */
struct instance_map {
    const struct instance_view *view;
    const char *name; /* of a master; the others are named here */
    uint32_t link_pending;
    const struct master_config *config; /* of its master */
    const char *notification_script;    /* of a master; NULL when there is none */
    const char *client_reconfig_script;
    bool want_names; /* announce-hostnames */
    msec_t now;
};

void instance_map_write(struct buf *out, enum resp_version version, const struct instance_map *map);

#endif

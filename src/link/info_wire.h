#ifndef LINK_INFO_WIRE_H
#define LINK_INFO_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "failover/failover.h"

/*
 * INFO of Redis 2.6 to 8 and Valkey as facts. Pure. Lines that are not known or do not parse are
 * passed over, as is what exceeds a limit. facts->replicas points to *replicas, whose names have no
 * ip yet. False when there is no "role:" line with a role: then it was no INFO of a data node.
 */
bool info_wire_decode(const char *text, size_t len, struct info_facts *facts,
                      struct info_replica replicas[REPLICAS_PER_MASTER_MAX]);

#endif

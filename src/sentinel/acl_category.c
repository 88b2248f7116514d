#include "sentinel/acl_category.h"

#include <string.h>
#include <strings.h>

#include "sentinel/cmd_table.h"

/* The names of the categories, in the order in which ACL CAT tells them. */

static const char *const category_names[CATEGORY_COUNT] = {
    [CATEGORY_KEYSPACE] = "keyspace",
    [CATEGORY_READ] = "read",
    [CATEGORY_WRITE] = "write",
    [CATEGORY_SET] = "set",
    [CATEGORY_SORTEDSET] = "sortedset",
    [CATEGORY_LIST] = "list",
    [CATEGORY_HASH] = "hash",
    [CATEGORY_STRING] = "string",
    [CATEGORY_BITMAP] = "bitmap",
    [CATEGORY_HYPERLOGLOG] = "hyperloglog",
    [CATEGORY_GEO] = "geo",
    [CATEGORY_STREAM] = "stream",
    [CATEGORY_PUBSUB] = "pubsub",
    [CATEGORY_ADMIN] = "admin",
    [CATEGORY_FAST] = "fast",
    [CATEGORY_SLOW] = "slow",
    [CATEGORY_BLOCKING] = "blocking",
    [CATEGORY_DANGEROUS] = "dangerous",
    [CATEGORY_CONNECTION] = "connection",
    [CATEGORY_TRANSACTION] = "transaction",
    [CATEGORY_SCRIPTING] = "scripting",
};

int acl_category_find(const char *name, size_t len)
{
    for (int i = 0; i < CATEGORY_COUNT; i++) {
        if (strlen(category_names[i]) == len && strncasecmp(category_names[i], name, len) == 0) {
            return i;
        }
    }
    return -1;
}

const char *acl_category_name(int category)
{
    return category >= 0 && category < CATEGORY_COUNT ? category_names[category] : NULL;
}

#ifndef SENTINEL_ACL_CATEGORY_H
#define SENTINEL_ACL_CATEGORY_H

#include <stddef.h>

/* The number (enum command_category) of a category, without '@', case is ignored; or -1. */
int acl_category_find(const char *name, size_t len);
const char *acl_category_name(int category); /* NULL past the last */

#endif

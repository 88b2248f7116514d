#ifndef SENTINEL_ACL_FILE_H
#define SENTINEL_ACL_FILE_H

#include "base/err.h"
#include "sentinel/acl.h"

/*
 * The aclfile on disk. Both block for a short file operation: they run at start and when an
 * operator says ACL LOAD or ACL SAVE.
 */

/* acl_load_text() of the file. The error is that of Redis. */
bool acl_file_load(struct acl *acl, const char *path, struct err *err) MUST_CHECK;

/* Replaces the file by all users, in one step: written beside it, synced, renamed, directory
 * synced. It keeps the mode of the old file; a new one can only be read by its owner. */
bool acl_file_save(const struct acl *acl, const char *path, struct err *err) MUST_CHECK;

#endif

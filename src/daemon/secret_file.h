#ifndef DAEMON_SECRET_FILE_H
#define DAEMON_SECRET_FILE_H

#include "base/assert.h"
#include "base/err.h"

/*
 * The password in a file: its first line, without the end, for what an editor or echo leaves behind
 * it is not the password. *text is the caller's, for secret_file_wipe(), and NULL when path is NULL
 * or empty. warn() is told of a file that strangers may read. False and *err when there is no file
 * or no password in it.
 */
bool secret_file_read(const char *path, char **text, void (*warn)(const char *text),
                      struct err *err) MUST_CHECK;
void secret_file_warn_log(const char *text); /* a warn() that writes to the log */
void secret_file_wipe(char **text);          /* overwrites it, frees it, NULL then */

#endif

#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/assert.h"

/* A failure a human must read. Context is put in front on the way up:
 * "a.conf: line 12: port: ...". */
enum { ERR_TEXT_MAX = 1024 /* a path, a line of a file and a sentence */ };

struct err {
    char text[ERR_TEXT_MAX];
};

/* Both return false, so that a caller can write `return err_set(err, ...)`.
 * A NULL err is allowed. */
bool err_set(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts the formatted text and ": " in front of what err already says. */
bool err_wrap(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif

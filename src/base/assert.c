#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_fail(const char *file, int line, const char *function, const char *what)
{
    (void)fprintf(stderr, "holdfast: %s:%d: %s: assertion failed: %s\n", file, line, function,
                  what); /* nothing can be done when standard error is closed: we abort */
    abort();
}

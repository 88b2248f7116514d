#ifndef BASE_MSEC_H
#define BASE_MSEC_H

#include <stdint.h>

/* Milliseconds, of a monotonic clock that counts suspend, or a length of time. */
typedef int64_t msec_t;

#define MSEC_NEVER INT64_MAX

#endif

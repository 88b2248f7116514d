#ifndef MEMBER_WORLD_H
#define MEMBER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool/member_choice.h"

/* The members of a service, a to h (or fewer), as a choice sees them. */

enum { CAST_MAX = 8 };

struct cast {
    struct choice_member members[CAST_MAX];
    size_t count;
};

/* A letter for each verdict: R ready, A avoid, N not ready, U unreachable, ? not probed; in lower
 * case it is drained as well. All have priority 100, weight 1, no connections. */
void cast_begin(struct cast *c, const char *verdicts);
void cast_set(struct cast *c, size_t i, char letter);

/* The index by the letter of the name; '-' is MEMBER_NONE. */
int cast_index(char name);
char cast_name(int i);

#endif

#ifndef LINK_NAMES_H
#define LINK_NAMES_H

#include <stdbool.h>

#include "base/addr.h"
#include "loop/loop.h"

/* A bounded cache of host names. It never blocks: what it does not know it asks for, and says
 * later. */
struct names;

enum {
    NAMES_MAX = 1024,       /* as many as the loop lets wait */
    NAMES_FRESH_MS = 10000, /* asked again no sooner: the period of INFO, which brings the names */
    NAMES_RETRY_MS = 1000,  /* the same while the ip is not known */
};

/* Each answer. ip is the known one, "" while there is none; is_new when it changed; why is NULL or
 * why the name server gave none (an ip known before stays). From a turn of the loop. */
typedef void (*names_answer)(void *ctx, const char *name, const char *ip, bool is_new,
                             const char *why);

struct names *names_create(struct loop *loop, names_answer on_answer, void *ctx) MUST_CHECK;
void names_destroy(struct names *names);

/* "" when it is not known. Asks when it is not known or was not asked lately. Lives until the next
 * call. */
const char *names_ip(struct names *names, const char *name);

/* True while the question is out. */
bool names_is_asked(const struct names *names, const char *name);

/* What the caller knows from elsewhere (the state of before), when the cache has nothing. */
void names_learn(struct names *names, const char *name, const char *ip);

#endif

#ifndef POOL_MEMBER_BALANCE_H
#define POOL_MEMBER_BALANCE_H

#include "pool/member_choice.h"

/*
 * The choice `any`: which member gets the next connection. Pure, deterministic, no allocation.
 *
 * AVOID members serve only when no READY one is left, drained ones and those of weight 0 never.
 * There is no panic rule: when nobody can serve, nobody is picked, since a connection to a database
 * that answers 1047 to everything is worse than one that waits or fails at once.
 *
 *   ROUND_ROBIN        smooth weighted round robin, as nginx has it: a b a c a, not a a a b c
 *   LEAST_CONNECTIONS  the fewest for its weight, counting the one to come; among equals, by round
 *                      robin
 *   SOURCE             rendezvous hashing, also called highest random weight (Thaler and
 *                      Ravishankar 1998), with weights as in logarithmic distributed hash tables
 *                      (Schindelhauer and Schomaker 2005). Each member draws a number from the
 *                      source and its own name, and the best for its weight wins: a member that
 *                      leaves moves its own clients only, one that comes or grows takes only what
 *                      becomes its own. By integers, so every router draws the same.
 */

enum balance_rule {
    BALANCE_ROUND_ROBIN,
    BALANCE_LEAST_CONNECTIONS,
    BALANCE_SOURCE,
};

/* One for each endpoint and worker thread. The fields belong to member_balance.c. */
struct member_balance {
    enum balance_rule rule;
    int64_t credit[MEMBERS_MAX]; /* what round robin owes to each */
    uint32_t usable_set;         /* who could be picked last time */
};

struct balance_wish {
    const void *source; /* SOURCE: the client's address, without the port */
    size_t source_len;
    uint32_t tried_set; /* bit i: member i was tried for this connection, in vain */
    int last;           /* serves when no other READY one does: the writer, for a read address;
                           or MEMBER_NONE */
};

/* Also to be called when the members of the service change. */
void member_balance_init(struct member_balance *b, enum balance_rule rule);

/* Who gets the next connection, or MEMBER_NONE. */
int member_balance_pick(struct member_balance *b, const struct choice_member *members, size_t count,
                        const struct balance_wish *wish);

#endif

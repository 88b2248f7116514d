#ifndef POOL_MEMBER_CHOICE_H
#define POOL_MEMBER_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "pool/member_health.h"

/*
 * The members of a service as a choice sees them, and what both kinds of choice share. Which one
 * serves is said by member_writer.h (one writer) and member_balance.h (any). Pure.
 *
 * A member is spoken of by its index: its place in the site file, which is the same on every node.
 */

enum {
    MEMBERS_MAX = 32, /* of a service: a site has up to 30 nodes, and a set of them is one word */
    MEMBER_NONE = -1, /* instead of an index */

    MEMBER_PRIORITY_NEVER = 0, /* never the writer but by switchover */
    MEMBER_PRIORITY_DEFAULT = 100,
    MEMBER_WEIGHT_MAX = 256, /* HAProxy's: the generated file has the same numbers */
    MEMBER_WEIGHT_DEFAULT = 1,
};

enum member_rule {
    MEMBER_RULE_ANY,
    MEMBER_RULE_SINGLE_WRITER,
};

struct choice_member {
    const char *name; /* both stay the caller's */
    const char *reason;
    enum verdict verdict;
    bool is_drained;

    /* The writer is the lowest number, as in Redis' replica-priority, MaxScale's priority of Galera
     * nodes and the priority of DNS records; of 0, as there, never. Ties: the place in the file. */
    uint32_t priority;
    uint32_t weight;      /* at most MEMBER_WEIGHT_MAX; of 0 it gets no new connection */
    uint32_t permille;    /* of the weight, as member_health_permille() says */
    uint32_t connections; /* open now */
};

/* Serves and is not drained: it may get a connection. */
bool choice_is_usable(const struct choice_member *member);

/* May the operator drain member i, or does it carry what no other could take over? An error says
 * which, and how to insist. Draining one that is drained is always allowed. */
bool choice_may_drain(const struct choice_member *members, size_t count, size_t i,
                      enum member_rule rule, struct err *why);

/* Why nobody serves, member by member: "db1: drained; db2: not ready: Joining (...)". */
void choice_explain_none(const struct choice_member *members, size_t count, struct buf *out);

#endif

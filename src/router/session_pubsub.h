#ifndef ROUTER_SESSION_PUBSUB_H
#define ROUTER_SESSION_PUBSUB_H

/* What session_pubsub.c tells the other files of the relay beside relay.h. */

#include "router/relay.h"

enum subscription_kind { SUBSCRIPTION_CHANNEL, SUBSCRIPTION_PATTERN, SUBSCRIPTION_SHARD };
enum { SUBSCRIPTION_KINDS = SUBSCRIPTION_SHARD + 1 };

enum {
    SUBSCRIPTIONS_MAX_BYTES = 4 << 20, /* names of one client: 10,000 of 400 bytes */
};

size_t session_subscribed(const struct session *session, enum subscription_kind kind);
bool session_is_subscribed(const struct session *session, enum subscription_kind kind,
                           const char *name, size_t len);

/* Redis answered a SUBSCRIBE (or its P and S forms) with an error: it counts for none of the
 * channels named there. Forgets those that no earlier request had asked for. */
void session_subscribe_refused(struct session *session, const char *request, size_t len);

/* What else Redis keeps with a client's connection, and what is kept here beside. */
enum session_keeps {
    KEEPS_NO_EVICT = 1 << 0,       /* CLIENT NO-EVICT ON */
    KEEPS_NO_TOUCH = 1 << 1,       /* CLIENT NO-TOUCH ON */
    KEEPS_REDIRECT_TARGET = 1 << 2 /* somebody's CLIENT TRACKING ... REDIRECT named this client */
};
unsigned session_keeps(const struct session *session);
void session_keep(struct session *session, enum session_keeps what, bool is_on);

#endif

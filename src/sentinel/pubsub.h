#ifndef SENTINEL_PUBSUB_H
#define SENTINEL_PUBSUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/resp.h"

/* Channels and patterns of the port, and who listens. Bounded by client and altogether. */
struct client;
struct sentinel;

enum {
    PUBSUB_CLIENT_TOPICS_MAX = 1024,   /* there are some 50 events; this is generous */
    PUBSUB_CLIENT_BYTES_MAX = 1 << 20, /* of the names of one client's topics */
    PUBSUB_TOPICS_MAX = 32 * 1024, /* of each kind; every pattern is tried against every event */
    PUBSUB_NAME_BYTES_MAX = 16 * 1024,
};

/* Adds the client to a topic and sends it the confirmation. False and an error reply at a limit. */
bool pubsub_join(struct client *c, const struct resp_text *name, bool is_pattern);

/* Takes it out of one topic (no matter whether it was in), or with NULL out of all of this kind,
 * and sends the confirmations. */
void pubsub_part(struct client *c, const struct resp_text *name, bool is_pattern);

void pubsub_leave(struct client *c); /* out of everything, silently */

/* Is any of its subscriptions not allowed to its user (any more)? */
bool pubsub_is_forbidden(const struct client *c);

uint32_t pubsub_publish(struct sentinel *port, const char *channel, const char *payload);
size_t pubsub_channels(const struct sentinel *port);
size_t pubsub_patterns(const struct sentinel *port);
void pubsub_finish(struct sentinel *port); /* no client may be left */

#endif

#ifndef HTTP_HAPROXY_AGENT_H
#define HTTP_HAPROXY_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/msec.h"
#include "http/haproxy_word.h"
#include "loop/loop.h"

/*
 * The agent that HAProxy's agent-check asks. It connects, sends a line (agent-send
 * "service/member\n"), and is answered with one; a port may also stand for one member, which is
 * then answered without being asked.
 *
 * HAProxy keeps the last word of an agent that is gone, for ever: this one only tells the truth
 * while it lives, and `check` on the same server line stays the floor.
 */
struct haproxy_agent;

enum {
    HAPROXY_AGENT_PORTS_MAX = 64,
    HAPROXY_AGENT_CLIENTS_MAX = 1024, /* 32 services of 32 members from one HAProxy, at once */
    HAPROXY_AGENT_ASK_MAX_BYTES = 2 * VIEW_NAME_MAX + 2,
    HAPROXY_AGENT_TIMEOUT_MS = 2000, /* to send the line: HAProxy sends it at once */
};

struct haproxy_agent_port {
    struct addr at;
    char service[VIEW_NAME_MAX]; /* "": the member is asked for */
    char member[VIEW_NAME_MAX];
};

struct haproxy_agent_plan {
    const struct haproxy_agent_port *ports;
    size_t ports_count;
    const struct site_view *view; /* read for every answer; stays the caller's */
};

/* The plan is only read during the call. NULL and *err when an address cannot be had; then nothing
 * listens. */
struct haproxy_agent *haproxy_agent_open(struct loop *loop, const struct haproxy_agent_plan *plan,
                                         struct err *err) MUST_CHECK;
void haproxy_agent_close(struct haproxy_agent *agent); /* NULL is allowed */
uint16_t haproxy_agent_port(const struct haproxy_agent *agent, size_t port);

#endif

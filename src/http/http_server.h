#ifndef HTTP_HTTP_SERVER_H
#define HTTP_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/msec.h"
#include "http/http_request.h"
#include "loop/loop.h"

/*
 * An HTTP/1.1 server for short answers that are at hand: GET and HEAD, no bodies, on our own
 * connections. Not libevent's evhttp: that of 2.1 can neither bound how many clients there are nor
 * how long a request may take to arrive (its timeout starts anew with every byte), so a few hundred
 * slow clients would keep the load balancer's check out.
 *
 * Under a flood the answers stay right: when all places are taken the client that has been waiting
 * longest is closed for the new one, and a request that does not arrive whole in time ends.
 */
struct http_server;

enum {
    HTTP_BINDS_MAX = 8,
    HTTP_CLIENTS_MAX = 512,         /* default: load balancers and monitoring are tens */
    HTTP_REQUEST_TIMEOUT_MS = 5000, /* default: from its first byte to its last, and the answer */
    HTTP_IDLE_TIMEOUT_MS = 75000,   /* default: above the 60 s that balancers keep connections */
};

/* What the handler says. Texts and bytes must stay good until the handler's next call. */
struct http_answer {
    int status;       /* 200, 404, 405, 503, ... */
    const char *type; /* of the content */
    const char *body;
    size_t body_len;
};

/* Called for GET and HEAD (and OPTIONS, where allowed); the server leaves the body of a HEAD out.
 */
typedef void (*http_handler)(void *ctx, const struct http_request *request,
                             struct http_answer *answer);

struct http_server_plan {
    const struct addr *binds;
    size_t binds_count;
    http_handler on_request;
    void *ctx;
    bool takes_options; /* OPTIONS is answered like GET: `option httpchk` alone asks with it */
    size_t clients_max; /* 0: as above, also the next two */
    msec_t request_timeout_ms;
    msec_t idle_timeout_ms;
};

struct http_server_counts {
    uint64_t requests;
    uint64_t refused; /* bad requests and wrong methods */
    uint64_t late;    /* requests that did not arrive in time */
    uint64_t evicted; /* closed for a new client */
    size_t clients;
};

/* The plan is only read during the call. NULL and *err when an address cannot be had; then nothing
 * listens. */
struct http_server *http_server_open(struct loop *loop, const struct http_server_plan *plan,
                                     struct err *err) MUST_CHECK;
void http_server_close(struct http_server *s); /* with its clients; NULL is allowed */

uint16_t http_server_port(const struct http_server *s, size_t bind);
struct http_server_counts http_server_counts(const struct http_server *s);

#endif

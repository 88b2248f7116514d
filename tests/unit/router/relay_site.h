#ifndef RELAY_SITE_H
#define RELAY_SITE_H

/*
 * Three servers that behave as Redis does towards the relay, with as few commands as its tests
 * need. They have one set of data: replication that loses nothing, so whatever is lost, done twice
 * or out of order is the relay's fault.
 *
 * Keys say who asks, and the server looks whether it is asked in the right place:
 *   t:CLIENT:SEQ:DATABASE   GET answers with the key, HGETALL with a map of it, GETRANGE 0 N with
 *                           N bytes that begin with it; BLPOP waits
 *   p:CLIENT:DATABASE       RPUSH of SEQ: each at most once, in order
 *   s:CLIENT:DATABASE       SET of SEQ, and GET
 *   b:CLIENT:DATABASE       SET of a long value
 *   n:CLIENT:DATABASE       INCR
 *   w:NUMBER                a counter of all clients, set to one more than what is there
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/prng.h"
#include "fake_loop.h"
#include "resp/resp.h"

enum {
    SITE_SERVERS = 3,
    SITE_CLIENTS = 6,
    SITE_COUNTERS = 2,
    SITE_CHANNELS = 3, /* of each client: c:CLIENT:NUMBER */
    SITE_SEQS = 4096,
    SITE_DATABASES = 3,
};

/* What a client knows of one of its writes. */
enum outcome { OUTCOME_OPEN, OUTCOME_DONE, OUTCOME_NOTHING, OUTCOME_UNKNOWN };

struct site_client {
    uint8_t pushed[SITE_SEQS]; /* how often the servers did it */
    uint8_t outcome[SITE_SEQS];
    uint32_t pushed_last;
    uint32_t pushed_count;
    int64_t value; /* of s:; 0 is none */
    int64_t counter;
};

struct server {
    struct site *site;
    struct addr addr;
    bool is_up; /* else it refuses */
    bool is_hung;
    bool is_master;
    bool is_loading;
    bool has_no_replicas;
};

struct site_conn;

struct site {
    struct prng prng;
    msec_t now_ms;
    struct server servers[SITE_SERVERS];
    size_t truth; /* the master that is one */
    struct site_client clients[SITE_CLIENTS];
    int64_t shared[SITE_COUNTERS];
    struct site_conn *conns;
    bool is_cache; /* keys may be deleted by the relay */
    bool is_verbose;
    int64_t next_id;
};

/* Says what is wrong and how to see it again, and ends the program. */
_Noreturn void site_fault(const char *format, ...) PRINTF_LIKE(1, 2);

void site_init(struct site *site, uint64_t seed);
void site_finish(struct site *site);
void site_on_connect(void *ctx, struct conn *c); /* a fake_on_connect */

void site_turn(struct site *site, msec_t now_ms); /* some of the servers do some of their work */

/* Nothing that a server got waits to be done. */
bool site_is_idle(const struct site *site, size_t server);

void server_crash(struct server *s);                           /* its connections are reset */
void server_drop_some(struct server *s);                       /* one of its connections is */
void server_set_master(struct server *s, bool is_master);      /* who blocks is told */
void site_publish(struct site *site, int client, int channel); /* "m:CLIENT:CHANNEL" there */

#endif

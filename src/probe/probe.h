#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"
#include "loop/tls.h"
#include "pool/member_health.h"
#include "probe/galera_judge.h"

/*
 * Asks one member again and again what is true of it. Every finished probe is told, by one
 * callback, as evidence with a reason for people; what is made of several in a row (rise, fall) is
 * the pool's. Never two probes of a member at a time, and no call of this file blocks: addresses
 * are numeric.
 *
 * What the kinds see, and what they do not:
 *   galera  the node's own state in its group, over a connection that is kept: one round trip a
 *           poll. Needs a user without any privilege (GRANT USAGE). A connection that breaks
 *           between two polls is probed at once.
 *   mysql   that a query is answered, and whether the server is read-only; the same otherwise.
 *   http    a request on a new connection each time: a kept one would be served by a worker that
 *           survived a reload, and would not see a listener that is gone. Redirects are not
 *           followed.
 *   tcp     that somebody accepts, and on request what he answers to a few bytes.
 *
 * A full disk is not seen by the SQL kinds as such: nothing is written. What is seen is its
 * consequence: a node that cannot apply a write set leaves the group (its state), a hung commit
 * pauses the group (flow control, receive queue). Writing a row by every poll was decided against:
 * each write is replicated to all nodes and certified, several routers would conflict on it, the
 * user would need more than USAGE, and a small row fits into a page that is there already, so that
 * InnoDB takes it with a disk that is full. Free space is for the holdfast on that node to watch
 * (statvfs).
 */
struct probe;

enum probe_kind { PROBE_GALERA, PROBE_MYSQL, PROBE_HTTP, PROBE_TCP };

enum {
    PROBE_HTTP_RANGES_MAX = 8,              /* of expected status codes: 200-299 301 ... */
    PROBE_HTTP_ANSWER_MAX_BYTES = 64 << 10, /* head and body that are looked at: a health page */
    PROBE_BYTES_MAX = 1024,                 /* of a tcp probe to send or to expect: a greeting */
    PROBE_TEXT_MAX = 1024,                  /* of a path, a host, a user: as long as any is */

    /* A server that stands still has every attempt in its queue, and blocks a host (error 1129)
     * after 100 that came to nothing: its queue (back_log) holds 80. */
    PROBE_RETRY_SILENT_MAX_MS = 1000,
    PROBE_RETRY_REFUSED_MAX_MS = 5000, /* each login that is refused is a line in its log */
};

struct probe_sql {
    const char *user;
    const char *password;      /* NULL is none */
    bool has_tls;              /* required then, never fallen back from */
    const char *tls_ca_file;   /* NULL: the certificate is not checked, only the line is private */
    const char *tls_cert_file; /* of ours, or NULL */
    const char *tls_key_file;
    bool checks_name;          /* the certificate must name the address */
    struct galera_rules rules; /* galera only */
};

struct probe_range {
    int first;
    int last;
};

struct probe_http {
    struct tls_context *tls; /* NULL is plain; must outlive the probe */
    const char *method;      /* NULL is GET */
    const char *path;        /* NULL is "/" */
    const char *host;        /* the Host header; NULL is the address */
    struct probe_range expected[PROBE_HTTP_RANGES_MAX];
    size_t expected_count;   /* 0 is 200-399 */
    const char *expect_body; /* a text that must be in the body; NULL is any */
};

struct probe_tcp {
    struct tls_context *tls;
    const char *send; /* once it is open; NULL is nothing */
    size_t send_len;
    const char *expect; /* what it must say, from its first byte on; NULL is anything */
    size_t expect_len;
};

struct probe_plan {
    enum probe_kind kind;
    const struct addr *address; /* with an ip */
    msec_t every_ms;            /* from the begin of one to the begin of the next */
    msec_t timeout_ms;          /* of a whole probe: connection, TLS, login, answer */
    int jitter_percent;         /* 0-50: so much earlier or later, so that probes do not march */
    struct probe_sql sql;       /* of PROBE_GALERA and PROBE_MYSQL */
    struct probe_http http;
    struct probe_tcp tcp;
};

/* For metrics and status pages; what the last finished probe saw. */
struct probe_snapshot {
    enum probe_kind kind;
    bool can_read;   /* a database that takes no writes, but may be read */
    bool has_galera; /* galera is filled: the server answered */
    struct galera_status galera;
    char server_version[64]; /* of a database, as it greets; "" while unknown */
    int http_status;         /* 0: no answer */
    uint64_t probes;         /* finished since probe_create() */
    uint64_t connects;       /* of a database: how often the connection was made */
};

/* Both live during the call only. May destroy the probe. */
typedef void (*probe_call)(void *ctx, const struct evidence *evidence,
                           const struct probe_snapshot *snapshot);

/* The first probe begins in the next turn. The plan is only read during the call; all texts are
 * copied. NULL and *err when it makes no sense; the text then says what to write. */
struct probe *probe_create(struct loop *loop, const struct probe_plan *plan, probe_call on_evidence,
                           void *ctx, struct err *err) MUST_CHECK;
void probe_destroy(struct probe *p); /* on_evidence is not called any more; NULL is allowed */

/* Begins one now, unless one is under way: its answer is as fresh. */
void probe_now(struct probe *p);

/* The cluster the others belong to (wsrep_cluster_state_uuid), from the next probe on; "" is
 * unknown. Of galera only. */
void probe_set_cluster(struct probe *p, const char *uuid);

#endif

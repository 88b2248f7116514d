#ifndef CONFIG_ROUTER_CONF_H
#define CONFIG_ROUTER_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/msec.h"

/*
 * What one router endpoint for Redis is told: by the flags of `holdfast router` now, by the site
 * file later. Plain data that owns its strings. Secrets are not in here: only the files that hold
 * them.
 */

enum {
    ROUTER_MONITORS_MAX = 32,   /* as many monitors as one master may have */
    ROUTER_LISTENS_MAX = 16,    /* addresses of one endpoint */
    ROUTER_THREADS_MAX = 64,    /* more than any machine of our users has cores */
    ROUTER_DATABASES_MAX = 64,  /* numbers that can be named as holding sessions */
    ROUTER_PATH_MAX = 4096,     /* Linux' PATH_MAX */
    ROUTER_UNIX_PATH_MAX = 108, /* of a unix socket: sun_path */
    ROUTER_NAME_MAX = 256,      /* of a master, a user */
};

/* What a request gets when no master came within the hold. */
enum router_when_down {
    ROUTER_DOWN_ERROR, /* -ERR holdfast: ... */
    ROUTER_DOWN_MISS,  /* an empty answer, as a cache gives: for caches only, never for sessions */
    ROUTER_DOWN_CLOSE, /* the connection ends */
};

/* Who a client must be. */
enum router_client_auth {
    ROUTER_AUTH_NONE, /* whoever reaches the address; the router is itself at Redis. An AUTH with
                         the router's own credentials is accepted, for clients that always send one
                       */
    ROUTER_AUTH_OWN,  /* the user and password of client_user, client_password_file */
    ROUTER_AUTH_PASS, /* its own Redis user and password, which go on to Redis */
};

enum router_retry_writes {
    ROUTER_RETRY_NONE,       /* a write whose outcome is unknown is an error */
    ROUTER_RETRY_IDEMPOTENT, /* SET, SETEX, DEL, EXPIRE, HSET ... are asked again */
};

/* Where to listen: a TCP address, or a path when at is not set. */
struct router_listen {
    struct addr at;
    char path[ROUTER_UNIX_PATH_MAX];
    unsigned mode; /* of the socket file; 0 leaves it to the umask */
};

/* Names of files; "" is none. */
struct router_tls_conf {
    bool is_on;
    char ca_file[ROUTER_PATH_MAX];
    char ca_dir[ROUTER_PATH_MAX];
    char cert_file[ROUTER_PATH_MAX]; /* shown to the server, when it wants one */
    char key_file[ROUTER_PATH_MAX];
};

struct router_credentials {
    char user[ROUTER_NAME_MAX];          /* "" is the default user */
    char password_file[ROUTER_PATH_MAX]; /* "" is none */
};

struct router_conf {
    char master[ROUTER_NAME_MAX]; /* as the monitors call it */
    struct addr monitors[ROUTER_MONITORS_MAX];
    size_t monitors_count;
    struct router_listen listens[ROUTER_LISTENS_MAX];
    size_t listens_count;
    struct router_listen
        replica_listens[ROUTER_LISTENS_MAX]; /* read only, balanced over replicas */
    size_t replica_listens_count;

    struct router_credentials redis;
    struct router_credentials sentinel;
    struct router_credentials client; /* with ROUTER_AUTH_OWN */
    enum router_client_auth client_auth;
    struct router_tls_conf redis_tls;
    struct router_tls_conf sentinel_tls;

    /* failover */
    msec_t hold_ms;          /* how long a request waits for a master; 800 */
    uint64_t hold_max_bytes; /* of requests that wait, in all; 64 MiB */
    enum router_when_down when_down;
    enum router_retry_writes retry_writes;
    bool session_databases[ROUTER_DATABASES_MAX]; /* never answered by MISS */
    bool is_cache; /* remember the keys written lately; delete them after an unclean failover */
    msec_t cache_window_ms;        /* how long they are remembered; 10,000 */
    uint64_t cache_keys_max_bytes; /* of the keys remembered, in all; 16 MiB */
    msec_t info_cache_ms;          /* INFO may be this old; 0 asks every time; at most 1000 */

    /* replicas */
    uint64_t replica_lag_max_bytes; /* 1 MiB; one further behind serves nobody */
    msec_t replica_silence_max_ms;  /* since it last heard of its master; 5000 */
    bool replicas_may_use_master;   /* when no replica will do */

    /* limits */
    unsigned threads;           /* workers; 1 */
    unsigned clients_max;       /* in all; 10,000 */
    unsigned strangers_max;     /* of them not authenticated; 1,000 */
    msec_t request_timeout_ms;  /* a request begun must be complete: 60,000; Slowloris is closed */
    msec_t idle_timeout_ms;     /* 0 is never, as Redis' timeout */
    uint64_t request_max_bytes; /* 512 MiB, Redis' proto-max-bulk-len, for each argument */
    msec_t drain_ms;            /* how long SIGTERM lets connections go on; 10,000 */

    char control_path[ROUTER_UNIX_PATH_MAX]; /* of `holdfast status` and of a take-over; "" is none
                                              */
    char log_file[ROUTER_PATH_MAX];          /* "" is standard output */
    bool is_verbose;
};

/* The defaults named above; no addresses. */
void router_conf_init(struct router_conf *conf);

/* Appends "127.0.0.1:6379" or "unix:/run/a.sock": the name of an address that is listened on, in
 * messages and between the two processes of a take-over. */
void router_listen_text(const struct router_listen *listen, struct buf *out);

/* True when only this machine can reach it. */
bool router_listen_is_local(const struct router_listen *listen);

#endif

#ifndef CONFIG_SITE_H
#define CONFIG_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/msec.h"
#include "config/router_conf.h"

/*
 * The site file: a whole site in YAML, the same file on every node. Pure: text in, plain data out.
 * What may stand in it, and what the fields mean, is told by site_options.def.
 */

enum {
    SITE_TEXT_MAX_BYTES = 256 * 1024, /* a hundred times a shop of ten nodes */
    SITE_NODES_MAX = 64,              /* twice what our users run */
    SITE_SERVICES_MAX = 32,
    SITE_MEMBERS_MAX = 64,  /* of one service: one on each node */
    SITE_MONITORS_MAX = 31, /* odd, and below ROUTER_MONITORS_MAX, which the routers can ask */
    SITE_LISTENS_MAX = ROUTER_LISTENS_MAX,
    SITE_STATUSES_MAX = 16,
    SITE_NAME_MAX = 64,    /* of what the operator names: it stands in metrics and in file names */
    SITE_VALUE_MAX = 1024, /* of any other text */
    SITE_FINDINGS_MAX = 100, /* nobody reads more at once */
};

/* Where something stands in the file, from 1; 0 when it does not. */
struct site_mark {
    int line;
    int column; /* in characters */
};

/* ---- what is wrong with a file ---- */

enum site_severity { SITE_WARNING, SITE_ERROR };

struct site_finding {
    struct site_mark at;
    enum site_severity severity;
    bool is_secret; /* its line may hold a password: never show it */
    char *what;
    char *remedy; /* what to write instead; NULL when that is plain */
};

/* Zeroed is empty. After site_parse() in the order of the lines. */
struct site_findings {
    struct site_finding *items;
    size_t count;
    size_t errors_count; /* of those kept and those that were not */
    size_t warnings_count;
    size_t more_count; /* that were not kept */
    bool is_last_kept; /* belongs to the room */
};
void site_findings_finish(struct site_findings *findings);

/* ---- the site ---- */

enum site_kind { SITE_KIND_NONE, SITE_REDIS, SITE_GALERA, SITE_MYSQL, SITE_HTTP, SITE_TCP };
enum site_use { SITE_USE_STORE, SITE_USE_SESSIONS, SITE_USE_CACHE };
enum site_choice { SITE_CHOICE_SINGLE_WRITER, SITE_CHOICE_ANY };
enum site_balance {
    SITE_BALANCE_ROUND_ROBIN,
    SITE_BALANCE_LEAST_CONNECTIONS,
    SITE_BALANCE_SOURCE,
};
enum site_role { SITE_ROLE_ACTIVE, SITE_ROLE_STANDBY };
enum site_donor { SITE_DONOR_AVOID, SITE_DONOR_NOT_READY, SITE_DONOR_READY };
enum site_method { SITE_METHOD_GET, SITE_METHOD_HEAD, SITE_METHOD_OPTIONS };
enum site_proxy { SITE_PROXY_NONE, SITE_PROXY_V1, SITE_PROXY_V2 };
enum site_level { SITE_LEVEL_DEBUG, SITE_LEVEL_VERBOSE, SITE_LEVEL_NOTICE, SITE_LEVEL_WARNING };

/* The words of each enum, NULL at the end; site_kind_names[SITE_KIND_NONE] is "". */
extern const char *const site_kind_names[];
extern const char *const site_use_names[];
extern const char *const site_choice_names[];
extern const char *const site_balance_names[];
extern const char *const site_role_names[];
extern const char *const site_donor_names[];
extern const char *const site_method_names[];
extern const char *const site_proxy_names[];
extern const char *const site_level_names[];

/* A key that stands in the file, and where its value does. */
struct site_given {
    const char *key; /* of the table */
    struct site_mark at;
};

/* First in every element. */
struct site_head {
    char *name;          /* of a node, a service, a member; NULL in a block */
    struct site_mark at; /* all 0: the block is not in the file, and its fields are the defaults */
    struct site_given *given;
    size_t given_count;
};

/* Names of nodes, each of them there once the file is right. */
struct site_name {
    char *text;
    struct site_mark at;
};
struct site_names {
    struct site_name *items;
    size_t count;
};

struct site_listen {
    struct router_listen to; /* of an own address only the port is set in to.at */
    bool is_own_address;     /* "node:3306": the address of the node it is on */
    struct site_mark at;
};
struct site_listens {
    struct site_listen *items;
    size_t count;
};

struct site_status_range {
    unsigned from;
    unsigned to;
};
struct site_statuses {
    struct site_status_range ranges[SITE_STATUSES_MAX];
    size_t count;
};

struct site_tls {
    struct site_head head;
    bool is_on;
    char *ca_file; /* NULL when not set, as every text below that has no default */
    char *cert_file;
    char *key_file;
};

struct site_node {
    struct site_head head;
    char *address;
    char *zone;
};

struct site_monitors {
    struct site_head head;
    struct site_names nodes; /* chosen by site_parse() when the file names none */
    unsigned port;
    char *user;
    char *password_file;
};

struct site_member {
    struct site_head head;
    char *node;    /* the member's name when it has no address; NULL when it has one */
    char *address; /* NULL: that of its node */
    unsigned port;
    unsigned priority;
    unsigned weight;
    enum site_role role;
};

struct site_probe {
    struct site_head head;
    char *user;
    char *password_file;
    msec_t every_ms;
    msec_t timeout_ms;
    enum site_donor donor;
    unsigned queue_max;
    unsigned rise;
    unsigned fall;
    unsigned port;
    enum site_method method;
    char *path;
    char *host;
    struct site_statuses status;
    char *body;
    char *send;
    char *expect;
    struct site_tls tls;
};

struct site_endpoint {
    struct site_head head;
    struct site_listens listen;
    struct site_names nodes; /* empty: site_endpoint_is_on() knows */
    msec_t hold_ms;
    uint64_t hold_max_bytes;
    enum router_when_down when_down;
    enum router_retry_writes retry_writes;
    bool sessions_databases[ROUTER_DATABASES_MAX];
    enum router_client_auth client_auth;
    char *client_user;
    char *client_password_file;
    bool is_open;
    msec_t cache_window_ms;
    uint64_t cache_keys_max_bytes;
    msec_t info_cache_ms;
    uint64_t replica_lag_max_bytes;
    msec_t replica_silence_max_ms;
    bool replicas_only;
    msec_t connect_timeout_ms;
    enum site_proxy proxy_protocol;
    msec_t switchover_wait_ms;
    unsigned clients_max;
    unsigned strangers_max;
    msec_t request_timeout_ms;
    uint64_t request_max_bytes;
    msec_t idle_timeout_ms;
    msec_t drain_ms;
};

struct site_service {
    struct site_head head;
    enum site_kind kind;
    struct site_member *members;
    size_t members_count;
    enum site_use use;
    msec_t down_after_ms;
    msec_t refused_after_ms;
    msec_t failover_timeout_ms;
    unsigned parallel_syncs;
    unsigned quorum; /* 0: site_quorum() knows */
    char *user;
    char *password_file;
    struct site_tls tls;
    enum site_choice choice;
    enum site_balance balance;
    msec_t slow_start_ms;
    struct site_probe probe;
    struct site_endpoint endpoint; /* none when not in the file, as the next */
    struct site_endpoint read_endpoint;
};

struct site_health {
    struct site_head head;
    struct site_listens listen;
    struct site_listens galera_listen;
};

struct site_haproxy {
    struct site_head head; /* not in the file: there is no HAProxy */
    char *socket;
    struct site_listens agent_listen;
    struct site_names nodes;
};

struct site_log {
    struct site_head head;
    enum site_level level;
    char *file;
};

struct site {
    struct site_head head;
    char *name;
    struct site_node *nodes;
    size_t nodes_count;
    struct site_monitors monitors;
    struct site_service *services;
    size_t services_count;
    struct site_health health;
    struct site_haproxy haproxy;
    struct site_log log;
    char *state_directory;
    struct site_tls tls;
    unsigned threads;
};

/*
 * Parses and judges the file: *findings, which must be zeroed, gets everything that is wrong or
 * doubtful, in the order of the lines. False when there was an error; *site, which may hold
 * anything before, is then untouched. On true it is the caller's to finish.
 */
bool site_parse(const char *text, size_t len, struct site *site,
                struct site_findings *findings) MUST_CHECK;
void site_finish(struct site *site);

/* ---- asking it ---- */

const struct site_node *site_node(const struct site *site, const char *name); /* or NULL */

/* The node a member runs on; NULL when it has an address of its own. */
const struct site_node *site_member_node(const struct site *site, const struct site_member *member);

/* The host to connect to. */
const char *site_member_host(const struct site *site, const struct site_member *member);

/* Where it listens on that node, whose own address stands for `node`. False and *err when that is
 * no address. */
bool site_listen_on(const struct site_listen *listen, const struct site_node *node,
                    struct router_listen *to, struct err *err) MUST_CHECK;

/* It stands in the file. */
bool site_is_given(const struct site_head *head);

/* Where the value of the key stands, or the element itself when the key is not given. */
struct site_mark site_mark_of(const struct site_head *head, const char *key);

bool site_names_have(const struct site_names *names, const char *name);

/* Is this endpoint of the service on that node? Also by default. */
bool site_endpoint_is_on(const struct site *site, const struct site_service *service,
                         const struct site_endpoint *endpoint, const struct site_node *node);

/* Monitors that must see the master of the service down. */
unsigned site_quorum(const struct site *site, const struct site_service *service);

/* ---- which node is this machine ---- */

struct site_machine {
    const char *node;             /* of --node; NULL when it was not given */
    const char *hostname;         /* a domain behind it is ignored; may be NULL */
    const char *const *addresses; /* canonical numbers of its interfaces */
    size_t addresses_count;
};

/* By --node, else by host name, else by address. NULL with *err set, naming the nodes there are,
 * when none or several are meant. */
const struct site_node *site_find_node(const struct site *site, const struct site_machine *machine,
                                       struct err *err);

/* ---- what a new file changes ---- */

/*
 * Appends one line for each change ("services.cache.endpoint.hold: 800ms -> 1s") to *out, and
 * returns how many there are. A line ends in "(needs a restart)" when a running process cannot do
 * it, and *needs_restart is then true. Secrets are not in a site, only the files that hold them.
 */
size_t site_diff(const struct site *old, const struct site *new, struct buf *out,
                 bool *needs_restart);

/* ---- the manual ---- */

/* Appends docs/options.md, made of the table. */
void site_doc_write(struct buf *out);

#endif

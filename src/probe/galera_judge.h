#ifndef PROBE_GALERA_JUDGE_H
#define PROBE_GALERA_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/member_health.h"

/*
 * What a database node says of itself, and what follows from it. Pure: no socket, no clock.
 *
 * A node that lost its group still takes logins and answers SELECT 1, so neither proves anything.
 * What counts is the node's own state in the group, and whether it would refuse the queries.
 */

enum {
    GALERA_UUID_MAX = 40,      /* 36 and the end */
    GALERA_WORD_MAX = 48,      /* "Joining: preparing for State Transfer" is the longest seen */
    GALERA_STATE_UNKNOWN = -1, /* the server does not tell its wsrep_local_state */
};

/* SYNCED is the only one in which a node has all there is and applies what comes. */
enum galera_state {
    GALERA_STATE_INITIALIZED = 0,
    GALERA_STATE_JOINING = 1,
    GALERA_STATE_DONOR = 2, /* also the state of a node that an operator desynced */
    GALERA_STATE_JOINED = 3,
    GALERA_STATE_SYNCED = 4,
    GALERA_STATE_ERROR = 5,
};

/* The values of one poll. What a server does not have keeps the value of galera_status_init(). */
struct galera_status {
    bool has_wsrep; /* wsrep_on */
    bool is_ready;  /* wsrep_ready */
    bool is_connected;
    bool is_desync; /* the variable, not the state */
    bool is_read_only;
    bool is_super_read_only; /* MySQL and Percona */
    bool is_innodb_read_only;
    bool is_offline; /* MySQL's offline_mode: only administrators are let in */
    bool rejects_as_donor;
    int64_t local_state;
    int64_t cluster_size;
    int64_t local_index;
    int64_t conf_id; /* counts the views of the group */
    int64_t last_committed;
    int64_t recv_queue; /* write sets that wait to be applied */
    int64_t send_queue;
    int64_t paused_ns;       /* flow control, since the server started */
    int64_t paused_permille; /* of the time since about a second; computed by the probe */
    char state_comment[GALERA_WORD_MAX];
    char cluster_status[GALERA_WORD_MAX]; /* Primary, non-Primary, Disconnected */
    char cluster_uuid[GALERA_UUID_MAX];
    char reject_queries[GALERA_WORD_MAX]; /* NONE, ALL, ALL_KILL */
    char maint_mode[GALERA_WORD_MAX];     /* Percona: DISABLED, SHUTDOWN, MAINTENANCE */
};

/* What is thought of a node that gives a state transfer, or was desynced. */
enum galera_donor {
    GALERA_DONOR_AVOID, /* default: the last resort. It lags, and with rsync its writes stand still
                         */
    GALERA_DONOR_NOT_READY,
    GALERA_DONOR_READY, /* for small data sets with mariabackup */
};

struct galera_rules {
    enum galera_donor donor;
    int64_t recv_queue_max;             /* more waiting write sets: avoid; 0 is no bound */
    int64_t paused_max_permille;        /* paused for more of the time: avoid; 0 is no bound */
    char cluster_uuid[GALERA_UUID_MAX]; /* of the others; "" while nobody knows */
};

void galera_status_init(struct galera_status *s);

/* One row of SHOW STATUS or one variable. Names that are not of interest, and numbers that are
 * none, are ignored; text is cut. True when the name was of interest. */
bool galera_status_take(struct galera_status *s, const char *name, const char *value);

/* The verdict on a Galera node as a writer, and the reason; took_ms is left alone. *can_read says
 * whether reads may be sent to it all the same: a synced node that is read-only. */
void galera_judge(const struct galera_status *s, const struct galera_rules *rules,
                  struct evidence *evidence, bool *can_read);

/* The same for a server that is no cluster's: kind mysql. */
void galera_judge_plain(const struct galera_status *s, struct evidence *evidence, bool *can_read);

#endif

#ifndef POOL_MASTER_CHOICE_H
#define POOL_MASTER_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/msec.h"

/*
 * Which server is the master, and may be written to: judged from what each monitor says, from the
 * failover events that monitors publish, and from what the servers say of themselves. Pure.
 *
 * Nobody is believed alone. A server becomes the master when it says that it is one (ROLE), and
 *   - a majority of the monitors configured names it, or
 *   - a monitor published that it was selected to replace the master, or
 *   - a monitor names it with a newer epoch than the majority knows.
 * The last two are early: the monitors have decided but not all have said so. An early master stays
 * until a majority names a newer epoch, or it says that it is a replica after all. A server that
 * was master before is no early one until it was seen as a replica: a restarted old master believes
 * that nothing happened.
 *
 * From the selection until the selected server is a master, the monitor takes its word back, or
 * hold_max_ms have passed, writes are held. Without a majority that is fresh the last master stays.
 */

enum {
    CHOICE_MONITORS_MAX = 32, /* as many as one endpoint may have */
    CHOICE_SELECTED_MAX = 4,  /* failovers of one master under way at once: one, or a retry */
    CHOICE_FORMER_MAX = 8,    /* masters before this one that nobody has seen as a replica since */
    CHOICE_SERVERS_MAX = CHOICE_SELECTED_MAX + 3, /* and the master, the majority's, a newer one */

    CHOICE_REWIND_MS = 5000, /* a majority that names a lower epoch must insist: it was reset */
    CHOICE_HOLD_PAUSE_MS = 30000, /* a monitor whose selection came to nothing holds no writes */
    CHOICE_SELECTED_MS = 200000,  /* above Sentinel's failover-timeout, when it gives up */
};

enum choice_role {
    CHOICE_ROLE_UNKNOWN, /* not asked yet */
    CHOICE_ROLE_NONE,    /* no answer: refused, closed, silent, or an error */
    CHOICE_ROLE_MASTER,
    CHOICE_ROLE_REPLICA,
};

enum choice_state {
    CHOICE_NONE, /* no master that may be used */
    CHOICE_OPEN,
    CHOICE_HOLD, /* a failover is on its way: the master may still be read */
};

/* Why the route is as it is. */
enum choice_why {
    CHOICE_WHY_START,     /* nothing is known yet */
    CHOICE_WHY_MAJORITY,  /* named by a majority, and a master itself */
    CHOICE_WHY_SELECTED,  /* selected by a monitor, and a master itself before it was announced */
    CHOICE_WHY_NEWER,     /* named with a newer epoch by some, and a master itself */
    CHOICE_WHY_CONFIRMED, /* an early master that the majority names now */
    CHOICE_WHY_FAILOVER,  /* held: another server was selected */
    CHOICE_WHY_ABORTED,   /* no longer held: the failover was given up */
    CHOICE_WHY_LATE,      /* no longer held: nothing came of it in time */
    CHOICE_WHY_DEPOSED,   /* held, later none: the majority names another that is no master yet */
    CHOICE_WHY_REPLICA,   /* none: it says that it is a replica */
    CHOICE_WHY_AGAIN,     /* it is a master again */
};

struct choice_route {
    enum choice_state state;
    enum choice_why why;
    struct addr master;  /* the last one while there is none; not set before the first */
    uint64_t epoch;      /* 0 while no monitor named the master */
    uint64_t generation; /* grows when the master changes, and when it is used again after NONE */
    msec_t since_ms;     /* of the last change */
};

/* What a monitor last answered. */
struct choice_word {
    struct addr master; /* not set: it knows no such master */
    uint64_t epoch;
    msec_t at_ms;
    bool is_heard;
};

struct choice_selected {
    struct addr replica;
    struct addr of; /* the master it is to replace; not set: the slot is free */
    size_t monitor;
    uint64_t base_epoch; /* what was known when it was selected */
    msec_t at_ms;
    bool is_holding;
};

struct choice_server {
    struct addr addr;
    enum choice_role role;
    msec_t silent_since_ms; /* while NONE */
    bool is_urgent;         /* what it says decides now */
};

/* The fields below are read by the caller, and written in master_choice.c only. */
struct master_choice {
    size_t monitors;
    msec_t silent_ms;
    msec_t hold_max_ms;
    struct choice_word words[CHOICE_MONITORS_MAX];
    struct choice_selected selected[CHOICE_SELECTED_MAX];
    msec_t pause_until_ms[CHOICE_MONITORS_MAX]; /* no writes are held on its word */
    struct addr former[CHOICE_FORMER_MAX];
    size_t former_next;

    struct choice_route route;
    bool is_early;        /* the route's master is */
    bool is_given_up;     /* early, and its failover was aborted */
    size_t early_by;      /* the monitor that selected it, or named it */
    uint64_t base_epoch;  /* what was known when it became early */
    msec_t hold_until_ms; /* 0: no writes are held for a selection */
    bool is_deposed;      /* the majority named another, which did not prove to be a master yet */
    msec_t deposed_at_ms;
    struct addr successor; /* that other */
    uint64_t successor_epoch;
    msec_t rewound_at_ms; /* 0: the majority does not name another with a lower epoch */

    /* As of the last judgement. */
    size_t answering; /* monitors with a fresh answer */
    bool has_agreed;  /* a majority of those configured names one master */
    struct addr agreed;
    uint64_t agreed_epoch;                            /* the newest that a majority has reached */
    struct choice_server servers[CHOICE_SERVERS_MAX]; /* to be asked for their ROLE */
    size_t servers_count;
};

/* monitors is how many are configured. An answer older than silent_ms does not count. */
void master_choice_init(struct master_choice *c, size_t monitors, msec_t silent_ms,
                        msec_t hold_max_ms);

/* ---- what was heard: the addresses have an ip ---- */

/* A monitor answered. A master that is not set: it knows none of that name. */
void master_choice_told(struct master_choice *c, size_t monitor, const struct addr *master,
                        uint64_t epoch, msec_t now);

/* A monitor published that replica was selected to replace the master `of`, or was promoted. */
void master_choice_selected(struct master_choice *c, size_t monitor, const struct addr *of,
                            const struct addr *replica, msec_t now);

/* A monitor published that it gives its failover up. */
void master_choice_aborted(struct master_choice *c, size_t monitor);

/* What a server of c->servers says, or that it says nothing. Of others it is ignored. */
void master_choice_role(struct master_choice *c, const struct addr *addr, enum choice_role role,
                        msec_t now);

/* ---- what follows ---- */

/* To be called after whatever was heard, and when master_choice_next() is reached. True when
 * c->route changed. */
bool master_choice_judge(struct master_choice *c, msec_t now);

/* When time alone may change something; MSEC_NEVER when it cannot. */
msec_t master_choice_next(const struct master_choice *c, msec_t now);

const char *choice_why_text(enum choice_why why);

#endif

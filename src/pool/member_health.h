#ifndef POOL_MEMBER_HEALTH_H
#define POOL_MEMBER_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/msec.h"

/*
 * What a member is worth over time: each probe gives evidence, and this says which verdict stands.
 * Pure.
 *
 * The first probe decides at once. Later ones are counted in a row as HAProxy counts them: `fall`
 * probes that found it worse take it down, `rise` that found it better bring it up. A probe that
 * ran out of time is no statement of the member, so it has a count of its own: a database that says
 * that it cannot serve is left at the first word, one that was slow once is not. Whatever the
 * mixture, a member falls no later than at the greater of the two counts.
 *
 * Flap damping: a member that began or ceased to serve more than flap_max times within the last
 * HEALTH_FLAP_WINDOW_MS stands as AVOID at best: others first, until the window has forgotten
 * enough of it. That is never longer than the window after its last change, and never takes the
 * last member that can serve away.
 */

enum {
    EVIDENCE_REASON_MAX = 200, /* a sentence with its numbers; a longer one is cut */
    HEALTH_REASON_MAX = EVIDENCE_REASON_MAX + 100, /* and why it is damped */

    HEALTH_COUNT_MAX = 100, /* rise, fall, timeout_fall: beyond it a member would never change */
    HEALTH_FLAP_MAX = 15,   /* flap_max: as many times of changes are kept, and one more */
    HEALTH_FLAP_WINDOW_MS =
        60000,               /* an operator who looks at a flapping member thinks in minutes */
    HEALTH_FLAP_DEFAULT = 5, /* a restart is two changes: two of them are no flapping */
    HEALTH_SLOW_START_MAX_MS = 3600000, /* a member that is warm after an hour was never cold */
    HEALTH_PERMILLE = 1000,             /* the whole weight */
    HEALTH_PERMILLE_FIRST = 100,        /* of the weight, when a slow start begins */
};

enum verdict {
    VERDICT_UNKNOWN,     /* not probed yet */
    VERDICT_READY,       /* serves */
    VERDICT_AVOID,       /* serves, but others first: a donor, a deep receive queue */
    VERDICT_NOT_READY,   /* answers, and says or shows that it cannot serve */
    VERDICT_UNREACHABLE, /* refused, closed or silent */
};

/* What one probe found. */
struct evidence {
    enum verdict verdict; /* UNKNOWN: the probe could not be made; it is not counted */
    char reason[EVIDENCE_REASON_MAX];
    msec_t took_ms;
    bool is_timeout; /* UNREACHABLE because no answer came in time, not because one was refused */
};

/* Probes in a row. 0 stands for the default of each field. */
struct health_rules {
    uint32_t rise;
    uint32_t fall;
    uint32_t timeout_fall;
    uint32_t flap_max;    /* at most HEALTH_FLAP_MAX */
    msec_t slow_start_ms; /* 0: none */
    bool is_undamped;     /* no flap damping */
};

/* The fields below are read by the caller, and written in member_health.c only. */
struct member_health {
    struct health_rules rules;

    /* What stands. */
    enum verdict verdict;
    char reason[HEALTH_REASON_MAX]; /* of the newest probe that bears it out */
    msec_t since_ms;                /* of the verdict */
    bool is_damped;                 /* AVOID only because it flaps */

    /* The operator's mark: no verdict, but beside it. */
    bool is_drained;
    msec_t drained_since_ms;

    /* The newest probe, and how many in a row, with it, had its verdict. */
    struct evidence last;
    uint32_t in_row;

    enum verdict counted; /* what the counts below say, before damping */

    /* Probes in a row that speak for a change. */
    uint32_t ready;   /* READY */
    uint32_t serving; /* READY or AVOID */
    uint32_t lesser;  /* anything but READY, timeouts left out */
    uint32_t failing; /* neither READY nor AVOID, timeouts left out */
    uint32_t late;    /* timeouts since it last answered that it serves */

    msec_t warm_from_ms; /* when its slow start began; MSEC_NEVER: none, it has its whole weight */
    msec_t changes_ms[HEALTH_FLAP_MAX + 1]; /* when it began or ceased to serve; a ring */
    size_t changes;                         /* ever */
};

/* For a member that reports its own state (galera, mysql): its first word counts. */
struct health_rules health_rules_reported(void);

/* For a member that is judged from outside (http, tcp): rise 2, fall 3, as HAProxy. */
struct health_rules health_rules_observed(void);

/* Zeros in the rules are filled as by health_rules_reported(). */
void member_health_init(struct member_health *h, const struct health_rules *rules);

/* New rules for a member that is known (a reload): what stands goes on to stand. */
void member_health_set_rules(struct member_health *h, const struct health_rules *rules);

/* A probe ended. True when another verdict stands now; since_ms is `now` then. */
bool member_health_told(struct member_health *h, const struct evidence *evidence, msec_t now);

/* The operator takes it out of every choice, or puts it back, which begins a slow start. False when
 * nothing changed. */
bool member_health_drain(struct member_health *h, bool is_drained, msec_t now);

/* How much of its weight it has now, HEALTH_PERMILLE_FIRST to HEALTH_PERMILLE. */
uint32_t member_health_permille(const struct member_health *h, msec_t now);

bool verdict_serves(enum verdict verdict); /* READY or AVOID */

/* "not probed yet", "ready", "avoid", "not ready", "unreachable" */
const char *verdict_text(enum verdict verdict);

#endif

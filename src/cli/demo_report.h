#ifndef CLI_DEMO_REPORT_H
#define CLI_DEMO_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/msec.h"

/* What each failover cost, in lines, as a table and as JSON. */

enum demo_cause { DEMO_CAUSE_KILL, DEMO_CAUSE_PAUSE };

struct demo_failover {
    enum demo_cause cause;
    struct addr old_master;
    struct addr new_master;
    msec_t at_ms;         /* of the kill, by the loop's clock; the others are lengths from there */
    msec_t switched_ms;   /* the first +switch-master; -1 while there was none */
    msec_t everywhere_ms; /* the last monitor's */
    msec_t request_ms;    /* the longest that one request took, until its answer or failure */
    msec_t no_write_ms;   /* the longest time without an acknowledged write */
    uint64_t errors;      /* requests that failed */
    uint64_t lost;        /* writes that were acknowledged and are not there any more */
    bool is_done;
};

struct demo_report {
    struct demo_failover *items;
    size_t count;
    size_t capacity;
    size_t unasked; /* +switch-master that nothing of ours had caused */
    bool has_router;
    uint64_t requests;
    uint64_t writes; /* of them, acknowledged */
    uint64_t errors;
    bool is_lost_known; /* the writes could be counted at the end */
    uint64_t lost;
    uint64_t connections_lost;
    msec_t lasted_ms;
};

void demo_report_finish(struct demo_report *report);

/* Begins one: lives until the next is begun. */
struct demo_failover *demo_report_add(struct demo_report *report);

/* "failover 2: SIGKILL: longest request 120 ms, ..." without a line end. */
void demo_report_line(struct buf *out, size_t number, const struct demo_failover *failover);

/* The summary for people. Failovers that were not done are left out. */
void demo_report_table(struct buf *out, const struct demo_report *report);
void demo_report_json(struct buf *out, const struct demo_report *report, bool has_failed);

/* 1234567 as "1,234,567". */
void demo_report_number(struct buf *out, uint64_t value);

#endif

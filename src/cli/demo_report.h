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
    msec_t no_write_ms;   /* the longest time without an acknowledged write */
    uint64_t errors;      /* requests that failed */
    bool is_done;
};

struct demo_report {
    struct demo_failover *items;
    size_t count;
    size_t capacity;
    size_t unasked; /* +switch-master that nothing of ours had caused */
    uint64_t requests;
    uint64_t errors;
    msec_t lasted_ms;
};

void demo_report_finish(struct demo_report *report);

/* Begins one: lives until the next is begun. */
struct demo_failover *demo_report_add(struct demo_report *report);

/* "failover 2: SIGKILL of 127.0.0.1:20001: ..." without a line end. */
void demo_report_line(struct buf *out, size_t number, const struct demo_failover *failover);

/* The summary for people. Failovers that were not done are left out. */
void demo_report_table(struct buf *out, const struct demo_report *report);
void demo_report_json(struct buf *out, const struct demo_report *report, bool has_failed);

/* 1234567 as "1,234,567". */
void demo_report_number(struct buf *out, uint64_t value);

#endif

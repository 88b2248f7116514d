#include "cli/demo_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

enum { DEMO_REPORT_FIRST = 16 };

static const char *demo_report_cause(enum demo_cause cause)
{
    return cause == DEMO_CAUSE_KILL ? "SIGKILL" : "SIGSTOP";
}

void demo_report_finish(struct demo_report *report)
{
    if (report != NULL) {
        free(report->items);
        *report = (struct demo_report){0};
    }
}

struct demo_failover *demo_report_add(struct demo_report *report)
{
    if (report->count == report->capacity) {
        size_t capacity = report->capacity == 0 ? DEMO_REPORT_FIRST : report->capacity * 2;
        struct demo_failover *items = realloc(report->items, capacity * sizeof(*items));
        if (items == NULL) {
            assert_fail(__FILE__, __LINE__, __func__, "out of memory");
        }
        report->items = items;
        report->capacity = capacity;
    }
    struct demo_failover *item = &report->items[report->count++];
    *item = (struct demo_failover){.switched_ms = -1, .everywhere_ms = -1};
    return item;
}

void demo_report_line(struct buf *out, size_t number, const struct demo_failover *failover)
{
    char from[ADDR_TEXT_MAX];
    char to[ADDR_TEXT_MAX];

    /* What it cost comes first: a terminal cuts the end. */
    buf_printf(out,
               "failover %zu: %s: longest request %" PRId64 " ms, %" PRIu64 " errors, lost %" PRIu64
               "; +switch-master after %" PRId64 " ms (all monitors %" PRId64 " ms), %" PRId64
               " ms without a write; %s -> %s",
               number, demo_report_cause(failover->cause), failover->request_ms, failover->errors,
               failover->lost, failover->switched_ms, failover->everywhere_ms,
               failover->no_write_ms, addr_text(&failover->old_master, from),
               addr_text(&failover->new_master, to));
}

void demo_report_number(struct buf *out, uint64_t value)
{
    if (value >= 1000) {
        demo_report_number(out, value / 1000);
        buf_printf(out, ",%03" PRIu64, value % 1000);
    } else {
        buf_printf(out, "%" PRIu64, value);
    }
}

static int demo_report_compare(const void *a, const void *b)
{
    const msec_t *x = a;
    const msec_t *y = b;
    return (*x > *y) - (*x < *y);
}

/* Of the field at that offset, over the failovers that are done; there must be one. */
static msec_t demo_report_median(const struct demo_report *report, size_t offset)
{
    msec_t *values = memory_zeroed(report->count * sizeof(*values));
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++) {
        if (report->items[i].is_done) {
            memcpy(&values[count++], (const char *)&report->items[i] + offset, sizeof(*values));
        }
    }
    ASSERT(count > 0);
    qsort(values, count, sizeof(*values), demo_report_compare);
    msec_t median =
        count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    free(values);
    return median;
}

static size_t demo_report_done(const struct demo_report *report)
{
    size_t done = 0;

    for (size_t i = 0; i < report->count; i++) {
        done += report->items[i].is_done;
    }
    return done;
}

static void demo_report_sum(struct buf *out, const struct demo_report *report)
{
    size_t done = demo_report_done(report);

    buf_printf(out, "%zu failover%s in %.1f s; ", done, done == 1 ? "" : "s",
               (double)report->lasted_ms / 1000);
    demo_report_number(out, report->requests);
    buf_append_text(out, " requests answered, ");
    demo_report_number(out, report->errors);
    buf_append_text(out, " failed; ");
    demo_report_number(out, report->writes);
    buf_append_text(out, " writes acknowledged, ");
    if (report->is_lost_known) {
        demo_report_number(out, report->lost);
        buf_append_text(out, " of them lost");
    } else {
        buf_append_text(out, "those lost could not be counted");
    }
    if (report->has_router) {
        buf_append_text(out, "; ");
        demo_report_number(out, report->connections_lost);
        buf_append_text(out, " connections closed");
    }
    buf_append_text(out, "\n");
    if (report->unasked > 0) {
        buf_printf(out, "%zu +switch-master came without a kill\n", report->unasked);
    }
}

void demo_report_table(struct buf *out, const struct demo_report *report)
{
    size_t done = demo_report_done(report);
    char to[ADDR_TEXT_MAX];

    if (done > 0) {
        buf_append_text(out, "failover  cause    longest request  errors  lost  +switch-master  "
                             "all monitors  no write  new master\n");
    }
    for (size_t i = 0; i < report->count; i++) {
        const struct demo_failover *f = &report->items[i];
        if (f->is_done) {
            buf_printf(out,
                       "%8zu  %-7s  %12" PRId64 " ms  %6" PRIu64 "  %4" PRIu64 "  %11" PRId64
                       " ms  %9" PRId64 " ms  %5" PRId64 " ms  %s\n",
                       i + 1, demo_report_cause(f->cause), f->request_ms, f->errors, f->lost,
                       f->switched_ms, f->everywhere_ms, f->no_write_ms,
                       addr_text(&f->new_master, to));
        }
    }
    if (done > 1) {
        buf_printf(
            out, "  median %22" PRId64 " ms  %25" PRId64 " ms  %9" PRId64 " ms  %5" PRId64 " ms\n",
            demo_report_median(report, offsetof(struct demo_failover, request_ms)),
            demo_report_median(report, offsetof(struct demo_failover, switched_ms)),
            demo_report_median(report, offsetof(struct demo_failover, everywhere_ms)),
            demo_report_median(report, offsetof(struct demo_failover, no_write_ms)));
    }
    demo_report_sum(out, report);
}

static void demo_report_json_failover(struct buf *out, const struct demo_failover *f)
{
    char from[ADDR_TEXT_MAX];
    char to[ADDR_TEXT_MAX];

    buf_printf(
        out,
        "{\"cause\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"switch_ms\":%" PRId64
        ",\"everywhere_ms\":%" PRId64 ",\"longest_request_ms\":%" PRId64
        ",\"without_write_ms\":%" PRId64 ",\"errors\":%" PRIu64 ",\"lost_writes\":%" PRIu64 "}",
        demo_report_cause(f->cause), addr_text(&f->old_master, from), addr_text(&f->new_master, to),
        f->switched_ms, f->everywhere_ms, f->request_ms, f->no_write_ms, f->errors, f->lost);
}

void demo_report_json(struct buf *out, const struct demo_report *report, bool has_failed)
{
    const char *comma = "";

    buf_append_text(out, "{\"failovers\":[");
    for (size_t i = 0; i < report->count; i++) {
        if (report->items[i].is_done) {
            buf_append_text(out, comma);
            demo_report_json_failover(out, &report->items[i]);
            comma = ",";
        }
    }
    buf_printf(out,
               "],\"unasked_switches\":%zu,\"router\":%s,\"requests\":%" PRIu64
               ",\"errors\":%" PRIu64 ",\"writes\":%" PRIu64 ",\"lost_writes\":",
               report->unasked, report->has_router ? "true" : "false", report->requests,
               report->errors, report->writes);
    if (report->is_lost_known) {
        buf_printf(out, "%" PRIu64, report->lost);
    } else {
        buf_append_text(out, "null");
    }
    buf_printf(out, ",\"connections_lost\":%" PRIu64 ",\"lasted_ms\":%" PRId64 ",\"failed\":%s}\n",
               report->connections_lost, report->lasted_ms, has_failed ? "true" : "false");
}

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

    buf_printf(out,
               "failover %zu: %s of %s: +switch-master after %" PRId64 " ms (all monitors %" PRId64
               " ms), %" PRId64 " ms without a write, %" PRIu64 " errors; master now %s",
               number, demo_report_cause(failover->cause), addr_text(&failover->old_master, from),
               failover->switched_ms, failover->everywhere_ms, failover->no_write_ms,
               failover->errors, addr_text(&failover->new_master, to));
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

void demo_report_table(struct buf *out, const struct demo_report *report)
{
    size_t done = demo_report_done(report);
    char to[ADDR_TEXT_MAX];

    if (done > 0) {
        buf_append_text(out, "failover  cause     +switch-master  all monitors  without a write  "
                             "errors  new master\n");
    }
    for (size_t i = 0; i < report->count; i++) {
        const struct demo_failover *f = &report->items[i];
        if (f->is_done) {
            buf_printf(out,
                       "%8zu  %-8s %12" PRId64 " ms %10" PRId64 " ms %13" PRId64 " ms  %6" PRIu64
                       "  %s\n",
                       i + 1, demo_report_cause(f->cause), f->switched_ms, f->everywhere_ms,
                       f->no_write_ms, f->errors, addr_text(&f->new_master, to));
        }
    }
    if (done > 1) {
        buf_printf(out, "  median           %9" PRId64 " ms %10" PRId64 " ms %13" PRId64 " ms\n",
                   demo_report_median(report, offsetof(struct demo_failover, switched_ms)),
                   demo_report_median(report, offsetof(struct demo_failover, everywhere_ms)),
                   demo_report_median(report, offsetof(struct demo_failover, no_write_ms)));
    }
    buf_printf(out, "%zu failover%s in %.1f s; ", done, done == 1 ? "" : "s",
               (double)report->lasted_ms / 1000);
    demo_report_number(out, report->requests);
    buf_append_text(out, " requests answered, ");
    demo_report_number(out, report->errors);
    buf_append_text(out, " failed\n");
    if (report->unasked > 0) {
        buf_printf(out, "%zu +switch-master came without a kill\n", report->unasked);
    }
}

void demo_report_json(struct buf *out, const struct demo_report *report, bool has_failed)
{
    char from[ADDR_TEXT_MAX];
    char to[ADDR_TEXT_MAX];
    const char *comma = "";

    buf_append_text(out, "{\"failovers\":[");
    for (size_t i = 0; i < report->count; i++) {
        const struct demo_failover *f = &report->items[i];
        if (f->is_done) {
            buf_printf(out,
                       "%s{\"cause\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"switch_ms\":%" PRId64
                       ",\"everywhere_ms\":%" PRId64 ",\"without_write_ms\":%" PRId64
                       ",\"errors\":%" PRIu64 "}",
                       comma, demo_report_cause(f->cause), addr_text(&f->old_master, from),
                       addr_text(&f->new_master, to), f->switched_ms, f->everywhere_ms,
                       f->no_write_ms, f->errors);
            comma = ",";
        }
    }
    buf_printf(out,
               "],\"unasked_switches\":%zu,\"requests\":%" PRIu64 ",\"errors\":%" PRIu64
               ",\"lasted_ms\":%" PRId64 ",\"failed\":%s}\n",
               report->unasked, report->requests, report->errors, report->lasted_ms,
               has_failed ? "true" : "false");
}

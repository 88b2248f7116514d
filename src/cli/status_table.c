#include "cli/status_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/demo_report.h"

enum {
    STATUS_KIBI = 1024,
    STATUS_MONITOR_WIDTH = 22, /* [2001:db8::1]:26379 */
};

enum status_colour { STATUS_PLAIN, STATUS_BOLD, STATUS_GREEN, STATUS_YELLOW, STATUS_RED };

struct table {
    const json_t *status;
    bool has_colour;
    struct buf *out;
};

/* ---- values ---- */

static uint64_t status_table_number(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));

    return value < 0 ? 0 : (uint64_t)value;
}

static bool status_table_is(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

/* "" when it is not there, or null. */
static const char *status_table_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

bool status_table_is_fine(const json_t *status)
{
    return status_table_is(json_object_get(status, "master"), "is_known");
}

/* ---- writing ---- */

static void status_table_colour(const struct table *t, enum status_colour colour, const char *text)
{
    static const char *const codes[] = {
        [STATUS_PLAIN] = "",          [STATUS_BOLD] = "\033[1m",   [STATUS_GREEN] = "\033[32m",
        [STATUS_YELLOW] = "\033[33m", [STATUS_RED] = "\033[1;31m",
    };

    if (t->has_colour && colour != STATUS_PLAIN) {
        buf_printf(t->out, "%s%s\033[0m", codes[colour], text);
    } else {
        buf_append_text(t->out, text);
    }
}

static void status_table_row(const struct table *t, const char *name)
{
    buf_printf(t->out, "\n  %-11s", name);
}

static void status_table_age(struct buf *out, uint64_t ms)
{
    uint64_t s = ms / 1000;

    if (s < 60) {
        buf_printf(out, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
    } else if (s < 3600) {
        buf_printf(out, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    } else if (s < 86400) {
        buf_printf(out, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
    } else {
        buf_printf(out, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
    }
}

static void status_table_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"b", "kb", "mb", "gb", "tb"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= STATUS_KIBI && unit + 1 < COUNT_OF(units)) {
        value /= STATUS_KIBI;
        unit++;
    }
    buf_printf(out, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static void status_table_moment(struct buf *out, uint64_t unix_ms)
{
    time_t at = (time_t)(unix_ms / 1000);
    char text[32] = "";
    struct tm local;

    if (localtime_r(&at, &local) != NULL) {
        (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local); /* always fits */
    }
    buf_append_text(out, text);
}

/* "12 words", for each pair of a name in counts and its words. */
struct status_count {
    const char *name;
    const char *words;
};

static void status_table_counts(const struct table *t, const char *row,
                                const struct status_count *counts, size_t count)
{
    const json_t *values = json_object_get(t->status, "counts");

    status_table_row(t, row);
    for (size_t i = 0; i < count; i++) {
        buf_append_text(t->out, i == 0 ? "" : ", ");
        demo_report_number(t->out, status_table_number(values, counts[i].name));
        buf_printf(t->out, " %s", counts[i].words);
    }
}

/* ---- parts ---- */

static void status_table_head(const struct table *t)
{
    struct buf title = {0};

    buf_printf(&title, "router for %s", status_table_text(t->status, "name"));
    status_table_colour(t, STATUS_BOLD, buf_data(&title));
    buf_finish(&title);
    buf_printf(t->out, ", process %" PRIu64 ", holdfast %s, up ",
               status_table_number(t->status, "pid"), status_table_text(t->status, "version"));
    status_table_age(t->out, status_table_number(t->status, "uptime_ms"));
    if (status_table_is(t->status, "is_draining")) {
        buf_append_text(t->out, ", ");
        status_table_colour(t, STATUS_YELLOW, "draining");
    }
}

static void status_table_listens(const struct table *t)
{
    const json_t *listens = json_object_get(t->status, "listens");
    size_t i;
    json_t *listen;

    status_table_row(t, "listens at");
    json_array_foreach(listens, i, listen)
    {
        bool is_replicas = strcmp(status_table_text(listen, "kind"), "replicas") == 0;
        buf_printf(t->out, "%s%s%s", i == 0 ? "" : ", ", status_table_text(listen, "address"),
                   is_replicas ? " (replicas)" : "");
    }
}

static void status_table_master(const struct table *t)
{
    const json_t *master = json_object_get(t->status, "master");
    const char *state = status_table_text(master, "state");
    bool is_known = status_table_is(master, "is_known");
    enum status_colour colour = !is_known                    ? STATUS_RED
                                : strcmp(state, "open") == 0 ? STATUS_GREEN
                                                             : STATUS_YELLOW;

    status_table_row(t, "master");
    if (status_table_text(master, "address")[0] != '\0') {
        buf_printf(t->out, "%s, ", status_table_text(master, "address"));
    }
    status_table_colour(t, colour, state);
    if (status_table_number(master, "since_unix_ms") != 0) {
        buf_append_text(t->out, " since ");
        status_table_moment(t->out, status_table_number(master, "since_unix_ms"));
        buf_append_text(t->out, " (");
        status_table_age(t->out, status_table_number(master, "age_ms"));
        buf_append_text(t->out, ")");
    }
    buf_printf(t->out, ", epoch %" PRIu64, status_table_number(master, "epoch"));
    status_table_row(t, "failovers");
    demo_report_number(t->out, status_table_number(t->status, "switches"));
    buf_append_text(t->out, ", writes held for ");
    demo_report_number(t->out, status_table_number(t->status, "holds"));
}

static void status_table_replicas(const struct table *t)
{
    const json_t *replicas = json_object_get(t->status, "replicas");
    size_t i;
    json_t *replica;

    if (json_array_size(replicas) == 0) {
        return;
    }
    status_table_row(t, "replicas");
    json_array_foreach(replicas, i, replica)
    {
        const char *address = json_string_value(replica);
        buf_printf(t->out, "%s%s", i == 0 ? "" : ", ", address == NULL ? "?" : address);
    }
}

static void status_table_monitor(const struct table *t, const json_t *monitor)
{
    bool answers = status_table_is(monitor, "has_answered");
    const char *master = status_table_text(monitor, "master");
    const char *error = status_table_text(monitor, "last_error");

    buf_printf(t->out, "\n    %-*s  ", STATUS_MONITOR_WIDTH, status_table_text(monitor, "address"));
    if (!answers) {
        status_table_colour(t, STATUS_RED,
                            status_table_is(monitor, "is_connected") ? "does not answer"
                                                                     : "not reached");
    } else {
        buf_printf(t->out, "says %s, epoch %" PRIu64, master[0] == '\0' ? "nothing" : master,
                   status_table_number(monitor, "epoch"));
        if (status_table_is(monitor, "master_is_down")) {
            buf_append_text(t->out, ", ");
            status_table_colour(t, STATUS_YELLOW, "which is down");
        }
        if (!status_table_is(monitor, "is_subscribed")) {
            buf_append_text(t->out, ", ");
            status_table_colour(t, STATUS_YELLOW, "not subscribed");
        }
    }
    if (!json_is_null(json_object_get(monitor, "answered_age_ms"))) {
        buf_append_text(t->out, ", ");
        status_table_age(t->out, status_table_number(monitor, "answered_age_ms"));
        buf_append_text(t->out, " ago");
    }
    if (error[0] != '\0' && !answers) {
        buf_printf(t->out, ": %s", error);
    }
}

static void status_table_monitors(const struct table *t)
{
    const json_t *monitors = json_object_get(t->status, "monitors");
    size_t i;
    json_t *monitor;

    status_table_row(t, "monitors");
    buf_printf(t->out, "%" PRIu64 " of %zu answer, ",
               status_table_number(t->status, "monitors_answering"), json_array_size(monitors));
    if (status_table_is(t->status, "has_majority")) {
        status_table_colour(t, STATUS_GREEN, "a majority agrees");
    } else {
        status_table_colour(t, STATUS_YELLOW, "no majority agrees");
    }
    json_array_foreach(monitors, i, monitor)
    {
        status_table_monitor(t, monitor);
    }
}

static void status_table_bound(struct buf *out, const json_t *latency, const char *name)
{
    uint64_t us = status_table_number(latency, name);

    if (us == 0) {
        buf_append_text(out, "above all bounds");
    } else if (us < 1000) {
        buf_printf(out, "< %" PRIu64 " us", us);
    } else if (us < 1000000) {
        buf_printf(out, "< %.1f ms", (double)us / 1e3);
    } else {
        buf_printf(out, "< %.1f s", (double)us / 1e6);
    }
}

static void status_table_latency(const struct table *t)
{
    const json_t *latency = json_object_get(t->status, "latency");

    status_table_row(t, "latency");
    if (status_table_number(latency, "count") == 0) {
        buf_append_text(t->out, "nothing was measured yet");
        return;
    }
    buf_append_text(t->out, "p50 ");
    status_table_bound(t->out, latency, "p50_below_us");
    buf_append_text(t->out, ", p99 ");
    status_table_bound(t->out, latency, "p99_below_us");
    buf_append_text(t->out, ", max ");
    status_table_bound(t->out, latency, "max_below_us");
}

static void status_table_held(const struct table *t)
{
    const json_t *counts = json_object_get(t->status, "counts");

    status_table_row(t, "held");
    demo_report_number(t->out, status_table_number(counts, "held"));
    buf_append_text(t->out, " now (");
    status_table_bytes(t->out, status_table_number(counts, "held_bytes"));
    buf_append_text(t->out, "), ");
    demo_report_number(t->out, status_table_number(counts, "held_total"));
    buf_append_text(t->out, " in all, longest ");
    demo_report_number(t->out, status_table_number(counts, "held_longest_ms"));
    buf_append_text(t->out, " ms");
}

static void status_table_traffic(const struct table *t)
{
    const json_t *counts = json_object_get(t->status, "counts");

    status_table_row(t, "bytes");
    status_table_bytes(t->out, status_table_number(counts, "bytes_in"));
    buf_append_text(t->out, " in, ");
    status_table_bytes(t->out, status_table_number(counts, "bytes_out"));
    buf_append_text(t->out, " out");
}

void status_table(const json_t *status, bool has_colour, struct buf *out)
{
    static const struct status_count clients[] = {{"clients", "now"},
                                                  {"clients_total", "in all"},
                                                  {"clients_refused", "refused"},
                                                  {"clients_cut", "cut"}};
    static const struct status_count requests[] = {{"requests_read", "reads"},
                                                   {"requests_write", "writes"},
                                                   {"requests_local", "answered here"},
                                                   {"requests_pinned", "on their own connection"}};
    static const struct status_count errors[] = {{"errors_down", "no master"},
                                                 {"errors_unknown", "outcome unknown"},
                                                 {"errors_transaction", "transactions lost"},
                                                 {"errors_refused", "refused"},
                                                 {"misses", "answered as a miss"}};
    static const struct status_count retried[] = {
        {"retried_reads", "reads"}, {"retried_writes", "writes"}, {"bounced", "bounced"}};
    static const struct status_count backends[] = {
        {"backends", "now"}, {"backends_total", "opened"}, {"backends_failed", "failed"}};
    static const struct status_count cleansed[] = {{"cleansed_keys", "keys deleted"},
                                                   {"cleansed_flushes", "databases flushed"}};
    const struct table t = {.status = status, .has_colour = has_colour, .out = out};

    status_table_head(&t);
    status_table_listens(&t);
    status_table_master(&t);
    status_table_replicas(&t);
    status_table_monitors(&t);
    status_table_counts(&t, "clients", clients, COUNT_OF(clients));
    status_table_counts(&t, "requests", requests, COUNT_OF(requests));
    status_table_counts(&t, "errors", errors, COUNT_OF(errors));
    status_table_held(&t);
    status_table_counts(&t, "retried", retried, COUNT_OF(retried));
    status_table_counts(&t, "backends", backends, COUNT_OF(backends));
    status_table_traffic(&t);
    status_table_counts(&t, "cleansed", cleansed, COUNT_OF(cleansed));
    status_table_latency(&t);
    buf_append_text(out, "\n");
}

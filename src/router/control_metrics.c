#include <inttypes.h>
#include <string.h>

#include "router/control_inside.h"

/* The state for Prometheus: its text format, each metric with the name of the master as a label, so
 * that several routers of one host can stand in one file. */

struct metrics {
    struct buf *out;
    const char *master;
};

/* A label's value: backslash, quote and line end are escaped, other control characters left out. */
static void control_metrics_label(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"') {
            buf_printf(out, "\\%c", *text);
        } else if ((unsigned char)*text >= 0x20 && *text != 0x7f) {
            buf_append(out, text, 1);
        }
    }
}

static void control_metrics_head(const struct metrics *m, const char *name, const char *type,
                                 const char *help)
{
    buf_printf(m->out, "# HELP holdfast_router_%s %s\n# TYPE holdfast_router_%s %s\n", name, help,
               name, type);
}

/* name{master="..."  and, when there is a label, ,label="value"} and a blank. */
static void control_metrics_name(const struct metrics *m, const char *name, const char *label,
                                 const char *value)
{
    buf_printf(m->out, "holdfast_router_%s{master=\"", name);
    control_metrics_label(m->out, m->master);
    if (label != NULL) {
        buf_printf(m->out, "\",%s=\"", label);
        control_metrics_label(m->out, value);
    }
    buf_append_text(m->out, "\"} ");
}

static void control_metrics_value(const struct metrics *m, const char *name, uint64_t value)
{
    control_metrics_name(m, name, NULL, NULL);
    buf_printf(m->out, "%" PRIu64 "\n", value);
}

static void control_metrics_gauge(const struct metrics *m, const char *name, const char *help,
                                  uint64_t value)
{
    control_metrics_head(m, name, "gauge", help);
    control_metrics_value(m, name, value);
}

/* Prometheus wants counters to end with _total. */
static void control_metrics_count(const struct metrics *m, const char *name, const char *help,
                                  uint64_t value)
{
    static const char total[] = "_total";
    struct buf full = {0};
    size_t len = strlen(name);
    size_t tail = sizeof(total) - 1;
    bool has_tail = len > tail && strcmp(name + len - tail, total) == 0;

    buf_printf(&full, "%s%s", name, has_tail ? "" : total);
    control_metrics_head(m, buf_data(&full), "counter", help);
    control_metrics_value(m, buf_data(&full), value);
    buf_finish(&full);
}

static void control_metrics_latency(const struct metrics *m, const struct router_counts *counts)
{
    static const char name[] = "latency_seconds";
    uint64_t seen = 0;

    control_metrics_head(m, name, "histogram", "from a whole request to its whole reply");
    for (size_t i = 0; i < ROUTER_LATENCY_BUCKETS; i++) {
        char below[32] = "+Inf";
        seen += counts->latency_us[i];
        if (i + 1 < ROUTER_LATENCY_BUCKETS) {
            (void)snprintf(below, sizeof(below), "%.6f",
                           (double)(UINT64_C(16) << i) / 1e6); /* always fits */
        }
        control_metrics_name(m, "latency_seconds_bucket", "le", below);
        buf_printf(m->out, "%" PRIu64 "\n", seen);
    }
    control_metrics_name(m, "latency_seconds_sum", NULL, NULL);
    buf_printf(m->out, "%.6f\n", (double)counts->latency_sum_us / 1e6);
    control_metrics_value(m, "latency_seconds_count", seen);
}

static void control_metrics_monitors(const struct metrics *m, const struct finder_view *finder)
{
    char address[ADDR_TEXT_MAX];

    control_metrics_head(m, "monitor_answers", "gauge", "a monitor that answers");
    for (size_t i = 0; i < finder->monitors_count; i++) {
        control_metrics_name(m, "monitor_answers", "monitor",
                             addr_text(&finder->monitors[i].addr, address));
        buf_printf(m->out, "%d\n", finder->monitors[i].has_answered);
    }
    control_metrics_head(m, "monitor_agrees", "gauge", "a monitor that names the master in use");
    for (size_t i = 0; i < finder->monitors_count; i++) {
        const struct finder_monitor *monitor = &finder->monitors[i];
        control_metrics_name(m, "monitor_agrees", "monitor", addr_text(&monitor->addr, address));
        buf_printf(m->out, "%d\n",
                   monitor->has_answered && addr_is_set(&monitor->master) &&
                       addr_same(&monitor->master, &finder->route.master));
    }
    control_metrics_gauge(m, "monitors_answering", "monitors that answer",
                          finder->monitors_answering);
    control_metrics_gauge(m, "monitors_majority", "1: a majority of them agrees on the master",
                          finder->has_majority);
}

static void control_metrics_master(const struct metrics *m, const struct router_view *view)
{
    const struct route *route = &view->finder.route;
    char address[ADDR_TEXT_MAX] = "";
    int64_t since_ms = loop_unix_ms() - (view->now_ms - route->since_ms);

    if (addr_is_set(&route->master)) {
        (void)addr_text(&route->master, address);
    }
    control_metrics_head(m, "master_info", "gauge", "the master in use");
    control_metrics_name(m, "master_info", "address", address);
    buf_append_text(m->out, "1\n");
    control_metrics_gauge(m, "master_known", "1: there is a master", route->state != ROUTE_UNKNOWN);
    control_metrics_gauge(m, "holding_writes", "1: writes wait for a failover that was announced",
                          route->state == ROUTE_HOLD_WRITES);
    if (route->since_ms != 0) {
        control_metrics_gauge(m, "master_since_seconds", "unix time of the last change",
                              (uint64_t)(since_ms / 1000));
    }
    control_metrics_gauge(m, "replicas", "replicas that may serve", route->replicas_count);
    control_metrics_count(m, "switches", "changes of the master", view->finder.switches);
    control_metrics_count(m, "holds", "times writes were held", view->finder.holds);
}

void control_metrics(const struct router_conf *conf, const struct router_view *view,
                     struct buf *out)
{
    const struct metrics m = {.out = out, .master = conf->master};
    int64_t started_ms = loop_unix_ms() - (view->now_ms - view->started_at_ms);

#define COUNT(name, is_gauge, help)                                                                \
    if (is_gauge) {                                                                                \
        control_metrics_gauge(&m, #name, help, view->counts.name);                                 \
    } else {                                                                                       \
        control_metrics_count(&m, #name, help, view->counts.name);                                 \
    }
    ROUTER_COUNTS(COUNT)
#undef COUNT
    control_metrics_latency(&m, &view->counts);
    control_metrics_master(&m, view);
    control_metrics_monitors(&m, &view->finder);
    control_metrics_gauge(&m, "draining", "1: it ends when its clients have gone",
                          view->is_draining);
    control_metrics_gauge(&m, "start_time_seconds", "unix time of the start",
                          (uint64_t)(started_ms / 1000));
    buf_append_text(out, CONTROL_METRICS_END);
}

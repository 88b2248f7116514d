#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "router/control_inside.h"

/* The state as JSON. Times are unix milliseconds for people and ages for programs. */

enum { CONTROL_TEXT_MAX = 256 /* of a text that came from outside */ };

void control_put(json_t *object, const char *name, json_t *value)
{
    /* takes the reference also when it fails, which is running out of memory */
    if (value == NULL || json_object_set_new_nocheck(object, name, value) != 0) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
}

static void control_append(json_t *array, json_t *value)
{
    if (value == NULL || json_array_append_new(array, value) != 0) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
}

json_t *control_text(const char *text)
{
    char clean[CONTROL_TEXT_MAX];
    size_t len = strnlen(text, sizeof(clean) - 1);

    for (size_t i = 0; i < len; i++) {
        clean[i] = '?';
        if (text[i] >= 0x20 && text[i] < 0x7f) {
            clean[i] = text[i];
        }
    }
    clean[len] = '\0';
    return json_string(clean);
}

static json_t *control_number(uint64_t value)
{
    return json_integer((json_int_t)(value > INT64_MAX ? INT64_MAX : value));
}

static json_t *control_addr(const struct addr *at)
{
    char text[ADDR_TEXT_MAX];

    return addr_is_set(at) ? control_text(addr_text(at, text)) : json_null();
}

/* A moment of loop_now() as unix time; null when it never was. */
static json_t *control_moment(const struct router_view *view, msec_t at_ms)
{
    return at_ms == 0 ? json_null() : json_integer(loop_unix_ms() - (view->now_ms - at_ms));
}

static json_t *control_age(const struct router_view *view, msec_t at_ms)
{
    return at_ms == 0 ? json_null() : json_integer(view->now_ms - at_ms);
}

/* ---- addresses ---- */

void control_each_listen(const struct router_conf *conf,
                         void (*on_listen)(void *ctx, size_t i, const char *address,
                                           const char *kind),
                         void *ctx)
{
    for (size_t i = 0; i < conf->listens_count + conf->replica_listens_count; i++) {
        bool is_master = i < conf->listens_count;
        const struct router_listen *listen =
            is_master ? &conf->listens[i] : &conf->replica_listens[i - conf->listens_count];
        struct buf text = {0};
        router_listen_text(listen, &text);
        on_listen(ctx, i, buf_data(&text), is_master ? "master" : "replicas");
        buf_finish(&text);
    }
}

static void control_add_listen(void *ctx, size_t i, const char *address, const char *kind)
{
    json_t *listen = json_object();

    (void)i; /* the order says it */
    control_put(listen, "address", control_text(address));
    control_put(listen, "kind", control_text(kind));
    control_append(ctx, listen);
}

static json_t *control_listens(const struct router_conf *conf)
{
    json_t *listens = json_array();

    control_each_listen(conf, control_add_listen, listens);
    return listens;
}

/* ---- latency ---- */

uint64_t control_latency_count(const struct router_counts *counts)
{
    uint64_t all = 0;

    for (size_t i = 0; i < ROUTER_LATENCY_BUCKETS; i++) {
        all += counts->latency_us[i];
    }
    return all;
}

uint64_t control_latency_us(const struct router_counts *counts, unsigned permille)
{
    uint64_t all = control_latency_count(counts);
    uint64_t wanted = all / 1000 * permille + (all % 1000 * permille + 999) / 1000;
    uint64_t seen = 0;

    for (size_t i = 0; i < ROUTER_LATENCY_BUCKETS && all > 0; i++) {
        seen += counts->latency_us[i];
        if (seen >= wanted && counts->latency_us[i] > 0) {
            return i + 1 == ROUTER_LATENCY_BUCKETS ? UINT64_MAX : UINT64_C(16) << i;
        }
    }
    return 0;
}

/* A bound that is not there, because nothing was measured or the bucket is open, is null. */
static json_t *control_bound(const struct router_counts *counts, unsigned permille)
{
    uint64_t us = control_latency_us(counts, permille);

    return us == 0 || us == UINT64_MAX ? json_null() : control_number(us);
}

static json_t *control_latency(const struct router_counts *counts)
{
    json_t *latency = json_object();
    json_t *buckets = json_array();

    control_put(latency, "count", control_number(control_latency_count(counts)));
    control_put(latency, "sum_us", control_number(counts->latency_sum_us));
    control_put(latency, "p50_below_us", control_bound(counts, 500));
    control_put(latency, "p99_below_us", control_bound(counts, 990));
    control_put(latency, "max_below_us", control_bound(counts, 1000));
    for (size_t i = 0; i < ROUTER_LATENCY_BUCKETS; i++) {
        json_t *bucket = json_object();
        bool is_open = i + 1 == ROUTER_LATENCY_BUCKETS;
        control_put(bucket, "below_us", is_open ? json_null() : control_number(UINT64_C(16) << i));
        control_put(bucket, "count", control_number(counts->latency_us[i]));
        control_append(buckets, bucket);
    }
    control_put(latency, "buckets", buckets);
    return latency;
}

/* ---- the parts ---- */

static json_t *control_master(const struct router_view *view)
{
    const struct route *route = &view->finder.route;
    json_t *master = json_object();

    control_put(master, "address", control_addr(&route->master));
    control_put(master, "state", control_text(route_state_text(route->state)));
    control_put(master, "is_known", json_boolean(route->state != ROUTE_UNKNOWN));
    control_put(master, "epoch", control_number(route->epoch));
    control_put(master, "since_unix_ms", control_moment(view, route->since_ms));
    control_put(master, "age_ms", control_age(view, route->since_ms));
    return master;
}

static json_t *control_replicas(const struct route *route)
{
    json_t *replicas = json_array();

    for (size_t i = 0; i < route->replicas_count; i++) {
        control_append(replicas, control_addr(&route->replicas[i]));
    }
    return replicas;
}

static json_t *control_monitor(const struct router_view *view, const struct finder_monitor *monitor)
{
    json_t *one = json_object();

    control_put(one, "address", control_addr(&monitor->addr));
    control_put(one, "is_connected", json_boolean(monitor->is_connected));
    control_put(one, "is_subscribed", json_boolean(monitor->is_subscribed));
    control_put(one, "has_answered", json_boolean(monitor->has_answered));
    control_put(one, "answered_age_ms", control_age(view, monitor->answered_at_ms));
    control_put(one, "master", control_addr(&monitor->master));
    control_put(one, "epoch", control_number(monitor->epoch));
    control_put(one, "master_is_down", json_boolean(monitor->master_is_down));
    control_put(one, "last_error", control_text(monitor->last_error));
    return one;
}

static json_t *control_monitors(const struct router_view *view)
{
    json_t *monitors = json_array();

    for (size_t i = 0; i < view->finder.monitors_count; i++) {
        control_append(monitors, control_monitor(view, &view->finder.monitors[i]));
    }
    return monitors;
}

static json_t *control_counts(const struct router_counts *counts)
{
    json_t *all = json_object();

#define COUNT(name, is_gauge, help) control_put(all, #name, control_number(counts->name));
    ROUTER_COUNTS(COUNT)
#undef COUNT
    return all;
}

json_t *control_status(const struct router_conf *conf, const struct router_view *view)
{
    json_t *status = json_object();

    control_put(status, "version", json_string(HOLDFAST_VERSION));
    control_put(status, "pid", json_integer(getpid()));
    control_put(status, "name", control_text(conf->master));
    control_put(status, "started_unix_ms", control_moment(view, view->started_at_ms));
    control_put(status, "uptime_ms", control_age(view, view->started_at_ms));
    control_put(status, "is_draining", json_boolean(view->is_draining));
    control_put(status, "listens", control_listens(conf));
    control_put(status, "master", control_master(view));
    control_put(status, "replicas", control_replicas(&view->finder.route));
    control_put(status, "monitors", control_monitors(view));
    control_put(status, "monitors_answering", control_number(view->finder.monitors_answering));
    control_put(status, "has_majority", json_boolean(view->finder.has_majority));
    control_put(status, "switches", control_number(view->finder.switches));
    control_put(status, "holds", control_number(view->finder.holds));
    control_put(status, "counts", control_counts(&view->counts));
    control_put(status, "latency", control_latency(&view->counts));
    return status;
}

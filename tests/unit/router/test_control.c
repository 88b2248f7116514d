#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "router/control_inside.h"

struct desk {
    struct router_conf *conf;
    struct router_view *view;
};

static int desk_set_up(void **state)
{
    struct desk *d = memory_zeroed(sizeof(*d));

    d->conf = memory_zeroed(sizeof(*d->conf));
    d->view = memory_zeroed(sizeof(*d->view));
    router_conf_init(d->conf);
    (void)snprintf(d->conf->master, sizeof(d->conf->master), "my\"mas\\ter"); /* fits */
    d->view->started_at_ms = 1000;
    d->view->now_ms = 5000;
    *state = d;
    return 0;
}

static int desk_take_down(void **state)
{
    struct desk *d = *state;

    free(d->conf);
    free(d->view);
    free(d);
    return 0;
}

static void test_latency_bounds(void **state)
{
    struct desk *d = *state;
    struct router_counts *counts = &d->view->counts;

    assert_int_equal(control_latency_us(counts, 500), 0);
    counts->latency_us[0] = 1;
    assert_int_equal(control_latency_us(counts, 500), 16);
    assert_int_equal(control_latency_us(counts, 1000), 16);
    counts->latency_us[1] = 1;
    counts->latency_us[2] = 1;
    assert_int_equal(control_latency_us(counts, 500), 16 << 1);
    assert_int_equal(control_latency_us(counts, 990), 16 << 2);
    counts->latency_us[1] = 0;
    counts->latency_us[2] = 0;

    counts->latency_us[0] = 500;
    counts->latency_us[3] = 490;
    counts->latency_us[5] = 10;
    assert_int_equal(control_latency_count(counts), 1000);
    assert_int_equal(control_latency_us(counts, 500), 16);
    assert_int_equal(control_latency_us(counts, 501), 16 << 3);
    assert_int_equal(control_latency_us(counts, 990), 16 << 3);
    assert_int_equal(control_latency_us(counts, 991), 16 << 5);
    assert_int_equal(control_latency_us(counts, 1000), 16 << 5);

    counts->latency_us[ROUTER_LATENCY_BUCKETS - 1] = 1;
    assert_true(control_latency_us(counts, 1000) == UINT64_MAX);
    counts->latency_us[3] = UINT64_MAX / 4; /* a share of very many does not overflow */
    assert_int_equal(control_latency_us(counts, 990), 16 << 3);
}

static void test_status_survives_what_others_say(void **state)
{
    struct desk *d = *state;
    struct finder_view *finder = &d->view->finder;

    finder->monitors_count = 1;
    assert_true(addr_set(&finder->monitors[0].addr, "10.0.0.1", 26379));
    (void)snprintf(finder->monitors[0].last_error, sizeof(finder->monitors[0].last_error),
                   "-ERR \033[2J \xff\xfe \"x\""); /* fits */
    d->view->counts.bytes_in = UINT64_MAX;

    json_t *status = control_status(d->conf, d->view);
    const json_t *monitor = json_array_get(json_object_get(status, "monitors"), 0);
    assert_string_equal(json_string_value(json_object_get(monitor, "last_error")),
                        "-ERR ?[2J ?? \"x\"");
    assert_true(json_is_null(json_object_get(monitor, "master")));
    assert_true(json_is_null(json_object_get(monitor, "answered_age_ms")));
    assert_string_equal(json_string_value(json_object_get(status, "name")), d->conf->master);
    assert_int_equal(json_integer_value(json_object_get(status, "uptime_ms")), 4000);
    const json_t *latency = json_object_get(status, "latency");
    assert_true(json_is_null(json_object_get(latency, "p50_below_us")));
    char *text = json_dumps(status, JSON_COMPACT);
    assert_non_null(text);
    assert_null(strchr(text, '\n'));
    free(text);
    json_decref(status);
}

static void test_every_count_is_in_status_and_metrics(void **state)
{
    struct desk *d = *state;
    struct buf metrics = {0};
    json_t *status = control_status(d->conf, d->view);
    const json_t *counts = json_object_get(status, "counts");

    control_metrics(d->conf, d->view, &metrics);
#define COUNT(name, is_gauge, help)                                                                \
    assert_true(json_is_integer(json_object_get(counts, #name)));                                  \
    assert_non_null(strstr(buf_data(&metrics), "\nholdfast_router_" #name));
    ROUTER_COUNTS(COUNT)
#undef COUNT
    buf_finish(&metrics);
    json_decref(status);
}

static void test_metrics_escape_labels_and_add_up(void **state)
{
    struct desk *d = *state;
    struct buf metrics = {0};

    d->view->counts.requests_read = 7;
    d->view->counts.clients_total = 8;
    d->view->counts.latency_us[0] = 2;
    d->view->counts.latency_us[ROUTER_LATENCY_BUCKETS - 1] = 3;
    control_metrics(d->conf, d->view, &metrics);
    const char *text = buf_data(&metrics);
#define MASTER "master=\"my\\\"mas\\\\ter\""
    assert_non_null(strstr(text, "\nholdfast_router_requests_read_total{" MASTER "} 7\n"));
    assert_non_null(strstr(text, "\nholdfast_router_clients_total{" MASTER "} 8\n"));
    assert_null(strstr(text, "_total_total"));
    assert_non_null(
        strstr(text, "\nholdfast_router_latency_seconds_bucket{" MASTER ",le=\"0.000016\"} 2\n"));
    assert_non_null(
        strstr(text, "\nholdfast_router_latency_seconds_bucket{" MASTER ",le=\"67.108864\"} 2\n"));
    assert_non_null(
        strstr(text, "\nholdfast_router_latency_seconds_bucket{" MASTER ",le=\"+Inf\"} 5\n"));
    assert_non_null(strstr(text, "\nholdfast_router_latency_seconds_count{" MASTER "} 5\n"));
#undef MASTER
    assert_true(metrics.len > strlen(CONTROL_METRICS_END));
    assert_string_equal(text + metrics.len - strlen(CONTROL_METRICS_END), CONTROL_METRICS_END);
    buf_finish(&metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_latency_bounds, desk_set_up, desk_take_down),
        cmocka_unit_test_setup_teardown(test_status_survives_what_others_say, desk_set_up,
                                        desk_take_down),
        cmocka_unit_test_setup_teardown(test_every_count_is_in_status_and_metrics, desk_set_up,
                                        desk_take_down),
        cmocka_unit_test_setup_teardown(test_metrics_escape_labels_and_add_up, desk_set_up,
                                        desk_take_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

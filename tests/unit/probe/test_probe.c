/* When probes begin and end, with a listener of our own; and plans that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loop/conn.h"
#include "probe/probe.h"
#include "turn_until.h"

enum { PORT_OF_NOBODY = 1, PROBES_MAX = 64 };

struct world {
    struct loop *loop;
    struct listener *listener;
    struct addr address;
    struct probe_plan plan;
    struct probe *probe;
    int accepted;
    size_t count;
    size_t wanted;
    msec_t at_ms[PROBES_MAX];
    struct evidence last;
    bool destroys;
};

static void on_evidence(void *ctx, const struct evidence *e, const struct probe_snapshot *s)
{
    struct world *x = ctx;

    x->last = *e;
    if (x->count < PROBES_MAX) {
        x->at_ms[x->count] = loop_now(x->loop);
    }
    x->count++;
    assert_int_equal(s->probes, x->count);
    if (x->destroys) {
        probe_destroy(x->probe);
        x->probe = NULL;
    }
}

/* Closed at once: that somebody accepts is all a tcp probe asks. */
static void on_accept(void *ctx, struct conn *c)
{
    ((struct world *)ctx)->accepted++;
    conn_close(c);
}

static bool has_enough(void *ctx)
{
    const struct world *x = ctx;

    return x->count >= x->wanted;
}

static void begin(struct world *x)
{
    struct err err = {{0}};

    *x = (struct world){0};
    x->loop = loop_create(&err);
    assert_non_null(x->loop);
    assert_true(addr_set(&x->address, "127.0.0.1", 0));
    struct listener_plan plan = {.at = &x->address};
    x->listener = listener_open(x->loop, &plan, on_accept, x, &err);
    assert_non_null(x->listener);
    x->address.port = listener_port(x->listener);
    x->plan = (struct probe_plan){
        .kind = PROBE_TCP, .address = &x->address, .every_ms = 20, .timeout_ms = 5000};
}

static void run(struct world *x, size_t wanted)
{
    struct err err = {{0}};

    x->wanted = wanted;
    x->probe = probe_create(x->loop, &x->plan, on_evidence, x, &err);
    assert_non_null(x->probe);
    assert_int_equal(x->count, 0); /* never from inside */
    assert_true(turn_until(x->loop, has_enough, x));
}

static void finish(struct world *x)
{
    probe_destroy(x->probe);
    listener_close(x->listener);
    loop_destroy(x->loop);
}

static void test_probes_come_in_their_interval(void **state)
{
    struct world x;

    (void)state;
    begin(&x);
    run(&x, 10);
    assert_int_equal(x.last.verdict, VERDICT_READY);
    assert_true(x.at_ms[9] - x.at_ms[0] >= 8 * 20);
    assert_true(x.accepted >= 9);
    finish(&x);
}

static void test_nobody_listens(void **state)
{
    struct world x;

    (void)state;
    begin(&x);
    x.address.port = PORT_OF_NOBODY;
    run(&x, 1);
    assert_int_equal(x.last.verdict, VERDICT_UNREACHABLE);
    assert_string_equal(x.last.reason, "connection refused");
    assert_false(x.last.is_timeout);
    finish(&x);
}

static void test_silence_has_an_end(void **state)
{
    struct world x;

    (void)state;
    begin(&x);
    listener_close(x.listener);
    struct listener_plan plan = {.at = &x.address, .backlog = 1};
    struct err err = {{0}};
    int fd = listener_socket(&plan, &err); /* the kernel accepts, nobody else does */
    assert_true(fd >= 0);
    plan.shared_fd = &fd;
    x.listener = listener_open(x.loop, &plan, on_accept, &x, &err);
    assert_non_null(x.listener);
    listener_close(x.listener);
    x.listener = NULL;
    x.plan.timeout_ms = 30;
    x.plan.tcp.expect = "220";
    x.plan.tcp.expect_len = 3;
    x.wanted = 1;
    x.probe = probe_create(x.loop, &x.plan, on_evidence, &x, &err);
    assert_non_null(x.probe);
    assert_true(turn_until(x.loop, has_enough, &x));
    assert_int_equal(x.last.verdict, VERDICT_UNREACHABLE);
    assert_true(x.last.is_timeout);
    assert_true(x.last.took_ms >= 30);
    assert_non_null(strstr(x.last.reason, "no answer within 30 ms"));
    probe_destroy(x.probe);
    loop_destroy(x.loop);
}

static void test_now_is_before_its_time(void **state)
{
    struct world x;

    (void)state;
    begin(&x);
    x.plan.every_ms = 3600000;
    run(&x, 1);
    probe_now(x.probe);
    probe_now(x.probe);
    x.wanted = 2;
    assert_true(turn_until(x.loop, has_enough, &x));
    assert_int_equal(x.count, 2);
    finish(&x);
}

static void test_it_may_be_destroyed_inside(void **state)
{
    struct world x;

    (void)state;
    begin(&x);
    x.destroys = true;
    run(&x, 1);
    assert_null(x.probe);
    finish(&x);
}

static void test_jitter_spreads(void **state)
{
    struct world x;
    bool differs = false;

    (void)state;
    begin(&x);
    x.plan.every_ms = 40;
    x.plan.jitter_percent = 50;
    run(&x, 12);
    for (size_t i = 2; i < 12; i++) {
        assert_true(x.at_ms[i] - x.at_ms[i - 1] >= 18); /* 20, and what the turn is late */
        differs |= x.at_ms[i] - x.at_ms[i - 1] != x.at_ms[1] - x.at_ms[0];
    }
    assert_true(differs);
    finish(&x);
}

static void refused(const struct probe_plan *plan, const char *why)
{
    struct err err = {{0}};
    struct loop *loop = loop_create(&err);

    assert_non_null(loop);
    struct probe *p = probe_create(loop, plan, on_evidence, NULL, &err);
    assert_null(p);
    if (strstr(err.text, why) == NULL) {
        fail_msg("'%s' is not in '%s'", why, err.text);
    }
    loop_destroy(loop);
}

static void test_plans_that_make_no_sense(void **state)
{
    struct addr name;
    struct addr number;
    struct probe_plan plan = {.kind = PROBE_HTTP, .every_ms = 100, .timeout_ms = 100};

    (void)state;
    assert_true(addr_set(&name, "db1", 3306));
    assert_true(addr_set(&number, "127.0.0.1", 3306));
    plan.address = &name;
    refused(&plan, "numeric");
    plan.address = &number;
    plan.http.path = "health";
    refused(&plan, "begins with /");
    plan.http.path = "/a b";
    refused(&plan, "%20");
    plan.http.path = "/\r\nX: y";
    refused(&plan, "%20");
    plan.http.path = NULL;
    plan.http.host = "a\nb";
    refused(&plan, "host header");
    plan.http.host = NULL;
    plan.http.expected[0] = (struct probe_range){300, 200};
    plan.http.expected_count = 1;
    refused(&plan, "the lower first");
    plan.kind = PROBE_GALERA;
    refused(&plan, "user");
    plan.sql.user = "holdfast";
    plan.sql.tls_ca_file = "ca.pem";
    refused(&plan, "turn tls on");
    plan.sql = (struct probe_sql){.user = "holdfast", .has_tls = true, .checks_name = true};
    refused(&plan, "authority");
    plan.sql = (struct probe_sql){.user = "holdfast"};
    plan.timeout_ms = 0;
    refused(&plan, "at least 1 ms");
    plan.timeout_ms = 100;
    plan.jitter_percent = 51;
    refused(&plan, "jitter");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes_come_in_their_interval),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_silence_has_an_end),
        cmocka_unit_test(test_now_is_before_its_time),
        cmocka_unit_test(test_it_may_be_destroyed_inside),
        cmocka_unit_test(test_jitter_spreads),
        cmocka_unit_test(test_plans_that_make_no_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

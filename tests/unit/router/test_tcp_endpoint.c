/* The endpoint as its owner sees it; what it carries is tests/spec/test_tcp_relay.py. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/conn.h"
#include "router/tcp_endpoint.h"
#include "turn_until.h"

struct world {
    struct loop *loop;
    struct router_listen listens[2];
    struct tcp_endpoint_plan plan;
    struct tcp_endpoint *endpoint;
    struct err err;
    size_t descriptors;

    /* a client and a member of this thread */
    struct listener *listener;
    struct conn *member;
    struct conn *client;
    struct tcp_target_set set;
    char heard[64]; /* by the member */
    size_t heard_len;
    bool client_has_ended;
    enum conn_end client_why;
    bool is_drained;
};

static size_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    assert_int_equal(closedir(dir), 0);
    return count;
}

/* ---- a member and a client ---- */

static void member_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct world *w = ctx;

    (void)c; /* the only one */
    assert_true(w->heard_len + in->len < sizeof(w->heard));
    memcpy(w->heard + w->heard_len, buf_data(in), in->len);
    w->heard_len += in->len;
    buf_take(in, in->len);
}

static void member_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct world *w = ctx;

    (void)c; /* the only one */
    (void)why;
    (void)text;
    w->member = NULL;
}

static void client_on_data(void *ctx, struct conn *c, struct buf *in)
{
    (void)ctx;
    (void)c;
    buf_take(in, in->len);
}

static void client_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct world *w = ctx;

    (void)c; /* the only one */
    (void)text;
    w->client = NULL;
    w->client_has_ended = true;
    w->client_why = why;
}

static const struct conn_handlers member_handlers = {.on_data = member_on_data,
                                                     .on_end = member_on_end};
static const struct conn_handlers client_handlers = {.on_data = client_on_data,
                                                     .on_end = client_on_end};

static void on_member_accept(void *ctx, struct conn *c)
{
    struct world *w = ctx;

    assert_null(w->member);
    w->member = c;
    conn_set_handlers(c, &member_handlers, w);
}

/* ---- the world ---- */

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    *state = w;
    w->loop = loop_create(&w->err);
    assert_non_null(w->loop);
    assert_true(addr_set(&w->listens[0].at, "127.0.0.1", 0));
    tcp_endpoint_plan_init(&w->plan);
    w->plan.name = "db";
    w->plan.threads = 2;
    w->plan.listens = w->listens;
    w->plan.listens_count = 1;
    w->descriptors = count_descriptors();
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    conn_close(w->client);
    tcp_endpoint_close(w->endpoint);
    conn_close(w->member);
    listener_close(w->listener);
    assert_int_equal(count_descriptors(), w->descriptors);
    loop_destroy(w->loop);
    free(w);
    return 0;
}

static void open_endpoint(struct world *w)
{
    w->endpoint = tcp_endpoint_open(w->loop, &w->plan, &w->err);
    if (w->endpoint == NULL) {
        fail_msg("%s", w->err.text);
    }
}

static void open_member(struct world *w)
{
    struct addr any;

    assert_true(addr_set(&any, "127.0.0.1", 0));
    const struct listener_plan plan = {.at = &any};
    w->listener = listener_open(w->loop, &plan, on_member_accept, w, &w->err);
    assert_non_null(w->listener);
    w->set.count = 1;
    w->set.members[0] =
        (struct tcp_member){.id = 3, .may_take = true, .weight = 1000, .cut_at_ms = MSEC_NEVER};
    assert_true(addr_set(&w->set.members[0].at, "127.0.0.1", listener_port(w->listener)));
}

static void open_client(struct world *w)
{
    struct addr at;

    assert_true(addr_set(&at, "127.0.0.1", tcp_endpoint_port(w->endpoint, 0)));
    const struct conn_target to = {.at = &at};
    w->client = conn_connect(w->loop, &to, &client_handlers, w, &w->err);
    assert_non_null(w->client);
}

static bool has_heard(void *ctx)
{
    const struct world *w = ctx;

    return w->heard_len >= strlen("hello");
}

static bool client_has_ended(void *ctx)
{
    const struct world *w = ctx;

    return w->client_has_ended;
}

static bool nobody_is_left(void *ctx)
{
    const struct world *w = ctx;
    struct tcp_endpoint_view view;

    tcp_endpoint_view(w->endpoint, &view);
    return view.connections == 0 && view.members[3].open == 0 && w->member == NULL;
}

static bool is_held(void *ctx)
{
    const struct world *w = ctx;
    struct tcp_endpoint_view view;

    tcp_endpoint_view(w->endpoint, &view);
    return view.held == 1;
}

static bool is_drained(void *ctx)
{
    const struct world *w = ctx;

    return w->is_drained;
}

static void on_drained(void *ctx)
{
    struct world *w = ctx;

    assert_false(w->is_drained);
    w->is_drained = true;
}

static void connect_through(struct world *w)
{
    open_endpoint(w);
    open_member(w);
    tcp_endpoint_publish(w->endpoint, &w->set);
    open_client(w);
    conn_write_text(w->client, "hello");
    assert_true(turn_until(w->loop, has_heard, w));
}

/* ---- tests ---- */

static void a_wrong_plan_is_told(void **state)
{
    struct world *w = *state;

    w->plan.proxy_protocol = 3;
    assert_null(tcp_endpoint_open(w->loop, &w->plan, &w->err));
    assert_string_equal(w->err.text,
                        "PROXY protocol 3: 1 (text) and 2 (binary) are known, 0 is none");
    w->plan.proxy_protocol = 0;
    w->plan.hold_ms = MSEC_NEVER;
    assert_null(tcp_endpoint_open(w->loop, &w->plan, &w->err));
    assert_non_null(strstr(w->err.text, "a time of"));
    w->plan.hold_ms = 0;
    w->plan.threads = 0;
    assert_null(tcp_endpoint_open(w->loop, &w->plan, &w->err));
    assert_non_null(strstr(w->err.text, "threads"));
    w->plan.threads = 1;
    w->plan.listens_count = 0;
    assert_null(tcp_endpoint_open(w->loop, &w->plan, &w->err));
    assert_non_null(strstr(w->err.text, "to listen on"));
}

static void an_address_in_use_is_named(void **state)
{
    struct world *w = *state;
    char want[64];

    open_endpoint(w);
    struct router_listen listens[2] = {w->listens[0], w->listens[0]};
    listens[1].at.port = tcp_endpoint_port(w->endpoint, 0);
    struct tcp_endpoint_plan plan = w->plan;
    plan.listens = listens;
    plan.listens_count = 2;
    assert_null(tcp_endpoint_open(w->loop, &plan, &w->err));
    (void)snprintf(want, sizeof(want), "listening: 127.0.0.1:%u: Address already in use",
                   listens[1].at.port);
    assert_string_equal(w->err.text, want);
}

static void a_member_left_out_is_cut(void **state)
{
    struct world *w = *state;

    connect_through(w);
    w->set.count = 0;
    tcp_endpoint_publish(w->endpoint, &w->set);
    assert_true(turn_until(w->loop, client_has_ended, w));
    assert_int_equal(w->client_why, CONN_RESET);
    assert_true(turn_until(w->loop, nobody_is_left, w));
}

static void both_may_go_in_one_turn(void **state)
{
    struct world *w = *state;

    connect_through(w);
    conn_close(w->client);
    conn_close(w->member);
    w->client = NULL;
    w->member = NULL;
    assert_true(turn_until(w->loop, nobody_is_left, w));
}

static void a_close_cuts_what_stands(void **state)
{
    struct world *w = *state;

    connect_through(w);
    tcp_endpoint_close(w->endpoint);
    w->endpoint = NULL;
    assert_true(turn_until(w->loop, client_has_ended, w));
    assert_int_equal(w->client_why, CONN_RESET);
}

static void a_drain_without_connections_is_over_at_once(void **state)
{
    struct world *w = *state;

    open_endpoint(w);
    tcp_endpoint_drain(w->endpoint, on_drained, w);
    tcp_endpoint_drain(w->endpoint, on_drained, w); /* again changes nothing */
    assert_true(turn_until(w->loop, is_drained, w));
}

static void one_that_waits_is_cut_by_the_drain(void **state)
{
    struct world *w = *state;

    w->plan.drain_ms = 50;
    w->plan.hold_ms = TCP_TIME_MAX_MS;
    open_endpoint(w);
    open_client(w);
    assert_true(turn_until(w->loop, is_held, w));
    tcp_endpoint_drain(w->endpoint, on_drained, w);
    assert_true(turn_until(w->loop, is_drained, w));
    assert_true(turn_until(w->loop, client_has_ended, w));
}

static void the_sockets_can_be_taken_over(void **state)
{
    struct world *w = *state;
    int fds[ROUTER_LISTENS_MAX];
    char dir[] = "/tmp/holdfast-tcp-XXXXXX";

    assert_non_null(mkdtemp(dir));
    (void)snprintf(w->listens[1].path, sizeof(w->listens[1].path), "%s/s", dir);
    w->plan.listens_count = 2;
    open_endpoint(w);
    assert_int_equal(tcp_endpoint_sockets(w->endpoint, fds), 2);
    uint16_t port = tcp_endpoint_port(w->endpoint, 0);
    fds[0] = dup(fds[0]);
    fds[1] = dup(fds[1]);
    tcp_endpoint_hand_over(w->endpoint);
    tcp_endpoint_close(w->endpoint);
    assert_int_equal(access(w->listens[1].path, F_OK), 0);
    w->plan.fds = fds;
    open_endpoint(w);
    assert_int_equal(tcp_endpoint_port(w->endpoint, 0), port);
    open_member(w);
    tcp_endpoint_publish(w->endpoint, &w->set);
    open_client(w);
    conn_write_text(w->client, "hello");
    assert_true(turn_until(w->loop, has_heard, w));
    tcp_endpoint_close(w->endpoint);
    w->endpoint = NULL;
    assert_int_not_equal(access(w->listens[1].path, F_OK), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_wrong_plan_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_address_in_use_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_member_left_out_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_may_go_in_one_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_close_cuts_what_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drain_without_connections_is_over_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_waits_is_cut_by_the_drain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_sockets_can_be_taken_over, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"
#include "http/haproxy_agent.h"
#include "http/haproxy_runtime.h"
#include "http/http_server.h"
#include "loop/conn.h"
#include "turn_until.h"

/* The servers of this room with a client on the same loop: what needs another's bad manners. */

enum { LARGE_BYTES = 4 << 20 };

struct client {
    struct conn *conn;
    struct buf got;
    bool has_ended;
    size_t wanted;
};

struct world {
    struct loop *loop;
    struct http_server *server;
    size_t asked;
    char *large;
};

static void client_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct client *client = ctx;

    (void)c;
    buf_append(&client->got, buf_data(in), in->len);
    buf_take(in, in->len);
}

static void client_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct client *client = ctx;

    (void)c;
    (void)why;
    (void)text;
    client->conn = NULL;
    client->has_ended = true;
}

static const struct conn_handlers client_handlers = {
    .on_data = client_on_data,
    .on_end = client_on_end,
};

static bool client_has_ended(void *ctx)
{
    const struct client *client = ctx;
    return client->has_ended;
}

static bool client_has_wanted(void *ctx)
{
    const struct client *client = ctx;
    return client->got.len >= client->wanted;
}

static void client_open(struct client *client, struct loop *loop, uint16_t port)
{
    struct addr at;
    struct err err;

    assert_true(addr_set(&at, "127.0.0.1", port));
    struct conn_target to = {.at = &at};
    client->conn = conn_connect(loop, &to, &client_handlers, client, &err);
    assert_non_null(client->conn);
    conn_set_limits(client->conn, CONN_INPUT_MAX_BYTES, CONN_OUTPUT_MAX_BYTES);
}

static void client_finish(struct client *client)
{
    conn_close(client->conn);
    buf_finish(&client->got);
}

static void on_request(void *ctx, const struct http_request *request, struct http_answer *answer)
{
    struct world *w = ctx;
    bool is_large = strcmp(request->path, "/large") == 0;

    w->asked++;
    *answer = (struct http_answer){.status = 200, .type = "text/plain"};
    answer->body = is_large ? w->large : "small";
    answer->body_len = is_large ? LARGE_BYTES : 5;
}

static struct http_server_plan plan_of(struct world *w, const struct addr *at)
{
    return (struct http_server_plan){.binds = at,
                                     .binds_count = 1,
                                     .on_request = on_request,
                                     .ctx = w,
                                     .clients_max = 2,
                                     .request_timeout_ms = 300};
}

static int make_world(void **state)
{
    struct world *w = memory_zeroed(sizeof(*w));
    struct addr at;
    struct err err;

    w->large = memory_zeroed(LARGE_BYTES);
    memset(w->large, 'x', LARGE_BYTES);
    w->loop = loop_create(&err);
    assert_non_null(w->loop);
    assert_true(addr_set(&at, "127.0.0.1", 0));
    struct http_server_plan plan = plan_of(w, &at);
    w->server = http_server_open(w->loop, &plan, &err);
    assert_non_null(w->server);
    *state = w;
    return 0;
}

static int free_world(void **state)
{
    struct world *w = *state;

    http_server_close(w->server);
    loop_destroy(w->loop);
    free(w->large);
    free(w);
    return 0;
}

static void a_taken_port_is_an_error_that_names_it(void **state)
{
    struct world *w = *state;
    struct addr at;
    struct err err;

    assert_true(addr_set(&at, "127.0.0.1", http_server_port(w->server, 0)));
    struct http_server_plan plan = plan_of(w, &at);
    assert_null(http_server_open(w->loop, &plan, &err));
    assert_non_null(strstr(err.text, "HTTP: 127.0.0.1:"));
    struct haproxy_agent_port door = {.at = at};
    struct haproxy_agent_plan agent = {.ports = &door, .ports_count = 1};
    assert_null(haproxy_agent_open(w->loop, &agent, &err));
    assert_non_null(strstr(err.text, "HAProxy agent: 127.0.0.1:"));
}

static void the_client_that_waits_longest_makes_place(void **state)
{
    struct world *w = *state;
    struct client clients[3] = {0};
    uint16_t port = http_server_port(w->server, 0);

    for (size_t i = 0; i < 2; i++) {
        clients[i].wanted = 1;
        client_open(&clients[i], w->loop, port);
        conn_write_text(clients[i].conn, "GET / HTTP/1.1\r\n\r\n");
        assert_true(turn_until(w->loop, client_has_wanted, &clients[i]));
    }
    conn_write_text(clients[0].conn, "GET / HTTP/1.1\r\n\r\n"); /* so the second waits longer */
    clients[0].wanted = clients[0].got.len + 1;
    assert_true(turn_until(w->loop, client_has_wanted, &clients[0]));
    client_open(&clients[2], w->loop, port);
    assert_true(turn_until(w->loop, client_has_ended, &clients[1]));
    assert_false(clients[0].has_ended);
    assert_int_equal(http_server_counts(w->server).evicted, 1);
    assert_int_equal(http_server_counts(w->server).clients, 2);
    for (size_t i = 0; i < 3; i++) {
        client_finish(&clients[i]);
    }
}

/* It asks for much and reads nothing: it is answered no more, and closed in time. */
static void a_client_that_does_not_read_is_ended(void **state)
{
    struct world *w = *state;
    struct client client = {0};

    client_open(&client, w->loop, http_server_port(w->server, 0));
    conn_pause_read(client.conn);
    conn_write_text(client.conn, "GET /large HTTP/1.1\r\n\r\n");
    while (w->asked == 0) {
        client.wanted = 0;
        assert_true(turn_until(w->loop, client_has_wanted, &client));
    }
    conn_write_text(client.conn, "GET /large HTTP/1.1\r\n\r\n");
    struct client other = {.wanted = 1};
    client_open(&other, w->loop, http_server_port(w->server, 0));
    conn_write_text(other.conn, "GET / HTTP/1.0\r\n\r\n");
    assert_true(turn_until(w->loop, client_has_ended, &other));
    while (http_server_counts(w->server).clients > 0) { /* 300 ms, or turn_until() gives up */
        assert_true(turn_until(w->loop, client_has_wanted, &client));
    }
    assert_int_equal(w->asked, 2); /* one of each client */
    client_finish(&client);
    client_finish(&other);
}

static void a_large_answer_to_a_slow_reader_is_whole(void **state)
{
    struct world *w = *state;
    struct client client = {.wanted = 2 * LARGE_BYTES};

    client_open(&client, w->loop, http_server_port(w->server, 0));
    conn_write_text(client.conn, "GET /large HTTP/1.1\r\n\r\nGET /large HTTP/1.1\r\n\r\n");
    assert_true(turn_until(w->loop, client_has_wanted, &client));
    assert_int_equal(w->asked, 2);
    client_finish(&client);
}

/* ---- the agent ---- */

static void an_agent_port_of_one_member_answers_unasked(void **state)
{
    struct world *w = *state;
    struct site_view *view = memory_zeroed(sizeof(*view));
    struct haproxy_agent_port doors[2] = {{.service = "web", .member = "w1"}, {.service = ""}};
    struct haproxy_agent_plan plan = {.ports = doors, .ports_count = 2, .view = view};
    struct client unasked = {0};
    struct client asking = {0};
    struct client wrong = {0};
    struct err err;

    assert_true(addr_set(&doors[0].at, "127.0.0.1", 0));
    assert_true(addr_set(&doors[1].at, "127.0.0.1", 0));
    view->services_count = 1;
    view->services[0] = (struct view_service){.name = "web", .members_count = 1};
    view->services[0].members[0] = (struct view_member){
        .name = "w1", .verdict = VERDICT_READY, .weight_permille = HEALTH_PERMILLE};
    site_view_changed(view);
    struct haproxy_agent *agent = haproxy_agent_open(w->loop, &plan, &err);
    assert_non_null(agent);
    client_open(&unasked, w->loop, haproxy_agent_port(agent, 0));
    assert_true(turn_until(w->loop, client_has_ended, &unasked));
    assert_string_equal(buf_data(&unasked.got), "up ready 100%\n");
    client_open(&asking, w->loop, haproxy_agent_port(agent, 1));
    conn_write_text(asking.conn, "web/w1\r\n");
    assert_true(turn_until(w->loop, client_has_ended, &asking));
    assert_string_equal(buf_data(&asking.got), "up ready 100%\n");
    client_open(&wrong, w->loop, haproxy_agent_port(agent, 1));
    conn_write(wrong.conn, w->large, 1000); /* no line, and too long for one */
    assert_true(turn_until(w->loop, client_has_ended, &wrong));
    assert_int_equal(wrong.got.len, 0);
    client_finish(&unasked);
    client_finish(&asking);
    client_finish(&wrong);
    haproxy_agent_close(agent);
    free(view);
}

/* ---- the Runtime API ---- */

static bool runtime_has_failed_twice(void *ctx)
{
    return haproxy_runtime_counts(ctx).failures >= 2;
}

static void set_flag(void *ctx)
{
    bool *flag = ctx;
    *flag = true;
}

static bool is_set(void *ctx)
{
    const bool *flag = ctx;
    return *flag;
}

static void a_socket_that_is_not_there(void **state)
{
    struct world *w = *state;
    struct site_view *view = memory_zeroed(sizeof(*view));
    struct haproxy_server bad = {.backend = "b", .server = "s;quit"};
    struct haproxy_runtime_plan plan = {
        .socket_path = "/nonexistent/haproxy.sock", .view = view, .servers = &bad};
    struct err err;
    bool is_released = false;

    struct haproxy_runtime *rt = haproxy_runtime_create(w->loop, &plan, &err);
    assert_true(turn_until(w->loop, runtime_has_failed_twice, rt));
    assert_false(haproxy_runtime_counts(rt).is_connected);
    haproxy_runtime_release(rt, set_flag, &is_released); /* does not hang on it */
    assert_true(turn_until(w->loop, is_set, &is_released));
    haproxy_runtime_destroy(rt);
    plan.servers_count = 1;
    assert_null(haproxy_runtime_create(w->loop, &plan, &err));
    assert_non_null(strstr(err.text, "b/s;quit"));
    free(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_taken_port_is_an_error_that_names_it, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(the_client_that_waits_longest_makes_place, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read_is_ended, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(a_large_answer_to_a_slow_reader_is_whole, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(an_agent_port_of_one_member_answers_unasked, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(a_socket_that_is_not_there, make_world, free_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

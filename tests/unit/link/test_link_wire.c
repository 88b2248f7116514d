/* Links against a server that answers as it should not, or not at all. */
#include "link_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/log.h"

static struct world world;
static struct world_server server;

static int set_up(void **state)
{
    (void)state;
    world_start(&world);
    world_server_start(&world, &server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    links_destroy(world.links);
    world_server_end(&server);
    loop_destroy(world.loop);
    return 0;
}

/* ---- PING ---- */

static const char *pong_text;

static void answer_pong(struct world_server *s, const struct resp_command *command, struct buf *out)
{
    if (world_is(command, "PING")) {
        buf_append_text(out, pong_text);
    } else {
        world_answer(s, command, out);
    }
}

static void test_answers_to_ping(void **state)
{
    static const struct {
        const char *text;
        enum pong pong;
    } rows[] = {
        {"+PONG\r\n", PONG_OK},
        {"$4\r\nPONG\r\n", PONG_OK},
        {"-LOADING Redis is loading the dataset in memory\r\n", PONG_LOADING},
        {"-MASTERDOWN Link with MASTER is down\r\n", PONG_MASTERDOWN},
        {"-BUSY Redis is busy running a script\r\n", PONG_BUSY},
        {"-NOAUTH Authentication required.\r\n", PONG_OTHER},
        {"-PONG\r\n", PONG_OTHER},
        {"+OK\r\n", PONG_OTHER},
        {":1\r\n", PONG_OTHER},
        {"*0\r\n", PONG_OTHER},
    };

    (void)state;
    server.answer = answer_pong;
    world_up(&world, 1, KIND_PEER, server.port);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        pong_text = rows[i].text;
        link_ping(world.links, 1);
        assert_int_equal(world_event(&world, EVENT_PONG, 1, i)->pong, rows[i].pong);
    }
}

/* ---- replies nobody asked for, or that are none ---- */

static void test_garbage_ends_the_link(void **state)
{
    static const char *const rows[] = {"hello\r\n", "+PONG\r\n+PONG\r\n", "$-7\r\n",
                                       "*99999999\r\n"};

    (void)state;
    server.answer = answer_pong;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        pong_text = rows[i];
        world_up(&world, 1, KIND_PEER, server.port);
        link_ping(world.links, 1);
        assert_int_equal(world_event(&world, EVENT_LINK_DOWN, 1, i)->end, LINK_END_OTHER);
    }
}

static void test_push_is_nobodys_answer(void **state)
{
    (void)state;
    server.answer = answer_pong;
    pong_text = ">2\r\n+invalidate\r\n_\r\n+PONG\r\n";
    world_up(&world, 1, KIND_PEER, server.port);
    link_ping(world.links, 1);
    assert_int_equal(world_event(&world, EVENT_PONG, 1, 0)->pong, PONG_OK);
    assert_int_equal(world_count(&world, EVENT_LINK_DOWN, 1), 0);
}

/* ---- secrets ---- */

static const char *auth_text;

static void answer_auth(struct world_server *s, const struct resp_command *command, struct buf *out)
{
    if (world_is(command, "AUTH")) {
        buf_append_text(out, auth_text);
    } else {
        world_answer(s, command, out);
    }
}

/* A server without AUTH repeats its arguments, and the log must not. */
static void test_refused_password_is_not_logged(void **state)
{
    static const char *const rows[] = {
        "-ERR unknown command 'AUTH', with args beginning with: 'u' 'geheim' \r\n",
        "-ERR unknown command `AUTH`, with args beginning with: `u`, `gehe`, \r\n",
        "-ERR geheim is not the password of u\r\n",
    };
    char path[] = "/tmp/test_link_wire_XXXXXX";
    char said[4096];
    struct addr addr;
    struct err err;
    int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    const struct log_settings log = {.level = LOG_LEVEL_DEBUG, .file = path};
    assert_true(log_open(&log, &err));
    server.answer = answer_auth;
    assert_true(addr_set(&addr, "127.0.0.1", server.port));
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        const struct link_settings settings = {.user = "u", .pass = "geheim"};

        auth_text = rows[i];
        link_open(world.links, i + 1, KIND_REPLICA, &addr, &settings);
        (void)world_event(&world, EVENT_LINK_UP, i + 1, 0);
        link_ping(world.links, i + 1);
        (void)world_event(&world, EVENT_PONG, i + 1, 0);
    }
    log_close();
    ssize_t len = read(file, said, sizeof(said) - 1);
    assert_true(len > 0);
    said[len] = '\0';
    assert_non_null(strstr(said, "AUTH or CLIENT SETNAME refused: ERR unknown command 'AUTH'"));
    assert_null(strstr(said, "gehe"));
    close(file);
    unlink(path);
}

/* ---- requests ---- */

static bool has_asked(void *ctx)
{
    const char *const *text = ctx;

    return strstr(server.log, *text) != NULL;
}

static void wait_asked(const char *text)
{
    assert_true(turn_until(world.loop, has_asked, &text));
}

static void test_requests_of_a_turn_leave_together(void **state)
{
    struct hello hello = {.current_epoch = 4, .config_epoch = 2, .master_name = "m"};

    (void)state;
    world_up(&world, 1, KIND_PEER, server.port);
    wait_asked("CLIENT SETNAME sentinel-00112233-cmd\n");
    size_t reads = server.reads;
    assert_true(addr_set(&hello.master_addr, "10.0.0.1", 6379));
    link_ping(world.links, 1);
    link_info(world.links, 1);
    link_hello(world.links, 1, &hello);
    link_script_kill(world.links, 1);
    link_coordinated(world.links, 1, &hello.master_addr, 1500);
    wait_asked("FAILOVER TO 10.0.0.1 6379 TIMEOUT 1500\n");
    assert_int_equal(server.reads, reads + 1);
    assert_non_null(strstr(server.log,
                           "PING\nINFO\nPUBLISH __sentinel__:hello 127.0.0.1,26379,"
                           "00112233445566778899aabbccddeeff00112233,4,m,10.0.0.1,6379,2"
                           "\nSCRIPT KILL\n"));
}

static void answer_nothing(struct world_server *s, const struct resp_command *command,
                           struct buf *out)
{
    (void)s;
    (void)command;
    (void)out;
}

static void test_requests_without_answer_are_bounded(void **state)
{
    struct links_counts counts;
    struct link_view view;

    (void)state;
    server.answer = answer_nothing;
    world_up(&world, 1, KIND_REPLICA, server.port);
    for (int i = 0; i < 3 * LINK_PENDING_MAX; i++) {
        link_ping(world.links, 1);
    }
    link_promote(world.links, 1); /* no half of a transaction either */
    assert_true(link_view(world.links, 1, &view));
    assert_int_equal(view.pending, LINK_PENDING_MAX);
    assert_true(view.is_up);
    links_counts(world.links, &counts);
    assert_int_equal(counts.dropped, 2 * LINK_PENDING_MAX + 2); /* SETNAME waits too */
    link_ping(world.links, 77);                                 /* unknown: nothing happens */
}

/* ---- INFO in pieces ---- */

static void answer_info(struct world_server *s, const struct resp_command *command, struct buf *out)
{
    if (world_is(command, "INFO")) {
        resp_write_text(out, "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
                             "slave0:ip=10.0.0.2,port=6379,state=online,offset=42,lag=0\r\n"
                             "slave1:ip=db3.example,port=6379,state=online,offset=41,lag=0\r\n");
    } else {
        world_answer(s, command, out);
    }
}

static void test_info_in_pieces(void **state)
{
    (void)state;
    server.answer = answer_info;
    server.is_dribbling = true;
    world_up(&world, 1, KIND_MASTER, server.port);
    for (size_t i = 0; i < 3; i++) {
        link_info(world.links, 1);
        link_ping(world.links, 1);
        const struct event *event = world_event(&world, EVENT_INFO, 1, i);
        assert_int_equal(event->info.role, ROLE_MASTER);
        /* a name is dropped while names are not resolved, as Sentinel does */
        assert_int_equal(event->info.replicas_count, 1);
        assert_int_equal(event->info.replicas[0].offset, 42);
        assert_int_equal(world_event(&world, EVENT_PONG, 1, i)->pong, PONG_OK);
    }
}

/* ---- asking ---- */

static const char *ask_text;

static void answer_ask(struct world_server *s, const struct resp_command *command, struct buf *out)
{
    if (world_is(command, "SENTINEL")) {
        buf_append_text(out, ask_text);
    } else {
        world_answer(s, command, out);
    }
}

static void test_asking(void **state)
{
    struct addr master;
    struct link_ask ask = {
        .master = 12, .ask_tag = 99, .addr = &master, .epoch = 8, .run_id = world_run_id};
    static const char *const bad[] = {
        "-ERR no\r\n",
        "*2\r\n:1\r\n$1\r\n*\r\n",
        "*3\r\n:1\r\n$1\r\n*\r\n:-1\r\n",
        "*3\r\n:1\r\n$1\r\n*\r\n:9223372036854775807\r\n",
        "*-1\r\n",
        "*3\r\n:1\r\n$42\r\n012345678901234567890123456789012345678901\r\n:3\r\n"};

    (void)state;
    server.answer = answer_ask;
    assert_true(addr_set(&master, "10.0.0.1", 6379));
    world_up(&world, 1, KIND_PEER, server.port);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ask_text = bad[i];
        link_ask(world.links, 1, &ask);
        link_ping(world.links, 1);
        (void)world_event(&world, EVENT_PONG, 1, i);
        assert_int_equal(world_count(&world, EVENT_ANSWER, 1), 0);
    }
    ask_text = "*3\r\n:1\r\n$5\r\nabcde\r\n:8\r\n";
    link_ask(world.links, 1, &ask);
    const struct event *event = world_event(&world, EVENT_ANSWER, 1, 0);
    assert_int_equal(event->answer.master, 12);
    assert_int_equal(event->answer.ask_tag, 99);
    assert_true(event->answer.down);
    assert_string_equal(event->answer.leader, "abcde");
    assert_int_equal(event->answer.leader_epoch, 8);
    assert_non_null(strstr(server.log, "SENTINEL is-master-down-by-addr 10.0.0.1 6379 8 "
                                       "00112233445566778899aabbccddeeff00112233\n"));
}

/* ---- transactions ---- */

static void answer_exec_empty(struct world_server *s, const struct resp_command *command,
                              struct buf *out)
{
    if (world_is(command, "EXEC")) {
        buf_append_text(out, "*5\r\n-ERR cannot\r\n+OK\r\n:0\r\n:0\r\n*1\r\n$6\r\nmaster\r\n");
    } else if (world_is(command, "INFO")) {
        resp_write_text(out, "role:slave\r\n");
    } else {
        world_answer(s, command, out);
    }
}

static void test_promotion_that_fails(void **state)
{
    (void)state;
    server.answer = answer_exec_empty;
    world_up(&world, 1, KIND_REPLICA, server.port);
    link_promote(world.links, 1);
    assert_int_equal(world_event(&world, EVENT_PROMOTED, 1, 0)->role, ROLE_UNKNOWN);
    assert_int_equal(world_event(&world, EVENT_INFO, 1, 0)->info.role, ROLE_REPLICA);
}

static void answer_refuses_all(struct world_server *s, const struct resp_command *command,
                               struct buf *out)
{
    if (world_is(command, "CLIENT") || world_is(command, "PING") ||
        world_is(command, "SUBSCRIBE")) {
        world_answer(s, command, out);
    } else {
        resp_write_error(out, "NOPERM no");
    }
}

static void test_promotion_that_is_refused(void **state)
{
    (void)state;
    server.answer = answer_refuses_all;
    world_up(&world, 1, KIND_REPLICA, server.port);
    link_promote(world.links, 1);
    assert_int_equal(world_event(&world, EVENT_PROMOTED, 1, 0)->role, ROLE_UNKNOWN);
    assert_int_equal(world_count(&world, EVENT_INFO, 1), 0);
}

static void answer_without_info(struct world_server *s, const struct resp_command *command,
                                struct buf *out)
{
    static int execs;

    if (world_is(command, "EXEC") && execs++ == 0) {
        resp_write_error(out, "EXECABORT Transaction discarded because of previous errors.");
    } else if (world_is(command, "EXEC")) {
        buf_append_text(out, "*4\r\n+OK\r\n+OK\r\n:0\r\n:0\r\n");
    } else if (world_is(command, "ROLE") || world_is(command, "INFO")) {
        resp_write_error(out, "NOPERM no");
    } else {
        world_answer(s, command, out);
    }
}

/* Without ROLE and without INFO nobody can tell: the core hears that, and the next one is not
 * stuck. */
static void test_promotion_without_role_and_info(void **state)
{
    (void)state;
    server.answer = answer_without_info;
    world_up(&world, 1, KIND_REPLICA, server.port);
    link_promote(world.links, 1);
    link_promote(world.links, 1);
    assert_int_equal(world_event(&world, EVENT_PROMOTED, 1, 0)->role, ROLE_UNKNOWN);
    assert_int_equal(world_event(&world, EVENT_PROMOTED, 1, 1)->role, ROLE_UNKNOWN);
}

/* ---- subscriptions ---- */

static bool has_subscribed_thrice(void *ctx)
{
    (void)ctx;
    return server.subscribes >= 3;
}

static void test_silent_subscription_is_renewed(void **state)
{
    (void)state;
    world_up(&world, 1, KIND_MASTER, server.port);
    links_set_publish_period(world.links, 10);
    msec_t start = loop_now(world.loop);
    assert_true(turn_until(world.loop, has_subscribed_thrice, NULL));
    assert_true(loop_now(world.loop) - start >= LINK_PUBSUB_RETRY_MS); /* no storm */
    assert_int_equal(world_count(&world, EVENT_LINK_DOWN, 1), 0);
}

static const char *hello_text;

static void answer_hello(struct world_server *s, const struct resp_command *command,
                         struct buf *out)
{
    world_answer(s, command, out);
    if (world_is(command, "SUBSCRIBE")) {
        resp_write_array(out, 3);
        resp_write_text(out, "message");
        resp_write_text(out, "__sentinel__:hello");
        resp_write_text(out, "1.2.3.4,1,abc,x,m,1.2.3.5,2,0");
        resp_write_array(out, 3);
        resp_write_text(out, "message");
        resp_write_text(out, "__sentinel__:hello");
        resp_write_text(out, hello_text);
    }
}

static void test_bad_hello_is_counted(void **state)
{
    struct links_counts counts;

    (void)state;
    server.answer = answer_hello;
    hello_text = "1.2.3.4,26379,abc,5,m,1.2.3.5,6379,6";
    server.is_dribbling = true;
    world_up(&world, 1, KIND_MASTER, server.port);
    const struct event *event = world_event(&world, EVENT_HELLO, 1, 0);
    assert_string_equal(event->hello.run_id, "abc");
    assert_int_equal(event->hello.config_epoch, 6);
    links_counts(world.links, &counts);
    assert_int_equal(counts.bad_hello, 1);
}

/* ---- closing and opening inside the callback ---- */

static void close_on_pong(struct world *w, const struct event *event)
{
    if (event->type == EVENT_PONG) {
        link_close(w->links, event->link);
    }
}

static void reopen_on_pong(struct world *w, const struct event *event)
{
    if (event->type == EVENT_PONG) {
        world_open(w, event->link, KIND_MASTER, server.port);
    }
}

static bool is_gone(void *ctx)
{
    struct link_view view;

    (void)ctx;
    return !link_view(world.links, 1, &view);
}

static void test_close_inside_the_callback(void **state)
{
    (void)state;
    world.react = close_on_pong;
    world_up(&world, 1, KIND_MASTER, server.port);
    link_ping(world.links, 1);
    link_ping(world.links, 1);
    assert_true(turn_until(world.loop, is_gone, NULL));
    assert_int_equal(world_count(&world, EVENT_PONG, 1), 1);
    assert_int_equal(world_count(&world, EVENT_LINK_DOWN, 1), 0);
}

static void test_open_inside_the_callback(void **state)
{
    (void)state;
    world.react = reopen_on_pong;
    world_up(&world, 1, KIND_MASTER, server.port);
    link_ping(world.links, 1);
    link_ping(world.links, 1); /* its answer belongs to the connection that is gone */
    (void)world_event(&world, EVENT_LINK_UP, 1, 1);
    assert_int_equal(world_count(&world, EVENT_PONG, 1), 1);
}

static void test_reauth_drops_monitors_only(void **state)
{
    (void)state;
    world_up(&world, 1, KIND_MASTER, server.port);
    world_up(&world, 2, KIND_PEER, server.port);
    links_reauth_peers(world.links);
    assert_int_equal(world_event(&world, EVENT_LINK_DOWN, 2, 0)->end, LINK_END_OTHER);
    assert_int_equal(world_count(&world, EVENT_LINK_DOWN, 1), 0);
}

/* ---- names ---- */

static void open_named(uint32_t id, const char *name, const char *ip)
{
    struct addr addr;

    assert_true(addr_set(&addr, name, server.port));
    memcpy(addr.ip, ip, strlen(ip) + 1);
    link_open(world.links, id, KIND_PEER, &addr, &world_plain);
}

static void test_names_without_resolving(void **state)
{
    (void)state;
    open_named(1, "localhost", "");
    assert_int_equal(world_event(&world, EVENT_LINK_DOWN, 1, 0)->end, LINK_END_OTHER);
}

static void test_names(void **state)
{
    const struct links_settings settings = {.resolve_hostnames = true, .announce_port = 1};
    struct addr addr;

    (void)state;
    links_announce(world.links, &settings);
    open_named(1, "localhost", "");
    const struct event *event = world_event(&world, EVENT_RESOLVED, 1, 0);
    assert_string_equal(event->addr.name, "localhost");
    assert_true(strcmp(event->addr.ip, "127.0.0.1") == 0 || strcmp(event->addr.ip, "::1") == 0);
    /* an ip from before is used at once, and put right when the name says otherwise */
    open_named(2, "no-such-name.invalid", "127.0.0.1");
    (void)world_event(&world, EVENT_LINK_UP, 2, 0);
    open_named(3, "no-such-name-either.invalid", "");
    assert_int_equal(world_event(&world, EVENT_LINK_DOWN, 3, 0)->end, LINK_END_OTHER);
    assert_int_equal(world_count(&world, EVENT_RESOLVED, 2), 0);
    assert_true(addr_set(&addr, "LOCALHOST", 1));
    links_fill_ip(world.links, &addr);
    assert_string_not_equal(addr.ip, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers_to_ping),
        TEST(test_garbage_ends_the_link),
        TEST(test_push_is_nobodys_answer),
        TEST(test_refused_password_is_not_logged),
        TEST(test_requests_of_a_turn_leave_together),
        TEST(test_requests_without_answer_are_bounded),
        TEST(test_info_in_pieces),
        TEST(test_asking),
        TEST(test_promotion_that_fails),
        TEST(test_promotion_that_is_refused),
        TEST(test_promotion_without_role_and_info),
        TEST(test_silent_subscription_is_renewed),
        TEST(test_bad_hello_is_counted),
        TEST(test_close_inside_the_callback),
        TEST(test_open_inside_the_callback),
        TEST(test_reauth_drops_monitors_only),
        TEST(test_names_without_resolving),
        TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn_pair.h"
#include "loop/conn_inside.h"

static void bytes_arrive_both_ways(void **state)
{
    struct pair p = {0};
    struct addr at;
    struct addr peer;

    (void)state;
    pair_open(&p);
    p.server.reply = "+PONG\r\n";
    conn_write_text(p.client.c, "PING\r\n");
    end_wait(&p, &p.client, 7);
    assert_string_equal(buf_data(&p.server.got), "PING\r\n");
    assert_string_equal(buf_data(&p.client.got), "+PONG\r\n");
    assert_int_equal(p.client.data_calls, 1); /* two writes, one send */
    assert_true(conn_local_addr(p.client.c, &at));
    assert_true(conn_peer_addr(p.server.c, &peer));
    assert_true(addr_same(&at, &peer));
    assert_true(conn_peer_addr(p.client.c, &peer));
    assert_true(addr_same(&p.at, &peer));
    assert_false(conn_is_unix(p.client.c));
    assert_false(conn_is_tls(p.client.c));
    pair_close(&p);
}

static void what_is_written_before_open_waits(void **state)
{
    struct pair p = {0};
    struct buf more = {0};

    (void)state;
    pair_listen(&p, NULL);
    pair_connect(&p, NULL);
    conn_write_text(p.client.c, "early ");
    buf_append_text(&more, "bird");
    conn_writebuf(p.client.c, &more);
    assert_int_equal(more.len, 0);
    assert_int_equal(conn_pending_bytes(p.client.c), 10);
    end_wait(&p, &p.server, 10);
    assert_string_equal(buf_data(&p.server.got), "early bird");
    assert_int_equal(conn_pending_bytes(p.client.c), 0);
    buf_finish(&more);
    pair_close(&p);
}

static void refused_is_told_as_such(void **state)
{
    struct pair p = {0};

    (void)state;
    pair_listen(&p, NULL);
    listener_close(p.listener);
    p.listener = NULL;
    pair_connect(&p, NULL);
    conn_write_text(p.client.c, "lost");
    assert_false(p.client.ended);
    p.client.close_on_end = true;
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_REFUSED);
    assert_string_equal(p.client.text, "Connection refused");
    assert_string_equal(conn_end_text(p.client.why), "refused");
    assert_false(p.client.opened);
    pair_close(&p);
}

static void closed_and_reset_are_told_apart(void **state)
{
    struct linger at_once = {.l_onoff = 1};
    struct pair p = {0};

    (void)state;
    pair_open(&p);
    conn_write_text(p.server.c, "bye");
    conn_close(p.server.c);
    p.server.c = NULL;
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_CLOSED);
    assert_string_equal(buf_data(&p.client.got), "bye"); /* what was sent before comes first */
    pair_close(&p);

    p = (struct pair){0};
    pair_open(&p);
    assert_int_equal(
        setsockopt(conn_fd(p.server.c), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    conn_close(p.server.c);
    p.server.c = NULL;
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_RESET);
    pair_close(&p);
}

static void failed_write_is_told_in_the_next_turn(void **state)
{
    struct linger at_once = {.l_onoff = 1};
    struct pair p = {0};

    (void)state;
    pair_open(&p);
    assert_int_equal(
        setsockopt(conn_fd(p.server.c), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    conn_close(p.server.c);
    p.server.c = NULL;
    conn_write_text(p.client.c, "x"); /* the RST is here already */
    conn_write_text(p.client.c, "y");
    assert_false(p.client.ended);
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_RESET);
    pair_close(&p);
}

static void connect_that_gets_no_answer_times_out(void **state)
{
    struct pair p = {0};
    struct err err;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    (void)state;
    /* a socket whose queue is full drops what comes: fill it */
    int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(full, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(full, 0), 0);
    assert_int_equal(getsockname(full, (struct sockaddr *)&at, &len), 0);
    int fillers[4];
    for (size_t i = 0; i < COUNT_OF(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&at, sizeof(at));
    }
    p.loop = world_loop();
    assert_true(addr_set(&p.at, "127.0.0.1", ntohs(at.sin_port)));
    struct conn_target to = {.at = &p.at, .timeout_ms = 40};
    p.client.c = conn_connect(p.loop, &to, &end_handlers, &p.client, &err);
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_TIMEOUT);
    for (size_t i = 0; i < COUNT_OF(fillers); i++) {
        close(fillers[i]);
    }
    close(full);
    pair_close(&p);
}

static void our_own_mistakes_are_errors_of_connect(void **state)
{
    struct loop *loop = world_loop();
    struct end e = {0};
    struct addr at;
    struct err err;

    (void)state;
    assert_true(addr_set(&at, "some.name", 6379));
    struct conn_target no_ip = {.at = &at};
    assert_null(conn_connect(loop, &no_ip, &end_handlers, &e, &err));
    assert_string_equal(err.text, "some.name: has no ip yet");
    assert_true(addr_set(&at, "127.0.0.1", 6379));
    struct conn_target alien = {.at = &at, .bind_source = "192.0.2.7"};
    assert_null(conn_connect(loop, &alien, &end_handlers, &e, &err));
    assert_non_null(strstr(err.text, "192.0.2.7: Cannot assign"));
    struct conn_target family = {.at = &at, .bind_source = "::1"};
    assert_null(conn_connect(loop, &family, &end_handlers, &e, &err));
    assert_non_null(strstr(err.text, "family"));
    loop_destroy(loop);
}

static void source_address_is_used(void **state)
{
    struct pair p = {0};
    struct addr peer;
    struct err err;

    (void)state;
    pair_listen(&p, NULL);
    struct conn_target to = {.at = &p.at, .bind_source = "127.0.0.9"};
    p.client.c = conn_connect(p.loop, &to, &end_handlers, &p.client, &err);
    world_wait_flag(p.loop, &p.server.opened);
    assert_true(conn_peer_addr(p.server.c, &peer));
    assert_string_equal(peer.ip, "127.0.0.9");
    pair_close(&p);
}

static void partial_input_is_shown_again_with_the_rest(void **state)
{
    struct pair p = {0};

    (void)state;
    pair_open(&p);
    p.server.frame = 8;
    for (int i = 0; i < 5; i++) { /* 5 times 5 bytes: 3 frames and a byte */
        int calls = p.server.data_calls;
        conn_write_text(p.client.c, "abcde");
        while (p.server.data_calls == calls) {
            world_turns(p.loop, 1);
        }
    }
    assert_int_equal(p.server.got.len, 24);
    assert_string_equal(buf_data(&p.server.got), "abcdeabcdeabcdeabcdeabcd");
    assert_int_equal(p.server.c->in.len, 1);
    conn_write_text(p.client.c, "1234567");
    end_wait(&p, &p.server, 32);
    assert_null(p.server.c->in.bytes); /* an idle connection owns no buffer */
    assert_null(p.client.c->out.bytes);
    pair_close(&p);
}

static void too_much_input_overflows(void **state)
{
    struct pair p = {0};

    (void)state;
    pair_open(&p);
    p.server.leave_data = true;
    conn_set_limits(p.server.c, 100, 100);
    char junk[101];
    memset(junk, 'j', sizeof(junk));
    conn_write(p.client.c, junk, 100);
    while (p.server.data_calls == 0) {
        world_turns(p.loop, 1);
    }
    world_turns(p.loop, 3);
    assert_false(p.server.ended); /* as much as allowed */
    conn_write(p.client.c, junk, 1);
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.why, CONN_OVERFLOW);
    world_wait_flag(p.loop, &p.client.ended);
    pair_close(&p);
}

enum { BIG = 3 << 20 };

static char *big_text(void)
{
    char *text = malloc(BIG);

    assert_non_null(text);
    for (int i = 0; i < BIG; i++) {
        text[i] = (char)('a' + i % 23);
    }
    return text;
}

static void slow_reader_overflows_and_reader_drains(void **state)
{
    struct pair p = {0};
    char *text = big_text();

    (void)state;
    pair_open(&p);
    conn_pause_read(p.server.c);
    int writes = 0; /* the kernel's buffers grow: until they do not */
    while (conn_pending_bytes(p.client.c) == 0) {
        conn_write(p.client.c, text, BIG);
        writes++;
    }
    size_t pending = conn_pending_bytes(p.client.c);
    world_turns(p.loop, 5);
    assert_int_equal(p.client.drains, 0);
    conn_resume_read(p.server.c);
    end_wait(&p, &p.server, (size_t)writes * BIG);
    while (!p.client.drained) {
        world_turns(p.loop, 1);
    }
    assert_int_equal(p.client.drains, 1);
    assert_memory_equal(buf_data(&p.server.got), text, BIG);
    assert_true(p.server.data_calls > 1);

    conn_pause_read(p.server.c);
    conn_set_limits(p.client.c, 100, pending);
    for (int i = 0; i < 64 && p.client.c->phase == CONN_PHASE_OPEN; i++) {
        conn_write(p.client.c, text, BIG);
    }
    assert_false(p.client.ended);
    world_wait_flag(p.loop, &p.client.ended);
    assert_int_equal(p.client.why, CONN_OVERFLOW);
    free(text);
    pair_close(&p);
}

static void pause_keeps_what_was_left(void **state)
{
    struct pair p = {0};

    (void)state;
    pair_open(&p);
    p.server.leave_data = true;
    p.server.pause_on_data = true;
    conn_write_text(p.client.c, "hello");
    while (p.server.data_calls == 0) {
        world_turns(p.loop, 1);
    }
    conn_write_text(p.client.c, " again");
    world_turns(p.loop, 5);
    assert_int_equal(p.server.data_calls, 1);
    p.server.leave_data = false;
    p.server.pause_on_data = false;
    conn_resume_read(p.server.c);
    end_wait(&p, &p.server, 11);
    assert_string_equal(buf_data(&p.server.got), "hello again");

    /* shown again although nothing new came */
    p.server.leave_data = true;
    p.server.pause_on_data = true;
    p.server.data_calls = 0;
    conn_write_text(p.client.c, "!");
    while (p.server.data_calls == 0) {
        world_turns(p.loop, 1);
    }
    p.server.leave_data = false;
    conn_resume_read(p.server.c);
    end_wait(&p, &p.server, 12);
    pair_close(&p);
}

static void close_inside_each_handler(void **state)
{
    struct pair p = {.server.close_on_data = true, .server.reply = "last words"};

    (void)state;
    pair_open(&p);
    conn_write_text(p.client.c, "x");
    world_wait_flag(p.loop, &p.client.ended);
    assert_false(p.server.ended); /* no handler after conn_close() */
    assert_string_equal(buf_data(&p.client.got), "last words");
    pair_close(&p);

    p = (struct pair){.client.close_on_open = true};
    pair_listen(&p, NULL);
    pair_connect(&p, NULL);
    world_wait_flag(p.loop, &p.server.ended);
    assert_true(p.client.opened);
    assert_false(p.client.ended);
    pair_close(&p);

    p = (struct pair){.server.close_on_accept = true};
    pair_listen(&p, NULL);
    pair_connect(&p, NULL);
    world_wait_flag(p.loop, &p.client.ended);
    assert_false(p.server.opened);
    pair_close(&p);

    p = (struct pair){0};
    pair_listen(&p, NULL);
    pair_connect(&p, NULL);
    conn_close(p.client.c); /* before it is open */
    p.client.c = NULL;
    conn_close(NULL);
    world_turns(p.loop, 5);
    assert_false(p.client.opened || p.client.ended);
    pair_close(&p);
}

static void close_after_flush_delivers_everything(void **state)
{
    struct pair p = {0};
    char *text = big_text();

    (void)state;
    pair_open(&p);
    conn_pause_read(p.server.c);
    for (int i = 0; i < 4; i++) {
        conn_write(p.client.c, text, BIG);
    }
    conn_close_after_flush(p.client.c);
    p.client.c = NULL;
    conn_resume_read(p.server.c);
    world_wait_flag(p.loop, &p.server.ended);
    assert_int_equal(p.server.why, CONN_CLOSED);
    assert_int_equal(p.server.got.len, 4 * BIG);
    assert_memory_equal(buf_data(&p.server.got) + 3 * (size_t)BIG, text, BIG);
    assert_false(p.client.ended);
    free(text);
    pair_close(&p);

    p = (struct pair){.server.leave_on_data = true};
    pair_listen(&p, NULL);
    pair_connect(&p, NULL); /* refused with a word, by on_accept */
    world_wait_flag(p.loop, &p.client.ended);
    assert_string_equal(buf_data(&p.client.got), "-ERR max number of clients reached\r\n");
    pair_close(&p);

    p = (struct pair){.server.reply = "+OK\r\n"};
    pair_open(&p);
    p.server.leave_on_data = true; /* QUIT */
    conn_write_text(p.client.c, "QUIT");
    world_wait_flag(p.loop, &p.client.ended);
    assert_string_equal(buf_data(&p.client.got), "+OK\r\n");
    pair_close(&p);

    p = (struct pair){0};
    pair_listen(&p, NULL);
    pair_connect(&p, NULL);
    conn_write_text(p.client.c, "before it opens");
    conn_close_after_flush(p.client.c);
    p.client.c = NULL;
    world_wait_flag(p.loop, &p.server.ended);
    assert_string_equal(buf_data(&p.server.got), "before it opens");
    pair_close(&p);
}

static void a_handler_that_writes_much_loses_nothing(void **state)
{
    struct pair p = {0};
    char *text = big_text();

    (void)state;
    pair_open(&p);
    text[120000] = '\0'; /* two pieces, together above what is kept back for one send */
    p.server.reply = text;
    conn_write_text(p.client.c, "x");
    end_wait(&p, &p.client, 120000);
    assert_memory_equal(buf_data(&p.client.got), text, 120000);
    free(text);
    pair_close(&p);
}

static void keepalive_is_set(void **state)
{
    struct pair p = {0};
    int value = 0;
    socklen_t len = sizeof(value);

    (void)state;
    pair_open(&p);
    conn_set_keepalive(p.client.c, 300);
    int fd = conn_fd(p.client.c);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len), 0);
    assert_int_equal(value, 1);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &len), 0);
    assert_int_equal(value, 300);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_true(value != 0);
    pair_close(&p);
}

/* Many clients at once, echo, all closed in the middle: memory checkers see what is forgotten. */
struct crowd {
    struct pair p;
    struct end ends[100];
    int opened;
};

static void crowd_on_accept(void *ctx, struct conn *c)
{
    struct crowd *crowd = ctx;
    struct end *e = &crowd->ends[crowd->opened++];

    e->c = c;
    e->reply = "echo";
    conn_set_handlers(c, &end_handlers, e);
}

static void many_connections(void **state)
{
    static struct crowd crowd;
    static struct end clients[100];
    struct err err;

    (void)state;
    crowd = (struct crowd){.p.loop = world_loop()};
    memset(clients, 0, sizeof(clients));
    assert_true(addr_set(&crowd.p.at, "::1", 0));
    struct listener_plan plan = {.at = &crowd.p.at};
    crowd.p.listener = listener_open(crowd.p.loop, &plan, crowd_on_accept, &crowd, &err);
    if (crowd.p.listener == NULL) { /* a machine without IPv6 */
        assert_true(addr_set(&crowd.p.at, "127.0.0.1", 0));
        crowd.p.listener = listener_open(crowd.p.loop, &plan, crowd_on_accept, &crowd, &err);
    }
    assert_non_null(crowd.p.listener);
    crowd.p.at.port = listener_port(crowd.p.listener);
    struct conn_target to = {.at = &crowd.p.at};
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        clients[i].want = 4;
        clients[i].c = conn_connect(crowd.p.loop, &to, &end_handlers, &clients[i], &err);
        assert_non_null(clients[i].c);
        conn_write_text(clients[i].c, "hello");
    }
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        world_wait_flag(crowd.p.loop, &clients[i].has_wanted);
        assert_string_equal(buf_data(&clients[i].got), "echo");
    }
    assert_int_equal(crowd.opened, (int)COUNT_OF(clients));
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        conn_close(clients[i].c);
        buf_finish(&clients[i].got);
    }
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        world_wait_flag(crowd.p.loop, &crowd.ends[i].ended);
        buf_finish(&crowd.ends[i].got);
    }
    pair_close(&crowd.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_both_ways),
        cmocka_unit_test(what_is_written_before_open_waits),
        cmocka_unit_test(refused_is_told_as_such),
        cmocka_unit_test(closed_and_reset_are_told_apart),
        cmocka_unit_test(failed_write_is_told_in_the_next_turn),
        cmocka_unit_test(connect_that_gets_no_answer_times_out),
        cmocka_unit_test(our_own_mistakes_are_errors_of_connect),
        cmocka_unit_test(source_address_is_used),
        cmocka_unit_test(partial_input_is_shown_again_with_the_rest),
        cmocka_unit_test(too_much_input_overflows),
        cmocka_unit_test(slow_reader_overflows_and_reader_drains),
        cmocka_unit_test(pause_keeps_what_was_left),
        cmocka_unit_test(close_inside_each_handler),
        cmocka_unit_test(close_after_flush_delivers_everything),
        cmocka_unit_test(a_handler_that_writes_much_loses_nothing),
        cmocka_unit_test(keepalive_is_set),
        cmocka_unit_test(many_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

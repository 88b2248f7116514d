#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "port_fixture.h"

static struct fixture f;

static int setup(void **state)
{
    (void)state;
    fixture_open(&f, "sentinel monitor mymaster 127.0.0.1 6379 1\n"
                     "client-output-buffer-limit pubsub 2mb 64kb 1\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static void test_channel_and_pattern(void **state)
{
    int fd = fixture_connect(&f);

    (void)state;
    fixture_say(&f, fd, "SUBSCRIBE +sdown +sdown",
                "*3\r\n$9\r\nsubscribe\r\n$6\r\n+sdown\r\n:1\r\n"
                "*3\r\n$9\r\nsubscribe\r\n$6\r\n+sdown\r\n:1\r\n");
    fixture_say(&f, fd, "PSUBSCRIBE [-+]sdown",
                "*3\r\n$10\r\npsubscribe\r\n$9\r\n[-+]sdown\r\n:2\r\n");
    assert_int_equal(sentinel_publish(f.port, "+sdown", "master m"), 2);
    fixture_expect(&f, fd,
                   "*3\r\n$7\r\nmessage\r\n$6\r\n+sdown\r\n$8\r\nmaster m\r\n"
                   "*4\r\n$8\r\npmessage\r\n$9\r\n[-+]sdown\r\n$6\r\n+sdown\r\n"
                   "$8\r\nmaster m\r\n");
    assert_int_equal(sentinel_publish(f.port, "+odown", "x"), 0);
    fixture_say(&f, fd, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$6\r\n+sdown\r\n:1\r\n");
    fixture_say(&f, fd, "PUNSUBSCRIBE nope", "*3\r\n$12\r\npunsubscribe\r\n$4\r\nnope\r\n:1\r\n");
    fixture_say(&f, fd, "PUNSUBSCRIBE", "*3\r\n$12\r\npunsubscribe\r\n$9\r\n[-+]sdown\r\n:0\r\n");
    fixture_say(&f, fd, "PUNSUBSCRIBE", "*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n");
    assert_int_equal(sentinel_publish(f.port, "+sdown", "master m"), 0);
    close(fd);
}

static void test_resp3_push(void **state)
{
    int fd = fixture_connect(&f);
    struct buf heard = {0};

    (void)state;
    fixture_ask(&f, fd, "HELLO 3");
    assert_true(fixture_hear(&f, fd, &heard));
    buf_finish(&heard);
    fixture_say(&f, fd, "SUBSCRIBE a", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    fixture_say(&f, fd, "PING", "+PONG\r\n");
    assert_int_equal(sentinel_publish(f.port, "a", "b"), 1);
    fixture_expect(&f, fd, ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
    close(fd);
}

static void test_resp2_context(void **state)
{
    int fd = fixture_connect(&f);

    (void)state;
    fixture_say(&f, fd, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    fixture_say(&f, fd, "PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    fixture_say(&f, fd, "PING x", "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    fixture_say(
        &f, fd, "SENTINEL MASTERS",
        "-ERR Can't execute 'sentinel|masters': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
        "QUIT / RESET are allowed in this context\r\n");
    fixture_say(&f, fd, "GET x", "-ERR unknown command 'GET', with args beginning with: 'x' \r\n");
    fixture_say(&f, fd, "RESET", "+RESET\r\n");
    fixture_say(&f, fd, "PING", "+PONG\r\n");
    assert_int_equal(sentinel_publish(f.port, "a", "b"), 0);
    close(fd);
}

/* The event of a client's own command comes before its reply, and reaches it when it subscribed. */
static void test_own_event(void **state)
{
    int fd = fixture_connect(&f);
    int other = fixture_connect(&f);

    (void)state;
    fixture_say(&f, fd, "PSUBSCRIBE *", "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n");
    fixture_say(&f, other, "SENTINEL SET mymaster auth-pass geheim quorum 2", "+OK\r\n");
    fixture_expect(&f, fd,
                   "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\n+set\r\n$47\r\n"
                   "master mymaster 127.0.0.1 6379 auth-pass ******");
    close(fd);
    close(other);
}

static void test_gone_subscribers(void **state)
{
    int fds[20];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = fixture_connect(&f);
        fixture_say(&f, fds[i], "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    }
    assert_int_equal(sentinel_publish(f.port, "a", "x"), COUNT_OF(fds));
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        close(fds[i]);
    }
    struct sentinel_counters n;
    do {
        fixture_turn(&f);
        sentinel_counters(f.port, &n);
    } while (n.clients > 0);
    assert_int_equal(n.subscribers, 0);
    assert_int_equal(sentinel_publish(f.port, "a", "x"), 0);
}

/* One that does not read is closed, the others notice nothing. */
static void test_hard_limit(void **state)
{
    int slow = fixture_connect(&f);
    int fast = fixture_connect(&f);
    static char payload[64 * 1024];
    struct sentinel_counters n;
    struct buf heard = {0};

    (void)state;
    memset(payload, 'x', sizeof(payload) - 1);
    fixture_say(&f, slow, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    fixture_say(&f, fast, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    for (int i = 0; i < 400; i++) {
        (void)sentinel_publish(f.port, "a", payload);
        char got[65536];
        while (recv(fast, got, sizeof(got), 0) > 0) {
            fixture_turn(&f);
        }
    }
    assert_true(fixture_hear(&f, fast, &heard));
    buf_finish(&heard);
    sentinel_counters(f.port, &n);
    assert_int_equal(n.overflows_total, 1);
    assert_int_equal(n.clients, 1);
    assert_int_equal(sentinel_publish(f.port, "a", "x"), 1);
    close(slow);
    close(fast);
}

static void test_soft_limit(void **state)
{
    int slow = fixture_connect(&f);
    static char payload[64 * 1024];
    struct sentinel_counters n;
    msec_t limit = loop_now(f.loop) + FIXTURE_LIMIT_MS;

    (void)state;
    memset(payload, 'x', sizeof(payload) - 1);
    fixture_say(&f, slow, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    /* Until the kernel takes no more and some 300 KB, above soft and below hard, wait here. */
    for (int full = 0; full < 5;) {
        struct buf text = {0};
        int queued = 0;
        (void)sentinel_publish(f.port, "a", payload);
        fixture_turn(&f);
        int fd = fixture_connect(&f);
        fixture_ask(&f, fd, "CLIENT LIST TYPE pubsub");
        assert_true(fixture_hear(&f, fd, &text));
        const char *omem = strstr(buf_data(&text), "omem=");
        assert_non_null(omem);
        assert_int_equal(sscanf(omem, "omem=%d", &queued), 1);
        full = queued > 300 * 1000 ? 5 : 0;
        buf_finish(&text);
        close(fd);
    }
    sentinel_counters(f.port, &n);
    assert_int_equal(n.overflows_total, 0);
    while (n.overflows_total == 0 && loop_now(f.loop) < limit) {
        fixture_turn(&f);
        sentinel_counters(f.port, &n);
    }
    assert_int_equal(n.overflows_total, 1);
    close(slow);
}

static void test_too_many(void **state)
{
    int fd = fixture_connect(&f);
    struct buf text = {0};
    struct buf heard = {0};

    (void)state;
    for (int i = 0; i < 1100; i++) {
        buf_printf(&text, "SUBSCRIBE c%d\r\n", i);
    }
    fixture_send(&f, fd, buf_data(&text), text.len);
    assert_true(fixture_hear(&f, fd, &heard));
    assert_non_null(strstr(buf_data(&heard), "c1023\r\n:1024\r\n-ERR Cannot subscribe: too many"));
    buf_finish(&text);
    buf_finish(&heard);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_channel_and_pattern, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resp3_push, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resp2_context, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gone_subscribers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hard_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_soft_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

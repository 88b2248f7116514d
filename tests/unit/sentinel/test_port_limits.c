#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "port_fixture.h"

/* Strangers, malformed and hostile clients, and the limits. */

static struct fixture f;

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static void test_maxclients(void **state)
{
    struct sentinel_counters n;

    (void)state;
    fixture_open(&f, "maxclients 2\n");
    int a = fixture_connect(&f);
    int b = fixture_connect(&f);
    fixture_say(&f, a, "PING", "+PONG\r\n");
    fixture_say(&f, b, "PING", "+PONG\r\n");
    int c = fixture_connect(&f);
    fixture_expect(&f, c, "-ERR max number of clients reached\r\n");
    fixture_expect_closed(&f, c);
    sentinel_counters(f.port, &n);
    assert_int_equal(n.connections_rejected, 1);
    close(a);
    do {
        fixture_turn(&f);
        sentinel_counters(f.port, &n);
    } while (n.clients > 1);
    c = fixture_connect(&f);
    fixture_say(&f, c, "PING", "+PONG\r\n");
    close(b);
    close(c);
}

static void test_noauth(void **state)
{
    static const char noauth[] = "-NOAUTH Authentication required.\r\n";
    static const char wrong[] =
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

    (void)state;
    fixture_open(&f, "requirepass geheim\nuser reader on >r ~* &* -@all +ping +sentinel|myid\n");
    int fd = fixture_connect(&f);
    fixture_say(&f, fd, "PING", noauth);
    fixture_say(&f, fd, "GET x", noauth);
    fixture_say(&f, fd, "SENTINEL nope", noauth);
    fixture_say(&f, fd, "AUTH falsch", wrong);
    fixture_say(&f, fd, "HELLO 3 AUTH default falsch", wrong);
    fixture_say(
        &f, fd, "HELLO 3",
        "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time\r\n");
    fixture_say(&f, fd, "HELLO 3 AUTH default geheim SETNAME 'a b'",
                "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
    fixture_say(&f, fd, "PING", noauth); /* a HELLO that fails does nothing */
    fixture_say(&f, fd, "AUTH geheim", "+OK\r\n");
    fixture_say(&f, fd, "PING", "+PONG\r\n");
    fixture_say(&f, fd, "AUTH reader r", "+OK\r\n");
    fixture_say(&f, fd, "PING", "+PONG\r\n");
    fixture_say(&f, fd, "SENTINEL MYID", "$40\r\n0123456789abcdef0123456789abcdef01234567\r\n");
    struct buf heard = {0};
    fixture_ask(&f, fd, "SENTINEL MASTERS");
    assert_true(fixture_hear(&f, fd, &heard));
    assert_int_equal(strncmp(buf_data(&heard), "-NOPERM ", 8), 0);
    buf_finish(&heard);
    close(fd);
}

/* Before AUTH little is held for anybody. */
static void test_stranger_limits(void **state)
{
    static const char many[] = "*11\r\n";
    static const char big[] = "*2\r\n$4\r\nAUTH\r\n$16385\r\n";

    (void)state;
    fixture_open(&f, "requirepass geheim\n");
    int fd = fixture_connect(&f);
    fixture_send(&f, fd, many, strlen(many));
    fixture_expect(&f, fd, "-ERR Protocol error: unauthenticated multibulk length\r\n");
    fixture_expect_closed(&f, fd);
    fd = fixture_connect(&f);
    fixture_send(&f, fd, big, strlen(big));
    fixture_expect(&f, fd, "-ERR Protocol error: unauthenticated bulk length\r\n");
    fixture_expect_closed(&f, fd);
}

static void test_deleted_user(void **state)
{
    (void)state;
    fixture_open(&f, "user bob on nopass ~* &* +@all\n");
    int admin = fixture_connect(&f);
    int bob = fixture_connect(&f);
    fixture_say(&f, bob, "AUTH bob x", "+OK\r\n");
    fixture_say(&f, bob, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    fixture_say(&f, admin, "ACL SETUSER bob resetchannels &b", "+OK\r\n");
    fixture_expect_closed(&f, bob);
    bob = fixture_connect(&f);
    fixture_say(&f, bob, "AUTH bob x", "+OK\r\n");
    fixture_say(&f, admin, "ACL DELUSER bob", ":1\r\n");
    fixture_expect_closed(&f, bob);
    fixture_say(&f, admin, "PING", "+PONG\r\n");
    close(admin);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *say;
        const char *hear;
    } lines[] = {
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\nfoo\r\n", "-ERR Protocol error: expected '$', got 'f'\r\n"},
        {"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"PING\r\nping \"a\r\n", "+PONG\r\n-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"POST / HTTP/1.1\r\n", ""},
        {"GET / HTTP/1.1\r\nHost: x\r\n", ""},
    };
    struct sentinel_counters n;

    (void)state;
    fixture_open(&f, "");
    int other = fixture_connect(&f);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        int fd = fixture_connect(&f);
        struct buf heard = {0};
        fixture_send(&f, fd, lines[i].say, strlen(lines[i].say));
        assert_false(fixture_hear(&f, fd, &heard));
        assert_string_equal(buf_data(&heard), lines[i].hear);
        buf_finish(&heard);
        close(fd);
    }
    fixture_say(&f, other, "PING", "+PONG\r\n");
    sentinel_counters(f.port, &n);
    assert_int_equal(n.protocol_errors_total, COUNT_OF(lines));
    assert_int_equal(n.clients, 1);
    close(other);
}

static void test_query_limit(void **state)
{
    static char half[1024 * 1024];
    struct sentinel_counters n;

    (void)state;
    fixture_open(&f, "client-query-buffer-limit 1mb\n");
    int fd = fixture_connect(&f);
    memset(half, 'x', sizeof(half));
    fixture_ask(&f, fd, "*5");
    for (int i = 0; i < 2; i++) {
        fixture_ask(&f, fd, "$1000000");
        for (size_t sent = 0; sent < 1000000;) {
            ssize_t len = send(fd, half, 1000000 - sent, MSG_NOSIGNAL);
            if (len < 0 && errno != EAGAIN) {
                break; /* closed already */
            }
            sent += len > 0 ? (size_t)len : 0;
            fixture_turn(&f);
        }
        if (send(fd, "\r\n", 2, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    fixture_expect_closed(&f, fd);
    sentinel_counters(f.port, &n);
    assert_int_equal(n.overflows_total, 1);
}

/* One that asks for ever and never reads: it stops being read, the others go on,
 * memory is bounded. */
static void test_never_reads(void **state)
{
    static const char ask[] = "COMMAND DOCS\r\nCOMMAND\r\nINFO\r\n";
    struct sentinel_counters n;
    uint64_t written = 0;
    int still = 0;

    (void)state;
    fixture_open(&f, "");
    int fd = fixture_connect(&f);
    int other = fixture_connect(&f);
    while (still < 50) {
        (void)send(fd, ask, strlen(ask), MSG_NOSIGNAL);
        fixture_turn(&f);
        sentinel_counters(f.port, &n);
        still = n.output_bytes_total == written ? still + 1 : 0;
        written = n.output_bytes_total;
        assert_true(written < 64U << 20);
    }
    fixture_say(&f, other, "PING", "+PONG\r\n");

    /* It reads at last, and gets everything. */
    struct buf heard = {0};
    assert_true(fixture_hear(&f, fd, &heard));
    assert_true(heard.len > 1 << 20);
    fixture_ask(&f, fd, "PING the-end");
    while (strstr(buf_data(&heard), "the-end") == NULL) {
        buf_clear(&heard);
        assert_true(fixture_hear(&f, fd, &heard));
    }
    buf_finish(&heard);
    close(fd);
    close(other);
}

/* A long pipeline in tiny pieces and in one piece: all replies, in order. */
static void test_pipeline(void **state)
{
    struct buf text = {0};
    struct buf want = {0};
    struct buf heard = {0};

    (void)state;
    fixture_open(&f, "");
    int fd = fixture_connect(&f);
    for (int i = 10000; i < 30000; i++) {
        buf_printf(&text, "*2\r\n$4\r\nPING\r\n$5\r\n%d\r\n", i);
        buf_printf(&want, "$5\r\n%d\r\n", i);
    }
    fixture_send(&f, fd, buf_data(&text), text.len);
    assert_true(fixture_hear(&f, fd, &heard));
    assert_int_equal(heard.len, want.len);
    assert_memory_equal(buf_data(&heard), buf_data(&want), want.len);
    for (size_t i = 0; i < 500; i++) {
        fixture_send(&f, fd, buf_data(&text) + i, 1);
        fixture_turn(&f);
    }
    buf_clear(&heard);
    assert_true(fixture_hear(&f, fd, &heard));
    assert_memory_equal(buf_data(&heard), buf_data(&want), 11U * (500 / 25));
    buf_finish(&text);
    buf_finish(&want);
    buf_finish(&heard);
    close(fd);
}

static void test_idle_timeout(void **state)
{
    (void)state;
    fixture_open(&f, "timeout 1\n");
    int fd = fixture_connect(&f);
    int listener = fixture_connect(&f);
    fixture_say(&f, listener, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    fixture_say(&f, fd, "PING", "+PONG\r\n");
    fixture_expect_closed(&f, fd);
    fixture_say(&f, listener, "PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    close(listener);
}

static void test_rename(void **state)
{
    (void)state;
    fixture_open(&f, "rename-command SHUTDOWN \"\"\nrename-command PING puls\n");
    int fd = fixture_connect(&f);
    fixture_say(&f, fd, "SHUTDOWN",
                "-ERR unknown command 'SHUTDOWN', with args beginning with: \r\n");
    fixture_say(&f, fd, "PING", "-ERR unknown command 'PING', with args beginning with: \r\n");
    fixture_say(&f, fd, "PULS", "+PONG\r\n");
    close(fd);
}

static const char *const random_words[] = {
    "SENTINEL",
    "MASTERS",
    "SET",
    "mymaster",
    "quorum",
    "1",
    "\r\n",
    "\r\n",
    "\r\n",
    "*2\r\n",
    "$4\r\n",
    "PING",
    "SUBSCRIBE a b c\r\n",
    "PSUBSCRIBE *\r\n",
    "UNSUBSCRIBE\r\n",
    "HELLO 3\r\n",
    "HELLO 2\r\n",
    "CLIENT",
    "KILL",
    "LIST",
    "TYPE",
    "normal",
    "pubsub",
    "REPLY",
    "OFF",
    "ON",
    "SKIP",
    "PAUSE",
    "UNPAUSE",
    "RESET",
    "QUIT",
    "MONITOR",
    "x",
    "127.0.0.1",
    "7000",
    "2",
    "REMOVE",
    "FLUSHCONFIG",
    "\"",
    "COMMAND",
    "DOCS",
    "INFO",
    "ACL",
    "SETUSER",
    "DELUSER",
    "PUBLISH",
    "__sentinel__:hello",
    "IS-MASTER-DOWN-BY-ADDR",
    "*",
    "-1",
    "$-1\r\n",
    "*-1\r\n",
    "FAILOVER",
};

/* Words of the protocol in random order, cut anywhere, from several clients that come and go.
 * Whatever happens, one that behaves is served. Replay: the seed is fixed. */
static void test_random_words(void **state)
{
    struct prng random;
    int fds[8];

    (void)state;
    fixture_open(&f, "sentinel monitor mymaster 127.0.0.1 6379 1\n");
    prng_init(&random, 20261121);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = fixture_connect(&f);
    }
    for (int i = 0; i < 6000; i++) {
        size_t at = prng_below(&random, COUNT_OF(fds));
        const char *word = random_words[prng_below(&random, COUNT_OF(random_words))];

        f.hold_disk = prng_below(&random, 4) == 0;
        if (prng_below(&random, 100) == 0 || send(fds[at], word, strlen(word), MSG_NOSIGNAL) < 0) {
            close(fds[at]);
            fds[at] = fixture_connect(&f);
        } else {
            (void)send(fds[at], " ", prng_below(&random, 2), MSG_NOSIGNAL);
        }
        if (prng_below(&random, 3) == 0) {
            char drop[65536];
            (void)sentinel_publish(f.port, "a", "payload");
            (void)recv(fds[at], drop, sizeof(drop), 0);
            fixture_turn(&f);
        }
        if (f.disk_seq != 0 && !f.hold_disk) {
            fixture_disk(&f);
        }
    }
    if (f.disk_seq != 0) {
        f.hold_disk = false;
        fixture_disk(&f);
    }
    int fd = fixture_connect(&f);
    fixture_say(&f, fd, "CLIENT UNPAUSE", "+OK\r\n");
    fixture_say(&f, fd, "PING", "+PONG\r\n");
    close(fd);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        close(fds[i]);
    }
}

/* As Redis, bind takes names too. */
static void test_bind_by_name(void **state)
{
    struct err err = {0};

    (void)state;
    fixture_open(&f, "bind localhost\n");
    int fd = fixture_connect(&f);
    fixture_say(&f, fd, "PING", "+PONG\r\n");
    close(fd);
    fixture_close(&f);
    assert_false(fixture_try(&f, "bind no-such-host.invalid\n", &err));
    assert_non_null(strstr(err.text, "no-such-host.invalid"));
}

static void test_wrong_user_line(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(fixture_try(&f, "user bob on +nosuchcommand\n", &err));
    assert_non_null(strstr(err.text, "nosuchcommand"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_maxclients),      TEST(test_noauth),       TEST(test_stranger_limits),
        TEST(test_deleted_user),    TEST(test_malformed),    TEST(test_query_limit),
        TEST(test_never_reads),     TEST(test_pipeline),     TEST(test_idle_timeout),
        TEST(test_rename),          TEST(test_random_words), TEST(test_bind_by_name),
        TEST(test_wrong_user_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

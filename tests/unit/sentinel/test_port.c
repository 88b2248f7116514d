#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "port_fixture.h"
#include "resp/resp.h"

static struct fixture f;

static int setup(void **state)
{
    (void)state;
    fixture_open(&f, "sentinel monitor mymaster 127.0.0.1 6379 2\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

struct talk {
    const char *say;
    const char *hear;
};

static void talk(const struct talk *lines, size_t count)
{
    int fd = fixture_connect(&f);

    for (size_t i = 0; i < count; i++) {
        fixture_say(&f, fd, lines[i].say, lines[i].hear);
    }
    close(fd);
}

#define TALK(lines) talk(lines, COUNT_OF(lines))
#define NO_MASTER   "-ERR No such master with that name\r\n"
#define OWN_ID      "node-1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* an operator wrote it */

static void test_errors(void **state)
{
    static const struct talk lines[] = {
        {"GET", "-ERR unknown command 'GET', with args beginning with: \r\n"},
        {"GET x y", "-ERR unknown command 'GET', with args beginning with: 'x' 'y' \r\n"},
        {"SENTINEL", "-ERR wrong number of arguments for 'sentinel' command\r\n"},
        {"SENTINEL foo", "-ERR unknown subcommand 'foo'. Try SENTINEL HELP.\r\n"},
        {"SENTINEL MASTER", "-ERR wrong number of arguments for 'sentinel|master' command\r\n"},
        {"sentinel|master x",
         "-ERR unknown command 'sentinel|master', with args beginning with: 'x' \r\n"},
        {"CLIENT MAINT_NOTIFICATIONS ON",
         "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n"},
        {"AUTH x",
         "-ERR AUTH <password> called without any password configured for the default user. "
         "Are you sure your configuration is correct?\r\n"},
        {"HELLO 4", "-NOPROTO unsupported protocol version\r\n"},
        {"PUBLISH a b", "-ERR Only HELLO messages are accepted by Sentinel instances.\r\n"},
        {"PING", "+PONG\r\n"},
    };

    (void)state;
    TALK(lines);
}

static void test_sentinel(void **state)
{
    static const struct talk lines[] = {
        {"SENTINEL GET-MASTER-ADDR-BY-NAME mymaster", "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n"},
        {"sentinel get-primary-addr-by-name nope", "*-1\r\n"},
        {"SENTINEL MASTER nope", NO_MASTER},
        {"SENTINEL REPLICAS mymaster", "*0\r\n"},
        {"SENTINEL SENTINELS mymaster", "*0\r\n"},
        {"SENTINEL CKQUORUM mymaster",
         "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to "
         "reach the specified quorum for this master\r\n"},
        {"SENTINEL FAILOVER nope", NO_MASTER},
        {"SENTINEL FAILOVER mymaster", "-NOGOODSLAVE No suitable replica to promote\r\n"},
        {"SENTINEL MYID", "$40\r\n0123456789abcdef0123456789abcdef01234567\r\n"},
        {"SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 0 *", "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n"},
        {"SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 99999 0 *", "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n"},
        {"SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 1 " OWN_ID,
         "*3\r\n:0\r\n$40\r\n" OWN_ID "\r\n:1\r\n"},
        {"SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 2 node-2",
         "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n"},
        {"SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 2 "
         "node-2,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n"},
        {"SENTINEL IS-MASTER-DOWN-BY-ADDR x x 0 *",
         "-ERR value is not an integer or out of range\r\n"},
        {"SENTINEL RESET my*", ":1\r\n"},
        {"SENTINEL RESET nope", ":0\r\n"},
        {"SENTINEL FLUSHCONFIG", "+OK\r\n"},
        {"SENTINEL INFO-CACHE mymaster", "*2\r\n$8\r\nmymaster\r\n*1\r\n*2\r\n:0\r\n$-1\r\n"},
        {"SENTINEL SIMULATE-FAILURE x", "-ERR Unknown failure simulation specified\r\n"},
        {"SENTINEL PENDING-SCRIPTS",
         "*1\r\n*10\r\n$4\r\nargv\r\n*2\r\n$11\r\n/bin/notify\r\n$6\r\n+sdown\r\n$5\r\nflags\r\n"
         "$7\r\nrunning\r\n$3\r\npid\r\n$1\r\n7\r\n$8\r\nrun-time\r\n$1\r\n5\r\n$9\r\nretry-num\r\n"
         "$1\r\n0\r\n"},
        {"SENTINEL DEBUG ping-period 0",
         "-ERR Invalid argument '0' for SENTINEL DEBUG 'ping-period'\r\n"},
        {"SENTINEL DEBUG ping-period 500 x 1",
         "-ERR Unknown option or number of arguments for SENTINEL DEBUG 'x'\r\n"},
        {"SENTINEL FORGET mymaster 10.0.0.9 6379",
         "-ERR No such replica or Sentinel of that master\r\n"},
        {"SENTINEL FORGET mymaster zzz",
         "-ERR Not a run id; a replica or Sentinel is named by ip and port\r\n"},
        {"SENTINEL FORGET mymaster " OWN_ID, "-ERR No such replica or Sentinel of that master\r\n"},
        {"ROLE", "*2\r\n$8\r\nsentinel\r\n*1\r\n$8\r\nmymaster\r\n"},
    };

    (void)state;
    TALK(lines);
    assert_int_equal(failover_tuning_now(f.core)->ping_period, failover_tuning_default.ping_period);
}

static void test_monitor(void **state)
{
    static const struct talk lines[] = {
        {"SENTINEL MONITOR b 127.0.0.1 7000 x", "-ERR Invalid quorum\r\n"},
        {"SENTINEL MONITOR b 127.0.0.1 x 1", "-ERR Invalid port\r\n"},
        {"SENTINEL MONITOR b 127.0.0.1 7000 0", "-ERR Quorum must be 1 or greater.\r\n"},
        {"SENTINEL MONITOR b foo 7000 1", "-ERR Invalid IP address or hostname specified\r\n"},
        {"SENTINEL MONITOR b 127.0.0.1 70000 1", "-ERR Invalid port number.\r\n"},
        {"SENTINEL MONITOR mymaster 127.0.0.1 70000 1", "-ERR Invalid port number.\r\n"},
        {"SENTINEL MONITOR mymaster 127.0.0.1 1 1", "-ERR Duplicate master name.\r\n"},
        {"SENTINEL MONITOR b 127.0.0.1 7000 1", "+OK\r\n"},
        {"SENTINEL GET-MASTER-ADDR-BY-NAME b", "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n7000\r\n"},
        {"SENTINEL REMOVE b", "+OK\r\n"},
        {"SENTINEL REMOVE b", NO_MASTER},
    };

    (void)state;
    TALK(lines);
    assert_non_null(strstr(buf_data(&f.notes), "+monitor master b 127.0.0.1 7000 quorum 1\n"));
}

static void test_monitor_by_name(void **state)
{
    int fd = fixture_connect(&f);

    (void)state;
    f.conf.resolve_hostnames = true;
    fixture_ask(&f, fd, "SENTINEL MONITOR b localhost 7000 1\r\nPING");
    fixture_expect(&f, fd, "+OK\r\n+PONG\r\n");
    fixture_say(&f, fd, "SENTINEL MONITOR c no-such-host.invalid 7000 1",
                "-ERR Invalid IP address or hostname specified\r\n");
    close(fd);
}

/* Nothing of a SET with a mistake is applied, whatever stands before the mistake. */
static void test_set_is_atomic(void **state)
{
    static const struct talk lines[] = {
        {"SENTINEL SET mymaster quorum 1 auth-pass x bad 1",
         "-ERR Unknown option or number of arguments for SENTINEL SET 'bad'\r\n"},
        {"SENTINEL SET mymaster quorum 1 auth-pass x parallel-syncs 0",
         "-ERR Invalid argument '0' for SENTINEL SET 'parallel-syncs'\r\n"},
        {"SENTINEL SET mymaster quorum 1 rename-command a",
         "-ERR Unknown option or number of arguments for SENTINEL SET 'rename-command'\r\n"},
        {"SENTINEL SET mymaster quorum 1 rename-command a \"\"",
         "-ERR Invalid argument '' for SENTINEL SET 'rename-command'\r\n"},
        {"SENTINEL SET nope quorum 1", NO_MASTER},
        {"SENTINEL SET mymaster notification-script /bin/true",
         "-ERR Reconfiguration of scripts path is denied for security reasons. Check the "
         "deny-scripts-reconfig configuration directive in your Sentinel configuration\r\n"},
    };
    struct master_state now;

    (void)state;
    TALK(lines);
    failover_export(failover_master_named(f.core, "mymaster"), &now);
    assert_int_equal(now.config.quorum, 2);
    assert_null(sentinel_conf_find(&f.conf, "mymaster")->auth_pass.text);
    assert_int_equal(f.changes, 0);
    assert_null(strstr(buf_data(&f.notes), "+set"));
}

static void test_set(void **state)
{
    static const struct talk lines[] = {
        {"SENTINEL SET mymaster QUORUM 3 auth-pass geheim auth-user u rename-command CONFIG cfg "
         "down-after-milliseconds 1234",
         "+OK\r\n"},
    };
    struct master_state now;
    const struct conf_master *m = sentinel_conf_find(&f.conf, "mymaster");

    (void)state;
    TALK(lines);
    failover_export(failover_master_named(f.core, "mymaster"), &now);
    assert_int_equal(now.config.quorum, 3);
    assert_int_equal(now.config.down_after_ms, 1234);
    assert_string_equal(m->auth_pass.text, "geheim");
    assert_string_equal(m->auth_user, "u");
    assert_int_equal(m->renames.count, 1);
    assert_string_equal(m->renames.items[0].to, "cfg");
    assert_int_equal(f.changes, SENTINEL_CHANGED_AUTH);
    assert_string_equal(f.changed_master, "mymaster");
    assert_non_null(strstr(buf_data(&f.notes),
                           "+set master mymaster 127.0.0.1 6379 auth-pass ******\n"
                           "+set master mymaster 127.0.0.1 6379 auth-user u\n"
                           "+set master mymaster 127.0.0.1 6379 rename-command CONFIG cfg\n"));
    assert_null(strstr(buf_data(&f.notes), "geheim"));
}

/* What is taken here is written to the file, and must be read from it at the next start. */
static void test_numbers_are_those_of_the_file(void **state)
{
    static const char *const too_large[] = {
        "SENTINEL SET mymaster down-after-milliseconds 1099511627777",
        "SENTINEL SET mymaster failover-timeout 1099511627777",
        "SENTINEL SET mymaster refused-after-milliseconds 1099511627777",
        "SENTINEL SET mymaster master-reboot-down-after-period 1099511627777",
        "SENTINEL SET mymaster parallel-syncs 2147483648",
        "SENTINEL SET mymaster quorum 2147483648",
        "SENTINEL DEBUG default-down-after 1099511627777",
        "SENTINEL MONITOR b 127.0.0.1 7000 2147483648",
    };
    int fd = fixture_connect(&f);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(too_large); i++) {
        struct buf heard = {0};

        fixture_ask(&f, fd, too_large[i]);
        assert_true(fixture_hear(&f, fd, &heard));
        assert_int_equal(strncmp(buf_data(&heard), "-ERR Invalid ", 13), 0);
        buf_finish(&heard);
    }
    fixture_say(&f, fd, "SENTINEL SET mymaster quorum 2147483647 failover-timeout 1099511627776",
                "+OK\r\n");
    close(fd);
}

/* The file system is not ours: a script may vanish between its check and its use. */
static void test_script_that_vanishes(void **state)
{
    char path[] = "/tmp/test_port_XXXXXX";
    struct buf line = {0};
    int fd = fixture_connect(&f);
    int script = mkstemp(path);

    (void)state;
    assert_true(script >= 0);
    assert_int_equal(fchmod(script, 0700), 0);
    close(script);
    f.conf.deny_scripts_reconfig = false;
    f.removed_at_note = path;
    buf_printf(&line, "SENTINEL SET mymaster quorum 3 notification-script %s", path);
    fixture_say(&f, fd, buf_data(&line), "+OK\r\n");
    assert_string_equal(sentinel_conf_find(&f.conf, "mymaster")->notification_script, path);
    buf_finish(&line);
    close(fd);
}

static void test_config(void **state)
{
    static const struct talk lines[] = {
        {"SENTINEL CONFIG SET announce-port 99999 loglevel debug",
         "-ERR Invalid value '99999' to SENTINEL CONFIG SET 'announce-port'\r\n"},
        {"SENTINEL CONFIG SET loglevel debug announce-ip",
         "-ERR Missing argument 'announce-ip' value\r\n"},
        {"SENTINEL CONFIG SET loglevel debug loglevel debug",
         "-ERR Duplicate argument 'loglevel' to SENTINEL CONFIG SET\r\n"},
        {"SENTINEL CONFIG GET loglevel", "*2\r\n$8\r\nloglevel\r\n$6\r\nnotice\r\n"},
        {"SENTINEL CONFIG SET loglevel debug sentinel-pass p", "+OK\r\n"},
        {"SENTINEL CONFIG GET LOG* sentinel-pass loglevel",
         "*4\r\n$8\r\nloglevel\r\n$5\r\ndebug\r\n$13\r\nsentinel-pass\r\n$1\r\np\r\n"},
    };

    (void)state;
    TALK(lines);
    assert_int_equal(f.changes, SENTINEL_CHANGED_PEER_AUTH | SENTINEL_CHANGED_LOGLEVEL);
}

/* What ACL made of the users goes into the file, a new one alone too. */
static void test_users_are_exported(void **state)
{
    int fd = fixture_connect(&f);

    (void)state;
    sentinel_export_users(f.port, &f.conf);
    assert_int_equal(f.conf.user_lines.count, 0);
    fixture_say(&f, fd, "ACL SETUSER nobody +nonsense",
                "-ERR Error in ACL SETUSER modifier '+nonsense': Unknown command or category name "
                "in ACL\r\n");
    fixture_say(&f, fd, "ACL DELUSER nobody", ":0\r\n");
    sentinel_export_users(f.port, &f.conf);
    assert_int_equal(f.conf.user_lines.count, 0);
    fixture_say(&f, fd, "ACL SETUSER bob on nopass +ping", "+OK\r\n");
    sentinel_export_users(f.port, &f.conf);
    assert_int_equal(f.conf.user_lines.count, 2);
    assert_string_equal(f.conf.user_lines.items[0].text, "bob on nopass resetchannels -@all +ping");
    fixture_say(&f, fd, "ACL DELUSER bob", ":1\r\n");
    sentinel_export_users(f.port, &f.conf);
    assert_int_equal(f.conf.user_lines.count, 1);
    close(fd);
}

static void test_hello(void **state)
{
    int fd = fixture_connect(&f);

    (void)state;
    fixture_say(&f, fd, "PUBLISH __sentinel__:hello a,b,c", ":1\r\n");
    assert_string_equal(buf_data(&f.hello), "a,b,c\n");
    close(fd);
}

/* A client whose command waits for the disk gets all its replies, in order, when it is done; the
 * others are served meanwhile. */
static void test_waits_for_disk(void **state)
{
    int fd = fixture_connect(&f);
    int other = fixture_connect(&f);

    (void)state;
    f.hold_disk = true;
    fixture_ask(&f, fd,
                "PING 1\r\nSENTINEL SET mymaster quorum 5\r\nPING 2\r\nSENTINEL MYID\r\nGET");
    fixture_expect(&f, fd, "$1\r\n1\r\n");
    fixture_expect_silence(&f, fd);
    fixture_say(&f, other, "PING", "+PONG\r\n");
    fixture_ask(&f, fd, "PING 3");
    fixture_expect_silence(&f, fd);
    f.hold_disk = false;
    fixture_disk(&f);
    fixture_expect(&f, fd,
                   "+OK\r\n$1\r\n2\r\n$40\r\n0123456789abcdef0123456789abcdef01234567\r\n"
                   "-ERR unknown command 'GET', with args beginning with: \r\n$1\r\n3\r\n");
    close(fd);
    close(other);
}

static void test_disk_fails(void **state)
{
    int fd = fixture_connect(&f);

    (void)state;
    f.disk_fails = true;
    fixture_say(&f, fd, "SENTINEL FLUSHCONFIG",
                "-ERR Failed to save config file. Check server logs.\r\n");
    close(fd);
}

/* A client that goes away while its command waits: the answer finds nobody. */
static void test_gone_while_waiting(void **state)
{
    struct sentinel_counters n;
    int fd = fixture_connect(&f);
    struct buf heard = {0};

    (void)state;
    f.refuse_answers = true;
    fixture_ask(&f, fd, "SENTINEL FLUSHCONFIG");
    assert_true(fixture_hear(&f, fd, &heard));
    int killer = fixture_connect(&f);
    fixture_say(&f, killer, "CLIENT KILL ID 1", ":1\r\n");
    fixture_expect_closed(&f, fd);
    sentinel_reply_command(f.port, 1, RESULT_OK, 0);
    sentinel_reply_command(f.port, 2, RESULT_OK, 0); /* does not wait */
    fixture_say(&f, killer, "PING", "+PONG\r\n");
    sentinel_counters(f.port, &n);
    assert_int_equal(n.clients, 1);
    buf_finish(&heard);
    close(killer);
}

static void test_reply_modes(void **state)
{
    static const struct talk lines[] = {
        {"CLIENT REPLY SKIP\r\nPING 1\r\nPING 2", "$1\r\n2\r\n"},
        {"CLIENT REPLY OFF\r\nPING 1\r\nSENTINEL FLUSHCONFIG\r\nCLIENT REPLY ON", "+OK\r\n"},
        {"PING 3\r\nCLIENT REPLY SKIP\r\nSENTINEL FLUSHCONFIG\r\nPING 4", "$1\r\n3\r\n$1\r\n4\r\n"},
        {"PING 5\r\nCLIENT REPLY OFF\r\nPING 6\r\nCLIENT REPLY ON", "$1\r\n5\r\n+OK\r\n"},
    };

    (void)state;
    TALK(lines);
}

static void test_pause(void **state)
{
    int fd = fixture_connect(&f);
    int other = fixture_connect(&f);

    (void)state;
    fixture_say(&f, fd, "CLIENT PAUSE 100000", "+OK\r\n");
    fixture_ask(&f, other, "PING 1\r\nPING 2");
    fixture_expect_silence(&f, other);
    fixture_say(&f, fd, "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 0 *",
                "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n");
    fixture_say(&f, fd, "CLIENT UNPAUSE", "+OK\r\n");
    fixture_expect(&f, other, "$1\r\n1\r\n$1\r\n2\r\n");
    fixture_say(&f, fd, "CLIENT PAUSE 30", "+OK\r\n");
    fixture_say(&f, other, "PING 3", "$1\r\n3\r\n");
    fixture_say(&f, fd, "CLIENT PAUSE 100000", "+OK\r\n");
    fixture_ask(&f, other, "PING 4");
    fixture_expect_silence(&f, other);
    fixture_say(&f, fd, "CLIENT UNPAUSE\r\nCLIENT PAUSE 100000 WRITE", "+OK\r\n+OK\r\n");
    fixture_expect(&f, other, "$1\r\n4\r\n"); /* a pause of writes pauses nothing here */
    close(fd);
    close(other);
}

static void test_kill(void **state)
{
    int fd = fixture_connect(&f);
    int other = fixture_connect(&f);

    (void)state;
    fixture_say(&f, fd, "CLIENT ID", ":1\r\n");
    fixture_say(&f, other, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    fixture_say(&f, fd, "CLIENT KILL TYPE pubsub", ":1\r\n");
    fixture_expect_closed(&f, other);
    fixture_say(&f, fd, "CLIENT KILL 1.2.3.4:5", "-ERR No such client\r\n");
    fixture_say(&f, fd, "CLIENT KILL ID 1", ":0\r\n");
    fixture_say(&f, fd, "CLIENT KILL ID 1 SKIPME no", ":1\r\n");
    fixture_expect_closed(&f, fd);
    assert_int_equal(sentinel_publish(f.port, "a", "x"), 0);
}

/* The ids of a CLIENT LIST reply, as "3 1 ". */
static void list_ids(int fd, const char *line, char ids[64])
{
    struct buf heard = {0};

    ids[0] = '\0';
    fixture_ask(&f, fd, line);
    assert_true(fixture_hear(&f, fd, &heard));
    for (const char *at = strstr(buf_data(&heard), "id="); at != NULL; at = strstr(at, "\nid=")) {
        at += *at == '\n' ? strlen("\nid=") : strlen("id=");
        size_t len = strlen(ids);
        size_t digits = strspn(at, "0123456789");
        assert_true(len + digits + 2 <= 64);
        memcpy(ids + len, at, digits);
        memcpy(ids + len + digits, " ", 2);
    }
    buf_finish(&heard);
}

/* As in Redis each id is looked up by itself: the order and the repetitions are the caller's. */
static void test_list_by_id(void **state)
{
    int fd = fixture_connect(&f);
    int other = fixture_connect(&f);
    char ids[64];

    (void)state;
    fixture_say(&f, fd, "CLIENT ID", ":1\r\n");
    fixture_say(&f, other, "CLIENT ID", ":2\r\n");
    list_ids(fd, "CLIENT LIST", ids);
    assert_string_equal(ids, "1 2 ");
    list_ids(fd, "CLIENT LIST ID 2 7 1 2", ids);
    assert_string_equal(ids, "2 1 2 ");
    fixture_say(&f, fd, "CLIENT LIST ID 0 -1", "$0\r\n\r\n");
    fixture_say(&f, fd, "CLIENT LIST ID 1 x", "-ERR Invalid client ID\r\n");
    close(fd);
    close(other);
}

/* Complaints of Redis 7.0 about words too many. */
static void test_client_usage(void **state)
{
    static const struct talk lines[] = {
        {"CLIENT PAUSE 1 ALL x",
         "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.\r\n"},
        {"CLIENT UNBLOCK 1 ERROR x", "-ERR unknown subcommand or wrong number of arguments for "
                                     "'UNBLOCK'. Try CLIENT HELP.\r\n"},
        {"CLIENT CACHING YES",
         "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
         "OPTOUT mode enabled\r\n"},
    };

    (void)state;
    TALK(lines);
}

static void test_quit_and_reset(void **state)
{
    int fd = fixture_connect(&f);

    (void)state;
    fixture_say(&f, fd, "CLIENT SETNAME x", "+OK\r\n");
    fixture_say(&f, fd, "RESET", "+RESET\r\n");
    fixture_say(&f, fd, "CLIENT GETNAME", "$-1\r\n");
    fixture_say(&f, fd, "QUIT\r\nPING", "+OK\r\n");
    fixture_expect_closed(&f, fd);
}

static void test_shutdown(void **state)
{
    int fd = fixture_connect(&f);

    (void)state;
    fixture_say(&f, fd, "SHUTDOWN SAVE NOSAVE", "-ERR syntax error\r\n");
    fixture_say(&f, fd, "SHUTDOWN ABORT", "-ERR No shutdown in progress.\r\n");
    assert_false(f.shutdown_asked);
    fixture_ask(&f, fd, "SHUTDOWN NOSAVE NOW");
    fixture_expect_closed(&f, fd);
    assert_true(f.shutdown_asked);
}

static void test_help(void **state)
{
    int fd = fixture_connect(&f);
    struct buf heard = {0};

    (void)state;
    fixture_ask(&f, fd, "SENTINEL HELP\r\nCLIENT HELP\r\nCOMMAND HELP\r\nACL HELP\r\nPING");
    assert_true(fixture_hear(&f, fd, &heard));
    struct resp_reply_reader reader = {0};
    const struct resp_value *value;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(resp_reply_read(&reader, &heard, &resp_reply_limits_default, &value),
                         RESP_READY);
        assert_true(resp_is(value, RESP_ARRAY));
        for (size_t line = 0; line < value->count; line++) {
            assert_true(resp_is(resp_item(value, line), RESP_SIMPLE));
            assert_true(strlen(resp_text(resp_item(value, line))) <= 100);
        }
    }
    assert_int_equal(resp_reply_read(&reader, &heard, &resp_reply_limits_default, &value),
                     RESP_READY);
    assert_true(resp_text_is(value, "PONG"));
    resp_reply_finish(&reader);
    buf_finish(&heard);
    close(fd);
}

/* Each reply of COMMAND and INFO is well formed in both protocols. */
static void test_shapes(void **state)
{
    static const char *const lines[] = {"COMMAND",
                                        "COMMAND DOCS",
                                        "COMMAND INFO",
                                        "COMMAND LIST",
                                        "INFO",
                                        "CLIENT LIST",
                                        "CLIENT TRACKINGINFO",
                                        "SENTINEL MASTERS",
                                        "SENTINEL DEBUG",
                                        "SENTINEL CONFIG GET *",
                                        "ACL LIST",
                                        "ACL CAT",
                                        "ACL GETUSER default",
                                        "HELLO",
                                        "COMMAND INFO nope ping"};

    (void)state;
    for (int version = 2; version <= 3; version++) {
        int fd = fixture_connect(&f);
        struct buf heard = {0};
        struct resp_reply_reader reader = {0};
        const struct resp_value *value;
        char hello[] = "HELLO 2";

        hello[6] = (char)('0' + version);
        fixture_ask(&f, fd, hello);
        for (size_t i = 0; i < COUNT_OF(lines); i++) {
            fixture_ask(&f, fd, lines[i]);
        }
        assert_true(fixture_hear(&f, fd, &heard));
        for (size_t i = 0; i < COUNT_OF(lines) + 1; i++) {
            assert_int_equal(resp_reply_read(&reader, &heard, &resp_reply_limits_default, &value),
                             RESP_READY);
            assert_false(resp_is(value, RESP_ERROR));
        }
        assert_int_equal(resp_reply_read(&reader, &heard, &resp_reply_limits_default, &value),
                         RESP_MORE);
        assert_int_equal(heard.len, 0);
        resp_reply_finish(&reader);
        buf_finish(&heard);
        close(fd);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_errors),
        TEST(test_sentinel),
        TEST(test_monitor),
        TEST(test_monitor_by_name),
        TEST(test_set_is_atomic),
        TEST(test_set),
        TEST(test_numbers_are_those_of_the_file),
        TEST(test_script_that_vanishes),
        TEST(test_config),
        TEST(test_users_are_exported),
        TEST(test_hello),
        TEST(test_waits_for_disk),
        TEST(test_disk_fails),
        TEST(test_gone_while_waiting),
        TEST(test_reply_modes),
        TEST(test_pause),
        TEST(test_kill),
        TEST(test_list_by_id),
        TEST(test_client_usage),
        TEST(test_quit_and_reset),
        TEST(test_shutdown),
        TEST(test_help),
        TEST(test_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

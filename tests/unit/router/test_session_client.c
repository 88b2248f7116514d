#include "session_fakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static struct fake_world world;

static int open_world(void **state)
{
    (void)state;
    fake_open(&world);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    fake_close(&world);
    return 0;
}

/* What a client is answered at once. */
static void assert_answer(struct fake_session *c, const char *words, const char *answer)
{
    assert_int_equal(fake_client(c, words), REQUEST_TAKEN);
    assert_bytes(&c->out, answer);
}

/* What is sent to Redis; the client has no answer yet. */
static void assert_sent(struct fake_session *c, struct fake_backend *to, const char *words,
                        const char *sent)
{
    struct request request;
    struct buf bytes = {0};

    assert_int_equal(fake_client(c, words), REQUEST_TAKEN);
    assert_string_equal(buf_data(&c->out), "");
    fake_request(&request, &bytes, sent);
    assert_string_equal(buf_data(&to->got), buf_data(&bytes));
    buf_clear(&to->got);
    buf_finish(&bytes);
}

/* ---- Redis' words ---- */

/* As Redis 7.0.15 answers, asked with these requests. */
static const struct {
    const char *words;
    const char *answer;
} answers[] = {
    {"", "-ERR wrong number of arguments for 'client' command\r\n"},
    {"FOO", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n"},
    {"Foo BAR", "-ERR unknown subcommand 'Foo'. Try CLIENT HELP.\r\n"},
    {"MAINT_NOTIFICATIONS ON",
     "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n"},
    {"ID x", "-ERR wrong number of arguments for 'client|id' command\r\n"},
    {"getname x", "-ERR wrong number of arguments for 'client|getname' command\r\n"},
    {"SETNAME", "-ERR wrong number of arguments for 'client|setname' command\r\n"},
    {"INFO x", "-ERR wrong number of arguments for 'client|info' command\r\n"},
    {"HELP x", "-ERR wrong number of arguments for 'client|help' command\r\n"},
    {"LIST x", "-ERR syntax error\r\n"},
    {"LIST TYPE", "-ERR syntax error\r\n"},
    {"LIST TYPE foo", "-ERR Unknown client type 'foo'\r\n"},
    {"LIST TYPE normal x", "-ERR syntax error\r\n"},
    {"LIST ID", "-ERR syntax error\r\n"},
    {"LIST ID x", "-ERR Invalid client ID\r\n"},
    {"LIST ID 1 12x", "-ERR Invalid client ID\r\n"},
    {"LIST ID 0", "$0\r\n\r\n"},
    {"LIST ID 999 -1", "$0\r\n\r\n"},
    {"KILL", "-ERR wrong number of arguments for 'client|kill' command\r\n"},
    {"KILL 1.1.1.1:1", "-ERR No such client\r\n"},
    {"KILL ID", "-ERR No such client\r\n"},
    {"KILL ID 0", "-ERR client-id should be greater than 0\r\n"},
    {"KILL ID -1", "-ERR client-id should be greater than 0\r\n"},
    {"KILL ID x", "-ERR client-id should be greater than 0\r\n"},
    {"KILL ID 999", ":0\r\n"},
    {"KILL ADDR 1.1.1.1:1 LADDR", "-ERR syntax error\r\n"},
    {"KILL TYPE foo", "-ERR Unknown client type 'foo'\r\n"},
    {"KILL TYPE master", ":0\r\n"},
    {"KILL USER foo", "-ERR No such user 'foo'\r\n"},
    {"KILL USER foo ID x", "-ERR No such user 'foo'\r\n"},
    {"KILL FOO x", "-ERR syntax error\r\n"},
    {"KILL SKIPME maybe", "-ERR syntax error\r\n"},
    {"KILL SKIPME yes", ":0\r\n"},
    {"KILL MAXAGE x", "-ERR maxage is not an integer or out of range\r\n"},
    {"KILL MAXAGE 0", "-ERR maxage should be greater than 0\r\n"},
    {"REPLY", "-ERR wrong number of arguments for 'client|reply' command\r\n"},
    {"REPLY foo", "-ERR syntax error\r\n"},
    {"REPLY on x", "-ERR wrong number of arguments for 'client|reply' command\r\n"},
    {"UNBLOCK", "-ERR wrong number of arguments for 'client|unblock' command\r\n"},
    {"UNBLOCK x", "-ERR value is not an integer or out of range\r\n"},
    {"UNBLOCK 1 foo", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n"},
    {"UNBLOCK x foo", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n"},
    {"UNBLOCK 1 timeout error", "-ERR unknown subcommand or wrong number of arguments for "
                                "'UNBLOCK'. Try CLIENT HELP.\r\n"},
    {"UNBLOCK 99", ":0\r\n"},
    {"UNBLOCK -1", ":0\r\n"},
    {"NO-EVICT", "-ERR wrong number of arguments for 'client|no-evict' command\r\n"},
    {"NO-EVICT foo", "-ERR syntax error\r\n"},
    {"TRACKING", "-ERR wrong number of arguments for 'client|tracking' command\r\n"},
    {"TRACKING foo", "-ERR syntax error\r\n"},
    {"TRACKING foo bar", "-ERR syntax error\r\n"},
    {"TRACKING OFF foo", "-ERR syntax error\r\n"},
    {"TRACKING ON REDIRECT", "-ERR syntax error\r\n"},
    {"TRACKING ON REDIRECT x", "-ERR value is not an integer or out of range\r\n"},
    {"TRACKING ON REDIRECT 0", "-ERR The client ID you want redirect to does not exist\r\n"},
    {"TRACKING ON REDIRECT 9", "-ERR The client ID you want redirect to does not exist\r\n"},
    {"TRACKING OFF REDIRECT 9", "-ERR The client ID you want redirect to does not exist\r\n"},
    {"TRACKING ON REDIRECT 1 REDIRECT 1",
     "-ERR A client can only redirect to a single other client\r\n"},
    {"TRACKING ON PREFIX", "-ERR syntax error\r\n"},
    {"TRACKING ON PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled\r\n"},
    {"TRACKING ON BCAST PREFIX a PREFIX ab",
     "-ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single client "
     "must not overlap.\r\n"},
    {"TRACKING ON BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n"},
    {"TRACKING ON OPTIN OPTOUT", "-ERR You can't specify both OPTIN mode and OPTOUT mode\r\n"},
    {"TRACKING ON OPTIN BCAST foo", "-ERR syntax error\r\n"},
    {"TRACKINGINFO x", "-ERR wrong number of arguments for 'client|trackinginfo' command\r\n"},
    {"GETREDIR x", "-ERR wrong number of arguments for 'client|getredir' command\r\n"},
    {"GETREDIR", ":-1\r\n"},
    {"CACHING", "-ERR wrong number of arguments for 'client|caching' command\r\n"},
    {"PAUSE", "-ERR wrong number of arguments for 'client|pause' command\r\n"},
    {"UNPAUSE x", "-ERR wrong number of arguments for 'client|unpause' command\r\n"},
    /* later ones: as 7.2 */
    {"SETINFO lib-name", "-ERR wrong number of arguments for 'client|setinfo' command\r\n"},
    {"SETINFO foo bar", "-ERR Unrecognized option 'foo'\r\n"},
};

static void errors_are_in_redis_words(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        assert_answer(c, answers[i].words, answers[i].answer);
    }
    assert_int_equal(world.shared.got.len, 0);
    assert_int_equal(c->own.got.len, 0);
    assert_int_equal(c->s.pins, 0);
}

static void words_of_clients_forge_nothing(void **state)
{
    static const char bytes[] = "*2\r\n$6\r\nCLIENT\r\n$5\r\na\r\nb\xff\r\n";
    struct fake_session *c = fake_session(&world, RESP_2);
    struct request r = {.bytes = bytes,
                        .len = sizeof(bytes) - 1,
                        .argc = 2,
                        .second = {.bytes = bytes + 20, .len = 5}};
    char name[200];

    (void)state;
    assert_int_equal(session_client(&c->s, &r), REQUEST_TAKEN);
    assert_bytes(&c->out, "-ERR unknown subcommand 'a  b\xff'. Try CLIENT HELP.\r\n");
    memset(name, 'F', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(fake_client(c, name), REQUEST_TAKEN);
    assert_int_equal(c->out.len, strlen("-ERR unknown subcommand ''. Try CLIENT HELP.\r\n") + 128);
    buf_clear(&c->out);
}

/* ---- who a client is ---- */

static void names_are_kept(void **state)
{
    struct fake_session *two = fake_session(&world, RESP_2);
    struct fake_session *three = fake_session(&world, RESP_3);

    (void)state;
    assert_answer(two, "ID", ":1\r\n");
    assert_answer(three, "ID", ":2\r\n");
    assert_answer(two, "GETNAME", "$-1\r\n");
    assert_answer(three, "GETNAME", "_\r\n");
    assert_answer(two, "SETNAME a|b", "+OK\r\n");
    assert_answer(two, "GETNAME", "$3\r\na|b\r\n");
    assert_answer(two, "SETNAME a\tb",
                  "-ERR Client names cannot contain spaces, newlines or "
                  "special characters.\r\n");
    assert_answer(two, "GETNAME", "$3\r\na|b\r\n");
    assert_answer(two, "SETNAME ''", "+OK\r\n");
    assert_answer(two, "GETNAME", "$-1\r\n");
    assert_answer(two, "SETINFO LIB-NAME redis-py", "+OK\r\n");
    assert_answer(two, "setinfo lib-ver 8.0", "+OK\r\n");
    assert_answer(two, "SETINFO lib-ver 8\t0",
                  "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n");
    assert_string_equal(two->s.lib_name, "redis-py");
    assert_string_equal(two->s.lib_ver, "8.0");
}

static void long_names_are_refused(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);
    struct buf bytes = {0};
    struct buf name = {0};

    (void)state;
    for (size_t len = CLIENT_NAME_MAX_BYTES; len <= CLIENT_NAME_MAX_BYTES + 1; len++) {
        buf_clear(&name);
        buf_printf(&name, "%0*d", (int)len, 7);
        buf_clear(&bytes);
        RESP_COMMAND(&bytes, "CLIENT", "SETNAME", buf_data(&name));
        struct request r = {.bytes = buf_data(&bytes), .len = bytes.len, .argc = 3};
        r.second = (struct resp_text){.bytes = "SETNAME", .len = 7};
        assert_int_equal(session_client(&c->s, &r), REQUEST_TAKEN);
        assert_int_equal(buf_data(&c->out)[0], len > CLIENT_NAME_MAX_BYTES ? '-' : '+');
        buf_clear(&c->out);
    }
    assert_int_equal(strlen(c->s.name), CLIENT_NAME_MAX_BYTES);
    buf_finish(&bytes);
    buf_finish(&name);
}

static void replies_are_turned_off_and_on(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);

    (void)state;
    assert_answer(c, "REPLY skip", "");
    assert_int_equal(c->s.reply_mode, REPLY_SKIP_NEXT);
    assert_answer(c, "REPLY OFF", "");
    assert_answer(c, "REPLY SKIP", "");
    assert_int_equal(c->s.reply_mode, REPLY_OFF);
    assert_answer(c, "ID", "");
    assert_answer(c, "REPLY foo", "");
    assert_answer(c, "REPLY ON", "+OK\r\n");
    assert_int_equal(c->s.reply_mode, REPLY_ON);
}

static void help_is_a_list_of_lines(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);
    struct resp_scan scan = {0};
    size_t used = 0;

    (void)state;
    assert_int_equal(fake_client(c, "HELP"), REQUEST_TAKEN);
    assert_int_equal(resp_scan_reply(&scan, buf_data(&c->out), c->out.len, &used), RESP_READY);
    assert_int_equal(used, c->out.len);
    assert_non_null(strstr(buf_data(&c->out), "+CLIENT <subcommand> [<arg> [value] [opt] ...]. "
                                              "Subcommands are:\r\n"));
}

/* ---- LIST, INFO ---- */

static void a_line_has_the_fields_of_redis(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);
    uint16_t replies;

    (void)state;
    assert_answer(c, "SETNAME me", "+OK\r\n");
    assert_answer(c, "SETINFO lib-name lib", "+OK\r\n");
    world.now_ms += 3500;
    assert_int_equal(fake_client(c, "INFO"), REQUEST_TAKEN);
    char expected[700];
    char line[600];
    (void)snprintf(
        line, sizeof(line),
        "id=1 addr=127.0.0.1:40000 laddr=127.0.0.1:6379 fd=9 name=me age=3 idle=3 "
        "flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 "
        "multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=%zu events=r cmd=client|info "
        "user=default redir=-1 resp=2 lib-name=lib lib-ver=\n",
        sizeof(struct session));
    (void)snprintf(expected, sizeof(expected), "$%zu\r\n%s\r\n", strlen(line), line);
    assert_bytes(&c->out, expected);
    assert_true(fake_subscribing(c, "SUBSCRIBE a b", &replies));
    assert_true(fake_subscribing(c, "PSUBSCRIBE a", &replies));
    c->s.pins = PIN_MULTI | PIN_SUBSCRIBED;
    c->s.database = 3;
    c->s.version = RESP_3;
    world.endpoint.is_unix = true;
    text_cut(world.endpoint.text, sizeof(world.endpoint.text), "/run/r.sock");
    session_client_line(&c->s, &c->out);
    assert_non_null(strstr(buf_data(&c->out), " addr=/run/r.sock:0 laddr=/run/r.sock:0 "));
    assert_non_null(strstr(buf_data(&c->out), " flags=PxU db=3 sub=2 psub=1 ssub=0 multi=0 "));
    assert_non_null(strstr(buf_data(&c->out), " cmd=NULL user=default redir=-1 resp=3 "));
}

/* The ids of the lines a client is shown, as "1 2 ". */
static void assert_listed(struct fake_session *c, const char *words, const char *ids)
{
    struct buf got = {0};

    assert_int_equal(fake_client(c, words), REQUEST_TAKEN);
    assert_int_equal(buf_data(&c->out)[0], '$');
    for (const char *at = strstr(buf_data(&c->out), "id="); at != NULL; at = strstr(at, "\nid=")) {
        at += *at == '\n' ? 4 : 3;
        buf_printf(&got, "%ld ", strtol(at, NULL, 10));
    }
    assert_string_equal(buf_data(&got), ids);
    buf_finish(&got);
    buf_clear(&c->out);
}

static void lists_are_filtered(void **state)
{
    struct fake_session *one = fake_session(&world, RESP_2);
    struct fake_session *two = fake_session(&world, RESP_2);
    uint16_t replies;

    (void)state;
    (void)fake_session(&world, RESP_2);
    assert_true(fake_subscribing(two, "SSUBSCRIBE a", &replies));
    assert_listed(one, "LIST", "1 2 3 ");
    assert_listed(one, "LIST TYPE normal", "1 3 ");
    assert_listed(one, "list type PUBSUB", "2 ");
    assert_listed(one, "LIST TYPE replica", "");
    assert_listed(one, "LIST ID 3 9 1 3", "3 1 3 ");
    assert_int_equal(fake_client(one, "LIST ID 1"), REQUEST_TAKEN);
    assert_non_null(strstr(buf_data(&one->out), " cmd=client|list "));
}

/* A client that has its own Redis user is not shown those of others, nor may it close them. */
static void other_users_are_not_seen(void **state)
{
    static char name[] = "bob";
    struct identity bob = {.user = name, .next = NULL};
    struct fake_session *one = fake_session(&world, RESP_2);
    struct fake_session *two = fake_session(&world, RESP_2);

    (void)state;
    world.identity.next = &bob;
    two->s.identity = &bob;
    assert_listed(one, "LIST", "1 2 ");
    world.conf.client_auth = ROUTER_AUTH_PASS;
    assert_listed(one, "LIST", "1 ");
    assert_listed(one, "LIST ID 1 2", "1 ");
    assert_answer(one, "KILL ID 2", ":0\r\n");
    assert_answer(one, "KILL USER bob", ":0\r\n");
    world.conf.client_auth = ROUTER_AUTH_NONE;
    assert_answer(one, "KILL USER bob", ":1\r\n");
    assert_true(two->s.is_gone);
}

/* ---- KILL ---- */

static void clients_are_killed(void **state)
{
    struct fake_session *one = fake_session(&world, RESP_2);
    struct fake_session *two = fake_session(&world, RESP_2);
    struct fake_session *three = fake_session(&world, RESP_2);
    uint16_t replies;

    (void)state;
    assert_answer(one, "KILL ID 2", ":1\r\n");
    assert_true(two->s.is_gone);
    assert_false(two->was_flushed);
    assert_true(fake_subscribing(three, "PSUBSCRIBE a", &replies));
    assert_answer(one, "KILL TYPE pubsub ADDR 127.0.0.1:40000 LADDR 127.0.0.1:1", ":0\r\n");
    assert_answer(one, "KILL TYPE pubsub ADDR 127.0.0.1:40000 LADDR 127.0.0.1:6379", ":1\r\n");
    assert_true(three->s.is_gone);
    assert_answer(one, "KILL ID 1", ":0\r\n"); /* not itself, unless it says so */
    assert_false(one->s.is_gone);
    assert_int_equal(fake_client(one, "KILL ID 1 SKIPME no"), REQUEST_WAITS);
    assert_bytes(&one->out, ":1\r\n");
    assert_true(one->s.is_gone);
    assert_true(one->was_flushed); /* it is answered before */
}

static void the_old_kill_is_by_address(void **state)
{
    struct fake_session *one = fake_session(&world, RESP_2);

    (void)state;
    (void)fake_session(&world, RESP_2);
    assert_int_equal(fake_client(one, "KILL 127.0.0.1:40000"), REQUEST_WAITS);
    assert_bytes(&one->out, "+OK\r\n");
    assert_int_equal(world.worker.sessions_count, 0);
}

static void old_clients_are_killed(void **state)
{
    struct fake_session *one = fake_session(&world, RESP_2);

    (void)state;
    world.now_ms += 5000;
    struct fake_session *two = fake_session(&world, RESP_2);
    assert_answer(two, "KILL MAXAGE 6", ":0\r\n");
    assert_answer(two, "KILL MAXAGE 5", ":1\r\n");
    assert_true(one->s.is_gone);
}

/* ---- UNBLOCK ---- */

static void unblock_names_the_connection_at_redis(void **state)
{
    struct fake_session *one = fake_session(&world, RESP_2);
    struct fake_session *two = fake_session(&world, RESP_2);

    (void)state;
    assert_answer(one, "UNBLOCK 2", ":0\r\n"); /* it waits for nothing */
    two->s.in_flight = 1;
    assert_answer(one, "UNBLOCK 2", ":0\r\n"); /* on a shared connection nothing waits */
    assert_non_null(session_own_backend(&two->s));
    assert_sent(one, &world.shared, "UNBLOCK 2", "CLIENT UNBLOCK 102 TIMEOUT");
    assert_sent(one, &world.shared, "UNBLOCK 2 error", "CLIENT UNBLOCK 102 ERROR");
    two->own.b.redis_id = 0;
    assert_answer(one, "UNBLOCK 2", ":0\r\n");
    two->own.b.redis_id = 102;
    assert_true(addr_set(&two->own.b.addr, "127.0.0.1", 7002)); /* 102 is somebody else here */
    assert_answer(one, "UNBLOCK 2", ":0\r\n");
    world.has_shared = false;
    assert_int_equal(fake_client(one, "UNBLOCK 2"), REQUEST_WAITS);
    assert_int_equal(one->out.len, 0);
    two->s.in_flight = 0;
}

/* ---- flags ---- */

static void flags_pin_until_the_last_is_off(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_2);

    (void)state;
    assert_sent(c, &world.shared, "NO-EVICT off", "CLIENT NO-EVICT off");
    assert_int_equal(c->s.pins, 0);
    assert_sent(c, &c->own, "NO-EVICT on", "CLIENT NO-EVICT on");
    assert_sent(c, &c->own, "NO-TOUCH ON", "CLIENT NO-TOUCH ON");
    assert_int_equal(c->s.pins, PIN_FLAGS);
    assert_sent(c, &c->own, "NO-EVICT OFF", "CLIENT NO-EVICT OFF");
    assert_int_equal(c->s.pins, PIN_FLAGS);
    world.is_down = true;
    assert_answer(c, "NO-TOUCH OFF", "-ERR holdfast: no master\r\n");
    assert_int_equal(c->s.pins, PIN_FLAGS); /* it was not sent */
    world.is_down = false;
    assert_sent(c, &c->own, "NO-TOUCH OFF", "CLIENT NO-TOUCH OFF");
    assert_int_equal(c->s.pins, 0);
    assert_sent(c, &c->own, "PAUSE 0 foo", "CLIENT PAUSE 0 foo"); /* Redis judges */
    assert_int_equal(c->s.pins, PIN_ONCE);
}

/* ---- tracking ---- */

static void tracking_is_remembered(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_3);

    (void)state;
    assert_sent(c, &world.shared, "TRACKING OFF", "CLIENT TRACKING OFF");
    assert_sent(c, &world.shared, "TRACKINGINFO", "CLIENT TRACKINGINFO");
    assert_sent(c, &world.shared, "CACHING yes", "CLIENT CACHING yes");
    assert_int_equal(c->s.pins, 0);
    assert_sent(c, &c->own, "tracking on optin", "CLIENT TRACKING ON OPTIN");
    assert_int_equal(c->s.pins, PIN_TRACKING);
    assert_answer(c, "GETREDIR", ":0\r\n");
    assert_sent(c, &c->own, "TRACKINGINFO", "CLIENT TRACKINGINFO");
    assert_sent(c, &c->own, "CACHING yes", "CLIENT CACHING yes");
    assert_answer(c, "TRACKING ON OPTOUT",
                  "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this "
                  "client, and then re-enabling it with a different mode.\r\n");
    assert_answer(c, "TRACKING ON BCAST",
                  "-ERR You can't switch BCAST mode on/off before disabling tracking for this "
                  "client, and then re-enabling it with a different mode.\r\n");
    assert_sent(c, &c->own, "TRACKING ON NOLOOP", "CLIENT TRACKING ON NOLOOP");
    session_restore(&c->s, session_own_backend(&c->s));
    assert_bytes(&c->own.got,
                 "*4\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$6\r\nNOLOOP\r\n");
    assert_bytes(&c->out, ">2\r\n$10\r\ninvalidate\r\n_\r\n");
    assert_sent(c, &c->own, "TRACKING OFF", "CLIENT TRACKING OFF");
    assert_int_equal(c->s.pins, 0);
    assert_int_equal(c->s.tracking.len, 0);
    session_restore(&c->s, session_own_backend(&c->s));
    assert_int_equal(c->own.got.len + c->out.len, 0);
}

static void what_was_not_sent_is_not_remembered(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_3);

    (void)state;
    c->has_own = false;
    assert_int_equal(fake_client(c, "TRACKING ON"), REQUEST_WAITS);
    assert_int_equal(c->s.tracking.len, 0);
    world.is_down = true;
    assert_answer(c, "TRACKING ON", "-ERR holdfast: no master\r\n");
    assert_int_equal(c->s.tracking.len, 0);
    assert_int_equal(c->s.pins, 0);
}

static void prefixes_add_up(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_3);

    (void)state;
    assert_sent(c, &c->own, "TRACKING ON BCAST PREFIX a PREFIX b",
                "CLIENT TRACKING ON BCAST PREFIX a PREFIX b");
    assert_answer(c, "TRACKING ON BCAST PREFIX bc",
                  "-ERR Prefix 'bc' overlaps with an existing prefix 'b'. Prefixes for a single "
                  "client must not overlap.\r\n");
    assert_sent(c, &c->own, "TRACKING ON BCAST NOLOOP PREFIX c",
                "CLIENT TRACKING ON BCAST NOLOOP PREFIX c");
    assert_answer(c, "TRACKING ON",
                  "-ERR You can't switch BCAST mode on/off before disabling tracking for this "
                  "client, and then re-enabling it with a different mode.\r\n");
    session_restore(&c->s, session_own_backend(&c->s));
    struct request r;
    struct buf bytes = {0};
    fake_request(&r, &bytes, "CLIENT TRACKING ON BCAST NOLOOP PREFIX c PREFIX a PREFIX b");
    assert_bytes(&c->own.got, buf_data(&bytes));
    buf_finish(&bytes);
    buf_clear(&c->out);
    assert_sent(c, &c->own, "TRACKING ON BCAST", "CLIENT TRACKING ON BCAST");
    assert_answer(c, "TRACKING ON BCAST PREFIX x",
                  "-ERR Prefix 'x' overlaps with an existing prefix ''. Prefixes for a single "
                  "client must not overlap.\r\n");
}

static void number_of_prefixes_is_bounded(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_3);

    (void)state;
    for (int i = 0; i <= 256; i++) {
        char words[64];
        (void)snprintf(words, sizeof(words), "TRACKING ON BCAST PREFIX %03d", i);
        assert_int_equal(fake_client(c, words), REQUEST_TAKEN);
        assert_int_equal(c->out.len > 0, i == 256);
    }
    assert_bytes(&c->out, "-ERR holdfast: too many prefixes: at most 256\r\n");
}

/* Lost on its way, and asked again after session_restore() asked for what was remembered. */
static void tracking_may_be_asked_twice(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_3);
    struct request r;
    struct buf bytes = {0};

    (void)state;
    assert_sent(c, &c->own, "TRACKING ON BCAST PREFIX a", "CLIENT TRACKING ON BCAST PREFIX a");
    fake_request(&r, &bytes, "CLIENT TRACKING ON BCAST PREFIX a");
    r.is_redo = true;
    assert_int_equal(session_client(&c->s, &r), REQUEST_TAKEN);
    assert_bytes(&c->own.got, "*3\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$3\r\nOFF\r\n"
                              "*6\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nBCAST\r\n"
                              "$6\r\nPREFIX\r\n$1\r\na\r\n");
    assert_int_equal(c->out.len, 0);
    buf_finish(&bytes);
}

static void redirection_is_to_a_connection_at_redis(void **state)
{
    struct fake_session *one = fake_session(&world, RESP_2);
    struct fake_session *two = fake_session(&world, RESP_2);
    uint16_t replies;

    (void)state;
    assert_answer(one, "TRACKING ON REDIRECT 2", /* it has no connection of its own */
                  "-ERR The client ID you want redirect to does not exist\r\n");
    assert_int_equal(one->s.pins, 0);
    assert_null(one->s.backend); /* given back */
    assert_true(fake_subscribing(two, "SUBSCRIBE __redis__:invalidate", &replies));
    two->s.pins = PIN_SUBSCRIBED;
    assert_non_null(session_own_backend(&two->s));
    assert_sent(one, &one->own, "TRACKING ON REDIRECT 2 NOLOOP",
                "CLIENT TRACKING ON REDIRECT 102 NOLOOP");
    assert_answer(one, "GETREDIR", ":2\r\n");
    assert_answer(one, "TRACKINGINFO",
                  "*6\r\n$5\r\nflags\r\n*2\r\n$2\r\non\r\n$6\r\nnoloop\r\n"
                  "$8\r\nredirect\r\n:2\r\n$8\r\nprefixes\r\n*0\r\n");

    /* The one that reads is lost and back: the other is told to forget. */
    session_restore(&one->s, &one->own.b);
    assert_non_null(strstr(buf_data(&one->own.got), "$8\r\nREDIRECT\r\n$3\r\n102\r\n"));
    buf_clear(&one->own.got);
    assert_bytes(&two->out, "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");
    assert_int_equal(one->out.len, 0);

    /* The one that hears is lost and back, with another number. */
    two->own.b.redis_id = 777;
    session_restore(&two->s, &two->own.b);
    assert_memory_equal(buf_data(&one->own.got),
                        "*3\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$3\r\nOFF\r\n", 39);
    assert_non_null(strstr(buf_data(&one->own.got), "$8\r\nREDIRECT\r\n$3\r\n777\r\n"));
    assert_bytes(&two->out, "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");

    session_close(&two->s);
    assert_answer(
        one, "TRACKINGINFO",
        "*6\r\n$5\r\nflags\r\n*3\r\n$2\r\non\r\n$6\r\nnoloop\r\n$15\r\nbroken_redirect\r\n"
        "$8\r\nredirect\r\n:2\r\n$8\r\nprefixes\r\n*0\r\n");
}

/* Both are lost; the one that reads is back first. */
static void redirection_waits_for_who_hears(void **state)
{
    struct fake_session *one = fake_session(&world, RESP_3);
    struct fake_session *two = fake_session(&world, RESP_3);

    (void)state;
    two->s.pins = PIN_SUBSCRIBED;
    assert_non_null(session_own_backend(&two->s));
    assert_sent(one, &one->own, "TRACKING ON REDIRECT 2", "CLIENT TRACKING ON REDIRECT 102");
    two->s.backend = NULL;
    session_restore(&one->s, &one->own.b);
    assert_int_equal(one->own.got.len, 0);
    assert_int_equal(two->out.len, 0);
    two->own.b.redis_id = 888;
    session_restore(&two->s, session_own_backend(&two->s));
    assert_non_null(strstr(buf_data(&one->own.got), "$8\r\nREDIRECT\r\n$3\r\n888\r\n"));
    assert_bytes(&two->out, ">2\r\n$10\r\ninvalidate\r\n_\r\n");
}

/* ---- maintenance ---- */

static void failovers_are_told_once(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_3);

    (void)state;
    session_tell_failing_over(&c->s); /* it did not ask */
    session_tell_failed_over(&c->s);
    assert_int_equal(c->out.len, 0);
    assert_answer(c, "MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip", "+OK\r\n");
    assert_answer(c, "MAINT_NOTIFICATIONS ON moving-endpoint-type", "-ERR syntax error\r\n");
    assert_answer(c, "MAINT_NOTIFICATIONS maybe", "-ERR syntax error\r\n");
    session_tell_failed_over(&c->s); /* of nothing */
    assert_int_equal(c->out.len, 0);
    session_tell_failing_over(&c->s);
    session_tell_failing_over(&c->s);
    assert_bytes(&c->out, ">3\r\n$12\r\nFAILING_OVER\r\n:7\r\n:1\r\n");
    world.worker.route.generation = 8;
    session_tell_failed_over(&c->s);
    session_tell_failed_over(&c->s);
    assert_bytes(&c->out, ">2\r\n$11\r\nFAILED_OVER\r\n:8\r\n");
    assert_answer(c, "MAINT_NOTIFICATIONS OFF", "+OK\r\n");
    session_tell_failing_over(&c->s);
    assert_int_equal(c->out.len, 0);
}

/* Nothing may come between the parts of a reply. */
static void nothing_is_told_inside_a_reply(void **state)
{
    struct fake_session *c = fake_session(&world, RESP_3);

    (void)state;
    assert_answer(c, "MAINT_NOTIFICATIONS ON", "+OK\r\n");
    c->s.backend = &world.shared.b;
    world.shared.b.is_mid_reply = true;
    world.shared.b.count = 1;
    world.shared.ring[0].session = &c->s;
    session_tell_failing_over(&c->s);
    assert_int_equal(c->out.len, 0);
    world.shared.ring[0].session = NULL; /* another's reply */
    session_tell_failing_over(&c->s);
    assert_true(c->out.len > 0);
    c->s.backend = NULL;
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        IN_WORLD(errors_are_in_redis_words),
        IN_WORLD(words_of_clients_forge_nothing),
        IN_WORLD(names_are_kept),
        IN_WORLD(long_names_are_refused),
        IN_WORLD(replies_are_turned_off_and_on),
        IN_WORLD(help_is_a_list_of_lines),
        IN_WORLD(a_line_has_the_fields_of_redis),
        IN_WORLD(lists_are_filtered),
        IN_WORLD(other_users_are_not_seen),
        IN_WORLD(clients_are_killed),
        IN_WORLD(the_old_kill_is_by_address),
        IN_WORLD(old_clients_are_killed),
        IN_WORLD(unblock_names_the_connection_at_redis),
        IN_WORLD(flags_pin_until_the_last_is_off),
        IN_WORLD(tracking_is_remembered),
        IN_WORLD(what_was_not_sent_is_not_remembered),
        IN_WORLD(prefixes_add_up),
        IN_WORLD(number_of_prefixes_is_bounded),
        IN_WORLD(tracking_may_be_asked_twice),
        IN_WORLD(redirection_is_to_a_connection_at_redis),
        IN_WORLD(redirection_waits_for_who_hears),
        IN_WORLD(failovers_are_told_once),
        IN_WORLD(nothing_is_told_inside_a_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

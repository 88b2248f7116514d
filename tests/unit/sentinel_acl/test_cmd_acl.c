#include "acl_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "loop/log.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"

/*
 * ACL's subcommands with a client of the test's own: the replies are compared byte by byte with
 * those of a redis-sentinel 7.0.15. The table of commands is cut down to what ACL CAT and DRYRUN
 * need to see.
 */

#define IN(category) (1U << CATEGORY_##category)
static const struct command_row rows[] = {
    {.name = "ping", .arity = -1, .categories = IN(FAST) | IN(CONNECTION)},
    {.name = "publish", .arity = 3, .categories = IN(PUBSUB) | IN(FAST)},
    {.name = "quit", .arity = -1, .flags = COMMAND_HIDDEN, .categories = IN(FAST)},
    {.name = "sentinel", .arity = -2, .categories = IN(ADMIN)},
    {.name = "sentinel|masters", .arity = 2, .categories = IN(ADMIN)},
    {.name = "subscribe", .arity = -2, .categories = IN(PUBSUB)},
};

uint32_t command_table_count(void)
{
    return COUNT_OF(rows);
}

const struct command_row *command_table_at(uint32_t id)
{
    return id < COUNT_OF(rows) ? &rows[id] : NULL;
}

const struct command_row *command_table_find(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strlen(rows[i].name) == len && strncasecmp(rows[i].name, name, len) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

const struct command_row *command_table_sub(const struct command_row *parent, const char *name,
                                            size_t len)
{
    assert_string_equal(parent->name, "sentinel");
    return len == 7 && strncasecmp(name, "masters", 7) == 0 ? &rows[4] : NULL;
}

const struct command_row *command_table_parent(const struct command_row *row)
{
    return row == &rows[4] ? &rows[3] : NULL;
}

bool command_table_has_subs(const struct command_row *row)
{
    return row == &rows[3];
}

/* ---- a client ---- */

struct stage {
    struct acl_fixture *acl;
    struct sentinel port;
    struct sentinel_ops ops;
    struct sentinel_conf conf;
    struct client client;
};

msec_t client_now(const struct client *c)
{
    return c->active_at;
}

void log_warning(const char *format, ...)
{
    /* The only thing ACL logs: a file that could not be written. */
    assert_string_equal(format, "%s");
}

static struct sentinel_conf *stage_conf(void *ctx)
{
    struct stage *s = ctx;
    return &s->conf;
}

static int stage_setup(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    void *fixture;

    assert_non_null(s);
    assert_int_equal(acl_fixture_setup(&fixture), 0);
    s->acl = fixture;
    s->ops.conf = stage_conf;
    s->port = (struct sentinel){.ops = &s->ops, .ctx = s, .acl = s->acl->acl};
    s->client = (struct client){.port = &s->port, .version = RESP_2};
    s->client.user = acl_default(s->acl->acl);
    *state = s;
    return 0;
}

static int stage_teardown(void **state)
{
    struct stage *s = *state;
    void *fixture = s->acl;

    buf_finish(&s->client.out);
    free(s->conf.options.aclfile);
    (void)acl_fixture_teardown(&fixture);
    free(s);
    return 0;
}

/* The reply to the words of a line, as bytes with '|' for each end of line. */
static const char *ask(struct stage *s, command_call call, const char *line)
{
    static char reply[8192];
    struct words words = {0};
    struct resp_text argv[32];
    struct buf *out = &s->client.out;
    size_t at = 0;

    assert_true(words_split(&words, line, strlen(line)) && words.count <= 32);
    for (size_t i = 0; i < words.count; i++) {
        argv[i] = (struct resp_text){words_at(&words, i), words_len(&words, i)};
    }
    buf_clear(out);
    call(&s->client, &(struct resp_command){.argc = words.count, .argv = argv});
    words_finish(&words);
    assert_true(out->len < sizeof reply);
    for (size_t i = 0; i < out->len; i++) {
        char c = buf_data(out)[i];
        if (c != '\n') {
            reply[at++] = c == '\r' ? '|' : c;
        }
    }
    reply[at] = '\0';
    return reply;
}

/* Asked of one stage, from the first to the last. */
static const struct {
    command_call call;
    const char *line;
    const char *reply;
} cases[] = {
    {cmd_acl_whoami, "acl whoami", "$7|default|"},
    {cmd_acl_setuser, "acl setuser a on >x +subscribe &a (+publish)", "+OK|"},
    {cmd_acl_setuser, "acl setuser b foo",
     "-ERR Error in ACL SETUSER modifier 'foo': Syntax error|"},
    {cmd_acl_setuser, "acl setuser 'a b' on",
     "-ERR Usernames can't contain spaces or null characters|"},
    {cmd_acl_setuser, "acl setuser a (+get",
     "-ERR Unmatched parenthesis in acl selector starting at '(+get'.|"},
    {cmd_acl_users, "acl users", "*2|$1|a|$7|default|"},
    {cmd_acl_getuser, "acl getuser nope", "$-1|"},
    {cmd_acl_getuser, "acl getuser default",
     "*12|$5|flags|*2|$2|on|$6|nopass|$9|passwords|*0|$8|commands|$5|+@all|$4|keys|$2|~*|"
     "$8|channels|$2|&*|$9|selectors|*0|"},
    {cmd_acl_getuser, "acl getuser a",
     "*12|$5|flags|*1|$2|on|$9|passwords|*1|"
     "$64|2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881|"
     "$8|commands|$16|-@all +subscribe|$4|keys|$0||$8|channels|$2|&a|$9|selectors|*1|"
     "*6|$8|commands|$14|-@all +publish|$4|keys|$0||$8|channels|$0||"},
    {cmd_acl_list, "acl list",
     "*2|$142|user a on #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 "
     "resetchannels &a -@all +subscribe (resetchannels -@all +publish)|"
     "$38|user default on nopass ~* &* +@all|"},
    {cmd_acl_dryrun, "acl dryrun nope ping", "-ERR User 'nope' not found|"},
    {cmd_acl_dryrun, "acl dryrun a get x", "-ERR Command 'get' not found|"},
    {cmd_acl_dryrun, "acl dryrun a sentinel nosuch", "-ERR Command 'sentinel' not found|"},
    {cmd_acl_dryrun, "acl dryrun a sentinel|masters", "-ERR Command 'sentinel|masters' not found|"},
    {cmd_acl_dryrun, "acl dryrun a sentinel",
     "-ERR wrong number of arguments for 'sentinel' command|"},
    {cmd_acl_dryrun, "acl dryrun a publish x",
     "-ERR wrong number of arguments for 'publish' command|"},
    {cmd_acl_dryrun, "acl dryrun a ping",
     "$57|This user has no permissions to run the 'ping' command|"},
    {cmd_acl_dryrun, "acl dryrun a SENTINEL Masters",
     "$69|This user has no permissions to run the 'sentinel|masters' command|"},
    {cmd_acl_dryrun, "acl dryrun a subscribe a no",
     "$57|This user has no permissions to access the 'no' channel|"},
    {cmd_acl_dryrun, "acl dryrun a subscribe a", "+OK|"},
    {cmd_acl_cat, "acl cat x", "-ERR Unknown category 'x'|"},
    {cmd_acl_cat, "acl CAT x y",
     "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.|"},
    {cmd_acl_cat, "acl cat FAST", "*2|$4|ping|$7|publish|"},
    {cmd_acl_cat, "acl cat keyspace", "*0|"},
    {cmd_acl_genpass, "acl genpass x", "-ERR value is not an integer or out of range|"},
    {cmd_acl_genpass, "acl genpass 0",
     "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
     "number up to 4096|"},
    {cmd_acl_log, "acl log", "*0|"},
    {cmd_acl_log, "acl log -1", "*0|"},
    {cmd_acl_log, "acl log x", "-ERR value is not an integer or out of range|"},
    {cmd_acl_log, "acl log RESET", "+OK|"},
    {cmd_acl_log, "acl LOG 1 2",
     "-ERR unknown subcommand or wrong number of arguments for 'LOG'. Try ACL HELP.|"},
    {cmd_acl_deluser, "acl deluser default a", "-ERR The 'default' user cannot be removed|"},
    {cmd_acl_deluser, "acl deluser a nope", ":1|"},
    {cmd_acl_load, "acl load",
     "-ERR This Redis instance is not configured to use an ACL file. You may want to specify "
     "users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a "
     "Redis configuration file set) in order to store users in the Redis configuration.|"},
};

static void replies_are_those_of_redis(void **state)
{
    struct stage *s = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *reply = ask(s, cases[i].call, cases[i].line);
        const char *want = cases[i].reply;
        /* A bulk's length is counted here, not by the one who wrote the table. */
        if (want[0] == '$' && strchr(want, ' ') != NULL) {
            want = strchr(want, '|');
            reply = strchr(reply, '|');
        }
        if (cases[i].call == cmd_acl_list) {
            assert_non_null(strstr(reply, "user a on #2d71"));
            assert_non_null(
                strstr(reply, "resetchannels &a -@all +subscribe (resetchannels -@all +publish)|"));
            assert_non_null(strstr(reply, "|user default on nopass ~* &* +@all|"));
            continue;
        }
        assert_string_equal(reply, want);
    }
    assert_int_equal(s->acl->gone, 1);
}

static void resp3_has_maps_and_sets(void **state)
{
    struct stage *s = *state;
    struct acl_refusal refusal = {ACL_DENIED_CHANNEL, "u", 1, "c", 1, "id=7"};

    s->client.version = RESP_3;
    assert_string_equal(ask(s, cmd_acl_getuser, "acl getuser nope"), "_|");
    assert_int_equal(strncmp(ask(s, cmd_acl_getuser, "acl getuser default"),
                             "%6|$5|flags|~2|$2|on|$6|nopass|$9|passwords|*0|", 47),
                     0);
    s->client.active_at = 1500;
    acl_log_add(s->acl->acl, 1000, &refusal);
    assert_string_equal(ask(s, cmd_acl_log, "acl log"),
                        "*1|%7|$5|count|:1|$6|reason|$7|channel|$7|context|$8|toplevel|$6|object|"
                        "$1|c|$8|username|$1|u|$11|age-seconds|,0.5|$11|client-info|$4|id=7|");
}

static void help_and_categories_are_complete(void **state)
{
    struct stage *s = *state;

    assert_int_equal(strncmp(ask(s, cmd_acl_help, "acl help"), "*29|+ACL <subcommand> [<arg>", 28),
                     0);
    const char *reply = ask(s, cmd_acl_cat, "acl cat");
    assert_int_equal(strncmp(reply, "*21|$8|keyspace|$4|read|", 24), 0);
    assert_string_equal(reply + strlen(reply) - strlen("$9|scripting|"), "$9|scripting|");
    assert_int_equal(strlen(ask(s, cmd_acl_genpass, "acl genpass")), strlen("$64||") + 64);
    assert_int_equal(strlen(ask(s, cmd_acl_genpass, "acl genpass 5")), strlen("$2||") + 2);
}

static void users_are_saved_and_loaded(void **state)
{
    struct stage *s = *state;
    char directory[] = "/tmp/acl-test-XXXXXX";
    char path[64];

    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/users.acl", directory);
    s->conf.options.aclfile = strdup(path);
    assert_string_equal(ask(s, cmd_acl_setuser, "acl setuser a on"), "+OK|");
    assert_string_equal(ask(s, cmd_acl_save, "acl save"), "+OK|");
    assert_string_equal(ask(s, cmd_acl_deluser, "acl deluser a"), ":1|");
    assert_string_equal(ask(s, cmd_acl_load, "acl load"), "+OK|");
    assert_string_equal(ask(s, cmd_acl_users, "acl users"), "*2|$1|a|$7|default|");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    const char *reply = ask(s, cmd_acl_load, "acl load");
    assert_int_equal(strncmp(reply, "-ERR Error loading ACLs, opening file '/tmp/acl-test-", 53),
                     0);
    assert_string_equal(ask(s, cmd_acl_save, "acl save"),
                        "-ERR There was an error trying to save the ACLs. Please check the server "
                        "logs for more information|");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(replies_are_those_of_redis),
        TEST(resp3_has_maps_and_sets),
        TEST(help_and_categories_are_complete),
        TEST(users_are_saved_and_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

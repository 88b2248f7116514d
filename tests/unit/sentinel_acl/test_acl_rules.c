#include "acl_fixture.h"

#include <string.h>

#include "sentinel/acl_inside.h"

/* Rules and what they allow; the texts are those of a redis-sentinel 7.0.15. */

static void names_are_sorted_and_found(void **state)
{
    (void)state;
    for (int i = 0; i < acl_command_count(); i++) {
        const char *name = acl_command_name(i);
        assert_int_equal(acl_command_find(name, strlen(name)), i);
    }
    assert_int_equal(acl_command_find("SENTINEL|Masters", 16),
                     acl_command_find("sentinel|masters", 16));
    assert_int_equal(acl_command_find("pin", 3), ACL_COMMAND_NONE);
    assert_int_equal(acl_command_find("pingx", 5), ACL_COMMAND_NONE);
    assert_int_equal(acl_command_find("ping\0", 5), ACL_COMMAND_NONE);
    assert_int_equal(acl_command_find("", 0), ACL_COMMAND_NONE);
    int client = acl_command_find("client", 6);
    assert_int_equal(acl_command_end(client) - client, 21);
    int ping = acl_command_find("ping", 4);
    assert_int_equal(acl_command_end(ping), ping + 1);
}

static void default_user_may_do_all(void **state)
{
    struct acl_fixture *f = *state;

    assert_string_equal(acl_fixture_line(f, "default"), "user default on nopass ~* &* +@all");
    assert_true(acl_is_open(f->acl));
    assert_int_equal(acl_fixture_check(f, "default", "sentinel masters"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "default", "nosuch"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "default", "subscribe x y"), ACL_ALLOWED);
}

struct rule_case {
    const char *rules;
    const char *line; /* NULL: an error ... */
    const char *error;
};

static const struct rule_case rule_cases[] = {
    {"", "off resetchannels -@all", NULL},
    {"reset", "off sanitize-payload resetchannels -@all", NULL},
    {"ON Skip-Sanitize-Payload AllKeys", "on skip-sanitize-payload ~* resetchannels -@all", NULL},
    {"+PING +Client|List", "off resetchannels -@all +ping +client|list", NULL},
    {"+get +hset +cluster|info +@hash", "off resetchannels -@all +get +hset +cluster|info +@hash",
     NULL},
    {"+@all -@dangerous +client|list", "off resetchannels +@all -@dangerous +client|list", NULL},
    {"+client|list -client +client|kill", "off resetchannels -@all -client +client|kill", NULL},
    {"+ping -@fast +ping", "off resetchannels -@all -@fast +ping", NULL},
    {"+sentinel|primary +Sentinel|Masters -sentinel|primaries",
     "off resetchannels -@all +sentinel|master -sentinel|masters", NULL},
    {"+get allcommands -SET nocommands", "off resetchannels -@all", NULL},
    {"+ping|X +ping|X", "off resetchannels -@all +ping|X", NULL},
    {"%R~a %W~a ~b %RW~c %r~d", "off ~a ~b ~c %R~d resetchannels -@all", NULL},
    {"%R~a %W~b ~c %W~a", "off ~a %W~b ~c resetchannels -@all", NULL},
    {"%RW~*", "off ~* resetchannels -@all", NULL},
    {"~a %W~* ~b %R~*", "off ~* resetchannels -@all", NULL},
    {"~a resetkeys ~b", "off ~b resetchannels -@all", NULL},
    {"&a &b* &a", "off resetchannels &a &b* -@all", NULL},
    {"&a allchannels", "off &* -@all", NULL},
    {"(+ping ~x)", "off resetchannels -@all (~x resetchannels -@all +ping)", NULL},
    {"( +ping &x )", "off resetchannels -@all (resetchannels &x -@all +ping)", NULL},
    {"(+ping ~x) clearselectors ()", "off resetchannels -@all (resetchannels -@all)", NULL},
    {"\"( ~d  ~e )\"", "off resetchannels -@all (~d ~e resetchannels -@all)", NULL},
    {"nopass on", "on nopass resetchannels -@all", NULL},
    {">x nopass on", "on nopass resetchannels -@all", NULL},
    {"nopass resetpass", "off resetchannels -@all", NULL},
    {">x <x", "off resetchannels -@all", NULL},
    {"nopass >x",
     "off #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 resetchannels -@all",
     NULL},
    {">x >x #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
     "off #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 resetchannels -@all",
     NULL},
    {"foo", NULL, "Error in ACL SETUSER modifier 'foo': Syntax error"},
    {"+nosuch", NULL,
     "Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL"},
    {"+", NULL, "Error in ACL SETUSER modifier '+': Unknown command or category name in ACL"},
    {"-@nosuch", NULL,
     "Error in ACL SETUSER modifier '-@nosuch': Unknown command or category name in ACL"},
    {"+sentinel|nosuch", NULL,
     "Error in ACL SETUSER modifier '+sentinel|nosuch': Unknown command or category name in ACL"},
    {"+client|list|x", NULL,
     "Error in ACL SETUSER modifier '+client|list|x': Allowing first-arg of a subcommand is not "
     "supported"},
    {"-client|list|x", NULL,
     "Error in ACL SETUSER modifier '-client|list|x': Unknown command or category name in ACL"},
    {"-ping|x", NULL,
     "Error in ACL SETUSER modifier '-ping|x': Unknown command or category name in ACL"},
    {"+ping|x|y", NULL,
     "Error in ACL SETUSER modifier '+ping|x|y': Unknown command or category name in ACL"},
    {"+ping|", NULL, "Error in ACL SETUSER modifier '+ping|': Syntax error"},
    {"+client|", NULL, "Error in ACL SETUSER modifier '+client|': Syntax error"},
    {"%~x", NULL, "Error in ACL SETUSER modifier '%~x': Syntax error"},
    {"%X~x", NULL, "Error in ACL SETUSER modifier '%X~x': Syntax error"},
    {"%RR~q", NULL, "Error in ACL SETUSER modifier '%RR~q': Syntax error"},
    {"%", NULL, "Error in ACL SETUSER modifier '%': Syntax error"},
    {"\"~a b\"", NULL, "Error in ACL SETUSER modifier '~a b': Syntax error"},
    {"\"&a\\nb\"", NULL, "Error in ACL SETUSER modifier '&a\nb': Syntax error"},
    {"(on)", NULL, "Error in ACL SETUSER modifier '(on)': Syntax error"},
    {"(+get", NULL, "Unmatched parenthesis in acl selector starting at '(+get'."},
    {"on (", NULL, "Unmatched parenthesis in acl selector starting at '('."},
    {")", NULL, "Error in ACL SETUSER modifier ')': Syntax error"},
    {"\"(~a) +get)\"", NULL, "Error in ACL SETUSER modifier '(~a) +get)': Syntax error"},
    {"<nopass", NULL,
     "Error in ACL SETUSER modifier '<nopass': The password you are trying to remove from the user "
     "does not exist"},
    {"#abc", NULL,
     "Error in ACL SETUSER modifier '#abc': The password hash must be exactly 64 characters and "
     "contain only lowercase hexadecimal characters"},
    {"~* ~a", NULL,
     "Error in ACL SETUSER modifier '~a': Adding a pattern after the * pattern (or the 'allkeys' "
     "flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list "
     "of patterns"},
    {"allchannels &x", NULL,
     "Error in ACL SETUSER modifier '&x': Adding a pattern after the * pattern (or the "
     "'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start "
     "with an empty list of channels"},
};

static void rules_print_as_given(void **state)
{
    struct acl_fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(rule_cases); i++) {
        const struct rule_case *c = &rule_cases[i];
        bool is_right = acl_fixture_set(f, "u", c->rules);
        if (c->line == NULL) {
            assert_false(is_right);
            assert_string_equal(f->err.text, c->error);
            assert_null(acl_find(f->acl, "u", 1));
            continue;
        }
        assert_string_equal(f->err.text, "");
        assert_true(is_right);
        assert_string_equal(acl_fixture_line(f, "u") + strlen("user u "), c->line);
        assert_true(acl_delete_user(f->acl, "u", 1));
    }
}

static void a_wrong_rule_changes_nothing(void **state)
{
    struct acl_fixture *f = *state;

    assert_true(acl_fixture_set(f, "u", "on >x +ping"));
    assert_int_equal(f->changed, 1); /* a new user is told too: he must be saved */
    assert_false(acl_fixture_set(f, "u", "off resetpass -ping foo"));
    assert_int_equal(acl_fixture_check(f, "u", "ping"), ACL_ALLOWED);
    assert_ptr_equal(acl_authenticate(f->acl, "u", 1, "x", 1), acl_find(f->acl, "u", 1));
    assert_int_equal(f->changed, 1);
    assert_false(acl_fixture_set(f, "u v", "on"));
    assert_string_equal(f->err.text, "Usernames can't contain spaces or null characters");
}

static void commands_are_checked(void **state)
{
    struct acl_fixture *f = *state;

    assert_true(acl_fixture_set(f, "u", "+@all -@admin"));
    assert_int_equal(acl_fixture_check(f, "u", "sentinel masters"), ACL_DENIED_COMMAND);
    /* HELP is not @admin itself, but SENTINEL is, and takes all of its subcommands along. */
    assert_int_equal(acl_fixture_check(f, "u", "sentinel help"), ACL_DENIED_COMMAND);
    assert_int_equal(acl_fixture_check(f, "u", "ping"), ACL_ALLOWED);
    assert_true(acl_fixture_set(f, "u", "+sentinel|masters -ping"));
    assert_int_equal(acl_fixture_check(f, "u", "sentinel masters"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "sentinel myid"), ACL_DENIED_COMMAND);
    assert_int_equal(acl_fixture_check(f, "u", "ping"), ACL_DENIED_COMMAND);
    assert_int_equal(acl_fixture_check(f, "u", "nosuch"), ACL_DENIED_COMMAND);
    assert_true(acl_fixture_set(f, "u", "nocommands +ping|X"));
    assert_int_equal(acl_fixture_check(f, "u", "ping x"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "ping y"), ACL_DENIED_COMMAND);
    assert_int_equal(acl_fixture_check(f, "u", "ping"), ACL_DENIED_COMMAND);
    assert_true(acl_fixture_set(f, "u", "-@fast"));
    assert_int_equal(acl_fixture_check(f, "u", "ping x"), ACL_DENIED_COMMAND);
    assert_int_equal(acl_fixture_check(f, "u", "auth x"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "hello 3"), ACL_ALLOWED);
    assert_true(acl_fixture_set(f, "u", "(+info) (+sentinel)"));
    assert_int_equal(acl_fixture_check(f, "u", "info"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "sentinel help"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "ping"), ACL_DENIED_COMMAND);
}

/* One operation with two names is allowed or refused by both. */
static void an_alias_is_its_command(void **state)
{
    static const char *const votes[] = {"sentinel is-master-down-by-addr h 1 2 *",
                                        "sentinel IS-PRIMARY-DOWN-BY-ADDR h 1 2 *"};
    struct acl_fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(votes); i++) {
        assert_true(acl_fixture_set(f, "u", "reset +@all -sentinel|is-master-down-by-addr"));
        assert_int_equal(acl_fixture_check(f, "u", votes[i]), ACL_DENIED_COMMAND);
        assert_true(acl_fixture_set(f, "u", "reset +@all -sentinel|is-primary-down-by-addr"));
        assert_int_equal(acl_fixture_check(f, "u", votes[i]), ACL_DENIED_COMMAND);
        assert_true(acl_fixture_set(f, "u", "reset +sentinel|is-primary-down-by-addr"));
        assert_int_equal(acl_fixture_check(f, "u", votes[i]), ACL_ALLOWED);
        assert_true(acl_fixture_set(f, "u", "-sentinel"));
        assert_int_equal(acl_fixture_check(f, "u", votes[i]), ACL_DENIED_COMMAND);
    }
    assert_int_equal(acl_command_find("sentinel|primar", 15), ACL_COMMAND_NONE);
    assert_int_equal(acl_command_find("sentinel|primary\0", 17), ACL_COMMAND_NONE);
}

static void channels_are_checked(void **state)
{
    struct acl_fixture *f = *state;
    const struct acl_user *user;

    assert_true(acl_fixture_set(f, "u", "+@pubsub &ok &pat* (+subscribe &b) (+publish &zz)"));
    assert_int_equal(acl_fixture_check(f, "u", "subscribe ok pat1"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "subscribe ok no"), ACL_DENIED_CHANNEL);
    assert_int_equal(acl_fixture_check(f, "u", "subscribe ok b"), ACL_DENIED_CHANNEL);
    assert_int_equal(acl_fixture_check(f, "u", "subscribe b"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "psubscribe pat*"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "psubscribe pat1*"), ACL_DENIED_CHANNEL);
    assert_int_equal(acl_fixture_check(f, "u", "unsubscribe x"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "publish ok no"), ACL_ALLOWED);
    assert_int_equal(acl_fixture_check(f, "u", "publish no ok"), ACL_DENIED_CHANNEL);
    user = acl_find(f->acl, "u", 1);
    assert_true(acl_check_channel(user, "b", 1, false));
    assert_true(acl_check_channel(user, "pat*", 4, true));
    assert_false(acl_check_channel(user, "c", 1, false));
    assert_false(acl_check_channel(user, "*", 1, true));
}

static void new_users_get_the_channels_of_the_option(void **state)
{
    struct acl_fixture *f = *state;

    f->acl->is_channels_open = true; /* acl-pubsub-default allchannels */
    assert_true(acl_fixture_set(f, "u", "(+ping)"));
    assert_string_equal(acl_fixture_line(f, "u"), "user u off &* -@all (&* -@all +ping)");
    assert_true(acl_fixture_set(f, "u", "reset"));
    assert_string_equal(acl_fixture_line(f, "u"), "user u off sanitize-payload &* -@all");
}

static void passwords_are_checked(void **state)
{
    struct acl_fixture *f = *state;

    assert_true(acl_fixture_set(f, "u", ">one >two"));
    assert_null(acl_authenticate(f->acl, "u", 1, "one", 3)); /* off */
    assert_true(acl_fixture_set(f, "u", "on"));
    assert_non_null(acl_authenticate(f->acl, "u", 1, "one", 3));
    assert_non_null(acl_authenticate(f->acl, "u", 1, "two", 3));
    assert_null(acl_authenticate(f->acl, "u", 1, "three", 5));
    assert_null(acl_authenticate(f->acl, "u", 1, "one\0", 4));
    assert_null(acl_authenticate(f->acl, "v", 1, "one", 3));
    assert_non_null(acl_authenticate(f->acl, "default", 7, "anything", 8));

    acl_require_password(f->acl, "secret");
    assert_false(acl_is_open(f->acl));
    assert_null(acl_authenticate(f->acl, "default", 7, "anything", 8));
    assert_non_null(acl_authenticate(f->acl, "default", 7, "secret", 6));
    acl_require_password(f->acl, "other");
    assert_null(acl_authenticate(f->acl, "default", 7, "secret", 6));
    acl_require_password(f->acl, "");
    assert_true(acl_is_open(f->acl));
}

static void a_held_user_outlives_its_end(void **state)
{
    struct acl_fixture *f = *state;

    assert_true(acl_fixture_set(f, "u", "on >x +ping"));
    struct acl_user *user = acl_hold(acl_find(f->acl, "u", 1));
    assert_true(acl_fixture_set(f, "u", "off"));
    assert_int_equal(f->changed, 2);
    assert_false(user->rights.is_on);
    assert_true(acl_delete_user(f->acl, "u", 1));
    assert_false(acl_delete_user(f->acl, "u", 1));
    assert_int_equal(f->gone, 1);
    assert_true(acl_user_is_gone(user));
    assert_string_equal(acl_user_name(user, NULL), "u");
    acl_release(user);
    acl_release(NULL);
}

static void made_passwords_have_their_length(void **state)
{
    char a[ACL_GENPASS_HEX_MAX + 1];
    char b[ACL_GENPASS_HEX_MAX + 1];

    (void)state;
    acl_generate_password(ACL_GENPASS_BITS, a);
    acl_generate_password(ACL_GENPASS_BITS, b);
    assert_int_equal(strlen(a), 64);
    assert_int_equal(strspn(a, "0123456789abcdef"), 64);
    assert_string_not_equal(a, b);
    acl_generate_password(5, a);
    assert_int_equal(strlen(a), 2);
    acl_generate_password(ACL_GENPASS_BITS_MAX, a);
    assert_int_equal(strlen(a), 1024);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, acl_fixture_setup, acl_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(names_are_sorted_and_found),
        TEST(default_user_may_do_all),
        TEST(rules_print_as_given),
        TEST(a_wrong_rule_changes_nothing),
        TEST(commands_are_checked),
        TEST(an_alias_is_its_command),
        TEST(channels_are_checked),
        TEST(new_users_get_the_channels_of_the_option),
        TEST(passwords_are_checked),
        TEST(a_held_user_outlives_its_end),
        TEST(made_passwords_have_their_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

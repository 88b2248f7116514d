#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/addr.h"

static struct addr at(const char *host, uint16_t port)
{
    struct addr made;
    assert_true(addr_set(&made, host, port));
    return made;
}

static void numbers_are_made_canonical(void **state)
{
    (void)state;
    assert_string_equal(at("::0001", 1).ip, "::1");
    assert_string_equal(at("2001:DB8:0::1", 1).ip, "2001:db8::1");
    assert_string_equal(at("127.0.0.1", 1).name, "");
    assert_true(addr_is_numeric("::1"));
    assert_false(addr_is_numeric("127.1"));
    assert_false(addr_is_numeric("db1"));
}

static void names_stay_names(void **state)
{
    (void)state;
    struct addr a = at("db-1.example_x.org", 6379);
    assert_string_equal(a.name, "db-1.example_x.org");
    assert_string_equal(a.ip, "");
}

static void what_no_host_has_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",      "a b",       "a,b", "a\n",
                                        "[::1]", "1.2.3.4:5", "a/b", "\xff"};
    char long_name[ADDR_NAME_MAX + 1];
    struct addr a = at("db1", 7);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(addr_set(&a, wrong[i], 1));
    }
    memset(long_name, 'a', ADDR_NAME_MAX);
    long_name[ADDR_NAME_MAX] = '\0';
    assert_false(addr_set(&a, long_name, 1));
    long_name[ADDR_NAME_MAX - 1] = '\0';
    assert_true(addr_set(&a, long_name, 1));
}

static void a_refused_host_leaves_the_address(void **state)
{
    (void)state;
    struct addr a = at("db1", 7);
    assert_false(addr_set(&a, "a b", 9));
    assert_string_equal(a.name, "db1");
    assert_int_equal(a.port, 7);
}

static void same_means_the_same_server(void **state)
{
    (void)state;
    struct addr number = at("10.0.0.1", 1);
    struct addr name = at("db1", 1);
    struct addr resolved = name;
    memcpy(resolved.ip, "10.0.0.1", sizeof("10.0.0.1"));
    struct addr upper = at("DB1", 1);
    struct addr other_port = at("10.0.0.1", 2);

    assert_true(addr_same(&number, &number));
    assert_true(addr_same(&number, &resolved));
    assert_true(addr_same(&name, &resolved));
    assert_true(addr_same(&name, &upper));
    assert_false(addr_same(&number, &name));
    assert_false(addr_same(&number, &other_port));
}

static void nothing_is_nowhere(void **state)
{
    (void)state;
    struct addr none = {0};
    struct addr no_port = at("10.0.0.1", 0);
    assert_false(addr_is_set(&none));
    assert_false(addr_is_set(&no_port));
    assert_false(addr_same(&none, &none));
}

static void text_and_host(void **state)
{
    (void)state;
    char text[ADDR_TEXT_MAX];
    struct addr six = at("::1", 6379);
    struct addr name = at("db1", 65535);

    assert_string_equal(addr_text(&six, text), "[::1]:6379");
    assert_string_equal(addr_text(&name, text), "db1:65535");
    assert_string_equal(addr_host(&name, false), "db1");
    memcpy(name.ip, "10.0.0.9", sizeof("10.0.0.9"));
    assert_string_equal(addr_host(&name, false), "10.0.0.9");
    assert_string_equal(addr_host(&name, true), "db1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_made_canonical),
        cmocka_unit_test(names_stay_names),
        cmocka_unit_test(what_no_host_has_is_refused),
        cmocka_unit_test(a_refused_host_leaves_the_address),
        cmocka_unit_test(same_means_the_same_server),
        cmocka_unit_test(nothing_is_nowhere),
        cmocka_unit_test(text_and_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

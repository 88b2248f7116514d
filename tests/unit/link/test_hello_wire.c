#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/assert.h"
#include "link/hello_wire.h"

#define RUN_ID "0123456789012345678901234567890123456789"

static bool decode(const char *text, struct hello *hello)
{
    return hello_wire_decode(text, strlen(text), hello);
}

static void test_round_trip(void **state)
{
    static const char *const rows[] = {
        "10.0.0.7,26379," RUN_ID ",12,mymaster,10.0.0.1,6379,11",
        "::1,1," RUN_ID ",0,m,fe80::1,65535,9007199254740992",
        "mon1.example,26379,a,1,with.dots-and_more,db1,6379,0",
        "10.0.0.7,26379,node-1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,!\"#$%&'()*+-./:;<=>?@[\\]^_`{|}~,1,m,10.0.0.1,6379,0",
    };
    struct hello hello;
    char text[HELLO_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(decode(rows[i], &hello));
        assert_int_equal(hello_wire_encode(&hello, true, text), strlen(rows[i]));
        assert_string_equal(text, rows[i]);
    }
    assert_true(decode(rows[0], &hello));
    assert_string_equal(hello.addr.ip, "10.0.0.7");
    assert_int_equal(hello.addr.port, 26379);
    assert_string_equal(hello.run_id, RUN_ID);
    assert_int_equal(hello.current_epoch, 12);
    assert_string_equal(hello.master_name, "mymaster");
    assert_string_equal(hello.master_addr.ip, "10.0.0.1");
    assert_int_equal(hello.config_epoch, 11);
}

static void test_names_or_numbers(void **state)
{
    struct hello hello;
    char text[HELLO_TEXT_MAX];

    (void)state;
    assert_true(decode("mon1,26379,a,1,m,db1,6379,0", &hello));
    memcpy(hello.addr.ip, "10.0.0.7", 9);
    memcpy(hello.master_addr.ip, "10.0.0.1", 9);
    assert_true(hello_wire_encode(&hello, false, text) > 0);
    assert_string_equal(text, "10.0.0.7,26379,a,1,m,10.0.0.1,6379,0");
    assert_true(hello_wire_encode(&hello, true, text) > 0);
    assert_string_equal(text, "mon1,26379,a,1,m,db1,6379,0");
}

static void test_what_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        ",,,,,,,",
        "10.0.0.7,26379,a,1,m,10.0.0.1,6379",
        "10.0.0.7,26379,a,1,m,10.0.0.1,6379,0,0",
        "10.0.0.7,0,a,1,m,10.0.0.1,6379,0",
        "10.0.0.7,65536,a,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379x,a,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,a b,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,a\tb,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,a\x7f,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,\xc3\xa4,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,*,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,-,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379," RUN_ID "0,1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,a,-1,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,a,9007199254740993,m,10.0.0.1,6379,0",
        "10.0.0.7,26379,a,1,,10.0.0.1,6379,0",
        "10.0.0.7,26379,a,1,m,,6379,0",
        "10.0.0.7,26379,a,1,m,10.0.0.1\r\n,6379,0",
        "10.0.0.7,26379,a,1,m,10.0.0.1,+1,0",
        "10.0.0.7,26379,a,1,m,10.0.0.1,6379,18446744073709551615",
        "10.0.0.7,26379,a,1,m,10.0.0.1,6379,99999999999999999999",
        "10.0.0.7,26379,a,1,m,10.0.0.1,6379, 0",
    };
    struct hello hello = {.current_epoch = 5};
    char large[HELLO_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (decode(rows[i], &hello)) {
            fail_msg("taken: %s", rows[i]);
        }
    }
    assert_int_equal(hello.current_epoch, 5); /* untouched */
    memset(large, 'a', sizeof(large));
    assert_false(hello_wire_decode(large, sizeof(large), &hello));
    assert_false(hello_wire_decode("10.0.0.7,1,a,1,m,10.0.0.1,2,0\0", 30, &hello));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_names_or_numbers),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

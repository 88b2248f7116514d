#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "resp/resp.h"

struct desk {
    struct resp_reply_reader reader;
    struct buf in;
    const struct resp_value *value;
};

static enum resp_status desk_read(struct desk *d)
{
    return resp_reply_read(&d->reader, &d->in, &resp_reply_limits_default, &d->value);
}

static void desk_next(struct desk *d, enum resp_type type)
{
    assert_int_equal(desk_read(d), RESP_READY);
    assert_int_equal(d->value->type, type);
}

static void desk_finish(struct desk *d)
{
    resp_reply_finish(&d->reader);
    buf_finish(&d->in);
}

static void test_every_type(void **state)
{
    struct desk d = {0};
    int64_t number = 0;

    (void)state;
    buf_append_text(
        &d.in, "+OK\r\n-ERR no such\r\n!9\r\nNOAUTH hi\r\n:-42\r\n$5\r\nhello\r\n$-1\r\n*-1\r\n"
               "_\r\n,3.5\r\n,inf\r\n#t\r\n(123456789012345678901234567890\r\n"
               "=8\r\ntxt:info\r\n*0\r\n~2\r\n:1\r\n:2\r\n%1\r\n+a\r\n:7\r\n>1\r\n+x\r\n");
    desk_next(&d, RESP_SIMPLE);
    assert_true(resp_text_is(d.value, "OK"));
    desk_next(&d, RESP_ERROR);
    assert_true(resp_error_is(d.value, "ERR"));
    assert_false(resp_error_is(d.value, "ER"));
    desk_next(&d, RESP_ERROR);
    assert_true(resp_error_is(d.value, "NOAUTH"));
    desk_next(&d, RESP_INTEGER);
    assert_int_equal(d.value->integer, -42);
    desk_next(&d, RESP_BULK);
    assert_string_equal(resp_text(d.value), "hello");
    assert_false(resp_integer(d.value, &number));
    desk_next(&d, RESP_NULL);
    assert_string_equal(resp_text(d.value), "");
    desk_next(&d, RESP_NULL);
    desk_next(&d, RESP_NULL);
    desk_next(&d, RESP_DOUBLE);
    assert_true(fabs(d.value->real - 3.5) < 1e-9);
    desk_next(&d, RESP_DOUBLE);
    assert_true(isinf(d.value->real));
    desk_next(&d, RESP_BOOL);
    assert_true(resp_integer(d.value, &number));
    assert_int_equal(number, 1);
    desk_next(&d, RESP_BIG_NUMBER);
    assert_string_equal(resp_text(d.value), "123456789012345678901234567890");
    desk_next(&d, RESP_VERBATIM);
    assert_string_equal(resp_text(d.value), "info");
    desk_next(&d, RESP_ARRAY);
    assert_null(resp_item(d.value, 0));
    desk_next(&d, RESP_SET);
    assert_int_equal(resp_item(d.value, 1)->integer, 2);
    desk_next(&d, RESP_MAP);
    assert_int_equal(resp_map_get(d.value, "a")->integer, 7);
    assert_null(resp_map_get(d.value, "b"));
    desk_next(&d, RESP_PUSH);
    assert_int_equal(desk_read(&d), RESP_MORE);
    assert_int_equal(d.in.len, 0);
    desk_finish(&d);
}

static const char nested[] =
    "*3\r\n|1\r\n+ttl\r\n*2\r\n:1\r\n:2\r\n$2\r\nab\r\n%2\r\n+ip\r\n$9\r\n127.0.0.1\r\n"
    "+list\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n|1\r\n+x\r\n+y\r\n$4\r\n6379\r\n";

static void assert_nested(const struct resp_value *v)
{
    int64_t port = 0;

    assert_int_equal(v->count, 3);
    assert_true(resp_text_is(resp_item(v, 0), "ab"));
    assert_string_equal(resp_text(resp_map_get(resp_item(v, 1), "ip")), "127.0.0.1");
    const struct resp_value *list = resp_map_get(resp_item(v, 1), "list");
    assert_int_equal(resp_item(list, 0)->integer, 1);
    assert_int_equal(resp_item(resp_item(list, 1), 0)->type, RESP_BULK);
    assert_true(resp_integer(resp_item(v, 2), &port));
    assert_int_equal(port, 6379);
}

static void test_nesting_and_attributes(void **state)
{
    struct desk d = {0};

    (void)state;
    buf_append_text(&d.in, nested);
    desk_next(&d, RESP_ARRAY);
    assert_nested(d.value);
    assert_int_equal(desk_read(&d), RESP_MORE);
    desk_finish(&d);
}

static void test_byte_by_byte_is_the_same(void **state)
{
    struct desk d = {0};

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof(nested) - 1; i++) {
            buf_append(&d.in, nested + i, 1);
            assert_int_equal(desk_read(&d), i + 1 == sizeof(nested) - 1 ? RESP_READY : RESP_MORE);
        }
        assert_nested(d.value);
    }
    desk_finish(&d);
}

static void test_an_empty_line_is_an_empty_text(void **state)
{
    struct desk d = {0};

    (void)state;
    buf_append_text(&d.in, "+\r\n-\r\n");
    desk_next(&d, RESP_SIMPLE);
    assert_string_equal(resp_text(d.value), "");
    desk_next(&d, RESP_ERROR);
    assert_string_equal(resp_text(d.value), "");
    desk_finish(&d);
}

static void test_the_arena_is_used_again(void **state)
{
    struct desk d = {0};

    (void)state;
    buf_append_text(&d.in, nested);
    desk_next(&d, RESP_ARRAY);
    const struct resp_value *first = d.value;
    buf_append_text(&d.in, nested);
    desk_next(&d, RESP_ARRAY);
    assert_ptr_equal(first, d.value);
    desk_finish(&d);
}

static const char too_deep[] = "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"
                               "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n";

static void test_what_is_no_reply_is_refused(void **state)
{
    static const char *const rows[] = {
        "hello\r\n",     ":\r\n",         ":1x\r\n",
        "$-2\r\n",       "$x\r\n",        "$?\r\n",
        "*?\r\n",        "%-1\r\n",       "#x\r\n",
        ",0x10\r\n",     ",\r\n",         "(12a\r\n",
        "(\r\n",         "_x\r\n",        "=3\r\ntxt",
        "+OK\rX",        "\r\n",          "$1\r\nabc",
        "*99999999\r\n", "$99999999\r\n", "%9223372036854775807\r\n",
        too_deep,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct desk d = {0};
        buf_append_text(&d.in, rows[i]);
        if (desk_read(&d) != RESP_BAD) {
            fail_msg("taken: %s", rows[i]);
        }
        assert_memory_equal(resp_reply_error(&d.reader), "Protocol error: ", 16);
        assert_int_equal(desk_read(&d), RESP_BAD);
        desk_finish(&d);
    }
}

static void test_limits_of_one_reply(void **state)
{
    struct resp_reply_limits limits = {
        .depth_max = 2, .elements_max = 6, .bulk_bytes_max = 8, .total_bytes_max = 40};
    static const struct {
        const char *bytes;
        enum resp_status status;
    } rows[] = {
        {"*1\r\n*1\r\n:1\r\n", RESP_READY},
        {"*1\r\n*1\r\n*1\r\n", RESP_BAD},
        {"*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n", RESP_READY},
        {"*6\r\n", RESP_BAD},
        {"%3\r\n", RESP_BAD},
        {"$8\r\n12345678\r\n", RESP_READY},
        {"$9\r\n", RESP_BAD},
        {"*4\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n$8\r\n12345678\r\n:1\r\n", RESP_BAD},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct desk d = {0};
        buf_append_text(&d.in, rows[i].bytes);
        enum resp_status status = resp_reply_read(&d.reader, &d.in, &limits, &d.value);
        if (status != rows[i].status) {
            fail_msg("%s: status %d", rows[i].bytes, (int)status);
        }
        desk_finish(&d);
    }
}

static void test_null_values_are_harmless(void **state)
{
    int64_t number = 3;

    (void)state;
    assert_false(resp_is(NULL, RESP_NULL));
    assert_string_equal(resp_text(NULL), "");
    assert_false(resp_text_is(NULL, ""));
    assert_false(resp_integer(NULL, &number));
    assert_int_equal(number, 3);
    assert_null(resp_item(NULL, 0));
    assert_null(resp_map_get(NULL, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_nesting_and_attributes),
        cmocka_unit_test(test_byte_by_byte_is_the_same),
        cmocka_unit_test(test_an_empty_line_is_an_empty_text),
        cmocka_unit_test(test_the_arena_is_used_again),
        cmocka_unit_test(test_what_is_no_reply_is_refused),
        cmocka_unit_test(test_limits_of_one_reply),
        cmocka_unit_test(test_null_values_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "resp/resp.h"

static void assert_written(struct buf *out, const char *expected)
{
    assert_string_equal(buf_data(out), expected);
    assert_int_equal(out->len, strlen(expected));
    buf_clear(out);
}

static void test_what_is_the_same_in_both_versions(void **state)
{
    struct buf out = {0};

    (void)state;
    resp_write_simple(&out, "OK");
    assert_written(&out, "+OK\r\n");
    resp_write_error(&out, "ERR unknown command '%s'", "GET");
    assert_written(&out, "-ERR unknown command 'GET'\r\n");
    resp_write_integer(&out, -7);
    assert_written(&out, ":-7\r\n");
    resp_write_text(&out, "");
    assert_written(&out, "$0\r\n\r\n");
    resp_write_bulkf(&out, "%d:%s", 12, "x");
    assert_written(&out, "$4\r\n12:x\r\n");
    resp_write_array(&out, 2);
    assert_written(&out, "*2\r\n");
    RESP_COMMAND(&out, "CLIENT", "SETNAME", "a b");
    assert_written(&out, "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$3\r\na b\r\n");
    buf_finish(&out);
}

static void test_a_text_cannot_forge_a_reply(void **state)
{
    struct buf out = {0};

    (void)state;
    resp_write_integer(&out, 1);
    resp_write_error(&out, "ERR %s", "x\r\n+OK");
    resp_write_simple(&out, "a\nb");
    assert_written(&out, ":1\r\n-ERR x  +OK\r\n+a b\r\n");
    buf_finish(&out);
}

static void write_all(struct buf *out, enum resp_version version)
{
    resp_write_null(out, version);
    resp_write_null_array(out, version);
    resp_write_map(out, version, 3);
    resp_write_set(out, version, 2);
    resp_write_push(out, version, 1);
    resp_write_double(out, version, 1.5);
    resp_write_double(out, version, -HUGE_VAL);
    resp_write_bool(out, version, true);
    resp_write_verbatim(out, version, "txt", "abc", 3);
}

static void test_what_differs_between_the_versions(void **state)
{
    struct buf out = {0};

    (void)state;
    write_all(&out, RESP_2);
    assert_written(
        &out, "$-1\r\n*-1\r\n*6\r\n*2\r\n*1\r\n$3\r\n1.5\r\n$4\r\n-inf\r\n:1\r\n$3\r\nabc\r\n");
    write_all(&out, RESP_3);
    assert_written(&out, "_\r\n_\r\n%3\r\n~2\r\n>1\r\n,1.5\r\n,-inf\r\n#t\r\n=7\r\ntxt:abc\r\n");
    buf_finish(&out);
}

static void test_a_written_command_is_read_back(void **state)
{
    struct resp_command_reader reader = {0};
    struct resp_command command;
    struct buf out = {0};

    (void)state;
    RESP_COMMAND(&out, "AUTH", "user", "p \r\n\"w");
    assert_int_equal(resp_command_read(&reader, &out, &resp_limits_stranger, &command), RESP_READY);
    assert_int_equal(command.argc, 3);
    assert_string_equal(command.argv[2].bytes, "p \r\n\"w");
    resp_command_finish(&reader);
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_the_same_in_both_versions),
        cmocka_unit_test(test_a_text_cannot_forge_a_reply),
        cmocka_unit_test(test_what_differs_between_the_versions),
        cmocka_unit_test(test_a_written_command_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

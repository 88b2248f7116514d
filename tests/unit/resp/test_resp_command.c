#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "resp/resp.h"

struct desk {
    struct resp_command_reader reader;
    struct buf in;
    struct resp_command command;
};

static void desk_finish(struct desk *d)
{
    resp_command_finish(&d->reader);
    buf_finish(&d->in);
}

static enum resp_status desk_read(struct desk *d)
{
    return resp_command_read(&d->reader, &d->in, &resp_limits_default, &d->command);
}

static void assert_args(const struct desk *d, size_t count, const char *const expected[])
{
    assert_int_equal(d->command.argc, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(d->command.argv[i].bytes, expected[i]);
        assert_int_equal(d->command.argv[i].len, strlen(expected[i]));
    }
}

#define ASSERT_ARGS(d, ...)                                                                        \
    assert_args((d), sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *),            \
                (const char *const[]){__VA_ARGS__})

static void test_multibulk_and_inline_in_one_stream(void **state)
{
    struct desk d = {0};

    (void)state;
    buf_append_text(&d.in, "*2\r\n$4\r\nPING\r\n$2\r\nhi\r\nsentinel masters\r\n\r\n*0\r\n*-1\r\n"
                           "  GET 'it\\'s'  \"a\\x41\\n\"\n*1\r\n$0\r\n\r\n");
    assert_int_equal(desk_read(&d), RESP_READY);
    ASSERT_ARGS(&d, "PING", "hi");
    assert_int_equal(desk_read(&d), RESP_READY);
    ASSERT_ARGS(&d, "sentinel", "masters");
    assert_int_equal(desk_read(&d), RESP_READY);
    ASSERT_ARGS(&d, "GET", "it's", "aA\n");
    assert_int_equal(desk_read(&d), RESP_READY);
    ASSERT_ARGS(&d, "");
    assert_int_equal(desk_read(&d), RESP_MORE);
    assert_int_equal(d.in.len, 0);
    desk_finish(&d);
}

static void test_byte_by_byte_is_the_same(void **state)
{
    static const char stream[] =
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n$3\r\n\0\r\n\r\nPING \"x y\"\r\n";
    struct desk d = {0};
    int commands = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(stream) - 1; i++) {
        buf_append(&d.in, stream + i, 1);
        enum resp_status status = desk_read(&d);
        assert_int_not_equal(status, RESP_BAD);
        if (status != RESP_READY) {
            continue;
        }
        commands++;
        if (commands == 1) {
            assert_int_equal(d.command.argc, 3);
            assert_int_equal(d.command.argv[2].len, 3);
            assert_memory_equal(d.command.argv[2].bytes, "\0\r\n", 4);
        } else {
            ASSERT_ARGS(&d, "PING", "x y");
        }
    }
    assert_int_equal(commands, 2);
    desk_finish(&d);
}

static void assert_refused(const struct resp_limits *limits, const char *bytes, const char *error)
{
    struct desk d = {0};

    buf_append_text(&d.in, bytes);
    assert_int_equal(resp_command_read(&d.reader, &d.in, limits, &d.command), RESP_BAD);
    assert_string_equal(resp_command_error(&d.reader), error);
    buf_append_text(&d.in, "\r\nPING\r\n");
    assert_int_equal(resp_command_read(&d.reader, &d.in, limits, &d.command), RESP_BAD);
    desk_finish(&d);
}

static void test_refusals_have_the_words_of_redis(void **state)
{
    const struct resp_limits *usual = &resp_limits_default;
    const struct resp_limits *stranger = &resp_limits_stranger;

    (void)state;
    assert_refused(usual, "*x\r\n", "Protocol error: invalid multibulk length");
    assert_refused(usual, "*3000000000\r\n", "Protocol error: invalid multibulk length");
    assert_refused(usual, "*2000000\r\n", "Protocol error: invalid multibulk length");
    assert_refused(usual, "*1\r\nPING\r\n", "Protocol error: expected '$', got 'P'");
    assert_refused(usual, "*1\r\n\001\r\n", "Protocol error: expected '$', got '?'");
    assert_refused(usual, "*1\r\n$-1\r\n", "Protocol error: invalid bulk length");
    assert_refused(usual, "*1\r\n$\r\n", "Protocol error: invalid bulk length");
    assert_refused(usual, "*1\r\n$9999999999\r\n", "Protocol error: invalid bulk length");
    assert_refused(usual, "PING \"x\r\n", "Protocol error: unbalanced quotes in request");
    assert_refused(usual, "PING \"x\"y\r\n", "Protocol error: unbalanced quotes in request");
    assert_refused(stranger, "*11\r\n", "Protocol error: unauthenticated multibulk length");
    assert_refused(stranger, "*1\r\n$16385\r\n", "Protocol error: unauthenticated bulk length");
}

static void test_endless_lines_are_refused(void **state)
{
    char *line = malloc(RESP_INLINE_BYTES_MAX + 2);
    static const struct {
        const char *start;
        const char *error;
    } rows[] = {
        {"", "Protocol error: too big inline request"},
        {"*", "Protocol error: too big mbulk count string"},
        {"*1\r\n", "Protocol error: too big bulk count string"},
    };

    (void)state;
    assert_non_null(line);
    memset(line, '1', RESP_INLINE_BYTES_MAX + 1);
    line[RESP_INLINE_BYTES_MAX + 1] = '\0';
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct desk d = {0};
        buf_append_text(&d.in, rows[i].start);
        buf_append_text(&d.in, line);
        assert_int_equal(desk_read(&d), RESP_BAD);
        assert_string_equal(resp_command_error(&d.reader), rows[i].error);
        desk_finish(&d);
    }
    free(line);
}

/* A command of many arguments that comes in tiny pieces costs the same as in one. */
static void test_small_pieces_are_not_quadratic(void **state)
{
    enum { ARGS = 100000, PIECE = 7 };
    struct buf whole = {0};
    struct desk d = {0};
    enum resp_status status = RESP_MORE;

    (void)state;
    buf_printf(&whole, "*%d\r\n", (int)ARGS);
    for (int i = 0; i < ARGS; i++) {
        buf_append_text(&whole, "$4\r\nabcd\r\n");
    }
    clock_t start = clock();
    for (size_t at = 0; at < whole.len; at += PIECE) {
        assert_int_equal(status, RESP_MORE);
        buf_append(&d.in, buf_data(&whole) + at, whole.len - at < PIECE ? whole.len - at : PIECE);
        status = desk_read(&d);
    }
    assert_int_equal(status, RESP_READY);
    assert_int_equal(d.command.argc, ARGS);
    assert_string_equal(d.command.argv[ARGS - 1].bytes, "abcd");
    /* 20 ms here; a reader that begins anew at each piece needs minutes */
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
    buf_finish(&whole);
    desk_finish(&d);
}

static void test_the_limits_may_change_between_commands(void **state)
{
    struct desk d = {0};

    (void)state;
    buf_append_text(&d.in, "*1\r\n$4\r\nAUTH\r\n*11\r\n");
    assert_int_equal(resp_command_read(&d.reader, &d.in, &resp_limits_stranger, &d.command),
                     RESP_READY);
    assert_int_equal(desk_read(&d), RESP_MORE);
    desk_finish(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multibulk_and_inline_in_one_stream),
        cmocka_unit_test(test_byte_by_byte_is_the_same),
        cmocka_unit_test(test_refusals_have_the_words_of_redis),
        cmocka_unit_test(test_endless_lines_are_refused),
        cmocka_unit_test(test_small_pieces_are_not_quadratic),
        cmocka_unit_test(test_the_limits_may_change_between_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

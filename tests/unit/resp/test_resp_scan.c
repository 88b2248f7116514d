#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "resp/resp_scan.h"
#include "scan_compare.h"

enum { ROUNDS = 20000, STREAM_BYTES_MAX = 4096, CUTS_MAX = 16 };

static const struct resp_scan_limits usual = {
    .args_max = RESP_SCAN_ARGS_MAX,
    .bulk_bytes_max = RESP_SCAN_BULK_MAX,
    .inline_bytes_max = RESP_INLINE_BYTES_MAX,
};

static const struct resp_scan_limits stranger = {
    .args_max = RESP_STRANGER_ARGS_MAX,
    .bulk_bytes_max = RESP_STRANGER_BULK_BYTES_MAX,
    .inline_bytes_max = RESP_INLINE_BYTES_MAX,
    .is_stranger = true,
};

/* ---- requests ---- */

/* The next request of a literal; what was used is added to *at. */
static enum resp_status next_request(struct resp_scan *scan, const char *bytes, size_t *at)
{
    return resp_scan_request(scan, bytes + *at, strlen(bytes) - *at, &usual, at);
}

static void test_requests_of_every_kind_in_one_stream(void **state)
{
    static const char stream[] =
        "*2\r\n$3\r\nGET\r\n$5\r\nhello\r\nPING x\r\n\r\n \t\n*0\r\n*-1\r\n"
        "*-7\r\n*1\rX$4\rYPINGZZ*1\r\n$0\r\n\r\nping\n*1\r\n$4\r\nPI";
    static const struct {
        const char *frame;
        size_t argc;
        char type;
    } rows[] = {
        {"*2\r\n$3\r\nGET\r\n$5\r\nhello\r\n", 2, '*'},
        {"PING x\r\n", 1, ' '},
        {"\r\n", 0, ' '},
        {" \t\n", 0, ' '},
        {"*0\r\n", 0, '*'},
        {"*-1\r\n", 0, '*'},
        {"*-7\r\n", 0, '*'},
        {"*1\rX$4\rYPINGZZ", 1, '*'}, /* Redis looks at no byte behind a '\r' or a bulk */
        {"*1\r\n$0\r\n\r\n", 1, '*'},
        {"ping\n", 1, ' '},
    };
    struct resp_scan scan = {0};
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t start = at;
        assert_int_equal(next_request(&scan, stream, &at), RESP_READY);
        assert_int_equal(at - start, strlen(rows[i].frame));
        assert_memory_equal(stream + start, rows[i].frame, at - start);
        assert_int_equal(scan.argc, rows[i].argc);
        assert_int_equal(scan.type, rows[i].type);
        assert_int_equal(scan.seen_bytes, at - start);
    }
    assert_int_equal(next_request(&scan, stream, &at), RESP_MORE);
    assert_int_equal(at, strlen(stream));
    assert_int_equal(scan.argc, 1);
    assert_int_equal(scan.largest_bulk, 4);
    assert_int_equal(scan.seen_bytes, strlen("*1\r\n$4\r\nPI"));
    assert_int_equal(next_request(&scan, "NG\r\n", &(size_t){0}), RESP_READY);
}

/* A request is known by its count as soon as that was read, and its values are not waited for. */
static void test_what_is_known_before_the_end(void **state)
{
    struct resp_scan scan = {0};
    size_t used = 0;

    (void)state;
    assert_int_equal(next_request(&scan, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n", &used),
                     RESP_MORE);
    assert_int_equal(scan.argc, 3);
    assert_int_equal(scan.largest_bulk, RESP_SCAN_BULK_MAX);
    assert_int_equal(scan.type, '*');
    used = 0;
    assert_int_equal(next_request(&scan, "*9 is a value here\r\n", &used), RESP_MORE);
    assert_int_equal(used, 20);
}

/* No byte of a bulk is looked at: 512 MiB "arrive" in one piece that is not there to be read. */
static void test_a_bulk_costs_nothing(void **state)
{
    struct resp_scan scan = {0};
    size_t used = 0;
    clock_t start = clock();

    (void)state;
    char *piece = calloc(1, 1024 * 1024);
    assert_non_null(piece);
    for (int round = 0; round < 100; round++) {
        assert_int_equal(next_request(&scan, "*1\r\n$536870912\r\n", &(size_t){0}), RESP_MORE);
        for (int i = 0; i < 512; i++) {
            used = 0;
            assert_int_equal(resp_scan_request(&scan, piece, 1024 * 1024, &usual, &used),
                             RESP_MORE);
            assert_int_equal(used, 1024 * 1024);
        }
        assert_int_equal(next_request(&scan, "\r\n", &(size_t){0}), RESP_READY);
    }
    free(piece);
    /* 50 GiB "passed"; 2 ms here, seconds when each byte is touched */
    assert_true(clock() - start < CLOCKS_PER_SEC);
}

static void assert_refused(const struct resp_scan_limits *limits, const char *bytes, size_t len,
                           const char *error)
{
    struct resp_scan scan = {0};
    size_t used = 0;

    assert_int_equal(resp_scan_request(&scan, bytes, len, limits, &used), RESP_BAD);
    assert_string_equal(scan.error, error);
    used = 0;
    assert_int_equal(resp_scan_request(&scan, "PING\r\n", 6, limits, &used), RESP_BAD);
    assert_int_equal(used, 0);

    /* the same byte by byte, and not before the last */
    scan = (struct resp_scan){0};
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(resp_scan_request(&scan, bytes + i, 1, limits, &used),
                         i + 1 < len ? RESP_MORE : RESP_BAD);
    }
    assert_string_equal(scan.error, error);
}

#define ASSERT_REFUSED(limits, literal, error)                                                     \
    assert_refused((limits), (literal), sizeof(literal) - 1, "Protocol error: " error)

/* Each was given to redis-server 7.0.15, which said the same. */
static void test_refusals_have_the_words_of_redis(void **state)
{
    (void)state;
    ASSERT_REFUSED(&usual, "*x\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*+1\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "* 1\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*01\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*-0\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*-\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*2147483648\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*9223372036854775808\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*-9223372036854775809\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*0000000000000000000000000000000000000001\r\n",
                   "invalid multibulk length");
    ASSERT_REFUSED(&usual, "*1\r\nPING\r\n", "expected '$', got 'P'");
    ASSERT_REFUSED(&usual, "*1\r\n\r\n", "expected '$', got ' '");
    ASSERT_REFUSED(&usual, "*1\r\n\n\r\n", "expected '$', got ' '");
    ASSERT_REFUSED(&usual, "*1\r\n\001\r\n", "expected '$', got '\001'");
    ASSERT_REFUSED(&usual, "*1\r\n\377\r\n", "expected '$', got '\377'");
    ASSERT_REFUSED(&usual, "*1\r\n*1\r\n", "expected '$', got '*'");
    ASSERT_REFUSED(&usual, "*1\r\n$-1\r\n", "invalid bulk length");
    ASSERT_REFUSED(&usual, "*1\r\n$-0\r\n", "invalid bulk length");
    ASSERT_REFUSED(&usual, "*1\r\n$04\r\n", "invalid bulk length");
    ASSERT_REFUSED(&usual, "*1\r\n$\r\n", "invalid bulk length");
    ASSERT_REFUSED(&usual, "*1\r\n$536870913\r\n", "invalid bulk length");
    ASSERT_REFUSED(&usual, "*1\r\n$99999999999999999999\r\n", "invalid bulk length");
    ASSERT_REFUSED(&stranger, "*11\r\n", "unauthenticated multibulk length");
    ASSERT_REFUSED(&stranger, "*2147483648\r\n", "invalid multibulk length");
    ASSERT_REFUSED(&stranger, "*1\r\n$16385\r\n", "unauthenticated bulk length");
    ASSERT_REFUSED(&stranger, "*1\r\n$536870912\r\n", "unauthenticated bulk length");
    ASSERT_REFUSED(&stranger, "*1\r\n$536870913\r\n", "invalid bulk length");
}

static void test_the_limits_themselves_are_taken(void **state)
{
    static const char *const rows[] = {"*2147483647\r\n$1\r\n", "*1\r\n$536870912\r\n"};
    struct resp_scan scan = {0};
    size_t used = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        scan = (struct resp_scan){0};
        assert_int_equal(next_request(&scan, rows[i], &(size_t){0}), RESP_MORE);
    }
    scan = (struct resp_scan){0};
    assert_int_equal(resp_scan_request(&scan, "*10\r\n$16384\r\n", 13, &stranger, &used),
                     RESP_MORE);
    assert_int_equal(scan.argc, 10);
    assert_int_equal(scan.largest_bulk, 16384);
}

/* AUTH in front of a long request: the limits change between two calls. */
static void test_the_limits_may_change(void **state)
{
    struct resp_scan scan = {0};
    size_t used = 0;

    (void)state;
    assert_int_equal(resp_scan_request(&scan, "*1\r\n$4\r\nAUTH\r\n*1", 16, &stranger, &used),
                     RESP_READY);
    assert_int_equal(next_request(&scan, "*1", &(size_t){0}), RESP_MORE);
    assert_int_equal(next_request(&scan, "1\r\n", &(size_t){0}), RESP_MORE);
    assert_int_equal(scan.argc, 11);

    /* a line that was short enough until now */
    scan = (struct resp_scan){0};
    assert_int_equal(next_request(&scan, "*1\r\n$00000000", &(size_t){0}), RESP_MORE);
    const struct resp_scan_limits tight = {.args_max = 1, .inline_bytes_max = 4};
    used = 0;
    assert_int_equal(resp_scan_request(&scan, "1\r\n", 3, &tight, &used), RESP_BAD);
    assert_string_equal(scan.error, "Protocol error: too big bulk count string");
}

/* Headers of a form that is not read in place are no longer lines than others. */
static void test_no_limit_of_lines_is_the_usual_one(void **state)
{
    const struct resp_scan_limits none = {.args_max = 1, .bulk_bytes_max = 100};
    static const char request[] = "*1\rX$4\rYPING\r\n";
    struct resp_scan scan = {0};
    size_t used = 0;

    (void)state;
    assert_int_equal(resp_scan_request(&scan, request, strlen(request), &none, &used), RESP_READY);
    assert_int_equal(used, strlen(request));
    assert_int_equal(resp_scan_request(&scan, "a b\n", 4, &none, &used), RESP_READY);
}

static void test_endless_lines_are_refused(void **state)
{
    static const struct {
        const char *start;
        const char *error;
    } rows[] = {
        {"", "Protocol error: too big inline request"},
        {"  ", "Protocol error: too big inline request"},
        {"*", "Protocol error: too big mbulk count string"},
        {"*1\r\n", "Protocol error: too big bulk count string"},
    };
    static const char fills[] = "1 ";

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        char *line = malloc(RESP_INLINE_BYTES_MAX + 1);
        struct resp_scan scan = {0};
        size_t header = strcmp(rows[i / 2].start, "*1\r\n") == 0 ? 0 : strlen(rows[i / 2].start);
        assert_non_null(line);
        memset(line, fills[i % 2], RESP_INLINE_BYTES_MAX + 1);
        /* all that may be, then one more */
        (void)next_request(&scan, rows[i / 2].start, &(size_t){0});
        size_t used = 0;
        size_t most = RESP_INLINE_BYTES_MAX - header;
        assert_int_equal(resp_scan_request(&scan, line, most, &usual, &used), RESP_MORE);
        assert_int_equal(used, most);
        assert_int_equal(resp_scan_request(&scan, line, 1, &usual, &used), RESP_BAD);
        assert_string_equal(scan.error, rows[i / 2].error);
        free(line);
    }
}

/* ---- replies ---- */

static enum resp_status next_reply(struct resp_scan *scan, const char *bytes, size_t *at)
{
    return resp_scan_reply(scan, bytes + *at, strlen(bytes) - *at, at);
}

static void test_replies_of_every_kind(void **state)
{
    static const struct {
        const char *frame;
        char type;
        size_t largest;
    } rows[] = {
        {"+OK\r\n", '+', 0},
        {"-ERR no\r\n", '-', 0},
        {"+\r\n", '+', 0},
        {":-12\r\n", ':', 0},
        {":9223372036854775807\r\n", ':', 0},
        {"$5\r\nhello\r\n", '$', 5},
        {"$0\r\n\r\n", '$', 0},
        {"*2\r\n$3\r\nabc\r\n$1\r\nd\r\n", '*', 3},
        {"$-1\r\n", '$', 0},
        {"*-1\r\n", '*', 0},
        {"*0\r\n", '*', 0},
        {"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n$12\r\n\r\n*1\r\n:1\r\n\r\n\r\n", '*', 12},
        {"_\r\n", '_', 0},
        {"#t\r\n", '#', 0},
        {"#f\r\n", '#', 0},
        {",1.5e-3\r\n", ',', 0},
        {",-inf\r\n", ',', 0},
        {",nan\r\n", ',', 0},
        {"(-3492890328409238509324850943850943825024385\r\n", '(', 0},
        {"!21\r\nSYNTAX invalid syntax\r\n", '!', 21},
        {"=8\r\ntxt:text\r\n", '=', 8},
        {"%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n+c\r\n_\r\n", '%', 0},
        {"%0\r\n", '%', 0},
        {"~2\r\n+a\r\n+b\r\n", '~', 0},
        {">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n", '>', 1},
        {"|1\r\n+ttl\r\n:100\r\n$3\r\nval\r\n", '$', 3},
        {"|1\r\n+a\r\n|1\r\n+b\r\n+c\r\n+d\r\n|0\r\n>1\r\n+x\r\n", '>', 0},
        {"*2\r\n|1\r\n+a\r\n*1\r\n+b\r\n+c\r\n|0\r\n+d\r\n", '*', 0},
    };
    struct resp_scan scan = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].frame);
        char *twice = malloc(2 * len); /* the beginning of the next one is not taken */
        size_t used = 0;
        assert_non_null(twice);
        memcpy(twice, rows[i].frame, len);
        memcpy(twice + len, rows[i].frame, len);
        if (resp_scan_reply(&scan, twice, 2 * len, &used) != RESP_READY) {
            fail_msg("row %zu: %s", i, scan.error);
        }
        free(twice);
        assert_int_equal(used, len);
        assert_int_equal(scan.type, rows[i].type);
        assert_int_equal(scan.largest_bulk, rows[i].largest);
        for (size_t at = 0; at < len; at++) {
            used = 0;
            assert_int_equal(resp_scan_reply(&scan, rows[i].frame + at, 1, &used),
                             at + 1 < len ? RESP_MORE : RESP_READY);
            assert_int_equal(used, 1);
        }
        assert_int_equal(scan.type, rows[i].type);
        assert_int_equal(scan.largest_bulk, rows[i].largest);
        assert_int_equal(scan.seen_bytes, len);
    }
}

static void test_what_no_server_sends_is_bad(void **state)
{
    static const char *const rows[] = {
        "x",
        "\r",
        "\n",
        " ",
        "$x\r\n",
        "$?\r\n",
        "*?\r\n",
        "$-2\r\n",
        "*-2\r\n",
        "~-1\r\n",
        "%-1\r\n",
        ">-1\r\n",
        "|-1\r\n",
        "!-1\r\n",
        "=3\r\n",
        "=-1\r\n",
        "$\r\n",
        ":\r\n",
        ":1 \r\n",
        ":1\rx",
        "+OK\rx",
        "#\r\n",
        "#x\r\n",
        "#tt\r\n",
        "_x\r\n",
        ",\r\n",
        ",1.x\r\n",
        "(\r\n",
        "(1.5\r\n",
        "*1\r\nx",
        ";4\r\n",
        ".\r\n",
        "$1\r\nab",
        "$1\r\na\rb",
        ",0x10\r\n",
        "*9223372036854775808\r\n",
        ":9223372036854775808\r\n",
        "%9223372036854775807\r\n",
        "*9223372036854775807\r\n*2\r\n",
        ":000000000000000000000000000000001",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct resp_scan scan = {0};
        size_t used = 0;
        if (next_reply(&scan, rows[i], &used) != RESP_BAD) {
            fail_msg("not refused: row %zu", i);
        }
        assert_int_equal(strncmp(scan.error, "Protocol error: ", 16), 0);
        assert_int_equal(next_reply(&scan, "+OK\r\n", &(size_t){0}), RESP_BAD);
    }
}

/* What the readers have limits for passes: nothing of it is held. */
static void test_replies_have_no_limits(void **state)
{
    enum { DEEP = 100000, LONG = 1024 * 1024 };
    struct resp_scan scan = {0};
    struct buf reply = {0};
    size_t used = 0;

    (void)state;
    for (int i = 0; i < DEEP; i++) {
        buf_append_text(&reply, "*1\r\n");
    }
    buf_append_text(&reply, "-");
    for (int i = 0; i < LONG; i++) {
        buf_append(&reply, "e", 1);
    }
    assert_int_equal(resp_scan_reply(&scan, buf_data(&reply), reply.len, &used), RESP_MORE);
    assert_int_equal(used, reply.len);
    used = 0;
    assert_int_equal(resp_scan_reply(&scan, "\r\n", 2, &used), RESP_READY);
    assert_int_equal(scan.type, '*');
    used = 0;
    assert_int_equal(next_reply(&scan, "*3000000000\r\n$8589934592\r\nabc", &used), RESP_MORE);
    assert_true(scan.largest_bulk == UINT64_C(8589934592));
    buf_finish(&reply);
}

/* ---- against the readers ---- */

static size_t below(struct prng *p, size_t bound)
{
    return (size_t)prng_below(p, bound);
}

static void put_bytes(struct buf *out, struct prng *p, size_t len)
{
    static const char common[] = "\r\n*$ \"'\\01-a\0";

    for (size_t i = 0; i < len; i++) {
        char c = below(p, 2) == 0 ? common[below(p, sizeof(common))] : (char)below(p, 256);
        buf_append(out, &c, 1);
    }
}

static const char *odd_number(struct prng *p)
{
    static const char *const odd[] = {
        "",
        "-1",
        "-0",
        "01",
        "+1",
        "1x",
        "-",
        "?",
        "16384",
        "16385",
        "2147483647",
        "2147483648",
        "-5",
        "9223372036854775807",
        "1048576",
        "1048577",
        "9223372036854775808",
        "-9223372036854775808",
        "536870913",
        "000000000000000000000000000000000000007",
    };

    return odd[below(p, sizeof(odd) / sizeof(odd[0]))];
}

static void put_head(struct buf *out, struct prng *p, char type, size_t number)
{
    const char *ends[] = {"\r\n", "\r\n", "\r\n", "\r\n", "\rx", "\n", "\r"};
    const char *end = ends[below(p, 20) == 0 ? below(p, 7) : 0];

    if (below(p, 50) == 0) {
        buf_printf(out, "%c%s%s", type, odd_number(p), end);
    } else {
        buf_printf(out, "%c%zu%s", type, number, end);
    }
}

static void put_request(struct buf *out, struct prng *p)
{
    static const char *const lines[] = {
        "PING\r\n",  "\r\n",     "\n",   "  \t \n", "GET 'a b' \"c\\x00\"\n",
        "SET \"a\n", "\v\f\r\n", " x\n",
    };
    size_t kind = below(p, 10);

    if (kind == 0) {
        buf_append_text(out, lines[below(p, sizeof(lines) / sizeof(lines[0]))]);
        return;
    }
    if (kind == 1) {
        put_bytes(out, p, below(p, 40));
        buf_append(out, "\n", below(p, 2));
        return;
    }
    size_t argc = below(p, kind == 2 ? 40 : 5);
    put_head(out, p, '*', argc);
    for (size_t i = 0; i < argc; i++) {
        size_t len = below(p, below(p, 10) == 0 ? 300 : 12);
        put_head(out, p, '$', len);
        put_bytes(out, p, len);
        buf_append_text(out, "\r\n");
    }
}

static void put_reply(struct buf *out, struct prng *p, size_t depth)
{
    static const char *const lines[] = {
        "+OK\r\n",   "-ERR x y\r\n", "_\r\n",
        "#t\r\n",    "#f\r\n",       ",1.5\r\n",
        ",-inf\r\n", ",1e\r\n",      "(123456789012345678901234567890\r\n",
        "(-\r\n",    "$-1\r\n",      "*-1\r\n",
        "+\r\n",     "-a\rb\r\n",    "%0\r\n",
        "|0\r\n",    "*0\r\n",       ",+nan\r\n",
        "_ \r\n",    "#x\r\n",
    };
    static const char texts[] = "$$$!=";
    static const char many[] = "***~>%|";
    size_t kind = below(p, depth > 5 ? 8 : 12);

    if (kind < 3) {
        buf_append_text(out, lines[below(p, below(p, 4) > 0 ? 7 : 20)]);
    } else if (kind == 3) {
        put_head(out, p, ':', below(p, 100000));
    } else if (kind < 8) {
        char type = texts[below(p, sizeof(texts) - 1)];
        size_t len = 4 + below(p, below(p, 10) == 0 ? 300 : 12);
        put_head(out, p, type, len);
        put_bytes(out, p, len);
        buf_append_text(out, "\r\n");
    } else {
        char type = many[below(p, sizeof(many) - 1)];
        size_t count = below(p, 4);
        put_head(out, p, type, count);
        count = type == '%' ? count * 2 : type == '|' ? count * 2 + 1 : count;
        for (size_t i = 0; i < count && out->len < STREAM_BYTES_MAX; i++) {
            put_reply(out, p, depth + 1);
        }
    }
}

static void spoil(struct buf *stream, struct prng *p)
{
    static const char bytes[] = "\r\n*$0123456789-:+%|>~_#,(!=? \"'\0x";
    size_t times = below(p, 3);

    for (size_t i = 0; i < times && stream->len > 0; i++) {
        stream->bytes[stream->start + below(p, stream->len)] = bytes[below(p, sizeof(bytes))];
    }
}

static struct compare_cuts random_cuts(struct prng *p, uint8_t lengths[CUTS_MAX])
{
    static const size_t most[] = {2, 4, 16, 64, 256};
    size_t bound = most[below(p, sizeof(most) / sizeof(most[0]))];

    for (size_t i = 0; i < CUTS_MAX; i++) {
        lengths[i] = (uint8_t)below(p, bound);
        lengths[i] = lengths[i] == 0 && i + 1 < CUTS_MAX ? 1 : lengths[i];
    }
    return (struct compare_cuts){.lengths = lengths, .count = CUTS_MAX};
}

static char replay[64]; /* the command that shows what fails */

static void on_abort(int number)
{
    (void)number;
    (void)!write(STDERR_FILENO, replay, strlen(replay)); /* the test fails anyway */
}

/* Every round has a seed of its own: the one printed when it fails replays it alone. Returns how
 * many frames were compared; at least one a round, or the rounds show nothing. */
static size_t for_each_seed(size_t (*round)(struct prng *p))
{
    const char *text = getenv("SCAN_SEED");
    uint64_t first = text == NULL ? 20261121 : strtoull(text, NULL, 10);
    uint64_t rounds = text == NULL ? ROUNDS : 1;
    size_t frames = 0;
    struct sigaction action = {.sa_handler = on_abort};
    struct sigaction before;

    (void)sigaction(SIGABRT, &action, &before);
    for (uint64_t seed = first; seed < first + rounds; seed++) {
        struct prng p;
        (void)snprintf(replay, sizeof(replay), "replay: SCAN_SEED=%llu test_resp_scan\n",
                       (unsigned long long)seed);
        prng_init(&p, seed);
        frames += round(&p);
    }
    (void)sigaction(SIGABRT, &before, NULL);
    return text == NULL ? frames : SIZE_MAX;
}

static size_t request_round(struct prng *p)
{
    static const struct resp_limits rows[] = {
        {.args_max = RESP_COMMAND_ARGS_MAX,
         .bulk_bytes_max = 1024 * 1024,
         .inline_bytes_max = 65536},
        {.args_max = 10, .bulk_bytes_max = 16384, .inline_bytes_max = 65536, .is_stranger = true},
        {.args_max = 3, .bulk_bytes_max = 100, .inline_bytes_max = 20},
    };
    struct buf stream = {0};
    uint8_t lengths[CUTS_MAX];
    size_t requests = 1 + below(p, 8);

    for (size_t i = 0; i < requests; i++) {
        put_request(&stream, p);
    }
    spoil(&stream, p);
    struct compare_cuts cuts = random_cuts(p, lengths);
    size_t frames = compare_requests(buf_data(&stream), stream.len, &cuts, &rows[below(p, 3)]);
    buf_finish(&stream);
    return frames;
}

static void test_requests_end_where_the_reader_says(void **state)
{
    (void)state;
    assert_true(for_each_seed(request_round) > ROUNDS);
}

static size_t reply_round(struct prng *p)
{
    struct buf stream = {0};
    uint8_t lengths[CUTS_MAX];
    size_t replies = 1 + below(p, 8);

    for (size_t i = 0; i < replies; i++) {
        put_reply(&stream, p, 0);
    }
    spoil(&stream, p);
    struct compare_cuts cuts = random_cuts(p, lengths);
    size_t frames = compare_replies(buf_data(&stream), stream.len, &cuts);
    buf_finish(&stream);
    return frames;
}

static void test_replies_end_where_the_reader_says(void **state)
{
    (void)state;
    assert_true(for_each_seed(reply_round) > ROUNDS);
}

/* ---- looking into a frame ---- */

static void test_arguments_are_walked_over(void **state)
{
    static const char request[] = "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\r\nb\r\n*1\r\n$1\r\nx\r\n";
    static const struct {
        const char *bytes;
        size_t len;
        size_t complete_at; /* bytes of the request with which it is complete */
    } rows[] = {{"SET", 3, 11}, {"", 0, 17}, {"a\r\nb", 4, 27}};

    (void)state;
    for (size_t len = 0; len < sizeof(request); len++) {
        struct resp_args args = {0};
        struct resp_text argument = {0};
        for (size_t i = 0; i < 3 && len >= rows[i].complete_at; i++) {
            assert_true(resp_args_next(&args, request, len, &argument));
            assert_int_equal(argument.len, rows[i].len);
            assert_memory_equal(argument.bytes, rows[i].bytes, rows[i].len);
        }
        assert_false(resp_args_next(&args, request, len, &argument));
        assert_false(resp_args_next(&args, request, len, &argument));
    }
}

static void test_what_is_no_request_has_no_arguments(void **state)
{
    static const char *const rows[] = {"",
                                       "*",
                                       "PING\r\n",
                                       "*x\r\n",
                                       "*1\r\n*1\r\n$1\r\na\r\n",
                                       "*1\r\n$x\r\na\r\n",
                                       "*0\r\n",
                                       "*-1\r\n$1\r\na\r\n",
                                       "*1\r\n$18446744073709551615\r\nabc"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct resp_args args = {0};
        struct resp_text argument;
        assert_false(resp_args_next(&args, rows[i], strlen(rows[i]), &argument));
    }
}

static void test_the_code_of_an_error(void **state)
{
    static const struct {
        const char *reply;
        bool is;
    } rows[] = {
        {"-READONLY You can't write against a read only replica.\r\n", true},
        {"-READONLY\r\n", true},
        {"-READONLY ", true},
        {"-READONLY", false}, /* it may be a longer word */
        {"-READONLYX y\r\n", false},
        {"-READ ONLY\r\n", false},
        {"+READONLY \r\n", false},
        {"-ERR READONLY \r\n", false},
        {"", false},
        {"-", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].reply);
        char *reply = compare_copy(rows[i].reply, len);
        assert_int_equal(resp_reply_is_error(reply, len, "READONLY"), rows[i].is);
        free(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_of_every_kind_in_one_stream),
        cmocka_unit_test(test_what_is_known_before_the_end),
        cmocka_unit_test(test_a_bulk_costs_nothing),
        cmocka_unit_test(test_refusals_have_the_words_of_redis),
        cmocka_unit_test(test_the_limits_themselves_are_taken),
        cmocka_unit_test(test_the_limits_may_change),
        cmocka_unit_test(test_no_limit_of_lines_is_the_usual_one),
        cmocka_unit_test(test_endless_lines_are_refused),
        cmocka_unit_test(test_replies_of_every_kind),
        cmocka_unit_test(test_what_no_server_sends_is_bad),
        cmocka_unit_test(test_replies_have_no_limits),
        cmocka_unit_test(test_requests_end_where_the_reader_says),
        cmocka_unit_test(test_replies_end_where_the_reader_says),
        cmocka_unit_test(test_arguments_are_walked_over),
        cmocka_unit_test(test_what_is_no_request_has_no_arguments),
        cmocka_unit_test(test_the_code_of_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

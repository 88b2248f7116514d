/* Answers of all kinds, each fed whole and byte by byte: the same must come of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "probe/http_answer.h"

enum { BODY_MAX = 32 };

struct row {
    const char *bytes;
    bool is_head;
    bool ends; /* the connection is closed behind the bytes */
    enum http_part part;
    int status;
    const char *body;
    const char *why;
};

#define OK "HTTP/1.1 200 OK\r\n"

/* clang-format off */
static const struct row rows[] = {
    {OK "Content-Length: 5\r\n\r\nhello", false, false, HTTP_PART_DONE, 200, "hello", ""},
    {OK "Content-Length: 5\r\n\r\nhell", false, false, HTTP_PART_LENGTH, 200, "hell", ""},
    {OK "Content-Length: 5\r\n\r\nhell", false, true, HTTP_PART_BROKEN, 200, "hell", "of the body"},
    {OK "Content-Length: 0\r\n\r\n", false, false, HTTP_PART_DONE, 200, "", ""},
    {OK "content-length:5 \t\r\n\r\nhello more", false, false, HTTP_PART_DONE, 200, "hello", ""},
    {OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false, false, HTTP_PART_DONE, 200,
     "hello", ""},
    {"HTTP/1.0 200\n\nuntil", false, true, HTTP_PART_DONE, 200, "until", ""},
    {OK "\r\nuntil", false, false, HTTP_PART_UNTIL_END, 200, "until", ""},
    {OK "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", false,
     false, HTTP_PART_DONE, 200, "abc0123456789", ""},
    {OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nExpires: never\r\n\r\n", false, false,
     HTTP_PART_DONE, 200, "a", ""},
    {OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc", false, true, HTTP_PART_BROKEN, 200, "abc",
     "closed"},
    {OK "Content-Length: 500\r\n\r\n", true, false, HTTP_PART_DONE, 200, "", ""},
    {"HTTP/1.1 204 No Content\r\n\r\n", false, false, HTTP_PART_DONE, 204, "", ""},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, false, HTTP_PART_DONE, 304,
     "", ""},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", false,
     false,
     HTTP_PART_DONE, 503, "busy", ""},
    {OK "Content-Length: 40\r\n\r\n0123456789012345678901234567890123456789", false, false,
     HTTP_PART_DONE, 200, "01234567890123456789012345678901", ""},

    {"", false, true, HTTP_PART_BROKEN, 0, "", "before the answer"},
    {OK, false, true, HTTP_PART_BROKEN, 200, "", "of the head"},
    {"SSH-2.0-OpenSSH_9.2\r\n", false, false, HTTP_PART_BROKEN, 0, "", "no HTTP"},
    {"\r\n", false, false, HTTP_PART_BROKEN, 0, "", "no HTTP"},
    {"HTTP/2 200\r\n", false, false, HTTP_PART_BROKEN, 0, "", "no HTTP"},
    {"HTTP/1.1 2000\r\n", false, false, HTTP_PART_BROKEN, 0, "", "no HTTP"},
    {"HTTP/1.1 099 x\r\n", false, false, HTTP_PART_BROKEN, 99, "", "below 100"},
    {"HTTP/1.1 600 x\r\n", false, false, HTTP_PART_BROKEN, 600, "", "above 599"},
    {OK "no colon\r\n", false, false, HTTP_PART_BROKEN, 200, "", "header line"},
    {OK " folded: x\r\n", false, false, HTTP_PART_BROKEN, 200, "", "header line"},
    {OK "Content-Length : 5\r\n", false, false, HTTP_PART_BROKEN, 200, "", "header line"},
    {OK "X: a\rb\r\n", false, false, HTTP_PART_BROKEN, 200, "", "lone CR"},
    {OK "Content-Length: 5x\r\n", false, false, HTTP_PART_BROKEN, 200, "", "no number"},
    {OK "Content-Length: -1\r\n", false, false, HTTP_PART_BROKEN, 200, "", "no number"},
    {OK "Content-Length: 99999999999999999999\r\n", false, false, HTTP_PART_BROKEN, 200, "",
     "no number"},
    {OK "Content-Length: 5\r\nContent-Length: 6\r\n", false, false, HTTP_PART_BROKEN, 200, "",
     "differ"},
    {OK "Transfer-Encoding: gzip, chunked\r\n", false, false, HTTP_PART_BROKEN, 200, "",
     "other than"},
    {OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", false, false, HTTP_PART_BROKEN,
     200, "", "both"},
    {OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", false, false, HTTP_PART_BROKEN, 200, "",
     "no number"},
    {OK "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", false, false, HTTP_PART_BROKEN,
     200, "", "too large"},
    {OK "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", false, false, HTTP_PART_BROKEN, 200,
     "a", "longer"},
};
/* clang-format on */

static void feed(const struct row *row, size_t i, size_t step)
{
    struct http_answer a;
    struct buf in = {0};
    size_t len = strlen(row->bytes);
    bool is_over = false;

    http_answer_init(&a, row->is_head, BODY_MAX);
    for (size_t at = 0; at < len && !is_over; at += step) {
        buf_append(&in, row->bytes + at, step < len - at ? step : len - at);
        is_over = http_answer_feed(&a, &in);
    }
    if (row->ends) {
        assert_int_equal(http_answer_end(&a), row->part == HTTP_PART_DONE);
    } else {
        assert_int_equal(is_over, row->part == HTTP_PART_DONE || row->part == HTTP_PART_BROKEN);
    }
    if (a.part != row->part || a.status != row->status ||
        strcmp(buf_data(&a.body), row->body) != 0 || strstr(a.err.text, row->why) == NULL) {
        fail_msg("row %zu by %zu: part %d, status %d, body '%s', %s", i, step, (int)a.part,
                 a.status, buf_data(&a.body), a.err.text);
    }
    assert_int_equal(a.is_cut, len > 40 && strstr(row->bytes, "Length: 40") != NULL);
    http_answer_finish(&a);
    buf_finish(&in);
}

static void test_every_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        feed(&rows[i], i, 1);
        feed(&rows[i], i, 7);
        feed(&rows[i], i, 4096);
    }
}

/* Feeds the same line until the answer is broken, at most `times`. */
static bool is_broken_by(const char *line, size_t times, const char *why)
{
    struct http_answer a;
    struct buf in = {0};
    bool is_broken = false;

    http_answer_init(&a, false, BODY_MAX);
    buf_append_text(&in, OK);
    for (size_t i = 0; i < times && !is_broken; i++) {
        buf_append_text(&in, line);
        is_broken = http_answer_feed(&a, &in);
    }
    is_broken = is_broken && a.part == HTTP_PART_BROKEN && strstr(a.err.text, why) != NULL;
    http_answer_finish(&a);
    buf_finish(&in);
    return is_broken;
}

static void test_a_head_has_bounds(void **state)
{
    (void)state;
    assert_true(is_broken_by("a:\r\n", HTTP_FIELDS_MAX + 1, "too many"));
    assert_false(is_broken_by("a:\r\n", HTTP_FIELDS_MAX, "too many"));
    assert_true(is_broken_by("xxxxxxxxxxxxxxxx", HTTP_HEAD_MAX_BYTES / 16 + 1, "too long"));
}

static void test_a_text_in_the_body(void **state)
{
    struct http_answer a;
    struct buf in = {0};

    (void)state;
    http_answer_init(&a, false, BODY_MAX);
    buf_append_text(&in, OK "Content-Length: 11\r\n\r\nall is well");
    assert_true(http_answer_feed(&a, &in));
    assert_true(http_answer_has(&a, "is well"));
    assert_true(http_answer_has(&a, ""));
    assert_false(http_answer_has(&a, "is well!"));
    http_answer_finish(&a);
    buf_finish(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_answer),
        cmocka_unit_test(test_a_head_has_bounds),
        cmocka_unit_test(test_a_text_in_the_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

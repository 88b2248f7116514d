#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/http_request.h"

static enum http_parse parse(const char *text, struct http_request *request, size_t *used)
{
    return http_request_parse(text, strlen(text), request, used);
}

static void a_request_is_read(void **state)
{
    static const char text[] = "GET /healthz/db?strict&x=1 HTTP/1.1\r\nHost: a\r\n"
                               "X-Odd : is refused elsewhere\r\n\r\n";
    static const char plain[] = "GET /healthz/d%62?strict&x=1 HTTP/1.1\r\nHost: a\r\n\r\nGET";
    struct http_request r;
    size_t used = 0;

    (void)state;
    assert_int_equal(parse(text, &r, &used), HTTP_PARSE_BAD); /* white space before a colon */
    assert_int_equal(parse(plain, &r, &used), HTTP_PARSE_DONE);
    assert_int_equal(used, strlen(plain) - 3);
    assert_int_equal(r.method, HTTP_GET);
    assert_string_equal(r.path, "/healthz/db");
    assert_string_equal(r.query, "strict&x=1");
    assert_true(http_request_has(&r, "strict"));
    assert_true(http_request_has(&r, "x"));
    assert_false(http_request_has(&r, "stric"));
    assert_false(r.wants_close);
}

static void every_prefix_wants_more(void **state)
{
    static const char text[] = "\r\nHEAD http://lb:80/readyz HTTP/1.0\nConnection: Keep-Alive\n\n";
    struct http_request r;
    size_t used = 0;

    (void)state;
    for (size_t len = 0; len < strlen(text); len++) {
        assert_int_equal(http_request_parse(text, len, &r, &used), HTTP_PARSE_MORE);
    }
    assert_int_equal(parse(text, &r, &used), HTTP_PARSE_DONE);
    assert_int_equal(r.method, HTTP_HEAD);
    assert_string_equal(r.path, "/readyz");
    assert_false(r.wants_close);
}

static void how_the_connection_goes_on(void **state)
{
    static const struct {
        const char *text;
        bool wants_close;
    } rows[] = {
        {"GET / HTTP/1.0\r\n\r\n", true},
        {"GET / HTTP/1.1\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: TE, Close\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nconnection:keep-alive\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_request r;
        size_t used = 0;
        assert_int_equal(parse(rows[i].text, &r, &used), HTTP_PARSE_DONE);
        assert_int_equal(r.wants_close, rows[i].wants_close);
    }
}

static void what_is_none_is_refused(void **state)
{
    static const struct {
        const char *text;
        enum http_parse result;
    } rows[] = {
        {"\x16\x03\x01\x02\n\n", HTTP_PARSE_BAD},
        {"GET /\r\n\r\n", HTTP_PARSE_BAD},
        {"GET  / HTTP/1.1\r\n\r\n", HTTP_PARSE_BAD},
        {"GET healthz HTTP/1.1\r\n\r\n", HTTP_PARSE_BAD},
        {"GET /% HTTP/1.1\r\n\r\n", HTTP_PARSE_BAD},
        {"GET /%0a HTTP/1.1\r\n\r\n", HTTP_PARSE_BAD},
        {"GET /%00 HTTP/1.1\r\n\r\n", HTTP_PARSE_BAD},
        {"GET http:// HTTP/1.1\r\n\r\n", HTTP_PARSE_BAD},
        {"GET / HTTP/1.1\r\n folded: x\r\n\r\n", HTTP_PARSE_BAD},
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", HTTP_PARSE_BAD},
        {"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", HTTP_PARSE_BAD},
        {"GET / HTTP/2.0\r\n\r\n", HTTP_PARSE_NO_VERSION},
        {"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", HTTP_PARSE_BODY},
        {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_PARSE_BODY},
    };
    struct http_request r = {.path = "untouched"};
    size_t used = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(rows[i].text, &r, &used), rows[i].result);
    }
    assert_string_equal(r.path, "untouched");
    assert_int_equal(used, 77);
}

static void what_is_too_long_is_refused(void **state)
{
    static char text[HTTP_HEAD_MAX_BYTES + 64];
    struct http_request r;
    size_t used = 0;

    (void)state;
    memset(text, 'a', HTTP_HEAD_MAX_BYTES);
    memcpy(text, "GET /", 5);
    assert_int_equal(http_request_parse(text, HTTP_HEAD_MAX_BYTES - 1, &r, &used), HTTP_PARSE_MORE);
    assert_int_equal(http_request_parse(text, HTTP_HEAD_MAX_BYTES, &r, &used),
                     HTTP_PARSE_LONG_HEAD);
    memcpy(text + HTTP_PATH_MAX + 20, " HTTP/1.1\r\n\r\n", 14);
    assert_int_equal(parse(text, &r, &used), HTTP_PARSE_LONG_PATH);
    text[6] = '?';
    assert_int_equal(parse(text, &r, &used), HTTP_PARSE_LONG_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read),           cmocka_unit_test(every_prefix_wants_more),
        cmocka_unit_test(how_the_connection_goes_on),  cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(what_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

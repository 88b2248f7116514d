#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/tcp_proxy.h"

static struct addr at(const char *ip, uint16_t port)
{
    struct addr addr;

    assert_true(addr_set(&addr, ip, port));
    return addr;
}

static void check(int version, const struct addr *from, const struct addr *to, const char *want,
                  size_t want_len)
{
    char header[TCP_PROXY_HEADER_MAX];

    size_t len = tcp_proxy_header(header, version, from, to);
    assert_int_equal(len, want_len);
    assert_memory_equal(header, want, want_len);
}

#define assert_says(version, from, to, want) check(version, from, to, want, sizeof(want) - 1)
#define SIGNATURE                            "\r\n\r\n\0\r\nQUIT\n"

static void the_text_names_both_ends(void **state)
{
    struct addr from = at("192.0.2.1", 56324);
    struct addr to = at("198.51.100.255", 443);

    (void)state; /* none */
    assert_says(1, &from, &to, "PROXY TCP4 192.0.2.1 198.51.100.255 56324 443\r\n");
    from = at("2001:db8::1", 1);
    to = at("::1", 65535);
    assert_says(1, &from, &to, "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n");
    assert_says(1, NULL, NULL, "PROXY UNKNOWN\r\n");
}

static void the_longest_text_fits(void **state)
{
    char header[TCP_PROXY_HEADER_MAX];
    struct addr from = at("1111:2222:3333:4444:5555:6666:7777:8888", 65535);
    struct addr to = at("aaaa:bbbb:cccc:dddd:eeee:ffff:1111:2222", 65535);

    (void)state; /* none */
    size_t len = tcp_proxy_header(header, 1, &from, &to);
    assert_int_equal(len, 104);
    assert_memory_equal(header + len - 2, "\r\n", 2);
}

static void the_binary_form_has_addresses_then_ports(void **state)
{
    struct addr from = at("192.0.2.1", 0x1234);
    struct addr to = at("198.51.100.255", 443);

    (void)state; /* none */
    assert_says(2, &from, &to,
                SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\xff\x12\x34\x01\xbb");
    from = at("2001:db8::1", 0x1234);
    to = at("::1", 443);
    assert_says(2, &from, &to,
                SIGNATURE "\x21\x21\x00\x24"
                          "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                          "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
                          "\x12\x34\x01\xbb");
}

static void a_client_without_an_address_is_local(void **state)
{
    (void)state; /* none */
    assert_says(2, NULL, NULL, SIGNATURE "\x20\x00\x00\x00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_names_both_ends),
        cmocka_unit_test(the_longest_text_fits),
        cmocka_unit_test(the_binary_form_has_addresses_then_ports),
        cmocka_unit_test(a_client_without_an_address_is_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The PROXY protocol, as https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt has it. */
#include "router/tcp_proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum {
    PROXY2_LOCAL = 0x20, /* version 2, the connection is the proxy's own */
    PROXY2_PROXY = 0x21,
    PROXY2_UNSPEC = 0x00,
    PROXY2_TCP4 = 0x11,
    PROXY2_TCP6 = 0x21,
    PROXY2_TCP4_BYTES = 12,
    PROXY2_TCP6_BYTES = 36,
    PROXY2_FIXED_BYTES = 16,
};

static const char proxy2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

static bool addr_is_v6(const struct addr *at)
{
    return strchr(at->ip, ':') != NULL;
}

static size_t proxy_text(char *header, const struct addr *from, const struct addr *to)
{
    int len = from == NULL ? snprintf(header, TCP_PROXY_HEADER_MAX, "PROXY UNKNOWN\r\n")
                           : snprintf(header, TCP_PROXY_HEADER_MAX, "PROXY %s %s %s %u %u\r\n",
                                      addr_is_v6(from) ? "TCP6" : "TCP4", from->ip, to->ip,
                                      from->port, to->port);

    ASSERT(len > 0 && len < TCP_PROXY_HEADER_MAX);
    return (size_t)len;
}

static char *proxy_put(char *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static char *proxy_put_port(char *at, uint16_t port)
{
    uint16_t wire = htons(port);

    return proxy_put(at, &wire, sizeof(wire));
}

static char *proxy_put_ip(char *at, const struct addr *from)
{
    struct in6_addr ip;
    bool is_v6 = addr_is_v6(from);

    ASSERT(inet_pton(is_v6 ? AF_INET6 : AF_INET, from->ip, &ip) == 1);
    return proxy_put(at, &ip, is_v6 ? sizeof(struct in6_addr) : sizeof(struct in_addr));
}

static size_t proxy_binary(char *header, const struct addr *from, const struct addr *to)
{
    char *at = proxy_put(header, proxy2_signature, sizeof(proxy2_signature) - 1);
    bool is_v6 = from != NULL && addr_is_v6(from);
    uint16_t len = is_v6 ? PROXY2_TCP6_BYTES : PROXY2_TCP4_BYTES;
    unsigned family = from == NULL ? PROXY2_UNSPEC : is_v6 ? PROXY2_TCP6 : PROXY2_TCP4;

    *at++ = from == NULL ? PROXY2_LOCAL : PROXY2_PROXY;
    *at++ = (char)family;
    at = proxy_put_port(at, from == NULL ? 0 : len);
    if (from != NULL) {
        at = proxy_put_ip(at, from);
        at = proxy_put_ip(at, to);
        at = proxy_put_port(at, from->port);
        at = proxy_put_port(at, to->port);
    }
    ASSERT((size_t)(at - header) == PROXY2_FIXED_BYTES + (from == NULL ? 0U : len));
    return (size_t)(at - header);
}

size_t tcp_proxy_header(char header[TCP_PROXY_HEADER_MAX], int version, const struct addr *from,
                        const struct addr *to)
{
    ASSERT(version == 1 || version == 2);
    ASSERT((from == NULL) == (to == NULL));
    return version == 1 ? proxy_text(header, from, to) : proxy_binary(header, from, to);
}

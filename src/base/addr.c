#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool addr_canonical_ip(const char *host, char ip[ADDR_IP_MAX])
{
    unsigned char raw[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, raw) == 1) {
        return inet_ntop(AF_INET, raw, ip, ADDR_IP_MAX) != NULL;
    }
    if (inet_pton(AF_INET6, host, raw) == 1) {
        return inet_ntop(AF_INET6, raw, ip, ADDR_IP_MAX) != NULL;
    }
    return false;
}

static bool addr_is_name(const char *host)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(host);
    return len > 0 && len < ADDR_NAME_MAX && strspn(host, allowed) == len;
}

bool addr_is_numeric(const char *host)
{
    char ip[ADDR_IP_MAX];
    return addr_canonical_ip(host, ip);
}

bool addr_set(struct addr *at, const char *host, uint16_t port)
{
    struct addr made = {.port = port};

    if (!addr_canonical_ip(host, made.ip)) {
        if (!addr_is_name(host)) {
            return false;
        }
        made.ip[0] = '\0';
        memcpy(made.name, host, strlen(host) + 1);
    }
    *at = made;
    return true;
}

bool addr_same(const struct addr *a, const struct addr *b)
{
    if (a->port != b->port) {
        return false;
    }
    if (a->ip[0] != '\0' && b->ip[0] != '\0') {
        return strcmp(a->ip, b->ip) == 0;
    }
    return a->name[0] != '\0' && strcasecmp(a->name, b->name) == 0;
}

const char *addr_host(const struct addr *at, bool want_name)
{
    if (at->name[0] != '\0' && (want_name || at->ip[0] == '\0')) {
        return at->name;
    }
    return at->ip;
}

const char *addr_text(const struct addr *at, char text[ADDR_TEXT_MAX])
{
    const char *host = addr_host(at, true);
    bool ipv6 = strchr(host, ':') != NULL;

    (void)snprintf(text, ADDR_TEXT_MAX, "%s%s%s:%u", ipv6 ? "[" : "", host, ipv6 ? "]" : "",
                   (unsigned)at->port); /* always fits */
    return text;
}

bool addr_is_set(const struct addr *at)
{
    return at->port != 0 && (at->ip[0] != '\0' || at->name[0] != '\0');
}

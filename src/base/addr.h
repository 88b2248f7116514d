#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ADDR_IP_MAX = 46,    /* INET6_ADDRSTRLEN */
    ADDR_NAME_MAX = 254, /* the longest DNS name and its end */
    ADDR_TEXT_MAX = ADDR_NAME_MAX + 8,
};

/*
 * Where a server listens. `ip` is a canonical numeric address, empty while a name is not resolved;
 * `name` is the host name the operator wrote, empty when he wrote a number.
 */
struct addr {
    char ip[ADDR_IP_MAX];
    char name[ADDR_NAME_MAX];
    uint16_t port;
};

/* Fills *at from a host (number or name) and a port. False when the host is empty, too long, or has
 * characters no host name has. A number is put into its canonical form. */
bool addr_set(struct addr *at, const char *host, uint16_t port);

/* The same server: same port, and the same ip, or the same name (case is ignored) when either ip is
 * not known yet. */
bool addr_same(const struct addr *a, const struct addr *b);

/* The name when there is one and it is wanted (Sentinel's announce-hostnames), else the ip; the
 * name when no ip is known yet. */
const char *addr_host(const struct addr *at, bool want_name);

/* "10.0.0.1:6379", "[::1]:6379", "db1:6379". Returns text. */
const char *addr_text(const struct addr *at, char text[ADDR_TEXT_MAX]);

bool addr_is_numeric(const char *host);
bool addr_is_set(const struct addr *at);

#endif

#ifndef ROUTER_TCP_PROXY_H
#define ROUTER_TCP_PROXY_H

#include <stddef.h>

#include "base/addr.h"

enum {
    TCP_PROXY_HEADER_MAX = 108, /* the text form, as the protocol bounds it; the binary has 52 */
};

/*
 * The header of the PROXY protocol that tells a member who the client is: version 1 (text) or 2
 * (binary). from and to are numeric and of one family; NULL when the client is on a unix socket:
 * then it says UNKNOWN (1) or LOCAL (2), and the member takes the connection's own addresses.
 * Returns how many bytes were written.
 */
size_t tcp_proxy_header(char header[TCP_PROXY_HEADER_MAX], int version, const struct addr *from,
                        const struct addr *to);

#endif

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "loop/conn_inside.h"

socklen_t sock_addr_encode(const struct addr *at, struct sockaddr_storage *raw)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(at->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(at->port)};

    memset(raw, 0, sizeof(*raw));
    if (inet_pton(AF_INET, at->ip, &v4.sin_addr) == 1) {
        memcpy(raw, &v4, sizeof(v4));
        return sizeof(v4);
    }
    if (inet_pton(AF_INET6, at->ip, &v6.sin6_addr) == 1) {
        memcpy(raw, &v6, sizeof(v6));
        return sizeof(v6);
    }
    return 0;
}

socklen_t sock_addr_encode_path(const char *path, struct sockaddr_storage *raw)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    size_t len = strlen(path);

    memset(raw, 0, sizeof(*raw));
    if (len == 0 || len >= sizeof(local.sun_path)) {
        return 0;
    }
    memcpy(local.sun_path, path, len + 1);
    memcpy(raw, &local, sizeof(local));
    return (socklen_t)sizeof(local);
}

bool sock_addr_decode(const struct sockaddr_storage *raw, struct addr *at)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct addr made = {0};

    if (raw->ss_family == AF_INET) {
        memcpy(&v4, raw, sizeof(v4));
        (void)inet_ntop(AF_INET, &v4.sin_addr, made.ip, sizeof(made.ip)); /* always fits */
        made.port = ntohs(v4.sin_port);
    } else if (raw->ss_family == AF_INET6) {
        memcpy(&v6, raw, sizeof(v6));
        (void)inet_ntop(AF_INET6, &v6.sin6_addr, made.ip, sizeof(made.ip)); /* always fits */
        made.port = ntohs(v6.sin6_port);
    } else {
        return false;
    }
    *at = made;
    return true;
}

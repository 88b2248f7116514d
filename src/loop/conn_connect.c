#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/conn_inside.h"

static bool conn_connect_bind(int fd, int family, const char *source, struct err *err)
{
    struct addr from;
    struct sockaddr_storage raw;
    int on = 1;

    if (!addr_set(&from, source, 0) || from.ip[0] == '\0') {
        return err_set(err, "source address %s: not a numeric address", source);
    }
    socklen_t len = sock_addr_encode(&from, &raw);
    if (raw.ss_family != family) {
        return err_set(err, "source address %s: not of the same family as the target", source);
    }
    /* the port is chosen by connect():
     * so that a source has as many as it has targets times 28,000 */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&raw, len) != 0) {
        return err_set(err, "source address %s: %s", source, strerror(errno));
    }
    return true;
}

static int conn_connect_socket(const struct conn_target *to, int family, struct err *err)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        (void)err_set(err, "socket: %s", strerror(errno));
        return -1;
    }
    if (to->bind_source != NULL && family != AF_UNIX &&
        !conn_connect_bind(fd, family, to->bind_source, err)) {
        (void)close(fd); /* never used */
        return -1;
    }
    return fd;
}

struct conn *conn_connect(struct loop *loop, const struct conn_target *to,
                          const struct conn_handlers *h, void *ctx, struct err *err)
{
    struct sockaddr_storage raw;
    bool is_unix = to->at == NULL;
    socklen_t len =
        is_unix ? sock_addr_encode_path(to->unix_path, &raw) : sock_addr_encode(to->at, &raw);

    if (len == 0) {
        (void)err_set(err, "%s: %s", is_unix ? to->unix_path : addr_host(to->at, true),
                      is_unix ? "not a path of a socket" : "has no ip yet");
        return NULL;
    }
    int fd = conn_connect_socket(to, raw.ss_family, err);
    if (fd < 0) {
        return NULL;
    }
    if (!is_unix) {
        conn_tune(fd, 0);
    }
    struct conn *c = conn_make(loop, fd, is_unix);
    conn_set_handlers(c, h, ctx);
    if (to->tls != NULL && !conn_tls_attach(c, to->tls)) {
        (void)err_set(err, "TLS: no memory for a connection");
        conn_close(c);
        return NULL;
    }
    conn_set_deadline(c, to->timeout_ms);
    if (connect(fd, (const struct sockaddr *)&raw, len) == 0 || errno == EINPROGRESS) {
        conn_watch(c, false, true); /* connected or not is told in the next turn */
    } else {
        conn_fail_errno(c, errno);
    }
    return c;
}

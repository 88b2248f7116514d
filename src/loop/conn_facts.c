/* Setting and looking: nothing here moves a byte. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "loop/conn_inside.h"

void conn_set_handlers(struct conn *c, const struct conn_handlers *h, void *ctx)
{
    ASSERT(h->on_data != NULL);
    ASSERT(h->on_end != NULL);
    c->h = h;
    c->ctx = ctx;
}

void conn_set_limits(struct conn *c, size_t input_max_bytes, size_t output_max_bytes)
{
    c->in_max_bytes = input_max_bytes;
    c->out_max_bytes = output_max_bytes;
}

void conn_set_read_max(struct conn *c, size_t bytes)
{
    ASSERT(bytes > 0 && bytes <= LOOP_SCRATCH_BYTES);
    c->read_max_bytes = bytes;
}

static void fd_set_keepalive(int fd, int seconds)
{
    int on = seconds > 0;
    int every = seconds / 3 > 0 ? seconds / 3 : 1;
    int times = 3;

    /* a kernel that refuses one of these only notices a dead peer later */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (on) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
    }
}

void conn_set_keepalive(struct conn *c, int seconds)
{
    if (!c->is_unix && c->fd >= 0) {
        fd_set_keepalive(c->fd, seconds);
    }
}

void conn_tune(int fd, int keepalive_seconds)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only slower without */
    fd_set_keepalive(fd, keepalive_seconds);
}

bool conn_is_open(const struct conn *c)
{
    return c->phase == CONN_PHASE_OPEN;
}

bool conn_is_unix(const struct conn *c)
{
    return c->is_unix;
}

bool conn_is_tls(const struct conn *c)
{
    return c->ssl != NULL;
}

int conn_fd(const struct conn *c)
{
    return c->fd;
}

enum conn_peer conn_peer(const struct conn *c)
{
    struct pollfd look = {.fd = c->fd, .events = POLLRDHUP};

    if (poll(&look, 1, 0) <= 0) {
        return CONN_PEER_THERE;
    }
    if ((look.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
        return CONN_PEER_GONE;
    }
    return (look.revents & POLLRDHUP) != 0 ? CONN_PEER_FINISHED : CONN_PEER_THERE;
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

bool conn_local_addr(const struct conn *c, struct addr *at)
{
    struct sockaddr_storage raw = {0};
    socklen_t len = sizeof(raw);

    return getsockname(c->fd, (struct sockaddr *)&raw, &len) == 0 && sock_addr_decode(&raw, at) &&
           at->port != 0;
}

bool conn_peer_addr(const struct conn *c, struct addr *at)
{
    struct sockaddr_storage raw = {0};
    socklen_t len = sizeof(raw);

    return getpeername(c->fd, (struct sockaddr *)&raw, &len) == 0 && sock_addr_decode(&raw, at);
}

const char *conn_end_text(enum conn_end why)
{
    switch (why) {
    case CONN_CLOSED:
        return "closed";
    case CONN_RESET:
        return "reset";
    case CONN_REFUSED:
        return "refused";
    case CONN_UNREACHABLE:
        return "unreachable";
    case CONN_TIMEOUT:
        return "timeout";
    case CONN_TLS:
        return "tls";
    case CONN_OVERFLOW:
        return "overflow";
    case CONN_FAILED:
        return "failed";
    }
    UNREACHABLE("an end without a text");
}

/*
 * A network between two programs of one machine: every byte arrives a little later, and a
 * connection costs a round trip before its first. The kernel here has no netem.
 *
 *     delay_relay LISTEN_PORT TARGET_PORT DELAY_US
 *
 * Both ports are of 127.0.0.1; the delay is one way. All delays are alike, so a queue in the order
 * of arrival is in the order of departure too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 << 10, EVENTS = 256, BACKLOG = 511 };

/* One end of a connection; what is read here is written at the other end. */
struct end {
    int fd;
    int unsent; /* chunks in the queue that go to this end */
    bool has_ended;
    struct end *other;
};

struct chunk {
    struct chunk *next;
    struct end *to;
    int64_t due_ns;
    size_t len; /* 0: the other side has closed */
    char bytes[];
};

struct queue {
    struct chunk *first;
    struct chunk **end;
};

static struct queue data;   /* what travels */
static struct queue opened; /* connections whose handshake travels */
static int64_t delay_ns;
static int poll_fd;
static int timer_fd;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void enqueue(struct queue *q, struct end *to, int64_t due_ns, const char *bytes, size_t len)
{
    struct chunk *c = malloc(sizeof(*c) + len);

    if (c == NULL) {
        fail("malloc");
    }
    *c = (struct chunk){.to = to, .due_ns = due_ns, .len = len};
    memcpy(c->bytes, bytes, len);
    *q->end = c;
    q->end = &c->next;
    to->unsent++;
}

static void watch(struct end *e)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};

    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, e->fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

/* Both directions have ended, and nothing of either is under way. */
static void forget_if_over(struct end *e)
{
    struct end *other = e->other;

    if (e->has_ended && other->has_ended && e->unsent == 0 && other->unsent == 0) {
        (void)close(e->fd);
        (void)close(other->fd);
        free(e);
        free(other);
    }
}

static void on_readable(struct end *e)
{
    static char bytes[CHUNK_BYTES];
    ssize_t got = recv(e->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        e->has_ended = true;
        (void)epoll_ctl(poll_fd, EPOLL_CTL_DEL, e->fd, NULL);
        got = 0;
    }
    enqueue(&data, e->other, now_ns() + delay_ns, bytes, (size_t)got);
}

static struct end *make_end(int fd)
{
    struct end *e = calloc(1, sizeof(*e));
    int on = 1;

    if (e == NULL) {
        fail("calloc");
    }
    e->fd = fd;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return e;
}

static struct sockaddr_in local(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    at.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    return at;
}

static void on_client(int listener, const struct sockaddr_in *target)
{
    int near_fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int far_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (near_fd < 0 || far_fd < 0) {
        fail("accept");
    }
    if (connect(far_fd, (const struct sockaddr *)target, sizeof(*target)) != 0) {
        (void)close(near_fd);
        (void)close(far_fd);
        return;
    }
    struct end *near_end = make_end(near_fd);
    struct end *far_end = make_end(far_fd);
    near_end->other = far_end;
    far_end->other = near_end;
    enqueue(&opened, near_end, now_ns() + 2 * delay_ns, "", 0);
}

static void deliver(struct chunk *c)
{
    struct end *to = c->to;
    size_t at = 0;

    while (at < c->len) {
        ssize_t sent = send(to->fd, c->bytes + at, c->len - at, MSG_NOSIGNAL);
        if (sent < 0) {
            break; /* it has gone: its own end says so */
        }
        at += (size_t)sent;
    }
    if (c->len == 0) {
        (void)shutdown(to->fd, SHUT_WR);
    }
    to->unsent--;
    forget_if_over(to);
}

static struct chunk *take_due(struct queue *q, int64_t at_ns)
{
    struct chunk *c = q->first;

    if (c == NULL || c->due_ns > at_ns) {
        return NULL;
    }
    q->first = c->next;
    if (q->first == NULL) {
        q->end = &q->first;
    }
    return c;
}

static void run_due(void)
{
    int64_t at_ns = now_ns();
    struct chunk *c;

    while ((c = take_due(&opened, at_ns)) != NULL) {
        c->to->unsent--;
        watch(c->to);
        watch(c->to->other);
        free(c);
    }
    while ((c = take_due(&data, at_ns)) != NULL) {
        deliver(c);
        free(c);
    }
}

static void arm(void)
{
    int64_t next_ns = INT64_MAX;

    if (data.first != NULL) {
        next_ns = data.first->due_ns;
    }
    if (opened.first != NULL && opened.first->due_ns < next_ns) {
        next_ns = opened.first->due_ns;
    }
    struct itimerspec when = {0};
    if (next_ns != INT64_MAX) {
        when.it_value =
            (struct timespec){.tv_sec = next_ns / 1000000000, .tv_nsec = next_ns % 1000000000};
    }
    (void)timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when,
                          NULL); /* fails for wrong times only */
}

static int listen_on(const char *port)
{
    struct sockaddr_in at = local(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, BACKLOG) != 0) {
        fail("listen");
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: delay_relay LISTEN_PORT TARGET_PORT DELAY_US\n");
        return 2;
    }
    struct sockaddr_in target = local(argv[2]);
    struct end listener = {.fd = listen_on(argv[1])};
    data.end = &data.first;
    opened.end = &opened.first;
    delay_ns = (int64_t)strtoul(argv[3], NULL, 10) * 1000;
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct end timer = {.fd = timer_fd};
    watch(&listener);
    watch(&timer);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct end *e = events[i].data.ptr;
            if (e == &listener) {
                on_client(listener.fd, &target);
            } else if (e != &timer) { /* the timer is armed anew below, which makes it quiet */
                on_readable(e);
            }
        }
        run_due();
        arm();
    }
}

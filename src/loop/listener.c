#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "loop/conn_inside.h"
#include "loop/log.h"

enum {
    LISTENER_BACKLOG = 511,    /* Redis' tcp-backlog */
    LISTENER_ACCEPTS_MAX = 64, /* in one turn: a flood of clients must not stop the monitor */
    LISTENER_PAUSE_MS = 100,   /* after the descriptors ran out */
    LISTENER_NAME_MAX = 300,
};

struct listener {
    struct loop *loop;
    int fd;
    struct event *event;
    struct loop_timer *pause;
    bool is_short; /* of descriptors: told once */
    struct tls_context *tls;
    msec_t handshake_timeout_ms;
    uint16_t port;
    bool is_unix;
    char *unix_path; /* to be removed at the end, or NULL */
    listener_accept on_accept;
    void *ctx;
    bool is_closed; /* inside on_accept: freed when that returns */
    bool is_accepting;
};

static void listener_free(struct listener *l)
{
    free(l->unix_path);
    free(l);
}

static void listener_welcome(struct listener *l, int fd)
{
    struct conn *c = conn_make(l->loop, fd, l->is_unix);

    if (l->tls != NULL && !conn_tls_attach(c, l->tls)) {
        log_warning("a client was refused: no memory for TLS");
        conn_close(c);
        return;
    }
    conn_set_deadline(c, l->tls != NULL ? l->handshake_timeout_ms : 0);
    l->on_accept(l->ctx, c);
    if (c->phase == CONN_PHASE_DEAD) {
        return;
    }
    ASSERT(c->h != NULL || c->is_leaving);
    conn_connected(c);
}

static void listener_on_pause_over(void *ctx)
{
    struct listener *l = ctx;

    (void)event_add(l->event, NULL); /* it was added before */
}

/* True when it makes sense to try the next one at once. */
static bool listener_is_transient(struct listener *l, int error)
{
    if (error == EAGAIN) {
        return false;
    }
    if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
        if (!l->is_short) {
            log_warning("clients have to wait: accept: %s", strerror(error));
        }
        l->is_short = true;
        (void)event_del(l->event); /* else it would be readable without end */
        loop_timer_at(l->pause, loop_now(l->loop) + LISTENER_PAUSE_MS);
        return false;
    }
    return true; /* that one client has gone */
}

static void listener_on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct listener *l = ctx;

    (void)what;
    l->is_accepting = true;
    for (int i = 0; i < LISTENER_ACCEPTS_MAX && !l->is_closed; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            l->is_short = false;
            listener_welcome(l, client);
        } else if (!listener_is_transient(l, errno)) {
            break;
        }
    }
    l->is_accepting = false;
    if (l->is_closed) {
        listener_free(l);
    }
}

static bool listener_bind(int fd, const struct listener_plan *plan, struct err *err)
{
    struct sockaddr_storage raw;
    char name[ADDR_TEXT_MAX];
    int on = 1;
    socklen_t len = sock_addr_encode(plan->at, &raw);

    (void)addr_text(plan->at, name);
    /* a refused option shows when bind() fails */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (raw.ss_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(fd, (const struct sockaddr *)&raw, len) != 0) {
        return err_set(err, "%s: %s", name, strerror(errno));
    }
    return true;
}

static bool listener_bind_unix(int fd, const struct listener_plan *plan, struct err *err)
{
    struct sockaddr_storage raw;
    struct stat old;
    socklen_t len = sock_addr_encode_path(plan->unix_path, &raw);

    if (lstat(plan->unix_path, &old) == 0 && S_ISSOCK(old.st_mode)) {
        (void)unlink(plan->unix_path); /* bind() tells when it could not be */
    }
    if (bind(fd, (const struct sockaddr *)&raw, len) != 0) {
        return err_set(err, "%s: %s", plan->unix_path, strerror(errno));
    }
    /* before listen(): nobody can connect with the wrong mode */
    if (plan->unix_mode != 0 && chmod(plan->unix_path, plan->unix_mode) != 0) {
        return err_set(err, "%s: %s", plan->unix_path, strerror(errno));
    }
    return true;
}

/* The first IPv4 address of a name, as Redis. */
static bool listener_lookup(struct addr *at, struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct sockaddr_in v4;

    int failed = getaddrinfo(at->name, NULL, &hints, &found);
    if (failed != 0) {
        return err_set(err, "%s: %s", at->name, gai_strerror(failed));
    }
    memcpy(&v4, found->ai_addr, sizeof(v4));
    freeaddrinfo(found);
    (void)inet_ntop(AF_INET, &v4.sin_addr, at->ip, sizeof(at->ip)); /* always fits */
    return true;
}

int listener_socket(const struct listener_plan *plan, struct err *err)
{
    struct sockaddr_storage raw;
    struct listener_plan known = *plan;
    bool is_unix = plan->at == NULL;
    struct addr at = is_unix ? (struct addr){0} : *plan->at;

    known.at = is_unix ? NULL : &at;
    if (at.ip[0] == '\0' && at.name[0] != '\0' && !listener_lookup(&at, err)) {
        return -1;
    }
    socklen_t len =
        is_unix ? sock_addr_encode_path(plan->unix_path, &raw) : sock_addr_encode(&at, &raw);
    if (len == 0) {
        (void)err_set(err, "%s: not an address to listen on",
                      is_unix ? plan->unix_path : addr_host(&at, true));
        return -1;
    }
    int fd = socket(raw.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        (void)err_set(err, "socket: %s", strerror(errno));
        return -1;
    }
    bool is_bound = is_unix ? listener_bind_unix(fd, &known, err) : listener_bind(fd, &known, err);
    if (is_bound && listen(fd, plan->backlog > 0 ? plan->backlog : LISTENER_BACKLOG) != 0) {
        is_bound = err_set(err, "listen: %s", strerror(errno));
    }
    if (!is_bound) {
        (void)close(fd); /* never used */
        return -1;
    }
    return fd;
}

struct listener *listener_open(struct loop *loop, const struct listener_plan *plan,
                               listener_accept on_accept, void *ctx, struct err *err)
{
    struct sockaddr_storage raw = {0};
    socklen_t len = sizeof(raw);
    struct addr real;
    int fd = plan->shared_fd == NULL ? listener_socket(plan, err)
                                     : fcntl(*plan->shared_fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0) {
        if (plan->shared_fd != NULL) {
            (void)err_set(err, "listening socket: %s", strerror(errno));
        }
        return NULL;
    }
    struct listener *l = memory_zeroed(sizeof(*l));
    l->loop = loop;
    l->fd = fd;
    l->tls = plan->tls;
    l->handshake_timeout_ms = plan->handshake_timeout_ms;
    l->on_accept = on_accept;
    l->ctx = ctx;
    if (getsockname(fd, (struct sockaddr *)&raw, &len) == 0 && sock_addr_decode(&raw, &real)) {
        l->port = real.port;
    }
    if (plan->at == NULL) {
        l->is_unix = true;
    }
    if (plan->at == NULL && plan->shared_fd == NULL) {
        l->unix_path = strdup(plan->unix_path);
        ASSERT(l->unix_path != NULL);
    }
    if (!l->is_unix) {
        conn_tune(fd, plan->keepalive_seconds);
    }
    l->pause = loop_timer_create(loop, listener_on_pause_over, l);
    l->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, listener_on_readable, l);
    if (l->event == NULL || event_add(l->event, NULL) != 0) {
        assert_fail(__FILE__, __LINE__, __func__, "a listener cannot be watched");
    }
    return l;
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

void listener_set_tls(struct listener *l, struct tls_context *tls)
{
    l->tls = tls;
}

void listener_close(struct listener *l)
{
    if (l == NULL) {
        return;
    }
    event_free(l->event);
    loop_timer_destroy(l->pause);
    (void)close(l->fd); /* nothing was written to it */
    if (l->unix_path != NULL) {
        (void)unlink(l->unix_path); /* somebody may have removed it before us */
    }
    l->is_closed = true;
    if (!l->is_accepting) {
        listener_free(l);
    }
}

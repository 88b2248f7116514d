#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "router/control_inside.h"

/* The side that asks. The kernel's timeouts bound each step, so no clock is needed. */

enum {
    CONTROL_CHUNK_BYTES = 16384,
    CONTROL_ANSWER_MAX_BYTES = 4 << 20, /* the largest status is some 20 kB */
    CONTROL_FDS_MAX = 2 * ROUTER_LISTENS_MAX,
};

static bool control_set_patience(int fd)
{
    const struct timeval patience = {.tv_sec = CONTROL_PATIENCE_MS / 1000,
                                     .tv_usec = (suseconds_t)(CONTROL_PATIENCE_MS % 1000) * 1000};

    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0;
}

enum control_reach control_connect(const char *path, int *fd, struct err *err)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (!text_copy(to.sun_path, sizeof(to.sun_path), path)) {
        (void)err_set(err, "%s: too long for a socket", path); /* told by the result */
        return CONTROL_FAILED;
    }
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0 || !control_set_patience(made)) {
        (void)err_set(err, "%s: socket: %s", path, strerror(errno)); /* told by the result */
        if (made >= 0) {
            (void)close(made); /* never used */
        }
        return CONTROL_FAILED;
    }
    if (connect(made, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        int why = errno;
        (void)close(made); /* never used */
        (void)err_set(err, "%s: %s", path,
                      why == EAGAIN ? "it does not answer" : strerror(why)); /* as above */
        return why == ENOENT || why == ECONNREFUSED || why == ENOTDIR ? CONTROL_NOBODY
                                                                      : CONTROL_FAILED;
    }
    *fd = made;
    return CONTROL_REACHED;
}

static bool control_send(int fd, const char *request, struct err *err)
{
    struct buf line = {0};
    bool is_sent = true;

    buf_printf(&line, "%s\n", request);
    while (line.len > 0 && is_sent) {
        ssize_t sent = send(fd, buf_data(&line), line.len, MSG_NOSIGNAL);
        if (sent > 0) {
            buf_take(&line, (size_t)sent);
        } else if (errno != EINTR) {
            is_sent = err_set(err, "cannot be asked: %s", strerror(errno));
        }
    }
    buf_finish(&line);
    return is_sent;
}

/* Puts the descriptors of a message where they are wanted, or closes them. */
static void control_take_fds(struct msghdr *message, struct router_sockets *sockets)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
            if (sockets != NULL && sockets->count < COUNT_OF(sockets->fds)) {
                sockets->fds[sockets->count++] = fd;
            } else {
                (void)close(fd); /* nobody asked for it */
            }
        }
    }
}

static bool control_is_complete(const struct buf *answer)
{
    static const char end[] = CONTROL_METRICS_END;
    const size_t end_len = sizeof(end) - 1;
    const char *bytes = buf_data(answer);

    if (answer->len == 0 || bytes[answer->len - 1] != '\n') {
        return false;
    }
    return bytes[0] == '{' ||
           (answer->len >= end_len && memcmp(bytes + answer->len - end_len, end, end_len) == 0);
}

bool control_ask(int fd, const char *request, struct buf *answer, struct router_sockets *sockets,
                 struct err *err)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
        struct cmsghdr align;
    } room;
    struct buf got = {0};
    bool is_good = control_send(fd, request, err);

    while (is_good && !control_is_complete(&got)) {
        struct iovec part = {.iov_base = buf_reserve(&got, CONTROL_CHUNK_BYTES),
                             .iov_len = CONTROL_CHUNK_BYTES};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = room.bytes,
                                 .msg_controllen = sizeof(room.bytes)};
        ssize_t len = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        if (len > 0) {
            buf_grew(&got, (size_t)len);
            control_take_fds(&message, sockets);
        } else if (len == 0) {
            is_good = err_set(err, "it ended without an answer");
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            is_good = err_set(err, "no answer within %d ms", CONTROL_PATIENCE_MS);
        } else if (errno != EINTR) {
            is_good = err_set(err, "%s", strerror(errno));
        }
        if (is_good && got.len > CONTROL_ANSWER_MAX_BYTES) {
            is_good = err_set(err, "it answers more than %d bytes", CONTROL_ANSWER_MAX_BYTES);
        }
    }
    if (is_good) {
        buf_append(answer, buf_data(&got), got.len);
    }
    buf_finish(&got);
    return is_good;
}

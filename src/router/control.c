#include "router/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "loop/conn.h"
#include "loop/log.h"
#include "router/control_inside.h"

enum {
    CONTROL_CLIENTS_MAX = 32,     /* a monitoring system, a person, a take-over */
    CONTROL_LINE_MAX_BYTES = 256, /* of a request */
    CONTROL_OUTPUT_MAX_BYTES = 1 << 20,
    CONTROL_IDLE_MS = 30000, /* a take-over opens a whole router between two questions */
    CONTROL_SOCKET_MODE = 0600,
    CONTROL_DIRECTORY_MODE = 0700,
};

struct control_client {
    struct control_client *next;
    struct control *control;
    struct conn *conn;
    struct loop_timer *idle;
    bool has_sockets; /* it was given them: when it says drain, it has taken over */
};

struct control {
    struct loop *loop;
    struct listener *listener;
    char path[ROUTER_UNIX_PATH_MAX];
    dev_t device; /* the socket file that is ours, by what cannot be renamed */
    ino_t inode;
    const struct router_conf *conf;
    struct router *router;
    loop_call on_drain;
    void *ctx;
    struct control_client *clients;
    size_t clients_count;
};

/* ---- answers ---- */

static void control_answer(struct conn *c, json_t *answer)
{
    char *text = answer == NULL ? NULL : json_dumps(answer, JSON_COMPACT);

    ASSERT(text != NULL); /* all texts were made ASCII */
    conn_write_text(c, text);
    conn_write_text(c, "\n");
    free(text);
    json_decref(answer);
}

static void control_answer_error(struct conn *c, const char *what)
{
    json_t *answer = json_object();

    control_put(answer, "error", control_text(what));
    control_answer(c, answer);
}

/* The largest thing here: too large for the stack of a caller that has one too. */
static struct router_view *control_view(struct control *control)
{
    struct router_view *view = memory_zeroed(sizeof(*view));

    router_view(control->router, view);
    return view;
}

static void control_on_status(struct control_client *client)
{
    struct control *control = client->control;
    struct router_view *view = control_view(control);

    control_answer(client->conn, control_status(control->conf, view));
    free(view);
}

static void control_on_metrics(struct control_client *client)
{
    struct control *control = client->control;
    struct router_view *view = control_view(control);
    struct buf text = {0};

    control_metrics(control->conf, view, &text);
    conn_writebuf(client->conn, &text);
    buf_finish(&text);
    free(view);
}

static void control_on_drain(struct control_client *client)
{
    struct control *control = client->control;
    json_t *answer = json_object();

    control_put(answer, "pid", json_integer(getpid()));
    control_put(answer, "draining", json_true());
    control_answer(client->conn, answer);
    if (client->has_sockets) {
        router_hand_over(control->router);
    }
    control->on_drain(control->ctx);
}

/* ---- handing the sockets over ---- */

struct control_handover {
    struct router_sockets all;
    int fds[2 * ROUTER_LISTENS_MAX];
    size_t count;
    json_t *names;
};

static void control_hand_over(void *ctx, size_t i, const char *address, const char *kind)
{
    struct control_handover *handover = ctx;

    if (i < handover->all.count && handover->all.fds[i] >= 0) {
        json_t *name = json_object();
        control_put(name, "address", control_text(address));
        control_put(name, "kind", control_text(kind));
        if (json_array_append_new(handover->names, name) != 0) {
            assert_fail(__FILE__, __LINE__, __func__, "out of memory");
        }
        handover->fds[handover->count++] = handover->all.fds[i];
    }
}

/* The descriptors travel with the first byte of the line, so it must go out in one call. */
static bool control_send_fds(int fd, const char *line, const int *fds, size_t count)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * 2 * ROUTER_LISTENS_MAX)];
        struct cmsghdr align;
    } room = {{0}};
    size_t len = strlen(line);
    /* sendmsg() only reads it */
    struct iovec part = {.iov_base = (void *)(uintptr_t)line, .iov_len = len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (count > 0) {
        message.msg_control = room.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static void control_on_sockets(struct control_client *client)
{
    struct control *control = client->control;
    struct conn *c = client->conn;
    struct control_handover handover = {.names = json_array()};
    json_t *answer = json_object();

    if (conn_pending_bytes(c) > 0) {
        json_decref(answer);
        json_decref(handover.names);
        control_answer_error(c, "ask for sockets when the answers before have been read");
        return;
    }
    router_sockets(control->router, &handover.all);
    control_each_listen(control->conf, control_hand_over, &handover);
    control_put(answer, "pid", json_integer(getpid()));
    control_put(answer, "master", control_text(control->conf->master));
    control_put(answer, "sockets", handover.names);
    char *line = json_dumps(answer, JSON_COMPACT);
    struct buf whole = {0};
    ASSERT(line != NULL);
    buf_printf(&whole, "%s\n", line);
    if (control_send_fds(conn_fd(c), buf_data(&whole), handover.fds, handover.count)) {
        client->has_sockets = true;
        log_notice("control: a process was given the %zu listening sockets", handover.count);
    } else {
        log_warning("control: the listening sockets could not be given: %s", strerror(errno));
        (void)shutdown(conn_fd(c), SHUT_RDWR); /* the line may be half sent; on_end comes */
    }
    buf_finish(&whole);
    free(line);
    json_decref(answer);
}

/* ---- requests ---- */

static const struct {
    const char *word;
    void (*answer)(struct control_client *client);
} control_requests[] = {
    {"status", control_on_status},
    {"metrics", control_on_metrics},
    {"sockets", control_on_sockets},
    {"drain", control_on_drain},
};

static void control_request(struct control_client *client, const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' ')) {
        len--;
    }
    for (size_t i = 0; i < COUNT_OF(control_requests); i++) {
        const char *word = control_requests[i].word;
        if (strlen(word) == len && memcmp(word, line, len) == 0) {
            control_requests[i].answer(client);
            return;
        }
    }
    control_answer_error(client->conn, "ask one of: status metrics sockets drain");
}

/* ---- clients ---- */

/* It is in no list any more. */
static void control_free(struct control_client *client)
{
    client->control->clients_count--;
    loop_timer_destroy(client->idle);
    free(client);
}

static void control_forget(struct control_client *client)
{
    struct control_client **at = &client->control->clients;

    while (*at != client) {
        at = &(*at)->next;
    }
    *at = client->next;
    control_free(client);
}

static void control_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct control_client *client = ctx;

    (void)c;
    for (;;) {
        const char *bytes = buf_data(in);
        const char *end = memchr(bytes, '\n', in->len);
        if (end == NULL) {
            break;
        }
        control_request(client, bytes, (size_t)(end - bytes));
        buf_take(in, (size_t)(end - bytes) + 1);
    }
    loop_timer_at(client->idle, loop_now(client->control->loop) + CONTROL_IDLE_MS);
}

static void control_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    (void)c;
    (void)why; /* whoever asked has gone: all the same to us */
    (void)text;
    control_forget(ctx);
}

static void control_on_idle(void *ctx)
{
    struct control_client *client = ctx;

    conn_close(client->conn);
    control_forget(client);
}

static const struct conn_handlers control_handlers = {.on_data = control_on_data,
                                                      .on_end = control_on_end};

static void control_on_accept(void *ctx, struct conn *c)
{
    struct control *control = ctx;

    if (control->clients_count == CONTROL_CLIENTS_MAX) {
        control_answer_error(c, "too many ask already");
        conn_close_after_flush(c);
        return;
    }
    struct control_client *client = memory_zeroed(sizeof(*client));
    client->control = control;
    client->conn = c;
    client->idle = loop_timer_create(control->loop, control_on_idle, client);
    client->next = control->clients;
    control->clients = client;
    control->clients_count++;
    loop_timer_at(client->idle, loop_now(control->loop) + CONTROL_IDLE_MS);
    conn_set_handlers(c, &control_handlers, client);
    conn_set_limits(c, CONTROL_LINE_MAX_BYTES, CONTROL_OUTPUT_MAX_BYTES);
}

/* ---- the path ---- */

static bool control_directory(const char *path, struct err *err)
{
    char directory[ROUTER_UNIX_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);

    if (len == 0) {
        return true;
    }
    memcpy(directory, path, len);
    directory[len] = '\0';
    if (mkdir(directory, CONTROL_DIRECTORY_MODE) != 0 && errno != EEXIST) {
        return err_set(err, "%s: %s", directory, strerror(errno));
    }
    return true;
}

/* The socket is made under a name of its own and then renamed: there is no moment without one. */
static bool control_listen(struct control *control, struct err *err)
{
    char fresh[ROUTER_UNIX_PATH_MAX];
    struct stat there;
    struct listener_plan plan = {.unix_path = fresh, .unix_mode = CONTROL_SOCKET_MODE};
    int len = snprintf(fresh, sizeof(fresh), "%s.%ld", control->path, (long)getpid());

    if (len < 0 || len >= (int)sizeof(fresh)) {
        return err_set(err, "%s: too long, a few bytes must be left for a temporary name",
                       control->path);
    }
    if (lstat(control->path, &there) == 0 && !S_ISSOCK(there.st_mode)) {
        return err_set(err, "%s: is there, and no socket", control->path);
    }
    control->listener = listener_open(control->loop, &plan, control_on_accept, control, err);
    if (control->listener == NULL) {
        return false;
    }
    if (lstat(fresh, &there) != 0 || rename(fresh, control->path) != 0) {
        return err_set(err, "%s: %s", control->path, strerror(errno));
    }
    control->device = there.st_dev;
    control->inode = there.st_ino;
    return true;
}

struct control *control_open(struct loop *loop, const struct control_settings *settings,
                             struct err *err)
{
    struct control *control = memory_zeroed(sizeof(*control));

    control->loop = loop;
    control->conf = settings->conf;
    control->router = settings->router;
    control->on_drain = settings->on_drain;
    control->ctx = settings->ctx;
    memcpy(control->path, settings->path, strlen(settings->path) + 1);
    if (!control_directory(control->path, err) || !control_listen(control, err)) {
        (void)err_wrap(err, "control"); /* false, always */
        control_close(control);
        return NULL;
    }
    return control;
}

void control_close(struct control *control)
{
    struct stat there;

    if (control == NULL) {
        return;
    }
    while (control->clients != NULL) {
        struct control_client *client = control->clients;
        control->clients = client->next;
        conn_close(client->conn);
        control_free(client);
    }
    listener_close(control->listener);
    /* another process may have taken the path over */
    if (control->inode != 0 && lstat(control->path, &there) == 0 &&
        there.st_ino == control->inode && there.st_dev == control->device) {
        (void)unlink(control->path); /* what stays is replaced by the next */
    }
    free(control);
}

#include "link_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

const char world_run_id[] = "00112233445566778899aabbccddeeff00112233";
const struct link_settings world_plain = {0};

static void world_on_event(void *ctx, const struct event *event)
{
    struct world *w = ctx;

    assert_true(w->events_count < WORLD_EVENTS_MAX);
    w->events[w->events_count++] = *event;
    if (w->react != NULL) {
        w->react(w, event);
    }
}

static void world_on_info(void *ctx, uint32_t link, const char *text, size_t len)
{
    struct world *w = ctx;

    assert_true(link != 0 && len < sizeof(w->info_text));
    memcpy(w->info_text, text, len + 1);
}

void world_start_with(struct world *w, struct links_settings *settings)
{
    struct err err;

    *w = (struct world){0};
    w->loop = loop_create(&err);
    assert_non_null(w->loop);
    settings->run_id = world_run_id;
    settings->announce_port = 26379;
    settings->on_event = world_on_event;
    settings->on_info_text = world_on_info;
    settings->ctx = w;
    w->links = links_create(w->loop, settings);
}

void world_start(struct world *w)
{
    struct links_settings settings = {0};

    world_start_with(w, &settings);
}

void world_end(struct world *w)
{
    links_destroy(w->links);
    loop_destroy(w->loop);
}

/* ---- events ---- */

struct world_wanted {
    const struct world *w;
    enum event_type type;
    uint32_t link;
    size_t n;
    const struct event *found;
};

static bool world_find(void *ctx)
{
    struct world_wanted *want = ctx;
    size_t n = 0;

    for (size_t i = 0; i < want->w->events_count; i++) {
        const struct event *event = &want->w->events[i];
        if (event->type == want->type && event->link == want->link && n++ == want->n) {
            want->found = event;
            return true;
        }
    }
    return false;
}

const struct event *world_event(struct world *w, enum event_type type, uint32_t link, size_t n)
{
    struct world_wanted want = {.w = w, .type = type, .link = link, .n = n};

    if (!turn_until(w->loop, world_find, &want)) {
        fail_msg("event %d number %zu of link %u did not come", (int)type, n, (unsigned)link);
    }
    return want.found;
}

size_t world_count(const struct world *w, enum event_type type, uint32_t link)
{
    size_t n = 0;

    for (size_t i = 0; i < w->events_count; i++) {
        n += w->events[i].type == type && w->events[i].link == link;
    }
    return n;
}

void world_open(struct world *w, uint32_t id, enum instance_kind kind, uint16_t port)
{
    struct addr addr;

    assert_true(addr_set(&addr, "127.0.0.1", port));
    link_open(w->links, id, kind, &addr, &world_plain);
}

void world_up(struct world *w, uint32_t id, enum instance_kind kind, uint16_t port)
{
    size_t before = world_count(w, EVENT_LINK_UP, id);

    world_open(w, id, kind, port);
    (void)world_event(w, EVENT_LINK_UP, id, before);
}

/* ---- redis-server ---- */

uint16_t world_free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(close(fd), 0);
    return ntohs(at.sin_port);
}

static bool world_answers(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char reply[8];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_port = htons(port);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
              write(fd, "PING\r\n", 6) == 6 && read(fd, reply, sizeof(reply)) > 0;
    if (fd >= 0) {
        assert_int_equal(close(fd), 0);
    }
    return ok;
}

static msec_t world_clock(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (msec_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* In the child: it does not outlive a test that fails. */
static _Noreturn void world_redis_exec(const char *const argv[])
{
    int null = open("/dev/null", O_RDWR);

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2) {
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv); /* returns only to fail */
    }
    _exit(127);
}

void world_redis_start(struct world_redis *r, const char *const args[])
{
    const char *argv[40] = {"redis-server", "--bind", "127.0.0.1", "--save", "",
                            "--loglevel",   "warning"};
    size_t argc = 7;
    char port[8];

    r->port = world_free_port();
    text_cut(r->dir, sizeof(r->dir), "/tmp/holdfast-link-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    (void)snprintf(port, sizeof(port), "%u", (unsigned)r->port);
    argv[argc++] = "--dir";
    argv[argc++] = r->dir;
    argv[argc++] = "--port";
    argv[argc++] = port;
    for (size_t i = 0; args != NULL && args[i] != NULL; i++) {
        argv[argc++] = args[i];
    }
    r->pid = fork();
    assert_true(r->pid >= 0);
    if (r->pid == 0) {
        world_redis_exec(argv);
    }
    msec_t end_ms = world_clock() + TURN_UNTIL_MS;
    while (!world_answers(r->port)) {
        assert_true(world_clock() < end_ms);
    }
}

void world_redis_end(struct world_redis *r)
{
    char dump[96];

    if (r->pid > 0) {
        (void)kill(r->pid, SIGKILL);
        assert_int_equal(waitpid(r->pid, NULL, 0), r->pid);
        r->pid = 0;
        (void)snprintf(dump, sizeof(dump), "%s/dump.rdb", r->dir);
        (void)unlink(dump); /* a replica has one */
        assert_int_equal(rmdir(r->dir), 0);
    }
}

/* ---- our own server ---- */

bool world_is(const struct resp_command *command, const char *name)
{
    return text_same(command->argv[0].bytes, name);
}

void world_answer(struct world_server *s, const struct resp_command *command, struct buf *out)
{
    if (world_is(command, "PING")) {
        resp_write_simple(out, "PONG");
    } else if (world_is(command, "SUBSCRIBE")) {
        s->subscribes++;
        resp_write_array(out, 3);
        resp_write_text(out, "subscribe");
        resp_write_text(out, command->argv[1].bytes);
        resp_write_integer(out, 1);
    } else {
        resp_write_simple(out, "OK");
    }
}

static void world_log_command(struct world_server *s, const struct resp_command *command)
{
    size_t len = strlen(s->log);

    for (size_t i = 0; i < command->argc; i++) {
        int more = snprintf(s->log + len, sizeof(s->log) - len, "%s%s", i > 0 ? " " : "",
                            command->argv[i].bytes);
        len += (size_t)more;
        assert_true(len + 2 < sizeof(s->log));
    }
    memcpy(s->log + len, "\n", 2);
}

static void world_on_data(void *ctx, struct conn *c, struct buf *in)
{
    struct world_server *s = ctx;
    struct resp_command_reader reader = {0};
    struct resp_command command;
    struct buf out = {0};

    s->reads++;
    while (resp_command_read(&reader, in, &resp_limits_default, &command) == RESP_READY) {
        s->commands++;
        world_log_command(s, &command);
        s->answer(s, &command, &out);
    }
    resp_command_finish(&reader);
    if (s->is_dribbling) { /* the last byte alone: the reply before it is incomplete */
        const char *bytes = buf_data(&out);
        for (size_t i = 0; i < out.len; i++) {
            ssize_t sent = send(conn_fd(c), bytes + i, 1, MSG_NOSIGNAL);
            assert_int_equal(sent, 1);
        }
        buf_clear(&out);
    }
    conn_writebuf(c, &out);
    buf_finish(&out);
}

static void world_on_end(void *ctx, struct conn *c, enum conn_end why, const char *text)
{
    struct world_server *s = ctx;

    (void)why;
    (void)text;
    for (size_t i = 0; i < s->conns_count; i++) {
        if (s->conns[i] == c) {
            s->conns[i] = s->conns[--s->conns_count];
            return;
        }
    }
}

static const struct conn_handlers world_handlers = {.on_data = world_on_data,
                                                    .on_end = world_on_end};

static void world_on_accept(void *ctx, struct conn *c)
{
    struct world_server *s = ctx;

    assert_true(s->conns_count < WORLD_CONNS_MAX);
    s->conns[s->conns_count++] = c;
    conn_set_handlers(c, &world_handlers, s);
}

void world_server_start(struct world *w, struct world_server *s)
{
    struct addr at;
    struct listener_plan plan = {.at = &at};
    struct err err;

    *s = (struct world_server){.answer = world_answer};
    assert_true(addr_set(&at, "127.0.0.1", 0));
    s->listener = listener_open(w->loop, &plan, world_on_accept, s, &err);
    assert_non_null(s->listener);
    s->port = listener_port(s->listener);
}

void world_server_end(struct world_server *s)
{
    while (s->conns_count > 0) {
        conn_close(s->conns[--s->conns_count]);
    }
    listener_close(s->listener);
}

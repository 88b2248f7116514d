#include "port_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"

static const char run_id[] = "0123456789abcdef0123456789abcdef01234567";

/* ---- the daemon's side ---- */

static const struct failover *ops_core(void *ctx)
{
    return ((struct fixture *)ctx)->core;
}

static void perform_note(struct fixture *f, const struct note *note)
{
    char payload[NOTE_PAYLOAD_MAX];

    note_payload(note, f->conf.announce_hostnames, payload);
    buf_printf(&f->notes, "%s %s\n", note_name(note->type), payload);
    sentinel_publish(f->port, note_name(note->type), payload);
}

static void perform(struct fixture *f, const struct action *a)
{
    if (a->type == ACTION_PERSIST) {
        f->disk_seq = a->seq;
    } else if (a->type == ACTION_REPLY_ASK) {
        sentinel_reply_ask(f->port, a->reply_ask.token, a->reply_ask.down, a->reply_ask.leader,
                           a->reply_ask.leader_epoch);
    } else if (a->type == ACTION_REPLY_COMMAND) {
        sentinel_reply_command(f->port, a->reply_command.token, a->reply_command.result,
                               a->reply_command.count);
    } else if (a->type == ACTION_NOTE) {
        perform_note(f, &a->note);
    }
}

void fixture_step(struct fixture *f, const struct event *event)
{
    f->actions.count = 0;
    failover_step(f->core, event, &f->actions);
    for (uint32_t i = 0; i < f->actions.count; i++) {
        perform(f, &f->actions.items[i]);
    }
    if (f->disk_seq != 0 && !f->hold_disk) {
        fixture_disk(f);
    }
}

void fixture_disk(struct fixture *f)
{
    struct event event = {.type = EVENT_PERSISTED, .now = loop_now(f->loop)};

    event.persisted.seq = f->disk_seq;
    event.persisted.ok = !f->disk_fails;
    f->disk_seq = 0;
    fixture_step(f, &event);
}

static void ops_submit(void *ctx, const struct event *event)
{
    struct fixture *f = ctx;

    if (!f->refuse_answers) {
        fixture_step(f, event);
    }
}

static struct sentinel_conf *ops_conf(void *ctx)
{
    return &((struct fixture *)ctx)->conf;
}

static void ops_changed(void *ctx, uint32_t changes, const char *master)
{
    struct fixture *f = ctx;

    f->changes |= changes;
    text_cut(f->changed_master, sizeof(f->changed_master), master == NULL ? "" : master);
}

static void ops_note(void *ctx, const struct note *note)
{
    struct fixture *f = ctx;

    if (f->removed_at_note != NULL) {
        unlink(f->removed_at_note);
    }
    perform_note(f, note);
}

static void ops_hello(void *ctx, const char *text, size_t len)
{
    struct fixture *f = ctx;

    buf_append(&f->hello, text, len);
    buf_append_text(&f->hello, "\n");
}

static bool ops_info_cache(void *ctx, uint32_t link, const char **text, size_t *len, msec_t *at)
{
    (void)ctx;
    (void)link;
    (void)text;
    (void)len;
    (void)at;
    return false;
}

static uint32_t ops_link_pending(void *ctx, uint32_t link)
{
    (void)ctx;
    (void)link;
    return 0;
}

static bool ops_script_at(void *ctx, uint32_t index, struct sentinel_script_view *view)
{
    static const char *const argv[] = {"/bin/notify", "+sdown", NULL};

    (void)ctx;
    if (index > 0) {
        return false;
    }
    *view = (struct sentinel_script_view){.argv = argv, .running = true, .pid = 7, .run_ms = 5};
    return true;
}

static void ops_script_counts(void *ctx, struct sentinel_script_counts *counts)
{
    (void)ctx;
    *counts = (struct sentinel_script_counts){.running = 1, .queued = 1};
}

static void ops_shutdown(void *ctx)
{
    ((struct fixture *)ctx)->shutdown_asked = true;
}

static const struct sentinel_ops fixture_ops = {
    .core = ops_core,
    .submit = ops_submit,
    .conf = ops_conf,
    .changed = ops_changed,
    .note = ops_note,
    .hello = ops_hello,
    .info_cache = ops_info_cache,
    .link_pending = ops_link_pending,
    .script_at = ops_script_at,
    .script_counts = ops_script_counts,
    .shutdown = ops_shutdown,
};

/* ---- life ---- */

static void on_stop(void *ctx)
{
    loop_stop(((struct fixture *)ctx)->loop);
}

static void fixture_core(struct fixture *f)
{
    struct failover_limits limits = {.masters_max = 16, .instances_max = 64};
    struct failover_start start = {.limits = limits, .seed = 1, .now = loop_now(f->loop)};

    text_cut(start.run_id, sizeof(start.run_id), run_id);
    f->block = calloc(1, failover_bytes(&limits));
    assert_non_null(f->block);
    f->core = failover_init(f->block, &start);
    f->actions.capacity = failover_actions_max(&limits);
    f->actions.items = calloc(f->actions.capacity, sizeof(*f->actions.items));
    assert_non_null(f->actions.items);
    for (size_t i = 0; i < f->conf.masters_count; i++) {
        const struct conf_master *m = f->conf.masters[i];
        struct master_state state = {.addr = m->addr};

        text_cut(state.name, sizeof(state.name), m->name);
        state.config.quorum = (uint32_t)m->quorum;
        state.config.parallel_syncs = (uint32_t)m->parallel_syncs;
        state.config.down_after_ms = m->down_after_ms;
        state.config.failover_timeout_ms = m->failover_timeout_ms;
        assert_true(failover_restore_master(f->core, &state));
    }
}

bool fixture_try(struct fixture *f, const char *conf, struct err *err)
{
    struct buf text = {0};
    struct config_source source = {.path = "test.conf"};

    memset(f, 0, sizeof(*f));
    buf_printf(&text, "port 0\nbind 127.0.0.1\n%s", conf);
    source.text = buf_data(&text);
    source.len = text.len;
    bool is_parsed = config_parse(&source, &f->conf, NULL, err);
    buf_finish(&text);
    if (!is_parsed) {
        return false;
    }
    f->loop = loop_create(err);
    assert_non_null(f->loop);
    f->stop = loop_timer_create(f->loop, on_stop, f);
    fixture_core(f);

    /* Port 0 is "no port" in a file: a free one is found first. */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    f->conf.options.port = ntohs(at.sin_port);

    struct sentinel_settings settings = {
        .conf = &f->conf, .config_file = "/etc/test.conf", .executable = "/bin/test"};
    f->port = sentinel_create(f->loop, &settings, &fixture_ops, f, err);
    return f->port != NULL;
}

void fixture_open(struct fixture *f, const char *conf)
{
    struct err err = {0};

    if (!fixture_try(f, conf, &err)) {
        fail_msg("%s", err.text);
    }
}

void fixture_close(struct fixture *f)
{
    sentinel_destroy(f->port);
    loop_timer_destroy(f->stop);
    if (f->loop != NULL) {
        loop_destroy(f->loop);
    }
    free(f->actions.items);
    free(f->block);
    buf_finish(&f->hello);
    buf_finish(&f->notes);
    sentinel_conf_finish(&f->conf);
}

void fixture_turn(struct fixture *f)
{
    loop_timer_at(f->stop, loop_now(f->loop) + 1);
    loop_run(f->loop);
}

/* ---- the client's side ---- */

int fixture_connect(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    assert_true(fd >= 0);
    at.sin_port = htons(sentinel_tcp_port(f->port));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

void fixture_send(struct fixture *f, int fd, const char *bytes, size_t len)
{
    msec_t limit = loop_now(f->loop) + FIXTURE_LIMIT_MS;

    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        } else {
            assert_true(errno == EAGAIN);
            assert_true(loop_now(f->loop) < limit);
            fixture_turn(f);
        }
    }
}

void fixture_ask(struct fixture *f, int fd, const char *line)
{
    struct buf text = {0};

    buf_printf(&text, "%s\r\n", line);
    fixture_send(f, fd, buf_data(&text), text.len);
    buf_finish(&text);
}

void fixture_expect(struct fixture *f, int fd, const char *bytes)
{
    size_t want = strlen(bytes);
    msec_t limit = loop_now(f->loop) + FIXTURE_LIMIT_MS;
    char got[16384];
    size_t have = 0;

    assert_true(want < sizeof(got));
    while (have < want && loop_now(f->loop) < limit) {
        ssize_t len = recv(fd, got + have, want - have, 0);
        if (len == 0) {
            break;
        }
        have += len > 0 ? (size_t)len : 0;
        if (len < 0) {
            fixture_turn(f);
        }
    }
    got[have] = '\0';
    assert_string_equal(got, bytes);
}

void fixture_say(struct fixture *f, int fd, const char *line, const char *reply)
{
    fixture_ask(f, fd, line);
    fixture_expect(f, fd, reply);
}

bool fixture_hear(struct fixture *f, int fd, struct buf *out)
{
    enum { QUIET_TURNS = 20 };
    char got[65536];
    int quiet = 0;

    while (quiet < QUIET_TURNS) {
        ssize_t len = recv(fd, got, sizeof(got), 0);
        if (len > 0) {
            buf_append(out, got, (size_t)len);
            quiet = 0;
        } else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
            return false;
        } else {
            fixture_turn(f);
            quiet++;
        }
    }
    return true;
}

void fixture_expect_closed(struct fixture *f, int fd)
{
    msec_t limit = loop_now(f->loop) + FIXTURE_LIMIT_MS;
    char got[65536];
    ssize_t len = 1;

    while (len != 0 && loop_now(f->loop) < limit) {
        len = recv(fd, got, sizeof(got), 0);
        if (len < 0 && errno != EAGAIN) {
            len = 0;
        } else if (len < 0) {
            fixture_turn(f);
        }
    }
    assert_int_equal(len, 0);
    close(fd);
}

void fixture_expect_silence(struct fixture *f, int fd)
{
    struct buf heard = {0};

    assert_true(fixture_hear(f, fd, &heard));
    assert_string_equal(buf_data(&heard), "");
    buf_finish(&heard);
}

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conn_pair.h"
#include "loop/log.h"

struct door {
    struct loop *loop;
    struct listener *listener;
    struct end server;
    int accepted;
    bool close_listener;
    bool opened;
};

static void door_on_accept(void *ctx, struct conn *c)
{
    struct door *d = ctx;

    d->accepted++;
    if (d->close_listener) {
        listener_close(d->listener);
        d->listener = NULL;
    }
    if (d->server.c != NULL) {
        conn_close(c);
        return;
    }
    d->server.c = c;
    conn_set_handlers(c, &end_handlers, &d->server);
    d->opened = true;
}

static void unix_sockets_work(void **state)
{
    struct door d = {.loop = world_loop(), .server.reply = "+OK"};
    struct end client = {.want = 3};
    char dir[64];
    char path[128];
    struct stat st;
    struct addr at;
    struct err err;

    (void)state;
    world_make_dir(dir);
    world_path(path, dir, "s.sock");
    struct listener_plan plan = {.unix_path = path, .unix_mode = 0700};
    struct conn_target to = {.unix_path = path};
    for (int round = 0; round < 2; round++) { /* an old socket file is in the way of the second */
        d.listener = listener_open(d.loop, &plan, door_on_accept, &d, &err);
        assert_non_null(d.listener);
        if (round == 0) {
            char kept[128];
            world_path(kept, dir, "kept");
            assert_int_equal(link(path, kept), 0);
            listener_close(d.listener);
            assert_int_equal(rename(kept, path), 0);
        }
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    client.c = conn_connect(d.loop, &to, &end_handlers, &client, &err);
    assert_non_null(client.c);
    conn_write_text(client.c, "hi");
    world_wait_flag(d.loop, &client.has_wanted);
    assert_string_equal(buf_data(&client.got), "+OK");
    assert_true(conn_is_unix(client.c));
    assert_false(conn_peer_addr(d.server.c, &at));
    conn_close(client.c);
    conn_close(d.server.c);
    listener_close(d.listener);
    assert_int_equal(access(path, F_OK), -1);

    struct end nobody = {0};
    nobody.c = conn_connect(d.loop, &to, &end_handlers, &nobody, &err);
    world_wait_flag(d.loop, &nobody.ended);
    assert_int_equal(nobody.why, CONN_REFUSED);
    buf_finish(&client.got);
    buf_finish(&d.server.got);
    world_remove_dir(dir);
    loop_destroy(d.loop);
}

static void a_file_that_is_no_socket_is_kept(void **state)
{
    struct loop *loop = world_loop();
    char dir[64];
    char path[128];
    struct err err;

    (void)state;
    world_make_dir(dir);
    world_path(path, dir, "precious");
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    struct listener_plan plan = {.unix_path = path};
    assert_null(listener_open(loop, &plan, door_on_accept, NULL, &err));
    assert_int_equal(access(path, F_OK), 0);
    world_remove_dir(dir);
    loop_destroy(loop);
}

static void taken_port_is_an_error(void **state)
{
    struct loop *loop = world_loop();
    struct addr at;
    struct err err;

    (void)state;
    assert_true(addr_set(&at, "127.0.0.1", 0));
    struct listener_plan plan = {.at = &at};
    struct listener *l = listener_open(loop, &plan, door_on_accept, NULL, &err);
    assert_non_null(l);
    at.port = listener_port(l);
    assert_null(listener_open(loop, &plan, door_on_accept, NULL, &err));
    assert_non_null(strstr(err.text, "Address already in use"));
    assert_true(addr_set(&at, "192.0.2.7", 0));
    assert_null(listener_open(loop, &plan, door_on_accept, NULL, &err));
    assert_non_null(strstr(err.text, "192.0.2.7"));
    listener_close(l);
    listener_close(NULL);
    loop_destroy(loop);
}

static void listener_may_be_closed_while_it_accepts(void **state)
{
    struct door d = {.loop = world_loop(), .close_listener = true};
    struct end client = {0};
    struct addr at;
    struct err err;

    (void)state;
    assert_true(addr_set(&at, "127.0.0.1", 0));
    struct listener_plan plan = {.at = &at};
    d.listener = listener_open(d.loop, &plan, door_on_accept, &d, &err);
    at.port = listener_port(d.listener);
    struct conn_target to = {.at = &at};
    client.c = conn_connect(d.loop, &to, &end_handlers, &client, &err);
    world_wait_flag(d.loop, &d.opened);
    conn_write_text(d.server.c, "still here"); /* connections stay */
    client.want = 10;
    world_wait_flag(d.loop, &client.has_wanted);
    conn_close(client.c);
    conn_close(d.server.c);
    buf_finish(&client.got);
    loop_destroy(d.loop);
}

static void set_flag(void *ctx)
{
    bool *flag = ctx;
    *flag = true;
}

/* Without a pause the listener would be readable for ever and the loop burn a processor. */
static void no_descriptors_left_pauses_and_recovers(void **state)
{
    struct door d = {.loop = world_loop()};
    struct end client = {0};
    struct rlimit before;
    struct addr at;
    struct err err;
    char dir[64];
    char path[128];
    char text[8192];

    (void)state;
    world_make_dir(dir);
    world_path(path, dir, "log");
    struct log_settings settings = {.level = LOG_LEVEL_NOTICE, .file = path};
    assert_true(log_open(&settings, &err));
    assert_true(addr_set(&at, "127.0.0.1", 0));
    struct listener_plan plan = {.at = &at};
    d.listener = listener_open(d.loop, &plan, door_on_accept, &d, &err);
    at.port = listener_port(d.listener);
    struct conn_target to = {.at = &at};
    client.c = conn_connect(d.loop, &to, &end_handlers, &client, &err);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    world_wait_flag(d.loop, &client.opened); /* by the kernel; we cannot accept */
    clock_t cpu_before = clock();
    bool over = false;
    struct loop_timer *pauses = loop_timer_create(d.loop, set_flag, &over);
    loop_timer_at(pauses, loop_now(d.loop) + 250); /* two pauses and more */
    world_wait_flag(d.loop, &over);
    loop_timer_destroy(pauses);
    assert_true((double)(clock() - cpu_before) / CLOCKS_PER_SEC < 0.125); /* asleep */
    assert_int_equal(d.accepted, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    world_wait_flag(d.loop, &d.opened);
    world_read_file(path, text, sizeof(text));
    const char *told = strstr(text, "Too many open files");
    assert_non_null(told);
    assert_null(strstr(told + 1, "Too many open files")); /* once */
    log_close();
    conn_close(client.c);
    conn_close(d.server.c);
    listener_close(d.listener);
    world_remove_dir(dir);
    loop_destroy(d.loop);
}

/* ---- one socket for several loops ---- */

static struct listener *open_shared(struct door *d, int fd, const struct addr *at)
{
    struct err err;
    struct listener_plan plan = {.at = at, .shared_fd = &fd};

    *d = (struct door){.loop = world_loop()};
    d->listener = listener_open(d->loop, &plan, door_on_accept, d, &err);
    assert_non_null(d->listener);
    return d->listener;
}

static void close_door(struct door *d)
{
    conn_close(d->server.c);
    listener_close(d->listener);
    buf_finish(&d->server.got);
    loop_destroy(d->loop);
}

/* Whichever loop runs takes the client; the socket lives as long as anybody holds it. */
static void a_shared_socket_serves_several_loops(void **state)
{
    struct loop *loop = world_loop();
    struct door doors[2];
    struct addr at;
    struct err err;

    (void)state;
    assert_true(addr_set(&at, "127.0.0.1", 0));
    struct listener_plan plan = {.at = &at};
    int fd = listener_socket(&plan, &err);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    at.port = listener_port(open_shared(&doors[0], fd, &at));
    assert_true(at.port != 0); /* the real one */
    assert_int_equal(listener_port(open_shared(&doors[1], fd, &at)), at.port);

    struct conn_target to = {.at = &at};
    struct end clients[3] = {{0}};
    for (size_t i = 0; i < 2; i++) {
        clients[i].c = conn_connect(loop, &to, &end_handlers, &clients[i], &err);
        world_wait_flag(loop, &clients[i].opened);
        world_wait_flag(doors[i].loop, &doors[i].opened);
        assert_int_equal(doors[i].accepted, 1);
    }
    close_door(&doors[0]);
    close_door(&doors[1]);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC); /* it stays ours */
    clients[2].c = conn_connect(loop, &to, &end_handlers, &clients[2], &err);
    world_wait_flag(loop, &clients[2].opened); /* and still listens */
    (void)open_shared(&doors[0], fd, &at);
    close(fd);
    world_wait_flag(doors[0].loop, &doors[0].opened); /* who waited meanwhile */
    close_door(&doors[0]);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        conn_close(clients[i].c);
    }
    struct end nobody = {0};
    nobody.c = conn_connect(loop, &to, &end_handlers, &nobody, &err);
    world_wait_flag(loop, &nobody.ended);
    assert_int_equal(nobody.why, CONN_REFUSED);
    loop_destroy(loop);
}

static void a_shared_unix_socket_keeps_its_file(void **state)
{
    struct door d = {.loop = world_loop(), .server.reply = "+OK"};
    struct end client = {.want = 3};
    char dir[64];
    char path[128];
    struct stat st;
    struct err err;

    (void)state;
    world_make_dir(dir);
    world_path(path, dir, "s.sock");
    struct listener_plan plan = {.unix_path = path, .unix_mode = 0600};
    int fd = listener_socket(&plan, &err);
    assert_true(fd >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct listener_plan shared = {.unix_path = path, .shared_fd = &fd};
    d.listener = listener_open(d.loop, &shared, door_on_accept, &d, &err);
    assert_non_null(d.listener);
    assert_int_equal(listener_port(d.listener), 0);
    struct conn_target to = {.unix_path = path};
    client.c = conn_connect(d.loop, &to, &end_handlers, &client, &err);
    assert_non_null(client.c);
    conn_write_text(client.c, "hi");
    world_wait_flag(d.loop, &client.has_wanted);
    assert_true(conn_is_unix(d.server.c));
    conn_close(client.c);
    buf_finish(&client.got);
    close_door(&d);
    assert_int_equal(access(path, F_OK), 0); /* another process may listen there */
    close(fd);
    world_remove_dir(dir);
}

static void a_bad_shared_socket_is_an_error(void **state)
{
    struct loop *loop = world_loop();
    struct addr at;
    struct err err;
    int fd = -1;

    (void)state;
    assert_true(addr_set(&at, "127.0.0.1", 6379));
    struct listener_plan plan = {.at = &at, .shared_fd = &fd};
    assert_null(listener_open(loop, &plan, door_on_accept, NULL, &err));
    assert_string_equal(err.text, "listening socket: Bad file descriptor");
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unix_sockets_work),
        cmocka_unit_test(a_file_that_is_no_socket_is_kept),
        cmocka_unit_test(taken_port_is_an_error),
        cmocka_unit_test(listener_may_be_closed_while_it_accepts),
        cmocka_unit_test(no_descriptors_left_pauses_and_recovers),
        cmocka_unit_test(a_shared_socket_serves_several_loops),
        cmocka_unit_test(a_shared_unix_socket_keeps_its_file),
        cmocka_unit_test(a_bad_shared_socket_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop_world.h"

struct watcher {
    struct loop *loop;
    struct child_end end;
    bool done;
    int to_start; /* children to start from on_exit */
    int exits;
};

static void on_exit_seen(void *ctx, const struct child_end *end);

static struct child *start(struct watcher *w, const char *script, msec_t timeout_ms)
{
    const char *argv[] = {"/bin/sh", "-c", script, "sh", NULL};
    struct child_plan plan = {
        .argv = argv, .timeout_ms = timeout_ms, .on_exit = on_exit_seen, .ctx = w};
    struct err err;
    struct child *child = child_start(w->loop, &plan, &err);

    assert_non_null(child);
    assert_true(child_pid(child) > 0);
    return child;
}

static void on_exit_seen(void *ctx, const struct child_end *end)
{
    struct watcher *w = ctx;

    w->end = *end;
    w->exits++;
    if (w->to_start > 0) {
        w->to_start--;
        (void)start(w, "exit 3", 0);
        return;
    }
    w->done = true;
}

static void exit_code_is_told(void **state)
{
    struct watcher w = {.loop = world_loop()};

    (void)state;
    (void)start(&w, "exit 7", WORLD_DEADLINE_MS);
    world_wait_flag(w.loop, &w.done);
    assert_int_equal(w.end.exit_code, 7);
    assert_int_equal(w.end.term_signal, 0);
    assert_false(w.end.timed_out);
    loop_destroy(w.loop);
}

static void timeout_kills_the_whole_group(void **state)
{
    struct watcher w = {.loop = world_loop()};

    (void)state;
    /* the pipe is held by a grandchild too: it only ends when that one is dead as well */
    int ends[2];
    char c;
    assert_int_equal(pipe2(ends, 0), 0);
    int saved = dup(STDIN_FILENO);
    assert_true(dup2(ends[1], STDIN_FILENO) >= 0);
    (void)start(&w, "exec 0<&0; /bin/sh -c 'while :; do :; done' <&0 & wait", 50);
    assert_true(dup2(saved, STDIN_FILENO) >= 0);
    close(saved);
    close(ends[1]);
    world_wait_flag(w.loop, &w.done);
    assert_true(w.end.timed_out);
    assert_int_equal(w.end.term_signal, SIGKILL);
    assert_int_equal(w.end.exit_code, -1);
    assert_int_equal(read(ends[0], &c, 1), 0);
    close(ends[0]);
    loop_destroy(w.loop);
}

static void kill_is_told_as_a_signal(void **state)
{
    struct watcher w = {.loop = world_loop()};

    (void)state;
    struct child *child = start(&w, "while :; do :; done", 0);
    child_kill(child);
    world_wait_flag(w.loop, &w.done);
    assert_int_equal(w.end.term_signal, SIGKILL);
    assert_false(w.end.timed_out);
    loop_destroy(w.loop);
}

static void a_child_may_be_started_when_another_ends(void **state)
{
    struct watcher w = {.loop = world_loop(), .to_start = 5};

    (void)state;
    (void)start(&w, "exit 0", 0);
    world_wait_flag(w.loop, &w.done);
    assert_int_equal(w.exits, 6);
    assert_int_equal(w.end.exit_code, 3);
    loop_destroy(w.loop);
}

static void child_inherits_nothing_but_the_first_three(void **state)
{
    struct watcher w = {.loop = world_loop()};

    (void)state;
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec, as a careless library would */
    assert_true(leak > 2);
    int high = fcntl(leak, F_DUPFD, 77);
    assert_true(high >= 77);
    /* the shell's own directory descriptor aside, ours must be gone; SIGPIPE must kill again */
    char script[256];
    (void)snprintf(script, sizeof(script),
                   "[ ! -e /proc/$$/fd/%d ] && [ ! -e /proc/$$/fd/%d ] || exit 1; "
                   "[ \"$HOLDFAST_TEST\" = yes ] || exit 2; "
                   /* SIGPIPE is 0x1000; glibc itself ignores its 32 and 33 */
                   "grep -q 'SigIgn:.*0000000$' /proc/$$/status || exit 3; exit 42",
                   leak, high);
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    const char *env[] = {"HOLDFAST_TEST=yes", "PATH=/usr/bin:/bin", NULL};
    struct child_plan plan = {.argv = argv, .env = env, .on_exit = on_exit_seen, .ctx = &w};
    struct err err;
    assert_non_null(child_start(w.loop, &plan, &err));
    world_wait_flag(w.loop, &w.done);
    assert_int_equal(w.end.exit_code, 42);
    close(leak);
    close(high);
    loop_destroy(w.loop);
}

static void what_cannot_be_executed_is_an_error(void **state)
{
    struct watcher w = {.loop = world_loop()};
    const char *argv[] = {"/nonexistent/script", NULL};
    struct child_plan plan = {.argv = argv, .on_exit = on_exit_seen, .ctx = &w};
    struct err err;

    (void)state;
    assert_null(child_start(w.loop, &plan, &err));
    assert_non_null(strstr(err.text, "/nonexistent/script: No such file"));
    world_turns(w.loop, 3);
    assert_int_equal(w.exits, 0);
    loop_destroy(w.loop);
}

static void a_running_child_survives_the_loop(void **state)
{
    struct watcher w = {.loop = world_loop()};

    (void)state;
    pid_t pid = child_pid(start(&w, "while :; do :; done", WORLD_DEADLINE_MS));
    loop_destroy(w.loop);
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(w.exits, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_code_is_told),
        cmocka_unit_test(timeout_kills_the_whole_group),
        cmocka_unit_test(kill_is_told_as_a_signal),
        cmocka_unit_test(a_child_may_be_started_when_another_ends),
        cmocka_unit_test(child_inherits_nothing_but_the_first_three),
        cmocka_unit_test(what_cannot_be_executed_is_an_error),
        cmocka_unit_test(a_running_child_survives_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

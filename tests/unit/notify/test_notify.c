#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "notify/notify.h"
#include "turn_until.h"

static struct loop *loop;
static struct notify *notify;
static char dir[64];
static char script[128];
static char out_path[128];
static struct notify_report reports[64];
static size_t reports_count;

static void on_failed(void *ctx, const struct notify_report *report)
{
    assert_ptr_equal(ctx, &reports_count);
    reports[reports_count] = *report;
    reports[reports_count++].path = NULL; /* its time ends with the call */
    assert_string_equal(report->path, script);
}

/* Writes the script; "$OUT" in it is a file that expect_out() reads. */
static void make_script(const char *body)
{
    FILE *file = fopen(script, "w");

    assert_non_null(file);
    assert_true(fprintf(file, "#!/bin/sh\nOUT=%s\n%s\n", out_path, body) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(script, 0755), 0);
}

static int set_up(void **state)
{
    struct err err;

    (void)state;
    reports_count = 0;
    (void)snprintf(dir, sizeof(dir), "/tmp/holdfast-notify-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(script, sizeof(script), "%s/script", dir);
    (void)snprintf(out_path, sizeof(out_path), "%s/out", dir);
    loop = loop_create(&err);
    assert_non_null(loop);
    notify = notify_create(loop, on_failed, &reports_count);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    notify_close(notify);
    loop_destroy(loop);
    notify_destroy(notify);
    (void)unlink(script);
    (void)unlink(out_path);
    return rmdir(dir);
}

static size_t out_lines(void)
{
    FILE *file = fopen(out_path, "r");
    size_t lines = 0;

    for (int c = file != NULL ? fgetc(file) : EOF; c != EOF; c = fgetc(file)) {
        lines += c == '\n';
    }
    if (file != NULL) {
        assert_int_equal(fclose(file), 0);
    }
    return lines;
}

static void run(const char *event)
{
    const char *const argv[] = {script, event, "master m 10.0.0.1 6379"};

    notify_run(notify, 3, argv);
}

static bool is_empty(void *ctx)
{
    (void)ctx;
    return notify_queued(notify) == 0;
}

static bool are_running(void *ctx)
{
    const size_t *count = ctx;

    return notify_running(notify) == *count;
}

static void test_arguments_and_environment(void **state)
{
    char text[256] = "";
    FILE *file;

    (void)state;
    assert_int_equal(setenv("HOLDFAST_TEST", "kept", 1), 0);
    make_script("echo \"$# $1 [$2] $HOLDFAST_TEST\" > $OUT");
    run("+sdown");
    assert_int_equal(notify_queued(notify), 1);
    assert_int_equal(notify_running(notify), 0); /* never inside the call */
    assert_true(turn_until(loop, is_empty, NULL));
    file = fopen(out_path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "2 +sdown [master m 10.0.0.1 6379] kept\n");
    assert_int_equal(reports_count, 0);
}

static void test_exit_2_is_final(void **state)
{
    (void)state;
    make_script("echo x >> $OUT; exit 2");
    run("a");
    assert_true(turn_until(loop, is_empty, NULL));
    assert_int_equal(out_lines(), 1);
    assert_int_equal(reports_count, 1);
    assert_int_equal(reports[0].type, NOTIFY_ERROR);
    assert_int_equal(reports[0].exit_code, 2);
    assert_int_equal(reports[0].term_signal, 0);
}

static void test_not_executable_is_final(void **state)
{
    (void)state;
    make_script("");
    assert_int_equal(unlink(script), 0);
    run("a");
    assert_true(turn_until(loop, is_empty, NULL));
    assert_int_equal(reports_count, 1);
    assert_int_equal(reports[0].exit_code, 2);
}

/* When there is no process to be had: what the next posix_spawn() says, once. */
static int spawn_failure;

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
    int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                const posix_spawnattr_t *, char *const[], char *const[]);
    int failure = spawn_failure;

    spawn_failure = 0;
    if (failure != 0) {
        return failure;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "posix_spawn");
    return real(pid, path, files, attributes, argv, env);
}

static void test_no_process_to_be_had_is_not_final(void **state)
{
    (void)state;
    make_script("echo x >> $OUT");
    notify_tune(notify, 10000, 1);
    spawn_failure = EAGAIN;
    run("a");
    assert_true(turn_until(loop, is_empty, NULL));
    assert_int_equal(out_lines(), 1);
    assert_int_equal(reports_count, 0);
}

static void test_exit_1_is_tried_ten_times(void **state)
{
    (void)state;
    make_script("echo x >> $OUT; exit 1");
    notify_tune(notify, 10000, 1); /* 1 + 2 + 4 ... ms */
    run("a");
    assert_true(turn_until(loop, is_empty, NULL));
    assert_int_equal(out_lines(), NOTIFY_TRIES_MAX);
    assert_int_equal(reports_count, 1);
    assert_int_equal(reports[0].exit_code, 1);
}

static bool has_first_retry(void *ctx)
{
    struct notify_view view;

    (void)ctx;
    return notify_view(notify, 0, &view) && !view.is_running && view.retries == 1;
}

static void test_retry_waits_longer_each_time(void **state)
{
    struct notify_view view;

    (void)state;
    make_script("kill -9 $$");
    notify_tune(notify, 10000, 30000);
    run("a");
    assert_true(turn_until(loop, has_first_retry, NULL));
    assert_true(notify_view(notify, 0, &view));
    assert_true(view.run_delay_ms > 25000 && view.run_delay_ms <= 30000);
    assert_int_equal(view.argc, 3);
    assert_string_equal(view.argv[1], "a");
    assert_int_equal(view.pid, 0);
    assert_int_equal(reports_count, 0);
    assert_false(notify_view(notify, 1, &view));
}

static bool has_report(void *ctx)
{
    (void)ctx;
    return reports_count > 0;
}

static void test_too_long_is_killed(void **state)
{
    (void)state;
    make_script("exec sleep 1000");
    notify_tune(notify, 50, 30000);
    run("a");
    assert_true(turn_until(loop, has_report, NULL));
    assert_int_equal(reports[0].type, NOTIFY_TIMEOUT);
    assert_true(reports[0].pid > 0);
    assert_int_equal(kill(reports[0].pid, 0), -1);
    assert_true(has_first_retry(NULL)); /* a signal ended it: another try, as Sentinel does */
}

static void test_sixteen_at_a_time(void **state)
{
    size_t wanted = NOTIFY_RUNNING_MAX;
    struct notify_view view;

    (void)state;
    make_script("exec sleep 1000");
    for (int i = 0; i < NOTIFY_RUNNING_MAX + 4; i++) {
        run("a");
    }
    assert_true(turn_until(loop, are_running, &wanted));
    assert_int_equal(notify_queued(notify), NOTIFY_RUNNING_MAX + 4);
    assert_true(notify_view(notify, 0, &view));
    assert_true(view.is_running && view.pid > 0 && view.retries == 1);
    assert_true(notify_view(notify, NOTIFY_RUNNING_MAX, &view));
    assert_false(view.is_running);
}

static void test_queue_is_bounded(void **state)
{
    struct notify_view view;
    char event[16];
    size_t wanted = NOTIFY_RUNNING_MAX;

    (void)state;
    make_script("exec sleep 1000");
    for (int i = 0; i < NOTIFY_QUEUE_MAX; i++) {
        (void)snprintf(event, sizeof(event), "e%d", i);
        run(event);
    }
    assert_true(turn_until(loop, are_running, &wanted));
    run("one more");
    run("two more");
    assert_int_equal(notify_queued(notify), NOTIFY_QUEUE_MAX);
    assert_true(notify_view(notify, 0, &view));
    assert_string_equal(view.argv[1], "e0"); /* it runs: it stays */
    assert_true(notify_view(notify, NOTIFY_RUNNING_MAX, &view));
    assert_string_equal(view.argv[1], "e18"); /* e16 and e17 were the oldest that waited */
    assert_true(notify_view(notify, NOTIFY_QUEUE_MAX - 1, &view));
    assert_string_equal(view.argv[1], "two more");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments_and_environment), TEST(test_exit_2_is_final),
        TEST(test_not_executable_is_final),   TEST(test_no_process_to_be_had_is_not_final),
        TEST(test_exit_1_is_tried_ten_times), TEST(test_retry_waits_longer_each_time),
        TEST(test_too_long_is_killed),        TEST(test_sixteen_at_a_time),
        TEST(test_queue_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

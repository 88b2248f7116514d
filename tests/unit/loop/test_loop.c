#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loop/loop_inside.h"
#include "loop_world.h"

static void set_flag(void *ctx)
{
    bool *flag = ctx;
    *flag = true;
}

static void clock_is_boottime_and_constant_in_a_batch(void **state)
{
    struct loop *loop = world_loop();
    struct timespec t;

    (void)state;
    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &t), 0);
    msec_t real_ms = (msec_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    msec_t now_ms = loop_now(loop);
    assert_in_range(now_ms - real_ms, 0, WORLD_DEADLINE_MS);
    do { /* the real clock moves on, the loop's does not outside loop_run() */
        assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &t), 0);
    } while ((msec_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 <= now_ms + 1);
    assert_int_equal(loop_now(loop), now_ms);
    world_turns(loop, 1);
    assert_true(loop_now(loop) > now_ms);
    loop_destroy(loop);
}

static void stop_before_run_counts(void **state)
{
    struct loop *loop = world_loop();

    (void)state;
    loop_stop(loop);
    loop_run(loop); /* returns */
    bool fired = false;
    struct loop_timer *t = loop_timer_create(loop, set_flag, &fired);
    loop_timer_at(t, loop_now(loop) + 1);
    world_wait_flag(loop, &fired); /* and the loop can run again */
    loop_timer_destroy(t);
    loop_destroy(loop);
}

static void signals_call_back(void **state)
{
    struct loop *loop = world_loop();
    struct err err;
    bool got = false;

    (void)state;
    assert_true(loop_signal(loop, SIGUSR1, set_flag, &got, &err));
    assert_int_equal(raise(SIGUSR1), 0);
    world_wait_flag(loop, &got);
    assert_false(loop_signal(loop, 4711, set_flag, &got, &err));
    assert_non_null(strstr(err.text, "4711"));
    loop_destroy(loop);
}

static void sigpipe_is_ignored(void **state)
{
    struct loop *loop = world_loop();
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1); /* would have killed us */
    close(ends[1]);
    loop_destroy(loop);
}

struct watched {
    struct loop_watch *watch;
    int fd;
    int calls;
    bool done;
};

static void take_one_byte(void *ctx)
{
    struct watched *w = ctx;
    char c;

    w->calls++;
    assert_int_equal(read(w->fd, &c, 1), 1);
    if (c == 'z') {
        loop_watch_close(w->watch); /* inside its own callback */
        w->watch = NULL;
        w->done = true;
    }
}

static void watch_calls_while_readable(void **state)
{
    struct loop *loop = world_loop();
    struct watched w = {0};
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    w.fd = ends[0];
    w.watch = loop_watch_open(loop, ends[0], take_one_byte, &w);
    assert_int_equal(write(ends[1], "abzd", 4), 4);
    world_wait_flag(loop, &w.done);
    world_turns(loop, 3);
    assert_int_equal(w.calls, 3); /* "d" was left */
    close(ends[0]);
    close(ends[1]);
    loop_destroy(loop);
}

struct chained {
    struct loop *loop;
    struct loop_task task;
    struct loop_task other;
    int runs;
    int other_runs;
};

static void count_other(void *ctx)
{
    struct chained *c = ctx;
    c->other_runs++;
}

static void defer_again(void *ctx)
{
    struct chained *c = ctx;

    if (++c->runs < 3) {
        loop_defer(c->loop, &c->task);
    }
    loop_defer(c->loop, &c->other);
    loop_defer(c->loop, &c->other); /* once is enough */
}

static void tasks_run_at_the_end_of_turns(void **state)
{
    struct loop *loop = world_loop();
    struct chained c = {.loop = loop};

    (void)state;
    c.task = (struct loop_task){.run = defer_again, .ctx = &c};
    c.other = (struct loop_task){.run = count_other, .ctx = &c};
    loop_defer(loop, &c.task);
    world_turns(loop, 6);
    assert_int_equal(c.runs, 3);
    assert_int_equal(c.other_runs, 2); /* the second time it was still waiting */
    loop_destroy(loop);
}

static void random_bytes_differ(void **state)
{
    unsigned char a[20] = {0};
    unsigned char b[20] = {0};

    (void)state;
    loop_random(a, sizeof(a));
    loop_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void unix_time_is_of_this_century(void **state)
{
    (void)state;
    assert_true(loop_unix_ms() > INT64_C(1600000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_is_boottime_and_constant_in_a_batch),
        cmocka_unit_test(stop_before_run_counts),
        cmocka_unit_test(signals_call_back),
        cmocka_unit_test(sigpipe_is_ignored),
        cmocka_unit_test(watch_calls_while_readable),
        cmocka_unit_test(tasks_run_at_the_end_of_turns),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(unix_time_is_of_this_century),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

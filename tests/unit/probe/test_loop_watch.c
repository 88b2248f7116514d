/* The level-triggered watch of a library's descriptor (loop/loop_watch.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/loop_watch.h"
#include "turn_until.h"

struct world {
    struct loop *loop;
    struct loop_waiter *w;
    int ends[2];
    int calls;
    unsigned ready;
    bool destroys;
};

static void on_ready(void *ctx, unsigned ready)
{
    struct world *x = ctx;

    x->calls++;
    x->ready = ready;
    if (x->destroys) {
        loop_watch_destroy(x->w);
        x->w = NULL;
    }
}

static bool called_three_times(void *ctx)
{
    return ((struct world *)ctx)->calls >= 3;
}

static bool called(void *ctx)
{
    return ((struct world *)ctx)->calls > 0;
}

static void begin(struct world *x)
{
    struct err err;

    *x = (struct world){0};
    x->loop = loop_create(&err);
    assert_non_null(x->loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, x->ends), 0);
    x->w = loop_watch_create(x->loop, on_ready, x);
}

static void finish(struct world *x)
{
    loop_watch_destroy(x->w);
    (void)close(x->ends[0]); /* both are ours */
    (void)close(x->ends[1]);
    loop_destroy(x->loop);
}

static void test_it_calls_again_while_nothing_is_read(void **state)
{
    struct world x;

    (void)state;
    begin(&x);
    loop_watch_set(x.w, x.ends[0], LOOP_WATCH_READ);
    assert_int_equal(write(x.ends[1], "a", 1), 1);
    assert_true(turn_until(x.loop, called_three_times, &x));
    assert_int_equal(x.ready, LOOP_WATCH_READ);
    finish(&x);
}

static void test_it_says_what_is_possible(void **state)
{
    struct world x;

    (void)state;
    begin(&x);
    loop_watch_set(x.w, x.ends[0], LOOP_WATCH_READ | LOOP_WATCH_WRITE);
    assert_true(turn_until(x.loop, called, &x));
    assert_int_equal(x.ready, LOOP_WATCH_WRITE);
    assert_int_equal(shutdown(x.ends[1], SHUT_RDWR), 0);
    loop_watch_set(x.w, x.ends[0], LOOP_WATCH_READ);
    x.calls = 0;
    assert_true(turn_until(x.loop, called, &x));
    assert_int_equal(x.ready, LOOP_WATCH_READ); /* an end is readable */
    finish(&x);
}

static void test_it_may_be_destroyed_inside(void **state)
{
    struct world x;

    (void)state;
    begin(&x);
    x.destroys = true;
    loop_watch_set(x.w, x.ends[0], LOOP_WATCH_WRITE);
    assert_true(turn_until(x.loop, called, &x));
    assert_int_equal(x.calls, 1);
    finish(&x);
}

static void on_time(void *ctx)
{
    loop_stop(ctx);
}

static void test_cleared_it_waits_for_nothing(void **state)
{
    struct world x;

    (void)state;
    begin(&x);
    loop_watch_set(x.w, x.ends[0], LOOP_WATCH_WRITE);
    loop_watch_clear(x.w);
    loop_watch_clear(x.w);
    struct loop_timer *t = loop_timer_create(x.loop, on_time, x.loop);
    loop_timer_at(t, loop_now(x.loop) + 5);
    loop_run(x.loop);
    assert_int_equal(x.calls, 0);
    loop_timer_destroy(t);
    finish(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_calls_again_while_nothing_is_read),
        cmocka_unit_test(test_it_says_what_is_possible),
        cmocka_unit_test(test_it_may_be_destroyed_inside),
        cmocka_unit_test(test_cleared_it_waits_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

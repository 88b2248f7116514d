#include <stdlib.h>

#include "base/prng.h"
#include "loop/loop_inside.h"
#include "loop_world.h"

enum { MANY = 500 };

struct clockwork {
    struct loop *loop;
    int order[MANY + 8];
    int fired;
    struct loop_timer *victim;
    struct loop_timer *self;
    int repeats;
};

struct hand {
    struct clockwork *work;
    struct loop_timer *timer;
    msec_t at_ms;
    int number;
    bool cancelled;
};

static void note(void *ctx)
{
    struct hand *h = ctx;

    assert_false(h->cancelled);
    assert_true(loop_now(h->work->loop) >= h->at_ms); /* never early */
    h->work->order[h->work->fired++] = h->number;
}

static void timers_come_in_order_of_time_then_of_setting(void **state)
{
    struct clockwork work = {.loop = world_loop()};
    static struct hand hands[MANY];
    struct prng p;
    int wanted = 0;

    (void)state;
    prng_init(&p, 7);
    msec_t base_ms = loop_now(work.loop);
    for (int i = 0; i < MANY; i++) {
        hands[i] = (struct hand){.work = &work, .number = i};
        hands[i].timer = loop_timer_create(work.loop, note, &hands[i]);
        hands[i].at_ms = base_ms + (msec_t)prng_below(&p, 40);
        loop_timer_at(hands[i].timer, base_ms + (msec_t)prng_below(&p, 40));
        loop_timer_at(hands[i].timer, hands[i].at_ms); /* the last one counts */
    }
    for (int i = 0; i < MANY; i++) {
        hands[i].cancelled = prng_below(&p, 4) == 0;
        if (hands[i].cancelled) {
            loop_timer_clear(hands[i].timer);
            loop_timer_clear(hands[i].timer);
        }
        wanted += !hands[i].cancelled;
        assert_int_equal(loop_timer_is_set(hands[i].timer), !hands[i].cancelled);
    }
    while (work.fired < wanted) {
        world_turns(work.loop, 1);
    }
    for (int i = 1; i < work.fired; i++) {
        const struct hand *a = &hands[work.order[i - 1]];
        const struct hand *b = &hands[work.order[i]];
        assert_true(a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->number < b->number));
    }
    for (int i = 0; i < MANY; i++) {
        loop_timer_destroy(hands[i].timer);
    }
    assert_int_equal(work.fired, wanted);
    loop_destroy(work.loop);
}

static void destroy_both(void *ctx)
{
    struct clockwork *work = ctx;

    work->fired++;
    loop_timer_destroy(work->victim); /* due in the same turn */
    loop_timer_destroy(work->self);
}

static void fail_if_called(void *ctx)
{
    (void)ctx;
    fail();
}

static void timers_may_be_destroyed_inside_callbacks(void **state)
{
    struct clockwork work = {.loop = world_loop()};

    (void)state;
    msec_t now_ms = loop_now(work.loop);
    work.self = loop_timer_create(work.loop, destroy_both, &work);
    work.victim = loop_timer_create(work.loop, fail_if_called, NULL);
    loop_timer_at(work.victim, now_ms);
    loop_timer_at(work.self, now_ms - 1);
    world_turns(work.loop, 3);
    assert_int_equal(work.fired, 1);
    assert_int_equal(loop_timer_next(work.loop), MSEC_NEVER);
    loop_destroy(work.loop);
}

static void again_at_once(void *ctx)
{
    struct clockwork *work = ctx;

    if (++work->repeats < 100) {
        loop_timer_at(work->self, loop_now(work->loop));
    }
}

static void timer_set_to_now_in_its_callback_waits_a_turn(void **state)
{
    struct clockwork work = {.loop = world_loop()};

    (void)state;
    work.self = loop_timer_create(work.loop, again_at_once, &work);
    loop_timer_at(work.self, loop_now(work.loop));
    world_turns(work.loop, 1);
    assert_int_equal(work.repeats, 1);
    world_turns(work.loop, 98);
    assert_in_range(work.repeats, 2, 99);
    world_turns(work.loop, 5);
    assert_int_equal(work.repeats, 100);
    loop_timer_at(work.self, MSEC_NEVER);
    assert_false(loop_timer_is_set(work.self));
    loop_timer_destroy(work.self);
    loop_timer_destroy(NULL);
    loop_destroy(work.loop);
}

static void set_flag(void *ctx)
{
    bool *flag = ctx;
    *flag = true;
}

/* The timerfd stays armed for a deadline that was moved away; the later one must still come, on
 * time. */
static void deadline_moved_later_and_earlier(void **state)
{
    struct loop *loop = world_loop();
    bool fired = false;
    struct loop_timer *t = loop_timer_create(loop, set_flag, &fired);

    (void)state;
    loop_timer_at(t, loop_now(loop) + 5);
    world_turns(loop, 1);
    msec_t at_ms = loop_now(loop) + 30;
    loop_timer_at(t, at_ms);
    while (!fired) {
        assert_true(loop_now(loop) < at_ms + WORLD_DEADLINE_MS);
        world_turns(loop, 1);
    }
    assert_true(loop_now(loop) >= at_ms);
    fired = false;
    loop_timer_at(t, loop_now(loop) + 60000);
    world_turns(loop, 1);
    loop_timer_at(t, loop_now(loop) + 3);
    world_wait_flag(loop, &fired);
    loop_timer_destroy(t);
    loop_destroy(loop);
}

static void stop_loop(void *ctx)
{
    loop_stop(ctx);
}

/* Nothing but the timerfd can end this sleep. */
static void lone_timer_wakes_a_sleeping_loop(void **state)
{
    struct loop *loop = world_loop();
    struct loop_timer *t = loop_timer_create(loop, stop_loop, loop);

    (void)state;
    for (int i = 0; i < 5; i++) {
        msec_t at_ms = loop_now(loop) + 10;
        loop_timer_at(t, at_ms);
        loop_run(loop);
        assert_in_range(loop_now(loop) - at_ms, 0, 1000);
    }
    loop_timer_destroy(t);
    loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_in_order_of_time_then_of_setting),
        cmocka_unit_test(timers_may_be_destroyed_inside_callbacks),
        cmocka_unit_test(timer_set_to_now_in_its_callback_waits_a_turn),
        cmocka_unit_test(deadline_moved_later_and_earlier),
        cmocka_unit_test(lone_timer_wakes_a_sleeping_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "core_fixture.h"

static void down(struct fixture *x, uint16_t port, enum link_end end)
{
    struct event event = {.type = EVENT_LINK_DOWN, .link = link_of(x, port), .end = end};
    step(x, &event);
}

static void refused_after(struct fixture *x, msec_t ms)
{
    struct event event = {.type = EVENT_COMMAND, .command = {.type = COMMAND_SET, .name = "shop"}};
    struct master_state state;

    failover_export(failover_master_at(x->core, 0), &state);
    event.command.config = state.config;
    event.command.config.refused_after_ms = ms;
    step(x, &event);
    persisted(x, true);
}

/* The link breaks and every further attempt is refused, for so long; true when the master is called
 * down. */
static bool refused_for(struct fixture *x, msec_t ms)
{
    bool called = false;

    down(x, 6379, LINK_END_RESET);
    for (msec_t n = 0; n < ms && !called; n += 5) {
        if (found(x, ACTION_LINK_OPEN) != NULL) {
            down(x, 6379, LINK_END_REFUSED);
            called = called || noted(x, NOTE_SDOWN);
        }
        all_but_the_master_answer(x);
        tick(x, 5);
        called = called || noted(x, NOTE_SDOWN);
    }
    return called;
}

/* The last answer was now, the first PING without one comes a period (250 ms) later: it may have
 * hung at any time between, and down-after is counted from the middle. */
static void test_silence_lasts_down_after_from_the_middle_of_what_is_possible(void **state)
{
    struct fixture *x = *state;
    msec_t from = x->now;

    master_falls_silent(x);
    assert_true(x->now - from >= 1100);
    assert_true(x->now - from <= 1145);
}

/* Not from its last answer, nor from the middle: the next PING was not due yet. */
static void test_a_broken_connection_is_silent_from_then_on(void **state)
{
    struct fixture *x = *state;

    for (int n = 0; n < 40; n++) {
        tick(x, 5); /* 200 ms of a period of 250 since its answer */
    }
    msec_t from = x->now;
    assert_true(refused_for(x, 2000));
    assert_true(x->now - from >= 1000);
    assert_true(x->now - from <= 1020);
}

static void test_refusal_is_no_evidence_with_a_plain_file(void **state)
{
    assert_false(refused_for(*state, 900));
}

static void test_refusal_counts_after_refused_after(void **state)
{
    struct fixture *x = *state;

    refused_after(x, 100);
    msec_t from = x->now;
    assert_true(refused_for(x, 900));
    assert_true(x->now - from >= 100);
    assert_true(x->now - from <= 150);
}

static void test_a_server_that_loads_is_alive(void **state)
{
    struct fixture *x = *state;

    for (int n = 0; n < 300; n++) {
        struct event event = {.type = EVENT_PONG, .link = link_of(x, 6379), .pong = PONG_LOADING};
        step(x, &event);
        assert_false(noted(x, NOTE_SDOWN));
        all_but_the_master_answer(x);
        tick(x, 10);
        assert_false(noted(x, NOTE_SDOWN)); /* the timer is what calls it down */
    }
}

static void test_a_pause_of_ours_is_not_their_silence(void **state)
{
    struct fixture *x = *state;

    tick(x, 30000);
    assert_true(noted(x, NOTE_TILT));
    assert_false(noted(x, NOTE_SDOWN));
    bool ended = false;
    for (int n = 0; n < 60; n++) {
        tick(x, 10);
        assert_false(noted(x, NOTE_SDOWN));
        ended = ended || noted(x, NOTE_TILT_END);
    }
    assert_true(ended);
}

static void master_is_silent_for(struct fixture *x, msec_t ms)
{
    for (msec_t n = 0; n < ms; n += 10) {
        all_but_the_master_answer(x);
        tick(x, 10);
        assert_false(noted(x, NOTE_SDOWN));
    }
}

/* 275 ms of silence at least before the pause, and the rest of down-after when it is over. */
static void test_silence_before_a_pause_goes_on_after_it(void **state)
{
    struct fixture *x = *state;

    master_is_silent_for(x, 400);
    tick(x, 30000);
    assert_true(noted(x, NOTE_TILT));
    msec_t from = x->now;
    master_falls_silent(x);
    assert_true(x->now - from >= 600);
    assert_true(x->now - from <= 750);
}

/* Silent for 875 ms, then we pause: its answer may wait in the socket and is read first. */
static void test_nobody_is_judged_before_what_waited_is_read(void **state)
{
    struct fixture *x = *state;

    master_is_silent_for(x, 1000);
    tick(x, 30000);
    assert_true(noted(x, NOTE_TILT));
    assert_false(noted(x, NOTE_SDOWN));
    master_is_silent_for(x, 400);
    pong(x, 6379);
    master_is_silent_for(x, 200);
    assert_false(failover_in_tilt(x->core, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_silence_lasts_down_after_from_the_middle_of_what_is_possible, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_broken_connection_is_silent_from_then_on,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_refusal_is_no_evidence_with_a_plain_file,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_refusal_counts_after_refused_after, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_server_that_loads_is_alive, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_pause_of_ours_is_not_their_silence, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_silence_before_a_pause_goes_on_after_it, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_is_judged_before_what_waited_is_read,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

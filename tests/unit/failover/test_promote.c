#include "core_fixture.h"

/* From silence to the election we won: the list shows what followed. */
static void win_the_election(struct fixture *x)
{
    master_falls_silent(x);
    answer(x, 26380, true, "*", 0);
    persisted(x, true);
    answer(x, 26380, true, ME, 1);
    assert_true(noted(x, NOTE_ELECTED));
}

static void promoted(struct fixture *x, uint16_t port, enum server_role role)
{
    struct event event = {.type = EVENT_PROMOTED, .link = link_of(x, port), .role = role};
    step(x, &event);
}

static void test_the_choice_waits_for_fresh_info_and_takes_the_highest_offset(void **state)
{
    struct fixture *x = *state;

    win_the_election(x);
    assert_null(found(x, ACTION_SEND_PROMOTE));
    x->now += 1;
    info(x, 6380, ROLE_REPLICA, REPLID, 500);
    assert_null(found(x, ACTION_SEND_PROMOTE));
    info(x, 6381, ROLE_REPLICA, REPLID, 900); /* it had less when we last heard */
    const struct action *promote = found(x, ACTION_SEND_PROMOTE);
    assert_non_null(promote);
    assert_int_equal(promote->link, link_of(x, 6381));
    assert_true(noted(x, NOTE_SELECTED));
}

/* It had more than the other when we last heard of it; two seconds are its time to say so again. */
static void test_a_replica_that_does_not_answer_is_no_candidate(void **state)
{
    struct fixture *x = *state;

    win_the_election(x);
    msec_t from = x->now;
    x->now += 1;
    info(x, 6381, ROLE_REPLICA, REPLID, 450);
    while (x->now - from < 3000 && found(x, ACTION_SEND_PROMOTE) == NULL) {
        all_but_the_master_answer(x);
        tick(x, 10);
    }
    assert_int_equal(wanted(x, ACTION_SEND_PROMOTE)->link, link_of(x, 6381));
    assert_true(x->now - from >= 2000);
}

static void test_a_replica_of_another_history_is_no_candidate(void **state)
{
    struct fixture *x = *state;

    win_the_election(x);
    x->now += 1;
    info(x, 6380, ROLE_REPLICA, REPLID, 500);
    info(x, 6381, ROLE_REPLICA, REPLID_NEW, 900);
    assert_int_equal(wanted(x, ACTION_SEND_PROMOTE)->link, link_of(x, 6380));
}

/* Nor when there is no other: the one with the master's data may not be promoted. */
static void test_a_replica_of_another_history_is_not_taken_for_want_of_a_better_one(void **state)
{
    struct fixture *x = *state;
    bool aborted = false;

    win_the_election(x);
    x->now += 1;
    struct event event = info_event(x, 6380, ROLE_REPLICA, REPLID, 500);
    event.info.priority = 0;
    step(x, &event);
    info(x, 6381, ROLE_REPLICA, REPLID_NEW, 900);
    for (int n = 0; n < 210 && !aborted; n++) {
        assert_null(found(x, ACTION_SEND_PROMOTE));
        all_but_the_master_answer(x);
        tick(x, 10);
        aborted = noted(x, NOTE_ABORT_NO_GOOD);
    }
    assert_true(aborted);
}

static void test_the_switch_is_announced_once_it_is_on_disk(void **state)
{
    struct fixture *x = *state;

    win_the_election(x);
    x->now += 1;
    info(x, 6380, ROLE_REPLICA, REPLID, 500);
    info(x, 6381, ROLE_REPLICA, REPLID, 400);
    promoted(x, 6380, ROLE_MASTER);
    assert_non_null(found(x, ACTION_PERSIST));
    assert_false(noted(x, NOTE_SWITCH));
    assert_null(found(x, ACTION_SEND_HELLO));
    assert_null(found(x, ACTION_SEND_REPLICAOF));
    persisted(x, true);
    assert_true(noted(x, NOTE_PROMOTED));
    assert_true(noted(x, NOTE_SWITCH));
    const struct action *hello = found(x, ACTION_SEND_HELLO);
    assert_non_null(hello);
    assert_int_equal(hello->hello.master_addr.port, 6380);
    assert_int_equal(hello->hello.config_epoch, 1);
    assert_int_equal(wanted(x, ACTION_SEND_REPLICAOF)->addr.port, 6380);
}

static void test_a_promotion_that_fails_is_not_announced(void **state)
{
    struct fixture *x = *state;

    win_the_election(x);
    x->now += 1;
    info(x, 6380, ROLE_REPLICA, REPLID, 500);
    info(x, 6381, ROLE_REPLICA, REPLID, 400);
    promoted(x, 6380, ROLE_UNKNOWN);
    persisted(x, true);
    assert_false(noted(x, NOTE_SWITCH));
    x->now += 1;
    info(x, 6380, ROLE_REPLICA, REPLID, 500); /* and its INFO says the same */
    persisted(x, true);
    assert_false(noted(x, NOTE_SWITCH));
    struct master_state after;
    failover_export(failover_master_at(x->core, 0), &after);
    assert_int_equal(after.addr.port, 6379);
}

static void test_the_old_master_is_demoted_when_it_answers(void **state)
{
    struct fixture *x = *state;

    test_the_switch_is_announced_once_it_is_on_disk(state);
    info(x, 6380, ROLE_MASTER, REPLID_NEW, 510);
    x->now += 50;
    link_up(x, 6379); /* it comes back as if nothing had happened */
    info(x, 6379, ROLE_MASTER, REPLID, 500);
    const struct action *demote = found(x, ACTION_SEND_REPLICAOF);
    assert_non_null(demote);
    assert_int_equal(demote->link, link_of(x, 6379));
    assert_int_equal(demote->addr.port, 6380);
}

static void test_the_old_master_is_demoted_when_all_is_over(void **state)
{
    struct fixture *x = *state;

    test_the_switch_is_announced_once_it_is_on_disk(state);
    info(x, 6380, ROLE_MASTER, REPLID_NEW, 510);
    struct event event = info_event(x, 6381, ROLE_REPLICA, REPLID_NEW, 510);
    event.info.master_addr = at(6380);
    step(x, &event);
    assert_true(noted(x, NOTE_END));
    x->now += 50;
    info(x, 6379, ROLE_MASTER, REPLID, 500);
    const struct action *demote = wanted(x, ACTION_SEND_REPLICAOF);
    assert_int_equal(demote->link, link_of(x, 6379));
    assert_int_equal(demote->addr.port, 6380);
    assert_true(noted(x, NOTE_CONVERT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_the_choice_waits_for_fresh_info_and_takes_the_highest_offset, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_replica_that_does_not_answer_is_no_candidate,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_replica_of_another_history_is_no_candidate,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_a_replica_of_another_history_is_not_taken_for_want_of_a_better_one, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(test_the_switch_is_announced_once_it_is_on_disk,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_promotion_that_fails_is_not_announced, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_the_old_master_is_demoted_when_it_answers,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_the_old_master_is_demoted_when_all_is_over,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

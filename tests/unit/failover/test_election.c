#include "core_fixture.h"

#define AFTER_THE_PEERS "4444444444444444444444444444444444444444"

static const struct action *ask_vote(struct fixture *x, const char *run_id, uint64_t epoch)
{
    struct event event = {.type = EVENT_ASK,
                          .ask = {.token = 42, .addr = at(6379), .epoch = epoch}};

    memcpy(event.ask.run_id, run_id, strlen(run_id) + 1);
    step(x, &event);
    return found(x, ACTION_REPLY_ASK);
}

static void test_a_vote_leaves_only_when_it_is_on_disk(void **state)
{
    struct fixture *x = *state;

    assert_null(ask_vote(x, PEER_A, 5));
    assert_non_null(found(x, ACTION_PERSIST));
    assert_false(noted(x, NOTE_VOTE));
    persisted(x, true);
    const struct action *reply = found(x, ACTION_REPLY_ASK);
    assert_non_null(reply);
    assert_int_equal(reply->reply_ask.token, 42);
    assert_string_equal(reply->reply_ask.leader, PEER_A);
    assert_int_equal(reply->reply_ask.leader_epoch, 5);
    assert_true(noted(x, NOTE_VOTE));
}

/* Learned from a hello, saved, and voted in only now: the vote needs a save of its own. */
static void test_a_vote_in_an_epoch_known_already_waits_for_the_disk_too(void **state)
{
    struct fixture *x = *state;
    struct event heard = {.type = EVENT_HELLO,
                          .hello = {.addr = at(26380),
                                    .run_id = PEER_A,
                                    .current_epoch = 5,
                                    .master_name = "shop",
                                    .master_addr = at(6379)}};

    step(x, &heard);
    assert_int_equal(failover_epoch(x->core), 5);
    persisted(x, true);
    assert_null(ask_vote(x, PEER_A, 5));
    assert_non_null(found(x, ACTION_PERSIST));
    persisted(x, true);
    assert_string_equal(wanted(x, ACTION_REPLY_ASK)->reply_ask.leader, PEER_A);
}

static void test_one_vote_in_an_epoch(void **state)
{
    struct fixture *x = *state;

    (void)ask_vote(x, PEER_A, 5);
    persisted(x, true);
    const struct action *reply = ask_vote(x, PEER_B, 5);
    assert_non_null(reply);
    assert_string_equal(reply->reply_ask.leader, PEER_A);
    (void)ask_vote(x, PEER_B, 6);
    persisted(x, true);
    assert_string_equal(wanted(x, ACTION_REPLY_ASK)->reply_ask.leader, PEER_B);
}

static void test_a_failing_disk_gives_no_vote(void **state)
{
    struct fixture *x = *state;

    (void)ask_vote(x, PEER_A, 5);
    persisted(x, false);
    const struct action *reply = found(x, ACTION_REPLY_ASK);
    assert_non_null(reply);
    assert_string_equal(reply->reply_ask.leader, "");
    reply = ask_vote(x, PEER_B, 6);
    assert_non_null(reply);
    assert_string_equal(reply->reply_ask.leader, "");
    assert_int_equal(failover_epoch(x->core), 5);
}

static int setup_near_the_last_epoch(void **state)
{
    return fixture_setup_as(state, ME, EPOCH_MAX - 1);
}

/* One so near that it is no jump: only the end itself is in its way. */
static void test_an_impossible_epoch_is_refused(void **state)
{
    struct fixture *x = *state;
    const struct action *reply = ask_vote(x, PEER_A, EPOCH_MAX + 1);

    assert_non_null(reply);
    assert_string_equal(reply->reply_ask.leader, "");
    assert_int_equal(failover_epoch(x->core), EPOCH_MAX - 1);
    (void)ask_vote(x, PEER_A, EPOCH_MAX);
    assert_int_equal(failover_epoch(x->core), EPOCH_MAX);
}

static void test_an_epoch_that_jumps_is_refused_and_leaves_room_for_elections(void **state)
{
    struct fixture *x = *state;

    (void)ask_vote(x, PEER_A, EPOCH_JUMP_MAX + 1);
    assert_int_equal(failover_epoch(x->core), 0);
    (void)ask_vote(x, PEER_A, EPOCH_JUMP_MAX);
    assert_int_equal(failover_epoch(x->core), EPOCH_JUMP_MAX);
    persisted(x, true);
    master_falls_silent(x);
    answer(x, 26380, true, "*", 0);
    for (int n = 0; n < 500 && found(x, ACTION_PERSIST) == NULL; n++) {
        pong(x, 26380);
        tick(x, 10); /* we voted for another just now: he is given his time first */
    }
    persisted(x, true);
    assert_int_equal(failover_epoch(x->core), EPOCH_JUMP_MAX + 1);
}

static void test_the_lowest_run_id_stands_first_and_leads_with_a_majority(void **state)
{
    struct fixture *x = *state;

    master_falls_silent(x);
    assert_string_equal(wanted(x, ACTION_SEND_ASK)->send_ask.run_id, "*");
    answer(x, 26380, true, "*", 0);
    assert_true(noted(x, NOTE_ODOWN));
    assert_null(found(x, ACTION_SEND_ASK)); /* our own vote is not on disk yet */
    assert_false(noted(x, NOTE_TRY_FAILOVER));
    persisted(x, true);
    assert_true(noted(x, NOTE_TRY_FAILOVER));
    assert_string_equal(wanted(x, ACTION_SEND_ASK)->send_ask.run_id, ME);
    assert_int_equal(wanted(x, ACTION_SEND_ASK)->send_ask.epoch, 1);
    assert_false(noted(x, NOTE_ELECTED)); /* our own vote is no majority */
    answer(x, 26380, true, ME, 1);
    assert_true(noted(x, NOTE_ELECTED));
}

static int setup_after_the_peers(void **state)
{
    return fixture_setup_as(state, AFTER_THE_PEERS, 0);
}

/* 25 ms for each monitor whose run id sorts before ours. */
static void test_the_highest_run_id_gives_the_others_their_time(void **state)
{
    struct fixture *x = *state;

    master_falls_silent(x);
    answer(x, 26380, true, "*", 0);
    assert_true(noted(x, NOTE_ODOWN));
    msec_t from = x->now;
    for (int n = 0; n < 100 && found(x, ACTION_PERSIST) == NULL; n++) {
        tick(x, 1);
    }
    assert_int_equal(x->now - from, 2 * 25);
    persisted(x, true);
    assert_true(noted(x, NOTE_TRY_FAILOVER));
}

static void test_an_answer_about_a_former_address_does_not_count(void **state)
{
    struct fixture *x = *state;

    master_falls_silent(x);
    const struct action *ask = wanted(x, ACTION_SEND_ASK);
    struct event late = {.type = EVENT_ANSWER, .link = link_of(x, 26380)};
    late.answer.master = ask->send_ask.master;
    late.answer.ask_tag = ask->send_ask.ask_tag + 1;
    late.answer.down = true;
    step(x, &late);
    assert_false(noted(x, NOTE_ODOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_vote_leaves_only_when_it_is_on_disk, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_a_vote_in_an_epoch_known_already_waits_for_the_disk_too, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(test_one_vote_in_an_epoch, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_failing_disk_gives_no_vote, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_an_impossible_epoch_is_refused,
                                        setup_near_the_last_epoch, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_an_epoch_that_jumps_is_refused_and_leaves_room_for_elections, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_the_lowest_run_id_stands_first_and_leads_with_a_majority, fixture_setup,
            fixture_teardown),
        cmocka_unit_test_setup_teardown(test_the_highest_run_id_gives_the_others_their_time,
                                        setup_after_the_peers, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_an_answer_about_a_former_address_does_not_count,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

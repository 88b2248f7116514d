/* Stories of a site with three monitors (where not said otherwise) and the servers A, B, C, D. */
#include <string.h>

#include "choice_world.h"

/* ---- the start ---- */

static void test_nothing_is_known_at_the_start(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, 3);
    assert_false(judge(&w));
    expect(&w, CHOICE_NONE, '-', 0);
    assert_int_equal(w.c.servers_count, 0);
    assert_true(master_choice_next(&w.c, w.now) == MSEC_NEVER);
}

static void test_a_majority_and_the_server_itself_make_a_master(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, 3);
    say(&w, 0, 'A', 1);
    assert_false(is_asked(&w, 'A'));
    role(&w, 'A', CHOICE_ROLE_MASTER); /* not asked: it proves nothing */
    say(&w, 1, 'A', 1);
    expect(&w, CHOICE_NONE, '-', 0);
    assert_true(is_urgent(&w, 'A'));
    role(&w, 'A', CHOICE_ROLE_NONE);
    expect(&w, CHOICE_NONE, '-', 0);
    role(&w, 'A', CHOICE_ROLE_REPLICA);
    expect(&w, CHOICE_NONE, '-', 0);
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'A', 1);
    assert_int_equal(w.c.route.why, CHOICE_WHY_MAJORITY);
    assert_false(is_urgent(&w, 'A'));
}

static void test_a_majority_is_of_those_configured(void **state)
{
    (void)state;
    for (size_t monitors = 1; monitors <= CHOICE_MONITORS_MAX; monitors++) {
        struct world w;
        world_begin(&w, monitors);
        for (size_t i = 0; i < monitors; i++) {
            assert_int_equal(w.c.has_agreed, i > monitors / 2);
            say(&w, i, 'A', 1);
        }
        assert_true(w.c.has_agreed);
        assert_int_equal(w.c.answering, monitors);
    }
}

static void test_without_a_majority_at_the_start_nobody_is_believed(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, 3);
    say(&w, 0, 'A', 1);
    say(&w, 1, 'B', 2);
    say(&w, 2, '-', 0);
    selected(&w, 0, 'A', 'B');
    assert_int_equal(w.c.servers_count, 0);
    role(&w, 'A', CHOICE_ROLE_MASTER);
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_NONE, '-', 0);
    assert_int_equal(w.c.answering, 3);
    assert_false(w.c.has_agreed);
}

static void test_an_old_answer_does_not_count(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, 3);
    say(&w, 0, 'A', 1);
    assert_true(master_choice_next(&w.c, w.now) == w.now + SILENT_MS + 1);
    pass(&w, SILENT_MS + 1);
    say(&w, 1, 'A', 1);
    assert_false(w.c.has_agreed);
    assert_int_equal(w.c.answering, 1);
    say(&w, 0, 'A', 1);
    assert_true(w.c.has_agreed);
    pass(&w, SILENT_MS);
    assert_true(w.c.has_agreed);
    pass(&w, 1);
    assert_false(w.c.has_agreed);
}

static void test_the_epoch_is_the_newest_of_a_majority(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, 5);
    say(&w, 0, 'A', 9);
    say(&w, 1, 'A', 7);
    say(&w, 2, 'A', 5);
    say(&w, 3, 'A', 3);
    say(&w, 4, 'B', 99);
    assert_true(w.c.has_agreed);
    assert_int_equal(w.c.agreed_epoch, 5);
}

static void test_a_failover_at_the_start_is_followed(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, 3);
    all_say(&w, 'A', 1);
    role(&w, 'A', CHOICE_ROLE_NONE); /* dead */
    selected(&w, 1, 'A', 'B');
    assert_true(is_urgent(&w, 'B'));
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 1);
    assert_int_equal(w.c.route.why, CHOICE_WHY_SELECTED);
}

/* ---- a failover ---- */

static void test_writes_are_held_until_the_selected_one_is_a_master(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    selected(&w, 0, 'A', 'B');
    expect(&w, CHOICE_HOLD, 'A', 1);
    assert_int_equal(w.c.route.why, CHOICE_WHY_FAILOVER);
    assert_true(is_urgent(&w, 'B'));
    assert_true(is_asked(&w, 'A'));
    role(&w, 'B', CHOICE_ROLE_REPLICA);
    role(&w, 'B', CHOICE_ROLE_NONE); /* a promotion closes connections */
    expect(&w, CHOICE_HOLD, 'A', 1);
    pass(&w, 70);
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 2);
    assert_int_equal(w.c.route.why, CHOICE_WHY_SELECTED);
    assert_int_equal(w.c.route.epoch, 0);
    assert_true(w.c.is_early);
}

/* A is the master, B was selected and is one too; nobody has announced it. */
static void world_early_b(struct world *w)
{
    world_of_a(w);
    selected(w, 0, 'A', 'B');
    role(w, 'B', CHOICE_ROLE_MASTER);
    expect(w, CHOICE_OPEN, 'B', 2);
}

static void test_an_early_master_stays_while_the_monitors_say_the_old_one(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    for (int i = 0; i < 100; i++) {
        pass(&w, 1000);
        all_say(&w, 'A', 1);
        expect(&w, CHOICE_OPEN, 'B', 2);
        assert_false(is_asked(&w, 'A'));
    }
    say(&w, 1, 'B', 2);
    say(&w, 2, 'B', 2);
    expect(&w, CHOICE_OPEN, 'B', 2);
    assert_int_equal(w.c.route.why, CHOICE_WHY_CONFIRMED);
    assert_int_equal(w.c.route.epoch, 2);
    assert_false(w.c.is_early);
}

/* The monitor that leads shows the new epoch beside the old address for a while, in some versions.
 */
static void test_the_leader_alone_cannot_take_an_early_master_back(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    say(&w, 0, 'A', 2);
    expect(&w, CHOICE_OPEN, 'B', 2);
    say(&w, 1, 'B', 2);
    expect(&w, CHOICE_OPEN, 'B', 2);
    say(&w, 2, 'B', 2);
    assert_int_equal(w.c.route.why, CHOICE_WHY_CONFIRMED);
    expect(&w, CHOICE_OPEN, 'B', 2);
}

static void test_an_abort_lets_writes_go_on(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    selected(&w, 0, 'A', 'B');
    role(&w, 'B', CHOICE_ROLE_REPLICA);
    aborted(&w, 1); /* another's: it selected nothing */
    expect(&w, CHOICE_HOLD, 'A', 1);
    aborted(&w, 0);
    expect(&w, CHOICE_OPEN, 'A', 1);
    assert_int_equal(w.c.route.why, CHOICE_WHY_ABORTED);
    assert_false(is_asked(&w, 'B'));
}

static void test_a_hold_has_an_end(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    selected(&w, 0, 'A', 'B');
    selected(&w, 0, 'A', 'B'); /* said again, it lasts no longer */
    assert_true(master_choice_next(&w.c, w.now) <= w.now + HOLD_MS);
    pass(&w, HOLD_MS - 1);
    expect(&w, CHOICE_HOLD, 'A', 1);
    selected(&w, 1, 'A', 'C');
    pass(&w, 1);
    expect(&w, CHOICE_OPEN, 'A', 1);
    assert_int_equal(w.c.route.why, CHOICE_WHY_LATE);
    assert_true(is_asked(&w, 'B'));
    assert_false(is_urgent(&w, 'B'));
    selected(&w, 0, 'A', 'D'); /* these two have had their hold */
    selected(&w, 1, 'A', 'D');
    expect(&w, CHOICE_OPEN, 'A', 1);
    role(&w, 'B', CHOICE_ROLE_MASTER); /* late, but it is one */
    expect(&w, CHOICE_OPEN, 'B', 2);
}

static void test_a_monitor_may_hold_again_after_a_pause(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    selected(&w, 0, 'A', 'B');
    pass(&w, HOLD_MS);
    expect(&w, CHOICE_OPEN, 'A', 1);
    pass(&w, CHOICE_HOLD_PAUSE_MS);
    aborted(&w, 0);
    selected(&w, 0, 'A', 'B');
    expect(&w, CHOICE_HOLD, 'A', 1);
}

static void test_the_second_selection_of_a_failover_holds_no_longer(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    selected(&w, 0, 'A', 'B');
    pass(&w, 4000);
    aborted(&w, 0);
    expect(&w, CHOICE_OPEN, 'A', 1);
    selected(&w, 0, 'A', 'C'); /* a new one, after an abort: the bound begins again */
    pass(&w, 4000);
    expect(&w, CHOICE_HOLD, 'A', 1);
    role(&w, 'C', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'C', 2);
}

static void test_a_selection_for_another_master_is_ignored(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    selected(&w, 0, 'C', 'B');
    selected(&w, 0, 'C', 'A');
    selected(&w, 0, 'A', 'A');
    expect(&w, CHOICE_OPEN, 'A', 1);
    assert_int_equal(w.c.servers_count, 1);
}

static void test_promoted_and_announced_is_the_same_news(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    selected(&w, 0, 'A', 'B'); /* +promoted-slave, then three times +switch-master */
    selected(&w, 1, 'A', 'B');
    selected(&w, 2, 'A', 'B');
    expect(&w, CHOICE_OPEN, 'B', 2);
    all_say(&w, 'B', 2);
    selected(&w, 2, 'A', 'B');
    expect(&w, CHOICE_OPEN, 'B', 2);
    assert_int_equal(w.c.servers_count, 1);
}

static void test_a_failover_whose_events_were_missed(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    role(&w, 'A', CHOICE_ROLE_NONE);
    say(&w, 0, 'B', 2); /* one monitor, newer: asked, not believed */
    expect(&w, CHOICE_OPEN, 'A', 1);
    assert_true(is_urgent(&w, 'B'));
    say(&w, 1, 'B', 2);
    expect(&w, CHOICE_HOLD, 'A', 1);
    assert_int_equal(w.c.route.why, CHOICE_WHY_DEPOSED);
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 2);
    assert_int_equal(w.c.route.epoch, 2);
}

static void test_a_second_failover_before_the_first_is_announced(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    selected(&w, 1, 'A', 'C'); /* its monitor has not heard of B */
    expect(&w, CHOICE_HOLD, 'B', 2);
    role(&w, 'C', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'C', 3);
    all_say(&w, 'A', 1);
    expect(&w, CHOICE_OPEN, 'C', 3);
    all_say(&w, 'C', 3);
    assert_int_equal(w.c.route.why, CHOICE_WHY_CONFIRMED);
    selected(&w, 1, 'C', 'D');
    expect(&w, CHOICE_HOLD, 'C', 3);
}

/* Our answers are a moment old: the monitors have finished one failover and begun another. */
static void test_a_selection_is_kept_when_the_answers_come_after_it(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    selected(&w, 1, 'B', 'C');
    expect(&w, CHOICE_HOLD, 'B', 2);
    all_say(&w, 'B', 2);
    expect(&w, CHOICE_HOLD, 'B', 2);
    role(&w, 'C', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'C', 3);
}

static void test_a_selection_that_the_majority_overtook_is_dropped(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    selected(&w, 0, 'A', 'B');
    all_say(&w, 'C', 2);
    assert_false(is_asked(&w, 'B'));
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_HOLD, 'A', 1);
    role(&w, 'C', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'C', 2);
}

/* ---- an early master that was none ---- */

static void test_an_early_master_that_turns_replica_gives_way(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    aborted(&w, 0);
    all_say(&w, 'A', 1);
    expect(&w, CHOICE_OPEN, 'B', 2); /* it still says that it is a master */
    role(&w, 'B', CHOICE_ROLE_REPLICA);
    expect(&w, CHOICE_NONE, 'B', 2);
    assert_true(is_urgent(&w, 'A'));
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'A', 3);
    assert_int_equal(w.c.route.why, CHOICE_WHY_MAJORITY);
    assert_int_equal(w.c.route.epoch, 1);
}

static void test_an_early_master_that_dies_gives_way_only_after_an_abort(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    role(&w, 'B', CHOICE_ROLE_NONE);
    pass(&w, HOLD_MS);
    all_say(&w, 'A', 1);
    expect(&w, CHOICE_OPEN, 'B', 2);
    assert_false(is_asked(&w, 'A'));
    aborted(&w, 0);
    expect(&w, CHOICE_HOLD, 'B', 2);
    assert_true(is_urgent(&w, 'A'));
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'A', 3);
}

static void test_an_early_master_that_dies_is_waited_for(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    aborted(&w, 0);
    role(&w, 'B', CHOICE_ROLE_NONE);
    all_say(&w, 'A', 1);
    expect(&w, CHOICE_OPEN, 'B', 2);
    pass(&w, HOLD_MS - 1);
    role(&w, 'B', CHOICE_ROLE_NONE); /* again: it has been silent since the first */
    all_say(&w, 'A', 1);
    expect(&w, CHOICE_OPEN, 'B', 2);
    pass(&w, 1);
    expect(&w, CHOICE_HOLD, 'B', 2);
}

static void test_an_early_master_is_newer_than_what_was_known_before(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    pass(&w, SILENT_MS + 1); /* the majority is gone, but what it knew counts */
    say(&w, 2, 'C', 1);
    assert_false(is_asked(&w, 'C'));
    say(&w, 2, 'C', 2);
    assert_true(is_asked(&w, 'C'));
}

static void test_a_majority_with_a_newer_epoch_beats_an_early_master(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    all_say(&w, 'C', 2);
    expect(&w, CHOICE_HOLD, 'B', 2);
    role(&w, 'C', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'C', 3);
    assert_int_equal(w.c.route.epoch, 2);
}

/* ---- the majority against the master ---- */

static void test_a_deposed_master_is_read_for_a_moment_and_never_written_to(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    all_say(&w, 'B', 2);
    expect(&w, CHOICE_HOLD, 'A', 1);
    assert_true(master_choice_next(&w.c, w.now) <= w.now + HOLD_MS);
    pass(&w, HOLD_MS - 1);
    expect(&w, CHOICE_HOLD, 'A', 1);
    pass(&w, 1);
    expect(&w, CHOICE_NONE, 'A', 1);
    assert_int_equal(w.c.route.why, CHOICE_WHY_DEPOSED);
    pass(&w, 100000); /* the monitors fall silent: that gives it nothing back */
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_NONE, 'A', 1);
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 2);
}

static void test_the_majority_may_change_its_mind(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    all_say(&w, 'B', 2);
    expect(&w, CHOICE_HOLD, 'A', 1);
    all_say(&w, 'A', 3);
    expect(&w, CHOICE_OPEN, 'A', 1);
    assert_int_equal(w.c.route.epoch, 3);
    all_say(&w, 'B', 4);
    pass(&w, HOLD_MS);
    expect(&w, CHOICE_NONE, 'A', 1);
    all_say(&w, 'A', 5);
    expect(&w, CHOICE_OPEN, 'A', 2); /* used again: to be proved anew */
    assert_int_equal(w.c.route.why, CHOICE_WHY_AGAIN);
}

static void test_a_master_that_says_it_is_a_replica_is_not_used(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    role(&w, 'A', CHOICE_ROLE_REPLICA);
    expect(&w, CHOICE_NONE, 'A', 1);
    assert_int_equal(w.c.route.why, CHOICE_WHY_REPLICA);
    assert_true(is_urgent(&w, 'A'));
    all_say(&w, 'A', 1);
    expect(&w, CHOICE_NONE, 'A', 1);
    role(&w, 'A', CHOICE_ROLE_NONE);
    expect(&w, CHOICE_NONE, 'A', 1);
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'A', 2);
    assert_int_equal(w.c.route.why, CHOICE_WHY_AGAIN);
}

static void test_a_master_that_was_a_replica_is_not_used_while_one_monitor_differs(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    role(&w, 'A', CHOICE_ROLE_REPLICA);
    pass(&w, SILENT_MS + 1);
    say(&w, 0, 'B', 1);
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_NONE, 'A', 1);
    pass(&w, SILENT_MS + 1); /* nobody says otherwise any more */
    expect(&w, CHOICE_OPEN, 'A', 2);
}

static void test_a_dead_master_stays_the_master(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    role(&w, 'A', CHOICE_ROLE_NONE);
    pass(&w, 60000);
    all_say(&w, 'A', 1);
    expect(&w, CHOICE_OPEN, 'A', 1);
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'A', 1);
}

static void test_monitors_that_begin_again_are_followed_when_they_insist(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    all_say(&w, 'A', 7);
    all_say(&w, 'B', 0);
    assert_false(is_asked(&w, 'B'));
    expect(&w, CHOICE_OPEN, 'A', 1);
    assert_true(master_choice_next(&w.c, w.now) != MSEC_NEVER);
    for (int i = 0; i < CHOICE_REWIND_MS / 1000; i++) {
        pass(&w, 1000);
        all_say(&w, 'B', 0);
    }
    expect(&w, CHOICE_HOLD, 'A', 1);
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 2);
    assert_int_equal(w.c.route.epoch, 0);
}

static void test_the_same_master_with_another_epoch_is_told_once(void **state)
{
    struct world w;
    struct addr a = server('A');

    (void)state;
    world_of_a(&w);
    master_choice_told(&w.c, 0, &a, 2, w.now);
    assert_false(judge(&w));
    master_choice_told(&w.c, 1, &a, 2, w.now);
    assert_true(judge(&w));
    assert_false(judge(&w));
    expect(&w, CHOICE_OPEN, 'A', 1);
}

/* ---- a minority, and liars ---- */

static void test_with_a_minority_the_master_stays(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    pass(&w, SILENT_MS + 1);
    assert_int_equal(w.c.answering, 0);
    expect(&w, CHOICE_OPEN, 'A', 1);
    say(&w, 2, 'A', 1);
    assert_int_equal(w.c.answering, 1);
    expect(&w, CHOICE_OPEN, 'A', 1);
}

static void test_with_a_minority_a_failover_is_still_followed(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    pass(&w, SILENT_MS + 1);
    selected(&w, 2, 'A', 'B');
    expect(&w, CHOICE_HOLD, 'A', 1);
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 2);
    say(&w, 2, 'C', 3);
    expect(&w, CHOICE_OPEN, 'B', 2);
    role(&w, 'C', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'C', 3);
    assert_int_equal(w.c.route.why, CHOICE_WHY_NEWER);
}

static void test_one_monitor_moves_nothing_when_no_server_agrees(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    say(&w, 2, 'B', 1000);
    expect(&w, CHOICE_OPEN, 'A', 1);
    role(&w, 'B', CHOICE_ROLE_REPLICA);
    say(&w, 2, '-', 0);
    assert_false(is_asked(&w, 'B'));
    say(&w, 2, 'B', 0); /* an old epoch: it lives in the past */
    assert_false(is_asked(&w, 'B'));
    expect(&w, CHOICE_OPEN, 'A', 1);
}

static void test_two_newer_words_do_not_swing_the_route(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, 5);
    all_say(&w, 'A', 1);
    role(&w, 'A', CHOICE_ROLE_MASTER);
    say(&w, 0, 'B', 2);
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 2);
    say(&w, 1, 'C', 2);
    assert_false(is_asked(&w, 'C'));
    expect(&w, CHOICE_OPEN, 'B', 2);
    say(&w, 1, 'C', 3);
    role(&w, 'C', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'C', 3);
    for (int i = 0; i < 10; i++) {
        assert_false(judge(&w));
    }
}

/* ---- a master that comes back ---- */

static void test_a_restarted_old_master_is_not_used(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 2);
    all_say(&w, 'B', 2);
    say(&w, 2, 'A', 3); /* one monitor is fooled by it */
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 2);
    selected(&w, 2, 'B', 'A');
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_HOLD, 'B', 2);
    pass(&w, HOLD_MS);
    expect(&w, CHOICE_OPEN, 'B', 2);
    all_say(&w, 'A', 3);
    expect(&w, CHOICE_OPEN, 'A', 3);
}

static void test_an_old_master_that_was_a_replica_may_be_selected(void **state)
{
    struct world w;

    (void)state;
    world_early_b(&w);
    all_say(&w, 'B', 2);
    selected(&w, 1, 'B', 'A');
    expect(&w, CHOICE_HOLD, 'B', 2);
    role(&w, 'A', CHOICE_ROLE_REPLICA);
    role(&w, 'A', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'A', 3);
    assert_int_equal(w.c.route.why, CHOICE_WHY_SELECTED);
}

static void test_a_role_said_long_ago_proves_nothing(void **state)
{
    struct world w;

    (void)state;
    world_of_a(&w);
    selected(&w, 0, 'A', 'B');
    role(&w, 'B', CHOICE_ROLE_REPLICA);
    aborted(&w, 0);
    role(&w, 'B', CHOICE_ROLE_MASTER); /* not asked any more */
    selected(&w, 0, 'A', 'B');
    expect(&w, CHOICE_HOLD, 'A', 1);
}

static void test_one_monitor_alone(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, 1);
    say(&w, 0, 'A', 1);
    role(&w, 'A', CHOICE_ROLE_MASTER);
    selected(&w, 0, 'A', 'B');
    role(&w, 'B', CHOICE_ROLE_MASTER);
    expect(&w, CHOICE_OPEN, 'B', 2);
    say(&w, 0, 'A', 1);
    expect(&w, CHOICE_OPEN, 'B', 2);
    say(&w, 0, 'B', 2);
    assert_int_equal(w.c.route.why, CHOICE_WHY_CONFIRMED);
}

static void test_every_reason_has_words(void **state)
{
    (void)state;
    for (int why = CHOICE_WHY_START; why <= CHOICE_WHY_AGAIN; why++) {
        assert_true(strlen(choice_why_text((enum choice_why)why)) > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_at_the_start),
        cmocka_unit_test(test_a_majority_and_the_server_itself_make_a_master),
        cmocka_unit_test(test_a_majority_is_of_those_configured),
        cmocka_unit_test(test_without_a_majority_at_the_start_nobody_is_believed),
        cmocka_unit_test(test_an_old_answer_does_not_count),
        cmocka_unit_test(test_the_epoch_is_the_newest_of_a_majority),
        cmocka_unit_test(test_a_failover_at_the_start_is_followed),
        cmocka_unit_test(test_writes_are_held_until_the_selected_one_is_a_master),
        cmocka_unit_test(test_an_early_master_stays_while_the_monitors_say_the_old_one),
        cmocka_unit_test(test_the_leader_alone_cannot_take_an_early_master_back),
        cmocka_unit_test(test_an_abort_lets_writes_go_on),
        cmocka_unit_test(test_a_hold_has_an_end),
        cmocka_unit_test(test_a_monitor_may_hold_again_after_a_pause),
        cmocka_unit_test(test_the_second_selection_of_a_failover_holds_no_longer),
        cmocka_unit_test(test_a_selection_for_another_master_is_ignored),
        cmocka_unit_test(test_promoted_and_announced_is_the_same_news),
        cmocka_unit_test(test_a_failover_whose_events_were_missed),
        cmocka_unit_test(test_a_second_failover_before_the_first_is_announced),
        cmocka_unit_test(test_a_selection_is_kept_when_the_answers_come_after_it),
        cmocka_unit_test(test_a_selection_that_the_majority_overtook_is_dropped),
        cmocka_unit_test(test_an_early_master_that_turns_replica_gives_way),
        cmocka_unit_test(test_an_early_master_that_dies_gives_way_only_after_an_abort),
        cmocka_unit_test(test_an_early_master_that_dies_is_waited_for),
        cmocka_unit_test(test_an_early_master_is_newer_than_what_was_known_before),
        cmocka_unit_test(test_a_majority_with_a_newer_epoch_beats_an_early_master),
        cmocka_unit_test(test_a_deposed_master_is_read_for_a_moment_and_never_written_to),
        cmocka_unit_test(test_the_majority_may_change_its_mind),
        cmocka_unit_test(test_a_master_that_says_it_is_a_replica_is_not_used),
        cmocka_unit_test(test_a_master_that_was_a_replica_is_not_used_while_one_monitor_differs),
        cmocka_unit_test(test_a_dead_master_stays_the_master),
        cmocka_unit_test(test_monitors_that_begin_again_are_followed_when_they_insist),
        cmocka_unit_test(test_the_same_master_with_another_epoch_is_told_once),
        cmocka_unit_test(test_with_a_minority_the_master_stays),
        cmocka_unit_test(test_with_a_minority_a_failover_is_still_followed),
        cmocka_unit_test(test_one_monitor_moves_nothing_when_no_server_agrees),
        cmocka_unit_test(test_two_newer_words_do_not_swing_the_route),
        cmocka_unit_test(test_a_restarted_old_master_is_not_used),
        cmocka_unit_test(test_an_old_master_that_was_a_replica_may_be_selected),
        cmocka_unit_test(test_a_role_said_long_ago_proves_nothing),
        cmocka_unit_test(test_one_monitor_alone),
        cmocka_unit_test(test_every_reason_has_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

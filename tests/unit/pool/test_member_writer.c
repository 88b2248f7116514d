#include "pool/member_writer.h"

#include <string.h>

#include "member_world.h"

enum { DRAIN_MS = 3000, START_MS = 2000, FIRST_MS = 1000 };

struct scene {
    struct cast cast;
    struct writer_choice c;
    struct writer_decision d;
    msec_t now;
};

static void scene_begin(struct scene *s, const char *verdicts, bool may_pick_alone)
{
    struct writer_rules rules = {
        .may_pick_alone = may_pick_alone, .start_wait_ms = START_MS, .drain_ms = DRAIN_MS};

    *s = (struct scene){.now = FIRST_MS};
    cast_begin(&s->cast, verdicts);
    writer_choice_init(&s->c, &rules, s->now);
}

/* Judges and asserts the outcome (n none, k keep, m moved), the writer, and the members on which
 * connections stay, by name. */
static void expect_at(struct scene *s, char outcome, char writer, const char *stay, int line)
{
    s->d = writer_choice_judge(&s->c, s->cast.members, s->cast.count, s->now);
    char names[MEMBERS_MAX + 1] = "";

    for (size_t i = 0, k = 0; i < MEMBERS_MAX; i++) {
        if ((s->d.stay_set >> i & 1) != 0) {
            names[k++] = cast_name((int)i);
        }
    }
    if ("nkm"[s->d.outcome] != outcome || cast_name(s->d.writer) != writer ||
        strcmp(names, stay) != 0) {
        fail_msg("line %d: outcome %c, writer %c, \"%s\" stay", line, "nkm"[s->d.outcome],
                 cast_name(s->d.writer), names);
    }
    assert_int_equal(s->c.writer, s->d.writer);
}

#define EXPECT(s, outcome, writer, stay) expect_at(s, outcome, writer, stay, __LINE__)

static void set(struct scene *s, const char *verdicts)
{
    assert_int_equal(strlen(verdicts), s->cast.count);
    for (size_t i = 0; verdicts[i] != '\0'; i++) {
        cast_set(&s->cast, i, verdicts[i]);
    }
}

static void expect_why(const struct scene *s, const char *text)
{
    struct buf out = {0};

    writer_choice_explain(&s->c, s->cast.members, s->cast.count, &out);
    assert_string_equal(buf_data(&out), text);
    buf_finish(&out);
}

static void expect_proposal(const struct scene *s, char name, bool is_planned)
{
    assert_int_equal(cast_name(s->d.proposal), name);
    assert_int_equal(s->d.is_proposal_planned, is_planned);
}

/* ---- alone ---- */

static void test_alone_it_picks_by_priority_then_place(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "RRR", true);
    EXPECT(&s, 'm', 'a', "a");
    expect_why(&s, "a, the first by priority of the members that are ready");
    scene_begin(&s, "RRR", true);
    s.cast.members[0].priority = 200;
    s.cast.members[2].priority = 50;
    EXPECT(&s, 'm', 'c', "c");
    scene_begin(&s, "RRR", true);
    s.cast.members[0].priority = MEMBER_PRIORITY_NEVER;
    EXPECT(&s, 'm', 'b', "b");
    scene_begin(&s, "NAA", true);
    EXPECT(&s, 'm', 'b', "b");
    expect_why(&s, "b, since no member is ready");
    scene_begin(&s, "aAR", true);
    EXPECT(&s, 'm', 'c', "c");
}

static void test_alone_it_waits_for_who_may_be_better(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "?RR", true);
    EXPECT(&s, 'n', '-', "");
    expect_why(&s, "no writer yet: not every member was probed; a: not probed yet; "
                   "b: ready: Synced; c: ready: Synced");
    assert_int_equal(writer_choice_next(&s.c, s.now), FIRST_MS + START_MS);
    s.now = FIRST_MS + START_MS;
    EXPECT(&s, 'm', 'b', "b");
    assert_int_equal(writer_choice_next(&s.c, s.now), MSEC_NEVER);
    set(&s, "RRR");
    EXPECT(&s, 'k', 'b', "b");

    set(&s, "NN?");
    EXPECT(&s, 'n', '-', "");
    set(&s, "?RN");
    s.now = FIRST_MS + 1;
    EXPECT(&s, 'm', 'b', "b"); /* that is for the start only */

    scene_begin(&s, "NR?", true); /* whatever c says, b comes before it */
    EXPECT(&s, 'm', 'b', "b");
    scene_begin(&s, "NA?", true);
    EXPECT(&s, 'n', '-', "");
    set(&s, "NAN");
    EXPECT(&s, 'm', 'b', "b");
    scene_begin(&s, "?R", true);
    s.cast.members[0].priority = MEMBER_PRIORITY_NEVER;
    EXPECT(&s, 'm', 'b', "b");
}

static void test_alone_the_writer_is_sticky(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "RRR", true);
    EXPECT(&s, 'm', 'a', "a");
    EXPECT(&s, 'k', 'a', "a");
    set(&s, "NRR");
    EXPECT(&s, 'm', 'b', "b"); /* those to a are cut at once */
    expect_why(&s, "b, the first by priority of the members that are ready; "
                   "before: a is not ready: non-Primary component");
    set(&s, "RRR");
    EXPECT(&s, 'k', 'b', "b"); /* nothing moves back */
    set(&s, "RAN");
    EXPECT(&s, 'm', 'a', "ab"); /* b still serves: its transactions may finish */
    set(&s, "AAN");
    EXPECT(&s, 'k', 'a', "ab");
    set(&s, "ARN");
    EXPECT(&s, 'm', 'b', "ab");
    set(&s, "?RN");
    EXPECT(&s, 'k', 'b', "b");
    set(&s, "R?N"); /* its probe was set up anew */
    EXPECT(&s, 'k', 'b', "b");
    set(&s, "UUN");
    EXPECT(&s, 'n', '-', "");
    expect_why(&s, "no writer: a: unreachable: connection refused; b: unreachable: connection "
                   "refused; c: not ready: non-Primary component");
    set(&s, "URN");
    EXPECT(&s, 'm', 'b', "b"); /* the same, but new connections go again */
    assert_int_equal(s.c.generation, 5);
}

static void test_alone_a_drained_writer_is_left_in_peace(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "RRR", true);
    EXPECT(&s, 'm', 'a', "a");
    set(&s, "rRR");
    EXPECT(&s, 'm', 'b', "ab");
    assert_int_equal(writer_choice_next(&s.c, s.now), s.now + DRAIN_MS);
    s.now += DRAIN_MS - 1;
    EXPECT(&s, 'k', 'b', "ab");
    s.now += 1;
    EXPECT(&s, 'k', 'b', "b");
    assert_int_equal(writer_choice_next(&s.c, s.now), MSEC_NEVER);
    set(&s, "RRR");
    EXPECT(&s, 'k', 'b', "b"); /* what was cut stays cut */
    set(&s, "RrR");
    EXPECT(&s, 'm', 'a', "ab");
    set(&s, "RnR"); /* it was shut down before all had finished */
    EXPECT(&s, 'k', 'a', "a");
    set(&s, "rrr");
    EXPECT(&s, 'n', '-', "a");
}

static void test_alone_a_switchover(void **state)
{
    struct scene s;
    struct err why;

    (void)state;
    scene_begin(&s, "RRArN", true);
    EXPECT(&s, 'm', 'a', "a");
    assert_false(writer_choice_may_switch(&s.c, s.cast.members, 5, 0, &why));
    assert_string_equal(why.text, "a is the writer already");
    assert_false(writer_choice_may_switch(&s.c, s.cast.members, 5, 3, &why));
    assert_string_equal(why.text, "d is drained: undrain it first");
    assert_false(writer_choice_may_switch(&s.c, s.cast.members, 5, 4, &why));
    assert_string_equal(why.text,
                        "e cannot be the writer now, it is not ready: non-Primary component");
    assert_false(writer_choice_may_switch(&s.c, s.cast.members, 5, 2, &why));
    assert_string_equal(why.text, "c serves, but others are ready and it is not (Donor/Desynced): "
                                  "wait until it is");
    s.cast.members[1].priority = MEMBER_PRIORITY_NEVER; /* but by switchover */
    assert_true(writer_choice_may_switch(&s.c, s.cast.members, 5, 1, &why));
    writer_choice_switch(&s.c, 1);
    EXPECT(&s, 'm', 'b', "ab");
    expect_why(&s, "b, by switchover; before: a is ready: Synced");
    EXPECT(&s, 'k', 'b', "ab");
    s.now += DRAIN_MS;
    EXPECT(&s, 'k', 'b', "b");
    s.cast.members[1].priority = MEMBER_PRIORITY_DEFAULT;
    writer_choice_switch(&s.c, 0);
    set(&s, "ARArN"); /* it was ready when the operator asked */
    EXPECT(&s, 'k', 'b', "b");
    set(&s, "RRArN");
    writer_choice_switch(&s.c, 0);
    set(&s, "NRArN"); /* too late: it is not wanted for ever */
    EXPECT(&s, 'k', 'b', "b");
    set(&s, "RRArN");
    EXPECT(&s, 'k', 'b', "b");
}

static void test_without_a_bound_to_finish_all_are_cut(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "RR", true);
    s.c.rules.drain_ms = 0;
    EXPECT(&s, 'm', 'a', "a");
    writer_choice_switch(&s.c, 1);
    EXPECT(&s, 'm', 'b', "b");
}

/* ---- agreed ---- */

static void test_without_a_term_it_only_proposes(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "?RR", false);
    EXPECT(&s, 'n', '-', "");
    expect_proposal(&s, '-', false);
    expect_why(&s, "no writer: the monitors have not agreed on one yet");
    set(&s, "NRR");
    EXPECT(&s, 'n', '-', "");
    expect_proposal(&s, 'b', false);
    assert_true(writer_choice_told(&s.c, 1, 2, false));
    EXPECT(&s, 'm', 'c', "c");
    expect_proposal(&s, '-', false);
    expect_why(&s, "c, agreed in term 1");
}

static void test_a_higher_term_always_wins(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "RRR", true);
    EXPECT(&s, 'm', 'a', "a");
    assert_true(writer_choice_told(&s.c, 5, 1, true));
    EXPECT(&s, 'm', 'b', "ab");
    assert_false(writer_choice_told(&s.c, 4, 2, true));
    assert_false(writer_choice_told(&s.c, 0, 2, true));
    assert_false(writer_choice_told(&s.c, 5, 1, true));
    assert_false(writer_choice_told(&s.c, 5, 2, true)); /* two words: the lower index */
    EXPECT(&s, 'k', 'b', "ab");
    assert_true(writer_choice_told(&s.c, 5, 0, true));
    EXPECT(&s, 'm', 'a', "a");
    assert_true(writer_choice_told(&s.c, UINT64_MAX, 2, true));
    EXPECT(&s, 'm', 'c', "ac");
}

static void test_with_a_term_it_never_moves_by_itself(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "RRR", true);
    assert_true(writer_choice_told(&s.c, 7, 1, false));
    EXPECT(&s, 'm', 'b', "b");
    set(&s, "RUR");
    EXPECT(&s, 'n', '-', "");
    expect_why(&s, "no writer: b is unreachable: connection refused, and no other was agreed since "
                   "term 7");
    expect_proposal(&s, 'a', false);
    set(&s, "NUN");
    EXPECT(&s, 'n', '-', "");
    expect_proposal(&s, '-', false);
    set(&s, "RRR"); /* it came back, and nobody agreed on another */
    EXPECT(&s, 'm', 'b', "b");
    expect_proposal(&s, '-', false);
    set(&s, "NAR"); /* it still serves: it is the writer until they agree on the better one */
    EXPECT(&s, 'k', 'b', "b");
    expect_proposal(&s, 'c', true);
    set(&s, "NAA");
    EXPECT(&s, 'k', 'b', "b");
    expect_proposal(&s, '-', false);
    set(&s, "NrR"); /* drained: no new connection, old ones may finish */
    EXPECT(&s, 'n', '-', "b");
    expect_proposal(&s, 'c', true);
    set(&s, "NrN");
    EXPECT(&s, 'n', '-', "b");
    expect_proposal(&s, '-', false);
    assert_true(writer_choice_told(&s.c, 8, 2, true));
    set(&s, "NrR");
    EXPECT(&s, 'm', 'c', "bc");
    expect_why(&s, "c, agreed in term 8; before: b is drained by the operator");
}

static void test_an_agreed_writer_that_is_no_good_here(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "RRR", false);
    assert_true(writer_choice_told(&s.c, 3, MEMBER_NONE, true));
    EXPECT(&s, 'n', '-', "");
    expect_why(&s, "no writer: the one agreed in term 3 is not in this node's site file: give "
                   "every node the same file");
    assert_true(writer_choice_told(&s.c, 4, 7, true)); /* beyond the members there are */
    EXPECT(&s, 'n', '-', "");
    assert_true(writer_choice_told(&s.c, 5, 1, true));
    set(&s, "R?R"); /* not probed here yet: neither used nor voted out */
    EXPECT(&s, 'n', '-', "");
    expect_proposal(&s, '-', false);
    assert_int_equal(writer_choice_next(&s.c, s.now), FIRST_MS + START_MS);
    s.now = FIRST_MS + START_MS;
    EXPECT(&s, 'n', '-', "");
    expect_proposal(&s, 'a', false);
}

static void test_an_unplanned_move_cuts_all_others(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "RRR", false);
    assert_true(writer_choice_told(&s.c, 1, 0, false));
    EXPECT(&s, 'm', 'a', "a");
    assert_true(writer_choice_told(&s.c, 2, 1, true));
    EXPECT(&s, 'm', 'b', "ab");
    assert_true(writer_choice_told(&s.c, 3, 2, false)); /* b is lost, as the others see it */
    EXPECT(&s, 'm', 'c', "c");

    scene_begin(&s, "RRR", false);
    assert_true(writer_choice_told(&s.c, 1, 0, false));
    EXPECT(&s, 'm', 'a', "a");
    set(&s, "rRR");
    EXPECT(&s, 'n', '-', "a");
    assert_true(writer_choice_told(&s.c, 2, 1, false));
    EXPECT(&s, 'm', 'b', "b");
}

static void test_nothing_is_written_while_the_new_one_is_not_there(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s, "RNR", false);
    assert_true(writer_choice_told(&s.c, 1, 0, false));
    EXPECT(&s, 'm', 'a', "a");
    assert_true(writer_choice_told(&s.c, 2, 1, true));
    EXPECT(&s, 'n', '-', "a"); /* a is the writer no more, whatever b is */
    set(&s, "RRR");
    EXPECT(&s, 'm', 'b', "ab");
}

/* ---- a reload ---- */

static void test_a_reload_keeps_the_writer(void **state)
{
    struct scene s;
    int to[MEMBERS_MAX];

    (void)state;
    scene_begin(&s, "RRR", true);
    EXPECT(&s, 'm', 'a', "a");
    writer_choice_switch(&s.c, 1);
    EXPECT(&s, 'm', 'b', "ab");
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        to[i] = MEMBER_NONE;
    }
    to[0] = 2;
    to[1] = 3;
    to[2] = 0;
    cast_begin(&s.cast, "R?RR");
    writer_choice_renumber(&s.c, to);
    EXPECT(&s, 'k', 'd', "cd");
    to[3] = MEMBER_NONE; /* the writer was taken out of the file */
    writer_choice_renumber(&s.c, to);
    set(&s, "RRRN");
    EXPECT(&s, 'm', 'a', "a");

    scene_begin(&s, "RRR", false);
    assert_true(writer_choice_told(&s.c, 9, 1, false));
    EXPECT(&s, 'm', 'b', "b");
    to[1] = MEMBER_NONE;
    writer_choice_renumber(&s.c, to);
    EXPECT(&s, 'n', '-', "");
    assert_int_equal(s.c.why, WRITER_WHY_UNKNOWN);
    assert_int_equal(s.c.term, 9);
    expect_proposal(&s, 'a', false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_it_picks_by_priority_then_place),
        cmocka_unit_test(test_alone_it_waits_for_who_may_be_better),
        cmocka_unit_test(test_alone_the_writer_is_sticky),
        cmocka_unit_test(test_alone_a_drained_writer_is_left_in_peace),
        cmocka_unit_test(test_alone_a_switchover),
        cmocka_unit_test(test_without_a_bound_to_finish_all_are_cut),
        cmocka_unit_test(test_without_a_term_it_only_proposes),
        cmocka_unit_test(test_a_higher_term_always_wins),
        cmocka_unit_test(test_with_a_term_it_never_moves_by_itself),
        cmocka_unit_test(test_an_agreed_writer_that_is_no_good_here),
        cmocka_unit_test(test_an_unplanned_move_cuts_all_others),
        cmocka_unit_test(test_nothing_is_written_while_the_new_one_is_not_there),
        cmocka_unit_test(test_a_reload_keeps_the_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

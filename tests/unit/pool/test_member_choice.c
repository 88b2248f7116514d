#include "pool/member_choice.h"

#include <string.h>

#include "member_world.h"

static void expect_drain(const char *verdicts, size_t i, enum member_rule rule, const char *error)
{
    struct cast c;
    struct err why = {.text = ""};

    cast_begin(&c, verdicts);
    bool may = choice_may_drain(c.members, c.count, i, rule, &why);
    if (may != (error == NULL) || (error != NULL && strstr(why.text, error) == NULL)) {
        fail_msg("drain %zu of %s: %s \"%s\"", i, verdicts, may ? "granted" : "refused", why.text);
    }
}

static void test_the_last_one_is_not_drained(void **state)
{
    (void)state;
    expect_drain("RRR", 0, MEMBER_RULE_ANY, NULL);
    expect_drain("RNN", 1, MEMBER_RULE_ANY, NULL); /* it carries nothing */
    expect_drain("RAU", 0, MEMBER_RULE_ANY, NULL); /* another serves, if not gladly */
    expect_drain("RNU", 0, MEMBER_RULE_ANY, "a is the only member that serves now (2 others do");
    expect_drain("ARr", 1, MEMBER_RULE_ANY, NULL);
    expect_drain("AUr", 0, MEMBER_RULE_ANY, "(1 other does not)");
    expect_drain("R", 0, MEMBER_RULE_ANY, "a is the only member that is left");
    expect_drain("Nrr", 0, MEMBER_RULE_ANY, "a is the only member that is left");
    expect_drain("rrr", 1, MEMBER_RULE_ANY, NULL); /* it is, already */
    expect_drain("?U", 0, MEMBER_RULE_ANY, NULL);
    expect_drain("R?", 0, MEMBER_RULE_SINGLE_WRITER, "serves now");
    expect_drain("Rr", 0, MEMBER_RULE_SINGLE_WRITER, "--force");
}

static void test_what_another_may_not_do_does_not_count(void **state)
{
    struct cast c;
    struct err why;

    (void)state;
    cast_begin(&c, "RR");
    c.members[1].priority = MEMBER_PRIORITY_NEVER;
    assert_false(choice_may_drain(c.members, c.count, 0, MEMBER_RULE_SINGLE_WRITER, &why));
    assert_true(choice_may_drain(c.members, c.count, 0, MEMBER_RULE_ANY, &why));
    cast_begin(&c, "RR");
    c.members[1].weight = 0;
    assert_true(choice_may_drain(c.members, c.count, 0, MEMBER_RULE_SINGLE_WRITER, NULL));
    assert_false(choice_may_drain(c.members, c.count, 0, MEMBER_RULE_ANY, NULL));
}

static void test_why_nobody_serves(void **state)
{
    struct cast c;
    struct buf out = {0};

    (void)state;
    cast_begin(&c, "NrU?");
    c.members[2].reason = NULL;
    choice_explain_none(c.members, c.count, &out);
    assert_string_equal(buf_data(&out), "a: not ready: non-Primary component; "
                                        "b: drained by the operator; c: unreachable; "
                                        "d: not probed yet");
    buf_clear(&out);
    choice_explain_none(NULL, 0, &out);
    assert_string_equal(buf_data(&out), "the service has no members");
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_one_is_not_drained),
        cmocka_unit_test(test_what_another_may_not_do_does_not_count),
        cmocka_unit_test(test_why_nobody_serves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

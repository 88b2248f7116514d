#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/text.h"

static bool to_i64(const char *text, int64_t *value)
{
    return text_to_i64(text, strlen(text), value);
}

static bool to_u64(const char *text, uint64_t *value)
{
    return text_to_u64(text, strlen(text), value);
}

static void whole_numbers(void **state)
{
    (void)state;
    int64_t i = 0;
    uint64_t u = 0;

    assert_true(to_i64("-9223372036854775808", &i) && i == INT64_MIN);
    assert_true(to_i64("9223372036854775807", &i) && i == INT64_MAX);
    assert_true(to_i64("-0", &i) && i == 0);
    assert_true(to_u64("18446744073709551615", &u) && u == UINT64_MAX);
    assert_true(to_u64("007", &u) && u == 7);
    assert_true(text_to_u64("12345", 2, &u) && u == 12);
}

static void what_is_no_number_changes_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "-",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1x",
                                        "0x1",
                                        "--1",
                                        "1.0",
                                        "18446744073709551616",
                                        "99999999999999999999999"};
    int64_t i = 77;
    uint64_t u = 77;

    for (size_t n = 0; n < sizeof(wrong) / sizeof(wrong[0]); n++) {
        assert_false(to_i64(wrong[n], &i));
        assert_false(to_u64(wrong[n], &u));
    }
    assert_false(to_i64("9223372036854775808", &i));
    assert_false(to_i64("-9223372036854775809", &i));
    assert_false(to_u64("-1", &u));
    assert_int_equal(i, 77);
    assert_int_equal(u, 77);
}

static void copies_fit_or_do_not(void **state)
{
    (void)state;
    char field[4] = "abc";
    assert_false(text_copy(field, sizeof(field), "1234"));
    assert_string_equal(field, "abc");
    assert_true(text_copy(field, sizeof(field), "123"));
    assert_string_equal(field, "123");
    text_cut(field, sizeof(field), "wxyz");
    assert_string_equal(field, "wxy");
    text_cut(field, 1, "wxyz");
    assert_string_equal(field, "");
}

static bool glob(const char *pattern, const char *text)
{
    return text_glob(pattern, strlen(pattern), text, strlen(text));
}

static void globs_match_as_in_redis(void **state)
{
    (void)state;
    static const char *const yes[][2] = {
        {"*", ""},      {"*", "abc"},         {"a*c", "abbbc"}, {"a?c", "abc"},
        {"[abc]", "b"}, {"[^abc]", "d"},      {"[a-c]x", "bx"}, {"[c-a]x", "bx"},
        {"\\*", "*"},   {"a\\", "a\\"},       {"**a**", "bab"}, {"", ""},
        {"[a", "a"},    {"*a*b*c", "xaybzc"}, {"[\\]]", "]"},   {"h[a-]x", "h-x"},
    };
    static const char *const no[][2] = {
        {"", "a"},    {"a", ""},       {"a?c", "ac"},  {"[abc]", "d"}, {"[^abc]", "a"},
        {"\\*", "a"}, {"a*c", "abcd"}, {"[a-c]", "d"}, {"abc", "ABC"}, {"*a*b*c", "xaybz"},
    };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        assert_true(glob(yes[i][0], yes[i][1]));
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        assert_false(glob(no[i][0], no[i][1]));
    }
}

/* A pattern that is exponential for a matcher that tries every star again: this must end. */
static void a_hostile_glob_ends(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, 'a', sizeof(text) - 1);
    assert_false(glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void hex_is_lower_case_and_whole(void **state)
{
    (void)state;
    assert_true(text_is_hex("0123456789abcdef", 16));
    assert_false(text_is_hex("0123456789abcdef", 15));
    assert_false(text_is_hex("0123", 16));
    assert_false(text_is_hex("ABCD", 4));
    assert_true(text_is_hex("", 0));
}

static void a_run_id_is_any_printable_word(void **state)
{
    static const char *const yes[] = {"a", "node-1", "A_b.c:d", "!~", "--", "**", "\"#\\"};
    static const char *const no[] = {"", "a b", "a,b", "a\n", "\x7f", "\xc3\xa4", "*", "-"};

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        assert_true(text_is_run_id(yes[i], strlen(yes[i])));
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        assert_false(text_is_run_id(no[i], strlen(no[i])));
    }
    assert_false(text_is_run_id("a\0b", 3));
    assert_true(text_is_run_id("a b", 1)); /* the end is where len says */
}

static void case_of_letters_is_ignored(void **state)
{
    (void)state;
    assert_true(text_same("SentineL", "sENTINEl"));
    assert_false(text_same("a", "ab"));
}

static void test_distance_is_the_fewest_edits(void **state)
{
    char longer[TEXT_DISTANCE_MAX + 2];

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("hold", "hold"), 0);
    assert_int_equal(text_distance("", "hold"), 4);
    assert_int_equal(text_distance("hodl", "hold"), 2);
    assert_int_equal(text_distance("listen", "liste"), 1);
    assert_int_equal(text_distance("chache", "cache"), 1);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_true(text_distance(longer, "x") == SIZE_MAX);
    assert_true(text_distance("x", longer) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance_is_the_fewest_edits),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(what_is_no_number_changes_nothing),
        cmocka_unit_test(copies_fit_or_do_not),
        cmocka_unit_test(globs_match_as_in_redis),
        cmocka_unit_test(a_hostile_glob_ends),
        cmocka_unit_test(hex_is_lower_case_and_whole),
        cmocka_unit_test(a_run_id_is_any_printable_word),
        cmocka_unit_test(case_of_letters_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

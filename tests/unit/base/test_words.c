#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/prng.h"
#include "base/words.h"

static void assert_words(const char *line, size_t count, const char *const want[])
{
    struct words w = {0};
    assert_true(words_split(&w, line, strlen(line)));
    assert_int_equal(w.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(words_at(&w, i), want[i]);
        assert_int_equal(words_len(&w, i), strlen(want[i]));
    }
    words_finish(&w);
}

#define ASSERT_WORDS(line, ...)                                                                    \
    assert_words((line), sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *),        \
                 (const char *const[]){__VA_ARGS__})

static void words_are_parted_by_space(void **state)
{
    (void)state;
    ASSERT_WORDS("sentinel  monitor\tmymaster 127.0.0.1 6379 2\r\n", "sentinel", "monitor",
                 "mymaster", "127.0.0.1", "6379", "2");
    assert_words("", 0, NULL);
    assert_words(" \t\r\n", 0, NULL);
}

static void quotes_and_escapes(void **state)
{
    (void)state;
    ASSERT_WORDS("\"a b\" 'c d'", "a b", "c d");
    ASSERT_WORDS("\"\\x41\\n\\\"\\\\\"", "A\n\"\\");
    ASSERT_WORDS("'it\\'s \\n'", "it's \\n");
    ASSERT_WORDS("\"\" x", "", "x");
}

static void unbalanced_quotes_leave_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\"a", "'a", "\"a\"b", "'a'b", "x \"a\\\""};
    struct words w = {0};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(words_split(&w, wrong[i], strlen(wrong[i])));
        assert_int_equal(w.count, 0);
    }
    words_finish(&w);
    words_finish(NULL);
}

/* Whatever bytes a word holds, quoting it and splitting gives it back. */
static void quoting_is_undone_by_splitting(void **state)
{
    (void)state;
    struct prng prng;

    prng_init(&prng, 5);
    for (int round = 0; round < 2000; round++) {
        char text[40];
        size_t len = (size_t)prng_below(&prng, sizeof(text));
        for (size_t i = 0; i < len; i++) {
            text[i] = (char)prng_below(&prng, 256);
        }
        struct buf out = {0};
        struct words w = {0};
        words_quote(&out, text, len);
        assert_true(words_split(&w, buf_data(&out), out.len));
        assert_int_equal(w.count, 1);
        assert_int_equal(words_len(&w, 0), len);
        assert_memory_equal(words_at(&w, 0), text, len);
        words_finish(&w);
        buf_finish(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_parted_by_space),
        cmocka_unit_test(quotes_and_escapes),
        cmocka_unit_test(unbalanced_quotes_leave_nothing),
        cmocka_unit_test(quoting_is_undone_by_splitting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

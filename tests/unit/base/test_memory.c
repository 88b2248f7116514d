#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

static void test_what_comes_is_zeroed_though_it_was_used_before(void **state)
{
    static const char zeros[4096];

    (void)state;
    for (int round = 0; round < 8; round++) {
        char *bytes = memory_zeroed(sizeof(zeros));
        assert_memory_equal(bytes, zeros, sizeof(zeros));
        memset(bytes, 0xa5, sizeof(zeros));
        free(bytes);
    }
}

static void test_a_text_is_copied_with_its_end(void **state)
{
    char text[] = "geheim";
    char *copy = memory_text(text);
    char *empty = memory_text("");

    (void)state;
    text[0] = 'x';
    assert_string_equal(copy, "geheim");
    assert_string_equal(empty, "");
    free(copy);
    free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_is_zeroed_though_it_was_used_before),
        cmocka_unit_test(test_a_text_is_copied_with_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_is_zeroed_though_it_was_used_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

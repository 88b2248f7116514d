#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/err.h"

static void context_goes_in_front(void **state)
{
    (void)state;
    struct err err = {0};
    assert_false(err_set(&err, "port: %d is too high", 70000));
    assert_false(err_wrap(&err, "line %d", 12));
    assert_false(err_wrap(&err, "a.conf"));
    assert_string_equal(err.text, "a.conf: line 12: port: 70000 is too high");
}

static void nobody_has_to_listen(void **state)
{
    (void)state;
    assert_false(err_set(NULL, "lost"));
    assert_false(err_wrap(NULL, "lost"));
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    static char text[ERR_TEXT_MAX * 2];
    struct err err = {0};

    memset(text, 'x', sizeof(text) - 1);
    err_set(&err, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_wrap(&err, "%s", "front");
    assert_memory_equal(err.text, "front: xxx", strlen("front: xxx"));
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    assert_null(strchr(err.text, ':'));
}

static void a_context_that_nearly_fills_it(void **state)
{
    (void)state;
    static char text[ERR_TEXT_MAX];

    for (size_t len = ERR_TEXT_MAX - 6; len < ERR_TEXT_MAX; len++) {
        struct err err = {0};
        memset(text, 'y', len);
        text[len] = '\0';
        err_set(&err, "inner");
        err_wrap(&err, "%s", text);
        assert_true(strlen(err.text) < ERR_TEXT_MAX);
        assert_memory_equal(err.text, text, len < ERR_TEXT_MAX - 1 ? len : ERR_TEXT_MAX - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(a_context_that_nearly_fills_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

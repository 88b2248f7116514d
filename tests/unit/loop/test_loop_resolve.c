#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "loop_world.h"

struct asked {
    struct loop *loop;
    struct loop_name *other;
    char ip[ADDR_IP_MAX];
    char why[200];
    int answers;
    bool answered;
};

static void on_answer(void *ctx, const char *ip, const char *why)
{
    struct asked *a = ctx;

    a->answers++;
    a->answered = true;
    text_cut(a->ip, sizeof(a->ip), ip == NULL ? "" : ip);
    text_cut(a->why, sizeof(a->why), why);
    if (a->other != NULL) {
        loop_resolve_cancel(a->other);
        a->other = NULL;
    }
}

static void ask(const char *host, struct asked *a)
{
    *a = (struct asked){.loop = world_loop()};
    assert_non_null(loop_resolve(a->loop, host, on_answer, a));
    assert_false(a->answered); /* never from inside */
    world_wait_flag(a->loop, &a->answered);
    loop_destroy(a->loop);
}

static void localhost_is_found(void **state)
{
    struct asked a;

    (void)state;
    ask("localhost", &a);
    assert_true(strcmp(a.ip, "127.0.0.1") == 0 || strcmp(a.ip, "::1") == 0);
}

static void numbers_answer_themselves(void **state)
{
    struct asked a;

    (void)state;
    ask("10.1.2.3", &a);
    assert_string_equal(a.ip, "10.1.2.3");
    ask("0:0::1", &a);
    assert_string_equal(a.ip, "::1");
}

static void what_has_no_answer_says_why(void **state)
{
    struct asked a;
    char host[400];

    (void)state;
    ask("no..such..name", &a); /* not even sent: an empty label */
    assert_string_equal(a.ip, "");
    assert_true(a.why[0] != '\0');
    memset(host, 'a', sizeof(host));
    host[sizeof(host) - 1] = '\0';
    ask(host, &a);
    assert_string_equal(a.ip, "");
    assert_string_equal(a.why, "the name is too long");
}

static void cancelled_names_never_answer(void **state)
{
    struct asked waits = {.loop = world_loop()};
    struct asked a = {0};
    struct asked b = {0};
    struct asked c = {0};

    (void)state;
    struct loop_name *first = loop_resolve(waits.loop, "localhost", on_answer, &a);
    struct loop_name *second = loop_resolve(waits.loop, "localhost", on_answer, &b);
    struct loop_name *number = loop_resolve(waits.loop, "127.0.0.1", on_answer, &c);
    assert_non_null(loop_resolve(waits.loop, "localhost", on_answer, &waits));
    loop_resolve_cancel(first);  /* running, or done */
    loop_resolve_cancel(second); /* waiting */
    loop_resolve_cancel(number); /* answered, not told */
    loop_resolve_cancel(NULL);
    world_wait_flag(waits.loop, &waits.answered);
    assert_int_equal(a.answers + b.answers + c.answers, 0);
    loop_destroy(waits.loop);
}

static void an_answer_may_cancel_another_of_the_same_turn(void **state)
{
    struct asked a = {.loop = world_loop()};
    struct asked b = {0};

    (void)state;
    assert_non_null(loop_resolve(a.loop, "127.0.0.1", on_answer, &a));
    a.other = loop_resolve(a.loop, "127.0.0.2", on_answer, &b);
    world_wait_flag(a.loop, &a.answered);
    world_turns(a.loop, 3);
    assert_int_equal(b.answers, 0);
    loop_destroy(a.loop);
}

static void destroy_does_not_wait_for_names(void **state)
{
    struct loop *loop = world_loop();
    struct asked a = {0};

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_non_null(loop_resolve(loop, "localhost", on_answer, &a));
    }
    loop_destroy(loop);
    assert_int_equal(a.answers, 0);
}

static bool is_full(void *ctx)
{
    const struct asked *a = ctx;
    return a->answers > 0;
}

static void the_queue_is_bounded(void **state)
{
    struct asked a = {.loop = world_loop()};
    static struct asked others;

    (void)state;
    others = (struct asked){0};
    for (int i = 0; i < 20 * LOOP_RESOLVE_MAX && !is_full(&a); i++) {
        assert_non_null(loop_resolve(a.loop, "localhost", on_answer, &others));
    }
    world_wait(a.loop, is_full, &others);
    assert_true(others.ip[0] != '\0' || strstr(others.why, "too many names") != NULL);
    loop_destroy(a.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(localhost_is_found),
        cmocka_unit_test(numbers_answer_themselves),
        cmocka_unit_test(what_has_no_answer_says_why),
        cmocka_unit_test(cancelled_names_never_answer),
        cmocka_unit_test(an_answer_may_cancel_another_of_the_same_turn),
        cmocka_unit_test(destroy_does_not_wait_for_names),
        cmocka_unit_test(the_queue_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

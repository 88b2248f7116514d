#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"
#include "http/haproxy_queue.h"
#include "http/haproxy_word.h"

struct world {
    struct site_view view;
    struct haproxy_queue queue;
};

static int make_world(void **state)
{
    struct world *w = memory_zeroed(sizeof(*w));
    struct view_service *web = &w->view.services[0];

    w->view.has_majority = true;
    w->view.services_count = 1;
    text_cut(web->name, sizeof(web->name), "web");
    web->members_count = 2;
    for (size_t i = 0; i < 2; i++) {
        struct haproxy_server names = {.service = "web", .backend = "b", .has_agent = i == 0};
        web->members[i] =
            (struct view_member){.verdict = VERDICT_READY, .weight_permille = HEALTH_PERMILLE};
        text_cut(web->members[i].name, VIEW_NAME_MAX, i == 0 ? "w1" : "w2");
        text_cut(names.member, VIEW_NAME_MAX, web->members[i].name);
        text_cut(names.server, HAPROXY_NAME_MAX, web->members[i].name);
        assert_true(haproxy_queue_add(&w->queue, &names));
    }
    site_view_changed(&w->view);
    *state = w;
    return 0;
}

static int free_world(void **state)
{
    free(*state);
    return 0;
}

/* ---- words ---- */

static void expect_line(const struct world *w, const char *member, const char *want)
{
    struct haproxy_word word = haproxy_word(&w->view, "web", member);
    char line[HAPROXY_LINE_MAX];

    haproxy_agent_line(&word, line);
    assert_string_equal(line, want);
}

static void every_verdict_has_its_line(void **state)
{
    struct world *w = *state;
    struct view_member *m = &w->view.services[0].members[0];

    expect_line(w, "w1", "up ready 100%\n");
    m->weight_permille = 250;
    expect_line(w, "w1", "up ready 25%\n");
    m->weight_permille = 3; /* a slow start is never "nothing new" */
    expect_line(w, "w1", "up ready 1%\n");
    m->verdict = VERDICT_AVOID;
    expect_line(w, "w1", "up ready 0%\n"); /* w2 is ready */
    w->view.services[0].members[1].verdict = VERDICT_UNREACHABLE;
    expect_line(w, "w1", "up ready 1%\n");
    expect_line(w, "w2", "down #unreachable\n");
    m->verdict = VERDICT_NOT_READY;
    text_cut(m->reason, sizeof(m->reason), "HTTP 500\r\nup ready");
    expect_line(w, "w1", "down #HTTP 500??up ready\n"); /* one line, whatever a server says */
    m->verdict = VERDICT_UNKNOWN;
    expect_line(w, "w1", "\n");
    m->is_drained = true;
    expect_line(w, "w1", "drain\n");
    expect_line(w, "w9", "down #unknown member\n");
    w->view.generation = 0;
    expect_line(w, "w9", "\n");
}

static void a_long_reason_is_cut(void **state)
{
    struct world *w = *state;
    struct view_member *m = &w->view.services[0].members[0];
    struct haproxy_word word;
    char line[HAPROXY_LINE_MAX];

    m->verdict = VERDICT_NOT_READY;
    memset(m->reason, 'x', sizeof(m->reason) - 1);
    word = haproxy_word(&w->view, "web", "w1");
    haproxy_agent_line(&word, line);
    assert_int_equal(strlen(line), strlen("down #\n") + HAPROXY_REASON_MAX - 1);
}

static void one_writer_and_a_majority(void **state)
{
    struct world *w = *state;
    struct view_service *web = &w->view.services[0];

    web->has_one_writer = true;
    web->members[1].is_writer = true;
    expect_line(w, "w1", "down #not the writer\n");
    expect_line(w, "w2", "up ready 100%\n");
    web->members[1].verdict = VERDICT_AVOID; /* it stays the one */
    expect_line(w, "w2", "up ready 100%\n");
    w->view.has_majority = false;
    expect_line(w, "w2", "up ready 100%\n");
    web->needs_majority = true;
    expect_line(w, "w2", "down #this node hears no majority of the monitors\n");
}

/* ---- the queue ---- */

static void expect_batch(struct world *w, const char *want)
{
    struct buf out = {0};

    (void)haproxy_queue_update(&w->queue, &w->view); /* the text says whether there was something */
    assert_int_equal(haproxy_queue_batch(&w->queue, &out), want[0] != '\0');
    assert_string_equal(buf_data(&out), want);
    buf_finish(&out);
}

static void only_what_changed_is_told(void **state)
{
    struct world *w = *state;
    struct view_member *m = w->view.services[0].members;

    expect_batch(w, "set server b/w1 weight 100%;set server b/w1 agent up;"
                    "set server b/w1 state ready;"
                    "set server b/w2 weight 100%;set server b/w2 state ready");
    haproxy_queue_done(&w->queue);
    expect_batch(w, "");
    m[1].verdict = VERDICT_UNREACHABLE;
    expect_batch(w, "set server b/w2 state maint;shutdown sessions server b/w2");
    m[1].verdict = VERDICT_READY;                    /* while it is on its way */
    (void)haproxy_queue_update(&w->queue, &w->view); /* what is told is what was sent */
    haproxy_queue_done(&w->queue);
    expect_batch(w, "set server b/w2 weight 100%;set server b/w2 state ready");
    haproxy_queue_done(&w->queue);
    m[0].weight_permille = 500;
    m[1].is_drained = true;
    expect_batch(w, "set server b/w1 weight 50%;set server b/w2 state drain");
    haproxy_queue_done(&w->queue);
}

static void a_lost_batch_is_told_again_with_the_newest_word(void **state)
{
    struct world *w = *state;

    w->view.services[0].members[0].is_drained = true;
    w->view.services[0].members[1].verdict = VERDICT_UNKNOWN; /* nothing to say */
    expect_batch(w, "set server b/w1 state drain");
    haproxy_queue_failed(&w->queue);
    expect_batch(w, "set server b/w1 state drain");
    haproxy_queue_failed(&w->queue);
    w->view.services[0].members[0].is_drained = false;
    w->view.services[0].members[0].verdict = VERDICT_NOT_READY;
    expect_batch(w, "set server b/w1 state maint;shutdown sessions server b/w1");
    haproxy_queue_done(&w->queue);
    expect_batch(w, "");
    haproxy_queue_forget(&w->queue); /* HAProxy was restarted */
    expect_batch(w, "set server b/w1 state maint;shutdown sessions server b/w1");
    haproxy_queue_done(&w->queue);
}

static void a_refusal_is_told_once(void **state)
{
    struct world *w = *state;

    w->view.services[0].members[0].verdict = VERDICT_NOT_READY;
    w->view.services[0].members[1].verdict = VERDICT_UNKNOWN;
    expect_batch(w, "set server b/w1 state maint;shutdown sessions server b/w1");
    assert_null(haproxy_queue_answered(&w->queue, 0, ""));
    assert_string_equal(haproxy_queue_answered(&w->queue, 1, "No such server.")->server, "w1");
    assert_null(haproxy_queue_answered(&w->queue, 1, "No such server."));
    haproxy_queue_done(&w->queue);
    expect_batch(w, "");
    w->view.services[0].members[0].verdict = VERDICT_READY;
    expect_batch(w, "set server b/w1 weight 100%;set server b/w1 agent up;"
                    "set server b/w1 state ready");
    haproxy_queue_done(&w->queue);
}

static void released_servers_are_ready_but_for_the_drained(void **state)
{
    struct world *w = *state;

    w->view.services[0].members[0].verdict = VERDICT_UNREACHABLE;
    w->view.services[0].members[1].is_drained = true;
    expect_batch(w, "set server b/w1 state maint;shutdown sessions server b/w1;"
                    "set server b/w2 state drain");
    haproxy_queue_done(&w->queue);
    haproxy_queue_release(&w->queue);
    struct buf out = {0};
    assert_true(haproxy_queue_batch(&w->queue, &out));
    assert_string_equal(buf_data(&out), "set server b/w1 weight 100%;set server b/w1 agent up;"
                                        "set server b/w1 state ready");
    haproxy_queue_done(&w->queue);
    buf_finish(&out);
}

static void a_large_site_is_told_in_parts(void **state)
{
    struct world *w = *state;
    struct buf out = {0};
    size_t batches = 0;

    w->view.services[0].members[0].verdict = VERDICT_UNREACHABLE;
    while (w->queue.count < HAPROXY_SERVERS_MAX) {
        struct haproxy_server more = {.service = "web", .member = "w1"};
        memset(more.backend, 'b', sizeof(more.backend) - 1); /* the longest names */
        memset(more.server, 's', sizeof(more.server) - 1);
        assert_true(haproxy_queue_add(&w->queue, &more));
    }
    struct haproxy_server one_more = {.backend = "b", .server = "s"};
    assert_false(haproxy_queue_add(&w->queue, &one_more));
    while (haproxy_queue_update(&w->queue, &w->view)) {
        assert_true(haproxy_queue_batch(&w->queue, &out));
        assert_true(out.len <= HAPROXY_BATCH_MAX_BYTES);
        haproxy_queue_done(&w->queue);
        buf_clear(&out);
        batches++;
    }
    assert_in_range(batches, 5, 40);
    buf_finish(&out);
}

static void names_that_would_be_commands_are_refused(void **state)
{
    struct world *w = *state;
    struct haproxy_server bad = {.backend = "b", .server = "s;disable"};

    assert_false(haproxy_queue_add(&w->queue, &bad));
    text_cut(bad.server, sizeof(bad.server), "a b");
    assert_false(haproxy_queue_add(&w->queue, &bad));
    text_cut(bad.server, sizeof(bad.server), "");
    assert_false(haproxy_queue_add(&w->queue, &bad));
    assert_int_equal(w->queue.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_verdict_has_its_line, make_world, free_world),
        cmocka_unit_test_setup_teardown(a_long_reason_is_cut, make_world, free_world),
        cmocka_unit_test_setup_teardown(one_writer_and_a_majority, make_world, free_world),
        cmocka_unit_test_setup_teardown(only_what_changed_is_told, make_world, free_world),
        cmocka_unit_test_setup_teardown(a_lost_batch_is_told_again_with_the_newest_word, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(a_refusal_is_told_once, make_world, free_world),
        cmocka_unit_test_setup_teardown(released_servers_are_ready_but_for_the_drained, make_world,
                                        free_world),
        cmocka_unit_test_setup_teardown(a_large_site_is_told_in_parts, make_world, free_world),
        cmocka_unit_test_setup_teardown(names_that_would_be_commands_are_refused, make_world,
                                        free_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
